"""What a traced run depended on besides its arguments, and whether it is still so: the guards of a program.

A program that is used again although something it read has changed computes wrong numbers in silence. So every replay first
asks :meth:`Guards.hold`, in a few microseconds: it compares identities and one counter, and looks deeper only where they differ.

* A record is one place that was read: a global, a closure variable, an attribute, an entry of a dict or list.
* Modules, and hooks of any kind, move a counter when they change (``graph.changes``); while it stands, they are not looked at.
* Optimizers: their groups, settings and state. The learning rate is a run-time input, and so are momentum and betas from
  when they were first found changed; of these only the kind is compared.
* Tensors from outside: shape, dtype, whether they require a gradient and whether they have one. Their values are read anew
  at each call.
"""

from itertools import chain, repeat
from operator import attrgetter, getitem, is_, is_not, itemgetter

import numpy as np

from ..errors import TraceError
from ..graph import changes, owner_of
from ..nn.hooks import everywhere
from ..optim import optimizer as optimizers
from ..tensor import Tensor

MISSING = type("Missing", (), {"__repr__": lambda self: "missing"})()
PLAIN = frozenset({int, float, bool, str, bytes, complex, type(None), type(...), range, slice})


def same(now, before):
    """Whether a value is what it was: the same object, or an equal plain value of the same type."""
    if now is before:
        return True
    if type(now) is not type(before):
        return False
    if type(now) is float:
        return now.hex() == before.hex()  # NaN is what it was, and -0.0 is not 0.0
    if type(now) in PLAIN or isinstance(now, np.generic):
        return repr(now) == repr(before)
    if type(now) is tuple:
        return len(now) == len(before) and all(map(same, now, before))
    return False


class Record:
    """One place that a run read: how to read it again, and the value that it had."""

    __slots__ = ("owner", "box", "key", "value", "text")
    order = 0

    def __init__(self, owner, box, key, value, text):
        self.owner, self.box, self.key, self.value, self.text = owner, box, key, value, text

    def now(self):
        raise NotImplementedError

    def holds(self):
        """Whether the place has the same value; an equal one takes the place of the old, so that identity is enough next time."""
        now = self.now()
        if same(now, self.value):
            self.value = now
            return True
        return False


class Item(Record):
    """``box[key]``; MISSING where there was none."""

    __slots__ = ()

    def now(self):
        try:
            return self.box[self.key]
        except (KeyError, IndexError):
            return MISSING


class Cell(Record):
    """A variable of an enclosing function."""

    __slots__ = ()

    def now(self):
        try:
            return self.box.cell_contents
        except ValueError:
            return MISSING


class Attribute(Record):
    """An attribute that is in no ``__dict__``: of a class with slots, or the default arguments of a function."""

    __slots__ = ()

    def now(self):
        return getattr(self.box, self.key, MISSING)


class Length(Record):
    """How many elements a container has."""

    __slots__ = ()

    def now(self):
        return len(self.box)


class Content(Record):
    """All of a container of plain values, or of an array, as a copy."""

    __slots__ = ()

    def now(self):
        return content(self.box)


def content(box):
    """A copy that is equal to another exactly where the contents are the same."""
    if isinstance(box, np.ndarray):
        return (box.shape, str(box.dtype), box.tobytes())
    if isinstance(box, dict):
        return (*box.keys(), MISSING, *box.values())
    return tuple(sorted(box, key=repr)) if isinstance(box, set | frozenset) else tuple(box)


_ASIDE = ("params", "param_names", "initial_lr")  # of a group: compared in another way, or not read by a step


