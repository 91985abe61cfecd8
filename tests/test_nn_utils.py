"""nn.utils: orthogonal weights, fusion with batch norm, layers without first values, functional calls, older names."""

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import utils
from minigrad.nn.utils import parametrizations

SHAPES = [(4, 3), (3, 4), (3, 3)]
MAPS = [None, "matrix_exp", "cayley", "householder"]


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_stay_orthogonal(shape, name, trivial):
    layer = nn.Linear(shape[1], shape[0]).double()
    parametrizations.orthogonal(layer, "weight", name, use_trivialization=trivial)
    for _ in range(2):
        w = layer.weight.detach().numpy()
        gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
        np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-10)
        (layer.weight * minigrad.arange(12.0 if 4 in shape else 9.0).reshape(shape)).sum().backward()
        original = layer.parametrizations.weight.original
        assert original.grad.abs().max() > 1e-3
        with minigrad.no_grad():
            original -= 0.1 * original.grad


def test_orthogonal_weights_can_be_assigned():
    layer = parametrizations.orthogonal(nn.Linear(3, 3).double())
    turn = nn.init.orthogonal_(minigrad.empty(3, 3, dtype=minigrad.float64))
    layer.weight = turn
    np.testing.assert_allclose(layer.weight.detach().numpy(), turn.numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices of shape"):
        layer.weight = minigrad.ones(2, 3)
    free = parametrizations.orthogonal(nn.Linear(3, 3), use_trivialization=False)
    with pytest.raises(NotImplementedError, match="not possible to assign to the matrix exponential"):
        free.weight = turn


def test_orthogonal_mistakes():
    with pytest.raises(ValueError, match="has no parameter or buffer with name 'nope'"):
        parametrizations.orthogonal(nn.Linear(2, 3), "nope")
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices"):
        parametrizations.orthogonal(nn.Linear(2, 3), "bias")
    with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
        parametrizations.orthogonal(nn.Linear(2, 3), "weight", "qr")


@pytest.mark.parity
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal_is_pytorchs(shape, name, trivial):
    import torch

    theirs, ours = torch.nn.Linear(shape[1], shape[0]).double(), nn.Linear(shape[1], shape[0]).double()
    ours.load_state_dict({k: minigrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    torch.nn.utils.parametrizations.orthogonal(theirs, "weight", name, use_trivialization=trivial)
    parametrizations.orthogonal(ours, "weight", name, use_trivialization=trivial)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), atol=1e-12)
    ours.load_state_dict({k: minigrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})  # the same random base
    r = np.random.default_rng(0)
    change, weight = np.tril(r.standard_normal(shape), -1) * 0.1, r.standard_normal(shape)
    for library, layer in ((torch, theirs), (minigrad, ours)):
        with library.no_grad():
            layer.parametrizations.weight.original += library.tensor(change)
        (layer.weight * library.tensor(weight)).sum().backward()
    a, b = (layer.parametrizations.weight.original.grad.numpy() for layer in (ours, theirs))
    np.testing.assert_allclose(a, b, atol=1e-10)


def test_fusion_with_batch_norm():
    x = minigrad.randn(2, 2, 5, 5)
    for conv, transpose in ((nn.Conv2d(2, 3, 3, bias=False), False), (nn.ConvTranspose2d(2, 3, 3), True)):
        bn = nn.BatchNorm2d(3)
        bn(conv(x) * 3 + 1)  # statistics that are not 0 and 1
        conv.eval()
        fused = utils.fuse_conv_bn_eval(conv, bn.eval(), transpose)
        np.testing.assert_allclose(fused(x).detach().numpy(), bn(conv(x)).detach().numpy(), atol=1e-5)
    linear, bn = nn.Linear(5, 3).eval(), nn.BatchNorm1d(3)
    bn(linear(x[0, 0]))
    fused = utils.fuse_linear_bn_eval(linear, bn.eval())
    np.testing.assert_allclose(fused(x[0, 0]).detach().numpy(), bn(linear(x[0, 0])).detach().numpy(), atol=1e-5)
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        utils.fuse_linear_bn_eval(nn.Linear(1, 3), bn)


def test_small_helpers():
    assert utils.skip_init(nn.Linear, 5, 1, bias=False).weight.shape == (1, 5)
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        utils.skip_init(nn.ReLU)
    layer = nn.Linear(1, 1)
    given = {"weight": minigrad.full((1, 1), 2.0), "bias": minigrad.ones(1)}
    assert utils.stateless.functional_call(layer, given, (minigrad.ones(1),)).item() == 3.0
    layer.weight.grad = minigrad.full((1, 1), 3.0)
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        assert abs(utils.clip_grad_norm(layer.parameters(), 1.0).item() - 3.0) < 1e-6
    assert nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": minigrad.float64}}) == {
        "device": "cpu",
        "dtype": minigrad.float64,
    }
    with pytest.raises(TypeError, match="unexpected kwargs"):
        nn.factory_kwargs({"shape": 3})
    with pytest.raises(TypeError, match="specified twice"):
        nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"dtype": 1}})
