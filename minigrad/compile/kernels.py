"""Which calls the step hands to a kernel of minigrad, and how it calls it: on the memory that the plan gives.

Kernels are the raw functions of ``minigrad/kernels/cpu``. Each entry says for which calls it is right, and writes the call.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .expressions import DTYPES, literal
from .fuse import in_rows, is_plain

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass
class Lowering:
    """``accepts(n)``: whether the kernel computes the call; ``emit(n, writer)`` writes it."""

    accepts: Callable
    emit: Callable


TABLE = {}


def lowering(name, accepts):
    """Register the decorated function as the writer of calls of ``name``."""

    def register(emit):
        TABLE[name] = Lowering(accepts, emit)
        return emit

    return register


def takes(n):
    """Whether a kernel computes this call, so that it stays whole."""
    entry = TABLE.get(n.op)
    return entry is not None and all(i is None or is_plain(i) for i in n.inputs) and entry.accepts(n)


def scalar_functions():
    """word -> the names of the float32 and float64 functions that a loop calls for it."""
    if not _SCALARS:
        from ..kernels.cpu import elementwise

        for word, pair in elementwise.SCALAR.items():
            _SCALARS[word] = tuple(f.__name__ for f in pair)
            _MODULES.update({f.__name__: f.__module__.rpartition(".")[2] for f in pair})
    return _SCALARS


_SCALARS: dict = {}
_MODULES: dict = {}


class Operand(str):
    """The text of an array, and what is known of it."""

    def __new__(cls, text, dtype, dimensions):
        made = super().__new__(cls, text)
        dtype = np.dtype(dtype)
        made.kind = f"{'u1' if dtype.char == '?' else DTYPES[dtype]}_{dimensions}"
        return made


def _kind(text):
    """The kind of an argument as :func:`minigrad.kernels.cpu.symbols.called` spells it; None of one that is not known."""
    if isinstance(text, Operand):
        return text.kind
    if text in ("True", "False"):
        return "b1"
    number = re.fullmatch(r"([fiu]\d)\([^()]*\)|-?\d+", text)
    return (number.group(1) or "i8") if number else None


class Writer:
    """What a lowering writes with: operands and outputs as arrays on the step's memory, lines, and checks."""

    def __init__(self, emitter, node):
        self.emitter, self.node, self.lines = emitter, node, []
        self.outputs = {p.params["output"]: p for p in emitter.schedule.graph.nodes if p.op == "pick" and p.inputs[0] is node}

    def array(self, n, *shape):
        """The memory of a value as a C-contiguous array."""
        given = shape or n.shape
        shape = ", ".join(map(str, given)) + ("," if len(given) == 1 else "")
        self.emitter.needs.add(("minigrad.kernels.cpu.machine", "shaped"))
        return Operand(f"shaped({self.emitter.pointer(in_rows(n))}, ({shape}))", n.dtype, len(given))

    def output(self, k, *shape, dtype=None):
        """The memory of output ``k``; scratch memory where nobody reads it."""
        if k in self.outputs:
            return self.array(self.outputs[k], *shape)
        return self.scratch(*shape, dtype=dtype)

    def share(self, count, work):
        """Tell that threads may share the first axis, of ``count``, of all that ``rows`` gives."""
        self.emitter.rows = (count, work) if self.emitter.apart else None

    def rows(self, n, *shape):
        """The memory of a value as ``array`` gives it; in a large step, where threads share its rows, those from lo to hi."""
        if not self.emitter.apart:
            return self.array(n, *shape)
        self.emitter.needs |= {("minigrad.kernels.cpu.machine", "shaped"), ("minigrad.kernels.cpu.tiles", "pointer")}
        rest = shape[1:]
        place = f"pointer({self.emitter.pointer(in_rows(n))}, {math.prod(rest)} * lo)"
        return Operand(f"shaped({place}, ({', '.join(['hi - lo', *map(str, rest)])},))", n.dtype, len(shape))

    def output_rows(self, k, *shape, dtype=None):
        """The same of output ``k``; scratch memory where nobody reads it."""
        if k in self.outputs:
            return self.rows(self.outputs[k], *shape)
        return self.scratch(*(("hi - lo", *shape[1:]) if self.emitter.apart else shape), dtype=dtype)

    def scratch(self, *shape, dtype=None):
        dtype = np.dtype(dtype or np.float32)
        return Operand(f"np.empty(({', '.join(map(str, shape))},), {DTYPES[dtype]})", dtype, len(shape))

    def zeros(self, *shape, dtype=None):
        made = self.scratch(*shape, dtype=dtype)
        return Operand(made.replace("empty", "zeros"), dtype or np.float32, len(shape))

    def number(self, value, like):
        return literal(value, like.dtype)

    def call(self, place, *arguments, returns="none"):
        """Call ``module:function`` of the kernels, in a large step by its name, so that it is not compiled again inside."""
        module, function = place.split(":")
        self.emitter.needs.add((f"minigrad.kernels.cpu.{module}", function))
        kinds = [_kind(a) for a in arguments]
        if self.emitter.apart and None not in kinds:
            function = self.emitter.module.called(function, " ".join(kinds), returns)
        self.lines.append(f"{function}({', '.join(arguments)})")

    def checked_call(self, place, error, *arguments):
        """The same for a kernel that returns the first bad place, or -1; ``error(arrays, place)`` is then raised."""
        self.call(place, *arguments, returns="i8")
        slot = self.emitter.check(error, self.node)
        self.lines[-1] = f"numbers[{slot}] = {self.lines[-1]}"
        self.lines += [f"if numbers[{slot}] >= 0:", "    return"]


