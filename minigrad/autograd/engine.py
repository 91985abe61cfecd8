"""Reverse-mode differentiation: one iterative sweep over the recorded nodes, youngest first.

Every node is younger than the nodes it was computed from, so descending serial numbers are a topological order and no
recursion is needed. Rules run on raw arrays; with ``create_graph`` the same rules run on Tensors and are recorded.
Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 18 (2018), section 3.2.
"""

import contextvars
import operator

import numpy as np
from ml_dtypes import bfloat16

from .. import backends, errors, graph
from ..graph import LEAF, PICK, Node
from ..tensor import Tensor, wrap
from . import hooks

# What NumPy raises for log(0) or inf - inf where the caller has made such warnings errors. Like PyTorch, minigrad computes
# on: the quick ways are left, and the general ways run with NumPy's floating-point checks off.
FLOATING = (RuntimeWarning, FloatingPointError)
_serial = operator.attrgetter("serial")
_set_recording, _reset_recording = graph._recording.set, graph._recording.reset
_by_type = backends.by_type
at_end = []  # what a hook has asked to be called when the sweep has ended
watching = [False]  # whether any hook waits for several gradients: then each sweep says which nodes it reaches
reached = contextvars.ContextVar("minigrad_reached", default=None)
partial = contextvars.ContextVar("minigrad_partial", default=False)  # whether the sweep is for chosen inputs, not for all leaves
_writes = graph.writes
_LASTING = hooks.LASTING
PICK.backward = hooks.put_part


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Accumulate d tensors / d leaf into ``.grad`` of every leaf (or of ``inputs`` alone).

    ``grad_tensors`` are the upstream gradients, one per tensor; a scalar needs none. ``grad_variables`` is their older name.

    >>> import minigrad
    >>> x = minigrad.tensor(3.0, requires_grad=True)
    >>> minigrad.autograd.backward([x * x]); x.grad
    tensor(6.)
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise errors.GradError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use "
                "`grad_tensors`."
            )
        grad_tensors = grad_variables
    tensors = _listed(tensors)
    gradients = _as_list(grad_tensors, len(tensors))
    if retain_graph is None:
        retain_graph = create_graph
    if inputs is not None:
        inputs = _listed(inputs)
        if not inputs:
            raise errors.GradError("backward: `inputs` argument to `backward` cannot be empty; leave it out for all leaves")
        for t in inputs:
            if t.node is None:
                raise errors.GradError(
                    "can't retain_grad on Tensor that has requires_grad=False: One of the differentiated Tensors does not "
                    "require grad"
                )
            t.retain_grad()
    token = partial.set(inputs is not None)
    try:
        sweep(tensors, gradients, None, retain_graph, create_graph, into=inputs)
    finally:
        partial.reset(token)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, allow_unused=None,
         is_grads_batched=False, materialize_grads=False):  # fmt: skip
    """The gradients d outputs / d inputs as a tuple, with no ``.grad`` touched.

    With ``create_graph`` the result can be differentiated again. GradError where an input was not used, unless
    ``allow_unused`` (then None) or ``materialize_grads`` (then zeros).

    >>> import minigrad
    >>> x = minigrad.tensor(3.0, requires_grad=True)
    >>> y = x ** 3
    >>> (g,) = minigrad.autograd.grad(y, x, create_graph=True)
    >>> minigrad.autograd.grad(g, x)
    (tensor(18.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if is_grads_batched:
        return _batched_grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads)
    outputs, inputs = _listed(outputs), _listed(inputs)
    for t in inputs:
        if t.node is None:
            raise errors.GradError(
                "One of the differentiated Tensors does not require grad: set requires_grad=True before using it"
            )
    if retain_graph is None:
        retain_graph = create_graph
    token = partial.set(True)
    try:
        found = sweep(outputs, _as_list(grad_outputs, len(outputs)), {t.node for t in inputs}, retain_graph, create_graph)
    finally:
        partial.reset(token)
    results = []
    for index, t in enumerate(inputs):
        g = found.get(t.node)
        if g is None and materialize_grads:
            g = wrap(backends.of(t.array).zeros_like(t.array)).requires_grad_(create_graph)
        elif g is None and not allow_unused:
            raise errors.unused_input(index)
        if isinstance(g, Tensor):
            g = g.contiguous()  # so that programs may take views of it, whatever layout a rule left
        elif g is not None:
            g = _own(g, t)
        results.append(g)
    return tuple(results)


def _batched_grad(outputs, inputs, grad_outputs, retain, create_graph, allow_unused, materialize):
    """Gradients for each row of ``grad_outputs``, all in one sweep."""
    from ..func.vmap import over_samples

    outputs, given = _listed(outputs), _as_list(grad_outputs, 1)
    rows = [g for g in given if g is not None]

    def one(*row):
        row = iter(row)
        filled = [None if g is None else next(row) for g in given]
        return grad(outputs, inputs, filled, retain, create_graph, allow_unused=allow_unused, materialize_grads=materialize)

    return over_samples(one, *rows)


def _listed(tensors):
    """One Tensor or several, or edges of the graph, as a list."""
    several = [tensors] if isinstance(tensors, Tensor) or hasattr(tensors, "output_nr") else list(tensors)
    return [t.as_tensor() if hasattr(t, "as_tensor") else t for t in several]


def _own(g, t):
    """A raw gradient as a Tensor of its own memory and of the input's dtype."""
    if g.dtype != t.array.dtype:
        return wrap(g.astype(t.array.dtype))
    return wrap(backends.of(g).asarray(g) if getattr(g, "base", 0) is None else g.copy())


