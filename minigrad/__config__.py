"""``torch.__config__``: what minigrad is made of, as text."""

from .settings import get_num_interop_threads, get_num_threads


def show():
    """The versions that matter for numbers and speed."""
    import importlib.metadata
    import platform

    import numpy

    from . import __version__

    lines = [f"minigrad {__version__}", f"Python {platform.python_version()}", f"NumPy {numpy.__version__}"]
    for name in ("numba", "cupy-cuda12x", "cupy-cuda13x"):
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"


def parallel_info():
    """How many threads there are."""
    return f"threads of a kernel: {get_num_threads()}\nthreads between operations: {get_num_interop_threads()}\n"
