"""The benchmarks run: every workload and every hot operation makes its steps, and the reporters read what was measured."""

import json
import pathlib
import sys

import numpy as np
import pytest

import minigrad

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks import common, remake  # noqa: E402
from benchmarks.ops import rows as operations  # noqa: E402
from benchmarks.ops import run as operations_run  # noqa: E402
from benchmarks.peers import data, matmuls, report, run, worker, workloads  # noqa: E402


@pytest.fixture(autouse=True)
def texts(monkeypatch):
    """The operations' texts run, here and in the workers: what is tested is the benchmarks, and nothing needs compiling."""
    monkeypatch.setenv("MINIGRAD_KERNELS", "0")
    with minigrad.kernels.use_kernels(False):
        yield


def numbers(result):
    parts = result if isinstance(result, tuple) else (result,)
    return np.concatenate([p.detach().numpy().ravel() for p in parts])


@pytest.mark.parametrize("name", data.NAMES)
def test_a_workload_runs_and_repeats(name):
    """Two steps in small; the same numbers give the same results, and the weights of a training move."""
    first, second = (
        workloads.build(name, minigrad, np.random.default_rng(0), dropout=0.0, batch=1 if "gpt_gen" in name else 3, length=4)
        for _ in range(2)
    )
    got = [numbers(first()) for _ in range(2)]
    assert all(np.isfinite(g).all() for g in got)
    assert not np.array_equal(*got)  # another batch and, in a training, other weights
    np.testing.assert_array_equal(numbers(second()), got[0])


@pytest.mark.parametrize("name", ["tiny_mlp", "wgan_gp", "infer_mlp_b1", "gpt_gen64_kv"])
def test_a_compiler_is_put_around_what_runs(name):
    """``whole`` gets the function of the step, ``part`` that of model and loss; both are called."""
    calls = {"whole": 0, "part": 0}

    def counted(which):
        def wrap(function):
            def call(*args):
                calls[which] += 1
                return function(*args)

            return call

        return wrap

    step = workloads.build(
        name, minigrad, np.random.default_rng(0), whole=counted("whole"), part=counted("part"), batch=1, length=2
    )
    step()
    assert calls == {"whole": 2 if name == "gpt_gen64_kv" else 1, "part": 1 if name in ("tiny_mlp", "infer_mlp_b1") else 2}


def test_generations_with_and_without_a_cache_read_the_same_model():
    """The first letter that the cache writes has the scores of a window of that letter alone."""
    rng = lambda: np.random.default_rng(0)
    cached = workloads.build("gpt_gen64_kv", minigrad, rng(), length=1)()
    model = workloads.MODELS["gpt_gen64_kv"](minigrad)
    generator = rng()
    workloads.load(minigrad, model, generator)
    ((letter,), *_) = data.batches("gpt_gen64_kv", generator)
    with minigrad.no_grad():
        alone = model(minigrad.tensor(letter))[:, -1]
    np.testing.assert_allclose(cached.numpy(), alone.numpy(), atol=1e-5)


def test_the_shapes_are_those_of_the_table():
    made = {name: [a.shape for a in data.batches(name, np.random.default_rng(0))[0]] for name in data.NAMES}
    assert len(made) == 17
    assert made["cnn"] == [(64, 1, 28, 28), (64,)] and made["logreg"] == [(1797, 64), (1797,)]
    assert made["gpt_char"] == [(12, 64), (12, 64)] and made["resnet_block"][0] == (32, 64, 16, 16)


@pytest.mark.parametrize("name", sorted(matmuls.SIZES))
def test_products_alone_are_those_of_the_model(name):
    model = workloads.MODELS[name](minigrad, *([0.5] if name == "keras_mlp" else []))
    layers = [m for m in model.modules() if isinstance(m, minigrad.nn.Linear)]
    assert [layers[0].in_features, *(m.out_features for m in layers)] == list(matmuls.SIZES[name])
    assert matmuls.build(name, np.random.default_rng(0))().shape == (data.BATCH[name], 10)


SMALL = ("add_8x8", "sum_8x8", "softmax_64Kx10", "adamw_100x1000", "matmul_64x784x128")


@pytest.mark.parametrize("row", [row for row in operations.ROWS if row.name in SMALL], ids=lambda row: row.name)
def test_an_operation_is_checked_and_measured(row):
    found = operations_run.measure(row, minigrad, minigrad, 1, 1e-4, {"GB/s": 30.0, "GFLOP/s": 100.0})
    assert set(found) == {"fb"} if row.step else {"nograd", "fb"} <= set(found)
    assert found["fb"]["ratio"] > 0
    limits = {"GB/s": 30.0, "GFLOP/s": 100.0}
    page = operations_run.report({"machine": common.machine(), "rounds": 1, "limits": limits, "rows": {row.name: found}})
    assert f"| {row.name} |" in page and "Geometric means" in page


def test_wrong_results_are_not_timed():
    row = next(row for row in operations.ROWS if row.name == "add_8x8")
    wrong = operations.Row("wrong", lambda lib, rng: row.make(lib, np.random.default_rng(int(lib is minigrad))))

    class Other:
        def __getattr__(self, name):
            return getattr(minigrad, name)

    assert "differ" in operations_run.measure(wrong, minigrad, Other(), 1, 1e-4, {})["error"]


