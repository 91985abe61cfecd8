"""What the distributions share: broadcasting of parameters, probabilities and logits, attributes computed when asked for."""

import functools
import math

import minigrad

from ..graph import enable_grad
from ..tensor import Tensor

euler_constant = 0.57721566490153286060

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]


def broadcast_all(*values):
    """Tensors and numbers as tensors of one shape; numbers take the dtype and device of the first float tensor.

    Raises:
        ValueError: for anything that is neither.

    >>> from minigrad.distributions.utils import broadcast_all
    >>> broadcast_all(1.0, 2)
    (tensor(1.), tensor(2.))
    """
    if not all(isinstance(v, Tensor | int | float) or hasattr(v, "__array_interface__") for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    given = [v for v in values if isinstance(v, Tensor)]
    if len(given) < len(values):
        dtype, device = (given[0].dtype, given[0].device) if given else (minigrad.get_default_dtype(), None)
        values = [v if isinstance(v, Tensor) else minigrad.tensor(v, dtype=dtype, device=device) for v in values]
    if all(v.shape == values[0].shape for v in values):
        return tuple(values)  # the very tensors: a leaf stays a leaf
    return tuple(minigrad.broadcast_tensors(*values))


def clamp_probs(probs):
    """Probabilities kept an epsilon away from 0 and 1, so that their logits are finite."""
    eps = minigrad.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Log-odds of binary probabilities, or logarithms."""
    p = clamp_probs(probs)
    return p.log() - (-p).log1p() if is_binary else p.log()


def logits_to_probs(logits, is_binary=False):
    """The sigmoid of log-odds, or the softmax over the last axis."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


class lazy_property:
    """A property that is computed once, when it is first asked for, and is an ordinary attribute from then on."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)

    def __get__(self, instance, obj_type=None):
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def tril_matrix_to_vec(mat, diag=0):
    """The lower triangle (..., n, n) in one row, up to the diagonal ``diag``."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows = minigrad.arange(n, device=mat.device)
    mask = rows < rows.view(-1, 1) + (diag + 1)
    return mat[..., mask]


def vec_to_tril_matrix(vec, diag=0):
    """The lower triangular matrices (..., n, n) of which ``vec`` is the triangle in one row."""
    n = (-(1 + 2 * diag) + math.sqrt((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1))) / 2
    if n % 1 > minigrad.finfo(vec.dtype).eps:
        raise ValueError(f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower triangular part.")
    n = round(n)
    rows, columns = minigrad.tril_indices(n, n, diag)
    matrix = vec.new_zeros((*vec.shape[:-1], n, n))
    matrix[..., rows, columns] = vec
    return matrix


def _sum_rightmost(value, dim):
    """The sum over the last ``dim`` axes."""
    return value if dim == 0 else value.reshape(tuple(value.shape[: value.dim() - dim]) + (-1,)).sum(-1)


def _standard_normal(shape, dtype, device):
    return minigrad.normal(minigrad.zeros(shape, dtype=dtype, device=device), minigrad.ones(shape, dtype=dtype, device=device))


def kept_above(value, least):
    """``value``, raised to ``least`` where rounding has brought it below, with its gradient as it was."""
    return value + (value.detach().clamp(min=least) - value.detach())
