"""Convolutions with one input channel a group: each would be a matrix product of a single row, so no product is made.

A padded image with rows of width ``plane_w`` is one flat array, and the pixels that one tap meets, output after
output, are one contiguous run of it; only between two output rows a few come along that no output wants. So a tap is
one long multiply-add, three at a time keep the sums in registers, and the unwanted columns are dropped or kept at
zero. ``planes`` says how strides become this case.

Shapes: planes (B, C, P), weight (O, T), y and g (B, O, OH, OW), line (R,) with R = (OH - 1) * plane_w + OW.
"""

import numpy as np

from .jit import jit


@jit
def forward(planes, weight, starts, plane_w, y):
    samples, outputs, out_h, out_w = y.shape
    per_channel = outputs // planes.shape[1]
    line = np.empty((out_h - 1) * plane_w + out_w, y.dtype)
    for n in range(samples):
        for o in range(outputs):
            _weighted_sum(planes[n, o // per_channel], weight[o], starts, line)
            for i in range(out_h):
                source, target = line[i * plane_w :], y[n, o, i]
                for j in range(out_w):
                    target[j] = source[j]


@jit
def gradient_of_input(g, weight, starts, plane_w, planes):
    """planes += the gradient."""
    samples, outputs, out_h, out_w = g.shape
    per_channel = outputs // planes.shape[1]
    line = np.zeros((out_h - 1) * plane_w + out_w, g.dtype)
    for n in range(samples):
        for o in range(outputs):
            _fill(g[n, o], plane_w, line)
            for t in range(starts.size):
                target = planes[n, o // per_channel, starts[t] :]
                w = weight[o, t]
                for j in range(line.size):
                    target[j] += w * line[j]


@jit
def gradient_of_weight(g, planes, starts, plane_w, total):
    """total (O, T) += the gradient."""
    samples, outputs, out_h, out_w = g.shape
    per_channel = outputs // planes.shape[1]
    line = np.zeros((out_h - 1) * plane_w + out_w, g.dtype)
    for n in range(samples):
        for o in range(outputs):
            _fill(g[n, o], plane_w, line)
            _inner_products(planes[n, o // per_channel], line, starts, total[o])


@jit
def _fill(image, plane_w, line):
    """image (OH, OW) -> line (R,), whose other columns stay zero."""
    for i in range(image.shape[0]):
        source, target = image[i], line[i * plane_w :]
        for j in range(source.size):
            target[j] = source[j]


@jit
def _weighted_sum(plane, weight, starts, line):
    """line (R,) = sum over the taps of weight[t] * plane[starts[t] + j]."""
    line[:] = 0
    taps = starts.size
    for t in range(0, taps - 2, 3):
        a, b, c = plane[starts[t] :], plane[starts[t + 1] :], plane[starts[t + 2] :]
        u, v, w = weight[t], weight[t + 1], weight[t + 2]
        for j in range(line.size):
            line[j] += u * a[j] + v * b[j] + w * c[j]
    for t in range(taps - taps % 3, taps):
        a, u = plane[starts[t] :], weight[t]
        for j in range(line.size):
            line[j] += u * a[j]


@jit(sums=True)
def _inner_products(plane, line, starts, total):
    """total (T,) += the product of line (R,) with the run of each tap."""
    taps = starts.size
    zero = line.dtype.type(0)
    for t in range(0, taps - 2, 3):
        a, b, c = plane[starts[t] :], plane[starts[t + 1] :], plane[starts[t + 2] :]
        u = v = w = zero
        for j in range(line.size):
            u += line[j] * a[j]
            v += line[j] * b[j]
            w += line[j] * c[j]
        total[t] += u
        total[t + 1] += v
        total[t + 2] += w
    for t in range(taps - taps % 3, taps):
        a, u = plane[starts[t] :], zero
        for j in range(line.size):
            u += line[j] * a[j]
        total[t] += u
