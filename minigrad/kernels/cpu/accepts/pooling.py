"""Pooling of images, both ways."""

from . import ELEMENTS, INT64, are_images, kernel


def _pooling(x, **_):
    return are_images(x) and x.size >= ELEMENTS


def _max_unpool_add(g, indices, *, size):
    return are_images(g) and indices.dtype == INT64 and indices.shape == g.shape and g.size >= ELEMENTS


KERNELS = {
    "max_pool2d": kernel("pooling:max_pool2d", _pooling),
    "max_unpool_add": kernel("pooling:max_unpool_add", _max_unpool_add),
    "avg_pool2d": kernel("pooling:avg_pool2d", _pooling),
    "avg_pool2d_dx": kernel("pooling:avg_pool2d_dx", _pooling),
}
