"""What is known to differ from PyTorch, each line of docs/coming-from-pytorch.md with the test that pins it.

Tests named ``*_parity`` show PyTorch's side and run with ``-m parity``.
"""

import math
import pathlib
import re

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import functional as F

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "coming-from-pytorch.md"


def test_every_pin_of_the_page_is_a_test_of_this_file():
    named = re.findall(r"`(test_\w+)`", PAGE.read_text())
    assert named and sorted(named) == sorted(set(named))
    here = {n for n in globals() if n.startswith("test_")} - {"test_every_pin_of_the_page_is_a_test_of_this_file"}
    assert set(named) == here


# ------------------------------------------------------------------------------------------------------------ safer than PyTorch
def test_writes_through_data_are_seen():
    w = minigrad.tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    w.data[0] = 3.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_files_run_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return eval, ("1",)

    import pickle

    (tmp_path / "x.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(minigrad.errors.FileError):
        minigrad.load(tmp_path / "x.pt", weights_only=False)


def test_sparse_indices_are_checked():
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        minigrad.sparse_coo_tensor([[0, 5]], [1.0, 2.0], (3,))


def test_unsigned_numbers_compare_by_value():
    assert (minigrad.tensor([1], dtype=minigrad.uint8) > -1).item() is True


# ------------------------------------------------------------------------------------------------------- better derivatives
def grads(f, *values):
    inputs = [minigrad.tensor(v, dtype=minigrad.float64, requires_grad=True) for v in values]
    return minigrad.autograd.grad(f(*inputs), inputs)


def test_ldexp_has_its_true_gradient():
    (g,) = grads(lambda x: minigrad.ldexp(x, minigrad.tensor([-1])).sum(), [3.0])
    assert g.item() == 0.5


def test_second_derivatives_at_degenerate_points_are_finite():
    x = minigrad.zeros(1, dtype=minigrad.float64, requires_grad=True)
    (g,) = minigrad.autograd.grad(minigrad.sinc(x).sum(), x, create_graph=True)
    (h,) = minigrad.autograd.grad(g.sum(), x)
    assert math.isclose(h.item(), -(math.pi**2) / 3)
    (g,) = minigrad.autograd.grad(x.norm(), x, create_graph=True)
    assert not g.requires_grad or math.isfinite(minigrad.autograd.grad(g.sum(), x, allow_unused=True)[0].item())


def test_kl_div_has_a_finite_gradient_at_a_target_of_zero():
    (g,) = grads(lambda t: F.kl_div(minigrad.tensor([-1.0], dtype=minigrad.float64), t, reduction="sum"), [0.0])
    assert math.isfinite(g.item())


def test_ctc_loss_of_an_impossible_target_has_a_gradient_of_zero():
    logits = minigrad.zeros(2, 1, 3, dtype=minigrad.float64, requires_grad=True)
    loss = F.ctc_loss(logits.log_softmax(2), minigrad.tensor([[1, 1]]), minigrad.tensor([2]), minigrad.tensor([2]))
    loss.backward()
    assert loss.item() == math.inf and logits.grad.abs().max().item() == 0


def test_as_strided_scatter_keeps_what_was_not_replaced():
    (g,) = grads(lambda x: x.as_strided_scatter(minigrad.zeros(1, dtype=minigrad.float64), (1,), (1,)).sum(), [1.0, 2.0])
    assert g.tolist() == [0.0, 1.0]


def test_lobpcg_is_exact():
    a = minigrad.diag(minigrad.tensor([1.0, 2.0, 3.0, 4.0], dtype=minigrad.float64))
    assert math.isclose(minigrad.lobpcg(a, k=1, niter=1)[0].item(), 4.0)


# -------------------------------------------------------------------------------------------------------------- not carried over
def test_conj_is_computed_at_once():
    z = minigrad.tensor([1 + 2j]).conj()
    assert not z.is_conj() and z.tolist() == [1 - 2j]


def test_pin_memory_returns_the_tensor():
    x = minigrad.ones(2)
    assert x.pin_memory() is x


def test_script_and_compile_change_nothing():
    def f(x):
        return x + 1

    assert minigrad.jit.script(f) is f and f(minigrad.ones(1)).item() == 2


def test_graph_breaks_run_in_python():
    calls = []

    @minigrad.compiler.compile
    def f(x):
        calls.append("called")
        return x * 2 if x.sum() > 0 else x

    with pytest.warns(RuntimeWarning, match="line"):
        assert f(minigrad.ones(1)).item() == 2 and f(-minigrad.ones(1)).item() == -1
    assert len(calls) == 3


def test_functions_whose_results_have_history_run_in_python():
    layer = minigrad.nn.Linear(1, 1)
    model, function = minigrad.compiler.compile(layer), minigrad.compiler.compile(lambda x: layer(x))
    for compiled in (model, function):
        compiled(minigrad.ones(1)).backward()
    assert model._step.programs and not function.programs


def test_one_process_only():
    with pytest.raises((RuntimeError, ValueError), match="process"):
        minigrad.distributed.init_process_group("gloo", rank=0, world_size=2)


def test_what_is_out_of_scope_says_so():
    for name in ("fft", "ao", "quantization"):
        with pytest.raises(AttributeError, match=name):
            getattr(minigrad, name)
    with pytest.raises(RuntimeError):
        minigrad.onnx.export(nn.Linear(1, 1), (minigrad.ones(1),), "x.onnx")


def test_complex_decompositions_are_refused():
    z = minigrad.eye(2).to(minigrad.complex64)
    for f in (minigrad.linalg.det, minigrad.linalg.svd, minigrad.linalg.cholesky, minigrad.linalg.eigh):
        with pytest.raises(RuntimeError, match="not implemented for"):
            f(z)


def test_sparse_adam_takes_dense_gradients():
    w = minigrad.ones(3, 2, requires_grad=True)
    w[1].sum().backward()
    minigrad.optim.SparseAdam([w], lr=0.5).step()
    assert w[0].tolist() == [1.0, 1.0] and w[1, 0].item() < 1


def test_missing_names_point_to_the_nearest():
    with pytest.raises(AttributeError, match=r"did you mean|nearest"):
        minigrad.sofmax


def test_cross_map_lrn_follows_its_formula():
    x = np.arange(1.0, 5.0).reshape(1, 4, 1, 1)
    layer = nn.modules.normalization.CrossMapLRN2d(3, alpha=1.0, beta=1.0, k=1.0)
    squares = np.array([x[0, max(c - 1, 0) : c + 2, 0, 0] @ x[0, max(c - 1, 0) : c + 2, 0, 0] for c in range(4)])
    np.testing.assert_allclose(layer(minigrad.tensor(x)).numpy().ravel(), x.ravel() / (1 + squares / 3))
