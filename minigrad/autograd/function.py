"""Operations that users write themselves: ``class Square(Function)`` with a forward and a backward."""

import functools
import weakref

from .. import backends, dispatch, graph
from ..errors import GradError, ShapeError, describe, freed, written
from ..graph import LEAF, Node, pick, recording, serial
from ..tensor import Tensor, wrap


class FunctionCtx:
    """``ctx``: what a forward leaves for its backward. Other values are set as attributes."""

    def __init__(self):
        self.needs_input_grad = ()
        self.materialize_grads = True
        self._saved = ()
        self._dirty = ()
        self._constant = ()
        self._node = None
        self._packed = None

    def save_for_backward(self, *tensors):
        """Keep inputs or outputs for the backward; other values can be set as attributes."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is {describe(t)}; set it as ctx.name = value"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors):
        """Keep tensors for ``jvp``; what was kept by :meth:`save_for_backward` is there, too."""
        if not self._saved:
            self.save_for_backward(*tensors)

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
        for position, entry in enumerate(self._saved):
            if entry is None or isinstance(entry, Tensor):
                restored.append(entry)  # still inside the forward, or a sparse one, which nothing writes into
                continue
            array, node, output, when = entry
            if self._packed is not None and array is None:
                array = self._packed.array(position)
            elif graph.writes.when(array) > when:
                raise written("this Function", "saved tensor")
            if output is not None and self._node is not None and (n := self._node()) is not None:
                node = pick(n, output, array) if n.op.outputs > 1 else n
            t = wrap(array, node)
            if node is not None and node.op is LEAF and (own := node.extra["tensor"]()) is not None and own.array is array:
                t = own  # a parameter comes back as itself
            restored.append(t)
        return tuple(restored)

    saved_variables = saved_tensors

    def free(self):
        """Forget the saved tensors, after a backward that does not keep the graph."""
        if self._saved:
            self._saved, self._packed = None, None

    def reroute(self, door):
        """Let the history of every saved tensor begin at ``door(node)``."""
        if self._saved:
            self._saved = tuple([(e[0], door(e[1]), *e[2:]) if type(e) is tuple else e for e in self._saved])

    def _freeze(self, outputs):
        """Replace the saved Tensors by arrays and nodes: a Tensor's history may move on, the saved one must not."""
        positions = {id(o): i for i, o in enumerate(outputs)}
        now = serial()
        self._saved = tuple(t if t is None or t.is_sparse else (t.array, t.node, positions.get(id(t)), now) for t in self._saved)
        pack = dispatch.packing.get()
        if pack is not None and self._saved:
            kept = [e if type(e) is tuple else None for e in self._saved]
            self._packed = pack.arrays([e and e[0] for e in kept])
            self._saved = tuple([(None, *e[1:]) if type(e) is tuple else e for e in self._saved])


Context = FunctionCtx
BackwardCFunction = FunctionCtx


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
        result = _backward_of(self.cls)(ctx, *grads)
        result = list(result) if isinstance(result, tuple | list) else [result]
        self._count(result, n)
        return [self._checked(i, r, p, create_graph) for i, (r, p) in enumerate(zip(result, n.parents))]

    def _count(self, result, n):
        if len(result) < len(n.parents) or any(r is not None for r in result[len(n.parents) :]):
            raise GradError(
                f"function {self.name}Backward returned an incorrect number of gradients (expected {len(n.parents)}, "
                f"got {len(result)}): "
                f"backward returns one gradient, or None, per argument of forward"
            )

    def _checked(self, index, r, p, create_graph):
        if r is None or p is None:
            return None
        if not isinstance(r, Tensor):
            raise NotATensorError(f"expected Variable or None (got {type(r).__name__}) from {self.name}.backward")
        if tuple(r.array.shape) != tuple(p.shape):
            from .engine import unbroadcast

            try:
                r = unbroadcast(r, p.shape)
            except RuntimeError:
                raise ShapeError(
                    f"Function {self.name}Backward returned an invalid gradient at index {index} - got {list(r.shape)} but "
                    f"expected shape compatible with {list(p.shape)}"
                ) from None
        return r if create_graph else r.array

    def push(self, n, tangents):
        """The tangents of the outputs, by the class's own ``jvp`` or else by the transpose of its backward."""
        (ctx,) = n.saved
        if self.cls.jvp is Function.jvp:
            from .forward import transposed

            return transposed(n, tangents)
        if ctx._saved is None:
            raise freed(self.name)
        found = self.cls.jvp(ctx, *tangents)
        if self.outputs == 1:
            return found[0] if isinstance(found, tuple) else found
        return [t for t, output in zip(found, ctx._outputs) if output is not None]


