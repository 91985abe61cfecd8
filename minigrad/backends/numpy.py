"""The vocabulary on NumPy: what is quicker for small arrays than the general words."""

import functools
import math
import operator

import ml_dtypes
import numpy as np

from .. import kernels
from ..kernels.scipy_parts import extension
from .numpy_indexing import IndexingWords
from .words import bodies

try:
    from numpy._core.umath import clip as _clip  # without the 2 us of np.clip
except ImportError:
    _clip = np.clip

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_BITS = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}  # integers of the same size


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
_add_reduce, _max_reduce, _empty, _dot = np.add.reduce, np.maximum.reduce, np.empty, np.dot


LARGE = 4096  # elements: no kernel of a word takes fewer
ROW = 8192  # elements of a row that is long enough


def _by_kernel(name, *arrays, **params):
    """What the kernel of a word makes of its call, or None where no kernel takes it."""
    kernel = kernels.table("numpy").get(name)
    return kernel.run(*arrays, **params)[0] if kernel is not None and kernel.takes(*arrays, **params) else None


def _kernel_or(name, word, x):
    y = _by_kernel(name, x) if x.size >= LARGE else None
    return word(x) if y is None else y


class NumpyBackend(IndexingWords):
    name = "numpy"
    device_type = "cpu"
    HALVES = frozenset({np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)})

    def __init__(self):
        super().__init__(np)
        self.asarray, self.where, self.matrix_transpose = np.asarray, _where, operator.attrgetter("mT")
        for name in ("exp", "erf", "tanh", "sin", "cos"):  # words with a kernel; operations that are no words find theirs by name
            setattr(self, name, functools.partial(_kernel_or, name, getattr(self, name)))

    def host(self, x):
        """The array as a NumPy array."""
        return x

    def upload(self, x, device_index=None):
        """A NumPy array as an array of this backend."""
        return x

    def astype(self, x, *, dtype):
        y = _by_kernel("astype", x, dtype=dtype) if x.size >= LARGE else None
        return super().astype(x, dtype=dtype) if y is None else y

    def one(self, like):
        return _ones[like.dtype] if like.ndim == 0 else np.ones_like(like)

    def sum(self, x, *, axis=None, keepdims=False):
        dtype = x.dtype
        if dtype is _FLOAT32 or dtype is _FLOAT64:
            if x.size >= LARGE and (y := _by_kernel("sum", x, axis=axis, keepdims=keepdims)) is not None:
                return y
            if axis is None and not keepdims:
                return _add_reduce(x, None, None, _empty((), dtype))  # straight into a 0-d array: no NumPy scalar on the way
            return _add_reduce(x, axis, None, None, keepdims)
        return super().sum(x, axis=axis, keepdims=keepdims)

    def matmul(self, a, b):
        dtype = getattr(b, "dtype", None)
        # not by identity: an array that was pickled has a dtype object of its own, and must give the same bits
        if dtype is not None and dtype.char in "fd" and a.dtype.char == dtype.char and b.ndim == 2:
            if a.size >= LARGE and (y := _by_kernel("matmul", a, b)) is not None:
                return y
            if a.ndim == 2:
                return _dot(a, b)  # the same product, with less ado than np.matmul
            if a.ndim > 2 and a.size > len(b) == a.shape[-1] > 0:  # one large product instead of many
                return _dot(a.reshape(-1, len(b)), b).reshape(*a.shape[:-1], b.shape[1])
            return np.matmul(a, b)
        return super().matmul(a, b)

    def of_rows(self, f, a, b):
        """NumPy calls its inner loop for every row, which takes as long as a few hundred elements: several rows at once."""
        rows = math.gcd(a.size // b.size, ROW // b.size) if 0 < b.size < ROW and a.shape[-1] == b.size else 1
        return functools.partial(_several_rows, f, rows) if rows > 1 and f.__class__ is np.ufunc and a.flags.c_contiguous else f

    def prod(self, x, *, axis=None, keepdims=False):
        y = _by_kernel("prod", x, axis=axis, keepdims=keepdims) if x.size >= LARGE else None
        return super().prod(x, axis=axis, keepdims=keepdims) if y is None else y

    def max(self, x, *, axis=None, keepdims=False):
        y = _by_kernel("max", x, axis=axis, keepdims=keepdims) if x.size >= LARGE else None
        return _max_reduce(x, axis, None, None, keepdims) if y is None else y

    def min(self, x, *, axis=None, keepdims=False):
        y = _by_kernel("min", x, axis=axis, keepdims=keepdims) if x.size >= LARGE else None
        return np.minimum.reduce(x, axis, None, None, keepdims) if y is None else y

    def _cumulate(self, function, x, axis):
        y = _by_kernel(function.__name__, x, axis=axis) if x.size >= LARGE else None
        return super()._cumulate(function, x, axis) if y is None else y

    def contiguous(self, x):
        y = _by_kernel("contiguous", x) if x.size >= LARGE else None
        return super().contiguous(x) if y is None else y

    def _scan(self, function, x, axis):
        return function.accumulate(x, axis=axis) if x.ndim else x.copy()

    def relu(self, x):
        if x.size > 512 and x.dtype.char in "fd":
            return _clip(x, _zeros[x.dtype], np.inf)  # np.maximum is not vectorised for a single second operand
        return np.maximum(x, _zeros[x.dtype])

    def clamp(self, x, low=None, high=None):
        if x.size > 8192 and x.dtype.char in "fd" and not (hasattr(low, "dtype") or hasattr(high, "dtype")):
            return np.clip(x, -np.inf if low is None else low, np.inf if high is None else high)
        return bodies["clamp"](self, x, low, high)

    def sign(self, x):
        if x.dtype.char not in "fd" or x.size > 1024:
            return super().sign(x)
        s = np.sign(x)
        return np.where(s == s, s, 0.0)  # PyTorch: of NaN 0

    def take_along_axis(self, x, indices, *, axis):
        if _one_a_row(indices, axis):
            return x[_counting(len(indices)), indices[:, 0]].reshape(-1, 1)
        y = _by_kernel("take_along_axis", x, indices, axis=axis) if indices.size >= LARGE else None
        return super().take_along_axis(x, indices, axis=axis) if y is None else y

    def scatter_along_axis(self, v, indices, *, axis, shape):
        if _one_a_row(indices, axis):
            out = np.zeros(shape, v.dtype)
            out[_counting(len(indices)), indices[:, 0]] = v[:, 0]  # no place is named twice
            return out
        y = _by_kernel("scatter_along_axis", v, indices, axis=axis, shape=shape) if indices.size >= LARGE else None
        return super().scatter_along_axis(v, indices, axis=axis, shape=shape) if y is None else y

    def broadcast_to(self, x, *, shape):
        if math.prod(shape) > 16384 or x.__class__ is not np.ndarray:
            return np.broadcast_to(x, shape)  # a view, but 4 us; below 16K elements filling is cheaper
        out = _empty(shape, x.dtype)
        out[...] = x
        return out

    def where(self, c, a, b):
        """np.where follows a branch per element, which random masks make slow: large floats go through their bits."""
        if a.__class__ is np.ndarray and a.size > 4096 and c.__class__ is np.ndarray and c.dtype == bool and c.ndim and a.ndim:
            bits = _BITS.get(a.dtype)
            if bits is not None:
                if b.__class__ is np.ndarray and b.dtype == a.dtype:
                    other = b.view(bits)
                    return ((a.view(bits) ^ other) * c ^ other).view(a.dtype)
                if b.__class__ is float and b == 0.0:
                    return (a.view(bits) * c).view(a.dtype)
        return np.where(c, a, b)

    def floor_divide(self, a, b):
        return super().floor_divide(a, b) if _is_large(a, b) else _divided(np.floor_divide, a, b)

    def remainder(self, a, b):
        return super().remainder(a, b) if _is_large(a, b) else _divided(np.remainder, a, b)

    def fmod(self, a, b):
        return _divided(np.fmod, a, b)

    def erf(self, x):
        return _special("erf", x)

    def erfc(self, x):
        return _special("erfc", x)

    def polygamma(self, x, *, n):
        return _special("polygamma", n, x)

    def special(self, name, *args):
        return _special(name, *args)

    def erfinv(self, x):
        return _special("erfinv", x)

    def lgamma(self, x):
        y = _special("gammaln", x)
        y[...] = np.where(x == -math.inf, math.inf, y)  # as in C and PyTorch; SciPy has -inf
        return y

    def digamma(self, x):
        return _special("psi", x)


def _several_rows(f, rows, a, b):
    y = np.empty(a.shape, f.resolve_dtypes((a.dtype, b.dtype, None))[-1])
    f(a.reshape(-1, rows * b.size), np.tile(b, rows), y.reshape(-1, rows * b.size))
    return y


def _special(name, *args):
    dtype = next(a.dtype for a in args if hasattr(a, "dtype"))
    wide = [a.astype(np.float32) if getattr(a, "dtype", None) in NumpyBackend.HALVES else a for a in args]
    out = _of_scipy(name)(*wide)
    return tuple([np.asarray(o).astype(dtype) for o in out]) if out.__class__ is tuple else np.asarray(out).astype(dtype)


@functools.cache
def _of_scipy(name):
    """A function of ``scipy.special``; the error function, which a GELU needs, without the import of all the others."""
    if name == "erf":
        try:
            return extension("scipy.special._special_ufuncs").erf
        except (ImportError, AttributeError):  # another version of SciPy
            pass
    import scipy.special  # on first use: importing SciPy costs as much as importing NumPy

    return getattr(scipy.special, name)


def _is_large(a, b):
    """Large floats: NumPy's own remainder takes 35 ns an element, one built on fmod a seventh of that."""
    some = a if hasattr(a, "dtype") else b
    return some.size > 2048 and some.dtype.char in "fd" and not any(hasattr(x, "dtype") and x.dtype.kind in "bui" for x in (a, b))


def _divided(function, a, b):
    """Floats divided by 0 are infinite or NaN; integers have nothing to say it with."""
    if (a if hasattr(a, "dtype") else b).dtype.kind not in "bui":
        return function(a, b)
    try:
        with np.errstate(divide="raise"):
            return function(a, b)
    except (FloatingPointError, ZeroDivisionError):
        raise RuntimeError(
            "ZeroDivisionError: an integer was divided by 0; convert the tensor with .float() for inf and nan"
        ) from None


_BITS = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}


