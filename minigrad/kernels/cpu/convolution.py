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

from functools import lru_cache
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


def conv2d(x, weight, bias=None, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return forward(x, weight, bias, False, stride, padding, dilation, groups)


def forward(x, weight, bias, relu, stride, padding, dilation, groups):
    """y (N, O, ...), plus bias (O,), None for none, and max(0, y) if ``relu``."""
    if _only_skips(weight.shape[2:], stride, padding):
        x, stride = x[_every(stride)], _ones(stride)
    shape, run = forward_call(x.shape, weight.shape, x.dtype, stride, padding, dilation, groups)
    y = np.empty(shape, x.dtype)
    run(x, weight, bias, relu, y)
    return y


@lru_cache(maxsize=64)
def forward_call(shape, weight_shape, dtype, stride, padding, dilation, groups):
    """(the shape of y, a function (x, weight, bias, relu, y) that writes it), for arrays of these shapes."""
    (outputs, inputs, *kernel), samples, size = weight_shape, shape[0], shape[2:]
    out = out_size(size, kernel, stride, padding, dilation)
    algorithm = choose("conv2d", size, weight_shape, out, samples, dtype, stride, padding, dilation, groups)
    plan = planes.forward_plan(inputs, *_three(size, tuple(kernel), out, stride, padding, dilation))
    slide = _slide(plan, algorithm, inputs, outputs // groups, prod(size), prod(out), groups)
    tiles = _tiles(inputs, outputs, size, out, padding, False, samples) if algorithm == "winograd" else None
    work, nothing = samples * outputs * prod(out) * inputs * prod(kernel) // CHEAP, np.empty(0, dtype)

    def run(x, weight, bias, relu, y):
        bias = nothing if bias is None else _plain(bias)
        _samples(slide, tiles, (_plain(x), _plain(weight), bias, relu), y.reshape(-1), samples, work)

    return (samples, outputs, *out), run


def conv2d_dx(g, weight, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, size):
    """dx (N, C, ...), with size = (H, W)."""
    size, kernel = tuple(size), weight.shape[2:]
    dx = np.empty((len(g), weight.shape[1] * groups, *size), g.dtype)
    if _only_skips(kernel, stride, padding):
        dx.fill(0)
        dx[_every(stride)] = conv2d_dx(g, weight, **_plain_settings(kernel), groups=groups, size=g.shape[2:])
        return dx
    input_call(g.shape, weight.shape, g.dtype, stride, padding, dilation, groups, size)(g, weight, dx)
    return dx


@lru_cache(maxsize=64)
def input_call(shape, weight_shape, dtype, stride, padding, dilation, groups, size):
    """A function (g, weight, dx) that writes the gradient by the input, for arrays of these shapes."""
    (outputs, inputs, *kernel), samples, out = weight_shape, shape[0], shape[2:]
    algorithm = choose("conv2d_dx", size, weight_shape, out, samples, dtype, stride, padding, dilation, groups)
    plan = planes.backward_plan(outputs // groups, *_three(size, tuple(kernel), out, stride, padding, dilation))
    slide = _slide(plan, algorithm, outputs // groups, inputs, prod(out), prod(size), groups)
    turned = tuple([2 - p for p in padding])
    tiles = _tiles(outputs, inputs, out, size, turned, True, samples) if algorithm == "winograd" else None
    work, nothing = samples * outputs * prod(out) * inputs * prod(kernel) // CHEAP, np.empty(0, dtype)

    def by_input(weight):
        """weight (O, C/groups, ...) -> (C, O/groups*T), flat"""
        return np.ascontiguousarray(weight.reshape(groups, outputs // groups, inputs, -1).swapaxes(1, 2)).reshape(-1)

    def run(g, weight, dx):
        weight = _plain(weight)
        _samples(slide, tiles, (_plain(g), weight, nothing, False), dx.reshape(-1), samples, work, by_input)

    return run


def conv2d_dw(g, x, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, kernel):
    """dweight (O, C/groups, ...), with kernel = (KH, KW)."""
    kernel = tuple(kernel)
    if _only_skips(kernel, stride, padding):
        return conv2d_dw(g, x[_every(stride)], **_plain_settings(kernel), groups=groups, kernel=kernel)
    dw = np.empty((g.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    weight_call(g.shape, x.shape, x.dtype, stride, padding, dilation, groups, kernel)(g, x, dw)
    return dw


@lru_cache(maxsize=64)
def weight_call(g_shape, shape, dtype, stride, padding, dilation, groups, kernel):
    """A function (g, x, dw) that writes the gradient by the weight, for arrays of these shapes."""
    (samples, outputs, *out), inputs, size, windows = g_shape, shape[1] // groups, shape[2:], shape[1] // groups * prod(kernel)
    out = tuple(out)
    algorithm = choose("conv2d_dw", size, (outputs, inputs, *kernel), out, samples, dtype, stride, padding, dilation, groups)
    plan = planes.window_plan(inputs, *_three(size, kernel, out, stride, padding, dilation))
    sizes = windows, inputs, outputs // groups, prod(size), prod(out)
    exact = _sum(direct.sum_windows, (groups,), *direct.window_tables(plan, *sizes))
    fast = None
    if algorithm == "depthwise":
        fast = _sum(depthwise.sum_windows, (groups,), *depthwise.window_tables(plan, *sizes))
    if algorithm == "winograd":
        fast = _sum(winograd.sum_tiles, (), *winograd.sum_tables(inputs, outputs, size, out, padding, samples))
    bounds = pieces(samples, max(1, min(MOST_PIECES, samples * prod(out) // PIECE)))
    count, work = len(bounds) - 1, samples * outputs * prod(out) * windows // CHEAP

    def run(g, x, dw):
        g, x = _plain(g), _plain(x)
        parts = dw.reshape(1, -1) if count == 1 else np.empty((count, dw.size), dw.dtype)

        def some(first, last):
            for k in range(first, last):
                given = g, x, parts[k], bounds[k], bounds[k + 1]
                if fast is None or not fast(*given):
                    exact(*given)

        split(some, count, work)
        if count > 1:
            np.sum(parts, 0, out=dw.reshape(-1))

    return run


def _samples(slide, tiles, arrays, y, samples, work, prepared=None):
    """Write flat y = the convolution, by tiles where these are given and all of the result is finite."""

    def some(lo, hi):
        if tiles is None or not tiles(*arrays, y, lo, hi):
            x, weight, *rest = arrays
            slide(x, weight if prepared is None else prepared(weight), *rest, y, lo, hi)

    split(some, samples, work)


def _slide(plan, algorithm, channels, outputs, area, pixels, groups):
    """A function (x, weight, bias, relu, y, lo, hi) of flat arrays, without tiles."""
    sizes = channels, outputs, area, pixels
    if algorithm in ("channels", "winograd"):
        function, (tables, size) = direct.slide_channels, direct.channel_tables(plan, *sizes, groups)
    else:
        module = depthwise if algorithm == "depthwise" else direct
        function, (tables, size) = module.slide, module.slide_tables(plan, *sizes)
    return lambda x, weight, bias, relu, y, lo, hi: function(
        x, weight, bias, relu, groups, *tables, y, np.empty(size + planes.SLACK, y.dtype), lo, hi
    )


def _sum(function, settings, tables, size):
    """A function (g, x, dw, lo, hi) of flat arrays; whether the result is finite."""

    def run(g, x, dw, lo, hi):
        function(g, x, *settings, *tables, dw, np.empty(size + planes.SLACK, dw.dtype), lo, hi)
        return np.isfinite(dw).all()

    return run


def _tiles(*geometry):
    """The same by tiles; whether the result is finite."""
    tables, size = winograd.slide_tables(*geometry)
    return lambda x, weight, bias, relu, y, lo, hi: winograd.slide(
        x, weight, bias, relu, *tables, y, np.empty(size + planes.SLACK, y.dtype), lo, hi
    )


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
    """Flat, in rows, and of the one kind of array that the kernels are compiled for."""
    x = np.ascontiguousarray(x).reshape(-1)
    return x if x.flags.writeable else x.copy()
