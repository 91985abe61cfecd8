"""Arithmetic, element by element, with broadcasting and PyTorch's dtype promotion."""

import numpy as np

from ..op import E, S, function, op
from ..tensor import Tensor
from .samples import binary, binary_errors, normal, positive, unary


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g: g, lambda xp, g: g),
    formula=r"y = a + b",
    derivative=r"\bar a = \bar y, \quad \bar b = \bar y",
    onnx="Add",
    samples=binary(),
    reference=lambda a, b: a + b,
)
def add(xp, a, b):
    """The sum ``a + b`` of two tensors, element by element."""
    return xp.add(a, b)


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g: g, lambda xp, g: -g),
    no_bool="any",
    formula=r"y = a - b",
    derivative=r"\bar a = \bar y, \quad \bar b = -\bar y",
    onnx="Sub",
    samples=binary(),
    reference=lambda a, b: a - b,
)
def subtract(xp, a, b):
    """The difference ``a - b`` of two tensors, element by element."""
    return xp.subtract(a, b)


@op(
    kind="elementwise",
    names="mul multiply",
    vjp=(lambda xp, g, b: g * b, lambda xp, g, a: g * a),
    formula=r"y = a\,b",
    derivative=r"\bar a = \bar y\,b, \quad \bar b = \bar y\,a",
    onnx="Mul",
    samples=binary(),
    errors=binary_errors,
    reference=lambda a, b: a * b,
)
def multiply(xp, a, b):
    """The product of two tensors, element by element.

    Args:
        input: tensor of any dtype and shape.
        other: tensor that broadcasts with it, or a number.

    Returns:
        tensor of the broadcast shape and the promoted dtype.

    Raises:
        RuntimeError: where the shapes do not broadcast.

    >>> import minigrad
    >>> minigrad.mul(minigrad.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return xp.multiply(a, b)


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(lambda xp, g, b: g / b, lambda xp, g, y, b: -g * y / b),
    formula=r"y = a / b",
    derivative=r"\bar a = \bar y / b, \quad \bar b = -\bar y\,y / b",
    onnx="Div",
    samples=binary(draw_b=positive),
    reference=lambda a, b: a / b,
)
def divide(xp, a, b):
    """The quotient ``a / b``, element by element; integers give floats."""
    return xp.divide(a, b)


def _power_db(xp, g, y, a, b):
    """d/db a^b = y ln a; by convention 0 where a = 0 and b >= 0, where ln a is infinite."""
    log = xp.log(xp.where(xp.equal(a, 0), 1.0, a)) if hasattr(a, "dtype") else _log_of_number(a)
    return g * y * log


def _log_of_number(a):
    return float(np.log(a)) if a > 0 else (0.0 if a == 0 else float("nan"))


def _power_da(xp, g, a, b):
    """d/da a^b = b a^(b-1), and 0 for b = 0 where a^(b-1) may be infinite."""
    if not hasattr(b, "dtype"):
        return g * (xp.power(a, b - 1) * b) if b != 0 else xp.full_like(g, value=0.0)
    zero = xp.equal(b, 0)
    return xp.where(zero, 0.0, g * b * xp.power(a, xp.where(zero, 1.0, b - 1)))


@op(
    kind="elementwise",
    names="",
    no_bool="all",
    vjp=(_power_da, _power_db),
    formula=r"y = a^b",
    derivative=r"\bar a = \bar y\,b\,a^{b-1}, \quad \bar b = \bar y\,y \ln a",
    onnx="Pow",
    samples=lambda r: [*binary(positive)(r), S(normal(r, 3), 2), S(np.array([0.0, 1.5, -2.0]), 0), S(normal(r, 3), 3.0)],
    reference=lambda a, b: a**b,
)
def power(xp, a, b):
    """``a`` to the power ``b``, element by element."""
    return xp.power(a, b)


@op(
    kind="elementwise",
    names="neg negative",
    vjp=(lambda xp, g: -g,),
    formula=r"y = -x",
    derivative=r"\bar x = -\bar y",
    onnx="Neg",
    samples=unary(),
    reference=lambda x: -x,
)
def negative(xp, x):
    """The negative of each element.

    >>> import minigrad
    >>> minigrad.neg(minigrad.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return xp.negative(x)


# ------------------------------------------------------------------------------------------- PyTorch's signatures for them
_MASK = np.array([True, False])
_BOOLS = [(_MASK, _MASK), (_MASK, np.array([1, 2])), (np.array([1.0, 2.0]), _MASK), (_MASK, 2), (np.array([1, 2]), True)]


@function(
    "add",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4), alpha=2.5), *binary()(r)],
    errors=binary_errors,
    formula=r"y = a + \alpha b",
    derivative=r"\bar a = \bar y, \quad \bar b = \alpha \bar y",
    reference=lambda a, b, alpha=1: a + alpha * b,
    inplace=True,
)
def _add(input, other, *, alpha=1):
    """``input + alpha * other``, element by element.

    Args:
        input: tensor of any dtype and shape.
        other: tensor that broadcasts with it, or a number.
        alpha: number that scales ``other``.

    Raises:
        RuntimeError: where the shapes do not broadcast.

    >>> import minigrad
    >>> minigrad.add(minigrad.tensor([1.0, 2.0]), minigrad.tensor([10.0, 20.0]), alpha=0.5)
    tensor([ 6., 12.])
    """
    return add(input, other) if alpha == 1 else add(input, multiply(other, alpha) if isinstance(other, Tensor) else other * alpha)


