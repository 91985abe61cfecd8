"""Multi-head attention."""

import warnings

from .. import cat, zeros
from . import functional as F
from . import init
from .linear import NonDynamicallyQuantizableLinear
from .module import Module
from .shared import new_parameter


class MultiheadAttention(Module):
    r"""Attention in several heads: each query gets a mean of the values, weighted by how well it matches their keys.

    .. math::
        \mathrm{head}_i = \mathrm{softmax}\left(\frac{Q W^Q_i (K W^K_i)^\top}{\sqrt{d}}\right) V W^V_i, \qquad
        Y = [\mathrm{head}_1, \dots, \mathrm{head}_h]\, W^O

    Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Args:
        embed_dim: size E of queries and outputs; ``num_heads`` divides it.
        num_heads: number of heads, each of size E / num_heads.
        dropout: probability with which an attention weight is dropped while training.
        bias: whether the projections have biases.
        add_bias_kv: append a learnt key and value to every sequence.
        add_zero_attn: append a key and value of zeros to every sequence.
        kdim, vdim: sizes of keys and values; None: E.
        batch_first: sequences are (N, L, E) rather than (L, N, E).

    Shape:
        query (L, N, E), key (S, N, kdim), value (S, N, vdim), all without N for one sequence -> output (L, N, E) and
        weights (N, L, S), or None. ``in_proj_weight`` is (3 E, E), or ``q_proj_weight``, ``k_proj_weight`` and
        ``v_proj_weight`` where kdim or vdim differ.

    >>> import minigrad
    >>> attention = minigrad.nn.MultiheadAttention(embed_dim=8, num_heads=2, batch_first=True)
    >>> x = minigrad.zeros(3, 5, 8)
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    (minigrad.Size([3, 5, 8]), minigrad.Size([3, 5, 5]))
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None,
                 batch_first=False, device=None, dtype=None):  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.add_zero_attn = add_zero_attn
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")
        self._qkv_same_embed_dim = self.kdim == embed_dim == self.vdim
        self._register(bias, add_bias_kv, {"device": device, "dtype": dtype})
        self._reset_parameters()

    def _register(self, bias, add_bias_kv, where):
        e, together = self.embed_dim, self._qkv_same_embed_dim
        shapes = {
            "q_proj_weight": None if together else (e, e),
            "k_proj_weight": None if together else (e, self.kdim),
            "v_proj_weight": None if together else (e, self.vdim),
            "in_proj_weight": (3 * e, e) if together else None,
            "in_proj_bias": (3 * e,) if bias else None,
        }
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else new_parameter(*shape, **where))
        self.out_proj = NonDynamicallyQuantizableLinear(e, e, bias=bias, **where)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, new_parameter(1, 1, e, **where) if add_bias_kv else None)

    def _reset_parameters(self):
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
                is_causal=False):  # fmt: skip
        """The attended values, and the attention weights.

        Args:
            query, key, value: see the class.
            key_padding_mask: (N, S) or (S,), True (or -inf) at keys that nobody may look at.
            need_weights: return the weights; without them less is computed.
            attn_mask: (L, S) or (N num_heads, L, S), True where a query may not look, or floats that are added.
            average_attn_weights: the mean over the heads (N, L, S), else all of them (N, num_heads, L, S).
            is_causal: a hint that ``attn_mask`` is the causal mask.

        Returns:
            (output, weights or None).
        """
        warn_mismatched(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask")
        batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, self.num_heads)
        if not batched:
            query, key, value = _each((query, key, value), lambda t: t.unsqueeze(0))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:  # (L, N, E) -> (N, L, E)
            query, key, value = _each((query, key, value), lambda t: t.transpose(0, 1))
        self._check_sizes(query, key, value)
        q, k, v = self._project(query, key, value)
        if is_causal and attn_mask is None:
            raise RuntimeError(
                "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
                "`generate_square_subsequent_mask` to create this mask."
            )
        causal = is_causal and key_padding_mask is None and not need_weights
        mask = None if causal else self._mask(attn_mask, key_padding_mask, q, k)
        k, v, mask = self._with_extra_keys(k, v, mask)
        q, k, v = (self._heads(t) for t in (q, k, v))  # (N, H, L, D)
        dropout = self.dropout if self.training else 0.0
        if need_weights:
            scores = (q * self.head_dim**-0.5) @ k.transpose(-2, -1)  # (N, H, L, S)
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            if dropout:
                weights = F.dropout(weights, dropout)
            output = weights @ v
        else:
            weights = None
            output = F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)
        output = self.out_proj(output.transpose(1, 2).flatten(2))  # (N, L, E)
        if need_weights and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return output.squeeze(0), None if weights is None else weights.squeeze(0)
        return output if self.batch_first else output.transpose(0, 1), weights

    def _check_sizes(self, query, key, value):
        if query.shape[-1] != self.embed_dim:
            raise AssertionError(f"was expecting embedding dimension of {self.embed_dim}, but got {query.shape[-1]}")
        if self._qkv_same_embed_dim and key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")

    def _project(self, query, key, value):
        """The three inputs in the space of the heads; one product where they are one tensor."""
        e, bias = self.embed_dim, self.in_proj_bias
        if self._qkv_same_embed_dim and query is key and key is value:
            return F.linear(query, self.in_proj_weight, bias).chunk(3, -1)
        if self._qkv_same_embed_dim:
            weights = [self.in_proj_weight[i * e : (i + 1) * e] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None if bias is None else bias[i * e : (i + 1) * e] for i in range(3)]
        return [F.linear(t, w, b) for t, w, b in zip((query, key, value), weights, biases)]

    def _mask(self, attn_mask, key_padding_mask, q, k):
        """Both masks as one tensor to add to the scores: (1 or N, 1 or H, L or 1, S)."""
        batch, length, source = q.shape[0], q.shape[1], k.shape[1]
        attn_mask = additive_mask(attn_mask, "attn_mask", q.dtype)
        padding = additive_mask(key_padding_mask, "key_padding_mask", q.dtype)
        if attn_mask is not None:
            wanted = (length, source) if attn_mask.ndim == 2 else (batch * self.num_heads, length, source)
            if tuple(attn_mask.shape) != wanted:
                raise RuntimeError(f"The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, but should be {wanted}.")
            attn_mask = attn_mask.reshape(*((1, 1) if attn_mask.ndim == 2 else (batch, self.num_heads)), length, source)
        if padding is not None:
            for i, wanted in enumerate((batch, source)):
                if padding.shape[i] != wanted:
                    raise AssertionError(f"Expected key_padded_mask.shape[{i}] to be {wanted}, but got {padding.shape[i]}")
            padding = padding.reshape(batch, 1, 1, source)
        if attn_mask is None or padding is None:
            return attn_mask if padding is None else padding
        return attn_mask + padding

    def _with_extra_keys(self, k, v, mask):
        """Keys and values with the learnt one and the one of zeros appended, which no mask hides."""
        rows = []
        if self.bias_k is not None:
            rows.append((self.bias_k, self.bias_v))
        if self.add_zero_attn:
            zero = zeros(1, 1, self.embed_dim, dtype=k.dtype, device=k.device)
            rows.append((zero, zero))
        for extra_k, extra_v in rows:
            k = cat([k, extra_k.expand(k.shape[0], 1, -1)], 1)
            v = cat([v, extra_v.expand(v.shape[0], 1, -1)], 1)
            mask = None if mask is None else F.pad(mask, (0, 1))
        return k, v, mask

    def _heads(self, t):
        """(N, L, E) -> (N, H, L, D)."""
        return t.reshape(t.shape[0], t.shape[1], self.num_heads, self.head_dim).transpose(1, 2)


def _each(tensors, function):
    """``function`` of each tensor; what was one tensor stays one, so that self-attention is still seen."""
    results = {id(t): function(t) for t in tensors}
    return [results[id(t)] for t in tensors]


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


def _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads):
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
