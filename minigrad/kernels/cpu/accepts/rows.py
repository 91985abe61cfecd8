"""Softmax, its derivative and cross-entropy."""

from . import FLOATS, INT64, floats, kernel

ELEMENTS = 2**8


def _softmax(x, *, axis):
    return x.dtype in FLOATS and -x.ndim <= axis < x.ndim and x.size >= ELEMENTS


def _softmax_dx(g, y, *, axis):
    return floats(g, y) and g.shape == y.shape and -y.ndim <= axis < y.ndim and y.size >= ELEMENTS


def _cross_entropy(logits, target):
    return (
        logits.dtype in FLOATS
        and target.dtype == INT64
        and logits.ndim == 2
        and target.shape == logits.shape[:1]
        and logits.size >= ELEMENTS
    )


KERNELS = {
    "softmax": kernel("rows:softmax", _softmax),
    "log_softmax": kernel("rows:log_softmax", _softmax),
    "softmax_dx": kernel("rows:softmax_dx", _softmax_dx),
    "log_softmax_dx": kernel("rows:log_softmax_dx", _softmax_dx),
    "cross_entropy": kernel("rows:cross_entropy", _cross_entropy, backward="rows:cross_entropy_backward"),
}
