"""What convolution and pooling share: sizes as tuples, their checks, and the plain loops that the tests compare with."""

import itertools
import math

import numpy as np

from ..errors import ShapeError, not_a_tensor
from ..tensor import Tensor

FULL = ("slice", None, None, None)


def sizes(name, value, n, positive=False):
    """An int, or one int for each of ``n`` spatial dimensions, as a tuple of ``n`` ints."""
    if value.__class__ is int:
        values = (value,) * n
    else:
        values = tuple(int(v) for v in value) if getattr(value, "ndim", 1) and hasattr(value, "__iter__") else (int(value),)
        if len(values) == 1:
            values *= n
        if len(values) != n:
            raise ShapeError(
                f"expected {name} to be a single integer value or a list of {n} values to match the convolution dimensions, "
                f"but got {name}={list(values)}"
            )
    if min(values) < positive:
        if positive:
            raise ShapeError(
                f"{name} must be greater than zero, but got {min(values)}: {name} should be greater than zero, non-positive "
                f"{name} is not supported, got {name}={list(values)}"
            )
        raise ShapeError(
            f"pad must be non-negative, but got {min(values)}: {name} should be non-negative, negative {name} is not supported, "
            f"got {name}={list(values)}"
        )
    return values


def batched(name, input, n):
    """(input with a batch dimension, whether it had one). ``n`` spatial dimensions."""
    if not isinstance(input, Tensor):
        raise not_a_tensor(name, input, 1)
    shape = input.array.shape
    if len(shape) == n + 2:
        return input, True
    if len(shape) == n + 1:
        return input.reshape(1, *shape), False
    kind = ""
    if "pool" in name:
        kind = f"; a non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input"
    if name == "max_pool1d":
        kind = "; Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input"
    if name.startswith("adaptive"):
        kind = f"; Input dimension should be at least {n + 1}"
    raise ShapeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(shape)}{kind}; "
        f"the dimensions are (batch, channels, {('length', 'height, width', 'depth, height, width')[n - 1]}), batch may be absent"
    )


def unbatched(output, was_batched):
    """Undo ``batched`` on an output."""
    return output if was_batched else output.reshape(output.array.shape[1:])


def out_sizes(size, kernel, stride, padding, dilation):
    """How many positions a window has along each spatial dimension."""
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation))


def sides(values):
    """Sizes as they stand in messages: 3 x 3."""
    return "(" + " x ".join(map(str, values)) + ")"


def window_slices(position, kernel, stride, dilation):
    """The slices of one window in the padded image."""
    return tuple(slice(i * s, i * s + d * (k - 1) + 1, d) for i, k, s, d in zip(position, kernel, stride, dilation))


def pooled_sizes(size, kernel, stride, padding, dilation, ceil_mode):
    """How many windows there are. With ``ceil_mode`` a last one may hang over the far side, if it starts before it."""
    sizes = []
    for m, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        room = m + 2 * p - d * (k - 1) - 1
        count = (room + (s - 1) * ceil_mode) // s + 1
        sizes.append(count - (ceil_mode and (count - 1) * s >= m + p))
    return tuple(sizes)


def far_padding(size, kernel, stride, padding, dilation, out_size):
    """What the last window needs beyond the image."""
    ends = ((o - 1) * s - p + d * (k - 1) + 1 for k, s, p, d, o in zip(kernel, stride, padding, dilation, out_size))
    return tuple(max(0, end - m) for end, m in zip(ends, size))


def padded_windows(xp, x, kernel, stride, padding, dilation, out_size, value):
    """(N, C, OH, OW, KH, KW), with ``value`` outside the image."""
    far = far_padding(x.shape[2:], kernel, stride, padding, dilation, out_size)
    if any(padding) or any(far):
        x = xp.pad(x, widths=((0, 0), (0, 0), *zip(padding, far)), value=value)
    return xp.windows(x, kernel=kernel, stride=stride, dilation=dilation)


def along(xp, values, axis, ndim):
    """A 1-D array as one that varies along ``axis`` of ``ndim``."""
    return xp.reshape(values, shape=tuple(-1 if i == axis else 1 for i in range(ndim)))


