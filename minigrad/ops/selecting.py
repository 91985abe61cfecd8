"""Whole slices chosen, added or replaced by index along one dimension; and elements of the flattened tensor."""

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import DimError, DtypeError, ShapeError, describe
from ..op import E, S, function, registry
from ..tensor import Tensor
from .conversion import number_like
from .indexing import FULL, _setitem, spread_out
from .samples import normal
from .shape import positive_dim


def checked_index(name, index, size, low=0, dim=None):
    """An integer index tensor whose values lie in [low, size): looked at on the CPU only, a GPU would have to wait for it."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {describe(index)}")
    if index.array.dtype.char not in "liq" and index.array.size:
        raise DtypeError(f"{name}(): Expected dtype int32/int64 for index, got {describe(index)}; convert with .long()")
    where = "" if dim is None else f" for dimension {dim} with size {size}"
    backends.of(index.array).check_bounds(index.array, low=low, high=size, name=name, where=where)
    return index


def as_index(index):
    """An empty index may have any dtype, but NumPy wants integers."""
    return index if index.array.dtype.char in "liq" else index.long()


def _along(name, input, dim, index):
    """The key of index slices along one dimension, and the dimension."""
    ndim = input.array.ndim
    d = positive_dim(name, dim, ndim)
    if index.array.ndim > 1:
        raise DimError(f"{name}(): Index is supposed to be a vector (1-D), got shape {tuple(index.array.shape)}")
    size = input.array.shape[d] if ndim else 1
    index = as_index(checked_index(name, index, size))
    return index if index.array.ndim else index.reshape(1), d, (FULL,) * d + ("?",)


def _numpy_take(x, dim, index):
    return np.take(x, np.atleast_1d(index), axis=dim) if x.ndim else x


@function("index_select",
          samples=lambda r: [S(normal(r, 3, 4), 0, np.array([2, 0, 2])), S(normal(r, 3, 4), -1, np.array([1])),
                             S(normal(r, 3), dim=0, index=np.array(1)),
                             S(normal(r, 2, 3), 1, np.array([], dtype="int64"))],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 3), 0, np.array([3]), by_value=True),
                            E(IndexError, "out of range", normal(r, 3), 0, np.array([-1]), by_value=True),
                            E(IndexError, "vector", normal(r, 3), 0, np.array([[0]])),
                            E(RuntimeError, "int32/int64", normal(r, 3), 0, np.array([0.0])),
                            E(IndexError, "out of range", normal(r, 3), 1, np.array([0]))],
          formula=r"y_j = x_{k_j}", derivative=r"\bar x_{k_j} \mathrel{+}= \bar y_j", reference=_numpy_take)  # fmt: skip
def index_select(input, dim, index):
    """The slices of ``input`` along ``dim`` that ``index`` names, in its order; a new tensor.

    Args:
        input: tensor of any dtype.
        dim: the dimension.
        index: 1-D int32 or int64 tensor with values from 0 up to the size of the dimension.

    Raises:
        IndexError: for an index out of range (on the CPU), or one that is no vector.

    >>> import minigrad
    >>> minigrad.index_select(minigrad.tensor([[1, 2], [3, 4]]), 1, minigrad.tensor([1, 1, 0]))
    tensor([[2, 2, 1],
            [4, 4, 3]])
    """
    index, _, key = _along("index_select", input, dim, index)
    if not input.array.ndim:
        return input.clone()
    return apply(registry["getitem"], (input, index), {"key": key})


def _check_source(name, input, d, index, source):
    if not isinstance(source, Tensor):
        raise TypeError(f"{name}(): argument 'source' must be Tensor, not {describe(source)}")
    if source.array.dtype != input.array.dtype:
        raise DtypeError(
            f"{name}(): self ({input.dtype}) and source ({source.dtype}) must have the same scalar type; write source.type_as(x)"
        )
    shape = input.array.shape
    expected = (*shape[:d], index.array.shape[0], *shape[d + 1 :]) if shape else ()
    if source.array.shape != expected and (shape or source.array.size != 1):
        raise ShapeError(
            f"{name}(): source tensor shape must match self tensor shape, excluding the specified dimension: "
            f"Source/destination tensor must have same "
            f"slice shapes. Got self.shape = {list(shape)}, source.shape = {list(source.array.shape)}, "
            f"{index.array.shape[0]} indices along dimension {d}"
        )
    return source


def _numpy_index_add(x, dim, index, source, alpha=1):
    out = np.moveaxis(x.copy(), dim, 0)
    np.add.at(out, index, alpha * np.moveaxis(source, dim, 0))
    return np.moveaxis(out, 0, dim)


_ADDED = {
    "samples": lambda r: [
        S(normal(r, 3, 4), 0, np.array([2, 0, 2]), normal(r, 3, 4)),
        S(normal(r, 2, 3), 1, np.array([1, 1]), normal(r, 2, 2), alpha=2.5),
        S(normal(r, 3), dim=-1, index=np.array([0]), source=normal(r, 1)),
    ],
    "errors": lambda r: [
        E(IndexError, "out of range", normal(r, 3), 0, np.array([3]), normal(r, 1), by_value=True),
        E(RuntimeError, "same slice shapes", normal(r, 3, 2), 0, np.array([0]), normal(r, 1, 3)),
        E(RuntimeError, "same scalar type", normal(r, 3), 0, np.array([0]), np.array([1])),
    ],
}


@function("index_add", **_ADDED, reference=_numpy_index_add, formula=r"y = x, \quad y_{k_j} \mathrel{+}= \alpha s_j",
          derivative=r"\bar x = \bar y, \quad \bar s_j = \alpha \bar y_{k_j}", inplace=True)  # fmt: skip
def index_add(input, dim, index, source, *, alpha=1):
    """A copy of ``input`` with ``alpha`` times the slices of ``source`` added at ``index`` along ``dim``.

    Repeated indices add up.

    >>> import minigrad
    >>> minigrad.index_add(minigrad.zeros(3), 0, minigrad.tensor([0, 0, 2]), minigrad.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    index, d, key = _along("index_add", input, dim, index)
    source = _check_source("index_add", input, d, index, source)
    source = source if alpha == 1 else source * number_like(source, alpha)
    if not input.array.ndim:
        return input + source.reshape(())
    return input + apply(registry["ungetitem"], (source, index), {"key": key, "shape": input.array.shape})


def _put_slices(input, value, index, key):
    """A copy of ``input`` with ``value`` at the slices of a key; a tensor without dimensions counts as one of size 1."""
    line = input if input.array.ndim else input.reshape(1)
    out = apply(registry["index_put"], (line, value, index), {"key": key})
    return out if line is input else out.reshape(())


def _numpy_index_copy(x, dim, index, source):
    out = np.moveaxis(x.copy(), dim, 0)
    out[index] = np.moveaxis(source, dim, 0)
    return np.moveaxis(out, 0, dim)


@function("index_copy",
          samples=lambda r: [S(normal(r, 3, 4), 0, np.array([2, 0]), normal(r, 2, 4)),
                             S(normal(r, 2, 3), 1, np.array([1]), normal(r, 2, 1))],
          errors=_ADDED["errors"], reference=_numpy_index_copy, formula=r"y = x, \quad y_{k_j} = s_j",
          derivative=r"\bar s_j = \bar y_{k_j}, \quad \bar x = \bar y \text{ but } \bar x_{k_j} = 0", inplace=True)  # fmt: skip
def index_copy(input, dim, index, source):
    """A copy of ``input`` with the slices of ``source`` written at ``index`` along ``dim``.

    >>> import minigrad
    >>> minigrad.index_copy(minigrad.zeros(3), 0, minigrad.tensor([2, 0]), minigrad.tensor([1.0, 2.0]))
    tensor([2., 0., 1.])
    """
    index, d, key = _along("index_copy", input, dim, index)
    source = _check_source("index_copy", input, d, index, source)
    return _put_slices(input, source, index, key)


def _numpy_index_fill(x, dim, index, value):
    out = np.moveaxis(x.copy(), dim, 0)
    out[index] = value
    return np.moveaxis(out, 0, dim)


@function("index_fill",
          samples=lambda r: [S(normal(r, 3, 4), 1, np.array([2, 0]), 1.5),
                             S(normal(r, 3), 0, np.array([1]), normal(r))],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 3), 0, np.array([3]), 0.0, by_value=True),
                            E(RuntimeError, "0-dimension", normal(r, 3), 0, np.array([0]), normal(r, 2))],
          reference=_numpy_index_fill, formula=r"y = x, \quad y_{k_j} = v", derivative=r"\bar v = \textstyle\sum_j \bar y_{k_j}",
          inplace=True)  # fmt: skip
