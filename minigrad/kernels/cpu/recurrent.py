"""The steps of recurrent layers, both ways: a product with the packed weight, then one pass over what a step computes.

The sequences of a batch do not wait for each other, so each function that walks through time does so for the sequences
``first`` to ``last`` alone. What the steps back in time collect is the gradient of every step's sums; that of the weight is one
product with all of it.

Shapes: T steps, B sequences, H features, G = 4 H (lstm: input, forget, new, output), 3 H (gru: reset, update, new) or H (rnn);
gates (T, B, G), states h0 and c0 (B, H), weight (G, H), results (T, B, H).

Appleyard et al., "Optimizing Performance of Recurrent Neural Networks on GPUs", arXiv:1604.01946 (2016).
"""

import numpy as np
from numba.core import types
from numba.extending import overload

from .elementwise import either
from .gemm import LANES, PACKED, matmul, pack, packed_size, product
from .jit import jit
from .threads import split
from .tiles import ACCUMULATE, pointer

_sigmoid, _tanh = either("sigmoid"), either("tanh")


# ------------------------------------------------------------------------------------------------------- products of a step
def _packed(transposed, weight):
    """Room for the weight in the order that a step's product reads it: filled by ``pack_weight``."""
    rows, columns = weight.shape
    n, k = (rows, columns) if transposed else (columns, rows)
    packed = np.empty(packed_size(n, k) if LANES and weight.dtype == np.float32 else weight.size, weight.dtype)
    pack_weight(transposed, weight, packed)
    return packed


@jit
def pack_weight(transposed, weight, packed):
    """The operand (k, n) of ``_multiply``: the weight, or its transpose."""
    _pack(transposed, weight, packed)


def _pack(transposed, weight, packed):
    packed[:] = (weight.T if transposed else weight).ravel()


@overload(_pack)
def _pack_compiled(transposed, weight, packed):
    def panels(transposed, weight, packed):
        rows, columns = weight.shape
        n, k = (rows, columns) if transposed else (columns, rows)
        pack(transposed, n, k, pointer(weight, 0), columns, pointer(packed, 0))

    def rows(transposed, weight, packed):
        packed[:] = weight.T.copy().ravel() if transposed else weight.ravel()

    return panels if LANES and weight.dtype == types.float32 else rows


def _multiply(m, n, k, a, offset_a, packed, add, c, offset_c):
    """C (m, n) = A (m, k) by the packed weight (k, n), added to C if ``add``."""
    matmul(False, False, m, n, k, 1, a, offset_a, k, packed, 0, n, add, c, offset_c, n)


@overload(_multiply)
def _multiply_compiled(m, n, k, a, offset_a, packed, add, c, offset_c):
    def of_panels(m, n, k, a, offset_a, packed, add, c, offset_c):
        of_a, of_c, flags = pointer(a, offset_a), pointer(c, offset_c), ACCUMULATE if add else 0
        product(False, PACKED, m, n, k, 1, of_a, k, pointer(packed, 0), n, of_c, n, of_c, flags)

    def of_rows(m, n, k, a, offset_a, packed, add, c, offset_c):
        matmul(False, False, m, n, k, 1, a, offset_a, k, packed, 0, n, add, c, offset_c, n)

    return of_panels if LANES and c.dtype == types.float32 else of_rows


@jit
def weight_gradient(slopes, h0, hs, dweight, first, last):
    """The rows first to last of dweight (G, H): the sum of slopes[t]' h[t - 1] over all steps."""
    steps, batch, width = slopes.shape
    size = h0.shape[1]
    rows, at = last - first, first * size
    matmul(True, False, rows, size, batch, 1, slopes, first, width, h0, 0, size, 0, dweight, at, size)
    if steps > 1:
        after, inner = batch * width + first, (steps - 1) * batch
        matmul(True, False, rows, size, inner, 1, slopes, after, width, hs, 0, size, 1, dweight, at, size)


def _weight_gradient(slopes, h0, hs):
    dweight = np.empty((slopes.shape[2], h0.shape[1]), slopes.dtype)
    work = slopes.size * h0.shape[1] // 10
    split(lambda lo, hi: weight_gradient(slopes, h0, hs, dweight, lo, hi), count=len(dweight), work=work)
    return dweight