def emit(n, emitter):
    writer = Writer(emitter, n)
    TABLE[n.op].emit(n, writer)
    return writer.lines


def modules_of(code):
    """(module, name) of the scalar functions that stand in a text."""
    called = set(re.findall(r"\w+(?=\()", code))
    return {(f"minigrad.kernels.cpu.{m}", name) for name, m in _MODULES.items() if name in called}


# -------------------------------------------------------------------------------------------------------------- cross-entropy
def _no_class(arrays, place):
    target, classes = arrays[1], arrays[0].shape[1]
    return IndexError(f"target {target.reshape(-1)[place]} is not a class: logits have classes 0 to {classes - 1}")


def _are_rows(logits, target):
    return logits.dtype in FLOATS and len(logits.shape) == 2 and target.dtype == np.int64 and 0 not in logits.shape


@lowering("cross_entropy", lambda n: _are_rows(*n.inputs[:2]))
def _cross_entropy(n, w):
    logits, target = n.inputs
    rows = logits.shape[0]
    scratch = [w.scratch(rows, dtype=n.dtype), w.scratch(rows, dtype=n.dtype)]
    w.checked_call("rows:cross_entropy_forward", _no_class, w.array(logits), w.array(target), w.array(n), *scratch)


@lowering("cross_entropy_both", lambda n: True)
def _cross_entropy_both(n, w):
    logits, target, g = n.inputs
    loss, gradient = w.output(0, logits.shape[0], dtype=logits.dtype), w.output(1, *logits.shape, dtype=logits.dtype)
    w.checked_call("rows:cross_entropy_both", _no_class, w.array(logits), w.array(target), w.array(g), loss, gradient)


# ------------------------------------------------------------------------------------------------------------------ attention
def _heads(x):
    return math.prod(x.shape[:-2]), *x.shape[-2:]


def _is_attention(n):
    q, k, v = n.inputs
    return q.dtype in FLOATS and 0 not in (*q.shape, *k.shape, *v.shape)


def _shared_heads(n, w, q, *values):
    """The arrays, causal and scale of a call of attention. Its samples and heads are independent: threads share them."""
    from ..kernels.cpu.attention import work

    heads, queries, width = _heads(q)
    w.share(heads, work(heads, queries, values[0].shape[-2], width))
    return [w.rows(x, *_heads(x)) for x in (q, *values)], (repr(n.params["causal"]), w.number(n.params["scale"], q))


@lowering("attention", _is_attention)
def _attention(n, w):
    arrays, settings = _shared_heads(n, w, *n.inputs)
    log_sum = w.output_rows(1, *_heads(n)[:2], dtype=n.dtype)
    w.call("attention:attention_forward", *arrays, *settings, w.rows(n, *_heads(n)), log_sum)


