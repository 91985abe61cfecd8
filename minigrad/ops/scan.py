"""Running results along one dimension: sums, products, extremes; and differences of neighbours."""

import numpy as np

from ..dispatch import apply
from ..op import E, S, function, op, registry
from .extremes import to_places
from .reduction import BACKWARDS, one_dim
from .samples import dim_errors, normal

FULL = ("slice", None, None, None)


def along(axis, ndim, piece):
    """The static key that takes ``piece`` of one axis."""
    return (FULL,) * (axis % ndim) + (piece,)


def part(xp, x, axis, start, stop):
    return xp.getitem(x, key=along(axis, x.ndim, ("slice", start, stop, None)))


def reverse_recurrence(xp, a, b, axis):
    """``s[k] = b[k] + a[k] * s[k + 1]`` from the last element to the first; ``a`` is one shorter than ``b``.

    In log2(n) steps, each joining runs of twice the length: Blelloch, "Prefix sums and their applications", 1990, section 1.4.
    """
    n, step = b.shape[axis], 1
    while step < n:
        head = part(xp, b, axis, None, -step) + a * part(xp, b, axis, step, None)
        b = xp.concat(head, part(xp, b, axis, -step, None), axis=axis)
        a = part(xp, a, axis, None, -step) * part(xp, a, axis, step, None)  # products of twice as many neighbours
        step *= 2
    return b


def _scan_samples(r):
    return [
        S(normal(r, 5), 0),
        S(normal(r, 3, 5), 1),
        S(normal(r, 3, 4, 2), dim=-2),
        S(normal(r), 0),
        S(normal(r, 0, 3), 0),
        S(normal(r, 1), 0),
    ]


def _sums(r):
    return [
        *_scan_samples(r),
        S(np.array([[1, 2], [3, 4]]), 0),
        S(np.array([True, True]), 0),
        S(normal(r, 3), 0, dtype=np.dtype("float64")),
    ]


def _cumulative(reference):
    return lambda x, dim, dtype=None: reference(x, axis=dim, dtype=dtype) if x.ndim else x


def _scan(name, input, dim, dtype):
    if dtype is not None:  # of integers and bools the text gives int64
        return _scan(name, input.to(dtype), dim, None).to(dtype)
    return apply(registry[name], (input,), {"axis": one_dim(name, dim, input.array.ndim)})


# -------------------------------------------------------------------------------------------------------- sums and products
def _reverse_sum(xp, g, axis):
    if not g.ndim:
        return g
    backwards = along(axis, g.ndim, BACKWARDS)
    return xp.getitem(xp.cumsum(xp.getitem(g, key=backwards), axis=axis), key=backwards)


@op(
    names="",
    vjp=(_reverse_sum,),
    formula=r"y_i = \sum_{j \le i} x_j",
    derivative=r"\bar x_j = \sum_{i \ge j} \bar y_i",
    onnx="CumSum",
    samples=lambda r: [S(normal(r, 3, 4), axis=1)],
)
def cumsum(xp, x, *, axis):
    """The sum of all elements so far."""
    return xp.cumsum(x, axis=axis)


