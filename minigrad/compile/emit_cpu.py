"""The elementwise part of a graph as one Numba loop.

``source(graph)`` is the text, which is meant to be read: one function, one loop, one local per call. ``emit(graph)`` is a
callable that equals ``graph.run``. Constants stand in the dtype they are computed in, and no flag lets the compiler assume
that there are no NaN or infinities.
"""

import importlib.util
import math
import re

import numpy as np

from .. import backends
from ..errors import TraceError
from .ir import Graph, Instruction, run_nodes
from .simplify import dead_code, simplify

# How each word is written, by the kind of its operands: real numbers (and integers), floats only, truth values.
ARITHMETIC = dict(add="{} + {}", subtract="{} - {}", multiply="{} * {}", negative="-{}", abs="abs({})", square="{0} * {0}",
                  maximum="maximum({}, {})", minimum="minimum({}, {})")  # fmt: skip
FLOATS = dict(
    divide="{} / {}", power="{} ** {}", reciprocal="1 / {}", exp="math.exp({})", expm1="math.expm1({})", log="np.log({})",
    log1p="np.log1p({})", log2="np.log2({})", sqrt="np.sqrt({})", sin="math.sin({})", cos="math.cos({})", tan="math.tan({})",
    sinh="np.sinh({})", cosh="np.cosh({})", tanh="math.tanh({})", asin="np.arcsin({})", acos="np.arccos({})",
    atan="math.atan({})",
    asinh="np.arcsinh({})", atan2="math.atan2({}, {})", erf="math.erf({})", floor="np.floor({})", ceil="np.ceil({})",
    trunc="np.trunc({})", round="np.rint({})", sign="sign({})", relu="maximum({}, 0)", fmax="fmax({}, {})", fmin="fmin({}, {})",
    copysign="math.copysign({}, {})", hypot="math.hypot({}, {})",
)  # fmt: skip
COMPARISONS = dict(greater="{} > {}", greater_equal="{} >= {}", less="{} < {}", less_equal="{} <= {}", equal="{} == {}",
                   not_equal="{} != {}", isnan="{0} != {0}", isinf="abs({}) == inf", isfinite="abs({}) < inf")  # fmt: skip
TRUTH = dict(logical_and="{} and {}", logical_or="{} or {}", logical_not="not {}", logical_xor="{} != {}")
BITS = dict(bitwise_and="{} and {}", bitwise_or="{} or {}", bitwise_xor="{} != {}", bitwise_invert="not {}")  # of truth values
CONSTANTS = dict(zeros_like=0, ones_like=1, one=1)

BOOL = np.dtype(bool)
DTYPES = {np.dtype(d): name for d, name in dict(float32="f4", float64="f8", int64="i8", int32="i4", bool="b1").items()}
HELPERS = {
    "maximum": "def maximum(a, b):  # NaN wins, as in NumPy\n    return a if a > b or a != a else b",
    "minimum": "def minimum(a, b):  # NaN wins, as in NumPy\n    return a if a < b or a != a else b",
    "fmax": "def fmax(a, b):  # NaN loses\n    return a if a >= b or b != b else b",
    "fmin": "def fmin(a, b):  # NaN loses\n    return a if a <= b or b != b else b",
    "sign": "def sign(a):\n    return (1 if a > 0 else 0) - (1 if a < 0 else 0)",
}


# ------------------------------------------------------------------------------------------------------------ what to emit
def is_elementwise(n):
    """Whether a call can stand in a loop: every output element needs the input elements of its own place alone."""
    if n.number:
        return False
    kinds = [i.dtype for i in n.arguments]
    if n.dtype not in DTYPES or any(k not in DTYPES for k in kinds) or n.keywords:
        return False
    if n.op in COMPARISONS or n.op in TRUTH or n.op == "where":
        return True
    if n.op in BITS or n.op == "astype":
        return n.op == "astype" or all(k == BOOL for k in (n.dtype, *kinds))
    if n.op in CONSTANTS or n.op == "full_like":
        return True
    if n.op in ARITHMETIC:
        return n.dtype != BOOL
    if n.op in ("broadcast_to", "expand", "alias", "copy"):
        return n.op in ("alias", "copy") or n.arguments[0].shape in ((), n.shape)
    return n.op in FLOATS and n.dtype.kind == "f"


