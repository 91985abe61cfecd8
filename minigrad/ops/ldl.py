"""The LDL factorization of symmetric matrices, and what is solved with it.

Bunch and Kaufman, "Some stable methods for calculating inertia and solving symmetric linear systems" (1977). The factors
are packed as LAPACK's sytrf packs them. Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..errors import GradError, LinAlgError, ShapeError
from ..op import E, S, function, op, return_type
from .lu import first_failure
from .samples import normal
from .solving import IN_SINGLE, _batched, check_matrix, square_errors
from .triangular import check_system


def _refuse(name):
    def rule(xp, g):
        raise GradError(f"the derivative for '{name}' is not implemented, here and in PyTorch; call it on A.detach()")

    return rule


def _indefinite(r, *shape):
    a = normal(r, *shape)
    return a + np.swapaxes(a, -1, -2)


def _scipy_ldl(a):
    from scipy.linalg.lapack import dsytrf

    found = [dsytrf(m, lower=1) for m in a.reshape(-1, *a.shape[-2:])]
    packed = np.stack([np.tril(f[0]) for f in found]).reshape(a.shape)
    return packed, np.stack([f[1] for f in found]).reshape(a.shape[:-1]), np.zeros(a.shape[:-2], np.int32)


ZERO_DIAGONAL = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])


@op(
    names="",
    outputs=3,
    vjp=(_refuse("linalg_ldl_factor_ex"),),
    formula=r"L D L^\top = A",
    samples=lambda r: [S(_indefinite(r, 3, 3), grad=False), S(_indefinite(r, 2, 2, 2), grad=False), S(ZERO_DIAGONAL, grad=False)],
    reference=_scipy_ldl,
    **IN_SINGLE,
)
def ldl(xp, a):
    """The packed factors of symmetric matrices, their exchanges and blocks, and where D has its first 0 (or 0)."""
    return xp.ldl(a)


@op(
    names="",
    vjp=(_refuse("linalg_ldl_solve"), None, lambda xp, g, packed, pivots: xp.ldl_backsolve(packed, pivots, g)),
    formula=r"Y = (L D L^\top)^{-1} B",
    derivative=r"\bar B = (L D L^\top)^{-1} \bar Y",
    samples=lambda r: [
        S(*_scipy_ldl(_indefinite(r, 3, 3))[:2], normal(r, 3, 2), grad=False),
        S(*_scipy_ldl(np.stack([ZERO_DIAGONAL] * 2))[:2], normal(r, 2, 3, 1), grad=False),
    ],
    reference=lambda packed, pivots, b: _ldl_solve_reference(packed, pivots, b),
    **IN_SINGLE,
)
def ldl_backsolve(xp, packed, pivots, b):
    """The solution Y of A Y = B from the packed factors of A, in as many batches as they have."""
    return xp.ldl_solve(packed, pivots, b)


LDL_FACTOR = return_type("linalg_ldl_factor", ("LD", "pivots"))
LDL_FACTOR_EX = return_type("linalg_ldl_factor_ex", ("LD", "pivots", "info"))


@function(
    "ldl_factor_ex",
    spaces="linalg",
    formula=r"L D L^\top = A",
    samples=lambda r: [
        S(_indefinite(r, 3, 3), grad=False),
        S(ZERO_DIAGONAL, hermitian=True, grad=False),
        S(_indefinite(r, 2, 2, 2), check_errors=True, grad=False),
    ],
    errors=lambda r: [
        *square_errors(r),
        E(RuntimeError, "block 1 of D is zero", np.zeros((2, 2)), check_errors=True),
    ],
    reference=lambda a, hermitian=False, check_errors=False: _scipy_ldl(a),
    **IN_SINGLE,
)
def ldl_factor_ex(A, *, hermitian=False, check_errors=False):
    """The LDL factorization, and a number that is not 0 where D is singular. See :func:`minigrad.linalg.ldl_factor`.

    >>> import minigrad
    >>> minigrad.linalg.ldl_factor_ex(minigrad.zeros(2, 2)).info
    tensor(1, dtype=minigrad.int32)
    """
    check_matrix("torch.linalg.ldl_factor_ex", A, square=True)
    result = LDL_FACTOR_EX(*ldl(A))
    if check_errors and not bool((result.info == 0).all()):
        where, i = first_failure(result.info)
        raise LinAlgError(f"linalg.ldl_factor: {where}the diagonal block {i} of D is zero; ldl_solve would divide by it")
    return result


@function(
    "ldl_factor",
    spaces="linalg",
    formula=r"L D L^\top = A",
    samples=lambda r: [S(_indefinite(r, 3, 3), grad=False), S(_indefinite(r, 2, 2, 2), hermitian=True, grad=False)],
    errors=lambda r: [*square_errors(r), E(RuntimeError, "block 1 of D is zero", np.zeros((2, 2)))],
    reference=lambda a, hermitian=False: _scipy_ldl(a)[:2],
    **IN_SINGLE,
)
def ldl_factor(A, *, hermitian=False):
    """Factors of symmetric matrices that need not be definite: A = L D L^T, by Bunch and Kaufman's pivoting. No gradient.

    Args:
        A: (..., n, n); only the lower triangle is read.
        hermitian: the same for real matrices.

    Returns:
        ``(LD, pivots)`` for :func:`minigrad.linalg.ldl_solve`: packed factors (..., n, n) and LAPACK's numbers (..., n), int32.

    >>> import minigrad
    >>> minigrad.linalg.ldl_factor(minigrad.tensor([[2.0, 1.0], [1.0, 3.0]])).LD
    tensor([[2.0000, 0.0000],
            [0.5000, 2.5000]])
    """
    LD, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return LDL_FACTOR(LD, pivots)


def _ldl_solve_samples(r):
    a, batch = _indefinite(r, 3, 3), _indefinite(r, 2, 3, 3)
    return [
        S(*_scipy_ldl(a)[:2], normal(r, 3, 2), grad=False),
        S(*_scipy_ldl(batch)[:2], normal(r, 3, 1), grad=False),
        S(*_scipy_ldl(ZERO_DIAGONAL)[:2], normal(r, 2, 3, 2), hermitian=True, grad=False),
    ]


def _ldl_solve_reference(LD, pivots, B, hermitian=False):
    """From A itself: the factors multiplied out, blocks of two where pivots are negative."""
    batch = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    LD, pivots = np.broadcast_to(LD, (*batch, *LD.shape[-2:])), np.broadcast_to(pivots, (*batch, pivots.shape[-1]))
    B, out = np.broadcast_to(B, (*batch, *B.shape[-2:])), np.zeros((*batch, *B.shape[-2:]))
    for i in np.ndindex(*batch):
        out[i] = np.linalg.solve(_ldl_product(LD[i], pivots[i]), B[i])
    return out


def _ldl_product(LD, pivots):
    n, L, D, k = len(LD), np.eye(len(LD)), np.zeros((len(LD), len(LD))), 0
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        D[k : k + size, k : k + size] = LD[k : k + size, k : k + size]
        if size == 2:
            D[k, k + 1] = D[k + 1, k]
        swap, step = np.arange(n), np.eye(n)
        last, other = k + size - 1, abs(pivots[k]) - 1
        swap[[last, other]] = swap[[other, last]]
        step[k + size :, k : k + size] = LD[k + size :, k : k + size]
        L, k = L @ np.eye(n)[swap] @ step, k + size
    return L @ D @ L.T


@function(
    "ldl_solve",
    spaces="linalg",
    formula=r"X = (L D L^\top)^{-1} B",
    samples=_ldl_solve_samples,
    errors=lambda r: [
        E(RuntimeError, "Expected pivots to be integers", np.eye(2), np.ones(2), normal(r, 2, 1)),
        E(RuntimeError, "Incompatible shapes", np.eye(2), np.array([1, 2], np.int32), normal(r, 3, 1)),
        E(RuntimeError, "Expected LD.shape", np.eye(2), np.array([1], np.int32), normal(r, 2, 1)),
    ],
    reference=_ldl_solve_reference,
    **IN_SINGLE,
)
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """The solution X of A X = B, given what :func:`minigrad.linalg.ldl_factor` returned; it has a gradient for B.

    Args:
        LD: (..., n, n); pivots: (..., n), int32; B: (..., n, k).

    >>> import minigrad
    >>> factors = minigrad.linalg.ldl_factor(minigrad.tensor([[2.0, 0.0], [0.0, -4.0]]))
    >>> minigrad.linalg.ldl_solve(*factors, minigrad.ones(2, 1)).flatten()
    tensor([ 0.5000, -0.2500])
    """
    check_system("torch.linalg.ldl_solve", LD, B)
    if pivots.array.dtype.kind != "i":
        raise RuntimeError(f"torch.linalg.ldl_solve: Expected pivots to be integers. Got {pivots.dtype}")
    if pivots.array.shape != LD.array.shape[:-1]:
        raise ShapeError(
            f"torch.linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead of {list(LD.shape[:-1])}"
        )
    LD, B = _batched(LD, B)
    return ldl_backsolve(LD, pivots.int().expand(*LD.shape[:-1]), B)
