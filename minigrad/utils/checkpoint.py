"""Trading time for memory: what a part of a network computes is thrown away and computed again for the backward pass.

Chen et al., "Training deep nets with sublinear memory cost" (2016).
"""

import contextlib
import warnings

from .. import graph
from ..autograd import Function, backward, engine
from ..autograd.graph import saved_tensors_hooks
from ..random import default_generator
from ..tensor import Tensor

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_early_stop"]

_early_stop = [True]


class CheckpointError(RuntimeError):
    """The function did not compute again what it had computed before."""


def noop_context_fn():
    """Two contexts that do nothing: for the first run and for the second."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable):
    """Whether computing again ends as soon as everything that was asked for is there (it does unless it is switched off).

    >>> import minigrad
    >>> with minigrad.utils.checkpoint.set_checkpoint_early_stop(False):
    ...     pass
    """
    before, _early_stop[0] = _early_stop[0], enable
    try:
        yield
    finally:
        _early_stop[0] = before


def checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn, determinism_check="default", debug=False,
               early_stop=True, **kwargs):  # fmt: skip
    """``function(*args, **kwargs)`` that keeps only its inputs, and is run again in the backward pass.

    Args:
        use_reentrant: True (the default, with a warning, as in PyTorch) for the older way: a backward pass within the backward
            pass, which ``autograd.grad`` cannot use and which needs an argument that requires a gradient.
        preserve_rng_state: draw the same random numbers again (True).
        context_fn: returns two contexts, for the first run and for the second.
        determinism_check: ``"default"`` compares shapes and dtypes of what is computed again; ``"none"`` does not.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> minigrad.utils.checkpoint.checkpoint(lambda x: (x * x).sum(), x, use_reentrant=False).backward(); x.grad
    tensor([2., 4.])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Without it, use_reentrant=True is "
            "used; use_reentrant=False is recommended",
            stacklevel=2,
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if graph.recording() and not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        return _Reentrant.apply(function, preserve, *args)
    if not graph.recording():
        with context_fn()[0]:
            return function(*args, **kwargs)
    first, again = context_fn()
    frame = _Frame(function, args, kwargs, preserve, again, determinism_check, early_stop and _early_stop[0])
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


class _Reentrant(Function):
    @staticmethod
    def forward(ctx, function, preserve, *args):
        ctx.function, ctx.state = function, default_generator.snapshot() if preserve else None
        ctx.tensors = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.save_for_backward(*[args[i] for i in ctx.tensors])
        return function(*args)

    @staticmethod
    def backward(ctx, *gradients):
        if engine.partial.get():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter "
                "to .backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without "
                "passing the `inputs` argument."
            )
        args = list(ctx.others)
        for i, t in zip(ctx.tensors, ctx.saved_tensors):
            args[i] = t.detach().requires_grad_(ctx.needs_input_grad[i + 2])
        with graph.enable_grad(), _numbers_of(ctx.state):
            outputs = ctx.function(*args)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        pairs = [(o, g) for o, g in zip(outputs, gradients) if isinstance(o, Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[a.grad if isinstance(a, Tensor) else None for a in args])


@contextlib.contextmanager
def _numbers_of(state):
    """Random numbers as they were drawn from ``state`` on; afterwards those that would have come without it."""
    if state is None:
        yield
        return
    now = default_generator.snapshot()
    default_generator.rewind(state)
    try:
        yield
    finally:
        default_generator.rewind(now)


class _Enough(Exception):
    """Everything that the backward pass asks for was computed again."""


class _Frame:
    """One checkpointed call: what it would have saved is numbered, and computed again when the first number is asked for."""

    def __init__(self, function, args, kwargs, preserve, context, check, early_stop):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.state = default_generator.snapshot() if preserve else None
        self.context, self.check, self.early_stop = context, check != "none", early_stop
        self.kinds, self.kept = [], {}

    def pack(self, t):
        self.kinds.append((tuple(t.shape), t.dtype))
        return len(self.kinds) - 1

    def unpack(self, number):
        if number not in self.kept:
            self._compute()
        return self.kept.pop(number)

    def _compute(self):
        """Run the function again; the tensors that it would save are kept until they are asked for."""
        found = []

        def keep(t):
            found.append(t)
            if self.early_stop and len(found) == len(self.kinds):
                raise _Enough
            return t

        with contextlib.suppress(_Enough), graph.enable_grad(), _numbers_of(self.state), self.context:
            with saved_tensors_hooks(keep, lambda t: t):
                self.function(*self.args, **self.kwargs)
        self._compare(found)
        self.kept = dict(enumerate(found))

    def _compare(self, found):
        if len(found) != len(self.kinds):
            raise CheckpointError(
                f"torch.utils.checkpoint: A different number of tensors was saved during the original forward and recomputation. "
                f"Number of tensors saved during forward: {len(self.kinds)}. Number of tensors saved during recomputation: "
                f"{len(found)}."
            )
        for i, (t, (shape, dtype)) in enumerate(zip(found, self.kinds)):
            if self.check and (tuple(t.shape), t.dtype) != (shape, dtype):
                raise CheckpointError(
                    f"torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                    f"during the forward pass: tensor at position {i}: saved {shape} {dtype}, recomputed {tuple(t.shape)} "
                    f"{t.dtype}"
                )


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """A chain of functions (or an ``nn.Sequential``) in ``segments`` parts, of which all but the last are checkpointed.

    >>> import minigrad
    >>> net = minigrad.nn.Sequential(minigrad.nn.Linear(2, 2), minigrad.nn.ReLU(), minigrad.nn.Linear(2, 1))
    >>> x = minigrad.ones(1, 2)
    >>> y = minigrad.utils.checkpoint.checkpoint_sequential(net, 2, x, use_reentrant=False)
    >>> bool((y == net(x)).all())
    True
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. Without it, "
            "use_reentrant=True is used; use_reentrant=False is recommended",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def part(start, end):
        def run(x):
            for f in functions[start:end]:
                x = f(x)
            return x

        return run

    size, end = len(functions) // segments, -1
    for start in range(0, size * (segments - 1), size or 1):
        end = start + size - 1
        input = checkpoint(part(start, end + 1), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(end + 1, len(functions))(input)
