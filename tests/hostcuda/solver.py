"""Stand-ins for cuSOLVER and for cuBLAS's batched LU and triangular solves, by NumPy on the host memory.

cupy.linalg itself is real: its checks, dtypes, layouts, workspaces, use of `info` and the choice between single and
batched routines. What is stood in for:

- the extension module cupy_backends.cuda.libs.cusolver: pointers and leading dimensions in, as in the library;
- the module cupyx.cusolver, whose batched decompositions are compiled against the library;
- s, d, c, z getrfBatched, getrsBatched, getriBatched, trsm and trsmBatched of cupy_backends.cuda.libs.cublas.

The results are LAPACK's, not cuSOLVER's: signs and phases of vectors may differ from a GPU's.
"""

import sys
import types
from collections.abc import Callable

import numpy as np

from . import lapack
from .errors import HostCudaError
from .memory import column_major, view

DTYPES = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}
CUDA_DTYPES = {0: np.float32, 1: np.float64, 4: np.complex64, 5: np.complex128}  # cudaDataType
WORKSPACE = 1  # elements; NumPy brings its own
WITH_VECTORS = 1  # CUSOLVER_EIG_MODE_VECTOR


class _StandIn(types.ModuleType):
    """A module that says what it lacks."""

    def __getattr__(self, name: str):
        raise AttributeError(f"hostcuda's stand-in for {self.__name__} has no {name}: run what needs it on a GPU")

    def add(self, function: Callable, name: str) -> None:
        """Put a function into the module under a name (CuPy quotes it in error messages)."""
        function.__name__ = name
        setattr(self, name, function)


def hook_into_cupy() -> None:
    """Put the stand-ins where CuPy looks for the real modules. Before anything has imported cuSOLVER."""
    import cupyx
    from cupy_backends.cuda import libs

    for package, name, module in ((libs, "cusolver", _cusolver()), (cupyx, "cusolver", _cupyx_cusolver())):
        full_name = f"{package.__name__}.{name}"
        if full_name in sys.modules:
            raise HostCudaError(f"{full_name} was imported before hostcuda.install(): call install() first")
        sys.modules[full_name] = module
        setattr(package, name, module)
    _add_to_cublas()


def _pivots(pointer: int, count: int) -> np.ndarray | None:
    return view(pointer, np.int32, (count,)) if pointer else None


def _set(pointer: int, value: int) -> None:
    view(pointer, np.int32, (1,))[0] = value


def _pointers(pointer: int, count: int) -> list[int]:
    return view(pointer, np.uintp, (count,)).tolist()


# ---- cupy_backends.cuda.libs.cusolver -------------------------------------------------------------------------
def _cusolver() -> types.ModuleType:
    module = _StandIn("cupy_backends.cuda.libs.cusolver", __doc__)
    module.CUSOLVER_EIG_MODE_NOVECTOR, module.CUSOLVER_EIG_MODE_VECTOR = 0, WITH_VECTORS
    module._getVersion = lambda: (12, 2, 0)
    module.create = lambda: 1  # CuPy only passes the handle back
    module.destroy = lambda handle: None
    module.createParams = lambda: 1
    module.destroyParams = lambda params: None
    for letter, dtype in DTYPES.items():
        for routine, function in _lapack_routines(dtype).items():
            name = letter + ("ungqr" if routine == "orgqr" and letter in "cz" else routine)
            module.add(function, name)
            if not name.endswith("Batched"):
                module.add(lambda *args: WORKSPACE, f"{name}_bufferSize")
    for routine, function in {"xsyevd": _xsyevd, "xgeev": _xgeev}.items():
        module.add(function, routine)
        module.add(lambda *args: (WORKSPACE, WORKSPACE), f"{routine}_bufferSize")
    return module