def index_fill(input, dim, index, value):
    """A copy of ``input`` with one ``value`` (a number or a 0-d tensor) at the slices ``index`` along ``dim``.

    >>> import minigrad
    >>> minigrad.index_fill(minigrad.zeros(3), 0, minigrad.tensor([0, 2]), 5.0)
    tensor([5., 0., 5.])
    """
    index, _, key = _along("index_fill", input, dim, index)
    if isinstance(value, Tensor) and value.array.ndim:
        raise ShapeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.array.ndim} dimension(s)."
        )
    if isinstance(value, Tensor) and value.requires_grad:
        index = index.unique()  # an index that comes twice counts once in the gradient
    value = value.to(input.dtype) if isinstance(value, Tensor) else input.new_full((), value)
    return _put_slices(input, value, index, key)


# ----------------------------------------------------------------------------------------------------- x[i, j] as functions
def _numpy_put(x, indices, values, accumulate=False):
    out = x.copy()
    if accumulate:
        np.add.at(out, indices, values)
    else:
        out[indices] = values
    return out


@function("index_put",
          samples=lambda r: [S(normal(r, 3, 4), (np.array([0, 2]), np.array([1, 1])), normal(r, 2)),
                             S(normal(r, 3, 4), (np.array([0, 2]),), normal(r, 4)),
                             S(normal(r, 3, 4), (np.array([0, 0]),), normal(r, 2, 4), accumulate=True),
                             S(normal(r, 2, 2), (np.array([[True, False], [True, True]]),), normal(r),
                                            accumulate=True)],
          errors=lambda r: [E(IndexError, "out of bounds", normal(r, 3), (np.array([3]),), normal(r), by_value=True),
                            E(RuntimeError, "shape mismatch", normal(r, 3), (np.array([1, 2]),), normal(r, 3))],
          formula=r"y = x, \quad y[i] = v", derivative=r"\bar v = \bar y[i]", reference=_numpy_put, inplace=True)  # fmt: skip
