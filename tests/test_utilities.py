"""Small modules that programs import by PyTorch's names: timing, trees, profiles, scripting, choices, device modules."""

import importlib
import json
from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

import minigrad
from minigrad.utils import _pytree as pytree
from minigrad.utils import benchmark

Pair = namedtuple("Pair", "a b")


# ----------------------------------------------------------------------------------------------------------------- timing
class Clock:
    """Each look at it is one second later."""

    now = 0

    def __call__(self):
        self.now += 1
        return float(self.now)


def test_a_timer_counts_runs_and_seconds():
    ran = []
    timer = benchmark.Timer("f(y)", "y = 2", "x = 3", Clock(), {"f": ran.append}, "title", "sub", "text", num_threads=2)
    found = timer.timeit(10)
    assert ran == [2] * 12 and found.times == [0.1] and found.mean == 0.1 == found.median and found.iqr == 0.0
    assert timer.repeat(3, 4).raw_times == [1.0, 1.0, 1.0] and len(timer.repeat().raw_times) == 5
    assert "title\n  100.00 ms\n  1 measurement, 10 runs, 2 threads" in repr(found)
    seen = []
    found = timer.blocked_autorange(lambda number, taken: seen.append((number, taken)), min_run_time=2.5)
    assert seen == [(1, 1.0)] * 3 and found.raw_times == [1.0] * 3
    assert len(timer.adaptive_autorange(min_run_time=0.5).raw_times) == 3
    with pytest.raises(ValueError, match="only Python"):
        benchmark.Timer("1", language="c++")


def test_measurements_spread_and_compare(capsys):
    m = benchmark.Measurement(10, [10.0, 20.0, 30.0, 40.0, 50.0], "sum", "small", "ours")
    assert (m.median, m.iqr) == (3.0, 2.0)
    m = benchmark.Measurement(10, [1e-5, 2e-5, 3e-5], "sum", "small", "ours")
    assert "5 measurements" not in repr(m) and "2.00 us" in repr(m) and "3 measurements" in repr(m)
    assert "500.00 ns" in repr(benchmark.Measurement(1, [5e-7]))
    table = benchmark.Compare([m])
    table.extend_results([benchmark.Measurement(1, [1.0], stmt="x + y")])
    table.trim_significant_figures()
    table.colorize()
    table.print()
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["sum", "small", "ours", "2.0", "us"] and second.split() == ["x", "+", "y", "1000000.0", "us"]


# ------------------------------------------------------------------------------------------------------------------ trees
@pytest.mark.parametrize(
    "tree",
    [
        1, None, [1, (2, 3)], {"a": 1, "b": [2]}, OrderedDict(b=1, a=2), deque([1, 2], maxlen=3), Pair(1, [2]),
        defaultdict(list, {"a": 1}), [], [[], {}],
    ],
)  # fmt: skip
def test_trees_come_back(tree):
    leaves, spec = pytree.tree_flatten(tree)
    back = spec.unflatten(leaves)
    assert back == tree and type(back) is type(tree) and spec.num_leaves == len(leaves)
    assert pytree.tree_leaves(tree) == leaves == list(pytree.tree_iter(tree)) and pytree.tree_structure(tree) == spec
    assert spec.is_leaf() == (tree in (1, None)) == (spec == pytree.LeafSpec()) == pytree.tree_is_leaf(tree)


def test_descriptions_of_trees():
    spec = pytree.tree_structure([1, (2, 3)])
    assert (spec.num_children, spec.num_leaves) == (2, 3) and repr(
        spec
    ) == "TreeSpec(list, None, [*, TreeSpec(tuple, None, [*, *])])"
    assert pytree.tree_structure([(1, 2)], is_leaf=lambda x: isinstance(x, tuple)).num_leaves == 1
    assert pytree.tree_unflatten([1, 2], pytree.tree_structure(deque([0, 0], maxlen=2))).maxlen == 2
    assert pytree.is_namedtuple_class(Pair) and pytree.is_namedtuple(Pair(1, 2)) and not pytree.is_namedtuple((1, 2))


def test_functions_over_trees():
    assert pytree.tree_map(lambda x, y: x + y, {"a": 1, "b": (2,)}, {"b": (20,), "a": 10}) == {"a": 11, "b": (22,)}
    seen = []
    tree = [1, "a", 2.0]
    assert pytree.tree_map_(seen.append, tree) is tree and seen == tree
    assert (
        pytree.tree_map_only(int, lambda x: -x, tree) == [-1, "a", 2.0] == pytree.tree_map_only((int, bool), lambda x: -x, tree)
    )
    assert pytree.tree_map_only(lambda x: x == "a", str.upper, tree) == [1, "A", 2.0]
    assert pytree.tree_map_only_(int, seen.append, tree) is tree and seen[-1] == 1
    assert pytree.tree_all(bool, [1, [2]]) and not pytree.tree_all(bool, [1, [0]]) and pytree.tree_any(bool, [0, [3]])
    assert pytree.tree_all_only(int, bool, [1, ""]) and not pytree.tree_any_only(int, bool, [0, "text"])


