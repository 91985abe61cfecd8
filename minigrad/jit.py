"""``torch.jit``: programs that script or trace their models run as they are, in Python.

``script`` and ``trace`` return what they are given: the numbers are the same. What needs a compiled file does not exist here.
"""

import typing

from .errors import UnsupportedError
from .nn import Module

Final = typing.Final
Error = RuntimeError


class ScriptModule(Module):
    """The base class of scripted modules in old programs: a Module."""


class ScriptFunction:
    """The type of scripted functions; none is made."""


class Attribute(typing.NamedTuple):
    """A value with its type, for a scripted module's attribute."""

    value: object
    type: object


def script(obj, *_, **__):
    """``obj`` itself: a function, a class or a module."""
    return obj


def trace(func, example_inputs=None, *_, **__):
    """``func`` itself; it follows ``if`` and loops, where a trace of PyTorch's freezes them."""
    return func


def trace_module(mod, inputs=None, *_, **__):
    return mod


def freeze(mod, *_, **__):
    return mod


def optimize_for_inference(mod, *_, **__):
    return mod


def script_method(fn):
    return fn


def script_if_tracing(fn):
    return fn


def export(fn):
    return fn


def interface(obj):
    return obj


def unused(fn):
    return fn


def ignore(drop=False, **_):
    """Decorator, with or without arguments."""
    return drop if callable(drop) else unused


def is_scripting():
    """False: everything runs in Python."""
    return False


def is_tracing():
    return False


def annotate(the_type, the_value):
    """The value; the type is for PyTorch's compiler."""
    return the_value


def isinstance(obj, target_type):
    import builtins

    return builtins.isinstance(obj, typing.get_origin(target_type) or target_type)


def fork(func, *args, **kwargs):
    """Run ``func`` now; :func:`wait` gives its result."""
    return func(*args, **kwargs)


def wait(future):
    return future


def set_fusion_strategy(strategy):
    return []


def enable_onednn_fusion(enabled):
    pass


def _no_file(name, instead):
    def call(*args, **kwargs):
        raise UnsupportedError(f"torch.jit.{name}: minigrad has no TorchScript files; {instead}")

    call.__name__ = call.__qualname__ = name
    call.__doc__ = "Raises UnsupportedError: there are no TorchScript files here."
    return call


save = _no_file("save", "save the state dict with torch.save(model.state_dict(), path)")
load = _no_file("load", "make the model from its class and load a state dict into it")
