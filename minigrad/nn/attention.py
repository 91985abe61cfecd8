"""Multi-head attention."""

from ..ops.multihead import warn_mismatched
from . import functional as F
from . import init
from .attention_kernels import SDPBackend as SDPBackend
from .attention_kernels import sdpa_kernel as sdpa_kernel
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
        if self.batch_first and query.ndim == 3 == key.ndim == value.ndim:
            turned = {id(t): t.transpose(0, 1) for t in (query, key, value)}  # what was one tensor stays one
            query, key, value = (turned[id(t)] for t in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v,
            self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return output.transpose(0, 1) if self.batch_first and query.ndim == 3 else output, weights
