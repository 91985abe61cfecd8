"""Losses that are minus the log-likelihood of a distribution: Bernoulli, Poisson, normal; and divergences."""

import math
import warnings

import numpy as np

from ..errors import DtypeError, no_bool, scalar_type
from ..op import E, S, function, op
from ..tensor import Tensor
from .loss import _errors, _pairs, _reference, mode, reduced
from .samples import normal, positive
from .smooth import logsigmoid


def _bce_reference(x, t, weight=1.0):
    return -weight * (t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log(1 - x), -100))


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(
        lambda xp, g, x, t: g * (x - t) / xp.maximum((1.0 - x) * x, 1e-12),
        lambda xp, g, x: g * (xp.maximum(xp.log1p(-x), -100.0) - xp.maximum(xp.log(x), -100.0)),
    ),
    formula=r"y = -t \ln x - (1 - t) \ln (1 - x)",
    derivative=r"\bar x = \bar y\,\frac{x - t}{x (1 - x)}, \quad \bar t = \bar y\,(\ln(1 - x) - \ln x)",
    samples=lambda r: [
        S(r.random((3, 4)), r.random((3, 4))),
        S(r.random((3, 4)), r.random(4)),
        S(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]), grad=False),
    ],
    reference=_bce_reference,
)
def log_loss(xp, x, t):
    """The cross-entropy of probabilities ``x`` with targets ``t``, element by element. Logarithms end at -100, as in PyTorch."""
    return (t - 1.0) * xp.maximum(xp.log1p(-x), -100.0) - t * xp.maximum(xp.log(x), -100.0)


def _probability(r, *shape):
    return np.asarray(0.05 + 0.9 * r.random(shape))


