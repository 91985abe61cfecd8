"""Loops of the convolutions over *planes*, in which the pixels that a tap meets along an output row lie side by side.

With stride 1 the plane is the padded image. A stride (sh, sw) deals the padded image into sh * sw phase planes, pixel
(i, j) into plane (i % sh, j % sw) at (i // sh, j // sw): within its plane each tap of the window has stride 1 again.
The strided access is paid once for each pixel, not once for each tap, and the inner loops below are plain copies and
sums.

Shapes: B samples, C channels, P the pixels of all planes of a channel, T taps. ``starts`` (T,) is where in P a tap
begins, and ``plane_w`` the distance between two rows.
"""

from .jit import jit


@jit
def deal(x, stride, padding, phase_shape, planes):
    """x (B, C, H, W) -> planes (B, C, P), whose border is zero already."""
    samples, channels, height, width = x.shape
    sw = stride[1]
    for n in range(samples):
        for c in range(channels):
            for i in range(height):
                source = x[n, c, i]
                for first in range(min(sw, width)):
                    target = planes[n, c, _position(i, first, stride, padding, phase_shape) :]
                    pixels = source[first:]
                    for j in range((width - first + sw - 1) // sw):
                        target[j] = pixels[j * sw]


@jit
def gather(planes, stride, padding, phase_shape, x):
    """planes (B, C, P) -> x (B, C, H, W): the inverse of ``deal``, without the border."""
    samples, channels, height, width = x.shape
    sw = stride[1]
    for n in range(samples):
        for c in range(channels):
            for i in range(height):
                target = x[n, c, i]
                for first in range(min(sw, width)):
                    source = planes[n, c, _position(i, first, stride, padding, phase_shape) :]
                    pixels = target[first:]
                    for j in range((width - first + sw - 1) // sw):
                        pixels[j * sw] = source[j]


@jit
def unfold(planes, starts, plane_w, columns):
    """planes (B, C, P) -> columns (B, C*T, rows, OW): the operand of the matrix product."""
    samples, lines, rows, width = columns.shape
    taps = starts.size
    for n in range(samples):
        for line in range(lines):
            run = planes[n, line // taps, starts[line % taps] :]
            for i in range(rows):
                source, target = run[i * plane_w :], columns[n, line, i]
                for j in range(width):
                    target[j] = source[j]


@jit
def fold_add(columns, starts, plane_w, planes):
    """planes (B, C, P) += columns (B, C*T, rows, OW): the adjoint of ``unfold``."""
    samples, lines, rows, width = columns.shape
    taps = starts.size
    for n in range(samples):
        for line in range(lines):
            run = planes[n, line // taps, starts[line % taps] :]
            for i in range(rows):
                target, source = run[i * plane_w :], columns[n, line, i]
                for j in range(width):
                    target[j] += source[j]


@jit(inline=True)
def _position(i, j, stride, padding, phase_shape):
    """Where pixel (i, j) of the image lies in P."""
    row, column = i + padding[0], j + padding[1]
    phase = row % stride[0] * stride[1] + column % stride[1]
    return (phase * phase_shape[0] + row // stride[0]) * phase_shape[1] + column // stride[1]
