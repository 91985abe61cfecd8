"""Kernels of large steps whose rows, or heads, threads share: the same bits by any number of them."""

import os

import numpy as np
import pytest
from compared import rows_shared

import minigrad as mg
from minigrad.compile import Step
from minigrad.nn import functional as F

pytest.importorskip("numba")
from minigrad.compile.executable import Executable

pytestmark = [
    pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU"),
    pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="compilation is switched off"),
]


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


def normal(*shape, seed=0, dtype="float32"):
    return mg.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype))


@pytest.fixture
def by_threads(monkeypatch):
    """(program, examples) -> the same results by one to four threads, and how many rows each task that was shared has."""

    def run(function, *examples):
        step = Step(function)
        expected = step(*examples)
        program = next(p for kept in step.programs.values() for p in kept)
        alone = Executable(program, apart=True)(list(examples))
        shared = rows_shared(monkeypatch)
        for count in (2, 3, 4):
            shared.clear()
            monkeypatch.setattr("minigrad.threads._chosen", count)
            found = Executable(program, apart=True)(list(examples))
            for a, b in zip(found, alone, strict=True):
                np.testing.assert_array_equal(a.array, b.array)
        for a, b in zip(alone, expected, strict=True):
            np.testing.assert_allclose(a.array, b.array, rtol=1e-4, atol=1e-5)
        return shared

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal, dtype, by_threads):
    q, k, v = (normal(2, 3, *s, dtype=dtype) for s in ((9, 4), (11, 4), (11, 5)))
    assert by_threads(lambda *qkv: (F.scaled_dot_product_attention(*qkv, is_causal=causal),), q, k, v) == [6]


@pytest.mark.parametrize("causal", [False, True])
def test_attention_with_gradients(causal, by_threads):
    def gradients(q, k, v):
        q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return y.detach(), *mg.autograd.grad(y, (q, k, v), mg.ones_like(y))

    q, k, v = (normal(2, 3, *s) for s in ((9, 4), (11, 4), (11, 5)))
    assert by_threads(gradients, q, k, v).count(6) >= 2


@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm(affine, by_threads):
    weight, bias = (normal(6, seed=1), normal(6, seed=2)) if affine else (None, None)
    assert by_threads(lambda x: (F.layer_norm(x, (6,), weight, bias),), normal(5, 7, 6)) == [35]


def test_one_head_stays_whole(by_threads):
    q = normal(1, 1, 9, 4)
    assert by_threads(lambda q: (F.scaled_dot_product_attention(q, q, q),), q) == []
