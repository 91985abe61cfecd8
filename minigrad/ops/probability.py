"""Functions of probabilities: the normal distribution's, log odds, entropy."""

import math

import numpy as np

from ..op import E, S, function, op
from ..tensor import Tensor
from .elementwise import number_like
from .samples import binary_errors, normal, positive, quiet, unary

ROOT_HALF, ROOT_TWO_PI = math.sqrt(0.5), math.sqrt(2.0 * math.pi)


def _scipy(name):
    def reference(*args):
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return quiet(reference)


# ------------------------------------------------------------------------------------------------------- normal distribution
@op(
    kind="elementwise",
    spaces="special",
    promote="float",
    vjp=(lambda xp, g, x: g * (xp.exp(x * x * -0.5) * (1.0 / ROOT_TWO_PI)),),
    formula=r"y = \Phi(x) = \frac{1}{\sqrt{2 \pi}} \int_{-\infty}^x e^{-t^2 / 2} dt",
    derivative=r"\bar x = \bar y\,e^{-x^2 / 2} / \sqrt{2 \pi}",
    samples=lambda r: [*unary(-3, 3)(r), S(np.array([-20.0, 9.0, np.nan]), grad=False)],
    reference=_scipy("ndtr"),
    inplace=False,
)
def ndtr(xp, x):
    """The probability that a standard normal number is below ``input``.

    >>> import minigrad
    >>> minigrad.special.ndtr(minigrad.tensor([0.0, 1.0]))
    tensor([0.5000, 0.8413])
    """
    return xp.erfc(x * -ROOT_HALF) * 0.5


@op(
    kind="elementwise",
    spaces="special",
    promote="float",
    vjp=(lambda xp, g, y: g * (xp.exp(y * y * 0.5) * ROOT_TWO_PI),),
    formula=r"\Phi(y) = x",
    derivative=r"\bar x = \bar y\,\sqrt{2 \pi}\,e^{y^2 / 2}",
    samples=lambda r: [*unary(0.05, 0.95)(r), S(np.array([0.0, 1.0, -1.0, np.nan]), grad=False)],
    reference=_scipy("ndtri"),
    inplace=False,
)
def ndtri(xp, x):
    """The inverse of :func:`minigrad.special.ndtr`: infinite at 0 and 1, NaN outside.

    >>> import minigrad
    >>> minigrad.special.ndtri(minigrad.tensor([0.5, 0.975]))
    tensor([0.0000, 1.9600])
    """
    return xp.ndtri(x)


def _log_ndtr_rule(xp, g, x):
    """The density over the probability; by erfcx on the left, where both vanish."""
    right = xp.greater(x, 1.0)
    high, low = xp.where(right, x, 1.0), xp.where(right, 1.0, x)
    ratio = xp.exp(high * high * -0.5) / xp.ndtr(high) * (1.0 / ROOT_TWO_PI)
    return g * xp.where(right, ratio, math.sqrt(2.0 / math.pi) / xp.erfcx(low * -ROOT_HALF))


@op(
    kind="elementwise",
    spaces="special",
    promote="float",
    vjp=(_log_ndtr_rule,),
    formula=r"y = \ln \Phi(x)",
    derivative=r"\bar x = \bar y \sqrt{2 / \pi} / \mathrm{erfcx}(-x / \sqrt 2)",
    samples=lambda r: [*unary(-3, 3)(r), S(np.array([1.1, 1.3])), S(np.array([-40.0, 0.0, 9.0, np.nan]), grad=False)],
    reference=_scipy("log_ndtr"),
    inplace=False,
)
def log_ndtr(xp, x):
    """The logarithm of :func:`minigrad.special.ndtr`, exact for very negative elements too.

    >>> import minigrad
    >>> minigrad.special.log_ndtr(minigrad.tensor([-10.0, 0.0]))
    tensor([-53.2313,  -0.6931])
    """
    return xp.log_ndtr(x)


@op(
    kind="elementwise",
    spaces="special",
    promote="float",
    vjp=(lambda xp, g, x, y: g * (2.0 * x * y - 2.0 / math.sqrt(math.pi)),),
    formula=r"y = e^{x^2} \mathrm{erfc}(x)",
    derivative=r"\bar x = \bar y\,(2 x y - 2 / \sqrt\pi)",
    samples=lambda r: [*unary(-2, 3)(r), S(np.array([-30.0, 0.0, 40.0, np.nan]), grad=False)],
    reference=_scipy("erfcx"),
    inplace=False,
)
def erfcx(xp, x):
    """``exp(x * x) * erfc(x)``, which does not vanish for large x.

    >>> import minigrad
    >>> minigrad.special.erfcx(minigrad.tensor([0.0, 10.0]))
    tensor([1.0000, 0.0561])
    """
    return xp.erfcx(x)


