"""Elements read, and added, at places along one axis. Values are added in the order of the places: the same sums in every run.

Shapes: x (O, N, I), places and values (O, K, I), O counting what lies before the axis and I what lies behind it.
"""

import math

import numpy as np

from .jit import jit
from .threads import split


def take_along_axis(x, indices, *, axis):
    """y[o, k, i] = x[o, indices[o, k, i], i]"""
    y = np.empty(indices.shape, x.dtype)
    if _each(take_last, take, axis, x, indices, y):
        return y
    return x[_grid(indices, axis)]  # counted from the end, or an IndexError that names the index


def scatter_along_axis(v, indices, *, axis, shape):
    """zeros(shape) with v[o, k, i] added at [o, indices[o, k, i], i]"""
    return _added(np.zeros(shape, v.dtype), v, indices, axis, lambda: np.zeros(shape, v.dtype))


def add_along_axis(x, v, indices, *, axis):
    """x with v[o, k, i] added at [o, indices[o, k, i], i]"""
    return _added(x.copy(), v, indices, axis, x.copy)


def _added(y, v, indices, axis, again):
    if not _each(add_last, add, axis, v, indices, y):
        y = again()
        np.add.at(y, _grid(indices, axis), v)
    return y


def _each(of_rows, of_blocks, axis, *arrays):
    """Run one of the loops; whether all places lay inside."""
    axis %= arrays[0].ndim
    outer, inner = math.prod(arrays[0].shape[:axis]), math.prod(arrays[0].shape[axis + 1 :])
    a, b, c = (np.ascontiguousarray(x).reshape((outer, -1) if inner == 1 else (outer, -1, inner)) for x in arrays)
    loop, inside = (of_rows if inner == 1 else of_blocks), []
    split(lambda lo, hi: inside.append(loop(a[lo:hi], b[lo:hi], c[lo:hi])), count=outer, work=6 * b.size)
    return all(inside)


def _grid(indices, axis):
    grid = list(np.indices(indices.shape, sparse=True))
    grid[axis] = indices
    return tuple(grid)


# Each loop returns whether all places lie inside, and leaves off at one that does not. The test also keeps LLVM from the
# processor's gather instructions, which are slower than single loads.
@jit
def take(x, places, y):
    n = np.uint64(x.shape[1])
    for o in range(x.shape[0]):
        block, at, out = x[o], places[o], y[o]
        for k in range(at.shape[0]):
            for i in range(at.shape[1]):
                place = np.uint64(at[k, i])
                if place >= n:
                    return False
                out[k, i] = block[place, i]
    return True


@jit
def take_last(x, places, y):
    """take where I = 1: x (O, N), places and y (O, K)."""
    n = np.uint64(x.shape[1])
    for o in range(x.shape[0]):
        row, at, out = x[o], places[o], y[o]
        for k in range(at.size):
            place = np.uint64(at[k])
            if place >= n:
                return False
            out[k] = row[place]
    return True


@jit
def add(v, places, y):
    n = np.uint64(y.shape[1])
    for o in range(y.shape[0]):
        block, at, out = v[o], places[o], y[o]
        for k in range(at.shape[0]):
            for i in range(at.shape[1]):
                place = np.uint64(at[k, i])
                if place >= n:
                    return False
                out[place, i] += block[k, i]
    return True


@jit
def add_last(v, places, y):
    """add where I = 1: y (O, N), places and v (O, K)."""
    n = np.uint64(y.shape[1])
    for o in range(y.shape[0]):
        row, at, out = v[o], places[o], y[o]
        for k in range(at.size):
            place = np.uint64(at[k])
            if place >= n:
                return False
            out[place] += row[k]
    return True
