"""Products of Householder reflections, as LAPACK's geqrf leaves them behind.

A reflection is I - tau v v^T, with v = (0, ..., 0, 1, A[i+1:, i]) for column i of a matrix A. The product of several is
I - V T V^T with an upper triangular T: Joffrain et al., "Accumulating Householder transformations, revisited" (2006). Here
T = (I + diag(tau) S)^-1 diag(tau) with S the part of V^T V above the diagonal, which is right for any tau, 0 included.
"""

import numpy as np

from ..errors import GradError, ShapeError
from ..op import E, S, function, op, return_type
from .linalg import matmul
from .samples import normal
from .solving import IN_SINGLE, check_matrix, identity
from .triangular import triangular


def _numpy_product(a, tau):
    """One reflection after another, (..., m, m)."""
    m = a.shape[-2]
    q = np.broadcast_to(np.eye(m), (*a.shape[:-2], m, m))
    for i in range(tau.shape[-1]):
        v = np.tril(a, -1)[..., i] * (np.arange(m) > i) + (np.arange(m) == i)
        q = q @ (np.eye(m) - tau[..., i, None, None] * v[..., :, None] * v[..., None, :])
    return q


def _vectors(A, tau):
    """V (..., m, k) and T (..., k, k) for the k reflections that tau scales."""
    m, k = A.array.shape[-2], tau.array.shape[-1]
    V = A[..., :k].tril(-1) + identity(A, m)[:, :k]
    above = matmul(V.mT, V).triu(1)
    scale = tau.unsqueeze(-1)
    T = triangular(scale * above, scale * identity(A, k), upper=True, unit=True)
    return V, T


def _check_reflections(name, A, tau):
    check_matrix(name, A)
    if A.array.ndim != tau.array.ndim + 1 or A.array.shape[:-2] != tau.array.shape[:-1]:
        raise ShapeError(
            f"{name}: Expected tau to have one dimension less than input, with batch dimensions equal to input.shape[:-2], but "
            f"got input {list(A.shape)} and tau {list(tau.shape)}"
        )
    if tau.array.shape[-1] > A.array.shape[-1]:
        raise ShapeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if A.array.dtype != tau.array.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")


def _householder_errors(r):
    return [
        E(RuntimeError, "input.shape.-1. must be greater than or equal to tau.shape", normal(r, 3, 2), normal(r, 3)),
        E(RuntimeError, "input.shape.-2. must be greater than or equal to input.shape", normal(r, 2, 3), normal(r, 2)),
        E(RuntimeError, "Expected tau to have one dimension less than input", normal(r, 3, 2), normal(r, 1, 2)),
        E(RuntimeError, "at least 2 dimensions", normal(r, 3), normal(r, 2)),
    ]


def _published_product(names, space, place):
    def call(input, tau):
        _check_reflections(place, input, tau)
        m, n = input.array.shape[-2:]
        if m < n:
            raise ShapeError(
                f"{place}: input.shape[-2] must be greater than or equal to input.shape[-1], got {list(input.shape)}"
            )
        V, T = _vectors(input, tau)
        return identity(input, m)[:, :n] - matmul(V, matmul(T, V[..., :n, :].mT))

    call.__name__ = call.__qualname__ = names
    call.__doc__ = f"""The first n columns of the product of Householder reflections.

    Args:
        input: (..., m, n), m >= n: the vectors below the diagonal.
        tau: (..., k), k <= n: the factors.

    Returns:
        (..., m, n); with the output of :func:`minigrad.geqrf`, the Q of the QR decomposition.

    >>> import minigrad
    >>> {place.replace("torch", "minigrad")}(minigrad.zeros(2, 1), minigrad.tensor([2.0]))
    tensor([[-1.],
            [ 0.]])
    """
    function(
        names,
        spaces=space,
        formula=r"Q = \prod_i (I - \tau_i v_i v_i^\top)",
        samples=lambda r: [
            S(normal(r, 4, 3), normal(r, 3)),
            S(normal(r, 2, 3, 2), normal(r, 2, 1)),
            S(normal(r, 3, 3), np.array([1.0, 0.0])),
        ],
        errors=_householder_errors,
        reference=lambda a, tau: _numpy_product(a, tau)[..., : a.shape[-1]],
        **IN_SINGLE,
    )(call)


_published_product("householder_product", "linalg", "torch.linalg.householder_product")
_published_product("orgqr", "torch Tensor", "torch.orgqr")


def _ormqr_reference(a, tau, c, left=True, transpose=False):
    q = _numpy_product(a, tau)
    q = np.swapaxes(q, -1, -2) if transpose else q
    return q @ c if left else c @ q


