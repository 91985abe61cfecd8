"""``Variable``, which programs from before PyTorch 0.4 wrap around tensors: a tensor is one by itself now."""

from ..tensor import Tensor, wrap
from . import engine


class _Engine:
    """``Variable._execution_engine``, for programs that queue a call for the end of a backward pass."""

    @staticmethod
    def queue_callback(callback):
        """Call ``callback()`` when the backward pass that is running has ended."""
        engine.at_end.append(callback)


class _VariableMeta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, Tensor)

    def __getattr__(cls, name):
        return getattr(Tensor, name)


class Variable(metaclass=_VariableMeta):
    """``Variable(x, requires_grad=False)``: a tensor on the memory of ``x``. ``volatile`` is accepted and means nothing.

    >>> import minigrad
    >>> x = minigrad.autograd.Variable(minigrad.ones(2), requires_grad=True)
    >>> isinstance(x, minigrad.autograd.Variable), x.requires_grad
    (True, True)
    """

    _execution_engine = _Engine

    def __new__(cls, data=None, requires_grad=False, volatile=None):
        t = Tensor() if data is None else wrap(data.array)
        return t.requires_grad_(bool(requires_grad))
