"""Reductions over one dimension, several, or all: sums, means, products, bounds, truth."""

import math

import numpy as np

from ..errors import DimError, describe, dim_error, scalar_type
from ..op import E, S, function, op
from .samples import dim_errors, normal, quiet, reduce

FLOAT32 = np.dtype(np.float32)


def lost_axes(axis, ndim):
    """The reduced axes as non-negative numbers."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))) if ndim else ()


def spread(xp, g, shape, axis, keepdims):
    """Undo a reduction: put the lost axes back with size 1 and broadcast to ``shape``."""
    if len(g.shape) != len(shape):
        lost = lost_axes(axis, len(shape))
        g = xp.reshape(g, shape=tuple(1 if i in lost else n for i, n in enumerate(shape)))
    return xp.broadcast_to(g, shape=tuple(shape))


def count(shape, axis):
    """How many elements of an array of ``shape`` go into each result."""
    return math.prod(shape) if axis is None else math.prod([shape[a] for a in lost_axes(axis, len(shape))])


def rows(xp, x, axis):
    """The reduced axes of ``x`` as one last axis: (kept..., n)."""
    lost = lost_axes(axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in lost)
    x = xp.permute_dims(x, axes=kept + lost)
    return xp.reshape(x, shape=(*x.shape[: len(kept)], math.prod(x.shape[len(kept) :])))


def unrows(xp, x, shape, axis):
    """The adjoint of ``rows``: back to ``shape``."""
    lost = lost_axes(axis, len(shape))
    order = tuple(i for i in range(len(shape)) if i not in lost) + lost
    x = xp.reshape(x, shape=tuple(shape[i] for i in order))
    return xp.permute_dims(x, axes=tuple(order.index(i) for i in range(len(shape))))


def one_dim(name, dim, ndim):
    """``dim`` as a number from 0; TypeError for several dims, IndexError where there is no such dimension."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__} ({dim!r})")
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise dim_error(name, dim, ndim)
    return dim.__index__() % max(ndim, 1)


def share(xp, g, y, x, axis, keepdims):
    """Elements that are the result share its gradient evenly: the rule of the largest and of the smallest."""
    mask = xp.astype(xp.equal(x, spread(xp, y, x.shape, axis, keepdims)), dtype=g.dtype)
    return mask * (spread(xp, g, x.shape, axis, keepdims) / xp.sum(mask, axis=axis, keepdims=True))


def empty_dim(name, dim=None):
    """The error of a choice among no elements."""
    if dim is None:
        return RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    return DimError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


# -------------------------------------------------------------------------------------------------------- sums, means, products
@op(
    kind="reduction",
    vjp=(lambda xp, g, x_shape, axis, keepdims: spread(xp, g, x_shape, axis, keepdims),),
    formula=r"y = \sum_i x_i",
    derivative=r"\bar x_i = \bar y",
    onnx="ReduceSum",
    samples=lambda r: [
        *reduce()(r),
        S(normal(r, 2, 0, 3), dim=1),
        S(normal(r, 0)),
        S(np.array([True, True])),
        S(np.array([[1, 2]]), dim=0),
        S(normal(r, 3), dtype=np.dtype("float64")),
        S(normal(r, 2, 3), axis=1, keepdims=True),
    ],
    errors=lambda r: [*dim_errors(r), E(RuntimeError, "appears multiple times", normal(r, 2, 3), dim=(0, 0))],
    reference=lambda x, dim=None, keepdim=False, axis=None, keepdims=False, dtype=None: np.sum(
        x, axis=axis if dim is None else dim, keepdims=keepdim or keepdims, dtype=dtype
    ),
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
    vjp=(lambda xp, g, x_shape, axis, keepdims: spread(xp, g / max(count(x_shape, axis), 1), x_shape, axis, keepdims),),
    formula=r"y = \frac{1}{n}\sum_i x_i",
    derivative=r"\bar x_i = \bar y / n",
    onnx="ReduceMean",
    samples=lambda r: [*reduce()(r), S(normal(r, 0), grad=False), S(normal(r, 2, 0), dim=1, grad=False)],
    errors=lambda r: [*dim_errors(r), E(RuntimeError, "could not infer output dtype", np.array([1, 2]))],
    reference=lambda x, dim=None, keepdim=False: (
        np.sum(x, axis=dim, keepdims=keepdim) / count(x.shape, dim) if x.size else np.full_like(np.sum(x, axis=dim), np.nan)
    ),
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
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{scalar_type(x.dtype)}; use x.float().mean()"
        )
    return mean_of(xp, x, axis, keepdims)


