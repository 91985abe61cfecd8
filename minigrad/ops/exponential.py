"""Exponentials, logarithms, the logistic function, and the functions around the error and gamma functions."""

import math

import numpy as np

from ..calls import in_place
from ..op import E, S, function, op
from ..tensor import Tensor
from .elementwise import number_like
from .samples import binary_errors, normal, pair_errors, positive, quiet, unary


def _above(low):
    """Samples of a function that is defined above ``low``; with the edge and NaN as values without gradient."""

    def samples(r):
        edge = np.array([low - 1.0, low, np.inf, np.nan])
        return [S(low + positive(r, 3, 4)), S(np.asarray(low + positive(r))), S(low + positive(r, 2, 0)), S(edge, grad=False)]

    return samples


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y: g * y,),
    formula=r"y = e^x",
    derivative=r"\bar x = \bar y\,y",
    onnx="Exp",
    samples=unary(),
    reference=np.exp,
)
def exp(xp, x):
    """e to the power of each element.

    >>> import minigrad
    >>> minigrad.exp(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return xp.exp(x)


@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, y: g * (y * math.log(2)),),
    formula=r"y = 2^x",
    derivative=r"\bar x = \bar y\,y \ln 2",
    samples=unary(),
    reference=np.exp2,
)
def exp2(xp, x):
    """2 to the power of each element.

    >>> import minigrad
    >>> minigrad.exp2(minigrad.tensor([0, 3]))
    tensor([1., 8.])
    """
    return xp.exp2(x)


@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, y: g * (y + 1.0),),
    formula=r"y = e^x - 1",
    derivative=r"\bar x = \bar y\,(y + 1)",
    samples=lambda r: [*unary()(r), S(np.array([1e-12, -1e-12]), grad=False)],
    reference=np.expm1,
)
def expm1(xp, x):
    """``exp(x) - 1``, exact for small x too.

    >>> import minigrad
    >>> minigrad.expm1(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """
    return xp.expm1(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g / x,),
    formula=r"y = \ln x",
    derivative=r"\bar x = \bar y / x",
    onnx="Log",
    samples=_above(0),
    reference=quiet(np.log),
)
def log(xp, x):
    """The natural logarithm of each element: -inf at 0, NaN below.

    >>> import minigrad
    >>> minigrad.log(minigrad.tensor([1.0, 0.0]))
    tensor([0., -inf])
    """
    return xp.log(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g / (x * math.log(2)),),
    formula=r"y = \log_2 x",
    derivative=r"\bar x = \bar y / (x \ln 2)",
    samples=_above(0),
    reference=quiet(np.log2),
)
def log2(xp, x):
    """The logarithm to base 2: -inf at 0, NaN below.

    >>> import minigrad
    >>> minigrad.log2(minigrad.tensor([1, 8]))
    tensor([0., 3.])
    """
    return xp.log2(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g / (x * math.log(10)),),
    formula=r"y = \log_{10} x",
    derivative=r"\bar x = \bar y / (x \ln 10)",
    samples=_above(0),
    reference=quiet(np.log10),
)
def log10(xp, x):
    """The logarithm to base 10: -inf at 0, NaN below.

    >>> import minigrad
    >>> minigrad.log10(minigrad.tensor([1.0, 2.0]))
    tensor([0.0000, 0.3010])
    """
    return xp.log10(x)


@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, x: g / (x + 1.0),),
    formula=r"y = \ln(1 + x)",
    derivative=r"\bar x = \bar y / (1 + x)",
    samples=lambda r: [*_above(-1)(r), S(np.array([1e-12, -1e-12]), grad=False)],
    reference=quiet(np.log1p),
)
def log1p(xp, x):
    """``log(1 + x)``, exact for small x too: -inf at -1, NaN below.

    >>> import minigrad
    >>> minigrad.log1p(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    return xp.log1p(x)


@op(
    kind="elementwise",
    spaces="torch Tensor functional",
    promote="float",
    vjp=(lambda xp, g, y: g * (y * (1.0 - y)),),
    formula=r"y = \frac{1}{1 + e^{-x}}",
    derivative=r"\bar x = \bar y\,y\,(1 - y)",
    onnx="Sigmoid",
    samples=lambda r: [*unary(-4, 4)(r), S(np.array([-900.0, -40.0, 0.0, 40.0, 900.0, np.nan]), grad=False)],
    reference=lambda x: np.where(
        x < 0, np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))), 1 / (1 + np.exp(-np.maximum(x, 0)))
    ),
)
def sigmoid(xp, x):
    """The logistic function: it maps all numbers into (0, 1).

    >>> import minigrad
    >>> minigrad.sigmoid(minigrad.tensor([-1.0, 0.0, 1.0]))
    tensor([0.2689, 0.5000, 0.7311])
    """
    return 1.0 / (1.0 + xp.exp(-x))  # where exp overflows, the result is 0


