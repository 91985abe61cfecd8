"""A compiled function is never stale: whatever it depends on changes, its numbers are those of the function in Python.

Most tests compile a function without side effects, change something, and compare with the function itself.
"""

import collections
import functools
import math
import os
import sys
import warnings
from operator import methodcaller

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile import Step, runtime
from minigrad.compile.replay import Program
from minigrad.errors import TraceError
from minigrad.nn import functional as F


@pytest.fixture(autouse=True)
def no_machine_code(monkeypatch):
    """Programs run call by call, which spares the compiling; what is guarded is the same."""
    monkeypatch.setattr(Program, "_compiled", lambda self: False)


def equal(actual, expected):
    np.testing.assert_allclose(actual.detach().cpu().numpy(), expected.detach().cpu().numpy(), rtol=1e-4, atol=1e-5)
    assert actual.dtype is expected.dtype and actual.shape == expected.shape


def normal(*shape, seed=0, grad=False):
    return mg.tensor(np.random.default_rng(seed).standard_normal(shape).astype("float32")).requires_grad_(grad)


def compiled(fn, *examples, traces=1):
    """A Step of ``fn`` that has a program for ``examples``, and is used again where nothing changes."""
    step = Step(fn)
    with mg.no_grad():
        for _ in range(3):
            equal(step(*examples), fn(*examples))
    assert step.traces == traces
    return step


def follows(step, *args, traces):
    """The step gives what its function gives, with so many traces until now."""
    with mg.no_grad():
        for _ in range(2):
            equal(step(*args), step.fn(*args))
    assert step.traces == traces


class Net(nn.Module):
    factor = 1.0

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=True), nn.Linear(4, 2)
        self.scale, self.sizes, self.settings = 2.0, [1.0, 2.0], {"shift": 0.5, "other": 7}

    def forward(self, x):
        h = self.norm(self.first(x)).tanh() * self.scale
        return self.second(h) * self.factor + self.settings["shift"] * self.sizes[1]


@pytest.fixture
def net():
    mg.manual_seed(0)
    net = Net().eval()
    net.norm.running_mean.copy_(normal(4, seed=1))
    return net


# ------------------------------------------------------------------------------------------------------------- modules
def test_train_and_eval(net):
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    twin = Net()
    twin.load_state_dict(net.state_dict())
    net.norm.train()
    twin.norm.train()
    with mg.no_grad():
        for _ in range(2):
            equal(step(x), twin(x))
            equal(net.norm.running_mean, twin.norm.running_mean)
    assert step.traces == 2
    net.eval()
    follows(step, x, traces=2)  # the first program holds again
    dropout = nn.Dropout(0.5).eval()
    dropped = compiled(lambda x, d=dropout: d(x) * 1, x)
    dropout.train()
    assert 0.0 in dropped(x).flatten().tolist() and dropped.traces == 2


def replace_weight(net):
    net.first.weight = nn.Parameter(normal(4, 3, seed=9))


def replace_data(net):
    net.first.weight.data = normal(4, 3, seed=9)


def replace_buffer(net):
    net.norm.running_var = mg.ones(4) * 3


def write_registry(net):
    net.first._parameters["bias"] = nn.Parameter(mg.ones(4) * 3)


def assign_state(net):
    net.load_state_dict({k: v * 1.5 for k, v in net.state_dict().items()}, assign=True)


def replace_module(net):
    net.second = nn.Linear(4, 2)


def drop_bias(net):
    net.first.bias = None


def patch_forward(net):
    net.first.forward = lambda x: F.linear(x, net.first.weight) * 3


def hook_module(net):
    net.first.register_forward_hook(lambda module, args, output: output * 2)


def hook_before(net):
    net.second.register_forward_pre_hook(lambda module, args: (args[0] + 1,))


def attribute(net):
    net.scale = 3.0


def entry_of_dict(net):
    net.settings["shift"] = 5.0


def entry_of_list(net):
    net.sizes[1] = 5.0


def shadow_class(net):
    net.factor = 4.0


def layer_setting(net):
    net.norm.eps = 0.5


