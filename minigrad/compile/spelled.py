"""Words written out in smaller words, which fuse: bounds, remainders, triangles, sums of exponentials.

A word of the backends is one call of NumPy's. Where it says no more than a few words of a loop do, it has a text here, which
is opened as that of a composed operation is.
"""

import math

import numpy as np

from .expressions import DTYPES

TEXTS = {}
INT32 = np.dtype(np.int32)


def _spelled(function):
    TEXTS[function.__name__] = function
    return function


def opens(n):
    """Whether the text of a word says what the word does: of floats it does."""
    if n.op in ("tril", "triu", "clamp"):
        return n.dtype in DTYPES and all(i.dtype == n.dtype for i in n.arguments if not i.number)
    return n.dtype.char in "fd" and all(i.dtype == n.dtype and not i.number for i in n.arguments)


@_spelled
def clamp(xp, x, low=None, high=None):
    y = x if low is None else xp.maximum(x, low)
    return y if high is None else xp.minimum(y, high)


@_spelled
def remainder(xp, a, b):
    left = xp.fmod(a, b)
    return xp.where(_turns(xp, left, b), left + b, left)


@_spelled
def floor_divide(xp, a, b):
    left = xp.fmod(a, b)
    whole = xp.round((a - left) / b)
    whole = xp.where(_turns(xp, left, b), whole - 1, whole)
    if hasattr(b, "dtype"):
        return xp.where(xp.equal(b, 0), a / b, whole)
    return whole if b else a / b


def _turns(xp, left, b):
    """Whether a remainder of fmod has the other sign than ``b``."""
    below = xp.less(b, 0) if hasattr(b, "dtype") else b < 0
    other = xp.not_equal(xp.less(left, 0), below) if hasattr(below, "dtype") else (xp.greater if below else xp.less)(left, 0)
    return xp.logical_and(xp.not_equal(left, 0), other)


@_spelled
def logaddexp(xp, a, b):
    high = xp.maximum(a, b)
    low = xp.minimum(a, b)
    return xp.where(xp.equal(a, b), high + math.log(2.0), high + xp.log1p(xp.exp(low - high)))


@_spelled
def tril(xp, x, *, k=0):
    row, column = _places(xp, x)
    return xp.where(xp.less_equal(column, row + k), x, False if x.dtype.kind == "b" else 0)


@_spelled
def triu(xp, x, *, k=0):
    row, column = _places(xp, x)
    return xp.where(xp.greater_equal(column, row + k), x, False if x.dtype.kind == "b" else 0)


def _places(xp, x):
    """The rows (M, 1) and the columns (N,) of a matrix, counted."""
    rows, columns = x.shape[-2:]
    return xp.reshape(xp.arange(x, n=rows, dtype=INT32), shape=(rows, 1)), xp.arange(x, n=columns, dtype=INT32)
