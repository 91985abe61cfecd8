"""Kernels for the CPU: which operations have one, and the calls that it takes over.

Nothing here imports Numba. ``accepts`` sends to the operation's own text whatever a kernel does not understand (other
dtypes and layouts, empty or impossible shapes, so that errors have one source) and whatever is small: below the sizes
here, measured against the text, there is little or nothing to win, and nobody should wait for Numba to be imported
for it.
"""

import numpy as np

from minigrad.kernels import Kernel

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
FLOAT32, INT8, INT64 = np.dtype(np.float32), np.dtype(np.int8), np.dtype(np.int64)

MULTIPLICATIONS = 2**17  # of a convolution
ELEMENTS = 2**12  # of most operations
CHEAP_ELEMENTS = 2**14  # of those that NumPy does in one or two passes
WEIGHTS = 2**14  # of a quantized layer
FEW_ROWS = 40  # of its input: from here on unpacking the weights once for a BLAS product is quicker


def _floats(*arrays):
    """All of one dtype, float32 or float64."""
    dtype = arrays[0].dtype
    return dtype in FLOATS and all(a.dtype == dtype for a in arrays)


def _conv2d(x, weight, *, stride, padding, dilation, groups):
    return (
        _are_images(x, weight)
        and x.shape[1] == weight.shape[1] * groups
        and len(weight) % groups == 0
        and _window_fits(x.shape[2:], weight.shape[2:], padding, dilation)
        and weight.size * len(x) * x.shape[2] * x.shape[3] >= MULTIPLICATIONS * stride[0] * stride[1]
    )


def _conv2d_dx(g, weight, *, stride, padding, dilation, groups, size):
    return (
        _are_images(g, weight)
        and g.shape[1] == len(weight)
        and len(weight) % groups == 0
        and _window_fits(size, weight.shape[2:], padding, dilation)
        and weight.size * len(g) * g.shape[2] * g.shape[3] >= MULTIPLICATIONS
    )


