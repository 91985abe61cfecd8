"""Softmax and cross-entropy over rows."""

from . import ELEMENTS, FLOAT32, INT64, kernel


def _last_axis(x, *, axis):
    return x.dtype == FLOAT32 and axis in (-1, x.ndim - 1) and x.size >= ELEMENTS


def _cross_entropy(logits, target):
    return (
        logits.dtype == FLOAT32
        and target.dtype == INT64
        and logits.ndim == 2
        and target.shape == logits.shape[:1]
        and logits.size >= ELEMENTS
    )


KERNELS = {
    "softmax": kernel("rows:softmax", _last_axis),
    "log_softmax": kernel("rows:log_softmax", _last_axis),
    "cross_entropy": kernel("rows:cross_entropy", _cross_entropy, backward="rows:cross_entropy_backward"),
}
