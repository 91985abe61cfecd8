"""Eigenvalues of matrices that need not be symmetric: complex numbers.

Boeddeker et al., "On the computation of complex-valued gradients with application to statistically optimum beamforming"
(2017) has the derivatives. Matrices are the last two dimensions; the others are batches.
"""

import numpy as np

from ..dispatch import complex_forms
from ..op import E, S, function, op, return_type
from .samples import normal
from .solving import IN_SINGLE, check_matrix, square_errors
from .spectral import _column, _diagonal, _quotient, _row

PHASES = "values up to phase: the eigenvectors' directions in the complex plane are arbitrary"


def _real_ones(r):
    """Matrices with real eigenvalues that are far apart: there the vectors' phases do not jump."""
    apart = np.diag([1.0, 3.0, -2.0])
    return [S(apart + 0.2 * normal(r, 3, 3)), S(np.stack([apart, apart - 5.0 * np.eye(3)]) + 0.2 * normal(r, 2, 3, 3))]


def _drawn(r):
    return [*_real_ones(r), S(normal(r, 3, 3), grad=False), S(normal(r, 2, 2, 2), grad=False)]


def _adjoint(xp, x):
    return xp.conj(xp.matrix_transpose(x))


def _from_core(xp, core, v, dtype):
    """V^-H core V^H, its real part for a real matrix."""
    vh = _adjoint(xp, v)
    d = xp.solve(vh, xp.matmul(core, vh))
    return d if dtype.kind == "c" else xp.real(d)


def _eig_rule(xp, g, y0, y1, a_dtype):
    gw, gv = g
    vh = _adjoint(xp, y1)
    along = xp.matmul(vh, gv)
    length = _row(xp, xp.real(xp.diagonal(along, offset=0)))  # eigenvectors have length 1: no gradient along them
    gaps = xp.conj(_row(xp, y0) - _column(xp, y0))
    core = _quotient(xp, along - xp.matmul(vh, y1) * length, gaps) + _diagonal(xp, gw)
    return _from_core(xp, core, y1, a_dtype)


def _reference(a):
    w, v = np.linalg.eig(a)
    return w.astype(np.complex128), v.astype(np.complex128)


@op(
    names="",
    outputs=2,
    vjp=(_eig_rule,),
    formula=r"A = V \mathrm{diag}(w) V^{-1}",
    derivative=(
        r"\bar A = V^{-H} ((V^H \bar V - V^H V \mathrm{Re\,diag}(V^H \bar V)) / \bar E + \mathrm{diag}(\bar w)) V^H, "
        r"\quad E_{ij} = w_j - w_i"
    ),
    samples=_drawn,
    reference=_reference,
    **IN_SINGLE,
)
def eig(xp, a):
    """Eigenvalues and eigenvectors (columns of length 1) of each matrix; complex."""
    return xp.eig(a)


def _eigvals_rule(xp, g, a, a_dtype):
    _, v = xp.eig(a)
    return _from_core(xp, _diagonal(xp, g), v, a_dtype)


@op(
    names="",
    vjp=(_eigvals_rule,),
    formula=r"y = w, \quad A = V \mathrm{diag}(w) V^{-1}",
    derivative=r"\bar A = V^{-H} \mathrm{diag}(\bar y) V^H",
    samples=_drawn,
    reference=lambda a: _reference(a)[0],
    **IN_SINGLE,
)
def eigenvalues(xp, a):
    """The eigenvalues of each matrix; complex."""
    return xp.eigvals(a)


complex_forms.update(eig="as it is", eigenvalues="as it is")
EIG = return_type("linalg_eig", ("eigenvalues", "eigenvectors"))


def _checked(name, A):
    check_matrix(name, A, square=True)
    return A


@function(
    "eig",
    spaces="linalg",
    formula=r"A = V \mathrm{diag}(w) V^{-1}",
    samples=_drawn,
    errors=lambda r: [*square_errors(r), E(RuntimeError, "infs or NaNs", np.full((2, 2), np.nan))],
    reference=_reference,
    parity=PHASES,
    **IN_SINGLE,
)
def linalg_eig(A):
    """Eigenvalues and eigenvectors of square matrices.

    Args:
        A: (..., n, n).

    Returns:
        ``(eigenvalues, eigenvectors)``, complex: (..., n) in no order, and (..., n, n), columns of length 1. Gradients through
        the eigenvectors need distinct eigenvalues, and a loss that does not depend on the columns' phases.

    >>> import minigrad
    >>> minigrad.linalg.eig(minigrad.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues.imag
    tensor([ 1., -1.])
    """
    return EIG(*eig(_checked("linalg.eig", A)))


@function(
    "eigvals",
    spaces="linalg",
    formula=r"y = w, \quad A = V \mathrm{diag}(w) V^{-1}",
    derivative=r"\bar A = V^{-H} \mathrm{diag}(\bar y) V^H",
    samples=_drawn,
    errors=square_errors,
    reference=lambda a: _reference(a)[0],
    **IN_SINGLE,
)
def eigvals(A):
    """The eigenvalues of square matrices, complex and in no order. See :func:`minigrad.linalg.eig`.

    >>> import minigrad
    >>> minigrad.linalg.eigvals(minigrad.tensor([[2.0, 0.0], [0.0, 1.0]])).real
    tensor([2., 1.])
    """
    return eigenvalues(_checked("linalg.eigvals", A))
