"""One step that both ladders take: rows shared among threads."""

from concurrent.futures import ThreadPoolExecutor

import minigrad

_pools = {}


def share_rows(function, count):
    """Call ``function(lo, hi)`` for contiguous pieces of range(count), one for each thread.

    ``function`` must be compiled with ``nogil=True``: Python runs one thread at a time, but compiled code that lets go of the
    lock runs beside others. Pieces are contiguous, so that no two threads write to one cache line but at the seams.
    """
    threads = minigrad.get_num_threads()
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads)
    step = -(-count // threads)
    list(_pools[threads].map(lambda lo: function(lo, min(lo + step, count)), range(0, count, step)))
