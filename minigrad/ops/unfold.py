"""Windows of an image as the columns of a matrix, and back: what convolution is made of.

Shapes: image (N, C, H, W), columns (N, C*T, M), with T = KH*KW taps and M = OH*OW positions of the window.
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from .samples import normal
from .shape import own_memory
from .sliding import FULL, batched, fold_loops, out_sizes, sizes, unbatched, unfold_loops


@op(
    names="",
    vjp=(
        lambda xp, g, x_shape, kernel, stride, padding, dilation: xp.col2im(
            g, size=tuple(x_shape[2:]), kernel=kernel, stride=stride, padding=padding, dilation=dilation
        ),
    ),
    formula=r"y_{n,(c,t),m} = x_{n,c,\,m s + t d - p}",
    derivative=r"\bar x = \mathrm{col2im}(\bar y)",
    samples=lambda r: [
        S(normal(r, 1, 2, 4, 5), kernel=(2, 3), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        S(normal(r, 2, 1, 5), kernel=(2,), stride=(2,), padding=(0,), dilation=(1,)),
    ],
)
def im2col(xp, x, *, kernel, stride, padding, dilation):
    """All windows of (N, C, H, W) as columns (N, C*KH*KW, OH*OW)."""
    n, channels, axes = x.shape[0], x.shape[1], len(kernel)
    if any(padding):
        x = xp.pad(x, widths=((0, 0), (0, 0), *((p, p) for p in padding)))
    windows = xp.windows(x, kernel=kernel, stride=stride, dilation=dilation)  # (N, C, OH, OW, KH, KW)
    positions = windows.shape[2 : 2 + axes]
    windows = xp.permute_dims(windows, axes=(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)))
    return xp.reshape(windows, shape=(n, channels * math.prod(kernel), math.prod(positions)))


@op(
    names="",
    vjp=(
        lambda xp, g, kernel, stride, padding, dilation: xp.im2col(
            g, kernel=kernel, stride=stride, padding=padding, dilation=dilation
        ),
    ),
    formula=r"y_{n,c,i} = \sum_{t,m:\; m s + t d - p = i} x_{n,(c,t),m}",
    derivative=r"\bar x = \mathrm{im2col}(\bar y)",
    samples=lambda r: [
        S(normal(r, 1, 6, 6), size=(4, 5), kernel=(2, 3), stride=(2, 1), padding=(1, 0), dilation=(3, 1)),
        S(normal(r, 2, 2, 2), size=(5,), kernel=(2,), stride=(2,), padding=(0,), dilation=(1,)),
    ],
)
def col2im(xp, x, *, size, kernel, stride, padding, dilation):
    """Columns (N, C*KH*KW, OH*OW) added up into (N, C, H, W) where ``im2col`` would read them. Its adjoint."""
    axes = len(kernel)
    positions = out_sizes(size, kernel, stride, padding, dilation)
    windows = xp.reshape(x, shape=(x.shape[0], x.shape[1] // math.prod(kernel), *kernel, *positions))
    windows = xp.permute_dims(windows, axes=(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)))
    full = tuple(m + 2 * p for m, p in zip(size, padding))
    y = xp.unwindows(windows, stride=stride, dilation=dilation, size=full)
    if any(padding):
        y = xp.getitem(y, key=(FULL, FULL, *(("slice", p, p + m, None) for p, m in zip(padding, size))))
    return y


@function(
    "unfold",
    spaces="functional",
    samples=lambda r: [S(normal(r, 2, 2, 3, 4), (2, 3)), S(normal(r, 2, 5, 4), 2, 2, 1, (2, 1)), S(normal(r, 0, 2, 3, 3), 2)],
    errors=lambda r: [
        E(RuntimeError, r"spatial size \(4, 5\), kernel_size=\(5, 3\).*must be at least one", normal(r, 1, 1, 4, 5), (5, 3)),
        E(RuntimeError, "kernel_size should be greater than zero", normal(r, 1, 1, 4, 5), 0),
        E(RuntimeError, "Expected 3D .unbatched. or 4D", normal(r, 4, 5), 2),
        E(NotImplementedError, "not implemented for .*int64", np.ones((1, 1, 3, 3), np.int64), 2),
    ],
    formula=r"y_{n,(c,t),m} = x_{n,c,\,m s + t d - p}",
    derivative=r"\bar x = \mathrm{fold}(\bar y)",
    reference=unfold_loops,
)
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of an image as columns, also known as im2col.

    Args:
        input: float tensor (N, C, H, W) or (C, H, W).
        kernel_size, dilation, padding, stride: of the window, each an int or a pair.

    Returns:
        (N, C * KH * KW, number of windows); windows are counted row by row.

    Raises:
        RuntimeError: where the window is larger than the padded image.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.unfold(minigrad.arange(6.0).reshape(1, 2, 3), 2)
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    input, was_batched = batched("unfold", input, 2)
    _float_only("unfold", input)
    kernel, stride = sizes("kernel_size", kernel_size, 2, positive=True), sizes("stride", stride, 2, positive=True)
    dilation, padding = sizes("dilation", dilation, 2, positive=True), sizes("padding", padding, 2)
    size = tuple(input.array.shape[2:])
    positions = out_sizes(size, kernel, stride, padding, dilation)
    if min(positions) < 1:
        raise ShapeError(
            f"Given input with spatial size {size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, calculated "
            f"shape of the array of sliding blocks as {positions}, but its components must be at least one; "
            f"use a smaller kernel or more padding"
        )
    params = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return unbatched(own_memory(apply(registry["im2col"], (input,), params), input), was_batched)


@function(
    "fold",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 2, 6, 4), (3, 4), (2, 3), padding=(0, 0)),
        S(normal(r, 4, 9), (5, 3), 2, 2, 1, (2, 1)),
        S(normal(r, 0, 4, 4), 3, 2),
    ],
    errors=lambda r: [
        E(
            RuntimeError,
            r"to match the calculated number of sliding blocks 3 \* 4 = 12, but got input.size\(2\)=11",
            normal(r, 1, 4, 11),
            (4, 5),
            2,
        ),
        E(RuntimeError, "divisible by the product of kernel_size", normal(r, 1, 6, 12), (4, 5), 2),
        E(RuntimeError, r"Expected 2D or 3D \(batch mode\)", normal(r, 1, 1, 4, 4), 3, 2),
        E(NotImplementedError, "not implemented for .*int64", np.ones((4, 4), np.int64), 3, 2),
    ],
    formula=r"y_{n,c,i} = \sum_{t,m:\; m s + t d - p = i} x_{n,(c,t),m}",
    derivative=r"\bar x = \mathrm{unfold}(\bar y)",
    reference=fold_loops,
)
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns added up into an image where :func:`unfold` would have read them, also known as col2im.

    Args:
        input: float tensor (N, C * KH * KW, number of windows), or without N.
        output_size: the image's (H, W).
        kernel_size, dilation, padding, stride: of the window, each an int or a pair.

    Returns:
        (N, C, H, W). Pixels in several windows are sums: ``fold(unfold(x)) / fold(unfold(ones))`` is x.

    Raises:
        RuntimeError: where the columns do not fit the window and the image.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.fold(minigrad.ones(4, 2), (2, 3), 2)
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    shape = input.array.shape
    if len(shape) not in (2, 3):
        raise ShapeError(
            f"fold: Expected 2D or 3D (batch mode) tensor for input, but got: {list(shape)}; F.unfold makes (N, C*KH*KW, windows)"
        )
    columns = input if len(shape) == 3 else input.reshape(1, *shape)
    _float_only("fold", input)
    size, kernel = sizes("output_size", output_size, 2, positive=True), sizes("kernel_size", kernel_size, 2, positive=True)
    stride, dilation = sizes("stride", stride, 2, positive=True), sizes("dilation", dilation, 2, positive=True)
    padding = sizes("padding", padding, 2)
    rows, found = columns.array.shape[1:]
    if rows % math.prod(kernel):
        raise ShapeError(
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={kernel}"
        )
    blocks = tuple(max(n, 0) for n in out_sizes(size, kernel, stride, padding, dilation))
    if math.prod(blocks) != found or not found:
        raise ShapeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}, "
            f"expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{' * '.join(map(str, blocks))} = {math.prod(blocks)}, but got input.size(2)={found}"
        )
    params = {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return unbatched(apply(registry["col2im"], (columns,), params), len(shape) == 3)


def _float_only(name, input):
    if not input.is_floating_point():
        raise NotImplementedError(f"{name} is not implemented for {input.dtype} tensors; convert with input.float()")
