"""More of what compiled functions must not miss: keys of any kind, attributes of tensors, layouts, methods, equal arguments."""

import dataclasses
import decimal

import numpy as np
import pytest
from test_compile_guards import compiled, follows, no_machine_code, normal  # noqa: F401

import minigrad as mg
from minigrad import nn
from minigrad.compile import Step
from minigrad.errors import ShapeError


# ---------------------------------------------------------------------------------------------------------------- keys
@pytest.mark.parametrize("key", [(1, 2), None, 0.5, b"k", 2j, True, "two words"], ids=repr)
def test_entry_at_a_constant_key(key):
    text = f"lambda x: x * box[{key!r}] * more.get({key!r}, 1.0)"
    box, more = {key: 2.0, "other": 1.0}, {"box": 3.0}
    step, x = compiled(eval(text, {"box": box, "more": more}), normal(3)), normal(3, seed=1)
    box[key] = 3.0
    follows(step, x, traces=2)
    more[key] = 5.0
    follows(step, x, traces=3)
    more["unread"] = 5.0
    follows(step, x, traces=3)


def test_key_in_a_variable():
    box, key = {"a": 2.0, "b": 3.0}, "a"
    step, x = compiled(lambda x: x * box.get(key), normal(3)), normal(3, seed=1)
    box["a"] = 5.0
    follows(step, x, traces=2)
    key = "b"
    follows(step, x, traces=3)


def test_key_of_setdefault():
    box, key = {"a": 2.0}, "a"
    step, x = compiled(lambda x: x * box.setdefault(key, 1.0), normal(3)), normal(3, seed=1)
    box["a"] = 5.0
    follows(step, x, traces=2)


def test_set_of_tuples():
    box = {(1, 2)}
    step, x = compiled(lambda x: x * 2.0 if (1, 3) in box else x * 3.0, normal(3)), normal(3, seed=1)
    box.add((1, 3))
    follows(step, x, traces=2)


def test_tensors_and_modules_at_tuples():
    box = {(0, 1): normal(3), (0, 2): nn.Linear(3, 3)}
    step, x = compiled(lambda x: box[(0, 2)](x * box[(0, 1)]), normal(3)), normal(3, seed=1)
    box[(0, 1)] = normal(3, seed=2)
    follows(step, x, traces=2)
    box[(0, 2)] = nn.Linear(3, 3)
    follows(step, x, traces=3)


def test_entry_at_none_of_a_module():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.cfg = {None: 2.0}

        def forward(self, x):
            return x * self.cfg[None]

    net = Scaled()
    step, x = compiled(lambda x: net(x), normal(3)), normal(3, seed=1)
    net.cfg[None] = 3.0
    follows(step, x, traces=2)


def test_missing_entry_of_a_defaultdict_stays_missing():
    import collections

    box = collections.defaultdict(float, {"a": 2.0})
    step = compiled(lambda x: x * box["a"] * box.get("b", 1.0), normal(3))
    follows(step, normal(3, seed=1), traces=1)
    assert list(box) == ["a"]


# -------------------------------------------------------------------------------------------------- attributes of tensors
def test_attributes_of_tensors():
    w, ws = normal(3), [normal(3), normal(3)]
    w.scale = ws[1].scale = 2.0
    step, x = compiled(lambda x: x * w.scale + ws[0] * ws[1].scale, normal(3)), normal(3, seed=1)
    w.scale = 3.0
    follows(step, x, traces=2)
    ws[1].scale = 3.0
    follows(step, x, traces=3)
    w.unread = 1
    follows(step, x, traces=3)


def test_attributes_of_tensors_in_a_tuple_and_as_arguments_of_helpers():
    ws = (normal(3), normal(3))
    ws[0].scale = ws[1].scale = 2.0

    def scale(t):
        return t.scale

    step, x = compiled(lambda x: x * scale(ws[0]) + ws[1].scale, normal(3)), normal(3, seed=1)
    ws[0].scale = 3.0
    follows(step, x, traces=2)
    ws[1].scale = 3.0
    follows(step, x, traces=3)


@pytest.mark.parametrize("names", [False, True])
def test_attributes_of_parameters(names):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))

    def plain(x):
        return x * sum(p.abs().sum() * (2.0 if getattr(p, "decay", False) else 1.0) for p in net.parameters())

    def named(x):
        return x * sum(p.abs().sum() * (2.0 if getattr(p, "decay", False) else 1.0) for _, p in net.named_parameters())

    step, x = compiled(named if names else plain, normal(3)), normal(3, seed=1)
    net[1].weight.decay = True
    follows(step, x, traces=2)
    net[1].weight.decay = False
    follows(step, x, traces=3)


LAYERS = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 3)), "b": nn.ParameterList([normal(3)])})


