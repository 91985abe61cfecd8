"""Recurrent layers, both ways."""

from . import CHEAP_ELEMENTS, floats, kernel


def _lstm(gates, h0, c0, weight, projection=None):
    return (
        projection is None
        and floats(gates, h0, c0, weight)
        and h0.shape == c0.shape == (gates.shape[1], weight.shape[1])
        and weight.shape[0] == gates.shape[2] == 4 * weight.shape[1]
        and gates.size >= CHEAP_ELEMENTS
    )


KERNELS = {
    "lstm": kernel("recurrent:lstm", _lstm, backward="recurrent:lstm_backward"),
}
