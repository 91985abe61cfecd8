"""The graph that a trace records: calls in order, which print as text, can be checked, and run node by node.

An :class:`Instruction` is one line, ``%3 = multiply(%1, 2.0)``. Running a graph node by node (:meth:`Graph.run`) is what
every emitter is compared with.
"""

from builtins import getattr, hasattr  # not those that a trace listens to

import numpy as np

from .. import backends
from ..backends.words import Words
from ..errors import TraceError

NUMBER = np.dtype(np.float64)  # of a run-time Python number, which has no axes


class Instruction:
    """One call of a graph.

    * ``op``: a word of the vocabulary, an operation's name, or ``"input"``, ``"constant"``, ``"number"`` (a 0-d array as a
      Python number) and ``"pick"`` (one output of a call with several).
    * ``inputs``: Instructions, Python numbers, or None; the last ``len(keywords)`` are passed by these names.
    * ``params``: static parameters.
    * ``shape``, ``dtype``: of the output; None where there are several outputs, which ``pick`` tells apart.
    * ``number``: whether the value is a Python number, which takes part in promotion as one.
    * ``text``: None for a word; for a composed operation, a function that gives ``body``.
    """

    __slots__ = ("op", "inputs", "keywords", "params", "shape", "dtype", "number", "text")

    def __init__(self, op, inputs=(), params=None, value=None, *, keywords=(), text=None):
        self.op, self.inputs, self.params = op, tuple(inputs), params or {}
        self.keywords, self.text = keywords, text
        self.number = isinstance(value, bool | int | float)
        if isinstance(value, tuple) or value is None:
            self.shape = self.dtype = None
        elif self.number:
            self.shape, self.dtype = (), NUMBER
        else:
            self.shape, self.dtype = tuple(value.shape), value.dtype

    @property
    def body(self):
        """The Graph of a composed operation's own text; None for a word, and where the text cannot be followed."""
        return None if self.text is None else self.text(self)

    @property
    def arguments(self):
        """The inputs that are Instructions."""
        return [i for i in self.inputs if i.__class__ is Instruction]

    def copy(self, inputs):
        """The same call on other inputs."""
        made = Instruction(self.op, inputs, self.params, keywords=self.keywords, text=self.text)
        made.shape, made.dtype, made.number = self.shape, self.dtype, self.number
        return made

    def call(self, values):
        """The value of this call for the values of its inputs."""
        if self.op == "constant":
            return self.params["value"]
        if self.op == "pick":
            return values[0][self.params["output"]]
        if self.op == "number":
            return values[0].item()
        split = len(values) - len(self.keywords)
        return compute(self.op, values[:split], {**self.params, **dict(zip(self.keywords, values[split:]))})

    def __repr__(self):
        return f"<{self.op} {type_text(self)}>"


def uniform(n):
    """The one value of all elements of a constant; None of anything else."""
    if n.__class__ is not Instruction or n.op != "constant":
        return None
    value = n.params["value"]
    return value[(0,) * value.ndim] if value.size and not any(value.strides) else None


class Graph:
    """Inputs, calls in the order in which they run, and outputs.

    >>> import minigrad
    >>> from minigrad.compile import trace
    >>> graph, y = trace(lambda x: (x * 2.0).exp(), minigrad.zeros(3))
    >>> print(graph)
    %0 = input("argument 0")  # float32[3]
    %1 = multiply(%0, 2.0)  # float32[3]
    %2 = exp(%1)  # float32[3]
    return %2
    """

    def __init__(self, inputs=(), nodes=(), outputs=(), state=()):
        self.inputs, self.nodes, self.outputs = list(inputs), list(nodes), list(outputs)
        self.state = list(state)  # of the last outputs: (what each becomes, with a {} for an input; the input or None)

    def run(self, *arrays):
        """The outputs, computed call by call on NumPy or CuPy, as a list."""
        if len(arrays) != len(self.inputs):
            raise TraceError(f"the graph has {len(self.inputs)} inputs but was given {len(arrays)}: see print(graph)")
        values = dict(zip(self.inputs, arrays))
        run_nodes(self.nodes, values)
        return [values[o] for o in self.outputs]

    def inline(self, stays=lambda n: False):
        """The graph with every composed operation replaced by its text, but for those that ``stays`` answers with True."""
        made, known = Graph(self.inputs, state=self.state), {i: i for i in self.inputs}
        several = {}  # an opened call with several outputs -> the instructions that compute them
        _open(self, made, known, several, stays)
        made.outputs = [known[o] for o in self.outputs]
        return made

    def __str__(self):
        names = {n: f"%{i}" for i, n in enumerate([*self.inputs, *self.nodes])}
        lines = [f"{names[n]} = {_call_text(n, names)}  # {type_text(n)}" for n in [*self.inputs, *self.nodes]]
        results = len(self.outputs) - len(self.state)
        if results:
            lines.append(f"return {', '.join(names[o] for o in self.outputs[:results])}")
        for o, (what, n) in zip(self.outputs[results:], self.state):
            lines.append(f"{names[o]} becomes {what.format(names.get(n, 'a tensor'))}")
        return "\n".join(lines)


