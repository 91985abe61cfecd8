"""Words about how elements lie in memory: complex numbers as pairs, and views with free steps.

A geometry is (shape, steps, offset): steps between neighbours and the place of the first element, both counted in elements
of the memory that the array looks into.
"""

import math

import numpy as np


def owner_of(array):
    """The array that owns the memory behind a view."""
    base = getattr(array, "base", None)
    while base is not None:
        if base.__class__ is array.__class__:
            array = base
        elif base.__class__.__name__ != "DummyArray":  # as_strided puts one of these between a view and its base
            break
        base = base.base
    return array


class LayoutWords:
    """The part of ``xp`` that knows of memory."""

    # -------------------------------------------------------------------------------------------------- complex numbers
    def complex(self, a, b):
        """``a + b i`` of two real arrays that broadcast."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        out = self.np.empty(shape, np.result_type(a.dtype, np.complex64))
        out.real, out.imag = a, b
        return out

    def view_as_real(self, x):
        """The same memory with the two parts of each number along a new last axis."""
        return x[..., None].view(x.real.dtype)

    def view_as_complex(self, x):
        """The pairs along the last axis as one number each: the same memory where they lie side by side."""
        if x.strides[-1] != x.itemsize:
            x = self.np.ascontiguousarray(x)
        return x.view(np.result_type(x.dtype, np.complex64))[..., 0]

    # ------------------------------------------------------------------------------------------------------- geometries
    def strided(self, x, *, source, target):
        """A view of the memory behind ``x`` (which lies there as ``source`` says) with the geometry ``target``."""
        shape, steps, offset = target
        memory = self._memory(x)
        last = offset + sum((n - 1) * s for n, s in zip(shape, steps))
        if 0 not in shape and last >= memory.size:
            raise RuntimeError(
                f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset}, and itemsize {x.itemsize} "
                f"requiring a storage size of {(last + 1) * x.itemsize} are out of bounds for storage of size {memory.nbytes}"
            )
        return self._look(memory[offset:] if 0 not in shape else memory[:0], shape, steps)

    def restride(self, v, *, source, target):
        """Values that lie at ``source`` added into memory of zeros, which is then read at ``target``."""
        memory = self.np.zeros(max(self._reach(source), self._reach(target)), v.dtype)
        self.add_at(memory, (self._places(source).reshape(-1),), v.reshape(-1))
        return memory[self._places(target)]

    def strided_put(self, x, v, *, source, target):
        """A copy of ``x`` with ``v`` written where the view ``target`` looks."""
        memory = self.np.zeros(max(self._reach(source), self._reach(target)), x.dtype)
        places = self._places(source)
        memory[places] = x
        memory[self._places(target)] = v
        return memory[places]

    @staticmethod
    def _reach(geometry):
        shape, steps, offset = geometry
        return 0 if 0 in shape else 1 + offset + sum((n - 1) * s for n, s in zip(shape, steps))

    def _places(self, geometry):
        """Where in the memory each element lies."""
        shape, steps, offset = geometry
        places = self.np.full((1,) * len(shape), offset, np.int64)
        for axis, (n, step) in enumerate(zip(shape, steps)):
            places = places + (self.np.arange(n) * step).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return places

    def _memory(self, x):
        """All the memory that ``x`` looks into, as a vector."""
        owner = owner_of(x)
        flat = self._look(owner, (math.prod(owner.shape),), (1,))
        return flat if flat.dtype == x.dtype else flat.view(x.dtype)

    def _look(self, memory, shape, steps):
        return self.np.lib.stride_tricks.as_strided(memory, shape, tuple(s * memory.itemsize for s in steps))
