"""The kernels of normalization as functions of NumPy arrays, against plain NumPy in float64."""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from kernel_checks import FLOATS, close, normal, turned

numba = pytest.importorskip("numba")

batch_norm = importlib.import_module("minigrad.kernels.cpu.batch_norm")
layer_norm = importlib.import_module("minigrad.kernels.cpu.layer_norm")
norms = importlib.import_module("minigrad.kernels.cpu.norms")


def numeric_gradient(function, x, g_outputs, step=1e-6):
    """d sum(g * outputs) / dx in float64 by central differences."""
    gradient = np.empty(x.size)
    for i in range(x.size):
        moved = [x.copy() for _ in range(2)]
        moved[0].flat[i] += step
        moved[1].flat[i] -= step
        up, down = (sum(np.vdot(g, y) for g, y in zip(g_outputs, function(m)) if g is not None) for m in moved)
        gradient[i] = (up - down) / (2 * step)
    return gradient.reshape(x.shape)


def plain_layer_norm(x, weight, bias):
    mean = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
    return (x - mean) * rstd * weight + bias, mean, rstd


def plain_batch_norm(x, weight, bias):
    others = tuple(a for a in range(x.ndim) if a != 1)
    column = (-1,) + (1,) * (x.ndim - 2)
    mean, variance = x.mean(others), x.var(others)
    rstd = 1 / np.sqrt(variance + 1e-5)
    y = (x - mean.reshape(column)) * (rstd * weight).reshape(column) + bias.reshape(column)
    return y, mean, variance


def plain_rms_norm(x, weight, bias):
    rstd = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    return x * rstd * weight, rstd


def plain_group_norm(x, weight, bias):
    """Three groups."""
    h = x.reshape(x.shape[0], 3, -1)
    h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)
    column = (-1,) + (1,) * (x.ndim - 2)
    return (h.reshape(x.shape) * weight.reshape(column) + bias.reshape(column),)


def rms_norm(x, weight, bias, *, eps):
    return layer_norm.rms_norm(x, weight, eps=eps)


def rms_norm_backward(g, saved, residual, needed, *, eps):
    """With the gradient of a bias that is not there."""
    gradients = layer_norm.rms_norm_backward(g, saved, residual, needed[:2], eps=eps)
    return *gradients, np.zeros_like(saved["weight"]) if needed[2] else None


def group_norm(x, weight, bias, *, eps):
    y, residual = norms.group_norm(x, weight, bias, groups=3, eps=eps)
    return (y,), residual


def group_norm_backward(g, saved, residual, needed, *, eps):
    gy = np.zeros_like(saved["x"]) if g[0] is None else g[0]
    return norms.group_norm_backward(gy, saved, residual, needed, groups=3, eps=eps)


NORMS = {
    "rms": (rms_norm, rms_norm_backward, plain_rms_norm, -1, [(3, 7), (2, 3, 5), (1, 17)]),
    "group": (group_norm, group_norm_backward, plain_group_norm, 1, [(5, 6), (2, 3, 4), (2, 6, 2, 5)]),
    "layer": (
        layer_norm.layer_norm,
        layer_norm.layer_norm_backward,
        plain_layer_norm,
        -1,
        [(3, 7), (2, 3, 5), (1, 17)],
    ),
    "batch": (
        batch_norm.batch_norm,
        batch_norm.batch_norm_backward,
        plain_batch_norm,
        1,
        [(5, 3), (2, 3, 4), (2, 3, 2, 5)],
    ),
}


@pytest.mark.parametrize("given", [(True, False, False), (True, True, True), (False, True, False), (False, False, True)])
@pytest.mark.parametrize("shape", [0, 1, 2])
@pytest.mark.parametrize("name", NORMS)
def test_norms(name, shape, given):
    forward, backward, plain, axis, shapes = NORMS[name]
    x = normal(*shapes[shape], dtype=np.float64) * 2 + 1
    weight, bias = (normal(x.shape[axis], dtype=np.float64, seed=s) for s in (1, 2))
    expected = plain(x, weight, bias)
    g = [normal(*y.shape, dtype=np.float64, seed=3) if wanted else None for y, wanted in zip(expected, given)]
    gradients = (
        numeric_gradient(lambda moved: plain(moved, weight, bias), x, g),
        numeric_gradient(lambda moved: plain(x, moved, bias), weight, g),
        numeric_gradient(lambda moved: plain(x, weight, moved), bias, g),
    )
    for dtype in FLOATS:
        for order in (np.copy, turned):
            arrays = [order(a.astype(dtype)) for a in (x, weight, bias)]
            outputs, residual = forward(*arrays, eps=1e-5)
            for y, e in zip(outputs, expected):
                assert y.dtype == dtype
                close(y, e)
            saved = {"x": arrays[0], "weight": arrays[1], "y": outputs}
            slopes = tuple(None if part is None else order(part.astype(dtype)) for part in g)
            actual = backward(slopes, saved, residual, (True, True, True), eps=1e-5)
            for a, e in zip(actual, gradients):
                assert a.dtype == dtype
                close(a, e, 2e-5 if dtype == np.float32 else 1e-6)
            partial = backward(slopes, saved, residual, (True, False, False), eps=1e-5)
            np.testing.assert_array_equal(partial[0], actual[0])
            assert partial[1:] == (None, None)


