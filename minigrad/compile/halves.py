"""The training form of ``minigrad.compile(model)``: forward and backward pass of a module as two programs.

One trace follows the forward pass and, with new inputs for the gradients of the results, the backward pass behind it. The joint
graph is cut in two (:mod:`minigrad.compile.cut`). A call runs the forward part and gives its results one node of history, whose
rule is the backward part: gradients flow to arguments, and into parameters, as the engine sends them in any other graph.
"""

from threading import RLock

from .. import backends, graph, kernels
from ..errors import GradError, written
from ..graph import Node, pick, serial
from ..tensor import wrap
from . import turns
from .cut import cut, paired
from .replay import Arena, Program, Unsuited, has_compiler
from .simplify import simplify


class Halves:
    """What repeats a call of a module while gradients are recorded, as a Program repeats other calls.

    * ``joint``: the Graph of both passes; ``given``: its inputs that are gradients of results.
    * ``first``: its outputs from this number on are gradients, of ``leaves``: (a Tensor from outside or the position of an
      argument, the numbers of the results that depend on it).
    * ``made``: the results that need gradients, number -> Tensor, which ``program.build`` fills.
    """

    def __init__(self, program, joint, given, first, leaves, made):
        self.joint, self.given, self.first, self.leaves, self.made = joint, given, first, leaves, made
        self.graph, self.build, self.effects, self.on_host = joint, program.build, program.effects, program.on_host
        self.early = [k for k, n in enumerate(joint.inputs) if n not in set(given)]
        self.readers, self.sources = [program.readers[k] for k in self.early], [program.sources[k] for k in self.early]
        self.written_arguments = program.written_arguments
        self.depends, self.growing, self.texts, self.arena = None, False, set(), Arena()
        self.turn, self.record = RLock(), None  # of the call that is running
        self.kinds = tuple([(n.shape, n.dtype) for n in given])
        self.parents = [None if leaf.__class__ is int else leaf.node for leaf, _ in leaves]  # the guards see that they stay
        self.positions = [(k, leaf) for k, (leaf, _) in enumerate(leaves) if leaf.__class__ is int]
        self.op = Backward(len(given))
        self.plain, self.compiled = Pair(self, joint), None  # the latter: False where nothing can be compiled

    refuse_shared = Program.refuse_shared

    def passes(self):
        """The Executable of the forward pass, to look into."""
        return (self._machine() or Pair(self, self.joint)).forward.passes()  # the plain ones are never to run as machine code

    def passes_back(self):
        """That of the backward pass."""
        return (self._machine() or Pair(self, self.joint)).backward.passes()

    def _machine(self):
        """The Pair that runs as machine code, or False."""
        if self.compiled is None and not (self.on_host and has_compiler()):
            self.compiled = False
        if self.compiled is None:
            from .choose import opened

            pair = Pair(self, paired(simplify(opened(self.joint, at_once=False))))
            for program in (pair.forward, pair.backward):
                program.growing, program.texts, program.arena = self.growing, self.texts, self.arena
            pair.forward.depends = self.depends
            self.compiled = pair if pair.forward.machine() and pair.backward.machine() else False
        return self.compiled

    def replay(self, args):
        """One call with the values of now."""
        self.refuse_shared(args)
        with self.turn:
            pair = self._machine() if kernels.enabled() else False
            if pair:
                try:
                    return self._recorded(pair, args, pair.run)
                except Unsuited:
                    self.compiled = False
            return self._recorded(self.plain, args, self.plain.run)

    def finish(self, values, inputs, args):
        """The end of the call that was traced: ``values`` are those of all outputs of the forward part, call by call."""
        inputs = [inputs[k] for k in self.early]

        def run(args, record):
            record.inputs.update({k: v for k, v in enumerate(inputs) if k in self.plain.noted})
            return self.plain.forward.finish(values, inputs, args)

        return self._recorded(self.plain, args, run)

    def _recorded(self, pair, args, run):
        """``run(args, record)``, with history for its results."""
        record = self.record = Record(self, pair, args)
        self.made.clear()
        try:
            result = run(args, record)
            tensors = [self.made[k] for k in range(len(self.given))]
        finally:
            self.record = None
            self.made.clear()
        record.library = backends.of(tensors[0].array)
        record.outside = [(record.inputs if what == "input" else record.results)[k] for what, k in pair.outside]
        self._give_history(tensors, args, record)
        return result

    def _give_history(self, tensors, args, record):
        parents = list(self.parents)
        for k, position in self.positions:
            parents[k] = args[position].node
        if len(tensors) == 1:
            tensors[0].node = Node(self.op, parents, (record,), None, serial(), self.kinds[0][0])
            return
        node = Node(self.op, parents, (record,), None, serial(), self.kinds)
        for k, t in enumerate(tensors):
            t.node = pick(node, k, t.array)


