"""Normalization over the last axes, over the batch, and over groups of channels."""

import math

import numpy as np

from .. import graph
from ..dispatch import apply
from ..dtype import of_numpy
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from ..views import write
from .samples import normal, positive

LAST = {"axis": -1, "keepdims": True}


def _lead(x):
    """All axes but the last."""
    return tuple(range(len(x.shape) - 1))


# -------------------------------------------------------------------------------------------------------------- layer norm
def _layer_norm_dx(xp, g, x, weight, y1, y2):
    """Gradients of the outputs mean (y1) and rstd (y2) join the two sums of each row, so they cost nothing by the element."""
    gy, gmean, grstd = g
    n = x.shape[-1]
    h = (x - y1) * y2
    gh = gy if weight is None else gy * weight
    level = xp.sum(gh, **LAST) / n - gmean / (y2 * n)
    slope = xp.sum(gh * h, **LAST) / n + grstd * y2 / n
    return (gh - level - h * slope) * y2


@op(
    names="",
    outputs=3,
    vjp=(
        _layer_norm_dx,
        lambda xp, g, x, y1, y2: xp.sum(g[0] * ((x - y1) * y2), axis=_lead(x)),
        lambda xp, g: xp.sum(g[0], axis=_lead(g[0])),
    ),
    formula=r"y = w h + b, \quad h = (x - \mu) r, \quad r = 1 / \sqrt{\sigma^2 + \epsilon}",
    derivative=r"\bar x = r\,(\bar h - \mathrm{mean}(\bar h) - h\,\mathrm{mean}(\bar h h)), \quad \bar w = \sum \bar y h, \quad \bar b = \sum \bar y",
    onnx="LayerNormalization",
    samples=lambda r: [S(normal(r, 3, 4), positive(r, 4), normal(r, 4), eps=1e-5), S(normal(r, 2, 3, 4), eps=0.1), S(normal(r, 5), positive(r, 5), eps=1e-5)],
    reference=lambda x, w=1.0, b=0.0, *, eps: (
        (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * w + b,
        x.mean(-1, keepdims=True),
        1 / np.sqrt(x.var(-1, keepdims=True) + eps),
    ),
)
def layer_norm(xp, x, weight=None, bias=None, *, eps=1e-5):
    """``x`` with mean 0 and variance 1 along the last axis, times ``weight`` plus ``bias``; and its mean and 1 / deviation."""
    n = x.shape[-1]
    mean = xp.sum(x, **LAST) / n
    centred = x - mean
    rstd = 1.0 / xp.sqrt(xp.sum(xp.square(centred), **LAST) / n + eps)
    y = centred * rstd
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean, rstd


def _normalized(name, input, normalized_shape, *parameters):
    """``normalized_shape`` as a tuple; ShapeError where it is not the end of the input's shape, or a parameter's."""
    if isinstance(normalized_shape, int):
        raise TypeError(f"{name}(): argument 'normalized_shape' must be tuple of ints, not int: write ({normalized_shape},)")
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(f"{name}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, got ()")
    if tuple(input.array.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"{name}: Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], "
            f"but got input of size {list(input.shape)}"
        )
    for what, p in zip(("weight", "bias"), parameters):
        if p is not None and tuple(p.array.shape) != shape:
            raise ShapeError(
                f"{name}: Expected {what} to be of same shape as normalized_shape, but got {what} of shape {list(p.shape)} "
                f"and normalized_shape = {list(shape)}"
            )
    return shape


def _flat(t, ndim):
    """The last ``ndim`` axes as one."""
    return t if t is None or ndim == 1 else t.reshape(*t.array.shape[: t.array.ndim - ndim], -1)


def _layer_norm_reference(x, normalized_shape, weight=1.0, bias=0.0, eps=1e-5):
    axes = tuple(range(x.ndim - np.size(normalized_shape), x.ndim))
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps) * weight + bias


