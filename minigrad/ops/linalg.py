"""Products of matrices and vectors, and sums of them."""

import math

import numpy as np

from ..errors import DtypeError, ShapeError, scalar_type
from ..op import E, S, function, op
from ..tensor import Tensor
from .samples import normal


def _matmul_da(xp, g, b):
    """``a`` was a vector exactly where ``g`` has one axis less than a ``b`` of two or more."""
    ndim, rank = len(g.shape), len(b.shape)
    if ndim >= rank > 1:
        return xp.matmul(g, xp.matrix_transpose(b))
    if rank == 1:
        return xp.reshape(g, shape=(*g.shape, 1)) * b
    d = xp.matmul(xp.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1])), xp.matrix_transpose(b))
    return xp.reshape(d, shape=(*d.shape[:-2], d.shape[-1]))


def _matmul_db(xp, g, a, b):
    rank = len(a.shape)
    if len(b.shape) == 1:
        if rank == 1:
            return g * a
        d = xp.matmul(xp.matrix_transpose(a), xp.reshape(g, shape=(*g.shape, 1)))
        return xp.reshape(d, shape=d.shape[:-1])
    if rank == 1:
        return xp.reshape(a, shape=(-1, 1)) * xp.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    return xp.matmul(xp.matrix_transpose(a), g)


