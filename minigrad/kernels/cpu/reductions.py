"""Sums and extremes over the last axes, cumulated sums and products along any.

A sum adds blocks of BLOCK numbers in vector registers, and the sums of the blocks in float64, so that millions of float32
numbers keep a relative error near 1e-7 (of the sum of their magnitudes). Cumulated sums add one by one, as NumPy does.

Shapes: rows (R, C); along an axis (O, N, I), O counting what lies before the axis and I what lies behind it.
"""

import math

import numpy as np

from .accepts.reductions import kept_axes
from .bits import number
from .jit import jit
from .threads import split

BLOCK = 1024
LONG = 2**15  # a row that is summed in pieces of this size, for threads to share
PIECE = 256  # numbers of a row of which only the largest is looked for, before its place is
FEW = 32  # numbers of a row whose place is kept along
ROWS = 4  # that are cumulated side by side: each waits for its own last result


def total(x, *, axis=None, keepdims=False):
    kept = kept_axes(x, axis)
    rows, result = _rows(x, kept), np.empty(x.shape[:kept], x.dtype)
    y = result.reshape(-1)
    if rows.shape[1] >= 2 * LONG:
        for i, row in enumerate(rows):
            y[i] = _long_sum(row)
    else:
        split(lambda lo, hi: sum_rows(rows[lo:hi], y[lo:hi]), count=len(rows), work=x.size)
    return _shaped(result, x, kept, keepdims)


