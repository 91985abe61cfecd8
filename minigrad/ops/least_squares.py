"""What singular values are good for: pseudo-inverses, ranks, condition numbers, least squares.

Matrices are the last two dimensions; the others are batches.
"""

import math

import numpy as np

from ..errors import ShapeError
from ..op import E, S, faces, function, op, return_type
from ..tensor import Tensor
from .decomposition import symmetrized
from .linalg import matmul
from .samples import normal
from .solving import IN_SINGLE, check_matrix, square_errors, well
from .spectral import _row, svdvals


def _pseudo_rule(xp, g, y, a):
    """Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems" (1973)."""
    pt, gt = xp.matrix_transpose(y), xp.matrix_transpose(g)
    through = -xp.matmul(xp.matmul(pt, g), pt)
    left = xp.matmul(xp.matmul(gt, y), pt)
    right = xp.matmul(pt, xp.matmul(y, gt))
    return through + left - xp.matmul(a, xp.matmul(y, left)) + right - xp.matmul(xp.matmul(right, y), a)


def _pseudo_reference(a, rtol, atol, hermitian=False):
    a = np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2) if hermitian else a
    if not a.size:
        return np.swapaxes(a, -1, -2)
    largest = np.linalg.svd(a, compute_uv=False)[..., :1]
    return np.linalg.pinv(a, rcond=np.maximum(rtol, atol / largest)[..., 0])


@op(
    names="",
    vjp=(_pseudo_rule, None, None),
    formula=r"Y = A^+",
    derivative=r"\bar A = -P^\top \bar P P^\top + (I - A P) \bar P^\top P P^\top + P^\top P \bar P^\top (I - P A), \quad P = A^+",
    samples=lambda r: [
        S(normal(r, 3, 2), 1e-15, 0.0),
        S(normal(r, 2, 2, 3), 1e-15, 0.0),
        S(well(r, 3, 3), 1e-15, 0.0),
        S(np.diag([3.0, 1.0, 0.01]), 0.1, 0.0, grad=False),
        S(np.diag([3.0, 1.0, 0.01]), 0.0, 1.5, grad=False),
        S(np.stack([np.diag([3.0, 1.0])] * 2), np.array([[0.0], [0.5]]), 0.0, grad=False),
        S(normal(r, 0, 2), 0.0, 0.0),
        S(well(r, 3, 3), 1e-15, 0.0, hermitian=True, grad=False),
    ],
    reference=_pseudo_reference,
    **IN_SINGLE,
)
def pseudo_inverse(xp, a, rtol, atol, *, hermitian=False):
    """The Moore-Penrose inverse, with singular values up to max(atol, rtol * the largest) taken as 0.

    ``rtol`` and ``atol`` are numbers or arrays that broadcast to the singular values (..., k). ``hermitian``: of the symmetric
    matrix whose lower triangle it is; the derivative is that of A, as in PyTorch.
    """
    if 0 in a.shape[-2:]:
        return xp.matrix_transpose(a)
    if hermitian:
        a = xp.tril(a, k=0) + xp.matrix_transpose(xp.tril(a, k=-1))
    u, s, vh = xp.svd(a)
    least = xp.maximum(xp.max(s, axis=-1, keepdims=True) * rtol, atol)
    kept = xp.greater(s, least)
    inverse = xp.where(kept, 1.0 / xp.where(kept, s, 1.0), 0.0)
    return xp.matmul(xp.matrix_transpose(vh) * _row(xp, inverse), xp.matrix_transpose(u))


def _tolerances(A, rtol, atol):
    """PyTorch's defaults: eps * max(m, n) relative to the largest value, unless an absolute tolerance is given.

    Tensors of tolerances, one for each matrix, get the dimension of the singular values.
    """
    if rtol is None:
        default = float(np.finfo(A.array.dtype).eps) * max(A.array.shape[-2:])
        rtol = default * (atol <= 0).to(A.dtype) if isinstance(atol, Tensor) else 0.0 if atol else default
    return [_tolerance(A, t) for t in (rtol, 0.0 if atol is None else atol)]


def _tolerance(A, t):
    if not isinstance(t, Tensor):
        return float(t)
    t = t.detach().to(A.dtype)
    return t.unsqueeze(-1) if t.array.ndim else t


