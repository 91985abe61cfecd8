"""The largest and the smallest: their values, their places, and both."""

import numpy as np

from ..errors import DimError
from ..op import E, S, function, op, return_type
from ..tensor import Tensor
from .bounds import maximum, minimum
from .reduction import empty_dim, one_dim, share
from .samples import dim_errors, normal, reduce

INT64 = np.dtype(np.int64)
MinMax = return_type("aminmax", ("min", "max"))


# ------------------------------------------------------------------------------------------------------------------- values
def _bounds_errors(r):
    return [
        *dim_errors(r),
        E(RuntimeError, "to be specified for input.numel", normal(r, 0)),
        E(IndexError, "to have non-zero size", normal(r, 0, 3), dim=0),
    ]


def _bounds_samples(r):
    tie = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    return [
        *reduce()(r),
        S(tie, dim=1, grad=False),
        S(tie, grad=False),
        S(np.array([[3.0, 1.0], [3.0, 2.0]]), grad="first"),
        S(np.array([1.0, np.nan, 3.0]), grad=False),
        S(normal(r, 2, 0), dim=0),
        S(np.array([[3, 1]]), dim=1),
        S(np.array([True, False])),
    ]


@op(
    kind="reduction",
    names="amax",
    vjp=(share,),
    formula=r"y = \max_i x_i",
    derivative=r"\bar x_i = \bar y\,[x_i = y] / \#\{j: x_j = y\}",
    onnx="ReduceMax",
    samples=_bounds_samples,
    errors=_bounds_errors,
    reference=lambda x, dim=None, keepdim=False: np.max(x, axis=dim, keepdims=keepdim),
)
def max_(xp, x, *, axis=None, keepdims=False):
    """The largest value over ``dim`` (an int, a tuple, or None for everything); equal maxima share the gradient evenly.

    Raises:
        RuntimeError, IndexError: for the largest of no elements.

    >>> import minigrad
    >>> minigrad.amax(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([5., 7.])
    """
    return xp.max(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    names="amin",
    vjp=(share,),
    formula=r"y = \min_i x_i",
    derivative=r"\bar x_i = \bar y\,[x_i = y] / \#\{j: x_j = y\}",
    onnx="ReduceMin",
    samples=_bounds_samples,
    errors=_bounds_errors,
    reference=lambda x, dim=None, keepdim=False: np.min(x, axis=dim, keepdims=keepdim),
)
def min_(xp, x, *, axis=None, keepdims=False):
    """The smallest value over ``dim`` (an int, a tuple, or None for everything); equal minima share the gradient evenly.

    Raises:
        RuntimeError, IndexError: for the smallest of no elements.

    >>> import minigrad
    >>> minigrad.amin(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([1., 3.])
    """
    return xp.min(x, axis=axis, keepdims=keepdims)


# ----------------------------------------------------------------------------------------------------------------- places
@op(
    kind="reduction",
    names="",
    formula=r"y = \arg\max_i x_i",
    onnx="ArgMax",
    samples=lambda r: [S(normal(r, 3, 4), dim=1), S(normal(r, 3, 4))],
)
def argmax(xp, x, *, axis=None, keepdims=False):
    """The index of the first largest element; NaN is the largest."""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    names="",
    formula=r"y = \arg\min_i x_i",
    onnx="ArgMin",
    samples=lambda r: [S(normal(r, 3, 4), dim=1), S(normal(r, 3, 4))],
)
def argmin(xp, x, *, axis=None, keepdims=False):
    """The index of the first smallest element; NaN is the smallest."""
    return xp.argmin(x, axis=axis, keepdims=keepdims)


def _place(name, find, x, dim, keepdim):
    if x.array.dtype == bool:
        raise RuntimeError(f'"{name}" not implemented for bool; convert the tensor with .int()')
    if dim is not None:
        dim = one_dim(name, dim, x.array.ndim)
    if x.array.size == 0 and (dim is None or x.array.shape[dim] == 0):
        raise DimError(str(empty_dim(name, dim)))
    return find(x, dim, keepdim)


def _place_samples(r):
    tie = np.array([[1.0, 3.0, 3.0, 1.0], [2.0, np.nan, 2.0, np.nan]])
    return [
        S(normal(r, 3, 4)),
        S(normal(r, 3, 4), dim=1),
        S(normal(r, 3, 4), dim=-2, keepdim=True),
        S(normal(r, 3, 4), keepdim=True),
        S(tie),
        S(tie, dim=1),
        S(np.array([[3, 9], [9, 1]]), dim=0),
        S(normal(r)),
        S(normal(r), dim=0),
        S(normal(r, 0, 3), dim=1),
    ]


