"""Arithmetic, element by element, with broadcasting and PyTorch's dtype promotion."""

import math

import numpy as np

from ..dtype import category
from ..errors import only_tensors
from ..op import E, S, faces, function, op
from ..quick import operator, reflected
from ..tensor import Tensor
from .samples import binary, binary_errors, normal, positive, quiet, unary


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
    if hasattr(a, "dtype"):
        return g * y * xp.log(xp.where(xp.logical_and(xp.equal(a, 0), xp.greater_equal(b, 0)), 1.0, a))
    if a == 0:
        return xp.where(xp.less(b, 0), g * y * -math.inf, 0.0)
    return g * y * (math.log(a) if a > 0 else math.nan)


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
    no_bool="all",
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
def _alpha_errors(r):
    ints = np.array([1, 2])
    return [
        E(RuntimeError, "Boolean alpha only supported", normal(r, 3), normal(r, 3), alpha=True),
        E(RuntimeError, "alpha must not be a floating point number", ints, ints, alpha=1.5),
        E(TypeError, "must be Number", normal(r, 3), normal(r, 3), alpha="2"),
        E(TypeError, "positional arguments", normal(r, 3), normal(r, 3), normal(r, 3)),
    ]


_MASK = np.array([True, False])
_BOOLS = [(_MASK, _MASK), (_MASK, np.array([1, 2])), (np.array([1.0, 2.0]), _MASK), (_MASK, 2), (np.array([1, 2]), True)]


_LEVEL = {bool: 0, int: 1, float: 2, complex: 3}


def highest_kind(*values):
    """The kind of what tensors and numbers promote to: 0 bool, 1 integer, 2 float, 3 complex."""
    return max(category(v.array.dtype) if isinstance(v, Tensor) else _LEVEL.get(v.__class__, 2) for v in values)


def _scaled(name, input, other, alpha):
    """``alpha * other``, where ``alpha`` is of no higher kind than the result."""
    alpha = alpha.item() if isinstance(alpha, Tensor) else alpha
    if alpha.__class__ not in _LEVEL:
        raise TypeError(f"{name}(): argument 'alpha' must be Number, not {type(alpha).__name__}")
    level = highest_kind(input, other)
    if alpha.__class__ is bool and level > 0:
        raise RuntimeError(f"{name}: Boolean alpha only supported for Boolean results.")
    if alpha.__class__ is float and level < 2:
        raise RuntimeError(f"{name}: For integral input tensors, argument alpha must not be a floating point number.")
    if level == 0:
        alpha = bool(alpha)
    return multiply(other, alpha) if isinstance(other, Tensor) else other * alpha


def _is_half(v):
    return isinstance(v, Tensor) and v.array.dtype.itemsize == 2 and category(v.array.dtype) == 2


def _with_alpha(name, run, input, other, alpha):
    """``run(input, alpha * other)``. With half precision it is computed in float32 and rounded once; alpha is of the result's
    dtype."""
    if alpha.__class__ is int and alpha == 1:
        return run(input, other)
    dtype = faces["result_type"].call(input, other)
    if not (_is_half(input) or _is_half(other)):
        if isinstance(other, Tensor) and other.array.dtype != np.bool_:
            other = other.to(dtype)  # so that int8 beside float32 does not overflow
        return run(input, _scaled(name, input, other, alpha))
    alpha = float(np.asarray(alpha.item() if isinstance(alpha, Tensor) else alpha).astype(dtype.dtype))
    wide = [v.float() if _is_half(v) else v for v in (input, other)]
    return run(wide[0], _scaled(name, *wide, alpha)).to(dtype)


def _in_order(name, other, old, alpha):
    """``(other, alpha)``, also from the old form ``f(input, alpha, other)``."""
    if not old:
        return other, alpha
    if len(old) > 1 or (isinstance(other, Tensor) and (other.ndim or other.requires_grad)):
        raise TypeError(f"{name}() takes input, other and alpha=, got {2 + len(old)} positional arguments")
    return old[0], other


