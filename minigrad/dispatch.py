"""How an operation is called.

``apply`` is the general way: it promotes dtypes, traces, takes kernels with a backward of their own, many arrays and
several outputs, and builds the error messages. In front of it stand quick paths for the shapes of call that training is
made of, one ordinary closure each: one array (``unary``), two arrays or an array and a number (``binary``), a reduction.
They do as little as Python can, and hand to ``apply`` whatever they do not understand. A raw implementation reaches an
op's ``table`` only through ``apply``; while a trace or anomaly detection is on, the tables are empty, so that every call
takes the general way and the quick paths pay nothing for either.
"""

import contextvars
import inspect
import linecache

import numpy as np

from . import backends, graph, kernels
from .autograd.engine import unbroadcast
from .dtype import common_dtype, of_numpy
from .errors import explain, not_a_tensor
from .graph import Node, recording, serial, tracer
from .tensor import Tensor, new, wrap

anomaly = contextvars.ContextVar("minigrad_anomaly", default=None)  # autograd.detect_anomaly: None or its settings
_special_modes = [0]  # how many threads trace or look for anomalies: no table is filled meanwhile

_SCALARS = (bool, int, float, complex)
number_kinds = {c: c for c in _SCALARS}  # class of a plain operand -> how it promotes; the tracer adds its run-time numbers
_EXACT_KINDS = frozenset({"view", "cast", "update", "random"})  # kinds that never compute in another precision


def enter_special_mode(all_ops):
    """Empty the tables, so that every call takes the general way."""
    _special_modes[0] += 1
    for o in all_ops:
        o.table.clear()


def leave_special_mode():
    _special_modes[0] -= 1


# ------------------------------------------------------------------------------------------------------ the general way
def apply(op, args, params):
    """Run ``op`` on Tensors and numbers, and record it where a gradient is needed.

    First the ordinary case: Tensors of one dtype (or None) for an op whose implementation has been found before. Whatever
    is not that, and whatever fails, goes through ``_apply``.
    """
    arrays, nodes, dtype, ordinary = [], [], None, op.several_ready
    for a in args:
        if isinstance(a, Tensor):
            x = a.array
            if dtype is None:
                dtype, array_type = x.dtype, x.__class__
            elif x.dtype is not dtype:
                ordinary = ordinary and not op.promote
            arrays.append(x)
            nodes.append(a.node)
        elif a is None:
            arrays.append(None)
            nodes.append(None)
        else:
            ordinary = False
    if not ordinary or dtype is None or dtype.itemsize == 2 or op.promote == "float" and dtype.kind != "f":
        return _apply(op, args, params)
    f = op.table.get(array_type)
    if f is None:
        return _apply(op, args, params)
    try:
        out = f(*arrays, **params)
    except Exception:
        return _apply(op, args, params)  # it fails there too, and says why
    if out.__class__ is not array_type and out.__class__ not in backends.by_type:
        out = backends.of(arrays[0]).asarray(out)
    t = new(Tensor)
    t.array = out
    t.node = None
    if recording():
        mask = tuple([n is not None for n in nodes])
        if op.runs_rules(mask) and out.dtype.kind not in "biu":
            t.node = Node(op, tuple(nodes), op.save(mask, out, arrays), params, serial(), out.shape)
    return t


def _apply(op, args, params):
    args = _checked(op, args)
    for name, value in params.items():
        if value.__class__ is list:
            params[name] = tuple(value)
    trace = tracer.get()
    if trace is not None:
        args, params = trace.lift(args, params)
    if op.promote:
        args = _promoted(op, args)
    arrays = [a.array if isinstance(a, Tensor) else a for a in args]
    first = next(a.array for a in args if isinstance(a, Tensor))
    try:
        xp = backends.of(first)
        if op.kind not in _EXACT_KINDS and any(getattr(a, "dtype", None) in xp.HALVES for a in arrays):
            out, residual = _run_wide(op, xp, arrays, params, trace), None
        else:
            out, residual = _run(op, xp, arrays, params, trace)
    except Exception as error:
        raise explain(op, error, args, params) from error
    nodes = tuple([a.node if isinstance(a, Tensor) else None for a in args])
    record = recording() and op.runs_rules(tuple([n is not None for n in nodes]))
    if op.outputs > 1:
        return _several(op, xp, out, nodes if record else None, arrays, params, residual)
    if out.__class__ not in backends.by_type:  # a NumPy scalar
        out = xp.asarray(out)
    t = wrap(out)
    if record and of_numpy[out.dtype].category >= 2:
        mask = tuple([n is not None for n in nodes])
        t.node = Node(op, nodes, op.save(mask, out, arrays), params, serial(), out.shape)
        _attach(t.node, residual)
    if op.kind == "view" and (graph.owner_of(out) is graph.owner_of(first) if trace is None else trace.shares_memory(out, first)):
        make_view(t, args[0], op, params)
    if not _special_modes[0] and kernels.enabled():
        op.table.setdefault(first.__class__, getattr(xp, op.name))
        pair = kernels.table(xp.name).get(op.name)
        op.several_ready = op.kind not in _EXACT_KINDS and not (pair and pair.backward)
    return t


