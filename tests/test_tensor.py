"""A Tensor as Python and NumPy see it."""

import copy
import pickle

import numpy as np
import pytest

import minigrad
from minigrad import nn


def test_numpy_shares_memory_both_ways():
    a = np.arange(6.0).reshape(2, 3)
    t = minigrad.from_numpy(a)
    a[0, 0] = 7
    assert t[0, 0].item() == 7 and np.shares_memory(t.numpy(), a) and np.shares_memory(np.asarray(t), a)
    assert not np.shares_memory(minigrad.tensor(a).numpy(), a)
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    assert np.array(t, copy=True) is not a
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype=np.float32, copy=False)


def test_numpy_on_the_left_gives_tensors():
    t = minigrad.ones(3)
    for result in (np.float32(2) * t, 2 * t, True + t):
        assert isinstance(result, minigrad.Tensor)


def test_dlpack():
    t = minigrad.arange(4.0)
    assert np.shares_memory(np.from_dlpack(t), t.numpy())
    assert np.shares_memory(minigrad.from_dlpack(t.numpy()).numpy(), t.numpy())
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(minigrad.ones(2, requires_grad=True))


def test_numbers():
    t = minigrad.tensor(2.5)
    assert (float(t), int(t), complex(t), bool(t), t.item(), t.tolist()) == (2.5, 2, 2.5 + 0j, True, 2.5, 2.5)
    assert f"{t:.2f}" == "2.50" and f"{t}" == "2.5" and f"{minigrad.ones(2)}" == "tensor([1., 1.])"
    assert [10, 20, 30][minigrad.tensor(1)] == 20
    with pytest.raises(TypeError, match="index"):
        [1][minigrad.tensor(0.0)]
    with pytest.raises(TypeError, match="0-d"):
        len(t)


def test_containers():
    t = minigrad.tensor([[1, 2], [3, 4]])
    assert len(t) == 2 and [row.tolist() for row in t] == [[1, 2], [3, 4]] and 3 in t and 9 not in t
    assert len({t, t, minigrad.tensor([[1, 2], [3, 4]])}) == 2, "hashing is by identity"
    assert t.tolist() == [[1, 2], [3, 4]] and (t == None) is False and t != "text"  # noqa: E711


def test_shape_and_strides():
    t = minigrad.zeros(2, 3, 4)
    assert t.shape == (2, 3, 4) == t.size() and t.size(-1) == 4 and t.numel() == 24 == t.shape.numel()
    assert repr(t.shape) == "minigrad.Size([2, 3, 4])" and t.shape[:2] == (2, 3) and isinstance(t.shape[1:], minigrad.Size)
    assert t.stride() == (12, 4, 1) and t.is_contiguous() and not t.transpose(0, 1).is_contiguous()
    assert t[:, 1].storage_offset() == 4 and t[1].data_ptr() - t.data_ptr() == 48 and t.element_size() == 4
    assert (t.ndim, t.dim(), t.nbytes, t.itemsize, t.get_device(), t.is_cuda) == (3, 3, 96, 4, -1, False)
    with pytest.raises(IndexError, match="out of range"):
        t.size(3)


def test_dtypes():
    assert (
        minigrad.float32 == np.float32 and minigrad.float32 != minigrad.float64 and hash(minigrad.int8) == hash(np.dtype("int8"))
    )
    assert minigrad.long is minigrad.int64 and minigrad.double is minigrad.float64 and minigrad.half is minigrad.float16
    assert (
        repr(minigrad.bfloat16) == "minigrad.bfloat16"
        and minigrad.bfloat16.itemsize == 2
        and minigrad.bool.is_floating_point is False
    )
    assert pickle.loads(pickle.dumps(minigrad.int32)) is minigrad.int32
    with pytest.raises(TypeError, match="no dtype"):
        minigrad.zeros(2, dtype="float3")
    with pytest.raises(TypeError, match="only float dtypes"):
        minigrad.set_default_dtype(minigrad.int64)


def test_legacy_constructor():
    assert (
        minigrad.Tensor(2, 3).shape == (2, 3)
        and minigrad.Tensor([1, 2]).tolist() == [1.0, 2.0]
        and minigrad.Tensor().shape == (0,)
    )
    assert minigrad.Tensor([1, 2]).dtype is minigrad.float32 and minigrad.LongTensor([1, 2]).dtype is minigrad.int64


@pytest.mark.parametrize("make", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_copies(make, dtype):
    t = minigrad.tensor([[0.0, 1.0], [2.0, 3.0]]).to(getattr(minigrad, dtype))
    other = make(t.T)
    assert other.dtype is t.dtype and (other == t.T).all() and not np.shares_memory(other.numpy(), t.numpy())
    p = nn.Parameter(minigrad.ones(2))
    p.note = "kept"
    p.grad = minigrad.ones(2)
    q = make(p)
    assert isinstance(q, nn.Parameter) and q.requires_grad and q.note == "kept" and q is not p


def test_copies_of_history_are_refused():
    y = minigrad.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(y)
    with pytest.raises(RuntimeError, match="detach"):
        pickle.dumps(y)


def test_grad_and_data_are_checked():
    p = minigrad.ones(2, requires_grad=True)
    for wrong, error in ((minigrad.ones(3), "gradient of size"), (minigrad.ones(2).double(), "gradient with dtype")):
        with pytest.raises((RuntimeError, TypeError), match=error):
            p.grad = wrong
    with pytest.raises(TypeError, match="Tensor or None"):
        p.grad = [1.0, 2.0]
    p.data = minigrad.zeros(3)
    (p * 2).sum().backward()
    assert p.grad.tolist() == [2.0, 2.0, 2.0] and p.is_leaf
    with pytest.raises(TypeError, match="must be a Tensor"):
        p.data = 3


def test_attributes_of_users_stay():
    t = minigrad.ones(1)
    t.weight_decay = 0.1
    assert t.weight_decay == 0.1 and "weight_decay" in dir(t)


def test_python_types_as_dtypes():
    """As a dtype Python's float is float64, as in PyTorch; as a value it is the default dtype."""
    assert minigrad.ones(2, dtype=float).dtype is minigrad.float64 and minigrad.ones(2).to(int).dtype is minigrad.int64
    assert minigrad.full((2,), 1.5).dtype is minigrad.float32 and minigrad.full((2,), 1).dtype is minigrad.int64
    assert minigrad.asarray(minigrad.ones(2, requires_grad=True)).requires_grad
