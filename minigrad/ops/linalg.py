"""Products of matrices and what is built on them."""

import numpy as np

from ..errors import ShapeError
from ..op import E, S, op
from ..tensor import Tensor
from .samples import normal


def _matmul_da(xp, g, b):
    """``a`` was a vector exactly where ``g`` has one axis less than a ``b`` of two or more."""
    n, m = len(g.shape), len(b.shape)
    if m == 1:
        return xp.reshape(g, shape=(*g.shape, 1)) * b
    if n == m - 1:
        d = xp.matmul(xp.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1])), xp.matrix_transpose(b))
        return xp.reshape(d, shape=(*d.shape[:-2], d.shape[-1]))
    return xp.matmul(g, xp.matrix_transpose(b))


def _matmul_db(xp, g, a):
    """``b`` was a vector exactly where ``g`` has one axis less than ``a``."""
    n, m = len(g.shape), len(a.shape)
    if m == 1:
        return g * a if n == 0 else xp.reshape(a, shape=(-1, 1)) * xp.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    if n == m - 1:
        d = xp.matmul(xp.matrix_transpose(a), xp.reshape(g, shape=(*g.shape, 1)))
        return xp.reshape(d, shape=d.shape[:-1])
    return xp.matmul(xp.matrix_transpose(a), g)


@op(
    kind="matmul",
    promote=True,
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
    ],
    reference=np.matmul,
)
def matmul(xp, a, b):
    """The matrix product of two tensors; leading dimensions broadcast, and a 1-D argument is a vector.

    Args:
        input: (..., n, k) or (k,).
        other: (..., k, m) or (k,).

    Returns:
        (..., n, m), less the dimension that a vector does not have.

    Raises:
        RuntimeError: where the inner sizes differ, with both shapes and a hint.

    >>> import minigrad
    >>> minigrad.matmul(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), minigrad.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    return xp.matmul(a, b)


def _rows(xp, x):
    """(..., n) as (rows, n)."""
    return xp.reshape(x, shape=(-1, x.shape[-1])) if x.ndim != 2 else x


def _linear_dw(xp, g, x):
    return xp.matmul(xp.matrix_transpose(_rows(xp, g)), _rows(xp, x))


@op(
    spaces="functional",
    promote=True,
    vjp=(
        lambda xp, g, weight: xp.matmul(g, weight),
        _linear_dw,
        lambda xp, g: xp.sum(g, axis=tuple(range(len(g.shape) - 1))),
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
    errors=lambda r: [E(RuntimeError, "shapes cannot be multiplied", normal(r, 3, 4), normal(r, 4, 2))],
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

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.linear(minigrad.tensor([1.0, 2.0]), minigrad.tensor([[3.0, 4.0]]), minigrad.tensor([0.5]))
    tensor([11.5000])
    """
    if x.shape[-1:] != weight.shape[-1:]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, x.shape))} and {weight.shape[-1]}x{weight.shape[0]}): "
            f"the input's last size is {x.shape[-1] if x.shape else None}, the layer wants in_features={weight.shape[-1]}"
        )
    y = xp.matmul(x, xp.matrix_transpose(weight))
    return y if bias is None else y + bias


def _matmul_operator(self, other):
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


Tensor.__matmul__ = _matmul_operator
