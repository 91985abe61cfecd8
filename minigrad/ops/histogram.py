"""Counts in bins, covariance and correlation, and places of flat indices."""

import math
import warnings

import numpy as np

from ..errors import DtypeError, ShapeError, describe
from ..op import E, S, function, return_type
from ..tensor import Tensor
from .samples import normal, positive
from .searching import searchsorted

_HISTOGRAM = return_type("histogram", ("hist", "bin_edges"))
_HISTOGRAMDD = return_type("histogramdd", ("hist", "bin_edges"))


# --------------------------------------------------------------------------------------------------------------- histograms
def _edges(points, bins, low_high, d):
    """The edges of the bins of dimension ``d`` as a tensor."""
    if isinstance(bins, Tensor):
        if bins.array.ndim != 1:
            raise ShapeError(f"histogramdd: bins tensor should have one dimension, but got {bins.array.ndim} for dimension {d}")
        if bins.array.dtype != points.array.dtype:
            raise DtypeError(
                f"histogramdd: input tensor and bins tensors should have the same dtype, but got {points.dtype} and {bins.dtype}"
            )
        return bins
    if bins <= 0:
        raise ShapeError(f"histogram(): bins must be > 0, but got {bins} for dimension {d}")
    low, high = _outermost(points[:, d], low_high, d)
    from .filled import linspace

    return linspace(low, high, bins + 1, dtype=points.dtype, device=points.device)


def _outermost(column, low_high, d):
    """The range that was given, or that of the values; one wide at the least."""
    if low_high is None:
        low, high = (column.amin().item(), column.amax().item()) if column.array.shape[0] else (0.0, 0.0)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"histogramdd: dimension {d}'s range [{low}, {high}] is not finite")
        if not column.array.shape[0]:
            return 0.0, 1.0
    else:
        low, high = low_high
    if low > high:
        raise RuntimeError(f"histogramdd: min should not exceed max, but got min {low} max {high} for dimension {d}")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _count(points, bins, ranges, weight, density):
    """The weight of the points (N, D) in each cell of the grid, and the edges of the grid."""
    if not points.is_floating_point():
        raise NotImplementedError(f'"histogramdd" not implemented for {points.dtype}; convert with .float()')
    points = points.detach()
    edges = [_edges(points, b, r, d) for d, (b, r) in enumerate(zip(bins, ranges))]
    shape = tuple(e.array.shape[0] - 1 for e in edges)
    place, inside = 0, None
    for d, e in enumerate(edges):
        column = points[:, d].contiguous()
        where = searchsorted(e, column, right=True) - 1
        where = where - (column == e[-1]).long()  # the last bin holds its right edge
        good = (column >= e[0]) & (column <= e[-1])
        inside = good if inside is None else inside & good
        place = place * shape[d] + where
    weight = points.new_ones(points.array.shape[0]) if weight is None else weight.detach().reshape(-1).to(points.dtype)
    hist = points.new_zeros(math.prod(shape)).index_add(0, place[inside], weight[inside]).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for d, e in enumerate(edges):
            hist = hist / (e[1:] - e[:-1]).reshape(-1, *(1,) * (len(edges) - d - 1))
    return hist, edges


def _check_weight(input, weight, shape):
    if weight is not None and weight.array.shape != tuple(shape):
        raise ShapeError(
            f"histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its "
            f"innermost dimension, {tuple(shape)}, but got {tuple(weight.array.shape)} for input {tuple(input.array.shape)}"
        )
    if weight is not None and weight.array.dtype != input.array.dtype:
        raise DtypeError(f"histogramdd: weight should have the dtype of the input, but got {weight.dtype} and {input.dtype}")


def _np_histogram(x, bins, *, range=None, weight=None, density=False):
    weights = None if weight is None else weight.reshape(-1)
    hist, edges = np.histogram(x.reshape(-1), bins, range, density, weights)
    return hist.astype(float), edges


def _histogram_samples(r):
    x = normal(r, 3, 4)
    return [
        S(x, 4, grad=False),
        S(x, bins=3, range=(-1.0, 1.0), grad=False),
        S(x, np.array([-2.0, -0.5, 0.0, 2.0]), grad=False),
        S(x, 4, weight=positive(r, 3, 4), density=True, grad=False),
        S(np.array([1.0, 2.0, 1.0, 3.0]), bins=2, range=(1.0, 3.0), grad=False),
        S(np.ones(3), 3, grad=False),
    ]