MODULE_CHANGES = [
    replace_weight, replace_data, replace_buffer, write_registry, assign_state, replace_module, drop_bias, patch_forward,
    hook_module, hook_before, attribute, entry_of_dict, entry_of_list, shadow_class, layer_setting,
]  # fmt: skip


@pytest.mark.parametrize("change", MODULE_CHANGES, ids=lambda f: f.__name__)
def test_changed_modules(net, change):
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    with mg.no_grad():
        before = net(x)
        change(net)
        assert not np.allclose(before.numpy(), net(x).numpy())
    follows(step, x, traces=1 if change is replace_data else 2)


def test_what_a_module_does_not_read_traces_nothing(net):
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    net.note, net.settings["other"] = "seen", 8
    net.train().eval()
    with mg.no_grad():
        net.first.weight.mul_(2)
    follows(step, x, traces=1)


def test_removed_hooks_and_hooks_of_all_modules(net):
    handle = net.first.register_forward_hook(lambda module, args, output: output * 2)
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    handle.remove()
    follows(step, x, traces=2)
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, output: output + 1)
    try:
        follows(step, x, traces=3)
    finally:
        handle.remove()
    follows(step, x, traces=3)


def test_containers_of_modules():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    layers[0].power = 1.0

    def f(x):
        for layer in layers:
            x = layer(x) * getattr(layer, "power", 2.0)
        return x

    step, x = compiled(f, normal(3, 2)), normal(3, 2, seed=1)
    layers.append(nn.Linear(2, 2))
    follows(step, x, traces=2)
    layers[0] = nn.Linear(2, 2)
    follows(step, x, traces=3)
    layers[1].power = 5.0
    follows(step, x, traces=4)
    sequential = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    step = compiled(lambda x: sequential(x), x)
    sequential[1] = nn.ReLU()
    follows(step, x, traces=2)
    sequential.append(nn.Sigmoid())
    follows(step, x, traces=3)
    del sequential[0]
    follows(step, x, traces=4)


def test_a_method_replaced_in_its_class(net, monkeypatch):
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    monkeypatch.setattr(Net, "forward", lambda self, x: self.first(x))
    follows(step, x, traces=2)


def test_class_attribute(net, monkeypatch):
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    monkeypatch.setattr(Net, "factor", 3.0)
    follows(step, x, traces=2)


def test_settings_of_layers():
    drop, norm = nn.Dropout(0.5), nn.BatchNorm1d(2, momentum=0.5)
    x = mg.ones(2000, 2)
    step = Step(lambda x: drop(x))
    for p in (0.5, 0.5, 0.1, 0.9):
        drop.p = p
        share = float((step(x) == 0).float().mean())
        assert abs(share - p) < 0.05
    x, twin = normal(8, 2), nn.BatchNorm1d(2, momentum=0.5)
    step = Step(lambda x: norm(x).detach())
    for momentum in (0.5, 0.5, 0.1, 0.9):
        norm.momentum = twin.momentum = momentum
        equal(step(x), twin(x))
        equal(norm.running_mean, twin.running_mean)


# ---------------------------------------------------------------------------------------------------------- optimizers
class Twins:
    """The same training in Python and compiled."""

    def __init__(self, make):
        self.losses, self.steps, self.sides = [], [], []
        for wrap in (lambda f: f, Step):
            mg.manual_seed(0)
            net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
            side = {"net": net, "optimizer": make(net.parameters())}

            def train(x, side=side):
                side["optimizer"].zero_grad()
                loss = side["net"](x).square().sum()
                loss.backward()
                side["optimizer"].step()
                return loss

            self.sides.append(side)
            self.steps.append(wrap(train))

    @property
    def traces(self):
        return self.steps[1].traces

    def run(self, count=3):
        for k in range(count):
            x = normal(5, 3, seed=k)
            expected, actual = [step(x) for step in self.steps]
            equal(actual, expected)
        for a, b in zip(*(side["net"].parameters() for side in self.sides)):
            equal(b, a)
            if a.grad is not None:
                equal(b.grad, a.grad)

    def change(self, function):
        for side in self.sides:
            function(side["net"], side["optimizer"], side)


