"""Engine mt19937 gives PyTorch's numbers: each function with the same text in both libraries, and the stream after it."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

import minigrad
from minigrad.random import set_default_engine

SIZES = [0, 1, 5, 15, 16, 17, 100, 1001]
SEEDS = [0, 7, 2**40 + 3]
HALVES = {"float16", "bfloat16"}


@pytest.fixture(autouse=True)
def _engine():
    before, state = minigrad.default_generator.engine, minigrad.get_rng_state()
    yield
    set_default_engine(before)
    minigrad.set_rng_state(state)


@pytest.fixture
def torch():
    import torch

    return torch


def host(x):
    """Numbers of either library as a NumPy array of its dtype, bfloat16 as float32."""
    if isinstance(x, list | tuple):
        return np.concatenate([host(part).astype(np.float64).reshape(-1) for part in x]) if x else np.zeros(0)
    if hasattr(x, "detach"):
        x = x.detach()
        return (x.float() if str(x.dtype).endswith("bfloat16") else x).numpy()
    return np.asarray(x)


def same(call, torch, seed, close=False):
    """``call(library)`` in both libraries gives the same numbers, and leaves the stream at the same place."""
    torch.manual_seed(seed)
    minigrad.manual_seed(seed, engine="mt19937")
    expected, got = call(torch), call(minigrad)
    dtype = str(getattr(expected, "dtype", "")).removeprefix("torch.")
    assert dtype == str(getattr(got, "dtype", "")).removeprefix("minigrad.")
    expected, got = host(expected), host(got)
    assert expected.shape == got.shape
    if close:
        scale = {"float64": 1e-14, "float16": 1e-3, "bfloat16": 8e-3}.get(dtype, 5e-7)
        np.testing.assert_allclose(got, expected, rtol=2 * scale, atol=scale)
    else:
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(host(minigrad.rand(3)), host(torch.rand(3)), "the stream after the call")
    np.testing.assert_array_equal(host(minigrad.randn(1)), host(torch.randn(1)), "the normal number that waits")


def _sized(name, *args, **kwargs):
    return lambda t, n: getattr(t.empty(n, dtype=getattr(t, kwargs.get("dtype", "float32"))), name)(*args)


def _tensor(t, n, dtype="float32"):
    """Numbers that both libraries compute alike, from 0 to 1."""
    return (t.arange(n, dtype=t.float64) * 0.37 % 1.0).to(getattr(t, dtype))


FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
EXACT = {
    **{f"rand {d}": lambda t, n, d=d: t.rand(n, dtype=getattr(t, d)) for d in FLOATS},
    **{f"uniform_ {d}": _sized("uniform_", -0.3, 0.7, dtype=d) for d in FLOATS},
    "uniform_ of one point": _sized("uniform_", 2, 2),
    "rand_like": lambda t, n: t.rand_like(t.zeros(n)),
    "rand_like transposed": lambda t, n: t.rand_like(t.zeros(n, 3).t()),
    "rand_like permuted": lambda t, n: t.rand_like(t.zeros(2, n, 3).permute(2, 0, 1)),
    "rand_like expanded": lambda t, n: t.rand_like(t.zeros(2, n, 1).expand(2, n, 3).transpose(0, 1)),
    "uniform_ transposed": lambda t, n: t.empty(n, 3).t().uniform_(),
    "uniform_ of every other": lambda t, n: t.zeros(n, 4)[:, ::2].uniform_(),
    "uniform_ of a 0-d tensor": lambda t, n: t.empty(()).uniform_(1, n + 2),
    **{f"randint {h}": lambda t, n, h=h: t.randint(-5, h, (n,)) for h in (7, 2**28 - 6, 2**28 - 5, 2**32, 2**40, 2**63 - 1)},
    "randint of all": lambda t, n: t.randint(-(2**63), 2**63 - 1, (n,)),
    "randint float": lambda t, n: t.randint(10, (n,), dtype=t.float32),
    "randint int8": lambda t, n: t.randint(-128, 128, (n,), dtype=t.int8),
    "randint_like": lambda t, n: t.randint_like(t.zeros(n, 3).t(), 3, 9),
    **{f"random_ {d}": _sized("random_", dtype=d) for d in [*FLOATS, *INTEGERS, "bool"]},
    **{f"random_ to {d}": _sized("random_", 100, dtype=d) for d in [*FLOATS, *INTEGERS]},
    **{f"random_ from {d}": _sized("random_", 3, None, dtype=d) for d in [*FLOATS, *INTEGERS]},
    "random_ from to": _sized("random_", -100, 2**35, dtype="int64"),
    "random_ from the least": _sized("random_", -(2**63), None, dtype="int64"),
    "random_ float beyond its digits": _sized("random_", 2**26 + 3),
    "random_ half beyond its digits": _sized("random_", -5001, 5000, dtype="float16"),
    "randperm": lambda t, n: t.randperm(n),
    "randperm int32": lambda t, n: t.randperm(n, dtype=t.int32),
    **{f"bernoulli_ {d}": _sized("bernoulli_", 0.3, dtype=d) for d in [*FLOATS, "int64", "bool"]},
    **{f"bernoulli_ {p}": _sized("bernoulli_", p) for p in (0.0, 1.0)},
    **{f"bernoulli {d}": lambda t, n, d=d: t.bernoulli(_tensor(t, n, d)) for d in FLOATS},
    "bernoulli p": lambda t, n: t.bernoulli(t.zeros(n), 0.3),
    "bernoulli of 0 and 1": lambda t, n: t.bernoulli(t.arange(n) % 2 * 1.0),
    "bernoulli transposed": lambda t, n: t.bernoulli(_tensor(t, 3 * n).reshape(n, 3).t()),
    "bernoulli_ of tensor": lambda t, n: t.empty(2, n).bernoulli_(_tensor(t, n)),
    "bernoulli_ of float64": lambda t, n: t.empty(2, n).bernoulli_(_tensor(t, n, "float64")),
    "bernoulli_ int64 of tensor": lambda t, n: t.empty(n, dtype=t.int64).bernoulli_(_tensor(t, n)),
    **{f"geometric_ {d}": _sized("geometric_", 0.3, dtype=d) for d in ["float32", "float64", "int64"]},
    "generator": lambda t, n: t.rand(n, generator=t.Generator("cpu").manual_seed(n + 3)),
    "generator unseeded": lambda t, n: t.rand(n, generator=t.Generator(device=t.device("cpu"))),
    "rand out": lambda t, n: t.rand(n, out=t.empty(n)),
    "several": lambda t, n: [t.rand(n), t.randn(5) * 0, t.randperm(n), t.randn(2) * 0, t.randint(9, (n,)), t.rand(n)],
}
CLOSE = {
    **{f"randn {d}": lambda t, n, d=d: t.randn(n, dtype=getattr(t, d)) for d in FLOATS},
    **{f"normal_ {d}": _sized("normal_", 0.5, 2.0, dtype=d) for d in FLOATS},
    "randn twice": lambda t, n: [t.randn(n), t.randn(3), t.randn(n)],
    "randn_like": lambda t, n: t.randn_like(t.zeros(n, 2)),
    "randn_like transposed": lambda t, n: t.randn_like(t.zeros(n, 3).t()),
    "normal_ transposed": lambda t, n: t.empty(n, 3).t().normal_(),
    "normal_ of every other": lambda t, n: t.zeros(n, 4)[:, ::2].normal_(1.0, 3.0),
    "normal of numbers": lambda t, n: t.normal(1.0, 2.0, (n,)),
    "normal of tensors": lambda t, n: t.normal(_tensor(t, n), _tensor(t, n) + 1.0),
    "normal of mean": lambda t, n: t.normal(_tensor(t, n), 2.0),
    "normal of std": lambda t, n: t.normal(2.0, _tensor(t, n)),
    "normal of float64 and float32": lambda t, n: t.normal(_tensor(t, n, "float64"), _tensor(t, n)),
    "normal of float32 and float64": lambda t, n: t.normal(_tensor(t, n), _tensor(t, n, "float64")),
    **{f"exponential_ {d}": _sized("exponential_", 2.5, dtype=d) for d in FLOATS},
    **{f"log_normal_ {d}": _sized("log_normal_", 0.5, 0.25, dtype=d) for d in FLOATS},
    **{f"cauchy_ {d}": lambda t, n, d=d: t.empty(n, dtype=getattr(t, d)).cauchy_(1, 2).clamp(-99, 99) for d in FLOATS[:2]},
    "randn complex": lambda t, n: t.view_as_real(t.randn(n, dtype=t.complex64)),
    "rand complex": lambda t, n: t.view_as_real(t.rand(n, dtype=t.complex64)),
    "exponential_ transposed": lambda t, n: t.empty(n, 3).t().exponential_(),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", [*EXACT, *CLOSE])
@pytest.mark.filterwarnings("ignore:(from|to).* is out of bounds:UserWarning")
def test_draws(name, torch):
    call = EXACT.get(name) or CLOSE[name]
    for n in SIZES:
        for seed in SEEDS if n in (5, 17) else SEEDS[:1]:
            same(partial(call, n=n), torch, seed, name in CLOSE)


def _f(t):
    return t.nn.functional


def _ones(t, *shape, dtype="float32"):
    return t.ones(*shape, dtype=getattr(t, dtype))


LAYERS_THAT_DRAW = {
    **{f"dropout {d}": lambda t, d=d: _f(t).dropout(_ones(t, 7, 9, dtype=d), 0.3) for d in FLOATS},
    **{f"dropout {p}": lambda t, p=p: _f(t).dropout(_ones(t, 7, 9), p) for p in (0.0, 0.1, 1.0)},
    "dropout of nothing": lambda t: _f(t).dropout(_ones(t, 0, 9), 0.3),
    "dropout evaluated": lambda t: _f(t).dropout(_ones(t, 9), 0.3, training=False),
    "dropout in place": lambda t: _f(t).dropout(_ones(t, 9), 0.3, inplace=True),
    "dropout transposed": lambda t: _f(t).dropout(_tensor(t, 63).reshape(7, 9).t(), 0.3),
    "dropout expanded": lambda t: _f(t).dropout(_ones(t, 7, 1).expand(7, 9), 0.3),
    "dropout1d": lambda t: _f(t).dropout1d(_ones(t, 5, 7, 3), 0.3),
    "dropout1d without batch": lambda t: _f(t).dropout1d(_ones(t, 7, 3), 0.3),
    "dropout2d": lambda t: _f(t).dropout2d(_ones(t, 5, 7, 3, 2), 0.3),
    "dropout2d of 0": lambda t: _f(t).dropout2d(_ones(t, 5, 7, 3, 2), 0.0),
    "dropout2d of 1": lambda t: _f(t).dropout2d(_ones(t, 5, 7, 3, 2), 1.0),
    "dropout3d": lambda t: _f(t).dropout3d(_ones(t, 5, 7, 3, 2, 2), 0.3),
    "dropout3d without batch": lambda t: _f(t).dropout3d(_ones(t, 7, 3, 2, 2), 0.3),
    **{f"alpha_dropout {p}": lambda t, p=p: _f(t).alpha_dropout(_tensor(t, 50), p, True) for p in (0.0, 0.3, 1.0)},
    "alpha_dropout transposed": lambda t: _f(t).alpha_dropout(_tensor(t, 63).reshape(7, 9).t(), 0.3, True),
    "feature_alpha_dropout": lambda t: _f(t).feature_alpha_dropout(_tensor(t, 60).reshape(4, 5, 3), 0.3, True),
    "feature_alpha_dropout of a matrix": lambda t: _f(t).feature_alpha_dropout(_tensor(t, 20).reshape(5, 4).t(), 0.3, True),
    "rrelu": lambda t: _f(t).rrelu(_tensor(t, 50) - 0.5, 0.1, 0.3, True),
    "rrelu float64": lambda t: _f(t).rrelu(_tensor(t, 50, "float64") - 0.37, 0.1, 0.3, True),
    "gumbel_softmax": lambda t: _f(t).gumbel_softmax(_tensor(t, 50).reshape(5, 10)),
    "gumbel_softmax hard": lambda t: _f(t).gumbel_softmax(_tensor(t, 50).reshape(5, 10), tau=0.5, hard=True),
    "attention": lambda t: _f(t).scaled_dot_product_attention(
        *[_tensor(t, 192).reshape(2, 3, 4, 8) * k for k in (1.0, 2.0, 3.0)], dropout_p=0.3
    ),
    "causal attention": lambda t: _f(t).scaled_dot_product_attention(
        *[_tensor(t, 192).reshape(2, 3, 4, 8) * k for k in (1.0, 2.0, 3.0)], dropout_p=0.3, is_causal=True
    ),
    "MultiheadAttention": lambda t: t.nn.MultiheadAttention(8, 2, dropout=0.4)(*[_tensor(t, 96).reshape(4, 3, 8)] * 3)[0],
    "MultiheadAttention without weights": lambda t: t.nn.MultiheadAttention(8, 2, dropout=0.4, batch_first=True)(
        *[_tensor(t, 96).reshape(4, 3, 8)] * 3, need_weights=False
    )[0],
    "TransformerEncoderLayer": lambda t: t.nn.TransformerEncoderLayer(8, 2, 16)(_tensor(t, 96).reshape(4, 3, 8)),
    "TransformerDecoderLayer": lambda t: t.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)(
        *[_tensor(t, 96).reshape(4, 3, 8)] * 2
    ),
    **{
        f"{name} {options}": lambda t, name=name, options=options: getattr(t.nn, name)(5, 4, 3, dropout=0.4, **options)(
            _tensor(t, 60).reshape(4, 3, 5)
        )[0]
        for name in ("RNN", "LSTM", "GRU")
        for options in ({}, {"bidirectional": True}, {"batch_first": True})
    },
    "LSTM packed": lambda t: (
        t.nn.LSTM(5, 4, 2, dropout=0.4)(t.nn.utils.rnn.pack_padded_sequence(_tensor(t, 60).reshape(4, 3, 5), [4, 3, 1]))[0].data
    ),
    **{
        f"multinomial {options}": lambda t, options=options: t.multinomial(_tensor(t, 27).reshape(3, 9) + 0.1, *options)
        for options in ((1,), (4,), (9,), (1, True), (40, True))
    },
    "multinomial of a row": lambda t: t.multinomial(_tensor(t, 9), 5),
    "multinomial transposed": lambda t: t.multinomial(_tensor(t, 27).reshape(9, 3).t() + 0.1, 2),
    "multinomial with zeros": lambda t: t.multinomial(t.tensor([0.0, 3.0, 0.0, 1.0]), 20, True),
    "multinomial float64": lambda t: t.multinomial(_tensor(t, 9, "float64"), 30, True),
    "poisson": lambda t: t.poisson(_tensor(t, 60) * t.tensor([0.0, 1.0, 9.0, 12.0, 300.0]).repeat(12)),
    "poisson float64": lambda t: t.poisson(_tensor(t, 60, "float64") * 40.0),
    "binomial": lambda t: t.binomial((_tensor(t, 60) * 100.0).floor(), _tensor(t, 60)),
    "gamma": lambda t: t._standard_gamma(_tensor(t, 60) * 3.0 + 0.1),
    "gamma float64": lambda t: t._standard_gamma(_tensor(t, 60, "float64") * 3.0 + 0.1),
    "dirichlet": lambda t: t._sample_dirichlet(_tensor(t, 60).reshape(12, 5) + 0.1),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", LAYERS_THAT_DRAW)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_layers_that_draw(name, torch):
    for seed in SEEDS:
        same(LAYERS_THAT_DRAW[name], torch, seed, close=True)


# ----------------------------------------------------------------------------------------------------------- first values
INITIALISERS = {
    "uniform_": (-1.0, 2.0),
    "normal_": (1.0, 2.0),
    "trunc_normal_": (),
    "trunc_normal_ narrow": (0.5, 2.0, -1.0, 1.0),
    "trunc_normal_ tail": (0.0, 1.0, 1.5, 1.6),
    "trunc_normal_ small": (0.0, 0.02),
    "xavier_uniform_": (2.0,),
    "xavier_normal_": (),
    "kaiming_uniform_": (0.5,),
    "kaiming_normal_": (0, "fan_out", "relu"),
    "orthogonal_": (),
    "sparse_": (0.4,),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", INITIALISERS)
def test_initialisers(name, torch):
    def call(t, shape, own_generator=False):
        where = {"generator": t.Generator().manual_seed(3)} if own_generator else {}
        return getattr(t.nn.init, name.split()[0])(t.empty(*shape), *INITIALISERS[name], **where)

    for seed in SEEDS:
        for shape in ((3, 5), (5, 3), (20, 30)):
            same(partial(call, shape=shape), torch, seed, close=True)
            same(partial(call, shape=shape, own_generator=True), torch, seed, close=True)


MODULES = {
    "Linear": (5, 4), "Bilinear": (3, 4, 5), "LazyLinear": None, "Embedding": (7, 5, 2), "EmbeddingBag": (7, 5),
    "Conv1d": (4, 6, 3), "Conv2d": (4, 6, 3, 1, 0, 1, 2), "Conv3d": (2, 3, 3), "ConvTranspose1d": (4, 6, 3),
    "ConvTranspose2d": (4, 6, 3), "ConvTranspose3d": (2, 3, 3), "RNN": (5, 4, 2, "relu"), "LSTM": (5, 4, 2), "GRU": (5, 4, 2),
    "RNNCell": (5, 4), "LSTMCell": (5, 4), "GRUCell": (5, 4), "MultiheadAttention": (8, 2), "TransformerEncoderLayer": (8, 2, 16),
    "TransformerDecoderLayer": (8, 2, 16), "Transformer": (8, 2, 2, 2, 16), "PReLU": (3,), "BatchNorm1d": (4,),
    "LayerNorm": (4,), "GroupNorm": (2, 4), "AdaptiveLogSoftmaxWithLoss": (8, 20, [5, 10]),
}  # fmt: skip
OPTIONS = {
    "MultiheadAttention": [{"add_bias_kv": True}, {"kdim": 3, "vdim": 5}, {"bias": False}],
    "LSTM": [{"bidirectional": True, "proj_size": 2}, {"bias": False}],
    "Linear": [{"bias": False}],
    "Conv2d": [{"bias": False}],
    "TransformerEncoderLayer": [{"norm_first": True, "bias": False}],
}


@pytest.mark.parity
@pytest.mark.parametrize("name", [m for m in MODULES if MODULES[m] is not None])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_first_values_of_layers(name, torch):
    def call(t, options):
        state = getattr(t.nn, name)(*MODULES[name], **options).state_dict()
        return [state[key] for key in sorted(state)]

    for options in [{}, *OPTIONS.get(name, [])]:
        same(partial(call, options=options), torch, 7, close=True)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
def test_first_values_of_stacked_and_lazy_layers(torch):
    def model(t):
        nn = t.nn
        layers = nn.Sequential(nn.LazyLinear(6), nn.LazyBatchNorm1d(), nn.ReLU(), nn.Linear(6, 4), nn.Dropout(0.3))
        encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
        return encoder(layers(_tensor(t, 20).reshape(4, 5)).reshape(4, 1, 4))

    same(model, torch, 3, close=True)


@pytest.mark.parity
@pytest.mark.parametrize("older", [False, True])
def test_spectral_norm(older, torch):
    def call(t, layer, shape):
        utils = t.nn.utils
        norm = utils.spectral_norm if older else utils.parametrizations.spectral_norm
        return norm(getattr(t.nn, layer)(*((5, 4) if layer == "Linear" else (3, 4, 3))))(_tensor(t, 150).reshape(*shape))

    for layer, shape in (("Linear", (30, 5)), ("Conv2d", (2, 3, 5, 5)), ("ConvTranspose2d", (2, 3, 5, 5))):
        same(partial(call, layer=layer, shape=shape), torch, 7, close=True)


# -------------------------------------------------------------------------------------------------------------------- data
def _utils(t):
    return t.utils.data


LOADERS = {
    "in order": lambda t, g: list(_utils(t).DataLoader(range(10), 3)),
    "shuffled": lambda t, g: [b for _ in range(2) for b in _utils(t).DataLoader(range(10), 3, shuffle=True)],
    "shuffled by a generator": lambda t, g: [
        b for loader in [_utils(t).DataLoader(range(10), 3, shuffle=True, generator=g)] for _ in range(2) for b in loader
    ],
    "broken off": lambda t, g: [
        next(iter(_utils(t).DataLoader(range(10), 3, shuffle=True, generator=g))),
        t.rand(2, generator=g),
    ],
    "drop_last": lambda t, g: list(_utils(t).DataLoader(range(10), 3, shuffle=True, drop_last=True)),
    "RandomSampler": lambda t, g: [*_utils(t).RandomSampler(range(9), generator=g), t.rand(2, generator=g)],
    "RandomSampler of more": lambda t, g: [*_utils(t).RandomSampler(range(9), False, 20, g), t.rand(2, generator=g)],
    "RandomSampler with replacement": lambda t, g: [*_utils(t).RandomSampler(range(9), True, 70, g), t.rand(2, generator=g)],
    "RandomSampler with replacement, whole": lambda t, g: [*_utils(t).RandomSampler(range(9), True, 64), t.rand(2)],
    "SubsetRandomSampler": lambda t, g: list(_utils(t).SubsetRandomSampler([3, 5, 7, 9, 11])),
    "WeightedRandomSampler": lambda t, g: list(_utils(t).WeightedRandomSampler([0.1, 0.5, 0.2, 3.0], 20)),
    "WeightedRandomSampler without": lambda t, g: list(_utils(t).WeightedRandomSampler([0.1, 0.5, 3.0], 2, False, g)),
    "random_split": lambda t, g: [i for part in _utils(t).random_split(range(20), [0.7, 0.3]) for i in part.indices],
    "random_split by a generator": lambda t, g: [i for p in _utils(t).random_split(range(20), [15, 5], g) for i in p.indices],
}


@pytest.mark.parity
@pytest.mark.parametrize("name", LOADERS)
def test_orders_of_data(name, torch):
    for seed in SEEDS:
        same(lambda t: LOADERS[name](t, t.Generator().manual_seed(11)), torch, seed)


class Drawing:
    """A dataset whose samples are random numbers of the worker."""

    def __init__(self, library):
        self.library = library

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return np.array([float(self.library.rand(1)), np.random.rand()])


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_workers_draw_as_in_pytorch(torch):
    same(lambda t: list(_utils(t).DataLoader(Drawing(t), 2, num_workers=1)), torch, 5)


# ------------------------------------------------------------------------------------------------------------------- states
@pytest.mark.parity
def test_states_can_be_exchanged(torch):
    for drawn in (0, 1, 5, 623, 624, 625, 2000):
        torch.manual_seed(9)
        minigrad.manual_seed(9, engine="mt19937")
        torch.rand(drawn), minigrad.rand(drawn)
        torch.randn(1), minigrad.randn(1)  # one normal number waits
        ours, theirs = minigrad.get_rng_state(), torch.get_rng_state()
        assert ours.shape == theirs.shape and ours.dtype is minigrad.uint8
        expected = [host(torch.randn(4)), host(torch.rand(700))]
        minigrad.set_rng_state(minigrad.tensor(theirs.tolist(), dtype=minigrad.uint8))
        torch.set_rng_state(torch.tensor(ours.tolist(), dtype=torch.uint8))
        for library in (minigrad, torch):
            for drawn_after, now in zip(expected, [host(library.randn(4)), host(library.rand(700))]):
                np.testing.assert_allclose(now, drawn_after, rtol=1e-6)
        assert minigrad.initial_seed() == torch.initial_seed() == 9


def test_state_clone_copy_and_pickle():
    g = minigrad.Generator(engine="mt19937").manual_seed(3)
    minigrad.rand(700, generator=g), minigrad.randn(1, generator=g)
    others = [g.clone_state(), copy.deepcopy(g), pickle.loads(pickle.dumps(g))]
    state, expected = g.get_state(), minigrad.randn(3, generator=g)
    for other in [*others, g.set_state(state)]:
        assert other.engine == "mt19937" and other.initial_seed() == 3
        assert (minigrad.randn(3, generator=other) == expected).all()
    assert "mt19937" in repr(g) and "seed=3" in repr(g)


def test_fork():
    minigrad.manual_seed(1, engine="mt19937")
    with minigrad.random.fork_rng():
        inside = minigrad.randn(20)
        minigrad.manual_seed(99, engine="philox")
    assert minigrad.default_generator.engine == "mt19937"
    assert (minigrad.randn(20) == inside).all()


def test_choosing_an_engine():
    minigrad.manual_seed(5, engine="philox")
    philox = minigrad.rand(3)
    assert set_default_engine("mt19937") == "philox"
    assert minigrad.Generator().engine == "mt19937" and minigrad.initial_seed() == 5
    twister = minigrad.rand(3)
    assert not (twister == philox).any()
    assert set_default_engine("philox") == "mt19937"
    after = minigrad.rand(3)  # each goes on where it was
    set_default_engine("mt19937")
    again = minigrad.rand(3)
    assert minigrad.manual_seed(5).engine == "mt19937"
    assert (minigrad.rand(6) == minigrad.cat([twister, again])).all()
    set_default_engine("philox")  # and manual_seed starts both over
    assert (minigrad.rand(3) == philox).all() and (minigrad.rand(3) == after).all()
    assert minigrad.Generator(engine="mt19937").engine == "mt19937" and minigrad.Generator().engine == "philox"
    with pytest.raises(ValueError, match="engine must be one of philox, mt19937"):
        minigrad.manual_seed(0, engine="other")
    with pytest.raises(TypeError, match="ByteTensor of 16 elements, or 5056"):
        minigrad.set_rng_state(minigrad.zeros(5056))


# ----------------------------------------------------------------------------------------------- numbers known beforehand
def test_known_words():
    """The 10000th word of the reference implementation with seed 5489 is 4123659995."""
    twister = minigrad.mt19937.Twister(5489)
    assert int(twister.words(10_000)[-1]) == 4123659995
    twister.seed(5489)
    for _ in range(9_999):
        last = twister.words(1)
    assert int(twister.words(1)[0]) == 4123659995 and int(last[0]) != 4123659995


GOLDEN = {
    "rand": (lambda t: t.rand(3), [0.49625659, 0.768221796, 0.0884774327]),
    "randn": (lambda t: t.randn(3), [1.54099607, -0.293428898, -2.17878938]),
    "randn of 16": (lambda t: t.randn(16)[:3], [-1.12583983, -1.1523602, -0.250578582]),
    "randint": (lambda t: t.randint(0, 10, (5,)), [4, 9, 3, 0, 3]),
    "randperm": (lambda t: t.randperm(6), [2, 5, 3, 0, 1, 4]),
    "bernoulli_": (lambda t: t.empty(6).bernoulli_(0.5), [0, 0, 1, 0, 0, 0]),
    "exponential_": (lambda t: t.empty(2).exponential_(), [3.50832629, 1.23038471]),
    "multinomial": (lambda t: t.multinomial(t.ones(5), 3), [2, 4, 1]),
    "Linear": (
        lambda t: t.nn.Linear(2, 2).weight.detach().reshape(-1),
        [-0.00529398117, 0.379322886, -0.581980765, -0.520387471],
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_recorded_numbers(name):
    call, expected = GOLDEN[name]
    minigrad.manual_seed(0, engine="mt19937")
    np.testing.assert_allclose(host(call(minigrad)), expected, rtol=1e-6)


# ------------------------------------------------------------------------------------------------------ traces, threads
def test_a_trace_draws_anew_at_each_call():
    F = minigrad.nn.functional

    def step(x):
        return F.dropout(x, 0.5) + minigrad.rand(50)

    x = minigrad.ones(50)
    minigrad.manual_seed(2, engine="mt19937")
    eager = [step(x) for _ in range(3)]
    minigrad.manual_seed(2)
    traced = minigrad.compile.Step(step)
    for expected in eager:
        assert (traced(x) == expected).all()


def test_a_compiled_function_is_traced_again_when_the_engine_changes():
    def draw(x):
        return x + minigrad.rand(5)

    compiled = minigrad.compile.Step(draw)
    for engine in ("mt19937", "philox", "mt19937"):
        minigrad.manual_seed(2, engine=engine)
        numbers = [compiled(minigrad.ones(5)).numpy() for _ in range(3)]
        minigrad.manual_seed(2, engine=engine)
        np.testing.assert_array_equal(numbers, [draw(minigrad.ones(5)).numpy() for _ in range(3)])


@pytest.mark.parametrize(
    "call", [lambda x: minigrad.poisson(x), lambda x: minigrad.nn.functional.rrelu(x, training=True)], ids=["poisson", "rrelu"]
)
def test_a_trace_refuses_draws_that_depend_on_values(call):
    minigrad.manual_seed(2, engine="mt19937")
    with pytest.raises(minigrad.errors.TraceError, match="depends on the values of a tensor"):
        minigrad.compile.trace(call, minigrad.ones(3))


def test_gradient_of_dropout():
    minigrad.manual_seed(0, engine="mt19937")
    x = minigrad.ones(200, requires_grad=True)
    y = minigrad.nn.functional.dropout(x, 0.25)
    y.sum().backward()
    assert (x.grad == y).all() and set(y.tolist()) == {0.0, float(np.float32(4 / 3))}
    p = minigrad.full((4,), 0.5, requires_grad=True)
    (minigrad.bernoulli(p) + minigrad.normal(p, p) + minigrad.poisson(p)).sum().backward()
    assert p.grad.tolist() == [0.0] * 4


def test_same_numbers_on_every_device(device):
    def draws(where):
        minigrad.manual_seed(5, engine="mt19937")
        x = minigrad.ones(20, device=where)
        return [
            minigrad.rand(7, device=where),
            minigrad.randn_like(x),
            minigrad.randperm(9, device=where),
            minigrad.nn.functional.dropout(x, 0.4),
            x.clone().exponential_(),
            minigrad.multinomial(x, 4),
            minigrad.poisson(x),
        ]

    for ours, cpu in zip(draws(device), draws("cpu")):
        np.testing.assert_allclose(host(ours.to("cpu")), host(cpu), rtol=1e-6)
