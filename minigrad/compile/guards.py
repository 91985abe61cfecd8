"""What a traced run depended on besides its arguments, and whether it is still so: the guards of a program.

A program that is used again although something it read has changed computes wrong numbers in silence. So every replay first
asks :meth:`Guards.hold`, in about a microsecond: it compares identities and one counter (:mod:`minigrad.compile.conditions`),
and looks deeper only where they differ.

* A record is one place that was read: a global, a closure variable, an attribute, an entry of a dict or list.
* Modules, and hooks of any kind, move a counter when they change (``graph.changes``); while it stands, they are not looked at.
* Optimizers: their groups, settings and state. The learning rate is a run-time input, and so are momentum and betas from
  when they were first found changed; of these only the kind is compared.
* Tensors from outside: shape, dtype, whether they require a gradient and whether they have one. Their values are read anew
  at each call.
"""

from itertools import chain
from operator import is_, itemgetter

import numpy as np

from ..errors import TraceError
from ..graph import changes, owner_of
from ..nn.hooks import everywhere
from ..optim import optimizer as optimizers
from ..tensor import Tensor
from .conditions import Conditions

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


def is_plain(value):
    return type(value) in PLAIN or (type(value) is tuple and all(map(is_plain, value)))


class Record:
    """One place that a run read: how to read it again, and the value that it had."""

    __slots__ = ("owner", "box", "key", "value", "text")
    condition = "{2}.holds()"  # of the box, the value and this record

    def __init__(self, owner, box, key, value, text):
        self.owner, self.box, self.key, self.value, self.text = owner, box, key, value, text

    def now(self):
        raise NotImplementedError

    def ask(self, conditions):
        conditions.add(self.condition, self.box, self.value, self, self.key)

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

    @property
    def condition(self):
        return "{3} not in {0}" if self.value is MISSING else "{0}[{3}] is {1}"

    def now(self):
        if self.value is MISSING and self.key not in self.box:  # a defaultdict would make it
            return MISSING
        try:
            return self.box[self.key]
        except (KeyError, IndexError):
            return MISSING


class Cell(Record):
    """A variable of an enclosing function."""

    __slots__ = ()
    condition = "{0}.cell_contents is {1}"

    def now(self):
        try:
            return self.box.cell_contents
        except ValueError:
            return MISSING


class Class(Record):
    """The class of an object."""

    __slots__ = ()
    condition = "{0}.__class__ is {1}"

    def now(self):
        return self.box.__class__


class Kind(Record):
    """Shape, dtype and layout of a tensor, and whether it needs gradients, where no operation of the run has read it."""

    __slots__ = ()

    def now(self):
        t, a = self.box, self.box.array
        return a.__class__, a.shape, t.dtype, a.strides, t.requires_grad


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


class Members(Record):
    """The elements of a set, by identity."""

    __slots__ = ()

    def now(self):
        return members(self.box)


class Content(Record):
    """All of a container of plain values, or of an array, as a copy."""

    __slots__ = ()

    def now(self):
        return content(self.box)


def members(box):
    """The ids of the elements, and the elements themselves, so that the ids stay theirs."""
    elements = sorted(box, key=id)
    return (*map(id, elements), *elements)


def content(box):
    """A copy that is equal to another exactly where the contents are the same."""
    if isinstance(box, np.ndarray):
        return (box.shape, str(box.dtype), box.tobytes())
    if hasattr(box, "keys"):
        return (*box.keys(), MISSING, *box.values())
    return tuple(sorted(box, key=repr)) if isinstance(box, set | frozenset) else tuple(box)


_METHODS = ("step", "zero_grad")
_ASIDE = ("params", "param_names", "initial_lr")  # of a group: compared in another way, or not read by a step


