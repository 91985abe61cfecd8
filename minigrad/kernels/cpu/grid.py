"""Images read at given places, and both gradients.

The outputs come in blocks. Of a block, the four pixels that each output lies between and their weights are found first, for
all channels at once. A pixel outside of the image has the number OUTSIDE and counts nothing, whatever its weight: whether a
coordinate is huge, infinite or not a number, no other number ever reaches an image.

Shapes: planes (N, C, H * W), points (N, P, 2), results (N, C, P); of a block of B outputs: pixels and weights (4, B).
"""

import numpy as np

from .jit import jit
from .threads import split

OUTSIDE = np.uint32(2**32 - 1)  # the number of no pixel
BLOCK = 512  # outputs whose pixels and weights stay in the nearest cache
WORK = 6  # of an output, in elements of a simple loop


def grid_sample(x, grid, *, mode, padding_mode, align_corners):
    """y (N, C, OH, OW), and nothing that the gradients would need."""
    planes, points = planes_of(x), points_of(grid)
    y = np.empty((*x.shape[:2], *grid.shape[1:3]), x.dtype)
    results, blocks = planes_of(y), blocks_of(points)
    how = settings(x.shape, mode, padding_mode, align_corners)
    split(lambda lo, hi: read(planes, points, how, lo, hi, results), len(x) * blocks, WORK * y.size)
    return y, None


def grid_sample_backward(g, saved, residual, needed, *, mode, padding_mode, align_corners):
    """[dx, dgrid], None for what is not needed."""
    x_shape, points, dx, dgrid = saved["x_shape"], points_of(saved["grid"]), None, None
    how = settings(x_shape, mode, padding_mode, align_corners)
    gradients, work = planes_of(g), WORK * g.size
    if needed[0]:
        dx = np.empty(x_shape, g.dtype)
        targets = planes_of(dx)
        split(lambda lo, hi: spread(gradients, points, how, lo, hi, targets), x_shape[0] * -(-x_shape[1] // 4), work)
    if needed[1]:
        dgrid = np.zeros(saved["grid"].shape, g.dtype)
        if mode == "bilinear":
            planes, slopes = planes_of(saved["x"]), points_of(dgrid)
            split(lambda lo, hi: lean(gradients, planes, points, how, lo, hi, slopes), len(points) * blocks_of(points), work)
    return [dx, dgrid]


def settings(x_shape, mode, padding_mode, align_corners):
    """What the compiled functions call ``how``: ((H, W), nearest, whether positions move into the image, reflects, corners)."""
    return tuple(x_shape[2:]), mode == "nearest", padding_mode != "zeros", padding_mode == "reflection", align_corners


def planes_of(x):
    """(N, C, H, W) -> (N, C, H * W)"""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], -1)


def points_of(grid):
    """(N, OH, OW, 2) -> (N, P, 2)"""
    return np.ascontiguousarray(grid).reshape(len(grid), -1, 2)


