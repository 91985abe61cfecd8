"""Losses of margins and distances: some things must come out further apart than others."""

from . import functional as F
from .loss import Loss, WeightedLoss
from .module import Module


class CosineSimilarity(Module):
    r"""The cosine of the angle between two vectors: :math:`\frac{x_1 \cdot x_2}{\max(\|x_1\| \|x_2\|, \epsilon)}`.

    Args:
        dim: the dimension of the vectors.
        eps: keeps the quotient finite.

    Shape:
        (\*, D, \*), (\*, D, \*) -> (\*, \*).

    >>> import minigrad
    >>> minigrad.nn.CosineSimilarity()(minigrad.tensor([[1.0, 0.0]]), minigrad.tensor([[3.0, 0.0]]))
    tensor([1.])
    """

    def __init__(self, dim=1, eps=1e-8):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1, x2):
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    r"""The p-norm of the difference of two vectors: :math:`\|x_1 - x_2 + \epsilon\|_p`.

    Args:
        p: of the norm.
        eps: keeps the gradient finite where the vectors are equal.
        keepdim: keep the dimension of the vectors, with size 1.

    Shape:
        (N, D) or (D,), the same -> (N,) or (), with ``keepdim`` (N, 1) or (1,).

    >>> import minigrad
    >>> minigrad.nn.PairwiseDistance()(minigrad.tensor([[3.0, 4.0]]), minigrad.zeros(1, 2))
    tensor([5.0000])
    """

    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class HingeEmbeddingLoss(Loss):
    r"""For distances x: :math:`x` where the target is 1, :math:`\max(0, margin - x)` where it is -1.

    Args:
        margin: distance from which pairs that differ cost nothing.
        reduction: "mean", "sum" or "none".

    Shape:
        input (\*), target (\*) of 1 and -1 -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.HingeEmbeddingLoss(reduction="none")(minigrad.tensor([0.5, 0.5]), minigrad.tensor([1.0, -1.0]))
    tensor([0.5000, 0.5000])
    """

    def __init__(self, margin=1.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input, target):
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    r""":math:`1 - \cos(x_1, x_2)` where the target is 1, :math:`\max(0, \cos(x_1, x_2) - margin)` where it is -1.

    Args:
        margin: cosine up to which pairs that differ cost nothing.
        reduction: "mean", "sum" or "none".

    Shape:
        input1 (N, D) or (D,), input2 the same, target (N,) or () of 1 and -1 -> (), or (N,) for "none".

    >>> import minigrad
    >>> x = minigrad.tensor([[1.0, 2.0]])
    >>> abs(minigrad.nn.CosineEmbeddingLoss()(x, x, minigrad.tensor([1])).item()) < 1e-6
    True
    """

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(Loss):
    r""":math:`\max(0, -t (x_1 - x_2) + margin)`: x1 must be larger where t = 1, smaller where t = -1.

    Args:
        margin: by how much.
        reduction: "mean", "sum" or "none".

    Shape:
        input1 (N,) or (), input2 and target the same -> (), or (N,) for "none".

    >>> import minigrad
    >>> minigrad.nn.MarginRankingLoss()(minigrad.tensor([1.0]), minigrad.tensor([3.0]), minigrad.tensor([1.0]))
    tensor(2.)
    """

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    r""":math:`\max(0, \|a - p\| - \|a - n\| + margin)`: the anchor a must be nearer to the positive p than to the negative n.

    Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural networks", BMVC 2016.

    Args:
        margin: by how much, more than 0.
        p, eps: of :class:`PairwiseDistance`.
        swap: use the distance of positive and negative where it is smaller than that of anchor and negative.
        reduction: "mean", "sum" or "none".

    Shape:
        anchor, positive, negative (N, D) or (D,) -> (), or (N,) for "none".

    >>> import minigrad
    >>> a, far = minigrad.zeros(1, 2), minigrad.full((1, 2), 9.0)
    >>> minigrad.nn.TripletMarginLoss()(a, a, far)
    tensor(0.)
    """

    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = _positive(self, margin)
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(
            anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, swap=self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """A :class:`TripletMarginLoss` with a distance of one's own.

    Args:
        distance_function: takes two tensors and gives their distances; None: :class:`PairwiseDistance`.
        margin, swap, reduction: as of :class:`TripletMarginLoss`.

    Shape:
        anchor, positive, negative (N, *) -> (), or (N,) for "none".

    >>> import minigrad
    >>> loss = minigrad.nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).abs().sum(1))
    >>> loss(minigrad.zeros(1, 2), minigrad.zeros(1, 2), minigrad.zeros(1, 2))
    tensor(1.)
    """

    def __init__(self, *, distance_function=None, margin=1.0, swap=False, reduction="mean"):
        super().__init__(reduction=reduction)
        self.margin = _positive(self, margin)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.swap = swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip


def _positive(module, margin):
    if margin <= 0:
        raise ValueError(f"{type(module).__name__}: expected margin to be greater than 0, got {margin} instead")
    return margin


class SoftMarginLoss(Loss):
    r""":math:`\ln(1 + e^{-t x})`, for targets 1 and -1.

    Args:
        reduction: "mean", "sum" or "none".

    Shape:
        input (\*), target (\*) -> (), or (\*) for "none".

    >>> import minigrad
    >>> minigrad.nn.SoftMarginLoss()(minigrad.tensor([0.0]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input, target):
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(WeightedLoss):
    r""":math:`\frac{1}{C} \sum_{c \ne t} \max(0, margin - x_t + x_c)^p`: the target class must lead by ``margin``.

    Args:
        p: 1 or 2.
        margin: the lead.
        weight: (C,), one factor for each class.
        reduction: "mean", "sum" or "none".

    Shape:
        input (N, C) or (C,), target (N,) or () in int64 -> (), or (N,) for "none".

    >>> import minigrad
    >>> minigrad.nn.MultiMarginLoss()(minigrad.tensor([[0.0, 1.0]]), minigrad.tensor([0]))
    tensor(1.)
    """

    def __init__(self, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"only p == 1 and p == 2 supported, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.ndim}D instead")
        self.p = p
        self.margin = margin

    def forward(self, input, target):
        return F.multi_margin_loss(input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(Loss):
    r""":math:`\frac{1}{C} \sum_{j \in t} \sum_{i \notin t} \max(0, 1 - x_j + x_i)`: every class of the target leads all others.

    Args:
        reduction: "mean", "sum" or "none".

    Shape:
        input (N, C) or (C,), target the same in int64: class numbers up to the first -1 -> (), or (N,) for "none".

    >>> import minigrad
    >>> minigrad.nn.MultiLabelMarginLoss()(minigrad.tensor([[1.0, 3.0]]), minigrad.tensor([[1, -1]]))
    tensor(0.)
    """

    def forward(self, input, target):
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    r"""The mean over the classes of the binary cross-entropy of a sigmoid: each class is a question of its own.

    .. math:: -\frac{1}{C} \sum_c t_c \ln \sigma(x_c) + (1 - t_c) \ln(1 - \sigma(x_c))

    Args:
        weight: (C,), one factor for each class.
        reduction: "mean", "sum" or "none".

    Shape:
        input (N, C), target (N, C) of 0 and 1 -> (), or (N,) for "none".

    >>> import minigrad
    >>> minigrad.nn.MultiLabelSoftMarginLoss()(minigrad.zeros(1, 3), minigrad.ones(1, 3))
    tensor(0.6931)
    """

    def forward(self, input, target):
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)
