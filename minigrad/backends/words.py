"""The vocabulary of operation texts, written once for NumPy and CuPy.

Texts and rules speak the array API's words (``axis``, ``keepdims``, ``concat``, ``permute_dims``) and a few of our own:
``getitem``/``ungetitem``/``index_put`` (static keys, see :func:`index_key`), ``scatter_along_axis`` (the adjoint of
``take_along_axis``), ``windows``/``unwindows`` (sliding windows and their adjoint).

No word makes an array from a shape alone: each takes an array ``like``, which gives device, dtype and trace.
Where NumPy and CuPy differ, a subclass repairs it; no operation ever asks which library it runs on.
"""

import functools
import math

import numpy as np

from .. import kernels
from ..dtype import element
from .lapack import LinearWords
from .layouts import LayoutWords
from .special import SpecialWords

bodies = {}  # operation name -> text; the @op decorator fills it


def index_key(template, indices):
    """A static key and its index arrays as a real index.

    A key is hashable: a tuple of ints, None, ``...``, slices as ``("slice", start, stop, step)`` and ``"?"`` for each array.
    """
    arrays = iter(indices)
    return tuple([slice(*k[1:]) if k.__class__ is tuple else next(arrays) if k == "?" else k for k in template])


def _are_integral(a, b):
    return all(x.dtype.kind in "bui" if hasattr(x, "dtype") else not isinstance(x, float) for x in (a, b))


