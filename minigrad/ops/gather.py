"""Elements read and written along one dimension: gather, scatter and their kin; and what masks choose."""

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import DtypeError, ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor, wrap
from .indexing import read
from .samples import normal
from .selecting import as_index, checked_index
from .shape import broadcast_shapes, positive_dim

INDEX = np.dtype("int64")


@op(
    names="",
    vjp=(lambda xp, g, indices, x_shape, axis: xp.scatter_along_axis(g, indices, axis=axis, shape=tuple(x_shape)), None),
    formula=r"y_i = x_{k_i}",
    derivative=r"\bar x_{k_i} \mathrel{+}= \bar y_i",
    onnx="GatherElements",
    samples=lambda r: [
        S(normal(r, 3, 4), np.array([[1, 1], [0, 3], [2, 2]]), axis=1),
        S(normal(r, 3, 4), np.array([[1, 1]]), axis=0),
    ],
)
def take_along_axis(xp, x, indices, *, axis):
    """``x`` read at ``indices`` along one axis; the other axes of ``indices`` may be shorter than those of ``x``."""
    return xp.take_along_axis(x, indices, axis=axis)


@op(
    names="",
    vjp=(lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis), None),
    formula=r"y_{k_i} \mathrel{+}= v_i",
    derivative=r"\bar v_i = \bar y_{k_i}",
    samples=lambda r: [
        S(normal(r, 3, 2), np.array([[1, 1], [0, 3], [2, 2]]), axis=1, shape=(3, 4)),
        S(normal(r, 1, 2), np.array([[1, 1]]), axis=0, shape=(3, 4)),
    ],
)
def scatter_along_axis(xp, v, indices, *, axis, shape):
    """zeros(shape) with ``v`` added where take_along_axis would read. Its adjoint."""
    return xp.scatter_along_axis(v, indices, axis=axis, shape=shape)


@op(
    names="",
    vjp=(
        lambda xp, g, indices, v_shape, axis: xp.put_along_axis(g, indices, xp.full(g, shape=tuple(v_shape)), axis=axis),
        None,
        lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis),
    ),
    formula=r"y = x, \quad y_{k_i} = v_i",
    derivative=r"\bar v_i = \bar y_{k_i}, \quad \bar x = \bar y \text{ but } \bar x_{k_i} = 0",
    samples=lambda r: [S(normal(r, 3, 4), np.array([[1, 0], [0, 3], [2, 1]]), normal(r, 3, 2), axis=1)],
)
def put_along_axis(xp, x, indices, v, *, axis):
    """A copy of ``x`` with ``v`` written where take_along_axis would read."""
    return xp.put_along_axis(x, indices, v, axis=axis)


@op(
    names="",
    vjp=(lambda xp, g: g, lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis), None),
    formula=r"y = x, \quad y_{k_i} \mathrel{+}= v_i",
    derivative=r"\bar x = \bar y, \quad \bar v_i = \bar y_{k_i}",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 3, 2), np.array([[1, 1], [0, 3], [2, 2]]), axis=1),
        S(normal(r, 3, 4), normal(r, 1, 2), np.array([[1, 1]]), axis=0),
    ],
)
def add_along_axis(xp, x, v, indices, *, axis):
    """``x`` with ``v`` added where take_along_axis would read."""
    return x + xp.scatter_along_axis(v, indices, axis=axis, shape=tuple(x.shape))


_TIES = (np.array([1.0, 5.0, 2.0]), np.array([0, 0, 2, 2]), np.array([1.0, 0.0, 2.0, 3.0]))


def _numpy_ties(x, indices, v, y, axis):
    return (x == y).astype(float) + np.array([(v[indices == k] == y[k]).sum() for k in range(len(x))])


@op(names="", samples=lambda r: [S(*_TIES, np.array(y), axis=0, grad=False) for y in ([1.0, 5.0, 3.0], [0.0, 5.0, 2.0])],
    reference=_numpy_ties)  # fmt: skip
def ties_along_axis(xp, x, indices, v, y, *, axis):
    """How many of the old and the new values equal the extreme ``y`` of their place."""
    new = xp.astype(xp.equal(v, xp.take_along_axis(y, indices, axis=axis)), dtype=y.dtype)
    return xp.astype(xp.equal(x, y), dtype=y.dtype) + xp.scatter_along_axis(new, indices, axis=axis, shape=tuple(x.shape))


def _extreme_share(xp, g, x, indices, v, y, axis):
    """The gradient of each of the values that equal the result."""
    return g / xp.maximum(xp.ties_along_axis(x, indices, v, y, axis=axis), xp.ones_like(g))