@pytest.mark.parametrize(
    "text",
    [
        "LAYERS['a'][0].scale",
        "sum(m.scale for m in LAYERS['a'].children())",
        "LAYERS['b'][0].scale",
        "sum(p.scale for p in LAYERS['b'])",
        "sum(getattr(p, 'scale', 0.0) for p in LAYERS['b']._parameters.values())",
    ],
)
def test_attributes_of_what_containers_hold(text):
    at = LAYERS["a"][0] if "'a'" in text else LAYERS["b"][0]
    at.scale = 2.0
    step = compiled(eval(f"lambda x: x * {text}", {"LAYERS": LAYERS}), normal(3))
    at.scale = 3.0
    follows(step, normal(3, seed=1), traces=2)


# -------------------------------------------------------------------------------------------------------------- layouts
@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x * 2.0 if x.is_contiguous() else x * 3.0,
        lambda x: x * float(x.stride(0)),
        lambda x: x * float(x.stride()[1]),
    ],
)
def test_layout_of_an_argument(fn):
    step, x = compiled(fn, normal(3, 3)), normal(3, 3, seed=1)
    follows(step, x.t(), traces=2)
    follows(step, x, traces=2)


def test_view_of_a_transposed_argument():
    step, x = compiled(lambda x: x.view(-1) * 2.0, normal(3, 3)), normal(3, 3, seed=1)
    for fn in (step.fn, step, step):
        with mg.no_grad(), pytest.raises(ShapeError):
            fn(x.t())
    follows(step, x, traces=step.traces)


def test_layout_of_a_tensor_from_outside():
    w = normal(3, 3)
    step, x = compiled(lambda x: x * 2.0 if w.is_contiguous() else x * 3.0, normal(3)), normal(3, seed=1)
    w.data = normal(3, 3).t()
    follows(step, x, traces=2)


@pytest.mark.parametrize(
    "text",
    ["x * float(w.shape[0])", "x * len(w)", "x * w.numel()", "x * (2.0 if w.dtype is mg.float32 else 3.0)", "x[0].expand_as(w)"],
)
def test_shape_and_dtype_of_a_tensor_that_is_not_computed_with(text):
    w = normal(4, 3)
    step, x = compiled(eval(f"lambda x: {text}", {"w": w, "mg": mg}), normal(2, 3)), normal(2, 3, seed=1)
    w.data = normal(5, 3).to(mg.float64)
    follows(step, x, traces=2)


def test_requires_grad_of_a_tensor_that_is_not_computed_with():
    w = normal(4, 3)
    step, x = compiled(lambda x: x * 2.0 if w.requires_grad else x * 3.0, normal(3)), normal(3, seed=1)
    w.requires_grad_()
    follows(step, x, traces=2)
    w.requires_grad_(False)
    follows(step, x, traces=2)


def test_layout_that_nothing_asks_for():
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    step, x = compiled(lambda x: net(x).softmax(1) + x.reshape(-1)[:3] + x.t(), normal(3, 3)), normal(3, 3, seed=1)
    follows(step, x.t(), traces=1)


# -------------------------------------------------------------------------------------------------------------- methods
class Base:
    def inherited(self):
        return 1.0


class Owner(Base):
    def method(self):
        return 2.0

    def inherited(self):
        return super().inherited() * 2.0

    def odd(this):
        return 2.0

    @staticmethod
    def static():
        return 2.0

    @classmethod
    def of_class(cls):
        return 2.0

    @property
    def given(self):
        return 2.0


METHODS = {
    "method": lambda self: 5.0,
    "odd": lambda self: 5.0,
    "inherited": lambda self: 5.0,
    "static": staticmethod(lambda: 5.0),
    "of_class": classmethod(lambda cls: 5.0),
    "given": property(lambda self: 5.0),
}


@pytest.mark.parametrize("cls, name", [(Base, "inherited"), *[(Owner, name) for name in METHODS]])
def test_method_replaced_on_the_class(cls, name, monkeypatch):
    o = Owner()
    scope = {"o": o}
    step = compiled(eval(f"lambda x: x * o.{name}{'' if name == 'given' else '()'}", scope), normal(3))
    monkeypatch.setattr(cls, name, METHODS[name])
    follows(step, normal(3, seed=1), traces=2)


@pytest.mark.parametrize("name", ["method", "odd", "inherited", "static", "of_class"])
def test_method_replaced_on_the_instance(name):
    o = Owner()
    step = compiled(eval(f"lambda x: x * o.{name}()", {"o": o}), normal(3))
    setattr(o, name, lambda: 5.0)
    follows(step, normal(3, seed=1), traces=2)


def test_method_that_a_subclass_gets(monkeypatch):
    class Sub(Owner):
        pass

    o = Sub()
    step = compiled(lambda x: x * o.method(), normal(3))
    Sub.method = lambda self: 5.0
    follows(step, normal(3, seed=1), traces=2)


