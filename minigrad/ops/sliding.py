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
        values = tuple(int(v) for v in value) if hasattr(value, "__iter__") else (int(value),)
        if len(values) == 1:
            values *= n
        if len(values) != n:
            raise ShapeError(
                f"expected {name} to be a single integer value or a list of {n} values to match the convolution dimensions, "
                f"but got {name}={list(values)}"
            )
    if min(values) < positive:
        raise ShapeError(
            f"{name} should be {'greater than zero' if positive else 'non-negative'}: "
            f"{'non-positive' if positive else 'negative'} {name} is not supported, got {name}={list(values)}"
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
    raise ShapeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(shape)}; "
        f"the dimensions are (batch, channels{', depth' * (n > 2)}{', height' * (n > 1)}, {'width' if n > 1 else 'length'}), batch may be absent"
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


# ------------------------------------------------------------------------------------------------- for the tests: plain loops
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