class OptimizerGuard:
    """The groups, the settings and the state that an optimizer ran with; where it did not step, the settings do not matter."""

    def __init__(self, optimizer, runtime, stepped):
        self.optimizer = optimizer
        self.groups, self.state, self.methods = optimizer.param_groups, optimizer.state, _methods(optimizer.__dict__)
        self.hooks = self._hooks()
        self.each = list(self.groups)
        self.live = [(g, k, _nature(k, g[k])) for g in self.groups for k in g if (id(g), k) in runtime]
        self.frozen = [(g, k, g[k]) for g in self.groups for k in optimizer._anew if k in g and (id(g), k) not in runtime]
        self.names = [[k for k in g if k not in _ASIDE and (id(g), k) not in runtime] if stepped else [] for g in self.groups]
        self.picks = [itemgetter("params", "params", *n) for n in self.names]  # two or more, so that each gives a tuple
        self.sizes = [len(g) for g in self.groups] if stepped else None
        self.entries = dict.values if all(isinstance(s, dict) for s in self.state.values()) else _entries
        self.before, self.keys = self._now(), self._keys()

    def _keys(self):
        """Whose entries the state holds, and under which names, in their order."""
        return [*self.state, *chain.from_iterable(s for s in self.state.values() if isinstance(s, dict))]

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
        if own["param_groups"] is not self.groups or own["state"] is not self.state or _methods(own) != self.methods:
            return False
        if len(self.groups) != len(self.each) or not all(map(is_, self.groups, self.each)):
            return False
        if self.sizes is not None and list(map(len, self.each)) != self.sizes:
            return False
        try:
            now, before, keys = self._now(), self.before, self._keys()
        except (KeyError, TypeError):  # a setting was deleted, or something in the state is no dict any more
            return False
        if len(now) != len(before) or len(keys) != len(self.keys) or not all(map(same, keys, self.keys)):
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

    def ask(self, conditions):
        """The conditions under which :meth:`holds` would find all as it is now."""
        add, own = conditions.add, self.optimizer.__dict__
        add('{0}["param_groups"] is {1} and {0}["state"] is {2}', own, self.groups, self.state)
        for name, method in zip(_METHODS, self.methods):
            add(f'{{0}}.get("{name}") is {{1}}', own, method)
        add("len({0}) == {1} and len({2}) == {3}", self.groups, len(self.groups), self.state, len(self.state))
        for p, entry in self.state.items():
            add("{0}.get({1}) is {2}", self.state, p, entry)
            if isinstance(entry, dict):
                add("len({0}) == {1}", entry, len(entry))
                for k, v in entry.items():
                    add("{0}[{1}] is {2}", entry, k, v)
        for i, g in enumerate(self.each):
            add("{0}[{1}] is {2}", self.groups, i, g)
            if self.sizes is not None:
                add("len({0}) == {1}", g, self.sizes[i])
        for g, names in zip(self.each, self.names):
            for k in ("params", *names):
                add("{0}[{1}] is {2}", g, k, g[k])
            add("len({0}) == {1}", g["params"], len(g["params"]))
            for i, p in enumerate(g["params"]):
                add("{0}[{1}] is {2}", g["params"], i, p)
        for g, k, nature in self.live:
            add("{0}[{1}] is {2} or {3}({1}, {0}[{1}]) == {4}", g, k, g[k], _nature, nature)

    def _note_changing(self):
        """Settings that can be read anew at each call, and that have changed, will be from the next trace on."""
        changing = {k for g, k, value in self.frozen if not same(g.get(k), value)}
        if changing:
            self.optimizer.__dict__["_changing"] = self.optimizer._changing | changing


