"""What the compiler writes: the text of its loops, the numbers that come out of them, and the memory that these go to."""

import ast
import math
import os
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from compared import rows_shared

import minigrad as mg
from minigrad import nn
from minigrad.compile import Step, cache, runtime, verify
from minigrad.errors import TraceError
from minigrad.nn import functional as F

pytest.importorskip("numba")
from minigrad.compile.executable import Executable

pytestmark = pytest.mark.skipif("config.getoption('--xp') != 'numpy'", reason="machine code runs on the CPU")
JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")  # without it the text is written all the same
machine_code = pytest.mark.skipif(not JIT, reason="compilation is switched off")
DTYPES = ["float32", "float64"]
SPECIAL = [0.0, -0.0, 1.5, -2.0, math.nan, math.inf, -math.inf, 30.0, -30.0, 1e-8, 88.0, -104.0]
FINITE = [v for v in SPECIAL if math.isfinite(v)]


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))


def tensor(values, dtype="float32"):
    return mg.tensor(np.asarray(values, dtype))


def normal(*shape, seed=0, dtype="float32"):
    return tensor(np.random.default_rng([seed, *shape]).standard_normal(shape), dtype)


def parameter(*shape, **how):
    return normal(*shape, **how).requires_grad_()


def flat(result):
    return [t for r in result for t in flat(r)] if isinstance(result, tuple | list) else [result]


