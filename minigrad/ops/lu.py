"""The LU factorization with row exchanges, and what is solved with it.

A = P L U, with L unit lower triangular and U upper triangular, both in one matrix "LU". Row exchanges come as LAPACK's
``pivots``: row i was exchanged with row ``pivots[i]``, counted from 1.
"""

import numpy as np

from ..dispatch import apply
from ..errors import LinAlgError, ShapeError, describe
from ..op import E, S, function, op, registry, return_type
from ..tensor import Tensor
from .samples import normal
from .solving import IN_SINGLE, check_matrix, identity, square_errors, well


# --------------------------------------------------------------------------------------------------------------- operations
@op(
    names="",
    samples=lambda r: [
        S(np.array([[2, 3, 3], [1, 2, 3]], np.int32), rows=3),
        S(np.array([3, 3], np.int32), rows=4),
        S(np.zeros((2, 0), np.int32), rows=2),
    ],
    reference=lambda pivots, rows: np.array([_rows_of(pivots[i], rows) for i in np.ndindex(pivots.shape[:-1])]).reshape(
        *pivots.shape[:-1], rows
    ),
)
def pivot_rows(xp, pivots, *, rows):
    """The order of rows (..., rows) that row exchanges (..., k) lead to: A[order] = L U."""
    return xp.pivot_rows(pivots, rows=rows)


def _rows_of(pivots, rows):
    order = list(range(rows))
    for i, p in enumerate(pivots):
        order[i], order[p - 1] = order[p - 1], order[i]
    return np.array(order)


def _block(xp, x, rows, columns):
    """``x[..., rows, columns]`` for slices given as (start, stop)."""
    return xp.getitem(x, key=(..., ("slice", *rows, None), ("slice", *columns, None)))


def _square_part(xp, gl, gu, lu):
    """The gradient of P^T A for A square: L^-T (tril(L^T gL, -1) + triu(gU U^T)) U^-T."""
    lower = xp.tril(lu, k=-1)
    inner = xp.tril(xp.matmul(xp.matrix_transpose(lower), gl) + gl, k=-1)  # L is `lower` with ones on its diagonal
    inner = inner + xp.triu(xp.matmul(gu, xp.matrix_transpose(xp.triu(lu, k=0))), k=0)
    inner = xp.triangular(xp.matrix_transpose(lu), inner, upper=True, unit=True)
    return xp.matrix_transpose(xp.triangular(lu, xp.matrix_transpose(inner), upper=True, unit=False))


def _tall_part(xp, g, lu, n):
    """More rows than columns: the rows below the square are L2 = A2 U^-1."""
    top, below = _block(xp, lu, (None, n), (None, None)), _block(xp, lu, (n, None), (None, None))
    g_top, g_below = _block(xp, g, (None, n), (None, None)), _block(xp, g, (n, None), (None, None))
    d_below = xp.matrix_transpose(xp.triangular(top, xp.matrix_transpose(g_below), upper=True, unit=False))
    gu = xp.triu(g_top, k=0) - xp.matmul(xp.matrix_transpose(below), d_below)
    return xp.concat(_square_part(xp, xp.tril(g_top, k=-1), gu, top), d_below, axis=-2)


def _wide_part(xp, g, lu, m):
    """More columns than rows: the columns beside the square are U2 = L^-1 A2."""
    left, beside = _block(xp, lu, (None, None), (None, m)), _block(xp, lu, (None, None), (m, None))
    g_left, g_beside = _block(xp, g, (None, None), (None, m)), _block(xp, g, (None, None), (m, None))
    d_beside = xp.triangular(xp.matrix_transpose(left), g_beside, upper=True, unit=True)
    gl = xp.tril(g_left, k=-1) - xp.matmul(d_beside, xp.matrix_transpose(beside))
    return xp.concat(_square_part(xp, gl, xp.triu(g_left, k=0), left), d_beside, axis=-1)


