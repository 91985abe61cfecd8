"""What compiled functions must not miss of objects of any kind, and what of them must not make a trace at every call."""

import dataclasses
import enum
import sys
import types
import weakref

import numpy as np
import pytest
from test_compile_guards import compiled, equal, follows, no_machine_code, normal  # noqa: F401

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile import Step, runtime


class Box:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def follows_each(function, *changes, x=None):
    """The step of ``function`` follows every one of the ``changes``; returns it."""
    step = compiled(function, normal(3))
    for change in changes:
        change()
        with mg.no_grad():
            for seed in (1, 2):
                equal(step(normal(3, seed=seed)), function(normal(3, seed=seed)))
    return step


class Mode(enum.Enum):
    PLAIN, DOUBLE = 1, 2


# ---------------------------------------------------------------------------------------------------------------- classes
@pytest.mark.parametrize(
    "values",
    [
        (Box(scale=2.0), Box(scale=3.0)),
        (types.SimpleNamespace(scale=2.0), types.SimpleNamespace(scale=3.0)),
        (Mode.PLAIN, Mode.DOUBLE),
        (normal(3), normal(3, seed=5)),
        (nn.ReLU(), nn.Sigmoid()),
        (mg.float32, mg.float64),
        (np.float32(2), np.float32(3)),
        (nn.ReLU, nn.Tanh),
    ],
    ids=lambda pair: type(pair[0]).__name__,
)
def test_class_attribute_of_any_kind(values):
    class Settings:
        value = values[0]

    def f(x):
        v = Settings.value
        if isinstance(v, Mode):
            return x * v.value
        if isinstance(v, type):
            return v()(x)
        if isinstance(v, nn.Module):
            return v(x)
        if isinstance(v, type(mg.float32)):
            return x.to(v)
        return x * (v.scale if hasattr(v, "scale") else v)

    step = follows_each(f, lambda: setattr(Settings, "value", values[1]))
    assert step.traces == 2


def test_attribute_of_an_object_in_a_class():
    class Config:
        class model:
            scale = 2.0

        train = Box(rate=3.0)

    step = follows_each(
        lambda x: x * Config.model.scale * Config.train.rate,
        lambda: setattr(Config.model, "scale", 5.0),
        lambda: setattr(Config.train, "rate", 7.0),
    )
    assert step.traces == 3


# ------------------------------------------------------------------------------------------------------------- containers
class OwnDict(dict):
    """Entries are attributes, too."""

    default = 1.0

    def __init__(self, **entries):
        super().__init__(**entries)
        self.__dict__ = self

    def __missing__(self, key):
        return self.default


class OwnList(list):
    scale = 2.0


def test_attributes_of_containers():
    config, layers = OwnDict(rate=2.0), OwnList([1.0, 2.0])
    layers.shift = 0.5
    step = follows_each(
        lambda x: x * config.rate * config["nothing"] * layers.scale + layers.shift,
        lambda: setattr(config, "rate", 3.0),
        lambda: setattr(config, "default", 4.0),
        lambda: setattr(layers, "scale", 5.0),
        lambda: setattr(layers, "shift", 6.0),
    )
    assert step.traces == 5


def test_sets_of_objects():
    first, second = Box(scale=2.0), Box(scale=3.0)
    chosen, kinds = {first}, frozenset({mg.float32, mg.int64})

    def f(x):
        for box in (first, second):
            x = x * box.scale if box in chosen else x + 1
        return x * 2 if x.dtype in kinds else x

    step = follows_each(f, lambda: chosen.add(second), lambda: setattr(first, "scale", 5.0), lambda: chosen.remove(first))
    assert step.traces == 4


def test_objects_as_keys_and_in_arrays():
    key = Box(scale=2.0)
    table, several = {key: 3.0}, np.array([Box(scale=1.0), key], dtype=object)

    def f(x):
        for k, v in table.items():
            x = x * k.scale * v
        return x * several[0].scale

    step = follows_each(
        f, lambda: setattr(key, "scale", 5.0), lambda: setattr(several[0], "scale", 7.0), lambda: table.update({key: 4.0})
    )
    assert step.traces == 4