@pytest.mark.parametrize(
    ("rest", "text"), [((1, 2), "type mismatch"), ([1], "arity mismatch"), ([{"a": 1}, {"c": 3}], "keys mismatch")]
)
def test_trees_that_do_not_fit(rest, text):
    with pytest.raises(ValueError, match=text):
        pytree.tree_map(max, [{"a": 1}, {"b": 2}], rest)


def test_mistakes_with_trees():
    with pytest.raises(TypeError, match="to be a TreeSpec"):
        pytree.tree_unflatten([1], 3)
    with pytest.raises(ValueError, match="length 1 but the spec"):
        pytree.tree_unflatten([1], pytree.tree_structure([1, 2]))
    with pytest.raises(ValueError, match="already registered"):
        pytree.register_pytree_node(list, None, None)


def test_a_container_of_ones_own(monkeypatch):
    class Box:
        def __init__(self, inside):
            self.inside = inside

    monkeypatch.setattr(pytree, "_registered", dict(pytree._registered))
    pytree.register_pytree_node(Box, lambda b: ([b.inside], None), lambda children, _: Box(*children))
    assert pytree.tree_map(lambda x: x * 2, [Box((1, 2))])[0].inside == (2, 4)


# --------------------------------------------------------------------------------------------------------------- profiles
def test_profiles(tmp_path):
    with minigrad.autograd.profiler.profile() as prof, minigrad.profiler.record_function("block"):
        for _ in range(3):
            minigrad.ones(3).exp()
    averages = prof.key_averages()
    (exp,) = [e for e in averages if e.name.endswith("exp")]
    (block,) = [e for e in averages if e.name == "block"]
    assert exp.count == 3 and block.cpu_time_total >= exp.cpu_time_total and block.self_cpu_time_total < block.cpu_time_total
    assert exp.cpu_time == exp.cpu_time_total / 3 and exp.device_time_total == 0.0 == exp.cuda_time and exp.cpu_memory_usage == 0
    assert repr(exp).startswith(f"<FunctionEventAvg {exp.name} calls=3 cpu_time=") and exp.cpu_time_total_str.endswith("s")
    total = prof.total_average()
    assert total.name == "Total" and total.self_cpu_time_total == pytest.approx(prof.self_cpu_time_total)
    lines = averages.table(sort_by="count", row_limit=1, header="Title").splitlines()
    assert lines[1] == "Title" and lines[5].split()[0] == exp.name and lines[5].split()[-1] == "3"
    assert exp.name in str(prof) and exp.name in prof.table()
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events].count(exp.name) == 3


def test_times_are_written_with_units():
    event = minigrad.profiler.events.FunctionEvent("x", 0.0, 2_500_000.0, 2_498_500.0)
    assert event.cpu_time_str == "2.500s" and event.self_cpu_time_total_str == "1.500ms"


def test_a_function_as_a_block():
    @minigrad.profiler.record_function("named")
    def f(x):
        return x + 1

    with minigrad.profiler.profile() as prof:
        assert f(minigrad.ones(1)).item() == 2.0
    assert "named" in [e.name for e in prof.events()]


# ---------------------------------------------------------------------------------------------- scripting, compiling, choosing
def test_scripting_hands_back_what_it_gets():
    jit, layer = minigrad.jit, minigrad.nn.Linear(2, 1)
    same = (jit.script, jit.trace, jit.trace_module, jit.freeze, jit.optimize_for_inference, jit.script_method, jit.export)
    for f in (*same, jit.script_if_tracing, jit.interface, jit.unused, jit.ignore, jit.ignore(drop=False), jit.wait):
        assert f(layer) is layer
    assert not jit.is_scripting() and not jit.is_tracing() and jit.annotate(int, "3") == "3"
    assert jit.isinstance([1], list[int]) and not jit.isinstance((1,), list[int]) and jit.isinstance(1, int)
    assert jit.wait(jit.fork(lambda x, y: x - y, 5, y=3)) == 2
    assert jit.set_fusion_strategy([]) == [] and jit.enable_onednn_fusion(True) is None
    for call in (jit.save, jit.load):
        with pytest.raises(NotImplementedError, match="no TorchScript files"):
            call(layer, "x")


def test_compiling_keeps_functions():
    compiler = minigrad.compiler

    def f(x):
        return x + 1

    for made in (minigrad.compile(f), minigrad.compile(mode="default")(f)):
        assert isinstance(made, minigrad.compile.Step) and made.__wrapped__ is f and made(minigrad.ones(1)).tolist() == [2.0]
        assert made.traces == 1 and minigrad.compile(made) is made
    for made in (compiler.disable(f), compiler.disable()(f), minigrad.compile(f, disable=True)):
        assert made is f
    with pytest.raises(TypeError, match="must be a function or a Module"):
        minigrad.compile(3)
    assert compiler.allow_in_graph(f) is f is compiler.assume_constant_result(f) and not compiler.is_compiling()
    assert compiler.list_backends() == [] and compiler.reset() is None and compiler.cudagraph_mark_step_begin() is None
    with pytest.raises(RuntimeError, match="Either mode or options"):
        minigrad.compile(f, mode="default", options={})
    model = minigrad.compile(minigrad.nn.Sequential(minigrad.nn.Linear(2, 1), minigrad.nn.ReLU()))
    assert len(model) == 2 and minigrad.compile(model, disable=True) is model
    model.note = 3
    assert model._orig_mod.note == 3


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((minigrad.ones(2), abs, abs), "single-element"),
        ((1, abs, abs), "bool or tensor"),
        ((True, 1, abs), "callable"),
        ((True, abs, abs, 3), "operands to be a tuple"),
    ],
)
def test_mistakes_of_cond(args, text):
    with pytest.raises(RuntimeError, match=text):
        minigrad.cond(*args)


