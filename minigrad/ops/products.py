"""Products of tensors over chosen dimensions: tensordot, kron, cross, bilinear, chains and powers."""

import math

import numpy as np

from ..errors import ShapeError
from ..op import E, S, function
from ..output import into
from ..tensor import Tensor
from .einsum import einsum
from .linalg import matmul
from .samples import normal
from .shape import positive_dim


# -------------------------------------------------------------------------------------------------------- tensordot and kron
def _tensordot_reference(a, b, dims=2):
    if not isinstance(dims, int):
        for i, j in zip(*dims):
            if b.shape[j] == 1:
                a = a.sum(i, keepdims=True)
            if a.shape[i] == 1:
                b = b.sum(j, keepdims=True)
    return np.tensordot(a, b, dims)


@function(
    "tensordot",
    spaces="torch",
    formula=r"y = \sum_k a_{\dots k} b_{k \dots}",
    derivative=r"\bar a = \text{tensordot of } \bar y \text{ and } b",
    samples=lambda r: [
        S(normal(r, 2, 3, 4), normal(r, 3, 4, 2)),
        S(normal(r, 2, 3), normal(r, 3, 2), 1),
        S(normal(r, 2), normal(r, 3), dims=0),
        S(normal(r, 2, 3, 4), normal(r, 4, 2), dims=([0, 2], [1, 0])),
        S(normal(r, 2, 3), normal(r, 3, 2), dims=[[-1], [-2]]),
        S(normal(r, 1, 3), normal(r, 2, 1, 2), dims=[[0, 1], [0, 1]]),
    ],
    errors=lambda r: [
        E(
            RuntimeError,
            "contracted dimensions need to match, but first has size 3 in dim 1 and second has size 2 in dim 0",
            normal(r, 2, 3),
            normal(r, 2, 3),
            1,
        ),
        E(RuntimeError, "both dimension lists should have same length", normal(r, 2, 3), normal(r, 3, 2), ([0, 1], [0])),
        E(RuntimeError, "expects dims >= 0", normal(r, 2), normal(r, 2), -1),
        E(RuntimeError, "expects dims < ndim_a", normal(r, 2), normal(r, 2), 2),
    ],
    reference=_tensordot_reference,
)
def tensordot(a, b, dims=2, out=None):
    """Sums of products over the last ``dims`` dimensions of ``a`` and the first of ``b``, or over two lists of dimensions.

    >>> import minigrad
    >>> minigrad.tensordot(minigrad.ones(2, 3), minigrad.ones(3, 2), dims=1)
    tensor([[3., 3.],
            [3., 3.]])
    """
    if out is not None:
        return into(out, tensordot, (a, b, dims), {})
    rank_a, rank_b = a.array.ndim, b.array.ndim
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(rank_a, rank_b):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims} for {rank_a}D and {rank_b}D tensors"
            )
        dims = list(range(rank_a - dims, rank_a)), list(range(dims))
    first, second = ([dims[i]] if isinstance(dims[i], int) else list(dims[i]) for i in (0, 1))
    if len(first) != len(second):
        raise RuntimeError(f"tensordot: both dimension lists should have same length, got {first} and {second}")
    first, second = [positive_dim("tensordot", d, rank_a) for d in first], [positive_dim("tensordot", d, rank_b) for d in second]
    for i, j in zip(first, second):
        sizes = a.array.shape[i], b.array.shape[j]
        if sizes[0] != sizes[1] and 1 in sizes:  # a size of 1 broadcasts: the other side is summed
            if sizes[1] == 1:
                a = a.sum(i, keepdim=True).to(a.dtype)
            else:
                b = b.sum(j, keepdim=True).to(b.dtype)
        elif sizes[0] != sizes[1]:
            raise ShapeError(
                f"tensordot: contracted dimensions need to match, but first has size {a.array.shape[i]} in dim {i} "
                f"and second has size {b.array.shape[j]} in dim {j}"
            )
    rest_a, rest_b = [d for d in range(rank_a) if d not in first], [d for d in range(rank_b) if d not in second]
    size = math.prod(a.array.shape[d] for d in first)
    left = a.permute(*rest_a, *first).reshape(-1 if a.numel() else math.prod(a.array.shape[d] for d in rest_a), size)
    right = b.permute(*second, *rest_b).reshape(size, -1 if b.numel() else math.prod(b.array.shape[d] for d in rest_b))
    return matmul(left, right).reshape([*(a.array.shape[d] for d in rest_a), *(b.array.shape[d] for d in rest_b)])


