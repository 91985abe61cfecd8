"""How many threads compute, in our kernels and in the BLAS libraries that NumPy and SciPy bring along.

Two copies of OpenBLAS are usually loaded, each with threads of its own. NumPy's serves the ``@`` of eager code and takes
the number of :func:`set_num_threads`. SciPy's serves compiled kernels, which split their work over our threads: it is
held to one thread (:func:`one_blas_thread_in_kernels`), or every one of ours would start as many again. Other BLAS
libraries (MKL, Accelerate) are left as they are. Where NumPy and SciPy share one OpenBLAS of the system, it takes the
number of :func:`set_num_threads` and keeps it in kernels too.
"""

import contextlib
import ctypes
import functools
import glob
import importlib.util
import os

LOADED = getattr(os, "RTLD_NOLOAD", 0)  # opens a library only where it is there already
SYSTEM = ["libopenblas.so.0", "libopenblas.0.dylib"]
PATTERNS = ("*openblas*.so*", "*openblas*.dylib", "*openblas*.dll")
NAMES = [f"{prefix}openblas_{{}}{bits}" for prefix in ("scipy_", "") for bits in ("64_", "")]  # wheels rename functions
AVX512 = (b"SkylakeX", b"Cooperlake", b"SapphireRapids")  # what OpenBLAS calls the processors it has small products for


def _number(text):
    first = (text or "").split(",")[0].strip()  # OMP_NUM_THREADS may hold one number for each level of nesting
    return int(first) if first.isdigit() and int(first) > 0 else None


_chosen = _number(os.environ.get("OMP_NUM_THREADS")) or _number(os.environ.get("MKL_NUM_THREADS"))


def cores():
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_threads():
    """The threads that a kernel and a matrix product may use: what :func:`set_num_threads` said, else ``OMP_NUM_THREADS``
    or ``MKL_NUM_THREADS`` as they stood at the import, else the cores that this process may use."""
    return _chosen or cores()


def set_num_threads(num):
    """Let kernels and NumPy's matrix products use ``num`` threads, from the next call on.

    >>> import minigrad
    >>> before = minigrad.get_num_threads()
    >>> minigrad.set_num_threads(1); minigrad.get_num_threads()
    1
    >>> minigrad.set_num_threads(before)
    """
    global _chosen
    if not isinstance(num, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {num}")
    _chosen = num
    _set_blas("numpy", num)


def one_blas_thread_in_kernels():
    """Hold SciPy's copy of OpenBLAS to one thread: called when the kernels that use it are loaded.

    The library is loaded for it, which takes milliseconds, and not SciPy, which takes longer: Numba does that at the first
    product.
    """
    _set_blas("scipy", 1)


def _set_blas(package, num):
    for setter in _functions(package, "set_num_threads"):
        setter(num)


@functools.cache
def blas_has_small_products():
    """Whether the OpenBLAS of the kernels multiplies small matrices as they lie, and does not copy them first."""
    found = _functions("scipy", "get_corename")
    for function in found:
        function.restype = ctypes.c_char_p
    return bool(found) and all(function() in AVX512 for function in found)


@functools.cache
def _functions(package, what):
    """The function of this name of the OpenBLAS that a package brings along; nothing where it uses another library."""
    root = os.path.dirname(importlib.util.find_spec(package).origin)
    folders = [f"{root}.libs", os.path.join(root, ".dylibs")]
    paths = [path for folder in folders for pattern in PATTERNS for path in glob.glob(os.path.join(folder, pattern))]
    libraries = [ctypes.CDLL(path) for path in paths] or (_of_the_system() if package == "numpy" else [])
    names = [name.format(what) for name in NAMES]
    return [getattr(library, name) for library in libraries for name in names if hasattr(library, name)]


def _of_the_system():
    """The OpenBLAS that other packages have loaded, if any."""
    found = []
    for name in SYSTEM if LOADED else ():
        with contextlib.suppress(OSError):
            found.append(ctypes.CDLL(name, mode=LOADED))
    return found
