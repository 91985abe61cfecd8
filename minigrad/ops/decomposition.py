"""Factorizations of matrices: Cholesky and QR.

The factor of Cholesky is a function of a symmetric matrix: values come from its
lower triangle, and the gradient is symmetric, as in PyTorch. Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..dispatch import apply
from ..errors import GradError, LinAlgError
from ..op import E, S, function, op, registry, return_type
from .linalg import matmul
from .samples import normal
from .solving import IN_SINGLE, check_matrix, definite, square_errors


# -------------------------------------------------------------------------------------------------------- words for the rules
def _symmetric(xp, a):
    return 0.5 * (a + xp.matrix_transpose(a))


# --------------------------------------------------------------------------------------------------------------- Cholesky
def _cholesky_rule(xp, g, y):
    """Murray, "Differentiation of the Cholesky decomposition" (2016)."""
    t = xp.matrix_transpose(y)
    p = xp.tril(xp.matmul(t, g), k=0)
    p = 0.5 * (p + xp.matrix_transpose(xp.tril(p, k=-1)))  # half the lower triangle, on both sides
    half = xp.matrix_transpose(xp.solve(t, p))
    return _symmetric(xp, xp.solve(t, half))


@op(
    names="",
    vjp=(_cholesky_rule,),
    formula=r"L L^\top = A",
    derivative=(
        r"\bar A = \frac{1}{2} L^{-\top} (P + P^\top) L^{-1}, \quad P = \mathrm{tril}(L^\top \bar L) \text{ with half its "
        r"diagonal}"
    ),
    samples=lambda r: [S(definite(r, 3, 3)), S(definite(r, 2, 2, 2))],
    reference=np.linalg.cholesky,
    **IN_SINGLE,
)
def cholesky_factor(xp, a):
    """The lower triangular L with L L^T = A, of the symmetric part of each matrix."""
    return xp.cholesky(_symmetric(xp, a))


def symmetrized(A, upper=False):
    """``A`` with the values of one triangle on both sides, and the gradient of A itself."""
    a = A.detach()
    other = a.triu(1).mT + a.triu() if upper else a.tril(-1).mT + a.tril()
    return A + (other - a)


def _published_cholesky(space, name, place):
    def call(input, upper=False):
        check_matrix(f"{place}cholesky", input, square=True)
        L = cholesky_factor(symmetrized(input, upper))
        return L.mT if upper else L

    call.__name__ = call.__qualname__ = "cholesky"
    call.__doc__ = f"""The lower triangular matrix L with L @ L.mT = A, or the upper one.

    Args:
        A: (..., n, n), symmetric and positive definite; only one triangle is read.
        upper: return L.mT, from the upper triangle.

    Raises:
        LinAlgError (a RuntimeError): for a matrix that is not positive definite.

    >>> import minigrad
    >>> {name}(minigrad.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    samples = lambda r: [
        S(definite(r, 3, 3), grad=False),
        S(definite(r, 2, 2, 2), upper=True, grad=False),
        S(definite(r, 3, 3) + np.triu(np.ones((3, 3)), 1), grad=False),
        S(definite(r, 3, 3) + np.tril(np.ones((3, 3)), -1), upper=True, grad=False),
    ]
    function(
        "cholesky",
        spaces=space,
        formula=r"L L^\top = A",
        samples=samples,
        errors=lambda r: [*square_errors(r), E(LinAlgError, "not positive-definite", -np.eye(2))],
        reference=lambda a, upper=False: (
            np.swapaxes(np.linalg.cholesky(np.swapaxes(a, -1, -2)), -1, -2) if upper else np.linalg.cholesky(a)
        ),
        **IN_SINGLE,
    )(call)


_published_cholesky("torch Tensor", "minigrad.cholesky", "")
_published_cholesky("linalg", "minigrad.linalg.cholesky", "linalg.")


# --------------------------------------------------------------------------------------------------------------------- QR
def _qr_rule(xp, g, y0, y1):
    """Walter et al., "Structured higher-order algorithmic differentiation in the forward and reverse mode with application in
    optimum experimental design" (2011), for R square."""
    gq, gr = g
    m = xp.matmul(y1, xp.matrix_transpose(gr)) - xp.matmul(xp.matrix_transpose(gq), y0)
    m = xp.tril(m, k=0) + xp.matrix_transpose(xp.tril(m, k=-1))
    x = gq + xp.matmul(y0, m)
    return xp.matrix_transpose(xp.solve(y1, xp.matrix_transpose(x)))


@op(
    names="",
    outputs=2,
    vjp=(_qr_rule,),
    formula=r"A = Q R",
    derivative=r"\bar A = (\bar Q + Q\,\mathrm{sym}(M)) R^{-\top}, \quad M = R \bar R^\top - \bar Q^\top Q",
    samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 4, 2)), S(normal(r, 2, 3, 2))],
    reference=lambda a: tuple(np.linalg.qr(a)),
    **IN_SINGLE,
)
def tall_qr(xp, a):
    """Q with orthonormal columns and R upper triangular, for matrices with no fewer rows than columns."""
    return xp.qr(a)