@function(
    "cumsum",
    samples=_sums,
    errors=lambda r: dim_errors(r),
    inplace=True,
    formula=r"y_i = \sum_{j \le i} x_j",
    derivative=r"\bar x_j = \sum_{i \ge j} \bar y_i",
    reference=_cumulative(np.cumsum),
)
def _cumsum(input, dim, *, dtype=None):
    """The sum of all elements so far along ``dim``; integers and bools give int64.

    Args:
        input: tensor of any dtype and shape.
        dim: the dimension to add along.
        dtype: cast the input to this dtype first.

    >>> import minigrad
    >>> minigrad.cumsum(minigrad.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    return _scan("cumsum", input, dim, dtype)


def _edge(xp, x, axis, value=0):
    """One element of this value, as long as x in all other axes."""
    return xp.full(x, shape=tuple(1 if i == axis % x.ndim else n for i, n in enumerate(x.shape)), value=value, dtype=x.dtype)


def _cumprod_dx_dg(xp, g, x, axis):
    """``t[k] = before[k] g[k] + x[k] t[k - 1]``: the derivative of the products in the direction g."""
    if x.shape[axis] < 2:
        return g
    backwards = along(axis, x.ndim, BACKWARDS)
    b = xp.getitem(_before(xp, x, axis) * g, key=backwards)
    a = xp.getitem(part(xp, x, axis, 1, None), key=backwards)
    return xp.getitem(reverse_recurrence(xp, a, b, axis), key=backwards)


def _cumprod_dx_dx(xp, g, g0, x, axis):
    """Through the products before each element, and through the recurrence behind it."""
    if x.shape[axis] < 2:
        return xp.zeros_like(g)
    after = reverse_recurrence(xp, part(xp, x, axis, 1, None), g0, axis)
    zero = _edge(xp, x, axis)
    of_before = xp.cumprod_dx(xp.concat(part(xp, g * after, axis, 1, None), zero, axis=axis), x, axis=axis)
    reached = part(xp, _cumprod_dx_dg(xp, g, x, axis), axis, None, -1) * part(xp, after, axis, 1, None)
    return of_before + xp.concat(zero, reached, axis=axis)


def _before(xp, x, axis):
    """The product of all elements before each."""
    rest = xp.cumprod(part(xp, x, axis, None, -1), axis=axis)
    return xp.concat(_edge(xp, x, axis, 1), rest, axis=axis)


@op(
    names="",
    vjp=(_cumprod_dx_dg, _cumprod_dx_dx),
    formula=r"z_k = \sum_{i \ge k} v_i \prod_{j \le i, j \ne k} x_j",
    derivative=r"\bar v_i = \sum_{k \le i} \bar z_k \prod_{j \le i, j \ne k} x_j",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 3, 4), axis=1),
        S(normal(r, 4, 2), normal(r, 4, 2), axis=0),
        S(normal(r, 3, 1), normal(r, 3, 1), axis=1),
    ],
)
def cumprod_dx(xp, g0, x, *, axis):
    """The gradient of cumprod's input from that of its output, by a recurrence. Nothing is divided: zeros are no special case."""
    if x.shape[axis] < 2:
        return xp.copy(g0)
    return _before(xp, x, axis) * reverse_recurrence(xp, part(xp, x, axis, 1, None), g0, axis)


def _cumprod_rule(xp, g, x, axis):
    return xp.cumprod_dx(g, x, axis=axis) if x.ndim else g


@op(
    names="",
    vjp=(_cumprod_rule,),
    formula=r"y_i = \prod_{j \le i} x_j",
    derivative=r"\bar x_k = \sum_{i \ge k} \bar y_i \prod_{j \le i, j \ne k} x_j",
    samples=lambda r: [S(normal(r, 3, 4), axis=1)],
)
def cumprod(xp, x, *, axis):
    """The product of all elements so far."""
    return xp.cumprod(x, axis=axis)


def _products(r):
    x = normal(r, 3, 5)
    x[0, 1] = x[1, 0] = x[1, 3] = 0.0
    return [*_sums(r), S(x, 1), S(normal(r, 7), 0)]


