"""batch_norm, with the statistics of the batch and with running ones.

Ioffe and Szegedy, "Batch normalization", ICML 2015.

Shapes: images x (N, C, S) with S pixels, a plane (S,) at a time; tables x (N, C), a row at a time. What belongs to a
channel (C,). The loops over images take the channels ``first`` to ``last``, which may be a part of them.
"""

import numpy as np

from .jit import jit
from .threads import split, split_sums


def batch_norm(x, weight=None, bias=None, *, eps):
    """(y, mean, biased variance); nothing more is needed backward."""
    x, weight, bias = np.ascontiguousarray(x), or_full(weight, x, 1), or_full(bias, x, 0)
    y, mean, variance = np.empty_like(x), np.empty_like(weight), np.empty_like(weight)
    eps = x.dtype.type(eps)
    if x.ndim == 2:
        table_norm_forward(x, weight, bias, eps, y, mean, variance)
    else:
        given, written = (planes_of(x), weight, bias, eps), (planes_of(y), mean, variance)
        split(lambda first, last: batch_norm_forward(*given, first, last, *written), len(mean), 2 * x.size)
    return (y, mean, variance), None


def batch_norm_backward(g, saved, residual, needed, *, eps):
    """(dx, dweight, dbias). The outputs mean and variance may have gradients of their own."""
    x = np.ascontiguousarray(saved["x"])
    weight, _, mean, variance = or_full(saved["weight"], x, 1), *saved["y"]
    gy = np.zeros_like(x) if g[0] is None else np.ascontiguousarray(g[0])
    gmean, gvariance = (np.zeros_like(weight) if part is None else np.ascontiguousarray(part) for part in g[1:])
    of_channels = weight, np.ascontiguousarray(mean), np.ascontiguousarray(variance), gmean, gvariance, x.dtype.type(eps)
    dx, dweight, dbias = np.empty_like(x), np.empty_like(weight), np.empty_like(weight)
    if x.ndim == 2:
        table_norm_gradients(x, gy, *of_channels, dx, dweight, dbias)
    else:
        given, written = (planes_of(x), planes_of(gy), *of_channels), (planes_of(dx), dweight, dbias)
        split(lambda first, last: batch_norm_gradients(*given, first, last, *written), len(weight), 3 * x.size)
    return tuple(part if wanted else None for part, wanted in zip((dx, dweight, dbias), needed, strict=True))


def batch_norm_eval(x, mean, variance, weight=None, bias=None, *, eps):
    """y, with given statistics; nothing more is needed backward."""
    x = np.ascontiguousarray(x)
    y, of_channels = np.empty_like(x), _of_channels(x, mean, variance, weight, bias)
    planes, results, eps = planes_of(x), planes_of(y), x.dtype.type(eps)
    split(lambda lo, hi: norm_eval_forward(planes[lo:hi], *of_channels, eps, results[lo:hi]), len(x), x.size)
    return y, ()


def batch_norm_eval_backward(g, saved, residual, needed, *, eps):
    """(dx, dmean, dvariance, dweight, dbias)"""
    x, g = np.ascontiguousarray(saved["x"]), np.ascontiguousarray(g)
    mean, variance, weight, _ = _of_channels(x, saved["mean"], saved["variance"], saved["weight"], None)
    dx = np.empty_like(x)
    planes, gradients, results = planes_of(x), planes_of(g), planes_of(dx)
    of_channels = mean, variance, weight, x.dtype.type(eps)
    total, product = split_sums(
        lambda lo, hi, *sums: norm_eval_gradients(planes[lo:hi], gradients[lo:hi], *of_channels, results[lo:hi], *sums),
        len(x), 2 * x.size, mean, mean,
    )  # fmt: skip
    if not any(needed[1:]):
        return dx, None, None, None, None
    rstd = 1 / np.sqrt(variance + x.dtype.type(eps))
    slope = product * rstd
    found = dx, -weight * rstd * total, slope * weight * rstd * rstd * -0.5, slope, total
    return tuple(part if wanted else None for part, wanted in zip(found, needed, strict=True))