def _as_list(gradients, n):
    if gradients is None:
        return [None] * n
    if isinstance(gradients, Tensor):
        return [gradients]
    gradients = list(gradients)
    if len(gradients) != n:
        raise errors.GradError(f"got {n} tensors and {len(gradients)} gradients: give one gradient, or None, per tensor")
    return gradients


def sweep(outputs, gradients, wanted, retain, create_graph, into=None):
    """Send gradients from ``outputs`` towards the leaves.

    ``wanted``: nodes whose gradients are returned (and no ``.grad`` is written); None to accumulate into leaves.
    ``into``: the Tensors whose ``.grad`` alone is written, or None for all leaves.
    """
    grads = {}  # node -> the sum of what has arrived so far
    given = set()  # ids of arrays that must not become some leaf's .grad: handed out, or the caller's
    for t, g in zip(outputs, gradients):
        node = t.node
        if node is None:
            raise errors.no_history()
        g = _first_gradient(t, g, create_graph)
        given.add(id(g))
        old = grads.get(node)
        grads[node] = g if old is None else old + g
    nodes, leaves = _reachable(grads)
    if watching[0]:
        reached.set({*nodes, *leaves})
    targets = wanted if into is None else {t.node for t in into}
    needed = nodes if targets is None else hooks.leading_to(targets, nodes, themselves=into is not None)
    due = hooks.due(needed, leaves)
    results = {}
    quick = not create_graph and graph.tracer.get() is None  # a trace may write a backward down as one call
    token = _set_recording(create_graph)
    try:
        for n in nodes:
            g = grads.pop(n, None)
            if g is not None:
                if needed is not nodes and n not in needed:
                    if n in targets:
                        results[n] = g if n.extra is None else _extras(n, g, create_graph)
                    continue
                if (
                    n.extra is None
                    and quick
                    and n.op.backward is not None
                    and n.saved is not None
                    and (targets is None or n not in targets)
                ):
                    if _writes.last > n.serial:
                        _check_writes(n)
                    try:
                        n.op.backward(_by_type.get(g.__class__) or hooks.backend(g), n, g, grads)
                    except FLOATING:
                        _visit(n, g, grads, targets, results, create_graph)
                else:
                    _visit(n, g, grads, targets, results, create_graph)
                if not retain and n.op is not PICK:
                    _free(n)
            if due and n in due:
                for leaf in due[n]:
                    _at_leaf(leaf, grads.pop(leaf, None), targets, wanted is None, results, given, create_graph)
        for n in leaves:
            g = grads.pop(n, None)
            if g is not None and targets is None and len(n.extra) == 1:  # no hooks, and nobody who asked for this one
                _into_leaf(n, g, create_graph, given)
            else:
                _at_leaf(n, g, targets, wanted is None, results, given, create_graph)
    finally:
        _reset_recording(token)
    while at_end:
        at_end.pop(0)()
    return results


def _at_leaf(n, g, targets, accumulate, results, given, create_graph):
    """All that was for a leaf has arrived: its hooks, and its ``.grad`` or the result."""
    if g is None or (targets is not None and n not in targets):
        return
    hooked = len(n.extra) > 1
    if hooked:
        g = _extras(n, g, create_graph)
    results[n] = g
    if accumulate:
        if hooked and "prehooks" in n.extra:
            g = hooks.before(n, g, create_graph)
        _into_leaf(n, g, create_graph, given)
    if hooked and "posthooks" in n.extra:
        hooks.after(n, (), g, create_graph)


def _visit(n, g, grads, targets, results, create_graph):
    """One node in the general way: hooks, several outputs, recorded rules, kernels with a residual."""
    with np.errstate(all="ignore"):
        _visit_quietly(n, g, grads, targets, results, create_graph)


