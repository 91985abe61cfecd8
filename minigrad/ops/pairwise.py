"""Distances of every row from every other, and rows scaled down to a norm."""

import math

import numpy as np

from ..errors import ShapeError
from ..op import E, S, faces, function, op
from .samples import normal
from .shape import positive_dim


def _distances(a, b, p=2.0, compute_mode=None):
    x = np.abs(a[..., :, None, :] - b[..., None, :, :])
    if p == 0:
        return (x != 0).sum(-1).astype(float)
    return x.max(-1, initial=0.0) if p == math.inf else (x**p).sum(-1) ** (1 / p)


# ------------------------------------------------------------------------------------------------------ Euclid's distances
def _euclid_da(xp, g, y, a, b):
    """Of a row that another equals: 0."""
    zero = xp.equal(y, 0.0)
    w = xp.where(zero, 0.0, g / xp.where(zero, 1.0, y))  # (..., P, R)
    return a * xp.sum(w, axis=-1, keepdims=True) - xp.matmul(w, b)


def _euclid_db(xp, g, y, a, b):
    return _euclid_da(xp, xp.matrix_transpose(g), xp.matrix_transpose(y), b, a)


@op(
    names="",
    vjp=(_euclid_da, _euclid_db),
    formula=r"y_{ij} = |a_i - b_j|",
    derivative=r"\bar a_i = \sum_j (\bar y_{ij} / y_{ij}) (a_i - b_j)",
    samples=lambda r: [
        S(normal(r, 3, 2), normal(r, 4, 2), product=False),
        S(normal(r, 2, 3, 2), normal(r, 2, 2, 2), product=True),
        S(np.eye(2), np.eye(2), product=False, grad=False),
    ],
    reference=lambda a, b, product: _distances(a, b),
    half=False,
)
def euclidean_distances(xp, a, b, *, product):
    """The distance of rows (..., P, M) from rows (..., R, M), in the same batches.

    With ``product`` by |a|^2 + |b|^2 - 2 a b^T, which needs no array of P x R x M and loses digits where rows are close.
    """
    if product:
        squares = xp.sum(a * a, axis=-1, keepdims=True) + xp.matrix_transpose(xp.sum(b * b, axis=-1, keepdims=True))
        return xp.sqrt(xp.maximum(squares - 2.0 * xp.matmul(a, xp.matrix_transpose(b)), 0.0))
    difference = xp.reshape(a, shape=(*a.shape[:-1], 1, a.shape[-1])) - xp.reshape(b, shape=(*b.shape[:-2], 1, *b.shape[-2:]))
    return xp.sqrt(xp.sum(difference * difference, axis=-1))


MODES = {
    None: "if_necessary",
    "use_mm_for_euclid_dist_if_necessary": "if_necessary",
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}
LARGE = 25  # rows: from there on the product is worth it


@function(
    "cdist",
    spaces="torch",
    formula=r"y_{ij} = |a_i - b_j|_p",
    derivative=r"\bar a_i = \sum_j (\bar y_{ij} / y_{ij}) (a_i - b_j) \text{ for } p = 2",
    samples=lambda r: [
        S(normal(r, 3, 2), normal(r, 4, 2)),
        S(normal(r, 2, 3, 2), normal(r, 4, 2), 1.0),
        S(normal(r, 3, 2), normal(r, 3, 2), p=math.inf),
        S(normal(r, 3, 2), normal(r, 2, 3, 2), compute_mode="use_mm_for_euclid_dist"),
        S(normal(r, 26, 1), normal(r, 2, 1), compute_mode="donot_use_mm_for_euclid_dist"),
        S(normal(r, 26, 1), normal(r, 2, 1)),
        S(normal(r, 2, 2), normal(r, 3, 2), 0.0, grad=False),
        S(normal(r, 0, 2), normal(r, 3, 2)),
        S(normal(r, 2, 0), normal(r, 3, 0)),
    ],
    errors=lambda r: [
        E(RuntimeError, "X1 and X2 must have the same number of columns", normal(r, 3, 2), normal(r, 3, 3)),
        E(RuntimeError, "only supports at least 2D tensors", normal(r, 3), normal(r, 3, 3)),
        E(RuntimeError, "only supports non-negative p", normal(r, 2, 2), normal(r, 2, 2), -1.0),
        E(RuntimeError, "only supports floating-point dtypes", np.eye(2, dtype=np.int64), normal(r, 2, 2)),
        E(ValueError, "is not a valid value for compute_mode", normal(r, 2, 2), normal(r, 2, 2), compute_mode="fast"),
    ],
    reference=_distances,
    half=False,
)
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The distance of every row of ``x1`` from every row of ``x2``.

    Args:
        x1: (..., P, M); x2: (..., R, M); batches broadcast.
        p: which norm.
        compute_mode: for p = 2: "use_mm_for_euclid_dist" by a matrix product, "donot_use_mm_for_euclid_dist" by differences;
            "use_mm_for_euclid_dist_if_necessary" by a product for more than 25 rows.

    Returns:
        (..., P, R).

    >>> import minigrad
    >>> minigrad.cdist(minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    if compute_mode not in MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode; give one of {[m for m in MODES if m]}")
    a, b = x1.array.shape, x2.array.shape
    if min(len(a), len(b)) < 2:
        raise ShapeError(f"cdist only supports at least 2D tensors, got {len(a)}D and {len(b)}D")
    if a[-1] != b[-1]:
        raise ShapeError(f"cdist: X1 and X2 must have the same number of columns. X1: {a[-1]} X2: {b[-1]}")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}; convert it with .float()")
    if x1.array.dtype != x2.array.dtype:
        raise RuntimeError(f"cdist: expected scalar type {x1.dtype} but found {x2.dtype}; convert one with .to(dtype)")
    if x1.array.dtype.itemsize == 2:
        raise NotImplementedError(f"\"cdist\" not implemented for '{x1.dtype}'; convert it with .float()")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    if p == 2:
        if a[:-2] != b[:-2]:
            batch = np.broadcast_shapes(a[:-2], b[:-2])
            x1, x2 = x1.expand(*batch, *a[-2:]), x2.expand(*batch, *b[-2:])
        product = MODES[compute_mode]
        product = max(a[-2], b[-2]) > LARGE if product == "if_necessary" else product
        return euclidean_distances(x1, x2, product=product)
    difference = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return faces["norm"].call(difference, p, -1) if a[-1] else difference.sum(-1)


