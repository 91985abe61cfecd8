"""Pooling to a given size: the windows share the image out as evenly as can be.

Along a dimension of size m, window i of o covers the pixels from floor(i m / o) to ceil((i + 1) m / o). Where o divides m,
these are the windows of ordinary pooling with kernel and stride m / o.
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from .pooling import as_images, picked, picked_tap, without_unit
from .samples import normal
from .sliding import FULL, adaptive_avg_loops, adaptive_max_loops, batched, shares, unbatched

NO_BACKWARD = "values only: PyTorch's backward refuses an output without elements"


def _positions(xp, like, m, o):
    """The pixels of every window, (o, taps); a shorter window repeats its last pixel."""
    start, end, longest = shares(xp, like, m, o)
    taps = xp.reshape(start, shape=(o, 1)) + xp.arange(like, n=longest)
    return xp.minimum(taps, xp.reshape(end, shape=(o, 1)) - 1)


@op(
    names="",
    outputs=2,
    vjp=(lambda xp, g, y1, x_shape: xp.max_unpool_add(g[0], y1, size=tuple(x_shape[2:])),),
    formula=r"y_i = \max_{j \in W_i} x_j, \quad k_i = \min \{j \in W_i : x_j = y_i\}",
    derivative=r"\bar x_{k_i} \mathrel{+}= \bar y_i",
    samples=lambda r: [S(normal(r, 1, 2, 5, 4), out_size=(3, 6)), S(normal(r, 2, 1, 5), out_size=(2,))],
)
def adaptive_max_pool2d(xp, x, *, out_size):
    """The maximum of each of ``out_size`` windows, and where it stands (int64), for any number of spatial dimensions."""
    n, channels, *size = x.shape
    axes = len(size)
    flat = 0  # (OH, OW, LH, LW): the place of every tap
    for axis, (m, o) in enumerate(zip(size, out_size)):
        positions = _positions(xp, x, m, o)
        shape = [1] * (2 * axes)
        shape[axis], shape[axes + axis] = positions.shape
        flat = flat * m + xp.reshape(positions, shape=tuple(shape))
    flat = xp.reshape(flat, shape=(*out_size, math.prod(flat.shape[axes:])))
    taps = xp.getitem(xp.reshape(x, shape=(n, channels, math.prod(size))), flat, key=(FULL, FULL, "?"))  # (N, C, OH, OW, L)
    tap = xp.reshape(picked_tap(xp, taps), shape=(n, channels, *out_size, 1))
    places = xp.take_along_axis(xp.broadcast_to(flat, shape=(n, channels, *flat.shape)), tap, axis=2 + axes)
    return xp.max(taps, axis=-1), xp.reshape(places, shape=(n, channels, *out_size))


@op(
    names="",
    vjp=(lambda xp, g, x_shape: xp.adaptive_mean_dx(g, size=tuple(x_shape[2:])),),
    formula=r"y_i = \frac{1}{n_i} \sum_{j \in W_i} x_j",
    derivative=r"\bar x_j = \sum_{i:\, j \in W_i} \bar y_i / n_i",
    samples=lambda r: [S(normal(r, 1, 2, 5, 4), out_size=(3, 6)), S(normal(r, 2, 1, 5), out_size=(2,))],
)
def adaptive_mean(xp, x, *, out_size):
    """The mean of each of ``out_size`` windows, for any number of spatial dimensions."""
    for axis, (m, o) in enumerate(zip(x.shape[2:], out_size), start=2):
        if m != o:
            x = xp.resample(x, axis=axis, size=o, mode="area", scale=m / o, align_corners=False)
    return x


@op(
    names="",
    vjp=(lambda xp, g, v_shape: xp.adaptive_mean(g, out_size=tuple(v_shape[2:])),),
    formula=r"y_j = \sum_{i:\, j \in W_i} v_i / n_i",
    derivative=r"\bar v_i = \frac{1}{n_i} \sum_{j \in W_i} \bar y_j",
    samples=lambda r: [S(normal(r, 1, 2, 3, 6), size=(5, 4)), S(normal(r, 2, 1, 2), size=(5,))],
)
def adaptive_mean_dx(xp, v, *, size):
    """Each value shared out over its window of an image of ``size``. The adjoint of the mean."""
    for axis, (o, m) in enumerate(zip(v.shape[2:], size), start=2):
        if m != o:
            v = xp.resample_dx(v, axis=axis, size=m, mode="area", scale=m / o, align_corners=False)
    return v


# ---------------------------------------------------------------------------------------------------- PyTorch's functions of them
def _checked(n, name, input, output_size):
    """(input with a batch, whether it had one, the output's sizes)."""
    input, was_batched = batched(name, input, n)
    size = tuple(input.array.shape[2:])
    wished = (output_size,) * n if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(wished) == 1:
        wished *= n
    if len(wished) != n:
        one = "'output_size' should contain one int: " if n == 1 else ""
        raise ShapeError(f"{name}: {one}output_size must be {n} sizes or one, got {list(wished)}")
    out = tuple(m if o is None else int(o) for o, m in zip(wished, size))
    if min(out) < 0:
        raise ShapeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {list(out)}; "
            "Trying to create tensor with negative dimension"
        )
    if not all(size) or ("max" in name and not input.array.shape[1]):
        raise ShapeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, "
            f"but input has sizes {list(input.array.shape)}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(f"{name} is not implemented for {input.dtype} tensors; convert with input.float()")
    return input, was_batched, out


