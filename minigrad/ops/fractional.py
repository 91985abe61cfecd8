"""Fractional max pooling: windows of one size at pseudo-random places, spread so that the output has a given size.

Graham, "Fractional max-pooling", arXiv:1412.6071 (2014), section 3.
"""

import math

import numpy as np

from ..autograd.engine import recorded
from ..errors import ShapeError
from ..op import E, S, function
from .pooling import picked_tap
from .random import rand
from .samples import normal
from .sliding import as_sizes, batched, sizes, unbatched


def _starts(u, size, pool, out):
    """Where the ``out`` windows of each row of uniform numbers (N, C) begin: (N, C, out), int64.

    The i-th begins at [(i + u) a] - [u a] with a = (size - pool) / (out - 1), the last one at the far side.
    """
    if out == 1:
        return (u * 0.0 + (size - pool)).long().unsqueeze(-1)
    alpha = (size - pool) / (out - 1)
    i = recorded.arange(u, n=out - 1).to(u.dtype)
    first = ((u.unsqueeze(-1) + i) * alpha).long() - (u * alpha).long().unsqueeze(-1)
    last = (first[..., :1] * 0) + (size - pool)
    return recorded.concat(first, last, axis=-1)


def _check(n, name, input, kernel, output_size, output_ratio):
    """The output's sizes."""
    size = tuple(input.array.shape[2:])
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratios = (output_ratio,) * n if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
        output_size = [int(m * r) for m, r in zip(size, ratios)]
    wished = tuple(output_size) if hasattr(output_size, "__iter__") else (output_size,)
    if len(wished) not in (1, n):
        raise ShapeError(f"{name}: output_size must either be a single Int or tuple of Ints, one for each of {n} dimensions")
    out = tuple(int(o) for o in (wished if len(wished) == n else wished * n))
    for what, m, k, o in zip(("time", "height", "width")[3 - n :], size, kernel, out):
        if o < 1 or o + k - 1 + (n == 3) > m:  # PyTorch leaves volumes one place more
            raise ShapeError(
                f"{name}(): pool {what} {k} too large relative to input {what} {m}: {o} different windows of {k} need "
                f"{o + k - 1 + (n == 3)}"
            )
    return out


def _fractional(n, input, kernel_size, output_size, output_ratio, return_indices, samples):
    name = f"fractional_max_pool{n}d"
    input, was_batched = batched(name, input, n)
    kernel = sizes("kernel_size", kernel_size, n, positive=True)
    out = _check(n, name, input, kernel, output_size, output_ratio)
    if not input.is_floating_point():
        raise NotImplementedError(f"{name} is not implemented for {input.dtype} tensors; convert with input.float()")
    batch, channels, *size = input.array.shape
    if samples is None:
        samples = rand(batch, channels, n, dtype=input.dtype, device=input.device)
    if samples.array.ndim != 3 or samples.array.shape[2] != n:
        raise ShapeError(f"{name}: Expect _random_samples of shape (N, C, {n}), got {list(samples.shape)}")
    flat = 0  # (N, C, OH, OW, KH, KW): the place of every tap
    for axis, (m, k, o) in enumerate(zip(size, kernel, out)):
        # The numbers are in the order of width, height for images, and of time, height, width for volumes.
        start = _starts(samples[:batch, :, n - 1 - axis if n == 2 else axis], m, k, o)
        taps = start.unsqueeze(-1) + recorded.arange(start, n=k)  # (N, C, o, k)
        shape = [batch, channels] + [1] * (2 * n)
        shape[2 + axis], shape[2 + n + axis] = o, k
        flat = flat * m + taps.reshape(shape)
    flat = flat.reshape(batch, channels, math.prod(out), math.prod(kernel))
    image = input.reshape(batch, channels, math.prod(size))
    read = image.detach().gather(2, flat.reshape(batch, channels, math.prod(out) * math.prod(kernel))).reshape(flat.shape)
    places = flat.gather(3, picked_tap(recorded, read).unsqueeze(-1)).squeeze(-1)  # (N, C, OH OW)
    y = unbatched(image.gather(2, places).reshape(batch, channels, *out), was_batched)
    return (y, unbatched(places.reshape(batch, channels, *out), was_batched)) if return_indices else y


