"""``save`` and ``load``: tensors, and nested dicts and lists of them, in a ``.safetensors`` file.

A flat dict of tensors becomes an ordinary file that other programs read. Any other structure is kept as JSON in the file's
metadata, its tensors under the path at which they stand, such as ``optimizer.state.0.exp_avg``.
"""

import contextlib
import io
import json
import math
import os
from collections import Counter, OrderedDict
from typing import Any

import numpy as np

from .. import backends
from ..device import device as Device
from ..dtype import DType, as_dtype, of_numpy
from ..errors import DeviceError, FileError, describe
from ..tensor import Size, Tensor, wrap
from . import format, torch_file

KEY, VERSION = "minigrad", 1  # of our own entry in the metadata


# ---------------------------------------------------------------------------------------------------------------- saving
def save(obj, f, pickle_module=None, pickle_protocol=2, _use_new_zipfile_serialization=True, *, metadata=None):
    """Save tensors, or nested dicts, lists and tuples of tensors, numbers, strings, bools and None.

    The file is a ``.safetensors`` file, or, where the name ends as PyTorch's files do (``.pt``, ``.pth``, ``.bin``, ``.ckpt``
    ...) or ``obj`` has whole modules in it, one that ``torch.load`` reads, too.

    The file is written beside its place and renamed when it is complete: if anything fails, an old file stays as it was. A
    dict of names and tensors, such as ``model.state_dict()``, gives an ordinary file for other programs. Tensors come back
    without gradient and history; those that share memory still share it.

    Args:
        obj: what to save. Of modules and optimizers save the ``state_dict()``.
        f: path, or a file opened for writing bytes.
        pickle_module, pickle_protocol: accepted as in PyTorch.
        metadata: dict of strings to keep in a ``.safetensors`` file, see :func:`minigrad.state.read_metadata`.

    Raises:
        TypeError: for anything else in ``obj``, such as a function, with the place where it stands.
        FileError: where the folder does not exist.

    >>> import minigrad, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> minigrad.save({"weight": minigrad.tensor([1.0, 2.0]), "epoch": 3}, path)
    >>> minigrad.load(path)
    {'weight': tensor([1., 2.]), 'epoch': 3}
    """
    if _is_for_pytorch(obj, f, metadata):
        torch_file.write(f, obj)
        return
    if metadata is not None and not all(isinstance(s, str) for pair in metadata.items() for s in pair):
        raise TypeError(f"save: metadata must be a dict of strings, got {metadata!r}; convert its values with str()")
    metadata = dict(metadata or {})
    if KEY in metadata:
        raise ValueError(f"save: the name {KEY!r} in metadata is taken by the file itself; choose another one")
    if isinstance(obj, dict) and all(type(k) is str and k != format.METADATA and isinstance(v, Tensor) for k, v in obj.items()):
        arrays, shared = _flat(obj)
        if shared:
            metadata[KEY] = json.dumps({"version": VERSION, "shared": shared})
    else:
        packer = _Packer()
        try:
            tree = packer.pack(obj, ())
        except RecursionError:
            raise ValueError("save: the object contains itself, or is nested too deeply") from None
        arrays = packer.arrays
        metadata[KEY] = json.dumps({"version": VERSION, "tree": tree}, allow_nan=False)
    format.write(f, arrays, metadata)


def _is_for_pytorch(obj, f, metadata):
    path = "" if hasattr(f, "write") else str(os.fspath(f))
    if metadata is not None or path.endswith(".safetensors"):
        return False
    parts = obj.values() if isinstance(obj, dict) else [obj]
    return path.endswith(torch_file.SUFFIXES) or any(hasattr(v, "state_dict") and hasattr(v, "forward") for v in parts)


def _flat(tensors):
    """name -> NumPy array, and for tensors whose memory is another's too, that one's name."""
    arrays, shared, first = {}, {}, {}
    for name, t in tensors.items():
        arrays[name] = _host(t.array)
        same = first.setdefault(_memory(t.array), name)
        if same != name:
            shared[name] = same
    return arrays, shared


def _host(array):
    """A contiguous NumPy array of the same shape, whose bytes are what the file takes."""
    array = backends.of(array).host(array) if array.__class__ is not np.ndarray else array
    if array.dtype not in format.NAMES:
        raise TypeError(f"save: a .safetensors file cannot hold {array.dtype}; save under a name that ends in .pt, which can")
    return np.ascontiguousarray(array).reshape(array.shape)