@function(
    "ormqr",
    formula=r"Y = Q C, \quad Q = \prod_i (I - \tau_i v_i v_i^\top)",
    samples=lambda r: [
        S(normal(r, 4, 3), normal(r, 3), normal(r, 4, 2)),
        S(normal(r, 2, 3, 2), normal(r, 2, 2), normal(r, 2, 3, 2), transpose=True),
        S(normal(r, 4, 3), normal(r, 3), normal(r, 2, 4), False),
        S(normal(r, 4, 3), normal(r, 3), normal(r, 2, 4), False, True),
    ],
    errors=lambda r: [
        E(RuntimeError, "other.shape.-2. must be equal to input.shape.-2.", normal(r, 3, 2), normal(r, 2), normal(r, 2, 1)),
        E(
            RuntimeError,
            "other.shape.-1. must be equal to input.shape.-2.",
            normal(r, 3, 2),
            normal(r, 2),
            normal(r, 1, 2),
            False,
        ),
        E(RuntimeError, "at least 2 dimensions", normal(r, 3, 2), normal(r, 2), normal(r, 2)),
    ],
    reference=_ormqr_reference,
    **IN_SINGLE,
)
def ormqr(input, tau, other, left=True, transpose=False):
    """The product of a matrix with the square Q of Householder reflections, which is not formed.

    Args:
        input: (..., m, n), with the vectors below the diagonal; tau: (..., k), the factors.
        other: (..., m, p), or (..., p, m) with ``left=False``.
        left: Q @ other; otherwise other @ Q.
        transpose: with Q transposed.

    >>> import minigrad
    >>> minigrad.ormqr(minigrad.zeros(2, 1), minigrad.tensor([2.0]), minigrad.ones(2, 1)).flatten()
    tensor([-1.,  1.])
    """
    _check_reflections("torch.ormqr", input, tau)
    check_matrix("torch.ormqr", other)
    side = -2 if left else -1
    if other.array.shape[side] != input.array.shape[-2]:
        raise ShapeError(
            f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2], got {list(other.shape)} and {list(input.shape)}"
        )
    if other.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"torch.ormqr: Expected input and other to have the same dtype, but input has dtype {input.dtype} and other has "
            f"dtype {other.dtype}"
        )
    V, T = _vectors(input, tau)
    T = T.mT if transpose else T
    if left:
        return other - matmul(V, matmul(T, matmul(V.mT, other)))
    return other - matmul(matmul(matmul(other, V), T), V.mT)


def _no_gradient(xp, g):
    raise GradError("the derivative for 'geqrf' is not implemented, here and in PyTorch; use linalg.qr")


GEQRF = return_type("geqrf", ("a", "tau"))


@op(
    names="",
    outputs=2,
    vjp=(_no_gradient,),
    formula=r"A = Q R",
    samples=lambda r: [S(normal(r, 3, 2), grad=False), S(normal(r, 2, 2, 3), grad=False)],
    reference=lambda a: _geqrf_reference(a),
    **IN_SINGLE,
)
def reflections(xp, a):
    """R on and above the diagonal and the vectors of the reflections below it; and their factors."""
    h, tau = xp.qr(a, mode="raw")
    return xp.matrix_transpose(h), tau


def _geqrf_reference(a):
    from scipy.linalg.lapack import dgeqrf

    found = [dgeqrf(m)[:2] for m in a.reshape(-1, *a.shape[-2:])]
    return np.stack([f[0] for f in found]).reshape(a.shape), np.stack([f[1] for f in found]).reshape(*a.shape[:-2], -1)


@function(
    "geqrf",
    formula=r"A = Q R",
    samples=lambda r: [S(normal(r, 3, 2), grad=False), S(normal(r, 2, 2, 3), grad=False)],
    errors=lambda r: [E(RuntimeError, "at least 2 dimensions", normal(r, 3))],
    reference=_geqrf_reference,
    **IN_SINGLE,
)
def geqrf(input):
    """The QR decomposition as LAPACK gives it, for :func:`minigrad.orgqr` and :func:`minigrad.ormqr`. No gradient.

    Args:
        input: (..., m, n).

    Returns:
        ``(a, tau)``: R on and above the diagonal with the vectors of the reflections below it; their factors (..., min(m, n)).

    >>> import minigrad
    >>> minigrad.geqrf(minigrad.tensor([[3.0], [4.0]])).a[0]
    tensor([-5.])
    """
    check_matrix("torch.geqrf", input)
    return GEQRF(*reflections(input))
