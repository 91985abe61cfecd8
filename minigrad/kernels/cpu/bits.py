"""Other views of the same memory, which Numba has as methods, but compiles as functions of their own for every type.

``bits`` and ``number`` are a single instruction, ``flat`` is none.
"""

import numpy as np
from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import lower_builtin, type_callable

_INTEGER = {types.float32: types.int32, types.float64: types.int64}
_FLOAT = {integer: floating for floating, integer in _INTEGER.items()}


def bits(x):
    """float32 -> int32, float64 -> int64."""
    return x.view(np.int64 if x.dtype == np.float64 else np.int32)


def number(n):
    """int32 -> float32, int64 -> float64."""
    return n.view(np.float64 if n.dtype == np.int64 else np.float32)


def flat(array):
    """A C-contiguous array as one of one dimension."""
    return array.reshape(-1)


type_callable(bits)(lambda context: lambda x: _INTEGER.get(x))
type_callable(number)(lambda context: lambda n: _FLOAT.get(n))
type_callable(flat)(lambda context: lambda array: array.copy(ndim=1) if array.layout == "C" else None)


@lower_builtin(bits, types.Float)
@lower_builtin(number, types.Integer)
def _cast(context, builder, signature, arguments):
    return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))


@lower_builtin(flat, types.Array)
def _flat(context, builder, signature, arguments):
    from numba.np.arrayobj import make_array, populate_array  # a twentieth of a warm start

    array = make_array(signature.args[0])(context, builder, arguments[0])
    result = make_array(signature.return_type)(context, builder)
    same = {name: getattr(array, name) for name in ("data", "itemsize", "meminfo", "parent")}
    populate_array(result, shape=[array.nitems], strides=[array.itemsize], **same)
    return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())