def _lu_rule(xp, g, y0, y1):
    g, (m, n) = g[0], y0.shape[-2:]
    d = _tall_part(xp, g, y0, n) if m > n else _wide_part(xp, g, y0, m)
    order = xp.pivot_rows(y1, rows=m)
    where = xp.broadcast_to(xp.reshape(order, shape=(*order.shape, 1)), shape=d.shape)
    return xp.scatter_along_axis(d, where, axis=-2, shape=d.shape)


def _numpy_lu(a):
    """Elimination with the largest pivot, row by row."""
    lu = a.copy()
    k = min(a.shape[-2:])
    pivots, info = np.zeros((*a.shape[:-2], k), np.int32), np.zeros(a.shape[:-2], np.int32)
    for b in np.ndindex(*a.shape[:-2]):
        x = lu[b]
        for i in range(k):
            p = i + int(np.argmax(np.abs(x[i:, i])))
            x[[i, p]] = x[[p, i]]
            pivots[(*b, i)] = p + 1
            if x[i, i] == 0:
                info[b] = info[b] or i + 1
                continue
            x[i + 1 :, i] /= x[i, i]
            x[i + 1 :, i + 1 :] -= np.outer(x[i + 1 :, i], x[i, i + 1 :])
    return lu, pivots, info


@op(
    names="",
    outputs=3,
    vjp=(_lu_rule,),
    formula=r"P L U = A",
    derivative=r"\bar A = P L^{-\top} (\mathrm{tril}_{-1}(L^\top \bar L) + \mathrm{triu}(\bar U U^\top)) U^{-\top}",
    samples=lambda r: [
        S(normal(r, 3, 3)),
        S(normal(r, 4, 2)),
        S(normal(r, 2, 2, 4)),
        S(normal(r, 2, 3, 3)),
        S(np.array([[1.0, 2.0], [2.0, 4.0]]), grad=False),
    ],
    reference=_numpy_lu,
    **IN_SINGLE,
)
def lu(xp, a):
    """The packed factors of each matrix, its row exchanges, and where U has its first 0 (or 0)."""
    return xp.lu(a)


# --------------------------------------------------------------------------------------------------------------- unpacking
def _checked_pivot(name, pivot):
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU; leave pivot=True")


def _permutation(pivots, like, rows):
    """The matrix P with A = P L U."""
    order = pivot_rows(pivots, rows=rows)
    steps = apply(registry["arange"], (order,), {"n": rows})
    return (order.unsqueeze(-2) == steps.unsqueeze(-1)).to(like.dtype)


def _unpacked(LU):
    """L and U of packed factors."""
    m, n = LU.array.shape[-2:]
    k = min(m, n)
    return LU[..., :k].tril(-1) + identity(LU, m)[:, :k], LU[..., :k, :].triu()


LU_RESULT = return_type("linalg_lu", ("P", "L", "U"))
LU_FACTOR = return_type("linalg_lu_factor", ("LU", "pivots"))
LU_FACTOR_EX = return_type("linalg_lu_factor_ex", ("LU", "pivots", "info"))
LU_UNPACK = return_type("lu_unpack", ("P", "L", "U"))


def _numpy_parts(a):
    packed, pivots, info = _numpy_lu(a)
    return (*_numpy_unpack(packed, pivots), info)


def _numpy_unpack(packed, pivots):
    m, n = packed.shape[-2:]
    k = min(m, n)
    P = np.zeros((*packed.shape[:-2], m, m))
    for b in np.ndindex(*packed.shape[:-2]):
        P[b][_rows_of(pivots[b], m), np.arange(m)] = 1.0
    return P, np.tril(packed[..., :k], -1) + np.eye(m, k), np.triu(packed[..., :k, :])


def _shapes(r):
    return [S(normal(r, 3, 3)), S(normal(r, 4, 2)), S(normal(r, 2, 2, 4)), S(normal(r, 2, 3, 3), pivot=True)]


def _lu_errors(r):
    return [*square_errors(r)[1:], E(RuntimeError, "LU without pivoting is not implemented", np.eye(2), pivot=False)]


