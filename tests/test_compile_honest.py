"""Compiled functions that a replay would get wrong say so at once, also where they catch the error, and beside other threads."""

import random
import threading
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.compile.replay import Program
from minigrad.errors import TraceError
from minigrad.utils.checkpoint import checkpoint


@pytest.fixture(autouse=True)
def no_machine_code(monkeypatch):
    """Programs run call by call, which spares the compiling; what is traced is the same."""
    monkeypatch.setattr(Program, "_compiled", lambda self: False)


def several(fn, *examples, seed=3, count=4):
    mg.manual_seed(seed)
    return [fn(*examples).numpy() for _ in range(count)]


def as_without(fn, *examples, traces=1):
    """Whether calls of the compiled function, one after the other, give what calls of the function give."""
    expected, step = several(fn, *examples), mg.compile(fn)
    np.testing.assert_allclose(several(step, *examples), expected, rtol=1e-5, atol=1e-6)
    assert step.traces == traces


# ------------------------------------------------------------------------------------------------------ seeds and generators
outside = mg.Generator().manual_seed(5)
fixed = outside.get_state()


def seeded(x):
    mg.manual_seed(0)
    return x + mg.rand(3)


def seeded_anew(x):
    mg.seed()
    return x + mg.rand(3)


def own_generator(x):
    return x + mg.rand(3, generator=mg.Generator().manual_seed(1))


def unseeded_generator(x):
    return x + mg.rand(3, generator=mg.Generator())


def seeded_generator(x):
    return x + mg.rand(3, generator=outside.manual_seed(1))


def forked(x):
    with mg.random.fork_rng():
        y = x + mg.rand(3)
    return y + mg.rand(3)


def set_back(x):
    state = mg.get_rng_state()
    y = mg.rand(3)
    mg.set_rng_state(state)
    return x + y


def set_generator(x):
    return x + mg.rand(3, generator=outside.set_state(fixed))


def reads_seed(x):
    return x + mg.initial_seed()


def reads_own_seed(x):
    return x + outside.initial_seed()


def sets_engine(x):
    mg.random.set_default_engine("philox")
    return x + mg.rand(3)


GENERATORS = [
    seeded, seeded_anew, own_generator, unseeded_generator, seeded_generator, forked, set_back, set_generator, reads_seed,
    reads_own_seed, sets_engine,
]  # fmt: skip


@pytest.mark.parametrize("fn", GENERATORS)
def test_the_state_of_a_generator_is_no_part_of_a_compiled_function(fn):
    step = mg.compile(fn)
    for _ in range(2):
        before = mg.get_rng_state()
        with pytest.raises(TraceError, match=r"outside(.|\n)*test_compile_honest\.py") as error:
            step(mg.zeros(3))
        line = fn.__code__.co_firstlineno
        assert any(f"line {n}:" in str(error.value) for n in range(line + 1, line + 5))
        assert bool((mg.get_rng_state() == before).all())


@pytest.mark.parametrize("fn", [fn for fn in GENERATORS if fn is not seeded_anew])  # which gives other numbers every time
def test_leniently_such_a_function_runs_as_it_is(fn):
    outside.manual_seed(9)
    expected = several(fn, mg.zeros(3))
    outside.manual_seed(9)
    with pytest.warns(RuntimeWarning, match="runs without being compiled"):
        found = several(mg.compile(fn, fullgraph=False), mg.zeros(3))
    np.testing.assert_array_equal(found, expected)


def test_a_generator_from_outside_goes_on():
    generator = mg.Generator().manual_seed(4)

    def draws(x):
        return x + mg.rand(3, generator=generator)

    expected = several(draws, mg.zeros(3))
    generator.manual_seed(4)
    np.testing.assert_array_equal(several(mg.compile(draws), mg.zeros(3)), expected)


@pytest.mark.parametrize("engine", ["philox", "mt19937"])
@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_drops_the_same_elements_again(reentrant, engine):
    w = mg.tensor(np.random.default_rng(0).standard_normal((5, 5)).astype("float32"))

    def gradient(x):
        x = x.detach().clone().requires_grad_()
        y = checkpoint(lambda t: nn.functional.dropout(nn.functional.dropout(t @ w, 0.5) ** 2), x, use_reentrant=reentrant)
        (y.sum() + mg.rand(())).backward()
        return x.grad

    before = mg.random.set_default_engine(engine)
    try:
        as_without(gradient, mg.ones(4, 5))
    finally:
        mg.random.set_default_engine(before)


# --------------------------------------------------------------------------------------------------- errors that are caught
def test_a_refusal_that_the_function_catches_is_raised():
    def careful(x):
        try:
            return x * x.sum().item()
        except Exception:
            return x * 0

    with pytest.raises(TraceError, match=r"\.item\(\)"):
        mg.compile(careful)(mg.ones(3))
    with pytest.warns(RuntimeWarning, match="runs without being compiled"):
        assert mg.compile(careful, fullgraph=False)(mg.ones(3)).tolist() == [3.0, 3.0, 3.0]


def test_a_refusal_that_became_another_error_is_raised():
    def wrapping(x):
        try:
            return x * x.sum().item()
        except RuntimeError:
            raise KeyError("sum") from None

    with pytest.raises(TraceError, match=r"\.item\(\)") as error:
        mg.compile(wrapping)(mg.ones(3))
    assert isinstance(error.value.__cause__, KeyError)


def test_other_errors_may_be_caught():
    def trying(x):
        try:
            return x @ mg.ones(7)
        except RuntimeError:
            return x * 2

    as_without(trying, mg.ones(3))


