"""Recurrent layers: they read a sequence step by step and keep a state."""

import math
import warnings

import numpy as np

from .. import cat, gru_cell, lstm_cell, ones, rnn_relu_cell, rnn_tanh_cell, stack, tensor, zeros
from ..ops.recurrent import gru, lstm, rnn, total
from ..random import default_generator
from . import functional as F
from . import init
from .module import Module
from .shared import new_parameter
from .utils.rnn import PackedSequence, _padded, lengths_of, running

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """What :class:`RNN`, :class:`LSTM` and :class:`GRU` share: parameters, layers, directions, packed sequences."""

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None):  # fmt: skip
        super().__init__()
        _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        rows, state = _GATES[mode] * hidden_size, proj_size or hidden_size
        self._all_weights = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else state * (1 + bidirectional)
            for suffix in self._suffixes(layer):
                shapes = {"weight_ih": (rows, features), "weight_hh": (rows, state)}
                if bias:
                    shapes.update(bias_ih=(rows,), bias_hh=(rows,))
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name + suffix, new_parameter(*shape, device=device, dtype=dtype))
                self._all_weights.append([name + suffix for name in shapes])
        self.reset_parameters()

    def _suffixes(self, layer):
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def reset_parameters(self):
        """Draw all parameters anew, uniformly from (-k, k) with k = 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    @property
    def all_weights(self):
        """The parameters: one list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self):
        """Nothing to do here: PyTorch moves the parameters into one block for cuDNN."""

    def extra_repr(self):
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        shown += [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join(shown)

    # ------------------------------------------------------------------------------------------------------------ calls
    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"{self._name()}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        is_batched = input.dim() == 3
        x = input if is_batched else input.unsqueeze(1)  # (T, 1, I)
        if is_batched and self.batch_first:
            x = x.transpose(0, 1)
        self._check_input(x)
        states = self._states(x, hx, is_batched)
        y, finals = self._layers(x, states, None)
        if not is_batched:
            return y.squeeze(1), self._result([s.squeeze(1) for s in finals])
        return y.transpose(0, 1) if self.batch_first else y, self._result(finals)

    def _packed(self, input, hx):
        """Padded, run, and packed again. What stands behind a sequence's end never gets into its states or outputs."""
        lengths = lengths_of(input.batch_sizes)
        mask = running(lengths, lengths[0])
        if input.data.dim() != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {input.data.dim()}")
        x = _padded(input.data, mask)
        self._check_input(x)
        states = self._states(x, hx, True)
        if hx is not None and input.sorted_indices is not None:
            states = [s.index_select(1, input.sorted_indices) for s in states]
        y, finals = self._layers(x, states, lengths)
        if input.unsorted_indices is not None:
            finals = [s.index_select(1, input.unsorted_indices) for s in finals]
        data = y[tensor(mask, device=y.device)]
        return PackedSequence(data, *input[1:]), self._result(finals)

    def _layers(self, x, states, lengths):
        """x (T, B, I) through all layers: y (T, B, D * H), and for each state its last values (L * D, B, H)."""
        finals = [[] for _ in states]
        turn = _turner(x, lengths)
        for layer in range(self.num_layers):
            ys = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                k = layer * (1 + self.bidirectional) + direction
                outputs = self._run(turn(x) if direction else x, [s[k] for s in states], suffix)
                for kept, output in zip(finals, outputs):
                    kept.append(_last(output, lengths))
                ys.append(turn(outputs[0]) if direction else outputs[0])
            x = cat(ys, -1) if self.bidirectional else ys[0]
            if self.dropout and layer + 1 < self.num_layers:
                x = self._dropped(x, lengths)
        return x, [stack(kept) for kept in finals]

    def _dropped(self, x, lengths):
        """Dropout of (T, B, H). PyTorch's stream is used by what is in the sequences, not by what pads them."""
        if lengths is None or not self.training or default_generator.engine == "philox":
            return F.dropout(x, self.dropout, self.training)
        kept = ones(int(lengths.sum()), x.shape[2], dtype=x.dtype, device=x.device)
        return x * _padded(F.dropout(kept, self.dropout), running(lengths, x.shape[0]))

    def _run(self, x, states, suffix):
        """One layer in one direction: the states of all steps, each (T, B, H)."""
        w_ih, w_hh = getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)
        b_ih, b_hh = (getattr(self, "bias_ih" + suffix), getattr(self, "bias_hh" + suffix)) if self.bias else (None, None)
        if self.mode == "GRU":
            return (gru(F.linear(x, w_ih, b_ih), *states, w_hh, b_hh),)
        gates = F.linear(x, w_ih, total(b_ih, b_hh))
        if self.mode == "LSTM":
            return lstm(gates, *states, w_hh, getattr(self, "weight_hr" + suffix) if self.proj_size else None)
        return (rnn(gates, *states, w_hh, nonlinearity=self.mode[4:].lower()),)

    # ----------------------------------------------------------------------------------------------------------- checks
    def _name(self):
        return self.mode.partition("_")[0]

    def _check_input(self, x):
        weight = getattr(self, self._all_weights[0][0])
        if x.dtype is not weight.dtype:
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: model.to({x.dtype})"
            )
        if x.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.shape[-1]}")
        if not x.shape[0]:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")

    def _states(self, x, hx, is_batched):
        """The initial states, each (L * D, B, its features)."""
        count, batch = self.num_layers * (1 + self.bidirectional), x.shape[1]
        sizes = [self.proj_size or self.hidden_size, self.hidden_size][: 2 if self.mode == "LSTM" else 1]
        if hx is None:
            return [zeros(count, batch, n, dtype=x.dtype, device=x.device) for n in sizes]
        states = list(hx) if self.mode == "LSTM" else [hx]
        if len(states) != len(sizes):
            raise RuntimeError(f"LSTM: expected hx to be a pair (h_0, c_0), got {len(states)} of them")
        wanted = 3 if is_batched else 2
        if any(s.dim() != wanted for s in states):
            raise RuntimeError(
                f"For {'batched' if is_batched else 'unbatched'} {wanted}-D input, hx {'and cx ' * (len(sizes) > 1)}"
                f"should also be {wanted}-D but got ({', '.join(f'{s.dim()}-D' for s in states)}) tensor{'s' * (len(sizes) > 1)}"
            )
        if not is_batched:
            states = [s.unsqueeze(1) for s in states]
        for i, (s, n) in enumerate(zip(states, sizes)):
            if tuple(s.shape) != (count, batch, n):
                which = f"hidden[{i}]" if len(sizes) > 1 else "hidden"
                raise RuntimeError(f"Expected {which} size {(count, batch, n)}, got {list(s.shape)}")
        return states

    def _result(self, finals):
        return tuple(finals) if self.mode == "LSTM" else finals[0]


