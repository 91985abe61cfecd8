"""Reading, adding and choosing by index on NumPy, where its own way is slow: ``np.add.at`` is quick in one dimension only."""

import functools
import math

import numpy as np

from ..errors import BoundsError
from .words import Words

_FULL = ("slice", None, None, None)
BAND = 64  # rows of a matrix that are copied at once but for a triangle
_UNSIGNED = {n: np.dtype(f"uint{8 * n}") for n in (1, 2, 4, 8)}


class IndexingWords(Words):
    """What the NumPy backend does its own way about views and indices."""

    def diagonal(self, x, *, offset=0):
        out = np.diagonal(x, offset, -2, -1)
        out.flags.writeable = x.flags.writeable  # NumPy makes it read-only
        return out

    def expand(self, x, *, shape):
        """A view that can be written where nothing is stretched; np.broadcast_to gives read-only ones, in 4 us."""
        strides = [0] * (len(shape) - x.ndim)
        for m, n, step in zip(x.shape, shape[len(strides) :], x.strides):
            if m != n and m != 1:
                raise ValueError(f"an array of shape {x.shape} does not expand to {shape}")
            strides.append(step if m == n else 0)
        if x.flags.c_contiguous and x.size:
            return np.ndarray(shape, x.dtype, x, 0, strides)
        return np.lib.stride_tricks.as_strided(x, shape, strides)

    def check_bounds(self, index, *, low, high, name, where="", text="{}"):
        if not index.size:
            return
        if low == 0:  # seen as unsigned numbers, negative ones are large: one look at the values instead of two
            inside = np.maximum.reduce(index.view(_UNSIGNED[index.dtype.itemsize]), None) < high
        else:
            inside = index.min() >= low and index.max() < high
        if not inside:
            worst = index.min() if index.min() < low else index.max()
            message = f"{name}: index {worst} is out of bounds{where}: index out of range"
            raise BoundsError(text.format(f"{message} (expected to be in range of [{low}, {high - 1}])"))

    def getitem(self, x, *indices, key):
        if len(indices) == 1 and key[-1] == "?" and indices[0].dtype.kind == "i" and x.flags.c_contiguous and _leading(key) == 1:
            return x.take(indices[0], len(key) - 1)
        return super().getitem(x, *indices, key=key)

    def ungetitem(self, v, *indices, key, shape):
        """Rows added at the index tensors; the dimensions in front of them are moved behind."""
        count = _leading(key)
        if not indices or not count or any(i.dtype.kind == "b" for i in indices):
            if len(indices) == 1 and indices[0].dtype.kind == "b":
                return self.index_put(np.zeros(shape, v.dtype), v, *indices, key=key)  # a mask names no element twice
            return super().ungetitem(v, *indices, key=key, shape=shape)
        front = len(key) - count
        sizes = shape[front : front + count]
        places = _flat_places(indices, sizes, front + count - 1)
        step = math.prod(sizes)
        width = math.prod(shape[:front]) * math.prod(shape[front + count :])
        moved = np.moveaxis(v, range(front), range(places.ndim, places.ndim + front)) if front else v
        if width == 1:
            rows = self.scatter_along_axis(moved.reshape(-1), places.reshape(-1), axis=0, shape=(step,))
        else:
            rows = self.index_add_rows(moved.reshape(places.size, width), places.reshape(-1), rows=step)
        out = rows.reshape(*sizes, *shape[:front], *shape[front + count :])
        return np.moveaxis(out, range(count, count + front), range(front)) if front else out

    def add_rows(self, g, index, *, rows):
        width = g.shape[1]
        out = np.zeros(rows * width, g.dtype)
        where = index if width == 1 else (index[:, None] * width + np.arange(width)).reshape(-1)
        np.add.at(out, where, g.reshape(-1))
        return out.reshape(rows, width)

    def scatter_along_axis(self, v, indices, *, axis, shape):
        axis %= len(shape)
        step, where = 1, 0
        for d in range(len(shape) - 1, -1, -1):
            line = indices if d == axis else np.arange(indices.shape[d]).reshape([-1 if i == d else 1 for i in range(len(shape))])
            where, step = where + line * step, step * shape[d]
        out = np.zeros(step, v.dtype)
        np.add.at(out, where.reshape(-1), v.reshape(-1))
        return out.reshape(shape)

    def one_hot(self, x, *, n):  # no word: the compiler opens the operation's text
        out = np.zeros(x.size * n, np.int64)
        out[np.arange(x.size) * n + x.reshape(-1)] = 1
        return out.reshape(*x.shape, n)

    def tril(self, x, *, k=0):
        return super().tril(x, k=k) if x.shape[-2] <= BAND else _triangle(x, k, False)

    def triu(self, x, *, k=0):
        return super().triu(x, k=k) if x.shape[-2] <= BAND else _triangle(x, k, True)

    def top_places(self, x, *, k, axis, largest):
        n = x.shape[axis]
        if n < 64 or 4 * k > n:
            return super().top_places(x, k=k, axis=axis, largest=largest)
        front = (slice(None),) * axis
        keys = x.astype(np.float32) if x.dtype.kind == "V" else x
        border, ours = (n - k, slice(n - k, n)) if largest else (k - 1, slice(0, k))
        near = np.argpartition(keys, border, axis=axis)[(*front, ours)]
        near = np.sort(near, axis=axis)  # equal values in the order of their places
        order = self.argsort(np.take_along_axis(keys, near, axis), axis=axis, descending=largest)
        return np.take_along_axis(near, order, axis)


def _leading(key):
    """How many index tensors a key ends in that has nothing else but full slices in front of them; 0 for other keys."""
    count = key.count("?")
    front = len(key) - count
    return count if key == (_FULL,) * front + ("?",) * count else 0


def _flat_places(indices, sizes, last):
    """int64 indices that are one for all of these, which index neighbouring axes of these sizes up to the axis ``last``."""
    places, step = None, 1
    for i, n in zip(indices[::-1], sizes[::-1]):
        if i.size and np.maximum.reduce(i.view(_UNSIGNED[i.dtype.itemsize]), None) >= n:  # negative ones are large as well
            if i.max() >= n or i.min() < -n:
                raise IndexError(f"index {i.max() if i.max() >= n else i.min()} is out of bounds for axis {last} with size {n}")
            i = np.where(i < 0, i + n, i)
        i = i.astype(np.int64, copy=False)
        places = i if places is None else places + i * step
        step *= n
    return places


def _triangle(x, k, upper):
    """np.triu and np.tril for large matrices: band by band, only the numbers around the diagonal are looked at one by one."""
    rows, columns = x.shape[-2:]
    out = np.zeros(x.shape, x.dtype)
    for top in range(0, rows, BAND):
        end = min(top + BAND, rows)
        first, last = (min(max(i + k, 0), columns) for i in (top, end))  # the diagonal runs between
        whole = (..., slice(top, end), slice(last, None) if upper else slice(first))
        out[whole] = x[whole]
        mixed = (..., slice(top, end), slice(first, last))
        np.copyto(out[mixed], x[mixed], where=_corner(end - top, last - first, k + top - first, upper))
    return out


@functools.lru_cache(maxsize=16)
def _corner(rows, columns, k, upper):
    """What np.triu or np.tril keeps of a small matrix; read-only."""
    kept = ~np.tri(rows, columns, k - 1, bool) if upper else np.tri(rows, columns, k, bool)
    kept.flags.writeable = False
    return kept
