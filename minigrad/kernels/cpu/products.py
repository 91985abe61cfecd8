"""Products of whole float32 arrays with a matrix, in the calling thread or with the rows shared among threads.

Every element is the same chain of multiply-adds however the rows are shared, so the number of threads changes nothing.
"""

import numpy as np

from .gemm import LANES, product
from .jit import jit
from .threads import split
from .tiles import BIAS, pointer


def matmul(a, b):
    """(..., m, k) and (k, n) -> (..., m, n)"""
    return _multiply(a, b, None) if LANES else np.matmul(a, b)


def linear(x, weight, bias=None):
    """(..., k), (n, k), (n,) -> (..., n)"""
    if LANES:
        return _multiply(x, weight.T, bias)
    y = np.matmul(x, weight.T)
    return y if bias is None else y + bias


def _multiply(a, b, bias):
    rows = a if a.ndim == 2 else a.reshape(-1, a.shape[-1])
    (m, k), n = rows.shape, b.shape[1]
    (rows, ta), (columns, tb) = _as_it_lies(rows), _as_it_lies(b)
    c = np.empty((m, n), a.dtype)
    flags, shift = (0, c[0]) if bias is None else (BIAS, np.ascontiguousarray(bias))
    split(lambda lo, hi: rows_of_product(ta, tb, m, n, k, rows, columns, c, shift, flags, lo, hi), m, m * n * k // 10)
    return c if a.ndim == 2 else c.reshape(*a.shape[:-1], n)


def _as_it_lies(matrix):
    """Its C-contiguous array and whether that is the transpose."""
    if matrix.flags.c_contiguous:
        return matrix, False
    return (matrix.T, True) if matrix.flags.f_contiguous else (np.ascontiguousarray(matrix), False)


@jit
def rows_of_product(ta, tb, m, n, k, a, b, c, bias, flags, first, last):
    """The rows first to last of C (m, n) from arrays that lie transposed where ta and tb say so."""
    lda, ldb = (m if ta else k), (k if tb else n)
    of_a, of_c = pointer(a, first if ta else first * k), pointer(c, first * n)
    product(ta, tb, last - first, n, k, 1, of_a, lda, pointer(b, 0), ldb, of_c, n, pointer(bias, 0), flags)
