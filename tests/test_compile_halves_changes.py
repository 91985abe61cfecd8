"""Compiled models in a changing program: modes, parameters, buffers, copies, threads, odd arguments, and what is refused."""

import copy
import gc
import pickle
import threading
import warnings
import weakref

import numpy as np
import pytest
from test_compile_guards import normal
from test_compile_halves import CALLS, alike, backwards, equal, machine, mlp, trains

import minigrad as mg
from minigrad import autograd, nn, optim
from minigrad.compile import runtime
from minigrad.compile.replay import has_compiler
from minigrad.errors import InplaceError, TraceError
from minigrad.nn import functional as F


# ------------------------------------------------------------------------------------------------------------ what may change
def test_train_eval_and_no_grad():
    x = normal(8, 6)

    def scenario(f, model):
        seen = []
        for _ in range(CALLS):
            f.train()
            seen += backwards(f, x)
            f.eval()
            seen += backwards(f, x)
            with mg.no_grad():
                seen += [f(x) for _ in range(CALLS)]
                assert not seen[-1].requires_grad
        return seen

    alike(mlp, scenario, traces=3)


def test_frozen_and_replaced_parameters():
    x = normal(8, 6)

    def scenario(f, model):
        backwards(f, x)
        model[0].weight.requires_grad_(False)
        model.zero_grad()
        backwards(f, x)
        assert model[0].weight.grad is None and model[0].bias.grad is not None
        model[4].weight = nn.Parameter(normal(3, 8, seed=9))
        return backwards(f, x)

    alike(mlp, scenario, traces=3)


def test_nothing_needs_a_gradient():
    def scenario(f, model):
        for p in model.parameters():
            p.requires_grad_(False)
        found = [f(normal(8, 6)) for _ in range(CALLS)]
        assert not any(t.requires_grad for t in found)
        return found

    alike(mlp, scenario, traces=1)


def test_other_memory_and_layouts():
    def scenario(f, model):
        for k in range(CALLS + 2):
            if k == 3:
                model[0].weight.data = model[0].weight.data.t().clone().t()  # does not lie in rows any more
            backwards(f, normal(6, 8).t())
            backwards(f, normal(16, 6)[::2])
            if f is not model and has_compiler():
                assert "product" in f._step.report()
        return []

    alike(mlp, scenario)


def test_gradients_come_and_go():
    """Gradients that are there or not make no new trace: the forward pass does not look at them."""

    def scenario(f, model):
        for k in range(6):
            if k == 4:
                model.zero_grad()
            f(normal(8, 6)).sum().backward()
        return []

    alike(mlp, scenario, traces=1)


def test_autocast():
    def scenario(f, model):
        with mg.autocast("cpu", dtype=mg.bfloat16):
            found = [f(normal(4, 6)) for _ in range(CALLS)]
        for y in found:
            y.float().sum().backward()
        assert found[0].dtype is mg.bfloat16 and model[0].weight.grad.dtype is mg.float32
        return []

    model = nn.Sequential(nn.Linear(6, 2))
    twin = copy.deepcopy(model)
    scenario(mg.compile(model), model)
    scenario(twin, twin)
    np.testing.assert_allclose(model[0].weight.grad.numpy(), twin[0].weight.grad.numpy(), rtol=0.05, atol=0.05)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.last = mlp(), nn.Linear(3, 2)

    def forward(self, x):
        return self.last(mg.utils.checkpoint.checkpoint(self.inner[3:], self.inner[:3](x), use_reentrant=False))


def test_checkpoint():
    trains(Checkpointed, normal(16, 6), normal(16, 2, seed=1))


