"""batch_norm with the statistics of the batch.

Shapes: images x (N, C, S) with S pixels, a plane (S,) at a time; tables x (N, C), a row at a time. What belongs to a
channel (C,).
"""

import numpy as np

from .jit import jit


def batch_norm(x, weight, bias, *, eps):
    """(y, mean, biased variance); nothing more is needed backward."""
    x, weight, bias = np.ascontiguousarray(x), _or_full(weight, x, 1), _or_full(bias, x, 0)
    y, mean, variance = np.empty_like(x), np.empty_like(weight), np.empty_like(weight)
    statistics, affine = (_table_statistics, _table_affine) if x.ndim == 2 else (_statistics, _affine)
    statistics(_planes(x), mean, variance)
    scale = weight / np.sqrt(variance + eps)
    affine(_planes(x), mean, scale, bias, _planes(y))
    return (y, mean, variance), None


def batch_norm_backward(g, saved, residual, needed, *, eps):
    """(dx, dweight, dbias). The outputs mean and variance may have gradients of their own.

    With h = (x - mean) * rstd and M values a channel,
    dx = weight * rstd * (g - mean(g) - h * mean(g * h)) + gmean / M + gvar * 2 * (x - mean) / M,
    which is g * scale + (x - mean) * slope + offset with three numbers for each channel.
    """
    x = np.ascontiguousarray(saved["x"])
    weight = _or_full(saved["weight"], x, 1)
    _, mean, variance = map(np.ascontiguousarray, saved["y"])
    gy = np.zeros_like(x) if g[0] is None else np.ascontiguousarray(g[0])
    sums, combine = (_table_sums, _table_combine) if x.ndim == 2 else (_sums, _combine)
    total, product, dx = np.empty_like(mean), np.empty_like(mean), np.empty_like(x)
    sums(_planes(x), _planes(gy), mean, total, product)  # sum(g), sum(g * (x - mean))
    rstd = 1 / np.sqrt(variance + eps)
    dweight, dbias = product * rstd, total
    count = x.size // mean.size
    scale = weight * rstd
    slope, offset = -scale * rstd * dweight / count, -scale * total / count
    if g[1] is not None:
        offset = offset + g[1] / count
    if g[2] is not None:
        slope = slope + 2 / count * g[2]
    combine(_planes(x), _planes(gy), mean, scale, slope, offset, _planes(dx))
    return tuple(part if wanted else None for part, wanted in zip((dx, dweight, dbias), needed, strict=True))


def _or_full(parameter, x, value):
    """A parameter of each channel, or what stands for one that is None."""
    return np.full(x.shape[1], value, x.dtype) if parameter is None else np.ascontiguousarray(parameter)


def _planes(x):
    """(N, C, ...) -> (N, C, S), and a table (N, C) as it is."""
    return x if x.ndim == 2 else x.reshape(*x.shape[:2], -1)


@jit(sums=True)
def _statistics(x, mean, variance):
    samples, channels, pixels = x.shape
    zero, count = x.dtype.type(0), x.dtype.type(samples * pixels)
    for c in range(channels):
        total, squares = zero, zero
        for n in range(samples):
            plane = x[n, c]
            part = zero  # a sum for each plane keeps the rounding error down
            for i in range(pixels):
                part += plane[i]
            total += part
        center = total / count
        for n in range(samples):
            plane = x[n, c]
            part = zero
            for i in range(pixels):
                part += (plane[i] - center) * (plane[i] - center)
            squares += part
        mean[c], variance[c] = center, squares / count


@jit
def _affine(x, mean, scale, bias, y):
    """y = (x - mean) * scale + bias"""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane, result, center, factor, shift = x[n, c], y[n, c], mean[c], scale[c], bias[c]
            for i in range(plane.size):
                result[i] = (plane[i] - center) * factor + shift


@jit(sums=True)
def _sums(x, g, mean, total, product):
    samples, channels, pixels = x.shape
    zero = x.dtype.type(0)
    for c in range(channels):
        total[c], product[c] = zero, zero
        for n in range(samples):
            plane, gradient, center = x[n, c], g[n, c], mean[c]
            part, weighted = zero, zero
            for i in range(pixels):
                part += gradient[i]
                weighted += gradient[i] * (plane[i] - center)
            total[c] += part
            product[c] += weighted


@jit
def _combine(x, g, mean, scale, slope, offset, dx):
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane, gradient, result = x[n, c], g[n, c], dx[n, c]
            center, a, b, d = mean[c], scale[c], slope[c], offset[c]
            for i in range(plane.size):
                result[i] = gradient[i] * a + (plane[i] - center) * b + d


@jit
def _table_statistics(x, mean, variance):
    samples, channels = x.shape
    count = x.dtype.type(samples)
    mean[:] = 0
    variance[:] = 0
    for n in range(samples):
        row = x[n]
        for c in range(channels):
            mean[c] += row[c]
    for c in range(channels):
        mean[c] /= count
    for n in range(samples):
        row = x[n]
        for c in range(channels):
            variance[c] += (row[c] - mean[c]) * (row[c] - mean[c])
    for c in range(channels):
        variance[c] /= count


@jit
def _table_affine(x, mean, scale, bias, y):
    for n in range(x.shape[0]):
        row, result = x[n], y[n]
        for c in range(row.size):
            result[c] = (row[c] - mean[c]) * scale[c] + bias[c]


@jit
def _table_sums(x, g, mean, total, product):
    total[:] = 0
    product[:] = 0
    for n in range(x.shape[0]):
        row, gradient = x[n], g[n]
        for c in range(row.size):
            total[c] += gradient[c]
            product[c] += gradient[c] * (row[c] - mean[c])


@jit
def _table_combine(x, g, mean, scale, slope, offset, dx):
    for n in range(x.shape[0]):
        row, gradient, result = x[n], g[n], dx[n]
        for c in range(row.size):
            result[c] = gradient[c] * scale[c] + (row[c] - mean[c]) * slope[c] + offset[c]