class OptimizerGuard:
    """The groups, the settings and the state that an optimizer ran with; where it did not step, the settings do not matter."""

    def __init__(self, optimizer, runtime, stepped):
        self.optimizer = optimizer
        self.groups, self.state, self.step = optimizer.param_groups, optimizer.state, optimizer.__dict__.get("step")
        self.hooks = self._hooks()
        self.each = list(self.groups)
        self.live = [(g, k, _nature(k, g[k])) for g in self.groups for k in g if (id(g), k) in runtime]
        self.frozen = [(g, k, g[k]) for g in self.groups for k in optimizer._anew if k in g and (id(g), k) not in runtime]
        names = [[k for k in g if k not in _ASIDE and (id(g), k) not in runtime] if stepped else [] for g in self.groups]
        self.picks = [itemgetter("params", "params", *n) for n in names]  # two or more, so that each gives a tuple
        self.sizes = [len(g) for g in self.groups] if stepped else None
        self.entries = dict.values if all(isinstance(s, dict) for s in self.state.values()) else _entries
        self.before = self._now()

    def _now(self):
        """The entries of the state, the settings that are frozen, and the parameters, in one list."""
        found = list(chain.from_iterable(map(self.entries, self.state.values())))
        for g, pick in zip(self.each, self.picks):
            found += pick(g)
            found += g["params"]
        found += [g[k] for g, k, nature in self.live if nature is Tensor]
        return found

    def _hooks(self):
        own = self.optimizer.__dict__.get("_hooks", {})
        found = [own.get("step_pre", {}), own.get("step_post", {})]
        found += [optimizers._global_optimizer_pre_hooks, optimizers._global_optimizer_post_hooks]
        return [list(h.values()) for h in found]

    def structure_holds(self):
        return self._hooks() == self.hooks

    def holds(self):
        own = self.optimizer.__dict__
        if own["param_groups"] is not self.groups or own["state"] is not self.state or own.get("step") is not self.step:
            return False
        if len(self.groups) != len(self.each) or not all(map(is_, self.groups, self.each)):
            return False
        if self.sizes is not None and list(map(len, self.each)) != self.sizes:
            return False
        try:
            now, before = self._now(), self.before
        except (KeyError, TypeError):  # a setting was deleted, or something in the state is no dict any more
            return False
        if len(now) != len(before):
            return False
        for g, k, nature in self.live:
            if _nature(k, g[k]) != nature:
                return False
        if not all(map(is_, now, before)):
            if not all(map(same, now, before)):
                self._note_changing()
                return False
            self.before = now
        return True

    def _note_changing(self):
        """Settings that can be read anew at each call, and that have changed, will be from the next trace on."""
        changing = {k for g, k, value in self.frozen if not same(g.get(k), value)}
        if changing:
            self.optimizer.__dict__["_changing"] = self.optimizer._changing | changing


def _nature(key, value):
    """What has to stay of a setting that is read anew: that it is a Tensor, a 0 (which may be another rule), or neither."""
    if isinstance(value, tuple):
        return tuple([_nature(key, v) for v in value])
    if isinstance(value, Tensor):
        return Tensor
    return key != "lr" and not value


def _entries(entry):
    return entry.values() if isinstance(entry, dict) else (entry,)