@function(
    "expit",
    spaces="special",
    samples=unary(-4, 4),
    reference=lambda x: 1 / (1 + np.exp(-x)),
    formula=r"y = \frac{1}{1 + e^{-x}}",
    derivative=r"\bar x = \bar y\,y\,(1 - y)",
)
def expit(input):
    """The logistic function. See :func:`minigrad.sigmoid`.

    >>> import minigrad
    >>> minigrad.special.expit(minigrad.tensor([0.0]))
    tensor([0.5000])
    """
    return sigmoid(input)


# ------------------------------------------------------------------------------------------------------------ error function
@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, x: g * (xp.exp(-(x * x)) * (2 / math.sqrt(math.pi))),),
    formula=r"y = \frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt",
    derivative=r"\bar x = \bar y\,\frac{2}{\sqrt\pi} e^{-x^2}",
    onnx="Erf",
    samples=unary(),
    reference=lambda x: np.vectorize(math.erf, otypes=[float])(x),
)
def erf(xp, x):
    """The error function of each element.

    >>> import minigrad
    >>> minigrad.erf(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    return xp.erf(x)


@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, x: g * (xp.exp(-(x * x)) * (-2 / math.sqrt(math.pi))),),
    formula=r"y = 1 - \mathrm{erf}(x)",
    derivative=r"\bar x = -\bar y\,\frac{2}{\sqrt\pi} e^{-x^2}",
    samples=lambda r: [*unary()(r), S(np.array([9.0, 26.0]), grad=False)],
    reference=lambda x: np.vectorize(math.erfc, otypes=[float])(x),
)
def erfc(xp, x):
    """``1 - erf(x)``, exact for large x too.

    >>> import minigrad
    >>> minigrad.erfc(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """
    return xp.erfc(x)


def _erfinv_reference(x):
    from scipy.special import erfinv

    return erfinv(x)


@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, y: g * (xp.exp(y * y) * (math.sqrt(math.pi) / 2)),),
    formula=r"\mathrm{erf}(y) = x",
    derivative=r"\bar x = \bar y\,\frac{\sqrt\pi}{2} e^{y^2}",
    samples=lambda r: [*unary(-0.9, 0.9)(r), S(np.array([-1.0, 1.0, 2.0]), grad=False)],
    reference=_erfinv_reference,
)
def erfinv(xp, x):
    """The inverse of the error function: infinite at -1 and 1, NaN outside.

    >>> import minigrad
    >>> minigrad.erfinv(minigrad.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """
    return xp.erfinv(x)


# ------------------------------------------------------------------------------------------------------------ gamma function
@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.digamma(x),),
    formula=r"y = \ln |\Gamma(x)|",
    derivative=r"\bar x = \bar y\,\psi(x)",
    samples=lambda r: [S(positive(r, 3, 4)), S(positive(r)), S(positive(r, 0)), S(-0.2 - 0.6 * r.random(3))],
    reference=lambda x: np.vectorize(math.lgamma, otypes=[float])(x),
)
def lgamma(xp, x):
    """The logarithm of the absolute value of the gamma function.

    >>> import minigrad
    >>> minigrad.lgamma(minigrad.tensor([1.0, 5.0]))
    tensor([0.0000, 3.1781])
    """
    return xp.lgamma(x)


def _polygamma_reference(n, x):
    from scipy.special import polygamma

    return polygamma(n, x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.polygamma(x, n=1),),
    formula=r"y = \psi(x) = \frac{d}{dx} \ln \Gamma(x)",
    derivative=r"\bar x = \bar y\,\psi'(x)",
    samples=lambda r: [S(positive(r, 3, 4)), S(positive(r)), S(positive(r, 0)), S(-0.2 - 0.6 * r.random(3))],
    reference=lambda x: _polygamma_reference(0, x),
)
def digamma(xp, x):
    """The derivative of the logarithm of the gamma function.

    >>> import minigrad
    >>> minigrad.digamma(minigrad.tensor([1.0, 2.0]))
    tensor([-0.5772,  0.4228])
    """
    return xp.digamma(x)


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(lambda xp, g, x, n: g * xp.polygamma(x, n=n + 1),),
    formula=r"y = \psi^{(n)}(x)",
    derivative=r"\bar x = \bar y\,\psi^{(n+1)}(x)",
    samples=lambda r: [S(positive(r, 3), n=1)],
    inplace=False,
)
def polygamma(xp, x, *, n):
    """The n-th derivative of the digamma function, n > 0."""
    return xp.polygamma(x, n=n)


@function(
    "polygamma",
    spaces="torch special",
    samples=lambda r: [S(0, positive(r, 3)), S(1, positive(r, 3, 2)), S(2, positive(r))],
    errors=lambda r: [E(RuntimeError, "n >= 0", -1, positive(r, 3))],
    reference=_polygamma_reference,
    formula=r"y = \psi^{(n)}(x)",
    derivative=r"\bar x = \bar y\,\psi^{(n+1)}(x)",
)
def _polygamma(n, input):
    """The ``n``-th derivative of the digamma function; 0 gives :func:`minigrad.digamma` itself.

    >>> import minigrad
    >>> minigrad.polygamma(1, minigrad.tensor([1.0]))
    tensor([1.6449])
    """
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n: n >= 0 is needed, got {n}")
    return digamma(input) if n == 0 else polygamma(input, n=n)


def _polygamma_method(self, n):
    """:func:`minigrad.polygamma` with the order after the tensor."""
    return _polygamma(n, self)


Tensor.polygamma, Tensor.polygamma_ = _polygamma_method, in_place(_polygamma_method, "polygamma")


# --------------------------------------------------------------------------------------------------------------- of two arrays
@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, a, b: g * xp.sigmoid(a - b), lambda xp, g, a, b: g * xp.sigmoid(b - a)),
    formula=r"y = \ln(e^a + e^b)",
    derivative=r"\bar a = \bar y\,\sigma(a - b), \quad \bar b = \bar y\,\sigma(b - a)",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 4)),
        S(normal(r, 3), normal(r)),
        S(normal(r, 3) * 100, normal(r, 2, 1) * 100),
    ],
    errors=lambda r: [*pair_errors(r), E(RuntimeError, "not implemented for", np.array([1]), np.array([2]))],
    tensors=2,
    no_bool="integers",
    reference=np.logaddexp,
    inplace=False,
)
def logaddexp(xp, a, b):
    """``log(exp(input) + exp(other))`` without overflow.

    >>> import minigrad
    >>> minigrad.logaddexp(minigrad.tensor([0.0, 1000.0]), minigrad.tensor([0.0, 1000.0]))
    tensor([6.9315e-01, 1.0007e+03])
    """
    return xp.logaddexp(a, b)


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(
        lambda xp, g, a, b: g * xp.log(xp.where(xp.logical_and(xp.equal(a, 0), xp.less_equal(b, 0)), 1.0, b)),
        lambda xp, g, a, b: g * (a / b),
    ),
    formula=r"y = a \ln b",
    derivative=r"\bar a = \bar y \ln b, \quad \bar b = \bar y\,a / b",
    samples=lambda r: [S(normal(r, 3, 4), positive(r, 4)), S(np.array([0.0, 0.0, 2.0]), np.array([0.5, 2.0, 3.0]))],
    inplace=False,
)
def xlogy(xp, a, b):
    """``a * log(b)``, 0 where ``a`` is 0 unless ``b`` is NaN."""
    silent = xp.logical_and(xp.equal(a, 0), xp.logical_not(xp.isnan(b)))
    return a * xp.log(xp.where(silent, 1.0, b))


def _xlogy_reference(a, b):
    from scipy.special import xlogy

    return xlogy(a, b)


@function(
    "xlogy",
    spaces="torch Tensor special",
    inplace=True,
    formula=r"y = a \ln b",
    derivative=r"\bar a = \bar y \ln b, \quad \bar b = \bar y\,a / b",
    samples=lambda r: [
        S(normal(r, 3, 4), positive(r, 4)),
        S(normal(r, 3), 2.0),
        S(0.5, positive(r, 3)),
        S(0, positive(r, 3)),
        S(np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, -1.0, 0.0, np.nan]), grad=False),
    ],
    errors=binary_errors,
    reference=_xlogy_reference,
)
def _xlogy(input, other):
    """``input * log(other)``, and 0 where ``input`` is 0 (unless ``other`` is NaN). Either may be a number.

    >>> import minigrad
    >>> minigrad.xlogy(minigrad.tensor([0.0, 2.0]), minigrad.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    if not isinstance(other, Tensor) and isinstance(other, int | float):
        other = number_like(input, float(other))
    elif not isinstance(input, Tensor) and isinstance(input, int | float):
        input = number_like(other, float(input))
    return xlogy(input, other)
