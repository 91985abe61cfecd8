"""What all optimizers share: parameter groups, state, hooks and state dicts. How update rules are run is in ``rule.py``."""

import copy
import functools
import itertools
import warnings
from collections import OrderedDict, defaultdict

from .. import errors
from ..dtype import float32, float64, get_default_dtype
from ..graph import no_grad, serial, set_grad_enabled
from ..tensor import Handle, Tensor, wrap
from ..views import write

_HOOKS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")
_global_optimizer_pre_hooks: OrderedDict = OrderedDict()
_global_optimizer_post_hooks: OrderedDict = OrderedDict()


class _RequiredParameter:
    def __repr__(self):
        return "<required parameter>"


required = _RequiredParameter()  # the default of an option that every parameter group must give itself


# ------------------------------------------------------------------------------------------------------ hooks around steps
def _with_hooks(step):
    """``step`` of a class, with the hooks before and after it. A step that calls super().step() runs them once."""

    @functools.wraps(step)
    def call(self, *args, **kwargs):
        if type(self).step is not call:
            return step(self, *args, **kwargs)
        self._opt_called = True
        own = self.__dict__.get("_hooks", _NO_HOOKS)  # a wrapper around an optimizer may leave Optimizer.__init__ out
        if _global_optimizer_pre_hooks or own["step_pre"]:
            for hook in [*_global_optimizer_pre_hooks.values(), *own["step_pre"].values()]:
                result = hook(self, args, kwargs)
                if result is not None:
                    if not (isinstance(result, tuple) and len(result) == 2):
                        raise RuntimeError(f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {result}.")
                    args, kwargs = result
        loss = step(self, *args, **kwargs)
        if _global_optimizer_post_hooks or own["step_post"]:
            for hook in [*own["step_post"].values(), *_global_optimizer_post_hooks.values()]:
                hook(self, args, kwargs)
        return loss

    call.__dict__["hooked"] = True
    return call


_NO_HOOKS: dict = {kind: {} for kind in _HOOKS}


def _registered(hooks, hook):
    key = serial()
    hooks[key] = hook
    return Handle(hooks, key)


def register_optimizer_step_pre_hook(hook):
    """Call ``hook(optimizer, args, kwargs)`` before each step of every optimizer. Returns a handle with ``remove()``."""
    return _registered(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Call ``hook(optimizer, args, kwargs)`` after each step of every optimizer. Returns a handle with ``remove()``."""
    return _registered(_global_optimizer_post_hooks, hook)


# ------------------------------------------------------------------------------- what optimizers outside of PyTorch import
def _use_grad_for_differentiable(step):
    """Decorates a ``step``: gradients are recorded in it exactly where the option ``differentiable`` was given."""

    @functools.wraps(step)
    def call(self, *args, **kwargs):
        with set_grad_enabled(bool(self.defaults.get("differentiable", False))):
            return step(self, *args, **kwargs)

    return call


def _get_value(x):
    return x.item() if isinstance(x, Tensor) else x


def _get_scalar_dtype(is_fused=None):
    """The dtype of step counts."""
    return float64 if get_default_dtype() is float64 and not is_fused else float32


def _default_to_fused_or_foreach(params, differentiable, use_fused=False):
    """``(fused, foreach)`` where neither was asked for: neither, as on a CPU in PyTorch."""
    return False, False


# ------------------------------------------------------------------------------------------------------------ optimizers
class Optimizer:
    """The base of all optimizers. A subclass defines ``step()`` and passes its options to ``__init__`` as ``defaults``.

    Args:
        params: an iterable of Tensors, of (name, Tensor) pairs, or of dicts: one dict is a parameter group with a list of
            Tensors under ``"params"`` and options of its own.
        defaults: dict of options for the groups that do not give them.

    Raises:
        ValueError: for no parameters at all, a non-leaf, an integer tensor, or a parameter in two groups.
        TypeError: for anything that is no Tensor.

    >>> import minigrad
    >>> class Sign(minigrad.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @minigrad.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p -= group["lr"] * minigrad.sign(p.grad)
    >>> w = minigrad.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Sign([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.7500, -1.7500], requires_grad=True)
    """

    _opt_called = False
    _anew = ()  # settings besides the learning rate that a compiled step can read anew at each call
    _changing = frozenset()  # those of them that were found to change

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__ and not hasattr(cls.step, "hooked"):
            cls.step = _with_hooks(cls.step)

    def __init__(self, params, defaults):
        self.defaults = defaults
        self._hooks = {kind: {} for kind in _HOOKS}
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}; write [tensor] for a single one"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list: has the model any parameters, or was a generator used up?")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def step(self, closure=None):
        """Update every parameter that has a gradient. ``closure``, if given, computes the loss again and returns it."""
        raise NotImplementedError(f"{type(self).__name__} must define step()")

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters; with ``set_to_none=False`` keep them as zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    if p.grad.node is not None:
                        p.grad = p.grad.detach()
                    with no_grad():
                        write(p.grad, 0.0)

    # ------------------------------------------------------------------------------------------------ parameter groups
    def add_param_group(self, param_group):
        """Add a group of parameters with options of its own, for instance to train layers that were frozen before."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _unpack_names(param_group)
        for p in param_group["params"]:
            _check_parameter(p, self.defaults.get("differentiable", False))
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        ids = [id(p) for p in param_group["params"]]
        if len(ids) != len(set(ids)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters: each is updated that many times", stacklevel=3
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if 'param_names' in param_group else 'without'} names to the optimizer"
                )
        if not set(ids).isdisjoint(id(p) for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ------------------------------------------------------------------------------------------------------------ hooks
    def _register(self, kind, hook, prepend=False):
        hooks, key = self._hooks[kind], serial()
        others = dict(hooks)
        if prepend:
            hooks.clear()
        hooks[key] = hook
        hooks.update(others)
        return Handle(hooks, key)

    def register_step_pre_hook(self, hook):
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new (args, kwargs). Returns a handle."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook):
        """Call ``hook(optimizer, args, kwargs)`` after each step. Returns a handle with ``remove()``."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call ``hook(optimizer)`` before ``state_dict()``."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call ``hook(optimizer, state_dict)`` after ``state_dict()``; it may return another dict."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict()``; it may return another dict."""
        return self._register("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call ``hook(optimizer)`` after ``load_state_dict()``."""
        return self._register("load_state_dict_post", hook, prepend)

    # ------------------------------------------------------------------------------------------------------ state dicts
    def state_dict(self):
        """State and options as a dict, parameters named by their position: ``{"state": {0: ...}, "param_groups": [...]}``."""
        for hook in self._hooks["state_dict_pre"].values():
            hook(self)
        index = {}
        for group in self.param_groups:
            for p in group["params"]:
                index.setdefault(id(p), len(index))
        groups = []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [index[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {index[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in self._hooks["state_dict_post"].values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict):
        """Continue from a :meth:`state_dict`. Its tensors are copied, in the dtype and on the device of each parameter.

        Create learning rate schedulers before this: creating one resets the learning rate.

        Raises:
            ValueError: where the parameter groups have other lengths.
        """
        state_dict = dict(state_dict)
        for hook in self._hooks["load_state_dict_pre"].values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups, saved = self.param_groups, copy.deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, and the optimizer has {len(groups)}"
            )
        for i, (group, other) in enumerate(zip(groups, saved)):
            if len(group["params"]) != len(other["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {i} has {len(other['params'])} parameters there and {len(group['params'])} here"
                )
        parameters = dict(zip(_flat(saved), _flat(groups)))
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameters:
                state[parameters[key]] = _fitted(parameters[key], value)
            else:
                state[key] = value
        for group, other in zip(groups, saved):
            other["params"] = group["params"]
            if "param_names" in group:
                other.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._hooks["load_state_dict_post"].values():
            hook(self)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        if "_hooks" not in self.__dict__:
            self._hooks = {kind: {} for kind in _HOOKS}
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self):
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _unpack_names(group):
    """``group["params"]`` becomes a list of Tensors; names given with them go to ``group["param_names"]``."""
    params = group["params"]
    if isinstance(params, set | frozenset):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
            "will change between runs. Please use a list instead."
        )
    if callable(getattr(params, "parameters", None)):
        raise TypeError(
            f"params argument given to the optimizer should be an iterable of Tensors, not a module: "
            f"pass {type(params).__name__}(...).parameters()"
        )
    params = [params] if isinstance(params, Tensor) else list(params)
    names = [p[0] for p in params if isinstance(p, tuple)]
    if names:
        if len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        group["param_names"] = names
        params = [p[1] for p in params]
    group["params"] = params


def _check_parameter(p, differentiable):
    if not isinstance(p, Tensor):
        raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}: {errors.describe(p)}")
    if not (differentiable or p.is_leaf or p.retains_grad):
        raise ValueError(
            f"can't optimize a non-leaf Tensor: this one was computed ({p.grad_fn}); pass the leaf that it comes from, "
            f"or make a leaf of it with x.detach().requires_grad_()"
        )
    if not p.requires_grad and not (p.is_floating_point() or p.is_complex()):
        raise ValueError(
            f"can't optimize a Tensor of dtype {p.dtype}: only floating point tensors have gradients; convert it with .float()"
        )


def _flat(groups):
    return itertools.chain.from_iterable(group["params"] for group in groups)


def _fitted(p, value, key=None):
    """A copy of a loaded state in the dtype and on the device of its parameter; step counts stay as they are."""
    if isinstance(value, Tensor):
        value = value.detach()
        if key != "step":
            value = value.to(device=p.device, dtype=p.dtype if p.is_floating_point() else None)
        return wrap(value.array.copy())
    if isinstance(value, dict):
        return {k: _fitted(p, v, k) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_fitted(p, v) for v in value)
    return value
