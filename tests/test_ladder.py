"""The ladder: each step equals the first, and the climb tells of each."""

import pathlib
import re
import sys

import numpy as np
import pytest

import minigrad
from minigrad.bench import limits

pytest.importorskip("numba", exc_type=ImportError)
sys.path.insert(0, str(pathlib.Path(minigrad.__file__).parent.parent))
from benchmarks.ladder import climb, cuda, matmul, softmax

LIMITS = {"device": "cpu", "threads": 1, "copies": [[1000, 50.0], [10**6, 20.0]], "copy": 20.0, "matmul": 100.0}


@pytest.fixture(autouse=True)
def no_measured_limits(monkeypatch):
    """The limits are made up: a test does not wait for the machine's."""
    monkeypatch.setattr(limits, "roofline", lambda device="cpu", threads=1, quick=False: {**LIMITS, "device": device})


# -------------------------------------------------------------------------------------------------------------- the ladder
STEPS = [(ladder, step) for ladder in (softmax.SOFTMAX, matmul.MATMUL) for step in ladder.steps]
HERE = [(ladder, step) for ladder, step in STEPS if climb.why_not(step) is None]


@pytest.mark.parametrize("ladder, step", HERE, ids=[f"{ladder.name}-{step.name}" for ladder, step in HERE])
def test_a_step_is_right(ladder, step):
    assert climb.check(ladder, step) <= ladder.tolerance


def test_every_step_is_explained():
    for _, step in STEPS:
        assert len(step.story.split()) > 15, step.name
    assert {step.device for _, step in STEPS} == {"cpu", "cuda"}


def test_the_first_steps_are_the_formulas():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(matmul.python(a, a.T), a @ a.T)
    np.testing.assert_allclose(np.sum(softmax.python(a), 1), 1)
    np.testing.assert_allclose(softmax.python(np.log(np.float32([[1, 3]]))), [[0.25, 0.75]], rtol=1e-6)


def test_a_wrong_step_is_refused():
    wrong = climb.Step("wrong", lambda x: softmax.numpy_text(x) * 1.01)
    with pytest.raises(ValueError, match="step 'wrong': wrong result"):
        climb.check(softmax.SOFTMAX, wrong)
    with pytest.raises(ValueError, match="wrong result"):
        climb.check(softmax.SOFTMAX, climb.Step("short", lambda x: x[:, :3]))


def test_the_climb_tells_of_each_step(monkeypatch):
    monkeypatch.setattr(climb, "roofline", limits.roofline)
    monkeypatch.setattr(climb, "SLOW", 1e-4)
    said, names = [], ["numpy words", "blas", "cuda", "cublas"]
    large = matmul.drawn(np.random.default_rng(0), 8, 8, 8)
    found = climb.climb(matmul.MATMUL, 1, names, said.append, large=large)
    text = "\n".join(said)
    assert [name for name, _ in found] == names and found[0][1] > 0
    assert re.search(r"2\. numpy words: .* [mun]s\n", text) and "times the first, " in text and "% of the roofline" in text
    assert "thirty years of the same ideas" in text
    if not minigrad.cuda.is_available():
        assert text.count("cuda: not run here: ") == 1 and "cublas: not run here\n" in text


def test_the_ladders_command(capsys):
    before = minigrad.get_num_threads()
    with pytest.raises(SystemExit):
        climb.main(["matmul", "--steps", "fastest"])
    assert "there is no step 'fastest'; there are python, numpy words" in capsys.readouterr().err
    assert minigrad.get_num_threads() == before


@pytest.mark.skipif(not minigrad.cuda.is_available(), reason="needs CuPy and a GPU: run with --xp hostcuda or --xp gpu")
def test_rows_with_infinities_on_the_gpu():
    import cupy

    x = np.random.default_rng(0).standard_normal((2, 700), np.float32)
    x[0, :300] = -np.inf
    x[1, 5] = np.nan
    expected = np.exp(x - x.max(1, keepdims=True))
    for step in (cuda.softmax_block, cuda.softmax_online):
        np.testing.assert_allclose(step(cupy.asarray(x)).get(), expected / expected.sum(1, keepdims=True), rtol=1e-5)
