"""Losses of scores against classes: cross-entropy, negative log-likelihood and the margin losses."""

import math

import numpy as np

from ..dispatch import apply
from ..dtype import of_numpy
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, op, registry
from .loss import mode, reduced
from .samples import normal
from .softmax import _log_softmax

LONG = np.dtype("int64")
_lowest, _highest = np.minimum.reduce, np.maximum.reduce


# --------------------------------------------------------------------------------------------------------- one class a row
def _rows_reference(logits, target):
    log_sum = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    return log_sum - logits[np.arange(len(target)), target]


def _cross_entropy_rule(xp, g, logits, target):
    column = xp.reshape(g, shape=(-1, 1))
    hit = xp.scatter_along_axis(column, xp.reshape(target, shape=(-1, 1)), axis=1, shape=tuple(logits.shape))
    return xp.softmax(logits, axis=1) * column - hit


@op(
    names="",
    vjp=(_cross_entropy_rule, None),
    formula=r"y_n = \ln \sum_c e^{x_{nc}} - x_{n t_n}",
    derivative=r"\bar x_{nc} = \bar y_n \left(\mathrm{softmax}(x_n)_c - [c = t_n]\right)",
    onnx="SoftmaxCrossEntropyLoss",
    samples=lambda r: [
        S(normal(r, 4, 3), np.array([0, 2, 1, 1])),
        S(1e3 * normal(r, 1, 5), np.array([4])),
        S(normal(r, 2, 1), np.array([0, 0])),
    ],
    reference=_rows_reference,
)
def cross_entropy(xp, logits, target):
    """The loss of each row of scores (N, C) against its class (N,), int64."""
    column = xp.reshape(target, shape=(-1, 1))
    s = logits - xp.max(logits, axis=1, keepdims=True)
    chosen = xp.take_along_axis(s, column, axis=1)
    return xp.reshape(xp.log(xp.sum(xp.exp(s), axis=1, keepdims=True)) - chosen, shape=tuple(target.shape))


def _picked(log_p, target):
    """Minus the entry of each row (N, C) that its class (N,) names."""
    column = target.reshape(-1, 1)
    return -apply(registry["take_along_axis"], (log_p, column), {"axis": 1}).reshape(target.shape)


# ------------------------------------------------------------------------------------------------------ shapes and checks
def _rows(input):
    """Scores (N, C, d1, ...) or (C,) as rows (M, C)."""
    ndim = input.array.ndim
    if ndim == 2:
        return input
    if ndim == 1:
        return input.reshape(1, -1)
    return input.permute(0, *range(2, ndim), 1).reshape(-1, input.array.shape[1])


def _check_target(name, input, target):
    """The kinds and shapes of class indices; every mistake is told apart."""
    a, t = input.array, target.array
    classes = a.shape[1] if a.ndim > 1 else a.shape[0] if a.ndim else 0
    if of_numpy[t.dtype].is_floating_point:
        raise DtypeError(
            f"{name}: expected scalar type Long but found {of_numpy[t.dtype]}: class indices are int64, so write target.long(); "
            f"class probabilities are floats of the shape of the scores, {tuple(a.shape)}, but the target has {tuple(t.shape)}"
        )
    if a.ndim == 0:
        raise ShapeError(f"{name}: Expected input to be at least 1D, scores (C,), (N, C) or (N, C, d1, ...), got a number")
    if a.shape == t.shape and classes > 1:
        raise ShapeError(
            f"{name}: 0D or 1D target tensor expected, multi-target not supported: the target has the shape of the scores, "
            f"{tuple(t.shape)}. If it is one-hot, write target.argmax({min(1, a.ndim - 1)}), or target.float() for probabilities"
        )
    wanted = (a.shape[0], *a.shape[2:]) if a.ndim > 1 else ()
    if t.shape != wanted and not (a.ndim == 1 and t.shape == (1,)):
        if a.ndim == 2 and t.ndim > 1:
            raise ShapeError(
                f"{name}: 0D or 1D target tensor expected, multi-target not supported: scores {tuple(a.shape)} want "
                f"classes {wanted}, got {tuple(t.shape)}"
            )
        if a.ndim > 1 and (t.ndim == 0 or t.shape[0] != a.shape[0]):
            got = t.shape[0] if t.ndim else 0
            raise ShapeError(
                f"{name}: Expected input batch_size ({a.shape[0]}) to match target batch_size ({got}): scores "
                f"{tuple(a.shape)}, classes {tuple(t.shape)}"
            )
        raise ShapeError(
            f"{name}: Expected target size {list(wanted)}, got {list(t.shape)}: scores {tuple(a.shape)}, one class for "
            f"each place but dimension 1"
        )
    if t.dtype != LONG:
        raise DtypeError(
            f"{name}: expected scalar type Long but found {of_numpy[t.dtype]}: class indices are int64; write target.long()"
        )
    return classes


