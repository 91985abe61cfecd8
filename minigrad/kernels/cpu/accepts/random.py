"""Random bits."""

from . import ELEMENTS, kernel


def _philox(key, *, count):
    return count >= ELEMENTS


KERNELS = {
    "philox": kernel("philox:philox_bits", _philox),
}
