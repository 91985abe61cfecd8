"""Angles: the circular and hyperbolic functions and their inverses."""

import math

import numpy as np

from ..op import E, S, function, op
from .samples import normal, pair_errors, positive, quiet, unary


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.cos(x),),
    formula=r"y = \sin x",
    derivative=r"\bar x = \bar y \cos x",
    onnx="Sin",
    samples=unary(),
    reference=np.sin,
)
def sin(xp, x):
    """The sine of each element, in radians.

    >>> import minigrad
    >>> minigrad.sin(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """
    return xp.sin(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: -g * xp.sin(x),),
    formula=r"y = \cos x",
    derivative=r"\bar x = -\bar y \sin x",
    onnx="Cos",
    samples=unary(),
    reference=np.cos,
)
def cos(xp, x):
    """The cosine of each element, in radians.

    >>> import minigrad
    >>> minigrad.cos(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """
    return xp.cos(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y: g * (1.0 + y * y),),
    formula=r"y = \tan x",
    derivative=r"\bar x = \bar y\,(1 + y^2)",
    onnx="Tan",
    samples=unary(-1.2, 1.2),
    reference=np.tan,
)
def tan(xp, x):
    """The tangent of each element, in radians.

    >>> import minigrad
    >>> minigrad.tan(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """
    return xp.tan(x)