def setting(name, value):
    def change(net, optimizer, side):
        optimizer.param_groups[0][name] = value

    return change


def freeze(net, optimizer, side):
    net[0].weight.requires_grad_(False)
    net[0].weight.grad = None


def tensor_rate(net, optimizer, side):
    optimizer.param_groups[0]["lr"] = mg.tensor(0.01)


def new_optimizer(net, optimizer, side):
    side["optimizer"] = optim.SGD(net.parameters(), lr=0.05)


def load_state(net, optimizer, side):
    state = optimizer.state_dict()
    for s in state["state"].values():
        for k, v in s.items():
            s[k] = v * 2 if k != "step" else v
    optimizer.load_state_dict(state)


def replace_entry_of_state(net, optimizer, side):
    state = optimizer.state[net[0].weight]
    name = "exp_avg" if "exp_avg" in state else "momentum_buffer"
    state[name] = state[name] + 1.0


def forget_state(net, optimizer, side):
    optimizer.state.clear()


def fewer_parameters(net, optimizer, side):
    optimizer.param_groups[0]["params"].pop()


def other_step(net, optimizer, side):
    optimizer.step = lambda: None


def hook_step(net, optimizer, side):
    def halve(optimizer, args, kwargs):
        for p in net.parameters():
            p.grad.mul_(0.5)

    optimizer.register_step_pre_hook(halve)


def hook_tensor(net, optimizer, side):
    net[0].weight.register_hook(lambda g: g * 3)


def replace_parameter(net, optimizer, side):
    net[0].weight = nn.Parameter(mg.ones(4, 3))


SGD, ADAM = functools.partial(optim.SGD, lr=0.01, momentum=0.5), functools.partial(optim.Adam, lr=0.01)


@pytest.mark.parametrize(("make", "change"), [
    (SGD, setting("momentum", 0.9)), (SGD, setting("weight_decay", 0.5)), (SGD, setting("nesterov", True)),
    (SGD, setting("maximize", True)), (ADAM, setting("betas", (0.5, 0.5))), (ADAM, setting("eps", 0.1)),
    (SGD, freeze), (ADAM, freeze), (ADAM, tensor_rate), (ADAM, new_optimizer), (ADAM, load_state), (SGD, replace_entry_of_state),
    (ADAM, replace_entry_of_state), (ADAM, forget_state), (SGD, fewer_parameters), (SGD, other_step), (SGD, hook_step),
    (ADAM, hook_tensor), (SGD, replace_parameter),
], ids="""momentum weight_decay nesterov maximize betas eps freeze freeze_adam tensor_rate new_optimizer load_state sgd_state
    adam_state forget_state fewer_parameters other_step hook_step hook_tensor replace_parameter""".split())  # fmt: skip
def test_changed_optimizers(make, change):
    twins = Twins(make)
    twins.run()
    before = twins.traces
    twins.change(change)
    twins.run(4)
    assert before < twins.traces <= before + 2


def test_changes_under_machine_code(net, monkeypatch):
    monkeypatch.undo()
    twins = Twins(ADAM)
    twins.run(4)
    for change in (setting("lr", 0.05), setting("betas", (0.5, 0.5)), load_state, replace_parameter, freeze):
        twins.change(change)
        twins.run(4)
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    for change in (replace_data, replace_buffer, replace_module, attribute):
        with mg.no_grad():
            change(net)
            for _ in range(2):
                equal(step(x), net(x))
    assert step.traces == 4


def test_parameter_group_added():
    twins = Twins(lambda parameters: optim.SGD(list(parameters)[:2], lr=0.01))
    twins.run()
    twins.change(lambda net, optimizer, side: optimizer.add_param_group({"params": net[2].parameters(), "lr": 0.1}))
    twins.run()