@function(
    "cumprod",
    samples=_products,
    errors=dim_errors,
    inplace=True,
    formula=r"y_i = \prod_{j \le i} x_j",
    derivative=r"\bar x_k = \sum_{i \ge k} \bar y_i \prod_{j \le i, j \ne k} x_j",
    reference=_cumulative(np.cumprod),
)
def _cumprod(input, dim, *, dtype=None):
    """The product of all elements so far along ``dim``; integers and bools give int64.

    Args:
        input: tensor of any dtype and shape.
        dim: the dimension to multiply along.
        dtype: cast the input to this dtype first.

    >>> import minigrad
    >>> minigrad.cumprod(minigrad.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    return _scan("cumprod", input, dim, dtype)


def _below(xp, x, y):
    """``exp(x - y)`` for x <= y, and 1 where the two are equal, both -inf too."""
    return xp.exp(xp.where(xp.equal(x, y), 0.0, x - y))


def _logcumsumexp_rule(xp, g, y, x, axis):
    if not x.ndim or x.shape[axis] < 2:
        return g
    decay = _below(xp, part(xp, y, axis, None, -1), part(xp, y, axis, 1, None))  # never above 1: the sums grow
    return _below(xp, x, y) * reverse_recurrence(xp, decay, g, axis)


@op(
    names="",
    promote="float",
    vjp=(_logcumsumexp_rule,),
    formula=r"y_i = \ln \sum_{j \le i} e^{x_j}",
    derivative=r"\bar x_j = \sum_{i \ge j} \bar y_i\,e^{x_j - y_i}",
    samples=lambda r: [S(normal(r, 3, 4), axis=1)],
)
def logcumsumexp(xp, x, *, axis):
    """``log(cumsum(exp(x)))`` without overflow."""
    return xp.logcumsumexp(x, axis=axis)


@function(
    "logcumsumexp",
    samples=lambda r: [
        *_scan_samples(r),
        S(normal(r, 5) * 300, 0),
        S(np.array([-np.inf, 1.0]), 0, grad=False, parity="values only: PyTorch gives NaN"),
    ],
    errors=dim_errors,
    formula=r"y_i = \ln \sum_{j \le i} e^{x_j}",
    derivative=r"\bar x_j = \sum_{i \ge j} \bar y_i\,e^{x_j - y_i}",
    reference=lambda x, dim: np.logaddexp.accumulate(x, axis=dim) if x.ndim else x,
)
def _logcumsumexp(input, dim):
    """``log(cumsum(exp(input)))`` along ``dim``, without overflow.

    >>> import minigrad
    >>> minigrad.logcumsumexp(minigrad.tensor([1000.0, 1000.0]), dim=0)
    tensor([1000.0000, 1000.6932])
    """
    return _scan("logcumsumexp", input, dim, None)


# ------------------------------------------------------------------------------------------------------------------ extremes
def _to_places(xp, g, y, x_shape, axis):
    return to_places(xp, g[0], y[1], x_shape, axis)


def _running(xp, x, extreme, axis):
    """Values and places: the place moves on at each element that is the extreme so far, and at each NaN."""
    y = extreme(x, axis=axis)
    if not x.ndim:
        return y, xp.full(x, shape=(), value=0, dtype=np.int64)
    places = xp.reshape(
        xp.arange(x, n=x.shape[axis]), shape=tuple(x.shape[axis] if i == axis % x.ndim else 1 for i in range(x.ndim))
    )
    moves = xp.logical_or(xp.equal(x, y), xp.isnan(x))
    return y, xp.cummax(xp.where(moves, places, xp.zeros_like(places)), axis=axis)


def _extremes(r):
    tie = np.array([1.0, 3.0, 3.0, 2.0, np.nan, 5.0, np.nan, 0.0])
    return [*_scan_samples(r), S(tie, 0, grad=False), S(np.array([[3, 1], [2, 4], [3, 1]]), 0)]


@op(
    names="cummax",
    outputs=2,
    returns=("values", "indices"),
    vjp=(_to_places,),
    formula=r"y_i = \max_{j \le i} x_j",
    derivative=r"\bar x_j = \sum_{i: k_i = j} \bar y_i",
    samples=lambda r: [S(normal(r, 3, 4), axis=1)],
)
def cummax_with_index(xp, x, *, axis):
    """The largest element so far and where it is."""
    return _running(xp, x, xp.cummax, axis)


@op(
    names="cummin",
    outputs=2,
    returns=("values", "indices"),
    vjp=(_to_places,),
    formula=r"y_i = \min_{j \le i} x_j",
    derivative=r"\bar x_j = \sum_{i: k_i = j} \bar y_i",
    samples=lambda r: [S(normal(r, 3, 4), axis=1)],
)
def cummin_with_index(xp, x, *, axis):
    """The smallest element so far and where it is."""
    return _running(xp, x, xp.cummin, axis)


def _running_reference(ufunc):
    def reference(x, dim):
        if not x.ndim:
            return x, np.int64(0)
        y, k = ufunc.accumulate(x, axis=dim), np.zeros(x.shape, np.int64)
        for line in np.ndindex(*(n for i, n in enumerate(x.shape) if i != dim % x.ndim)):
            at = (*line[: dim % x.ndim], slice(None), *line[dim % x.ndim :])
            last = 0
            for i, (value, best) in enumerate(zip(x[at], y[at])):
                last = i if value == best or value != value else last
                k[at][i] = last
        return y, k

    return reference


@function(
    "cummax",
    samples=_extremes,
    errors=dim_errors,
    formula=r"y_i = \max_{j \le i} x_j",
    derivative=r"\bar x_j = \sum_{i: k_i = j} \bar y_i",
    reference=_running_reference(np.maximum),
)
def cummax(input, dim):
    """The largest element so far along ``dim``, and the index of the last place where it is. NaN is the largest.

    Returns:
        A named tuple ``(values, indices)``.

    >>> import minigrad
    >>> minigrad.cummax(minigrad.tensor([1.0, 3.0, 2.0]), dim=0).values
    tensor([1., 3., 3.])
    """
    return cummax_with_index(input, dim=one_dim("cummax", dim, input.array.ndim))


@function(
    "cummin",
    samples=_extremes,
    errors=dim_errors,
    formula=r"y_i = \min_{j \le i} x_j",
    derivative=r"\bar x_j = \sum_{i: k_i = j} \bar y_i",
    reference=_running_reference(np.minimum),
)
def cummin(input, dim):
    """The smallest element so far along ``dim``, and the index of the last place where it is. NaN is the smallest.

    Returns:
        A named tuple ``(values, indices)``.

    >>> import minigrad
    >>> minigrad.cummin(minigrad.tensor([2.0, 3.0, 1.0]), dim=0).values
    tensor([2., 2., 1.])
    """
    return cummin_with_index(input, dim=one_dim("cummin", dim, input.array.ndim))


# --------------------------------------------------------------------------------------------------------------- differences
@function(
    "diff",
    samples=lambda r: [
        S(normal(r, 5)),
        S(normal(r, 3, 5), dim=0),
        S(normal(r, 3, 5), n=2),
        S(normal(r, 3, 5), n=0),
        S(normal(r, 2, 2), n=4),
        S(normal(r, 3, 2), 1, 0, prepend=normal(r, 1, 2), append=normal(r, 2, 2)),
        S(np.array([True, False, False])),
        S(np.array([1, 4, 9])),
    ],
    errors=lambda r: [
        E(RuntimeError, "at least one-dimensional", normal(r)),
        E(RuntimeError, "order must be", normal(r, 3), n=-1),
        E(IndexError, "out of range", normal(r, 3), dim=1),
    ],
    formula=r"y_i = x_{i+1} - x_i",
    derivative=r"\bar x_i = \bar y_{i-1} - \bar y_i",
    reference=lambda x, n=1, dim=-1, **edges: np.diff(
        x, min(n, x.shape[dim] + sum(e.shape[dim] for e in edges.values())), axis=dim, **edges
    ),
)
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along ``dim``, ``n`` times over; of bools, whether they differ.

    Args:
        input: tensor with at least one dimension.
        n: how many times.
        dim: the dimension along which neighbours lie.
        prepend, append: tensors to join to ``input`` on either side first.

    >>> import minigrad
    >>> minigrad.diff(minigrad.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if input.array.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional, got a 0-d tensor")
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}")
    dim = one_dim("diff", dim, input.array.ndim)
    if n == 0:
        return input.clone()
    pieces = [t for t in (prepend, input, append) if t is not None]
    x = apply(registry["concat"], tuple(pieces), {"axis": dim}) if len(pieces) > 1 else input
    for _ in range(n):
        if x.array.shape[dim] == 0:
            break
        right, left = x[along_slice(dim, 1, None)], x[along_slice(dim, None, -1)]
        x = right.logical_xor(left) if x.array.dtype == bool else right - left
    return x


def along_slice(dim, start, stop):
    return (slice(None),) * dim + (slice(start, stop),)
