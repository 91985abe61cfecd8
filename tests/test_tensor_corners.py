"""Corners of tensors and of the backward pass that few programs reach."""

import copy

import numpy as np
import pytest

import minigrad
from minigrad import autograd


def _x(*values):
    return minigrad.tensor(values or (1.0, 2.0), requires_grad=True)


def test_old_constructors():
    x = minigrad.ones(2)
    assert x.new([1.0, 2.0]).tolist() == [1.0, 2.0] and x.new(minigrad.tensor([3.0])).tolist() == [3.0]
    assert x.new(2, 3).shape == (2, 3) == x.new(minigrad.Size([2, 3])).shape and x.new().shape == (0,)
    assert (minigrad.Size([1, 2]) * 2) == (1, 2, 1, 2) and isinstance(minigrad.Size([1]) * 2, minigrad.Size)
    assert minigrad.ones(1).is_signed() and not minigrad.ones(1, dtype=minigrad.uint8).is_signed()


def test_setting_and_deleting_gradients():
    x = _x()
    x.grad = minigrad.ones(2)
    del x.grad
    assert x.grad is None and x.output_nr == 0 and x.sort().indices.output_nr in (0, 1)
    with pytest.raises(RuntimeError, match="as its own grad"):
        x.grad = x
    y = minigrad.ones(2)
    y.requires_grad = True
    assert y.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: minigrad.ones(1).retain_grad(), RuntimeError, "requires_grad|retain_grad"),
        (lambda: minigrad.ones(1).register_hook(print), RuntimeError, "doesn't require gradient"),
        (lambda: minigrad.ones(1).register_post_accumulate_grad_hook(print), RuntimeError, "doesn't require gradient"),
        (lambda: (_x() * 1).register_post_accumulate_grad_hook(print), RuntimeError, "non-leaf"),
        (lambda: bool(minigrad.ones(0)), RuntimeError, "no values is ambiguous"),
        (lambda: float(minigrad.ones(2)), (RuntimeError, ValueError), "one element|scalar"),
        (lambda: autograd.backward(_x().sum(), inputs=[]), RuntimeError, "cannot be empty"),
        (lambda: autograd.backward(_x().sum(), inputs=[minigrad.ones(1)]), RuntimeError, "require"),
        (lambda: autograd.grad(_x().sum(), minigrad.ones(1)), RuntimeError, "require"),
        (lambda: autograd.grad(_x().sum(), _x(), allow_unused=False, materialize_grads=True), ValueError, "allow_unused"),
        (lambda: autograd.backward(minigrad.ones(1)), RuntimeError, "does not require grad"),
        (lambda: autograd.backward([_x().sum()], [None, None]), RuntimeError, "1 tensors and 2 gradients"),
        (
            lambda: autograd.backward(_x(), grad_tensors=minigrad.ones(2), grad_variables=minigrad.ones(2)),
            RuntimeError,
            "both passed",
        ),
        (lambda: autograd.backward(_x(), ["text"]), TypeError, "either Tensors or None"),
    ],
)
def test_mistakes(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_hooks_that_return_what_does_not_fit():
    for result, error, text in ((3.0, TypeError, "hook returned 'float'"), (minigrad.ones(3), RuntimeError, "size|shape")):
        x = _x()
        x.register_hook(lambda g, result=result: result)
        with pytest.raises(error, match=text):
            (x * 2).sum().backward()


def test_gradients_that_accumulate_with_history():
    x = _x(2.0)
    (x**3).backward(create_graph=True)
    (x**3).backward(create_graph=True)
    assert x.grad.tolist() == [24.0]
    assert autograd.grad(x.grad, x)[0].tolist() == [24.0]


def test_the_old_name_of_the_upstream_gradient():
    x = _x()
    autograd.backward(x * 1, grad_variables=minigrad.tensor([3.0, 4.0]))
    assert x.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda x: x @ x, "DotBackward0"),
        (lambda x: x.view(1, 2) @ x, "MvBackward0"),
        (lambda x: x.view(1, 1, 2) @ x.view(1, 2, 1), "BmmBackward0"),
        (lambda x: x.sum(), "SumBackward0"),
        (lambda x: x.sum(0), "SumBackward1"),
        (lambda x: x.max(), "MaxBackward1"),
        (lambda x: x**2, "PowBackward0"),
        (lambda x: x**x, "PowBackward1"),
        (lambda x: 2**x, "PowBackward2"),
        (lambda x: x[0], "SelectBackward0"),
        (lambda x: x[None], "UnsqueezeBackward0"),
        (lambda x: x[:1], "SliceBackward0"),
    ],
)
def test_names_of_nodes(make, name):
    assert make(_x()).grad_fn.name() == name