def test_behind_weak_references():
    box = Box(scale=2.0)
    reference, proxy = weakref.ref(box), weakref.proxy(box)
    step = follows_each(lambda x: x * reference().scale * proxy.scale, lambda: setattr(box, "scale", 3.0))
    assert step.traces == 2


def test_far_down():
    top = here = Box()
    for _ in range(30):
        here.next = Box(next=None, scale=2.0)
        here = here.next

    def f(x):
        node = top.next
        while node.next is not None:
            node = node.next
        return x * node.scale

    assert follows_each(f, lambda: setattr(here, "scale", 3.0)).traces == 2


# ----------------------------------------------------------------------------------------------------------------- names
def test_a_module_that_is_imported_inside():
    module = sys.modules["settings_of_a_test"] = types.ModuleType("settings_of_a_test")
    module.scale, module.box = 2.0, Box(rate=3.0)

    def f(x):
        import settings_of_a_test
        from settings_of_a_test import box

        return x * settings_of_a_test.scale * box.rate

    try:
        step = follows_each(f, lambda: setattr(module, "scale", 4.0), lambda: setattr(module.box, "rate", 5.0))
        assert step.traces == 3
    finally:
        del sys.modules["settings_of_a_test"]


def test_patterns():
    box, entries = Box(kind="a", scale=2.0), {"q": 3.0}

    def f(x):
        match box:
            case Box(kind="a", scale=scale):
                x = x * scale
            case _:
                x = x * 10
        match entries:
            case {"q": q}:
                return x * q

    step = follows_each(f, lambda: setattr(box, "scale", 5.0), lambda: entries.update(q=6.0), lambda: setattr(box, "kind", "b"))
    assert step.traces == 4


class Name(enum.StrEnum):
    SCALE = "scale"


@pytest.mark.parametrize("name", [Name.SCALE, np.str_("scale")])
def test_names_that_are_more_than_strings(name):
    box = Box(scale=2.0)
    assert follows_each(lambda x: x * getattr(box, name), lambda: setattr(box, "scale", 3.0)).traces == 2


def test_attribute_of_a_tensor_by_a_computed_name():
    w, word = normal(3), "sca"
    w.scale = 2.0
    step = follows_each(lambda x: x * w * getattr(w, word + "le") * vars(w)["scale"], lambda: setattr(w, "scale", 3.0))
    assert step.traces == 2


first_scale, second_scale = 2.0, 3.0


def test_globals_by_a_computed_name():
    def change():
        global second_scale
        second_scale = 4.0

    assert follows_each(lambda x: x * sum(globals()[f"{k}_scale"] for k in ("first", "second")), change).traces == 2


def test_attribute_whose_absence_is_caught():
    box = Box()

    def f(x):
        try:
            return x * box.late
        except AttributeError:
            return x

    assert follows_each(f, lambda: setattr(box, "late", 3.0)).traces == 2


class Wrapped:
    def __init__(self, inside):
        self._inside = inside

    def __getattr__(self, name):
        return getattr(self._inside, name)


def test_attribute_in_front_of_getattr():
    box = Wrapped(Box(scale=2.0))
    step = follows_each(lambda x: x * box.scale, lambda: setattr(box._inside, "scale", 3.0), lambda: setattr(box, "scale", 4.0))
    assert step.traces == 3


def test_a_number_read_anew_and_as_it_is():
    box = Box(scale=1.0)
    step = follows_each(
        lambda x: x * runtime(box, "scale") * (2 if box.scale > 3 else 1),
        lambda: setattr(box, "scale", 2.0),
        lambda: setattr(box, "scale", 5.0),
    )
    assert step.traces == 3


def test_zero_grad_of_one_optimizer():
    w = normal(3, grad=True)
    sgd = optim.SGD([w], lr=0.0)

    def f(x):
        sgd.zero_grad()
        (w * x).sum().backward()
        return w.grad.clone()

    step = compiled_recording(f)
    sgd.zero_grad = lambda: None
    w.grad = mg.zeros(3)
    equal(step(mg.ones(3)), mg.ones(3))
    equal(step(mg.ones(3)), 2 * mg.ones(3))


def compiled_recording(f):
    step = Step(f)
    for _ in range(3):
        equal(step(mg.ones(3)), mg.ones(3))
    return step


