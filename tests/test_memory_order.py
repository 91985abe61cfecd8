"""In which order the dimensions of new tensors lie in memory, and which memory ``out=`` may be."""

import pytest

import minigrad as mg
from minigrad.errors import DtypeError, InplaceError

LIKE = [
    mg.zeros_like, mg.ones_like, mg.empty_like, mg.rand_like, mg.randn_like, mg.clone,
    lambda x: mg.full_like(x, 2.0), lambda x: x * 2,
]  # fmt: skip


@pytest.mark.parametrize("make", LIKE)
def test_a_transposed_tensor_keeps_its_order(make):
    x = mg.rand(2, 3, 4).permute(2, 0, 1)
    assert make(x).stride() == x.stride() == (1, 12, 4)
    assert make(x[:, :, ::2]).stride() == (1, 8, 4)  # without the gaps
    assert make(mg.rand(3, 1).expand(3, 4)).is_contiguous()


def test_clone_of_a_transposed_tensor_is_equal_and_apart():
    x = mg.arange(6.0).reshape(2, 3).T
    y = x.clone()
    assert (y == x).all() and y.data_ptr() != x.data_ptr()
    assert x.clone(memory_format=mg.contiguous_format).stride() == (2, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda x, f: x.to(memory_format=f), lambda x, f: x.contiguous(memory_format=f), lambda x, f: x.double(memory_format=f),
        lambda x, f: x.clone(memory_format=f), lambda x, f: mg.ones_like(x, memory_format=f),
        lambda x, f: mg.empty(x.shape, memory_format=f),
    ],
)  # fmt: skip
def test_channels_last(make):
    x = mg.rand(2, 3, 4, 5)
    y = make(x, mg.channels_last)
    assert y.stride() == (60, 1, 15, 3) and y.shape == x.shape
    assert y.is_contiguous(memory_format=mg.channels_last) and not y.is_contiguous()
    with pytest.raises(RuntimeError, match="required rank 4"):
        make(mg.rand(2, 3), mg.channels_last)


def test_channels_last_of_what_is_so_already_is_itself():
    x = mg.rand(2, 3, 4, 5).to(memory_format=mg.channels_last)
    assert x.to(memory_format=mg.channels_last) is x and x.contiguous(memory_format=mg.channels_last) is x
    assert x.contiguous().stride() == (60, 20, 5, 1)


def test_gradient_through_channels_last():
    x = mg.rand(1, 2, 2, 2, requires_grad=True)
    (x.contiguous(memory_format=mg.channels_last) * mg.arange(8.0).reshape(1, 2, 2, 2)).sum().backward()
    assert x.grad.flatten().tolist() == [*range(8)]


def test_out_may_be_an_input_but_not_a_part_of_one():
    x = mg.arange(5.0)
    mg.add(x, 1, out=x)
    assert x.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(InplaceError, match="single memory location"):
        mg.add(x[:-1], 1, out=x[1:])
    with pytest.raises(InplaceError, match="single memory location"):
        mg.gather(x, 0, mg.tensor([1, 0]), out=x[:2])
    with pytest.raises(InplaceError, match="single memory location"):
        mg.exp(mg.zeros(1), out=mg.zeros(1).expand(3))
    assert x.tolist() == [1, 2, 3, 4, 5]


def test_out_of_another_dtype():
    assert mg.exp(mg.zeros(2), out=mg.empty(2, dtype=mg.float64)).dtype is mg.float64
    with pytest.raises(DtypeError, match="Expected out tensor to have dtype"):
        mg.argmax(mg.zeros(2, 2), 1, out=mg.empty(2))
    with pytest.raises(DtypeError, match="Expected out tensor to have dtype"):
        mg.gather(mg.zeros(2), 0, mg.tensor([0]), out=mg.empty(1, dtype=mg.float64))
    assert mg.zeros(2, out=mg.ones(2, dtype=mg.int64)).tolist() == [0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: mg.nn.functional.interpolate(x, size=(3, 3)), lambda x: mg.nn.functional.pad(x, (0, 0, 0, 0), mode="reflect"),
        lambda x: mg.nn.functional.unfold(x, 1), lambda x: mg.channel_shuffle(x, 1), lambda x: mg.flip(x, ()),
    ],
)  # fmt: skip
def test_what_has_nothing_to_do_returns_a_copy(call):
    x = mg.ones(1, 2, 3, 3)
    call(x).zero_()
    assert x.all()


def test_numbers_are_reduced_over_dimension_zero():
    two = mg.tensor(2.0)
    for name in ("sum", "mean", "logsumexp", "amax", "nansum", "norm"):
        result = getattr(two, name)(dim=[0])
        assert result.shape == () and result.item() == 2.0, name
    assert mg.tensor(True).all((0,)) and two.var([-1]).isnan()
    with pytest.raises(IndexError, match="out of range"):
        two.sum([1])
    with pytest.raises(RuntimeError, match="appears multiple times"):
        two.sum([0, -1])


def test_integers_are_summed_in_the_dtype_asked_for():
    x = mg.tensor([100, 100, 100])
    assert x.sum(dtype=mg.int32).dtype is mg.int32 and x.sum(dtype=mg.uint8).item() == 300 % 256
    assert x.cumsum(0, dtype=mg.uint8).tolist() == [100, 200, 44] and x.prod(dtype=mg.bool).item() is True


def test_named_results_have_public_classes():
    assert isinstance(mg.ones(2).max(0), mg.return_types.max)
    assert isinstance(mg.linalg.eigh(mg.eye(2)), mg.return_types.linalg_eigh)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        mg.return_types.nothing_of_the_kind


def test_second_names_of_arguments():
    x = mg.arange(6.0).reshape(2, 3)
    assert x.cumsum(axis=1).tolist() == x.cumsum(1).tolist()
    assert mg.linalg.norm(input=x).item() == mg.linalg.norm(x).item()
    assert mg.topk(x, 1, axis=0).values.shape == (1, 3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        x.cumsum(axes=1)
    with pytest.raises(TypeError):
        x.cumsum(1, axis=1)
