"""float16 and bfloat16 in compiled code: what eager gives, computed in the loops of the step."""

import numpy as np
import pytest
from test_compile_emit import JIT, _private_cache  # noqa: F401

import minigrad as mg
from minigrad import backends, nn
from minigrad.compile import Step, expressions, verify
from minigrad.nn import functional as F
from minigrad.tensor import wrap

pytestmark = pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU")
HALVES = [mg.float16, mg.bfloat16]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, np.nan, np.inf, -np.inf, 1e-7, -6e-8, 3e-5, 65504.0, -65504.0, 300.0, 1e-3]
in_both = pytest.mark.parametrize("dtype", HALVES, ids=str)


def values(dtype, count=1000, seed=0):
    """Tensors of special numbers and of numbers of every size."""
    r = np.random.default_rng(seed)
    drawn = r.integers(0, 2**16, count, dtype=np.uint16).view(dtype.dtype).astype(np.float32)
    every = [drawn, r.standard_normal(count), np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))]
    with np.errstate(all="ignore"):
        return mg.tensor(r.permutation(np.concatenate(every)).astype(np.float32)).to(dtype)


def normal(*shape, dtype=mg.float32, seed=0):
    return mg.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)).to(dtype)


def flat(result):
    return [t for r in result for t in flat(r)] if isinstance(result, tuple | list) else [result]


def places(array):
    """Numbers of 16 bits as integers whose difference is the number of values between them."""
    bits = array.view(np.int16).astype(np.int32)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)


def compare(found, expected, apart=0):
    """Equal, or for values of 16 bits ``apart`` units in the last place from it, and for float32 as many of bfloat16's."""
    for k, (a, b) in enumerate(zip(flat(found), flat(expected), strict=True)):
        a, b = a.detach().array, b.detach().array
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.itemsize != 2 or a.dtype.kind in "iu":
            np.testing.assert_allclose(a, b, rtol=apart * 2**-8, atol=apart * 2**-12)
            continue
        with np.errstate(all="ignore"):
            nan = np.isnan(a) & np.isnan(b)
            assert (np.isnan(a) == np.isnan(b)).all()
            off = np.where(nan, 0, np.abs(places(np.ascontiguousarray(a)) - places(np.ascontiguousarray(b))))
            assert off.max(initial=0) <= apart, (off.max(), a.ravel()[off.argmax()], b.ravel()[off.argmax()])
            if not apart:
                assert (nan | (np.signbit(a) == np.signbit(b))).all(), f"signs of result {k}"


def follows(f, *examples, apart=0, outside=0):
    """The Step of ``f``, which gives what ``f`` gives in three calls, with ``outside`` calls from Python."""
    with np.errstate(all="ignore"):
        expected, step = f(*examples), Step(f)
        Step(f)(*examples)  # what the first trace of a word looks up is kept
        for _ in range(3):
            compare(step(*examples), expected, apart)
    assert step.traces == 1 and bool(step.program.executable) is JIT
    if JIT:
        assert f" {outside} call" in step.report().splitlines()[0], step.report()
    return verify(step)


# ----------------------------------------------------------------------------------------------------------------- words
def word(name, *args, **params):
    """A word of the vocabulary in 16 bits: the public operations compute most of them in float32."""
    arrays = [a.array if isinstance(a, mg.Tensor) else a for a in args]
    xp = backends.of(next(a for a in arrays if hasattr(a, "dtype")))
    return wrap(xp.asarray(getattr(xp, name)(*arrays, **params)))


ONE = "negative abs square sign reciprocal sqrt floor ceil trunc round copy contiguous".split()
TWO = "add subtract multiply divide copysign".split()
EXTREMES = "maximum minimum fmax fmin".split()  # which of 0.0 and -0.0 is the larger is left to the machine, in relu, too
ROUNDED = {  # word -> how many arguments: these may differ by a unit in the last place
    **dict.fromkeys("exp exp2 expm1 log log1p log2 log10 tanh erf erfc lgamma sin cos tan sinh cosh".split(), 1),
    **dict.fromkeys("asin acos atan asinh acosh atanh".split(), 1),
    **dict.fromkeys("atan2 hypot fmod power".split(), 2),
}  # fmt: skip
COMPARED = "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_xor".split()
ASKED = "isnan isinf isfinite signbit logical_not".split()
NUMBERS = [0.1, -0.3, 2, 1e-9, 1e6, float("inf")]


