"""The emitted Numba loops, the cache of generated code, and chains of operations drawn at random through all of it."""

import importlib.util
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends
from minigrad.compile import Step, emit_cpu, runtime, simplify, trace, verify
from minigrad.dispatch import apply
from minigrad.errors import TraceError
from minigrad.nn import functional as F
from minigrad.op import registry

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed")


def host(t):
    return backends.of(t.array).host(t.array)


def equal(actual, expected, rtol, atol):
    np.testing.assert_allclose(host(actual), host(expected), rtol=rtol, atol=atol)
    assert actual.dtype is expected.dtype


def tensor(values, device, dtype="float32", grad=False):
    return mg.tensor(np.asarray(values, dtype), device=device).requires_grad_(grad)


def normal(device, *shape, seed=0, grad=False, dtype="float32"):
    return tensor(np.random.default_rng(seed).standard_normal(shape), device, dtype, grad)


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


# --------------------------------------------------------------------------------------------------------- emitted loops
def emitted_equals(f, *examples, rtol=2e-6):
    graph, _ = trace(f, *examples)
    arrays = [t.array for t in examples]
    for got, expected in zip(emit_cpu.emit(graph)(*arrays), graph.run(*arrays), strict=True):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-7 if got.dtype == np.float32 else 1e-14)
    return emit_cpu.source(graph)


cpu_only = pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="Numba loops run on the CPU")
SPECIAL = [0.0, -0.0, 1.5, -2.0, math.nan, math.inf, -math.inf, 30.0, -30.0, 1e-8, 88.0, -104.0]


@needs_numba
@cpu_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loops_equal_the_graph(dtype):
    x, y = tensor(SPECIAL, "cpu", dtype), tensor(SPECIAL[::-1], "cpu", dtype)
    s = tensor(0.5, "cpu", dtype)
    text = emitted_equals(lambda x: F.gelu(x), x)
    assert text.count("for i in range(n):") == 1 and "math.erf(" in text and f"f{np.dtype(dtype).itemsize}(0.5)" in text
    emitted_equals(lambda x: 1 / (1 + (-x).exp()), x)
    emitted_equals(lambda x: F.gelu(x, approximate="tanh"), x)
    emitted_equals(lambda x, y: mg.where(x > y, x - y, -math.inf), x, y)
    emitted_equals(lambda x, y: (mg.maximum(x, y), mg.minimum(x, y), mg.fmax(x, y), mg.fmin(x, y)), x, y)
    emitted_equals(lambda x, y: (x <= y) & (x != y) | ~(x == y), x, y)
    emitted_equals(lambda x, y, s: (x * s + y / 0.0, x.sign() * math.nan, x.relu().sqrt(), x.isnan() | x.isinf(), x**3), x, y, s)
    emitted_equals(lambda x: x.isfinite().to(getattr(mg, dtype)) * 2 + x.abs().log1p(), x)
    emitted_equals(lambda x, y: x.tanh() * 2 + y, tensor(np.ones((3, 4)), "cpu", dtype), tensor(np.arange(4), "cpu", dtype))


@needs_numba
@cpu_only
def test_loops_of_integers_numbers_and_empty_arrays():
    i = tensor([1, -2, 2**31 - 1], "cpu", "int32")
    emitted_equals(lambda i: (i + i, i * 3 - 1, i > 1.5, i.abs()), i)
    emitted_equals(lambda x: x * 2 + 1, mg.zeros(0, 3))
    emitted_equals(lambda x: (x * 2 + 1).exp(), mg.tensor(0.5))
    emitted_equals(lambda x: (x * 2).T.contiguous() + 1, normal("cpu", 3, 4).T)

    class Rate:
        value = 0.25

    graph, _ = trace(lambda x: x.double() * runtime(Rate, "value") + (x > runtime(Rate, "value")), normal("cpu", 5))
    inputs = [normal("cpu", 5, seed=1).array, 0.75]
    np.testing.assert_allclose(emit_cpu.emit(graph)(*inputs)[0], graph.run(*inputs)[0])


@needs_numba
@cpu_only
def test_the_largest_part_of_a_mixed_graph():
    def f(x, w):
        h = (x @ w).tanh() * 2
        z = h - h.amax(1, keepdim=True)
        return (z.exp() + 1).log() / h.sum(), h.cumsum(0)

    text = emitted_equals(f, normal("cpu", 3, 4), normal("cpu", 4, 5), rtol=1e-5)
    assert "np.log(" in text and "matmul" not in text
    with pytest.raises(TraceError, match="no call of this graph is elementwise"):
        emit_cpu.source(trace(lambda x: x @ x, normal("cpu", 2, 2))[0])


