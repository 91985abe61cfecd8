"""Functions of one element: exponentials, roots, rounding, signs; and casting."""

import numpy as np

from ..op import S, op
from .samples import normal, positive, unary


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
    promote="float",
    vjp=(lambda xp, g, x: g / x,),
    formula=r"y = \ln x",
    derivative=r"\bar x = \bar y / x",
    onnx="Log",
    samples=lambda r: [S(positive(r, 3, 4)), S(positive(r)), S(positive(r, 2, 0))],
    reference=np.log,
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
    vjp=(lambda xp, g, y: g / (y * 2.0),),
    formula=r"y = \sqrt{x}",
    derivative=r"\bar x = \bar y / 2y",
    onnx="Sqrt",
    samples=lambda r: [S(positive(r, 3, 4)), S(positive(r))],
    reference=np.sqrt,
)
def sqrt(xp, x):
    """The square root of each element, NaN below 0.

    >>> import minigrad
    >>> minigrad.sqrt(minigrad.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return xp.sqrt(x)


@op(
    kind="elementwise",
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
    names="abs absolute",
    vjp=(lambda xp, g, x: g * xp.sign(x),),
    formula=r"y = |x|",
    derivative=r"\bar x = \bar y\,\mathrm{sign}(x)",
    onnx="Abs",
    samples=lambda r: [*unary()(r), S(np.array([-1.0, 0.0, 2.0]), grad=False)],
    reference=np.abs,
)
def abs_(xp, x):
    """The absolute value of each element; its gradient at 0 is 0.

    >>> import minigrad
    >>> minigrad.abs(minigrad.tensor([-1, 2]))
    tensor([1, 2])
    """
    return xp.abs(x)


@op(
    kind="elementwise",
    names="sign",
    formula=r"y = \mathrm{sign}(x)",
    onnx="Sign",
    vjp=(lambda xp, g: g * 0.0,),
    samples=unary(),
    reference=np.sign,
)
def sign(xp, x):
    """-1, 0 or 1 by the sign of each element; the gradient is 0.

    >>> import minigrad
    >>> minigrad.sign(minigrad.tensor([-3.0, 0.0, 5.0]))
    tensor([-1.,  0.,  1.])
    """
    return xp.sign(x)


@op(
    kind="cast",
    names="",
    vjp=(lambda xp, g, x_dtype: xp.astype(g, dtype=x_dtype),),
    formula=r"y = x",
    derivative=r"\bar x = \bar y",
    onnx="Cast",
    samples=lambda r: [S(normal(r, 3, 4), np.dtype("float64")), S(normal(r, 3), np.dtype("float32"), grad=False)],
    inplace=False,
)
def astype(xp, x, *, dtype):
    """``x`` in another dtype (a NumPy dtype)."""
    return xp.astype(x, dtype=dtype)


@op(kind="other", names="", samples=lambda r: [S(normal(r, 3), value=2.0)])
def full_like(xp, x, *, value):
    """A new array like ``x``, filled with ``value``."""
    return xp.full_like(x, value=value)


@op(
    kind="elementwise",
    promote=(1, 2),
    names="",
    vjp=(None, lambda xp, g, c: xp.where(c, g, 0.0), lambda xp, g, c: xp.where(c, 0.0, g)),
    onnx="Where",
    samples=lambda r: [
        S(r.random((3, 4)) > 0.5, normal(r, 3, 4), normal(r, 4)),
        S(r.random((3, 4)) > 0.5, normal(r, 3, 4), 0.0),
        S(r.random((3, 1)) > 0.5, 1.5, normal(r, 4)),
    ],
    reference=np.where,
    inplace=False,
)
def where(xp, c, a, b):
    """``a`` where the condition holds, else ``b``."""
    return xp.where(c, a, b)
