"""The LAPACK routines that cupy.linalg asks cuSOLVER and cuBLAS for, on NumPy arrays, in place as in LAPACK.

Written for small matrices. As on a GPU, a singular or indefinite matrix raises nothing here: `info` tells, and
the results are what the arithmetic gives.
"""

import numpy as np

LOWER = 0  # CUBLAS_FILL_MODE_LOWER
NO_TRANSPOSE, CONJUGATE_TRANSPOSE = 0, 2  # CUBLAS_OP_N, CUBLAS_OP_C; 1 is CUBLAS_OP_T


def getrf(a: np.ndarray, pivots: np.ndarray | None) -> int:
    """LU factors of `a`, in place, with row swaps (1-based `pivots`) or, without `pivots`, none."""
    info = 0
    for k in range(min(a.shape)):
        if pivots is not None:
            size = np.abs(a[k:, k].real) + np.abs(a[k:, k].imag)  # LAPACK's measure, for complex numbers too
            row = k + int(np.argmax(size))
            pivots[k] = row + 1
            a[[k, row]] = a[[row, k]]
        if a[k, k] == 0:
            info = info or k + 1
            continue
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return info


def getrs(lu: np.ndarray, pivots: np.ndarray | None, b: np.ndarray, trans: int) -> None:
    """Solve op(a) x = b in place, from what `getrf` made of a."""
    swaps = [] if pivots is None else [(i, int(pivot) - 1) for i, pivot in enumerate(pivots)]
    if trans == NO_TRANSPOSE:
        for i, row in swaps:
            b[[i, row]] = b[[row, i]]
        triangular_solve(lu, b, lower=True, trans=trans, unit=True)
        triangular_solve(lu, b, lower=False, trans=trans, unit=False)
    else:
        triangular_solve(lu, b, lower=False, trans=trans, unit=False)
        triangular_solve(lu, b, lower=True, trans=trans, unit=True)
        for i, row in reversed(swaps):
            b[[i, row]] = b[[row, i]]


def triangular_solve(a: np.ndarray, b: np.ndarray, lower: bool, trans: int, unit: bool) -> None:
    """Solve op(a) x = b in place by substitution, reading one triangle of a (and no diagonal if `unit`)."""
    if trans != NO_TRANSPOSE:
        a, lower = a.T, not lower
    if trans == CONJUGATE_TRANSPOSE:
        a = a.conj()
    n = len(a)
    with np.errstate(all="ignore"):
        for i in range(n) if lower else reversed(range(n)):
            if not unit:
                b[i] /= a[i, i]
            rest = slice(i + 1, n) if lower else slice(0, i)
            b[rest] -= np.outer(a[rest, i], b[i])


def potrf(a: np.ndarray, uplo: int) -> int:
    """The Cholesky factor of `a`, in place, in the triangle that `uplo` names."""
    lower = a if uplo == LOWER else a.T  # a = U^H U with U = L^H; L.conj() is what the view through .T holds
    for j in range(len(a)):
        pivot = (lower[j, j] - np.vdot(lower[j, :j], lower[j, :j])).real
        if not pivot > 0:
            return j + 1
        lower[j, j] = np.sqrt(pivot)
        lower[j + 1 :, j] = (lower[j + 1 :, j] - lower[j + 1 :, :j] @ lower[j, :j].conj()) / lower[j, j]
    return 0


def geqrf(a: np.ndarray, tau: np.ndarray) -> None:
    """QR factors of `a`, in place: R above the Householder vectors, whose factors go to `tau`."""
    reflectors, factors = np.linalg.qr(a, mode="raw")
    a[...] = reflectors.T
    tau[...] = factors


def orgqr(a: np.ndarray, tau: np.ndarray) -> None:
    """The columns of Q, in place of the Householder vectors."""
    rows, columns = a.shape
    q = np.eye(rows, columns, dtype=a.dtype)
    for i in reversed(range(len(tau))):
        vector = np.concatenate([np.zeros(i, a.dtype), np.ones(1, a.dtype), a[i + 1 :, i]])
        q -= tau[i] * np.outer(vector, vector.conj() @ q)
    a[...] = q


def gesvd(a: np.ndarray, s: np.ndarray, job_u: str, u: np.ndarray | None, job_vt: str, vt: np.ndarray | None) -> None:
    """Singular values, and vectors where the jobs say: A all, S the first min(a.shape), O the same in place of a, N none."""
    left, s[...], right = np.linalg.svd(a, full_matrices="A" in job_u + job_vt)
    k = len(s)
    if job_u in "AS":
        u[...] = left[:, : u.shape[1]]
    if job_vt in "AS":
        vt[...] = right[: vt.shape[0]]
    if job_u == "O":
        a[:, :k] = left[:, :k]
    if job_vt == "O":
        a[:k] = right[:k]


def geev(a: np.ndarray, w: np.ndarray, vectors: np.ndarray | None) -> None:
    """Eigenvalues of a general matrix; for a real one, vectors in LAPACK's packing: (real part, imaginary part)."""
    values, v = np.linalg.eig(a)
    w[...] = values
    if vectors is None:
        return
    if np.iscomplexobj(a):
        vectors[...] = v
        return
    for i, value in enumerate(values):
        vectors[:, i] = v[:, i - 1].imag if value.imag < 0 else v[:, i].real
