"""Convolution straight from the planes: a matrix product whose tables of places are the sliding window.

y[o, p] = the sum over (c, t) of weight[o, (c, t)] * plane[c, start[t] + p]: the second factor is a matrix whose rows begin
at c * P + start[t] in the planes, so no columns are built. The gradient by the input is the same sum over the planes of g, one
for each phase of the stride, with the taps that meet that phase; the weights are read in another order, not copied. The
gradient by the weight sums over positions: rows of windows times the transposed g.
This is the indirect convolution of Dukhan, "The indirect convolution algorithm", 2019, and the direct one of Georganas et al.,
"Anatomy of high-performance deep learning convolutions on SIMD architectures", 2018, without its blocked layout.

Shapes: images x (N, C, pixels) and y (N, O, positions), weight (O, C/groups*T) with T taps; ``planes`` makes the tables. Every
sum runs over its terms in one order, whatever the other sizes are.
"""

import numpy as np

from .jit import jit
from .planes import BLOCK, SLACK, deal, finish, write_rows
from .simd import START, alone, multiply, row_table, steps, transpose, zeros

RESULTS = 2**16  # elements of a block of outputs that wait to be written
POSITIONS = np.int64(256)  # of g that are transposed at once
WRITE, ADD = np.int64(0), np.int64(1)


@jit
def slide(x, weight, bias, relu, groups, lines, ka, kb, phases, sizes, y):
    """y = the convolution of a plan, plus bias (O,) or (0,) for none, and max(0, y) if ``relu``; vectors of positions.

    For the gradient by the input, x is g, y is the gradient and weight is (C, O/groups*T).
    """
    alone()
    samples, channels = x.shape[0], x.shape[1] // groups
    outputs, pixels = y.shape[1] // groups, y.shape[2]
    volume, plane_d, plane_w, weight_step, depth_step, row_step, step, width = sizes
    block = min(max(RESULTS // outputs // BLOCK, 1), (volume + BLOCK - 1) // BLOCK) * BLOCK
    results = np.empty(outputs * block, x.dtype)
    rows, result_rows = row_table(outputs, weight_step), row_table(outputs, block)
    source, filters, target = x.reshape(-1), weight.reshape(-1), y.reshape(-1)
    planes = zeros(channels * volume + SLACK, x)
    for n in range(samples):
        for group in range(groups):
            deal(source, (n * groups + group) * channels * x.shape[2], channels, width, lines, volume, planes)
            these = filters[group * outputs * weight_step :]
            image = (n * groups + group) * outputs * pixels
            for phase in phases:
                left, right, start, depths, heights, columns, first = phase
                positions = (heights - 1) * plane_w + columns
                for d in range(depths):
                    for p in range(0, positions, block):
                        count = min(block, positions - p)
                        j = start + d * plane_d + p
                        multiply(
                            these, rows, ka[left:right], planes, j, kb[left:right], results, result_rows, START, count, WRITE
                        )
                        for o in range(outputs):
                            place = image + o * pixels + first + d * depth_step
                            write_rows(results, o * block, p, count, plane_w, columns, target, place, row_step, step)
            _finish(target, image, pixels, bias, group * outputs, outputs, relu)


@jit
def slide_channels(x, weight, bias, relu, groups, lines, ka, kb, grids, positions, order, sizes, y):
    """The same with vectors of output channels."""
    alone()
    samples, channels = x.shape[0], x.shape[1] // groups
    outputs, pixels = y.shape[1] // groups, y.shape[2]
    volume, terms, width = sizes[0], sizes[3], sizes[7]
    wide = (outputs + BLOCK - 1) // BLOCK * BLOCK
    filters = zeros(groups * terms * wide, x)  # (group, term, output)
    for group in range(groups):
        transpose(weight.reshape(-1), group * outputs * terms, terms, outputs, terms, filters, group * terms * wide, wide)
    filter_rows = np.empty(ka.size, np.int64)
    for k in range(ka.size):
        filter_rows[k] = ka[k] * wide
    results, result_rows = np.empty(POSITIONS * wide, x.dtype), row_table(POSITIONS, wide)
    image = np.empty(outputs * POSITIONS, x.dtype)
    source, target = x.reshape(-1), y.reshape(-1)
    planes = zeros(channels * volume + SLACK, x)
    for n in range(samples):
        for group in range(groups):
            deal(source, (n * groups + group) * channels * x.shape[2], channels, width, lines, volume, planes)
            at = (n * groups + group) * outputs * pixels
            for left, right, begin, end in grids:
                places, factors = kb[left:right], filter_rows[left:right]
                for p in range(begin, end, POSITIONS):
                    count, rows = min(POSITIONS, end - p), positions[p : p + POSITIONS]
                    j = group * terms * wide
                    multiply(planes, rows, places, filters, j, factors, results, result_rows, START, wide, WRITE)
                    if order.size:
                        transpose(results, START, wide, count, outputs, image, START, POSITIONS)
                        _spread(image, outputs, order[p : p + count], target[at:], pixels)
                    else:
                        transpose(results, START, wide, count, outputs, target, at + p, pixels)
            _finish(target, at, pixels, bias, group * outputs, outputs, relu)


@jit
def _spread(image, outputs, order, target, pixels):
    """target[o, order[p]] = image[o, p]."""
    alone()
    for o in range(outputs):
        source, into = image[o * POSITIONS :], target[o * pixels :]
        for p in range(order.size):
            into[order[p]] = source[p]


@jit
def _finish(y, image, pixels, bias, first, outputs, relu):
    """Bias and ReLU of the channels of one sample and group."""
    if relu or bias.size:
        least = y.dtype.type(0 if relu else -np.inf)
        for o in range(outputs):
            shift = bias[first + o] if bias.size else y.dtype.type(0)
            finish(y[image + o * pixels : image + (o + 1) * pixels], shift, least)


@jit
def sum_windows(g, x, groups, lines, rows, positions, sizes, dw):
    """dw (O, C/groups*T) = the gradient by the weight, summed over the samples given."""
    alone()
    samples, channels = x.shape[0], x.shape[1] // groups
    outputs, pixels = g.shape[1] // groups, g.shape[2]
    volume, width = sizes[0], sizes[1]
    windows = dw.shape[1]
    columns = (outputs + BLOCK - 1) // BLOCK * BLOCK
    kb = steps(min(POSITIONS, pixels), columns)
    slopes = zeros(kb.size * columns, x)
    planes = zeros(channels * volume + SLACK, x)
    total_rows = row_table(windows, columns)
    from_x, from_g, target = x.reshape(-1), g.reshape(-1), dw.reshape(-1)
    for group in range(groups):
        total = zeros(windows * columns, x)
        for n in range(samples):
            image = n * groups + group
            deal(from_x, image * channels * x.shape[2], channels, width, lines, volume, planes)
            for p in range(0, pixels, kb.size):
                count = min(kb.size, pixels - p)
                transpose(from_g, image * outputs * pixels + p, pixels, outputs, count, slopes, START, columns)
                multiply(planes, rows, positions[p : p + count], slopes, START, kb, total, total_rows, START, columns, ADD)
        transpose(total, START, columns, windows, outputs, target, group * outputs * windows, windows)