@function(
    "lu",
    spaces="linalg",
    formula=r"P L U = A",
    derivative=r"\bar A = P L^{-\top} (\mathrm{tril}_{-1}(L^\top \bar L) + \mathrm{triu}(\bar U U^\top)) U^{-\top}",
    samples=_shapes,
    errors=_lu_errors,
    reference=lambda a, pivot=True: _numpy_parts(a)[:3],
    **IN_SINGLE,
)
def linalg_lu(A, *, pivot=True):
    """The factors with A = P @ L @ U: a permutation, a unit lower and an upper triangular matrix.

    Args:
        A: (..., m, n).
        pivot: True; factors without row exchanges are not computed here.

    Returns:
        ``(P, L, U)``: (..., m, m), (..., m, k) and (..., k, n), with k the smaller of m and n.

    >>> import minigrad
    >>> minigrad.linalg.lu(minigrad.tensor([[1.0, 2.0], [2.0, 2.0]])).U
    tensor([[2., 2.],
            [0., 1.]])
    """
    check_matrix("linalg.lu", A)
    _checked_pivot("linalg.lu", pivot)
    packed, pivots, _ = lu(A)
    return LU_RESULT(_permutation(pivots, A, A.array.shape[-2]), *_unpacked(packed))


def _check_info(name, info):
    """LinAlgError where a factor of a batch has a 0 on its diagonal."""
    if not bool((info == 0).all()):
        where, i = first_failure(info)
        raise LinAlgError(
            f"{name}: {where}U[{i},{i}] is zero and using it on lu_solve would result in a division by zero. If you still want "
            f"to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )


def first_failure(info):
    """Where the first failure in a batch is, for a message, and LAPACK's number for it."""
    if not info.array.ndim:
        return "", int(info)
    flat = info.flatten()
    i = int((flat != 0).int().argmax())
    return f"(Batch element {i}): ", int(flat[i])


@function(
    "lu_factor_ex",
    spaces="linalg",
    formula=r"P L U = A",
    samples=lambda r: [*_shapes(r), S(np.ones((2, 2)), grad=False), S(well(r, 2, 2), check_errors=True)],
    errors=lambda r: [*_lu_errors(r), E(RuntimeError, r"U\[2,2\] is zero", np.ones((2, 2)), check_errors=True)],
    reference=lambda a, pivot=True, check_errors=False: _numpy_lu(a),
    **IN_SINGLE,
)
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """The packed factors, and instead of an error a number. See :func:`minigrad.linalg.lu_factor`.

    Returns:
        ``(LU, pivots, info)``; ``info`` (int32) is 0, or i where U[i, i], counted from 1, is the first 0.

    >>> import minigrad
    >>> minigrad.linalg.lu_factor_ex(minigrad.ones(2, 2)).info
    tensor(2, dtype=minigrad.int32)
    """
    check_matrix("torch.linalg.lu_factor_ex", A)
    _checked_pivot("linalg.lu_factor", pivot)
    result = LU_FACTOR_EX(*lu(A))
    if check_errors:
        _check_info("torch.linalg.lu_factor_ex", result.info)
    return result


@function(
    "lu_factor",
    spaces="linalg",
    formula=r"P L U = A",
    samples=_shapes,
    errors=lambda r: [*_lu_errors(r), E(RuntimeError, r"U\[2,2\] is zero", np.ones((2, 2)))],
    reference=lambda a, pivot=True: _numpy_lu(a)[:2],
    **IN_SINGLE,
)
def lu_factor(A, *, pivot=True):
    """The LU factorization of each matrix in packed form, for :func:`minigrad.linalg.lu_solve`.

    Args:
        A: (..., m, n).

    Returns:
        ``(LU, pivots)``: (..., m, n), with U on and above the diagonal and L below; (..., min(m, n)), int32, counted from 1.

    Raises:
        LinAlgError (a RuntimeError): where U has a 0 on its diagonal.

    >>> import minigrad
    >>> minigrad.linalg.lu_factor(minigrad.tensor([[1.0, 2.0], [2.0, 2.0]])).LU
    tensor([[2.0000, 2.0000],
            [0.5000, 1.0000]])
    """
    check_matrix("torch.linalg.lu_factor", A)
    _checked_pivot("linalg.lu_factor", pivot)
    packed, pivots, info = lu(A)
    _check_info("torch.linalg.lu_factor", info)
    return LU_FACTOR(packed, pivots)


@function(
    "lu",
    formula=r"P L U = A",
    samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3, 2), get_infos=True), S(np.ones((2, 2)), grad=False)],
    errors=_lu_errors,
    reference=lambda a, pivot=True, get_infos=False: _numpy_lu(a)[: 3 if get_infos else 2],
    **IN_SINGLE,
)
def torch_lu(A, pivot=True, get_infos=False):
    """Packed factors and row exchanges, of singular matrices, too. See :func:`minigrad.linalg.lu_factor`, which replaces it.

    Args:
        get_infos: return a third tensor, as :func:`minigrad.linalg.lu_factor_ex` does.

    >>> import minigrad
    >>> minigrad.lu(minigrad.tensor([[2.0]]))[0]
    tensor([[2.]])
    """
    check_matrix("torch.lu_factor", A)
    _checked_pivot("linalg.lu_factor", pivot)
    return lu(A)[: 3 if get_infos else 2]