@op(
    kind="elementwise",
    names="asin arcsin",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.rsqrt(1.0 - x * x),),
    formula=r"y = \arcsin x",
    derivative=r"\bar x = \bar y / \sqrt{1 - x^2}",
    onnx="Asin",
    samples=lambda r: [*unary(-0.9, 0.9)(r), S(np.array([-1.0, 1.0, 2.0]), grad=False)],
    reference=quiet(np.arcsin),
)
def asin(xp, x):
    """The angle in [-pi/2, pi/2] whose sine is the element; NaN outside [-1, 1].

    >>> import minigrad
    >>> minigrad.asin(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    return xp.asin(x)


@op(
    kind="elementwise",
    names="acos arccos",
    promote="float",
    vjp=(lambda xp, g, x: -g * xp.rsqrt(1.0 - x * x),),
    formula=r"y = \arccos x",
    derivative=r"\bar x = -\bar y / \sqrt{1 - x^2}",
    onnx="Acos",
    samples=lambda r: [*unary(-0.9, 0.9)(r), S(np.array([-1.0, 1.0, 2.0]), grad=False)],
    reference=quiet(np.arccos),
)
def acos(xp, x):
    """The angle in [0, pi] whose cosine is the element; NaN outside [-1, 1].

    >>> import minigrad
    >>> minigrad.acos(minigrad.tensor([0.0, 1.0]))
    tensor([1.5708, 0.0000])
    """
    return xp.acos(x)


@op(
    kind="elementwise",
    names="atan arctan",
    promote="float",
    vjp=(lambda xp, g, x: g / (x * x + 1.0),),
    formula=r"y = \arctan x",
    derivative=r"\bar x = \bar y / (1 + x^2)",
    onnx="Atan",
    samples=unary(),
    reference=np.arctan,
)
def atan(xp, x):
    """The angle in (-pi/2, pi/2) whose tangent is the element.

    >>> import minigrad
    >>> minigrad.atan(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    return xp.atan(x)


def _squares(xp, a, b):
    """a^2 + b^2, and 1 at the origin: the gradient there is 0 and not 0/0, as in PyTorch."""
    s = a * a + b * b
    return xp.where(xp.equal(s, 0), 1.0, s)


@op(
    kind="elementwise",
    names="atan2 arctan2",
    promote="float",
    vjp=(lambda xp, g, a, b: g * (b / _squares(xp, a, b)), lambda xp, g, a, b: g * (-a / _squares(xp, a, b))),
    formula=r"y = \mathrm{arg}(b + i a)",
    derivative=r"\bar a = \bar y\,\frac{b}{a^2 + b^2}, \quad \bar b = -\bar y\,\frac{a}{a^2 + b^2}",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 4)),
        S(normal(r, 3, 1), normal(r)),
        S(np.array([0.0, 1.0, 0.0, -1.0]), np.array([-1.0, 0.0, 1.0, 0.0]), grad=False),
        S(np.zeros(2), np.zeros(2), grad=False),
    ],
    errors=pair_errors,
    tensors=2,
    reference=np.arctan2,
)
def atan2(xp, a, b):
    """The angle in [-pi, pi] of the point with ordinate ``input`` and abscissa ``other``.

    >>> import minigrad
    >>> minigrad.atan2(minigrad.tensor([1.0, -1.0]), minigrad.tensor([-1.0, -1.0]))
    tensor([ 2.3562, -2.3562])
    """
    return xp.atan2(a, b)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.cosh(x),),
    formula=r"y = \sinh x",
    derivative=r"\bar x = \bar y \cosh x",
    onnx="Sinh",
    samples=unary(),
    reference=np.sinh,
)
def sinh(xp, x):
    """The hyperbolic sine of each element.

    >>> import minigrad
    >>> minigrad.sinh(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    return xp.sinh(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.sinh(x),),
    formula=r"y = \cosh x",
    derivative=r"\bar x = \bar y \sinh x",
    onnx="Cosh",
    samples=unary(),
    reference=np.cosh,
)
def cosh(xp, x):
    """The hyperbolic cosine of each element.

    >>> import minigrad
    >>> minigrad.cosh(minigrad.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    return xp.cosh(x)


@op(
    kind="elementwise",
    spaces="torch Tensor functional",
    promote="float",
    vjp=(lambda xp, g, y: g * (1 - y * y),),
    formula=r"y = \tanh x",
    derivative=r"\bar x = \bar y\,(1 - y^2)",
    onnx="Tanh",
    samples=unary(-3, 3),
    reference=np.tanh,
)
def tanh(xp, x):
    """The hyperbolic tangent of each element.

    >>> import minigrad
    >>> minigrad.tanh(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return xp.tanh(x)


@op(
    kind="elementwise",
    names="asinh arcsinh",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.rsqrt(x * x + 1.0),),
    formula=r"y = \mathrm{arsinh}\,x",
    derivative=r"\bar x = \bar y / \sqrt{x^2 + 1}",
    onnx="Asinh",
    samples=unary(),
    reference=np.arcsinh,
)
def asinh(xp, x):
    """The inverse of the hyperbolic sine.

    >>> import minigrad
    >>> minigrad.asinh(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """
    return xp.asinh(x)


@op(
    kind="elementwise",
    names="acosh arccosh",
    promote="float",
    vjp=(lambda xp, g, x: g * xp.rsqrt(x * x - 1.0),),
    formula=r"y = \mathrm{arcosh}\,x",
    derivative=r"\bar x = \bar y / \sqrt{x^2 - 1}",
    onnx="Acosh",
    samples=lambda r: [
        S(1 + positive(r, 3, 4)),
        S(np.asarray(1 + positive(r))),
        S(1 + positive(r, 0)),
        S(np.array([0.5, 1.0]), grad=False),
    ],
    reference=quiet(np.arccosh),
)
def acosh(xp, x):
    """The inverse of the hyperbolic cosine; NaN below 1.

    >>> import minigrad
    >>> minigrad.acosh(minigrad.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """
    return xp.acosh(x)


@op(
    kind="elementwise",
    names="atanh arctanh",
    promote="float",
    vjp=(lambda xp, g, x: g / (1.0 - x * x),),
    formula=r"y = \mathrm{artanh}\,x",
    derivative=r"\bar x = \bar y / (1 - x^2)",
    onnx="Atanh",
    samples=lambda r: [*unary(-0.9, 0.9)(r), S(np.array([-1.0, 1.0, 2.0]), grad=False)],
    reference=quiet(np.arctanh),
)
def atanh(xp, x):
    """The inverse of the hyperbolic tangent: infinite at -1 and 1, NaN outside.

    >>> import minigrad
    >>> minigrad.atanh(minigrad.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """
    return xp.atanh(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y, a: g * (a / y), lambda xp, g, y, b: g * (b / y)),
    formula=r"y = \sqrt{a^2 + b^2}",
    derivative=r"\bar a = \bar y\,a / y, \quad \bar b = \bar y\,b / y",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4)), S(normal(r, 3, 1), normal(r)), S(normal(r, 0), normal(r, 1))],
    errors=lambda r: [*pair_errors(r), E(RuntimeError, "not implemented for", np.array([1]), np.array([2]))],
    no_bool="integers",
    tensors=2,
    reference=np.hypot,
)
def hypot(xp, a, b):
    """The length of the hypotenuse, ``sqrt(input**2 + other**2)``, without overflow.

    >>> import minigrad
    >>> minigrad.hypot(minigrad.tensor([3.0]), minigrad.tensor([4.0]))
    tensor([5.])
    """
    return xp.hypot(a, b)


def _scaled(name, factor, reference, formula):
    """Degrees to radians and back: a product with a constant."""

    def call(input):
        return (input if input.is_floating_point() else input.float()) * factor

    call.__name__ = name
    call.__doc__ = f"""{"Degrees to radians" if factor < 1 else "Radians to degrees"}, element by element.

    >>> import minigrad
    >>> minigrad.{name}(minigrad.tensor([0.0]))
    tensor([0.])
    """
    return function(
        name,
        samples=unary(),
        reference=reference,
        formula=formula,
        inplace=True,
        derivative=formula.replace("y", r"\bar x").replace(" x", r" \bar y"),
    )(call)


deg2rad = _scaled("deg2rad", math.pi / 180, np.deg2rad, r"y = \frac{\pi}{180} x")
rad2deg = _scaled("rad2deg", 180 / math.pi, np.rad2deg, r"y = \frac{180}{\pi} x")
