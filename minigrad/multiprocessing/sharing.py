"""Tensors whose memory several processes see: what ``share_memory_()`` makes, for training one model in many processes."""

import mmap
import os
import tempfile
import weakref
from multiprocessing.reduction import DupFd, ForkingPickler

import numpy as np

from .. import backends, graph
from ..nn import Parameter
from ..tensor import Tensor, new, wrap

_files = {}  # id of the array that owns the memory -> the file behind it


def share(t):
    """Move the memory of ``t`` to where processes started from here on see it, by ``fork`` or ``spawn``. Returns ``t``."""
    if not is_shared(t):
        array = backends.of(t.array).host(t.array)
        if array is not t.array and t.device.type != "cpu":
            return t  # a GPU's memory is shared as it is, as PyTorch says
        fd = _file(max(array.nbytes, 1))
        flat = _mapped(fd, max(array.nbytes, 1), array.dtype)
        shared = flat[: array.size].reshape(array.shape)
        shared[...] = array
        t.data = wrap(shared)
        for kind in (Tensor, Parameter):
            ForkingPickler.register(kind, _reduce)
    return t


def is_shared(t):
    """Whether the memory of ``t`` is shared, by :func:`share` or because another process did it."""
    return id(graph.owner_of(t.array)) in _files


def _file(size):
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("minigrad")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def _mapped(fd, size, dtype):
    """The file as an array. It is closed when the array and its views are gone."""
    flat = np.frombuffer(mmap.mmap(fd, size), np.uint8)[: size // dtype.itemsize * dtype.itemsize].view(dtype)
    owner = graph.owner_of(flat)
    _files[id(owner)] = fd
    weakref.finalize(owner, _close, id(owner), fd)
    return flat


def _close(key, fd):
    _files.pop(key, None)
    os.close(fd)


def _reduce(t):
    """How a tensor is sent to another process: shared memory as a file, all else as a copy."""
    owner = graph.owner_of(t.array)
    fd = _files.get(id(owner))
    if fd is None:
        return t.__reduce_ex__(2)
    start = t.array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    layout = (owner.nbytes, t.array.dtype, t.array.shape, t.array.strides, start)
    return _rebuild, (type(t), DupFd(fd), *layout, t.requires_grad, dict(t._attributes()))


def _rebuild(cls, file, size, dtype, shape, strides, start, requires_grad, attributes):
    flat = _mapped(file.detach(), size, np.dtype(np.uint8))
    t = new(cls)
    t.array, t.node = np.ndarray(shape, dtype, flat, start, strides), None
    t.__dict__.update(attributes)
    return t.requires_grad_(requires_grad)
