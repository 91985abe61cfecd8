"""Matrix products of float32 from register tiles: C = op(A) op(B), and what a layer adds behind it.

BLAS is made for large matrices: it copies both operands into blocks for the caches before it computes. Here A is read where it
lies, and B is only copied where it lies transposed or far apart, a panel of columns at a time; or once for many products
(``pack``). Up to some hundred rows and columns that is faster; for larger products BLAS is.

The product is compiled once, not once in each function that calls it: compiled code finds it by its name as a symbol, which
importing this module registers.
"""

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from .accepts.products import not_too_large
from .blas import element, gemm
from .jit import jit
from .symbols import symbol
from .tiles import (
    ACCUMULATE,
    BIAS,
    DOTS,
    FEW_ROWS,
    LANES,
    RELU,
    ROWS,
    dots,
    low_tile,
    narrow_tile,
    pointer,
    prefetch,
    tile,
    transpose,
)

PANEL = 2 * LANES  # columns of B that are one panel
PLAIN, TRANSPOSED, PACKED = range(3)  # how B lies: the first two are also False and True
LARGEST = 2**18  # elements of a block of A: what stays in a cache beside a panel
LONGEST, SHORTER = 2**10, 2**8  # of the inner dimension at once, where it fits and where it does not
FLOAT = np.dtype(np.float32)  # not the class: Numba would compile ``np.empty`` once more than for x.dtype
SPREAD_ROWS, SPREAD = 128, 128  # from so many rows on it pays to copy a B whose rows lie so many elements apart

_INTEGER, _FLOATS = types.intp, types.CPointer(types.float32)
_not_too_large = register_jitable(not_too_large)


@register_jitable
def prefers_own(m, n, k):
    """Whether ``product`` is faster than BLAS for C (m, n) from an inner dimension k, all float32."""
    return LANES > 0 and _not_too_large(m, n, k)


def matmul(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
    """``gemm``, by ``product`` where that is faster: the same arguments, arrays or pointers, inside compiled code."""
    gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc)


