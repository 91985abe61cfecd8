"""``torch.accelerator``: the GPU if there is one, without asking of which make."""

from . import backends
from . import cuda as _cuda
from .device import device as Device


def is_available():
    """Whether there is an accelerator: a GPU that CuPy finds.

    >>> import minigrad
    >>> minigrad.accelerator.is_available() == minigrad.cuda.is_available()
    True
    """
    return backends.cuda_missing() is None


def current_accelerator(check_available=False):
    """The device type of the accelerator, or None where there is none. Programs write
    ``device = accelerator.current_accelerator().type if accelerator.is_available() else "cpu"``.

    Args:
        check_available: kept for PyTorch's signature; minigrad names an accelerator only where it answers.
    """
    return Device("cuda") if is_available() else None


def device_count():
    """The number of GPUs, 0 without CuPy."""
    return _cuda.device_count()


def current_device_index():
    """The index of the GPU that new arrays go to. DeviceError without one."""
    return _cuda.current_device()


def synchronize(device=None):
    """Wait until the accelerator has done all that it was given; nothing to wait for without one."""
    if is_available():
        _cuda.synchronize(device)
