"""The transformer of Vaswani et al., "Attention is all you need", NeurIPS 2017: encoder, decoder and both."""

import copy

from .. import full, get_default_dtype
from ..ops.multihead import additive_mask, warn_mismatched
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm


class _Layer(Module):
    """What encoder and decoder layers share: self-attention and a network of two linear layers."""

    def _register(self, d_model, nhead, dim_feedforward, dropout, activation, eps, batch_first, norm_first, bias, where, decoder):
        def attention():
            return MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **where)

        self.self_attn = attention()
        if decoder:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **where)
        self.norm_first = norm_first
        blocks = range(1, 4 if decoder else 3)
        for i in blocks:
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=eps, bias=bias, **where))
        for i in blocks:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def _attend(self, attention, x, memory, mask, padding, is_causal):
        return attention(
            x, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal, need_weights=False
        )[0]  # fmt: skip

    def _feed(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _run(self, x, blocks):
        """Each block is (function, norm, dropout): x + block, normalized before the block or after the sum."""
        for block, norm, dropout in blocks:
            x = x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))
        return x


def _activation(activation):
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)


class TransformerEncoderLayer(_Layer):
    r"""Self-attention and a feed-forward network, each with a residual connection and a :class:`LayerNorm`.

    .. math:: x' = \mathrm{norm}(x + \mathrm{attention}(x)), \qquad y = \mathrm{norm}(x' + W_2\, \phi(W_1 x'))

    Args:
        d_model: size E of the elements of the sequence.
        nhead: number of attention heads.
        dim_feedforward: size of the hidden layer.
        dropout: probability of :class:`Dropout` after each block, in the network and of the attention weights.
        activation: "relu", "gelu" or a function.
        layer_norm_eps: ``eps`` of the norms.
        batch_first: sequences are (N, L, E) rather than (L, N, E).
        norm_first: normalize before each block. Xiong et al., "On layer normalization in the transformer", ICML 2020.
        bias: whether the linear layers, projections and norms have biases.

    ``forward(src, src_mask=None, src_key_padding_mask=None, is_causal=False)``; masks as of :class:`MultiheadAttention`.

    Shape:
        (L, N, E), (N, L, E) or (L, E) -> the same.

    >>> import minigrad
    >>> layer = minigrad.nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(minigrad.zeros(3, 5, 8)).shape
    minigrad.Size([3, 5, 8])
    """

    def __init__(self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):  # fmt: skip
        super().__init__()
        where = {"device": device, "dtype": dtype}
        self._register(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, where, False
        )

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        warn_mismatched(src_key_padding_mask, "src_key_padding_mask", src_mask, "src_mask")
        mask = additive_mask(src_mask, "src_mask", src.dtype)
        padding = additive_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype)

        def attend(x):
            return self._attend(self.self_attn, x, x, mask, padding, is_causal)

        return self._run(src, [(attend, self.norm1, self.dropout1), (self._feed, self.norm2, self.dropout2)])


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output and a feed-forward network, each with residual and norm.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: as of
            :class:`TransformerEncoderLayer`.

    ``forward(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
    tgt_is_causal=False, memory_is_causal=False)``.

    Shape:
        tgt (T, N, E), memory (S, N, E), or with N first, or without N -> the shape of tgt.

    >>> import minigrad
    >>> layer = minigrad.nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(minigrad.zeros(3, 4, 8), minigrad.zeros(3, 5, 8)).shape
    minigrad.Size([3, 4, 8])
    """

    def __init__(self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):  # fmt: skip
        super().__init__()
        where = {"device": device, "dtype": dtype}
        self._register(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, where, True
        )

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
                tgt_is_causal=False, memory_is_causal=False):  # fmt: skip
        def attend_self(x):
            return self._attend(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def attend_memory(x):
            return self._attend(self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal)

        blocks = [
            (attend_self, self.norm1, self.dropout1),
            (attend_memory, self.norm2, self.dropout2),
            (self._feed, self.norm3, self.dropout3),
        ]
        return self._run(tgt, blocks)


class TransformerEncoder(Module):
    """A stack of encoder layers.

    Args:
        encoder_layer: the first layer; the others are copies of it, with the same first values.
        num_layers: how many.
        norm: a module for the output, or None.
        enable_nested_tensor, mask_check: accepted as in PyTorch; they change nothing.

    ``forward(src, mask=None, src_key_padding_mask=None, is_causal=None)``.

    Shape:
        (L, N, E), (N, L, E) or (L, E) -> the same.

    >>> import minigrad
    >>> layer = minigrad.nn.TransformerEncoderLayer(8, 2, 16)
    >>> minigrad.nn.TransformerEncoder(layer, num_layers=2)(minigrad.zeros(5, 3, 8)).shape
    minigrad.Size([5, 3, 8])
    """

    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True):
        super().__init__()
        self.layers = _clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        warn_mismatched(src_key_padding_mask, "src_key_padding_mask", mask, "mask")
        mask = additive_mask(mask, "mask", src.dtype)
        padding = additive_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype)
        causal = _is_causal(mask, is_causal)
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """A stack of decoder layers.

    Args:
        decoder_layer: the first layer; the others are copies of it, with the same first values.
        num_layers: how many.
        norm: a module for the output, or None.

    ``forward(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
    tgt_is_causal=None, memory_is_causal=False)``.

    Shape:
        tgt (T, N, E), memory (S, N, E), or with N first, or without N -> the shape of tgt.

    >>> import minigrad
    >>> layer = minigrad.nn.TransformerDecoderLayer(8, 2, 16)
    >>> minigrad.nn.TransformerDecoder(layer, num_layers=2)(minigrad.zeros(4, 3, 8), minigrad.zeros(5, 3, 8)).shape
    minigrad.Size([4, 3, 8])
    """

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = _clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
                tgt_is_causal=None, memory_is_causal=False):  # fmt: skip
        causal = _is_causal(tgt_mask, tgt_is_causal)
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=causal, memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


def _clones(layer, n):
    return ModuleList([copy.deepcopy(layer) for _ in range(n)])


def _is_causal(mask, is_causal):
    """Whether a mask is the causal one: as told, or (None) as it looks."""
    if is_causal is not None or mask is None:
        return bool(is_causal)
    n = mask.shape[-2]
    if tuple(mask.shape) != (n, n) or not mask.is_floating_point():
        return False
    return bool((mask == Transformer.generate_square_subsequent_mask(n, mask.device, mask.dtype)).all())


class Transformer(Module):
    """An encoder that reads one sequence, and a decoder that writes another with a view of what was read.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: as of
            :class:`TransformerEncoderLayer`.
        num_encoder_layers, num_decoder_layers: how many layers each has.
        custom_encoder, custom_decoder: modules to use in their place.

    ``forward(src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None, tgt_key_padding_mask=None,
    memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None, memory_is_causal=False)``.

    Shape:
        src (S, N, E), tgt (T, N, E), or with N first, or without N -> the shape of tgt.

    >>> import minigrad
    >>> model = minigrad.nn.Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> model(minigrad.zeros(5, 3, 8), minigrad.zeros(4, 3, 8), tgt_mask=model.generate_square_subsequent_mask(4)).shape
    minigrad.Size([4, 3, 8])
    """

    def __init__(self, d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, dropout=0.1,
                 activation=F.relu, custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-5, batch_first=False,
                 norm_first=False, bias=True, device=None, dtype=None):  # fmt: skip
        super().__init__()
        where = {"device": device, "dtype": dtype}
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm():
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)

        if custom_encoder is None:
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*layer, **where), num_encoder_layers, norm())
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*layer, **where), num_decoder_layers, norm())
        self.encoder = custom_encoder
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self):
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None,
                tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None,
                memory_is_causal=False):  # fmt: skip
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"the batch number of src and tgt must be equal, got {src.shape[batch]} and {tgt.shape[batch]} "
                f"(batch_first={self.batch_first})"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"the feature number of src and tgt must be equal to d_model ({self.d_model}), "
                f"got {src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """The causal mask (sz, sz): -inf where a place would see a later one, else 0.

        >>> import minigrad
        >>> minigrad.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return full((sz, sz), float("-inf"), device=device, dtype=dtype or get_default_dtype()).triu(1)
