"""Losses of numbers against numbers, and the reductions that all losses share."""

import math
import warnings

import numpy as np

from ..errors import ShapeError, describe
from ..graph import show_as
from ..op import E, S, function, op
from ..tensor import Tensor
from .samples import normal, positive
from .smooth import softplus


# -------------------------------------------------------------------------------------------------------------- reductions
def mode(reduction, size_average=None, reduce=None):
    """ "mean", "sum" or "none"; ``size_average`` and ``reduce`` are PyTorch's older way to say it."""
    if size_average is not None or reduce is not None:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use reduction='mean', 'sum' or 'none' instead", stacklevel=3
        )
        if reduce is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction: use 'mean', 'sum' or 'none'")
    return reduction


def reduced(loss, reduction, shown=None):
    """A loss for each element, or their mean or sum; ``shown``: PyTorch's name of the whole in ``grad_fn``, and the inputs."""
    loss = loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss
    return loss if shown is None or loss.node is None else show_as(loss, shown[0] + "Backward0", *shown[1:])


def _reference(f):
    """The reference of a loss that is ``f(*arrays, **options)`` for each element."""

    def reference(*args, reduction="mean", **options):
        out = f(*args, **options)
        return {"none": out, "sum": np.sum(out), "mean": np.mean(out)}[reduction]

    return reference


def _pairs(*options, draw=normal, target=normal):
    """Samples of a loss of two arrays: every reduction, broadcasting shapes aside, and the given options."""

    def samples(r):
        found = [S(draw(r, 3, 4), target(r, 3, 4), reduction=how) for how in ("mean", "sum", "none")]
        return [
            *found,
            S(draw(r, 5), target(r, 5)),
            S(draw(r), target(r)),
            *(S(draw(r, 2, 3), target(r, 2, 3), **o) for o in options),
        ]

    return samples


def _errors(r):
    return [
        E(ValueError, "is not a valid value for reduction", normal(r, 3), normal(r, 3), reduction="average"),
        E(TypeError, "must be Tensor", normal(r, 3), "text"),
    ]


def _same_shape(name, input, target):
    """PyTorch's warning where a loss broadcasts, which is seldom meant."""
    if not isinstance(target, Tensor):
        raise TypeError(f"{name}(): argument 'target' must be Tensor, not {describe(target)}; wrap it in minigrad.tensor(...)")
    if input.array.shape != target.array.shape:
        warnings.warn(
            f"{name}: Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            f"This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


# --------------------------------------------------------------------------------------------------------------- regression
@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(lambda xp, g, a, b: g * (2.0 * (a - b)), lambda xp, g, a, b: g * (2.0 * (b - a))),
    formula="y = (a - b)^2",
    derivative=r"\bar a = 2 (a - b) \bar y, \quad \bar b = -\bar a",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 3, 4)), S(normal(r, 3, 4), normal(r, 4))],
    reference=lambda a, b: (a - b) ** 2,
)
def squared_error(xp, a, b):
    """The square of the difference, element by element."""
    return xp.square(a - b)


