"""Normalization, both ways."""

from . import ELEMENTS, floats, kernel


def _layer_norm(x, weight=None, bias=None, *, eps):
    return (
        weight is not None
        and bias is not None
        and floats(x, weight, bias)
        and weight.shape == bias.shape == x.shape[-1:]
        and x.size >= ELEMENTS
    )


def _batch_norm(x, weight=None, bias=None, *, eps):
    given = [p for p in (weight, bias) if p is not None]
    return floats(x, *given) and all(p.shape == x.shape[1:2] for p in given) and x.size >= ELEMENTS


KERNELS = {
    "layer_norm": kernel("layer_norm:layer_norm", _layer_norm, backward="layer_norm:layer_norm_backward"),
    "batch_norm": kernel("batch_norm:batch_norm", _batch_norm, backward="batch_norm:batch_norm_backward"),
}
