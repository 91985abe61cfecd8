"""How an operation is called: the general way.

``apply`` promotes dtypes, traces, casts, takes kernels with a backward of their own, many arrays and several outputs, and builds
the error messages. In front of it stand the quick paths of ``quick.py`` for the shapes of call that training is made of;
they hand to ``apply`` whatever they do not understand. A raw implementation reaches an op's ``table`` only here; while a
trace, anomaly detection or autocast is on, the tables are empty, so that every call takes the general way and the quick paths pay
nothing for them.
"""

import contextvars
import math
from builtins import getattr, hasattr  # not those that a trace listens to

import numpy as np

from . import backends, graph, kernels
from .dtype import common_dtype, of_numpy, wrapped
from .errors import NotDense, ShapeError, UnsupportedError, dim_error, explain, no_bool, not_a_tensor
from .graph import Node, recording, serial, tracer
from .tensor import Tensor, new, wrap

anomaly = contextvars.ContextVar("minigrad_anomaly", default=None)  # autograd.detect_anomaly: None or its settings
packing = contextvars.ContextVar("minigrad_packing", default=None)  # saved_tensors_hooks: None, or what is called with each node
sparse_forms = {}  # operation name -> the function that stands for it on sparse tensors; sparse.py fills it
complex_forms = {}  # operation name -> how it takes complex numbers; ops/complex.py fills it
autocast = contextvars.ContextVar("minigrad_autocast", default=None)  # None or the settings of casting.py
_inference = graph._inference.get
special_modes = [0]  # how many threads trace, look for anomalies or autocast: no table is filled meanwhile

_SCALARS = (bool, int, float, complex)
number_kinds = {c: c for c in _SCALARS}  # class of a plain operand -> how it promotes; the tracer adds its run-time numbers
_RARE = "eEhHFD"  # by NumPy's letters: half precision (and what shares its size), complex
_COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})
_EXACT_KINDS = frozenset({"view", "cast", "random"})  # kinds that never compute in another precision


def enter_special_mode(all_ops):
    """Empty the tables, so that every call takes the general way."""
    special_modes[0] += 1
    for o in all_ops:
        o.table.clear()


def leave_special_mode():
    special_modes[0] -= 1


# ------------------------------------------------------------------------------------------------------ the general way
def apply(op, args, params):
    """Run ``op`` on Tensors and numbers, and record it where a gradient is needed.

    First the ordinary case: Tensors of one dtype (or None) for an op whose implementation has been found before. Whatever
    is not that, and whatever fails, goes through ``_apply``.
    """
    arrays, dtype, ordinary = [], None, op.several_ready
    try:
        for a in args:
            if isinstance(a, Tensor):
                x = a.array
                if dtype is None:
                    dtype, array_type = x.dtype, x.__class__
                elif x.dtype is not dtype:
                    ordinary = ordinary and not op.promote and not (op.paired and x.dtype.char in _RARE)
                arrays.append(x)
            elif a is None:
                arrays.append(None)
            else:
                ordinary = False
    except NotDense:
        return _sparse_form(op, args, params)
    if not ordinary or dtype is None or dtype.char in _RARE or (op.promote == "float" and dtype.kind != "f"):
        return _apply(op, args, params)
    f = op.table.get(array_type)
    if f is None:
        return _apply(op, args, params)
    residual = None
    try:
        if not op.paired:
            out = f(*arrays, **params)
        elif backends.wrappers or any(isinstance(v, Tensor) for v in params.values()):
            return _apply(op, args, params)
        else:
            out, residual = _by_pair(op, backends.by_type[array_type], arrays, params)
    except Exception:
        return _apply(op, args, params)  # it fails there too, and says why
    nodes = None
    if recording():
        nodes = tuple([None if a is None else a.node for a in args])
        mask = tuple([n is not None for n in nodes])
        if not op.runs_rules(mask):
            nodes = None
    if op.outputs > 1:
        return _several(op, backends.by_type[array_type], out, nodes, arrays, params, residual)
    if out.__class__ is not array_type and out.__class__ not in backends.by_type:
        out = backends.of(arrays[0]).asarray(out)
    t = new(Tensor)
    t.array = out
    t.node = None
    if nodes is not None and out.dtype.kind not in "biu":
        t.node = Node(op, nodes, _saved(op, mask, out, arrays, residual), params, serial(), out.shape)
    return t


