"""Watching a run for what it reads besides its arguments.

While a function is traced, Python's profiler tells which functions run. Of each, its globals, its closure and its arguments
are walked by the names that stand in its bytecode: ``self.layers[0].scale`` is reached because ``layers`` and ``scale`` are
among them. The walk takes too much rather than too little: at worst a change that did not matter makes a new trace.
"""

import gc
import inspect
import os
import random
import sys
from builtins import getattr, hasattr  # not those that a trace listens to
from itertools import chain

from ..errors import TraceError
from ..optim.optimizer import Optimizer
from ..tensor import Tensor
from . import guards as g
from .arrays import Traced, refuse
from .guards import MISSING, Content, Guards, Item, Kind, Members, OptimizerGuard, same, structure
from .reads import LIBRARY, OWN, USER, is_library, kind_of, reads_of
from .replaced import replaced
from .streams import is_source, may_draw, reset_streams, set_state, state_of, streams_now
from .walk import Walk

_ENVIRONMENT = {"environ", "getenv"}
_EVERYTHING = reads_of((lambda box: [*box]).__code__)  # of something that is read wholly


class Watch(Walk):
    """One run that is being watched: ``with watch: fn()``, then :meth:`guards`."""

    def __init__(self, fn, strict=False):
        super().__init__()
        self.strict = strict  # whether a run that changes what it depends on is an error
        self.stepped = set()  # ids of the optimizers that did more than zero_grad()
        self.kinds = {}  # file -> kind
        self.methods = {}  # (code, class) -> whether it is one of its methods
        self.crowded = False  # whether other threads run beside this one
        self._function(fn)

    # ---------------------------------------------------------------------------------------------------------- the run
    def __enter__(self):
        """Where a debugger or a coverage tool is at work it goes on, and the profiler's hook, which is slower, stands in."""
        self._streams = streams_now()
        self.crowded, self.drew = len(sys._current_frames()) > 1, False
        self._replaced = replaced()
        self._replaced.__enter__()
        self._ask, self._set = (sys.gettrace, sys.settrace) if sys.gettrace() is None else (sys.getprofile, sys.setprofile)
        self._hook = self._ask()
        self._set(self._event)

    def __exit__(self, kind, *_):
        self._set(self._hook)
        self._replaced.__exit__(None, None, None)
        streams = streams_now()
        drawn = [(r, state) for r, state in self.generators.values() if state_of(r) != state]
        for generator, state in drawn:
            set_state(generator, state)
        if any(now != before for now, before in zip(streams, self._streams)) and (self.drew or not self.crowded):
            reset_streams(self._streams)
            drawn.append(None)
        if drawn and kind is None:
            raise refuse(
                "numbers were drawn from Python's or NumPy's random", "draw with minigrad.rand(), or pass them as tensors"
            )

    def asked(self, owner, name, code):
        """An object is asked for an attribute, by a name that the function ``code`` or a library for it may have computed.

        ``name``: None for all of them.
        """
        if not hasattr(type(owner), "__next__"):
            reads = _EVERYTHING if code is None else reads_of(code)
            self._go_on(owner, reads.asking(name), type(owner).__name__, 0)

    def _kind(self, file):
        kind = self.kinds.get(file)
        if kind is None:
            kind = self.kinds[file] = kind_of(file)
        return kind

    def _event(self, frame, event, arg):
        code = frame.f_code
        kind = self._kind(code.co_filename)
        if self.crowded and not self.drew and event == "call" and not code.co_filename.startswith(OWN):
            self.drew = code.co_filename == random.__file__ or may_draw(code)
        if kind == LIBRARY:
            return None
        if event == "call":
            if kind == USER:
                self._user_frame(code, frame.f_globals, frame.f_locals)
                frame.f_trace_lines = False
                return self._event
            if code.co_argcount and code.co_varnames[0] == "self":
                self._keeper_frame(code, frame.f_locals.get("self"))
        elif event == "return" and kind == USER and reads_of(code).imports:
            self._imported(code, frame.f_globals)
        if event == "return" and arg is not None and kind == USER and frame.f_back is not None:
            if self.kinds.get(frame.f_back.f_code.co_filename) == USER:
                self._go_on(arg, reads_of(frame.f_back.f_code), f"what {code.co_name}() returned", 0)
        return None

    def _user_frame(self, code, globals, locals):
        reads = reads_of(code)
        if (id(code), id(globals)) not in self.seen:  # and not the code itself: that of two modules may be equal
            self.seen.add((id(code), id(globals)))
            self.kept.append(code)
            self.ran.add(code)
            if not _ENVIRONMENT.isdisjoint(reads.names):
                self._walk(os.environ.__dict__["_data"], _EVERYTHING, "os.environ", 0)
            named = reads.globals
            if "globals" in named:
                named = {k for k in globals if not k.startswith("__")} if reads.wholly else named | reads.keys
            for name in sorted(named & globals.keys()):
                self._place(Item(globals, globals, name, globals[name], f"the global {name}"), reads, 0)
            if "NameError" in reads.globals:
                for name in sorted(reads.globals - globals.keys()):
                    self._place(Item(globals, globals, name, MISSING, f"the global {name}"), None, 0)
            for f in self.functions.get(code, ()):
                self._closure(f, reads)
        names = (*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], *code.co_freevars)
        if not code.co_flags & inspect.CO_OPTIMIZED and locals is not globals:  # text of eval() among the variables around it
            names = reads.globals
        for name in names:
            value = locals.get(name)
            self.drew = self.drew or is_source(value)
            if not name.startswith("."):
                self._go_on(value, reads, name, 0)
        if code.co_argcount:
            self._method(code, locals.get(code.co_varnames[0]))

    def _imported(self, code, globals):
        """What a function has imported itself; relative names are looked for in its own package and the packages around it."""
        reads, package = reads_of(code), globals.get("__package__") or ""
        for name in sorted(reads.imports):
            around = [name, *[f"{'.'.join(package.split('.')[:k])}.{name}" for k in range(package.count(".") + 1, 0, -1)]]
            for module in [sys.modules[n] for n in around if n in sys.modules]:
                self._walk(module, reads, name, 0)

    def _keeper_frame(self, code, owner):
        if (code, id(owner)) in self.seen or owner is None:
            return
        self.seen.add((code, id(owner)))
        self.kept.append(owner)
        if isinstance(owner, Optimizer):
            self._optimizer(owner)
            if code.co_name != "zero_grad":
                self.stepped.add(id(owner))
        elif not isinstance(owner, Tensor):
            if code.co_filename.endswith(_LOADERS) and code.co_name in ("__iter__", "__next__"):
                raise refuse("a DataLoader was read", "loop over it outside and pass each batch as an argument")
            self._walk(owner, reads_of(code), type(owner).__name__, 0)
            self._method(code, owner)

    def _method(self, code, owner):
        """The class has this method still, and the object none of its own. ``super()`` finds it further up."""
        name, first = code.co_name, True
        if code.co_varnames[0] != "self" and not self._is_method(code, type(owner)):
            return
        for cls in type(owner).__mro__:
            found = vars(cls).get(name, MISSING)
            if found is MISSING:
                continue
            if (cls, name) not in self.seen and not is_library(cls.__module__):
                self.seen.add((cls, name))
                self._place(Item(cls, vars(cls), name, found, f"{cls.__name__}.{name}"), None, 0)
            if first:
                self._not_in_front(owner, cls, name, type(owner).__name__, 0)
            first = False
            if getattr(found, "__code__", None) is code:
                return

    def _is_method(self, code, cls):
        if (code, cls) not in self.methods:
            found = [getattr(vars(c).get(code.co_name), "__code__", None) for c in cls.__mro__]
            self.methods[code, cls] = code in found
        return self.methods[code, cls]

    # ----------------------------------------------------------------------------------------------------------- the end
    def finish(self, run):
        """Called while the traced values still stand everywhere: sets ``guards`` and ``changed``, and lets go of the rest."""
        young = {id(o) for o in gc.get_objects()} - self.untracked  # what the run made, and no later run will meet
        runtime = {(id(owner), name) for owner, name, *_ in (*run.numbers.values(), *run.parts.values())}
        self.changed = []
        books = [self._old_records(book, young, runtime) for book in (self.records, self.quiet)]
        for iterator, text in self.iterators.values():
            if id(iterator) not in young:
                raise refuse(f"{text} is an iterator ({type(iterator).__name__})", "call next() outside and pass the value")
        modules = [(m, s) for m, s in self.modules.values() if id(m) not in young]
        self.changed += [f"the structure of a {type(m).__name__}" for m, s in modules if not g.same_structure(structure(m), s)]
        optimizers = [(o, plain) for o, plain in self.optimizers.values() if id(o) not in young]
        for o, plain in optimizers:
            self.changed += [f"{k!r} in the state of {type(o).__name__}" for s, k, v in plain if not same(s.get(k), v)]
        for o, p, state in run.started:  # a replay would go on with this state, whatever the run has done to it
            if o.state.get(p) is not state or id(o) in self.handled:
                self.changed.append(f"the state of {type(o).__name__}")
        of_optimizers = [OptimizerGuard(o, runtime, id(o) in self.stepped) for o, _ in optimizers]
        self.guards = Guards(*books, modules, of_optimizers, _outside(run), *_gradients(run), *_read(run, *books), _written(run))
        if run.layouts:
            self.guards.layouts = [(k, run.inputs[k].strides) for _, _, k in run.shells.values()]
        for _, _, position in run.shells.values():
            self.guards.refuse_shared(run.inputs[position])
        for book in (self.records, self.quiet, self.modules, self.iterators, self.functions):
            book.clear()
        self.kept.clear()

    def check(self):
        """TraceError where the run changed what it depends on, and was not to."""
        if self.changed and self.strict:
            raise TraceError(
                f"each call of the compiled function changes what it depends on, {', '.join(self.changed[:3])}, which a replay "
                'would not: read a number by minigrad.compile.runtime(owner, "name") and assign what tensor arithmetic makes of '
                "it, make it a tensor that is written in place, or change it outside"
            )

    def _old_records(self, book, young, runtime):
        """The records that a later run may find changed; those that this run changed go to ``changed``."""
        kept = []
        for r in book.values():
            place = (id(r.owner), r.key)
            if r.__class__ is Kind and isinstance(r.owner.array, Traced):
                continue
            if id(r.owner) in young or (place in runtime and place not in self.frozen):
                continue
            if not same(r.now(), r.value):
                self.changed.append(r.text)
            elif id(r.value) not in young or r.__class__ in (Content, Kind, Members):
                kept.append(r)
        return kept


