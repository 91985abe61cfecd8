"""Sums, products and extremes over the last axes, cumulated sums and products along any.

A sum adds blocks of BLOCK numbers in vector registers, and the sums of the blocks in float64, so that millions of float32
numbers keep a relative error near 1e-7 (of the sum of their magnitudes). Cumulated sums add one by one, as NumPy does.
The gradients of products are products of the other numbers, those before and those behind, so that zeros are no special case.

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
SIDE_BY_SIDE = 16  # rows that keep these busy; fewer are cut into this many pieces


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


def product(x, *, axis=None, keepdims=False):
    kept = kept_axes(x, axis)
    rows = _rows(x, kept)
    return _shaped(_products(rows).astype(x.dtype).reshape(x.shape[:kept]), x, kept, keepdims)


def _products(rows):
    """float64 (R,), which overflows later than the numbers do."""
    y = np.empty(len(rows))
    split(lambda lo, hi: product_rows(rows[lo:hi], y[lo:hi]), count=len(rows), work=rows.size)
    return y


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


def prod_dx(g, x):
    """g (..., 1) times the product of the other numbers of each row of x (..., N)."""
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    return _cumprod_dx(np.empty((len(rows), 0), x.dtype), rows, np.ascontiguousarray(g).reshape(-1)).reshape(x.shape)


def cumprod_dx(g, x, *, axis):
    """The gradient of x (..., N), whose products so far have the gradient g."""
    g, rows = (np.ascontiguousarray(a).reshape(-1, x.shape[axis]) for a in (g, x))
    return _cumprod_dx(g, rows, np.zeros(len(rows), x.dtype)).reshape(x.shape)


def _cumprod_dx(g, x, behind):
    """dx (R, N) of cumprod_dx_rows for whole rows; g (R, N), or (R, 0) for zeros."""
    rows, n = x.shape
    if rows >= SIDE_BY_SIDE:
        return _of_rows(g, x, np.ones(rows, x.dtype), behind)[0]
    step = -(-n // SIDE_BY_SIDE)
    pieces = _filled(x, step, 1).reshape(-1, step)
    g = _filled(g, step, 0).reshape(len(pieces), -1)
    products = _products(pieces).reshape(rows, -1)
    first, last = np.ones((2, *products.shape))  # what lies before each piece, and behind it
    np.cumprod(products[:, :-1], axis=1, out=first[:, 1:])
    last[:, -1] = behind
    zeros = np.zeros(len(pieces), x.dtype)
    alone = (_of_rows(g, pieces, zeros, zeros)[1] if g.size else zeros).reshape(rows, -1)
    for k in range(SIDE_BY_SIDE - 1, 0, -1):
        nothing = g.size and k == SIDE_BY_SIDE - 1  # lies behind, and infinity times that would be NaN
        last[:, k - 1] = alone[:, k] + (0 if nothing else products[:, k] * last[:, k])
    dx = _of_rows(g, pieces, *(a.astype(x.dtype).reshape(-1) for a in (first, last)))[0]
    return dx.reshape(rows, -1)[:, :n]


def _filled(x, step, value):
    """Rows (R, N) with numbers of this value behind them, so that they can be cut into pieces of ``step``; (R, 0) as it is."""
    missing = SIDE_BY_SIDE * step - x.shape[1] if x.size else 0
    return np.pad(x, ((0, 0), (0, missing)), constant_values=value) if missing else x


def _of_rows(g, x, first, behind):
    dx, before = np.empty_like(x), np.empty_like(first)
    arrays = g, x, first, behind, before, dx
    split(lambda lo, hi: cumprod_dx_rows(*(a[lo:hi] for a in arrays)), count=len(x), work=8 * x.size)
    return dx, before


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


@jit
def product_rows(x, y):
    for i in range(x.shape[0]):
        row, total = x[i], np.float64(1)
        for start in range(0, row.size, BLOCK):
            total *= _block_product(row[start : start + BLOCK])
        y[i] = total


@jit(sums=True)
def _block_product(block):
    total = np.float64(1)  # which stays one where this is not compiled
    for j in range(block.size):
        total *= block[j]
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


@jit
def cumprod_dx_rows(g, x, first, behind, before, dx):
    """dx (R, N) of rows x (R, N) whose products so far, each times first (R,), have the gradients g (R, N): (R, 0) for zeros.

    With s[k] = g[k] + x[k + 1] s[k + 1], dx is s times the product of all numbers before. ``behind`` (R,) stands for
    x[N] s[N], and x[0] s[0] goes to ``before`` (R,): of rows that are pieces of one, it is what the piece in front needs.
    """
    rows, last = x.shape[0], x.shape[1] - 1
    none = np.zeros(x.shape[1], x.dtype)
    for i in range(0, rows, ROWS):
        i1, i2, i3 = min(i + 1, rows - 1), min(i + 2, rows - 1), min(i + 3, rows - 1)  # the last row several times over
        x0, x1, x2, x3 = x[i], x[i1], x[i2], x[i3]
        y0, y1, y2, y3 = dx[i], dx[i1], dx[i2], dx[i3]
        if g.shape[1] > 0:
            g0, g1, g2, g3 = g[i], g[i1], g[i2], g[i3]
        else:
            g0, g1, g2, g3 = none, none, none, none
        a, b, c, d = behind[i] + g0[last], behind[i1] + g1[last], behind[i2] + g2[last], behind[i3] + g3[last]
        for k in range(last, 0, -1):
            y0[k], y1[k], y2[k], y3[k] = a, b, c, d
            a, b, c, d = g0[k - 1] + a * x0[k], g1[k - 1] + b * x1[k], g2[k - 1] + c * x2[k], g3[k - 1] + d * x3[k]
        y0[0], y1[0], y2[0], y3[0] = a, b, c, d
        before[i], before[i1], before[i2], before[i3] = a * x0[0], b * x1[0], c * x2[0], d * x3[0]
        a, b, c, d = first[i], first[i1], first[i2], first[i3]
        for k in range(x.shape[1]):
            y0[k], y1[k], y2[k], y3[k] = y0[k] * a, y1[k] * b, y2[k] * c, y3[k] * d  # of one row, all the same
            a, b, c, d = a * x0[k], b * x1[k], c * x2[k], d * x3[k]
