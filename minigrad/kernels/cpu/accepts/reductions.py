"""Sums and extremes over the last axes, and cumulated sums and products."""

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


KERNELS = {
    "sum": kernel("reductions:total", _last_axes),
    "max": kernel("reductions:largest", _extreme),
    "min": kernel("reductions:smallest", _extreme),
    "cumsum": kernel("reductions:cumsum", _cumulative),
    "cumprod": kernel("reductions:cumprod", _cumulative),
}
