"""Sums, products and extremes over the last axes, and cumulated sums and products."""

from . import CHEAP_ELEMENTS, ELEMENTS, FLOATS, kernel


def kept_axes(x, axis):
    """How many leading axes stay where the last ones are reduced (``axis``: None, an int or a tuple), or None."""
    axes = range(x.ndim) if axis is None else {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    kept = x.ndim - len(axes)
    return kept if all(a >= kept for a in axes) else None


def _last_axes(x, *, axis=None, keepdims=False):
    return x.dtype in FLOATS and x.size >= CHEAP_ELEMENTS and x.flags.c_contiguous and kept_axes(x, axis) is not None


def _extreme(x, *, axis=None, keepdims=False):
    """NumPy is as quick with float64."""
    return x.itemsize == 4 and _last_axes(x, axis=axis)


def _cumulative(x, *, axis):
    return x.dtype in FLOATS and x.size >= ELEMENTS and x.ndim > 0


def _prod_dx(g, x):
    return x.dtype in FLOATS and g.dtype == x.dtype and x.size >= ELEMENTS and x.ndim > 0 and g.shape == (*x.shape[:-1], 1)


def _cumprod_dx(g, x, *, axis):
    return _cumulative(x, axis=axis) and g.dtype == x.dtype and g.shape == x.shape and axis % x.ndim == x.ndim - 1


KERNELS = {
    "sum": kernel("reductions:total", _last_axes),
    "prod": kernel("reductions:product", _last_axes),
    "prod_dx": kernel("reductions:prod_dx", _prod_dx),
    "max": kernel("reductions:largest", _extreme),
    "min": kernel("reductions:smallest", _extreme),
    "cumsum": kernel("reductions:cumsum", _cumulative),
    "cumprod": kernel("reductions:cumprod", _cumulative),
    "cumprod_dx": kernel("reductions:cumprod_dx", _cumprod_dx),
}
