"""Hooks of all modules, hooks of registration, the older kinds of hooks, and what a state dict says about its version."""

from collections import OrderedDict

import pytest

import minigrad
from minigrad import nn
from minigrad.nn.modules import module as hooks_of_all


def removed(*handles):
    for handle in handles:
        handle.remove()


def test_hooks_of_all_modules_come_before_their_own():
    net, seen = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), []
    own = net[0].register_forward_hook(lambda module, args, output: seen.append("own"))
    everywhere = [
        hooks_of_all.register_module_forward_pre_hook(lambda module, args: seen.append(f"before {type(module).__name__}")),
        hooks_of_all.register_module_forward_hook(lambda module, args, output: seen.append(f"after {type(module).__name__}")),
    ]
    net(minigrad.ones(1, 2))
    assert seen == [
        "before Sequential", "before Linear", "after Linear", "own", "before Tanh", "after Tanh", "after Sequential",
    ]  # fmt: skip
    removed(*everywhere, own)
    net(minigrad.ones(1, 2))
    assert len(seen) == 7


def test_a_hook_of_all_modules_may_change_what_it_sees():
    handle = hooks_of_all.register_module_forward_hook(lambda module, args, output: output * 2)
    first = hooks_of_all.register_module_forward_pre_hook(lambda module, args: (args[0] + 1,))
    assert nn.Identity()(minigrad.ones(1)).item() == 4.0
    removed(handle, first)
    keywords = hooks_of_all.register_module_forward_hook(lambda module, args, kwargs, y: y * kwargs["input"], with_kwargs=True)
    assert nn.Identity()(input=minigrad.full((1,), 3.0)).item() == 9.0
    removed(keywords)


def test_backward_hooks_of_all_modules():
    seen, x = [], minigrad.ones(1, 2, requires_grad=True)
    handles = [
        hooks_of_all.register_module_full_backward_hook(
            lambda module, gi, go: seen.append((type(module).__name__, go[0].tolist()))
        ),
        hooks_of_all.register_module_full_backward_pre_hook(lambda module, go: (go[0] * 3,)),
        hooks_of_all.register_module_backward_hook(lambda module, gi, go: seen.append("older")),
    ]
    nn.ReLU()(x).sum().backward()
    removed(*handles)
    assert seen == [("ReLU", [[3.0, 3.0]]), "older"] and x.grad.tolist() == [[3.0, 3.0]]


def test_registration_hooks():
    seen = []
    handles = [
        hooks_of_all.register_module_parameter_registration_hook(lambda module, name, p: seen.append(("parameter", name))),
        hooks_of_all.register_module_buffer_registration_hook(lambda module, name, b: seen.append(("buffer", name))),
        hooks_of_all.register_module_module_registration_hook(lambda module, name, m: nn.Identity() if name == "act" else None),
    ]
    module = nn.BatchNorm1d(1)
    module.act = nn.ReLU()
    module.add_module("more", nn.Tanh())
    removed(*handles)
    module.late = nn.Parameter(minigrad.ones(1))
    assert seen == [("parameter", "weight"), ("parameter", "bias"), *(("buffer", n) for n in list(module._buffers))]
    assert type(module.act) is nn.Identity and type(module.more) is nn.Tanh


def test_the_older_backward_hook():
    layer, seen = nn.Linear(2, 2), []
    layer.register_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output[0].tolist()))
    layer(minigrad.ones(1, 2)).sum().backward()
    assert seen == [[[1.0, 1.0]]]
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_full_backward_hook(lambda *args: None)
    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="Cannot use both"):
        layer.register_backward_hook(lambda *args: None)


def test_the_older_hooks_of_state_dicts():
    layer = nn.Linear(1, 1)
    layer._register_state_dict_hook(lambda module, state, prefix, metadata: OrderedDict(version=metadata["version"]))
    assert layer.state_dict() == {"version": 1}
    seen = []
    layer._register_load_state_dict_pre_hook(lambda state, prefix, *rest: seen.append((prefix, len(rest))))
    layer._register_load_state_dict_pre_hook(lambda module, state, *rest: seen.append(module), with_module=True)
    layer.load_state_dict(nn.Linear(1, 1).state_dict())
    assert seen == [("", 5), layer]


def test_versions_of_state_dicts():
    class Renamed(nn.Module):
        _version = 3

        def __init__(self):
            super().__init__()
            self.new = nn.Parameter(minigrad.zeros(1))

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            if (local_metadata.get("version") or 1) < 3:
                state_dict[prefix + "new"] = state_dict.pop(prefix + "old")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    net = nn.Sequential(Renamed(), nn.BatchNorm1d(1))
    state = net.state_dict()
    assert state._metadata == {"": {"version": 1}, "0": {"version": 3}, "1": {"version": 2}}
    net.load_state_dict(state)
    del state["1.num_batches_tracked"]  # it must be there in version 2
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        net.load_state_dict(state)
    old = {"0.old": minigrad.ones(1), "1.weight": minigrad.ones(1), "1.bias": minigrad.ones(1)}
    net.load_state_dict({**old, "1.running_mean": minigrad.ones(1), "1.running_var": minigrad.ones(1)})
    assert net[0].new.item() == 1.0


def test_state_dict_with_positional_arguments():
    layer = nn.Linear(1, 1)
    with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
        state = layer.state_dict(None, "p.", True)
    assert list(state) == ["p.weight", "p.bias"] and state["p.weight"] is layer.weight


def test_small_parts_of_module():
    layer = nn.Linear(2, 3).double()
    assert layer.to_empty(device="cpu") is layer and layer.weight.shape == (3, 2) and layer.weight.requires_grad
    assert layer.compile(mode="max-autotune") is None and layer(minigrad.zeros(1, 2, dtype=minigrad.float64)).shape == (1, 3)
    with pytest.raises(TypeError, match=r"Module.__init__\(\) got an unexpected keyword argument 'x'"):
        nn.Module(x=3)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        nn.Module(3)

    class Base:
        def __init__(self, x):
            self.x = x

    class Both(nn.Module, Base):
        call_super_init = True

    assert Both(5).x == 5
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        nn.LazyLinear(3).weight.shape
    assert repr(nn.Buffer(minigrad.zeros(1))) == "tensor([0.])"
