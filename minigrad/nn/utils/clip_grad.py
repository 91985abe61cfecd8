"""Limits on gradients: by the norm of all of them together, or value by value."""

from ...graph import no_grad
from ...op import members
from ...tensor import Tensor


def _list(tensors):
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


@no_grad
def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of several tensors as if they were one long vector, as a 0-d Tensor.

    Args:
        tensors: a Tensor or an iterable of Tensors.
        norm_type: p of the p-norm, also ``inf``.
        error_if_nonfinite: raise RuntimeError where the norm is NaN or infinite.
        foreach: accepted as in PyTorch; it changes nothing.

    >>> import minigrad
    >>> minigrad.nn.utils.get_total_norm([minigrad.tensor([3.0]), minigrad.tensor([4.0])])
    tensor(5.)
    """
    tensors, norm_type = _list(tensors), float(norm_type)
    torch = members("torch")
    if not tensors:
        return torch["tensor"](0.0)
    norms = [t.norm(norm_type).to(tensors[0].device) for t in tensors]
    total = torch["stack"](norms).norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total
