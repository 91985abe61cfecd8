"""Backward passes that stay one call in a trace: of operations that have a kernel for them.

The backward of such an operation is recorded as ``<name>_vjp(gradients of the outputs, what the rules read)``. Its text is the
operation's own rules, so it opens like any other composed call where no kernel takes it.
"""

from types import SimpleNamespace

from ..backends.words import bodies
from .arrays import record

WHOLE = frozenset("cross_entropy layer_norm rms_norm group_norm batch_norm attention lstm gru rnn grid_sample".split())


def is_whole(op):
    return op.name in WHOLE


def gradients(op, n, g):
    """The gradient of every parent of node ``n``, recorded as one call on the traced arrays."""
    word = f"{op.name}_vjp"
    if word not in bodies:
        bodies[word] = _body(op)
    outputs = list(g) if op.outputs > 1 else [g]
    arrays, layout = list(outputs), []
    for slot in n.saved:
        if hasattr(slot, "dtype") and hasattr(slot, "shape"):
            arrays.append(slot)
            layout.append("?")
        elif slot.__class__ is tuple and slot and all(hasattr(a, "dtype") and hasattr(a, "shape") for a in slot):
            arrays += slot
            layout.append(("?",) * len(slot))
        else:
            layout.append(slot)
    needed = tuple([p is not None for p in n.parents])
    shapes = n.shape if op.outputs > 1 else None
    found = record(word, *arrays, layout=tuple(layout), needed=needed, shapes=shapes, params=tuple((n.params or {}).items()))
    rest = iter(found)
    return [next(rest) if wanted and op.rule(i) is not None else None for i, wanted in enumerate(needed)]


def _body(op):
    def body(xp, *arrays, layout, needed, shapes, params):
        """The rules of the operation; what they give is in the order of the inputs that need a gradient."""
        rest = iter(arrays)
        g = [next(rest) for _ in range(op.outputs)]
        saved = [filled(slot, rest) for slot in layout]
        node = SimpleNamespace(params=dict(params), parents=[True if wanted else None for wanted in needed], shape=shapes)
        g = op._fill(g, node, xp) if op.outputs > 1 else g[0]
        found = op._by_rules(xp, g, saved, node)
        return tuple([d for i, (d, wanted) in enumerate(zip(found, needed)) if wanted and op.rule(i) is not None])

    return body


def filled(slot, rest):
    if slot == "?":
        return next(rest)
    return tuple([next(rest) for _ in slot]) if slot.__class__ is tuple and slot and slot[0] == "?" else slot
