"""Module: registration, walks, state dicts, hooks, conversion, copies; the containers; initialisation; nn.utils."""

import copy
import math
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import init


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(3, 3))
        self.scale = nn.Parameter(minigrad.ones(1))
        self.register_buffer("steps", minigrad.tensor(0))
        self.register_buffer("cache", minigrad.zeros(2), persistent=False)

    def forward(self, x, shift=0.0):
        return self.body(self.first(x)) * self.scale + shift


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, 3)
        self.decoder = nn.Linear(3, 3, bias=False)
        self.decoder.weight = self.encoder.weight


# ------------------------------------------------------------------------------------------------------------ registration
def test_assignment_registers():
    net = Net()
    assert (
        list(net._parameters) == ["scale"]
        and list(net._modules) == ["first", "body"]
        and list(net._buffers) == ["steps", "cache"]
    )
    net.scale = None
    assert net.scale is None and "scale" not in dict(net.named_parameters())
    net.scale = nn.Parameter(minigrad.zeros(1))
    net.steps = minigrad.tensor(5)
    assert net._buffers["steps"].item() == 5
    net.first = None
    assert net.first is None and "first" in net._modules
    net.plain = minigrad.zeros(1)
    assert "plain" in net.__dict__ and "plain" not in net.state_dict()


def test_a_name_is_registered_once():
    net = Net()
    net.first = nn.Parameter(minigrad.zeros(1))  # a parameter in place of a module
    assert "first" not in net._modules and "first" in net._parameters
    net.scale2 = 3
    net.scale2 = nn.Linear(1, 1)
    assert "scale2" in net._modules and isinstance(net.scale2, nn.Linear)
    net.cache = nn.Parameter(minigrad.zeros(2))  # a persistent parameter in place of a buffer that was not
    assert "cache" in net.state_dict()


def test_buffers():
    net = Net()
    net.running = nn.Buffer(minigrad.zeros(3))
    net.hidden = nn.Buffer(minigrad.zeros(3), persistent=False)
    assert "running" in net.state_dict() and "hidden" not in net.state_dict()
    net.hidden = minigrad.ones(3)
    assert "hidden" not in net.state_dict() and "hidden" in dict(net.named_buffers())
    net.hidden = None
    assert net.hidden is None
    assert isinstance(copy.deepcopy(nn.Buffer(minigrad.zeros(1))), nn.Buffer)
    assert nn.Buffer().numel() == 0


def test_deletion():
    net = Net()
    del net.scale, net.first, net.cache
    assert not net._parameters and list(net._modules) == ["body"] and not net._non_persistent_buffers_set
    with pytest.raises(AttributeError):
        del net.scale
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'scale'"):
        _ = net.scale
    assert not hasattr(net, "first")


def test_the_registries_and_the_attributes_say_the_same():
    net = Net()
    weight = net._parameters.pop("scale")
    assert (
        not hasattr(net, "scale") and net._parameters.pop("forward", 3) == 3 and net._parameters.setdefault("s", weight) is net.s
    )
    net.plain = 1
    assert net._modules.pop("plain", None) is None and net.plain == 1
    net._modules["extra"] = nn.ReLU()
    assert repr(net.extra) == "ReLU()" and net._modules.popitem()[0] and not set(net._modules) - set(net.__dict__)
    net._modules = {"only": nn.Tanh()}  # some programs replace the whole dict
    assert list(net._modules) == ["only"] and isinstance(net.only, nn.Tanh) and not hasattr(net, "first")
    net._buffers.clear()
    assert not hasattr(net, "steps")
    other = copy.copy(net)
    other.s = None
    assert net.s is weight and other.only is net.only


