"""Scaled dot-product attention: each query takes a weighted mean of the values, weighted by how well their keys match.

Vaswani et al., "Attention is all you need", NeurIPS 2017. Shapes: query (..., L, D), key (..., S, D), value (..., S, V).
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, op, registry
from .dropout import _dropout
from .linalg import matmul
from .samples import normal


def _masked_reference(x, axis):
    top = np.max(x, axis=axis, keepdims=True)
    e = np.exp(x - np.where(np.isinf(top), 0.0, top))
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total == 0, 1.0, total)


@op(
    names="",
    vjp=(lambda xp, g, y, axis: y * (g - xp.sum(g * y, axis=axis, keepdims=True)),),
    formula=r"y_i = e^{x_i} / \sum_j e^{x_j}, \quad y = 0 \text{ where all } x_j = -\infty",
    derivative=r"\bar x_i = y_i \left(\bar y_i - \sum_j \bar y_j y_j\right)",
    samples=lambda r: [
        S(normal(r, 3, 4), axis=-1),
        S(1e3 * normal(r, 2, 3), axis=0, grad=False),
        S(normal(r, 2, 3), axis=0),
        S(np.array([[1.0, -np.inf, 2.0], [-np.inf, -np.inf, -np.inf]]), axis=1, grad=False),
    ],
    reference=_masked_reference,
)
def masked_softmax(xp, x, *, axis):
    """Softmax along one axis of scores that may be -inf; where all of them are, zeros and not NaN."""
    top = xp.max(x, axis=axis, keepdims=True)
    e = xp.exp(x - xp.where(xp.isinf(top), 0.0, top))
    total = xp.sum(e, axis=axis, keepdims=True)
    return e / xp.where(xp.equal(total, 0.0), 1.0, total)


# ------------------------------------------------------------------------------------------------- without mask and dropout
def _weights(xp, q, k, causal, scale):
    scores = xp.matmul(q * scale, xp.matrix_transpose(k))  # (..., T, S)
    if causal:
        scores = scores + xp.triu(xp.full(scores, shape=tuple(scores.shape[-2:]), value=-math.inf), k=1)
    return xp.softmax(scores, axis=-1)


def _attention_rule(xp, g, q, k, v, causal, scale):
    weights = _weights(xp, q, k, causal, scale)
    slopes = xp.softmax_dx(xp.matmul(g, xp.matrix_transpose(v)), weights, axis=-1) * scale
    dk = xp.matmul(xp.matrix_transpose(slopes), q)
    return xp.matmul(slopes, k), dk, xp.matmul(xp.matrix_transpose(weights), g)


def _plain_attention(q, k, v, *, causal, scale):
    return _attention_reference(q, k, v, is_causal=causal, scale=scale)


@op(
    names="",
    vjp=_attention_rule,
    formula=r"Y = P V, \quad P = \mathrm{softmax}(s Q K^\top + M)",
    derivative=(
        r"\bar V = P^\top \bar Y, \quad \bar Q = s \bar Z K, \quad \bar K = s \bar Z^\top Q, \quad \bar Z = P \circ (\bar P - "
        r"\mathrm{rowsum}(\bar P \circ P)), \quad \bar P = \bar Y V^\top"
    ),
    samples=lambda r: [
        S(normal(r, 2, 3, 2), normal(r, 2, 4, 2), normal(r, 2, 4, 5), causal=False, scale=0.5),
        S(normal(r, 2, 1, 4, 3), normal(r, 2, 1, 4, 3), normal(r, 2, 1, 4, 2), causal=True, scale=0.7),
        S(normal(r, 1, 2, 3), normal(r, 1, 4, 3), normal(r, 1, 4, 2), causal=True, scale=-0.5),
        S(normal(r, 1, 5, 3), normal(r, 1, 2, 3), normal(r, 1, 2, 2), causal=True, scale=1.0),
    ],
    reference=_plain_attention,
)
def attention(xp, q, k, v, *, causal, scale):
    """softmax(scale q k') v of queries (..., T, D), keys (..., S, D) and values (..., S, E), all with the same leading axes:
    (..., T, E). Causal: query i sees the keys 0 to i.
    """
    return xp.matmul(_weights(xp, q, k, causal, scale), v)


# ------------------------------------------------------------------------------------------------- PyTorch's function of them
def _attention_reference(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        k, v = (np.repeat(a, q.shape[-3] // a.shape[-3], axis=-3) for a in (k, v))
    scores = q @ np.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = np.tril(np.ones(scores.shape[-2:], bool))
    if attn_mask is not None:
        scores = np.where(attn_mask, scores, -np.inf) if attn_mask.dtype == bool else scores + attn_mask
    return _masked_reference(scores, -1) @ v


def _triples(r):
    def heads(*lead, n=3, s=4, d=2, v=2):
        return normal(r, *lead, n, d), normal(r, *lead, s, d), normal(r, *lead, s, v)

    some = np.array([[True, False, True, True], [False, False, False, False], [True, True, True, False]])
    return [
        S(*heads()),
        S(*heads(2, 2, v=3)),
        S(*heads(), some),
        S(*heads(2), np.where(some, normal(r, 3, 4), -np.inf), grad=False),
        S(*heads(2), attn_mask=normal(r, 2, 3, 4)),
        S(*heads(n=4), is_causal=True),
        S(*heads(n=2), is_causal=True, scale=0.3),
        S(*heads(1, 2), scale=1.0),
        S(normal(r, 4, 2, 3), normal(r, 2, 3, 3), normal(r, 2, 3, 2), enable_gqa=True),
    ]


@function(
    "scaled_dot_product_attention",
    spaces="functional",
    samples=_triples,
    reference=_attention_reference,
    formula=r"Y = \mathrm{softmax}(s Q K^\top + M)\,V, \quad s = 1 / \sqrt{D}",
    derivative=(
        r"\bar V = P^\top \bar Y, \quad \bar Q = s \bar Z K, \quad \bar K = s \bar Z^\top Q, \quad \bar Z = P \circ (\bar P - "
        r"\mathrm{rowsum}(\bar P \circ P)), \quad \bar P = \bar Y V^\top"
    ),
    errors=lambda r: [
        E(
            RuntimeError,
            "Explicit attn_mask should not be set when is_causal=True",
            *(normal(r, 3, 2),) * 3,
            np.ones((3, 3), bool),
            0.0,
            True,
        ),
        E(RuntimeError, "at least 2 dimensional", *(normal(r, 3),) * 3),
        E(RuntimeError, "attn_mask dtype to be bool or float", *(normal(r, 3, 2),) * 3, np.ones((3, 3), np.int64)),
        E(RuntimeError, "shapes cannot be multiplied", normal(r, 3, 2), normal(r, 3, 4), normal(r, 3, 4)),
        E(
            RuntimeError,
            "Number of heads in key and value must divide",
            normal(r, 3, 2, 2),
            normal(r, 2, 2, 2),
            normal(r, 2, 2, 2),
            enable_gqa=True,
        ),
    ],
)
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """The mean of the values, weighted by the softmax of the scaled products of queries and keys.

    Args:
        query: (..., L, D); key: (..., S, D); value: (..., S, V). The leading dimensions broadcast.
        attn_mask: broadcasts to (..., L, S): bool, True where a query may look, or a float that is added to the scores.
        dropout_p: probability of dropping a weight. It has no training flag: pass 0.0 when evaluating.
        is_causal: query i looks at keys 0 to i only.
        scale: 1 / sqrt(D) where it is left out.
        enable_gqa: key and value may have fewer heads (dimension -3), each for several heads of the query.

    Returns:
        (..., L, V); zeros for a query that may look nowhere.

    Raises:
        RuntimeError: for shapes that do not fit, or a mask together with ``is_causal``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> q = minigrad.zeros(2, 4)
    >>> v = minigrad.tensor([[1.0], [3.0]])
    >>> F.scaled_dot_product_attention(q, q, v, is_causal=True)
    tensor([[1.],
            [2.]])
    """
    q, k = query.array, key.array
    if min(q.ndim, k.ndim, value.array.ndim) < 2:
        raise ShapeError(
            f"scaled_dot_product_attention: Expected query, key, and value to all be at least 2 dimensional, but got "
            f"{q.ndim}, {k.ndim}, {value.array.ndim}"
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True; pass one of the two"
        )
    if enable_gqa:
        key, value = (_repeat_heads(t, q.shape) for t in (key, value))
    scale = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    if attn_mask is None and not dropout_p and _are_alike(query, key, value):
        return apply(registry["attention"], (query, key, value), {"causal": bool(is_causal), "scale": scale})
    scores = matmul(query * scale, key.mT)  # (..., L, S)
    if is_causal:
        weights = _along_last("softmax", scores + _causal(scores))
    elif attn_mask is not None:
        weights = _along_last("masked_softmax", scores + _bias(attn_mask, scores))
    else:
        weights = _along_last("softmax", scores)
    return matmul(_dropout(weights, dropout_p), value)


def _are_alike(query, key, value):
    """Whether the three have one dtype and the same leading dimensions, and there is a key to look at."""
    q, k, v = query.array, key.array, value.array
    shapes = q.shape[:-2] == k.shape[:-2] == v.shape[:-2] and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2]
    return shapes and k.shape[-2] > 0 and q.dtype == k.dtype == v.dtype and q.dtype.kind not in "biuc"


def _along_last(name, scores):
    return apply(registry[name], (scores,), {"axis": -1})


def _causal(scores):
    """0 on and below the diagonal, -inf above."""
    below = {"shape": tuple(scores.array.shape[-2:]), "value": -math.inf}
    return apply(registry["triu"], (apply(registry["full"], (scores.detach(),), below),), {"k": 1})


def _bias(mask, scores):
    """A mask as numbers to add to the scores."""
    if mask.array.dtype == bool:
        zero = apply(registry["full"], (scores.detach(),), {"shape": (), "value": 0.0})
        return apply(registry["where"], (mask, zero, -math.inf), {})
    if not mask.is_floating_point():
        raise DtypeError(
            f"scaled_dot_product_attention: Expected attn_mask dtype to be bool or float, got {mask.dtype}; write mask.bool()"
        )
    return mask


def _repeat_heads(t, shape):
    """(..., H, S, D) with each head repeated as often as the query has more of them."""
    heads = t.array.shape[-3] if t.array.ndim > 2 else 1
    if len(shape) < 3 or shape[-3] % heads:
        raise ShapeError(
            f"scaled_dot_product_attention: Number of heads in key and value must divide the number of heads in query, got "
            f"{heads} and shape {tuple(shape)}"
        )
    return t.repeat_interleave(shape[-3] // heads, dim=-3)
