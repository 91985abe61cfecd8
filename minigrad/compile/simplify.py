"""What a traced graph does not need: constants computed once, calls that change nothing, calls made twice, calls never read.

Every rule gives the same bits: ``x * 1`` is ``x``, but ``x + 0`` is not (-0.0 + 0 is 0.0).
"""

import math

import numpy as np

from .. import kernels
from .expressions import is_elementwise
from .ir import NUMBER, Graph, Instruction, compute, uniform

FROM_SHAPE = frozenset("one zeros_like ones_like full_like full".split())  # of their input they need shape and dtype alone
CHECKS = frozenset(["check_bounds"])  # calls that nothing reads: they may raise
STRETCHED = frozenset(["broadcast_to", "expand"])
LARGEST_COUNT, LARGEST_CONSTANT = 2**20, 2**20  # numbers of an arange; bytes of what is computed of constants
VIEWS = frozenset("reshape permute_dims matrix_transpose broadcast_to expand alias copy contiguous swapaxes flip".split())


def simplify(graph, on_host=True):
    """The same results from fewer calls. Every call is a pure function, random numbers included (of their key).

    Constants are NumPy's arrays, so a graph whose arrays lie on a GPU (``on_host=False``) makes its own at each call.
    """
    return dead_code(common_subexpressions(algebra(graph) if on_host else graph))


def dead_code(graph):
    """Without the calls that no output depends on. Inputs stay, so that the graph is called as before."""
    alive, stack = set(), [*graph.outputs, *(n for n in graph.nodes if n.op in CHECKS)]
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
        inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
        key = _key(n, inputs)
        if key not in first:
            first[key] = n if inputs == n.inputs else n.copy(inputs)
            nodes.append(first[key])
        known[n] = first[key]
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _key(n, inputs):
    if n.op == "constant":
        value = n.params["value"]
        return (n.op, id(value)) if uniform(n) is None else (n.op, n.shape, n.dtype, repr(value.flat[0]))
    # By type and text: 1, 1.0 and True are different numbers here, and NaN equals itself.
    shown = tuple([i if i.__class__ is Instruction else (type(i), repr(i)) for i in inputs])
    params = tuple([(k, type(v), repr(v)) for k, v in sorted(n.params.items())]) if n.params else ()
    return n.op, shown, n.keywords, params


# ---------------------------------------------------------------------------------------------------------------- constants
def constant(value, shape):
    """A constant of one value, which takes no memory whatever its shape."""
    value = np.broadcast_to(np.asarray(value), shape)
    return Instruction("constant", (), {"value": np.lib.stride_tricks.as_strided(value, shape, (0,) * len(shape))}, value)


def algebra(graph):
    """Calls on constants computed now, and calls that give back their input left out."""
    known, nodes = {i: i for i in graph.inputs}, []
    for n in graph.nodes:
        inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
        found = _same(n, inputs)
        if found is None:
            found = _folded(n, inputs)
            if found is None:
                found = n if inputs == n.inputs else n.copy(inputs)
            nodes.append(found)
        known[n] = found
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _folded(n, inputs):
    """A call on constants alone as a constant, or None."""
    if n.number or n.dtype is None or n.dtype == object or (not n.shape and not n.arguments):
        return None
    if 0 in n.shape:
        return constant(np.zeros((), n.dtype), n.shape)
    if n.op == "arange" and n.params["n"] <= LARGEST_COUNT:
        return _whole(np.arange(n.params["n"], dtype=n.dtype))
    if n.op in FROM_SHAPE:
        value = {"one": 1, "zeros_like": 0, "ones_like": 1}.get(n.op, n.params.get("value", 0))
        return constant(np.asarray(value).astype(n.dtype), n.shape)
    if not any(i.__class__ is Instruction for i in inputs):
        return None
    values = [uniform(i) if i.__class__ is Instruction else i for i in inputs]
    if any(v is None for v in values):
        return _computed(n, inputs)
    if n.op in VIEWS:
        return constant(values[0], n.shape)
    if is_elementwise(n):
        with np.errstate(all="ignore"):
            value = compute(n.op, [np.asarray(v) if hasattr(v, "dtype") else v for v in values], n.params)
        return constant(value, n.shape) if getattr(value, "dtype", NUMBER) == n.dtype else None
    return None


def _whole(array):
    return Instruction("constant", (), {"value": array}, array)


def _computed(n, inputs):
    """A call on constants of many values, where the result takes little memory. A stretched constant stays a view."""
    if n.op in CHECKS or n.op in STRETCHED or math.prod(n.shape) * n.dtype.itemsize > LARGEST_CONSTANT:
        return None
    values = [_known(i) for i in inputs]
    if any(v is None and i is not None for v, i in zip(values, inputs)):
        return None
    with np.errstate(all="ignore"), kernels.use_kernels(False):
        value = n.call(values)
    return _whole(value) if value.dtype == n.dtype and value.shape == n.shape else None


def _known(i):
    """The value of an operand that is a constant, stretched or not, or a number; else None."""
    if i.__class__ is not Instruction:
        return i
    if i.op == "constant":
        return i.params["value"]
    stretched = i.op in STRETCHED and i.inputs[0].__class__ is Instruction and i.inputs[0].op == "constant"
    return i.call([i.inputs[0].params["value"]]) if stretched else None


def _same(n, inputs):
    """The input that a call gives back unchanged, or None."""
    x = inputs[0] if inputs else None
    if x.__class__ is not Instruction or n.number or x.number or x.dtype != n.dtype or x.shape != n.shape:
        return _same_swapped(n, inputs)
    if n.op in ("alias", "copy", "contiguous", "reshape", "broadcast_to", "expand", "astype"):
        return x
    if n.op == "permute_dims" and n.params["axes"] == tuple(range(len(n.shape))):
        return x
    if (n.op in ("multiply", "divide", "power") and _is(inputs[1], 1)) or (n.op == "subtract" and _is(inputs[1], 0)):
        return x
    if n.op == "negative" and x.op == "negative" and x.inputs[0].__class__ is Instruction:
        return x.inputs[0]
    if n.op == "matrix_transpose" and x.op == "matrix_transpose":
        return x.inputs[0]
    return _same_swapped(n, inputs)


def _same_swapped(n, inputs):
    """``1 * x``, and a transpose of a transpose."""
    if n.op == "multiply" and len(inputs) == 2 and _is(inputs[0], 1):
        x = inputs[1]
        if x.__class__ is Instruction and not x.number and x.dtype == n.dtype and x.shape == n.shape:
            return x
    if n.op == "matrix_transpose" and inputs[0].__class__ is Instruction and inputs[0].op == "matrix_transpose":
        return inputs[0].inputs[0]
    return None


def _is(operand, number):
    value = uniform(operand) if operand.__class__ is Instruction else operand
    return value is not None and number is not None and value == number
