"""hostcuda: run the real CuPy wheel on a machine without a GPU, for tests only.

    import hostcuda
    hostcuda.install()                  # before the first `import cupy`
    import cupy
    cupy.arange(5).sum()                # CuPy's own code; the kernels are compiled by g++ and run on the host

README.md says what is real, what is stood in for, and what cannot be shown. The parts:

- build, cache: find the compiler and the headers; keep what was built
- elf, patch: put the stand-in in place of the CUDA runtime inside CuPy's extension module
- compile: CUDA source -> shared object for the host
- src/: the driver, the runtime, the engine that runs threads; cuBLAS and cuRAND
- mathlibs, thrust, solver (with lapack, memory): the libraries CuPy calls
- counters: launches, products, synchronisations, bytes; budgets
- strict: no execution at all: checks calls in source code against CuPy's signatures
"""

import ctypes
import importlib
import importlib.metadata
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import build, counters, mathlibs, patch, solver, thrust
from . import compile as _compile
from .compile import compile_hooks, compile_log
from .counters import budget, stats
from .errors import HostCudaError

__all__ = [
    "HostCudaError",
    "budget",
    "compile_hooks",
    "compile_log",
    "install",
    "installed",
    "set_order",
    "stats",
]

CUPY = "cupy-cuda13x"
CUPY_VERSION = "14.2."  # hostcuda replaces functions inside CuPy: another version may have moved them

_library: ctypes.CDLL | None = None


def install(guard: bool = False, order: int = 0) -> None:
    """Make this process's CuPy run on the host. Call it before the first `import cupy`; a second call does nothing.

    guard: every array is an allocation of its own and ends at a page nobody may touch, so that a kernel which
        reads or writes past an array dies at once, with its name on stderr. (CuPy's memory pool is switched off.)
    order: see `set_order`.
    """
    global _library
    if _library is not None:
        return
    _check_platform()
    with ThreadPoolExecutor() as pool:
        driver = pool.submit(build.driver)
        libraries = [pool.submit(mathlibs.library, name) for name in ("cublas", "curand")]
    # Loaded under their SONAMEs before CuPy asks for them, so that the dynamic loader looks no further.
    library = ctypes.CDLL(str(driver.result()), mode=ctypes.RTLD_GLOBAL)
    for built in libraries:
        ctypes.CDLL(str(built.result()), mode=ctypes.RTLD_GLOBAL)
    library.hc_set_guard(int(guard))
    patch.patch_runtime(build.package_file("cupy_backends", "cuda/api/runtime.*.so"), library)
    _hook_into_cupy(guard)
    _library = library
    counters.use(library)
    set_order(order)


def installed() -> bool:
    """Has `install` been called in this process?"""
    return _library is not None


def set_order(order: int) -> int:
    """Choose the order in which the threads of a block run: 0 forward, 1 backward, n > 1 shuffled with seed n.

    (Order 1 also runs the blocks of a row backward.) A correct kernel gives the same result in every order, but for
    the rounding of atomic sums. Returns the order that held before.
    """
    if _library is None:
        raise HostCudaError("hostcuda.set_order() before hostcuda.install(): call install() first")
    setting = ctypes.c_int.in_dll(_library, "hc_order")
    before, setting.value = setting.value, order
    return before


def _check_platform() -> None:
    if "cupy" in sys.modules:
        raise HostCudaError(
            "cupy was imported before hostcuda.install(): it has found no GPU and will not look again. "
            "Call install() first, for instance in conftest.py."
        )
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise HostCudaError(
            f"hostcuda patches x86-64 Linux code; this is {sys.platform} on {platform.machine()}. "
            "Run these tests on x86-64 Linux (a container will do)."
        )
    advice = f"Run: pip install -r {Path(__file__).parent / 'requirements.txt'}"
    try:
        version = importlib.metadata.version(CUPY)
    except importlib.metadata.PackageNotFoundError:
        raise HostCudaError(f"{CUPY} is not installed. {advice}") from None
    if not version.startswith(CUPY_VERSION):
        raise HostCudaError(f"hostcuda was written for {CUPY} {CUPY_VERSION}*, and {version} is installed. {advice}")


def _hook_into_cupy(guard: bool) -> None:
    """Import CuPy and replace, in memory, what cannot work without a GPU."""
    os.environ["CUPY_ACCELERATORS"] = ""  # CUB's reductions are precompiled device code: use CuPy's own kernels
    # Imported by full name: the attribute access `libs.cublas` would first search the disk for the real library.
    for name in ("cublas", "curand"):
        importlib.import_module(f"cupy_backends.cuda.libs.{name}")
    import cupy

    _compile.hook_into_cupy()
    thrust.hook_into_cupy()
    solver.hook_into_cupy()
    # These are precompiled device code: fail with a reason, never return rubbish.
    for name in ("default_rng", "Generator", "XORWOW", "MRG32k3a", "Philox4x3210"):
        setattr(cupy.random, name, _refusal(f"cupy.random.{name}"))
    if guard:
        cupy.cuda.set_allocator(None)


def _refusal(what: str):
    def refuse(*args, **kwargs):
        raise NotImplementedError(f"{what} is precompiled device code, which hostcuda cannot run: test it on a GPU")

    return refuse
