"""Module: the base class of every layer and model."""

from .. import empty_like, house
from ..device import device as Device
from ..dtype import as_dtype
from ..graph import changes, no_grad
from ..tensor import Tensor
from .everywhere import register_module_backward_hook as register_module_backward_hook
from .everywhere import register_module_buffer_registration_hook as register_module_buffer_registration_hook
from .everywhere import register_module_forward_hook as register_module_forward_hook
from .everywhere import register_module_forward_pre_hook as register_module_forward_pre_hook
from .everywhere import register_module_full_backward_hook as register_module_full_backward_hook
from .everywhere import register_module_full_backward_pre_hook as register_module_full_backward_pre_hook
from .everywhere import register_module_module_registration_hook as register_module_module_registration_hook
from .everywhere import register_module_parameter_registration_hook as register_module_parameter_registration_hook
from .everywhere import registered
from .hooks import add_hook, call_with_hooks, everywhere, with_options
from .parameter import Buffer, Parameter, typename
from .registry import Registry
from .state import State
from .walks import Walks

_KINDS = ("_parameters", "_buffers", "_modules")  # where assigned parameters, buffers and submodules are kept


class Module(Walks, State):
    """A layer or a model: parameters, submodules and a ``forward``.

    Write a subclass, call ``super().__init__()`` first, assign parameters and submodules as attributes, and define
    ``forward``. Assignment is registration: what was assigned is found by ``parameters()``, ``state_dict()`` and ``to()``.

    * ``training``: True after ``train()``, False after ``eval()``; dropout and batch norm read it.

    >>> import minigrad
    >>> from minigrad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(2, 8)
    ...         self.out = nn.Linear(8, 1)
    ...     def forward(self, x):  # (N, 2) -> (N, 1)
    ...         return self.out(self.hidden(x).tanh())
    >>> net = Net()
    >>> net
    Net(
      (hidden): Linear(in_features=2, out_features=8, bias=True)
      (out): Linear(in_features=8, out_features=1, bias=True)
    )
    >>> net(minigrad.zeros(5, 2)).shape, sum(p.numel() for p in net.parameters())
    (minigrad.Size([5, 1]), 33)
    """

    training = True
    call_super_init = False  # whether Module.__init__ hands on to the next class, with its arguments
    dump_patches = False
    _is_full_backward_hook = None  # which of the two kinds of backward hook is in use
    _version = 1  # of the state dict's layout; a subclass that changes it reads older ones in `_load_from_state_dict`

    def __init__(self, *args, **kwargs):
        if not self.call_super_init and (args or kwargs):
            name = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'")
            raise TypeError(f"{name} takes 1 positional argument but {len(args) + 1} were given")
        put = object.__setattr__
        put(self, "training", True)
        for kind in _KINDS:
            put(self, kind, Registry(self.__dict__))
        put(self, "_non_persistent_buffers_set", set())
        for hooks in _HOOKS:
            put(self, hooks, {})
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # ------------------------------------------------------------------------------------------------------------ calls
    def __call__(self, *args, **kwargs):
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks or everywhere:
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def forward(self, *args, **kwargs):
        """What the module computes. Every subclass defines it; call the module itself, which also runs its hooks."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # ----------------------------------------------------------------------------------------------------- registration
    def __getattr__(self, name):
        if name in self.__dict__:  # asked for by the ``__getattr__`` of a subclass, which wraps another module
            return self.__dict__[name]
        missing = f"'{type(self).__name__}' object has no attribute '{name}'"
        if name in _KINDS or name in _HOOKS:
            missing += ": its class must call super().__init__() before anything else"
        raise AttributeError(missing)

    def __setattr__(self, name, value):
        changes[0] += 1  # compiled functions look at their modules again
        own = self.__dict__
        if isinstance(value, Parameter):
            self._forget(name, "_parameters", "parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "_modules", "module")
            own["_modules"][name] = registered("module", self, name, value)
        elif name in own.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' ({house.name}.nn.Parameter or None expected): "
                    f"write minigrad.nn.Parameter(value), or assign to {name}.data to change the values alone"
                )
            own["_parameters"][name] = None
        elif name in own.get("_modules", ()):
            if value is not None:
                raise TypeError(f"cannot assign '{typename(value)}' as child module '{name}' (nn.Module or None expected)")
            own["_modules"][name] = None
        elif isinstance(value, Buffer):
            self._forget(name, "_buffers", "buffer")
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' (minigrad.nn.Buffer, minigrad.Tensor or None expected)"
                )
            own["_buffers"][name] = value
        elif name in _KINDS:  # a new one: `__dict__` may be a copy of another module's, whose entries stay as they are
            for entry in own.get(name, ()):
                own.pop(entry, None)
            own[name] = Registry(own, value)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name, kind, what):
        """Before ``name`` is registered as ``kind``: take it away wherever else it is."""
        own = self.__dict__
        if kind not in own:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        own.pop(name, None)
        for other in _KINDS:
            if other != kind:
                own[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name):
        changes[0] += 1
        for kind in _KINDS:
            if name in self.__dict__[kind]:
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return [n for n in object.__dir__(self) if not n[:1].isdigit()]

    def __getstate__(self):
        """For copy and pickle: every parameter, buffer and submodule once."""
        state = self.__dict__.copy()
        for kind in _KINDS:
            for name in state.get(kind, ()):
                del state[name]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        changes[0] += 1
        for kind in _KINDS:
            self.__dict__[kind] = Registry(self.__dict__, state[kind])

    def _check_name(self, name, kind, what):
        if kind not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[kind]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name, param):
        """Add a Parameter, or None as a placeholder, under ``name``."""
        self._check_name(name, "_parameters", "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' ({house.name}.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To express "
                f"'{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = registered("parameter", self, name, param)

    def register_buffer(self, name, tensor, persistent=True):
        """Add a tensor that is part of the state but is not trained; ``state_dict()`` has it if ``persistent``.

        >>> import minigrad
        >>> m = minigrad.nn.Module()
        >>> m.register_buffer("steps", minigrad.tensor(3))
        >>> m.steps
        tensor(3)
        """
        self._check_name(name, "_buffers", "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{typename(tensor)}' object to buffer '{name}' (minigrad Tensor or None required)")
        self._buffers[name] = registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name, module):
        """Add a submodule under ``name``; None is a placeholder."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name(name, "_modules", "module")
        self._modules[name] = registered("module", self, name, module)

    def register_module(self, name, module):
        """Another name of :meth:`add_module`."""
        self.add_module(name, module)

    # ------------------------------------------------------------------------------------------------------------ modes
    def apply(self, fn):
        """Call ``fn(module)`` on every submodule, then on this module. Returns self.

        >>> from minigrad import nn
        >>> net = nn.Linear(2, 1).apply(lambda m: nn.init.zeros_(m.weight))
        >>> net.weight.tolist()
        [[0.0, 0.0]]
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode=True):
        """Set ``training`` of this module and of all below it. Returns self."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """The same as ``train(False)``: dropout passes everything, batch norm uses its running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Freeze (False) or train (True) every parameter. Returns self."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Drop every parameter's gradient, or fill it with zeros where ``set_to_none`` is False."""
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad = p.grad.detach().zero_()

    # ------------------------------------------------------------------------------------------------------- conversion
    def _apply(self, fn, recurse=True):
        """Replace the memory of every parameter, its gradient and every buffer by ``fn(tensor)``."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for p in self._parameters.values():
                if p is not None:
                    p.data = fn(p.data)
                    if p.grad is not None:
                        p.grad.data = fn(p.grad.data)
            for b in self._buffers.values():
                if b is not None:
                    b.data = fn(b.data)
        return self

    def to(self, *args, **kwargs):
        """Move and cast parameters and buffers in place: ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``.

        Only floating point parameters and buffers are cast. Returns self.

        >>> import minigrad
        >>> minigrad.nn.Linear(2, 1).to(minigrad.float64).weight.dtype
        minigrad.float64
        """
        device, dtype = _where_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")
        return self._apply(lambda t: t.to(device=device, dtype=dtype if t.dtype.category >= 2 else None))

    def cpu(self):
        """Move everything to the CPU. Returns self."""
        return self.to("cpu")

    def cuda(self, device=None):
        """Move everything to the GPU. Returns self."""
        return self.to("cuda" if device is None else Device(device))

    def type(self, dst_type):
        """Cast everything, buffers of integers too, to ``dst_type``. Returns self."""
        return self._apply(lambda t: t.to(as_dtype(dst_type)))

    def float(self):
        """Cast what is floating point to float32. Returns self."""
        return self.to("float32")

    def double(self):
        """Cast what is floating point to float64. Returns self."""
        return self.to("float64")

    def half(self):
        """Cast what is floating point to float16. Returns self."""
        return self.to("float16")

    def bfloat16(self):
        """Cast what is floating point to bfloat16. Returns self."""
        return self.to("bfloat16")

    def to_empty(self, *, device, recurse=True):
        """Move everything to ``device`` without copying the values, which are undefined then. Returns self."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def compile(self, *args, **kwargs):
        """Accepted as in PyTorch, where later calls of the module are compiled. Here they stay as they are."""

    def share_memory(self):
        """Let processes that are started later see these parameters and buffers, and what each of them writes into them."""
        for t in (*self.parameters(), *self.buffers()):
            t.share_memory_()
        return self

    # ------------------------------------------------------------------------------------------------------------ hooks
    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call ``hook(module, args)`` before forward; what it returns, if anything, replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and may return ``(args, kwargs)``.
        """
        return add_hook(self._forward_pre_hooks, with_options(hook, with_kwargs), prepend)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Call ``hook(module, args, output)`` after forward; what it returns, if anything, replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` it runs after an error too.

        >>> import minigrad
        >>> layer = minigrad.nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(tuple(output.shape)))
        >>> y = layer(minigrad.zeros(4, 2))
        (4, 3)
        >>> handle.remove()
        """
        return add_hook(self._forward_hooks, with_options(hook, with_kwargs, always_call), prepend)

    def register_backward_hook(self, hook):
        """The older :meth:`register_full_backward_hook`: it too is called with the gradients of the module's own inputs."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        return add_hook(self._backward_hooks, hook)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are known; it may return new ones."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known.

        Both are tuples with None where there is no gradient. A tuple that it returns replaces ``grad_input``.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        return add_hook(self._backward_hooks, hook, prepend)

    # --------------------------------------------------------------------------------------------------------- printing
    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """What stands between the parentheses of the module's repr: its settings."""
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


_MIXED = "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."


def indented(text):
    """All lines but the first two columns further in."""
    return text.replace("\n", "\n  ")


def _where_to(*args, device=None, dtype=None, non_blocking=False, memory_format=None):
    """Device and dtype from whatever ``to`` was given."""
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, bool) or a is None:
            continue
        elif isinstance(a, (Device, int)) or (isinstance(a, str) and a.partition(":")[0] in ("cpu", "cuda")):
            device = a
        else:
            dtype = a
    return None if device is None else Device(device), None if dtype is None else as_dtype(dtype)
