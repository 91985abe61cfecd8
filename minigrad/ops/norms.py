"""Norms of vectors and matrices, and the distance of two tensors."""

import math

import numpy as np

from ..dtype import as_dtype
from ..errors import ShapeError, describe
from ..op import E, S, faces, function, op
from ..output import into
from .reduction import count, share, spread
from .samples import dim_errors, normal
from .shape import positive_dims


def _scaled(xp, g, y, power):
    """``g / y ** power``, and 0 where the norm is 0: there its slope is taken as 0."""
    zero = xp.equal(y, 0)
    return xp.where(zero, 0.0, g / xp.power(xp.where(zero, 1.0, y), power))


def _norm_rule(xp, g, y, x, p, axis, keepdims):
    shape = x.shape
    if p == 0:
        return xp.full_like(x, value=0.0)
    if p == 1:
        return spread(xp, g, shape, axis, keepdims) * xp.sign(x)
    if p == 2:
        return spread(xp, _scaled(xp, g, y, 1), shape, axis, keepdims) * x
    if abs(p) == math.inf:
        return share(xp, g, y, xp.abs(x), axis, keepdims) * xp.sign(x)
    zero = xp.equal(x, 0)  # there the slope is 0, or infinite for p < 1, where PyTorch takes 0
    powers = xp.sign(x) * xp.power(xp.where(zero, 1.0, xp.abs(x)), p - 1)
    return spread(xp, _scaled(xp, g, y, p - 1), shape, axis, keepdims) * powers


@op(
    names="",
    vjp=(_norm_rule,),
    formula=r"y = \left(\sum_i |x_i|^p\right)^{1/p}",
    derivative=r"\bar x_i = \bar y\,\mathrm{sign}(x_i) (|x_i| / y)^{p-1}",
    samples=lambda r: [S(normal(r, 3, 4), p=2.0, axis=1, keepdims=False)],
)
def p_norm(xp, x, *, p, axis, keepdims):
    """The p-norm over ``axis``: p is any number, inf and -inf too, and 0 counts what is not 0."""
    if p == 0:
        return xp.sum(xp.astype(xp.not_equal(x, 0), dtype=x.dtype), axis=axis, keepdims=keepdims)
    if p == 1:
        return xp.sum(xp.abs(x), axis=axis, keepdims=keepdims)
    if p == 2:
        return xp.sqrt(xp.sum(xp.square(x), axis=axis, keepdims=keepdims))
    if p == math.inf:
        return xp.max(xp.abs(x), axis=axis, keepdims=keepdims)
    if p == -math.inf:
        return xp.min(xp.abs(x), axis=axis, keepdims=keepdims)
    return xp.power(xp.sum(xp.power(xp.abs(x), p), axis=axis, keepdims=keepdims), 1 / p)


def _in_dtype(name, x, dtype):
    """``x`` as a float tensor of ``dtype``, which may not be a narrower one."""
    if not x.is_floating_point():
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {describe(x)}; convert it with .float()"
        )
    if dtype is None:
        return x
    dtype = as_dtype(dtype)
    if not dtype.is_floating_point or dtype.itemsize < x.dtype.itemsize:
        raise RuntimeError(
            f"{name}: the dtype of the input ({x.dtype}) should be convertible without narrowing to the specified dtype ({dtype})"
        )
    return x.to(dtype)


def _vector(name, x, p, dim, keepdim, dtype):
    x = _in_dtype(name, x.abs() if x.is_complex() else x, dtype)
    if isinstance(p, str):
        raise RuntimeError(f"{name}: Order {p} not supported for vectors; it must be a number")
    if isinstance(dim, list | tuple):
        dim = tuple(dim) or None
    if count(x.array.shape, dim) == 0 and x.array.ndim and (p < 0 or p == math.inf):
        raise RuntimeError(
            f"{name} cannot compute the {p} norm on an empty tensor because the operation does not have an identity"
        )
    return p_norm(x, p=float(p), axis=dim, keepdims=bool(keepdim))


