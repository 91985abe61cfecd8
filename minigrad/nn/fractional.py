"""Fractional max pooling: an output of a given size, from windows at pseudo-random places."""

from . import functional as F
from .module import Module
from .shared import ntuple


class _FractionalMaxPool(Module):
    ndim = 2
    function = None

    def __init__(self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        super().__init__()
        n = self.ndim
        self.kernel_size = ntuple(kernel_size, n)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else ntuple(output_size, n)
        self.output_ratio = None if output_ratio is None else ntuple(output_ratio, n)
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError(f"{name}: only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input):
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest value of each window, where the windows stand at pseudo-random distances and share the image out.

    Graham, "Fractional max-pooling", 2014.

    Args:
        kernel_size: size of the window, a number or a pair.
        output_size: size of the output, a number or a pair.
        output_ratio: the output's size as a share of the input's, between 0 and 1, in place of ``output_size``.
        return_indices: return (values, indices) for :class:`MaxUnpool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.FractionalMaxPool2d(3, output_ratio=(0.5, 0.5))(minigrad.zeros(2, 3, 20, 12)).shape
    minigrad.Size([2, 3, 10, 6])
    """

    ndim = 2
    function = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest value of each window of a volume, where the windows stand at pseudo-random distances.

    Args:
        kernel_size, output_size, output_ratio, return_indices: as of :class:`FractionalMaxPool2d`, with three sizes.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, C, D_out, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.FractionalMaxPool3d(2, output_size=3)(minigrad.zeros(1, 2, 8, 8, 8)).shape
    minigrad.Size([1, 2, 3, 3, 3])
    """

    ndim = 3
    function = F.fractional_max_pool3d
