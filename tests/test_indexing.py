"""``x[key]``, ``x[key] = value`` and the functions that read and write by index: values, gradients, errors.

Keys are checked against NumPy where its meaning is PyTorch's, gradients against central differences, and (``-m parity``)
everything against PyTorch.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import gradcheck, gradgradcheck

F = mg.nn.functional


class T:
    """An index or value that becomes a tensor of the library under test."""

    def __init__(self, data, dtype=None):
        self.data, self.dtype = data, dtype

    def __repr__(self):
        return f"T({self.data})"


def made(lib, key):
    if isinstance(key, T):
        return lib.tensor(key.data, **({"dtype": getattr(lib, key.dtype)} if key.dtype else {}))
    if isinstance(key, tuple):
        return tuple(made(lib, k) for k in key)
    return key


MASK = [[True, False, True, False], [False, False, True, True], [True, True, False, False]]
BASIC = [
    0, -1, (1, 2), (-1, -4), slice(None), slice(1, 3), slice(None, None, 2), slice(5, 9), slice(-2, None), slice(2, 1),
    (slice(None), 1), (slice(1, None), slice(None, 2)),
    None, (None, 0), (slice(None), None, slice(1, 3)), ..., (..., 0), (0, ...), (..., None), (None, ..., None), (1, ..., 2), (),
    np.int64(1), (np.int32(0), np.int64(2)), slice(np.int64(1), None),
]  # fmt: skip
ADVANCED = [
    T([0, 2]), T([2, 2, 0]), T([-1, 0]), T([[0, 1], [2, 2]]), (T([0, 2]), T([1, 3])), (slice(None), T([3, 0])),
    (T([0, 1]), slice(1, 3)), (T([[0], [2]]), T([1, 3])), [0, 2], ([0, 1], [1, 2]),
    np.array([1, 1]), range(2), T(MASK), T([True, False, True]), (slice(None), T([True, False, False, True])),
    (T([True, False, True]), 0), (T([True, True, False]), T([1, 2])), True, False, T(True), T(False),
    (True, 0), (0, T([1, 2])), (T([1, 2]), 0), (None, T([1, 2])), (T([1, 2]), None), (..., T([1, 2])), (T(1), T([0, 2])), T(1),
    (T(1), T(2)), T([], "int64"), T([0, 2], "int32"), T([1, 0, 1], "uint8"),
    (slice(None, None, 2), T([0, 1, 3])), [True, False, True], (slice(1, 3), [[0, 1], [2, 3]]), np.array(MASK),
    np.array([True, False, False]), (np.array(1), slice(None)),
]  # fmt: skip
DEEP = [  # on (2, 3, 4)
    (0, slice(None), T([0, 1])), (slice(None), 0, T([0, 1])), (T([0, 1]), slice(None), T([1, 2])), (T([0, 1]), slice(None), 1),
    (T([0, 1]), 0, slice(None)), (slice(None), T([0, 2]), T([1, 3])),
    (T([0]), None, T([1, 2])), (..., T([0, 2]), slice(1, 3)), (None, 0, ..., T([1, 1])), (T([[0, 1], [1, 0]]), T([1, 2])),
    (slice(None), T([[True, False, False, True]] * 3)), (0, T([True, False, True]), slice(None)),
    (T([True, False]), slice(None), T([2])), (T([1, 0]), slice(None, 2), [0, 3]), (slice(None), slice(None), None, T([3])),
    (T(1), slice(None), T([0, 1])), (1, T(2), ...),
]  # fmt: skip
CASES = (
    [((3, 4), k) for k in BASIC + ADVANCED]
    + [((2, 3, 4), k) for k in DEEP]
    + [((), ()), ((), ...), ((), None), ((), T(True)), ((0, 3), slice(None)), ((0, 3), T([], "int64"))]
)
BASIC_NAMES = {repr(k) for k in BASIC}


def name(case):
    return f"{case[0]}{case[1]!r}".replace("\n", "")


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# ------------------------------------------------------------------------------------------------------------------- reading
@pytest.mark.parametrize("shape, key", [((3, 4), k) for k in BASIC], ids=repr)
def test_basic_keys_are_views_as_in_numpy(shape, key):
    a = np.arange(12.0).reshape(3, 4)
    x = mg.from_numpy(a)
    got = x[key]
    assert got.shape == a[key].shape and (got.numpy() == a[key]).all()
    assert np.shares_memory(got.numpy(), a) or not got.numel()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_getitem_gradients(case):
    shape, key = case
    x = mg.tensor(numbers(shape), requires_grad=True)
    if x.numel():
        assert gradcheck(lambda x: x[made(mg, key)], (x,))
        assert gradgradcheck(lambda x: x[made(mg, key)] * x[made(mg, key)], (x,))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_setitem_gradients(case):
    shape, key = case
    x = mg.tensor(numbers(shape), requires_grad=True)
    part = mg.zeros(shape)[made(mg, key)]
    if repeats(shape, key) or not x.numel():
        return
    v = mg.tensor(numbers(tuple(part.shape), 1), requires_grad=True)

    def program(x, v):
        y = x * 1
        y[made(mg, key)] = v * v
        return y * y

    assert gradcheck(program, (x, v))


def repeats(shape, key):
    """Whether the key names some element twice: which value stays is then nobody's promise."""
    n = int(np.prod(shape))
    places = mg.arange(n).reshape(shape)[made(mg, key)]
    return len(set(places.reshape(-1).tolist())) != places.numel()


