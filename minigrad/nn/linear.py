"""Layers that are one matrix product."""

import math

from . import functional as F
from . import init
from .lazy import LazyModule
from .module import Module
from .parameter import UninitializedParameter
from .shared import new_parameter, reset_by_fan_in


class Identity(Module):
    """Passes its input on; it takes and ignores any arguments, so that it can stand in for another layer.

    >>> import minigrad
    >>> minigrad.nn.Identity(54, unused=True)(minigrad.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Linear(Module):
    r"""An affine map of the last dimension: :math:`y = x W^\top + b`.

    Args:
        in_features: size of each input.
        out_features: size of each output.
        bias: whether there is a ``bias``.

    Shape:
        (\*, in_features) -> (\*, out_features); ``weight`` (out_features, in_features), ``bias`` (out_features,), both
        drawn from :math:`U(-\sqrt{k}, \sqrt{k})` with k = 1 / in_features.

    >>> import minigrad
    >>> layer = minigrad.nn.Linear(20, 30)
    >>> layer(minigrad.zeros(128, 20)).shape
    minigrad.Size([128, 30])
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = new_parameter(out_features, in_features, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew."""
        reset_by_fan_in(self.weight, self.bias)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """The output projection of attention: a Linear under the name that PyTorch prints for it."""


class LazyLinear(LazyModule, Linear):
    """A :class:`Linear` that takes ``in_features`` from the last dimension of its first input.

    >>> import minigrad
    >>> layer = minigrad.nn.LazyLinear(3)
    >>> layer(minigrad.zeros(2, 5)).shape, layer
    (minigrad.Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    becomes = Linear

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        Module.__init__(self)
        self.in_features, self.out_features = 0, out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.register_parameter("bias", UninitializedParameter(device=device, dtype=dtype) if bias else None)

    def initialize_parameters(self, input):
        self.in_features = input.shape[-1]
        self.weight.materialize((self.out_features, self.in_features))
        if self.bias is not None:
            self.bias.materialize((self.out_features,))


class Bilinear(Module):
    r"""A product of two inputs: :math:`y_k = x_1^\top A_k x_2 + b_k`.

    Args:
        in1_features, in2_features: sizes of the two inputs.
        out_features: size of the output.
        bias: whether there is a ``bias``.

    Shape:
        (\*, in1_features), (\*, in2_features) -> (\*, out_features); ``weight`` (out_features, in1_features,
        in2_features), ``bias`` (out_features,), drawn from :math:`U(-\sqrt{k}, \sqrt{k})` with k = 1 / in1_features.

    >>> import minigrad
    >>> layer = minigrad.nn.Bilinear(2, 3, 4)
    >>> layer(minigrad.zeros(5, 2), minigrad.zeros(5, 3)).shape
    minigrad.Size([5, 4])
    """

    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = new_parameter(out_features, in1_features, in2_features, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew."""
        if self.in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={self.in1_features})")
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self):
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
