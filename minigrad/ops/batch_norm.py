"""Normalization of channels: over the batch, over groups of them, over each sample, and by their neighbours."""

import math

import numpy as np

from .. import graph
from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from ..views import write
from .samples import normal, positive


# -------------------------------------------------------------------------------------------------------------- batch norm
def _others(shape):
    """All axes but the second, the channels."""
    return (0, *range(2, len(shape)))


def _channel(xp, v, ndim):
    """(C,) as (C, 1, ...), to go with (N, C, ...)."""
    return xp.reshape(v, shape=(-1, *(1,) * (ndim - 2)))


def _batch_norm_dx(xp, g, x, weight, y1, y2, eps):
    """Three numbers for each channel: dx = scale * gy + slope * (x - mean) + offset."""
    gy, gmean, gvar = g
    ndim, axes = len(x.shape), _others(x.shape)
    count = math.prod(x.shape[a] for a in axes)
    rstd = 1.0 / xp.sqrt(y2 + eps)
    scale = rstd if weight is None else weight * rstd
    centred = x - _channel(xp, y1, ndim)
    offset = (gmean - scale * xp.sum(gy, axis=axes)) / count
    slope = (2.0 * gvar - scale * rstd * rstd * xp.sum(gy * centred, axis=axes)) / count
    return gy * _channel(xp, scale, ndim) + centred * _channel(xp, slope, ndim) + _channel(xp, offset, ndim)


def _batch_norm_dw(xp, g, x, y1, y2, eps):
    centred = x - _channel(xp, y1, len(x.shape))
    return xp.sum(g[0] * centred, axis=_others(x.shape)) / xp.sqrt(y2 + eps)


def _batch_reference(x, w=None, b=None, *, eps):
    axes, shape = _others(x.shape), (-1, *(1,) * (x.ndim - 2))
    mean, var = x.mean(axes), x.var(axes)
    w, b = np.ones_like(mean) if w is None else w, np.zeros_like(mean) if b is None else b
    return (x - mean.reshape(shape)) / np.sqrt(var + eps).reshape(shape) * w.reshape(shape) + b.reshape(shape), mean, var


@op(
    names="",
    outputs=3,
    vjp=(_batch_norm_dx, _batch_norm_dw, lambda xp, g: xp.sum(g[0], axis=_others(g[0].shape))),
    formula=r"y = w h + b, \quad h = (x - \mu) r, \quad r = 1 / \sqrt{\sigma^2 + \epsilon}",
    derivative=(
        r"\bar x = w r\,(\bar y - \mathrm{mean}(\bar y) - h\,\mathrm{mean}(\bar y h)), \quad \bar w = \sum \bar y h, \quad "
        r"\bar b = \sum \bar y"
    ),
    onnx="BatchNormalization",
    samples=lambda r: [
        S(normal(r, 4, 3), positive(r, 3), normal(r, 3), eps=1e-5),
        S(normal(r, 2, 3, 2, 2), positive(r, 3), normal(r, 3), eps=0.1),
        S(normal(r, 2, 3, 4), eps=1e-5),
    ],
    reference=_batch_reference,
)
def batch_norm(xp, x, weight=None, bias=None, *, eps=1e-5):
    """Each channel of ``x`` (N, C, ...) with mean 0 and variance 1 over the batch, times ``weight`` plus ``bias``; and the
    mean and (biased) variance (C,).
    """
    axes, ndim = _others(x.shape), x.ndim
    count = math.prod(x.shape[a] for a in axes)
    mean = xp.sum(x, axis=axes) / count
    centred = x - _channel(xp, mean, ndim)
    var = xp.sum(xp.square(centred), axis=axes) / count
    scale = 1.0 / xp.sqrt(var + eps)
    y = centred * _channel(xp, scale if weight is None else weight * scale, ndim)
    y = y if bias is None else y + _channel(xp, bias, ndim)
    return y if ndim == 4 else xp.contiguous(y), mean, var  # pictures may keep their channels last


def _eval_rule(xp, g, x, mean, variance, weight, eps):
    ndim, axes = len(x.shape), _others(x.shape)
    rstd = 1.0 / xp.sqrt(variance + eps)
    scale = rstd if weight is None else weight * rstd
    total = xp.sum(g, axis=axes)
    slope = xp.sum(g * (x - _channel(xp, mean, ndim)), axis=axes) * rstd
    return g * _channel(xp, scale, ndim), -scale * total, slope * scale * rstd * -0.5, slope, total


def _eval_reference(x, mean, variance, weight=None, bias=None, *, eps):
    return _batch_norm_reference(x, mean, variance, weight, bias, eps=eps)


