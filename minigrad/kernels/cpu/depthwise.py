"""Convolutions with one input channel a group: each would be a matrix product of a single row, so no product is made.

The planes and their tables are those of ``direct``. A few vectors of neighbouring positions are summed over all taps in
registers, and the gradient by the weight multiplies a few taps with the same vectors of g.

Shapes: x (N, groups, pixels), y (N, O, positions), weight (O, T) with T taps; O is a multiple of the number of groups.
"""

import numpy as np

from .jit import jit
from .planes import SLACK, deal, finish, write_rows
from .simd import BYTES, START, alone, clear, copy, fma, load, splat, store, total, unaligned

WIDE = 4  # vectors that are summed together
ONE = np.int64(1)


def slide_tables(plan, channels, outputs, area, pixels):
    """(tables, elements of work) of ``slide`` for images of ``area`` pixels and ``channels`` and ``outputs`` of a group."""
    most = int(((plan.phases[:, 4] - 1) * plan.sizes[2] + plan.phases[:, 5]).max())
    sizes = np.array([channels, outputs, area, pixels, *plan.sizes])
    return (plan.lines, plan.ka, plan.kb, plan.phases, sizes), int(channels * plan.sizes[0] + 4 * SLACK + most + 4 * SLACK)


@jit
def slide(x, weight, bias, relu, groups, lines, ka, kb, phases, sizes, y, work, lo, hi):
    """As ``direct.slide``. For the gradient by the input, x (N, O, pixels) is g and y (N, groups, positions) the gradient.

    work: planes, sums.
    """
    alone()
    work = work[unaligned(work) :]
    channels, outputs, area, pixels, volume = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    plane_d, plane_w, terms, depth_step = sizes[5], sizes[6], sizes[7], sizes[8]
    row_step, step, width = sizes[9], sizes[10], sizes[11]
    sums = channels * volume + 4 * SLACK
    clear(work, START, sums)
    for image in range(lo * groups, hi * groups):
        deal(x, image * channels * area, channels, width, lines, volume, work)
        first, at = image % groups * outputs, image * outputs * pixels
        for o in range(outputs):
            for f in range(len(phases)):
                left, right, start, depths = phases[f, 0], phases[f, 1], phases[f, 2], phases[f, 3]
                heights, columns, place = phases[f, 4], phases[f, 5], at + o * pixels + phases[f, 6]
                count = (heights - 1) * plane_w + columns
                for d in range(depths):
                    these = weight[(first + o) * terms :]
                    _sums(these, ka[left:right], work, start + d * plane_d, kb[left:right], work[sums:], count)
                    write_rows(work, sums, START, count, plane_w, columns, y, place + d * depth_step, row_step, step)
        if relu or bias.size:
            finish(y, at, pixels, bias, first, outputs, relu)


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


def window_tables(plan, windows, channels, outputs, area, pixels):
    """(tables, elements of work) of ``sum_windows``, for ``windows`` of T."""
    volume, width, columns = plan.sizes
    count = plan.positions[pixels - 1] + 1
    sizes = np.array([outputs, area, pixels, volume, width, windows, count, columns])
    return (plan.lines, plan.rows, plan.positions, sizes), int(volume + 2 * SLACK + count + SLACK)


@jit
def sum_windows(g, x, groups, lines, rows, positions, sizes, dw, work, lo, hi):
    """As ``direct.sum_windows``. work: planes, g with the rows of the planes. Infinities meet zeros that stand between these."""
    alone()
    work = work[unaligned(work) :]
    outputs, area, pixels, volume = sizes[0], sizes[1], sizes[2], sizes[3]
    width, windows, count, columns = sizes[4], sizes[5], sizes[6], sizes[7]
    slopes = volume + 2 * SLACK
    clear(work, START, slopes + count + SLACK)
    clear(dw, START, groups * outputs * windows)
    for image in range(lo * groups, hi * groups):
        deal(x, image * area, ONE, width, lines, volume, work)
        first = image % groups * outputs
        for o in range(outputs):
            for p in range(0, pixels, columns):
                copy(g, (image * outputs + o) * pixels + p, 1, work, slopes + positions[p], 1, columns)
            _products(work[slopes:], count, work, rows, dw[(first + o) * windows : (first + o + 1) * windows])


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
