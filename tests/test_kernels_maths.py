"""Functions of one number against references of higher precision, and what is made of them: activations, choices, random
bits, dropout and the optimizers' updates, against the texts of their operations.

Sizes are small, because the last test runs this file a second time with compilation switched off.
"""

import importlib
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

import minigrad
from minigrad.kernels import table, use_kernels
from minigrad.kernels.cpu import dropout, elementwise, optimizer, philox, polynomials64
from minigrad.nn import functional as F

FLOATS = (np.float32, np.float64)
jit = importlib.import_module("minigrad.kernels.cpu.jit").jit
ROOT = np.longdouble("0.797884560802865355879892119868763737")  # sqrt(2 / pi)


# --------------------------------------------------------------------------------------------------- scalar functions
def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1, e) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def of_tail(function):
    """A function of x and of P(X <= x) for normal X, which the C library's erfc gives: at the nearest float64, and from
    there along the slope."""

    def of_both(x):
        z = -x * np.sqrt(x.dtype.type(0.5))
        near = z.astype(np.float64)
        below = np.array([math.erfc(v) for v in near], x.dtype) - 2 / np.sqrt(np.longdouble(np.pi)) * np.exp(-near * z) * (
            z - near
        )
        return function(x, (below / 2).astype(x.dtype))

    return of_both


def gelu_slope(x, below):
    return below + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_tanh(x):
    return x * sigmoid(2 * ROOT.astype(x.dtype) * (x + x.dtype.type("0.044715") * x**3))


def gelu_tanh_slope(x):
    root, cube = ROOT.astype(x.dtype), x.dtype.type("0.044715")
    s = sigmoid(2 * root * (x + cube * x**3))
    return s + x * s * sigmoid(-2 * root * (x + cube * x**3)) * 2 * root * (1 + 3 * cube * x * x)


POSITIVE, ANY, TURNS = "positive", "any", "turns"
FUNCTIONS = {  # reference, numbers, largest error in ulp of float32 and float64, values at 0 -0 inf -inf
    "exp": (np.exp, ANY, 1.5, 1.5, (1, 1, np.inf, 0)),
    "expm1": (np.expm1, ANY, 2, 3, (0, -0.0, np.inf, -1)),
    "tanh": (np.tanh, ANY, 3, 3, (0, -0.0, 1, -1)),
    "sigmoid": (sigmoid, ANY, 3, 3, (0.5, 0.5, 1, 0)),
    "silu": (lambda x: x * sigmoid(x), "middle", 4, 4, (0, -0.0, np.inf, np.nan)),
    "softplus": (softplus, ANY, 2, 3, (math.log(2), math.log(2), np.inf, 0)),
    "logsigmoid": (lambda x: -softplus(-x), ANY, 2, 3, (-math.log(2), -math.log(2), 0, -np.inf)),
    "log": (np.log, POSITIVE, 1.5, 1.5, (-np.inf, -np.inf, np.inf, np.nan)),
    "log2": (np.log2, POSITIVE, 2, 2, (-np.inf, -np.inf, np.inf, np.nan)),
    "log10": (np.log10, POSITIVE, 2.5, 2.5, (-np.inf, -np.inf, np.inf, np.nan)),
    "log1p": (np.log1p, POSITIVE, 1.5, 1.5, (0, -0.0, np.inf, np.nan)),
    "erf": (lambda x: np.array([math.erf(float(v)) for v in x], x.dtype), ANY, 3, 4, (0, -0.0, 1, -1)),
    "gelu": (of_tail(lambda x, below: x * below), "tail", 10, 12, (0, -0.0, np.inf, np.nan)),
    "gelu_tanh": (gelu_tanh, "near", 12, 12, (0, -0.0, np.inf, np.nan)),
    "sin": (np.sin, TURNS, 2, 1.5, (0, -0.0, np.nan, np.nan)),
    "cos": (np.cos, TURNS, 2, 1.5, (1, 1, np.nan, np.nan)),
    "tan": (np.tan, TURNS, 4, 4, (0, -0.0, np.nan, np.nan)),
}


