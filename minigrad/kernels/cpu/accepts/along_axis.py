"""Elements read, and added, at places along one axis."""

from . import ELEMENTS, FLOATS, INT64, kernel


def _take(x, indices, *, axis):
    axis %= x.ndim
    return _fits(x, indices, axis, x.shape) and 0 not in x.shape


def _scatter(v, indices, *, axis, shape):
    axis %= v.ndim
    return _fits(v, indices, axis, shape) and v.shape == indices.shape and 0 not in shape


def _add(x, v, indices, *, axis):
    return x.dtype == v.dtype and _scatter(v, indices, axis=axis, shape=x.shape)


def _fits(x, indices, axis, shape):
    return (
        x.dtype in FLOATS
        and indices.dtype == INT64
        and indices.size >= ELEMENTS
        and len(indices.shape) == len(shape)
        and all(n == m for d, (n, m) in enumerate(zip(indices.shape, shape, strict=True)) if d != axis)
    )


KERNELS = {
    "take_along_axis": kernel("along_axis:take_along_axis", _take),
    "scatter_along_axis": kernel("along_axis:scatter_along_axis", _scatter),
    "add_along_axis": kernel("along_axis:add_along_axis", _add),
}
