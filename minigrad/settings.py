"""PyTorch's global settings: threads, precision, determinism, default device, memory formats.

What has a meaning here acts; the rest is remembered and read back, as a program expects, and changes nothing.
"""

import warnings

from .device import device as Device
from .dtype import set_default_dtype
from .tensor import Tensor
from .threads import get_num_threads, set_num_threads  # noqa: F401  (PyTorch has them here)

_set = {
    "interop": None, "precision": "highest", "deterministic": False, "warn_only": False, "debug": 0,
    "warn_always": False,
}  # fmt: skip


class _Named:
    """A value that is nothing but its name, such as ``torch.channels_last``."""

    _all = {}

    def __init__(self, name):
        self._name = name
        self._all[name] = self

    def __repr__(self):
        from . import house

        return f"{house.name}.{self._name}"

    def __reduce__(self):
        return _named, (self._name,)


def _named(name):
    return _Named._all[name]


class memory_format(_Named):
    """How the dimensions of a tensor lie in memory. minigrad keeps every format's meaning and stores rows last."""


class layout(_Named):
    """``torch.strided`` for dense tensors."""


class qscheme(_Named):
    """The type of PyTorch's quantization schemes; minigrad has its own in ``minigrad.compress``."""


preserve_format = memory_format("preserve_format")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided, sparse_coo, sparse_csr = layout("strided"), layout("sparse_coo"), layout("sparse_csr")


# ---------------------------------------------------------------------------------------------------------------- threads
def init_num_threads():
    """Kept for PyTorch's signature: threads start when they are first needed."""


def get_num_interop_threads():
    """The number set by :func:`set_num_interop_threads`; operations run one after the other whatever it is."""
    return _set["interop"] or get_num_threads()


def set_num_interop_threads(num):
    if not isinstance(num, int):
        raise TypeError(f"set_num_interop_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError(f"set_num_interop_threads expects a positive integer, got {num}")
    _set["interop"] = num


# -------------------------------------------------------------------------------------------------- precision, determinism
def get_float32_matmul_precision():
    """``"highest"``, ``"high"`` or ``"medium"``, as :func:`set_float32_matmul_precision` left it."""
    return _set["precision"]


def set_float32_matmul_precision(precision):
    """Remember how exact float32 products must be. They are always computed in float32 here, as on PyTorch's CPU."""
    if precision not in ("highest", "high", "medium"):
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; the call has no effect", stacklevel=2)
        return
    _set["precision"] = precision


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Remember the wish: everything here is deterministic already."""
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms: mode must be bool, got {type(mode).__name__}")
    _set["deterministic"], _set["warn_only"] = mode, bool(warn_only)


def are_deterministic_algorithms_enabled():
    """Whether :func:`use_deterministic_algorithms` was asked for."""
    return _set["deterministic"]


def is_deterministic_algorithms_warn_only_enabled():
    return _set["warn_only"]


def set_deterministic_debug_mode(debug_mode):
    """``"default"`` (0), ``"warn"`` (1) or ``"error"`` (2)."""
    names = {"default": 0, "warn": 1, "error": 2}
    mode = names.get(debug_mode, debug_mode)
    if mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 'default', 'warn' or 'error' (0, 1, 2), got {debug_mode!r}")
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode():
    if not _set["deterministic"]:
        return 0
    return 1 if _set["warn_only"] else 2


def set_warn_always(b):
    if not isinstance(b, bool):
        raise TypeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    _set["warn_always"] = b


def is_warn_always_enabled():
    return _set["warn_always"]


def set_flush_denormal(mode):
    """Numbers below the smallest normal one are kept: False says that this cannot be changed."""
    return False


# ----------------------------------------------------------------------------------------------------- default device, types
def get_default_device():
    """The device of new tensors.

    >>> import minigrad
    >>> minigrad.get_default_device()
    device(type='cpu')
    """
    from .device import default

    return default["device"] or Device("cpu")


def set_default_device(device):
    """Make ``device`` (None: the CPU) the device of new tensors."""
    from .device import default

    default["device"] = None if device is None or Device(device).type == "cpu" else Device(device)


def set_default_tensor_type(t):
    """Old programs say so: ``FloatTensor`` or ``DoubleTensor`` as the kind of new float tensors."""
    from .ops.creation import type_of

    dtype, where = type_of(t)
    if not dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {t}")
    set_default_dtype(dtype)
    set_default_device(where)


def get_device_module(device=None):
    """``torch.cpu`` or ``torch.cuda``."""
    import importlib

    kind = "cpu" if device is None else Device(device).type
    return importlib.import_module(f".{kind}", __package__)


def typename(obj):
    """The full name of an object's type, ``"torch.FloatTensor"`` for tensors.

    >>> import minigrad
    >>> minigrad.typename(minigrad.zeros(2)), minigrad.typename([1])
    ('minigrad.FloatTensor', 'list')
    """
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    prefix = "" if named.__module__ == "builtins" else f"{named.__module__}."
    return prefix + named.__qualname__


def compiled_with_cxx11_abi():
    return True


# ------------------------------------------------------------------------------------------------------- autocast, by function
def is_autocast_enabled(device_type="cuda"):
    """Whether this thread is inside an enabled autocast of that type of device."""
    from .amp.autocast_mode import current

    return current(device_type) is not None


def is_autocast_cpu_enabled():
    return is_autocast_enabled("cpu")


def get_autocast_dtype(device_type):
    from .amp.autocast_mode import default_dtype

    return default_dtype(device_type)


def set_autocast_dtype(device_type, dtype):
    """Let ``autocast(device_type)`` without a dtype cast to ``dtype``."""
    from .amp.autocast_mode import set_default_dtype

    set_default_dtype(device_type, dtype)


def get_autocast_cpu_dtype():
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype():
    return get_autocast_dtype("cuda")


def is_autocast_cache_enabled():
    return True


def clear_autocast_cache():
    """Nothing is kept: weights are cast where they are used."""