def _run_wide(op, xp, arrays, params, trace):
    """float16 and bfloat16 are for storage: the text runs in float32, and each result is rounded once."""
    half = next(a.dtype for a in arrays if getattr(a, "dtype", None) in xp.HALVES)
    wide = [xp.astype(a, dtype=np.float32) if getattr(a, "dtype", None) in xp.HALVES else a for a in arrays]
    out, _ = _run(op, xp, wide, params, trace)

    def narrow(o):
        return xp.astype(o, dtype=half) if o.dtype == np.float32 else o

    return tuple([narrow(o) for o in out]) if op.outputs > 1 else narrow(out)


def _run(op, xp, arrays, params, trace):
    if trace is None and kernels.enabled():
        kernel = kernels.table(xp.name).get(op.name)
        if kernel is not None and kernel.backward and kernel.takes(*arrays, **params):
            out, residual = kernel.run(*arrays, **params)
            return out, (residual,)
    return getattr(xp, op.name)(*arrays, **params), None


def _several(op, xp, out, nodes, arrays, params, residual):
    out = tuple([o if o.__class__ is xp.ndarray else xp.asarray(o) for o in out])
    node = None
    if nodes is not None:
        mask = tuple([n is not None for n in nodes])
        shapes = tuple([(tuple(o.shape), o.dtype) for o in out])
        node = Node(op, nodes, op.save(mask, out, arrays), params, serial(), shapes)
        _attach(node, residual)
    tensors = []
    for i, o in enumerate(out):
        history = graph.pick(node, i, o) if node is not None and of_numpy[o.dtype].category >= 2 else None
        tensors.append(wrap(o, history))
    return op.returns(*tensors) if op.returns else tuple(tensors)


def _attach(node, residual):
    if residual is not None:
        node.extra = {"residual": residual}
    settings = anomaly.get()
    if settings is not None:
        node.extra = {**(node.extra or {}), "anomaly": settings.where()}


def _checked(op, args):
    """Tensors and Python numbers; NumPy's scalars become numbers, anything else is a TypeError."""
    seen = False
    for position, a in enumerate(args):
        if isinstance(a, Tensor):
            seen = True
        elif a.__class__ not in _SCALARS and not (a is None and _is_optional(op, position)):
            if isinstance(a, (np.generic, *_SCALARS)):
                plain = tuple(x.item() if isinstance(x, np.generic) else x for x in args)
                return _checked(op, tuple(next(k(x) for k in _SCALARS if isinstance(x, k)) if isinstance(x, _SCALARS) else x for x in plain))
            raise not_a_tensor(op.public_name or op.name, a, position + 1)
    if not seen:
        raise not_a_tensor(op.public_name or op.name, args[0] if args else None, 1)
    return args


def _is_optional(op, position):
    return position < len(op.arrays) and op.arrays[position] in op.optional


def _promoted(op, args):
    """PyTorch's promotion: cast what has another dtype than the common one. Python numbers stay Python numbers."""
    which = op.promote if isinstance(op.promote, tuple) else range(len(args))
    tensors = [args[i] for i in which if isinstance(args[i], Tensor)]
    if not tensors:
        return args
    dtype = tensors[0].array.dtype
    scalars = [number_kinds[c] for i in which if (c := args[i].__class__) in number_kinds]
    if scalars or any(t.array.dtype != dtype for t in tensors):
        with_axes = [t.array.dtype for t in tensors if t.array.ndim]
        dtype = common_dtype(with_axes, [t.array.dtype for t in tensors if not t.array.ndim], scalars)
    if op.promote == "float" and of_numpy[dtype].category < 2:
        from .dtype import get_default_dtype

        dtype = get_default_dtype().dtype
    if all(t.array.dtype == dtype for t in tensors):
        return args
    return tuple(
        cast(a, dtype) if i in which and isinstance(a, Tensor) and a.array.dtype != dtype else a for i, a in enumerate(args)
    )


def cast(t, dtype):
    """``t`` in another NumPy dtype, recorded."""
    from .op import registry

    return apply(registry["astype"], (t,), {"dtype": dtype})


def make_view(t, parent, op, params):
    """Remember that ``t`` looks into the memory of ``parent``."""
    t._base = (parent, op, params)
    views = parent._views
    if views is None:
        parent._views = views = []
    elif len(views) > 16:
        views[:] = [v for v in views if v() is not None]
    views.append(graph.weakref.ref(t))
    if graph.is_inference_mode_enabled():
        t._inference = True
    return t


