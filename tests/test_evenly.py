"""Evenly spaced numbers and the places of pixels are PyTorch's to the bit (``-m parity``)."""

import pytest

import minigrad

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64"])
@pytest.mark.parametrize("start, end", [(0, 1), (-1, 1), (3, 57), (1e-4, 0.02), (3.7, -9.1)])
def test_linspace_is_that_of_torch(start, end, dtype):
    import torch

    for n in (0, 1, 2, 3, 7, 10, 28, 99):
        ours = minigrad.linspace(start, end, n, dtype=getattr(minigrad, dtype)).double()
        theirs = torch.linspace(start, end, n, dtype=getattr(torch, dtype)).double()
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_identity_map_reads_where_torch_reads(align_corners):
    """On the centres of the pixels the gradient of the place has a kink: one rounding decides which neighbour it sees."""
    import torch

    theta = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    for n in (2, 5, 7, 28, 32):
        ours, theirs = (
            lib.nn.functional.affine_grid(lib.tensor(theta), (1, 1, n, n + 1), align_corners=align_corners)
            for lib in (minigrad, torch)
        )
        assert ours.tolist() == theirs.tolist()
