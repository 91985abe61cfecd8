"""CuPy under hostcuda against NumPy: the array operations a tensor library stands on."""

import numpy as np
import pytest

import hostcuda

if not hostcuda.installed():
    pytest.skip("runs real CuPy on the host: ask for it with --xp hostcuda", allow_module_level=True)

import cupy as cp
import cupyx
import cupyx.scipy.linalg
import cupyx.scipy.special

FLOATS = ("float32", "float64")
TOLERANCE = {"float16": 4e-3, "float32": 2e-5, "float64": 1e-11}


def random(*shape, dtype="float32"):
    """Reproducible normal numbers."""
    return np.random.RandomState(len(shape) + sum(shape)).standard_normal(shape).astype(dtype)


def check(got, expected, tolerance=None):
    """Same shape, same dtype, close values."""
    expected = np.asarray(expected)
    got = cp.asnumpy(got)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, expected)
        return
    tolerance = tolerance or TOLERANCE[expected.dtype.name]
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def both(function, *arrays):
    """(function(cupy, device arrays), function(numpy, arrays))."""
    return function(cp, *map(cp.asarray, arrays)), function(np, *arrays)


# ---- elementwise, reductions, movement ------------------------------------------------------------------------
X, Y = random(5, 7), random(5, 1)
INDICES = np.array([3, 0, 3, 4])
ORDER = np.argsort(random(5, 7), axis=1)

CASES = {
    "broadcast": lambda xp, x, y: x * y - x / (y * y + 1),
    "scalars": lambda xp, x, y: 2 * x + 1.5,
    "transcendental": lambda xp, x, y: xp.tanh(x) + xp.exp(y) * xp.log1p(xp.abs(x)) + xp.sqrt(xp.abs(y)),
    "power": lambda xp, x, y: xp.abs(x) ** 1.7 + x**2,
    "where": lambda xp, x, y: xp.where(x > y, x, -y),
    "minmax": lambda xp, x, y: xp.maximum(x, y) + xp.minimum(x, 0.25),
    "clip": lambda xp, x, y: xp.clip(x, -0.5, 0.5),
    "sum": lambda xp, x, y: x.sum(axis=0),
    "sum all": lambda xp, x, y: x.sum(),
    "mean keepdims": lambda xp, x, y: x.mean(axis=1, keepdims=True),
    "var": lambda xp, x, y: x.var(axis=(0, 1)),
    "prod": lambda xp, x, y: x.prod(axis=1),
    "argmax": lambda xp, x, y: x.argmax(axis=1),
    "any all": lambda xp, x, y: (x > 1).any(axis=0) & (x < 9).all(axis=0),
    "norm": lambda xp, x, y: xp.linalg.norm(x, axis=1),
    "cumsum": lambda xp, x, y: xp.cumsum(x, axis=1),
    "cumsum flat": lambda xp, x, y: xp.cumsum(x),
    "cumprod": lambda xp, x, y: xp.cumprod(x, axis=0),
    "transpose": lambda xp, x, y: x.T + y.reshape(1, 5),
    "reshape": lambda xp, x, y: x[:, ::2].reshape(-1),
    "concatenate": lambda xp, x, y: xp.concatenate([x, y], axis=1),
    "stack": lambda xp, x, y: xp.stack([x, x + 1], axis=1),
    "pad": lambda xp, x, y: xp.pad(x, ((1, 0), (2, 3))),
    "tile repeat": lambda xp, x, y: xp.repeat(xp.tile(x, (2, 1)), 3, axis=0),
    "flip roll": lambda xp, x, y: xp.roll(xp.flip(x, 1), 2, axis=0),
    "broadcast_to": lambda xp, x, y: xp.broadcast_to(y, (3, 5, 7)).sum(axis=0),
    "tril": lambda xp, x, y: xp.tril(x, 1),
    "diagonal": lambda xp, x, y: xp.diagonal(x),
    "slices": lambda xp, x, y: x[1:4, ::-2],
    "take": lambda xp, x, y: xp.take(x, xp.asarray(INDICES), axis=0),
    "fancy": lambda xp, x, y: x[xp.asarray(INDICES), xp.asarray(INDICES)],
    "mask": lambda xp, x, y: x[x > 0],
    "take_along_axis": lambda xp, x, y: xp.take_along_axis(x, xp.asarray(ORDER), axis=1),
    "sort": lambda xp, x, y: xp.sort(x, axis=0),
    "argsort": lambda xp, x, y: xp.argsort(x, axis=1),
    "argsort flat": lambda xp, x, y: xp.argsort(x, axis=None),
    "nonzero": lambda xp, x, y: xp.nonzero(x > 0)[1],
    "unique": lambda xp, x, y: xp.unique(xp.rint(x)),
    "searchsorted": lambda xp, x, y: xp.searchsorted(xp.sort(y[:, 0]), x),
    "bincount": lambda xp, x, y: xp.bincount(xp.asarray(INDICES), minlength=7),
    "outer": lambda xp, x, y: xp.outer(x[0], y[:, 0]),
    "cast": lambda xp, x, y: (x * 10).astype("int32") // 3 + (x > 0),
    "integers": lambda xp, x, y: (xp.arange(20) * 7 % 5) << 2,
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CASES)
def test_operation(name, dtype):
    check(*both(CASES[name], X.astype(dtype), Y.astype(dtype)))


