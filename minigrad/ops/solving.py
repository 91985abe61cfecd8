"""Linear systems, inverses and determinants, with what is made of them.

Giles, "An extended collection of matrix derivative results for forward and reverse mode AD" (2008) has the derivatives.
Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..dispatch import apply
from ..errors import LinAlgError, ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .linalg import matmul
from .samples import normal

IN_SINGLE = {"half": False}  # LAPACK has no half precision


def well(r, *shape):
    """Matrices that are far from singular."""
    return normal(r, *shape) + 2.0 * np.eye(shape[-2], shape[-1])


def definite(r, *shape):
    """Symmetric positive definite matrices."""
    a = normal(r, *shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


# ---------------------------------------------------------------------------------------------------------------- checks
def check_matrix(name, *tensors, square=False):
    """ShapeError or DtypeError unless every tensor is a float or complex matrix or a batch of them."""
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): argument 'A' must be Tensor, not {describe(t)}; wrap it in minigrad.tensor(...)")
        if not (t.is_floating_point() or t.is_complex()):
            raise RuntimeError(
                f"{name}: Expected a floating point or complex tensor as input. Got {t.dtype}; convert it with .float()"
            )
        if t.dtype.itemsize == 2:
            kind = t.dtype.name.replace("bfloat16", "BFloat16").replace("float16", "Half")
            raise NotImplementedError(
                f"\"{name}\" not implemented for '{kind}': Low precision dtypes not supported. Got {kind}; convert with .float()"
            )
        if square:
            _check_square(name, t)
        elif t.array.ndim < 2:
            raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {tuple(t.shape)}")


def _check_square(name, t):
    shape = t.array.shape
    if len(shape) < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {tuple(shape)}")
    if shape[-1] != shape[-2]:
        raise ShapeError(f"{name}: A must be batches of square matrices, but they are {shape[-2]} by {shape[-1]} matrices")


def square_errors(r):
    return [
        E(RuntimeError, "A must be batches of square matrices, but they are 2 by 3 matrices", normal(r, 2, 3)),
        E(RuntimeError, "must have at least 2 dimensions", normal(r, 3)),
        E(RuntimeError, "Expected a floating point or complex tensor", np.array([[1, 2], [3, 4]])),
    ]


# ------------------------------------------------------------------------------------------------------------- operations
@op(
    names="",
    vjp=(
        lambda xp, g, y, a: -xp.matmul(xp.solve(xp.matrix_transpose(a), g), xp.matrix_transpose(y)),
        lambda xp, g, a: xp.solve(xp.matrix_transpose(a), g),
    ),
    formula=r"Y = A^{-1} B",
    derivative=r"\bar B = A^{-\top} \bar Y, \quad \bar A = -\bar B Y^\top",
    samples=lambda r: [S(well(r, 3, 3), normal(r, 3, 2)), S(well(r, 2, 3, 3), normal(r, 2, 3, 1))],
    reference=np.linalg.solve,
    **IN_SINGLE,
)
def solve(xp, a, b):
    """The solution X of A X = B for matrices B (..., n, k), in as many batches as A has."""
    return xp.solve(a, b)


@op(
    names="",
    vjp=(lambda xp, g, y: -xp.matmul(xp.matmul(xp.matrix_transpose(y), g), xp.matrix_transpose(y)),),
    formula=r"Y = A^{-1}",
    derivative=r"\bar A = -Y^\top \bar Y Y^\top",
    samples=lambda r: [S(well(r, 3, 3)), S(well(r, 2, 2, 2))],
    reference=np.linalg.inv,
    **IN_SINGLE,
)
def inv(xp, a):
    """The inverse of each matrix."""
    return xp.inv(a)


def _spread(xp, g):
    """One number a matrix, (...,) -> (..., 1, 1)."""
    return xp.reshape(g, shape=(*g.shape, 1, 1))


@op(
    names="",
    vjp=(lambda xp, g, a: _spread(xp, g) * xp.cofactors(a),),
    formula=r"y = \det A",
    derivative=r"\bar A = \bar y\,\det(A) A^{-\top}",
    samples=lambda r: [
        S(normal(r, 3, 3)),
        S(normal(r, 2, 2, 2)),
        S(normal(r, 1, 1)),
        S(np.array([[1.0, 2.0], [2.0, 4.0]]), grad=False),
    ],
    reference=np.linalg.det,
    **IN_SINGLE,
)
def det(xp, a):
    """The determinant of each matrix."""
    return xp.det(a)


def _cofactors_rule(xp, g, y, a):
    """From C = det(A) A^-T. It needs the inverse: second derivatives of a singular matrix's determinant are refused."""
    t = xp.matrix_transpose(xp.inv(a))
    projected = xp.sum(g * t, axis=(-2, -1), keepdims=True)
    return y * projected - xp.matmul(xp.matmul(y, xp.matrix_transpose(g)), t)