class Pair:
    """A joint graph as two programs. ``outside``: what the backward one reads besides gradients and what is kept (Cut)."""

    def __init__(self, halves, joint):
        changed = {e.writes for e in halves.effects if e.writes is not None}
        results = set(range(halves.first)) - {e.output for e in halves.effects}
        found = cut(joint, halves.given, halves.first, results, changed)
        self.halves, self.outside, self.first = halves, found.outside, found.first
        self.noted = {k for what, k in found.outside if what == "input" and halves.sources[k] is None}
        self.wanted = [k for what, k in found.outside if what == "result"]
        self.forward = self._forward(found.forward)
        self.backward = self._backward(found.backward, len(halves.given))

    def _forward(self, part):
        halves, program = self.halves, Half(part, "ForwardCode")
        program.first, program.build = self.first, self._build
        program.readers = [self._noting(k, r) if k in self.noted else r for k, r in enumerate(halves.readers)]
        program.sources, program.on_host = halves.sources, halves.on_host
        program.effects, program.written_arguments = halves.effects, halves.written_arguments
        return program

    def _noting(self, k, read):
        def noting(args):
            value = self.halves.record.inputs[k] = read(args)
            return value

        return noting

    def _build(self, values, args):
        record = self.halves.record
        record.results = {k: values[k] for k in self.wanted}
        if values.__class__ is list:  # it ran call by call
            record.kept = values[self.first :]
        return self.halves.build(values, args)

    def _backward(self, part, gradients):
        """Its arguments are Tensors with the gradients of the results, and the Record."""
        program, others = Half(part, "BackwardCode"), len(self.outside)
        program.kept = len(part.inputs) - gradients - others
        program.readers = [lambda args, k=k: args[k].array for k in range(gradients)]
        program.readers += [lambda args, k=k: args[-1].kept[k] for k in range(program.kept)]
        program.readers += [lambda args, k=k: args[-1].outside[k] for k in range(others)]
        program.sources = [*[("argument", k) for k in range(gradients)], *[None] * (program.kept + others)]
        program.on_host = self.halves.on_host
        program.build = lambda values, args: values
        return program

    def run(self, args, record):
        """The forward part, which fills the record."""
        code = self.forward.executable
        if not code:
            return self.forward.run(args)
        result, record.block, record.residuals = code.call(args)
        return result

    def gradients(self, tensors, record):
        """Those of the leaves, as arrays, for those of the results."""
        code = self.backward.executable
        return code.call(tensors, record) if code else self.backward.run((*tensors, record))


class Half(Program):
    """One part of a joint graph."""

    def __init__(self, part, kind):
        super().__init__(part)
        self.kind = kind  # of Executable

    def code(self):
        from . import half

        return getattr(half, self.kind)(self)


class Record:
    """What one forward pass leaves for its backward pass.

    ``kept``: arrays, or a ``block`` of memory with them; ``residuals``: what kernels keep for themselves; ``inputs``,
    ``results`` and, in the order of ``pair.outside``, ``outside``: parameters, arguments, results, random keys as they were;
    ``library``: that of the results.
    """

    def __init__(self, halves, pair, args):
        self.halves, self.pair = halves, pair
        self.inputs, self.results, self.outside, self.kept, self.block, self.residuals = {}, {}, (), (), None, {}
        for what, k in pair.outside:
            source = halves.sources[k] if what == "input" else None
            if source is not None:
                self.inputs[k] = (args[source[1]] if source[0] == "argument" else source[1]).array

    def gradients(self, parts):
        """The gradients of the leaves for those of the results, None where none has arrived."""
        some = next(p for p in parts if p is not None)
        if backends.of(some) is not self.library:
            raise GradError("the backward pass of a compiled module takes no transformed gradients: use the module as it is")
        tensors = [wrap(self._given(p, some, *kind)) for p, kind in zip(parts, self.halves.kinds)]
        turns.begin()
        try:
            found = self.pair.gradients(tensors, self)
        finally:
            turns.end()
        there = {k for k, p in enumerate(parts) if p is not None}
        return [d if there & results else None for d, (_, results) in zip(found, self.halves.leaves)]

    def _given(self, part, like, shape, dtype):
        if part is None:
            return self.library.full(like, shape=shape, dtype=dtype)
        part = self.library.asarray(part)
        return part if part.dtype == dtype else part.astype(dtype)

    def check(self, since):
        """InplaceError where something that the backward pass reads was written after the forward pass."""
        if graph.writes.last <= since:
            return
        for (what, k), a in zip(self.pair.outside, self.outside):
            if (what == "result" or self.halves.sources[k] is not None) and graph.writes.when(a) > since:
                raise written("a compiled module", "output" if what == "result" else "parameter or argument")


class Backward:
    """What the engine asks of an operation."""

    name = backward_name = "CompiledModule"
    kind, layout, broadcasts, differentiable = "function", (), False, True

    def __init__(self, outputs):
        self.outputs = outputs

    def backward(self, xp, n, g, grads):
        for p, d in zip(n.parents, self.gradients(n, g, False)):
            if d is not None:
                old = grads.get(p)
                grads[p] = d if old is None else old + d

    def gradients(self, n, g, create_graph):
        if create_graph:
            raise _once()
        (record,) = n.saved
        record.check(n.serial)
        return record.gradients(g if self.outputs > 1 else [g])

    def push(self, n, tangents):
        raise _once()


def _once():
    return GradError(
        "the backward pass of a compiled module cannot itself be differentiated (create_graph=True, double backward, "
        "derivatives pushed forward): compile a function that does the whole step, or use the module as it is"
    )
