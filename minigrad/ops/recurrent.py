"""Recurrent layers: a whole sequence is one operation, and one sweep back through time gives all of its gradients.

What the input adds to the gates is the same linear map at every step, so it is computed for all steps before (``gates``);
here is only what must wait for the step before. The joint rules collect the gradient of every step's gates: that of the
weights is then one matrix product.

Shapes: gates (T, B, G), states h (B, H) and c (B, H), weight (G, H), outputs (T, B, H). T steps, B sequences, H features;
G = H for rnn, 3 H for gru, 4 H for lstm. With a projection, the states h and the outputs have P features and weight is (G, P).
"""

import math

import numpy as np

from ..errors import ShapeError
from ..op import E, S, function, op
from .linalg import linear
from .samples import normal


def _part(xp, x, i, n):
    """Part ``i`` of ``n`` of the last axis."""
    size = x.shape[-1] // n
    return xp.getitem(x, key=(..., ("slice", i * size, (i + 1) * size, None)))


def _at(xp, x, t):
    return xp.getitem(x, key=(t,))


def _before(xp, first, y):
    """The states that the steps began with: ``first`` (B, H), then all of y (T, B, H) but the last."""
    return xp.concat(xp.reshape(first, shape=(1, *first.shape)), xp.getitem(y, key=(("slice", None, -1, None),)), axis=0)


def _forward_in_time(xp, collected):
    """What a sweep back through time collected, from the last step to the first, as (T, B, ...)."""
    return xp.stack(*reversed(collected), axis=0)


def _weight_gradient(xp, slopes, states):
    """The gradient of a matrix that every step multiplied its state with: (T, B, G), (T, B, H) -> (G, H)."""
    rows = math.prod(slopes.shape[:2])
    slopes = xp.reshape(slopes, shape=(rows, slopes.shape[2]))
    return xp.matmul(xp.matrix_transpose(slopes), xp.reshape(states, shape=(rows, states.shape[2])))


# ----------------------------------------------------------------------------------------------------------------------- rnn
def _rnn_rule(xp, g, y, h0, weight, nonlinearity):
    slope = xp.astype(xp.greater(y, 0), dtype=y.dtype) if nonlinearity == "relu" else 1.0 - y * y
    dh, slopes = None, []
    for t in reversed(range(y.shape[0])):
        dh = _at(xp, g, t) if dh is None else _at(xp, g, t) + dh
        slopes.append(dh * _at(xp, slope, t))
        dh = xp.matmul(slopes[-1], weight)
    gates = _forward_in_time(xp, slopes)
    return gates, dh, _weight_gradient(xp, gates, _before(xp, h0, y))


@op(
    names="",
    vjp=_rnn_rule,
    formula=r"h_t = f(a_t + W h_{t-1})",
    derivative=r"\bar a_t = \bar h_t f', \quad \bar h_{t-1} \mathrel{+}= W^\top \bar a_t, \quad "
    r"\bar W = \sum_t \bar a_t h_{t-1}^\top",
    onnx="RNN",
    samples=lambda r: [
        S(normal(r, 3, 2, 2), normal(r, 2, 2), normal(r, 2, 2), nonlinearity="tanh"),
        S(normal(r, 3, 2, 2), normal(r, 2, 2), normal(r, 2, 2), nonlinearity="relu"),
    ],
    reference=lambda gates, h, weight, nonlinearity: _loop(_rnn_step, gates, (h,), (weight,), nonlinearity)[0],
)
def rnn(xp, gates, h0, weight, *, nonlinearity):
    """The states of a plain recurrent layer, h = tanh(gates + weight h) or relu of it."""
    h, states = h0, []
    turned = xp.matrix_transpose(weight)
    for t in range(gates.shape[0]):
        z = _at(xp, gates, t) + xp.matmul(h, turned)
        h = xp.maximum(z, 0) if nonlinearity == "relu" else xp.tanh(z)
        states.append(h)
    return xp.stack(*states, axis=0)


