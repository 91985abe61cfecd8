"""Derivatives pushed forward through a recorded graph.

A rule sends a gradient ``g`` of an operation's output back to its inputs, and is linear in ``g``. So its transpose sends
tangents of the inputs on to the output, and the transpose of a linear function is its own gradient: run the rule, recorded,
on a ``g`` whose value does not matter, and differentiate by ``g``. No operation needs a second rule, and what comes out is
recorded, so it can be differentiated again. Townsend, "A new trick for calculating Jacobian vector products" (2017), done node
by node.
"""

from .. import backends, graph
from ..dtype import of_numpy
from ..graph import LEAF, PICK
from ..tensor import Tensor, wrap
from .engine import grad, unbroadcast


def push(outputs, seeds):
    """The tangents of ``outputs`` (None where there is none), given those of some nodes: ``seeds`` is {node: Tensor}."""
    tangents = dict(seeds)
    with graph.enable_grad():
        for n in _oldest_first([t.node for t in outputs if t.node is not None], seeds):
            if n.op is PICK:
                parts = tangents.get(n.parents[0])
                if parts is not None and parts[n.params] is not None:
                    tangents[n] = parts[n.params]
            elif n.op is not LEAF and any(p in tangents for p in n.parents):
                found = _forward(n, [tangents.get(p) for p in n.parents])
                if found is not None:
                    tangents[n] = found
    return [None if t.node is None else tangents.get(t.node) for t in outputs]


def _oldest_first(roots, seeds):
    seen, stack = set(), roots
    while stack:
        n = stack.pop()
        if n not in seen and n not in seeds:
            seen.add(n)
            stack.extend(p for p in n.parents if p is not None)
    return sorted(seen, key=lambda n: n.serial)


def _forward(n, given):
    """The tangent of a node from those of its parents; a list where it has several outputs."""
    own = getattr(n.op, "push", None)
    return transposed(n, given) if own is None else own(n, given)


def transposed(n, given):
    """The tangent of a node by the transpose of its rules."""
    some = next(t for t in given if t is not None)
    if n.op.kind == "boundary":
        return n.op(some, n.params)
    upstream = _upstreams(n, some)
    parts = n.op.gradients(n, upstream if n.op.outputs > 1 else upstream[0], True)
    pairs = [
        (unbroadcast(d, p.shape) if n.op.broadcasts and d.shape != p.shape else d, t)
        for d, p, t in zip(parts, n.parents, given)
        if d is not None and p is not None and t is not None and d.requires_grad
    ]
    if not pairs:
        return None
    wanted = [u for u in upstream if u.requires_grad]
    found = grad([d for d, _ in pairs], wanted, [t for _, t in pairs], create_graph=True, allow_unused=True)
    if n.op.outputs == 1:
        return found[0]
    found = iter(found)
    return [next(found) if u.requires_grad else None for u in upstream]


def _upstreams(n, like):
    """A stand-in for the gradient of each output: only its shape and dtype matter."""
    if n.op.outputs > 1:
        described = n.shape
    else:
        described = [(n.shape, n.params["dtype"] if n.op.kind == "cast" else like.array.dtype)]
    made = []
    for shape, dtype in described:
        array = like.array
        while hasattr(array, "level"):  # a stand-in is the same for every sample of a vmap
            array = array.value
        u = wrap(backends.of(array).full(array, shape=tuple(shape), value=1, dtype=dtype))
        made.append(u.requires_grad_() if of_numpy[u.array.dtype].category >= 2 else u)
    return made


def reaches_outside(t, fresh):
    """Whether the history of ``t`` leads to a leaf that is not one of the nodes ``fresh``."""
    seen, stack = set(), [t.node]
    while stack:
        n = stack.pop()
        if n is None or n in seen:
            continue
        seen.add(n)
        if n.op is LEAF:
            if n not in fresh:
                return True
        else:
            stack.extend(n.parents)
    return False


def settled(t, fresh, keep=True):
    """``t`` without the history that ends in ``fresh`` alone, which only one transform knows."""
    if not isinstance(t, Tensor) or t.node is None:
        return t
    return t if keep and reaches_outside(t, fresh) else t.detach()