@function(
    "binary_cross_entropy",
    spaces="functional",
    formula=r"y = -\frac{1}{n} \sum_i w_i (t_i \ln x_i + (1 - t_i) \ln (1 - x_i))",
    derivative=r"\bar x_i = \bar y\,w_i \frac{x_i - t_i}{n\,x_i (1 - x_i)}",
    samples=lambda r: [
        *_pairs(draw=_probability, target=_probability)(r),
        S(_probability(r, 2, 3), _probability(r, 2, 3), positive(r, 3)),
        S(_probability(r, 2, 3), _probability(r, 2, 3), weight=positive(r, 2, 3), reduction="none"),
    ],
    errors=lambda r: [
        E(ValueError, "is deprecated. Please ensure they have the same size", _probability(r, 2, 3), _probability(r, 3)),
        E(
            RuntimeError,
            "all elements of input should be between 0 and 1",
            np.array([0.5, 1.5]),
            np.array([0.0, 1.0]),
            by_value=True,
        ),
        E(ValueError, "is not a valid value for reduction", _probability(r, 3), _probability(r, 3), reduction="average"),
    ],
    reference=_reference(_bce_reference),
)
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The loss of probabilities against targets in [0, 1].

    Args:
        input: probabilities, for instance after a sigmoid. :func:`binary_cross_entropy_with_logits` is more exact on scores.
        target: of the same shape.
        weight: how much each element counts; it broadcasts.
        reduction: "mean", "sum" or "none".

    Raises:
        RuntimeError: for an input outside [0, 1].

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.binary_cross_entropy(minigrad.tensor([0.5, 0.25]), minigrad.tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931, 1.3863])
    """
    reduction = mode(reduction, size_average, reduce)
    if target.array.shape != input.array.shape:
        raise ValueError(
            f"binary_cross_entropy: Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) "
            f"is deprecated. Please ensure they have the same size: target.view_as(input), or input.squeeze(1)"
        )
    a = input.array
    if target.array.dtype != a.dtype:
        raise DtypeError(
            f"binary_cross_entropy: Found dtype {scalar_type(target.dtype)} but expected {scalar_type(input.dtype)}; write "
            f"target.to(input.dtype)"
        )
    if a.__class__ is np.ndarray and a.size and not (a.min() >= 0 and a.max() <= 1):
        raise RuntimeError(
            f"binary_cross_entropy: all elements of input should be between 0 and 1, but they go from {a.min()} to {a.max()}; "
            f"for scores use binary_cross_entropy_with_logits, or apply sigmoid first"
        )
    loss = log_loss(input, target)
    return reduced(loss if weight is None else loss * weight, reduction, ("BinaryCrossEntropy", input, target))


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(lambda xp, g, x, t: g * (xp.sigmoid(x) - t), lambda xp, g, x: -(g * x)),
    formula=r"y = \ln(1 + e^x) - t x",
    derivative=r"\bar x = \bar y\,(\sigma(x) - t), \quad \bar t = -\bar y\,x",
    samples=lambda r: [
        S(3 * normal(r, 3, 4), r.random((3, 4))),
        S(normal(r, 3, 4), r.random(4)),
        S(np.array([200.0, -200.0]), np.array([1.0, 0.0]), grad=False),
    ],
    reference=lambda x, t: np.logaddexp(0, x) - t * x,
)
def logit_loss(xp, x, t):
    """The cross-entropy of sigmoid(x) with targets ``t``, element by element, exact for scores of any size."""
    return xp.maximum(x, 0.0) - x * t + xp.log1p(xp.exp(-xp.abs(x)))


def _logit_reference(x, t, weight=1.0, pos_weight=1.0):
    return weight * (pos_weight * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))


@function(
    "binary_cross_entropy_with_logits",
    spaces="functional",
    formula=r"y = -\frac{1}{n} \sum_i w_i (p_i t_i \ln \sigma(x_i) + (1 - t_i) \ln (1 - \sigma(x_i)))",
    derivative=r"\bar x_i = \bar y\,(\sigma(x_i) - t_i) / n",
    samples=lambda r: [
        *_pairs(target=_probability)(r),
        S(normal(r, 2, 3), _probability(r, 2, 3), positive(r, 3)),
        S(normal(r, 2, 3), _probability(r, 2, 3), pos_weight=positive(r, 3), reduction="none"),
        S(normal(r, 2, 3), _probability(r, 2, 3), weight=positive(r, 2, 3), pos_weight=positive(r, 3), reduction="sum"),
    ],
    errors=lambda r: [
        E(ValueError, r"Target size \(\w+.Size\(\[3\]\)\) must be the same as input size", normal(r, 3, 1), normal(r, 3)),
        E(
            RuntimeError,
            "result type (Float|Double) can't be cast to the desired output type Long",
            normal(r, 3),
            np.array([0, 1, 1]),
        ),
        E(ValueError, "is not a valid value for reduction", normal(r, 3), normal(r, 3), reduction="average"),
    ],
    reference=_reference(_logit_reference),
)
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """The loss of scores against targets in [0, 1]: a sigmoid and :func:`binary_cross_entropy` in one, exact for any score.

    Args:
        input: scores of any shape.
        target: of the same shape.
        weight: how much each element counts; it broadcasts.
        pos_weight: how much the positive part of each target counts; it broadcasts.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: where the shapes differ.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.binary_cross_entropy_with_logits(minigrad.tensor([0.0, -100.0]), minigrad.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931, 100.0000])
    """
    reduction = mode(reduction, size_average, reduce)
    if target.array.shape != input.array.shape:
        raise ValueError(
            f"binary_cross_entropy_with_logits: Target size ({target.shape}) must be the same as input size "
            f"({input.shape}); "
            f"write target.view_as(input), or input.squeeze(1)"
        )
    if target.array.dtype == np.bool_:
        raise no_bool("sub", both=True)
    if target.array.dtype.kind in "iu":
        raise DtypeError(
            f"binary_cross_entropy_with_logits: result type {scalar_type(input.dtype)} can't be cast to the desired output type "
            f"{scalar_type(target.dtype)}; write target.float()"
        )
    if pos_weight is None:
        loss = logit_loss(input, target)
    else:
        loss = (1.0 - target) * input - (1.0 + (pos_weight - 1.0) * target) * logsigmoid(input)
    shown = ("BinaryCrossEntropyWithLogits", input, target)
    return reduced(loss if weight is None else loss * weight, reduction, shown)


def _kl_reference(x, t, reduction="mean", log_target=False):
    out = np.exp(t) * (t - x) if log_target else np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0) - t * x
    return {"none": out, "sum": out.sum(), "mean": out.mean(), "batchmean": out.sum() / (x.shape[0] if x.ndim else 1)}[reduction]


@function(
    "kl_div",
    spaces="functional",
    formula=r"y = \sum_i t_i (\ln t_i - x_i)",
    derivative=r"\bar x_i = -t_i \bar y",
    samples=lambda r: (
        [S(normal(r, 3, 4), _probability(r, 3, 4), reduction=how) for how in ("none", "sum", "batchmean")]
        + [
            S(normal(r, 3, 4), normal(r, 3, 4), reduction="batchmean", log_target=True),
            S(normal(r, 2), np.array([0.0, 1.0]), reduction="sum", grad=False, parity="values only: PyTorch gives NaN at 0 ln 0"),
        ]
    ),
    errors=lambda r: [E(ValueError, "is not a valid value for reduction", normal(r, 3), normal(r, 3), reduction="average")],
    reference=_kl_reference,
)
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """The divergence of Kullback and Leibler of log-probabilities ``input`` from probabilities ``target``.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms with ``log_target``.
        reduction: "batchmean" (the sum over the number of rows: the mathematical value), "sum", "none" or "mean".

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.kl_div(minigrad.tensor([[0.5, 0.5]]).log(), minigrad.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    loss = target.exp() * (target - input) if log_target else target * target.where(target != 0, 1.0).log() - target * input
    if reduction == "batchmean":
        return loss.sum() / (input.array.shape[0] if input.array.ndim else 1)
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "kl_div: reduction='mean' divides the total loss by both the batch size and the support size. 'batchmean' "
            "divides only "
            "by the batch size, and aligns with the KL math definition.",
            stacklevel=2,
        )
    return reduced(loss, mode(reduction, size_average, reduce))


