"""The cross-entropy of a linear map: the last layer of a classifier and its loss in one."""

import math
from dataclasses import dataclass
from typing import Any

from . import functional as F
from .linear import Linear
from .loss import WeightedLoss


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch saves memory in :class:`LinearCrossEntropyLoss`. It is accepted here; results do not depend on it.

    >>> import minigrad
    >>> minigrad.nn.LinearCrossEntropyOptions().chunking_method
    'auto'
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None


class LinearCrossEntropyLoss(WeightedLoss):
    r"""The cross-entropy of the scores :math:`x W^\top + b`.

    Args:
        in_features: size of each input.
        num_classes: the number C of classes.
        out_features: sizes (d1, ...) where there is a loss at each of d1 x ... places.
        bias: whether the linear map has a bias.
        reduction, weight, ignore_index, label_smoothing: as of :class:`CrossEntropyLoss`.
        options: accepted as in PyTorch; see :class:`LinearCrossEntropyOptions`.

    Shape:
        input (N, in_features) or (in_features,), target (N, d1, ...) of classes or (N, C, d1, ...) of probabilities -> ().

    >>> import minigrad
    >>> loss = minigrad.nn.LinearCrossEntropyLoss(5, 10, out_features=(4, 3))
    >>> loss(minigrad.zeros(2, 5), minigrad.zeros(2, 4, 3, dtype=minigrad.int64))
    tensor(2.3026, grad_fn=<NllLoss2DBackward0>)
    """

    def __init__(self, in_features, num_classes, *, out_features=(), bias=False, device=None, dtype=None, reduction="mean",
                 weight=None, ignore_index=None, label_smoothing=0.0, options=None):  # fmt: skip
        super().__init__(weight, reduction=reduction)
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be ({num_classes},), got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        self.in_features = in_features
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options
        self.linear = Linear(in_features, num_classes * math.prod(self.out_features), bias=bias, device=device, dtype=dtype)

    def forward(self, input, target):
        weight, bias = self.linear.weight, self.linear.bias
        shape = (self.num_classes, *self.out_features)
        return F.linear_cross_entropy(
            input, weight.reshape(*shape, self.in_features), target,
            linear_bias=None if bias is None else bias.reshape(shape), weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, options=self.options,
        )  # fmt: skip

    def extra_repr(self):
        settings = {
            "in_features": self.in_features, "num_classes": self.num_classes, "out_features": self.out_features,
            "bias": self.linear.bias is not None, "reduction": self.reduction, "ignore_index": self.ignore_index,
            "label_smoothing": self.label_smoothing, "options": self.options,
        }  # fmt: skip
        return ", ".join(f"{name}={value}" for name, value in settings.items())