def _loops(n):
    """One window at a time."""

    def reference(x, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        if x.ndim == n + 1:
            both = reference(x[None], kernel_size, output_size, output_ratio, True, _random_samples)
            return tuple(a[0] for a in both) if return_indices else both[0][0]
        size, kernel = x.shape[2:], as_sizes(kernel_size, n)
        ratios = as_sizes(output_ratio, n)
        out = as_sizes(output_size, n) if output_size is not None else [int(m * r) for m, r in zip(size, ratios)]
        y, where = np.zeros((*x.shape[:2], *out)), np.zeros((*x.shape[:2], *out), np.int64)
        numbers = np.arange(math.prod(size)).reshape(size)
        for at in np.ndindex(*y.shape):
            u = _random_samples[at[0], at[1]]
            u = u[::-1] if n == 2 else u
            window = []
            for i, m, k, o, v in zip(at[2:], size, kernel, out, u):
                alpha = (m - k) / max(o - 1, 1)
                start = m - k if i == o - 1 else int((i + v) * alpha) - int(v * alpha)
                window.append(slice(start, start + k))
            values = x[(*at[:2], *window)].reshape(-1)
            y[at], where[at] = values.max(), numbers[tuple(window)].reshape(-1)[values.argmax()]
        return (y, where) if return_indices else y

    return reference


def _errors(n):
    def errors(r):
        x = normal(r, 1, 1, *(6,) * n)
        return [
            E(ValueError, "requires specifying either an output_size or an output_ratio", x, 2),
            E(RuntimeError, "single Int or tuple of Ints", x, 2, output_size=(2,) * (n + 1)),
            E(RuntimeError, "too large relative to input", x, 2, output_size=6),
            E(RuntimeError, "_random_samples", x, 2, output_size=3, _random_samples=np.zeros((1, 1, n + 1))),
            E(NotImplementedError, "not implemented for .*int64", x.astype(np.int64), 2, output_size=3),
        ]

    return errors


_MAX = {
    "formula": r"y_i = \max_{j \in W_i} x_j",
    "derivative": r"\bar x_j = \sum_{i:\, j = k_i} \bar y_i, \quad k_i = \min \{j \in W_i : x_j = y_i\}",
}


@function(
    "fractional_max_pool2d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 6, 5), 2, (3, 2), _random_samples=r.random((2, 2, 2))),
        S(normal(r, 1, 1, 6, 7), (2, 3), output_ratio=(0.5, 0.5), return_indices=True, _random_samples=r.random((1, 1, 2))),
        S(normal(r, 1, 5, 6), 2, output_ratio=(0.5, 0.7), _random_samples=r.random((1, 1, 2))),
        S(normal(r, 1, 1, 4, 4), 3, 1, return_indices=True, _random_samples=r.random((1, 1, 2))),
        S(np.arange(36.0).reshape(1, 1, 6, 6), 2, 5, None, True, _random_samples=np.full((1, 1, 2), 0.99)),
    ],
    errors=_errors(2),
    reference=_loops(2),
    **_MAX,
)
def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The maximum of each window, where the windows stand at pseudo-random distances.

    Args:
        input: float tensor (N, C, H, W) or (C, H, W).
        kernel_size: of the window, an int or a pair.
        output_size: (OH, OW) or one int.
        output_ratio: the output's size as a share of the input's, where ``output_size`` is not given.
        return_indices: also return where each maximum stands, as an index into the H*W pixels (int64).
        _random_samples: (N, C, 2) in [0, 1), in place of new random numbers.

    Returns:
        (N, C, OH, OW), with ``return_indices`` a pair.

    Raises:
        RuntimeError: where the windows do not fit.

    Graham, "Fractional max-pooling", 2014.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.fractional_max_pool2d(minigrad.arange(16.0).reshape(1, 4, 4), 2, output_size=3)
    tensor([[[ 5.,  6.,  7.],
             [ 9., 10., 11.],
             [13., 14., 15.]]])
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@function(
    "fractional_max_pool3d",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 1, 1, 4, 3, 6), 2, (2, 1, 3), return_indices=True, _random_samples=r.random((1, 1, 3))),
        S(normal(r, 1, 4, 5, 5), (1, 2, 2), output_ratio=(0.5, 0.5, 0.5), _random_samples=r.random((1, 1, 3))),
    ],
    errors=_errors(3),
    reference=_loops(3),
    **_MAX,
)
def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The maximum of each window of a volume (N, C, D, H, W) or (C, D, H, W). See :func:`fractional_max_pool2d`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.fractional_max_pool3d(minigrad.arange(8.0).reshape(1, 2, 2, 2), 1, output_size=1)
    tensor([[[[7.]]]])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
