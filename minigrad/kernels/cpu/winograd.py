"""Convolutions with a 3 x 3 window and stride 1 by Winograd's F(4 x 4, 3 x 3): a quarter of the multiplications.

Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015. A tile d of 6 x 6 pixels and a filter f of 3 x 3 give
4 x 4 outputs A' [(G f G') * (B' d B)] A, where * is the product of elements. Summed over channels, these are 36 matrix
products, (tiles, C) times (C, O). The gradient by the input is the same with the filters turned by half a circle, their
channels exchanged and padding 2 - p. The gradient by the weight is G' [(B' d B) * (A g A')] G, with the sum over all tiles
inside the brackets.

Rounding: float32 only. The points 0, 1, -1, 2, -2 amplify rounding: the error is below 2e-5 of the largest result where the
direct sum's is below 2e-6, and it is relative to the whole tile, not to the window. Where an infinity, NaN or overflow makes
a result that is not finite, False is returned: the same call of ``direct`` gives these exactly where they belong.

Shapes: images (N, C, pixels), weight (O, C*9); V, U and M hold 36 matrices: V (36, tiles, C), U (36, C, O), M (36, tiles, O).
Channels are last there and the vectors run along them, C and O rounded up to whole vectors. Tiles are done in blocks, so that V
and M stay in the second-level cache; between two matrices lies a vector more, or all of
a tile would fall into one set of the first-level cache.
"""

from math import prod

import numpy as np

from .jit import jit
from .planes import finish, row_table
from .simd import START, alone, clear, multiply, transpose, unaligned
from .transforms import tile_transform

TILES = 64  # of a block
LANES, COLUMNS = 16, 32  # COLUMNS: a multiple of the width of every block of sums
f32 = np.float32
WRITE, ADD = np.int64(0), np.int64(1)
TAPS = np.int64(9)
MATRICES = np.arange(36)

# B', A' and G for the points 0, 1, -1, 2, -2 and infinity
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
_FILTER = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24

transform_input, transform_output = tile_transform(_INPUT), tile_transform(_OUTPUT)
transform_slope = tile_transform(_OUTPUT.T)
transform_filter, transform_filter_back = tile_transform(_FILTER), tile_transform(_FILTER.T)