# -------------------------------------------------------------------------------------------------------- quick paths
def _quick_dtypes(op):
    """The dtypes, by NumPy's letters, that need neither promotion nor another precision: no float16, no bfloat16."""
    return "fd" if op.promote == "float" else "fd?bhilqBHILQFD"


def unary(op):
    """The quick path of ``y = f(x)``."""
    get = op.table.get
    rule = op.rules[0] if op.rules else None
    layout, quick = op.layout, _quick_dtypes(op)
    keep_y, keep_x = layout == ("y",), layout == ("x",)
    save = op.save

    def call(input):
        try:
            a = input.array
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None or a.dtype.char not in quick:
            return apply(op, (input,), {})
        try:
            out = f(a)
        except Exception as error:
            raise explain(op, error, (input,), {}) from error
        if out.__class__ is not a.__class__:
            out = backends.of(a).asarray(out)
        t = new(Tensor)
        t.array = out
        m = input.node
        if m is not None and rule is not None and recording():
            saved = (out,) if keep_y else (a,) if keep_x else save((True,), out, (a,))
            t.node = Node(op, (m,), saved, None, serial(), out.shape)
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


def binary(op):
    """The quick path of ``y = f(a, b)`` on two tensors of one dtype, or a float tensor and a Python number."""
    get = op.table.get
    quick, save, differentiable = _quick_dtypes(op), op.save, op.differentiable
    fixed = op.layout[:1] == ("y",) and len(op.layout) == 3
    flags = [op.keep(mask) if fixed else (False,) * 3 for mask in ((True, True), (True, False), (False, True))]
    (both_y, both_a, both_b), (left_y, left_a, left_b), (right_y, right_a, right_b) = flags

    def call(input, other):
        try:
            a = input.array
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None:
            return apply(op, (input, other), {})
        if isinstance(other, Tensor):
            b, k = other.array, other.node
            if a.dtype is not b.dtype or a.dtype.char not in quick:
                return apply(op, (input, other), {})
        elif (other.__class__ is float or other.__class__ is int) and a.dtype.char in "fd":
            b, k = other, None
        else:
            return apply(op, (input, other), {})
        try:
            out = f(a, b)
        except Exception as error:
            raise explain(op, error, (input, other), {}) from error
        if out.__class__ is not a.__class__:
            out = backends.of(a).asarray(out)
        t = new(Tensor)
        t.array = out
        m = input.node
        if (m is not None or k is not None) and differentiable and recording():
            if not fixed:
                saved = save((m is not None, k is not None), out, (a, b))
            elif k is None:
                saved = (out if left_y else None, a if left_a else None, b if left_b else None)
            elif m is None:
                saved = (out if right_y else None, a if right_a else None, b if right_b else None)
            else:
                saved = (out if both_y else None, a if both_a else None, b if both_b else None)
            t.node = Node(op, (m, k), saved, None, serial(), out.shape)
        else:
            t.node = None
        return t

    return call


def binary_backward(op):
    rule_a, rule_b = (None if r is None else r.bound() for r in op.rules)

    def backward(xp, n, g, grads):
        p, q = n.parents
        saved = n.saved
        if p is not None and rule_a is not None:
            d = rule_a(xp, g, saved, None)
            if d.shape != p.shape:
                d = unbroadcast(d, p.shape)
            old = grads.get(p)
            grads[p] = d if old is None else old + d
        if q is not None and rule_b is not None:
            d = rule_b(xp, g, saved, None)
            if d.shape != q.shape:
                d = unbroadcast(d, q.shape)
            old = grads.get(q)
            grads[q] = d if old is None else old + d

    return backward


def several_backward(op):
    """The raw backward of an operation with any fixed number of inputs."""
    if any(r is not None and r.joint for r in op.rules):
        return None
    rules = tuple(None if r is None else r.bound() for r in op.rules)
    broadcasts = op.broadcasts

    def backward(xp, n, g, grads):
        saved, params = n.saved, n.params
        for p, rule in zip(n.parents, rules):
            if p is not None and rule is not None:
                d = rule(xp, g, saved, params)
                if broadcasts and d.shape != p.shape:
                    d = unbroadcast(d, p.shape)
                old = grads.get(p)
                grads[p] = d if old is None else old + d

    return backward


