"""What compiled functions must not miss where a name is computed, or memory or a gradient belongs to two tensors."""

import collections
import dataclasses
import operator
import types

import pytest
from test_compile_guards import compiled, equal, follows, no_machine_code, normal  # noqa: F401

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile import Step
from minigrad.errors import TraceError


class Box:
    """Attributes that a function reads by names which it computes."""

    shared = 3.0

    def __init__(self):
        self.scale0, self.scale1, self.which = 2.0, 3.0, "scale0"
        self._hidden, self.layers = 4.0, [nn.Linear(3, 3), 1.5]

    @property
    def hidden(self):
        return self._hidden


@dataclasses.dataclass
class Settings:
    scale0: float = 2.0
    other: float = 3.0


class Slots:
    __slots__ = ("scale0",)

    def __init__(self):
        self.scale0 = 2.0


NAMES = ("scale0", "scale1")


# ------------------------------------------------------------------------------------------------------- computed names
@pytest.mark.parametrize(
    "read",
    [
        lambda o, x: x * getattr(o, o.which),
        lambda o, x: sum(x * getattr(o, f"scale{i}") for i in range(2)),
        lambda o, x: sum(x * getattr(o, name) for name in NAMES),
        lambda o, x: sum(x * v for v in map(getattr, [o, o], NAMES)),
        lambda o, x: x * vars(o)[o.which],
        lambda o, x: x * o.__dict__["scale0"],
        lambda o, x: x * sum(v for v in vars(o).values() if isinstance(v, float)),
        lambda o, x: x * operator.attrgetter(o.which)(o),
        lambda o, x: x * object.__getattribute__(o, o.which),
        lambda o, x: x * eval("o.scale0"),
    ],
)
def test_attribute_of_an_object(read):
    box = Box()
    step, x = compiled(lambda x: read(box, x), normal(3)), normal(3, seed=1)
    box.scale0 = 5.0
    follows(step, x, traces=2)


def test_what_is_not_read_may_change():
    box = Box()
    step, x = compiled(lambda x: x * getattr(box, box.which), normal(3)), normal(3, seed=1)
    box.scale1 = 7.0
    follows(step, x, traces=1)
    box.which = "scale1"
    follows(step, x, traces=2)
    box.scale1 = 8.0
    follows(step, x, traces=3)


def test_attribute_that_was_not_there():
    box, name = Box(), "late"
    step, x = compiled(lambda x: x * getattr(box, name, 4.0) * (2.0 if hasattr(box, name + "r") else 1.0), normal(3)), normal(3)
    box.late = 5.0
    follows(step, x, traces=2)
    box.later = None
    follows(step, x, traces=3)
    del box.late
    follows(step, x, traces=4)


def test_attribute_of_a_class_and_behind_a_property():
    box, name = Box(), "shared"
    step, x = compiled(lambda x: x * getattr(box, name) * getattr(box, "hid" + "den"), normal(3)), normal(3, seed=1)
    try:
        Box.shared = 5.0
        follows(step, x, traces=2)
        box.shared = 6.0
        follows(step, x, traces=3)
        box._hidden = 7.0
        follows(step, x, traces=4)
    finally:
        Box.shared = 3.0


def test_entry_of_a_class():
    name = "shared"
    step, x = compiled(lambda x: x * Box.__dict__[name], normal(3)), normal(3, seed=1)
    try:
        Box.shared = 5.0
        follows(step, x, traces=2)
    finally:
        Box.shared = 3.0


def test_what_lies_behind_a_computed_name():
    box, name = Box(), "layers"
    step, x = compiled(lambda x: getattr(box, name)[0](x).detach() * getattr(box, name)[1], normal(2, 3)), normal(2, 3, seed=1)
    box.layers[1] = 2.5
    follows(step, x, traces=2)
    box.layers[0] = nn.Linear(3, 3)
    follows(step, x, traces=3)


def test_attributes_of_other_kinds():
    slots, module, name = Slots(), types.ModuleType("settings_of_a_user"), "scale0"
    module.scale0, plain = 3.0, types.SimpleNamespace(scale0=4.0)
    step = compiled(lambda x: x * getattr(slots, name) * getattr(module, name) * getattr(plain, name), normal(3))
    for traces, owner in enumerate((slots, module, plain), 2):
        owner.scale0 = 5.0
        follows(step, normal(3, seed=1), traces=traces)


