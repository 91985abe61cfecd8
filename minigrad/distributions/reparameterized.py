"""Draws from the gamma and the Dirichlet distribution through which gradients flow.

A draw x from a distribution with cumulative function F moves with its parameter a so that F stays the same:
dx/da = -(dF/da) / (dF/dx). Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", NeurIPS 2018; Jankowiak and
Obermeyer, "Pathwise derivatives beyond the reparameterization trick", ICML 2018.
"""

import itertools

import numpy as np

import minigrad

from ..dispatch import apply
from ..errors import GradError
from ..op import S, op, registry

FLOAT64 = np.dtype("float64")
TERMS = 200  # of a power series; for parameters up to LARGE and any likely draw the rest is below rounding
LARGE = 30.0
NODES, WEIGHTS = (values.tolist() for values in np.polynomial.legendre.leggauss(48))


def _refused(xp, g):
    raise GradError(
        "the derivative for '_standard_gamma_grad' is not implemented: gradients through a draw are of first order only"
    )


# ------------------------------------------------------------------------------------------------------------------- gamma
def _slope_samples(r):
    a = np.array([0.1, 0.7, 1.0, 3.5, 20.0, 45.0, 400.0])
    return [
        S(a, a * (1 + 0.3 * r.standard_normal(7).clip(-2, 2) / np.sqrt(a + 1)), grad=False),
        S(np.ones((2, 0)), np.ones((2, 0)), grad=False),
    ]


def _reference_slope(a, x):
    import scipy.special

    def integrand(t, a, x):  # of d/da of the density, over the density at x
        return (np.log(t) - scipy.special.digamma(a)) * np.exp((a - 1) * np.log(t / x) + x - t)

    return np.array([-_below(y, lambda t, c=c, y=y: integrand(t, c, y)) for c, y in zip(a.flat, x.flat)]).reshape(x.shape)


def _below(x, f):
    """The integral of ``f`` from 0 to ``x``, over the logarithm, in pieces."""
    import scipy.integrate

    edges = [0.0, *np.geomspace(1e-3, 700.0, 40)]
    pieces = [scipy.integrate.quad(lambda s: f(x * np.exp(-s)) * x * np.exp(-s), *ends)[0] for ends in itertools.pairwise(edges)]
    return sum(pieces)


@op(
    kind="other",
    names="",
    vjp=(_refused, _refused),
    samples=_slope_samples,
    reference=_reference_slope,
    formula=r"\frac{dx}{da} = -\frac{\partial P(a, x) / \partial a}{x^{a - 1} e^{-x} / \Gamma(a)}",
)
def gamma_slope(xp, a, x):
    """How a draw ``x`` of the gamma distribution moves with its concentration ``a``.

    For small ``a`` from the power series of the incomplete gamma function (Abramowitz and Stegun 6.5.29), term by term; for
    large ``a`` the integral over the distribution is taken numerically, by the method of Gauss and Legendre.
    """
    dtype = x.dtype
    a, x = xp.astype(a, dtype=FLOAT64), xp.astype(x, dtype=FLOAT64)
    large = xp.greater(a, LARGE)
    small = _series_slope(xp, xp.minimum(a, LARGE), xp.where(large, LARGE, x))
    return xp.astype(xp.where(large, _gamma_quadrature(xp, xp.maximum(a, LARGE), xp.where(large, x, LARGE)), small), dtype=dtype)


def _series_slope(xp, a, x):
    """From P(a, x) = x^a e^-x / Gamma(a + 1) S with S = 1 + x / (a + 1) + x^2 / ((a + 1)(a + 2)) + ..."""
    term, weight, total, moved = 1.0, 0.0, 1.0, 0.0
    for n in range(1, TERMS):
        term = term * (x / (a + n))
        weight = weight - 1 / (a + n)  # the derivative of ln term by a
        total, moved = total + term, moved + term * weight
    return -(x / a) * (total * (xp.log(x) - xp.digamma(a + 1)) + moved)


def _gamma_quadrature(xp, a, x):
    """The integral of (ln t - psi(a)) p(t) / p(x) from ten standard deviations below the mean up to x."""
    start = xp.minimum(xp.maximum(a - 10 * xp.sqrt(a), x * 1e-3), x * 0.999)
    half, centre, total = (x - start) / 2, xp.digamma(a), 0.0
    for node, weight in zip(NODES, WEIGHTS):
        t = start + half * (1 + node)
        total = total + (xp.log(t) - centre) * xp.exp((a - 1) * xp.log(t / x) + x - t) * weight
    return -total * half


@op(
    kind="other",
    names="",
    vjp=(lambda xp, g, a, x: g * xp.gamma_slope(a, x), None),
    samples=lambda r: [S(r.random(4) + 0.5, r.random(4) + 0.5, grad=False)],
    reference=lambda a, x: x,
    formula=r"x \sim \mathrm{Gamma}(a, 1)",
    derivative=r"\bar a = \bar x\,\frac{dx}{da}",
)
def gamma_drawn(xp, a, x):
    """``x`` as a draw of the gamma distribution with concentration ``a``: its gradient flows to ``a``."""
    return xp.copy(x)


