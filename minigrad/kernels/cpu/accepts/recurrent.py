"""Recurrent layers, both ways."""

from . import CHEAP_ELEMENTS, floats, kernel


def _fits(gates, states, weight, parts):
    """``parts`` gates of as many features as the state has."""
    return (
        floats(gates, *states, weight)
        and gates.ndim == 3
        and weight.ndim == 2
        and all(h.shape == (gates.shape[1], weight.shape[1]) for h in states)
        and weight.shape[0] == gates.shape[2] == parts * weight.shape[1]
        and gates.size >= CHEAP_ELEMENTS
    )


def _lstm(gates, h0, c0, weight, projection=None):
    return projection is None and _fits(gates, (h0, c0), weight, 4)


def _gru(gates, h0, weight, bias=None):
    return _fits(gates, (h0,), weight, 3) and (bias is None or (floats(weight, bias) and bias.shape == weight.shape[:1]))


def _rnn(gates, h0, weight, *, nonlinearity):
    return nonlinearity in ("tanh", "relu") and _fits(gates, (h0,), weight, 1)


KERNELS = {
    name: kernel(f"recurrent:{name}", accepts, backward=f"recurrent:{name}_backward")
    for name, accepts in {"lstm": _lstm, "gru": _gru, "rnn": _rnn}.items()
}
