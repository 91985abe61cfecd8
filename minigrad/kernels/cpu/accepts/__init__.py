"""Which calls the CPU kernels take over, one file per family of operations.

Nothing here imports Numba. A function of this package sends to the operation's own text whatever a kernel does not
understand (other dtypes and layouts, empty or impossible shapes, so that errors have one source) and whatever is small:
below the sizes here, measured against the text, there is little or nothing to win, and nobody should wait for Numba to be
imported for it.
"""

import numpy as np

from minigrad.kernels import Kernel

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
FLOAT32, INT8, INT64 = np.dtype(np.float32), np.dtype(np.int8), np.dtype(np.int64)

ELEMENTS = 2**12  # of most operations
CHEAP_ELEMENTS = 2**14  # of those that NumPy does in one or two passes


def floats(*arrays):
    """All of one dtype, float32 or float64."""
    dtype = arrays[0].dtype
    if dtype not in FLOATS:
        return False
    for a in arrays:
        if a.dtype != dtype:
            return False
    return True


def are_images(*arrays):
    return floats(*arrays) and all(a.ndim == 4 for a in arrays)


def kernel(forward, accepts, **more):
    """A kernel of the package ``minigrad.kernels.cpu``."""
    return Kernel("minigrad.kernels.cpu", forward, accepts, **more)
