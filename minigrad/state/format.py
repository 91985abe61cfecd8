"""The bytes of a ``.safetensors`` file: eight bytes with the length of the header, the header in JSON, then the arrays.

Nothing in such a file can be executed, and every number in it is checked before it is used. The format is short enough to be
written here: https://github.com/huggingface/safetensors#format. That keeps the order of the names, copies nothing, and lets
one file object be flushed before it takes the place of the old file.
"""

import contextlib
import io
import json
import math
import os
import secrets
import stat

import ml_dtypes
import numpy as np

from ..errors import FileError

DTYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32, "I32": np.int32,
    "U64": np.uint64, "I64": np.int64, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2, "F16": np.float16,
    "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64, "C64": np.complex64,
}  # fmt: skip
NAMES = {np.dtype(d): name for name, d in DTYPES.items()}
LONGEST_HEADER = 100_000_000  # as in other programs that read the format
METADATA = "__metadata__"


# --------------------------------------------------------------------------------------------------------------- writing
def write(target, arrays, metadata):
    """Write contiguous NumPy arrays by name, and metadata (str to str), to a path or a file opened for writing bytes."""
    offset, places = 0, {}
    for name in sorted(arrays, key=lambda n: -arrays[n].itemsize):  # stable; large elements first keeps all of them aligned
        places[name] = [offset, offset + arrays[name].nbytes]
        offset = places[name][1]
    header = {METADATA: metadata} if metadata else {}
    for name, a in arrays.items():
        header[name] = {"dtype": NAMES[a.dtype], "shape": list(a.shape), "data_offsets": places[name]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)

    def put(file):
        file.write(len(text).to_bytes(8, "little") + text)
        for name in places:
            file.write(arrays[name].reshape(-1).view(np.uint8).data)

    if hasattr(target, "write"):
        put(target)
    else:
        replace(target, put)


def replace(path, put):
    """Let ``put(file)`` write a file that takes the place of ``path`` when it is complete and on the disk, and not before.

    If anything fails, the old file stays as it is and nothing else is left.
    """
    path = os.path.realpath(os.fspath(path))  # of a link, the file behind it
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileError(f"save: Parent directory {folder} does not exist; create it with os.makedirs({folder!r})")
    temporary = os.path.join(folder, f".{name[:80]}.{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            put(file)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # the new name, too, belongs on the disk; not every system can do that
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --------------------------------------------------------------------------------------------------------------- reading
def read(source, header_only=False):
    """name -> NumPy array, and the metadata, of a path or a file opened for reading bytes; FileError for anything amiss."""
    if hasattr(source, "read"):
        content = source.read()
        return _read(io.BytesIO(content), len(content), getattr(source, "name", "the file object"), header_only)
    with open(source, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, os.fspath(source), header_only)


def _read(file, size, name, header_only):
    def wrong(what, remedy="It is damaged, or no .safetensors file: get it again, or save it again with minigrad.save"):
        return FileError(f"load: {name}: {what}. {remedy}")

    start = file.read(9)
    if not start.endswith(b"{"):  # with which every header begins
        _refuse_foreign(start, wrong)
    if len(start) < 8:
        raise wrong(f"a .safetensors file begins with eight bytes, and this has {len(start)}")
    length = int.from_bytes(start[:8], "little")
    file.seek(8)
    if length > LONGEST_HEADER or length > size - 8:
        raise wrong(
            f"its first eight bytes announce a header of {length:,} bytes, and {size - 8:,} follow "
            f"(at most {LONGEST_HEADER:,} are read)"
        )
    entries, metadata = _header(file.read(length), wrong)
    _check_places(entries, size - 8 - length, wrong)
    arrays = {}
    for key, (dtype, shape, begin, _) in entries.items():
        if header_only:
            continue
        file.seek(8 + length + begin)
        arrays[key] = _array(file, key, dtype, shape, wrong)
    return arrays, metadata


def _refuse_foreign(start, wrong):
    foreign = {
        b"\x80\x02": "a pickle",
        b"\x80\x03": "a pickle",
        b"\x80\x04": "a pickle",
        b"\x80\x05": "a pickle",
        b"\x89HDF": "an HDF5 file, as Keras writes it",
        b"\x93NUMPY": "a .npy file: numpy.load reads it",
        b"GGUF": "a GGUF file",
    }
    for magic, kind in foreign.items():
        if start.startswith(magic):
            raise wrong(
                f"this is {kind}",
                "minigrad.load reads .safetensors files, and executes nothing of what it loads: where the file comes from, write "
                "it with safetensors.torch.save_file(model.state_dict(), path)",
            )


def _header(text, wrong):
    """name -> (dtype, shape, begin, end), and the metadata."""
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise wrong(f"its header is not the JSON that it should be ({type(error).__name__}: {str(error)[:80]})") from None
    if not isinstance(header, dict):
        raise wrong(f"its header is a {type(header).__name__} and should be a JSON object")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise wrong("its metadata should be an object of strings")
    return {key: _entry(key, entry, wrong) for key, entry in header.items()}, metadata


def _unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _entry(key, entry, wrong):
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise wrong(f"the entry of tensor {key!r} should have dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise wrong(
            f"tensor {key!r} has dtype {dtype!r}", f"minigrad reads {', '.join(DTYPES)}: convert it where the file comes from"
        )
    if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise wrong(f"tensor {key!r} has shape {shape!r} and offsets {offsets!r}, which should be lists of natural numbers")
    begin, end = offsets
    itemsize = np.dtype(DTYPES[dtype]).itemsize
    if end - begin != math.prod(shape) * itemsize:
        raise wrong(
            f"tensor {key!r} of shape {shape} and dtype {dtype} takes {math.prod(shape) * itemsize:,} bytes, not {end - begin:,}"
        )
    return DTYPES[dtype], tuple(shape), begin, end


def _naturals(numbers):
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)


def _check_places(entries, available, wrong):
    """The arrays must lie one behind the other, from the first byte to the last."""
    position = 0
    for key, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != position:
            raise wrong(f"tensor {key!r} begins at byte {begin:,} of the data, and the one before it ends at {position:,}")
        position = end
    if position > available:
        raise wrong(
            f"it is cut off: its arrays take {position:,} bytes and {available:,} are there", "Get it again, or save it again"
        )
    if position < available:
        raise wrong(f"{available - position:,} bytes behind its last array belong to nothing")


def _array(file, key, dtype, shape, wrong):
    try:
        array = np.empty(shape, dtype)
    except (ValueError, MemoryError) as error:
        raise wrong(f"tensor {key!r} of shape {list(shape)} cannot be made here ({error})") from None
    memory = array.reshape(-1).view(np.uint8)
    if memory.size and file.readinto(memory.data) != memory.size:
        raise wrong(f"tensor {key!r} could not be read to its end")
    if array.dtype == np.bool_ and memory.size and memory.max() > 1:
        raise wrong(f"tensor {key!r} is bool and has bytes other than 0 and 1")
    return array
