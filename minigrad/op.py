"""One operation, one block: the ``@op`` decorator and what it derives.

From the block come the public function, the Tensor methods, the vocabulary word for recorded rules, the tracer's node,
the reference page, the type stub and the tests.
"""

import functools
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import backends, kernels
from .autograd.engine import recorded
from .backends.words import bodies
from .calls import in_place, public_function, word
from .casting import listed
from .graph import Node, pick, serial, tracer
from .output import with_output
from .renaming import OWN, forgiving, parameters
from .return_types import return_type as return_type
from .tensor import Tensor, wrap

registry: dict[str, "Op"] = {}  # vocabulary word -> Op
faces: dict[str, "Face"] = {}  # public name, for instance "mul" or "nn.functional.mse_loss" -> Face

# Inside the array API's words, outside PyTorch's.
PUBLIC = {"x": "input", "a": "input", "b": "other", "xs": "tensors", "axis": "dim", "keepdims": "keepdim", "axes": "dims"}
# What PyTorch's ``grad_fn`` says where our word is another.
GRAD_FN = {
    "subtract": "Sub", "divide": "Div", "power": "Pow", "max": "Max", "min": "Min", "reshape": "View", "permute_dims": "Permute",
    "matrix_transpose": "T", "broadcast_to": "Expand", "concat": "Cat", "getitem": "Index", "index_put": "IndexPut",
    "take_along_axis": "Gather", "astype": "ToCopy", "matmul": "Mm", "linear": "Addmm", "p_norm": "LinalgVectorNorm",
    "contiguous": "Clone", "square": "Pow", "inv": "LinalgInvEx", "det": "LinalgDet", "layer_norm": "NativeLayerNorm",
    "batch_norm": "NativeBatchNorm", "conv2d": "Convolution", "cross_entropy": "NllLoss", "middle_value": "Median",
    "logit_loss": "BinaryCrossEntropyWithLogits", "log_loss": "BinaryCrossEntropy", "max_with_index": "Max",
    "min_with_index": "Min", "pad": "ConstantPadNd", "max_pool2d": "MaxPool2DWithIndices", "avg_pool2d": "AvgPool2D",
    "im2col": "Im2Col", "log1p": "Log1P", "logsigmoid": "LogSigmoid", "svd": "LinalgSvd", "slogdet": "LinalgSlogdet",
    "solve": "LinalgSolveEx", "leaky": "PreluKernel", "selu": "Elu", "put_along_axis": "Scatter", "sliding": "Unfold",
    "scatter_along_axis": "ScatterAdd", "strided": "AsStrided", "euclidean_distances": "Cdist", "log_odds": "Logit",
    "matrix_exp": "LinalgMatrixExp", "lstm": "MkldnnRnnLayer", "gelu_tanh": "Gelu", "cholesky_factor": "LinalgCholeskyEx",
}  # fmt: skip
SPACES = {"torch": "", "functional": "nn.functional.", "linalg": "linalg.", "special": "special.", "Tensor": "Tensor."}
MODULES = {
    "torch": "minigrad", "Tensor": "minigrad", "functional": "minigrad.nn.functional", "linalg": "minigrad.linalg",
    "special": "minigrad.special",
}  # fmt: skip


class Sample:
    """One call to test with: NumPy arrays (float64) stand for tensors, the rest is passed on. ``S`` in the op files.

    ``grad=False`` marks a point where the derivative is not that of finite differences (a kink, a tie); ``grad="first"`` one
    where only the second derivative is not. ``parity`` is a reason not to compare this call with PyTorch.
    """

    def __init__(self, *args, grad=True, parity=True, **kwargs):
        self.args, self.kwargs, self.grad, self.parity = args, kwargs, grad, parity

    def __repr__(self):
        def show(v):
            return f"{v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else repr(v)

        return ", ".join([*map(show, self.args), *(f"{k}={show(v)}" for k, v in self.kwargs.items())])


