"""Convolution straight from the planes: a matrix product whose tables of places are the sliding window.

y[o, p] = the sum over (c, t) of weight[o, (c, t)] * plane[c, start[t] + p]: the second factor is a matrix whose rows begin
at c * P + start[t] in the planes, so no columns are built. The gradient by the input is the same sum over the planes of g, one
for each phase of the stride, with the taps that meet that phase; the weights are read in another order, not copied. The
gradient by the weight sums over positions: rows of windows times the transposed g.
This is the indirect convolution of Dukhan, "The indirect convolution algorithm", 2019, and the direct one of Georganas et al.,
"Anatomy of high-performance deep learning convolutions on SIMD architectures", 2018, without its blocked layout.

Shapes: images x (N, C, pixels) and y (N, O, positions), weight (O, C/groups*T) with T taps, all flat; ``planes`` makes the
tables. A function takes the samples lo to hi, a table of sizes and ``work``, memory whose parts begin one behind the other as
its first line tells; a ``Task`` counts how much that is. Every sum runs over its terms in one order, whatever the sizes are.
"""

import numpy as np

from .jit import jit
from .planes import BLOCK, SLACK, deal, finish, row_table, write_rows
from .simd import START, alone, clear, multiply, spread, transpose, unaligned

RESULTS = 2**16  # elements of a block of outputs that wait to be written
POSITIONS = np.int64(240)  # of an image that are worked on at once: a multiple of every number of rows of a block of sums
WRITE, ADD = np.int64(0), np.int64(1)


