"""Categorical: what it draws, its log-probabilities and their gradient, and what it refuses."""

import numpy as np
import pytest

import minigrad
from minigrad.distributions import Categorical


def test_probabilities_and_logits_agree():
    p = minigrad.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], dtype=minigrad.float64)
    a, b = Categorical(probs=p * 3), Categorical(logits=p.log() + 5)
    for d in (a, b):
        np.testing.assert_allclose(d.probs.numpy(), p.numpy(), atol=1e-12)
        np.testing.assert_allclose(d.entropy().numpy(), -(p * p.log()).sum(-1).numpy(), atol=1e-12)
        assert d.batch_shape == (2,) and d.event_shape == () and d.param_shape == (2, 3) and d.mode.tolist() == [2, 0]
    value = minigrad.tensor([[0, 1], [2, 2], [1, 0]])
    np.testing.assert_allclose(a.log_prob(value).exp().numpy(), [[0.1, 0.25], [0.7, 0.25], [0.2, 0.5]], atol=1e-12)


def test_samples():
    minigrad.manual_seed(0)
    d = Categorical(probs=minigrad.tensor([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]))
    drawn = d.sample((4000,))
    assert drawn.shape == (4000, 2) and drawn.dtype is minigrad.int64 and (drawn[:, 0] == 1).all()
    shares = [(drawn[:, 1] == k).float().mean().item() for k in range(3)]
    np.testing.assert_allclose(shares, [0.2, 0.3, 0.5], atol=0.04)
    assert d.sample().shape == (2,) and d.sample((0,)).shape == (0, 2)
    assert Categorical(probs=minigrad.tensor([1.0, 3.0])).sample().shape == ()


def test_policy_gradient():
    logits = minigrad.zeros(3, requires_grad=True)
    (-Categorical(logits=logits).log_prob(minigrad.tensor(1)) * 2.0).backward()
    np.testing.assert_allclose(logits.grad.numpy(), [2 / 3, -4 / 3, 2 / 3], atol=1e-6)


def test_errors():
    for arguments in ({}, {"probs": minigrad.ones(2), "logits": minigrad.ones(2)}):
        with pytest.raises(ValueError, match="but not both"):
            Categorical(**arguments)
    with pytest.raises(ValueError, match="one-dimensional"):
        Categorical(probs=minigrad.tensor(1.0))
    with pytest.raises(ValueError, match="negative"):
        Categorical(probs=minigrad.tensor([0.5, -0.5]))
    with pytest.raises(RuntimeError, match="does not broadcast"):
        Categorical(probs=minigrad.ones(4, 2)).log_prob(minigrad.zeros(3, dtype=minigrad.int64))
    with pytest.raises(NotImplementedError, match="discrete"):
        Categorical(probs=minigrad.ones(2)).rsample()


@pytest.mark.parity
def test_against_pytorch():
    import torch

    values = np.random.default_rng(0).standard_normal((4, 5))
    ours, theirs = Categorical(logits=minigrad.tensor(values)), torch.distributions.Categorical(logits=torch.tensor(values))
    index = np.array([0, 4, 2, 1])
    np.testing.assert_allclose(
        ours.log_prob(minigrad.tensor(index)).numpy(), theirs.log_prob(torch.tensor(index)).numpy(), rtol=1e-12
    )
    np.testing.assert_allclose(ours.entropy().numpy(), theirs.entropy().numpy(), rtol=1e-12)