def test_what_a_node_shows():
    x = _x()
    y = x.exp()
    assert y.grad_fn._saved_result.tolist() == y.tolist() and (x * x).grad_fn._saved_self.tolist() == [1.0, 2.0]
    with pytest.raises(AttributeError, match="it keeps"):
        y.grad_fn._saved_nothing
    with pytest.raises(AttributeError, match="variable"):
        y.grad_fn.variable
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.grad_fn._saved_result
    leaf = (x * 1).grad_fn.next_functions[0][0]
    assert leaf.variable is x and leaf.name() == "torch::autograd::AccumulateGrad"


def test_recording_modes_as_decorators():
    @minigrad.no_grad()
    def rows(x):
        try:
            got = yield x * 2
            yield got.requires_grad
        except KeyError:
            yield (x * 3).requires_grad
        return "end"

    def all_of(x):
        result = yield from rows(x)
        yield result

    x = _x()
    steps = all_of(x)
    assert not next(steps).requires_grad and steps.send(x * 1) is True and next(steps) == "end"
    steps = rows(x)
    next(steps)
    assert steps.throw(KeyError()) is False and (x * 1).requires_grad

    @minigrad.set_grad_enabled(False)
    def f(x):
        return x * 2

    assert (x * 1).requires_grad and not f(x).requires_grad


def test_anomalies():
    x = _x(0.0)
    with autograd.detect_anomaly(check_nan=True), pytest.raises(RuntimeError, match="nan"):
        assert minigrad.is_anomaly_enabled() and minigrad.is_anomaly_check_nan_enabled()
        (x.sqrt() * 0.0).sum().backward()
    with autograd.set_detect_anomaly(True, check_nan=False):
        assert minigrad.is_anomaly_enabled() and not minigrad.is_anomaly_check_nan_enabled()
        with autograd.set_detect_anomaly(False):
            assert not minigrad.is_anomaly_enabled()
        assert minigrad.is_anomaly_enabled()
    assert not minigrad.is_anomaly_enabled()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_neighbours_of_half_precision(name):
    dtype = getattr(minigrad, name)
    a = minigrad.tensor([1.0, -1.0, 0.0, -0.0, 2.0, float("nan")], dtype=dtype)
    b = minigrad.tensor([2.0, -2.0, 1.0, -1.0, 2.0, 1.0], dtype=dtype)
    got, eps, tiny = minigrad.nextafter(a, b), minigrad.finfo(dtype).eps, minigrad.finfo(dtype).smallest_normal
    assert got.dtype is dtype and got[:2].tolist() == [1.0 + eps, -1.0 - eps] and got[4].item() == 2.0 and got[5].isnan()
    assert got[2].item() == -got[3].item() and 0 < got[2].item() < tiny
    assert minigrad.nextafter(got[:2], minigrad.zeros(2, dtype=dtype)).tolist() == [1.0, -1.0]


def test_data_of_many_kinds():
    t = minigrad.tensor
    assert t([t(1.0), 2.0]).tolist() == [1.0, 2.0] and t([np.float64(1.5)]).dtype is minigrad.float64
    assert t([1j]).dtype is minigrad.complex64 and t([2**70, 0.5]).dtype is minigrad.float32
    assert t([-1, 3], dtype=minigrad.uint8).tolist() == [255, 3] and t(range(3)).tolist() == [0, 1, 2]
    assert t([[t([1, 2])], [np.array([3, 4])]]).tolist() == [[[1, 2]], [[3, 4]]]
    for data, error, text in (
        ([2**70], (TypeError, RuntimeError), "too large|[Oo]verflow"),
        ([["a"]], (ValueError, TypeError), "str"),
        ([None], (TypeError, RuntimeError), "infer dtype"),
        (np.zeros(2, ">f8"), ValueError, "byte order"),
        (np.array(["a"]), TypeError, "can't convert"),
        (np.zeros(2, "datetime64[s]"), TypeError, "can't convert"),
        ([[1, 2], [3, 4, 5]], ValueError, "expected sequence of length 2 at dim 1"),
    ):
        with pytest.raises(error, match=text):
            t(data)
    a = np.zeros(2)
    assert minigrad.asarray(a, copy=False).numpy() is not None
    shared = minigrad.asarray(a, copy=False, requires_grad=True)
    a[0] = 5.0
    assert shared.requires_grad and shared.tolist() == [5.0, 0.0] and minigrad.asarray(a, copy=True).tolist() == [5.0, 0.0]
    assert not minigrad.asarray(shared, requires_grad=False).requires_grad
    for what in (a, [1.0]):
        with pytest.raises((ValueError, AttributeError), match=r"alias|attribute"):
            minigrad.asarray(what, dtype=minigrad.float32, copy=False)


def test_copies_keep_identity():
    x = minigrad.ones(2)
    first, second = copy.deepcopy([x, x])
    assert first is second and first is not x
