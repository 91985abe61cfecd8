"""Logic: of truth values, and of the bits of integers. No gradient."""

import numpy as np

from ..op import E, S, op
from ..quick import operator, reflected
from ..tensor import Tensor
from .samples import binary_errors, normal, pair_errors


def _truths(r):
    a, b = r.random((3, 4)) > 0.5, r.random(4) > 0.5
    zeros = np.array([0.0, 1.0, -2.0, np.nan])
    return [S(a, b), S(zeros, zeros[::-1].copy()), S(np.array([0, 3]), np.array([[1], [0]])), S(a[:0], b)]


def _logical(names, symbol, onnx, reference):
    return op(
        kind="elementwise",
        names=names,
        promote=(),
        formula=f"y = a {symbol} b",
        onnx=onnx,
        samples=_truths,
        errors=pair_errors,
        tensors=2,
        reference=reference,
    )


@_logical("logical_and", r"\land", "And", np.logical_and)
def logical_and(xp, a, b):
    """Whether both elements are other than 0, as bool.

    >>> import minigrad
    >>> minigrad.logical_and(minigrad.tensor([True, True]), minigrad.tensor([False, True]))
    tensor([False,  True])
    """
    return xp.logical_and(a, b)


@_logical("logical_or", r"\lor", "Or", np.logical_or)
def logical_or(xp, a, b):
    """Whether one or both elements are other than 0, as bool.

    >>> import minigrad
    >>> minigrad.logical_or(minigrad.tensor([False, True]), minigrad.tensor([False, False]))
    tensor([False,  True])
    """
    return xp.logical_or(a, b)


@_logical("logical_xor", r"\oplus", "Xor", np.logical_xor)
def logical_xor(xp, a, b):
    """Whether exactly one of two elements is other than 0, as bool.

    >>> import minigrad
    >>> minigrad.logical_xor(minigrad.tensor([False, True]), minigrad.tensor([True, True]))
    tensor([ True, False])
    """
    return xp.logical_xor(a, b)


@op(
    kind="elementwise",
    formula=r"y = \neg x",
    onnx="Not",
    samples=lambda r: [S(r.random((3, 4)) > 0.5), S(np.array([0.0, -2.0, np.nan])), S(np.array(0)), S(np.zeros((0, 2)))],
    reference=np.logical_not,
)
def logical_not(xp, x):
    """Whether each element is 0, as bool.

    >>> import minigrad
    >>> minigrad.logical_not(minigrad.tensor([0, 3]))
    tensor([ True, False])
    """
    return xp.logical_not(x)


# ---------------------------------------------------------------------------------------------------------------------- bits
def _bit_pairs(r):
    a, b = r.integers(-9, 9, (3, 4)), r.integers(-9, 9, 4)
    return [S(a, b), S(a, 5), S(a > 0, b > 0), S(a > 0, True), S(r.integers(0, 9, 4), b > 0), S(a[:0], b)]


def _bit_errors(r):
    return [
        E(RuntimeError, "not implemented for", normal(r, 3), normal(r, 3)),
        *binary_errors(r)[1:],
        E(RuntimeError, "must match the size", np.array([1, 2]), np.array([1, 2, 3])),
    ]


def _bitwise(symbol, reference, samples=_bit_pairs, onnx=None, no_bool=""):
    return op(
        kind="elementwise",
        formula=f"y = a {symbol} b",
        onnx=onnx,
        samples=samples,
        errors=_bit_errors,
        reference=reference,
        no_bool=no_bool,
    )


@_bitwise(r"\land", np.bitwise_and, onnx="BitwiseAnd")
def bitwise_and(xp, a, b):
    """The bits that both integers have; of bools, whether both hold. Also ``a & b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_and(minigrad.tensor([6, 5]), minigrad.tensor([3, 4]))
    tensor([2, 4])
    """
    return xp.bitwise_and(a, b)


@_bitwise(r"\lor", np.bitwise_or, onnx="BitwiseOr")
def bitwise_or(xp, a, b):
    """The bits that either integer has; of bools, whether either holds. Also ``a | b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_or(minigrad.tensor([6, 5]), minigrad.tensor([3, 4]))
    tensor([7, 5])
    """
    return xp.bitwise_or(a, b)


@_bitwise(r"\oplus", np.bitwise_xor, onnx="BitwiseXor")
def bitwise_xor(xp, a, b):
    """The bits that exactly one of two integers has. Also ``a ^ b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_xor(minigrad.tensor([6, 5]), minigrad.tensor([3, 4]))
    tensor([5, 1])
    """
    return xp.bitwise_xor(a, b)


@op(
    kind="elementwise",
    names="bitwise_not",
    formula=r"y = \neg x",
    onnx="BitwiseNot",
    samples=lambda r: [S(r.integers(-9, 9, (3, 4))), S(r.random(4) > 0.5), S(np.array(7)), S(np.zeros((0, 2), np.int64))],
    errors=lambda r: [E(RuntimeError, "not implemented for", normal(r, 3))],
    reference=np.invert,
)
def bitwise_invert(xp, x):
    """All bits of an integer turned round; of a bool, whether it does not hold. Also ``~x``. RuntimeError for floats.

    >>> import minigrad
    >>> ~minigrad.tensor([True, False])
    tensor([False,  True])
    """
    return xp.bitwise_invert(x)


def _shifts(r):
    return [S(r.integers(-9, 9, (3, 4)), r.integers(0, 5, 4)), S(r.integers(0, 9, 4), 2), S(np.zeros((0, 2), np.int64), 1)]


@_bitwise(r"\ll", np.left_shift, _shifts, "BitShift", no_bool="all")
def bitwise_left_shift(xp, a, b):
    """The bits of ``input`` moved up by ``other`` places. Also ``a << b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_left_shift(minigrad.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """
    return xp.bitwise_left_shift(a, b)


@_bitwise(r"\gg", np.right_shift, _shifts, "BitShift", no_bool="all")
def bitwise_right_shift(xp, a, b):
    """The bits of ``input`` moved down by ``other`` places; the sign stays. Also ``a >> b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_right_shift(minigrad.tensor([8, -8]), 2)
    tensor([ 2, -2])
    """
    return xp.bitwise_right_shift(a, b)


# --------------------------------------------------------------------------------------------------------- Python's operators
for _name, _call in (("and", bitwise_and), ("or", bitwise_or), ("xor", bitwise_xor)):
    setattr(Tensor, f"__{_name}__", operator(_call))
    setattr(Tensor, f"__r{_name}__", reflected(_call))
    setattr(Tensor, f"__i{_name}__", operator(getattr(Tensor, f"bitwise_{_name}_")))


def _inverted(self):
    """``~x``: for whole numbers and truth values only, and Python's operator says so itself."""
    if self.is_floating_point() or self.is_complex():
        raise TypeError(
            f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, but got {self.dtype}; write ~x.bool()"
        )
    return bitwise_invert(self)


Tensor.__invert__ = _inverted
Tensor.__lshift__, Tensor.__rshift__ = operator(bitwise_left_shift), operator(bitwise_right_shift)
Tensor.__ilshift__, Tensor.__irshift__ = operator(Tensor.bitwise_left_shift_), operator(Tensor.bitwise_right_shift_)
Tensor.__rlshift__, Tensor.__rrshift__ = reflected(bitwise_left_shift), reflected(bitwise_right_shift)
