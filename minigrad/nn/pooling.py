"""Pooling: the largest or the mean value of each window, with windows of a given size or a given number of them."""

from . import functional as F
from .module import Module
from .shared import ntuple, shown


class _MaxPool(Module):
    function = None

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )  # fmt: skip

    def extra_repr(self):
        return shown(self, "kernel_size", "stride", "padding", "dilation", "ceil_mode")


class MaxPool1d(_MaxPool):
    r"""The largest value of each window: :math:`y_l = \max_k x_{sl + dk - p}`.

    Args:
        kernel_size, stride, padding, dilation, return_indices, ceil_mode: as of :class:`MaxPool2d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L_out) or (C, L_out).

    >>> import minigrad
    >>> minigrad.nn.MaxPool1d(2)(minigrad.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    function = F.max_pool1d


class MaxPool2d(_MaxPool):
    r"""The largest value of each window: :math:`y_{h,w} = \max_{k,l} x_{sh + dk - p,\, sw + dl - p}`.

    Args:
        kernel_size: size of the window, a number or one for each dimension; so for the next three.
        stride: step between two windows; None: the size of the window.
        padding: how many -inf are added on both sides.
        dilation: step between two elements of a window.
        return_indices: return (values, indices) for :class:`MaxUnpool2d`.
        ceil_mode: let the last window stick out rather than drop it.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or without N, where
        :math:`H_{out} = \lfloor (H + 2 p - d (k - 1) - 1) / s \rfloor + 1`, rounded up with ``ceil_mode``.

    >>> import minigrad
    >>> minigrad.nn.MaxPool2d(3, stride=2)(minigrad.zeros(20, 16, 50, 32)).shape
    minigrad.Size([20, 16, 24, 15])
    """

    function = F.max_pool2d


class MaxPool3d(_MaxPool):
    r"""The largest value of each window: :math:`y_{d,h,w} = \max_{j,k,l} x_{sd + j, sh + k, sw + l}`.

    Args:
        kernel_size, stride, padding, dilation, return_indices, ceil_mode: as of :class:`MaxPool2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, C, D_out, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.MaxPool3d(2)(minigrad.zeros(1, 2, 4, 4, 6)).shape
    minigrad.Size([1, 2, 2, 2, 3])
    """

    function = F.max_pool3d


class _MaxUnpool(Module):
    ndim = 2
    function = None

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = ntuple(kernel_size, self.ndim)
        self.stride = ntuple(kernel_size if stride is None else stride, self.ndim)
        self.padding = ntuple(padding, self.ndim)

    def forward(self, input, indices, output_size=None):
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self):
        return shown(self, "kernel_size", "stride", "padding")


class MaxUnpool1d(_MaxUnpool):
    """Puts the values that :class:`MaxPool1d` found back where they were, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: those of the pooling.

    Shape:
        (N, C, L), indices of the same shape -> (N, C, L_out); ``forward(input, indices, output_size=None)``.

    >>> import minigrad
    >>> y, where = minigrad.nn.MaxPool1d(2, return_indices=True)(minigrad.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    >>> minigrad.nn.MaxUnpool1d(2)(y, where)
    tensor([[[0., 3., 2., 0.]]])
    """

    ndim = 1
    function = F.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """Puts the values that :class:`MaxPool2d` found back where they were, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: those of the pooling.

    Shape:
        (N, C, H, W), indices of the same shape -> (N, C, H_out, W_out); ``forward(input, indices, output_size=None)``.

    >>> import minigrad
    >>> y, where = minigrad.nn.MaxPool2d(2, return_indices=True)(minigrad.tensor([[[1.0, 3.0], [2.0, 0.0]]]))
    >>> minigrad.nn.MaxUnpool2d(2)(y, where)
    tensor([[[0., 3.],
             [0., 0.]]])
    """

    ndim = 2
    function = F.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """Puts the values that :class:`MaxPool3d` found back where they were, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: those of the pooling.

    Shape:
        (N, C, D, H, W), indices of the same shape -> (N, C, D_out, H_out, W_out).

    >>> import minigrad
    >>> y, where = minigrad.nn.MaxPool3d(2, return_indices=True)(minigrad.ones(1, 1, 2, 2, 2))
    >>> minigrad.nn.MaxUnpool3d(2)(y, where).shape
    minigrad.Size([1, 1, 2, 2, 2])
    """

    ndim = 3
    function = F.max_unpool3d


class AvgPool1d(Module):
    r"""The mean of each window: :math:`y_l = \frac{1}{K} \sum_k x_{sl + k - p}`.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad: as of :class:`AvgPool2d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L_out) or (C, L_out).

    >>> import minigrad
    >>> minigrad.nn.AvgPool1d(2)(minigrad.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]])
    """

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__()
        self.kernel_size = ntuple(kernel_size, 1)
        self.stride = ntuple(kernel_size if stride is None else stride, 1)
        self.padding = ntuple(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self):
        return shown(self, "kernel_size", "stride", "padding")


class _AvgPool(Module):
    function = None

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input):
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )

    def extra_repr(self):
        return shown(self, "kernel_size", "stride", "padding")


class AvgPool2d(_AvgPool):
    r"""The mean of each window: :math:`y_{h,w} = \frac{1}{K K} \sum_{k,l} x_{sh + k - p,\, sw + l - p}`.

    Args:
        kernel_size: size of the window, a number or one for each dimension; so for the next two.
        stride: step between two windows; None: the size of the window.
        padding: zeros added on both sides.
        ceil_mode: let the last window stick out rather than drop it.
        count_include_pad: divide by the size of the window even where it reaches into the padding.
        divisor_override: divide by this number instead.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or without N, where
        :math:`H_{out} = \lfloor (H + 2 p - k) / s \rfloor + 1`, rounded up with ``ceil_mode``.

    >>> import minigrad
    >>> minigrad.nn.AvgPool2d(3, stride=2)(minigrad.zeros(20, 16, 50, 32)).shape
    minigrad.Size([20, 16, 24, 15])
    """

    function = F.avg_pool2d


class AvgPool3d(_AvgPool):
    r"""The mean of each window: :math:`y_{d,h,w} = \frac{1}{K^3} \sum_{j,k,l} x_{sd + j, sh + k, sw + l}`.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as of :class:`AvgPool2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, C, D_out, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.AvgPool3d(2)(minigrad.zeros(1, 2, 4, 4, 6)).shape
    minigrad.Size([1, 2, 2, 2, 3])
    """

    function = F.avg_pool3d


class _LPPool(Module):
    function = None

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self):
        return shown(self, "norm_type", "kernel_size", "stride", "ceil_mode")


class LPPool1d(_LPPool):
    r"""The p-norm of each window: :math:`y = \sqrt[p]{\sum_{x \in window} x^p}`; p = 1 is a sum, p = inf the maximum.

    Args:
        norm_type: p.
        kernel_size, stride, ceil_mode: as of :class:`AvgPool2d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, L_out) or (C, L_out).

    >>> import minigrad
    >>> minigrad.nn.LPPool1d(2, 2)(minigrad.tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """

    function = F.lp_pool1d


class LPPool2d(_LPPool):
    r"""The p-norm of each window: :math:`y = \sqrt[p]{\sum_{x \in window} x^p}`.

    Args:
        norm_type: p.
        kernel_size, stride, ceil_mode: as of :class:`AvgPool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.LPPool2d(2, 2)(minigrad.ones(1, 1, 4, 4))
    tensor([[[[2., 2.],
              [2., 2.]]]])
    """

    function = F.lp_pool2d


class LPPool3d(_LPPool):
    r"""The p-norm of each window: :math:`y = \sqrt[p]{\sum_{x \in window} x^p}`.

    Args:
        norm_type: p.
        kernel_size, stride, ceil_mode: as of :class:`AvgPool2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, C, D_out, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.LPPool3d(1, 2)(minigrad.ones(1, 1, 2, 2, 2))
    tensor([[[[[8.]]]]])
    """

    function = F.lp_pool3d


class _AdaptiveAvgPool(Module):
    function = None

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return type(self).function(input, self.output_size)

    def extra_repr(self):
        return shown(self, "output_size")


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    r"""The means of ``output_size`` windows that cover the input: window i is
    :math:`\lfloor iL/n \rfloor \dots \lceil (i+1)L/n \rceil - 1`.

    Args:
        output_size: the number n of windows.

    Shape:
        (N, C, L) or (C, L) -> (N, C, n) or (C, n).

    >>> import minigrad
    >>> minigrad.nn.AdaptiveAvgPool1d(2)(minigrad.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]])
    """

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of windows that cover the input, as many as ``output_size`` says; ``1`` averages each channel.

    Lin et al., "Network in network", ICLR 2014 (global average pooling).

    Args:
        output_size: the number of windows, one number or (rows, columns); None keeps the input's size there.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.AdaptiveAvgPool2d((5, None))(minigrad.zeros(1, 64, 10, 9)).shape
    minigrad.Size([1, 64, 5, 9])
    """

    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of windows that cover the input, as many as ``output_size`` says.

    Args:
        output_size: the number of windows, one number or three; None keeps the input's size there.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, C, D_out, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.AdaptiveAvgPool3d(2)(minigrad.zeros(1, 4, 5, 6, 7)).shape
    minigrad.Size([1, 4, 2, 2, 2])
    """

    function = F.adaptive_avg_pool3d


class _AdaptiveMaxPool(Module):
    function = None

    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input):
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self):
        return shown(self, "output_size")


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest values of ``output_size`` windows that cover the input.

    Args:
        output_size: the number of windows.
        return_indices: return (values, indices).

    Shape:
        (N, C, L) or (C, L) -> (N, C, n) or (C, n).

    >>> import minigrad
    >>> minigrad.nn.AdaptiveMaxPool1d(2)(minigrad.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest values of windows that cover the input, as many as ``output_size`` says.

    Args:
        output_size: the number of windows, one number or (rows, columns); None keeps the input's size there.
        return_indices: return (values, indices).

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, C, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.AdaptiveMaxPool2d((5, 7))(minigrad.zeros(1, 64, 8, 9)).shape
    minigrad.Size([1, 64, 5, 7])
    """

    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest values of windows that cover the input, as many as ``output_size`` says.

    Args:
        output_size: the number of windows, one number or three; None keeps the input's size there.
        return_indices: return (values, indices).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, C, D_out, H_out, W_out) or without N.

    >>> import minigrad
    >>> minigrad.nn.AdaptiveMaxPool3d(2)(minigrad.zeros(1, 4, 5, 6, 7)).shape
    minigrad.Size([1, 4, 2, 2, 2])
    """

    function = F.adaptive_max_pool3d
