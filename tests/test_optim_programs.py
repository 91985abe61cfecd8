"""Optimizers as programs use them: written by users after papers, wrapped, differentiated through, averaged."""

import copy
import math
from collections import defaultdict

import numpy as np
import pytest

import minigrad as torch
from minigrad.optim import lr_scheduler, swa_utils
from minigrad.optim.optimizer import (
    Optimizer,
    _default_to_fused_or_foreach,
    _get_value,
    _use_grad_for_differentiable,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)


class OldAdam(Optimizer):
    """In the style of papers from 2017: ``.data`` everywhere, ``required``, ``__setstate__``."""

    def __init__(self, params, lr=required, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p.data)
                    state["exp_avg_sq"] = torch.zeros_like(p.data)
                state["step"] += 1
                if group["weight_decay"] != 0:
                    grad = grad.add(p.data, alpha=group["weight_decay"])
                state["exp_avg"].mul_(beta1).add_(grad, alpha=1 - beta1)
                state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                denom = state["exp_avg_sq"].sqrt().add_(group["eps"])
                size = group["lr"] * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                p.data.addcdiv_(state["exp_avg"], denom, value=-size)
        return loss


def quadratic(optimizer, p):
    def closure():
        optimizer.zero_grad()
        loss = ((p - 3) ** 2).sum()
        loss.backward()
        return loss

    return closure


def test_an_optimizer_from_a_paper():
    p, q = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    mine, ours = OldAdam([p], lr=0.1), torch.optim.Adam([q], lr=0.1)
    for _ in range(20):
        mine.step(quadratic(mine, p))
        ours.step(quadratic(ours, q))
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4)
    twin = copy.deepcopy(mine)
    assert twin.param_groups[0]["amsgrad"] is False
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        OldAdam([p])
    assert repr(required) == "<required parameter>"


class Lookahead(Optimizer):
    """Wraps another optimizer and leaves Optimizer.__init__ out, as its published code does (Zhang et al., 2019)."""

    def __init__(self, base, alpha=0.5, k=2):
        self.optimizer, self.alpha, self.k = base, alpha, k
        self.param_groups, self.defaults = base.param_groups, base.defaults
        self.state = defaultdict(dict)
        for group in self.param_groups:
            group["counter"] = 0

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                slow = self.state[p].setdefault("slow", torch.zeros_like(p.data).copy_(p.data))
                if (group["counter"] + 1) % self.k == 0:
                    slow += (p.data - slow) * self.alpha
                    p.data.copy_(slow)
            group["counter"] += 1
        return loss


def test_a_wrapper_without_init():
    p = torch.zeros(2, requires_grad=True)
    optimizer = Lookahead(torch.optim.SGD([p], lr=0.1))
    scheduler = lr_scheduler.StepLR(optimizer, 5)
    losses = []
    for _ in range(10):
        losses.append(optimizer.step(quadratic(optimizer, p)).item())
        scheduler.step()
    assert losses[-1] < losses[0] / 3 and optimizer.param_groups[0]["lr"] == pytest.approx(0.001)


class SAM(Optimizer):
    """Sharpness-aware minimization (Foret et al., ICLR 2021): it shares its groups with an optimizer that it makes."""

    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def step(self, closure=None):
        closure = torch.enable_grad()(closure)
        norm = torch.norm(torch.stack([p.grad.norm(p=2) for g in self.param_groups for p in g["params"]]), p=2)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * (group["rho"] / (norm + 1e-12)))
        closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()


def test_sharpness_aware_minimization():
    p = torch.zeros(2, requires_grad=True)
    optimizer = SAM([p], torch.optim.SGD, lr=0.1, momentum=0.9)
    closure = quadratic(optimizer, p)
    first = closure().item()
    for _ in range(15):
        closure()
        optimizer.step(closure)
    assert closure().item() < first / 4


def test_use_grad_for_differentiable():
    class Descent(Optimizer):
        def __init__(self, params, lr=0.5, differentiable=False):
            super().__init__(params, dict(lr=lr, differentiable=differentiable))

        @_use_grad_for_differentiable
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                p.add_(p.grad, alpha=-_get_value(torch.tensor(self.param_groups[0]["lr"])))

    p = torch.ones(2, requires_grad=True)
    p.grad = torch.ones(2)
    Descent([p]).step()
    assert p.tolist() == [0.5, 0.5] and p.is_leaf
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        Descent([p], differentiable=True).step()
    assert _default_to_fused_or_foreach([p], False) == (False, False)


def test_hooks_of_all_optimizers():
    p, seen = torch.ones(1, requires_grad=True), []
    optimizer = torch.optim.SGD([p])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("own before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("own after"))
    handles = [
        register_optimizer_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("after")),
    ]
    optimizer.step()
    for h in handles:
        h.remove()
    optimizer.step()
    assert seen == ["before", "own before", "own after", "after", "own before", "own after"]