def test_dir_lists_what_was_assigned():
    names = dir(Net())
    assert {"scale", "first", "steps", "forward"} <= set(names) and "0" not in dir(nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda m: setattr(m, "scale", minigrad.zeros(1)),
            TypeError,
            "FloatTensor' as parameter 'scale'",
        ),
        (lambda m: setattr(m, "scale", 3), TypeError, "cannot assign 'int' as parameter 'scale'"),
        (lambda m: setattr(m, "first", 3), TypeError, "cannot assign 'int' as child module 'first'"),
        (lambda m: setattr(m, "steps", 3), TypeError, "cannot assign 'int' as buffer 'steps'"),
        (lambda m: m.register_buffer("a.b", None), KeyError, "buffer name can.*contain"),
        (lambda m: m.register_buffer("", None), KeyError, "buffer name can.*be empty string"),
        (lambda m: m.register_buffer("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_buffer(3, None), TypeError, "buffer name should be a string. Got int"),
        (lambda m: m.register_buffer("b", 3), TypeError, "cannot assign 'int' object to buffer 'b'"),
        (
            lambda m: m.register_parameter("b", minigrad.zeros(1)),
            TypeError,
            "FloatTensor' object to parameter 'b'",
        ),
        (lambda m: m.register_parameter("a.b", None), KeyError, "parameter name can.*contain"),
        (lambda m: m.add_module("a.b", None), KeyError, "module name can.*contain"),
        (lambda m: m.add_module("b", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.register_module("forward", nn.ReLU()), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.train("yes"), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.load_state_dict(3), TypeError, "Expected state_dict to be dict-like, got <class 'int'>"),
        (lambda m: nn.Module()(1), NotImplementedError, r'Module \[Module\] is missing the required "forward" function'),
        (lambda m: nn.Module(3), TypeError, "takes 1 positional argument but 2 were given"),
        (lambda m: nn.Parameter([1.0]), TypeError, r"wrap it in minigrad.tensor\(...\)"),
        (lambda m: nn.Parameter(minigrad.tensor([1])), RuntimeError, "floating point"),
    ],
)
def test_mistakes(act, error, message):
    with pytest.raises(error, match=message):
        act(Net())


def test_forgotten_super_init():
    class Forgetful(nn.Module):
        def __init__(self, what):
            if what == "module":
                self.layer = nn.ReLU()
            elif what == "parameter":
                self.weight = nn.Parameter(minigrad.zeros(1))
            elif what == "buffer":
                self.register_buffer("b", minigrad.zeros(1))
            else:
                self.number = 3

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Forgetful("module")
    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Forgetful("parameter")
    with pytest.raises(AttributeError, match=r"cannot assign buffer before Module.__init__\(\) call"):
        Forgetful("buffer")
    with pytest.raises(AttributeError, match=r"must call super\(\).__init__\(\)"):
        Forgetful("number")(1)


def test_a_parameter_computed_from_others_is_refused():
    p = nn.Parameter(minigrad.ones(2))
    computed = nn.Parameter(p * 2)  # a leaf that shares the memory: fine
    assert computed.is_leaf and computed.requires_grad
    module = nn.Module()
    computed.node = (p * 2).node
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        module.w = computed


def test_parameter_shares_memory_and_prints():
    x = minigrad.zeros(2)
    p = nn.Parameter(x)
    x[0] = 5.0
    assert p.tolist() == [5.0, 0.0] and p.requires_grad and not x.requires_grad
    assert repr(p) == "Parameter containing:\ntensor([5., 0.], requires_grad=True)"
    assert repr(nn.Parameter(x, requires_grad=False)) == "Parameter containing:\ntensor([5., 0.])"
    assert type(p * 2) is minigrad.Tensor and nn.Parameter().shape == (0,)


# ------------------------------------------------------------------------------------------------------------------- walks
def test_walks():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "first.weight", "first.bias", "body.1.weight", "body.1.bias"]
    assert [n for n, _ in net.named_parameters("p", recurse=False)] == ["p.scale"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "body", "body.0", "body.1"]
    assert [n for n, _ in net.named_buffers()] == ["steps", "cache"] and len(list(net.buffers())) == 2
    assert [type(m).__name__ for m in net.children()] == ["Linear", "Sequential"] and len(list(net.modules())) == 5
    assert len(list(net.parameters())) == 5 and len(list(net.parameters(recurse=False))) == 1


