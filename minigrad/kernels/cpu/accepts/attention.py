"""Scaled dot-product attention without mask and dropout, both ways."""

from . import floats, kernel

SCORES = 2**8


def _attention(q, k, v, *, causal, scale):
    return (
        floats(q, k, v)
        and q.ndim == k.ndim == v.ndim >= 2
        and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
        and q.shape[-1] == k.shape[-1]
        and k.shape[-2] == v.shape[-2]
        and all(a.size for a in (q, k, v))
        and q.size // q.shape[-1] * k.shape[-2] >= SCORES
    )


KERNELS = {
    "attention": kernel("attention:attention", _attention, backward="attention:attention_backward"),
}
