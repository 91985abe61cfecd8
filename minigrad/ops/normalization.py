"""Normalization over the last axes: layer norm and RMS norm."""

import numpy as np

from ..dispatch import apply
from ..dtype import of_numpy
from ..errors import ShapeError
from ..op import E, S, function, op, registry
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
    derivative=(
        r"\bar x = r\,(\bar h - \mathrm{mean}(\bar h) - h\,\mathrm{mean}(\bar h h)), \quad \bar w = \sum \bar y h, \quad \bar "
        r"b = \sum \bar y"
    ),
    onnx="LayerNormalization",
    samples=lambda r: [
        S(normal(r, 3, 4), positive(r, 4), normal(r, 4), eps=1e-5),
        S(normal(r, 2, 3, 4), eps=0.1),
        S(normal(r, 5), positive(r, 5), eps=1e-5),
        S(normal(r, 2, 3), None, normal(r, 3), eps=0.5),
    ],
    reference=lambda x, w=1.0, b=0.0, *, eps: (
        (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * (1.0 if w is None else w) + b,
        x.mean(-1, keepdims=True),
        1 / np.sqrt(x.var(-1, keepdims=True) + eps),
    ),
)
def layer_norm(xp, x, weight=None, bias=None, *, eps=1e-5):
    """``x`` with mean 0 and variance 1 along the last axis, times ``weight`` plus ``bias``; and its mean and 1 / deviation."""
    n = x.shape[-1]
    mean = xp.sum(x, **LAST) / n
    centred = xp.contiguous(x - mean)
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
        raise RuntimeError(
            f"{name}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, got ()"
        )
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


@function(
    "layer_norm",
    spaces="torch functional",
    formula=r"y = w\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b",
    derivative=r"\bar x = r\,(\bar h - \mathrm{mean}(\bar h) - h\,\mathrm{mean}(\bar h h))",
    samples=lambda r: [
        S(normal(r, 3, 4), (4,), positive(r, 4), normal(r, 4)),
        S(normal(r, 2, 3, 4), (3, 4), positive(r, 3, 4), normal(r, 3, 4)),
        S(normal(r, 2, 3, 4), [4], positive(r, 4), eps=0.1),
        S(normal(r, 2, 3), (3,), None, normal(r, 3), grad=False),
        S(normal(r, 5), (5,)),
    ],
    errors=lambda r: [
        E(RuntimeError, r"expected input with shape \[\*, 3\], but got input of size \[3, 4\]", normal(r, 3, 4), (3,)),
        E(RuntimeError, "Expected weight to be of same shape", normal(r, 3, 4), (4,), normal(r, 3)),
        E(RuntimeError, "at least 1-dimensional", normal(r, 3, 4), ()),
        E(TypeError, "must be tuple of ints, not int", normal(r, 3, 4), 4),
    ],
    reference=lambda x, shape, weight=None, bias=None, eps=1e-5: _layer_norm_reference(
        x, shape, 1.0 if weight is None else weight, 0.0 if bias is None else bias, eps
    ),
)
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
    y, _, _ = apply(registry["layer_norm"], (_flat(input, k), _flat(weight, k), _flat(bias, k)), {"eps": eps})
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
    samples=lambda r: [
        S(normal(r, 3, 4), positive(r, 4), eps=1e-5),
        S(normal(r, 2, 3, 4), eps=0.1),
        S(normal(r, 5), positive(r, 5), eps=1e-5),
    ],
    reference=lambda x, w=1.0, *, eps: (
        x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w,
        1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps),
    ),
)
def rms_norm(xp, x, weight=None, *, eps=1e-5):
    """``x`` divided by its root mean square along the last axis, times ``weight``; and 1 / the root mean square."""
    rstd = 1.0 / xp.sqrt(xp.sum(xp.square(x), **LAST) / x.shape[-1] + eps)
    y = xp.contiguous(x * rstd)
    return y if weight is None else y * weight, rstd


def _rms_norm_reference(x, normalized_shape, weight=None, eps=None):
    axes = tuple(range(x.ndim - np.size(normalized_shape), x.ndim))
    y = x / np.sqrt((x * x).mean(axes, keepdims=True) + (np.finfo(x.dtype).eps if eps is None else eps))
    return y if weight is None else y * weight


@function(
    "rms_norm",
    spaces="torch functional",
    formula=r"y = w\,\frac{x}{\sqrt{\mathrm{mean}(x^2) + \epsilon}}",
    derivative=r"\bar x = r\,(\bar h - h\,\mathrm{mean}(\bar h h))",
    samples=lambda r: [
        S(normal(r, 3, 4), (4,), positive(r, 4)),
        S(normal(r, 3, 4), [4], eps=0.1),
        S(normal(r, 2, 3, 4), (3, 4), positive(r, 3, 4), 1e-6),
    ],
    errors=lambda r: [
        E(RuntimeError, "expected input with shape", normal(r, 3, 4), (3,)),
        E(RuntimeError, "Expected weight to be of same shape", normal(r, 3, 4), (4,), normal(r, 3)),
    ],
    reference=_rms_norm_reference,
)
def _rms_norm(input, normalized_shape, weight=None, eps=None):
    """The input divided by its root mean square over the last dimensions, times ``weight``.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: sizes of the dimensions, a tuple.
        weight: of the shape ``normalized_shape``, or None.
        eps: added to the mean square; float32's machine epsilon (float64's for float64) where it is left out.

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
    """The machine epsilon of the dtype in which a tensor's norm is computed: float32 for half precision."""
    return 2.0**-52 if of_numpy[t.array.dtype].name == "float64" else 2.0**-23
