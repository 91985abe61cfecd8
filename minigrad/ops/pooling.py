"""Pooling by maxima: the largest element of each window, over one, two or three spatial dimensions.

The maximum is a pick: its gradient goes back to where the maximum was found (``max_unpool_add``), and the gradient of that
reads there again. The texts work for any number of spatial dimensions.

Shapes, for two: x (N, C, H, W), results (N, C, OH, OW), windows (N, C, OH, OW, KH, KW).
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, op, registry
from .samples import normal
from .sliding import along, batched, max_pool_loops, padded_windows, pooled_sizes, sizes, unbatched, unpool_loops


def _lowest(dtype):
    """What is no larger than any value of ``dtype``."""
    if dtype.kind in "iu":
        return -(1 << (8 * dtype.itemsize - 1)) if dtype.kind == "i" else 0
    return float("-inf")


def picked_tap(xp, taps):
    """Which of the last axis is its maximum: the first of equal ones, but the last of several NaN, as in PyTorch."""
    nan = xp.isnan(taps)
    last = taps.shape[-1] - 1 - xp.argmax(xp.flip(nan, axis=-1), axis=-1)
    return xp.where(xp.any(nan, axis=-1), last, xp.argmax(taps, axis=-1))


# -------------------------------------------------------------------------------------------------------- maxima and their places
@op(
    names="",
    outputs=2,
    vjp=(lambda xp, g, y1, x_shape: xp.max_unpool_add(g[0], y1, size=tuple(x_shape[2:])),),
    formula=r"y_i = \max_{j \in W_i} x_j, \quad k_i = \min \{j \in W_i : x_j = y_i\}",
    derivative=r"\bar x_{k_i} \mathrel{+}= \bar y_i",
    onnx="MaxPool",
    samples=lambda r: [
        S(normal(r, 1, 2, 4, 5), kernel_size=(2, 3), stride=(2, 1), padding=(0, 0), dilation=(1, 1), out_size=(2, 3)),
        S(normal(r, 1, 1, 5, 7), kernel_size=(3, 2), stride=(2, 3), padding=(1, 1), dilation=(1, 2), out_size=(3, 3)),
        S(normal(r, 2, 2, 6), kernel_size=(2,), stride=(2,), padding=(1,), dilation=(3,), out_size=(3,)),
        S(
            normal(r, 1, 1, 2), kernel_size=(2,), stride=(1,), padding=(1,), dilation=(3,), out_size=(1,)
        ),  # no pixel in the window
    ],
)
def max_pool2d(xp, x, *, kernel_size, stride, padding, dilation, out_size):
    """The maximum of each window, and where it stands: an index counts through the H*W pixels of its channel (int64)."""
    axes = len(kernel_size)
    windows = padded_windows(xp, x, kernel_size, stride, padding, dilation, out_size, _lowest(x.dtype))
    taps = xp.reshape(windows, shape=(*windows.shape[: 2 + axes], math.prod(kernel_size)))
    tap = picked_tap(xp, taps)
    indices = 0
    for axis in range(axes):
        size, step, pad, spread = x.shape[2 + axis], stride[axis], padding[axis], dilation[axis]
        start = xp.arange(x, n=out_size[axis]) * step - pad
        # A window of nothing but -inf picks its first tap, which may lie before the image: PyTorch names the first inside.
        first = start + xp.maximum((spread - 1 - start) // spread, 0) * spread
        position = tap // math.prod(kernel_size[axis + 1 :]) % kernel_size[axis] * spread + along(xp, start, 2 + axis, 2 + axes)
        position = xp.minimum(xp.maximum(position, along(xp, first, 2 + axis, 2 + axes)), size - 1)
        indices = indices * size + position
    return xp.max(taps, axis=-1), indices


def _read_at(xp, images, indices):
    """(N, C, H, W) at indices (N, C, OH, OW) that count through H*W."""
    n, channels, *size = images.shape
    flat = xp.reshape(images, shape=(n, channels, math.prod(size)))
    places = xp.reshape(indices, shape=(n, channels, math.prod(indices.shape[2:])))
    return xp.reshape(xp.take_along_axis(flat, places, axis=2), shape=tuple(indices.shape))


def _unpool_samples(r):
    return [
        S(normal(r, 1, 2, 2, 2), np.array([[[[0, 2], [7, 5]], [[11, 4], [1, 3]]]]), size=(3, 4)),
        S(normal(r, 2, 1, 2), np.array([[[3, 0]], [[1, 2]]]), size=(4,)),
    ]


@op(
    names="",
    vjp=(lambda xp, g, indices: _read_at(xp, g, indices), None),
    formula=r"y_j = \sum_{i:\, k_i = j} v_i",
    derivative=r"\bar v_i = \bar y_{k_i}",
    samples=lambda r: [*_unpool_samples(r), S(normal(r, 1, 1, 2, 2), np.array([[[[3, 3], [3, 0]]]]), size=(2, 2))],
)
def max_unpool_add(xp, v, indices, *, size):
    """Zeros (N, C, H, W) of ``size`` with ``v`` added at ``indices``, both (N, C, OH, OW). The adjoint of picking the maxima."""
    n, channels, *out = v.shape
    values, places = (xp.reshape(a, shape=(n, channels, math.prod(out))) for a in (v, indices))
    image = xp.scatter_along_axis(values, places, axis=2, shape=(n, channels, math.prod(size)))
    return xp.reshape(image, shape=(n, channels, *size))


@op(
    names="",
    vjp=(lambda xp, g, indices: _read_at(xp, g, indices), None),
    formula=r"y_{k_i} = v_i",
    derivative=r"\bar v_i = \bar y_{k_i}",
    onnx="MaxUnpool",
    samples=_unpool_samples,
)
def max_unpool(xp, v, indices, *, size):
    """Zeros (N, C, H, W) of ``size`` with ``v`` written at ``indices``; where one repeats, the last value stays."""
    n, channels, *out = v.shape
    values, places = (xp.reshape(a, shape=(n, channels, math.prod(out))) for a in (v, indices))
    image = xp.put_along_axis(xp.full(v, shape=(n, channels, math.prod(size))), places, values, axis=2)
    return xp.reshape(image, shape=(n, channels, *size))


# ---------------------------------------------------------------------------------------------------- PyTorch's functions of them
def checked_pool(n, name, input, kernel_size, stride, padding, dilation, ceil_mode):
    """(input with a batch, whether it had one, the op's parameters); an error that says what to change where they do not fit."""
    input, was_batched = batched(name, input, n)
    kernel = sizes("kernel_size", kernel_size, n, positive=True)
    no_stride = stride is None or (stride.__class__ is not int and len(stride) == 0)
    stride = kernel if no_stride else sizes("stride", stride, n, positive=True)
    padding, dilation = sizes("padding", padding, n), sizes("dilation", dilation, n, positive=True)
    if any(p > k // 2 for p, k in zip(padding, kernel)):
        raise ShapeError(
            f"{name}: pad should be at most half of effective kernel size, and smaller than or equal to half of kernel size, "
            f"but got pad={list(padding)}, kernel_size={list(kernel)} and dilation={list(dilation)}"
        )
    shape = tuple(input.array.shape)
    if not all(shape[1:]):
        raise ShapeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got: {list(shape)}; only the batch may be empty: Expected input's non-batch dimensions to have positive length"
        )
    if input.array.dtype == bool:
        raise NotImplementedError(f"{name} is not implemented for bool tensors; convert with input.float()")
    out_size = pooled_sizes(shape[2:], kernel, stride, padding, dilation, bool(ceil_mode))
    if min(out_size) < 1:
        raise ShapeError(
            f"{name}: Invalid computed output size: {min(out_size)}. Given input size: ({'x'.join(map(str, shape[1:]))}). "
            f"Calculated output size: ({'x'.join(map(str, (shape[1], *out_size)))}). Output size is too small; "
            f"use a smaller kernel_size than {list(kernel)} or a larger input"
        )
    return (
        input,
        was_batched,
        {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "out_size": out_size},
    )


def as_images(input, params):
    """One spatial dimension runs as two, of which the first has size 1."""
    units = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "out_size": 1, "size": 1}
    params = {k: (units[k], *v) if k in units else v for k, v in params.items()}
    return input.reshape(*input.array.shape[:2], 1, input.array.shape[2]), params


