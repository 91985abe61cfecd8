"""Learning rate schedules: their numbers against PyTorch, resuming, warnings and errors."""

import copy
import warnings

import numpy as np
import pytest

import minigrad
from minigrad.optim import lr_scheduler


def triangle(x):
    return 0.9**x


SCHEDULES = [
    ("StepLR", {"step_size": 3}), ("StepLR", {"step_size": 2, "gamma": 0.5}), ("MultiStepLR", {"milestones": [2, 5, 5]}),
    ("ExponentialLR", {"gamma": 0.9}), ("CosineAnnealingLR", {"T_max": 7}), ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": triangle}), ("LambdaLR", {"lr_lambda": [triangle, lambda e: 1 / (e + 1)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda e: 0.95}), ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 8}), ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 3}), ("PolynomialLR", {"total_iters": 9, "power": 2.0}), ("PolynomialLR", {}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}), ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [1.0, 2.0], "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "scale_fn": triangle, "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 25}),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "epochs": 5, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 25, "three_phase": True, "pct_start": 0.4}),
]  # fmt: skip
schedules = pytest.mark.parametrize("name, options", SCHEDULES, ids=lambda v: v if isinstance(v, str) else "-".join(v) or "plain")


def optimizer_of(library, kind="SGD"):
    groups = [{"params": [library.ones(1, requires_grad=True)]}, {"params": [library.ones(1, requires_grad=True)], "lr": 0.3}]
    return getattr(library.optim, kind)(groups, lr=0.8, **({"momentum": 0.9} if kind == "SGD" else {}))


def rates(library, make, steps=20, kind="SGD"):
    optimizer = optimizer_of(library, kind)
    scheduler = make(library.optim.lr_scheduler, optimizer)
    found = []
    for _ in range(steps):
        group = optimizer.param_groups[0]
        momentum = group["momentum"] if kind == "SGD" else group["betas"][0]
        found.append([*scheduler.get_last_lr(), *(g["lr"] for g in optimizer.param_groups), momentum])
        optimizer.step()
        scheduler.step()
    return found, scheduler


@pytest.mark.parity
@schedules
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_schedules_equal_pytorch(name, options, kind):
    import torch

    def make(module, optimizer):
        return getattr(module, name)(optimizer, **options)

    (ours, a), (theirs, b) = rates(minigrad, make, kind=kind), rates(torch, make, kind=kind)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    assert set(b.state_dict()) <= set(a.state_dict())


@pytest.mark.parity
@pytest.mark.parametrize("nested", [False, True])
def test_combined_schedules_equal_pytorch(nested):
    import torch

    def make(m, o):
        parts = [m.ConstantLR(o, 0.5, 3), m.ExponentialLR(o, 0.9), m.CosineAnnealingLR(o, 5)]
        if nested:
            return m.SequentialLR(o, [m.SequentialLR(o, parts[:2], [4]), parts[2]], [9])
        return m.SequentialLR(o, parts, [4, 9])

    def chained(m, o):
        return m.ChainedScheduler([m.LinearLR(o), m.ExponentialLR(o, 0.9)])

    for build in (make, chained):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a sequence in a sequence makes PyTorch think that the order of the steps is wrong
            np.testing.assert_allclose(rates(minigrad, build)[0], rates(torch, build)[0], rtol=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("options", [
    {}, {"patience": 2}, {"patience": 1, "cooldown": 3, "factor": 0.5}, {"patience": 0, "min_lr": [0.1, 0.2]},
    {"patience": 0, "threshold": 0.3, "threshold_mode": "abs"}, {"mode": "max", "patience": 1},
    {"mode": "max", "patience": 1, "threshold_mode": "abs", "threshold": 0.2}])  # fmt: skip
def test_plateau_equals_pytorch(options):
    import torch

    losses = [3.0, 2.5, 2.6, 2.49999, 2.4, 2.45, 2.5, 2.5, 2.5, 2.0, 2.0, 2.1, 2.2, 2.2, 1.0, 1.5, 1.5]
    found = []
    for library in (minigrad, torch):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        seen = []
        for loss in losses:
            scheduler.step(loss)
            seen.append(list(scheduler.get_last_lr()))
        found.append(seen)
    assert found[0] == found[1]


@pytest.mark.parity
@schedules
def test_closed_forms_equal_pytorch(name, options):
    import torch

    found = []
    for library in (minigrad, torch):
        optimizer = optimizer_of(library)
        scheduler = getattr(library.optim.lr_scheduler, name)(optimizer, **options)
        seen = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (4, 1, 9):
                scheduler.step(epoch)
                seen.append(list(scheduler.get_last_lr()))
        found.append(seen)
    for x, y in zip(*found):
        assert x == pytest.approx(y, rel=1e-12)


@schedules
def test_closed_forms_are_the_steps(name, options):
    steps, _ = rates(minigrad, lambda m, o: getattr(m, name)(o, **options), steps=9)
    optimizer = optimizer_of(minigrad)
    scheduler = getattr(lr_scheduler, name)(optimizer, **options)
    if not hasattr(scheduler, "_get_closed_form_lr"):
        return
    for epoch in (4, 1, 8):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            scheduler.step(epoch)
        assert any("The epoch parameter in `scheduler.step()`" in str(w.message) for w in seen)
        assert scheduler.get_last_lr() == pytest.approx(steps[epoch][:2])


def test_warm_restarts_jump():
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer_of(minigrad), T_0=2, T_mult=2)
    seen = []
    for epoch in (0.5, 3, 6, 5.5, 0):
        scheduler.step(epoch)
        seen.append(scheduler.get_last_lr()[0])
    expected = [0.4 * (1 + np.cos(np.pi * t)) for t in (0.25, 0.25, 0.0, 3.5 / 4, 0.0)]
    assert seen == pytest.approx(expected)
    with pytest.raises(ValueError, match="Expected non-negative epoch"):
        scheduler.step(-1)


