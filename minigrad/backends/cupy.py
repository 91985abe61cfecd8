"""The vocabulary on CuPy 14: only what differs from NumPy."""

import cupy
import cupyx
import cupyx.scipy.special as special
import ml_dtypes
import numpy as np

from .words import Words


class CupyBackend(Words):
    name = "cupy"
    device_type = "cuda"
    HALVES = frozenset({np.dtype(ml_dtypes.bfloat16)})  # float16 has kernels and gemms that accumulate in float32

    def __init__(self):
        super().__init__(cupy)
        self.asarray = cupy.asarray

    def host(self, x):
        return cupy.asnumpy(x)

    def upload(self, x, device_index=None):
        with cupy.cuda.Device(device_index):
            return cupy.asarray(x)

    def make(self, word, *args, dtype, device_index=None):
        with cupy.cuda.Device(device_index):
            return getattr(cupy, word)(*args, dtype=dtype)

    def is_owner(self, x):
        return x.base is None

    def _lapack(self, name, failed, *args):
        with cupyx.errstate(linalg="raise"):  # as in PyTorch, this waits for the GPU to say whether the matrix was good
            return super()._lapack(name, failed, *args)

    def relu(self, x):
        return cupy.maximum(x, 0)

    def erf(self, x):
        return special.erf(x).astype(x.dtype, copy=False)

    def erfc(self, x):
        return special.erfc(x).astype(x.dtype, copy=False)

    def polygamma(self, x, *, n):
        return special.polygamma(self.np.asarray(n), x).astype(x.dtype)  # it wants an array for n, too

    def erfinv(self, x):
        return special.erfinv(x).astype(x.dtype, copy=False)

    def lgamma(self, x):
        return special.gammaln(x).astype(x.dtype, copy=False)

    def digamma(self, x):
        return special.digamma(x).astype(x.dtype, copy=False)


def _of_a_point(word):
    """CuPy refuses to reduce axis 0 of a 0-d array; NumPy and PyTorch do not."""
    general = getattr(Words, word)

    def reduction(self, x, *, axis=None, keepdims=False):
        return general(self, x, axis=None if x.ndim == 0 and axis in (0, -1) else axis, keepdims=keepdims)

    return reduction


for _word in ("sum", "prod", "max", "min", "argmax", "argmin", "any", "all"):
    setattr(CupyBackend, _word, _of_a_point(_word))
