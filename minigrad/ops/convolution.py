"""Convolution over one, two or three spatial dimensions.

A convolution without its bias is bilinear: its two derivatives, ``conv2d_dx`` and ``conv2d_dw``, are bilinear too, and each
one's rules are the other two. So gradients of any order need nothing but these three. Their texts work for any number of spatial
dimensions.

Shapes, for two: x (N, C, H, W), weight (O, C/groups, KH, KW), y and its gradient (N, O, OH, OW); the windows of the image
are columns (N, C*T, M), with T = KH*KW taps and M = OH*OW positions.
Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, draws every case.
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import DtypeError, ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .samples import normal
from .sliding import batched, convolution_loops, out_sizes, sides, sizes, unbatched


# ----------------------------------------------------------------------------------------------- convolution and its two adjoints
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
        lambda xp, g: xp.sum(g, axis=(0, *range(2, len(g.shape)))),
    ),
    formula=r"y_{n,o,i} = b_o + \sum_{c,t} w_{o,c,t}\, x_{n,c,\,i s + t d - p}",
    derivative=r"\bar x = \mathrm{conv}_{dx}(\bar y, w), \quad \bar w = \mathrm{conv}_{dw}(\bar y, x), \quad "
    r"\bar b_o = \sum_{n,i} \bar y_{n,o,i}",
    onnx="Conv",
    samples=lambda r: [
        S(normal(r, 1, 2, 5, 4), normal(r, 3, 2, 2, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1),
        S(normal(r, 2, 4, 3, 2), normal(r, 2, 2, 2, 1), normal(r, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        S(normal(r, 1, 1, 4, 3, 3), normal(r, 2, 1, 2, 1, 2), stride=(2, 1, 1), padding=(0, 1, 0), dilation=(1, 1, 2), groups=1),
    ],
    reference=convolution_loops,
)
def conv2d(xp, x, weight, bias=None, *, stride, padding, dilation, groups):
    """The windows of x times the filters, plus bias (O,): (N, C, H, W) -> (N, O, OH, OW)."""
    kernel = tuple(weight.shape[2:])
    if bias is not None:
        y = xp.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return y + xp.reshape(bias, shape=(-1, *[1] * len(kernel)))
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
        S(
            normal(r, 1, 2, 2, 3, 1),
            normal(r, 2, 1, 2, 1, 2),
            stride=(2, 1, 1),
            padding=(0, 1, 0),
            dilation=(1, 1, 2),
            groups=1,
            size=(5, 1, 3),
        ),
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
    x_shape, w_shape = input.array.shape, checked(name, n, input, weight, bias, groups)
    stride, dilation = sizes("stride", stride, n, positive=True), sizes("dilation", dilation, n, positive=True)
    if isinstance(padding, str):
        padding, one_sided = _same_padding(padding, w_shape[2:], stride, dilation)
    else:
        padding, one_sided = sizes("padding", padding, n), ()
    if x_shape[1] != w_shape[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(w_shape)}, expected input{list(x_shape)} to have "
            f"{w_shape[1] * groups} channels, but got {x_shape[1]} channels instead; {_channels_remedy(x_shape, w_shape, groups)}"
        )
    if min(x_shape[2:]) < 1 or min(out_sizes(x_shape[2:], w_shape[2:], stride, padding, dilation)) < 1:
        raise ShapeError(
            f"Calculated padded input size per channel: {sides(m + 2 * p for m, p in zip(x_shape[2:], padding))}. "
            f"Kernel size: {sides(d * (k - 1) + 1 for d, k in zip(dilation, w_shape[2:]))}. "
            f"Kernel size can't be greater than actual input size; "
            f"use a smaller kernel or dilation, or padding={_enough(x_shape, w_shape, dilation)}"
        )
    y = product("conv2d", input, weight, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}, bias)
    if any(one_sided):
        y = y[(slice(None), slice(None), *(slice(first, None) for first in one_sided))]
    return unbatched(y, was_batched)


def _same_padding(padding, kernel, stride, dilation):
    """(padding on both sides, how many first outputs to drop): where an even kernel wants one pixel more on the far side."""
    n = len(kernel)
    if padding == "valid":
        return (0,) * n, ()
    if padding != "same":
        raise ShapeError(f"Invalid padding string: {padding!r}; give ints, 'same' or 'valid'")
    if any(s != 1 for s in stride):
        raise ShapeError(
            f"padding='same' is not supported for strided convolutions, got stride={list(stride)}; give the padding as ints"
        )
    spans = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return tuple((s + 1) // 2 for s in spans), tuple(s % 2 for s in spans)


def checked(name, n, input, weight, bias, groups, transposed=False):
    """The shape of the weight; an error that says what to change where the arguments do not fit together."""
    if not isinstance(weight, Tensor) or not (bias is None or isinstance(bias, Tensor)):
        raise TypeError(f"{name}(): weight and bias must be Tensors, got {describe(weight)} and {describe(bias)}")
    w_shape = weight.array.shape
    if len(w_shape) != n + 2:
        few = "weight should have at least three dimensions; " if len(w_shape) < 3 else ""
        fits = f"Expected {len(w_shape)}-dimensional input for {len(w_shape)}-dimensional weight"
        raise ShapeError(
            f"{name}: {few}expected a {n + 2}-dimensional weight, but got weight of size {list(w_shape)}; {fits} is another "
            f"convolution's"
        )
    if groups < 1:
        raise ShapeError(f"non-positive groups is not supported, got groups={groups}")
    if w_shape[0] % groups or not w_shape[0]:
        wanted = f"divisible by {groups}" if w_shape[0] >= groups else f"at least {groups}"
        raise ShapeError(
            f"Given groups={groups}, expected weight to be {wanted} at dimension 0, "
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
        return (
            f"the channels seem to stand last, and dimension 1 must hold them: input.movedim(-1, 1) gives (batch, {wanted}, ...)"
        )
    return (
        f"dimension 1 of the input holds the channels: build the layer with in_channels={x_shape[1]}, or give {wanted} channels"
    )


def _enough(x_shape, w_shape, dilation):
    """The least padding that makes the window fit."""
    return max(0, *((d * (k - 1) + 2 - m) // 2 for m, k, d in zip(x_shape[2:], w_shape[2:], dilation)))


def product(name, a, weight, params, bias=None):
    """One of the three operations; one spatial dimension runs as two, of which the first has size 1."""
    more = () if bias is None else (bias,)
    if weight.array.ndim != 3:
        return apply(registry[name], (a, weight, *more), params)
    units = {"stride": 1, "padding": 0, "dilation": 1, "size": 1}
    params = {k: (units[k], *v) if k in units else v for k, v in params.items()}
    a, weight = (t.reshape(*t.array.shape[:2], 1, t.array.shape[2]) for t in (a, weight))
    y = apply(registry[name], (a, weight, *more), params)
    return y.reshape(*y.array.shape[:2], y.array.shape[3])


def _conv_samples(r):
    x, w = normal(r, 2, 2, 4, 3), normal(r, 3, 2, 2, 3)
    return [
        S(x, w),
        S(x, w, normal(r, 3), stride=(2, 1), padding=(1, 0)),
        S(normal(r, 1, 4, 5, 3), normal(r, 6, 2, 2, 2), normal(r, 6), dilation=(2, 1), groups=2, stride=2, padding=1),
        S(normal(r, 3, 4, 4), normal(r, 3, 1, 2, 2), groups=3, padding="same"),
        S(normal(r, 1, 1, 4, 4), normal(r, 2, 1, 3, 2), padding="same", dilation=2),
        S(normal(r, 1, 1, 3, 4), normal(r, 2, 1, 3, 2), padding="valid"),
        S(normal(r, 0, 2, 4, 3), normal(r, 3, 2, 2, 3), normal(r, 3)),
    ]


def _conv_errors(r):
    x, w = normal(r, 1, 3, 3, 3), normal(r, 2, 3, 2, 2)
    return [
        E(RuntimeError, r"expected input\[1, 3, 3, 3\] to have 2 channels, but got 3 channels", x, normal(r, 2, 2, 2, 2)),
        E(RuntimeError, "channels seem to stand last", normal(r, 1, 2, 2, 3), normal(r, 2, 3, 1, 1)),
        E(
            RuntimeError,
            r"Calculated padded input size per channel: \(3 x 3\). Kernel size: \(4 x 2\).*padding=1",
            x,
            normal(r, 2, 3, 4, 2),
        ),
        E(RuntimeError, r"Kernel size: \(1 x 1\)", normal(r, 1, 2, 0, 3), normal(r, 1, 2, 1, 1)),
        E(RuntimeError, r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d", normal(r, 3, 3), w),
        E(RuntimeError, "expected a 4-dimensional weight", x, normal(r, 2, 3, 2)),
        E(RuntimeError, "expected bias to be 1-dimensional with 2 elements", x, w, normal(r, 3)),
        E(RuntimeError, "Input type .* and weight type .* should be the same", x, np.ones((2, 3, 2, 2), np.int64)),
        E(RuntimeError, "Input type .* and bias type .* should be the same", x, w, np.ones(2, np.int64)),
        E(RuntimeError, "divisible by 2 at dimension 0", normal(r, 1, 4, 2, 2), normal(r, 3, 2, 1, 1), groups=2),
        E(RuntimeError, "at least 1 at dimension 0", x, normal(r, 0, 3, 2, 2)),
        E(RuntimeError, "kernel size should be greater than zero", x, normal(r, 2, 3, 0, 2)),
        E(RuntimeError, "non-positive groups", x, w, groups=0),
        E(RuntimeError, "non-positive stride is not supported", x, w, stride=0),
        E(RuntimeError, "dilation should be greater than zero", x, w, dilation=(1, 0)),
        E(RuntimeError, "negative padding is not supported", x, w, padding=-1),
        E(RuntimeError, "single integer value or a list of 2 values", x, w, stride=(1, 1, 1)),
        E(RuntimeError, "padding='same' is not supported for strided", x, w, stride=2, padding="same"),
        E(RuntimeError, "Invalid padding string: 'full'", x, w, padding="full"),
        E(NotImplementedError, "not implemented for bool", np.ones((1, 1, 2, 2), bool), np.ones((1, 1, 1, 1), bool)),
        E(TypeError, "must be Tensor", [[1.0]], w),
        E(TypeError, "weight and bias must be Tensors", x, 2.0),
    ]


_CONV = {
    "formula": r"y_{n,o,i} = b_o + \sum_{c,t} w_{o,c,t}\, x_{n,c,\,i s + t d - p}",
    "derivative": r"\bar x_{n,c,j} = \sum_{o,t,i:\; i s + t d - p = j} w_{o,c,t}\, \bar y_{n,o,i}, \quad "
    r"\bar w_{o,c,t} = \sum_{n,i} \bar y_{n,o,i}\, x_{n,c,\,i s + t d - p}, \quad \bar b_o = \sum_{n,i} \bar y_{n,o,i}",
    "reference": convolution_loops,
}


@function("conv2d", spaces="torch functional", samples=_conv_samples, errors=_conv_errors, **_CONV)
def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Two-dimensional convolution (cross-correlation: the filter is not flipped).

    Args:
        input: (N, C, H, W) or (C, H, W), float or integer.
        weight: (O, C/groups, KH, KW), of the same dtype.
        bias: (O,) or None.
        stride, dilation: steps between windows and between the taps of a window; an int or a pair.
        padding: zeros added on both sides, an int or a pair; or ``"valid"`` for none, ``"same"`` for an output as large as
            the input (stride 1).
        groups: the channels are split into so many groups that do not see each other; C groups make a depthwise convolution.

    Returns:
        (N, O, OH, OW) with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, and OW likewise.

    Raises:
        RuntimeError: where channels, groups, bias or dtypes do not fit, or the kernel is larger than the padded input.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> image = minigrad.arange(9.0).reshape(1, 1, 3, 3)
    >>> F.conv2d(image, minigrad.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


@function(
    "conv1d",
    spaces="torch functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 6), normal(r, 3, 2, 3), normal(r, 3), stride=2, padding=1, dilation=2),
        S(normal(r, 2, 5), normal(r, 2, 1, 2), groups=2, padding="same"),
    ],
    errors=lambda r: [
        E(RuntimeError, r"expected input\[1, 2, 5\] to have 3 channels", normal(r, 1, 2, 5), normal(r, 4, 3, 3)),
        E(RuntimeError, r"Kernel size: \(3\)", normal(r, 1, 2, 2), normal(r, 4, 2, 3)),
        E(RuntimeError, r"Expected 2D \(unbatched\) or 3D \(batched\) input to conv1d", normal(r, 2), normal(r, 4, 2, 3)),
    ],
    **_CONV,
)
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """One-dimensional convolution, for instance over time.

    Args:
        input: (N, C, L) or (C, L).
        weight: (O, C/groups, K).
        bias: (O,) or None.
        stride, padding, dilation, groups: as in :func:`conv2d`.

    Returns:
        (N, O, (L + 2 padding - dilation (K - 1) - 1) // stride + 1).

    Raises:
        RuntimeError: where channels, groups, bias or dtypes do not fit, or the kernel is larger than the padded input.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.conv1d(minigrad.tensor([[1.0, 2.0, 4.0, 8.0]]), minigrad.tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2., 4.]])
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


