"""Kernels for the CPU: which operations have one. Nothing here imports Numba."""

import importlib

from minigrad.kernels import Kernel

# by name, since a module of accepts/ must not hide the module of kernels that is called like it
_FAMILIES = (
    "along_axis",
    "attention",
    "casts",
    "convolution",
    "copies",
    "elementwise",
    "embedding",
    "grid",
    "norms",
    "pooling",
    "products",
    "quantized",
    "random",
    "recurrent",
    "reductions",
    "rows",
    "updates",
)

KERNELS: dict[str, Kernel] = {
    name: kernel
    for family in _FAMILIES
    for name, kernel in importlib.import_module(f"{__name__}.accepts.{family}").KERNELS.items()
}
