"""Products with int8 weights. Layers of them are in ``minigrad/compress``; these texts say what their kernels compute.

A real number r is kept as an integer q with r = s q (symmetric quantization: zero is zero). Weights have one step s for each
output channel, found once; activations have one step for each row, found anew in every call ("dynamic"). A product of two
such numbers is (s_x s_w) (q_x q_w), so the sum runs over exact integers and is scaled once at the end.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018.
Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference: a whitepaper", 2018, arXiv:1806.08342.
"""

import math

import numpy as np

from ..errors import GradError, ShapeError
from ..op import E, S, op
from .samples import normal
from .sliding import convolution_loops, out_sizes

INT8, INT32, FLOAT32, FLOAT64 = map(np.dtype, ("int8", "int32", "float32", "float64"))
LEVELS = 127  # int8 from -127 to 127; -128 is not used, so that -r is kept as well as r
SMALLEST = 2.0**-126  # the least normal float32: where a row is smaller than LEVELS times this, it counts as zeros


def _integers(r, *shape):
    return r.integers(-LEVELS, LEVELS + 1, shape).astype(INT8)


def _steps(r, *shape):
    return np.asarray(r.random(shape) + 0.5)


def _no_gradient(xp, g):
    raise GradError(
        "a layer with int8 weights and dynamic int8 activations passes no gradient back: rounding has none. Train the float "
        "model and quantize it afterwards, and run the quantized one under minigrad.no_grad(); "
        "quantize(..., activations='float') passes gradients to its input"
    )


# ------------------------------------------------------------------------------------------------------------- to integers
def _rows_on_the_grid(x):
    """x rounded to a whole number of steps in each row."""
    steps = np.array([[abs(row).max() / LEVELS or 1.0] for row in x]).reshape(len(x), 1)
    return np.rint(x / steps).astype(INT8), np.maximum(np.abs(x).max(1, keepdims=True) / LEVELS, SMALLEST), steps


@op(
    names="",
    outputs=2,
    half=False,
    formula=r"s_i = \max_j |x_{ij}| / 127, \quad q_{ij} = \mathrm{round}(x_{ij} / s_i)",
    samples=lambda r: [S(normal(r, 3, 5)), S(np.array([[0.0, 0.0], [-1.0, 0.25]])), S(normal(r, 0, 2))],
    reference=lambda x: _rows_on_the_grid(x)[:2],
)
def quantize_rows(xp, x):
    """Every row of x (M, K) as int8 from -127 to 127 and one step (M, 1): x is nearly ``q * step``.

    The largest magnitude of a row becomes 127 or -127. NaN or an infinity makes all of its row's results NaN.
    """
    step = xp.maximum(xp.max(xp.abs(x), axis=1, keepdims=True) / LEVELS, SMALLEST)
    return xp.astype(xp.round(x / step), dtype=INT8), step


# ---------------------------------------------------------------------------------------------------------------- products
def _check_sizes(x, weight):
    if x.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, x.shape))} and {weight.shape[-1]}x{weight.shape[-2]}"
            f"): the input's last size is {x.shape[-1]}, the layer wants in_features={weight.shape[-1]}"
        )


@op(
    names="",
    formula=r"Y = X W^\top \text{ over integers}",
    onnx="MatMulInteger",
    samples=lambda r: [
        S(_integers(r, 3, 5), _integers(r, 2, 5)),
        S(_integers(r, 2, 3, 4), _integers(r, 2, 2, 4)),
        S(_integers(r, 0, 4), _integers(r, 2, 4)),
    ],
    errors=lambda r: [E(RuntimeError, "cannot be multiplied.*in_features", _integers(r, 3, 5), _integers(r, 2, 4))],
    reference=lambda x, weight: (x.astype(np.int64) @ weight.astype(np.int64).swapaxes(-1, -2)).astype(INT32),
)
def linear_int8(xp, x, weight):
    """int8 (..., M, K) times int8 (..., N, K): exact sums, int32 (..., M, N).

    Array libraries multiply float matrices far quicker than integers. Whole numbers up to 2**24 are exact in float32, and up to
    2**53 in float64; a sum of K products is at most K * 2**14.
    """
    _check_sizes(x, weight)
    exact = (FLOAT32, FLOAT64)[x.shape[-1] > 2**10]
    product = xp.matmul(xp.astype(x, dtype=exact), xp.matrix_transpose(xp.astype(weight, dtype=exact)))
    return xp.astype(product, dtype=INT32)


@op(
    names="",
    promote=(0, 2),
    vjp=(
        lambda xp, g, weight, scale, x_dtype: xp.matmul(g * scale, xp.astype(weight, dtype=x_dtype)),
        None,
        lambda xp, g, x, weight, x_dtype: xp.sum(g * xp.matmul(x, xp.matrix_transpose(xp.astype(weight, dtype=x_dtype))), axis=0),
    ),
    formula=r"Y = X W^\top \mathrm{diag}(s)",
    derivative=r"\bar X = \bar Y\, \mathrm{diag}(s)\, W, \quad \bar s_n = \sum_m \bar Y_{mn} (X W^\top)_{mn}",
    samples=lambda r: [
        S(normal(r, 3, 5), _integers(r, 2, 5), _steps(r, 2) / LEVELS),
        S(normal(r, 0, 4), _integers(r, 2, 4), _steps(r, 2)),
    ],
    errors=lambda r: [E(RuntimeError, "cannot be multiplied.*in_features", normal(r, 3, 5), _integers(r, 2, 4), _steps(r, 2))],
    reference=lambda x, weight, scale: x @ (weight * scale[:, None]).T,
)
def linear_w8(xp, x, weight, scale):
    """float x (M, K) times the weights ``weight * scale[:, None]``, int8 (N, K) and float (N,): float (M, N).

    "Weights only": a quarter of the memory, and at batch 1 the time is the time to read them.
    """
    _check_sizes(x, weight)
    return xp.matmul(x, xp.matrix_transpose(xp.astype(weight, dtype=x.dtype))) * scale


