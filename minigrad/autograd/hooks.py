"""What the sweep does at few nodes: hooks of users, tensors packed away, nodes that were freed, one output of several."""

from .. import backends, errors
from ..tensor import Tensor, wrap

# What PyTorch keeps nothing for, so that a second backward pass may run through it.
_STATELESS = frozenset(
    """add subtract negative sum mean reshape permute_dims matrix_transpose broadcast_to expand concat stack slice getitem copy
    contiguous flip roll cumsum pad alias diagonal tril triu sliding strided diagonal_put resample round floor ceil trunc sign
    """.split()
)
LASTING = frozenset(["astype", "concat"])  # of these, what is kept is small, and the parents' shapes do not say it: never freed


def put_part(xp, n, g, grads):
    """The gradient of one output of several, beside the others'."""
    (p,) = n.parents
    parts = grads.get(p)
    if parts is None:
        parts = grads[p] = [None] * p.op.outputs
    old = parts[n.params]  # a rule that is recorded makes nodes of its own for the outputs it reads
    parts[n.params] = g if old is None else old + g


def backend(g):
    """Of a gradient, or of those of several outputs."""
    return backends.of(next(part for part in g if part is not None) if g.__class__ is list else g)


def revived(n):
    """Whether a node that was freed can run again: what its rules need follows from its parents' shapes."""
    if n.extra is not None and "ctx" in n.extra:
        n.saved = (n.extra["ctx"],)  # a user's Function knows itself whether its tensors were freed
        return True
    if n.op.name not in _STATELESS:
        return False
    kept = []
    for name, needed in zip(n.op.layout, n.op.keep(tuple([p is not None for p in n.parents]))):
        what, i = n.op.where[name]
        several = n.parents[i:] if what == "shapes" else (n.parents[i],)
        if needed and (what not in ("shape", "shapes") or any(p is None for p in several)):
            return False
        shapes = tuple([tuple(p.shape) for p in several]) if needed else None
        kept.append(shapes if what == "shapes" or not needed else shapes[0])
    n.saved = tuple(kept)
    return True


def leading_to(targets, nodes, themselves):
    """Those of ``nodes`` (youngest first) behind which a target lies: no other rule has to run, and no other memory is freed.

    ``themselves``: the targets, too, as PyTorch does where it writes ``.grad``.
    """
    needed = targets.intersection(nodes) if themselves else set()
    for n in reversed(list(nodes)):
        if any(p in targets or p in needed for p in n.parents if p is not None):
            needed.add(n)
    return needed


def due(nodes, leaves):
    """node -> the leaves with hooks whose gradient is complete once it has run. They are called then, as PyTorch does."""
    hooked = {n for n in leaves if len(n.extra) > 1}
    last = {}
    if hooked:
        for n in nodes:
            for p in n.parents:
                if p in hooked and (p not in last or n.serial < last[p].serial):
                    last[p] = n
    return {n: [p for p in dict.fromkeys(n.parents) if last.get(p) is n] for n in last.values()}


def after(n, found, g, create_graph):
    """The hooks that see, and may replace, what a node sends on."""
    found = list(found)
    places = n.extra.get("tensors", range(len(found)))  # of a user's Function: the arguments that are tensors
    seen = [found[i] for i in places]
    seen = tuple([d if d is None or create_graph else wrap(backends.of(d).asarray(d)) for d in seen])
    parts = tuple(g) if isinstance(g, list) else (g,)
    outputs = tuple([d if d is None or create_graph else wrap(backends.of(d).asarray(d)) for d in parts])
    for hook in list(n.extra["posthooks"].values()):
        result = hook(seen, outputs)
        if result is not None:
            seen = (result,) if isinstance(result, Tensor) else tuple(result)
            if len(seen) != len(places):
                raise errors.GradError(
                    f"hook has returned an incorrect number of values (got {len(seen)}, but expected {len(places)})"
                )
            for i, d in zip(places, seen):
                found[i] = d if d is None or create_graph else d.array
    return found


def before(n, g, create_graph):
    """The hooks that see, and may replace, what arrives at a node."""
    parts = tuple(g) if isinstance(g, list) else (g,)
    for hook in list(n.extra["prehooks"].values()):
        seen = tuple([d if d is None or create_graph else wrap(backends.of(d).asarray(d)) for d in parts])
        result = hook(seen)
        if result is not None:
            result = (result,) if isinstance(result, Tensor) else tuple(result)
            parts = tuple([d if d is None or create_graph else d.array for d in result])
    return list(parts) if isinstance(g, list) else parts[0]


def unpacked(n, g, create_graph):
    """The rules with what the hooks of ``saved_tensors_hooks`` give back in place of what they took."""
    n.saved = n.extra["packed"].restore(n.saved)
    try:
        return n.op.gradients(n, g, create_graph)
    finally:
        if n.saved is not None:
            n.saved = n.extra["packed"].empty(n.saved)
