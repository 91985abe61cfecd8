"""What a PyTorch file may contain, and nothing else: a pickle machine that makes objects but calls nothing.

A pickle is a small program that can name any function and have it called. Here every name is looked up in a short table of
constructors of plain values; a class of the running program is only ever made empty and given its attributes, so that no
function that a file names is run. Python's own machine would call more than it is asked to: the ``append`` of whatever a file
appends to, the ``keys`` of whatever it takes attributes from, the ``__hash__`` of a key. So these are checked, too.
"""

import argparse
import collections
import dataclasses
import datetime
import math
import operator
import pathlib
import pickle
import sys
import types

import ml_dtypes
import numpy as np

from ..device import device as Device
from ..dtype import ALL, DType
from ..errors import FileError
from ..tensor import Size, Tensor, wrap
from .safe import allowed

# PyTorch's storage classes and NumPy's element types.
STORAGES = {
    "FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16, "LongStorage": np.int64,
    "IntStorage": np.int32, "ShortStorage": np.int16, "CharStorage": np.int8, "ByteStorage": np.uint8,
    "BoolStorage": np.bool_, "BFloat16Storage": ml_dtypes.bfloat16, "ComplexFloatStorage": np.complex64,
    "ComplexDoubleStorage": np.complex128, "UntypedStorage": np.uint8,
}  # fmt: skip
STORAGE_OF = {np.dtype(d): name for name, d in STORAGES.items() if name != "UntypedStorage"}


def rebuild(storage, offset, shape, stride, requires_grad=False, hooks=None, metadata=None):
    """A tensor that looks into a storage, checked to lie inside it."""
    if type(storage) is not np.ndarray or storage.ndim != 1:
        raise pickle.UnpicklingError("a tensor needs a storage")
    # As Python's integers: a sum of NumPy's could overflow, and pass the check.
    offset, shape, stride = operator.index(offset), tuple(map(operator.index, shape)), tuple(map(operator.index, stride))
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride)) if 0 not in shape else offset - 1
    if offset < 0 or len(shape) != len(stride) or min((*shape, *stride), default=0) < 0 or last >= storage.size:
        raise pickle.UnpicklingError("a tensor lies outside of its storage")
    steps = [s * storage.itemsize for s in stride]
    t = wrap(np.lib.stride_tricks.as_strided(storage[offset:], shape, steps))
    return t.requires_grad_() if requires_grad else t


def _untyped(storage, offset, shape, stride, requires_grad, hooks, dtype, *rest):
    if type(storage) is not np.ndarray or not isinstance(dtype, DType):
        raise pickle.UnpicklingError("a tensor needs a storage and a dtype")
    return rebuild(storage.view(dtype.dtype), offset, shape, stride, requires_grad)


def _parameter(data, requires_grad=True, hooks=None, state=None):
    from ..nn import Parameter

    return Parameter(data, requires_grad)


def _numpy_array(kind, shape, data):
    return np.ndarray(0, np.uint8)  # its state, which follows, says the rest


def _numpy_scalar(dtype, data):
    return np.frombuffer(data, dtype)[0]


def _default_dict(factory=None, *args):
    return collections.defaultdict(factory if _is_one_of(_FACTORIES, factory) else None, *args)


def _is_one_of(things, value):
    """``in`` would ask ``value`` whether it is equal."""
    return any(value is one for one in things)