@function(
    "mse_loss",
    spaces="functional",
    formula=r"y = \frac{1}{n} \sum_i (x_i - t_i)^2",
    derivative=r"\bar x_i = 2 (x_i - t_i) \bar y / n",
    samples=lambda r: [
        *_pairs()(r),
        S(normal(r, 3, 4), normal(r, 3, 4), weight=positive(r, 3, 4)),
        S(normal(r, 3, 4), normal(r, 3, 4), weight=positive(r, 3, 4), reduction="none"),
        S(normal(r, 3, 4), normal(r, 3, 4), weight=positive(r, 3, 4), reduction="sum"),
    ],
    errors=lambda r: [
        *_errors(r),
        E(ValueError, "Weights and input must have the same size", normal(r, 3), normal(r, 3), weight=positive(r, 2)),
    ],
    reference=lambda x, t, weight=None, reduction="mean": (
        lambda e, w: {"none": e * w, "sum": (e * w).sum(), "mean": (e * w).sum() / w.sum()}[reduction]
    )((x - t) ** 2, np.ones(x.shape) if weight is None else weight),
)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The mean of the squared differences.

    Args:
        input, target: tensors of the same shape.
        reduction: "mean", "sum" or "none".
        weight: how much each element counts, of the shape of ``input``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.mse_loss(minigrad.tensor([1.0, 2.0]), minigrad.tensor([0.0, 4.0]))
    tensor(2.5000)
    """
    reduction = mode(reduction, size_average, reduce)
    _same_shape("mse_loss", input, target)
    loss = squared_error(input, target)
    if weight is None:
        return reduced(loss, reduction, ("MseLoss", input, target))
    if weight.array.shape != input.array.shape:
        raise ShapeError(f"mse_loss: Weights and input must have the same size, got {list(weight.shape)} and {list(input.shape)}")
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


@function(
    "l1_loss",
    spaces="functional",
    formula=r"y = \frac{1}{n} \sum_i |x_i - t_i|",
    derivative=r"\bar x_i = \mathrm{sign}(x_i - t_i) \bar y / n",
    samples=_pairs(),
    errors=_errors,
    reference=_reference(lambda x, t: np.abs(x - t)),
)
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The mean of the absolute differences. Arguments as for :func:`mse_loss`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.l1_loss(minigrad.tensor([1.0, 2.0]), minigrad.tensor([0.0, 4.0]))
    tensor(1.5000)
    """
    reduction = mode(reduction, size_average, reduce)
    _same_shape("l1_loss", input, target)
    loss = (input - target).abs()
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


def _huber_reference(x, t, delta=1.0):
    d = np.abs(x - t)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


@function(
    "smooth_l1_loss",
    spaces="functional",
    formula=r"y = d^2 / 2\beta \text{ for } d < \beta, \text{ else } d - \beta / 2, \quad d = |x - t|",
    samples=_pairs({"beta": 0.5}, {"beta": 2.0, "reduction": "none"}, {"beta": 0.0}),
    errors=lambda r: [
        *_errors(r),
        E(RuntimeError, "does not support negative values for beta", normal(r, 3), normal(r, 3), beta=-1.0),
    ],
    reference=_reference(lambda x, t, beta=1.0: _huber_reference(x, t, beta) / beta if beta else np.abs(x - t)),
)
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Squared differences below ``beta``, absolute ones above.

    Girshick, "Fast R-CNN", ICCV 2015.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.smooth_l1_loss(minigrad.tensor([0.5, 3.0]), minigrad.tensor([0.0, 0.0]), reduction="none")
    tensor([0.1250, 2.5000])
    """
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    reduction = mode(reduction, size_average, reduce)
    _same_shape("smooth_l1_loss", input, target)
    d = (input - target).abs()
    return reduced((d * d * (0.5 / beta)).where(d < beta, d - 0.5 * beta), reduction, ("SmoothL1Loss", input, target))


@function(
    "huber_loss",
    spaces="functional",
    formula=r"y = d^2 / 2 \text{ for } d \le \delta, \text{ else } \delta (d - \delta / 2), \quad d = |x - t|",
    samples=lambda r: [
        *_pairs({"delta": 0.5}, {"delta": 2.0, "reduction": "none"})(r),
        S(normal(r, 3), normal(r, 3), weight=positive(r, 3), reduction="none"),
    ],
    errors=lambda r: [
        *_errors(r),
        E(RuntimeError, "does not support non-positive values for delta", normal(r, 3), normal(r, 3), delta=0.0),
    ],
    reference=_reference(lambda x, t, delta=1.0, weight=1.0: _huber_reference(x, t, delta) * weight),
)
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half the squared difference up to ``delta``, and a straight line beyond.

    Huber, "Robust estimation of a location parameter", 1964.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.huber_loss(minigrad.tensor([0.5, 3.0]), minigrad.tensor([0.0, 0.0]), reduction="none", delta=2.0)
    tensor([0.1250, 4.0000])
    """
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    reduction = mode(reduction)
    _same_shape("huber_loss", input, target)
    d = (input - target).abs()
    loss = (d * d * 0.5).where(d <= delta, (d - 0.5 * delta) * delta)
    if weight is None:
        return reduced(loss, reduction, ("HuberLoss", input, target))
    loss = loss * weight
    return reduced(loss, reduction)  # the mean is over the elements, not over their weights


