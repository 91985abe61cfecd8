"""The training form of ``minigrad.compile(model)``: forward and backward compiled, with the numbers of eager mode."""

import collections
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compile_guards import normal

import minigrad as mg
from minigrad import autograd, nn, optim
from minigrad.compile.replay import Program, has_compiler
from minigrad.errors import GradError, InplaceError
from minigrad.nn import functional as F

CALLS = 3  # the first is traced, the second compiled and the third repeated


def equal(actual, expected):
    np.testing.assert_allclose(actual.detach().numpy(), expected.detach().numpy(), rtol=2e-4, atol=5e-5)
    assert actual.dtype is expected.dtype and actual.shape == expected.shape


def flat(found):
    if isinstance(found, dict):
        found = list(found.values())
    return [t for f in found for t in flat(f)] if isinstance(found, tuple | list) else [found]


def alike(make, scenario, traces=None):
    """``scenario(model as it is called, the model)`` gives the same with and without compiling; returns the compiled model."""
    found = []
    for wrap in (lambda m: m, mg.compile):
        mg.manual_seed(0)
        model = make()
        called = wrap(model)
        mg.manual_seed(1)
        found.append([*flat(scenario(called, model)), *model.state_dict().values(), *[p.grad for p in model.parameters()]])
    assert len(found[0]) == len(found[1])
    for a, b in zip(*found):
        assert (a is None) == (b is None)
        if isinstance(a, mg.Tensor):
            equal(b, a)
        elif a is not None:
            assert a == b
    assert traces is None or called._step.traces == traces
    return called


def trains(make, x, y, loss=F.mse_loss, optimizer=lambda p: optim.SGD(p, lr=0.05, momentum=0.9), traces=1):
    """A few steps of training give the same losses and the same state."""

    def scenario(f, model):
        o, losses = optimizer(model.parameters()), []
        for _ in range(5):
            value = loss(f(x), y)
            o.zero_grad()
            value.backward()
            o.step()
            losses.append(value.detach())
        return losses

    return alike(make, scenario, traces)


def machine(model):
    """The halves of a compiled model, which run as machine code."""
    if not has_compiler():
        pytest.skip("needs Numba")
    halves = next(iter(model._step.programs.values()))[0]
    assert halves.compiled
    return halves


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))


def backwards(f, *args):
    """A few forward and backward passes; returns the results."""
    found = []
    for _ in range(CALLS):
        y = f(*args)
        y.square().sum().backward()
        found.append(y)
    return found


# ---------------------------------------------------------------------------------------------------------------- models
def test_perceptron_with_dropout_and_batch_norm():
    machine(trains(mlp, normal(16, 6), normal(16, 3, seed=1)))


def test_adam():
    make = lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    machine(trains(make, normal(16, 6), normal(16, 3, seed=1), optimizer=lambda p: optim.Adam(p, lr=0.01)))


