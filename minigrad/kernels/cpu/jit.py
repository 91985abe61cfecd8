"""The one way the CPU kernels are compiled.

Kernels are serial and release the GIL, so that data-loading threads run beside them. Division follows IEEE rules
instead of raising, which also keeps a test for zero out of every loop.

``REASSOC`` lets LLVM reorder a sum, which is what makes a reduction use vector registers. It promises nothing about NaN
and infinity, so both come out right. ``CONTRACT`` only allows fused multiply-adds: polynomials need it, because their
range reductions are exact only in the order in which they are written.

With NUMBA_DISABLE_JIT=1 the kernels run as the plain Python that they are written in.
"""

import pathlib

import numba

CONTRACT = frozenset({"contract"})
REASSOC = frozenset({"contract", "reassoc", "arcp", "nsz", "afn"})


def jit(function=None, *, flags=REASSOC, inline=False):
    """Compile on first call, cached on disk where the disk allows it.

    ``inline`` asks LLVM (not Numba) to inline: the function keeps its own ``flags`` inside a caller that has others.
    """
    if function is None:
        return lambda function: jit(function, flags=flags, inline=inline)
    options = {"nogil": True, "error_model": "numpy", "fastmath": set(flags), "forceinline": inline}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither this folder nor a cache folder of the user's is writable
        return numba.njit(**options)(function)
    _expire_with_any_source(compiled)
    return compiled


def _expire_with_any_source(compiled):
    """Let a cached kernel expire when any file of this folder changes.

    Numba looks only at the file of the kernel itself: after a change to a helper in another file it would load the
    old code and return the old numbers.
    """
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)  # absent where compilation is off
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, _SOURCES)


def _stamp(path):
    status = path.stat()
    return path.name, status.st_mtime, status.st_size


_SOURCES = tuple(_stamp(path) for path in sorted(pathlib.Path(__file__).parent.glob("[!_]*.py")))
