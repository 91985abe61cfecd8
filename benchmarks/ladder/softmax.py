"""The ladder of softmax: y[i, j] = exp(x[i, j] - max_j x[i, j]) / sum_j exp(x[i, j] - max_j x[i, j]).

An element costs a comparison, a subtraction, an exponential, an addition and a multiplication, and eight bytes of traffic: it
is read once and written once, at the least. A core that makes a hundred billion operations a second and moves thirty
billion bytes has time for some 25 operations while eight bytes pass, so memory is the limit, though not by far: an
exponential is a dozen operations. Each step is about one of two things: touching memory less often, or letting
arithmetic keep up with it.
"""

import math

import numba
import numpy as np

import minigrad
from minigrad.kernels.cpu.polynomials32 import exp32

from .climb import Ladder
from .threads import share_rows

ROWS, COLUMNS = 2048, 1024  # 8 MiB in, 8 MiB out: more than a core's own caches hold


def drawn(rng, rows, columns):
    return (rng.standard_normal((rows, columns), np.float32) * 4,)


SOFTMAX = Ladder(
    name="softmax",
    title=f"softmax of {ROWS} rows of {COLUMNS} float32 numbers",
    steps=[],
    small=lambda rng: drawn(rng, 13, 37),
    large=lambda rng: drawn(rng, ROWS, COLUMNS),
    work=lambda x: (2 * x.nbytes, 5 * x.size),
    tolerance=1e-5,
)


@SOFTMAX.step("python", rows=16)
def python(x):
    """Three loops over lists, as the formula reads.

    Every number is an object somewhere in memory: to add two, Python follows two pointers, looks up what + means for them,
    and makes a new object for the sum. That takes some 50 ns where the addition itself takes 0.3, so neither memory nor
    arithmetic matters yet. Only a few rows are timed, and the time is scaled.
    """
    result = []
    for row in x.tolist():
        largest = max(row)
        powers = [math.exp(number - largest) for number in row]
        total = sum(powers)
        result.append([power / total for power in powers])
    return result


@SOFTMAX.step("numpy")
def numpy_text(x):
    """The formula in NumPy's words: each is a loop in C over a whole array.

    What an operation costs Python is paid once for an array and not for an element, numbers lie side by side as four bytes
    each, and exp runs in vector registers, 8 or 16 numbers at once. What is left is traffic: the maximum and the sum each read
    8 MiB, the subtraction, exp and the division each read and write as much, which a core's own caches do not hold. So
    eight arrays travel where two would do.
    """
    shifted = x - x.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=1, keepdims=True)


