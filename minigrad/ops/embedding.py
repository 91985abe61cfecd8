"""Embedding: rows of a table chosen by number, and its adjoint."""

import numpy as np

from .. import backends, graph
from ..dispatch import apply
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .creation import type_name
from .samples import normal

INDEX = np.dtype("int64")


@op(
    names="",
    vjp=(lambda xp, g, index: xp.getitem(g, index, key=("?",)), None),
    formula=r"y_{k_i} \mathrel{+}= g_i",
    derivative=r"\bar g_i = \bar y_{k_i}",
    onnx="ScatterND",
    samples=lambda r: [
        S(normal(r, 4, 3), np.array([0, 2, 2, 1]), rows=5),
        S(normal(r, 2, 1), np.array([1, 1]), rows=2),
        S(normal(r, 0, 3), np.zeros(0, "int64"), rows=2),
    ],
    reference=lambda g, index, rows: np.stack([g[index == k].sum(0) for k in range(rows)]),
)
def index_add_rows(xp, g, index, *, rows):
    """zeros (rows, D) with g (M, D) added at index (M,): repeated indices add up. The adjoint of choosing rows."""
    return xp.add_rows(g, index, rows=rows)


def _weighted(xp, g, index, rows, padding_idx, scale_grad_by_freq):
    """Rows of gradients (M, D) as they count: nothing for the padding row, less for rows that are used often."""
    if padding_idx is not None:
        g = xp.where(xp.reshape(xp.equal(index, padding_idx), shape=(-1, 1)), 0.0, g)
    if scale_grad_by_freq:
        uses = xp.index_add_rows(xp.full(g, shape=(g.shape[0], 1), value=1.0), index, rows=rows)  # (V, 1)
        g = g / xp.getitem(uses, index, key=("?",))
    return g


def _numpy_dw(g, index, rows, padding_idx, scale_grad_by_freq):
    out = np.zeros((rows, g.shape[1]))
    for row, k in zip(g, index):
        if k != padding_idx:
            out[k] += row / (np.sum(index == k) if scale_grad_by_freq else 1)
    return out


@op(
    names="",
    vjp=(
        lambda xp, g, index, rows, padding_idx, scale_grad_by_freq: _weighted(
            xp, xp.getitem(g, index, key=("?",)), index, rows, padding_idx, scale_grad_by_freq
        ),
        None,
    ),
    formula=r"\bar W_{k_i} \mathrel{+}= g_i",
    derivative=r"\bar g_i = \bar y_{k_i}",
    samples=lambda r: [
        S(normal(r, 4, 3), np.array([0, 2, 2, 1]), rows=4, padding_idx=pad, scale_grad_by_freq=scale)
        for pad in (None, 2, 0)
        for scale in (False, True)
    ],
    reference=_numpy_dw,
)
def embedding_dw(xp, g, index, *, rows, padding_idx, scale_grad_by_freq):
    """The gradient of an embedding table: the sum of what the uses of each row receive."""
    return xp.index_add_rows(_weighted(xp, g, index, rows, padding_idx, scale_grad_by_freq), index, rows=rows)


def _table_rule(xp, g, index, weight_shape, padding_idx, scale_grad_by_freq):
    rows, width = weight_shape
    g, index = xp.reshape(g, shape=(-1, width)), xp.reshape(index, shape=(-1,))  # (M, D), (M,)
    return xp.embedding_dw(g, index, rows=rows, padding_idx=padding_idx, scale_grad_by_freq=scale_grad_by_freq)


@op(
    names="",
    vjp=(None, _table_rule),
    formula=r"y_i = W_{k_i}",
    derivative=r"\bar W_{k_i} \mathrel{+}= \bar y_i",
    onnx="Gather",
    samples=lambda r: [
        S(np.array([[0, 2], [2, 1]]), normal(r, 4, 3)),
        S(np.array([2, 2, 0]), normal(r, 3, 2), padding_idx=1),  # the padding row is not used, no row twice: true derivatives
        S(np.array([1, 0]), normal(r, 3, 2), scale_grad_by_freq=True),
        S(np.array([1, 1, 0, 2]), normal(r, 3, 2), padding_idx=0, scale_grad_by_freq=True, grad=False),
    ],
    reference=lambda index, weight, padding_idx=None, scale_grad_by_freq=False: weight[index],
)
def embedding(xp, index, weight, *, padding_idx=None, scale_grad_by_freq=False):
    """Rows of ``weight`` (V, D) chosen by ``index`` (...): (..., D)."""
    return xp.getitem(weight, index, key=("?",))


_embed, _op = embedding, registry["embedding"]