def run(lib, f):
    """The result, or the kind of error."""
    try:
        return f(lib)
    except Exception as error:
        return type(error), str(error)


def same(mine, theirs):
    if isinstance(theirs, tuple) and len(theirs) == 2 and isinstance(theirs[0], type):
        assert isinstance(mine, tuple) and isinstance(mine[0], type), f"PyTorch raised {theirs}, minigrad gave {mine}"
        assert issubclass(mine[0], theirs[0]), f"PyTorch raised {theirs}, minigrad {mine}"
        return
    assert not (isinstance(mine, tuple) and mine and isinstance(mine[0], type)), f"minigrad raised {mine}, PyTorch gave {theirs}"
    if isinstance(theirs, tuple | list):
        for a, b in zip(mine, theirs, strict=True):
            same(a, b)
        return
    assert tuple(mine.shape) == tuple(theirs.shape), f"{mine} and {theirs}"
    assert str(mine.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
@pytest.mark.parametrize("case", CASES, ids=name)
def test_getitem_parity(case):
    import torch

    shape, key = case
    a = numbers(shape)
    mine, theirs = mg.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    u, v = mine[made(mg, key)], theirs[made(torch, key)]
    same(u, v)
    g = numbers(tuple(v.shape), 5)
    u.backward(mg.tensor(g))
    v.backward(torch.tensor(g))
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-12, atol=1e-12)


VALUES = {
    "number": lambda lib, part: 2.5,
    "int": lambda lib, part: 3,
    "tensor": lambda lib, part: lib.tensor(numbers(tuple(part.shape), 3)),
    "0-d": lambda lib, part: lib.tensor(1.5, dtype=lib.float64),
    "integers": lambda lib, part: lib.arange(int(np.prod(tuple(part.shape)))).reshape(tuple(part.shape)),
    "last": lambda lib, part: lib.tensor(numbers(tuple(part.shape)[-1:], 4)),
    "leading ones": lambda lib, part: lib.tensor(numbers((1, 1, *part.shape), 4)),
}


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("case", CASES, ids=name)
def test_setitem_parity(case, value):
    import torch

    shape, key = case
    if repeats(shape, key) or (value == "integers" and repr(key) not in BASIC_NAMES):
        return  # where tensors are in the key, PyTorch does not cast, and minigrad does
    if repr(key) == "False" or "uint8" == getattr(key, "dtype", None):
        return  # PyTorch: no gradient at all, and an error for numbers
    results = []
    for lib in (mg, torch):
        x = lib.tensor(numbers(shape), requires_grad=True)
        y = x * 1
        v = VALUES[value](lib, y[made(lib, key)])
        if (lib is torch and isinstance(v, torch.Tensor)) or (lib is mg and isinstance(v, mg.Tensor)):
            v = v.requires_grad_() if v.is_floating_point() else v
        y[made(lib, key)] = v
        (y * y).sum().backward()
        results.append([y, x.grad, *([v.grad] if getattr(v, "grad", None) is not None else [])])
    same(*results)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "float16", "bfloat16"])
