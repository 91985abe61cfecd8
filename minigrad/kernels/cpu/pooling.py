"""Pooling over windows of (N, C, H, W), one plane (H, W) after the other.

Shapes: planes (Q, H, W) with Q = N*C, results (Q, OH, OW).
"""

import numpy as np

from .jit import jit


def max_pool2d(x, *, kernel_size, stride, padding, dilation, out_size):
    """(values, indices), both (N, C, OH, OW); an index counts through the H*W pixels of its plane, as in PyTorch."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *out_size), x.dtype)
    indices = np.empty(y.shape, np.int64)
    is_halving = kernel_size == stride == (2, 2) and padding == (0, 0) and dilation == (1, 1)
    if is_halving and 2 * out_size[0] <= x.shape[2] and 2 * out_size[1] <= x.shape[3]:
        _max_of_squares(_planes(x), _planes(y), _planes(indices))
    else:
        _max_of_windows(_planes(x), kernel_size, stride, padding, dilation, _planes(y), _planes(indices))
    return y, indices


def max_unpool_add(g, indices, *, size):
    """dx (N, C, H, W): zeros, with g added at its indices. The adjoint of picking the maxima."""
    g, indices = np.ascontiguousarray(g), np.ascontiguousarray(indices)
    dx = np.empty((*g.shape[:2], *size), g.dtype)
    planes = g.shape[0] * g.shape[1]
    bad = _scatter_add(g.reshape(planes, -1), indices.reshape(planes, -1), dx.reshape(planes, -1))
    if bad >= 0:
        raise IndexError(f"index {indices.flat[bad]} is outside a plane of {size[0]} x {size[1]} pixels")
    return dx


def avg_pool2d(x, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """y (N, C, OH, OW)."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *out_size), x.dtype)
    scales = _scales(x.shape[2:], kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    _sum_of_windows(_planes(x), kernel_size, stride, padding, scales.astype(x.dtype), _planes(y))
    return y


def avg_pool2d_dx(g, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override, size):
    """dx (N, C, H, W), with size = (H, W)."""
    g = np.ascontiguousarray(g)
    dx = np.empty((*g.shape[:2], *size), g.dtype)
    scales = _scales(size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    _spread_over_windows(_planes(g), kernel_size, stride, padding, scales.astype(g.dtype), _planes(dx))
    return dx


def _planes(images):
    """(N, C, H, W) -> (N*C, H, W), a view."""
    return images.reshape(-1, *images.shape[2:])


def _scales(size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """1 / (number of pixels that a window counts), (OH, OW)."""
    if divisor_override:
        return np.full(out_size, 1 / divisor_override)
    counts = []
    for pixels, kernel, step, pad, out in zip(size, kernel_size, stride, padding, out_size, strict=True):
        start = np.arange(out) * step - pad
        stop = np.minimum(start + kernel, pixels + pad)  # a window of ceil_mode may hang over the padding
        counts.append(stop - start if count_include_pad else np.minimum(stop, pixels) - np.maximum(start, 0))
    return 1 / np.outer(*counts)


@jit
def _max_of_squares(planes, y, indices):
    """2 x 2 windows side by side, the common case: no borders, and the loop over a row is vectorised."""
    width = planes.shape[2]
    for q in range(y.shape[0]):
        for i in range(y.shape[1]):
            top, bottom = planes[q, 2 * i], planes[q, 2 * i + 1]
            best_row, index_row = y[q, i], indices[q, i]
            first = 2 * i * width
            for j in range(best_row.size):
                best, offset = _better(top[2 * j], 0, top[2 * j + 1], 1)
                best, offset = _better(best, offset, bottom[2 * j], width)
                best, offset = _better(best, offset, bottom[2 * j + 1], width + 1)
                best_row[j] = best
                index_row[j] = first + 2 * j + offset


@jit
def _max_of_windows(planes, kernel_size, stride, padding, dilation, y, indices):
    _, height, width = planes.shape
    worst = planes.dtype.type(-np.inf)
    for q in range(y.shape[0]):
        plane = planes[q]
        for i in range(y.shape[1]):
            first_row, rows = _clip(i * stride[0] - padding[0], kernel_size[0], dilation[0], height)
            for j in range(y.shape[2]):
                first, columns = _clip(j * stride[1] - padding[1], kernel_size[1], dilation[1], width)
                best, index = worst, min(first_row, height - 1) * width + min(first, width - 1)
                for a in range(rows):
                    start = (first_row + a * dilation[0]) * width + first
                    row = plane[first_row + a * dilation[0], first:]
                    for b in range(columns):
                        best, index = _better(best, index, row[b * dilation[1]], start + b * dilation[1])
                y[q, i, j] = best
                indices[q, i, j] = index


@jit(inline=True)
def _better(best, index, value, at):
    """The first of equal maxima, but the last of several NaN, as in PyTorch."""
    takes = (value > best) | (value != value)
    return value if takes else best, at if takes else index


@jit
def _scatter_add(g, indices, dx):
    """dx (Q, H*W) = g (Q, OH*OW) added at the indices. Returns the position of an index that is out of range, or -1."""
    pixels = dx.shape[1]
    for q in range(g.shape[0]):
        values, targets, row = g[q], indices[q], dx[q]
        row[:] = 0  # here, where the plane stays in cache until it is written again
        for j in range(values.size):
            if targets[j] < 0 or targets[j] >= pixels:
                return q * values.size + j
            row[targets[j]] += values[j]
    return -1


@jit
def _sum_of_windows(planes, kernel_size, stride, padding, scales, y):
    """Sums the rows of a window first: that is a vector addition, whatever the stride."""
    _, height, width = planes.shape
    firsts, counts = _clips(y.shape[2], stride[1], padding[1], kernel_size[1], width)
    line = np.empty(width, planes.dtype)
    for q in range(y.shape[0]):
        for i in range(y.shape[1]):
            first_row, rows = _clip(i * stride[0] - padding[0], kernel_size[0], 1, height)
            line[:] = 0
            for a in range(rows):
                row = planes[q, first_row + a]
                for j in range(width):
                    line[j] += row[j]
            result, scale = y[q, i], scales[i]
            for j in range(result.size):
                window = line[firsts[j] :]
                total = line.dtype.type(0)
                for b in range(counts[j]):
                    total += window[b]
                result[j] = total * scale[j]


@jit
def _spread_over_windows(g, kernel_size, stride, padding, scales, planes):
    """planes (Q, H, W) = each gradient, shared out over its window: along a row first, then to all its rows."""
    _, height, width = planes.shape
    firsts, counts = _clips(g.shape[2], stride[1], padding[1], kernel_size[1], width)
    line = np.empty(width, planes.dtype)
    for q in range(g.shape[0]):
        planes[q] = 0
        for i in range(g.shape[1]):
            first_row, rows = _clip(i * stride[0] - padding[0], kernel_size[0], 1, height)
            gradient, scale = g[q, i], scales[i]
            line[:] = 0
            for j in range(gradient.size):
                window, share = line[firsts[j] :], gradient[j] * scale[j]
                for b in range(counts[j]):
                    window[b] += share
            for a in range(rows):
                row = planes[q, first_row + a]
                for j in range(width):
                    row[j] += line[j]


@jit
def _clips(outputs, stride, padding, taps, size):
    """_clip for each output along an axis."""
    firsts, counts = np.empty(outputs, np.int64), np.empty(outputs, np.int64)
    for j in range(outputs):
        firsts[j], counts[j] = _clip(j * stride - padding, taps, 1, size)
    return firsts, counts


@jit(inline=True)
def _clip(start, taps, dilation, size):
    """The first tap of a window inside [0, size), and how many follow it, itself included."""
    skipped = (-start + dilation - 1) // dilation if start < 0 else 0
    first = start + skipped * dilation
    inside = (size - first + dilation - 1) // dilation if first < size else 0
    return first, max(0, min(taps - skipped, inside))
