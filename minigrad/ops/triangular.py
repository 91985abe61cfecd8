"""Triangular systems, and systems with a Cholesky factor.

Giles, "An extended collection of matrix derivative results for forward and reverse mode AD" (2008) has the derivatives.
Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..errors import ShapeError, describe
from ..op import E, S, function, op, return_type
from .samples import normal
from .solving import IN_SINGLE, _batched, check_matrix, identity, square_errors, well


def _triangle(xp, a, upper, unit):
    return xp.triu(a, k=int(unit)) if upper else xp.tril(a, k=-int(unit))


def _numpy_triangle(a, upper, unit):
    t = np.triu(a, int(unit)) if upper else np.tril(a, -int(unit))
    return t + np.eye(a.shape[-1]) if unit else t


def _d_matrix(xp, g, y, a, upper, unit):
    """Only of the triangle that is read."""
    b = xp.triangular(xp.matrix_transpose(a), g, upper=not upper, unit=unit)
    return _triangle(xp, -xp.matmul(b, xp.matrix_transpose(y)), upper, unit)


@op(
    names="",
    vjp=(
        _d_matrix,
        lambda xp, g, a, upper, unit: xp.triangular(xp.matrix_transpose(a), g, upper=not upper, unit=unit),
    ),
    formula=r"Y = T^{-1} B",
    derivative=r"\bar B = T^{-\top} \bar Y, \quad \bar T = -\mathrm{tri}(\bar B Y^\top)",
    samples=lambda r: [
        S(well(r, 3, 3), normal(r, 3, 2), upper=True, unit=False),
        S(well(r, 2, 3, 3), normal(r, 2, 3, 1), upper=False, unit=False),
        S(well(r, 3, 3), normal(r, 3, 2), upper=True, unit=True),
        S(well(r, 3, 3), normal(r, 3, 2), upper=False, unit=True),
    ],
    reference=lambda a, b, upper, unit: np.linalg.solve(_numpy_triangle(a, upper, unit), b),
    **IN_SINGLE,
)
def triangular(xp, a, b, *, upper, unit):
    """The solution X of T X = B for one triangle T of each matrix, in as many batches as A has."""
    return xp.triangular(a, b, upper=upper, unit=unit)


# -------------------------------------------------------------------------------------------------------------- triangular
def check_system(name, A, B, left=True):
    """ShapeError or DtypeError unless A X = B, or X A = B, makes sense."""
    check_matrix(name, A, square=True)
    if B.array.ndim < 2:
        raise ShapeError(f"{name}: The input tensor B must have at least 2 dimensions, got shape {tuple(B.shape)}")
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {A.dtype} and B of type {B.dtype}"
        )
    if B.array.shape[-2 if left else -1] != A.array.shape[-1]:
        equation = "AX = B" if left else "XA = B"
        raise ShapeError(f"{name}: Incompatible shapes of A and B for the equation {equation} ({describe(A)} and {describe(B)})")


def _triangular_reference(a, b, upper, left=True, unitriangular=False):
    t = _numpy_triangle(a, upper, unitriangular)
    return np.linalg.solve(t, b) if left else np.swapaxes(np.linalg.solve(np.swapaxes(t, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


@function(
    "solve_triangular",
    spaces="linalg",
    formula=r"X = T^{-1} B",
    derivative=r"\bar B = T^{-\top} \bar X, \quad \bar T = -\mathrm{tri}(\bar B X^\top)",
    samples=lambda r: [
        S(well(r, 3, 3), normal(r, 3, 2), upper=True),
        S(well(r, 2, 3, 3), normal(r, 2, 3, 1), upper=False),
        S(well(r, 3, 3), normal(r, 2, 3), upper=True, left=False),
        S(well(r, 3, 3), normal(r, 3, 2), upper=False, unitriangular=True),
        S(well(r, 3, 3), normal(r, 2, 3, 2), upper=True, unitriangular=True),
    ],
    errors=lambda r: [
        *(E(e.error, e.match, *e.args, normal(r, 3, 1), upper=True) for e in square_errors(r)),
        E(RuntimeError, r"Incompatible shapes of A and B for the equation AX = B", well(r, 3, 3), normal(r, 2, 3), upper=True),
        E(RuntimeError, "B must have at least 2 dimensions", well(r, 3, 3), normal(r, 3), upper=True),
    ],
    reference=_triangular_reference,
    **IN_SINGLE,
)
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """The solution of a triangular system; the other triangle of A is not read. A 0 on the diagonal gives inf or NaN.

    Args:
        A: (..., n, n).
        B: (..., n, k).
        upper: which triangle.
        left: A X = B; otherwise X A = B.
        unitriangular: the diagonal counts as ones.

    >>> import minigrad
    >>> minigrad.linalg.solve_triangular(minigrad.tensor([[2.0, 9.0], [1.0, 1.0]]), minigrad.tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
    check_system("linalg.solve_triangular", A, B, left)
    if not left:
        return solve_triangular(A.mT, B.mT, upper=not upper, unitriangular=unitriangular).mT
    return triangular(*_batched(A, B), upper=bool(upper), unit=bool(unitriangular))


TRIANGULAR_SOLVE = return_type("triangular_solve", ("solution", "cloned_coefficient"))


@function(
    "triangular_solve",
    formula=r"X = T^{-1} B",
    samples=lambda r: [
        S(normal(r, 3, 2), well(r, 3, 3)),
        S(normal(r, 3, 2), well(r, 3, 3), upper=False, transpose=True),
        S(normal(r, 3, 2), well(r, 3, 3), True, False, True),
    ],
    errors=lambda r: [E(e.error, e.match, normal(r, 3, 1), *e.args) for e in square_errors(r)],
    reference=lambda b, a, upper=True, transpose=False, unitriangular=False: (
        np.linalg.solve((lambda t: t.T if transpose else t)(_numpy_triangle(a, upper, unitriangular)), b),
        a,
    ),
    **IN_SINGLE,
)
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """The solution of a triangular system, and A. See :func:`minigrad.linalg.solve_triangular`, which replaces it.

    >>> import minigrad
    >>> minigrad.triangular_solve(minigrad.tensor([[2.0]]), minigrad.tensor([[4.0]])).solution
    tensor([[0.5000]])
    """
    check_system("triangular_solve", A, input)
    T, B = _batched(A, input)
    T, upper = (T.mT, not upper) if transpose else (T, upper)
    X = triangular(T, B, upper=bool(upper), unit=bool(unitriangular))
    return TRIANGULAR_SOLVE(X, A.expand(*X.shape[:-2], *A.shape[-2:]).clone())


# ------------------------------------------------------------------------------------------------------- Cholesky factors
def _d_factor(xp, g, y, a, upper):
    """As of a function of all of the factor, which is PyTorch's convention."""
    b = xp.factor_solve(a, g, upper=upper)
    both = xp.matmul(b, xp.matrix_transpose(y))
    both = both + xp.matrix_transpose(both)
    return -xp.matmul(a, both) if upper else -xp.matmul(both, a)


def _factor_reference(a, b, upper):
    t = _numpy_triangle(a, upper, False)
    u = np.swapaxes(t, -1, -2)
    return np.linalg.solve(u @ t if upper else t @ u, b)


@op(
    names="",
    vjp=(_d_factor, lambda xp, g, a, upper: xp.factor_solve(a, g, upper=upper)),
    formula=r"Y = (L L^\top)^{-1} B",
    derivative=r"\bar B = (L L^\top)^{-1} \bar Y, \quad \bar L = -(\bar B Y^\top + Y \bar B^\top) L",
    samples=lambda r: [
        S(well(r, 2, 1, 1), normal(r, 2, 1, 3), upper=False),  # with no other triangle that the gradient could be in
        S(well(r, 1, 1), normal(r, 1, 2), upper=True),
        S(np.tril(well(r, 3, 3)), normal(r, 3, 2), upper=False, grad=False),
        S(np.triu(well(r, 2, 3, 3)), normal(r, 2, 3, 1), upper=True, grad=False),
    ],
    reference=_factor_reference,
    **IN_SINGLE,
)
def factor_solve(xp, a, b, *, upper):
    """The solution X of (L L^T) X = B, or of (U^T U) X = B for an upper factor."""
    t = xp.matrix_transpose(a)
    lower, higher = (t, a) if upper else (a, t)
    return xp.triangular(higher, xp.triangular(lower, b, upper=False, unit=False), upper=True, unit=False)


@function(
    "cholesky_solve",
    formula=r"X = (L L^\top)^{-1} B",
    derivative=r"\bar B = (L L^\top)^{-1} \bar X, \quad \bar L = -(\bar B X^\top + X \bar B^\top) L",
    samples=lambda r: [
        S(normal(r, 3, 2), np.tril(well(r, 3, 3)), grad=False),
        S(normal(r, 1, 2), well(r, 1, 1)),
        S(normal(r, 2, 3, 1), np.triu(well(r, 2, 3, 3)), upper=True, grad=False),
        S(normal(r, 2, 3, 1), well(r, 3, 3), True, grad=False),
    ],
    errors=lambda r: [E(e.error, e.match, normal(r, 3, 1), *e.args) for e in square_errors(r)],
    reference=lambda b, L, upper=False: _factor_reference(L, b, upper),
    **IN_SINGLE,
)
def cholesky_solve(B, L, upper=False):
    """The solution X of A X = B, given the Cholesky factor of A.

    Args:
        B: (..., n, k).
        L: (..., n, n), the factor; upper triangular with ``upper``. Its gradient is that of a function of the whole matrix.

    >>> import minigrad
    >>> minigrad.cholesky_solve(minigrad.tensor([[4.0]]), minigrad.tensor([[2.0]]))
    tensor([[1.]])
    """
    check_system("cholesky_solve", L, B)
    return factor_solve(*_batched(L, B), upper=bool(upper))


@function(
    "cholesky_inverse",
    formula=r"Y = (L L^\top)^{-1}",
    derivative=r"\bar L = -Y (\bar Y + \bar Y^\top) Y L",
    samples=lambda r: [S(np.tril(well(r, 3, 3)), grad=False), S(well(r, 3, 3), upper=True, grad=False)],
    errors=square_errors,
    reference=lambda L, upper=False: _factor_reference(L, np.eye(L.shape[-1]), upper),
    **IN_SINGLE,
)
def cholesky_inverse(L, upper=False):
    """The inverse of A, given its Cholesky factor.

    >>> import minigrad
    >>> minigrad.cholesky_inverse(minigrad.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check_matrix("cholesky_inverse", L, square=True)
    return factor_solve(L, identity(L, L.array.shape[-1]).expand(L.shape), upper=bool(upper))