def _all_plain(target, classes, ignore_index):
    """Whether every target is a class and none is ignored; IndexError for one that is neither.

    None is looked at on a GPU or under a trace: that would wait for the values.
    """
    t = target.array
    if t.__class__ is not np.ndarray:
        return False
    if not t.size or (not 0 <= ignore_index < classes and _lowest(t, None) >= 0 and _highest(t, None) < classes):
        return True
    wrong = ((t < 0) | (t >= classes)) & (t != ignore_index)
    if wrong.any():
        raise IndexError(
            f"Target {t[wrong].flat[0]} is out of bounds: there are {classes} classes, 0 to {classes - 1} "
            f"(targets equal to ignore_index={ignore_index} are left out)"
        )
    return False


def _check_weight(name, weight, classes):
    if weight is not None and weight.array.shape != (classes,):
        raise ShapeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
            f"of shape: {list(weight.shape)}"
        )


def _weighted_mean(loss, factors):
    """The sum over the sum of the factors: NaN where these are all 0, with a gradient of 0."""
    total = factors.sum()
    empty = total == 0
    return loss.sum() / total.where(~empty, 1.0) + apply(registry["where"], (empty, total.detach() + math.nan, 0.0), {})


def _class_loss(name, losses_of, input, target, weight, ignore_index, reduction, smoothing=0.0):
    """The loss of class indices; ``losses_of(rows, classes)`` gives one number a row, before weights."""
    classes = _check_target(name, input, target)
    _check_weight(name, weight, classes)
    rows, chosen = _rows(input), target if target.array.ndim == 1 else target.reshape(-1)
    factors = None  # what each row counts for
    if not _all_plain(target, classes, ignore_index):
        kept = chosen != ignore_index
        chosen = apply(registry["where"], (kept, chosen, 0), {})
        factors = kept.to(input.dtype)
    spread = factors
    if weight is not None:
        factors = weight[chosen] if factors is None else weight[chosen] * factors
    loss = losses_of(rows, chosen)
    loss = loss if factors is None else loss * factors
    if smoothing:
        log_p = _log_softmax(rows, 1)
        even = -(log_p if weight is None else log_p * weight).sum(1)
        loss = loss * (1.0 - smoothing) + (even if spread is None else even * spread) * (smoothing / classes)
    if reduction == "none":
        return loss if loss.array.shape == target.array.shape else loss.reshape(target.shape)
    if reduction == "mean" and factors is not None:
        return _weighted_mean(loss, factors)
    return reduced(loss, reduction)


# ------------------------------------------------------------------------------------------------------------- public losses
def _log_softmax_of(x, axis):
    s = x - x.max(axis, keepdims=True)
    return s - np.log(np.exp(s).sum(axis, keepdims=True))


def _nll_reference(x, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", smoothing=0.0):
    """Place by place, in Python."""
    axis = 1 if x.ndim > 1 else 0
    w = np.ones(x.shape[axis]) if weight is None else weight
    losses, counts = np.zeros(target.shape), np.zeros(target.shape)
    for where in np.ndindex(*target.shape):
        c = target[where]
        if c != ignore_index:
            row = x[(where[0], slice(None), *where[1:])] if x.ndim > 1 else x
            losses[where] = -w[c] * row[c] * (1 - smoothing) - (w * row).sum() * smoothing / len(row)
            counts[where] = w[c]
    if reduce is not None or size_average is not None:
        reduction = {(True, True): "mean", (True, False): "sum"}.get(
            (reduce in (None, True), size_average in (None, True)), "none"
        )
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / counts.sum() if counts.sum() else np.nan}[reduction]


