"""The kernels of recurrent layers against the operations' own texts in float64."""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import minigrad  # noqa: E402
from minigrad.kernels import use_kernels  # noqa: E402
from minigrad.kernels.cpu import KERNELS  # noqa: E402
from minigrad.ops import recurrent as texts  # noqa: E402

kernels = importlib.import_module("minigrad.kernels.cpu.recurrent")

FLOATS = (np.float32, np.float64)
LAYERS = {  # how the arrays are called, how many parts gates has and whether there is a bias; settings
    "lstm": (("gates", "h0", "c0", "weight"), 4, {}),
    "gru": (("gates", "h0", "weight", "bias"), 3, {}),
    "gru without bias": (("gates", "h0", "weight"), 3, {}),
    "rnn": (("gates", "h0", "weight"), 1, {"nonlinearity": "tanh"}),
    "rnn of relu": (("gates", "h0", "weight"), 1, {"nonlinearity": "relu"}),
}


def arrays_of(layer, steps, batch, size, dtype, scale=1.0):
    names, parts, _ = LAYERS[layer]
    shapes = {"gates": (steps, batch, parts * size), "weight": (parts * size, size), "bias": (parts * size,)}
    r = np.random.default_rng([steps, batch, size])
    return {name: (scale * r.normal(size=shapes.get(name, (batch, size)))).astype(dtype) for name in names}


def by_text(layer, arrays, gs):
    """Outputs and gradients of the text, in float64."""
    given = [minigrad.tensor(a.astype(np.float64), requires_grad=True) for a in arrays.values()]
    with use_kernels(False):
        y = getattr(texts, layer.split()[0])(*given, **LAYERS[layer][2])
        outputs = y if isinstance(y, tuple) else (y,)
        loss = sum((part * minigrad.tensor(g.astype(np.float64))).sum() for part, g in zip(outputs, gs) if g is not None)
        loss.backward()
    return [part.detach().numpy() for part in outputs], [x.grad.numpy() for x in given]


def by_kernel(layer, arrays, gs):
    name, settings = layer.split()[0], LAYERS[layer][2]
    y, residual = getattr(kernels, name)(*arrays.values(), **settings)
    outputs = y if isinstance(y, tuple) else (y,)
    saved = dict(arrays, y=y, **{f"y{k}": part for k, part in enumerate(outputs)})
    g = gs if len(outputs) > 1 else gs[0]
    gradients = getattr(kernels, f"{name}_backward")(g, saved, residual, (True,) * len(arrays), **settings)
    return outputs, gradients[: len(arrays)]


def close(found, expected, dtype):
    assert found.dtype == dtype
    largest = np.abs(expected).max()  # gradients of weights are long sums: the error is relative to the largest
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-5 if dtype == np.float32 else 1e-12) * (largest + 1e-30))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("steps, batch, size", [(1, 1, 1), (2, 3, 5), (4, 9, 16), (3, 2, 33), (5, 8, 20)])
def test_both_ways(layer, dtype, steps, batch, size):
    arrays = arrays_of(layer, steps, batch, size, dtype, scale=0.7)
    gs = [np.random.default_rng(k).normal(size=(steps, batch, size)).astype(dtype) for k in range(2 if layer == "lstm" else 1)]
    for kind in (lambda a: a, np.asfortranarray):
        found, gradients = by_kernel(layer, {name: kind(a) for name, a in arrays.items()}, [kind(g) for g in gs])
        expected, slopes = by_text(layer, arrays, gs)
        for pair in zip((*found, *gradients), (*expected, *slopes)):
            close(*pair, dtype)


@pytest.mark.parametrize("given", [(True, False), (False, True)])
def test_lstm_with_one_gradient_of_two(given):
    arrays = arrays_of("lstm", 3, 2, 4, np.float64)
    gs = [np.ones((3, 2, 4)) if some else None for some in given]
    for pair in zip(by_kernel("lstm", arrays, gs)[1], by_text("lstm", arrays, gs)[1]):
        close(*pair, np.float64)


@pytest.mark.parametrize("layer", LAYERS)
def test_gradients_that_nobody_needs_are_none(layer):
    arrays = arrays_of(layer, 2, 2, 3, np.float64)
    name, settings = layer.split()[0], LAYERS[layer][2]
    y, residual = getattr(kernels, name)(*arrays.values(), **settings)
    g, saved = (y, dict(arrays, y0=y[0], y1=y[1])) if name == "lstm" else (y, dict(arrays, y=y))
    needed = [k != "weight" and k != "bias" for k in arrays]
    gradients = getattr(kernels, f"{name}_backward")(g, saved, residual, needed, **settings)
    assert [part is not None for part in gradients[: len(arrays)]] == needed


@pytest.mark.parametrize("layer", LAYERS)
def test_saturated_and_broken_numbers(layer):
    """Gates beyond every range saturate; NaN and infinity come out where the text has them."""
    arrays = arrays_of(layer, 2, 3, 4, np.float32, scale=0.3)
    arrays["gates"][0, 0, :] = 1e4
    arrays["gates"][0, 1, :] = -1e4
    arrays["gates"][1, 2, 1] = np.nan
    arrays["gates"][1, 0, 0] = -np.inf
    found, _ = by_kernel(layer, arrays, [np.ones((2, 3, 4), np.float32)] * 2)
    with np.errstate(all="ignore"):
        expected, _ = by_text(layer, arrays, [np.ones((2, 3, 4))] * 2)
    for y, right in zip(found, expected):
        np.testing.assert_allclose(y, right, rtol=1e-5, atol=1e-6)


def test_the_sequences_of_a_batch_can_be_done_in_pieces():
    gates, h0, c0, weight = arrays_of("lstm", 3, 7, 6, np.float32).values()
    (hs, cs), activated = kernels.lstm(gates, h0, c0, weight)
    packed = kernels._packed(True, weight)
    again = [np.empty_like(a) for a in (activated, hs, cs)]
    for first, last in ((0, 3), (3, 7)):
        kernels.lstm_steps(gates, h0, c0, packed, *again, first, last)
    for a, b in zip(again, (activated, hs, cs)):
        np.testing.assert_array_equal(a, b)


def test_which_calls_are_taken():
    big = {layer: arrays_of(layer, 8, 16, 48, np.float32) for layer in LAYERS}
    for layer, arrays in big.items():
        kernel, settings = KERNELS[layer.split()[0]], LAYERS[layer][2]
        assert kernel.accepts(*(np.concatenate([a] * 8) if name == "gates" else a for name, a in arrays.items()), **settings)
        assert not kernel.accepts(*(a[:0] if name == "gates" else a for name, a in arrays.items()), **settings)
        assert not kernel.accepts(*(a.astype(np.float16) for a in arrays.values()), **settings)
        wrong = dict(arrays, weight=arrays["weight"][:, :-1])
        assert not kernel.accepts(*wrong.values(), **settings)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
