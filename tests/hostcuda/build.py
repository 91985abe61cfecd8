"""Finds the compiler, the CUDA headers and CuPy's files, and builds the stand-in libraries."""

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import cache
from .errors import HostCudaError

SOURCES = Path(__file__).parent / "src"
LIBRARY_FLAGS = ("-O3", "-fPIC", "-shared", "-std=c++17", "-w")


@functools.cache
def compiler() -> str:
    """The C++ compiler: HOSTCUDA_CXX, else g++."""
    name = os.environ.get("HOSTCUDA_CXX", "g++")
    found = shutil.which(name)
    if not found:
        raise HostCudaError(
            f"hostcuda compiles kernels with {name!r}, which is not on PATH. "
            "Install it (Debian, Ubuntu: apt-get install g++) or name another GCC in HOSTCUDA_CXX."
        )
    return found


@functools.cache
def compiler_version() -> str:
    """Part of every cache key: a precompiled header is only good for the compiler that made it."""
    return run([compiler(), "-dumpfullversion", "-dumpmachine"])


def run(command: Sequence[str]) -> str:
    """Run a command and return what it printed; if it fails, raise with its complaints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostCudaError(f"{' '.join(command)}\nended with status {done.returncode}:\n{done.stderr[:6000]}")
    return done.stdout


def package_folders(name: str) -> list[Path]:
    """The folders of a package, without importing it; none if it is not installed."""
    spec = importlib.util.find_spec(name)
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []


@functools.cache
def cuda_include() -> str:
    """The folder of NVIDIA's headers: HOSTCUDA_INCLUDE, else the pip packages' one, else an installed toolkit's."""
    candidates = [Path(os.environ["HOSTCUDA_INCLUDE"])] if "HOSTCUDA_INCLUDE" in os.environ else []
    candidates += [folder / "cu13" / "include" for folder in package_folders("nvidia")]
    candidates.append(Path("/usr/local/cuda/include"))
    for candidate in candidates:
        if (candidate / "cuda_fp16.h").exists() and (candidate / "crt" / "host_defines.h").exists():
            return str(candidate)
    raise HostCudaError(
        f"The CUDA headers cuda_fp16.h and crt/host_defines.h were found in none of {[str(c) for c in candidates]}. "
        f"Run: pip install -r {Path(__file__).parent / 'requirements.txt'}"
    )


@functools.cache
def cupy_include() -> str:
    """The folder of the headers CuPy's own kernels include."""
    return str(package_file("cupy", "_core/include"))


def package_file(package: str, pattern: str) -> Path:
    """The file (or folder) of an installed package that matches the pattern."""
    for folder in package_folders(package):
        for path in folder.glob(pattern):
            return path
    raise HostCudaError(f"{package}/{pattern} is not installed. Run: pip install -r {Path(__file__).parent / 'requirements.txt'}")


def library(name: str, sources: Sequence[Path], extra: Sequence[str] = ()) -> Path:
    """Build (or find in the cache) the shared library `name` from C++ sources; its SONAME is its name."""
    texts = [path.read_text() for path in (*sources, *sorted(SOURCES.glob("*.h")))]
    flags = (*LIBRARY_FLAGS, f"-I{cuda_include()}", f"-I{SOURCES}", f"-Wl,-soname,{name}", *extra)
    key = cache.digest(texts, flags, compiler_version())

    def produce(temporary: Path) -> None:
        run([compiler(), *flags, *map(str, sources), "-o", str(temporary), "-ldl"])

    return cache.publish(cache.folder() / "lib" / key / name, produce)


def driver() -> Path:
    """libcuda.so.1: the driver, the runtime and the engine that runs threads."""
    return library("libcuda.so.1", [SOURCES / f"{part}.cpp" for part in ("simt", "memory", "runtime", "driver")])