def _cross_entropy_reference(
    x, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    axis = 1 if x.ndim > 1 else 0
    log_p = _log_softmax_of(x, axis)
    if target.dtype.kind != "f":
        return _nll_reference(log_p, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing)
    w = np.ones(x.shape[axis]) if weight is None else weight
    q = target * (1 - label_smoothing) + label_smoothing / x.shape[axis]
    losses = -(q * log_p * w.reshape(-1, *(1,) * max(x.ndim - 2, 0))).sum(axis)
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / losses.size}[reduction]


def _probabilities(r, *shape):
    p = r.random(shape) + 0.1
    axis = 1 if len(shape) > 1 else 0
    return p / p.sum(axis, keepdims=True)


def _class_samples(r, scores=normal):
    t = np.array([0, 2, 1, 2])
    return [
        S(scores(r, 4, 3), t),
        *(S(scores(r, 4, 3), t, reduction=how) for how in ("none", "mean", "sum")),
        S(scores(r, 4, 3), t, r.random(3) + 0.5),
        S(scores(r, 4, 3), t, r.random(3) + 0.5, reduction="none"),
        S(scores(r, 4, 3), np.array([0, -100, 1, -100])),
        S(scores(r, 4, 3), t, ignore_index=2, weight=r.random(3) + 0.5),
        S(scores(r, 4, 3), t, ignore_index=2, reduction="none"),
        S(scores(r, 3), np.array(1)),
        S(scores(r, 3), np.array(2), reduction="none"),
        S(scores(r, 2, 3, 4), r.integers(0, 3, (2, 4))),
        S(scores(r, 2, 3, 2, 2), r.integers(0, 3, (2, 2, 2)), reduction="none"),
        S(scores(r, 2, 3), np.array([-100, -100]), grad=False),
    ]


def _class_errors(r):
    x = normal(r, 4, 3)
    return [
        E(
            RuntimeError,
            "expected scalar type Long but found minigrad.float64.*target.long\\(\\)",
            x,
            np.array([0.0, 1.0, 2.0, 0.0]),
        ),
        E(RuntimeError, "expected scalar type Long but found minigrad.int32", x, np.array([0, 1, 2, 0], np.int32)),
        E(RuntimeError, "multi-target not supported.*target.argmax\\(1\\)", x, np.array([[1, 0, 0]] * 4)),
        E(RuntimeError, "multi-target not supported", x, np.array([[1]] * 4)),
        E(ValueError, "Expected input batch_size \\(4\\) to match target batch_size \\(3\\)", x, np.array([0, 1, 2])),
        E(RuntimeError, "Expected target size \\[2, 4\\], got \\[2, 5\\]", normal(r, 2, 3, 4), np.zeros((2, 5), np.int64)),
        E(IndexError, "Target 3 is out of bounds.*3 classes, 0 to 2", x, np.array([0, 1, 3, 0]), by_value=True),
        E(IndexError, "Target -1 is out of bounds", x, np.array([0, 1, -1, 0]), by_value=True),
        E(RuntimeError, "weight tensor should be defined", x, np.array([0, 1, 2, 0]), np.ones(4)),
        E(ValueError, "is not a valid value for reduction", x, np.array([0, 1, 2, 0]), reduction="average"),
    ]


