"""PyTorch's namespaces around the operations: devices, processes, compilers, profilers, trees, flags."""

import collections
import io
import json
import os

import pytest

import minigrad
from minigrad import distributed as dist
from minigrad import nn
from minigrad.errors import UnsupportedError
from minigrad.utils import _pytree as pytree


def test_settings_are_read_back():
    for name, value in (("float32_matmul_precision", "high"), ("num_threads", 3), ("num_interop_threads", 2)):
        before = getattr(minigrad, f"get_{name}")()
        getattr(minigrad, f"set_{name}")(value)
        assert getattr(minigrad, f"get_{name}")() == value
        getattr(minigrad, f"set_{name}")(before)
    os.environ.pop("NUMBA_NUM_THREADS", None)
    minigrad.use_deterministic_algorithms(True, warn_only=True)
    assert minigrad.are_deterministic_algorithms_enabled() and minigrad.get_deterministic_debug_mode() == 1
    minigrad.use_deterministic_algorithms(False)
    with pytest.raises(RuntimeError, match="positive"):
        minigrad.set_num_threads(0)
    with pytest.warns(UserWarning, match="has no effect"):
        minigrad.set_float32_matmul_precision("exact")
    assert minigrad.get_float32_matmul_precision() == "highest"


def test_the_default_device_and_type():
    minigrad.set_default_device("cpu")
    assert minigrad.get_default_device() == minigrad.device("cpu") and minigrad.zeros(1).device.type == "cpu"
    minigrad.set_default_tensor_type("torch.DoubleTensor")
    assert minigrad.zeros(1).dtype is minigrad.float64
    minigrad.set_default_tensor_type(minigrad.FloatTensor)
    assert minigrad.zeros(1).dtype is minigrad.float32
    with minigrad.device("cpu"):
        assert minigrad.zeros(1).device.type == "cpu"
    with pytest.raises(TypeError, match="floating-point"):
        minigrad.set_default_tensor_type("torch.LongTensor")


