"""All parameters as one vector, and back."""

from ... import cat
from ...errors import ShapeError, describe
from ...graph import no_grad
from ...tensor import Tensor


def parameters_to_vector(parameters):
    """The parameters one after another, as a 1-D Tensor; gradients flow back through it.

    >>> import minigrad
    >>> minigrad.nn.utils.parameters_to_vector([minigrad.ones(2, 2), minigrad.zeros(1)])
    tensor([1., 1., 1., 1., 0.])
    """
    parameters = list(parameters)
    _one_device(parameters)
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Give the parameters, one after another, the values of a 1-D Tensor.

    As in PyTorch, the parameters then share the memory of ``vec``.

    >>> import minigrad
    >>> w = minigrad.nn.Parameter(minigrad.zeros(1, 2))
    >>> minigrad.nn.utils.vector_to_parameters(minigrad.tensor([1.0, 2.0]), [w])
    >>> w.tolist()
    [[1.0, 2.0]]
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected minigrad.Tensor, but got: {describe(vec)}")
    parameters = list(parameters)
    _one_device(parameters)
    total = sum(p.numel() for p in parameters)
    if total != vec.numel():
        raise ShapeError(f"vector_to_parameters: the vector has {vec.numel()} elements, the parameters have {total}")
    start = 0
    with no_grad():
        for p in parameters:
            p.data = vec[start : start + p.numel()].reshape(p.shape)
            start += p.numel()


def _one_device(parameters):
    if len({p.device for p in parameters}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
