"""Functions of shape, joining, splitting and padding against PyTorch: values and gradients (``-m parity``)."""

import pytest
from test_views import same_as_torch

import minigrad
from minigrad.nn import functional as F

SHAPES = {
    "reshape": lambda lib, x: (x.reshape(2, -1), x.T.reshape(-1), lib.reshape(x, (4, 3)), x.reshape_as(x.T)),
    "flatten": lambda lib, x: (x.flatten(), x.view(3, 2, 2).flatten(1), x.view(1, 3, 2, 2).flatten(1, 2), x[0, 0].flatten()),
    "squeeze": lambda lib, x: (x[:1].squeeze(0), x[None, :, None].squeeze((0, 2)), x.squeeze(1), x[None].squeeze()),
    "expand": lambda lib, x: (x.expand(2, -1, -1), x[:1].expand(3, 4), lib.broadcast_tensors(x, x[:1])),
    "repeat": lambda lib, x: (x.repeat(2, 1), x.repeat(2, 1, 3), x.tile(2), lib.tile(x, (2, 1, 1))),
    "repeat_interleave": lambda lib, x: (
        x.repeat_interleave(2),
        x.repeat_interleave(lib.tensor([1, 0, 2]), 0),
        x.repeat_interleave(3, dim=-1),
    ),
    "transposes": lambda lib, x: (
        x.t(),
        x.T,
        x.mT,
        x.H,
        x[None].mH,
        x.swapaxes(0, 1),
        x.movedim(0, -1),
        lib.permute(x, (1, 0)),
        x[0].t(),
    ),
    "parts": lambda lib, x: (
        x.narrow(0, 1, 2),
        x.select(1, -1),
        x.unbind(1),
        x.split(2),
        x.split([1, 3], 1),
        x.chunk(3, 1),
        x.tensor_split(3, 1),
    ),
    "splits": lambda lib, x: (lib.hsplit(x, 2), lib.vsplit(x, 3), lib.tensor_split(x, (1, 5)), lib.dsplit(x.view(3, 2, 2), 2)),
    "joins": lambda lib, x: (
        lib.cat([x, x[:1]]),
        lib.cat([x, x], -1),
        lib.stack([x, x * 2], 1),
        lib.hstack([x, x]),
        lib.vstack([x[0], x[1]]),
    ),
    "more_joins": lambda lib, x: (lib.dstack([x, x]), lib.column_stack([x[:, 0], x]), lib.block_diag(x, x[0], x[0, 0])),
    "promoting_joins": lambda lib, x: (
        lib.cat([x, lib.ones(3, 4, dtype=lib.int64)]),
        lib.stack([x.detach(), lib.zeros(3, 4)]),
        lib.cat([x, lib.zeros(0)]),
    ),
    "rearranged": lambda lib, x: (
        x.flip(0),
        x.flip(0, -1),
        lib.fliplr(x),
        lib.flipud(x),
        x.roll(1),
        x.roll((1, 2), (0, 1)),
        lib.rot90(x, 3),
        x.rot90(2, (1, 0)),
    ),
    "triangles": lambda lib, x: (
        x.tril(),
        x.triu(1),
        lib.tril(x, -1),
        x.diagonal(-1),
        x.diag(),
        x[0].diag(1),
        lib.diag_embed(x, 1, 0, 2),
        x.trace(),
    ),
    "atleast": lambda lib, x: (lib.atleast_1d(x[0, 0]), lib.atleast_2d(x[0]), lib.atleast_3d(x), lib.atleast_3d(x[0])),
    "unfold": lambda lib, x: (x.unfold(1, 2, 1), x.unfold(0, 2, 1), x.unfold(1, 3, 2)),
    "pad": lambda lib, x: (lib.nn.functional.pad(x, (1, 2)), lib.nn.functional.pad(x, (-1, 1, 0, 2), value=3.0)),
    "pad_modes": lambda lib, x: tuple(
        lib.nn.functional.pad(x[None], p, mode=m) for m in ("reflect", "replicate", "circular") for p in ((1, 2), (3, 0), (-1, 2))
    ),
    "pad_2d": lambda lib, x: tuple(
        lib.nn.functional.pad(x[None, None], (2, 1, 1, 2), mode=m) for m in ("reflect", "replicate", "circular")
    ),
    "grids": lambda lib, x: (
        lib.meshgrid(x[0], x[:, 0], indexing="ij"),
        lib.meshgrid(x[0], x[:, 0], indexing="xy"),
        lib.cartesian_prod(x[0], x[1]),
        lib.combinations(x[0]),
    ),
    "detached": lambda lib, x: (x.detach(), x.data, x.clone(), x.contiguous(), x.T.contiguous()),
}


@pytest.mark.parity
@pytest.mark.parametrize("name", SHAPES)
def test_shape_parity(name):
    same_as_torch(SHAPES[name])


ROWS = {  # what PyTorch lays out row by row whatever the steps of its input, so that programs call .view() on it
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[-1:]),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "cat": lambda x: minigrad.cat([x, x], 1),
    "stack": lambda x: minigrad.stack([x, x]),
    "roll": lambda x: x.roll(1, 1),
    "tril": lambda x: x.tril(),
    "triu": lambda x: x.triu(),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1),
    "masked_fill": lambda x: x.masked_fill(x > 0, 0.0),
    "index_select": lambda x: x.index_select(1, minigrad.tensor([0, 2])),
    "indices": lambda x: x[:, minigrad.tensor([0, 2])],
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("axes", [(1, 2), (0, 1), (0, 2)])
def test_results_lie_row_by_row(name, axes):
    x = minigrad.randn(4, 5, 6).transpose(*axes)
    assert not x.is_contiguous()
    found = ROWS[name](x)
    assert found.is_contiguous() and found.view(-1).shape == (found.numel(),)
    assert minigrad.allclose(found, ROWS[name](x.contiguous()))


def test_invert_is_for_whole_numbers():
    with pytest.raises(TypeError, match="only implemented on integer and Boolean-type"):
        ~minigrad.ones(2)
    assert (~minigrad.tensor([0, 5])).tolist() == [-1, -6] and (~minigrad.tensor([True])).tolist() == [False]