# ------------------------------------------------------------------------------------------------- differentiable steps
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD"])
def test_gradients_flow_through_a_step(name):
    """Two differentiable steps; the derivative of a loss after them by the start, against finite differences."""

    def after(start):
        p = start.clone()
        options = {"momentum": 0.9, "weight_decay": 0.1} if name == "SGD" else {}
        optimizer = getattr(torch.optim, name)([p], lr=0.1, differentiable=True, **options)
        for k in range(2):
            optimizer.state[p].setdefault("momentum_buffer", torch.zeros_like(start)) if name == "SGD" else None
            p.grad = (p * (k + 1.0)).sin()
            optimizer.step()
        return (p**3).sum()

    start = torch.tensor([0.7, -1.3], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(after(start), start)
    for i in range(2):
        bump = torch.zeros(2, dtype=torch.float64)
        bump[i] = 1e-6
        difference = (after(start.detach() + bump) - after(start.detach() - bump)) / 2e-6
        assert g[i].item() == pytest.approx(difference.item(), rel=1e-5)


def test_gradient_of_the_learning_rate():
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    p = torch.ones(2, dtype=torch.float64, requires_grad=True).clone()
    optimizer = torch.optim.Adam([p], lr=lr, differentiable=True, eps=0.0)
    p.grad = torch.tensor([2.0, -3.0], dtype=torch.float64)
    optimizer.step()
    (g,) = torch.autograd.grad(p.prod(), lr)  # (1 - lr)(1 + lr)
    assert g.item() == pytest.approx(-0.2)


def test_ways_of_running_that_do_not_go():
    p = torch.ones(2, requires_grad=True)
    p.grad = torch.ones(2)
    with pytest.raises(AssertionError, match="If capturable=True"):
        torch.optim.Adam([p], capturable=True).step()
    q = p.clone()
    q.grad = torch.ones(2)
    with pytest.raises(AssertionError, match="_foreach ops don't support autograd"):
        torch.optim.Adam([q], foreach=True, differentiable=True).step()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        torch.optim.SGD([p], differentiable=True).step()


# ------------------------------------------------------------------------------------------------------- newer optimizers
def test_muon_makes_orthogonal_steps():
    w = torch.zeros(6, 3, requires_grad=True)
    w.grad = torch.tensor(np.random.default_rng(0).standard_normal((6, 3)).astype("float32"))
    torch.optim.Muon([w], lr=1.0, weight_decay=0.0).step()
    sizes = np.linalg.svd(w.detach().numpy(), compute_uv=False) / math.sqrt(2)  # the step is scaled by sqrt(6 / 3)
    assert sizes.min() > 0.6 and sizes.max() < 1.3
    with pytest.raises(ValueError, match="less than 100"):
        torch.optim.Muon([w], ns_steps=100).step()


def test_complex_parameters_where_they_are_not_supported():
    z = torch.zeros(2, 2, dtype=torch.complex64).requires_grad_()
    z.grad = torch.zeros(2, 2, dtype=torch.complex64)
    for name in ("Adafactor", "Muon"):
        with pytest.raises(RuntimeError, match=f"{name} does not support complex parameters"):
            getattr(torch.optim, name)([z]).step()
    with pytest.raises(ValueError, match="SparseAdam does not support complex parameters"):
        torch.optim.SparseAdam([z])


def test_sparse_adam_leaves_other_rows_alone():
    table = torch.ones(4, 2, requires_grad=True)
    optimizer = torch.optim.SparseAdam([table], lr=0.5)
    for rows in ([1], [1, 3]):
        optimizer.zero_grad()
        torch.nn.functional.embedding(torch.tensor(rows), table).sum().backward()
        optimizer.step()
    assert table[0].tolist() == table[2].tolist() == [1.0, 1.0] and (table[1] < table[3]).all() and (table[3] < 1).all()
    assert optimizer.state[table]["step"] == 2


# ----------------------------------------------------------------------------------------------------- averages of weights
def models():
    """A model with batch norm at three moments of its training."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    r = np.random.default_rng(0)
    for i in range(3):
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.tensor(r.standard_normal(p.shape).astype("float32")))
            model[1].running_mean.fill_(float(i))
        yield model


@pytest.mark.parametrize(
    "options, weights",
    [
        ({}, [1 / 3, 1 / 3, 1 / 3]),
        ({"avg_fn": swa_utils.get_swa_avg_fn()}, [1 / 3, 1 / 3, 1 / 3]),
        ({"avg_fn": swa_utils.get_ema_avg_fn(0.75)}, [0.5625, 0.1875, 0.25]),
        ({"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.75)}, [0.5625, 0.1875, 0.25]),
        ({"avg_fn": lambda average, new, n: average + n * new}, [1, 1, 2]),
    ],
)
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averaged_model(options, weights, use_buffers):
    averaged, seen = None, []
    for model in models():
        averaged = averaged or swa_utils.AveragedModel(model, use_buffers=use_buffers, **options)
        averaged.update_parameters(model)
        seen.append(model[0].weight.detach().numpy().copy())
    expected = sum(w * x for w, x in zip(weights, seen))
    np.testing.assert_allclose(averaged.module[0].weight.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    mean = sum(w * i for i, w in enumerate(weights)) if use_buffers else 2.0
    np.testing.assert_allclose(averaged.module[1].running_mean.numpy(), mean, rtol=1e-5)
    assert averaged.n_averaged.item() == 3 and "module.0.weight" in averaged.state_dict()
    assert next(iter(averaged.state_dict())) == "n_averaged"
    assert averaged(torch.zeros(4, 3)).shape == (4, 2)


def test_averaged_model_refuses():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(torch.nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max)
    with pytest.raises(ValueError, match=r"Invalid decay value 1.5 provided"):
        swa_utils.get_ema_avg_fn(1.5)


def test_update_bn():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(2, momentum=0.3), torch.nn.Dropout(0.5)).eval()
    batches = [torch.tensor(np.random.default_rng(i).standard_normal((5, 2)).astype("float32")) for i in range(3)]
    swa_utils.update_bn([(b, "label") for b in batches], model, device="cpu")
    np.testing.assert_allclose(model[0].running_mean.numpy(), np.mean([b.numpy().mean(0) for b in batches], 0), rtol=1e-5)
    assert model[0].momentum == 0.3 and not model.training
    swa_utils.update_bn(None, torch.nn.Linear(1, 1))  # nothing to do


def test_swalr_refuses():
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
    with pytest.raises(ValueError, match="anneal_strategy must by one of 'cos' or 'linear'"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="steps")
    with pytest.raises(ValueError, match="anneal_epochs must be equal or greater than 0"):
        swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
