"""Images read at given places: the operation behind ``grid_sample`` and its rules.

An output reads a few pixels, its corners, each with a weight for every axis. What lies outside of the image counts nothing:
neither an infinite pixel at the border nor a coordinate that is not a number.

Shapes: x (N, C, H, W) or (N, C, D, H, W), grid (N, *out, 2) or (N, *out, 3), y (N, C, *out); P = the product of ``out``.
"""

import functools
import itertools
import math
import operator

import numpy as np

from ..op import S, op
from .samples import normal
from .sliding import FULL


# ----------------------------------------------------------------------------------------------------------------- the corners
def _inside(xp, position, m, padding_mode, align_corners):
    """Positions moved into the image, as the padding mode says, and the slope of that: 0 on the borders and outside of them."""
    slope = xp.ones_like(position)
    if padding_mode == "zeros":
        return position, slope
    if padding_mode == "reflection":
        low, span = (0.0, m - 1.0) if align_corners else (-0.5, float(m))
        if span == 0:
            return xp.zeros_like(position), xp.zeros_like(position)
        slope = xp.where(position > low, slope, -1.0)
        distance = xp.abs(position - low)
        flips = xp.floor(distance / span)
        rest = distance - flips * span
        even = xp.equal(flips, 2.0 * xp.floor(flips * 0.5))
        position = xp.where(even, rest, span - rest) + low
        slope = xp.where(even, slope, -slope)
    slope = xp.where(xp.logical_and(position > 0.0, position < m - 1.0), slope, 0.0)
    position = xp.where(position > 0.0, position, 0.0)  # of NaN 0, too
    return xp.where(position < m - 1.0, position, m - 1.0), slope


def _taps(xp, position, m, mode, padding_mode, align_corners):
    """(place, weight, slope of the weight) along one axis; a place is a float array of whole numbers that may lie outside."""
    if mode == "bicubic":
        base = xp.floor(position)
        t = position - base
        places = [xp.round(_inside(xp, base + k, m, padding_mode, align_corners)[0]) for k in (-1.0, 0.0, 1.0, 2.0)]
        weights = _far(t + 1.0), _near(t), _near(1.0 - t), _far(2.0 - t)
        return zip(places, weights, (_far_slope(t + 1.0), _near_slope(t), -_near_slope(1.0 - t), -_far_slope(2.0 - t)))
    position, slope = _inside(xp, position, m, padding_mode, align_corners)
    if mode == "nearest":
        return [(xp.round(position), xp.ones_like(position), xp.zeros_like(position))]
    base = xp.floor(position)
    return [(base, base + 1.0 - position, -slope), (base + 1.0, position - base, slope)]


def _near(x):
    """The cubic convolution kernel for distances from 0 to 1. Keys, "Cubic convolution interpolation", 1981, a = -3/4."""
    return (1.25 * x - 2.25) * x * x + 1.0


def _near_slope(x):
    return (3.75 * x - 4.5) * x


def _far(x):
    """The cubic convolution kernel for distances from 1 to 2."""
    return ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0


def _far_slope(x):
    return (-2.25 * x + 7.5) * x - 6.0


def _corners(xp, grid, size, mode, padding_mode, align_corners):
    """For each corner: its pixel's number and whether it lies inside, both (N, P), its weights and their slopes by coordinate,
    one per axis.
    """
    n, *out, count = grid.shape
    points = xp.reshape(grid, shape=(n, math.prod(out), count))
    axes = []
    for axis, m in enumerate(size):
        c, taps = xp.getitem(points, key=(..., count - 1 - axis)), []
        position = (c + 1.0) * ((m - 1) / 2) if align_corners else ((c + 1.0) * m - 1.0) / 2.0
        for place, weight, slope in _taps(xp, position, m, mode, padding_mode, align_corners):
            inside = xp.logical_and(place >= 0.0, place <= m - 1.0)
            slope = slope * ((m - 1) / 2 if align_corners else m / 2)
            taps.append((xp.where(inside, place, 0.0), inside, xp.where(inside, weight, 0.0), xp.where(inside, slope, 0.0)))
        axes.append(taps)
    for taps in itertools.product(*axes):
        places, insides, weights, slopes = zip(*taps)
        number = places[0]
        for place, m in zip(places[1:], size[1:]):
            number = number * m + place
        yield xp.astype(number, dtype=np.int64), functools.reduce(xp.logical_and, insides), weights, slopes


def _pixels(xp, x, number, inside):
    """The pixels (N, P, C) of those numbers; 0 for what lies outside."""
    flat = xp.reshape(x, shape=(*x.shape[:2], math.prod(x.shape[2:])))
    values = xp.getitem(flat, _samples_of(xp, number), number, key=("?", FULL, "?"))
    return xp.where(_for_channels(xp, inside), values, 0.0)


def _samples_of(xp, number):
    """The number of each sample, (N, 1)."""
    return xp.reshape(xp.arange(number, n=number.shape[0]), shape=(number.shape[0], 1))


def _each(xp, weights):
    """The product over the axes, for all channels: (N, P, 1)."""
    return _for_channels(xp, functools.reduce(operator.mul, weights))


def _for_channels(xp, a):
    """(N, P) -> (N, P, 1)"""
    return xp.reshape(a, shape=(*a.shape, 1))


