"""Tensors print as PyTorch's do. The expected texts were taken from PyTorch 2.13; with ``-m parity`` many more are compared."""

import re

import numpy as np
import pytest

import minigrad
from minigrad.printing import get_printoptions, printoptions

inf, nan = float("inf"), float("nan")


@pytest.fixture(autouse=True)
def _default_options():
    yield
    minigrad.set_printoptions(profile="default")


CASES = [
    ([1.0, 2.5], {}, "tensor([1.0000, 2.5000])"),
    ([1.0, 2.0], {}, "tensor([1., 2.])"),
    ([-1.0, 0.0], {}, "tensor([-1.,  0.])"),
    ([0.0, 0.0], {}, "tensor([0., 0.])"),
    (3.5, {}, "tensor(3.5000)"),
    (7, {}, "tensor(7)"),
    ([1, -20, 300], {}, "tensor([  1, -20, 300])"),
    ([True, False], {}, "tensor([ True, False])"),
    ([0.0, -inf], {}, "tensor([0., -inf])"),
    ([nan, inf, 1.0], {}, "tensor([nan, inf, 1.])"),
    ([nan, 1.5], {}, "tensor([   nan, 1.5000])"),
    ([nan, nan], {}, "tensor([nan, nan])"),
    ([1e-5, 1.0], {}, "tensor([1.0000e-05, 1.0000e+00])"),
    ([0.5, 5000.0], {}, "tensor([5.0000e-01, 5.0000e+03])"),
    ([2.0, 5000.0], {}, "tensor([2.0000e+00, 5.0000e+03])"),
    ([3e8], {}, "tensor([3.0000e+08])"),
    ([[1.0, 2.0], [3.0, 4.0]], {}, "tensor([[1., 2.],\n        [3., 4.]])"),
    ([[[1]], [[2]]], {}, "tensor([[[1]],\n\n        [[2]]])"),
    ([1.5], {"dtype": "float64"}, "tensor([1.5000], dtype=minigrad.float64)"),
    ([1, 2], {"dtype": "int32"}, "tensor([1, 2], dtype=minigrad.int32)"),
    ([1.5], {"dtype": "bfloat16"}, "tensor([1.5000], dtype=minigrad.bfloat16)"),
    ([1 + 2j, 0.5 - 1j], {"dtype": "complex64"}, "tensor([1.0000+2.j, 0.5000-1.j])"),
    ([], {}, "tensor([])"),
    ([], {"dtype": "int64"}, "tensor([], dtype=minigrad.int64)"),
    ([1.0], {"requires_grad": True}, "tensor([1.], requires_grad=True)"),
]


@pytest.mark.parametrize("data, options, text", CASES, ids=[text for *_, text in CASES])
def test_as_in_pytorch(data, options, text):
    if "dtype" in options:
        options = {**options, "dtype": getattr(minigrad, options["dtype"])}
    assert repr(minigrad.tensor(data, **options)) == text


def test_empty_tensors_name_their_size():
    assert repr(minigrad.zeros(0, 3)) == "tensor([], size=(0, 3))"
    assert repr(minigrad.zeros(2, 0, dtype=minigrad.int64)) == "tensor([], size=(2, 0), dtype=minigrad.int64)"


def test_the_operation_behind_a_tensor():
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2., 4.], grad_fn=<MulBackward0>)"
    assert repr((x - 1).sum()) == "tensor(1., grad_fn=<SumBackward0>)"
    names = {"x + 1": "Add", "x - 1": "Sub", "x / 2": "Div", "x ** 2": "Pow", "-x": "Neg", "x.exp()": "Exp", "x.log()": "Log",
             "x.mean()": "Mean", "x.max()": "Max", "x.view(2, 1)": "View", "x.sigmoid()": "Sigmoid", "x.tanh()": "Tanh",
             "x.clamp(0, 1)": "Clamp", "x.var()": "Var", "minigrad.cat([x, x])": "Cat"}  # fmt: skip
    for text, name in names.items():
        made = eval(text, {"x": x, "minigrad": minigrad})
        assert re.fullmatch(rf"<{name}Backward\d>", repr(made.grad_fn)), (text, made.grad_fn)


def test_losses_are_named_as_one_function():
    x, w = minigrad.rand(2, 3), minigrad.rand(2, 3, requires_grad=True)
    losses = {"mse_loss(w, x)": "MseLoss", "huber_loss(w, x)": "HuberLoss", "smooth_l1_loss(w, x)": "SmoothL1Loss",
              "binary_cross_entropy(w, x)": "BinaryCrossEntropy", "cross_entropy(w, t)": "NllLoss", "nll_loss(w, t)": "NllLoss",
              "binary_cross_entropy_with_logits(w, x)": "BinaryCrossEntropyWithLogits"}  # fmt: skip
    for text, name in losses.items():
        made = eval("F." + text, {"F": minigrad.nn.functional, "x": x, "w": w, "t": minigrad.tensor([0, 1])})
        assert repr(made.grad_fn) == f"<{name}Backward0>", text
        assert made.grad_fn.next_functions[0][0].variable is w
        made.backward()  # what it is made of is still there
    assert w.grad is not None


def test_the_last_step_of_an_index_and_the_form_of_a_power():
    x = minigrad.rand(3, 3, requires_grad=True)
    found = [y.grad_fn.name() for y in (x[0], x[:, 0], x[0, 1:], x[..., None], x**2, x**x, 2**x)]
    assert found == [
        "SelectBackward0", "SelectBackward0", "SliceBackward0", "UnsqueezeBackward0",
        "PowBackward0", "PowBackward1", "PowBackward2",
    ]  # fmt: skip


