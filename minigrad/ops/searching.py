"""Counting and searching: distinct values, histograms, places in a sorted sequence, membership."""

import math

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor, wrap
from .samples import normal
from .shape import positive_dim

INDEX = np.dtype("int64")


# ------------------------------------------------------------------------------------------------------------ distinct values
def _runs(xp, x):
    """Runs of equal rows of ``x`` (N, ...): (where each begins, for every row the number of its run, the runs' lengths)."""
    n = x.shape[0]
    differs = xp.not_equal(xp.getitem(x, key=(("slice", 1, None, None),)), xp.getitem(x, key=(("slice", None, -1, None),)))
    differs = xp.any(xp.reshape(differs, shape=(max(n - 1, 0), math.prod(x.shape[1:]))), axis=1)
    begins = xp.concat(xp.full(x, shape=(min(n, 1),), value=True, dtype=np.dtype(bool)), differs)
    (starts,) = xp.nonzero(begins)
    ends = xp.concat(xp.getitem(starts, key=(("slice", 1, None, None),)), xp.full(starts, shape=(min(n, 1),), value=n))
    return starts, xp.cumsum(begins, axis=0) - 1, ends - starts


def _row_order(xp, x):
    """The places that put rows (N, D) in lexicographic order."""
    order = xp.arange(x, n=x.shape[0])
    for column in range(x.shape[1] - 1, -1, -1):
        keys = xp.getitem(xp.getitem(x, key=(..., column)), order, key=("?",))
        order = xp.getitem(order, xp.argsort(keys, axis=0), key=("?",))
    return order


_SEVERAL = np.array([[3, 1], [3, 1], [1, 2], [3, 0]])


@op(names="", outputs=3, samples=lambda r: [S(np.array([3, 1, 3, 2])), S(np.array([1.0, np.nan, 1.0, np.nan])),
                                            S(np.zeros(0, "int64"))],
    reference=lambda x: tuple(v.reshape(-1) for v in np.unique(x, return_inverse=True, return_counts=True,
        equal_nan=False)))  # fmt: skip
def unique(xp, x):
    """The distinct elements of a vector in order, the number of each element's, and how often each comes up. NaN equals "
    "nothing."""
    order = xp.argsort(x, axis=0)
    ordered = xp.getitem(x, order, key=("?",))
    starts, group, counts = _runs(xp, ordered)
    return xp.getitem(ordered, starts, key=("?",)), xp.index_put(order, group, order, key=("?",)), counts


@op(names="", outputs=3, samples=lambda r: [S(_SEVERAL), S(np.zeros((0, 2), "int64"))],
    reference=lambda x: tuple(v if i == 0 else v.reshape(-1) for i, v in enumerate(np.unique(x, return_inverse=True,
        return_counts=True, axis=0))))  # fmt: skip
def unique_rows(xp, x):
    """The distinct rows of a matrix in lexicographic order, the number of each row's, and how often each comes up."""
    order = _row_order(xp, x)
    ordered = xp.getitem(x, order, key=("?",))
    starts, group, counts = _runs(xp, ordered)
    return xp.getitem(ordered, starts, key=("?",)), xp.index_put(order, group, order, key=("?",)), counts


@op(names="", outputs=3, samples=lambda r: [S(np.array([1, 1, 2, 1])), S(_SEVERAL), S(np.zeros(0, "int64"))])
def unique_runs(xp, x):
    """The first of each run of equal rows, the number of each row's run, and the lengths of the runs."""
    starts, group, counts = _runs(xp, x)
    return xp.getitem(x, starts, key=("?",)), group, counts


def _distinct(name, vector_op, row_op, input, dim, return_inverse, return_counts):
    if dim is None:
        flat = input.reshape(-1)
        values, inverse, counts = apply(registry[vector_op], (flat,), {})
        inverse = inverse.reshape(input.array.shape)
    else:
        d = positive_dim(name, dim, input.array.ndim)
        first = input.movedim(d, 0) if input.array.ndim else input.reshape(1)
        n, *rest = first.array.shape
        rows = first.reshape(n, math.prod(rest))
        values, inverse, counts = apply(registry[row_op], (rows,), {})
        values = values.reshape(values.array.shape[0], *first.array.shape[1:])
        values = values.movedim(0, d) if input.array.ndim else values
    if not return_inverse and not return_counts:
        return values
    return (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))