def _of_channels(x, mean, variance, weight, bias):
    return np.ascontiguousarray(mean), np.ascontiguousarray(variance), or_full(weight, x, 1), or_full(bias, x, 0)


def or_full(parameter, x, value):
    """A parameter of each channel, or what stands for one that is None."""
    return np.full(x.shape[1], value, x.dtype) if parameter is None else np.ascontiguousarray(parameter)


def planes_of(x):
    """(N, C, ...) -> (N, C, S)"""
    return x.reshape(*x.shape[:2], -1)


# -------------------------------------------------------------------------------------------------------- planes of images
@jit
def batch_norm_forward(x, weight, bias, eps, first, last, y, mean, variance):
    """y, mean and variance. Mean and squares of the planes are combined as in Chan, Golub and LeVeque, "Updating formulae and
    a pairwise algorithm for computing sample variances", 1979, so the numbers of the batch are read once for both.
    """
    samples, _, pixels = x.shape
    one, size = x.dtype.type(1), x.dtype.type(pixels)
    mean[first:last] = 0
    variance[first:last] = 0
    for n in range(samples):
        share, weighted = one / x.dtype.type(n + 1), x.dtype.type(n) / x.dtype.type(n + 1) * size
        for c in range(first, last):
            center = plane_sum(x[n, c]) / size
            apart = center - mean[c]
            mean[c] += apart * share
            variance[c] += squares_around(x[n, c], center) + apart * apart * weighted
    scales = np.empty_like(mean)
    for c in range(first, last):
        variance[c] /= size * x.dtype.type(samples)
        scales[c] = weight[c] / np.sqrt(variance[c] + eps)
    for n in range(samples):
        for c in range(first, last):
            scale_plane(x[n, c], mean[c], scales[c], bias[c], y[n, c])


@jit
def batch_norm_gradients(x, g, weight, mean, variance, gmean, gvariance, eps, first, last, dx, dweight, dbias):
    """With h = (x - mean) * rstd and M values a channel,
    dx = weight * rstd * (g - mean(g) - h * mean(g * h)) + gmean / M + gvariance * 2 * (x - mean) / M,
    which is g * scale + (x - mean) * slope + offset with three numbers for each channel.
    """
    samples, _, pixels = x.shape
    one, two, count = x.dtype.type(1), x.dtype.type(2), x.dtype.type(samples * pixels)
    scales, slopes, offsets = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    dweight[first:last] = 0
    dbias[first:last] = 0
    for n in range(samples):
        for c in range(first, last):
            part, weighted = plane_sums(x[n, c], g[n, c], mean[c])
            dbias[c] += part
            dweight[c] += weighted
    for c in range(first, last):
        rstd = one / np.sqrt(variance[c] + eps)
        dweight[c] *= rstd
        scales[c] = weight[c] * rstd
        slopes[c] = (two * gvariance[c] - scales[c] * rstd * dweight[c]) / count
        offsets[c] = (gmean[c] - scales[c] * dbias[c]) / count
    for n in range(samples):
        for c in range(first, last):
            combine_planes(x[n, c], g[n, c], mean[c], scales[c], slopes[c], offsets[c], dx[n, c])


@jit
def norm_eval_forward(x, mean, variance, weight, bias, eps, y):
    """x (N, C, S)"""
    samples, channels, pixels = x.shape
    scales, shifts = np.empty_like(mean), np.empty_like(mean)
    for c in range(channels):
        scales[c] = weight[c] / np.sqrt(variance[c] + eps)
        shifts[c] = bias[c] - mean[c] * scales[c]
    for n in range(samples):
        if pixels == 1:
            row, result = x[n].reshape(-1), y[n].reshape(-1)
            for c in range(channels):
                result[c] = row[c] * scales[c] + shifts[c]
        else:
            for c in range(channels):
                plane, result, scale, shift = x[n, c], y[n, c], scales[c], shifts[c]
                for i in range(plane.size):
                    result[i] = plane[i] * scale + shift