def _visit_quietly(n, g, grads, targets, results, create_graph):
    if n.extra is not None:
        g = _extras(n, g, create_graph)
    if targets is not None and n in targets:
        results[n] = g
    if n.extra is not None and "prehooks" in n.extra:
        g = hooks.before(n, g, create_graph)
    op = n.op
    if op is PICK:
        return hooks.put_part(None, n, g, grads)
    if n.saved is None and not hooks.revived(n):
        raise errors.freed(op.name)
    if _writes.last > n.serial:
        _check_writes(n)
    found = _gradients(n, g, create_graph)
    if n.extra is not None and "posthooks" in n.extra:
        found = hooks.after(n, found, g, create_graph)
    for i, (p, d) in enumerate(zip(n.parents, found)):
        if p is None or d is None:
            continue
        if op.broadcasts and d.shape != p.shape:
            d = unbroadcast(d, p.shape)
        if n.extra is not None and "anomaly" in n.extra:
            _check_anomaly(n, i, d)
        _accumulate(grads, p, d)


def _gradients(n, g, create_graph):
    try:
        if n.extra is not None and "packed" in n.extra:
            return hooks.unpacked(n, g, create_graph)
        if n.extra is not None and "conjugates" in n.extra:
            return _conjugated(n, g, create_graph)
        if n.extra is not None and "dtypes" in n.extra:
            return _widened(n, g, create_graph)
        return n.op.gradients(n, g, create_graph)
    except Exception as error:
        if n.extra is not None and "anomaly" in n.extra:
            error.add_note(f"The forward call was:\n{n.extra['anomaly'].text}")
        raise


def _widened(n, g, create_graph):
    """The rules of a call that computed in float32 on half-precision arrays: they do so as well, and each gradient takes the
    dtype of its input. Rules that are recorded run as any operation on such tensors.
    """
    dtypes = n.extra["dtypes"]
    if create_graph:
        found = n.op.gradients(n, g, True)
    else:
        shape = n.shape if n.op.outputs == 1 else [(shape, _WIDE.get(d, d)) for shape, d in n.shape]
        copy = Node(n.op, n.parents, _wide(n.saved), n.params, n.serial, shape)
        copy.extra = n.extra
        found = n.op.gradients(copy, _wide(g), False)
    return [d if d is None or dtype is None or d.dtype == dtype else _cast(d, dtype) for d, dtype in zip(found, dtypes)]


def _cast(d, dtype):
    return (recorded if isinstance(d, Tensor) else backends.of(d)).astype(d, dtype=dtype)


_WIDE = {np.dtype(d): np.dtype(np.float32) for d in (np.float16, bfloat16)}


def _wide(value):
    if value.__class__ is tuple or value.__class__ is list:
        return tuple([_wide(v) for v in value])
    dtype = getattr(value, "dtype", None)
    return backends.of(value).astype(value, dtype=_WIDE[dtype]) if dtype in _WIDE and hasattr(value, "shape") else value


def _conjugated(n, g, create_graph):
    """The rules of a function that is differentiable in the complex sense: they multiply by f'(z), and the gradient, which
    points where the loss rises, needs the conjugate of it: conj(conj(g) f'(z)) = g conj(f'(z)).
    """
    xp = recorded if create_graph else backends.of(g)
    return [None if d is None else xp.conj(d) for d in n.op.gradients(n, xp.conj(g), create_graph)]


def _check_anomaly(n, i, d):
    settings = n.extra["anomaly"]
    if settings.check_nan:
        array = d.array if isinstance(d, Tensor) else d
        if bool((array != array).any()):
            raise errors.nan_gradient(n.name(), i, settings.text)


def _free(n):
    if n.saved is not None and n.op.name not in _LASTING:
        n.saved = None
    if n.extra is not None:
        n.extra.pop("packed", None)
        if "ctx" in n.extra:
            n.extra["ctx"].free()


def _first_gradient(t, g, create_graph):
    array = t.array
    if g is None:
        if array.size != 1:
            raise errors.not_scalar(array.shape)
        if array.dtype.kind == "c":
            raise errors.not_real(t.dtype)
        g = backends.of(array).one(array)
        return wrap(g) if create_graph else g
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {errors.describe(g)}")
    if g.array.shape != array.shape:
        raise errors.gradient_shape(g.array.shape, array.shape)
    if backends.wrappers and getattr(array, "level", None) is not getattr(g.array, "level", None):
        g = recorded.add(g, recorded.zeros_like(t))  # inside vmap, the gradient of what differs by sample differs, too
    return g if create_graph else g.array


def _reachable(roots):
    """The inner nodes behind ``roots``, youngest first, and the leaves."""
    nodes, leaves, stack = set(), set(), list(roots)
    while stack:
        n = stack.pop()
        if n.op is LEAF:
            leaves.add(n)
        elif n not in nodes:
            nodes.add(n)
            for p in n.parents:
                if p is not None:
                    stack.append(p)
    return sorted(nodes, key=_serial, reverse=True) if len(nodes) > 1 else nodes, leaves


