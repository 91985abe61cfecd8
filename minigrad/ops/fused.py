"""Functions that join a linear map with what comes before or after it: ``conv_tbc``, ``grouped_mm``, ``linear_cross_entropy``."""

import numpy as np

from ..errors import ShapeError
from ..op import E, S, function
from .classification import _cross_entropy, _cross_entropy_reference, _probabilities
from .convolution import conv1d
from .joining import _stack, cat
from .linalg import linear, matmul
from .samples import normal


def _tbc_reference(x, weight, bias, pad=0):
    padded = np.pad(x, [(pad, pad), (0, 0), (0, 0)])
    steps = len(padded) - len(weight) + 1
    return np.stack([sum(padded[t + k] @ weight[k] for k in range(len(weight))) + bias for t in range(steps)])


@function(
    "conv_tbc",
    spaces="torch functional",
    formula=r"y_{t} = b + \sum_k x_{t + k - p} W_k",
    samples=lambda r: [
        S(normal(r, 4, 2, 3), normal(r, 2, 3, 2), normal(r, 2)),
        S(normal(r, 3, 1, 2), normal(r, 3, 2, 2), normal(r, 2), 1),
    ],
    errors=lambda r: [
        E(RuntimeError, "Input must have 3 dims", normal(r, 4, 2), normal(r, 2, 3, 2), normal(r, 2)),
        E(RuntimeError, "Bias must be 1-D", normal(r, 4, 2, 3), normal(r, 2, 3, 2), normal(r, 1, 2)),
    ],
    reference=_tbc_reference,
)
def conv_tbc(input, weight, bias, pad=0):
    """Convolution over sequences whose dimensions are (time, batch, channels).

    Args:
        input: (T, N, C).
        weight: (K, C, O), K the width of the kernel.
        bias: (O,).
        pad: steps of zeros on both sides.

    Returns:
        (T + 2 pad - K + 1, N, O).

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    >>> minigrad.conv_tbc(x, minigrad.ones(2, 1, 1), minigrad.zeros(1)).flatten()
    tensor([3., 6.])
    """
    for name, t, ndim in (("Input", input, 3), ("Weight", weight, 3), ("Bias", bias, 1)):
        if t.array.ndim != ndim:
            dims = "1-D" if ndim == 1 else "have 3 dims: (time, batch, channels), or (width, channels, outputs)"
            raise ShapeError(f"conv_tbc: {name} must {'be ' if ndim == 1 else ''}{dims}, got shape {tuple(t.array.shape)}")
    return conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad).permute(2, 0, 1)


# ---------------------------------------------------------------------------------------------------------- groups of products
def _grouped_reference(a, b, *, offs=None, bias=None):
    if offs is None:
        return a @ b + (0.0 if bias is None else bias)
    starts = [0, *offs[:-1]]
    if a.ndim == 2 and b.ndim == 3:
        return np.concatenate([a[s:e] @ b[i] + (0.0 if bias is None else bias) for i, (s, e) in enumerate(zip(starts, offs))])
    if a.ndim == 3:
        return np.concatenate([a[i] @ b[:, s:e] for i, (s, e) in enumerate(zip(starts, offs))], 1)
    return np.stack([a[:, s:e] @ b[s:e] for s, e in zip(starts, offs)])


@function(
    "grouped_mm",
    spaces="functional",
    formula=r"Y_g = A_g B_g",
    samples=lambda r: [
        S(normal(r, 4, 3), normal(r, 2, 3, 2), offs=np.array([1, 4], np.int32), parity="PyTorch wants rows of 16 bytes"),
        S(normal(r, 2, 4), normal(r, 4, 3), offs=np.array([3, 4], np.int32), parity="PyTorch wants rows of 16 bytes"),
        S(normal(r, 2, 2, 4), normal(r, 4, 3), offs=np.array([1, 3], np.int32), parity="PyTorch wants rows of 16 bytes"),
        S(normal(r, 2, 2, 4), normal(r, 2, 4, 3), bias=normal(r, 3), parity="PyTorch wants rows of 16 bytes"),
    ],
    errors=lambda r: [
        E(RuntimeError, "offs", normal(r, 4, 3), normal(r, 2, 3, 2)),
        E(RuntimeError, "must be 2D or 3D", normal(r, 4), normal(r, 2, 3, 2)),
    ],
    reference=_grouped_reference,
)
def grouped_mm(mat_a, mat_b, *, offs=None, bias=None, out_dtype=None):
    """One matrix product for each group, where the groups are ranges of rows, of columns, or of what is summed over.

    Args:
        mat_a, mat_b: (M, K) and (G, K, N): rows in groups, one matrix each; (G, M, K) and (K, N): columns in groups;
            (M, K) and (K, N): K in groups, (G, M, N); (G, M, K) and (G, K, N): as ``bmm``.
        offs: (G,) of int32, where each group ends; with two 3-D operands None.
        bias: added to each group's product.
        out_dtype: of the result.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> experts = minigrad.tensor([[[1.0]], [[10.0]]])
    >>> F.grouped_mm(minigrad.ones(3, 1), experts, offs=minigrad.tensor([1, 3])).flatten()
    tensor([ 1., 10., 10.])
    """
    dims = (mat_a.array.ndim, mat_b.array.ndim)
    if not set(dims) <= {2, 3}:
        raise ShapeError(
            f"grouped_mm: mat_a and mat_b must be 2D or 3D, got shapes {tuple(mat_a.shape)} and {tuple(mat_b.shape)}"
        )
    if (offs is None) != (dims == (3, 3)):
        raise ShapeError("grouped_mm: offs is needed where an operand is 2D, and only there")
    ends = [] if offs is None else offs.tolist()
    ranges = [slice(a, b) for a, b in zip([0, *ends], ends)]
    if dims == (3, 3):
        y = matmul(mat_a, mat_b)
    elif dims == (2, 3):
        y = cat([matmul(mat_a[g], mat_b[i]) for i, g in enumerate(ranges)], 0)
    elif dims == (3, 2):
        y = cat([matmul(mat_a[i], mat_b[:, g]) for i, g in enumerate(ranges)], 1)
    else:
        y = _stack([matmul(mat_a[:, g], mat_b[g]) for g in ranges], 0)
    y = y if bias is None else y + bias
    return y if out_dtype is None else y.to(out_dtype)