@SOFTMAX.step("numpy in place")
def numpy_in_place(x):
    """The same words, writing into one array: ``out=`` makes no temporaries.

    The passes are as many as before, but over one array in place of three, which the caches hold better. To know which
    temporaries can go, one must know who else reads them: that is a compiler's plan of memory, made by hand.
    """
    y = x - x.max(axis=1, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


@SOFTMAX.step("numpy in blocks")
def numpy_blocks(x, rows=32):
    """The same words, a few rows at a time: 32 rows of 1024 are 128 KiB, which stay in a core's own cache.

    All passes but the first read and the last write find their numbers in the cache. The arithmetic has not changed, and
    neither has NumPy: only the order of the work. Blocks must be large enough that Python's five calls for each of them do
    not show, and small enough for the cache. What this gains is the time that was spent waiting for memory: much where the
    array lies in memory, little where a large third cache holds it all and NumPy waits for its own arithmetic. The number
    above says which of the two this machine is.
    """
    y = np.empty_like(x)
    for first in range(0, len(x), rows):
        block = np.subtract(
            x[first : first + rows], x[first : first + rows].max(axis=1, keepdims=True), out=y[first : first + rows]
        )
        np.exp(block, out=block)
        block /= block.sum(axis=1, keepdims=True)
    return y


@numba.njit(cache=True, nogil=True)
def softmax_rows(x, y):
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(x.shape[1]):
            largest = max(largest, x[i, j])
        total = np.float32(0)
        for j in range(x.shape[1]):
            y[i, j] = math.exp(x[i, j] - largest)
            total += y[i, j]
        for j in range(x.shape[1]):
            y[i, j] /= total


@SOFTMAX.step("numba")
def numba_loops(x):
    """The loops of the first step as machine code: Numba compiles the function when it is called, for the types it is given.

    A row is finished before the next begins, so memory is read once and written once: that is what the blocks were for. And
    yet it is slower than NumPy. Each of the loops has a reason to take one number at a time: math.exp calls a function of the
    C library, which takes a single number; a sum of floats depends on its order, so the compiler may not add 16 partial
    sums side by side; and for the sake of NaN neither may it split the maximum. Of a vector register of 16 numbers 15 places
    stay empty.
    """
    y = np.empty_like(x)
    softmax_rows(x, y)
    return y


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def total_of(row):
    total = np.float32(0)
    for j in range(len(row)):
        total += row[j]
    return total


@numba.njit(cache=True, nogil=True)
def largest_of(row):
    """16 maxima side by side: the numbers of each 16th place, and the largest of the 16 in the end."""
    lanes = np.full(16, row[0])
    whole = len(row) // 16 * 16
    for j in range(0, whole, 16):
        for lane in range(16):
            lanes[lane] = row[j + lane] if row[j + lane] > lanes[lane] else lanes[lane]
    largest = lanes.max()
    for j in range(whole, len(row)):
        largest = max(largest, row[j])
    return largest


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def softmax_vectors(x, y):
    for i in range(x.shape[0]):
        row, largest = y[i], largest_of(x[i])
        for j in range(len(row)):
            row[j] = exp32(x[i, j] - largest)
        factor = np.float32(1) / total_of(row)
        for j in range(len(row)):
            row[j] *= factor


@SOFTMAX.step("numba in vectors")
def numba_vectors(x):
    """The same loops, each freed of what kept it from using vector registers.

    The exponential is a polynomial: exp(x) = 2**n * p(r), with x = n log 2 + r, is nothing but multiplications and
    additions that can be made for 16 numbers at once (``minigrad/kernels/cpu/polynomials32.py``, right to 1.2e-7). ``reassoc``
    allows the sum, and only the sum, to be added in another order. The maximum is kept in 16 lanes by hand. And one
    division and a thousand multiplications replace a thousand divisions, which take several times as long. What is left of the
    way to the roofline is mostly the exponential, which the roofline counts as one operation.
    """
    y = np.empty_like(x)
    softmax_vectors(x, y)
    return y


@SOFTMAX.step("numba on threads", threads=True)
def numba_threads(x):
    """The rows shared among threads. They do not depend on one another: nobody waits, and the result is the same to the last bit.

    What was limited by arithmetic becomes faster by the number of cores. What is limited by memory does not: the cores share
    one way to it, and a single one can use most of that. Look at the limits above for how much there is to gain.
    """
    y = np.empty_like(x)
    share_rows(lambda lo, hi: softmax_vectors(x[lo:hi], y[lo:hi]), len(x))
    return y


@SOFTMAX.step("minigrad", threads=True)
def eager(x):
    """What ``x.softmax(-1)`` runs: ``minigrad/kernels/cpu/rows.py``.

    The same ideas, for every shape, axis and dtype, with NaN and infinities right. Short rows are taken several at a time,
    since ten numbers do not fill a register; and its threads wait for work with open eyes, since waking one takes longer
    than many a softmax.
    """
    with minigrad.no_grad():
        return minigrad.from_numpy(x).softmax(-1).numpy()


_compiled = minigrad.compile(lambda x: x.softmax(-1))


@SOFTMAX.step("compiled", threads=True)
def compiled(x):
    """``minigrad.compile``: the function is run once, what it calls is noted, and the notes become one program.

    Alone, softmax has nothing to be fused with, and runs as in the step before. In a model it has neighbours: the scale and
    the mask in front of it, the dropout or the loss behind it, each of which would be another trip through memory. That is
    what a compiler gains; ``python -m minigrad bench --ops gelu_chain`` shows it.
    """
    with minigrad.no_grad():
        return _compiled(minigrad.from_numpy(x)).numpy()


from . import cuda  # noqa: E402  the steps that follow on a GPU

SOFTMAX.step("cupy", device="cuda")(cuda.softmax_text)
SOFTMAX.step("cuda", device="cuda")(cuda.softmax_block)
SOFTMAX.step("cuda online", device="cuda")(cuda.softmax_online)
