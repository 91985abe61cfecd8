"""The CPU kernels as functions of NumPy arrays, against plain NumPy in float64.

Sizes are small, because the last test runs this file a second time with compilation switched off.
"""

import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from minigrad.kernels.cpu import (  # noqa: E402
    KERNELS,
    convolution,
    elementwise,
    jit,
    optimizer,
    philox,
    quantized,
    recurrent,
    rows,
)

FLOATS = (np.float32, np.float64)


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def turned(x):
    """The same numbers in memory of another order."""
    return np.asfortranarray(x)


def close(actual, expected, tolerance=None):
    assert actual.shape == np.shape(expected)
    tolerance = tolerance or (3e-5 if actual.dtype == np.float32 else 1e-11)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------------------------ convolution
CONVOLUTIONS = [  # N, C, (H, W), O, (KH, KW), stride, padding, dilation, groups
    (2, 3, (6, 7), 4, (3, 2), (1, 1), (0, 0), (1, 1), 1),
    (1, 2, (5, 5), 3, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 2, (7, 6), 2, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (2, 4, (8, 9), 6, (3, 2), (2, 3), (2, 0), (2, 1), 2),
    (1, 1, (9, 9), 2, (2, 2), (3, 3), (0, 1), (3, 2), 1),
    (2, 3, (4, 5), 2, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 4, (4, 5), 4, (1, 1), (1, 1), (0, 0), (1, 1), 2),
    (2, 3, (5, 5), 2, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (2, 3, (6, 5), 3, (3, 3), (1, 1), (1, 1), (1, 1), 3),
    (2, 2, (6, 7), 4, (2, 2), (2, 1), (1, 1), (1, 2), 2),
    (1, 2, (3, 3), 2, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (1, 1, (2, 3), 1, (5, 4), (4, 5), (3, 3), (1, 1), 1),
]


def windows(x, kernel, stride, padding, dilation):
    """(N, C, OH, OW, KH, KW)"""
    x = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in padding]))
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def plain_conv2d(x, weight, stride, padding, dilation, groups):
    x, weight = x.astype(float), weight.astype(float)
    seen = windows(x, weight.shape[2:], stride, padding, dilation)
    parts = zip(np.split(seen, groups, axis=1), np.split(weight, groups))
    return np.concatenate([np.einsum("nchwab,ocab->nohw", part, filters) for part, filters in parts], axis=1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d_and_its_derivatives(case, dtype):
    samples, channels, size, outputs, kernel, stride, padding, dilation, groups = case
    x = normal(samples, channels, *size, dtype=dtype)
    weight = normal(outputs, channels // groups, *kernel, dtype=dtype)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = plain_conv2d(x, weight, **settings)
    g = normal(*expected.shape, dtype=dtype, seed=1)
    for order in (np.copy, turned):
        y = convolution.conv2d(order(x), order(weight), **settings)
        dx = convolution.conv2d_dx(order(g), order(weight), size=size, **settings)
        dw = convolution.conv2d_dw(order(g), order(x), kernel=kernel, **settings)
        assert y.dtype == dx.dtype == dw.dtype == dtype
        close(y, expected)
        # both derivatives are adjoints of a linear map: <g, conv(x)> = <dx, x> = <dw, w>, here for each unit vector
        close(dx, adjoint(lambda unit: plain_conv2d(unit, weight, **settings), x, g))
        close(dw, adjoint(lambda unit: plain_conv2d(x, unit, **settings), weight, g))


def adjoint(function, x, g):
    """The gradient of <g, function(x)> for a linear function, one unit vector after the other."""
    gradient = np.empty(x.size)
    for i in range(x.size):
        unit = np.zeros(x.size)
        unit[i] = 1
        gradient[i] = np.vdot(g.astype(float), function(unit.reshape(x.shape)))
    return gradient.reshape(x.shape)


def test_conv2d_keeps_nan_and_infinity_where_they_are():
    x = normal(1, 1, 4, 4)
    x[0, 0, 0, 0], x[0, 0, 3, 3] = np.nan, np.inf
    y = convolution.conv2d(x, np.ones((1, 1, 2, 2), np.float32))
    assert np.isnan(y[0, 0, 0, 0]) and np.isposinf(y[0, 0, 2, 2])
    assert np.isfinite(y).sum() == y.size - 2


# ------------------------------------------------------------------------------------------------------ elementwise
def everywhere():
    """All magnitudes of float32, both signs."""
    magnitudes = np.concatenate([np.geomspace(1e-45, 1e38, 300), np.linspace(0.01, 110, 800)])
    return np.concatenate([magnitudes, -magnitudes]).astype(np.float32)


def of_doubles(function):
    return lambda x: np.array([function(float(v)) for v in x])


def exact_exp(v):
    return math.exp(v) if v < 700 else math.inf


ELEMENTWISE = {  # kernel, the same in double precision, largest relative error, values at 0 -0 inf -inf
    "exp": (elementwise.exp, exact_exp, 1.5e-7, (1, 1, np.inf, 0)),
    "sigmoid": (elementwise.sigmoid, lambda v: 1 / (1 + exact_exp(-v)), 2.5e-7, (0.5, 0.5, 1, 0)),
    "erf": (elementwise.erf, math.erf, 2.5e-7, (0, -0.0, 1, -1)),
    "gelu": (elementwise.gelu, lambda v: v * (0.5 * math.erfc(-v * math.sqrt(0.5))), 1e-6, (0, -0.0, np.inf, np.nan)),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_accuracy(name):
    function, exact, tolerance, _ = ELEMENTWISE[name]
    x = everywhere()
    expected = of_doubles(exact)(x)
    with np.errstate(all="ignore"):
        y, rounded = function(x), expected.astype(np.float32)
    assert y.dtype == np.float32
    normal_range = np.isfinite(rounded) & (np.abs(expected) > 1.2e-38)
    np.testing.assert_allclose(y[normal_range], expected[normal_range], rtol=tolerance, atol=0)
    # denormals to within a few of the smallest (1.4e-45), overflow to infinity
    rest = ~normal_range
    np.testing.assert_allclose(y[rest], rounded[rest], rtol=1e-6, atol=2e-44)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_special_values(name):
    function, _, _, (*expected,) = ELEMENTWISE[name]
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan] * 20, np.float32)  # also inside the vector loop
    with np.errstate(all="ignore"):
        y = function(x).reshape(20, 6)
    np.testing.assert_array_equal(y, [[*expected, np.nan, np.nan]] * 20)


def test_elementwise_takes_any_layout():
    x = normal(5, 7)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(elementwise.exp(x[::2, ::3]), elementwise.exp(x[::2, ::3].copy()))
        np.testing.assert_array_equal(elementwise.exp(x.T), elementwise.exp(x).T)


# ------------------------------------------------------------------------------------------------- recurrent layers
def plain_lstm(gates, h, c, weight):
    hs, cs = [], []
    for a in gates:
        i, f, u, o = np.split(a + h @ weight.T, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(u) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        hs.append(h)
        cs.append(c)
    return np.array(hs), np.array(cs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", [np.copy, turned])
def test_lstm(dtype, order):
    arrays = [order(normal(*shape, dtype=dtype)) for shape in ((3, 2, 8), (2, 2), (2, 2), (8, 2))]
    (hs, cs), _ = recurrent.lstm(*arrays)
    for found, expected in zip((hs, cs), plain_lstm(*(a.astype(float) for a in arrays))):
        assert found.dtype == dtype
        close(found, expected)


@pytest.mark.parametrize("given", [(True, True), (True, False), (False, True)])
def test_lstm_backward(given):
    """Against a central difference along a random direction."""
    arrays = [normal(*shape, dtype=np.float64) for shape in ((3, 2, 8), (2, 2), (2, 2), (8, 2))]
    steps = [normal(*a.shape, dtype=np.float64, seed=1) for a in arrays]
    g = [turned(normal(3, 2, 2, dtype=np.float64, seed=2 + k)) if some else None for k, some in enumerate(given)]

    def loss(sign):
        outputs = plain_lstm(*(a + sign * 1e-5 * d for a, d in zip(arrays, steps)))
        return sum((y * part).sum() for y, part in zip(outputs, g) if part is not None)

    (hs, cs), activated = recurrent.lstm(*arrays)
    saved = dict(zip(("gates", "h0", "c0", "weight"), arrays), y0=hs, y1=cs)
    *gradients, none = recurrent.lstm_backward(g, saved, activated, (True,) * 5)
    assert none is None
    slope = sum((part * d).sum() for part, d in zip(gradients, steps))
    np.testing.assert_allclose(slope, (loss(1) - loss(-1)) / 2e-5, rtol=1e-7)
    assert recurrent.lstm_backward(g, saved, activated, (True, True, True, False, False))[3] is None


# ------------------------------------------------------------------------------------------------------- optimizers
def plain_adam(p, g, m, v, vmax, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
    g = -g if maximize else g
    p = p * (1 - lr * weight_decay) if decoupled else p
    g = g if decoupled else g + weight_decay * p
    m = m + (1 - beta1) * (g - m)
    v = beta2 * v + (1 - beta2) * g * g
    vmax = None if vmax is None else np.maximum(vmax, v)
    largest = v if vmax is None else vmax
    return p - lr / bias1 * m / (np.sqrt(largest) / np.sqrt(bias2) + eps), m, v, vmax


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decoupled, weight_decay", [(False, 0.0), (False, 0.1), (True, 0.1)])
@pytest.mark.parametrize("maximize", [False, True])
def test_adam(dtype, amsgrad, decoupled, weight_decay, maximize):
    shape = (5, 7)
    start = [normal(*shape, seed=0), normal(*shape, seed=1), *(np.abs(normal(*shape, seed=s)) for s in (2, 3))]
    p, m, v, vmax = (a.astype(dtype) for a in start)
    vmax = vmax if amsgrad else None
    settings = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": weight_decay}
    settings |= {"decoupled": decoupled, "maximize": maximize}
    expected = tuple(None if a is None else a.astype(float) for a in (p, m, v, vmax))
    for t in (1, 2, 3):
        g = turned(normal(*shape, dtype=dtype, seed=10 + t))
        kept, biases = g.copy(), {"bias1": 1 - 0.9**t, "bias2": 1 - 0.99**t}
        assert optimizer.adam(p, g, m, v, vmax, **settings, **biases) is None
        expected = plain_adam(expected[0], g.astype(float), *expected[1:], **settings, **biases)
        np.testing.assert_array_equal(g, kept)
    for actual, wanted in zip((p, m, v, vmax), expected):
        assert (actual is None and wanted is None) or actual.dtype == dtype
        if actual is not None:
            close(actual, wanted)


def test_adam_lets_nan_through():
    for place in range(3):
        p, m, v, vmax, g = (np.ones(40, np.float32) for _ in range(5))
        (g, v, vmax)[place][5] = np.nan
        settings = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0}
        more = {"decoupled": False, "maximize": False, "bias1": 0.1, "bias2": 0.01}
        optimizer.adam(p, g, m, v, vmax, **settings, **more)
        assert np.isnan(p).nonzero()[0].tolist() == np.isnan(vmax).nonzero()[0].tolist() == [5]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("momentum, dampening, nesterov", [(0, 0, False), (0.9, 0, False), (0.9, 0.1, False), (0.9, 0, True)])
@pytest.mark.parametrize("weight_decay, maximize", [(0.0, False), (0.1, True)])
def test_sgd(dtype, momentum, dampening, nesterov, weight_decay, maximize):
    p = normal(5, 7, dtype=dtype)
    buf = np.full_like(p, np.nan) if momentum else None  # the first step must not read it
    settings = {"lr": 0.1, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
    settings |= {"nesterov": nesterov, "maximize": maximize}
    expected, velocity = p.astype(float), 0.0
    for t in (1, 2, 3):
        g = turned(normal(5, 7, dtype=dtype, seed=t))
        kept = g.copy()
        assert optimizer.sgd(p, g, buf, first=t == 1, **settings) is None
        np.testing.assert_array_equal(g, kept)
        step = (-1 if maximize else 1) * g.astype(float) + weight_decay * expected
        if momentum:
            velocity = step if t == 1 else momentum * velocity + (1 - dampening) * step
            close(buf, velocity)
            step = step + momentum * velocity if nesterov else velocity
        expected = expected - 0.1 * step
    close(p, expected)
    assert p.dtype == dtype


# ----------------------------------------------------------------------------------------------------------- random
def plain_philox(key, count):
    seed, offset = key.astype(np.uint64)
    low, word = np.uint64(0xFFFFFFFF), np.uint64(32)
    counter = offset + np.arange(-(-count // 4), dtype=np.uint64)
    c0, c1, c2, c3 = counter & low, counter >> word, 0 * counter, 0 * counter
    k0, k1 = seed & low, seed >> word
    for _ in range(10):
        p0, p2 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p2 >> word) ^ c1 ^ k0, p2 & low, (p0 >> word) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.stack([c0, c1, c2, c3], axis=1).ravel()[:count].astype(np.uint32)


def test_philox_known_answer():
    words = philox.philox_bits(np.array([0, 0]), count=4)
    assert [hex(word) for word in words] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]


@pytest.mark.parametrize("count", [1, 4, 7, 1025])
@pytest.mark.parametrize("key", [(0, 0), (12345, 2**32 - 3), (-7, 2**40 + 1), (2**62, 5)])
def test_philox_bits(key, count):
    words = philox.philox_bits(np.array(key), count=count)
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words, plain_philox(np.array(key), count))


# -------------------------------------------------------------------------------------------------------- quantized
@pytest.mark.parametrize("batch", [1, 3, quantized.FEW_ROWS])
@pytest.mark.parametrize("inputs", [1, 37, quantized.EXACT + 5])
def test_quantized_linear(batch, inputs):
    r = np.random.default_rng(inputs)
    x, weight = (r.integers(-128, 128, shape).astype(np.int8) for shape in ((batch, inputs), (2, inputs)))
    x[0], weight[0] = -128, -128  # the largest sum
    for order in (np.copy, turned):
        y = quantized.linear_int8(order(x), order(weight))
        assert y.dtype == np.int32
        np.testing.assert_array_equal(y, x.astype(np.int64) @ weight.astype(np.int64).T)
        activations, scale = normal(batch, inputs), np.abs(normal(2)) + 0.5
        y = quantized.linear_w8(order(activations), order(weight), scale)
        assert y.dtype == np.float32
        exact = activations.astype(float) @ weight.astype(float).T * scale
        np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5 * 128 * math.sqrt(inputs))


@pytest.mark.parametrize("inputs", [1, 37])
def test_quantized_linear_dynamic(inputs):
    r = np.random.default_rng(inputs)
    weight, scale, bias = r.integers(-127, 128, (3, inputs)).astype(np.int8), np.abs(normal(3)) + 0.5, normal(3)
    x = normal(6, inputs)
    x[1] = 0
    x[2] *= 1e-42
    x[3, 0], x[4, inputs // 2] = np.nan, -np.inf
    step = np.maximum(np.abs(x).max(1, keepdims=True) / np.float32(127), np.float32(2.0**-126))
    with np.errstate(invalid="ignore"):
        exact = np.rint(x / step) * step.astype(float) @ weight.astype(float).T * scale
    for order in (np.copy, turned):
        y = quantized.linear_dynamic(order(x), order(weight), scale, bias)
        assert y.dtype == np.float32 and np.isnan(y[3:5]).all()
        np.testing.assert_allclose(np.delete(y, [3, 4], 0), np.delete(exact + bias, [3, 4], 0), rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(quantized.linear_dynamic(x[:1], weight, scale), exact[:1], rtol=1e-5, atol=1e-3)


# ------------------------------------------------------------------------------------------------- what is accepted
X4, W4 = np.zeros((4, 8, 32, 32), np.float32), np.zeros((16, 8, 3, 3), np.float32)
G4 = np.zeros((4, 16, 32, 32), np.float32)
CONV = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "out_size": (16, 16)}
COUNT = {"count_include_pad": True, "divisor_override": None}
MATRIX, ROW, INDEX = np.zeros((256, 256), np.float32), np.zeros(256, np.float32), np.zeros(256, np.int64)
GATES, PLACES, KEY = np.zeros((8, 64, 128), np.float32), np.zeros((256, 256), np.int64), np.array([0, 0])
ACCEPTED = {
    "conv2d": ((X4, W4), CONV),
    "conv2d_dx": ((G4, W4), {**CONV, "size": (32, 32)}),
    "conv2d_dw": ((G4, X4), {**CONV, "kernel": (3, 3)}),
    "max_pool2d": ((X4,), {**POOL, "dilation": (1, 1)}),
    "max_unpool_add": ((X4, np.zeros(X4.shape, np.int64)), {"size": (64, 64)}),
    "avg_pool2d": ((X4,), {**POOL, **COUNT}),
    "avg_pool2d_dx": ((X4,), {**POOL, **COUNT, "out_size": (32, 32), "size": (64, 64)}),
    "adaptive_mean": ((X4,), {"out_size": (5, 3)}),
    "adaptive_mean_dx": ((X4,), {"size": (40, 37)}),
    "grid_sample": (
        (X4, np.stack([X4[:, 0], X4[:, 1]], -1)),
        {"mode": "bilinear", "padding_mode": "zeros", "align_corners": False},
    ),
    "exp": ((MATRIX,), {}),
    "sigmoid": ((MATRIX,), {}),
    "erf": ((MATRIX,), {}),
    "sin": ((MATRIX.astype(np.float64),), {}),
    "cos": ((MATRIX.astype(np.float64),), {}),
    "tanh": ((MATRIX,), {}),
    "silu": ((MATRIX,), {}),
    "silu_dx": ((MATRIX, MATRIX), {}),
    "gelu": ((MATRIX,), {}),
    "gelu_dx": ((MATRIX, MATRIX), {}),
    "gelu_tanh": ((MATRIX,), {}),
    "gelu_tanh_dx": ((MATRIX, MATRIX), {}),
    "where": ((MATRIX > 0, MATRIX, MATRIX), {}),
    "sum": ((MATRIX,), {"axis": -1, "keepdims": True}),
    "max": ((MATRIX,), {"axis": (0, 1)}),
    "min": ((MATRIX,), {}),
    "cumsum": ((MATRIX,), {"axis": 0}),
    "cumprod": ((MATRIX,), {"axis": -1}),
    "cumprod_dx": ((MATRIX, MATRIX), {"axis": -1}),
    "prod": ((MATRIX,), {"axis": -1}),
    "prod_dx": ((MATRIX[:, :1].copy(), MATRIX), {}),
    "contiguous": ((MATRIX.T,), {}),
    "astype": ((MATRIX,), {"dtype": np.float16}),
    "take_along_axis": ((MATRIX, PLACES), {"axis": 1}),
    "scatter_along_axis": ((MATRIX, PLACES), {"axis": 0, "shape": MATRIX.shape}),
    "add_along_axis": ((MATRIX, MATRIX, PLACES), {"axis": -1}),
    "matmul": ((MATRIX, MATRIX), {}),
    "linear": ((MATRIX, MATRIX, ROW), {}),
    "attention": ((MATRIX, MATRIX, MATRIX), {"causal": True, "scale": 0.1}),
    "softmax": ((MATRIX,), {"axis": -1}),
    "softmax_dx": ((MATRIX, MATRIX), {"axis": 0}),
    "log_softmax_dx": ((MATRIX, MATRIX), {"axis": 1}),
    "log_softmax": ((MATRIX,), {"axis": 1}),
    "cross_entropy": ((MATRIX, INDEX), {}),
    "layer_norm": ((MATRIX, ROW, ROW), {"eps": 1e-5}),
    "rms_norm": ((MATRIX, ROW), {"eps": 1e-5}),
    "batch_norm": ((MATRIX, ROW, ROW), {"eps": 1e-5}),
    "batch_norm_eval": ((MATRIX, ROW, ROW + 1, ROW, ROW), {"eps": 1e-5}),
    "group_norm": ((MATRIX, ROW, ROW), {"groups": 8, "eps": 1e-5}),
    "embedding": ((INDEX, MATRIX), {"padding_idx": None, "scale_grad_by_freq": False}),
    "index_add_rows": ((MATRIX, INDEX), {"rows": 10}),
    "adam": ((MATRIX, MATRIX, MATRIX, MATRIX, None), {"lr": 0.1}),
    "sgd": ((MATRIX, MATRIX, None), {"lr": 0.1}),
    "adagrad": ((MATRIX, MATRIX, MATRIX), {"lr": 0.1}),
    "rmsprop": ((MATRIX, MATRIX, MATRIX, None, None), {"lr": 0.1}),
    "philox": ((KEY,), {"count": 10**6}),
    "dropout": ((MATRIX, KEY), {"p": 0.5}),
    "lstm": ((GATES, MATRIX[:64, :32], MATRIX[:64, :32], MATRIX[:128, :32]), {}),
    "gru": ((GATES[:, :, :96], MATRIX[:64, :32], MATRIX[:96, :32], ROW[:96]), {}),
    "rnn": ((GATES[:, :, :32], MATRIX[:64, :32], MATRIX[:32, :32]), {"nonlinearity": "tanh"}),
    "linear_int8": ((MATRIX.astype(np.int8), MATRIX.astype(np.int8)), {}),
    "linear_w8": ((MATRIX, MATRIX.astype(np.int8), ROW), {}),
    "linear_dynamic": ((MATRIX[:3], MATRIX.astype(np.int8), ROW, ROW), {}),
}


def test_every_kernel_is_in_the_table_of_accepted_calls():
    assert ACCEPTED.keys() == KERNELS.keys()


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_large_arrays_and_leaves_the_rest_to_the_text(name):
    accepts, (arrays, settings) = KERNELS[name].accepts, ACCEPTED[name]
    assert accepts(*arrays, **settings)
    if name == "philox":
        assert not accepts(*arrays, count=0) and not accepts(*arrays, count=4)
        return
    if name == "contiguous":  # a copy, of anything that has 4 or 8 bytes
        (x,) = arrays
        assert not any(accepts(other) for other in (x.T, x[:1], x[:0], x.astype(np.float16), x.astype(np.complex128)))
        return
    for other in (np.float16, np.complex64, np.int32):
        assert not accepts(*[None if a is None else a.astype(other) for a in arrays], **settings)
    small = [None if a is None else a[(slice(1),) * a.ndim] for a in arrays]
    assert not accepts(*small, **settings)
    empty = [None if a is None else a[:0] for a in arrays]
    assert not accepts(*empty, **settings)
    swapped = [None if a is None else a.astype(a.dtype.newbyteorder()) for a in arrays]
    assert not accepts(*swapped, **settings) or np.dtype(np.int8) in {a.dtype for a in arrays}


def test_impossible_calls_are_left_to_the_text():
    def accepts(name, *arrays, **changed):
        return KERNELS[name].accepts(*arrays, **{**ACCEPTED[name][1], **changed})

    assert not accepts("conv2d", X4, W4[:, :5])
    assert not accepts("conv2d", X4, W4, dilation=(17, 1))  # a window larger than the padded image
    assert not accepts("conv2d", X4[0], W4)
    assert accepts("conv2d", X4, W4, ROW[:16]) and not accepts("conv2d", X4, W4, ROW)
    assert not accepts("conv2d", X4, W4, ROW[:16].astype(np.float64))
    assert not accepts("avg_pool2d_dx", X4, out_size=(16, 16))
    assert not accepts("adaptive_mean", X4, out_size=(0, 3)) and not accepts("adaptive_mean", X4[..., :0], out_size=(5, 3))
    assert not accepts("prod_dx", MATRIX, MATRIX) and not accepts("cumprod_dx", MATRIX, MATRIX, axis=0)
    assert not accepts("grid_sample", X4, np.stack([X4[:, 0], X4[:, 1]], -1), mode="bicubic")
    assert not accepts("softmax", MATRIX, axis=2)
    assert not accepts("attention", MATRIX, MATRIX[:, :5], MATRIX)
    assert not accepts("group_norm", MATRIX, ROW, ROW, groups=3)
    assert not accepts("cross_entropy", MATRIX, INDEX[:-1])
    assert not accepts("layer_norm", MATRIX, ROW[:5], None)
    for name, states in (("adam", (MATRIX, MATRIX, None)), ("sgd", (None,))):
        assert not accepts(name, MATRIX.T, MATRIX, *states)  # written in place: the layout must be its own
        frozen = MATRIX.copy()
        frozen.flags.writeable = False
        assert not accepts(name, frozen, MATRIX, *states)
        assert accepts(name, MATRIX, MATRIX.T, *states)


@pytest.mark.parametrize("name", [name for name in ACCEPTED if not KERNELS[name].in_place])
def test_inputs_are_only_read(name):
    if numba.config.DISABLE_JIT and name != "philox":
        pytest.skip("too large for plain Python")
    arrays, settings = ACCEPTED[name]
    for a in arrays:
        a.flags.writeable = False
    try:
        KERNELS[name].run(*arrays, **settings)
    finally:
        for a in arrays:
            a.flags.writeable = True


# -------------------------------------------------------------------------------------------------- how it is compiled
def test_importing_the_table_does_not_import_numba():
    code = "import sys, minigrad.kernels.cpu; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_that_cannot_be_written_means_no_cache(monkeypatch):
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is cached")
    from numba.core.caching import _CacheLocator

    def refuse(self):
        raise OSError("read-only file system")

    monkeypatch.setattr(_CacheLocator, "ensure_cache_path", refuse)

    @jit.jit
    def double(x):
        return x + x

    assert double(3.0) == 6.0


def test_a_changed_file_of_the_folder_expires_the_cache():
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is cached")
    stamps = {str(loop._cache._cache_file._source_stamp) for loop in (rows.softmax_rows, rows.exp_of)}
    assert all("elementwise.py" in stamp and "rows.py" in stamp for stamp in stamps)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
