"""nn.utils.parametrize, weight_norm and spectral_norm."""

import copy
import pickle

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    calls = 0

    def forward(self, x):
        Symmetric.calls += 1
        return x.triu() + x.triu(1).T

    def right_inverse(self, value):
        return value.triu()


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2


class Wrong(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(x)


def test_a_parametrized_weight_is_computed_and_trained():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert parametrize.is_parametrized(layer, "weight") and parametrize.is_parametrized(layer)
    assert not parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(nn.ReLU())
    assert layer.parametrizations.weight.original is weight  # an optimizer that holds it goes on
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=3, out_features=3, bias=True\n  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n      (0): Symmetric()\n    )\n  )\n)"
    )
    layer(minigrad.ones(1, 3)).sum().backward()
    assert weight.grad.tolist() == [[1, 2, 2], [0, 1, 2], [0, 0, 1]]
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]


def test_assignment_goes_through_the_right_inverse():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    layer.weight = minigrad.tensor([[1.0, 2.0], [2.0, 3.0]])
    assert layer.weight.tolist() == [[1, 2], [2, 3]] and layer.parametrizations.weight.original.tolist() == [[1, 2], [0, 3]]
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert layer.weight.tolist() == [[2, 4], [4, 6]] and len(layer.parametrizations.weight) == 2
    with pytest.raises(RuntimeError, match="Doubled does not implement right_inverse"):
        layer.weight = minigrad.zeros(2, 2)


def test_copies_reload_and_convert():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    parametrize.register_parametrization(layer, "bias", Doubled())
    x = minigrad.randn(3, 2)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other(x).tolist() == layer(x).tolist() and isinstance(other, nn.Linear)
        other.parametrizations.weight.original.data.zero_()
        assert layer.weight.abs().sum().item() > 0
    fresh = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    parametrize.register_parametrization(fresh, "bias", Doubled())
    fresh.load_state_dict(layer.state_dict())
    assert fresh.weight.tolist() == layer.weight.tolist()
    assert layer.double().weight.dtype is minigrad.float64


def test_removal():
    layer = nn.Linear(2, 2)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "bias", Doubled())
    value = layer.weight.tolist()
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is weight and weight.tolist() == value and type(layer).__name__ == "ParametrizedLinear"
    original = layer.parametrizations.bias.original.tolist()
    parametrize.remove_parametrizations(layer, "bias", leave_parametrized=False)
    assert layer.bias.tolist() == original and type(layer) is nn.Linear and "parametrizations" not in layer._modules
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")
    parametrizations.weight_norm(layer)
    with pytest.raises(ValueError, match="in terms of a sequence of tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter)


def test_buffers_and_several_originals():
    module = nn.Module()
    module.register_buffer("b", minigrad.ones(2))
    parametrize.register_parametrization(module, "b", Doubled())
    assert (
        module.b.tolist() == [2, 2]
        and list(module.state_dict()) == ["parametrizations.b.original"]
        and not list(module.parameters())
    )
    parametrize.remove_parametrizations(module, "b")
    assert module.b.tolist() == [2, 2] and "b" in module._buffers
    parametrizations.weight_norm(module, "b", dim=None)
    assert [n for n, _ in module.named_buffers()] == ["parametrizations.b.original0", "parametrizations.b.original1"]
    module.b = minigrad.tensor([3.0, 4.0])
    assert module.parametrizations.b.original0.item() == 5.0
    np.testing.assert_allclose(module.b.numpy(), [3, 4], rtol=1e-6)
    parametrize.remove_parametrizations(module, "b")
    assert type(module.b) is minigrad.Tensor


def test_cached():
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    Symmetric.calls = 0
    with parametrize.cached():
        for _ in range(3):
            layer(minigrad.ones(1, 2))
        with parametrize.cached():
            layer(minigrad.ones(1, 2))
    assert Symmetric.calls == 1
    layer(minigrad.ones(1, 2))
    assert Symmetric.calls == 2


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda m: parametrize.register_parametrization(m, "gain", Doubled()), "does not have a parameter, a buffer"),
        (lambda m: parametrize.register_parametrization(m, "weight", Wrong(lambda x: x[0])), "may not change the dtype or shape"),
        (lambda m: parametrize.register_parametrization(m, "weight", Wrong(lambda x: x.double())), "may not change the dtype"),
        (lambda m: parametrize.register_parametrization(m, "weight", Wrong(lambda x: 3)), "must return a tensor. Got int"),
        (lambda m: parametrize.ParametrizationList([], m.weight), "requires one or more modules"),
        (lambda m: parametrizations.spectral_norm(m, "gain"), "has no parameter or buffer with name 'gain'"),
        (lambda m: parametrizations.spectral_norm(m, n_power_iterations=0), "n_power_iterations to be positive"),
        (lambda m: nn.utils.spectral_norm(m, "gain"), "parameter `gain` is None"),
        (lambda m: nn.utils.remove_weight_norm(m), "weight_norm of 'weight' not found in Linear"),
        (lambda m: nn.utils.weight_norm(nn.LazyLinear(3)), "can't have uninitialized parameters"),
    ],
)
def test_mistakes(act, message):
    with pytest.raises(ValueError, match=message):
        act(nn.Linear(3, 3))


