"""Tensors as memory: views with free steps, storages, resizing, and classes of users that derive from Tensor."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import minigrad


def test_as_strided_looks_into_the_whole_memory():
    x = minigrad.arange(12.0)
    y = x[2:8].as_strided((2, 2), (3, 1))
    assert y.tolist() == [[2.0, 3.0], [5.0, 6.0]]
    assert x[2:8].as_strided((2,), (1,), 10).tolist() == [10.0, 11.0]
    y[0, 0] = -1.0
    assert x[2].item() == -1.0
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        x.as_strided((5,), (3,))


def test_writes_through_strided_views_are_differentiated():
    x = minigrad.ones(2, 3, requires_grad=True)
    y = x * 2
    y.as_strided((2,), (4,)).mul_(5)  # elements 0 and 4
    (y * y).sum().backward()
    assert x.grad.tolist() == [[200.0, 8.0, 8.0], [8.0, 200.0, 8.0]]
    x = minigrad.ones(4, requires_grad=True)
    x.as_strided((3, 2), (1, 1)).sum().backward()  # overlapping windows
    assert x.grad.tolist() == [1.0, 2.0, 2.0, 1.0]
    x = minigrad.ones(2, requires_grad=True)
    wide = x.unsqueeze(0).expand(3, 2)
    wide.as_strided((2,), (1,)).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_storages():
    x = minigrad.arange(6.0)
    assert x[3:].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert x[3:].storage().tolist() == x.tolist() and len(x.storage()) == 6
    assert minigrad.is_storage(x.storage()) and not minigrad.is_storage(x)
    y = minigrad.zeros(1).set_(x.storage(), 1, (2, 2), (2, 1))
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]] and y.is_set_to(x.as_strided((2, 2), (2, 1), 1))


def test_resize_keeps_what_is_there():
    x = minigrad.arange(6)
    y = x.view(6)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    x[0, 0] = 9
    assert y[0].item() == 9
    assert x.resize_(3, 3).reshape(-1)[:6].tolist() == [9, 1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError, match="require grad"):
        minigrad.ones(2, requires_grad=True).resize_(3)


def test_python_functions_by_element():
    x = minigrad.tensor([1.0, 2.0])
    assert x.apply_(lambda v: v * 10) is x and x.tolist() == [10.0, 20.0]
    assert x.map_(minigrad.tensor([1.0, 2.0]), lambda a, b: a + b).tolist() == [11.0, 22.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        minigrad.ones(2, requires_grad=True).apply_(abs)


def test_old_constructors():
    x = minigrad.ones(2, dtype=minigrad.float64)
    assert x.new(2, 3).shape == (2, 3) and x.new([1, 2]).dtype is minigrad.float64 and x.new().shape == (0,)
    assert minigrad.Tensor(2, 3).shape == (2, 3) and minigrad.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert minigrad.zeros(size=(2, 1)).shape == x.new_zeros(size=(2, 1)).shape == (2, 1)


class Tagged(minigrad.nn.Parameter):
    def __new__(cls, data, tag, requires_grad=True):
        self = super().__new__(cls, data, requires_grad)
        self.tag = tag
        return self

    def __init__(self, data, tag, requires_grad=True):
        super().__init__()


def test_parameters_of_a_users_class():
    p = Tagged(minigrad.ones(2), "here")
    assert p.requires_grad and p.tag == "here" and type(p * 2) is minigrad.Tensor
    layer = minigrad.nn.Module()
    layer.p = p
    assert [name for name, _ in layer.named_parameters()] == ["p"]
    for same in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(same) is Tagged and same.tag == "here" and same.requires_grad
    made = minigrad.Tensor._make_subclass(Tagged, minigrad.zeros(3), True)
    assert type(made) is Tagged and made.requires_grad
    assert type(minigrad.zeros(3).as_subclass(Tagged)) is Tagged


def test_a_leaf_that_views_other_memory_refuses_writes():
    leaf = minigrad.arange(4.0).reshape(2, 2).requires_grad_()
    for write in (lambda: leaf.add_(1), lambda: leaf[0].zero_()):
        with pytest.raises(RuntimeError, match="leaf Variable"):
            write()
    with minigrad.no_grad():
        assert leaf.add_(1).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_lists_of_sequences_index_like_tuples():
    x = minigrad.arange(6).reshape(2, 3)
    assert x[[[0, 1], [2, 0]]].tolist() == [2, 3] and x[[minigrad.tensor([0]), 1]].tolist() == [1]
    x[[slice(0, 1), 0]] = 7
    assert x.tolist() == [[7, 1, 2], [3, 4, 5]] and x[np.array([[0, 1]])].shape == (1, 2, 3)


def test_a_trace_knows_no_memory():
    with pytest.raises(RuntimeError, match="as_strided: a traced tensor has no memory"):
        minigrad.compile.trace(lambda x: x.as_strided((2, 2), (1, 1)).sum(), minigrad.randn(4))


FAULTS = """
import resource, minigrad
from minigrad.backends import memory
x = minigrad.ones(3 * 2**22)  # 48 MiB: more than glibc keeps by itself
for i in range(25):
    if i == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    y = x[: x.numel() - i % 3] + 1
    del y
print(memory.reuse(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    """Whether freed memory is kept, and the pages that the system had to give to twenty large additions."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k not in ("GLIBC_TUNABLES", "MINIGRAD_ALLOCATOR")
    }
    done = subprocess.run([sys.executable, "-c", FAULTS], env=kept | environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told, number = done.stdout.split()
    return told == "True", int(number)


def test_large_arrays_reuse_memory():
    told, number = faults()
    if not told:
        pytest.skip("another C library than glibc")
    assert number < 50
    for environment in ({"MINIGRAD_ALLOCATOR": "0"}, {"MALLOC_MMAP_THRESHOLD_": "1000000"}):
        told, number = faults(**environment)
        assert not told and number >= 20 * 24  # in pages of 2 MiB at best