@pytest.mark.parametrize("name", NORMS)
def test_norms_far_from_zero(name):
    forward, _, plain, _, _ = NORMS[name]
    channels = 15 if name == "group" else 16
    x = normal(16, channels) + 1000  # a variance from squares would have no digits left
    weight, bias = (normal(channels, seed=s) for s in (1, 2))
    for y, e in zip(forward(x, weight, bias, eps=1e-5)[0], plain(x.astype(float), weight, bias)):
        close(y, e, 1e-3)
    if name == "batch":
        x = x.reshape(2, 16, 2, 4)  # whose planes have means of their own
        for y, e in zip(forward(x, weight, bias, eps=1e-5)[0], plain(x.astype(float), weight, bias)):
            close(y, e, 1e-3)


def test_layer_norm_sums_more_rows_than_a_chunk():
    x, g = normal(layer_norm.CHUNK * 2 + 3, 3), normal(layer_norm.CHUNK * 2 + 3, 3, seed=1)
    weight = normal(3)
    outputs, _ = layer_norm.layer_norm(x, weight, weight, eps=1e-5)
    saved = {"x": x, "weight": weight, "y": outputs}
    _, dweight, dbias = layer_norm.layer_norm_backward((g, None, None), saved, None, (True,) * 3, eps=1e-5)
    _, mean, rstd = plain_layer_norm(x.astype(float), weight, weight)
    close(dbias, g.astype(float).sum(0))
    close(dweight, (g * ((x - mean) * rstd)).sum(0))


def test_norms_without_parameters():
    x, g = normal(3, 6, 4), normal(3, 6, 4, seed=1)
    for forward, backward, size, settings in (
        (layer_norm.layer_norm, layer_norm.layer_norm_backward, 4, {}),
        (batch_norm.batch_norm, batch_norm.batch_norm_backward, 6, {}),
        (norms.group_norm, norms.group_norm_backward, 6, {"groups": 2}),
    ):
        one, zero = np.ones(size, np.float32), np.zeros(size, np.float32)
        found = []
        for weight, bias in ((one, zero), (None, None)):
            outputs, residual = forward(x, weight, bias, eps=1e-5, **settings)
            several = isinstance(outputs, tuple)
            saved = {"x": x, "weight": weight, "y": outputs}
            needed = (True, weight is not None, weight is not None)
            slopes = (g, None, None) if several else g
            found.append((outputs[0] if several else outputs, backward(slopes, saved, residual, needed, eps=1e-5, **settings)[0]))
        for with_parameters, without in zip(*found):
            np.testing.assert_array_equal(with_parameters, without)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (4, 3, 2, 5)])
def test_batch_norm_with_given_statistics(shape, dtype):
    arrays = [normal(*shape, dtype=dtype), *(normal(3, dtype=dtype, seed=s) for s in (1, 2, 3, 4))]
    arrays[2] = np.abs(arrays[2]) + dtype(0.5)
    g, column = normal(*shape, dtype=dtype, seed=5), (-1,) + (1,) * (len(shape) - 2)

    def plain(x, *of_channels):
        mean, variance, weight, bias = (a.reshape(column) for a in of_channels)
        return ((x - mean) / np.sqrt(variance + 1e-5) * weight + bias,)

    doubles = [a.astype(float) for a in arrays]
    y, residual = batch_norm.batch_norm_eval(turned(arrays[0]), *arrays[1:], eps=1e-5)
    assert y.dtype == dtype
    close(y, plain(*doubles)[0])
    saved = dict(zip(("x", "mean", "variance", "weight"), arrays))
    gradients = batch_norm.batch_norm_eval_backward(turned(g), saved, residual, (True,) * 5, eps=1e-5)
    for i, gradient in enumerate(gradients):

        def moved(a, i=i):
            return plain(*doubles[:i], a, *doubles[i + 1 :])

        close(gradient, numeric_gradient(moved, doubles[i], [g.astype(float)]), 2e-5 if dtype == np.float32 else 1e-6)
    partial = batch_norm.batch_norm_eval_backward(g, saved, residual, (True, False, False, False, False), eps=1e-5)
    np.testing.assert_array_equal(partial[0], gradients[0])
    assert partial[1:] == (None,) * 4


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
