"""Bessel functions, modified ones and Airy's. Those that PyTorch gives no derivative have none here.

Formulas: Abramowitz and Stegun, "Handbook of Mathematical Functions", chapters 9 and 10.
"""

import numpy as np

from ..op import S, op
from .samples import quiet, unary


def _scipy(name):
    def reference(x):
        import scipy.special

        return getattr(scipy.special, name)(x)

    return quiet(reference)


def _over(xp, y, x):
    """``y / x`` and its limit 1/2 at 0, where ``y`` is i1 or i1e."""
    near = xp.less(xp.abs(x), 1e-8)
    return xp.where(near, 0.5, y / xp.where(near, 1.0, x))


def _modified(names, spaces, theirs, rule, formula, derivative):
    return op(
        kind="elementwise",
        names=names,
        spaces=spaces,
        promote="float",
        vjp=(rule,),
        formula=formula,
        derivative=derivative,
        samples=lambda r: [*unary(-4, 4)(r), S(np.array([0.0, 10.0, -10.0]), grad=False)],
        reference=_scipy(theirs),
    )


@_modified("i0", "torch Tensor special", "i0", lambda xp, g, x: g * xp.i1(x), r"y = I_0(x)", r"\bar x = \bar y\,I_1(x)")
def i0(xp, x):
    """The modified Bessel function of the first kind of order 0.

    >>> import minigrad
    >>> minigrad.i0(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    return xp.i0(x)


@_modified(
    "i0e", "special", "i0e", lambda xp, g, x, y: g * (xp.i1e(x) - xp.sign(x) * y),
    r"y = e^{-|x|} I_0(x)", r"\bar x = \bar y\,(e^{-|x|} I_1(x) - \mathrm{sign}(x)\,y)",
)  # fmt: skip
def i0e(xp, x):
    """``exp(-|x|) * i0(x)``, which does not overflow.

    >>> import minigrad
    >>> minigrad.special.i0e(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 0.4658])
    """
    return xp.i0e(x)


@_modified(
    "i1",
    "special",
    "i1",
    lambda xp, g, x, y: g * (xp.i0(x) - _over(xp, y, x)),
    r"y = I_1(x)",
    r"\bar x = \bar y\,(I_0(x) - y / x)",
)
def i1(xp, x):
    """The modified Bessel function of the first kind of order 1.

    >>> import minigrad
    >>> minigrad.special.i1(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """
    return xp.i1(x)


@_modified(
    "i1e", "special", "i1e", lambda xp, g, x, y: g * (xp.i0e(x) - _over(xp, y, x) - y * xp.sign(x)),
    r"y = e^{-|x|} I_1(x)", r"\bar x = \bar y\,(e^{-|x|} I_0(x) - y\,(\mathrm{sign}(x) + 1 / x))",
)  # fmt: skip
def i1e(xp, x):
    """``exp(-|x|) * i1(x)``, which does not overflow.

    >>> import minigrad
    >>> minigrad.special.i1e(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2079])
    """
    return xp.i1e(x)


_ROUGH = "in float64 PyTorch is right to six digits only where |x| is above 2"


def _without_derivative(formula, reference, low=0.1, parity=True):
    return op(
        kind="elementwise",
        spaces="special",
        promote="float",
        formula=formula,
        samples=lambda r: [*unary(low, 2.0)(r), S(np.array([0.0, np.nan])), S(np.array([-4.5, 4.5, 10.0]), parity=parity)],
        reference=reference,
        inplace=False,
    )


@_without_derivative("y = J_0(x)", _scipy("j0"), low=-2.0, parity=_ROUGH)
def bessel_j0(xp, x):
    """The Bessel function of the first kind of order 0. Without gradient.

    >>> import minigrad
    >>> minigrad.special.bessel_j0(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 0.7652])
    """
    return xp.bessel_j0(x)


@_without_derivative("y = J_1(x)", _scipy("j1"), low=-2.0, parity=_ROUGH)
def bessel_j1(xp, x):
    """The Bessel function of the first kind of order 1. Without gradient.

    >>> import minigrad
    >>> minigrad.special.bessel_j1(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.4401])
    """
    return xp.bessel_j1(x)


@_without_derivative("y = Y_0(x)", _scipy("y0"), parity=_ROUGH)
def bessel_y0(xp, x):
    """The Bessel function of the second kind of order 0: -inf at 0, NaN below. Without gradient.

    >>> import minigrad
    >>> minigrad.special.bessel_y0(minigrad.tensor([1.0, 2.0]))
    tensor([0.0883, 0.5104])
    """
    return xp.bessel_y0(x)


@_without_derivative("y = Y_1(x)", _scipy("y1"), parity=_ROUGH)
def bessel_y1(xp, x):
    """The Bessel function of the second kind of order 1: -inf at 0, NaN below. Without gradient.

    >>> import minigrad
    >>> minigrad.special.bessel_y1(minigrad.tensor([1.0, 2.0]))
    tensor([-0.7812, -0.1070])
    """
    return xp.bessel_y1(x)


@_without_derivative("y = I_0(x)", _scipy("i0"), low=-2.0)
def modified_bessel_i0(xp, x):
    """The modified Bessel function of the first kind of order 0. Without gradient; :func:`minigrad.i0` has one.

    >>> import minigrad
    >>> minigrad.special.modified_bessel_i0(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    return xp.i0(x)


@_without_derivative("y = I_1(x)", _scipy("i1"), low=-2.0)
def modified_bessel_i1(xp, x):
    """The modified Bessel function of the first kind of order 1. Without gradient; ``special.i1`` has one.

    >>> import minigrad
    >>> minigrad.special.modified_bessel_i1(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """
    return xp.i1(x)


@_without_derivative("y = K_0(x)", _scipy("k0"))
def modified_bessel_k0(xp, x):
    """The modified Bessel function of the second kind of order 0: infinite at 0, NaN below. Without gradient.

    >>> import minigrad
    >>> minigrad.special.modified_bessel_k0(minigrad.tensor([1.0, 2.0]))
    tensor([0.4210, 0.1139])
    """
    return xp.modified_bessel_k0(x)


@_without_derivative("y = K_1(x)", _scipy("k1"))
def modified_bessel_k1(xp, x):
    """The modified Bessel function of the second kind of order 1: infinite at 0, NaN below. Without gradient.

    >>> import minigrad
    >>> minigrad.special.modified_bessel_k1(minigrad.tensor([1.0, 2.0]))
    tensor([0.6019, 0.1399])
    """
    return xp.modified_bessel_k1(x)


@_without_derivative("y = e^x K_0(x)", _scipy("k0e"))
def scaled_modified_bessel_k0(xp, x):
    """``exp(x)`` times the modified Bessel function of the second kind of order 0. Without gradient.

    >>> import minigrad
    >>> minigrad.special.scaled_modified_bessel_k0(minigrad.tensor([1.0, 2.0]))
    tensor([1.1445, 0.8416])
    """
    return xp.scaled_modified_bessel_k0(x)


@_without_derivative("y = e^x K_1(x)", _scipy("k1e"))
def scaled_modified_bessel_k1(xp, x):
    """``exp(x)`` times the modified Bessel function of the second kind of order 1. Without gradient.

    >>> import minigrad
    >>> minigrad.special.scaled_modified_bessel_k1(minigrad.tensor([1.0, 2.0]))
    tensor([1.6362, 1.0335])
    """
    return xp.scaled_modified_bessel_k1(x)


def _j0_reference(x):
    from scipy.special import spherical_jn

    return spherical_jn(0, x)


@_without_derivative(r"y = \frac{\sin x}{x}", quiet(_j0_reference), low=-2.0)
def spherical_bessel_j0(xp, x):
    """The spherical Bessel function of the first kind of order 0: ``sin(x) / x``, and 1 at 0. Without gradient.

    >>> import minigrad
    >>> minigrad.special.spherical_bessel_j0(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """
    zero = xp.equal(x, 0)
    return xp.where(zero, 1.0, xp.where(xp.isinf(x), 0.0, xp.sin(x) / xp.where(zero, 1.0, x)))


def _airy_reference(x):
    from scipy.special import airy

    return airy(x)[0]


@_without_derivative(r"y = \mathrm{Ai}(x)", quiet(_airy_reference), low=-2.0, parity=_ROUGH)
def airy_ai(xp, x):
    """The Airy function Ai. Without gradient.

    >>> import minigrad
    >>> minigrad.special.airy_ai(minigrad.tensor([0.0, 1.0]))
    tensor([0.3550, 0.1353])
    """
    return xp.airy_ai(x)
