"""layer_norm and rms_norm over the last axis, forward and backward in one pass each over rows that stay in cache.

Ba et al., "Layer normalization", 2016; Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019: the same
without the mean and the bias.

Shapes: x, y, gradients (R, C) with C the normalised axis; weight, bias (C,); mean, rstd (..., 1), inside the loops
(R,).
"""

import numpy as np

from .jit import jit
from .threads import SMALLEST, split, split_sums

CHUNK = 64  # rows summed before they are added to dweight and dbias: keeps the rounding error of long batches down


def layer_norm(x, weight=None, bias=None, *, eps):
    """(y, mean, rstd); nothing more is needed backward."""
    x, weight, bias = np.ascontiguousarray(x), or_full(weight, x, 1), or_full(bias, x, 0)
    y, mean = np.empty_like(x), _column(x)
    rstd = np.empty_like(mean)
    _forward(x, weight, bias, eps, True, y, mean, rstd)
    return (y, mean, rstd), None


def layer_norm_backward(g, saved, residual, needed, *, eps):
    """(dx, dweight, dbias). The outputs mean and rstd may have gradients of their own."""
    gradients = _backward(saved["x"], saved["weight"], *g, *saved["y"][1:])
    return tuple(part if wanted else None for part, wanted in zip(gradients, needed, strict=True))


def rms_norm(x, weight=None, *, eps):
    """(y, 1 / the root mean square); nothing more is needed backward."""
    x, weight = np.ascontiguousarray(x), or_full(weight, x, 1)
    y, mean, rstd = np.empty_like(x), np.empty(x.size // x.shape[-1], x.dtype), _column(x)
    _forward(x, weight, np.zeros_like(weight), eps, False, y, mean, rstd)
    return (y, rstd), None


def rms_norm_backward(g, saved, residual, needed, *, eps):
    """(dx, dweight). The output rstd may have a gradient of its own."""
    gradients = _backward(saved["x"], saved["weight"], g[0], None, g[1], None, saved["y"][1])
    return tuple(part if wanted else None for part, wanted in zip(gradients[:2], needed, strict=True))


def _backward(x, weight, gy, gmean, grstd, mean, rstd):
    """For rms_norm there is no ``mean``."""
    x, weight = np.ascontiguousarray(x), or_full(weight, x, 1)
    gy = np.zeros_like(x) if gy is None else np.ascontiguousarray(gy)
    zeros = None if mean is not None and gmean is not None and grstd is not None else np.zeros(rstd.size, x.dtype)
    columns = [zeros if part is None else np.ascontiguousarray(part).reshape(-1) for part in (mean, rstd, gmean, grstd)]
    dx = np.empty_like(x)
    rows, gradients, results, centered = rows_of(x), rows_of(gy), rows_of(dx), mean is not None

    def some(lo, hi, dweight, dbias):
        of_rows = [column[lo:hi] for column in columns]
        norm_gradients(rows[lo:hi], weight, gradients[lo:hi], *of_rows, centered, results[lo:hi], dweight, dbias)

    return dx, *split_sums(some, len(rows), 3 * x.size, weight, weight)


def _forward(x, weight, bias, eps, centered, y, mean, rstd):
    eps, rows, results, mean, rstd = x.dtype.type(eps), rows_of(x), rows_of(y), mean.reshape(-1), rstd.reshape(-1)
    if x.size < SMALLEST:  # one thread, without ado
        return norm_forward(rows, weight, bias, eps, centered, results, mean, rstd)
    split(
        lambda lo, hi: norm_forward(rows[lo:hi], weight, bias, eps, centered, results[lo:hi], mean[lo:hi], rstd[lo:hi]),
        len(rows),
        2 * x.size,
    )


def or_full(parameter, x, value):
    """A parameter of the last axis, or what stands for one that is None."""
    return np.full(x.shape[-1], value, x.dtype) if parameter is None else np.ascontiguousarray(parameter)


def rows_of(x):
    return x.reshape(-1, x.shape[-1])


def _column(x):
    return np.empty((*x.shape[:-1], 1), x.dtype)


@jit(sums=True)
def norm_forward(x, weight, bias, eps, centered, y, means, rstds):
    """y, means and rstds; without ``centered`` the means are 0."""
    rows, columns = x.shape
    zero, one, count = x.dtype.type(0), x.dtype.type(1), x.dtype.type(columns)
    for i in range(rows):
        row, result = x[i], y[i]
        total, squares = zero, zero
        if centered:
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
def norm_gradients(x, weight, g, means, rstds, gmeans, grstds, centered, dx, dweight, dbias):
    """dx; and what these rows give is added to dweight and dbias.

    With h = (x - mean) * rstd and t = g * weight, per row,

    dx = rstd * (t - mean(t) - h * mean(t * h)) + gmean / C - grstd * rstd**2 * h / C,

    the last two being the derivatives of mean and rstd by x. Without ``centered`` the terms of the mean are left out.
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
        offset = (gmeans[i] - rstd * total) / count if centered else zero
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
