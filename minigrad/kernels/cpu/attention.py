"""Scaled dot-product attention in blocks of queries and keys: no array of all scores is ever built.

Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", NeurIPS 2022;
Rabe and Staats, "Self-attention does not need O(n^2) memory", 2021. The scores of a block of queries with a block of keys
come from one matrix product and stay in cache; a row's maximum and sum are corrected when later keys exceed them. Backward
computes the scores again from the saved logarithm of each row's sum.

Shapes: q (H, T, D), k (H, S, D), v (H, S, E), with H counting samples and heads; y (H, T, E), log_sum (H, T). Causal: query i
sees the keys 0 to i, and blocks of keys that no query of a block sees are not touched.
"""

import numpy as np

from .gemm import matmul
from .jit import jit
from .rows import dot, exponential, largest
from .simd import clear
from .threads import SMALLEST, split

QUERIES, KEYS = 64, 512  # of a block; KEYS is a multiple of QUERIES, so each query sees a key of every block that is not skipped


def attention(q, k, v, *, causal, scale):
    """y (..., T, E) and, for the backward pass, it and log_sum."""
    lead = q.shape[:-2]
    q, k, v = map(_heads, (q, k, v))
    y = np.empty((*q.shape[:2], v.shape[2]), q.dtype)
    log_sum = np.empty(q.shape[:2], q.dtype)
    scale, cost = q.dtype.type(scale), _work(q, k)
    if cost < 2 * SMALLEST:  # one thread, without ado
        attention_forward(q, k, v, causal, scale, y, log_sum)
    else:
        given, written = (q, k, v), (y, log_sum)
        split(
            lambda lo, hi: attention_forward(*(a[lo:hi] for a in given), causal, scale, *(a[lo:hi] for a in written)),
            len(q),
            cost,
        )
    return y.reshape(*lead, *y.shape[1:]), (y, log_sum)


def attention_backward(g, saved, residual, needed, *, causal, scale):
    """(dq, dk, dv)."""
    q, k, v = (saved[name] for name in ("q", "k", "v"))
    shapes = q.shape, k.shape, v.shape
    q, k, v, g = map(_heads, (q, k, v, g))
    gradients = np.empty_like(q), np.empty_like(k), np.empty_like(v)
    given, scale = (q, k, v, *residual, g), q.dtype.type(scale)
    split(
        lambda lo, hi: attention_gradients(*(a[lo:hi] for a in given), causal, scale, *(d[lo:hi] for d in gradients)),
        len(q),
        _work(q, k),
    )
    return tuple(d.reshape(shape) if wanted else None for d, shape, wanted in zip(gradients, shapes, needed, strict=True))


def _work(q, k):
    return work(*q.shape[:2], k.shape[1], q.shape[2])