def _lapack_routines(dtype) -> dict[str, Callable]:
    """The routines for one dtype; parameters as in CuPy's wrappers of cuSOLVER."""

    def getrf(handle, m, n, a, lda, work, pivots, info):
        _set(info, lapack.getrf(column_major(a, dtype, m, n, lda), _pivots(pivots, min(m, n))))

    def getrs(handle, trans, n, rhs, a, lda, pivots, b, ldb, info):
        lu, to = column_major(a, dtype, n, n, lda), column_major(b, dtype, n, rhs, ldb)
        lapack.getrs(lu, _pivots(pivots, n), to, trans)
        _set(info, 0)

    def potrf(handle, uplo, n, a, lda, work, work_size, info):
        _set(info, lapack.potrf(column_major(a, dtype, n, n, lda), uplo))

    def potrf_batched(handle, uplo, n, a, lda, info, batch):
        for i, pointer in enumerate(_pointers(a, batch)):
            _set(info + 4 * i, lapack.potrf(column_major(pointer, dtype, n, n, lda), uplo))

    def geqrf(handle, m, n, a, lda, tau, work, work_size, info):
        lapack.geqrf(column_major(a, dtype, m, n, lda), view(tau, dtype, (min(m, n),)))
        _set(info, 0)

    def orgqr(handle, m, n, k, a, lda, tau, work, work_size, info):
        lapack.orgqr(column_major(a, dtype, m, n, lda), view(tau, dtype, (k,)))
        _set(info, 0)

    def gesvd(handle, job_u, job_vt, m, n, a, lda, s, u, ldu, vt, ldvt, work, work_size, rwork, info):
        job_u, job_vt, k = chr(job_u), chr(job_vt), min(m, n)
        left = column_major(u, dtype, m, m if job_u == "A" else k, ldu) if job_u in "AS" else None
        right = column_major(vt, dtype, n if job_vt == "A" else k, n, ldvt) if job_vt in "AS" else None
        values = view(s, np.finfo(dtype).dtype, (k,))
        lapack.gesvd(column_major(a, dtype, m, n, lda), values, job_u, left, job_vt, right)
        _set(info, 0)

    return {
        "getrf": getrf,
        "getrs": getrs,
        "potrf": potrf,
        "potrfBatched": potrf_batched,
        "geqrf": geqrf,
        "orgqr": orgqr,
        "gesvd": gesvd,
    }


def _xsyevd(handle, params, job, uplo, n, type_a, a, lda, type_w, w, *workspaces_and_info):
    matrix = column_major(a, CUDA_DTYPES[type_a], n, n, lda)
    values, vectors = np.linalg.eigh(matrix, "L" if uplo == lapack.LOWER else "U")
    view(w, CUDA_DTYPES[type_w], (n,))[...] = values
    if job == WITH_VECTORS:
        matrix[...] = vectors
    _set(workspaces_and_info[-1], 0)


def _xgeev(handle, params, job_left, job_right, n, type_a, a, lda, type_w, w, type_vl, vl, ldvl, type_vr, vr, ldvr, *rest):
    vectors = column_major(vr, CUDA_DTYPES[type_vr], n, n, ldvr) if job_right == WITH_VECTORS else None
    lapack.geev(column_major(a, CUDA_DTYPES[type_a], n, n, lda), view(w, CUDA_DTYPES[type_w], (n,)), vectors)
    _set(rest[-1], 0)


# ---- cupyx.cusolver: decompositions of (batch, m, n) arrays ---------------------------------------------------
def _cupyx_cusolver() -> types.ModuleType:
    module = _StandIn("cupyx.cusolver", __doc__)
    module.check_availability = lambda name: True
    module.add(_qr_batched, "_geqrf_orgqr_batched")
    module.add(lambda a, full, vectors, overwrite=False: _svd_batched(a, full, vectors), "_gesvdj_batched")
    module.add(lambda a, dtype, full, vectors, overwrite=False: _svd_batched(a, full, vectors), "_gesvd_batched")
    module.add(_eigh_batched, "syevj")
    return module


def _to_host(a, dtype) -> np.ndarray:
    """A copy of a CuPy array, outside CuPy's view: no launch, no transfer is counted."""
    memory = a.data.mem
    whole = view(memory.ptr, np.uint8, (memory.size,))
    start = a.data.ptr - memory.ptr
    strided = np.ndarray(a.shape, a.dtype, buffer=whole, offset=start, strides=a.strides)
    return strided.astype(dtype)


def _to_device(a: np.ndarray, dtype):
    import cupy

    out = cupy.empty(a.shape, dtype)
    view(out.data.ptr, dtype, a.shape)[...] = a
    return out


def _qr_batched(a, mode):
    from cupy.linalg import _util

    dtype, out_dtype = _util.linalg_common_type(a)
    result = np.linalg.qr(_to_host(a, dtype), mode=mode)
    if mode == "r":
        return _to_device(result, out_dtype)
    return tuple(_to_device(part, out_dtype) for part in result)


