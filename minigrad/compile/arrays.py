"""Traced arrays: NumPy or CuPy arrays with a notebook.

A Traced array carries its real value, so shapes and dtypes need no rules of their own and the traced run is a real first
step. Its backend, :class:`TraceWords`, answers every word by computing on the values and writing the call down.
"""

import functools
import math
import traceback

import numpy as np

from .. import backends, dispatch, kernels
from ..backends.operators import give_operators
from ..backends.words import bodies
from ..errors import TraceError
from ..graph import tracer
from . import spelled
from .ir import NUMBER, Graph, Instruction, compute, is_word
from .reads import USER, kind_of

# Words whose result has a shape that depends on values.
DYNAMIC = {
    "nonzero": "use a mask of the full shape: where(mask, x, 0)",
    "unique": "compute it outside and pass the result in",
    "unique_rows": "compute it outside and pass the result in",
    "bincount": "use scatter_add into a tensor of a fixed size",
}


def refuse(what, remedy):
    """A TraceError that names the line of the user's that is to blame."""
    lines = [f for f in traceback.extract_stack() if kind_of(f.filename) == USER]
    where = f'\n  File "{lines[-1].filename}", line {lines[-1].lineno}: {lines[-1].line}' if lines else ""
    error = TraceError(f"{what} inside a traced function, where it would be frozen at its first value: {remedy}{where}")
    trace = tracer.get()
    if trace is not None:
        trace.refused.append(error)
    return error


class Traced:
    """An array of a trace: ``value`` is the real array (or a Python number), ``instruction`` the line that computes it."""

    __slots__ = ("__weakref__", "instruction", "trace", "value")
    __array_ufunc__ = None  # ndarray + Traced comes to Traced.__radd__
    xp = None  # the TraceWords of the real array's library
    base = None

    def __init__(self, value, instruction, trace):
        self.value, self.instruction, self.trace = value, instruction, trace

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    strides = property(lambda self: self.value.strides)
    itemsize = property(lambda self: self.value.dtype.itemsize)
    nbytes = property(lambda self: self.value.nbytes)
    flags = property(lambda self: self.value.flags)
    device = property(lambda self: self.value.device)

    def astype(self, dtype, copy=True):
        return record("astype", self, dtype=np.dtype(dtype))

    def copy(self):
        return record("copy", self)

    def reshape(self, *shape):
        return record("reshape", self, shape=shape[0] if isinstance(shape[0], tuple) else shape)

    def _value_wanted(self, *_, **__):
        raise refuse(
            "Python asked for the value of a tensor (bool(), float(), int(), .item(), .tolist() or .numpy())",
            "use where(condition, a, b) in place of `if`, keep the value a tensor, or return it and look at it outside",
        )

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __dlpack__ = _value_wanted
    item = tolist = min = max = any = all = _value_wanted
    __array_interface__ = property(_value_wanted)

    def _written(self, *_):
        raise refuse("an array was written directly (x.array[...] = value)", "write to the tensor: x[...] = value, x.add_(value)")

    __setitem__ = __iadd__ = __isub__ = __imul__ = __itruediv__ = _written

    def __repr__(self):
        return f"Traced({self.instruction!r})"


class TracedNumber(Traced):
    """A Python number that changes from call to call, and what is computed from such numbers. Promoted as a number is."""

    __slots__ = ()
    shape, ndim, size, dtype = (), 0, 1, NUMBER
    strides, itemsize, nbytes = (), 8, 8


dispatch.number_kinds[TracedNumber] = float


class TraceWords:
    """``xp`` of traced arrays: each word computes on the values, with the words of ``real``, and is written down."""

    name = "trace"  # a name without kernels: the rules' own texts are recorded

    def __init__(self, real, ndarray=None):
        self.real, self.device_type, self.HALVES = real, real.device_type, real.HALVES
        self.ndarray = ndarray or type(f"Traced{real.name.capitalize()}", (Traced,), {"__slots__": ()})
        self.ndarray.xp = self
        self.upload, self.make = real.upload, real.make  # new arrays: constants, once a call reads them

    def __getattr__(self, word):
        if word in bodies or is_word(word):
            on_host = self.device_type == "cpu"
            function = functools.partial(record, word) if on_host else functools.partial(self._record_on_device, word)
            setattr(self, word, function)
            return function
        raise AttributeError(f"xp.{word}: no such word in the vocabulary and no operation of that name")

    def _record_on_device(self, word, *args, **params):
        """A host array among device arrays, such as the key of random numbers, goes to the device first."""
        return record(word, *(self.asarray(a) if isinstance(a, Traced) else a for a in args), **params)

    def asarray(self, value):
        if not isinstance(value, Traced):
            return _current().traced(value)
        if self.device_type == "cpu" or value.xp.device_type != "cpu" or value.__class__ is TracedNumber:
            return value
        return record("to_device", value, device=self.device_type)

    def host(self, x):
        return x._value_wanted()

    def size(self, x):
        return math.prod(x.shape)


_words = {}  # name of the real backend -> TraceWords


