"""NumPy views of "device" memory: the stand-ins written in Python work on these."""

import ctypes
from collections.abc import Sequence

import numpy as np


def view(pointer: int, dtype, shape: Sequence[int]) -> np.ndarray:
    """The memory at a device pointer as a C-contiguous NumPy array; writes go through."""
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0:
        return np.empty(shape, dtype)
    raw = (ctypes.c_char * (count * np.dtype(dtype).itemsize)).from_address(pointer)
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def column_major(pointer: int, dtype, rows: int, columns: int, leading: int) -> np.ndarray:
    """The rows x columns matrix that BLAS and LAPACK mean by (pointer, leading dimension)."""
    return view(pointer, dtype, (columns, leading)).T[:rows]