def _extreme_dx(xp, g, x, indices, v, y, axis):
    return xp.where(xp.equal(x, y), _extreme_share(xp, g, x, indices, v, y, axis), 0.0)


def _extreme_dv(xp, g, x, indices, v, y, axis):
    share = xp.take_along_axis(_extreme_share(xp, g, x, indices, v, y, axis), indices, axis=axis)
    return xp.where(xp.equal(v, xp.take_along_axis(y, indices, axis=axis)), share, 0.0)


@op(
    names="",
    vjp=(_extreme_dx, None, _extreme_dv),
    formula=r"y_j = \max(x_j, \max_{k_i = j} v_i)",
    derivative=r"\bar y_j \text{ shared evenly by the values that equal } y_j",
    samples=lambda r: (
        [S(normal(r, 3, 4), np.array([[1, 1], [0, 3], [2, 2]]), normal(r, 3, 2), axis=1, largest=big) for big in (True, False)]
        + [S(*_TIES, axis=0, largest=big, grad=False) for big in (True, False)]
    ),
)
def extreme_along_axis(xp, x, indices, v, *, axis, largest):
    """``x`` with the largest (or smallest) of it and of ``v`` where take_along_axis would read; equal values share the "
    "gradient."""
    return xp.extreme_along_axis(x, indices, v, axis=axis, largest=largest)


