"""Tensors that a Module registers when they are assigned to it."""

import numpy as np

from .. import backends, house
from ..device import device as Device
from ..dtype import array_dtype, get_default_dtype
from ..errors import describe, scalar_type
from ..tensor import Tensor, new, wrap


class Parameter(Tensor):
    """A tensor that a :class:`~minigrad.nn.Module` lists among its ``parameters()`` once it is assigned as an attribute.

    It shares the memory of ``data`` and has no history.

    Args:
        data: a Tensor; None for an empty one.
        requires_grad: whether gradients are computed for it.

    >>> import minigrad
    >>> minigrad.nn.Parameter(minigrad.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()
    plain_results = True  # p * 2 is a Tensor, whatever the class of p

    def __new__(cls, data=None, requires_grad=True):
        self = new(cls)
        self.array = _memory(data, "Parameter")
        self.node = None
        if requires_grad:
            self.requires_grad_()
        return self

    def __repr__(self, *, tensor_contents=None):
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that a Module keeps and moves with its parameters, but that no optimizer trains.

    Args:
        data: a Tensor; None for an empty one.
        persistent: whether ``state_dict()`` contains it.

    >>> import minigrad
    >>> m = minigrad.nn.Module()
    >>> m.mean = minigrad.nn.Buffer(minigrad.zeros(2))
    >>> list(m.state_dict())
    ['mean']
    """

    __slots__ = ()
    plain_results = True

    def __new__(cls, data=None, *, persistent=True):
        self = new(cls)
        self.array = _memory(data, "Buffer")
        self.node = None
        self.persistent = persistent
        return self


def _memory(data, kind):
    if data is None:
        return np.empty(0, get_default_dtype().dtype)
    if not isinstance(data, Tensor):
        raise TypeError(f"{kind}(data): data must be a Tensor or None, got {describe(data)}; wrap it in minigrad.tensor(...)")
    return data.array


class _Uninitialized:
    """What a lazy parameter or buffer is before its shape is known: device and dtype, and no memory."""

    __slots__ = ()

    def __new__(cls, requires_grad=None, device=None, dtype=None, persistent=True):
        self = new(cls)
        like = np.empty(0, array_dtype(dtype or get_default_dtype()))
        where = Device(device or "cpu")
        self.template = wrap(backends.on(where.type).upload(like, where.index))
        self.wants_grad = self.becomes is Parameter if requires_grad is None else requires_grad
        self.persistent = persistent
        self.node = None
        return self

    @property
    def array(self):
        raise ValueError(
            f"Attempted to use an uninitialized parameter: a {type(self).__name__} of a lazy module has no shape yet. "
            f"Call the module once with a batch of data before using its parameters"
        )

    @property
    def data(self):
        """An empty tensor of the device and dtype that the parameter will have."""
        return self.template

    @data.setter
    def data(self, value):
        self.template = value

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` "
            "when trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the "
            "parameters before accessing their attributes."
        )

    requires_grad = property(lambda self: self.wants_grad)
    is_leaf = property(lambda self: True)

    def requires_grad_(self, requires_grad=True):
        self.wants_grad = requires_grad
        return self

    def materialize(self, shape, device=None, dtype=None):
        """Become an ordinary parameter or buffer of ``shape``, with undefined values."""
        template, wants_grad = self.template.to(device=device, dtype=dtype), self.wants_grad
        del self.template, self.wants_grad
        self.__class__ = self.becomes
        self.array = backends.of(template.array).full(template.array, shape=tuple(shape))
        if wants_grad:
            self.requires_grad_()

    def __repr__(self, *, tensor_contents=None):
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.wants_grad, self.template.device, self.template.dtype, self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return type(self), (self.wants_grad, self.template.device, self.template.dtype, self.persistent)


class UninitializedParameter(_Uninitialized, Parameter):
    """The parameter of a lazy module: its shape is found in the first call.

    >>> import minigrad
    >>> minigrad.nn.LazyLinear(3).weight
    <UninitializedParameter>
    """

    __slots__ = ()
    becomes = Parameter


class UninitializedBuffer(_Uninitialized, Buffer):
    """The buffer of a lazy module: its shape is found in the first call.

    >>> import minigrad
    >>> minigrad.nn.LazyBatchNorm1d().running_mean
    <UninitializedBuffer>
    """

    __slots__ = ()
    becomes = Buffer


def is_lazy(tensor):
    """Whether ``tensor`` is a parameter or buffer that has no shape yet."""
    return isinstance(tensor, _Uninitialized)


def typename(value):
    """The kind of ``value`` for a message: ``minigrad.FloatTensor`` for a Tensor, else the name of its class."""
    if isinstance(value, Tensor):
        where = "cuda." if value.device.type == "cuda" else ""
        return f"{house.name}.{where}{scalar_type(value.dtype)}Tensor"
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
