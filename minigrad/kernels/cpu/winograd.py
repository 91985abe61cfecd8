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

from functools import lru_cache

import numpy as np

from .jit import jit
from .planes import finish
from .simd import START, alone, multiply, row_table, steps, tile_transform, transpose, zeros

TILES = 64  # of a block
LANES, COLUMNS = 16, 32  # COLUMNS: a multiple of the width of every block of sums
f32 = np.float32
WRITE, ADD, ONE = np.int64(0), np.int64(1), np.int64(1)
TAPS, MATRICES = np.int64(9), np.int64(36)

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


@lru_cache(maxsize=64)
def tables(size, out, padding):
    """Places of the pixels of each tile of an image of ``size`` (tiles, 36), and of the outputs ``out`` (tiles, 16).

    What lies outside of an image is its pixel number H * W, which is kept zero, or not looked at.
    """
    down, across = -(-out[0] // 4), -(-out[1] // 4)
    corners = np.indices((down, across)).reshape(2, -1, 1) * 4

    def places(side, size, padding):
        rows, columns = corners + np.indices((side, side)).reshape(2, 1, -1) - np.reshape(padding, (2, 1, 1))
        inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
        return np.where(inside, rows * size[1] + columns, size[0] * size[1])

    return places(6, size, padding), places(4, out, (0, 0))


@jit
def slide(x, weight, bias, relu, turned, pixels, places, y):
    """y = the convolution, plus bias (O,) or (0,) for none, and max(0, y) if ``relu``. Whether all of it is finite.

    ``turned`` computes the gradient by the input, with g for x; the tables are those for g as the image, with padding 2 - p.
    """
    alone()
    samples, channels, area = x.shape
    outputs, positions = y.shape[1], y.shape[2]
    deep, wide = (channels + LANES - 1) // LANES * LANES, (outputs + COLUMNS - 1) // COLUMNS * COLUMNS
    per_sample = len(pixels)
    block = min(TILES, samples * per_sample)
    u_step = channels * wide + LANES
    u = np.empty(36 * u_step, np.float32)
    _transform_filters(weight.reshape(-1), channels, outputs, turned, wide, u, u_step)
    v_step, m_step = block * deep + LANES, block * wide + LANES
    v, m = np.empty(36 * v_step, np.float32), np.empty(36 * m_step, np.float32)
    image, result = zeros((area + 1) * deep, x), np.empty((positions + 1) * wide, np.float32)
    ka, kb = steps(channels, ONE), steps(channels, wide)
    total = f32(0)
    for begin in range(0, samples * per_sample, block):
        tiles = min(block, samples * per_sample - begin)
        _gather_inputs(x, begin, tiles, pixels, image, v, v_step, deep)
        rows, m_rows = row_table(tiles, deep), row_table(tiles, wide)
        for i in range(36):
            multiply(v[i * v_step :], rows, ka, u, i * u_step, kb, m, m_rows, i * m_step, wide, WRITE)
        total += _scatter(m, m_step, begin, tiles, places, result, wide, y, bias, relu)
    return abs(total) < np.inf


@jit
def sum_tiles(g, x, pixels, places, dw):
    """dw (O, C*9) = the gradient by the weight, summed over the samples given. Whether all of it is finite."""
    alone()
    samples, channels, area = x.shape
    outputs = g.shape[1]
    deep, wide = (channels + LANES - 1) // LANES * LANES, (outputs + COLUMNS - 1) // COLUMNS * COLUMNS
    per_sample = len(pixels)
    block = min(TILES, samples * per_sample)
    v_step, z_step, step = block * deep + LANES, block * wide + LANES, channels * wide + LANES
    v, z = np.empty(36 * v_step, np.float32), np.empty(36 * z_step, np.float32)
    image, slopes = zeros((area + 1) * deep, x), zeros((g.shape[2] + 1) * wide, x)
    total = zeros(36 * step, x)
    rows, total_rows = row_table(channels, ONE), row_table(channels, wide)
    for begin in range(0, samples * per_sample, block):
        tiles = min(block, samples * per_sample - begin)
        _gather_inputs(x, begin, tiles, pixels, image, v, v_step, deep)
        _gather_slopes(g, begin, tiles, places, slopes, z, z_step, wide)
        ka, kb = steps(tiles, deep), steps(tiles, wide)
        for i in range(36):
            multiply(v[i * v_step :], rows, ka, z, i * z_step, kb, total, total_rows, i * step, wide, ADD)
    lines = np.empty(channels * 9 * wide, np.float32)  # (channel, tap, output)
    matrices, taps = steps(MATRICES, step), steps(TAPS, ONE)
    for c in range(channels):
        for o in range(0, wide, LANES):
            transform_filter_back(total, matrices, ONE, c * wide + o, lines, taps, wide, c * 9 * wide + o)
    transpose(lines, START, wide, channels * 9, outputs, dw.reshape(-1), START, channels * 9)
    return abs(finish(dw.reshape(-1), f32(0), f32(-np.inf))) < np.inf


@jit
def _transform_filters(filters, channels, outputs, turned, wide, u, step):
    """Flat filters (O, C, 9) -> U (36, C, O); turned, filters (C, O, 9) give it with their taps in reverse order."""
    alone()
    lines = np.zeros(channels * 9 * wide, np.float32)  # (channel, tap, output)
    if turned:
        for c in range(channels):
            for o in range(outputs):
                source, target = filters[(c * outputs + o) * 9 :], lines[c * 9 * wide + o :]
                for t in range(9):
                    target[(8 - t) * wide] = source[t]
    else:
        transpose(filters, START, channels * 9, outputs, channels * 9, lines, START, wide)
    taps, matrices = steps(TAPS, ONE), steps(MATRICES, step)
    for c in range(channels):
        for o in range(0, wide, LANES):
            transform_filter(lines, taps, wide, c * 9 * wide + o, u, matrices, ONE, c * wide + o)


@jit
def _scatter(m, step, begin, tiles, places, image, wide, y, bias, relu):
    """The tiles of M (36, tiles, O) -> the images y that end among them, whose sum is returned.

    Tiles are numbered through all samples, so a block may end within one; ``image`` keeps what is there of it.
    """
    alone()
    outputs, positions = y.shape[1], y.shape[2]
    target, least = y.reshape(-1), f32(0 if relu else -np.inf)
    matrices = steps(MATRICES, step)
    total = f32(0)
    for t in range(tiles):
        n, tile = (begin + t) // len(places), (begin + t) % len(places)
        for c in range(0, wide, LANES):
            transform_output(m, matrices, ONE, t * wide + c, image, places[tile], wide, c)
        if tile == len(places) - 1:
            transpose(image, START, wide, positions, outputs, target, n * outputs * positions, positions)
            for o in range(outputs):
                line = target[(n * outputs + o) * positions : (n * outputs + o + 1) * positions]
                total += finish(line, bias[o] if bias.size else f32(0), least)
    return total


def _make_gather(transform):
    """Of some transform of tiles."""

    @jit
    def gather(x, begin, tiles, places, image, v, step, deep):
        """The tiles from ``begin`` on of images x (N, C, pixels) -> V (36, tiles, C). ``image`` keeps the last sample."""
        alone()
        channels, area = x.shape[1], x.shape[2]
        source = x.reshape(-1)
        matrices = steps(MATRICES, step)
        for t in range(tiles):
            n, tile = (begin + t) // len(places), (begin + t) % len(places)
            if tile == 0:
                transpose(source, n * channels * area, area, channels, area, image, START, deep)
            for c in range(0, deep, LANES):
                transform(image, places[tile], deep, c, v, matrices, ONE, t * deep + c)

    return gather


_gather_inputs, _gather_slopes = _make_gather(transform_input), _make_gather(transform_slope)
