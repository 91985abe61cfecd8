"""Pooling over windows of one, two or three dimensions, one channel of a sample after the other.

A loop over the few pixels of a window, or of an output row, is no vector loop. So the planes of a channel are *dealt*, with
their padding, pixel (i, j) into the phase plane (i % SH, j % SW) at (i // SH, j // SW): there each tap of the window has stride
1, and lies at one distance for all outputs of a plane. The loops run over a plane's outputs, one tap after the other, with
some useless numbers at the end of each row.

Shapes: volumes (Q, D, H, W) with Q = N*C, where D, or D and H, are 1 for images and sequences; results (Q, OD, OH, OW);
dealt planes (D, SH * SW * RH * RW), phase planes being (RH, RW); a plane of outputs with rows of RW (OH * RW,).
"""

import math
import operator

import numpy as np

from .jit import jit
from .threads import split

BLOCK = 2048  # numbers of phase planes that are worked on together


def max_pool2d(x, *, kernel_size, stride, padding, dilation, out_size):
    """(values, indices), both (N, C, OH, OW); an index counts through the pixels of its channel, as in PyTorch."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *out_size), x.dtype)
    indices = np.empty(y.shape, np.int64)
    volumes, results, places = volumes_of(x), volumes_of(y), volumes_of(indices)
    if are_squares(x.shape[2:], kernel_size, stride, padding, out_size) and dilation == (1, 1):
        images = volumes[:, 0], results[:, 0], places[:, 0]
        split(lambda lo, hi: max_of_squares(*(a[lo:hi] for a in images)), len(volumes), x.size)
    else:
        window = three(kernel_size, 1), three(stride, 1), three(padding, 0), three(dilation, 1)
        work = y.size * math.prod(kernel_size)
        split(lambda lo, hi: max_of_windows(volumes[lo:hi], *window, results[lo:hi], places[lo:hi]), len(volumes), work)
    return y, indices


def max_unpool_add(g, indices, *, size):
    """dx (N, C, H, W): zeros, with g added at its indices. The adjoint of picking the maxima."""
    g, indices = np.ascontiguousarray(g), np.ascontiguousarray(indices)
    dx = np.empty((*g.shape[:2], *size), g.dtype)
    channels, wrong = g.shape[0] * g.shape[1], []
    arrays = [a.reshape(channels, -1) for a in (g, indices, dx)]

    def some(lo, hi):
        bad = scatter_maxima(*(a[lo:hi] for a in arrays))
        if bad >= 0:
            wrong.append(lo * arrays[0].shape[1] + bad)

    split(some, channels, 2 * dx.size)
    if wrong:
        of_pixels = " x ".join(map(str, size))
        raise IndexError(f"index {indices.flat[min(wrong)]} is outside a channel of {of_pixels} pixels")
    return dx


def avg_pool2d(x, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """y (N, C, OH, OW)."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *out_size), x.dtype)
    scales = scales_of(x.shape[2:], kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    window, volumes, results = (three(kernel_size, 1), three(stride, 1), three(padding, 0)), volumes_of(x), volumes_of(y)
    if are_squares(x.shape[2:], kernel_size, stride, padding, out_size):
        images, results, scale = volumes[:, 0], results[:, 0], scales[0].astype(x.dtype)
        split(lambda lo, hi: mean_of_squares(images[lo:hi], scale, results[lo:hi]), len(images), x.size)
    elif are_blocks(x.shape[2:], kernel_size, stride, padding, out_size):
        mean_of_all_blocks(x, [block_bounds(*sizes) for sizes in zip(kernel_size, out_size)], scales[0], y)
    else:
        scales, work = scales.astype(x.dtype), y.size * math.prod(kernel_size)
        split(lambda lo, hi: mean_of_windows(volumes[lo:hi], *window, scales, results[lo:hi]), len(volumes), work)
    return y


def avg_pool2d_dx(g, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override, size):
    """dx (N, C, H, W), with size = (H, W)."""
    g = np.ascontiguousarray(g)
    dx = np.empty((*g.shape[:2], *size), g.dtype)
    scales = scales_of(size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    if are_blocks(size, kernel_size, stride, padding, out_size):
        return spread_over_all_blocks(g, [block_bounds(*sizes) for sizes in zip(kernel_size, out_size)], scales[0], dx)
    window = three(kernel_size, 1), three(stride, 1), three(padding, 0)
    gradients, results, scales = volumes_of(g), volumes_of(dx), scales.astype(g.dtype)
    work = g.size * math.prod(kernel_size)
    split(lambda lo, hi: spread_over_windows(gradients[lo:hi], *window, scales, results[lo:hi]), len(gradients), work)
    return dx


def adaptive_mean(x, *, out_size):
    """y (N, C, OH, OW)."""
    x = np.ascontiguousarray(x)
    bounds = [shared_bounds(*sizes) for sizes in zip(x.shape[2:], out_size)]
    return mean_of_all_blocks(x, bounds, block_scales(bounds), np.empty((*x.shape[:2], *out_size), x.dtype))


def adaptive_mean_dx(g, *, size):
    """dx (N, C, H, W), with size = (H, W)."""
    g = np.ascontiguousarray(g)
    bounds = [shared_bounds(*sizes) for sizes in zip(size, g.shape[2:])]
    return spread_over_all_blocks(g, bounds, block_scales(bounds), np.empty((*g.shape[:2], *size), g.dtype))


def shared_bounds(pixels, out):
    """(2, out): where the windows of adaptive pooling begin and end."""
    i = np.arange(out)
    return np.stack([i * pixels // out, -(-(i + 1) * pixels // out)])


def block_bounds(kernel, out):
    """(2, out): where windows side by side begin and end."""
    starts = np.arange(out) * kernel
    return np.stack([starts, starts + kernel])


def block_scales(bounds):
    """1 / (number of pixels of a window), (OH, OW)."""
    down, across = (ends - starts for starts, ends in bounds)
    return 1 / (down[:, None] * across)


def mean_of_all_blocks(x, bounds, scales, y):
    planes, results, scales = images_of(x), images_of(y), scales.astype(x.dtype)
    split(lambda lo, hi: mean_of_blocks(planes[lo:hi], *bounds, scales, results[lo:hi]), len(planes), 2 * x.size)
    return y


def spread_over_all_blocks(g, bounds, scales, dx):
    gradients, planes, scales = images_of(g), images_of(dx), scales.astype(g.dtype)
    split(lambda lo, hi: spread_over_blocks(gradients[lo:hi], *bounds, scales, planes[lo:hi]), len(planes), 2 * dx.size)
    return dx


def images_of(x):
    """(N, C, H, W) -> (N*C, H, W), a view."""
    return x.reshape(-1, *x.shape[2:])


def are_blocks(size, kernel_size, stride, padding, out_size):
    """Windows of an image side by side and inside of it."""
    inside = len(size) == 2 and all(k * out <= pixels for k, out, pixels in zip(kernel_size, out_size, size))
    return inside and kernel_size == stride and not any(padding)


def are_squares(size, kernel_size, stride, padding, out_size):
    """2 x 2 windows side by side and inside of the image: the common case, which needs no dealing."""
    inside = len(size) == 2 and 2 * out_size[0] <= size[0] and 2 * out_size[1] <= size[1]
    return inside and kernel_size == stride == (2, 2) and padding == (0, 0)


def volumes_of(x):
    """(N, C, ...) -> (N*C, D, H, W), a view."""
    return x.reshape(-1, *three(x.shape[2:], 1))


def three(sizes, unit):
    """Sizes of up to three dimensions, with ``unit`` for those in front that are missing."""
    return (unit,) * (3 - len(sizes)) + tuple(sizes)


def scales_of(size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """1 / (number of pixels that a window counts), (OD, OH, OW)."""
    last = [(out - 1) * step + kernel for out, step, kernel in zip(out_size, stride, kernel_size, strict=True)]
    if divisor_override or (not any(padding) and all(map(operator.le, last, size))):
        return np.full(three(out_size, 1), 1 / (divisor_override or math.prod(kernel_size)))
    counts = [np.ones(1)] * (3 - len(size))
    for pixels, kernel, step, pad, out in zip(size, kernel_size, stride, padding, out_size, strict=True):
        start = np.arange(out) * step - pad
        stop = np.minimum(start + kernel, pixels + pad)  # a window of ceil_mode may hang over the padding
        counts.append(stop - start if count_include_pad else np.minimum(stop, pixels) - np.maximum(start, 0))
    return 1 / math.prod(np.ix_(*counts))


# --------------------------------------------------------------------------------------------------------- planes, dealt
@jit
def phase_shape(kernel_size, stride, dilation, out_size):
    """(RH, RW): the outputs, and as far as the taps of the last one reach."""
    return (
        out_size[1] + (kernel_size[1] - 1) * dilation[1] // stride[1],
        out_size[2] + (kernel_size[2] - 1) * dilation[2] // stride[2],
    )


@jit
def tap_start(b, c, stride, dilation, shape, block):
    """Where the tap (b, c) of the first output lies in a dealt plane."""
    down, across = b * dilation[1], c * dilation[2]
    phase = down % stride[1] * stride[2] + across % stride[2]
    return (phase * block * shape[0] + down // stride[1]) * shape[1] + across // stride[2]


@jit
def deal_table(height, width, stride, padding, shape, block):
    """(places, pixels): where in the dealt planes each pixel of a plane goes, without the pixels that no window reaches.

    The phase planes of ``block`` channels lie side by side.
    """
    places, pixels = np.empty(height * width, np.int64), np.empty(height * width, np.int64)
    count, sw = 0, stride[2]
    for i in range(height):
        row = (i + padding[1]) // stride[1]
        phases = (i + padding[1]) % stride[1] * sw
        column, phase = padding[2] // sw, padding[2] % sw
        for j in range(width):
            if row < shape[0] and column < shape[1]:
                places[count] = ((phases + phase) * block * shape[0] + row) * shape[1] + column
                pixels[count] = i * width + j
                count += 1
            phase += 1
            if phase == sw:
                phase = 0
                column += 1
    return places[:count], pixels[:count]


@jit
def deal(plane, places, pixels, dealt):
    """plane (H * W,) into ``dealt``, whose padding is there already."""
    for m in range(places.size):
        dealt[places[m]] = plane[pixels[m]]


@jit
def gather(dealt, places, pixels, plane):
    """The inverse of ``deal``, with 0 for what no window reaches."""
    if places.size < plane.size:
        plane[:] = 0
    for m in range(places.size):
        plane[pixels[m]] = dealt[places[m]]


@jit(inline=True)
def clip(start, taps, dilation, size):
    """The first tap of a window inside [0, size), and how many follow it, itself included."""
    skipped = (-start + dilation - 1) // dilation if start < 0 else 0
    first = start + skipped * dilation
    inside = (size - first + dilation - 1) // dilation if first < size else 0
    return first, max(0, min(taps - skipped, inside))


# ------------------------------------------------------------------------------------------------------------------ maxima
@jit
def max_of_squares(planes, y, indices):
    """2 x 2 windows side by side in planes (Q, H, W)."""
    width = planes.shape[2]
    below, corner = np.int32(width), np.int32(width + 1)
    for q in range(y.shape[0]):
        for i in range(y.shape[1]):
            top, bottom = planes[q, 2 * i], planes[q, 2 * i + 1]
            best_row, index_row = y[q, i], indices[q, i]
            first = 2 * i * width
            for j in range(best_row.size):
                best, offset = better(top[2 * j], np.int32(0), top[2 * j + 1], np.int32(1))
                best, offset = better(best, offset, bottom[2 * j], below)
                best, offset = better(best, offset, bottom[2 * j + 1], corner)
                best_row[j] = best
                index_row[j] = first + 2 * j + offset


@jit
def max_of_windows(volumes, kernel_size, stride, padding, dilation, y, indices):
    """Small planes of several channels, ``block`` of them, lie side by side in each phase, to make long loops."""
    channels, depth, height, width = volumes.shape
    worst = volumes.dtype.type(-np.inf)
    shape = phase_shape(kernel_size, stride, dilation, y.shape[1:])
    area = shape[0] * shape[1]
    block = min(channels, max(1, BLOCK // area))
    dealt = np.full((depth, stride[1] * stride[2] * block * area), worst, volumes.dtype)
    best, places = np.empty(block * area, volumes.dtype), np.empty(block * area, np.int32)
    corners, firsts = np.zeros(block * area, np.int32), np.zeros(block * area, np.int32)
    _places(kernel_size, stride, padding, dilation, height, width, y.shape[2:], shape, corners, firsts)
    table = deal_table(height, width, stride, padding, shape, block)
    for q in range(0, channels, block):
        count = min(block, channels - q)
        length = count * area - (area - (y.shape[2] - 1) * shape[1] - y.shape[3])
        for d in range(depth):
            for n in range(count):
                deal(volumes[q + n, d].reshape(-1), table[0], table[1], dealt[d, n * area :])
        for k in range(y.shape[1]):
            first_plane, planes = clip(k * stride[0] - padding[0], kernel_size[0], dilation[0], depth)
            _start(best, worst, places, firsts, min(first_plane, depth - 1) * height * width)
            for a in range(planes):
                plane = first_plane + a * dilation[0]
                for b in range(kernel_size[1]):
                    for c in range(kernel_size[2]):
                        start = tap_start(b, c, stride, dilation, shape, block)
                        at = (plane * height + b * dilation[1] - padding[1]) * width + c * dilation[2] - padding[2]
                        _take(dealt[plane, start : start + length], np.int32(at), corners, best[:length], places)
            for n in range(count):
                _unroll(best[n * area :], shape[1], y[q + n, k])
                _unroll(places[n * area :], shape[1], indices[q + n, k])


@jit
def _places(kernel_size, stride, padding, dilation, height, width, outputs, shape, corners, firsts):
    """For each output of a plane: the pixel i * SH * W + j * SW from which taps are counted, and the first pixel inside of its
    window, which it names if there is nothing but -inf, or no pixel."""
    for p in range(corners.size):
        i, j = p // shape[1] % shape[0], p % shape[1]
        if i < outputs[0] and j < outputs[1]:
            row = clip(i * stride[1] - padding[1], kernel_size[1], dilation[1], height)[0]
            column = clip(j * stride[2] - padding[2], kernel_size[2], dilation[2], width)[0]
            corners[p] = i * stride[1] * width + j * stride[2]
            firsts[p] = min(row, height - 1) * width + min(column, width - 1)


@jit(inline=True)
def better(best, index, value, at):
    """The first of equal maxima, but the last of several NaN, as in PyTorch."""
    takes = (value > best) | (value != value)
    return value if takes else best, at if takes else index


@jit
def _start(best, worst, places, firsts, plane):
    for p in range(best.size):
        best[p] = worst
        places[p] = np.int32(firsts[p] + np.int32(plane))


@jit
def _take(pixels, at, corners, best, places):
    """One tap of all outputs of a plane."""
    for p in range(best.size):
        best[p], places[p] = better(best[p], places[p], pixels[p], np.int32(corners[p] + at))


@jit
def _unroll(plane, pitch, result):
    """Rows of ``pitch`` numbers without the useless ones at their end."""
    if pitch == result.shape[1]:
        target = result.reshape(-1)
        for j in range(target.size):
            target[j] = plane[j]
        return
    for i in range(result.shape[0]):
        row, target = plane[i * pitch :], result[i]
        for j in range(target.size):
            target[j] = row[j]


@jit
def scatter_maxima(g, indices, dx):
    """dx (Q, pixels) = g (Q, outputs) added at the indices. Returns the position of an index that is out of range, or -1."""
    pixels = dx.shape[1]
    for q in range(g.shape[0]):
        values, targets, row = g[q], indices[q], dx[q]
        row[:] = 0  # here, where the channel stays in cache until it is written again
        for j in range(values.size):
            if targets[j] < 0 or targets[j] >= pixels:
                return q * values.size + j
            row[targets[j]] += values[j]
    return -1


# ------------------------------------------------------------------------------------------------------------------- means
@jit
def mean_of_squares(planes, scale, y):
    """2 x 2 windows side by side in planes (Q, H, W), times scale (OH, OW)."""
    for q in range(y.shape[0]):
        for i in range(y.shape[1]):
            top, bottom, result, factor = planes[q, 2 * i], planes[q, 2 * i + 1], y[q, i], scale[i]
            for j in range(result.size):
                result[j] = ((top[2 * j] + top[2 * j + 1]) + (bottom[2 * j] + bottom[2 * j + 1])) * factor[j]


@jit
def mean_of_windows(volumes, kernel_size, stride, padding, scales, y):
    """y = the sum of each window times its scale (OD, OH, OW)."""
    (_, depth, height, width), dilation = volumes.shape, (1, 1, 1)
    shape = phase_shape(kernel_size, stride, dilation, y.shape[1:])
    dealt = np.zeros((depth, stride[1] * stride[2] * shape[0] * shape[1]), volumes.dtype)
    total = np.empty((y.shape[2] - 1) * shape[1] + y.shape[3], volumes.dtype)
    table = deal_table(height, width, stride, padding, shape, 1)
    for q in range(y.shape[0]):
        for d in range(depth):
            deal(volumes[q, d].reshape(-1), table[0], table[1], dealt[d])
        for k in range(y.shape[1]):
            total[:] = 0
            first_plane, planes = clip(k * stride[0] - padding[0], kernel_size[0], 1, depth)
            for plane in range(first_plane, first_plane + planes):
                for b in range(kernel_size[1]):
                    for c in range(kernel_size[2]):
                        _add(dealt[plane, tap_start(b, c, stride, dilation, shape, 1) :], total)
            for i in range(y.shape[2]):
                row, result, scale = total[i * shape[1] :], y[q, k, i], scales[k, i]
                for j in range(result.size):
                    result[j] = row[j] * scale[j]


@jit
def mean_of_blocks(planes, down, across, scales, y):
    """y (Q, OH, OW): the sums over windows of planes (Q, H, W) times scales (OH, OW).

    The windows begin and end at ``down`` (2, OH) and ``across`` (2, OW): rows are added first, whole.
    """
    line = np.empty(planes.shape[2], planes.dtype)
    for q in range(y.shape[0]):
        for i in range(y.shape[1]):
            line[:] = planes[q, down[0, i]]
            for k in range(down[0, i] + 1, down[1, i]):
                _add(planes[q, k], line)
            result, scale = y[q, i], scales[i]
            for j in range(result.size):
                result[j] = _total(line[across[0, j] : across[1, j]]) * scale[j]


@jit(sums=True)
def _total(line):
    total = line.dtype.type(0)
    for j in range(line.size):
        total += line[j]
    return total


@jit
def spread_over_blocks(g, down, across, scales, planes):
    """planes (Q, H, W): each gradient (Q, OH, OW) times its scale (OH, OW), added wherever its window is."""
    line = np.empty(planes.shape[2], planes.dtype)
    for q in range(g.shape[0]):
        reached = 0
        for i in range(g.shape[1]):
            gradient, scale = g[q, i], scales[i]
            line[:] = 0
            for j in range(gradient.size):
                share = gradient[j] * scale[j]
                for k in range(across[0, j], across[1, j]):
                    line[k] += share
            for k in range(down[0, i], down[1, i]):
                if k < reached:
                    _add(line, planes[q, k])
                else:
                    planes[q, k] = line
            reached = down[1, i]
        planes[q, reached:] = 0


@jit
def spread_over_windows(g, kernel_size, stride, padding, scales, volumes):
    """volumes = each gradient times its scale (OD, OH, OW), shared out over its window."""
    (_, depth, height, width), dilation = volumes.shape, (1, 1, 1)
    shape = phase_shape(kernel_size, stride, dilation, g.shape[1:])
    dealt = np.empty((depth, stride[1] * stride[2] * shape[0] * shape[1]), g.dtype)
    shares = np.zeros((g.shape[2] - 1) * shape[1] + g.shape[3], g.dtype)
    table = deal_table(height, width, stride, padding, shape, 1)
    for q in range(g.shape[0]):
        dealt[:] = 0
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                row, gradient, scale = shares[i * shape[1] :], g[q, k, i], scales[k, i]
                for j in range(gradient.size):
                    row[j] = gradient[j] * scale[j]
            first_plane, planes = clip(k * stride[0] - padding[0], kernel_size[0], 1, depth)
            for plane in range(first_plane, first_plane + planes):
                for b in range(kernel_size[1]):
                    for c in range(kernel_size[2]):
                        start = tap_start(b, c, stride, dilation, shape, 1)
                        _add(shares, dealt[plane, start : start + shares.size])
        for d in range(depth):
            gather(dealt[d], table[0], table[1], volumes[q, d].reshape(-1))


@jit
def _add(source, total):
    for p in range(total.size):
        total[p] += source[p]
