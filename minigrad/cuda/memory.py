"""How much GPU memory is used: CuPy's pool answers; zeros without a GPU, as in PyTorch."""

_peak = [0]


def _pool():
    from . import is_available

    if not is_available():
        return None
    import cupy

    return cupy.get_default_memory_pool()


def memory_allocated(device=None):
    """Bytes that tensors occupy."""
    pool = _pool()
    used = 0 if pool is None else pool.used_bytes()
    _peak[0] = max(_peak[0], used)
    return used


def memory_reserved(device=None):
    """Bytes that the pool holds."""
    pool = _pool()
    return 0 if pool is None else pool.total_bytes()


def max_memory_allocated(device=None):
    """The most that :func:`memory_allocated` has seen; CuPy itself keeps no such number."""
    memory_allocated()
    return _peak[0]


def max_memory_reserved(device=None):
    return memory_reserved()


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def reset_peak_memory_stats(device=None):
    _peak[0] = 0


reset_max_memory_allocated = reset_max_memory_cached = reset_accumulated_memory_stats = reset_peak_memory_stats


def memory_stats(device=None):
    """The numbers above under PyTorch's keys; empty without a GPU."""
    if _pool() is None:
        return {}
    return {
        "allocated_bytes.all.current": memory_allocated(),
        "allocated_bytes.all.peak": max_memory_allocated(),
        "reserved_bytes.all.current": memory_reserved(),
        "reserved_bytes.all.peak": max_memory_reserved(),
    }


def memory_summary(device=None, abbreviated=False):
    """The numbers above as text."""
    return "\n".join(f"{name}: {value}" for name, value in memory_stats(device).items())


def mem_get_info(device=None):
    """Free and total bytes of the GPU. NoCudaError without one."""
    from . import _cupy

    return tuple(_cupy().cuda.runtime.memGetInfo())


def set_per_process_memory_fraction(fraction, device=None):
    """Let the pool take at most this part of the GPU's memory."""
    pool = _pool()
    if pool is not None:
        pool.set_limit(fraction=fraction)


def ipc_collect():
    pass
