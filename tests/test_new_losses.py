"""CTC, adaptive softmax and bags beyond their samples: gradients of any order, unreachable labels, consistency; with parity."""

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import functional as F


def scores(*shape, seed=0):
    return minigrad.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_ctc_of_a_softmax_has_true_gradients():
    x = scores(5, 2, 4)

    def loss(x):
        return F.ctc_loss(x.log_softmax(-1), minigrad.tensor([[1, 1], [2, 3]]), (5, 4), (2, 2), reduction="sum")

    assert minigrad.autograd.gradcheck(loss, (x,)) and minigrad.autograd.gradgradcheck(loss, (x,))


def test_ctc_of_labels_that_nothing_reaches():
    x = scores(2, 1, 3)
    args = (minigrad.tensor([[1, 1]]), (2,), (2,))  # two equal labels need three steps
    assert F.ctc_loss(x.log_softmax(-1), *args).item() == float("inf")
    loss = F.ctc_loss(x.log_softmax(-1), *args, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0.0 and not x.grad.any()
    empty = F.ctc_loss(x.detach().log_softmax(-1), minigrad.tensor([[1, 1]]), (0,), (0,), reduction="none")
    assert empty.tolist() == [0.0]


def test_steps_and_labels_beyond_the_lengths_do_not_count():
    x = scores(6, 1, 3)
    short = F.ctc_loss(x[:4].log_softmax(-1), minigrad.tensor([[1]]), (4,), (1,))
    long = F.ctc_loss(x.log_softmax(-1), minigrad.tensor([[1, 2]]), minigrad.tensor([4]), minigrad.tensor([1]))
    assert abs(short.item() - long.item()) < 1e-12
    long.backward()
    assert not x.grad[4:].any() and x.grad[:4].any()


def test_adaptive_softmax_adds_up_to_one():
    layer = nn.AdaptiveLogSoftmaxWithLoss(32, 12, [3, 7], div_value=2.0).double()
    x = scores(5, 32)
    log_p = layer.log_prob(x)
    np.testing.assert_allclose(log_p.exp().sum(1).detach().numpy(), np.ones(5), atol=1e-12)
    target = minigrad.tensor([0, 2, 5, 11, 7])
    output, loss = layer(x, target)
    np.testing.assert_allclose(output.detach().numpy(), log_p.gather(1, target.unsqueeze(1)).squeeze(1).detach().numpy())
    assert loss.item() == -output.mean().item()
    assert (layer.predict(x) == log_p.argmax(1)).all()
    for cutoffs in ([], [5, 5], [7, 3], [0, 3], [12], [1.5]):
        with pytest.raises(ValueError, match="cutoffs should be a sequence"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs)
    with pytest.raises(RuntimeError, match=r"Target values should be in \[0, 11\]"):
        layer(x, target + 1)
    with pytest.raises(RuntimeError, match="same size in the batch"):
        layer(x, target[:2])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_are_embeddings_put_together(mode):
    table, index = scores(6, 3), minigrad.tensor([[1, 2, 2], [0, 5, 4]])
    rows = F.embedding(index, table)
    wanted = {"sum": rows.sum(1), "mean": rows.mean(1), "max": rows.amax(1)}[mode]
    as_rows = F.embedding_bag(index, table, mode=mode)
    one_after_another = F.embedding_bag(index.flatten(), table, minigrad.tensor([0, 3]), mode=mode)
    for bags in (as_rows, one_after_another):
        np.testing.assert_allclose(bags.detach().numpy(), wanted.detach().numpy())
    layer = nn.EmbeddingBag.from_pretrained(table.detach(), mode=mode, freeze=False)
    assert layer.weight.requires_grad and (layer(index) == as_rows).all()


def test_cross_map_normalization_is_its_formula():
    x = np.random.default_rng(0).standard_normal((1, 5, 2, 2))
    y = nn.CrossMapLRN2d(3, alpha=0.5, beta=0.75, k=2)(minigrad.tensor(x)).numpy()
    for c in range(5):
        total = (x[:, max(0, c - 1) : c + 2] ** 2).sum(1)
        np.testing.assert_allclose(y[:, c], x[:, c] / (2 + 0.5 / 3 * total) ** 0.75)


def test_the_older_name_of_nll_loss_warns():
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        loss = nn.NLLLoss2d(reduction="sum")
    assert loss(minigrad.full((1, 2, 1, 1), -3.0), minigrad.zeros(1, 1, 1, dtype=minigrad.int64)).item() == 3.0


LENGTHS = [((9, 9, 9), (3, 4, 2)), ((9, 6, 4), (3, 4, 1)), ((9, 6, 1), (3, 0, 1)), ((9, 0, 5), (3, 0, 0))]


@pytest.mark.parity
@pytest.mark.parametrize(("blank", "together"), [(0, True), (0, False), (3, True), (3, False)])
@pytest.mark.parametrize(("inputs", "labels"), LENGTHS)
def test_ctc_is_pytorchs(inputs, labels, blank, together):
    import torch

    r = np.random.default_rng(1)
    x, t = r.standard_normal((9, 3, 5)), r.integers(0, 4, (3, 4))
    t = t + (t >= blank)
    t = np.concatenate([row[:k] for row, k in zip(t, labels)]) if together else t
    for reduction in ("none", "sum", "mean"):
        found = []
        for library in (minigrad, torch):
            leaf = library.tensor(x, requires_grad=True)
            log_p = leaf.log_softmax(-1)
            log_p.retain_grad()
            loss = library.nn.functional.ctc_loss(
                log_p, library.tensor(t), library.tensor(inputs), library.tensor(labels), blank, reduction, True
            )
            loss.sum().backward()
            found.append([a.numpy() for a in (loss.detach(), log_p.grad, leaf.grad)])
        for ours, theirs in zip(*found):
            np.testing.assert_allclose(ours, theirs, atol=1e-10)
