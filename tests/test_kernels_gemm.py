"""Matrix products inside compiled code and for whole arrays, against NumPy in float64."""

import os
import subprocess
import sys

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import minigrad  # noqa: E402
from minigrad.kernels import use_kernels  # noqa: E402
from minigrad.kernels.cpu import KERNELS, gemm, products  # noqa: E402
from minigrad.kernels.cpu.blas import gemm as blas_gemm  # noqa: E402
from minigrad.kernels.cpu.jit import jit  # noqa: E402
from minigrad.kernels.cpu.tiles import ACCUMULATE, BIAS, LANES, RELU, pointer  # noqa: E402

FLOATS = (np.float32, np.float64)
WAYS = [(False, False), (False, True), (True, False), (True, True)]
compiled = pytest.mark.skipif(not LANES, reason="no vector registers, or no compilation")


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def close(found, exact, size, dtype=np.float32):
    """``size``: the product of the absolute values, which bounds the rounding of each element."""
    assert (np.abs(found - exact) <= 4 * np.finfo(dtype).eps * (size + 1) + 1e-30).all()


@jit
def _gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
    blas_gemm(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc)


@jit
def _matmul(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc):
    gemm.matmul(ta, tb, m, n, k, alpha, a, offset_a, lda, b, offset_b, ldb, beta, c, offset_c, ldc)


@jit
def _matmul_of_pointers(m, n, k, a, b, c):
    gemm.matmul(False, True, m, n, k, 1, pointer(a, 0), 0, k, pointer(b, 0), 0, k, 0, pointer(c, 0), 0, n)


@jit
def _product(ta, how, m, n, k, alpha, a, lda, b, ldb, c, ldc, bias, flags):
    gemm.product(ta, how, m, n, k, alpha, pointer(a, 0), lda, pointer(b, 0), ldb, pointer(c, 0), ldc, pointer(bias, 0), flags)


@jit
def _pack(transposed, n, k, b, ldb, packed):
    gemm.pack(transposed, n, k, pointer(b, 0), ldb, pointer(packed, 0))


@pytest.mark.parametrize("function", [_gemm, _matmul])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ta, tb", WAYS)
@pytest.mark.parametrize("alpha, beta", [(1, 0), (2, 1), (-0.5, 0.25)])
def test_parts_of_larger_arrays(function, dtype, ta, tb, alpha, beta):
    """With offsets and leading dimensions, and nothing else written. With beta = 0 C is not read."""
    m, n, k, width = 7, 5, 6, 11
    a, b = normal(2, k if ta else m, width, dtype=dtype), normal(n if tb else k, width, dtype=dtype)
    c = normal(m + 1, width, dtype=dtype)
    of_a, of_b = a[1, :, 2 : 2 + (m if ta else k)].astype(float), b[:, 3 : 3 + (k if tb else n)].astype(float)
    of_a, of_b = of_a.T if ta else of_a, of_b.T if tb else of_b
    expected = c.astype(float)
    expected[1:, 4 : 4 + n] = alpha * (of_a @ of_b) + (beta * expected[1:, 4 : 4 + n] if beta else 0)
    if beta == 0:
        c[1:, 4 : 4 + n] = np.nan
    function(ta, tb, m, n, k, alpha, a, a[0].size + 2, width, b, 3, width, beta, c, width + 4, width)
    np.testing.assert_allclose(c, expected, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="there are no pointers")
@pytest.mark.parametrize("dtype", FLOATS)
def test_pointers(dtype):
    a, b, c = normal(4, 3, dtype=dtype), normal(5, 3, dtype=dtype), np.empty((4, 5), dtype)
    _matmul_of_pointers(4, 5, 3, a, b, c)
    np.testing.assert_allclose(c, a @ b.T, rtol=1e-5)


SIZES = [(m, n, k) for m in (1, 2, 3, 4, 5, 7, 8, 9, 13, 17) for n in (1, 2, 10, 16, 17, 33, 65) for k in (0, 1, 3, 16, 40)]
SIZES += [(140, 140, 7), (3, 5, 1100), (9, 20, 1100), (300, 33, 600), (130, 300, 20)]


@compiled
@pytest.mark.parametrize("ta, tb", WAYS)
def test_every_edge_of_the_tiles(ta, tb):
    r = np.random.default_rng(0)
    for m, n, k in SIZES:
        a, b, bias, c = normal(m, k), normal(k, n), normal(n), normal(m, n, seed=1)
        flags, alpha = int(r.integers(8)), float(r.choice([1.0, -1.5]))
        exact, size = alpha * (a.astype(float) @ b), np.abs(alpha) * (np.abs(a).astype(float) @ np.abs(b))
        exact = exact + (c if flags & ACCUMULATE else 0) + (bias if flags & BIAS else 0)
        exact, size = np.maximum(exact, 0) if flags & RELU else exact, size + np.abs(c) + np.abs(bias)
        lies_a, lies_b = np.ascontiguousarray(a.T) if ta else a, np.ascontiguousarray(b.T) if tb else b
        packed = np.full(gemm.packed_size(n, k) + 9, np.nan, np.float32)
        _pack(tb, n, k, lies_b, k if tb else n, packed)
        assert np.isnan(packed[-9:]).all()
        for how, of_b in ((tb, lies_b), (gemm.PACKED, packed)):
            around = np.full(m * n + 40, 7, np.float32)
            around[: m * n] = c.ravel() if flags & ACCUMULATE else np.nan
            _product(ta, how, m, n, k, alpha, lies_a, m if ta else k, of_b, k if tb else n, around, n, bias, flags)
            close(around[: m * n].reshape(m, n), exact, size * np.sqrt(k + 1))
            assert (around[m * n :] == 7).all(), (m, n, k)


