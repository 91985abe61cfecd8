"""Sampled functions: integrals by the trapezoidal rule, and derivatives by finite differences."""

import numpy as np

from ..errors import DimError, DtypeError, ShapeError
from ..op import E, S, function
from ..tensor import Tensor
from .samples import normal, positive
from .shape import positive_dim


def _cut(t, dim, start, stop=None):
    """``t[start:stop]`` along ``dim``."""
    return t[(*(slice(None),) * dim, slice(start, stop))]


# --------------------------------------------------------------------------------------------------------------- trapezoids
def _areas(name, y, x, dx, dim):
    """Twice the area under each pair of neighbouring points along ``dim``, and ``dim`` itself."""
    if y.array.dtype == bool:
        raise DtypeError(f"{name}: received a bool input for `y`, but bool is not supported; convert it with .int()")
    if not y.array.shape:
        raise DimError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    if x is not None and dx is not None:
        raise TypeError(f"{name}() received an invalid combination of arguments: give x or dx, not both")
    d = positive_dim(name, dim, y.array.ndim)
    left, right = _cut(y, d, 0, -1), _cut(y, d, 1)
    if x is not None:
        return (left + right) * _widths(name, y, x, d), d
    return left * (1.0 if dx is None else dx) + right * (1.0 if dx is None else dx), d


def _widths(name, y, x, d):
    """The distances of the points of ``x``, which has one dimension, or dimensions that broadcast with those of ``y``."""
    if x.array.dtype == bool:
        raise DtypeError(f"{name}: received a bool input for `x`, but bool is not supported; convert it with .int()")
    n = y.array.shape[d]
    if x.array.ndim == 1:
        if x.array.shape[0] != n:
            raise ShapeError(f"{name}: There must be one `x` value for each sample point: {x.array.shape[0]} values, {n} points")
        return (x[1:] - x[:-1]).reshape(-1, *(1,) * (y.array.ndim - d - 1))
    if x.array.ndim < y.array.ndim:
        x = x.reshape(*(1,) * (y.array.ndim - x.array.ndim), *x.array.shape)
    return _cut(x, d, 1) - _cut(x, d, 0, -1)


def _sampled(r):
    y = normal(r, 3, 4)
    return [
        S(y),
        S(y, dx=0.5),
        S(y, positive(r, 4).cumsum()),
        S(y, x=positive(r, 3).cumsum(), dim=0),
        S(y, positive(r, 3, 4).cumsum(1), dim=-1),
        S(normal(r, 2, 3, 4), positive(r, 3, 4).cumsum(0), dim=1),
        S(np.array([1, 2, 4])),
        S(normal(r, 3, 1)),
    ]


def _trapezoid_errors(r):
    return [
        E(RuntimeError, "one `x` value for each sample point", normal(r, 3), normal(r, 2)),
        E(RuntimeError, "bool is not supported", np.array([True, False])),
        E(IndexError, "Dimension", normal(r, 3), dim=1),
        E(IndexError, "Dimension", normal(r)),
        E(TypeError, "invalid combination of arguments", normal(r, 3), normal(r, 3), dx=1.0),
    ]


def _np_areas(y, x=None, *, dx=None, dim=-1):
    """The areas with ``dim`` moved to the end."""
    y = np.moveaxis(y, dim, -1)
    widths = 1.0 if dx is None else dx
    if x is not None:
        widths = np.diff(x if x.ndim == 1 else np.moveaxis(np.broadcast_to(x, np.moveaxis(y, -1, dim).shape), dim, -1))
    return (y[..., 1:] + y[..., :-1]) / 2 * widths


@function(
    "trapezoid trapz",
    spaces="torch",
    formula=r"y = \sum_i (x_{i+1} - x_i)\,\frac{y_i + y_{i+1}}{2}",
    samples=_sampled,
    errors=_trapezoid_errors,
    reference=lambda *args, **kwargs: _np_areas(*args, **kwargs).sum(-1),
)
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integral along ``dim`` of a function with the values ``y``, by the trapezoidal rule.

    Args:
        y: tensor of values.
        x: where they were taken: one number per point along ``dim``, or a tensor that broadcasts with ``y``.
        dx: the distance of neighbouring points, 1 unless given; not together with ``x``.
        dim: the dimension that is integrated over.

    >>> import minigrad
    >>> minigrad.trapezoid(minigrad.tensor([1.0, 2.0, 4.0]), dx=2)
    tensor(9.)
    """
    areas, d = _areas("trapezoid", y, x, dx, dim)
    return areas.sum(d) / 2


@function(
    "cumulative_trapezoid",
    spaces="torch",
    formula=r"y_k = \sum_{i \le k} (x_{i+1} - x_i)\,\frac{y_i + y_{i+1}}{2}",
    samples=_sampled,
    errors=_trapezoid_errors,
    reference=lambda *args, dim=-1, **kwargs: np.moveaxis(_np_areas(*args, dim=dim, **kwargs).cumsum(-1), -1, dim),
)
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integrals up to each point after the first along ``dim``. Arguments as :func:`minigrad.trapezoid`.

    >>> import minigrad
    >>> minigrad.cumulative_trapezoid(minigrad.tensor([1.0, 2.0, 4.0]))
    tensor([1.5000, 4.5000])
    """
    areas, d = _areas("cumulative_trapezoid", y, x, dx, dim)
    return areas.cumsum(d) / 2


# ----------------------------------------------------------------------------------------------------------- finite differences
def _np_gradient(x, *, spacing=1, dim=None, edge_order=1):
    dims = range(x.ndim) if dim is None else dim
    one = isinstance(dims, int)
    steps = spacing if isinstance(spacing, tuple | list) else [spacing] * (1 if one else len(dims))
    out = np.gradient(x, *steps, axis=dims if one else tuple(dims), edge_order=edge_order)
    return list(out) if isinstance(out, tuple | list) else [out]