class Failure(Sample):
    """A call that must raise ``error`` with ``match`` (a regular expression) in its message. ``E`` in the op files.

    ``by_value=True`` marks an error that depends on the values in a tensor: looking at them would stop a GPU, so it is
    raised on the CPU only.
    """

    def __init__(self, error, match, *args, by_value=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.error, self.match, self.by_value = error, match, by_value


S, E = Sample, Failure


@dataclass
class Face:
    """A public function: an operation's, or an ordinary function of operations."""

    name: str
    names: tuple  # PyTorch's names for it, the first is the main one
    spaces: tuple
    call: Callable
    samples: Callable | None = None
    errors: Callable | None = None
    reference: Callable | None = None
    formula: str = ""
    derivative: str = ""
    op: Any = None  # the Op, or None for an ordinary function
    parity: Any = True  # False, or a reason, where there is nothing in PyTorch to compare with; or how to compare
    half: bool = True  # whether float16 and bfloat16 work

    @property
    def doc(self):
        return self.call.__doc__ or ""

    @property
    def qualified(self):
        """The main public name with its place, for instance ``nn.functional.gelu``."""
        return SPACES[self.spaces[0]] + self.name if self.spaces else self.name


@dataclass(eq=False)
class Rule:
    """The derivative with respect to one input: ``function(xp, g, *what it names)``.

    A joint rule gives the derivatives of all inputs at once, as a tuple: for work that they share, such as the sweep back
    through a recurrent layer.
    """

    function: Callable
    names: tuple
    slots: tuple = ()  # per name: a place in node.saved, or the name of a static parameter
    joint: bool = False

    def __call__(self, xp, g, saved, params):
        return self.function(xp, g, *[saved[s] if s.__class__ is int else params[s] for s in self.slots])

    def bound(self):
        """The same call with as little Python as its names allow."""
        f, s = self.function, self.slots
        if any(isinstance(k, str) for k in s) or len(s) > 2:
            return self
        if not s:
            return lambda xp, g, saved, params: f(xp, g)
        if len(s) == 1:
            i = s[0]
            return lambda xp, g, saved, params: f(xp, g, saved[i])
        i, j = s
        return lambda xp, g, saved, params: f(xp, g, saved[i], saved[j])


_NOTHING = ("nothing", 0)
# Piecewise linear: their derivative depends on the input through a condition alone. As in PyTorch, the second derivative by the
# input is then 0, and not absent.
_FLAT = frozenset("relu leaky_relu hardtanh hardshrink softshrink hardsigmoid threshold abs".split())


class _Link:
    """A gradient that depends on a tensor, with derivative 0."""

    name = backward_name = "Link"
    kind, outputs, broadcasts, backward, layout = "link", 1, False, None, ()

    @staticmethod
    def gradients(n, g, create_graph):
        xp = recorded if create_graph else backends.of(g)
        d, p = n.parents
        return [None if d is None else g, xp.full(g, shape=tuple(p.shape))]


def _linked(d, p):
    return d if p is None else wrap(d.array, Node(_Link, (d.node, p), (), None, serial(), d.array.shape))


@dataclass(eq=False)
class Op:
    """One operation: its text, its rules, and how it is called."""

    name: str
    body: Callable
    kind: str
    arrays: tuple  # names of the array inputs, in order
    optional: frozenset  # those that may be None
    variadic: bool  # the last array name stands for any number of arrays
    params: dict  # static parameters and their defaults
    rules: tuple
    promote: Any
    outputs: int
    put: tuple | None
    returns: Any
    onnx: str | None
    no_bool: str = ""  # "any": no input may be bool; "all": not all of them; "integers": not all of them bool or integer
    tensors: int = 0  # how many of the first arguments of the public function must be tensors, not numbers
    layout: tuple = ()  # what node.saved holds: "y", names of inputs, "x_shape", "x_dtype"
    table: dict = field(default_factory=dict)  # array type -> raw implementation, for the quick paths
    backward: Callable | None = None  # the raw backward of one node; None: by `gradients`
    public_name: str = ""
    face: Callable | None = None
    several_ready: bool = False  # whether `apply` may take its quick way: set once an implementation is found
    paired: bool = False  # whether a kernel with a backward of its own may run it: set when one is found
    _keep: dict = field(default_factory=dict)
    _plans: dict = field(default_factory=dict)
    _runs: dict = field(default_factory=dict)

    def __post_init__(self):
        self.broadcasts = self.kind in ("elementwise", "matmul")
        self.differentiable = any(r is not None for r in self.rules)
        self.where = _where(self.arrays, self.variadic, self.outputs)
        self.backward_name = GRAD_FN.get(self.name) or "".join(w.capitalize() for w in (self.public_name or self.name).split("_"))

    def rule(self, index):
        """The rule of input ``index``; the inputs of a variadic tail share the last."""
        if index < len(self.rules):
            return self.rules[index]
        return self.rules[-1] if self.variadic and self.rules else None

    # ----------------------------------------------------------------------------------------------- what a node keeps
    def keep(self, mask):
        """Per slot of ``layout``: is it read by a rule that will run, when the inputs in ``mask`` need a gradient?"""
        flags = self._keep.get(mask)
        if flags is None:
            used = {n for i, needed in enumerate(mask) if needed and (r := self.rule(i)) is not None for n in r.names}
            flags = self._keep[mask] = tuple(name in used for name in self.layout)
        return flags

    def save(self, mask, out, arrays):
        """The contents of ``node.saved``: what the rules that will run have named, None elsewhere."""
        plan = self._plans.get(mask)
        if plan is None:
            plan = [self.where[name] if kept else _NOTHING for name, kept in zip(self.layout, self.keep(mask))]
            self._plans[mask] = plan
        return tuple([arrays[i] if what == "array" else self._slot(what, i, out, arrays) for what, i in plan])

    def runs_rules(self, mask):
        """Whether any rule will run when the inputs in ``mask`` need a gradient."""
        runs = self._runs.get(mask)
        if runs is None:
            runs = self._runs[mask] = any(needed and self.rule(i) is not None for i, needed in enumerate(mask))
        return runs

    @staticmethod
    def _slot(what, i, out, arrays):
        if what == "y":
            return out
        if what == "nothing":
            return None
        if what == "output":
            return out[i]
        if what == "rest":
            return tuple(arrays[i:])
        if what == "shapes":
            return tuple([tuple(a.shape) for a in arrays[i:]])
        return getattr(arrays[i], what, () if what == "shape" else None)  # of a Python number: no axes, no dtype

    # -------------------------------------------------------------------------------------------------------- backward
    def gradients(self, n, g, create_graph):
        """The gradient of every parent of node ``n`` that has one: on raw arrays, or on Tensors and recorded."""
        if create_graph:
            return self._recorded_gradients(n, g)
        some = next(x for x in g if x is not None) if self.outputs > 1 else g
        xp = backends.of(some)
        if len(n.saved) > len(self.layout):  # what a kernel left for its backward
            saved = dict(zip(self.layout, n.saved))
            if self.outputs > 1:
                saved.setdefault("y", tuple([saved.get(f"y{i}") for i in range(self.outputs)]))
            needed = tuple([p is not None for p in n.parents])
            return kernels.TABLES[xp.name][self.name].gradients(g, saved, n.saved[-1], needed, n.params or {})
        trace = tracer.get()
        if trace is not None and trace.keeps_whole(self):
            return trace.backward_of(self, n, g)
        if self.outputs > 1:
            g = self._fill(g, n, xp)
        return self._by_rules(xp, g, n.saved, n)

    def _fill(self, g, n, xp):
        """Zeros where nothing arrived for an output. ``n.shape`` of such a node holds (shape, dtype) per output."""
        some = next(x for x in g if x is not None)
        return tuple(
            xp.full(some, shape=shape, dtype=dtype) if part is None else part for part, (shape, dtype) in zip(g, n.shape)
        )

    def _recorded_gradients(self, n, g):
        parents = n.parents
        saved = []
        for name, value in zip(self.layout, n.saved):
            what, i = self.where[name]
            if what == "y" and self.outputs > 1:
                saved.append(None if value is None else tuple(wrap(a, pick(n, j, a)) for j, a in enumerate(value)))
            elif what == "output" and value is not None:
                saved.append(wrap(value, pick(n, i, value)))
            elif what == "rest" and value is not None:
                saved.append(tuple(wrap(a, p) for a, p in zip(value, parents[i:])))
            elif what in ("y", "array") and hasattr(value, "dtype"):
                saved.append(wrap(value, n if what == "y" else parents[i]))
            else:
                saved.append(value)  # a shape, a number, or what no rule will read
        if self.outputs > 1:
            some = next(x for x in g if x is not None)
            xp = backends.of(some.array)
            filled = self._fill([None if x is None else x.array for x in g], n, xp)
            g = tuple(wrap(f) if x is None else x for x, f in zip(g, filled))
        found = self._by_rules(recorded, g, saved, n)
        if self.name in _FLAT and found[0] is not None:
            found = [_linked(found[0], parents[0]), *found[1:]]
        return found

    def _by_rules(self, xp, g, saved, n):
        params = n.params
        if self.rules[0] is not None and self.rules[0].joint:
            return self.rules[0](xp, g, saved, params)
        result = []
        for i, p in enumerate(n.parents):
            r = None if p is None else self.rule(i)
            if r is None:
                result.append(None)
            elif self.variadic and i >= len(self.arrays) - 1:
                result.append(r(xp, g, saved, {**(params or {}), "i": i - len(self.arrays) + 1}))
            else:
                result.append(r(xp, g, saved, params))
        return result

    def __repr__(self):
        return f"<op {self.name}>"


def _where(arrays, variadic, outputs=1):
    """name -> what a slot of that name holds: ("y" | "output" | "array" | "rest" | "shape" | "shapes" | "dtype", its number)."""
    where = {"y": ("y", -1)}
    if outputs > 1:
        where.update({f"y{i}": ("output", i) for i in range(outputs)})
    for i, a in enumerate(arrays):
        rest = variadic and i == len(arrays) - 1
        where[a] = ("rest" if rest else "array", i)
        where[a + "_shape"], where[a + "_shapes"], where[a + "_dtype"] = ("shape", i), ("shapes", i), ("dtype", i)
    return where


def op(kind="other", *, vjp=(), names=None, spaces="torch Tensor", promote=None, outputs=1, put=None, returns=None,
       onnx=None, formula="", derivative="", samples=None, errors=None, reference=None, inplace=None, parity=True,
       half=True, no_bool="", tensors=0):  # fmt: skip
    """Register the decorated text ``body(xp, *arrays, *, static parameters)`` as an operation.

    * ``kind``: elementwise, reduction, view, matmul, update, random or other.
    * ``vjp``: per array input a rule ``(xp, g, *names) -> gradient`` or None. Names: ``y`` (the output; ``y0``, ``y1`` ... for
      one of several, so that the others need not be kept), an input,
      ``<input>_shape``, ``<input>_dtype``, a static parameter; in a variadic tail also ``i`` and ``<inputs>_shapes``.
      Or one function, a joint rule, that returns the gradients of all inputs as a tuple.
    * ``names``: PyTorch's names, the first the main one; ``""`` for an inner operation. ``spaces``: where they stand
      (torch, Tensor, functional, linalg, special).
    * ``promote``: True (PyTorch's promotion over all arrays), "float" (and integers become float), a tuple of positions,
      or None. Elementwise operations default to True.
    * ``put``: for a view, ``(op name, make parameters)`` of the operation that writes a value back into the base.
    * ``returns``: names of the fields where PyTorch returns a named tuple.
    * ``inplace``: whether ``name_`` methods exist; elementwise operations default to yes.
    * ``no_bool``: PyTorch refuses ``"all"`` inputs bool, ``"any"``, or ``"integers"`` alone.
    * ``tensors``: how many of the first arguments of a function of two may not be Python numbers.
    * ``samples(r)``, ``errors(r)``: lists of ``S(...)`` and ``E(error, match, ...)``, made with the NumPy generator ``r``;
      ``reference``: the same function written independently on NumPy arrays.
    * ``half=False``: float16 and bfloat16 are not supported; ``parity``: False or a reason not to compare with PyTorch;
      ``"up to sign"`` where the signs of the output's columns are arbitrary; ``"values only: reason"``.
    """

    half = half and kind != "update"  # an update's arithmetic is that of its arrays and settings
    tests = dict(
        samples=samples, errors=errors, reference=reference, formula=formula, derivative=derivative, parity=parity, half=half
    )

    def decorate(body) -> Callable[..., Any]:
        name = body.__name__.rstrip("_")
        positional, params, variadic, optional = _signature(body)
        if callable(vjp):
            rules = (Rule(vjp, _names_of(vjp), joint=True),) * len(positional)
        else:
            rules = tuple(None if r is None else Rule(r, _names_of(r)) for r in vjp)
        layout = tuple(dict.fromkeys(n for r in rules if r for n in r.names if n not in params and n != "i"))
        if len(positional) == 2 and not variadic and rules and set(layout) <= {"y", *positional}:
            layout = ("y", *positional)  # one fixed layout for the quick path of binary operations
        for r in rules:
            if r:
                r.slots = tuple(layout.index(n) if n in layout else n for n in r.names)
        public = tuple((name if names is None else names).split())
        result = return_type(public[0], returns) if returns else None
        made = Op(
            name, body, kind, positional, optional, variadic, params, rules,
            (kind == "elementwise" or None) if promote is None else promote or None, outputs, put, result, onnx,
            no_bool, tensors, layout, public_name=public[0] if public else "",
        )  # fmt: skip
        _check_names(made)
        registry[name] = made
        bodies[name] = body
        setattr(recorded, name, word(made))
        call = public_function(made, body, PUBLIC if public else {})  # inner operations keep the text's own names
        made.face = call
        if public:
            written = kind == "elementwise" if inplace is None else inplace
            _publish(Face(public[0], public, tuple(spaces.split()), call, op=made, **tests), written)
        else:
            faces[f"ops.{name}"] = Face(name, (), (), call, op=made, **{**tests, "parity": False})
        return call

    return decorate


def function(names=None, *, spaces="torch Tensor", formula="", derivative="", samples=None, errors=None, reference=None,
             inplace=False, parity=True, half=True):  # fmt: skip
    """Publish an ordinary function of operations under PyTorch's names, with the samples that its tests use."""

    tests = dict(
        samples=samples, errors=errors, reference=reference, formula=formula, derivative=derivative, parity=parity, half=half
    )

    def decorate(f):
        public = tuple((f.__name__.rstrip("_") if names is None else names).split())
        if f.__name__ != public[0] and not isinstance(f, type):
            f.__name__ = f.__qualname__ = public[0]  # what Python says in "missing 1 required positional argument"
            f.__module__ = MODULES[spaces.split()[0]]  # where pickle finds it
        f = listed(f, public[0])
        _publish(Face(public[0], public, tuple(spaces.split()), f, **tests), inplace)
        return f

    return decorate


def _publish(face, inplace):
    for space, name in itertools.product(face.spaces, face.names):
        key = SPACES[space] + name
        known = faces.get(key)
        if known is None or known.op is not None:  # a function may stand in front of the operation that it calls
            faces[key] = face
        if space == "Tensor":
            call = _with_second_names(face.call, name)
            setattr(Tensor, name, call)
            if inplace and not hasattr(Tensor, name + "_"):
                setattr(Tensor, name + "_", in_place(call, name))


def _with_second_names(call, name):
    """The method that takes ``axis`` for ``dim`` as PyTorch's does; the quick ones have it in their signature."""
    names = parameters(call)
    if name in OWN or ("dim" in names and "axis" not in names):
        return functools.update_wrapper(forgiving(call), call)
    return call


def members(space):
    """name -> public function of everything published in a space. Ordinary functions take ``out=`` here as operations do."""
    prefix = SPACES[space]
    found = {n: f for f in faces.values() if space in f.spaces for n in f.names if faces[prefix + n] is f}
    if space == "functional":  # most of PyTorch's are written in Python, and have none
        return {n: with_output(f.call) if n in _COMPILED else f.call for n, f in found.items()}
    return {n: f.call if f.op is not None else _with_output_and_names(f.call, n) for n, f in found.items()}


# Functions of torch.nn.functional that are compiled ones under a second name, and take out= and NumPy's names of arguments.
_COMPILED = frozenset("avg_pool2d avg_pool3d cosine_similarity gelu hardshrink pairwise_distance softplus softshrink".split())


def _with_output_and_names(call, name):
    if not hasattr(call, "__code__"):
        return call
    return _with_second_names(call, name) if "out" in parameters(call) else with_output(call)


def _names_of(rule):
    """What a rule reads: its parameters after ``xp, g``."""
    code = rule.__code__
    return code.co_varnames[2 : code.co_argcount]


def _signature(body):
    """Array names, static parameters and their defaults, whether the arrays end in ``*xs``, and which arrays may be None.

    Read from the code object: ``inspect.signature`` takes ten times as long, and every operation is read at import.
    """
    code = body.__code__
    arrays = list(code.co_varnames[1 : code.co_argcount])
    statics = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    variadic = bool(code.co_flags & inspect.CO_VARARGS)
    defaults = body.__defaults__ or ()
    optional = frozenset(a for a, d in zip(arrays[len(arrays) - len(defaults) :], defaults) if d is None)
    if variadic:
        arrays.append(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
    given = body.__kwdefaults__ or {}
    params = {name: given.get(name, inspect.Parameter.empty) for name in statics}
    return tuple(arrays), params, variadic, optional


def _check_names(made):
    for name in made.layout:
        if name not in made.where:
            raise TypeError(f"@op {made.name}: a rule names {name!r}, which is no input, parameter, 'y' or '<input>_shape'")
    if made.rules and len(made.rules) != len(made.arrays):
        raise TypeError(
            f"@op {made.name}: {len(made.rules)} rules for {len(made.arrays)} array inputs; write None where there is no gradient"
        )


def _constant(name):
    """A word that makes an array without gradient from a ``like``: on Tensors, too."""

    def call(like, **params):
        array = like.array if isinstance(like, Tensor) else like
        return wrap(getattr(backends.of(array), name)(array, **params))

    return call


for _name in ("full", "full_like", "zeros_like", "ones_like", "arange"):
    setattr(recorded, _name, _constant(_name))
