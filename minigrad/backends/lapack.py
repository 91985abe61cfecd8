"""The vocabulary's words of linear algebra, on NumPy and CuPy arrays.

Matrices are the last two axes. What both libraries have under one name is called there. The factorizations that only
SciPy has (LU, LDL, a Cholesky factor that reports instead of raising) run LAPACK on the host, one matrix at a time.
"""

import math

import numpy as np

from ..errors import DtypeError, LinAlgError


def _unlike(a, b):
    """Why two operands cannot be multiplied as matrices."""
    if not (hasattr(a, "dtype") and hasattr(b, "dtype")):
        return TypeError(
            f"matmul(): argument 'other' (position 2) must be Tensor, not {type(b).__name__}; use * to scale by a number"
        )
    return DtypeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}; convert one with .to(dtype)")


def _routine(name, a, module="lapack"):
    """The LAPACK or BLAS function for arrays like ``a``. SciPy loads on first use."""
    import scipy.linalg

    (found,) = (scipy.linalg.get_lapack_funcs if module == "lapack" else scipy.linalg.get_blas_funcs)((name,), (a,))
    return found


def _each(function, a, *shapes):
    """``function(matrix)`` for each matrix of a batch; its results in arrays of ``shapes`` and dtypes."""
    batch = a.shape[:-2]
    out = [np.zeros((*batch, *shape), dtype) for shape, dtype in shapes]
    if a.shape[-2] and a.shape[-1]:
        for i in np.ndindex(*batch):
            for o, value in zip(out, function(a[i])):
                o[i] = value
    return out


def _host_eig(a):
    """By SciPy in the matrix's own precision, as PyTorch: NumPy's float64 may find the values of float32 in another order."""
    from scipy.linalg import eig

    kind = _checked_eigen(a)
    return _each(lambda m: eig(m, check_finite=False), a, (a.shape[-1:], kind), (a.shape[-2:], kind))


def _host_eigvals(a):
    from scipy.linalg import eigvals

    return _each(lambda m: (eigvals(m, check_finite=False),), a, (a.shape[-1:], _checked_eigen(a)))


def _checked_eigen(a):
    """The dtype of the eigenvalues."""
    if not np.isfinite(a).all():
        raise LinAlgError("linalg.eig: input tensor should not contain infs or NaNs.")
    return np.result_type(a.dtype, np.complex64)


def _host_lu(a):
    getrf, k = _routine("getrf", a), min(a.shape[-2:])

    def one(matrix):
        packed, pivots, info = getrf(matrix)
        return packed, pivots + 1, info

    return _each(one, a, (a.shape[-2:], a.dtype), ((k,), np.int32), ((), np.int32))


def _host_cholesky(a):
    potrf = _routine("potrf", a)
    return _each(lambda m: potrf(m, lower=1, clean=1), a, (a.shape[-2:], a.dtype), ((), np.int32))


def _host_ldl(a):
    sytrf, n = _routine("sytrf", a), a.shape[-1]

    def one(matrix):
        packed, pivots, info = sytrf(matrix, lower=1)
        return np.tril(packed), pivots, info

    return _each(one, a, ((n, n), a.dtype), ((n,), np.int32), ((), np.int32))


def _host_ldl_solve(packed, pivots, b):
    sytrs, out = _routine("sytrs", packed), np.zeros_like(b)
    if b.shape[-1] and b.shape[-2]:
        for i in np.ndindex(*b.shape[:-2]):
            out[i] = sytrs(packed[i], pivots[i], b[i], lower=1)[0]
    return (out,)


def _host_triangular(a, b, upper, unit):
    """By BLAS, which divides by what stands on the diagonal, 0 too, as PyTorch does."""
    trsm, out = _routine("trsm", a, "blas"), np.zeros_like(b)
    if b.shape[-1] and b.shape[-2]:
        for i in np.ndindex(*b.shape[:-2]):
            out[i] = trsm(1.0, a[i], b[i], lower=not upper, diag=unit)
    return (out,)


# Numerator of the diagonal Padé approximant of degree 13 of exp; the norm up to which it is exact in double precision.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_PADE_NORM = 5.371920351148152


