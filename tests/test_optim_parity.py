"""Optimizers against PyTorch: their numbers step by step, their state dicts, their messages."""

import numpy as np
import pytest
from optim_cases import ERRORS, LBFGS_OPTIONS, RULES, configurations, gradients, parameters, rosenbrock, run

import minigrad
from minigrad import optim
from minigrad.tensor import wrap


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
            assert str(mine.dtype).split(".")[1] == str(value.dtype).split(".")[1] and tuple(mine.shape) == tuple(value.shape), (
                key
            )
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
    state = {i: {k: v if v is None else wrap(v.numpy().copy()) for k, v in s.items()} for i, s in saved["state"].items()}
    a.load_state_dict({"param_groups": saved["param_groups"], "state": state})
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
    for _ in range(5):
        g = (r.standard_normal((3, 2)) + 1j * r.standard_normal((3, 2))).astype("complex64")
        p.grad, q.grad = wrap(g.copy()), torch.tensor(g)
        a.step()
        b.step()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-4, atol=1e-5)


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


@pytest.mark.parity
@pytest.mark.parametrize("name, options, message", ERRORS)
def test_messages_are_pytorchs(name, options, message):
    import torch

    with pytest.raises(ValueError, match=message):
        getattr(torch.optim, name)([torch.ones(1, requires_grad=True)], **options)


# ------------------------------------------------------------------------- PyTorch's own database of optimizer options
def database():
    """(name, options) of every entry that PyTorch tests its own optimizers with, and each way of running one."""
    import inspect

    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db:
        cls = info.optim_cls
        for entry in info.optim_inputs_func(device="cpu"):
            yield cls.__name__, entry.kwargs
            for flag in ("foreach", "fused", "capturable"):
                if flag in inspect.signature(cls).parameters:
                    yield cls.__name__, {**entry.kwargs, flag: True}


def minigrads(value):
    """The same with minigrad's tensors for PyTorch's."""
    if isinstance(value, dict):
        return {k: minigrads(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(minigrads(v) for v in value)
    return wrap(value.detach().numpy().copy()) if hasattr(value, "detach") else value


def torchs(value):
    """The same with PyTorch's tensors for minigrad's."""
    import torch

    if isinstance(value, dict):
        return {k: torchs(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(torchs(v) for v in value)
    return torch.tensor(value.detach().numpy().copy()) if isinstance(value, minigrad.Tensor) else value


@pytest.mark.parity
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pytorchs_database(dtype):
    """Ten steps and the state dict of each; then each goes on from the other's state dict."""
    seen, tolerance = 0, 1e-5 if dtype == "float32" else 1e-7
    for name, options in database():
        if name != "LBFGS":  # it has a test of its own
            compare_entry(name, options, dtype, 1e-5 if name == "Muon" else tolerance)  # Muon rounds to bfloat16 on the way
            seen += 1
    assert seen > 150


def compare_entry(name, options, dtype, tolerance):
    import torch

    r = np.random.default_rng(0)
    start = [r.standard_normal(s).astype(dtype) for s in ([(5, 6), (3, 4)] if name == "Muon" else [(5, 6), (6,), (2, 3, 2)])]
    theirs, ours = [torch.tensor(a, requires_grad=True) for a in start], [wrap(a.copy()).requires_grad_() for a in start]

    def make(a_params, b_params):
        return getattr(optim, name)(a_params, **minigrads(options)), getattr(torch.optim, name)(b_params, **options)

    def steps(a, b, n):
        for _ in range(n):
            for p, q in zip(ours, theirs):
                g = r.standard_normal(p.shape).astype(dtype)
                p.grad, q.grad = wrap(g.copy()), torch.tensor(g)
                q.grad = q.grad.to_sparse() if name == "SparseAdam" else q.grad
            a.step()
            b.step()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=f"{name} {options}")

    a, b = make(ours, theirs)
    assert repr(a).replace("minigrad.", "torch.") == repr(b)
    if options.get("capturable"):
        with pytest.raises(AssertionError, match="If capturable=True"):
            steps(a, b, 1)
        return
    steps(a, b, 10)
    mine, their = a.state_dict(), b.state_dict()
    assert list(mine["param_groups"][0]) == list(their["param_groups"][0])
    assert [list(s) for s in mine["state"].values()] == [list(s) for s in their["state"].values()]
    after_a, after_b = make(ours, theirs)
    after_a.load_state_dict(minigrads(their))
    after_b.load_state_dict(torchs(mine))
    steps(after_a, after_b, 3)