def silu_slope(x):
    return sigmoid(x) * (1 + x * sigmoid(-x))


SLOPES = {
    "silu_slope": (silu_slope, (0.5, 0.5, 1, 0)),
    "gelu_slope": (of_tail(gelu_slope), (0.5, 0.5, 1, 0)),
    "gelu_tanh_slope": (gelu_tanh_slope, (0.5, 0.5, 1, 0)),
}
ENDS = {ANY: (120, 720), "middle": (60, 600), "near": (3, 3), "tail": (12, 37), TURNS: (1e6, 1e6), POSITIVE: (120, 720)}


@jit
def mapped(function, x, y):
    for i in range(x.size):
        y[i] = function(x[i])


def run(name, x):
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        mapped(elementwise.SCALAR[name][x.dtype == np.float64], x, y)
    return y


def numbers(kind, dtype):
    r = np.random.default_rng(0)
    end, tiny = ENDS[kind][dtype == np.float64], np.geomspace(1e-38 if dtype == np.float32 else 1e-300, 1, 300)
    x = np.concatenate([r.uniform(-end, end, 600), r.normal(size=600) * 2, tiny, -tiny])
    if kind == POSITIVE:
        x = np.concatenate([np.abs(x), 1 + 1e-3 * r.normal(size=300), 1 / tiny])
    return x[np.abs(x) < end].astype(dtype) if kind not in (POSITIVE, TURNS) else x.astype(dtype)


def wider(x):
    return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


def ulps(y, expected):
    """The error in units of the last place of what was expected; denormals have those of the smallest normal number."""
    last = np.spacing(np.maximum(np.abs(expected), np.finfo(y.dtype).tiny).astype(y.dtype))
    return np.abs(y - expected) / last


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy(name, dtype):
    reference, kind, *bounds, _ = FUNCTIONS[name]
    x = numbers(kind, dtype)
    with np.errstate(all="ignore"):
        expected = reference(wider(x))
        finite = np.isfinite(expected.astype(dtype))
        y = run(name, x)
        assert (np.isfinite(y) == finite).all()
        assert ulps(y, expected)[finite].max() <= bounds[dtype == np.float64]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SLOPES)
def test_slopes(name, dtype):
    x = numbers("tail", dtype)
    with np.errstate(all="ignore"):
        expected = SLOPES[name][0](wider(x)).astype(dtype)
    np.testing.assert_allclose(run(name, x), expected, rtol=0, atol=5e-7 if dtype == np.float32 else 2e-15)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*FUNCTIONS, *SLOPES])
def test_zeros_infinities_and_nan(name, dtype):
    expected = (FUNCTIONS.get(name) or SLOPES[name])[-1]
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan] * 20, dtype)  # also inside the vector loop
    y = run(name, x).reshape(20, 6)
    expected = np.array([*expected, np.nan, np.nan], dtype)
    np.testing.assert_allclose(y, [expected] * 20, rtol=1e-6)
    assert (np.signbit(y[:, :2]) == np.signbit(expected[:2])).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["expm1", "tanh", "silu", "log1p", "erf", "gelu", "gelu_tanh", "sin", "tan", "exp", "log"])
def test_denormals(name, dtype):
    x = np.array([1e-40, -1e-40, 1e-45] if dtype == np.float32 else [1e-310, -1e-310, 5e-324], dtype)
    x = np.abs(x) if name == "log" else x
    y = run(name, x)
    factor = {"silu": 0.5, "gelu": 0.5, "gelu_tanh": 0.5, "erf": 1.1283791670955126}.get(name, 1.0)
    expected = {"exp": np.ones_like, "log": np.log}.get(name, lambda x: (x * factor).astype(dtype))(x)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=2 * np.finfo(dtype).smallest_subnormal)


@pytest.mark.parametrize("dtype", FLOATS)
def test_exp_reaches_the_denormals(dtype):
    x = np.linspace(*((-103, -87) if dtype == np.float32 else (-744, -708)), 60).astype(dtype)
    expected = np.exp(wider(x)).astype(dtype)
    np.testing.assert_allclose(run("exp", x), expected, rtol=1e-6, atol=np.finfo(dtype).smallest_subnormal)


