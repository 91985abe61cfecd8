"""Views share memory, know their base, and take writes in place with the right gradient.

Each program below runs on minigrad, whose gradients are checked against central differences, and (``-m parity``) on
PyTorch, whose values and gradients must be the same.
"""

import gc

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, InplaceError
from minigrad.testing import gradcheck, gradgradcheck

SHAPE = (3, 4)
WRITES = {}
READS = {}


def write(f):
    WRITES[f.__name__] = f
    return f


def read(name, f):
    READS[name] = f


# ------------------------------------------------------------------- programs: y is computed from x, then written through views
@write
def whole(lib, x):
    y = x * 2
    y.mul_(x)
    return y


@write
def view_add(lib, x):
    y = x * 2
    y.view(12).add_(x.reshape(-1) ** 2)
    return y * y


@write
def column(lib, x):
    y = x * 2
    y[:, 0] += 1
    y[:, 1] *= x[:, 2]
    return y * y


@write
def transposed(lib, x):
    y = x * 2
    y.T.mul_(2)
    y.T[1].mul_(x[:, 0])
    return y * y


@write
def view_of_view(lib, x):
    y = x.clone()
    y[1:].view(-1)[2:6].view(2, 2).t().mul_(x[:2, :2])
    return y.sin()


@write
def narrow_select(lib, x):
    y = x * 1
    y.narrow(1, 1, 2).mul_(3)
    y.select(0, -1).copy_(x[0])
    return y * x


@write
def squeezed(lib, x):
    y = (x * 1).unsqueeze(1)
    y.squeeze(1)[0].mul_(x[1])
    y.squeeze().flatten()[5:7].zero_()
    return y * y


@write
def diagonal(lib, x):
    y = x * 1
    y.diagonal().mul_(x[:, 0])
    y.diagonal(1).add_(1)
    return y * y


@write
def batch_diagonal(lib, x):
    y = (x * 1).view(3, 2, 2)
    lib.diagonal(y, 0, 1, 2).copy_(x[:, :2])
    return y * y


@write
def permuted(lib, x):
    y = (x * 1).view(3, 2, 2)
    y.permute(2, 0, 1)[0].mul_(x[:, 1:3])
    return y.movedim(0, 1) * 2


@write
def unfolded(lib, x):
    y = x * 1
    y.unfold(1, 2, 2).mul_(x.view(3, 2, 2))
    return y * y


@write
def expanded_base(lib, x):
    y = x * 1
    wide = y.unsqueeze(0).expand(2, 3, 4)
    y.mul_(2)
    return wide * wide


@write
def view_made_before(lib, x):
    y = x * 1
    v = y[0]
    y.mul_(x)
    return v * v


@write
def views_side_by_side(lib, x):
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(x[:2])
    b.add_(a.sum())
    return a * b


@write
def base_after_view(lib, x):
    y = x * 1
    v = y.view(-1)
    v[3] = 5.0
    y[2, 1] = v[0] + v[5]
    return v * v


@write
def filled(lib, x):
    y = x * 1
    y[0].fill_(2)
    y[1].zero_()
    return y * y


@write
def assigned(lib, x):
    y = lib.zeros(3, 4, dtype=x.dtype)
    y[:] = x
    y[0] = x[1] * 2
    y[..., -1] = x[:, 0]
    y[1:, 1:3] = x[0, 0]
    return y * y


@write
def assigned_to_constant(lib, x):
    y = lib.zeros(4, dtype=x.dtype)
    for i in range(4):
        y[i] = x[0, i] * x[1, i]
    return y


@write
def strided_slice(lib, x):
    y = x * 1
    y[::2, 1::2] *= x[::2, :2]
    return y * y


@write
def index_tensors(lib, x):
    y = x * 1
    y[[0, 2]] = x[[1, 1]]
    y[:, [0, 3]] *= 2
    y[y > 0.5] = 0.25
    y[lib.tensor([0, 1]), lib.tensor([1, 2])] += x[0, :2]
    return y * y


@write
def masked(lib, x):
    y = x * 1
    y.masked_fill_(x > 0, 0.5)
    y[0].masked_fill_(lib.tensor([True, False, False, True]), x[1, 1])
    return y * x