class Counting(nn.Module):
    """A buffer that is read, written and read again, and a number that is read at run time."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(normal(3))
        self.register_buffer("mean", mg.ones(3))
        self.scale = 1.0

    def forward(self, x):
        y = x * self.w * self.mean.clone() * runtime(self, "scale")
        with mg.no_grad():
            self.mean.mul_(0.5).add_(x.mean(0))
        return (y - self.mean.clone()).tanh()


def test_buffers_and_numbers():
    def scenario(f, model):
        seen = []
        for k in range(5):
            model.scale = 1.0 + k
            y = f(normal(4, 3, seed=k))
            model.scale = 100.0
            y.sum().backward()
            seen.append(y)
        return seen

    alike(Counting, scenario, traces=1)


# ---------------------------------------------------------------------------------------------------------- what is refused
class Looks(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return y if y.sum().item() > 0 else -y


def test_what_cannot_be_traced():
    x = normal(4, 3)
    with pytest.raises(TraceError, match="value of a tensor"):
        mg.compile(Looks(3, 2))(x)
    model = mg.compiler.compile(Looks(3, 2))
    with pytest.warns(RuntimeWarning, match="without being compiled") as caught:
        backwards(model, x)
    assert len(caught) == 1 and model.weight.grad is not None


class Scales(nn.Linear):
    def forward(self, x):
        return x.mul_(super().forward(x))


def test_an_argument_that_gets_history():
    with pytest.raises(TraceError, match="has got history"):
        mg.compile(Scales(3, 3))(normal(4, 3))


def test_saved_tensor_hooks_run_without_compiling():
    model, seen = mg.compile(mlp()), []
    with autograd.graph.saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        model(normal(4, 6)).sum().backward()
    assert seen and not model._step.traces


# -------------------------------------------------------------------------------------------------------------- housekeeping
def test_copies_and_state():
    x = normal(8, 6)
    model = mg.compile(nn.Sequential(nn.Linear(6, 2)))
    backwards(model, x)
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        made.zero_grad()
        y = made(x)
        y.sum().backward()
        assert type(made._step) is type(model._step) and made._step.fn is made._orig_mod
        equal(y, model(x))
        assert made._orig_mod[0].weight.grad is not model._orig_mod[0].weight.grad
        assert [*made.state_dict()] == ["_orig_mod.0.weight", "_orig_mod.0.bias"]


def test_inside_a_compiled_step():
    model, x = mg.compile(mlp()), normal(8, 6)
    o = optim.SGD(model.parameters(), lr=0.1)

    @mg.compile
    def step(x):
        o.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        o.step()
        return loss

    assert step(x).item() > [step(x).item() for _ in range(5)][-1] and model._step.traces == 0


def test_memory_is_let_go():
    """What a forward pass keeps goes with its result, or with the backward pass."""
    model = mg.compile(mlp())
    backwards(model, normal(8, 6))
    machine(model)
    y = model(normal(8, 6))
    record = y.node.saved[0]
    memory = weakref.ref(record.block.memory.base)
    del record
    gc.collect()
    assert memory() is not None
    y.sum().backward()
    assert memory() is None
    y = model(normal(8, 6))
    record = weakref.ref(y.node)
    del y
    assert record() is None


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backwards(mg.compile(mlp()), normal(8, 6))


# -------------------------------------------------------------------------------------------------------------- odd inputs
def test_many_shapes():
    """From the third kind on the texts read sizes at run time."""

    def scenario(f, model):
        for n in (2, 3, 4, 5, 6, 5, 4):
            f(normal(n, 6)).square().sum().backward()
        return []

    called = alike(mlp, scenario, traces=5)
    assert len(called._step.texts) < 8


@pytest.mark.parametrize("x", [mg.zeros(0, 6), mg.full((2, 6), float("nan")), mg.full((2, 6), -0.0), mg.full((2, 6), 1e38)])
def test_empty_and_extreme_arguments(x):
    make = lambda: nn.Sequential(nn.Linear(6, 3), nn.Sigmoid(), nn.Linear(3, 2))
    alike(make, lambda f, model: backwards(f, x), traces=1)


def test_scalars_and_views_as_results():
    class Net(nn.Linear):
        def forward(self, x):
            y = super().forward(x)
            return y[0], y, y.sum(), self.weight.t(), x[1:], self.weight

    def scenario(f, model):
        seen = []
        for _ in range(CALLS):
            *found, weight = f(normal(4, 3))
            assert weight is model.weight and not found[4].requires_grad
            (found[0].sum() + found[2] * 2 + found[3].exp().sum()).backward()
            seen += found
        return seen

    alike(lambda: Net(3, 2), scenario, traces=1)


def test_a_result_of_one_element():
    def scenario(f, model):
        for _ in range(CALLS):
            f(normal(1, 3)).sum().backward()
            f(normal(1, 3)).backward()
            f(normal(1, 3)).expand(4, 1).square().mean().backward()
        return []

    alike(lambda: nn.Linear(3, 1), scenario, traces=1)


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


class Cubes(nn.Linear):
    def forward(self, x):
        return Cube.apply(super().forward(x))


def test_a_function_with_its_own_gradient():
    alike(lambda: Cubes(3, 2), lambda f, model: backwards(f, normal(4, 3)), traces=1)


OUTSIDE, SCALES = normal(2, seed=7), {"backward": 2.0}


class Reads(autograd.Function):
    """Its backward reads what its forward does not."""

    @staticmethod
    def forward(ctx, x):
        return x * 1.5

    @staticmethod
    def backward(ctx, g):
        return g * OUTSIDE * runtime(SCALES, "backward")


class Read(nn.Linear):
    def forward(self, x):
        return Reads.apply(F.dropout(super().forward(x), 0.5))


def test_a_backward_pass_that_reads_more():
    alike(lambda: Read(3, 2), lambda f, model: backwards(f, normal(4, 3)), traces=1)


class Counts(nn.Linear):
    """Its gradient is written by a backward pass within the backward pass."""

    def forward(self, x):
        return mg.utils.checkpoint.checkpoint(super().forward, x, use_reentrant=True)


def test_what_has_no_gradients_of_its_own():
    with pytest.raises(RuntimeError, match="use_reentrant"):
        mg.compile(Counts(3, 2))(normal(4, 3, grad=True))


def test_threads_take_turns():
    model = mg.compile(nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 2)))
    inputs = [normal(5, 6, seed=k) for k in range(3)]
    expected = [autograd.grad(model._orig_mod(x).sum(), list(model.parameters())) for x in inputs]
    backwards(model, inputs[0])
    wrong = []

    def work(x, right):
        for _ in range(100):
            for a, b in zip(autograd.grad(model(x).sum(), list(model.parameters())), right):
                if not np.allclose(a.numpy(), b.numpy(), atol=1e-5):
                    wrong.append(x)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_backward_pass_between_other_programs():
    """An optimizer's step that is compiled writes parameters, and a later backward pass sees that."""
    model = mg.compile(nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 2)))
    o = optim.SGD(model.parameters(), lr=0.1)
    step = mg.compile(lambda: o.step())
    for _ in range(4):
        backwards(model, normal(4, 6))
        step()
    y = model(normal(4, 6))
    step()
    with pytest.raises(InplaceError):
        y.sum().backward()


