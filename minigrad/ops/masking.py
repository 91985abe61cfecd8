"""What a mask chooses: filling, selecting and replacing its elements; and the places of what is not zero."""

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import DtypeError, ShapeError, describe
from ..op import E, S, function, registry
from ..tensor import Tensor, wrap
from .conversion import number_like
from .indexing import _setitem, read
from .samples import normal
from .shape import broadcast_shapes


def _checked_mask(name, mask):
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}(): argument 'mask' must be Tensor, not {describe(mask)}")
    if mask.array.dtype != np.bool_:
        raise DtypeError(
            f"{name} only supports boolean masks: expected BoolTensor for mask, but got {describe(mask)}; compare, for instance "
            "mask != 0"
        )
    return mask


def _numpy_fill(x, mask, value):
    return np.where(mask, np.asarray(value, x.dtype), x)


def _mask(r, *shape):
    return r.random(shape) > 0.5


@function("masked_fill",
          samples=lambda r: [S(normal(r, 3, 4), _mask(r, 3, 4), 1.5),
                             S(normal(r, 3, 4), _mask(r, 4), float("-inf")),
                             S(normal(r, 4), _mask(r, 3, 4), normal(r)),
                             S(np.array([1, 2]), np.array([True, False]), 2.5), S(normal(r), np.array(True), 0)],
          errors=lambda r: [E(RuntimeError, "boolean masks", normal(r, 3), np.array([1, 0, 0]), 0.0),
                            E(RuntimeError, "0-dimensional value", normal(r, 3), np.array([True] * 3), normal(r, 1)),
                            E(RuntimeError, "must match the size", normal(r, 3), np.array([True, False]), 0.0),
                            E(TypeError, "must be Tensor", normal(r, 3), [True, False, True], 0.0)],
          formula=r"y = v \text{ if } m \text{ else } x",
          derivative=r"\bar x = \bar y\,[\neg m], \quad \bar v = \textstyle\sum \bar y\,[m]",
          reference=_numpy_fill, inplace=True)  # fmt: skip
def masked_fill(input, mask, value):
    """A copy of ``input`` with ``value`` where ``mask`` is True; the two broadcast.

    Args:
        input: tensor of any dtype, which the result keeps.
        mask: bool tensor.
        value: a number or a 0-d tensor.

    Raises:
        RuntimeError: for a mask that is not bool, or shapes that do not broadcast.

    >>> import minigrad
    >>> minigrad.masked_fill(minigrad.tensor([1.0, 2.0]), minigrad.tensor([True, False]), 0.0)
    tensor([0., 2.])
    """
    mask = _checked_mask("masked_fill", mask)
    if isinstance(value, Tensor):
        if value.array.ndim:
            raise ShapeError(
                f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.array.ndim} dimension(s)."
            )
        if value.is_complex() and not input.is_complex():
            raise ShapeError(f"value cannot be converted to type {input.dtype} without overflow: it is {value.dtype}")
        value = value.to(input.device, input.dtype)
    elif not input.is_floating_point() or value.__class__ is not float:
        value = input.new_full((), number_like(input, value))
    return apply(registry["where"], (mask, value, input), {}).contiguous()


@function("masked_select",
          samples=lambda r: [S(normal(r, 3, 4), _mask(r, 3, 4)), S(normal(r, 3, 4), _mask(r, 4)),
                             S(normal(r, 4), np.zeros(4, bool)), S(normal(r), np.array(True))],
          errors=lambda r: [E(RuntimeError, "expected BoolTensor", normal(r, 3), np.array([1, 0, 0])),
                            E(RuntimeError, "must match", normal(r, 3), np.array([True, False]))],
          formula=r"y = x[m]", derivative=r"\bar x[m] = \bar y",
          reference=lambda x, mask: np.broadcast_arrays(x, mask)[0][np.broadcast_to(mask,
              np.broadcast_shapes(x.shape, mask.shape))])  # fmt: skip
def masked_select(input, mask):
    """A 1-D tensor of the elements of ``input`` where ``mask`` is True; the two broadcast.

    >>> import minigrad
    >>> x = minigrad.tensor([1, -2, 3])
    >>> minigrad.masked_select(x, x > 0)
    tensor([1, 3])
    """
    mask = _checked_mask("masked_select", mask)
    shape = broadcast_shapes(input.array.shape, mask.array.shape)
    return read(input.expand(shape).reshape(-1), mask.expand(shape).reshape(-1))


def _numpy_masked_scatter(x, mask, source):
    mask = np.broadcast_to(mask, np.broadcast_shapes(x.shape, mask.shape))
    out = np.broadcast_to(x, mask.shape).copy()
    out[mask] = source.reshape(-1)[: mask.sum()]
    return out