@function("layer_norm", spaces="torch functional", formula=r"y = w\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b",
          derivative=r"\bar x = r\,(\bar h - \mathrm{mean}(\bar h) - h\,\mathrm{mean}(\bar h h))",
          samples=lambda r: [S(normal(r, 3, 4), (4,), positive(r, 4), normal(r, 4)), S(normal(r, 2, 3, 4), (3, 4), positive(r, 3, 4), normal(r, 3, 4)),
                             S(normal(r, 2, 3, 4), [4], positive(r, 4), eps=0.1), S(normal(r, 2, 3), (3,), None, normal(r, 3)), S(normal(r, 5), (5,))],
          errors=lambda r: [E(RuntimeError, r"expected input with shape \[\*, 3\], but got input of size \[3, 4\]", normal(r, 3, 4), (3,)),
                            E(RuntimeError, "Expected weight to be of same shape", normal(r, 3, 4), (4,), normal(r, 3)),
                            E(RuntimeError, "at least 1-dimensional", normal(r, 3, 4), ()), E(TypeError, "must be tuple of ints, not int", normal(r, 3, 4), 4)],
          reference=lambda x, shape, weight=None, bias=None, eps=1e-5: _layer_norm_reference(x, shape, 1.0 if weight is None else weight, 0.0 if bias is None else bias, eps))  # fmt: skip