def _where(c, a, b):
    """``np.where`` decides element by element, and a mask without a pattern makes it wait at each. On large float arrays
    arithmetic on the bits is ten times as quick: b + (a - b) * c, exact because integers wrap around.
    """
    if b.__class__ is float and b == 0.0 and hasattr(a, "dtype"):
        b = _zeros[a.dtype]  # a ready array: three times as quick as the number for 8x8
    if c.size >= LARGE and (y := _by_kernel("where", c, a, b)) is not None:
        return y
    if c.size > 1024:
        dtype = a.dtype if hasattr(a, "dtype") else getattr(b, "dtype", None)
        bits = _BITS.get(dtype)
        if bits is not None and _fits(a, dtype) and _fits(b, dtype) and getattr(a, "ndim", 0) + getattr(b, "ndim", 0):
            x, y = np.asarray(a, dtype).view(bits), np.asarray(b, dtype).view(bits)
            c = (c if c.dtype == bool else c != _zeros[c.dtype]).astype(bits)
            if y.ndim == 0 and not y:
                return (x * c).view(dtype)
            out = np.multiply(x - y, c)
            return np.add(out, y, out=out).view(dtype)
    return np.where(c, a, b)


def _fits(value, dtype):
    return value.dtype == dtype if hasattr(value, "dtype") else value.__class__ in (float, int)


def _one_a_row(indices, axis):
    """One index in each row of a matrix, as a class in each row of scores: no grid of indices is needed."""
    return indices.ndim == 2 and axis in (1, -1) and indices.shape[1] == 1


@functools.lru_cache(maxsize=64)
def _counting(n):
    """0 to n - 1, read-only."""
    counting = np.arange(n)
    counting.flags.writeable = False
    return counting