def _memory(array):
    """Equal for arrays that are the same memory in the same form; empty arrays are never the same."""
    if not array.size:
        return id(array)
    address = array.__array_interface__["data"][0] if array.__class__ is np.ndarray else array.data.ptr
    return address, array.shape, array.strides, array.dtype


class _Packer:
    """Turns an object into JSON, and collects its arrays."""

    def __init__(self):
        self.arrays = {}
        self.names = {}  # memory -> name

    def pack(self, v, path):
        kind = type(v)
        if v is None or kind in (bool, int, str):
            return v
        if kind is float:
            return v if math.isfinite(v) else {"float": repr(v)}
        if kind is list:
            return [self.pack(item, (*path, i)) for i, item in enumerate(v)]
        if isinstance(v, Tensor):
            return {"tensor": self.name(v.array, path)}
        if isinstance(v, np.ndarray) and v.dtype in format.NAMES:
            return {"array": self.name(v, path)}
        if isinstance(v, np.generic) and v.dtype in format.NAMES:
            return self.pack(v.item(), path)
        if isinstance(v, dict):
            kind = {OrderedDict: "ordered", Counter: "counter"}.get(kind, "dict")
            return {kind: [[self.pack(k, (*path, "key")), self.pack(item, (*path, k))] for k, item in v.items()]}
        if isinstance(v, Size):
            return {"size": list(v)}
        if kind is tuple:
            return {"tuple": [self.pack(item, (*path, i)) for i, item in enumerate(v)]}
        if isinstance(v, complex):
            return {"complex": [self.pack(v.real, path), self.pack(v.imag, path)]}
        if isinstance(v, DType):
            return {"dtype": v.name}
        if isinstance(v, Device):
            return {"device": str(v)}
        place = "".join(f"[{k!r}]" for k in path) or "the object itself"
        hint = "save its state_dict()" if hasattr(v, "state_dict") else "leave it out, or save what it is made of"
        raise TypeError(
            f"save: {place} is {describe(v)}; a file holds tensors, arrays, numbers, strings, None, and dicts, lists and tuples "
            f"of these, so that loading it executes nothing: {hint}"
        )

    def name(self, array, path):
        key = _memory(array)
        if key not in self.names:
            name = ".".join(map(str, path)) or "tensor"
            while name in self.arrays or name == format.METADATA:
                name += "_"
            self.names[key] = name
            self.arrays[name] = _host(array)
        return self.names[key]


# --------------------------------------------------------------------------------------------------------------- loading
def load(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None):
    """Load what :func:`save` has written, any ``.safetensors`` file (a dict of its tensors), or a file of ``torch.save``.

    Nothing in a file is ever executed, whatever it asks for.

    Args:
        f: path, or a file opened for reading bytes.
        weights_only: True for tensors and plain values alone. With False a file of ``torch.save`` may also hold objects of
            classes that the program has imported, such as whole modules; they are made without running any of their code.
        pickle_module, mmap: accepted as in PyTorch.
        map_location: the device for the tensors; without it they are on the CPU, wherever they were saved from.

    Raises:
        FileNotFoundError: where there is no such file.
        FileError: for a file that is damaged, cut off, hostile or of another kind: what was found, and what to do.

    >>> import io, minigrad
    >>> file = io.BytesIO()
    >>> minigrad.save([minigrad.arange(3), {"lr": 0.1}], file)
    >>> _ = file.seek(0)
    >>> minigrad.load(file)
    [tensor([0, 1, 2]), {'lr': 0.1}]
    """
    name = getattr(f, "name", "the file object") if hasattr(f, "read") else f
    with _opened(f) as file:
        start = file.read(16)
        file.seek(-len(start), 1)
        if torch_file.is_one(start):
            return _moved(torch_file.read(io.BytesIO(file.read()), name, weights_only), _placement(map_location))
        arrays, metadata = format.read(file if hasattr(f, "read") else f)
    unpacker = _Unpacker(arrays, map_location, name)
    own = _own_entry(metadata, unpacker)
    if "tree" in own:
        try:
            return unpacker.unpack(own["tree"])
        except RecursionError:
            raise unpacker.wrong("its structure is nested too deeply") from None
    shared = own.get("shared", {})
    for alias, original in shared.items():
        if not isinstance(original, str) or alias not in arrays or original not in arrays or original in shared:
            raise unpacker.wrong(f"it says that {alias!r} shares the memory of {original!r}")
    return {key: unpacker.tensor(shared.get(key, key)) for key in arrays}