def _encode(text, encoding):
    """How a pickle of protocol 2 holds bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding!r}")
    return text.encode("latin1")


def _path(kind, pure):
    """A path of this system can be used; one of another system can only be looked at."""
    return kind if isinstance(pathlib.Path(), kind) else pure


_FACTORIES = (list, dict, set, int, float, str, tuple, bool, collections.OrderedDict)

# (module, name) -> what is made. Each of these only makes a value.
MAKERS = {
    ("collections", "OrderedDict"): collections.OrderedDict, ("collections", "Counter"): collections.Counter,
    ("collections", "defaultdict"): _default_dict, ("collections", "deque"): collections.deque,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild, ("torch._utils", "_rebuild_tensor"): rebuild,
    ("torch._utils", "_rebuild_parameter"): _parameter, ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._utils", "_rebuild_tensor_v3"): _untyped,
    ("torch", "Size"): Size, ("torch", "device"): Device, ("torch.serialization", "_get_layout"): str,
    ("_codecs", "encode"): _encode, ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _numpy_array, ("numpy._core.multiarray", "_reconstruct"): _numpy_array,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar, ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    ("numpy", "ndarray"): None,
    **{(m, n): _path(getattr(pathlib, n), getattr(pathlib, f"Pure{n}")) for m in ("pathlib", "pathlib._local")  # Python 3.13's
       for n in ("PosixPath", "WindowsPath")},
    **{(m, n): k for m in ("builtins", "__builtin__") for n, k in (
        ("set", set), ("frozenset", frozenset), ("bytearray", bytearray), ("complex", complex), ("slice", slice),
        ("range", range),
        ("list", list), ("dict", dict), ("tuple", tuple), ("int", int), ("float", float), ("str", str), ("bool", bool))},
    ("__builtin__", "xrange"): range, ("types", "SimpleNamespace"): types.SimpleNamespace,
    **{("datetime", n): getattr(datetime, n) for n in ("datetime", "date", "time", "timedelta", "timezone")},
    **{("torch", d.name): d for d in ALL}, ("torch", "int"): None, ("argparse", "Namespace"): argparse.Namespace,
}  # fmt: skip
_HOLD_ANYTHING = (set, frozenset, list, tuple, collections.deque)
_NAMESPACES = argparse.Namespace | types.SimpleNamespace
_LISTS = (list, collections.deque)
_DICTS = (dict, collections.OrderedDict, collections.Counter, collections.defaultdict)
# What minigrad's own __setstate__ goes through.
_PARTS = ("_parameters", "_buffers", "_modules", "defaults")

_WHOLE = (
    " (Weights only load failed); a file of whole objects that you trust loads with weights_only=False, or with what it may make "
    "in add_safe_globals()"
)


def _name(kind):
    """How a message names a function or class; the ``repr`` of an object would run."""
    return kind.__qualname__ if isinstance(kind, type | types.FunctionType) else f"a {type(kind).__name__}"


def _is_inert(kind):
    """Whether objects of a class can be made, kept and dropped without running the program's code."""
    written = getattr(kind, "__setstate__", None)
    ours = written is None or getattr(written, "__module__", "").startswith("minigrad.")
    hashes = kind.__hash__ is object.__hash__ or kind.__hash__ is None or dataclasses.is_dataclass(kind)
    plain = kind.__new__ is object.__new__ and not issubclass(kind, type)
    return plain and ours and hashes and not hasattr(kind, "__del__")


def _fill(array, shape, dtype, fortran, data):
    """The state of a NumPy array, into the empty one that was made for it."""
    data = data.encode("latin1") if type(data) is str else data
    shape = tuple(map(operator.index, shape))
    if not isinstance(dtype, np.dtype) or dtype.hasobject or type(data) is not bytes:
        raise pickle.UnpicklingError("an array of objects; save a list")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise pickle.UnpicklingError("an array of another size than its bytes")
    array.__setstate__((1, shape, dtype, bool(fortran), data))


def _ordered(dtype, version, order, subdtype, names, *rest):
    """A dtype in the byte order of its state."""
    if subdtype is not None or names is not None or len(rest) > 4:
        raise pickle.UnpicklingError("a dtype of records or dates; save its parts")
    return dtype.newbyteorder(order) if order in "<>" else dtype


class UnsafeFile(FileError, pickle.UnpicklingError):
    """A file that asks for more than values. PyTorch raises UnpicklingError."""


class Storage(str):
    """The name of a storage class, which persistent ids contain."""


