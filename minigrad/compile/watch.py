"""Watching a run for what it reads besides its arguments.

While a function is traced, Python's profiler tells which functions run. Of each, its globals, its closure and its arguments
are walked by the names that stand in its bytecode: ``self.layers[0].scale`` is reached because ``layers`` and ``scale`` are
among them. The walk takes too much rather than too little: at worst a change that did not matter makes a new trace.
"""

import collections
import enum
import functools
import gc
import inspect
import os
import random
import sys
import types
from array import array
from itertools import chain

import numpy as np

from ..dtype import DType
from ..errors import TraceError
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..tensor import Tensor
from . import guards as g
from .arrays import Traced, refuse
from .guards import MISSING, PLAIN, Attribute, Cell, Class, Content, Guards, Item, Kind, Length, OptimizerGuard, same, structure
from .reads import LIBRARY, OWN, USER, is_library, kind_of, reads_of
from .replaced import replaced
from .streams import is_own, is_source, may_draw, reset_streams, set_state, state_of, streams_now

LONG = 40  # of strings in a function's text, longer ones are no keys
DEPTH = 8  # attributes and elements are followed so far
_OPAQUE = (Tensor, Traced, DType, np.dtype, np.generic, enum.Enum, types.BuiltinFunctionType, types.CodeType, types.FrameType)
_ENVIRONMENT = {"environ", "getenv"}
_EVERYTHING = reads_of((lambda box: [*box]).__code__)  # of something that is read wholly
_OF_TENSORS = {"_grad", "_base", "_views"}  # what a tensor keeps for itself among its attributes
_MAPPINGS = (dict, types.MappingProxyType, collections.ChainMap, collections.UserDict)
_SEQUENCES = (list, tuple, set, frozenset, collections.deque, collections.UserList, array, bytearray)
_LISTING = {"parameters", "named_parameters", "buffers", "named_buffers", "_parameters", "_buffers"}
_CHILDREN = {"children", "named_children", "modules", "named_modules", "_modules"}
_METHODS = (types.FunctionType, staticmethod, classmethod, property, functools.cached_property)
_INSIDE = (
    "_parameters",
    "_buffers",
    "_modules",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Watch:
    """One run that is being watched: ``with watch: fn()``, then :meth:`guards`."""

    def __init__(self, fn, strict=False):
        self.strict = strict  # whether a run that changes what it depends on is an error
        self.records = {}  # (kind, id(owner), key) -> Record, with the value that was there first
        self.quiet = {}  # the same, of modules
        self.modules, self.optimizers = {}, {}  # id -> (object, what it was)
        self.stepped = set()  # ids of the optimizers that did more than zero_grad()
        self.handled = set()  # ids of the optimizers whose state a function names
        self.iterators = {}  # id -> (iterator, where it was found)
        self.generators = {}  # id -> (a generator of Python's or NumPy's, its state)
        self.functions = {}  # code -> functions of users with this code
        self.ran = set()  # the code of users' functions that ran
        self.kinds = {}  # file -> kind
        self.classes = {}  # class -> those of it and its bases that are users'
        self.methods = {}  # (code, class) -> whether it is one of its methods
        self.seen = set()
        self.frozen = set()  # (id(owner), key) of places that a user's function reads as they are, and not by runtime()
        self.untracked = set()  # ids of dicts of plain values, which the garbage collector may list as new when they change
        self.kept = []  # what was walked, so that ids stay their own
        self.crowded = False  # whether other threads run beside this one
        self.drew = False  # whether this one has met something that draws from Python's or NumPy's random numbers
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
        """An object is asked for an attribute, by a name that the function ``code`` or a library for it may have computed."""
        if not isinstance(owner, _OPAQUE):
            self._go_on(owner, (_EVERYTHING if code is None else reads_of(code)).asking(name), type(owner).__name__, 0)

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
        elif event == "return" and arg is not None and kind == USER and frame.f_back is not None:
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
            named = reads.globals | reads.keys if "globals" in reads.globals else reads.globals
            for name in sorted(named & globals.keys()):
                self._place(Item(globals, globals, name, globals[name], f"the global {name}"), reads, 0)
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

    def _not_in_front(self, owner, cls, name, text, depth):
        """Neither the object nor a class before ``cls`` has this name."""
        for c in type(owner).__mro__:
            if c is cls:
                break
            if not is_library(c.__module__):
                self._place(Item(c, vars(c), name, MISSING, f"{c.__name__}.{name}"), None, depth)
        own = getattr(owner, "__dict__", None)
        if own is not None and not isinstance(owner, type) and name not in own:
            self._place(Item(owner, own, name, MISSING, f"{text}.{name}"), None, depth, isinstance(owner, Module))

    # --------------------------------------------------------------------------------------------------------- functions
    def _function(self, f):
        """``f`` may run: what its closure holds is looked at when it does."""
        while isinstance(f, functools.partial | types.MethodType):
            f = f.func if isinstance(f, functools.partial) else f.__func__
        if isinstance(f, types.FunctionType) and kind_of(f.__code__.co_filename) == USER:
            known = self.functions.setdefault(f.__code__, [])
            if all(f is not k for k in known):
                known.append(f)
                if f.__code__ in self.ran:
                    self._closure(f, reads_of(f.__code__))

    def _closure(self, f, reads):
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            text = f"the variable {name} around {f.__name__}()"
            value = Cell(None, cell, None, None, None).now()
            if value is not MISSING:
                self._place(Cell(f, cell, name, value, text), reads, 0)
        for name in ("__defaults__", "__kwdefaults__"):
            value = getattr(f, name)
            if value:
                self._place(Attribute(f, f, name, value, f"{name} of {f.__name__}()"), reads, 0)

    # ---------------------------------------------------------------------------------------------------------- the walk
    def _place(self, record, reads, depth, quiet=False):
        """Note a place and go on from its value. ``reads``: None where the value is not looked into."""
        book = self.quiet if quiet else self.records
        book.setdefault((record.__class__, id(record.owner), record.key), record)
        if reads is not None and "runtime" not in reads.names:
            self.frozen.add((id(record.owner), record.key))
        value = record.value
        self.drew = self.drew or (reads is not None and is_source(value))
        if reads is not None:
            self._go_on(value, reads, record.text, depth)

    def _go_on(self, value, reads, text, depth):
        """From a place to its value, where that has anything to read."""
        if isinstance(value, Tensor):
            self._tensor(value, reads, text, depth)
        elif type(value) not in PLAIN and not isinstance(value, _OPAQUE):
            self._walk(value, reads, text, depth)

    def _tensor(self, t, reads, text, depth):
        """What a user has set on a tensor; its numbers are read anew at each call."""
        self._class(t, type(t), reads, text, depth)
        own, record = t.__dict__, Kind(t, t, "", None, f"the shape, dtype, layout or requires_grad of {text}")
        if not t.is_sparse and not isinstance(t.array, Traced):
            record.value = record.now()
            self._place(record, None, depth)
        if reads.user:
            for name in reads.names & own.keys() - _OF_TENSORS:
                self._place(Item(t, own, name, own[name], f"{text}.{name}"), reads, depth)
            self._missing(t, own, reads, text, depth)

    def _walk(self, value, reads, text, depth):
        """Whatever a function with these ``reads`` may read of ``value``."""
        key = (id(value), id(reads))
        if key in self.seen or depth > DEPTH:
            return
        self.seen.add(key)
        self.kept.append(value)
        self.drew = self.drew or is_source(value)
        if is_own(value) and not is_source(value):
            if id(value) not in self.generators:
                self.generators[id(value)] = (value, state_of(value))
        elif isinstance(value, _MAPPINGS):
            if not gc.is_tracked(value):
                self.untracked.add(id(value))
            self._dict(value, reads, text, depth + 1)
        elif isinstance(value, _SEQUENCES):
            self._elements(value, reads, text, depth + 1)
        elif isinstance(value, np.ndarray):
            self._place(Content(value, value, "", g.content(value), text), None, 0)
        elif isinstance(value, types.FunctionType | types.MethodType | functools.partial):
            self._callable(value, reads, text, depth + 1)
        elif isinstance(value, types.ModuleType):
            if not is_library(value.__name__):
                self._attributes(value, vars(value), reads, text, depth + 1)
        elif isinstance(value, type):
            self._class(value, value, reads, text, depth + 1)
        elif hasattr(type(value), "__next__") and not hasattr(type(value), "fileno"):
            self.iterators[id(value)] = (value, text)
        else:
            self._object(value, reads, text, depth + 1)

    def _callable(self, f, reads, text, depth):
        self._function(f)
        if isinstance(f, types.FunctionType):
            self._attributes(f, f.__dict__, reads, text, depth)
        elif isinstance(f, functools.partial):
            self._elements(f.args, reads, text, depth)
            self._dict(f.keywords, reads, text, depth, every=True)
            self._walk(f.func, reads, text, depth)
        elif isinstance(f, types.MethodType):
            self._go_on(f.__self__, reads, text, depth)

    def _object(self, value, reads, text, depth):
        own = getattr(value, "__dict__", None)
        if isinstance(value, Module):
            if "_modules" not in own:  # it is being made
                return
            if id(value) not in self.modules:
                self.modules[id(value)] = (value, structure(value))
            if _holds_others(value, reads) or not _LISTING.isdisjoint(reads.names):
                for name, t in chain(value.named_parameters(), value.named_buffers()):
                    self._tensor(t, reads, f"{text}.{name}", depth)
        elif not is_library(type(value).__module__):
            self._place(Class(value, value, "", type(value), f"the class of {text}"), None, depth)
        if isinstance(value, Optimizer):
            self._optimizer(value)
            if not _HANDLING.isdisjoint(reads.names):
                self.handled.add(id(value))
        if own is not None:
            self._attributes(value, own, reads, text, depth)
        self._class(value, type(value), reads, text, depth)

    def _attributes(self, owner, own, reads, text, depth):
        quiet = isinstance(owner, Module)
        if quiet and (not _CHILDREN.isdisjoint(reads.names) or _holds_others(owner, reads)):
            for name, child in owner._modules.items():
                if child is not None:
                    self._walk(child, reads, f"{text}.{name}", depth)
        names = reads.names & own.keys() if len(reads.names) < len(own) else [n for n in own if n in reads.names]
        if reads.every:
            names = list(own)
            self._place(Length(own, own, "", len(own), f"the number of attributes of {text}"), None, depth, quiet)
        for name in names:
            if not (quiet and name in _INSIDE):  # these are part of its structure
                self._place(Item(owner, own, name, own[name], f"{text}.{name}"), reads, depth, quiet)
        self._missing(owner, own, reads, text, depth, quiet)

    def _missing(self, owner, own, reads, text, depth, quiet=False):
        """What ``getattr`` and ``hasattr`` did not find."""
        for name in reads.asked - own.keys():
            if name.isidentifier() and not hasattr(type(owner), name):
                self._place(Item(owner, own, name, MISSING, f"{text}.{name}"), None, depth, quiet)

    def _class(self, owner, cls, reads, text, depth):
        """Plain values that stand in a class, and what stands in slots."""
        if cls not in self.classes:
            self.classes[cls] = [c for c in cls.__mro__ if not is_library(c.__module__)]
        for c in self.classes[cls]:
            for name in list(vars(c)) if reads.every else reads.names & vars(c).keys():
                value = vars(c)[name]
                if isinstance(value, types.MemberDescriptorType) and owner is not cls:
                    now = getattr(owner, name, MISSING)
                    self._place(Attribute(owner, owner, name, now, f"{text}.{name}"), reads, depth)
                elif type(value) in PLAIN or isinstance(value, (list, tuple, dict, set, np.ndarray, *_METHODS)):
                    into = None if isinstance(value, _METHODS) else reads
                    self._place(Item(c, vars(c), name, value, f"{c.__name__}.{name}"), into, depth)
                    if owner is not cls:
                        self._not_in_front(owner, c, name, text, depth)

    def _dict(self, box, reads, text, depth, every=False):
        every = every or reads.wholly
        known = reads.keys | reads.names if hasattr(type(box), "__getattr__") else reads.keys
        keys = list(box) if every else [k for k in box if k in known]
        if every and all(type(v) in PLAIN for v in box.values()):
            self._place(Content(box, box, "", g.content(box), text), None, 0)
            return
        for k in keys:
            self._place(Item(box, box, k, box[k], f"{text}[{k!r}]"), reads, depth)
        if every or not keys:
            self._place(Length(box, box, "", len(box), f"the length of {text}"), None, depth)
        if not every:
            for k in reads.keys - box.keys():
                if not isinstance(k, str) or len(k) < LONG:
                    self._place(Item(box, box, k, MISSING, f"{text}[{k!r}]"), None, depth)

    def _elements(self, box, reads, text, depth):
        plain = all(map(g.is_plain, box)) if isinstance(box, set) else all(type(v) in PLAIN for v in box)
        if not isinstance(box, tuple | frozenset) and (plain or isinstance(box, set)):
            if plain:
                self._place(Content(box, box, "", g.content(box), text), None, 0)
            return
        if plain:
            return
        for i, v in enumerate(box):
            if not isinstance(box, tuple):
                self._place(Item(box, box, i, v, f"{text}[{i}]"), reads, depth)
            else:
                self._go_on(v, reads, f"{text}[{i}]", depth)
        if not isinstance(box, tuple):
            self._place(Length(box, box, "", len(box), f"the length of {text}"), None, depth)

    def _optimizer(self, optimizer):
        if not hasattr(optimizer, "state"):
            raise refuse(f"an optimizer ({type(optimizer).__name__}) was made", "make it outside of the compiled function")
        if id(optimizer) not in self.optimizers:
            plain = [(s, k, v) for s in optimizer.state.values() if isinstance(s, dict) for k, v in s.items() if type(v) in PLAIN]
            self.optimizers[id(optimizer)] = (optimizer, plain)

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
            elif id(r.value) not in young or r.__class__ in (Content, Kind):
                kept.append(r)
        return kept


_HANDLING = frozenset(["state", "load_state_dict", "__dict__", "__setstate__"])  # names by which a function gets at a state


def _holds_others(module, reads):
    """Whether it may be a container, such as Sequential or ParameterList, whose elements are met by a loop or an index."""
    return is_library(type(module).__module__) and (reads.wholly or hasattr(type(module), "__iter__"))


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
