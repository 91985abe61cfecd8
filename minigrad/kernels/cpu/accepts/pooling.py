"""Pooling of images, sequences and volumes, both ways."""

from . import INT64, floats, kernel

ELEMENTS = 2**7
LARGEST = 2**31  # pixels of a channel: places are counted in 32 bits


def _pooling(x, **_):
    return floats(x) and 3 <= x.ndim <= 5 and x.size >= ELEMENTS and x.size < LARGEST


def _max_unpool_add(g, indices, *, size):
    return _pooling(g) and indices.dtype == INT64 and indices.shape == g.shape and len(size) == g.ndim - 2


def _avg_pool2d_dx(g, *, out_size, **_):
    return _pooling(g) and g.shape[2:] == tuple(out_size)


def _adaptive_mean(x, *, out_size):
    return _pooling(x) and x.ndim == 4 and min(x.shape[2:]) > 0 and min(out_size) > 0


def _adaptive_mean_dx(g, *, size):
    return _adaptive_mean(g, out_size=size)


KERNELS = {
    "max_pool2d": kernel("pooling:max_pool2d", _pooling),
    "max_unpool_add": kernel("pooling:max_unpool_add", _max_unpool_add),
    "avg_pool2d": kernel("pooling:avg_pool2d", _pooling),
    "avg_pool2d_dx": kernel("pooling:avg_pool2d_dx", _avg_pool2d_dx),
    "adaptive_mean": kernel("pooling:adaptive_mean", _adaptive_mean),
    "adaptive_mean_dx": kernel("pooling:adaptive_mean_dx", _adaptive_mean_dx),
}