def words_for(value):
    """The TraceWords for a real array or a Python number."""
    if isinstance(value, bool | int | float):
        return NUMBERS
    real = backends.of(value)
    if real.name not in _words:
        words = _words[real.name] = TraceWords(real)
        backends.by_type[words.ndarray] = words
    return _words[real.name]


NUMBERS = TraceWords(backends.numpy, TracedNumber)
backends.by_type[TracedNumber] = NUMBERS


def _current():
    trace = tracer.get()
    if trace is None:
        raise TraceError(
            "this tensor was made inside a traced function and has no value outside of it: "
            "return it from the function, or copy it into a tensor that existed before"
        )
    return trace


# -------------------------------------------------------------------------------------------------------- writing it down
def record(word, *args, **params):
    """Compute one word on the values, and write the call down in the running trace."""
    trace = _current()
    args = [a if a.__class__ in _PLAIN else trace.traced(a) for a in args]
    if word in DYNAMIC or (word == "getitem" and any(a.dtype == bool for a in args[1:])):
        raise refuse(f"{word} gave a tensor whose shape depends on values", DYNAMIC.get(word, MASK_REMEDY))
    changing = {k: v for k, v in params.items() if isinstance(v, Traced)}  # run-time numbers given as settings
    static = {k: v for k, v in params.items() if k not in changing}
    values = [a.value if isinstance(a, Traced) else a for a in args]
    out = compute(word, values, {**static, **{k: v.value for k, v in changing.items()}})
    inputs = [a.instruction if isinstance(a, Traced) else a for a in (*args, *changing.values())]
    n = Instruction(word, inputs, static, out, keywords=tuple(changing))
    if spelled.opens(n) if word in spelled.TEXTS else not is_word(word):
        n.text = _text_of(args, changing)
    trace.graph.nodes.append(n)
    if not isinstance(out, tuple):
        return trace.array(out, n)
    picked = [Instruction("pick", [n], {"output": i}, o) for i, o in enumerate(out)]
    trace.graph.nodes += picked
    return tuple([trace.array(o, p) for o, p in zip(out, picked)])


give_operators(Traced, record)


_PLAIN = (bool, int, float, complex, type(None))
MASK_REMEDY = "x[mask] has as many elements as the mask has True; use where(mask, x, 0), or select outside"


class Notebook:
    """What calls are written into."""

    refuse = staticmethod(refuse)
    layouts = False  # whether something was decided by how a tensor lies in memory

    def __init__(self):
        self.graph = Graph()
        self.refused = []  # errors that end the run, also where the function catches them

    def array(self, value, instruction):
        return words_for(value).ndarray(value, instruction, self)

    def traced(self, a):
        """Any operand as a Traced array; an array from outside is a constant."""
        if isinstance(a, Traced):
            if a.trace is not self:
                raise TraceError("this tensor was made in an earlier trace and has no value now: return it from that function")
            return a
        if a.__class__ not in backends.by_type:
            a = np.asarray(a)
        n = Instruction("constant", (), {"value": a}, a)
        self.graph.nodes.append(n)
        return self.array(a, n)

    def lift(self, args, params=None):
        return args, params

    def keeps_whole(self, op):
        """Whether the backward of an operation is written down as one call."""
        return False


# ------------------------------------------------------------------------------------------------------ composed operations
def _text_of(args, changing):
    """The function that follows a composed operation's text once its graph is wanted: on the library of its arrays."""
    device = [a.xp.real for a in (*args, *changing.values()) if isinstance(a, Traced)]
    return functools.partial(_body, next((real for real in device if real.device_type != "cpu"), device[0]))


_bodies = {}  # what a text depends on -> its Graph: calls of the same kind share one


def _body(real, n):
    """The operation's own text as a graph, followed on ones; None where it cannot be followed (it then stays one call)."""
    key = (real.name, n.op, n.keywords, *map(_kind, n.inputs), *((k, type(v), repr(v)) for k, v in sorted(n.params.items())))
    if key not in _bodies:
        if len(_bodies) > 4096:
            _bodies.clear()
        _bodies[key] = _followed(real, n)
    return _bodies[key]


def _kind(i):
    return (i.shape, i.dtype, i.number) if i.__class__ is Instruction else (type(i), repr(i))


def _followed(real, n):
    notebook = Notebook()

    def enter(i):
        if i.__class__ is not Instruction:
            return i
        value = 1.0 if i.number else real.make("full", i.shape, i.dtype.kind not in "iub", dtype=i.dtype)
        notebook.graph.inputs.append(Instruction("input", value=value))
        return notebook.array(value, notebook.graph.inputs[-1])

    token = tracer.set(notebook)
    try:
        entered = [enter(i) for i in n.inputs]
        split = len(entered) - len(n.keywords)
        some = next(a for a in entered if isinstance(a, Traced))
        with np.errstate(all="ignore"), kernels.use_kernels(False):  # only the shapes matter
            text = spelled.TEXTS.get(n.op) or bodies[n.op]
            out = text(some.xp, *entered[:split], **n.params, **dict(zip(n.keywords, entered[split:])))
        outs = out if isinstance(out, tuple | list) else (out,)
        notebook.graph.outputs = [notebook.traced(o).instruction for o in outs]
    except TraceError:
        return None
    finally:
        tracer.reset(token)
    return notebook.graph