def _check_pivots(name, LU, pivots):
    if not (isinstance(pivots, Tensor) and pivots.array.dtype == np.int32):
        raise RuntimeError(
            f"{name}: pivots should be a Tensor of scalar type torch.int32 (LU_pivots is expected to be a contiguous tensor of "
            f"torch.int32 dtype), got {describe(pivots)}; it is meant for the output of linalg.lu_factor"
        )
    if pivots.array.shape != (*LU.array.shape[:-2], min(LU.array.shape[-2:])):
        raise ShapeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix, and batches the same, got "
            f"{describe(LU)} and {describe(pivots)}"
        )


def _packed(r, *shape):
    return _numpy_lu(normal(r, *shape))[:2]


@function(
    "lu_unpack",
    spaces="torch",
    formula=r"A = P L U",
    samples=lambda r: [
        S(*_packed(r, 3, 3)),
        S(*_packed(r, 2, 4, 2)),
        S(*_packed(r, 2, 4)),
        S(*_packed(r, 3, 3), unpack_pivots=False),
        S(*_packed(r, 3, 3), unpack_data=False, grad=False, parity="values only: PyTorch's backward fails without factors"),
    ],
    errors=lambda r: [
        E(RuntimeError, "torch.int32 dtype", np.eye(2), np.array([1, 2])),
        E(RuntimeError, "Number of pivots", np.eye(2), np.array([1], np.int32)),
    ],
    reference=lambda LU, pivots, unpack_data=True, unpack_pivots=True: (
        _numpy_unpack(LU, pivots)[0] if unpack_pivots else np.zeros(0),
        *(_numpy_unpack(LU, pivots)[1:] if unpack_data else (np.zeros(0), np.zeros(0))),
    ),
    **IN_SINGLE,
)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """The factors P, L and U of what :func:`minigrad.linalg.lu_factor` returned.

    Args:
        LU_data: (..., m, n); LU_pivots: (..., min(m, n)), int32.
        unpack_data, unpack_pivots: without, L and U, or P, are empty.

    >>> import minigrad
    >>> minigrad.lu_unpack(*minigrad.linalg.lu_factor(minigrad.tensor([[1.0, 2.0], [2.0, 2.0]]))).P
    tensor([[0., 1.],
            [1., 0.]])
    """
    check_matrix("torch.lu_unpack", LU_data)
    _check_pivots("torch.lu_unpack", LU_data, LU_pivots)
    none = LU_data.detach().new_zeros(0)
    P = _permutation(LU_pivots, LU_data, LU_data.array.shape[-2]) if unpack_pivots else none
    return LU_UNPACK(P, *(_unpacked(LU_data) if unpack_data else (none, none)))
