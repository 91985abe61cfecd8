"""Transposed convolution: the derivative of a convolution by its image, used to enlarge images."""

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, registry
from .convolution import checked, product
from .samples import normal
from .sliding import batched, sides, sizes, transposed_loops, unbatched


def _transpose_convolve(n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    name = f"conv_transpose{n}d"
    input, was_batched = batched(name, input, n)
    x_shape, w_shape = input.array.shape, checked(name, n, input, weight, bias, groups, transposed=True)
    stride, dilation = sizes("stride", stride, n, positive=True), sizes("dilation", dilation, n, positive=True)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be an int or a tuple of ints, not {padding!r}")
    padding, extra = sizes("padding", padding, n), sizes("output_padding", output_padding, n)
    if x_shape[1] != w_shape[0]:
        raise ShapeError(
            f"Given transposed=1, weight of size {list(w_shape)}, expected input{list(x_shape)} to have {w_shape[0]} channels, "
            f"but got {x_shape[1]} channels instead; the weight of a transposed convolution is "
            f"(in_channels, out_channels/groups, ...)"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ShapeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding={list(extra)}, "
            f"stride={list(stride)}, dilation={list(dilation)}"
        )
    size = tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + e + 1
        for m, k, s, p, d, e in zip(x_shape[2:], w_shape[2:], stride, padding, dilation, extra)
    )
    if min(size) < 1 or min(x_shape[2:]) < 1:
        raise ShapeError(
            f"Given input size per channel: {sides(x_shape[2:])}. Calculated output size per channel: {sides(size)}. "
            f"Output size is too small; use less padding than {list(padding)}, a larger stride or a larger input"
        )
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "size": size}
    if any(e >= s for e, s in zip(extra, stride)):
        y = _beyond_the_stride(input, weight, params, extra)
    else:
        y = product("conv2d_dx", input, weight, params)
    return unbatched(y if bias is None else y + bias.reshape(-1, *[1] * n), was_batched)


def _beyond_the_stride(input, weight, params, extra):
    """The product where output_padding reaches the stride: no convolution has such an image, so zeros are put behind it."""
    size, padding = params["size"], params["padding"]
    whole = tuple(m + 2 * p - e for m, p, e in zip(size, padding, extra))
    y = product("conv2d_dx", input, weight, {**params, "padding": (0,) * len(size), "size": whole})
    y = apply(registry["pad"], (y,), {"widths": ((0, 0), (0, 0), *((0, e) for e in extra))})
    return y[(slice(None), slice(None), *(slice(p, p + m) for p, m in zip(padding, size)))]


_TRANSPOSED = {
    "formula": r"y_{n,o,j} = b_o + \sum_{c,t,i:\; i s + t d - p = j} w_{c,o,t}\, x_{n,c,i}",
    "derivative": r"\bar x_{n,c,i} = \sum_{o,t} w_{c,o,t}\, \bar y_{n,o,\,i s + t d - p}, \quad "
    r"\bar w_{c,o,t} = \sum_{n,i} x_{n,c,i}\, \bar y_{n,o,\,i s + t d - p}, \quad \bar b_o = \sum_{n,j} \bar y_{n,o,j}",
    "reference": transposed_loops,
}


