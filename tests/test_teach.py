"""minigrad.teach: what is shown is what is computed."""

import re

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.demo import network
from minigrad.teach import explain_step, summary


@pytest.fixture(autouse=True)
def _seeded():
    minigrad.manual_seed(0)


# ------------------------------------------------------------------------------------------------------------------ summary
def test_summary_of_the_demo_network():
    model = network()
    assert summary(model, minigrad.zeros(2, 1, 8, 8)).splitlines() == [
        "layer          output shape     parameters",
        "0  Conv2d      (2, 16, 8, 8)           160",
        "1  ReLU        (2, 16, 8, 8)             0",
        "2  Conv2d      (2, 32, 8, 8)         4,640",
        "3  ReLU        (2, 32, 8, 8)             0",
        "4  MaxPool2d   (2, 32, 4, 4)             0",
        "5  Flatten     (2, 512)                  0",
        "6  Dropout     (2, 512)                  0",
        "7  Linear      (2, 64)              32,832",
        "8  ReLU        (2, 64)                   0",
        "9  Linear      (2, 10)                 650",
        "total                               38,282",
    ]
    assert model.training and not any(m._forward_hooks for m in model.modules())


class Branches(nn.Module):
    """A parameter of its own, a layer used twice, a submodule with two outputs, two inputs."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(minigrad.zeros(4))
        self.shared = nn.Linear(4, 4)
        self.recurrent = nn.LSTM(4, 3)

    def forward(self, a, b):
        x = self.shared(self.shared(a) + b) + self.bias
        return self.recurrent(x)[0]


def test_summary_counts_shared_layers_once():
    model = Branches()
    lines = summary(model, minigrad.zeros(5, 2, 4), minigrad.zeros(4)).splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines[1:]] == [
        ["shared", "Linear", "(5, 2, 4)", "20"],
        ["shared", "Linear", "(5, 2, 4)", "0"],
        ["recurrent", "LSTM", "(5, 2, 3) (1, 2, 3) (1, 2, 3)", "108"],
        ["Branches", "(5, 2, 3)", "4"],
        ["total", "132"],
    ]


def test_summary_leaves_the_model_alone_when_it_fails():
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout())
    model[1].eval()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        summary(model, minigrad.zeros(2, 5))
    assert model[0].training and not model[1].training and not model[0]._forward_hooks


def test_summary_of_other_outputs():
    class Text(nn.Module):
        def forward(self, x):
            return "text"

    assert summary(Text(), 1).splitlines()[1].split() == ["Text", "str", "0"]


# ------------------------------------------------------------------------------------------------------------------ explain
def numbers(line):
    return [float(x) for x in re.findall(r"[-+]?\d+\.\d+", line)]


def test_explain_step_shows_what_is_computed():
    """Every number in the text, computed again here in NumPy from the model's own layers."""
    model = network()
    image, label, lr = minigrad.rand(1, 1, 8, 8), 3, 0.05
    text = explain_step(model, image, label, lr)
    lines = text.splitlines()

    model.eval()
    with minigrad.no_grad():
        h = model[:9](image)[0].numpy().astype(float)
    w, b = (p.detach().numpy().astype(float) for p in (model[9].weight, model[9].bias))
    z = w @ h + b
    p = np.exp(z - z.max())
    p /= p.sum()
    slope = p - np.eye(10)[label]
    by_name = {line.split()[0]: line for line in reversed(lines)}
    np.testing.assert_allclose(numbers(by_name["z"]), z, atol=6e-4)
    np.testing.assert_allclose(numbers(by_name["p"]), p, atol=6e-4)
    np.testing.assert_allclose(numbers(by_name["dL/dz"]), slope, atol=6e-4)
    assert by_name["class"].split()[1:] == ["0", "1", "2", "3*", "4", "5", "6", "7", "8", "9"]
    assert f"L = -ln p[3] = -ln {p[3]:.4f} = {-np.log(p[3]):.4f}" in text

    j = int(np.abs(h).argmax())
    grad = slope[3] * h[j]
    assert f"with i = 3 and j = {j}:" in text and f"9.weight.grad[3, {j}] is" in text
    product = next(line for line in lines if " * " in line and "grad[" in line)
    np.testing.assert_allclose(numbers(product), [slope[3], h[j], grad, grad], atol=2e-5)
    np.testing.assert_allclose(numbers(next(line for line in lines if "of length" in line)), np.linalg.norm(slope @ w), atol=1e-4)

    nn.functional.cross_entropy(model(image), minigrad.tensor([label])).backward()
    for name, parameter in model.named_parameters():
        assert numbers(by_name[name])[-1] == pytest.approx(parameter.grad.norm().item(), abs=2e-5)
        assert str(tuple(parameter.shape)) in by_name[name]

    with minigrad.no_grad():
        for parameter in model.parameters():
            parameter -= lr * parameter.grad
        after = nn.functional.cross_entropy(model(image), minigrad.tensor([label])).item()
    moved = next(line for line in lines if f"- {lr} * (" in line)
    np.testing.assert_allclose(numbers(moved), [w[3, j], lr, grad, w[3, j] - lr * grad], atol=2e-5)
    assert lines[-1].endswith(f"falls from {-np.log(p[3]):.4f} to {after:.4f}")
    assert max(map(len, lines)) <= 110


