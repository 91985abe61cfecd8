"""Multi-head attention as a function of its weights.

Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.2. Shapes inside: N sequences, L queries, S keys, H heads
of size D, E = H D.
"""

import warnings

import numpy as np

from ..op import E, S, function
from .attention import scaled_dot_product_attention
from .dropout import _dropout
from .filled import zeros
from .joining import cat
from .linalg import linear
from .padding import _pad
from .samples import normal


def additive_mask(mask, name, dtype):
    """A mask of True and False as one of -inf and 0; None and floats stay as they are."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype.name != "bool":
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    return zeros(*mask.shape, dtype=dtype, device=mask.device).masked_fill(mask, float("-inf"))


def warn_mismatched(mask, name, other, other_name):
    """PyTorch's warning where one of two masks is of bools and the other of floats."""
    if mask is not None and other is not None and mask.dtype is not other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.", stacklevel=3
        )


def check_inputs(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Whether the inputs have a batch dimension; AssertionError where they disagree."""
    if query.ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor")
    kind = "batched (3-D)" if query.ndim == 3 else "unbatched (2-D)"
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {query.ndim}-D "
            f"but found {key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D "
            f"but found {key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if query.ndim == 2 and attn_mask.ndim == 3 and tuple(attn_mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return query.ndim == 3


def _check_sizes(query, key, value, embed_dim, num_heads, separate):
    if query.shape[-1] != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {query.shape[-1]}")
    if embed_dim % num_heads:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _project(inputs, weight, weights, bias, e):
    """The three inputs in the space of the heads; one product where they are one tensor."""
    query, key, value = inputs
    if weights is None and query is key and key is value:
        return linear(query, weight, bias).chunk(3, -1)
    if weights is None:
        weights = [weight[i * e : (i + 1) * e] for i in range(3)]
    biases = [None if bias is None else bias[i * e : (i + 1) * e] for i in range(3)]
    return [linear(t, w, b) for t, w, b in zip(inputs, weights, biases)]


def _joint_mask(attn_mask, key_padding_mask, q, k, num_heads):
    """Both masks as one tensor to add to the scores: (1 or N, 1 or H, L or 1, S)."""
    batch, length, source = q.shape[0], q.shape[1], k.shape[1]
    attn_mask = additive_mask(attn_mask, "attn_mask", q.dtype)
    padding = additive_mask(key_padding_mask, "key_padding_mask", q.dtype)
    if attn_mask is not None:
        wanted = (length, source) if attn_mask.ndim == 2 else (batch * num_heads, length, source)
        if tuple(attn_mask.shape) != wanted:
            raise RuntimeError(f"The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, but should be {wanted}.")
        attn_mask = attn_mask.reshape(*((1, 1) if attn_mask.ndim == 2 else (batch, num_heads)), length, source)
    if padding is not None:
        for i, wanted in enumerate((batch, source)):
            if padding.shape[i] != wanted:
                raise AssertionError(f"Expected key_padded_mask.shape[{i}] to be {wanted}, but got {padding.shape[i]}")
        padding = padding.reshape(batch, 1, 1, source)
    if attn_mask is None or padding is None:
        return attn_mask if padding is None else padding
    return attn_mask + padding


def _heads(t, num_heads):
    """(N, L, E) -> (N, H, L, D)."""
    return t.reshape(t.shape[0], t.shape[1], num_heads, t.shape[2] // num_heads).transpose(1, 2)


def _extra_keys(k, v, mask, extra):
    """Keys and values with further rows (1 or N, H, 1, D) appended, which no mask hides."""
    for extra_k, extra_v in extra:
        k = cat([k, extra_k.expand(k.shape[0], -1, -1, -1)], 2)
        v = cat([v, extra_v.expand(v.shape[0], -1, -1, -1)], 2)
        mask = None if mask is None else _pad(mask, (0, 1))
    return k, v, mask


def _static(given, projected, num_heads, name):
    """Keys or values (N H, S, D) that take the place of the projected ones (N, S, E)."""
    if given is None:
        return _heads(projected, num_heads)
    wanted = (projected.shape[0] * num_heads, projected.shape[2] // num_heads)
    if (given.shape[0], given.shape[2]) != wanted:
        raise AssertionError(f"expecting {name} of shape ({wanted[0]}, S, {wanted[1]}), but got {tuple(given.shape)}")
    return given.reshape(projected.shape[0], num_heads, *given.shape[1:])


def _attended(q, k, v, mask, dropout, causal, need_weights):
    """(values (N, H, L, D), weights (N, H, L, S) or None)."""
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout, causal), None
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    if dropout:
        weights = _dropout(weights, dropout)
    return weights @ v, weights


def _reference(query, key, value, e, heads, w, b, bias_k, bias_v, add_zero_attn, dropout_p, out_w, out_b, training=True,
               key_padding_mask=None, need_weights=True, attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None,
               k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True,
               is_causal=False):  # fmt: skip
    """Head by head."""
    if query.ndim == 2:
        y, a = _reference(
            query[:, None], key[:, None], value[:, None], e, heads, w, b, bias_k, bias_v, add_zero_attn, 0.0, out_w, out_b
        )
        return y[:, 0], a[0]
    b = np.zeros(3 * e) if b is None else b
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else np.split(w, 3)
    q, k, v = (t @ m.T + c for t, m, c in zip((query, key, value), weights, np.split(b, 3)))
    length, batch, d = len(q), q.shape[1], e // heads
    out, found = np.zeros(q.shape), []
    for n in range(batch):
        for h in range(heads):
            part = slice(h * d, (h + 1) * d)
            keys = k[:, n, part] if static_k is None else static_k[n * heads + h]
            values = v[:, n, part] if static_v is None else static_v[n * heads + h]
            if bias_k is not None:
                keys, values = np.vstack([keys, bias_k[0, :, part]]), np.vstack([values, bias_v[0, :, part]])
            if add_zero_attn:
                keys, values = np.vstack([keys, np.zeros((1, d))]), np.vstack([values, np.zeros((1, d))])
            s = q[:, n, part] @ keys.T / np.sqrt(d)
            if attn_mask is not None:
                m = attn_mask if attn_mask.ndim == 2 else attn_mask[n * heads + h]
                s[:, : m.shape[1]] += np.where(m, -np.inf, 0.0) if m.dtype == bool else m
            if key_padding_mask is not None:
                s[:, : key_padding_mask.shape[1]] += np.where(key_padding_mask[n], -np.inf, 0.0)
            p = np.exp(s - s.max(-1, keepdims=True))
            p = p / p.sum(-1, keepdims=True)
            found.append(p)
            out[:, n, part] = p @ values
    found = np.array(found).reshape(batch, heads, length, -1)
    return out @ out_w.T + (0.0 if out_b is None else out_b), found.mean(1) if average_attn_weights else found


def _samples(r):
    def weights(e=4, heads=2, bias=True):
        return (e, heads, normal(r, 3 * e, e), normal(r, 3 * e) if bias else None)

    def out(e=4):
        return (normal(r, e, e), normal(r, e))

    x, k = normal(r, 3, 2, 4), normal(r, 2, 2, 4)
    learnt = (normal(r, 1, 1, 4), normal(r, 1, 1, 4))
    padding, causal = np.array([[False, False, True], [False] * 3]), np.triu(np.ones((3, 3), bool), 1)
    separate = {f"{n}_proj_weight": normal(r, 4, 4) for n in "qkv"}
    return [
        S(x, x, x, *weights(), None, None, False, 0.0, *out()),
        S(x, k, k, *weights(bias=False), None, None, False, 0.5, *out(), training=False, average_attn_weights=False),
        S(x, x, x, *weights(), *learnt, True, 0.0, *out(), True, padding, True, causal),
        S(x, x, x, *weights(), None, None, False, 0.0, *out(), attn_mask=normal(r, 4, 3, 3)),
        S(x, k, k, 4, 2, None, normal(r, 12), None, None, False, 0.0, *out(), use_separate_proj_weight=True, **separate),
        S(normal(r, 3, 4), normal(r, 2, 4), normal(r, 2, 4), *weights(), None, None, False, 0.0, normal(r, 4, 4), None),
        S(x, k, k, *weights(), None, None, False, 0.0, *out(), static_k=normal(r, 4, 5, 2), static_v=normal(r, 4, 5, 2)),
    ]


@function(
    "multi_head_attention_forward",
    spaces="functional",
    formula=r"Y = [\mathrm{head}_1, \dots, \mathrm{head}_h]\, W^O, \quad \mathrm{head}_i = "
    r"\mathrm{softmax}\left(Q W^Q_i (K W^K_i)^\top / \sqrt{d}\right) V W^V_i",
    samples=_samples,
    errors=lambda r: [
        E(AssertionError, "expecting embedding dimension of 3", *(normal(r, 3, 2, 4),) * 3, 3, 1, None, None, None, None, False,
          0.0, normal(r, 4, 4), None),
        E(AssertionError, "not divisible", *(normal(r, 3, 2, 4),) * 3, 4, 3, None, None, None, None, False,
          0.0, normal(r, 4, 4), None),
        E(RuntimeError, "Need attn_mask", *(normal(r, 3, 2, 4),) * 3, 4, 2, normal(r, 12, 4), None, None, None, False,
          0.0, normal(r, 4, 4), None, is_causal=True),
    ],
    reference=_reference,
)  # fmt: skip
def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p,
    out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
    average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Attention in several heads, from all of its weights: what :class:`minigrad.nn.MultiheadAttention` computes.

    Args:
        query, key, value: (L, N, E), (S, N, K), (S, N, V), or without N.
        embed_dim_to_check: E; ``num_heads`` divides it.
        in_proj_weight: (3 E, E), the projections of all three; or, with ``use_separate_proj_weight``, ``q_proj_weight``,
            ``k_proj_weight`` and ``v_proj_weight``.
        in_proj_bias: (3 E,) or None.
        bias_k, bias_v: (1, 1, E), a further key and value, or None.
        add_zero_attn: a further key and value of zeros.
        dropout_p: probability of dropping a weight while ``training``.
        out_proj_weight, out_proj_bias: (E, E) and (E,), the last map.
        key_padding_mask: (N, S) or (S,), True (or -inf) at keys that nobody may look at.
        need_weights: return the weights too.
        attn_mask: (L, S) or (N num_heads, L, S), True where a query may not look, or floats that are added.
        static_k, static_v: (N num_heads, S, E / num_heads), in place of the projected keys and values.
        average_attn_weights: the mean of the weights over the heads.
        is_causal: a hint that ``attn_mask`` is the causal mask.

    Returns:
        (output (L, N, E), weights (N, L, S) or (N, num_heads, L, S) or None).

    Raises:
        AssertionError: where sizes do not fit.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> x, w = minigrad.ones(2, 1, 1), minigrad.ones(3, 1)
    >>> y, p = F.multi_head_attention_forward(x, x, x, 1, 1, w, None, None, None, False, 0.0, minigrad.ones(1, 1), None)
    >>> p
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    batched = check_inputs(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    one = {id(t): (t.transpose(0, 1) if batched else t.unsqueeze(0)) for t in (query, key, value)}
    inputs = [one[id(t)] for t in (query, key, value)]  # (N, L, E); what was one tensor stays one
    if key_padding_mask is not None and not batched:
        key_padding_mask = key_padding_mask.unsqueeze(0)
    separate = [q_proj_weight, k_proj_weight, v_proj_weight] if use_separate_proj_weight else None
    _check_sizes(*inputs, embed_dim_to_check, num_heads, use_separate_proj_weight)
    q, k, v = _project(inputs, in_proj_weight, separate, in_proj_bias, embed_dim_to_check)
    causal = is_causal and key_padding_mask is None and not need_weights
    source = k if static_k is None else static_k
    mask = None if causal else _joint_mask(attn_mask, key_padding_mask, q, source, num_heads)
    q, k, v = _heads(q, num_heads), _static(static_k, k, num_heads, "static_k"), _static(static_v, v, num_heads, "static_v")
    extra = [] if bias_k is None else [tuple(_heads(b.reshape(1, 1, -1), num_heads) for b in (bias_k, bias_v))]
    if add_zero_attn:
        extra.append((zeros(1, num_heads, 1, q.shape[3], dtype=k.dtype, device=k.device),) * 2)
    k, v, mask = _extra_keys(k, v, mask, extra)
    values, weights = _attended(q, k, v, mask, dropout_p if training else 0.0, causal, need_weights)
    output = linear(values.permute(2, 0, 1, 3).flatten(2), out_proj_weight, out_proj_bias)  # (L, N, E)
    if need_weights and average_attn_weights:
        weights = weights.mean(1)
    if not batched:
        return output.squeeze(1), None if weights is None else weights.squeeze(0)
    return output, weights
