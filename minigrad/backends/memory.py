"""Large arrays reuse the memory of those that were freed.

A training step frees hundreds of arrays and makes as many of the same sizes. glibc gives large ones back to the system at
once and asks for new ones, and the system has to clear every page that is touched: a quarter of the time of a convolutional
network's step. Told to keep them, its allocator finds a freed block of about the right size instead, and merges neighbours,
so that arrays of changing sizes share the memory too. A process keeps what its largest step needed; of what is free at the
end of its heap, ``KEPT`` bytes.

Nothing is told where another C library is used, where the user has set these thresholds (``MALLOC_MMAP_THRESHOLD_`` and
its like, ``GLIBC_TUNABLES``), and with ``MINIGRAD_ALLOCATOR=0``. The rule holds for everything in the process that calls malloc.
"""

import ctypes
import os

LARGEST = 2**28, 2**25  # bytes of an array that is kept; glibc before 2.35 refuses the first
KEPT = 2**30  # bytes of free memory at the end of the heap that are kept
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def reuse():
    """Tell glibc to keep freed arrays. Whether it listens."""
    told = any(name.startswith(("MALLOC_MMAP_", "MALLOC_TRIM_")) for name in os.environ)
    told = told or "_threshold" in os.environ.get("GLIBC_TUNABLES", "")
    if told or os.name != "posix" or os.environ.get("MINIGRAD_ALLOCATOR", "1") == "0":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    kept = any(library.mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST)
    return kept and bool(library.mallopt(M_TRIM_THRESHOLD, KEPT))
