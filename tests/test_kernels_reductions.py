"""Sums, products, extremes, cumulated sums, transposed copies, and elements at places along an axis: kernels against NumPy.

The last test runs this file a second time with compilation switched off.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

import minigrad
from minigrad.kernels import table, use_kernels
from minigrad.kernels.cpu import along_axis, copies, reductions

COMPILED = os.environ.get("NUMBA_DISABLE_JIT") != "1"
FLOATS = (np.float32, np.float64)
AXES = [
    ((140, 130), None),
    ((140, 130), 1),
    ((140, 130), (-1,)),
    ((20, 30, 40), (1, 2)),
    ((20, 30, 40), (-1, 1)),
    ((3, 1, 6000), 2),
]


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def takes(name, *arrays, **params):
    return table("numpy")[name].takes(*arrays, **params)


# ---------------------------------------------------------------------------------------------------- sums and extremes
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape, axis", AXES)
def test_sums(shape, axis, dtype, keepdims):
    x = normal(*shape, dtype=dtype) + 1
    assert takes("sum", x, axis=axis, keepdims=keepdims)
    found, expected = reductions.total(x, axis=axis, keepdims=keepdims), x.astype(np.longdouble).sum(axis, keepdims=keepdims)
    assert found.dtype == dtype and found.shape == np.shape(expected)
    in_order = 1 if COMPILED else 30  # one by one, errors grow
    np.testing.assert_allclose(found, expected, rtol=in_order * (3e-7 if dtype == np.float32 else 1e-15))


@pytest.mark.skipif(not COMPILED, reason="millions of numbers")
@pytest.mark.parametrize("threads", [1, 2])
def test_millions_of_numbers_keep_their_sum(threads):
    before = minigrad.get_num_threads()
    minigrad.set_num_threads(threads)
    try:
        x = np.random.default_rng(0).random((3, 700001)).astype(np.float32)
        expected = x.astype(np.float64).sum(1)
        np.testing.assert_allclose(reductions.total(x, axis=1), expected, rtol=1.2e-7)
        np.testing.assert_allclose(reductions.total(x), expected.sum(), rtol=1.2e-7)
    finally:
        minigrad.set_num_threads(before)


def test_sums_of_nan_and_infinity():
    x = normal(20, 1000)
    x[0, 7], x[1, 999], x[2, 3], x[2, 4] = np.nan, np.inf, np.inf, -np.inf
    found = reductions.total(x, axis=1)
    assert np.isnan(found[0]) and found[1] == np.inf and np.isnan(found[2]) and np.isfinite(found[3:]).all()


def test_only_last_axes_of_arrays_in_order_are_summed():
    x = normal(200, 100)
    assert not takes("sum", x, axis=0) and not takes("sum", x.T, axis=1) and not takes("sum", normal(20, 30, 40), axis=(0, 2))
    assert not takes("sum", x[:10], axis=1) and not takes("max", x.astype(np.float64), axis=1)
    np.testing.assert_allclose(minigrad.tensor(x.T).sum(1).numpy(), x.sum(0), rtol=1e-5)


@pytest.mark.parametrize("shape, axis", AXES)
def test_extremes(shape, axis):
    x = normal(*shape)
    for values in (x, -np.abs(x), np.abs(x)):
        for name, function, exact in (("max", reductions.largest, np.max), ("min", reductions.smallest, np.min)):
            assert takes(name, values, axis=axis)
            np.testing.assert_array_equal(function(values, axis=axis, keepdims=True), exact(values, axis=axis, keepdims=True))


def test_extremes_of_special_numbers():
    x = normal(6, 3000)
    x[0, 5], x[1, 6], x[2, 7], x[3, 8] = np.nan, -np.array(np.nan, np.float32), np.inf, -np.inf
    x[4], x[5] = -np.inf, np.inf
    x[5, 1] = np.array(1, np.int32).view(np.float32)  # denormal
    for function, exact in ((reductions.largest, np.max), (reductions.smallest, np.min)):
        np.testing.assert_array_equal(function(x, axis=1), exact(x, axis=1))


# ------------------------------------------------------------------------------------------------------------ cumulated
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "shape, axis", [((70, 90), 1), ((71, 90), -1), ((70, 90), 0), ((5, 40, 30), 1), ((5000,), 0), ((4, 1, 2000), 1)]
)
def test_cumulated(shape, axis, dtype):
    x = normal(*shape, dtype=dtype)
    x.reshape(-1)[[11, 60]] = np.nan, np.inf
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(reductions.cumsum(x, axis=axis), np.cumsum(x, axis=axis))
        np.testing.assert_array_equal(reductions.cumprod(x, axis=axis), np.cumprod(x, axis=axis))


def test_cumulated_with_gradients():
    x = normal(80, 70).T
    found = []
    for flag in (True, False):
        with use_kernels(flag):
            t = minigrad.tensor(x, requires_grad=True)
            (t.cumsum(1).sin().sum() + t.cumprod(0).sum()).backward()
            found.append(t.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------------------------------------------------- products
def near_one(*shape, dtype=np.float32, zeros=0):
    """Numbers whose products stay numbers, both signs, with some zeros in each row but the first."""
    x = np.exp(normal(*shape, dtype=np.float64) / 50).astype(dtype) * np.sign(normal(*shape, seed=1)).astype(dtype)
    for i, row in enumerate(x.reshape(-1, shape[-1])[1:]):
        row[np.random.default_rng(i).permutation(len(row))[:zeros]] = 0
    return x


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape, axis", AXES)
def test_products(shape, axis, dtype):
    x = near_one(*shape, dtype=dtype)
    assert takes("prod", x, axis=axis)
    found, expected = reductions.product(x, axis=axis, keepdims=True), x.astype(np.longdouble).prod(axis, keepdims=True)
    assert found.dtype == dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=3e-7 if dtype == np.float32 else 1e-11)


def test_products_of_zero_nan_and_infinity():
    x = near_one(20, 1000)
    x[0, 7], x[1, 999], x[2, 3], x[3, 4], x[4, 5] = np.nan, np.inf, 0, 0, -np.inf
    x[3, 900], x[4, 6] = np.inf, -1
    for found in (reductions.product(x, axis=1), minigrad.tensor(x).prod(1).numpy()):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), [0, 3])
        assert abs(found[1]) == np.inf and found[2] == 0 and abs(found[4]) == np.inf and np.isfinite(found[5:]).all()
    large = np.ones((20, 1000), np.float32)
    large[:, :8], large[:, 8:16] = 1e30, 1e-30  # no float32 on the way
    np.testing.assert_allclose(reductions.product(large, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("zeros", [0, 1, 2])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(90, 50), (19, 301), (5, 4, 250), (3, 1500), (2, 3203), (1, 5001), (6000,), (5000, 1)])
def test_gradients_of_products(shape, dtype, zeros):
    """Many rows, and few that are cut into pieces, with and without some numbers missing in the last."""
    x = near_one(*shape, dtype=dtype, zeros=min(zeros, shape[-1] - 1))
    g, g_row = normal(*shape, dtype=dtype), normal(*shape[:-1], 1, dtype=dtype)
    assert takes("prod_dx", g_row, x) and takes("cumprod_dx", g, x, axis=-1)
    wide, one, n = x.astype(np.longdouble), np.ones_like(x[..., :1], np.longdouble), shape[-1]
    before = np.concatenate([one, wide.cumprod(-1)[..., :-1]], -1)
    after = np.concatenate([one, wide[..., ::-1].cumprod(-1)[..., :-1]], -1)[..., ::-1]
    exact = wide * 0 + g
    for k in range(n - 2, -1, -1):
        exact[..., k] += wide[..., k + 1] * exact[..., k + 1]
    for found, expected in (
        (reductions.prod_dx(g_row, x), g_row * before * after),
        (reductions.cumprod_dx(g, x, axis=-1), before * exact),
    ):
        assert found.dtype == dtype and found.shape == shape
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=scale * (1e-4 if dtype == np.float32 else 1e-12))


@pytest.mark.parametrize("shape", [(40, 300), (2, 3000), (1, 6000)])
def test_gradients_of_products_of_nan_and_infinity(shape):
    """Both reach the other numbers as in the text."""
    for place, value in ((5, np.nan), (7, np.inf), (shape[1] - 2, -np.inf)):
        for zero in (None, 3, shape[1] // 2):
            x, found = np.abs(near_one(*shape)), []
            x[:, place] = value
            if zero is not None:
                x[0, zero] = 0
            for flag in (True, False):
                with use_kernels(flag):
                    for call in (lambda t: t.prod(1), lambda t: t.cumprod(1)):
                        t = minigrad.tensor(x, requires_grad=True)
                        call(t).sum().backward()
                        found.append(t.grad.numpy())
            np.testing.assert_allclose(found[0], found[2], rtol=1e-3)
            at = np.isfinite(found[3])  # a recurrence has inf, as in PyTorch, where products of neighbours have inf * 0
            np.testing.assert_allclose(found[1][at], found[3][at], rtol=1e-3)
            np.testing.assert_array_equal(np.isfinite(found[1]), at)
            assert zero is not None or (np.isnan(found[1]) == np.isnan(found[3])).all()


@pytest.mark.parametrize("shape", [(40, 300), (2, 3000)])
def test_products_are_the_same_with_any_number_of_threads(shape, monkeypatch):
    x, g, before, found = near_one(*shape), normal(*shape), minigrad.get_num_threads(), []
    monkeypatch.setattr("minigrad.kernels.cpu.threads.SMALLEST", 1024)
    try:
        for threads in (1, 3):
            minigrad.set_num_threads(threads)
            found.append([reductions.product(x, axis=1), reductions.prod_dx(g[:, :1], x), reductions.cumprod_dx(g, x, axis=1)])
    finally:
        minigrad.set_num_threads(before)
    for one, several in zip(*found):
        np.testing.assert_array_equal(one, several)


# --------------------------------------------------------------------------------------------------------------- copies
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32])
@pytest.mark.parametrize(
    "shape, axes",
    [((70, 90), (1, 0)), ((64, 80), (1, 0)), ((5, 1000), (1, 0)), ((3, 40, 50), (0, 2, 1)), ((4, 3, 20, 30), (0, 2, 3, 1)),
     ((4, 20, 30, 3), (0, 3, 1, 2)), ((40, 1, 200), (2, 1, 0)), ((20, 30, 16), (2, 0, 1)), ((1, 64, 65), (0, 2, 1)),
     ((17, 33, 31), (0, 2, 1))],
)  # fmt: skip
def test_transposed_copies(shape, axes, dtype):
    x = (normal(*shape) * 1000).astype(dtype).transpose(axes)
    assert takes("contiguous", x)
    y = copies.contiguous(x)
    assert y.flags.c_contiguous and y.dtype == dtype and not np.shares_memory(x, y)
    np.testing.assert_array_equal(y, x)


def test_other_layouts_are_left_to_numpy():
    x = normal(20, 30, 40)
    for y in (x[::2].transpose(0, 2, 1), x.transpose(2, 1, 0), x[:, ::-1].T, np.broadcast_to(x[0], (9, 30, 40)), x, x[:, :20, :]):
        assert not takes("contiguous", y)
        np.testing.assert_array_equal(minigrad.tensor(x).permute(2, 1, 0).contiguous().numpy(), x.transpose(2, 1, 0))
    nan = np.full((80, 90), np.array(0x7FC12345, np.int32).view(np.float32))  # the bits of NaN survive
    np.testing.assert_array_equal(copies.contiguous(nan.T).view(np.int32), nan.T.copy().view(np.int32))


def test_gradient_of_a_transposed_copy():
    x = minigrad.tensor(normal(70, 90), requires_grad=True)
    g = normal(90, 70)
    x.t().contiguous().backward(minigrad.tensor(g))
    np.testing.assert_array_equal(x.grad.numpy(), g.T)
    assert x.grad.is_contiguous()


# ----------------------------------------------------------------------------------------------------------- along an axis
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "shape, count, axis", [((90, 50), 60, 1), ((50, 90), 60, 0), ((6, 40, 30), 50, 1), ((6, 40, 30), 50, -1), ((7000,), 5000, 0)]
)
def test_places_along_an_axis(shape, count, axis, dtype):
    r = np.random.default_rng(0)
    places = [*shape]
    places[axis] = count
    x, v, i = normal(*shape, dtype=dtype), normal(*places, dtype=dtype), r.integers(0, shape[axis], places)
    assert takes("take_along_axis", x, i, axis=axis)
    assert takes("scatter_along_axis", v, i, axis=axis, shape=shape) and takes("add_along_axis", x, v, i, axis=axis)
    np.testing.assert_array_equal(along_axis.take_along_axis(x, i, axis=axis), np.take_along_axis(x, i, axis))
    grid = list(np.indices(places, sparse=True))
    grid[axis] = i
    expected = np.zeros(shape, dtype)
    np.add.at(expected, tuple(grid), v)
    np.testing.assert_array_equal(along_axis.scatter_along_axis(v, i, axis=axis, shape=shape), expected)
    expected = x.copy()
    np.add.at(expected, tuple(grid), v)
    np.testing.assert_array_equal(along_axis.add_along_axis(x, v, i, axis=axis), expected)


def test_places_counted_from_the_end_and_outside():
    x, v, i = normal(70, 60), normal(70, 80), np.random.default_rng(0).integers(-59, 60, (70, 80))
    np.testing.assert_array_equal(along_axis.take_along_axis(x, i, axis=1), np.take_along_axis(x, i, 1))
    expected = x.copy()
    np.add.at(expected, (np.arange(70)[:, None], i), v)
    np.testing.assert_array_equal(along_axis.add_along_axis(x, v, i, axis=1), expected)
    for inside in (i, np.abs(i)):
        inside[50, 3] = 60
        with pytest.raises(IndexError):
            along_axis.take_along_axis(x, inside, axis=1)
        with pytest.raises(IndexError):
            along_axis.scatter_along_axis(v, inside, axis=1, shape=x.shape)


def test_shorter_indices_are_left_to_the_text():
    x, i = normal(90, 200), np.random.default_rng(0).integers(0, 200, (60, 100))
    assert not takes("take_along_axis", x, i, axis=1)
    np.testing.assert_array_equal(minigrad.tensor(x).gather(1, minigrad.tensor(i)).numpy(), np.take_along_axis(x[:60], i, 1))


def test_gather_and_scatter_add_with_gradients():
    r = np.random.default_rng(0)
    i, found = r.integers(0, 60, (70, 80)), []
    for flag in (True, False):
        with use_kernels(flag):
            x, v = (minigrad.tensor(normal(70, n), requires_grad=True) for n in (60, 80))
            index = minigrad.tensor(i)
            y = x.scatter_add(1, index, v)
            (g,) = minigrad.autograd.grad(y.gather(1, index).square().sum(), x, create_graph=True)
            g.square().sum().backward()
            found.append([y.detach().numpy(), x.grad.numpy(), v.grad.numpy()])
    for ours, text in zip(*found, strict=True):
        np.testing.assert_allclose(ours, text, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not COMPILED, reason="this is the second run")
def test_without_compilation():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", __file__]
    root = pathlib.Path(__file__).parents[1]
    result = subprocess.run(
        command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=root, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout[-3000:]