@function(
    "kron",
    formula=r"Y = A \otimes B",
    derivative=r"\bar A_{ij} = \sum_{kl} \bar Y_{ik,jl} B_{kl}",
    samples=lambda r: [
        S(normal(r, 2, 3), normal(r, 3, 2)),
        S(normal(r, 2), normal(r, 3)),
        S(normal(r, 2, 2), normal(r, 3)),
        S(normal(r), normal(r, 2, 2)),
    ],
    reference=np.kron,
)
def kron(input, other):
    """The Kronecker product: every element of ``input`` times all of ``other``, as one block each.

    >>> import minigrad
    >>> minigrad.kron(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 10.0]))
    tensor([ 1., 10.,  2., 20.])
    """
    ndim = max(input.array.ndim, other.array.ndim)
    a = (1,) * (ndim - input.array.ndim) + tuple(input.array.shape)
    b = (1,) * (ndim - other.array.ndim) + tuple(other.array.shape)
    product = input.reshape([n for i in a for n in (i, 1)]) * other.reshape([n for i in b for n in (1, i)])
    return product.reshape([i * j for i, j in zip(a, b)])


# -------------------------------------------------------------------------------------------------------------- vectors of 3
def _cross(name, a, b, dim):
    ndim = a.array.ndim
    if ndim != b.array.ndim:
        raise ShapeError(f"{name}: inputs must have the same number of dimensions, got {ndim} and {b.array.ndim}")
    d = positive_dim(name, dim, ndim) - ndim
    sizes = [t.array.shape[d] for t in (a, b)]
    if sizes != [3, 3]:
        raise ShapeError(f"{name}: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}")
    return a.roll(-1, d) * b.roll(-2, d) - a.roll(-2, d) * b.roll(-1, d)


