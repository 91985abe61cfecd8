"""Parameters that are computed from other parameters: the weight of a layer becomes ``parametrization(original)``.

>>> import minigrad
>>> from minigrad import nn
>>> from minigrad.nn.utils import parametrize
>>> class Symmetric(nn.Module):
...     def forward(self, x):
...         return x.triu() + x.triu(1).T
>>> layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
>>> bool((layer.weight == layer.weight.T).all()), [name for name, _ in layer.named_parameters()]
(True, ['bias', 'parametrizations.weight.original'])
"""

import contextlib
import contextvars

from ...errors import describe
from ...graph import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..parameter import Parameter

_cache = contextvars.ContextVar("minigrad_parametrizations", default=None)  # inside cached(): what was computed


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order to ``original`` (or ``original0``, ``original1`` ...).

    A parametrization with a method ``right_inverse(value)`` says which original gives a value; that makes the tensor
    assignable.

    >>> from minigrad import nn
    >>> nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)).parametrizations.weight
    ParametrizationList(
      (0): _WeightNorm()
    )
    """

    def __init__(self, modules, original, unsafe=False):
        modules = list(modules)
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = original
            with contextlib.suppress(NotImplementedError):  # a parametrization that cannot be assigned to starts from here
                for module in reversed(modules):
                    if hasattr(module, "right_inverse"):
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, (tuple, list)):
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        like = original.detach()  # its shape and dtype, before the memory is replaced
        if self.is_tensor:
            _same_kind(original, new, "When `right_inverse` outputs one tensor, it may not change the dtype", shape=False)
            original.data = new.detach()
            self._put("original", original)
        else:
            for i, part in enumerate(new):
                trained = isinstance(original, Parameter)
                self._put(f"original{i}", Parameter(part.detach(), original.requires_grad) if trained else part.detach())
        if not unsafe:
            _same_kind(like, self(), "Registering a parametrization may not change the dtype or shape of the tensor")

    def _put(self, name, tensor):
        if isinstance(tensor, Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    def originals(self):
        """The tensors that the first parametrization is given."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value):
        """Set the originals so that the result is ``value``."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            parts = [value] if self.is_tensor else list(value)
            if len(parts) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got length {len(parts)}."
                )
            for original, part in zip(self.originals(), parts):
                _same_kind(original, part, "`right_inverse` must return a tensor of the original's dtype", shape=False)
                original.data = part.detach().clone()

    def forward(self):
        first, *others = self
        x = first(*self.originals())
        for module in others:
            x = module(x)
        return x


def _same_kind(old, new, what, shape=True):
    if not isinstance(new, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(new).__name__}.")
    if new.dtype is not old.dtype or (shape and new.shape != old.shape):
        raise ValueError(f"{what}, unless the `unsafe` flag is enabled: {describe(old)} became {describe(new)}")


def _parametrized(base, names):
    """A subclass of ``base`` in which each name is computed whenever it is read."""
    return type(f"Parametrized{base.__name__}", (base,), {"__reduce_ex__": _reduce, **{n: _computed(n) for n in names}})


def _computed(name):
    def read(self):
        known = _cache.get()
        if known is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in known:
            known[key] = self.parametrizations[name]()
        return known[key]

    def write(self, value):
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _reduce(self, protocol):
    """For copy and pickle, which cannot find a class that was made here by its name."""
    return _restore, (type(self).__mro__[1], tuple(self.parametrizations)), self.__getstate__()


def _restore(base, names):
    return object.__new__(_parametrized(base, names))


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Let ``parametrization`` compute the parameter or buffer ``tensor_name`` of ``module`` from now on. Returns the module.

    Several are applied one after the other. They must keep dtype and shape, unless ``unsafe``.

    >>> import minigrad
    >>> from minigrad import nn
    >>> from minigrad.nn.utils import parametrize
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> _ = parametrize.register_parametrization(layer, "weight", nn.ReLU())
    >>> bool((layer.weight >= 0).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        known = module.parametrizations[tensor_name]
        if not unsafe:
            value = getattr(module, tensor_name)
            _same_kind(value, parametrization(value), "Registering a parametrization may not change the dtype or shape")
        known.append(parametrization)
        known.unsafe |= unsafe
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if is_parametrized(module):
        setattr(type(module), tensor_name, _computed(tensor_name))
    else:
        module.__class__ = _parametrized(type(module), [tensor_name])
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = made
    return module


def is_parametrized(module, tensor_name=None):
    """Whether a tensor of ``module`` (or any of its own tensors) is computed by a parametrization."""
    known = module.__dict__["_modules"].get("parametrizations")
    if not isinstance(known, ModuleDict):
        return False
    return len(known) > 0 if tensor_name is None else tensor_name in known


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make ``tensor_name`` an ordinary parameter or buffer again. Returns the module.

    It keeps its present value, or that of its original with ``leave_parametrized=False``.

    >>> from minigrad import nn
    >>> from minigrad.nn.utils import parametrize
    >>> layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.ReLU())
    >>> parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    known = module.parametrizations[tensor_name]
    original = known.originals()[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach()
        if known.is_tensor and original.shape == value.shape and original.dtype is value.dtype:
            original.data = value  # the object stays: an optimizer may hold it
        else:
            original = Parameter(value, original.requires_grad) if isinstance(original, Parameter) else value
    elif not known.is_tensor:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence "
            "of tensors."
        )
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if not module.parametrizations:
        del module.parametrizations
        module.__class__ = type(module).__mro__[1]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    return module


@contextlib.contextmanager
def cached():
    """Inside ``with cached():`` each parametrized tensor is computed once, however often it is read.

    >>> from minigrad import nn
    >>> from minigrad.nn.utils import parametrize
    >>> layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.ReLU())
    >>> with parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    token = _cache.set({} if _cache.get() is None else _cache.get())
    try:
        yield
    finally:
        _cache.reset(token)