@function(
    "conv3d",
    spaces="torch functional",
    samples=lambda r: [
        S(
            normal(r, 1, 2, 3, 3, 3),
            normal(r, 2, 2, 2, 2, 1),
            normal(r, 2),
            stride=(1, 2, 1),
            padding=(1, 0, 0),
            dilation=(2, 1, 1),
        ),
        S(normal(r, 2, 3, 2, 2), normal(r, 2, 1, 2, 1, 2), groups=2, padding="same"),
    ],
    errors=lambda r: [
        E(RuntimeError, "to have 3 channels", normal(r, 1, 2, 2, 2, 2), normal(r, 1, 3, 1, 1, 1)),
        E(
            RuntimeError,
            r"Expected 4D \(unbatched\) or 5D \(batched\) input to conv3d.*depth, height, width",
            normal(r, 2),
            normal(r, 1, 3, 1, 1, 1),
        ),
    ],
    **_CONV,
)
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Three-dimensional convolution, for instance over the frames of a film.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (O, C/groups, KD, KH, KW).
        bias: (O,) or None.
        stride, padding, dilation, groups: as in :func:`conv2d`, with three sizes.

    Returns:
        (N, O, OD, OH, OW).

    Raises:
        RuntimeError: where channels, groups, bias or dtypes do not fit, or the kernel is larger than the padded input.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.conv3d(minigrad.ones(1, 1, 4, 4, 4), minigrad.ones(2, 1, 3, 3, 3)).shape
    minigrad.Size([1, 2, 2, 2, 2])
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)