def _long_sum(row):
    partial = np.empty(-(-row.size // LONG))
    split(lambda lo, hi: sum_pieces(row[lo * LONG : hi * LONG], partial[lo:hi]), count=partial.size, work=row.size)
    return partial.sum()


def largest(x, *, axis=None, keepdims=False):
    return _extreme(x, axis, keepdims, False)


def smallest(x, *, axis=None, keepdims=False):
    return _extreme(x, axis, keepdims, True)


def _extreme(x, axis, keepdims, lowest):
    kept = kept_axes(x, axis)
    rows, result = _rows(x, kept).view(np.int32), np.empty(x.shape[:kept], x.dtype)
    y = result.reshape(-1)
    split(lambda lo, hi: extreme_rows(rows[lo:hi], y[lo:hi], lowest), count=len(rows), work=x.size)
    return _shaped(result, x, kept, keepdims)


def _rows(x, kept):
    return x.reshape(math.prod(x.shape[:kept]), -1)


def _shaped(result, x, kept, keepdims):
    return result.reshape(result.shape + (1,) * (x.ndim - kept)) if keepdims else result


def cumsum(x, *, axis):
    return _cumulated(cumsum_rows, cumsum_columns, x, axis)


def cumprod(x, *, axis):
    return _cumulated(cumprod_rows, cumprod_columns, x, axis)


def _cumulated(of_rows, of_columns, x, axis):
    x = np.ascontiguousarray(x)
    axis %= x.ndim
    result, inner = np.empty_like(x), math.prod(x.shape[axis + 1 :])
    shape = (-1, x.shape[axis]) if inner == 1 else (-1, x.shape[axis], inner)
    a, y = x.reshape(shape), result.reshape(shape)
    loop = of_rows if inner == 1 else of_columns
    split(lambda lo, hi: loop(a[lo:hi], y[lo:hi]), count=len(a), work=4 * x.size)
    return result


# ----------------------------------------------------------------------------------------------------------------- sums
@jit
def sum_rows(x, y):
    for i in range(x.shape[0]):
        y[i] = _sum(x[i])


@jit
def sum_pieces(x, partial):
    """partial (P,) float64: the sum of each LONG numbers of x."""
    for i in range(partial.size):
        partial[i] = _sum(x[i * LONG : (i + 1) * LONG])


@jit
def _sum(row):
    total = 0.0
    for start in range(0, row.size, BLOCK):
        total += _block_sum(row[start : start + BLOCK])
    return total


@jit(sums=True)
def _block_sum(block):
    total = block.dtype.type(0)
    for j in range(block.size):
        total += block[j]
    return total


# ------------------------------------------------------------------------------------------------------------- extremes
SIGN, MAGNITUDE, INFINITY = np.int32(31), np.int32(0x7FFFFFFF), np.int32(0x7F800000)


@jit
def extreme_rows(bits, y, lowest):
    """y (R,) float32: the largest number of each row, or the smallest, NaN where there is one.

    ``bits`` are the numbers' memory as int32. With the magnitude of negative numbers turned over, floats sort as integers
    do, and LLVM vectorises an integer maximum; a float maximum only where NaN is promised away.
    """
    flip = np.int32(-1 if lowest else 0)
    for i in range(bits.shape[0]):
        row = bits[i]
        best, magnitude = np.int32(-(2**31)), np.int32(0)
        for j in range(row.size):
            key = np.int32((row[j] ^ ((row[j] >> SIGN) & MAGNITUDE)) ^ flip)
            best = key if key > best else best
            size = np.int32(row[j] & MAGNITUDE)
            magnitude = size if size > magnitude else magnitude
        best = np.int32(best ^ flip)
        best = np.int32(best ^ ((best >> SIGN) & MAGNITUDE))
        y[i] = number(np.int32(magnitude if magnitude > INFINITY else best))


# --------------------------------------------------------------------------------------------------- places of extremes
@jit
def place_rows(bits, magnitude, infinity, flip, y):
    """y (R,): the place of the first largest number of each row, or of the first NaN; of the smallest if ``flip`` is -1.

    ``bits`` (R, C) are the numbers' memory as integers, ``magnitude`` what is not the sign, ``infinity`` the bits of it.
    """
    for i in range(bits.shape[0]):
        row = bits[i]
        best, start = _rank(row, 0, magnitude, infinity, flip), 0
        if row.size < FEW:
            for j in range(1, row.size):
                rank = _rank(row, j, magnitude, infinity, flip)
                start = j if rank > best else start
                best = rank if rank > best else best
        else:
            for first in range(0, row.size, PIECE):
                top = _top(row[first : first + PIECE], magnitude, infinity, flip)
                if top > best:
                    best, start = top, first
            while _rank(row, start, magnitude, infinity, flip) != best:
                start += 1
        y[i] = start


@jit(inline=True)
def _rank(row, j, magnitude, infinity, flip):
    """An integer that is larger where the number is: -0.0 is 0.0, and NaN is above all. As narrow as the number is."""
    kind = row.dtype.type
    b = row[j]
    size = kind(b & magnitude)
    key = kind(-size) if kind(b ^ flip) < kind(0) else size
    return magnitude if size > infinity else key


@jit
def _top(piece, magnitude, infinity, flip):
    top = piece.dtype.type(-magnitude)
    for j in range(piece.size):
        rank = _rank(piece, j, magnitude, infinity, flip)
        top = rank if rank > top else top
    return top


@jit
def place_columns(x, sign, best, y):
    """y (O, I): the same along the middle axis of x (O, N, I); ``best`` (I,) is memory."""
    for o in range(x.shape[0]):
        places = y[o]
        for i in range(best.size):
            best[i], places[i] = x[o, 0, i] * sign, 0
        for j in range(1, x.shape[1]):
            row = x[o, j]
            for i in range(best.size):
                v, old, place = row[i] * sign, best[i], places[i]
                better = (v > old) | ((v != v) & (old == old))
                best[i] = v if better else old
                places[i] = j if better else place


# ------------------------------------------------------------------------------------------------------------ cumulated
@jit
def cumsum_rows(x, y):
    whole = x.shape[0] - x.shape[0] % ROWS
    zero = x.dtype.type(0)
    for i in range(0, whole, ROWS):
        a, b, c, d = zero, zero, zero, zero
        for j in range(x.shape[1]):
            a, b, c, d = a + x[i, j], b + x[i + 1, j], c + x[i + 2, j], d + x[i + 3, j]
            y[i, j], y[i + 1, j], y[i + 2, j], y[i + 3, j] = a, b, c, d
    for i in range(whole, x.shape[0]):
        total = zero
        for j in range(x.shape[1]):
            total += x[i, j]
            y[i, j] = total


@jit
def cumsum_columns(x, y):
    for o in range(x.shape[0]):
        y[o, 0] = x[o, 0]
        for j in range(1, x.shape[1]):
            row, before, after = x[o, j], y[o, j - 1], y[o, j]
            for i in range(row.size):
                after[i] = before[i] + row[i]


@jit
def cumprod_rows(x, y):
    whole = x.shape[0] - x.shape[0] % ROWS
    one = x.dtype.type(1)
    for i in range(0, whole, ROWS):
        a, b, c, d = one, one, one, one
        for j in range(x.shape[1]):
            a, b, c, d = a * x[i, j], b * x[i + 1, j], c * x[i + 2, j], d * x[i + 3, j]
            y[i, j], y[i + 1, j], y[i + 2, j], y[i + 3, j] = a, b, c, d
    for i in range(whole, x.shape[0]):
        product = one
        for j in range(x.shape[1]):
            product *= x[i, j]
            y[i, j] = product


@jit
def cumprod_columns(x, y):
    for o in range(x.shape[0]):
        y[o, 0] = x[o, 0]
        for j in range(1, x.shape[1]):
            row, before, after = x[o, j], y[o, j - 1], y[o, j]
            for i in range(row.size):
                after[i] = before[i] * row[i]