# ---------------------------------------------------------------------------------------------- what must not trace again
class Trainer:
    """Counts outside of its compiled step, as trainers do."""

    def __init__(self):
        self.model = nn.Linear(3, 3)
        self.opt, self.step, self.mean = optim.SGD(self.model.parameters(), lr=0.1), 0, 0.0
        self.state, self.config = {"it": 0, "w": 2.0}, Box(reduction="mean")

    def train(self, x):
        for _ in range(2):
            self.opt.zero_grad()
        for p in self.model.parameters():
            p.grad = None
        loss = nn.functional.mse_loss(self.model(x), x, reduction=vars(self.config)["reduction"])
        loss = loss * self.state["w"] / len(self.state)
        loss.backward()
        self.opt.step()
        return loss.detach() + x.mean()


def test_counters_beside_what_is_read():
    trainer = Trainer()
    step = Step(trainer.train)
    for k in range(6):
        step(normal(4, 3, seed=k))
        trainer.step += 1
        trainer.mean += 0.5
        trainer.state["it"] += 1
    assert step.traces == 1
    trainer.state["w"] = 3.0
    step(normal(4, 3))
    assert step.traces == 2


def test_method_of_a_dataclass():
    @dataclasses.dataclass
    class Scaled:
        scale: float = 2.0
        seen: list = dataclasses.field(default_factory=list)

        @mg.compile
        def times(self, x):
            return x * self.scale

    scaled, other = Scaled(), Scaled(scale=3.0)
    for k in range(4):
        equal(scaled.times(normal(3, seed=k)), normal(3, seed=k) * 2)
        scaled.seen.append(k)
    assert Scaled.times.traces == 1
    equal(other.times(normal(3)), normal(3) * 3)
    scaled.scale = 5.0
    equal(scaled.times(normal(3)), normal(3) * 5)


def test_distributions_are_not_checked_inside():
    model = nn.Linear(3, 3)

    def f(x):
        y = model(x)
        return mg.distributions.Normal(y, 1.0).log_prob(x).mean() + mg.distributions.Categorical(logits=y).entropy().mean()

    f(normal(4, 3))  # distributions that are used for the first time change what they all share
    compiled(f, normal(4, 3))


def test_methods_of_a_wrapped_module():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("module"), name)

    wrapper = Wrapper(nn.Linear(3, 4))
    assert wrapper.out_features == 4
    with pytest.raises(AttributeError, match="nothing"):
        _ = wrapper.nothing


def test_what_is_said_of_a_tensor_that_is_replaced_each_time():
    box = Box(total=mg.zeros(()))
    step = Step(lambda x: x + box.total)
    with pytest.warns(UserWarning, match=r"total became another tensor.*written by copy_\(\)"):
        for _ in range(12):
            step(normal(3))
            box.total = mg.zeros(())


class Stepping:
    """Calls a method ``step`` of one object where another has a number of that name."""

    def __init__(self):
        self.inner, self.step = Box(step=lambda: None), 2.0


@pytest.mark.parametrize(
    "read",
    [lambda o: getattr(o, "step"), lambda o: vars(o)["step"], lambda o: o.__dict__["step"]],  # noqa: B009
)
def test_a_number_with_the_name_of_a_method_that_is_called(read):
    box = Stepping()

    def f(x):
        box.inner.step()
        return x * read(box)

    def both(x):
        box.inner.step()
        return x * getattr(box, "step") * vars(box)["step"]  # noqa: B009

    for function in (f, both):
        box.step = 2.0
        assert follows_each(function, lambda: setattr(box, "step", 3.0)).traces == 2


def test_a_pattern_with_the_name_of_a_method_that_is_called():
    box = Stepping()

    def f(x):
        box.inner.step()
        match box:
            case Stepping(step=number):
                return x * number

    assert follows_each(f, lambda: setattr(box, "step", 3.0)).traces == 2


def test_a_number_read_anew_and_by_getattr():
    box = Box(scale=1.0)
    step = follows_each(
        lambda x: x * runtime(box, "scale") * (2 if getattr(box, "scale") > 3 else 1),  # noqa: B009
        lambda: setattr(box, "scale", 2.0),
        lambda: setattr(box, "scale", 5.0),
    )
    assert step.traces == 3