def _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size):
    for name, value in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value}")
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
        raise ValueError(
            f"dropout should be a number in range [0, 1] representing the probability of an element being zeroed, got {dropout}"
        )
    if dropout and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater "
            f"than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    if proj_size < 0:
        raise ValueError(f"proj_size should be a positive integer or zero to disable projections, got {proj_size}")
    if proj_size >= hidden_size:
        raise ValueError(f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}")


def _turner(x, lengths):
    """A function that turns each sequence of (T, B, H) around within its own length; it is its own inverse."""
    if lengths is None:
        return lambda y: y.flip(0)
    steps = np.arange(x.shape[0])[:, None]
    places = tensor(np.where(steps < lengths, lengths - 1 - steps, steps), device=x.device)
    columns = tensor(np.arange(len(lengths)), device=x.device)
    return lambda y: y[places, columns]


def _last(y, lengths):
    """The state after the last step of each sequence: (T, B, H) -> (B, H)."""
    if lengths is None:
        return y[-1]
    return y[tensor(lengths - 1, device=y.device), tensor(np.arange(len(lengths)), device=y.device)]


class RNN(RNNBase):
    r"""A plain recurrent layer: :math:`h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})`.

    Args:
        input_size: features of each element of the sequence.
        hidden_size: features of the state.
        num_layers: layers on top of each other.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether there are the biases b.
        batch_first: input and output are (N, T, features) in place of (T, N, features).
        dropout: after each layer but the last, in training.
        bidirectional: a second direction reads the sequence from its end; the outputs of both stand side by side.

    Shape:
        input (T, N, input_size), or (T, input_size), or a PackedSequence; h_0 (layers * D, N, hidden_size), zeros if left out
        -> output (T, N, D * hidden_size) and h_n (layers * D, N, hidden_size), where D is 2 if bidirectional, else 1.
        ``weight_ih_l0`` (hidden_size, input_size), ``weight_hh_l0`` (hidden_size, hidden_size), ``bias_ih_l0``,
        ``bias_hh_l0``, then those of the reverse direction (``weight_ih_l0_reverse`` ...) and of the next layers.

    Elman, "Finding structure in time", Cognitive Science 14 (1990).

    >>> import minigrad
    >>> layer = minigrad.nn.RNN(10, 20, num_layers=2)
    >>> output, h = layer(minigrad.zeros(5, 3, 10))
    >>> output.shape, h.shape
    (minigrad.Size([5, 3, 20]), minigrad.Size([2, 3, 20]))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None):  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    r"""A long short-term memory: gates decide what its cell c takes in, forgets and shows.

    .. math:: i, f, o = \sigma(W x_t + V h_{t-1} + b), \quad g = \tanh(W_g x_t + V_g h_{t-1} + b_g), \quad
              c_t = f c_{t-1} + i g, \quad h_t = o \tanh c_t

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as in :class:`RNN`.
        proj_size: if not 0, h is projected to so many features: :math:`h_t = W_{hr} (o \tanh c_t)`.

    Shape:
        as in :class:`RNN`, but the states are a pair: (h_0, c_0) -> (h_n, c_n), and the weights have the rows of the gates
        i, f, g, o below each other: ``weight_ih_l0`` (4 * hidden_size, input_size). With ``proj_size``, h and the output
        have so many features, and there is ``weight_hr_l0`` (proj_size, hidden_size).

    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).

    >>> import minigrad
    >>> layer = minigrad.nn.LSTM(10, 20, bidirectional=True, batch_first=True)
    >>> output, (h, c) = layer(minigrad.zeros(3, 5, 10))
    >>> output.shape, h.shape, c.shape
    (minigrad.Size([3, 5, 40]), minigrad.Size([2, 3, 20]), minigrad.Size([2, 3, 20]))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):  # fmt: skip
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype
        )


