"""Distances and angles between vectors, and the losses made of them."""

import math

import numpy as np

from ..errors import ShapeError
from ..op import E, S, function
from ..output import put
from .loss import _reference, mode, reduced
from .samples import normal


def _norms(x, p, axis=-1, keepdims=False):
    return np.linalg.norm(x, p, axis=axis, keepdims=keepdims)


# ------------------------------------------------------------------------------------------------------------- distances
def _cosine_reference(a, b, dim=1, eps=1e-8):
    a, b = np.broadcast_arrays(a, b)
    lengths = [np.maximum(np.sqrt((x * x).sum(dim, keepdims=True)), eps) for x in (a, b)]
    return (a / lengths[0] * (b / lengths[1])).sum(dim)


@function(
    "cosine_similarity",
    spaces="torch functional",
    formula=r"y = \frac{a \cdot b}{\max(|a|, \epsilon) \max(|b|, \epsilon)}",
    derivative=r"\bar a = \bar y\,(b / |b| - y\,a / |a|) / |a|",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 3, 4)),
        S(normal(r, 3, 1, 4), normal(r, 2, 4), dim=-1),
        S(normal(r, 5), normal(r, 5), dim=0),
        S(normal(r, 1, 2, 3), normal(r, 2, 1, 3), dim=-2),
        S(np.array([[1, 2, 3]]), normal(r, 2, 3)),
        S(
            normal(r, 2, 3),
            normal(r, 2, 3),
            eps=5.0,
            grad=False,
            parity="values only: PyTorch takes the bounded norm for the norm",
        ),
        S(np.zeros((2, 3)), normal(r, 2, 3), eps=1e-3, grad=False),
    ],
    errors=lambda r: [
        E(IndexError, "out of range", normal(r, 3), normal(r, 3)),
        E(RuntimeError, "floating point", np.ones((2, 3), np.int64), np.ones((2, 3), np.int64)),
    ],
    reference=_cosine_reference,
)
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between vectors along ``dim``.

    Args:
        x1, x2: float tensors that broadcast.
        dim: the dimension of the vectors.
        eps: lengths below count as this.

    >>> import minigrad
    >>> minigrad.cosine_similarity(minigrad.tensor([[1.0, 0.0]]), minigrad.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    if not (x1.is_floating_point() or x2.is_floating_point()):
        raise RuntimeError(
            f"cosine_similarity: expected common dtype to be floating point, got {x1.dtype} and {x2.dtype}; convert with .float()"
        )
    x1, x2 = (a if a.is_floating_point() else a.to(b.dtype) for a, b in ((x1, x2), (x2, x1)))
    shape = np.broadcast_shapes(x1.array.shape, x2.array.shape)
    vectors = [x if x.array.shape == shape else x.expand(shape) for x in (x1, x2)]
    a, b = (x / x.norm(2, dim, keepdim=True).clamp(min=eps) for x in vectors)
    return (a * b).sum(dim)


@function(
    "pairwise_distance",
    spaces="torch functional",
    formula=r"y = |a - b + \epsilon|_p",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 3, 4)),
        S(normal(r, 3, 4), normal(r, 4), p=1.0),
        S(normal(r, 4), normal(r, 4), 3, eps=0.1),
        S(normal(r, 3, 4), normal(r, 3, 4), p=math.inf, keepdim=True),
    ],
    reference=lambda a, b, p=2.0, eps=1e-6, keepdim=False: _norms(a - b + eps, p, keepdims=keepdim),
)
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of ``x1 - x2 + eps`` over the last dimension.

    >>> import minigrad
    >>> minigrad.pairwise_distance(minigrad.tensor([[3.0, 4.0]]), minigrad.zeros(1, 2))
    tensor([5.0000])
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