@compiled
def test_broken_and_tiny_numbers():
    a, b = normal(9, 20), normal(20, 35)
    a[1, 2], a[3, 4], b[5, 6] = np.nan, np.inf, -np.inf
    a[5], b[:, 7] = 1e-20, 1e-22
    for flags in (0, RELU):
        c = np.empty((9, 35), np.float32)
        _product(False, gemm.PLAIN, 9, 35, 20, 1, a, 20, b, 35, c, 35, c, flags)
        with np.errstate(invalid="ignore"):
            exact = a.astype(float) @ b.astype(float)
            exact = np.maximum(exact, 0) if flags else exact
        np.testing.assert_allclose(c, exact, rtol=1e-4, atol=1e-5)
    assert c[5, 7] > 0  # a denormal


@compiled
@pytest.mark.parametrize("m, k", [(37, 300), (520, 512)])  # the second: more than a block of A, but each piece is one
@pytest.mark.parametrize("ta, tb", WAYS)
def test_rows_have_the_same_bits_in_any_pieces(ta, tb, m, k):
    n = 45
    a, b = normal(k, m) if ta else normal(m, k), normal(n, k) if tb else normal(k, n)
    whole, pieces, bias = np.empty((m, n), np.float32), np.empty((m, n), np.float32), normal(n)
    products.rows_of_product(ta, tb, m, n, k, a, b, whole, bias, BIAS, 0, m)
    for first, last in ((0, 5), (5, m // 2), (m // 2, m)):
        products.rows_of_product(ta, tb, m, n, k, a, b, pieces, bias, BIAS, first, last)
    np.testing.assert_array_equal(whole, pieces)


@pytest.mark.parametrize("shape", [(130, 100), (2, 65, 100)])
def test_whole_arrays(shape):
    x, weight, bias = normal(*shape), normal(90, 100), normal(90)
    exact, size = x.astype(float) @ weight.T, np.abs(x).astype(float) @ np.abs(weight.T) * 10
    for order in (np.copy, np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2]):
        close(products.matmul(order(x), order(weight).T), exact, size)
        close(products.linear(order(x), order(weight)), exact, size)
        close(products.linear(order(x), order(weight), bias), exact + bias, size + np.abs(bias))


def test_the_layer_takes_the_kernel_and_agrees_with_the_text():
    x, weight, bias = (minigrad.tensor(a, requires_grad=True) for a in (normal(130, 100), normal(90, 100), normal(90)))
    assert KERNELS["linear"].accepts(x.numpy(force=True), weight.numpy(force=True), bias.numpy(force=True))
    results = []
    for flag in (True, False):
        for t in (x, weight, bias):
            t.grad = None
        with use_kernels(flag):
            y = minigrad.nn.functional.linear(x, weight, bias)
            (y * y).sum().backward()
        results.append([a.numpy(force=True) for a in (y, x.grad, weight.grad, bias.grad)])
    for by_kernel, by_text in zip(*results):
        np.testing.assert_allclose(by_kernel, by_text, rtol=1e-4, atol=1e-3 * np.abs(by_text).max())


def test_which_calls_are_taken():
    x, weight = normal(130, 100), normal(100, 90)
    takes = KERNELS["matmul"].accepts
    assert takes(x, weight) and takes(x.reshape(2, 65, 100), weight) and takes(x, np.asfortranarray(weight))
    assert not takes(x[:8], weight)
    assert not takes(x.astype(np.float64), weight.astype(np.float64))
    assert not takes(x, weight[:-1]) and not takes(x, weight.reshape(100, 9, 10)) and not takes(x[:, :0], weight[:0])
    assert not takes(np.empty((2000, 2000), np.float32), np.empty((2000, 2000), np.float32))
    assert not KERNELS["linear"].accepts(x, weight.T, normal(91))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is cached")
def test_a_second_process_finds_everything_in_the_cache(tmp_path):
    code = """
import sys, numpy as np
from minigrad.kernels.cpu import products
x = np.ones((8, 8), np.float32)
assert (products.matmul(x, x) == 8).all()
stats = products.rows_of_product.stats
sys.exit(0 if sum(stats.cache_hits.values()) == int(sys.argv[1]) else 1)
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for hits in ("0", "1" if LANES else "0"):
        subprocess.run([sys.executable, "-c", code, hits], env=environment, check=True)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
