"""``torch.compile`` and ``torch.compiler``: programs that compile their models run them as they are.

What minigrad itself compiles, it compiles by ``minigrad.compile.trace_step``. ``compile`` here keeps the program's numbers and
the names that PyTorch gives: the wrapper's state dict has the prefix ``_orig_mod.``.
"""

from . import compiler_settings as config  # noqa: F401
from .nn import Module


class OptimizedModule(Module):
    """What ``torch.compile(module)`` returns: it runs the module ``_orig_mod`` and hands attributes through to it.

    >>> import minigrad
    >>> model = minigrad.compile(minigrad.nn.Linear(2, 1))
    >>> list(model.state_dict()), model.in_features
    (['_orig_mod.weight', '_orig_mod.bias'], 2)
    """

    def __init__(self, mod):
        super().__init__()
        self._modules["_orig_mod"] = mod
        self.__dict__["training"] = mod.training

    def forward(self, *args, **kwargs):
        return self._orig_mod(*args, **kwargs)

    def __len__(self):
        return len(self._orig_mod)

    def __getattr__(self, name):
        if name == "_orig_mod":
            return self.__dict__["_modules"]["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name, value):
        if name == "training" or name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    """A module in a wrapper that runs it, a function as it is; without a model, a decorator.

    Args:
        model: a Module or a function.
        fullgraph, dynamic, backend, mode, options, disable: PyTorch's settings, without effect.
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if model is None:
        return lambda model: compile(
            model, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if disable or not isinstance(model, Module):
        return model
    return OptimizedModule(model)


def is_compiling():
    """False: programs run in Python."""
    return False


is_dynamo_compiling = is_compiling


def reset():
    """Nothing was compiled, so there is nothing to forget."""


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