def _matrix(name, x, kind, dim, keepdim, dtype):
    """A norm of the matrices in two dimensions: 'fro', 'nuc', 1, 2, inf and their negatives."""
    x, ndim = _in_dtype(name, x, dtype), x.array.ndim
    dim = (dim,) if isinstance(dim, int) else tuple(dim)
    if ndim < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {tuple(x.shape)}")
    if len(dim) != 2:
        raise ShapeError(f"{name}: dim must be a 2-tuple. Got {dim} for {describe(x)}")
    if kind not in ("fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"{name}: Order {kind} not supported. It must be one of 'fro', 'nuc', inf, -inf, 1, -1, 2, -2")
    if kind == "fro":
        return _vector(name, x, 2, dim, keepdim, None)
    row, column = positive_dims(name, dim, ndim)
    if kind in ("nuc", 2, -2):
        s = faces["linalg.svdvals"].call(x.movedim((row, column), (-2, -1)))
        y = s.sum(-1) if kind == "nuc" else _extreme(s, -1, kind)
        return y.reshape([1 if i in (row, column) else n for i, n in enumerate(x.array.shape)]) if keepdim else y
    added, chosen = (row, column) if abs(kind) == 1 else (column, row)
    y = _extreme(x.abs().sum(added, keepdim=True), chosen, kind, keepdim=True)
    return y if keepdim else y.squeeze(dim)


def _extreme(x, dim, sign, keepdim=False):
    """The largest along ``dim``, 0 where there is none; or for a negative ``sign`` the smallest."""
    if sign < 0:
        return x.amin(dim, keepdim=keepdim)
    return x.amax(dim, keepdim=keepdim) if x.array.shape[dim] else x.sum(dim, keepdim=keepdim)


def _norm_samples(r):
    x = normal(r, 3, 4)
    zeros = np.array([[0.0, 0.0], [3.0, 0.0]])
    return [
        S(x),
        S(x, "fro", dim=1),
        S(x, 1),
        S(x, 2, 1, True),
        S(x, 3, dim=0),
        S(x, 1.5, dim=(0, 1)),
        S(x, 0.5, dim=-1),
        S(x, 0),
        S(x, math.inf, dim=1),
        S(x, -math.inf),
        S(zeros, 2, dim=1, grad=False),
        S(zeros, 1.5, dim=1, grad=False),
        S(zeros, 0.5, dim=1, grad=False),
        S(x, dtype=np.dtype("float64")),
        S(normal(r)),
        S(normal(r, 0)),
    ]


def _p_norm_reference(x, p="fro", dim=None, keepdim=False, dtype=None):
    p = 2 if p == "fro" or p is None else p
    a = np.abs(x).astype(dtype or x.dtype)
    if math.isinf(p):
        return (np.max if p > 0 else np.min)(a, axis=dim, keepdims=keepdim)
    if p == 0:
        return np.sum(a != 0, axis=dim, keepdims=keepdim).astype(a.dtype)
    return np.sum(a**p, axis=dim, keepdims=keepdim) ** (1 / p)


def _norm_errors(r):
    return [
        *dim_errors(r),
        E(RuntimeError, "Expected a floating point", np.array([1, 2])),
        E(RuntimeError, "without narrowing to the specified dtype", normal(r, 2), dtype=np.dtype("int64")),
    ]


_NORM_TESTS = {
    "samples": _norm_samples,
    "errors": _norm_errors,
    "formula": r"y = \left(\sum_i |x_i|^p\right)^{1/p}",
    "derivative": r"\bar x_i = \bar y\,\mathrm{sign}(x_i) (|x_i| / y)^{p-1}",
    "reference": _p_norm_reference,
}


@function("norm", spaces="Tensor", **_NORM_TESTS)
def _norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm over ``dim`` (an int, a tuple, or None for everything).

    Args:
        input: float tensor of any shape.
        p: 1, 2, inf, -inf, 0 (how many are not 0), any other number; ``"fro"`` is 2, ``"nuc"`` the sum of the singular values.
        dim: dimensions to reduce.
        keepdim: keep them with size 1.
        dtype: cast the input to this dtype first.

    Raises:
        RuntimeError: for an integer tensor.

    >>> import minigrad
    >>> minigrad.norm(minigrad.tensor([3.0, 4.0]))
    tensor(5.)
    """
    several = isinstance(dim, list | tuple) and len(dim) > 1
    if isinstance(p, str) and (p != "fro" or several):
        return _matrix("norm", input, p, tuple(range(input.array.ndim)) if dim is None else dim, keepdim, dtype)
    return _vector("norm", input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype)


@function("norm", spaces="torch", **_NORM_TESTS)
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm over ``dim``, as :meth:`Tensor.norm`, and where wanted into ``out``.

    >>> import minigrad
    >>> minigrad.norm(minigrad.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if out is not None:
        return into(out, _norm, (input, p, dim, keepdim), {"dtype": dtype})
    return _norm(input, p, dim, keepdim, dtype)


@function(
    "vector_norm",
    spaces="linalg",
    samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 3, 4), 3.5, dim=1), S(normal(r, 3, 4), ord=math.inf, dim=0, keepdim=True)],
    errors=lambda r: [*_norm_errors(r), E(RuntimeError, "empty tensor", normal(r, 0), math.inf)],
    formula=r"y = \left(\sum_i |x_i|^p\right)^{1/p}",
    derivative=r"\bar x_i = \bar y\,\mathrm{sign}(x_i) (|x_i| / y)^{p-1}",
    reference=lambda x, ord=2, dim=None, keepdim=False: _p_norm_reference(x, ord, dim, keepdim),
)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The norm of vectors: the ``ord``-norm over ``dim``, or of all elements. See :func:`minigrad.norm`.

    >>> import minigrad
    >>> minigrad.linalg.vector_norm(minigrad.tensor([3.0, -4.0]), 1)
    tensor(7.)
    """
    return _vector("linalg.vector_norm", x, ord, dim, keepdim, dtype)


NO_HISTORY = "values only: PyTorch gives norms of empty matrices no history"


def _matrix_samples(r):
    x = normal(r, 2, 3, 4)
    return [
        S(x),
        *[S(x, o) for o in ("nuc", 1, -1, 2, -2, math.inf, -math.inf)],
        S(x, 1, dim=(0, 2), keepdim=True),
        S(x, math.inf, (2, 0)),
        S(x, "nuc", dim=(1, 0), keepdim=True),
        S(normal(r, 0, 3), 1, grad=False, parity=NO_HISTORY),
        S(normal(r, 3, 0), 1, grad=False, parity=NO_HISTORY),
        S(normal(r, 2, 0, 3), 2, grad=False, parity=NO_HISTORY),
        S(x, 1, dtype=np.dtype("float64")),
    ]


def _matrix_reference(x, ord="fro", dim=(-2, -1), keepdim=False, dtype=None):
    if not x.size:
        return np.zeros(x.shape[:-2])
    return np.linalg.norm(x, ord, axis=dim, keepdims=keepdim)


@function(
    "matrix_norm",
    spaces="linalg",
    samples=_matrix_samples,
    reference=_matrix_reference,
    formula=r"y = \|X\|",
    derivative=r"\text{by its parts}",
    half=False,
    errors=lambda r: [
        E(RuntimeError, "Order 3 not supported", normal(r, 2, 2), 3),
        E(RuntimeError, "dim must be a 2-tuple", normal(r, 2, 2), dim=(0,)),
        E(RuntimeError, "at least 2 dimensions", normal(r, 2)),
    ],
)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of matrices.

    ``"fro"`` and ``"nuc"``; 1 and inf: the largest sum of a column, of a row; 2: the largest singular value; and the
    smallest for -1, -inf, -2.

    >>> import minigrad
    >>> minigrad.linalg.matrix_norm(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    return _matrix("linalg.matrix_norm", A, ord, dim, keepdim, dtype)


def _either_samples(r):
    x = normal(r, 3, 4)
    return [
        S(x),
        S(x, "fro"),
        S(x, 1),
        S(x, 1, dim=1),
        S(x, dim=0, keepdim=True),
        S(x[0], 3),
        S(normal(r, 2, 3, 4)),
        S(x, math.inf, (1, 0)),
        S(x, None, (0, 1)),
    ]


@function(
    "norm",
    spaces="linalg",
    samples=_either_samples,
    formula=r"y = \|x\|",
    derivative=r"\text{by its parts}",
    errors=lambda r: [
        E(RuntimeError, "must be 1D or 2D", normal(r, 2, 2, 2), 1),
        E(RuntimeError, "it must be of length 1 or 2", normal(r, 2, 2, 2), dim=(0, 1, 2)),
        E(RuntimeError, "at least 2 dimensions", normal(r, 2), "nuc"),
    ],
    reference=lambda A, ord=None, dim=None, keepdim=False: np.linalg.norm(
        A.reshape(-1) if ord is None and dim is None else A, ord, dim, keepdim
    ),
)
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector norm where ``dim`` is an int or ``A`` is 1-D, a matrix norm where there are two dimensions.

    Without ``ord``: the 2-norm of all elements over ``dim``.

    >>> import minigrad
    >>> minigrad.linalg.norm(minigrad.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if isinstance(dim, list | tuple) and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if ord is None:
        return _vector("linalg.norm", A, 2, dim, keepdim, dtype)
    if dim is None:
        if A.array.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.array.ndim}D"
            )
        dim = tuple(range(A.array.ndim))
    if isinstance(ord, str) or (isinstance(dim, list | tuple) and len(dim) == 2):
        return _matrix("linalg.norm", A, ord, dim, keepdim, dtype)
    return _vector("linalg.norm", A, ord, dim, keepdim, dtype)


@function(
    "dist",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4)), S(normal(r, 3), normal(r, 3), 1)],
    formula=r"y = \|a - b\|_p",
    derivative=r"\bar a = -\bar b = \bar y\,\mathrm{sign}(a - b) (|a - b| / y)^{p-1}",
    errors=lambda r: [E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4))],
    reference=lambda a, b, p=2: np.linalg.norm((a - b).reshape(-1), p),
)
def dist(input, other, p=2):
    """The p-norm of the difference of two tensors.

    >>> import minigrad
    >>> minigrad.dist(minigrad.tensor([0.0, 3.0]), minigrad.tensor([4.0, 0.0]))
    tensor(5.)
    """
    return norm(input - other, p)