@write
def in_place_twins(lib, x):
    y = x * 1
    y.scatter_(1, lib.tensor([[0], [1], [2]]), x[:, 3:])
    y.scatter_add_(0, lib.tensor([[0, 0, 2, 1]]), x[1:2])
    y.index_add_(0, lib.tensor([2, 2]), x[:2])
    y.index_fill_(1, lib.tensor([3]), 0.5)
    y.index_copy_(0, lib.tensor([1]), x[2:])
    return y * y


@write
def in_place_shapes(lib, x):
    y = x * 1
    y.unsqueeze_(0)
    y.squeeze_(0)
    y.t_()
    y[0].mul_(x[:, 1])
    y.transpose_(0, 1)
    return y * y


@write
def in_place_transpose_keeps_views(lib, x):
    y = x * 1
    v = y[0]
    y.t_()
    y[0].mul_(3)
    return (y * y).sum() + (v * v).sum()


@write
def shifted(lib, x):
    y = x * 1
    y[1:] = y[:-1] * 2
    y[0] = y[0] + y[2]
    return y * y


@write
def running_states(lib, x):
    h = lib.zeros(4, 3, dtype=x.dtype)
    h[0] = x[:, 0]
    for i in range(1, 4):
        h[i] = h[i - 1] * 2 + x[:, i] ** 2
    return h * h


@pytest.mark.parametrize("name", WRITES)
def test_write_gradients(name):
    x = mg.tensor(np.random.default_rng(0).standard_normal(SHAPE), requires_grad=True)
    assert gradcheck(lambda x: WRITES[name](mg, x), (x,))


@pytest.mark.parametrize("name", WRITES)
def test_write_second_order(name):
    x = mg.tensor(np.random.default_rng(1).standard_normal(SHAPE), requires_grad=True)
    assert gradgradcheck(lambda x: WRITES[name](mg, x), (x,))


@pytest.mark.parity
@pytest.mark.parametrize("name", WRITES)
def test_write_parity(name):
    same_as_torch(WRITES[name])


def same_as_torch(program, shape=SHAPE, grad=True):
    import torch

    for seed in range(2):
        array = np.random.default_rng(seed).standard_normal(shape)
        mine, theirs = mg.tensor(array, requires_grad=grad), torch.tensor(array, requires_grad=grad)
        a, b = program(mg, mine), program(torch, theirs)
        for u, v in zip(flat(a), flat(b), strict=True):
            assert tuple(u.shape) == tuple(v.shape) and str(u.dtype).split(".")[1] == str(v.dtype).split(".")[1]
            assert u.requires_grad == v.requires_grad
            np.testing.assert_allclose(u.detach().numpy(), v.detach().numpy(), rtol=1e-12, atol=1e-12)
        for u, v in zip(flat(a), flat(b)):
            if v.requires_grad:
                g = np.random.default_rng(9).standard_normal(tuple(v.shape))
                u.backward(mg.tensor(g), retain_graph=True)
                v.backward(torch.tensor(g), retain_graph=True)
        if grad and theirs.grad is not None:
            np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-12, atol=1e-12)


def flat(out):
    return [t for o in out for t in flat(o)] if isinstance(out, tuple | list) else [out]


# ------------------------------------------------------------------------------------------------- which functions make views
for name, f in {
    "view": lambda x: x.view(2, 6),
    "view_as": lambda x: x.view_as(x.view(4, 3)),
    "reshape": lambda x: x.reshape(-1),
    "flatten": lambda x: x.flatten(),
    "ravel": lambda x: x.ravel(),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "squeeze": lambda x: x[:1].squeeze(),
    "expand": lambda x: x[:, :1].expand(3, 5),
    "expand_as": lambda x: x[:1].expand_as(x),
    "broadcast_to": lambda x: x.broadcast_to((2, 3, 4)),
    "permute": lambda x: x.permute(1, 0),
    "transpose": lambda x: x.transpose(0, 1),
    "movedim": lambda x: x.movedim(0, 1),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "H": lambda x: x.H,
    "adjoint": lambda x: x.adjoint(),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(0, 1),
    "unbind": lambda x: x.unbind()[1],
    "split": lambda x: x.split(2)[1],
    "chunk": lambda x: x.chunk(2, 1)[1],
    "tensor_split": lambda x: x.tensor_split(2, 1)[1],
    "diagonal": lambda x: x.diagonal(),
    "unfold": lambda x: x.unfold(1, 2, 1),
    "int": lambda x: x[1],
    "slice": lambda x: x[1:, ::2],
    "element": lambda x: x[1, 2],
    "none": lambda x: x[None],
    "ellipsis": lambda x: x[..., 1],
    "zero_d_tensor": lambda x: x[mg.tensor(1)],
    "iteration": lambda x: list(x)[2],
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
}.items():
    read(name, f)