def _linear_reference(x, weight, scale, bias=0.0):
    q, _, steps = _rows_on_the_grid(x)
    return (q * steps) @ (weight * scale[:, None]).T + bias


@op(
    names="",
    promote=(0, 2, 3),
    vjp=(_no_gradient, None, None, None),
    formula=r"y_{mn} = s_m s_n \sum_k q_{mk} w_{nk} + b_n, \quad q_{mk} = \mathrm{round}(x_{mk} / s_m), "
    r"\quad s_m = \max_k |x_{mk}| / 127",
    derivative=r"\text{none: rounding is flat wherever it is continuous}",
    samples=lambda r: [
        S(normal(r, 3, 5), _integers(r, 2, 5), _steps(r, 2) / LEVELS, _steps(r, 2), grad=False),
        S(normal(r, 2, 4), _integers(r, 3, 4), _steps(r, 3) / LEVELS, grad=False),
    ],
    errors=lambda r: [E(RuntimeError, "cannot be multiplied.*in_features", normal(r, 3, 5), _integers(r, 2, 4), _steps(r, 2))],
    reference=_linear_reference,
)
def linear_dynamic(xp, x, weight, scale, bias=None):
    """A linear layer over integers: float x (M, K), int8 weight (N, K), steps scale (N,), bias (N,) or None -> float (M, N).

    Rows of x are quantized by :func:`quantize_rows`, multiplied by :func:`linear_int8`, and scaled back.
    """
    q, step = xp.quantize_rows(x)
    y = xp.astype(xp.linear_int8(q, weight), dtype=scale.dtype) * step * scale
    return y if bias is None else y + bias


def _conv_reference(x, weight, scale, bias=None, stride=1, dilation=1, groups=1):
    q, _, steps = _rows_on_the_grid(x.reshape(len(x), -1))
    kernels = weight * scale.reshape(-1, 1, 1, 1)
    return convolution_loops((q * steps).reshape(x.shape), kernels, bias, stride, 0, dilation, groups)


@op(
    names="",
    promote=(0, 2, 3),
    vjp=(_no_gradient, None, None, None),
    formula=r"y_{n,o,i} = s_n s_o \sum_{c,t} w_{o,c,t}\, q_{n,c,\,i s + t d} + b_o, \quad s_n = \max |x_n| / 127",
    derivative=r"\text{none: rounding is flat wherever it is continuous}",
    samples=lambda r: [
        S(normal(r, 2, 2, 4, 3), _integers(r, 3, 2, 2, 2), _steps(r, 3) / LEVELS, _steps(r, 3), grad=False),
        S(
            normal(r, 1, 4, 5, 3),
            _integers(r, 6, 2, 2, 2),
            _steps(r, 6) / LEVELS,
            stride=(2, 1),
            dilation=(2, 1),
            groups=2,
            grad=False,
        ),
    ],
    reference=_conv_reference,
)
def conv2d_dynamic(xp, x, weight, scale, bias=None, *, stride=(1, 1), dilation=(1, 1), groups=1):
    """A convolution over integers: float x (N, C, H, W), int8 weight (O, C/groups, KH, KW) -> float (N, O, OH, OW).

    One step for each sample of x, ``scale`` (O,) for the filters; the windows of x are the rows of :func:`linear_int8`.
    """
    (n, channels, *size), (outputs, depth, *kernel) = x.shape, weight.shape
    positions, taps = out_sizes(size, kernel, stride, (0, 0), dilation), math.prod(kernel)
    many, lead = math.prod(positions), (groups,) * (groups > 1)  # without groups two matrices, which the kernel takes
    q, step = xp.quantize_rows(xp.reshape(x, shape=(n, channels * math.prod(size))))
    q = xp.permute_dims(xp.reshape(q, shape=tuple(x.shape)), axes=(0, 2, 3, 1))
    q = xp.permute_dims(xp.contiguous(q), axes=(0, 3, 1, 2))  # channels last in memory: long runs to copy below
    images = xp.reshape(q, shape=(n, groups, depth, *size))
    windows = xp.windows(images, kernel=tuple(kernel), stride=stride, dilation=dilation)  # (N, groups, depth, OH, OW, KH, KW)
    rows = xp.reshape(xp.permute_dims(windows, axes=(1, 0, 3, 4, 5, 6, 2)), shape=(*lead, n * many, taps * depth))
    filters = xp.reshape(xp.permute_dims(weight, axes=(0, 2, 3, 1)), shape=(*lead, outputs // groups, taps * depth))
    y = xp.reshape(xp.linear_int8(rows, filters), shape=(groups, n, many, outputs // groups))
    y = xp.reshape(xp.permute_dims(y, axes=(1, 2, 0, 3)), shape=(n, many, outputs))
    y = xp.astype(y, dtype=scale.dtype) * xp.reshape(step, shape=(n, 1, 1)) * scale
    y = y if bias is None else y + bias
    return xp.reshape(xp.permute_dims(y, axes=(0, 2, 1)), shape=(n, outputs, *positions))