def without_unit(y):
    return y.reshape(*y.array.shape[:2], y.array.shape[3])


def _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    input, was_batched, params = checked_pool(n, f"max_pool{n}d", input, kernel_size, stride, padding, dilation, ceil_mode)
    return picked(n, "max_pool2d", input, was_batched, params, return_indices)


def picked(n, name, input, was_batched, params, return_indices):
    """Values, or values and indices, of one of the operations that pick maxima."""
    if n == 1:
        input, params = as_images(input, params)
    outputs = apply(registry[name], (input,), params)[: 1 + bool(return_indices)]
    if n == 1:
        outputs = [without_unit(y) for y in outputs]
    outputs = tuple(unbatched(y, was_batched) for y in outputs)
    return outputs if return_indices else outputs[0]


_MAX = {
    "formula": r"y_i = \max_{j \in W_i} x_j",
    "derivative": r"\bar x_j = \sum_{i:\, j = k_i} \bar y_i, \quad k_i = \min \{j \in W_i : x_j = y_i\}",
}


def pool_errors(r):
    x = normal(r, 1, 1, 4, 4)
    return [
        E(
            RuntimeError,
            r"Given input size: \(1x4x4\). Calculated output size: \(1x0x3\). Output size is too small",
            x,
            (5, 2),
            1,
        ),
        E(RuntimeError, "pad should be at most half of effective kernel size", x, 2, padding=2),
        E(RuntimeError, r"Expected 3D \(unbatched\) or 4D \(batched\)", normal(r, 4, 4), 2),
        E(RuntimeError, "optional 0 dim batch size", normal(r, 1, 0, 4, 4), 2),
        E(RuntimeError, "optional 0 dim batch size", normal(r, 1, 1, 0, 4), 2),
        E(RuntimeError, "kernel_size should be greater than zero", x, 0),
        E(RuntimeError, "non-positive stride", x, 2, 0),
        E(RuntimeError, "list of 2 values", x, (2, 2, 2)),
        E(NotImplementedError, "not implemented for bool", np.ones((1, 1, 4, 4), bool), 2),
        E(TypeError, "must be Tensor", [[1.0]], 2),
    ]


