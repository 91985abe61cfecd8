"""Convolutions and their transposes over one, two and three dimensions."""

from . import functional as F
from .lazy import LazyModule
from .module import Module
from .parameter import UninitializedParameter
from .shared import new_parameter, ntuple, reset_by_fan_in

_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What all convolutions share. Subclasses say ``ndim``, ``transposed`` and the function."""

    ndim = 2
    transposed = False
    function = None

    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
                 padding_mode, device, dtype):  # fmt: skip
        super().__init__()
        n = self.ndim
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = ntuple(kernel_size, n)
        self.stride = ntuple(stride, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.dilation = ntuple(dilation, n)
        self.output_padding = ntuple(output_padding, n)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        self.weight = self._new_weight(device, dtype)
        self.register_parameter("bias", self._new_bias(bias, device, dtype))
        self.reset_parameters()

    def _check(self):
        if self.groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {self.groups}")
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"{name} must be divisible by groups, got {name}={getattr(self, name)} and groups={self.groups}")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {self.padding!r}, should be one of {{'same', 'valid'}}")
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"padding='same' is not supported for strided convolutions, got stride={self.stride}")
        if self.padding_mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {_MODES}, but got padding_mode='{self.padding_mode}'")
        if self.transposed and self.padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')

    def _weight_shape(self):
        first, second = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        return first, second // self.groups, *self.kernel_size

    def _new_weight(self, device, dtype):
        return new_parameter(*self._weight_shape(), device=device, dtype=dtype)

    def _new_bias(self, bias, device, dtype):
        return new_parameter(self.out_channels, device=device, dtype=dtype) if bias else None

    def reset_parameters(self):
        """Draw the parameters anew."""
        reset_by_fan_in(self.weight, self.bias)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        function, padding = type(self).function, self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._widths(), mode=self.padding_mode), 0
        return function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _widths(self):
        """What to pad before a convolution with another padding than zeros: (before, after) from the last dimension on."""
        if self.padding == "valid":
            return [0, 0] * self.ndim
        if self.padding == "same":  # an odd total puts the larger part behind
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            pairs = [(t // 2, t - t // 2) for t in totals]
        else:
            pairs = [(p, p) for p in self.padding]
        return [width for pair in reversed(pairs) for width in pair]

    def extra_repr(self):
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * self.ndim:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.ndim:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * self.ndim:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Forward(_Conv):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode, device, dtype
        )  # fmt: skip


class _Transposed(_Conv):
    transposed = True

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
                 dilation=1, padding_mode="zeros", device=None, dtype=None):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self._output_padding(input, tuple(output_size))
        function = type(self).function
        return function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _output_padding(self, input, wanted):
        """The output padding that gives an output of the ``wanted`` size."""
        n = self.ndim
        lead = input.ndim - n
        if len(wanted) == n + lead:
            wanted = wanted[lead:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or {n + lead} elements "
                f"(got {len(wanted)})"
            )
        smallest = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size)
        ]
        largest = [m + s - 1 for m, s in zip(smallest, self.stride)]
        if any(not low <= w <= high for w, low, high in zip(wanted, smallest, largest)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {smallest} to {largest} "
                f"(for an input of {tuple(input.shape[lead:])})"
            )
        return tuple(w - m for w, m in zip(wanted, smallest))


class Conv1d(_Forward):
    r"""A convolution over one dimension: :math:`y_{c,l} = b_c + \sum_{i,k} w_{c,i,k}\, x_{i,\, sl + dk - p}`.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode: as of :class:`Conv2d`.

    Shape:
        (N, C_in, L) or (C_in, L) -> (N, C_out, L_out) or (C_out, L_out), L_out as of :class:`Conv2d`;
        ``weight`` (C_out, C_in / groups, K), ``bias`` (C_out,).

    >>> import minigrad
    >>> minigrad.nn.Conv1d(16, 33, 3, stride=2)(minigrad.zeros(20, 16, 50)).shape
    minigrad.Size([20, 33, 24])
    """

    ndim = 1
    function = F.conv1d


class Conv2d(_Forward):
    r"""A convolution of images: :math:`y_{c,h,w} = b_c + \sum_{i,k,l} w_{c,i,k,l}\, x_{i,\, sh + dk - p,\, sw + dl - p}`.

    LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86 (1998).

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: a number, or one for each dimension; so for the next three.
        stride: step between two windows.
        padding: zeros added on both sides, or "valid" (none), or "same" (as many as keep the size, for stride 1).
        dilation: step between two elements of a window.
        groups: channels are split into that many groups that do not see each other; ``groups=in_channels`` is depthwise.
        bias: whether there is a ``bias``.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular".

    Shape:
        (N, C_in, H, W) or (C_in, H, W) -> (N, C_out, H_out, W_out) or without N, where
        :math:`H_{out} = \lfloor (H + 2 p - d (k - 1) - 1) / s \rfloor + 1`;
        ``weight`` (C_out, C_in / groups, K, K), ``bias`` (C_out,), both drawn from :math:`U(-\sqrt{k}, \sqrt{k})` with
        k = groups / (C_in K K).

    >>> import minigrad
    >>> layer = minigrad.nn.Conv2d(16, 33, 3, stride=2, padding=1)
    >>> layer(minigrad.zeros(2, 16, 50, 100)).shape, layer.weight.shape
    (minigrad.Size([2, 33, 25, 50]), minigrad.Size([33, 16, 3, 3]))
    """

    ndim = 2
    function = F.conv2d


class Conv3d(_Forward):
    r"""A convolution over three dimensions, for volumes and films; the formula is that of :class:`Conv2d` with one more sum.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode: as of :class:`Conv2d`.

    Shape:
        (N, C_in, D, H, W) or (C_in, D, H, W) -> (N, C_out, D_out, H_out, W_out) or without N;
        ``weight`` (C_out, C_in / groups, K, K, K), ``bias`` (C_out,).

    >>> import minigrad
    >>> minigrad.nn.Conv3d(3, 4, 3, stride=(2, 1, 1))(minigrad.zeros(1, 3, 7, 5, 5)).shape
    minigrad.Size([1, 4, 3, 3, 3])
    """

    ndim = 3
    function = F.conv3d


class ConvTranspose1d(_Transposed):
    """The transpose of :class:`Conv1d`: what its gradient does to an input.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation: as of
            :class:`ConvTranspose2d`.

    Shape:
        (N, C_in, L) or (C_in, L) -> (N, C_out, L_out) or (C_out, L_out); ``weight`` (C_in, C_out / groups, K).

    >>> import minigrad
    >>> minigrad.nn.ConvTranspose1d(4, 2, 3, stride=2)(minigrad.zeros(1, 4, 5)).shape
    minigrad.Size([1, 2, 11])
    """

    ndim = 1
    function = F.conv_transpose1d


class ConvTranspose2d(_Transposed):
    r"""The transpose of :class:`Conv2d`: it takes a :class:`Conv2d`'s output to the shape of its input.

    Zeiler et al., "Deconvolutional networks", CVPR 2010.

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size, stride, dilation: those of the convolution that is transposed.
        padding: its padding; here it shortens the output.
        output_padding: size added at the end of the output: with a stride, several sizes have the same convolution.
        groups: as of :class:`Conv2d`.
        bias: whether there is a ``bias``.

    ``forward(input, output_size=None)`` finds the output padding for a wanted ``output_size``.

    Shape:
        (N, C_in, H, W) or (C_in, H, W) -> (N, C_out, H_out, W_out) or without N, where
        :math:`H_{out} = (H - 1) s - 2 p + d (k - 1) + p_{out} + 1`; ``weight`` (C_in, C_out / groups, K, K).

    >>> import minigrad
    >>> layer = minigrad.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)
    >>> layer(minigrad.zeros(1, 4, 6, 6)).shape, layer(minigrad.zeros(1, 4, 6, 6), output_size=(12, 12)).shape
    (minigrad.Size([1, 2, 11, 11]), minigrad.Size([1, 2, 12, 12]))
    """

    ndim = 2
    function = F.conv_transpose2d


class ConvTranspose3d(_Transposed):
    """The transpose of :class:`Conv3d`.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation: as of
            :class:`ConvTranspose2d`.

    Shape:
        (N, C_in, D, H, W) or (C_in, D, H, W) -> (N, C_out, D_out, H_out, W_out) or without N;
        ``weight`` (C_in, C_out / groups, K, K, K).

    >>> import minigrad
    >>> minigrad.nn.ConvTranspose3d(4, 2, 2, stride=2)(minigrad.zeros(1, 4, 2, 3, 3)).shape
    minigrad.Size([1, 2, 4, 6, 6])
    """

    ndim = 3
    function = F.conv_transpose3d


class _Lazy(LazyModule):
    """A convolution that takes ``in_channels`` from its first input."""

    def _new_weight(self, device, dtype):
        return UninitializedParameter(device=device, dtype=dtype)

    def _new_bias(self, bias, device, dtype):
        return UninitializedParameter(device=device, dtype=dtype) if bias else None

    def initialize_parameters(self, input, *_, **__):
        if input.ndim not in (self.ndim + 1, self.ndim + 2):
            raise RuntimeError(
                f"Expected {self.ndim + 1}D (unbatched) or {self.ndim + 2}D (batched) input to {type(self).__name__}, "
                f"but got input of size: {tuple(input.shape)}"
            )
        self.in_channels = input.shape[-self.ndim - 1]
        self._check()
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))


class _LazyForward(_Lazy):
    def __init__(self, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros",
                 device=None, dtype=None):  # fmt: skip
        super().__init__(0, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)


class _LazyTransposed(_Lazy):
    def __init__(self, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1,
                 padding_mode="zeros", device=None, dtype=None):  # fmt: skip
        super().__init__(
            0, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype
        )


class LazyConv1d(_LazyForward, Conv1d):
    """A :class:`Conv1d` that takes ``in_channels`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyConv1d(4, 3)(minigrad.zeros(1, 2, 5)).shape
    minigrad.Size([1, 4, 3])
    """

    becomes = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """A :class:`Conv2d` that takes ``in_channels`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyConv2d(4, 3)(minigrad.zeros(1, 2, 5, 5)).shape
    minigrad.Size([1, 4, 3, 3])
    """

    becomes = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """A :class:`Conv3d` that takes ``in_channels`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyConv3d(4, 3)(minigrad.zeros(1, 2, 5, 5, 5)).shape
    minigrad.Size([1, 4, 3, 3, 3])
    """

    becomes = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """A :class:`ConvTranspose1d` that takes ``in_channels`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyConvTranspose1d(4, 3)(minigrad.zeros(1, 2, 5)).shape
    minigrad.Size([1, 4, 7])
    """

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """A :class:`ConvTranspose2d` that takes ``in_channels`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyConvTranspose2d(4, 3)(minigrad.zeros(1, 2, 5, 5)).shape
    minigrad.Size([1, 4, 7, 7])
    """

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """A :class:`ConvTranspose3d` that takes ``in_channels`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyConvTranspose3d(4, 3)(minigrad.zeros(1, 2, 2, 2, 2)).shape
    minigrad.Size([1, 4, 4, 4, 4])
    """

    becomes = ConvTranspose3d
