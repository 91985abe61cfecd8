"""Conversions between float32 and the floats of 16 bits, which NumPy makes one element at a time: the same bits."""

import ml_dtypes
import numba
import numpy as np

from .jit import jit
from .sixteen import brain_bits, half_bits, half_value
from .threads import split


def astype(x, *, dtype):
    """As NumPy's: the axes of the result lie in memory in the order of those of ``x``."""
    if numba.config.DISABLE_JIT:  # what the loops call is nothing that Python could run
        return x.astype(dtype)
    if not x.transpose(_in_memory(x)).flags.c_contiguous:
        x = x.copy(order="K")  # stretched, or with gaps: still the smaller part of the time
    y, axes = np.empty_like(x, dtype), _in_memory(x)
    loop = half_to_float if x.dtype == np.float16 else float_to_brain if dtype == ml_dtypes.bfloat16 else float_to_half
    source, target = (_flat(a.transpose(axes)) for a in (x, y))
    split(lambda lo, hi: loop(source[lo:hi], target[lo:hi]), count=x.size, work=x.size)
    return y


def _in_memory(x):
    """The axes from the outermost in memory to the innermost."""
    return sorted(range(x.ndim), key=lambda axis: -x.strides[axis] if x.shape[axis] > 1 else 0)


def _flat(x):
    return x.reshape(-1).view(np.uint16) if x.itemsize == 2 else x.reshape(-1)


@jit
def half_to_float(x, y):
    for i in range(x.size):
        y[i] = half_value(x[i])


@jit
def float_to_half(x, y):
    for i in range(x.size):
        y[i] = half_bits(x[i])


@jit
def float_to_brain(x, y):
    for i in range(x.size):
        y[i] = brain_bits(x[i])
