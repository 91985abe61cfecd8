"""The quick paths: one ordinary closure for each shape of call that training is made of.

One array (``unary``), two arrays or an array and a number (``binary``), a reduction, a view; and the raw backward of one
node for each. They do as little as Python can: two look-ups, the library's function, a Tensor, a node.
"""

from . import backends, graph
from .autograd.engine import FLOATING, unbroadcast
from .dispatch import answered, apply, axes_of_number, is_foreign, make_view
from .errors import NotDense, explain, only_tensors
from .graph import Node, recording, serial
from .output import into
from .tensor import Tensor, new

LARGE = 2**18  # elements: from here on a row for each call of NumPy's inner loop is worth a look


def _quick_dtypes(op):
    """The dtypes, by NumPy's letters, that need neither promotion nor another precision: no float16, no bfloat16, no complex."""
    return "fd" if op.promote == "float" else "fdbhilqBHILQ" if op.no_bool else "fd?bhilqBHILQ"


def unary(op):
    """The quick path of ``y = f(x)``."""
    get = op.table.get
    rule = op.rules[0] if op.rules else None
    layout, quick = op.layout, _quick_dtypes(op)
    keep_y, keep_x = layout == ("y",), layout == ("x",)
    save = op.save

    def call(input, *, out=None):
        if out is not None:
            return into(out, call, (input,), {})
        try:
            a = input.array
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None or a.dtype.char not in quick:
            return apply(op, (input,), {})
        try:
            y = f(a)
        except FLOATING:
            return apply(op, (input,), {})
        except Exception as error:
            raise explain(op, error, (input,), {}) from error
        if y.__class__ is not a.__class__:
            y = backends.of(a).asarray(y)
        t = new(Tensor)
        t.array = y
        m = input.node
        if m is not None and rule is not None and recording():
            saved = (y,) if keep_y else (a,) if keep_x else save((True,), y, (a,))
            t.node = Node(op, (m,), saved, None, serial(), y.shape)
        else:
            t.node = None
        return t

    return call


def unary_backward(op):
    rule = op.rules[0].bound()

    def backward(xp, n, g, grads):
        (p,) = n.parents
        d = rule(xp, g, n.saved, n.params)
        old = grads.get(p)
        grads[p] = d if old is None else old + d

    return backward


def binary(op, apply=apply):
    """The quick path of ``y = f(a, b)`` on two tensors of one dtype, or a float tensor and a Python number; ``apply`` does
    the rest."""
    get = op.table.get
    quick, save, differentiable, tensors = _quick_dtypes(op), op.save, op.differentiable, op.tensors
    fixed, spreads = op.layout[:1] == ("y",) and len(op.layout) == 3, op.kind == "elementwise"
    flags = [op.keep(mask) if fixed else (False,) * 3 for mask in ((True, True), (True, False), (False, True))]
    (both_y, both_a, both_b), (left_y, left_a, left_b), (right_y, right_a, right_b) = flags

    def call(input, other, *, out=None):
        if out is not None:
            return into(out, call, (input, other), {})
        try:
            a, m = input.array, input.node
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None:
            if tensors:
                refuse_numbers(op, input, other)
            f = number_first(get, input, other)
            if f is None:
                return apply(op, (input, other), {})
            a, m, b, k = input, None, other.array, other.node
        elif isinstance(other, Tensor):
            b, k, dtype = other.array, other.node, a.dtype
            if dtype is not b.dtype or dtype.char not in quick:
                return apply(op, (input, other), {})
            if spreads and a.size > LARGE and b.ndim == 1:
                f = backends.of(a).of_rows(f, a, b)
        elif tensors > 1:
            raise only_tensors(op.public_name, other, 2)
        elif (other.__class__ is float or other.__class__ is int) and a.dtype.char in "fd":
            b, k = other, None
        else:
            return apply(op, (input, other), {})
        try:
            y = f(a, b)
            if y.__class__ is not a.__class__:
                y = backends.of(y).asarray(y)
        except Exception:  # FLOATING among them, and batched arrays; what is wrong fails there too, and is explained
            return apply(op, (input, other), {})
        t = new(Tensor)
        t.array = y
        if (m is not None or k is not None) and differentiable and recording():
            if not fixed:
                saved = save((m is not None, k is not None), y, (a, b))
            elif k is None:
                saved = (y if left_y else None, a if left_a else None, b if left_b else None)
            elif m is None:
                saved = (y if right_y else None, a if right_a else None, b if right_b else None)
            else:
                saved = (y if both_y else None, a if both_a else None, b if both_b else None)
            t.node = Node(op, (m, k), saved, None, serial(), y.shape)
        else:
            t.node = None
        return t

    call.op = op
    return call


def number_first(get, number, other):
    """The implementation of ``number - x`` for a float tensor and an ordinary number, or None."""
    if (number.__class__ is float or number.__class__ is int) and isinstance(other, Tensor):
        try:
            b = other.array
        except NotDense:
            return None
        return get(b.__class__) if b.dtype.char in "fd" else None
    return None


def operator(call):
    """A public function of two arguments as one of Python's operators: it leaves what is neither a tensor nor a number to the
    other operand's class."""
    if hasattr(call, "op"):
        return binary(call.op, answered)

    def method(self, other):
        return NotImplemented if is_foreign(other) or is_foreign(self) else call(self, other)

    return method


