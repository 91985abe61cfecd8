"""Following one run of a function: forward, backward and the optimizer's update land in one graph.

The eager tape above works as always; only the arrays are :class:`~minigrad.compile.arrays.Traced`. A Tensor from outside (a
parameter, a buffer, a constant) is captured by identity: its array becomes an input of the graph and its views are derived
again; if it is written, its last array becomes an output. When the run ends every Tensor gets its own memory back, and the
outputs are written into it: the traced run was a real one.
"""

import contextlib
import gc

import numpy as np

from .. import backends, dispatch, graph, kernels
from ..errors import TraceError, describe
from ..graph import LEAF, Node, recording, serial, tracer
from ..op import registry
from ..tensor import Tensor, wrap
from ..views import live_views
from . import whole
from .arrays import MASK_REMEDY, Notebook, Traced, TracedNumber, refuse
from .before import Before, made_tensors
from .ir import Instruction
from .replay import Effect, Program, get, put


def trace(fn, *examples):
    """Run ``fn`` once on ``examples`` (Tensors) and write down what it computes.

    Returns:
        ``(graph, result)``: the :class:`Graph`, and what ``fn`` returned, without history. The first outputs of the graph
        are the Tensors in ``result``; the others become the new values of what ``fn`` wrote: Tensors, gradients, numbers.

    Raises:
        TraceError: where ``fn`` asks for the value of a tensor, or makes a tensor whose shape depends on values.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0])
    >>> graph, y = minigrad.compile.trace(lambda x: x @ w, minigrad.ones(2))
    >>> y
    tensor(3.)
    >>> print(graph)
    %0 = input("argument 0")  # float32[2]
    %1 = input("captured")  # float32[2]
    %2 = matmul(%0, %1)  # float32[]
    return %2
    """
    program, result = Trace().follow(fn, examples)
    return program.graph, result