# -------------------------------------------------------------------------------------------------------------------- gather
def _prepared(name, input, dim, index, source=None):
    """Checked arguments, with 0-d tensors as 1-D: (input, dim, index, source)."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {describe(index)}")
    d = positive_dim(name, dim, input.array.ndim)
    if max(input.array.ndim, 1) != max(index.array.ndim, 1) and index.array.size:
        raise ShapeError(
            f"{name}(): Index tensor must have the same number of dimensions as input tensor, got {list(index.array.shape)} and "
            f"{list(input.array.shape)}"
        )
    shape = input.array.shape or (1,)
    index = as_index(checked_index(name, index, shape[d], dim=d))
    sizes = index.array.shape or (1,)
    if index.array.size and any(n > m for i, (n, m) in enumerate(zip(sizes, shape)) if i != d):
        raise ShapeError(
            f"{name}(): Size does not match at some dimension: expected index {list(sizes)} to be no larger than self "
            f"{list(shape)} apart from dimension {d}"
        )
    if source is not None:
        if source.array.dtype != input.array.dtype:
            raise DtypeError(
                f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype} and {source.dtype}; write "
                "src.type_as(x)"
            )
        if max(source.array.ndim, 1) != len(shape):
            raise ShapeError(
                f"{name}(): Index tensor must have the same number of dimensions as src tensor, got {list(sizes)} and "
                f"{list(source.array.shape)}"
            )
        if any(n > m for n, m in zip(sizes, source.array.shape or (1,))):
            raise ShapeError(f"{name}(): Expected index {list(sizes)} to be no larger size than src {list(source.array.shape)}")
        source = source.reshape(1) if not source.array.ndim else source
        if source.array.shape != sizes:
            source = read(source, tuple(slice(0, n) for n in sizes))
    if not input.array.ndim or not index.array.ndim:
        input, index = input.reshape(shape), index.reshape(sizes)
    return input, d, index, source


_LARGER = "values only: PyTorch gives a gradient of the shape of the index where src is larger"
_INDEX_ERRORS = [
    ("out of bounds", np.array([[4, 0]])),
    ("out of bounds", np.array([[-1, 0]])),
    ("same number of dimensions", np.array([0])),
    ("no larger than", np.zeros((4, 1), "int64")),
    ("Expected dtype int32/int64", np.array([[0.0]])),
]


def _index_errors(*rest, **named):
    return lambda r: [
        *(
            E(RuntimeError, match, normal(r, 3, 4), 1, index, *rest, by_value=match == "out of bounds", **named)
            for match, index in _INDEX_ERRORS
        ),
        E(IndexError, "out of range", normal(r, 3, 4), 2, np.array([[0]]), *rest, **named),
    ]


def _numpy_gather(x, dim, index, **_):
    x, index = np.atleast_1d(x), index
    grid = list(np.indices(np.atleast_1d(index).shape, sparse=True))
    grid[dim] = np.atleast_1d(index)
    return x[tuple(grid)].reshape(index.shape)


@function("gather",
          samples=lambda r: [S(normal(r, 3, 4), 1, np.array([[1, 1], [0, 3], [2, 2]])),
                             S(normal(r, 3, 4), -2, np.array([[2, 0]])), S(normal(r, 4), 0, np.array([3, 3])),
                             S(normal(r), 0, np.array(0)), S(normal(r, 3, 4), dim=0, index=np.zeros((0, 4), "int64"))],
          errors=_index_errors(), formula=r"y_{ij} = x_{i, k_{ij}}", derivative=r"\bar x_{i, k_{ij}} \mathrel{+}= \bar y_{ij}",
          reference=_numpy_gather)  # fmt: skip
def gather(input, dim, index, *, sparse_grad=False):
    """The elements of ``input`` at ``index`` along ``dim``: for ``dim=1``, ``out[i, j] = input[i, index[i, j]]``.

    Args:
        input: tensor of any dtype.
        dim: the dimension that ``index`` counts in.
        index: int32 or int64 tensor with as many dimensions; along the others no larger than ``input``.
        sparse_grad: accepted and without effect.

    Returns:
        tensor of the shape of ``index``.

    Raises:
        RuntimeError: for shapes that do not fit, or an index out of bounds (on the CPU).

    >>> import minigrad
    >>> minigrad.gather(minigrad.tensor([[1, 2], [3, 4]]), 1, minigrad.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    flat, d, places, _ = _prepared("gather", input, dim, index)
    if places.array.ndim != flat.array.ndim:  # an empty index may have other dimensions
        return flat.reshape(-1)[:0].reshape(places.array.shape)
    out = apply(registry["take_along_axis"], (flat, places), {"axis": d})
    return out if places is index else out.reshape(index.array.shape)


@function("take_along_dim",
          samples=lambda r: [S(normal(r, 3, 4), np.array([[1], [0], [2]]), 1),
                             S(normal(r, 3, 4), np.array([5, 0])), S(normal(r, 3, 4), np.array([[2, 0]]), dim=-1)],
          errors=lambda r: [E(RuntimeError, "same number of dimensions", normal(r, 3, 4), np.array([0]), 1)],
          formula=r"y_{ij} = x_{i, k_{ij}}", derivative=r"\bar x_{i, k_{ij}} \mathrel{+}= \bar y_{ij}",
          reference=lambda x, indices, dim=None: np.take_along_axis(x, indices, dim))  # fmt: skip
def take_along_dim(input, indices, dim=None):
    """Like :func:`minigrad.gather`, with the two tensors broadcast along the other dimensions; flattened without ``dim``.

    >>> import minigrad
    >>> x = minigrad.tensor([[3, 1], [2, 5]])
    >>> minigrad.take_along_dim(x, x.argsort(1), 1)
    tensor([[1, 3],
            [2, 5]])
    """
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if input.array.ndim != indices.array.ndim:
        raise ShapeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, but got {input.array.ndim} "
            f"dimensions for input, "
            f"and {indices.array.ndim} dimensions for indices"
        )
    d = positive_dim("take_along_dim", dim, input.array.ndim)
    a, b = list(input.array.shape), list(indices.array.shape)
    indices = (indices < 0).to(indices.dtype) * a[d] + indices  # counted from the end
    shape = list(broadcast_shapes(a[:d] + [1] + a[d + 1 :], b[:d] + [1] + b[d + 1 :]))
    return gather(input.expand(*shape[:d], a[d], *shape[d + 1 :]), d, indices.expand(*shape[:d], b[d], *shape[d + 1 :]))


# ------------------------------------------------------------------------------------------------------------------- scatter
def _source(name, input, index, src, value):
    src = value if src is None else src
    if isinstance(src, Tensor):
        return src
    if not isinstance(src, bool | int | float | np.generic):
        raise TypeError(f"{name}(): argument 'src' must be Tensor or a number, not {describe(src)}")
    return input.new_full(index.array.shape or (1,), src)


def _numpy_scatter(x, dim, index, src, reduce=None, **_):
    out = np.atleast_1d(x).astype(float if np.ndim(x) else x.dtype)
    for place in np.ndindex(*index.shape):
        where = list(place)
        where[dim] = index[place]
        v = src[place] if isinstance(src, np.ndarray) else src
        old = out[tuple(where)]
        out[tuple(where)] = {"add": old + v, "multiply": old * v, None: v}[reduce]
    return out