def test_tied_weights_come_once():
    net = Tied()
    assert [n for n, _ in net.named_parameters()] == ["encoder.weight", "encoder.bias"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == ["encoder.weight", "encoder.bias", "decoder.weight"]
    assert list(net.state_dict()) == ["encoder.weight", "encoder.bias", "decoder.weight"]
    layer = nn.Linear(1, 1)
    twice = nn.Sequential(layer, layer)
    assert len(list(twice.modules())) == 2 and len(list(twice.children())) == 1
    assert [n for n, _ in twice.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    net.double()
    assert net.decoder.weight is net.encoder.weight


def test_dotted_names():
    net = Net()
    assert net.get_submodule("body.1") is net.body[1] and net.get_submodule("") is net
    assert net.get_parameter("body.1.weight") is net.body[1].weight and net.get_buffer("steps") is net.steps
    net.set_submodule("body.1", nn.Identity())
    assert isinstance(net.body[1], nn.Identity)
    net.set_submodule("body.extra", nn.Identity())
    for act, message in [
        (lambda: net.get_submodule("body.7"), "Sequential has no attribute `7`"),
        (lambda: net.get_submodule("scale"), "`scale` is not an nn.Module"),
        (lambda: net.get_parameter("first.gain"), "Linear has no attribute `gain`"),
        (lambda: net.get_parameter("steps"), "`steps` is not an nn.Parameter"),
        (lambda: net.get_buffer("scale"), "`scale` is not a buffer"),
        (lambda: net.set_submodule("new", nn.ReLU(), strict=True), "Net has no attribute `new`"),
        (lambda: net.set_submodule("scale", nn.ReLU()), "`scale` is not an nn.Module"),
    ]:
        with pytest.raises(AttributeError, match=message):
            act()
    with pytest.raises(ValueError, match="without a target name"):
        net.set_submodule("", nn.ReLU())
    with pytest.raises(ValueError, match=r"is not an nn.Module, found"):
        net.set_submodule("x", 3)


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


# -------------------------------------------------------------------------------------------------------------- state dicts
def test_state_dict():
    net = Net()
    state = net.state_dict()
    assert list(state) == ["scale", "steps", "first.weight", "first.bias", "body.1.weight", "body.1.bias"]
    assert not state["scale"].requires_grad and net.state_dict(keep_vars=True)["scale"] is net.scale
    assert next(iter(net.state_dict(prefix="net."))) == "net.scale"
    state["scale"][0] = 7.0  # it shares the memory
    assert net.scale.item() == 7.0
    destination = {}
    assert net.state_dict(destination=destination) is destination


def test_load_state_dict_lists_everything_that_is_wrong():
    net = Net()
    state = net.state_dict()
    del state["scale"], state["first.bias"]
    state.update(
        {"extra": minigrad.zeros(1), "body.5.weight": minigrad.zeros(1), "first.weight": minigrad.zeros(3, 3), "steps": 3}
    )
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "scale", "first.bias". \n'
        '\tUnexpected key(s) in state_dict: "extra", "body.5.weight". \n'
        '\tWhile copying the parameter named "steps", expected minigrad.Tensor or Tensor-like object from checkpoint but '
        "received <class 'int'>\n"
        "\tsize mismatch for first.weight: copying a param with shape minigrad.Size([3, 3]) from checkpoint, "
        "the shape in current model is minigrad.Size([3, 2])."
    )


def test_load_state_dict():
    net, other = Net(), Net()
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>" and result == ([], [])
    assert net.first.weight.tolist() == other.first.weight.tolist() and net.first.weight is not other.first.weight
    partial = net.load_state_dict({"scale": minigrad.tensor([2.0]), "extra": minigrad.zeros(1)}, strict=False)
    assert net.scale.item() == 2.0 and partial.unexpected_keys == ["extra"] and "steps" in partial.missing_keys
    net.load_state_dict({"scale": minigrad.tensor([3.0], dtype=minigrad.float64)}, strict=False)  # values are cast
    assert net.scale.dtype is minigrad.float32 and net.scale.requires_grad


def test_a_scalar_takes_a_vector_of_one():
    module = nn.Module()
    module.register_buffer("b", minigrad.tensor(1.0))
    module.load_state_dict({"b": minigrad.tensor([4.0])})
    assert module.b.item() == 4.0 and module.b.ndim == 0


def test_a_copy_that_fails_is_reported_too():
    module = nn.Module()
    module.register_buffer("b", minigrad.zeros(1).expand(3))
    with pytest.raises(RuntimeError, match=r'While copying the parameter named "b".*an exception occurred'):
        module.load_state_dict({"b": minigrad.ones(3)})


def test_load_by_assignment():
    net = Net().requires_grad_(False)
    state = {k: v.double() if v.is_floating_point() else v for k, v in Net().state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert net.first.weight.dtype is minigrad.float64 and not net.first.weight.requires_grad
    assert isinstance(net.first.weight, nn.Parameter) and net.first.weight.array is state["first.weight"].array
    assert net.steps is state["steps"]
    given = nn.Parameter(minigrad.zeros(1))
    net.load_state_dict({"scale": given}, assign=True, strict=False)
    assert net.scale is given and not given.requires_grad


def test_extra_state():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net = nn.Sequential(Counting())
    net[0].count = 5
    state = net.state_dict()
    assert state == {"0._extra_state": {"count": 5}}
    again = nn.Sequential(Counting())
    again.load_state_dict(state)
    assert again[0].count == 5
    with pytest.raises(RuntimeError, match=r'Missing key.* "0._extra_state"'):
        again.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key.* "0._extra_state"'):
        nn.Sequential(nn.ReLU()).load_state_dict(state)

    class Half(nn.Module):
        def get_extra_state(self):
            return 1

    with pytest.raises(RuntimeError, match="no set_extra_state"):
        Half().set_extra_state(1)
    with pytest.raises(RuntimeError, match="no get_extra_state"):
        nn.Module().get_extra_state()


def test_loading_can_be_overridden():
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net = nn.Sequential(Renamed(2, 1, bias=False))
    file = {"0.kernel": minigrad.ones(1, 2)}
    assert net.load_state_dict(file).unexpected_keys == [] and net[0].weight.tolist() == [[1.0, 1.0]]
    assert list(file) == ["0.kernel"]  # the caller's dict is not changed


def test_state_dict_hooks():
    net, seen = Net(), []
    net.first.register_state_dict_pre_hook(lambda module, prefix, keep: seen.append((type(module).__name__, prefix, keep)))
    net.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.pop("scale"))
    with pytest.raises(RuntimeError, match="post-hook must return None"):
        net.state_dict()
    net._state_dict_hooks.clear()
    handle = net.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.update(note=1))
    assert net.state_dict()["note"] == 1 and seen[-1] == ("Linear", "first.", False)
    handle.remove()
    assert "note" not in net.state_dict()

    def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
        state["scale"] = state.pop("gain")

    net.register_load_state_dict_pre_hook(rename)
    state = net.state_dict()
    state["gain"] = state.pop("scale") + 1
    net.load_state_dict(state)
    net.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    net.load_state_dict({"gain": minigrad.ones(1)})  # the hook forgave what was missing
    net.register_load_state_dict_post_hook(lambda module, keys: keys)
    with pytest.raises(AssertionError, match="not expected to return new values"):
        net.load_state_dict({"gain": minigrad.ones(1)})


