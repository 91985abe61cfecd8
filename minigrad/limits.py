"""The limits of the element types: ``finfo`` and ``iinfo``."""

import numpy as np

from .dtype import as_dtype, get_default_dtype

__all__ = ["finfo", "iinfo"]

_DIGITS = {16: 1e-3, 32: 1e-6, 64: 1e-15}


class finfo:
    """The numbers of a float dtype: ``bits, eps, max, min, tiny`` (the smallest normal number) and ``resolution``.

    Args:
        dtype: a float or complex dtype (its real part counts); by default the default dtype.

    Raises:
        TypeError: for an integer or bool dtype.

    >>> import minigrad
    >>> minigrad.finfo(minigrad.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, dtype=None):
        d = get_default_dtype() if dtype is None else as_dtype(dtype)
        if not (d.is_floating_point or d.is_complex):
            raise TypeError(f"torch.finfo() requires a floating point input type, not {d}. Use torch.iinfo for integers")
        real = np.empty(0, d.dtype).real.dtype if d.is_complex else d.dtype
        brain = d.name == "bfloat16"
        self.bits = real.itemsize * 8
        if brain:  # 1 sign, 8 exponent and 7 fraction bits
            self.eps, self.max, self.tiny = 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126
        else:
            known = np.finfo(real)
            self.eps, self.max, self.tiny = float(known.eps), float(known.max), float(known.smallest_normal)
        self.min, self.smallest_normal = -self.max, self.tiny
        self.resolution = 1e-2 if brain else _DIGITS[self.bits]
        self.dtype = "bfloat16" if brain else real.name

    def __repr__(self):
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{n}={getattr(self, n):g}' for n in names)}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)


class iinfo:
    """The numbers of an integer dtype: ``bits, max, min``.

    Raises:
        TypeError: for a float or bool dtype.

    >>> import minigrad
    >>> minigrad.iinfo(minigrad.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, dtype):
        d = as_dtype(dtype)
        if d.category == 0:
            raise TypeError(f"{d} is not supported by torch.iinfo")
        if d.category != 1:
            raise TypeError(f"torch.iinfo() requires an integer input type, not {d}. Use torch.finfo for floats")
        known = np.iinfo(d.dtype)
        self.bits, self.min, self.max, self.dtype = known.bits, int(known.min), int(known.max), d.name

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)
