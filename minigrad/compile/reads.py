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
    "GET_ITER", "CALL_FUNCTION_EX", "DICT_MERGE", "DICT_UPDATE", "LIST_EXTEND", "SET_UPDATE", "BUILD_STRING", "CONTAINS_OP",
)  # fmt: skip
_BETWEEN = ("EXTENDED_ARG", "PUSH_NULL", "CACHE")
_GETTERS = ("get", "setdefault", "pop")
_ASKING = {"items", "values", "keys", "len"}
_BY_NAME = {"getattr", "hasattr", "attrgetter", "itemgetter"}
_LISTING = {"vars", "__dict__", "dir", "__getattribute__", "attrgetter"}
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
    """

    def __init__(self, code):
        self.globals, self.names, self.keys, self.asked, self.wholly = set(), set(), set(), set(), False
        self.user, before, self._asking = kind_of(code.co_filename) == USER, None, {}
        for i in dis.get_instructions(code):
            if i.opname in _LOADS:
                self.globals.add(i.argval)
            elif i.opname in _ITERATING or (_subscript(i) and not _constant(before)) or (_get(before) and not _constant(i)):
                self.wholly = True
            if i.opname not in _BETWEEN:
                before = i
        self.names.update(code.co_names)
        for c in code.co_consts:
            if isinstance(c, types.CodeType):
                inner = reads_of(c)
                self.names |= inner.names
                self.keys |= inner.keys
                self.asked |= inner.asked
                self.wholly = self.wholly or inner.wholly
            else:
                self.keys.add(c)
        self.wholly = self.wholly or not _ASKING.isdisjoint(self.names)
        self.every = self.user and not _LISTING.isdisjoint(self.names)
        if not _BY_NAME.isdisjoint(self.names):
            self.asked |= {k for k in self.keys if isinstance(k, str)}
            self.names |= self.asked

    def asking(self, name):
        """These, and one more name that ``getattr`` or ``hasattr`` is called with."""
        if name in self.asked:
            return self
        found = self._asking.get(name)
        if found is None:
            found = self._asking[name] = copy.copy(self)
            found.names, found.asked = self.names | {name}, self.asked | {name}
        return found


def _constant(instruction):
    return instruction is not None and (instruction.opname == "LOAD_CONST" or instruction.opname == "LOAD_SMALL_INT")


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