def test_both_warnings_are_said(monkeypatch):
    monkeypatch.setattr(sys.modules["minigrad.compile.step"], "KINDS", 1)
    monkeypatch.setattr(sys.modules["minigrad.compile.step"], "LIMIT", 1)
    settings = {"factor": 1.0}
    step, x = Step(lambda x: x * settings["factor"]), normal(3)
    with pytest.warns(UserWarning, match="was traced 2 times, which is slow") as said:
        for settings["factor"] in (1.0, 2.0, 3.0):
            step(x)
    assert len(said) == 1
    with pytest.warns(RuntimeWarning, match="runs as it is for any others") as said:
        step(normal(4)), step(normal(5))
    assert len(said) == 1


def test_the_learning_rate_is_an_input():
    twins = Twins(ADAM)
    twins.run()
    before = twins.traces
    for rate in (0.1, 0.02, 1, 0.0):
        twins.change(setting("lr", rate))
        twins.run(2)
    assert twins.traces == before
    rate = [mg.tensor(0.01), mg.tensor(0.01)]
    for side, tensor in zip(twins.sides, rate):
        side["optimizer"].param_groups[0]["lr"] = tensor
    twins.run()
    for tensor in rate:
        tensor.fill_(0.3)
    twins.run()
    twins.change(setting("lr", 0.01))
    twins.run()
    assert twins.traces <= before + 1


@pytest.mark.parametrize(("make", "changes"), [
    (SGD, [{"momentum": v} for v in (0.9, 0.8, 0.7, 0.6)]), (ADAM, [{"betas": (v, 0.9 + v / 20)} for v in (0.7, 0.6, 0.5, 0.4)]),
    (functools.partial(optim.AdamW, lr=0.01), [{"betas": (v, 0.999)} for v in (0.7, 0.6, 0.0, 0.4)]),
    (functools.partial(optim.Adamax, lr=0.01), [{"betas": (v, 0.99)} for v in (0.7, 0.6, 0.5, 0.4)]),
    (functools.partial(optim.NAdam, lr=0.01), [{"betas": (v, 0.99)} for v in (0.7, 0.6, 0.5, 0.4)]),
    (functools.partial(optim.RMSprop, lr=0.01, momentum=0.5), [{"momentum": v} for v in (0.9, 0.8, 0.7, 0.6)]),
], ids="sgd adam adamw adamax nadam rmsprop".split())  # fmt: skip
def test_momentum_and_betas_become_inputs_once_they_change(make, changes):
    twins = Twins(make)
    twins.run()
    before = twins.traces
    for change in changes:
        for name, value in change.items():
            twins.change(setting(name, value))
        twins.run(2)
    zero = any(0.0 in v for change in changes for v in change.values() if isinstance(v, tuple))
    assert twins.traces == before + (2 if zero else 1)  # 0 may be another rule


def test_a_momentum_of_zero_is_another_rule():
    twins = Twins(SGD)
    for momentum in (0.9, 0.8, 0.0, 0.7, 0.0, 0.6):
        twins.change(setting("momentum", momentum))
        twins.run(2)


def test_betas_assigned_inside_after_they_were_read_are_refused():
    w = normal(3, grad=True)
    optimizer = optim.Adam([w], lr=0.1)

    def train(x, assign):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        if assign:
            assign(optimizer.param_groups[0])

    step = Step(train)
    for k in range(4):
        optimizer.param_groups[0]["betas"] = (0.9 - k / 10, 0.9)
        step(normal(3), None)
    with pytest.raises(TraceError, match="betas was assigned inside"):
        step(normal(3), methodcaller("update", betas=(0.1, 0.2)))


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize("make", [
    lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5), lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=12),
    lambda o: optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3), lambda o: optim.lr_scheduler.LambdaLR(o, lambda e: 0.9**e),
    lambda o: optim.lr_scheduler.SequentialLR(o, [optim.lr_scheduler.ConstantLR(o), optim.lr_scheduler.StepLR(o, 1, 0.7)], [2]),
], ids="step one_cycle restarts lambda sequential".split())  # fmt: skip
def test_schedules(make, inside):
    rates = []
    for wrap in (lambda f: f, Step):
        w = normal(3, grad=True)
        optimizer = optim.SGD([w], lr=0.1)
        schedule = make(optimizer)

        def train(x, w=w, optimizer=optimizer, schedule=schedule):
            optimizer.zero_grad()
            loss = (w * x).square().sum()
            loss.backward()
            optimizer.step()
            if inside:
                schedule.step()
            return loss

        step, seen = wrap(train), []
        for k in range(7):
            seen.append((step(normal(3, seed=k)).item(), optimizer.param_groups[0]["lr"], *w.tolist()))
            if not inside:
                schedule.step()
        rates.append(seen)
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-5)
    assert step.traces == (3 if "OneCycle" in type(schedule).__name__ else 1)  # which sets the momentum, too
    assert len({r[1] for r in rates[1]}) > 1


