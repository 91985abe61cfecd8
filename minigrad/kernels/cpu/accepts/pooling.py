"""Pooling of images, sequences and volumes, both ways."""

from . import INT64, floats, kernel

ELEMENTS = 2**7
LARGEST = 2**31  # pixels of a channel: places are counted in 32 bits


def _pooling(x, **_):
    return floats(x) and 3 <= x.ndim <= 5 and x.size >= ELEMENTS and x.size < LARGEST


def _max_unpool_add(g, indices, *, size):
    return _pooling(g) and indices.dtype == INT64 and indices.shape == g.shape and len(size) == g.ndim - 2


KERNELS = {
    "max_pool2d": kernel("pooling:max_pool2d", _pooling),
    "max_unpool_add": kernel("pooling:max_unpool_add", _max_unpool_add),
    "avg_pool2d": kernel("pooling:avg_pool2d", _pooling),
    "avg_pool2d_dx": kernel("pooling:avg_pool2d_dx", _pooling),
}