def reduction(op):
    """The quick path of a reduction over ``dim`` (None: all dimensions)."""
    get = op.table.get
    quick, save = _quick_dtypes(op), op.save
    differentiable, shape_only = op.differentiable, op.layout == ("x_shape",)
    everything = {"axis": None, "keepdims": False}

    def call(input, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=None):
        params = everything
        if dim is not None or keepdim or axis is not None or keepdims is not None or dtype is not None:
            input, params = _reduction_params(input, dim, keepdim, dtype, axis, keepdims)
            dim, keepdim = params["axis"], params["keepdims"]
        try:
            a = input.array
            f = get(a.__class__)
        except AttributeError:
            f = None
        if f is None or a.dtype.char not in quick:
            return apply(op, (input,), params)
        try:
            out = f(a, axis=dim, keepdims=keepdim)
        except Exception as error:
            raise explain(op, error, (input,), params) from error
        if out.__class__ is not a.__class__:
            out = backends.of(a).asarray(out)
        t = new(Tensor)
        t.array = out
        m = input.node
        if m is not None and differentiable and recording():
            t.node = Node(op, (m,), (a.shape,) if shape_only else save((True,), out, (a,)), params, serial(), out.shape)
        else:
            t.node = None
        return t

    return call


def _reduction_params(input, dim, keepdim, dtype, axis, keepdims):
    """PyTorch's arguments of a reduction, and NumPy's aliases for them, as the text's."""
    if dtype is not None:
        input = input.to(dtype)
    dim = dim if axis is None else axis
    if dim.__class__ is list or isinstance(dim, tuple):
        dim = tuple(dim) or None  # no dimension at all means all of them
    return input, {"axis": dim, "keepdims": bool(keepdim if keepdims is None else keepdims)}


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
        if owner_of(out) is owner_of(a):
            make_view(t, input, op, params)
        return t

    return call


# -------------------------------------------------------------------------------------------------- public functions
def public(op, body, names):
    """The public function of an op, under PyTorch's argument names, with its quick path where it has one."""
    plain = op.outputs == 1 and not op.variadic and not op.optional
    if plain and op.kind == "elementwise" and op.promote in (True, "float") and not op.params and len(op.arrays) <= 2:
        call = unary(op) if len(op.arrays) == 1 else binary(op)
    elif plain and op.kind == "matmul" and not op.params:
        call = binary(op)
    elif plain and op.kind == "reduction" and set(op.params) == {"axis", "keepdims"}:
        call = reduction(op)
    else:
        call = _printed(op, body, names)
    if plain and op.differentiable and not op.params:
        if len(op.arrays) == 1:
            op.backward = unary_backward(op)
        elif len(op.arrays) == 2 and op.kind in ("elementwise", "matmul"):
            op.backward = binary_backward(op)
    elif plain and op.differentiable and len(op.arrays) == 1:
        op.backward = unary_backward(op)
    if op.backward is None and op.differentiable and op.outputs == 1 and not op.variadic:
        op.backward = several_backward(op)
    call.__name__ = call.__qualname__ = op.public_name or op.name
    call.__doc__ = body.__doc__
    call.__module__ = "minigrad"
    return call


def _printed(op, body, names):
    """A function with PyTorch's signature that hands over to ``apply``: the one place where code is printed.

    Binding arguments by ``inspect.Signature`` costs 2 us a call; a real signature costs nothing and shows in help().
    """
    space = {"apply": apply, "op": op}
    defaults = dict(zip(reversed(op.arrays[:-1] if op.variadic else op.arrays), reversed(body.__defaults__ or ())))
    defaults.update({name: value for name, value in op.params.items() if value is not inspect.Parameter.empty})
    required, optional, arrays = [], [], []
    for i, name in enumerate((*op.arrays, *op.params)):
        argument = names.get(name, name)
        if op.variadic and i == len(op.arrays) - 1:
            argument = f"*{argument}"
        if i < len(op.arrays):
            arrays.append(argument)
        if name in defaults:
            space[f"default_{name}"] = defaults[name]
            optional.append(f"{argument}=default_{name}")
        else:
            required.append(argument)
    statics = ", ".join(f"{name!r}: {names.get(name, name)}" for name in op.params)
    name = op.public_name or op.name
    source = f"def {name}({', '.join(required + optional)}):\n    return apply(op, ({', '.join(arrays)},), {{{statics}}})\n"
    file = f"<minigrad operation {op.name}>"
    exec(compile(source, file, "exec"), space)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    return space[name]


def word(op):
    """The op as a word of the vocabulary on Tensors, for rules that are recorded: array API keywords, no other names."""
    defaults = {k: v for k, v in op.params.items() if v is not inspect.Parameter.empty}

    def call(*args, **params):
        if defaults and len(params) < len(op.params):
            params = {**defaults, **params}
        return apply(op, args, params)

    call.__name__ = op.name
    return call


def in_place(call, name):
    """``x.name_(...)``: the pure function, whose result is written into x."""

    def method(self, *args, **kwargs):
        from .views import write

        since = serial()
        return write(self, call(self, *args, **kwargs), since)

    method.__name__ = method.__qualname__ = name + "_"
    method.__doc__ = f"In-place version of :func:`{name}`: the result is written into this tensor, which is returned."
    return method
