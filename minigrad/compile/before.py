"""Which Tensors there were before a run, without a list of all objects of the process."""

import gc
import types

from ..tensor import Tensor
from .turns import alone

_LIMIT = 20_000  # objects that are looked at beforehand
_ASIDE = (types.ModuleType, type, types.CodeType, types.FrameType, types.BuiltinFunctionType, str, bytes)


class Before:
    """While it lasts, ``gc.get_objects()`` lists only what was made since: all else is frozen.

    The Tensors that can be reached from ``roots`` are known to be older. Any other that is met is looked for among the new
    objects.
    """

    def __init__(self, roots):
        self.alone = alone()
        self.alone.__enter__()
        self.known = {id(t): t for t in _tensors_under(roots)}
        self.new = set()
        gc.freeze()

    def has(self, t):
        """Whether the Tensor ``t`` is older than this."""
        if id(t) in self.known:
            return True
        for generation in (0, None):  # most have just been made
            if id(t) in self.new:
                return False
            # an id of these can only go to a Tensor that is newer still
            self.new |= {id(o) for o in made_tensors(generation)}
        if id(t) not in self.new:
            self.known[id(t)] = t
            return True
        return False

    def add(self, t):
        """``t`` counts as older, too."""
        self.known[id(t)] = t

    def close(self):
        gc.unfreeze()
        self.known, self.new = {}, set()
        self.alone.__exit__()


def made_tensors(generation=None):
    """The Tensors among the objects that are not frozen: all, or those of the youngest generation, 0."""
    kinds = {}
    found = []
    for o in gc.get_objects(generation):
        kind = type(o)
        if kind not in kinds:
            kinds[kind] = issubclass(kind, Tensor)
        if kinds[kind]:
            found.append(o)
    return found


def _tensors_under(roots):
    """Tensors that ``roots`` refer to, near ones first."""
    seen, found, level = set(), [], [r for r in roots if not isinstance(r, types.ModuleType)]
    while level and len(seen) < _LIMIT:
        seen.update(map(id, level))
        found += [o for o in level if isinstance(o, Tensor)]
        below = gc.get_referents(*[_without_globals(o) for o in level])
        fresh = {id(o): o for o in below if id(o) not in seen and gc.is_tracked(o) and not isinstance(o, _ASIDE)}
        level = list(fresh.values())
    return found


def _without_globals(o):
    """A function refers to all globals of its module; those that it names are enough."""
    if not isinstance(o, types.FunctionType):
        return o
    named = [o.__globals__[n] for n in o.__code__.co_names if n in o.__globals__]
    return (o.__closure__, o.__defaults__, o.__kwdefaults__, o.__dict__, named)