# ---------------------------------------------------------------------------------------------------------------- transforms
def square(t):
    return (t * t).sum()


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: mg.func.grad(square)(x),
        lambda x: mg.func.vmap(lambda t: t * 2)(x),
        lambda x: mg.func.jvp(square, (x,), (x,))[1],
        lambda x: mg.func.vjp(square, x)[0],
        lambda x: mg.func.jacrev(square)(x),
        lambda x: mg.func.jacfwd(square)(x),
        lambda x: mg.func.hessian(square)(x),
        lambda x: mg.autograd.functional.jacobian(lambda t: t * t, x, vectorize=True),
    ],
)
def test_transforms_are_refused_at_once(fn):
    with pytest.raises(TraceError, match=r"was called inside a traced function(.|\n)*test_compile_honest\.py"):
        mg.compile(fn)(mg.ones(3))
    with pytest.warns(RuntimeWarning, match="runs without being compiled"):
        np.testing.assert_array_equal(mg.compile(fn, fullgraph=False)(mg.ones(3)).numpy(), fn(mg.ones(3)).numpy())


def test_second_derivatives_by_the_tape_work():
    def gradient_of_a_gradient(x):
        x = x.detach().requires_grad_()
        (g,) = mg.autograd.grad((x**3).sum(), x, create_graph=True)
        return mg.autograd.grad((g**2).sum(), x)[0]

    as_without(gradient_of_a_gradient, mg.tensor([1.0, 2.0]))
    as_without(lambda x: mg.autograd.functional.hessian(lambda t: (t**3).sum(), x), mg.tensor([1.0, 2.0]))


# --------------------------------------------------------------------------------------------------------------- made inside
class Own(mg.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})


@pytest.mark.parametrize("make", [lambda w: mg.optim.SGD([w], lr=0.1), lambda w: mg.optim.Adam([w]), lambda w: Own([w])])
def test_an_optimizer_is_made_outside(make):
    w = mg.ones(3, requires_grad=True)

    def step(x):
        optimizer = make(w)
        (w * x).sum().backward()
        optimizer.step()
        return w.detach()

    with pytest.raises(TraceError, match=r"an optimizer \(\w+\) was made(.|\n)*outside"):
        mg.compile(step)(mg.ones(3))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x):
        return self.inner(x).tanh()


@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(3, 3), Layer, lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 2))]
)
def test_a_layer_may_be_made_inside(make):
    as_without(lambda x: make()(x).detach(), mg.ones(2, 3))


def test_one_tensor_that_stays_in_use_is_one():
    kept = []

    def keeps(x):
        kept[:] = [x * 2]
        return x + 1

    step = mg.compile(keeps)
    with pytest.raises(TraceError, match=r"^1 tensor, .* is in use"):
        for _ in range(4):
            step(mg.ones(3))


# -------------------------------------------------------------------------------------------------- generators and coroutines
def each(x):
    yield x


async def later(x):
    return x


async def each_later(x):
    yield x


class Lazy:
    def __call__(self, x):
        yield x


class LazyLayer(nn.Module):
    def forward(self, x):
        yield x


@pytest.mark.parametrize("fn", [each, later, each_later, Lazy(), LazyLayer()])
def test_generator_functions_and_coroutines_are_refused(fn):
    with pytest.raises(TypeError, match="generator or a coroutine"):
        mg.compile(fn)


def test_an_iterator_is_no_result():
    with pytest.raises(TraceError, match="iterator"):
        mg.compile(lambda x: (x * i for i in range(3)))(mg.ones(2))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        lenient = mg.compile(each, fullgraph=False)
        for _ in range(3):
            assert [t.tolist() for t in lenient(mg.ones(2))] == [[1.0, 1.0]]


# ------------------------------------------------------------------------------------- generators of Python's and NumPy's
class Noise(nn.Module):
    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def forward(self, x):
        return x * self.generator.random()


@pytest.mark.parametrize("kind", [random.Random, np.random.default_rng])
def test_generators_of_other_libraries_are_refused(kind):
    layer = Noise(kind(0))
    for _ in range(2):
        with pytest.raises(TraceError, match=r"minigrad\.rand"):
            mg.compile(layer.forward)(mg.ones(2))
    assert layer.generator.random() == kind(0).random()  # a run that failed has drawn nothing


def test_a_generator_that_is_not_drawn_from_does_not_matter():
    layer = Noise(random.Random(0))
    as_without(lambda x: x * (2.0 if layer.generator is not None else 3.0), mg.ones(2))


# --------------------------------------------------------------------------------------------------------------- other threads
@pytest.fixture
def loader():
    """Another thread, which draws while ``with loader:`` ..."""
    turn, drawn, over = threading.Semaphore(0), threading.Semaphore(0), []

    def load():
        while turn.acquire() and not over:
            random.random()
            np.random.rand()
            drawn.release()

    def draws():
        turn.release()
        assert drawn.acquire(timeout=10)

    thread = threading.Thread(target=load)
    thread.start()
    yield draws
    over.append(True)
    turn.release()
    thread.join()


def test_draws_of_another_thread_do_not_count(loader):
    def innocent(x):
        loader()
        return x * 2

    random.seed(1)
    np.random.seed(1)
    assert mg.compile(innocent)(mg.ones(2)).tolist() == [2.0, 2.0]
    assert random.random() != random.Random(1).random()  # what the other thread drew is not given out again


rand, uniform = np.random.rand, random.random


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.random(),
        lambda: random.gauss(0, 1),
        lambda: np.random.rand(),
        lambda: rand(),
        lambda: uniform(),
        lambda draw=uniform: draw(),
        lambda draw=rand: draw(),
        lambda: random.choice([1.0, 2.0]),
    ],
)
def test_draws_of_this_thread_count(loader, draw):
    def drawing(x):
        return x * draw()

    with pytest.raises(TraceError, match=r"minigrad\.rand"):
        mg.compile(drawing)(mg.ones(2))