def reflected(call):
    """``other - x`` from ``x - other``."""
    call = operator(call)
    return lambda self, other: call(other, self)


def refuse_numbers(op, *args):
    """As PyTorch does where the first ``op.tensors`` arguments must be tensors."""
    for position, value in enumerate(args[: op.tensors], 1):
        if not isinstance(value, Tensor):
            raise only_tensors(op.public_name, value, position)


def binary_backward(op):
    rule_a, rule_b = (None if r is None else r.bound() for r in op.rules)

    def backward(xp, n, g, grads):
        p, q = n.parents
        saved = n.saved
        # Everything is computed before anything is stored: where it raises, the sweep can go another way.
        d = e = None
        if p is not None and rule_a is not None:
            d = rule_a(xp, g, saved, None)
            if d.shape != p.shape:
                d = unbroadcast(d, p.shape)
        if q is not None and rule_b is not None:
            e = rule_b(xp, g, saved, None)
            if e.shape != q.shape:
                e = unbroadcast(e, q.shape)
        if e is not None:
            if p is q and d is not None:
                d, e = d + e, None
            elif (old := grads.get(q)) is not None:
                e = old + e
        if d is not None:
            old = grads.get(p)
            grads[p] = d if old is None else old + d
        if e is not None:
            grads[q] = e

    return backward


def several_backward(op):
    """The raw backward of an operation with any fixed number of inputs."""
    if any(r is not None and r.joint for r in op.rules):
        return None
    rules = tuple(None if r is None else r.bound() for r in op.rules)
    broadcasts = op.broadcasts

    def backward(xp, n, g, grads):
        saved, params = n.saved, n.params
        found = {}  # stored at the end, as above
        for p, rule in zip(n.parents, rules):
            if p is not None and rule is not None:
                d = rule(xp, g, saved, params)
                if broadcasts and d.shape != p.shape:
                    d = unbroadcast(d, p.shape)
                old = found.get(p)
                if old is None:
                    old = grads.get(p)
                found[p] = d if old is None else old + d
        grads.update(found)

    return backward


def reduction(op):
    """The quick path of a reduction over ``dim`` (None: all dimensions)."""
    get = op.table.get
    quick, save = _quick_dtypes(op), op.save
    differentiable, shape_only = op.differentiable, op.layout == ("x_shape",)
    everything, truth = {"axis": None, "keepdims": False}, op.name in ("any", "all")

    def call(input, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=None, out=None):
        if out is not None:
            return into(out, call, (input, dim, keepdim), {"dtype": dtype, "axis": axis, "keepdims": keepdims})
        if dtype is not None:  # of integers and bools the text gives int64
            return call(input.to(dtype), dim, keepdim, axis=axis, keepdims=keepdims).to(dtype)
        params = everything
        if dim is not None or keepdim or axis is not None or keepdims is not None:
            params = _reduction_params(input, dim, keepdim, axis, keepdims)
            if truth and (dim == () or dim == []):  # PyTorch's any and all take "no dimension" at its word
                params = {"axis": (), "keepdims": False}
            dim, keepdim = params["axis"], params["keepdims"]
        try:
            a = input.array
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None or a.dtype.char not in quick:
            return apply(op, (input,), params)
        try:
            y = f(a, axis=dim, keepdims=keepdim)
        except FLOATING:
            return apply(op, (input,), params)
        except Exception as error:
            raise explain(op, error, (input,), params) from error
        if y.__class__ is not a.__class__:
            y = backends.of(a).asarray(y)
        t = new(Tensor)
        t.array = y
        m = input.node
        if m is not None and differentiable and recording():
            t.node = Node(op, (m,), (a.shape,) if shape_only else save((True,), y, (a,)), params, serial(), y.shape)
        else:
            t.node = None
        return t

    return call


def _reduction_params(input, dim, keepdim, axis, keepdims):
    """PyTorch's arguments of a reduction, and NumPy's aliases for them, as the text's."""
    dim = dim if axis is None else axis
    if dim.__class__ is list or isinstance(dim, tuple):
        dim = tuple(dim) or None  # no dimension at all means all of them
        if dim is not None and isinstance(input, Tensor) and not input.array.ndim:
            dim = axes_of_number("reduction", dim)
    return {"axis": dim, "keepdims": bool(keepdim if keepdims is None else keepdims)}


def view(op):
    """The quick path of a view: ``call(input, static parameters)``."""
    get, save = op.table.get, op.save
    owner_of, differentiable, shape_only = graph.owner_of, op.differentiable, op.layout == ("x_shape",)

    def call(input, params):
        try:
            a = input.array
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None:
            return apply(op, (input,), params)
        try:
            out = f(a, **params)
        except Exception as error:
            raise explain(op, error, (input,), params) from error
        t = new(Tensor)
        t.array = out
        m = input.node
        if m is not None and differentiable and recording():
            t.node = Node(op, (m,), (a.shape,) if shape_only else save((True,), out, (a,)), params, serial(), out.shape)
        else:
            t.node = None
        base = out.base
        if base is not None and (base is a or base is a.base or owner_of(out) is owner_of(a)):
            make_view(t, input, op, params)
        return t

    return call
