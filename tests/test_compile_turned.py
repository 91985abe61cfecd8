"""Loops that read along one axis and write along another go a line of memory at a time."""

import importlib.util

import numpy as np
import pytest

import minigrad as mg
from minigrad.compile import Step, loops, verify

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed"),
    pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU"),
]

FUNCTIONS = [
    lambda x: x.permute(0, 2, 1).contiguous(),
    lambda x: x.transpose(0, 2).exp() * 2.0,
    lambda x: (x.permute(0, 2, 1) + x[:, :1, :1], x.permute(0, 2, 1) - 1.0),
    lambda x: x.permute(1, 2, 0) > x.permute(1, 2, 0).flip(0),
    lambda x: x[0].t() + x[-1, 0][:, None],
    lambda x: x[:, 1:, ::2].permute(2, 1, 0).contiguous(),
]


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


def turned(f, x):
    """The text of the compiled function where a loop goes by lines, else ""; its results are the function's own."""
    step = Step(f)
    step(x)
    got, expected = step(x), f(x)
    for a, b in zip(got if isinstance(got, tuple) else (got,), expected if isinstance(expected, tuple) else (expected,)):
        assert a.shape == b.shape and a.dtype is b.dtype
        np.testing.assert_allclose(a.array, b.array, rtol=1e-6)
    verify(step)
    return step.source() if "unknown(" in step.source() else ""


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (3, 16, 17), (2, 33, 48), (1, 40, 15), (2, 0, 20)])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_every_size(shape, dtype, monkeypatch):
    monkeypatch.setattr(loops, "NEAR", 0)
    monkeypatch.setattr(loops, "WAYS", 0)
    x = mg.tensor(np.arange(np.prod(shape)).reshape(shape).astype(dtype) / (2 if dtype == "float32" else 1))
    x = x if dtype == "float32" else x.long()
    chosen = FUNCTIONS if shape[1] and dtype == "float32" else [f for k, f in enumerate(FUNCTIONS) if shape[1] and k != 1]
    found = [turned(f, x) for f in chosen]
    assert any(found) is (min(shape[1:]) > 1)


def test_rows_shared_among_threads(monkeypatch):
    from minigrad.compile import emit_cpu

    monkeypatch.setattr(emit_cpu, "LARGE", 0)  # every task is a function of its own
    x = mg.tensor(np.random.default_rng(0).standard_normal((700, 512)).astype(np.float32))
    before = mg.get_num_threads()
    try:
        for count in (1, 2):
            mg.set_num_threads(count)
            assert "for i in range(lo, hi):" in turned(lambda x: x.t().contiguous(), x)
    finally:
        mg.set_num_threads(before)


def test_only_where_the_cache_would_lose_lines():
    def rows(*shape):
        return mg.tensor(np.arange(float(np.prod(shape))).reshape(shape).astype(np.float32))

    turn = lambda x: x.t().contiguous()
    assert turned(turn, rows(256, 1024)) and turned(turn, rows(1000, 1000))
    assert not turned(turn, rows(64, 64))
    assert not turned(turn, rows(784, 64))  # the second cache has them
    assert not turned(turn, rows(400, 1000))  # whose lines differ in where the cache keeps them
    assert not turned(lambda x: x + 1.0, rows(256, 1024))
    assert not turned(lambda x: x.t().amax(1), rows(256, 1024))
