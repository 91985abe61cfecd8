"""softmax, log_softmax, their derivatives and cross_entropy, in one pass over memory.

Rows of the last axis are taken a few at a time and stay in cache. Along any other axis the loops run over the numbers that
lie side by side, TILE at a time.

Shapes: rows (R, C); along another axis (O, C, I), O counting what lies before the axis and I what lies behind it; what
belongs to a row (R,). Relative errors in float32: softmax 4e-7, cross_entropy 3e-7 and the rounding of its largest term.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from .bits import bits, flat, number
from .jit import CONTRACT, jit
from .polynomials32 import exp32, log32
from .polynomials64 import exp64, log64
from .threads import split

BLOCK = 2048  # numbers of rows that are worked on together
TILE = 256  # columns that are worked on together
LONG = 256  # rows of so many numbers fill the vector loops by themselves


def softmax(x, *, axis):
    return _along(softmax_rows, softmax_columns, axis, x)


def log_softmax(x, *, axis):
    return _along(log_softmax_rows, log_softmax_columns, axis, x)


def softmax_dx(g, y, *, axis):
    return _along(softmax_dx_rows, softmax_dx_columns, axis, g, y)


def log_softmax_dx(g, y, *, axis):
    return _along(log_softmax_dx_rows, log_softmax_dx_columns, axis, g, y)


def cross_entropy(logits, target):
    """loss (R,) and, for the backward pass, the maximum of each row and its sum of exp(logits - maximum)."""
    logits, target = np.ascontiguousarray(logits), np.ascontiguousarray(target)
    loss, maxima, sums = (np.empty(len(logits), logits.dtype) for _ in range(3))
    wrong = []

    def some(lo, hi):
        bad = cross_entropy_forward(logits[lo:hi], target[lo:hi], loss[lo:hi], maxima[lo:hi], sums[lo:hi])
        if bad >= 0:
            wrong.append(lo + bad)

    split(some, len(logits), 3 * logits.size)
    if wrong:
        raise IndexError(f"target {target[min(wrong)]} is not a class: logits have classes 0 to {logits.shape[1] - 1}")
    return loss, (maxima, sums)


def cross_entropy_backward(g, saved, residual, needed):
    """g (R,) -> g * (softmax(logits) - one_hot(target)), and nothing for the target."""
    if not needed[0]:
        return None, None
    logits, target = np.ascontiguousarray(saved["logits"]), np.ascontiguousarray(saved["target"])
    gradient = np.empty_like(logits)
    arrays = logits, target, np.ascontiguousarray(g), *residual, gradient
    split(lambda lo, hi: cross_entropy_gradient(*(a[lo:hi] for a in arrays)), len(logits), 3 * logits.size)
    return gradient, None


def _along(of_rows, of_columns, axis, *inputs):
    inputs = [np.ascontiguousarray(x) for x in inputs]
    result, shape = np.empty_like(inputs[0]), inputs[0].shape
    axis %= len(shape)
    inner = math.prod(shape[axis + 1 :])
    loop, last = (of_rows, ()) if inner == 1 else (of_columns, (inner,))
    arrays = [a.reshape(-1, shape[axis], *last) for a in (*inputs, result)]
    split(lambda lo, hi: loop(*(a[lo:hi] for a in arrays)), len(arrays[0]), 4 * result.size)
    return result


# ------------------------------------------------------------------------------------------------- for float32 and float64
def exponential(x):
    return exp64(x) if x.dtype == np.float64 else exp32(x)


def logarithm(x):
    return log64(x) if x.dtype == np.float64 else log32(x)


def largest(row):
    """The maximum of a row; it leaves NaN out or finds it, and exp(NaN - maximum) is NaN in both cases.

    As integers with the magnitude of negative numbers turned over, floats sort in their order, and LLVM vectorises an
    integer maximum. A float maximum it may only vectorise where NaN is promised away.
    """
    return _search64(row) if row.dtype == np.float64 else _search32(row)


def _search_of(integer, last_bit):
    sign, magnitude, lowest = integer(last_bit), integer(2**last_bit - 1), integer(-(2**last_bit))

    def search(row):
        best = lowest
        for j in range(row.size):
            whole = bits(row[j])
            key = integer(whole ^ ((whole >> sign) & magnitude))
            best = key if key > best else best
        return number(integer(best ^ ((best >> sign) & magnitude)))

    return search


_search32, _search64 = _search_of(np.int32, 31), _search_of(np.int64, 63)
_INLINE = {"forceinline": True, "error_model": "numpy", "fastmath": CONTRACT}


@overload(exponential, jit_options=_INLINE)
def _exponential(x):
    return exp64.py_func if x == types.float64 else exp32.py_func


@overload(logarithm, jit_options=_INLINE)
def _logarithm(x):
    return log64.py_func if x == types.float64 else log32.py_func


@overload(largest)
def _largest(row):
    return _search64 if row.dtype == types.float64 else _search32


# ------------------------------------------------------------------------------------------------------- the last axis
@jit
def softmax_rows(x, y):
    rows, columns = x.shape
    block = BLOCK // columns if 0 < columns < BLOCK else 1
    shifted, maxima = np.empty((block, columns), x.dtype), np.empty(block, x.dtype)
    for start in range(0, rows, block):
        part = y[start : start + block]
        _powers(x[start : start + block], shifted, part, maxima)
        for i in range(part.shape[0]):
            row = part[i]
            factor = x.dtype.type(1) / _sum(row)
            for j in range(row.size):
                row[j] *= factor


@jit
def log_softmax_rows(x, y):
    rows, columns = x.shape
    block = BLOCK // columns if 0 < columns < BLOCK else 1
    shifted, maxima = np.empty((block, columns), x.dtype), np.empty(block, x.dtype)
    for start in range(0, rows, block):
        part = y[start : start + block]
        _powers(x[start : start + block], shifted, part, maxima)
        for i in range(part.shape[0]):
            row, below = part[i], shifted[i]
            log_sum = logarithm(_sum(row))
            for j in range(row.size):
                row[j] = below[j] - log_sum


@jit
def softmax_dx_rows(g, y, dx):
    """y * (g - sum(g * y))"""
    for i in range(g.shape[0]):
        gradient, row, result = g[i], y[i], dx[i]
        total = dot(gradient, row)
        for j in range(row.size):
            result[j] = row[j] * (gradient[j] - total)


@jit
def log_softmax_dx_rows(g, y, dx):
    """g - exp(y) * sum(g)"""
    rows, columns = g.shape
    block = BLOCK // columns if 0 < columns < BLOCK else 1
    for start in range(0, rows, block):
        exp_of(flat(y[start : start + block]), flat(dx[start : start + block]))
        for i in range(start, min(start + block, rows)):
            gradient, result = g[i], dx[i]
            total = _sum(gradient)
            for j in range(gradient.size):
                result[j] = gradient[j] - result[j] * total


@jit
def _powers(x, shifted, powers, maxima):
    """shifted = x - the maximum of each row, powers = exp(shifted), for the rows of x (n, C).

    The exponentials are taken of all rows together: rows of 10 numbers alone would not fill a vector loop.
    """
    rows = x.shape[0]
    for i in range(rows):
        row, result = x[i], shifted[i]
        maximum = largest(row)
        for j in range(row.size):
            result[j] = row[j] - maximum
        maxima[i] = maximum
    exp_of(flat(shifted[:rows]), flat(powers))


@jit
def exp_of(x, y):
    for i in range(x.size):
        y[i] = exponential(x[i])


@jit(sums=True)
def _sum(row):
    total = row.dtype.type(0)
    for j in range(row.size):
        total += row[j]
    return total


@jit(sums=True)
def _sum_of_exp(row, maximum):
    total = row.dtype.type(0)
    for j in range(row.size):
        total += exponential(row[j] - maximum)
    return total


@jit(sums=True)
def dot(a, b):
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * b[j]
    return total


# ------------------------------------------------------------------------------------------------------ any other axis
@jit
def softmax_columns(x, y):
    maxima, sums = np.empty(TILE, x.dtype), np.empty(TILE, x.dtype)
    for o in range(x.shape[0]):
        for lo in range(0, x.shape[2], TILE):
            _softmax_tile(x[o], y[o], lo, min(lo + TILE, x.shape[2]), maxima, sums)


@jit
def log_softmax_columns(x, y):
    maxima, sums = np.empty(TILE, x.dtype), np.empty(TILE, x.dtype)
    for o in range(x.shape[0]):
        for lo in range(0, x.shape[2], TILE):
            _log_softmax_tile(x[o], y[o], lo, min(lo + TILE, x.shape[2]), maxima, sums)


@jit
def softmax_dx_columns(g, y, dx):
    total = np.empty(TILE, g.dtype)
    for o in range(g.shape[0]):
        for lo in range(0, g.shape[2], TILE):
            hi = min(lo + TILE, g.shape[2])
            totals = total[: hi - lo]
            totals[:] = 0
            for c in range(g.shape[1]):
                gradient, row = g[o, c][lo:hi], y[o, c][lo:hi]
                for j in range(totals.size):
                    totals[j] += gradient[j] * row[j]
            for c in range(g.shape[1]):
                gradient, row, result = g[o, c][lo:hi], y[o, c][lo:hi], dx[o, c][lo:hi]
                for j in range(totals.size):
                    result[j] = row[j] * (gradient[j] - totals[j])


@jit
def log_softmax_dx_columns(g, y, dx):
    total = np.empty(TILE, g.dtype)
    for o in range(g.shape[0]):
        for lo in range(0, g.shape[2], TILE):
            hi = min(lo + TILE, g.shape[2])
            totals = total[: hi - lo]
            totals[:] = 0
            for c in range(g.shape[1]):
                gradient = g[o, c][lo:hi]
                for j in range(totals.size):
                    totals[j] += gradient[j]
            for c in range(g.shape[1]):
                gradient, row, result = g[o, c][lo:hi], y[o, c][lo:hi], dx[o, c][lo:hi]
                for j in range(totals.size):
                    result[j] = gradient[j] - exponential(row[j]) * totals[j]


@jit
def _softmax_tile(x, y, lo, hi, maxima, sums):
    """Columns lo to hi of x (C, I); leaves 1 / (sum of exp(x - maximum)) in ``sums``."""
    _sum_tile(x, y, lo, hi, maxima, sums)
    factors = sums[: hi - lo]
    for j in range(factors.size):
        factors[j] = x.dtype.type(1) / factors[j]
    for c in range(x.shape[0]):
        result = y[c][lo:hi]
        for j in range(result.size):
            result[j] *= factors[j]


@jit
def _log_softmax_tile(x, y, lo, hi, maxima, sums):
    tops, totals = maxima[: hi - lo], sums[: hi - lo]
    _maximum_tile(x, lo, hi, tops)
    totals[:] = 0
    for c in range(x.shape[0]):
        row = x[c][lo:hi]
        for j in range(row.size):
            totals[j] += exponential(row[j] - tops[j])
    for j in range(totals.size):
        totals[j] = logarithm(totals[j])
    for c in range(x.shape[0]):
        row, result = x[c][lo:hi], y[c][lo:hi]
        for j in range(row.size):
            result[j] = (row[j] - tops[j]) - totals[j]


@jit
def _sum_tile(x, y, lo, hi, maxima, sums):
    """y = exp(x - maximum), and its sums."""
    tops, totals = maxima[: hi - lo], sums[: hi - lo]
    _maximum_tile(x, lo, hi, tops)
    totals[:] = 0
    for c in range(x.shape[0]):
        row, result = x[c][lo:hi], y[c][lo:hi]
        for j in range(row.size):
            e = exponential(row[j] - tops[j])
            result[j] = e
            totals[j] += e


@jit
def _maximum_tile(x, lo, hi, tops):
    tops[:] = x[0][lo:hi]
    for c in range(1, x.shape[0]):
        row = x[c][lo:hi]
        for j in range(row.size):
            tops[j] = row[j] if row[j] > tops[j] else tops[j]


# ------------------------------------------------------------------------------------------------------- cross-entropy
@jit
def cross_entropy_forward(logits, target, loss, maxima, sums):
    """loss, maxima, sums (R,) from logits (R, C). Returns the first row whose target is no class, or -1."""
    rows, columns = logits.shape
    block = 0  # long rows are read alone, and nothing of them is written
    if columns < LONG:
        block = BLOCK // columns if columns > 0 else 1
    shifted, powers = np.empty((block, columns), logits.dtype), np.empty((block, columns), logits.dtype)
    step = block if block else 1
    for start in range(0, rows, step):
        last = start + step if start + step < rows else rows
        if block:
            _powers(logits[start:last], shifted, powers[: last - start], maxima[start:last])
        for i in range(start, last):
            if target[i] < 0 or target[i] >= columns:
                return i
            if block:
                sums[i] = _sum(powers[i - start])
            else:
                maxima[i] = largest(logits[i])
                sums[i] = _sum_of_exp(logits[i], maxima[i])
            loss[i] = logarithm(sums[i]) - (logits[i, target[i]] - maxima[i])
    return -1


@jit
def cross_entropy_gradient(logits, target, g, maxima, sums, gradient):
    """gradient (R, C) = g * (softmax(logits) - one_hot(target)) from what the forward pass left; g (R,), or (1,) for all."""
    rows, columns = logits.shape
    block = BLOCK // columns if 0 < columns < BLOCK else 1
    shifted = np.empty((block, columns), logits.dtype)
    for start in range(0, rows, block):
        last = start + block if start + block < rows else rows
        for i in range(start, last):
            row, result, maximum = logits[i], shifted[i - start], maxima[i]
            for j in range(row.size):
                result[j] = row[j] - maximum
        exp_of(flat(shifted[: last - start]), flat(gradient[start:last]))
        for i in range(start, last):
            result, factor = gradient[i], g[i % g.size]
            scale = factor / sums[i]
            for j in range(result.size):
                result[j] *= scale
            result[target[i]] -= factor


@jit
def cross_entropy_both(logits, target, g, loss, gradient):
    """loss (R,) and gradient (R, C) = g * (softmax(logits) - one_hot(target)) in one pass; g (R,), or (1,) for all rows.

    Returns the first row whose target is no class, or -1.
    """
    rows, columns = logits.shape
    block = BLOCK // columns if 0 < columns < BLOCK else 1
    shifted, maxima = np.empty((block, columns), logits.dtype), np.empty(block, logits.dtype)
    for start in range(0, rows, block):
        last = start + block if start + block < rows else rows
        _powers(logits[start:last], shifted, gradient[start:last], maxima)
        for i in range(start, last):
            if target[i] < 0 or target[i] >= columns:
                return i
            result, factor = gradient[i], g[i % g.size]
            total = _sum(result)
            loss[i] = logarithm(total) - shifted[i - start, target[i]]
            scale = factor / total
            for j in range(result.size):
                result[j] *= scale
            result[target[i]] -= factor
    return -1