def _gradient_samples(r):
    x = normal(r, 3, 4)
    return [
        S(x),
        S(x, spacing=2.0),
        S(x, spacing=[2.0, 0.5], edge_order=2),
        S(x, dim=1),
        S(x, dim=(1, 0), spacing=(0.5, 2.0)),
        S(x, spacing=(np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.5, 2.0, 2.5]))),
        S(x, spacing=(np.array([0.0, 1.0, 3.0, 3.5]),), dim=-1, edge_order=2),
        S(np.array([1, 2, 4, 8])),
    ]


@function(
    "gradient",
    spaces="torch",
    formula=r"y_i = (x_{i+1} - x_{i-1}) / 2h",
    samples=_gradient_samples,
    errors=lambda r: [
        E(RuntimeError, "at least edge_order", normal(r, 1)),
        E(RuntimeError, "only supports edge_order", normal(r, 4), edge_order=3),
        E(RuntimeError, "expected spacing to be", normal(r, 2, 2), spacing=[2.0]),
        E(RuntimeError, "appears multiple times", normal(r, 2, 2), dim=(0, 0)),
        E(RuntimeError, "does not support uint8", np.array([1, 2, 3], np.uint8)),
        E(IndexError, "out of range", normal(r, 3), dim=1),
        E(TypeError, "spacing", normal(r, 3), spacing=np.array([1.0, 2.0, 3.0])),
    ],
    reference=_np_gradient,
)
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """The derivative of a sampled function along each of several dimensions: central differences, one-sided at the edges.

    Args:
        input: the values of the function.
        spacing: the distance of neighbouring points, or one per dimension, or one tensor of coordinates per dimension.
        dim: the dimension or dimensions; all of them unless given.
        edge_order: 1 or 2, the order of the differences at the edges.

    Returns:
        A tuple with one tensor per dimension.

    Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", 1988.

    >>> import minigrad
    >>> minigrad.gradient(minigrad.tensor([1.0, 2.0, 4.0, 8.0]))
    (tensor([1.0000, 1.5000, 3.0000, 4.0000]),)
    """
    dims, steps = _dims_and_steps(input, 1 if spacing is None else spacing, dim)
    if input.array.dtype == np.uint8:
        raise DtypeError("gradient does not support uint8 input; convert it with .int()")
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    if any(input.array.shape[d] < edge_order + 1 for d in dims):
        raise ShapeError(f"gradient expected each dimension size to be at least edge_order+1, got {tuple(input.array.shape)}")
    along = [_on_a_grid if isinstance(s, Tensor) else _evenly_spaced for s in steps]
    return tuple([f(input, s, d, edge_order) for f, s, d in zip(along, steps, dims)])


def _dims_and_steps(input, spacing, dim):
    if isinstance(spacing, Tensor):
        raise TypeError("gradient(): spacing must be a number or a sequence; write spacing=(coordinates,)")
    ndim = input.array.ndim
    given = range(ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [positive_dim("gradient", d, ndim) for d in given]
    twice = next((d for d in dims if dims.count(d) > 1), None)
    if twice is not None:
        raise ShapeError(f"dim {twice} appears multiple times in the list of dims {tuple(given)}")
    steps = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise ShapeError(
            f"gradient expected spacing to be unspecified, a scalar, or a list with one entry per dimension ({len(dims)}), "
            f"but got {len(steps)}"
        )
    return dims, steps


def _evenly_spaced(x, h, d, edge_order):
    at = lambda start, stop=None: _cut(x, d, start, stop)
    inner = (at(2) - at(0, -2)) / (2 * h)
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / h, (at(-1) - at(-2, -1)) / h
    else:
        first = (at(0, 1) * -1.5 + at(1, 2) * 2.0 - at(2, 3) * 0.5) / h
        last = (at(-1) * 1.5 - at(-2, -1) * 2.0 + at(-3, -2) * 0.5) / h
    return _joined(first, inner, last, d)


def _on_a_grid(x, coordinates, d, edge_order):
    """By the parabola through three neighbours; ``h`` and ``k`` are the distances before and after the middle one."""
    at = lambda start, stop=None: _cut(x, d, start, stop)
    if coordinates.array.shape != (x.array.shape[d],):
        raise ShapeError(
            f"gradient expected one coordinate per point: {tuple(coordinates.array.shape)} for {x.array.shape[d]} points"
        )
    step = (coordinates[1:] - coordinates[:-1]).reshape(-1, *(1,) * (x.array.ndim - d - 1))
    h, k = step[:-1], step[1:]
    inner = at(0, -2) * (-k / (h * (h + k))) + at(1, -1) * ((k - h) / (h * k)) + at(2) * (h / (k * (h + k)))
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / step[:1], (at(-1) - at(-2, -1)) / step[-1:]
        return _joined(first, inner, last, d)
    h, k = step[:1], step[1:2]
    first = at(0, 1) * (-(2 * h + k) / (h * (h + k))) + at(1, 2) * ((h + k) / (h * k)) - at(2, 3) * (h / (k * (h + k)))
    h, k = step[-2:-1], step[-1:]
    last = at(-3, -2) * (k / (h * (h + k))) - at(-2, -1) * ((h + k) / (h * k)) + at(-1) * ((2 * k + h) / (k * (h + k)))
    return _joined(first, inner, last, d)


def _joined(first, inner, last, d):
    from .joining import cat

    return cat([first, inner, last], d)
