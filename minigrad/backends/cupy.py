"""The vocabulary on CuPy 14: only what differs from NumPy."""

import warnings

import cupy
import cupyx
import cupyx.scipy.linalg
import cupyx.scipy.special as special
import ml_dtypes
import numpy as np

from .words import Words

_ADDS_AT = frozenset("efdilILqQ")  # dtypes, by NumPy's letters, that cupy.add.at knows


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

    def _library(self, name, *args):
        with cupyx.errstate(linalg="raise"):  # as in PyTorch, this waits for the GPU to say whether the matrix was good
            return super()._library(name, *args)

    def lu(self, a):
        batch, (m, n) = a.shape[:-2], a.shape[-2:]
        packed, k = a.copy(), min(m, n)
        pivots = cupy.empty((*batch, k), np.int32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # for a singular matrix; `info` says so
            for i in np.ndindex(*batch if k else (0,)):
                packed[i], pivots[i] = cupyx.scipy.linalg.lu_factor(a[i])
        zero = cupy.diagonal(packed, 0, -2, -1) == 0
        info = cupy.where(zero.any(axis=-1), zero.argmax(axis=-1) + 1, 0) if k else cupy.zeros(batch)
        return packed, pivots + 1, info.astype(np.int32)

    def triangular(self, a, b, *, upper, unit=False):
        out = b.copy()
        for i in np.ndindex(*b.shape[:-2] if b.size else (0,)):
            out[i] = cupyx.scipy.linalg.solve_triangular(a[i], b[i], lower=not upper, unit_diagonal=unit)
        return out

    def add_at(self, out, index, v):
        """CuPy adds at repeated indices in some dtypes only; the others go through a wider one."""
        if out.dtype.char in _ADDS_AT:
            cupy.add.at(out, index, v)
            return
        wide = np.dtype("int64" if out.dtype.kind in "bui" else "float32")
        total = out.astype(wide)
        cupy.add.at(total, index, cupy.asarray(v).astype(wide))
        out[...] = total.astype(out.dtype)

    def extreme_along_axis(self, x, indices, v, *, axis, largest):
        """By sorting: CuPy's own maximum.at rounds float64 to float32 and does not know every dtype."""
        if not largest:
            turn = cupy.invert if x.dtype.kind in "bui" else cupy.negative
            return turn(self.extreme_along_axis(turn(x), indices, turn(v), axis=axis, largest=True))
        places = cupy.arange(x.size).reshape(x.shape)
        places = cupy.concatenate([places.reshape(-1), places[self._grid(indices, axis)].reshape(-1)])
        values = cupy.concatenate([x.reshape(-1), v.reshape(-1)])
        order = self.argsort(values, axis=0)
        order = order[self.argsort(places[order], axis=0)]  # by place, then by value
        last = cupy.searchsorted(places[order], cupy.arange(x.size), side="right") - 1
        return values[order[last]].reshape(x.shape)

    def relu(self, x):
        return cupy.maximum(x, 0)

    def erf(self, x):
        return special.erf(x).astype(x.dtype, copy=False)

    def erfc(self, x):
        return special.erfc(x).astype(x.dtype, copy=False)

    def polygamma(self, x, *, n):
        return special.polygamma(self.np.asarray(n), x).astype(x.dtype)  # it wants an array for n, too

    def special(self, name, *args):
        dtype = next(a.dtype for a in args if hasattr(a, "dtype"))
        if hasattr(special, name):
            return getattr(special, name)(*[cupy.asarray(a) for a in args]).astype(dtype, copy=False)
        import scipy.special  # what CuPy lacks, SciPy computes on the host

        out = getattr(scipy.special, name)(*[cupy.asnumpy(a) for a in args])
        return tuple([cupy.asarray(o, dtype) for o in out]) if out.__class__ is tuple else cupy.asarray(out, dtype)

    def erfinv(self, x):
        return special.erfinv(x).astype(x.dtype, copy=False)

    def lgamma(self, x):
        return cupy.where(x == -cupy.inf, cupy.asarray(cupy.inf, x.dtype), special.gammaln(x).astype(x.dtype, copy=False))

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
