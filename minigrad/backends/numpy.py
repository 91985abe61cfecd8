"""The vocabulary on NumPy: what is quicker for small arrays than the general words."""

import math

import ml_dtypes
import numpy as np

from .words import Words

_FLOAT64 = np.dtype(np.float64)


class _Zeros(dict):
    """dtype -> a ready 0-d zero: np.maximum(x, zero) takes half the time of np.maximum(x, 0)."""

    def __missing__(self, dtype):
        self[dtype] = zero = np.zeros((), dtype)
        return zero


class _Ones(dict):
    """dtype -> a ready, read-only 0-d one: where every backward pass of a scalar loss starts."""

    def __missing__(self, dtype):
        self[dtype] = one = np.ones((), dtype)
        one.flags.writeable = False
        return one


_zeros, _ones = _Zeros(), _Ones()
_add_reduce, _max_reduce, _empty = np.add.reduce, np.maximum.reduce, np.empty


class NumpyBackend(Words):
    name = "numpy"
    device_type = "cpu"
    HALVES = frozenset({np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)})

    def __init__(self):
        super().__init__(np)
        self.asarray = np.asarray

    def host(self, x):
        """The array as a NumPy array."""
        return x

    def upload(self, x, device_index=None):
        """A NumPy array as an array of this backend."""
        return x

    def is_owner(self, x):
        return x.base is None

    def one(self, like):
        return _ones[like.dtype] if like.ndim == 0 else np.ones_like(like)

    def sum(self, x, *, axis=None, keepdims=False):
        if x.dtype.kind == "f" and x.dtype.itemsize > 2:
            if axis is None and not keepdims:
                return _add_reduce(x, None, None, _empty((), x.dtype))  # straight into a 0-d array: no NumPy scalar on the way
            return _add_reduce(x, axis, None, None, keepdims)
        return super().sum(x, axis=axis, keepdims=keepdims)

    def max(self, x, *, axis=None, keepdims=False):
        return _max_reduce(x, axis, None, None, keepdims)

    def relu(self, x):
        return np.maximum(x, _zeros[x.dtype])

    def broadcast_to(self, x, *, shape):
        if math.prod(shape) > 16384 or x.__class__ is not np.ndarray:
            return np.broadcast_to(x, shape)  # a view, but 4 us; below 16K elements filling is cheaper
        out = _empty(shape, x.dtype)
        out[...] = x
        return out

    def expand(self, x, *, shape):
        """A view that can be written where nothing is stretched; np.broadcast_to gives read-only ones, in 4 us."""
        lead = len(shape) - x.ndim
        strides = (0,) * lead + tuple([0 if m == 1 != n else s for m, n, s in zip(x.shape, shape[lead:], x.strides)])
        if x.flags.c_contiguous and x.size:
            return np.ndarray(shape, x.dtype, x, 0, strides)
        return np.lib.stride_tricks.as_strided(x, shape, strides)

    def erf(self, x):
        return _special("erf", x)

    def erfinv(self, x):
        return _special("erfinv", x)

    def lgamma(self, x):
        return _special("gammaln", x)

    def digamma(self, x):
        return _special("psi", x)


def _special(name, x):
    import scipy.special  # on first use: importing SciPy costs as much as importing NumPy

    wide = x.astype(np.float32) if x.dtype in NumpyBackend.HALVES else x
    return np.asarray(getattr(scipy.special, name)(wide)).astype(x.dtype)
