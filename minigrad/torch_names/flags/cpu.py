"""``torch.backends.cpu``."""


def get_cpu_capability():
    """The instruction set that kernels are compiled for: Numba compiles for the processor it runs on."""
    return "NATIVE"
