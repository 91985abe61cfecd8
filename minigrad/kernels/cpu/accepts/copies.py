"""Copies of transposed arrays."""

from . import ELEMENTS, kernel


def planes(x):
    """(B, M, N) where ``x`` holds B matrices (M, N) in memory and reads them as (B, N, M), or None.

    That is every array whose axes fall into these three groups, as after ``.T`` or between channels first and last.
    """
    groups = []
    for n, step in zip(x.shape, x.strides, strict=True):
        if n == 1:
            continue
        if groups and groups[-1][1] == n * step:
            groups[-1] = (groups[-1][0] * n, step)
        else:
            groups.append((n, step))
    if len(groups) == 2:
        groups.insert(0, (1, x.nbytes))
    if len(groups) != 3:
        return None
    (b, batch), (n, column), (m, row) = groups
    return (b, m, n) if column == x.itemsize and row == n * column and batch == m * row else None


def _contiguous(x):
    return x.size >= ELEMENTS and x.itemsize in (4, 8) and not x.flags.c_contiguous and planes(x) is not None


KERNELS = {
    "contiguous": kernel("copies:contiguous", _contiguous),
}