def test_every_word_of_loops_is_in_these_tests():
    e = expressions
    known = {*e.ARITHMETIC, *e.FLOATS, *e.BY_FUNCTION, *e.COMPARISONS, *e.TRUTH, *e.WHOLE, *e.CONSTANTS, *e.SAME_VALUE}
    elsewhere = {*e.WHOLE, *e.CONSTANTS, "astype", "alias", "keep"}  # alias and keep are the compiler's own
    assert known == {*ONE, *TWO, *EXTREMES, "relu", *ROUNDED, *COMPARED, *ASKED, *elsewhere}


@in_both
def test_words_that_are_exact(dtype):
    x, y = values(dtype), values(dtype, seed=1)

    def f(x, y):
        after = word("add", word("multiply", x, y), x), word("subtract", word("divide", x, y), word("square", y))
        return [word(name, x) for name in ONE], [word(name, x, y) for name in TWO], after, x.clone(), x.abs(), -x

    follows(f, x, y)


@in_both
def test_extremes_of_two(dtype):
    x, y = values(dtype), values(dtype, seed=1)
    follows(lambda x, y: [t + 0.0 for t in (*(word(name, x, y) for name in EXTREMES), word("relu", x), x.relu())], x, y)


@in_both
def test_public_arithmetic(dtype):
    x, y, c = values(dtype), values(dtype, seed=1), values(dtype, seed=2) > 0

    def f(x, y, c):
        with_numbers = [(x + v, x - v, v - x, x * v, v * x, x / v, v / x) for v in NUMBERS]
        chosen = mg.where(c, x, y), mg.where(c, x, 0.1), mg.where(c, 0.1, y), mg.where(x > y, x, -y)
        whole = mg.zeros_like(x), mg.ones_like(y), mg.full_like(x, 0.1), mg.full((3,), 0.1, dtype=dtype)
        return with_numbers, chosen, whole, (x + y, x - y, x * y, x / y, x.sqrt(), x.square(), x.reciprocal())

    follows(f, x, y, c)


@in_both
def test_words_that_are_rounded(dtype):
    x, y = values(dtype), values(dtype, seed=1)

    def f(x, y):
        return [word(name, x) if count == 1 else word(name, x, y) for name, count in ROUNDED.items()]

    follows(f, x, y, apart=1)


@in_both
def test_powers_of_numbers(dtype):
    follows(lambda x: [x**v for v in (2, 3, 0.5, -0.5, 1.7, -1, 0)] + [2**x, 0.3**x], values(dtype), apart=1)


@in_both
def test_functions_that_are_one_in_a_loop(dtype):
    x, g = values(dtype).clamp(-60, 60), normal(2578, dtype=dtype)

    def f(x, g):
        x = x.requires_grad_()
        y = F.silu(x) + F.gelu(x) + F.gelu(x, approximate="tanh") + x.sigmoid()
        x.grad = None
        y.backward(g)
        return y.detach(), x.grad

    def whole(x, g):
        single = [word(name, x) for name in sorted(expressions.WHOLE) if not name.endswith("_dx")]
        return single + [word(name, g, x) for name in sorted(expressions.WHOLE) if name.endswith("_dx")]

    assert x.shape == g.shape
    follows(lambda x, g: f(x.detach(), g), x, g, apart=1)
    expected = whole(x.float(), g.float())
    step = Step(whole)
    for _ in range(2):
        found = step(x, g)
    if JIT:  # NumPy rounds in 16 bits after each part of their texts
        compare([t.to(dtype) for t in found], [t.to(dtype) for t in expected], apart=1)


@in_both
def test_comparisons(dtype):
    x, y = values(dtype), values(dtype, seed=1)

    def f(x, y):
        numbers = [(x > v, x >= v, x < v, x <= v, x == v, x != v, v < x) for v in NUMBERS]
        mixed = x > y.float(), x == y.float() * 1.0001, x.float() < y, x.double() > y
        return numbers, mixed, [word(name, x, y) for name in COMPARED], [word(name, x) for name in ASKED]

    follows(f, x, y)


@in_both
def test_a_number_between_two_values_is_rounded_before_it_is_compared(dtype):
    near = mg.tensor([0.1]).to(dtype)
    follows(lambda x: (x == 0.1, x > 0.1, x < 0.1, word("equal", x, 0.1), word("greater", x, 0.1)), near)


