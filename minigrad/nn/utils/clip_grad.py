"""Limits on gradients: by the norm of all of them together, or value by value."""

import warnings

from ... import cat, tensor
from ...graph import no_grad
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
    if not tensors:
        return tensor(0.0)
    norms = [t.norm(norm_type).to(tensors[0].device).reshape(1) for t in tensors]
    total = cat(norms).norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad
def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale the gradients of ``parameters`` by ``max_norm / total_norm`` where that is below 1, in place."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)  # no branch: on a GPU that would wait for the value
    for p in _list(parameters):
        if p.grad is not None:
            p.grad.mul_(scale.to(p.grad.device))


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients, in place, by one number so that the norm of all of them together is at most ``max_norm``.

    Returns:
        The norm that they had, a 0-d Tensor.

    Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013.

    >>> import minigrad
    >>> w = minigrad.nn.Parameter(minigrad.tensor([3.0, 4.0]))
    >>> (w * w).sum().backward()
    >>> minigrad.nn.utils.clip_grad_norm_([w], 1.0)
    tensor(10.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    parameters = _list(parameters)
    total = get_total_norm([p.grad for p in parameters if p.grad is not None], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@no_grad
def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The older name of :func:`clip_grad_norm_`; it warns."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Limit every value of every gradient to [-clip_value, clip_value], in place.

    >>> import minigrad
    >>> w = minigrad.nn.Parameter(minigrad.tensor([3.0, 0.1]))
    >>> (w * w).sum().backward()
    >>> minigrad.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([1.0000, 0.2000])
    """
    limit = float(clip_value)
    for p in _list(parameters):
        if p.grad is not None:
            p.grad.clamp_(-limit, limit)