def test_long_cumsum_and_reduction():
    x = random(3000, dtype="float64")
    check(*both(lambda xp, x: xp.cumsum(x), x))
    check(*both(lambda xp, x: x.sum(), x))


def test_as_strided_windows():
    def windows(xp, x):
        rows, columns = x.strides
        view = xp.lib.stride_tricks.as_strided(x, (3, 5, 3, 3), (rows, columns, rows, columns))
        return view.sum(axis=(2, 3))

    check(*both(windows, X))


def test_assignments():
    def assign(xp, x, y):
        x = x.copy()
        x[1:3, ::2] = 7
        x[xp.asarray([0, 4])] = y[:2]
        x[x < -1] = 0
        x[2, xp.asarray([1, 3])] += 5
        xp.put_along_axis(x, xp.asarray(ORDER[:, :1]), 9, axis=1)
        return x

    check(*both(assign, X, Y))


@pytest.mark.filterwarnings("ignore:.*scatter_add.*:DeprecationWarning")
@pytest.mark.parametrize("dtype", FLOATS)
def test_scatter_add(dtype):
    values = random(4, 7, dtype=dtype)
    expected = np.zeros((5, 7), dtype)
    np.add.at(expected, INDICES, values)
    for add_at in (cp.add.at, cupyx.scatter_add):
        got = cp.zeros((5, 7), dtype)
        add_at(got, cp.asarray(INDICES), cp.asarray(values))
        check(got, expected)


def test_out_and_in_place():
    def update(xp, x, y):
        out = xp.empty_like(x)
        xp.multiply(x, y, out=out)
        out += x
        out[...] = out * 2
        return out

    check(*both(update, X, Y))


# ---- products -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 5), (5, 3)), ((5,), (5, 3)), ((4, 5), (5,)), ((2, 4, 5), (2, 5, 3)), ((2, 3, 4, 5), (3, 5, 2)), ((2, 4, 5), (5, 3))],
)
def test_matmul(a, b, dtype):
    a, b = random(*a, dtype=dtype), random(*b, dtype=dtype)
    check(*both(lambda xp, a, b: a @ b, a, b), TOLERANCE[dtype] * 4)


@pytest.mark.parametrize("dtype", FLOATS)
def test_matmul_of_transposed_views(dtype):
    a, b = random(2, 5, 4, dtype=dtype), random(2, 3, 5, dtype=dtype)
    check(*both(lambda xp, a, b: a.swapaxes(1, 2) @ b.swapaxes(1, 2), a, b))
    check(*both(lambda xp, a, b: a[0].T @ b[1].T, a, b))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", *FLOATS])
@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_strided_batched_product_by_cublas_itself(dtype, trans_a, trans_b):
    """What CuPy's own matmul does not use for half precision: one call, no kernels, out = a @ b + out."""
    cublas = cp.cuda.cublas
    cuda_type = {"float16": 2, "bfloat16": 14, "float32": 0, "float64": 1}[dtype]
    compute_type = 70 if dtype == "float64" else 68  # CUBLAS_COMPUTE_64F, _32F
    dtype = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    a = random(3, *((5, 4) if trans_a else (4, 5))).astype(dtype)
    b = random(3, *((6, 5) if trans_b else (5, 6))).astype(dtype)
    x, y, out = cp.asarray(a), cp.asarray(b), cp.asarray(np.ones((3, 4, 6), dtype))
    one = np.ones(1, "float64" if dtype == "float64" else "float32")
    with hostcuda.budget(launches=0, gemms=1):
        # Row-major out = a b is column-major out^T = b^T a^T, so the operands change places.
        cublas.gemmStridedBatchedEx(
            cp.cuda.device.get_cublas_handle(), trans_b, trans_a, 6, 4, 5, one.ctypes.data,
            y.data.ptr, cuda_type, b.shape[2], 30, x.data.ptr, cuda_type, a.shape[2], 20, one.ctypes.data,
            out.data.ptr, cuda_type, 6, 24, 3, compute_type, -1,
        )  # fmt: skip
    a, b = a.astype("float64"), b.astype("float64")
    expected = (a.swapaxes(1, 2) if trans_a else a) @ (b.swapaxes(1, 2) if trans_b else b) + 1
    tolerance = {2: 0.02, 4: 1e-5, 8: 1e-12}[np.dtype(dtype).itemsize]
    np.testing.assert_allclose(out.get().astype("float64"), expected, rtol=tolerance, atol=tolerance)


