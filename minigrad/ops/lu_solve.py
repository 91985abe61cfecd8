"""Linear systems by LU factors, and the functions that report failure by a number in place of an error."""

import numpy as np

from ..errors import LinAlgError
from ..op import E, S, function, op, return_type
from .decomposition import _cholesky_rule, symmetrized
from .lu import _check_pivots, _numpy_lu, _numpy_unpack, first_failure, lu, pivot_rows
from .samples import normal
from .solving import IN_SINGLE, _batched, _is_vector, check_matrix, definite, identity, square_errors, well
from .triangular import check_system, triangular


# ------------------------------------------------------------------------------------------------------------ by LU factors
def _in_order(B, order):
    """The rows of matrices B (..., n, k) in an order (..., n)."""
    return B.take_along_dim(order.unsqueeze(-1).expand(*order.shape, B.array.shape[-1]), -2)


def _by_factors(LU, pivots, B, adjoint=False):
    """The solution of A X = B, or A^T X = B, in as many batches as LU and pivots have."""
    order = pivot_rows(pivots, rows=LU.array.shape[-1])
    if not adjoint:
        return triangular(LU, triangular(LU, _in_order(B, order), upper=False, unit=True), upper=True, unit=False)
    X = triangular(LU.mT, triangular(LU.mT, B, upper=False, unit=False), upper=True, unit=True)
    return _in_order(X, order.argsort(-1))


def _factored(r, *shape):
    return _numpy_lu(well(r, *shape))[:2]


def _lu_solve_reference(LU, pivots, B, left=True, adjoint=False):
    P, L, U = _numpy_unpack(LU, pivots)
    A = P @ L @ U
    if adjoint:
        A = np.swapaxes(A, -1, -2)
    return np.linalg.solve(A, B) if left else np.swapaxes(np.linalg.solve(np.swapaxes(A, -1, -2), np.swapaxes(B, -1, -2)), -1, -2)


def _lu_solve_errors(r):
    LU, pivots = _factored(r, 3, 3)
    return [
        E(RuntimeError, "pivots should be a Tensor of scalar type torch.int32", LU, pivots.astype(np.int64), normal(r, 3, 1)),
        E(RuntimeError, "Incompatible shapes of A and B for the equation AX = B", LU, pivots, normal(r, 2, 3)),
        E(RuntimeError, "Number of pivots per batch", LU, pivots[:2], normal(r, 3, 1)),
    ]


@function(
    "lu_solve",
    spaces="linalg",
    formula=r"X = (P L U)^{-1} B",
    samples=lambda r: [
        S(*_factored(r, 3, 3), normal(r, 3, 2)),
        S(*_factored(r, 2, 3, 3), normal(r, 3, 2)),
        S(*_factored(r, 3, 3), normal(r, 2, 2, 3), left=False),
        S(*_factored(r, 3, 3), normal(r, 3, 2), adjoint=True),
        S(*_factored(r, 3, 3), normal(r, 2, 3), left=False, adjoint=True),
    ],
    errors=_lu_solve_errors,
    reference=_lu_solve_reference,
    **IN_SINGLE,
)
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """The solution of a linear system, given the factors of its matrix from :func:`minigrad.linalg.lu_factor`.

    Args:
        LU: (..., n, n); pivots: (..., n), int32.
        B: (..., n, k), or (..., k, n) with ``left=False``.
        left: A X = B; otherwise X A = B.
        adjoint: with A transposed.

    >>> import minigrad
    >>> factors = minigrad.linalg.lu_factor(minigrad.tensor([[2.0, 0.0], [0.0, 4.0]]))
    >>> minigrad.linalg.lu_solve(*factors, minigrad.ones(2, 1))
    tensor([[0.5000],
            [0.2500]])
    """
    check_system("linalg.lu_solve", LU, B, left)
    _check_pivots("linalg.lu_solve", LU, pivots)
    if not left:
        return linalg_lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    LU, B = _batched(LU, B)
    return _by_factors(LU, pivots.expand(*LU.shape[:-1]), B, adjoint)


@function(
    "lu_solve",
    formula=r"X = (P L U)^{-1} B",
    samples=lambda r: [S(normal(r, 3, 2), *_factored(r, 3, 3)), S(normal(r, 2, 3, 1), *_factored(r, 2, 3, 3))],
    errors=lambda r: [E(e.error, e.match, e.args[2], *e.args[:2]) for e in _lu_solve_errors(r)],
    reference=lambda b, LU, pivots: _lu_solve_reference(LU, pivots, b),
    **IN_SINGLE,
)
def torch_lu_solve(b, LU_data, LU_pivots):
    """The solution of A X = b from the factors of A. See :func:`minigrad.linalg.lu_solve`, which replaces it.

    >>> import minigrad
    >>> minigrad.lu_solve(minigrad.tensor([[1.0]]), *minigrad.linalg.lu_factor(minigrad.tensor([[4.0]])))
    tensor([[0.2500]])
    """
    return linalg_lu_solve(LU_data, LU_pivots, b)


# ---------------------------------------------------------------------------------------------------- a number for an error
SINGULAR = "because the input matrix is singular."
SOLVE_EX = return_type("linalg_solve_ex", ("result", "info"))
INV_EX = return_type("linalg_inv_ex", ("inverse", "info"))
CHOLESKY_EX = return_type("linalg_cholesky_ex", ("L", "info"))


def _solve_ex_reference(a, b, left=True, check_errors=False):
    return (np.linalg.solve(a, b) if left else (np.linalg.solve(a.T, b.T)).T), np.zeros(a.shape[:-2], np.int32)