def _cofactors_reference(a):
    n = a.shape[-1]
    out = np.ones(a.shape)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(a, i, -2), j, -1)
            out[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


@op(
    names="",
    vjp=(_cofactors_rule,),
    formula=r"C = \det(A) A^{-\top}",
    derivative=r"\bar A = \langle \bar C, A^{-\top} \rangle C - C \bar C^\top A^{-\top}",
    samples=lambda r: [
        S(well(r, 3, 3)),
        S(well(r, 2, 2, 2)),
        S(normal(r, 1, 1)),
        S(np.array([[1.0, 2.0], [2.0, 4.0]]), grad=False),
        S(np.zeros((3, 3)), grad=False),
    ],
    reference=_cofactors_reference,
    **IN_SINGLE,
)
def cofactors(xp, a):
    """The matrix of cofactors, from the singular values: singular matrices have one, too."""
    u, s, vh = xp.svd(a)
    column = xp.reshape(s, shape=(*s.shape, 1))  # (..., n, 1)
    ones = xp.ones_like(xp.getitem(column, key=(..., ("slice", 0, 1, None), ("slice", None, None, None))))
    below = xp.concat(ones, xp.getitem(column, key=(..., ("slice", 0, -1, None), ("slice", None, None, None))), axis=-2)
    above = xp.concat(xp.getitem(column, key=(..., ("slice", 1, None, None), ("slice", None, None, None))), ones, axis=-2)
    others = xp.cumprod(below, axis=-2) * xp.flip(
        xp.cumprod(xp.flip(above, axis=-2), axis=-2), axis=-2
    )  # the product of all others
    sign = xp.sign(xp.det(xp.matmul(u, vh)))
    return _spread(xp, sign) * xp.matmul(u, others * vh)


@op(
    names="",
    outputs=2,
    vjp=(lambda xp, g, a: _spread(xp, g[1]) * xp.matrix_transpose(xp.inv(a)),),
    formula=r"(s, y) = (\mathrm{sign} \det A, \ln |\det A|)",
    derivative=r"\bar A = \bar y\,A^{-\top}",
    samples=lambda r: [S(well(r, 3, 3)), S(normal(r, 2, 2, 2)), S(-well(r, 1, 1))],
    reference=lambda a: tuple(np.linalg.slogdet(a)),
    **IN_SINGLE,
)
def slogdet(xp, a):
    """The sign and the logarithm of the absolute value of each determinant."""
    return xp.slogdet(a)


# ------------------------------------------------------------------------------------------------------- public functions
def _batched(a, b):
    """Both with the batch dimensions that theirs broadcast to."""
    batch = np.broadcast_shapes(a.array.shape[:-2], b.array.shape[:-2])
    return (t if t.array.shape[:-2] == batch else t.expand(*batch, *t.array.shape[-2:]) for t in (a, b))


def _is_vector(A, B):
    """Whether B is one vector for each matrix: 1-D, or with exactly the batches of A."""
    return B.array.ndim == 1 or (B.array.ndim == A.array.ndim - 1 and B.array.shape == A.array.shape[:-1])


@function(
    "solve",
    spaces="linalg",
    formula=r"X = A^{-1} B",
    derivative=r"\bar B = A^{-\top} \bar X, \quad \bar A = -\bar B X^\top",
    samples=lambda r: [
        S(well(r, 3, 3), normal(r, 3, 2)),
        S(well(r, 3, 3), normal(r, 3)),
        S(well(r, 2, 3, 3), normal(r, 3, 1)),
        S(well(r, 2, 3, 3), normal(r, 2, 3)),
        S(well(r, 3, 3), normal(r, 2, 3), left=False),
        S(well(r, 2, 2), normal(r, 3, 2, 1)),
    ],
    errors=lambda r: [
        *(E(e.error, e.match, *e.args, normal(r, 3)) for e in square_errors(r)),
        E(RuntimeError, "Incompatible shapes", well(r, 3, 3), normal(r, 2, 2)),
        E(LinAlgError, "the input matrix is singular", np.ones((2, 2)), normal(r, 2)),
    ],
    reference=lambda a, b, left=True: (
        np.linalg.solve(a, b if b.ndim > 1 and b.shape != a.shape[:-1] else b[..., None]).reshape(
            np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:] if b.ndim > 1 and b.shape != a.shape[:-1] else b.shape
        )
        if left
        else np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
    ),
    **IN_SINGLE,
)
def _solve(A, B, *, left=True):
    """The solution X of A X = B, or of X A = B with ``left=False``.

    Args:
        A: (..., n, n), invertible.
        B: (..., n, k), or one vector a matrix: (n,) or (..., n) with exactly the batches of A.

    Returns:
        of the shape of B, in the batches that A and B broadcast to.

    Raises:
        LinAlgError (a RuntimeError): for a singular matrix.

    >>> import minigrad
    >>> minigrad.linalg.solve(minigrad.tensor([[2.0, 0.0], [0.0, 4.0]]), minigrad.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    check_matrix("linalg.solve", A, square=True)
    vector = _is_vector(A, B)
    if vector:
        B = B.unsqueeze(-1)
    if not left:
        return _solve(A.mT, B.mT).mT
    if B.array.shape[-2] != A.array.shape[-1]:
        raise ShapeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({describe(A)} and {describe(B)})"
        )
    X = solve(*_batched(A, B))
    return X.squeeze(-1) if vector else X


@function(
    "inv",
    spaces="linalg",
    formula=r"Y = A^{-1}",
    derivative=r"\bar A = -Y^\top \bar Y Y^\top",
    samples=lambda r: [S(well(r, 3, 3)), S(well(r, 2, 2, 2))],
    errors=lambda r: [*square_errors(r), E(LinAlgError, "the input matrix is singular", np.ones((2, 2)))],
    reference=np.linalg.inv,
    **IN_SINGLE,
)
def linalg_inv(A):
    """The inverse of each matrix.

    Raises:
        LinAlgError (a RuntimeError): for a singular matrix.

    >>> import minigrad
    >>> minigrad.linalg.inv(minigrad.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_matrix("linalg.inv", A, square=True)
    return inv(A)


@function(
    "inverse",
    formula=r"Y = A^{-1}",
    derivative=r"\bar A = -Y^\top \bar Y Y^\top",
    samples=lambda r: [S(well(r, 3, 3))],
    errors=square_errors,
    reference=np.linalg.inv,
    **IN_SINGLE,
)
def inverse(input):
    """The inverse of each matrix. See :func:`minigrad.linalg.inv`.

    >>> import minigrad
    >>> minigrad.inverse(minigrad.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return linalg_inv(input)


def _published_det(space, name):
    def call(A):
        check_matrix("linalg.det", A, square=True)
        return det(A)

    call.__name__ = call.__qualname__ = "det"
    call.__doc__ = f"""The determinant of each matrix (..., n, n). Singular matrices have a gradient, too.

    >>> import minigrad
    >>> {name}(minigrad.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor(6.)
    """
    samples = lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 2, 2)), S(np.array([[1.0, 2.0], [2.0, 4.0]]), grad=False)]
    function(
        "det",
        spaces=space,
        formula=r"y = \det A",
        derivative=r"\bar A = \bar y\,\det(A) A^{-\top}",
        samples=samples,
        errors=square_errors,
        reference=np.linalg.det,
        **IN_SINGLE,
    )(call)


_published_det("torch Tensor", "minigrad.det")
_published_det("linalg", "minigrad.linalg.det")


def _published_slogdet(space, name):
    from ..op import return_type

    result = return_type("linalg_slogdet" if space == "linalg" else "slogdet", ("sign", "logabsdet"))

    def call(A):
        check_matrix("linalg.slogdet", A, square=True)
        return result(*slogdet(A))

    call.__name__ = call.__qualname__ = "slogdet"
    call.__doc__ = f"""The sign and the logarithm of the absolute value of the determinant of each matrix.

    Returns:
        ``(sign, logabsdet)``; the determinant is ``sign * exp(logabsdet)``.

    >>> import minigrad
    >>> {name}(minigrad.tensor([[1.0, 0.0], [0.0, -1.0]])).sign
    tensor(-1.)
    """
    samples = lambda r: [S(well(r, 3, 3)), S(normal(r, 2, 2, 2))]
    function(
        "slogdet",
        spaces=space,
        formula=r"(s, y) = (\mathrm{sign} \det A, \ln |\det A|)",
        derivative=r"\bar A = \bar y\,A^{-\top}",
        samples=samples,
        errors=square_errors,
        reference=lambda a: tuple(np.linalg.slogdet(a)),
        **IN_SINGLE,
    )(call)


_published_slogdet("torch Tensor", "minigrad.slogdet")
_published_slogdet("linalg", "minigrad.linalg.slogdet")


@function(
    "logdet",
    formula=r"y = \ln \det A",
    derivative=r"\bar A = \bar y\,A^{-\top}",
    samples=lambda r: [S(definite(r, 3, 3)), S(definite(r, 2, 2, 2)), S(-np.eye(3), grad=False)],
    errors=square_errors,
    reference=lambda a: np.log(np.linalg.det(a)),
    **IN_SINGLE,
)
def logdet(input):
    """The logarithm of each determinant: -inf where it is 0, NaN where it is negative.

    >>> import minigrad
    >>> minigrad.logdet(minigrad.tensor([[2.0, 0.0], [0.0, 0.5]]))
    tensor(0.)
    """
    check_matrix("logdet", input, square=True)
    sign, value = slogdet(input)
    return value.where(sign >= 0, float("nan"))


def identity(like, n):
    """The n x n identity matrix on the device and of the dtype of ``like``."""
    steps = apply(registry["arange"], (like.detach(),), {"n": n})
    return (steps.reshape(-1, 1) == steps).to(like.dtype)


def _published_power(space, name):
    def call(input, n):
        if n < 0:
            check_matrix("linalg.matrix_power", input)
        _check_square("linalg.matrix_power", input)
        size = input.array.shape[-1]
        if n == 0:
            eye = identity(input, size).expand(input.shape)
            return eye.where(eye == eye, input)  # with a history, and a gradient of zeros
        if n < 0:
            return call(linalg_inv(input), -n)
        result, square = None, input
        while n:  # by squaring: one product for each binary digit, one more for each 1
            if n & 1:
                result = square if result is None else matmul(result, square)
            n >>= 1
            square = matmul(square, square) if n else square
        return result.clone() if result is input else result

    call.__name__ = call.__qualname__ = "matrix_power"
    call.__doc__ = f"""The n-th power of each matrix; of its inverse where n is negative.

    >>> import minigrad
    >>> {name}(minigrad.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    samples = lambda r: (
        [S(well(r, 2, 2), n, grad=n != 0) for n in (0, 1, 2, 5, -1, -3)]
        + [S(well(r, 2, 2, 2), 3), S(np.array([[1, 2], [3, 4]]), 3)]
    )
    function(
        "matrix_power",
        spaces=space,
        formula=r"Y = A^n",
        samples=samples,
        errors=lambda r: [
            *(E(e.error, e.match, *e.args, 2) for e in square_errors(r)[:2]),
            E(RuntimeError, "Expected a floating point or complex tensor", np.array([[1, 2], [3, 4]]), -1),
        ],
        reference=lambda a, n: np.linalg.matrix_power(a, n),
        **IN_SINGLE,
    )(call)


_published_power("torch Tensor", "minigrad.matrix_power")
_published_power("linalg", "minigrad.linalg.matrix_power")
