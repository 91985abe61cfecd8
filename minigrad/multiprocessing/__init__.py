"""``torch.multiprocessing``: Python's own, and :func:`spawn`. Tensors travel by copy; those of ``share_memory_()`` stay one."""

import multiprocessing as _python

from .spawn import ProcessContext as ProcessContext
from .spawn import ProcessException as ProcessException
from .spawn import ProcessExitedException as ProcessExitedException
from .spawn import ProcessRaisedException as ProcessRaisedException
from .spawn import SpawnContext as SpawnContext
from .spawn import spawn as spawn
from .spawn import start_processes as start_processes

_strategy = ["file_descriptor"]


def get_all_sharing_strategies():
    """PyTorch's ways of sharing memory on Linux."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy():
    return _strategy[0]


def set_sharing_strategy(new_strategy):
    """Remember how PyTorch would share memory."""
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}; one of {sorted(get_all_sharing_strategies())}")
    _strategy[0] = new_strategy


def __getattr__(name):
    if name == "__all__":
        return [*_python.__all__, "spawn", "get_sharing_strategy", "set_sharing_strategy", "get_all_sharing_strategies"]
    try:
        return getattr(_python, name)
    except AttributeError:
        raise AttributeError(f"module 'minigrad.multiprocessing' has no attribute {name!r}") from None


def __dir__():
    return sorted({*globals(), *dir(_python)})