def test_setitem_casts(dtype):
    d = getattr(mg, dtype)
    x = mg.zeros(4, dtype=d)
    x[0] = 1.7
    x[1:3] = mg.tensor([1.9, 0.0], dtype=mg.float64)
    x[[3]] = mg.tensor([True])
    expected = np.zeros(4)
    expected[:] = [1.7, 1.9, 0.0, 1.0]
    assert x.dtype is d and (x == mg.tensor(expected).to(d)).all()


def test_setitem_takes_lists_arrays_and_bools():
    x = mg.zeros(2, 3)
    x[0] = [1, 2, 3]
    x[1] = np.array([4.0, 5.0, 6.0])
    x[0, 0] = True
    assert x.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_augmented_assignment():
    x = mg.arange(6.0).reshape(2, 3).clone()
    x[0] += 10
    x[:, 1] *= 2
    x[x > 20] -= 1
    x[[0, 1], [0, 0]] += mg.tensor([0.5, 0.25])
    assert x.tolist() == [[10.5, 21.0, 12.0], [3.25, 8.0, 5.0]]


def test_a_write_with_a_mask_and_a_number_needs_no_search():
    x = mg.tensor(numbers((3, 4)), requires_grad=True)
    y = x * 1
    y[y > 0] = 0.0
    y.sum().backward()
    assert (x.grad == (x <= 0).double()).all()


# -------------------------------------------------------------------------------------------------------------------- errors
ERRORS = [
    (IndexError, "index 5 is out of bounds for dimension 0 with size 3", lambda x: x[5]),
    (IndexError, "index 4 is out of bounds for dimension 1 with size 4", lambda x: x[:, 4]),
    (IndexError, "index -4 is out of bounds for dimension 0 with size 3", lambda x: x[-4]),
    (IndexError, "index 7 is out of bounds for dimension 1 with size 4", lambda x: x[..., 7]),
    (IndexError, "index 3 is out of bounds for dimension 0 with size 3", lambda x: x[mg.tensor([0, 3])]),
    (IndexError, "index 3 is out of bounds for dimension 0 with size 3", lambda x: x.__setitem__(mg.tensor([0, 3]), 0.0)),
    (IndexError, "out of bounds", lambda x: x[mg.tensor(3)]),
    (IndexError, "too many indices for tensor of dimension 2", lambda x: x[0, 0, 0]),
    (IndexError, "too many indices", lambda x: x[mg.zeros(3, 4, 2).bool()]),
    (IndexError, "shape of the mask \\[2\\] at index 0 does not match", lambda x: x[mg.tensor([True, False])]),
    (IndexError, "shape of the mask", lambda x: x[:, mg.tensor([True, False])]),
    (IndexError, "long, int, byte or bool", lambda x: x[mg.tensor([1.0])]),
    (IndexError, "only integers, slices", lambda x: x[1.0]),
    (TypeError, "invalid data type 'str'", lambda x: x["a"]),
    (IndexError, "single ellipsis", lambda x: x[..., ..., 0]),
    (IndexError, "could not be broadcast", lambda x: x[[0, 1], [0, 1, 2]]),
    (IndexError, "invalid index of a 0-dim tensor", lambda x: x[0, 0][0]),
    (ValueError, "step must be greater than zero", lambda x: x[::-1]),
    (ValueError, "step must be greater than zero", lambda x: x[:, ::-2]),
    (RuntimeError, "must match the existing size", lambda x: x.__setitem__(0, mg.ones(2))),
    (RuntimeError, "shape mismatch: value tensor of shape \\[2\\]", lambda x: x.__setitem__([0, 1], mg.ones(2))),
    (RuntimeError, "number of sizes provided", lambda x: x.__setitem__((0, 0), mg.ones(2))),
    (TypeError, "can't assign", lambda x: x.__setitem__(0, "a")),
    (TypeError, "iteration over a 0-d tensor", lambda x: iter(x[0, 0])),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number):
    error, match, act = ERRORS[number]
    for grad in (False, True):
        x = mg.arange(12.0).reshape(3, 4)
        x = (x.requires_grad_() * 1) if grad else x.clone()
        before = x.tolist()
        with pytest.raises(error, match=match):
            act(x)
        assert x.tolist() == before


def test_iteration():
    x = mg.arange(6.0, requires_grad=True)
    y = (x * 1).reshape(3, 2)
    a, b, c = y
    (a * b * c).sum().backward()
    assert x.grad.tolist() == [8.0, 15.0, 0.0, 5.0, 0.0, 3.0]
    assert [v.item() for v in reversed(mg.arange(3))] == [2, 1, 0]
    assert 5.0 in mg.arange(6.0) and len(list(mg.zeros(0, 3))) == 0