# --------------------------------------------------------------------------------------------------------------------- hooks
def test_forward_hooks():
    net, x, seen = Net(), minigrad.ones(4, 2), []
    plain = net(x).tolist()
    first = net.register_forward_pre_hook(lambda module, args: seen.append(("pre", len(args))))
    net.register_forward_pre_hook(lambda module, args: args[0] * 0 if len(seen) > 100 else None, prepend=True)
    after = net.register_forward_hook(lambda module, args, output: output * 2)
    assert net(x).tolist() == (minigrad.tensor(plain) * 2).tolist() and seen == [("pre", 1)]
    first.remove(), after.remove()
    assert net(x).tolist() == plain and len(seen) == 1
    with net.register_forward_hook(lambda module, args, output: None):
        assert net(x).tolist() == plain
    assert not net._forward_hooks
    net.register_forward_pre_hook(lambda module, args: (args[0] * 0,))
    assert net(x).tolist() == net(x * 0).tolist()


def test_hooks_that_see_keywords():
    net, x, seen = Net(), minigrad.ones(4, 2), []
    net.register_forward_pre_hook(lambda module, args, kwargs: (args, {"shift": kwargs["shift"] + 1}), with_kwargs=True)
    net.register_forward_hook(lambda module, args, kwargs, output: seen.append(kwargs["shift"]), with_kwargs=True)
    net(x, shift=2.0)
    assert seen == [3.0]
    net.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        net(x, shift=2.0)


def test_hooks_run_in_order():
    layer, seen = nn.Identity(), []
    for i in range(3):
        layer.register_forward_hook(lambda module, args, output, i=i: seen.append(i), prepend=i == 2)
    layer(minigrad.ones(1))
    assert seen == [2, 0, 1]


def test_always_called_hooks():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError("no")

    seen = []
    module = Failing()
    module.register_forward_hook(lambda *a: seen.append("never"))
    module.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    module.register_forward_hook(lambda m, args, kwargs, output: 1 / 0, always_call=True, with_kwargs=True)
    with pytest.raises(KeyError, match="no"), pytest.warns(UserWarning, match="division by zero"):
        module(minigrad.ones(1))
    assert seen == [None]


def test_full_backward_hooks():
    layer, seen = nn.Linear(2, 3), []
    layer.register_full_backward_pre_hook(lambda module, grad_output: seen.append(("pre", [g.shape for g in grad_output])))
    layer.register_full_backward_hook(lambda module, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    x = minigrad.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [("pre", [(1, 3)]), (layer.weight.sum(0, keepdim=True).tolist(), [[1.0, 1.0, 1.0]])]
    assert x.grad.tolist() == layer.weight.sum(0, keepdim=True).tolist() and layer.bias.grad.tolist() == [1.0] * 3


def test_backward_hooks_replace_gradients():
    layer = nn.Linear(2, 3)
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 10,))
    layer.register_full_backward_hook(lambda module, gi, go: (gi[0] * 0 + go[0].sum(),))
    x = minigrad.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [[30.0, 30.0]] and layer.bias.grad.tolist() == [10.0] * 3


def test_backward_hooks_without_input_gradients_and_with_several_tensors():
    class Two(nn.Module):
        def forward(self, a, number, b):
            return a * number, b + a

    seen = []
    module = Two()
    module.register_full_backward_hook(lambda m, gi, go: seen.append(([g is None for g in gi], [g is None for g in go])))
    a, b = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    module(a, 3.0, b)[0].sum().backward()
    assert seen == [([False, True, True], [False, True])] or seen == [([False, True, False], [False, True])]
    assert a.grad.tolist() == [3.0, 3.0]
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
    layer(minigrad.ones(1, 2)).sum().backward()
    assert seen == [(None,)]
    with minigrad.no_grad():
        layer(minigrad.ones(1, 2, requires_grad=True))


