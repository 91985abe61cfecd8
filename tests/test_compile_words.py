"""Words that a compiled step writes out, reads through or hands to a kernel: none of them is a call from Python."""

import math

import numpy as np
import pytest
from test_compile_emit import DTYPES, FINITE, SPECIAL, _private_cache, compare, compiled, flat, normal, tensor  # noqa: F401

import minigrad as mg
from minigrad import nn
from minigrad.compile import Step
from minigrad.errors import BoundsError
from minigrad.nn import functional as F

pytestmark = pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU")
ALL = math.inf


def follows(f, *examples, outside=0, **how):
    """The Step of ``f``, which gives what ``f`` gives; ``outside``: how many calls it makes from Python."""
    step = compiled(f, *examples, **how)
    count = int(step.report().splitlines()[0].split(", ")[-1].split()[0])
    assert count == outside, step.report()
    return step


def with_gradient(f):
    """The values of ``f(x)`` and the gradient of their weighted sum."""

    def run(x):
        x = x.detach().requires_grad_()
        y = f(x)
        y.backward(mg.arange(y.numel()).reshape(y.shape).to(y.dtype) * 0.1 + 1.0)
        return y.detach(), x.grad

    return run


SHAPED = {
    "roll": lambda x: x.roll((1, -4, 3), (0, 2, 0)),
    "stack": lambda x: mg.stack([x, x * 2, x.flip(0)], 1),
    "diagonal": lambda x: x.diagonal(1, 0, 2) * 3,
    "diagonal below": lambda x: x.diagonal(-2, 1, 2) * 3,
    "diag_embed": lambda x: mg.diag_embed(x, 1),
    "tril": lambda x: x.tril(-1) + x.triu(2),
    "windows": lambda x: x.unfold(1, 3, 2) * 2,
    "image": lambda x: F.unfold(x[None], (2, 3), dilation=(1, 2), padding=1, stride=(2, 1)),
    "nearest": lambda x: F.interpolate(x[None], size=(3, 7)),
    "bilinear": lambda x: F.interpolate(x[None], scale_factor=2, mode="bilinear"),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "shuffle": lambda x: F.pixel_shuffle(x[:, :4].reshape(1, 4, 3, 5), 2),
    "reflected": lambda x: F.pad(x, (2, 1), mode="reflect"),
    "cumsum": lambda x: x.cumsum(1) + x.cumsum(2),
    "cumprod": lambda x: x.cumprod(0) + x.cumprod(-1),
    "prod": lambda x: x.prod(1),
    "max": lambda x: x.max(1)[0] + x.min(-1)[0].sum(),
    "norms": lambda x: x.norm(dim=1) + x.norm(1, dim=1) + x.norm(ALL, dim=1) + x.std(1) + x.var() + x.logsumexp(1),
    "bounds": lambda x: x.clamp(-0.5, 0.5) + x.clamp(min=0.1) * x.clamp(max=0.2) + x.clamp(x - 1, x * 0 + 0.3),
    "normalize": lambda x: F.normalize(x, dim=1) + F.cosine_similarity(x, x.roll(1, 0), dim=1)[:, None],
    "logaddexp": lambda x: mg.logaddexp(x, x * 2 + 1),
}


@pytest.mark.parametrize("name", SHAPED)
def test_no_call_from_python(name):
    follows(with_gradient(SHAPED[name]), normal(3, 5, 5), rtol=1e-5, atol=1e-5)


