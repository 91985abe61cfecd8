"""A user's Function under ``vmap``, by the rule that its class gives: ``vmap(info, in_dims, *args)``."""

from collections import namedtuple

from .. import graph
from ..tensor import Tensor
from .batching import ENTER, LEAVE, Batched
from .tree import broadcast_prefix, leaves, unflatten

VmapInfo = namedtuple("VmapInfo", ["batch_size", "randomness"])


def by_own_rule(cls, args):
    """``(True, result)`` by the rule of the class, or ``(False, None)`` where no argument differs from sample to sample."""
    level = _innermost(args)
    if level is None:
        return False, None
    if cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and a vmap staticmethod. Please set "
            f"generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity."
        )
    flat = leaves(args)
    dims = [0 if _differs(a, level) else None for a in flat]
    outer = tuple([o for o in graph.levels.get() if o is not level])
    token = graph.levels.set(outer)
    try:
        full = unflatten(args, [LEAVE(a, level) if d == 0 else a for a, d in zip(flat, dims)])
        result = cls.vmap(VmapInfo(level.size, level.randomness), unflatten(args, dims), *full)
    finally:
        graph.levels.reset(token)
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(f"{cls.__name__}.vmap: expected a tuple (output, out_dims), got {type(result).__name__}")
    out, out_dims = result
    found = broadcast_prefix(out_dims, out)
    inside = [t if d is None else ENTER(t if d == 0 else t.movedim(d, 0), level) for t, d in zip(leaves(out), found)]
    return True, unflatten(out, inside)


def _differs(a, level):
    return isinstance(a, Tensor) and isinstance(a.array, Batched) and a.array.level is level


def _innermost(args):
    levels = [a.array.level for a in leaves(args) if isinstance(a, Tensor) and isinstance(a.array, Batched)]
    return max(levels, key=lambda level: level.start, default=None)