@function("scatter", samples=lambda r: [S(normal(r, 3, 4), 1, np.array([[1, 0], [0, 3], [2, 1]]), normal(r, 3, 3),
                                          parity=_LARGER),
                                        S(normal(r, 3, 4), 1, np.array([[1, 0], [0, 3], [2, 1]]), normal(r, 3, 2)),
                                        S(normal(r, 3, 4), 0, np.array([[2, 0]]), 1.5),
                                        S(normal(r, 3, 4), -1, np.array([[1, 1]]), normal(r, 1, 2), reduce="add"),
                                        S(normal(r, 4), 0, np.array([3, 3, 0]), 2.0, reduce="multiply"),
                                        S(normal(r, 4), 0, np.array([3, 3, 3, 0]), normal(r, 4), reduce="multiply"),
                                        S(normal(r, 3, 4), dim=0, index=np.array([[2, 0]]), value=2.0)],
          errors=lambda r: [*_index_errors(1.0)(r), E(RuntimeError, "either add or multiply", normal(r, 3), 0, np.array([0]),
              1.0, reduce="sum"),
                            E(RuntimeError, "self.dtype to be equal to src.dtype", normal(r, 3), 0, np.array([0]), np.array([1])),
                            E(RuntimeError, "no larger size than src", normal(r, 3), 0, np.array([0, 1]), normal(r, 1))],
          formula=r"y = x, \quad y_{i, k_{ij}} = s_{ij}",
          derivative=r"\bar s_{ij} = \bar y_{i, k_{ij}}, \quad \bar x = \bar y \text{ but } \bar x_{i, k_{ij}} = 0",
          reference=lambda x, dim, index, src=None, value=None, reduce=None: _numpy_scatter(x, dim, index,
              value if src is None else src, reduce), inplace=True)  # fmt: skip
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """A copy of ``input`` with ``src`` written at ``index`` along ``dim``: for ``dim=1``, ``out[i, index[i, j]] = src[i, j]``.

    Args:
        input: tensor of any dtype.
        dim: the dimension that ``index`` counts in.
        index: int32 or int64 tensor with as many dimensions as ``input``.
        src: tensor of the dtype of ``input``, at least as large as ``index``; or a number (also as ``value``).
        reduce: ``"add"`` or ``"multiply"`` to combine with what is there; where an index repeats without it, the last one stays.

    Raises:
        RuntimeError: for shapes that do not fit, other dtypes, or an index out of bounds (on the CPU).

    >>> import minigrad
    >>> minigrad.scatter(minigrad.zeros(2, 3), 1, minigrad.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter(): reduce argument must be either add or multiply, got {reduce!r}")
    src = _source("scatter", input, index, src, value)
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    if reduce == "multiply":
        return scatter_reduce(input, dim, index, src, "prod")
    flat, d, places, src = _prepared("scatter", input, dim, index, src)
    out = apply(registry["put_along_axis"], (flat, places, src), {"axis": d})
    return out if flat is input else out.reshape(input.array.shape)


@function("scatter_add", samples=lambda r: [S(normal(r, 3, 4), 1, np.array([[1, 1], [0, 3], [2, 2]]), normal(r, 3, 3),
                                              parity=_LARGER),
                                            S(normal(r, 3, 4), 1, np.array([[1, 1], [0, 3], [2, 2]]), normal(r, 3, 2)),
                                            S(normal(r), 0, np.array(0), normal(r))],
          errors=lambda r: [*_index_errors(np.ones((3, 4)))(r)[:3], E(TypeError, "must be Tensor", normal(r, 3), 0,
              np.array([0]), 1.0)],
          formula=r"y = x, \quad y_{i, k_{ij}} \mathrel{+}= s_{ij}",
          derivative=r"\bar x = \bar y, \quad \bar s_{ij} = \bar y_{i, k_{ij}}",
          reference=lambda x, dim, index, src: _numpy_scatter(x, dim, np.atleast_1d(index), np.atleast_1d(src),
              "add").reshape(x.shape), inplace=True)  # fmt: skip
def scatter_add(input, dim, index, src):
    """A copy of ``input`` with ``src`` added at ``index`` along ``dim``: for ``dim=1``, ``out[i, index[i, j]] += src[i, j]``.

    >>> import minigrad
    >>> minigrad.scatter_add(minigrad.zeros(3), 0, minigrad.tensor([0, 0, 2]), minigrad.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    if not isinstance(src, Tensor):
        raise TypeError(f"scatter_add(): argument 'src' must be Tensor, not {describe(src)}")
    flat, d, places, src = _prepared("scatter_add", input, dim, index, src)
    out = apply(registry["add_along_axis"], (flat, src, places), {"axis": d})
    return out if flat is input else out.reshape(input.array.shape)


def _numpy_reduce(x, dim, index, src, reduce, include_self=True):
    groups = {}
    for place in np.ndindex(*index.shape):
        where = list(place)
        where[dim] = index[place]
        groups.setdefault(tuple(where), []).append(src[place])
    out = x.copy()
    for where, values in groups.items():
        values = values + [x[where]] if include_self else values
        out[where] = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce](values)
    return out


