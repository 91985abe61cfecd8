"""Random bits, and dropout by them."""

from . import ELEMENTS, FLOATS, kernel

DRAWN = 2**18  # most programs draw only their first weights: below, the text takes milliseconds, and compiling half a second


def _philox(key, *, count):
    return count >= DRAWN


def _dropout(x, key, *, p):
    return x.size >= ELEMENTS and x.dtype in FLOATS


KERNELS = {
    "dropout": kernel("dropout:dropout", _dropout),
    "philox": kernel("philox:philox_bits", _philox),
}