@lowering("attention_kept", lambda n: True)
def _attention_kept(n, w):
    q, _, v = n.inputs
    arrays, settings = _shared_heads(n, w, *n.inputs)
    heads, queries, _ = _heads(q)
    y = w.output_rows(0, heads, queries, v.shape[-1], dtype=q.dtype)
    w.call("attention:attention_forward", *arrays, *settings, y, w.output_rows(1, heads, queries, dtype=q.dtype))


@lowering("attention_gradients", lambda n: True)
def _attention_gradients(n, w):
    g, q, k, v, y, log_sum = n.inputs
    arrays, settings = _shared_heads(n, w, q, k, v, y)
    arrays += [w.rows(log_sum, *_heads(q)[:2]), w.rows(g, *_heads(g))]
    gradients = [w.output_rows(i, *_heads(x), dtype=q.dtype) for i, x in enumerate((q, k, v))]
    w.call("attention:attention_gradients", *arrays, *settings, *gradients)


# ------------------------------------------------------------------------------------------------------------- normalization
def _norm_fits(n):
    x, *parameters = n.inputs[:3]
    return x.dtype in FLOATS and 0 not in x.shape and all(p is None or p.dtype == x.dtype for p in parameters)


def _norm_parameters(x, weight, bias, w):
    """The texts of weight and bias; of ones and zeros for what is None."""
    size = x.shape[-1]
    return (
        w.array(weight) if weight is not None else f"np.ones({size}, {DTYPES[x.dtype]})",
        w.array(bias) if bias is not None else w.zeros(size, dtype=x.dtype),
    )


def _rows(x):
    return math.prod(x.shape[:-1]), x.shape[-1]


@lowering("layer_norm", _norm_fits)
def _layer_norm(n, w):
    x, weight, bias = n.inputs
    rows, size = _rows(x)
    w.share(rows, 2 * rows * size)
    y, mean, rstd = (w.output_rows(k, rows, *((size,) if k == 0 else ()), dtype=x.dtype) for k in range(3))
    settings = w.number(n.params["eps"], x), "True"
    w.call("layer_norm:norm_forward", w.rows(x, rows, size), *_norm_parameters(x, weight, bias, w), *settings, y, mean, rstd)


def _layer_norm_vjp_fits(n):
    names = vjp_values(n, "layer_norm")
    x = names.get("x")
    return names.get("y") is not None and x is not None and x.dtype in FLOATS and 0 not in x.shape and n.inputs[0] is not None


@lowering("layer_norm_vjp", _layer_norm_vjp_fits)
def _layer_norm_vjp(n, w):
    names = vjp_values(n, "layer_norm")
    x, weight = names["x"], names.get("weight")
    gy, gmean, grstd = n.inputs[:3]
    _, mean, rstd = names["y"]
    rows, size = _rows(x)
    ones, _ = _norm_parameters(x, weight, None, w)
    given = [w.array(g, rows) if g is not None else w.zeros(rows, dtype=x.dtype) for g in (gmean, grstd)]
    order = [k for k, needed in enumerate(n.params["needed"]) if needed]
    found = {k: w.output(order.index(k), *((rows, size) if k == 0 else (size,)), dtype=x.dtype) if k in order else None
             for k in range(3)}  # fmt: skip
    dx = found[0] or w.scratch(rows, size, dtype=x.dtype)
    sums = []
    for k in (1, 2):
        sums.append(found[k] or w.zeros(size, dtype=x.dtype))
        if found[k]:
            w.lines.append(f"{found[k]}[:] = 0")
    arrays = w.array(x, rows, size), ones, w.array(gy, rows, size), w.array(mean, rows), w.array(rstd, rows), *given
    w.call("layer_norm:norm_gradients", *arrays, "True", dx, *sums)


def vjp_values(n, name):
    """What a backward call has kept, by the names of the operation's rules; a tuple for several outputs."""
    from ..op import registry

    op = registry[name]
    rest, found = iter(n.inputs[op.outputs :]), {}
    for slot, kept in zip(op.layout, n.params["layout"]):
        if kept == "?":
            found[slot] = next(rest)
        elif kept.__class__ is tuple and kept and kept[0] == "?":
            found[slot] = tuple([next(rest) for _ in kept])
    return found


