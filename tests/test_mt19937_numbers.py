"""The numbers of engine mt19937 after ``manual_seed(5)``, as PyTorch 2.13 gives them: golden numbers, without PyTorch."""

import math

import numpy as np
import pytest

import minigrad
from minigrad.mt19937 import Twister, narrow, placed, visiting_order
from minigrad.random import set_default_engine


@pytest.fixture(autouse=True)
def _engine():
    before, state = minigrad.default_generator.engine, minigrad.get_rng_state()
    minigrad.manual_seed(5, engine="mt19937")
    yield
    set_default_engine(before)
    minigrad.set_rng_state(state)


GOLDEN = [
    ("m.rand(3)", [0.830251873, 0.126110911, 0.90746969]),
    ("m.rand(2, dtype=m.float64)", [0.642015007, 0.259757915]),
    ("m.empty(4, dtype=m.float32).uniform_(-2.0, 3.0)", [2.15125942, -1.36944544, 2.53734851, 2.09963512]),
    ("m.empty(4, dtype=m.float64).uniform_(-2.0, 3.0)", [1.21007503, -0.701210424, -0.195861903, -0.424336959]),
    ("m.empty(4, dtype=m.float16).uniform_(-1.0, 1.0)", [0.660644531, -0.747558594, 0.814941406, 0.639648438]),
    ("m.empty(4, dtype=m.float32).normal_(1.0, 2.0)", [0.0264384989, -0.207643181, -0.11619246, 2.33504868]),
    ("m.empty(3, dtype=m.float64).normal_()", [-0.486780751, -0.603821588, -0.558096231]),
    ("m.empty(4, dtype=m.bfloat16).normal_()", [-0.486328125, -0.60546875, -0.55859375, 0.66796875]),
    ("m.randn(21)[-4:]", [0.0316568948, -1.1724143, -1.50694036, -0.148104623]),
    ("m.randn(21, dtype=m.float64)[-3:]", [-0.127854901, 0.174016614, 0.949970223]),
    ("m.randn(20).normal_(3.0, 0.5)[:3]", [3.96152997, 3.14397478, 3.46839833]),
    ("m.randn(21, dtype=m.float16)[-4:]", [1.48339844, 0.494140625, 0.249267578, 1.74707031]),
    ("m.empty(4, 5).t().normal_()[0]", [-0.486780763, 1.94278347, -0.557793438, 0.57400161]),
    ("m.empty(4, dtype=m.float32).exponential_(2.0)", [0.513632119, 0.150389001, 0.223790541, 0.189265028]),
    ("m.empty(4, dtype=m.float32).log_normal_(0.5, 0.25)", [1.45980787, 1.41771245, 1.43401182, 1.94815171]),
    ("m.empty(4, dtype=m.float32).cauchy_(1.0, 0.5)", [1.23915982, 0.529752612, 0.766303837, 0.671859503]),
    ("m.empty(4, dtype=m.float32).geometric_(0.3)", [2.0, 4.0, 3.0, 4.0]),
    ("m.empty(4, dtype=m.int64).geometric_(0.3)", [2, 4, 3, 4]),
    ("m.empty(8, dtype=m.float32).bernoulli_(0.3)", [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    ("m.bernoulli(m.full((8,), 0.6))", [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]),
    ("m.bernoulli(m.full((8,), 0.6, dtype=m.float64))", [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
    ("m.randint(10, (6,))", [1, 4, 7, 5, 6, 0]),
    ("m.randint(-2**40, 2**40, (2,))", [425438759118, 1030067709629]),
    ("m.empty(2, dtype=m.int64).random_()", [4095051218741643470, 6838803925648402109]),
    ("m.empty(3, dtype=m.float32).random_()", [13929259.0, 2115776.0, 15224593.0]),
    ("m.empty(4, dtype=m.uint8).random_()", [99, 206, 239, 189]),
    ("m.empty(2, dtype=m.int64).random_(-2**63, None)", [4095051218741643470, -2384568111206373699]),
    ("m.randperm(8)", [3, 6, 0, 2, 1, 4, 5, 7]),
    ("m.randperm(1)", [0]),
    ("m.poisson(m.tensor([0.0, 0.5, 3.0, 9.9]))", [0.0, 1.0, 2.0, 11.0]),
    (
        "m.poisson(m.tensor([10.0, 40.0, 40.0, 1e4, 12.0, 15.0, 11.0, 200.0]))",
        [11.0, 37.0, 35.0, 10022.0, 16.0, 13.0, 14.0, 180.0],
    ),
    (
        "m.binomial(m.tensor([0.0, 5.0, 5.0, 8.0, 9.0, 7.0]), m.tensor([0.5, 0.0, 1.0, 0.3, 0.8, 0.5]))",
        [0.0, 0.0, 5.0, 2.0, 8.0, 5.0],
    ),
    (
        "m.binomial(m.tensor([30.0, 100.0, 1000.0, 50.0, 25.0, 64.0]), m.tensor([0.5, 0.2, 0.9, 0.4, 0.6, 0.5]))",
        [16.0, 18.0, 907.0, 21.0, 16.0, 35.0],
    ),
    ("m._standard_gamma(m.tensor([0.3, 1.0, 2.5, 20.0]))", [0.029668618, 1.7731961, 3.53566766, 15.3394003]),
    ("m._standard_gamma(m.tensor([0.0, 0.05], dtype=m.float64))", [2.22507386e-308, 7.98967143e-10]),
    ("m.multinomial(m.tensor([0.1, 0.2, 0.7]), 5, replacement=True)", [2, 1, 2, 2, 1]),
    ("m.multinomial(m.tensor([0.1, 0.2, 0.3, 0.4]), 4)", [3, 2, 1, 0]),
    ("m.randint(100, (4000,))[-3:]", [16, 36, 68]),
    ("m.rand(4000)[-3:]", [0.378928185, 0.280188799, 0.783821344]),
    ("m.rand(4000, dtype=m.float64)[-2:]", [0.421023808, 0.445134697]),
    ("m.poisson(m.full((400,), 10.5)).sum()", 4261.0),
    ("m.binomial(m.full((400,), 40.0), m.full((400,), 0.45)).sum()", 7221.0),
]


@pytest.mark.parametrize(("text", "expected"), GOLDEN, ids=[text for text, _ in GOLDEN])
def test_golden_numbers(text, expected):
    got = eval(text, {"m": minigrad}).double().numpy()
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-9)


def test_a_state_continues_the_stream():
    t = Twister(5)
    t.normals(3)  # the fourth waits
    state = t.state()
    first = [*t.normals(2), *t.doubles(2), *t.words(2)]
    other = Twister(0)
    other.restore(state)
    assert [*other.normals(2), *other.doubles(2), *other.words(2)] == first
    assert other.initial_seed == 5 and state.shape == (5056,)
    t.words(700)
    other.restore(t.state())
    assert other.wide(3).tolist() == t.wide(3).tolist()


def test_few_and_many_words_are_one_stream():
    few, many = Twister(9), Twister(9)
    assert np.concatenate([few.words(2000), few.words(2000)]).tolist() == many.words(4000).tolist()
    assert np.concatenate([few.wide(2000), few.wide(2000)]).tolist() == many.wide(4000).tolist()
    assert few.words(1).tolist() == many.words(1).tolist()


def test_the_whole_range_of_int64():
    bits = Twister(3).wide(4)
    assert Twister(3).integers(4, -(2**63), 2**63).tolist() == bits.view(np.int64).tolist()


@pytest.mark.parametrize("rate", [0.5, 5.0, 30.0])
def test_moments_of_poisson_numbers(rate):
    x = minigrad.poisson(minigrad.full((4000,), rate, dtype=minigrad.float64))
    assert abs(x.mean().item() - rate) < 5 * math.sqrt(rate / 4000)
    assert abs(x.var().item() / rate - 1) < 0.2


@pytest.mark.parametrize(("count", "p"), [(8, 0.2), (8, 0.9), (100, 0.3), (100, 0.8)])
def test_moments_of_binomial_numbers(count, p):
    x = minigrad.binomial(minigrad.full((4000,), float(count)), minigrad.full((4000,), p))
    variance = count * p * (1 - p)
    assert abs(x.mean().item() - count * p) < 5 * math.sqrt(variance / 4000) and abs(x.var().item() / variance - 1) < 0.2
    assert x.min().item() >= 0 and x.max().item() <= count


@pytest.mark.parametrize("alpha", [0.4, 1.0, 6.0])
def test_moments_of_gamma_numbers(alpha):
    x = minigrad._standard_gamma(minigrad.full((4000,), alpha, dtype=minigrad.float64))
    assert abs(x.mean().item() - alpha) < 5 * math.sqrt(alpha / 4000) and x.min().item() >= 0


def test_where_the_numbers_go():
    a = np.zeros((2, 3, 4))
    assert visiting_order(a) is None and visiting_order(a[:, ::-1]) is None
    assert visiting_order(a.transpose(2, 0, 1)) == (1, 2, 0)
    assert visiting_order(np.broadcast_to(np.zeros((3, 1)), (3, 4))) is None
    row = np.arange(6)
    assert placed(row, (3, 2), (1, 0)).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert placed(row, (3, 1, 2), (2, 0)).tolist() == [[[0, 3]], [[1, 4]], [[2, 5]]]
    assert placed(row, (2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_half_precision_rounds_by_way_of_float32():
    x = np.array([1.0 + 2.0**-11 + 2.0**-40])  # just above the middle of two float16: float32 makes it the middle
    assert narrow(x, np.dtype("float16")).item() == 1.0 and x.astype(np.float16).item() > 1.0
    assert narrow(np.array([3.0]), np.dtype("int16")).dtype == np.int16