@pytest.mark.skipif(minigrad.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_asked_for_is_missed():
    with minigrad.device("cuda"), pytest.raises(RuntimeError, match="CuPy"):
        minigrad.zeros(1)
    assert minigrad.zeros(1).device.type == "cpu"
    assert minigrad.cuda.memory_allocated() == minigrad.cuda.max_memory_allocated() == 0 and minigrad.cuda.memory_stats() == {}
    assert not minigrad.cuda.is_bf16_supported() and minigrad.cuda.get_rng_state_all() == []
    minigrad.cuda.reset_peak_memory_stats()
    for call in (minigrad.cuda.get_device_capability, minigrad.cuda.init, lambda: minigrad.cuda.set_device(0)):
        with pytest.raises(RuntimeError, match="no CUDA device"):
            call()
    with minigrad.cuda.device(-1):
        assert not isinstance(minigrad.ones(1), minigrad.cuda.FloatTensor)


def test_events_measure_time():
    first, second = (minigrad.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    minigrad.ones(1000).sum()
    second.record()
    minigrad.cuda.Stream.synchronize
    assert 0 < first.elapsed_time(second) < 1000
    with pytest.raises(ValueError, match="must be recorded"):
        first.elapsed_time(minigrad.cuda.Event(enable_timing=True))


def test_flags():
    cudnn = minigrad.backends.cudnn
    with cudnn.flags(enabled=False, benchmark=True):
        assert cudnn.benchmark and not cudnn.enabled
    assert cudnn.enabled and not cudnn.benchmark and cudnn.version() is None and not minigrad.backends.mps.is_available()
    minigrad.backends.cuda.matmul.allow_tf32 = True
    assert minigrad.backends.cuda.matmul.allow_tf32
    minigrad.backends.cuda.matmul.allow_tf32 = False
    with pytest.raises(AttributeError, match="Unknown attribute tf32"):
        minigrad.backends.cuda.matmul.tf32 = True


def test_compile_wraps_as_pytorch_does():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    compiled = minigrad.compile(model, mode="reduce-overhead")
    assert list(compiled.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"] and compiled._orig_mod is model
    compiled.eval()
    compiled.note = 5
    x = minigrad.ones(1, 2)
    assert not model.training and model.note == 5 and len(compiled) == 2 and bool((compiled(x) == model(x)).all())

    @minigrad.compile(fullgraph=True)
    def double(x):
        return x * 2

    assert double(x).tolist() == [[2.0, 2.0]]


def test_jit_runs_python():
    class Net(minigrad.jit.ScriptModule):
        @minigrad.jit.script_method
        def forward(self, x):
            return x + 1

    @minigrad.jit.script
    def f(x):
        return x * 2 if not minigrad.jit.is_scripting() else x

    net = Net()
    assert minigrad.jit.trace(net, minigrad.ones(1)) is net and f(net(minigrad.ones(1))).item() == 4.0
    for call in (minigrad.jit.save, minigrad.jit.load):
        with pytest.raises(UnsupportedError, match="TorchScript"):
            call(net, "file")
    with pytest.raises(UnsupportedError, match="ONNX"):
        minigrad.onnx.export(net, minigrad.ones(1), io.BytesIO())
    with pytest.raises(UnsupportedError, match="network"):
        minigrad.hub.load("owner/repository", "model")


@pytest.fixture
def group():
    dist.init_process_group("gloo", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_a_group_of_one(group):
    x, parts = minigrad.tensor([1.0, 2.0]), [minigrad.zeros(2)]
    assert dist.is_initialized() and (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    assert dist.all_reduce(x, op=dist.ReduceOp.AVG) is None and dist.all_reduce(x, async_op=True).wait()
    dist.all_gather(parts, x)
    dist.broadcast(x, src=0)
    dist.barrier()
    assert parts[0].tolist() == x.tolist() == [1.0, 2.0] and dist.group.WORLD.size() == 1
    found = [None]
    dist.all_gather_object(found, {"a": 1})
    assert found == [{"a": 1}]
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group("gloo", rank=0, world_size=1)
    with pytest.raises(UnsupportedError, match="one process"):
        dist.send(x, dst=1)


def test_no_group():
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        dist.get_rank()
    with pytest.raises(UnsupportedError, match="number 1 of 2"):
        dist.init_process_group("gloo", rank=1, world_size=2)
    with pytest.raises(ValueError, match="Default process group"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))


def test_parallel_modules(group):
    layer, x = nn.Linear(2, 1), minigrad.ones(4, 2)
    for wrapped in (nn.DataParallel(layer), nn.parallel.DistributedDataParallel(layer)):
        assert list(wrapped.state_dict()) == ["module.weight", "module.bias"] and wrapped.module is layer
        assert bool((wrapped(x) == layer(x)).all())
    with wrapped.no_sync():
        assert not wrapped.require_backward_grad_sync
    with pytest.raises(RuntimeError, match="not needed"):
        nn.parallel.DistributedDataParallel(nn.ReLU())
    parts = nn.parallel.scatter({"x": x, "n": 3}, ["cpu", "cpu"])
    assert [p["x"].shape[0] for p in parts] == [2, 2] and [p["n"] for p in parts] == [3, 3]
    joined = nn.parallel.gather([{"x": p["x"]} for p in parts], "cpu")
    assert bool((joined["x"] == x).all()) and bool((nn.parallel.data_parallel(layer, x) == layer(x)).all())


def test_the_profiler_counts(tmp_path):
    x = minigrad.ones(3)
    with minigrad.profiler.profile(activities=[minigrad.profiler.ProfilerActivity.CPU]) as prof:
        with minigrad.profiler.record_function("block"):
            (x + 1) * 2
        x + 1
    counts = {e.key: e.count for e in prof.key_averages()}
    assert counts == {"minigrad::add": 2, "minigrad::mul": 1, "block": 1}
    block = next(e for e in prof.events() if e.name == "block")
    assert 0 <= block.self_cpu_time_total < block.cpu_time_total
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=1)
    assert "block" in table and "minigrad::add" not in table and "Self CPU time total" in table
    prof.export_chrome_trace(tmp_path / "trace.json")
    assert len(json.loads((tmp_path / "trace.json").read_text())["traceEvents"]) == 4
    x + 1
    assert len(prof.events()) == 4  # nothing is recorded outside
    with minigrad.autograd.profiler.profile(enabled=False) as off:
        x + 1
    assert not off.function_events


def test_a_schedule_picks_steps():
    ready = []
    plan = minigrad.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    with minigrad.profiler.profile(schedule=plan, on_trace_ready=lambda p: ready.append((p.step_num, len(p.events())))) as prof:
        for _ in range(6):
            minigrad.ones(2) + 1
            prof.step()
    assert ready == [(4, 2)]


def test_trees():
    Pair = collections.namedtuple("Pair", "a b")
    tree = {"x": [1, (2, None)], "y": Pair(3, collections.OrderedDict(z=4))}
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves == [1, 2, None, 3, 4] and spec.num_leaves == 5 and pytree.tree_unflatten(leaves, spec) == tree
    assert pytree.tree_map(lambda a, b: a + b, [1, (2,)], [10, (20,)]) == [11, (22,)]
    assert pytree.tree_map_only(int, lambda v: v * 2, [1, "a"]) == [2, "a"] and pytree.tree_all(bool, [1, [2]])
    assert pytree.tree_leaves([1, [2, 3]], is_leaf=lambda v: v == [2, 3]) == [1, [2, 3]]
    with pytest.raises(ValueError, match="arity"):
        pytree.tree_map(lambda a, b: a, [1, 2], [1])
    with pytest.raises(ValueError, match="has length 1"):
        pytree.tree_unflatten([1], spec)


def test_choices_and_loops():
    x = minigrad.tensor(2.0, requires_grad=True)
    y = minigrad.cond(x > 1, lambda x: x * 3, lambda x: x, (x,))
    y.backward()
    assert x.grad.item() == 3.0 and minigrad.wait(minigrad.fork(lambda a: a + 1, 1)) == 2
    n, total = minigrad.while_loop(lambda n, s: n < 4, lambda n, s: (n + 1, s + n), (minigrad.tensor(0), minigrad.tensor(0)))
    assert (n.item(), total.item()) == (4, 6)
    with pytest.raises(RuntimeError, match="single-element"):
        minigrad.cond(minigrad.ones(2), abs, abs, (x,))
    assert minigrad.sym_max(1, 2.0) == 2.0 and minigrad.sym_int(-1.5) == -1 and minigrad.sym_ite(False, 1, 2) == 2


def test_numpys_functions_take_tensors():
    import numpy as np

    x, array = minigrad.tensor([1.0, 4.0]), np.array([2.0, 3.0], np.float32)
    assert isinstance(np.sqrt(x), minigrad.Tensor) and np.sqrt(x).tolist() == [1.0, 2.0]
    assert np.maximum(x, array).tolist() == [2.0, 4.0] and (array == x).dtype is minigrad.bool
    assert np.add.reduce(x).item() == 5.0 and [t.tolist() for t in np.modf(x)] == [[0.0, 0.0], [1.0, 4.0]]
    w = x.clone().requires_grad_()
    assert (np.float32(2) * w).requires_grad  # a number beside a tensor is recorded
    with pytest.raises(RuntimeError, match="requires grad"):
        np.exp(w)
    assert (x + array).tolist() == [3.0, 7.0] and isinstance(x + array, minigrad.Tensor)  # NumPy answers, without history
    assert (x + array.astype(np.float64)).dtype is minigrad.float64 and (array / x).tolist() == [2.0, 0.75]
    x *= array
    assert x.tolist() == [2.0, 12.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        w + array
    for wrong in (lambda: array + x, lambda: x + [1.0], lambda: x - None, lambda: x < array):
        with pytest.raises(TypeError):
            wrong()


def test_operators_ask_the_other_class():
    class Unit:
        def __radd__(self, other):
            return "added"

        def __rpow__(self, other):
            return "raised"

        def __gt__(self, other):
            return "greater"

    x = minigrad.ones(2)
    assert x + Unit() == "added" and x ** Unit() == "raised" and (x < Unit()) == "greater"
    x += Unit()
    assert x == "added"
    y = minigrad.ones(2)
    assert (y == [1.0]) is False and (y != "a") is True and y is not None
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \*: 'Tensor' and 'NoneType'"):
        y * None


def test_older_methods():
    x = minigrad.arange(6.0).requires_grad_()
    with pytest.warns(UserWarning, match="non-inplace resize"):
        assert x.resize(2, 3).shape == (2, 3) and x.resize_as(minigrad.ones(3, 2)).requires_grad
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="requested resize to 7"):
        x.resize(7)


def test_timing():
    timer = minigrad.utils.benchmark.Timer("x + 1", globals={"x": 1}, label="sum")
    measured = timer.blocked_autorange(min_run_time=0.01)
    assert 0 < measured.median < 0.01 and sum(measured.raw_times) >= 0.01 and "sum" in repr(measured)


def test_versions_compare():
    version = minigrad.version.TorchVersion("2.13.0+minigrad")
    assert version >= "2.9" and version > (2, 9) and version < "3" and version == "2.13.0+minigrad" and version != (2, 12, 0)
    assert str(version).startswith("2.13") and {version: 1}["2.13.0+minigrad"] == 1


def test_attention_kernels_and_import_paths():
    from minigrad.nn.modules.linear import Linear
    from minigrad.nn.modules.loss import TripletMarginLoss, _WeightedLoss

    from minigrad.autograd import Variable
    from minigrad.nn.attention import SDPBackend, sdpa_kernel
    from minigrad.optim.lr_scheduler import StepLR
    from minigrad.utils.data.sampler import SequentialSampler

    assert Linear is nn.Linear and TripletMarginLoss is nn.TripletMarginLoss and issubclass(nn.NLLLoss, _WeightedLoss)
    assert isinstance(minigrad.ones(1), Variable) and StepLR and list(SequentialSampler("ab")) == [0, 1]
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        nn.functional.scaled_dot_product_attention(*[minigrad.ones(1, 2, 3)] * 3)
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):
        pass


@pytest.mark.parity
def test_samplers_of_processes_agree():
    from torch.utils.data.distributed import DistributedSampler as Theirs

    from minigrad.utils.data.distributed import DistributedSampler as Ours

    with minigrad.as_torch():
        for n in (1, 5, 7, 8):
            for replicas in (1, 2, 3):
                for rank in range(replicas):
                    for shuffle, drop_last in ((True, False), (False, True), (True, True)):
                        ours, theirs = (c(range(n), replicas, rank, shuffle, 3, drop_last) for c in (Ours, Theirs))
                        ours.set_epoch(2)
                        theirs.set_epoch(2)
                        assert list(ours) == list(theirs) and len(ours) == len(theirs)


@pytest.mark.parity
def test_schedules_agree():
    import torch

    for settings in ({"wait": 1, "warmup": 1, "active": 2}, {"wait": 0, "warmup": 1, "active": 3, "repeat": 2, "skip_first": 3}):
        ours, theirs = minigrad.profiler.schedule(**settings), torch.profiler.schedule(**settings)
        assert [ours(k).name for k in range(30)] == [theirs(k).name for k in range(30)]