@function(
    "cross",
    formula=r"y = a \times b",
    derivative=r"\bar a = b \times \bar y, \quad \bar b = \bar y \times a",
    samples=lambda r: [
        S(normal(r, 2, 3), normal(r, 2, 3), 1),
        S(normal(r, 3, 4), normal(r, 3, 4)),
        S(normal(r, 3, 1), normal(r, 3, 2), dim=0),
    ],
    errors=lambda r: [
        E(RuntimeError, "must have length 3", normal(r, 2, 3), normal(r, 2, 3), 0),
        E(RuntimeError, "no dimension of size 3", normal(r, 2), normal(r, 2)),
    ],
    reference=lambda a, b, dim=0: np.cross(*np.broadcast_arrays(a, b), axis=dim),
)
def cross(input, other, dim=None):
    """The cross product of vectors of 3 along ``dim``, the first dimension of size 3 where it is left out.

    >>> import minigrad
    >>> minigrad.cross(minigrad.tensor([1.0, 0.0, 0.0]), minigrad.tensor([0.0, 1.0, 0.0]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        if 3 not in input.array.shape:
            raise ShapeError(f"cross: no dimension of size 3 in input of shape {tuple(input.shape)}")
        dim = input.array.shape.index(3)
    return _cross("cross", input, other, dim)


@function(
    "cross",
    spaces="linalg",
    formula=r"y = a \times b",
    derivative=r"\bar a = b \times \bar y, \quad \bar b = \bar y \times a",
    samples=lambda r: [
        S(normal(r, 2, 3), normal(r, 2, 3)),
        S(normal(r, 2, 3), normal(r, 1, 3)),
        S(normal(r, 3, 2), normal(r, 3, 2), dim=-2),
    ],
    errors=lambda r: [
        E(RuntimeError, "must have length 3", normal(r, 3, 2), normal(r, 3, 2)),
        E(RuntimeError, "the same number of dimensions", normal(r, 2, 3), normal(r, 3)),
    ],
    reference=lambda a, b, dim=-1: np.cross(*np.broadcast_arrays(a, b), axis=dim),
)
def linalg_cross(input, other, *, dim=-1):
    """The cross product of vectors of 3 along ``dim``; the other dimensions broadcast.

    >>> import minigrad
    >>> minigrad.linalg.cross(minigrad.tensor([1.0, 0.0, 0.0]), minigrad.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    return _cross("linalg.cross", input, other, dim)


@function(
    "vecdot",
    spaces="linalg",
    formula=r"y = \sum_i a_i b_i",
    derivative=r"\bar a = \bar y b, \quad \bar b = \bar y a",
    samples=lambda r: [S(normal(r, 2, 3), normal(r, 2, 3)), S(normal(r, 3, 2), normal(r, 3, 1), dim=0)],
    errors=lambda r: [E(RuntimeError, "Expected a floating point or complex tensor", np.array([1]), np.array([1]))],
    reference=lambda a, b, dim=-1: (a * b).sum(dim),
)
def vecdot(x, y, *, dim=-1):
    """The sums of products along ``dim``.

    >>> import minigrad
    >>> minigrad.linalg.vecdot(minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([[3.0, 4.0]]))
    tensor([11.])
    """
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {x.dtype}")
    return ((x.conj() if x.is_complex() else x) * y).sum(dim)


@function(
    "bilinear",
    spaces="functional torch",
    formula=r"y_o = x^\top W_o z + b_o",
    derivative=r"\bar x = \sum_o \bar y_o W_o z, \quad \bar W_o = \bar y_o x z^\top",
    samples=lambda r: [
        S(normal(r, 4, 3), normal(r, 4, 2), normal(r, 5, 3, 2)),
        S(normal(r, 2, 2, 3), normal(r, 2, 2, 2), normal(r, 2, 3, 2), normal(r, 2)),
    ],
    errors=lambda r: [
        E(
            RuntimeError,
            r"bilinear\(\): input1 size does not match weight size: got 4 but expected 3",
            normal(r, 2, 4),
            normal(r, 2, 2),
            normal(r, 1, 3, 2),
        ),
        E(RuntimeError, "input2 size does not match weight size", normal(r, 2, 3), normal(r, 2, 3), normal(r, 1, 3, 2)),
        E(RuntimeError, "input batch dimensions do not match", normal(r, 2, 3), normal(r, 1, 2), normal(r, 1, 3, 2)),
    ],
    reference=lambda x, z, w, b=0.0: np.einsum("...i,oij,...j->...o", x, w, z) + b,
)
def bilinear(input1, input2, weight, bias=None):
    """For each output o: ``input1 @ weight[o] @ input2``, plus ``bias[o]``.

    Args:
        input1: (..., I); input2: (..., J).
        weight: (O, I, J).
        bias: (O,) or None.

    Returns:
        (..., O).

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.bilinear(minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([[3.0]]), minigrad.ones(1, 2, 1))
    tensor([[9.]])
    """
    if input1.array.shape[:-1] != input2.array.shape[:-1]:
        raise ShapeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape[:-1])} and {list(input2.shape[:-1])}"
        )
    for i, t in ((1, input1), (2, input2)):
        if t.array.shape[-1] != weight.array.shape[i]:
            raise ShapeError(
                f"bilinear(): input{i} size does not match weight size: got {t.array.shape[-1]} but expected "
                f"{weight.array.shape[i]}"
            )
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias


