"""Stand-in for CuPy's Thrust module, which holds precompiled device code: sorting, by NumPy on the host memory."""

import numpy as np

from .memory import view


def _sort(dtype, data, keys, shape) -> None:
    """Sort the last axis in place. `keys` is Thrust's scratch memory."""
    view(data, dtype, shape).sort(axis=-1, kind="stable")


def _argsort(dtype, indices, data, keys, shape) -> None:
    """Write the order of the last axis to `indices`, and sort `data` as Thrust does on the way."""
    values = view(data, dtype, shape)
    order = np.argsort(values, axis=-1, kind="stable")
    view(indices, np.intp, shape)[...] = order
    values[...] = np.take_along_axis(values, order, -1)


def _lexsort(dtype, indices, keys, key_count, length) -> None:
    """Write the order by several keys, the last one first, to `indices`."""
    view(indices, np.intp, (length,))[...] = np.lexsort(view(keys, dtype, (key_count, length)))


def hook_into_cupy() -> None:
    """Replace the three functions CuPy calls."""
    from cupy.cuda import thrust

    thrust.sort = _sort
    thrust.argsort = _argsort
    thrust.lexsort = _lexsort
