"""Functions of matrices, and systems of tensors seen as matrices."""

import math

import numpy as np

from ..dispatch import complex_forms
from ..errors import ShapeError
from ..op import E, S, faces, function, op
from .samples import normal
from .solving import IN_SINGLE, _check_square, check_matrix, square_errors, well


# ------------------------------------------------------------------------------------------------------------- exponential
def _matrix_exp_rule(xp, g, a):
    """The adjoint of the Fréchet derivative, a block of a larger exponential: Al-Mohy and Higham, "Computing the Fréchet
    derivative of the matrix exponential, with an application to condition number estimation" (2009)."""
    n, t = a.shape[-1], xp.matrix_transpose(a)
    top = xp.concat(t, g, axis=-1)
    bottom = xp.concat(xp.full_like(t, value=0.0), t, axis=-1)
    whole = xp.matrix_exp(xp.concat(top, bottom, axis=-2))
    return xp.getitem(whole, key=(..., ("slice", None, n, None), ("slice", n, None, None)))


def _expm(a):
    from scipy.linalg import expm

    return expm(a)


def _exp_samples(r):
    return [
        S(normal(r, 3, 3)),
        S(normal(r, 2, 2, 2)),
        S(np.stack([8.0 * normal(r, 2, 2), 0.01 * normal(r, 2, 2)])),
        S(np.zeros((2, 2))),
    ]


@op(
    names="",
    vjp=(_matrix_exp_rule,),
    formula=r"Y = e^A = \sum_k A^k / k!",
    derivative=r"\bar A = \text{the upper right block of } \exp \begin{pmatrix} A^\top & \bar Y \\ 0 & A^\top \end{pmatrix}",
    samples=_exp_samples,
    reference=_expm,
)
def matrix_exp(xp, a):
    """The exponential of each matrix."""
    return xp.matrix_exp(a)


complex_forms["matrix_exp"] = "holomorphic"


