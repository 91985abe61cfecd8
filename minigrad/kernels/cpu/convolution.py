"""conv2d and its two derivatives, over one to three dimensions: which algorithm, on which arrays, in how many pieces.

``choose`` names the algorithm; it looks at shapes, dtype and settings only.

* ``winograd``: a 3 x 3 window with stride 1, in float32, with channels and tiles enough for its transforms to pay;
* ``depthwise``: one input channel in each group;
* ``channels``: a direct sum with vectors of output channels, where these fill their vectors;
* ``direct``: the same with vectors of positions, for everything else.

Each algorithm is one compiled function that takes whole samples and writes into its outputs, so a part of the samples is a part
of the work. Bias and ReLU may come along: ``forward`` adds them while the outputs are still in the cache.

Shapes: x (N, C, ...), weight (O, C/groups, ...), y and g (N, O, ...), with the same number of dimensions behind.
"""

from math import prod

import numpy as np

from . import depthwise, direct, planes, winograd
from .threads import pieces, split

LEAST_CHANNELS = 16  # for Winograd
MANY_CHANNELS = 96  # that fill vectors well enough, whatever remains of the last one
MANY_WEIGHTS = 2**18  # read again for each few positions: they have to stay in the second-level cache
LEAST_TILES, MOST_TILES = 64, 4096  # of all samples, of one
PIECE, MOST_PIECES = 2048, 4  # of a sum over positions: fewer positions are not worth a piece of their own
CHEAP = 10  # multiplications for one unit of work


