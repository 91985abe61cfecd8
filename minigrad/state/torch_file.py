"""Files of ``torch.save``, written and read without PyTorch: a ZIP archive of one pickle and of raw storages.

The form is PyTorch's since 1.6; the one before it, a pickle with the storages behind it, is read, too. What a pickle may do
here is in ``pickled.py``.
"""

import io
import pickle
import sys
import zipfile

import numpy as np

from .. import backends
from ..errors import FileError
from ..graph import owner_of
from . import format
from .pickled import STORAGE_OF, STORAGES, Global, PersistentId, Reader, Writer

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar", ".pkl", ".model", ".chkpt", ".t7")
_LEGACY = 0x1950A86A20F9469CFC6C  # the number that a file before PyTorch 1.6 begins with


# --------------------------------------------------------------------------------------------------------------- writing
def write(target, obj):
    """Write ``obj`` as ``torch.save`` does, to a path or a file opened for writing bytes."""
    storages = _Storages()
    text = io.BytesIO()
    try:
        Writer(text, storages.place).dump(obj)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(f"save: {error}; save the state_dict(), or define the class or function at the top of a module") from None

    def put(file):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", text.getvalue())
            archive.writestr("archive/byteorder", sys.byteorder)
            for key, array in enumerate(storages.arrays):
                archive.writestr(f"archive/data/{key}", array.tobytes())
            archive.writestr("archive/version", "3\n")

    if hasattr(target, "write"):
        put(target)
    else:
        format.replace(target, put)


class _Storages:
    """The memory behind the tensors: one storage for all that share it."""

    def __init__(self):
        self.arrays, self.known, self.kept = [], {}, []

    def place(self, array):
        """(persistent id, offset and strides in elements) of an array. Memory that others share is written once."""
        if array.__class__ is not np.ndarray:
            array = backends.of(array).host(array)
        whole = owner_of(array)
        fits = isinstance(whole, np.ndarray) and whole.dtype == array.dtype and whole.flags.c_contiguous and array.size
        if not fits or any(s < 0 for s in array.strides):
            whole = array = np.ascontiguousarray(array).reshape(array.shape)
        start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0] if array.size else 0
        if id(whole) not in self.known:
            self.known[id(whole)] = len(self.arrays)
            self.arrays.append(whole.reshape(-1))
        key = self.known[id(whole)]
        self.kept.append(whole)  # so that no other array gets its id
        pid = PersistentId("storage", Global("torch", STORAGE_OF[array.dtype]), str(key), "cpu", self.arrays[key].size)
        return pid, start // array.itemsize, tuple([s // array.itemsize for s in array.strides])


# --------------------------------------------------------------------------------------------------------------- reading
def is_one(start):
    """Whether a file with these first bytes is for :func:`read`."""
    return start.startswith((b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"))


def read(file, name, weights_only):
    """The object in a file of ``torch.save``; FileError for anything that is damaged or asks for more than plain values."""
    try:
        if zipfile.is_zipfile(file):
            return _read_archive(file, name, not weights_only)
        file.seek(0)
        return _read_legacy(file, name, not weights_only)
    except FileError:
        raise
    except RecursionError:
        raise FileError(f"load: {name}: it is nested too deeply. It is damaged or hostile: get it again") from None
    except Exception as error:  # a damaged pickle fails in any way
        raise FileError(
            f"load: {name}: {type(error).__name__}: {error}. It is damaged: get it again, or save it again"
        ) from error


def _read_archive(file, name, whole_objects):
    with zipfile.ZipFile(file) as archive:
        found = [n for n in archive.namelist() if n.endswith("data.pkl")]
        if not found:
            raise FileError(f"load: {name}: a ZIP archive without data.pkl, so torch.save did not write it")
        if any(n.endswith("constants.pkl") for n in archive.namelist()):
            raise FileError(f"load: {name}: this is a TorchScript program (torch.jit.save); save the model's state_dict()")
        root = found[0].removesuffix("data.pkl")
        order = archive.read(root + "byteorder").decode() if root + "byteorder" in archive.namelist() else "little"
        storages = {}

        def storage(pid):
            kind, key = _checked(pid, name)
            if key not in storages:
                array = np.frombuffer(bytearray(archive.read(f"{root}data/{key}")), STORAGES[kind])
                storages[key] = array if order == sys.byteorder else array.byteswap()
            return storages[key].view(STORAGES[kind])

        return Reader(io.BytesIO(archive.read(found[0])), storage, whole_objects, name).load()


def _checked(pid, name):
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or pid[1] not in STORAGES:
        raise FileError(f"load: {name}: it names a storage as torch.save does not")
    return str(pid[1]), str(pid[2])


def _read_legacy(file, name, whole_objects):
    """Magic number, version, system, the object, the keys of the storages, and these, each behind its number of elements."""
    storages = {}

    def storage(pid):
        kind, key = _checked(pid, name)
        if pid[-1] is not None and isinstance(pid[-1], tuple):
            raise FileError(f"load: {name}: it has views of storages, a form before PyTorch 0.4; save it again there")
        return storages.setdefault(key, np.zeros(int(pid[4]), STORAGES[kind]))

    def part():
        return Reader(file, storage, whole_objects, name).load()

    if part() != _LEGACY:
        raise FileError(f"load: {name}: this is a pickle, but not one of torch.save; load reads tensors and plain values alone")
    part()
    part()
    made = part()
    for key in part():
        array = storages[str(key)]
        count = int.from_bytes(file.read(8), "little")
        content = file.read(count * array.itemsize)
        if count != array.size or len(content) != array.nbytes:
            raise FileError(f"load: {name}: a storage of {array.size} elements has {count}, or ends too early. It is damaged")
        array[...] = np.frombuffer(content, array.dtype)
    return made
