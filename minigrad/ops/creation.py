"""New tensors: from data, and filled."""

import numpy as np

from .. import backends, graph
from ..device import device as Device
from ..dtype import array_dtype, get_default_dtype
from ..errors import describe
from ..op import function
from ..tensor import Tensor, wrap


def _finish(array, dtype, device, requires_grad):
    """A NumPy array as a Tensor of the wanted dtype, on the wanted device."""
    if dtype is not None:
        array = array.astype(array_dtype(dtype), copy=False)
    if device is not None and (d := Device(device)).type != "cpu":
        array = backends.on(d.type).upload(array, d.index)
    t = wrap(array)
    return t.requires_grad_() if requires_grad else t


@function("tensor", spaces="torch")
def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor that copies ``data``: a number, nested lists, a NumPy array or a Tensor.

    Python floats become the default float dtype and ints int64; a NumPy array keeps its dtype.

    >>> import minigrad
    >>> minigrad.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        array = backends.of(data.array).host(data.array).copy() if device is not None else data.array.copy()
        return _finish(array, dtype or data.dtype, device, requires_grad)
    return _finish(_array(data), dtype, device, requires_grad)


def _array(data):
    if isinstance(data, np.ndarray | np.generic):
        return np.array(data)
    if isinstance(data, list | tuple):
        data = [_plain(v) for v in data]
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"tensor: the nested lists have unequal lengths: {error}") from None
    if array.dtype == np.float64 and not _has_numpy_float64(data) or array.size == 0 and array.dtype == np.float64:
        array = array.astype(get_default_dtype().dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"tensor: could not make a tensor of {describe(data)} (NumPy dtype {array.dtype}); give numbers or nested lists of numbers")
    return array


def _plain(v):
    if isinstance(v, Tensor):
        return v.tolist()
    return [_plain(u) for u in v] if isinstance(v, list | tuple) else v


def _has_numpy_float64(data):
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.float64) and type(data) is not float


def _filled(name, value):
    def make(*size, out=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        shape = size[0] if len(size) == 1 and isinstance(size[0], tuple | list) else size
        d = array_dtype(dtype or get_default_dtype())
        return _finish(np.full([int(n) for n in shape], value, d), None, device, requires_grad)

    make.__name__ = name
    make.__doc__ = f"""A tensor of {name}: ``{name}(2, 3)`` or ``{name}((2, 3))``.

    >>> import minigrad
    >>> minigrad.{name}(2)
    tensor([{value}., {value}.])
    """
    return function(name, spaces="torch")(make)


ones, zeros = _filled("ones", 1), _filled("zeros", 0)


def _to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The tensor in another dtype or on another device; itself where nothing changes.

    ``x.to(dtype)``, ``x.to(device)``, ``x.to(device, dtype)``, ``x.to(other)``. Gradients flow back through it.
    """
    for a in args:
        if isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, Device | int) and not isinstance(a, bool) or isinstance(a, str) and a.partition(":")[0] in ("cpu", "cuda"):
            device = a
        elif a is not None and not isinstance(a, bool):
            dtype = a
    t = self
    if dtype is not None and (d := array_dtype(dtype)) != t.array.dtype:
        from ..dispatch import cast

        t = cast(t, d)
    if device is not None and (where := Device(device)) != t.device:
        t = _move(t, where)
    return t


Tensor.to = _to
