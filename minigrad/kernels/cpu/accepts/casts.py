"""Conversions between float32 and the floats of 16 bits."""

import functools
import platform

import ml_dtypes
import numpy as np

from . import ELEMENTS, FLOAT32, kernel

HALF, BRAIN = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
# From bfloat16 NumPy is as fast, and to it not slow.
LEAST = {(HALF, FLOAT32): ELEMENTS, (FLOAT32, HALF): ELEMENTS, (FLOAT32, BRAIN): 2**15}


@functools.cache
def has_half():
    """Whether the machine converts float16 by itself, which all that has AVX2 does: LLVM would call a library otherwise."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return True
    from llvmlite.binding import get_host_cpu_features

    return bool(get_host_cpu_features().get("f16c"))


def _takes(x, *, dtype):
    dtypes = x.dtype, np.dtype(dtype)
    least = LEAST.get(dtypes)
    return least is not None and x.size >= least and (HALF not in dtypes or has_half())


KERNELS = {
    "astype": kernel("casts:astype", _takes),
}