def test_gemm_accumulates_into_out():
    import cupy.cublas

    a, b = random(4, 5), random(3, 5)
    out = cp.ones((4, 3), "float32")
    cupy.cublas.gemm("N", "T", cp.asarray(a), cp.asarray(b), out=out, beta=1.0)
    check(out, a @ b.T + 1)


def test_integer_matmul():
    a, b = np.arange(12).reshape(3, 4), np.arange(20).reshape(4, 5)
    check(*both(lambda xp, a, b: a @ b, a, b))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("equation", ["ij,jk->ik", "bij,bkj->bik", "bhid,bhjd->bhij", "ij,ij->j", "ii->i", "abc->cab"])
def test_einsum(equation, dtype):
    sizes = {"a": 2, "b": 2, "c": 5, "d": 6, "h": 3, "i": 4, "j": 5, "k": 3}
    operands = [random(*[sizes[i] for i in term], dtype=dtype) for term in equation.split("->")[0].split(",")]
    check(*both(lambda xp, *xs: xp.einsum(equation, *xs), *operands))


def test_tensordot_and_dot():
    check(*both(lambda xp, a, b: xp.tensordot(a, b, axes=([0, 2], [0, 1])), random(2, 4, 5), random(2, 5, 3)))
    check(*both(lambda xp, a, b: xp.dot(a, b), random(9), random(9)))


# ---- bfloat16 -------------------------------------------------------------------------------------------------
def test_bfloat16():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    a, b = random(4, 5).astype(bfloat16), random(5, 3).astype(bfloat16)
    x, y = cp.asarray(a), cp.asarray(b)

    def widened(array):
        return cp.asnumpy(array).astype("float32")

    assert (x + x).dtype == bfloat16
    np.testing.assert_array_equal(widened(x + x), (a + a).astype("float32"))
    np.testing.assert_allclose(widened(x @ y), a.astype("float32") @ b.astype("float32"), rtol=0.02, atol=0.02)
    np.testing.assert_allclose(widened(cp.exp(x)), np.exp(a.astype("float32")), rtol=0.01)
    check(x.astype("float32"), a.astype("float32"))


# ---- special functions ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "name", ["erf", "erfc", "erfinv", "erfcinv", "erfcx", "gammaln", "gamma", "digamma", "ndtr", "ndtri", "expit", "i0", "i1"]
)
def test_special(name, dtype):
    special = pytest.importorskip("scipy.special")
    x = np.linspace(0.02, 0.98, 25).astype(dtype)
    if name not in ("erfinv", "erfcinv", "ndtri"):
        x = x * 8
    check(getattr(cupyx.scipy.special, name)(cp.asarray(x)), getattr(special, name)(x), 1e-4 if dtype == "float32" else 1e-9)


# ---- linear algebra: the shapes cover CuPy's single and batched routines --------------------------------------
SHAPES = ((4, 4), (5, 3), (3, 5), (2, 3, 4, 4), (2, 5, 3), (2, 34, 33))
SQUARE = tuple(shape for shape in SHAPES if shape[-1] == shape[-2])


def loose(dtype):
    return 2e-3 if dtype == "float32" else 1e-9


def positive(shape, dtype):
    a = random(*shape, dtype=dtype)
    return a @ a.swapaxes(-1, -2) + np.eye(shape[-1], dtype=dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SQUARE)