def _opened(f):
    return contextlib.nullcontext(f) if hasattr(f, "read") else open(f, "rb")


def _moved(obj, place):
    """The tensors in lists, tuples and dicts, put where they belong; modules move their own."""
    if isinstance(obj, Tensor):
        return place(obj)
    if isinstance(obj, list | tuple) and type(obj) in (list, tuple):
        return type(obj)(_moved(v, place) for v in obj)
    if isinstance(obj, dict):
        for key, value in obj.items():
            obj[key] = _moved(value, place)
    return obj


def read_metadata(f):
    """The metadata of a ``.safetensors`` file, a dict of strings, without reading its tensors.

    >>> import io, minigrad
    >>> file = io.BytesIO()
    >>> minigrad.save({"w": minigrad.zeros(2)}, file, metadata={"author": "me"})
    >>> _ = file.seek(0)
    >>> minigrad.state.read_metadata(file)
    {'author': 'me'}
    """
    _, metadata = format.read(f, header_only=True)
    return {k: v for k, v in metadata.items() if k != KEY}


def _own_entry(metadata, unpacker):
    if KEY not in metadata:
        return {}
    try:
        own = json.loads(metadata[KEY])
    except (ValueError, RecursionError) as error:
        raise unpacker.wrong(f"its structure is not the JSON that it should be ({type(error).__name__})") from None
    if not isinstance(own, dict) or not isinstance(own.get("shared", {}), dict):
        raise unpacker.wrong("its structure is not as minigrad.save writes it")
    if own.get("version") != VERSION:
        raise FileError(
            f"load: {unpacker.file}: the structure in it has version {own.get('version')!r}, and this minigrad reads version "
            f"{VERSION}; update minigrad, or read the tensors alone with another safetensors reader"
        )
    return own


class _Unpacker:
    """Turns JSON and arrays back into the object. It knows a fixed list of kinds and makes nothing else."""

    def __init__(self, arrays, map_location, file):
        self.arrays, self.file = arrays, file
        self.place = _placement(map_location)
        self.tensors = {}

    def wrong(self, what):
        return FileError(f"load: {self.file}: {what}. It is damaged, or was not written by minigrad.save: save it again")

    def tensor(self, name):
        array = self.array(name)
        if name not in self.tensors:
            if array.dtype not in of_numpy:
                raise FileError(
                    f"load: {self.file}: tensor {name!r} has dtype {array.dtype}, which minigrad has not; convert it where the "
                    f"file comes from (to float32, or to int64)"
                )
            self.tensors[name] = self.place(wrap(array))
        return self.tensors[name]

    def array(self, name):
        if not isinstance(name, str) or name not in self.arrays:
            raise self.wrong(f"its structure names an array {name!r:.80}, which is not there")
        return self.arrays[name]

    def unpack(self, node) -> Any:
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if isinstance(node, list):
            return [self.unpack(n) for n in node]
        if len(node) == 1:
            ((kind, value),) = node.items()
            make = getattr(self, "make_" + kind, None)
            if make is not None:
                try:
                    return make(value)
                except (TypeError, ValueError, AttributeError, KeyError, DeviceError) as error:
                    raise self.wrong(f"its structure has a {kind} that cannot be: {error!s:.80}") from None
        raise self.wrong(f"its structure has an unknown part {str(node)[:80]}")

    def make_tensor(self, value):
        return self.tensor(value)

    def make_array(self, value):
        return self.array(value)

    def make_float(self, value):
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[value]

    def make_complex(self, value):
        real, imaginary = map(self.unpack, value)
        return complex(float(real), float(imaginary))

    def make_dict(self, value):
        return {self.unpack(k): self.unpack(v) for k, v in value}

    def make_ordered(self, value):
        return OrderedDict(self.make_dict(value))

    def make_counter(self, value):
        return Counter(self.make_dict(value))

    def make_tuple(self, value):
        return tuple(self.unpack(v) for v in value)

    def make_size(self, value):
        return Size(int(n) for n in value)

    def make_dtype(self, value):
        return as_dtype(value)

    def make_device(self, value):
        return Device(value)


def _placement(map_location):
    """A function that puts a loaded tensor where ``map_location`` says; files keep no devices, so all come from the CPU."""
    if isinstance(map_location, dict):
        map_location = map_location.get("cpu")
    if map_location is None:
        return lambda t: t
    if callable(map_location):
        return lambda t: t if (moved := map_location(t, "cpu")) is None else moved
    place = Device(map_location)
    return lambda t: t.to(place)