def _apply(op, args, params):
    args = _checked(op, args)
    if special_modes[0] and (casts := autocast.get()) is not None:
        args = casts.cast(op.public_name or op.name, args)
    if op.no_bool:
        _refuse_bool(op, args)
    trace = tracer.get()
    for name, value in params.items():
        if value.__class__ is list:
            params[name] = tuple(value)
        elif trace is None and isinstance(value, Tensor) and not value.ndim and value.node is None:
            params[name] = value.item()  # PyTorch takes a 0-d tensor for a number
    if trace is not None:
        args, params = trace.lift(args, params)
    if op.promote:
        args = _promoted(op, args)
    arrays = [a.array if isinstance(a, Tensor) else a for a in args]
    first = next(a.array for a in args if isinstance(a, Tensor))
    if "keepdims" in params and params["axis"].__class__ is tuple and not first.ndim:
        params = {**params, "axis": axes_of_number(op.public_name or op.name, params["axis"])}
    conjugates = False
    if op.kind != "view" and any(hasattr(a, "dtype") and a.dtype.kind == "c" for a in arrays):
        op, conjugates = _complex_form(op)
    try:
        xp = backends.of_all(arrays) if backends.wrappers else backends.of(first)
        with np.errstate(all="ignore"):
            wide = op.kind not in _EXACT_KINDS and any(getattr(a, "dtype", None) in xp.HALVES for a in arrays)
            if wide:
                out, residual = _run_wide(op, xp, arrays, params, trace), None
            else:
                out, residual = _run(op, xp, arrays, params, trace)
    except Exception as error:
        raise explain(op, error, args, params) from error
    nodes = tuple([a.node if isinstance(a, Tensor) else None for a in args])
    record = recording() and op.runs_rules(tuple([n is not None for n in nodes]))
    if op.outputs > 1:
        if op.paired:
            _remember(op, first, xp)
        return _several(op, xp, out, nodes if record else None, arrays, params, residual, wide)
    if out.__class__ not in backends.by_type:  # a NumPy scalar
        out = xp.asarray(out)
    t = wrap(out)
    if record and of_numpy[out.dtype].category >= 2:
        mask = tuple([n is not None for n in nodes])
        t.node = Node(op, nodes, _saved(op, mask, out, arrays, residual), params, serial(), out.shape)
        _attach(t.node)
        if conjugates:
            t.node.extra = {**(t.node.extra or {}), "conjugates": True}
        if wide:
            _remember_dtypes(t.node, arrays)
    if op.kind == "view" and (graph.owner_of(out) is graph.owner_of(first) if trace is None else trace.shares_memory(out, first)):
        make_view(t, args[0], op, params)
    _remember(op, first, xp)
    return t


def _remember(op, first, xp):
    """The implementation that was found, for the quick ways."""
    if not special_modes[0] and kernels.enabled():
        op.table.setdefault(first.__class__, getattr(xp, op.name))
        op.several_ready = not op.no_bool and op.kind not in _EXACT_KINDS


def axes_of_number(name, axes):
    """A number may be reduced over its dimension 0 (or -1), which it does not have: that is over everything."""
    wrong = next((a for a in axes if a not in (0, -1)), None)
    if wrong is not None:
        raise dim_error(name, wrong, 0)
    if len(axes) > 1:
        raise ShapeError(f"{name}: dim 0 appears multiple times in the list of dims {axes}")
    return None


def _run_wide(op, xp, arrays, params, trace):
    """float16 and bfloat16 are for storage: the text runs in float32, and each result is rounded once."""
    half = next(a.dtype for a in arrays if getattr(a, "dtype", None) in xp.HALVES)
    wide = [xp.astype(a, dtype=np.float32) if getattr(a, "dtype", None) in xp.HALVES else a for a in arrays]
    if op.name in ("add", "subtract"):  # a number that is added is first rounded, one that multiplies is not: as in PyTorch
        wide = [_rounded(a, half) if a.__class__ is float else a for a in wide]
    elif op.name in _COMPARISONS:
        wide = [float(np.asarray(a, np.float32).astype(half)) if a.__class__ in (int, float) else a for a in wide]
    out, _ = _run(op, xp, wide, params, trace)

    def narrow(o):
        return xp.astype(o, dtype=half) if o.dtype == np.float32 else o

    return tuple([narrow(o) for o in out]) if op.outputs > 1 else narrow(out)


def _rounded(number, half):
    """A number as the half precision has it, or the number where it lies outside."""
    near = float(np.asarray(number, np.float32).astype(half))
    return near if math.isfinite(near) else number


def _sparse_form(op, args, params):
    """What stands for ``op`` on sparse tensors, called."""
    form = sparse_forms.get(op.name)
    if form is None:
        raise NotDense(f"{op.public_name or op.name}() is not implemented for sparse tensors; convert them with .to_dense()")
    return form(*args, **params)


def _complex_form(op):
    """The operation that stands for ``op`` on complex numbers, and whether its rules need conjugates around them."""
    form = complex_forms.get(op.name)
    if form is None:
        raise UnsupportedError(f'"{op.public_name or op.name}" not implemented for complex tensors; use .real, .imag or .abs()')
    return (op, form == "holomorphic") if form.__class__ is str else (form, False)


def _run(op, xp, arrays, params, trace):
    if trace is None:
        return _by_pair(op, xp, arrays, params)
    return getattr(xp, op.name)(*arrays, **params), None