# ---------------------------------------------------------------------------------------------------------------------- lstm
def _lstm_gates(xp, z, scale):
    """(input, forget, new, output) of the gates' sums: sigmoids, but for new the tanh.

    sigmoid(x) = (1 + tanh(x / 2)) / 2, so one tanh does for all four; ``scale`` is 1/2 for the sigmoids and 1 for the tanh.
    """
    a = xp.tanh(z * scale) * scale + (1.0 - scale)
    return [_part(xp, a, k, 4) for k in range(4)]


def _lstm_scale(xp, c):
    """1/2, 1/2, 1, 1/2 for the gates of a state c (B, H): (4 H,)."""
    half = xp.full(c, shape=c.shape[1:], value=0.5)
    return xp.concat(half, half, half + half, half, axis=0)


def _lstm_rule(xp, g, y0, y1, gates, h0, c0, weight, projection):
    turned, scale = xp.matrix_transpose(weight), _lstm_scale(xp, c0)
    before_h = _before(xp, h0, y0)
    dh = dc = None
    slopes, dhs, ms = [], [], []
    for t in reversed(range(gates.shape[0])):
        i, f, u, o = _lstm_gates(xp, _at(xp, gates, t) + xp.matmul(_at(xp, before_h, t), turned), scale)
        c = _at(xp, y1, t - 1) if t else c0
        r = xp.tanh(_at(xp, y1, t))
        dh = _at(xp, g[0], t) if dh is None else _at(xp, g[0], t) + dh
        dhs.append(dh)
        ms.append(o * r)
        dm = dh if projection is None else xp.matmul(dh, projection)
        dc = _at(xp, g[1], t) + dm * o * (1.0 - r * r) + (0.0 if dc is None else dc)
        parts = (dc * u * i * (1.0 - i), dc * c * f * (1.0 - f), dc * i * (1.0 - u * u), dm * r * o * (1.0 - o))
        slopes.append(xp.concat(*parts, axis=-1))
        dc = dc * f
        dh = xp.matmul(slopes[-1], weight)
    d_gates = _forward_in_time(xp, slopes)
    d_projection = None
    if projection is not None:
        d_projection = _weight_gradient(xp, _forward_in_time(xp, dhs), _forward_in_time(xp, ms))
    return d_gates, dh, dc, _weight_gradient(xp, d_gates, before_h), d_projection


@op(
    names="",
    outputs=2,
    vjp=_lstm_rule,
    formula=r"(i, f, u, o) = a_t + W h_{t-1}, \quad c_t = \sigma(f)\, c_{t-1} + \sigma(i) \tanh u, \quad "
    r"h_t = P\,(\sigma(o) \tanh c_t)",
    derivative=r"\bar c_t \mathrel{+}= P^\top \bar h_t\, \sigma(o)(1 - \tanh^2 c_t), \quad \bar c_{t-1} = \bar c_t\, \sigma(f), "
    r"\quad \bar h_{t-1} \mathrel{+}= W^\top \bar a_t, \quad \bar W = \sum_t \bar a_t h_{t-1}^\top",
    onnx="LSTM",
    samples=lambda r: [
        S(normal(r, 3, 2, 8), normal(r, 2, 2), normal(r, 2, 2), normal(r, 8, 2)),
        S(normal(r, 3, 2, 8), normal(r, 2, 1), normal(r, 2, 2), normal(r, 8, 1), normal(r, 1, 2)),
    ],
    reference=lambda gates, h, c, weight, projection=1.0: _loop(_lstm_step, gates, (h, c), (weight, projection)),
)
def lstm(xp, gates, h0, c0, weight, projection=None):
    """The states h and c of a long short-term memory: (T, B, H) each, or (T, B, P) and (T, B, H) with a projection (P, H)."""
    h, c, hs, cs = h0, c0, [], []
    turned, scale = xp.matrix_transpose(weight), _lstm_scale(xp, c0)
    for t in range(gates.shape[0]):
        i, f, u, o = _lstm_gates(xp, _at(xp, gates, t) + xp.matmul(h, turned), scale)
        c = f * c + i * u
        h = o * xp.tanh(c)
        if projection is not None:
            h = xp.matmul(h, xp.matrix_transpose(projection))
        hs.append(h)
        cs.append(c)
    return xp.stack(*hs, axis=0), xp.stack(*cs, axis=0)