@function(
    "matrix_exp",
    spaces="torch Tensor linalg",
    formula=r"Y = e^A = \sum_k A^k / k!",
    derivative=r"\bar A = \text{the upper right block of } \exp \begin{pmatrix} A^\top & \bar Y \\ 0 & A^\top \end{pmatrix}",
    samples=_exp_samples,
    errors=square_errors,
    reference=_expm,
)
def public_matrix_exp(A):
    """The exponential of each matrix (..., n, n), by scaling and squaring (Higham, 2005).

    >>> import minigrad
    >>> minigrad.matrix_exp(minigrad.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    if not A.is_floating_point() or A.array.dtype.itemsize > 2:
        check_matrix("linalg.matrix_exp", A)
    _check_square("linalg.matrix_exp", A)
    return matrix_exp(A)


# --------------------------------------------------------------------------------------------------------- tensors as matrices
@function(
    "tensorinv",
    spaces="linalg",
    formula=r"Y = A^{-1} \text{ with } A \text{ as a matrix of its first } ind \text{ and its other dimensions}",
    samples=lambda r: [S(well(r, 4, 4).reshape(4, 2, 2), ind=1), S(well(r, 6, 6).reshape(2, 3, 3, 2))],
    errors=lambda r: [
        E(RuntimeError, "Expected a strictly positive integer for 'ind'", normal(r, 2, 2), 0),
        E(RuntimeError, r"prod\(self.shape\[ind:\]\) == prod\(self.shape\[:ind\]\), but got 3 != 2", normal(r, 2, 3), 1),
    ],
    reference=np.linalg.tensorinv,
    **IN_SINGLE,
)
def tensorinv(A, ind=2):
    """The inverse of a tensor under ``tensordot(..., ind)``.

    Args:
        A: its first ``ind`` sizes multiply to as much as its others.

    Returns:
        of shape ``A.shape[ind:] + A.shape[:ind]``.

    >>> import minigrad
    >>> minigrad.linalg.tensorinv(minigrad.tensor([[2.0]]), ind=1)
    tensor([[0.5000]])
    """
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', but got {ind}")
    first, other = A.array.shape[:ind], A.array.shape[ind:]
    if math.prod(first) != math.prod(other):
        raise ShapeError(
            f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but "
            f"got {math.prod(other)} != {math.prod(first)}"
        )
    return faces["linalg.inv"].call(A.reshape(math.prod(first), math.prod(other))).reshape(*other, *first)


@function(
    "tensorsolve",
    spaces="linalg",
    formula=r"\sum_j A_{ij} X_j = B_i",
    samples=lambda r: [
        S(well(r, 6, 6).reshape(2, 3, 6), normal(r, 2, 3)),
        S(well(r, 6, 6).reshape(2, 3, 3, 2), normal(r, 2, 3)),
        S(np.moveaxis(well(r, 6, 6).reshape(2, 3, 6), 2, 0), normal(r, 2, 3), dims=(0,)),
    ],
    errors=lambda r: [E(RuntimeError, "Expected self to satisfy the requirement", normal(r, 2, 3), normal(r, 2))],
    reference=lambda a, b, dims=None: np.linalg.tensorsolve(a, b, axes=dims),
    **IN_SINGLE,
)
def tensorsolve(A, B, dims=None):
    """The X with ``tensordot(A, X, X.ndim) == B``.

    Args:
        A: of shape ``B.shape + X.shape``, which are as many elements.
        B: any shape.
        dims: dimensions of A to move to its end first.

    >>> import minigrad
    >>> minigrad.linalg.tensorsolve(minigrad.tensor([[2.0, 0.0], [0.0, 4.0]]), minigrad.ones(2))
    tensor([0.5000, 0.2500])
    """
    if dims is not None:
        dims = (dims,) if isinstance(dims, int) else tuple(dims)
        A = A.movedim(dims, tuple(range(A.array.ndim - len(dims), A.array.ndim)))
    solution = A.array.shape[B.array.ndim :]
    first, other = math.prod(A.array.shape[: B.array.ndim]), math.prod(solution)
    if first != other:
        raise ShapeError(
            f"linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {other} != {first}"
        )
    return faces["linalg.solve"].call(A.reshape(other, other), B.flatten()).reshape(solution)


@function(
    "vander",
    spaces="linalg",
    formula=r"y_{ij} = x_i^j",
    derivative=r"\bar x_i = \sum_j j\,x_i^{j-1}\,\bar y_{ij}",
    samples=lambda r: [S(normal(r, 3)), S(normal(r, 2, 3), N=4), S(np.array([1, 2, 3]), N=2), S(normal(r), N=3)],
    errors=lambda r: [
        E(RuntimeError, "N must be greater than 1", normal(r, 3), N=1),
        E(RuntimeError, "N must be greater than 1", normal(r)),
        E(RuntimeError, "supports floating point, complex, and integer tensors", np.array([True, False])),
    ],
    reference=lambda x, N=None: np.atleast_1d(x)[..., None] ** np.arange(x.shape[-1] if N is None else N),
    half=False,
)
def vander(x, *, N=None):
    """The powers 0 to N - 1 of every element, as a last dimension (Vandermonde's matrix).

    Args:
        x: (..., n), a vector or a batch of them.
        N: how many powers, n without.

    >>> import minigrad
    >>> minigrad.linalg.vander(minigrad.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [1, 2, 4],
            [1, 3, 9]])
    """
    if x.array.dtype.kind == "b" or (x.array.dtype.itemsize == 2 and x.is_floating_point()):
        raise RuntimeError(f"linalg.vander supports floating point, complex, and integer tensors, but got {x.dtype}")
    x = x if x.array.ndim else x.reshape(1)
    count = x.array.shape[-1] if N is None else N
    if count <= 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got {count}")
    ones = x.new_ones(*x.shape, 1)
    powers = x.unsqueeze(-1).expand(*x.shape, count - 1).cumprod(-1)
    return faces["cat"].call([ones.to(powers.dtype), powers], -1)