def run_nodes(nodes, values):
    """Run calls one by one. ``values``: instruction -> value; it is filled."""
    for n in nodes:
        values[n] = n.call([values[i] if i.__class__ is Instruction else i for i in n.inputs])


def compute(word, args, params):
    """One word of the vocabulary, or an operation, on arrays and Python numbers of any backend.

    Python numbers stay numbers beside arrays, so that they do not widen them; among themselves they give numbers again.
    """
    arrays = [a for a in (*args, *params.values()) if a.__class__ in backends.by_type]
    xp = backends.of(arrays[0]) if arrays else backends.numpy
    if not arrays:
        args = [np.asarray(a) if isinstance(a, bool | int | float) else a for a in args]
    out = getattr(xp, word)(*args, **params)
    if isinstance(out, tuple | list):
        return tuple(as_array(o, xp) for o in out)
    out = as_array(out, xp)
    return out.item() if not arrays and out.shape == () and out.dtype in (NUMBER, bool) else out


def as_array(value, xp):
    """What a word returned as an array: NumPy's reductions return scalars."""
    return value if value.__class__ in backends.by_type else xp.asarray(value)


def is_word(name):
    """Whether ``name`` is a word of the vocabulary itself, and not an operation with a text of its own."""
    return name in Words.SAME or name in Words.RENAMED or hasattr(Words, name) or name in vars(type(backends.numpy))


# ---------------------------------------------------------------------------------------------------------------- as text
def type_text(n):
    """``float32[3, 4]``, or ``number`` for a run-time Python number."""
    if n.number:
        return "number"
    return f"{n.dtype}{list(n.shape)}" if n.dtype is not None else "several"


def _call_text(n, names):
    if n.op == "input":
        return f'input("{n.params["name"]}")' if "name" in n.params else "input()"
    if n.op == "constant":
        value = n.params["value"]
        return f"constant({value.tolist() if value.size <= 4 else '...'})"
    shown = [names.get(i, "?") if i.__class__ is Instruction else repr(i) for i in n.inputs]
    split = len(shown) - len(n.keywords)
    shown[split:] = [f"{k}={v}" for k, v in zip(n.keywords, shown[split:])]
    return f"{n.op}({', '.join([*shown, *(f'{k}={_param_text(k, v)}' for k, v in n.params.items())])})"


def _param_text(name, value):
    if name == "key" and isinstance(value, tuple):
        return f"[{', '.join(_index_text(k) for k in value)}]"
    return str(value) if isinstance(value, np.dtype) else repr(value)


def _index_text(k):
    if isinstance(k, tuple):  # a slice
        start, stop, step = ["" if v is None else str(v) for v in k[1:]]
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
    return "..." if k is ... else str(k)


# ----------------------------------------------------------------------------------------------------------------- inline
def _open(graph, made, known, several, stays):
    """Append the calls of ``graph`` to ``made``, opening those with a body. ``known``: instruction -> its replacement."""
    for n in graph.nodes:
        if n.op == "pick" and n.inputs[0] in several:
            known[n] = several[n.inputs[0]][n.params["output"]]
            continue
        inputs = [known[i] if i.__class__ is Instruction else i for i in n.inputs]
        copy = n.copy(inputs)
        body = None if stays(copy) else n.body
        if body is None:
            known[n] = copy
            made.nodes.append(copy)
            continue
        inner = dict(zip(body.inputs, [i for i in inputs if i.__class__ is Instruction]))
        _open(body, made, inner, several, stays)
        outputs = [inner[o] for o in body.outputs]
        if n.dtype is None:
            several[n] = outputs
        else:
            known[n] = outputs[0]


# ----------------------------------------------------------------------------------------------------------------- checks
def verify(graph, known=frozenset()):
    """Raise TraceError where the graph is not well formed: an input that is not defined earlier, a missing shape or dtype.

    ``known``: names of calls that may stand in it besides words and operations.
    """
    defined = set()
    for n in graph.inputs:
        _verify(n.op == "input" and n.dtype is not None, n, "a graph input needs op 'input', a shape and a dtype")
        defined.add(n)
    for n in graph.nodes:
        for i in n.arguments:
            _verify(i in defined, n, f"its input {i!r} is not defined before it")
            _verify(i.dtype is not None or n.op == "pick", n, "only 'pick' may read a call with several outputs")
        _verify(n not in defined, n, "it stands in the graph twice")
        _verify(len(n.keywords) <= len(n.inputs), n, "more keywords than inputs")
        _verify((n.shape is None) == (n.dtype is None), n, "shape and dtype must be set together")
        special = n.op in ("constant", "pick", "number")
        found = special or is_word(n.op) or n.op in known or hasattr(backends.numpy, n.op)
        _verify(found, n, "no such word and no such operation")
        if n.body is not None:
            _verify(len(n.body.inputs) == len(n.arguments), n, "its text has another number of inputs")
            _verify(n.dtype is None or len(n.body.outputs) == 1, n, "its text has another number of outputs")
            verify(n.body, known)
        defined.add(n)
    for o in graph.outputs:
        _verify(o in defined and o.dtype is not None, o, "it is an output but is not defined")
    return graph


def _verify(holds, n, what):
    if not holds:
        raise TraceError(f"the graph is broken at {n!r}: {what}")