def _contiguous(*arrays):
    return [None if a is None else np.ascontiguousarray(a) for a in arrays]


def _or_zeros(g, like):
    return np.zeros_like(like) if g is None else np.ascontiguousarray(g)


def _each(steps, gates, h0, *arrays):
    """Share the sequences among threads."""
    split(lambda lo, hi: steps(*arrays, lo, hi), count=len(h0), work=gates.size * (h0.shape[1] // 10 + 8))


# --------------------------------------------------------------------------------------------------------------------- lstm
def lstm(gates, h0, c0, weight, projection=None):
    """(hs, cs) and the activated gates, which the backward pass reads."""
    gates, h0, c0, weight = _contiguous(gates, h0, c0, weight)
    hs = np.empty((len(gates), *c0.shape), gates.dtype)
    cs, activated = np.empty_like(hs), np.empty_like(gates)
    _each(lstm_steps, gates, h0, gates, h0, c0, _packed(True, weight), activated, hs, cs)
    return (hs, cs), activated


def lstm_backward(g, saved, activated, needed, **_):
    cs, h0, c0, weight = _contiguous(saved["y1"], saved["h0"], saved["c0"], saved["weight"])
    of_hs, of_cs = _or_zeros(g[0], cs), np.zeros((*cs.shape[:2], 0), cs.dtype) if g[1] is None else np.ascontiguousarray(g[1])
    dh, dc, slopes = np.zeros_like(h0), np.zeros_like(c0), np.empty_like(activated)
    _each(lstm_steps_back, activated, h0, of_hs, of_cs, activated, c0, cs, _packed(False, weight), slopes, dh, dc)
    return slopes, dh, dc, _weight_gradient(slopes, h0, np.ascontiguousarray(saved["y0"])) if needed[3] else None, None


@jit
def lstm_steps(gates, h0, c0, packed, activated, hs, cs, first, last):
    steps, batch, width = gates.shape
    size = c0.shape[1]
    for t in range(steps):
        into = (t * batch + first) * width
        if t == 0:
            _multiply(last - first, width, size, h0, first * size, packed, False, activated, into)
        else:
            _multiply(last - first, width, size, hs, ((t - 1) * batch + first) * size, packed, False, activated, into)
        for b in range(first, last):
            _lstm_cell(activated[t, b], gates[t, b], cs[t - 1, b] if t else c0[b], cs[t, b], hs[t, b])


@jit
def _lstm_cell(z, more, before, cell, state):
    """The product z becomes the activated gates."""
    size = cell.size
    _sigmoid_of_sum(z[: 2 * size], more[: 2 * size])
    _tanh_of_sum(z[2 * size : 3 * size], more[2 * size : 3 * size])
    _sigmoid_of_sum(z[3 * size :], more[3 * size :])
    i, f, u, o = z[:size], z[size : 2 * size], z[2 * size : 3 * size], z[3 * size :]
    for j in range(size):
        cell[j] = f[j] * before[j] + i[j] * u[j]
    for j in range(size):
        state[j] = o[j] * _tanh(cell[j])


@jit
def _sigmoid_of_sum(z, more):
    for j in range(z.size):
        z[j] = _sigmoid(z[j] + more[j])


@jit
def _tanh_of_sum(z, more):
    for j in range(z.size):
        z[j] = _tanh(z[j] + more[j])


@jit
def lstm_steps_back(of_hs, of_cs, activated, c0, cs, packed, slopes, dh, dc, first, last):
    """dh and dc hold the gradients of the states, after the last step at the beginning, of h0 and c0 at the end.

    of_cs is (T, B, 0) where nothing reads the states c.
    """
    steps, batch, width = slopes.shape
    size = c0.shape[1]
    for t in range(steps - 1, -1, -1):
        for b in range(first, last):
            before = cs[t - 1, b] if t else c0[b]
            _lstm_slopes(activated[t, b], before, cs[t, b], of_hs[t, b], of_cs[t, b], dh[b], dc[b], slopes[t, b])
        from_ = (t * batch + first) * width
        _multiply(last - first, size, width, slopes, from_, packed, False, dh, first * size)


@jit
def _lstm_slopes(a, before, cell, of_h, of_c, dh, dc, slopes):
    """In short loops, since one that writes many arrays is not turned into vector code: too many might overlap."""
    size = cell.size
    one = a.dtype.type(1)
    i, f, u, o = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
    di, df, du, do = slopes[:size], slopes[size : 2 * size], slopes[2 * size : 3 * size], slopes[3 * size :]
    for j in range(size):
        do[j] = _tanh(cell[j])
    for j in range(size):
        dh[j] += of_h[j]
    for j in range(size):
        dc[j] += dh[j] * o[j] * (one - do[j] * do[j])
    for j in range(of_c.size):
        dc[j] += of_c[j]
    for j in range(size):
        do[j] *= dh[j] * o[j] * (one - o[j])
    for j in range(size):
        di[j] = dc[j] * u[j] * i[j] * (one - i[j])
    for j in range(size):
        du[j] = dc[j] * i[j] * (one - u[j] * u[j])
    for j in range(size):
        df[j] = dc[j] * before[j] * f[j] * (one - f[j])
        dc[j] *= f[j]


# ---------------------------------------------------------------------------------------------------------------------- gru
def gru(gates, h0, weight, bias=None):
    """The states, and of every step reset, update, new and what the state gave to new: (T, B, 4 H)."""
    gates, h0, weight = _contiguous(gates, h0, weight)
    bias = np.zeros(len(weight), weight.dtype) if bias is None else np.ascontiguousarray(bias)
    hs = np.empty((len(gates), *h0.shape), gates.dtype)
    parts = np.empty((*hs.shape[:2], 4 * hs.shape[2]), gates.dtype)
    _each(gru_steps, gates, h0, gates, h0, _packed(True, weight), bias, parts, hs)
    return hs, parts


def gru_backward(g, saved, parts, needed, **_):
    h0, weight, hs = _contiguous(saved["h0"], saved["weight"], saved["y"])
    g = _or_zeros(g, hs)
    dh = np.zeros_like(h0)
    dgates = np.empty((*parts.shape[:2], len(weight)), parts.dtype)
    slopes = np.empty_like(dgates)
    _each(gru_steps_back, parts, h0, g, parts, h0, hs, _packed(False, weight), dgates, slopes, dh)
    dbias = slopes.sum(axis=(0, 1)) if needed[3:] and needed[3] else None
    return dgates, dh, _weight_gradient(slopes, h0, hs) if needed[2] else None, dbias


@jit
def gru_steps(gates, h0, packed, bias, parts, hs, first, last):
    steps, batch, width = gates.shape
    size = h0.shape[1]
    sums = np.empty((last - first, width), gates.dtype)
    for t in range(steps):
        if t == 0:
            _multiply(last - first, width, size, h0, first * size, packed, False, sums, 0)
        else:
            _multiply(last - first, width, size, hs, ((t - 1) * batch + first) * size, packed, False, sums, 0)
        for b in range(first, last):
            _gru_cell(sums[b - first], gates[t, b], bias, hs[t - 1, b] if t else h0[b], parts[t, b], hs[t, b])


@jit
def _gru_cell(s, x, bias, before, parts, state):
    size = state.size
    both = parts[: 2 * size]
    r, z, n, inner = parts[:size], parts[size : 2 * size], parts[2 * size : 3 * size], parts[3 * size :]
    of_state, of_gate, more = s[2 * size :], x[2 * size :], bias[2 * size :]
    for j in range(both.size):
        both[j] = _sigmoid(s[j] + bias[j] + x[j])
    for j in range(size):
        inner[j] = of_state[j] + more[j]
    for j in range(size):
        n[j] = _tanh(of_gate[j] + r[j] * inner[j])
    for j in range(size):
        state[j] = n[j] + z[j] * (before[j] - n[j])


@jit
def gru_steps_back(g, parts, h0, hs, packed, dgates, slopes, dh, first, last):
    """dh (B, H) holds the gradient of the state after the last step at the beginning, of h0 at the end.

    slopes are the gradients of what the state and the bias give, dgates those of what the input gives.
    """
    steps, batch, width = slopes.shape
    size = h0.shape[1]
    for t in range(steps - 1, -1, -1):
        for b in range(first, last):
            before = hs[t - 1, b] if t else h0[b]
            _gru_slopes(parts[t, b], before, g[t, b], dh[b], dgates[t, b], slopes[t, b])
        from_ = (t * batch + first) * width
        _multiply(last - first, size, width, slopes, from_, packed, True, dh, first * size)


@jit
def _gru_slopes(parts, before, g, dh, dgates, slopes):
    size = before.size
    one = parts.dtype.type(1)
    r, z, n, inner = parts[:size], parts[size : 2 * size], parts[2 * size : 3 * size], parts[3 * size :]
    dr, dz, dn = slopes[:size], slopes[size : 2 * size], dgates[2 * size :]
    for j in range(size):
        dh[j] += g[j]
    for j in range(size):
        dn[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j])
    for j in range(size):
        dr[j] = dn[j] * inner[j] * r[j] * (one - r[j])
    for j in range(size):
        dz[j] = dh[j] * (before[j] - n[j]) * z[j] * (one - z[j])
    for j in range(size):
        dh[j] *= z[j]
    both, of_state = dgates[: 2 * size], slopes[2 * size :]
    for j in range(both.size):
        both[j] = slopes[j]
    for j in range(size):
        of_state[j] = dn[j] * r[j]


# ---------------------------------------------------------------------------------------------------------------------- rnn
def rnn(gates, h0, weight, *, nonlinearity):
    gates, h0, weight = _contiguous(gates, h0, weight)
    hs = np.empty_like(gates)
    _each(rnn_steps, gates, h0, gates, h0, _packed(True, weight), nonlinearity == "relu", hs)
    return hs, None


def rnn_backward(g, saved, _, needed, *, nonlinearity):
    h0, weight, hs = _contiguous(saved["h0"], saved["weight"], saved["y"])
    dh, slopes = np.zeros_like(h0), np.empty_like(hs)
    _each(rnn_steps_back, hs, h0, _or_zeros(g, hs), hs, _packed(False, weight), nonlinearity == "relu", slopes, dh)
    return slopes, dh, _weight_gradient(slopes, h0, hs) if needed[2] else None


@jit
def rnn_steps(gates, h0, packed, relu, hs, first, last):
    steps, batch, size = gates.shape
    for t in range(steps):
        into = (t * batch + first) * size
        if t == 0:
            _multiply(last - first, size, size, h0, first * size, packed, False, hs, into)
        else:
            _multiply(last - first, size, size, hs, into - batch * size, packed, False, hs, into)
        for b in range(first, last):
            _rnn_cell(hs[t, b], gates[t, b], relu)


@jit
def _rnn_cell(z, more, relu):
    if relu:
        for j in range(z.size):
            sum_ = z[j] + more[j]
            z[j] = z.dtype.type(0) if sum_ < 0 else sum_
    else:
        _tanh_of_sum(z, more)


@jit
def rnn_steps_back(g, hs, packed, relu, slopes, dh, first, last):
    """dh (B, H) holds the gradient of the state after the last step at the beginning, of h0 at the end."""
    steps, batch, size = slopes.shape
    for t in range(steps - 1, -1, -1):
        for b in range(first, last):
            _rnn_slopes(hs[t, b], g[t, b], dh[b], relu, slopes[t, b])
        _multiply(last - first, size, size, slopes, (t * batch + first) * size, packed, False, dh, first * size)


@jit
def _rnn_slopes(h, g, dh, relu, slopes):
    one = h.dtype.type(1)
    if relu:
        for j in range(h.size):
            slopes[j] = (dh[j] + g[j]) * (one if h[j] > 0 else h.dtype.type(0))
    else:
        for j in range(h.size):
            slopes[j] = (dh[j] + g[j]) * (one - h[j] * h[j])
