"""Convolutions of images."""

from . import are_images, kernel

MULTIPLICATIONS = 2**17


def _conv2d(x, weight, *, stride, padding, dilation, groups):
    return (
        are_images(x, weight)
        and x.shape[1] == weight.shape[1] * groups
        and len(weight) % groups == 0
        and _window_fits(x.shape[2:], weight.shape[2:], padding, dilation)
        and weight.size * len(x) * x.shape[2] * x.shape[3] >= MULTIPLICATIONS * stride[0] * stride[1]
    )


def _conv2d_dx(g, weight, *, stride, padding, dilation, groups, size):
    return (
        are_images(g, weight)
        and g.shape[1] == len(weight)
        and len(weight) % groups == 0
        and _window_fits(size, weight.shape[2:], padding, dilation)
        and weight.size * len(g) * g.shape[2] * g.shape[3] >= MULTIPLICATIONS
    )


def _conv2d_dw(g, x, *, stride, padding, dilation, groups, kernel):
    return (
        are_images(g, x)
        and len(g) == len(x)
        and g.shape[1] % groups == 0 == x.shape[1] % groups
        and _window_fits(x.shape[2:], kernel, padding, dilation)
        and g.size * (x.shape[1] // groups) * kernel[0] * kernel[1] >= MULTIPLICATIONS
    )


def _window_fits(size, kernel, padding, dilation):
    return all(s + 2 * p > d * (k - 1) for s, k, p, d in zip(size, kernel, padding, dilation, strict=True))


KERNELS = {
    "conv2d": kernel("convolution:conv2d", _conv2d),
    "conv2d_dx": kernel("convolution:conv2d_dx", _conv2d_dx),
    "conv2d_dw": kernel("convolution:conv2d_dw", _conv2d_dw),
}
