"""PyTorch's ``torch.utils``: the data part of it lives in :mod:`minigrad.data`."""

import importlib as _importlib

from . import data as data

_MODULES = frozenset("_pytree benchmark checkpoint dlpack hooks model_zoo tensorboard".split())


def __getattr__(name):
    if name in _MODULES:
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'minigrad.utils' has no attribute {name!r}")
