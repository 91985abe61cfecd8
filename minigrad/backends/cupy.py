"""The vocabulary on CuPy 14: only what differs from NumPy."""


import cupy
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

    def relu(self, x):
        return cupy.maximum(x, 0)

    def erf(self, x):
        return special.erf(x)

    def erfc(self, x):
        return special.erfc(x)

    def polygamma(self, x, *, n):
        return special.polygamma(n, x).astype(x.dtype)

    def erfinv(self, x):
        return special.erfinv(x)

    def lgamma(self, x):
        return special.gammaln(x)

    def digamma(self, x):
        return special.digamma(x)