@function(
    "sub subtract",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4), alpha=2.5), *binary()(r)],
    errors=lambda r: [*binary_errors(r), *[E(RuntimeError, "with a bool tensor is not supported", a, b) for a, b in _BOOLS]],
    formula=r"y = a - \alpha b",
    derivative=r"\bar a = \bar y, \quad \bar b = -\alpha \bar y",
    reference=lambda a, b, alpha=1: a - alpha * b,
    inplace=True,
)
def _sub(input, other, *, alpha=1):
    """``input - alpha * other``, element by element.

    >>> import minigrad
    >>> minigrad.sub(minigrad.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    return (
        subtract(input, other)
        if alpha == 1
        else subtract(input, multiply(other, alpha) if isinstance(other, Tensor) else other * alpha)
    )


@function(
    "pow",
    samples=lambda r: [*binary(positive)(r), S(normal(r, 3), 2), S(2.0, normal(r, 3))],
    errors=lambda r: [*binary_errors(r), E(RuntimeError, "not implemented for 'Bool'", *_BOOLS[0])],
    formula=r"y = a^b",
    derivative=r"\bar a = \bar y\,b\,a^{b-1}, \quad \bar b = \bar y\,y \ln a",
    reference=lambda a, b: a**b,
    inplace=True,
)
def _pow(input, exponent):
    """``input`` to the power ``exponent``, element by element; either may be a number.

    Raises:
        RuntimeError: for an integer tensor and a negative integer exponent.

    >>> import minigrad
    >>> minigrad.pow(minigrad.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    if isinstance(exponent, int) and exponent < 0 and not input.is_floating_point():
        raise RuntimeError("Integers to negative integer powers are not allowed; convert the tensor with .float() first")
    if exponent.__class__ is bool and input.array.dtype == np.bool_:  # PyTorch has x ** True, but no power of two bool tensors
        return input.logical_or(not exponent)
    return power(input, exponent)


# --------------------------------------------------------------------------------------------------------- Python's operators
Tensor.__add__, Tensor.__radd__ = add, lambda self, other: add(self, other)
Tensor.__sub__, Tensor.__rsub__ = subtract, lambda self, other: subtract(other, self)
Tensor.__mul__, Tensor.__rmul__ = multiply, lambda self, other: multiply(self, other)
Tensor.__truediv__, Tensor.__rtruediv__ = divide, lambda self, other: divide(other, self)
Tensor.__pow__, Tensor.__rpow__ = _pow, lambda self, other: power(other, self)
Tensor.__neg__ = negative
Tensor.__iadd__, Tensor.__isub__ = Tensor.add_, Tensor.sub_
Tensor.__imul__, Tensor.__ipow__ = Tensor.mul_, Tensor.pow_