# ----------------------------------------------------------------------------------------------- functions against PyTorch
X, Y = numbers((3, 4)), numbers((3, 4), 2)
PROGRAMS = {
    "gather": lambda lib, x, y: (x.gather(1, lib.tensor([[0, 0], [3, 1], [2, 2]])), lib.gather(x, 0, lib.tensor([[2, 0, 1, 1]])),
                                 x[0, 0].gather(0, lib.tensor(0))),
    "gather_errors": lambda lib, x, y: x.gather(1, lib.tensor([[4]])),
    "gather_negative": lambda lib, x, y: x.gather(1, lib.tensor([[-1]])),
    "gather_dims": lambda lib, x, y: x.gather(1, lib.tensor([0])),
    "gather_float": lambda lib, x, y: x.gather(1, lib.tensor([[0.0]])),
    "scatter": lambda lib, x, y: (x.scatter(1, lib.tensor([[0, 2], [3, 1], [2, 0]]), y[:, :2]),
                                  x.scatter(0, lib.tensor([[2, 0, 1, 1]]), 2.0), lib.scatter(x, 1, lib.tensor([[1]]), y[:1, :1])),
    "scatter_dtype": lambda lib, x, y: x.scatter(1, lib.tensor([[1]]), y.float()),
    "scatter_bounds": lambda lib, x, y: x.scatter(1, lib.tensor([[9]]), 1.0),
    "scatter_add": lambda lib, x, y: (x.scatter_add(1, lib.tensor([[0, 0], [3, 3], [2, 0]]), y[:, 2:]),
                                      x.clone().scatter_add_(0, lib.tensor([[1, 1, 1, 1]] * 3), y)),
    "scatter_sum": lambda lib, x, y: tuple(x.scatter_reduce(1, lib.tensor([[0, 0, 1], [3, 3, 3], [2, 0, 2]]), y[:, 1:], "sum",
        include_self=s) for s in (True, False)),
    "scatter_mean": lambda lib, x, y: tuple(x.scatter_reduce(1, lib.tensor([[0, 0, 1], [3, 3, 3], [2, 0, 2]]), y[:, 1:], "mean",
        include_self=s) for s in (True, False)),
    "scatter_prod": lambda lib, x, y: tuple(x.scatter_reduce(1, lib.tensor([[0, 0, 1], [3, 3, 3], [2, 0, 2]]), y[:, 1:], "prod",
        include_self=s) for s in (True, False)),
    "scatter_amax": lambda lib, x, y: tuple(x.scatter_reduce(1, lib.tensor([[0, 0, 1], [3, 3, 3], [2, 0, 2]]), y[:, 1:], "amax",
        include_self=s) for s in (True, False)),
    "scatter_amin": lambda lib, x, y: tuple(x.scatter_reduce(1, lib.tensor([[0, 0, 1], [3, 3, 3], [2, 0, 2]]), y[:, 1:], "amin",
        include_self=s) for s in (True, False)),
    "scatter_ties": lambda lib, x, y: (x * 0).scatter_reduce(0, lib.tensor([[0, 0, 0, 0]] * 3), y.round(), "amax"),
    "scatter_reduce_name": lambda lib, x, y: x.scatter_reduce(0, lib.tensor([[0]]), y, "largest"),
    "scatter_multiply": lambda lib, x, y: x.detach().scatter(1, lib.tensor([[0, 0], [3, 3], [2, 0]]), 3.0, reduce="multiply"),
    "index_select": lambda lib, x, y: (x.index_select(0, lib.tensor([2, 0, 2])), lib.index_select(x, 1, lib.tensor(1)),
                                       x[0, 0].index_select(0, lib.tensor([0]))),
    "index_select_bounds": lambda lib, x, y: x.index_select(0, lib.tensor([3])),
    "index_add": lambda lib, x, y: (x.index_add(0, lib.tensor([2, 2]), y[:2]),
                                    x.index_add(1, lib.tensor([0, 0, 1]), y[:, :3], alpha=2)),
    "index_add_shape": lambda lib, x, y: x.index_add(0, lib.tensor([0]), y[:1, :3]),
    "index_copy": lambda lib, x, y: (x.index_copy(0, lib.tensor([2, 0]), y[:2]), x.index_copy(1, lib.tensor([3]), y[:, :1])),
    "index_copy_shape": lambda lib, x, y: x.index_copy(0, lib.tensor([0]), y[:1, :3]),
    "index_fill": lambda lib, x, y: (x.index_fill(1, lib.tensor([3, 0]), 2), x.index_fill(0, lib.tensor([1]), y[0, 0])),
    "index_put": lambda lib, x, y: (x.index_put((lib.tensor([0, 2]), lib.tensor([1, 1])), y[0, :2]),
                                    x.index_put((lib.tensor([1, 1]),), y[0], accumulate=True)),
    "take": lambda lib, x, y: (x.take(lib.tensor([[0, 11], [-1, 5]])), lib.take(x, lib.tensor(3)),
                               x.put(lib.tensor([3, 3]), y[0, :2], accumulate=True)),
    "take_bounds": lambda lib, x, y: x.take(lib.tensor([12])),
    "take_along_dim": lambda lib, x, y: (x.take_along_dim(x.argsort(1), 1), x.take_along_dim(lib.tensor([5, 1])),
                                         lib.take_along_dim(x, lib.tensor([[2]]), dim=1)),
    "masked_fill": lambda lib, x, y: (x.masked_fill(x > 0, -1), x.masked_fill(lib.tensor([True, False, False, True]), y[0, 0]),
                                      x[0].masked_fill(x > 0, float("inf"))),
    "masked_fill_mask": lambda lib, x, y: x.masked_fill(lib.ones(3, 4), 0),
    "masked_fill_value": lambda lib, x, y: x.masked_fill(x > 0, y[0]),
    "masked_select": lambda lib, x, y: (x.masked_select(x > 0), lib.masked_select(x, lib.tensor([True, False, False, True]))),
    "masked_scatter": lambda lib, x, y: (x.masked_scatter(x > 0, y), x.clone().masked_scatter_(x < 0, y)),
    "masked_scatter_short": lambda lib, x, y: x.masked_scatter(x > -9, y[:1]),
    "nonzero": lambda lib, x, y: (lib.nonzero(x > 0), lib.nonzero(x > 0, as_tuple=True), lib.argwhere(x[0] > 0),
                                  lib.where(x > 0), lib.nonzero(lib.tensor(2)), lib.nonzero(lib.tensor(0), as_tuple=True)),
    "sort": lambda lib, x, y: (*x.sort(), *x.sort(0, descending=True), *lib.sort(x, dim=1, stable=True), lib.argsort(x, -1),
                               lib.msort(x), *x[0, 0].sort()),
    "sort_nan": lambda lib, x, y: tuple(lib.tensor([2.0, float("nan"), 1.0, 3.0]).sort(descending=d)[0] for d in (True, False)),
    "sort_ties": lambda lib, x, y: tuple(lib.tensor([2, 1, 2, 1, 2]).sort(descending=d, stable=True)[1] for d in (True, False)),
    "sort_bool": lambda lib, x, y: tuple(lib.tensor([True, False, True]).sort(stable=True)),
    "topk": lambda lib, x, y: (*x.topk(2), *lib.topk(x, 3, 0, largest=False), *x.topk(4, sorted=True), *x[0, 0].topk(1),
                               *x.topk(0)),
    "topk_k": lambda lib, x, y: x.topk(5),
    "topk_nan": lambda lib, x, y: (lib.tensor([2.0, float("nan"), 1.0]).topk(2).values,
                                   lib.tensor([2.0, float("nan"), 1.0]).topk(2, largest=False).values),
    "unique": lambda lib, x, y: (lib.tensor([[3, 1], [1, 2]]).unique(return_inverse=True, return_counts=True),
                                 lib.unique((x > 0).long(), dim=1, return_inverse=True), x.detach().unique()),
    "unique_dims": lambda lib, x, y: lib.unique((y > 0).int(), dim=0, return_inverse=True, return_counts=True),
    "unique_consecutive": lambda lib, x, y: (lib.unique_consecutive(lib.tensor([1, 1, 2, 1]), return_inverse=True,
        return_counts=True), lib.unique_consecutive((x > 0).int(), dim=1, return_counts=True)),
    "bincount": lambda lib, x, y: (lib.bincount(lib.tensor([0, 3, 3])), lib.bincount(lib.tensor([0, 2, 2, 2]), x[0].detach()),
                                   lib.bincount(lib.tensor([1]), minlength=4), lib.tensor([1, 1]).bincount(lib.tensor([1, 2]))),
    "bincount_negative": lambda lib, x, y: lib.bincount(lib.tensor([-1])),
    "bincount_float": lambda lib, x, y: lib.bincount(lib.tensor([1.0])),
    "histc": lambda lib, x, y: (lib.histc(x, 4), x.histc(5, -1, 1), lib.histc(lib.ones(3), 3),
                                lib.histc(x.float(), bins=7, min=-2, max=2)),
    "searchsorted": lambda lib, x, y: (lib.searchsorted(x[0].sort()[0], y),
                                       lib.searchsorted(lib.tensor([1, 3, 5]), 3, right=True),
                                       lib.searchsorted(x.sort()[0], y, side="right", out_int32=True)),
    "searchsorted_more": lambda lib, x, y: (lib.searchsorted(x[0], y, sorter=x[0].argsort()), lib.bucketize(x, y[0].sort()[0]),
                                            lib.bucketize(lib.tensor([3]), lib.tensor([1, 3]), right=True)),
    "searchsorted_shape": lambda lib, x, y: lib.searchsorted(x, y[:2]),
    "isin": lambda lib, x, y: (lib.isin(lib.tensor([1, 2, 3]), lib.tensor([2, 5])), lib.isin(lib.tensor([1, 2]), 2, invert=True),
                               lib.isin(x, x[0]), lib.isin(1, lib.tensor([1]))),
    "one_hot": lambda lib, x, y: (lib.nn.functional.one_hot(lib.tensor([0, 2])), lib.nn.functional.one_hot(lib.tensor([[1]]), 3)),
    "one_hot_range": lambda lib, x, y: lib.nn.functional.one_hot(lib.tensor([3]), 2),
    "embedding": lambda lib, x, y: (lib.nn.functional.embedding(lib.tensor([[0, 2], [2, 1]]), x),
                                    lib.nn.functional.embedding(lib.tensor(1), x)),
    "embedding_padding": lambda lib, x, y: lib.nn.functional.embedding(lib.tensor([0, 2, 2, 1]), x, padding_idx=2),
    "embedding_frequency": lambda lib, x, y: lib.nn.functional.embedding(lib.tensor([0, 2, 2, 1, 2]), x, padding_idx=-3,
        scale_grad_by_freq=True),
    "embedding_bounds": lambda lib, x, y: lib.nn.functional.embedding(lib.tensor([3]), x),
    "embedding_float": lambda lib, x, y: lib.nn.functional.embedding(lib.tensor([1.0]), x),
    "fill_diagonal": lambda lib, x, y: (x.clone().fill_diagonal_(5), lib.zeros(7, 3).fill_diagonal_(2, wrap=True),
                                        lib.zeros(2, 2, 2).fill_diagonal_(1)),
    "twins": lambda lib, x, y: (x.clone().scatter_(1, lib.tensor([[0], [1], [2]]), 3.0),
                                x.clone().index_put_((lib.tensor([0]),), y[0]), x.clone().masked_fill_(x > 0, 1),
                                x.clone().tril_(), x.clone().triu_(1)),
    "where_one": lambda lib, x, y: lib.where(x > 0),
    "vander": lambda lib, x, y: (lib.vander(x[0].detach()), lib.vander(x[0].detach(), N=3, increasing=True)),
}  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("program", PROGRAMS)
def test_functions_parity(program):
    import torch

    mine = [mg.tensor(a, requires_grad=True) for a in (X, Y)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (X, Y)]
    a, b = run(mg, lambda lib: PROGRAMS[program](lib, *mine)), run(torch, lambda lib: PROGRAMS[program](lib, *theirs))
    same(a, b)
    if isinstance(b, tuple) and isinstance(b[0], type):
        return
    for u, v in zip(flat(a), flat(b)):
        if v.requires_grad:
            g = numbers(tuple(v.shape), 8)
            u.backward(mg.tensor(g).to(u.dtype), retain_graph=True)
            v.backward(torch.tensor(g).to(v.dtype), retain_graph=True)
    for u, v in zip(mine, theirs):
        assert (u.grad is None) == (v.grad is None)
        if v.grad is not None:
            np.testing.assert_allclose(u.grad.numpy(), v.grad.numpy(), rtol=1e-9, atol=1e-12)


