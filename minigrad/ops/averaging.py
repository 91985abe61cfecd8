"""Pooling by means and p-norms, and pooling to a given size, over one, two or three spatial dimensions.

The mean is linear: ``avg_pool2d_dx`` is its adjoint, and each is the other's rule. The texts work for any number of spatial
dimensions. Shapes, for two: x (N, C, H, W), results (N, C, OH, OW), windows (N, C, OH, OW, KH, KW).
"""

# --------------------------------------------------------------------------------------------------------------------- means
def _divisor(xp, like, size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """How many pixels each window counts: a number, or (OH, OW) where windows at the border count less."""
    if divisor_override:
        return divisor_override
    border = size if not count_include_pad else tuple(m + p for m, p in zip(size, padding))
    whole = count_include_pad or not any(padding)
    if whole and all((o - 1) * s - p + k <= m for m, k, s, p, o in zip(border, kernel_size, stride, padding, out_size)):
        return math.prod(kernel_size)
    total, axes = 1, len(size)
    for axis in range(axes):
        start = xp.arange(like, n=out_size[axis]) * stride[axis] - padding[axis]
        stop = xp.minimum(start + kernel_size[axis], border[axis])
        if not count_include_pad:
            start = xp.maximum(start, 0)
        total = total * along(xp, stop - start, axis, axes)
    return xp.astype(total, dtype=like.dtype)


@op(
    names="",
    vjp=(
        lambda xp, g, x_shape, kernel_size, stride, padding, out_size, count_include_pad, divisor_override: xp.avg_pool2d_dx(
            g, kernel_size=kernel_size, stride=stride, padding=padding, out_size=out_size,
            count_include_pad=count_include_pad, divisor_override=divisor_override, size=tuple(x_shape[2:]),
        ),
    ),
    formula=r"y_i = \frac{1}{n_i} \sum_{j \in W_i} x_j",
    derivative=r"\bar x_j = \sum_{i:\, j \in W_i} \bar y_i / n_i",
    onnx="AveragePool",
    samples=lambda r: [S(normal(r, 1, 1, 5, 7), **kwargs) for kwargs in _AVERAGES],
)  # fmt: skip
def avg_pool2d(xp, x, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """The mean of each window."""
    axes = len(kernel_size)
    windows = padded_windows(xp, x, kernel_size, stride, padding, (1,) * axes, out_size, 0)
    count = _divisor(xp, x, x.shape[2:], kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    return xp.sum(windows, axis=tuple(range(2 + axes, 2 + 2 * axes))) / count


_AVERAGES = (
    dict(kernel_size=(2, 3), stride=(1, 2), padding=(0, 0), out_size=(4, 3), count_include_pad=False, divisor_override=None),
    dict(kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), out_size=(3, 4), count_include_pad=True, divisor_override=None),
    dict(kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), out_size=(3, 4), count_include_pad=True, divisor_override=None),
    dict(kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), out_size=(3, 4), count_include_pad=False, divisor_override=None),
    dict(kernel_size=(2, 2), stride=(2, 3), padding=(0, 1), out_size=(3, 3), count_include_pad=False, divisor_override=3),
)


@op(
    names="",
    vjp=(
        lambda xp, g, kernel_size, stride, padding, out_size, count_include_pad, divisor_override: xp.avg_pool2d(
            g, kernel_size=kernel_size, stride=stride, padding=padding, out_size=out_size,
            count_include_pad=count_include_pad, divisor_override=divisor_override,
        ),
    ),
    formula=r"y_j = \sum_{i:\, j \in W_i} v_i / n_i",
    derivative=r"\bar v_i = \frac{1}{n_i} \sum_{j \in W_i} \bar y_j",
    samples=lambda r: [S(normal(r, 1, 1, *kwargs["out_size"]), size=(5, 7), **kwargs) for kwargs in _AVERAGES],
)  # fmt: skip
def avg_pool2d_dx(xp, v, *, kernel_size, stride, padding, out_size, count_include_pad, divisor_override, size):
    """Each value shared out over its window of an image of ``size``. The adjoint of the mean."""
    axes = len(kernel_size)
    share = v / _divisor(xp, v, size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override)
    windows = xp.broadcast_to(xp.reshape(share, shape=(*v.shape, *(1,) * axes)), shape=(*v.shape, *kernel_size))
    far = far_padding(size, kernel_size, stride, padding, (1,) * axes, out_size)
    full = tuple(p + m + f for p, m, f in zip(padding, size, far))
    image = xp.unwindows(windows, stride=stride, dilation=(1,) * axes, size=full)
    return xp.getitem(image, key=(FULL, FULL, *(("slice", p, p + m, None) for p, m in zip(padding, size))))