def test_plateau_by_hand():
    def last(losses, **options):
        optimizer = optimizer_of(minigrad)
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, **options)
        for loss in losses:
            scheduler.step(loss)
        return scheduler.get_last_lr()

    assert last([3, 2, 1], patience=0) == [0.8, 0.3]
    assert last([1, 1, 1], patience=1) == [0.4, 0.15]
    assert last([1, 1, 1, 1], patience=0, cooldown=2) == [0.4, 0.15]
    assert last([1, 1, 1], patience=0, min_lr=[0.7, 0.2]) == [0.7, 0.2]
    assert last([1, 1.05], patience=0, mode="max", threshold=0.1, threshold_mode="abs") == [0.4, 0.15]
    assert last([1, 1.05], patience=0, mode="max") == [0.8, 0.3]
    with pytest.warns(UserWarning, match="epoch parameter"):
        lr_scheduler.ReduceLROnPlateau(optimizer_of(minigrad)).step(1.0, epoch=3)
    optimizer = optimizer_of(minigrad)
    for min_lr in (0, [0, 0]):
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=min_lr)
        scheduler.step(1.0)
        optimizer.add_param_group({"params": [minigrad.ones(1, requires_grad=True)]})
        if min_lr == 0:
            scheduler.step(1.0)
            assert len(scheduler.min_lrs) == 3
            optimizer.param_groups.pop()
        else:
            with pytest.raises(RuntimeError, match="modify the `min_lrs` field"):
                scheduler.step(1.0)


def test_user_schedules():
    optimizer = optimizer_of(minigrad)
    with pytest.raises(NotImplementedError, match="must define get_lr"):
        lr_scheduler.LRScheduler(optimizer)


@schedules
def test_schedules_resume(name, options):
    whole, _ = rates(minigrad, lambda m, o: getattr(m, name)(o, **options))
    optimizer = optimizer_of(minigrad)
    scheduler = getattr(lr_scheduler, name)(optimizer, **options)
    for _ in range(6):
        optimizer.step()
        scheduler.step()
    saved = copy.deepcopy((scheduler.state_dict(), optimizer.state_dict()))
    optimizer = optimizer_of(minigrad)
    scheduler = getattr(lr_scheduler, name)(optimizer, **options)
    scheduler.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    for expected in whole[6:]:
        assert scheduler.get_last_lr() == expected[:2] == [g["lr"] for g in optimizer.param_groups]
        optimizer.step()
        scheduler.step()


def test_combined_schedules_resume():
    def make(o):
        return lr_scheduler.SequentialLR(o, [lr_scheduler.LinearLR(o, total_iters=3), lr_scheduler.ExponentialLR(o, 0.5)], [3])

    optimizer = optimizer_of(minigrad)
    scheduler, seen = make(optimizer), []
    for i in range(8):
        if i == 4:
            saved = copy.deepcopy((scheduler.state_dict(), optimizer.state_dict()))
        seen.append(scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    optimizer = optimizer_of(minigrad)
    scheduler = make(optimizer)
    scheduler.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    for expected in seen[4:]:
        assert scheduler.get_last_lr() == expected
        optimizer.step()
        scheduler.step()


def test_plateau_resumes():
    optimizer = optimizer_of(minigrad)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
    for loss in (1.0, 1.0, 1.0):
        scheduler.step(loss)
    other = lr_scheduler.ReduceLROnPlateau(optimizer, patience=9)
    other.load_state_dict(scheduler.state_dict())
    other.step(1.0)
    assert other.get_last_lr() == pytest.approx([0.08, 0.03])


def test_callable_objects_keep_their_attributes():
    class Decay:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor**x

    optimizer = optimizer_of(minigrad)
    a = lr_scheduler.LambdaLR(optimizer, Decay(0.5))
    b = lr_scheduler.LambdaLR(optimizer, Decay(0.1))
    b.load_state_dict(a.state_dict())
    assert b.lr_lambdas[0].factor == 0.5
    c = lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, scale_fn=Decay(0.5))
    d = lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, scale_fn=Decay(0.1))
    d.load_state_dict(c.state_dict())
    assert d.scale_fn(1) == 0.5


