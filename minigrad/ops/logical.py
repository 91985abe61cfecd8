"""Logic: of truth values, and of the bits of integers. No gradient."""

import numpy as np

from ..errors import DtypeError, describe
from ..op import E, S, function, op
from ..tensor import Tensor
from .samples import binary_errors, normal

BITS = "bui"  # kinds of dtypes that have bits: bool and the integers


def _truths(r):
    a, b = r.random((3, 4)) > 0.5, r.random(4) > 0.5
    zeros = np.array([0.0, 1.0, -2.0, np.nan])
    return [S(a, b), S(zeros, zeros[::-1].copy()), S(np.array([0, 3]), np.array([[1], [0]])), S(a[:0], b)]


def _logical(names, symbol, onnx, reference):
    return op(kind="elementwise", names=names, promote=(), formula=f"y = a {symbol} b", onnx=onnx, samples=_truths,
              errors=lambda r: [E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4))], reference=reference)  # fmt: skip


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
    return [E(RuntimeError, "not implemented for 'Float'|float", normal(r, 3), normal(r, 3)), *binary_errors(r)[1:],
            E(RuntimeError, "must match the size", np.array([1, 2]), np.array([1, 2, 3]))]  # fmt: skip


def _check_bits(name, *arrays):
    for a in arrays:
        if hasattr(a, "dtype") and a.dtype.kind not in BITS or isinstance(a, float):
            kind = a.dtype if hasattr(a, "dtype") else "float"
            raise DtypeError(f"{name} is not implemented for {kind}: only bool and integer tensors have bits; compare first, as in (x > 0)")


def _bitwise(symbol, reference, samples=_bit_pairs, onnx=None):
    return op(kind="elementwise", formula=f"y = a {symbol} b", onnx=onnx, samples=samples, errors=_bit_errors, reference=reference)


@_bitwise(r"\land", np.bitwise_and, onnx="BitwiseAnd")
def bitwise_and(xp, a, b):
    """The bits that both integers have; of bools, whether both hold. Also ``a & b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_and(minigrad.tensor([6, 5]), minigrad.tensor([3, 4]))
    tensor([2, 4])
    """
    _check_bits("bitwise_and", a, b)
    return xp.bitwise_and(a, b)


@_bitwise(r"\lor", np.bitwise_or, onnx="BitwiseOr")
def bitwise_or(xp, a, b):
    """The bits that either integer has; of bools, whether either holds. Also ``a | b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_or(minigrad.tensor([6, 5]), minigrad.tensor([3, 4]))
    tensor([7, 5])
    """
    _check_bits("bitwise_or", a, b)
    return xp.bitwise_or(a, b)


@_bitwise(r"\oplus", np.bitwise_xor, onnx="BitwiseXor")
def bitwise_xor(xp, a, b):
    """The bits that exactly one of two integers has. Also ``a ^ b``. RuntimeError for floats.

    >>> import minigrad
    >>> minigrad.bitwise_xor(minigrad.tensor([6, 5]), minigrad.tensor([3, 4]))
    tensor([5, 1])
    """
    _check_bits("bitwise_xor", a, b)
    return xp.bitwise_xor(a, b)