def work(heads, queries, keys, width):
    """What attention costs: the exponential and two products for each weight."""
    return heads * queries * keys * (2 + width // 5)


def _heads(x):
    x = np.ascontiguousarray(x)
    return x if x.ndim == 3 else x.reshape(-1, *x.shape[-2:])


@jit
def attention_forward(q, k, v, causal, scale, y, log_sum):
    """y and log_sum from q, k and v."""
    heads, queries, width = q.shape
    keys, depth = v.shape[1:]
    zero, one = q.dtype.type(0), q.dtype.type(1)
    scores = np.empty((queries if queries < QUERIES else QUERIES) * (keys if keys < KEYS else KEYS), q.dtype)
    maxima, sums = np.empty(QUERIES, q.dtype), np.empty(QUERIES, q.dtype)
    for h in range(heads):
        for top in range(0, queries, QUERIES):
            rows = queries - top if queries - top < QUERIES else QUERIES
            at = h * queries + top
            seen = top + rows if causal and top + rows < keys else keys
            for first in range(0, seen, KEYS):
                columns, below = seen - first if seen - first < KEYS else KEYS, h * keys + first
                matmul(False, True, rows, columns, width, scale, q, at * width, width, k, below * width, width,
                     zero, scores, 0, columns)  # fmt: skip
                _weights(scores, rows, columns, top - first if causal else keys, maxima, sums, y[h], top, first > 0)
                matmul(False, False, rows, depth, columns, one, scores, 0, columns, v, below * depth, depth,
                     one if first > 0 else zero, y, at * depth, depth)  # fmt: skip
            for i in range(rows):
                _scale(y[h, top + i], one / sums[i])
                log_sum[h, top + i] = maxima[i] + np.log(sums[i])


@jit
def _weights(scores, rows, columns, diagonal, maxima, sums, y, top, corrects):
    """Scores, flat, to exp(score - maximum), for the columns up to i + ``diagonal`` of row i; 0 behind them.

    Where earlier keys gave a smaller maximum, their sum and what they added to y from row ``top`` on are corrected.
    """
    for i in range(rows):
        seen, at = i + diagonal + 1 if i + diagonal + 1 < columns else columns, i * columns
        row = scores[at : at + seen]
        maximum = largest(row)
        if corrects:
            maximum = maxima[i] if maxima[i] > maximum else maximum
        level = maximum if maximum > -np.inf or maximum != maximum else scores.dtype.type(0)
        total = exp_below(row, level)
        if corrects:
            factor = exponential(maxima[i] - level)
            total += sums[i] * factor
            _scale(y[top + i], factor)
        clear(scores, at + seen, columns - seen)
        maxima[i], sums[i] = maximum, total


@jit(sums=True)
def exp_below(row, level):
    """row = exp(row - level), and its sum."""
    total = row.dtype.type(0)
    for j in range(row.size):
        e = exponential(row[j] - level)
        row[j] = e
        total += e
    return total


@jit
def _scale(row, factor):
    for j in range(row.size):
        row[j] *= factor


@jit
def attention_gradients(q, k, v, y, log_sum, g, causal, scale, dq, dk, dv):
    """dq, dk and dv from the gradient g of y.

    With P the weights and Z = P * (g v' - rowsum(g * y)): dq = scale Z k, dk = scale Z' q, dv = P' g.
    """
    heads, queries, width = q.shape
    keys, depth = v.shape[1:]
    zero, one = q.dtype.type(0), q.dtype.type(1)
    size = (queries if queries < QUERIES else QUERIES) * (keys if keys < KEYS else KEYS)
    weights, slopes = np.empty(size, q.dtype), np.empty(size, q.dtype)
    for h in range(heads):
        dk[h] = 0
        dv[h] = 0
        for top in range(0, queries, QUERIES):
            rows = queries - top if queries - top < QUERIES else QUERIES
            at = h * queries + top
            seen = top + rows if causal and top + rows < keys else keys
            for first in range(0, seen, KEYS):
                columns, below = seen - first if seen - first < KEYS else KEYS, h * keys + first
                matmul(False, True, rows, columns, width, scale, q, at * width, width, k, below * width, width,
                     zero, weights, 0, columns)  # fmt: skip
                matmul(False, True, rows, columns, depth, one, g, at * depth, depth, v, below * depth, depth,
                     zero, slopes, 0, columns)  # fmt: skip
                _slopes(weights, slopes, rows, columns, top - first if causal else keys, log_sum[h], y[h], g[h], top)
                matmul(False, False, rows, width, columns, scale, slopes, 0, columns, k, below * width, width,
                     one if first > 0 else zero, dq, at * width, width)  # fmt: skip
                matmul(True, False, columns, width, rows, scale, slopes, 0, columns, q, at * width, width,
                     one, dk, below * width, width)  # fmt: skip
                matmul(True, False, columns, depth, rows, one, weights, 0, columns, g, at * depth, depth,
                     one, dv, below * depth, depth)  # fmt: skip


@jit
def _slopes(weights, slopes, rows, columns, diagonal, log_sum, y, g, top):
    """Scores to weights P, and slopes g v' to P * (g v' - rowsum(g * y)), both flat; of y, g and log_sum from ``top`` on."""
    for i in range(rows):
        seen, at = i + diagonal + 1 if i + diagonal + 1 < columns else columns, i * columns
        mean, level = dot(g[top + i], y[top + i]), log_sum[top + i]
        row, slope = weights[at : at + seen], slopes[at : at + seen]
        for j in range(row.size):
            p = exponential(row[j] - level)
            row[j] = p
            slope[j] = p * (slope[j] - mean)
        clear(weights, at + seen, columns - seen)
        clear(slopes, at + seen, columns - seen)