def test_numbered_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer0, self.layer1, self.gain0, self.gain1, self.count = nn.Linear(3, 3), nn.Linear(3, 3), 1.0, 2.0, 2

        def forward(self, x):
            for i in range(self.count):
                x = getattr(self, f"layer{i}")(x) * getattr(self, f"gain{i}")
            return x.detach()

    net = Net()
    step, x = compiled(lambda x: net(x), normal(2, 3)), normal(2, 3, seed=1)
    net.gain1 = 3.0
    follows(step, x, traces=2)
    net.layer1 = nn.Linear(3, 3)
    follows(step, x, traces=3)
    net.count = 1
    follows(step, x, traces=4)


@pytest.mark.parametrize(
    "read",
    [
        lambda s: dataclasses.asdict(s)["scale0"],
        lambda s: dataclasses.astuple(s)[0],
        lambda s: dataclasses.replace(s, other=1.0).scale0,
        lambda s: sum(getattr(s, f.name) for f in dataclasses.fields(s)),
    ],
)
def test_fields_of_a_dataclass(read):
    settings = Settings()
    step, x = compiled(lambda x: x * read(settings), normal(3)), normal(3, seed=1)
    settings.scale0 = 5.0
    follows(step, x, traces=2)


@pytest.mark.parametrize("kind", [collections.ChainMap, collections.UserDict, types.MappingProxyType])
@pytest.mark.parametrize("more", [{}, {"b": [1]}], ids=["plain", "mixed"])
def test_mappings_of_the_standard_library(kind, more):
    inside = {"a": 2.0, **more}
    box, key = kind(inside), "a"
    step, x = compiled(lambda x: x * box["a"] * box[key], normal(3)), normal(3, seed=1)
    (inside if kind is types.MappingProxyType else box)["a"] = 5.0
    follows(step, x, traces=2)


def test_user_list():
    box = collections.UserList([2.0, normal(3)])
    step, x = compiled(lambda x: x * box[0] * box[1], normal(3)), normal(3, seed=1)
    box[0] = 5.0
    follows(step, x, traces=2)


def test_precision_of_products():
    step = compiled(lambda x: x * (2.0 if mg.get_float32_matmul_precision() == "highest" else 3.0), normal(3))
    try:
        mg.set_float32_matmul_precision("high")
        follows(step, normal(3, seed=1), traces=2)
    finally:
        mg.set_float32_matmul_precision("highest")


def test_getattr_is_itself_again_after_a_trace():
    before = getattr, hasattr
    with pytest.raises(TraceError):
        Step(lambda x: getattr(x, "it" + "em")())(normal(1))
    assert (getattr, hasattr) == before


# ------------------------------------------------------------------------------------------- memory and gradients of two
def training():
    mg.manual_seed(0)
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    optimizer = optim.SGD([first.weight, second.weight], lr=0.05)

    def step(x, clear=True):
        if clear:
            optimizer.zero_grad()
        loss = second(first(x).relu()).square().sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return first, second, step


@pytest.mark.parametrize("calls", [0, 3])
def test_parameters_that_share_memory_are_refused(calls):
    first, second, step = training()
    step, x = Step(step), normal(4, 3)
    for _ in range(calls):
        step(x)
    second.weight.data = first.weight.data
    before = first.weight.detach().clone()
    with pytest.raises(TraceError, match=r"share memory.*b\.weight = a\.weight"):
        step(x)
    equal(first.weight, before)
    second.weight.data = first.weight.data.clone()
    step(x)


def test_disjoint_slices_of_one_memory_are_no_sharing():
    memory = normal(3, 6)
    found = []
    for wrap in (lambda f: f, Step):
        first, second, step = training()
        data = mg.from_numpy(memory.numpy().copy())
        first.weight.data, second.weight.data = data[:, ::2].detach(), data[:, 1::2].detach()
        step = wrap(step)
        found.append([step(normal(4, 3, seed=2)) for _ in range(4)])
    for a, b in zip(*found):
        equal(b, a)


def test_memory_that_is_only_read_may_be_shared():
    a, b = normal(3), normal(3)
    b.data = a.data
    step = compiled(lambda x: x * a + b, normal(3))
    a[0] = 5.0
    follows(step, normal(3, seed=1), traces=1)


@pytest.mark.parametrize("calls", [0, 3])
def test_a_gradient_of_two_parameters_is_refused(calls):
    first, second, step = training()
    step, x = Step(step), normal(4, 3)
    first.weight.grad, second.weight.grad = mg.zeros(3, 3), mg.zeros(3, 3)
    for _ in range(calls):
        step(x, clear=False)
    second.weight.grad = first.weight.grad
    with pytest.raises(TraceError, match=r"one gradient of two tensors.*a\.grad\.clone\(\)"):
        step(x, clear=False)
    step(x, clear=True)  # which does not look at it
    step(x, clear=False)
