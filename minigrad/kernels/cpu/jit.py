"""The one way the CPU kernels are compiled.

Kernels are serial and release the GIL, so that data-loading threads run beside them. Division follows IEEE rules
instead of raising, which also keeps a test for zero out of every loop.

No fast math but two flags, and NaN and infinity come out right under both. Every loop may contract a * b + c to one
instruction, unless it is ``exact``. A loop with ``sums=True`` may also add in another order, which is what makes a
reduction use vector registers; keep everything else out of such a loop, since (x - maximum) - log_sum would turn into
x - (maximum + log_sum) and lose its digits. The other flags were measured to gain nothing here.

With NUMBA_DISABLE_JIT=1 the kernels run as the plain Python that they are written in.
"""

import functools
import pathlib
import types

import numba

from .inside import Inside
from .loading import load_directly

CONTRACT = {"contract"}
REASSOC = {"contract", "reassoc"}
INSIDE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": Inside}


def jit(function=None, *, sums=False, inline=False, exact=False):
    """Compile on first call, cached on disk where the disk allows it.

    ``sums`` is for loops whose sums may be reordered. ``inline`` asks LLVM (not Numba) to inline: the function keeps
    its own flags inside a caller that has others. ``exact`` is for what must round as the operation's text does: nothing is
    contracted. Python and compiled callers have a version each: the wrapper through which Python calls a function is most
    of what a small one costs to compile.
    """
    if function is None:
        return lambda function: jit(function, sums=sums, inline=inline, exact=exact)
    flags = REASSOC if sums else False if exact else CONTRACT
    options = {"nogil": True, "error_model": "numpy", "fastmath": flags, "forceinline": inline}
    compiled = _cached(function, {**options, "no_cfunc_wrapper": True})
    if hasattr(compiled, "get_call_template"):  # which is absent where compilation is off
        # made when something that is compiled calls it, which in a process with kept code may be never
        inner = functools.cache(lambda: _cached(renamed(function, "inner"), {**options, **INSIDE}))
        compiled.get_call_template = lambda *types: inner().get_call_template(*types)
        compiled.get_overload = lambda signature: inner().get_overload(signature)
    return compiled


def _cached(function, options):
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither this folder nor a cache folder of the user's is writable
        return numba.njit(**options)(function)
    expire_with_any_source(compiled)
    return compiled


def renamed(function, name):
    """The same function under another name, which gives it cache files of its own."""
    f = function
    same = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    same.__qualname__ = f"{f.__qualname__}.{name}"
    return same


def expire_with_any_source(compiled):
    """Let a cached kernel expire when any file of this folder changes.

    Numba looks only at the file of the kernel itself: after a change to a helper in another file it would load the
    old code and return the old numbers.
    """
    load_directly(compiled)
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)  # absent where compilation is off
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, SOURCES)


def _stamp(path):
    status = path.stat()
    return path.name, status.st_mtime, status.st_size


SOURCES = tuple(_stamp(path) for path in sorted(pathlib.Path(__file__).parent.glob("[!_]*.py")))