def _by_pair(op, xp, arrays, params):
    """The results, and in a tuple what a kernel with a backward of its own leaves for it: None where the text ran."""
    kernel = kernels.table(xp.name).get(op.name)
    if kernel is None or not kernel.backward:
        return getattr(xp, op.name)(*arrays, **params), None
    if not op.paired:
        op.paired, op.backward = True, by_gradients(op)
    if kernel.takes(*arrays, **params):
        out, residual = kernel.run(*arrays, **params)
        return out, (residual,)
    return op.body(xp, *arrays, **params), None


def by_gradients(op):
    """The raw backward of a node by :meth:`Op.gradients`: several outputs, joint rules, kernels with a backward of their own."""

    def backward(xp, n, g, grads):
        found = {}  # stored at the end: where anything raises, the sweep can go another way
        for p, d in zip(n.parents, op.gradients(n, g, False)):
            if p is not None and d is not None:
                old = found.get(p)
                if old is None:
                    old = grads.get(p)
                found[p] = d if old is None else old + d
        grads.update(found)

    return backward


def _several(op, xp, out, nodes, arrays, params, residual, wide=False):
    out = tuple([o if o.__class__ is xp.ndarray else xp.asarray(o) for o in out])
    if nodes is None:
        tensors = [wrap(o) for o in out]
    else:
        mask = tuple([n is not None for n in nodes])
        shapes = tuple([(tuple(o.shape), o.dtype) for o in out])
        node = Node(op, nodes, _saved(op, mask, out, arrays, residual), params, serial(), shapes)
        _attach(node)
        if wide:
            _remember_dtypes(node, arrays)
        picks = [graph.pick(node, i, o) if of_numpy[o.dtype].category >= 2 else None for i, o in enumerate(out)]
        tensors = [wrap(o, p) for o, p in zip(out, picks)]
    return op.returns(*tensors) if op.returns else tuple(tensors)


def _remember_dtypes(node, arrays):
    """The rules, too, run in float32, and each gradient is rounded once: to the dtype of its input."""
    node.extra = {**(node.extra or {}), "dtypes": tuple([getattr(a, "dtype", None) for a in arrays])}


def _saved(op, mask, out, arrays, residual):
    """What a node keeps. A kernel with a backward of its own computes all gradients in one pass: it reads what any rule names,
    and behind that stands its residual.
    """
    return op.save(mask, out, arrays) if residual is None else op.save((True,) * len(mask), out, arrays) + residual


def _attach(node):
    settings = anomaly.get()
    if settings is not None:
        node.extra = {**(node.extra or {}), "anomaly": settings.where()}
    pack = packing.get()
    if pack is not None:
        pack(node)


def _checked(op, args):
    """Tensors and Python numbers; NumPy's scalars become numbers, anything else is a TypeError."""
    seen = False
    for position, a in enumerate(args):
        if isinstance(a, Tensor):
            seen = True
        elif a.__class__ not in _SCALARS and not (a is None and _is_optional(op, position)):
            if isinstance(a, (np.generic, *_SCALARS)):
                return _checked(op, tuple(_plain(x) for x in args))
            raise not_a_tensor(op.public_name or op.name, a, position + 1)
    if not seen:
        raise not_a_tensor(op.public_name or op.name, args[0] if args else None, 1)
    return args


def is_foreign(value):
    """Whether ``value`` is neither a tensor nor a number: beside it, Python's operators ask its class, as they do in PyTorch."""
    known = isinstance(value, (Tensor, np.generic, *_SCALARS)) or value.__class__ in number_kinds
    return not known and not hasattr(type(value), "__torch_function__")


def answered(op, args, params):
    """:func:`apply` for Python's operators: NotImplemented beside what is foreign."""
    return NotImplemented if any(map(is_foreign, args)) else apply(op, args, params)


def _refuse_bool(op, args):
    """PyTorch has no such arithmetic of truth values, or of integers alone."""
    if op.no_bool == "integers":
        if all(of_numpy[a.array.dtype].category < 2 for a in args if isinstance(a, Tensor)):
            raise UnsupportedError(f'"{op.public_name or op.name}" not implemented for integers; convert them with .float()')
        return
    are = [a.array.dtype == np.bool_ if isinstance(a, Tensor) else a.__class__ is bool for a in args]
    if (op.no_bool == "any" and any(are)) or all(are):
        raise no_bool(op.public_name or op.name, all(are))


def _plain(value):
    """A NumPy scalar, or an instance of a subclass of a number type, as the number itself."""
    value = value.item() if isinstance(value, np.generic) else value
    kind = next((k for k in _SCALARS if isinstance(value, k)), None)
    return value if kind is None else kind(value)


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
    if dtype.kind in "iu" and int in scalars and op.name not in _COMPARISONS:
        args = tuple(wrapped(a, dtype) if a.__class__ is int and i in which else a for i, a in enumerate(args))
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
    elif len(views) >= 16 and not len(views) & (len(views) - 1):  # at 16, 32, 64 ...: many live views cost no time each
        views[:] = [v for v in views if v() is not None]
    views.append(graph.weakref.ref(t))
    if _inference():
        t._inference = True
    return t