def test_convolutions():
    def make():
        layers = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU()
        return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 5))

    machine(trains(make, normal(4, 2, 8, 8), mg.tensor([0, 1, 4, 2]), F.cross_entropy))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.inner, self.head = kind(4, 6, num_layers=2, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.inner(x)[0][:, -1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(kind):
    model = trains(lambda: Recurrent(kind), normal(3, 5, 4), normal(3, 2, seed=1))
    code = machine(model).compiled.backward.executable
    assert all(code.calls.forward_of.values())  # each kernel of the backward pass knows its forward call


def test_transformer_layer():
    make = lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
    machine(trains(make, normal(2, 5, 8), normal(2, 5, 8, seed=1)))


class WithLoss(nn.Module):
    """A model that computes its loss, as language models do."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens, targets=None):
        logits = self.head(self.table(tokens)).reshape(-1, 7)
        return {"logits": logits, "loss": None if targets is None else F.cross_entropy(logits, targets.reshape(-1))}


def test_a_loss_inside_and_tied_weights():
    tokens = mg.tensor([[0, 1, 2], [3, 4, 6]])

    def scenario(f, model):
        o = optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(4):
            found = f(tokens, targets=tokens.flip(1))
            o.zero_grad()
            found["loss"].backward()
            o.step()
        return found

    machine(alike(WithLoss, scenario, traces=1))


SHAPES = (nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.LeakyReLU, lambda: nn.Softmax(-1), lambda: nn.Dropout(0.5))
NORMS = (lambda n: nn.LayerNorm(n), lambda n: nn.BatchNorm1d(n), lambda n: nn.Linear(n, n, bias=False), lambda n: nn.Identity())


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(SHAPES), st.sampled_from(NORMS)), min_size=1, max_size=3))
def test_drawn_models(drawn):
    """In float64: a LayerNorm over two values that lie close together makes thousands of roundings out of one."""

    def make():
        layers, n = [], 3
        for width, shape, norm in drawn:
            layers += [nn.Linear(n, width), shape(), norm(width)]
            n = width
        return nn.Sequential(*layers, nn.Linear(n, 2)).double()

    trains(make, normal(6, 3).double(), normal(6, 2, seed=1).double(), optimizer=lambda p: optim.SGD(p, lr=0.01))


def test_without_machine_code(monkeypatch):
    monkeypatch.setattr(Program, "_compiled", lambda self: False)
    trains(mlp, normal(16, 6), normal(16, 3, seed=1))


def test_kernels_switched_off_between():
    model = mg.compile(mlp())
    x = normal(8, 6)
    backwards(model, x)
    y = model(x)
    with mg.kernels.use_kernels(False):
        y.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_float64():
    make = lambda: mlp().double()
    trains(make, normal(16, 6).double(), normal(16, 3, seed=1).double())


# ------------------------------------------------------------------------------------------------------- gradients and results
class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 2)

    def forward(self, x):
        return self.a(x).relu(), {"b": self.b(x), "index": x.argmax(-1), "x": x, "name": "parts"}


def test_one_of_several_results():
    x = normal(5, 3)

    def scenario(f, model):
        seen = []
        for k in range(CALLS):
            model.zero_grad()
            a, rest = f(x)
            (a.sum() if k % 2 else rest["b"].square().sum()).backward()
            assert rest["x"] is x and rest["name"] == "parts" and not rest["index"].requires_grad
            seen += [a, rest["b"], rest["index"], *[p.grad for p in model.parameters()]]
        return seen

    alike(Parts, scenario, traces=1)  # a layer that no gradient came from has None, and not zeros


def test_gradients_flow_to_arguments():
    x, w = normal(5, 3), normal(3, 3, seed=2, grad=True)

    def scenario(f, model):
        w.grad = None
        leaf = normal(5, 3, seed=4).requires_grad_()
        for _ in range(CALLS):
            a, rest = f((x @ w).tanh())
            (a.sum() + rest["b"].exp().sum()).backward()
            f(leaf)[0].sum().backward()
        return [w.grad, leaf.grad, autograd.grad(f(leaf)[0].sum(), [leaf, model.a.weight])]

    alike(Parts, scenario, traces=2)


def test_retain_graph_and_a_second_backward():
    def scenario(f, model):
        x = normal(4, 6)
        for _ in range(CALLS):
            y = f(x).sum()
            y.backward(retain_graph=True)
            y.backward()
            with pytest.raises(GradError, match="second time"):
                y.backward()
        return []

    alike(mlp, scenario, traces=1)


@pytest.mark.parametrize("kind", [mlp, lambda: nn.Sequential(nn.LSTM(6, 3)), lambda: nn.Sequential(nn.Conv1d(4, 2, 3))])
def test_two_forwards_before_two_backwards(kind):
    one, two = normal(2, 4, 6)[0], normal(2, 4, 6, seed=5)[0]

    def scenario(f, model):
        for _ in range(CALLS):
            a, b = f(one), f(two)
            a, b = (a[0], b[0]) if isinstance(a, tuple) else (a, b)
            a.square().sum().backward()
            b.exp().sum().backward()
        return a, b

    alike(kind, scenario, traces=1)


def test_called_twice_in_one_step_with_other_shapes():
    def scenario(f, model):
        for _ in range(CALLS):
            (f(normal(4, 6)).sum() + f(normal(9, 6, seed=3)).square().sum()).backward()
        return []

    alike(mlp, scenario, traces=2)


def test_a_result_is_written_or_detached_afterwards():
    def scenario(f, model):
        for _ in range(CALLS):
            y = f(normal(4, 6))
            y.mul_(2)
            with mg.no_grad():
                z = y * 3
            y.sum().backward()
        return y, z

    alike(mlp, scenario, traces=1)


def test_what_the_backward_pass_reads_was_written():
    def make():
        return nn.Sequential(nn.Linear(6, 3), nn.Sigmoid(), nn.Linear(3, 3), nn.Sigmoid())

    def scenario(f, model):
        for _ in range(CALLS):
            y = f(normal(4, 6))
            with mg.no_grad():
                model[2].weight.mul_(1.5)
            with pytest.raises(InplaceError, match="modified by an inplace operation"):
                y.sum().backward()
            y = f(normal(4, 6))
            y.add_(1)
            with pytest.raises(InplaceError, match="modified by an inplace operation"):
                y.sum().backward()
            y = f(normal(4, 6))
            with mg.no_grad():
                model[2].bias.mul_(1.5)  # nobody reads it
            y.sum().backward()
        return []

    alike(make, scenario, traces=1)


def test_no_second_derivative():
    model, x = mg.compile(nn.Sequential(nn.Linear(3, 2), nn.Tanh())), normal(4, 3, grad=True)
    for _ in range(CALLS):
        with pytest.raises(GradError, match="cannot itself be differentiated"):
            autograd.grad(model(x).sum(), x, create_graph=True)


def test_hooks_on_parameters_and_arguments():
    seen = []

    def scenario(f, model):
        seen.clear()
        w = normal(6, 6, seed=3, grad=True)
        for _ in range(CALLS):
            h = normal(4, 6) @ w
            h.retain_grad()
            h.register_hook(lambda g: g * 3)
            handles = [
                model[0].weight.register_hook(lambda g: g * 2),
                model[4].bias.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone())),
            ]
            y = f(h)
            y.register_hook(lambda g: g + 1)
            y.sum().backward()
            seen.extend([h.grad, w.grad.clone()])
            for handle in handles:
                handle.remove()
        return list(seen)

    alike(mlp, scenario)


@dataclasses.dataclass
class Output:
    logits: mg.Tensor
    extra: tuple = ()


Named = collections.namedtuple("Named", "a b")


@pytest.mark.parametrize(
    "build",
    [
        lambda y: Output(y, (y.square(),)),
        lambda y: Named(y, y.t()),
        lambda y: collections.OrderedDict(y=y, again=y),
        lambda y: [y, (y[0], None)],
    ],
)
def test_kinds_of_results(build):
    class Net(nn.Linear):
        def forward(self, x):
            return build(super().forward(x))

    def tensors(found):
        return [t for t in flat(vars(found) if isinstance(found, Output) else found) if t is not None]

    def scenario(f, model):
        seen = []
        for _ in range(CALLS):
            found = f(normal(4, 3))
            assert type(found) is type(build(mg.ones(2, 2)))
            sum(t.exp().sum() for t in tensors(found)).backward()
            seen += tensors(found)
        return seen

    alike(lambda: Net(3, 2), scenario, traces=1)
