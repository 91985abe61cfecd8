"""Optimizers and learning rate schedules: the numbers by hand and against PyTorch, groups, state dicts, hooks, errors."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import minigrad
from minigrad import kernels, optim
from minigrad.optim import lr_scheduler
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
    *[("Adagrad", o) for o in ({}, {"lr_decay": 0.1}, {"weight_decay": 0.1, "maximize": True}, {"initial_accumulator_value": 0.5})],
    *[("Adadelta", o) for o in ({}, {"rho": 0.5, "weight_decay": 0.1}, {"eps": 1e-2, "maximize": True})],
    *[("Rprop", o) for o in ({}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)}, {"maximize": True})],
    *[("ASGD", o) for o in ({}, {"lambd": 0.1, "alpha": 0.5}, {"t0": 5, "weight_decay": 0.1}, {"maximize": True})],
]  # fmt: skip
configurations = pytest.mark.parametrize("name, options", CONFIGURATIONS, ids=lambda v: v if isinstance(v, str) else "-".join(v) or "plain")
RULES = sorted({name for name, _ in CONFIGURATIONS})


# ---------------------------------------------------------------------------------------------------------------- parity
@pytest.mark.parity
@configurations
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_twenty_steps_equal_pytorch(name, options, dtype):
    import torch

    ours = parameters(dtype)
    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in ours]
    a = getattr(optim, name)(ours, lr=0.05, foreach=False, **options)
    b = getattr(torch.optim, name)(theirs, lr=0.05, foreach=False, **options)
    for i in range(20):
        run(a, ours, 1, dtype, start=i)
        for p, g in zip(theirs, gradients(i, dtype)):
            p.grad = torch.tensor(g)
        b.step()
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=tolerance, atol=tolerance)
    compare_states(a.state_dict(), b.state_dict(), tolerance)


def compare_states(ours, theirs, tolerance):
    assert ours["param_groups"] == theirs["param_groups"]
    assert list(ours["state"]) == list(theirs["state"])
    for i, state in theirs["state"].items():
        assert list(ours["state"][i]) == list(state)
        for key, value in state.items():
            mine = ours["state"][i][key]
            assert str(mine.dtype).split(".")[1] == str(value.dtype).split(".")[1] and tuple(mine.shape) == tuple(value.shape), key
            np.testing.assert_allclose(mine.array, value.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parity
@configurations
def test_state_dict_of_pytorch_continues_here(name, options):
    import torch

    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in parameters()]
    b = getattr(torch.optim, name)(theirs, lr=0.05, foreach=False, **options)

    def their_steps(start, n):
        for i in range(start, start + n):
            for p, g in zip(theirs, gradients(i)):
                p.grad = torch.tensor(g)
            b.step()

    their_steps(0, 3)
    ours = [wrap(p.detach().numpy().copy()).requires_grad_() for p in theirs]
    a = getattr(optim, name)(ours, lr=0.9, **options)
    saved = b.state_dict()
    saved = {"param_groups": saved["param_groups"],
             "state": {i: {k: v if v is None else wrap(v.numpy().copy()) for k, v in s.items()} for i, s in saved["state"].items()}}  # fmt: skip
    a.load_state_dict(saved)
    run(a, ours, 3, start=3)
    their_steps(3, 3)
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parity
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_near_pytorch(name, half):
    import torch

    r = np.random.default_rng(0)
    start, slopes = r.standard_normal((5, 3)).astype("float32"), r.standard_normal((6, 5, 3)).astype("float32")
    options = {"eps": 1e-3} if name not in ("SGD", "ASGD", "Rprop") else {}
    p = minigrad.tensor(start).to(getattr(minigrad, half)).requires_grad_()
    q = torch.tensor(start).to(getattr(torch, half)).requires_grad_()
    a, b = getattr(optim, name)([p], lr=0.05, **options), getattr(torch.optim, name)([q], lr=0.05, foreach=False, **options)
    for g in slopes:
        p.grad, q.grad = minigrad.tensor(g).to(p.dtype), torch.tensor(g).to(q.dtype)
        a.step()
        b.step()
    assert p.dtype is getattr(minigrad, half)
    np.testing.assert_allclose(p.array.astype("float32"), q.detach().float().numpy(), atol=0.06 if half == "bfloat16" else 0.01)


@pytest.mark.parity
@pytest.mark.parametrize("name", RULES)
def test_complex_parameters_equal_pytorch(name):
    import torch

    r = np.random.default_rng(0)
    start = (r.standard_normal((3, 2)) + 1j * r.standard_normal((3, 2))).astype("complex64")
    p, q = wrap(start.copy()).requires_grad_(), torch.tensor(start, requires_grad=True)
    a, b = getattr(optim, name)([p], lr=0.05), getattr(torch.optim, name)([q], lr=0.05, foreach=False)
    for i in range(5):
        g = (r.standard_normal((3, 2)) + 1j * r.standard_normal((3, 2))).astype("complex64")
        p.grad, q.grad = wrap(g.copy()), torch.tensor(g)
        a.step()
        b.step()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-4, atol=1e-5)


def rosenbrock(w):
    return ((1 - w[:-1]) ** 2).sum() + 10 * ((w[1:] - w[:-1] ** 2) ** 2).sum()


LBFGS_OPTIONS = [{}, {"lr": 0.1}, {"line_search_fn": "strong_wolfe"}, {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 5},
                 {"lr": 0.5, "history_size": 3, "max_eval": 4}]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("options", LBFGS_OPTIONS, ids=lambda o: "-".join(map(str, o.values())) or "plain")
def test_lbfgs_equals_pytorch(options):
    import torch

    start = np.array([-1.2, 1.0, 0.5, -0.3])
    p, q = wrap(start.copy()).requires_grad_(), torch.tensor(start, requires_grad=True)
    options = {"lr": 0.01, **options} if "line_search_fn" not in options else options
    a, b = optim.LBFGS([p], **options), torch.optim.LBFGS([q], **options)

    def closure_of(optimizer, w):
        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(w)
            loss.backward()
            return loss

        return closure

    for _ in range(5):
        x, y = a.step(closure_of(a, p)), b.step(closure_of(b, q))
        np.testing.assert_allclose(x.item(), y.item(), rtol=1e-6)
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-5, atol=1e-7)
    mine, their = a.state_dict()["state"][0], b.state_dict()["state"][0]
    assert (mine["func_evals"], mine["n_iter"]) == (their["func_evals"], their["n_iter"])


# ------------------------------------------------------------------------------------------------------------- the rules
@configurations
def test_kernel_and_text_agree(name, options):
    results = []
    for flag in (True, False):
        with kernels.use_kernels(flag):
            params = parameters()
            run(getattr(optim, name)(params, lr=0.05, **options), params, 5)
            results.append([p.array.copy() for p in params])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_non_contiguous_parameters(name):
    base = np.random.default_rng(0).standard_normal((4, 6)).astype("float32")
    plain, odd = wrap(base[::2, ::-1].copy()).requires_grad_(), wrap(base[::2, ::-1]).requires_grad_()
    for p in (plain, odd):
        optimizer = getattr(optim, name)([p])
        for i in range(3):
            p.grad = wrap(np.random.default_rng(i).standard_normal((2, 6)).astype("float32"))
            optimizer.step()
    np.testing.assert_allclose(odd.array, plain.array, rtol=1e-6)
    assert np.shares_memory(odd.array, base)


@pytest.mark.parametrize("name", [*RULES, "LBFGS"])
def test_descends(name):
    w = minigrad.tensor([3.0, -2.0], requires_grad=True)
    optimizer = getattr(optim, name)([w], lr={"Adadelta": 50.0, "Adagrad": 1.0}.get(name, 0.1))

    def closure():
        optimizer.zero_grad()
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        return loss

    first = float(closure())
    for _ in range(30):
        loss = optimizer.step(closure)
    assert float(loss) < 0.5 * first


def test_adam_by_hand():
    """Kingma and Ba, algorithm 1, in double precision."""
    w, m, v = np.array([1.0, -2.0]), 0.0, 0.0
    p = wrap(w.copy()).requires_grad_()
    optimizer = optim.Adam([p], lr=0.1, betas=(0.8, 0.9), eps=1e-6)
    for t in range(1, 5):
        g = np.array([0.5, -1.0]) * t
        p.grad = wrap(g.copy())
        optimizer.step()
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        w = w - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-6)
    np.testing.assert_allclose(p.array, w, rtol=1e-12)
    assert float(optimizer.state[p]["step"]) == 4


def test_writes_in_place_and_is_seen():
    """The memory stays the same, and a gradient that needs the old value says so."""
    p = minigrad.tensor([1.0, 2.0], requires_grad=True)
    memory, loss = p.array, (p * p).sum()
    p.grad = minigrad.ones(2)
    optim.SGD([p], lr=0.5).step()
    assert p.array is memory and p.array.tolist() == [0.5, 1.5]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_parameters_without_gradient_are_left_alone():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    optimizer = optim.Adam([p, q])
    p.grad = minigrad.ones(2)
    optimizer.step()
    assert q.array.tolist() == [1.0, 1.0] and list(optimizer.state_dict()["state"]) == [0]


# ---------------------------------------------------------------------------------------------- groups, states and hooks
def test_parameter_groups():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 1.0}], lr=0.5)
    p.grad = q.grad = minigrad.ones(2)
    optimizer.step()
    assert p.array.tolist() == [0.5, 0.5] and q.array.tolist() == [0.0, 0.0]
    optimizer.add_param_group({"params": minigrad.ones(3, requires_grad=True), "momentum": 0.9})
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9]
    assert optimizer.state_dict()["param_groups"][2]["params"] == [2]


def test_named_parameters():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    optimizer = optim.AdamW([("weight", p), ("bias", q)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    assert "param_names: ['weight', 'bias']" in repr(optimizer)
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("weight", p), q])
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [minigrad.ones(1, requires_grad=True)]})


def test_lr_as_a_tensor():
    p = minigrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([p], lr=minigrad.tensor(0.5))
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for expected in (0.5, 0.25):
        p.grad = minigrad.ones(2)
        optimizer.step()
        scheduler.step()
        assert p.array.tolist() == [expected] * 2
    assert isinstance(scheduler.get_last_lr()[0], minigrad.Tensor)
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        optim.SGD([p], lr=minigrad.ones(2))


def test_zero_grad():
    p = minigrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([p])
    p.grad = minigrad.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("name", [*RULES, "LBFGS"])
def test_resuming_from_a_state_dict_is_exact(name):
    def closure_of(optimizer, params):
        def closure():
            optimizer.zero_grad()
            loss = sum(((p - 0.3) ** 2).sum() * (i + 1) for i, p in enumerate(params))
            loss.backward()
            return loss

        return closure

    whole, parts = parameters(), parameters()
    a = getattr(optim, name)(whole)
    for _ in range(6):
        a.step(closure_of(a, whole))
    b = getattr(optim, name)(parts)
    for _ in range(3):
        b.step(closure_of(b, parts))
    saved, values = copy.deepcopy(b.state_dict()), [wrap(p.array.copy()).requires_grad_() for p in parts]
    c = getattr(optim, name)(values, lr=0.77)
    c.load_state_dict(saved)
    for _ in range(3):
        c.step(closure_of(c, values))
    for p, q in zip(whole, values):
        assert p.array.tobytes() == q.array.tobytes()


def test_loaded_state_is_a_copy_in_the_parameters_dtype():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, dtype=minigrad.float64, requires_grad=True)
    a, b = optim.Adam([p]), optim.Adam([q])
    p.grad = minigrad.ones(2)
    a.step()
    b.load_state_dict(a.state_dict())
    state = b.state[q]
    assert state["exp_avg"].dtype is minigrad.float64 and state["step"].dtype is minigrad.float32
    a.step()
    assert float(state["step"]) == 1.0


def test_old_state_dicts_are_completed():
    p = minigrad.ones(2, requires_grad=True)
    optimizer = optim.AdamW([p])
    state = {"step": 3, "exp_avg": minigrad.zeros(2), "exp_avg_sq": minigrad.ones(2)}
    optimizer.load_state_dict({"state": {0: state}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0, "params": [0]}]})
    p.grad = minigrad.ones(2)
    optimizer.step()
    assert float(optimizer.state[p]["step"]) == 4 and optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_state_dict_that_does_not_fit():
    p = minigrad.ones(2, requires_grad=True)
    one = optim.SGD([p]).state_dict()
    two = optim.SGD([{"params": [p]}, {"params": [minigrad.ones(1, requires_grad=True)]}])
    with pytest.raises(ValueError, match="different number of parameter groups: 1"):
        two.load_state_dict(one)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.SGD([p, minigrad.ones(1, requires_grad=True)]).load_state_dict(one)


def test_pickle_and_deepcopy():
    params = parameters()
    optimizer = optim.Adam(params)
    run(optimizer, params, 2)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        theirs = twin.param_groups[0]["params"]
        run(twin, theirs, 2, start=2)
        assert float(twin.state[theirs[0]]["step"]) == 4
    run(optimizer, params, 2, start=2)
    np.testing.assert_array_equal(params[0].array, theirs[0].array)


def test_hooks():
    p, seen = minigrad.ones(1, requires_grad=True), []
    optimizer = optim.SGD([p], lr=1.0)
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        optimizer.register_state_dict_post_hook(lambda o, d: {**d, "more": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append("load")),
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded")),
        optimizer.register_state_dict_pre_hook(lambda o: seen.append("save")),
    ]
    optimizer.step()
    assert optimizer.state_dict()["more"] == 1
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["before", "after", "save", "save", "load", "loaded"]
    for h in handles:
        h.remove()
    optimizer.step()
    assert len(seen) == 6
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((lambda: 5.0,), {}))
    assert optimizer.step() == 5.0
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_run_once_in_a_subclass():
    class Twice(optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    p, seen = minigrad.ones(1, requires_grad=True), []
    optimizer = Twice([p], lr=1.0)
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    p.grad = minigrad.ones(1)
    optimizer.step()
    assert p.item() == -1.0 and seen == [1]


def test_hook_order():
    p, seen = minigrad.ones(1, requires_grad=True), []
    optimizer = optim.SGD([p])
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(1))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(2))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(0), prepend=True)
    optimizer.state_dict()
    assert seen == [0, 1, 2]


def test_repr_is_pytorchs():
    text = repr(optim.SGD([minigrad.ones(1, requires_grad=True)], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n") and text.endswith("weight_decay: 0\n)")


P = "params"
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
    ("LBFGS", {"lr": -1}, "Invalid learning rate: -1"),
]


@pytest.mark.parametrize("name, options, message", ERRORS)
def test_settings_out_of_range(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([minigrad.ones(1, requires_grad=True)], **options)


@pytest.mark.parity
@pytest.mark.parametrize("name, options, message", ERRORS)
def test_messages_are_pytorchs(name, options, message):
    import torch

    with pytest.raises(ValueError, match=message):
        getattr(torch.optim, name)([torch.ones(1, requires_grad=True)], **options)


def test_parameters_that_cannot_be_optimized():
    p = minigrad.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="should be an iterable of Tensors or dicts"):
        optim.SGD(p)
    with pytest.raises(TypeError, match="can only optimize Tensors, but one of the params is"):
        optim.SGD([1.0])
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor.*MulBackward0"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match=r"can't optimize a Tensor of dtype minigrad.int64.*\.float\(\)"):
        optim.SGD([minigrad.tensor([1, 2])])
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD([{"params": {p}}])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([p]).add_param_group([p])
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": [p]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])
    with pytest.raises(NotImplementedError, match="differentiable=True"):
        optim.Adam([p], differentiable=True)
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
        optim.Adam([p], fused=True, foreach=True)
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": [p]}, {"params": [minigrad.ones(1, requires_grad=True)]}])
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([p], line_search_fn="armijo")
    optim.Adam([p], foreach=True, capturable=False)
    optim.Adam([p], fused=True)


def test_required_options_and_the_base_class():
    from minigrad.optim.optimizer import required

    p = minigrad.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        optim.Optimizer([p], {"lr": required})
    with pytest.raises(NotImplementedError, match="must define step"):
        optim.Optimizer([p], {"lr": 0.1}).step()


# ------------------------------------------------------------------------------------------------------------- schedules
def triangle(x):
    return 0.9**x


SCHEDULES = [
    ("StepLR", {"step_size": 3}), ("StepLR", {"step_size": 2, "gamma": 0.5}), ("MultiStepLR", {"milestones": [2, 5, 5]}),
    ("ExponentialLR", {"gamma": 0.9}), ("CosineAnnealingLR", {"T_max": 7}), ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": triangle}), ("LambdaLR", {"lr_lambda": [triangle, lambda e: 1 / (e + 1)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda e: 0.95}), ("LinearLR", {}), ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 8}),
    ("ConstantLR", {}), ("ConstantLR", {"factor": 0.5, "total_iters": 3}), ("PolynomialLR", {"total_iters": 9, "power": 2.0}), ("PolynomialLR", {}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}), ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [1.0, 2.0], "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "scale_fn": triangle, "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 25}), ("OneCycleLR", {"max_lr": [1.0, 2.0], "epochs": 5, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
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
    {}, {"patience": 2}, {"patience": 1, "cooldown": 3, "factor": 0.5}, {"patience": 0, "threshold": 0.3, "threshold_mode": "abs"},
    {"mode": "max", "patience": 1}, {"mode": "max", "patience": 1, "threshold_mode": "abs", "threshold": 0.2}, {"patience": 0, "min_lr": [0.1, 0.2]}])  # fmt: skip
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
    with pytest.warns(UserWarning, match="`lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`"):
        scheduler.step()
    optimizer = optimizer_of(minigrad)
    optimizer.step()  # before there is a schedule: does not count
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    optimizer = optimizer_of(minigrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def test_schedule_errors():
    optimizer = optimizer_of(minigrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match="please use `get_last_lr\\(\\)`"):
        scheduler.get_lr()
    with pytest.raises(TypeError, match="str is not an Optimizer"):
        lr_scheduler.StepLR("optimizer", 2)
    with pytest.raises(KeyError, match="'initial_lr' is not specified in param_groups"):
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
    with pytest.raises(ValueError, match="Factor should be < 1.0"):
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
