"""Comparing a drawn function as it is with the same function compiled."""

import importlib
import linecache
import os
import pkgutil
import warnings

import numpy as np

import minigrad as mg
from minigrad.compile import Step, verify
from minigrad.nn import functional as F

ROUNDING = {"float16": 2e-2, "float32": 2e-5, "float64": 1e-11}
_serial = iter(range(10**9))


JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")  # without it the passes write the text all the same


def check_programs(step):
    """Nothing fell back to calls one by one, and every pass holds."""
    programs = [p for kept in step.programs.values() for p in kept]
    assert programs and all(p.passes() for p in programs), "a program has no machine code"
    assert not JIT or (any(p.executable for p in programs) and all(p.executable is not False for p in programs)), "it fell back"
    verify(step)


def rows_shared(monkeypatch):
    """The list that gets how many rows each task has that threads share from now on, be it ever so small."""
    from minigrad.kernels import cpu
    from minigrad.kernels.cpu import threads

    for module in pkgutil.iter_modules(cpu.__path__):  # those that are imported later would keep what stands here for a while
        importlib.import_module(f"{cpu.__name__}.{module.name}")
    shared, split = [], threads.split
    monkeypatch.setattr(threads, "split", lambda function, count, work: shared.append(count) or split(function, count, work))
    monkeypatch.setattr(threads, "SMALLEST", 1)
    return shared


def function_of(text, captured):
    """The function ``f`` of a text, with ``captured`` tensors as its globals."""
    file = f"<drawn {next(_serial)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    scope = {"mg": mg, "F": F, "math": __import__("math"), **captured}
    exec(compile(text, file, "exec"), scope)
    return scope["f"]


class State:
    """The values of tensors, to go back to."""

    def __init__(self, tensors):
        self.kept = [(t, t.detach().array.copy()) for t in tensors]

    def restore(self, seed, noise=None):
        """Every tensor as it was, or off by a few units in the last digit; no gradients."""
        for t, array in self.kept:
            t.detach().array[...] = perturbed(array, noise) if noise is not None else array
            t.grad = None
        mg.manual_seed(seed)


def perturbed(array, noise):
    if array.dtype.kind != "f":
        return array
    scale = 4 * np.finfo(array.dtype).eps
    return (array * (1 + scale * noise.uniform(-1, 1, array.shape))).astype(array.dtype)


def flat(value):
    if isinstance(value, mg.Tensor):
        return [value]
    return (
        [t for v in (value.values() if isinstance(value, dict) else value) for t in flat(v)]
        if isinstance(value, tuple | list | dict)
        else []
    )


def run(f, examples, watched, calls):
    """Arrays of what each call returns and leaves behind."""
    found = []
    for k in range(calls):
        given = examples[k]
        results = flat(f(*given))
        arrays = [(f"result {i}", t.detach().array.copy()) for i, t in enumerate(results)]
        arrays += [(f"tensor {n}", t.detach().array.copy()) for n, t in watched.items()]
        for n, t in [*watched.items(), *((f"a{i}", t) for i, t in enumerate(given))]:
            arrays.append((f"grad of {n}", None if t.grad is None else t.grad.array.copy()))
        found.append(arrays)
    return found


def compare(got, expected, others, where, coarsest="float64"):
    """Equal within rounding: that of the dtype, and what a change of the inputs' last digits makes of the results."""
    for (name, a), (_, b), *rest in zip(got, expected, *others, strict=True):
        place = f"{where}, {name}"
        assert (a is None) == (b is None), f"{place}: {a} for {b}"
        if b is None:
            continue
        assert a.dtype == b.dtype and a.shape == b.shape, f"{place}: {a.dtype}{a.shape} for {b.dtype}{b.shape}"
        if b.dtype.kind != "f":
            steady = np.logical_and.reduce([o == b for _, o in rest]) if rest else True
            assert not np.any((a != b) & steady), f"{place}: {a} for {b}"
            continue
        with np.errstate(all="ignore"):
            rounding = max(ROUNDING[b.dtype.name], ROUNDING[coarsest])
            largest = np.max(np.abs(b[np.isfinite(b)]), initial=0)
            allowed = rounding * np.abs(b) + rounding * largest + rounding / 10
            for _, o in rest:
                allowed = allowed + 100 * np.abs(o - b)
            same = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= allowed)
            shaken = np.logical_or.reduce([np.isfinite(o) != np.isfinite(b) for _, o in rest]) if rest else False
            assert np.all(same | shaken), f"{place}: off by {np.max(np.abs(a - b)[~(same | shaken)])}:\n{a}\nfor\n{b}"


def check(text, captured, examples, calls=4, seed=3):
    """Assert that the function of ``text`` is the same compiled. Returns the Step."""
    f = function_of(text, captured)
    tensors = {**captured, **{f"a{i}k{k}": t for k, e in enumerate(examples) for i, t in enumerate(e)}}
    state = State(tensors.values())
    noise = np.random.default_rng(5)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = run(f, examples, captured, calls)
        others = []
        state.restore(seed)
        expected = run(f, examples, captured, calls)
        for _ in range(2):
            state.restore(seed, noise)
            others.append(run(f, examples, captured, calls))
        state.restore(seed)
        step = Step(f)
        warnings.filterwarnings("error", message="this step runs without machine code")
        got = run(step, examples, captured, calls)
    check_programs(step)
    coarsest = "float32" if "float32" in text or any(t.dtype is mg.float32 for t in tensors.values()) else "float64"
    for k in range(calls):
        compare(got[k], expected[k], [o[k] for o in others], f"call {k}", coarsest)
    return step


def check_training(make, calls=6):
    """Assert that training steps of ``make()``, a Training, are the same compiled. Returns the Step."""

    def trained(step_of, noise=None):
        training = make()
        if noise is not None:
            for p in training.model.parameters():
                p.detach().array[...] = perturbed(p.detach().array, noise)
        step, found = step_of(training.step), []
        mg.manual_seed(11)
        for k in range(calls):
            if k == calls - 2:
                training.model.eval()
            losses = step(*training.data(k))
            arrays = {f"result {i}": np.array(t.array) for i, t in enumerate(losses)}
            found.append(sorted({**arrays, **training.left()}.items()))
        return found, step

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("error", message="this step runs without machine code")
        expected, _ = trained(lambda f: f)
        others = [trained(lambda f: f, np.random.default_rng(k))[0] for k in range(2)]
        got, step = trained(Step)
    check_programs(step)
    for k in range(calls):
        assert [n for n, _ in got[k]] == [n for n, _ in expected[k]], (got[k], expected[k])
        compare(got[k], expected[k], [o[k] for o in others], f"call {k}")
    return step
