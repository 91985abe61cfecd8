"""Dual numbers: tensors that carry a tangent, the derivative along one direction.

A dual tensor is an input of the recorded graph; its tangent is pushed forward through the graph when one is asked for.
"""

from typing import NamedTuple

from .. import graph
from ..errors import describe
from ..tensor import Tensor, wrap
from .forward import push, settled

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

_levels = []


class UnpackedDualTensor(NamedTuple):
    """What :func:`unpack_dual` returns: the value, and the tangent or None."""

    primal: Tensor
    tangent: object


class _DualLevel:
    """The tangents of the inputs made in one level."""

    def __init__(self):
        self.tangents = {}


def enter_dual_level():
    """Open a level, in which dual tensors can be made; :class:`dual_level` does it for a block. Returns its number.

    >>> import minigrad
    >>> level = minigrad.autograd.forward_ad.enter_dual_level()
    >>> minigrad.autograd.forward_ad.exit_dual_level(level=level)
    """
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(_DualLevel())
    return len(_levels) - 1


def exit_dual_level(*, level=None):
    """Close the level; the tangents of its tensors are gone."""
    if not _levels:
        raise RuntimeError("Trying to exit a forward AD level but there is none")
    _levels.pop()


class dual_level:
    """The block in which dual tensors can be made and unpacked.

    >>> import minigrad
    >>> import minigrad.autograd.forward_ad as forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(minigrad.tensor(2.0), minigrad.tensor(1.0))
    ...     forward_ad.unpack_dual(x**3).tangent
    tensor(12.)
    """

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *_):
        exit_dual_level()


def make_dual(tensor, tangent, *, level=None):
    """``tensor`` with a ``tangent`` of the same shape and dtype.

    >>> import minigrad
    >>> import minigrad.autograd.forward_ad as forward_ad
    >>> with forward_ad.dual_level():
    ...     forward_ad.unpack_dual(forward_ad.make_dual(minigrad.ones(2), minigrad.zeros(2))).tangent
    tensor([0., 0.])
    """
    if not _levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, t in (("tensor", tensor), ("tangent", tangent)):
        if not (isinstance(t, Tensor) and (t.is_floating_point() or t.is_complex())):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {describe(t)}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(f"make_dual: a tangent of shape {list(tangent.shape)} for a tensor of shape {list(tensor.shape)}")
    dual = _input(tensor)
    _levels[-1].tangents[dual.node] = tangent
    return dual


def _input(t):
    dual = wrap(t.array)
    if t.node is None:
        dual.node = graph.leaf(dual)
        return dual
    with graph.enable_grad():
        return t.view_as(t)


def unpack_dual(tensor, *, level=None):
    """``(primal, tangent)`` of a tensor: the tangent is None where no dual tensor takes part in it.

    >>> import minigrad
    >>> import minigrad.autograd.forward_ad as forward_ad
    >>> with forward_ad.dual_level():
    ...     forward_ad.unpack_dual(minigrad.ones(1)).tangent is None
    True
    """
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    seeds = _levels[-1].tangents
    (tangent,) = push([tensor], seeds)
    inputs = {n for n in seeds if n.op is graph.LEAF}
    return UnpackedDualTensor(settled(tensor, inputs), settled(tangent, inputs))