# -------------------------------------------------------------------------------------------------------- chains and powers
def _cheapest(sizes):
    """Where to split the product of matrices (sizes[i], sizes[i + 1]) for the fewest multiplications.

    Cormen et al., "Introduction to algorithms", section 14.2.
    """
    n = len(sizes) - 1
    cost, split = [[0] * n for _ in range(n)], [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [(cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i][j], split[i][j] = min(options)
    return split


@function(
    "multi_dot",
    spaces="linalg",
    formula=r"Y = A_1 A_2 \cdots A_n",
    derivative=r"\bar A_i = (A_1 \cdots A_{i-1})^\top \bar Y (A_{i+1} \cdots A_n)^\top",
    samples=lambda r: [
        S([normal(r, 2, 3), normal(r, 3, 4), normal(r, 4, 1), normal(r, 1, 3)]),
        S([normal(r, 3), normal(r, 3, 2), normal(r, 2)]),
        S([normal(r, 2, 3), normal(r, 3)]),
        S([normal(r, 4, 2), normal(r, 2, 4), normal(r, 4, 2)]),
    ],
    errors=lambda r: [
        E(RuntimeError, "expected at least 2 tensors but got 1", [normal(r, 2, 2)]),
        E(RuntimeError, "cannot be multiplied", [normal(r, 2, 3), normal(r, 2, 3)]),
        E(RuntimeError, "tensor 1 must be 2D", [normal(r, 2, 2), normal(r, 2), normal(r, 2, 2)]),
    ],
    reference=np.linalg.multi_dot,
)
def multi_dot(tensors):
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    Args:
        tensors: matrices that fit; the first and the last may be vectors.

    >>> import minigrad
    >>> minigrad.linalg.multi_dot([minigrad.ones(2, 3), minigrad.ones(3, 1), minigrad.ones(1, 2)])
    tensor([[3., 3.],
            [3., 3.]])
    """
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for i, t in enumerate(tensors):
        if t.array.ndim != 2 and not (t.array.ndim == 1 and i in (0, n - 1)):
            raise ShapeError(f"multi_dot(): tensor {i} must be 2D (or 1D at either end) but got {t.array.ndim}D")
    rows = tensors[0].array.shape[0] if tensors[0].array.ndim == 2 else 1
    split = _cheapest(
        [rows, *(t.array.shape[0] for t in tensors[1:]), tensors[-1].array.shape[-1] if tensors[-1].array.ndim == 2 else 1]
    )

    def product(i, j):
        return tensors[i] if i == j else matmul(product(i, split[i][j]), product(split[i][j] + 1, j))

    return product(0, n - 1)


@function(
    "chain_matmul",
    spaces="torch",
    formula=r"Y = A_1 A_2 \cdots A_n",
    samples=lambda r: [S(normal(r, 2, 3), normal(r, 3, 4), normal(r, 4, 2)), S(normal(r, 2, 3))],
    reference=lambda *a: np.linalg.multi_dot(a) if len(a) > 1 else a[0],
)
def chain_matmul(*matrices):
    """The product of matrices. See :func:`minigrad.linalg.multi_dot`.

    >>> import minigrad
    >>> minigrad.chain_matmul(minigrad.ones(1, 3), minigrad.ones(3, 2), minigrad.ones(2, 1))
    tensor([[6.]])
    """
    return multi_dot(matrices) if len(matrices) > 1 else matrices[0].clone()


@function(
    "matmul",
    spaces="linalg",
    formula=r"Y = A B",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4, 2)), S(normal(r, 4), normal(r, 4))],
    errors=lambda r: [E(RuntimeError, "cannot be multiplied", normal(r, 3, 4), normal(r, 3, 4))],
    reference=np.matmul,
)
def linalg_matmul(input, other):
    """The matrix product. See :func:`minigrad.matmul`.

    >>> import minigrad
    >>> minigrad.linalg.matmul(minigrad.ones(1, 3), minigrad.ones(3, 1))
    tensor([[3.]])
    """
    return matmul(input, other)