@op(
    kind="matmul",
    no_bool="any",
    vjp=(_matmul_da, _matmul_db),
    formula=r"Y = A B",
    derivative=r"\bar A = \bar Y B^\top, \quad \bar B = A^\top \bar Y",
    onnx="MatMul",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 4, 2)),
        S(normal(r, 4), normal(r, 4)),
        S(normal(r, 4), normal(r, 4, 2)),
        S(normal(r, 3, 4), normal(r, 4)),
        S(normal(r, 2, 1, 3, 4), normal(r, 5, 4, 2)),
        S(normal(r, 2, 3, 4), normal(r, 4)),
        S(normal(r, 4), normal(r, 5, 4, 2)),
        S(normal(r, 0, 4), normal(r, 4, 2)),
    ],
    errors=lambda r: [
        E(RuntimeError, "mat1 and mat2 shapes cannot be multiplied", normal(r, 3, 4), normal(r, 3, 4)),
        E(RuntimeError, "at least one dimension", normal(r, 3), normal(r)),
        E(RuntimeError, "expected m1 and m2 to have the same dtype", normal(r, 2, 2), np.array([[1, 2], [3, 4]])),
        E(TypeError, "must be Tensor", normal(r, 2, 2), 2.0),
        E(RuntimeError, "not implemented for 'Bool'", np.eye(2, dtype=bool), np.eye(2, dtype=bool)),
    ],
    reference=np.matmul,
)
def matmul(xp, a, b):
    """The matrix product of two tensors; leading dimensions broadcast, and a 1-D argument is a vector.

    Args:
        input: (..., n, k) or (k,).
        other: (..., k, m) or (k,), of the same dtype.

    Returns:
        (..., n, m), less the dimension that a vector does not have.

    Raises:
        RuntimeError: where the inner sizes differ, with both shapes and a hint; where the dtypes differ.

    >>> import minigrad
    >>> minigrad.matmul(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), minigrad.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    return xp.matmul(a, b)


def _rows(xp, x):
    """(..., n) as (rows, n)."""
    return xp.reshape(x, shape=(-1, x.shape[-1])) if len(x.shape) != 2 else x


def _linear_dw(xp, g, x):
    return xp.matmul(xp.matrix_transpose(_rows(xp, g)), _rows(xp, x))


def _linear_error(x, weight):
    """Why ``x @ weight.T`` failed."""
    if x.dtype != weight.dtype:
        return DtypeError(
            f"mat1 and mat2 must have the same dtype, but got {scalar_type(x.dtype)} and {scalar_type(weight.dtype)}: convert "
            f"the input with .to(weight.dtype), for instance with .float()"
        )
    shape = "x".join(map(str, x.shape))
    return ShapeError(
        f"mat1 and mat2 shapes cannot be multiplied ({shape} and {weight.shape[-1]}x{weight.shape[0]}): "
        f"the input's last size is {x.shape[-1] if x.shape else None}, the layer wants in_features={weight.shape[-1]}"
    )


@op(
    spaces="functional",
    vjp=(
        lambda xp, g, weight: xp.matmul(g, weight),
        _linear_dw,
        lambda xp, g: xp.sum(g, axis=tuple(range(len(g.shape) - 1))) if len(g.shape) > 1 else g,
    ),
    formula=r"Y = X W^\top + b",
    derivative=r"\bar X = \bar Y W, \quad \bar W = \bar Y^\top X, \quad \bar b = \sum_i \bar Y_i",
    onnx="Gemm",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 2, 4)),
        S(normal(r, 3, 4), normal(r, 2, 4), normal(r, 2)),
        S(normal(r, 2, 3, 4), normal(r, 5, 4), normal(r, 5)),
        S(normal(r, 4), normal(r, 5, 4), normal(r, 5)),
    ],
    errors=lambda r: [
        E(RuntimeError, "shapes cannot be multiplied", normal(r, 3, 4), normal(r, 4, 2)),
        E(RuntimeError, "must have the same dtype", np.ones((3, 4), np.int64), normal(r, 2, 4)),
        E(RuntimeError, r"a bias of shape \(3,\) does not fit", normal(r, 3, 4), normal(r, 2, 4), normal(r, 3)),
    ],
    reference=lambda x, w, b=0.0: x @ w.T + b,
)
def linear(xp, x, weight, bias=None):
    """A linear layer: ``input @ weight.T + bias``.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features).
        bias: (out_features,) or None.

    Returns:
        (..., out_features).

    Raises:
        RuntimeError: where the last size of the input is not in_features, or the dtypes differ.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.linear(minigrad.tensor([1.0, 2.0]), minigrad.tensor([[3.0, 4.0]]), minigrad.tensor([0.5]))
    tensor([11.5000])
    """
    try:
        y = xp.matmul(x, xp.matrix_transpose(weight))
    except (ValueError, DtypeError) as error:  # looked into only now: the checks would cost every call
        raise _linear_error(x, weight) from error
    if bias is None:
        return y
    if bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"a bias of shape {tuple(bias.shape)} does not fit a weight of shape {tuple(weight.shape)}: it needs "
            f"out_features elements"
        )
    return y + bias


def _matmul_operator(self, other):
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _matmul_reflected(self, other):
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented


Tensor.__matmul__, Tensor.__rmatmul__ = _matmul_operator, _matmul_reflected


# ------------------------------------------------------------------------------------------- products with given dimensions
def _expect(name, *wanted):
    """``wanted``: (argument name, tensor, dimensions). ShapeError where a tensor has other dimensions."""
    for what, t, ndim in wanted:
        if t.ndim != ndim:
            kind = {1: "vector", 2: "matrix", 3: "batch of matrices"}[ndim]
            raise ShapeError(f"{name}: {what} must be a {kind}, that is a {ndim}D tensor, but it has shape {tuple(t.shape)}")


@function(
    "mm",
    formula=r"Y = A B",
    derivative=r"\bar A = \bar Y B^\top, \quad \bar B = A^\top \bar Y",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4, 2))],
    errors=lambda r: [
        E(RuntimeError, "must be a matrix", normal(r, 3), normal(r, 3, 2)),
        E(RuntimeError, "cannot be multiplied", normal(r, 3, 4), normal(r, 3, 4)),
    ],
    reference=np.matmul,
)
def mm(input, mat2):
    """The product of two matrices (n, k) and (k, m); it does not broadcast. See :func:`matmul`.

    >>> import minigrad
    >>> minigrad.mm(minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    _expect("mm", ("self", input, 2), ("mat2", mat2, 2))
    return matmul(input, mat2)


@function(
    "bmm",
    formula=r"Y_i = A_i B_i",
    derivative=r"\bar A_i = \bar Y_i B_i^\top, \quad \bar B_i = A_i^\top \bar Y_i",
    samples=lambda r: [S(normal(r, 2, 3, 4), normal(r, 2, 4, 2))],
    errors=lambda r: [
        E(RuntimeError, "batch1 must be a batch of matrices", normal(r, 3, 4), normal(r, 2, 4, 2)),
        E(
            RuntimeError,
            r"Expected size for first two dimensions of batch2 tensor to be: \[2, 4\] but got: \[1, 4\]",
            normal(r, 2, 3, 4),
            normal(r, 1, 4, 2),
        ),
    ],
    reference=np.matmul,
)
def bmm(input, mat2):
    """The products of the matrices of two batches (b, n, k) and (b, k, m).

    >>> import minigrad
    >>> minigrad.bmm(minigrad.ones(2, 1, 3), minigrad.ones(2, 3, 1)).flatten()
    tensor([3., 3.])
    """
    _expect("bmm", ("batch1", input, 3), ("batch2", mat2, 3))
    wanted, got = [input.array.shape[0], input.array.shape[2]], list(mat2.array.shape[:2])
    if wanted != got:
        raise ShapeError(f"bmm: Expected size for first two dimensions of batch2 tensor to be: {wanted} but got: {got}.")
    return matmul(input, mat2)


@function(
    "mv",
    formula=r"y = A x",
    derivative=r"\bar A = \bar y x^\top, \quad \bar x = A^\top \bar y",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4))],
    errors=lambda r: [
        E(RuntimeError, "vec must be a vector", normal(r, 3, 4), normal(r, 4, 1)),
        E(RuntimeError, "cannot be multiplied", normal(r, 3, 4), normal(r, 3)),
    ],
    reference=np.matmul,
)
def mv(input, vec):
    """The product of a matrix (n, k) and a vector (k,).

    >>> import minigrad
    >>> minigrad.mv(minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([3.0, 4.0]))
    tensor([11.])
    """
    _expect("mv", ("input", input, 2), ("vec", vec, 1))
    return matmul(input, vec)