def test_backward_hook_mistakes_and_second_order():
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    x = minigrad.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        layer(x).sum().backward()
    other = nn.Tanh()
    other.register_full_backward_pre_hook(lambda m, go: (go[0], go[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_output, got 2, but expected 1"):
        other(x).sum().backward()
    smooth = nn.Tanh()
    smooth.register_full_backward_hook(lambda m, gi, go: (gi[0] * 1.0,))
    x = minigrad.tensor(np.array([0.3]), requires_grad=True)
    (g,) = minigrad.autograd.grad(smooth(x).sum(), x, create_graph=True)
    (gg,) = minigrad.autograd.grad(g.sum(), x)
    t = math.tanh(0.3)
    assert abs(gg.item() + 2 * t * (1 - t * t)) < 1e-12

    class Dict(nn.Module):
        def forward(self, x):
            return {"y": x}

    module = Dict()
    module.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors"):
        module(x)


def test_writes_in_place_behind_a_hook_are_recorded():
    layer = nn.ReLU(inplace=True)
    layer.register_full_backward_hook(lambda m, gi, go: None)
    x = minigrad.tensor([-1.0, 2.0], requires_grad=True)
    h = x * 3
    y = layer(h)
    (h * y).sum().backward()  # h was written by the layer: both are relu(3x)
    assert h.tolist() == [0.0, 6.0] and x.grad.tolist() == [0.0, 36.0]


# ---------------------------------------------------------------------------------------------------- modes and conversion
def test_modes():
    net = Net()
    assert net.training and net.eval() is net and not net.body[1].training and net.train().body.training
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())
    net.requires_grad_()(minigrad.ones(1, 2)).sum().backward()
    grad = net.first.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.first.weight.grad.abs().sum().item() == 0 and grad is not None
    net.zero_grad()
    assert net.first.weight.grad is None


def test_conversion():
    net = Net()
    net(minigrad.ones(1, 2)).sum().backward()
    weight = net.first.weight
    assert net.double() is net and net.first.weight is weight and weight.dtype is minigrad.float64
    assert weight.grad.dtype is minigrad.float64 and net.steps.dtype is minigrad.int64 and net.cache.dtype is minigrad.float64
    net(minigrad.ones(1, 2, dtype=minigrad.float64)).sum().backward()
    assert weight.requires_grad and weight.is_leaf
    for method, dtype in [("half", "float16"), ("bfloat16", "bfloat16"), ("float", "float32")]:
        assert getattr(net, method)().scale.dtype is getattr(minigrad, dtype)
    assert net.to(minigrad.float64).scale.dtype is minigrad.float64
    assert net.to("cpu", minigrad.float32).scale.dtype is minigrad.float32
    assert net.to(minigrad.zeros(1, dtype=minigrad.float64)).scale.dtype is minigrad.float64
    assert net.to(device="cpu", dtype="float32", non_blocking=True).scale.dtype is minigrad.float32
    assert net.cpu().to("cpu").to(None).scale.device.type == "cpu" and net.share_memory() is net
    assert net.type("float64").steps.dtype is minigrad.float64
    with pytest.raises(TypeError, match=r"only accepts floating point or complex dtypes, but got desired dtype=minigrad.int64"):
        net.to(minigrad.int64)


def test_cuda_says_why_not(device):
    if device == "cpu" and not minigrad.cuda.is_available():
        with pytest.raises(RuntimeError, match="not available"):
            Net().cuda()
        with pytest.raises(RuntimeError, match="not available"):
            Net().cuda(1)


def test_copies():
    net = Net()
    net(minigrad.ones(1, 2)).sum().backward()
    net.register_forward_hook(print_nothing)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(other.first.weight) is nn.Parameter and other.first.weight is not net.first.weight
        assert other.first.weight.requires_grad and other(minigrad.ones(1, 2)).tolist() == net(minigrad.ones(1, 2)).tolist()
        assert repr(other) == repr(net) and len(other._forward_hooks) == 1
        other.first.weight.data.zero_()
        assert net.first.weight.abs().sum().item() > 0
    for other in (copy.deepcopy(Tied()), pickle.loads(pickle.dumps(Tied()))):
        assert other.decoder.weight is other.encoder.weight


def print_nothing(module, args, output):
    return None


def test_repr():
    class Named(nn.Module):
        def extra_repr(self):
            return "first\nsecond"

    assert repr(Named()) == "Named(\n  first\n  second\n)"
    assert repr(nn.Sequential(Named(), nn.ReLU())) == "Sequential(\n  (0): Named(\n    first\n    second\n  )\n  (1): ReLU()\n)"
    net = Net()
    net.body.add_module("nothing", None)
    assert repr(net).endswith("    (nothing): None\n  )\n)")


# ----------------------------------------------------------------------------------------------------------------- containers
def test_sequential_is_a_list():
    a, b, c, d = (nn.Linear(1, 1) for _ in range(4))
    net = nn.Sequential(a, b)
    assert net.append(c) is net and net[-1] is c and len(net) == 3 and list(net) == [a, b, c] and b in net
    net.insert(1, d)
    assert list(net) == [a, d, b, c] and list(net._modules) == ["0", "1", "2", "3"]
    net.insert(-1, nn.ReLU())
    assert isinstance(net[3], nn.ReLU) and net[4] is c
    assert net.pop(1) is d and list(net._modules) == ["0", "1", "2", "3"]
    del net[2]
    assert list(net) == [a, b, c]
    assert list(net[1:]) == [b, c] and list(net[1:]._modules) == ["1", "2"]
    del net[:2]
    assert list(net) == [c] and list(net._modules) == ["0"]
    net[0] = a
    assert list(net + nn.Sequential(b)) == [a, b] and list(net * 2) == [a, a] and list(2 * net) == [a, a]
    net += nn.Sequential(b)
    net *= 2
    assert list(net) == [a, b, a, b] and list(nn.Sequential(a).extend([b, c])) == [a, b, c]
    named = nn.Sequential(OrderedDict(x=a, y=b))
    assert named.x is a and list(named.state_dict()) == ["x.weight", "x.bias", "y.weight", "y.bias"]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda s: s[5], IndexError, "index 5 is out of range"),
        (lambda s: s + [1], ValueError, "only objects of Sequential class, but <class 'list'> is given"),
        (lambda s: s * 0, ValueError, "Non-positive multiplication factor 0"),
        (lambda s: s * "a", TypeError, "unsupported operand type"),
        (lambda s: s.insert(9, nn.ReLU()), IndexError, "Index out of range: 9"),
        (lambda s: s.insert(0, 3), AssertionError, "module should be of type"),
        (lambda s: s.append(3), TypeError, "int is not a Module subclass"),
        (lambda s: nn.ModuleList(3), TypeError, "should be called with an iterable, but got int"),
        (lambda s: nn.ModuleList([s])(1), NotImplementedError, "missing the required"),
        (lambda s: nn.ModuleDict(3), TypeError, "iterable of key/value pairs, but got int"),
        (lambda s: nn.ModuleDict([3]), TypeError, "element #0 should be Iterable; is int"),
        (lambda s: nn.ModuleDict([("a",)]), ValueError, "element #0 has length 1; 2 is required"),
        (lambda s: nn.ParameterList(minigrad.zeros(2)), TypeError, "iterable, but got Tensor"),
        (lambda s: nn.ParameterList([1])[3], IndexError, "index 3 is out of range"),
        (lambda s: nn.ParameterList()(), RuntimeError, "ParameterList should not be called"),
        (lambda s: nn.ParameterDict()(1), RuntimeError, "ParameterDict should not be called"),
        (lambda s: nn.ParameterDict({3: 1}), TypeError, "not a string"),
        (lambda s: nn.ParameterDict().popitem(), KeyError, "empty"),
        (lambda s: nn.ParameterDict()["a"], AttributeError, "no attribute 'a'"),
    ],
)
def test_container_mistakes(act, error, message):
    with pytest.raises(error, match=message):
        act(nn.Sequential(nn.ReLU()))