def test_order_of_the_two_steps():
    optimizer = optimizer_of(minigrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    optimizer = optimizer_of(minigrad)
    optimizer.step()  # before there is a schedule: does not count
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"before `optimizer\.step"):
        scheduler.step()
    optimizer = optimizer_of(minigrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def test_schedule_errors():
    optimizer = optimizer_of(minigrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        scheduler.get_lr()
    with pytest.raises(TypeError, match="str is not an Optimizer"):
        lr_scheduler.StepLR("optimizer", 2)
    with pytest.raises(KeyError, match=r"'initial_lr' is not specified in param_groups"):
        lr_scheduler.StepLR(optimizer_of(minigrad), 2, last_epoch=3)
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        lr_scheduler.LambdaLR(optimizer, [lambda e: 1])
    with pytest.raises(TypeError, match="lr_lambda should be a function"):
        lr_scheduler.MultiplicativeLR(optimizer, 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        lr_scheduler.ConstantLR(optimizer, factor=2)
    with pytest.raises(ValueError, match="Starting multiplicative factor"):
        lr_scheduler.LinearLR(optimizer, start_factor=0)
    with pytest.raises(ValueError, match="Ending multiplicative factor"):
        lr_scheduler.LinearLR(optimizer, end_factor=2)
    with pytest.raises(ValueError, match="at least one scheduler"):
        lr_scheduler.ChainedScheduler([])
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        lr_scheduler.SequentialLR(optimizer, [lr_scheduler.ReduceLROnPlateau(optimizer)], [])
    with pytest.raises(ValueError, match="one more than the number of milestone"):
        lr_scheduler.SequentialLR(optimizer, [scheduler], [1])
    with pytest.raises(ValueError, match="belong to the same optimizer"):
        lr_scheduler.SequentialLR(optimizer_of(minigrad), [scheduler], [])
    with pytest.raises(TypeError, match="should have `optimizer`"):
        lr_scheduler.ChainedScheduler([scheduler, object()])
    with pytest.raises(ValueError, match=r"Factor should be < 1\.0"):
        lr_scheduler.ReduceLROnPlateau(optimizer, factor=1.0)
    with pytest.raises(ValueError, match="mode up is unknown"):
        lr_scheduler.ReduceLROnPlateau(optimizer, mode="up")
    with pytest.raises(ValueError, match="threshold mode x is unknown"):
        lr_scheduler.ReduceLROnPlateau(optimizer, threshold_mode="x")
    with pytest.raises(ValueError, match="expected 2 min_lrs, got 1"):
        lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=[0.1])
    with pytest.raises(ValueError, match="Expected positive integer T_0"):
        lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 0)
    with pytest.raises(ValueError, match="Expected integer T_mult >= 1"):
        lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 1, 0)
    with pytest.raises(ValueError, match="mode is invalid"):
        lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, mode="square")
    with pytest.raises(ValueError, match="must support momentum or beta1"):
        lr_scheduler.CyclicLR(optimizer_of(minigrad, "Adagrad"), 0.1, 1.0)
    with pytest.raises(ValueError, match="max_lr must have the same length"):
        lr_scheduler.CyclicLR(optimizer, 0.1, [1.0])
    with pytest.raises(ValueError, match="total_steps OR"):
        lr_scheduler.OneCycleLR(optimizer, 1.0)
    with pytest.raises(ValueError, match="Expected positive integer total_steps"):
        lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=0)
    with pytest.raises(ValueError, match="Expected float between 0 and 1 pct_start"):
        lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=5, pct_start=2.0)
    with pytest.raises(ValueError, match="anneal_strategy must be"):
        lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=5, anneal_strategy="x")
    short = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=2)
    optimizer.step()
    short.step()
    short.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        short.step()


def test_schedules_of_users_under_the_old_name():
    class Warmup(lr_scheduler._LRScheduler):
        def __init__(self, optimizer, steps, last_epoch=-1):
            self.steps = steps
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            return [lr * min(1, (self.last_epoch + 1) / self.steps) for lr in self.base_lrs]

    p = minigrad.ones(1, requires_grad=True)
    optimizer = minigrad.optim.SGD([p], lr=1.0)
    schedule = Warmup(optimizer, 4)
    rates = [schedule.get_last_lr()[0]]
    for _ in range(4):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0] and isinstance(schedule, lr_scheduler.LRScheduler)
