"""Functions of each element."""

import numpy as np

from . import CHEAP_ELEMENTS, ELEMENTS, FLOAT32, FLOATS, floats, kernel

FEW_ELEMENTS = 2**8  # of functions for which the text needs many passes


def _large(x):
    return x.size >= ELEMENTS and x.dtype in FLOATS


def _large64(x):
    return x.size >= ELEMENTS and x.dtype == np.float64  # NumPy's own are faster in float32


def _medium(x):
    return x.size >= FEW_ELEMENTS and x.dtype in FLOATS


def _large32(x):
    return x.size >= CHEAP_ELEMENTS and x.dtype == FLOAT32


def _gradient(g, x):
    return _large(x) and floats(g, x) and g.shape == x.shape


def _medium_gradient(g, x):
    return _medium(x) and floats(g, x) and g.shape == x.shape


def _where(c, a, b):
    """A condition and one array of its shape; the other may be a number. Bools, or floats that are false at 0."""
    arrays = [v for v in (a, b) if getattr(v, "ndim", 0)]
    numbers = [v for v in (a, b) if not getattr(v, "ndim", 0)]
    return (
        len(arrays) > 0
        and c.size >= ELEMENTS
        and floats(*arrays)
        and (c.dtype == bool or c.dtype == arrays[0].dtype)
        and all(v.shape == c.shape for v in arrays)
        and all(getattr(v, "dtype", arrays[0].dtype) == arrays[0].dtype and v.__class__ is not bool for v in numbers)
    )


KERNELS = {
    "where": kernel("elementwise:where", _where),
    **{name: kernel(f"elementwise:{name}", _large) for name in ("sigmoid", "silu", "erf")},
    **{name: kernel(f"elementwise:{name}", _large64) for name in ("sin", "cos")},
    **{name: kernel(f"elementwise:{name}", _medium) for name in ("gelu", "gelu_tanh")},
    **{name: kernel(f"elementwise:{name}", _large32) for name in ("exp", "tanh")},
    **{name: kernel(f"elementwise:{name}", _medium_gradient) for name in ("gelu_dx", "gelu_tanh_dx")},
    "silu_dx": kernel("elementwise:silu_dx", _gradient),
}
