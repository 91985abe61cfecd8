"""Modules under PyTorch's names, whose contents are minigrad's."""

import difflib
import importlib
import sys
import types

from ..dtype import DType
from . import table

USED, MISSING = {}, {}  # full names in the order in which the program first touched them
_NOTHING = object()
_made = {}  # full name -> Facade
_SPACES = ("torch", "torch.nn.functional", "torch.nn", "torch.linalg", "torch.special", "torch.Tensor", "torch.optim")


class Facade(types.ModuleType):
    """One module, such as ``torch.nn``: it looks up each name in minigrad's module when it is first asked for.

    What a program assigns stays in the facade, so that :func:`minigrad.as_torch` can be undone; flags are the exception.
    """

    def __init__(self, name, source):
        super().__init__(name, source.__doc__)
        put = super().__setattr__
        put("_source", source)
        put("__path__", [])  # so that `from torch.x import y` asks the finder, which says what is missing
        put("__file__", getattr(source, "__file__", None))
        if name == "torch":
            put("__version__", version())

    def __getattr__(self, name):
        value = look_up(self, name)
        if value is _NOTHING:
            if name == "__all__":
                return public_names(self)
            if not (name.startswith("__") and name.endswith("__")):
                MISSING.setdefault(f"{self.__name__}.{name}")
            raise AttributeError(no_such_name(self.__name__, name))
        USED.setdefault(f"{self.__name__}.{name}")
        if callable(value) or isinstance(value, types.ModuleType | DType):  # what can change is looked up each time
            super().__setattr__(name, value)
        return value

    def __setattr__(self, name, value):
        if self._source.__name__.startswith("minigrad.backends"):
            setattr(self._source, name, value)
        elif not (isinstance(value, Facade) and isinstance(getattr(self._source, name, None), types.FunctionType)):
            super().__setattr__(name, value)  # else Python binds a submodule that has the name of a function, weight_norm

    def __dir__(self):
        return sorted({*self.__dict__, *public_names(self)})

    def __repr__(self):
        return f"<module {self.__name__!r}: {self._source.__name__}>"


def version():
    from ..version import TorchVersion

    return TorchVersion("2.13.0+minigrad")


def look_up(facade, name):
    """The value behind ``facade.name``, ``_NOTHING`` where there is none. Modules are shown under PyTorch's name."""
    full = f"{facade.__name__}.{name}"
    if full == "torch.compile":  # in minigrad the name of a package, which can be called
        return module("torch.compiler").compile
    top = facade.__name__ == "torch"
    if top and name in table.PUBLIC:
        return _imported(facade, full) or _NOTHING
    value = getattr(facade._source, name, _NOTHING)
    if value is _NOTHING and full in table.ELSEWHERE:
        return _imported(facade, full) or _NOTHING
    if isinstance(value, types.ModuleType) and value.__name__.startswith("minigrad"):
        return _NOTHING if top else _imported(facade, full) or value
    return value


def _imported(facade, full):
    """The facade of that name; in ``sys.modules`` if its parent is there."""
    found = module(full)
    if found is not None and sys.modules.get(facade.__name__) is facade:
        importlib.import_module(full)
    return found


def source_of(name):
    """The minigrad module behind a module name of PyTorch's, or None."""
    root, _, rest = name.partition(".")
    if root == "torch" and rest and rest.partition(".")[0] not in table.PUBLIC and name not in table.ELSEWHERE:
        return None
    path = table.ELSEWHERE.get(name, ".".join(filter(None, (table.ROOTS[root], rest))))
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(error.name + ".")):
            return None
        raise


def module(name):
    """The facade of that name, or None where minigrad has no such module."""
    made = _made.get(name)
    if made is None:
        source = source_of(name)
        if source is None:
            return None
        made = _made[name] = Facade(name, source)
    return made


def forget():
    """Drop all facades: the next program gets new ones, without what the last one assigned."""
    _made.clear()


def public_names(facade):
    """What ``from torch.x import *`` brings."""
    names = [n for n in dir(facade._source) if not n.startswith("_")]
    if facade.__name__ != "torch":
        return names
    modules = {n for n in names if isinstance(sys.modules.get(f"minigrad.{n}"), types.ModuleType)}
    classes = {"device", "dtype"}  # their modules have the same names
    return sorted({n for n in names if n not in modules or n in classes} | {n for n in table.PUBLIC if not n.startswith("_")})


def nearest(where, name):
    """The public name that was probably meant: the same name elsewhere, else one spelt nearly so."""
    for space in _SPACES:
        if space != where and name in names_in(space):
            return f"{space}.{name}"
    near = difflib.get_close_matches(name, names_in(where), n=1, cutoff=0.7)
    return f"{where}.{near[0]}" if near else None


def names_in(space):
    if space == "torch.Tensor":
        from ..tensor import Tensor

        return [n for n in dir(Tensor) if not n.startswith("_")]
    found = module(space)
    return public_names(found) if found is not None else []


def no_such_name(where, name):
    instead = table.INSTEAD.get(f"{where}.{name}")
    if instead:
        return f"minigrad has no {where}.{name}; {instead}"
    near = nearest(where, name)
    return f"minigrad has no {where}.{name}" + (f"; the nearest that it has is {near}" if near else "")