def structure(module):
    """Parameters, buffers, submodules and hooks of a module, by identity."""
    own = module.__dict__
    kinds = [own[k] for k in ("_parameters", "_buffers", "_modules")]
    hooks = [own[k] for k in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")]
    return (
        tuple([(name, value) for kind in kinds for name, value in kind.items()]),
        tuple([(None, hook) for kind in hooks for hook in kind.values()]),
        (("forward", own.get("forward")),),
    )


def same_structure(a, b):
    return all(len(x) == len(y) and all(p[0] == q[0] and p[1] is q[1] for p, q in zip(x, y)) for x, y in zip(a, b))


def hooks_of(node):
    """The hooks of a tensor with this node."""
    extra = node.extra if node is not None else None
    return [] if not extra else [h for kind in ("hooks", "post", "posthooks", "prehooks") for h in extra.get(kind, {}).values()]


class Guards:
    """Whether a program may be used again.

    Args:
        records: places that are compared before every call.
        quiet: places in modules, which are compared when ``graph.changes`` has moved.
        modules: (module, its structure).
        guards: OptimizerGuards.
        tensors: (tensor, its array, its node, its hooks) of tensors from outside.
        gradients: (tensor, whether it has a gradient).
        written: tensors that the program writes to, and the arrays of tensors while the run lasts, id(tensor) -> array.
    """

    def __init__(self, records, quiet, modules, guards, tensors, gradients, written):
        self.records, self.quiet, self.modules, self.optimizers = list(records), list(quiet), list(modules), list(guards)
        self.tensors, self.arrays = [t for t, *_ in tensors], [a for _, a, *_ in tensors]
        self.hooks = [h for *_, h in tensors]
        states = {id(v) for g in self.optimizers for v in g.before}  # nobody asks for gradients of these, parameters apart
        states -= {id(p) for g in self.optimizers for group in g.each for p in group["params"]}
        leaves = [(t, n) for t, _, n, _ in tensors if id(t) not in states]
        self.leaves, self.nodes = [t for t, _ in leaves], [n for _, n in leaves]
        gradients = [(t, had) for t, had in gradients if had or id(t) not in states]
        self.with_grad, self.without = [[t for t, had in gradients if had is flag] for flag in (True, False)]
        self.everywhere = list(everywhere.items())
        self.changes = changes[0]
        self.written, arrays = written
        self.memory = {id(owner_of(arrays[id(t)])) for t in self.written}
        self.moved = 0  # how often a tensor from outside was found with another array
        self.checks = [*self._record_checks(), *[g.holds for g in self.optimizers]]

    def hold(self):
        """Whether everything that the run read is as it was."""
        if changes[0] != self.changes and not self._structure_holds():
            return False
        if not all(map(is_, map(_array, self.tensors), self.arrays)) and not self._arrays_hold():
            return False
        if not all(map(is_, map(_node, self.leaves), self.nodes)):
            return False
        if not all(map(is_not, map(_grad, self.with_grad), repeat(None))) or not all(
            map(is_, map(_grad, self.without), repeat(None))
        ):
            return False
        for check in self.checks:
            if not check():
                return False
        return True

    def why(self):
        """What does not hold, in words; None where all does."""
        for r in (*self.records, *self.quiet):
            if not r.holds():
                return f"{r.text} changed from {_short(r.value)} to {_short(r.now())}"
        for m, before in self.modules:
            if not same_structure(structure(m), before):
                return f"parameters, submodules, hooks or forward of a {type(m).__name__} changed"
        for g in self.optimizers:
            if not g.holds() or not g.structure_holds():
                return f"settings, parameters, state or hooks of the optimizer {type(g.optimizer).__name__} changed"
        if not self._arrays_hold():
            return "shape or dtype of a tensor from outside changed"
        return "a gradient, requires_grad or a hook of a tensor changed" if not self.hold() else None

    def _structure_holds(self):
        now = changes[0]
        held = (
            all(same_structure(structure(m), before) for m, before in self.modules)
            and all(r.holds() for r in self.quiet)
            and all(g.structure_holds() for g in self.optimizers)
            and list(everywhere.items()) == self.everywhere
            and all(hooks_of(t.node) == before for t, before in zip(self.tensors, self.hooks))
        )
        if held:
            self.changes = now
        return held

    def _arrays_hold(self):
        """Another array will do if it is of the same kind."""
        for i, (t, before) in enumerate(zip(self.tensors, self.arrays)):
            a = t.array
            if a is not before:
                if a.__class__ is not before.__class__ or a.shape != before.shape or a.dtype != before.dtype:
                    return False
                self.arrays[i] = a
        self.moved += 1
        self.memory = {id(owner_of(t.array)) for t in self.written}
        return True

    def refuse_shared(self, array):
        """TraceError for an argument that shares memory with what the program writes: when it is read would matter."""
        if id(array if array.base is None else owner_of(array)) in self.memory:
            raise TraceError(
                f"an argument of shape {tuple(array.shape)} shares memory with a tensor that the compiled function writes in "
                "place, such as a parameter: pass x.clone()"
            )

    def _record_checks(self):
        """One function for each kind of place, which reads them all without a line of Python for each."""
        checks = []
        present = [r for r in self.records if r.__class__ is Item and r.value is not MISSING]
        if present:
            boxes, keys = [r.box for r in present], [r.key for r in present]
            checks.append(_check(present, lambda: map(getitem, boxes, keys)))
        cells = [r for r in self.records if r.__class__ is Cell]
        if cells:
            of_cells = [r.box for r in cells]
            checks.append(_check(cells, lambda: map(_contents, of_cells)))
        slow = [r for r in self.records if r.__class__ in (Attribute, Content, Length) or r.value is MISSING]
        if slow:
            checks.append(lambda: all(r.holds() for r in slow))
        return checks


_array, _node, _grad, _contents = [attrgetter(name) for name in ("array", "node", "_grad", "cell_contents")]


def _check(records, read):
    values = [r.value for r in records]

    def check():
        try:
            if all(map(is_, read(), values)):
                return True
        except (LookupError, ValueError):  # an entry, or a variable, is gone
            return False
        if not all(r.holds() for r in records):
            return False
        values[:] = [r.value for r in records]
        return True

    return check


def _short(value):
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