# ----------------------------------------------------------------------------------------------------------------------- gru
def _gru_gates(xp, x, s):
    """(reset, update, new) of what the input and the state give."""
    first = (..., ("slice", None, s.shape[-1] // 3 * 2, None))
    both = xp.sigmoid(xp.getitem(x, key=first) + xp.getitem(s, key=first))
    r, z = _part(xp, both, 0, 2), _part(xp, both, 1, 2)
    return r, z, xp.tanh(_part(xp, x, 2, 3) + r * _part(xp, s, 2, 3))


def _gru_rule(xp, g, y, gates, h0, weight, bias):
    turned = xp.matrix_transpose(weight)
    dh, of_gates, of_state = None, [], []
    for t in reversed(range(y.shape[0])):
        h = _at(xp, y, t - 1) if t else h0
        s = _with(xp.matmul(h, turned), bias)
        r, z, n = _gru_gates(xp, _at(xp, gates, t), s)
        dh = _at(xp, g, t) if dh is None else _at(xp, g, t) + dh
        dn = dh * (1.0 - z) * (1.0 - n * n)
        drz = xp.concat(dn * _part(xp, s, 2, 3) * r * (1.0 - r), dh * (h - n) * z * (1.0 - z), axis=-1)
        of_gates.append(xp.concat(drz, dn, axis=-1))
        of_state.append(xp.concat(drz, dn * r, axis=-1))
        dh = dh * z + xp.matmul(of_state[-1], weight)
    ds = _forward_in_time(xp, of_state)
    d_bias = None if bias is None else xp.sum(ds, axis=(0, 1))
    return _forward_in_time(xp, of_gates), dh, _weight_gradient(xp, ds, _before(xp, h0, y)), d_bias


def _with(x, bias):
    return x if bias is None else x + bias


@op(
    names="",
    vjp=_gru_rule,
    formula=r"(r', z', s) = W h_{t-1} + b, \quad r = \sigma(a_r + r'), \quad z = \sigma(a_z + z'), "
    r"\quad n = \tanh(a_n + r s), \quad h_t = (1 - z)\, n + z\, h_{t-1}",
    derivative=r"\bar n = \bar h_t (1 - z), \quad \bar z = \bar h_t (h_{t-1} - n), \quad \bar r = \bar n (1 - n^2)\, s, \quad "
    r"\bar h_{t-1} \mathrel{+}= \bar h_t z + W^\top (\bar r', \bar z', \bar s)",
    onnx="GRU",
    samples=lambda r: [
        S(normal(r, 3, 2, 6), normal(r, 2, 2), normal(r, 6, 2), normal(r, 6)),
        S(normal(r, 3, 2, 6), normal(r, 2, 2), normal(r, 6, 2)),
    ],
    reference=lambda gates, h, weight, bias=0.0: _loop(_gru_step, gates, (h,), (weight, bias))[0],
)
def gru(xp, gates, h0, weight, bias=None):
    """The states of a gated recurrent unit, with PyTorch's reset gate: it scales what the state gives, bias included."""
    h, states = h0, []
    turned = xp.matrix_transpose(weight)
    for t in range(gates.shape[0]):
        _, z, n = _gru_gates(xp, _at(xp, gates, t), _with(xp.matmul(h, turned), bias))
        h = n + z * (h - n)
        states.append(h)
    return xp.stack(*states, axis=0)


# ------------------------------------------------------------------------------------------------ for the tests: plain loops
def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _loop(step, gates, states, weights, *rest):
    """Every state of every step, one sequence at a time."""
    found = [[] for _ in states]
    for t, b in np.ndindex(*gates.shape[:2]):
        before = [s[b] if t == 0 else kept[(t - 1) * gates.shape[1] + b] for s, kept in zip(states, found)]
        for kept, state in zip(found, step(gates[t, b], *before, *weights, *rest)):
            kept.append(state)
    return tuple(np.reshape(kept, (*gates.shape[:2], -1)) for kept in found)


def _rnn_step(a, h, weight, nonlinearity):
    z = a + weight @ h
    return (np.tanh(z) if nonlinearity == "tanh" else np.maximum(z, 0),)


def _lstm_step(a, h, c, weight, projection):
    i, f, u, o = np.split(a + weight @ h, 4)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(u)
    return np.dot(projection, _sigmoid(o) * np.tanh(c)), c


def _gru_step(a, h, weight, bias):
    (ar, az, an), (sr, sz, sn) = np.split(a, 3), np.split(weight @ h + bias, 3)
    z = _sigmoid(az + sz)
    return ((1 - z) * np.tanh(an + _sigmoid(ar + sr) * sn) + z * h,)


def _lstm_cell_reference(x, hx, w_ih, w_hh, b_ih=0, b_hh=0):
    hs, cs = _loop(_lstm_step, (x @ w_ih.T + b_ih + b_hh)[None], hx, (w_hh, 1.0))
    return hs[0], cs[0]


def _gru_cell_reference(x, h, w_ih, w_hh, b_ih=0, b_hh=0):
    return _loop(_gru_step, (x @ w_ih.T + b_ih)[None], (h,), (w_hh, np.zeros(len(w_hh)) + b_hh))[0][0]


# ------------------------------------------------------------------------------------- PyTorch's functions of a single step
def check_step(name, input, states, w_ih, w_hh):
    """ShapeError where the arguments of one step do not fit together."""
    if input.array.ndim != 2 or input.array.shape[1] != w_ih.array.shape[1]:
        raise ShapeError(
            f"{name}: input has inconsistent input_size: got {input.array.shape[-1]} expected {w_ih.array.shape[1]}: "
            f"the shape is {tuple(input.array.shape)}, wanted (batch, {w_ih.array.shape[1]})"
        )
    expected = (input.array.shape[0], w_hh.array.shape[1])
    for i, state in enumerate(states):
        got = tuple(state.array.shape)
        if got[:1] != expected[:1]:
            raise ShapeError(
                f"{name}: Input batch size {expected[0]} doesn't match hidden{i} batch size {got[0] if got else 1}: hidden{i} "
                f"has inconsistent hidden_size: the shape is {got}, wanted {expected}"
            )
        if got != expected:
            raise ShapeError(
                f"{name}: hidden{i} has inconsistent hidden_size: got {got[-1]}, expected {expected[1]}: the shape is {got}, "
                f"wanted {expected}"
            )


def total(a, b):
    """The sum of two biases that may be None."""
    return b if a is None else a if b is None else a + b


def _single(gates):
    return gates.reshape(1, *gates.array.shape)


def _cell_samples(gates, *states):
    def samples(r):
        x, w_ih, w_hh = normal(r, 2, 3), normal(r, 2 * gates, 3), normal(r, 2 * gates, 2)
        hx = tuple(normal(r, 2, 2) for _ in states) if len(states) > 1 else normal(r, 2, 2)
        return [S(x, hx, w_ih, w_hh, normal(r, 2 * gates), normal(r, 2 * gates)), S(x, hx, w_ih, w_hh)]

    return samples


def _cell_errors(gates, *states):
    def errors(r):
        hx = tuple(normal(r, 2, 2) for _ in states) if len(states) > 1 else normal(r, 2, 2)
        return [
            E(RuntimeError, "inconsistent input_size", normal(r, 2, 4), hx, normal(r, 2 * gates, 3), normal(r, 2 * gates, 2)),
            E(RuntimeError, "inconsistent hidden_size", normal(r, 3, 3), hx, normal(r, 2 * gates, 3), normal(r, 2 * gates, 2)),
        ]

    return errors


@function(
    "lstm_cell",
    spaces="torch",
    samples=_cell_samples(4, "h", "c"),
    errors=_cell_errors(4, "h", "c"),
    formula=r"c' = \sigma(f)\, c + \sigma(i) \tanh u, \quad h' = \sigma(o) \tanh c', \quad (i, f, u, o) = W x + V h + b",
    derivative=r"\bar c' \mathrel{+}= \bar h' \sigma(o) (1 - \tanh^2 c')",
    reference=_lstm_cell_reference,
)
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a long short-term memory.

    Args:
        input: (B, I).
        hx: the pair (h, c), each (B, H).
        w_ih: (4 H, I), the rows in the order input, forget, new, output.
        w_hh: (4 H, H).
        b_ih, b_hh: (4 H,) or None.

    Returns:
        the new pair (h, c).

    Raises:
        RuntimeError: where the shapes do not fit together.

    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).

    >>> import minigrad
    >>> x, zero = minigrad.ones(1, 3), minigrad.zeros(1, 1)
    >>> h, c = minigrad.lstm_cell(x, (zero, zero), minigrad.ones(4, 3), minigrad.ones(4, 1))
    >>> h, c
    (tensor([[0.7038]]), tensor([[0.9479]]))
    """
    h, c = hx
    check_step("lstm_cell", input, (h, c), w_ih, w_hh)
    hs, cs = lstm(_single(linear(input, w_ih, total(b_ih, b_hh))), h, c, w_hh)
    return hs.reshape(h.array.shape), cs.reshape(c.array.shape)


@function(
    "gru_cell",
    spaces="torch",
    samples=_cell_samples(3, "h"),
    errors=_cell_errors(3, "h"),
    formula=r"h' = (1 - z)\, n + z\, h, \quad r, z = \sigma(W x + V h + b), \quad n = \tanh(W_n x + b_n + r\,(V_n h + c_n))",
    derivative=r"\bar h = \bar h' z + V^\top (\bar r, \bar z, \bar n r)",
    reference=_gru_cell_reference,
)
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a gated recurrent unit.

    Args:
        input: (B, I).
        hx: (B, H).
        w_ih: (3 H, I), the rows in the order reset, update, new.
        w_hh: (3 H, H).
        b_ih, b_hh: (3 H,) or None.

    Returns:
        the new state (B, H).

    Raises:
        RuntimeError: where the shapes do not fit together.

    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.

    >>> import minigrad
    >>> minigrad.gru_cell(minigrad.ones(1, 3), minigrad.zeros(1, 1), minigrad.ones(3, 3), minigrad.ones(3, 1))
    tensor([[0.0472]])
    """
    check_step("gru_cell", input, (hx,), w_ih, w_hh)
    return gru(_single(linear(input, w_ih, b_ih)), hx, w_hh, b_hh).reshape(hx.array.shape)


def _plain_cell(name, nonlinearity, input, hx, w_ih, w_hh, b_ih, b_hh):
    check_step(name, input, (hx,), w_ih, w_hh)
    return rnn(_single(linear(input, w_ih, total(b_ih, b_hh))), hx, w_hh, nonlinearity=nonlinearity).reshape(hx.array.shape)


@function(
    "rnn_tanh_cell",
    spaces="torch",
    samples=_cell_samples(1, "h"),
    errors=_cell_errors(1, "h"),
    formula=r"h' = \tanh(W x + V h + b)",
    derivative=r"\bar h = V^\top (\bar h' (1 - h'^2))",
    reference=lambda x, h, w_ih, w_hh, b_ih=0, b_hh=0: np.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh),
)
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a plain recurrent layer with tanh: input (B, I), hx (B, H), w_ih (H, I), w_hh (H, H), biases (H,) or None.

    >>> import minigrad
    >>> minigrad.rnn_tanh_cell(minigrad.ones(1, 1), minigrad.zeros(1, 1), minigrad.ones(1, 1), minigrad.ones(1, 1))
    tensor([[0.7616]])
    """
    return _plain_cell("rnn_tanh_cell", "tanh", input, hx, w_ih, w_hh, b_ih, b_hh)


@function(
    "rnn_relu_cell",
    spaces="torch",
    samples=_cell_samples(1, "h"),
    errors=_cell_errors(1, "h"),
    formula=r"h' = \max(W x + V h + b, 0)",
    derivative=r"\bar h = V^\top (\bar h' [h' > 0])",
    reference=lambda x, h, w_ih, w_hh, b_ih=0, b_hh=0: np.maximum(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 0),
)
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a plain recurrent layer with relu: input (B, I), hx (B, H), w_ih (H, I), w_hh (H, H), biases (H,) or None.

    >>> import minigrad
    >>> minigrad.rnn_relu_cell(minigrad.ones(1, 1), minigrad.zeros(1, 1), minigrad.ones(1, 1), minigrad.ones(1, 1))
    tensor([[1.]])
    """
    return _plain_cell("rnn_relu_cell", "relu", input, hx, w_ih, w_hh, b_ih, b_hh)
