"""A 0-d tensor in the place of a number: PyTorch takes its value wherever it needs no gradient."""

import pytest

import minigrad
import minigrad.nn.functional as F

x = minigrad.tensor([[-2.0, -1.0, 0.0], [1.0, 2.0, 3.0]])
half, two = minigrad.tensor(0.5), minigrad.tensor(2)


@pytest.mark.parametrize(
    "of_tensors, of_numbers",
    [
        (lambda: x.clamp(0, half), lambda: x.clamp(0, 0.5)),
        (lambda: minigrad.clip(x, half, 2), lambda: minigrad.clip(x, 0.5, 2)),
        (lambda: x.clone().clamp_(-1, max=half), lambda: x.clamp(-1, 0.5)),
        (lambda: F.leaky_relu(x, half), lambda: F.leaky_relu(x, 0.5)),
        (lambda: F.softplus(x, half), lambda: F.softplus(x, 0.5)),
        (lambda: F.threshold(x, half, half), lambda: F.threshold(x, 0.5, 0.5)),
        (lambda: F.layer_norm(x, (3,), eps=half), lambda: F.layer_norm(x, (3,), eps=0.5)),
        (lambda: F.max_pool2d(x[None], two), lambda: F.max_pool2d(x[None], 2)),
        (lambda: F.conv1d(x[None], x[None, :, :1], stride=two), lambda: F.conv1d(x[None], x[None, :, :1], stride=2)),
        (lambda: minigrad.linspace(0, 1, two), lambda: minigrad.linspace(0, 1, 2)),
        (lambda: minigrad.multinomial(minigrad.tensor([0.0, 3.0]), two, True), lambda: minigrad.tensor([1, 1])),
    ],
)
def test_a_0d_tensor_stands_for_a_number(of_tensors, of_numbers):
    assert of_tensors().equal(of_numbers())


def test_normal_of_a_size_takes_0d_tensors_for_numbers():
    minigrad.manual_seed(0)
    drawn = minigrad.normal(half, half, (2, 3))
    minigrad.manual_seed(0)
    assert drawn.equal(minigrad.normal(0.5, 0.5, (2, 3)))


def test_a_sequence_is_repeated_by_a_tensor():
    assert [0, 1] * two == [0, 1, 0, 1]
    assert (7,) * two == (7, 7)


def test_where_a_gradient_is_needed_it_is_no_number():
    bound = minigrad.tensor(0.5, requires_grad=True)
    with pytest.raises(TypeError, match="two numbers or two tensors"):
        x.clamp(0, bound)
    with pytest.raises(TypeError):
        F.leaky_relu(x, bound)


def test_old_forms_of_scaled_sums():
    """Layer-wise trust ratios are 0-d tensors: ``p.data.add_(-lr * ratio, step)`` in optimizers of before 2020."""
    ones = minigrad.ones(3)
    assert minigrad.ones(3).add_(-two * half, x[1]).tolist() == [0.0, -1.0, -2.0]
    assert minigrad.sub(ones, half, x[1]).tolist() == [0.5, 0.0, -0.5]
    assert minigrad.ones(3).addcdiv_(-two, ones, ones).tolist() == [-1.0, -1.0, -1.0]
    with pytest.raises(TypeError, match="positional arguments"):
        ones.add(x[1], ones)
