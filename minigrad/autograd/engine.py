"""Reverse-mode differentiation: one iterative sweep over the recorded nodes, youngest first.

Every node is younger than the nodes it was computed from, so descending serial numbers are a topological order and no
recursion is needed. Rules run on raw arrays; with ``create_graph`` the same rules run on Tensors and are recorded.
Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 18 (2018), section 3.2.
"""

import operator

import numpy as np

from .. import backends, errors, graph
from ..graph import LEAF, PICK
from ..tensor import Tensor, wrap

# What NumPy raises for log(0) or inf - inf where the caller has made such warnings errors. Like PyTorch, minigrad computes
# on: the quick ways are left, and the general ways run with NumPy's floating-point checks off.
FLOATING = (RuntimeWarning, FloatingPointError)
_serial = operator.attrgetter("serial")
_set_recording, _reset_recording = graph._recording.set, graph._recording.reset
_by_type = backends.by_type
_writes = graph.writes


def backward(tensors, gradients=None, retain_graph=None, create_graph=False, inputs=None):
    """Accumulate d tensors / d leaf into ``.grad`` of every leaf (or of ``inputs`` alone).

    ``gradients`` are the upstream gradients, one per tensor; a scalar needs none.

    >>> import minigrad
    >>> x = minigrad.tensor(3.0, requires_grad=True)
    >>> minigrad.autograd.backward([x * x]); x.grad
    tensor(6.)
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    gradients = _as_list(gradients, len(tensors))
    if retain_graph is None:
        retain_graph = create_graph
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not inputs:
            raise errors.GradError("backward: `inputs` argument to `backward` cannot be empty; leave it out for all leaves")
    sweep(tensors, gradients, None, retain_graph, create_graph, into=inputs)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None,
         is_grads_batched=False, materialize_grads=False, only_inputs=True):  # fmt: skip
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
    if is_grads_batched:
        raise NotImplementedError("grad(is_grads_batched=True): call grad once per row of grad_outputs")
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for t in inputs:
        if t.node is None:
            raise errors.GradError(
                "One of the differentiated Tensors does not require grad: set requires_grad=True before using it"
            )
    if retain_graph is None:
        retain_graph = create_graph
    found = sweep(outputs, _as_list(grad_outputs, len(outputs)), {t.node for t in inputs}, retain_graph, create_graph)
    results = []
    for index, t in enumerate(inputs):
        g = found.get(t.node)
        if g is None and materialize_grads:
            g = wrap(backends.of(t.array).zeros_like(t.array))
        elif g is None and not allow_unused:
            raise errors.unused_input(index)
        results.append(g if g is None or isinstance(g, Tensor) else _own(g, t))
    return tuple(results)


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
    return list(gradients)


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
    targets = wanted if into is None else {t.node for t in into}
    results = {}
    token = _set_recording(create_graph)
    try:
        for n in nodes:
            g = grads.pop(n, None)
            if g is not None:
                if (
                    n.extra is None
                    and not create_graph
                    and n.op.backward is not None
                    and n.saved is not None
                    and (targets is None or n not in targets)
                ):
                    if _writes.last > n.serial:
                        _check_writes(n)
                    try:
                        n.op.backward(_by_type.get(g.__class__) or backends.of(g), n, g, grads)
                    except FLOATING:
                        _visit(n, g, grads, targets, results, create_graph)
                else:
                    _visit(n, g, grads, targets, results, create_graph)
                if not retain and n.op is not PICK:
                    _free(n)
        for n in leaves:
            g = grads.get(n)
            if g is None:
                continue
            if len(n.extra) > 1:
                g = _extras(n, g, create_graph)
            if targets is not None and n in targets:
                results[n] = g
            if wanted is None and (targets is None or n in targets):
                _into_leaf(n, g, create_graph, given)
    finally:
        _reset_recording(token)
    for t in into or ():
        if not t.is_leaf and t.node in results:
            g = results[t.node]
            _add_to_grad(t, g if isinstance(g, Tensor) else wrap(g.copy()), create_graph)
    return results


def _visit(n, g, grads, targets, results, create_graph):
    """One node in the general way: hooks, several outputs, recorded rules, kernels with a residual."""
    with np.errstate(all="ignore"):
        _visit_quietly(n, g, grads, targets, results, create_graph)


def _visit_quietly(n, g, grads, targets, results, create_graph):
    if n.extra is not None:
        g = _extras(n, g, create_graph)
    if targets is not None and n in targets:
        results[n] = g
    op = n.op
    if op is PICK:
        (p,) = n.parents
        parts = grads.setdefault(p, [None] * p.op.outputs)
        old = parts[n.params]  # a rule that is recorded makes nodes of its own for the outputs it reads
        parts[n.params] = g if old is None else old + g
        return
    if n.saved is None:
        raise errors.freed(op.name)
    if _writes.last > n.serial:
        _check_writes(n)
    for i, (p, d) in enumerate(zip(n.parents, _gradients(n, g, create_graph))):
        if p is None or d is None:
            continue
        if op.broadcasts and d.shape != p.shape:
            d = unbroadcast(d, p.shape)
        if n.extra is not None and "anomaly" in n.extra:
            _check_anomaly(n, i, d)
        _accumulate(grads, p, d)


def _gradients(n, g, create_graph):
    try:
        return n.op.gradients(n, g, create_graph)
    except Exception as error:
        if n.extra is not None and "anomaly" in n.extra:
            error.add_note(f"The forward call was:\n{n.extra['anomaly'].text}")
        raise


def _check_anomaly(n, i, d):
    settings = n.extra["anomaly"]
    if settings.check_nan:
        array = d.array if isinstance(d, Tensor) else d
        if bool((array != array).any()):
            raise errors.nan_gradient(n.name(), i, settings.text)


def _free(n):
    n.saved = None
    if n.extra is not None:
        n.extra.pop("residual", None)


def _first_gradient(t, g, create_graph):
    array = t.array
    if g is None:
        if array.size != 1:
            raise errors.not_scalar(array.shape)
        g = backends.of(array).one(array)
        return wrap(g) if create_graph else g
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {errors.describe(g)}")
    if g.array.shape != array.shape:
        raise errors.gradient_shape(g.array.shape, array.shape)
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
            g = g.astype(array.dtype)
        if t._grad is None:
            if id(g) in given or g.__class__ is not array.__class__ or g.base is not None:
                g = backends.of(array).asarray(g).copy()
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
        t.grad = g
    elif create_graph or old.node is not None:
        t.grad = old + g
    elif graph.tracer.get() is not None:
        old.add_(g)
    else:
        old.array[...] += g.array
        _writes.stamp(old.array)


def _extras(n, g, create_graph):
    """Hooks and retained gradients of a node."""
    if isinstance(g, list):  # a node with several outputs has no hooks of its own: its picks have
        return g
    for hook in list(n.extra.get("hooks", {}).values()):
        result = hook(g if create_graph else wrap(backends.of(g).asarray(g)))
        if result is not None:
            if not isinstance(result, Tensor):
                raise TypeError(f"a gradient hook must return a Tensor or None, got {errors.describe(result)}")
            if tuple(result.array.shape) != tuple(g.shape):
                raise errors.gradient_shape(result.array.shape, g.shape)
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
        backward([self], None if gradient is None else [gradient], retain_graph, create_graph, inputs)
    else:
        sweep((self,), (gradient,), None, create_graph if retain_graph is None else retain_graph, create_graph)


Tensor.backward = _tensor_backward
Tensor.backward.__name__ = "backward"
