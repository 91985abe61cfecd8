"""Rows chosen by their number, and the adjoint."""

import numpy as np

from .jit import jit
from .threads import split


def embedding(index, weight, *, padding_idx, scale_grad_by_freq):
    """Rows of weight (V, D) chosen by index (...): (..., D). Negative numbers count from the end."""
    index, weight = np.ascontiguousarray(index), np.ascontiguousarray(weight)
    y = np.empty((*index.shape, weight.shape[1]), weight.dtype)
    places, rows, wrong = index.reshape(-1), y.reshape(-1, weight.shape[1]), []

    def some(lo, hi):
        bad = take_rows(weight, places[lo:hi], rows[lo:hi])
        if bad >= 0:
            wrong.append(lo + bad)

    split(some, len(places), y.size)
    if wrong:
        raise IndexError(f"index {places[min(wrong)]} is outside {len(weight)} rows")
    return y


def index_add_rows(g, index, *, rows):
    """zeros (rows, D) with g (M, D) added at index (M,), in the order of the index: the same sums in every run."""
    g, index = np.ascontiguousarray(g), np.ascontiguousarray(index)
    total = np.zeros((rows, g.shape[1]), g.dtype)
    wrong = []

    def some(lo, hi):
        bad = add_rows(g, index, lo, hi, total)
        if bad >= 0:
            wrong.append(bad)

    split(some, rows, 2 * g.size)
    if wrong:
        raise IndexError(f"index {index[min(wrong)]} is outside {rows} rows")
    return total


@jit
def take_rows(weight, index, y):
    """y (M, D) = weight[index]. Returns the position of the first index that is out of range, or -1."""
    rows = weight.shape[0]
    for i in range(index.size):
        k = index[i] + rows if index[i] < 0 else index[i]
        if k < 0 or k >= rows:
            return i
        row, target = weight[k], y[i]
        for j in range(target.size):
            target[j] = row[j]
    return -1


@jit
def add_rows(g, index, first, last, total):
    """Adds to ``total`` the rows of g (M, D) whose index lies in [first, last): pieces of the rows, one after another or at
    once, give the same sums. Returns the position of the first index that is in no row at all, or -1.
    """
    for i in range(index.size):
        k = index[i]
        if k < 0 or k >= total.shape[0]:
            return i
        if first <= k < last:
            row, target = g[i], total[k]
            for j in range(row.size):
                target[j] += row[j]
    return -1
