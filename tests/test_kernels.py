"""A kernel against the operation's own text, through the public functions: outputs and gradients with kernels on and off."""

import importlib.util

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.kernels import TABLES, table, use_kernels
from minigrad.nn import functional as F

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="without Numba there are no kernels")

r = np.random.default_rng(0)


def normal(*shape):
    return r.standard_normal(shape).astype(np.float32)


CLASSES = r.integers(0, 65, 80)
CASES = {  # the kernels that must run -> the call and its float inputs
    "conv2d conv2d_dx conv2d_dw": (lambda x, w: F.conv2d(x, w, padding=1), [normal(2, 8, 12, 12), normal(8, 8, 3, 3)]),
    "max_pool2d max_unpool_add": (lambda x: F.max_pool2d(x, 2), [normal(4, 16, 18, 18)]),
    "avg_pool2d avg_pool2d_dx": (lambda x: F.avg_pool2d(x, 2), [normal(4, 16, 18, 18)]),
    "adaptive_mean adaptive_mean_dx": (lambda x: F.adaptive_avg_pool2d(x, (5, 7)), [normal(4, 6, 18, 18)]),
    "prod prod_dx": (lambda x: (x / 8).exp().prod(1), [normal(400, 50)]),
    "cumprod cumprod_dx": (lambda x: x.cumprod(1), [normal(200, 30)]),
    "softmax softmax_dx": (lambda x: x.softmax(-1), [normal(80, 65)]),
    "log_softmax log_softmax_dx": (lambda x: x.log_softmax(0), [normal(80, 65)]),
    "attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), [normal(2, 3, 40, 8) for _ in range(3)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (64,), w), [normal(80, 64), normal(64)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [normal(8, 8, 9, 9) + 1, normal(8), normal(8)]),
    "batch_norm_eval": (
        lambda x, m, v, w, b: F.batch_norm(x, m, v.square() + 1, w, b),
        [normal(8, 8, 9, 9), *[normal(8) for _ in range(4)]],
    ),
    "cross_entropy": (lambda x: F.cross_entropy(x, minigrad.tensor(CLASSES)), [normal(80, 65)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (64,), w, b), [normal(80, 64), normal(64), normal(64)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [normal(8, 8, 9, 9), normal(8), normal(8)]),
    "gelu": (lambda x: F.gelu(x), [normal(80, 65) * 3]),
    "sigmoid": (lambda x: x.sigmoid(), [normal(80, 65) * 3]),
    "erf": (lambda x: x.erf(), [normal(80, 65)]),
    "exp": (lambda x: x.exp(), [normal(140, 140)]),
    "embedding index_add_rows": (lambda w: F.embedding(minigrad.tensor(CLASSES), w), [normal(65, 64)]),
}


def run(call, inputs, flag):
    with use_kernels(flag):
        tensors = [minigrad.tensor(x, requires_grad=True) for x in inputs]
        out = call(*tensors)
        (out * out.detach().cos()).sum().backward()
    return [out.detach().numpy(), *[t.grad.numpy() for t in tensors]]


@pytest.mark.parametrize("names", CASES)
def test_kernel_equals_text(names, monkeypatch):
    compare(names, *CASES[names], monkeypatch)


@pytest.mark.parametrize(
    "call, parameters",
    [
        (lambda x: F.batch_norm(x, None, None, training=True), 0),
        (lambda x, w: F.batch_norm(x, None, None, w, training=True), 1),
        (lambda x: F.instance_norm(x), 0),
        (lambda x, w, b: F.instance_norm(x, None, None, w, b), 2),
    ],
)
def test_every_norm_of_pictures_takes_the_kernel_of_batch_norm(call, parameters, monkeypatch):
    compare("batch_norm", call, [normal(8, 8, 9, 9) + 1, *[normal(8) for _ in range(parameters)]], monkeypatch)


def compare(names, call, inputs, monkeypatch):
    """The call runs the kernels ``names``, and gives values and gradients of the texts."""
    taken = set()
    for name in names.split():
        kernel = table("numpy")[name]
        original = kernel.run

        def watched(*a, name=name, original=original, **k):
            taken.add(name)
            return original(*a, **k)

        monkeypatch.setattr(kernel, "run", watched)
    with_kernels, with_texts = run(call, inputs, True), run(call, inputs, False)
    assert taken == set(names.split()), "a kernel was not asked"
    for a, b in zip(with_kernels, with_texts, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_updates_in_place_equal_the_text(optimizer):
    results = []
    for flag in (True, False):
        with use_kernels(flag):
            p = nn.Parameter(minigrad.tensor(np.linspace(-1, 1, 20000, dtype=np.float32)))
            settings = {"momentum": 0.9, "nesterov": True} if optimizer == "SGD" else {}
            step = getattr(minigrad.optim, optimizer)([p], lr=0.1, weight_decay=0.1, **settings)
            for _ in range(3):
                p.grad = p.detach().sin()
                step.step()
        results.append(p.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


def test_second_order_with_kernels_on():
    """While a backward pass is itself recorded, the text rules run and the kernels' residuals are ignored."""
    several = ("adaptive_mean adaptive_mean_dx", "prod prod_dx", "cumprod cumprod_dx")
    for names in ("cross_entropy", "layer_norm", "batch_norm", "max_pool2d max_unpool_add", *several):
        call, inputs = CASES[names]
        found = []
        for flag in (True, False):
            with use_kernels(flag):
                x = minigrad.tensor(inputs[0], requires_grad=True)
                rest = [minigrad.tensor(v) for v in inputs[1:]]
                (g,) = minigrad.autograd.grad(call(x, *rest).square().sum(), x, create_graph=True)
                found.append(minigrad.autograd.grad(g.square().sum(), x)[0].numpy())
        np.testing.assert_allclose(*found, rtol=2e-3, atol=2e-4 * max(1.0, float(np.abs(found[1]).max())))


def test_a_kernel_that_does_not_import_gives_one_warning(monkeypatch):
    kernel = TABLES["numpy"]["softmax"]
    monkeypatch.setattr(kernel, "_loaded", {})

    def broken(which):
        raise ImportError("numba is damaged")

    monkeypatch.setattr(kernel, "load", broken)
    x = minigrad.tensor(normal(80, 65))
    with pytest.warns(RuntimeWarning, match="without its compiled kernels"):
        first = x.softmax(-1)
    assert (first == x.softmax(-1)).all()  # no second warning: warnings are errors here


@pytest.mark.parametrize("wanted", [(1,), (2,), (1, 2), (0,), (0, 2)])
@pytest.mark.parametrize("name", ["layer_norm", "batch_norm"])
def test_kernel_with_gradients_of_some_inputs(name, wanted):
    """A layer that sees the data first: its input has no gradient, its weight and bias have."""
    arrays = [normal(80, 64), normal(64), normal(64)]
    found = []
    for flag in (True, False):
        x, w, b = inputs = [minigrad.tensor(a, requires_grad=i in wanted) for i, a in enumerate(arrays)]
        with use_kernels(flag):
            y = F.layer_norm(x, (64,), w, b) if name == "layer_norm" else F.batch_norm(x, None, None, w, b, training=True)
            (y * y.sin()).sum().backward()
        found.append([inputs[i].grad.numpy() for i in wanted])
    for ours, text in zip(*found, strict=True):
        np.testing.assert_allclose(ours, text, rtol=2e-4, atol=2e-4)