@op(
    names="",
    vjp=_eval_rule,
    formula=r"y = w r (x - \mu) + b, \quad r = 1 / \sqrt{\sigma^2 + \epsilon}",
    derivative=(
        r"\bar x = w r \bar y, \quad \bar w = \sum \bar y (x - \mu) r, \quad \bar b = \sum \bar y, \quad "
        r"\bar \mu = -w r \bar b, \quad \overline{\sigma^2} = -\tfrac{1}{2} w r^2 \bar w"
    ),
    samples=lambda r: [
        S(normal(r, 4, 3), normal(r, 3), positive(r, 3), positive(r, 3), normal(r, 3), eps=1e-5),
        S(normal(r, 2, 3, 2, 2), normal(r, 3), positive(r, 3), eps=0.1),
        S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), None, normal(r, 3), eps=0.1),
    ],
    reference=_eval_reference,
)
def batch_norm_eval(xp, x, mean, variance, weight=None, bias=None, *, eps=1e-5):
    """Each channel of ``x`` (N, C, ...) minus ``mean``, over the root of ``variance``, times ``weight`` plus ``bias``."""
    scale = 1.0 / xp.sqrt(variance + eps)
    scale = scale if weight is None else weight * scale
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * _channel(xp, scale, x.ndim) + _channel(xp, shift, x.ndim)


def _running(buffer, value, momentum, scale=1.0):
    """Move a running statistic towards the batch's, times ``scale``, in place and without history."""
    if buffer is not None:
        with graph.no_grad():
            write(buffer, buffer * (1.0 - momentum) + value * (scale * momentum))


def _check_channels(name, input, **parameters):
    if input.array.ndim < 2:
        raise ShapeError(
            f"{name}: Expected at least 2 dimensions for input tensor but received {input.array.ndim}: expected at least 2D "
            f"input (N, C, ...), got shape {tuple(input.shape)}"
        )
    channels = input.array.shape[1]
    for what, p in parameters.items():
        if p is not None and p.numel() != channels:
            raise ShapeError(
                f"{name}: {what} should contain {channels} elements not {p.numel()}: the input has shape {tuple(input.shape)}"
            )


