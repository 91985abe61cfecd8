"""The adjoint of embedding."""

import numpy as np

from .jit import jit


def index_add_rows(g, index, *, rows):
    """zeros (rows, D) with g (M, D) added at index (M,), in the order of the index: the same sums in every run."""
    g, index = np.ascontiguousarray(g), np.ascontiguousarray(index)
    total = np.zeros((rows, g.shape[1]), g.dtype)
    bad = _add_rows(g, index, total)
    if bad >= 0:
        raise IndexError(f"index {index[bad]} is outside {rows} rows")
    return total


@jit
def _add_rows(g, index, total):
    """The position of the first index that is out of range, or -1."""
    for i in range(index.size):
        if index[i] < 0 or index[i] >= total.shape[0]:
            return i
        row, target = g[i], total[index[i]]
        for j in range(row.size):
            target[j] += row[j]
    return -1