def test_long_suffixes_start_a_new_line():
    x = minigrad.tensor([1.0] * 16 + [0.25], dtype=minigrad.float64)
    assert repr(x).endswith("0.2500],\n       dtype=minigrad.float64)")


def test_a_large_tensor_is_shortened():
    assert repr(minigrad.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    rows = repr(minigrad.zeros(100, 20)).splitlines()
    assert rows[0] == "tensor([[0., 0., 0.,  ..., 0., 0., 0.],"
    assert rows[3] == "        ...,"
    assert len(rows) == 7


def test_long_lines_break():
    lines = repr(minigrad.arange(60)).splitlines()
    assert lines[0].endswith("17,") and lines[1].startswith("        18,") and max(map(len, lines)) <= 80


def test_options():
    minigrad.set_printoptions(precision=2)
    assert repr(minigrad.tensor([1.2345])) == "tensor([1.23])"
    minigrad.set_printoptions(sci_mode=True)
    assert repr(minigrad.tensor([150.5])) == "tensor([1.50e+02])"
    minigrad.set_printoptions(profile="short", sci_mode=False)
    assert repr(minigrad.tensor([1e-6, 150.5])) == "tensor([  0.00, 150.50])"
    minigrad.set_printoptions(profile="full")
    assert "..." not in repr(minigrad.arange(1500))
    with printoptions(threshold=3, edgeitems=1):
        assert repr(minigrad.arange(4)) == "tensor([0,  ..., 3])"
    assert get_printoptions()["threshold"] == inf
    with printoptions(threshold=3, edgeitems=0):
        assert repr(minigrad.arange(4)) == "tensor([...], size=(4,))"
    with pytest.raises(ValueError, match="profile must be one of"):
        minigrad.set_printoptions(profile="long")


def test_named_tuples():
    x = minigrad.tensor([[1.0, 3.0], [4.0, 2.0]])
    assert repr(x.max(1)) == "minigrad.return_types.max(\nvalues=tensor([3., 4.]),\nindices=tensor([1, 0]))"


def test_subclasses_and_default_dtypes():
    class Weights(minigrad.Tensor):
        pass

    assert repr(Weights([1.0, 2.0])) == "Weights([1., 2.])"
    minigrad.set_default_dtype(minigrad.float64)
    try:
        assert repr(minigrad.tensor([1.5])) == "tensor([1.5000])"
        assert repr(minigrad.tensor([1.5], dtype=minigrad.float32)) == "tensor([1.5000], dtype=minigrad.float32)"
    finally:
        minigrad.set_default_dtype(minigrad.float32)


# ---------------------------------------------------------------------------------------------------------------- parity
def _random_array(r):
    shape = tuple(int(n) for n in r.choice([0, 1, 2, 3, 5, 8, 20, 30], r.integers(0, 4)))
    a = r.standard_normal(shape) * 10.0 ** r.integers(-6, 9)
    kind = r.integers(0, 6)
    if kind == 0:
        a = np.round(a)
    elif kind == 1:
        a = a * 10.0 ** r.integers(-4, 4, shape)
    elif kind == 2:
        a = np.where(r.random(shape) < 0.5, r.choice([nan, inf, -inf], shape), a)
    elif kind == 3:
        a = r.choice([0.0, nan, inf, -0.0], shape)
    elif kind == 4:
        a = np.where(r.random(shape) < 0.5, 0, a)
    return np.asarray(a)


def _one_line_suffixes(text):
    """PyTorch's shorter name may leave a suffix on the line where ours no longer fits."""
    return re.sub(r",\s+(?=(dtype|size|grad_fn|requires_grad)=)", ", ", text)


@pytest.mark.parity
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64"])
def test_hundreds_of_tensors_print_as_in_pytorch(dtype):
    import torch

    r = np.random.default_rng(len(dtype))
    try:
        for i in range(80):
            a = _random_array(r)
            if dtype == "complex64":
                a = (a + 1j * r.standard_normal(a.shape)).astype(np.complex64)
            elif "float" not in dtype:
                a = np.nan_to_num(np.clip(a, 0, 200)).astype(dtype)
            options = {"profile": "default"}
            if i % 4 == 3:
                options = {
                    "precision": int(r.integers(0, 7)),
                    "threshold": int(r.integers(1, 50)),
                    "edgeitems": int(r.integers(1, 4)),
                    "linewidth": int(r.integers(30, 130)),
                    "sci_mode": [None, True, False][r.integers(0, 3)],
                }
            torch.set_printoptions(**options)
            minigrad.set_printoptions(**options)
            theirs = repr(torch.tensor(a).to(getattr(torch, dtype))).replace("torch.", "minigrad.")
            ours = repr(minigrad.tensor(a).to(getattr(minigrad, dtype)))
            assert _one_line_suffixes(ours) == _one_line_suffixes(theirs)
    finally:
        torch.set_printoptions(profile="default")


def test_grad_fn_says_which_form_of_a_function_it_was():
    x = minigrad.tensor([0.3, 0.5], requires_grad=True) * 1
    for made, name in [
        (x.amax(0), "AmaxBackward0"), (x.max(), "MaxBackward1"), (x.logit(), "LogitBackward0"),
        (x.clamp(0, 1), "ClampBackward1"), (x.clamp(x, x), "ClampBackward0"),
        (minigrad.remainder(x, 1.0), "RemainderBackward0"), (minigrad.remainder(x, x), "RemainderBackward1"),
        (minigrad.lerp(x, x, 0.3), "LerpBackward0"), (minigrad.lerp(x, x, x), "LerpBackward1"),
    ]:  # fmt: skip
        assert made.grad_fn.name() == name
