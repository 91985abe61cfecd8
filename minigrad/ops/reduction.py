"""Reductions over one dimension, several, or all."""

import builtins
import math

import numpy as np

from ..op import E, S, op
from .samples import dim_errors, normal, reduce


def lost_axes(axis, ndim):
    """The reduced axes as non-negative numbers."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))) if ndim else ()


def spread(xp, g, shape, axis, keepdims):
    """Undo a reduction: put the lost axes back with size 1 and broadcast to ``shape``."""
    if not keepdims and len(g.shape) != len(shape):
        lost = lost_axes(axis, len(shape))
        g = xp.reshape(g, shape=tuple(1 if i in lost else n for i, n in enumerate(shape)))
    return xp.broadcast_to(g, shape=tuple(shape))


def count(shape, axis):
    """How many elements of an array of ``shape`` go into each result."""
    return math.prod(shape[a] for a in lost_axes(axis, len(shape)))


@op(
    kind="reduction",
    vjp=(lambda xp, g, x_shape, axis, keepdims: spread(xp, g, x_shape, axis, keepdims),),
    formula=r"y = \sum_i x_i",
    derivative=r"\bar x_i = \bar y",
    onnx="ReduceSum",
    samples=lambda r: [*reduce()(r), S(normal(r, 2, 0, 3), dim=1), S(normal(r, 0))],
    errors=dim_errors,
    reference=lambda x, dim=None, keepdim=False: np.sum(x, axis=dim, keepdims=keepdim),
)
def sum(xp, x, *, axis=None, keepdims=False):
    """The sum over ``dim`` (an int, a tuple, or None for everything). Integers and bools add up to int64.

    Args:
        input: tensor of any dtype and shape.
        dim: dimensions to sum over.
        keepdim: keep them with size 1.
        dtype: cast the input to this dtype first.

    Raises:
        IndexError: for a dimension that the tensor does not have.

    >>> import minigrad
    >>> minigrad.sum(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    return xp.sum(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    promote=None,
    vjp=(lambda xp, g, x_shape, axis, keepdims: spread(xp, g / builtins.max(count(x_shape, axis), 1), x_shape, axis, keepdims),),
    formula=r"y = \frac{1}{n}\sum_i x_i",
    derivative=r"\bar x_i = \bar y / n",
    onnx="ReduceMean",
    samples=reduce(),
    errors=lambda r: [*dim_errors(r), E(RuntimeError, "could not infer output dtype", np.array([1, 2]))],
    reference=lambda x, dim=None, keepdim=False: np.mean(x, axis=dim, keepdims=keepdim),
)
def mean(xp, x, *, axis=None, keepdims=False):
    """The mean over ``dim`` (an int, a tuple, or None for everything); NaN over no elements.

    Args:
        input: float tensor of any shape.
        dim: dimensions to average over.
        keepdim: keep them with size 1.
        dtype: cast the input to this dtype first.

    Raises:
        RuntimeError: for an integer tensor; convert it with ``.float()``.
        IndexError: for a dimension that the tensor does not have.

    >>> import minigrad
    >>> minigrad.mean(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5000, 3.5000])
    """
    if x.dtype.kind in "bui":
        raise RuntimeError("mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype; use x.float().mean()")
    n = count(x.shape, axis)
    return xp.sum(x, axis=axis, keepdims=keepdims) / n if n else xp.sum(x, axis=axis, keepdims=keepdims) * float("nan")


def _amax_rule(xp, g, y, x, axis, keepdims):
    """Elements that share the maximum share its gradient evenly."""
    mask = xp.astype(xp.equal(x, spread(xp, y, x.shape, axis, keepdims)), dtype=g.dtype)
    return mask * (spread(xp, g, x.shape, axis, keepdims) / xp.sum(mask, axis=axis, keepdims=True))


@op(
    kind="reduction",
    names="amax",
    vjp=(_amax_rule,),
    formula=r"y = \max_i x_i",
    derivative=r"\bar x_i = \bar y\,[x_i = y] / \#\{j: x_j = y\}",
    onnx="ReduceMax",
    samples=lambda r: [*reduce()(r), S(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), dim=1, grad=False)],
    errors=dim_errors,
    reference=lambda x, dim=None, keepdim=False: np.max(x, axis=dim, keepdims=keepdim),
)
def max(xp, x, *, axis=None, keepdims=False):
    """The largest value over ``dim``; equal maxima share the gradient evenly.

    >>> import minigrad
    >>> minigrad.amax(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([5., 7.])
    """
    return xp.max(x, axis=axis, keepdims=keepdims)
