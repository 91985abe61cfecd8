"""Matrix products of float32, between the size where Python's own time shows and the size where BLAS is faster."""

from . import FLOAT32, kernel

SMALLEST = 2**20  # multiply-adds: the time in which BLAS does them is some ten times that of a call
LARGEST = 2**27  # up to here it pays not to copy A


def not_too_large(m, n, k):
    """Whether C (m, n) from an inner dimension k is within what the register tiles do faster than BLAS."""
    return m * n * k <= LARGEST


def _pays(m, n, k):
    return SMALLEST <= m * n * k and not_too_large(m, n, k)


def _matmul(a, b):
    if b.ndim != 2 or a.size * b.shape[1] < SMALLEST:
        return False
    if not (a.dtype == b.dtype == FLOAT32 and a.ndim >= 2 == b.ndim and a.shape[-1] == b.shape[0] and b.size):
        return False
    return _pays(a.size // b.shape[0], b.shape[1], b.shape[0])


def _linear(x, weight, bias=None):
    if weight.ndim != 2 or x.size * len(weight) < SMALLEST:
        return False
    if not (x.dtype == weight.dtype == FLOAT32 and x.ndim >= 2 == weight.ndim and x.shape[-1] == weight.shape[1] and weight.size):
        return False
    if bias is not None and not (bias.dtype == FLOAT32 and bias.shape == weight.shape[:1]):
        return False
    return _pays(x.size // x.shape[-1], len(weight), x.shape[-1])


KERNELS = {
    "matmul": kernel("products:matmul", _matmul),
    "linear": kernel("products:linear", _linear),
}
