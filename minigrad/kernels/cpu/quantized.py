"""Linear layers with int8 weights: at batch 1 the time is the time to read the weights, and int8 reads a quarter.

Shapes: inputs (M, K), weights (N, K), outputs (M, N).
"""

import numpy as np

from .accepts.quantized import FEW_ROWS
from .jit import jit

EXACT = 1024  # products of int8 that float32 sums exactly: 1024 * 128 * 128 = 2**24
LEVELS, SMALLEST = np.float32(127), np.float32(2.0**-126)  # as in the operation's text


def linear_int8(x, weight):
    """int8 inputs and weights -> exact int32 sums."""
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    y = np.zeros((len(x), len(weight)), np.int32)
    if len(x) < FEW_ROWS:
        _int8_products(x, weight, y)
    else:
        for k in range(0, x.shape[1], EXACT):
            part = np.matmul(x[:, k : k + EXACT].astype(np.float32), weight[:, k : k + EXACT].astype(np.float32).T)
            y += part.astype(np.int32)
    return y


def linear_w8(x, weight, scale):
    """float32 inputs, int8 weights with one scale (N,) for each row."""
    x, weight, scale = map(np.ascontiguousarray, (x, weight, scale))
    if len(x) >= FEW_ROWS:
        return np.matmul(x, weight.astype(np.float32).T) * scale
    y = np.empty((len(x), len(weight)), np.float32)
    _weight_products(x, weight, scale, y)
    return y


def linear_dynamic(x, weight, scale, bias=None):
    """Few rows of float32, rounded to int8 with a step for each, times int8 weights: all in one pass."""
    x, weight, scale = map(np.ascontiguousarray, (x, weight, scale))
    bias = scale[:0] if bias is None else np.ascontiguousarray(bias)
    y = np.empty((len(x), len(weight)), np.float32)
    _dynamic_products(x, weight, scale, bias, np.empty(x.shape[1], np.int8), y)
    return y


@jit
def _dynamic_products(x, weight, scale, bias, q, y):
    for m in range(x.shape[0]):
        row, top = x[m], np.float32(0)
        for k in range(row.size):
            size = abs(row[k])
            if size > top or size != size:  # NaN stays
                top = size
        step = max(top / LEVELS, SMALLEST) if top < np.inf else np.float32(np.nan)
        for k in range(row.size):
            q[k] = np.int8(np.rint(row[k] / step)) if top < np.inf else np.int8(0)
        for n in range(weight.shape[0]):
            filters, total = weight[n], np.int32(0)
            for k in range(q.size):
                total = np.int32(total + np.int32(q[k]) * np.int32(filters[k]))
            value = np.float32(total) * step * scale[n]
            y[m, n] = value + bias[n] if bias.size else value


@jit
def _int8_products(x, weight, y):
    for m in range(x.shape[0]):
        row = x[m]
        for n in range(weight.shape[0]):
            filters, total = weight[n], np.int32(0)
            for k in range(row.size):
                total = np.int32(total + np.int32(row[k]) * np.int32(filters[k]))
            y[m, n] = total


@jit(sums=True)
def _weight_products(x, weight, scale, y):
    for n in range(weight.shape[0]):
        filters = weight[n]
        for m in range(x.shape[0]):
            row, total = x[m], np.float32(0)
            for k in range(row.size):
                total += row[k] * np.float32(filters[k])
            y[m, n] = total * scale[n]
