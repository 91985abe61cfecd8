"""Compiled functions: modes, arguments, random numbers, what is refused, and ``minigrad.compile`` itself."""

import copy
import math
import random
import sys
import threading
import warnings

import numpy as np
import pytest
from test_compile_guards import (  # noqa: F401  (two of them fixtures)
    ALPHA,
    Config,
    compiled,
    equal,
    follows,
    helper,
    net,
    no_machine_code,
    normal,
    reads_alpha,
)

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile import Step
from minigrad.errors import TraceError
from minigrad.graph import tracer
from minigrad.nn import functional as F


# ------------------------------------------------------------------------------------------------- modes, settings, arguments
def test_modes_and_settings():
    x, w = normal(3), normal(3, 3)
    step = compiled(lambda x: (x * 1.5 + mg.zeros(3)) @ w, x)
    with mg.autocast("cpu", dtype=mg.bfloat16):
        assert step(x).dtype is step.fn(x).dtype is mg.bfloat16
    with mg.autocast("cpu", dtype=mg.float16):
        assert step(x).dtype is mg.float16
    follows(step, x, traces=3)
    made = compiled(lambda x: mg.zeros(3) + mg.tensor(0.1), x)
    mg.set_default_dtype(mg.float64)
    try:
        assert made(x).dtype is mg.float64 and made.traces == 2
    finally:
        mg.set_default_dtype(mg.float32)
    follows(made, x, traces=2)
    flagged = Step(lambda x: x * (2.0 if mg.is_grad_enabled() else 3.0))
    for _ in range(2):
        equal(flagged(x), x * 2.0)
        with mg.no_grad():
            equal(flagged(x), x * 3.0)
    assert flagged.traces == 2


def test_gradients_there_or_not():
    w = normal(3, grad=True)

    def f(x):
        w.grad = None if w.grad is None else w.grad * 0.5
        (w * x).sum().backward()
        return w.grad * 1

    step, expected = Step(f), mg.zeros(3)
    for k in range(6):
        x = normal(3, seed=k)
        if k == 4:
            w.grad = None
            expected = mg.zeros(3)
        expected = expected * 0.5 + x
        equal(step(x), expected)
    assert step.traces == 2
    w.requires_grad_(False)
    w.grad = None
    with pytest.raises(Exception, match="grad"):
        step(x)


def test_static_arguments():
    def f(batch, mode, factor=1.0, *, extra=None):
        x = batch["x"] * factor + batch["rest"][0]
        x = x.exp() if mode == "exp" else x
        return x if extra is None else x.to(extra)

    step = Step(f)
    x, y = normal(3), normal(3, seed=1)
    for args, kwargs, traces in [
        (("exp",), {}, 1), (("exp",), {}, 1), (("none",), {}, 2), (("none", 2.0), {}, 3), (("none", 2), {}, 4),
        (("none", True), {}, 5),
        (("none", 3.0), {}, 6), (("none",), {"extra": mg.float64}, 7), (("none",), {"extra": None}, 8), (("exp",), {}, 8),
    ]:  # fmt: skip
        batch = {"x": x, "rest": [y]}
        equal(step(batch, *args, **kwargs), f(batch, *args, **kwargs))
        equal(step({"x": y, "rest": [x]}, *args, **kwargs), f({"x": y, "rest": [x]}, *args, **kwargs))
        assert step.traces == traces
    equal(step({"rest": [y], "x": x}, "exp"), f({"x": x, "rest": [y]}, "exp"))
    equal(step({"x": x, "rest": (y,)}, "exp"), f({"x": x, "rest": [y]}, "exp"))
    for bad, name in [({1, 2}, "argument 1"), (np.zeros(3), "argument 1")]:
        with pytest.raises(TypeError, match=name):
            Step(lambda x: x)(bad)
    with pytest.raises(TypeError, match=r"argument 'x'\['a'\]"):
        Step(lambda x: x)(x={"a": np.zeros(3)})
    signed = Step(lambda x, zero: x / zero)
    assert signed(mg.ones(1), 0.0).item() == math.inf and signed(mg.ones(1), -0.0).item() == -math.inf