def compare(result, expected, rtol, atol=1e-7):
    for got, wanted in zip(flat(result), flat(expected), strict=True):
        assert got.dtype is wanted.dtype and got.shape == wanted.shape
        if rtol:
            np.testing.assert_allclose(got.array, wanted.array, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(got.array, wanted.array)


def compiled(f, *examples, rtol=2e-6, atol=1e-7):
    """The Step of ``f``, whose second call, the first in machine code, gave what ``f`` gives; ``rtol=0``: the same bits."""
    step = Step(f)
    step(*examples)
    result, expected = step(*examples), f(*examples)
    assert step.traces == 1 and bool(step.program.executable) is JIT
    compare(result, expected, rtol, atol)
    return verify(step)


def functions(step):
    """name -> its lines, of a step's source."""
    text = step.source()
    return {f.name: ast.unparse(f) for f in ast.parse(text).body if isinstance(f, ast.FunctionDef)}


def loops(step):
    return {name: text for name, text in functions(step).items() if name.startswith("loop_")}


# --------------------------------------------------------------------------------------------------------------- the text
def test_values_have_the_numbers_of_the_graph():
    w = parameter(4, 3)
    step = compiled(lambda x: ((x @ w).tanh() * 2).sum(1).detach(), normal(5, 4), rtol=1e-5)
    ops = dict(re.findall(r"^%(\d+) = (\w+)\(", str(step.graph()), re.MULTILINE))
    text = step.source()
    named = [entry.split() for line in re.findall(r"^ +# (.*)$", text, re.MULTILINE) for entry in line.split(", ")]
    assert [op for _, op in named] == ["matmul", "sum"]
    for number, op in named:
        assert ops[number[1:]] == op and f"v{number[1:]} = f4_at(" in text
    assert list(functions(step)) == ["loop_0", "step_0"]


def test_every_name_is_imported_or_defined():
    x, w = normal(6, 8), parameter(8, 8)
    step = compiled(lambda x: (F.gelu(x @ w).exp().amax(1).detach(), (x > 0).any(1), F.softmax(x, 0)), x, rtol=1e-5)
    tree, known = ast.parse(step.source()), set(dir(__builtins__)) | {"range", "abs", "max", "min"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            known |= {(a.asname or a.name) for a in node.names}
            assert getattr(node, "module", None) in (None, "numba") or node.module.startswith("minigrad.kernels.cpu.")
        elif isinstance(node, ast.FunctionDef):
            known |= {node.name, *(a.arg for a in node.args.args)}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    assert {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} <= known
    assert max(map(len, step.source().splitlines())) < 200


def test_equal_layers_are_one_function():
    weights = [parameter(8, 8, seed=k) for k in range(3)]

    def f(x):
        for w in weights:
            x = (x @ w).sigmoid() * 0.5
        return x.detach()

    x = normal(4, 8)
    step = compiled(f, x, rtol=1e-5)
    assert len(loops(step)) == 2 and step.source().count("loop_0(") == 3  # the last layer's result has memory of its own
    step = compiled(lambda x, y: (x.exp() + 1, y.exp() + 1), normal(5), normal(2, 3))  # flat loops: also of other sizes
    assert len(loops(step)) == 1


def test_numbers_stand_in_the_dtype_of_their_operands():
    def f(x):
        return x * 0.1 + 1 / (x * x + 2), mg.where(x > 0.5, x, -0.3), x**3 - x**0.5

    for dtype, own, other in (("float32", "f4(", "f8("), ("float64", "f8(", "f4(")):
        step = compiled(f, tensor([0.25, 1.0, 3.0], dtype), rtol=1e-6 if dtype == "float32" else 1e-15)
        assert other not in step.source() and f"{own}0.1)" in step.source()
    step = compiled(lambda i: (i * 3, i > 1.5, i + 2.5), tensor([1, 2, -7], "int64"), rtol=0)
    assert "i8(3)" in step.source() and "f8(i8" not in step.source()


def test_numbers_read_anew_are_computed_in_double_precision():
    class Rate:
        value = 0.1

    def f(x):
        return x * (runtime(Rate, "value") * 3 + 1), x > runtime(Rate, "value")

    x = tensor([0.1, 1.0, -2.0])
    step = compiled(f, x)
    assert "numbers[0]" in step.source()
    Rate.value = 0.7
    compare(step(x), f(x), 2e-6)
    assert step.traces == 1


# ----------------------------------------------------------------------------------------------------- the numbers of loops
@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes_comparisons_and_nan(dtype):
    x, y = (tensor(v, dtype) for v in np.array([(a, b) for a in SPECIAL for b in SPECIAL]).T)

    def f(x, y):
        return (
            (mg.maximum(x, y), mg.minimum(x, y), mg.fmax(x, y), mg.fmin(x, y), x.relu(), x.sign(), x.abs(), -x),
            (x > y, x >= y, x < y, x <= y, x == y, x != y, x.isnan(), x.isinf(), x.isfinite()),
            (mg.where(x > y, x, -math.inf), mg.where(x.isnan(), 0.0, x), x.floor(), x.ceil(), x.trunc(), x.round()),
            (x + y, x - y, x * y, x / y, x * math.nan, 1 / x, mg.copysign(x, y), x.to(mg.bool)),
        )

    step = compiled(f, x, y, rtol=0)
    assert step.report().splitlines()[0].endswith("0 calls from Python")
    for got, wanted in zip(flat(step(x, y)), flat(f(x, y)), strict=True):
        if got.dtype.is_floating_point:
            differ = np.signbit(got.array) != np.signbit(wanted.array)
            assert not (differ & ~np.isnan(got.array) & (got.array != 0)).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_keep_their_sign(dtype):
    x = tensor([0.0, -0.0], dtype)
    step = compiled(lambda x: (x * 1.0, x + 0.0, -x, x.abs(), x.sqrt(), x.sin(), x * -2, mg.where(x > 1, 1.0, x)), x, rtol=0)
    signs = [np.signbit(t.array).tolist() for t in step(x)]
    assert signs == [
        [False, True],
        [False, False],
        [True, False],
        [False, False],
        *[[False, True]] * 2,
        [True, False],
        [False, True],
    ]


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_special_values(dtype):
    def f(x):
        return (
            (x.exp(), x.expm1(), x.log(), x.log1p(), x.sqrt(), x.rsqrt(), x.tanh(), x.sigmoid(), x.erf(), x.sin(), x.cos()),
            (F.silu(x), F.softplus(x), x**2, x**-1, x**1.5, 2**x, x.atan(), x.log2()),
        )

    rtol, atol = (3e-6, 1e-7) if dtype == "float32" else (1e-13, 1e-15)
    step = compiled(f, tensor(SPECIAL, dtype), rtol=rtol, atol=atol)
    assert "0 calls from Python" in step.report()
    compiled(lambda x: (F.gelu(x), F.gelu(x, approximate="tanh")), tensor(FINITE, dtype), rtol=rtol, atol=atol)


def test_truth_values():
    a, b = tensor([True, False, True, False], "bool"), tensor([True, True, False, False], "bool")

    def f(a, b, x):
        return (
            (a & b, a | b, a ^ b, ~a, mg.logical_not(x), mg.logical_xor(x, b), a == b, a.float() * 2, a * x),
            (a.all(), b.any(), (x > 5).any(), a.sum(), (x > 0).sum(), mg.where(a, x, -x)),
        )

    x = tensor([1.0, 0.0, -3.0, math.nan])
    step = compiled(f, a, b, x, rtol=0)
    assert "u1_at(" in step.source() and not any("f8" in text for text in loops(step).values())


@machine_code
def test_any_and_all_over_some_axes_and_all_of_them():
    compiled(lambda x: ((x > 0).all(1), (x > 0).all(), (x > 1).any(0), (x > 1).any()), normal(3, 4), rtol=0)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_integers_wrap_around(dtype):
    ends = np.iinfo(dtype)
    i = tensor([ends.max, ends.min, 1, 7, ends.max - 1], dtype)

    def f(i):
        return i + i, i * 3, i - 2, i * i, i > 3, i.to(mg.float32) * 0.5, i.sum(), mg.maximum(i, i * 2), i == i.amax()

    compiled(f, i, rtol=0)
    if dtype != "uint8":
        compiled(lambda i: (-i, i.abs(), i**2, mg.where(i > 0, i, -1), i.reshape(1, 5).amin(1), i.prod()), i, rtol=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "complex128", "int8", "int16", "uint8", "int32", "bool"])
def test_values_of_every_dtype(dtype):
    """As arguments, as tensors from outside, and as results, whoever computes with them."""
    chosen, other = getattr(mg, dtype), normal(3)
    outside = tensor([1, 0, 3]).to(chosen)
    compiled(lambda x, y: (x + y, x.to(mg.float32) * 2, y.to(chosen), outside + x, y * outside), outside * 1, other, rtol=2e-6)


def test_empty_single_and_broadcast_arrays():
    compiled(lambda x: ((x * 2 + 1).exp(), x.sum(0), x.sum(), x @ mg.ones(3, 2), x.reshape(3, 0).T + 1), mg.zeros(0, 3))
    compiled(lambda x: ((x * 2 + 1).exp(), x.sum(), x.reshape(1, 1) * 3), mg.tensor(0.5))
    x, y = normal(3, 1, 4), normal(5, 1)
    compiled(
        lambda x, y: (x * y, (x + y).sum(1), (x - y).amax((0, 2)), (x * y).permute(2, 0, 1) * 2, x.expand(3, 5, 4).sum()), x, y
    )


# ------------------------------------------------------------------------------------------------------------------- sums
@pytest.mark.parametrize("size", [2**20, 3 * 5 * 7 * 11 * 13 * 17, 1_000_003])
def test_long_sums_keep_their_digits(size):
    """In float32: they are made in blocks, each in a register of its own; the last size is a prime number."""
    x = tensor(np.full(size, 0.1))
    step = Step(lambda x: (x.sum(), (x * 2).sum()))
    step(x)
    exact = np.float64(np.float32(0.1)) * size
    np.testing.assert_allclose([t.item() for t in step(x)], [exact, 2 * exact], rtol=1e-5)


def test_sums_over_inner_outer_and_all_axes():
    x = normal(3, 4, 5)

    def f(x):
        e = x * 2
        return e.sum(2), e.sum(0), e.sum(1), e.sum((0, 2)), e.sum(), e.prod(2), e.amax(0), e.amin((1, 2)), e.mean(1)

    step = compiled(f, x, rtol=1e-5)
    assert "0 calls from Python" in step.report()
    extremes = tensor([[1.0, math.nan, 2.0], [-math.inf, -1.0, -2.0], [math.inf, 1.0, 1.0]])
    compiled(lambda x: (x.amax(1), x.amin(1), x.sum(1), x.amax(0), x.prod(0)), extremes)


# ---------------------------------------------------------------------------------------------------------------- threads
@machine_code
@pytest.mark.parametrize("count", [1, 3])
def test_rows_are_shared_among_threads(count, monkeypatch):
    """Loops, where nothing is summed over the outermost axis, and products; loops give the same bits by any number of threads."""
    w, x = parameter(8, 16), normal(37, 8)
    step = Step(lambda x: ((x * 3).exp().sum(1), x.tanh() + x.sum(1, keepdim=True), (x @ w).detach()))
    expected = step(x)
    shared = rows_shared(monkeypatch)
    monkeypatch.setattr("minigrad.threads._chosen", count)
    found = Executable(step.program, apart=True)([x])
    assert shared == ([37, 37, 37] if count > 1 else [])  # one thread runs the tasks in turn
    compare(found, expected, 1e-5)
    monkeypatch.setattr("minigrad.threads._chosen", 2)
    *again, product = Executable(step.program, apart=True)([x])
    compare(again, found[:-1], 0)
    compare(product, found[-1], 1e-5)


@machine_code
def test_one_step_in_several_python_threads():
    """The GIL is released while it runs, and its memory is one."""
    w, xs = normal(100, 100) * 0.1, [normal(200, 100, seed=k) for k in range(2)]

    def f(x):
        for _ in range(3):
            x = (x @ w).tanh() + x.sum(1, keepdim=True) * 0.001
        return x

    step, wrong = compiled(f, xs[0], rtol=1e-4, atol=1e-5), []

    def work(x, expected):
        for _ in range(150):
            if not np.allclose(step(x).array, expected.array, rtol=1e-4, atol=1e-5):
                wrong.append(x)

    workers = [threading.Thread(target=work, args=(x, f(x))) for x in xs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


# ----------------------------------------------------------------------------------------------------------------- memory
def test_values_take_turns_in_memory():
    weights = [parameter(32, 32, seed=k) for k in range(6)]

    def f(x):
        for w in weights:
            x = (x @ w * 0.2).tanh()
        return x.sum().detach()

    executable = compiled(f, normal(32, 32), rtol=1e-4, atol=1e-4).program.passes()
    assert 2 * 32 * 32 * 4 <= executable.plan.arena_size < 3 * 32 * 32 * 4
    storage = executable.plan.storage
    products = [n for n in executable.graph.nodes if n.op == "matmul"]
    assert len({storage[n].number for n in products}) == 2


def test_a_loop_writes_over_what_it_alone_reads():
    step = compiled(lambda x: ((x @ x).exp() * 2) @ x, normal(4, 4), rtol=1e-5)
    (text,) = loops(step).values()
    assert "x0[i] = v" in text and "x1" not in text


def test_new_parameters_go_into_the_memory_of_the_old():
    p = parameter(3)
    kept, address = p.detach(), p.array.ctypes.data
    optimizer = mg.optim.SGD([p], lr=0.5)

    def train(x):
        optimizer.zero_grad()
        loss = (p * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    step, x = Step(train), tensor([1.0, 2.0, 3.0])
    for _ in range(3):
        before = p.detach().clone()
        step(x)
        compare(p, before - 0.5 * x, 1e-6)
    assert step.traces < 3 and p.array.ctypes.data == address
    compare(kept, p.detach(), 0)


@machine_code
def test_a_value_that_is_read_later_is_not_written_over():
    """The new parameter waits until the old one was read for the last time."""
    p = tensor([1.0, 2.0])

    def f(x):
        new = p + x
        later = p * new.sum()
        p.copy_(new)
        return later

    step, x, before = Step(f), tensor([1.0, 0.5]), p.clone()
    for _ in range(3):
        compare(step(x), before * (before + x).sum(), 1e-6)
        before = before + x
        compare(p, before, 0)
    assert step.traces == 1 and verify(step).program.executable


def test_a_gradient_that_was_taken_away_from_its_parameter_is_kept():
    p = parameter(4)
    optimizer = mg.optim.SGD([p], lr=0.0)

    def f(x):
        (p * x).sum().backward()
        optimizer.step()

    step, xs, kept = Step(f), [normal(4, seed=k) for k in range(5)], []
    for x in xs:
        optimizer.zero_grad()  # outside of the step: only `kept` has the gradient then
        step(x)
        kept.append(p.grad)
    compare(kept, xs, 0)


def test_arguments_that_share_memory_with_one_that_is_written():
    def f(a, b):
        a.add_(1.0)
        return b * 2

    base = normal(6)
    for step in (Step(f), compiled_twice(f)):
        with pytest.raises(TraceError, match=r"arguments 1 and 2 .* share memory.*x\.clone\(\)"):
            step(base[:4], base[2:])
        first, second = base[:3].clone(), base[3:].clone()
        compare(step(first, second), second * 2, 0)
        compare(first, base[:3] + 1, 0)
        compare(step(base[:3], base[3:]), base[3:] * 2, 0)  # side by side is not shared
        base = base.clone()


def compiled_twice(f):
    step = Step(f)
    for _ in range(2):
        step(normal(4), normal(4))
        step(normal(3), normal(3))
    return step


@machine_code
def test_gradients_that_somebody_keeps():
    p = parameter(4)

    def f(x):
        p.grad = None
        (p * x).sum().backward()

    step, xs = Step(f), [normal(4, seed=k) for k in range(7)]
    for x in (*xs, xs[1]):
        step(x)
    kept = p.grad
    step(xs[2])
    array = p.grad.array
    step(xs[3])
    view = p.grad[1:]
    step(xs[4])
    alias = p.grad.detach()
    step(xs[5])
    compare([kept, mg.from_numpy(array), view, alias, p.grad], [xs[1], xs[2], xs[3][1:], xs[4], xs[5]], 0)
    del kept, array, view, alias
    address = p.grad.array.ctypes.data
    step(xs[6])
    assert p.grad.array.ctypes.data == address  # nobody had it: the memory is used again
    compare(p.grad, xs[6], 0)


def test_results_are_new_in_each_call():
    step = Step(lambda x: (x * 2, x.reshape(2, 2) + 0, mg.ones(4), x))
    x = normal(4)
    results = [step(x) for _ in range(3)]
    arrays = [t.array for r in results[1:] for t in r[:3]]
    assert not any(np.may_share_memory(a, b) for k, a in enumerate(arrays) for b in (*arrays[:k], x.array))
    assert all(r[3] is x for r in results[1:])
    results[1][0].fill_(7.0)
    compare(results[2][0], x * 2, 0)


def test_arguments_that_are_written():
    def f(x, y):
        x.add_(1)
        y[:, 1] = x.sum()
        return x * 2

    step = Step(f)
    for order in (lambda a: a, lambda a: a.T.contiguous().T, lambda a: a.flip(0)[::1]):
        for _ in range(3):
            x, y = order(normal(3, 2)), order(normal(2, 2, seed=1))
            expected, others = (order(normal(3, 2)), order(normal(2, 2, seed=1))), None
            others = f(*expected)
            compare([step(x, y), x, y], [others, *expected], 1e-6)


@machine_code
def test_arguments_in_any_memory_order():
    base = normal(6, 8)
    w = parameter(6, 5, seed=1)
    step = Step(lambda x: ((x @ w).detach(), x * 2, x.sum(0), x.T.reshape(-1)))
    for make in (
        lambda: base.T.contiguous(),
        lambda: base.T,
        lambda: mg.from_numpy(np.ascontiguousarray(base.array.T)[::-1][:, ::-1]),
        lambda: mg.from_numpy(np.repeat(base.array.T, 2, 1)[:, ::2]),
        lambda: base.array.ndim and base[:1].expand(6, 8).T,
    ):
        x = make()
        step(x)
        x = x.detach()
        compare(step(x), step.fn(x), 1e-5)
    assert step.traces == 1 and step.program.executable


# ------------------------------------------------------------------------------------------------ what is no loop of the step
def test_arrays_put_together_from_pieces():
    w = parameter(5, 6)

    def f(x):
        w.grad = None
        h = mg.cat([x * 2, w[1:3], F.pad(x, (0, 0, 1, 2), value=0.5)])
        (w[:2].sum() + (w[2:] * 3).sum() + h.T[::2].sum()).backward()
        return h.detach(), mg.cat([x, -x], 1), w.grad.clone()

    f(normal(3, 6))  # from now on there is a gradient
    step = compiled(f, normal(3, 6))
    assert "0 calls from Python" in step.report()


def test_calls_that_stay_with_numpy():
    w = parameter(4)

    def f(x):
        w.grad = None
        ordered = (x * w).sort(1).values
        view = ordered.cumsum(1).T
        loss = (view * 2).square().sum() + x.half().float().sum()
        loss.backward()
        return loss.detach(), view.detach(), (x * 1j).abs(), x.to(mg.int16) + 1

    f(normal(3, 4))
    step = compiled(f, normal(3, 4), rtol=1e-5)
    report = step.report()
    for reason in (r"from Python (sort|argsort|take_along_axis|cumsum)", r"complex64 is computed by NumPy", r"int16"):
        assert re.search(reason, report), (reason, report)


def test_indices_that_do_not_fit_raise():
    table, w = parameter(5, 3), parameter(3, 4)

    def f(index, target):
        return F.cross_entropy(F.embedding(index, table) @ w, target).detach()

    good = tensor([0, 4, 2], "int64"), tensor([1, 0, 3], "int64")
    step = compiled(f, *good, rtol=1e-5)
    for values, k, said in (([0, 5, 2], 0, r"index 5\b"), ([1, 4, 3], 1, r"(index|target) 4\b")):
        bad = list(good)
        bad[k] = tensor(values, "int64")
        for call in (step, f):
            with pytest.raises(IndexError, match=f"(?i){said}"):
                call(*bad)
    compare(step(*good), f(*good), 1e-5)


def test_a_bad_index_in_a_large_step_writes_nothing():
    model = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 8))
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)

    def f(x, target):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    step, x, good = Step(f), normal(128, 512), mg.arange(128) % 8
    for _ in range(2):
        step(x, good)
    before = [p.detach().clone() for p in model.parameters()]
    bad = good.clone()
    bad[5] = 8
    with pytest.raises(IndexError, match=r"(index|target) 8\b"):
        step(x, bad)
    compare([p.detach() for p in model.parameters()], before, 0)