@function(
    "histogram",
    formula=r"y_k = \sum_i w_i\,[e_k \le x_i < e_{k+1}]",
    samples=_histogram_samples,
    errors=lambda r: [
        E(RuntimeError, "bins must be > 0", normal(r, 3), 0),
        E(RuntimeError, "min should not exceed max", normal(r, 3), 2, range=(3.0, 1.0)),
        E(RuntimeError, "is not finite", np.array([1.0, np.nan]), 2),
        E(RuntimeError, "should have the same shape", normal(r, 3), 2, weight=normal(r, 2)),
        E(RuntimeError, "should have one dimension", normal(r, 3), normal(r, 2, 2)),
        E(RuntimeError, "same dtype", normal(r, 3), np.array([1, 2])),
        E(NotImplementedError, "not implemented for", np.array([1, 2]), 2),
    ],
    reference=_np_histogram,
    half=False,
)
def histogram(input, bins=100, *, range=None, weight=None, density=False):
    """How many elements fall into each bin. A bin holds its left edge, the last one its right edge too.

    Args:
        input: float tensor of any shape.
        bins: the number of equal bins, or a tensor with their edges in ascending order.
        range: ``(low, high)`` for a number of bins; the smallest and the largest element unless given.
        weight: tensor like ``input``: what each element counts.
        density: whether the integral over all bins is made 1.

    Returns:
        A named tuple ``(hist, bin_edges)``.

    >>> import minigrad
    >>> minigrad.histogram(minigrad.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    _check_weight(input, weight, input.array.shape)
    hist, edges = _count(input.reshape(-1, 1), [bins], [range], weight, density)
    return _HISTOGRAM(hist, edges[0].clone())


def _np_histogramdd(x, bins, *, range=None, weight=None, density=False):
    ranges = None if range is None else list(zip(range[::2], range[1::2]))
    weights = None if weight is None else weight.reshape(-1)
    hist, edges = np.histogramdd(x.reshape(-1, x.shape[-1]), bins, ranges, density, weights)
    return [hist, *edges]


@function(
    "histogramdd",
    spaces="torch",
    formula=r"y_{jk} = \sum_i w_i\,[e_j \le x_i < e_{j+1}]\,[f_k \le y_i < f_{k+1}]",
    samples=lambda r: [
        S(normal(r, 8, 2), [2, 3], grad=False),
        S(normal(r, 8, 2), bins=[2, 2], range=[-1.0, 1.0, -2.0, 2.0], density=True, grad=False),
        S(normal(r, 2, 4, 2), 2, weight=positive(r, 2, 4), grad=False),
        S(normal(r, 8, 2), [np.array([-1.0, 0.0, 1.0]), np.array([-1.0, 1.0])], grad=False),
    ],
    errors=lambda r: [
        E(RuntimeError, "must be equal to the innermost dimension", normal(r, 3, 2), [2]),
        E(RuntimeError, "must be equal to the innermost dimension", normal(r, 3, 2), [2, 2], range=[0.0, 1.0]),
    ],
    reference=_np_histogramdd,
    half=False,
)
def histogramdd(input, bins, range=None, weight=None, density=False):
    """A histogram of points: the last dimension of ``input`` holds the coordinates.

    Args:
        input: float tensor (..., D).
        bins: a number of bins, or one per coordinate, or one tensor of edges per coordinate.
        range: ``[low, high]`` of each coordinate in turn, 2 * D numbers.
        weight, density: as in :func:`minigrad.histogram`.

    Returns:
        A named tuple ``(hist, bin_edges)``; ``bin_edges`` is a tuple of D tensors.

    >>> import minigrad
    >>> minigrad.histogramdd(minigrad.tensor([[0.0, 1.0], [1.0, 1.0]]), bins=[2, 1]).hist
    tensor([[1.],
            [1.]])
    """
    if input.array.ndim < 2:
        raise ShapeError(f"histogramdd: input tensor should have at least 2 dimensions, but got {input.array.ndim}")
    n = input.array.shape[-1]
    bins = [bins] * n if isinstance(bins, int) else list(bins)
    if len(bins) != n or (range is not None and len(range) != 2 * n):
        raise ShapeError(
            f"histogramdd: The size of bins must be equal to the innermost dimension of the input ({n}), and there are two "
            f"numbers of range for each; got {len(bins)} bins"
        )
    _check_weight(input, weight, input.array.shape[:-1])
    ranges = [None] * n if range is None else list(zip(range[::2], range[1::2]))
    hist, edges = _count(input.reshape(-1, n), bins, ranges, weight, density)
    return _HISTOGRAMDD(hist, tuple(edges))


# -------------------------------------------------------------------------------------------------------------- correlation
def _weights(name, given, n, integral):
    """A weight per observation, checked."""
    wanted = "integral" if integral else "floating point"
    if given.array.ndim > 1:
        raise ShapeError(f"cov(): expected {name} to have one or fewer dimensions but got {given.array.ndim} dimensions")
    if given.is_floating_point() == integral or given.array.dtype == bool:
        raise DtypeError(f"cov(): expected {name} to have {wanted} dtype but got {name} with {given.dtype} dtype")
    if math.prod(given.array.shape) != n:
        raise ShapeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{math.prod(given.array.shape)} != {n}"
        )
    if bool((given < 0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")
    return given.reshape(-1)


def _cov_samples(r):
    x = normal(r, 3, 4)
    return [
        S(x),
        S(x, correction=0),
        S(normal(r, 5)),
        S(x, fweights=np.array([1, 2, 1, 3])),
        S(x, aweights=positive(r, 4), correction=0),
        S(x, fweights=np.array([1, 2, 1, 3]), aweights=positive(r, 4)),
    ]


def _np_cov(x, *, correction=1, fweights=None, aweights=None):
    return np.cov(x, ddof=correction, fweights=fweights, aweights=aweights)


@function(
    "cov",
    formula=r"C = \frac{1}{n - c} \sum_k (x_k - \bar x) (x_k - \bar x)^T",
    samples=_cov_samples,
    errors=lambda r: [
        E(RuntimeError, "two or fewer dimensions", normal(r, 2, 2, 2)),
        E(RuntimeError, "bool dtype is not supported", np.array([True, False])),
        E(RuntimeError, "integral dtype", normal(r, 2, 2), fweights=positive(r, 2)),
        E(RuntimeError, "floating point dtype", normal(r, 2, 2), aweights=np.array([1, 2])),
        E(RuntimeError, "same numel", normal(r, 2, 2), fweights=np.array([1])),
        E(RuntimeError, "one or fewer dimensions", normal(r, 2, 2), fweights=np.array([[1, 2]])),
        E(RuntimeError, "cannot be negative", normal(r, 2, 2), fweights=np.array([1, -2])),
        E(RuntimeError, "weights sum to zero", normal(r, 2, 2), aweights=np.zeros(2)),
    ],
    reference=_np_cov,
)
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of variables, which are the rows of ``input``; its columns are observations.

    Args:
        input: tensor with at most 2 dimensions.
        correction: what is taken from the number of observations: 1 for an unbiased estimate.
        fweights: integer tensor: how often each observation occurred.
        aweights: float tensor: how important each observation is.

    >>> import minigrad
    >>> minigrad.cov(minigrad.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.array.ndim > 2:
        raise ShapeError(f"cov(): expected input to have two or fewer dimensions but got {describe(input)}")
    if input.array.dtype == bool:
        raise DtypeError("cov(): bool dtype is not supported for input; convert it with .float()")
    x = input.reshape(1, -1) if input.array.ndim < 2 else input
    x = x if x.is_floating_point() else x * 1.0
    n = x.array.shape[1]
    w = None if fweights is None else _weights("fweights", fweights, n, True)
    if aweights is not None:
        a = _weights("aweights", aweights, n, False)
        w, aweights = (a if w is None else w * a), a
    total = n if w is None else w.sum()
    if w is not None and total.item() == 0:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    centre = (x if w is None else x * w).sum(1, keepdim=True) / total
    if w is not None and aweights is not None and correction:
        free = total - correction * (w * aweights).sum() / total
    else:
        free = total - correction
    if (free.item() if isinstance(free, Tensor) else free) <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            UserWarning,
            stacklevel=2,
        )
        free = free * 0
    x = x - centre
    product = x @ (x if w is None else x * w).T / free
    return product.squeeze()


def _np_corrcoef(x):
    return np.corrcoef(x)


@function(
    "corrcoef",
    formula=r"R_{ij} = C_{ij} / \sqrt{C_{ii} C_{jj}}",
    samples=lambda r: [S(normal(r, 3, 5)), S(normal(r, 5), grad=False)],
    errors=lambda r: [E(RuntimeError, "two or fewer dimensions", normal(r, 2, 2, 2))],
    reference=_np_corrcoef,
)
def corrcoef(input):
    """Pearson's correlation coefficients of variables, which are the rows of ``input``.

    >>> import minigrad
    >>> minigrad.corrcoef(minigrad.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(input)
    if not c.array.ndim:
        return c / c
    deviation = c.diagonal().sqrt()
    return (c / deviation.reshape(-1, 1) / deviation).clamp(-1, 1)


# ------------------------------------------------------------------------------------------------------------------- places
@function(
    "unravel_index",
    spaces="torch",
    formula=r"k = \sum_d i_d \prod_{e > d} n_e",
    samples=lambda r: [S(np.array([1, 5]), (2, 3)), S(np.array([[0, 3]]), 4), S(np.array(5), (2, 3, 1))],
    errors=lambda r: [
        E(TypeError, "integer dtype", normal(r, 2), (2, 3)),
        E(ValueError, "negative values", np.array([1]), (-2, 3)),
        E(TypeError, "only contain ints", np.array([1]), (2.0, 3)),
    ],
    reference=lambda i, shape: np.unravel_index(i, shape),
)
def unravel_index(indices, shape):
    """Flat indices into a tensor of ``shape`` as a tuple with one tensor of indices per dimension.

    >>> import minigrad
    >>> minigrad.unravel_index(minigrad.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    if indices.is_floating_point() or indices.array.dtype == bool:
        raise TypeError(f"unravel_index: expected 'indices' to be integer dtype, but got {indices.dtype}")
    if isinstance(shape, Tensor):
        raise TypeError(f"unravel_index: expected 'shape' to be int or sequence of ints, but got {describe(shape)}")
    sizes = (shape,) if hasattr(shape, "__index__") else tuple(shape)
    if not all(hasattr(n, "__index__") for n in sizes):
        raise TypeError(f"unravel_index: expected 'shape' sequence to only contain ints, but got {sizes}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    indices = indices.long()
    steps = [math.prod(sizes[d + 1 :]) for d in range(len(sizes))]
    return tuple([indices.div(step, rounding_mode="floor") % n for step, n in zip(steps, sizes)])