MEASURED = {
    "machine": {"machine": "test", "cores": 1, "python": "3"},
    "threads": 1,
    "rounds": 3,
    "rows": {
        "tiny_mlp": {
            "torch": {"ms": 0.4, "ratio": 1.0, "cold": 2.0, "warm": 1.5, "peak": 300.0},
            "minigrad": {"ms": 0.1, "ratio": 0.25, "cold": 0.5, "warm": 0.4, "peak": 40.0},
        },
        "mnist_mlp": {
            "torch": {"ms": 0.5, "ratio": 1.0},
            "minigrad-compiled": {"ms": 0.2, "ratio": 0.4, "all": [2.0, 2.2, 2.1]},
            "matmuls": {"ms": 0.19, "ratio": 0.38, "all": [2.0, 2.0, 2.0]},
        },
        "wgan_gp": {
            "torch": {"ms": 2.0, "ratio": 1.0},
            "minigrad": {"ms": 1.0, "ratio": 0.49},
            "jax": {"error": "no such thing"},
        },
    },
}


def test_the_report_shows_ratios_failures_and_means():
    page = report.text([MEASURED])
    assert "| workload | torch ms | jax | minigrad | minigrad-compiled | matmuls |" in page
    assert "| tiny_mlp | 0.4 |  | **0.25** |  |  |" in page
    assert "| wgan_gp | 2 | failed | **0.49** |  |  |" in page and "wgan_gp, jax: no such thing" in page
    assert "| mnist_mlp | 0.5 |  |  | **0.40** | 0.38 |" in page and "takes 1.05 times its matrix products alone" in page
    assert "| geometric mean (of) | 1 |  | 0.35 (2) | 0.40 (1) |  |" in page
    assert "0.50 / 0.40 s, 40 MiB" in page


def test_a_later_file_replaces_what_it_measured_again():
    later = MEASURED | {"rows": {"tiny_mlp": {"minigrad": {"ms": 0.2, "ratio": 0.5}}}}
    assert "| tiny_mlp | 0.4 |  | **0.50** |  |  |" in report.text([MEASURED, later])
    assert MEASURED["rows"]["tiny_mlp"]["minigrad"]["ratio"] == 0.25


def test_the_report_writes_its_section_and_its_plot(tmp_path, monkeypatch):
    """What stands outside the markers stays."""
    page, plot, numbers = tmp_path / "RESULTS.md", tmp_path / "peers.svg", tmp_path / "run.json"
    page.write_text("# Results\n\nbefore\n\n<!-- begin peers -->\nobsolete\n<!-- end peers -->\n\nafter\n")
    numbers.write_text(json.dumps(MEASURED))
    write, draw = common.write_section, report.draw
    monkeypatch.setattr(common, "write_section", lambda *args: write(*args, path=page))
    monkeypatch.setattr(report, "draw", lambda files: draw(files, plot))
    for _ in range(2):
        report.main([str(numbers)])
    written = page.read_text()
    assert written.startswith("# Results\n\nbefore\n") and written.endswith("<!-- end peers -->\n\nafter\n")
    assert "obsolete" not in written and written.count("| tiny_mlp |") == 2 and written.count("peers.svg") == 1
    assert "minigrad" in plot.read_text()


def test_losses_that_part_are_found():
    assert run.difference([[1.0, 2.0]], [[1.0, 2.0]]) == 0
    assert run.difference([[1.0], [2.02]], [[1.0], [2.0]]) == pytest.approx(0.01)
    assert run.difference([[float("nan")]], [[1.0]]) == float("inf")
    assert run.difference([[1.0]], [[1.0, 2.0]]) == float("inf")


def test_a_workload_is_timed_in_processes_of_their_own(monkeypatch):
    """minigrad stands in for PyTorch; a variant that fails is reported and the others are timed."""
    monkeypatch.setattr(run, "SECONDS", 1e-3)
    monkeypatch.setattr(run, "Worker", lambda workload, variant, threads: Real(workload, NAMED[variant], threads))
    rows = run.timed("micrograd", ["torch", "jax", "minigrad"], 1, 2)
    assert "AttributeError" in rows["jax"]["error"] and "ms" not in rows["jax"]
    assert rows["torch"]["ratio"] == 1 and rows["minigrad"]["ratio"] > 0 and len(rows["minigrad"]["all"]) == 2
    assert rows["minigrad"]["difference"] == 0


Real, NAMED = run.Worker, {"torch": "minigrad", "jax": "nothing", "minigrad": "minigrad"}


def test_a_start_ends_with_the_last_slow_step():
    assert worker.settled([1.0, 1.1, 1.2, 1.3]) == 2
    assert worker.settled([0.3, 0.305, 1.6, 1.601, 1.602]) == 3  # compiled at the third call
    assert worker.settled([0.3, 1.305, 1.31, 2.6, 2.601]) == 4


def test_one_command_names_programs_that_exist():
    for module, *_ in remake.commands(pathlib.Path("folder"), 7):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists()