def _numpy_unique(x, sorted=True, return_inverse=False, return_counts=False, dim=None):
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = inverse.reshape(x.shape if dim is None else -1)
    out = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return out if len(out) > 1 else values


@function("unique", samples=lambda r: [S(np.array([[3, 1], [2, 3]])), S(np.array([3.0, 1.0, 3.0, np.nan, np.nan]),
    return_inverse=True, return_counts=True), S(_SEVERAL, dim=0, return_inverse=True),
                                       S(_SEVERAL, sorted=False, dim=1, return_counts=True), S(np.array(5)), S(np.zeros(0))],
          errors=lambda r: [E(IndexError, "out of range", np.array([1]), dim=1)], reference=_numpy_unique)  # fmt: skip
def _unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in order; NaN equals nothing, so each counts.

    Args:
        input: tensor of any dtype.
        sorted: accepted; the result is in order either way.
        return_inverse: also where in the result each element of ``input`` is.
        return_counts: also how often each comes up.
        dim: compare whole slices along this dimension; without it, the elements of the flattened tensor.

    >>> import minigrad
    >>> minigrad.unique(minigrad.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    return _distinct("unique", "unique", "unique_rows", input, dim, return_inverse, return_counts)


def _numpy_consecutive(x, return_inverse=False, return_counts=False, dim=None):
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    begins = [i == 0 or bool(np.any(rows[i] != rows[i - 1])) for i in range(len(rows))]
    group = np.cumsum(begins) - 1
    values = rows[begins] if dim is None else np.moveaxis(rows[begins], 0, dim)
    inverse = group.reshape(x.shape) if dim is None else group
    out = (values, *([inverse] if return_inverse else []), *([np.bincount(group)] if return_counts else []))
    return out if len(out) > 1 else values


@function("unique_consecutive",
          samples=lambda r: [S(np.array([1, 1, 2, 1])),
                             S(np.array([[1, 1], [2, 1]]), return_inverse=True, return_counts=True),
                             S(_SEVERAL, dim=0, return_inverse=True, return_counts=True)],
          reference=_numpy_consecutive)  # fmt: skip
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The first of every run of equal elements (with ``dim``: of equal slices). Arguments as :func:`minigrad.unique`.

    >>> import minigrad
    >>> minigrad.unique_consecutive(minigrad.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    return _distinct("unique_consecutive", "unique_runs", "unique_runs", input, dim, return_inverse, return_counts)


# ------------------------------------------------------------------------------------------------------------------- counting
def _numpy_bincount(x, weights=None, minlength=0):
    return np.bincount(x, weights, minlength)


@function("bincount",
          samples=lambda r: [S(np.array([0, 3, 3])), S(np.array([1, 1]), normal(r, 2)),
                             S(np.array([1]), minlength=4), S(np.zeros(0, "int64")),
                             S(np.array([2, 0]), np.array([3, 4]))],
          errors=lambda r: [E(RuntimeError, "1-d non-negative", np.array([0, -1])),
                            E(RuntimeError, "1-d non-negative", np.array([[1]])),
                            E(NotImplementedError, "not implemented for", np.array([1.0])),
                            E(RuntimeError, "same length", np.array([1]), normal(r, 2)),
                            E(RuntimeError, "minlength", np.array([1]), minlength=-1)],
          reference=_numpy_bincount)  # fmt: skip
def bincount(input, weights=None, minlength=0):
    """How often each of 0, 1, 2 ... comes up in a vector of integers; with ``weights`` the sum of their weights.

    >>> import minigrad
    >>> minigrad.bincount(minigrad.tensor([0, 3, 3]))
    tensor([1, 0, 0, 2])
    """
    a = input.array
    if a.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount" not implemented for {input.dtype}; convert with .long()')
    if a.ndim != 1 or (a.size and a.dtype.kind == "i" and bool((a < 0).any())):
        raise ShapeError(f"bincount only supports 1-d non-negative integral inputs, got {describe(input)}")
    if minlength < 0:
        raise ShapeError(f"bincount: minlength should be >= 0, got {minlength}")
    places = input.long()
    counts = wrap(backends.of(a).bincount(places.array, length=int(minlength)))
    if weights is None:
        return counts
    if weights.array.shape != a.shape:
        raise ShapeError(
            f"bincount: weights should be 1-d and have the same length as input, got shapes {tuple(weights.shape)} and "
            f"{tuple(input.shape)}"
        )
    weights = weights.detach() if weights.is_floating_point() else weights.double()
    return weights.new_zeros(counts.array.shape).scatter_add(0, places, weights)


def _numpy_histc(x, bins=100, min=0, max=0):
    low, high = (x.min(), x.max()) if min == max else (min, max)
    low, high = (low - 1, high + 1) if low == high else (low, high)
    return np.histogram(x, bins, (low, high))[0].astype(float)


@function("histc",
          samples=lambda r: [S(normal(r, 30), 4), S(np.array([1.0, 2.0, 1.0, 9.0]), bins=4, min=0, max=3),
                             S(np.ones(2), 4), S(normal(r, 3, 3), 5, -1.0, 1.0)],
          errors=lambda r: [E(RuntimeError, "bins must be > 0", normal(r, 3), 0),
                            E(RuntimeError, "max must be larger than min", normal(r, 3), 4, 1, 0),
                            E(NotImplementedError, "not implemented for", np.array([1, 2]))],
          reference=_numpy_histc)  # fmt: skip
def histc(input, bins=100, min=0, max=0):
    """How many elements fall into each of ``bins`` equal intervals of [min, max]; those outside are not counted.

    Where ``min`` equals ``max``, the smallest and the largest element are taken.

    >>> import minigrad
    >>> minigrad.histc(minigrad.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    if not input.is_floating_point():
        raise NotImplementedError(f'"histc" not implemented for {input.dtype}; convert with .float()')
    if bins <= 0:
        raise ShapeError(f"histc: bins must be > 0, got {bins}")
    if min > max:
        raise ShapeError(f"histc: max must be larger than min, got min {min} and max {max}")
    x = input.detach().reshape(-1)
    if min == max and input.array.size:
        min, max = x.amin().item(), x.amax().item()
    if min == max:
        min, max = min - 1, max + 1
    x = x[(x >= min) & (x <= max)].double()
    places = ((x - min) / (max - min) * bins).long().clamp(max=bins - 1)
    return bincount(places, minlength=int(bins)).to(input.dtype)


# ------------------------------------------------------------------------------------------------------------------ searching
def _number_beside(t, value):
    """A number as a 0-d tensor beside ``t``; a float beside integers stays a float."""
    if isinstance(value, int) and t.array.dtype.kind in "iu":
        info = np.iinfo(t.array.dtype)
        return t.new_tensor(value, dtype=t.dtype if info.min <= value <= info.max else "int64")
    return t.new_tensor(value, dtype="float64" if isinstance(value, float) and not t.is_floating_point() else None)


def _numpy_searchsorted(sequence, values, *, side="left", right=False, out_int32=False, sorter=None):
    side = "right" if right else side
    sequence = sequence if sorter is None else np.take_along_axis(sequence, sorter, -1)
    if sequence.ndim == 1:
        return np.searchsorted(sequence, values, side)
    rows = zip(sequence.reshape(-1, sequence.shape[-1]), values.reshape(-1, values.shape[-1]))
    return np.stack([np.searchsorted(s, v, side) for s, v in rows]).reshape(values.shape)


@function("searchsorted", spaces="torch",
          samples=lambda r: [S(np.array([1.0, 3.0, 5.0]), np.array([[3.0, 6.0], [0.0, 1.0]])),
                             S(np.array([1, 3, 3, 5]), 3, right=True), S(np.array([1, 3]), np.array(2)),
                             S(np.array([[1, 3, 5], [2, 4, 6]]), np.array([[3, 9], [6, 0]]),
                                                                 side="right", out_int32=True),
                                                             S(np.array([5, 1, 3]), np.array([2, 9]),
                                                                 sorter=np.array([1, 2, 0]))],
          errors=lambda r: [E(RuntimeError, "first N-1 dimensions", np.zeros((2, 3)), np.zeros((3, 1))),
                            E(RuntimeError, "side", np.zeros(3), np.zeros(1), side="up"),
                            E(RuntimeError, "right can't be", np.zeros(3), np.zeros(1), side="left", right=True)],
          reference=_numpy_searchsorted)  # fmt: skip
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where the values would have to be put into a sorted sequence to keep it sorted.

    Args:
        sorted_sequence: (..., N), ascending along the last dimension.
        input: values (..., M) with the same leading dimensions, or of any shape where the sequence is 1-D; or a number.
        out_int32: int32 in place of int64.
        right: behind equal elements in place of before them; the same as ``side="right"``.
        sorter: the places that sort ``sorted_sequence``, where it is not sorted.

    Raises:
        RuntimeError: where the leading dimensions differ.

    >>> import minigrad
    >>> minigrad.searchsorted(minigrad.tensor([1, 3, 5]), minigrad.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("searchsorted(): side and right can't be set to opposites, got side of left while right was True")
    side = "right" if right else side or "left"
    values = input if isinstance(input, Tensor) else _number_beside(sorted_sequence, input)
    sequence = sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter)
    s, v = sequence.array, values.array
    if (s.ndim != 1 and s.shape[:-1] != v.shape[:-1]) or not s.ndim:
        raise ShapeError(
            f"searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, "
            f"but we got boundaries tensor {list(s.shape)} and input value tensor {list(v.shape)}"
        )
    xp = backends.of_all((s, v))
    if s.dtype.itemsize == 2 and s.dtype.kind not in "iu":
        s = xp.astype(s, dtype=np.dtype("float32"))
    if s.ndim == 1 or not v.size:
        found = xp.searchsorted(s.reshape(-1), v, side=side)
    else:
        count = math.prod(s.shape[:-1])
        lines = zip(s.reshape(count, s.shape[-1]), v.reshape(count, v.shape[-1]))
        found = xp.reshape(xp.stack(*[xp.searchsorted(a, b, side=side) for a, b in lines]), shape=v.shape)
    return wrap(xp.asarray(found)).to("int32" if out_int32 else "int64")


@function("bucketize", spaces="torch",
          samples=lambda r: [S(np.array([[3.0, 5.0], [0.0, 9.0]]), np.array([1.0, 3.0, 5.0])),
                             S(np.array([3, 5]), np.array([1, 3, 5]), right=True, out_int32=True), S(4.0, np.array([1.0, 5.0]))],
          errors=lambda r: [E(RuntimeError, "must be 1 dimension", np.zeros(2), np.zeros((2, 2)))],
          reference=lambda x, boundaries, out_int32=False, right=False: np.searchsorted(boundaries, x,
              "right" if right else "left"))  # fmt: skip
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The number of the interval between sorted ``boundaries`` that each value falls in: how many lie below it.

    >>> import minigrad
    >>> minigrad.bucketize(minigrad.tensor([0.5, 4.0]), minigrad.tensor([1.0, 3.0, 5.0]))
    tensor([0, 2])
    """
    if boundaries.array.ndim != 1:
        raise ShapeError(f"bucketize: boundaries tensor must be 1 dimension, but got dim({boundaries.array.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@function("isin", spaces="torch",
          samples=lambda r: [S(np.array([[1, 2], [3, 4]]), np.array([4, 2])),
                             S(np.array([1, 2]), 2, invert=True), S(1, np.array([1, 2])),
                             S(np.array([1.0, np.nan]), np.array([np.nan])),
                             S(np.array([1, 2]), np.zeros(0, "int64"))],
          errors=lambda r: [E(TypeError, "must be a Tensor", 1, 2)],
          reference=lambda a, b, assume_unique=False, invert=False: np.isin(a, b, invert=invert))  # fmt: skip
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is one of ``test_elements``; one of the two may be a number.

    >>> import minigrad
    >>> minigrad.isin(minigrad.tensor([1, 2, 3]), minigrad.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    some = next((t for t in (elements, test_elements) if isinstance(t, Tensor)), None)
    if some is None:
        raise TypeError(f"isin: one of the arguments must be a Tensor, got {describe(elements)} and {describe(test_elements)}")
    elements, tests = (t if isinstance(t, Tensor) else _number_beside(some, t) for t in (elements, test_elements))
    tests = tests.detach().reshape(-1)
    n = tests.array.size
    if not n:
        found = elements.new_zeros(elements.array.shape, dtype="bool")
    else:
        ordered = tests.sort().values
        places = searchsorted(ordered, elements.detach()).clamp(max=n - 1)
        found = ordered[places] == elements
    return ~found if invert else found