class LinearWords:
    """Linear algebra for ``Words``."""

    def matmul(self, a, b):
        """The operands must have one dtype, as in PyTorch."""
        if not (hasattr(a, "dtype") and hasattr(b, "dtype")) or a.dtype != b.dtype:
            raise _unlike(a, b)
        if a.dtype in self.HALVES:
            y = self.np.matmul(self.astype(a, dtype=np.float32), self.astype(b, dtype=np.float32))
            return self.astype(y, dtype=a.dtype)
        return self.np.matmul(a, b)

    # ---------------------------------------------------------------------------------------- what both libraries have
    def solve(self, a, b):
        """The solution of a @ x = b for matrices ``b`` (..., n, k)."""
        try:
            return self._library("solve", a, b)
        except np.linalg.LinAlgError:
            where, _ = self._failure(self.lu(a)[2])
            raise LinAlgError(f"linalg.solve: {where}The solver failed because the input matrix is singular.") from None

    def inv(self, a):
        try:
            return self._library("inv", a)
        except np.linalg.LinAlgError:
            where, i = self._failure(self.lu(a)[2])
            raise LinAlgError(
                f"linalg.inv: {where}The diagonal element {i} is zero, the inversion could not be completed because the input "
                f"matrix is singular."
            ) from None

    def cholesky(self, a):
        """The lower factor; reads the lower triangle."""
        try:
            return self._library("cholesky", a)
        except np.linalg.LinAlgError:
            where, i = self._failure(self.cholesky_ex(a)[1])
            raise LinAlgError(
                f"linalg.cholesky: {where}The factorization could not be completed because the input is not positive-definite "
                f"(the leading minor of order {i} is not positive-definite)."
            ) from None

    def _failure(self, info):
        """Where the first failure in a batch is, for the message, and LAPACK's number for it."""
        info = self.host(info)
        if not info.ndim:
            return "", int(info)
        flat = info.ravel()
        first = int(np.argmax(flat != 0))
        return f"(Batch element {first}): ", int(flat[first])

    def det(self, a):
        return self.np.linalg.det(a)

    def slogdet(self, a):
        return tuple(self.np.linalg.slogdet(a))

    def qr(self, a, *, mode="reduced"):
        return tuple(self.np.linalg.qr(a, mode))

    def svd(self, a, *, full_matrices=False):
        return tuple(self._lapack("svd", "linalg.svd: The algorithm failed to converge", a, full_matrices))

    def eigh(self, a):
        """Reads the lower triangle."""
        return tuple(self._lapack("eigh", "linalg.eigh: The algorithm failed to converge", a))

    def _lapack(self, name, failed, *args):
        try:
            return self._library(name, *args)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"{failed} ({error})") from None

    def _library(self, name, *args):
        return getattr(self.np.linalg, name)(*args)

    # ------------------------------------------------------------------------------------------------ on the host
    def _on_host(self, function, *arrays, **settings):
        out = function(*[np.asarray(self.host(x)) for x in arrays], **settings)
        return tuple([self.upload(o) for o in out])

    def eig(self, a):
        """Eigenvalues and vectors of square matrices, complex always."""
        return self._on_host(_host_eig, a)

    def eigvals(self, a):
        return self._on_host(_host_eigvals, a)[0]

    def lu(self, a):
        """L below the diagonal and U on and above it, row exchanges from 1 on (int32), and where U has its first 0 (or 0)."""
        return self._on_host(_host_lu, a)

    def cholesky_ex(self, a):
        """The lower factor as far as it goes, and the order of the first leading minor that is not positive (or 0)."""
        return self._on_host(_host_cholesky, a)

    def ldl(self, a):
        """LAPACK's sytrf of the lower triangle: L and D in one, the exchanges and blocks, and where D has its first 0 (or 0)."""
        return self._on_host(_host_ldl, a)

    def ldl_solve(self, packed, pivots, b):
        return self._on_host(_host_ldl_solve, packed, pivots, b)[0]

    def triangular(self, a, b, *, upper, unit=False):
        """The solution of a @ x = b; the other triangle of ``a``, and its diagonal where it is ``unit``, are not read."""
        return self._on_host(_host_triangular, a, b, upper=upper, unit=unit)[0]

    # --------------------------------------------------------------------------------------------------- made of others
    def pivot_rows(self, pivots, *, rows):
        """Row exchanges (..., k), counted from 1, as the order of rows (..., rows) that they lead to."""
        batch, k = pivots.shape[:-1], pivots.shape[-1]
        steps = pivots.reshape(math.prod(batch), k).astype(np.int64) - 1
        order = self.np.broadcast_to(self.np.arange(rows), (steps.shape[0], rows)).copy()
        every = self.np.arange(steps.shape[0])
        for i in range(k):
            other = order[every, steps[:, i]]
            order[every, steps[:, i]] = order[:, i]
            order[:, i] = other
        return order.reshape(*batch, rows)

    def matrix_exp(self, a):
        """Scaling and squaring with the Padé approximant of degree 13, in double precision: Higham, "The scaling and squaring
        method for the matrix exponential revisited" (2005)."""
        x, n = a.astype(np.result_type(a.dtype, np.float64)), a.shape[-1]
        if not x.size:
            return a.copy()
        norm = self.np.max(self.np.sum(self.np.abs(x), axis=-2), axis=-1)
        halvings = self.np.ceil(self.np.log2(self.np.maximum(norm / _PADE_NORM, 1.0)))
        halvings = self.np.where(self.np.isfinite(halvings), halvings, 0.0)[..., None, None]
        x = x / 2.0**halvings
        one = self.np.broadcast_to(self.np.eye(n), x.shape)
        even, odd, power = 0.0, 0.0, one
        square = x @ x
        for low, high in zip(_PADE[::2], _PADE[1::2]):  # coefficients of 1, x; x^2, x^3; and so on
            even, odd = even + low * power, odd + high * power
            power = power @ square
        odd = x @ odd
        y = self.np.linalg.solve(even - odd, even + odd)
        for i in range(int(halvings.max())):
            y = self.np.where(i < halvings, y @ y, y)
        return y.astype(a.dtype)