@jit(sums=True)
def norm_eval_gradients(x, g, mean, variance, weight, eps, dx, total, product):
    """dx = g * weight / sqrt(variance + eps); sum(g) and sum(g * (x - mean)) of these samples are added to ``total`` and
    ``product``."""
    samples, channels, pixels = x.shape
    scales = np.empty_like(mean)
    for c in range(channels):
        scales[c] = weight[c] / np.sqrt(variance[c] + eps)
    for n in range(samples):
        if pixels == 1:
            row, gradient, result = x[n].reshape(-1), g[n].reshape(-1), dx[n].reshape(-1)
            for c in range(channels):
                total[c] += gradient[c]
                product[c] += gradient[c] * (row[c] - mean[c])
                result[c] = gradient[c] * scales[c]
        else:
            for c in range(channels):
                gradient, result, scale = g[n, c], dx[n, c], scales[c]
                part, weighted = plane_sums(x[n, c], gradient, mean[c])
                total[c] += part
                product[c] += weighted
                for i in range(gradient.size):
                    result[i] = gradient[i] * scale


@jit(sums=True, inline=True)
def plane_sum(plane):
    total = plane.dtype.type(0)
    for i in range(plane.size):
        total += plane[i]
    return total


@jit(sums=True, inline=True)
def squares_around(plane, center):
    squares = plane.dtype.type(0)
    for i in range(plane.size):
        squares += (plane[i] - center) * (plane[i] - center)
    return squares


@jit(sums=True, inline=True)
def plane_sums(plane, gradient, center):
    """sum(g), sum(g * (x - center))"""
    total, product = plane.dtype.type(0), plane.dtype.type(0)
    for i in range(plane.size):
        total += gradient[i]
        product += gradient[i] * (plane[i] - center)
    return total, product


@jit(inline=True)
def scale_plane(plane, center, scale, shift, result):
    for i in range(plane.size):
        result[i] = (plane[i] - center) * scale + shift


@jit(inline=True)
def combine_planes(plane, gradient, center, scale, slope, offset, result):
    for i in range(plane.size):
        result[i] = gradient[i] * scale + (plane[i] - center) * slope + offset


# ---------------------------------------------------------------------------------------------------------- rows of a table
@jit
def table_norm_forward(x, weight, bias, eps, y, mean, variance):
    samples, channels = x.shape
    one, count = x.dtype.type(1), x.dtype.type(samples)
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
    scale = np.empty_like(mean)
    for c in range(channels):
        variance[c] /= count
        scale[c] = weight[c] * (one / np.sqrt(variance[c] + eps))
    for n in range(samples):
        row, result = x[n], y[n]
        for c in range(channels):
            result[c] = (row[c] - mean[c]) * scale[c] + bias[c]


@jit
def table_norm_gradients(x, g, weight, mean, variance, gmean, gvariance, eps, dx, dweight, dbias):
    samples, channels = x.shape
    one, two, count = x.dtype.type(1), x.dtype.type(2), x.dtype.type(samples)
    scale, slope, offset = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    dweight[:] = 0
    dbias[:] = 0
    for n in range(samples):
        row, gradient = x[n], g[n]
        for c in range(channels):
            dbias[c] += gradient[c]
            dweight[c] += gradient[c] * (row[c] - mean[c])
    for c in range(channels):
        rstd = one / np.sqrt(variance[c] + eps)
        dweight[c] *= rstd
        scale[c] = weight[c] * rstd
        slope[c] = (two * gvariance[c] - scale[c] * rstd * dweight[c]) / count
        offset[c] = (gmean[c] - scale[c] * dbias[c]) / count
    for n in range(samples):
        row, gradient, result = x[n], g[n], dx[n]
        for c in range(channels):
            result[c] = gradient[c] * scale[c] + (row[c] - mean[c]) * slope[c] + offset[c]
