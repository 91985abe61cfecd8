"""group_norm: a group of channels of one sample lies in one piece of memory, and stays in cache.

Wu and He, "Group normalization", ECCV 2018.

Shapes: x (N, C, S) with S pixels; groups (N, G); weight, bias (C,).
"""

import numpy as np

from .batch_norm import combine_planes, or_full, plane_sum, plane_sums, planes_of, scale_plane, squares_around
from .jit import jit
from .threads import split, split_sums


def group_norm(x, weight=None, bias=None, *, groups, eps):
    """y and, for the backward pass, the mean and 1 / deviation of each group."""
    x, weight, bias = np.ascontiguousarray(x), or_full(weight, x, 1), or_full(bias, x, 0)
    y, mean, rstd = np.empty_like(x), np.empty((len(x), groups), x.dtype), np.empty((len(x), groups), x.dtype)
    planes, results, eps = planes_of(x), planes_of(y), x.dtype.type(eps)
    split(
        lambda lo, hi: group_norm_forward(planes[lo:hi], weight, bias, eps, results[lo:hi], mean[lo:hi], rstd[lo:hi]),
        len(x), 2 * x.size,
    )  # fmt: skip
    return y, (mean, rstd)


def group_norm_backward(g, saved, residual, needed, *, groups, eps):
    """(dx, dweight, dbias)"""
    x, g = np.ascontiguousarray(saved["x"]), np.ascontiguousarray(g)
    weight = or_full(saved["weight"], x, 1)
    dx = np.empty_like(x)
    planes, gradients, results, (mean, rstd) = planes_of(x), planes_of(g), planes_of(dx), residual

    def some(lo, hi, dweight, dbias):
        given = planes[lo:hi], weight, gradients[lo:hi], mean[lo:hi], rstd[lo:hi]
        group_norm_gradients(*given, results[lo:hi], dweight, dbias)

    dweight, dbias = split_sums(some, len(x), 3 * x.size, weight, weight)
    return tuple(part if wanted else None for part, wanted in zip((dx, dweight, dbias), needed, strict=True))


@jit
def group_norm_forward(x, weight, bias, eps, y, mean, rstd):
    samples, channels, pixels = x.shape
    each = channels // mean.shape[1]
    one, count = x.dtype.type(1), x.dtype.type(each * pixels)
    for n in range(samples):
        for k in range(mean.shape[1]):
            group = x[n, k * each : (k + 1) * each].reshape(-1)
            center = plane_sum(group) / count
            mean[n, k], rstd[n, k] = center, one / np.sqrt(squares_around(group, center) / count + eps)
            for c in range(k * each, (k + 1) * each):
                scale_plane(x[n, c], center, weight[c] * rstd[n, k], bias[c], y[n, c])


@jit
def group_norm_gradients(x, weight, g, mean, rstd, dx, dweight, dbias):
    """dx; and what these samples give is added to dweight and dbias.

    As for batch_norm, dx = g * scale + (x - mean) * slope + offset, with the sums over a group weighted by channel.
    """
    samples, channels, pixels = x.shape
    each = channels // mean.shape[1]
    count = x.dtype.type(each * pixels)
    for n in range(samples):
        for k in range(mean.shape[1]):
            total, product, center, r = x.dtype.type(0), x.dtype.type(0), mean[n, k], rstd[n, k]
            for c in range(k * each, (k + 1) * each):
                part, weighted = plane_sums(x[n, c], g[n, c], center)
                dbias[c] += part
                dweight[c] += weighted * r
                total += weight[c] * part
                product += weight[c] * weighted
            slope, offset = -product * r * r * r / count, -total * r / count
            for c in range(k * each, (k + 1) * each):
                combine_planes(x[n, c], g[n, c], center, weight[c] * r, slope, offset, dx[n, c])