# ----------------------------------------------------------------------------------------------------------------- casts
@in_both
@pytest.mark.parametrize("other", [mg.float32, mg.int64, mg.int32, mg.uint8, mg.bool, mg.float16, mg.bfloat16], ids=str)
def test_casts(dtype, other):
    x = values(dtype)
    if other in (mg.int64, mg.int32, mg.uint8):
        x = x[x.isfinite() & (x.abs() < 250)].abs()
    source = x.to(other) if other is not mg.float32 else values(mg.bfloat16).float() * 1.0001
    follows(lambda x, y: (x.to(other), y.to(dtype), x.to(other).to(dtype), x.to(other) * y.to(dtype)), x, source)


@in_both
def test_float64_is_rounded_once(dtype):
    """The first of these numbers lies above the middle of two float16 by less than float32 can hold."""
    wide = mg.tensor([1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-8 + 2.0**-40, 1e300, -1e-300, 65520.0 - 1e-9, np.nan], dtype=mg.float64)
    step = follows(lambda x: (x.to(dtype), x.to(dtype) + 1, x.to(dtype).double() * x), wide, outside=1)
    if dtype is mg.float16:
        assert step(wide)[0].array[0] == np.float16(1 + 2.0**-10) and step(wide)[0].array[4] == np.float16(65504)


# ---------------------------------------------------------------------------------------------------------------- arrays
def pieces(x):
    w = x.clone()
    w[1:3, ::2] = x[2:4, ::2] * 2
    w[0] = 0.1
    put = mg.cat([x, x[:2] * 2]), mg.stack([x, -x], 1), F.pad(x, (1, 2, 0, 1), value=0.1), x.roll(2, 1), w
    filled = word("pad", x, widths=((1, 0), (2, 3)), value=0.1), word("roll", x, shifts=(1, -2), axis=(0, 1))
    seen = x.T * 1.5, x[:, 1::2] + x[:, ::2], x.flip(0) * 3, x.reshape(-1)[3:9], x[None].expand(2, 4, 6) + 1, x[2] - x[:, :1]
    return put, filled, seen


@in_both
def test_views_and_pieces(dtype):
    follows(pieces, normal(4, 6, dtype=dtype))


@in_both
def test_sums_and_extremes(dtype):
    def f(x):
        added = x.sum(), x.sum(0), x.sum(1), x.sum((0, 2)), x.mean(), x.mean(1, keepdim=True), (x * x).sum(-1)
        return added, (x.amax(), x.amax(1), x.amin(0), x.amin((1, 2)), x.max(), x.min()), (x > 0).any(1), (x > -9).all()

    follows(f, normal(3, 5, 40, dtype=dtype), apart=1)


@in_both
def test_words_that_stay_with_numpy(dtype):
    def f(x):
        return [word(name, x * 2, axis=axis) + 1 for name in ("sum", "max", "min") for axis in (None, 0, (1, 2))]

    follows(f, normal(3, 5, 40, dtype=dtype), outside=9)


@in_both
def test_empty_and_of_no_dimension(dtype):
    def f(x, y):
        return x * y + 1, x.exp() * 0.1, mg.cat([x.reshape(-1), y.reshape(-1)]), x.sum(), x.float()

    for x in (mg.tensor(0.3).to(dtype), mg.zeros(0, dtype=dtype), mg.zeros(3, 0, dtype=dtype)):
        follows(f, x, mg.tensor([0.7]).to(dtype), apart=1)


@in_both
def test_captured_tensors_are_read_and_written(dtype):
    w, state = normal(4, 6, dtype=dtype, seed=1), [normal(4, 6, dtype=dtype, seed=2) for _ in range(2)]

    def f(x, s):
        s.mul_(0.9).add_(x * w)
        s[1:3] -= 0.1
        x.add_(s)
        return s * 2

    step, x = Step(f), [normal(4, 6, dtype=dtype, seed=3) for _ in range(2)]
    for k in range(4):
        with mg.no_grad():
            w += 0.25 * k
        compare((step(x[0], state[0]), x[0], state[0]), (f(x[1], state[1]), x[1], state[1]))
    assert step.traces == 1 and bool(step.program.executable) is JIT
    found = Step(lambda: (w.add_(0.1), w * 2)[1])
    before = w.clone()
    for _ in range(3):
        result = found()
    for _ in range(3):
        before.add_(0.1)
    compare((w, result), (before, before * 2))


