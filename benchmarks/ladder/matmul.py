"""The ladder of the matrix product: c[i, j] = sum_l a[i, l] * b[l, j].

n x n matrices hold 3 n^2 numbers and take 2 n^3 operations: with n = 512 some 170 operations for each byte that must be
moved. So arithmetic is the limit, and can be reached if the same number is used many times once it is near: that is what all
the steps are about. What a core can do in a cycle is a few multiply-adds of whole vector registers, and reading a few
registers from the innermost cache: whoever reads two numbers for each multiply-add waits for the reading.
"""

import numba
import numpy as np

import minigrad
from minigrad.kernels.cpu.simd import fma, load, splat, store

from .climb import Ladder
from .threads import share_rows

N = 512


def drawn(rng, m, k, n):
    return rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)


MATMUL = Ladder(
    name="matmul",
    title=f"the product of {N} x {N} float32 matrices",
    steps=[],
    small=lambda rng: drawn(rng, 13, 29, 37),
    large=lambda rng: drawn(rng, N, N, N),
    work=lambda a, b: (a.nbytes + b.nbytes + 4 * len(a) * b.shape[1], 2 * a.size * b.shape[1]),
    tolerance=1e-5,
)


@MATMUL.step("python", rows=4)
def python(a, b):
    """Three loops over lists, as the formula reads.

    A multiply-add takes Python 50 to 100 ns, of which the processor needs less than one. Only a few rows are timed, and
    the time is scaled.
    """
    rows, matrix = a.tolist(), b.tolist()
    result = []
    for row in rows:
        line = []
        for j in range(len(matrix[0])):
            total = 0.0
            for l in range(len(row)):  # noqa: E741
                total += row[l] * matrix[l][j]
            line.append(total)
        result.append(line)
    return result


@MATMUL.step("numpy words", rows=64)
def numpy_words(a, b):
    """Elementwise NumPy: the sum over l of column l of a times row l of b.

    No loop over elements is left in Python, yet it is slow: each of the 512 products is an array of its own that is
    written, read and added to c. Two operations are made for every 16 bytes, most of a cache's traffic and little of
    arithmetic. To write something as operations on arrays is not enough: it matters how much is done between two trips to
    memory.
    """
    c = np.zeros((len(a), b.shape[1]), np.float32)
    for l in range(a.shape[1]):  # noqa: E741
        c += a[:, l, None] * b[l]
    return c


@numba.njit(cache=True, nogil=True)
def by_elements(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = np.float32(0)
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            c[i, j] = total


@MATMUL.step("numba")
def numba_elements(a, b):
    """The loops of the first step as machine code.

    No vector is used, for two reasons. The innermost loop goes down a column of b, whose numbers lie 2 KiB apart: each is fetched
    with a whole cache line of 16, of which one is used. And it is one long chain: an addition can begin when the one before is
    done, which takes some four cycles, in which the core could have made dozens.
    """
    c = np.empty((len(a), b.shape[1]), np.float32)
    by_elements(a, b, c)
    return c


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def by_rows(a, b, c):
    c[:] = 0
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


@MATMUL.step("numba by rows")
def numba_rows(a, b):
    """The same three loops with the inner two exchanged: c[i] += a[i, k] * b[k].

    Now the innermost loop walks along rows of b and of c, whose elements do not depend on one another, so the compiler
    makes vectors of 8 or 16 of it, with a multiply-add in one instruction (``contract`` allows the single rounding). Two lines
    have changed places, and nothing else. But for each multiply-add a vector of b and one of c are read and one of c is
    written: the cache is the limit.
    """
    c = np.empty((len(a), b.shape[1]), np.float32)
    by_rows(a, b, c)
    return c


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def by_blocks(a, b, c, deep, wide):
    """An even number of rows, a multiple of 4 in between."""
    c[:] = 0
    for first in range(0, b.shape[1], wide):
        last = min(first + wide, b.shape[1])
        for top in range(0, b.shape[0], deep):
            for i in range(0, a.shape[0], 2):
                c0, c1 = c[i, first:last], c[i + 1, first:last]
                for k in range(top, min(top + deep, b.shape[0]), 4):
                    (a00, a01, a02, a03), (a10, a11, a12, a13) = four(a, i, k), four(a, i + 1, k)
                    b0, b1, b2, b3 = b[k, first:last], b[k + 1, first:last], b[k + 2, first:last], b[k + 3, first:last]
                    for j in range(len(c0)):
                        x0, x1, x2, x3 = b0[j], b1[j], b2[j], b3[j]  # read before c is written: it might be the same memory
                        c0[j] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
                        c1[j] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3


@numba.njit(cache=True, nogil=True)
def four(a, i, k):
    return a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]


@MATMUL.step("blocks")
def blocks(a, b):
    """By rows, with more done between two trips to memory, in two places.

    Four rows of b meet two of c at a time: eight multiply-adds for every six vectors that are read and two that are written, in
    place of one for two and one. And all that in blocks of b of 16 x 512 numbers: 32 KiB, which stay in the innermost cache while
    every row of a passes by, where the step before fetched the whole of b anew for each row.

    Zeros fill a and b up to even sizes, so that the loops have no special cases at the edges: that costs n^2 copies, and the
    product n^3 operations.
    """
    (m, k), n = a.shape, b.shape[1]
    a, b = np.pad(a, ((0, m % 2), (0, -k % 4))), np.pad(b, ((0, -k % 4), (0, 0)))
    c = np.empty((len(a), n), np.float32)
    by_blocks(a, b, c, 16, 512)
    return c[:m]