def shares(xp, like, m, o):
    """The windows of pooling from ``m`` pixels to ``o``: their first pixels, their ends, and how many the longest has."""
    i = xp.arange(like, n=o)
    longest = max(-(-(j + 1) * m // o) - j * m // o for j in range(o))
    return i * m // o, ((i + 1) * m + o - 1) // o, longest


# ----------------------------------------------------------------------------------------------------- for the tests: plain loops
def as_sizes(value, n):
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


def convolution_loops(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution over any number of spatial dimensions, one output element at a time."""
    kernel = weight.shape[2:]
    n = len(kernel)
    if x.ndim == n + 1:
        return convolution_loops(x[None], weight, bias, stride, padding, dilation, groups)[0]
    stride, dilation = as_sizes(stride, n), as_sizes(dilation, n)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        widths = [(t // 2, t - t // 2) for t in total]
    else:
        widths = [(p, p) for p in as_sizes(0 if padding == "valid" else padding, n)]
    padded = np.pad(x, [(0, 0), (0, 0), *widths])
    out = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(padded.shape[2:], kernel, stride, dilation)]
    y = np.zeros((len(x), len(weight), *out))
    per_group, inputs = len(weight) // groups, weight.shape[1]
    for at in itertools.product(*map(range, y.shape)):
        first = at[1] // per_group * inputs
        window = padded[(at[0], slice(first, first + inputs), *window_slices(at[2:], kernel, stride, dilation))]
        y[at] = (window * weight[at[1]]).sum() + (0 if bias is None else bias[at[1]])
    return y


def transposed_loops(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution: every input element adds its multiple of the kernel to the output."""
    kernel = weight.shape[2:]
    n = len(kernel)
    if x.ndim == n + 1:
        return transposed_loops(x[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    stride, padding, extra, dilation = (as_sizes(v, n) for v in (stride, padding, output_padding, dilation))
    full = [(m - 1) * s + d * (k - 1) + 1 + e for m, s, d, k, e in zip(x.shape[2:], stride, dilation, kernel, extra)]
    per_group, outputs = len(weight) // groups, weight.shape[1]
    y = np.zeros((len(x), outputs * groups, *full))
    for at in itertools.product(*map(range, x.shape)):
        first = at[1] // per_group * outputs
        y[(at[0], slice(first, first + outputs), *window_slices(at[2:], kernel, stride, dilation))] += x[at] * weight[at[1]]
    y = y[(slice(None), slice(None), *(slice(p, m - p) for p, m in zip(padding, full)))]
    return y if bias is None else y + bias.reshape(-1, *[1] * n)


def unfold_loops(x, kernel_size, dilation=1, padding=0, stride=1):
    """im2col for 2 spatial dimensions."""
    if x.ndim == 3:
        return unfold_loops(x[None], kernel_size, dilation, padding, stride)[0]
    kernel, dilation, padding, stride = (as_sizes(v, 2) for v in (kernel_size, dilation, padding, stride))
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    out = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(padded.shape[2:], kernel, stride, dilation)]
    windows = [padded[(..., *window_slices(at, kernel, stride, dilation))] for at in np.ndindex(*out)]
    return np.stack([w.reshape(len(x), x.shape[1] * math.prod(kernel)) for w in windows], -1)


def fold_loops(columns, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """col2im for 2 spatial dimensions."""
    if columns.ndim == 2:
        return fold_loops(columns[None], output_size, kernel_size, dilation, padding, stride)[0]
    size, kernel, dilation, padding, stride = (as_sizes(v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    full = [m + 2 * p for m, p in zip(size, padding)]
    out = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(full, kernel, stride, dilation)]
    y = np.zeros((len(columns), columns.shape[1] // math.prod(kernel), *full))
    for i, at in enumerate(np.ndindex(*out)):
        y[(..., *window_slices(at, kernel, stride, dilation))] += columns[:, :, i].reshape(*y.shape[:2], *kernel)
    return y[(..., *(slice(p, m - p) for p, m in zip(padding, full)))]


def pool_loops(n, reduce):
    """Pooling over ``n`` spatial dimensions: ``reduce(window, their flat indices, positions in the padded image)``.

    A window holds the positions inside the image alone.
    """

    def pool(x, kernel, stride, padding, dilation, ceil_mode):
        if x.ndim == n + 1:
            return [y[0] for y in pool(x[None], kernel, stride, padding, dilation, ceil_mode)]
        size = x.shape[2:]
        kernel, padding, dilation = (as_sizes(v, n) for v in (kernel, padding, dilation))
        stride = as_sizes(stride, n) if stride else kernel
        starts = [_window_starts(*v, ceil_mode) for v in zip(size, kernel, stride, padding, dilation)]
        flat, numbers = x.reshape(*x.shape[:2], math.prod(size)), np.arange(math.prod(size)).reshape(size)
        results = []
        for first in itertools.product(*starts):
            taps = [[f + d * i for i in range(k)] for f, k, d in zip(first, kernel, dilation)]
            counted = math.prod(sum(t < m + p for t in ts) for ts, m, p in zip(taps, size, padding))
            inside = numbers[np.ix_(*([t for t in ts if 0 <= t < m] for ts, m in zip(taps, size)))].reshape(-1)
            results.append(reduce(flat[:, :, inside], inside, counted))
        shape = (*x.shape[:2], *map(len, starts))
        return [np.reshape(np.stack(part, -1), shape) for part in zip(*results)]

    return pool


def _window_starts(size, kernel, stride, padding, dilation, ceil_mode):
    """Where the windows start: as long as they fit, or with ceil_mode as long as they start before the far padding."""
    starts = range(-padding, size + padding, stride)
    return [
        s
        for s in starts
        if s + dilation * (kernel - 1) < size + padding or _hangs_over(s, size, kernel, stride, padding, dilation, ceil_mode)
    ]


def _hangs_over(start, size, kernel, stride, padding, dilation, ceil_mode):
    """Only the first window that does not fit counts, and only where it starts in the image or before it."""
    previous_fits = start - stride + dilation * (kernel - 1) < size + padding - 1
    return ceil_mode and start < size and previous_fits


def _largest(window, inside, counted):
    """PyTorch's choice: the first of equal maxima, but the last of several NaN."""
    nan = np.isnan(window)
    last = window.shape[-1] - 1 - np.argmax(nan[..., ::-1], -1)
    tap = np.where(nan.any(-1), last, np.argmax(window, -1))
    return np.take_along_axis(window, tap[..., None], -1)[..., 0], inside[tap]


def max_pool_loops(n):
    def reference(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        values, indices = pool_loops(n, _largest)(x, kernel_size, stride, padding, dilation, ceil_mode)
        return (values, indices) if return_indices else values

    return reference


def avg_pool_loops(n):
    def reference(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        def mean(window, inside, counted):
            return (window.sum(-1) / (divisor_override or (counted if count_include_pad else len(inside))),)

        (y,) = pool_loops(n, mean)(x, kernel_size, stride, padding, 1, ceil_mode)
        return y if x.dtype.kind == "f" else y.astype(x.dtype)

    return reference


def lp_pool_loops(n):
    def reference(x, norm_type, kernel_size, stride=None, ceil_mode=False):
        volume = math.prod(as_sizes(kernel_size, n))
        return (avg_pool_loops(n)(x**norm_type, kernel_size, stride, ceil_mode=ceil_mode) * volume) ** (1 / norm_type)

    return reference


def adaptive_loops(n, reduce):
    """Pooling into windows that share the image out as evenly as can be."""

    def reference(x, output_size, *rest, **kwargs):
        size, lead = x.shape[x.ndim - n :], x.shape[: x.ndim - n]
        out = [m if o is None else o for o, m in zip(as_sizes(output_size, n), size)]
        numbers = np.arange(math.prod(size)).reshape(size)
        flat, results = x.reshape(*lead, math.prod(size)), []
        for at in itertools.product(*map(range, out)):
            window = tuple(slice(i * m // o, -(-(i + 1) * m // o)) for i, m, o in zip(at, size, out))
            inside = numbers[window].reshape(-1)
            results.append(reduce(flat[..., inside], inside, None))
        results = results or [(np.zeros(lead), np.zeros(lead, np.int64))]
        parts = [np.reshape(np.stack(part, -1)[..., : math.prod(out)], (*lead, *out)) for part in zip(*results)]
        return tuple(parts) if rest or kwargs.get("return_indices") else parts[0]

    return reference


def adaptive_max_loops(n):
    return adaptive_loops(n, _largest)


def adaptive_avg_loops(n):
    return adaptive_loops(n, lambda window, inside, counted: (window.mean(-1),))


def unpool_loops(n):
    def reference(x, indices, kernel_size, stride=None, padding=0, output_size=None):
        kernel, padding = as_sizes(kernel_size, n), as_sizes(padding, n)
        stride = as_sizes(stride, n) if stride else kernel
        size = [(m - 1) * s + k - 2 * p for m, k, s, p in zip(x.shape[x.ndim - n :], kernel, stride, padding)]
        size = size if output_size is None else list(output_size)[-n:]
        lead = x.shape[: x.ndim - n]
        y = np.zeros((*lead, math.prod(size)))
        np.put_along_axis(y, indices.reshape(*lead, -1), x.reshape(*lead, -1), -1)
        return y.reshape(*lead, *size)

    return reference