# -------------------------------------------------------------------------------------------------------------- training
def mlp():
    return nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 5)), normal(16, 12)


def cnn():
    """Nothing in it chooses: another winner of a window would make much of a rounding."""
    layers = (
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.GELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 5),
    )
    return nn.Sequential(*layers), normal(16, 3, 8, 8)


def transformer():
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(96, 5)), normal(16, 6, 16)


def momentum(parameters):
    return mg.optim.SGD(parameters, lr=0.05, momentum=0.9)


def adam(parameters):
    return mg.optim.Adam(parameters, lr=0.01, eps=1e-4)


MODELS = {"mlp": (mlp, momentum), "mlp with Adam": (mlp, adam), "cnn": (cnn, momentum), "transformer": (transformer, momentum)}


class Training:
    def __init__(self, name, dtype, automatic):
        make, optimizer = MODELS[name]
        mg.manual_seed(1)
        self.model, self.x = make()
        self.target = mg.arange(16) % 5
        if not automatic:
            self.model, self.x = self.model.to(dtype), self.x.to(dtype)
        self.optimizer, self.automatic, self.dtype = optimizer(self.model.parameters()), automatic, dtype

    def step(self, x, target):
        self.optimizer.zero_grad()
        with mg.autocast("cpu", dtype=self.dtype, enabled=self.automatic):
            loss = F.cross_entropy(self.model(x).float(), target)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def left(self):
        moving = [v for s in self.optimizer.state_dict()["state"].values() for v in s.values() if isinstance(v, mg.Tensor)]
        return [*self.model.state_dict().values(), *moving, *(p.grad for p in self.model.parameters())]


def near(found, expected, dtype, units=4):
    """Apart by a few units in the last place of the largest, since steps grow out of differences in the last place."""
    for a, b in zip(flat(found), flat(expected), strict=True):
        assert a.dtype is b.dtype and a.shape == b.shape
        a, b = (t.detach().array.astype(np.float64) for t in (a, b))
        unit = 2.0 ** -(10 if dtype is mg.float16 else 7)
        np.testing.assert_allclose(a, b, rtol=units * unit, atol=units * unit * np.abs(b).max(initial=1e-3))


@pytest.mark.parametrize("automatic", [False, True], ids=["whole", "autocast"])
@in_both
@pytest.mark.parametrize("name", MODELS)
def test_training(name, dtype, automatic):
    ours, eager = Training(name, dtype, automatic), Training(name, dtype, automatic)
    step = Step(ours.step)
    for _ in range(4):
        for training in (ours, eager):
            training.optimizer.param_groups[0]["lr"] *= 0.9
        found, expected = step(ours.x, ours.target), eager.step(eager.x, eager.target)
        near((found, ours.left()), (expected, eager.left()), dtype)
    assert bool(step.program.executable) is JIT
    if JIT:  # convolutional networks have kernels with threads of their own
        assert (name == "cnn" or " 0 calls from Python" in step.report()) and "by NumPy" not in step.report(), step.report()
    verify(step)


@in_both
def test_a_compiled_model(dtype):
    found = []
    for compiled in (True, False):
        training = Training("mlp", dtype, False)
        if compiled:
            training.model = mg.compile(training.model)
        for _ in range(4):
            loss = training.step(training.x, training.target)
        found.append((loss, training.left()))
        if compiled and JIT:
            report = training.model.report()
            assert "loop" in report and "by NumPy" not in report, report
    near(*found, dtype)


@in_both
def test_a_machine_that_does_not_convert_float16(dtype, monkeypatch):
    from minigrad.kernels.cpu.accepts import casts

    casts.has_half.cache_clear()
    monkeypatch.setattr(casts, "has_half", lambda: False)
    expressions.in_loops.cache_clear()
    try:
        assert expressions.BRAIN in expressions.in_loops() and expressions.HALF not in expressions.in_loops()
        ours, eager = Training("mlp", dtype, False), Training("mlp", dtype, False)
        step = Step(ours.step)
        for _ in range(4):
            near((step(ours.x, ours.target), ours.left()), (eager.step(eager.x, eager.target), eager.left()), dtype)
        if JIT:
            assert ("float16 is computed by NumPy" in step.report()) is (dtype is mg.float16)
            assert dtype is mg.bfloat16 or "half_value" not in step.source()
    finally:
        expressions.in_loops.cache_clear()
