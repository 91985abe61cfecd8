"""``minigrad.bench`` and the ladder: that the right things are measured and said, never how long they take."""

import contextlib
import copy
import gc
import html.parser
import json
import re
import xml.etree.ElementTree

import numpy as np
import pytest

import minigrad
from minigrad.__main__ import main
from minigrad.bench import OPERATIONS, SIZES, clock, comparing, files, limits, page, rows, running, svg, tables
from minigrad.errors import FileError

QUICK = {"quick": True, "seconds": 1e-4, "rounds": 2}
measured_roofline = limits.roofline
LIMITS = {"device": "cpu", "threads": 1, "copies": [[1000, 50.0], [10**6, 20.0]], "copy": 20.0, "matmul": 100.0}


@pytest.fixture(autouse=True)
def no_measured_limits(monkeypatch):
    """The limits are made up: a test does not wait for the machine's."""
    monkeypatch.setattr(limits, "roofline", lambda device="cpu", threads=1, quick=False: {**LIMITS, "device": device})


def cell(seconds, spread=0.01, share=0.5):
    quartiles = {"low": seconds * (1 - spread), "high": seconds * (1 + spread)}
    return {"seconds": seconds, **quartiles, "share": share, "rounds": [seconds], "GB/s": 1.0, "GFLOP/s": 2.0}


