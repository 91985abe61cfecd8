"""Products with int8 weights."""

from . import FLOAT32, INT8, kernel

WEIGHTS = 2**14
FEW_ROWS = 40  # of the input: from here on unpacking the weights once for a BLAS product is quicker


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


KERNELS = {
    "linear_int8": kernel("quantized:linear_int8", _linear_int8),
    "linear_w8": kernel("quantized:linear_w8", _linear_w8),
    "linear_dynamic": kernel("quantized:linear_dynamic", _linear_dynamic),
}
