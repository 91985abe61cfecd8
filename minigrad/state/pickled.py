"""What a PyTorch file may contain, and nothing else: a pickle machine that makes objects but calls nothing.

A pickle is a small program that can name any function and have it called. Here every name is looked up in a short table of
constructors of plain values; a class of the running program is only ever made empty and given its attributes, so that no
function that a file names is run.
"""

import argparse
import codecs
import collections
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

# PyTorch's storage classes and NumPy's element types.
STORAGES = {
    "FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16, "LongStorage": np.int64,
    "IntStorage": np.int32, "ShortStorage": np.int16, "CharStorage": np.int8, "ByteStorage": np.uint8,
    "BoolStorage": np.bool_, "BFloat16Storage": ml_dtypes.bfloat16, "ComplexFloatStorage": np.complex64,
    "UntypedStorage": np.uint8,
}  # fmt: skip
STORAGE_OF = {np.dtype(d): name for name, d in STORAGES.items() if name != "UntypedStorage"}


def rebuild(storage, offset, shape, stride, requires_grad=False, hooks=None, metadata=None):
    """A tensor that looks into a storage, checked to lie inside it."""
    shape, stride = tuple(shape), tuple(stride)
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride)) if 0 not in shape else offset - 1
    if offset < 0 or len(shape) != len(stride) or min((*shape, *stride), default=0) < 0 or last >= storage.size:
        raise pickle.UnpicklingError("a tensor lies outside of its storage")
    steps = [s * storage.itemsize for s in stride]
    t = wrap(np.lib.stride_tricks.as_strided(storage[offset:], shape, steps))
    return t.requires_grad_() if requires_grad else t


def _parameter(data, requires_grad=True, hooks=None, state=None):
    from ..nn import Parameter

    return Parameter(data, requires_grad)


def _untyped(storage, dtype, offset, shape, stride, *rest):
    return rebuild(storage.view(dtype.dtype), offset, shape, stride)


def _numpy_array(kind, shape, data):
    return np.ndarray(0, np.uint8)  # its state, which follows, says the rest


def _numpy_scalar(dtype, data):
    return np.frombuffer(data, dtype)[0]


def _default_dict(*args):
    return collections.defaultdict(None, *args[1:])


# (module, name) -> what is made. Each of these only makes a value.
MAKERS = {
    ("collections", "OrderedDict"): collections.OrderedDict, ("collections", "Counter"): collections.Counter,
    ("collections", "defaultdict"): _default_dict, ("collections", "deque"): collections.deque,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild, ("torch._utils", "_rebuild_tensor"): rebuild,
    ("torch._utils", "_rebuild_parameter"): _parameter, ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._utils", "_rebuild_tensor_v3"): lambda storage, offset, shape, stride, grad, hooks, dtype, *rest: _untyped(
        storage, dtype, offset, shape, stride
    ),
    ("torch", "Size"): Size, ("torch", "device"): Device, ("torch.serialization", "_get_layout"): str,
    ("_codecs", "encode"): codecs.encode, ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _numpy_array, ("numpy._core.multiarray", "_reconstruct"): _numpy_array,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar, ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    ("numpy", "ndarray"): None, ("pathlib", "PosixPath"): pathlib.PurePosixPath,
    ("pathlib", "WindowsPath"): pathlib.PureWindowsPath,
    **{(m, n): k for m in ("builtins", "__builtin__") for n, k in (
        ("set", set), ("frozenset", frozenset), ("bytearray", bytearray), ("complex", complex), ("slice", slice),
        ("range", range),
        ("list", list), ("dict", dict), ("tuple", tuple), ("int", int), ("float", float), ("str", str), ("bool", bool))},
    **{("torch", d.name): d for d in ALL}, ("torch", "int"): None, ("argparse", "Namespace"): argparse.Namespace,
}  # fmt: skip


class Storage(str):
    """The name of a storage class, which persistent ids contain."""


class Reader(pickle._Unpickler):
    """The machine. ``storage(id)`` gives the array behind a persistent id."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, storage, whole_objects, name, encoding="utf-8"):
        super().__init__(file, encoding=encoding)
        self.storage, self.whole_objects, self.name, self.classes = storage, whole_objects, name, set()

    def find_class(self, module, name):
        if module in ("torch", "torch.storage") and name in STORAGES:
            return Storage(name)
        if (module, name) in MAKERS:
            return MAKERS[module, name]
        found = self._of_the_program(module, name) if self.whole_objects else None
        if found is None:
            raise FileError(
                f"load: {self.name}: it asks for {module}.{name}, which load never runs nor makes"
                + ("" if self.whole_objects else "; a file of whole objects that you trust loads with weights_only=False")
                + ". Save the state_dict() where it comes from"
            )
        if isinstance(found, type):
            self.classes.add(found)
        return found

    @staticmethod
    def _of_the_program(module, name):
        """A function, which is handed on but never called, or a class that can be made without running any of its code.

        Both must be there already: nothing is imported. None for anything else.
        """
        if module.startswith("torch.nn."):
            from .. import nn

            found = getattr(nn.functional if module == "torch.nn.functional" else nn, name, None)
        else:
            found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, types.FunctionType):
            return found
        plain = isinstance(found, type) and found.__new__ is object.__new__
        written = getattr(found, "__setstate__", None)
        ours = written is None or getattr(written, "__module__", "").startswith("minigrad.")
        return found if plain and ours and not issubclass(found, type) else None

    def persistent_load(self, pid):
        return self.storage(pid)

    def load_reduce(self):
        arguments = self.stack.pop()
        f = self.stack[-1]
        if f in self.classes or not (f in MAKERS.values() or isinstance(f, Storage)):
            raise FileError(f"load: {self.name}: it asks that {f!r} be called, which load does not do")
        self.stack[-1] = f(*arguments)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self):
        arguments, kind = self.stack.pop(), self.stack.pop()
        if kind in self.classes and not arguments:
            self.append(object.__new__(kind))
        elif kind in MAKERS.values() and kind not in (None, argparse.Namespace):
            self.append(kind(*arguments))
        elif kind is argparse.Namespace:
            self.append(argparse.Namespace())
        else:
            raise FileError(f"load: {self.name}: it asks for a new {kind!r} with arguments, which load does not make")

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self):
        state = self.stack.pop()
        made = self.stack[-1]
        if isinstance(made, np.ndarray):
            _, shape, dtype, _, data = state
            data = data.encode("latin1") if isinstance(data, str) else data
            self.stack[-1] = np.frombuffer(bytearray(data), dtype).reshape(shape)
        elif isinstance(made, np.dtype):
            self.stack[-1] = made.newbyteorder(state[1]) if state[1] in "<>" else made
        elif type(made) in self.classes and hasattr(made, "__setstate__"):
            made.__setstate__(state)  # minigrad's own
        elif type(made) in self.classes or isinstance(made, argparse.Namespace | collections.OrderedDict | Tensor):
            made.__dict__.update(state[0] if isinstance(state, tuple) and state[0] is not None else state)
        else:
            raise FileError(f"load: {self.name}: it gives attributes to a {type(made).__name__}, which has none")

    dispatch[pickle.BUILD[0]] = load_build

    def load_inst(self):
        raise FileError(f"load: {self.name}: it uses a form of pickle that load does not read")

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