@function(
    "cross_entropy",
    spaces="functional",
    formula=r"y = \frac{1}{\sum_n w_{t_n}} \sum_n w_{t_n} \left(\ln \sum_c e^{x_{nc}} - x_{n t_n}\right)",
    derivative=r"\bar x_{nc} = \bar y\,\frac{w_{t_n}}{\sum_m w_{t_m}} \left(\mathrm{softmax}(x_n)_c - [c = t_n]\right)",
    samples=lambda r: [
        *_class_samples(r),
        S(normal(r, 4, 3), np.array([0, 2, 1, 2]), label_smoothing=0.2),
        S(normal(r, 4, 3), np.array([0, -100, 1, 2]), r.random(3) + 0.5, label_smoothing=0.2),
        S(normal(r, 4, 3), np.array([0, -100, 1, 2]), label_smoothing=0.2, reduction="none"),
        S(normal(r, 4, 3), _probabilities(r, 4, 3)),
        S(normal(r, 4, 3), _probabilities(r, 4, 3), r.random(3) + 0.5, reduction="none"),
        S(normal(r, 3), _probabilities(r, 3), reduction="sum"),
        S(normal(r, 2, 3, 2), _probabilities(r, 2, 3, 2), r.random(3), label_smoothing=0.1),
    ],
    errors=lambda r: [
        *_class_errors(r),
        E(RuntimeError, "label_smoothing must be between 0.0 and 1.0", normal(r, 2, 3), np.array([0, 1]), label_smoothing=1.5),
        E(RuntimeError, "not implemented for", np.array([[1, 2]]), np.array([0])),
    ],
    reference=_cross_entropy_reference,
)
def _cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """The loss of a classifier: minus the log of the probability that softmax gives to the right class.

    Args:
        input: scores (logits), (N, C), (C,) or (N, C, d1, ...). Not probabilities: no softmax before this.
        target: classes (N,), () or (N, d1, ...), int64 in [0, C); or probabilities of the shape of ``input``, floats.
        weight: (C,), how much each class counts.
        ignore_index: targets with this value do not count.
        reduction: "mean" (over the weights), "sum", or "none" for one loss a target.
        label_smoothing: in [0, 1], the share of the target that is spread evenly over the classes.

    Raises:
        RuntimeError: for targets of a wrong kind or shape; the message says which and what to write.
        IndexError: for a target that is not a class.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.cross_entropy(minigrad.tensor([[2.0, 0.0], [0.0, 2.0]]), minigrad.tensor([0, 1]))
    tensor(0.1269)
    """
    reduction = mode(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if not input.is_floating_point():
        raise RuntimeError(f'"cross_entropy" not implemented for {input.dtype}: scores are floats; convert them with .float()')
    if target.is_floating_point() and target.array.shape == input.array.shape:
        return _soft_targets(input, target, weight, reduction, label_smoothing)
    return _class_loss("cross_entropy", cross_entropy, input, target, weight, ignore_index, reduction, label_smoothing)


def _soft_targets(input, target, weight, reduction, smoothing):
    """Cross-entropy with class probabilities."""
    dim = 1 if input.array.ndim > 1 else 0
    classes = input.array.shape[dim]
    _check_weight("cross_entropy", weight, classes)
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / classes
    product = _log_softmax(input, dim) * target
    if weight is not None:
        product = product * weight.reshape(-1, *(1,) * max(input.array.ndim - 2, 0))
    return reduced(-product.sum(dim), reduction)


@function(
    "nll_loss",
    spaces="functional",
    formula=r"y = -\frac{1}{\sum_n w_{t_n}} \sum_n w_{t_n} x_{n t_n}",
    derivative=r"\bar x_{nc} = -\bar y\,w_{t_n} [c = t_n] / \sum_m w_{t_m}",
    samples=_class_samples,
    errors=_class_errors,
    reference=_nll_reference,
)
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Negative log-likelihood: minus the log-probability of the right class. Arguments as for :func:`cross_entropy`.

    Args:
        input: log-probabilities, as :func:`log_softmax` gives them.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.nll_loss(minigrad.tensor([[-0.5, -1.0]]), minigrad.tensor([1]))
    tensor(1.)
    """
    return _class_loss("nll_loss", _picked, input, target, weight, ignore_index, mode(reduction, size_average, reduce))


# ------------------------------------------------------------------------------------------------------------------ margins
def _multi_margin_reference(x, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    rows, t = np.atleast_2d(x), np.atleast_1d(target)
    w = np.ones(rows.shape[1]) if weight is None else weight
    losses = np.array(
        [
            w[c] * sum(max(0.0, margin - row[c] + v) ** p for i, v in enumerate(row) if i != c) / len(row)
            for row, c in zip(rows, t)
        ]
    )
    return {"none": losses.reshape(target.shape), "sum": losses.sum(), "mean": losses.mean()}[reduction]


@function(
    "multi_margin_loss",
    spaces="functional",
    formula=r"y_n = \frac{1}{C} \sum_{c \ne t_n} w_{t_n} \max(0, m - x_{n t_n} + x_{nc})^p",
    samples=lambda r: (
        [S(normal(r, 4, 3), np.array([0, 2, 1, 2]), reduction=how) for how in ("none", "mean", "sum")]
        + [S(normal(r, 4, 3), np.array([0, 2, 1, 2]), 2, 0.5, r.random(3)), S(normal(r, 3), np.array(1))]
    ),
    errors=lambda r: [
        E(ValueError, "only p == 1 and p == 2 supported", normal(r, 2, 3), np.array([0, 1]), p=3),
        E(IndexError, "Target 3 is out of bounds", normal(r, 2, 3), np.array([0, 3]), by_value=True),
    ],
    reference=_multi_margin_reference,
)
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The hinge loss of a classifier: every other class should score less than the right one by ``margin``.

    Args:
        input: scores (N, C) or (C,).
        target: classes (N,) or (), int64.
        p: 1 or 2, the power of each excess.
        weight: (C,), how much each class counts.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.multi_margin_loss(minigrad.tensor([[1.0, 0.5]]), minigrad.tensor([0]))
    tensor(0.2500)
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")

    def losses(rows, chosen):
        excess = (rows + (margin + _picked(rows, chosen)).reshape(-1, 1)).clamp(min=0.0)  # (N, C)
        excess = excess if p == 1 else excess * excess
        return (excess.sum(1) - margin**p) / rows.array.shape[1]  # the right class itself has an excess of margin

    mean = mode(reduction, size_average, reduce)
    out = _class_loss("multi_margin_loss", losses, input, target, weight, -100, "none", 0.0)
    return reduced(out, mean)


def _multilabel_reference(x, target, size_average=None, reduce=None, reduction="mean"):
    losses = []
    for row, t in zip(np.atleast_2d(x), np.atleast_2d(target)):
        own = list(t[: list(t).index(-1)] if -1 in t else t)
        losses.append(sum(max(0.0, 1 - row[j] + row[i]) for j in own for i in range(len(row)) if i not in own) / len(row))
    losses = np.array(losses).reshape(x.shape[:-1])
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


@function(
    "multilabel_margin_loss",
    spaces="functional",
    formula=r"y_n = \frac{1}{C} \sum_{j \in T_n} \sum_{i \notin T_n} \max(0, 1 - x_{nj} + x_{ni})",
    samples=lambda r: (
        [S(normal(r, 2, 4), np.array([[3, 0, -1, 1], [2, -1, -1, -1]]), reduction=how) for how in ("none", "mean", "sum")]
        + [S(normal(r, 4), np.array([3, 0, -1, 1])), S(normal(r, 3), np.array([2, 1, 0]))]
    ),
    errors=lambda r: [E(RuntimeError, "inconsistent target size", normal(r, 2, 4), np.array([0, 1]))],
    reference=_multilabel_reference,
)
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """The hinge loss of several right classes a row: each should score more than every wrong one by 1.

    Args:
        input: scores (N, C) or (C,).
        target: (N, C) or (C,), int64: the right classes of each row, then -1 to fill up.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.multilabel_margin_loss(minigrad.tensor([[0.1, 0.2, 0.4, 0.8]]), minigrad.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """
    if target.array.shape != input.array.shape:
        raise ShapeError(
            f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    lead, classes = tuple(input.array.shape[:-1]), input.array.shape[-1]
    rows, wanted = input.reshape(-1, classes), target.reshape(-1, classes)
    named = (wanted >= 0).to(wanted.dtype).cumprod(1)  # 1 up to the first -1
    every = apply(registry["arange"], (wanted,), {"n": classes})
    own = ((wanted.reshape(-1, classes, 1) == every) & (named.reshape(-1, classes, 1) != 0)).any(1)  # (N, C)
    pairs = own.reshape(-1, classes, 1) & ~own.reshape(-1, 1, classes)
    excess = (1.0 - rows.reshape(-1, classes, 1) + rows.reshape(-1, 1, classes)).clamp(min=0.0)  # (N, right, wrong)
    losses = (excess * pairs.to(input.dtype)).sum((1, 2)) / classes
    return reduced(losses.reshape(lead), mode(reduction, size_average, reduce))