def slide_tables(plan, channels, outputs, area, pixels):
    """(tables, elements of work) of ``slide`` for images of ``area`` pixels and ``channels`` and ``outputs`` of a group."""
    volume, weight_step = int(plan.sizes[0]), plan.sizes[3]
    block = min(max(RESULTS // outputs // BLOCK, 1), -(-volume // BLOCK)) * BLOCK
    rows, result_rows = row_table(outputs, weight_step), row_table(outputs, block)
    sizes = np.array([channels, outputs, area, pixels, block, *plan.sizes])
    work = channels * volume + SLACK + outputs * block
    return (plan.lines, plan.ka, plan.kb, plan.phases, rows, result_rows, sizes), work


@jit
def slide(x, weight, bias, relu, groups, lines, ka, kb, phases, rows, result_rows, sizes, y, work, lo, hi):
    """y = the convolution of a plan, plus bias (O,) or (0,) for none, and max(0, y) if ``relu``; vectors of positions.

    For the gradient by the input, x is g, y is the gradient and weight is (C, O/groups*T). work: planes, results.
    """
    alone()
    work = work[unaligned(work) :]
    channels, outputs, area, pixels, block = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    volume, plane_d, plane_w, weight_step, depth_step = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
    row_step, step, width = sizes[10], sizes[11], sizes[12]
    results = channels * volume + SLACK
    clear(work, START, results)
    for image in range(lo * groups, hi * groups):
        deal(x, image * channels * area, channels, width, lines, volume, work)
        group, at = image % groups, image * outputs * pixels
        for f in range(len(phases)):
            left, right, start, depths = phases[f, 0], phases[f, 1], phases[f, 2], phases[f, 3]
            heights, columns, first = phases[f, 4], phases[f, 5], phases[f, 6]
            positions = (heights - 1) * plane_w + columns
            for d in range(depths):
                for p in range(0, positions, block):
                    count = positions - p if positions - p < block else block
                    multiply(
                        weight, group * outputs * weight_step, rows, START, outputs, ka, left, right - left,
                        work, start + d * plane_d + p, kb, work, result_rows, results, count, WRITE,
                    )  # fmt: skip
                    for o in range(outputs):
                        place = at + o * pixels + first + d * depth_step
                        write_rows(work, results + o * block, p, count, plane_w, columns, y, place, row_step, step)
        if relu or bias.size:
            finish(y, at, pixels, bias, group * outputs, outputs, relu)


def channel_tables(plan, channels, outputs, area, pixels, groups):
    """(tables, elements of work) of ``slide_channels``."""
    volume, terms, width = int(plan.sizes[0]), int(plan.sizes[3]), plan.sizes[7]
    wide = -(-outputs // BLOCK) * BLOCK
    sizes = np.array([channels, outputs, area, pixels, volume, terms, width, wide])
    tables = plan.lines, plan.ka * wide, plan.kb, plan.grids, plan.positions, plan.order, row_table(POSITIONS, wide), sizes
    work = channels * volume + SLACK + groups * terms * wide + POSITIONS * wide
    return tables, int(work + (POSITIONS * outputs if plan.order.size else 0))


@jit
def slide_channels(x, weight, bias, relu, groups, lines, factors, places, grids, positions, order, rows, sizes, y, work, lo, hi):
    """The same with vectors of output channels. work: planes, filters (group, term, output), results, those in y's order."""
    alone()
    work = work[unaligned(work) :]
    channels, outputs, area, pixels = sizes[0], sizes[1], sizes[2], sizes[3]
    volume, terms, width, wide = sizes[4], sizes[5], sizes[6], sizes[7]
    filters = channels * volume + SLACK
    results = filters + groups * terms * wide
    ordered = results + POSITIONS * wide
    clear(work, START, results)
    for group in range(groups):
        first = group * terms
        transpose(weight, first * outputs, terms, outputs, terms, work, filters + first * wide, wide)
    for image in range(lo * groups, hi * groups):
        deal(x, image * channels * area, channels, width, lines, volume, work)
        group, at = image % groups, image * outputs * pixels
        for i in range(len(grids)):
            left, right, begin, end = grids[i, 0], grids[i, 1], grids[i, 2], grids[i, 3]
            for p in range(begin, end, POSITIONS):
                count = end - p if end - p < POSITIONS else POSITIONS
                multiply(
                    work, START, positions, p, count, places, left, right - left,
                    work, filters + group * terms * wide, factors, work, rows, results, wide, WRITE,
                )  # fmt: skip
                if order.size:
                    transpose(work, results, wide, count, outputs, work, ordered, POSITIONS)
                    for o in range(outputs):
                        spread(work, ordered + o * POSITIONS, y, at + o * pixels, order, p, count)
                else:
                    transpose(work, results, wide, count, outputs, y, at + p, pixels)
        if relu or bias.size:
            finish(y, at, pixels, bias, group * outputs, outputs, relu)


def window_tables(plan, windows, channels, outputs, area, pixels):
    """(tables, elements of work) of ``sum_windows``, for ``windows`` of C/groups*T."""
    volume, width = int(plan.sizes[0]), plan.sizes[1]
    block, columns = min(POSITIONS, pixels), -(-outputs // BLOCK) * BLOCK
    sizes = np.array([channels, outputs, area, pixels, volume, width, windows, block, columns])
    factors, total_rows = np.arange(pixels) * columns, row_table(windows, columns)
    work = channels * volume + SLACK + (block + windows) * columns
    return (plan.lines, plan.rows, plan.positions, factors, total_rows, sizes), int(work)


@jit
def sum_windows(g, x, groups, lines, rows, positions, factors, total_rows, sizes, dw, work, lo, hi):
    """dw (O, C/groups*T) = the gradient by the weight, summed over the samples. work: planes, some of g, the sums."""
    alone()
    work = work[unaligned(work) :]
    channels, outputs, area, pixels = sizes[0], sizes[1], sizes[2], sizes[3]
    volume, width, windows, block, columns = sizes[4], sizes[5], sizes[6], sizes[7], sizes[8]
    slopes = channels * volume + SLACK
    total = slopes + block * columns
    clear(work, START, total)
    for group in range(groups):
        clear(work, total, windows * columns)
        for n in range(lo, hi):
            image = n * groups + group
            deal(x, image * channels * area, channels, width, lines, volume, work)
            for p in range(0, pixels, block):
                count = pixels - p if pixels - p < block else block
                transpose(g, image * outputs * pixels + p, pixels, outputs, count, work, slopes, columns)
                multiply(
                    work, START, rows, START, windows, positions, p, count,
                    work, slopes - p * columns, factors, work, total_rows, total, columns, ADD,
                )  # fmt: skip
        transpose(work, total, columns, windows, outputs, dw, group * outputs * windows, windows)
