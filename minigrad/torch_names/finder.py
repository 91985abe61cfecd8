"""The import hook: ``import torch`` finds minigrad, whether PyTorch is installed or not."""

import importlib.machinery
import sys

from . import facade, table


class Finder:
    """First on ``sys.meta_path`` while a program calls minigrad torch."""

    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in table.GAPS:
            return _gap(name, root)
        if root not in table.ROOTS:
            return None
        if facade.module(name) is not None:
            return importlib.machinery.ModuleSpec(name, self, origin="minigrad", is_package=True)
        return _gap(name, root) if name == root else _missing(name)

    def create_module(self, spec):
        return facade.module(spec.name)

    def exec_module(self, module):
        facade.USED.setdefault(module.__name__)


def _gap(name, root):
    if "_find_and_load" not in _importing():
        return None  # importlib.util.find_spec asks whether there is such a module: there is none
    facade.MISSING.setdefault(name)
    raise ModuleNotFoundError(
        f"minigrad does not stand in for {root}, and {root} itself works with PyTorch only; this program needs it: import {name}",
        name=name,
    )


def _missing(name):
    """``from torch.x import y`` and ``import torch.x.y`` both ask for a module torch.x.y; the error differs."""
    callers = _importing()
    if "_find_and_load" not in callers:
        return None
    where, _, last = name.rpartition(".")
    facade.MISSING.setdefault(name)
    if "_handle_fromlist" in callers:
        raise ImportError(facade.no_such_name(where, last), name=where)
    raise ModuleNotFoundError(facade.no_such_name(where, last), name=name)


def _importing():
    """The functions of Python's import machinery that are calling, up to the import statement."""
    frame, names = sys._getframe(2), set()
    while frame is not None and (frame.f_code.co_filename.startswith("<frozen importlib") or frame.f_globals is globals()):
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names