def _nothing(input, out):
    """The output where it has no elements, with a history."""
    return input.flatten(2)[..., :0].reshape(*input.array.shape[:2], *out)


def _even(size, out):
    """The parameters of ordinary pooling, where each output divides its size; else None."""
    if not all(out) or any(m % o for m, o in zip(size, out)):
        return None
    kernel = tuple(m // o for m, o in zip(size, out))
    return {"kernel_size": kernel, "stride": kernel, "padding": (0,) * len(size), "out_size": out}


def _adaptive_avg_pool(n, input, output_size):
    input, was_batched, out = _checked(n, f"adaptive_avg_pool{n}d", input, output_size)
    size = tuple(input.array.shape[2:])
    params = _even(size, out)
    if not all(out):
        y = _nothing(input, out)
    elif out == (1,) * n:
        y = input.mean(tuple(range(2, 2 + n)), keepdim=True)
    elif params is not None:
        params.update(count_include_pad=True, divisor_override=None)
        if n == 1:
            image, params = as_images(input, params)
            y = without_unit(apply(registry["avg_pool2d"], (image,), params))
        else:
            y = apply(registry["avg_pool2d"], (input,), params)
    else:
        y = apply(registry["adaptive_mean"], (input,), {"out_size": out})
    return unbatched(y, was_batched)


def _adaptive_max_pool(n, input, output_size, return_indices):
    input, was_batched, out = _checked(n, f"adaptive_max_pool{n}d", input, output_size)
    if not all(out):
        y = unbatched(_nothing(input, out), was_batched)
        return (y, y.detach().long()) if return_indices else y
    params = _even(tuple(input.array.shape[2:]), out)
    if params is None:
        return picked(0, "adaptive_max_pool2d", input, was_batched, {"out_size": out}, return_indices)
    return picked(n, "max_pool2d", input, was_batched, {**params, "dilation": (1,) * n}, return_indices)


def _errors(n):
    def errors(r):
        x = normal(r, 1, 2, *(4,) * n)
        return [
            E(RuntimeError, f"output_size must be {n}", x, (2,) * (n + 1)),
            E(RuntimeError, "greater than or equal to 0", x, -1),
            E(RuntimeError, "non-zero size for non-batch", normal(r, 1, 2, *(4,) * (n - 1), 0), 2),
            E(NotImplementedError, "not implemented for .*int64", np.ones((1, 1, *(4,) * n), np.int64), 3),
            E(RuntimeError, "unbatched", normal(r, 4), 2),
        ]

    return errors


_MEAN = {
    "formula": r"y_i = \frac{1}{n_i} \sum_{j \in W_i} x_j",
    "derivative": r"\bar x_j = \sum_{i:\, j \in W_i} \bar y_i / n_i",
}
_MAX = {
    "formula": r"y_i = \max_{j \in W_i} x_j",
    "derivative": r"\bar x_j = \sum_{i:\, j = k_i} \bar y_i, \quad k_i = \min \{j \in W_i : x_j = y_i\}",
}


@function(
    "adaptive_avg_pool2d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 4, 3), 1),
        S(normal(r, 1, 2, 4, 6), (2, 3)),
        S(normal(r, 2, 5, 4), (3, None)),
        S(normal(r, 1, 1, 3, 4), (5, 3)),
        S(normal(r, 0, 1, 4, 4), 3),
        S(normal(r, 1, 1, 4, 4), (0, 2), parity=NO_BACKWARD),
    ],
    errors=_errors(2),
    reference=adaptive_avg_loops(2),
    **_MEAN,
)
def adaptive_avg_pool2d(input, output_size):
    """The mean of each of OH x OW windows that share the image out as evenly as can be.

    Args:
        input: float tensor (N, C, H, W) or (C, H, W).
        output_size: (OH, OW) or one int; None keeps that size. ``1`` is the mean over the image.

    Returns:
        (N, C, OH, OW).

    Raises:
        RuntimeError: for negative sizes or an image without pixels.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_avg_pool2d(minigrad.tensor([[[1.0, 2.0, 4.0]]]), (1, 2))
    tensor([[[1.5000, 3.0000]]])
    """
    return _adaptive_avg_pool(2, input, output_size)


