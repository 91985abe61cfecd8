"""Convolutions of a compiled step: what stands behind one goes into its kernel, and the numbers stay those of eager mode."""

import numpy as np
import pytest

pytest.importorskip("numba")

from compared import check_programs

import minigrad
from minigrad import nn
from minigrad.compile import Step
from minigrad.kernels import use_kernels
from minigrad.nn import functional as F


def random(*shape, seed=0):
    return minigrad.tensor(np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32))


def calls(step, stage="simplify"):
    """The names of the calls in a stage's graph."""
    return [line.split(" = ")[1].split("(")[0] for line in str(step.graph(stage)).splitlines() if " = " in line]


SHAPES = [  # x, weight, settings: by tiles, by channels, by positions, by depth, three dimensions
    ((4, 16, 17, 16), (24, 16, 3, 3), {"padding": 1}),
    ((2, 8, 14, 15), (32, 8, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 5, 40, 37), (10, 5, 5, 3), {"dilation": 2}),
    ((2, 32, 20, 20), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    ((2, 6, 9, 10, 11), (8, 6, 3, 3, 3), {}),
]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("x, weight, settings", SHAPES)
def test_bias_and_relu_are_the_kernels_own(x, weight, settings, relu):
    conv = F.conv2d if len(x) == 4 else F.conv3d
    x, weight, bias = random(*x), random(*weight, seed=1), random(weight[0], seed=2)

    def f(x):
        y = conv(x, weight, bias, **settings)
        return F.relu(y) if relu else y

    step = Step(f)
    for _ in range(3):
        found = step(x)
    check_programs(step)
    assert "convolution" in calls(step) and not {"conv2d", "add", "relu"} & set(calls(step))
    np.testing.assert_array_equal(found.numpy(), f(x).numpy())
    weight.mul_(2.0)  # captured: read anew
    np.testing.assert_array_equal(step(-x).numpy(), f(-x).numpy())


def used_before_the_bias(x, w, b):
    y = F.conv2d(x, w)
    return F.relu(y + b.reshape(-1, 1, 1)), y


def used_before_the_relu(x, w, b):
    y = F.conv2d(x, w, b)
    return F.relu(y), y.sum()


def another_shape_of_bias(x, w, b):
    return F.conv2d(x, w) + b.reshape(1, 24)  # along the last axis


def a_number(x, w, b):
    return F.conv2d(x, w) + 1.5


def twice_the_same_bias(x, w, b):
    column = b.reshape(-1, 1, 1)
    return F.conv2d(x, w) + column, F.conv2d(x * 2, w) + column


def along_one_axis(x, w, b):
    return F.relu(F.conv1d(x.reshape(2, 16, -1), w[:, :, 0], b))  # the axis that conv1d puts in stands before the ReLU


def itself_as_bias(x, w, b):
    y = F.conv2d(x, w)
    return y + y


@pytest.mark.parametrize(
    "f, joined",
    [
        (used_before_the_bias, 0), (used_before_the_relu, 1), (another_shape_of_bias, 0), (a_number, 0), (twice_the_same_bias, 2),
        (along_one_axis, 1), (itself_as_bias, 0),
    ],
)  # fmt: skip
def test_what_others_read_is_still_there(f, joined):
    x, w, b = random(2, 16, 16, 26), random(24, 16, 3, 3), random(24)
    step = Step(f)
    for _ in range(3):
        found = step(x, w, b)
    check_programs(step)
    assert calls(step).count("convolution") == joined
    expected = f(x, w, b)
    for a, e in zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]:
        np.testing.assert_allclose(a.numpy(), e.numpy(), rtol=1e-5, atol=1e-5)


def train(compiled, steps=4):
    minigrad.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Conv2d(32, 4, 1))
    optimizer = minigrad.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def one(x):
        loss = (model(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = minigrad.compile(one) if compiled else one
    losses = [float(run(random(8, 3, 20, 20, seed=k))) for k in range(steps)]
    return losses, [p.detach().numpy().copy() for p in model.parameters()], [p.grad.numpy().copy() for p in model.parameters()]


def test_training_gives_the_losses_parameters_and_gradients_of_eager_mode():
    found, expected = train(True), train(False)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    for kind in (1, 2):
        for a, e in zip(found[kind], expected[kind], strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(bad):
    for x, weight, settings in SHAPES[:4]:
        x, weight, bias = random(*x), random(*weight), random(weight[0])
        x[0, 1, 2, 3] = bad
        bias[1] = -bad
        step = Step(lambda x, weight=weight, bias=bias, settings=settings: F.relu(F.conv2d(x, weight, bias, **settings)))
        for _ in range(2):
            found = step(x)
        check_programs(step)
        with use_kernels(False):
            expected = F.relu(F.conv2d(x, weight, bias, **settings)).numpy()
        for kind in (np.isnan, np.isposinf):
            np.testing.assert_array_equal(kind(found.numpy()), kind(expected))


def test_zeros_behind_a_relu_have_no_sign():
    x, weight, bias = minigrad.full((1, 8, 40, 40), 1e-30), minigrad.full((32, 8, 3, 3), -1e-30), minigrad.full((32,), -0.0)
    step = Step(lambda x: F.relu(F.conv2d(x, weight, bias)))
    for _ in range(2):
        y = step(x).numpy()
    check_programs(step)
    assert "convolution" in calls(step) and not y.any() and not np.signbit(y).any()


def test_a_step_of_nothing_else():
    x, weight = random(4, 16, 17, 16), random(24, 16, 3, 3)
    step = Step(lambda x: F.conv2d(x, weight))
    for _ in range(2):
        found = step(x)
    check_programs(step)
    np.testing.assert_array_equal(found.numpy(), F.conv2d(x, weight).numpy())


def test_arguments_that_cannot_be_written_to_or_lie_otherwise():
    x, weight, bias = random(2, 16, 16, 18), random(24, 16, 3, 3), random(24)
    f = lambda x, weight, bias: F.relu(F.conv2d(x, weight, bias))
    step, expected = Step(f), f(x, weight, bias).numpy()
    turned = minigrad.tensor(np.ascontiguousarray(x.numpy().transpose(0, 3, 1, 2))).permute(0, 2, 3, 1)
    frozen = x.numpy().copy()
    frozen.flags.writeable = False
    for given in (x, turned, minigrad.from_numpy(frozen)):
        step(given, weight, bias)
        np.testing.assert_array_equal(step(given, weight, bias).numpy(), expected)