# ----------------------------------------------------------------------------------------------------------- loss of a projection
def _linear_reference(x, linear_weight, target, *, linear_bias=0.0, ignore_index=-100, **options):
    products = np.tensordot(linear_weight, x, ([-1], [-1]))
    logits = (np.moveaxis(products, -1, 0) if x.ndim > 1 else products) + linear_bias
    return _cross_entropy_reference(logits, target, ignore_index=ignore_index, **options)


@function(
    "linear_cross_entropy",
    spaces="functional",
    formula=r"y = \mathrm{cross\_entropy}(X W^\top + b, t)",
    samples=lambda r: [
        S(normal(r, 4, 2), normal(r, 3, 2), np.array([0, 2, 1, 1])),
        S(normal(r, 2), normal(r, 3, 2), np.array(1), linear_bias=normal(r, 3), reduction="none"),
        S(normal(r, 2, 2), normal(r, 3, 2, 2), np.array([[0, 2], [1, 1]]), linear_bias=normal(r, 3, 2), ignore_index=1),
        S(normal(r, 4, 2), normal(r, 3, 2), np.array([0, 2, 1, 1]), weight=r.random(3), label_smoothing=0.2, reduction="sum"),
        S(normal(r, 4, 2), normal(r, 3, 2), _probabilities(r, 4, 3)),
    ],
    errors=lambda r: [
        E(RuntimeError, "requires batched input", normal(r, 2), normal(r, 3, 2, 2), np.array([0, 1])),
        E(RuntimeError, "dimensionality at least 2", normal(r, 4, 2), normal(r, 2), np.zeros(4, np.int64)),
        E(RuntimeError, "last dimensions", normal(r, 4, 3), normal(r, 3, 2), np.zeros(4, np.int64)),
        E(RuntimeError, "cannot be specified", normal(r, 4, 2), normal(r, 3, 2), _probabilities(r, 4, 3), ignore_index=1),
    ],
    reference=_linear_reference,
)  # fmt: skip
def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
                         label_smoothing=0.0, options=None):  # fmt: skip
    """The :func:`cross_entropy` of scores that a linear map of ``input`` gives.

    Args:
        input: (N, F) or (F,).
        linear_weight: (C, F), or (C, d1, ..., F) for a loss at each of d1 x ... places.
        target: classes (N,), () or (N, d1, ...), int64; or probabilities (N, C, d1, ...).
        linear_bias: (C,) or (C, d1, ...).
        weight, reduction, ignore_index, label_smoothing: as of :func:`cross_entropy`.
        options: accepted as in PyTorch, where it saves memory; the result is the same.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.linear_cross_entropy(minigrad.tensor([[1.0]]), minigrad.tensor([[2.0], [0.0]]), minigrad.tensor([0]))
    tensor(0.1269)
    """
    _check_linear(tuple(input.array.shape), tuple(linear_weight.array.shape), linear_bias)
    shape, wanted = tuple(input.array.shape), tuple(linear_weight.array.shape)
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("linear_cross_entropy: ignore_index cannot be specified when target contains probabilities")
    if target.is_floating_point() and target.array.ndim > 1 and shape[0] != target.array.shape[0]:
        raise ShapeError(
            f"linear_cross_entropy: Expected input batch_size ({shape[0]}) to match target batch_size ({target.array.shape[0]})"
        )
    flat = linear_weight.reshape(-1, wanted[-1])
    logits = linear(input, flat, None if linear_bias is None else linear_bias.reshape(-1))
    if len(wanted) > 2:
        logits = logits.reshape(-1, *wanted[:-1])
    ignored = -100 if ignore_index is None else ignore_index
    return _cross_entropy(logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing)


def _check_linear(shape, wanted, bias):
    if len(shape) not in (1, 2):
        raise ShapeError(f"linear_cross_entropy: expected input with dimensionality 1 or 2, got {len(shape)}")
    if len(wanted) < 2:
        raise ShapeError(f"linear_cross_entropy: expected linear_weight with dimensionality at least 2, got {len(wanted)}")
    if shape[-1] != wanted[-1]:
        raise ShapeError(
            "linear_cross_entropy: expected equal input and linear_weight last dimensions (in_features), got "
            f"{shape[-1]} and {wanted[-1]}, respectively"
        )
    if len(wanted) > 2 and len(shape) != 2:
        raise ShapeError(
            f"linear_cross_entropy: K-dimensional loss defined by linear_weight shape {wanted} requires batched input, "
            f"(N, {wanted[-1]}), got unbatched input with shape {shape}"
        )
    if bias is not None and tuple(bias.array.shape) != wanted[:-1]:
        raise ShapeError(f"linear_cross_entropy: expected linear_bias shape {wanted[:-1]}, got {tuple(bias.array.shape)}")