@pytest.mark.parametrize("name", READS)
def test_views_share_memory(name):
    x = mg.arange(12.0).reshape(3, 4).clone()
    v = READS[name](x)
    assert v._base is not None and np.shares_memory(v.array, x.array)
    x.mul_(10)
    assert (v.numpy() == READS[name](x).numpy()).all() and v.numpy().max() >= 10


@pytest.mark.parametrize("name", [n for n in READS if n not in ("expand", "expand_as", "broadcast_to", "unfold")])
def test_writes_through_views_show_in_the_base(name):
    x = mg.arange(12.0).reshape(3, 4).clone()
    READS[name](x).fill_(77)
    assert (READS[name](x) == 77).all() and (x == 77).any()


@pytest.mark.parametrize("name", ["expand", "expand_as", "broadcast_to"])
def test_expanded_views_cannot_be_written(name):
    x = mg.arange(12.0).reshape(3, 4).clone()
    for context in (mg.no_grad(), mg.enable_grad()):
        with context, pytest.raises(InplaceError, match="single memory location"):
            READS[name](x).add_(1)
    with pytest.raises(InplaceError, match="single memory location"):
        READS[name](x)[:] = 1


def test_overlapping_windows_cannot_be_written():
    x = mg.ones(5)
    for t in (x, x.clone().requires_grad_() * 1):
        with pytest.raises(InplaceError, match="overlapping windows"):
            t.unfold(0, 3, 1).add_(1)
        assert (t == 1).all()


def test_expand_without_stretching_can_be_written():
    x = mg.ones(1, 3, requires_grad=True)
    y = x * 1
    y.expand(1, 3).mul_(2)
    y[None].add_(1)  # a new dimension of size 1 has step 0
    assert y.tolist() == [[3.0, 3.0, 3.0]]
    y.sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize(
    "pieces",
    [lambda y: y.unsafe_split(1), lambda y: y.unsafe_chunk(3), lambda y: y.tensor_split(3), lambda y: (y[0], y[1], y[2])],
)
def test_pieces_are_written_with_their_gradient(pieces):
    x = mg.tensor(np.random.default_rng(0).standard_normal(SHAPE), requires_grad=True)

    def program(x):
        y = x * 1
        a, b, c = pieces(y)
        a.mul_(x[1])
        c.copy_((b + a).reshape(c.shape))
        return y * y

    assert gradcheck(program, (x,))


@pytest.mark.parametrize(
    "pieces", [lambda y: y.split(1), lambda y: y.chunk(3), lambda y: y.unbind(), lambda y: y.split([1, 1, 1])]
)
def test_views_that_came_together_are_not_written(pieces):
    y = mg.ones(3, 4, requires_grad=True) * 1
    with pytest.raises(InplaceError, match="output of a function that returns multiple views"):
        pieces(y)[0].mul_(2)
    with pytest.raises(InplaceError, match="multiple views"):
        pieces(y)[0][:1].mul_(2)
    with mg.no_grad():
        pieces(y)[0].mul_(2)
    assert y.flatten()[0] == 2.0
    pieces(y.detach())[0].mul_(2)  # without a history there is nothing to spoil