def _index_put(input, indices, values, accumulate=False):
    """A copy of ``input`` with ``values`` written at ``input[indices]``, or with ``accumulate`` added there.

    ``indices`` is a tuple of tensors.

    >>> import minigrad
    >>> minigrad.index_put(minigrad.zeros(3), (minigrad.tensor([0, 0]),), minigrad.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0., 0.])
    """
    indices = tuple(indices)
    if not accumulate:
        out = input.clone()
        _setitem(out, indices, values)
        return out
    indices = tuple(i.reshape(1) if i.array.ndim == 0 else i for i in indices)  # a 0-d index would make a view of less
    return input + spread_out(input, indices, values)


@function("take", samples=lambda r: [S(normal(r, 3, 4), np.array([[0, 11], [5, -1]])), S(normal(r, 3), np.array(1))],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 3), np.array([3]), by_value=True),
                            E(RuntimeError, "int32/int64", normal(r, 3), np.array([1.0]))],
          formula=r"y_j = x_{k_j}", derivative=r"\bar x_{k_j} \mathrel{+}= \bar y_j", reference=np.take)  # fmt: skip
def take(input, index):
    """The elements of the flattened ``input`` at ``index``; the result has the shape of ``index``.

    >>> import minigrad
    >>> minigrad.take(minigrad.tensor([[1, 2], [3, 4]]), minigrad.tensor([0, 3]))
    tensor([1, 4])
    """
    index = checked_index("take", index, input.array.size, low=-input.array.size)
    return apply(registry["getitem"], (input.reshape(-1), index), {"key": ("?",)})


@function("put",
          samples=lambda r: [S(normal(r, 3, 4), np.array([0, 11]), normal(r, 2)),
                             S(normal(r, 3), np.array([1, 1]), normal(r, 2), accumulate=True)],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 3), np.array([3]), normal(r, 1), by_value=True),
                            E(IndexError, "same number of elements", normal(r, 3), np.array([1]), normal(r, 2))],
          formula=r"y = x, \quad y_{k_j} = s_j", derivative=r"\bar s_j = \bar y_{k_j}",
          reference=lambda x, i, v, accumulate=False: _numpy_put(x.reshape(-1), i, v, accumulate).reshape(x.shape),
          inplace=True)  # fmt: skip
def put(input, index, source, accumulate=False):
    """A copy of ``input`` with ``source`` written at (or added to) the places ``index`` of the flattened tensor.

    >>> import minigrad
    >>> minigrad.put(minigrad.zeros(2, 2), minigrad.tensor([3]), minigrad.tensor([1.0]))
    tensor([[0., 0.],
            [0., 1.]])
    """
    index = checked_index("put", index, input.array.size, low=-input.array.size)
    if index.array.size != source.array.size:
        raise DimError(
            f"put_(): Expected source and index to have the same number of elements, but got source {source.array.size} and "
            f"index {index.array.size}"
        )
    flat = _index_put(input.reshape(-1), (index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.array.shape)
