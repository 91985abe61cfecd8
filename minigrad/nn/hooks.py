"""Hooks of a Module: functions that are called before or after ``forward``, and when its gradients are computed."""

import warnings
from typing import NamedTuple

from ..dispatch import make_view
from ..graph import Node, pick, recording, serial
from ..op import registry
from ..tensor import Handle, Tensor, wrap


class Hook(NamedTuple):
    """A forward hook with options. One without them stands in the modules' dicts as it is, where programs look for theirs."""

    function: object
    with_kwargs: bool = False
    always_call: bool = False

    def __call__(self, *args):
        return self.function(*args)


def with_options(function, with_kwargs=False, always_call=False):
    """What a dict of hooks holds for ``function``."""
    return Hook(function, with_kwargs, always_call) if with_kwargs or always_call else function


def _wants_kwargs(hook):
    return isinstance(hook, Hook) and hook.with_kwargs


everywhere = {}  # the hooks of all modules: key -> (kind, hook)


def _hooks(kind, own):
    """(key, hook) of one kind: those of all modules, then a module's own."""
    of_all = [(key, hook) for key, (k, hook) in everywhere.items() if k == kind] if everywhere else []
    return [*of_all, *own.items()]


def add_hook(hooks, hook, prepend=False):
    """Register ``hook`` in a dict of hooks; the returned handle has ``remove()``."""
    key = serial()
    if prepend:
        later = dict(hooks)
        hooks.clear()
        hooks[key] = hook
        hooks.update(later)
    else:
        hooks[key] = hook
    return Handle(hooks, key)


def call_with_hooks(module, args, kwargs):
    """``module.forward`` with everything that is hooked to it."""
    result, called = None, set()
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)
        backward = None
        watching = [hook for _, hook in _hooks("backward", module._backward_hooks)]
        before = [hook for _, hook in _hooks("backward_pre", module._backward_pre_hooks)]
        if watching or before:
            backward = _BackwardHooks(module, watching, before)
            args = backward.enter(args)
        result = module.forward(*args, **kwargs)
        for key, hook in _hooks("forward", module._forward_hooks):
            called.add(key)
            changed = _call(hook, module, args, kwargs, result)
            if changed is not None:
                result = changed
        return result if backward is None else backward.leave(result)
    except Exception:
        _run_always_called(module, args, kwargs, result, called)
        raise


def _call(hook, module, args, kwargs, *result):
    return hook(module, args, kwargs, *result) if _wants_kwargs(hook) else hook(module, args, *result)


def _run_pre_hooks(module, args, kwargs):
    for _, hook in _hooks("forward_pre", module._forward_pre_hooks):
        changed = _call(hook, module, args, kwargs)
        if changed is None:
            continue
        if not _wants_kwargs(hook):
            args = changed if isinstance(changed, tuple) else (changed,)
        elif isinstance(changed, tuple) and len(changed) == 2:
            args, kwargs = changed
        else:
            raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
    return args, kwargs


def _run_always_called(module, args, kwargs, result, called):
    """After an error: the hooks that asked to be called in any case and have not been."""
    for key, hook in _hooks("forward", module._forward_hooks):
        if isinstance(hook, Hook) and hook.always_call and key not in called:
            try:
                _call(hook, module, args, kwargs, result)
            except Exception as error:
                warnings.warn(
                    f"module forward hook with ``always_call=True`` raised an exception that was silenced as another error "
                    f"was raised in forward: {error}",
                    stacklevel=3,
                )


class _Gate:
    """A node that changes nothing on the way forward and calls ``function(gradients)`` on the way back.

    It stands where a node has its operation; ``gradients`` are Tensors or None, one for each tensor that passed.
    """

    name, backward_name, kind = "module_hook", "BackwardHookFunction", "other"
    layout, broadcasts, backward, variadic = (), False, None, False

    def __init__(self, function, outputs):
        self.function, self.outputs = function, outputs

    def gradients(self, node, g, create_graph):
        given = g if create_graph else [None if x is None else wrap(x) for x in g]
        result = self.function(tuple(given))
        return result if create_graph else [None if x is None else x.array for x in result]


def _through_gate(function, values):
    """The values with their tensors led through a new gate, and which these are; None where none needs a gradient."""
    indices = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.node is not None]
    if not indices or not recording():
        return values, None
    tensors = [values[i] for i in indices]
    shapes = tuple((tuple(t.array.shape), t.array.dtype) for t in tensors)
    node = Node(_Gate(function, len(tensors)), tuple(t.node for t in tensors), (), {}, serial(), shapes)
    passed = list(values)
    for j, (i, t) in enumerate(zip(indices, tensors)):
        same_memory = wrap(t.array, pick(node, j, t.array))
        passed[i] = make_view(same_memory, t, registry["reshape"], {"shape": tuple(t.array.shape)})
    return type(values)(*passed) if hasattr(values, "_fields") else tuple(passed), indices


def _spread(indices, values, size):
    out = [None] * size
    for i, v in zip(indices, values):
        out[i] = v
    return tuple(out)


class _BackwardHooks:
    """One call of a module whose gradients are watched: a gate before it and a gate behind it."""

    def __init__(self, module, hooks, pre_hooks):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs = None

    def enter(self, args):
        args, self.inputs = _through_gate(self._at_inputs, args)
        self.n_inputs = len(args)
        return args

    def leave(self, result):
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                f"but received {type(result)}",
                stacklevel=4,
            )
            return result
        results, self.outputs = _through_gate(self._at_outputs, result if isinstance(result, tuple) else (result,))
        self.n_outputs = len(results)
        return results if isinstance(result, tuple) else results[0]

    def _at_outputs(self, gradients):
        grads = _spread(self.outputs, gradients, self.n_outputs)
        for hook in self.pre_hooks:
            changed = hook(self.module, grads)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                _check_number(changed, grads, "Backward pre hook returned an invalid number of grad_output")
                grads = changed
        self.grad_outputs = grads
        if self.inputs is None:  # nothing will arrive at the inputs: the hooks see the gradients of the outputs alone
            self._call_hooks((None,) * self.n_inputs)
        return [grads[i] for i in self.outputs]

    def _at_inputs(self, gradients):
        if self.grad_outputs is None:  # it came to the inputs by another way than through the outputs
            return gradients
        grads = self._call_hooks(_spread(self.inputs, gradients, self.n_inputs))
        return [grads[i] for i in self.inputs]

    def _call_hooks(self, grads):
        for hook in self.hooks:
            changed = hook(self.module, grads, self.grad_outputs)
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                _check_number(changed, grads, "Backward hook returned an invalid number of grad_input")
                grads = changed
        self.grad_outputs = None
        return grads


def _check_number(changed, grads, message):
    if len(changed) != len(grads):
        raise RuntimeError(f"{message}, got {len(changed)}, but expected {len(grads)}")
