"""``torch.cuda.nvtx``: marks for NVIDIA's profiler: none are made."""

import contextlib


def range_push(msg):
    """Begin a range; the depth that PyTorch would return is not known."""
    return -1


def range_pop():
    return -1


def mark(msg):
    pass


@contextlib.contextmanager
def range(msg, *args, **kwargs):
    yield