def test_a_schedule_that_is_read_or_given_a_tensor_is_refused():
    w = normal(3, grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    plateau, schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer), optim.lr_scheduler.StepLR(optimizer, 1)

    def with_tensor(x):
        plateau.step((x * w.detach()).sum())

    def before(x):
        schedule.step()
        (w * x).sum().backward()
        optimizer.step()

    with pytest.raises(TraceError, match="with a tensor"):
        Step(with_tensor)(normal(3))
    with pytest.raises(TraceError, match=r"scheduler\.step"):
        Step(before)(normal(3))

    def logged(x):
        return x * schedule.get_last_lr()[0]

    step, x = Step(logged), normal(3)
    for _ in range(3):
        equal(step(x), logged(x))
        schedule.step()
    group = optimizer.param_groups[0]

    def read(x):
        return x * group["lr"]

    step = compiled(read, x)
    group["lr"] = 0.7
    follows(step, x, traces=2)


# ----------------------------------------------------------------------------------------- what user functions read
ALPHA = 2.0
TABLE = {"alpha": 1.0, "nested": {"beta": [1.0, 2.0]}}
CHOICE = "tanh"
WEIGHTS = np.array([1.0, 2.0, 3.0], "float32")
HELPER = math.sqrt
EMPTY, QUEUE = {}, collections.deque([2.0, 3.0])


class Config:
    gamma = 1.0

    def __init__(self):
        self.alpha, self.inner, self.pair = 2.0, None, (1.0, 2.0)

    @property
    def doubled(self):
        return self.alpha * 2


class Slots:
    __slots__ = ("alpha",)


CONFIG, SLOTS = Config(), Slots()
CONFIG.inner, SLOTS.alpha = Config(), 1.0


def helper(x, power=2.0, *, shift=0.0):
    return x * ALPHA**power + shift


helper.weight = 1.0


class Open(dict):
    __getattr__ = dict.__getitem__


OPEN = Open(alpha=1.0)


def alphas():
    for c in (CONFIG, CONFIG.inner):
        yield c.alpha


def make_scaled():
    alpha = 3.0

    def scaled(x):
        return x * alpha

    def change(value):
        nonlocal alpha
        alpha = value

    return scaled, change


scaled, change_scaled = make_scaled()


def set_global(name, value):
    return lambda patch: patch.setitem(globals(), name, value)


def reads_alpha(x):
    return x * ALPHA


