"""Images as *planes*, in which the pixels that a tap of a window meets, output after output, lie side by side.

With stride 1 the plane is the padded image. A stride (sd, sh, sw) deals the padded image into sd * sh * sw phase planes:
pixel (d, i, j) goes to plane (d % sd, i % sh, j % sw), to the place (d // sd, i // sh, j // sw) there. Within its plane
each tap has stride 1 again, so a plane is one flat array, a tap is a start in it, and a row of outputs is one run from
there. Only between two rows of outputs a few pixels come along that no output wants. The strided access is paid once for
each pixel, not once for each tap.

All sizes have three dimensions here; images of two and one have sizes 1 in front. The tables of places are made once for
each geometry, in NumPy, and the loops read them.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from .jit import jit
from .simd import BYTES, ROWS, alone, at_least, copy, load, splat, store, total

SLACK = 64  # elements behind the planes that a block of vectors may read
BLOCK = 32  # positions: a multiple of the width of every block of sums
ONES = (1, 1, 1)


@dataclass(frozen=True)
class Plan:
    """The tables of ``direct.slide`` and ``depthwise.slide``: a convolution, or its gradient by the input.

    ``lines[l, j]`` is the place of pixel j of image line l in the planes of its channel, for the first ``stride`` pixels.
    Term k of a sum multiplies weight[row + ka[k]] by planes[position + kb[k]]. Each row of ``phases`` is one grid of
    outputs: its first and last term, the first position, (depths, rows, columns), the first output.
    """

    lines: np.ndarray
    ka: np.ndarray
    kb: np.ndarray
    phases: np.ndarray
    sizes: np.ndarray  # of: the planes of a channel, their depths, their rows; between rows of the weight, depths, rows and
    # columns of the outputs; an image line
    grids: np.ndarray  # the phases for ``direct.slide_channels``: first and last term, first and last position
    positions: np.ndarray  # of all grids, each filled up to whole blocks
    order: np.ndarray  # where each of these positions is written; empty where they are the outputs one after the other


def _places(size, stride, padding, shape):
    """(lines, first pixels) of an image in its planes; line l is row l % H of depth l // H."""
    index = np.ix_(*[np.arange(n) + p for n, p in zip((*size[:2], min(stride[2], size[2])), padding, strict=True)])
    return np.ascontiguousarray(_position(index, stride, shape).reshape(size[0] * size[1], -1))


def _position(index, stride, shape):
    """Where pixel (d, i, j) of the padded image lies in the planes of its channel."""
    phase, place = 0, 0
    for i, s, n in zip(index, stride, shape, strict=True):
        phase, place = phase * s + i % s, place * n + i // s
    return phase * prod(shape) + place


def _taps(kernel, dilation):
    """The pixels (d, i, j) of the first window, each a flat array."""
    return [i.reshape(-1) * d for i, d in zip(np.indices(kernel), dilation, strict=True)]


def _volume(*sizes):
    """Elements from one channel to the next: an odd number of cache lines, so that a pixel's channels fall into all sets."""
    return prod(sizes) // 32 * 32 + 48


def _positions(out, first, shape):
    return filled(first + _position(np.indices(out).reshape(3, -1), ONES, shape))


def filled(rows):
    """A table of rows for ``simd.multiply``: whole blocks."""
    return np.concatenate([rows, np.repeat(rows[-1:], -rows.size % ROWS)])


def row_table(count, step):
    """Where ``count`` rows begin, filled up with the last one to whole blocks."""
    return filled(np.arange(count) * step)