def test_module_list():
    a, b, c = (nn.Linear(1, 1) for _ in range(3))
    modules = nn.ModuleList([a])
    modules += [b]
    modules.append(c).insert(0, c)
    assert list(modules) == [c, a, b, c] and len(modules) == 4 and isinstance(modules[1:], nn.ModuleList) and modules[-2] is b
    assert modules.pop(0) is c and list(modules + [a]) == [a, b, c, a] and len(list(modules.parameters())) == 6
    del modules[0]
    modules[0] = a
    assert list(modules._modules) == ["0", "1"] and list(modules) == [a, c]
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert list(nn.ModuleList(m for m in (a, b)).state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_module_dict():
    a, b = nn.Linear(1, 1), nn.ReLU()
    d = nn.ModuleDict({"a": a})
    d["b"] = b
    d.update([("c", nn.Tanh())])
    d.update(nn.ModuleDict(OrderedDict(e=nn.Sigmoid())))
    assert list(d) == ["a", "b", "c", "e"] == list(d.keys()) and d["a"] is a and "b" in d and len(d) == 4
    assert next(iter(d.values())) is a and dict(d.items())["b"] is b and d.pop("b") is b
    del d["c"]
    assert list(d.state_dict()) == ["a.weight", "a.bias"]
    d.clear()
    assert len(d) == 0


def test_parameter_list():
    x = minigrad.ones(2)
    values = nn.ParameterList([x, nn.Parameter(minigrad.zeros(3)), "text"])
    assert (
        isinstance(values[0], nn.Parameter) and values[2] == "text" and len(values) == 3 and len(list(values.parameters())) == 2
    )
    values += [minigrad.zeros(1)]
    values[0] = minigrad.zeros(5)
    assert values[-1].shape == (1,) and values[0].shape == (5,) and len(values[1:]) == 3 and list(values.append(4))[-1] == 4
    assert list(values.state_dict()) == ["0", "1", "3"]
    assert repr(nn.ParameterList([3])) == "ParameterList(  (0): Object of type: int)"
    copied = copy.deepcopy(values)
    assert len(copied) == 5 and copied[0] is not values[0]


def test_parameter_dict():
    d = nn.ParameterDict({"b": minigrad.ones(1), "a": minigrad.zeros(1)})
    assert list(d) == ["a", "b"] and isinstance(d["a"], nn.Parameter) and list(reversed(d)) == ["b", "a"]
    d["c"] = minigrad.zeros(2)
    assert d.get("x", 3) == 3 and d.get("a") is d["a"] and d.setdefault("e", minigrad.ones(4)).shape == (4,) and "e" in d
    assert len(d) == 4 and [k for k, _ in d.items()] == list(d.keys()) and d.values()[0] is d["a"]
    assert list(d.copy()) == list(d) and d.copy()["a"] is d["a"]
    assert d.popitem()[0] == "e" and d.pop("c").shape == (2,) and list(d.state_dict()) == ["a", "b"]
    assert list(d | nn.ParameterDict({"z": 1})) == ["a", "b", "z"] and list({"q": 1} | d) == ["q", "a", "b"]
    d |= {"y": minigrad.zeros(1)}
    del d["a"]
    assert list(d) == ["b", "y"] and list(d.fromkeys(["k"], 1)) == ["k"]
    d.clear()
    assert len(d) == 0 and not list(d.parameters())


# --------------------------------------------------------------------------------------------------------------------- init
def test_constant_inits():
    assert init.constant_(minigrad.empty(2), 3.0).tolist() == [3, 3] and init.ones_(minigrad.empty(1)).tolist() == [1]
    p = nn.Parameter(minigrad.ones(2, 3))
    assert init.zeros_(p) is p and p.is_leaf and p.tolist() == [[0, 0, 0]] * 2
    assert init.eye_(p).tolist() == [[1, 0, 0], [0, 1, 0]]
    x = minigrad.randn(2, 4, 5)
    kept = nn.functional.conv1d(x, init.dirac_(minigrad.empty(4, 4, 3)), padding=1)
    np.testing.assert_array_equal(kept.numpy(), x.numpy())
    grouped = nn.functional.conv1d(x, init.dirac_(minigrad.empty(4, 2, 3), groups=2), padding=1, groups=2)
    np.testing.assert_array_equal(grouped.numpy(), x.numpy())
    assert init.dirac_(minigrad.empty(1, 2, 3, 3))[0, 0, 1, 1].item() == 1


def test_random_inits_have_their_moments():
    g = minigrad.Generator().manual_seed(3)
    w = minigrad.empty(200, 300)

    def std(t):
        return t.numpy().std()

    assert abs(init.uniform_(w, -1, 3, generator=g).numpy().mean() - 1) < 0.02
    assert abs(std(init.normal_(w, 5.0, 2.0, generator=g)) - 2) < 0.02
    for fill, expected in [
        (lambda: init.xavier_uniform_(w, gain=2.0, generator=g), 2 * math.sqrt(2 / 500)),
        (lambda: init.xavier_normal_(w, generator=g), math.sqrt(2 / 500)),
        (lambda: init.kaiming_uniform_(w, nonlinearity="relu", generator=g), math.sqrt(2 / 300)),
        (lambda: init.kaiming_uniform_(w, a=1, mode="fan_out", generator=g), math.sqrt(1 / 200)),
        (lambda: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh", generator=g), 5 / 3 / math.sqrt(200)),
    ]:
        assert abs(std(fill()) / expected - 1) < 0.01
    again = minigrad.empty(200, 300)
    init.normal_(again, generator=minigrad.Generator().manual_seed(3))
    init.normal_(w, generator=minigrad.Generator().manual_seed(3))
    np.testing.assert_array_equal(again.numpy(), w.numpy())
    assert abs(std(init.kaiming_normal_(minigrad.empty(64, 32, 3, 3), generator=g)) / math.sqrt(2 / 288) - 1) < 0.02


def test_trunc_normal():
    w = init.trunc_normal_(minigrad.empty(20000), mean=1.0, std=2.0, a=-1.0, b=3.0)
    values = w.numpy()
    assert values.min() >= -1 and values.max() <= 3 and abs(values.mean() - 1) < 0.03 and abs(values.std() - 1.08) < 0.02
    tail = init.trunc_normal_(minigrad.empty(20000), a=1.0, b=9.0).numpy()  # the mean of a normal number above 1 is 1.5251
    assert tail.min() >= 1 and abs(tail.mean() - 1.5251) < 0.02
    with pytest.warns(UserWarning, match="mean is more than 2 std"):
        init.trunc_normal_(minigrad.empty(3), a=3.0, b=4.0)


def test_orthogonal_and_sparse():
    for shape in [(4, 4), (3, 8), (8, 3), (4, 2, 5)]:
        w = init.orthogonal_(minigrad.empty(*shape, dtype=minigrad.float64), gain=2.0).numpy().reshape(shape[0], -1)
        product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(product, 4 * np.eye(min(w.shape)), atol=1e-10)
    assert init.orthogonal_(minigrad.empty(0, 3)).shape == (0, 3)
    w = init.sparse_(minigrad.empty(10, 6), sparsity=0.33)
    assert ((w == 0).sum(0) == 4).all()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: init.eye_(minigrad.empty(2)), "Only tensors with 2 dimensions are supported"),
        (lambda: init.sparse_(minigrad.empty(2), 0.5), "Only tensors with 2 dimensions are supported"),
        (lambda: init.dirac_(minigrad.empty(2, 2)), "Only tensors with 3, 4, or 5 dimensions"),
        (lambda: init.dirac_(minigrad.empty(3, 2, 1), groups=2), "dim 0 must be divisible by groups"),
        (lambda: init.xavier_uniform_(minigrad.empty(2)), "fewer than 2 dimensions"),
        (lambda: init.orthogonal_(minigrad.empty(2)), "2 or more dimensions"),
        (lambda: init.kaiming_normal_(minigrad.empty(2, 2), mode="both"), "Mode both not supported"),
        (lambda: init.calculate_gain("swish"), "Unsupported nonlinearity swish"),
        (lambda: init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
    ],
)
def test_init_mistakes(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_gains():
    assert init.calculate_gain("conv2d") == init.calculate_gain("sigmoid") == 1 and init.calculate_gain("selu") == 0.75
    assert init.calculate_gain("relu") == math.sqrt(2) and init.calculate_gain("leaky_relu", 1) == 1.0
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        init.kaiming_normal_(minigrad.empty(0, 3))


# -------------------------------------------------------------------------------------------------------------------- utils
def parameters_with_gradients(*gradients):
    parameters = []
    for g in gradients:
        p = nn.Parameter(minigrad.zeros(len(g)))
        p.grad = minigrad.tensor(g)
        parameters.append(p)
    return parameters


def test_clip_grad_norm():
    a, b = parameters_with_gradients([3.0], [0.0, 4.0])
    untouched = nn.Parameter(minigrad.zeros(1))
    total = nn.utils.clip_grad_norm_(iter([a, untouched, b]), 1.0)
    assert total.item() == 5.0 and abs(a.grad.item() - 0.6) < 1e-6 and untouched.grad is None
    total = nn.utils.clip_grad_norm_([a, b], 10.0)  # within the limit: nothing changes
    assert abs(a.grad.item() - 0.6) < 1e-6 and abs(total.item() - 1) < 1e-5
    (c,) = parameters_with_gradients([3.0, -4.0])
    assert nn.utils.clip_grad_norm_(c, 2.0, norm_type=float("inf"), foreach=False).item() == 4.0
    assert nn.utils.clip_grad_norm_(c, 2.0, norm_type=1).item() == pytest.approx(3.5)
    assert nn.utils.clip_grad_norm_([untouched], 1.0).item() == 0.0
    assert nn.utils.get_total_norm(minigrad.tensor([3.0, 4.0])).item() == 5.0
    (bad,) = parameters_with_gradients([float("nan")])
    with pytest.raises(RuntimeError, match=r"The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        nn.utils.clip_grad_norm_(bad, 1.0, error_if_nonfinite=True)
    assert math.isnan(nn.utils.clip_grad_norm_(bad, 1.0).item())


def test_clip_grad_value():
    a, b = parameters_with_gradients([3.0, 0.1], [-9.0])
    nn.utils.clip_grad_value_([a, b, nn.Parameter(minigrad.zeros(1))], 0.5)
    assert a.grad.tolist() == pytest.approx([0.5, 0.1]) and b.grad.tolist() == [-0.5]
    nn.utils.clip_grad_value_(b, 0.25)
    assert b.grad.tolist() == [-0.25]


def test_parameters_as_a_vector(device):
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(minigrad.arange(9.0), net.parameters())
    assert net.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.bias.tolist() == [6, 7, 8] and net.bias.requires_grad
    with pytest.raises(TypeError, match=r"expected minigrad.Tensor, but got: 3"):
        nn.utils.vector_to_parameters(3, net.parameters())
    if device != "cpu":
        with pytest.raises(TypeError, match="two parameters on different devices"):
            nn.utils.parameters_to_vector([minigrad.zeros(1), minigrad.zeros(1, device=device)])
    with pytest.raises(ValueError, match="the vector has 2 elements, the parameters have 9"):
        nn.utils.vector_to_parameters(minigrad.zeros(2), net.parameters())


def test_modules_cloned_by_hand_leave_the_first_as_it_was():
    """As learn2learn clones a module for MAML: copied dicts, parameters replaced by tensors with a history."""

    def cloned(module):
        clone = module.__new__(type(module))
        clone.__dict__ = module.__dict__.copy()
        clone._parameters = clone._parameters.copy()
        clone._modules = clone._modules.copy()
        for name, p in module._parameters.items():
            clone._parameters[name] = p.clone()
        for name, child in module._modules.items():
            clone._modules[name] = cloned(child)
        return clone

    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x = minigrad.ones(4, 2)
    learner = cloned(net)
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in learner.named_parameters()]
    assert all(p.is_leaf for p in net.parameters()) and not any(p.is_leaf for p in learner.parameters())
    assert learner[0].weight is learner[0]._parameters["weight"] and net[0].weight is net[0]._parameters["weight"]
    grads = minigrad.autograd.grad(learner(x).sum(), list(learner.parameters()), create_graph=True)
    assert all(g is not None for g in grads)
    learner(x).sum().backward()
    assert net[0].weight.grad is not None


@pytest.mark.parametrize("name", "uniform normal xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal".split())
def test_first_names_of_initialisers_warn(name):
    one, two = minigrad.empty(3, 4), minigrad.empty(3, 4)
    minigrad.manual_seed(3)
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`."):
        assert getattr(nn.init, name)(one) is one
    minigrad.manual_seed(3)
    getattr(nn.init, f"{name}_")(two)
    assert one.tolist() == two.tolist()