def test_arguments_that_are_one_tensor():
    def f(x, y):
        y.add_(1)
        return x * 1

    step, a, b = Step(f), mg.zeros(2), mg.zeros(2)
    for _ in range(2):
        assert step(a, b).tolist() == [0.0, 0.0]
    assert b.tolist() == [2.0, 2.0]
    assert [step(b, b).tolist() for _ in range(2)] == [[3.0, 3.0], [4.0, 4.0]] and step.traces == 2


def test_arguments_that_share_memory_with_what_is_written():
    w = mg.ones(3)

    def f(x):
        w.mul_(2)
        return x * 1

    for argument in (w, w[1:], w.detach()):
        before = w.tolist()
        with pytest.raises(TraceError, match="shares memory"):
            Step(f)(argument)
        assert w.tolist() == before
    step = Step(f)
    step(mg.ones(3))
    with pytest.raises(TraceError, match="shares memory"):
        step(w)
    w.data = mg.ones(3)
    assert step(mg.ones(3)).tolist() == [1.0] * 3 and w.tolist() == [2.0] * 3
    with pytest.raises(TraceError, match="shares memory"):
        step(w)
    reader = Step(lambda x: x + w)
    assert [reader(w).tolist() for _ in range(2)] == [[4.0] * 3] * 2


def test_hooks_of_arguments_are_refused():
    x = normal(3, grad=True)
    x.register_hook(lambda g: g * 2)
    with pytest.raises(TraceError, match="hooks"):
        Step(lambda x: (x * 2).sum().backward())(x)


def test_objects_as_arguments():
    config, layer = Config(), nn.Linear(3, 3)
    step, x = Step(lambda x, c, m: m(x).detach() * c.alpha), normal(3)
    for k in range(3):
        config.alpha = float(k)
        equal(step(x, config, layer), layer(x).detach() * float(k))
    equal(step(x, config, nn.Identity()), x * 2.0)
    with mg.no_grad():
        layer.weight.mul_(2)
    equal(step(x, config, layer), layer(x).detach() * 2.0)


def test_captured_tensors_of_another_shape_or_dtype():
    w = mg.ones(3)
    step, x = compiled(lambda x: (x * w).sum() * w.numel(), normal(3)), normal(3)
    w.data = mg.ones(2, 3) * 2
    follows(step, x, traces=2)
    w.data = mg.ones(2, 3, dtype=mg.float64)
    follows(step, x, traces=3)
    w.data = mg.ones(3) * 5
    follows(step, x, traces=3)


# ------------------------------------------------------------------------------------------------------------ random numbers
@pytest.mark.parametrize("engine", ["philox", "mt19937"])
def test_seeds_are_honoured(engine):
    before = mg.random.set_default_engine(engine)
    try:
        step, x = Step(lambda x: F.dropout(x, 0.5) + mg.rand(50)), mg.ones(50)
        for seed in (1, 1, 2, 1):
            mg.manual_seed(seed)
            actual = [step(x) for _ in range(2)]
            mg.manual_seed(seed)
            for a in actual:
                assert (a == step.fn(x)).all()
    finally:
        mg.random.set_default_engine(before)
    assert step.traces == 1
    mg.manual_seed(1, engine="mt19937" if engine == "philox" else "philox")
    try:
        first = step(x)
        mg.manual_seed(1)
        assert (first == step.fn(x)).all() and step.traces == 2
    finally:
        mg.manual_seed(0, engine=before)


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: random.choice([1.0, 2.0])])
def test_numbers_of_other_generators_are_refused(draw):
    random.seed(1)
    np.random.seed(1)
    expected = draw()
    random.seed(1)
    np.random.seed(1)
    with pytest.raises(TraceError, match=r"minigrad\.rand"):
        Step(lambda x: x * draw())(mg.ones(2))
    assert draw() == expected  # the run that failed has drawn nothing


