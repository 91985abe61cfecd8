"""Losses of scores against classes: cross-entropy, negative log-likelihood and the margin losses."""

import math

import numpy as np

from ..dispatch import apply
from ..dtype import of_numpy
from ..errors import DtypeError, ShapeError, scalar_type
from ..graph import show_as
from ..op import E, S, function, op, registry
from .loss import mode, reduced
from .samples import normal
from .softmax import _log_softmax

LONG, BYTE, UNSIGNED = np.dtype("int64"), np.dtype("uint8"), np.dtype("uint64")
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


def _nll_rule(xp, g, log_p_shape, target):
    column = xp.reshape(target, shape=(-1, 1))
    return xp.scatter_along_axis(xp.reshape(-g, shape=(-1, 1)), column, axis=1, shape=tuple(log_p_shape))


@op(
    names="",
    vjp=(_nll_rule, None),
    formula=r"y_n = -x_{n t_n}",
    derivative=r"\bar x_{nc} = -\bar y_n [c = t_n]",
    samples=lambda r: [S(normal(r, 4, 3), np.array([0, 2, 1, 1])), S(normal(r, 2, 1), np.array([0, 0]))],
    reference=lambda log_p, target: -log_p[np.arange(len(target)), target],
)
def nll(xp, log_p, target):
    """Minus the entry of each row (N, C) that its class (N,), int64, names."""
    chosen = xp.take_along_axis(log_p, xp.reshape(target, shape=(-1, 1)), axis=1)
    return -xp.reshape(chosen, shape=tuple(target.shape))


def _picked(log_p, target):
    return apply(registry["nll"], (log_p, target), {})


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
        raise _not_long(
            name,
            target,
            f"; class probabilities are floats of the shape of the scores, {tuple(a.shape)}, but the target has {tuple(t.shape)}",
        )
    if a.ndim == 0:
        raise ShapeError(f"{name}: Expected input to be at least 1D, scores (C,), (N, C) or (N, C, d1, ...), got a number")
    if a.shape == t.shape and classes > 1:
        what = "0D or 1D target tensor expected, multi-target not supported"
        if name == "cross_entropy":
            what = f"Expected floating point type for target with class probabilities, got {of_numpy[t.dtype]}; {what}"
        raise ShapeError(
            f"{name}: {what}: the target has the shape of the scores, {tuple(t.shape)}. If it is one-hot, write "
            f"target.argmax({min(1, a.ndim - 1)}), or target.float() for probabilities"
        )
    wanted = (a.shape[0], *a.shape[2:]) if a.ndim > 1 else ()
    if t.shape != wanted and not (a.ndim == 1 and t.shape == (1,)):
        _wrong_target_shape(name, a.shape, t.shape, wanted)
    if t.dtype != LONG and t.dtype != BYTE:
        raise _not_long(name, target)
    return classes


def _not_long(name, target, more=""):
    return DtypeError(
        f"{name}: expected target dtype to be Long or Byte, but got {scalar_type(target.dtype)}: expected scalar type Long but "
        f"found {scalar_type(target.dtype)}; class indices are int64, so write target.long(){more}"
    )


def _wrong_target_shape(name, scores, target, wanted):
    if len(scores) == 2 and len(target) > 1:
        raise ShapeError(
            f"{name}: 0D or 1D target tensor expected, multi-target not supported: scores {tuple(scores)} want "
            f"classes {wanted}, got {tuple(target)}"
        )
    if len(scores) > 1 and (not target or target[0] != scores[0]):
        got = target[0] if target else 0
        raise ShapeError(
            f"{name}: Expected input batch_size ({scores[0]}) to match target batch_size ({got}): scores "
            f"{tuple(scores)}, classes {tuple(target)}"
        )
    raise ShapeError(
        f"{name}: Expected target size {list(wanted)}, got {list(target)}: scores {tuple(scores)}, one class for "
        f"each place but dimension 1"
    )


def _all_plain(target, classes, ignore_index):
    """Whether every target is a class and none is ignored; IndexError for one that is neither.

    None is looked at on a GPU or under a trace: that would wait for the values.
    """
    t = target.array
    if t.__class__ is not np.ndarray:
        return False
    largest = _highest(t.view(UNSIGNED), None) if t.size else 0  # negative numbers, seen as unsigned, are large
    if not t.size or (not 0 <= ignore_index < classes and largest < classes):
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


_SHOWN = {1: "NllLossBackward0", 2: "NllLossBackward0"}


def _class_loss(name, losses_of, input, target, weight, ignore_index, reduction, smoothing=0.0):
    """The loss of class indices; ``losses_of(rows, classes)`` gives one number a row, before weights."""
    classes = _check_target(name, input, target)
    _check_weight(name, weight, classes)
    target = target if target.array.dtype == LONG else target.long()
    rows, chosen = _rows(input), target if target.array.ndim == 1 else target.reshape(-1)
    factors = kept = None  # what each row counts for
    if not _all_plain(target, classes, ignore_index):
        kept = chosen != ignore_index
        chosen = apply(registry["where"], (kept, chosen, 0), {})
        factors = kept.to(input.dtype)
    if weight is not None:
        factors = weight[chosen] if factors is None else weight[chosen] * factors
    loss = losses_of(rows, chosen)
    loss = loss if weight is None else loss * weight[chosen]
    if smoothing:
        log_p = _log_softmax(rows, 1)
        even = -(log_p if weight is None else log_p * weight).sum(1)
        loss = loss * (1.0 - smoothing) + even * (smoothing / classes)
    if kept is not None:
        loss = loss.masked_fill(~kept, 0.0)  # not a product: what is ignored may be NaN or infinite
    if reduction == "none":
        loss = loss if loss.array.shape == target.array.shape else loss.reshape(target.shape)
    elif reduction == "mean" and factors is not None:
        loss = _weighted_mean(loss, factors)
    else:
        loss = reduced(loss, reduction)
    return show_as(loss, "AddBackward0" if smoothing else _SHOWN.get(input.array.ndim, "NllLoss2DBackward0"), input)


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
            "Long or Byte, but got Double.*target.long\\(\\)",
            x,
            np.array([0.0, 1.0, 2.0, 0.0]),
        ),
        E(RuntimeError, "expected scalar type Long but found Int", x, np.array([0, 1, 2, 0], np.int32)),
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
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
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