def _published_pinv(names, space, name):
    def call(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
        check_matrix("linalg.pinv", A, square=hermitian)
        rtol, atol = _tolerances(A, rcond if rtol is None else rtol, atol)
        return pseudo_inverse(A, rtol, atol, hermitian=bool(hermitian))

    call.__name__ = call.__qualname__ = names
    call.__doc__ = f"""The pseudo-inverse (Moore and Penrose) of each matrix.

    Args:
        A: (..., m, n).
        rcond, rtol: singular values up to this times the largest count as 0; machine epsilon * max(m, n) by default.
        atol: those up to this count as 0. All three are numbers, or tensors with one for each matrix.
        hermitian: A is symmetric, and only its lower triangle is read.

    >>> import minigrad
    >>> {name}(minigrad.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    samples = lambda r: [S(normal(r, 3, 2)), S(normal(r, 2, 2, 3)), S(np.diag([3.0, 1.0, 0.01]), 0.1, grad=False)]
    function(
        names,
        spaces=space,
        formula=r"Y = A^+",
        samples=samples,
        errors=lambda r: square_errors(r)[1:],
        reference=lambda a, rcond=1e-15: np.linalg.pinv(a, rcond=rcond),
        **IN_SINGLE,
    )(call)
    return call


pinv = _published_pinv("pinv", "linalg", "minigrad.linalg.pinv")
_published_pinv("pinverse", "torch Tensor", "minigrad.pinverse")


def _rank_reference(a, tol=None, hermitian=False, atol=None, rtol=None):
    if not a.size:
        return np.zeros(a.shape[:-2], np.int64)
    s = np.linalg.svd(a, compute_uv=False)
    atol = np.asarray(tol if tol is not None else 0.0 if atol is None else atol)[..., None]
    rtol = np.where(atol > 0, 0.0, 1e-12) if rtol is None else np.asarray(rtol)[..., None]
    return (s > np.maximum(atol, rtol * s[..., :1])).sum(-1)


@function(
    "matrix_rank",
    spaces="linalg",
    formula=r"y = \#\{i : s_i > \tau\}",
    samples=lambda r: [
        S(normal(r, 3, 2)),
        S(np.ones((2, 2, 3))),
        S(np.diag([3.0, 1.0, 0.01]), tol=0.1),
        S(np.diag([3.0, 1.0, 0.01]), rtol=0.5),
        S(np.diag([3.0, 1.0, 0.0]), hermitian=True),
        S(np.zeros((2, 2))),
        S(np.diag([3.0, 1.0, 0.01]), atol=2.0),
        S(np.stack([np.diag([3.0, 1.0])] * 2), atol=np.array([2.0, 0.0])),
        S(np.stack([np.diag([3.0, 1.0])] * 2), rtol=np.array([0.5, 0.1]), atol=np.array(0.5)),
        S(np.zeros((2, 0, 3))),
    ],
    errors=lambda r: square_errors(r)[1:],
    reference=_rank_reference,
    **IN_SINGLE,
)
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values of each matrix are larger than max(atol, rtol * the largest); int64.

    >>> import minigrad
    >>> minigrad.linalg.matrix_rank(minigrad.ones(3, 3))
    tensor(1)
    """
    check_matrix("linalg.matrix_rank", A, square=hermitian)
    rtol, atol = _tolerances(A, rtol, tol if atol is None else atol)
    s = svdvals((symmetrized(A) if hermitian else A).detach())
    if not s.array.shape[-1]:
        return s.sum(-1).long()
    least = s.amax(-1, keepdim=True) * rtol
    return (s > (least.maximum(atol) if isinstance(atol, Tensor) else least.clamp(min=atol))).sum(-1)


@function(
    "cond",
    parity="values only: PyTorch cannot differentiate it, it writes into its own inverse",
    spaces="linalg",
    formula=r"y = |A|_p |A^{-1}|_p",
    samples=lambda r: [
        S(well(r, 3, 3)),
        S(normal(r, 3, 2)),
        S(well(r, 3, 3), 2),
        S(well(r, 3, 3), -2),
        S(well(r, 2, 3, 3), "fro"),
        S(well(r, 3, 3), 1),
        S(well(r, 3, 3), math.inf),
        S(np.ones((2, 2)), "fro", grad=False),
        S(normal(r, 2, 0, 0), 1),
    ],
    errors=lambda r: [
        *square_errors(r)[1:],
        E(RuntimeError, "square", normal(r, 2, 3), "fro"),
        E(RuntimeError, "got an invalid norm type: x", normal(r, 2, 2), "x"),
    ],
    reference=lambda a, p=None: np.linalg.cond(a, p) if a.size else np.zeros(a.shape[:-2]),
    **IN_SINGLE,
)
def cond(A, p=None):
    """How much a linear system magnifies errors: the norm of each matrix times that of its inverse.

    Args:
        A: (..., n, n); also (..., m, n) for p 2, -2 or None.
        p: None or 2 (largest over smallest singular value), -2, "fro", "nuc", 1, -1, inf or -inf.

    >>> import minigrad
    >>> minigrad.linalg.cond(minigrad.tensor([[2.0, 0.0], [0.0, 0.5]]))
    tensor(4.)
    """
    if p not in (None, "fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}; give None, 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    check_matrix("linalg.cond" if p is None else f"linalg.cond(ord={p})", A, square=p not in (None, 2, -2))
    if 0 in A.array.shape[-2:]:
        return A.sum((-2, -1))
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    norm = faces["linalg.matrix_norm"].call
    inverse, info = faces["linalg.inv_ex"].call(A)
    return (norm(A, p) * norm(inverse.where((info == 0)[..., None, None], 0.0), p)).where(info == 0, math.inf)


def _lstsq_reference(a, b, rcond=None, driver=None):
    x, residuals, rank, singular = np.linalg.lstsq(a, b, rcond=None)
    none = np.zeros(0)
    squares = driver in ("gels", "gelsd", "gelss") and len(a) > len(a.T)
    return (
        x,
        residuals if squares else none,
        np.zeros(0, np.int64) if driver == "gels" else np.array(rank),
        singular if driver in ("gelsd", "gelss") else none,
    )


@function(
    "lstsq",
    spaces="linalg",
    formula=r"X = \arg\min |A X - B|",
    samples=lambda r: [
        S(normal(r, 4, 2), normal(r, 4, 1)),
        S(normal(r, 4, 2), normal(r, 4, 3), driver="gels"),
        S(normal(r, 4, 2), normal(r, 4, 1), driver="gelsd", grad=False),
        S(normal(r, 2, 3), normal(r, 2, 1), driver="gelsd", grad=False),
        S(normal(r, 4, 2), normal(r, 4)),
    ],
    errors=lambda r: [
        *(E(e.error, e.match, *e.args, normal(r, 2, 1)) for e in square_errors(r)[1:]),
        E(RuntimeError, "input.size", normal(r, 4, 2), normal(r, 3, 1)),
        E(RuntimeError, "parameter `driver` should be one of", normal(r, 2, 2), normal(r, 2, 1), driver="qr"),
    ],
    reference=_lstsq_reference,
    **IN_SINGLE,
)
def lstsq(A, B, rcond=None, *, driver=None):
    """The X that makes A X closest to B; of several, the smallest.

    Args:
        A: (..., m, n).
        B: (..., m, k), or (..., m): one right-hand side each.
        rcond: singular values up to this times the largest count as 0.
        driver: "gelsy" (default), "gels", "gelsd" or "gelss". The solution is the same; it decides what else is returned.

    Returns:
        ``(solution, residuals, rank, singular_values)``: (..., n, k) or (..., n); the squared distances (..., k) for m > n, empty
        with "gelsy"; the rank of A, empty with "gels"; the singular values, empty with "gels" and "gelsy".

    >>> import minigrad
    >>> A = minigrad.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> minigrad.linalg.lstsq(A, minigrad.tensor([[1.0], [3.0], [5.0]])).solution.round(decimals=4)
    tensor([[1.],
            [2.]])
    """
    vector = B.array.ndim == A.array.ndim - 1 > 0
    if vector:
        if A.array.shape[-2] != B.array.shape[-1]:
            raise ShapeError(
                f"linalg.lstsq: input.size(-2) should match other.size(-1), got {tuple(A.shape)} and {tuple(B.shape)}"
            )
        B = B.unsqueeze(-1)
    check_matrix("linalg.lstsq", A, B)
    if A.array.shape[-2] != B.array.shape[-2]:
        raise ShapeError(f"linalg.lstsq: input.size(-2) should match other.size(-2), got {tuple(A.shape)} and {tuple(B.shape)}")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver!r}")
    rows, columns = A.array.shape[-2:]
    X = matmul(pinv(A, rcond), B)
    empty = A.detach().new_zeros(0)
    residuals = (matmul(A, X) - B).square().sum(-2) if rows > columns and driver not in (None, "gelsy") else X.flatten()[:0]
    rank = empty.long() if driver == "gels" else matrix_rank(A, rtol=rcond)
    singular = svdvals(A) if driver in ("gelsd", "gelss") else empty
    X = X.squeeze(-1) if vector else X
    return return_type("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"))(X, residuals, rank, singular)
