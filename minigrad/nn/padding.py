"""Padding: a border around the last one, two or three dimensions."""

from . import functional as F
from .module import Module
from .shared import ntuple


class _Pad(Module):
    """Widths (before, after) of each padded dimension, the last dimension first; one number for all."""

    ndim = 2
    mode = "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = ntuple(padding, 2 * self.ndim)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input):
        low = self.ndim + 1
        if input.ndim not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.ndim}D input)")
        return super().forward(input)


class ConstantPad1d(_ConstantPad):
    """Adds a border of ``value`` at both ends of the last dimension.

    Args:
        padding: one width, or (left, right).
        value: what is added.

    Shape:
        (N, C, L) or (C, L) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ConstantPad1d(1, 3.5)(minigrad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3.5000, 1.0000, 2.0000, 3.0000, 3.5000]])
    """

    ndim = 1


class ConstantPad2d(_ConstantPad):
    """Adds a border of ``value`` around the last two dimensions.

    Args:
        padding: one width, or (left, right, top, bottom).
        value: what is added.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ConstantPad2d(1, 3.5)(minigrad.ones(1, 2, 2)).shape
    minigrad.Size([1, 4, 4])
    """

    ndim = 2


class ConstantPad3d(_ConstantPad):
    """Adds a border of ``value`` around the last three dimensions.

    Args:
        padding: one width, or (left, right, top, bottom, front, back).
        value: what is added.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ConstantPad3d(1, 3.5)(minigrad.ones(1, 2, 2, 2)).shape
    minigrad.Size([1, 4, 4, 4])
    """

    ndim = 3


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Adds a border of zeros at both ends of the last dimension.

    Args:
        padding: one width, or (left, right).

    Shape:
        (N, C, L) or (C, L) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ZeroPad1d(1)(minigrad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[0., 1., 2., 3., 0.]])
    """


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Adds a border of zeros around the last two dimensions.

    Args:
        padding: one width, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ZeroPad2d(1)(minigrad.ones(1, 2, 2)).shape
    minigrad.Size([1, 4, 4])
    """


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Adds a border of zeros around the last three dimensions.

    Args:
        padding: one width, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ZeroPad3d(1)(minigrad.ones(1, 2, 2, 2)).shape
    minigrad.Size([1, 4, 4, 4])
    """


class ReflectionPad1d(_Pad):
    """Adds a border that mirrors the input at its edge, ``c b | a b c | b a``, at both ends of the last dimension.

    Args:
        padding: one width, or (left, right).

    Shape:
        (N, C, L) or (C, L) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ReflectionPad1d(1)(minigrad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 1., 2., 3., 2.]])
    """

    ndim = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Adds a border that mirrors the input at its edge, ``c b | a b c | b a``, around the last two dimensions.

    Args:
        padding: one width, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ReflectionPad2d(1)(minigrad.ones(1, 2, 2)).shape
    minigrad.Size([1, 4, 4])
    """

    ndim = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """Adds a border that mirrors the input at its edge, ``c b | a b c | b a``, around the last three dimensions.

    Args:
        padding: one width, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ReflectionPad3d(1)(minigrad.ones(1, 2, 2, 2)).shape
    minigrad.Size([1, 4, 4, 4])
    """

    ndim = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Adds a border that repeats the edge, ``a a | a b c | c c``, at both ends of the last dimension.

    Args:
        padding: one width, or (left, right).

    Shape:
        (N, C, L) or (C, L) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ReplicationPad1d(1)(minigrad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 1., 2., 3., 3.]])
    """

    ndim = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Adds a border that repeats the edge, ``a a | a b c | c c``, around the last two dimensions.

    Args:
        padding: one width, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ReplicationPad2d(1)(minigrad.ones(1, 2, 2)).shape
    minigrad.Size([1, 4, 4])
    """

    ndim = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """Adds a border that repeats the edge, ``a a | a b c | c c``, around the last three dimensions.

    Args:
        padding: one width, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.ReplicationPad3d(1)(minigrad.ones(1, 2, 2, 2)).shape
    minigrad.Size([1, 4, 4, 4])
    """

    ndim = 3
    mode = "replicate"


class CircularPad1d(_CircularPad):
    """Adds a border that goes round, ``b c | a b c | a b``, at both ends of the last dimension.

    Args:
        padding: one width, or (left, right).

    Shape:
        (N, C, L) or (C, L) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.CircularPad1d(1)(minigrad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1., 2., 3., 1.]])
    """

    ndim = 1


class CircularPad2d(_CircularPad):
    """Adds a border that goes round, ``b c | a b c | a b``, around the last two dimensions.

    Args:
        padding: one width, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.CircularPad2d(1)(minigrad.ones(1, 2, 2)).shape
    minigrad.Size([1, 4, 4])
    """

    ndim = 2


class CircularPad3d(_CircularPad):
    """Adds a border that goes round, ``b c | a b c | a b``, around the last three dimensions.

    Args:
        padding: one width, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with longer dimensions.

    >>> import minigrad
    >>> minigrad.nn.CircularPad3d(1)(minigrad.ones(1, 2, 2, 2)).shape
    minigrad.Size([1, 4, 4, 4])
    """

    ndim = 3
