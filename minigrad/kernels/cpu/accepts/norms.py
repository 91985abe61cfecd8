"""Normalization, both ways."""

from . import FLOATS, kernel

ELEMENTS = 2**6


def _of_rows(x, *parameters):
    """The last axis, and parameters of it."""
    return x.ndim > 0 and _fit(x, x.shape[-1:], parameters)


def _of_channels(x, *parameters):
    """(N, C, ...), and parameters of each channel."""
    return x.ndim >= 2 and _fit(x, x.shape[1:2], parameters)


def _fit(x, shape, parameters):
    dtype = x.dtype
    if dtype not in FLOATS or x.size < ELEMENTS:
        return False
    for p in parameters:
        if p is not None and (p.dtype != dtype or p.shape != shape):
            return False
    return True


def _layer_norm(x, weight=None, bias=None, *, eps):
    return _of_rows(x, weight, bias)


def _rms_norm(x, weight=None, *, eps):
    return _of_rows(x, weight)


def _batch_norm(x, weight=None, bias=None, *, eps):
    return _of_channels(x, weight, bias)


def _batch_norm_eval(x, mean, variance, weight=None, bias=None, *, eps):
    return _of_channels(x, mean, variance, weight, bias)


def _group_norm(x, weight=None, bias=None, *, groups, eps):
    return _of_channels(x, weight, bias) and groups > 0 and x.shape[1] % groups == 0


KERNELS = {
    "layer_norm": kernel("layer_norm:layer_norm", _layer_norm, backward="layer_norm:layer_norm_backward"),
    "rms_norm": kernel("layer_norm:rms_norm", _rms_norm, backward="layer_norm:rms_norm_backward"),
    "batch_norm": kernel("batch_norm:batch_norm", _batch_norm, backward="batch_norm:batch_norm_backward"),
    "batch_norm_eval": kernel("batch_norm:batch_norm_eval", _batch_norm_eval, backward="batch_norm:batch_norm_eval_backward"),
    "group_norm": kernel("norms:group_norm", _group_norm, backward="norms:group_norm_backward"),
}