def mean_of(xp, x, axis, keepdims):
    if x.dtype.itemsize == 2:  # a sum of many float16 numbers may be too large for one
        return xp.astype(mean_of(xp, xp.astype(x, dtype=FLOAT32), axis, keepdims), dtype=x.dtype)
    return xp.sum(x, axis=axis, keepdims=keepdims) / count(x.shape, axis)


def _with_nan(r, parity=True):
    x = normal(r, 3, 4)
    x[0, 1] = x[2, 3] = np.nan
    return [
        S(x),
        S(x, dim=1),
        S(x, dim=(0, 1), keepdim=True),
        S(normal(r, 3), dim=-1),
        S(np.array([[np.nan, np.nan], [1.0, 2.0]]), 1, grad=False, parity=parity),
    ]


@function(
    "nansum",
    samples=_with_nan,
    errors=dim_errors,
    formula=r"y = \sum_{i: x_i \ne \mathrm{NaN}} x_i",
    derivative=r"\bar x_i = \bar y\,[x_i \ne \mathrm{NaN}]",
    reference=lambda x, dim=None, keepdim=False: np.nansum(x, axis=dim, keepdims=keepdim),
)
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over ``dim``, with NaN counted as 0.

    >>> import minigrad
    >>> minigrad.nansum(minigrad.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    return sum(input.where(input.isnan().logical_not(), 0), dim, keepdim, dtype=dtype)


@function(
    "nanmean",
    samples=lambda r: _with_nan(r, "values only: PyTorch gives the gradient NaN to a mean of nothing"),
    errors=dim_errors,
    formula=r"y = \frac{1}{n} \sum_{i: x_i \ne \mathrm{NaN}} x_i",
    derivative=r"\bar x_i = \bar y\,[x_i \ne \mathrm{NaN}] / n",
    reference=lambda x, dim=None, keepdim=False: np.nanmean(x, axis=dim, keepdims=keepdim),
)
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over ``dim`` of the elements that are not NaN; NaN where there are none.

    >>> import minigrad
    >>> minigrad.nanmean(minigrad.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    if not input.is_floating_point():
        raise RuntimeError(f"nanmean(): expected input to have floating point dtype, but got {describe(input)}")
    present = input.isnan().logical_not()
    return nansum(input, dim, keepdim, dtype=dtype) / sum(present, dim, keepdim)


BUT_FIRST, BUT_LAST, BACKWARDS = ("slice", 1, None, None), ("slice", None, -1, None), ("slice", None, None, -1)


def _before(xp, x):
    """Along the last axis, the product of all elements before each."""
    first = xp.full(x, shape=(*x.shape[:-1], 1), value=1, dtype=x.dtype)
    return xp.concat(first, xp.cumprod(xp.getitem(x, key=(..., BUT_LAST)), axis=-1), axis=-1)


def _backwards(xp, x):
    return xp.getitem(x, key=(..., BACKWARDS))


def _before_dx(xp, g, x):
    """The gradient of x from that of ``_before``."""
    last = xp.full(x, shape=(*x.shape[:-1], 1), dtype=x.dtype)
    return xp.cumprod_dx(xp.concat(xp.getitem(g, key=(..., BUT_FIRST)), last, axis=-1), x, axis=-1)


def _prod_dx_rule(xp, g, g0, x):
    back = _backwards(xp, x)
    scaled = g * g0
    of_before = _before_dx(xp, scaled * _backwards(xp, _before(xp, back)), x)
    return of_before + _backwards(xp, _before_dx(xp, _backwards(xp, scaled * _before(xp, x)), back))


@op(
    names="",
    vjp=(
        lambda xp, g, x: xp.sum(
            g * xp.prod_dx(xp.full(x, shape=(*x.shape[:-1], 1), value=1, dtype=x.dtype), x), axis=-1, keepdims=True
        ),
        _prod_dx_rule,
    ),
    formula=r"z_i = v \prod_{j \ne i} x_j",
    derivative=r"\bar v = \sum_i \bar z_i \prod_{j \ne i} x_j, \quad \bar x_k = v \sum_{i \ne k} \bar z_i \prod_{j \ne i, k} x_j",
    samples=lambda r: [
        S(normal(r, 3, 1), _with_zeros(r)[0].args[0]),
        S(normal(r, 1), normal(r, 5)),
        S(normal(r, 2, 1), normal(r, 2, 1)),
    ],
    reference=lambda v, x: v * np.stack([np.prod(np.delete(x, i, -1), -1) for i in range(x.shape[-1])], -1),
)
def prod_dx(xp, g0, x):
    """The gradient (..., 1) of the products over the last axis times the product of all other elements. Nothing is divided:
    zeros are no special case."""
    return g0 * (_before(xp, x) * _backwards(xp, _before(xp, _backwards(xp, x))))


def _prod_rule(xp, g, x, axis, keepdims):
    flat = rows(xp, x, axis)
    if 0 in flat.shape:
        return xp.full_like(x, value=0)
    return unrows(xp, xp.prod_dx(xp.reshape(g, shape=(*flat.shape[:-1], 1)), flat), x.shape, axis)


def _with_zeros(r):
    x = normal(r, 3, 4)
    x[0, 1] = x[2, 0] = x[2, 3] = 0.0
    return [
        S(x),
        S(x, dim=1),
        S(x, dim=-2, keepdim=True),
        S(normal(r, 2, 3, 4), dim=1),
        S(normal(r)),
        S(normal(r, 0)),
        S(normal(r, 1)),
        S(np.array([[2, 3], [4, 5]]), dim=0),
        S(np.array([True, False])),
    ]


@op(
    kind="reduction",
    vjp=(_prod_rule,),
    formula=r"y = \prod_i x_i",
    derivative=r"\bar x_i = \bar y \prod_{j \ne i} x_j",
    onnx="ReduceProd",
    samples=_with_zeros,
    errors=dim_errors,
    reference=lambda x, dim=None, keepdim=False: np.prod(x, axis=dim, keepdims=keepdim),
)
def prod(xp, x, *, axis=None, keepdims=False):
    """The product over ``dim``, an int, or over everything. Integers and bools multiply up to int64.

    Args:
        input: tensor of any dtype and shape.
        dim: dimension to multiply along.
        keepdim: keep it with size 1.
        dtype: cast the input to this dtype first.

    >>> import minigrad
    >>> minigrad.prod(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([3., 8.])
    """
    return xp.prod(x, axis=axis, keepdims=keepdims)


# ----------------------------------------------------------------------------------------------------------------- log-sum-exp
def _logsumexp_reference(x, dim=None, keepdim=False):
    from scipy.special import logsumexp

    if count(x.shape, dim) == 0:
        return np.log(np.sum(x, axis=dim, keepdims=keepdim))
    return logsumexp(x, axis=dim, keepdims=keepdim)


@op(
    kind="reduction",
    spaces="torch Tensor special",
    promote="float",
    vjp=(
        lambda xp, g, y, x, axis, keepdims: (
            spread(xp, g, x.shape, axis, keepdims) * xp.exp(x - spread(xp, y, x.shape, axis, keepdims))
        ),
    ),
    formula=r"y = \ln \sum_i e^{x_i}",
    derivative=r"\bar x_i = \bar y\,e^{x_i - y}",
    onnx="ReduceLogSumExp",
    samples=lambda r: [
        *[s for s in reduce()(r) if s.kwargs],
        S(normal(r, 3, 4) * 400, dim=1),
        S(normal(r), dim=0),
        S(np.array([[-np.inf, -np.inf], [0.0, np.inf]]), dim=1, grad=False),
        S(normal(r, 2, 0), dim=0),
        S(normal(r, 2, 0), dim=1),
    ],
    errors=dim_errors,
    reference=quiet(_logsumexp_reference),
)
def logsumexp(xp, x, *, axis=None, keepdims=False):
    """``log(sum(exp(input)))`` over ``dim`` without overflow: the largest element is taken out first.

    Args:
        input: tensor; integers give floats.
        dim: an int or a tuple.
        keepdim: keep these dimensions with size 1.

    >>> import minigrad
    >>> minigrad.logsumexp(minigrad.tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    if count(x.shape, axis) == 0:
        return xp.log(xp.sum(x, axis=axis, keepdims=keepdims))
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    y = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else xp.sum(y, axis=axis)


# ------------------------------------------------------------------------------------------------------------------ truth
def _truth_samples(r):
    x = r.random((3, 4)) > 0.6
    return [
        S(x),
        S(x, dim=1),
        S(x, dim=-2, keepdim=True),
        S(r.random((2, 3, 2)) > 0.6, dim=(0, 2)),
        S(np.array(True)),
        S(x[:0]),
        S(x[:0], dim=0),
        S(np.array([0.0, -1.0, np.nan])),
        S(np.array([1, 0])),
    ]


@op(
    kind="reduction",
    formula=r"y = \exists i: x_i",
    samples=_truth_samples,
    errors=dim_errors,
    reference=lambda x, dim=None, keepdim=False: np.any(x, axis=dim, keepdims=keepdim),
)
def any(xp, x, *, axis=None, keepdims=False):
    """Whether any element over ``dim`` (an int, a tuple, or None for everything) is other than 0; NaN is.

    >>> import minigrad
    >>> minigrad.any(minigrad.tensor([[False, True], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return xp.any(x, axis=axis, keepdims=keepdims)


@op(
    kind="reduction",
    formula=r"y = \forall i: x_i",
    samples=_truth_samples,
    errors=dim_errors,
    reference=lambda x, dim=None, keepdim=False: np.all(x, axis=dim, keepdims=keepdim),
)
def all(xp, x, *, axis=None, keepdims=False):
    """Whether all elements over ``dim`` (an int, a tuple, or None for everything) are other than 0; NaN is.

    >>> import minigrad
    >>> minigrad.all(minigrad.tensor([[True, True], [False, True]]), dim=1)
    tensor([ True, False])
    """
    return xp.all(x, axis=axis, keepdims=keepdims)


@function(
    "count_nonzero",
    samples=lambda r: [
        S(r.integers(0, 2, (3, 4))),
        S(r.integers(0, 2, (3, 4)), dim=1),
        S(r.integers(0, 2, (2, 3, 2)), dim=(0, -1)),
        S(np.array([0.0, np.nan])),
        S(np.array(3)),
    ],
    errors=dim_errors,
    formula=r"y = \#\{i: x_i \ne 0\}",
    reference=lambda x, dim=None: np.count_nonzero(x, axis=dim),
)
def count_nonzero(input, dim=None):
    """How many elements over ``dim`` (an int, a tuple, or None for everything) are other than 0.

    >>> import minigrad
    >>> minigrad.count_nonzero(minigrad.tensor([[0, 1], [2, 3]]), dim=1)
    tensor([1, 2])
    """
    return sum(input != 0, dim)