def _max_samples(r):
    tied, nan = np.ones((1, 1, 4, 4)), normal(r, 1, 1, 4, 4)
    nan[0, 0, [0, 0, 1, 3], [1, 2, 0, 3]] = np.nan
    low = np.full((1, 1, 3, 3), -np.inf)
    integers = np.array([[[3, -9, 5, 1], [2, 8, -7, 8]]])
    return [
        S(normal(r, 2, 2, 4, 3), 2),
        S(normal(r, 1, 5, 7), (3, 2), (2, 3), (1, 0), (1, 2)),
        S(normal(r, 1, 1, 6, 6), 3, 2, 1, 2, return_indices=True),
        S(normal(r, 1, 1, 5, 7), 2, ceil_mode=True, return_indices=True),
        S(normal(r, 1, 1, 4, 6), 2, 3, 1, ceil_mode=True, return_indices=True),
        S(normal(r, 0, 2, 4, 4), 2),
        S(tied, 2, return_indices=True, grad=False),
        S(nan, 3, 1, 1, return_indices=True, grad=False),
        S(low, 2, 2, 1, return_indices=True, grad=False),
        S(np.full((1, 5, 5), -np.inf), (3, 2), (2, 1), 1, 2, return_indices=True, grad=False),
        S(integers, 2, 1, 1, return_indices=True),
        S(np.abs(integers).astype(np.uint8), (1, 3), (1, 2), (0, 1)),
    ]


