"""Pruning: what each method cuts, how methods add up, and that the module keeps working; with parity."""

import itertools

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn.utils import prune


def layer(torch, shape=(4, 5), seed=0):
    """A Linear of given weights, for either library."""
    made, r = torch.nn.Linear(shape[1], shape[0]), np.random.default_rng(seed)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(r.standard_normal(shape), dtype=torch.float32))
        made.bias.copy_(torch.tensor(r.standard_normal(shape[0]), dtype=torch.float32))
    return made


def zeros_of(t):
    return set(map(tuple, np.argwhere(t.detach().numpy() == 0)))


def test_l1_cuts_the_smallest():
    made = layer(minigrad)
    before = np.abs(made.weight.detach().numpy())
    assert prune.l1_unstructured(made, "weight", amount=3) is made
    smallest = np.argsort(before.ravel())[:3]
    assert zeros_of(made.weight) == {tuple(map(int, np.unravel_index(i, (4, 5)))) for i in smallest}
    assert list(made.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    assert [n for n, _ in made.named_parameters()] == ["bias", "weight_orig"]


def test_a_pruned_weight_trains_only_where_it_is_left():
    made = prune.l1_unstructured(layer(minigrad), "weight", amount=0.5)
    made(minigrad.ones(2, 5)).sum().backward()
    np.testing.assert_array_equal(made.weight_orig.grad.numpy(), 2 * made.weight_mask.numpy())
    with minigrad.no_grad():
        made.weight_orig.fill_(1.0)
    made(minigrad.ones(1, 5))  # the weight is made anew before each call
    np.testing.assert_array_equal(made.weight.detach().numpy(), made.weight_mask.numpy())


def test_structured_pruning_cuts_whole_channels():
    made = prune.ln_structured(layer(minigrad), "weight", amount=2, n=2, dim=0)
    norms = np.linalg.norm(made.weight_orig.detach().numpy(), axis=1)
    rows = made.weight_mask.numpy().sum(1)
    assert sorted(rows) == [0, 0, 5, 5] and set(np.argsort(norms)[:2]) == set(np.flatnonzero(rows == 0))
    random = prune.random_structured(layer(minigrad), "weight", amount=0.4, dim=1)
    assert sorted(random.weight_mask.numpy().sum(0)) == [0, 0, 4, 4, 4]


def test_methods_add_up():
    made = layer(minigrad)
    prune.l1_unstructured(made, "weight", 3)
    first = zeros_of(made.weight)
    prune.random_unstructured(made, "weight", 4)  # of those that are left
    assert first < zeros_of(made.weight) and len(zeros_of(made.weight)) == 7
    prune.custom_from_mask(made, "weight", minigrad.ones(4, 5))
    (hook,) = made._forward_pre_hooks.values()
    assert len(hook) == 3 and isinstance(hook, prune.PruningContainer)
    made = nn.Linear(2, 2, bias=False)
    made.weight.data = minigrad.tensor([[9.0, 0.1], [3.0, 3.0]])
    prune.custom_from_mask(made, "weight", minigrad.tensor([[0.0, 1.0], [1.0, 1.0]]))
    prune.ln_structured(made, "weight", 1, n=2, dim=0)  # scores are what the first mask has left: row 0 is the smaller
    assert made.weight_mask.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_remove_makes_it_permanent():
    made = prune.l1_unstructured(layer(minigrad), "weight", 3)
    pruned = made.weight.detach().clone()
    assert prune.is_pruned(nn.Sequential(made))
    prune.remove(made, "weight")
    assert not prune.is_pruned(made) and isinstance(made.weight, nn.Parameter)
    assert sorted(made.state_dict()) == ["bias", "weight"] and (made.weight == pruned).all()
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(made, "weight")


def test_global_pruning_ranks_all_together():
    net = nn.Sequential(layer(minigrad, seed=1), layer(minigrad, (3, 4), seed=2))
    pairs = list(itertools.product(net, ["weight", "bias"]))
    values = np.concatenate([np.abs(getattr(m, n).detach().numpy()).ravel() for m, n in pairs])
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=10)
    kept = np.concatenate([getattr(m, n + "_mask").numpy().ravel() for m, n in pairs])
    assert set(np.flatnonzero(kept == 0)) == set(np.argsort(values)[:10])


