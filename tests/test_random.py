"""Random numbers: their bits, their distributions, generators and their state, and the masks of dropout."""

import copy
import pickle
import threading

import numpy as np
import pytest
import scipy.stats

import minigrad
from minigrad import backends
from minigrad.nn import functional as F
from minigrad.ops.random import reference_bits

N = 20_000


@pytest.fixture(autouse=True)
def _seeded():
    minigrad.manual_seed(1234)


def host(t):
    return backends.of(t.array).host(t.array)


# --------------------------------------------------------------------------------------------------------------------- bits
def test_philox_known_answer():
    """From the test vectors of Random123: counter 0, key 0."""
    expected = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert reference_bits((0, 0), 4).tolist() == expected
    assert backends.numpy.philox(np.array([0, 0]), count=4).tolist() == expected


@pytest.mark.parametrize("count", [1, 5, 5000, 70_001])
def test_bits_are_the_reference_at_every_size(count):
    key = np.array([77, 2**32 - 5])  # the counter's low word overflows on the way
    bits = backends.numpy.philox(key, count=count)
    assert bits.dtype == np.uint32
    some = np.unique(np.linspace(0, count - 1, 40).astype(int))
    assert [int(bits[i]) for i in some] == [int(reference_bits((77, 2**32 - 5 + i // 4), 4)[i % 4]) for i in some]


def test_bits_do_not_depend_on_the_kernel():
    key = np.array([-3, 9])
    with minigrad.kernels.use_kernels(False):
        text = minigrad.op.registry["philox"].body(backends.numpy, key, count=9001)
    np.testing.assert_array_equal(backends.numpy.philox(key, count=9001), text)


def test_same_numbers_on_every_device(device):
    def draws(where):
        minigrad.manual_seed(5)
        drawn = [
            minigrad.rand(7, device=where),
            minigrad.rand(7, dtype="float64", device=where),
            minigrad.randint(0, 100, (9,), device=where),
        ]
        return [*drawn, minigrad.randperm(11, device=where), F.dropout(minigrad.ones(50, device=where), 0.4)]

    for ours, cpu in zip(draws(device), draws("cpu")):
        np.testing.assert_array_equal(host(ours), host(cpu))


# --------------------------------------------------------------------------------------------------------------- generators
def test_seed_repeats_and_draws_differ():
    a, b = minigrad.rand(5), minigrad.rand(5)
    assert not (a == b).any()
    minigrad.manual_seed(1234)
    assert (minigrad.rand(5) == a).all()


def test_draws_do_not_overlap():
    whole = minigrad.rand(12)
    minigrad.manual_seed(1234)
    assert (minigrad.cat([minigrad.rand(4), minigrad.rand(8)]) == whole).all()


def test_shape_does_not_change_the_numbers():
    whole = minigrad.rand(6)
    minigrad.manual_seed(1234)
    assert (minigrad.rand(2, 3).flatten() == whole).all()


def test_generator_is_its_own_stream():
    g = minigrad.Generator().manual_seed(7)
    first = minigrad.rand(3, generator=g)
    minigrad.rand(100)
    second = minigrad.rand(3, generator=g)
    g.manual_seed(7)
    assert (minigrad.rand(3, generator=g) == first).all()
    assert (minigrad.rand(3, generator=g) == second).all()
    minigrad.manual_seed(7)
    assert (minigrad.rand(3) == first).all()


@pytest.mark.parametrize(
    "seed, kept", [(0, 0), (2**64 - 1, 2**64 - 1), (-1, 2**64 - 1), (-(2**63), 2**63), (np.int64(5), 5), (3.0, 3)]
)
def test_seeds(seed, kept):
    assert minigrad.manual_seed(seed) is minigrad.default_generator
    assert minigrad.initial_seed() == kept
    minigrad.rand(2)
    assert minigrad.initial_seed() == kept


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_out_of_range(seed):
    with pytest.raises(RuntimeError, match="Overflow when unpacking long"):
        minigrad.manual_seed(seed)


def test_seed_from_the_system():
    first, second = minigrad.seed(), minigrad.seed()
    assert first != second
    assert minigrad.initial_seed() == second
    assert 0 <= second < 2**53


def test_state():
    minigrad.rand(10)
    state = minigrad.get_rng_state()
    assert state.dtype is minigrad.uint8
    a = minigrad.randn(4)
    minigrad.set_rng_state(state)
    assert (minigrad.randn(4) == a).all()
    with pytest.raises(TypeError, match=r"must be a torch.ByteTensor of 16 elements"):
        minigrad.set_rng_state(minigrad.zeros(16))
    with pytest.raises(TypeError, match=r"must be a torch.ByteTensor"):
        minigrad.set_rng_state([1, 2])


def test_clone_copy_and_pickle():
    g = minigrad.Generator().manual_seed(3)
    minigrad.rand(5, generator=g)
    others = [g.clone_state(), copy.deepcopy(g), pickle.loads(pickle.dumps(g))]
    expected = minigrad.rand(5, generator=g)
    for other in others:
        assert other.initial_seed() == 3
        assert (minigrad.rand(5, generator=other) == expected).all()
    assert g.device == minigrad.device("cpu")
    assert "seed=3" in repr(g)


def test_fork():
    with minigrad.random.fork_rng():
        a = minigrad.rand(3)
        minigrad.manual_seed(99)
    assert (minigrad.rand(3) == a).all()
    state = minigrad.get_rng_state()
    with minigrad.random.fork_rng(enabled=False):
        minigrad.rand(3)
    assert (minigrad.get_rng_state() != state).any()


def test_threads_draw_different_numbers():
    keys = []

    def draw():
        keys.extend(minigrad.default_generator.key(4)[1] for _ in range(500))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(map(int, keys))) == 2000


# ----------------------------------------------------------------------------------------------------------- distributions
def fits(sample, distribution):
    assert scipy.stats.kstest(host(sample).astype(np.float64).ravel(), distribution).pvalue > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_continuous(dtype):
    d = {"dtype": dtype}
    fits(minigrad.rand(N, **d), scipy.stats.uniform.cdf)
    fits(minigrad.randn(N, **d), scipy.stats.norm.cdf)
    fits(minigrad.normal(2.0, 3.0, (N,), **d), scipy.stats.norm(2, 3).cdf)
    fits(minigrad.zeros(N, **d).uniform_(-2, 5), scipy.stats.uniform(-2, 7).cdf)
    fits(minigrad.zeros(N, **d).normal_(1, 0.5), scipy.stats.norm(1, 0.5).cdf)
    fits(minigrad.zeros(N, **d).exponential_(2.5), scipy.stats.expon(scale=1 / 2.5).cdf)
    fits(minigrad.zeros(N, **d).log_normal_(0.5, 0.75), scipy.stats.lognorm(0.75, scale=np.exp(0.5)).cdf)
    fits(minigrad.zeros(N, **d).cauchy_(1, 2), scipy.stats.cauchy(1, 2).cdf)


def test_normals_are_independent():
    z = host(minigrad.randn(2, N))
    assert abs(np.corrcoef(z[0], z[1])[0, 1]) < 0.03
    one = host(minigrad.randn(N))
    assert abs(np.corrcoef(one[: N // 2], one[N // 2 :])[0, 1]) < 0.03  # cosines and sines of the same pairs
    assert abs(np.corrcoef(one[:-1] ** 2, one[1:] ** 2)[0, 1]) < 0.03


def frequencies(values, expected):
    counts = np.bincount(host(values).astype(int).ravel(), minlength=len(expected))
    assert len(counts) == len(expected)
    assert (counts[np.asarray(expected) == 0] == 0).all()
    kept = np.asarray(expected) > 0
    assert scipy.stats.chisquare(counts[kept], np.asarray(expected)[kept] / np.sum(expected) * counts.sum()).pvalue > 1e-3


def test_discrete():
    frequencies(minigrad.randint(0, 7, (N,)), np.ones(7))
    frequencies(minigrad.randint(3, 6, (N,)) - 3, np.ones(3))
    frequencies(minigrad.zeros(N).random_(5), np.ones(5))
    frequencies(minigrad.zeros(N, dtype=minigrad.uint8).random_(), np.ones(256))
    frequencies(minigrad.zeros(N).bernoulli_(0.3), [0.7, 0.3])
    frequencies(minigrad.bernoulli(minigrad.full((N,), 0.8)), [0.2, 0.8])
    frequencies(minigrad.zeros(N).geometric_(0.4).clamp(max=6) - 1, [0.4 * 0.6**k for k in range(5)] + [0.6**5])
    frequencies(minigrad.stack([minigrad.randperm(5) for _ in range(2000)])[:, 2], np.ones(5))


def test_multinomial_frequencies():
    p = minigrad.tensor([0.1, 0.0, 0.6, 0.3, 0.0])
    frequencies(minigrad.multinomial(p, N, replacement=True), p.tolist())
    rows = minigrad.multinomial(p.expand(N // 4, 5), 1)
    frequencies(rows, p.tolist())
    first = minigrad.multinomial(p.expand(N // 4, 5), 3)
    assert all(sorted(row) == [0, 2, 3] for row in first.tolist())
    frequencies(first[:, 0], p.tolist())
    two = minigrad.multinomial(minigrad.tensor([[1.0, 0.0], [0.0, 1.0]]), 50, replacement=True)
    assert (two == minigrad.tensor([[0], [1]])).all()


def test_ranges():
    wide = minigrad.zeros(2000, dtype=minigrad.int64).random_()
    assert int(wide.min()) >= 0 and int(wide.max()) > 2**62
    signed = minigrad.zeros(2000, dtype=minigrad.int64).random_(-(2**62), 2**62)
    assert int(signed.min()) < -(2**61) and int(signed.max()) > 2**61
    assert set(minigrad.zeros(200, dtype=minigrad.bool).random_().tolist()) == {False, True}
    for dtype in ("float16", "bfloat16"):
        x = minigrad.rand(N, dtype=dtype).float()
        assert float(x.min()) >= 0 and float(x.max()) < 1
        whole = minigrad.zeros(500, dtype=dtype).random_().float()
        assert (whole == whole.round()).all()
    assert (minigrad.zeros(N).exponential_() > 0).all()


def test_new_tensors():
    assert minigrad.rand(2, 3).dtype is minigrad.float32
    assert minigrad.rand(2, dtype=minigrad.float64).dtype is minigrad.float64
    assert minigrad.randn(2, requires_grad=True).requires_grad
    assert minigrad.randint(5, (2,)).dtype is minigrad.int64
    assert minigrad.randint(0, 5, (2,), dtype=minigrad.float32).dtype is minigrad.float32
    assert minigrad.randint(high=5, size=(2,)).shape == (2,)
    assert minigrad.randint(2, high=3, size=(2,)).tolist() == [2, 2]
    assert minigrad.randperm(3, dtype=minigrad.int32).dtype is minigrad.int32
    assert sorted(minigrad.randperm(1000).tolist()) == list(range(1000))
    out = minigrad.zeros(3)
    assert minigrad.rand(3, out=out) is out and (out > 0).any()
    assert minigrad.randint_like(minigrad.zeros(4), 3, 4).tolist() == [3.0] * 4


def test_filling_a_parameter():
    w = minigrad.zeros(4, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        w.uniform_()
    with minigrad.no_grad():
        assert w.uniform_(-1, 1) is w
    assert w.is_leaf and w.requires_grad
    w.data.normal_()
    with pytest.raises(RuntimeError, match="not implemented for"):
        minigrad.zeros(3, dtype=minigrad.int64).normal_()
    assert minigrad.zeros(3).uniform_(**{"from": 2, "to": 3}).min() >= 2


# ----------------------------------------------------------------------------------------------------------------- dropout
def test_dropout_mask_is_recomputed():
    x = minigrad.ones(2000, requires_grad=True)
    y = F.dropout(x, 0.3)
    kept = y != 0
    assert abs(float(kept.float().mean()) - 0.7) < 0.05
    assert (y[kept] - 1 / 0.7).abs().max() < 1e-6
    node = y.grad_fn
    assert sum(a.size for a in node.saved if hasattr(a, "size")) == 2  # the key, and no mask
    minigrad.rand(3)  # other draws do not change the mask
    y.sum().backward()
    assert (x.grad == y).all()


def test_dropout_second_order():
    x = minigrad.rand(6, dtype="float64", requires_grad=True)

    def f(x):
        minigrad.manual_seed(0)
        return F.dropout(x * x, 0.5)

    assert minigrad.testing.gradcheck(f, (x,))
    assert minigrad.testing.gradgradcheck(f, (x,))


def test_dropout_limits():
    x = minigrad.ones(5, requires_grad=True)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.5, training=False) is x
    y = F.dropout(x, 1.0)
    y.sum().backward()
    assert y.tolist() == [0.0] * 5 and x.grad.tolist() == [0.0] * 5
    z = minigrad.ones(1000)
    assert F.dropout(z, 0.5, inplace=True) is z and (z == 0).any()


@pytest.mark.parametrize(
    "call, shape",
    [(F.dropout1d, (4, 8, 5)), (F.dropout2d, (4, 8, 3, 3)), (F.dropout3d, (4, 8, 2, 2, 2)), (F.feature_alpha_dropout, (4, 8, 5))],
)
def test_whole_channels(call, shape):
    y = host(call(minigrad.ones(*shape), 0.5, True)).reshape(32, -1)
    assert (y == y[:, :1]).all()
    assert len(set(y[:, 0].tolist())) == 2


def test_channels_without_batch():
    y = host(F.dropout2d(minigrad.ones(64, 3, 5, 5)[0:1].reshape(3, 5, 5).expand(3, 5, 5), 0.5)).reshape(3, 5, 5)
    assert (y == y[:, :, :1]).all()  # three dimensions are (N, C, L), as in PyTorch
    y = host(F.dropout1d(minigrad.ones(40, 6), 0.5))
    assert (y == y[:, :1]).all()
    with pytest.warns(UserWarning, match="received a 2D input"):
        assert F.dropout2d(minigrad.ones(40, 6), 0.5).shape == (40, 6)


def test_alpha_dropout_keeps_mean_and_variance():
    x = minigrad.randn(200, 200)
    y = F.alpha_dropout(x, 0.3, training=True)
    assert abs(float(y.mean())) < 0.03
    assert abs(float(y.var()) - 1) < 0.05
    assert (F.alpha_dropout(x, 1.0, True) == 0).all()


def test_gumbel_softmax():
    logits = minigrad.tensor([0.2, 0.5, 0.3]).log().expand(N // 4, 3)
    hard = F.gumbel_softmax(logits, hard=True)
    assert (hard.sum(-1) == 1).all()
    frequencies(hard.argmax(-1), [0.2, 0.5, 0.3])
    x = logits.clone().requires_grad_()
    soft = F.gumbel_softmax(x, tau=2.0)
    assert (soft.sum(-1) - 1).abs().max() < 1e-5
    (soft[:, 0] * soft[:, 1]).sum().backward()
    assert x.grad.abs().max() > 0


def test_rrelu_slopes():
    y = host(F.rrelu(-minigrad.ones(N), 0.2, 0.6, training=True))
    assert scipy.stats.kstest(-y, scipy.stats.uniform(0.2, 0.4).cdf).pvalue > 1e-3
