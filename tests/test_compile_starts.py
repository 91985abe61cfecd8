"""The first call of a training step is traced once: what begins in it counts as having been there before."""

import gc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile.replay import _seldom_collecting
from minigrad.compile.step import Step
from minigrad.errors import TraceError

OPTIMIZERS = dict(
    adam=lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    adamw=lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.1),
    adamax=lambda p: optim.Adamax(p, lr=0.1),
    nadam=lambda p: optim.NAdam(p, lr=0.1),
    radam=lambda p: optim.RAdam(p, lr=0.1),
    rmsprop=lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
    rprop=lambda p: optim.Rprop(p, lr=0.1),
    adadelta=lambda p: optim.Adadelta(p, lr=0.5),
    asgd=lambda p: optim.ASGD(p, lr=0.1),
    sgd=lambda p: optim.SGD(p, lr=0.1),
)


def made(make, begin=lambda optimizer: optimizer.zero_grad()):
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = make(net.parameters())

    def train(x):
        begin(optimizer)
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return train, net, optimizer


def values(net, optimizer):
    tensors = [*net.parameters(), *(p.grad for p in net.parameters())]
    for p in net.parameters():
        tensors += [v for v in optimizer.state.get(p, {}).values() if isinstance(v, mg.Tensor)]
    return [t.tolist() for t in tensors]


def side_by_side(*setup, between=lambda net, optimizer: None, calls=4):
    """The compiled step, whose parameters, gradients and states were the eager one's after each call."""
    (train, *ours), (eager, *theirs) = made(*setup), made(*setup)
    step = Step(train)
    for k in range(calls):
        x = mg.tensor(np.random.default_rng(k).standard_normal((5, 4)).astype(np.float32))
        np.testing.assert_allclose(step(x).item(), eager(x).item(), rtol=1e-4)
        for a, b in zip(values(*ours), values(*theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)
        between(*ours)
        between(*theirs)
    return step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_that_begins_in_the_first_call_is_repeated(name):
    assert side_by_side(OPTIMIZERS[name]).traces == 1


def drop(p):
    if p.grad is not None:
        p.grad = None


def test_what_differs_in_the_second_call_is_traced_again():
    assert side_by_side(lambda p: optim.SGD(p, lr=0.1, momentum=0.9)).traces == 2
    adds = side_by_side(OPTIMIZERS["adam"], lambda optimizer: None)  # to gradients that the first call did not find
    assert adds.traces == 2
    asks = side_by_side(OPTIMIZERS["adam"], lambda optimizer: [drop(p) for p in optimizer.param_groups[0]["params"]])
    assert asks.traces == 2
    zeros = side_by_side(OPTIMIZERS["adam"], lambda optimizer: optimizer.zero_grad(set_to_none=False))
    assert zeros.traces == 2


def test_gradients_that_are_renewed_may_come_and_go():
    assert side_by_side(OPTIMIZERS["adam"], between=lambda net, optimizer: drop(net[0].weight)).traces == 1
    outside = side_by_side(OPTIMIZERS["adam"], lambda optimizer: None, between=lambda net, optimizer: net.zero_grad())
    assert outside.traces == 1


def test_a_state_that_is_taken_away_begins_again():
    forget = side_by_side(OPTIMIZERS["adam"], between=lambda net, optimizer: optimizer.state.clear(), calls=3)
    assert forget.traces == 3


def test_a_parameter_that_was_written_before_its_state_began():
    def shrink(optimizer):
        optimizer.zero_grad()
        with mg.no_grad():
            for p in optimizer.param_groups[0]["params"]:
                p.mul_(0.5)

    side_by_side(OPTIMIZERS["adam"], shrink)


def test_a_first_call_that_fails_leaves_no_state():
    train, net, optimizer = made(OPTIMIZERS["adam"])
    before, x = [p.tolist() for p in net.parameters()], mg.ones(5, 4)

    def asks(x):
        return train(x) if train(x) > 0 else x

    with pytest.raises(TraceError):
        Step(asks)(x)
    assert not optimizer.state and before == [p.tolist() for p in net.parameters()]
    assert all(p.grad is None for p in net.parameters())
    step = Step(train)
    assert step(x).item() != step(x).item() and step.traces == 1


def test_the_collector_is_as_it_was_after_compiling():
    before = gc.get_threshold()
    try:
        for first in (700, 0, 90_000):
            gc.set_threshold(first, 5, 5)
            with _seldom_collecting():
                assert gc.get_threshold() == (first and max(first, 50_000), 5, 5)
            assert gc.get_threshold() == (first, 5, 5)
    finally:
        gc.set_threshold(*before)


def test_a_gradient_that_a_variable_has_too():
    """It is the parameter's gradient as long as it is, and a tensor like any other afterwards."""
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    w.grad = old = mg.tensor([5.0, 6.0])

    def train(x):
        w.grad = None
        (w * x).sum().backward()
        return old * 1.0

    step = Step(train)
    for k in range(4):
        assert step(mg.tensor([1.0, k])).tolist() == [5.0, 6.0] and w.grad.tolist() == [1.0, k]
    assert step.traces == 2


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("drop", [lambda state, w: state.clear(), lambda state, w: state.pop(w, None)])
def test_a_state_that_the_step_itself_drops(where, drop):
    def training():
        w = mg.tensor([1.0, 2.0], requires_grad=True)
        optimizer = optim.Adam([w], lr=0.1)

        def train(x, again):
            if again and where == "first":
                drop(optimizer.state, w)
            optimizer.zero_grad()
            loss = (w * x).square().sum()
            loss.backward()
            optimizer.step()
            if again and where == "last":
                drop(optimizer.state, w)
            return loss

        return train

    eager, step, x = training(), Step(training()), mg.tensor([1.0, 2.0])
    try:
        for k in range(12):
            np.testing.assert_allclose(step(x, k % 4 == 0).item(), eager(x, k % 4 == 0).item(), rtol=1e-5)
    except TraceError as error:
        assert "in use outside" in str(error) or "changes what it depends on" in str(error)
    assert k > 4


@pytest.mark.parametrize("bad", ["read-only memory", "elements that share memory"])
def test_what_cannot_be_written_to(bad):
    def change(x):
        x.mul_(2.0)
        return x + 1

    step = Step(change)
    for _ in range(2):
        step(mg.ones(4))
    memory = np.ones(4, np.float32)
    memory.flags.writeable = bad != "read-only memory"
    x = mg.ones(1).expand(4) if memory.flags.writeable else mg.from_numpy(memory)
    with pytest.raises(ValueError, match=bad):
        step(x)
    assert x.tolist() == [1.0] * 4


def test_an_empty_argument_is_written_to():
    def change(x):
        x.mul_(2.0)
        return x + 1

    step = Step(change)
    assert all(step(mg.ones(2, 0)).shape == (2, 0) for _ in range(3))


def test_gradients_of_another_kind():
    w = mg.tensor([1.0, 2.0], requires_grad=True)

    def train(x):
        (w * x).sum().backward()
        return w.grad * 1.0

    step, x = Step(train), mg.tensor([1.0, 3.0])
    for _ in range(3):
        step(x)
    for dtype in (mg.float64, mg.float32):
        w.grad = None
        w.data = w.data.to(dtype)
        w.grad = mg.tensor([10.0, 20.0], dtype=dtype)
        assert step(x).tolist() == [11.0, 23.0] and step(x).tolist() == [12.0, 26.0]
