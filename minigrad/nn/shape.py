"""Layers that only move elements: flatten, fold, shuffle, upsample."""

from . import functional as F
from .module import Module
from .shared import shown


class Flatten(Module):
    """Joins a range of dimensions into one.

    Args:
        start_dim, end_dim: the first and the last of them; the default keeps the batch dimension alone.

    Shape:
        (N, *) -> (N, product of *).

    >>> import minigrad
    >>> minigrad.nn.Flatten()(minigrad.zeros(32, 1, 5, 5)).shape
    minigrad.Size([32, 25])
    """

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input):
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        return shown(self, "start_dim", "end_dim")


class Unflatten(Module):
    """Splits one dimension into several.

    Args:
        dim: the dimension.
        unflattened_size: the sizes it becomes; one may be -1.

    Shape:
        (*, n, *) -> (*, unflattened_size, *).

    >>> import minigrad
    >>> minigrad.nn.Unflatten(1, (2, 5, 5))(minigrad.zeros(2, 50)).shape
    minigrad.Size([2, 2, 5, 5])
    """

    def __init__(self, dim, unflattened_size):
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}")
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element of type {type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input):
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self):
        return shown(self, "dim", "unflattened_size")


class Unfold(Module):
    """Lays the windows of an image out as columns (im2col): a convolution is a matrix product with them.

    Args:
        kernel_size, dilation, padding, stride: as of :class:`Conv2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C K K, L) or without N, for L windows.

    >>> import minigrad
    >>> minigrad.nn.Unfold(kernel_size=(2, 3))(minigrad.zeros(2, 5, 3, 4)).shape
    minigrad.Size([2, 30, 4])
    """

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return shown(self, "kernel_size", "dilation", "padding", "stride")


class Fold(Module):
    """Adds columns of windows up to an image: the adjoint of :class:`Unfold`; where windows overlap, their values add.

    Args:
        output_size: (H, W) of the image.
        kernel_size, dilation, padding, stride: those of the unfolding.

    Shape:
        (N, C K K, L) or (C K K, L) -> (N, C, H, W) or (C, H, W).

    >>> import minigrad
    >>> minigrad.nn.Fold(output_size=(4, 5), kernel_size=(2, 2))(minigrad.zeros(1, 12, 12)).shape
    minigrad.Size([1, 3, 4, 5])
    """

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input):
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return shown(self, "output_size", "kernel_size", "dilation", "padding", "stride")


class PixelShuffle(Module):
    r"""Turns channels into pixels: :math:`y_{c,\, hr + i,\, wr + j} = x_{c r^2 + i r + j,\, h,\, w}`.

    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", CVPR 2016.

    Args:
        upscale_factor: r.

    Shape:
        (\*, C r r, H, W) -> (\*, C, H r, W r).

    >>> import minigrad
    >>> minigrad.nn.PixelShuffle(3)(minigrad.zeros(1, 9, 4, 4)).shape
    minigrad.Size([1, 1, 12, 12])
    """

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input):
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self):
        return shown(self, "upscale_factor")


class PixelUnshuffle(Module):
    r"""Turns pixels into channels: the inverse of :class:`PixelShuffle`.

    Args:
        downscale_factor: r.

    Shape:
        (\*, C, H r, W r) -> (\*, C r r, H, W).

    >>> import minigrad
    >>> minigrad.nn.PixelUnshuffle(3)(minigrad.zeros(1, 1, 12, 12)).shape
    minigrad.Size([1, 9, 4, 4])
    """

    def __init__(self, downscale_factor):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input):
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self):
        return shown(self, "downscale_factor")


class ChannelShuffle(Module):
    r"""Deals the channels of ``groups`` groups out in turn, so that grouped convolutions see each other.

    Zhang et al., "ShuffleNet", CVPR 2018.

    Args:
        groups: number of groups; it divides the number of channels.

    Shape:
        (N, C, \*) -> the same.

    >>> import minigrad
    >>> minigrad.nn.ChannelShuffle(2)(minigrad.arange(4.0).reshape(1, 4, 1, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input):
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        return shown(self, "groups")


class Upsample(Module):
    """Enlarges (or shrinks) the last dimensions by interpolation.

    Args:
        size: the new sizes.
        scale_factor: or the factors; one number for all.
        mode: "nearest", "linear" (3-D inputs), "bilinear" and "bicubic" (4-D), "trilinear" (5-D).
        align_corners: whether the first and last elements keep their places; for the modes other than "nearest".
        recompute_scale_factor: compute the factors again from the sizes that they give.

    Shape:
        (N, C, L), (N, C, H, W) or (N, C, D, H, W) -> the same with new last dimensions.

    >>> import minigrad
    >>> minigrad.nn.Upsample(scale_factor=2)(minigrad.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input):
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, recompute_scale_factor=self.recompute_scale_factor
        )

    def extra_repr(self):
        what = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """An :class:`Upsample` of images that repeats the nearest pixel.

    Args:
        size, scale_factor: as of :class:`Upsample`.

    Shape:
        (N, C, H, W) -> (N, C, H_out, W_out).

    >>> import minigrad
    >>> minigrad.nn.UpsamplingNearest2d(scale_factor=2)(minigrad.zeros(1, 1, 2, 2)).shape
    minigrad.Size([1, 1, 4, 4])
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """An :class:`Upsample` of images that interpolates between four pixels; the corners keep their places.

    Args:
        size, scale_factor: as of :class:`Upsample`.

    Shape:
        (N, C, H, W) -> (N, C, H_out, W_out).

    >>> import minigrad
    >>> minigrad.nn.UpsamplingBilinear2d(scale_factor=2)(minigrad.zeros(1, 1, 2, 2)).shape
    minigrad.Size([1, 1, 4, 4])
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