def choose(name, size, weight_shape, out, samples, dtype, stride, padding, dilation, groups):
    """The algorithm of conv2d, conv2d_dx or conv2d_dw, for images of ``size`` and windows at ``out`` positions.

    >>> choose("conv2d", (28, 28), (64, 64, 3, 3), (28, 28), 8, np.float32, (1, 1), (1, 1), (1, 1), 1)
    'winograd'
    """
    outputs, inputs, *kernel = weight_shape
    if groups > 1 and inputs == 1:
        return "depthwise"
    tiles = prod(-(-m // 4) for m in (size if name == "conv2d_dx" else out))
    if (
        tuple(kernel) == (3, 3)
        and stride == dilation == (1, 1)
        and groups == 1
        and dtype == np.float32
        and max(padding) <= 2
        and min(inputs, outputs) >= LEAST_CHANNELS
        and tiles * samples >= LEAST_TILES
        and tiles <= MOST_TILES
    ):
        return "winograd"
    channels = inputs if name == "conv2d_dx" else outputs // groups
    filled = channels % planes.BLOCK == 0 or channels >= MANY_CHANNELS
    fits = filled and prod(weight_shape) <= MANY_WEIGHTS * groups
    return "channels" if fits and name != "conv2d_dw" else "direct"


def conv2d(x, weight, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return forward(x, weight, None, False, stride, padding, dilation, groups)


def forward(x, weight, bias, relu, stride, padding, dilation, groups):
    """y (N, O, ...), plus bias (O,), None for none, and max(0, y) if ``relu``."""
    kernel = weight.shape[2:]
    if _only_skips(kernel, stride, padding):
        x, stride = x[_every(stride)], _ones(kernel)
    x, weight = _plain(x), _plain(weight)
    bias = _plain(bias) if bias is not None else np.empty(0, x.dtype)
    size = x.shape[2:]
    out = out_size(size, kernel, stride, padding, dilation)
    y = np.empty((len(x), len(weight), *out), x.dtype)
    algorithm = choose("conv2d", size, weight.shape, out, len(x), x.dtype, stride, padding, dilation, groups)
    source, target, filters = _flat(x), _flat(y), weight.reshape(len(weight), -1)

    def by_planes(lo, hi):
        plan = planes.forward_plan(weight.shape[1], *_three(size, kernel, out, stride, padding, dilation))
        _slide(plan, algorithm, source[lo:hi], filters, bias, relu, groups, target[lo:hi])

    def by_tiles(lo, hi):
        tables = winograd.tables(size, out, padding)
        if not winograd.slide(source[lo:hi], filters, bias, relu, False, *tables, target[lo:hi]):
            by_planes(lo, hi)

    split(by_tiles if algorithm == "winograd" else by_planes, len(x), y.size * filters.shape[1] // CHEAP)
    return y


def conv2d_dx(g, weight, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, size):
    """dx (N, C, ...), with size = (H, W)."""
    size, kernel = tuple(size), weight.shape[2:]
    dx = np.empty((len(g), weight.shape[1] * groups, *size), g.dtype)
    if _only_skips(kernel, stride, padding):
        dx.fill(0)
        dx[_every(stride)] = conv2d_dx(g, weight, **_plain_settings(kernel), groups=groups, size=g.shape[2:])
        return dx
    g, weight = _plain(g), _plain(weight)
    out, outputs = g.shape[2:], len(weight) // groups
    algorithm = choose("conv2d_dx", size, weight.shape, out, len(g), g.dtype, stride, padding, dilation, groups)
    source, target, filters = _flat(g), _flat(dx), weight.reshape(len(weight), -1)
    nothing = np.empty(0, g.dtype)

    def by_planes(lo, hi):
        plan = planes.backward_plan(outputs, *_three(size, kernel, out, stride, padding, dilation))
        _slide(plan, algorithm, source[lo:hi], _by_input(weight, groups), nothing, False, groups, target[lo:hi])

    def by_tiles(lo, hi):
        tables = winograd.tables(out, size, tuple(2 - p for p in padding))
        if not winograd.slide(source[lo:hi], filters, nothing, False, True, *tables, target[lo:hi]):
            by_planes(lo, hi)

    split(by_tiles if algorithm == "winograd" else by_planes, len(g), g.size * filters.shape[1] // CHEAP)
    return dx


def conv2d_dw(g, x, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, kernel):
    """dweight (O, C/groups, ...), with kernel = (KH, KW)."""
    kernel = tuple(kernel)
    if _only_skips(kernel, stride, padding):
        return conv2d_dw(g, x[_every(stride)], **_plain_settings(kernel), groups=groups, kernel=kernel)
    g, x = _plain(g), _plain(x)
    size, out = x.shape[2:], g.shape[2:]
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    algorithm = choose("conv2d_dw", size, shape, out, len(x), x.dtype, stride, padding, dilation, groups)
    bounds = pieces(len(x), max(1, min(MOST_PIECES, len(x) * prod(out) // PIECE)))
    parts = np.empty((len(bounds) - 1, shape[0], prod(shape[1:])), x.dtype)
    from_g, from_x = _flat(g), _flat(x)

    def by_planes(lo, hi, dw):
        plan = planes.window_plan(shape[1], *_three(size, kernel, out, stride, padding, dilation))
        arguments = from_g[lo:hi], from_x[lo:hi], groups, plan.lines, plan.rows, plan.positions, plan.sizes, dw
        if algorithm != "depthwise" or not depthwise.sum_windows(*arguments):
            direct.sum_windows(*arguments)

    def by_tiles(lo, hi, dw):
        if not winograd.sum_tiles(from_g[lo:hi], from_x[lo:hi], *winograd.tables(size, out, padding), dw):
            by_planes(lo, hi, dw)

    def some(first, last):
        for k in range(first, last):
            (by_tiles if algorithm == "winograd" else by_planes)(bounds[k], bounds[k + 1], parts[k])

    split(some, len(parts), g.size * parts.shape[2] // CHEAP)
    return (parts[0] if len(parts) == 1 else parts.sum(0)).reshape(shape)


def _slide(plan, algorithm, x, weight, bias, relu, groups, y):
    if algorithm in ("channels", "winograd"):
        tables = plan.lines, plan.ka, plan.kb, plan.grids, plan.positions, plan.order, plan.sizes
        return direct.slide_channels(x, weight, bias, relu, groups, *tables, y)
    module = depthwise if algorithm == "depthwise" else direct
    return module.slide(x, weight, bias, relu, groups, plan.lines, plan.ka, plan.kb, plan.phases, plan.sizes, y)


def _by_input(weight, groups):
    """weight (O, C/groups, ...) -> (C, O/groups*T)"""
    outputs, inputs = len(weight) // groups, weight.shape[1]
    return np.ascontiguousarray(weight.reshape(groups, outputs, inputs, -1).swapaxes(1, 2)).reshape(groups * inputs, -1)


def out_size(size, kernel, stride, padding, dilation):
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _three(size, kernel, out, stride, padding, dilation):
    """The same in three dimensions. A window of one pixel makes the whole image one row."""
    if prod(kernel) == 1 and max(stride) == 1 and not any(padding):
        size = out = (prod(size),)
        kernel = stride = dilation = (1,)
        padding = (0,)
    more = 3 - len(size)
    ones, zeros = (1,) * more, (0,) * more
    return ones + size, ones + kernel, ones + out, ones + stride, zeros + padding, ones + dilation


def _only_skips(kernel, stride, padding):
    """A window of one pixel with a stride leaves pixels out: the rest is a convolution with stride 1."""
    return prod(kernel) == 1 and max(stride) > 1 and not any(padding)


def _every(stride):
    return (slice(None), slice(None), *[slice(None, None, s) for s in stride])


def _ones(kernel):
    return (1,) * len(kernel)


def _plain_settings(kernel):
    ones = _ones(kernel)
    return {"stride": ones, "padding": (0,) * len(kernel), "dilation": ones}


def _plain(x):
    """In rows, and of the one kind of array that the kernels are compiled for."""
    x = np.ascontiguousarray(x)
    return x if x.flags.writeable else x.copy()


def _flat(images):
    """(N, C, ...) -> (N, C, pixels), a view."""
    return images.reshape(*images.shape[:2], -1)