# ----------------------------------------------------------------------------------------- where there is no machine code
def training():
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    optimizer = mg.optim.Adam(model.parameters(), lr=0.1)

    def train(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return train


def losses(step):
    return [step(normal(3, 4, seed=k)).item() for k in range(5)]


@machine_code
def test_a_step_that_does_not_compile(monkeypatch):
    def broken(source):
        raise ValueError("no such instruction")

    monkeypatch.setattr(cache, "load", broken)
    step = Step(training())
    with pytest.warns(RuntimeWarning, match=r"without machine code, slower, because .*ValueError: no such instruction") as given:
        found = losses(step)
    assert len(given) == 1
    np.testing.assert_allclose(found, losses(training()), rtol=1e-5)
    assert "product [3, 4] @ [4, 5]" in step.report()


@machine_code
def test_functions_that_do_not_compile(monkeypatch):
    """Numba compiles them when they are first called."""
    load = cache.load
    monkeypatch.setattr(cache, "load", lambda source: load(source.replace("apart()", "apart(unknown)")))
    step = Step(training())
    with pytest.warns(RuntimeWarning, match="without machine code, slower, because compiling it failed") as given:
        found = losses(step)
    assert len(given) == 1
    np.testing.assert_allclose(found, losses(training()), rtol=1e-5)


def test_without_kernels_the_texts_run():
    step = Step(training())
    with mg.kernels.use_kernels(False):
        found = losses(step)
    np.testing.assert_allclose(found, losses(training()), rtol=1e-5)


@pytest.mark.parametrize("setting", ["MINIGRAD_KERNELS=0", "NUMBA_DISABLE_JIT=1"])
def test_settings_of_the_process(setting, tmp_path):
    code = """
import warnings; warnings.simplefilter("error")
import minigrad as mg
w = mg.tensor([1.0, 2.0], requires_grad=True)
optimizer = mg.optim.SGD([w], lr=0.25, momentum=0.5)
@mg.compile
def step(x):
    optimizer.zero_grad()
    loss = (w * x).exp().sum()
    loss.backward()
    optimizer.step()
    return loss
found = [step(mg.ones(2)).item() for _ in range(4)]
assert step.traces == 2
print(found)
"""
    name, value = setting.split("=")
    environment = {**os.environ, name: value, "MINIGRAD_CACHE_DIR": str(tmp_path / "generated")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    w, v, expected = np.array([1.0, 2.0]), 0, []
    for _ in range(4):
        expected.append(np.exp(w).sum())
        v = 0.5 * v + np.exp(w)
        w = w - 0.25 * v
    np.testing.assert_allclose(ast.literal_eval(out.stdout), expected, rtol=1e-5)
    assert not (tmp_path / "generated").exists()


def test_captured_tensors_that_do_not_lie_in_rows():
    p = normal(3, 4)
    step = Step(lambda x: x @ p + p.sum(0))
    x = normal(2, 3)
    step(x), step(x)
    p.array = np.asfortranarray(p.array * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(step(x), step.fn(x), 1e-5)
        compare(step(x), step.fn(x), 1e-5)


def test_what_there_is_to_look_into():
    def double(x):
        return x * 2

    step = Step(double)
    for look in (step.graph, step.source, step.report):
        with pytest.raises(TraceError, match=r"double\(\) has no program yet: call it, twice where its first call"):
            look()
    step(mg.ones(2))
    assert step.report().splitlines() == [
        "1 loop of 1 call, 0 matrix products, 0 kernels inside, 0 calls from Python",
        "0.00 MiB for values in between; 0 values need no memory",
        "loop [2]: multiply",
    ]
    assert [step.graph(stage).nodes[0].op for stage in ("trace", "choose", "simplify")] == ["multiply"] * 3
    with pytest.raises(ValueError, match="no stage 'fuse'; the stages are 'trace', 'choose', 'simplify'"):
        step.graph("fuse")
    assert step.source() == step.source() and step.traces == 1