@function(
    "normalize",
    spaces="functional",
    formula=r"y = x / \max(|x|_p, \epsilon)",
    derivative=r"\bar x = (\bar y - y\,(y \cdot \bar y)) / |x|",
    samples=lambda r: [
        S(normal(r, 3, 4)),
        S(normal(r, 3, 4), 1.0, 0),
        S(normal(r, 2, 3), p=3, dim=-1, eps=0.1),
        S(normal(r, 3), dim=0, eps=9.0),
    ],
    errors=lambda r: [E(IndexError, "out of range", normal(r, 3))],
    reference=lambda x, p=2.0, dim=1, eps=1e-12: x / np.maximum(_norms(x, p, dim, True), eps),
)
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Vectors along ``dim`` divided by their p-norm, which counts as at least ``eps``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.normalize(minigrad.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    result = input / input.norm(p, dim, keepdim=True).clamp(min=eps)
    return result if out is None else put(out, result, "normalize")


# ----------------------------------------------------------------------------------------------------------------- losses
def _embedding_reference(a, b, t, margin=0.0):
    cos = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    return np.where(t == 1, 1 - cos, np.maximum(0, cos - margin))


@function(
    "cosine_embedding_loss",
    spaces="functional",
    formula=r"y = 1 - \cos(a, b) \text{ for } t = 1, \quad \max(0, \cos(a, b) - m) \text{ for } t = -1",
    samples=lambda r: (
        [S(normal(r, 4, 3), normal(r, 4, 3), np.array([1, -1, -1, 1]), reduction=how) for how in ("none", "mean", "sum")]
        + [
            S(normal(r, 4, 3), normal(r, 4, 3), np.array([1, -1, -1, 1]), 0.1),
            S(normal(r, 3), normal(r, 3), np.array(-1), margin=-0.9),
        ]
    ),
    errors=lambda r: [
        E(RuntimeError, "1D target tensor expects 2D input tensors", normal(r, 3), normal(r, 3), np.array([1])),
        E(
            RuntimeError,
            "0D or 1D target tensor expected, multi-target not supported",
            normal(r, 3, 2),
            normal(r, 3, 2),
            np.ones((3, 2)),
        ),
    ],
    reference=_reference(_embedding_reference),
)
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """Vectors of similar pairs (target 1) should point the same way, those of others (target -1) should not.

    Args:
        input1, input2: (N, D) or (D,).
        target: (N,) or (), of 1 and -1.
        margin: cosines up to this cost nothing where the target is -1.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.cosine_embedding_loss(minigrad.tensor([[1.0, 0.0]]), minigrad.tensor([[0.0, 1.0]]), minigrad.tensor([1]))
    tensor(1.)
    """
    wanted = target.array.ndim + 1
    if wanted > 2:
        raise ShapeError(
            f"cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported, got {tuple(target.shape)}"
        )
    if {input1.array.ndim, input2.array.ndim} != {wanted}:
        raise ShapeError(
            f"cosine_embedding_loss: {wanted - 1}D target tensor expects {wanted}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}"
        )
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) * squares.rsqrt()
    alike = (1.0 - cosine).where(target == 1, 0.0)
    other = (cosine - margin).clamp(min=0.0).where(target == -1, 0.0)
    return reduced(alike + other, mode(reduction, size_average, reduce))


def _triplet_reference(a, p, n, margin=1.0, norm=2.0, eps=1e-6, swap=False):
    near, far = _norms(a - p + eps, norm), _norms(a - n + eps, norm)
    far = np.minimum(far, _norms(p - n + eps, norm)) if swap else far
    return np.maximum(0, margin + near - far)


def _triples(r):
    x = normal(r, 4, 3), normal(r, 4, 3), normal(r, 4, 3)
    return [*(S(*x, reduction=how) for how in ("none", "mean", "sum")), S(*x, margin=3.0, swap=True)]


@function(
    "triplet_margin_loss",
    spaces="functional",
    formula=r"y = \max(0, m + |a - p| - |a - n|)",
    samples=lambda r: [
        *_triples(r),
        S(normal(r, 4, 3), normal(r, 4, 3), normal(r, 4, 3), 2.0, 1.0),
        S(normal(r, 3), normal(r, 3), normal(r, 3), eps=0.1),
    ],
    errors=lambda r: [
        E(ValueError, "margin must be greater than 0", *(normal(r, 2, 3),) * 3, margin=-1.0),
        E(RuntimeError, "same number of dimensions", normal(r, 2, 3), normal(r, 3), normal(r, 2, 3)),
    ],
    reference=lambda a, p, n, margin=1.0, norm=2.0, eps=1e-6, swap=False, reduction="mean": _reference(_triplet_reference)(
        a, p, n, margin, norm, eps, swap, reduction=reduction
    ),
)
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"
):
    """The anchor should be closer to the positive than to the negative example by ``margin``.

    Args:
        anchor, positive, negative: (N, D) or (D,).
        margin: larger than 0.
        p, eps: as for :func:`pairwise_distance`.
        swap: take the distance of positive and negative where it is smaller than that of anchor and negative.

    Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural networks", BMVC 2016.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> a, p, n = (minigrad.tensor([[v, 0.0]]) for v in (0.0, 3.0, 1.0))
    >>> F.triplet_margin_loss(a, p, n)
    tensor(3.)
    """

    def distance(a, b):
        return pairwise_distance(a, b, p, eps)

    return _triplet(
        "triplet_margin_loss", distance, anchor, positive, negative, margin, swap, mode(reduction, size_average, reduce)
    )


def _triplet(name, distance, anchor, positive, negative, margin, swap, reduction):
    if margin <= 0:
        raise ValueError(f"{name}: margin must be greater than 0, got {margin}")
    dims = [t.array.ndim for t in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise ShapeError(
            f"{name}: The anchor, positive, and negative tensors are expected to have the same number of dimensions, but "
            f"got: anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0.0), reduction)


@function(
    "triplet_margin_with_distance_loss",
    spaces="functional",
    formula=r"y = \max(0, m + d(a, p) - d(a, n))",
    samples=_triples,
    errors=lambda r: [E(ValueError, "margin must be greater than 0", *(normal(r, 2, 3),) * 3, margin=-1.0)],
    reference=lambda a, p, n, margin=1.0, swap=False, reduction="mean": _reference(_triplet_reference)(
        a, p, n, margin, swap=swap, reduction=reduction
    ),
)
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """:func:`triplet_margin_loss` with a distance of your own: a function of two tensors, :func:`pairwise_distance` by default.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> a, p, n = (minigrad.tensor([[v, 0.0]]) for v in (0.0, 3.0, 1.0))
    >>> F.triplet_margin_with_distance_loss(a, p, n, distance_function=lambda x, y: ((x - y) ** 2).sum(-1))
    tensor(9.)
    """
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet("triplet_margin_with_distance_loss", distance, anchor, positive, negative, margin, swap, mode(reduction))
