"""Random bits, and dropout by them."""

from . import ELEMENTS, FLOATS, kernel


def _philox(key, *, count):
    return count >= ELEMENTS


def _dropout(x, key, *, p):
    return x.size >= ELEMENTS and x.dtype in FLOATS


KERNELS = {
    "dropout": kernel("dropout:dropout", _dropout),
    "philox": kernel("philox:philox_bits", _philox),
}