def _poisson_reference(x, t, log_input=True, full=False, eps=1e-8):
    out = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    s = np.where(t > 1, t, 2.0)
    return out + full * np.where(t > 1, s * np.log(s) - s + 0.5 * np.log(2 * np.pi * s), 0.0)


def _counts(r, *shape):
    return np.asarray(r.integers(0, 5, shape) + 0.25)  # Stirling's part begins at 1: a difference must not cross it


@function(
    "poisson_nll_loss",
    spaces="functional",
    formula=r"y = \frac{1}{n} \sum_i (e^{x_i} - t_i x_i)",
    derivative=r"\bar x_i = (e^{x_i} - t_i) \bar y / n",
    samples=lambda r: [
        *_pairs({"full": True}, target=_counts)(r),
        S(positive(r, 3), _counts(r, 3), log_input=False),
        S(positive(r, 3), _counts(r, 3), log_input=False, eps=0.5, full=True),
    ],
    errors=lambda r: [E(ValueError, "is not a valid value for reduction", normal(r, 3), normal(r, 3), reduction="average")],
    reference=_reference(_poisson_reference),
)
def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"):
    """Minus the log-likelihood of counts under Poisson distributions.

    Args:
        input: the logarithms of the rates, or the rates themselves without ``log_input``.
        target: counts.
        full: add Stirling's approximation of ln(target!).
        eps: keeps the logarithm of a rate finite.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.poisson_nll_loss(minigrad.tensor([0.0]), minigrad.tensor([3.0]))
    tensor(1.)
    """
    reduction = mode(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        t = target.where(target > 1, 2.0)
        loss = loss + (t * t.log() - t + (2 * math.pi * t).log() * 0.5).where(target > 1, 0.0)
    return reduced(loss, reduction)


def _gaussian_reference(x, t, var, full=False, eps=1e-6):
    v = np.maximum(var if np.ndim(var) == x.ndim or not np.ndim(var) else var[..., None], eps)
    return 0.5 * (np.log(v) + (x - t) ** 2 / v) + full * 0.5 * np.log(2 * np.pi)


@function(
    "gaussian_nll_loss",
    spaces="functional",
    formula=r"y = \frac{1}{2n} \sum_i \left(\ln v_i + (x_i - t_i)^2 / v_i\right)",
    derivative=r"\bar x_i = (x_i - t_i) \bar y / n v_i",
    samples=lambda r: (
        [S(normal(r, 3, 4), normal(r, 3, 4), positive(r, 3, 4), reduction=how) for how in ("none", "mean", "sum")]
        + [
            S(normal(r, 3, 4), normal(r, 3, 4), positive(r, 3), full=True),
            S(normal(r, 3, 4), normal(r, 3, 4), positive(r, 3, 1), eps=0.1),
            S(normal(r, 3, 4), normal(r, 3, 4), positive(r, 1, 4)),
            S(normal(r, 3, 4), normal(r, 3, 4), 2.0),
            S(normal(r, 3), normal(r, 3), np.zeros(3), eps=0.5, grad=False),
        ]
    ),
    errors=lambda r: [
        E(ValueError, "var has negative entry/entries", normal(r, 3), normal(r, 3), -positive(r, 3), by_value=True),
        E(ValueError, "var is of incorrect size", normal(r, 3, 4), normal(r, 3, 4), positive(r, 2)),
        E(ValueError, "is not valid", normal(r, 3), normal(r, 3), positive(r, 3), reduction="average"),
    ],
    reference=_reference(_gaussian_reference),
)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Minus the log-likelihood of ``target`` under normal distributions with means ``input`` and variances ``var``.

    Args:
        input, target: tensors of one shape.
        var: of the same shape, or with 1 in one dimension, or without the last dimension, or a number.
        full: add the constant ln(2 pi) / 2.
        eps: variances below count as this one.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.gaussian_nll_loss(minigrad.tensor([1.0]), minigrad.tensor([3.0]), minigrad.tensor([1.0]))
    tensor(2.)
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"gaussian_nll_loss: {reduction} is not valid as a reduction: use 'mean', 'sum' or 'none'")
    if not isinstance(var, Tensor):
        var = input.detach() * 0.0 + var
    shape, own = tuple(input.array.shape), tuple(var.array.shape)
    if own != shape:
        if shape[:-1] == own:
            var = var.unsqueeze(-1)
        elif not (len(own) == len(shape) and sum(a != b for a, b in zip(own, shape)) == 1 and 1 in own):
            raise ValueError(f"gaussian_nll_loss: var is of incorrect size: {own} for an input of shape {shape}")
    v = var.array
    if v.__class__ is np.ndarray and (v < 0).any():
        raise ValueError(
            f"gaussian_nll_loss: var has negative entry/entries: its smallest is {v.min()}; pass a variance, not its logarithm"
        )
    var = var + (var.detach().clamp(min=eps) - var.detach())  # the value is bounded, the gradient is not
    difference = input - target
    loss = (var.log() + difference * difference / var) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def _multilabel_reference(x, t, weight=1.0):
    return (weight * (t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))).mean(-1)


@function(
    "multilabel_soft_margin_loss",
    spaces="functional",
    formula=r"y_n = -\frac{1}{C} \sum_c w_c (t_{nc} \ln \sigma(x_{nc}) + (1 - t_{nc}) \ln \sigma(-x_{nc}))",
    samples=lambda r: (
        [S(normal(r, 3, 4), _probability(r, 3, 4), reduction=how) for how in ("none", "mean", "sum")]
        + [S(normal(r, 3, 4), _probability(r, 3, 4), positive(r, 4))]
    ),
    errors=lambda r: _errors(r)[:1],
    reference=_reference(_multilabel_reference),
)
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The mean over classes of the logistic losses of several yes-or-no targets.

    Args:
        input, target: (N, C).
        weight: (C,), how much each class counts.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.multilabel_soft_margin_loss(minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    loss = logit_loss(input, target)
    loss = loss if weight is None else loss * weight
    return reduced(loss.mean(-1), mode(reduction, size_average, reduce))
