"""Window functions of signal processing, and ``range``.

Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66, 1978.
"""

import math
import warnings

import numpy as np

from ..dtype import array_dtype, as_dtype, get_default_dtype
from ..errors import DtypeError, ShapeError
from ..op import E, S, function
from ..tensor import Tensor
from .creation import placed

_FLOAT64 = np.dtype("float64")


def _window(name, shape, length, periodic, dtype, device, requires_grad):
    """``shape(x)`` for x from 0 to 1: ``length`` points, of ``length + 1`` if the window is to be repeated without a seam."""
    dtype = as_dtype(dtype or get_default_dtype())
    if not hasattr(length, "__index__"):
        raise TypeError(f"{name}(): argument 'window_length' (position 1) must be int, not {type(length).__name__}")
    length = length.__index__()
    if not dtype.is_floating_point:
        raise DtypeError(f"{name} expects floating point dtypes, got: {dtype}")
    if length < 0:
        raise ShapeError(f"{name} requires non-negative window_length, got window_length={length}")
    points = length - 1 + bool(periodic)
    x = np.arange(length) / max(points, 1)
    return placed(shape(x) if length > 1 else np.ones(length), dtype, device, requires_grad)


def _samples(*settings):
    return lambda r: [
        S(6, dtype=_FLOAT64),
        S(5, False, *settings, dtype=_FLOAT64),
        S(4, periodic=True, dtype=_FLOAT64),
        S(1, dtype=_FLOAT64),
        S(0, dtype=_FLOAT64),
        S(1),
    ]


def _errors(r):
    return [
        E(RuntimeError, "requires non-negative window_length", -1),
        E(RuntimeError, "expects floating point dtypes", 3, dtype=np.dtype("int64")),
        E(TypeError, "must be int", 2.5),
    ]


def _reference(theirs):
    def reference(n, periodic=True, *settings, dtype=None):
        w = theirs(n + 1, *settings)[:-1] if periodic and n > 1 else theirs(n, *settings)
        return w.astype(dtype or np.float32)

    return reference


@function("bartlett_window", spaces="torch", formula=r"w(x) = 1 - |2 x - 1|", samples=_samples(), errors=_errors,
          reference=_reference(np.bartlett))  # fmt: skip
def bartlett_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A triangle from 0 to 1 and back.

    Args:
        window_length: number of points.
        periodic: whether it is to be repeated without a seam: the last point of a symmetric window is left out.
        dtype, device, requires_grad: of the new tensor; the dtype is a float one.

    >>> import minigrad
    >>> minigrad.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    shape = lambda x: 1 - np.abs(2 * x - 1)
    return _window("bartlett_window", shape, window_length, periodic, dtype, device, requires_grad)


@function("blackman_window", spaces="torch", formula=r"w(x) = 0.42 - 0.5 \cos 2 \pi x + 0.08 \cos 4 \pi x", samples=_samples(),
          errors=_errors, reference=_reference(np.blackman))  # fmt: skip
def blackman_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """Blackman's window. Arguments as :func:`minigrad.bartlett_window`.

    >>> import minigrad
    >>> minigrad.blackman_window(4)
    tensor([0.0000, 0.3400, 1.0000, 0.3400])
    """

    def shape(x):
        return np.maximum(0.42 - 0.5 * np.cos(2 * np.pi * x) + 0.08 * np.cos(4 * np.pi * x), 0.0)

    return _window("blackman_window", shape, window_length, periodic, dtype, device, requires_grad)


@function("hann_window", spaces="torch", formula=r"w(x) = \sin^2 \pi x", samples=_samples(), errors=_errors,
          reference=_reference(np.hanning))  # fmt: skip
def hann_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """Hann's window, a raised cosine. Arguments as :func:`minigrad.bartlett_window`.

    >>> import minigrad
    >>> minigrad.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    shape = lambda x: np.sin(np.pi * x) ** 2
    return _window("hann_window", shape, window_length, periodic, dtype, device, requires_grad)


def _np_hamming(n, alpha=0.54, beta=0.46):
    return alpha - beta * np.cos(2 * np.pi * np.arange(n) / (n - 1)) if n > 1 else np.ones(n)


@function("hamming_window", spaces="torch", formula=r"w(x) = \alpha - \beta \cos 2 \pi x", samples=_samples(0.6, 0.3),
          errors=_errors, reference=_reference(_np_hamming))  # fmt: skip
def hamming_window(
    window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
):  # fmt: skip
    """Hamming's window, ``alpha - beta * cos(2 * pi * x)``. Other arguments as :func:`minigrad.bartlett_window`.

    >>> import minigrad
    >>> minigrad.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    shape = lambda x: alpha - beta * np.cos(2 * np.pi * x)
    return _window("hamming_window", shape, window_length, periodic, dtype, device, requires_grad)


@function("kaiser_window", spaces="torch", formula=r"w(x) = I_0(\beta \sqrt{1 - (2 x - 1)^2}) / I_0(\beta)",
          samples=_samples(5.0), errors=_errors, reference=_reference(lambda n, beta=12.0: np.kaiser(n, beta)))  # fmt: skip
def kaiser_window(
    window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """Kaiser's window; ``beta`` says how narrow it is. Other arguments as :func:`minigrad.bartlett_window`.

    >>> import minigrad
    >>> minigrad.kaiser_window(4, beta=5.0)
    tensor([0.0367, 0.5529, 1.0000, 0.5529])
    """
    shape = lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0.0))) / np.i0(beta)
    return _window("kaiser_window", shape, window_length, periodic, dtype, device, requires_grad)


@function("range", spaces="torch", parity="PyTorch warns that it is deprecated, as here",
          samples=lambda r: [S(1, 4, dtype=_FLOAT64), S(1, 4, 0.5, dtype=_FLOAT64), S(4, 1, -1, dtype=np.dtype("int64"))],
          errors=lambda r: [E(RuntimeError, "step must be nonzero", 1, 4, 0),
                            E(RuntimeError, "inconsistent with step sign", 4, 1)],
          reference=lambda start, end, step=1, dtype=None: np.arange(start, end + step / 2, step).astype(dtype))  # fmt: skip
def range_(start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """``start``, ``start + step`` ... up to and with ``end``, as floats. Deprecated: :func:`minigrad.arange` is Python's range.

    >>> import minigrad, warnings
    >>> warnings.simplefilter("ignore")
    >>> minigrad.range(1, 2, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's "
        "range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        raise TypeError('range() missing 1 required positional arguments: "end"')
    start, end, step = (v.item() if isinstance(v, Tensor) else v for v in (start, end, step))
    if step == 0:
        raise ShapeError("range: step must be nonzero")
    if (end - start) * step < 0:
        raise ShapeError(f"range: upper bound and lower bound inconsistent with step sign (from {start} to {end} by {step})")
    values = start + step * np.arange(math.floor((end - start) / step) + 1)
    made = placed(values, array_dtype(dtype or get_default_dtype()), device, requires_grad)
    return made if out is None else out.resize_(made.shape).copy_(made)
