"""What a function's bytecode can read: the names of its globals, of attributes, and the constants it may use as keys."""

import copy
import dis
import os
import sysconfig
import types
import weakref

OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PACKAGES = tuple({os.path.join(sysconfig.get_path(p), "") for p in ("purelib", "platlib")})
_TRUSTED = (  # libraries that keep no settings which a model reads
    "numpy", "numba", "llvmlite", "scipy", "cupy", "ml_dtypes", "_pytest", "pytest", "pluggy",
)  # fmt: skip
_KEEPING = ("nn", "optim", "amp", "utils", "data", "distributions", "torchvision", "compress", "quantization")

LIBRARY, KEEPER, USER = range(3)  # not looked at; looked at for what its object keeps; looked at wholly

_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")
_ITERATING = (
    "CALL_FUNCTION_EX", "DICT_MERGE", "DICT_UPDATE", "LIST_EXTEND", "SET_UPDATE", "BUILD_STRING", "CONTAINS_OP",
)  # fmt: skip
_BETWEEN = ("EXTENDED_ARG", "PUSH_NULL", "CACHE")
_MEMBERS = frozenset(f"{named}{what}" for named in ("", "named_") for what in ("parameters", "buffers", "modules", "children"))
_GETTERS = ("get", "setdefault", "pop")
_ASKING = {"items", "values", "keys"}
_BY_NAME = {"getattr", "hasattr", "attrgetter", "itemgetter"}
_LISTING = {"__dict__", "__getattribute__", "attrgetter", "getmembers"}
_known = weakref.WeakKeyDictionary()  # code -> Reads


class Reads:
    """What one code object, and the functions written inside it, may read.

    * ``globals``: the global names that it loads; those of inner functions are seen when these run.
    * ``names``: every name that may be one of an attribute.
    * ``keys``: constants that may be keys or indices.
    * ``asked``: names of attributes that ``getattr`` or ``hasattr`` may find missing.
    * ``user``: whether it is a user's, and no module's of a library, which sets nothing on tensors.
    * ``wholly``: whether containers are read by other keys than these: by a loop, a variable or ``.items()``.
    * ``every``: whether an object may be asked for all of its attributes, or for one whose name is computed.
    * ``loaded``: names whose attributes are read; ``called``: those that are methods to call wherever they stand.
    * ``imports``: modules that are imported.
    """

    def __init__(self, code):
        self.globals, self.names, self.keys, self.asked, self.wholly = set(), set(), set(), set(), False
        self.user, self._asking = kind_of(code.co_filename) == USER, {}
        self.loaded, self.called, self.imports = set(), set(), set()
        self._of_instructions([i for i in dis.get_instructions(code) if i.opname not in _BETWEEN])
        self.names |= self.loaded | {*code.co_names}
        for c in code.co_consts:
            if isinstance(c, types.CodeType):
                inner = reads_of(c)
                for own in ("names", "keys", "asked", "loaded", "called"):
                    getattr(self, own).update(getattr(inner, own))
                self.wholly = self.wholly or inner.wholly
            else:
                self.keys.add(c)
        self.called -= self.loaded
        self.wholly = self.wholly or not _ASKING.isdisjoint(self.names)
        self.every = self.user and not _LISTING.isdisjoint(self.names)
        if not _BY_NAME.isdisjoint(self.names):
            self.asked |= {k for k in self.keys if isinstance(k, str)}
            self.names |= self.asked
        if "AttributeError" in self.names:  # it may be caught
            self.asked |= self.loaded

    def _of_instructions(self, found):
        before = None
        for k, i in enumerate(found):
            if i.opname in _ITERATING or (i.opname == "GET_ITER" and not _of_no_container(found[:k])):
                self.wholly = True
            if (_subscript(i) and not _constant(before)) or (_get(before) and not _constant(i)):
                self.wholly = True
            if i.opname in _LOADS:
                self.globals.add(i.argval)
            elif i.opname in ("LOAD_METHOD", "LOAD_ATTR", "LOAD_SUPER_ATTR"):
                is_call = i.opname == "LOAD_METHOD" or "NULL|self" in i.argrepr
                (self.called if is_call else self.loaded).add(i.argval)
            elif i.opname == "IMPORT_NAME":
                self.imports.add(i.argval)
            elif i.opname in ("MATCH_CLASS", "MATCH_KEYS"):
                words = before.argval if isinstance(before.argval, tuple) else ()
                self.loaded |= {w for w in words if isinstance(w, str)}
                self.keys |= set(words)
            before = i

    def asking(self, name):
        """These, and one more name that ``getattr`` or ``hasattr`` is called with, or with None every name."""
        if self.every if name is None else (name in self.asked and name in self.loaded):
            return self
        found = self._asking.get(name)
        if found is None:
            found = self._asking[name] = copy.copy(self)
            if name is None:
                found.every = True
            else:
                found.names, found.asked = self.names | {name}, self.asked | {name}
                found.loaded, found.called = self.loaded | {name}, self.called - {name}
        return found


def _constant(instruction):
    return instruction is not None and (instruction.opname == "LOAD_CONST" or instruction.opname == "LOAD_SMALL_INT")


def _of_no_container(found):
    """Whether the last of these instructions calls ``range``, or a module's ``parameters`` or the like."""
    if not found or found[-1].opname != "CALL":
        return False
    before = next((i for i in reversed(found[:-1]) if i.opname != "PRECALL"), None)
    if found[-1].arg == 0 and before is not None and before.opname in ("LOAD_METHOD", "LOAD_ATTR") and before.argval in _MEMBERS:
        return True
    height = 0
    for i in reversed(found):
        height += dis.stack_effect(i.opcode, i.arg, jump=False)
        if height >= 1 and i.opname in _LOADS:
            return i.argval == "range"
    return False


def _get(instruction):
    """Whether ``.get`` is looked up, before its key is."""
    return instruction is not None and instruction.opname in ("LOAD_METHOD", "LOAD_ATTR") and instruction.argval in _GETTERS


def _subscript(instruction):
    return instruction.opname == "BINARY_SUBSCR" or (instruction.opname == "BINARY_OP" and instruction.argrepr == "[]")


def reads_of(code):
    found = _known.get(code)
    if found is None:
        found = _known[code] = Reads(code)
    return found


def kind_of(file):
    """How much of a function is looked at, by the file that it stands in."""
    if file.startswith(OWN):
        return KEEPER if file[len(OWN) :].split(os.sep)[0].removesuffix(".py") in _KEEPING else LIBRARY
    if file.startswith(("<frozen", "<minigrad", "<__array_function__")):
        return LIBRARY
    for path in _PACKAGES:
        if file.startswith(path):
            package = file[len(path) :].split(os.sep)[0]
            return LIBRARY if package in _TRUSTED else USER
    return LIBRARY if file.startswith(_STANDARD) else USER


def is_library(module_name):
    """Whether a Python module of that name is taken to stay as it is."""
    root = (module_name or "").partition(".")[0]
    return root in ("minigrad", "torch", "torchvision", *_TRUSTED) or root in _standard_names


def _names():
    import sys

    return frozenset(sys.stdlib_module_names) - {"__main__"}


_standard_names = _names()