class GRU(RNNBase):
    r"""A gated recurrent unit: one gate resets, one mixes the old state with the new.

    .. math:: r, z = \sigma(W x_t + b + V h_{t-1} + c), \quad n = \tanh(W_n x_t + b_n + r (V_n h_{t-1} + c_n)), \quad
              h_t = (1 - z) n + z h_{t-1}

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as in :class:`RNN`.

    Shape:
        as in :class:`RNN`; the weights have the rows of r, z and n below each other: ``weight_ih_l0``
        (3 * hidden_size, input_size).

    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.

    >>> import minigrad
    >>> layer = minigrad.nn.GRU(10, 20)
    >>> output, h = layer(minigrad.zeros(5, 10))
    >>> output.shape, h.shape
    (minigrad.Size([5, 20]), minigrad.Size([1, 20]))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 device=None, dtype=None):  # fmt: skip
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)


# ------------------------------------------------------------------------------------------------------------- single steps
class RNNCellBase(Module):
    """What :class:`RNNCell`, :class:`LSTMCell` and :class:`GRUCell` share."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = new_parameter(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = new_parameter(rows, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter(rows, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw all parameters anew, uniformly from (-k, k) with k = 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def extra_repr(self):
        shown = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            shown += f", bias={self.bias}"
        return shown if getattr(self, "nonlinearity", "tanh") == "tanh" else f"{shown}, nonlinearity={self.nonlinearity}"

    def _step(self, cell, input, states):
        """``cell`` on input (N, I) or (I,) and the list of states, zeros where it is None; the new states as a list."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for i, s in enumerate(states or ()):
            if s.dim() not in (1, 2):
                which = f"hx[{i}]" if len(states) > 1 else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {s.dim()}D instead")
        is_batched = input.dim() == 2
        x = input if is_batched else input.unsqueeze(0)
        if states is None:
            zero = zeros(x.shape[0], self.hidden_size, dtype=x.dtype, device=x.device)
            states = [zero] * (2 if cell is lstm_cell else 1)
        elif not is_batched:
            states = [s.unsqueeze(0) for s in states]
        hx = tuple(states) if cell is lstm_cell else states[0]
        new = cell(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        new = list(new) if cell is lstm_cell else [new]
        return new if is_batched else [s.squeeze(0) for s in new]


class RNNCell(RNNCellBase):
    r"""One step of :class:`RNN`: :math:`h' = \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})`.

    Args:
        input_size, hidden_size: features of input and state.
        bias: whether there are ``bias_ih`` and ``bias_hh``.
        nonlinearity: ``"tanh"`` or ``"relu"``.

    Shape:
        input (N, input_size) or (input_size,), hx (N, hidden_size) or (hidden_size,), zeros if left out -> as hx.

    >>> import minigrad
    >>> minigrad.nn.RNNCell(10, 20)(minigrad.zeros(3, 10)).shape
    minigrad.Size([3, 20])
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}; use 'tanh' or 'relu'")
        cell = rnn_tanh_cell if self.nonlinearity == "tanh" else rnn_relu_cell
        return self._step(cell, input, None if hx is None else [hx])[0]


class LSTMCell(RNNCellBase):
    """One step of :class:`LSTM`.

    Args:
        input_size, hidden_size: features of input and states.
        bias: whether there are ``bias_ih`` and ``bias_hh``.

    Shape:
        input (N, input_size) or (input_size,), hx a pair (h, c) of (N, hidden_size) or (hidden_size,), zeros if left out
        -> the new pair.

    >>> import minigrad
    >>> h, c = minigrad.nn.LSTMCell(10, 20)(minigrad.zeros(3, 10))
    >>> h.shape, c.shape
    (minigrad.Size([3, 20]), minigrad.Size([3, 20]))
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        return tuple(self._step(lstm_cell, input, None if hx is None else list(hx)))


class GRUCell(RNNCellBase):
    """One step of :class:`GRU`.

    Args:
        input_size, hidden_size: features of input and state.
        bias: whether there are ``bias_ih`` and ``bias_hh``.

    Shape:
        input (N, input_size) or (input_size,), hx (N, hidden_size) or (hidden_size,), zeros if left out -> as hx.

    >>> import minigrad
    >>> minigrad.nn.GRUCell(10, 20)(minigrad.zeros(10)).shape
    minigrad.Size([20])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(gru_cell, input, None if hx is None else [hx])[0]
