"""Comparisons: bool results, no gradient."""

import numpy as np

from ..op import S, op
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
    return op(kind="elementwise", names=names, formula=f"y = [a {symbol} b]", onnx=onnx, samples=_pairs, errors=binary_errors,
              reference=reference)  # fmt: skip


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


def _or_identity(call, otherwise):
    """``==`` and ``!=`` with things that are no numbers answer by identity, as Python expects of them."""

    def compare(self, other):
        if other is None or isinstance(other, str | tuple | list | dict):
            return otherwise
        return call(self, other)

    return compare


Tensor.__gt__, Tensor.__ge__, Tensor.__lt__, Tensor.__le__ = greater, greater_equal, less, less_equal
Tensor.__eq__, Tensor.__ne__ = _or_identity(equal, False), _or_identity(not_equal, True)
Tensor.__hash__ = object.__hash__