@function(
    "max_pool2d",
    spaces="torch functional",
    samples=_max_samples,
    errors=lambda r: [
        *pool_errors(r),
        E(RuntimeError, "dilation should be greater than zero", normal(r, 1, 1, 4, 4), 2, dilation=0),
    ],
    reference=max_pool_loops(2),
    **_MAX,
)
def _max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of each window; NaN where the window holds one. The first of equal maxima gets the gradient.

    Args:
        input: (N, C, H, W) or (C, H, W), float or integer.
        kernel_size: of the window; an int or a pair, as the next three.
        stride: steps between windows; None for the kernel size.
        padding: of minus infinity on both sides, at most half the window.
        dilation: steps between the pixels of a window.
        ceil_mode: let a last window hang over the far side.
        return_indices: also return where each maximum stands, as an index into the H*W pixels (int64), see :func:`max_unpool2d`.

    Returns:
        (N, C, OH, OW) with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, and OW likewise; with
        ``return_indices`` a pair.

    Raises:
        RuntimeError: where the window is larger than the padded input, or padding larger than half the window.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> image = minigrad.tensor([[[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]]])
    >>> F.max_pool2d(image, 2, stride=1)
    tensor([[[6., 5.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function(
    "max_pool1d",
    spaces="torch functional",
    samples=lambda r: [S(normal(r, 2, 2, 6), 3, 2, 1, return_indices=True), S(normal(r, 2, 7), 2, 3, 1, 3, ceil_mode=True)],
    errors=lambda r: [
        E(RuntimeError, "Output size is too small", normal(r, 1, 1, 4), 5),
        E(RuntimeError, "half of effective", normal(r, 1, 1, 4), 2, padding=2),
    ],
    reference=max_pool_loops(1),
    **_MAX,
)
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of each window of a sequence.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in :func:`max_pool2d`.

    Returns:
        (N, C, OL), and with ``return_indices`` where each maximum stands.

    Raises:
        RuntimeError: where the window is larger than the padded input, or padding larger than half the window.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_pool1d(minigrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function(
    "max_pool3d",
    spaces="torch functional",
    samples=lambda r: [
        S(normal(r, 1, 1, 3, 4, 4), 2, (1, 2, 3), (1, 0, 1), return_indices=True),
        S(normal(r, 1, 3, 2, 5), (2, 1, 2), dilation=(1, 1, 2), ceil_mode=True),
    ],
    errors=lambda r: [E(RuntimeError, "Output size is too small", normal(r, 1, 1, 2, 2, 2), 3)],
    reference=max_pool_loops(3),
    **_MAX,
)
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of each window of a volume.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in :func:`max_pool2d`, with three sizes.

    Returns:
        (N, C, OD, OH, OW), and with ``return_indices`` where each maximum stands.

    Raises:
        RuntimeError: where the window is larger than the padded input, or padding larger than half the window.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_pool3d(minigrad.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ---------------------------------------------------------------------------------------------------------------------- unpooling
def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    name = f"max_unpool{n}d"
    input, was_batched = batched(name, input, n)
    kernel, padding = sizes("kernel_size", kernel_size, n, positive=True), sizes("padding", padding, n)
    stride = kernel if stride is None else sizes("stride", stride, n, positive=True)
    shape = input.array.shape if was_batched else input.array.shape[1:]
    if indices.array.dtype != np.int64:
        raise DtypeError(
            f"{name}: elements in indices should be type int64 but got: {indices.dtype}; give what return_indices=True returned"
        )
    if indices.array.shape != shape:
        raise ShapeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor ({list(shape)}) "
            f"but got indices tensor with shape: {list(indices.array.shape)}"
        )
    size = tuple((m - 1) * s + k - 2 * p for m, k, s, p in zip(input.array.shape[2:], kernel, stride, padding))
    if output_size is not None:
        size = _wished_size(n, tuple(output_size), size, stride)
    places = indices if was_batched else indices.reshape(1, *shape)
    if places.array.size and not 0 <= int(places.array.min()) <= int(places.array.max()) < math.prod(size):
        raise ShapeError(
            f"{name}: Found an invalid max index: {int(places.array.min())} or {int(places.array.max())} "
            f"(output volumes are of size {'x'.join(map(str, size))}); give the pooling's parameters, or output_size"
        )
    return unbatched(apply(registry["max_unpool"], (input, places), {"size": size}), was_batched)


def _wished_size(n, wished, size, stride):
    """``output_size``, which may differ from the default by less than a stride."""
    if len(wished) == n + 2:
        wished = wished[2:]
    if len(wished) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(wished)}'"
        )
    for d, (wish, m, s) in enumerate(zip(wished, size, stride)):
        if not m - s < wish < m + s:
            raise ValueError(f'invalid output_size "{wished}" (dim {d} must be between {m - s} and {m + s})')
    return wished


_UNPOOL = {"formula": r"y_{k_i} = x_i", "derivative": r"\bar x_i = \bar y_{k_i}"}


@function(
    "max_unpool2d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 1, 2, 2, 2), np.array([[[[0, 2], [9, 11]], [[5, 6], [13, 15]]]]), 2),
        S(normal(r, 1, 2, 2), np.array([[[0, 2], [9, 11]]]), 3, (2, 1), (0, 1), (6, 2)),
        S(normal(r, 1, 2, 2), np.array([[[0, 2], [9, 24]]]), 2, output_size=(1, 1, 5, 5)),
    ],
    errors=lambda r: [
        E(RuntimeError, "should be type int64", normal(r, 1, 2, 2), normal(r, 1, 2, 2), 2),
        E(RuntimeError, "Expected shape of indices to be same", normal(r, 1, 2, 2), np.zeros((1, 2, 3), np.int64), 2),
        E(RuntimeError, "Found an invalid max index", normal(r, 1, 2, 2), np.full((1, 2, 2), 16), 2),
        E(RuntimeError, "Found an invalid max index: -1", normal(r, 1, 2, 2), np.full((1, 2, 2), -1), 2),
        E(ValueError, "dim 1 must be between 2 and 6", normal(r, 1, 2, 2), np.zeros((1, 2, 2), np.int64), 2, output_size=(5, 6)),
        E(ValueError, "containing 2 or 4 elements", normal(r, 1, 2, 2), np.zeros((1, 2, 2), np.int64), 2, output_size=(5,)),
    ],
    reference=unpool_loops(2),
    **_UNPOOL,
)
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima back in their places, zeros elsewhere: the partial inverse of :func:`max_pool2d`.

    Args:
        input: (N, C, H, W) or (C, H, W).
        indices: int64, of the same shape: what ``max_pool2d(..., return_indices=True)`` returned.
        kernel_size, stride, padding: those of the pooling.
        output_size: (OH, OW) or a full shape, where the pooling's remainder makes several sizes possible.

    Returns:
        (N, C, OH, OW) with OH = (H - 1) stride - 2 padding + KH, and OW likewise.

    Raises:
        RuntimeError: for indices of another shape or dtype, or outside the output.
        ValueError: for an ``output_size`` that pooling would not bring to this input.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> values, indices = F.max_pool2d(minigrad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2, return_indices=True)
    >>> F.max_unpool2d(values, indices, 2)
    tensor([[[0., 0.],
             [4., 0.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@function(
    "max_unpool1d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 1, 2, 2), np.array([[[0, 2], [1, 3]]]), 2),
        S(normal(r, 1, 2), np.array([[0, 4]]), 2, 2, 0, (5,)),
    ],
    errors=lambda r: [E(RuntimeError, "Found an invalid max index", normal(r, 1, 1, 2), np.array([[[0, 4]]]), 2)],
    reference=unpool_loops(1),
    **_UNPOOL,
)
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima of a sequence back in their places: the partial inverse of :func:`max_pool1d`. Arguments as in :func:`max_unpool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_unpool1d(minigrad.tensor([[5.0, 6.0]]), minigrad.tensor([[1, 2]]), 2)
    tensor([[0., 5., 6., 0.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@function(
    "max_unpool3d",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 1, 2, 1, 2), np.array([[[[[0, 2]], [[17, 31]]]]]), 2)],
    errors=lambda r: [E(RuntimeError, "should be type int64", normal(r, 1, 1, 1, 2), normal(r, 1, 1, 1, 2), 2)],
    reference=unpool_loops(3),
    **_UNPOOL,
)
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Maxima of a volume back in their places: the partial inverse of :func:`max_pool3d`. Arguments as in :func:`max_unpool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_unpool3d(minigrad.tensor([[[[5.0]]]]), minigrad.tensor([[[[7]]]]), 2).sum()
    tensor(5.)
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
