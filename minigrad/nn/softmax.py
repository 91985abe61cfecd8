"""Softmax and its relatives: numbers that sum to 1 along a dimension."""

from . import functional as F
from .activation import Activation
from .module import Module


class Softmin(Activation, function=F.softmin):
    r""":math:`y_i = e^{-x_i} / \sum_j e^{-x_j}`.

    Args:
        dim: the dimension that sums to 1.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Softmin(dim=0)(minigrad.zeros(2))
    tensor([0.5000, 0.5000])
    """


class Softmax(Activation, function=F.softmax):
    r""":math:`y_i = e^{x_i} / \sum_j e^{x_j}`: positive numbers that sum to 1.

    Args:
        dim: the dimension that sums to 1; give it, the default is a guess from the number of dimensions, with a warning.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Softmax(dim=1)(minigrad.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """


class LogSoftmax(Activation, function=F.log_softmax):
    r""":math:`y_i = x_i - \ln \sum_j e^{x_j}`: the logarithm of :class:`Softmax`, without its rounding.

    Args:
        dim: the dimension whose exponentials sum to 1.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.LogSoftmax(dim=1)(minigrad.zeros(1, 2))
    tensor([[-0.6931, -0.6931]])
    """


class Softmax2d(Module):
    r"""A :class:`Softmax` over the channels at every place of an image.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same.

    >>> import minigrad
    >>> minigrad.nn.Softmax2d()(minigrad.zeros(1, 2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input):
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