def test_angles_near_multiples_of_pi_and_beyond_the_range():
    x = (np.arange(1, 2000, 7) * (np.pi / 2)).astype(np.float64)
    assert ulps(run("sin", x), np.sin(wider(x))).max() < 1.5
    large = np.array([1e6, 2.9e9, -2.9e9, 1e8 + 0.5])
    assert ulps(run("cos", large), np.cos(wider(large))).max() < 1.5
    for dtype in FLOATS:
        beyond = np.array([1.0, 2 * polynomials64.LARGEST_ANGLE], dtype)
        np.testing.assert_array_equal(np.isnan(run("sin", beyond)), [False, True])
        np.testing.assert_array_equal(elementwise.sin(beyond), np.sin(beyond))  # arrays have another way
        np.testing.assert_array_equal(elementwise.cos(beyond), np.cos(beyond))


@jit
def powers(function, x, y, z):
    for i in range(x.size):
        z[i] = function(x[i], y[i])


@pytest.mark.parametrize("dtype", FLOATS)
def test_powers(dtype):
    r = np.random.default_rng(1)
    special = np.array([0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e30, -1e30, 2.5])
    pairs = np.array(np.meshgrid(special, special)).reshape(2, -1)
    x, y = np.concatenate([pairs, [np.exp(r.normal(size=400) * 3), r.normal(size=400) * 6]], axis=1).astype(dtype)
    z = np.empty_like(x)
    with np.errstate(all="ignore"):
        powers(elementwise.SCALAR["pow"][dtype == np.float64], x, y, z)
        expected = np.power(wider(x), wider(y)).astype(dtype)
    np.testing.assert_allclose(z, expected, rtol=2.5e-7 if dtype == np.float32 else 1e-15)
    assert (np.signbit(z) == np.signbit(expected))[~np.isnan(z)].all()


# --------------------------------------------------------------------------------------------- operations, as kernels
def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def both_ways(call, *arrays, order=1):
    """The result and the gradients of a call with kernels and with the texts alone."""
    found = []
    for flag in (True, False):
        with use_kernels(flag):
            tensors = [minigrad.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
            out = call(*tensors)
            weight = minigrad.tensor(np.linspace(-1, 1, out.numel(), dtype=arrays[0].dtype).reshape(out.shape))
            wanted = [t for t in tensors if t.requires_grad]
            grads = minigrad.autograd.grad((out * weight).sum(), wanted, create_graph=order == 2)
            if order == 2:
                grads = minigrad.autograd.grad(sum(g.square().sum() for g in grads), wanted)
            found.append([out.detach().numpy(), *[g.detach().numpy() for g in grads]])
    return found


CALLS = {
    "exp": lambda x: x.exp(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "silu silu_dx": lambda x: F.silu(x),
    "erf": lambda x: x.erf(),
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "gelu gelu_dx": lambda x: F.gelu(x),
    "gelu_tanh gelu_tanh_dx": lambda x: F.gelu(x, approximate="tanh"),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("names", CALLS)
def test_kernels_equal_the_texts(names, dtype, order):
    tolerance = 3e-4 if dtype == np.float32 else 1e-10
    for shape, turn in (((80, 230), False), ((130, 140), True)):
        x = normal(*shape, dtype=dtype) * 2
        x = x.T if turn else x
        ours, texts = both_ways(CALLS[names], x, order=order)
        for a, b in zip(ours, texts, strict=True):
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * order / 5)


def test_choices():
    a, b = normal(70, 60), normal(70, 60, seed=1)
    a[0, :3] = np.nan, np.inf, -0.0
    for c in (a > b, np.where(a > b, a, 0).astype(np.float32)):
        for x, y in ((a, b), (a, 0.0), (0.0, b), (np.float32(2), b), (a, np.array(1.5, np.float32))):
            assert table("numpy")["where"].takes(c, x, y)
            found, expected = elementwise.where(c, x, y), np.where(c, x, y).astype(np.float32)
            np.testing.assert_array_equal(found.view(np.int32), expected.view(np.int32))
    assert not table("numpy")["where"].takes(a > b, a, True)
    assert not table("numpy")["where"].takes(a > b, a, b.astype(np.float64))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1, 4, 7, 1023, 1024, 1025, 3000])