def largest_part(graph):
    """The elementwise calls of one shape that can run as one loop, as a Graph of their own: the group with the most calls.

    Its inputs are what the group reads, its outputs what others read of it. Calls are grouped by shape and by how many
    other calls stand between them and the inputs, so nothing outside has to run in the middle of a group.
    """
    level, groups, ours = {}, {}, set()
    for n in graph.nodes:
        mine = is_elementwise(n)
        computed = [i for i in n.arguments if i in level]
        level[n] = max((level[i] + (not (mine and i in ours and i.shape == n.shape)) for i in computed), default=0)
        if mine:
            ours.add(n)
            groups.setdefault((n.shape, level[n]), []).append(n)
    if not groups:
        raise TraceError("no call of this graph is elementwise: there is no loop to emit")
    nodes = max(groups.values(), key=len)
    inside = set(nodes)
    read = {i for n in graph.nodes if n not in inside for i in n.arguments} | set(graph.outputs)
    inputs = list(dict.fromkeys(i for n in nodes for i in n.arguments if i not in inside))
    return Graph(inputs, nodes, [n for n in nodes if n in read])


def _shape(part):
    return part.nodes[0].shape


# ---------------------------------------------------------------------------------------------------------------- the text
def source(graph):
    """The Python text of the loop for the elementwise part of a graph, after inlining.

    >>> import minigrad
    >>> graph, _ = minigrad.compile.trace(lambda x: (x * 2.0).exp() + 1.0, minigrad.zeros(3))
    >>> print(minigrad.compile.emit_cpu.source(graph).partition("@")[2])
    njit(cache=True, error_model="numpy", nogil=True)
    def loop(n, x0, y3):
        for i in range(n):
            v1 = x0[i] * f4(2.0)
            v2 = math.exp(v1)
            v3 = v2 + f4(1.0)
            y3[i] = v3
    <BLANKLINE>
    """
    return _text(largest_part(simplify(graph.inline())))


def _text(part):
    number = {n: k for k, n in enumerate([*part.inputs, *part.nodes])}
    lines = []
    for n in part.nodes:
        lines.append(f"v{number[n]} = {_expression(n, lambda i: _name(i, number, part))}")
        if n in part.outputs:
            lines.append(f"y{number[n]}[i] = v{number[n]}")
    arguments = [*(f"x{number[i]}" for i in part.inputs), *(f"y{number[o]}" for o in part.outputs)]
    loop = "\n".join(f"        {line}" for line in lines)
    signature = f"def loop(n, {', '.join(arguments)}):\n    for i in range(n):\n"
    function = f'@njit(cache=True, error_model="numpy", nogil=True)\n{signature}{loop}\n'
    helpers = [f'@njit(inline="always")\n{text}\n' for name, text in HELPERS.items() if f"{name}(" in loop]
    return "\n\n".join([_head(loop), *helpers, function])


def _head(loop):
    """Imports, and the short names of the types that the loop uses."""
    types = dict(f4="np.float32", f8="np.float64", i4="np.int32", i8="np.int64", b1="np.bool_", nan="np.nan", inf="np.inf")
    used = {k: v for k, v in types.items() if re.search(rf"\b{k}\b", loop)}
    names = f"\n{', '.join(used)} = {', '.join(used.values())}" if used else ""
    return f"import math\n\nimport numpy as np\nfrom numba import njit\n{names}".rstrip() + "\n"


def _name(i, number, part):
    if i not in part.inputs:
        return f"v{number[i]}"
    return f"x{number[i]}" if i.shape == () and _shape(part) != () else f"x{number[i]}[i]"


