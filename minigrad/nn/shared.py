"""What several families of layers need."""

import math
from collections.abc import Iterable

from .. import empty
from . import init
from .parameter import Parameter


def new_parameter(*shape, device=None, dtype=None):
    """A Parameter of ``shape`` whose values the caller fills."""
    return Parameter(empty(*shape, device=device, dtype=dtype))


def factory_kwargs(kwargs):
    """What of ``kwargs`` a function that creates tensors takes: device, dtype and memory_format.

    They stand in ``kwargs`` themselves, or in a dict there under the name ``factory_kwargs``. TypeError for anything else.

    >>> import minigrad
    >>> minigrad.nn.factory_kwargs({"dtype": minigrad.float64})
    {'dtype': minigrad.float64}
    """
    if kwargs is None:
        return {}
    known = {"device", "dtype", "memory_format"}
    other = kwargs.keys() - known - {"factory_kwargs"}
    if other:
        raise TypeError(f"unexpected kwargs {other}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in kwargs.keys() & known:
        if name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        found[name] = kwargs[name]
    return found


def ntuple(value, n):
    """``value`` for each of ``n`` dimensions: a number is repeated, a sequence is taken as it is."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


def reset_by_fan_in(weight, bias):
    """The first values of Linear and of the convolutions: U(-1/sqrt(n), 1/sqrt(n)), where each output sums n inputs."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))  # the gain for this slope is sqrt(1/3): the bound is 1/sqrt(fan_in)
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        init.uniform_(bias, -bound, bound)


def shown(module, *names):
    """Attributes as they stand in a module's repr: ``name=value, name=value``."""
    return ", ".join(f"{name}={getattr(module, name)}" for name in names)