_LOADERS = ("data/loader.py", "data\\loader.py")


def _outside(run):
    """The tensors that a run captured, as they were; gradients are found by their owners at each call."""
    found = []
    for t, memory, node in run.held.values():
        root = t
        while root._base is not None:
            root = root._base[0]
        if id(root) not in run.owners and not isinstance(memory, Traced):
            found.append((t, memory, node, g.hooks_of(node)))
    return found


def _gradients(run):
    """Where it matters: (tensor, whether it had a gradient) of those outside; (slot, position, whether it had) of arguments."""
    fixed, rest = [], []
    for t, had in run.gradients_that_matter():
        if id(t) in run.shells:
            rest.append((run.slot(t), run.shells[id(t)][2], had is not None))
        elif id(t) in run.owners:
            rest.append((run.slot(t), None, had is not None))
        else:
            fixed.append((t, had is not None))
    return fixed, rest


def _read(run, *books):
    """(slot, array) of gradients that the run read; (slot, gradient) of those that were also found elsewhere.

    In a variable, for instance, in which later ones are not.
    """
    kinds = [(run.slot(t), run.held[id(t)][1]) for t, _ in run.captured.values() if id(t) in run.owners]
    found = {id(r.value): r.value for r in chain(*books) if id(r.value) in run.owners}
    return kinds, [(run.slot(t), t) for t in found.values()]


def _written(run):
    """The tensors from outside that the run wrote to."""
    return [t for t, n in run.captured.values() if t.array.instruction is not n], {k: a for k, (_, a, _) in run.held.items()}
