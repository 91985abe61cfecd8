"""Convolutions with one input channel a group: each would be a matrix product of a single row, so no product is made.

The planes and their tables are those of ``direct``. A few vectors of neighbouring positions are summed over all taps in
registers, and the gradient by the weight multiplies a few taps with the same vectors of g.

Shapes: x (N, groups, pixels), y (N, O, positions), weight (O, T) with T taps; O is a multiple of the number of groups.
"""

import numpy as np

from .jit import jit
from .planes import SLACK, deal, finish, write_row, write_rows
from .simd import BYTES, START, alone, fma, load, splat, store, total, zeros

WIDE = 4  # vectors that are summed together
ONE = np.int64(1)


@jit
def slide(x, weight, bias, relu, groups, lines, ka, kb, phases, sizes, y):
    """As ``direct.slide``. For the gradient by the input, x (N, O, pixels) is g and y (N, groups, positions) the gradient."""
    alone()
    samples, channels, outputs, positions = x.shape[0], x.shape[1], y.shape[1], y.shape[2]
    volume, plane_d, plane_w, depth_step, row_step, step, width = (
        sizes[0],
        sizes[1],
        sizes[2],
        sizes[4],
        sizes[5],
        sizes[6],
        sizes[7],
    )
    per_group, merged = outputs // groups, channels // groups
    most = 0
    for phase in phases:
        most = max(most, (phase[4] - 1) * plane_w + phase[5])
    planes, sums = zeros(merged * volume + 4 * SLACK, x), np.empty(most + 4 * SLACK, x.dtype)
    source, filters, target = x.reshape(-1), weight.reshape(-1), y.reshape(-1)
    for n in range(samples):
        for group in range(groups):
            deal(source, (n * groups + group) * merged * x.shape[2], merged, width, lines, volume, planes)
            for o in range(per_group):
                channel = group * per_group + o
                image = (n * outputs + channel) * positions
                these = filters[channel * weight.shape[1] :]
                for phase in phases:
                    left, right, start, depths, heights, columns, first = phase
                    count = (heights - 1) * plane_w + columns
                    for d in range(depths):
                        _sums(these, ka[left:right], planes, start + d * plane_d, kb[left:right], sums, count)
                        write_rows(
                            sums, START, START, count, plane_w, columns, target, image + first + d * depth_step, row_step, step
                        )
                if relu or bias.size:
                    shift = bias[channel] if bias.size else x.dtype.type(0)
                    finish(target[image : image + positions], shift, x.dtype.type(0 if relu else -np.inf))


@jit
def _sums(weight, ka, planes, at, kb, sums, count):
    """sums[p] = the sum over k of weight[ka[k]] * planes[at + kb[k] + p], for p < count rounded up."""
    alone()
    lanes = BYTES // sums.itemsize
    zero = splat(sums.dtype.type(0))
    for p in range(0, count, WIDE * lanes):
        a = b = c = d = zero
        for k in range(ka.size):
            factor, place = splat(weight[ka[k]]), at + kb[k] + p
            a = fma(factor, load(planes, place), a)
            b = fma(factor, load(planes, place + lanes), b)
            c = fma(factor, load(planes, place + 2 * lanes), c)
            d = fma(factor, load(planes, place + 3 * lanes), d)
        store(sums, p, a)
        store(sums, p + lanes, b)
        store(sums, p + 2 * lanes, c)
        store(sums, p + 3 * lanes, d)


@jit
def sum_windows(g, x, groups, lines, rows, positions, sizes, dw):
    """As ``direct.sum_windows``. Whether all of it is finite: infinities meet zeros here that stand between the rows."""
    alone()
    outputs, pixels = g.shape[1], g.shape[2]
    volume, width, columns = sizes[0], sizes[1], sizes[2]
    source, from_g = x.reshape(-1), g.reshape(-1)
    planes = zeros(volume + 2 * SLACK, x)
    count = positions[pixels - 1] + 1
    slopes = zeros(count + SLACK, x)  # g with the rows of the planes; zero between them
    per_group = outputs // groups
    dw[:] = 0
    for n in range(len(x)):
        for group in range(groups):
            deal(source, (n * groups + group) * x.shape[2], ONE, width, lines, volume, planes)
            for o in range(group * per_group, (group + 1) * per_group):
                for p in range(0, pixels, columns):
                    write_row(from_g, (n * outputs + o) * pixels + p, slopes, positions[p], columns)
                _products(slopes, count, planes, rows, dw[o])
    return abs(finish(dw.reshape(-1), x.dtype.type(0), x.dtype.type(-np.inf))) < np.inf


@jit
def _products(slopes, count, planes, starts, dw):
    """dw[t] += the sum over p < count of slopes[p] * planes[starts[t] + p]. The starts are filled up to a multiple of two."""
    alone()
    lanes = BYTES // slopes.itemsize
    zero = splat(slopes.dtype.type(0))
    for t in range(0, dw.size, 2):
        first, second = starts[t], starts[t + 1]
        a = b = c = d = zero
        for p in range(0, count, 2 * lanes):
            left, right = load(slopes, p), load(slopes, p + lanes)
            a = fma(left, load(planes, first + p), a)
            b = fma(right, load(planes, first + p + lanes), b)
            c = fma(left, load(planes, second + p), c)
            d = fma(right, load(planes, second + p + lanes), d)
        dw[t] += total(a + b)
        if t + 1 < dw.size:
            dw[t + 1] += total(c + d)
