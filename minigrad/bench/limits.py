"""The machine's two limits: how many bytes a copy moves in a second, and how many operations a matrix product makes.

A copy that fits into a cache is faster than one from memory, so the copies are measured at several sizes, and an operation
is held to the fastest copy of at least as many bytes as it works in itself.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import minigrad

from . import clock

COPIES = [
    2**k for k in (14, 16, 18, 20, 22, 24, 26, 28)
]  # bytes read and written: from what the innermost cache holds to 256 MiB
PRODUCTS = (256, 512, 1024)
TRIES = 5


def roofline(device="cpu", threads=1, quick=False):
    """{"copies": [[bytes, GB/s], ...], "copy": GB/s of the largest, "matmul": GFLOP/s in float32}, the best of a few tries.

    Args:
        device: "cpu" or "cuda".
        threads: of the CPU; NumPy's matrix products use as many.
        quick: fewer and smaller copies and products, about a tenth of the time.

    >>> import minigrad
    >>> limits = minigrad.bench.roofline(quick=True)
    >>> limits["copy"] > 0 and limits["matmul"] > 0
    True
    """
    tries, sizes, products = (2, COPIES[1:6:2] + COPIES[6:7], PRODUCTS[:2]) if quick else (TRIES, COPIES, PRODUCTS)
    copies = [[size, _copy(size, device, threads, tries)] for size in sizes]
    product = max(_product(n, device, threads, tries) for n in products)
    return {"device": device, "threads": threads, "copies": copies, "copy": copies[-1][1], "matmul": product}


def bandwidth(limits, size):
    """GB/s that something which works in ``size`` bytes of memory can reach.

    >>> from minigrad.bench.limits import bandwidth
    >>> bandwidth({"copies": [[1000, 80.0], [9000, 90.0], [50000, 30.0]]}, 2000)
    90.0
    """
    *_, largest = limits["copies"]
    return max((rate for bytes_, rate in limits["copies"] if bytes_ >= size), default=largest[1])


def least_seconds(limits, moved, flops, touched):
    """The shortest time that the machine allows for so many bytes and operations in ``touched`` bytes of memory."""
    return max(moved / (bandwidth(limits, touched) * 1e9), flops / (limits["matmul"] * 1e9))


def library(device):
    """The array library of a device, and what waits for it."""
    if device == "cpu":
        import numpy

        return numpy, clock.nothing
    import cupy

    return cupy, minigrad.cuda.synchronize


def _best(call, work, device, threads, tries):
    """The highest rate, in 1e9 a second, of a call that does so much work."""
    watch, (_, finish) = clock.choose(threads, device), library(device)
    times, _ = clock.repeats(call, 0.01, watch, finish)
    return work / 1e9 / min(clock.seconds_of(call, times, watch, finish) for _ in range(tries))


def _copy(size, device, threads, tries):
    """GB/s of copying size / 2 bytes, shared among the threads where that is faster."""
    xp, _ = library(device)
    source = xp.ones(size // 8, xp.float32)  # half the bytes are read, half are written
    target = xp.empty_like(source)
    alone = _best(lambda: xp.copyto(target, source), size, device, threads, tries)
    if threads == 1 or device != "cpu":
        return alone
    step = math.ceil(source.size / threads)
    parts = [(target[i : i + step], source[i : i + step]) for i in range(0, source.size, step)]
    with ThreadPoolExecutor(threads) as pool:
        return max(alone, _best(lambda: list(pool.map(lambda part: xp.copyto(*part), parts)), size, device, threads, tries))


def _product(n, device, threads, tries):
    """GFLOP/s of n x n matrices, with one thread where more are slower, as they are on a busy computer."""
    xp, _ = library(device)
    a, out = xp.ones((n, n), xp.float32), xp.empty((n, n), xp.float32)

    def rate(threads):
        with with_threads(threads):
            return _best(lambda: xp.matmul(a, a, out=out), 2 * n**3, device, threads, tries)

    return max(rate(number) for number in {1, threads})


class with_threads:
    """Inside, minigrad computes with so many threads."""

    def __init__(self, threads):
        self.threads = threads

    def __enter__(self):
        self.before = minigrad.get_num_threads()
        minigrad.set_num_threads(self.threads)

    def __exit__(self, *_):
        minigrad.set_num_threads(self.before)