def row(operation="softmax", size="small", elements=1000, **ways):
    ways = {way: cell(seconds) if isinstance(seconds, float) else seconds for way, seconds in ways.items()}
    return {"operation": operation, "size": size, "mode": "forward", "shape": [10, elements // 10], "elements": elements,
            "bytes": 8 * elements, "flops": 5 * elements, "touched": 8 * elements, "ways": ways}  # fmt: skip


def made_up(*some):
    return {
        "format": running.FORMAT, "version": running.VERSION, "machine": running.machine() | {"cpu": "a <fast> one"},
        "settings": {"threads": 1, "backward": False}, "not_run": {"cupy": "no GPU"}, "rooflines": {"cpu": LIMITS},
        "rows": list(some),
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- the operations
def gradients(operation):
    """The gradients of a tiny case as with_gradients gives them, and as backward() does."""
    draw = rows.Draw()
    case = operation.build(draw, *operation.shapes["tiny"])
    function, arguments = running.with_gradients(case, draw)
    y, *found = function(*arguments)
    assert running.differs([y.detach().numpy()], [case.function(*case.arguments).detach().numpy()]) is None
    case.function(*case.arguments).backward(arguments[-1])
    return found, [t.grad for t in case.wanted]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)
def test_an_operation_runs_and_has_its_gradients(operation):
    assert list(operation.shapes) == list(SIZES) and operation.about
    with minigrad.kernels.use_kernels(False):
        _, result, elements = running.version(operation, operation.shapes["tiny"], "text", False)
        found, again = result(), running.version(operation, operation.shapes["tiny"], "text", False)[1]()
        assert elements > 0 and all(np.isfinite(a).all() for a in found)
        assert running.differs(again, found) is None  # the same inputs for every way
        if operation.build(rows.Draw(), *operation.shapes["tiny"]).wanted is not None:
            for mine, theirs in zip(*gradients(operation), strict=True):
                np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_the_sizes_grow():
    for operation in OPERATIONS.values():
        work = [operation.work(*shape) for shape in operation.shapes.values()]
        assert [moved for moved, _ in work] == sorted({moved for moved, _ in work})
        assert all(isinstance(amount, int) for pair in work for amount in pair)


@pytest.mark.parametrize("name, shape, expected", [
    ("add", (2, 3), (72, 6)), ("matmul", (10,), (1200, 2000)), ("softmax", (4, 5), (160, 100)),
    ("conv3x3", (1, 2, 4, 4), (4 * (32 + 32 + 36), 2 * 32 * 18)),
    ("conv_depthwise", (1, 2, 4, 4), (4 * (32 + 32 + 18), 2 * 32 * 9)),
    ("conv3x3_stride2", (1, 2, 4, 4), (4 * (32 + 16 + 72), 2 * 16 * 18)), ("adam", (2, 10), (7 * 80, 240)),
])  # fmt: skip
def test_the_work_is_what_must_be_done(name, shape, expected):
    assert OPERATIONS[name].work(*shape) == expected


def test_optimizers_touch_less_than_they_move():
    assert OPERATIONS["adam"].footprint == 4 / 7 and OPERATIONS["add"].footprint == 1


# ----------------------------------------------------------------------------------------------------------------- limits
def test_the_limits_are_measured():
    found = measured_roofline(threads=2, quick=True)
    assert found["copy"] == found["copies"][-1][1] and found["threads"] == 2
    assert min(found["matmul"], *(rate for _, rate in found["copies"])) > 0


def test_least_time_is_the_larger_of_both_and_knows_the_cache():
    assert limits.least_seconds(LIMITS, 1e9, 1e9, 2000) == 1e9 / 20e9
    assert limits.least_seconds(LIMITS, 1e9, 1e9, 500) == 1e9 / 50e9
    assert limits.least_seconds(LIMITS, 1e3, 1e9, 500) == 1e9 / 100e9
    assert limits.bandwidth(LIMITS, 10**9) == 20.0


def test_the_number_of_threads_comes_back():
    before = minigrad.get_num_threads()
    with pytest.raises(KeyError), limits.with_threads(before + 1):
        assert minigrad.get_num_threads() == before + 1
        raise KeyError
    assert minigrad.get_num_threads() == before


# ------------------------------------------------------------------------------------------------------------------ clocks
def test_versions_take_turns_and_their_contexts_are_entered():
    now, calls = [0.0], []

    def version(name, seconds):
        @contextlib.contextmanager
        def context():
            calls.append(f"({name}")
            yield
            calls.append(f"{name})")

        def call():
            now[0] += seconds

        return context, call

    times = clock.interleaved({"a": version("a", 0.25), "b": version("b", 0.5)}, 3, 1.0, lambda: now[0])
    assert times == {"a": [0.25] * 3, "b": [0.5] * 3}
    assert calls[4:] == ["(a", "a)", "(b", "b)"] * 3
    assert gc.isenabled()


def test_what_is_slow_has_fewer_rounds_and_three_at_least():
    now = [0.0]

    def slow():
        now[0] += 0.5

    version = {"slow": (contextlib.nullcontext, slow)}
    assert len(clock.interleaved(version, 7, 0.1, lambda: now[0])["slow"]) == 3
    assert len(clock.interleaved(version, 2, 0.1, lambda: now[0])["slow"]) == 2


def test_several_threads_and_gpus_are_timed_by_the_wall():
    assert clock.choose(2).__name__ == clock.choose(1, "cuda").__name__ == "perf_counter"


# -------------------------------------------------------------------------------------------------------------------- runs
def test_a_run_has_all_its_numbers():
    said = []
    data = running.run(["adam", "sum_all"], ["small", "tiny"], ["text", "cupy"], say=said.append, **QUICK)
    assert [(r["operation"], r["size"], r["mode"]) for r in data["rows"]] == [
        ("sum_all", "tiny", "forward"), ("sum_all", "small", "forward"), ("adam", "tiny", "step"), ("adam", "small", "step"),
    ]  # fmt: skip
    assert said == data["rows"]
    first = data["rows"][0]
    assert (first["elements"], first["bytes"], first["flops"]) == (256, 1024, 256)
    text = first["ways"]["text"]
    assert text["low"] <= text["seconds"] <= text["high"] and len(text["rounds"]) == 2
    assert text["GB/s"] == pytest.approx(1024 / text["seconds"] / 1e9)
    assert text["share"] == pytest.approx(1024 / 20e9 / text["seconds"])
    assert data["rows"][2]["touched"] == 4 * 4 * 1000
    if not minigrad.cuda.is_available():
        assert data["not_run"]["cupy"] == minigrad.cuda.why_not() and list(first["ways"]) == ["text"]


def test_forward_and_backward_together():
    (found,) = running.run(["exp"], ["tiny"], ["text"], backward=True, **QUICK)["rows"]
    assert found["mode"] == "both" and found["bytes"] == 5 * 4 * 256 and "seconds" in found["ways"]["text"]


def test_ways_are_what_they_say():
    """The text runs without kernels, the others with them; nothing is recorded in a forward."""
    seen = []

    def watched(x):
        seen.append((minigrad.kernels.enabled(), minigrad.is_grad_enabled()))
        return x

    operation = rows.Operation("probe", "", lambda draw: rows.Case(watched, [draw.normal(2)], []), lambda: (8, 2), {"tiny": ()})
    for way in ("text", "kernel"):
        running.version(operation, (), way, False)[1]()
    assert set(seen) == {(False, False), (True, False)} and seen[0] == (False, False)


def test_compiled_functions_are_traced_once_and_checked():
    (_, call), result, _ = running.version(OPERATIONS["bias_add"], (4, 4), "compiled", False)
    expected = running.version(OPERATIONS["bias_add"], (4, 4), "text", False)[1]()
    assert running.differs(result(), expected) is None
    assert call.func.traces == 1


def test_wrong_and_failing_ways_are_not_timed(monkeypatch):
    honest = running.version

    def version(operation, shape, way, backward):
        call, result, elements = honest(operation, shape, "text", backward)
        if way == "compiled":
            raise minigrad.errors.TraceError("cannot follow\nmore")
        return call, (lambda: [1.5 * a for a in result()]) if way == "kernel" else result, elements

    monkeypatch.setattr(running, "version", version)
    (found,) = running.run(["exp"], ["tiny"], ["text", "kernel", "compiled"], **QUICK)["rows"]
    assert list(found["ways"]) == ["text", "kernel", "compiled"] and "seconds" in found["ways"]["text"]
    assert "other numbers: they differ by 5.0e-01" in found["ways"]["kernel"]["error"]
    assert found["ways"]["compiled"] == {"error": "TraceError: cannot follow"}


@pytest.mark.parametrize("found, problem", [
    ([np.ones(3)], "shapes"), ([np.full(2, np.nan)], "other numbers"), ([np.array([1, 1.01])], "other numbers"),
    ([np.array([1, 1.001])], None),
])  # fmt: skip
def test_results_are_compared(found, problem):
    said = running.differs(found, [np.ones(2)])
    assert said is None if problem is None else problem in said


@pytest.mark.parametrize("arguments, said", [
    ({"ops": ["sofmax"]}, "there is no operation 'sofmax'; did you mean 'softmax'?"),
    ({"sizes": ["larg"]}, "did you mean 'large'?"),
    ({"ways": ["xyz"]}, "there are text, kernel, compiled, cupy"), ({"ops": []}, "no operation is named"),
])  # fmt: skip
def test_unknown_names(arguments, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        running.run(**arguments)


def test_quick_is_a_choice_that_exists():
    assert set(rows.QUICK) <= set(OPERATIONS)


# ----------------------------------------------------------------------------------------------------------------- as text
def test_the_table_shows_times_shares_rates_and_failures():
    data = made_up(row(text=2e-3, kernel=1e-3, compiled={"error": "TraceError: no"}))
    text = tables.table(data)
    (line,) = [one for one in text.splitlines() if one.startswith("softmax  ")]
    assert line.split() == ["softmax", "small", "10x100", "2.00", "ms", "50%", "1.00", "ms", "50%", "failed", "1.00", "2.00"]
    assert "copy of 976 KiB 20.0 GB/s; 50.0 at 1000 B; float32 product 100 GFLOP/s" in text
    assert "cupy: not run. no GPU" in text and "softmax small, compiled: TraceError: no" in text


def test_crossovers():
    data = made_up(
        row(elements=100, size="tiny", text=1e-6, kernel=2e-6, compiled=1e-6),
        row(elements=10_000, text=2e-5, kernel=1e-5, compiled=1e-5),
    )
    found = {(c["faster"], c["slower"]): c["from"] for c in tables.crossovers(data)}
    assert found == {("kernel", "text"): 1000, ("compiled", "kernel"): None}
    assert "kernel over text    from about 1,000" in tables.table(data)
    assert "compiled over kernel  not up to 10,000" in tables.table(data)


@pytest.mark.parametrize("ratios, expected", [
    ([(1, 0.5), (10, 2.0), (100, 0.5)], 32), ([(1, 0.5), (10, 0.99)], None), ([(1, 1.0), (100, 0.25)], 1),
    ([(1, 3.0), (10, 2.0)], None),
])  # fmt: skip
def test_where_one_overtakes_for_good(ratios, expected):
    assert tables.start(ratios) == expected


# ------------------------------------------------------------------------------------------------------------------- files
def test_a_run_is_saved_and_loaded(tmp_path):
    data = running.run(["sum_all"], ["tiny"], ["text"], **QUICK)
    files.save(data, tmp_path / "a.json")
    assert files.load(tmp_path / "a.json") == data


def damaged(change):
    data = copy.deepcopy(made_up(row(text=1e-3)))
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize("text, said", [
    (damaged(lambda d: None)[:200], "is not whole: "), ("[]", "holds no run of bench"), ('{"a": 1}', "holds no run of bench"),
    (damaged(lambda d: d.update(version=9)), "is of version 9"), (damaged(lambda d: d.pop("rows")), "'rows' is missing"),
    (damaged(lambda d: d.update(rows={})), "'rows' is of another type"),
    (damaged(lambda d: d["machine"].pop("cpu")), "'cpu' is missing"),
    (damaged(lambda d: d["rows"][0].pop("elements")), "row 1 is not whole"),
    (damaged(lambda d: d["rows"][0]["ways"]["text"].update(seconds="1")), "row 1 is not whole"),
    (damaged(lambda d: d["rows"][0]["ways"]["text"].update(low=-1)), "row 1 is not whole"),
    (damaged(lambda d: d["rooflines"].update(cpu={})), "limits of the cpu are not whole"),
    (damaged(lambda d: d["rooflines"]["cpu"].update(copies=[1])), "limits of the cpu are not whole"),
    ("\udcff", "is not a text file"),
])  # fmt: skip
def test_damaged_files(tmp_path, text, said):
    path = tmp_path / "a.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(FileError, match=re.escape(said)) as caught:
        files.load(path)
    assert str(path) in str(caught.value)


# -------------------------------------------------------------------------------------------------------------- comparison
def test_only_differences_beyond_the_noise_count():
    before = made_up(row(text=1.0, kernel=1.0, compiled=cell(1.0, spread=0.5)), row("exp", text=1.0), row("gone", text=1.0))
    after = made_up(
        row(text=1.5, kernel=1.04, compiled=cell(1.5, spread=0.5)), row("exp", text=0.5), row("new", text={"error": "no"})
    )
    found = comparing.compare(before, after)
    assert {(r["operation"], r["way"]): r["verdict"] for r in found["rows"]} == {
        ("softmax", "text"): "slower", ("softmax", "kernel"): "same", ("softmax", "compiled"): "same", ("exp", "text"): "faster",
    }  # fmt: skip
    assert found["mean"]["text"] == pytest.approx(np.sqrt(1.5 * 0.5)) and found["only"] == {"before": 1, "after": 0}
    text = comparing.report(found)
    assert text.index("slower") < text.index("faster") and "1 slower, 1 faster, 2 the same within noise" in text
    assert "kernel " not in text.split("1 slower")[0] and "1.04  same" in comparing.report(found, every=True)
    assert "1 times that only the run before has were left out" in text


def test_other_machines_are_named():
    before, after = made_up(row(text=1.0)), copy.deepcopy(made_up(row(text=1.0)))
    assert comparing.compare(before, after)["warnings"] == []
    after["machine"]["cpu"], after["rooflines"]["cpu"]["matmul"], after["settings"]["threads"] = "another", 50.0, 2
    said = comparing.report(comparing.compare(before, after))
    assert "careful: cpu differs: a <fast> one and another" in said and "careful: threads differs: 1 and 2" in said
    assert "not equally fast: matmul 100 and 50 GFLOP/s" in said


# -------------------------------------------------------------------------------------------------------------------- page
def test_the_page_is_whole_and_needs_nothing_else():
    some = [row(elements=n, size=size, text=n * 1e-9, kernel=n * 5e-10) for n, size in ((100, "tiny"), (10_000, "small"))]
    text = page(made_up(*some, row("exp", text={"error": "a < b"}, kernel=1e-3)))
    pictures = re.findall("<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 2  # the roofline, and the one operation with two sizes
    for picture in pictures:
        xml.etree.ElementTree.fromstring(picture)
    assert "a &lt;fast&gt; one" in text and "a &lt; b" in text and "<fast>" not in text
    assert set(re.findall(r'https?://[^"<\s]+', text)) == {"http://www.w3.org/2000/svg"}
    html.parser.HTMLParser().feed(text)
    assert text.count("<tr") == 1 + 2 * 2 + 2 and "from 100 on, the smallest measured" in text


def test_points_lie_inside_the_picture():
    plot = svg.Plot("title", "x", "y", (3.0, 7.0), (1e-3, 1e6))
    for x, y in ((3.0, 1e-3), (7.0, 1e6)):
        across, down = plot.place(x, y)
        assert svg.LEFT <= across <= svg.WIDTH - svg.RIGHT and svg.TOP <= down <= svg.HEIGHT - svg.BOTTOM
    assert plot.place(7.0, 1.0)[0] > plot.place(3.0, 1.0)[0] and plot.place(5.0, 1e6)[1] < plot.place(5.0, 1e-3)[1]


def test_a_page_without_rows():
    assert "<svg" not in page(made_up())


# ---------------------------------------------------------------------------------------------------------- the command line
def test_the_command_measures_and_compares(tmp_path, capsys):
    a, picture = tmp_path / "a.json", tmp_path / "a.html"
    chosen = ["--ops", "sum_all, where", "--sizes", "tiny", "--ways", "text", "--quick"]
    assert main(["bench", *chosen, "--json", str(a), "--html", str(picture)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^where +tiny +16x16 .*%", out, re.MULTILINE) and f"wrote {a}" in out
    assert [r["operation"] for r in json.loads(a.read_text())["rows"]] == ["where", "sum_all"]
    assert picture.read_text().startswith("<!doctype html>")
    assert main(["bench", "compare", str(a), str(a), "--all"]) == 0
    out = capsys.readouterr().out
    assert "0 slower, 0 faster, 2 the same within noise" in out and "text: geometric mean of the ratios 1.000" in out


def test_the_command_explains_mistakes(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", "--ops", "gleu"])
    assert caught.value.code == 2 and "did you mean 'gelu'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["bench", "--threads", "0"])
    assert "'0' is not a whole number of 1 or more" in capsys.readouterr().err
    broken = tmp_path / "b.json"
    broken.write_text("{")
    assert main(["bench", "compare", str(broken), str(broken)]) == 1
    assert "b.json is not whole" in capsys.readouterr().err
    assert main(["bench", "compare", str(tmp_path / "none.json"), str(broken)]) == 1
    assert "none.json" in capsys.readouterr().err
    assert main(["bench", "--json", str(tmp_path / "no" / "c.json")]) == 1
    assert "cannot write to" in capsys.readouterr().err


def test_the_command_lists_operations(capsys):
    assert main(["bench", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(OPERATIONS)