@needs_numba
def test_cache_files(tmp_path, monkeypatch):
    from minigrad.compile import cache

    text = "from numba import njit\n\n\n@njit(cache=True)\ndef f(x):\n    return x * {}\n"
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "a"))
    two, three = cache.load(text.format(2)), cache.load(text.format(3))
    assert (two.f(5), three.f(5)) == (10, 15) and len(list((tmp_path / "a").glob("*.py"))) == 2
    stamp = [p.stat().st_mtime_ns for p in sorted((tmp_path / "a").glob("*.py"))]
    code = f"""
from minigrad.compile import cache
f = cache.load({text.format(2)!r}).f
assert f(5) == 10
print(sum(f.stats.cache_hits.values()) if hasattr(f, "stats") else 1)
"""
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(mg.__file__).parent.parent)}
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert out.stdout.strip() == "1", out.stdout
    assert stamp == [p.stat().st_mtime_ns for p in sorted((tmp_path / "a").glob("*.py"))]

    open_to_all = tmp_path / "b"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(open_to_all))
    assert cache.directory() is None and cache.load(text.format(4)).f(5) == 20 and not list(open_to_all.iterdir())
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "a" / next((tmp_path / "a").glob("*.py")).name / "file"))
    assert cache.directory() is None


# ---------------------------------------------------------------------------------------------------------- random chains
def squash(x):
    """Values in (0.5, 0.9), where nearly every function is smooth."""
    return x / (1 + x.abs()) * 0.2 + 0.7


def fits(op, arity, **params):
    """Whether a chain may use an operation: floats in, finite floats out, and a gradient for every input."""
    if op.outputs > 1 or op.variadic or op.optional or len(op.arrays) != arity or len([r for r in op.rules if r]) != arity:
        return False
    if any(getattr(r.function, "refuses", False) for r in op.rules):
        return False
    out = apply(op, tuple(tensor(np.linspace(0.5, 0.9, 12).reshape(4, 3), "cpu", "float64") for _ in op.arrays), params)
    return out.dtype is mg.float64 and bool(out.isfinite().all())


POINTWISE = [op for op in registry.values() if op.kind == "elementwise" and not op.params]
KEPT = {"axis": 1, "keepdims": True}
REDUCTIONS = [op for op in registry.values() if op.kind == "reduction" and set(op.params) == set(KEPT)]
TABLES = [
    [lambda x, op=op: apply(op, (squash(x),), {}) for op in POINTWISE if fits(op, 1)],
    [lambda x, y, op=op: apply(op, (squash(x), squash(y)), {}) for op in POINTWISE if fits(op, 2)],
    [lambda x, op=op: x - apply(op, (squash(x),), dict(KEPT)) for op in REDUCTIONS if fits(op, 1, **KEPT)],
    [F.gelu, lambda x: F.softmax(x, 1), lambda x: x.T.contiguous().T, lambda x: x.double().to(x.dtype),
     lambda x: mg.where(x > 0, x, -0.5)],
]  # fmt: skip


def test_the_registry_has_enough_to_draw_from():
    assert [len(t) >= n for t, n in zip(TABLES, (20, 5, 3, 5))] == [True] * 4


@pytest.mark.parametrize("seed", range(12))
def test_random_chains(seed, device):
    r = np.random.default_rng(seed)
    dtype = ("float32", "float64")[seed % 2]
    plan = []
    for _ in range(r.integers(5, 16)):
        k = r.choice(4, p=[0.4, 0.25, 0.2, 0.15])
        plan.append((TABLES[k][r.integers(len(TABLES[k]))], r.integers(0, 3, 2 if k == 1 else 1)))
    w = normal(device, 4, 3, seed=seed, grad=True, dtype=dtype)

    def f(x, y):
        w.grad = None
        latest = [x, y, w]
        for function, places in plan:
            latest = [*latest[1:], function(*[latest[-1 - p] for p in places])]
        loss = (latest[-1] * latest[-2]).mean() + (latest[-3] * w).sum()
        loss.backward()
        return latest[-1].detach(), loss.detach(), w.grad * 1

    examples = [normal(device, 4, 3, seed=seed + k, dtype=dtype) for k in (100, 200)]
    rtol = 2e-4 if dtype == "float32" else 1e-9
    for out, expected in zip(trace(f, *examples)[1], f(*examples)):
        equal(out, expected, rtol, rtol / 10)
    step, examples = Step(f), [normal(device, 4, 3, seed=seed + k, dtype=dtype) for k in (300, 400)]
    for _ in range(3):
        for out, expected in zip(step(*examples), f(*examples)):
            equal(out, expected, rtol, rtol / 10)
    graph = verify(trace(f, *examples)[0])
    opened = simplify(graph.inline())
    arrays = [t.array for t in (*examples, w)][: len(graph.inputs)]
    outs = [g.run(*arrays) for g in (graph, verify(opened))]
    if device == "cpu" and importlib.util.find_spec("numba") is not None:
        outs.append(emit_cpu.emit(graph)(*arrays))
    for other in outs[1:]:
        for a, b in zip(other, outs[0], strict=True):
            np.testing.assert_allclose(backends.of(a).host(a), backends.of(b).host(b), rtol=rtol, atol=rtol / 10)