@function(
    "adaptive_avg_pool1d",
    spaces="torch functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 6), 2),
        S(normal(r, 2, 5), 3),
        S(normal(r, 2, 5), (1,)),
        S(np.array([[1.0, np.inf, 2.0, 3.0, 4.0]]), 3, grad=False),
    ],
    errors=_errors(1),
    reference=adaptive_avg_loops(1),
    **_MEAN,
)
def adaptive_avg_pool1d(input, output_size):
    """The mean of each of ``output_size`` windows of a sequence (N, C, L) or (C, L). See :func:`adaptive_avg_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_avg_pool1d(minigrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return _adaptive_avg_pool(1, input, output_size)


@function(
    "adaptive_avg_pool3d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 1, 1, 2, 3, 4), (1, 3, 2)),
        S(normal(r, 1, 3, 2, 4), (2, None, 3)),
        S(normal(r, 1, 2, 2, 2), 1),
    ],
    errors=_errors(3),
    reference=adaptive_avg_loops(3),
    **_MEAN,
)
def adaptive_avg_pool3d(input, output_size):
    """The mean of each of OD x OH x OW windows of a volume (N, C, D, H, W) or (C, D, H, W). See :func:`adaptive_avg_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_avg_pool3d(minigrad.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1)).reshape(2)
    tensor([1.5000, 5.5000])
    """
    return _adaptive_avg_pool(3, input, output_size)


def _max_samples(r):
    nan, tied = normal(r, 1, 1, 4, 5), np.ones((1, 1, 4, 5))
    nan[0, 0, [0, 1, 1], [2, 1, 2]] = np.nan
    return [
        S(normal(r, 1, 2, 4, 6), (2, 3), True),
        S(normal(r, 2, 5, 4), (3, None)),
        S(normal(r, 1, 1, 3, 4), (5, 3), return_indices=True),
        S(normal(r, 0, 1, 4, 4), 3),
        S(normal(r, 1, 1, 4, 4), (0, 2), parity=NO_BACKWARD, return_indices=True),
        S(nan, 3, return_indices=True, grad=False),
        S(tied, 3, return_indices=True, grad=False),
    ]


@function(
    "adaptive_max_pool2d", spaces="functional", samples=_max_samples, errors=_errors(2), reference=adaptive_max_loops(2), **_MAX
)
def _adaptive_max_pool2d(input, output_size, return_indices=False):
    """The maximum of each of OH x OW windows that share the image out as evenly as can be.

    Args:
        input: float tensor (N, C, H, W) or (C, H, W).
        output_size: (OH, OW) or one int; None keeps that size.
        return_indices: also return where each maximum stands, as an index into the H*W pixels (int64).

    Returns:
        (N, C, OH, OW), with ``return_indices`` a pair.

    Raises:
        RuntimeError: for negative sizes or an image without pixels.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_max_pool2d(minigrad.tensor([[[1.0, 2.0, 4.0]]]), (1, 2))
    tensor([[[2., 4.]]])
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


@function(
    "adaptive_max_pool1d",
    spaces="functional",
    samples=lambda r: [S(normal(r, 2, 2, 6), 2, True), S(normal(r, 2, 5), 3)],
    errors=_errors(1),
    reference=adaptive_max_loops(1),
    **_MAX,
)
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The maximum of each of ``output_size`` windows of a sequence (N, C, L) or (C, L). See :func:`adaptive_max_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_max_pool1d(minigrad.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


@function(
    "adaptive_max_pool3d",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 1, 2, 4, 3), (1, 3, 2), True), S(normal(r, 1, 2, 2, 2), 2)],
    errors=_errors(3),
    reference=adaptive_max_loops(3),
    **_MAX,
)
def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The maximum of each of OD x OH x OW windows of a volume. See :func:`adaptive_max_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_max_pool3d(minigrad.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1)).reshape(2)
    tensor([3., 7.])
    """
    return _adaptive_max_pool(3, input, output_size, return_indices)