@function(
    "solve_ex",
    spaces="linalg",
    formula=r"X = A^{-1} B",
    samples=lambda r: [
        S(well(r, 3, 3), normal(r, 3, 2)),
        S(well(r, 3, 3), normal(r, 3)),
        S(well(r, 2, 3, 3), normal(r, 2, 3, 1), check_errors=True),
        S(well(r, 3, 3), normal(r, 2, 3), left=False),
    ],
    errors=lambda r: [
        *(E(e.error, e.match, *e.args, normal(r, 3)) for e in square_errors(r)),
        E(LinAlgError, SINGULAR, np.ones((2, 2)), normal(r, 2), check_errors=True),
    ],
    reference=_solve_ex_reference,
    **IN_SINGLE,
)
def solve_ex(A, B, *, left=True, check_errors=False):
    """The solution of a linear system, and instead of an error a number. See :func:`minigrad.linalg.solve`.

    Returns:
        ``(result, info)``; ``info`` (int32), one for each matrix, is 0, or i where the i-th pivot is the first 0.

    >>> import minigrad
    >>> minigrad.linalg.solve_ex(minigrad.ones(2, 2), minigrad.ones(2)).info
    tensor(2, dtype=minigrad.int32)
    """
    check_matrix("linalg.solve", A, square=True)
    vector = _is_vector(A, B)
    B = B.unsqueeze(-1) if vector else B
    check_system("linalg.solve", A, B, left or vector)
    A, B = _batched(*(A, B) if left or vector else (A.mT, B.mT))
    packed, pivots, info = lu(A)
    if check_errors and not bool((info == 0).all()):
        raise LinAlgError(f"torch.linalg.solve_ex: {first_failure(info)[0]}The solver failed {SINGULAR}")
    X = _by_factors(packed, pivots, B)
    return SOLVE_EX(X.squeeze(-1) if vector else X if left else X.mT, info)


@function(
    "inv_ex",
    spaces="linalg",
    formula=r"Y = A^{-1}",
    samples=lambda r: [S(well(r, 3, 3)), S(well(r, 2, 2, 2), check_errors=True)],
    errors=lambda r: [
        *square_errors(r),
        E(LinAlgError, "The diagonal element 2 is zero", np.ones((2, 2)), check_errors=True),
    ],
    reference=lambda a, check_errors=False: (np.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)),
    **IN_SINGLE,
)
def inv_ex(A, *, check_errors=False):
    """The inverse of each matrix, and instead of an error a number. See :func:`minigrad.linalg.inv`.

    Returns:
        ``(inverse, info)``; ``info`` (int32) is 0, or i where the i-th pivot is the first 0 and the inverse has infinities.

    >>> import minigrad
    >>> minigrad.linalg.inv_ex(minigrad.ones(2, 2)).info
    tensor(2, dtype=minigrad.int32)
    """
    check_matrix("linalg.inv", A, square=True)
    packed, pivots, info = lu(A)
    if check_errors and not bool((info == 0).all()):
        where, i = first_failure(info)
        raise LinAlgError(
            f"linalg.inv_ex: {where}The diagonal element {i} is zero, the inversion could not be completed {SINGULAR}"
        )
    return INV_EX(_by_factors(packed, pivots, identity(A, A.array.shape[-1]).expand(A.shape)), info)


def _cholesky_ex_reference(a):
    info = [next((k for k in range(1, len(m) + 1) if np.linalg.det(m[:k, :k]) <= 0), 0) for m in a.reshape(-1, *a.shape[-2:])]
    return np.linalg.cholesky(a), np.array(info).reshape(a.shape[:-2])


@op(
    names="",
    outputs=2,
    vjp=(lambda xp, g, y0: _cholesky_rule(xp, g[0], y0),),
    formula=r"L L^\top = A",
    samples=lambda r: [S(definite(r, 3, 3)), S(definite(r, 2, 2, 2))],
    reference=_cholesky_ex_reference,
    **IN_SINGLE,
)
def cholesky_info(xp, a):
    """The factor of the symmetric part of each matrix, as far as it goes, and the order of the first minor that is bad (or 0)."""
    return xp.cholesky_ex(0.5 * (a + xp.matrix_transpose(a)))


@function(
    "cholesky_ex",
    spaces="linalg",
    formula=r"L L^\top = A",
    samples=lambda r: [
        S(definite(r, 3, 3), grad=False),
        S(definite(r, 2, 2, 2), upper=True, grad=False),
        S(definite(r, 3, 3), check_errors=True, grad=False),
    ],
    errors=lambda r: [
        *square_errors(r),
        E(LinAlgError, "the leading minor of order 2 is not positive-definite", np.diag([1.0, -1.0]), check_errors=True),
    ],
    reference=lambda a, upper=False, check_errors=False: (
        np.swapaxes(np.linalg.cholesky(a), -1, -2) if upper else np.linalg.cholesky(a),
        np.zeros(a.shape[:-2], np.int32),
    ),
    **IN_SINGLE,
)
def cholesky_ex(A, *, upper=False, check_errors=False):
    """The Cholesky factor, and instead of an error a number. See :func:`minigrad.linalg.cholesky`.

    Returns:
        ``(L, info)``; ``info`` (int32) is 0, or the order of the first leading minor that is not positive.

    >>> import minigrad
    >>> minigrad.linalg.cholesky_ex(minigrad.tensor([[1.0, 2.0], [2.0, 1.0]])).info
    tensor(2, dtype=minigrad.int32)
    """
    check_matrix("linalg.cholesky", A, square=True)
    L, info = cholesky_info(symmetrized(A, upper))
    if check_errors and not bool((info == 0).all()):
        where, i = first_failure(info)
        raise LinAlgError(
            f"linalg.cholesky_ex: {where}The factorization could not be completed because the input is not positive-definite "
            f"(the leading minor of order {i} is not positive-definite)."
        )
    return CHOLESKY_EX(L.mT if upper else L, info)