CLASSES = normal(6, seed=4).abs()
LOSSES = {
    "weights": lambda x, t: F.cross_entropy(x, t, weight=CLASSES, label_smoothing=0.1),
    "nll": lambda x, t: F.nll_loss(F.log_softmax(x, -1), t, weight=CLASSES, ignore_index=2),
    "one_hot": lambda x, t: (F.one_hot(t, 6) * x.sigmoid()).sum(),
    "gather": lambda x, t: x.gather(1, t[:, None]).sum() + x.take_along_dim(t[:, None] % 2, 0).square().sum(),
    "margin": lambda x, t: F.multi_margin_loss(x, t),
    "triplet": lambda x, t: F.triplet_margin_loss(x, x.detach() + 1, x.detach().roll(1, 0)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    t = tensor([0, 5, 2, 1, 2, 3, 3, 0], "int64")
    follows(with_gradient(lambda x: LOSSES[name](x, t)), normal(8, 6), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------------- numbers
@pytest.mark.parametrize("dtype", DTYPES)
def test_remainders_bounds_and_places_of_special_numbers(dtype):
    x, y = (tensor(v, dtype) for v in np.array([(a, b) for a in SPECIAL for b in SPECIAL]).T)

    def f(x, y):
        divided = mg.fmod(x, y), x % y, x // y, x % 0.7, x // -0.3, 2.0 // x, 2.0 % x
        bounded = x.clamp(-1, 1), x.clamp(y, y + 1), x.clamp(min=math.nan), mg.logaddexp(x, y), mg.signbit(x)
        rows = x.reshape(12, 12)
        return divided, bounded, (rows.argmax(1), rows.argmin(1), rows.argmax(0), rows.argmin(0), x.argmax(), x.argmin())

    follows(f, x, y, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_division_and_bits_of_integers(dtype):
    limits = np.iinfo(dtype)
    x = tensor([limits.max, limits.min, limits.min + 1, 0, 1, 7, 250 % limits.max], dtype)

    def f(x):
        return x // 3, x % 7, mg.fmod(x, 5), x & 6, x | 9, x ^ x * 3, ~x, x << 3, x >> 2, x > x // 2

    follows(f, x, rtol=0)


@pytest.mark.parametrize("n", [255, 256, 257, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_places_of_extremes_in_long_rows(n, dtype):
    x = normal(4, n).array.astype(dtype)
    x[1, n - 1] = x[1, 3] = 9.0  # the first of two
    x[2, 2:] = np.nan
    x[3] = -np.inf
    step = follows(lambda x: (x.argmax(1), x.argmin(1), x.argmax(), x.T.argmax(0)), tensor(x, dtype), rtol=0)
    assert step(tensor(x, dtype))[0].tolist()[1:] == [3, 2, 0]


@pytest.mark.parametrize("count", [8, 9])
def test_random_bits_are_those_of_the_text(count):
    def f(x):
        return mg.rand(count), mg.randn(2, count), mg.randint(3, 40, (count,)), mg.bernoulli(x), F.rrelu(x - 0.5, training=True)

    x = normal(count).sigmoid()
    step = Step(f)
    step(x)
    for seed in (0, 5):
        mg.manual_seed(seed)
        found = step(x)
        mg.manual_seed(seed)
        compare(found, f(x), 2e-6)
    assert "0 calls from Python" in step.report() and step.report().count("kernel philox") == 5


# ------------------------------------------------------------------------------------------------------------------- indices
X, ROWS, PLACES = normal(4, 5, 6), tensor([[0, 3, -1], [2, 2, -4]], "int64"), tensor([1, -4, 3], "int32")
WHOLE = slice(None)
KEYS = [
    (ROWS,), (WHOLE, PLACES), (Ellipsis, PLACES), (ROWS, PLACES), (ROWS, slice(1, None, 2), PLACES), (2, PLACES), (PLACES, 0),
    (slice(None, None, 2), ROWS, PLACES), (PLACES[0], 1, PLACES[1]), (WHOLE, PLACES, slice(1, 4)), (ROWS, Ellipsis, ROWS),
    (ROWS[0, 0],), (ROWS[:, :1], PLACES), (PLACES, WHOLE, 3),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(KEYS)))
def test_elements_read_added_and_written_at_indices(k):
    key = KEYS[k]

    def f(x):
        written = x.clone()
        written[key] = 7.0
        return x[key] * 2, written

    def g(x):
        return x[key] * 2

    follows(f, X, rtol=0)
    follows(with_gradient(g), X, rtol=1e-6)


def test_axes_of_indices_that_others_part_come_first():
    def f(x):
        x = x.reshape(4, 5, 2, 3)
        return x[:, PLACES, :, PLACES % 3], x[1:, ROWS, PLACES % 2], x[:, 1, :, PLACES % 3]

    follows(f, X, rtol=0)


def test_elements_along_an_axis():
    index, more = tensor([[3, 0], [1, 1]], "int64"), tensor([[[2], [0]]], "int64")

    def f(x):
        taken = mg.take_along_dim(x[0], index, 1) if index.shape[0] == x.shape[1] else x[0, :2].gather(1, index)
        return taken, x.gather(1, more), x[:2, :2, 0].scatter_add(0, index % 2, x[2:, 3:, 1]), x[0].scatter(1, index, 5.0)

    follows(f, X, rtol=1e-6)


def test_a_bad_index_is_the_error_of_the_word():
    w, x = normal(5, 3), normal(3, 4)
    good, bad = tensor([0, 1, 2], "int64"), tensor([0, 7, -1], "int64")
    functions = (
        lambda i: F.embedding(i, w),
        lambda i: F.one_hot(i, 5),
        lambda i: x.gather(1, i[:, None]),
        lambda i: w.index_select(0, i),
    )
    for f in functions:
        step = Step(f)
        for _ in range(2):
            step(good)
        with pytest.raises(BoundsError) as wanted:
            f(bad)
        with pytest.raises(BoundsError) as found:
            step(bad)
        assert str(found.value) == str(wanted.value)
        compare(step(good), f(good), 0)
    step = Step(lambda i: w[i])
    for _ in range(2):
        step(good)
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        step(bad)


# ----------------------------------------------------------------------------------------------------------------- constants
def test_what_is_computed_of_constants_is_a_constant():
    def f(x):
        angles = mg.outer(mg.arange(5).float(), 10.0 ** (mg.arange(3) / -3.0))
        mask = mg.tril(mg.ones(5, 5)) == 0
        return mg.cat([angles.sin(), angles.cos()], 1) * x, x[:, :5].masked_fill(mask, -math.inf)

    step = follows(f, normal(5, 6))
    assert {n.op for n in step.graph().nodes} == {"constant", "multiply", "getitem", "where"}
    large = follows(lambda x: (mg.arange(2**19) * 0.5).cos() * x, normal(1))
    assert any(n.op == "cos" for n in large.graph().nodes)  # four megabytes are not kept, and not read


def test_a_check_of_constants_still_fails():
    index = mg.tensor([0, 9])
    step = Step(lambda w: F.embedding(index, w))
    with pytest.raises(BoundsError):
        step(normal(3, 2))


# -------------------------------------------------------------------------------------------------------------------- layers
@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu_of_minus_infinity_is_nan(approximate, dtype):
    """As in PyTorch: -inf * 0."""
    for size in (1, 20000):  # the text and the kernel
        x = tensor(np.tile([*FINITE, -math.inf], size), dtype)
        y = F.gelu(x, approximate=approximate)
        step = Step(lambda x: F.gelu(x, approximate=approximate))
        step(x)
        for found in (y, step(x)):
            last = found.array.reshape(size, -1)
            assert np.isnan(last[:, -1]).all() and np.isfinite(last[:, :-1]).all()


def test_batch_norm_over_all_batches():
    layers = [nn.BatchNorm1d(3, momentum=None) for _ in range(2)]
    step = Step(lambda x: layers[0](x).detach())
    for k in range(4):
        x = normal(6, 3, seed=k)
        compare(step(x), layers[1](x).detach(), 1e-5)
    assert step.traces == 1
    for a, b in zip(layers[0].buffers(), layers[1].buffers(), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-6)