def _no_complete_gradient(xp, g):
    raise GradError(
        "linalg.qr: the derivative is not implemented when mode='complete' and nrows > ncols: the further columns of Q are "
        "arbitrary. "
        "Use mode='reduced', or A.detach()"
    )


@op(
    names="",
    outputs=2,
    vjp=(_no_complete_gradient,),
    samples=lambda r: [S(normal(r, 3, 2), grad=False), S(normal(r, 2, 2, 3), grad=False)],
    reference=lambda a: tuple(np.linalg.qr(a, "complete")),
    **IN_SINGLE,
)
def complete_qr(xp, a):
    """Q square and R with all rows; without a gradient."""
    return xp.qr(a, mode="complete")


QR, OLD_QR = return_type("linalg_qr", ("Q", "R")), return_type("qr", ("Q", "R"))


@function(
    "qr",
    spaces="linalg",
    formula=r"A = Q R",
    derivative=r"\bar A = (\bar Q + Q\,\mathrm{sym}(M)) R^{-\top}, \quad M = R \bar R^\top - \bar Q^\top Q",
    samples=lambda r: [
        S(normal(r, 3, 3)),
        S(normal(r, 4, 2)),
        S(normal(r, 2, 4)),
        S(normal(r, 2, 2, 3), mode="reduced"),
        S(normal(r, 3, 2), mode="complete", grad=False),
        S(normal(r, 2, 3), "complete"),
        S(normal(r, 3, 2), mode="r", grad=False, parity="values only: PyTorch has no derivative"),
    ],
    errors=lambda r: [*square_errors(r)[1:], E(RuntimeError, "received unrecognized mode 'full'", normal(r, 2, 2), "full")],
    reference=lambda a, mode="reduced": tuple(np.linalg.qr(a, mode)) if mode != "r" else (np.zeros(0), np.linalg.qr(a, "r")),
    **IN_SINGLE,
)
def qr(A, mode="reduced"):
    """Q with orthonormal columns and R upper triangular with A = Q @ R.

    Args:
        A: (..., m, n).
        mode: "reduced", "complete" (Q is m x m; a tall A has no gradient then), or "r" (Q is empty).

    Returns:
        ``(Q, R)``.

    >>> import minigrad
    >>> q, r = minigrad.linalg.qr(minigrad.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> bool((q @ r - minigrad.tensor([[3.0, 1.0], [4.0, 2.0]])).abs().max() < 1e-5)
    True
    """
    check_matrix("linalg.qr", A)
    rows, columns = A.array.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"linalg.qr: received unrecognized mode {mode!r} but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    if mode == "complete" and rows > columns:
        return QR(*complete_qr(A))
    if rows >= columns:
        Q, R = tall_qr(A)
    else:  # the first square block fixes Q
        Q, left = tall_qr(A[..., :rows])
        R = _cat(left, matmul(Q.mT, A[..., rows:]))
    return QR(Q.flatten()[:0] if mode == "r" else Q, R)


def _cat(*tensors):
    return apply(registry["concat"], tensors, {"axis": -1})


@function(
    "qr",
    formula=r"A = Q R",
    samples=lambda r: [S(normal(r, 3, 2)), S(normal(r, 3, 2), some=False, grad=False)],
    errors=lambda r: square_errors(r)[1:],
    reference=lambda a, some=True: tuple(np.linalg.qr(a, "reduced" if some else "complete")),
    **IN_SINGLE,
)
def _qr(input, some=True):
    """Q and R with input = Q @ R. See :func:`minigrad.linalg.qr`, which replaces it.

    >>> import minigrad
    >>> minigrad.qr(minigrad.tensor([[2.0]])).R.abs()
    tensor([[2.]])
    """
    return OLD_QR(*qr(input, "reduced" if some else "complete"))
