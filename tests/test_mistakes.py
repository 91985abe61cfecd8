"""The twenty mistakes that newcomers make most: each raises (or warns), says what, shows the values, and says what to do."""

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.nn import functional as F


def raises(error, *phrases):
    """The error must carry every phrase: what failed, the values, the remedy."""

    class Check:
        def __enter__(self):
            self.context = pytest.raises(error)
            self.caught = self.context.__enter__()

        def __exit__(self, *exception):
            result = self.context.__exit__(*exception)
            text = str(self.caught.value)
            for phrase in phrases:
                assert phrase in text, f"{phrase!r} is missing in: {text}"
            return result

    return Check()


def test_01_matmul_shapes():
    with raises(RuntimeError, "cannot be multiplied", "3x4", "5x4", "x @ w.T"):
        minigrad.ones(3, 4) @ minigrad.ones(5, 4)


def test_02_linear_wants_other_features():
    with raises(RuntimeError, "cannot be multiplied", "in_features=784", "64x28x28"):
        nn.Linear(784, 10)(minigrad.ones(64, 28, 28))


def test_03_shapes_do_not_broadcast():
    with raises(RuntimeError, "must match the size of tensor b (5) at non-singleton dimension 1", "(3, 4)", "unsqueeze"):
        minigrad.ones(3, 4) + minigrad.ones(3, 5)


def test_04_cross_entropy_with_float_class_numbers():
    with raises(RuntimeError, "long", "got Float", ".long()"):
        F.cross_entropy(minigrad.zeros(4, 3), minigrad.tensor([0.0, 1.0, 2.0, 0.0]))


def test_05_cross_entropy_target_out_of_range():
    with raises(IndexError, "Target 5 is out of bounds", "3"):
        F.cross_entropy(minigrad.zeros(2, 3), minigrad.tensor([0, 5]))


def test_06_cross_entropy_batch_sizes_differ():
    with raises(ValueError, "batch_size (4)", "batch_size (3)"):
        F.cross_entropy(minigrad.zeros(4, 3), minigrad.tensor([0, 1, 2]))


def test_07_loss_shapes_that_broadcast_by_accident():
    with pytest.warns(UserWarning, match=r"target size .*\[4\].*different to the input size .*\[4, 1\]"):
        F.mse_loss(minigrad.zeros(4, 1), minigrad.zeros(4))


def test_08_forgotten_requires_grad():
    with raises(RuntimeError, "does not require grad", "requires_grad=True", "no_grad"):
        (minigrad.ones(2) * 2).sum().backward()


def test_09_backward_on_a_non_scalar():
    with raises(RuntimeError, "scalar outputs", "(2,)", "loss.mean()"):
        (minigrad.ones(2, requires_grad=True) * 2).backward()


def test_10_backward_twice():
    loss = (minigrad.ones(2, requires_grad=True) ** 2).sum()
    loss.backward()
    with raises(RuntimeError, "second time", "retain_graph=True"):
        loss.backward()


def test_11_write_in_place_on_a_leaf():
    w = minigrad.ones(2, requires_grad=True)
    with raises(RuntimeError, "leaf Variable", "no_grad", "clone()"):
        w -= 0.1


def test_12_write_to_a_value_that_the_gradient_needs():
    h = minigrad.ones(2, requires_grad=True) * 2
    y = (h * h).sum()
    h += 1
    with raises(RuntimeError, "modified by an inplace operation", "x = x + 1", "clone()"):
        y.backward()


def test_13_view_of_memory_that_is_not_contiguous():
    with raises(RuntimeError, "view size is not compatible", ".reshape("):
        minigrad.ones(3, 4).T.view(12)


def test_14_integers_cannot_have_gradients():
    with raises(RuntimeError, "floating point", "int64", ".float()"):
        minigrad.tensor([1, 2], requires_grad=True)


def test_15_numpy_of_a_tensor_with_history():
    with raises(RuntimeError, "requires grad", "detach().numpy()"):
        minigrad.ones(2, requires_grad=True).numpy()
    with raises(RuntimeError, "requires grad", "detach().numpy()"):
        np.asarray(minigrad.ones(2, requires_grad=True))


def test_16_truth_of_a_whole_tensor():
    with raises(RuntimeError, "ambiguous", ".any()"):
        bool(minigrad.ones(2) == minigrad.ones(2))


def test_17_item_of_a_whole_tensor():
    with raises(RuntimeError, "2 elements", "(2,)", ".mean()"):
        minigrad.ones(2).item()


def test_18_state_dict_of_another_model():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    other = nn.Sequential(nn.Linear(2, 4), nn.Identity(), nn.Linear(4, 1))
    with raises(
        RuntimeError,
        "Missing key(s)",
        "1.weight",
        "Unexpected key(s)",
        "2.bias",
        "size mismatch for 0.weight",
        "[4, 2]",
        "[3, 2]",
    ):
        model.load_state_dict(other.state_dict())