LANES = 16  # float32 numbers in 64 bytes
HIGH, BROAD = 4, 2 * LANES  # of a tile


@numba.njit(cache=True, nogil=True, error_model="numpy")
def tile(a, b, c, i0, i1, i2, i3, j, steps, n):
    """4 rows by 2 vectors of c, from flat arrays: eight sums that stay in registers for the whole of the inner loop."""
    zero = splat(np.float32(0))
    s00, s01, s10, s11, s20, s21, s30, s31 = zero, zero, zero, zero, zero, zero, zero, zero
    for k in range(steps):
        b0, b1 = load(b, k * n + j), load(b, k * n + j + 16)
        a0, a1, a2, a3 = splat(a[i0 * steps + k]), splat(a[i1 * steps + k]), splat(a[i2 * steps + k]), splat(a[i3 * steps + k])
        s00, s01 = fma(a0, b0, s00), fma(a0, b1, s01)
        s10, s11 = fma(a1, b0, s10), fma(a1, b1, s11)
        s20, s21 = fma(a2, b0, s20), fma(a2, b1, s21)
        s30, s31 = fma(a3, b0, s30), fma(a3, b1, s31)
    store(c, i0 * n + j, s00)
    store(c, i0 * n + j + 16, s01)
    store(c, i1 * n + j, s10)
    store(c, i1 * n + j + 16, s11)
    store(c, i2 * n + j, s20)
    store(c, i2 * n + j + 16, s21)
    store(c, i3 * n + j, s30)
    store(c, i3 * n + j + 16, s31)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def by_tiles(a, b, c, first, last, steps, n):
    """Rows first to last. A tile that would reach over an edge is moved back inside: some elements are computed twice."""
    for j in range(0, n, 32):
        left = min(j, n - 32)
        for i in range(first, last, 4):
            tile(a, b, c, i, min(i + 1, last - 1), min(i + 2, last - 1), min(i + 3, last - 1), left, steps, n)


def run_tiles(a, b, share):
    """``share(function, count)`` calls the function for pieces of the rows. Matrices narrower than a tile are made wider."""
    (m, k), n = a.shape, b.shape[1]
    if n < BROAD:
        b = np.pad(b, ((0, 0), (0, BROAD - n)))
    c = np.empty((m, b.shape[1]), np.float32)
    flat = np.ascontiguousarray(a).ravel(), np.ascontiguousarray(b).ravel(), c.ravel()
    share(lambda lo, hi: by_tiles(*flat, lo, hi, k, b.shape[1]), m)
    return c[:, :n]


@MATMUL.step("vector tiles")
def tiles(a, b):
    """A tile of 4 rows by 2 vectors of c is summed up entirely in registers, and written once.

    For each k two vectors of b and four numbers of a are read, and eight multiply-adds of 16 numbers made: less than one
    read for each, and no write; c is not touched before the end. The eight sums are also what hides the four cycles that a
    multiply-add takes: none waits for the one before. The shape of the tile is a matter of the number of registers (8 sums, 2
    vectors, 4 factors of 16 or 32): Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.

    A compiler does not find this by itself: it keeps to the order of the loops. ``load``, ``fma`` and ``splat`` say which
    registers hold what (``minigrad/kernels/cpu/simd.py``).
    """
    return run_tiles(a, b, lambda function, count: function(0, count))


@MATMUL.step("tiles on threads", threads=True)
def tiles_on_threads(a, b):
    """Rows of tiles shared among threads.

    Arithmetic was the limit, and every core brings its own: the gain is close to the number of cores, unless they are
    busy with something else.
    """
    return run_tiles(a, b, share_rows)


@MATMUL.step("blas", threads=True)
def blas(a, b):
    """``a @ b``: NumPy calls OpenBLAS, thirty years of the same ideas.

    Tiles as large as the registers allow, written in assembly for each processor; and blocks of a and b that are first copied
    into the order in which the tile reads them, so that long rows of large matrices cost no more than short ones.
    """
    return a @ b


@MATMUL.step("minigrad", threads=True)
def eager(a, b):
    """What ``x @ y`` runs: a tile loop where it is faster than BLAS, else BLAS (``minigrad/kernels/cpu/gemm.py``)."""
    with minigrad.no_grad():
        return (minigrad.from_numpy(a) @ minigrad.from_numpy(b)).numpy()


_compiled = minigrad.compile(lambda a, b: a @ b)


@MATMUL.step("compiled", threads=True)
def compiled(a, b):
    """``minigrad.compile``: the product alone cannot get faster, but what follows it can.

    A bias and an activation are applied to a tile of the result while it is still near, which saves two trips through memory
    in every layer of a network.
    """
    with minigrad.no_grad():
        return _compiled(minigrad.from_numpy(a), minigrad.from_numpy(b)).numpy()


from . import cuda  # noqa: E402  the steps that follow on a GPU

MATMUL.step("cuda", device="cuda")(cuda.matmul_naive)
MATMUL.step("cuda tiles", device="cuda")(cuda.matmul_tiles)
MATMUL.step("cublas", device="cuda")(cuda.matmul_library)