def _places(size, out, padding):
    """Places of the pixels of each tile of an image of ``size``, 36 a tile, and of the outputs ``out``, 16 a tile.

    What lies outside of an image is its pixel number H * W, which is kept zero, or not looked at.
    """
    down, across = -(-out[0] // 4), -(-out[1] // 4)
    corners = np.indices((down, across)).reshape(2, -1, 1) * 4

    def places(side, size, padding):
        rows, columns = corners + np.indices((side, side)).reshape(2, 1, -1) - np.reshape(padding, (2, 1, 1))
        inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
        return np.where(inside, rows * size[1] + columns, size[0] * size[1]).reshape(-1)

    return places(6, size, padding), places(4, out, (0, 0))


def _sizes(channels, outputs, size, out, padding, samples):
    """(places of the pixels, places of the outputs, the tiles of a block, C and O in whole vectors, the sizes as a table)."""
    pixels, places = _places(size, out, padding)
    count, deep, wide = len(pixels) // 36, -(-channels // LANES) * LANES, -(-outputs // COLUMNS) * COLUMNS
    block = min(TILES, samples * count)
    return pixels, places, block, deep, wide, np.array([channels, outputs, prod(size), prod(out), count, block, deep, wide])


def slide_tables(channels, outputs, size, out, padding, turned, samples):
    """(tables, elements of work) of ``slide``. Backwards, these are those for g as the image, with padding 2 - p."""
    pixels, places, block, deep, wide, sizes = _sizes(channels, outputs, size, out, padding, samples)
    taps = np.arange(9)[:: -1 if turned else 1].copy()
    tables = turned, pixels, places, taps, np.arange(channels), np.arange(channels) * wide
    u, v, m = channels * wide + LANES, block * deep + LANES, block * wide + LANES
    work = (prod(size) + 1) * deep + channels * 9 * wide + (prod(out) + 1) * wide + 36 * (u + v + m)
    return (*tables, row_table(block, deep), row_table(block, wide), sizes), work


@jit
def slide(x, weight, bias, relu, turned, pixels, places, taps, ka, kb, rows, m_rows, sizes, y, work, lo, hi):
    """y = the convolution, plus bias (O,) or (0,) for none, and max(0, y) if ``relu``. Whether all of it is finite.

    ``turned`` computes the gradient by the input, with g for x.
    work: an image, filters (channel, tap, output), a result, U, V, M.
    """
    alone()
    work = work[unaligned(work) :]
    channels, outputs, area, positions = sizes[0], sizes[1], sizes[2], sizes[3]
    count, block, deep, wide = sizes[4], sizes[5], sizes[6], sizes[7]
    lines = (area + 1) * deep
    result = lines + channels * 9 * wide
    u_step, v_step, m_step = channels * wide + LANES, block * deep + LANES, block * wide + LANES
    u = result + (positions + 1) * wide
    v = u + 36 * u_step
    m = v + 36 * v_step
    clear(work, START, result)
    if turned:
        for c in range(channels):
            transpose(weight, c * outputs * TAPS, TAPS, outputs, TAPS, work, lines + c * 9 * wide, wide)
    else:
        transpose(weight, START, channels * 9, outputs, channels * 9, work, lines, wide)
    for c in range(channels):
        for o in range(0, wide, LANES):
            transform_filter(work, taps, 0, wide, lines + c * 9 * wide + o, work, MATRICES, 0, u_step, u + c * wide + o)
    total = f32(0)
    for begin in range(lo * count, hi * count, block):
        tiles = hi * count - begin if hi * count - begin < block else block
        gather_inputs(x, channels, area, begin, tiles, count, pixels, work, START, v, v_step, deep)
        for i in range(36):
            multiply(
                work, v + i * v_step, rows, START, tiles, ka, START, channels,
                work, u + i * u_step, kb, work, m_rows, m + i * m_step, wide, WRITE,
            )  # fmt: skip
        for t in range(begin, begin + tiles):
            n, tile = t // count, t % count
            for c in range(0, wide, LANES):
                transform_output(work, MATRICES, 0, m_step, m + (t - begin) * wide + c, work, places, tile * 16, wide, result + c)
            if tile == count - 1:
                at = n * outputs * positions
                transpose(work, result, wide, positions, outputs, y, at, positions)
                total += finish(y, at, positions, bias, START, outputs, relu)
    return abs(total) < np.inf


def sum_tables(channels, outputs, size, out, padding, samples):
    """(tables, elements of work) of ``sum_tiles``."""
    pixels, places, block, deep, wide, sizes = _sizes(channels, outputs, size, out, padding, samples)
    tables = pixels, places, np.arange(block) * deep, np.arange(block) * wide
    v, z, total = block * deep + LANES, block * wide + LANES, channels * wide + LANES
    work = (prod(size) + 1) * deep + (prod(out) + 1) * wide + 36 * (v + z + total) + channels * 9 * wide
    return (*tables, row_table(channels, 1), row_table(channels, wide), sizes), work


@jit
def sum_tiles(g, x, pixels, places, ka, kb, rows, total_rows, sizes, dw, work, lo, hi):
    """dw (O, C*9) = the gradient by the weight, summed over the samples.

    work: an image, one of g, sums (36, C, O), V, those of g (36, tiles, O), the result (channel, tap, output).
    """
    alone()
    work = work[unaligned(work) :]
    channels, outputs, area, positions = sizes[0], sizes[1], sizes[2], sizes[3]
    count, block, deep, wide = sizes[4], sizes[5], sizes[6], sizes[7]
    slopes, v_step, z_step, step = (area + 1) * deep, block * deep + LANES, block * wide + LANES, channels * wide + LANES
    total = slopes + (positions + 1) * wide
    v = total + 36 * step
    z = v + 36 * v_step
    lines = z + 36 * z_step
    clear(work, START, v)
    for begin in range(lo * count, hi * count, block):
        tiles = hi * count - begin if hi * count - begin < block else block
        gather_inputs(x, channels, area, begin, tiles, count, pixels, work, START, v, v_step, deep)
        gather_slopes(g, outputs, positions, begin, tiles, count, places, work, slopes, z, z_step, wide)
        for i in range(36):
            multiply(
                work, v + i * v_step, rows, START, channels, ka, START, tiles,
                work, z + i * z_step, kb, work, total_rows, total + i * step, wide, ADD,
            )  # fmt: skip
    for c in range(channels):
        for o in range(0, wide, LANES):
            target = lines + c * 9 * wide + o
            transform_filter_back(work, MATRICES, 0, step, total + c * wide + o, work, MATRICES, 0, wide, target)
    transpose(work, lines, wide, channels * 9, outputs, dw, START, channels * 9)


def _make_gather(transform, side):
    """Of some transform of tiles of side * side pixels."""

    @jit
    def gather(x, channels, area, begin, tiles, count, places, work, image, v, step, deep):
        """The tiles from ``begin`` on of images x (N, C, pixels) -> V (36, tiles, C). ``image`` keeps the last sample."""
        alone()
        for t in range(begin, begin + tiles):
            tile = t % count
            if tile == 0:
                transpose(x, t // count * channels * area, area, channels, area, work, image, deep)
            for c in range(0, deep, LANES):
                transform(work, places, tile * side * side, deep, image + c, work, MATRICES, 0, step, v + (t - begin) * deep + c)

    return gather


gather_inputs, gather_slopes = _make_gather(transform_input, 6), _make_gather(transform_slope, 4)
