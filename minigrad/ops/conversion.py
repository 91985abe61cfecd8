"""Other dtypes, other devices, copies, and writing whole tensors."""

import numpy as np

from .. import backends, graph
from .. import dtype as dtypes
from ..device import device as Device
from ..dispatch import apply, cast, tracer
from ..dtype import array_dtype, as_dtype, category, common_dtype, element, of_numpy
from ..errors import ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor, memory_order, wrap
from ..views import write
from .creation import type_name, type_of
from .samples import normal


@op(
    names="",
    vjp=(lambda xp, g, device, source: xp.to_device(g, device=source, source=device),),
    formula="y = x",
    derivative=r"\bar x = \bar y",
    samples=lambda r: [S(normal(r, 2, 3), device="cpu", source="cpu")],
)
def to_device(xp, x, *, device, source):
    """``x`` copied from the device ``source`` to another, both given by name. Its adjoint copies back."""
    return xp.to_device(x, device=device, source=source)


@op(names="clone", vjp=(lambda xp, g: g,), formula="y = x", derivative=r"\bar x = \bar y", onnx="Identity",
    samples=lambda r: [S(normal(r, 2, 3)), S(normal(r))], reference=np.copy)  # fmt: skip
def copy(xp, x):
    """A copy of the tensor in memory of its own; gradients flow through it.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0])
    >>> y = x.clone()
    >>> y[0] = 5.0
    >>> x
    tensor([1., 2.])
    """
    return xp.copy(x)


@op(
    names="",
    vjp=(lambda xp, g: g,),
    formula="y = x",
    derivative=r"\bar x = \bar y",
    onnx="Identity",
    samples=lambda r: [S(normal(r, 2, 3))],
)
def contiguous(xp, x):
    """``x`` with its elements in memory one after the other."""
    return xp.contiguous(x)


@op(
    names="",
    vjp=(lambda xp, g: g,),
    formula="y = x",
    derivative=r"\bar x = \bar y",
    samples=lambda r: [S(normal(r, 2, 3, 1, 2), order=(0, 2, 3, 1)), S(normal(r, 2, 3), order=(0, 1))],
)
def reordered(xp, x, *, order):
    """A copy of ``x`` whose axes lie in memory in ``order``, the outermost first."""
    row = xp.copy(xp.contiguous(xp.permute_dims(x, axes=order)))
    return xp.permute_dims(row, axes=tuple(order.index(a) for a in range(len(order))))


def _clone(input, *, memory_format=None):
    order = memory_order(memory_format, input.array.ndim)
    return copy(input) if order is None else reordered(input, order=order)


_clone.__name__, _clone.__doc__ = "clone", copy.__doc__
function(
    "clone",
    samples=lambda r: [S(normal(r, 2, 3)), S(normal(r))],
    reference=np.copy,
    formula="y = x",
    derivative=r"\bar x = \bar y",
)(_clone)


@function("contiguous", spaces="Tensor", samples=lambda r: [S(normal(r, 2, 3))], reference=np.ascontiguousarray)
def _contiguous(self, memory_format=None):
    """This tensor, or where its elements do not lie in memory one after the other, a copy where they do.

    >>> import minigrad
    >>> minigrad.zeros(2, 3).T.contiguous().is_contiguous()
    True
    """
    if memory_format is not None:
        order = memory_order(memory_format, self.array.ndim)
        return self if order is None or self.is_contiguous(memory_format) else reordered(self, order=order)
    return self if self.array.flags.c_contiguous and tracer.get() is None else contiguous(self)


# ---------------------------------------------------------------------------------------------------------------- x.to(...)
_DTYPE_NAMES = frozenset(d.name for d in dtypes.ALL) | {"int", "float", "bool", "f4", "f8", "i4", "i8"}


def _is_device(a):
    if isinstance(a, str):
        return a not in _DTYPE_NAMES  # a device, or a mistake that the device will explain
    return isinstance(a, Device) or (isinstance(a, int) and not isinstance(a, bool))


@function("to", spaces="Tensor",
          samples=lambda r: [S(normal(r, 2, 3), dtype=np.dtype("float64")), S(normal(r, 2), np.dtype("int64"), grad=False),
                             S(normal(r, 2), "cpu"), S(normal(r, 2), dtype=np.dtype("float64"), copy=True)],
          errors=lambda r: [E(RuntimeError, "names no device|no dtype", normal(r, 2), "foo")],
          reference=lambda x, where=None, dtype=None, copy=False: x.astype(where if isinstance(where, np.dtype) else dtype
              or x.dtype))  # fmt: skip