def _accumulate(grads, p, d):
    old = grads.get(p)
    grads[p] = d if old is None else old + d


def unbroadcast(g, shape):
    """Sum a gradient over the axes along which its input was broadcast. Works on raw arrays and on Tensors."""
    xp = recorded if isinstance(g, Tensor) else backends.of(g)
    extra = len(g.shape) - len(shape)
    axes = (*range(extra), *(i + extra for i, s in enumerate(shape) if s == 1 and g.shape[i + extra] != 1))
    if axes:
        g = xp.sum(g, axis=axes, keepdims=True)
    if extra > 0:
        g = xp.reshape(g, shape=tuple(g.shape[extra:]))
    if g.shape != shape:  # a rule may return less than the full shape, for instance a constant
        g = xp.broadcast_to(g, shape=tuple(shape))
    return g


def _into_leaf(n, g, create_graph, given):
    """Add ``g`` to ``.grad`` of a leaf. No two ``.grad`` may share memory: what is not surely ours is copied."""
    t = n.extra["tensor"]()
    if t is None:
        return
    if create_graph:
        _add_to_grad(t, g, True)
    else:
        array = t.array
        if g.dtype is not array.dtype and g.dtype != array.dtype:
            g = backends.of(g).astype(g, dtype=array.dtype)
        if t._grad is None:
            if id(g) in given or g.__class__ is not array.__class__ or g.base is not None:
                xp = backends.of(array)
                g = xp.asarray(g)
                g = g.copy() if g.flags.c_contiguous else xp.contiguous(g)
            given.add(id(g))
            t._grad = wrap(g)
        else:
            _add_to_grad(t, wrap(g), False)
    if "post" in n.extra:
        for hook in list(n.extra["post"].values()):
            hook(t)


def _add_to_grad(t, g, create_graph):
    """``t.grad += g``, in the memory of the old gradient where nothing is recorded."""
    old = t.grad
    if old is None:
        t.grad = recorded.copy(g) if create_graph else g
    elif create_graph:
        t.grad = old + g
    elif graph.tracer.get() is not None:
        old.add_(g)
    else:
        old.array[...] += g.array
        _writes.stamp(old.array)


def _extras(n, g, create_graph):
    """Hooks on tensors, and retained gradients. What users hook on the node itself comes after them, where it runs."""
    if isinstance(g, list):  # what users hook on tensors is kept at the picks
        return g
    for hook in list(n.extra.get("hooks", {}).values()):
        result = hook(g if create_graph else wrap(backends.of(g).asarray(g)))
        if result is not None:
            if not isinstance(result, Tensor):
                raise TypeError(f"expected Variable, but hook returned {type(result).__name__!r}: return a Tensor or None")
            if tuple(result.array.shape) != tuple(g.shape):
                raise errors.ShapeError(
                    f"hook {getattr(hook, '__name__', hook)!r} has changed the size of value: {tuple(result.array.shape)} for a "
                    f"gradient of shape {tuple(g.shape)}"
                )
            g = result if create_graph else result.array
    retained = n.extra.get("retain")
    if retained is not None and (t := retained()) is not None:
        kept = g if create_graph else wrap(backends.of(g).asarray(g).copy())
        t._grad = kept if t._grad is None else t._grad + kept
    return g


def _check_writes(n):
    for name, kept in zip(n.op.layout, n.saved):
        for a in kept if kept.__class__ is tuple else (kept,):
            if hasattr(a, "dtype") and hasattr(a, "shape") and _writes.when(a) > n.serial:
                raise errors.written(n.op.name, "output" if name == "y" else f"input {name!r}")


class _Recorded:
    """``xp`` for rules that must themselves be recorded: the vocabulary on Tensors. ``op.py`` fills it."""

    def __getattr__(self, word):
        raise AttributeError(f"a rule used xp.{word}, which is no operation: higher-order gradients need one")


recorded = _Recorded()


def _tensor_backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Compute the gradient of this tensor with respect to every leaf, and add it to their ``.grad``.

    ``gradient``: the gradient of some scalar with respect to this tensor; only a scalar needs none.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([2., 4.])
    """
    if self.node is None:
        raise errors.no_history()
    if inputs is not None:
        backward([self], None if gradient is None else [gradient], retain_graph, create_graph, inputs=inputs)
    else:
        sweep((self,), (gradient,), None, create_graph if retain_graph is None else retain_graph, create_graph)


Tensor.backward = _tensor_backward
Tensor.backward.__name__ = "backward"
