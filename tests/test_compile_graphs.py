"""Drawn functions and drawn training runs: compiled they give what they give as they are, and nothing falls back."""

import importlib.util
import random

import compared
import numpy as np
import pytest
from drawn_graphs import Drawing
from drawn_models import Training
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.compile import Step

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed"),
    pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU"),
]
FEW = dict(deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


@given(seed=st.integers(0, 10**6), backward=st.booleans(), dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=8, **FEW)
def test_drawn_functions(seed, backward, dtype):
    draw = random.Random(seed).randrange
    drawing = Drawing(draw, dtype, 5 + draw(46), backward)
    compared.check(drawing.finish(), drawing.captured, drawing.examples(4))


@given(seed=st.integers(0, 10**6), dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=3, **FEW)
def test_drawn_training(seed, dtype):
    compared.check_training(lambda: Training(random.Random(seed).randrange, dtype))


# ------------------------------------------------------------------------------------- what drawn functions have brought up
def check(body, captured=None, arguments=(), calls=3):
    examples = [[mg.tensor(v) for v in arguments] for _ in range(calls)]
    head = ", ".join(f"a{k}" for k in range(len(arguments)))
    return compared.check(f"def f({head}):\n" + "".join(f"    {line}\n" for line in body), captured or {}, examples, calls)


def weight(*shape, seed=0, **how):
    mg.manual_seed(seed)
    return mg.randn(*shape, **how)


def test_sums_of_one_element_each():
    check(
        ["return mg.amax(c, (), keepdim=True), c.sum(0), c.prod(1), (c > 0).any(0), c.square().sum((0, 1))"], {"c": weight(1, 1)}
    )
    check(["return c.sum(0), c.prod(0), c.flip(()), c.logsumexp(0)"], {"c": weight()})


def test_empty_tensors():
    check(["t = c[:, 2:2]", "return t * 2, t.sum(1), (t @ d[:0]), mg.cat([c, t], 1), t.reshape(0, 3), c.T @ c"],
          {"c": weight(3, 4), "d": weight(2, 5)})  # fmt: skip


def test_a_value_with_more_axes_than_what_it_is_written_to():
    check(["w = c.relu() * 2", "w.mul_(d)", "return mg.cat([w.sigmoid(), w[:1]], 0)"], {"c": weight(5, 3), "d": weight(1, 1, 3)})


def test_views_that_numpy_makes_outlive_their_memory():
    body = [
        "t = (a0 @ c).clamp(-0.5, 0.5).permute(1, 2, 0)",
        "u = t.diagonal(0, 1, 2)",
        "v = (a0 @ d).tanh()",
        "return u.sum(1), v",
    ]
    check(body, {"c": weight(3, 1), "d": weight(3, 4)}, [weight(1, 6, 3).array])


def test_products_of_rows_that_are_expanded():
    body = ["x = a0.expand(3, 2, 1, 3)", "return x @ c, x[..., 2:] @ c[:1], x.transpose(1, 2) @ c, "
            "x[:, :, 0] @ c, x[..., :1] @ c[1:2]"]  # fmt: skip
    check(body, {"c": weight(3, 4)}, [weight(1, 3, seed=1).array])


def test_state_that_is_still_read_is_written_last():
    check(
        ["u = c * 3", "c.mul_(0.5).add_(a0)", "return (u - a0).sum(0), c[0]"], {"c": weight(3, 3)}, [weight(3, 3, seed=1).array]
    )
    check(["old = c.sum(0) * 1", "c.copy_(c.flip(0) + old)", "return (c @ c)"], {"c": weight(4, 4)})


def test_a_write_over_all_leaves_a_gradient_of_zeros():
    check(["c.grad = d.grad = None", "w = c.clone()", "w[...] = d", "w.sum().backward()", "return w.detach()"],
          {"c": weight(7, requires_grad=True), "d": weight(1, requires_grad=True)})  # fmt: skip


def test_numbers_that_do_not_fit_the_dtype():
    check(["return F.pad(c, [0, 1], value=-math.inf), F.pad(c, [1, 1], value=2.75)"], {"c": mg.arange(6).reshape(2, 3)})


# --------------------------------------------------------------------------------------------------------------- numbers
@pytest.mark.parametrize("n", [2**22, 2**22 - 3])  # the second is a prime: no blocks of one length
def test_long_sums_keep_their_digits(n):
    x = np.random.default_rng(0).random(n).astype(np.float32)
    step = Step(lambda x: (x.sum(), (x * 2).mean()))
    for _ in range(2):
        total, mean = (t.item() for t in step(mg.tensor(x)))
    exact = x.astype(np.float64).sum()
    assert abs(total / exact - 1) < 1e-6 and abs(mean * n / 2 / exact - 1) < 1e-6


EXTREMES = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.5, -2.5, 88.0, -104.0, 1e-42, -1e-42, 3e38, -710.0, 709.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes(dtype):
    body = ["return [a0.exp(), a0.log(), a0.tanh(), a0.sigmoid(), a0.sqrt(), a0.sin(), 1 / a0, a0 / a0, a0 * 0, a0.sign(), -a0,"
            " a0.relu(), a0.abs(), a0.max(), a0[3:].amin(), a0[:2].sum(), a0.expm1(), a0.log1p(), a0.erf(),"
            " a0 == a0, a0 >= 0, a0.round(), a0.floor(), a0.softmax(0), a0[5:].logsumexp(0),"
            " mg.copysign(a0, -a0), mg.where(a0 > 0, a0, -a0), mg.maximum(a0, -a0), mg.fmax(a0, a0.flip(0))]"]  # fmt: skip
    x = np.array(EXTREMES, dtype)
    step = check(body, {}, [x])
    for got, expected in list(zip(step(mg.tensor(x)), step.fn(mg.tensor(x))))[:-2]:  # the larger of 0 and -0 is either
        if got.is_floating_point():
            zero = expected.array == 0
            assert np.array_equal(np.signbit(got.array[zero]), np.signbit(expected.array[zero]))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers_wrap(dtype):
    limits = np.iinfo(dtype)
    x = np.array([limits.max, limits.min, 1, 0, limits.max - 1, 7], dtype)
    check(["return [a0 + a0, a0 * a0, a0 - 3, a0 * 5 + 1, a0.sum(), a0.prod(), a0 + (a0 > 1), (a0 > 1) * 3,"
           " a0.max(), a0 // 2, a0 % 3, a0.square(), a0 == 1, mg.where(a0 > 1, a0, 0), a0.to(mg.float32) / 3,"
           " (a0 > 0) + (a0 > 1), (a0 > 0).sum(), a0 & 6]"],
          {}, [x])  # fmt: skip


def test_places_far_away():
    x = np.zeros((3, 2**20), np.float32)
    x[2, -1], x[0, 1] = 3.0, 5.0
    check(["return a0.flip((0, 1))[:, ::4095], a0.T[-1] * 2, a0.sum(1), a0.amax((0, 1))"], {}, [x])