def _reduce_samples(r):
    index = np.array([[1, 1, 1], [0, 3, 0], [2, 2, 1]])
    return [
        S(normal(r, 3, 4), 1, index, normal(r, 3, 3), reduce, include_self=own)
        for reduce in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ] + [
        S(normal(r, 4), 0, np.array([3, 0, 3]), normal(r, 4), "amax", parity=_LARGER),
        S(np.array([1, 2]), 0, np.array([0, 0]), np.array([3, 4]), "amin", include_self=False),
    ]


@function("scatter_reduce", samples=_reduce_samples, reference=_numpy_reduce,
          errors=lambda r: [E(RuntimeError, "either sum, prod, mean, amax or amin", normal(r, 3), 0, np.array([0]), normal(r, 1),
                              "largest"),
                            *_index_errors(np.ones((3, 4)), "sum")(r)[:3]],
          formula=r"y_j = \mathrm{reduce}(x_j, \{s_i : k_i = j\})", inplace=True)  # fmt: skip
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """A copy of ``input`` with all of ``src`` that ``index`` sends to one place along ``dim`` reduced to one value there.

    Args:
        input, dim, index, src: as for :func:`minigrad.scatter_add`.
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the old value takes part.

    >>> import minigrad
    >>> x, index, src = minigrad.zeros(2), minigrad.tensor([0, 0, 1]), minigrad.tensor([1.0, 3.0, 5.0])
    >>> minigrad.scatter_reduce(x, 0, index, src, "mean", include_self=False)
    tensor([2., 5.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"scatter_reduce(): reduce argument must be either sum, prod, mean, amax or amin, got {reduce!r}")
    if not isinstance(src, Tensor):
        raise TypeError(f"scatter_reduce(): argument 'src' must be Tensor, not {describe(src)}")
    flat, d, places, src = _prepared("scatter_reduce", input, dim, index, src)
    ones = wrap(backends.of(src.array).ones_like(src.array))
    hits = apply(registry["scatter_along_axis"], (ones, places), {"axis": d, "shape": flat.array.shape})
    if not include_self:
        flat = flat.masked_fill(hits > 0, _neutral(flat, reduce))
    return _REDUCE[reduce](flat, d, places, src, hits, include_self).reshape(input.array.shape)


def _neutral(t, reduce):
    """The value that changes nothing."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    if t.is_floating_point():
        return float("-inf" if reduce == "amax" else "inf")
    info = np.iinfo(np.uint8 if t.array.dtype == np.bool_ else t.array.dtype)
    return info.min if reduce == "amax" else info.max


def _mean(x, d, places, src, hits, include_self):
    total = scatter_add(x, d, places, src)
    count = hits + 1 if include_self else hits.masked_fill(hits == 0, 1)
    return total / count if x.is_floating_point() else total // count


def _product(x, d, places, src, hits, include_self):
    """Round by round: in each, no two values go to one place. Right with zeros, and at every order of differentiation."""
    host = places.numpy(force=True)
    grid = list(np.indices(host.shape, sparse=True))
    grid[d] = host
    target = np.ravel_multi_index(tuple(np.broadcast_arrays(*grid)), x.array.shape).reshape(-1)
    order = np.argsort(target, kind="stable")
    starts = np.searchsorted(target[order], target[order])
    rank = np.empty(target.size, INDEX)
    rank[order] = np.arange(target.size) - starts
    flat, values = x.reshape(-1), src.reshape(-1)
    for k in range(rank.max(initial=-1) + 1):
        chosen = np.flatnonzero(rank == k)
        at = target[chosen]
        flat = flat.index_put((x.new_tensor(at, dtype=INDEX),), flat[at] * values[chosen])
    return flat.reshape(x.array.shape)


def _extreme(largest):
    def reduce(x, d, places, src, hits, include_self):
        return apply(registry["extreme_along_axis"], (x, places, src), {"axis": d, "largest": largest})

    return reduce


_REDUCE = {"sum": lambda x, d, places, src, hits, include_self: scatter_add(x, d, places, src), "mean": _mean, "prod": _product,
           "amax": _extreme(True), "amin": _extreme(False)}  # fmt: skip
