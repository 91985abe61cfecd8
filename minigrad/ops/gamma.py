"""The incomplete gamma functions, the multivariate one, and Hurwitz's zeta."""

import math

import numpy as np

from ..errors import GradError
from ..op import E, S, function, op
from .exponential import lgamma
from .samples import binary_errors, positive, quiet


def _scipy(name):
    def reference(a, b):
        import scipy.special

        return getattr(scipy.special, name)(a, b)

    return quiet(reference)


def _no_derivative(name, argument):
    """A rule that refuses, as PyTorch does, rather than leave a part of the gradient out."""

    def rule(xp, g):
        raise GradError(f"the derivative for '{name}: {argument}' is not implemented; detach() it if it is a constant")

    rule.refuses = True
    return rule


# -------------------------------------------------------------------------------------------------------- incomplete gamma
def _density(xp, g, a, b):
    """d/db P(a, b): the density of the gamma distribution."""
    return g * xp.exp((a - 1.0) * xp.log(b) - b - xp.lgamma(a))


def _pairs(r):
    edges = np.array([0.0, 0.0, -1.0, 1.0, 1.0, np.nan]), np.array([0.0, 1.0, 1.0, -1.0, np.inf, 1.0])
    return [
        S(positive(r, 3, 4), positive(r, 4), grad=False),
        S(positive(r, 4) * 40, positive(r, 2, 1) * 40, grad=False),
        S(positive(r, 2, 0), positive(r), grad=False),
        S(np.array([1, 2, 3]), positive(r, 2, 3)),  # the second argument alone has a derivative
        S(*edges, grad=False),
    ]


_PAIR_ERRORS = lambda r: [*binary_errors(r), E(RuntimeError, "not implemented for", np.array([1]), np.array([2]))]


@op(
    kind="elementwise",
    names="",
    promote=True,
    vjp=(_no_derivative("igamma", "input"), _density),
    formula=r"y = P(a, b) = \frac{1}{\Gamma(a)} \int_0^b t^{a-1} e^{-t} dt",
    derivative=r"\bar b = \bar y\,b^{a-1} e^{-b} / \Gamma(a)",
    samples=lambda r: [S(positive(r, 3, 4), positive(r, 4), grad=False)],
)
def igamma(xp, a, b):
    """The regularized lower incomplete gamma function."""
    return xp.igamma(a, b)


@op(
    kind="elementwise",
    names="",
    promote=True,
    vjp=(_no_derivative("igammac", "input"), lambda xp, g, a, b: -_density(xp, g, a, b)),
    formula=r"y = Q(a, b) = 1 - P(a, b)",
    derivative=r"\bar b = -\bar y\,b^{a-1} e^{-b} / \Gamma(a)",
    samples=lambda r: [S(positive(r, 3, 4), positive(r, 4), grad=False)],
)
def igammac(xp, a, b):
    """The regularized upper incomplete gamma function."""
    return xp.igammac(a, b)


def _refuse_integers(name, input, other):
    if not input.is_floating_point() and not other.is_floating_point():
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}; convert the tensor with .float()')


@function(
    "igamma",
    inplace=True,
    formula=r"y = P(a, b) = \frac{1}{\Gamma(a)} \int_0^b t^{a-1} e^{-t} dt",
    derivative=r"\bar b = \bar y\,b^{a-1} e^{-b} / \Gamma(a)",
    samples=_pairs,
    errors=_PAIR_ERRORS,
    reference=_scipy("gammainc"),
)
def _igamma(input, other):
    """The regularized lower incomplete gamma function. Also ``special.gammainc``.

    Args:
        input: float tensor, not negative.
        other: float tensor that broadcasts with it, not negative. It has a gradient; ``input`` has none.

    Raises:
        RuntimeError: for integers, and in backward where ``input`` requires a gradient.

    >>> import minigrad
    >>> minigrad.igamma(minigrad.tensor([1.0]), minigrad.tensor([2.0]))
    tensor([0.8647])
    """
    _refuse_integers("igamma", input, other)
    return igamma(input, other)


@function(
    "igammac",
    inplace=True,
    formula=r"y = Q(a, b) = 1 - P(a, b)",
    derivative=r"\bar b = -\bar y\,b^{a-1} e^{-b} / \Gamma(a)",
    samples=_pairs,
    errors=_PAIR_ERRORS,
    reference=_scipy("gammaincc"),
)
def _igammac(input, other):
    """The regularized upper incomplete gamma function, ``1 - igamma(input, other)``. Also ``special.gammaincc``.

    >>> import minigrad
    >>> minigrad.igammac(minigrad.tensor([1.0]), minigrad.tensor([2.0]))
    tensor([0.1353])
    """
    _refuse_integers("igammac", input, other)
    return igammac(input, other)


# --------------------------------------------------------------------------------------------------------- several variables
@function(
    "mvlgamma",
    inplace=True,
    formula=r"y = \frac{p (p - 1)}{4} \ln \pi + \sum_{i=1}^p \ln \Gamma(x - \frac{i - 1}{2})",
    derivative=r"\bar x = \bar y \sum_i \psi(x - \frac{i - 1}{2})",
    samples=lambda r: [
        S(2 + positive(r, 3, 4), 1),
        S(np.asarray(2 + positive(r)), p=3),
        S(2 + positive(r, 2, 0), 2),
    ],
    errors=lambda r: [E(RuntimeError, "p has to be greater than or equal to 1", positive(r, 3), 0)],
    reference=lambda x, p: (
        p * (p - 1) / 4 * math.log(math.pi) + sum(np.vectorize(math.lgamma, otypes=[float])(x - i / 2) for i in range(p))
    ),
)
def mvlgamma(input, p):
    """The logarithm of the gamma function of ``p`` variables. Also ``special.multigammaln``.

    Args:
        input: tensor with values above ``(p - 1) / 2``.
        p: number of variables, 1 or more.

    >>> import minigrad
    >>> minigrad.mvlgamma(minigrad.tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    total = lgamma(input) + p * (p - 1) / 4 * math.log(math.pi)
    for i in range(1, p):
        total = total + lgamma(input - i / 2)
    return total


# --------------------------------------------------------------------------------------------------------------------- zeta
@op(
    kind="elementwise",
    spaces="special",
    promote="float",
    vjp=(_no_derivative("zeta", "input"), lambda xp, g, a, b: -g * a * xp.zeta(a + 1.0, b)),
    formula=r"y = \sum_{k=0}^\infty (k + b)^{-a}",
    derivative=r"\bar b = -\bar y\,a\,\zeta(a + 1, b)",
    samples=lambda r: [
        S(1 + positive(r, 3, 4), positive(r, 4), grad=False),
        S(2.5, positive(r, 3)),
        S(np.array([2, 3]), positive(r, 3, 2)),
        S(np.array([1.0, 0.5, 2.0, 3.0]), np.array([1.0, 1.0, -1.0, 0.5]), grad=False),
    ],
    errors=binary_errors,
    reference=_scipy("zeta"),
    inplace=False,
)
def zeta(xp, a, b):
    """Hurwitz's zeta function of ``input`` and ``other``; Riemann's where ``other`` is 1.

    Args:
        input: exponent, above 1; a tensor or a number. It has no gradient.
        other: tensor that broadcasts with it, or a number.

    >>> import minigrad
    >>> minigrad.special.zeta(minigrad.tensor([2.0, 3.0]), minigrad.tensor([1.0]))
    tensor([1.6449, 1.2021])
    """
    return xp.zeta(a, b)