def _renormalize(weight, index, max_norm, norm_type):
    """Scale the rows that are used and longer than ``max_norm`` down to it, in place and without history."""
    with graph.no_grad():
        used = index.reshape(-1).unique()
        rows = weight[used]
        if norm_type == float("inf"):
            lengths = rows.abs().amax(1, keepdim=True)
        else:
            lengths = (rows.abs() ** norm_type).sum(1, keepdim=True) ** (1.0 / norm_type)
        weight[used] = (rows * (max_norm / (lengths + 1e-7))).where(lengths > max_norm, rows)


@function("embedding_renorm_", spaces="torch", parity="it writes into its input",
          samples=lambda r: [S(normal(r, 4, 3), np.array([0, 2]), 1.0, 2.0, grad=False),
                             S(normal(r, 4, 3), np.array(1), 0.5, 1.0, grad=False)],
          reference=lambda x, k, m, p: _numpy_renorm(x, k, m, p))  # fmt: skip
def embedding_renorm_(input, indices, max_norm, norm_type):
    """Scale the rows ``indices`` that are longer than ``max_norm`` down to it, in place.

    >>> import minigrad
    >>> minigrad.embedding_renorm_(minigrad.tensor([[3.0, 4.0], [3.0, 4.0]]), minigrad.tensor([0]), 1.0, 2.0)
    tensor([[0.6000, 0.8000],
            [3.0000, 4.0000]])
    """
    _renormalize(input, indices, max_norm, norm_type)
    return input


def _numpy_renorm(x, index, max_norm, norm_type):
    out = x.copy()
    for i in np.unique(index):
        length = (np.abs(x[i]) ** norm_type).sum() ** (1 / norm_type)
        out[i] = x[i] * min(1.0, max_norm / (length + 1e-7)) if length > max_norm else x[i]
    return out


@function("embedding", spaces="functional", samples=lambda r: [
              S(np.array([[0, 2], [2, 1]]), normal(r, 4, 3)), S(np.array([1, 1, 0]), normal(r, 3, 2), padding_idx=-1),
              S(np.array(2), normal(r, 3, 2)),
              S(np.array([1, 1, 0]), normal(r, 3, 2), scale_grad_by_freq=True, grad=False),
              S(np.array([0, 2], dtype="int32"), normal(r, 3, 2), None, None, 2.0, False, False)],
          errors=lambda r: [E(IndexError, "out of range", np.array([3]), normal(r, 3, 2), by_value=True),
                            E(IndexError, "out of range", np.array([-1]), normal(r, 3, 2), by_value=True),
                            E(RuntimeError, "scalar types: Long, Int", np.array([1.0]), normal(r, 3, 2)),
                            E(RuntimeError, "must be 2-D", np.array([0]), normal(r, 3)),
                            E(AssertionError, "within num_embeddings", np.array([0]), normal(r, 3, 2), 3)],
          formula=r"y_i = W_{k_i}", derivative=r"\bar W_{k_i} \mathrel{+}= \bar y_i",
          reference=lambda index, weight, *_, **__: weight[index])  # fmt: skip
def _embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of a table chosen by number.

    Args:
        input: int64 or int32 tensor of any shape, numbers of rows.
        weight: the table, (V, D).
        padding_idx: a row that gets no gradient.
        max_norm: rows that are used and longer than this are first scaled down to it, in place.
        norm_type: the p of that length.
        scale_grad_by_freq: divide each row's gradient by how often the row is used here.
        sparse: accepted; gradients are dense.

    Returns:
        tensor (..., D).

    Raises:
        IndexError: for a number that is no row (on the CPU).
        RuntimeError: for numbers that are no integers.

    >>> import minigrad
    >>> table = minigrad.tensor([[0.0, 0.0], [1.0, 2.0]])
    >>> minigrad.nn.functional.embedding(minigrad.tensor([1, 0]), table)
    tensor([[1., 2.],
            [0., 0.]])
    """
    if weight.array.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, (rows, width), got shape {tuple(weight.array.shape)}")
    if not isinstance(input, Tensor) or input.array.dtype.kind != "i" or input.array.itemsize < 4:
        kind = type_name(input) if isinstance(input, Tensor) else type(input).__name__
        raise DtypeError(
            "embedding: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but "
            f"got {kind} instead (while checking arguments for embedding); convert with .long()"
        )
    rows = weight.array.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"embedding: Padding_idx must be within num_embeddings, got {padding_idx} of {rows} rows")
        padding_idx %= rows
    text = "{}; index out of range in self"
    backends.of(input.array).check_bounds(input.array, low=0, high=rows, name="embedding", text=text)
    if max_norm is not None:
        _renormalize(weight, input, max_norm, norm_type)
    settings = {"padding_idx": padding_idx, "scale_grad_by_freq": bool(scale_grad_by_freq)}
    return apply(_op, (input, weight), settings)
