"""The kernel of attention against plain NumPy in float64."""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from kernel_checks import close, normal, turned

numba = pytest.importorskip("numba")

import minigrad  # noqa: E402
from minigrad.kernels import use_kernels  # noqa: E402
from minigrad.kernels.cpu import KERNELS  # noqa: E402
from minigrad.nn import functional as F  # noqa: E402

attention = importlib.import_module("minigrad.kernels.cpu.attention")


def plain_attention(q, k, v, causal, scale):
    """y, and the weights."""
    q, k, v = (a.astype(float) for a in (q, k, v))
    scores = q @ k.swapaxes(-1, -2) * scale
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    return weights @ v, weights


def gradients(g, q, k, v, causal, scale):
    y, weights = plain_attention(q, k, v, causal, scale)
    q, k, v, g = (a.astype(float) for a in (q, k, v, g))
    slopes = weights * (g @ v.swapaxes(-1, -2) - (g * y).sum(-1, keepdims=True)) * scale
    return slopes @ k, slopes.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ g


SIZES = [  # leading axes, T, S, D, E
    ((2,), 5, 5, 3, 3),
    ((), 1, 1, 1, 1),
    ((2, 3), 4, 7, 2, 5),
    ((1,), 9, 3, 1, 2),
    ((1, 2), 33, 30, 4, 3),
    ((3,), 1, 40, 32, 16),
]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_attention(size, causal, monkeypatch):
    if numba.config.DISABLE_JIT:  # compiled code has the numbers in it
        monkeypatch.setattr(attention, "QUERIES", 4)
        monkeypatch.setattr(attention, "KEYS", 8)
    check(size, causal)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="slow as plain Python")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", [((2,), 70, 70, 8, 8), ((1,), 130, 1100, 3, 5), ((1,), 1100, 700, 5, 2), ((2,), 64, 512, 4, 4)])
def test_attention_of_several_blocks(size, causal):
    check(size, causal)


def check(size, causal):
    lead, queries, keys, width, depth = size
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        q, k, v = (normal(*lead, *s, dtype=dtype) for s in ((queries, width), (keys, width), (keys, depth)))
        g = normal(*lead, queries, depth, dtype=dtype, seed=1)
        for scale in (width**-0.5, -3.0):
            settings = {"causal": causal, "scale": scale}
            y, residual = attention.attention(turned(q), turned(k), turned(v), **settings)
            assert y.dtype == dtype
            close(y, plain_attention(q, k, v, **settings)[0], tolerance)
            saved = {"q": q, "k": turned(k), "v": v}
            found = attention.attention_backward(turned(g), saved, residual, (True,) * 3, **settings)
            for actual, expected in zip(found, gradients(g, q, k, v, **settings)):
                assert actual.dtype == dtype
                close(actual, expected, 3 * tolerance)
            partial = attention.attention_backward(g, saved, residual, (False, True, False), **settings)
            assert partial[0] is partial[2] is None
            np.testing.assert_array_equal(partial[1], found[1])


def test_scores_that_are_huge_infinite_or_nan():
    q, k, v = normal(1, 6, 2), normal(1, 6, 2, seed=1), normal(1, 6, 2, seed=2)
    q[0, 1] *= 1e4  # exp of its scores would overflow
    k[0, 5] = np.nan  # seen by the last query alone where each sees what is before it
    with np.errstate(all="ignore"):
        y, _ = attention.attention(q, k, v, causal=True, scale=1.0)
        close(y[:, :5], plain_attention(q, k, v, True, 1.0)[0][:, :5], 1e-5)
        assert np.isnan(y[0, 5]).all()
        k[0, 5] = np.inf
        q[0, :] = [1, 0.5]
        y, _ = attention.attention(q, k, v, causal=False, scale=1.0)
        assert np.isnan(y).all()  # inf - inf, as in the text
        k[0, 5] = -np.inf
        y, _ = attention.attention(q, k, v, causal=False, scale=1.0)
        close(y, plain_attention(q, k, v, False, 1.0)[0], 1e-5)  # a weight of 0
        y, _ = attention.attention(q, np.full_like(k, -np.inf), v, causal=False, scale=1.0)
        assert np.isnan(y).all()


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="slow as plain Python")
def test_a_first_block_of_keys_that_counts_for_nothing():
    keys = attention.KEYS + 40
    q, k, v = np.ones((1, 3, 1), np.float32), normal(1, keys, 1), normal(1, keys, 2)
    k[0, : attention.KEYS] = -np.inf
    y, _ = attention.attention(q, k, v, causal=False, scale=1.0)
    close(y, plain_attention(q, k[:, attention.KEYS :], v[:, attention.KEYS :], False, 1.0)[0], 1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_public_attention_runs_the_kernel(causal, monkeypatch):
    """With kernels and with texts: values, gradients, and gradients of gradients."""
    used, found = [], []
    kernel = KERNELS["attention"]
    run = kernel.run
    monkeypatch.setattr(kernel, "run", lambda *a, **k: used.append(1) or run(*a, **k))
    arrays = [normal(2, 2, 17, 4, seed=s) for s in range(3)]
    for flag in (True, False):
        with use_kernels(flag):
            q, k, v = (minigrad.tensor(a, requires_grad=True) for a in arrays)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            first = minigrad.autograd.grad(y.sin().sum(), (q, k, v), create_graph=True)
            second = minigrad.autograd.grad(sum(d.square().sum() for d in first), (q, k, v))
            (again,) = minigrad.autograd.grad(F.scaled_dot_product_attention(q, k, v, is_causal=causal).sin().sum(), q)
            found.append([t.detach().numpy() for t in (y, *first, *second, again)])
    assert len(used) == 2
    for ours, text in zip(*found, strict=True):
        np.testing.assert_allclose(ours, text, rtol=2e-4, atol=2e-5)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