def test_more_mistakes():
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Doubled())
    with pytest.raises(ValueError, match="may not change the dtype or shape"):
        parametrize.register_parametrization(layer, "weight", Wrong(lambda x: x[0]))
    parametrize.register_parametrization(layer, "weight", Wrong(lambda x: x[:1]), unsafe=True)
    assert layer.weight.shape == (1, 3)

    class BadInverse(Doubled):
        def right_inverse(self, value):
            return 3

    with pytest.raises(ValueError, match="must return a Tensor or a Sequence of tensors"):
        parametrize.register_parametrization(nn.Linear(1, 1), "weight", BadInverse())
    normed = parametrizations.weight_norm(nn.Linear(2, 2))
    normed.parametrizations.weight[0].right_inverse = lambda value: (value,)
    with pytest.raises(ValueError, match=r"sequence of tensors of length 2. Got length 1"):
        normed.weight = minigrad.zeros(2, 2)
    with pytest.raises(IndexError, match="Dimension out of range"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=2)
    older = nn.utils.weight_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks on the same parameter weight"):
        nn.utils.weight_norm(nn.utils.remove_weight_norm(older)), nn.utils.weight_norm(older)


def test_weight_norm_keeps_the_function_and_reads_older_files():
    layer = nn.Conv2d(2, 3, 2)
    x, plain = minigrad.randn(1, 2, 3, 3), layer
    expected = plain(x).detach().numpy()
    newer = parametrizations.weight_norm(copy.deepcopy(layer), dim=1)
    older = nn.utils.weight_norm(copy.deepcopy(layer), dim=1)
    np.testing.assert_allclose(newer(x).detach().numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(older(x).detach().numpy(), expected, atol=1e-6)
    assert older.weight_g.shape == (1, 2, 1, 1)
    older(x).sum().backward()
    assert older.weight_g.grad is not None and older.weight_v.grad is not None
    state = older.state_dict()
    newer.load_state_dict(state)
    assert list(nn.utils.remove_weight_norm(older).state_dict()) == ["bias", "weight"] and not older._forward_pre_hooks
    np.testing.assert_allclose(older(x).detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_spectral_norm(norm):
    for layer, axis in ((nn.Linear(6, 4), 0), (nn.ConvTranspose2d(3, 5, 2), 1)):
        x = minigrad.randn(2, *((6,) if axis == 0 else (3, 2, 2)))
        norm(layer, n_power_iterations=200)  # two singular values may be close
        layer(x).sum().backward()
        weight = np.moveaxis(layer.weight.detach().numpy(), axis, 0)
        assert abs(np.linalg.norm(weight.reshape(len(weight), -1), 2) - 1) < 1e-3
        assert all(p.grad is not None for p in layer.parameters())
        layer.eval()
        before = layer(x).tolist()
        assert layer(x).tolist() == before  # no more power steps
    assert next(iter(layer.state_dict())) == "bias"


def test_spectral_norm_of_a_vector_and_removal():
    layer = parametrizations.spectral_norm(nn.Linear(3, 4), "bias")
    assert abs(layer.bias.norm().item() - 1) < 1e-6
    layer.bias = minigrad.ones(4)
    older = nn.utils.spectral_norm(nn.Linear(3, 4))
    older(minigrad.ones(1, 3))
    value = older.weight.detach().tolist()
    np.testing.assert_allclose(nn.utils.remove_spectral_norm(older.eval()).weight.tolist(), value, rtol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["newer", "older"])
@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
def test_parity(norm, kind):
    import torch

    outputs = []
    state = None
    for library in (minigrad, torch):
        space = library.nn.utils.parametrizations if kind == "newer" else library.nn.utils
        layer = library.nn.Conv1d(3, 4, 2).double()
        if library is torch and norm == "weight_norm" and kind == "older":
            with pytest.warns(FutureWarning):
                space.weight_norm(layer)
        else:
            getattr(space, norm)(layer)
        if state is None:
            state = {k: v.detach().numpy().copy() for k, v in layer.state_dict().items()}
        else:
            assert list(layer.state_dict()) == list(state)
            layer.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
        x = library.tensor(np.random.default_rng(0).standard_normal((2, 3, 5)))
        (layer(x) ** 2).sum().backward()
        outputs.append([layer.weight.detach().numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
