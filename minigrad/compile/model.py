"""Following a module's forward pass together with the backward pass behind it, for :mod:`minigrad.compile.halves`."""

import copy
import dataclasses

from .. import backends
from ..autograd import engine
from ..graph import LEAF, recording
from ..tensor import Tensor, wrap
from .arrays import refuse
from .halves import Halves
from .ir import Graph
from .report import report
from .step import Step
from .trace import Trace


class ModelStep(Step):
    """A Step of a module. While gradients are recorded its results have history, and forward and backward are two programs."""

    # the history of a result holds all that its backward pass reads
    result = property(lambda self: None, lambda self, value: None, doc="Not kept.")

    def source(self):
        """The texts of the generated modules: of the forward pass, and of the backward pass if there is one."""
        return self._both(super().source(), lambda found: found.source)

    def report(self):
        """What became of the calls of the forward pass, and of those of the backward pass if there is one."""
        return self._both(super().report(), report)

    def _both(self, forward, shown):
        if not isinstance(self.program, Halves):
            return forward
        return f"# forward\n{forward}\n\n# backward\n{shown(self.program.passes_back())}"

    def _follower(self):
        return ModelTrace() if recording() else Trace()

    def _returned(self, result):
        return result if recording() else super()._returned(result)

    def _refuse_hooks(self, tensors):
        if not recording():  # else gradients flow to the arguments themselves, and their hooks see them
            super()._refuse_hooks(tensors)


class ModelTrace(Trace):
    """One run of a module, and of the backward pass behind its results."""

    def __init__(self):
        super().__init__()
        self.values = {}  # instruction -> its value in this run
        self.doors = {}  # position of an argument -> the leaf that its history begins with here
        self.histories = {}  # id(tensor of this run) -> its node as it was before
        self.tensors = {}  # id(result) -> (its number among those that need gradients, the result)
        self.made = {}  # number -> the Tensor that the latest call made for it

    def array(self, value, instruction):
        self.values[instruction] = value
        return super().array(value, instruction)

    def gradients_that_matter(self):
        """A forward pass seldom looks at gradients, so they may come and go between its calls."""
        found = super().gradients_that_matter()
        before = {id(t): had for t, had in self.gradients.values()}
        return [(t, had) for t, had in found if id(t) in self.set_first or t._grad is not before[id(t)]]

    def _shell(self, position, example):
        if not isinstance(example, Tensor) or example.node is None:
            t = super()._shell(position, example)
        else:
            source = ("argument", position)
            leaf = wrap(self.input(lambda args: args[position].array, example.array, f"argument {position}", source))
            leaf.requires_grad_()
            self.doors[position] = leaf
            t = leaf if example.node.op is LEAF else wrap(leaf.array, leaf.clone().node)
            self.shells[id(t)] = (t, t.array.instruction, position)
            t._grad = example._grad
            self._meet(t)
        self.histories[id(t)] = t.node
        return t

    def _capture(self, t):
        super()._capture(t)
        if id(t) in self.captured:
            self.histories[id(t)] = t.node

    def _template(self, result):
        if isinstance(result, Tensor) and self._has_history(result):
            if id(result) not in self.tensors:
                self.tensors[id(result)] = (len(self.tensors), result, self._output(result))
            number, _, index = self.tensors[id(result)]
            return lambda values, args: self.made.setdefault(number, wrap(values[index]))
        if dataclasses.is_dataclass(result) and not isinstance(result, type | tuple | list | dict):
            return self._fields({f.name: getattr(result, f.name) for f in dataclasses.fields(result)}, result, object.__setattr__)
        if isinstance(result, dict) and type(result) is not dict:
            return self._fields(dict(result), result, type(result).__setitem__)
        return super()._template(result)

    def _fields(self, found, result, put):
        """The template of an object with ``found`` in its fields."""
        parts, shell = {k: self._template(v) for k, v in found.items()}, copy.copy(result)
        for k in parts:
            put(shell, k, None)

        def build(values, args):
            made = copy.copy(shell)
            for k, part in parts.items():
                put(made, k, part(values, args))
            return made

        return build

    def _has_history(self, t):
        if t.node is None or t.node.op is LEAF:
            return False
        return not (id(t) in self.shells or self.before.has(t))

    # ---------------------------------------------------------------------------------------------------- the backward pass
    def _close(self, result):
        values = super()._close(result)
        for t, *_ in (*self.captured.values(), *self.shells.values()):
            if t.node is not self.histories.get(id(t), t.node):
                raise refuse("a tensor that was made outside has got history", "return it as a new tensor: x = x * w, not x *= w")
        if self.tensors:
            values = self._joint()
        self.values.clear()
        self.tensors.clear()
        self.doors.clear()
        return values

    def _joint(self):
        """Make ``program`` Halves; returns the values of the outputs of its forward part."""
        first, state = len(self.outputs), self.graph.state
        results = [t for _, t, _ in self.tensors.values()]
        reached = [engine._reachable([t.node])[1] for t in results]
        given = [self._gradient_of(k, t) for k, t in enumerate(results)]
        leaves = {n: found for n in set().union(*reached) if (found := self._leaf(n)) is not None}
        leaves = dict(sorted(leaves.items(), key=lambda item: item[0].serial))
        gradients = self._gradients(results, given, [t for t, _ in leaves.values()])
        slots, outputs = [], list(self.graph.outputs)
        for (n, (_, slot)), g in zip(leaves.items(), gradients):
            if g is not None:
                self.lift((g,))
                outputs.append(g.array.instruction)
                slots.append((slot, {k for k, found in enumerate(reached) if n in found}))
        joint = Graph(self.graph.inputs, self.graph.nodes, outputs, state)
        self.program = Halves(self.program, joint, [g.array.instruction for g in given], first, slots, self.made)
        kept = self.program.plain.forward.graph.outputs
        return [self.values[o] if o in self.values else self.values[o.inputs[0]].copy() for o in kept]

    def _gradient_of(self, k, t):
        value = t.array.value
        return wrap(self.input(None, backends.of(value).ones_like(value), f"gradient of result {k}"))

    def _leaf(self, n):
        """(The Tensor of this run with the leaf ``n``, itself or its position as an argument), or None of one made inside."""
        for position, leaf in self.doors.items():
            if leaf.node is n:
                return leaf, position
        t = n.extra["tensor"]()
        return (t, t) if t is not None and self.before.has(t) else None

    def _gradients(self, results, given, leaves):
        """Those of the leaves, without their hooks, which each call of ``backward()`` finds anew."""
        extras = [t.node.extra for t in leaves]
        before = {key: t.array.instruction for key, (t, *_) in (*self.captured.items(), *self.shells.items())}
        had = {key: t._grad for key, (t, _) in self.gradients.items()}
        try:
            for t in leaves:
                t.node.extra = {"tensor": t.node.extra["tensor"]}
            found = engine.grad(results, leaves, given, allow_unused=True)
        finally:
            for t, extra in zip(leaves, extras):
                t.node.extra = extra
        known = (*self.captured.items(), *self.shells.items())
        wrote = any(t.array.instruction is not before.get(key, n) for key, (t, n, *_) in known)
        if wrote or any(t._grad is not had.get(key, at_first) for key, (t, at_first) in self.gradients.items()):
            raise refuse(
                "a backward pass writes to a tensor from outside", "do so in the forward pass, or compile the whole step"
            )
        return found