@function("masked_scatter",
          samples=lambda r: [S(normal(r, 3, 4), _mask(r, 3, 4), normal(r, 12)),
                             S(normal(r, 2, 3), np.array([True, False, True]), normal(r, 2, 2))],
          errors=lambda r: [E(RuntimeError, "number of ones in mask", normal(r, 3), np.array([True] * 3), normal(r, 2)),
                            E(RuntimeError, "boolean masks", normal(r, 1), np.array([1]), normal(r, 1)),
                            E(RuntimeError, "same dtype", normal(r, 1), np.array([True]), np.array([1]))],
          formula=r"y[m] = s_{0, 1, \dots}", derivative=r"\bar s = \bar y[m], \quad \bar x = \bar y\,[\neg m]",
          reference=_numpy_masked_scatter, inplace=True)  # fmt: skip
def masked_scatter(input, mask, source):
    """A copy of ``input`` with the elements of ``source``, one after the other, where ``mask`` is True.

    >>> import minigrad
    >>> minigrad.masked_scatter(minigrad.zeros(3), minigrad.tensor([True, False, True]), minigrad.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    mask = _checked_mask("masked_scatter", mask)
    if source.array.dtype != input.array.dtype:
        raise DtypeError(
            f"masked_scatter: expected self and source to have the same dtype, but got {input.dtype} and {source.dtype}; write "
            "source.type_as(x)"
        )
    shape = broadcast_shapes(input.array.shape, mask.array.shape)
    mask = mask.expand(shape)
    places = nonzero(mask.reshape(-1)).reshape(-1)
    count = places.array.shape[0]
    if source.array.size < count:
        raise ShapeError(
            "masked_scatter: expected self and source such that Number of elements of source < number of ones in mask "
            f"({source.array.size} < {count}) does not hold"
        )
    flat = input.expand(shape).reshape(-1)
    return apply(registry["index_put"], (flat, source.reshape(-1)[:count], places), {"key": ("?",)}).reshape(shape)


# ------------------------------------------------------------------------------------------------------------------- places
def _numpy_nonzero(x, as_tuple=False):
    if as_tuple:
        return np.nonzero(np.atleast_1d(x))
    return np.argwhere(x)


@function("nonzero",
          samples=lambda r: [S(np.array([[1, 0], [0, 3]])), S(_mask(r, 2, 3), as_tuple=True), S(np.array(5)),
                             S(np.array(0)), S(np.array(5), as_tuple=True), S(np.array([0.0, np.nan]))],
          reference=_numpy_nonzero)  # fmt: skip
def nonzero(input, *, as_tuple=False):
    """The places of the elements that are not 0, in row-major order.

    Args:
        input: tensor of any dtype.
        as_tuple: one index tensor per dimension, ready for ``x[...]``, in place of one (count, dimensions) matrix.

    >>> import minigrad
    >>> minigrad.nonzero(minigrad.tensor([0, 5, 7]))
    tensor([[1],
            [2]])
    """
    a = input.array
    xp = backends.of(a)
    found = [wrap(i) for i in xp.nonzero(a if a.ndim else xp.reshape(a, shape=(1,)))]
    if as_tuple:
        return tuple(found)
    if not a.ndim:
        return input.new_zeros(found[0].array.shape[0], 0, dtype="int64")
    return apply(registry["stack"], tuple(found), {"axis": 1})


@function("argwhere", samples=lambda r: [S(np.array([[1, 0], [0, 3]])), S(np.array(5))], reference=np.argwhere)
def argwhere(input):
    """The places of the elements that are not 0, as a (count, dimensions) matrix.

    >>> import minigrad
    >>> minigrad.argwhere(minigrad.tensor([0, 5, 7]))
    tensor([[1],
            [2]])
    """
    return nonzero(input)


def _numpy_fill_diagonal(x, value, wrap=False):
    out = x.copy()
    np.fill_diagonal(out, value, wrap)
    return out


@function("fill_diagonal_", spaces="Tensor",
          samples=lambda r: [S(np.zeros((3, 3), int), 5), S(np.zeros((5, 2), int), 2), S(np.zeros((7, 2), int), 2, wrap=True),
                             S(np.zeros((2, 2, 2), int), 3)],
          errors=lambda r: [E(RuntimeError, "larger than 1", np.zeros(3, int), 1),
                            E(RuntimeError, "equal length", np.zeros((2, 2, 3), int), 1)],
          reference=_numpy_fill_diagonal)  # fmt: skip
def _fill_diagonal_(self, fill_value, wrap=False):
    """Write ``fill_value`` along the main diagonal, in place; with ``wrap`` a tall matrix begins again after each square.

    >>> import minigrad
    >>> minigrad.zeros(2, 2).fill_diagonal_(1.0)
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = self.array.shape
    if len(shape) < 2:
        raise ShapeError(f"fill_diagonal_: dimensions must larger than 1, got shape {tuple(shape)}")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise ShapeError(f"fill_diagonal_: all dimensions of input must be of equal length, got shape {tuple(shape)}")
    if len(shape) == 2 and not wrap:
        self.diagonal().fill_(fill_value)
        return self
    if len(shape) == 2:
        rows, columns = np.divmod(np.arange(0, self.array.size, shape[1] + 1), shape[1])
        _setitem(self, (rows, columns), fill_value)
    else:
        _setitem(self, (np.arange(shape[0]),) * len(shape), fill_value)
    return self