class Words(LayoutWords, LinearWords, SpecialWords):
    """``xp``: the words on one array library, given as ``self.np``."""

    name = "abstract"

    # Words that are the library's own functions under (nearly) their own names.
    SAME = """add subtract multiply negative abs exp exp2 expm1 log log1p log2 log10 sqrt sin cos
        tan sinh cosh tanh maximum minimum fmax fmin equal not_equal less less_equal greater
        greater_equal logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_xor isnan isinf isfinite
        hypot zeros_like ones_like swapaxes signbit copysign logaddexp nextafter gcd lcm
        real imag""".split()
    RENAMED = dict(asin="arcsin", acos="arccos", atan="arctan", atan2="arctan2", asinh="arcsinh", acosh="arccosh",
                   atanh="arctanh", bitwise_invert="invert", bitwise_left_shift="left_shift",
                   bitwise_right_shift="right_shift", conj="conjugate")  # fmt: skip
    HALVES = frozenset()  # float dtypes whose products and sums are computed in float32

    def __init__(self, library):
        self.np = library
        self.ndarray = library.ndarray
        for word in self.SAME:
            setattr(self, word, getattr(library, word))
        for word, theirs in self.RENAMED.items():
            setattr(self, word, getattr(library, theirs))

    def __getattr__(self, word):
        """An operation that is no word: its text with this ``xp``, or its kernel where one accepts the call."""
        body = bodies.get(word)
        if body is None:
            raise AttributeError(f"xp.{word}: no such word in the vocabulary and no operation of that name")
        text = functools.partial(body, self)
        kernel = kernels.table(self.name).get(word) if kernels.enabled() else None
        if kernel is None or kernel.in_place:
            function = text
        else:
            function = functools.partial(self._dispatch, kernel, text)
        if kernels.enabled():  # what was found while the kernels are off is not remembered
            setattr(self, word, function)
        return function

    @staticmethod
    def _dispatch(kernel, text, /, *arrays, **params):
        if kernels.enabled() and kernel.takes(*arrays, **params):
            return kernel.run(*arrays, **params)[0]
        return text(*arrays, **params)

    def of_rows(self, f, a, b):
        """``f``, or what is quicker for a large ``a`` and a ``b`` of its last axis."""
        return f

    # ------------------------------------------------------------------------------------------------------ elementwise
    def divide(self, x, y):
        """True division; integers give the default float, as in PyTorch."""
        out = self.np.true_divide(x, y)
        if out.dtype == np.float64 and not any(getattr(a, "dtype", None) == np.float64 for a in (x, y)):
            return out.astype(np.float32)
        return out

    def reciprocal(self, x):
        return self.np.true_divide(self.ones_like(x), x)

    def power(self, x, y):
        """NumPy's power is slow, and squares, cubes and roots are what programs ask for."""
        if y.__class__ is int or y.__class__ is float:
            if y == 1:
                return x.copy()
            if y == 2:
                return x * x
            if y == 3:
                return x * x * x
            if y == 0.5:
                return self.np.sqrt(x)
            if y == -0.5:
                return 1.0 / self.np.sqrt(x)
        elif (
            hasattr(y, "dtype") and y.dtype.kind == "i" and (x.__class__ is int or (hasattr(x, "dtype") and x.dtype.kind in "iu"))
        ):
            return self.whole_power(x, y)
        return self.np.power(x, y)

    def where(self, c, a, b):
        return self.np.where(c, a, b)

    def square(self, x):
        return self.np.square(x if x.dtype != bool else x.astype(np.int64))

    def sign(self, x):
        """-1, 0 or 1; of NaN 0, as in PyTorch."""
        if x.dtype == bool:
            return x.copy()
        return ((x > 0).view(np.int8) - (x < 0).view(np.int8)).astype(x.dtype)

    def remainder(self, a, b):
        """With the sign of ``b``, built on fmod: the remainder of floats is exact."""
        if _are_integral(a, b):
            return self.np.remainder(a, b)
        left = self.np.fmod(a, b)
        return self.np.where((left != 0) & ((left < 0) != (b < 0)), left + b, left)

    def floor_divide(self, a, b):
        if _are_integral(a, b):
            return self.np.floor_divide(a, b)
        if not hasattr(b, "dtype"):
            b = self.np.full_like(a, b)
        left = self.np.fmod(a, b)
        whole = self.np.rint((a - left) / b)
        whole = self.np.where((left != 0) & ((left < 0) != (b < 0)), whole - 1, whole)
        return self.np.where(b == 0, a / b, whole)

    def fmod(self, a, b):
        return self.np.fmod(a, b)

    def floor(self, x):
        return self._rounded("floor", x)

    def ceil(self, x):
        return self._rounded("ceil", x)

    def trunc(self, x):
        return self._rounded("trunc", x)

    def round(self, x):
        return self._rounded("rint", x)

    def _rounded(self, function, x):
        """Integers are whole already; some of the library's functions would make floats of them."""
        return x.copy() if x.dtype.kind in "bui" else getattr(self.np, function)(x)

    def astype(self, x, *, dtype):
        if x.dtype.kind == "c" and np.dtype(dtype).kind not in "cb":
            x = x.real  # as PyTorch does; NumPy would warn
        return x.astype(dtype)

    def one(self, like):
        """The number 1 in the shape of ``like``, which has one element; not to be written to."""
        return self.ones_like(like)

    def full_like(self, like, *, value):
        return self.np.full_like(like, value if like.dtype.kind not in "iu" else element(like.dtype, value))

    def full(self, like, *, shape, value=0, dtype=None):
        """A new array of ``shape`` on the device of ``like``."""
        dtype = like.dtype if dtype is None else np.dtype(dtype)
        return self.np.full(shape, value if dtype.kind not in "iu" else element(dtype, value), dtype)

    def arange(self, like, *, n, dtype=np.int64):
        """0, 1 ... n - 1 on the device of ``like``."""
        return self.np.arange(n, dtype=dtype)

    # ------------------------------------------------------------------------------------------------------- reductions
    def sum(self, x, *, axis=None, keepdims=False):
        kind = x.dtype.kind
        if kind in "bui":  # PyTorch: integers and bools add up to int64
            return self.np.sum(x, axis=axis, dtype=np.int64, keepdims=keepdims)
        if x.dtype in self.HALVES:
            return self.np.sum(x, axis=axis, dtype=np.float32, keepdims=keepdims).astype(x.dtype)
        return self.np.sum(x, axis=axis, keepdims=keepdims)

    def prod(self, x, *, axis=None, keepdims=False):
        if x.dtype.kind in "bui":
            return self.np.prod(x, axis=axis, dtype=np.int64, keepdims=keepdims)
        if x.dtype in self.HALVES:
            return self.np.prod(x.astype(np.float32), axis=axis, keepdims=keepdims).astype(x.dtype)
        return self.np.prod(x, axis=axis, keepdims=keepdims)

    def max(self, x, *, axis=None, keepdims=False):
        return self.np.max(x, axis=axis, keepdims=keepdims)

    def min(self, x, *, axis=None, keepdims=False):
        return self.np.min(x, axis=axis, keepdims=keepdims)

    def argmax(self, x, *, axis=None, keepdims=False):
        return self.np.argmax(x, axis=axis, keepdims=keepdims)

    def argmin(self, x, *, axis=None, keepdims=False):
        return self.np.argmin(x, axis=axis, keepdims=keepdims)

    def any(self, x, *, axis=None, keepdims=False):
        return self._truth(self.np.any(x, axis=axis, keepdims=keepdims), x)

    def all(self, x, *, axis=None, keepdims=False):
        return self._truth(self.np.all(x, axis=axis, keepdims=keepdims), x)

    @staticmethod
    def _truth(y, x):
        """PyTorch answers uint8 with uint8, everything else with bool."""
        return y.astype(np.uint8) if x.dtype == np.uint8 else y

    def cumsum(self, x, *, axis):
        return self._cumulate(self.np.cumsum, x, axis)

    def cumprod(self, x, *, axis):
        return self._cumulate(self.np.cumprod, x, axis)

    def _cumulate(self, function, x, axis):
        kind = np.int64 if x.dtype.kind in "bui" else np.float32 if x.dtype in self.HALVES else x.dtype
        if x.ndim == 0:
            return x.astype(np.int64 if kind is np.int64 else x.dtype)
        out = self._in_rows(function(x, axis=axis, dtype=kind))
        return out.astype(x.dtype) if kind is np.float32 else out

    def cummax(self, x, *, axis):
        """The largest element so far; NaN once there was one."""
        return self._scan(self.np.maximum, x, axis)

    def cummin(self, x, *, axis):
        return self._scan(self.np.minimum, x, axis)

    def logcumsumexp(self, x, *, axis):
        return self._scan(self.np.logaddexp, x, axis)

    def _scan(self, function, x, axis):
        """Cumulates an associative function in log2(n) steps, each over twice as many elements (Hillis and Steele, 1986)."""
        if x.ndim == 0:
            return x.copy()
        y = self.np.moveaxis(x, axis, -1)
        step = 1
        while step < y.shape[-1]:
            y = self.np.concatenate([y[..., :step], function(y[..., step:], y[..., :-step])], axis=-1)
            step *= 2
        return self.np.moveaxis(y, -1, axis)

    def argsort(self, x, *, axis=-1, descending=False):
        """Stable; NaN counts as the largest value."""
        if x.ndim == 0:
            return self.np.zeros((), np.int64)
        if not descending:
            return self.np.argsort(x, axis=axis, kind="stable")
        # Sorting the reversed array ascending and reversing the result keeps equal elements in their order.
        order = self.np.flip(self.np.argsort(self.np.flip(x, axis=axis), axis=axis, kind="stable"), axis=axis)
        return x.shape[axis] - 1 - order

    # ------------------------------------------------------------------------------------------------------------ shape
    def reshape(self, x, *, shape):
        return x.reshape(shape)

    def permute_dims(self, x, *, axes):
        return x.transpose(axes)

    def matrix_transpose(self, x):
        return x.swapaxes(-1, -2)

    def broadcast_to(self, x, *, shape):
        return self.np.broadcast_to(x, shape)

    def expand(self, x, *, shape):
        """Like ``broadcast_to``, and always a view."""
        return self.np.broadcast_to(x, shape)

    def concat(self, *xs, axis=0):
        return self._in_rows(self.np.concatenate(xs, axis=axis))

    def stack(self, *xs, axis=0):
        return self._in_rows(self.np.stack(xs, axis=axis))

    def copy(self, x):
        """A copy; a transposed array keeps the order of its axes in memory."""
        return x.copy() if x.flags.c_contiguous or 0 in x.strides else x.copy("K")

    def contiguous(self, x):
        return self.np.ascontiguousarray(x).reshape(x.shape)  # a 0-d array comes back with one axis

    def _in_rows(self, fresh):
        """A new array laid out row by row, whatever the order of the arrays that it was made from: what ``view`` may rely on."""
        return fresh if fresh.flags.c_contiguous else self.np.ascontiguousarray(fresh)

    def alias(self, x):
        return x[...]

    def flip(self, x, *, axis):
        return self.np.flip(x, axis=axis).copy()  # NumPy gives a view

    def roll(self, x, *, shifts, axis):
        return self._in_rows(self.np.roll(x, shifts, axis=axis))

    def pad(self, x, *, widths, value=0):
        """Constant padding; ``widths`` is one (before, after) pair per axis, none of them negative."""
        out = self.np.full([a + n + b for (a, b), n in zip(widths, x.shape)], value, x.dtype)  # np.pad takes 15 us
        out[tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape)])] = x
        return out

    def diagonal(self, x, *, offset=0):
        """The diagonals of the last two axes, as a view."""
        return self.np.diagonal(x, offset, -2, -1)

    def diagonal_put(self, x, v, *, offset=0):
        """A copy of ``x`` with ``v`` written along the diagonals of its last two axes."""
        out = x.copy()
        self.diagonal(out, offset=offset)[...] = v
        return out

    def tril(self, x, *, k=0):
        return self._in_rows(self.np.tril(x, k))

    def triu(self, x, *, k=0):
        return self._in_rows(self.np.triu(x, k))

    # --------------------------------------------------------------------------------------------------------- indexing
    def getitem(self, x, *indices, key):
        index = index_key(key, indices)
        found = x[index] if ... in key else x[(*index, ...)]  # with `...`, one element is a 0-d view and not a number
        return self._in_rows(found) if indices else found

    def ungetitem(self, v, *indices, key, shape):
        """zeros(shape) with ``v`` added at ``key``: repeated indices add up. The adjoint of getitem."""
        out = self.np.zeros(shape, v.dtype)
        if indices:
            self.add_at(out, index_key(key, indices), v)
        else:
            out[index_key(key, indices)] = v  # slices and integers never name an element twice
        return out

    def index_put(self, x, v, *indices, key):
        """A copy of ``x`` with ``v`` written at ``key``."""
        out = self.np.array(x)
        out[index_key(key, indices)] = v
        return out

    def add_at(self, out, index, v):
        self.np.add.at(out, index, v)

    def add_rows(self, g, index, *, rows):
        """zeros (rows, D) with g (M, D) added at index (M,)."""
        out = self.np.zeros((rows, g.shape[1]), g.dtype)
        self.add_at(out, index, g)
        return out

    def take_along_axis(self, x, indices, *, axis):
        """``x`` gathered along one axis: the other axes of ``indices`` may be shorter than those of ``x``."""
        return x[self._grid(indices, axis)]

    def scatter_along_axis(self, v, indices, *, axis, shape):
        """zeros(shape) with ``v`` added where ``take_along_axis`` would read. Its adjoint."""
        out = self.np.zeros(shape, v.dtype)
        self.add_at(out, self._grid(indices, axis), v)
        return out

    def put_along_axis(self, x, indices, v, *, axis):
        """A copy of ``x`` with ``v`` written where ``take_along_axis`` would read."""
        out = x.copy()
        out[self._grid(indices, axis)] = v
        return out

    def extreme_along_axis(self, x, indices, v, *, axis, largest):
        """A copy of ``x`` with the largest (or smallest) of it and of ``v`` where ``take_along_axis`` would read."""
        out = x.copy()
        (self.np.maximum if largest else self.np.minimum).at(out, self._grid(indices, axis), v)
        return out

    def _grid(self, indices, axis):
        ndim = indices.ndim
        grid = [self.np.arange(n).reshape([-1 if i == d else 1 for i in range(ndim)]) for d, n in enumerate(indices.shape)]
        grid[axis] = indices
        return tuple(grid)

    def check_bounds(self, index, *, low, high, name, where="", text="{}"):
        """IndexError of this text where an index is outside [low, high). A GPU looks at nothing: the host would wait."""

    def nonzero(self, x):
        return self.np.nonzero(x)

    def bincount(self, x, *, length):
        """How often each of 0, 1 ... comes up in a 1-D array: at least ``length`` counts, as many as it takes."""
        return self.np.bincount(x, minlength=length)

    def top_places(self, x, *, k, axis, largest):
        """The places of the ``k`` largest (or smallest) elements along an axis, in order; NaN counts as the largest."""
        order = self.argsort(x, axis=axis, descending=largest)
        return order[(slice(None),) * axis + (slice(0, k),)]

    def searchsorted(self, sorted, values, *, side="left"):
        """Where ``values`` belong in the 1-D array ``sorted``."""
        return self.np.searchsorted(sorted, values, side=side)

    # -------------------------------------------------------------------------------------------------- sliding windows
    def windows(self, x, *, kernel, stride, dilation):
        """All windows over the last axes, as a view: (..., H, W) -> (..., OH, OW, KH, KW) for two axes, and so on."""
        k = len(kernel)
        lead, sizes = x.shape[: x.ndim - k], x.shape[x.ndim - k :]
        steps = x.strides[x.ndim - k :]
        counts = tuple((n - d * (m - 1) - 1) // s + 1 for n, m, s, d in zip(sizes, kernel, stride, dilation))
        strides = (*x.strides[: x.ndim - k], *(t * s for t, s in zip(steps, stride)), *(t * d for t, d in zip(steps, dilation)))
        return self.np.lib.stride_tricks.as_strided(x, (*lead, *counts, *kernel), strides)

    def unwindows(self, g, *, stride, dilation, size):
        """The adjoint of ``windows``: every window added back to where it was read; ``size`` is that of the last axes of x."""
        k = len(size)
        lead, counts, kernel = g.shape[: g.ndim - 2 * k], g.shape[g.ndim - 2 * k : g.ndim - k], g.shape[g.ndim - k :]
        out = self.np.zeros((*lead, *size), g.dtype)
        for tap in np.ndindex(*kernel):
            where = tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, counts, stride))
            out[(..., *where)] += g[(..., *tap)]
        return out

    def sliding(self, x, *, axis, size, step):
        """All windows along one axis, as a view; the window is the last axis."""
        out = self.windows(self.np.moveaxis(x, axis, -1), kernel=(size,), stride=(step,), dilation=(1,))
        return self.np.moveaxis(out, -2, axis)

    def unsliding(self, g, *, axis, size, step, n):
        """The adjoint of ``sliding`` over an axis of length ``n``."""
        out = self.unwindows(self.np.moveaxis(g, axis, -2), stride=(step,), dilation=(1,), size=(n,))
        return self.np.moveaxis(out, -1, axis)

    def sliding_put(self, x, v, *, axis, size, step):
        """A copy of ``x`` with ``v`` written into its windows, which do not overlap."""
        out = x.copy()
        self.sliding(out, axis=axis, size=size, step=step)[...] = v
        return out

    # ------------------------------------------------------------------------------------------------- arrays and hosts
    def size(self, x):
        return math.prod(x.shape)

    def make(self, word, *args, dtype, device_index=None):
        """A new array by the library's own ``zeros``, ``full``, ``eye`` ... on a device."""
        return getattr(self.np, word)(*args, dtype=dtype)

    def to_device(self, x, *, device, source=None):
        """The array copied to the device of that name; ``source``, where it is, is for the adjoint."""
        from . import on

        kind, _, index = device.partition(":")
        return on(kind).upload(self.host(x), int(index) if index else None)
