"""Operations that users write themselves: ``class Square(Function)`` with a forward and a backward."""

import functools
import weakref

from .. import backends, graph
from ..errors import GradError, describe, freed, written
from ..graph import Node, pick, recording, serial
from ..tensor import Tensor, wrap


class Context:
    """``ctx``: what a forward leaves for its backward."""

    def __init__(self):
        self.needs_input_grad = ()
        self.materialize_grads = True
        self._saved = ()
        self._dirty = ()
        self._constant = ()
        self._node = None

    def save_for_backward(self, *tensors):
        """Keep inputs or outputs for the backward; other values can be set as attributes."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is {describe(t)}; set it as ctx.name = value"
                )
        self._saved = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors):
        """Say that the forward wrote into these inputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Say that these outputs have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value):
        """Whether the backward gets zeros (True) or None for outputs that were not used."""
        self.materialize_grads = value

    @property
    def saved_tensors(self):
        """The saved tensors, each with its history, so that the backward can be differentiated."""
        if self._saved is None:
            raise freed("this Function")
        restored = []
        for entry in self._saved:
            if entry is None or isinstance(entry, Tensor):
                restored.append(entry)  # still inside the forward
                continue
            array, node, output, when = entry
            if graph.writes.when(array) > when:
                raise written("this Function", "saved tensor")
            if output is not None and self._node is not None and (n := self._node()) is not None:
                node = pick(n, output, array) if n.op.outputs > 1 else n
            restored.append(wrap(array, node))
        return tuple(restored)

    def _freeze(self, outputs):
        """Replace the saved Tensors by arrays and nodes: a Tensor's history may move on, the saved one must not."""
        positions = {id(o): i for i, o in enumerate(outputs)}
        now = serial()
        self._saved = tuple(None if t is None else (t.array, t.node, positions.get(id(t)), now) for t in self._saved)


class _FunctionOp:
    """What the engine asks of an operation, for one Function class."""

    broadcasts = False
    backward = None
    kind = "function"
    layout = ()
    differentiable = True

    def __init__(self, cls, outputs):
        self.cls, self.outputs = cls, outputs
        self.name = cls.__name__
        self.backward_name = cls.__name__

    def gradients(self, n, g, create_graph):
        (ctx,) = n.saved
        parts = iter(g if self.outputs > 1 else [g])
        grads = []
        for output in ctx._outputs:
            if output is None:  # no Tensor: nothing can have arrived for it
                grads.append(None)
                continue
            part, (shape, dtype, like) = next(parts), output
            if part is None:
                part = backends.of(like).full(like, shape=shape, dtype=dtype) if ctx.materialize_grads else None
            grads.append(part if part is None or isinstance(part, Tensor) else wrap(backends.of(part).asarray(part)))
        result = self.cls.backward(ctx, *grads)
        result = list(result) if isinstance(result, tuple | list) else [result]
        if len(result) < len(n.parents) or any(r is not None for r in result[len(n.parents) :]):
            raise GradError(
                f"function {self.name}Backward returned an incorrect number of gradients (expected {len(n.parents)}, "
                f"got {len(result)}): "
                f"backward returns one gradient, or None, per argument of forward"
            )
        checked = []
        for r, p in zip(result, n.parents):
            if r is None or p is None:
                checked.append(None)
                continue
            if not isinstance(r, Tensor):
                raise TypeError(f"{self.name}.backward: expected a Tensor or None, got {describe(r)}")
            if tuple(r.array.shape) != tuple(p.shape):
                from .engine import unbroadcast

                r = unbroadcast(r, p.shape)
            checked.append(r if create_graph else r.array)
        return checked


class Function:
    """An operation with its own gradient.

    Write ``forward(ctx, *args)`` (or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``) and
    ``backward(ctx, *grad_outputs)`` as static methods; call it with ``apply``.

    >>> import minigrad
    >>> class Cube(minigrad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = minigrad.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward(); x.grad
    tensor(12.)
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError("You must implement the backward function for custom autograd.Function.")

    @classmethod
    def apply(cls, *args):
        """Run the forward without recording and give its outputs this Function's history."""
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.node is not None for a in args)
        record = recording() and any(ctx.needs_input_grad)
        parents = tuple(a.node if isinstance(a, Tensor) else None for a in args)
        separate = cls.setup_context is not Function.setup_context
        with graph.no_grad():
            out = cls.forward(*args) if separate else cls.forward(ctx, *args)
            if separate:
                cls.setup_context(ctx, args, out)
        outputs = list(out) if isinstance(out, tuple | list) else [out]
        if record:
            outputs = cls._record(ctx, args, parents, outputs)
        return tuple(outputs) if isinstance(out, tuple | list) else outputs[0]

    @classmethod
    def _record(cls, ctx, args, parents, outputs):
        dirty, constant = {id(t) for t in ctx._dirty}, {id(t) for t in ctx._constant}
        inputs = {id(a) for a in args if isinstance(a, Tensor)}
        tensors = [o for o in outputs if isinstance(o, Tensor)]
        ctx._freeze(tensors)
        ctx._outputs = [(tuple(t.array.shape), t.array.dtype, t.array) if isinstance(t, Tensor) else None for t in outputs]
        shape = tensors[0].array.shape if len(tensors) == 1 else None
        node = Node(_FunctionOp(cls, len(tensors)), parents, (ctx,), None, serial(), shape)
        ctx._node = weakref.ref(node)
        made, number = [], 0
        for o in outputs:
            if isinstance(o, Tensor):
                history = node if len(tensors) == 1 else pick(node, number, o.array)
                number += 1
                if id(o) in constant or not o.dtype.is_floating_point:
                    history = None
                if id(o) in dirty:
                    graph.writes.stamp(o.array)
                elif id(o) in inputs:
                    o = wrap(o.array)  # an input handed back: the caller's tensor keeps its own history
                o.node = history
            made.append(o)
        return made


def once_differentiable(backward):
    """Mark a backward that cannot itself be differentiated: differentiating its result raises instead of being wrong.

    ``@staticmethod`` goes above it.
    """

    @functools.wraps(backward)
    def wrapped(ctx, *grads):
        asked = recording() and any(isinstance(g, Tensor) and g.node is not None for g in grads)
        with graph.no_grad():
            result = backward(ctx, *grads)
        if not asked and not recording():
            return result
        parts = result if isinstance(result, tuple) else (result,)
        guarded = tuple(_Undifferentiable.apply(p.detach().requires_grad_()) if isinstance(p, Tensor) else p for p in parts)
        return guarded if isinstance(result, tuple) else guarded[0]

    return wrapped


class _Undifferentiable(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        raise GradError("trying to differentiate twice a function that was marked with @once_differentiable")
