"""Classes of users that derive from Tensor: what is computed from them is of their class, by PyTorch's ``__torch_function__``.

Tensor itself pays nothing: when such a class is defined, its methods, and from then on the functions of the public modules,
are replaced by ones that look for it among their arguments.
"""

import contextvars
import functools
import importlib
import types

from .op import members
from .tensor import Tensor

_off = contextvars.ContextVar("minigrad_torch_function_off", default=False)
_classes = []  # those that were adopted
_OPERATORS = """add radd iadd sub rsub isub mul rmul imul truediv rtruediv floordiv rfloordiv mod rmod pow rpow ipow matmul
rmatmul neg pos abs and rand or ror xor rxor invert lshift rshift eq ne lt le gt ge getitem setitem""".split()
_PROPERTIES = ("T", "mT", "H", "mH", "data", "real", "imag")
_MODULES = {
    "torch": "minigrad",
    "functional": "minigrad.nn.functional",
    "linalg": "minigrad.linalg",
    "special": "minigrad.special",
}


class DisableTorchFunctionSubclass:
    """Inside, tensors of users' classes are treated as plain tensors: ``with DisableTorchFunctionSubclass():``.

    >>> from minigrad.subclass import DisableTorchFunctionSubclass
    >>> with DisableTorchFunctionSubclass():
    ...     pass
    """

    def __enter__(self):
        self._token = _off.set(True)

    def __exit__(self, *_):
        _off.reset(self._token)


def default_torch_function(cls, func, types, args=(), kwargs=None):
    """Run ``func`` as on plain tensors, and make its results ``cls``; classes override it and call it by ``super()``."""
    kwargs = kwargs or {}
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
    return _converted(cls, result, {id(a) for a in (*args, *kwargs.values())})


def _converted(cls, result, given):
    if isinstance(result, Tensor) and type(result) is Tensor:
        if id(result) in given:  # the function returned its argument
            return result.as_subclass(cls)
        result.__class__ = cls  # and not a new object: the result may be a view that remembers its base
        return result
    if isinstance(result, tuple | list):
        parts = [_converted(cls, r, given) for r in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def _overriding(args, kwargs):
    """The classes of users among the arguments, the most derived first."""
    values = [v for a in (*args, *kwargs.values()) for v in (a if isinstance(a, tuple | list) else (a,))]
    return most_derived_first([type(v) for v in values if type(v) in _classes])


def most_derived_first(kinds):
    """Each class once, a class in front of those that it derives from, else in the order given."""
    found = []
    for kind in kinds:
        if kind not in found:
            found.insert(next((i for i, k in enumerate(found) if issubclass(kind, k)), len(found)), kind)
    return found


def ask(kinds, function, args, kwargs):
    """What the first of the classes that can says of ``function(*args, **kwargs)``.

    Raises:
        TypeError: where every class returned NotImplemented.
    """
    for kind in kinds:
        result = kind.__torch_function__(function, tuple(kinds), args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for {function.__name__!r} on types that implement __torch_function__: "
        f"{[k.__name__ for k in kinds]}"
    )


def routed(function):
    """``function`` as one that asks the classes of users among its arguments first."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        found = () if _off.get() else _overriding(args, kwargs)
        return ask(found, call, args, kwargs) if found else function(*args, **kwargs)

    return call


def adopt(cls):
    """Make the methods of a new subclass of Tensor, and the public functions, ask for its ``__torch_function__``."""
    own = {name for base in cls.__mro__[: cls.__mro__.index(Tensor)] for name in vars(base)}
    for name in dir(Tensor):
        if name in own or (name.startswith("_") and name.strip("_") not in _OPERATORS):
            continue
        value = vars(Tensor).get(name)
        if isinstance(value, types.FunctionType):
            setattr(cls, name, _route_once(value))
        elif name in _PROPERTIES:
            setattr(cls, name, property(_route_once(value.fget), value.fset))
    if not _classes:
        for space, module in _MODULES.items():
            module = importlib.import_module(module)
            for name in members(space):
                function = getattr(module, name)
                if isinstance(function, types.FunctionType):
                    setattr(module, name, _route_once(function))
    _classes.append(cls)


@functools.cache
def _route_once(function):
    return routed(function)
