"""Pooling by means and p-norms, and pooling to a given size, over one, two or three spatial dimensions.

The mean is linear: ``avg_pool2d_dx`` is its adjoint, and each is the other's rule. The texts work for any number of spatial
dimensions. Shapes, for two: x (N, C, H, W), results (N, C, OH, OW), windows (N, C, OH, OW, KH, KW).
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from .pooling import as_images, checked_pool, pool_errors, without_unit
from .samples import normal
from .sliding import (
    FULL,
    along,
    avg_pool_loops,
    far_padding,
    lp_pool_loops,
    padded_windows,
    unbatched,
)

# ------------------------------------------------------------------------------------------------------- the mean and its adjoint
_AVERAGES = (
    dict(kernel_size=(2, 3), stride=(1, 2), padding=(0, 0), out_size=(4, 3), count_include_pad=False, divisor_override=None),
    dict(kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), out_size=(3, 4), count_include_pad=True, divisor_override=None),
    dict(kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), out_size=(3, 4), count_include_pad=True, divisor_override=None),
    dict(kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), out_size=(3, 4), count_include_pad=False, divisor_override=None),
    dict(kernel_size=(2, 2), stride=(2, 3), padding=(0, 1), out_size=(3, 3), count_include_pad=False, divisor_override=3),
)


def _divisor(xp, like, size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """How many pixels each window counts, (OH, OW), or the number that overrides it."""
    if divisor_override:
        return divisor_override
    border = size if not count_include_pad else tuple(m + p for m, p in zip(size, padding))
    total, axes = 1, len(size)
    for axis in range(axes):
        start = xp.arange(like, n=out_size[axis]) * stride[axis] - padding[axis]
        stop = xp.minimum(start + kernel_size[axis], border[axis])
        if not count_include_pad:
            start = xp.maximum(start, 0)
        total = total * along(xp, stop - start, axis, axes)
    return xp.astype(total, dtype=like.dtype)


@op(
    names="",
    vjp=(
        lambda xp, g, x_shape, kernel_size, stride, padding, out_size, count_include_pad, divisor_override: xp.avg_pool2d_dx(
            g,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            out_size=out_size,
            count_include_pad=count_include_pad,
            divisor_override=divisor_override,
            size=tuple(x_shape[2:]),
        ),
    ),
    formula=r"y_i = \frac{1}{n_i} \sum_{j \in W_i} x_j",
    derivative=r"\bar x_j = \sum_{i:\, j \in W_i} \bar y_i / n_i",
    onnx="AveragePool",
    samples=lambda r: [S(normal(r, 1, 1, 5, 7), **kwargs) for kwargs in _AVERAGES],
)
def avg_pool2d(xp, x, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """The mean of each window."""
    axes = len(kernel_size)
    windows = padded_windows(xp, x, kernel_size, stride, padding, (1,) * axes, out_size, 0)
    count = _divisor(xp, x, x.shape[2:], kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    return xp.sum(windows, axis=tuple(range(2 + axes, 2 + 2 * axes))) / count


@op(
    names="",
    vjp=(
        lambda xp, g, kernel_size, stride, padding, out_size, count_include_pad, divisor_override: xp.avg_pool2d(
            g,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            out_size=out_size,
            count_include_pad=count_include_pad,
            divisor_override=divisor_override,
        ),
    ),
    formula=r"y_j = \sum_{i:\, j \in W_i} v_i / n_i",
    derivative=r"\bar v_i = \frac{1}{n_i} \sum_{j \in W_i} \bar y_j",
    samples=lambda r: [S(normal(r, 1, 1, *kwargs["out_size"]), size=(5, 7), **kwargs) for kwargs in _AVERAGES],
)
def avg_pool2d_dx(xp, v, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override, size):
    """Each value shared out over its window of an image of ``size``. The adjoint of the mean."""
    axes = len(kernel_size)
    share = v / _divisor(xp, v, size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    windows = xp.broadcast_to(xp.reshape(share, shape=(*v.shape, *(1,) * axes)), shape=(*v.shape, *kernel_size))
    far = far_padding(size, kernel_size, stride, padding, (1,) * axes, out_size)
    full = tuple(p + m + f for p, m, f in zip(padding, size, far))
    image = xp.unwindows(windows, stride=stride, dilation=(1,) * axes, size=full)
    return xp.getitem(image, key=(FULL, FULL, *(("slice", p, p + m, None) for p, m in zip(padding, size))))


# ---------------------------------------------------------------------------------------------------- PyTorch's functions of them
def _avg_pool(n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    name = f"avg_pool{n}d"
    input, was_batched, params = checked_pool(n, name, input, kernel_size, stride, padding, 1, ceil_mode)
    if input.array.dtype == np.int64:  # PyTorch divides such sums as integers
        params = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        return _avg_pool(n, unbatched(input, was_batched).double(), *params).trunc().long()
    if not input.is_floating_point():
        raise NotImplementedError(f"{name} is not implemented for {input.dtype} tensors; convert with input.float()")
    if divisor_override is not None and not divisor_override:
        raise ShapeError(f"{name}: divisor must be not zero, got divisor_override={divisor_override}")
    if n == 1:
        input, params = as_images(input, params)
    del params["dilation"]
    params.update(count_include_pad=bool(count_include_pad), divisor_override=divisor_override)
    y = apply(registry["avg_pool2d"], (input,), params)
    return unbatched(without_unit(y) if n == 1 else y, was_batched)


_MEAN = {
    "formula": r"y_i = \frac{1}{n_i} \sum_{j \in W_i} x_j",
    "derivative": r"\bar x_j = \sum_{i:\, j \in W_i} \bar y_i / n_i",
}


@function(
    "avg_pool2d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 4, 3), 2),
        S(normal(r, 1, 5, 7), (3, 2), (2, 3), (1, 0)),
        S(normal(r, 1, 1, 5, 7), 3, 2, 1, count_include_pad=False),
        S(normal(r, 1, 1, 4, 6), 3, 2, 1, True),
        S(normal(r, 1, 1, 4, 6), 3, 2, (0, 1), True, False),
        S(normal(r, 1, 1, 4, 4), 3, 1, 1, divisor_override=2),
        S(normal(r, 0, 2, 4, 4), 2),
        S(np.array([[[-7, 2, 0], [1, -3, 9]]]), 2, 1),
    ],
    errors=lambda r: [
        *pool_errors(r),
        E(RuntimeError, "divisor must be not zero", normal(r, 1, 1, 4, 4), 2, divisor_override=0),
        E(NotImplementedError, "not implemented for .*int32", np.ones((1, 1, 4, 4), np.int32), 2),
    ],
    reference=avg_pool_loops(2),
    **_MEAN,
)
def _avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window.

    Args:
        input: float tensor (N, C, H, W) or (C, H, W).
        kernel_size: of the window; an int or a pair, as the next two.
        stride: steps between windows; None for the kernel size.
        padding: zeros on both sides, at most half the window.
        ceil_mode: let a last window hang over the far side.
        count_include_pad: whether padding counts as pixels of the window.
        divisor_override: divide the sum by this number instead.

    Returns:
        (N, C, OH, OW) with OH = (H + 2 padding - KH) // stride + 1, and OW likewise.

    Raises:
        RuntimeError: where the window is larger than the padded input, or padding larger than half the window.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> image = minigrad.tensor([[[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]]])
    >>> F.avg_pool2d(image, 2, stride=1)
    tensor([[[3.5000, 3.5000]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@function(
    "avg_pool1d",
    spaces="torch functional",
    samples=lambda r: [S(normal(r, 2, 2, 6), 3, 2, 1), S(normal(r, 2, 7), 2, 3, 1, True, False)],
    errors=lambda r: [E(RuntimeError, "Output size is too small", normal(r, 1, 1, 4), 5)],
    reference=avg_pool_loops(1),
    **_MEAN,
)
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of a sequence.

    Args:
        input: float tensor (N, C, L) or (C, L).
        kernel_size, stride, padding, ceil_mode, count_include_pad: as in :func:`avg_pool2d`.

    Returns:
        (N, C, (L + 2 padding - K) // stride + 1).

    Raises:
        RuntimeError: where the window is larger than the padded input, or padding larger than half the window.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.avg_pool1d(minigrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@function(
    "avg_pool3d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 1, 1, 3, 4, 4), 2, (1, 2, 3), (1, 0, 1)),
        S(normal(r, 1, 3, 3, 5), (2, 2, 3), ceil_mode=True, divisor_override=5),
    ],
    errors=lambda r: [E(RuntimeError, "Output size is too small", normal(r, 1, 1, 2, 2, 2), 3)],
    reference=avg_pool_loops(3),
    **_MEAN,
)
def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window of a volume.

    Args:
        input: float tensor (N, C, D, H, W) or (C, D, H, W).
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as in :func:`avg_pool2d`, with three sizes.

    Returns:
        (N, C, OD, OH, OW).

    Raises:
        RuntimeError: where the window is larger than the padded input, or padding larger than half the window.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.avg_pool3d(minigrad.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# ------------------------------------------------------------------------------------------------------------------------ p-norms
def _lp_pool(n, input, norm_type, kernel_size, stride, ceil_mode):
    volume = kernel_size**n if isinstance(kernel_size, int) else math.prod(kernel_size)
    means = _avg_pool(n, input**norm_type, kernel_size, stride, 0, ceil_mode, True, None)
    return (means * volume) ** (1.0 / norm_type)


_NORM = {
    "formula": r"y_i = \Big(\sum_{j \in W_i} x_j^p\Big)^{1/p}",
    "derivative": r"\bar x_j = \sum_{i:\, j \in W_i} \bar y_i\, (x_j / y_i)^{p-1}",
}


@function(
    "lp_pool2d",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, 4, 4), 2, 2), S(np.abs(normal(r, 1, 5, 5)), 3.0, (2, 3), 2, ceil_mode=True)],
    errors=lambda r: [E(RuntimeError, "Output size is too small", normal(r, 1, 2, 2, 2), 2, 3)],
    reference=lp_pool_loops(2),
    **_NORM,
)
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window: the root of the sum of powers. For p = 1 the sum; for large p nearly the maximum.

    Args:
        input: float tensor (N, C, H, W) or (C, H, W).
        norm_type: p.
        kernel_size, stride, ceil_mode: as in :func:`avg_pool2d`. A window that hangs over is scaled up as if it were full.

    Returns:
        (N, C, OH, OW); NaN where a sum of odd powers is negative.

    Raises:
        RuntimeError: where the window is larger than the input.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.lp_pool2d(minigrad.tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@function(
    "lp_pool1d",
    spaces="functional",
    samples=lambda r: [S(normal(r, 2, 2, 6), 2, 3, 1), S(normal(r, 2, 5), 4, 2)],
    errors=lambda r: [E(RuntimeError, "Output size is too small", normal(r, 1, 2, 2), 2, 3)],
    reference=lp_pool_loops(1),
    **_NORM,
)
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of a sequence (N, C, L) or (C, L). Arguments as in :func:`lp_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.lp_pool1d(minigrad.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@function(
    "lp_pool3d",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, 2, 3, 2), 2, (2, 1, 2), 1)],
    errors=lambda r: [E(RuntimeError, "Output size is too small", normal(r, 1, 2, 2, 2, 2), 2, 3)],
    reference=lp_pool_loops(3),
    **_NORM,
)
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of a volume (N, C, D, H, W) or (C, D, H, W). Arguments as in :func:`lp_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.lp_pool3d(minigrad.tensor([[[[3.0, 4.0]]]]), 2, (1, 1, 2))
    tensor([[[[5.]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
