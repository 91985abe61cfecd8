"""Comparisons, and tests for NaN and infinity: bool results, no gradient."""

import numpy as np

from ..errors import DtypeError, describe
from ..op import E, S, function, op
from ..quick import operator
from ..tensor import Tensor
from .samples import binary_errors, normal


def _pairs(r):
    return [
        S(normal(r, 3, 4), normal(r, 4)),
        S(np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 1.0, 4.0, np.nan])),
        S(normal(r, 3), 0.0),
        S(normal(r, 2, 0), 1.0),
    ]


def _comparison(names, symbol, onnx, reference):
    return op(
        kind="elementwise",
        names=names,
        formula=f"y = [a {symbol} b]",
        onnx=onnx,
        samples=_pairs,
        errors=lambda r: [*binary_errors(r), E(TypeError, "must be Tensor", 2, normal(r, 3))],
        tensors=1,
        reference=reference,
    )


@_comparison("gt greater", ">", "Greater", np.greater)
def greater(xp, a, b):
    """Whether ``input > other``, element by element.

    >>> import minigrad
    >>> minigrad.gt(minigrad.tensor([1, 3]), 2)
    tensor([False,  True])
    """
    return xp.greater(a, b)


@_comparison("ge greater_equal", r"\ge", "GreaterOrEqual", np.greater_equal)
def greater_equal(xp, a, b):
    """Whether ``input >= other``, element by element.

    >>> import minigrad
    >>> minigrad.ge(minigrad.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return xp.greater_equal(a, b)


@_comparison("lt less", "<", "Less", np.less)
def less(xp, a, b):
    """Whether ``input < other``, element by element.

    >>> import minigrad
    >>> minigrad.lt(minigrad.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return xp.less(a, b)


@_comparison("le less_equal", r"\le", "LessOrEqual", np.less_equal)
def less_equal(xp, a, b):
    """Whether ``input <= other``, element by element.

    >>> import minigrad
    >>> minigrad.le(minigrad.tensor([2, 3]), 2)
    tensor([ True, False])
    """
    return xp.less_equal(a, b)


@_comparison("eq", "=", "Equal", np.equal)
def equal(xp, a, b):
    """Whether ``input == other``, element by element; NaN equals nothing. See :func:`minigrad.equal` for whole tensors.

    >>> import minigrad
    >>> minigrad.eq(minigrad.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return xp.equal(a, b)


@_comparison("ne not_equal", r"\ne", None, np.not_equal)
def not_equal(xp, a, b):
    """Whether ``input != other``, element by element.

    >>> import minigrad
    >>> minigrad.ne(minigrad.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return xp.not_equal(a, b)


# -------------------------------------------------------------------------------------------------------- NaN and infinities
def _specials(r):
    values = np.array([1.0, np.nan, np.inf, -np.inf, 0.0])
    return [S(values), S(values.reshape(5, 1)), S(np.array(np.nan)), S(normal(r, 0, 2)), S(np.array([1, 2]))]


@op(kind="elementwise", formula=r"y = [x \ne x]", onnx="IsNaN", samples=_specials, reference=np.isnan, inplace=False)
def isnan(xp, x):
    """Whether each element is NaN.

    >>> import minigrad
    >>> minigrad.isnan(minigrad.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return xp.isnan(x)


@op(kind="elementwise", formula=r"y = [|x| = \infty]", onnx="IsInf", samples=_specials, reference=np.isinf, inplace=False)
def isinf(xp, x):
    """Whether each element is infinite, of either sign.

    >>> import minigrad
    >>> minigrad.isinf(minigrad.tensor([1.0, -float("inf")]))
    tensor([False,  True])
    """
    return xp.isinf(x)


@op(kind="elementwise", formula=r"y = [|x| < \infty]", samples=_specials, reference=np.isfinite, inplace=False)
def isfinite(xp, x):
    """Whether each element is neither NaN nor infinite.

    >>> import minigrad
    >>> minigrad.isfinite(minigrad.tensor([1.0, float("nan"), float("inf")]))
    tensor([ True, False, False])
    """
    return xp.isfinite(x)


@function("isposinf", samples=_specials, formula=r"y = [x = \infty]", reference=lambda x: x == np.inf)
def isposinf(input):
    """Whether each element is +infinity.

    >>> import minigrad
    >>> minigrad.isposinf(minigrad.tensor([1.0, -float("inf"), float("inf")]))
    tensor([False, False,  True])
    """
    return equal(input, float("inf"))


@function("isneginf", samples=_specials, formula=r"y = [x = -\infty]", reference=lambda x: x == -np.inf)
def isneginf(input):
    """Whether each element is -infinity.

    >>> import minigrad
    >>> minigrad.isneginf(minigrad.tensor([1.0, -float("inf"), float("inf")]))
    tensor([False,  True, False])
    """
    return equal(input, -float("inf"))


# ------------------------------------------------------------------------------------------------------------ whole tensors
def _nearly(r):
    x = normal(r, 3, 4)
    special = np.array([1.0, np.nan, np.inf, -np.inf, np.inf, 0.0])
    other = np.array([1.0 + 5e-6, np.nan, np.inf, np.inf, 1.0, 5e-9])
    return [
        S(x, x + 2e-5 * normal(r, 3, 4)),
        S(x, x[0]),
        S(special, other),
        S(special, other, equal_nan=True),
        S(np.array([100.0, 100.0]), np.array([101.0, 102.5]), rtol=0.015),
        S(np.array([0.0, 0.0]), np.array([0.05, 0.2]), atol=0.1),
        S(np.array([1, 2, 300000]), np.array([1, 3, 300001])),
        S(x[:0], x[:0]),
    ]


def _close_errors(r):
    return [
        E(RuntimeError, "did not match", normal(r, 3), np.array([1, 2, 3])),
        E(RuntimeError, "rtol must be greater", normal(r, 3), normal(r, 3), rtol=-1.0),
        E(RuntimeError, "atol must be greater", normal(r, 3), normal(r, 3), atol=-1.0),
    ]


def _isclose_reference(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return np.isclose(a, b, rtol, atol, equal_nan)


@function(
    "isclose", samples=_nearly, errors=_close_errors, formula=r"y = [|a - b| \le t_a + t_r |b|]", reference=_isclose_reference
)
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether elements are equal up to ``atol + rtol * |other|``.

    Args:
        input, other: tensors of one dtype that broadcast.
        rtol, atol: relative and absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Raises:
        RuntimeError: where the dtypes differ, or a tolerance is negative.

    >>> import minigrad
    >>> minigrad.isclose(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    if input.array.dtype != other.array.dtype:
        raise DtypeError(f"isclose: {input.dtype} did not match {other.dtype}; convert one of them with .to(dtype)")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"isclose: {name} must be greater than or equal to zero, but got {tolerance}")
    input, other = input.detach(), other.detach()
    close = input == other
    if equal_nan and input.is_floating_point():
        close = close | (isnan(input) & isnan(other))
    if rtol == 0 and atol == 0:
        return close
    if not input.is_floating_point():
        input, other = input.double(), other.double()
    difference = (input - other).abs()
    return close | (isfinite(difference) & (difference <= atol + rtol * other.abs()))


@function(
    "allclose",
    samples=_nearly,
    errors=_close_errors,
    formula=r"y = \forall i: |a_i - b_i| \le t_a + t_r |b_i|",
    reference=lambda *args, **kwargs: bool(np.all(_isclose_reference(*args, **kwargs))),
)
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are equal up to ``atol + rtol * |other|``: a Python bool. See :func:`minigrad.isclose`.

    >>> import minigrad
    >>> minigrad.allclose(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.000001, 2.0]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@function(
    "equal",
    samples=lambda r: [
        S(np.array([1.0, 2.0]), np.array([1.0, 2.0])),
        S(np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        S(np.array([1.0]), np.array([[1.0]])),
        S(np.array([np.nan]), np.array([np.nan])),
        S(np.zeros((0, 2)), np.zeros((0, 2))),
    ],
    errors=lambda r: [E(TypeError, "must be Tensor", normal(r, 3), 1.0)],
    formula=r"y = \forall i: a_i = b_i",
    reference=lambda a, b: np.array_equal(a, b),
)
def _equal(input, other):
    """Whether two tensors have the same shape and the same elements: a Python bool. NaN equals nothing.

    >>> import minigrad
    >>> minigrad.equal(minigrad.tensor([1, 2]), minigrad.tensor([1, 2]))
    True
    """
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 2 must be Tensor, not {describe(other)}; use == to compare with a number")
    return input.array.shape == other.array.shape and bool(equal(input.detach(), other.detach()).all())


Tensor.__gt__, Tensor.__ge__, Tensor.__lt__, Tensor.__le__ = map(operator, (greater, greater_equal, less, less_equal))
Tensor.__eq__, Tensor.__ne__ = operator(equal), operator(not_equal)
Tensor.__hash__ = object.__hash__
