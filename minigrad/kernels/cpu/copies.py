"""Transposed copies, in tiles of 16 x 16 numbers: whole cache lines are read and written.

Shapes: x (B, M, N) or (M, N), y (B, N, M) or (N, M); numbers are moved as integers of their size.
"""

import numpy as np

from .accepts.copies import planes
from .jit import jit
from .threads import split

TILE = 16
TILES = 4  # that are written side by side
INTEGERS = {4: np.int32, 8: np.int64}


def contiguous(x):
    """A copy of a transposed array in the order that it reads."""
    b, m, n = planes(x)
    in_memory = sorted(range(x.ndim), key=lambda axis: -x.strides[axis] if x.shape[axis] > 1 else 0)
    source = x.transpose(in_memory).reshape(b, m, n).view(INTEGERS[x.itemsize])
    result = np.empty(x.shape, x.dtype)
    y = result.reshape(b, n, m).view(source.dtype)
    if b == 1:
        split(lambda lo, hi: transpose_rows(source[0], y[0, lo:hi], lo), count=n, work=2 * x.size)
    else:
        split(lambda lo, hi: transpose_planes(source[lo:hi], y[lo:hi]), count=b, work=2 * x.size)
    return result


@jit
def transpose_planes(x, y):
    for b in range(x.shape[0]):
        transpose_rows(x[b], y[b], 0)


@jit
def transpose_rows(x, y, first):
    """y[j] = x[:, first + j]"""
    tile = np.empty((TILE, TILE), x.dtype)
    m, n = x.shape[0], y.shape[0]
    whole_m, whole_n = m - m % TILE, n - n % TILE
    for block in range(0, whole_m, TILE * TILES):
        for j in range(0, whole_n, TILE):
            for i in range(block, min(block + TILE * TILES, whole_m), TILE):
                for s in range(TILE):
                    for t in range(TILE):
                        tile[t, s] = x[i + s, first + j + t]
                for t in range(TILE):
                    for s in range(TILE):
                        y[j + t, i + s] = tile[t, s]
    for j in range(n):  # what is left beside the tiles
        for i in range(whole_m if j < whole_n else 0, m):
            y[j, i] = x[i, first + j]
