"""Large matrices of low rank, and a few eigenvalues of symmetric ones.

Halko, Martinsson and Tropp, "Finding structure with randomness: probabilistic algorithms for constructing approximate
matrix decompositions" (2009). Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..op import S, faces, function
from .decomposition import cholesky_factor, symmetrized, tall_qr
from .linalg import matmul
from .solving import IN_SINGLE, check_matrix, definite
from .spectral import svd, symmetric_eigen
from .triangular import triangular


def _range(A, q, niter):
    """Q (..., m, q) with orthonormal columns that span most of the range of A: its algorithm 4.4."""
    R = faces["randn"].call(A.array.shape[-1], q, dtype=A.dtype, device=A.device)[:, : min(A.array.shape[-2:])]
    Q = tall_qr(matmul(A, R))[0]
    for _ in range(niter):
        Q = tall_qr(matmul(A.mT, Q))[0]
        Q = tall_qr(matmul(A, Q))[0]
    return Q


def _svd_reference(a, q=6, niter=2, M=None):
    u, s, vh = np.linalg.svd(a if M is None else a - M, full_matrices=False)
    return u[..., :q], s[..., :q], np.swapaxes(vh, -1, -2)[..., :q]


@function(
    "svd_lowrank",
    spaces="torch",
    formula=r"A \approx U \mathrm{diag}(s) V^\top",
    samples=lambda r: [S(np.zeros((3, 0)), q=1), S(np.zeros((2, 0, 3)), 1, 1)],  # of others the signs are random
    reference=lambda a, q=6, niter=2, M=None: _svd_reference(a, q),
    parity="the columns' signs depend on random numbers",
    **IN_SINGLE,
)
def svd_lowrank(A, q=6, niter=2, M=None):
    """The ``q`` largest singular values of a matrix and their vectors, nearly, by random projection.

    Args:
        A: (..., m, n), of a rank of about ``q`` or lower.
        q: how many, a little more than the rank.
        niter: rounds of iteration; each makes it more exact.
        M: (..., 1, n) or (..., m, n), taken from A first.

    Returns:
        ``(U, S, V)``: (..., m, q), (..., q) and (..., n, q).

    >>> import minigrad
    >>> U, S, V = minigrad.svd_lowrank(minigrad.tensor([[3.0, 0.0], [0.0, 4.0]]), q=2)
    >>> bool((S - minigrad.tensor([4.0, 3.0])).abs().max() < 1e-5)
    True
    """
    check_matrix("svd_lowrank", A)
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        A = A - M
    if A.array.shape[-2] < A.array.shape[-1]:  # project the rows: there are fewer of them
        Q = _range(A.mT, q, niter)
        U, s, vh = svd(matmul(A, Q))
        return U, s, matmul(Q, vh.mT)
    Q = _range(A, q, niter)
    U, s, vh = svd(matmul(Q.mT, A))
    return matmul(Q, U), s, vh.mT


@function(
    "pca_lowrank",
    spaces="torch",
    formula=r"A - \bar A \approx U \mathrm{diag}(s) V^\top",
    samples=lambda r: [S(np.zeros((3, 0))), S(np.zeros((2, 4, 0)), q=0, center=False, niter=1)],
    reference=lambda a, q=None, center=True, niter=2: _svd_reference(a, q),
    parity="the columns' signs depend on random numbers",
    **IN_SINGLE,
)
def pca_lowrank(A, q=None, center=True, niter=2):
    """The principal components of rows, nearly. See :func:`minigrad.svd_lowrank`.

    Args:
        A: (..., m, n): m rows of n features.
        q: how many components, min(6, m, n) without.
        center: take the mean of each column away first.

    Returns:
        ``(U, S, V)``; the columns of V are the principal directions.

    >>> import minigrad
    >>> U, S, V = minigrad.pca_lowrank(minigrad.tensor([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]]), q=1)
    >>> V.abs().round(decimals=4).flatten()
    tensor([1., 0.])
    """
    check_matrix("pca_lowrank", A)
    m, n = A.array.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"pca_lowrank: q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"pca_lowrank: niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


@function(
    "lobpcg",
    spaces="torch",
    formula=r"A X = B X \mathrm{diag}(e)",
    samples=lambda r: [S(definite(r, 3, 3), grad=False)],
    reference=lambda a: (np.linalg.eigh(a)[0][-1:], np.linalg.eigh(a)[1][:, -1:]),
    parity="up to sign",
    **IN_SINGLE,
)
def lobpcg(
    A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None, method=None, tracker=None,
    ortho_iparams=None, ortho_fparams=None, ortho_bparams=None,
):  # fmt: skip
    """The ``k`` largest or smallest eigenvalues of symmetric matrices, and their vectors.

    PyTorch iterates (Knyazev, 2001), for sparse matrices; here all eigenvalues are computed, exactly, and ``k`` are chosen, so
    the settings of the iteration (``X`` apart from its width, ``n``, ``iK``, ``niter``, ``tol``, ``method``, ``tracker`` and the
    ``ortho_`` ones) change nothing.

    Args:
        A: (..., m, m), symmetric.
        k: how many: the columns of X, or 1, without. m must be at least 3 k.
        B: (..., m, m), symmetric and positive definite, for A X = B X diag(E).
        X: (..., m, k), where PyTorch starts.
        largest: the largest (the default), largest first; else the smallest, smallest first.

    Returns:
        ``(E, X)``: (..., k) and (..., m, k).

    >>> import minigrad
    >>> minigrad.lobpcg(minigrad.diag(minigrad.tensor([1.0, 5.0, 3.0])))[0]
    tensor([5.])
    """
    check_matrix("lobpcg", A, square=True)
    k = (1 if X is None else X.array.shape[-1]) if k is None else k
    m = A.array.shape[-1]
    if m < 3 * k:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of requested "
            f"eigenpairs (={k}); use linalg.eigh"
        )
    L = None
    if B is not None:  # with B = L L^T: the eigenvalues of L^-1 A L^-T
        L = cholesky_factor(symmetrized(B)).expand(A.shape)
        half = triangular(L, A, upper=False, unit=False)
        A = triangular(L, half.mT, upper=False, unit=False)
    values, vectors = symmetric_eigen(A)
    if largest is None or largest:
        values, vectors = values.flip(-1)[..., :k], vectors.flip(-1)[..., :k]
    else:
        values, vectors = values[..., :k], vectors[..., :k]
    return values, vectors if L is None else triangular(L.mT, vectors, upper=True, unit=False)