# ------------------------------------------------------------------------------------------------- refusals, errors, nesting
def test_refused_with_the_line():
    batches = iter([mg.ones(2), mg.zeros(2)])
    loader = mg.utils.data.DataLoader([mg.ones(2), mg.zeros(2)], batch_size=1)
    for bad, what in [
        (lambda x: print(x.shape) or x, r"print\(\)"),
        (lambda x: print(x) or x, r"print\(\)|value of a tensor"),
        (lambda x: x if x.sum() > 0 else -x, "value of a tensor"),
        (lambda x: x * x.sum().item(), "value of a tensor"),
        (lambda x: x * next(batches), "iterator"),
        (lambda x: sum((x * b for b in loader), 0.0), "DataLoader"),
    ]:
        with pytest.raises(TraceError, match=what) as error:
            Step(bad)(mg.ones(2))
        assert "test_compile_step.py" in str(error.value) or "iterator" in what
        assert tracer.get() is None


@pytest.mark.parametrize(
    "ask, put", [(sys.gettrace, sys.settrace), (sys.getprofile, sys.setprofile)], ids=["debugger", "profiler"]
)
def test_debuggers_and_profilers_go_on(ask, put):
    config, seen = Config(), []

    def hook(frame, event, arg):
        seen.append(frame.f_code.co_name)
        return None

    outer, step, x = ask(), Step(lambda x: helper(x) * config.alpha), normal(3)
    put(hook)
    try:
        step(x)
        with pytest.raises(TraceError):
            Step(lambda x: print(x))(x)
        assert ask() is hook
    finally:
        put(outer)
    assert seen
    config.alpha = 7.0
    follows(step, x, traces=2)
    assert print.__module__ == "builtins" and not hasattr(print, "__wrapped__")


def test_several_threads():
    config, errors = Config(), []
    step = Step(lambda x: (x * config.alpha).exp())

    def work(k):
        for i in range(5):
            x = normal(k + 2, seed=i)
            if not np.allclose(step(x).numpy(), (x * 2.0).exp().numpy(), rtol=1e-5):
                errors.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and step.traces == 4