class EverySecond(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_a_method_of_ones_own():
    made = layer(minigrad)
    EverySecond.apply(made, "bias")
    assert made.bias_mask.tolist() == [0.0, 1.0, 0.0, 1.0]
    EverySecond.apply(made, "bias")
    assert made.bias_mask.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert EverySecond().prune(minigrad.ones(3)).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("amount", "error", "message"),
    [
        (-1, ValueError, "should either be a float in the range"),
        (1.5, ValueError, "should either be a float in the range"),
        ("x", TypeError, "Invalid type for amount"),
        (21, ValueError, "should be smaller than the number of parameters"),
    ],
)
def test_wrong_amounts(amount, error, message):
    made = layer(minigrad)
    with pytest.raises(error, match=message):
        prune.l1_unstructured(made, "weight", amount)
    assert not prune.is_pruned(made) and "weight" in made._parameters


def test_other_mistakes():
    with pytest.raises(ValueError, match="multidimensional tensors"):
        prune.ln_structured(layer(minigrad), "bias", 1, 2, 0)
    with pytest.raises(IndexError, match="Invalid index 5"):
        prune.ln_structured(layer(minigrad), "weight", 1, 2, 5)
    with pytest.raises(TypeError, match='Only "unstructured"'):
        prune.global_unstructured([(layer(minigrad), "weight")], prune.LnStructured, amount=1, n=2)
    with pytest.raises(TypeError, match="importance_scores must be of type dict"):
        prune.global_unstructured([(layer(minigrad), "weight")], prune.L1Unstructured, importance_scores=1, amount=1)


CALLS = {
    "l1 number": lambda p, m, t: p.l1_unstructured(m, "weight", 3),
    "l1 share": lambda p, m, t: p.l1_unstructured(m, "weight", 0.3),
    "l1 nothing": lambda p, m, t: p.l1_unstructured(m, "weight", 0),
    "l1 scores": lambda p, m, t: p.l1_unstructured(m, "weight", 3, importance_scores=t.arange(20.0).reshape(4, 5)),
    "l1 norm": lambda p, m, t: p.ln_structured(m, "weight", 2, 1, 0),
    "largest": lambda p, m, t: p.ln_structured(m, "weight", 0.4, float("inf"), -1),
    "twice": lambda p, m, t: p.l1_unstructured(p.l1_unstructured(m, "weight", 3), "weight", 0.5),
    "rows then entries": lambda p, m, t: p.l1_unstructured(p.ln_structured(m, "weight", 1, 2, 0), "weight", 0.25),
    "entries then columns": lambda p, m, t: p.ln_structured(p.l1_unstructured(m, "weight", 4), "weight", 0.4, 2, 1),
    "mask": lambda p, m, t: p.custom_from_mask(m, "weight", t.arange(20).reshape(4, 5) % 3),
    "nothing at all": lambda p, m, t: p.identity(m, "weight"),
    "removed": lambda p, m, t: p.remove(p.l1_unstructured(m, "weight", 3), "weight"),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", CALLS)
def test_masks_are_pytorchs(name):
    import torch
    import torch.nn.utils.prune as theirs

    a, b = layer(minigrad), layer(torch)
    CALLS[name](prune, a, minigrad)
    CALLS[name](theirs, b, torch)
    ours, expected = a.state_dict(), b.state_dict()
    assert list(ours) == list(expected)
    for key in ours:
        np.testing.assert_allclose(ours[key].numpy(), expected[key].numpy(), err_msg=key)
    np.testing.assert_allclose(a.weight.detach().numpy(), b.weight.detach().numpy())
