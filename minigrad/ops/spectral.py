"""Singular values and eigenvalues of matrices.

Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..op import E, S, function, op, return_type
from .decomposition import _cat, _symmetric, symmetrized
from .samples import normal
from .solving import IN_SINGLE, check_matrix, definite, square_errors, well

SIGNS = "up to sign"


# -------------------------------------------------------------------------------------------------------- words for the rules
def _column(xp, v):
    return xp.reshape(v, shape=(*v.shape, 1))


def _row(xp, v):
    return xp.reshape(v, shape=(*v.shape[:-1], 1, v.shape[-1]))


def _diagonal(xp, v):
    """Vectors (..., n) on the diagonals of matrices (..., n, n)."""
    steps = xp.arange(v, n=v.shape[-1])
    return xp.where(xp.equal(_column(xp, steps), steps), _row(xp, v), 0.0)


def _quotient(xp, a, b):
    """a / b, and 0 where b is 0: equal values have no direction of their own, and the diagonal none at all."""
    zero = xp.equal(b, 0.0)
    return xp.where(zero, 0.0, a / xp.where(zero, 1.0, b))


# --------------------------------------------------------------------------------------------------------- singular values
def _svd_rule(xp, g, y0, y1, y2):
    """Townsend, "Differentiating the singular value decomposition" (2016)."""
    (gu, gs, gvh), u, s, vh = g, y0, y1, y2
    ut, v, gv = xp.matrix_transpose(u), xp.matrix_transpose(vh), xp.matrix_transpose(gvh)
    row, column = _row(xp, s), _column(xp, s)
    gaps = (row - column) * (row + column)  # s_j^2 - s_i^2
    uu, vv = xp.matmul(ut, gu), xp.matmul(vh, gv)
    core = (
        _quotient(xp, uu - xp.matrix_transpose(uu), gaps) * row
        + column * _quotient(xp, vv - xp.matrix_transpose(vv), gaps)
        + _diagonal(xp, gs)
    )
    left = xp.matmul(u, core) + _quotient(xp, gu - xp.matmul(u, uu), row)  # the second part is 0 for a square u
    right = _quotient(xp, gvh - xp.matmul(xp.matmul(gvh, v), vh), column)
    return xp.matmul(left, vh) + xp.matmul(u, right)


@op(
    names="",
    outputs=3,
    vjp=(_svd_rule,),
    formula=r"A = U \mathrm{diag}(s) V^\top",
    derivative=(
        r"\bar A = U (\mathrm{skew}(U^\top \bar U) / E \circ S + S \circ \mathrm{skew}(V^\top \bar V) / E + \bar S) V^\top + "
        r"\text{projections}, \quad E_{ij} = s_j^2 - s_i^2"
    ),
    samples=lambda r: [S(well(r, 3, 3)), S(normal(r, 4, 2)), S(normal(r, 2, 2, 3))],
    reference=lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    **IN_SINGLE,
)
def svd(xp, a):
    """U, s and V^T of each matrix, as many columns of U and V as there are singular values."""
    return xp.svd(a)


@op(names="", outputs=3, samples=lambda r: [S(normal(r, 3, 2))], reference=lambda a: tuple(np.linalg.svd(a)), **IN_SINGLE)
def full_svd(xp, a):
    """U, s and V^T with square U and V; without gradients."""
    return xp.svd(a, full_matrices=True)


def _svdvals_rule(xp, g, a):
    u, _, vh = xp.svd(a)
    return xp.matmul(u * _row(xp, g), vh)


@op(
    names="",
    vjp=(_svdvals_rule,),
    formula=r"y = s, \quad A = U \mathrm{diag}(s) V^\top",
    derivative=r"\bar A = U \mathrm{diag}(\bar y) V^\top",
    samples=lambda r: [S(well(r, 3, 3)), S(normal(r, 4, 2)), S(normal(r, 2, 2, 3))],
    reference=lambda a: np.linalg.svd(a, compute_uv=False),
    **IN_SINGLE,
)
def singular_values(xp, a):
    """The singular values of each matrix, largest first."""
    return xp.svd(a)[1]


@function(
    "svdvals",
    spaces="linalg",
    formula=r"y = s, \quad A = U \mathrm{diag}(s) V^\top",
    derivative=r"\bar A = U \mathrm{diag}(\bar y) V^\top",
    samples=lambda r: [S(well(r, 3, 3)), S(normal(r, 4, 2)), S(normal(r, 2, 2, 3))],
    errors=lambda r: square_errors(r)[1:],
    reference=lambda a: np.linalg.svd(a, compute_uv=False),
    **IN_SINGLE,
)
def svdvals(A, *, driver=None):
    """The singular values of each matrix (..., m, n), largest first.

    >>> import minigrad
    >>> minigrad.linalg.svdvals(minigrad.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor([4., 3.])
    """
    check_matrix("linalg.svdvals", A)
    return singular_values(A)


SVD = return_type("linalg_svd", ("U", "S", "Vh"))


@function(
    "svd",
    spaces="linalg",
    formula=r"A = U \mathrm{diag}(s) V^\top",
    samples=lambda r: [
        S(well(r, 3, 3)),
        S(normal(r, 4, 2), full_matrices=False),
        S(normal(r, 2, 2, 3), False),
        S(normal(r, 3, 2), grad=False),
        S(normal(r, 2, 2, 3), grad=False),
    ],
    errors=lambda r: square_errors(r)[1:],
    parity=SIGNS,
    reference=lambda a, full_matrices=True: tuple(np.linalg.svd(a, full_matrices)),
    **IN_SINGLE,
)
def linalg_svd(A, full_matrices=True, *, driver=None):
    """The singular value decomposition A = U @ diag(S) @ Vh.

    Args:
        A: (..., m, n).
        full_matrices: square U and Vh. What they have beyond the singular values is arbitrary, and sends no gradient.
        driver: accepted as in PyTorch.

    Returns:
        ``(U, S, Vh)``, the singular values largest first. Signs of columns are arbitrary; gradients through U and Vh need
        distinct singular values.

    >>> import minigrad
    >>> minigrad.linalg.svd(minigrad.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check_matrix("linalg.svd", A)
    rows, columns = A.array.shape[-2:]
    if not full_matrices or rows == columns:
        return SVD(*svd(A))
    all_u, all_s, all_vh = full_svd(A.detach())
    if A.node is None:
        return SVD(all_u, all_s, all_vh)
    U, s, Vh = svd(A)
    if rows > columns:
        return SVD(_cat(U, all_u[..., columns:]), s, Vh)
    return SVD(U, s, _cat(Vh.mT, all_vh[..., rows:, :].mT).mT)


@function(
    "svd",
    formula=r"A = U \mathrm{diag}(s) V^\top",
    samples=lambda r: [
        S(normal(r, 3, 2)),
        S(np.diag([3.0, 2.0, 1.0]) + 0.1 * normal(r, 3, 3), compute_uv=True),
        S(normal(r, 3, 2), some=False, grad=False),
        S(normal(r, 3, 2), compute_uv=False),
    ],
    errors=lambda r: square_errors(r)[1:],
    parity=SIGNS,
    reference=lambda a, some=True, compute_uv=True: (
        (lambda u, s, vh: (u, s, vh.T))(*np.linalg.svd(a, not some))
        if compute_uv
        else (np.zeros((3, 3)), np.linalg.svd(a, compute_uv=False), np.zeros((2, 2)))
    ),
    **IN_SINGLE,
)
def torch_svd(input, some=True, compute_uv=True):
    """U, S and V (not its transpose). See :func:`minigrad.linalg.svd`, which replaces it.

    Without ``compute_uv``, U and V are zeros.

    >>> import minigrad
    >>> minigrad.svd(minigrad.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    result = return_type("svd", ("U", "S", "V"))
    if not compute_uv:
        check_matrix("svd", input)
        *batch, rows, columns = input.array.shape
        zeros = input.detach().new_zeros
        return result(zeros(*batch, rows, rows), svdvals(input), zeros(*batch, columns, columns))
    u, s, vh = linalg_svd(input, not some)
    return result(u, s, vh.mT)


# ------------------------------------------------------------------------------------------------------------- eigenvalues
def _eigen_rule(xp, g, y0, y1):
    gw, gv = g
    vt = xp.matrix_transpose(y1)
    core = _quotient(xp, xp.matmul(vt, gv), _row(xp, y0) - _column(xp, y0)) + _diagonal(xp, gw)
    return _symmetric(xp, xp.matmul(xp.matmul(y1, core), vt))


def _symmetric_part(a):
    return 0.5 * (a + np.swapaxes(a, -1, -2))


@op(
    names="",
    outputs=2,
    vjp=(_eigen_rule,),
    formula=r"A = V \mathrm{diag}(w) V^\top",
    derivative=r"\bar A = V ((V^\top \bar V) / E + \mathrm{diag}(\bar w)) V^\top, \quad E_{ij} = w_j - w_i",
    samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 2, 2))],
    reference=lambda a: tuple(np.linalg.eigh(_symmetric_part(a))),
    **IN_SINGLE,
)
def symmetric_eigen(xp, a):
    """Eigenvalues, smallest first, and eigenvectors (columns) of the symmetric part of each matrix."""
    return xp.eigh(_symmetric(xp, a))


def _eigenvalues_rule(xp, g, a):
    _, v = xp.symmetric_eigen(a)
    return xp.matmul(v * _row(xp, g), xp.matrix_transpose(v))


@op(
    names="",
    vjp=(_eigenvalues_rule,),
    formula=r"y = w, \quad A = V \mathrm{diag}(w) V^\top",
    derivative=r"\bar A = V \mathrm{diag}(\bar y) V^\top",
    samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 2, 2))],
    reference=lambda a: np.linalg.eigvalsh(_symmetric_part(a)),
    **IN_SINGLE,
)
def symmetric_eigenvalues(xp, a):
    """Eigenvalues of the symmetric part of each matrix, smallest first."""
    return xp.eigh(_symmetric(xp, a))[0]


def _triangles(r):
    lower = definite(r, 3, 3) + np.triu(np.ones((3, 3)), 1)
    return [
        S(definite(r, 3, 3), grad=False),
        S(lower, grad=False),
        S(lower, UPLO="U", grad=False),
        S(definite(r, 2, 2, 2), "L", grad=False),
    ]


def _uplo(name, UPLO):
    if UPLO not in ("L", "U"):
        raise RuntimeError(f"{name}: Expected UPLO argument to be 'L' or 'U', but got {UPLO!r}")
    return UPLO == "U"


@function(
    "eigh",
    spaces="linalg",
    formula=r"A = V \mathrm{diag}(w) V^\top",
    samples=_triangles,
    errors=lambda r: [*square_errors(r), E(RuntimeError, "Expected UPLO argument to be 'L' or 'U'", np.eye(2), "X")],
    reference=lambda a, UPLO="L": tuple(np.linalg.eigh(a if UPLO == "L" else np.swapaxes(a, -1, -2))),
    parity=SIGNS,
    **IN_SINGLE,
)
def eigh(A, UPLO="L"):
    """Eigenvalues and eigenvectors of symmetric matrices.

    Args:
        A: (..., n, n); only the triangle ``UPLO`` is read.
        UPLO: "L" or "U".

    Returns:
        ``(eigenvalues, eigenvectors)``: smallest first, and as columns. Signs of columns are arbitrary; gradients through the
        eigenvectors need distinct eigenvalues.

    >>> import minigrad
    >>> minigrad.linalg.eigh(minigrad.tensor([[3.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 3.])
    """
    check_matrix("linalg.eigh", A, square=True)
    return return_type("linalg_eigh", ("eigenvalues", "eigenvectors"))(
        *symmetric_eigen(symmetrized(A, _uplo("linalg.eigh", UPLO)))
    )


@function(
    "eigvalsh",
    spaces="linalg",
    formula=r"y = w, \quad A = V \mathrm{diag}(w) V^\top",
    derivative=r"\bar A = V \mathrm{diag}(\bar y) V^\top",
    samples=_triangles,
    errors=square_errors,
    reference=lambda a, UPLO="L": np.linalg.eigvalsh(a, UPLO),
    **IN_SINGLE,
)
def eigvalsh(A, UPLO="L"):
    """Eigenvalues of symmetric matrices, smallest first. See :func:`minigrad.linalg.eigh`.

    >>> import minigrad
    >>> minigrad.linalg.eigvalsh(minigrad.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    check_matrix("linalg.eigvalsh", A, square=True)
    return symmetric_eigenvalues(symmetrized(A, _uplo("linalg.eigvalsh", UPLO)))