def _methods(own):
    """What an optimizer has in the place of the methods of its class."""
    return [own.get(name) for name in _METHODS]


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
        (("forward", own.get("forward")), ("class", type(module))),
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
        arguments: (arguments -> tensor, its position if it is one of them, whether it has a gradient).
        kinds: (arguments -> gradient, its array) of gradients that the run read: others have such an array, too.
        twice: (arguments -> gradient, the gradient that it was), where it must still be this one.
        written: tensors that the program writes to, and the arrays of tensors while the run lasts, id(tensor) -> array.
    """

    def __init__(self, records, quiet, modules, guards, tensors, gradients, arguments, kinds, twice, written):
        self.records, self.quiet, self.modules, self.optimizers = list(records), list(quiet), list(modules), list(guards)
        self.tensors, self.arrays = [t for t, *_ in tensors], [a for _, a, *_ in tensors]
        self.hooks = [h for *_, h in tensors]
        states = {id(v) for g in self.optimizers for v in g.before}  # nobody asks for gradients of these, parameters apart
        states -= {id(p) for g in self.optimizers for group in g.each for p in group["params"]}
        leaves = [(t, n) for t, _, n, _ in tensors if id(t) not in states]
        self.leaves, self.nodes = [t for t, _ in leaves], [n for _, n in leaves]
        self.gradients = [(t, had) for t, had in gradients if had or id(t) not in states]
        self.arguments, self.twice = arguments, twice
        self.kinds = [(slot, (a.__class__, a.shape, a.dtype)) for slot, a in kinds]
        self.everywhere = list(everywhere.items())
        self.changes = changes[0]
        self.written, arrays = written
        self.memory = {id(owner_of(arrays[id(t)])) for t in self.written}
        self._refuse_tied(self.arrays)
        self.layouts = None  # (position, strides) of arguments, where their layout matters
        self.moved = 0  # how often a tensor from outside was found with another array
        self._same, self._made, self._waited = _unknown, 0, 0

    def hold(self, args):
        """Whether everything that the run read is as it was, and these arguments have gradients where its own had."""
        try:
            if self._same(args):
                return True
        except (AttributeError, LookupError, ValueError):  # a gradient, an entry or a variable is gone
            pass
        if not self._hold_after_all(args):
            return False
        self._waited += 1
        if self._waited > self._made:  # what differs at every call is written down ever less often
            self._made, self._waited = self._made + 1, 0
            self._same = self._conditions()
        return True

    def _conditions(self):
        """args -> whether all is identical to what it is now."""
        conditions = Conditions()
        conditions.add("{0}[0] == {1}", changes, self.changes)
        for t, a in zip(self.tensors, self.arrays):
            conditions.add("{0}.array is {1}", t, a)
        for t, n in zip(self.leaves, self.nodes):
            conditions.add("{0}.node is {1}", t, n)
        for t, had in self.gradients:
            conditions.add(f"{{0}}._grad is {'not ' * had}None", t)
        for slot, position, had in self.arguments:
            there = "{0}(args)" if position is None else "args[{1}]"
            conditions.add(f"{there}._grad is {'not ' * had}None", slot, position)
        for slot, kind in self.kinds:
            conditions.add("(x := {0}(args).array).__class__ is {1} and x.shape == {2} and x.dtype is {3}", slot, *kind)
        if len(self.kinds) > 1:
            conditions.add("{0}({1}, args)", _are_different, [slot for slot, _ in self.kinds])
        for k, strides in self.layouts or ():
            conditions.add(f"args[{k}].array.strides == {{0}}", strides)
        for slot, t in self.twice:
            conditions.add("{0}(args) is {1}", slot, t)
        for one in (*self.records, *self.optimizers):
            one.ask(conditions)
        return conditions.function()

    def _hold_after_all(self, args):
        """Whether all is equal, where not all is identical."""
        if changes[0] != self.changes and not self._structure_holds():
            return False
        return (
            self._arrays_hold()
            and all(t.node is n for t, n in zip(self.leaves, self.nodes))
            and all((t._grad is not None) == had for t, had in self.gradients)
            and all((t := slot(args)) is not None and (t._grad is not None) == had for slot, _, had in self.arguments)
            and all(_kind(slot(args)) == kind for slot, kind in self.kinds)
            and _are_different([slot for slot, _ in self.kinds], args)
            and all(args[k].array.strides == strides for k, strides in self.layouts or ())
            and all(slot(args) is t for slot, t in self.twice)
            and all(r.holds() for r in self.records)
            and all(g.holds() for g in self.optimizers)
        )

    def why(self):
        """What does not hold, in words."""
        for r in (*self.records, *self.quiet):
            if not r.holds():
                if isinstance(r.value, Tensor) and isinstance(r.now(), Tensor):
                    return f"{r.text} became another tensor"
                return f"{r.text} changed from {_short(r.value)} to {_short(r.now())}"
        for m, before in self.modules:
            if not same_structure(structure(m), before):
                return f"parameters, submodules, hooks or forward of a {type(m).__name__} changed"
        for g in self.optimizers:
            if not g.holds() or not g.structure_holds():
                return f"settings, parameters, state or hooks of the optimizer {type(g.optimizer).__name__} changed"
        if not self._arrays_hold():
            return "shape or dtype of a tensor from outside changed"
        return "a gradient, requires_grad or a hook of a tensor changed"

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
        if all(t.array is a for t, a in zip(self.tensors, self.arrays)):
            return True
        arrays = [t.array for t in self.tensors]
        for a, before in zip(arrays, self.arrays):
            if a is not before:
                if a.__class__ is not before.__class__ or a.shape != before.shape or a.dtype != before.dtype:
                    return False
                if self.layouts is not None and a.strides != before.strides:
                    return False
        self._refuse_tied(arrays)
        self.arrays = arrays
        self.moved += 1
        self.memory = {id(owner_of(t.array)) for t in self.written}
        return True

    def _refuse_tied(self, arrays):
        """TraceError for tensors from outside that share memory without being views, of which the program writes one."""
        met, written = {}, {*map(id, self.written)}
        for t, a in zip(self.tensors, arrays):
            if t._base is not None:
                continue
            together = met.setdefault(id(owner_of(a)), [])
            for other, b in together:
                if (id(t) in written or id(other) in written) and share_memory(a, b):
                    raise TraceError(
                        f"tensors of shapes {b.shape} and {a.shape} share memory, and the compiled function writes to it: "
                        "give one of them a clone(), or let two modules hold the same parameter (b.weight = a.weight)"
                    )
            together.append((t, a))

    def refuse_shared(self, array):
        """TraceError for an argument that shares memory with what the program writes: when it is read would matter."""
        if id(array if array.base is None else owner_of(array)) in self.memory:
            raise TraceError(
                f"an argument of shape {tuple(array.shape)} shares memory with a tensor that the compiled function writes in "
                "place, such as a parameter: pass x.clone()"
            )


def share_memory(a, b):
    """Whether arrays of one owner have an element in common; of a device's, whether they may have one."""
    if a.__class__ is b.__class__ is np.ndarray:
        return np.may_share_memory(a, b) and np.shares_memory(a, b)
    return owner_of(a) is owner_of(b)


def _kind(t):
    return None if t is None else (t.array.__class__, t.array.shape, t.array.dtype)


def _are_different(slots, args):
    return len({id(slot(args)) for slot in slots}) == len(slots)


def _unknown(args):
    return False


def _short(value):
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
