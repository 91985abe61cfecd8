"""Slices that move up to the products whose rows they take: equal numbers, from the rows that somebody reads."""

import importlib.util
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.compile import Step, verify
from minigrad.nn import functional as F

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed"),
    pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU"),
]


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


def normal(*shape, seed=0):
    return mg.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32))


X, W, V, BIAS = normal(3, 5, 8), normal(8, 6), normal(6, 6), normal(6)


def shapes(f, *examples, ops=("matmul",)):
    """Those of the calls of ``ops`` in the compiled function, whose results are compared with the function's own."""
    step = Step(f)
    step(*examples)
    got, expected = step(*examples), f(*examples)
    for a, b in zip(got if isinstance(got, tuple) else (got,), expected if isinstance(expected, tuple) else (expected,)):
        assert a.shape == b.shape and a.dtype is b.dtype
        np.testing.assert_allclose(a.detach().array, b.detach().array, rtol=1e-5, atol=1e-6)
    verify(step)
    return [n.shape for n in step.graph("choose").nodes if n.op in ops]


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (lambda y: y[:, -1], (3, 1, 6)),
        (lambda y: y[:, -1:], (3, 1, 6)),
        (lambda y: y[1], (1, 5, 6)),
        (lambda y: y[1:, None, 1:4:2, 2], (2, 2, 1)),
        (lambda y: y[..., 2:4], (3, 5, 2)),
        (lambda y: y.transpose(0, 1)[2:4, 1], (1, 2, 6)),
        (lambda y: y.reshape(3, 5, 2, 3)[:, 4], (3, 1, 6)),
        (lambda y: y.reshape(15, 6)[:7], (3, 5, 6)),  # of no axis that the product has
        (lambda y: y[:, 1:3].relu()[:, 1], (3, 1, 6)),
        (lambda y: (y[:, 1], y[:, 1].exp()), (3, 1, 6)),
        (lambda y: (y[:, 1], y[:, 2]), (3, 5, 6)),
        (lambda y: (y[:, 1], y), (3, 5, 6)),
        (lambda y: (y[:, 1], y.sum()), (3, 5, 6)),
        (lambda y: y[:, 0:5], (3, 5, 6)),
        (lambda y: y[:, 2:2], None),
    ],
)
def test_a_part_of_a_product(part, shape):
    found = shapes(lambda x: part(x @ W), X)
    assert found == ([shape] if shape else found)


def test_through_all_that_keeps_rows_apart():
    norm = nn.LayerNorm(6).requires_grad_(False)

    def f(x, row, column):
        h = F.gelu(x @ W + BIAS) * row + column
        h = norm(h)
        return (h + (h @ V).permute(0, 1, 2))[:, -1]

    assert shapes(f, X, normal(1, 5, 1), normal(3, 1, 6)) == [(3, 1, 6)] * 2
    assert shapes(lambda x: norm(x @ W)[..., 2:4], X) == [(3, 5, 6)]  # a norm reads whole rows


def test_columns_of_a_layer():
    assert shapes(lambda x: F.linear(x, W.t().contiguous(), BIAS)[..., 2:4], X) == [(3, 5, 2)]
    assert shapes(lambda x, w: F.linear(x, w)[..., 1], X, normal(6, 8)) == [(3, 5, 1)]


def test_embedded_rows():
    table, index = normal(9, 8), mg.tensor(np.arange(15).reshape(3, 5) % 9)
    ops = ("matmul", "embedding")
    assert shapes(lambda i: (F.embedding(i, table) @ W)[:, 2], index, ops=ops) == [(3, 1, 8), (3, 1, 6)]
    assert shapes(lambda i: (F.embedding(i, table) @ W)[:2, :, 1:3], index, ops=ops) == [(2, 5, 8), (2, 5, 2)]
    assert shapes(lambda i: (F.embedding(i, table)[..., 2:6] @ W[:4])[:, 2], index, ops=ops) == [(3, 5, 8), (3, 1, 6)]
    step = Step(lambda i: (F.embedding(i, table) @ W)[:, 2])
    for _ in range(2):
        step(index)
    with pytest.raises(IndexError):  # of a row that nobody reads
        step(mg.tensor(np.full((3, 5), 9)))


def test_products_of_many_matrices_and_of_vectors():
    a, b = normal(3, 1, 5, 4), normal(2, 4, 7)
    assert shapes(lambda a, b: (a @ b)[1:, 1, 2, :3], a, b) == [(2, 1, 1, 3)]
    assert shapes(lambda a, b: (a @ b)[:, :, 1:3], a, normal(4)) == [(3, 1, 5)]


@pytest.mark.parametrize(
    ("causal", "part", "queries"),
    [
        (True, lambda y: y[:, :, -1], 1),
        (True, lambda y: y[:, :, 2], 5),  # a key that it does not see can be NaN
        (True, lambda y: y[:, :, 3:], 5),
        (True, lambda y: y[:, 1:], 5),
        (False, lambda y: y[:, :, 1:3], 2),
        (False, lambda y: y[:, 1:2, 4, :3], 1),
    ],
)
def test_a_part_of_attention(causal, part, queries):
    q, k, v = (normal(2, 4, 5, 8, seed=s) for s in range(3))

    def f(q, k, v):
        return part(F.scaled_dot_product_attention(q, k, v, is_causal=causal))

    assert [s[2] for s in shapes(f, q, k, v, ops=("attention",))] == [queries]


def test_more_keys_than_queries():
    q, k, v = normal(2, 3, 8), normal(2, 5, 8, seed=1), normal(2, 5, 8, seed=2)
    f = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, -1]
    assert shapes(f, q, k, v, ops=("attention",)) in ([], [(2, 3, 8)])


def test_values_that_are_not_numbers_stay_in_their_rows():
    x = normal(3, 5, 8)
    x.array[0, -1, 0], x.array[1, 2, 1], x.array[2, -1, 3] = math.nan, math.nan, math.inf
    assert shapes(lambda x: F.gelu(x @ W)[:, -1], x) == [(3, 1, 6)]
    q, v = normal(1, 2, 5, 8), normal(1, 2, 5, 8, seed=1)
    v.array[0, 0, 4] = math.nan
    f = lambda q, v: F.scaled_dot_product_attention(q, q, v, is_causal=True)[:, :, 2]
    shapes(f, q, v, ops=("attention",))


def test_a_training_step_whose_loss_reads_the_last_row():
    def made():
        first, second = nn.Linear(8, 6), nn.Linear(6, 4)
        for k, p in enumerate([*first.parameters(), *second.parameters()]):
            p.data.copy_(normal(*p.shape, seed=k))
        optimizer = mg.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)

        def train(x):
            loss = second(F.relu(first(x)))[:, -1].square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return train

    train, step = made(), Step(made())
    for _ in range(4):
        np.testing.assert_allclose(step(X).detach().array, train(X).detach().array, rtol=1e-5)
    verify(step)
