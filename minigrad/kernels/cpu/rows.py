"""softmax, log_softmax and cross_entropy over the rows of float32 arrays, a row at a time: it stays in cache.

Shapes: x, y, logits (R, C); what belongs to a row (R,).
"""

import numpy as np

from .elementwise import exp32
from .jit import jit

SIGN, MAGNITUDE, LOWEST = np.int32(31), np.int32(0x7FFFFFFF), np.int32(-(2**31))


def softmax(x, *, axis):
    """The last axis only."""
    return _each_row(_softmax, x)


def log_softmax(x, *, axis):
    """The last axis only."""
    return _each_row(_log_softmax, x)


def cross_entropy(logits, target):
    """loss (R,) and, for the backward pass, the maximum of each row and its sum of exp(logits - maximum)."""
    logits, target = np.ascontiguousarray(logits), np.ascontiguousarray(target)
    _check_classes(target, logits.shape[1])
    loss, maxima, sums = (np.empty(len(logits), logits.dtype) for _ in range(3))
    _cross_entropy(logits, logits.view(np.int32), target, loss, maxima, sums)
    return loss, (maxima, sums)


def cross_entropy_backward(g, saved, residual, needed):
    """g (R,) -> g * (softmax(logits) - one_hot(target)), and nothing for the target."""
    if not needed[0]:
        return None, None
    logits, target = np.ascontiguousarray(saved["logits"]), np.ascontiguousarray(saved["target"])
    gradient = np.empty_like(logits)
    _cross_entropy_gradient(np.ascontiguousarray(g), logits, target, *residual, gradient)
    return gradient, None


def _each_row(loop, x):
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    rows, results = x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1])
    loop(rows, rows.view(np.int32), results)
    return y


def _check_classes(target, classes):
    wrong = (target < 0) | (target >= classes)
    if wrong.any():
        raise IndexError(f"target {target[wrong.argmax()]} is not a class: logits have classes 0 to {classes - 1}")


@jit
def _maximum(bits):
    """The maximum of float32 numbers from their ``bits``.

    As integers with the magnitude of negative numbers turned over, floats sort in their order, and LLVM vectorises an
    integer maximum. A float maximum it may only vectorise where NaN is promised away. NaN is left out or found: in
    both cases exp(x - maximum) is NaN, and so is the row.
    """
    best = LOWEST
    for j in range(bits.size):
        key = np.int32(bits[j] ^ ((bits[j] >> SIGN) & MAGNITUDE))
        best = key if key > best else best
    return np.int32(best ^ ((best >> SIGN) & MAGNITUDE)).view(np.float32)


@jit(sums=True)
def _softmax(x, bits, y):
    for i in range(x.shape[0]):
        row, result, maximum = x[i], y[i], _maximum(bits[i])
        total = np.float32(0)
        for j in range(row.size):
            e = exp32(row[j] - maximum)
            result[j] = e
            total += e
        scale = np.float32(1) / total
        for j in range(row.size):
            result[j] *= scale


@jit
def _log_softmax(x, bits, y):
    for i in range(x.shape[0]):
        row, result, maximum = x[i], y[i], _maximum(bits[i])
        log_total = np.log(_sum_of_exp(row, maximum))
        for j in range(row.size):
            result[j] = (row[j] - maximum) - log_total


@jit
def _cross_entropy(logits, bits, target, loss, maxima, sums):
    for i in range(logits.shape[0]):
        row, maximum = logits[i], _maximum(bits[i])
        total = _sum_of_exp(row, maximum)
        loss[i] = np.log(total) - (row[target[i]] - maximum)
        maxima[i] = maximum
        sums[i] = total


@jit
def _cross_entropy_gradient(g, logits, target, maxima, sums, gradient):
    for i in range(logits.shape[0]):
        row, result, maximum = logits[i], gradient[i], maxima[i]
        scale = g[i] / sums[i]
        for j in range(row.size):
            result[j] = exp32(row[j] - maximum) * scale
        result[target[i]] -= g[i]


@jit(sums=True)
def _sum_of_exp(row, maximum):
    total = np.float32(0)
    for j in range(row.size):
        total += exp32(row[j] - maximum)
    return total
