"""Order along a dimension: sort, argsort, topk."""

from collections import namedtuple

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from .gather import take_along_axis
from .samples import normal
from .shape import positive_dim


@op(
    names="",
    samples=lambda r: [
        S(normal(r, 3, 4), axis=1),
        S(normal(r, 3, 4), axis=0, descending=True),
        S(np.array([2.0, 1.0, 2.0, np.nan]), axis=0, descending=True),
        S(normal(r), axis=0),
    ],
)
def argsort(xp, x, *, axis=-1, descending=False):
    """The places of the elements in order, equal ones in the order in which they stand; NaN counts as the largest."""
    return xp.argsort(x, axis=axis, descending=descending)


@op(
    names="",
    samples=lambda r: [
        S(normal(r, 3, 4), k=2, axis=1, largest=True),
        S(normal(r, 200), k=3, axis=0, largest=False),
        S(normal(r, 2, 100), k=5, axis=1, largest=True),
    ],
)
def top_places(xp, x, *, k, axis, largest):
    """The places of the ``k`` largest (or smallest) elements along an axis, in order; NaN counts as the largest."""
    return xp.top_places(x, k=k, axis=axis, largest=largest)


_Sorted, _Top = namedtuple("sort", ("values", "indices")), namedtuple("topk", ("values", "indices"))


def _numpy_order(x, dim=-1, descending=False, stable=False):
    if not x.ndim:
        return np.zeros((), "int64")
    if not descending:
        return np.argsort(x, dim, kind="stable")
    ranks = np.unique(x, return_inverse=True, equal_nan=True)[1].reshape(x.shape)
    return np.argsort(-ranks, dim, kind="stable")


def _samples(r):
    return [
        S(normal(r, 3, 4)),
        S(normal(r, 3, 4), 0),
        S(normal(r, 3, 4), dim=1, descending=True),
        S(np.array([3.0, 1.0, 3.0, 2.0, 1.0]), descending=True, grad=False),
        S(np.array([3.0, np.nan, 1.0, np.nan]), grad=False),
        S(np.array([3.0, np.nan, 1.0, np.nan]), descending=True, grad=False),
        S(np.array([[3, 1], [1, 2]]), 0),
        S(np.array([True, False, True]), 0, True),
        S(normal(r)),
        S(normal(r, 2, 0)),
        S(normal(r, 4), stable=True),
    ]


def _dim_error(r):
    return [E(IndexError, "out of range", normal(r, 3), 1)]


@function("argsort", samples=_samples, errors=_dim_error, reference=_numpy_order)
def _argsort(input, dim=-1, descending=False, stable=False):
    """The places that put the elements along ``dim`` in order; always stable, NaN as the largest value.

    >>> import minigrad
    >>> minigrad.argsort(minigrad.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    d = positive_dim("argsort", dim, input.array.ndim)
    return apply(registry["argsort"], (input,), {"axis": d, "descending": bool(descending)})


def _numpy_sort(x, *a, **k):
    order = _numpy_order(x, *a, **k)
    dim = a[0] if a else k.get("dim", -1)
    return (np.take_along_axis(x, order, dim) if x.ndim else x), order


@function("sort", samples=_samples, errors=_dim_error, formula=r"y_i = x_{\pi(i)}, \quad y_0 \le y_1 \le \dots",
          derivative=r"\bar x_{\pi(i)} = \bar y_i",
          reference=_numpy_sort)  # fmt: skip
def sort(input, dim=-1, descending=False, stable=False):
    """The elements along ``dim`` in order, and where they were: a named tuple ``(values, indices)``.

    Always stable: equal elements keep their order. NaN counts as the largest value.

    Args:
        input: tensor of any dtype.
        dim: the dimension.
        descending: the largest first.
        stable: accepted; the order is stable either way.

    Raises:
        IndexError: for a dimension that the tensor does not have.

    >>> import minigrad
    >>> values, indices = minigrad.sort(minigrad.tensor([3, 1, 2]), descending=True)
    >>> values, indices
    (tensor([3, 2, 1]), tensor([0, 2, 1]))
    """
    order = _argsort(input, dim, descending)
    if not input.array.ndim:
        return _Sorted(input.clone(), order)
    return _Sorted(take_along_axis(input, order, axis=positive_dim("sort", dim, input.array.ndim)), order)


@function(
    "msort",
    samples=lambda r: [S(normal(r, 3, 4))],
    reference=lambda x: np.sort(x, 0),
    formula=r"y_i = x_{\pi(i)}",
    derivative=r"\bar x_{\pi(i)} = \bar y_i",
)
def msort(input):
    """The elements along the first dimension in order.

    >>> import minigrad
    >>> minigrad.msort(minigrad.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return sort(input, 0).values


def _numpy_topk(x, k, dim=-1, largest=True, sorted=True):
    values, places = _numpy_sort(x, dim, largest)
    if not x.ndim:
        return values, places
    keep = np.arange(k)
    return np.take(values, keep, dim), np.take(places, keep, dim)


@function("topk",
          samples=lambda r: [S(normal(r, 3, 4), 2), S(normal(r, 4, 3), 2, 0, largest=False),
                             S(normal(r, 5), 5, dim=-1, largest=True, sorted=False, parity="in no order"),
                             S(normal(r, 90), 3),
                             S(normal(r, 90), 3, largest=False), S(normal(r), 1),
                             S(np.array([3.0, np.nan, 1.0]), 2, grad=False), S(np.array([4, 9, 1]), 2),
                             S(normal(r, 2, 3), 0)],
          errors=lambda r: [E(RuntimeError, "selected index k out of range", normal(r, 3), 4),
                            E(RuntimeError, "selected index k out of range", normal(r, 3), -1),
                            E(IndexError, "out of range", normal(r, 3), 1, 1)],
          formula=r"y_i = x_{\pi(i)}, \quad i < k", derivative=r"\bar x_{\pi(i)} = \bar y_i", reference=_numpy_topk)  # fmt: skip
def topk(input, k, dim=-1, largest=True, sorted=True):
    """The ``k`` largest elements along ``dim`` and where they are: a named tuple ``(values, indices)``.

    Args:
        input: tensor of any dtype.
        k: how many.
        dim: the dimension.
        largest: False for the smallest.
        sorted: accepted; the result is in order either way.

    Raises:
        RuntimeError: where there are fewer than ``k``.

    >>> import minigrad
    >>> minigrad.topk(minigrad.tensor([4, 9, 1]), 2).values
    tensor([9, 4])
    """
    d = positive_dim("topk", dim, input.array.ndim)
    n = input.array.shape[d] if input.array.ndim else 1
    if not 0 <= k <= n:
        raise ShapeError(f"topk: selected index k out of range: k = {k} of {n} elements along dimension {d}")
    if not input.array.ndim:
        return _Top(input.clone(), input.new_zeros((), dtype="int64"))
    places = apply(registry["top_places"], (input,), {"k": int(k), "axis": d, "largest": bool(largest)})
    return _Top(take_along_axis(input, places, axis=d), places)
