"""Functions that serve many sizes: tasks that differ in sizes alone, and functions that are called with ever other shapes."""

import itertools
import os
import re
import subprocess
import sys
import textwrap
import weakref

import pytest
from test_compile_emit import _private_cache, compare, compiled, machine_code, normal, parameter  # noqa: F401  (one a fixture)

import minigrad as mg
from minigrad.compile import Step
from minigrad.nn import functional as F

pytest.importorskip("numba")
from minigrad.compile.executable import Executable

pytestmark = pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU")


def regression(make_optimizer):
    """A parameter, its optimizer, and a function that trains it."""
    w = parameter(5, 3)
    optimizer = make_optimizer([w])

    def train(x):
        optimizer.zero_grad()
        loss = (x @ w).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return w, optimizer, train


@machine_code
def test_large_steps_run_tasks_in_turn():
    """Then tasks that differ in places or sizes alone are one function, with these numbers in a row of each task's own."""
    sizes = [8, 6, 11, 5]
    weights = [parameter(m, n, seed=m) for m, n in itertools.pairwise(sizes)]

    def f(x):
        for w in weights:
            x = (x @ w).sigmoid() * x.mean() + w[0, :3].sum()
        return x.detach()

    x = normal(4, 8)
    step = compiled(f, x, rtol=1e-5)
    apart = Executable(step.program, apart=True).load()
    assert len(apart.segments) >= 10 and len(apart.code) == 1 and len(re.findall(r"def step_\d+", apart.source)) <= 7
    compare(apart([x]), f(x), 1e-5)


@machine_code
def test_kernels_of_large_steps_are_called_by_name_also_from_the_cache(tmp_path):
    script = """
        import numpy as np, minigrad as mg
        from minigrad.compile import emit_cpu
        from minigrad.nn import functional as F
        emit_cpu.LARGE = 0
        mg.manual_seed(0)
        net = mg.nn.Sequential(mg.nn.Embedding(9, 16), mg.nn.LayerNorm(16), mg.nn.Linear(16, 9))
        optimizer = mg.optim.SGD(net.parameters(), lr=0.1)
        def train(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss
        x, y = mg.arange(8), mg.arange(8)
        expected = [train(x, y).item() for _ in range(3)]
        mg.manual_seed(0)
        net.apply(lambda m: m.reset_parameters() if hasattr(m, "reset_parameters") else None)
        step = mg.compile(train)
        found = [step(x, y).item() for _ in range(3)]
        print(np.allclose(found, expected, rtol=1e-5), step.source().count("= called(") >= 4)
        try:
            step(x, y + 5)
        except IndexError as error:
            print(error)
    """
    cached = {"MINIGRAD_CACHE_DIR": str(tmp_path / "minigrad"), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    for _ in range(2):  # the second process loads the machine code
        lines = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env={**os.environ, **cached}, check=True,
                               capture_output=True, text=True).stdout.splitlines()  # fmt: skip
        assert lines == ["True True", "target 9 is not a class: logits have classes 0 to 8"]


@machine_code
def test_a_function_of_ever_other_shapes_has_few_texts():
    weights = [parameter(4, 4, seed=k) for k in range(2)]

    def grow(x, cache):
        cache = mg.cat([cache, (x @ weights[0]).detach()])
        y = F.softmax(x @ weights[1] @ cache.T, -1) @ cache
        return (y * cache.shape[0]).detach(), cache

    def run(f):
        cache, x, seen = mg.zeros(0, 4), normal(1, 4), []
        for _ in range(24):
            x, cache = f(x, cache)
            seen.append(x)
        return seen

    step = Step(grow)
    for _ in range(2):
        compare(run(step), run(grow), 1e-4)
    assert step.traces == len(step.programs) == 24 and len(step.texts) <= 6
    blocks = {id(p.executable.arena.base) for (p,) in step.programs.values() if p.executable}
    assert len(blocks) < 12  # programs of like sizes use the same memory in turn


@machine_code
def test_settings_that_change_often_are_compiled_for_all_values():
    (w, optimizer, train), (v, other, plain) = (regression(lambda p: mg.optim.AdamW(p, lr=0.1)) for _ in range(2))
    step, x = Step(train), normal(4, 5)
    for k in range(8):
        optimizer.param_groups[0]["weight_decay"] = other.param_groups[0]["weight_decay"] = 0.25 / (1 + k)
        for _ in range(2):
            compare([step(x), w.grad], [plain(x), v.grad], 1e-5)
    assert step.traces == 8 and len(step.texts) <= 5
    compare(w.detach(), v.detach(), 1e-5)


@machine_code
def test_training_on_ever_other_shapes_keeps_one_gradient():
    (w, _, train), (v, _, plain) = (regression(lambda p: mg.optim.SGD(p, lr=0.1)) for _ in range(2))
    step = Step(train)
    for n in [2, 3, 4, 5, 6, 5, 4, 7]:
        compare([step(normal(n, 5)), w.grad], [plain(normal(n, 5)), v.grad], 1e-5)
    found = [p.executable for (p, *_) in step.programs.values() if p.executable]
    kept = [t for executable in found for t in executable.gradient_tensors if t is not None]
    assert len(kept) <= 2
    compare(w.detach(), v.detach(), 1e-5)


def test_a_function_of_too_many_shapes_runs_as_it_is(monkeypatch):
    monkeypatch.setattr(sys.modules["minigrad.compile.step"], "KINDS", 3)
    step = Step(lambda x: x * 2)
    for n in range(1, 4):
        step(normal(n))
    with pytest.warns(RuntimeWarning, match="with 3 kinds of arguments and runs as it is"):
        compare(step(normal(4)), normal(4) * 2, 0)
    step(normal(5))  # said once
    assert step.traces == 3


@machine_code
def test_a_failed_check_ends_the_run_before_anything_is_written():
    """The tasks of a large step are called in turn by machine code, which looks at what each has checked."""
    rows, w = parameter(6, 3), parameter(3, 2)
    optimizer = mg.optim.SGD([rows, w], lr=0.5)

    def train(index):
        optimizer.zero_grad()
        loss = (F.embedding(index, rows) @ w).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    step = Step(train)
    step(mg.tensor([1, 2]))
    apart = Executable(step.program, apart=True).load()
    apart([mg.tensor([3, 5])])
    assert len(apart.code) == 1 and apart.code[0][1]
    before = rows.detach().clone(), w.detach().clone()
    with pytest.raises(IndexError, match="6"):
        apart([mg.tensor([0, 6])])
    compare([rows.detach(), w.detach()], before, 0)
    assert apart([mg.tensor([0, 1])]).isfinite()


@machine_code
def test_results_are_kept_by_nobody_but_the_caller():
    step = Step(lambda x: x * 2.0)
    for n in (3, 4, 5, 6, 3, 4, 5, 6):
        memory = weakref.ref(step(mg.ones(n)).array)
    step(mg.ones(3))
    assert memory() is None