# -------------------------------------------------------------------------------------------------------- dropout, embedding
@lowering("dropout", lambda n: n.dtype in FLOATS and n.inputs[1].dtype == np.int64 and 0 not in n.shape)
def _dropout(n, w):
    x, key = n.inputs
    size, p = math.prod(n.shape), n.params["p"]
    seed = w.emitter.pointer(in_rows(key))
    settings = f"u8({seed}[0])", f"u8({seed}[1])", f"u8({math.floor(p * 2.0**32)})", w.number(1.0 / (1.0 - p), n)
    w.call("dropout:drop", *settings, w.array(x, size), w.array(n, size))


def _no_row(arrays, place):
    index, other = arrays if arrays[0].dtype == np.int64 else arrays[::-1]
    rows = len(other)
    return IndexError(f"index {index.reshape(-1)[place]} is outside {rows} rows")


def _takes_rows(n):
    index, weight = n.inputs
    return index.dtype == np.int64 and weight.dtype in FLOATS and len(weight.shape) == 2 and 0 not in n.shape


@lowering("embedding", _takes_rows)
def _embedding(n, w):
    index, weight = n.inputs
    size, rows = weight.shape[1], math.prod(index.shape)
    w.checked_call("embedding:take_rows", _no_row, w.array(weight), w.array(index, rows), w.array(n, rows, size))


def _adds_rows(n):
    return n.inputs[0].dtype in FLOATS and n.inputs[1].dtype == np.int64 and 0 not in n.shape


@lowering("index_add_rows", _adds_rows)
@lowering("add_rows", _adds_rows)
def _add_rows(n, w):
    g, index = n.inputs
    total = w.array(n)
    w.lines.append(f"{total}[:] = 0")
    w.checked_call("embedding:add_rows", _no_row, w.array(g), w.array(index), "0", str(n.shape[0]), total)


@lowering("check_bounds", lambda n: n.inputs[0].dtype == np.int64 and 0 not in n.inputs[0].shape)
def _check_bounds(n, w):
    low, high = n.params["low"], n.params["high"]
    x, size = w.emitter.pointer(in_rows(n.inputs[0])), math.prod(n.inputs[0].shape)
    body = ["for i in range(n):", "    if x0[i] < low or x0[i] >= high:", "        return i", "return -1"]
    name = w.emitter.module.function(["n", "x0", "low", "high"], body)
    settings = dict(n.params)

    def error(arrays, place):
        from ..backends import numpy

        try:
            numpy.check_bounds(arrays[0], **settings)
        except IndexError as found:
            return found
        return IndexError(f"index {arrays[0].reshape(-1)[place]} is out of bounds")

    slot = w.emitter.check(error, n)
    w.lines += [f"numbers[{slot}] = {name}({size}, {x}, {low}, {high})", f"if numbers[{slot}] >= 0:", "    return"]


# -------------------------------------------------------------------------------------- kernels that are called from Python
SAMPLES = 2**13  # results of grid_sample
CALLED = frozenset(
    """conv1d conv2d conv3d conv2d_dx conv2d_dw conv3d_dx conv3d_dw conv1d_dx conv1d_dw max_pool2d max_pool1d max_pool3d
    max_unpool_add avg_pool2d avg_pool2d_dx batch_norm batch_norm_eval group_norm rms_norm lstm gru rnn""".split()
)


def is_called(n):
    """Whether the call runs as in eager mode, by the kernel (or, where that refuses, the text) of the whole operation.

    A convolution with a bias is opened into one without, and a sum that fuses with others or joins the convolution again.
    """
    name = n.op.removesuffix("_vjp")
    if name == "grid_sample":
        return _is_large_sample(n)
    return name in CALLED and not (n.op == "conv2d" and n.inputs[2:])


def _is_large_sample(n):
    """Whether reading an image at given places takes its kernel less time than loops of its text would."""
    params = dict(n.params["params"]) if n.op.endswith("_vjp") else n.params
    results = n.inputs[0].shape if n.op.endswith("_vjp") else n.shape
    return params["mode"] != "bicubic" and len(results) == 4 and math.prod(results) >= SAMPLES