def standard_gamma(concentration):
    """Draws of the gamma distribution with rate 1, with gradients.

    >>> import minigrad
    >>> from minigrad.distributions.reparameterized import standard_gamma
    >>> bool((standard_gamma(minigrad.ones(3)) > 0).all())
    True
    """
    with minigrad.no_grad():
        drawn = minigrad._standard_gamma(concentration)
    return apply(registry["gamma_drawn"], (concentration, drawn), {})


# --------------------------------------------------------------------------------------------------------------- Dirichlet
def _simplex_samples(r):
    a = np.array([[0.3, 0.9, 2.0], [5.0, 1.0, 14.0], [40.0, 60.0, 35.0], [300.0, 2.0, 0.5], [900.0, 1100.0, 50.0]])
    return [S(r.dirichlet(np.ones(3), 5) * 0.02 + 0.98 * a / a.sum(-1, keepdims=True), a, a.sum(-1, keepdims=True), grad=False)]


def _reference_simplex(x, a, total):
    import scipy.special

    def integrand(t, p, q, y):
        centred = np.log(t) - scipy.special.digamma(p) + scipy.special.digamma(p + q)
        return centred * np.exp((p - 1) * np.log(t / y) + (q - 1) * np.log1p(-t) - (q - 1) * np.log1p(-y))

    cells = [(a[i], (total - a)[i], x[i]) for i in np.ndindex(*x.shape)]
    slopes = [-_below(y, lambda t, p=p, q=q, y=y: integrand(t, p, q, y)) / (1 - y) for p, q, y in cells]
    return np.array(slopes).reshape(x.shape)


@op(
    kind="other",
    names="",
    samples=_simplex_samples,
    reference=_reference_simplex,
    formula=r"\frac{1}{1 - x_i} \frac{d x_i}{d a_i}",
)
def dirichlet_slope(xp, x, a, total):
    """How a component ``x`` of a Dirichlet draw moves with its concentration ``a``, over ``1 - x``.

    A component has the beta distribution B(a, total - a). For concentrations that are not both large its derivative is taken
    from the series of the incomplete beta function from the nearer end (Abramowitz and Stegun 26.5.4); else the integral over
    the distribution is taken numerically.
    """
    dtype = x.dtype
    x, a, total = (xp.astype(v, dtype=FLOAT64) for v in (x, a, total))
    x = xp.minimum(xp.maximum(x, 1e-300), 1 - 1e-16)
    b = total - a
    low = xp.less(x, 0.5)
    near = xp.where(low, x, 1 - x)  # the series converges as powers of this
    p, q = xp.where(low, a, b), xp.where(low, b, a)
    term, weight, total_sum, moved = 1.0, 0.0, 1.0, 0.0
    for n in range(TERMS):
        term = term * ((p + q + n) / (p + 1 + n) * near)
        weight = weight + 1 / (p + q + n) - xp.where(low, 1 / (p + 1 + n), 0.0)
        total_sum, moved = total_sum + term, moved + term * weight
    rate = xp.log(x) + xp.digamma(a + b) - xp.digamma(xp.where(low, a + 1, a))
    series = xp.where(low, -(x / a), x / b) * (total_sum * rate + moved)
    both_large = xp.logical_and(xp.greater(a, LARGE), xp.greater(b, LARGE))
    return xp.astype(xp.where(both_large, _by_quadrature(xp, x, a, b), series), dtype=dtype)


def _by_quadrature(xp, x, a, b):
    """The integral of (ln t - E ln t) p(t) / p(x) from ten standard deviations below the mean up to x, by Gauss and Legendre."""
    mean = a / (a + b)
    spread = xp.sqrt(mean * (1 - mean) / (a + b + 1))
    start = xp.minimum(xp.maximum(mean - 10 * spread, x * 1e-3), x * 0.999)
    width, centre = (x - start) / 2, xp.digamma(a) - xp.digamma(a + b)
    total = 0.0
    for node, weight in zip(NODES, WEIGHTS):
        t = start + width * (1 + node)
        density = xp.exp((a - 1) * xp.log(t / x) + (b - 1) * (xp.log1p(-t) - xp.log1p(-x)))
        total = total + (xp.log(t) - centre) * density * weight
    return -total * width / (1 - x)


def _dirichlet_rule(xp, g, a, x):
    total = xp.sum(a, axis=-1, keepdims=True) + 0 * a
    return xp.dirichlet_slope(x, a, total) * (g - xp.sum(x * g, axis=-1, keepdims=True))


@op(
    kind="other",
    names="",
    vjp=(_dirichlet_rule, None),
    samples=lambda r: [S(r.random((2, 3)) + 0.5, r.dirichlet(np.ones(3), 2), grad=False)],
    reference=lambda a, x: x,
    formula=r"x \sim \mathrm{Dirichlet}(a)",
)
def dirichlet_drawn(xp, a, x):
    """``x`` as a draw of the Dirichlet distribution with concentrations ``a``: its gradient flows to ``a``."""
    return xp.copy(x)


def sample_dirichlet(concentration):
    """Draws of the Dirichlet distribution over the last axis, with gradients.

    >>> import minigrad
    >>> from minigrad.distributions.reparameterized import sample_dirichlet
    >>> sample_dirichlet(minigrad.ones(4)).sum().round(decimals=4)
    tensor(1.)
    """
    with minigrad.no_grad():
        drawn = minigrad._sample_dirichlet(concentration)
    return apply(registry["dirichlet_drawn"], (concentration, drawn), {})
