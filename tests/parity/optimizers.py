"""Optimizers and learning-rate schedules in both libraries: the same parameters after ten steps, the same rates."""

import inspect
import math
import warnings

import numpy as np
import torch
from optim_cases import CONFIGURATIONS

import minigrad

SHAPES = ((4, 3), (3, 5), (2, 3))  # Muon takes matrices alone
STEPS = 10


def configurations():
    """(class name, options): PyTorch's own optimizer database, and ours."""
    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db:
        if info.optim_cls.__name__ == "SparseAdam":
            continue
        takes = inspect.signature(info.optim_inputs_func).parameters
        for made in info.optim_inputs_func(**{"device": "cpu", **({"dtype": torch.float64} if "dtype" in takes else {})}):
            yield info.optim_cls.__name__, dict(made.kwargs)
    yield from CONFIGURATIONS


def trajectory(library, name, options, dtype="float64"):
    """The parameters after some steps towards targets, with a closure as LBFGS needs it."""
    rng = np.random.default_rng(0)
    params = [library.tensor(rng.standard_normal(s).astype(dtype)).requires_grad_() for s in SHAPES]
    targets = [library.tensor(rng.standard_normal(s).astype(dtype)) for s in SHAPES]
    options = {k: library.tensor(v.item()) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer = getattr(library.optim, name)(params, **options)

        def closure():
            optimizer.zero_grad()
            # Convex: where PyTorch's steps converge, a rounding error does not grow into another path.
            loss = sum(((p - t) ** 2).sum() * (i + 1) for i, (p, t) in enumerate(zip(params, targets))) / 10
            loss.backward()
            return loss

        losses = [float(optimizer.step(closure)) for _ in range(STEPS)]
    return [*(p.detach().numpy() for p in params), np.asarray(losses)]


def examine_optimizer(name, options):
    """None where float32 and float64 end where PyTorch's do, else a text."""
    for dtype, tolerance in (("float64", 1e-8), ("float32", 2e-4)):
        expected = trajectory(torch, name, options, dtype)
        try:
            found = trajectory(minigrad, name, options, dtype)
        except Exception as error:
            return f"{dtype}: {type(error).__name__}: {str(error)[:200]}"
        for a, b in zip(found, expected):
            if a.dtype != b.dtype or not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
                return f"{dtype}: {a.ravel()[:4]}, PyTorch {b.ravel()[:4]}"
    return None


SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.3}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 6}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 7, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.001}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    ("LambdaLR", {"lr_lambda": lambda step: 1 / math.sqrt(step + 1)}),
    ("MultiplicativeLR", {"lr_lambda": lambda step: 0.95}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "mode": "exp_range", "gamma": 0.9, "step_size_down": 2, "step_size_up": 4}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 12}),
    ("OneCycleLR", {"max_lr": 0.1, "epochs": 3, "steps_per_epoch": 4, "anneal_strategy": "linear", "three_phase": True}),
    ("ReduceLROnPlateau", {"patience": 1, "factor": 0.5, "cooldown": 1}),
    ("ReduceLROnPlateau", {"mode": "max", "threshold_mode": "abs", "threshold": 0.5, "patience": 0, "min_lr": 0.01}),
    ("SequentialLR", {}),
    ("ChainedScheduler", {}),
    ("LRScheduler", {}),
]
METRICS = (1.0, 0.9, 0.95, 0.97, 0.99, 0.99, 0.99, 0.5, 0.6, 0.7, 0.7, 0.7)


def rates(library, name, options):
    """The learning rates of two groups over twelve steps, and once more after saving and loading halfway."""
    found = []
    for restart in (False, True):
        optimizer, schedule = scheduled(library, name, options)
        for step in range(12 if name != "OneCycleLR" else 11):
            if restart and step == 6:
                saved, kept = schedule.state_dict(), [g["lr"] for g in optimizer.param_groups]
                optimizer, schedule = scheduled(library, name, options)
                for group, rate in zip(optimizer.param_groups, kept):
                    group["lr"] = rate
                schedule.load_state_dict(saved)
            optimizer.step()
            schedule.step(METRICS[step]) if name == "ReduceLROnPlateau" else schedule.step()
            found.append([float(g["lr"]) for g in optimizer.param_groups])
            found.append([float(r) for r in schedule.get_last_lr()])
    return np.asarray(found)


def scheduled(library, name, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w, v = (library.ones(2, requires_grad=True) for _ in range(2))
        optimizer = library.optim.SGD([{"params": [w]}, {"params": [v], "lr": 0.05}], lr=0.1, momentum=0.9)
        kinds = library.optim.lr_scheduler
        if name == "SequentialLR":
            parts = [kinds.LinearLR(optimizer, 0.1, total_iters=3), kinds.ExponentialLR(optimizer, 0.8)]
            return optimizer, kinds.SequentialLR(optimizer, parts, milestones=[3])
        if name == "ChainedScheduler":
            return optimizer, kinds.ChainedScheduler([kinds.ConstantLR(optimizer, 0.1, 2), kinds.ExponentialLR(optimizer, 0.9)])
        if name == "LRScheduler":
            return optimizer, type("Halving", (kinds.LRScheduler,), {"get_lr": halved})(optimizer)
        return optimizer, getattr(kinds, name)(optimizer, **options)


def halved(self):
    return [base * 0.5**self.last_epoch for base in self.base_lrs]


def examine_schedule(name, options):
    expected = rates(torch, name, options)
    try:
        found = rates(minigrad, name, options)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None if np.allclose(found, expected, rtol=1e-12, atol=0) else f"{found[:6, 0]}, PyTorch {expected[:6, 0]}"
