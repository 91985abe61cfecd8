"""Sums of a tensor and a product: ``beta * input + alpha * product``."""

import numpy as np

from ..errors import DtypeError, ShapeError
from ..op import E, S, faces, function
from ..tensor import Tensor
from .linalg import bmm, mm, mv, outer
from .samples import normal


def _sorted_out(name, args, beta, alpha):
    """The three tensors and both numbers; ``(beta, input, alpha, a, b)`` and ``(input, beta, alpha, a, b)`` are older forms."""
    if len(args) == 3 and all(isinstance(a, Tensor) for a in args):
        return (*args, beta, alpha)
    tensors = [a for a in args if isinstance(a, Tensor)]
    numbers = [a for a in args if not isinstance(a, Tensor)]
    if len(tensors) != 3 or len(numbers) > 2 or not all(isinstance(n, int | float | bool) for n in numbers):
        kinds = ", ".join(type(a).__name__ for a in args)
        raise TypeError(f"{name}() takes an input and the two factors of a product, all Tensors, got ({kinds})")
    return (*tensors, *numbers, *(beta, alpha)[len(numbers) :])


def _scaled(x, number):
    """``number * x``; of an integer tensor with the whole part of the number, as in PyTorch."""
    number = number if x.is_floating_point() else int(number)
    return x if number == 1 else x * number


def _fits(shape, other):
    """Whether the one broadcasts to the other."""
    return len(shape) <= len(other) and all(i in (1, n) for i, n in zip(reversed(shape), reversed(other)))


def _added(name, input, p, beta, alpha):
    if input.array.dtype != p.array.dtype:
        raise DtypeError(f"{name}: self and mat2 must have the same dtype, but got {input.dtype} and {p.dtype}; convert one")
    shape = p.array.shape
    if input.array.shape != shape and not _fits(input.array.shape, shape):
        raise ShapeError(
            f"{name}: The expanded size of the tensor must match the existing size: input {list(input.shape)} does not broadcast "
            f"to the product, {list(shape)}"
        )
    p = _scaled(p, alpha)
    if beta == 0:  # the input does not count at all, NaN or not
        return p
    return _scaled(input, beta) + p


def _tests(symbol, draw, product):
    def samples(r):
        integers = [np.round(3 * a).astype(np.int64) for a in draw(r)]
        return [
            S(*draw(r)),
            S(*draw(r), beta=0.5, alpha=2.0),
            S(*draw(r), beta=0),
            S(draw(r)[0] * 0 + 1.5, *draw(r)[1:], alpha=3),
            S(draw(r)[0], 2.0, *draw(r)[1:], parity="an older form, of the method alone"),
            S(draw(r)[0], 2.0, 0.5, *draw(r)[1:], parity="an older form, of the method alone"),
            S(*integers, beta=2, alpha=3),
        ]

    def reference(*args, beta=1, alpha=1):
        arrays, numbers = [a for a in args if isinstance(a, np.ndarray)], [a for a in args if not isinstance(a, np.ndarray)]
        beta, alpha = (*numbers, *(beta, alpha)[len(numbers) :])
        return beta * arrays[0] + alpha * product(*arrays[1:])

    def errors(r):
        input, first, second = draw(r)
        wrong = normal(r, 5, 5, 5, 5)
        return [
            E(RuntimeError, "must be a|cannot be multiplied|Expected size|must match", input, first, second[..., None]),
            E(RuntimeError, "expanded size of the tensor", wrong, first, second),
            E(TypeError, "takes an input and the two factors", input, first),
        ]

    return dict(
        formula=r"Y = \beta X + \alpha\," + symbol,
        derivative=r"\bar X = \beta \bar Y",
        samples=samples,
        reference=reference,
        errors=errors,
        inplace=True,
    )