def test_on_the_chosen_device(device):
    def scenario(f, model):
        x = normal(8, 6).to(device)
        for _ in range(CALLS):
            f(x).square().mean().backward()
        return [p.grad.cpu() for p in model.parameters()]

    called = mg.compile(mlp().to(device))
    twin = copy.deepcopy(called._orig_mod)
    mg.manual_seed(3)
    found = scenario(called, called)
    mg.manual_seed(3)
    for a, b in zip(found, scenario(twin, twin)):
        equal(a, b)


def test_a_compiled_module_can_be_looked_into_saved_and_transformed(tmp_path):
    model, x = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), normal(4, 2)
    fast = mg.compile(model)
    for _ in range(2):
        fast(x).sum().backward()
    assert fast.traces == 1
    if has_compiler():
        assert "tanh" in str(fast.graph())
        assert all(fast.report().count(part) == fast.source().count(part) == 1 for part in ("# forward", "# backward"))
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'nothing'"):
        fast.nothing
    mg.save(fast, tmp_path / "fast.pt")
    loaded = mg.load(tmp_path / "fast.pt", weights_only=False)
    np.testing.assert_allclose(loaded(x).detach().numpy(), model(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    for transform in (mg.func.grad, mg.func.hessian):
        found, expected = (transform(lambda v, f=f: f(v).sum())(x[0]) for f in (fast, model))
        np.testing.assert_array_equal(found.detach().numpy(), expected.detach().numpy())