def _svd_batched(a, full_matrices, compute_uv):
    """Returns V, not its conjugate transpose, as cuSOLVER's Jacobi routines do."""
    from cupy.linalg import _util

    dtype, _ = _util.linalg_common_type(a)
    real = np.finfo(dtype).dtype
    if not compute_uv:
        return _to_device(np.linalg.svd(_to_host(a, dtype), compute_uv=False), real)
    u, s, vt = np.linalg.svd(_to_host(a, dtype), full_matrices=full_matrices)
    return _to_device(u, dtype), _to_device(s, real), _to_device(vt.swapaxes(-1, -2).conj(), dtype)


def _eigh_batched(a, uplo="L", with_eigen_vector=True, cov=False):
    from cupy.linalg import _util

    dtype, out_dtype = _util.linalg_common_type(a, reject_float16=False)
    values, vectors = np.linalg.eigh(_to_host(a, dtype), uplo)
    values = _to_device(values, np.finfo(out_dtype).dtype)
    return (values, _to_device(vectors, out_dtype)) if with_eigen_vector else values


# ---- cupy_backends.cuda.libs.cublas ---------------------------------------------------------------------------
def _add_to_cublas() -> None:
    from cupy_backends.cuda.libs import cublas

    for letter, dtype in DTYPES.items():
        for routine, function in _blas_routines(dtype).items():
            function.__name__ = letter + routine
            setattr(cublas, letter + routine, function)


def _blas_routines(dtype) -> dict[str, Callable]:
    """The routines for one dtype; parameters as in CuPy's wrappers of cuBLAS."""

    def getrf_batched(handle, n, a, lda, pivots, info, batch):
        for i, pointer in enumerate(_pointers(a, batch)):
            matrix_pivots = _pivots(pivots + 4 * n * i, n) if pivots else None
            _set(info + 4 * i, lapack.getrf(column_major(pointer, dtype, n, n, lda), matrix_pivots))

    def getrs_batched(handle, trans, n, rhs, a, lda, pivots, b, ldb, info, batch):
        for i, (lu, to) in enumerate(zip(_pointers(a, batch), _pointers(b, batch), strict=True)):
            matrix_pivots = _pivots(pivots + 4 * n * i, n) if pivots else None
            lapack.getrs(column_major(lu, dtype, n, n, lda), matrix_pivots, column_major(to, dtype, n, rhs, ldb), trans)
        _set(info, 0)

    def getri_batched(handle, n, a, lda, pivots, c, ldc, info, batch):
        for i, (lu, to) in enumerate(zip(_pointers(a, batch), _pointers(c, batch), strict=True)):
            matrix, inverse = column_major(lu, dtype, n, n, lda), column_major(to, dtype, n, n, ldc)
            inverse[...] = np.eye(n)
            lapack.getrs(matrix, _pivots(pivots + 4 * n * i, n) if pivots else None, inverse, lapack.NO_TRANSPOSE)
            zeros = np.flatnonzero(np.diagonal(matrix) == 0)
            _set(info + 4 * i, int(zeros[0]) + 1 if len(zeros) else 0)

    def trsm(handle, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb):
        left = side == 0  # CUBLAS_SIDE_LEFT: op(a) x = alpha b; else x op(a) = alpha b, which is solved transposed
        size = m if left else n
        matrix, to = column_major(a, dtype, size, size, lda), column_major(b, dtype, m, n, ldb)
        to *= view(alpha, dtype, (1,))[0]
        if left:
            lapack.triangular_solve(matrix, to, uplo == lapack.LOWER, trans, bool(diag))
            return
        if trans == lapack.NO_TRANSPOSE:
            matrix, lower = matrix.T, uplo != lapack.LOWER
        else:
            matrix, lower = (matrix.conj() if trans == lapack.CONJUGATE_TRANSPOSE else matrix), uplo == lapack.LOWER
        lapack.triangular_solve(matrix, to.T, lower, lapack.NO_TRANSPOSE, bool(diag))

    def trsm_batched(handle, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb, batch):
        for matrix, to in zip(_pointers(a, batch), _pointers(b, batch), strict=True):
            trsm(handle, side, uplo, trans, diag, m, n, alpha, matrix, lda, to, ldb)

    return {
        "getrfBatched": getrf_batched,
        "getrsBatched": getrs_batched,
        "getriBatched": getri_batched,
        "trsm": trsm,
        "trsmBatched": trsm_batched,
    }
