"""layer_norm over the last axis, forward and backward in one pass each over rows that stay in cache.

Shapes: x, y, gradients (R, C) with C the normalised axis; weight, bias (C,); mean, rstd (..., 1), inside the loops
(R,).
"""

import numpy as np

from .jit import jit

CHUNK = 64  # rows summed before they are added to dweight and dbias: keeps the rounding error of long batches down


def layer_norm(x, weight, bias, *, eps):
    """(y, mean, rstd); nothing more is needed backward."""
    x, weight, bias = map(np.ascontiguousarray, (x, weight, bias))
    y = np.empty_like(x)
    mean, rstd = np.empty((*x.shape[:-1], 1), x.dtype), np.empty((*x.shape[:-1], 1), x.dtype)
    _forward(_rows(x), weight, bias, x.dtype.type(eps), _rows(y), mean.reshape(-1), rstd.reshape(-1))
    return (y, mean, rstd), None


def layer_norm_backward(g, saved, residual, needed, *, eps):
    """(dx, dweight, dbias). The outputs mean and rstd may have gradients of their own."""
    x, weight = np.ascontiguousarray(saved["x"]), np.ascontiguousarray(saved["weight"])
    _, mean, rstd = saved["y"]
    gy = np.zeros_like(x) if g[0] is None else np.ascontiguousarray(g[0])
    gmean, grstd = (np.zeros_like(mean) if part is None else part for part in g[1:])
    dx, dweight, dbias = np.empty_like(x), np.zeros_like(weight), np.zeros_like(weight)
    columns = [np.ascontiguousarray(column).reshape(-1) for column in (mean, rstd, gmean, grstd)]
    _backward(_rows(x), weight, _rows(gy), *columns, _rows(dx), dweight, dbias)
    return tuple(part if wanted else None for part, wanted in zip((dx, dweight, dbias), needed, strict=True))


def _rows(x):
    return x.reshape(-1, x.shape[-1])


@jit(sums=True)
def _forward(x, weight, bias, eps, y, means, rstds):
    rows, columns = x.shape
    zero, one, count = x.dtype.type(0), x.dtype.type(1), x.dtype.type(columns)
    for i in range(rows):
        row, result = x[i], y[i]
        total, squares = zero, zero
        for j in range(columns):
            total += row[j]
        mean = total / count
        for j in range(columns):
            squares += (row[j] - mean) * (row[j] - mean)
        rstd = one / np.sqrt(squares / count + eps)
        for j in range(columns):
            result[j] = (row[j] - mean) * rstd * weight[j] + bias[j]
        means[i], rstds[i] = mean, rstd


@jit(sums=True)
def _backward(x, weight, g, means, rstds, gmeans, grstds, dx, dweight, dbias):
    """With h = (x - mean) * rstd and t = g * weight, per row,

    dx = rstd * (t - mean(t) - h * mean(t * h)) + gmean / C - grstd * rstd**2 * h / C,

    the last two being the derivatives of mean and rstd by x.
    """
    rows, columns = x.shape
    zero, count = x.dtype.type(0), x.dtype.type(columns)
    dweight_chunk, dbias_chunk = np.zeros_like(dweight), np.zeros_like(dbias)
    for i in range(rows):
        row, gradient, result, mean, rstd = x[i], g[i], dx[i], means[i], rstds[i]
        total, product = zero, zero
        for j in range(columns):
            h = (row[j] - mean) * rstd
            t = gradient[j] * weight[j]
            dweight_chunk[j] += gradient[j] * h
            dbias_chunk[j] += gradient[j]
            total += t
            product += t * h
        offset = (gmeans[i] - rstd * total) / count
        slope = (rstd * product + grstds[i] * rstd * rstd) / count
        for j in range(columns):
            h = (row[j] - mean) * rstd
            result[j] = rstd * (gradient[j] * weight[j]) + offset - slope * h
        if (i + 1) % CHUNK == 0 or i == rows - 1:
            _move(dweight_chunk, dweight)
            _move(dbias_chunk, dbias)


@jit(inline=True)
def _move(chunk, total):
    for j in range(total.size):
        total[j] += chunk[j]
        chunk[j] = 0
