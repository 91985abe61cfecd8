"""Tensor methods that PyTorch keeps for old programs, or for parts of it that minigrad does not have."""

import math
import warnings

from ..errors import ShapeError, UnsupportedError
from ..tensor import Tensor


def resize(self, *sizes):
    """:meth:`reshape` under its oldest name, with PyTorch's warning.

    >>> import minigrad, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     minigrad.arange(4).resize(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    shape = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    if math.prod(shape) != self.numel():
        raise ShapeError(
            f"requested resize to {'x'.join(map(str, shape))} ({math.prod(shape)} elements in total), but the given tensor has a "
            f"size of {'x'.join(map(str, self.shape))} ({self.numel()} elements). autograd's resize can only change the shape of "
            f"a given tensor, while preserving the number of elements"
        )
    return self.reshape(shape)


def resize_as(self, tensor):
    """:meth:`resize` to the shape of another tensor."""
    return resize(self, *tensor.shape)


def index(self, positions, dims):
    """Raises UnsupportedError: PyTorch's first-class dimensions do not exist here; write ``x[...]``."""
    raise UnsupportedError("Tensor.index binds first-class dimensions, which minigrad does not have; index with x[...]")


Tensor.resize, Tensor.resize_as, Tensor.index = resize, resize_as, index