def test_explain_step_leaves_the_model_as_it_was():
    model = network()
    model[6].eval()
    model[0].weight.grad = minigrad.ones(16, 1, 3, 3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    random = minigrad.get_rng_state()
    with minigrad.no_grad():  # it records all the same
        text = explain_step(model, minigrad.rand(1, 1, 8, 8, generator=minigrad.Generator().manual_seed(1)), 0)
    assert text.startswith("forward") and minigrad.get_rng_state().equal(random)
    assert all(v.equal(before[k]) for k, v in model.state_dict().items())
    assert (model[0].weight.grad == 1).all() and model[2].weight.grad is None
    assert model.training and model[0].training and not model[6].training and not model[9]._forward_hooks


def test_explain_step_of_many_classes_shows_the_likely_ones_and_the_true_one():
    model = nn.Linear(3, 50)
    x = minigrad.randn(1, 3)
    z = model(x)[0].detach()
    label = int(z.argmin())
    shown = explain_step(model, x, label).splitlines()[1].split()[1:]
    likely = z.argsort(descending=True)[:9].tolist()
    assert shown == [f"{i}*" if i == label else str(i) for i in sorted([*likely, label])]


def test_explain_step_says_when_the_loss_rises():
    assert "rises from" in explain_step(nn.Linear(2, 2), minigrad.ones(1, 2), 0, lr=-1.0)  # uphill


def test_explain_step_without_bias_and_with_a_frozen_layer():
    model = nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    text = explain_step(model, minigrad.randn(1, 4), 1)
    assert "2.weight" in text and "0.weight" not in text
    model[2].weight.requires_grad_(False)
    with pytest.raises(ValueError, match=r"2\.weight does not require a gradient"):
        explain_step(model, minigrad.randn(1, 4), 1)


def test_explain_step_errors():
    model, x = nn.Linear(4, 3), minigrad.randn(1, 4)
    with pytest.raises(ValueError, match=r"batch of 1, got shape \(2, 4\)"):
        explain_step(model, minigrad.randn(2, 4), 0)
    for label in (3, -1):
        with pytest.raises(ValueError, match=f"from 0 to 2, got {label}"):
            explain_step(model, x, label)
    with pytest.raises(ValueError, match=r"ReLU has no nn\.Linear"):
        explain_step(nn.ReLU(), x, 0)
    softmax = nn.Sequential(model, nn.Softmax(1))
    with pytest.raises(ValueError, match="with no softmax behind it"):
        explain_step(softmax, x, 0)
    assert softmax.training and not model._forward_hooks and model.weight.grad is None