def _batch_norm_reference(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training:
        return _batch_reference(x, weight, bias, eps=eps)[0]
    shape = (-1, *(1,) * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    return y * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


@function(
    "batch_norm",
    spaces="functional",
    formula=r"y = w\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b",
    derivative=r"\bar x = w r\,(\bar y - \mathrm{mean}(\bar y) - h\,\mathrm{mean}(\bar y h))",
    samples=lambda r: [
        S(normal(r, 4, 3), None, None, positive(r, 3), normal(r, 3), True),
        S(normal(r, 2, 3, 2, 2), None, None, training=True, eps=0.1),
        S(normal(r, 4, 3), normal(r, 3), positive(r, 3), positive(r, 3), normal(r, 3)),
        S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), eps=0.1),
        S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), None, normal(r, 3)),
        S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), positive(r, 3)),
    ],
    errors=lambda r: [
        E(ValueError, "Expected more than 1 value per channel when training", normal(r, 1, 3), None, None, training=True),
        E(RuntimeError, "Expected running_mean and running_var to be defined", normal(r, 2, 3), None, None),
        E(RuntimeError, "running_mean should contain 3 elements not 2", normal(r, 2, 3), normal(r, 2), positive(r, 2)),
        E(RuntimeError, "expected at least 2D input", normal(r, 3), normal(r, 3), positive(r, 3)),
        E(ValueError, "eps must be positive", normal(r, 2, 3), None, None, training=True, eps=0.0),
    ],
    reference=_batch_norm_reference,
)
def _batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Each channel normalized over the batch in training, and with the running statistics otherwise.

    Args:
        input: (N, C, ...).
        running_mean, running_var: (C,) or None. In training they move towards the batch's mean and unbiased variance, in place.
        weight, bias: (C,) or None.
        training: which of the two.
        momentum: how far the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: in training with one value a channel.

    Ioffe and Szegedy, "Batch normalization", ICML 2015.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.batch_norm(minigrad.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    shape = input.array.shape
    if shape == (0,):
        return input.clone()  # PyTorch normalizes nothing without asking for its channels
    _check_channels("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if training and eps <= 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if training:
        count = math.prod(shape) // max(shape[1], 1)
        if count == 1:
            raise ValueError(
                f"batch_norm: Expected more than 1 value per channel when training, got input size {list(shape)}; use "
                f"model.eval() for one sample"
            )
        y, mean, var = batch_norm(input, weight, bias, eps=eps)
        if count:
            _running(running_mean, mean, momentum)
            _running(running_var, var, momentum, count / max(count - 1, 1))
        return y
    if running_mean is None or running_var is None:
        raise RuntimeError("batch_norm: Expected running_mean and running_var to be defined when training=False")
    of_channels = [p if p is None or p.array.ndim == 1 else p.reshape(-1) for p in (running_mean, running_var, weight, bias)]
    return batch_norm_eval(input, *of_channels, eps=eps)


# --------------------------------------------------------------------------------------------------- groups of channels
def _grouped(xp, x, groups, eps):
    """Each group of each sample with mean 0 and variance 1 (N, G, K), and 1 / its deviation."""
    count = math.prod(x.shape[1:]) // groups
    rows = xp.reshape(x, shape=(x.shape[0], groups, count))
    centred = rows - xp.sum(rows, axis=-1, keepdims=True) / count
    rstd = 1.0 / xp.sqrt(xp.sum(xp.square(centred), axis=-1, keepdims=True) / count + eps)
    return centred * rstd, rstd


def _group_rule(xp, g, x, weight, groups, eps):
    h, rstd = _grouped(xp, x, groups, eps)
    t = xp.reshape(g if weight is None else g * _channel(xp, weight, len(x.shape)), shape=tuple(h.shape))
    level, slope = (xp.sum(part, axis=-1, keepdims=True) / h.shape[-1] for part in (t, t * h))
    axes, dx = _others(x.shape), (t - level - h * slope) * rstd
    return xp.reshape(dx, shape=tuple(x.shape)), xp.sum(g * xp.reshape(h, shape=tuple(x.shape)), axis=axes), xp.sum(g, axis=axes)


def _group_reference(x, num_groups, weight=None, bias=None, eps=1e-5):
    h = x.reshape(x.shape[0], num_groups, math.prod(x.shape[1:]) // num_groups)
    h = ((h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + eps)).reshape(x.shape)
    shape = (-1, *(1,) * (x.ndim - 2))
    return h * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


@op(
    names="",
    vjp=_group_rule,
    formula=r"y = w h + b, \quad h = (x - \mu_g) r, \quad r = 1 / \sqrt{\sigma_g^2 + \epsilon}",
    derivative=r"\bar x = r\,(\bar h - \mathrm{mean}_g(\bar h) - h\,\mathrm{mean}_g(\bar h h)), \quad "
    r"\bar w = \sum \bar y h, \quad \bar b = \sum \bar y",
    onnx="GroupNormalization",
    samples=lambda r: [
        S(normal(r, 2, 4, 3), positive(r, 4), normal(r, 4), groups=2, eps=1e-5),
        S(normal(r, 2, 6, 2, 2), groups=3, eps=0.1),
        S(normal(r, 3, 4), None, normal(r, 4), groups=1, eps=0.1),
    ],
    reference=lambda x, w=None, b=None, *, groups, eps: _group_reference(x, groups, w, b, eps),
)
def group_norm(xp, x, weight=None, bias=None, *, groups, eps=1e-5):
    """Each of ``groups`` groups of channels of each sample (N, C, ...) with mean 0 and variance 1, then weight and bias (C,)."""
    y = xp.reshape(_grouped(xp, x, groups, eps)[0], shape=tuple(x.shape))
    y = y if weight is None else y * _channel(xp, weight, x.ndim)
    return y if bias is None else y + _channel(xp, bias, x.ndim)


@function(
    "group_norm",
    spaces="torch functional",
    formula=r"y = w\,\frac{x - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + b",
    derivative=r"\bar x = r\,(\bar h - \mathrm{mean}_g(\bar h) - h\,\mathrm{mean}_g(\bar h h))",
    samples=lambda r: [
        S(normal(r, 2, 4, 3), 2, positive(r, 4), normal(r, 4)),
        S(normal(r, 2, 4), 2),
        S(normal(r, 0, 4), 2),
        S(normal(r, 2, 3, 2, 2), 1, positive(r, 3), eps=0.1),
        S(normal(r, 2, 2, 3), 2, None, normal(r, 2), grad=False, parity="values only: PyTorch fails without a weight"),
    ],
    errors=lambda r: [
        E(RuntimeError, "Expected number of channels in input to be divisible by num_groups", normal(r, 2, 3, 4), 2),
        E(RuntimeError, "expected at least 2D input", normal(r, 4), 2),
        E(RuntimeError, "weight should contain 4 elements", normal(r, 2, 4), 2, positive(r, 3)),
    ],
    reference=_group_reference,
)
def _group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Mean 0 and variance 1 over each group of channels of each sample, then ``weight`` and ``bias`` for each channel.

    Args:
        input: (N, C, ...).
        num_groups: into how many groups of equal size the channels are divided.
        weight, bias: (C,) or None.
        eps: added to the variance.

    Raises:
        RuntimeError: where the channels do not divide.

    Wu and He, "Group normalization", ECCV 2018.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.group_norm(minigrad.tensor([[1.0, 3.0, 5.0, 9.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    _check_channels("group_norm", input, weight=weight, bias=bias)
    shape = tuple(input.array.shape)
    if num_groups <= 0 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} "
            f"and num_groups={num_groups}"
        )
    of_channels = [p if p is None or p.array.ndim == 1 else p.reshape(-1) for p in (weight, bias)]
    return group_norm(input, *of_channels, groups=num_groups, eps=eps)


def _instance_reference(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    if use_input_stats:
        return _group_reference(x, x.shape[1], weight, bias, eps)
    return _batch_norm_reference(x, running_mean, running_var, weight, bias, False, momentum, eps)


@function(
    "instance_norm",
    spaces="functional",
    formula=r"y = w\,\frac{x - \mu_{nc}}{\sqrt{\sigma_{nc}^2 + \epsilon}} + b",
    derivative=r"\bar x = r\,(\bar h - \mathrm{mean}(\bar h) - h\,\mathrm{mean}(\bar h h))",
    samples=lambda r: [
        S(normal(r, 2, 3, 4)),
        S(normal(r, 2, 3, 2, 2), None, None, positive(r, 3), normal(r, 3), eps=0.1),
        S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), positive(r, 3), normal(r, 3), False),
    ],
    errors=lambda r: [
        E(ValueError, "Expected more than 1 spatial element when training", normal(r, 2, 3, 1)),
        E(ValueError, "Expected running_mean and running_var", normal(r, 2, 3, 4), use_input_stats=False),
    ],
    reference=_instance_reference,
)
def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    """Mean 0 and variance 1 over each channel of each sample. Arguments as for :func:`batch_norm`.

    Args:
        use_input_stats: False to normalize with the running statistics.

    Ulyanov et al., "Instance normalization", 2016.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.instance_norm(minigrad.tensor([[[1.0, 3.0]]]))
    tensor([[[-1.0000,  1.0000]]])
    """
    _check_channels("instance_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm: Expected running_mean and running_var to be not None when use_input_stats=False")
        return _batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    shape = tuple(input.array.shape)
    count = math.prod(shape[2:])
    if count == 1:
        raise ValueError(f"instance_norm: Expected more than 1 spatial element when training, got input size {list(shape)}")
    # each channel of each sample is a channel of a batch of one, with the parameters again for each sample
    of_rows = [p if p is None else p.to(input.dtype).repeat(shape[0]) for p in (weight, bias)]
    y, mean, var = batch_norm(input.reshape(1, shape[0] * shape[1], count), *of_rows, eps=eps)
    if running_mean is not None:
        _running(running_mean, mean.reshape(shape[:2]).mean(0), momentum)
        _running(running_var, var.reshape(shape[:2]).mean(0), momentum, count / max(count - 1, 1))
    return y.reshape(shape)


def _local_reference(x, size, alpha=1e-4, beta=0.75, k=1.0):
    squares = np.zeros((x.shape[0], x.shape[1] + size - 1, *x.shape[2:]))
    squares[:, size // 2 : size // 2 + x.shape[1]] = x * x
    means = sum(squares[:, i : i + x.shape[1]] for i in range(size)) / size
    return x / (k + alpha * means) ** beta


@function(
    "local_response_norm",
    spaces="functional",
    formula=r"y_c = x_c \left(k + \frac{\alpha}{n} \sum_{c'} x_{c'}^2\right)^{-\beta}",
    samples=lambda r: [
        S(normal(r, 2, 5, 3), 3),
        S(normal(r, 2, 4, 2, 2), 2, 0.5, 0.5, 2.0),
        S(normal(r, 2, 3, 2), size=5, alpha=0.1),
    ],
    errors=lambda r: [E(ValueError, "Expected 3D or higher dimensionality", normal(r, 2, 3), 3)],
    reference=_local_reference,
)
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Each element divided by a power of the mean square of ``size`` neighbouring channels.

    Args:
        input: (N, C, ...), 3-D or more.
        size: how many channels count.
        alpha, beta, k: as in the formula.

    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS 2012.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.local_response_norm(minigrad.ones(1, 1, 1), 1, alpha=1.0, beta=1.0)
    tensor([[[0.5000]]])
    """
    shape = input.array.shape
    if len(shape) < 3:
        raise ValueError(f"local_response_norm: Expected 3D or higher dimensionality input (got {len(shape)} dimensions)")
    channels = shape[1]
    widths = ((0, 0), (size // 2, (size - 1) // 2), *((0, 0),) * (len(shape) - 2))
    squares = apply(registry["pad"], (input * input,), {"widths": widths, "value": 0.0})
    total = squares[:, :channels]
    for i in range(1, size):
        total = total + squares[:, i : i + channels]
    return input / (total * (alpha / size) + k) ** beta
