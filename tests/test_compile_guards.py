"""A compiled function is never stale: whatever it depends on changes, its numbers are those of the function in Python.

Most tests compile a function without side effects, change something, and compare with the function itself.
"""

import collections
import functools
import math
import os
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
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


def test_changes_under_machine_code(net, monkeypatch):
    monkeypatch.undo()
    step, x = compiled(lambda x: net(x), normal(5, 3)), normal(5, 3, seed=2)
    for change in (replace_data, replace_buffer, replace_module, attribute):
        with mg.no_grad():
            change(net)
            for _ in range(2):
                equal(step(x), net(x))
    assert step.traces == 4


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
