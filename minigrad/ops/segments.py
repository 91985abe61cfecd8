"""Values reduced in groups: slices by an index along a dimension, and segments that follow one another."""

import numpy as np

from ..errors import ShapeError, describe
from ..op import E, S, function
from ..tensor import Tensor
from .gather import scatter_reduce
from .samples import normal
from .selecting import _along
from .shape import positive_dim

_NUMPY = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min, "max": np.max, "min": np.min}


def _numpy_index_reduce(x, dim, index, source, reduce, include_self=True):
    out, values = np.moveaxis(x.copy(), dim, 0), np.moveaxis(source, dim, 0)
    for k in np.unique(index):
        group = [*values[index == k], *([out[k]] if include_self else [])]
        out[k] = _NUMPY[reduce](np.stack(group), axis=0)
    return np.moveaxis(out, 0, dim)


@function("index_reduce", inplace=True, reference=_numpy_index_reduce,
          samples=lambda r: [S(normal(r, 4, 3), 0, np.array([2, 0, 2]), normal(r, 3, 3), how, include_self=own)
                             for how in ("prod", "mean", "amax", "amin") for own in (True, False)]
          + [S(normal(r, 2, 3), -1, np.array([1, 1]), normal(r, 2, 2), "prod")],
          errors=lambda r: [E(RuntimeError, "either prod, mean, amax or amin", normal(r, 3), 0, np.array([0]),
                              normal(r, 1), "sum"),
                            E(IndexError, "out of range", normal(r, 3), 0, np.array([3]), normal(r, 1), "prod", by_value=True)],
          formula=r"y_j = \mathrm{reduce}(x_j, \{s_i : k_i = j\})")  # fmt: skip
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """A copy of ``input`` with all slices of ``source`` that ``index`` sends to one slice along ``dim`` reduced to one there.

    Args:
        input, dim, index, source: as for :func:`minigrad.index_add`.
        reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the old slice takes part.

    >>> import minigrad
    >>> index, source = minigrad.tensor([0, 0]), minigrad.tensor([2.0, 6.0])
    >>> minigrad.index_reduce(minigrad.ones(2), 0, index, source, "mean", include_self=False)
    tensor([4., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): reduce argument must be either prod, mean, amax or amin, got {reduce!r}")
    if not isinstance(source, Tensor):
        raise TypeError(f"index_reduce(): argument 'source' must be Tensor, not {describe(source)}")
    places, d, _ = _along("index_reduce", input, dim, index)
    if not input.array.ndim:
        return scatter_reduce(input, 0, places.reshape(()), source.reshape(()), reduce, include_self=include_self)
    line = places.reshape((-1,) + (1,) * (input.array.ndim - d - 1)).expand(source.array.shape)
    return scatter_reduce(input, d, line.contiguous(), source, reduce, include_self=include_self)


# ------------------------------------------------------------------------------------------------------------------- segments
_EMPTY = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}
_SCATTER = {"sum": "sum", "mean": "sum", "prod": "prod", "max": "amax", "min": "amin"}


def _lengths(data, lengths, offsets, indices, axis, unsafe):
    """How long each segment is, as an int64 array whose last axis counts the segments."""
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet; give lengths or offsets")
    if (lengths is None) == (offsets is None):
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined, and not both.")
    given = lengths if offsets is None else offsets
    counts = given.numpy(force=True).astype(np.int64)
    counts = counts if offsets is None else np.diff(counts, axis=-1)
    d = positive_dim("segment_reduce", axis, data.array.ndim)
    if counts.ndim - 1 != d:
        raise ShapeError(f"segment_reduce(): Expected axis to be the last dimension of lengths or offsets but got {axis}.")
    if not unsafe and offsets is None:
        if counts.size and counts.min() < 0:
            raise RuntimeError("segment_reduce(): lengths contains negative value!")
        if (counts.sum(-1) != data.array.shape[d]).any():
            raise RuntimeError(
                f"segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1), here "
                f"{data.array.shape[d]}, when !unsafe."
            )
    return counts, d


def _numpy_segments(data, reduce, lengths=None, offsets=None, axis=0, initial=None):
    lengths = np.diff(offsets) if lengths is None else lengths
    ends = np.cumsum(lengths)
    out = []
    for end, n in zip(ends, lengths):
        rows = data[end - n : end]
        rows = rows if initial is None else np.concatenate([np.full((1, *data.shape[1:]), initial), rows])
        empty = np.full(data.shape[1:], {"mean": np.nan}.get(reduce, _EMPTY[reduce]))
        out.append((_NUMPY[reduce](rows, axis=0) if reduce != "mean" else rows.sum(0) / n) if len(rows) else empty)
    return np.stack(out)


@function("segment_reduce", spaces="torch", reference=_numpy_segments,
          samples=lambda r: [S(normal(r, 6), how, lengths=np.array([2, 1, 3])) for how in _EMPTY]
          + [S(normal(r, 4, 2), how, offsets=np.array([0, 3, 4])) for how in ("sum", "mean", "max")]
          + [S(normal(r, 3), "sum", lengths=np.array([0, 3])),
             S(normal(r, 3), "max", lengths=np.array([1, 2]), axis=0, initial=1.0)],
          errors=lambda r: [E(RuntimeError, "Either lengths or offsets", normal(r, 3), "sum"),
                            E(RuntimeError, "to sum to", normal(r, 3), "sum", lengths=np.array([1, 1])),
                            E(RuntimeError, "reduction", normal(r, 3), "median", lengths=np.array([3]))],
          formula=r"y_j = \mathrm{reduce}\{x_i : i \text{ in segment } j\}")  # fmt: skip
def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    """Segments of ``data`` that follow one another along ``axis``, each reduced to one value.

    Args:
        data: float tensor.
        reduce: ``"sum"``, ``"mean"``, ``"max"``, ``"min"`` or ``"prod"``.
        lengths: int tensor, how long each segment is; or
        offsets: int tensor, where each begins, and the end of the last.
        axis: the last dimension of ``lengths``; the dimensions before it are those of ``data``.
        unsafe: do not look whether the lengths add up.
        initial: where each reduction begins; without it an empty segment gives 0, NaN, -inf, inf or 1.

    >>> import minigrad
    >>> minigrad.segment_reduce(minigrad.arange(5.0), "sum", lengths=minigrad.tensor([2, 3]))
    tensor([1., 9.])
    """
    if reduce not in _EMPTY:
        raise RuntimeError(f"segment_reduce(): unsupported reduction {reduce!r}; it is one of {', '.join(_EMPTY)}")
    counts, d = _lengths(data, lengths, offsets, indices, axis, unsafe)
    shape, segments = data.array.shape, counts.shape[-1]
    rows = [np.repeat(np.arange(segments), row) for row in counts.reshape(-1, segments)]
    tail = (1,) * (len(shape) - d - 1)
    group = data.new_tensor(np.stack(rows).reshape(*shape[:d], -1, *tail), dtype="int64")
    group = group.expand(*shape[:d], group.array.shape[d], *shape[d + 1 :]).contiguous()
    out = data.new_full((*shape[:d], segments, *shape[d + 1 :]), _EMPTY[reduce] if initial is None else initial)
    out = scatter_reduce(out, d, group, data, _SCATTER[reduce])
    if reduce != "mean":
        return out
    sizes = data.new_tensor(counts.reshape(*counts.shape, *tail), dtype=data.dtype)
    return out / sizes if initial is None else out / sizes.clamp(min=1)
