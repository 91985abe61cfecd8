"""The kernels of pooling as functions of NumPy arrays, against plain loops."""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from kernel_checks import FLOATS, close, normal, turned

numba = pytest.importorskip("numba")

pooling = importlib.import_module("minigrad.kernels.cpu.pooling")

POOLS = [  # (H, W), kernel, stride, padding, dilation, (OH, OW)
    ((6, 8), (2, 2), (2, 2), (0, 0), (1, 1), (3, 4)),
    ((7, 9), (2, 2), (2, 2), (0, 0), (1, 1), (3, 4)),
    ((7, 9), (2, 2), (2, 2), (0, 0), (1, 1), (4, 5)),  # ceil_mode
    ((7, 6), (3, 2), (2, 1), (1, 1), (1, 1), (4, 7)),
    ((8, 8), (3, 3), (1, 1), (1, 1), (1, 1), (8, 8)),
    ((9, 10), (2, 3), (2, 3), (1, 0), (2, 2), (5, 2)),
    ((13, 12), (5, 4), (5, 4), (0, 0), (1, 1), (2, 3)),  # pixels that no window reaches
    ((3, 40), (1, 3), (1, 3), (0, 1), (1, 1), (3, 14)),
]


def taps(start, kernel, dilation, size):
    return [start + k * dilation for k in range(kernel) if 0 <= start + k * dilation < size]


def plain_windows(size, kernel, stride, padding, dilation, out_size):
    """For each output the list of its pixels, in order."""
    for i, j in np.ndindex(*out_size):
        down = taps(i * stride[0] - padding[0], kernel[0], dilation[0], size[0])
        across = taps(j * stride[1] - padding[1], kernel[1], dilation[1], size[1])
        yield (i, j), [a * size[1] + b for a in down for b in across]


def plain_max(plane, pixels):
    best = pixels[0]
    for p in pixels:
        if plane[p] > plane[best] or np.isnan(plane[p]):
            best = p
    return best


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", POOLS)
def test_max_pool2d_and_its_adjoint(case, dtype):
    size, kernel, stride, padding, dilation, out_size = case
    x = np.round(normal(2, 2, *size, dtype=dtype), 1)  # with ties
    x[0, 0, 1, 1] = x[0, 0, 1, 2] = x[0, 0, 2, 1] = np.nan
    x[0, 1], x[1, 0, 0] = -np.inf, np.inf
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "out_size": out_size}
    for order in (np.copy, turned):
        y, indices = pooling.max_pool2d(order(x), kernel_size=kernel, **settings)
        assert indices.dtype == np.int64 and y.dtype == dtype and y.shape == indices.shape == (2, 2, *out_size)
        for n, c in np.ndindex(2, 2):
            plane = x[n, c].ravel()
            for at, pixels in plain_windows(size, kernel, **settings):
                assert indices[n, c][at] == plain_max(plane, pixels)
            np.testing.assert_array_equal(y[n, c], plane[indices[n, c]])
        g = normal(*y.shape, dtype=dtype)
        expected = np.zeros((2, 2, size[0] * size[1]))
        for n, c in np.ndindex(2, 2):
            np.add.at(expected[n, c], indices[n, c], g[n, c])
        close(pooling.max_unpool_add(order(g), order(indices), size=size), expected.reshape(x.shape))


def test_an_index_outside_the_plane_is_an_error():
    for bad in (-1, 6):
        indices = np.array([[[[0, bad]]]])
        with pytest.raises(IndexError, match=str(bad)):
            pooling.max_unpool_add(np.ones((1, 1, 1, 2), np.float32), indices, size=(2, 3))