def _expression(n, name):
    """One call as an expression; operands come in the dtype in which NumPy computes."""
    if n.op in CONSTANTS or n.op == "full_like":
        return _literal(CONSTANTS[n.op] if n.op in CONSTANTS else n.params["value"], n.dtype)
    if n.op == "where":
        condition = _operand(n.inputs[0], BOOL, name)
        return "{1} if {0} else {2}".format(condition, *(_operand(i, n.dtype, name) for i in n.inputs[1:]))
    if n.op in ("astype", "broadcast_to", "expand", "alias", "copy"):
        return _operand(n.inputs[0], n.dtype, name)
    if n.op == "power" and n.inputs[1].__class__ in (int, float) and n.inputs[1] in (2, 3):
        return " * ".join([_operand(n.inputs[0], n.dtype, name)] * int(n.inputs[1]))
    if n.op == "power" and n.inputs[1].__class__ is float and n.inputs[1] == 0.5:
        return f"np.sqrt({_operand(n.inputs[0], n.dtype, name)})"
    if n.op in TRUTH or n.op in BITS:
        template, dtype = {**TRUTH, **BITS}[n.op], BOOL
    elif n.op in COMPARISONS:
        template, dtype = COMPARISONS[n.op], np.result_type(*map(_promotes_as, n.inputs))
    else:
        template, dtype = ARITHMETIC.get(n.op) or FLOATS[n.op], n.dtype
    text = template.format(*(_operand(i, dtype, name) for i in n.inputs))
    # Numba widens small integers, and floats beside a literal integer: back to what NumPy has.
    return f"{DTYPES[n.dtype]}({text})" if n.op in ("reciprocal", "relu", "sign") or n.dtype == np.int32 else text


def _promotes_as(i):
    return i if i.__class__ is not Instruction else 0.0 if i.number else i.dtype


def _operand(i, dtype, name):
    if i.__class__ is not Instruction:
        return _literal(i, dtype)
    if i.dtype == dtype and not i.number:
        return name(i)
    return f"({name(i)} != 0)" if dtype == BOOL else f"{DTYPES[dtype]}({name(i)})"


def _literal(value, dtype):
    if dtype == BOOL:
        return repr(bool(value))
    if dtype.kind == "f":
        value = float(value)
        text = "nan" if math.isnan(value) else "inf" if value == math.inf else "-inf" if value == -math.inf else repr(value)
    else:
        text = repr(int(value))
    return f"{DTYPES[dtype]}({text})"


# ----------------------------------------------------------------------------------------------------------------- running
def emit(graph):
    """A callable that equals ``graph.run``, with the largest elementwise part as a compiled loop.

    Without Numba it is ``graph.run`` itself.
    """
    if importlib.util.find_spec("numba") is None:
        return graph.run
    graph = dead_code(simplify(graph.inline()))
    part = largest_part(graph)
    loop = compiled(part)
    inside, late = set(part.nodes), set(part.nodes)
    before, after = [], []
    for n in graph.nodes:  # what needs the loop runs after it, all else before
        if n not in inside:
            needs = any(i in late for i in n.arguments)
            (after if needs else before).append(n)
            if needs:
                late.add(n)

    def run(*arrays):
        values = dict(zip(graph.inputs, arrays))
        run_nodes(before, values)
        values.update(zip(part.outputs, loop(*[values[i] for i in part.inputs])))
        run_nodes(after, values)
        return [values[o] for o in graph.outputs]

    return run


def compiled(part):
    """The loop of an elementwise graph of one shape as a function: arrays -> list of new arrays."""
    from . import cache

    function, shape, size = cache.load(_text(part)).loop, _shape(part), math.prod(_shape(part))

    def run(*arrays):
        flat = [_flat(a, i, shape) for a, i in zip(arrays, part.inputs)]
        outputs = [np.empty(size, o.dtype) for o in part.outputs]
        function(size, *flat, *outputs)
        return [o.reshape(shape) for o in outputs]

    return run


def _flat(array, i, shape):
    """An input as the loop reads it: one number, or all elements in a row."""
    if i.shape == () and shape != ():
        return float(array) if i.number else i.dtype.type(array)
    if backends.of(array) is not backends.numpy:
        raise TraceError("the emitted loop runs on NumPy arrays: use graph.run on a GPU")
    if i.number:
        array = np.asarray(array)
    return np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1)
