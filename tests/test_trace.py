"""The tracer: graphs, replayed training steps, what cannot be traced, and the emitted loops."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import backends, nn, optim
from minigrad.compile import Graph, Instruction, Step, runtime, simplify, trace, trace_step, verify
from minigrad.errors import TraceError
from minigrad.graph import tracer
from minigrad.nn import functional as F


def host(t):
    return backends.of(t.array).host(t.array)


def equal(actual, expected, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(host(actual), host(expected), rtol=rtol, atol=atol)
    assert actual.dtype is expected.dtype


def tensor(values, device, dtype="float32", grad=False):
    return mg.tensor(np.asarray(values, dtype), device=device).requires_grad_(grad)


def normal(device, *shape, seed=0, grad=False, dtype="float32"):
    return tensor(np.random.default_rng(seed).standard_normal(shape), device, dtype, grad)


# ------------------------------------------------------------------------------------------------------------- the graph
def test_prints_one_line_per_call(device):
    graph, y = trace(lambda x, b: x[:, 1] * 2.0 + b, normal(device, 3, 4), tensor(1.5, device))
    assert str(verify(graph)) == (
        '%0 = input("argument 0")  # float32[3, 4]\n'
        '%1 = input("argument 1")  # float32[]\n'
        "%2 = slice(%0, key=[:, 1])  # float32[3]\n"
        "%3 = multiply(%2, 2.0)  # float32[3]\n"
        "%4 = add(%3, %1)  # float32[3]\n"
        "return %4"
    )
    assert y.shape == (3,)


def test_composed_operations_stay_one_call_until_inlined(device):
    x = normal(device, 3, 4)
    graph, y = trace(lambda x: F.softmax(F.gelu(x), 1), x)
    assert [n.op for n in graph.nodes] == ["gelu", "softmax"]
    assert all(n.body is not None for n in graph.nodes)
    opened = verify(verify(graph).inline())
    assert "gelu" not in str(opened) and "erf(" in str(opened) and all(n.body is None for n in opened.nodes)
    for g in (graph, opened, simplify(opened)):
        np.testing.assert_allclose(backends.of(x.array).host(g.run(x.array)[0]), host(y), rtol=1e-6)


def test_operations_with_several_outputs(device):
    x = normal(device, 3, 3, dtype="float64")

    def f(x):
        values, indices = x.max(1)
        return values.sum(0), indices

    graph, (v, i) = trace(f, x)
    verify(graph)
    verify(graph.inline())
    equal(v, f(x)[0])
    for a, b in zip(graph.inline().run(x.array), (v, i), strict=True):
        assert (backends.of(a).host(a) == host(b)).all()


def test_simplify_drops_what_nobody_reads_and_repeats(device):
    def f(x):
        x.exp()  # nobody reads it
        a, b = x * 2 + 1, x * 2 + 1.0
        return a + b + (x * 2) * math.nan + 0 * (x * 2) * math.nan

    graph, _ = trace(f, normal(device, 3))
    ops = [n.op for n in simplify(graph).nodes]
    assert "exp" in [n.op for n in graph.nodes] and "exp" not in ops
    assert ops.count("multiply") == 4 and ops.count("add") == 5  # x*2 once; + 1 and + 1.0 are two
    verify(simplify(graph))


def test_verify_finds_broken_graphs():
    x = Instruction("input", value=np.zeros(3))
    y = Instruction("exp", [x], value=np.zeros(3))
    z = Instruction("exp", [y], value=np.zeros(3))
    verify(Graph([x], [y, z], [z]))
    for broken, why in [
        (Graph([x], [z, y], [z]), "not defined before"),
        (Graph([x], [y, y], [y]), "twice"),
        (Graph([x], [y], [z]), "not defined"),
        (Graph([x], [Instruction("no_such", [x], value=np.zeros(3))]), "no such word"),
        (Graph([y], [], []), "graph input"),
        (Graph([x], [n := Instruction("exp", [x]), Instruction("exp", [n], value=np.zeros(3))], []), "several outputs"),
    ]:
        with pytest.raises(TraceError, match=why):
            verify(broken)
    with pytest.raises(TraceError, match="1 inputs but was given 2"):
        Graph([x], [y], [y]).run(np.zeros(3), np.zeros(3))


def test_run_keeps_the_dtypes_of_numbers(device):
    for dtype in ("float32", "float64", "int64"):
        x = tensor([1, 2, 3], device, dtype)
        graph, y = trace(lambda x: (x * 2 + 1.5) / 3, x)
        out = graph.run(x.array)[0]
        assert out.dtype == y.array.dtype == ((x * 2 + 1.5) / 3).array.dtype


# -------------------------------------------------------------------------------------------------------------- the state
def test_outside_tensors_are_read_anew(device):
    w = tensor([1.0, 2.0], device)
    step = trace_step(lambda x: x * w, tensor([1.0, 1.0], device))
    w.copy_(tensor([5.0, 6.0], device))
    equal(step(tensor([1.0, 2.0], device)), tensor([5.0, 12.0], device))
    w.data = tensor([7.0, 7.0], device)
    equal(step(tensor([1.0, 2.0], device)), tensor([7.0, 14.0], device))
    assert step.traces == 1


def test_writes_go_to_the_same_memory_and_through_views(device):
    def make():
        base = normal(device, 4, 3)
        row, column = base[1], base.T[2]

        def f(x):
            row.mul_(x)
            column[0] = 7.0
            base[2:] += 1
            out = base.reshape(-1)
            out[-1] = 0.0
            return row + 1, column.sum()

        return f, base, row, column

    (f, *eager), (g, *traced) = make(), make()
    memory = traced[0].data_ptr()
    step = Step(g)
    for k in range(3):
        x = tensor([1.0, 2.0, -k], device)
        for a, b in zip(f(x), step(x)):
            equal(b, a)
        for a, b in zip(eager, traced):
            equal(b, a)
    assert step.traces == 1 and traced[0].data_ptr() == memory
    traced[0].zero_()
    assert float(traced[1].abs().sum()) == 0  # the views still look into that memory


def test_memory_is_not_mixed_up(device):
    a, b = tensor([1.0, 2.0], device), tensor([3.0, 4.0], device)

    def swap(x):
        old = a.clone()
        a.copy_(b)
        b.copy_(old)
        return a, a * 1, x

    step = trace_step(swap, tensor([0.0], device))
    x = tensor([9.0], device)
    same, product, argument = step(x)
    assert same is a and argument is x and a.tolist() == [1, 2] and b.tolist() == [3, 4]
    product.zero_()
    assert a.tolist() == [1, 2]
    one, two = trace_step(lambda x: (x * 2, x * 2), x)(x)
    one.zero_()
    assert two.tolist() == [18]


def test_constants_made_inside_start_afresh(device):
    def f(x):
        buffer = mg.zeros(3, device=device)
        for i in range(3):
            buffer[i] = x[i] * i
        return buffer + mg.tensor([1.0, 2.0, 3.0], device=device)

    step, x = trace_step(f, normal(device, 3)), normal(device, 3, seed=2)
    for _ in range(2):
        equal(step(x), f(x))
    step(x).zero_()
    equal(step(x), f(x))


def test_arguments_are_written_and_get_gradients(device):
    def f(x):
        y = (x * x).sum()
        y.backward()
        return y

    step = trace_step(f, normal(device, 3, grad=True))
    x, z = normal(device, 3, seed=1, grad=True), normal(device, 3, seed=1, grad=True)
    for _ in range(3):  # the second call finds a gradient there: another graph
        equal(step(x), f(z))
        equal(x.grad, z.grad)
    assert step.traces == 2
    t = tensor([1.0, 2.0], device)
    trace_step(lambda x: x.add_(1), t)(t)
    assert t.tolist() == [3, 4]


def test_gradients_accumulate_over_calls(device):
    def make():
        w = tensor([2.0, 1.0], device, grad=True)
        return w, lambda x: (w * x).sum().backward()

    (w, f), (v, g) = make(), make()
    step = Step(g)
    for k in range(4):
        x = tensor([1.0, k], device)
        f(x)
        step(x)
        equal(v.grad, w.grad)
        kept = v.grad
    assert step.traces == 2 and v.grad is kept
    v.grad = None
    step(x)
    equal(v.grad, x)


def test_no_two_gradients_share_memory(device):
    a, b = tensor([1.0, 2.0], device, grad=True), tensor([1.0, 2.0], device, grad=True)

    def f(x):
        a.grad = b.grad = None
        (a + b).sum().backward()

    step = trace_step(f, tensor(0.0, device))
    for _ in range(2):
        step(tensor(0.0, device))
        a.grad.zero_()
        assert b.grad.tolist() == [1, 1]


def test_second_order(device):
    w = normal(device, 3, 4, grad=True)

    def f(x):
        w.grad = None
        x = x.detach().requires_grad_()
        (g,) = mg.autograd.grad((x @ w).tanh().sum(), x, create_graph=True)
        (g * g).sum().backward()
        return w.grad * 1

    x = normal(device, 5, 3, seed=1)
    step = Step(f)
    for _ in range(3):
        equal(step(x), f(x), 1e-4)


def test_runtime_numbers(device):
    class Schedule:
        rate, steps = 0.5, 0

    s, group = Schedule(), {"lr": 2.0}
    assert runtime(s, "rate") == 0.5 and runtime(group, "lr") == 2.0

    def f(x):
        t = runtime(s, "steps") + 1
        s.steps = t
        return x * runtime(s, "rate") + runtime(group, "lr") * 0.9**t, (x.long() * runtime(s, "rate"))

    step, x = Step(f), normal(device, 3)
    for k in range(1, 4):
        s.rate, group["lr"] = 0.5 * k, 2.0 + k
        y, z = step(x)
        equal(y, x * s.rate + group["lr"] * 0.9**k)
        equal(z, x.long() * s.rate)
        assert s.steps == k and type(s.steps) is int
    assert step.traces == 1
    scalar = trace_step(lambda x: x * runtime(s, "rate"), tensor(2.0, device))(tensor(3.0, device))
    assert scalar.dtype is mg.float32 and scalar.item() == 4.5  # a number does not widen a 0-d tensor
    s.rate = np.float64(2.0)
    equal(step(x)[0], x * 2.0 + group["lr"] * 0.9**4)
    with pytest.raises(TypeError, match="must be an int or a float"):
        s.rate = "fast"
        step(normal(device, 7))
    assert s.rate == "fast"


def test_random_numbers_are_drawn_anew(device):
    def f(x):
        return F.dropout(x, 0.5) + mg.rand(3, device=device)

    x = tensor([1.0, 1.0, 1.0], device)
    mg.manual_seed(3)
    expected = [f(x) for _ in range(4)]
    mg.manual_seed(3)
    step = Step(f)
    for e in expected:
        equal(step(x), e)
    assert step.traces == 1 and len({tuple(e.tolist()) for e in expected}) > 1


class Net(nn.Module):
    """Batch norm with its buffers, gelu, dropout, and a write through a view."""

    def __init__(self):
        super().__init__()
        # No bias before the batch norm: its gradient is rounding noise, which Adam would make as large as any other.
        self.inner, self.norm, self.activation = nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.GELU()
        self.dropout, self.outer = nn.Dropout(0.25), nn.Linear(8, 3)

    def forward(self, x):
        h = self.dropout(self.activation(self.norm(self.inner(x))))
        h[:, 0] += 1.0
        return self.outer(h)


def make_training(device):
    mg.manual_seed(1)
    net = Net().to(device)
    optimizer, criterion = optim.Adam(net.parameters(), lr=0.05), nn.CrossEntropyLoss()

    def step(x, target):
        optimizer.zero_grad()
        loss = criterion(net(x), target)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        return {"loss": loss, "norm": norm}

    return step, list(net.parameters()), list(net.buffers()), optimizer


def test_training_steps_equal_eager(device):
    x, target = normal(device, 16, 5, seed=9), tensor(np.random.default_rng(1).integers(0, 3, 16), device, "int64")
    eager, parameters, buffers, optimizer = make_training(device)
    mg.manual_seed(0)
    expected = []
    for k in range(6):
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + k)
        out = eager(x, target)
        expected.append([t.detach().clone() for t in (*out.values(), *parameters, *buffers, *(p.grad for p in parameters))])

    fn, parameters, buffers, optimizer = make_training(device)
    mg.manual_seed(0)
    step = Step(fn)
    for k in range(6):
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + k)
        out = step(x, target)
        got = [*out.values(), *parameters, *buffers, *(p.grad for p in parameters)]
        for a, b in zip(got, expected[k], strict=True):
            equal(a, b, 2e-3, 2e-5)
    assert step.traces == 1  # the first, in which the optimizer's state was made, is repeated
    assert all(p.array.__class__ is x.array.__class__ and p.requires_grad for p in parameters)
    assert float(optimizer.state[parameters[0]]["step"]) == 6
    (program,) = next(iter(step.programs.values()))
    verify(program.graph)
    assert "adam(" in str(program.graph) and "becomes the gradient of" in str(program.graph)


@pytest.mark.parametrize("make", [
    lambda p: optim.SGD(p, lr=0.1), lambda p: optim.SGD(p, lr=0.1, momentum=0.9), lambda p: optim.AdamW(p, lr=0.1, amsgrad=True),
], ids=["sgd", "momentum", "adamw"])  # fmt: skip
def test_optimizers(make, device):
    def run(wrap):
        w = normal(device, 3, 2, grad=True)
        optimizer = make([w])

        def f(x):
            optimizer.zero_grad()
            loss = (x @ w).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        f = wrap(f)
        return [f(normal(device, 4, 3, seed=k)) for k in range(5)], w

    (losses, w), (traced, v) = run(lambda f: f), run(Step)
    for a, b in zip(traced, losses):
        equal(a, b, 1e-4)
    equal(v, w, 1e-4)


# -------------------------------------------------------------------------------------------------- what cannot be traced
@pytest.mark.parametrize("bad", [
    lambda x: x * 2 if x.sum() > 0 else x, lambda x: x * float(x.sum()), lambda x: x * x.sum().item(), lambda x: x * int(x[0]),
    lambda x: np.exp(x.detach().cpu().numpy()), lambda x: np.asarray(x.cpu()), lambda x: x * sum(x.tolist()),
    lambda x: f"{x.sum():.3f}", lambda x: x[x > 0], lambda x: mg.nonzero(x), lambda x: mg.masked_select(x, x > 0),
    lambda x: x.array.max(), lambda x: x.array.__setitem__(0, 1.0),
], ids="if float item int numpy asarray tolist format mask nonzero masked_select max written".split())  # fmt: skip
def test_values_are_refused_with_the_line(bad, device):
    x, w = tensor([1.0, -2.0, 3.0], device), tensor([1.0], device)
    with pytest.raises(TraceError) as error:
        trace(lambda x: (w.add_(1), bad(x)), x)
    message = str(error.value)
    assert "test_trace.py" in message and "line" in message and any(remedy in message for remedy in ("where(", "x.add_("))
    assert w.tolist() == [1.0] and tracer.get() is None
    equal(x * w, tensor([1.0, -2.0, 3.0], device))  # tensors and quick paths are as before


def test_state_is_restored_after_an_error(device):
    w = normal(device, 3, grad=True)
    (w * 2).sum().backward()
    array, grad, view, node = w.array, w.grad, w[1:], w.node

    def f(x):
        w.grad = None
        (w * x).sum().backward()
        with mg.no_grad():
            w.sub_(w.grad)
            view.zero_()
        raise KeyError("mine")

    with pytest.raises(KeyError):
        trace(f, normal(device, 3))
    assert w.array is array and w.grad is grad and w.node is node and view.array.__class__ is array.__class__


def test_what_a_replay_would_lose_is_refused(device):
    kept = []
    step = Step(lambda x: kept.append(x * 2))
    x = tensor([1.0], device)
    step(x)
    step(x)
    assert [k.tolist() for k in kept] == [[2.0], [2.0]]  # as eagerly, so far
    with pytest.raises(TraceError, match="in use outside"):
        step(x)
    h = normal(device, 2, grad=True) * 2
    with pytest.raises(TraceError, match="history"):
        trace(lambda x: (x * h).sum(), x)
    with pytest.raises(TraceError, match="history"):
        trace(lambda x: x.sum(), h)
    with pytest.raises(TraceError, match="running already"):
        trace(lambda x: trace(lambda y: y, x), x)
    with pytest.raises(TypeError, match="must be a Tensor"):
        trace(lambda x: x, 3.0)
    with pytest.raises(TypeError, match="hashable"):
        step(x, [{1, 2}])


def test_state_made_in_the_first_step(device):
    def make():
        state, settings = {}, {"rate": 2.0}
        w = normal(device, 3, grad=True)

        def f(x):
            if not state:
                state["sum"] = mg.zeros(2, 3, device=device)
                state["row"] = state["sum"][0]
                state["hidden"] = (w * 2).sum()
            state["row"].add_(x * runtime(settings, "rate"))
            settings["rate"] = 3.0
            w.grad = None
            return [state["sum"] * 1, "text", (w.detach(), state)][:2]

        return f, state, w

    (f, a, _), (g, b, w) = make(), make()
    w.grad = normal(device, 3)
    step = Step(g)
    for k in range(3):
        x = normal(device, 3, seed=k)
        (out, text), (expected, _) = step(x), f(x)
        equal(out, expected)
        assert text == "text" and w.grad is None
        for name in a:
            equal(b[name], a[name])
    assert step.traces == 2 and not b["hidden"].requires_grad
    b["sum"].zero_()
    assert b["row"].abs().sum().item() == 0  # still a view


def test_other_shapes_and_nesting(device):
    inner = Step(lambda x: x * 2)
    outer = Step(lambda x: inner(x) + 1)
    for n in (2, 3, 2, 3):
        x = normal(device, n)
        equal(outer(x), x * 2 + 1)
    assert outer.traces == 2 and inner.traces == 0


def test_eager_is_quick_again_after_a_trace(device):
    from minigrad.op import registry

    x = normal(device, 3)
    trace(lambda x: x * 2, x)
    x * x
    assert x.array.__class__ in registry["multiply"].table


def test_a_function_of_its_arguments_alone(device):
    step = Step(lambda x: (x * 2 + 1).sum())
    x = mg.ones(4, device=device)
    assert [step(x).item() for _ in range(3)] == [12.0] * 3 and step.traces == 1