class Trace(Notebook):
    """One run that is being followed; while it lasts, it is ``graph.tracer``."""

    def __init__(self):
        super().__init__()
        self.program = Program(self.graph)
        self.inputs = []  # the real arrays and numbers that this run began with
        self.held = {}  # id(tensor) -> (tensor, array, node) of tensors from outside, as they were
        self.captured = {}  # id(tensor) -> (tensor, its input): those of them that are no views
        self.shells = {}  # id(tensor) -> (tensor, its input, position): what the function is given as arguments
        self.gradients = {}  # id(tensor) -> (tensor, its .grad when first met)
        self.set_first = {}  # id(tensor) -> whether its .grad was set before it was ever read
        self.started = []  # (optimizer, parameter, the first state that the run has put there)
        self.begins, self.watch = True, None  # whether first states may count as having been there before
        self.owners = {}  # id(gradient) -> the tensor it belongs to
        self.of_two = set()  # ids of gradients that belong to more than one
        self.numbers = {}  # (id(owner), name) -> (owner, name, value, its Tensor)
        self.parts = {}  # (id(owner), name) -> (owner, name, tuple, its Tensors)
        self.before = None  # which tensors there were, while the run lasts
        self.generators = {}  # id(generator) -> (generator, its state), of those that were drawn from
        self.drawn = {}  # what random numbers depend on -> their input
        self.deferred = []  # what a call does at its very end, such as the step of a schedule
        self.outlived = 0  # how many tensors made inside are in use outside afterwards, results and gradients apart

    def follow(self, fn, examples, strict=False, watch=None):
        """Run ``fn``. Returns the :class:`Program` that repeats the run, and the result.

        ``strict``: TraceError where tensors made inside, other than results and gradients, are in use afterwards.
        ``watch``: a Watch, which sees what the run reads besides.
        """
        if tracer.get() is not None:
            raise TraceError("a trace is running already: inside a traced function, call the other function itself")
        self.before, self.watch = Before((fn, *examples)), watch
        try:
            values = self._run(fn, examples, watch)
            self._settle(strict)
            if watch is not None:
                watch.check()
        except BaseException:
            for generator, state in self.generators.values():
                generator.set_state(state)
            self._abandon(watch)
            raise
        finally:
            self.before.close()
        return self.program, self.program.finish(values, self.inputs, examples)

    def _run(self, fn, examples, watch):
        dispatch.enter_special_mode(registry.values())
        callbacks, gc.callbacks[:] = list(gc.callbacks), []  # what others do when garbage is collected is no part of the run
        token = tracer.set(self)
        try:
            shells = [self._shell(k, t) for k, t in enumerate(examples)]
            # the values come from the texts: kernels that the compiled step does not use need not be compiled for them
            with kernels.use_kernels(False), watch or contextlib.nullcontext():
                result = self._call(fn, shells)
            values = self._close(result)
            self.program.refuse_shared(examples)
            del result, shells
            if watch is not None:
                watch.finish(self)
            return values
        finally:
            tracer.reset(token)
            gc.callbacks[:] = callbacks
            dispatch.leave_special_mode()
            self._restore()

    def _call(self, fn, shells):
        """``fn(*shells)``. What was refused ends the run, also where the function has caught the error."""
        try:
            result = fn(*shells)
        except Exception as error:
            if self.refused and error is not self.refused[0]:
                raise self.refused[0] from error
            raise
        if self.refused:
            raise self.refused[0]
        return result

    def _shell(self, position, example):
        """The Tensor that stands for an argument inside the function."""
        if not isinstance(example, Tensor):
            raise TypeError(
                f"trace: argument {position + 1} must be a Tensor, not {describe(example)}; bind it with functools.partial"
            )
        if example.node is not None and example.node.op is not LEAF and recording():
            raise refuse("an argument has history", "pass x.detach(): gradients do not flow out of a traced function")
        source = ("argument", position)
        t = wrap(self.input(lambda args: args[position].array, example.array, f"argument {position}", source))
        if example.node is not None:
            t.requires_grad_()
        self.shells[id(t)] = (t, t.array.instruction, position)
        t._grad = example._grad
        self._meet(t)
        return t

    # ------------------------------------------------------------------------------------------------ into the notebook
    def input(self, read, value, name, source=None):
        """A new input of the graph with the ``value`` of this run; ``read(arguments)`` gives that of a later one.

        ``source``: ("argument", its position) or ("captured", its Tensor) where the input is simply that.
        """
        n = Instruction("input", (), {"name": name}, value)
        self.program.graph.inputs.append(n)
        self.program.readers.append(read)
        self.program.sources.append(source)
        self.program.on_host &= isinstance(value, np.ndarray | int | float)
        self.inputs.append(value)
        return self.array(value, n)

    def read(self, function, name, generator=None):
        """A Tensor whose value ``function()`` gives anew at each call, such as the key of random numbers."""
        if generator is None:
            return wrap(self.input(lambda args: function(), function(), name))
        before = generator.snapshot()
        self.generators.setdefault(id(generator), (generator, wrap(before)))  # a run that fails has drawn nothing
        value, after = function(), generator.snapshot()
        key = (id(generator), name, before.tobytes(), after.tobytes(), value.shape, value.dtype)
        if key not in self.drawn or key[2] == key[3]:
            self.drawn[key] = self.input(lambda args: function(), value, name)
        return wrap(self.drawn[key])  # a checkpoint that computes again goes back, to numbers that were drawn already

    def number(self, owner, name):
        """A Tensor for the Python number ``owner.name`` or ``owner[name]``: see :func:`minigrad.compile.runtime`."""
        value = get(owner, name)
        if isinstance(value, Tensor):  # assigned in this trace, or a Tensor by itself
            return self.as_number(value)
        if not isinstance(value, int | float | np.number) or isinstance(value, bool):
            raise TypeError(f"runtime: {name!r} must be an int or a float, not {describe(value)}")
        if self.deferred and name == "lr":
            raise refuse("the learning rate is read after a schedule's step()", "call scheduler.step() last, or outside")
        key = (id(owner), name)
        if key not in self.numbers:
            t = wrap(self.input(lambda args: float(get(owner, name)), float(value), f"number {name}"))
            self.numbers[key] = (owner, name, value, t)
        return self.numbers[key][3]

    def numbers_in(self, owner, name):
        """Tensors for the numbers in the tuple ``owner[name]``, such as the betas of an optimizer's group."""
        key = (id(owner), name)
        if key not in self.parts:
            numbers = get(owner, name)
            read = [lambda args, i=i: float(get(owner, name)[i]) for i in range(len(numbers))]
            made = [wrap(self.input(read[i], float(v), f"number {name}[{i}]")) for i, v in enumerate(numbers)]
            self.parts[key] = (owner, name, numbers, tuple(made))
        return self.parts[key][3]

    def defer(self, function, what, *args):
        """``function()``, the method ``what`` of a schedule with ``args``, runs as it is when each call has ended."""
        if any(isinstance(a, Tensor) for a in args):
            raise refuse(f"{what}() was called with a tensor", "call it outside, with the value of what the function returns")
        self.deferred.append(function)

    def as_number(self, t):
        """The one element of a Tensor from now on as a number, which does not take part in promotion as a tensor."""
        self.lift((t,))
        if t.array.__class__ is TracedNumber:
            return t
        n = Instruction("number", [t.array.instruction], None, float(t.array.value))
        self.graph.nodes.append(n)
        return wrap(self.array(float(t.array.value), n))

    keeps_whole, backward_of = staticmethod(whole.is_whole), staticmethod(whole.gradients)

    def refuse_mask(self):
        raise refuse("x[mask] gave a tensor whose shape depends on values", MASK_REMEDY)

    def shares_memory(self, a, b):
        """Whether two traced arrays would be views of one memory."""
        return graph.owner_of(a.value) is graph.owner_of(b.value)

    # ---------------------------------------------------------------------------------------------- Tensors from outside
    def lift(self, args, params=None):
        """Make sure that every Tensor holds a traced array. Run-time numbers beside Tensors become plain operands."""
        plain = True
        for t in args:
            if isinstance(t, Tensor):
                if not isinstance(t.array, Traced):
                    self._capture(t)
                plain = plain and t.array.__class__ is TracedNumber
        if not plain:
            args = tuple([t.array if isinstance(t, Tensor) and t.array.__class__ is TracedNumber else t for t in args])
        if params and any(isinstance(v, Tensor) for v in params.values()):
            self.lift(tuple(params.values()))
            params = {k: v.array if isinstance(v, Tensor) else v for k, v in params.items()}
        return args, params

    def _capture(self, t):
        if not self.before.has(t):
            t.array = self.traced(t.array.copy())  # made in this run from data: part of the graph
            return
        root = t
        while root._base is not None:
            root = root._base[0]
        if id(root) not in self.captured:
            if id(root) in self.of_two:
                raise refuse("one gradient of two tensors is used", "give each its own: b.grad = a.grad.clone()")
            if root.node is not None and root.node.op is not LEAF:
                if recording():
                    raise refuse("a tensor from outside has history", "use x.detach(), or compute it inside the function")
            self._hold(root)
            outside = id(root) not in self.owners and id(root) not in self.shells
            source = ("captured", root) if outside else None
            root.array = self.input(self._reader(root), root.array, "captured" if outside else "gradient", source)
            self.captured[id(root)] = (root, root.array.instruction)
            self._derive(root)
            self._meet(root)
        if not isinstance(t.array, Traced):
            raise refuse("a view is used whose base was replaced", "make the view inside the function")

    def _hold(self, t):
        self.held.setdefault(id(t), (t, t.array, t.node))

    def _reader(self, t):
        slot = self.slot(t)
        return lambda args: slot(args).array

    def slot(self, t):
        """Where a Tensor of this run is found in a later one: arguments -> Tensor."""
        if id(t) in self.shells:
            position = self.shells[id(t)][2]
            return lambda args: args[position]
        owner = self.owners.get(id(t))
        if owner is not None:
            holder = self.slot(owner)
            return lambda args: holder(args)._grad
        return lambda args: t

    def _derive(self, parent):
        """The arrays, and where there was history the history, of all views of a captured Tensor."""
        for v in live_views(parent):
            _, op, params = v._base
            self._hold(v)
            v.array = getattr(parent.array.xp, op.name)(parent.array, **params)
            if v.node is not None and v.node.op is not LEAF and parent.node is not None:
                v.node = Node(op, (parent.node,), op.save((True,), v.array, (parent.array,)), params, serial(), v.array.shape)
            self._derive(v)

    def meet_grad(self, t, is_set=False):
        """``t.grad`` is read or set: whatever it is, it belongs to ``t``, also when a later call finds another there."""
        if id(t) in self.shells or self.before.has(t):
            self._meet(t)
            self.set_first.setdefault(id(t), is_set)

    def gradients_that_matter(self):
        """(Tensor, its .grad when first met), but for those whose gradient the run renews without a look at the old one."""
        return [(t, had) for t, had in self.gradients.values() if not (self.set_first.get(id(t)) and self._is_new(t._grad))]

    def _meet(self, t):
        if t._grad is not None and self.before.has(t._grad) and self.owners.setdefault(id(t._grad), t) is not t:
            self.of_two.add(id(t._grad))
        self.gradients.setdefault(id(t), (t, t._grad))

    def start(self, optimizer, p, group):
        """The state that an optimizer starts with for ``p``: made as if before the run, so that the next call finds the same."""
        known = self.captured.get(id(p))
        is_old = self.before.has(p) and (not isinstance(p.array, Traced) or (known and p.array.instruction is known[1]))
        handled = self.watch is None or id(optimizer) in self.watch.handled
        if not (self.begins and is_old) or handled or any(isinstance(v, Tensor) for v in group.values()):
            return optimizer.start(p, group)
        now, token = p.array, tracer.set(None)
        p.array = self.held[id(p)][1] if known else now
        try:
            state = optimizer.start(p, group)
        finally:
            p.array = now
            tracer.reset(token)
        for v in state.values():
            if isinstance(v, Tensor):
                self.before.add(v)
        if state:
            self.started.append((optimizer, p, state))
        return state

    # ------------------------------------------------------------------------------------------------------------- the end
    def _close(self, result):
        """Note the outputs, and what becomes of them; returns their values in this run."""
        self.outputs = []
        self.program.build = self._template(result)
        for t, n in self.captured.values():
            self._written(t, n)
        for t, n, position in self.shells.values():
            if t.array.instruction is not n:
                self.program.written_arguments.append(position)
            self._written(t, n)
        for t, had in self.gradients.values():
            self._gradient(t, had)
        for owner, name, value, _ in self.numbers.values():
            self._number(owner, name, value)
        for owner, name, before, _ in self.parts.values():
            if get(owner, name) is not before:
                raise TraceError(f"{name} was assigned inside a traced function after a step that read it: do it outside")
        for function in self.deferred:
            self._effect(lambda args, _, function=function: function())
        self.graph.outputs = [a.instruction for a in self.outputs]
        return [a.value for a in self.outputs]

    def _output(self, t):
        self.lift((t,))
        self.outputs.append(t.array)
        return len(self.outputs) - 1

    def _effect(self, function, value=None, becomes=None, **what):
        """After a call, ``function(arguments, value)`` is to run. ``value``: a Tensor of this run, or None."""
        if value is not None:
            self.graph.state.append(becomes)
        self.program.effects.append(Effect(function, None if value is None else self._output(value), **what))

    def _template(self, result):
        """How the result of a later call is built: (values, arguments) -> result."""
        if isinstance(result, Tensor):
            if id(result) in self.shells or self.before.has(result):
                slot = self.slot(result)
                return lambda values, args: slot(args)
            index = self._output(result)
            return lambda values, args: wrap(np.asarray(v) if (v := values[index]).__class__ is float else v)
        if isinstance(result, tuple | list):
            parts = [self._template(r) for r in result]
            make = type(result)._make if hasattr(result, "_make") else type(result)
            return lambda values, args: make([p(values, args) for p in parts])
        if isinstance(result, dict):
            named = {k: self._template(r) for k, r in result.items()}
            return lambda values, args: {k: p(values, args) for k, p in named.items()}
        if hasattr(type(result), "__next__") or hasattr(type(result), "__await__"):
            raise refuse(f"an iterator or a coroutine ({type(result).__name__}) was returned", "return what it gives, in a list")
        return lambda values, args: result

    def _written(self, t, n):
        if t.array.instruction is n:
            return
        if t.array.shape != n.shape or t.array.dtype != n.dtype:
            raise refuse(f"a tensor of shape {n.shape} and dtype {n.dtype} became {describe(t)}", "return it as a new tensor")
        slot = self.slot(t)

        def write(args, value):
            array = slot(args).array
            array[...] = value
            graph.writes.stamp(array)

        self._effect(write, t, ("{}", n), writes=n)

    def _gradient(self, t, had):
        now, slot = t._grad, self.slot(t)
        if now is had:
            return
        if not self._is_new(now):
            self._effect(lambda args, _: setattr(slot(args), "_grad", now))
        else:
            known = self.captured.get(id(t)) or self.shells.get(id(t))
            n = known and known[1]
            self._effect(
                lambda args, value: setattr(slot(args), "_grad", wrap(value)), now, ("the gradient of {}", n), owner=slot
            )

    def _is_new(self, gradient):
        return gradient is not None and not self.before.has(gradient)

    def _number(self, owner, name, value):
        now, kind = get(owner, name), type(value)
        if isinstance(now, Tensor):
            self._effect(lambda args, number: put(owner, name, kind(number)), now, (f"number {name}", None))
        elif now != value:
            self._effect(lambda args, _: put(owner, name, now))

    def _restore(self):
        for t, array, node in self.held.values():
            t.array, t.node = array, node
        for t, had in self.gradients.values():
            t._grad = had
        for owner, name, value, _ in self.numbers.values():
            put(owner, name, value)
        for kept in (self.held, self.captured, self.shells, self.gradients, self.set_first, self.owners, self.drawn):
            kept.clear()
        self.numbers.clear()
        self.parts.clear()

    def _abandon(self, watch):
        """A run that failed has written nothing: nor has an optimizer the state that it made; other tensors get their values."""
        for optimizer, _ in watch.optimizers.values() if watch is not None else ():
            for p, entry in [(p, e) for p, e in optimizer.state.items() if isinstance(e, dict)]:
                for name in [k for k, v in entry.items() if isinstance(v, Tensor) and isinstance(v.array, Traced)]:
                    del entry[name]
                if not entry:
                    del optimizer.state[p]
        for optimizer, p, _ in self.started:
            optimizer.state.pop(p, None)
        for t in self._still_in_use():
            _materialize(t)

    def _settle(self, strict):
        """Tensors that were made inside and are still in use, such as an optimizer's new state, get their values."""
        if self._still_in_use():
            gc.collect()  # while nothing here holds them
        found = self._still_in_use()
        if found and strict:
            one = len(found) == 1
            which = f"1 tensor, {describe(found[0])}," if one else f"{len(found)} tensors (the first is {describe(found[0])})"
            raise TraceError(
                f"{which} made inside the traced function {'is' if one else 'are'} in use outside after each call, and a replay "
                f"could not renew {'it: return it' if one else 'them: return them'}, or write into an older one, x.copy_(value)"
            )
        for t in found:
            _materialize(t)
        self.outlived = len(found)

    def _still_in_use(self):
        return [t for t in made_tensors() if isinstance(a := getattr(t, "array", None), Traced) and a.trace is self]


def _materialize(t):
    """A tensor of the trace as an ordinary one; views look into the memory of their base again."""
    if not isinstance(t.array, Traced):
        return
    if t.node is not None and t.node.op is not LEAF:
        t.node = None
    if t._base is None:
        value = t.array.value
        t.array = np.asarray(value) if t.array.__class__ is TracedNumber else value.copy()
    else:
        parent, op, params = t._base
        _materialize(parent)
        t.array = getattr(backends.of(parent.array), op.name)(parent.array, **params)