def test_class_of_an_object():
    class Other(Owner):
        def method(self):
            return 5.0

    o = Owner()
    step = compiled(lambda x: x * o.method(), normal(3))
    o.__class__ = Other
    follows(step, normal(3, seed=1), traces=2)


class Slots:
    __slots__ = ()

    def __getitem__(this, k):
        return 2.0


class OtherSlots(Slots):
    __slots__ = ()

    def __getitem__(this, k):
        return 5.0


@pytest.mark.parametrize("kind", ["class", "method"])
def test_operators_of_an_object_without_a_dict(kind, monkeypatch):
    class Own(Slots):
        __slots__ = ()

    o = Own()
    step = compiled(lambda x: x * o[0], normal(3))
    if kind == "class":
        o.__class__ = OtherSlots
    else:
        monkeypatch.setattr(Slots, "__getitem__", lambda self, k: 5.0)
    follows(step, normal(3, seed=1), traces=2)


class Helped(nn.Module):
    def helper(self, x):
        return x * 2.0

    def forward(this, x):
        return this.helper(x)


class Other(Helped):
    def forward(self, x):
        return x * 7.0


@pytest.mark.parametrize("kind", ["helper", "class", "layer", "forward"])
def test_methods_and_classes_of_modules(kind, monkeypatch):
    net, seq = Helped(), nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    step = compiled(lambda x: seq(net(x)), normal(3))
    if kind == "helper":
        net.helper = lambda x: x * 5.0
    elif kind == "class":
        net.__class__ = Other
    elif kind == "layer":
        seq[1].__class__ = nn.Tanh
    else:
        monkeypatch.setattr(Helped, "forward", lambda self, x: x * 5.0)
    follows(step, normal(3, seed=1), traces=2)


# ------------------------------------------------------------------------------------------------------- equal arguments
@dataclasses.dataclass(frozen=True)
class Setting:
    value: object
    note: object = dataclasses.field(default=0, compare=False)


class Equal:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __hash__(self):
        return hash(self.value)


@pytest.mark.parametrize(
    "a, b, read",
    [
        (frozenset({1}), frozenset({True}), lambda s: 3.0 if any(v is True for v in s) else 2.0),
        ({1: 2.0}, {True: 2.0}, lambda d: len(repr(d))),
        ({1: 2.0}, {1.0: 2.0}, lambda d: len(repr(d))),
        ({(0.0,): 2.0}, {(-0.0,): 2.0}, lambda d: len(repr(d))),
        (Setting(1), Setting(True), lambda s: len(repr(s))),
        (Setting(0.0), Setting(-0.0), lambda s: len(repr(s))),
        (Setting(0.0, 1), Setting(0.0, 10), lambda s: len(repr(s))),
        (Equal(1), Equal(True), lambda s: len(repr(s.value))),
        (np.float64(0.0), np.float64(-0.0), lambda s: len(repr(s))),
        (complex(0, 0.0), complex(0, -0.0), lambda s: len(repr(s))),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00"), lambda s: len(str(s))),
    ],
)
def test_equal_arguments_that_differ(a, b, read):
    step = Step(lambda x, s: x * float(read(s)))
    x = normal(3)
    for s in (a, b, a, b):
        np.testing.assert_array_equal(step(x, s).numpy(), step.fn(x, s).numpy())
    assert step.traces == 2


def test_equal_arguments_share_a_program():
    step = Step(lambda x, *rest: x * 2.0)
    w = normal(2)
    for _ in range(3):
        step(normal(3), Setting(1.5), frozenset({1, 2}), {(1, "a"): 2.0}, Setting(w), [].__class__, Equal(2), w.sum)
        w.add_(1)
    assert step.traces == 1


# ----------------------------------------------------------------------------------------------------------- optimizers
def optimized(make, a, b):
    """(a step of an optimizer that has made its state, the optimizer)."""
    o = make([a, b])

    def train(x):
        o.zero_grad()
        ((a + 2.0 * b) * x).sum().backward()
        o.step()
        return (a + b).detach()

    return train, o


@pytest.mark.parametrize("change", ["entries", "moments"])
def test_exchanged_state(change):
    def make(params):
        return mg.optim.Adam(params, lr=0.1)

    results = []
    for compile in (False, True):
        a, b = normal(3, grad=True), normal(3, seed=1, grad=True)
        train, o = optimized(make, a, b)
        run = Step(train) if compile else train
        for k in range(4):
            run(normal(3, seed=2 + k))
        sa, sb = o.state[a], o.state[b]
        if change == "entries":
            o.state.clear()
            o.state[b], o.state[a] = sa, sb
        else:
            sa["exp_avg"].abs_()  # it becomes the mean of squares
            o.state[a] = dict(zip(("step", "exp_avg_sq", "exp_avg"), (sa["step"], sa["exp_avg"], sa["exp_avg_sq"])))
        for k in range(3):
            run(normal(3, seed=9 + k))
        results.append([a.detach().numpy(), b.detach().numpy()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)