@function(
    "dot",
    formula=r"y = \sum_i a_i b_i",
    derivative=r"\bar a = \bar y b, \quad \bar b = \bar y a",
    samples=lambda r: [S(normal(r, 4), normal(r, 4)), S(normal(r, 0), normal(r, 0))],
    errors=lambda r: [
        E(RuntimeError, "1D tensors expected, but got 2D and 1D tensors", normal(r, 2, 2), normal(r, 2)),
        E(RuntimeError, "inconsistent tensor size", normal(r, 3), normal(r, 2)),
    ],
    reference=np.dot,
)
def dot(input, tensor):
    """The sum of the products of two vectors (n,).

    Raises:
        RuntimeError: for anything but two vectors of one size.

    >>> import minigrad
    >>> minigrad.dot(minigrad.tensor([1.0, 2.0]), minigrad.tensor([3.0, 4.0]))
    tensor(11.)
    """
    a, b = input.array, tensor.array
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"dot: 1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors; use matmul, or (a * b).sum()")
    if a.shape != b.shape:
        raise ShapeError(
            f"dot: inconsistent tensor size, expected tensor [{a.shape[0]}] and src [{b.shape[0]}] to have the same number "
            f"of elements"
        )
    return matmul(input, tensor)


@function(
    "inner",
    formula=r"y_{ij} = \sum_k a_{ik} b_{jk}",
    derivative=r"\bar a_{ik} = \sum_j \bar y_{ij} b_{jk}, \quad \bar b_{jk} = \sum_i \bar y_{ij} a_{ik}",
    samples=lambda r: [
        S(normal(r, 4), normal(r, 4)),
        S(normal(r, 2, 3), normal(r, 4, 3)),
        S(normal(r, 2, 1, 3), normal(r, 3)),
        S(normal(r), normal(r, 3)),
        S(normal(r, 2, 0), normal(r, 3, 0)),
    ],
    errors=lambda r: [E(RuntimeError, "inner.*the last dimension must match", normal(r, 2, 3), normal(r, 2))],
    reference=np.inner,
)
def inner(input, other):
    """The sums of products over the last dimension of both, for every pair of the other places.

    >>> import minigrad
    >>> minigrad.inner(minigrad.tensor([1.0, 2.0]), minigrad.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([11.,  2.])
    """
    a, b = input.array.shape, other.array.shape
    if not a or not b:
        return input * other
    if a[-1] != b[-1]:
        raise ShapeError(f"inner() the last dimension must match on both input tensors but got shapes {list(a)} and {list(b)}")
    rows = matmul(input.reshape(math.prod(a[:-1]), a[-1]), other.reshape(math.prod(b[:-1]), b[-1]).mT)
    return rows.reshape(*a[:-1], *b[:-1])


@function(
    "outer ger",
    formula=r"y_{ij} = a_i b_j",
    derivative=r"\bar a_i = \sum_j \bar y_{ij} b_j, \quad \bar b_j = \sum_i \bar y_{ij} a_i",
    samples=lambda r: [S(normal(r, 3), normal(r, 4))],
    errors=lambda r: [E(RuntimeError, "outer: self must be a vector", normal(r, 2, 2), normal(r, 2))],
    reference=np.outer,
)
def outer(input, vec2):
    """The products of every element of a vector (n,) with every element of another (m,): (n, m).

    >>> import minigrad
    >>> minigrad.outer(minigrad.tensor([1.0, 2.0]), minigrad.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _expect("outer", ("self", input, 1), ("vec2", vec2, 1))
    return input.reshape(-1, 1) * vec2
