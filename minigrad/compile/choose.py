"""How each composed operation runs: opened into words, which fuse, or handed to a kernel as a whole.

Some kernels serve a forward and its backward together: what the forward has found is handed on, or both are one pass.
"""

from . import along, assembly, convolution, epilogue, indexed, kernels, matmul  # noqa: F401  (two write calls for kernels)
from .assembly import assemble
from .expressions import WHOLE, is_elementwise
from .ir import Graph, Instruction
from .narrow import narrowed
from .pooling import written_out
from .simplify import simplify
from .thin import thin_products

PAIRED = (
    "cross_entropy_vjp",
    "attention_vjp",
)  # backward calls that a kernel computes beside, or with what is left by, the forward


def choose(graph):
    """The graph with every composed operation replaced by its text, but for those that a kernel computes."""
    chosen = simplify(thin_products(written_out(opened(graph))))
    return assemble(epilogue.joined(convolution.joined(chosen)))


def opened(graph, at_once=True):
    """The graph with composed operations opened, and forward and backward calls joined. ``at_once``: in one call where possible,
    which needs the gradients that come from behind while the forward pass runs.
    """
    whole = simplify(narrowed(simplify(graph.inline(lambda n: stays_whole(n) or n.op in PAIRED))))
    return pairs(whole, at_once).inline(stays_whole)


def stays_whole(n):
    """Whether a composed operation is not opened: a kernel computes it, or it is one function inside a loop."""
    return (n.op in WHOLE and is_elementwise(n)) or kernels.is_called(n) or kernels.takes(n)


def stays_with_numpy(n):
    """Whether a call that is no loop runs from Python, on arrays."""
    return not (matmul.is_product(n) or n.op == "assemble" or kernels.takes(n) or convolution.takes(n))


def operands(n):
    """The values that a call reads from memory."""
    if matmul.is_product(n):
        return matmul.operands(n)
    if n.op == "assemble":
        return assembly.operands(n)
    return [i for i in n.arguments if not i.number]


# -------------------------------------------------------------------------------------------------------- forward and backward
def pairs(graph, at_once=True):
    """Backward calls joined with the forward calls that they belong to."""
    changed = {}  # an old value -> the one that stands for it
    made = {}  # position of a node -> the nodes that come before it
    forwards = {(n.op, n.inputs): n for n in graph.nodes if n.op in ("cross_entropy", "attention")}
    for n in graph.nodes:
        if at_once and n.op == "cross_entropy_vjp" and n.inputs[1:] and ("cross_entropy", n.inputs[1:]) in forwards:
            forward = forwards["cross_entropy", n.inputs[1:]]
            if not _depends(n.inputs[0], forward):
                both = Instruction("cross_entropy_both", (*n.inputs[1:], n.inputs[0]))
                logits = n.inputs[1]
                loss, gradient = _picked(both, [(forward.shape, forward.dtype), (logits.shape, logits.dtype)])
                changed[forward] = loss
                made[n] = [both, loss, gradient]
                _replace_picks(graph, n, [gradient], changed)
        elif n.op == "attention_vjp" and ("attention", n.inputs[1:4]) in forwards:
            forward = forwards["attention", n.inputs[1:4]]
            q, k, v = forward.inputs
            kept = Instruction("attention_kept", forward.inputs, forward.params)
            y, log_sum = _picked(kept, [(forward.shape, forward.dtype), (q.shape[:-1], q.dtype)])
            gradients = Instruction("attention_gradients", (n.inputs[0], q, k, v, y, log_sum), forward.params)
            changed[forward], made[forward] = y, [kept, y, log_sum]
            needed = [x for x, wanted in zip((0, 1, 2), n.params["needed"]) if wanted]
            found = _picked(gradients, [(x.shape, x.dtype) for x in (q, k, v)])
            made[n] = [gradients, *found]
            _replace_picks(graph, n, [found[i] for i in needed], changed)
    return _rebuilt(graph, changed, made) if changed else graph


def _depends(n, on):
    """Whether ``n`` is computed from ``on``."""
    seen, stack = set(), [n]
    while stack:
        n = stack.pop()
        if n is on:
            return True
        if n not in seen:
            seen.add(n)
            stack += n.arguments
    return False


def _picked(call, kinds):
    made = []
    for k, (shape, dtype) in enumerate(kinds):
        pick = Instruction("pick", [call], {"output": k})
        pick.shape, pick.dtype = shape, dtype
        made.append(pick)
    return made


def _replace_picks(graph, n, values, changed):
    for p in graph.nodes:
        if p.op == "pick" and p.inputs[0] is n:
            changed[p] = values[p.params["output"]]


def _rebuilt(graph, changed, made):
    """The graph with ``changed`` values, in an order in which each call comes after what it reads."""
    known, nodes = {i: i for i in graph.inputs}, []

    def build(n):
        stack = [n]
        while stack:
            n = stack[-1]
            if n in known:
                stack.pop()
                continue
            if n in changed:
                target = changed[n]
                if target in known:
                    known[n] = known[target]
                    stack.pop()
                else:
                    stack.append(target)
                continue
            missing = [i for i in n.arguments if i not in known]
            if missing:
                stack += reversed(missing)
                continue
            inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
            known[n] = n if inputs == n.inputs else n.copy(inputs)
            nodes.append(known[n])
            stack.pop()

    removed = set(made)
    for n in graph.nodes:
        if n not in removed:
            build(n)
    for o in graph.outputs:
        build(o)
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)