def _phase_shape(size, stride, padding):
    return [-(-(n + 2 * p) // s) for n, s, p in zip(size, stride, padding, strict=True)]


@lru_cache(maxsize=64)
def forward_plan(inputs, size, kernel, out, stride, padding, dilation):
    """``inputs``: channels of a group."""
    shape = _phase_shape(size, stride, padding)
    volume = _volume(*stride, *shape)
    starts = _position(_taps(kernel, dilation), stride, shape)
    kb = (np.arange(inputs)[:, None] * volume + starts).reshape(-1)
    phases = np.array([[0, kb.size, 0, *out, 0]])
    sizes = [volume, shape[1] * shape[2], shape[2], kb.size, out[1] * out[2], out[2], 1, size[2]]
    grids, order = np.array([[0, kb.size, 0, prod(out)]]), np.empty(0, np.int64)
    positions = _positions(out, 0, shape)
    return Plan(_places(size, stride, padding, shape), np.arange(kb.size), kb, phases, np.array(sizes), grids, positions, order)


@lru_cache(maxsize=64)
def backward_plan(outputs, size, kernel, out, stride, padding, dilation):
    """``outputs``: channels of a group. The weight is (C, O/groups*T) for this.

    Pixel s * q + r - p of the image meets g[q + (r - t) / s] through each tap at t with t % s = r: each r in range(s) is a phase
    of the image, and over the planes of g it is a convolution with stride 1.
    """
    taps = _taps(kernel, dilation)
    low = [(k - 1) * d // s for k, d, s in zip(kernel, dilation, stride, strict=True)]
    shape = [b + max(m, (n - 1 + p) // s + 1) for b, m, n, p, s in zip(low, out, size, padding, stride, strict=True)]
    volume = _volume(*shape)
    ka, kb, phases, grids, positions, order, k, p = [], [], [], [], [], [], 0, 0
    for phase in np.ndindex(*stride):
        first = [max(0, -((r - p) // s)) for r, p, s in zip(phase, padding, stride, strict=True)]
        counts = [(n - 1 + p - r) // s - q + 1 for n, p, r, s, q in zip(size, padding, phase, stride, first, strict=True)]
        if min(counts) < 1:
            continue
        met = np.flatnonzero(np.all([t % s == r for t, s, r in zip(taps, stride, phase, strict=True)], axis=0))
        places = _position([b - t[met] // s for b, t, s in zip(low, taps, stride, strict=True)], ONES, shape)
        ka.append((np.arange(outputs)[:, None] * taps[0].size + met).reshape(-1))
        kb.append((np.arange(outputs)[:, None] * volume + places).reshape(-1))
        at = [s * q + r - p for s, q, r, p in zip(stride, first, phase, padding, strict=True)]
        phases.append([k, k + kb[-1].size, _position(first, ONES, shape), *counts, _position(at, ONES, size)])
        positions.append(_positions(counts, phases[-1][2], shape))
        index = [a + s * i for a, s, i in zip(at, stride, np.indices(counts), strict=True)]
        order.append(np.zeros(positions[-1].size, np.int64))
        order[-1][: prod(counts)] = _position(index, ONES, size).reshape(-1)
        grids.append([k, k + kb[-1].size, p, p + prod(counts)])
        k, p = k + kb[-1].size, p + positions[-1].size
    steps = [stride[0] * size[1] * size[2], stride[1] * size[2], stride[2]]
    sizes = [volume, shape[1] * shape[2], shape[2], outputs * taps[0].size, *steps, out[2]]
    lines, dense = _places(out, ONES, low, shape), prod(stride) == 1
    ka, kb, positions, order = (np.concatenate(a) for a in (ka, kb, positions, order))
    return Plan(lines, ka, kb, np.array(phases), np.array(sizes), np.array(grids), positions, order[:0] if dense else order)


@dataclass(frozen=True)
class WindowPlan:
    """The tables of ``sum_windows``: where each row (c, t) of the windows begins, filled up to whole blocks; its positions."""

    lines: np.ndarray
    rows: np.ndarray
    positions: np.ndarray
    sizes: np.ndarray  # of: the planes of a channel, an image line, a line of outputs


@lru_cache(maxsize=64)
def window_plan(inputs, size, kernel, out, stride, padding, dilation):
    """``inputs``: channels of a group."""
    shape = _phase_shape(size, stride, padding)
    volume = _volume(*stride, *shape)
    starts = _position(_taps(kernel, dilation), stride, shape)
    rows = (np.arange(inputs)[:, None] * volume + starts).reshape(-1)
    positions = _positions(out, 0, shape)[: prod(out)]
    return WindowPlan(_places(size, stride, padding, shape), filled(rows), positions, np.array([volume, size[2], out[2]]))


@jit
def deal(x, first, channels, width, lines, volume, planes):
    """Images of flat x, from element ``first`` on -> planes (channels, volume), flat, whose border is zero already."""
    alone()
    count, step = lines.shape
    for c in range(channels):
        for line in range(count):
            at = first + (c * count + line) * width
            for j in range(step):
                copy(x, at + j, step, planes, c * volume + lines[line, j], 1, (width - j + step - 1) // step)


@jit
def finish(y, image, pixels, bias, first, outputs, relu):
    """Bias and ReLU of some channels of a sample, the first of them at y[image]; NaN stays.

    Returns a sum in which all results are, before they are cut off: it is finite only where each of them is.
    """
    alone()
    lanes, zero, least = BYTES // y.itemsize, y.dtype.type(0), y.dtype.type(0 if relu else -np.inf)
    some, sums = zero, splat(zero)
    for o in range(outputs):
        shift = bias[first + o] if bias.size else zero
        at, end = image + o * pixels, image + (o + 1) * pixels
        if pixels < lanes:
            for k in range(at, end):
                value = y[k] + shift
                some += value
                y[k] = least if value <= least else value
        else:
            last = load(y, end - lanes) + splat(shift)  # overlaps the one before it
            for k in range(at, end - lanes, lanes):
                values = load(y, k) + splat(shift)
                sums = sums + values
                store(y, k, at_least(values, splat(least)))
            sums = sums + last
            store(y, end - lanes, at_least(last, splat(least)))
    return some + total(sums)


@jit
def write_rows(lines, first, p, width, plane_w, columns, target, at, row_step, step):
    """Positions p .. p + width of a plane, at lines[first :] -> rows of ``columns`` outputs of the flat target.

    The first output lies at ``at``, the next row ``row_step`` further, the next column ``step``.
    """
    alone()
    row, j = p // plane_w, p % plane_w
    done = 0
    while done < width:
        run = plane_w - j if plane_w - j < width - done else width - done
        if j < columns:
            count = run if run < columns - j else columns - j
            copy(lines, first + done, 1, target, at + row * row_step + j * step, step, count)
        done += run
        row += 1
        j = 0