# -------------------------------------------------------------------------------------------------------------- log odds
def _logit_rule(xp, g, x, eps):
    low, high = (0.0, 1.0) if eps is None else (eps, 1.0 - eps)
    inside = xp.logical_and(xp.greater_equal(x, low), xp.less_equal(x, high))
    safe = xp.where(inside, x, 0.5)
    return xp.where(inside, g / (safe * (1.0 - safe)), math.nan if eps is None else 0.0)


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(_logit_rule,),
    formula=r"y = \ln \frac{x}{1 - x}",
    derivative=r"\bar x = \bar y / (x (1 - x))",
    samples=lambda r: [S(0.1 + 0.8 * r.random((3, 4)), eps=None), S(np.array([0.1, 0.35, 0.6, 0.95]), eps=0.3)],
    inplace=False,
)
def log_odds(xp, x, *, eps):
    """The logarithm of the odds of a probability, which ``eps`` keeps away from 0 and 1."""
    p = x if eps is None else xp.clamp(x, eps, 1.0 - eps)
    return xp.log(p / (1.0 - p))


def _logit_reference(x, eps=None):
    p = x if eps is None else np.clip(x, eps, 1 - eps)
    return np.log(p) - np.log1p(-p)


@function(
    "logit",
    spaces="torch Tensor special",
    inplace=True,
    formula=r"y = \ln \frac{x}{1 - x}",
    derivative=r"\bar x = \bar y / (x (1 - x))",
    samples=lambda r: [
        *unary(0.05, 0.95)(r),
        S(np.array([-0.1, 0.0, 0.2, 0.25, 0.5, 0.9, 1.0, 1.1, np.nan]), eps=0.2, grad=False),
        S(np.array([0.0, 1.0, -1.0, 2.0, np.nan]), grad=False),
        S(0.4 + 0.2 * r.random(4), 0.3),
    ],
    reference=quiet(_logit_reference),
)
def logit(input, eps=None):
    """The logarithm of the odds of a probability: the inverse of the sigmoid.

    Args:
        input: tensor with values from 0 to 1; NaN outside, unless ``eps`` is given.
        eps: keeps the probability in ``[eps, 1 - eps]``; the gradient is 0 outside.

    >>> import minigrad
    >>> minigrad.logit(minigrad.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    return log_odds(input, eps=eps)


# --------------------------------------------------------------------------------------------------------------- entropy
@op(
    kind="elementwise",
    spaces="special",
    promote="float",
    vjp=(lambda xp, g, x: g * (-xp.log(x) - 1.0),),
    formula=r"y = -x \ln x",
    derivative=r"\bar x = -\bar y\,(1 + \ln x)",
    samples=lambda r: [*unary(0.1, 2.0)(r), S(np.array([0.0, -1.0, np.nan, np.inf]), grad=False)],
    reference=_scipy("entr"),
    inplace=False,
)
def entr(xp, x):
    """``-x * log(x)``: 0 at 0, -inf below.

    >>> import minigrad
    >>> minigrad.special.entr(minigrad.tensor([0.5, 0.0, -1.0]))
    tensor([0.3466, 0.0000,   -inf])
    """
    inside = xp.greater(x, 0)
    y = -x * xp.log(xp.where(inside, x, 1.0))
    return xp.where(xp.less(x, 0), -math.inf, xp.where(xp.equal(x, 0), 0.0, y))


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(
        lambda xp, g, a, b: g * xp.log1p(xp.where(xp.logical_and(xp.equal(a, 0), xp.less_equal(b, -1)), 0.0, b)),
        lambda xp, g, a, b: g * (a / (b + 1.0)),
    ),
    formula=r"y = a \ln(1 + b)",
    derivative=r"\bar a = \bar y \ln(1 + b), \quad \bar b = \bar y\,a / (1 + b)",
    samples=lambda r: [S(normal(r, 3, 4), positive(r, 4)), S(np.array([0.0, 0.0, 2.0]), np.array([-0.5, 2.0, 3.0]))],
    inplace=False,
)
def xlog1py(xp, a, b):
    """``a * log1p(b)``, 0 where ``a`` is 0 unless ``b`` is NaN."""
    silent = xp.logical_and(xp.equal(a, 0), xp.logical_not(xp.isnan(b)))
    return a * xp.log1p(xp.where(silent, 0.0, b))


@function(
    "xlog1py",
    spaces="special",
    formula=r"y = a \ln(1 + b)",
    derivative=r"\bar a = \bar y \ln(1 + b), \quad \bar b = \bar y\,a / (1 + b)",
    samples=lambda r: [
        S(normal(r, 3, 4), positive(r, 4)),
        S(normal(r, 3), 2.0),
        S(0.5, positive(r, 3)),
        S(0, positive(r, 3)),
        S(np.array([0.0, 0.0, 1.0, 0.0]), np.array([-1.0, -2.0, -1.0, np.nan]), grad=False),
    ],
    errors=lambda r: [*binary_errors(r), E(TypeError, "must be Tensor", 1.0, 2.0)],
    reference=_scipy("xlog1py"),
)
def _xlog1py(input, other):
    """``input * log1p(other)``, and 0 where ``input`` is 0 (unless ``other`` is NaN). Either may be a number.

    >>> import minigrad
    >>> minigrad.special.xlog1py(minigrad.tensor([0.0, 2.0]), minigrad.tensor([-1.0, 1.0]))
    tensor([0.0000, 1.3863])
    """
    if isinstance(input, Tensor) and isinstance(other, int | float):
        other = number_like(input, float(other))
    elif isinstance(other, Tensor) and isinstance(input, int | float):
        input = number_like(other, float(input))
    return xlog1py(input, other)
