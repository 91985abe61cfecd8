"""Convolution over one, two or three spatial dimensions, transposed convolution, and the columns they are made of.

A convolution is bilinear: its two derivatives, ``conv2d_dx`` and ``conv2d_dw``, are bilinear too, and each one's rules are
the other two. So gradients of any order need nothing but these three. Their texts work for any number of spatial dimensions.

Shapes, for two: x (N, C, H, W), weight (O, C/groups, KH, KW), y and its gradient (N, O, OH, OW); the windows of the image
are columns (N, C*T, M), with T = KH*KW taps and M = OH*OW positions.
Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, draws every case.
"""

import math

from ..dispatch import apply
from ..errors import DtypeError, ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .samples import normal
from .sliding import (
    FULL,
    batched,
    convolution_loops,
    fold_loops,
    sides,
    sizes,
    transposed_loops,
    unbatched,
    unfold_loops,
)


def out_sizes(size, kernel, stride, padding, dilation):
    """How many positions a window has along each spatial dimension."""
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation))


# ---------------------------------------------------------------------------------------------------------------- columns
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
        S(normal(r, 1, 12, 3), size=(4, 5), kernel=(2, 3), stride=(2, 1), padding=(1, 0), dilation=(3, 1)),
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


# ------------------------------------------------------------------------------------------------ convolution and its two adjoints
def _filters(xp, weight, groups):
    """weight as one matrix per group: (groups, O/groups, C/groups*T)."""
    outputs, inputs, *kernel = weight.shape
    return xp.reshape(weight, shape=(groups, outputs // groups, inputs * math.prod(kernel)))


def _by_group(xp, images, groups):
    """(N, C, ...) -> (N, groups, C/groups, pixels)."""
    n, channels, *size = images.shape
    return xp.reshape(images, shape=(n, groups, channels // groups, math.prod(size)))


@op(
    names="",
    vjp=(
        lambda xp, g, x_shape, weight, stride, padding, dilation, groups: xp.conv2d_dx(
            g, weight, stride=stride, padding=padding, dilation=dilation, groups=groups, size=tuple(x_shape[2:])
        ),
        lambda xp, g, x, weight_shape, stride, padding, dilation, groups: xp.conv2d_dw(
            g, x, stride=stride, padding=padding, dilation=dilation, groups=groups, kernel=tuple(weight_shape[2:])
        ),
    ),
    formula=r"y_{n,o,i} = \sum_{c,t} w_{o,c,t}\, x_{n,c,\,i s + t d - p}",
    derivative=r"\bar x = \mathrm{conv}_{dx}(\bar y, w), \quad \bar w = \mathrm{conv}_{dw}(\bar y, x)",
    onnx="Conv",
    samples=lambda r: [
        S(normal(r, 1, 2, 5, 4), normal(r, 3, 2, 2, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1),
        S(normal(r, 2, 4, 3, 2), normal(r, 2, 2, 2, 1), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        S(normal(r, 1, 1, 4, 3, 3), normal(r, 2, 1, 2, 1, 2), stride=(2, 1, 1), padding=(0, 1, 0), dilation=(1, 1, 2), groups=1),
    ],
    reference=convolution_loops,
)
def conv2d(xp, x, weight, *, stride, padding, dilation, groups):
    """The windows of x times the filters, (N, C, H, W) -> (N, O, OH, OW)."""
    kernel = tuple(weight.shape[2:])
    columns = xp.im2col(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    y = xp.matmul(_filters(xp, weight, groups), _by_group(xp, columns, groups))  # (N, groups, O/groups, M)
    positions = out_sizes(x.shape[2:], kernel, stride, padding, dilation)
    return xp.reshape(y, shape=(x.shape[0], weight.shape[0], *positions))


@op(
    names="",
    vjp=(
        lambda xp, g, weight, stride, padding, dilation, groups: xp.conv2d(
            g, weight, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        lambda xp, g, slope, weight_shape, stride, padding, dilation, groups: xp.conv2d_dw(
            slope, g, stride=stride, padding=padding, dilation=dilation, groups=groups, kernel=tuple(weight_shape[2:])
        ),
    ),
    formula=r"y_{n,c,j} = \sum_{o,t,i:\; i s + t d - p = j} w_{o,c,t}\, \bar y_{n,o,i}",
    derivative=r"\text{the convolution of } \bar y \text{ with } w, \quad \bar w = \mathrm{conv}_{dw}",
    onnx="ConvTranspose",
    samples=lambda r: [
        S(normal(r, 1, 3, 4, 2), normal(r, 3, 2, 2, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, size=(5, 4)),
        S(normal(r, 2, 2, 2, 2), normal(r, 2, 2, 2, 1), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, size=(3, 2)),
        S(normal(r, 1, 2, 2, 2, 1), normal(r, 2, 1, 2, 1, 2), stride=(2, 1, 1), padding=(0, 1, 0), dilation=(1, 1, 2), groups=1, size=(5, 0, 3)),
    ],
)
def conv2d_dx(xp, slope, weight, *, stride, padding, dilation, groups, size):
    """The derivative of ``conv2d`` by its image of ``size``, applied to ``slope`` (N, O, OH, OW): (N, C, H, W)."""
    kernel = tuple(weight.shape[2:])
    columns = xp.matmul(xp.matrix_transpose(_filters(xp, weight, groups)), _by_group(xp, slope, groups))
    n, _, rows, positions = columns.shape  # (N, groups, C/groups*T, M)
    columns = xp.reshape(columns, shape=(n, groups * rows, positions))
    return xp.col2im(columns, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@op(
    names="",
    vjp=(
        lambda xp, g, x, stride, padding, dilation, groups: xp.conv2d(
            x, g, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        lambda xp, g, slope, x_shape, stride, padding, dilation, groups: xp.conv2d_dx(
            slope, g, stride=stride, padding=padding, dilation=dilation, groups=groups, size=tuple(x_shape[2:])
        ),
    ),
    formula=r"y_{o,c,t} = \sum_{n,i} \bar y_{n,o,i}\, x_{n,c,\,i s + t d - p}",
    derivative=r"\text{the convolution of } x \text{ with } \bar w, \quad \bar x = \mathrm{conv}_{dx}(\cdot, \bar w)",
    samples=lambda r: [
        S(normal(r, 1, 3, 4, 2), normal(r, 1, 2, 5, 4), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, kernel=(2, 3)),
        S(normal(r, 2, 2, 2, 2), normal(r, 2, 4, 3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, kernel=(2, 1)),
        S(normal(r, 2, 2, 3), normal(r, 2, 1, 6), stride=(2,), padding=(0,), dilation=(1,), groups=1, kernel=(2,)),
    ],
)
def conv2d_dw(xp, slope, x, *, stride, padding, dilation, groups, kernel):
    """The derivative of ``conv2d`` by its weight of ``kernel``, applied to ``slope`` (N, O, OH, OW): (O, C/groups, KH, KW)."""
    outputs, inputs = slope.shape[1] // groups, x.shape[1] // groups
    columns = _by_group(xp, xp.im2col(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation), groups)
    n, _, rows, positions = columns.shape  # (N, groups, C/groups*T, M)
    columns = xp.reshape(xp.permute_dims(columns, axes=(1, 0, 3, 2)), shape=(groups, n * positions, rows))
    slopes = xp.permute_dims(_by_group(xp, slope, groups), axes=(1, 2, 0, 3))  # (groups, O/groups, N, M)
    dw = xp.matmul(xp.reshape(slopes, shape=(groups, outputs, n * positions)), columns)
    return xp.reshape(dw, shape=(groups * outputs, inputs, *kernel))


# ---------------------------------------------------------------------------------------------------- PyTorch's functions of them
def _convolve(n, input, weight, bias, stride, padding, dilation, groups):
    name = f"conv{n}d"
    input, was_batched = batched(name, input, n)
    x_shape, w_shape = input.array.shape, _checked(name, n, input, weight, bias, groups)
    stride, dilation = sizes("stride", stride, n, positive=True), sizes("dilation", dilation, n, positive=True)
    if isinstance(padding, str):
        padding, one_sided = _same_padding(padding, w_shape[2:], stride, dilation)
    else:
        padding, one_sided = sizes("padding", padding, n), ()
    if x_shape[1] != w_shape[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(w_shape)}, expected input{list(x_shape)} to have {w_shape[1] * groups} channels, "
            f"but got {x_shape[1]} channels instead; {_channels_remedy(x_shape, w_shape, groups)}"
        )
    if min(x_shape[2:]) < 1 or min(out_sizes(x_shape[2:], w_shape[2:], stride, padding, dilation)) < 1:
        raise ShapeError(
            f"Calculated padded input size per channel: {sides(m + 2 * p for m, p in zip(x_shape[2:], padding))}. "
            f"Kernel size: {sides(d * (k - 1) + 1 for d, k in zip(dilation, w_shape[2:]))}. "
            f"Kernel size can't be greater than actual input size; use a smaller kernel or dilation, or padding={_enough(x_shape, w_shape, dilation)}"
        )
    y = _product("conv2d", input, weight, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups})
    if any(one_sided):
        y = y[(slice(None), slice(None), *(slice(first, None) for first in one_sided))]
    return unbatched(_with_bias(y, bias), was_batched)


def _same_padding(padding, kernel, stride, dilation):
    """(padding on both sides, how many first outputs to drop): where an even kernel wants one pixel more on the far side."""
    n = len(kernel)
    if padding == "valid":
        return (0,) * n, ()
    if padding != "same":
        raise ShapeError(f"Invalid padding string: {padding!r}; give ints, 'same' or 'valid'")
    if any(s != 1 for s in stride):
        raise ShapeError(f"padding='same' is not supported for strided convolutions, got stride={list(stride)}; give the padding as ints")
    spans = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return tuple((s + 1) // 2 for s in spans), tuple(s % 2 for s in spans)


def _checked(name, n, input, weight, bias, groups, transposed=False):
    """The shape of the weight; an error that says what to change where the arguments do not fit together."""
    if not isinstance(weight, Tensor) or not (bias is None or isinstance(bias, Tensor)):
        raise TypeError(f"{name}(): weight and bias must be Tensors, got {describe(weight)} and {describe(bias)}")
    w_shape = weight.array.shape
    if len(w_shape) != n + 2:
        raise ShapeError(f"{name}: expected a {n + 2}-dimensional weight, but got weight of size {list(w_shape)}")
    if groups < 1:
        raise ShapeError(f"non-positive groups is not supported, got groups={groups}")
    if w_shape[0] % groups or not w_shape[0]:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be {f'divisible by {groups}' if w_shape[0] else 'at least 1'} at dimension 0, "
            f"but got weight of size {list(w_shape)} instead"
        )
    if min(w_shape[2:]) < 1:
        raise ShapeError(f"{name}: kernel size should be greater than zero, but got weight of size {list(w_shape)}")
    outputs = w_shape[1] * groups if transposed else w_shape[0]
    if bias is not None and bias.array.shape != (outputs,):
        raise ShapeError(
            f"Given weight of size {list(w_shape)}, expected bias to be 1-dimensional with {outputs} elements, "
            f"but got bias of size {list(bias.array.shape)} instead"
        )
    for role, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.array.dtype != input.array.dtype:
            raise DtypeError(
                f"{name}: Input type ({input.dtype}) and {role} type ({t.dtype}) should be the same; "
                f"convert one, for instance with input.to({role}.dtype) or model.to(input.dtype)"
            )
    if input.array.dtype == bool:
        raise NotImplementedError(f"{name} is not implemented for bool tensors; convert them with .float()")
    return w_shape


def _channels_remedy(x_shape, w_shape, groups):
    wanted = w_shape[1] * groups
    if x_shape[-1] == wanted:
        return f"the channels seem to stand last, and dimension 1 must hold them: input.movedim(-1, 1) gives (batch, {wanted}, ...)"
    return f"dimension 1 of the input holds the channels: build the layer with in_channels={x_shape[1]}, or give {wanted} channels"


def _enough(x_shape, w_shape, dilation):
    """The least padding that makes the window fit."""
    return max(0, *((d * (k - 1) + 2 - m) // 2 for m, k, d in zip(x_shape[2:], w_shape[2:], dilation)))


def _product(name, a, weight, params):
    """One of the three operations; one spatial dimension runs as two, of which the first has size 1."""
    if weight.array.ndim != 3:
        return apply(registry[name], (a, weight), params)
    units = {"stride": 1, "padding": 0, "dilation": 1, "size": 1}
    params = {k: (units[k], *v) if k in units else v for k, v in params.items()}
    a, weight = (t.reshape(*t.array.shape[:2], 1, t.array.shape[2]) for t in (a, weight))
    y = apply(registry[name], (a, weight), params)
    return y.reshape(*y.array.shape[:2], y.array.shape[3])


def _with_bias(y, bias):
    return y if bias is None else y + bias.reshape(-1, *[1] * (y.array.ndim - 2))


_ARGUMENTS = """
    Args:
        input: {input}; the batch may be absent.
        weight: {weight}.
        bias: ({outputs},) or None.
        stride, dilation: an int, or one for each spatial dimension.
        padding: zeros added on both sides{strings}.
        groups: the channels are split into so many groups that do not see each other.
"""


def _documented(strings=", or ``'valid'`` (none) or ``'same'`` (the output is as large as the input)", **shapes):
    """Fill the shapes into the argument list that all these docstrings share."""

    def decorate(f):
        f.__doc__ = f.__doc__.replace("\n    @ARGUMENTS\n", _ARGUMENTS.format(strings=strings, **shapes))
        return f

    return decorate
