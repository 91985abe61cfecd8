"""IDX files: the format of MNIST and its relatives."""

import gzip
import math
import os
import zlib

import numpy as np

from ..errors import FileError
from ..tensor import wrap

# The third byte of a file says what the numbers are; they are stored with the high byte first.
ELEMENTS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path):
    """Read an IDX file, as it is or compressed with gzip.

    The file is two zero bytes, one byte for the element type, one for the number of dimensions, a 4-byte size for each
    dimension, and the elements in row order.

    Args:
        path: of the file. Whether it is compressed is seen from its first bytes, not from its name.

    Returns:
        Tensor: uint8, int8, int16, int32, float32 or float64, of the shape that the file gives.

    Raises:
        FileNotFoundError: where there is no such file.
        FileError: for a file that is not IDX, is cut short, is longer than its sizes say, or is damaged.

    >>> import minigrad, pathlib
    >>> file = pathlib.Path("labels-idx1-ubyte")
    >>> file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    11
    >>> minigrad.data.read_idx(file)
    tensor([7, 2, 1], dtype=minigrad.uint8)

    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits" (1998), describe the format.
    """
    path = os.fspath(path)
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.open(raw) if compressed else raw as file:
            try:
                return _read(file, path)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise FileError(f"{path}: the compressed file is damaged or cut short ({error}); fetch it again") from error


def _read(file, path):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in ELEMENTS:
        raise FileError(
            f"{path}: not an IDX file: it starts with the bytes {magic.hex(' ') or '(none)'}; an IDX file starts with 00 00, a "
            f"type ({', '.join(f'{code:02x}' for code in ELEMENTS)}) and the number of dimensions"
        )
    ndim = magic[3]
    sizes = file.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise FileError(
            f"{path}: the file ends in its header: {ndim} dimensions need {4 + 4 * ndim} bytes, it has {4 + len(sizes)}"
        )
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    dtype = np.dtype(ELEMENTS[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    data = _at_most(file, expected + 1)
    if len(data) != expected:
        found = f"{len(data):,}" if len(data) < expected else "more"
        raise FileError(
            f"{path}: the header promises shape {shape} of {dtype.name}, {expected:,} bytes, and the file holds {found}; "
            "fetch it again"
        )
    return wrap(np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("=")))


def _at_most(file, count, block=1 << 20):
    """Up to ``count`` bytes, in blocks: a false header cannot make us reserve more memory than the file fills."""
    data = bytearray()
    while len(data) < count and (part := file.read(min(block, count - len(data)))):
        data += part
    return data
