"""Kernels for the CPU: which operations have one. Nothing here imports Numba."""

from minigrad.kernels import Kernel

from .accepts import convolution, elementwise, indexing, norms, pooling, quantized, random, recurrent, rows, updates

_FAMILIES = (convolution, elementwise, indexing, norms, pooling, quantized, random, recurrent, rows, updates)

KERNELS: dict[str, Kernel] = {name: kernel for family in _FAMILIES for name, kernel in family.KERNELS.items()}
