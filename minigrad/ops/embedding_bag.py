"""Bags of embeddings: the sum, mean or maximum of several rows of a table, without the rows themselves being kept."""

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, registry
from ..tensor import Tensor, wrap
from .creation import type_name
from .embedding import _embed, _renormalize
from .samples import normal


def _reference(index, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean", sparse=False,
               per_sample_weights=None, include_last_offset=False, padding_idx=None):  # fmt: skip
    """Bag by bag."""
    if index.ndim == 2:
        ends = np.arange(1, len(index) + 1) * index.shape[1]
        starts = ends - index.shape[1]
    else:
        starts = offsets[:-1] if include_last_offset else offsets
        ends = offsets[1:] if include_last_offset else [*offsets[1:], len(index)]
    if max_norm is not None:
        lengths = np.linalg.norm(weight, norm_type, axis=1)
        used = np.isin(np.arange(len(weight)), index) & (lengths > max_norm)
        weight = np.where(used[:, None], weight * (max_norm / (lengths + 1e-7))[:, None], weight)
    index, bags = index.reshape(-1), []
    factors = np.ones(len(index)) if per_sample_weights is None else per_sample_weights.reshape(-1)
    pad = -1 if padding_idx is None else padding_idx % len(weight)
    for start, end in zip(starts, ends):
        rows = [weight[k] * factors[i] for i, k in enumerate(index) if start <= i < end and k != pad]
        rows = rows or [np.zeros(weight.shape[1])]
        bags.append({"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, axis=0))
    return np.array(bags).reshape(-1, weight.shape[1])


def _checked(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq, sparse):
    """Every mistake in the arguments, told apart."""
    if not isinstance(input, Tensor) or input.array.dtype.kind != "i" or input.array.itemsize < 4:
        kind = type_name(input) if isinstance(input, Tensor) else type(input).__name__
        raise DtypeError(
            "embedding_bag: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but "
            f"got {kind} instead (while checking arguments for embedding_bag); convert with .long()"
        )
    if weight.array.ndim != 2:
        raise ShapeError(f"embedding_bag: 'weight' must be 2-D, (rows, width), got shape {tuple(weight.array.shape)}")
    if per_sample_weights is not None and per_sample_weights.array.shape != input.array.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it must have the same "
            f"shape as the input ({tuple(input.shape)})"
        )
    if input.array.ndim not in (1, 2):
        raise ValueError(f"embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension {input.array.ndim}")
    if input.array.ndim == 2 and offsets is not None:
        raise ValueError(
            "embedding_bag: if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
            f"sequences. However, found offsets of type {type(offsets)}"
        )
    if input.array.ndim == 1 and (not isinstance(offsets, Tensor) or offsets.array.ndim != 1):
        got = f" but got {offsets}" if not isinstance(offsets, Tensor) else ""
        raise ValueError(f"embedding_bag: offsets has to be a 1D Tensor{got}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode={mode!r})"
        )


def _bounds(input, offsets, include_last_offset):
    """Where each bag starts, and how many indices it has: host arrays."""
    count = int(np.prod(input.array.shape))
    if input.array.ndim == 2:
        bags, size = input.array.shape
        return np.arange(bags) * size, np.full(bags, size)
    starts = np.asarray(offsets.detach().cpu().array).astype(np.int64)
    if len(starts) and starts[0]:
        raise ShapeError(
            "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
            f"However, got {starts[0]}"
        )
    if len(starts) and starts[-1] > count:
        raise ShapeError(
            f"embedding_bag: offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {starts[-1]}"
        )
    if include_last_offset:
        if not len(starts):
            raise ShapeError("embedding_bag: include_last_offset: number of offsets should be at least 1")
        return starts[:-1], np.diff(starts)
    return starts, np.diff([*starts, count])


def _largest(flat, kept, weight, starts, sizes, padding_idx):
    """The maxima of bags: their rows side by side, (B, L, D), with -inf where there is none."""
    longest = max(int(sizes.max(initial=0)), 1)
    places = starts[:, None] + np.arange(longest)
    here = np.arange(longest) < sizes[:, None]
    if not flat.array.shape[0]:
        return weight.sum(0) * 0.0 + weight.new_zeros(len(starts), weight.array.shape[1])
    places = wrap(np.where(here, places, 0)).to(flat.device)
    here = wrap(here).to(flat.device) if kept is None else wrap(here).to(flat.device) & kept[places]
    rows = _embed(flat[places], weight, padding_idx, False)
    rows = apply(registry["where"], (here.unsqueeze(-1), rows, float("-inf")), {})
    values = rows.max(1).values
    return apply(registry["where"], (here.any(1).unsqueeze(-1), values, 0.0), {})


def _samples(r):
    index, offsets = np.array([1, 3, 2, 0, 3]), np.array([0, 2, 2])
    samples = [S(np.array([[0, 2], [2, 1]]), normal(r, 4, 3), mode=mode) for mode in ("sum", "mean", "max")]
    samples += [S(index, normal(r, 4, 2), offsets, mode=mode) for mode in ("sum", "mean", "max")]
    return [
        *samples,
        S(index, normal(r, 4, 2), np.array([0, 2, 2, 5]), mode="sum", include_last_offset=True),
        S(index, normal(r, 4, 2), offsets, mode="sum", per_sample_weights=normal(r, 5)),
        S(np.array([[0, 2], [2, 1]]), normal(r, 4, 3), mode="sum", per_sample_weights=normal(r, 2, 2)),
        S(index, normal(r, 5, 2), offsets, padding_idx=4),
        *(S(index, normal(r, 4, 2), offsets, padding_idx=-1, mode=mode, grad=False) for mode in ("sum", "mean", "max")),
        S(index, normal(r, 4, 2), offsets, scale_grad_by_freq=True, sparse=False, grad=False),
        S(np.array([0, 1], np.int32), normal(r, 4, 2), np.array([0], np.int32), 50.0, 1.0),
        S(np.zeros(0, np.int64), normal(r, 4, 2), np.array([0, 0]), mode="max"),
    ]


@function(
    "embedding_bag",
    spaces="functional",
    formula=r"y_b = \sum_{i \in b} w_i W_{k_i}",
    derivative=r"\bar W_{k_i} \mathrel{+}= w_i \bar y_b, \quad \bar w_i = W_{k_i} \cdot \bar y_b",
    samples=_samples,
    errors=lambda r: [
        E(ValueError, "offsets has to be a 1D Tensor", np.array([1]), normal(r, 3, 2)),
        E(ValueError, "offsets has to be None", np.array([[1]]), normal(r, 3, 2), np.array([0])),
        E(RuntimeError, r"offsets\[0\] has to be 0", np.array([1]), normal(r, 3, 2), np.array([1])),
        E(RuntimeError, r"offsets\[-1\] can not be greater", np.array([1]), normal(r, 3, 2), np.array([0, 4])),
        E(ValueError, "mode has to be one of", np.array([[1]]), normal(r, 3, 2), mode="prod"),
        E(NotImplementedError, "for mode='sum'", np.array([[1]]), normal(r, 3, 2), per_sample_weights=np.ones((1, 1))),
        E(ValueError, "same shape as the input", np.array([[1]]), normal(r, 3, 2), mode="sum", per_sample_weights=np.ones(2)),
        E(ValueError, "does not support scaling", np.array([[1]]), normal(r, 3, 2), mode="max", scale_grad_by_freq=True),
        E(RuntimeError, "out of range", np.array([[3]]), normal(r, 3, 2), by_value=True),
        E(RuntimeError, "scalar types: Long, Int", np.array([[1.0]]), normal(r, 3, 2)),
        E(RuntimeError, "within the number of embeddings", np.array([[1]]), normal(r, 3, 2), padding_idx=3),
    ],
    reference=_reference,
)  # fmt: skip
def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean", sparse=False,
                  per_sample_weights=None, include_last_offset=False, padding_idx=None):  # fmt: skip
    """The sum, mean or maximum of each bag of rows of a table.

    Args:
        input: int64 or int32: (B, N), B bags of N rows; or (M,), all bags one after another.
        weight: the table, (V, D).
        offsets: for ``input`` (M,): where each bag starts, the first at 0.
        max_norm, norm_type, scale_grad_by_freq: as in :func:`embedding`.
        mode: "mean", "sum" or "max".
        sparse: accepted; gradients are dense.
        per_sample_weights: in the shape of ``input``, how much each row counts in a sum.
        include_last_offset: ``offsets`` ends with where the last bag ends.
        padding_idx: a row that no bag counts.

    Returns:
        (B, D); zeros for a bag with nothing in it.

    Raises:
        ValueError: for arguments that do not go together.
        RuntimeError: for offsets or rows out of range.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> table = minigrad.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> F.embedding_bag(minigrad.tensor([0, 1, 2]), table, minigrad.tensor([0, 2]), mode="sum")
    tensor([[2., 4.],
            [4., 5.]])
    """
    _checked(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq, sparse)
    rows = weight.array.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ShapeError(
                f"embedding_bag: padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, "
                f"but got {padding_idx}"
            )
        padding_idx %= rows
    starts, sizes = _bounds(input, offsets, include_last_offset)
    flat = input.reshape(-1)
    backends.of(flat.array).check_bounds(flat.array, low=0, high=rows, name="embedding_bag")
    if max_norm is not None:
        _renormalize(weight, input, max_norm, norm_type)
    kept = None if padding_idx is None else flat != padding_idx
    if mode == "max":
        return _largest(flat, kept, weight, starts, sizes, padding_idx)
    bag = wrap(np.repeat(np.arange(len(starts)), sizes)).to(flat.device)  # (M,): which bag each row belongs to
    members = _embed(flat, weight, padding_idx, bool(scale_grad_by_freq))  # (M, D)
    if per_sample_weights is not None:
        members = members * per_sample_weights.reshape(-1, 1)
    if kept is not None:
        members = members * kept.to(members.dtype).unsqueeze(-1)
    sums = apply(registry["index_add_rows"], (members, bag), {"rows": len(starts)})
    if mode == "sum":
        return sums
    ones = (flat == flat if kept is None else kept).to(members.dtype).unsqueeze(-1)
    return sums / apply(registry["index_add_rows"], (ones, bag), {"rows": len(starts)}).clamp(min=1.0)