def _place_errors(r):
    return [
        *dim_errors(r),
        E(IndexError, "to be specified for input.numel", normal(r, 0)),
        E(IndexError, "non-zero size", normal(r, 0, 3), dim=0),
        E(TypeError, "must be int", normal(r, 2, 3), dim=(0, 1)),
        E(RuntimeError, "not implemented for", np.array([True])),
    ]


@function(
    "argmax",
    samples=_place_samples,
    errors=_place_errors,
    formula=r"y = \arg\max_i x_i",
    reference=lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim),
)
def _argmax(input, dim=None, keepdim=False, *, axis=None, keepdims=None):
    """The index of the largest element along ``dim``, or in the flattened tensor; the first of several. NaN is the largest.

    Returns:
        int64 indices.

    Raises:
        IndexError: where there is no such dimension, or no element to choose.

    >>> import minigrad
    >>> minigrad.argmax(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([1, 0])
    """
    return _place("argmax", argmax, input, dim if axis is None else axis, keepdim if keepdims is None else keepdims)


@function(
    "argmin",
    samples=_place_samples,
    errors=_place_errors,
    formula=r"y = \arg\min_i x_i",
    reference=lambda x, dim=None, keepdim=False: np.argmin(x, axis=dim, keepdims=keepdim),
)
def _argmin(input, dim=None, keepdim=False, *, axis=None, keepdims=None):
    """The index of the smallest element along ``dim``, or in the flattened tensor; the first of several. NaN is the smallest.

    Returns:
        int64 indices.

    Raises:
        IndexError: where there is no such dimension, or no element to choose.

    >>> import minigrad
    >>> minigrad.argmin(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([0, 1])
    """
    return _place("argmin", argmin, input, dim if axis is None else axis, keepdim if keepdims is None else keepdims)


# ----------------------------------------------------------------------------------------------------------- values and places
def to_places(xp, values, places, x_shape, axis):
    """The gradient goes back to where each value was found."""
    return xp.scatter_along_axis(values, places, axis=axis, shape=tuple(x_shape)) if x_shape else values


def _to_place(xp, g, y, x_shape, axis):
    kept = tuple(1 if i == axis else n for i, n in enumerate(x_shape))
    return to_places(xp, xp.reshape(g[0], shape=kept), xp.reshape(y[1], shape=kept), x_shape, axis)


def chosen(name, formula):
    """An operation that picks one element along ``axis``: its value and its place."""
    return op(
        names=name,
        outputs=2,
        returns=("values", "indices"),
        vjp=(_to_place,),
        formula=formula,
        derivative=r"\bar x_k = \bar y \text{ at the place } k",
    )


def at_places(xp, x, places, axis, keepdims):
    """Values and places, with or without the axis of size 1."""
    values = xp.take_along_axis(x, places, axis=axis)
    if keepdims:
        return values, places
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return xp.reshape(values, shape=shape), xp.reshape(places, shape=shape)


def only(xp, x):
    """The only element of a 0-d array, and its place."""
    return xp.copy(x), xp.full(x, shape=(), value=0, dtype=INT64)


def pick(name, choose, input, dim, keepdim, **params):
    """Check ``dim`` and choose along it."""
    dim = one_dim(name, dim, input.array.ndim)
    if input.array.ndim and input.array.shape[dim] == 0:
        raise empty_dim(name, dim)
    return choose(input, dim=dim, keepdim=bool(keepdim), **params)


@chosen("max", r"y = \max_i x_i")
def max_with_index(xp, x, *, axis, keepdims):
    """The largest element along an axis and the first place where it is."""
    if not x.ndim:
        return only(xp, x)
    return xp.max(x, axis=axis, keepdims=keepdims), xp.argmax(x, axis=axis, keepdims=keepdims)


@chosen("min", r"y = \min_i x_i")
def min_with_index(xp, x, *, axis, keepdims):
    """The smallest element along an axis and the first place where it is."""
    if not x.ndim:
        return only(xp, x)
    return xp.min(x, axis=axis, keepdims=keepdims), xp.argmin(x, axis=axis, keepdims=keepdims)


def _three_forms(r):
    tie = np.array([[1.0, 3.0, 3.0, 1.0], [2.0, np.nan, 2.0, np.nan]])
    return [
        S(normal(r, 3, 4)),
        S(normal(r, 3, 4), 1),
        S(normal(r, 3, 4), dim=-2, keepdim=True),
        S(normal(r, 3, 4), normal(r, 4)),
        S(normal(r, 3, 4), other=normal(r, 3, 1)),
        S(tie[:1], dim=1, grad=False),
        S(tie, dim=1, grad=False),
        S(np.array([[3, 9], [9, 1]]), 0),
        S(np.array([[True, False]]), 1),
        S(normal(r), 0),
        S(normal(r, 0, 3), 1),
        S(normal(r, 2, 3), axis=0, keepdims=True),
    ]


