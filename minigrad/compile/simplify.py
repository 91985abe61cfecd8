"""What a traced graph does not need: calls that nothing reads, and calls that were made before on the same inputs."""

from .ir import Graph, Instruction


def simplify(graph):
    """Common subexpressions once, and no dead code. Every call is a pure function, random numbers included (of their key)."""
    return dead_code(common_subexpressions(graph))


def dead_code(graph):
    """Without the calls that no output depends on. Inputs stay, so that the graph is called as before."""
    alive, stack = set(), list(graph.outputs)
    while stack:
        n = stack.pop()
        if n not in alive:
            alive.add(n)
            stack += n.arguments
    return Graph(graph.inputs, [n for n in graph.nodes if n in alive], graph.outputs, graph.state)


def common_subexpressions(graph):
    """Two calls of the same operation on the same inputs become one."""
    known, first, nodes = {i: i for i in graph.inputs}, {}, []
    for n in graph.nodes:
        inputs = tuple(known[i] if i.__class__ is Instruction else i for i in n.inputs)
        key = _key(n, inputs)
        if key not in first:
            first[key] = n if inputs == n.inputs else n.copy(inputs)
            nodes.append(first[key])
        known[n] = first[key]
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _key(n, inputs):
    if n.op == "constant":
        return n.op, id(n.params["value"])
    # By type and text: 1, 1.0 and True are different numbers here, and NaN equals itself.
    shown = tuple(i if i.__class__ is Instruction else (type(i), repr(i)) for i in inputs)
    params = tuple((k, type(v), repr(v)) for k, v in sorted(n.params.items()))
    return n.op, shown, n.keywords, params
