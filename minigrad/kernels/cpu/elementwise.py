"""Functions of every element of an array, for float32 and float64.

``SCALAR`` names the scalar functions behind a word or an operation, (float32, float64), for code that prints loops of its
own; a name that ends in ``_slope`` is the derivative of what stands before. ``either(name)`` chooses by the dtype of
its argument inside a compiled loop. The errors are those that ``polynomials32`` and ``polynomials64`` state.
"""

import numpy as np
from numba import types
from numba.extending import overload

from . import polynomials32, polynomials64
from .jit import CONTRACT, jit
from .threads import split

_NAMES = (
    "exp expm1 log log1p log2 log10 tanh sigmoid silu silu_slope softplus logsigmoid erf sin cos tan pow "
    "gelu gelu_slope gelu_tanh gelu_tanh_slope"
).split()
_INLINE = {"forceinline": True, "error_model": "numpy", "fastmath": CONTRACT}
SCALAR = {name: (getattr(polynomials32, name + "32"), getattr(polynomials64, name + "64")) for name in _NAMES}


def either(name):
    """The scalar function ``name`` of one number, of its dtype: inside compiled code, and outside."""
    single, double = SCALAR[name]

    def function(x):
        return double(x) if x.dtype == np.float64 else single(x)

    @overload(function, jit_options=_INLINE)
    def _(x):
        return (lambda x: double(x)) if x == types.float64 else lambda x: single(x)

    return function


_exp, _tanh, _sigmoid, _silu, _erf, _sin, _cos = map(either, ("exp", "tanh", "sigmoid", "silu", "erf", "sin", "cos"))
_silu_slope = either("silu_slope")
_gelu, _gelu_slope, _gelu_tanh, _gelu_tanh_slope = map(either, ("gelu", "gelu_slope", "gelu_tanh", "gelu_tanh_slope"))


def exp(x):
    return _map(exp_loop, x)


def tanh(x):
    return _map(tanh_loop, x)


def sigmoid(x):
    return _map(sigmoid_loop, x)


def silu(x):
    return _map(silu_loop, x)


def silu_dx(g, x):
    return _map(silu_dx_loop, g, x)


def erf(x):
    return _map(erf_loop, x)


def sin(x):
    return _of_angles(sin_loop, np.sin, x)


def cos(x):
    return _of_angles(cos_loop, np.cos, x)


def gelu(x):
    """x * Phi(x) with the exact Phi, not the tanh approximation."""
    return _map(gelu_loop, x)


def gelu_dx(g, x):
    return _map(gelu_dx_loop, g, x)


def gelu_tanh(x):
    return _map(gelu_tanh_loop, x)


def gelu_tanh_dx(g, x):
    return _map(gelu_tanh_dx_loop, g, x)


def where(c, a, b):
    """a where c holds, b elsewhere; c of bools or of numbers, and one of a and b may be a number or an array of one."""
    number = next((v for v in (a, b) if not getattr(v, "ndim", 0)), None)
    if number is None:
        return _map(choose_loop, c, a, b, like=a)
    array = b if number is a else a
    number, holds = array.dtype.type(number), array is a
    return _map(lambda c, x, y: choose_number_loop(c, x, number, holds, y), c, array, like=array)


def _map(loop, *inputs, like=None):
    inputs = [np.ascontiguousarray(x) for x in inputs]
    y = np.empty(inputs[0].shape, (inputs[0] if like is None else like).dtype)
    arrays = [a.reshape(-1) for a in (*inputs, y)]
    split(lambda lo, hi: loop(*[a[lo:hi] for a in arrays]), count=y.size, work=2 * y.size)
    return y


def _of_angles(loop, exact, x):
    """Where any angle is too large for the loop, NumPy's slower function takes them all."""
    y = _map(loop, x)
    largest = polynomials64.LARGEST_ANGLE
    return exact(x) if y.size and not -largest <= x.min() <= x.max() <= largest else y


@jit
def exp_loop(x, y):
    for i in range(x.size):
        y[i] = _exp(x[i])


@jit
def tanh_loop(x, y):
    for i in range(x.size):
        y[i] = _tanh(x[i])


@jit
def sigmoid_loop(x, y):
    for i in range(x.size):
        y[i] = _sigmoid(x[i])


@jit
def silu_loop(x, y):
    for i in range(x.size):
        y[i] = _silu(x[i])


@jit
def silu_dx_loop(g, x, dx):
    for i in range(x.size):
        dx[i] = g[i] * _silu_slope(x[i])


@jit
def erf_loop(x, y):
    for i in range(x.size):
        y[i] = _erf(x[i])


@jit
def sin_loop(x, y):
    for i in range(x.size):
        y[i] = _sin(x[i])


@jit
def cos_loop(x, y):
    for i in range(x.size):
        y[i] = _cos(x[i])


@jit
def gelu_loop(x, y):
    for i in range(x.size):
        y[i] = _gelu(x[i])


@jit
def gelu_dx_loop(g, x, dx):
    for i in range(x.size):
        dx[i] = g[i] * _gelu_slope(x[i])


@jit
def gelu_tanh_loop(x, y):
    for i in range(x.size):
        y[i] = _gelu_tanh(x[i])


@jit
def gelu_tanh_dx_loop(g, x, dx):
    for i in range(x.size):
        dx[i] = g[i] * _gelu_tanh_slope(x[i])


@jit
def choose_loop(c, a, b, y):
    for i in range(c.size):
        u, v = a[i], b[i]  # both are read, so that no branch is left
        y[i] = u if c[i] != 0 else v


@jit
def choose_number_loop(c, x, number, holds, y):
    """x where c has the truth value ``holds``, the number elsewhere."""
    for i in range(c.size):
        v = x[i]
        y[i] = v if (c[i] != 0) == holds else number