# -------------------------------------------------------------------------------------------------------------------- margins
def _signs(r, *shape):
    return np.asarray(np.where(r.random(shape) > 0.5, 1.0, -1.0))


@function(
    "hinge_embedding_loss",
    spaces="functional",
    formula=r"y = x \text{ for } t = 1, \quad \max(0, m - x) \text{ for } t = -1",
    samples=_pairs({"margin": 0.5}, target=lambda r, *shape: _signs(r, *shape).astype(np.int64)),
    errors=lambda r: _errors(r)[:1],
    reference=_reference(lambda x, t, margin=1.0: np.where(t == 1, x, np.maximum(0, margin - x))),
)
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """Distances: those of similar pairs (target 1) should be small, those of others (target -1) at least ``margin``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.hinge_embedding_loss(minigrad.tensor([0.25, 0.25]), minigrad.tensor([1.0, -1.0]), reduction="none")
    tensor([0.2500, 0.7500])
    """
    far = (margin - input).clamp(min=0.0).where(target != 1, 0.0)
    return reduced(far + input.where(target != -1, 0.0), mode(reduction, size_average, reduce))


@function(
    "margin_ranking_loss",
    spaces="functional",
    formula=r"y = \max(0, m - t (a - b))",
    samples=lambda r: (
        [S(normal(r, 5), normal(r, 5), _signs(r, 5), reduction=how) for how in ("none", "mean", "sum")]
        + [S(normal(r, 5), normal(r, 5), _signs(r, 5), 0.5), S(normal(r, 2, 3), normal(r, 2, 3), _signs(r, 2, 3), margin=1.0)]
    ),
    errors=lambda r: [
        E(RuntimeError, "All input tensors should have same dimension", normal(r, 3), normal(r, 3), _signs(r, 3, 1))
    ],
    reference=_reference(lambda a, b, t, margin=0.0: np.maximum(0, margin - t * (a - b))),
)
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """``input1`` should be larger than ``input2`` by ``margin`` where target is 1, and smaller where it is -1.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.margin_ranking_loss(minigrad.tensor([1.0]), minigrad.tensor([3.0]), minigrad.tensor([1.0]))
    tensor(2.)
    """
    dims = {t.array.ndim for t in (input1, input2, target)}
    if len(dims) > 1:
        sizes = ", ".join(f"{name} {list(t.shape)}" for name, t in (("input1", input1), ("input2", input2), ("target", target)))
        raise ShapeError(f"margin_ranking_loss : All input tensors should have same dimension but got sizes: {sizes}")
    return reduced((-target * (input1 - input2) + margin).clamp(min=0.0), mode(reduction, size_average, reduce))


@function(
    "soft_margin_loss",
    spaces="functional",
    formula=r"y = \frac{1}{n} \sum_i \ln(1 + e^{-t_i x_i})",
    derivative=r"\bar x_i = -t_i \sigma(-t_i x_i) \bar y / n",
    samples=_pairs(target=_signs),
    errors=lambda r: _errors(r)[:1],
    reference=_reference(lambda x, t: np.log1p(np.exp(-t * x))),
)
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """The logistic loss of scores against targets 1 and -1.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.soft_margin_loss(minigrad.tensor([0.0]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """
    return reduced(
        softplus(-(input * target), threshold=math.inf), mode(reduction, size_average, reduce), ("SoftMarginLoss", input)
    )
