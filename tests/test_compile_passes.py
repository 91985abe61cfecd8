"""What holds after each pass, on drawn functions; and broken schedules, each of which its check refuses."""

import copy
import importlib.util
import random

import pytest
from compared import function_of
from drawn_graphs import Drawing

import minigrad as mg
from minigrad.compile import Step, checks, verify
from minigrad.errors import TraceError

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed"),
    pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU"),
]


class Unrun:
    """A module whose functions nobody calls: the passes are looked at, nothing is compiled."""

    def __getattr__(self, name):
        return lambda *arrays: None


@pytest.fixture
def executable_of(monkeypatch):
    def make(fn, *examples):
        from minigrad.compile import cache
        from minigrad.compile.executable import Executable

        monkeypatch.setattr(cache, "load", lambda source: compile(source, "<generated>", "exec") and Unrun())
        step = Step(fn)
        step(*examples)
        program = next(p for kept in step.programs.values() for p in kept)
        program.executable = Executable(program)
        assert verify(step) is step
        return program.executable

    return make


@pytest.mark.parametrize("seed", range(12))
def test_drawn_functions(seed, executable_of):
    draw = random.Random(seed).randrange
    drawing = Drawing(draw, ("float32", "float64")[seed % 2], 5 + draw(46), seed % 3 > 0)
    executable_of(function_of(drawing.finish(), drawing.captured), *drawing.examples(1)[0])


@pytest.fixture
def made(executable_of):
    state, w = mg.ones(6, 6), mg.ones(6, 6)

    def f(x):
        y = (x @ w).tanh()
        z = (y @ w + y.sum(0)).exp() @ y
        total = (z @ state).sum(1)
        state.copy_(z * 2)
        return total, z.max()

    return executable_of(f, mg.ones(6, 6))


def refused(what, check, *given):
    with pytest.raises(TraceError, match=what):
        check(*given)


def test_a_task_that_comes_too_early_is_refused(made):
    schedule = copy.copy(made.schedule)
    schedule.tasks = schedule.tasks[::-1]
    last = len(schedule.tasks) - 1
    schedule.task_of = {n: last - k for n, k in made.schedule.task_of.items()}
    refused("computes later|while it computes", checks.verify_schedule, schedule)


def test_a_value_of_another_place_in_the_same_loop_is_refused(executable_of):
    made = executable_of(lambda x: (x.exp(), x.exp().flip(0) + 1), mg.ones(5))
    assert len(made.schedule.tasks) == 2
    first, second = made.schedule.tasks
    first.members += second.members
    del made.schedule.tasks[1]
    made.schedule.task_of = dict.fromkeys(made.schedule.task_of, 0)
    refused("while it computes", checks.verify_schedule, made.schedule)


def test_a_local_value_that_another_task_reads_is_refused(made):
    read = next(v for n in made.schedule.reads for v in made.schedule.values_read(n) if v.op == "tanh")
    made.schedule.local.add(read)
    refused("has no memory", checks.verify_schedule, made.schedule)


def test_a_value_without_memory_is_refused(made):
    read = next(v for n in made.schedule.reads for v in made.schedule.values_read(n) if v.op == "tanh")
    del made.plan.storage[read]
    refused("has no memory", checks.verify_plan, made.schedule, made.plan, made.targets)


def test_memory_that_is_still_read_is_not_written(made):
    in_arena = [n for n, s in made.plan.storage.items() if s.where == "arena"]
    tanh = next(n for n in in_arena if n.op == "tanh")
    product = next(n for n in in_arena if n.op == "matmul" and made.schedule.task_of[n] > made.schedule.task_of[tanh])
    made.plan.storage[product] = made.plan.storage[tanh]
    refused("read later", checks.verify_plan, made.schedule, made.plan, made.targets)


def test_state_that_is_still_read_is_not_written(made):
    state = next(where[1] for where in made.targets.values() if where[0] == "state")
    early = next(n for n in made.plan.storage if n.op == "tanh")
    made.plan.storage[early] = made.plan.storage[state]
    refused("read later", checks.verify_plan, made.schedule, made.plan, made.targets)


def test_two_outputs_with_one_target_are_refused(made):
    first, second, *_ = made.targets
    refused("one target", checks.verify_targets, made.graph, {**made.targets, first: made.targets[second]})
    refused("no target", checks.verify_targets, made.graph, {o: t for o, t in made.targets.items() if o is not first})


def test_long_chains_are_cut():
    def f(x):
        for k in range(400):
            x = x * 0.5 + x.sin() * k
        return x.sum()

    step = Step(f)
    for _ in range(2):
        y = step(mg.linspace(-1, 1, 5))
    assert "0 calls from Python" in step.report() and y.isfinite()