class Reader(pickle._Unpickler):
    """The machine. ``storage(id)`` gives the array behind a persistent id."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, storage, whole_objects, name, encoding="utf-8"):
        super().__init__(file, encoding=encoding)
        self.storage, self.whole_objects, self.name, self.classes, self.safe = storage, whole_objects, name, set(), []

    def find_class(self, module, name):
        if module in ("torch", "torch.storage") and name in STORAGES:
            return Storage(name)
        if (module, name) in MAKERS:
            return MAKERS[module, name]
        found = self._of_the_program(module, name)
        safe = allowed(module, name, found)
        if safe is not None:
            self.safe.append(safe)
            found = safe
        elif not self.whole_objects:
            found = None
        if found is None:
            raise UnsafeFile(
                f"load: {self.name}: it asks for {module}.{name}, which load never runs nor makes"
                + ("" if self.whole_objects else _WHOLE)
                + ". Save the state_dict() where it comes from"
            )
        if isinstance(found, type):
            self.classes.add(found)
        return found

    @staticmethod
    def _of_the_program(module, name):
        """A function, which is handed on but never called, or a class that can be made without running any of its code.

        Both must be there already: nothing is imported. None for anything else, and for what is Python's own: a class like
        tempfile's or subprocess's does things with its attributes when it is dropped.
        """
        if module.partition(".")[0] in sys.stdlib_module_names:
            return None
        if module.startswith("torch.nn."):
            from .. import nn

            found = getattr(nn.functional if module == "torch.nn.functional" else nn, name, None)
        else:
            found = getattr(sys.modules.get(module), "__dict__", {}).get(name)  # getattr may import, for a module that is lazy
        if isinstance(found, types.FunctionType):
            return found
        return found if isinstance(found, type) and _is_inert(found) else None

    def persistent_load(self, pid):
        return self.storage(pid)

    def load_reduce(self):
        arguments = self.stack.pop()
        f = self.stack[-1]
        if not _is_one_of(self.safe, f):
            if f is None or not _is_one_of(MAKERS.values(), f):
                raise UnsafeFile(f"load: {self.name}: it asks that {_name(f)} be called, which load does not do")
            self._check_arguments(f, arguments)
        self.stack[-1] = f(*arguments)

    def _check_arguments(self, f, arguments):
        """A maker of plain values would ask an object of the program for its ``__str__``, ``__iter__`` or ``__len__``."""
        plain = f in _HOLD_ANYTHING and all(type(a) in (int, list, tuple, *_DICTS) for a in arguments)
        filled = f in _DICTS and all(type(a) in _DICTS for a in arguments)
        if self.classes and not plain and not filled and self._has_objects(arguments):
            raise UnsafeFile(f"load: {self.name}: it makes a {_name(f)} of an object, which load does not do")

    def _has_objects(self, values):
        """Whether there is an object of the program anywhere in plain values."""
        return any(
            type(v) in self.classes
            or (type(v) in (list, tuple) and self._has_objects(v))
            or (type(v) in _DICTS and self._has_objects([*v.keys(), *v.values()]))
            for v in values
        )

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self):
        arguments, kind = self.stack.pop(), self.stack.pop()
        if _is_one_of(self.safe, kind):
            self.append(kind.__new__(kind, *arguments))
        elif (_is_one_of(self.classes, kind) or kind is argparse.Namespace) and not arguments:
            self.append(object.__new__(kind))
        elif isinstance(kind, type) and _is_one_of(MAKERS.values(), kind):
            self._check_arguments(kind, arguments)
            self.append(kind(*arguments))
        else:
            raise UnsafeFile(f"load: {self.name}: it asks for a new {_name(kind)} with arguments, which load does not make")

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self):
        state = self.stack.pop()
        made = self.stack[-1]
        kind = type(made)
        if kind is np.ndarray:
            _fill(made, *state[1:])
        elif isinstance(made, np.dtype):
            self._replace(made, _ordered(made, *state))
        elif _is_one_of(self.safe, kind) or (kind in self.classes and hasattr(kind, "__setstate__")):
            self._check_state(kind, state)
            made.__setstate__(state) if hasattr(kind, "__setstate__") else self._attributes(made, state)
        elif kind in self.classes or isinstance(made, _NAMESPACES | collections.OrderedDict | Tensor):
            self._attributes(made, state)
        else:
            raise UnsafeFile(f"load: {self.name}: it gives attributes to a {kind.__name__}, which has none")

    dispatch[pickle.BUILD[0]] = load_build

    def _attributes(self, made, state):
        state = state[0] if type(state) is tuple and state and state[0] is not None else state
        if type(state) is not dict:
            raise UnsafeFile(f"load: {self.name}: it gives attributes to a {type(made).__name__} as a {type(state).__name__}")
        if type(made) not in self.classes and any(hasattr(type(made), name) for name in state):
            raise UnsafeFile(f"load: {self.name}: it puts something in the place of a method of {type(made).__name__}")
        object.__getattribute__(made, "__dict__").update(state)

    def _check_state(self, kind, state):
        """A ``__setstate__`` of minigrad's own goes through these, and may not meet an object there."""
        if _is_one_of(self.safe, kind):
            return
        state = state if type(state) is dict else {}
        parts = [state[k] for k in _PARTS if k in state]
        groups = state.get("param_groups", [])
        plain = type(groups) is list and all(type(v) in _DICTS for v in (*parts, *groups))
        if not plain or (not parts and self._has_objects([state])):
            raise UnsafeFile(f"load: {self.name}: the state of a {kind.__name__} is not made of dicts and lists. It is damaged")

    def _replace(self, made, new):
        """``new`` for ``made``, also where the file names it again."""
        self.stack[-1] = new
        self.memo.update({key: new for key, value in self.memo.items() if value is made})

    def _check_holder(self, holder, kinds):
        """What a file puts elements into: only what holds elements, for the method of another would be called."""
        if type(holder) not in kinds and not _is_one_of(self.safe, type(holder)):
            raise UnsafeFile(f"load: {self.name}: it puts elements into a {type(holder).__name__}, which holds none")

    def load_append(self):
        self._check_holder(self.stack[-2], _LISTS)
        super().load_append()

    dispatch[pickle.APPEND[0]] = load_append

    def load_appends(self):
        self._check_holder(self.metastack[-1][-1], _LISTS)
        super().load_appends()

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_setitem(self):
        self._check_holder(self.stack[-3], _DICTS)
        super().load_setitem()

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self):
        self._check_holder(self.metastack[-1][-1], _DICTS)
        super().load_setitems()

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_additems(self):
        self._check_holder(self.metastack[-1][-1], (set,))
        super().load_additems()

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def load_inst(self):
        raise UnsafeFile(f"load: {self.name}: it uses a form of pickle that load does not read")

    for _code in (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_code[0]] = load_inst


