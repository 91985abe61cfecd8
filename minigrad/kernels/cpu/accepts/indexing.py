"""Rows picked and added by index."""

from . import ELEMENTS, FLOATS, INT64, kernel


def _index_add_rows(g, index, *, rows):
    return g.dtype in FLOATS and index.dtype == INT64 and g.ndim == 2 and index.shape == g.shape[:1] and g.size >= ELEMENTS


KERNELS = {
    "index_add_rows": kernel("indexing:index_add_rows", _index_add_rows),
}
