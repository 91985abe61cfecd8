"""The walk from a function's globals, closure and arguments to whatever its bytecode may read of them."""

import collections
import enum
import functools
import gc
import types
import weakref
from array import array
from builtins import getattr, hasattr  # not those that a trace listens to
from itertools import chain

import numpy as np

from ..dtype import DType
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..tensor import Tensor
from . import guards as g
from .arrays import Traced, refuse
from .guards import MISSING, PLAIN, Attribute, Cell, Class, Content, Item, Kind, Length, Members, structure
from .reads import USER, is_library, kind_of, reads_of
from .streams import is_own, is_source, state_of

LONG = 40  # of strings in a function's text, longer ones are no keys
DEPTH = 50  # attributes and elements are followed so far
_OPAQUE = (Tensor, Traced, DType, np.dtype, np.generic, enum.Enum, types.BuiltinFunctionType, types.CodeType, types.FrameType)
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
_HANDLING = frozenset(["state", "load_state_dict", "__dict__", "__setstate__"])  # names by which a function gets at a state


class Walk:
    """Records of the places that are reached."""

    def __init__(self):
        self.records = {}  # (kind, id(owner), key) -> Record, with the value that was there first
        self.quiet = {}  # the same, of modules
        self.modules, self.optimizers = {}, {}  # id -> (object, what it was)
        self.handled = set()  # ids of the optimizers whose state a function names
        self.iterators = {}  # id -> (iterator, where it was found)
        self.generators = {}  # id -> (a generator of Python's or NumPy's, its state)
        self.functions = {}  # code -> functions of users with this code
        self.ran = set()  # the code of users' functions that ran
        self.classes = {}  # class -> those of it and its bases that are users'
        self.seen = set()
        self.frozen = set()  # (id(owner), key) of places that a user's function reads as they are, and not by runtime()
        self.untracked = set()  # ids of dicts of plain values, which the garbage collector may list as new when they change
        self.kept = []  # what was walked, so that ids stay their own
        self.drew = False  # whether it has met something that draws from Python's or NumPy's random numbers

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
        if reads is not None and ("runtime" not in reads.names or record.key in reads.loaded):
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
            for name in (own.keys() if reads.every else reads.names & own.keys()) - _OF_TENSORS:
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
            self._of_subclass(value, reads, text, depth + 1)
        elif isinstance(value, _SEQUENCES):
            self._elements(value, reads, text, depth + 1)
            self._of_subclass(value, reads, text, depth + 1)
        elif isinstance(value, weakref.ReferenceType):
            self._go_on(value(), reads, text, depth + 1)
        elif isinstance(value, weakref.ProxyTypes):
            self._attributes(value, value.__dict__, reads, text, depth + 1)
        elif isinstance(value, np.ndarray):
            self._place(Content(value, value, "", g.content(value), text), None, 0)
            for v in value.flat if value.dtype.kind == "O" else ():
                self._go_on(v, reads, text, depth + 1)
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

    def _of_subclass(self, box, reads, text, depth):
        """The attributes of a container whose class is a user's."""
        if is_library(type(box).__module__):
            return
        own = getattr(box, "__dict__", None)
        if own is not None:
            self._attributes(box, own, reads, text, depth)
        self._class(box, type(box), reads, text, depth)

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
        for name in names:  # those inside a module are part of its structure
            if not (quiet and name in _INSIDE) and not _only_called(name, own[name], reads):
                self._place(Item(owner, own, name, own[name], f"{text}.{name}"), reads, depth, quiet)
        self._missing(owner, own, reads, text, depth, quiet)

    def _missing(self, owner, own, reads, text, depth, quiet=False):
        """What ``getattr`` and ``hasattr`` did not find."""
        asked = reads.asked | reads.loaded if hasattr(type(owner), "__getattr__") and not quiet else reads.asked
        for name in asked - own.keys():
            if name.isidentifier() and not hasattr(type(owner), name):
                self._place(Item(owner, own, name, MISSING, f"{text}.{name}"), None, depth, quiet)

    def _class(self, owner, cls, reads, text, depth):
        """What stands in a class, and in slots."""
        if cls not in self.classes:
            self.classes[cls] = [c for c in cls.__mro__ if not is_library(c.__module__)]
        for c in self.classes[cls]:
            for name in list(vars(c)) if reads.every else reads.names & vars(c).keys():
                value = vars(c)[name]
                if isinstance(value, types.MemberDescriptorType) and owner is not cls:
                    now = getattr(owner, name, MISSING)
                    self._place(Attribute(owner, owner, name, now, f"{text}.{name}"), reads, depth)
                elif not isinstance(value, types.GetSetDescriptorType) and not _only_called(name, value, reads):
                    into = None if isinstance(value, _METHODS) else reads
                    self._place(Item(c, vars(c), name, value, f"{c.__name__}.{name}"), into, depth)
                    if owner is not cls:
                        self._not_in_front(owner, c, name, text, depth)

    def _dict(self, box, reads, text, depth, every=False):
        every = every or reads.wholly
        known = reads.keys | reads.names if hasattr(type(box), "__getattr__") else reads.keys
        keys = list(box) if every else [k for k in box if k in known]
        for k in keys:
            self._go_on(k, reads, f"a key of {text}", depth)
        if every and all(type(v) in PLAIN for v in box.values()):
            self._place(Content(box, box, "", g.content(box), text), None, 0)
            return
        for k in keys:
            self._place(Item(box, box, k, box[k], f"{text}[{k!r}]"), reads, depth)
        if every or not keys or "len" in reads.globals:
            self._place(Length(box, box, "", len(box), f"the length of {text}"), None, depth)
        if not every:
            for k in reads.keys - box.keys():
                if not isinstance(k, str) or len(k) < LONG:
                    self._place(Item(box, box, k, MISSING, f"{text}[{k!r}]"), None, depth)

    def _elements(self, box, reads, text, depth):
        plain = all(map(g.is_plain, box)) if isinstance(box, set | frozenset) else all(type(v) in PLAIN for v in box)
        stays = isinstance(box, tuple | frozenset)
        if plain:
            if not stays:
                self._place(Content(box, box, "", g.content(box), text), None, 0)
            return
        if isinstance(box, set):
            self._place(Members(box, box, "", g.members(box), text), None, 0)
        if stays or isinstance(box, set):
            for i, v in enumerate(list(box)):
                self._go_on(v, reads, f"{text}[{i}]", depth)
            return
        for i, v in enumerate(box):
            self._place(Item(box, box, i, v, f"{text}[{i}]"), reads, depth)
        self._place(Length(box, box, "", len(box), f"the length of {text}"), None, depth)

    def _optimizer(self, optimizer):
        if not hasattr(optimizer, "state"):
            raise refuse(f"an optimizer ({type(optimizer).__name__}) was made", "make it outside of the compiled function")
        if id(optimizer) not in self.optimizers:
            plain = [(s, k, v) for s in optimizer.state.values() if isinstance(s, dict) for k, v in s.items() if type(v) in PLAIN]
            self.optimizers[id(optimizer)] = (optimizer, plain)


def _only_called(name, value, reads):
    """Whether a name is looked up for a method to call, so that a number of this name is another object's."""
    return name in reads.called and not reads.every and type(value) in (int, float, bool, str)


def _holds_others(module, reads):
    """Whether it may be a container, such as Sequential or ParameterList, whose elements are met by a loop or an index."""
    return is_library(type(module).__module__) and (reads.wholly or hasattr(type(module), "__iter__"))