def test_19_wrong_number_of_channels():
    with raises(
        RuntimeError,
        "to have 3 channels, but got 28 channels instead",
        "[8, 28, 28, 3]",
        "channels seem to stand last",
        "movedim(-1, 1)",
    ):
        nn.Conv2d(3, 8, 3)(minigrad.zeros(8, 28, 28, 3))


def test_20_forgotten_zero_grad_and_nan_loss_are_visible():
    """Neither can raise without being wrong for someone; both can be seen with one line."""
    w = minigrad.tensor([0.0], requires_grad=True)
    with raises(RuntimeError, "nan values", "SqrtBackward0", "clamp"), minigrad.autograd.detect_anomaly():
        (w.sqrt() * 0).sum().backward()


def test_21_forgotten_super_init():
    class Model(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with raises(AttributeError, "before Module.__init__() call"):
        Model()


def test_22_an_optimizer_without_parameters():
    with raises(ValueError, "empty parameter list"):
        minigrad.optim.SGD([], lr=0.1)


def test_23_an_optimizer_of_an_inner_tensor():
    with raises(ValueError, "non-leaf"):
        minigrad.optim.SGD([minigrad.ones(2, requires_grad=True) * 2], lr=0.1)


def test_24_a_gpu_that_is_not_there():
    if minigrad.cuda.is_available():
        pytest.skip("a GPU, or its stand-in, is there")
    with raises(RuntimeError, "'cuda' is not available", "pip install -e"):
        minigrad.ones(2).to("cuda")


def test_25_a_list_where_a_tensor_belongs():
    with raises(TypeError, "must be Tensor", "list", "minigrad.tensor("):
        minigrad.exp([1.0, 2.0])


def test_26_a_dimension_that_is_not_there():
    with raises(IndexError, "Dimension out of range", "[-2, 1]", "got 2"):
        minigrad.ones(3, 4).sum(2)


def test_27_an_index_that_is_not_there():
    with raises(IndexError, "index 5 is out of bounds for dimension 0 with size 3"):
        minigrad.ones(3)[5]


def test_28_a_name_that_is_not_there():
    with raises(AttributeError, "matmull", "did you mean 'matmul'"):
        minigrad.matmull


def test_29_embedding_of_floats_and_out_of_range():
    table = nn.Embedding(10, 3)
    with raises(RuntimeError, "Long, Int", "FloatTensor", ".long()"):
        table(minigrad.tensor([1.0]))
    with raises(IndexError, "out of range", "10"):
        table(minigrad.tensor([10]))


def test_30_max_pool_of_a_flat_batch():
    with raises(RuntimeError, "3D (unbatched) or 4D (batched)", "[8, 784]", "(batch, channels, height, width)"):
        F.max_pool2d(minigrad.zeros(8, 784), 2)


def test_pytorchs_words_are_in_the_messages():
    w = minigrad.ones(2, 3, requires_grad=True)
    with raises(RuntimeError, "Expected one of cpu, cuda", "device type at start of device string: gpu"):
        w.to("gpu")
    with raises(RuntimeError, "Invalid device string: 'cpu:x'"):
        minigrad.device("cpu:x")
    with raises(RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."):
        w.add_(1)
    with raises(RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place operation."):
        w[0].mul_(2)
    with raises(RuntimeError, "result type Float can't be cast to the desired output type Long"):
        minigrad.tensor([1, 2]).div_(2)
    with raises(RuntimeError, "Found dtype Long but expected Float"):
        F.binary_cross_entropy(minigrad.rand(2), minigrad.tensor([0, 1]))
    with raises(RuntimeError, "index 9 is out of bounds for dimension 1 with size 3"):
        w.gather(1, minigrad.tensor([[9]]))
    with raises(RuntimeError, "Expected size 3 but got size 4 for tensor number 1 in the list"):
        minigrad.cat([w, minigrad.ones(2, 4)])
    with raises(ValueError, "expected sequence of length 2 at dim 1 (got 1)"):
        minigrad.tensor([[1, 2], [3]])
    with raises(RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported"):
        -minigrad.tensor([True])
    with raises(RuntimeError, "The differentiated Tensor at index 0 appears to not have been used in the graph"):
        minigrad.autograd.grad(w.sum(), minigrad.ones(1, requires_grad=True))


@pytest.mark.skipif(minigrad.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_pytorchs_assertion():
    for kind in (AssertionError, RuntimeError):
        with pytest.raises(kind, match="Torch not compiled with CUDA enabled"):
            minigrad.ones(1).cuda()