def test_solve_inverse_determinant_cholesky(shape, dtype):
    a, b = random(*shape, dtype=dtype), random(*shape[:-1], 2, dtype=dtype)
    check(*both(lambda xp, a, b: xp.linalg.solve(a, b), a, b), loose(dtype))
    check(*both(lambda xp, a: xp.linalg.inv(a), a), loose(dtype))
    check(*both(lambda xp, a: xp.linalg.inv(a.swapaxes(-1, -2)), a), loose(dtype))
    check(*both(lambda xp, a: xp.linalg.det(a), a), loose(dtype))
    for got, expected in zip(*both(lambda xp, a: xp.linalg.slogdet(a), a), strict=True):
        check(got, expected, loose(dtype))
    check(*both(lambda xp, a: xp.linalg.cholesky(a), positive(shape, dtype)), loose(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("full", [True, False])
def test_svd(shape, dtype, full):
    a = random(*shape, dtype=dtype)
    got, expected = both(lambda xp, a: xp.linalg.svd(a, full_matrices=full), a)
    assert [part.shape for part in got] == [part.shape for part in expected]
    u, s, vt = got
    check(s, expected[1], loose(dtype))
    k = s.shape[-1]
    check((u[..., :k] * s[..., None, :]) @ vt[..., :k, :], a, loose(dtype))
    check(*both(lambda xp, a: xp.linalg.svd(a, compute_uv=False), a), loose(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["reduced", "complete"])
def test_qr(shape, dtype, mode):
    for got, expected in zip(*both(lambda xp, a: xp.linalg.qr(a, mode=mode), random(*shape, dtype=dtype)), strict=True):
        check(got, expected, loose(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SQUARE)
def test_eigh(shape, dtype):
    a = positive(shape, dtype)
    (w, v), (expected, _) = both(lambda xp, a: xp.linalg.eigh(a), a)
    check(w, expected, loose(dtype))
    check((v * w[..., None, :]) @ v.swapaxes(-1, -2), a, loose(dtype))
    check(*both(lambda xp, a: xp.linalg.eigvalsh(a, UPLO="U"), a), loose(dtype))


def test_eig_of_a_rotation_and_least_squares():
    a = np.array([[0.0, -1, 0], [1, 0, 0], [2, 0, 3]])
    w, v = map(cp.asnumpy, cp.linalg.eig(cp.asarray(a)))
    np.testing.assert_allclose(a @ v, v * w, atol=1e-12)
    tall, b = random(6, 3, dtype="float64"), random(6, dtype="float64")
    check(cp.linalg.lstsq(cp.asarray(tall), cp.asarray(b))[0], np.linalg.lstsq(tall, b, rcond=None)[0])
    check(*both(lambda xp, a: xp.linalg.pinv(a), tall))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("trans", [0, 1, 2])
def test_solve_triangular(dtype, lower, trans):
    scipy_linalg = pytest.importorskip("scipy.linalg")
    a, b = positive((4, 4), dtype), random(4, 3, dtype=dtype)
    got = cupyx.scipy.linalg.solve_triangular(cp.asarray(a), cp.asarray(b), lower=lower, trans=trans)
    check(got, scipy_linalg.solve_triangular(a, b, lower=lower, trans=trans), loose(dtype))


@pytest.mark.parametrize("dtype", [*FLOATS, "complex128"])
@pytest.mark.parametrize("trans", [0, 1, 2])
def test_lu_factors(dtype, trans):
    scipy_linalg = pytest.importorskip("scipy.linalg")
    a, b = random(5, 5, dtype=dtype), random(5, 2, dtype=dtype)
    if dtype == "complex128":
        a = a + 1j * a.T
    factors = cupyx.scipy.linalg.lu_factor(cp.asarray(a))
    expected = scipy_linalg.lu_factor(a)
    check(factors[0], expected[0], loose(dtype))
    got = cupyx.scipy.linalg.lu_solve(factors, cp.asarray(b), trans=trans)
    check(got, scipy_linalg.lu_solve(expected, b, trans=trans), loose(dtype))


def test_failed_decompositions_behave_as_cupys():
    indefinite = cp.asarray(-np.eye(3))
    cp.linalg.cholesky(indefinite)  # silent, as on a GPU
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError, match="potrf"):
        cp.linalg.cholesky(indefinite)
    assert not cp.isfinite(cp.linalg.inv(cp.zeros((2, 2)))).all()
    with pytest.raises(TypeError, match="float16"):
        cp.linalg.inv(cp.eye(2, dtype="float16"))


# ---- random numbers: distributions, not values ----------------------------------------------------------------
@pytest.mark.parametrize("dtype", FLOATS)
def test_random_distributions(dtype):
    cp.random.seed(1)
    uniform = cp.asnumpy(cp.random.random_sample((4000,), dtype=dtype))
    normal = cp.asnumpy(cp.random.standard_normal((4001,), dtype=dtype))
    assert uniform.dtype == normal.dtype == dtype
    assert uniform.min() >= 0
    assert abs(uniform.mean() - 0.5) < 0.03
    assert abs(normal.mean()) < 0.08
    assert abs(normal.std() - 1) < 0.05
    integers = cp.asnumpy(cp.random.randint(0, 6, 600))
    assert sorted(set(integers.tolist())) == [0, 1, 2, 3, 4, 5]
    assert sorted(cp.random.permutation(10).tolist()) == list(range(10))
