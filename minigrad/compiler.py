"""``torch.compile`` and ``torch.compiler``: functions and modules that are traced once and then repeated.

A function becomes a :class:`minigrad.compile.Step`. A module becomes an :class:`OptimizedModule`, whose forward and backward pass
are compiled, each by itself. A function that does a whole step, with ``backward()`` and the optimizer, is faster still.

``minigrad.compile`` raises a TraceError where a function cannot be followed. ``torch.compile``, which is this module's
``compile``, does as PyTorch does at a graph break: the function runs in Python, and one warning names the line.
"""

import functools
import types
import weakref

from . import compiler_settings as config  # noqa: F401
from .compile.model import ModelStep
from .compile.step import Step
from .dispatch import anomaly, packing
from .graph import recording, tracer, transforming
from .nn import Module

_steps = weakref.WeakSet()


_TO_LOOK_INTO = frozenset(["report", "source", "graph", "traces", "reset"])  # of the Step, unless the module has such names


class OptimizedModule(Module):
    """What ``torch.compile(module)`` returns: it runs the module ``_orig_mod`` and hands attributes through to it.

    It is traced and repeated. While gradients are recorded its results have history, and ``backward()`` runs a compiled program
    as well, which cannot itself be differentiated. Under ``detect_anomaly()``, ``saved_tensors_hooks`` and the transforms of
    ``minigrad.func``, which look into the graph, the module runs as it is. ``report()``, ``source()``, ``graph()`` and ``traces``
    are those of :class:`minigrad.compile.Step`. Its state dict has the prefix ``_orig_mod.`` that PyTorch gives it.

    >>> import minigrad
    >>> model = minigrad.compile(minigrad.nn.Linear(2, 1))
    >>> list(model.state_dict()), model.in_features
    (['_orig_mod.weight', '_orig_mod.bias'], 2)
    >>> y = model(minigrad.ones(3, 2))
    >>> y.sum().backward()
    >>> y.grad_fn, model.weight.grad
    (<CompiledModuleBackward object>, tensor([[3., 3.]]))
    """

    def __init__(self, mod, fullgraph=False):
        super().__init__()
        self._modules["_orig_mod"] = mod
        self.__dict__["_fullgraph"] = fullgraph
        self.__dict__["_step"] = _step(mod, fullgraph, ModelStep)

    def forward(self, *args, **kwargs):
        looked_into = recording() and (anomaly.get() is not None or packing.get() is not None or transforming.get())
        return (self._orig_mod if looked_into else self._step)(*args, **kwargs)

    def __len__(self):
        return len(self._orig_mod)

    def __getattr__(self, name):
        if name == "_orig_mod":
            return self.__dict__["_modules"]["_orig_mod"]
        if name == "_step":  # of a copy
            step = self.__dict__["_step"] = _step(self._orig_mod, self._fullgraph, ModelStep)
            return step
        try:
            return getattr(self._orig_mod, name)
        except AttributeError:
            if name not in _TO_LOOK_INTO:
                raise
            return getattr(self._step, name)

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "_step"}  # a copy, or a file, traces again

    @property
    def training(self):
        return self._orig_mod.training

    @training.setter
    def training(self, mode):
        mod = self.__dict__.get("_modules", {}).get("_orig_mod")
        if mod is not None:  # it is not there yet when Module sets a first value
            mod.training = mode

    def __setattr__(self, name, value):
        if name == "training":
            object.__setattr__(self, name, value)
        elif name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)


def _step(fn, fullgraph, kind=Step):
    step = kind(fn, fullgraph)
    _steps.add(step)
    return step


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    """A function or a module that is traced at its first call and repeated from then on; without a model, a decorator.

    Args:
        model: a function, or a Module. Built-in functions and classes are handed back.
        fullgraph: whether what cannot be traced is an error. ``minigrad.compile`` has True; ``torch.compile`` has False, and
            then runs the function as it is, with one warning. Python's part of a first call that fails then happens twice.
        disable: hand the model back as it is.
        dynamic, backend, mode, options: PyTorch's settings, without effect.

    >>> import minigrad
    >>> @minigrad.compile
    ... def f(x, times):
    ...     return x * times + 1
    >>> f(minigrad.ones(2), 2.0), f(minigrad.ones(2), 3.0), f.traces
    (tensor([3., 3.]), tensor([4., 4.]), 2)
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if disable or isinstance(model, Step | OptimizedModule | types.BuiltinFunctionType | type):
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    if not callable(model):
        raise TypeError(f"compile: model must be a function or a Module, not {type(model).__name__}")
    return _step(model, fullgraph)


def is_compiling():
    """Whether a function is being traced."""
    return tracer.get() is not None


is_dynamo_compiling = is_compiling


def reset():
    """Forget all programs: every compiled function is traced again."""
    for step in _steps:
        step.reset()


def disable(fn=None, recursive=True, **_):
    """Decorator: leaves the function as it is."""
    return fn if fn is not None else lambda fn: fn


def allow_in_graph(fn):
    return fn


def assume_constant_result(fn):
    return fn


def optimize(*_, **__):
    """The older name of :func:`compile` as a decorator."""
    return compile


def list_backends(exclude_tags=("debug", "experimental")):
    return []


def cudagraph_mark_step_begin():
    pass
