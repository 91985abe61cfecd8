"""Array libraries behind one vocabulary.

``of(array)`` finds the backend by the array's type, ``on(device)`` by a device. A backend is the ``xp`` that operations are
handed: it answers every word of ``words.Words`` itself, and every other operation's name with that operation's text (or
with a kernel, where one is registered and accepts the call).
"""

import importlib
import os

import numpy as np

from ..errors import NoCudaError
from . import memory
from .numpy import NumpyBackend

# PyTorch keeps its flags under this name (torch.backends.cudnn.benchmark). They lie apart from the array libraries, in
# torch_names/flags, and are found as submodules of this package.
__path__.append(os.path.join(os.path.dirname(os.path.dirname(__file__)), "torch_names", "flags"))
_FLAGS = frozenset("cpu cuda cudnn mkl mkldnn mps openmp opt_einsum quantized".split())

memory.reuse()
numpy = NumpyBackend()
by_type = {np.ndarray: numpy}  # array type -> backend; the tracer, vmap and CuPy add theirs
wrappers = []  # array types of vmap, which come before any other among the arguments of one call


def of(array):
    """The backend of an array."""
    backend = by_type.get(array.__class__)
    if backend is None:
        if isinstance(array, (np.generic, bool, int, float)):
            return numpy
        if type(array).__module__.partition(".")[0] != "cupy":
            raise TypeError(
                f"minigrad has no backend for {type(array).__module__}.{type(array).__name__}; convert it to a NumPy array"
            )
        backend = cupy_backend()
        by_type[array.__class__] = backend
    return backend


def of_all(arrays):
    """The backend of a call with several arrays: that of the batched ones where vmap has made some."""
    for a in arrays if wrappers else ():
        if a.__class__ in wrappers:
            return by_type[a.__class__]
    return of(next(a for a in arrays if hasattr(a, "dtype")))


def on(device_type):
    """The backend that makes new arrays on ``"cpu"`` or ``"cuda"``."""
    return numpy if device_type == "cpu" else cupy_backend()


_cupy = []


def cupy_backend():
    """The CuPy backend, made on first use; NoCudaError where CuPy or a GPU is missing."""
    if not _cupy:
        why = cuda_missing()
        if why:
            raise NoCudaError(f"device 'cuda' is not available (Torch not compiled with CUDA enabled): {why}")
        from .cupy import CupyBackend

        _cupy.append(CupyBackend())
        by_type[_cupy[0].ndarray] = _cupy[0]
    return _cupy[0]


def cuda_missing():
    """None where CuPy finds a GPU, else the reason and what to do."""
    try:
        import cupy as library
    except ImportError as error:
        reason = "CuPy is not installed" if isinstance(error, ModuleNotFoundError) else f"CuPy does not import ({error})"
        return f"{reason}; in the clone run: pip install -e '.[cuda13]' (or '.[cuda12]', to match your CUDA driver)"
    if not library.is_available():
        return f"CuPy {library.__version__} is installed but finds no CUDA GPU; check the driver with nvidia-smi"
    return None


def __getattr__(name):
    if name in _FLAGS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'minigrad.backends' has no attribute {name!r}")