def _points_first(xp, g):
    """(N, C, *out) -> (N, P, C)"""
    return xp.permute_dims(xp.reshape(g, shape=(*g.shape[:2], math.prod(g.shape[2:]))), axes=(0, 2, 1))


# ------------------------------------------------------------------------------------------------------------------- the rules
def _image_rule(xp, g, grid, x_shape, mode, padding_mode, align_corners):
    """Each gradient is added, with the weights, to the pixels that were read."""
    shape, total = (*x_shape[:2], math.prod(x_shape[2:])), None
    g = _points_first(xp, g)
    for number, inside, weights, _ in _corners(xp, grid, x_shape[2:], mode, padding_mode, align_corners):
        part = xp.where(_for_channels(xp, inside), g, 0.0) * _each(xp, weights)
        part = xp.ungetitem(part, _samples_of(xp, number), number, key=("?", FULL, "?"), shape=shape)
        total = part if total is None else total + part
    return xp.reshape(total, shape=x_shape)


def _grid_rule(xp, g, x, grid, mode, padding_mode, align_corners):
    """The slopes of the weights, times the pixels that they weigh."""
    if mode == "nearest":
        return xp.zeros_like(grid)
    g, found = _points_first(xp, g), [0.0] * (x.ndim - 2)
    for number, inside, weights, slopes in _corners(xp, grid, x.shape[2:], mode, padding_mode, align_corners):
        part = xp.sum(_pixels(xp, x, number, inside) * g, axis=-1)  # (N, P)
        for axis, slope in enumerate(slopes):
            others = weights[:axis] + weights[axis + 1 :]
            found[axis] = found[axis] + functools.reduce(operator.mul, others, slope) * part
    return xp.reshape(xp.stack(*found[::-1], axis=-1), shape=grid.shape)


# --------------------------------------------------------------------------------------------------------------- for the tests
def sample_loops(x, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """One output at a time."""
    size = x.shape[2:]
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]))

    def inside(p, m):
        low, high = (0, m - 1) if align_corners else (-0.5, m - 0.5)
        if padding_mode == "reflection":
            while high > low and not low <= p <= high:
                p = 2 * low - p if p < low else 2 * high - p
            p = low if high == low else p
        return p if padding_mode == "zeros" else min(max(p, 0), m - 1)

    def kernel(d):
        d = abs(d)
        if mode == "bilinear":
            return max(0, 1 - d)
        return 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else -0.75 * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0

    for at in np.ndindex(*y.shape[2:]):
        for b in range(len(x)):
            places = []
            for m, c in zip(size, grid[b][at][::-1]):
                p = (c + 1) / 2 * (m - 1) if align_corners else ((c + 1) * m - 1) / 2
                if mode == "bicubic":
                    near = [int(np.floor(p)) + k for k in (-1, 0, 1, 2)]
                    places.append([(inside(q, m), kernel(p - q)) for q in near])
                    continue
                p = inside(p, m)
                near = [int(np.floor(p)), int(np.floor(p)) + 1]
                places.append([(int(np.rint(p)), 1)] if mode == "nearest" else [(q, kernel(p - q)) for q in near])
            for taps in itertools.product(*places):
                where = tuple(round(q) for q, _ in taps)
                if all(0 <= q < m for q, m in zip(where, size)):
                    y[(b, slice(None), *at)] += x[(b, slice(None), *where)] * np.prod([w for _, w in taps])
    return y


def sample_samples(r):
    image, grid = normal(r, 2, 2, 3, 4), normal(r, 2, 2, 2, 2)
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    cases = [(image, grid, m, p, bool(a)) for m, p, a in itertools.product(modes, paddings, (0, 1))]
    cases += [
        (normal(r, 1, 1, 2, 3, 2), normal(r, 1, 1, 2, 1, 3), m, p, False)
        for m, p in (("bilinear", "zeros"), ("nearest", "reflection"))
    ]
    cases.append((normal(r, 1, 1, 1, 2), normal(r, 1, 1, 2, 2), "bilinear", "reflection", True))
    return [S(x, g, mode=m, padding_mode=p, align_corners=a) for x, g, m, p, a in cases]


# --------------------------------------------------------------------------------------------------------------- the operation
@op(
    names="",
    vjp=(_image_rule, _grid_rule),
    formula=r"y_{n,c,i} = \sum_t w_t(p_{n,i})\, x_{n,c,k_t(p_{n,i})}",
    derivative=r"\bar x_{n,c,k} = \sum_{i,t:\, k_t = k} w_t\, \bar y_{n,c,i}, \quad "
    r"\bar p_{n,i} = \sum_{c,t} \bar y_{n,c,i}\, x_{n,c,k_t}\, \nabla w_t",
    samples=sample_samples,
    reference=sample_loops,
)
def grid_sample(xp, x, grid, *, mode, padding_mode, align_corners):
    """``x`` read at the places ``grid``, between its pixels."""
    y = None
    for number, inside, weights, _ in _corners(xp, grid, x.shape[2:], mode, padding_mode, align_corners):
        part = _pixels(xp, x, number, inside) * _each(xp, weights)
        y = part if y is None else y + part
    y = xp.contiguous(xp.permute_dims(y, axes=(0, 2, 1)))
    return xp.reshape(y, shape=(*x.shape[:2], *grid.shape[1:-1]))
