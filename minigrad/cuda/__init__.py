"""The GPU: whether there is one, and what to install where there is none. ``torch.cuda``'s names."""

from .. import backends
from ..device import device as Device
from ..errors import DeviceError


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
    """The index of the GPU that new arrays go to. DeviceError without one."""
    return _cupy().cuda.Device().id


def get_device_name(device=None):
    """The name of a GPU."""
    index = Device(device).index if device is not None else current_device()
    return _cupy().cuda.runtime.getDeviceProperties(index or 0)["name"].decode()


def synchronize(device=None):
    """Wait until the GPU has done all that it was given. DeviceError without one."""
    _cupy().cuda.Device().synchronize()


def empty_cache():
    """Give cached GPU memory back to the driver; nothing happens without a GPU."""
    if is_available():
        _cupy().get_default_memory_pool().free_all_blocks()


def manual_seed(seed):
    """Seed the generators of all devices: minigrad has one stream for all of them."""
    from ..random import manual_seed as everywhere

    everywhere(seed)


manual_seed_all = manual_seed


def _cupy():
    reason = backends.cuda_missing()
    if reason:
        raise DeviceError(f"no CUDA device: {reason}")
    import cupy

    return cupy


from . import random as random  # noqa: E402  it repeats names of this module