# --------------------------------------------------------------------------------------------------------- what must not happen
def test_writing_a_leaf_or_a_view_of_it():
    w = mg.ones(3, 4, requires_grad=True)
    for act in (
        lambda: w.add_(1),
        lambda: w[0].add_(1),
        lambda: w.view(12).zero_(),
        lambda: w.__setitem__(0, 1.0),
        lambda: w.t_(),
        lambda: w.fill_(2),
    ):
        with pytest.raises(GradError, match="leaf"):
            act()
    with pytest.raises(GradError, match="leaf"):
        w[mg.tensor([0, 1])] = 0.0
    with mg.no_grad():
        w[0].add_(1)
        w[[1]] = 5.0
    assert w.is_leaf and w.requires_grad and w[0, 0].item() == 2 and w[1, 0].item() == 5


@pytest.mark.parametrize("alias", [lambda y: y.detach(), lambda y: y.data, lambda y: y.detach().view(-1)[2:], lambda y: y.data.T])
def test_a_write_through_an_alias_without_history_is_noticed(alias):
    """PyTorch notices detach() and is silent about .data; here both raise."""
    x = mg.ones(3, 4, requires_grad=True)
    y = x * 2
    z = y * y
    alias(y).zero_()
    with pytest.raises(InplaceError, match="modified by an inplace operation"):
        z.sum().backward()


def test_a_write_before_the_read_is_fine():
    x = mg.ones(3, 4, requires_grad=True)
    y = x * 2
    y.detach().mul_(3)
    (y * y).sum().backward()
    assert (x.grad == 2 * 6 * 2).all()


def test_a_write_to_a_kept_input_is_noticed_through_any_view():
    x = mg.ones(3, 4, requires_grad=True)
    y = x * 1
    z = y.exp() * y[0]
    y[2, 3] = 7.0
    with pytest.raises(InplaceError):
        z.sum().backward()


def test_view_of_memory_that_is_not_laid_out_for_it():
    x = mg.zeros(3, 4)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.T.view(12)
    assert x.T.reshape(12)._base is None
    assert x.view(mg.int32).dtype is mg.int32 and x.view(mg.float64).shape == (3, 2)
    with pytest.raises(RuntimeError, match="element size"):
        mg.zeros(3).view(mg.float64)
    with pytest.raises(GradError):
        mg.zeros(3, requires_grad=True).view(mg.int32)


def test_views_do_not_keep_their_children():
    x = mg.zeros(100, 4)
    for i in range(1000):
        x[i % 100]
    gc.collect()
    assert len(x._views) <= 32


def test_views_made_without_recording():
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    with mg.no_grad():
        v = y[:2]
    assert not v.requires_grad and v._base is not None
    with pytest.raises(InplaceError, match="created in no_grad mode"):
        v.mul_(2)
    z = y * 1
    with mg.no_grad():
        z[0] = 9.0
    assert z.requires_grad
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_written_tensor_has_a_history_of_its_own():
    x = mg.ones(3, requires_grad=True)
    y = mg.zeros(3)
    y[:] = x
    assert not y.is_leaf and y.grad_fn is not None
    y.register_hook(lambda g: g * 10)
    z = mg.zeros(3).copy_(x)
    (y.sum() + z.sum()).backward()
    assert x.grad.tolist() == [11.0, 11.0, 11.0]


def test_detach_in_place():
    x = mg.ones(3, requires_grad=True)
    y = (x * 2).detach_()
    assert not y.requires_grad and y.grad_fn is None
    with pytest.raises(GradError, match="detach"):
        (x * 2)[0].detach_()


def test_in_place_shape_changes_know_their_past():
    y = mg.arange(6).reshape(2, 3).clone()
    v = y[0]
    assert y.t_() is y and y.shape == (3, 2)
    y[0, 0] = 9
    assert v.tolist() == [9, 1, 2]
    v[1] = 8
    assert y.tolist() == [[9, 3], [8, 4], [2, 5]]
    assert y.unsqueeze_(0).shape == (1, 3, 2) and y.squeeze_().shape == (3, 2)


def test_ravel_copies_what_does_not_lie_in_order_and_reshape_does_not():
    x = mg.zeros(4)
    x[::2].ravel().add_(1)
    assert x.tolist() == [0, 0, 0, 0]
    x[::2].reshape(-1).add_(1)
    x.ravel()[1] = 5
    assert x.tolist() == [1, 5, 1, 0]