READS = {
    "global": (reads_alpha, set_global("ALPHA", 3.0)),
    "int_to_float": (lambda x: (x * 0).long() + ALPHA, set_global("ALPHA", 2)),
    "in_helper": (lambda x: helper(x), set_global("ALPHA", 3.0)),
    "default": (lambda x: helper(x), lambda patch: patch.setattr(helper, "__defaults__", (3.0,))),
    "keyword_default": (lambda x: helper(x), lambda patch: patch.setattr(helper, "__kwdefaults__", {"shift": 1.0})),
    "helper_replaced": (lambda x: helper(x), set_global("helper", lambda x: x * 7)),
    "builtin_replaced": (lambda x: x * HELPER(4.0), set_global("HELPER", math.exp)),
    "string": (lambda x: getattr(F, CHOICE)(x), set_global("CHOICE", "relu")),
    "dict": (lambda x: x * TABLE["alpha"], lambda patch: patch.setitem(TABLE, "alpha", 5.0)),
    "nested": (lambda x: x * TABLE["nested"]["beta"][1], lambda patch: TABLE["nested"]["beta"].__setitem__(1, 5.0)),
    "dict_replaced": (lambda x: x * TABLE["alpha"], set_global("TABLE", {"alpha": 4.0})),
    "added": (lambda x: x * TABLE.get("new", 1.0), lambda patch: patch.setitem(TABLE, "new", 5.0)),
    "wholly": (lambda x: x * sum(TABLE["nested"]["beta"]), lambda patch: TABLE["nested"]["beta"].append(5.0)),
    "values": (lambda x: x * len(list(TABLE.values())), lambda patch: patch.setitem(TABLE, "more", 1.0)),
    "attribute": (lambda x: x * CONFIG.alpha, lambda patch: patch.setattr(CONFIG, "alpha", 5.0)),
    "of_attribute": (lambda x: x * CONFIG.inner.alpha, lambda patch: patch.setattr(CONFIG.inner, "alpha", 5.0)),
    "element": (lambda x: x * CONFIG.pair[1], lambda patch: patch.setattr(CONFIG, "pair", (1.0, 5.0))),
    "of_class": (lambda x: x * CONFIG.gamma, lambda patch: patch.setattr(Config, "gamma", 5.0)),
    "in_front_of_class": (lambda x: x * CONFIG.gamma, lambda patch: patch.setattr(CONFIG, "gamma", 5.0, raising=False)),
    "contains": (lambda x: x * 2 if "new" in TABLE else x, lambda patch: patch.setitem(TABLE, "new", 5.0)),
    "variable_contains": (lambda x, k=CHOICE: x * 2 if k in TABLE else x, lambda patch: patch.setitem(TABLE, "tanh", 5.0)),
    "variable_key": (lambda x, k="alpha": x * TABLE[k], lambda patch: patch.setitem(TABLE, "alpha", 5.0)),
    "empty": (lambda x: x * 2 if EMPTY else x, lambda patch: patch.setitem(EMPTY, "any", 5.0)),
    "deque": (lambda x: x * QUEUE[0], lambda patch: QUEUE.appendleft(QUEUE[0] + 1)),
    "class": (lambda x: x * Config.gamma, lambda patch: patch.setattr(Config, "gamma", 5.0)),
    "property": (lambda x: x * CONFIG.doubled, lambda patch: patch.setattr(CONFIG, "alpha", 5.0)),
    "slot": (lambda x: x * SLOTS.alpha, lambda patch: patch.setattr(SLOTS, "alpha", 5.0)),
    "getattr": (lambda x: x * getattr(CONFIG, "alpha"), lambda patch: patch.setattr(CONFIG, "alpha", 5.0)),  # noqa: B009
    "local": (lambda x: (lambda c: x * c.alpha)(CONFIG), lambda patch: patch.setattr(CONFIG, "alpha", 5.0)),
    "loop": (
        lambda x: sum([x * c.alpha for c in [CONFIG, CONFIG.inner]]),
        lambda patch: patch.setattr(CONFIG.inner, "alpha", 9.0),
    ),
    "partial": (functools.partial(lambda c, x: x * c["alpha"], TABLE), lambda patch: patch.setitem(TABLE, "alpha", 5.0)),
    "of_function": (lambda x: x * helper.weight, lambda patch: patch.setattr(helper, "weight", 5.0)),
    "dict_with_attributes": (lambda x: x * OPEN.alpha, lambda patch: patch.setitem(OPEN, "alpha", 5.0)),
    "globals": (lambda x: x * globals()["ALPHA"], set_global("ALPHA", 3.0)),
    "environment": (lambda x: x * len(os.environ.get("A_SETTING", "")), lambda patch: patch.setenv("A_SETTING", "on")),
    "generator": (lambda x: x * sum(alphas()), lambda patch: patch.setattr(CONFIG.inner, "alpha", 9.0)),
    "array": (lambda x: x + mg.tensor(WEIGHTS), lambda patch: WEIGHTS.__setitem__(1, 9.0)),
    "closure": (lambda x: scaled(x), lambda patch: change_scaled(scaled(mg.ones(1)).item() + 1)),
}


