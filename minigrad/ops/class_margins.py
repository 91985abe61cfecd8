"""Margin losses of scores against classes: the right ones should score more than the others."""

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, registry
from .classification import _class_loss, _highest, _lowest, _picked
from .loss import mode, reduced
from .samples import normal


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


def _check_margin(input, target, weight):
    shape, wanted = tuple(input.array.shape), tuple(input.array.shape[:-1])
    if len(shape) > 2 or 0 in shape[-1:]:
        raise ShapeError(
            f"multi_margin_loss: Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}"
        )
    if tuple(target.array.shape) != wanted and not (not wanted and target.array.shape == (1,)):
        raise ShapeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the batch size of the input. Expected target size "
            f"{list(wanted)}, but got {list(target.shape)}"
        )
    if weight is not None and weight.array.ndim != 1:
        raise ValueError(f"multi_margin_loss: weight must be one-dimensional, got shape {tuple(weight.array.shape)}")
    if weight is not None and weight.array.shape[0] != (shape[-1] if shape else 1):
        raise ShapeError(
            f"multi_margin_loss: inconsistent weight size, expected {shape[-1] if shape else 1} but got {list(weight.shape)}"
        )


@function(
    "multi_margin_loss",
    spaces="functional",
    formula=r"y_n = \frac{1}{C} \sum_{c \ne t_n} w_{t_n} \max(0, m - x_{n t_n} + x_{nc})^p",
    samples=lambda r: (
        [S(normal(r, 4, 3), np.array([0, 2, 1, 2]), reduction=how) for how in ("none", "mean", "sum")]
        + [
            S(normal(r, 4, 3), np.array([0, 2, 1, 2]), 2, 0.5, r.random(3)),
            S(normal(r, 3), np.array(1)),
            S(normal(r, 4, 3), np.array([0, 2, 1, 2]), margin=-0.5),
            S(normal(r), np.array(0), grad=False),
        ]
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
        return (excess.sum(1) - max(margin, 0.0) ** p) / rows.array.shape[1]  # the right class itself has an excess of margin

    mean = mode(reduction, size_average, reduce)
    _check_margin(input, target, weight)
    input = input if input.array.ndim else input.reshape(1)  # a number is the score of the only class
    out = _class_loss("multi_margin_loss", losses, input, target, weight, -100, "none", 0.0)
    return reduced(out, mean)


def _multilabel_reference(x, target, size_average=None, reduce=None, reduction="mean"):
    losses = []
    for row, t in zip(np.atleast_2d(x), np.atleast_2d(target)):
        own = list(t[: list(t).index(-1)] if -1 in t else t)
        losses.append(sum(max(0.0, 1 - row[j] + row[i]) for j in own for i in range(len(row)) if i not in own) / len(row))
    losses = np.array(losses).reshape(x.shape[:-1])
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


def _check_labels(name, target):
    """Every entry is a class or negative; on the CPU alone, elsewhere that would wait for the values."""
    t = target.array
    classes = t.shape[-1] if t.ndim else 1
    if t.__class__ is np.ndarray and t.size and (_lowest(t, None) < -1 or _highest(t, None) >= classes):
        raise RuntimeError(f"{name}: argument #2 'target' is out of range: classes are 0 to {classes - 1}, and -1 ends a row")


@function(
    "multilabel_margin_loss",
    spaces="functional",
    formula=r"y_n = \frac{1}{C} \sum_{j \in T_n} \sum_{i \notin T_n} \max(0, 1 - x_{nj} + x_{ni})",
    samples=lambda r: (
        [S(normal(r, 2, 4), np.array([[3, 0, -1, 1], [2, -1, -1, -1]]), reduction=how) for how in ("none", "mean", "sum")]
        + [
            S(normal(r, 4), np.array([3, 0, -1, 1])),
            S(normal(r, 3), np.array([2, 1, 0])),
            S(normal(r, 4), np.array([1, 1, 2, -1])),
            S(normal(r), np.array(0)),
        ]
    ),
    errors=lambda r: [
        E(RuntimeError, "inconsistent target size", normal(r, 2, 4), np.array([0, 1])),
        E(RuntimeError, "out of range", normal(r, 4), np.array([0, 4, -1, -1]), by_value=True),
    ],
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
    reduction = mode(reduction, size_average, reduce)
    if input.array.ndim > 2 or 0 in input.array.shape[-1:]:
        raise ShapeError(
            "multilabel_margin_loss: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if target.array.shape != input.array.shape:
        raise ShapeError(
            f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    _check_labels("multilabel_margin_loss", target)
    lead, classes = tuple(input.array.shape[:-1]), input.array.shape[-1] if input.array.ndim else 1
    rows, wanted = input.reshape(-1, classes), target.reshape(-1, classes)
    named = (wanted >= 0).to(wanted.dtype).cumprod(1)  # 1 up to the first -1
    every = apply(registry["arange"], (wanted,), {"n": classes})
    hits = (wanted.reshape(-1, classes, 1) == every) & (named.reshape(-1, classes, 1) != 0)
    times = hits.to(input.dtype).sum(1)  # (N, C): how often a row names each class; each time counts
    pairs = times.reshape(-1, classes, 1) * (times == 0).to(input.dtype).reshape(-1, 1, classes)
    excess = (1.0 - rows.reshape(-1, classes, 1) + rows.reshape(-1, 1, classes)).clamp(min=0.0)  # (N, right, wrong)
    losses = (excess * pairs).sum((1, 2)) / classes
    return reduced(losses.reshape(lead), reduction)
