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

        for word, pair in getattr(elementwise, "SCALAR", {}).items():
            _SCALARS[word] = tuple(f.__name__ for f in pair)
            _MODULES.update({f.__name__: f.__module__.rpartition(".")[2] for f in pair})
    return _SCALARS


_SCALARS: dict = {}
_MODULES: dict = {}


class Writer:
    """What a lowering writes with: operands and outputs as arrays on the step's memory, lines, and checks."""

    def __init__(self, emitter, node):
        self.emitter, self.node, self.lines = emitter, node, []
        self.outputs = {p.params["output"]: p for p in emitter.schedule.graph.nodes if p.op == "pick" and p.inputs[0] is node}

    def array(self, n, *shape):
        """The memory of a value as a C-contiguous array."""
        shape = ", ".join(map(str, shape or n.shape)) + ("," if len(shape or n.shape) == 1 else "")
        self.emitter.needs.add(("numba", "carray"))
        return f"carray({self.emitter.pointer(in_rows(n))}, ({shape}))"

    def output(self, k, *shape, dtype=None):
        """The memory of output ``k``; scratch memory where nobody reads it."""
        if k in self.outputs:
            return self.array(self.outputs[k], *shape)
        return self.scratch(*shape, dtype=dtype)

    def scratch(self, *shape, dtype=None):
        return f"np.empty(({', '.join(map(str, shape))},), {DTYPES[np.dtype(dtype or np.float32)]})"

    def number(self, value, like):
        return literal(value, like.dtype)

    def call(self, place, *arguments):
        """Call ``module:function`` of the kernels."""
        module, function = place.split(":")
        self.emitter.needs.add((f"minigrad.kernels.cpu.{module}", function))
        self.lines.append(f"{function}({', '.join(arguments)})")

    def checked_call(self, place, error, *arguments):
        """The same for a kernel that returns the first bad place, or -1; ``error(arrays, place)`` is then raised."""
        self.call(place, *arguments)
        slot = self.emitter.check(error, self.node)
        self.lines[-1] = f"numbers[{slot}] = {self.lines[-1]}"
        self.lines += [f"if numbers[{slot}] >= 0:", "    return"]


def emit(n, emitter):
    writer = Writer(emitter, n)
    TABLE[n.op].emit(n, writer)
    return writer.lines


def modules_of(names, code):
    """(module, name) of the scalar functions that stand in a text."""
    return {(f"minigrad.kernels.cpu.{m}", name) for name, m in _MODULES.items() if re.search(rf"\b{name}\(", code)}


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
    q, k, v = n.inputs[-3:] if n.op == "attention" else n.inputs[1:4]
    return q.dtype in FLOATS and 0 not in (*q.shape, *k.shape, *v.shape)


@lowering("attention", _is_attention)
def _attention(n, w):
    q, k, v = n.inputs
    heads, queries, _ = _heads(q)
    settings = repr(n.params["causal"]), w.number(n.params["scale"], q)
    arrays = [w.array(x, *_heads(x)) for x in (q, k, v)]
    w.call("attention:attention_forward", *arrays, *settings, w.array(n, *_heads(n)), w.scratch(heads, queries, dtype=q.dtype))


@lowering("attention_kept", lambda n: True)
def _attention_kept(n, w):
    q, k, v = n.inputs
    heads, queries, _ = _heads(q)
    settings = repr(n.params["causal"]), w.number(n.params["scale"], q)
    arrays = [w.array(x, *_heads(x)) for x in (q, k, v)]
    y = w.output(0, heads, queries, v.shape[-1], dtype=q.dtype)
    w.call("attention:attention_forward", *arrays, *settings, y, w.output(1, heads, queries, dtype=q.dtype))


@lowering("attention_gradients", lambda n: True)
def _attention_gradients(n, w):
    g, q, k, v, y, log_sum = n.inputs
    settings = repr(n.params["causal"]), w.number(n.params["scale"], q)
    arrays = [w.array(x, *_heads(x)) for x in (q, k, v, y)]
    rows = w.array(log_sum, *_heads(q)[:2])
    gradients = [w.output(i, *_heads(x), dtype=q.dtype) for i, x in enumerate((q, k, v))]
    w.call("attention:attention_gradients", *arrays, rows, w.array(g, *_heads(g)), *settings, *gradients)
