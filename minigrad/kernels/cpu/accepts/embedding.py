"""Rows chosen by their number, and the adjoint."""

from . import FLOATS, INT64, kernel

ELEMENTS = 2**10


def _embedding(index, weight, *, padding_idx, scale_grad_by_freq):
    chosen = weight.dtype in FLOATS and index.dtype == INT64 and weight.ndim == 2 and weight.size > 0
    return chosen and index.size * weight.shape[1] >= ELEMENTS


def _index_add_rows(g, index, *, rows):
    return g.dtype in FLOATS and index.dtype == INT64 and g.ndim == 2 and index.shape == g.shape[:1] and g.size >= ELEMENTS


KERNELS = {
    "embedding": kernel("embedding:embedding", _embedding),
    "index_add_rows": kernel("embedding:index_add_rows", _index_add_rows),
}
