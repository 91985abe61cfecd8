"""``torch.backends.openmp``: kernels use Numba's threads."""


def is_available():
    return False
