"""The GPU: whether there is one, and what to install where there is none. ``torch.cuda``'s names."""

from types import SimpleNamespace

from .. import backends
from ..device import device as Device
from ..errors import NoCudaError


def is_available():
    """Whether CuPy is installed and finds a GPU.

    >>> import minigrad
    >>> minigrad.cuda.is_available() in (True, False)
    True
    """
    return backends.cuda_missing() is None


def why_not():
    """Why ``device="cuda"`` would fail, with what to install, or None where it works."""
    return backends.cuda_missing()


def device_count():
    """The number of GPUs, 0 without CuPy."""
    return _cupy().cuda.runtime.getDeviceCount() if is_available() else 0


def current_device():
    """The index of the GPU that new arrays go to. NoCudaError without one."""
    return _cupy().cuda.Device().id


def get_device_name(device=None):
    """The name of a GPU."""
    index = Device(device).index if device is not None else current_device()
    return _cupy().cuda.runtime.getDeviceProperties(index or 0)["name"].decode()


def synchronize(device=None):
    """Wait until the GPU has done all that it was given. NoCudaError without one."""
    _cupy().cuda.Device().synchronize()


def empty_cache():
    """Give cached GPU memory back to the driver; nothing happens without a GPU."""
    if is_available():
        _cupy().get_default_memory_pool().free_all_blocks()


def manual_seed(seed):
    """Seed the generators of all devices: minigrad has one stream for all of them. Without a GPU nothing happens."""
    if is_available():
        from ..random import manual_seed as everywhere

        everywhere(seed)


manual_seed_all = manual_seed


def set_device(device):
    """Let new arrays go to this GPU. NoCudaError without one."""
    d = Device(device)
    if d.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {d}")
    _cupy().cuda.Device(d.index or 0).use()


class device:
    """``with cuda.device(1):`` new arrays go to that GPU inside. A negative index or None changes nothing."""

    def __init__(self, device):
        self.idx = -1 if device is None else device if isinstance(device, int) else Device(device).index or 0
        self._outer = None

    def __enter__(self):
        if self.idx >= 0:
            self._outer = current_device()
            set_device(self.idx)

    def __exit__(self, *_):
        if self._outer is not None:
            set_device(self._outer)


class device_of(device):
    """``with cuda.device_of(tensor):`` the GPU that the tensor lies on; nothing for a tensor on the CPU."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def get_device_capability(device=None):
    """The compute capability of a GPU, such as (8, 0). NoCudaError without one."""
    number = _cupy().cuda.Device(Device(device or "cuda").index or 0).compute_capability
    return int(number[:-1]), int(number[-1])


def get_device_properties(device=None):
    """Name, memory and multiprocessors of a GPU. NoCudaError without one."""
    p = _cupy().cuda.runtime.getDeviceProperties(Device(device or "cuda").index or 0)
    return SimpleNamespace(
        name=p["name"].decode(), major=p["major"], minor=p["minor"], total_memory=p["totalGlobalMem"],
        multi_processor_count=p["multiProcessorCount"],
    )  # fmt: skip


def is_bf16_supported(including_emulation=True):
    """Whether bfloat16 tensors work on the GPU: wherever there is one."""
    return is_available()


def is_initialized():
    return is_available()


def init():
    """Look for a GPU now. NoCudaError without one."""
    _cupy()


def get_arch_list():
    """The GPU types that code was compiled for ahead of time: none, CuPy compiles when a kernel is first needed."""
    return []


def get_rng_state(device="cuda"):
    """The state of the one generator that all devices share."""
    from ..random import get_rng_state as everywhere

    return everywhere()


def set_rng_state(new_state, device="cuda"):
    """Let the generator continue from a state of :func:`get_rng_state`. Without a GPU nothing happens."""
    if is_available():
        from ..random import set_rng_state as everywhere

        everywhere(new_state)


def get_rng_state_all():
    """The state for each GPU; an empty list without one."""
    return [get_rng_state() for _ in range(device_count())]


def set_rng_state_all(new_states):
    for state in new_states:
        set_rng_state(state)


def seed():
    """Draw a new seed for the generator that all devices share. Without a GPU nothing happens."""
    if is_available():
        from ..random import seed as everywhere

        everywhere()


seed_all = seed


def initial_seed():
    """The seed of the generator that all devices share."""
    from ..random import initial_seed as everywhere

    return everywhere()


def _cupy():
    reason = backends.cuda_missing()
    if reason:
        raise NoCudaError(f"no CUDA device (Torch not compiled with CUDA enabled): {reason}")
    import cupy

    return cupy


from . import random as random  # noqa: E402  it repeats names of this module
from .errors import AcceleratorError as AcceleratorError  # noqa: E402
from .errors import OutOfMemoryError as OutOfMemoryError  # noqa: E402
from .memory import ipc_collect as ipc_collect  # noqa: E402
from .memory import max_memory_allocated as max_memory_allocated  # noqa: E402
from .memory import max_memory_cached as max_memory_cached  # noqa: E402
from .memory import max_memory_reserved as max_memory_reserved  # noqa: E402
from .memory import mem_get_info as mem_get_info  # noqa: E402
from .memory import memory_allocated as memory_allocated  # noqa: E402
from .memory import memory_cached as memory_cached  # noqa: E402
from .memory import memory_reserved as memory_reserved  # noqa: E402
from .memory import memory_stats as memory_stats  # noqa: E402
from .memory import memory_summary as memory_summary  # noqa: E402
from .memory import reset_accumulated_memory_stats as reset_accumulated_memory_stats  # noqa: E402
from .memory import reset_max_memory_allocated as reset_max_memory_allocated  # noqa: E402
from .memory import reset_max_memory_cached as reset_max_memory_cached  # noqa: E402
from .memory import reset_peak_memory_stats as reset_peak_memory_stats  # noqa: E402
from .memory import set_per_process_memory_fraction as set_per_process_memory_fraction  # noqa: E402
from .streams import Event as Event  # noqa: E402
from .streams import Stream as Stream  # noqa: E402
from .streams import StreamContext as StreamContext  # noqa: E402
from .streams import current_stream as current_stream  # noqa: E402
from .streams import default_stream as default_stream  # noqa: E402
from .streams import is_current_stream_capturing as is_current_stream_capturing  # noqa: E402
from .streams import set_stream as set_stream  # noqa: E402
from .streams import stream as stream  # noqa: E402

default_generators = ()
has_half, has_magma = True, False


def __getattr__(name):
    """``cuda.FloatTensor`` and its like, and ``cuda.amp``."""
    from ..ops.creation import LEGACY, typed

    if name in LEGACY:
        value = globals()[name] = typed(name, "cuda")
        return value
    if name == "amp":
        import importlib

        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module 'minigrad.cuda' has no attribute {name!r}")
