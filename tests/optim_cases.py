"""Settings and helpers that the tests of the optimizers share."""

import numpy as np
import pytest

from minigrad.tensor import wrap

SHAPES = [(3, 4), (4,), (), (2, 0)]


def parameters(dtype="float32", seed=0):
    r = np.random.default_rng(seed)
    return [wrap(np.asarray(r.standard_normal(s), dtype)).requires_grad_() for s in SHAPES]


def gradients(step, dtype="float32"):
    r = np.random.default_rng(1000 + step)
    return [np.asarray(r.standard_normal(s), dtype) for s in SHAPES]


def run(optimizer, params, steps, dtype="float32", start=0):
    for i in range(start, start + steps):
        for p, g in zip(params, gradients(i, dtype)):
            p.grad = wrap(g.copy())
        optimizer.step()


ADAM_OPTIONS = [{}, {"amsgrad": True}, {"weight_decay": 0.1}, {"maximize": True}, {"betas": (0.5, 0.9), "eps": 1e-3},
                {"amsgrad": True, "weight_decay": 0.1, "maximize": True}]  # fmt: skip
CONFIGURATIONS = [
    *[("SGD", o) for o in (
        {}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1, "maximize": True}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1})],
    *[("Adam", o) for o in (*ADAM_OPTIONS, {"decoupled_weight_decay": True, "weight_decay": 0.1})],
    *[("AdamW", o) for o in (*ADAM_OPTIONS, {"weight_decay": 0.0})],
    *[("Adamax", o) for o in ({}, {"weight_decay": 0.1, "maximize": True}, {"betas": (0.5, 0.9), "eps": 1e-3})],
    *[("NAdam", o) for o in ({}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True},
                             {"momentum_decay": 0.1, "maximize": True})],
    *[("RAdam", o) for o in ({}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True},
                             {"betas": (0.5, 0.9), "maximize": True})],
    *[("RMSprop", o) for o in ({}, {"momentum": 0.9}, {"centered": True}, {"weight_decay": 0.1, "maximize": True},
                               {"momentum": 0.9, "centered": True, "weight_decay": 0.1, "alpha": 0.8})],
    *[("Adagrad", o) for o in ({}, {"lr_decay": 0.1}, {"weight_decay": 0.1, "maximize": True},
                               {"initial_accumulator_value": 0.5})],
    *[("Adadelta", o) for o in ({}, {"rho": 0.5, "weight_decay": 0.1}, {"eps": 1e-2, "maximize": True})],
    *[("Rprop", o) for o in ({}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)}, {"maximize": True})],
    *[("ASGD", o) for o in ({}, {"lambd": 0.1, "alpha": 0.5}, {"t0": 5, "weight_decay": 0.1}, {"maximize": True})],
]  # fmt: skip
configurations = pytest.mark.parametrize(
    "name, options", CONFIGURATIONS, ids=lambda v: v if isinstance(v, str) else "-".join(v) or "plain"
)
RULES = sorted({name for name, _ in CONFIGURATIONS})


def rosenbrock(w):
    return ((1 - w[:-1]) ** 2).sum() + 10 * ((w[1:] - w[:-1] ** 2) ** 2).sum()


WOLFE = {"line_search_fn": "strong_wolfe"}
LBFGS_OPTIONS = [
    {},
    {"lr": 0.1},
    WOLFE,
    {**WOLFE, "history_size": 2, "max_iter": 5},
    {"lr": 0.5, "history_size": 3, "max_eval": 4},
]

ERRORS = [
    ("SGD", {"lr": -1.0}, "Invalid learning rate: -1.0"),
    ("SGD", {"momentum": -0.5}, "Invalid momentum value: -0.5"),
    ("SGD", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
    ("Adam", {"lr": -1.0}, "Invalid learning rate: -1.0"),
    ("Adam", {"eps": -1.0}, "Invalid epsilon value: -1.0"),
    ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
    ("AdamW", {"betas": (0.9, -1.0)}, "Invalid beta parameter at index 1: -1.0"),
    ("AdamW", {"weight_decay": -1.0}, "Invalid weight_decay value: -1.0"),
    ("RMSprop", {"alpha": -1.0}, "Invalid alpha value: -1.0"),
    ("RMSprop", {"momentum": -1.0}, "Invalid momentum value: -1.0"),
    ("Adagrad", {"lr_decay": -1.0}, "Invalid lr_decay value: -1.0"),
    ("Adagrad", {"initial_accumulator_value": -1.0}, "Invalid initial_accumulator_value value: -1.0"),
    ("Adadelta", {"rho": 1.1}, "Invalid rho value: 1.1"),
    ("NAdam", {"momentum_decay": -0.2}, "Invalid momentum_decay value: -0.2"),
    ("Rprop", {"etas": (1.0, 0.5)}, "Invalid eta values: 1.0, 0.5"),
    ("ASGD", {"weight_decay": -0.5}, "Invalid weight_decay value: -0.5"),
    ("Adamax", {"betas": (0.0, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
    ("RAdam", {"eps": -1}, "Invalid epsilon value: -1"),
    ("Adafactor", {"beta2_decay": 0.8}, "beta2_decay should be <= 0 but is: 0.8"),
    ("Adafactor", {"d": 0.5}, "Clipping threshold d should be >= 1 but is: 0.5"),
    ("Adafactor", {"eps": (-1e-30, 1e-3)}, "epsilon1 should be >= 0 but is: -1e-30"),
    ("SparseAdam", {"lr": 0.0}, "Invalid learning rate: 0.0"),
    ("LBFGS", {"lr": -1}, "Invalid learning rate: -1"),
]
