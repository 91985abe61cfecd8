"""Counts of what the code under test made the "GPU" do: exact, so they make performance budgets testable."""

import contextlib
import ctypes
from collections.abc import Iterator

from .errors import HostCudaError

# The order of the enum in src/hostcuda.h.
NAMES = ("launches", "mallocs", "h2d", "d2h", "d2d", "syncs", "threads", "gemms")

_library: ctypes.CDLL | None = None


def use(library: ctypes.CDLL | None) -> None:
    """Read the counters of this library."""
    global _library
    _library = library


def stats(reset: bool = False) -> dict[str, int]:
    """The counters since the start or the last reset.

    launches: kernels; gemms: cuBLAS matrix products (a batch is one); mallocs: calls of cudaMalloc, not of CuPy's
    pool; h2d, d2h, d2d: bytes copied; syncs: times the host waited; threads: CUDA threads run.
    """
    if _library is None:
        raise HostCudaError("hostcuda.stats() before hostcuda.install(): there is nothing to count yet")
    counts = (ctypes.c_long * len(NAMES)).in_dll(_library, "hc_stats")
    result = dict(zip(NAMES, counts, strict=True))
    if reset:
        ctypes.memset(counts, 0, ctypes.sizeof(counts))
    return result


@contextlib.contextmanager
def budget(
    launches: int | None = None, gemms: int | None = None, syncs: int | None = 0, mallocs: int | None = None
) -> Iterator[dict[str, int]]:
    """Assert that the block stays within limits; None is no limit.

    Gives a dictionary that holds the block's counts afterwards. Budgets nest, and do not reset `stats()`. Run the
    code once before: a first call compiles kernels and fills CuPy's memory pool.

        with hostcuda.budget(launches=3, gemms=1) as used:
            step()
    """
    limits = {"launches": launches, "gemms": gemms, "syncs": syncs, "mallocs": mallocs}
    before = stats()
    used: dict[str, int] = {}
    yield used
    used.update({name: count - before[name] for name, count in stats().items()})
    over = [f"{name}: {used[name]}, budget {limit}" for name, limit in limits.items() if limit is not None and used[name] > limit]
    if over:
        raise AssertionError(f"over budget: {'; '.join(over)}. All counts of the block: {used}")
