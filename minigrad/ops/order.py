"""Values by their rank: medians, quantiles, the most frequent value."""

import numpy as np

from ..errors import ShapeError, describe
from ..op import E, S, function, op
from ..tensor import Tensor
from .elementwise import number_like
from .extremes import at_places, chosen, only, pick
from .reduction import one_dim
from .samples import dim_errors, normal


# ------------------------------------------------------------------------------------------------------------------- medians
def _ranked(xp, x, k, axis):
    """The place of the element of rank ``k`` from below, with the axis kept; NaN is the largest."""
    return xp.getitem(xp.argsort(x, axis=axis), key=(("slice", None, None, None),) * axis + (("slice", k, k + 1, None),))


def _median_place(xp, x, axis):
    """The lower of the two middle elements, or the first NaN."""
    nan = xp.isnan(x)
    middle = _ranked(xp, x, (x.shape[axis] - 1) // 2, axis)
    return xp.where(xp.any(nan, axis=axis, keepdims=True), xp.argmax(nan, axis=axis, keepdims=True), middle)


def _nanmedian_place(xp, x, axis):
    """The lower of the two middle elements among those that are not NaN."""
    present = xp.sum(xp.logical_not(xp.isnan(x)), axis=axis, keepdims=True)
    rank = xp.maximum(xp.floor_divide(present - 1, 2), 0)
    return xp.take_along_axis(xp.argsort(x, axis=axis), rank, axis=axis)


@chosen("median", r"y = x_{(\lfloor (n + 1) / 2 \rfloor)}")
def median_with_index(xp, x, *, axis, keepdims):
    """The lower median along an axis and its place."""
    return at_places(xp, x, _median_place(xp, x, axis), axis, keepdims) if x.ndim else only(xp, x)


@chosen("nanmedian", r"y = x_{(\lfloor (n + 1) / 2 \rfloor)}")
def nanmedian_with_index(xp, x, *, axis, keepdims):
    """The lower median of what is not NaN along an axis, and its place."""
    return at_places(xp, x, _nanmedian_place(xp, x, axis), axis, keepdims) if x.ndim else only(xp, x)


def _share_of_middle(xp, g, y, x):
    """Elements that are the result share its gradient evenly; so do NaNs."""
    mask = xp.astype(xp.where(xp.isnan(y), xp.isnan(x), xp.equal(x, y)), dtype=g.dtype)
    return mask * (g / xp.sum(mask))


@op(
    names="",
    vjp=(_share_of_middle,),
    samples=lambda r: [S(normal(r, 3, 3), skip_nan=False), S(normal(r, 4), skip_nan=True)],
)
def middle_value(xp, x, *, skip_nan):
    """The lower median of all elements; those that equal it share its gradient."""
    flat = xp.reshape(x, shape=(-1,))
    place = (_nanmedian_place if skip_nan else _median_place)(xp, flat, 0)
    return xp.reshape(xp.take_along_axis(flat, place, axis=0), shape=())


def _median(name, choose, input, dim, keepdim):
    if dim is not None:
        return pick(name, choose, input, dim, keepdim)
    if input.array.size == 0:
        return input.sum() + float("nan")
    return middle_value(input, skip_nan=name == "nanmedian")


def _median_samples(r):
    nan = np.array([[3.0, np.nan, 1.0, 2.0], [4.0, 1.0, 3.0, 2.0]])
    return [
        S(normal(r, 3, 4)),
        S(normal(r, 3, 4), 1),
        S(normal(r, 3, 5), dim=-2, keepdim=True),
        S(nan, grad=False),
        S(nan, 1, grad=False),
        S(np.array([2.0, 2.0, 2.0, 1.0]), grad=False),
        S(np.array([4, 1, 3])),
        S(np.array([[4, 1, 3]]), 1),
        S(normal(r)),
        S(normal(r), 0),
    ]


def _median_errors(r):
    return [
        *dim_errors(r),
        E(IndexError, "non-zero size", normal(r, 0, 3), dim=0),
        E(TypeError, "must be int", normal(r, 2, 3), dim=(0, 1)),
    ]


def _rank_reference(rank):
    """``rank(line)``: which element of a sorted line; NaN sorts last."""

    def reference(x, dim=None, keepdim=False):
        if dim is None:
            line = np.sort(x.reshape(-1))
            return line[rank(line)]
        if not x.ndim:
            return x, np.int64(0)
        pick = np.apply_along_axis(lambda line: np.argsort(line, kind="stable")[rank(np.sort(line))], dim, x)
        pick = np.expand_dims(pick, dim)
        values = np.take_along_axis(x, pick, dim)
        return (values, pick) if keepdim else (values.squeeze(dim), pick.squeeze(dim))

    return reference


@function(
    "median",
    samples=_median_samples,
    errors=_median_errors,
    formula=r"y = x_{(\lfloor (n + 1) / 2 \rfloor)}",
    derivative=r"\bar x_k = \bar y \text{ at the place } k",
    reference=_rank_reference(lambda line: -1 if line[-1] != line[-1] else (len(line) - 1) // 2),
)
def median(input, dim=None, keepdim=False, *, axis=None, keepdims=None):
    """The middle element, the lower of two: of the whole tensor, or along ``dim`` as ``(values, indices)``.

    NaN if there is a NaN.

    >>> import minigrad
    >>> minigrad.median(minigrad.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    return _median("median", median_with_index, input, dim if axis is None else axis, keepdim if keepdims is None else keepdims)


@function(
    "nanmedian",
    samples=_median_samples,
    errors=_median_errors,
    formula=r"y = x_{(\lfloor (n + 1) / 2 \rfloor)}",
    derivative=r"\bar x_k = \bar y \text{ at the place } k",
    reference=_rank_reference(lambda line: max(int((line == line).sum()) - 1, 0) // 2),
)
def nanmedian(input, dim=None, keepdim=False, *, axis=None, keepdims=None):
    """The middle element, the lower of two, of those that are not NaN.

    Of the whole tensor, or along ``dim`` as ``(values, indices)``.

    >>> import minigrad
    >>> minigrad.nanmedian(minigrad.tensor([4.0, float("nan"), 3.0]))
    tensor(3.)
    """
    return _median(
        "nanmedian", nanmedian_with_index, input, dim if axis is None else axis, keepdim if keepdims is None else keepdims
    )


@chosen("kthvalue", r"y = x_{(k)}")
def kthvalue_with_index(xp, x, *, axis, keepdims, k):
    """The k-th smallest element along an axis and its place."""
    return at_places(xp, x, _ranked(xp, x, k - 1, axis), axis, keepdims) if x.ndim else only(xp, x)


@function(
    "kthvalue",
    samples=lambda r: [
        S(normal(r, 5), 2),
        S(normal(r, 3, 4), 3, 0),
        S(normal(r, 3, 4), k=1, dim=-1, keepdim=True),
        S(normal(r), 1),
        S(np.array([2.0, np.nan, 1.0]), 3, grad=False),
        S(np.array([3, 1, 2]), 2),
    ],
    errors=lambda r: [
        E(RuntimeError, "out of range for dimension 0", normal(r, 3), 4),
        E(RuntimeError, "out of range", normal(r, 3), 0),
        E(IndexError, "non-zero size", normal(r, 0), 1),
        E(IndexError, "Dimension out of range", normal(r, 3), 1, 1),
    ],
    formula=r"y = x_{(k)}",
    derivative=r"\bar x_k = \bar y \text{ at the place } k",
    reference=lambda x, k, dim=-1, keepdim=False: _rank_reference(lambda line: k - 1)(x, dim, keepdim),
)
def kthvalue(input, k, dim=-1, keepdim=False):
    """The ``k``-th smallest element along ``dim``, counted from 1, and its index: ``(values, indices)``. NaN is the largest.

    Raises:
        RuntimeError: for a ``k`` below 1 or above the size.

    >>> import minigrad
    >>> minigrad.kthvalue(minigrad.tensor([4.0, 1.0, 3.0]), 2).values
    tensor(3.)
    """
    size = input.array.shape[one_dim("kthvalue", dim, input.array.ndim)] if input.array.ndim else 1
    if size and not 1 <= k <= size:
        raise ShapeError(
            f"kthvalue(): selected number k out of range for dimension {dim % max(input.array.ndim, 1)}: k={k}, size {size}"
        )
    return pick("kthvalue", kthvalue_with_index, input, dim, keepdim, k=int(k))


@chosen("mode", r"y = \arg\max_v \#\{i: x_i = v\}")
def mode_with_index(xp, x, *, axis, keepdims):
    """The most frequent element along an axis, the smallest of several, and the last place where it is."""
    if not x.ndim:
        return only(xp, x)
    n = x.shape[axis]
    before, after = ((("slice", None, None, None),) * axis + (("slice", *ends, None),) for ends in ((None, -1), (1, None)))
    order = xp.argsort(x, axis=axis)
    line = xp.take_along_axis(x, order, axis=axis)
    places = xp.broadcast_to(
        xp.reshape(xp.arange(x, n=n), shape=tuple(n if i == axis else 1 for i in range(x.ndim))), shape=tuple(x.shape)
    )
    starts = xp.not_equal(xp.getitem(line, key=before), xp.getitem(line, key=after))
    first = xp.cummax(xp.where(starts, xp.getitem(places, key=after), 0), axis=axis)  # where the run of each element begins
    first = xp.concat(
        xp.zeros_like(xp.getitem(places, key=(("slice", None, None, None),) * axis + (("slice", None, 1, None),))),
        first,
        axis=axis,
    )
    best = xp.argmax(places - first, axis=axis, keepdims=True)  # the end of the longest run
    return at_places(xp, x, xp.take_along_axis(order, best, axis=axis), axis, keepdims)


def _mode_reference(x, dim=-1, keepdim=False):
    if not x.ndim:
        return x, np.int64(0)

    def last_most_frequent(line):
        values, counts = np.unique(line, return_counts=True, equal_nan=False)
        return np.flatnonzero(line == values[np.argmax(counts)])[-1]

    pick = np.expand_dims(np.apply_along_axis(last_most_frequent, dim, x), dim)
    values = np.take_along_axis(x, pick, dim)
    return (values, pick) if keepdim else (values.squeeze(dim), pick.squeeze(dim))


@function(
    "mode",
    samples=lambda r: [
        S(r.integers(0, 3, (4, 6))),
        S(r.integers(0, 3, (6, 4)).astype(float), 0, grad=False),
        S(normal(r, 2, 4), dim=-1, keepdim=True),
        S(normal(r)),
        S(np.array([2.0, 1.0, 1.0, 2.0, np.nan, np.nan, np.nan]), grad=False),
        S(np.array([3.0, 1.0, 3.0]), grad=False),
    ],
    errors=lambda r: [E(IndexError, "Dimension out of range", normal(r, 3), 1), E(IndexError, "non-zero size", normal(r, 0))],
    formula=r"y = \arg\max_v \#\{i: x_i = v\}",
    derivative=r"\bar x_k = \bar y \text{ at the place } k",
    reference=_mode_reference,
)
def mode(input, dim=-1, keepdim=False):
    """The most frequent element along ``dim``, the smallest of several, and the index of the last: ``(values, indices)``.

    >>> import minigrad
    >>> minigrad.mode(minigrad.tensor([2, 1, 1, 3])).values
    tensor(1)
    """
    return pick("mode", mode_with_index, input, dim, keepdim)


# ----------------------------------------------------------------------------------------------------------------- quantiles
METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile_samples(r):
    x = normal(r, 3, 5)
    nan = np.array([[3.0, np.nan, 1.0, 2.0], [4.0, 1.0, 3.0, 2.0]])
    return [
        S(x, 0.3),
        S(x, np.array([0.0, 0.35, 1.0]), dim=1, grad=False),
        S(x, np.array([0.15, 0.35, 0.9]), dim=1),
        S(x, 0.6, dim=0, keepdim=True),
        S(x, np.array([0.2, 0.7]), keepdim=True),
        S(nan, 0.4, dim=1, grad=False),
        *[S(x, np.array([0.3, 0.8]), dim=1, interpolation=m, grad=m != "nearest") for m in METHODS[1:]],
    ]


def _quantile_errors(r):
    return [
        E(RuntimeError, r"in the range \[0, 1\]", normal(r, 3), 1.5),
        E(RuntimeError, "must be non-empty", normal(r, 0), 0.5),
        E(RuntimeError, "either a float or double", np.array([1, 2]), 0.5),
        E(RuntimeError, "interpolation", normal(r, 3), 0.5, interpolation="cubic"),
        E(RuntimeError, "scalar or 1D", normal(r, 3), np.array([[0.5]])),
    ]


def _quantile_reference(quantile):
    def reference(x, q, dim=None, keepdim=False, interpolation="linear"):
        return quantile(x, q, axis=dim, keepdims=keepdim, method=interpolation)

    return reference


def _checked_q(name, input, q, interpolation):
    if interpolation not in METHODS:
        raise RuntimeError(f"{name}() interpolation must be one of {', '.join(METHODS)}, but got {interpolation!r}")
    if input.array.size == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.array.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either a float or double dtype, got {describe(input)}")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return number_like(input, float(q))
    if q.array.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {describe(q)}")
    if q.array.dtype != input.array.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor, got {describe(q)} for {describe(input)}")
    return q


def _quantile(name, input, q, dim, keepdim, interpolation, skip_nan):
    q = _checked_q(name, input, q, interpolation)
    ndim = input.array.ndim
    if dim is None or not ndim:
        line = input.reshape(-1)
    else:
        dim = one_dim(name, dim, ndim)
        line = input.movedim(dim, -1)
    ordered = line.sort(dim=-1).values  # (..., n), NaN last
    nan = ordered.isnan()
    last = (nan.logical_not() if skip_nan else nan | True).sum(-1, keepdim=True) - 1
    rank = q.reshape(-1) * last.clamp(min=0).to(input.dtype)  # (..., k)
    if not skip_nan:  # where there is a NaN, it is the last
        rank = rank.where(nan.any(-1, keepdim=True).logical_not(), last.to(input.dtype))
    if interpolation in ("lower", "higher", "nearest"):
        rank = {"lower": rank.floor, "higher": rank.ceil, "nearest": rank.round}[interpolation]()
    low, high = rank.detach().floor(), rank.detach().ceil()
    weight = (high - low) * 0.5 if interpolation == "midpoint" else rank - low
    y = ordered.gather(-1, low.long()).lerp(ordered.gather(-1, high.long()), weight)
    y = y.movedim(-1, 0)  # (k, ...)
    if keepdim and ndim:
        y = y.reshape(-1, *(1,) * ndim) if dim is None else y.unsqueeze(dim + 1)
    return y if q.array.ndim else y.squeeze(0)


@function(
    "quantile",
    samples=_quantile_samples,
    errors=_quantile_errors,
    formula=r"y = x_{(i)} + (q (n - 1) - i)\,(x_{(i + 1)} - x_{(i)})",
    derivative=r"\bar x_{(i)} = \bar y\,(1 - w), \quad \bar x_{(i+1)} = \bar y\,w",
    reference=_quantile_reference(np.quantile),
    half=False,
)
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The value below which a share ``q`` of the elements lies, along ``dim`` or of everything. NaN if there is a NaN.

    Args:
        input: float32 or float64 tensor.
        q: a number in [0, 1], or a 1-D tensor of k of them: then the result has a first dimension of size k.
        dim: the dimension to reduce, or None.
        keepdim: keep the reduced dimensions with size 1.
        interpolation: between two elements ``"linear"``, or ``"lower"``, ``"higher"``, ``"midpoint"``, ``"nearest"``.

    Raises:
        RuntimeError: for ``q`` outside [0, 1] or of another dtype, or an input without elements.

    >>> import minigrad
    >>> minigrad.quantile(minigrad.tensor([1.0, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


@function(
    "nanquantile",
    samples=_quantile_samples,
    errors=_quantile_errors,
    formula=r"y = x_{(i)} + (q (n - 1) - i)\,(x_{(i + 1)} - x_{(i)})",
    derivative=r"\bar x_{(i)} = \bar y\,(1 - w), \quad \bar x_{(i+1)} = \bar y\,w",
    reference=_quantile_reference(np.nanquantile),
    half=False,
)
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """:func:`minigrad.quantile` of the elements that are not NaN.

    >>> import minigrad
    >>> minigrad.nanquantile(minigrad.tensor([1.0, float("nan"), 3.0]), 0.5)
    tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)