class NotATensorError(GradError, TypeError):
    """A backward that returned something else than Tensors."""


def _backward_of(cls):
    if cls.backward is not Function.backward:
        return cls.backward
    return cls.vjp


class Function:
    """An operation with its own gradient.

    Write ``forward(ctx, *args)`` (or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``) and
    ``backward(ctx, *grad_outputs)`` as static methods; call it with ``apply``. ``jvp(ctx, *tangents)`` is used where
    derivatives are pushed forward, ``vmap(info, in_dims, *args)`` under ``vmap``; neither is needed.

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
        raise NotImplementedError("You must implement either the backward or vjp method for your custom autograd.Function.")

    @staticmethod
    def vjp(ctx, *grad_outputs):
        raise NotImplementedError(
            "Implementing both 'backward' and 'vjp' is not needed: You must implement either the backward or vjp method for your "
            "custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError("You must implement the vmap function for custom autograd.Function.")

    def __call__(self, *args, **kwargs):
        raise GradError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with "
            "static forward method: call YourFunction.apply(...)"
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run the forward without recording and give its outputs this Function's history."""
        if graph.levels.get() and cls.vmap is not Function.vmap:
            from ..func.custom import by_own_rule

            done, out = by_own_rule(cls, args)
            if done:
                return out
        separate = cls.setup_context is not Function.setup_context
        if separate and kwargs:
            raise TypeError(
                f"{cls.__name__}.apply() takes no keyword arguments where setup_context is written: pass them in order"
            )
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.node is not None for a in args])
        record = recording() and any(ctx.needs_input_grad)
        parents = tuple([a.node if isinstance(a, Tensor) else None for a in args])
        with graph.no_grad():
            out = cls.forward(*args) if separate else cls.forward(ctx, *args, **kwargs)
            if separate:
                cls.setup_context(ctx, args, out)
        outputs = list(out) if isinstance(out, tuple | list) else [out]
        for o in ctx._dirty:
            if record and o.node is not None and o.node.op is LEAF:
                raise GradError("a leaf Variable that requires grad has been used in an in-place operation.")
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
        if len(tensors) == 1:
            shape = tensors[0].array.shape
        else:
            shape = tuple([(tuple(t.array.shape), t.array.dtype) for t in tensors])
        node = Node(_FunctionOp(cls, len(tensors)), parents, (ctx,), None, serial(), shape)
        node.extra = {"ctx": ctx, "tensors": [i for i, a in enumerate(args) if isinstance(a, Tensor)]}
        settings = dispatch.anomaly.get()
        if settings is not None:
            node.extra["anomaly"] = settings.where()
        ctx._node = weakref.ref(node)
        made, number = [], 0
        for o in outputs:
            if isinstance(o, Tensor):
                history = node if len(tensors) == 1 else pick(node, number, o.array)
                number += 1
                if id(o) in constant or not (o.dtype.is_floating_point or o.dtype.is_complex):
                    history = None
                o = cls._with_history(o, history, id(o) in dirty, id(o) in inputs)
            made.append(o)
        return made

    @staticmethod
    def _with_history(o, history, dirty, given):
        if dirty:
            graph.writes.stamp(o.array)
            if o._base is not None or o._views:
                from ..views import move

                move(o, history)
                return o
        elif given or (o.node is not None and history is not None):
            o = wrap(o.array)  # an input handed back, or a tensor with history: it keeps its own
        o.node = history
        return o


InplaceFunction = NestedIOFunction = Function


def once_differentiable(backward):
    """Mark a backward that cannot itself be differentiated: differentiating its result raises instead of being wrong.

    ``@staticmethod`` goes above it.
    """

    @functools.wraps(backward)
    def wrapped(ctx, *grads):
        asked = recording() and any(isinstance(g, Tensor) and g.node is not None for g in grads)
        with graph.no_grad():
            result = backward(ctx, *grads)
        if not asked:
            return result
        parts = result if isinstance(result, tuple) else (result,)
        guarded = tuple([_Undifferentiable.apply(p.detach().requires_grad_()) if isinstance(p, Tensor) else p for p in parts])
        return guarded if isinstance(result, tuple) else guarded[0]

    return wrapped


class _Undifferentiable(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        raise GradError("trying to differentiate twice a function that was marked with @once_differentiable")