def _pdist_reference(x, p=2.0):
    return _distances(x, x, p)[np.triu_indices(len(x), 1)]


@function(
    "pdist",
    spaces="torch functional",
    formula=r"y_k = |x_i - x_j|_p \text{ for } i < j",
    samples=lambda r: [
        S(normal(r, 4, 2)),
        S(normal(r, 3, 2), 1.0),
        S(normal(r, 3, 2), p=3.0),
        S(normal(r, 3, 2), math.inf),
        S(normal(r, 1, 2)),
        S(normal(r, 3, 0)),
    ],
    errors=lambda r: [
        E(RuntimeError, "pdist only supports 2D tensors, got: 1D", normal(r, 3)),
        E(RuntimeError, "pdist only supports non-negative p values", normal(r, 3, 2), -1.0),
        E(RuntimeError, "pdist only supports floating-point dtypes", np.eye(2, dtype=np.int64)),
    ],
    reference=_pdist_reference,
    half=False,
)
def pdist(input, p=2.0):
    """The p-norm distances of all pairs of rows, each pair once: of rows 0 and 1, 0 and 2 ... 1 and 2 ...

    Args:
        input: (N, M).

    Returns:
        (N (N - 1) / 2,).

    >>> import minigrad
    >>> minigrad.pdist(minigrad.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.array.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.array.ndim}D")
    if not input.is_floating_point():
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}; convert it with .float()")
    if input.array.dtype.itemsize == 2:
        raise NotImplementedError(f"\"pdist\" not implemented for '{input.dtype}'; convert it with .float()")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    first, second = faces["triu_indices"].call(len(input), len(input), 1, device=input.device)
    difference = input[first] - input[second]
    return faces["norm"].call(difference, p, -1) if input.array.shape[1] else difference.sum(-1)


# ------------------------------------------------------------------------------------------------------------------- renorm
def _renorm_reference(x, p, dim, maxnorm):
    axes = tuple(i for i in range(x.ndim) if i != dim % x.ndim)
    a = np.abs(x)
    length = a.max(axes, keepdims=True) if p == math.inf else (a**p).sum(axes, keepdims=True) ** (1 / p)
    return x * np.where(length > maxnorm, maxnorm / (length + 1e-7), 1.0)


@function(
    "renorm",
    formula=r"y_i = x_i \min(1, m / |x_i|_p)",
    samples=lambda r: [
        S(3.0 * normal(r, 3, 2), 2, 0, 1.5),
        S(3.0 * normal(r, 2, 3, 2), p=1, dim=1, maxnorm=2.0),
        S(3.0 * normal(r, 3, 2), 3.5, -1, 2.0),
        S(np.array([[1.0, 2.0], [30.0, 40.0]]), math.inf, 0, 5.0),
    ],
    errors=lambda r: [
        E(RuntimeError, "input needs at least 2 dimensions, got 1 dimensions", normal(r, 3), 2, 0, 1.0),
        E(RuntimeError, "non-positive-norm not supported", normal(r, 3, 2), 0, 0, 1.0),
        E(RuntimeError, "expected maxnorm to be >= 0", normal(r, 3, 2), 2, 0, -1.0),
        E(IndexError, "out of range", normal(r, 3, 2), 2, 5, 1.0),
    ],
    reference=_renorm_reference,
    inplace=True,
)
def renorm(input, p, dim, maxnorm):
    """Slices along ``dim`` whose p-norm is larger than ``maxnorm``, scaled down to it.

    >>> import minigrad
    >>> minigrad.renorm(minigrad.tensor([[3.0, 4.0], [0.0, 1.0]]), p=2, dim=0, maxnorm=2.5)
    tensor([[1.5000, 2.0000],
            [0.0000, 1.0000]])
    """
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    ndim = input.array.ndim
    if ndim < 2:
        raise ShapeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    dim = positive_dim("renorm", dim, ndim)
    wide = np.dtype(np.float32) if input.array.dtype.itemsize == 2 else None
    length = faces["linalg.vector_norm"].call(input, p, [i for i in range(ndim) if i != dim], True, dtype=wide)
    return input * (maxnorm / (length + 1e-7)).where(length > maxnorm, 1.0).to(input.dtype)