@function(
    "conv_transpose2d",
    spaces="torch functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 3, 2), normal(r, 2, 3, 2, 2)),
        S(
            normal(r, 1, 2, 3, 2),
            normal(r, 2, 3, 2, 3),
            normal(r, 3),
            stride=(3, 2),
            padding=(1, 0),
            output_padding=(2, 1),
            dilation=(1, 2),
        ),
        S(normal(r, 4, 2, 3), normal(r, 4, 1, 2, 2), normal(r, 2), groups=2, stride=2),
        S(normal(r, 1, 2, 3, 2), normal(r, 2, 1, 2, 2), stride=(2, 1), dilation=(1, 2), padding=1, output_padding=1),
        S(normal(r, 0, 2, 3, 2), normal(r, 2, 3, 2, 2)),
    ],
    errors=lambda r: [
        E(RuntimeError, "Given transposed=1.*to have 4 channels, but got 3", normal(r, 1, 3, 2, 2), normal(r, 4, 3, 1, 1)),
        E(
            RuntimeError,
            "output padding must be smaller than either stride or dilation",
            normal(r, 1, 2, 2, 2),
            normal(r, 2, 1, 2, 2),
            stride=2,
            output_padding=2,
        ),
        E(
            RuntimeError,
            r"Calculated output size per channel: \(-1 x -1\)",
            normal(r, 1, 2, 1, 1),
            normal(r, 2, 1, 3, 3),
            padding=2,
        ),
        E(RuntimeError, "Output size is too small", normal(r, 1, 2, 0, 1), normal(r, 2, 1, 3, 3)),
        E(
            RuntimeError,
            "expected bias to be 1-dimensional with 4 elements",
            normal(r, 1, 2, 2, 2),
            normal(r, 2, 2, 1, 1),
            normal(r, 2),
            groups=2,
        ),
        E(RuntimeError, "Expected 3D .unbatched. or 4D", normal(r, 2, 2), normal(r, 2, 2, 1, 1)),
        E(TypeError, "'padding' must be", normal(r, 1, 2, 2, 2), normal(r, 2, 2, 1, 1), padding="same"),
    ],
    **_TRANSPOSED,
)
def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Two-dimensional transposed convolution: the derivative of :func:`conv2d` by its image, used to enlarge images.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, O/groups, KH, KW).
        bias: (O,) or None.
        stride, padding, dilation: those of the convolution whose derivative this is; an int or a pair.
        output_padding: pixels added on the far side of the output, below stride or dilation: it says which of several image
            sizes is meant.
        groups: the channels are split into so many groups that do not see each other.

    Returns:
        (N, O, OH, OW) with OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, and OW likewise.

    Raises:
        RuntimeError: where channels, bias, dtypes or output_padding do not fit, or the output would be empty.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.conv_transpose2d(minigrad.tensor([[[1.0, 2.0]]]), minigrad.ones(1, 1, 1, 2), stride=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return _transpose_convolve(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function(
    "conv_transpose1d",
    spaces="torch functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 4), normal(r, 2, 3, 3), normal(r, 3), stride=2, padding=1, output_padding=1, dilation=2),
        S(normal(r, 2, 4), normal(r, 2, 1, 2), groups=2),
    ],
    errors=lambda r: [E(RuntimeError, "Given transposed=1", normal(r, 1, 2, 5), normal(r, 4, 3, 3))],
    **_TRANSPOSED,
)
def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """One-dimensional transposed convolution.

    Args:
        input: (N, C, L) or (C, L).
        weight: (C, O/groups, K).
        bias: (O,) or None.
        stride, padding, output_padding, groups, dilation: as in :func:`conv_transpose2d`.

    Returns:
        (N, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1).

    Raises:
        RuntimeError: where channels, bias, dtypes or output_padding do not fit, or the output would be empty.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.conv_transpose1d(minigrad.tensor([[1.0, 2.0]]), minigrad.ones(1, 1, 3), stride=2)
    tensor([[1., 1., 3., 2., 2.]])
    """
    return _transpose_convolve(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function(
    "conv_transpose3d",
    spaces="torch functional",
    samples=lambda r: [
        S(
            normal(r, 1, 2, 2, 2, 2),
            normal(r, 2, 1, 2, 2, 1),
            normal(r, 1),
            stride=(1, 2, 1),
            output_padding=(0, 1, 0),
            padding=(1, 0, 0),
            dilation=(2, 1, 1),
        ),
        S(normal(r, 2, 1, 2, 2), normal(r, 2, 1, 1, 2, 2), groups=2),
    ],
    errors=lambda r: [E(RuntimeError, "Given transposed=1", normal(r, 1, 2, 2, 2, 2), normal(r, 4, 3, 1, 1, 1))],
    **_TRANSPOSED,
)
def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Three-dimensional transposed convolution.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (C, O/groups, KD, KH, KW).
        bias: (O,) or None.
        stride, padding, output_padding, groups, dilation: as in :func:`conv_transpose2d`, with three sizes.

    Returns:
        (N, O, OD, OH, OW).

    Raises:
        RuntimeError: where channels, bias, dtypes or output_padding do not fit, or the output would be empty.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.conv_transpose3d(minigrad.ones(1, 2, 2, 2, 2), minigrad.ones(2, 3, 2, 2, 2), stride=2).shape
    minigrad.Size([1, 3, 4, 4, 4])
    """
    return _transpose_convolve(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