def _to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The tensor in another dtype or on another device; itself where nothing changes. Gradients flow back through it.

    ``x.to(dtype)``, ``x.to(device)``, ``x.to(device, dtype)``, ``x.to(other)``; with ``copy=True`` always a new tensor.

    Raises:
        DeviceError: for a device that is not there.

    >>> import minigrad
    >>> minigrad.tensor([1.7, 2.2]).to(minigrad.int64)
    tensor([1, 2])
    """
    for position, a in enumerate(args):
        if isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, bool):  # non_blocking, then copy
            copy = a if position + 1 == len(args) and len([v for v in args if isinstance(v, bool)]) == 2 else copy
        elif _is_device(a):
            device = a
        elif a is not None:
            dtype = a
    t = self
    if dtype is not None:
        d = array_dtype(dtype)
        if d != t.array.dtype:
            t = cast(t, d)
    if device is not None:
        t = _move(t, device if isinstance(device, Device) else Device(device))
    if copy and t is self:
        return _clone(t, memory_format=memory_format)
    return t if memory_format is None else _in_format(t, memory_format)


def _in_format(t, memory_format):
    """``t`` with its dimensions in the order of ``memory_format``: itself where they are."""
    order = memory_order(memory_format, t.array.ndim)
    return t if order is None or t.is_contiguous(memory_format) else reordered(t, order=order)


def _move(t, where):
    here = t.device
    if where.type == here.type and (where.index is None or where.index == (here.index or 0)):
        return t
    backends.on(where.type)  # says what is missing, if anything
    return apply(registry["to_device"], (t,), {"device": str(where), "source": str(here)})


def _converter(name, d):
    def convert(self, memory_format=None):
        t = self if self.array.dtype == d else cast(self, d)
        return t if memory_format is None else _in_format(t, memory_format)

    convert.__name__ = name
    convert.__doc__ = f"""The tensor as {of_numpy[d].name}; itself where it is that already.

    >>> import minigrad
    >>> minigrad.tensor([0, 1]).{name}().dtype
    minigrad.{of_numpy[d].name}
    """
    reference = None if name == "bfloat16" else lambda x: x.astype(d)
    floats = lambda r: [S(normal(r, 2) * 4, grad=False)] * (name != "double")
    function(name, spaces="Tensor", samples=lambda r: [S(np.array([[0, 3], [1, 2]])), *floats(r)],
             reference=reference)(convert)  # fmt: skip


for _name, _dtype in {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64",
                      "int": "int32",
                      "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool",
                      "cfloat": "complex64", "cdouble": "complex128"}.items():  # fmt: skip
    _converter(_name, array_dtype(_dtype))


@function("cpu", spaces="Tensor", samples=lambda r: [S(normal(r, 2))], reference=np.array)
def _cpu(self, memory_format=None):
    """The tensor in the memory of the host; itself where it lies there.

    >>> import minigrad
    >>> minigrad.zeros(2).cpu().device
    device(type='cpu')
    """
    return _move(self, Device("cpu"))


def _cuda(self, device=None, non_blocking=False, memory_format=None):
    """The tensor on a GPU: the current one, or ``device``. DeviceError where CuPy or a GPU is missing."""
    return _move(self, Device("cuda" if device is None else device))


Tensor.cuda = _cuda


@function("type", spaces="Tensor",
          samples=lambda r: [S(normal(r, 2), dtype=np.dtype("float64")),
                             S(normal(r, 2), dtype="torch.DoubleTensor")],
          errors=lambda r: [E(ValueError, "invalid type", normal(r, 2), "torch.NoTensor")],
          reference=lambda x, dtype: x.astype(np.float64))  # fmt: skip
def _type(self, dtype=None, non_blocking=False):
    """The tensor as ``dtype`` (a dtype, ``minigrad.FloatTensor`` or its name); without it the name of its type.

    >>> import minigrad
    >>> minigrad.zeros(2).type()
    'minigrad.FloatTensor'
    """
    if dtype is None:
        return type_name(self)
    d, where = type_of(dtype)
    return self.to(where, d) if where else self.to(d)


@function(
    "type_as",
    spaces="Tensor",
    samples=lambda r: [S(normal(r, 2), normal(r, 3))],
    reference=lambda x, other: x.astype(other.dtype),
)
def _type_as(self, other):
    """The tensor with the dtype and on the device of ``other``.

    >>> import minigrad
    >>> minigrad.tensor([1, 2]).type_as(minigrad.zeros(1))
    tensor([1., 2.])
    """
    return self.to(other.device, other.dtype)


# ------------------------------------------------------------------------------------------------------- questions about types
@function("is_tensor", spaces="torch", samples=lambda r: [S(normal(r, 2)), S([1.0])],
          reference=lambda x: isinstance(x, np.ndarray))  # fmt: skip
def is_tensor(obj):
    """Whether ``obj`` is a Tensor.

    >>> import minigrad
    >>> minigrad.is_tensor([1.0])
    False
    """
    return isinstance(obj, Tensor)


@function("is_floating_point", spaces="torch", samples=lambda r: [S(normal(r, 2)), S(np.arange(2))],
          reference=lambda x: x.dtype.kind == "f")  # fmt: skip
def is_floating_point(input):
    """Whether the tensor's dtype is one of floats.

    >>> import minigrad
    >>> minigrad.is_floating_point(minigrad.tensor([1.0]))
    True
    """
    return input.is_floating_point()


@function("is_complex", spaces="torch", samples=lambda r: [S(normal(r, 2))],
          reference=lambda x: False)  # fmt: skip
def is_complex(input):
    """Whether the tensor's dtype is one of complex numbers.

    >>> import minigrad
    >>> minigrad.is_complex(minigrad.tensor([1.0]))
    False
    """
    return input.is_complex()


@function("is_inference", spaces="torch", samples=lambda r: [S(normal(r, 2))], reference=lambda x: False)
def is_inference(input):
    """Whether the tensor was made under :class:`minigrad.inference_mode`.

    >>> import minigrad
    >>> minigrad.is_inference(minigrad.tensor([1.0]))
    False
    """
    return input.is_inference()


@function("is_nonzero", samples=lambda r: [S(np.array([0.0])), S(np.array(2))], reference=bool,
          errors=lambda r: [E(RuntimeError, "ambiguous", normal(r, 2))])  # fmt: skip
def is_nonzero(input):
    """Whether the one element of the tensor is not 0. RuntimeError where it has not exactly one.

    >>> import minigrad
    >>> minigrad.is_nonzero(minigrad.tensor([0.0]))
    False
    """
    return bool(input)


@function("numel", spaces="torch", samples=lambda r: [S(normal(r, 2, 3)), S(normal(r))],
          reference=np.size)  # fmt: skip
def numel(input):
    """The number of elements.

    >>> import minigrad
    >>> minigrad.numel(minigrad.zeros(2, 3))
    6
    """
    return input.numel()


@function("result_type", spaces="torch",
          samples=lambda r: [S(np.arange(2), 2), S(np.arange(2), np.array(1)),
                             S(3, np.array([True]))],
          reference=lambda a, b: np.dtype("int64"), errors=lambda r: [E(TypeError, "Tensor or a number", normal(r, 2),
              "a")])  # fmt: skip
def result_type(tensor1, tensor2):
    """The dtype of a sum of the two, tensors or numbers, by PyTorch's promotion.

    >>> import minigrad
    >>> minigrad.result_type(minigrad.tensor([1, 2]), 1.0)
    minigrad.float32
    """
    groups = ([], [], [])
    for v in (tensor1, tensor2):
        if isinstance(v, Tensor):
            groups[0 if v.ndim else 1].append(v.array.dtype)
        elif isinstance(v, bool | int | float | complex):
            groups[2].append(next(k for k in (bool, int, float, complex) if isinstance(v, k)))
        else:
            raise TypeError(f"result_type: each argument must be a Tensor or a number, not {describe(v)}")
    return of_numpy[common_dtype(*groups)]


@function("promote_types", spaces="torch",
          samples=lambda r: [S(np.dtype("int64"), np.dtype("float64")),
                             S(np.dtype("uint8"), np.dtype("int8"))],
          reference=np.promote_types)  # fmt: skip
def promote_types(type1, type2):
    """The smallest dtype that both can be promoted to.

    >>> import minigrad
    >>> minigrad.promote_types(minigrad.int64, minigrad.float16)
    minigrad.float16
    """
    return of_numpy[dtypes.promote_types(array_dtype(type1), array_dtype(type2))]


@function("can_cast", spaces="torch",
          samples=lambda r: [S(np.dtype("float32"), np.dtype("int64")),
                             S(np.dtype("int64"), np.dtype("int8")), S(np.dtype("bool"), np.dtype("float16"))],
          reference=lambda a, b: np.can_cast(a, b, "same_kind"))  # fmt: skip
def can_cast(from_, to):
    """Whether a write in place may turn ``from_`` into ``to``: not from float to integer, and nothing else into bool.

    >>> import minigrad
    >>> minigrad.can_cast(minigrad.float32, minigrad.int64), minigrad.can_cast(minigrad.float64, minigrad.float16)
    (False, True)
    """
    a, b = as_dtype(from_), as_dtype(to)
    return category(a.dtype) <= category(b.dtype)


# -------------------------------------------------------------------------------------------------------- writing whole tensors
def _unrecorded(t):
    """Whether a write into ``t`` concerns no history and no trace."""
    return t.node is None and t._base is None and tracer.get() is None


@function(
    "fill_",
    spaces="Tensor",
    samples=lambda r: [S(np.arange(3), 2), S(np.arange(3), 2.7), S(np.array([True]), 0)],
    reference=lambda x, v: np.full(x.shape, v).astype(x.dtype),
)
def _fill_(self, value):
    """Write one value everywhere, in place.

    Raises:
        RuntimeError: for a tensor with dimensions as ``value``.

    >>> import minigrad
    >>> minigrad.zeros(2).fill_(7)
    tensor([7., 7.])
    """
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions")
        return write(self, value.to(self.device, self.dtype))
    if not isinstance(value, bool | int | float | complex | np.generic):
        raise TypeError(f"fill_: value must be a number or a 0-d Tensor, not {describe(value)}")
    if not _unrecorded(self):
        return write(self, self.new_full((), value))
    self.array[...] = number_like(self, value)
    graph.writes.stamp(self.array)
    return self


@function("fill", spaces="torch", samples=lambda r: [S(normal(r, 3), 2.0), S(np.arange(3), 2), S(normal(r, 2), normal(r))],
          errors=lambda r: [E(RuntimeError, "0-dimension value", normal(r, 2), normal(r, 1))],
          reference=lambda x, v: np.full_like(x, v))  # fmt: skip
def fill(input, value):
    """A tensor like ``input`` with one value (a number or a 0-d tensor) everywhere.

    >>> import minigrad
    >>> minigrad.fill(minigrad.zeros(2), 3.0)
    tensor([3., 3.])
    """
    return _fill_(input.clone(), value)


def number_like(t, value):
    """A number as a Python number that the dtype of ``t`` can hold: integers are cut off, as PyTorch does."""
    return element(t.array.dtype, value)


@function("zero_", samples=lambda r: [S(np.arange(3))], reference=np.zeros_like)
def _zero_(self):
    """Write 0 everywhere, in place.

    >>> import minigrad
    >>> minigrad.ones(2).zero_()
    tensor([0., 0.])
    """
    return _fill_(self, 0)


@function(
    "copy_",
    spaces="Tensor",
    samples=lambda r: [S(np.zeros((2, 2), int), np.arange(2))],
    reference=lambda x, src: np.broadcast_to(src, x.shape),
)
def _copy_(self, src, non_blocking=False):
    """Write the values of ``src`` into this tensor, in place: cast, moved and broadcast where needed. Gradients flow to ``src``.

    >>> import minigrad
    >>> minigrad.zeros(2, 2).copy_(minigrad.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    if isinstance(src, bool | int | float | complex | np.generic):
        src = wrap(np.asarray(src))
    elif not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' must be Tensor, not {describe(src)}")
    return write(self, src.to(self.device, self.dtype))


def _iterate(self):
    """The parts along the first dimension, each a view."""
    if self.array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return map(self.__getitem__, range(self.array.shape[0]))


def _reversed(self):
    return self.flip(0) if self.array.ndim else self


def _shallow(self):
    """``copy.copy(x)``: another Tensor object of the same memory and history."""
    out = Tensor.__new__(type(self))
    out.array, out.node = self.array, self.node if not self.is_leaf else None
    out.__dict__.update(self._attributes())
    return out.requires_grad_() if self.node is not None and self.is_leaf else out


Tensor.__iter__, Tensor.__reversed__, Tensor.__copy__ = _iterate, _reversed, _shallow