def _layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Mean 0 and variance 1 over the last dimensions, then ``weight`` and ``bias``.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: sizes of the dimensions to normalize over, a tuple.
        weight, bias: of the shape ``normalized_shape``, or None.
        eps: added to the variance.

    Raises:
        RuntimeError: where the shapes do not fit.

    Ba et al., "Layer normalization", 2016.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.layer_norm(minigrad.tensor([[1.0, 3.0], [2.0, 6.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    shape = _normalized("layer_norm", input, normalized_shape, weight, bias)
    k = len(shape)
    y, _, _ = layer_norm(_flat(input, k), _flat(weight, k), _flat(bias, k), eps=eps)
    return y if k == 1 else y.reshape(input.shape)


# ---------------------------------------------------------------------------------------------------------------- RMS norm
def _rms_norm_dx(xp, g, x, weight, y1):
    gy, grstd = g
    n = x.shape[-1]
    h = x * y1
    gh = gy if weight is None else gy * weight
    slope = xp.sum(gh * h, **LAST) / n + grstd * y1 / n
    return (gh - h * slope) * y1


@op(
    names="",
    outputs=2,
    vjp=(_rms_norm_dx, lambda xp, g, x, y1: xp.sum(g[0] * (x * y1), axis=_lead(x))),
    formula=r"y = w h, \quad h = x r, \quad r = 1 / \sqrt{\mathrm{mean}(x^2) + \epsilon}",
    derivative=r"\bar x = r\,(\bar h - h\,\mathrm{mean}(\bar h h)), \quad \bar w = \sum \bar y h",
    onnx="RMSNormalization",
    samples=lambda r: [S(normal(r, 3, 4), positive(r, 4), eps=1e-5), S(normal(r, 2, 3, 4), eps=0.1), S(normal(r, 5), positive(r, 5), eps=1e-5)],
    reference=lambda x, w=1.0, *, eps: (x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w, 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)),
)
def rms_norm(xp, x, weight=None, *, eps=1e-5):
    """``x`` divided by its root mean square along the last axis, times ``weight``; and 1 / the root mean square."""
    rstd = 1.0 / xp.sqrt(xp.sum(xp.square(x), **LAST) / x.shape[-1] + eps)
    y = x * rstd
    return y if weight is None else y * weight, rstd


def _rms_norm_reference(x, normalized_shape, weight=None, eps=None):
    axes = tuple(range(x.ndim - np.size(normalized_shape), x.ndim))
    y = x / np.sqrt((x * x).mean(axes, keepdims=True) + (np.finfo(x.dtype).eps if eps is None else eps))
    return y if weight is None else y * weight


@function("rms_norm", spaces="torch functional", formula=r"y = w\,\frac{x}{\sqrt{\mathrm{mean}(x^2) + \epsilon}}",
          derivative=r"\bar x = r\,(\bar h - h\,\mathrm{mean}(\bar h h))",
          samples=lambda r: [S(normal(r, 3, 4), (4,), positive(r, 4)), S(normal(r, 3, 4), [4], eps=0.1), S(normal(r, 2, 3, 4), (3, 4), positive(r, 3, 4), 1e-6)],
          errors=lambda r: [E(RuntimeError, "expected input with shape", normal(r, 3, 4), (3,)), E(RuntimeError, "Expected weight to be of same shape", normal(r, 3, 4), (4,), normal(r, 3))],
          reference=_rms_norm_reference)  # fmt: skip
def _rms_norm(input, normalized_shape, weight=None, eps=None):
    """The input divided by its root mean square over the last dimensions, times ``weight``.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: sizes of the dimensions, a tuple.
        weight: of the shape ``normalized_shape``, or None.
        eps: added to the mean square; the dtype's machine epsilon where it is left out.

    Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.rms_norm(minigrad.tensor([3.0, 4.0, 0.0, 0.0]), (4,))
    tensor([1.2000, 1.6000, 0.0000, 0.0000])
    """
    shape = _normalized("rms_norm", input, normalized_shape, weight)
    k = len(shape)
    y, _ = rms_norm(_flat(input, k), _flat(weight, k), eps=_epsilon(input) if eps is None else eps)
    return y if k == 1 else y.reshape(input.shape)


def _epsilon(t):
    """The machine epsilon of a tensor's dtype."""
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}.get(of_numpy[t.array.dtype].name, 2.0**-52)


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
    derivative=r"\bar x = w r\,(\bar y - \mathrm{mean}(\bar y) - h\,\mathrm{mean}(\bar y h)), \quad \bar w = \sum \bar y h, \quad \bar b = \sum \bar y",
    onnx="BatchNormalization",
    samples=lambda r: [S(normal(r, 4, 3), positive(r, 3), normal(r, 3), eps=1e-5), S(normal(r, 2, 3, 2, 2), positive(r, 3), normal(r, 3), eps=0.1),
                       S(normal(r, 2, 3, 4), eps=1e-5)],  # fmt: skip
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
    return y if bias is None else y + _channel(xp, bias, ndim), mean, var


def _running(buffer, value, momentum):
    """Move a running statistic towards the batch's, in place and without history."""
    if buffer is not None:
        with graph.no_grad():
            write(buffer, buffer * (1.0 - momentum) + value.detach() * momentum)


def _check_channels(name, input, **parameters):
    if input.array.ndim < 2:
        raise ShapeError(f"{name}: expected at least 2D input (N, C, ...), got {input.array.ndim}D input of shape {tuple(input.shape)}")
    channels = input.array.shape[1]
    for what, p in parameters.items():
        if p is not None and p.numel() != channels:
            raise ShapeError(f"{name}: {what} should contain {channels} elements not {p.numel()}: the input has shape {tuple(input.shape)}")


def _batch_norm_reference(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training:
        return _batch_reference(x, weight, bias, eps=eps)[0]
    shape = (-1, *(1,) * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    return y * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


@function("batch_norm", spaces="functional", formula=r"y = w\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b",
          derivative=r"\bar x = w r\,(\bar y - \mathrm{mean}(\bar y) - h\,\mathrm{mean}(\bar y h))",
          samples=lambda r: [S(normal(r, 4, 3), None, None, positive(r, 3), normal(r, 3), True), S(normal(r, 2, 3, 2, 2), None, None, training=True, eps=0.1),
                             S(normal(r, 4, 3), normal(r, 3), positive(r, 3), positive(r, 3), normal(r, 3)), S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), eps=0.1),
                             S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), None, normal(r, 3)), S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), positive(r, 3))],
          errors=lambda r: [E(ValueError, "Expected more than 1 value per channel when training", normal(r, 1, 3), None, None, training=True),
                            E(RuntimeError, "Expected running_mean and running_var to be defined", normal(r, 2, 3), None, None),
                            E(RuntimeError, "running_mean should contain 3 elements not 2", normal(r, 2, 3), normal(r, 2), positive(r, 2)),
                            E(RuntimeError, "expected at least 2D input", normal(r, 3), normal(r, 3), positive(r, 3))],
          reference=_batch_norm_reference)  # fmt: skip
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
    _check_channels("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    shape = input.array.shape
    if training:
        count = math.prod(shape) // max(shape[1], 1)
        if count == 1:
            raise ValueError(f"batch_norm: Expected more than 1 value per channel when training, got input size {list(shape)}; use model.eval() for one sample")
        y, mean, var = batch_norm(input, weight, bias, eps=eps)
        _running(running_mean, mean, momentum)
        _running(running_var, var * (count / max(count - 1, 1)), momentum)
        return y
    if running_mean is None or running_var is None:
        raise RuntimeError("batch_norm: Expected running_mean and running_var to be defined when training=False")
    scale = (running_var + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -running_mean * scale if bias is None else bias - running_mean * scale
    columns = (-1, *(1,) * (len(shape) - 2))
    return input * scale.reshape(columns) + shift.reshape(columns)


# --------------------------------------------------------------------------------------------------- groups of channels
def _affine(y, weight, bias):
    """``weight`` and ``bias`` (C,) on (N, C, ...)."""
    columns = (-1, *(1,) * (y.array.ndim - 2))
    y = y if weight is None else y * weight.reshape(columns)
    return y if bias is None else y + bias.reshape(columns)


def _group_reference(x, num_groups, weight=None, bias=None, eps=1e-5):
    h = x.reshape(x.shape[0], num_groups, -1)
    h = ((h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + eps)).reshape(x.shape)
    shape = (-1, *(1,) * (x.ndim - 2))
    return h * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


@function("group_norm", spaces="torch functional", formula=r"y = w\,\frac{x - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + b",
          derivative=r"\bar x = r\,(\bar h - \mathrm{mean}_g(\bar h) - h\,\mathrm{mean}_g(\bar h h))",
          samples=lambda r: [S(normal(r, 2, 4, 3), 2, positive(r, 4), normal(r, 4)), S(normal(r, 2, 4), 2), S(normal(r, 2, 3, 2, 2), 1, positive(r, 3), eps=0.1),
                             S(normal(r, 2, 2, 3), 2, None, normal(r, 2))],
          errors=lambda r: [E(RuntimeError, "Expected number of channels in input to be divisible by num_groups", normal(r, 2, 3, 4), 2),
                            E(RuntimeError, "expected at least 2D input", normal(r, 4), 2), E(RuntimeError, "weight should contain 4 elements", normal(r, 2, 4), 2, positive(r, 3))],
          reference=_group_reference)  # fmt: skip
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
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
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape {list(shape)} "
            f"and num_groups={num_groups}"
        )
    y, _, _ = layer_norm(input.reshape(shape[0], num_groups, -1), eps=eps)
    return _affine(y.reshape(shape), weight, bias)


def _instance_reference(x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    if use_input_stats:
        return _group_reference(x, x.shape[1], weight, bias, eps)
    return _batch_norm_reference(x, running_mean, running_var, weight, bias, False, momentum, eps)


@function("instance_norm", spaces="functional", formula=r"y = w\,\frac{x - \mu_{nc}}{\sqrt{\sigma_{nc}^2 + \epsilon}} + b",
          derivative=r"\bar x = r\,(\bar h - \mathrm{mean}(\bar h) - h\,\mathrm{mean}(\bar h h))",
          samples=lambda r: [S(normal(r, 2, 3, 4)), S(normal(r, 2, 3, 2, 2), None, None, positive(r, 3), normal(r, 3), eps=0.1),
                             S(normal(r, 2, 3, 4), normal(r, 3), positive(r, 3), positive(r, 3), normal(r, 3), False)],
          errors=lambda r: [E(ValueError, "Expected more than 1 spatial element when training", normal(r, 2, 3, 1)),
                            E(ValueError, "Expected running_mean and running_var", normal(r, 2, 3, 4), use_input_stats=False)],
          reference=_instance_reference)  # fmt: skip
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
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
    y, mean, rstd = layer_norm(input.reshape(*shape[:2], -1), eps=eps)
    if running_mean is not None:
        var = (1.0 / (rstd * rstd) - eps) * (count / max(count - 1, 1))
        _running(running_mean, mean.reshape(shape[:2]).mean(0), momentum)
        _running(running_var, var.reshape(shape[:2]).mean(0), momentum)
    return _affine(y.reshape(shape), weight, bias)


def _local_reference(x, size, alpha=1e-4, beta=0.75, k=1.0):
    squares = np.zeros((x.shape[0], x.shape[1] + size - 1, *x.shape[2:]))
    squares[:, size // 2 : size // 2 + x.shape[1]] = x * x
    means = sum(squares[:, i : i + x.shape[1]] for i in range(size)) / size
    return x / (k + alpha * means) ** beta


@function("local_response_norm", spaces="functional", formula=r"y_c = x_c \left(k + \frac{\alpha}{n} \sum_{c'} x_{c'}^2\right)^{-\beta}",
          samples=lambda r: [S(normal(r, 2, 5, 3), 3), S(normal(r, 2, 4, 2, 2), 2, 0.5, 0.5, 2.0), S(normal(r, 2, 3, 2), size=5, alpha=0.1)],
          errors=lambda r: [E(ValueError, "Expected 3D or higher dimensionality", normal(r, 2, 3), 3)], reference=_local_reference)  # fmt: skip
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
