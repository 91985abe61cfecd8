"""conv2d and its two derivatives: unfold some samples or rows into a buffer that stays in cache, then multiply.

The loops are Numba's; the product is NumPy's ``matmul``, that is its BLAS with its threads. ``planes`` explains the
layout.

Shapes: x (N, C, H, W), weight (O, C/groups, KH, KW), y and g (N, O, OH, OW). A block holds B samples, or some rows of
one sample, and M pixels of each; T = KH*KW.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import depthwise, planes

BLOCK = 768 * 1024  # bytes of unfolded columns: more would fall out of the second-level cache


@dataclass(frozen=True)
class Geometry:
    """Where the taps of one convolution lie in its planes."""

    stride: tuple
    padding: tuple
    out_size: tuple  # (OH, OW)
    phase_shape: tuple  # rows and columns of one phase plane
    plane_size: int  # P: all phases of one channel
    starts: np.ndarray  # (T,) int64
    is_plane: bool  # the image is its own plane: nothing to deal out

    @property
    def is_pointwise(self):
        return self.is_plane and self.starts.size == 1

    def blocks(self, x):
        """(slice of samples, row blocks): as many samples of x as fit, or else as many rows of one.

        A row block is (starts of its taps, shape of its columns for one channel, slice of its pixels).
        """
        rows, width = self.out_size
        fitting = max(1, BLOCK // (x.shape[1] * self.starts.size * width * x.itemsize))
        samples = max(1, fitting // rows)
        row_blocks = []
        for i in range(0, rows, fitting):
            height = min(fitting, rows - i)
            pixels = slice(i * width, (i + height) * width)
            row_blocks.append((self.starts + i * self.phase_shape[1], (height, width), pixels))
        return [(slice(n, n + samples), row_blocks) for n in range(0, len(x), samples)]


@lru_cache(maxsize=256)
def geometry(size, kernel, stride, padding, dilation):
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    plane_h, plane_w = -(-(size[0] + 2 * ph) // sh), -(-(size[1] + 2 * pw) // sw)  # rounded up
    starts = [
        ((a % sh * sw + b % sw) * plane_h + a // sh) * plane_w + b // sw
        for a in range(0, kernel[0] * dh, dh)
        for b in range(0, kernel[1] * dw, dw)
    ]
    return Geometry(
        stride=stride,
        padding=padding,
        out_size=(
            (size[0] + 2 * ph - dh * (kernel[0] - 1) - 1) // sh + 1,
            (size[1] + 2 * pw - dw * (kernel[1] - 1) - 1) // sw + 1,
        ),
        phase_shape=(plane_h, plane_w),
        plane_size=sh * sw * plane_h * plane_w,
        starts=np.array(starts, np.int64),
        is_plane=stride == (1, 1) and padding == (0, 0),
    )


def conv2d(x, weight, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """y (N, O, OH, OW)."""
    if _only_skips(weight.shape[2:], stride, padding):
        return conv2d(x[:, :, :: stride[0], :: stride[1]], weight, groups=groups)
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    at = geometry(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.empty((len(x), len(weight), *at.out_size), x.dtype)
    filters, outputs = _filters(weight, groups), _pixels(y, groups)
    if at.is_pointwise:
        np.matmul(filters, _pixels(x, groups), out=outputs)
    elif groups > 1 and weight.shape[1] == 1:
        depthwise.forward(_deal(x, at), weight.reshape(len(weight), -1), at.starts, at.phase_shape[1], y)
    else:
        for samples, row_blocks in at.blocks(x):
            source = _deal(x[samples], at)
            for starts, shape, pixels in row_blocks:
                columns = _unfold(source, starts, shape, at, groups)
                np.matmul(filters, columns, out=outputs[samples, :, :, pixels])
    return y


def conv2d_dx(g, weight, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, size):
    """dx (N, C, H, W), with size = (H, W)."""
    shape = (len(g), weight.shape[1] * groups, *size)
    if _only_skips(weight.shape[2:], stride, padding):
        dx = np.zeros(shape, g.dtype)
        dx[:, :, :: stride[0], :: stride[1]] = conv2d_dx(g, weight, groups=groups, size=g.shape[2:])
        return dx
    g, weight = np.ascontiguousarray(g), np.ascontiguousarray(weight)
    dx = np.empty(shape, g.dtype)
    at = geometry(tuple(size), weight.shape[2:], stride, padding, dilation)
    filters, gradients = _filters(weight, groups).swapaxes(1, 2), _pixels(g, groups)
    if at.is_pointwise:
        return np.matmul(filters, gradients, out=_pixels(dx, groups)).reshape(dx.shape)
    for samples, row_blocks in at.blocks(dx):
        image = dx[samples]
        target = image.reshape(*image.shape[:2], -1) if at.is_plane else _planes(image, at)
        target.fill(0)
        if groups > 1 and weight.shape[1] == 1:
            taps = weight.reshape(len(weight), -1)
            depthwise.gradient_of_input(g[samples], taps, at.starts, at.phase_shape[1], target)
        else:
            for starts, shape, pixels in row_blocks:
                columns = np.matmul(filters, gradients[samples, :, :, pixels])
                columns = columns.reshape(len(image), -1, *shape)  # (B, C*T, rows, OW)
                planes.fold_add(columns, starts, at.phase_shape[1], target)
        if not at.is_plane:
            planes.gather(target, stride, padding, at.phase_shape, image)
    return dx


def conv2d_dw(g, x, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, kernel):
    """dweight (O, C/groups, KH, KW), with kernel = (KH, KW)."""
    if _only_skips(kernel, stride, padding):
        return conv2d_dw(g, x[:, :, :: stride[0], :: stride[1]], groups=groups, kernel=kernel)
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    at = geometry(x.shape[2:], tuple(kernel), stride, padding, dilation)
    outputs, inputs = g.shape[1], x.shape[1] // groups
    if groups > 1 and inputs == 1:
        total = np.zeros((outputs, at.starts.size), x.dtype)
        depthwise.gradient_of_weight(g, _deal(x, at), at.starts, at.phase_shape[1], total)
        return total.reshape(outputs, 1, *kernel)
    gradients = _pixels(g, groups).swapaxes(2, 3)  # (N, groups, OH*OW, O/groups)
    total = np.zeros((groups, inputs * at.starts.size, outputs // groups), x.dtype)
    for samples, row_blocks in at.blocks(x):
        source = _deal(x[samples], at)
        for starts, shape, pixels in row_blocks:
            columns = _unfold(source, starts, shape, at, groups)
            total += np.matmul(columns, gradients[samples, :, pixels]).sum(0)  # BLAS likes the larger operand first
    return np.ascontiguousarray(total.swapaxes(1, 2)).reshape(outputs, inputs, *kernel)


def _only_skips(kernel, stride, padding):
    """A 1 x 1 window with a stride leaves pixels out: the rest is a convolution with stride 1."""
    return tuple(kernel) == (1, 1) != stride and padding == (0, 0)


def _filters(weight, groups):
    """weight as matrices (groups, O/groups, C/groups*T), a view."""
    return weight.reshape(groups, len(weight) // groups, -1)


def _pixels(images, groups):
    """images (N, C, H, W) -> (N, groups, C/groups, H*W), a view."""
    return images.reshape(len(images), groups, images.shape[1] // groups, -1)


def _planes(x, at):
    return np.empty((*x.shape[:2], at.plane_size), x.dtype)


def _deal(x, at):
    """The planes (B, C, P) of some samples."""
    if at.is_plane:
        return x.reshape(*x.shape[:2], -1)
    target = _planes(x, at)
    target.fill(0)  # np.zeros would hand out fresh pages, and every page fault costs more than the zeros
    planes.deal(x, at.stride, at.padding, at.phase_shape, target)
    return target


def _unfold(source, starts, shape, at, groups):
    """Columns (B, groups, C/groups*T, M) of the pixels of one row block."""
    samples, channels, _ = source.shape
    columns = np.empty((samples, channels * starts.size, *shape), source.dtype)
    planes.unfold(source, starts, at.phase_shape[1], columns)
    return columns.reshape(samples, groups, -1, shape[0] * shape[1])