@function("addmm", **_tests("A B", lambda r: (normal(r, 2), normal(r, 3, 4), normal(r, 4, 2)), np.matmul))
def addmm(input, mat1, mat2=None, *older, beta=1, alpha=1):
    """``beta * input + alpha * (mat1 @ mat2)`` for matrices (n, k) and (k, m).

    Args:
        input: broadcasts to (n, m).
        beta, alpha: numbers; with beta 0 the input is not read.

    >>> import minigrad
    >>> minigrad.addmm(minigrad.tensor([1.0]), minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([[3.0], [4.0]]), alpha=2)
    tensor([[23.]])
    """
    input, mat1, mat2, beta, alpha = _sorted_out("addmm", (input, mat1, mat2, *older), beta, alpha)
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


@function("addmv", **_tests("A x", lambda r: (normal(r, 3), normal(r, 3, 4), normal(r, 4)), np.matmul))
def addmv(input, mat, vec=None, *older, beta=1, alpha=1):
    """``beta * input + alpha * (mat @ vec)`` for a matrix (n, k) and a vector (k,). See :func:`addmm`.

    >>> import minigrad
    >>> minigrad.addmv(minigrad.tensor([1.0]), minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([3.0, 4.0]))
    tensor([12.])
    """
    input, mat, vec, beta, alpha = _sorted_out("addmv", (input, mat, vec, *older), beta, alpha)
    return _added("addmv", input, mv(mat, vec), beta, alpha)


@function("addr", **_tests(r"a b^\top", lambda r: (normal(r, 3, 4), normal(r, 3), normal(r, 4)), np.outer))
def addr(input, vec1, vec2=None, *older, beta=1, alpha=1):
    """``beta * input + alpha * outer(vec1, vec2)`` for vectors (n,) and (m,); of truth values: or, and and. See :func:`addmm`.

    >>> import minigrad
    >>> minigrad.addr(minigrad.zeros(1, 2), minigrad.tensor([2.0]), minigrad.tensor([3.0, 4.0]))
    tensor([[6., 8.]])
    """
    input, vec1, vec2, beta, alpha = _sorted_out("addr", (input, vec1, vec2, *older), beta, alpha)
    p = outer(vec1, vec2)
    whole = not (input.is_floating_point() or p.is_floating_point())
    for which, number in (("beta", beta), ("alpha", alpha)):
        if whole and isinstance(number, float):
            raise RuntimeError(f"addr: For integral input tensors, argument {which} must not be a floating point number.")
    if input.array.dtype == p.array.dtype == np.bool_:
        return (input & bool(beta)) | (p & bool(alpha))
    common = faces["result_type"].call(input, p)
    return _added("addr", input.to(common), p.to(common), beta, alpha)


@function("baddbmm", **_tests("A_i B_i", lambda r: (normal(r, 3, 2), normal(r, 2, 3, 4), normal(r, 2, 4, 2)), np.matmul))
def baddbmm(input, batch1, batch2=None, *older, beta=1, alpha=1):
    """``beta * input + alpha * (batch1 @ batch2)`` for batches (b, n, k) and (b, k, m). See :func:`addmm`.

    >>> import minigrad
    >>> minigrad.baddbmm(minigrad.ones(1), minigrad.ones(2, 1, 3), minigrad.ones(2, 3, 1)).flatten()
    tensor([4., 4.])
    """
    input, batch1, batch2, beta, alpha = _sorted_out("baddbmm", (input, batch1, batch2, *older), beta, alpha)
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@function(
    "addbmm",
    **_tests(
        r"\sum_i A_i B_i",
        lambda r: (normal(r, 3, 2), normal(r, 2, 3, 4), normal(r, 2, 4, 2)),
        lambda a, b: np.einsum("bij,bjk->ik", a, b),
    ),
)
def addbmm(input, batch1, batch2=None, *older, beta=1, alpha=1):
    """``beta * input + alpha * (batch1 @ batch2).sum(0)`` for batches (b, n, k) and (b, k, m). See :func:`addmm`.

    >>> import minigrad
    >>> minigrad.addbmm(minigrad.ones(1), minigrad.ones(2, 1, 3), minigrad.ones(2, 3, 1))
    tensor([[7.]])
    """
    input, batch1, batch2, beta, alpha = _sorted_out("addbmm", (input, batch1, batch2, *older), beta, alpha)
    return _added("addbmm", input, bmm(batch1, batch2).sum(0).to(batch1.dtype), beta, alpha)
