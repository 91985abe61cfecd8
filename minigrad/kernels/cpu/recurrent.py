"""The steps of a long short-term memory. What remains beside the matrix product of each step is done in place, in few passes.

sigmoid(x) = (1 + tanh(x / 2)) / 2, and NumPy's tanh is the fastest there is, so one tanh does for all four gates. Going back,
everything but that product is one loop over the elements.

Shapes: gates (T, B, 4H) in the order input, forget, new, output; states (B, H), weight (4H, H), results (T, B, H).
"""

import numpy as np

from .jit import jit


def lstm(gates, h0, c0, weight, projection=None):
    """(hs, cs) and the activated gates, which the backward pass reads."""
    gates, h, c = (np.ascontiguousarray(a) for a in (gates, h0, c0))
    size = c.shape[1]
    hs = np.empty((len(gates), *c.shape), gates.dtype)
    cs, activated = np.empty_like(hs), np.empty_like(gates)
    scale = np.full(4 * size, 0.5, gates.dtype)
    scale[2 * size : 3 * size] = 1
    turned = weight.T
    for t in range(len(gates)):
        a = activated[t]
        np.matmul(h, turned, out=a)
        _scaled_sum(a, gates[t], scale)
        np.tanh(a, out=a)
        _new_cell(a, c, cs[t])
        c, h = cs[t], hs[t]
        np.tanh(c, out=h)
        h *= a[:, 3 * size :]
    return (hs, cs), activated


def lstm_backward(g, saved, activated, needed, **_):
    hs, cs, weight = saved["y0"], saved["y1"], saved["weight"]
    h0, c0 = (np.ascontiguousarray(saved[name]) for name in ("h0", "c0"))
    weight = np.ascontiguousarray(weight)
    of_hs, of_cs = (None if part is None else np.ascontiguousarray(part) for part in g)
    dh, dc, shown = np.zeros_like(c0), np.zeros_like(c0), np.empty_like(c0)
    slopes = np.empty_like(activated)
    for t in range(len(slopes) - 1, -1, -1):
        if of_hs is not None:
            dh += of_hs[t]
        if of_cs is not None:
            dc += of_cs[t]
        np.tanh(cs[t], out=shown)
        _slopes(activated[t], shown, cs[t - 1] if t else c0, dh, dc, slopes[t])
        np.matmul(slopes[t], weight, out=dh)
    dweight = None
    if needed[3]:
        before = np.concatenate((h0[None], hs[:-1])).reshape(-1, h0.shape[1])
        dweight = np.matmul(slopes.reshape(-1, slopes.shape[2]).T, before)
    return slopes, dh, dc, dweight, None


@jit
def _scaled_sum(z, gates, scale):
    """z = (z + gates) * scale."""
    for b in range(z.shape[0]):
        row, more = z[b], gates[b]
        for j in range(row.size):
            row[j] = (row[j] + more[j]) * scale[j]


@jit
def _new_cell(a, before, cell):
    """The tanh of the scaled sums becomes the activated gates, in place; the new cell is written."""
    size = cell.shape[1]
    half = a.dtype.type(0.5)
    for b in range(cell.shape[0]):
        i, f, u, o = a[b, :size], a[b, size : 2 * size], a[b, 2 * size : 3 * size], a[b, 3 * size :]
        old, new = before[b], cell[b]
        for j in range(size):
            i[j] = half + half * i[j]
            f[j] = half + half * f[j]
            o[j] = half + half * o[j]
            new[j] = f[j] * old[j] + i[j] * u[j]


@jit
def _slopes(a, shown, before, dh, dc, slopes):
    """The gradients of a step's sums, and dc of the step before, in place. shown is the tanh of the cell."""
    size = shown.shape[1]
    one = a.dtype.type(1)
    for b in range(shown.shape[0]):
        i, f, u, o = a[b, :size], a[b, size : 2 * size], a[b, 2 * size : 3 * size], a[b, 3 * size :]
        di, df, du, do = slopes[b, :size], slopes[b, size : 2 * size], slopes[b, 2 * size : 3 * size], slopes[b, 3 * size :]
        r, old, outer, inner = shown[b], before[b], dh[b], dc[b]
        for j in range(size):
            d = inner[j] + outer[j] * o[j] * (one - r[j] * r[j])
            di[j] = d * u[j] * i[j] * (one - i[j])
            df[j] = d * old[j] * f[j] * (one - f[j])
            du[j] = d * i[j] * (one - u[j] * u[j])
            do[j] = outer[j] * r[j] * o[j] * (one - o[j])
            inner[j] = d * f[j]
