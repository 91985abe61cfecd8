"""Convolutions over one to three dimensions."""

from math import prod

from . import floats, kernel

MULTIPLICATIONS = 2**17


def _conv2d(x, weight, bias=None, *, stride, padding, dilation, groups):
    return (
        _are_images(x, weight)
        and (bias is None or (bias.dtype == x.dtype and bias.shape == weight.shape[:1]))
        and x.shape[1] == weight.shape[1] * groups
        and len(weight) % groups == 0
        and min(_positions(x.shape[2:], weight.shape[2:], stride, padding, dilation)) > 0
        and weight.size * len(x) * prod(x.shape[2:]) >= MULTIPLICATIONS * prod(stride)
    )


def _conv2d_dx(g, weight, *, stride, padding, dilation, groups, size):
    return (
        _are_images(g, weight)
        and g.shape[1] == len(weight)
        and len(weight) % groups == 0
        and _positions(size, weight.shape[2:], stride, padding, dilation) == g.shape[2:]
        and weight.size * len(g) * prod(g.shape[2:]) >= MULTIPLICATIONS
    )


def _conv2d_dw(g, x, *, stride, padding, dilation, groups, kernel):
    return (
        _are_images(g, x)
        and len(g) == len(x)
        and g.shape[1] % groups == 0 == x.shape[1] % groups
        and _positions(x.shape[2:], kernel, stride, padding, dilation) == g.shape[2:]
        and g.size * (x.shape[1] // groups) * prod(kernel) >= MULTIPLICATIONS
    )


def _are_images(*arrays):
    return floats(*arrays) and 3 <= arrays[0].ndim <= 5 and all(a.ndim == arrays[0].ndim for a in arrays)


def _positions(size, kernel, stride, padding, dilation):
    """How often the window fits, in each dimension."""
    zipped = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zipped)


KERNELS = {
    "conv2d": kernel("convolution:conv2d", _conv2d),
    "conv2d_dx": kernel("convolution:conv2d_dx", _conv2d_dx),
    "conv2d_dw": kernel("convolution:conv2d_dw", _conv2d_dw),
}