def test_choices_and_symbolic_numbers():
    assert minigrad.cond(minigrad.tensor(False), abs, lambda x: -x, (3,)) == -3
    assert minigrad.sym_int(-2.7) == -2 and minigrad.sym_float(3) == 3.0 and minigrad.sym_not(0) is True
    assert minigrad.sym_ite(False, 1, 2) == 2 and minigrad.sym_sum([1, 2, 3]) == 6
    assert isinstance(minigrad.sym_max(2, 1.0), float) and minigrad.sym_min(2, 3) == 2 and minigrad.sym_max(2, 3) == 3
    with pytest.raises(AssertionError, match="must match"):
        minigrad.sym_ite(True, 1, 2.0)
    from minigrad.control import while_loop

    assert while_loop(lambda n, s: n < 4, lambda n, s: (n + 1, s + n), (0, 0)) == (4, 6)
    assert while_loop(lambda n: n < 4, lambda n: n + 1, (0,)) == (4,)
    with pytest.raises(RuntimeError, match="returned 1 values for 2"):
        while_loop(lambda n, s: n < 4, lambda n, s: n + 1, (0, 0))


# -------------------------------------------------------------------------------------------------------- device modules
def test_the_processor_as_a_device():
    cpu = minigrad.cpu
    assert cpu.is_available() and cpu.is_initialized() and cpu.device_count() == 1 and cpu.current_device() == "cpu"
    assert cpu.current_stream() is None and cpu.synchronize() is None and cpu.set_device("cpu") is None
    with cpu.stream(None):
        assert minigrad.ones(1).item() == 1.0


def test_the_gpu_module_without_a_gpu(device):
    cuda = minigrad.cuda
    if device == "cuda":
        pytest.skip("a GPU, or its stand-in, is there")
    state = minigrad.get_rng_state()
    cuda.set_rng_state(minigrad.zeros_like(state))
    cuda.set_rng_state_all([state])
    cuda.seed()
    assert minigrad.equal(minigrad.get_rng_state(), state) and minigrad.equal(cuda.get_rng_state(), state)
    assert cuda.get_rng_state_all() == [] == cuda.get_arch_list() and cuda.initial_seed() == minigrad.initial_seed()
    assert not cuda.is_initialized() and not cuda.is_bf16_supported() and cuda.is_current_stream_capturing() is False
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == cuda.max_memory_reserved() == 0
    assert cuda.memory_stats() == {} and cuda.memory_summary() == "" and cuda.reset_peak_memory_stats() is None
    assert cuda.set_per_process_memory_fraction(0.5) is None and cuda.ipc_collect() is None
    for call in (cuda.init, cuda.mem_get_info, cuda.get_device_capability, cuda.get_device_name, cuda.get_device_properties):
        with pytest.raises(RuntimeError, match="no CUDA device"):
            call()
    with pytest.raises(ValueError, match="Expected a cuda device"):
        cuda.set_device("cpu")
    for nothing in (cuda.device(None), cuda.device(-1), cuda.device_of(minigrad.ones(1))):
        with nothing:
            assert nothing.idx == -1
    with pytest.raises(RuntimeError, match="no CUDA device"), cuda.device("cuda:1"):
        pass
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cuda.nothing


def test_streams_and_events():
    cuda = minigrad.cuda
    first, last = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    with pytest.raises(ValueError, match="must be recorded"):
        first.elapsed_time(last)
    queue = cuda.current_stream()
    first.record()
    assert queue.record_event(last) is last and first.elapsed_time(last) >= 0.0
    assert isinstance(queue.record_event(), cuda.Event) and queue.query() and last.query()
    for nothing in (queue.synchronize, last.synchronize, last.wait):
        assert nothing() is None
    assert queue.wait_stream(queue) is None is queue.wait_event(last) and cuda.set_stream(queue) is None
    with queue as inside, cuda.stream(inside):
        assert inside.device.type == "cuda" and inside is queue
    with pytest.raises(ValueError, match="enable_timing=True"):
        first.elapsed_time(cuda.Event())
    nvtx = importlib.import_module("minigrad.cuda.nvtx")
    with nvtx.range("block"):
        assert nvtx.range_push("a") == -1 == nvtx.range_pop() and nvtx.mark("b") is None
