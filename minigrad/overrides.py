"""``torch.overrides``: asking arguments for ``__torch_function__`` by hand. What tensors of users' classes do is in subclass.py.

A library's function asks ``has_torch_function(args)``, and where it says yes, returns ``handle_torch_function(...)``.
"""

import functools

from .subclass import DisableTorchFunctionSubclass, _off, ask, most_derived_first
from .tensor import Tensor

__all__ = [
    "DisableTorchFunctionSubclass", "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "wrap_torch_function",
]  # fmt: skip


def _asks(value):
    """Whether the class of ``value`` has a ``__torch_function__`` to ask."""
    kind = type(value)
    if isinstance(value, Tensor):
        return not _off.get() and kind is not Tensor and not getattr(kind, "plain_results", False)
    return hasattr(kind, "__torch_function__")


def has_torch_function(relevant_args):
    """Whether some of the arguments is of a class with a ``__torch_function__`` of its own.

    >>> import minigrad
    >>> minigrad.overrides.has_torch_function((minigrad.zeros(2), 1.0))
    False
    """
    return any(_asks(a) for a in relevant_args)


def has_torch_function_unary(arg):
    """:func:`has_torch_function` of one argument."""
    return _asks(arg)


def has_torch_function_variadic(*args):
    """:func:`has_torch_function` of the arguments given one by one."""
    return has_torch_function(args)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """What the ``__torch_function__`` of the arguments makes of ``public_api(*args, **kwargs)``, the most derived class first.

    Raises:
        TypeError: where every class returned NotImplemented.

    >>> import minigrad
    >>> class Celsius:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return f"{func.__name__} of degrees"
    >>> minigrad.overrides.handle_torch_function(minigrad.mean, (Celsius(),), Celsius())
    'mean of degrees'
    """
    return ask(most_derived_first([type(a) for a in relevant_args if _asks(a)]), public_api, args, kwargs)


def wrap_torch_function(dispatcher):
    """A decorator that lets a function be overridden; ``dispatcher`` takes its arguments and returns those to ask.

    >>> import minigrad
    >>> @minigrad.overrides.wrap_torch_function(lambda x: (x,))
    ... def double(x):
    ...     return x * 2
    >>> double(minigrad.tensor(2.0))
    tensor(4.)
    """

    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(call, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return call

    return decorate


def is_tensor_like(inp):
    """Whether ``inp`` is a Tensor, or of a class with a ``__torch_function__``.

    >>> import minigrad
    >>> minigrad.overrides.is_tensor_like(minigrad.zeros(2)), minigrad.overrides.is_tensor_like([1.0])
    (True, False)
    """
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")