def _form_errors(r):
    return [
        *dim_errors(r),
        E(RuntimeError, "to be specified for input.numel", normal(r, 0)),
        E(IndexError, "non-zero size", normal(r, 0, 3), dim=0),
        E(TypeError, "must be int", normal(r, 2, 3), dim=(0, 1)),
        E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4)),
    ]


def _form_reference(whole, place, pairs):
    def reference(x, dim=None, keepdim=False, other=None, axis=None, keepdims=False):
        dim, keepdim = axis if dim is None else dim, keepdim or keepdims
        if other is not None or isinstance(dim, np.ndarray):
            return pairs(x, dim if other is None else other)
        if dim is None:
            return whole(x)
        return whole(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)

    return reference


@function(
    "max",
    samples=_three_forms,
    errors=_form_errors,
    formula=r"y = \max_i x_i",
    derivative=r"\bar x_k = \bar y \text{ at the place } k",
    reference=_form_reference(np.max, np.argmax, np.maximum),
)
def max(input, dim=None, keepdim=False, *, other=None, axis=None, keepdims=None):
    """The largest element: of the whole tensor, along ``dim``, or of two tensors element by element.

    ``max(input)`` is one value, and equal maxima share its gradient. ``max(input, dim)`` is a named tuple ``(values, indices)``
    with the index of the first maximum, which gets the gradient. ``max(input, other)`` is :func:`minigrad.maximum`.
    NaN is larger than all numbers.

    Args:
        input: tensor of any real dtype and shape.
        dim: the dimension to choose along.
        keepdim: keep it with size 1.
        other: a tensor to compare with instead.

    Raises:
        IndexError: where there is no such dimension.
        RuntimeError, IndexError: for the largest of no elements.

    >>> import minigrad
    >>> values, indices = minigrad.max(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    >>> values, indices
    (tensor([5., 7.]), tensor([1, 0]))
    """
    dim, keepdim = dim if axis is None else axis, keepdim if keepdims is None else keepdims
    other = dim if isinstance(dim, Tensor) else other
    if other is not None:
        return maximum(input, other)
    if dim is not None:
        return pick("max", max_with_index, input, dim, keepdim)
    if input.array.size == 0:
        raise empty_dim("max")
    return max_(input)


@function(
    "min",
    samples=_three_forms,
    errors=_form_errors,
    formula=r"y = \min_i x_i",
    derivative=r"\bar x_k = \bar y \text{ at the place } k",
    reference=_form_reference(np.min, np.argmin, np.minimum),
)
def min(input, dim=None, keepdim=False, *, other=None, axis=None, keepdims=None):
    """The smallest element: of the whole tensor, along ``dim``, or of two tensors element by element.

    ``min(input)`` is one value, and equal minima share its gradient. ``min(input, dim)`` is a named tuple ``(values, indices)``
    with the index of the first minimum, which gets the gradient. ``min(input, other)`` is :func:`minigrad.minimum`.
    NaN is smaller than all numbers.

    Args:
        input: tensor of any real dtype and shape.
        dim: the dimension to choose along.
        keepdim: keep it with size 1.
        other: a tensor to compare with instead.

    Raises:
        IndexError: where there is no such dimension.
        RuntimeError, IndexError: for the smallest of no elements.

    >>> import minigrad
    >>> values, indices = minigrad.min(minigrad.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    >>> values, indices
    (tensor([1., 3.]), tensor([0, 1]))
    """
    dim, keepdim = dim if axis is None else axis, keepdim if keepdims is None else keepdims
    other = dim if isinstance(dim, Tensor) else other
    if other is not None:
        return minimum(input, other)
    if dim is not None:
        return pick("min", min_with_index, input, dim, keepdim)
    if input.array.size == 0:
        raise empty_dim("min")
    return min_(input)


@function(
    "aminmax",
    samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 3, 4), dim=1, keepdim=True), S(normal(r, 3, 4), dim=-2)],
    errors=lambda r: [E(IndexError, "out of range", normal(r, 3), dim=1)],
    formula=r"(y, z) = (\min_i x_i, \max_i x_i)",
    derivative=r"\bar x_i = \bar y\,[x_i = y] + \bar z\,[x_i = z]",
    reference=lambda x, dim=None, keepdim=False: (np.min(x, axis=dim, keepdims=keepdim), np.max(x, axis=dim, keepdims=keepdim)),
)
def aminmax(input, *, dim=None, keepdim=False):
    """The smallest and the largest element along ``dim``, or of everything: a named tuple ``(min, max)``.

    >>> import minigrad
    >>> minigrad.aminmax(minigrad.tensor([3.0, 1.0, 2.0]))
    minigrad.return_types.aminmax(
    min=tensor(1.),
    max=tensor(3.))
    """
    return MinMax(min_(input, dim, keepdim), max_(input, dim, keepdim))
