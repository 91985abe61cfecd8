"""A joint graph of a forward and its backward pass, cut in two.

The forward part computes the results and what else a call leaves behind. The backward part is all that only gradients need. It
reads values of the forward part: these are *kept* from one to the other. Views of them are made again, which costs nothing.
"""

from dataclasses import dataclass

from .calls import Calls
from .fuse import kind
from .ir import Graph, Instruction
from .simplify import CHECKS


@dataclass
class Cut:
    """``forward``: its outputs from number ``first`` on are kept. ``backward``: reads the gradients of the results, what is
    kept, and then what is ``outside``: ("input", number) of the forward, or ("result", number).
    """

    forward: Graph
    backward: Graph
    first: int
    outside: list


class Paired(dict):
    """The parameters of a call and of its backward call, which say that they belong together: ``forward`` is the former."""

    forward = None


def cut(joint, given, first, results, written):
    """The :class:`Cut` of a graph.

    ``given``: its inputs that are gradients of results. ``first``: how many outputs are the forward's; the others are
    gradients. ``results``: the numbers of outputs that become tensors of the caller's. ``written``: inputs that a call writes to.
    """
    outputs, gradients = joint.outputs[:first], joint.outputs[first:]
    late = _depending_on(given, joint)
    early = _behind([*outputs, *(n for n in joint.nodes if n.op in CHECKS and n not in late)])
    early.update(n for n in joint.nodes if n.op == "pick" and n.inputs[0] in early)
    inputs = [i for i in joint.inputs if i not in set(given)]
    kept, read, inside = _boundary(gradients, early, {*given})
    result_of = {joint.outputs[k]: k for k in sorted(results, reverse=True)}
    outside = {n: ("result", result_of[n]) for n in joint.nodes if n in kept and n in result_of}
    outside.update({n: ("input", k) for k, n in enumerate(inputs) if n in read and n not in written})
    copies = {n: _like(Instruction("copy", [n]), n) for n in inputs if n in read and n in written}
    kept = [n for n in joint.nodes if n in kept and n not in outside]
    nodes, saved = [n for n in joint.nodes if n in early], [*kept, *copies.values()]
    state = [*joint.state, *[("kept for the backward pass", None)] * len(saved)]
    forward = Graph(inputs, [*nodes, *copies.values()], [*outputs, *saved], state)
    known = {n: n for n in given}
    known.update({n: _input("kept", n) for n in (*kept, *copies, *outside)})
    made, reads = [], list(known.values())
    for n in joint.nodes:
        if n in inside:
            found = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
            known[n] = n if found == n.inputs else n.copy(found)
            made.append(known[n])
    return Cut(forward, Graph(reads, made, [known[g] for g in gradients]), first, list(outside.values()))


def paired(joint):
    """The graph, in which each backward call with a kernel of its own says which forward call it belongs to."""
    for n, forward in Calls(joint).forward_of.items():
        if forward is not None:
            for call in (n, forward):
                call.params = Paired(call.params)
                call.params.forward = forward
    return joint


class HalfCalls(Calls):
    """The calls of one half: what kernels have left for their backward is handed from one half to the other."""

    def __init__(self, graph):
        self.graph, self.residuals = graph, {}
        partners = {n: getattr(n.params, "forward", None) for n in graph.nodes}
        self.forward_of = {n: f for n, f in partners.items() if n.op.endswith("_vjp")}
        self.awaited = {n for n, f in partners.items() if f is not None and n not in self.forward_of}

    def left(self):
        """The residuals of a forward half by the calls that both halves know; they are forgotten here."""
        found, self.residuals = self.residuals, {}
        return {n.params.forward: residual for n, residual in found.items()} if found else found


def _boundary(gradients, early, given):
    """(the values of the forward that are kept, its inputs that are read, the calls of the backward part)."""
    kept, read, inside, stack = set(), set(), set(), list(gradients)
    while stack:
        n = stack.pop()
        if n.op == "input":
            if n not in given:
                read.add(n)
        elif n in early and not _is_made_again(n):
            kept.add(n)
        elif n not in inside:
            inside.add(n)
            stack += n.arguments
    return kept, read, inside


def _is_made_again(n):
    return n.op == "constant" or n.number or (n.dtype is not None and kind(n) == "view")


def _behind(outputs):
    """All calls that the outputs are computed by."""
    found, stack = set(), list(outputs)
    while stack:
        n = stack.pop()
        if n not in found:
            found.add(n)
            stack += n.arguments
    return found


def _depending_on(inputs, graph):
    found = set(inputs)
    for n in graph.nodes:
        if any(i in found for i in n.arguments):
            found.add(n)
    return found


def _like(made, n):
    made.shape, made.dtype, made.number = n.shape, n.dtype, n.number
    return made


def _input(name, n):
    return _like(Instruction("input", (), {"name": name}), n)