def test_dropout_has_the_bits_of_its_text(size, dtype):
    x, key = normal(size, dtype=dtype), np.array([-5, 2**63 - 2])  # the counter passes the end of int64
    x[-1] = np.nan
    keep = philox.philox_bits(key, count=size) >= math.floor(0.3 * 2.0**32)
    expected = x * keep * dtype(1 / 0.7)
    np.testing.assert_array_equal(dropout.dropout(x, key, p=0.3), expected)


def test_dropout_forward_and_backward():
    ours, texts = [], []
    for flag, found in ((True, ours), (False, texts)):
        with use_kernels(flag):
            minigrad.manual_seed(3)
            x = minigrad.tensor(normal(70, 90).T, requires_grad=True)
            y = F.dropout(x, 0.4)
            y.backward(minigrad.tensor(normal(90, 70)))
            found += [y.detach().numpy(), x.grad.numpy()]
    for a, b in zip(ours, texts, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("settings", [{}, {"decoupled": True}, {"maximize": True}, {"amsgrad": True}])
def test_adam_equals_its_formula(settings, dtype):
    p, g, m, v = (normal(50, dtype=dtype, seed=s) for s in range(4))
    v = np.abs(v)
    vmax = v / 2 if settings.get("amsgrad") else None
    decoupled, maximize = settings.get("decoupled", False), settings.get("maximize", False)
    a, b, c, top = (None if x is None else x.astype(np.float64) for x in (p, m, v, vmax))
    gradient = (-g if maximize else g).astype(np.float64)
    if decoupled:
        a *= 1 - 0.01 * 0.1
    else:
        gradient = gradient + 0.1 * a
    b, c = 0.9 * b + 0.1 * gradient, 0.99 * c + 0.01 * gradient**2
    top = c if top is None else np.maximum(top, c)
    a -= 0.01 * (b / 0.271) / (np.sqrt(top / 0.0297) + 1e-6)
    given = dict(lr=0.01, beta1=0.9, beta2=0.99, eps=1e-6, weight_decay=0.1, bias1=0.271, bias2=0.0297)
    optimizer.adam(p, g, m, v, vmax, **given, decoupled=decoupled, maximize=maximize)
    for found, expected in ((p, a), (m, b), (v, c), *(() if vmax is None else ((vmax, top),))):
        np.testing.assert_allclose(found, expected, rtol=3e-6 if dtype == np.float32 else 1e-13, atol=1e-7)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "name, settings",
    [
        ("Adagrad", {"weight_decay": 0.1}),
        ("Adagrad", {"maximize": True}),
        ("RMSprop", {"weight_decay": 0.1}),
        ("RMSprop", {"momentum": 0.9, "maximize": True}),
        ("RMSprop", {"centered": True}),
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ],
)
def test_optimizers_equal_the_texts(name, settings, dtype):
    found = []
    for flag in (True, False):
        with use_kernels(flag):
            p = minigrad.nn.Parameter(minigrad.tensor(normal(150, 120, dtype=dtype)))
            optimizer = getattr(minigrad.optim, name)([p], lr=0.1, **settings)
            for seed in range(3):
                p.grad = minigrad.tensor(normal(120, 150, dtype=dtype, seed=seed)).t()
                optimizer.step()
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6 if dtype == np.float32 else 1e-13)


def test_without_compilation():
    """The kernels are ordinary Python, and NUMBA_DISABLE_JIT=1 (for debuggers and coverage) leaves them working."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    chosen = "accuracy and (exp or tanh or gelu or sin or log1p) or infinities or dropout_has or choices or adam or powers"
    root = pathlib.Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", __file__, "-k", chosen]
    result = subprocess.run(
        command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=root, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout[-3000:]