@overload(matmul)
def _matmul(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
    def of_blas(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
        gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc)

    def by_size(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
        if (beta == 0 or beta == 1) and prefers_own(m, n, k):
            of_a, of_b, of_c = pointer(a, offset_a), pointer(b, offset_b), pointer(c, offset_c)
            product(ta, tb, m, n, k, alpha, of_a, lda, of_b, ldb, of_c, ldc, of_c, ACCUMULATE if beta == 1 else 0)
        else:
            gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc)

    return by_size if LANES and element(c) == types.float32 else of_blas


@jit
def _scalar_products(rows, k, alpha, x, x_row, v, c, c_step, bias, bias_step, flags):
    """c[i * c_step] = x[i] . v for rows x[i] of k elements. Fewer than DOTS are done one by one, the same row in every place."""
    few = rows < DOTS
    i = 0
    while i < rows:
        at = i if few or i < rows - DOTS else rows - DOTS
        first, spread = (DOTS - 1, 0) if few else (i - at, 1)
        of_x, of_c, of_bias = pointer(x, at * x_row), pointer(c, at * c_step), pointer(bias, at * bias_step)
        dots(k, alpha, of_x, spread * x_row, v, of_c, spread * c_step, first, of_bias, spread * bias_step, flags)
        i = at + (1 if few else DOTS)


@jit
def _fill_panel(transposed, columns, k, b, ldb, panel):
    """The columns of a panel, row after row of PANEL elements; if transposed, up to LANES - 1 rows of zeros follow."""
    if transposed:
        for j in range(0, columns, LANES):
            for p in range(0, k, LANES):
                transpose(pointer(b, j * ldb + p), ldb, columns - j, k - p, pointer(panel, p * PANEL + j), PANEL)
    else:
        for p in range(k):
            for j in range(columns):
                panel[p * PANEL + j] = b[p * ldb + j]


@jit
def _panel_of_product(m, k, alpha, a, a_row, a_step, b, b_step, c, ldc, columns, bias, flags, after, lines, length, ld):
    """The columns of one panel, for all m rows. Where m is no multiple of a tile, the last begins earlier and stores less.

    Meanwhile what the next panel reads comes nearer: ``lines`` rows of ``length`` elements from ``after`` on, ``ld`` apart.
    """
    few = m < FEW_ROWS  # these are done one by one, the same row in every place
    share = (lines * ROWS + m - 1) // m  # of the lines, for each tile
    i = asked = 0
    while i < m:
        left = m - i
        for line in range(asked, asked + share if asked + share < lines else lines):
            for p in range(0, length, LANES):
                prefetch(after, line * ld + p)
        asked += share
        if left >= ROWS or (left > FEW_ROWS and m >= ROWS):
            at = i if i < m - ROWS else m - ROWS
            of_a, of_c = pointer(a, at * a_row), pointer(c, at * ldc)
            if columns > LANES:
                tile(k, alpha, of_a, a_row, a_step, b, b_step, of_c, ldc, columns, i - at, bias, flags)
            else:
                narrow_tile(k, alpha, of_a, a_row, a_step, b, b_step, of_c, ldc, columns, i - at, bias, flags)
            i = at + ROWS
        else:
            at = i if few or i < m - FEW_ROWS else m - FEW_ROWS
            first, spread = (FEW_ROWS - 1, 0) if few else (i - at, 1)
            of_a, of_c = pointer(a, at * a_row), pointer(c, at * ldc)
            low_tile(k, alpha, of_a, spread * a_row, a_step, b, b_step, of_c, spread * ldc, columns, first, bias, flags)
            i = at + (1 if few else FEW_ROWS)


@jit
def _panel_size(k):
    return (k + LANES - 1) // LANES * LANES * PANEL


@symbol(types.void(*[_INTEGER] * 5, types.float32, *[_FLOATS, _INTEGER] * 3, _FLOATS, _INTEGER), available=LANES > 0)
def product(ta, how, m, n, k, alpha, a, lda, b, ldb, c, ldc, bias, flags):
    """C (m, n) = alpha op(A) op(B), of float32, inside compiled code.

    Args:
        ta: 1 where A lies as (k, m), 0 for (m, k).
        how: how B lies: PLAIN (k, n), TRANSPOSED (n, k), or PACKED by ``pack``, where ldb is not read.
        a, lda, b, ldb, c, ldc: pointers, and how many elements lie between rows.
        bias: (n,), read with the flag BIAS alone: any pointer without it.
        flags: a sum of ACCUMULATE (add to C), BIAS, RELU (clip at 0, last).
    """
    a_row, a_step = (1, lda) if ta else (lda, 1)
    if a_step == 1 and (m <= DOTS or n == 1) and (how == TRANSPOSED or (how == PLAIN and n == ldb == 1)):
        # rows as they lie: those of A with the one column of op(B), or those of B with each row of A
        times, rows, x, x_row, v, c_step, bias_step = (1, m, a, lda, b, ldc, 0) if n == 1 else (m, n, b, ldb, a, 1, 1)
        for i in range(times):
            at = pointer(c, i * ldc)
            _scalar_products(rows, k, alpha, x, x_row, pointer(v, i * lda), at, c_step, bias, bias_step, flags)
        return
    copied = how == TRANSPOSED or (how == PLAIN and m >= SPREAD_ROWS and ldb >= SPREAD)
    space = np.empty(_panel_size(k if k < LONGEST else LONGEST) + LANES if copied else 0, FLOAT)
    panel = pointer(space, -(space.ctypes.data // 4) % LANES)  # from the beginning of a cache line
    most = LONGEST if k <= LONGEST else SHORTER  # whatever m is, so that pieces of the rows have the same bits
    step = PANEL if copied or how == PACKED else ldb
    begin = 0
    while begin == 0 or begin < k:
        inner = k - begin if k - begin < most else most
        now = flags if begin == 0 else (flags | ACCUMULATE) & ~BIAS
        now = now if begin + inner == k else now & ~RELU
        high = LARGEST // inner if LARGEST >= ROWS * inner > 0 else ROWS
        for top in range(0, m, high):
            rows, of_a = m - top if m - top < high else high, pointer(a, top * a_row + begin * a_step)
            for j in range(0, n, PANEL):
                columns, of_b = n - j if n - j < PANEL else PANEL, panel
                if copied:
                    at = j * ldb + begin if how == TRANSPOSED else begin * ldb + j
                    _fill_panel(how == TRANSPOSED, columns, inner, pointer(b, at), ldb, panel)
                else:
                    of_b = pointer(b, j // PANEL * _panel_size(k) + begin * PANEL if how == PACKED else begin * ldb + j)
                left = n - j - columns if how != PACKED and top == 0 else 0
                following = left if left < PANEL else PANEL
                lines, length = (following, inner) if how == TRANSPOSED else (inner if following > 0 else 0, following)
                after = pointer(b, (j + PANEL) * ldb + begin if how == TRANSPOSED else begin * ldb + j + PANEL)
                of_c, of_bias = pointer(c, top * ldc + j), pointer(bias, j)
                _panel_of_product(rows, inner, alpha, of_a, a_row, a_step, of_b, step, of_c, ldc, columns, of_bias, now,
                                  after, lines, length, ldb)  # fmt: skip
        begin += most


@jit
def packed_size(n, k):
    """The elements that ``pack`` writes."""
    return (n + PANEL - 1) // PANEL * _panel_size(k)


@jit
def pack(transposed, n, k, b, ldb, packed):
    """op(B) (k, n), transposed or not, as panels for many products."""
    for j in range(0, n, PANEL):
        panel = pointer(packed, j // PANEL * _panel_size(k))
        _fill_panel(transposed, min(n - j, PANEL), k, pointer(b, j * ldb if transposed else j), ldb, panel)