@pytest.mark.parametrize("name", READS)
def test_changed_values(name, monkeypatch):
    monkeypatch.setitem(TABLE, "nested", {"beta": [1.0, 2.0]})
    monkeypatch.setitem(globals(), "WEIGHTS", WEIGHTS.copy())
    fn, change = READS[name]
    x = normal(3)
    step, before = compiled(fn, x), fn(x)
    change(monkeypatch)
    assert before.dtype is not fn(x).dtype or not np.allclose(before.numpy(), fn(x).numpy())
    follows(step, x, traces=2)


def test_closure_variables():
    alpha, layer, table, offset = 2.0, nn.Linear(3, 3), [1.0, 2.0], mg.ones(3)

    def f(x):
        return layer(x) * alpha + table[0] + offset

    step, x = compiled(f, normal(3)), normal(3, seed=1)
    alpha = 3.0
    follows(step, x, traces=2)
    layer = nn.Linear(3, 3)
    follows(step, x, traces=3)
    table[0] = 4.0
    follows(step, x, traces=4)
    offset = mg.ones(3) * 7
    follows(step, x, traces=5)
    offset.mul_(2)
    follows(step, x, traces=5)
    alpha = 2.0 + 1.0  # an equal value is the same
    follows(step, x, traces=5)


def test_methods_and_callable_objects():
    class Model:
        def __init__(self):
            self.scale, self.names = 2.0, {"a": Config()}

        def forward(self, x):
            return x * self.scale * self.names["a"].alpha

        __call__ = forward

    model, x = Model(), normal(3)
    for fn in (model.forward, model):
        step = compiled(fn, x)
        model.scale += 1.0
        follows(step, x, traces=2)
        model.names["a"].alpha += 1.0
        follows(step, x, traces=3)

    class Compiled:
        scale = 1.0

        @mg.compile
        def forward(self, x):
            return x * self.scale

    one, two = Compiled(), Compiled()
    two.scale = 5.0
    for _ in range(2):
        equal(one.forward(x), x)
        equal(two.forward(x), x * 5.0)
    one.scale = 3.0
    equal(one.forward(x), x * 3.0)


def test_numbers_that_the_function_changes():
    class Counter:
        steps, seen = 0, 0

        def counts(self, x):
            self.steps += 1
            return x * self.steps

        def once(self, x):
            if not self.seen:
                self.seen = 1
            return x * self.seen

        def free(self, x):
            self.steps = runtime(self, "steps") + 1
            return x * runtime(self, "steps")

    x, counter = mg.ones(2), Counter()
    step = Step(counter.counts)
    assert [step(x).tolist()[0], step(x).tolist()[0]] == [1.0, 2.0]
    with pytest.raises(TraceError, match=r"steps.*runtime"):
        step(x)
    counter = Counter()
    step = Step(counter.once)
    assert [step(x).tolist() for _ in range(4)] == [[1.0, 1.0]] * 4 and step.traces == 2
    counter = Counter()
    step = Step(counter.free)
    assert [step(x).tolist()[0] for _ in range(4)] == [1.0, 2.0, 3.0, 4.0] and step.traces == 1 and counter.steps == 4

    def closure(x):
        nonlocal count
        count += 1
        return x * count

    count, step = 0, Step(closure)
    step(x), step(x)
    with pytest.raises(TraceError, match="variable count"):
        step(x)
    table = {"n": 0}

    def entries(x):
        table["n"] = table["n"] + 1
        return x * table["n"]

    step = Step(entries)
    step(x), step(x)
    with pytest.raises(TraceError, match="'n'"):
        step(x)


def test_a_value_that_changes_often_warns_once_and_stays_right():
    config = Config()
    step, x = Step(lambda x: x * config.alpha), normal(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(20):
            config.alpha = float(k)
            equal(step(x), x * float(k))
    assert len(caught) == 1 and "alpha" in str(caught[0].message) and "runtime" in str(caught[0].message)
    assert step.traces == 20 and max(len(p) for p in step.programs.values()) <= 8