def blocks_of(points):
    return -(-points.shape[1] // BLOCK)


# ------------------------------------------------------------------------------------------------------------------ the pixels
@jit(exact=True)
def along(points, axis, m, how, first, shares, slopes):
    """Of coordinates points[:, axis]: the pixel before each, -2 where that and the next one lie outside; the weights of both
    (2, B); how the position changes with the coordinate. It rounds as the text does: a position on a pixel stays there.
    """
    _, nearest, moves, reflects, corners = how
    size, kind = len(points), shares.dtype.type
    positions, of_next, first, slopes = shares[0, :size], shares[1, :size], first[:size], slopes[:size]
    zero, half, one, two, last, count = kind(0), kind(0.5), kind(1), kind(2), kind(m - 1), kind(m)
    low, span, scale = (zero, last, last * half) if corners else (-half, count, count * half)
    for j in range(size):
        c = points[j, axis] + one
        positions[j] = c * scale if corners else (c * span - one) * half
        slopes[j] = scale
    if reflects:
        for j in range(size):
            distance = abs(positions[j] - low)
            flips = np.floor(distance / span)
            rest = distance - flips * span
            even = flips == two * np.floor(flips * half)
            slopes[j] = slopes[j] if even == (positions[j] > low) else -slopes[j]
            positions[j] = (rest if even else span - rest) + low
    if moves:
        for j in range(size):
            p = positions[j]
            slopes[j] = slopes[j] if (p > zero) & (p < last) else zero
            p = p if p > zero else zero  # of NaN 0, too; and so it is where span is 0
            positions[j] = p if p < last else last
    for j in range(size):
        p = positions[j]
        p = p if (p >= -one) & (p < count) else -two
        base = np.floor(p)
        if nearest:
            rest, odd = p - base, base != two * np.floor(base * half)
            p = base = base + one if (rest > half) | ((rest == half) & odd) else base
        first[j] = np.int32(base)
        positions[j], of_next[j] = base + one - p, p - base


@jit
def corners_of(points, how, places, shares, slopes, pixels, weights):
    """The numbers of the four pixels around each of the points (B, 2), and their weights."""
    height, width = np.int32(how[0][0]), np.int32(how[0][1])
    count = len(points)
    for axis in range(2):
        along(points, axis, how[0][1 - axis], how, places[axis], shares[axis], slopes[axis])
    rows, columns = places[1], places[0]
    for corner in range(4):
        down, across = np.int32(corner // 2), np.int32(corner % 2)
        of_row, of_column, numbers, products = shares[1, down], shares[0, across], pixels[corner], weights[corner]
        for j in range(count):
            i, k = np.int32(rows[j] + down), np.int32(columns[j] + across)
            inside = (i >= 0) & (i < height) & (k >= 0) & (k < width)
            numbers[j] = np.uint32(i * width + k) if inside else OUTSIDE
            products[j] = of_row[j] * of_column[j]


@jit
def scratch(like):
    """Memory for one block: places, shares, slopes (by axis x, y), pixels and weights."""
    return (
        np.empty((2, BLOCK), np.int32),
        np.empty((2, 2, BLOCK), like.dtype),
        np.empty((2, BLOCK), like.dtype),
        np.empty((4, BLOCK), np.uint32),
        np.empty((4, BLOCK), like.dtype),
    )


@jit(inline=True)
def pixel(plane, number):
    value = plane[number if number != OUTSIDE else np.uint32(0)]
    return value if number != OUTSIDE else plane.dtype.type(0)


# -------------------------------------------------------------------------------------------------------------------- forth
@jit
def read(planes, points, how, lo, hi, y):
    """y of the blocks from lo to hi, counted through all samples."""
    places, shares, slopes, pixels, weights = scratch(planes)
    blocks, channels = -(-points.shape[1] // BLOCK), planes.shape[1]
    for unit in range(lo, hi):
        n, start = unit // blocks, unit % blocks * BLOCK
        block = points[n, start : start + BLOCK]
        corners_of(block, how, places, shares, slopes, pixels, weights)
        for c in range(0, channels - 3, 4):
            read_some(planes[n, c:], how, pixels, weights, y[n, c:], start, len(block), 4)
        if channels % 4 == 3:
            read_some(planes[n, channels - 3 :], how, pixels, weights, y[n, channels - 3 :], start, len(block), 3)
        else:
            for c in range(channels - channels % 4, channels):
                read_some(planes[n, c:], how, pixels, weights, y[n, c:], start, len(block), 1)


@jit(inline=True)
def read_some(planes, how, pixels, weights, y, start, size, count):
    """One block of the first ``count`` channels, a constant: what is found out about an output serves all of them."""
    if how[1]:
        for j in range(size):
            number = pixels[0, j]
            for k in range(count):
                y[k, start + j] = pixel(planes[k], number)
        return
    for j in range(size):
        a, b, c, d = pixels[0, j], pixels[1, j], pixels[2, j], pixels[3, j]
        u, v, w, x = weights[0, j], weights[1, j], weights[2, j], weights[3, j]
        if a != OUTSIDE and d != OUTSIDE:  # then all four are inside
            for k in range(count):
                y[k, start + j] = (planes[k, a] * u + planes[k, b] * v) + (planes[k, c] * w + planes[k, d] * x)
        else:
            for k in range(count):
                p = planes[k]
                y[k, start + j] = (pixel(p, a) * u + pixel(p, b) * v) + (pixel(p, c) * w + pixel(p, d) * x)


# --------------------------------------------------------------------------------------------------------------------- back
@jit
def spread(g, points, how, lo, hi, dx):
    """dx of the groups of four channels from lo to hi, counted through all samples; what comes to a pixel is added in the order
    of the points.
    """
    places, shares, slopes, pixels, weights = scratch(g)
    groups = -(-g.shape[1] // 4)
    n = lo // groups
    while n * groups < hi:
        first, last = max(lo - n * groups, 0) * 4, min((hi - n * groups) * 4, g.shape[1])
        rest = (last - first) % 4
        dx[n, first:last] = 0
        for start in range(0, points.shape[1], BLOCK):
            block = points[n, start : start + BLOCK]
            corners_of(block, how, places, shares, slopes, pixels, weights)
            for c in range(first, last - 3, 4):
                spread_some(g[n, c:], how, pixels, weights, dx[n, c:], start, len(block), 4)
            if rest == 3:
                spread_some(g[n, last - 3 :], how, pixels, weights, dx[n, last - 3 :], start, len(block), 3)
            else:
                for c in range(last - rest, last):
                    spread_some(g[n, c:], how, pixels, weights, dx[n, c:], start, len(block), 1)
        n += 1


@jit(inline=True)
def spread_some(g, how, pixels, weights, dx, start, size, count):
    """One block of the gradients of the first ``count`` channels."""
    if how[1]:
        for j in range(size):
            number = pixels[0, j]
            if number != OUTSIDE:
                for k in range(count):
                    dx[k, number] += g[k, start + j]
        return
    for j in range(size):
        a, b, c, d = pixels[0, j], pixels[1, j], pixels[2, j], pixels[3, j]
        u, v, w, x = weights[0, j], weights[1, j], weights[2, j], weights[3, j]
        if a != OUTSIDE and d != OUTSIDE:
            for k in range(count):
                dx[k, a] += g[k, start + j] * u
                dx[k, b] += g[k, start + j] * v
                dx[k, c] += g[k, start + j] * w
                dx[k, d] += g[k, start + j] * x
        else:
            for corner in range(4):
                number, weight = pixels[corner, j], weights[corner, j]
                if number != OUTSIDE:
                    for k in range(count):
                        dx[k, number] += g[k, start + j] * weight


@jit
def lean(g, planes, points, how, lo, hi, dgrid):
    """dgrid (N, P, 2) of the blocks from lo to hi: for each corner its pixels times the gradients, summed over the channels."""
    places, shares, slopes, pixels, sums = scratch(g)
    blocks, channels = -(-points.shape[1] // BLOCK), planes.shape[1]
    for unit in range(lo, hi):
        n, start = unit // blocks, unit % blocks * BLOCK
        block = points[n, start : start + BLOCK]
        corners_of(block, how, places, shares, slopes, pixels, sums)
        sums[:] = 0  # in the place of the weights
        for c in range(0, channels - 3, 4):
            lean_some(g[n, c:], planes[n, c:], pixels, sums, start, len(block), 4)
        if channels % 4 == 3:
            lean_some(g[n, channels - 3 :], planes[n, channels - 3 :], pixels, sums, start, len(block), 3)
        else:
            for c in range(channels - channels % 4, channels):
                lean_some(g[n, c:], planes[n, c:], pixels, sums, start, len(block), 1)
        for j in range(len(block)):
            a, b, c, d = sums[0, j], sums[1, j], sums[2, j], sums[3, j]
            dgrid[n, start + j, 0] = ((b - a) * shares[1, 0, j] + (d - c) * shares[1, 1, j]) * slopes[0, j]
            dgrid[n, start + j, 1] = ((c - a) * shares[0, 0, j] + (d - b) * shares[0, 1, j]) * slopes[1, j]


@jit(inline=True)
def lean_some(g, planes, pixels, sums, start, size, count):
    """One block of the first ``count`` channels."""
    for j in range(size):
        a, b, c, d = pixels[0, j], pixels[1, j], pixels[2, j], pixels[3, j]
        u, v, w, x = sums[0, j], sums[1, j], sums[2, j], sums[3, j]
        if a != OUTSIDE and d != OUTSIDE:
            for k in range(count):
                u += planes[k, a] * g[k, start + j]
                v += planes[k, b] * g[k, start + j]
                w += planes[k, c] * g[k, start + j]
                x += planes[k, d] * g[k, start + j]
        else:
            for k in range(count):
                p, q = planes[k], g[k, start + j]
                u += pixel(p, a) * q
                v += pixel(p, b) * q
                w += pixel(p, c) * q
                x += pixel(p, d) * q
        sums[0, j], sums[1, j], sums[2, j], sums[3, j] = u, v, w, x