def test_history_does_not_get_lost():
    w = normal(3, grad=True)
    step = Step(lambda x: (w * x).sum())
    with pytest.raises(TraceError, match="history"):
        step(normal(3))
    with mg.no_grad():
        equal(step(mg.ones(3)), w.sum())
    lenient = mg.compiler.compile(lambda x: (w * x).sum())
    for k in (1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lenient(mg.ones(3)).backward()
        assert w.grad.tolist() == [float(k)] * 3


def test_errors_leave_everything_as_it_was():
    w, buffer, generator = normal(3, grad=True), mg.zeros(3), mg.Generator().manual_seed(3)
    optimizer = optim.Adam([w], lr=0.1)
    (w * 2).sum().backward()
    optimizer.step()
    broken = [True]

    def train(x):
        optimizer.zero_grad()
        (F.dropout(w * x) + mg.rand(3, generator=generator)).sum().backward()
        optimizer.step()
        buffer.add_(1)
        if broken[0]:
            raise KeyError("mine")
        return w.detach() * 1

    def state():
        s = optimizer.state[w]
        return [w.tolist(), w.grad.tolist(), buffer.tolist(), *(v.tolist() for v in s.values()), mg.get_rng_state().tolist(),
                generator.get_state().tolist()]  # fmt: skip

    step, before, grad = Step(train), state(), w.grad
    with pytest.raises(KeyError):
        step(mg.ones(3))
    assert state() == before and w.grad is grad and tracer.get() is None
    broken[0] = False
    first = step(mg.ones(3))
    assert buffer.tolist() == [1.0] * 3 and first.tolist() == w.tolist()
    broken[0] = True
    before = state()
    with pytest.raises(KeyError):
        step(mg.ones(3))
    assert state() == before


def test_compiled_functions_inside_and_recursion():
    config = Config()
    inner = mg.compile(lambda x: x * config.alpha)
    outer = mg.compile(lambda x: inner(x) + 1)

    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    x = normal(3)
    for alpha in (2.0, 2.0, 5.0):
        config.alpha = alpha
        equal(outer(x), x * alpha + 1)
    assert outer.traces == 2 and inner.traces == 0
    step = Step(power)
    for n in (2, 3, 2, 3):
        equal(step(x, n), x ** (n + 1))
    assert step.traces == 2
    compiled_power = Step(lambda x, n: x if n == 0 else x * compiled_power(x, n - 1))
    equal(compiled_power(x, 3), x**4)


def test_under_vmap_the_function_itself_runs():
    step = Step(lambda x: x * 2 + 1)
    equal(mg.func.vmap(step)(normal(4, 3)), normal(4, 3) * 2 + 1)


# ---------------------------------------------------------------------------------------------------------- minigrad.compile
def test_compiled_modules(net):  # noqa: F811
    model = mg.compile(net)
    x = normal(5, 3)
    with mg.no_grad():
        for _ in range(3):
            equal(model(x), net(x))
        net.scale = 7.0
        equal(model(x), net(x))
        assert model._step.traces == 2
        net.first.weight.mul_(2)
        equal(model(x), net(x))
        assert model._step.traces == 2
    model.train()
    assert net.norm.training
    model(x).sum().backward()
    assert net.first.weight.grad is not None and model._step.traces == 3


def test_what_torch_compile_accepts():
    torch_compile = mg.compiler.compile
    seen = []

    @torch_compile(mode="reduce-overhead", dynamic=False)
    def f(x):
        seen.append(x.sum().item())
        return x * 2 if x.sum() > 0 else x * 3

    with pytest.warns(RuntimeWarning, match=r"test_compile_step\.py") as caught:
        for x in (mg.ones(2), -mg.ones(2), mg.ones(2)):
            equal(f(x), f.__wrapped__(x))
    assert len(caught) == 1 and seen == [2.0, 2.0, -2.0, -2.0, 2.0, 2.0]

    @torch_compile
    def broken(x):
        raise ValueError("mine")

    for _ in range(2):
        with pytest.raises(ValueError, match="mine"):
            broken(mg.ones(2))
    arrays = torch_compile(lambda a: np.sum(a) * 2)
    assert arrays(np.ones(3)) == 6.0
    with pytest.raises(TraceError):
        torch_compile(lambda x: x.sum().item(), fullgraph=True)(mg.ones(2))


def test_reset_and_copies():
    f = mg.compile(reads_alpha)
    x = normal(3)
    f(x)
    mg.compiler.reset()
    assert not f.programs
    equal(f(x), x * ALPHA)
    assert f.traces == 2 and copy.deepcopy(f)(x).tolist() == f(x).tolist() and f.__name__ == "reads_alpha"
    flags = []
    mg.compile(lambda x: flags.append(mg.compiler.is_compiling()) or x * 1)(x)
    assert flags == [True] and not mg.compiler.is_compiling()


def test_a_failed_first_call_leaves_the_optimizer_as_it_was():
    w = normal(3).requires_grad_()
    optimizer, failing = mg.optim.AdamW([w], lr=0.1), [True]

    @mg.compile
    def train(x):
        optimizer.zero_grad()
        loss = (w * x).square().sum()
        loss.backward()
        optimizer.step()
        if failing[0]:
            raise KeyboardInterrupt
        return loss

    before, x = w.tolist(), normal(3, seed=1)
    with pytest.raises(KeyboardInterrupt):
        train(x)
    assert w.tolist() == before and not optimizer.state
    failing[0] = False
    losses = [train(x).item() for _ in range(4)]
    assert losses == sorted(losses, reverse=True) and len(set(losses)) == 4
    optimizer.step()  # nor is it broken for steps that are not compiled


def test_threads_that_call_a_new_step_take_turns():
    w = mg.zeros(4, requires_grad=True)
    optimizer, errors = mg.optim.SGD([w], lr=0.25, momentum=0.5), []

    @mg.compile
    def train(x):
        optimizer.zero_grad()
        ((w - x) ** 2).sum().backward()
        optimizer.step()

    def run():
        try:
            for _ in range(20):
                train(mg.ones(4))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and train.traces == 2
    v, velocity = 0.0, 0.0
    for _ in range(60):
        velocity = 0.5 * velocity + 2 * (v - 1)
        v -= 0.25 * velocity
    np.testing.assert_allclose(w.detach().array, v, rtol=1e-5)


def test_a_compiled_module_is_in_the_mode_of_its_module():
    module = mg.nn.Sequential(mg.nn.Linear(2, 2), mg.nn.Dropout())
    fast = mg.compile(module)
    module.eval()
    assert not fast.training
    fast.train()
    assert module.training and module[1].training and fast.training