def _conv2d_dw(g, x, *, stride, padding, dilation, groups, kernel):
    return (
        _are_images(g, x)
        and len(g) == len(x)
        and g.shape[1] % groups == 0 == x.shape[1] % groups
        and _window_fits(x.shape[2:], kernel, padding, dilation)
        and g.size * (x.shape[1] // groups) * kernel[0] * kernel[1] >= MULTIPLICATIONS
    )


def _are_images(*arrays):
    return _floats(*arrays) and all(a.ndim == 4 for a in arrays)


def _window_fits(size, kernel, padding, dilation):
    return all(s + 2 * p > d * (k - 1) for s, k, p, d in zip(size, kernel, padding, dilation, strict=True))


def _pooling(x, **_):
    return _are_images(x) and x.size >= ELEMENTS


def _max_unpool_add(g, indices, *, size):
    return _are_images(g) and indices.dtype == INT64 and indices.shape == g.shape and g.size >= ELEMENTS


def _float32_map(x):
    return x.dtype == FLOAT32 and x.size >= ELEMENTS


def _exp(x):
    return x.dtype == FLOAT32 and x.size >= CHEAP_ELEMENTS


def _last_axis(x, *, axis):
    return x.dtype == FLOAT32 and axis in (-1, x.ndim - 1) and x.size >= ELEMENTS


def _cross_entropy(logits, target):
    return (
        logits.dtype == FLOAT32
        and target.dtype == INT64
        and logits.ndim == 2
        and target.shape == logits.shape[:1]
        and logits.size >= ELEMENTS
    )


def _layer_norm(x, weight=None, bias=None, *, eps):
    return (
        weight is not None
        and bias is not None
        and _floats(x, weight, bias)
        and weight.shape == bias.shape == x.shape[-1:]
        and x.size >= ELEMENTS
    )


def _batch_norm(x, weight=None, bias=None, *, eps):
    given = [p for p in (weight, bias) if p is not None]
    return _floats(x, *given) and all(p.shape == x.shape[1:2] for p in given) and x.size >= ELEMENTS


def _index_add_rows(g, index, *, rows):
    return g.dtype in FLOATS and index.dtype == INT64 and g.ndim == 2 and index.shape == g.shape[:1] and g.size >= ELEMENTS


def _adam(p, g, m, v, vmax, **_):
    return _updates_in_place(p, g, m, v, *(() if vmax is None else (vmax,))) and p.size >= ELEMENTS


def _sgd(p, g, buf, **_):
    return _updates_in_place(p, g, *(() if buf is None else (buf,))) and p.size >= CHEAP_ELEMENTS


def _updates_in_place(p, g, *states):
    """Flat loops write into p and the states, so their memory must be in order; the gradient is only read."""
    in_order = all(a.flags.c_contiguous and a.flags.writeable for a in (p, *states))
    return in_order and _floats(p, g, *states) and all(a.shape == p.shape for a in (g, *states))


def _philox(key, *, count):
    return count >= ELEMENTS


def _lstm(gates, h0, c0, weight, projection=None):
    return (
        projection is None
        and _floats(gates, h0, c0, weight)
        and h0.shape == c0.shape == (gates.shape[1], weight.shape[1])
        and weight.shape[0] == gates.shape[2] == 4 * weight.shape[1]
        and gates.size >= CHEAP_ELEMENTS
    )


def _linear_int8(x, weight):
    return x.dtype == INT8 == weight.dtype and _are_matrices(x, weight)


def _linear_w8(x, weight, scale):
    return (
        x.dtype == FLOAT32 == scale.dtype
        and weight.dtype == INT8
        and scale.shape == weight.shape[:1]
        and _are_matrices(x, weight)
    )


def _linear_dynamic(x, weight, scale, bias=None):
    fits = bias is None or (bias.dtype == FLOAT32 and bias.shape == scale.shape)
    return fits and _linear_w8(x, weight, scale) and len(x) < FEW_ROWS


def _are_matrices(x, weight):
    return x.ndim == weight.ndim == 2 and x.shape[1] == weight.shape[1] and len(x) > 0 and weight.size >= WEIGHTS


def _kernel(forward, accepts, **more):
    return Kernel(__name__, forward, accepts, **more)


KERNELS: dict[str, Kernel] = {
    "conv2d": _kernel("convolution:conv2d", _conv2d),
    "conv2d_dx": _kernel("convolution:conv2d_dx", _conv2d_dx),
    "conv2d_dw": _kernel("convolution:conv2d_dw", _conv2d_dw),
    "max_pool2d": _kernel("pooling:max_pool2d", _pooling),
    "max_unpool_add": _kernel("pooling:max_unpool_add", _max_unpool_add),
    "avg_pool2d": _kernel("pooling:avg_pool2d", _pooling),
    "avg_pool2d_dx": _kernel("pooling:avg_pool2d_dx", _pooling),
    "exp": _kernel("elementwise:exp", _exp),
    "sigmoid": _kernel("elementwise:sigmoid", _float32_map),
    "erf": _kernel("elementwise:erf", _float32_map),
    "gelu": _kernel("elementwise:gelu", _float32_map),
    "softmax": _kernel("rows:softmax", _last_axis),
    "log_softmax": _kernel("rows:log_softmax", _last_axis),
    "cross_entropy": _kernel("rows:cross_entropy", _cross_entropy, backward="rows:cross_entropy_backward"),
    "layer_norm": _kernel("layer_norm:layer_norm", _layer_norm, backward="layer_norm:layer_norm_backward"),
    "batch_norm": _kernel("batch_norm:batch_norm", _batch_norm, backward="batch_norm:batch_norm_backward"),
    "index_add_rows": _kernel("indexing:index_add_rows", _index_add_rows),
    "adam": _kernel("optimizer:adam", _adam, in_place=True),
    "sgd": _kernel("optimizer:sgd", _sgd, in_place=True),
    "philox": _kernel("philox:philox_bits", _philox),
    "lstm": _kernel("recurrent:lstm", _lstm, backward="recurrent:lstm_backward"),
    "linear_int8": _kernel("quantized:linear_int8", _linear_int8),
    "linear_w8": _kernel("quantized:linear_w8", _linear_w8),
    "linear_dynamic": _kernel("quantized:linear_dynamic", _linear_dynamic),
}
