"""Functions of each element."""

from . import CHEAP_ELEMENTS, ELEMENTS, FLOAT32, kernel


def _float32_map(x):
    return x.dtype == FLOAT32 and x.size >= ELEMENTS


def _exp(x):
    return x.dtype == FLOAT32 and x.size >= CHEAP_ELEMENTS


KERNELS = {
    "exp": kernel("elementwise:exp", _exp),
    "sigmoid": kernel("elementwise:sigmoid", _float32_map),
    "erf": kernel("elementwise:erf", _float32_map),
    "gelu": kernel("elementwise:gelu", _float32_map),
}