@function(
    "add",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4), alpha=2.5), S(normal(r, 3), 1.5, normal(r, 3)), *binary()(r)],
    errors=lambda r: [*binary_errors(r), *_alpha_errors(r)],
    formula=r"y = a + \alpha b",
    derivative=r"\bar a = \bar y, \quad \bar b = \alpha \bar y",
    reference=lambda a, b, c=None, alpha=1: a + alpha * b if c is None else a + b * c,
    inplace=True,
)
def _add(input, other, *old, alpha=1):
    """``input + alpha * other``, element by element.

    The old form ``add(input, alpha, other)`` works too.

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
    if old:
        other, alpha = _in_order("add", other, old, alpha)
    return _with_alpha("add", add, input, other, alpha)


@function(
    "sub subtract",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4), alpha=2.5), S(normal(r, 3), 1.5, normal(r, 3)), *binary()(r)],
    errors=lambda r: [
        *binary_errors(r),
        *_alpha_errors(r),
        *[E(RuntimeError, "with (two bool tensors|a bool tensor) is not supported", a, b) for a, b in _BOOLS],
    ],
    formula=r"y = a - \alpha b",
    derivative=r"\bar a = \bar y, \quad \bar b = -\alpha \bar y",
    reference=lambda a, b, c=None, alpha=1: a - alpha * b if c is None else a - b * c,
    inplace=True,
)
def _sub(input, other, *old, alpha=1):
    """``input - alpha * other``, element by element.

    The old form ``sub(input, alpha, other)`` works too.

    >>> import minigrad
    >>> minigrad.sub(minigrad.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    if old:
        other, alpha = _in_order("sub", other, old, alpha)
    return _with_alpha("sub", subtract, input, other, alpha)


@function(
    "rsub",
    spaces="torch",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4), alpha=2.5), S(normal(r, 3), 2.0), S(normal(r, 3), 2.0, alpha=0.5)],
    errors=lambda r: [*binary_errors(r), E(RuntimeError, "with (two bool tensors|a bool tensor) is not supported", *_BOOLS[0])],
    formula=r"y = b - \alpha a",
    derivative=r"\bar a = -\alpha \bar y, \quad \bar b = \bar y",
    reference=lambda a, b, alpha=1: b - alpha * a,
)
def _rsub(input, other, *, alpha=1):
    """``other - alpha * input``, element by element.

    >>> import minigrad
    >>> minigrad.rsub(minigrad.tensor([1.0, 2.0]), 3)
    tensor([2., 1.])
    """
    if not isinstance(input, Tensor):
        raise only_tensors("rsub", input, 1)
    return _with_alpha("rsub", subtract, other, input, alpha)


def _zero_bases():
    """Where the logarithm of the base is infinite."""
    exponents = np.array([-1.0, 0.0, 0.5, 2.0])
    return [S(0.0, exponents, grad=False), S(np.zeros(4), exponents, grad=False)]


@function(
    "pow",
    samples=lambda r: [*binary(positive)(r), S(normal(r, 3), 2), S(2.0, normal(r, 3)), *_zero_bases()],
    errors=lambda r: [*binary_errors(r), E(RuntimeError, "not implemented for 'Bool'", *_BOOLS[0])],
    formula=r"y = a^b",
    derivative=r"\bar a = \bar y\,b\,a^{b-1}, \quad \bar b = \bar y\,y \ln a",
    reference=quiet(lambda a, b: np.power(a, b)),
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
        return input | (not exponent)
    return power(input, exponent)


# --------------------------------------------------------------------------------------------------------- Python's operators
_divided = reflected(divide)


def _rtruediv(self, other):
    """``other / x``. For an array it is ``(1 / x) * other``, where NumPy answers the product."""
    y = _divided(self, other)
    return self.reciprocal() * other if y is NotImplemented else y


Tensor.__add__, Tensor.__radd__ = operator(add), reflected(add)
Tensor.__sub__, Tensor.__rsub__ = operator(subtract), reflected(subtract)
Tensor.__mul__, Tensor.__rmul__ = operator(multiply), reflected(multiply)
Tensor.__truediv__, Tensor.__rtruediv__ = operator(divide), _rtruediv
Tensor.__pow__, Tensor.__rpow__ = operator(_pow), reflected(power)
Tensor.__neg__ = negative
Tensor.__iadd__, Tensor.__isub__ = operator(Tensor.add_), operator(Tensor.sub_)
Tensor.__imul__, Tensor.__ipow__ = operator(Tensor.mul_), operator(Tensor.pow_)