def flat(out):
    return [t for o in out for t in flat(o)] if isinstance(out, tuple | list) else [out]


# -------------------------------------------------------------------------------------------------------------- more by hand
def test_embedding_with_a_largest_length():
    w = mg.tensor([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0]], requires_grad=True)
    out = F.embedding(mg.tensor([0, 1]), w, max_norm=1.0)
    np.testing.assert_allclose(out.detach().numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5)
    np.testing.assert_allclose(w.detach().numpy()[2], [30.0, 40.0])  # not used, not touched
    inf = mg.tensor([[3.0, -4.0]])
    np.testing.assert_allclose(
        F.embedding(mg.tensor([0]), inf, max_norm=2.0, norm_type=float("inf")).numpy(), [[1.5, -2.0]], rtol=1e-5
    )


def test_embedding_gradients():
    w = mg.tensor(numbers((5, 3)), requires_grad=True)
    index = mg.tensor([[0, 2], [2, 4]])
    assert gradcheck(lambda w: F.embedding(index, w), (w,)) and gradgradcheck(lambda w: F.embedding(index, w) ** 2, (w,))
    (g,) = mg.autograd.grad(F.embedding(index, w, padding_idx=2).sum(), w)
    assert g.tolist() == [[1.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3]
    (g,) = mg.autograd.grad(F.embedding(index, w, scale_grad_by_freq=True).sum(), w)
    assert g.tolist() == [[1.0] * 3, [0.0] * 3, [1.0] * 3, [0.0] * 3, [1.0] * 3]


def test_large_embedding_gradients_add_up_in_order():
    """The kernel and the text add repeated rows alike."""
    r = np.random.default_rng(0)
    index, g = r.integers(0, 50, 4000), r.standard_normal((4000, 16)).astype("float32")
    w = mg.zeros(50, 16, requires_grad=True)
    results = []
    for flag in (True, False):
        with mg.kernels.use_kernels(flag):
            (d,) = mg.autograd.grad(F.embedding(mg.tensor(index), w), w, mg.tensor(g))
            results.append(d.numpy())
    expected = np.zeros((50, 16))
    np.add.at(expected, index, g.astype(float))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(results[0], expected, rtol=1e-3, atol=1e-4)


def test_topk_of_many_by_partition():
    r = np.random.default_rng(1)
    for values in (
        r.standard_normal((3, 500)),
        np.floor(r.random((3, 500)) * 5),
        np.where(r.random((3, 500)) < 0.01, np.nan, 1.0),
    ):
        for largest in (True, False):
            got = mg.tensor(values).topk(7, largest=largest)
            full = mg.tensor(values).sort(descending=largest)
            np.testing.assert_array_equal(got.values.numpy(), full.values.numpy()[:, :7])
            np.testing.assert_array_equal(mg.tensor(values).gather(1, got.indices).numpy(), got.values.numpy())
    assert mg.tensor(r.standard_normal(500)).bfloat16().topk(3).values.dtype is mg.bfloat16


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_equal_values_share_the_gradient_of_the_extreme(reduce):
    x = mg.tensor([2.0, 5.0, 1.0], dtype=mg.float64, requires_grad=True)
    v = mg.tensor([2.0, 2.0, 7.0, 0.0], dtype=mg.float64, requires_grad=True)
    x.scatter_reduce(0, mg.tensor([0, 0, 1, 2]), v, reduce).sum().backward()
    larger = reduce == "amax"
    assert x.grad.tolist() == [pytest.approx(1 / 3), 0.0 if larger else 1.0, 1.0 if larger else 0.0]
    assert v.grad.tolist() == [pytest.approx(1 / 3), pytest.approx(1 / 3), 1.0 if larger else 0.0, 0.0 if larger else 1.0]


def test_repeated_indices_add_up_in_gradients():
    x = mg.tensor(numbers(4), requires_grad=True)
    x[mg.tensor([1, 1, 3, 1])].sum().backward()
    assert x.grad.tolist() == [0.0, 3.0, 0.0, 1.0]


def test_indexing_by_int32_and_not_by_smaller_integers():
    x = mg.arange(300)
    assert x[mg.tensor([299, -300], dtype=mg.int32)].tolist() == [299, 0]
    for dtype in (mg.int16, mg.int8):
        with pytest.raises(IndexError, match="must be long, int, byte or bool"):
            x[mg.tensor([1, 2], dtype=dtype)]
