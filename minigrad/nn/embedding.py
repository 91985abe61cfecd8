"""Tables of vectors that are looked up by number."""

from ..graph import no_grad
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .shared import new_parameter


class Embedding(Module):
    r"""Looks up one row of a table for each index: :math:`y_{\dots,:} = W_{x_{\dots},:}`.

    Args:
        num_embeddings: rows of the table; indices are in [0, num_embeddings).
        embedding_dim: size of each row.
        padding_idx: a row that starts as zeros and gets no gradient.
        max_norm: rows that are looked up are first scaled down to this norm, in place.
        norm_type: p of that norm.
        scale_grad_by_freq: divide each row's gradient by how often the row was looked up.
        sparse: accepted as in PyTorch; gradients are dense.

    Shape:
        (\*) of int64 or int32 -> (\*, embedding_dim); ``weight`` (num_embeddings, embedding_dim), drawn from N(0, 1).

    >>> import minigrad
    >>> table = minigrad.nn.Embedding(10, 3, padding_idx=0)
    >>> table(minigrad.tensor([[1, 2, 4, 5], [4, 3, 2, 0]])).shape, table.weight[0].tolist()
    (minigrad.Size([2, 4, 3]), [0.0, 0.0, 0.0])
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                 sparse=False, _weight=None, _freeze=False, device=None, dtype=None):  # fmt: skip
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(f"Padding_idx must be within num_embeddings, got {padding_idx} for {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is not None and tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise AssertionError(
                f"Shape of weight does not match num_embeddings and embedding_dim: {tuple(_weight.shape)}, "
                f"expected {(num_embeddings, embedding_dim)}"
            )
        if _weight is None:
            self.weight = new_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype).requires_grad_(not _freeze)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self):
        """Draw the parameters anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                        sparse=False):  # fmt: skip
        """An Embedding of a given table (num_embeddings, embedding_dim), which is not trained unless ``freeze=False``.

        >>> import minigrad
        >>> table = minigrad.nn.Embedding.from_pretrained(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> table(minigrad.tensor([1])), table.weight.requires_grad
        (tensor([[3., 4.]]), False)
        """
        if embeddings.ndim != 2:
            raise AssertionError(f"Embeddings parameter is expected to be 2-dimensional, got shape {tuple(embeddings.shape)}")
        return cls(*embeddings.shape, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)

    def forward(self, input):
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self):
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        if self.sparse:
            parts.append("sparse=True")
        return ", ".join(parts)


class EmbeddingBag(Module):
    r"""The sum, mean or maximum of each bag of rows of a table: :math:`y_b = \sum_{i \in b} W_{x_i}`.

    Args:
        num_embeddings: rows of the table; indices are in [0, num_embeddings).
        embedding_dim: size of each row.
        max_norm, norm_type, scale_grad_by_freq, sparse: as of :class:`Embedding`.
        mode: "mean", "sum" or "max".
        include_last_offset: the offsets end with where the last bag ends.
        padding_idx: a row that starts as zeros, gets no gradient and is not counted.

    Shape:
        input (B, N), or (M,) with offsets (B,), and for "sum" ``per_sample_weights`` of input's shape -> (B, embedding_dim);
        ``weight`` (num_embeddings, embedding_dim), drawn from N(0, 1).

    >>> import minigrad
    >>> bags = minigrad.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bags(minigrad.tensor([1, 2, 4, 5, 4]), minigrad.tensor([0, 3])).shape
    minigrad.Size([2, 3])
    """

    def __init__(self, num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean",
                 sparse=False, _weight=None, include_last_offset=False, padding_idx=None, device=None, dtype=None):  # fmt: skip
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(f"padding_idx must be within num_embeddings, got {padding_idx} for {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if _weight is None:
            self.weight = new_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise AssertionError(
                    f"Shape of weight does not match num_embeddings and embedding_dim: {tuple(_weight.shape)}, "
                    f"expected {(num_embeddings, embedding_dim)}"
                )
            self.weight = Parameter(_weight)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    reset_parameters = Embedding.reset_parameters

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean",
                        sparse=False, include_last_offset=False, padding_idx=None):  # fmt: skip
        """An EmbeddingBag of a given table (num_embeddings, embedding_dim), which is not trained unless ``freeze=False``.

        >>> import minigrad
        >>> bags = minigrad.nn.EmbeddingBag.from_pretrained(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> bags(minigrad.tensor([[0, 1]])), bags.weight.requires_grad
        (tensor([[2., 3.]]), False)
        """
        if embeddings.ndim != 2:
            raise AssertionError(f"Embeddings parameter is expected to be 2-dimensional, got shape {tuple(embeddings.shape)}")
        made = cls(*embeddings.shape, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,
                   padding_idx)  # fmt: skip
        made.weight.requires_grad_(not freeze)
        return made

    def forward(self, input, offsets=None, per_sample_weights=None):
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self):
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        parts.append(f"mode={self.mode!r}")
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        return ", ".join(parts)