class Global:
    """A name to be written that need not exist here: ``torch.FloatStorage``."""

    def __init__(self, module, name):
        self.module, self.name = module, name


REBUILD_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
REBUILD_PARAMETER = Global("torch._utils", "_rebuild_parameter")


class Writer(pickle._Pickler):
    """Writes tensors as PyTorch does: ``storage(array)`` takes an array and gives its (persistent id, offset in elements)."""

    def __init__(self, file, storage):
        super().__init__(file, protocol=2)
        self.storage = storage

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Tensor | Size | Device) and id(obj) in self.memo:
            self.write(self.get(self.memo[id(obj)][0]))
        elif isinstance(obj, Tensor):
            self._save_tensor(obj)
        elif isinstance(obj, DType):
            self.save(Global("torch", obj.name))
        elif isinstance(obj, Size):
            self._call(Global("torch", "Size"), (tuple(obj),), obj)
        elif isinstance(obj, Device):
            self._call(Global("torch", "device"), (obj.type,) if obj.index is None else (obj.type, obj.index), obj)
        else:
            super().save(obj, save_persistent_id)

    def _save_tensor(self, t):
        from ..nn import Parameter

        parameter = isinstance(t, Parameter)
        pid, offset, stride = self.storage(t.array)
        parts = (pid, offset, tuple(t.shape), stride, t.requires_grad and not parameter, collections.OrderedDict())
        if parameter:
            self._call(REBUILD_PARAMETER, (_Rebuilt(parts), t.requires_grad, collections.OrderedDict()), t)
        else:
            self._call(REBUILD_TENSOR, parts, t)

    def _call(self, f, arguments, obj=None):
        self.save(f)
        self.write(pickle.MARK)
        for a in arguments:
            if isinstance(a, _Rebuilt):
                self._call(REBUILD_TENSOR, a.parts)
            elif isinstance(a, PersistentId):
                self.write(pickle.MARK)
                for part in a.parts:
                    self.save(part)
                self.write(pickle.TUPLE + pickle.BINPERSID)
            else:
                self.save(a)
        self.write(pickle.TUPLE + pickle.REDUCE)
        if obj is not None:
            self.memoize(obj)


class PersistentId:
    """What PyTorch's files name a storage by."""

    def __init__(self, *parts):
        self.parts = parts


class _Rebuilt:
    def __init__(self, parts):
        self.parts = parts