@pytest.mark.parametrize("count_include_pad, divisor_override", [(True, None), (False, None), (True, 5)])
@pytest.mark.parametrize("case", [case for case in POOLS if case[4] == (1, 1)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_avg_pool2d_and_its_derivative(case, count_include_pad, divisor_override, dtype):
    size, kernel, stride, padding, _, out_size = case
    x = normal(2, 2, *size, dtype=dtype)
    settings = {"stride": stride, "padding": padding, "out_size": out_size}
    more = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    matrix = np.zeros((*out_size, size[0] * size[1]))
    for (i, j), pixels in plain_windows(size, kernel, dilation=(1, 1), **settings):
        rows_seen, columns_seen = (
            min(step * at - pad + k, n + pad) - (step * at - pad)
            for step, at, pad, k, n in zip(stride, (i, j), padding, kernel, size)
        )
        counted = rows_seen * columns_seen if count_include_pad else len(pixels)
        matrix[i, j, pixels] = 1 / (divisor_override or counted)
    g = normal(2, 2, *out_size, dtype=dtype)
    for order in (np.copy, turned):
        y = pooling.avg_pool2d(order(x), kernel_size=kernel, **settings, **more)
        close(y, np.einsum("ncp,ijp->ncij", x.reshape(2, 2, -1).astype(float), matrix))
        dx = pooling.avg_pool2d_dx(order(g), kernel_size=kernel, size=size, **settings, **more)
        close(dx, np.einsum("ncij,ijp->ncp", g.astype(float), matrix).reshape(x.shape))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size, kernel, stride, padding, out_size", [
    ((7,), (3,), (2,), (1,), (4,)),
    ((3, 5, 4), (2, 3, 2), (1, 2, 2), (1, 0, 1), (4, 2, 3)),
])  # fmt: skip
def test_pooling_of_sequences_and_volumes(size, kernel, stride, padding, out_size, dtype):
    """Against the maxima and means of slices."""
    x, g = normal(2, 3, *size, dtype=dtype), normal(2, 3, *out_size, dtype=dtype, seed=1)
    x[0, 0].flat[2] = np.nan
    axes = len(size)
    settings = {"kernel_size": kernel, "stride": stride, "padding": padding, "out_size": out_size}
    y, indices = pooling.max_pool2d(turned(x), dilation=(1,) * axes, **settings)
    means = pooling.avg_pool2d(x, count_include_pad=False, divisor_override=None, **settings)
    dx = pooling.max_unpool_add(g, indices, size=size)
    spread = pooling.avg_pool2d_dx(g, count_include_pad=False, divisor_override=None, size=size, **settings)
    expected, shared = np.zeros(x.shape), np.zeros(x.shape)
    for at in np.ndindex(*out_size):
        inside = tuple(slice(max(0, i * s - p), i * s - p + k) for i, s, p, k in zip(at, stride, padding, kernel))
        for n, c in np.ndindex(2, 3):
            window = x[n, c][inside]
            np.testing.assert_array_equal(y[n, c][at], window.max())
            np.testing.assert_array_equal(x[n, c].flat[indices[n, c][at]], window.max())
            close(means[n, c][at][None], window.astype(float).mean()[None])
            expected[n, c].flat[indices[n, c][at]] += g[n, c][at]
            shared[n, c][inside] += g[n, c][at] / window.size
    close(dx, expected)
    close(spread, shared)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size, out", [((7, 9), (3, 4)), ((5, 4), (7, 2)), ((8, 6), (4, 3)), ((1, 5), (3, 5))])
def test_adaptive_means(size, out, dtype):
    """Windows of one size and of several, some that share pixels, against the means of slices."""
    x, g = normal(2, 3, *size, dtype=dtype), normal(2, 3, *out, dtype=dtype, seed=1)
    x[0, 0, 0, 2], x[1, 2, -1, 0], g[0, 1, 0, 1] = np.nan, np.inf, np.inf
    expected, shared = np.zeros(g.shape), np.zeros(x.shape)
    for at in np.ndindex(*out):
        window = (..., *(slice(i * m // o, -(-(i + 1) * m // o)) for i, m, o in zip(at, size, out)))
        pixels = x[window].astype(float)
        expected[(..., *at)] = pixels.mean((2, 3))
        shared[window] += (g[(..., *at)] / (pixels.size / 6))[..., None, None]
    for order in (np.copy, turned):
        close(pooling.adaptive_mean(order(x), out_size=out), expected)
        close(pooling.adaptive_mean_dx(order(g), size=size), shared)


def test_many_small_channels_run_together():
    """More channels than one block of phase planes holds, and a last block that is not full."""
    channels = pooling.BLOCK // 20 * 2 + 3
    x = normal(1, channels, 3, 4)
    x[0, :, 1, 1] = np.inf
    settings = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "out_size": (3, 4)}
    y, indices = pooling.max_pool2d(x, **settings)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    expected = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3)).max((4, 5))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(
        np.take_along_axis(x.reshape(1, channels, 12), indices.reshape(1, channels, 12), 2).reshape(y.shape), y
    )


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
