"""Variances and norms."""

import math

import numpy as np

from ..errors import ShapeError, describe
from ..op import E, S, faces, function, op
from .reduction import count, lost_axes, mean, mean_of, share, spread
from .samples import dim_errors, normal, reduce


# ----------------------------------------------------------------------------------------------------------------- variances
def _divisor(shape, axis, correction):
    """1 / (n - correction), and infinite without any degree of freedom: the variance of one element is NaN."""
    free = count(shape, axis) - correction
    return 1.0 / free if free > 0 else math.inf


def _centred(xp, x, axis):
    return x - mean_of(xp, x, axis, True)


def _var_rule(xp, g, x, axis, keepdims, correction):
    return spread(xp, g, x.shape, axis, keepdims) * _centred(xp, x, axis) * (2.0 * _divisor(x.shape, axis, correction))


@op(
    names="",
    vjp=(_var_rule,),
    formula=r"y = \frac{1}{n - c} \sum_i (x_i - \bar x)^2",
    derivative=r"\bar x_i = \bar y\,\frac{2 (x_i - \bar x)}{n - c}",
    samples=lambda r: [S(normal(r, 3, 4), axis=1, keepdims=False, correction=1)],
)
def var(xp, x, *, axis, keepdims, correction):
    """The variance over ``axis``."""
    return xp.sum(xp.square(_centred(xp, x, axis)), axis=axis, keepdims=keepdims) * _divisor(x.shape, axis, correction)


def _std_rule(xp, g, y, x, axis, keepdims, correction):
    """The slope is 0 where all elements are equal, as in PyTorch."""
    flat = xp.equal(y, 0)
    slope = xp.where(flat, 0.0, g / xp.where(flat, 1.0, y))
    return spread(xp, slope, x.shape, axis, keepdims) * _centred(xp, x, axis) * _divisor(x.shape, axis, correction)


@op(
    names="",
    vjp=(_std_rule,),
    formula=r"y = \sqrt{\frac{1}{n - c} \sum_i (x_i - \bar x)^2}",
    derivative=r"\bar x_i = \bar y\,\frac{x_i - \bar x}{(n - c)\,y}",
    samples=lambda r: [S(normal(r, 3, 4), axis=1, keepdims=False, correction=1)],
)
def std(xp, x, *, axis, keepdims, correction):
    """The standard deviation over ``axis``."""
    return xp.sqrt(xp.var(x, axis=axis, keepdims=keepdims, correction=correction))


def _spread_samples(r):
    return [
        *reduce()(r)[:-1],
        S(normal(r, 3, 4), 1, False),
        S(normal(r, 3, 4), 0, True, True),
        S(normal(r, 3, 4), False),
        S(normal(r, 3, 4), dim=(0, 1), correction=0),
        S(normal(r, 3, 4), dim=1, correction=1.5, keepdim=True),
        S(normal(r, 3, 4), dim=None, unbiased=False),
        S(normal(r, 1), grad=False),
        S(normal(r, 0), grad=False),
        S(np.full((2, 3), 2.0), dim=1, grad=False),
    ]


def _spread_errors(r):
    return [*dim_errors(r), E(RuntimeError, "only support floating point", np.array([1, 2]))]


def _spread_reference(reference):
    def call(x, dim=None, unbiased=None, keepdim=False, correction=1):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        correction = correction if unbiased is None else int(unbiased)
        if count(x.shape, dim) - correction <= 0:
            return np.full(np.sum(x, axis=dim, keepdims=keepdim).shape, np.nan)
        return reference(x, axis=dim, keepdims=keepdim, ddof=correction)

    return call


def _spread(name, calculate, input, dim, unbiased, keepdim, correction, axis, keepdims):
    """PyTorch's and NumPy's ways to say which dimensions and which correction."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dim = dim if axis is None else axis
    if unbiased is not None and correction is not None:
        raise RuntimeError(f"{name}: give either unbiased or correction, not both")
    correction = int(unbiased) if unbiased is not None else 1 if correction is None else correction
    if not input.is_floating_point():
        raise RuntimeError(
            f"{name}: std and var only support floating point and complex dtypes, got {describe(input)}; convert it with .float()"
        )
    params = {
        "axis": tuple(dim) or None if isinstance(dim, list | tuple) else dim,
        "keepdims": bool(keepdim if keepdims is None else keepdims),
        "correction": correction,
    }
    return calculate(input, **params)


@function(
    "var",
    samples=_spread_samples,
    errors=_spread_errors,
    formula=r"y = \frac{1}{n - c} \sum_i (x_i - \bar x)^2",
    derivative=r"\bar x_i = \bar y\,\frac{2 (x_i - \bar x)}{n - c}",
    reference=_spread_reference(np.var),
)
def _var(input, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None, keepdims=None):
    """The variance over ``dim`` (an int, a tuple, or None for everything); NaN of a single element.

    Args:
        input: float tensor of any shape.
        dim: dimensions to reduce. ``var(input, unbiased)`` with a bool in its place works too.
        unbiased: True for a divisor of n - 1 (the default), False for n.
        keepdim: keep the reduced dimensions with size 1.
        correction: what to take from n in the divisor, 1 by default; the newer way to say ``unbiased``.

    Raises:
        RuntimeError: for an integer tensor.

    >>> import minigrad
    >>> minigrad.var(minigrad.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(1.6667)
    """
    return _spread("var", var, input, dim, unbiased, keepdim, correction, axis, keepdims)


@function(
    "std",
    samples=_spread_samples,
    errors=_spread_errors,
    formula=r"y = \sqrt{\frac{1}{n - c} \sum_i (x_i - \bar x)^2}",
    derivative=r"\bar x_i = \bar y\,\frac{x_i - \bar x}{(n - c)\,y}",
    reference=_spread_reference(np.std),
)
def _std(input, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None, keepdims=None):
    """The standard deviation over ``dim``: the root of :func:`minigrad.var`. Its gradient is 0 where all elements are equal.

    Args:
        input: float tensor of any shape.
        dim: dimensions to reduce. ``std(input, unbiased)`` with a bool in its place works too.
        unbiased: True for a divisor of n - 1 (the default), False for n.
        keepdim: keep the reduced dimensions with size 1.
        correction: what to take from n in the divisor, 1 by default; the newer way to say ``unbiased``.

    Raises:
        RuntimeError: for an integer tensor.

    >>> import minigrad
    >>> minigrad.std(minigrad.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(1.2910)
    """
    return _spread("std", std, input, dim, unbiased, keepdim, correction, axis, keepdims)


def _with_mean(reference):
    def call(x, dim=None, unbiased=None, keepdim=False, correction=1):
        over = None if isinstance(dim, bool) else dim
        n = count(x.shape, over)
        average = np.sum(x, axis=over, keepdims=keepdim) / (n or np.nan)
        return _spread_reference(reference)(x, dim, unbiased, keepdim, correction), average

    return call


@function(
    "var_mean",
    spaces="torch",
    samples=_spread_samples,
    errors=_spread_errors,
    formula=r"y = (\mathrm{var}(x), \bar x)",
    derivative=r"\text{the sum of both}",
    reference=_with_mean(np.var),
)
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None, keepdims=None):
    """The variance and the mean over ``dim``, as a pair. See :func:`minigrad.var`.

    >>> import minigrad
    >>> minigrad.var_mean(minigrad.tensor([1.0, 3.0]))
    (tensor(2.), tensor(2.))
    """
    first = _var(input, dim, unbiased, keepdim, correction=correction, axis=axis, keepdims=keepdims)
    return first, mean(input, None if isinstance(dim, bool) else dim, keepdim, axis=axis, keepdims=keepdims)


@function(
    "std_mean",
    spaces="torch",
    samples=_spread_samples,
    errors=_spread_errors,
    formula=r"y = (\mathrm{std}(x), \bar x)",
    derivative=r"\text{the sum of both}",
    reference=_with_mean(np.std),
)
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None, keepdims=None):
    """The standard deviation and the mean over ``dim``, as a pair. See :func:`minigrad.std`.

    >>> import minigrad
    >>> minigrad.std_mean(minigrad.tensor([1.0, 3.0]))
    (tensor(1.4142), tensor(2.))
    """
    first = _std(input, dim, unbiased, keepdim, correction=correction, axis=axis, keepdims=keepdims)
    return first, mean(input, None if isinstance(dim, bool) else dim, keepdim, axis=axis, keepdims=keepdims)


# --------------------------------------------------------------------------------------------------------------------- norms
def _scaled(xp, g, y, power):
    """``g / y ** power``, and 0 where the norm is 0: there its slope is taken as 0."""
    zero = xp.equal(y, 0)
    return xp.where(zero, 0.0, g / xp.power(xp.where(zero, 1.0, y), power))


def _norm_rule(xp, g, y, x, p, axis, keepdims):
    shape = x.shape
    if p == 0:
        return xp.full_like(x, value=0.0)
    if p == 1:
        return spread(xp, g, shape, axis, keepdims) * xp.sign(x)
    if p == 2:
        return spread(xp, _scaled(xp, g, y, 1), shape, axis, keepdims) * x
    if abs(p) == math.inf:
        return share(xp, g, y, xp.abs(x), axis, keepdims) * xp.sign(x)
    zero = xp.equal(x, 0)  # there the slope is 0, or infinite for p < 1, where PyTorch takes 0
    powers = xp.sign(x) * xp.power(xp.where(zero, 1.0, xp.abs(x)), p - 1)
    return spread(xp, _scaled(xp, g, y, p - 1), shape, axis, keepdims) * powers


@op(
    names="",
    vjp=(_norm_rule,),
    formula=r"y = \left(\sum_i |x_i|^p\right)^{1/p}",
    derivative=r"\bar x_i = \bar y\,\mathrm{sign}(x_i) (|x_i| / y)^{p-1}",
    samples=lambda r: [S(normal(r, 3, 4), p=2.0, axis=1, keepdims=False)],
)
def p_norm(xp, x, *, p, axis, keepdims):
    """The p-norm over ``axis``: p is any number, inf and -inf too, and 0 counts what is not 0."""
    if p == 0:
        return xp.sum(xp.astype(xp.not_equal(x, 0), dtype=x.dtype), axis=axis, keepdims=keepdims)
    if p == 1:
        return xp.sum(xp.abs(x), axis=axis, keepdims=keepdims)
    if p == 2:
        return xp.sqrt(xp.sum(xp.square(x), axis=axis, keepdims=keepdims))
    if p == math.inf:
        return xp.max(xp.abs(x), axis=axis, keepdims=keepdims)
    if p == -math.inf:
        return xp.min(xp.abs(x), axis=axis, keepdims=keepdims)
    return xp.power(xp.sum(xp.power(xp.abs(x), p), axis=axis, keepdims=keepdims), 1 / p)


def _vector(name, x, p, dim, keepdim, dtype):
    if not x.is_floating_point():
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {describe(x)}; convert it with .float()"
        )
    if isinstance(dim, list | tuple):
        dim = tuple(dim) or None
    if count(x.array.shape, dim) == 0 and x.array.ndim and (p < 0 or p == math.inf):
        raise RuntimeError(
            f"{name} cannot compute the {p} norm on an empty tensor because the operation does not have an identity"
        )
    return p_norm(x if dtype is None else x.to(dtype), p=float(p), axis=dim, keepdims=bool(keepdim))


def _matrix(name, x, kind, dim, keepdim, dtype):
    """A norm of the matrices in two dimensions: 'fro', 'nuc', 1, 2, inf and their negatives."""
    ndim = x.array.ndim
    dim = tuple(dim)
    if len(dim) != 2 or ndim < 2:
        raise ShapeError(f"{name}: dim must be a 2-tuple of a tensor with two or more dimensions, got {dim} for {describe(x)}")
    if kind == "fro":
        return _vector(name, x, 2, dim, keepdim, dtype)
    x = x if dtype is None else x.to(dtype)
    row, column = lost_axes(dim, ndim)
    if kind in ("nuc", 2, -2):
        s = faces["linalg.svdvals"].call(x.movedim((row, column), (-2, -1)))
        y = s.sum(-1) if kind == "nuc" else s.amax(-1) if kind == 2 else s.amin(-1)
        return y.reshape([1 if i in (row, column) else n for i, n in enumerate(x.array.shape)]) if keepdim else y
    if kind not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"{name}: Order {kind!r} not supported; it must be one of 'fro', 'nuc', inf, -inf, 1, -1, 2, -2")
    added, chosen = (row, column) if abs(kind) == 1 else (column, row)
    sums = x.abs().sum(added, keepdim=True)
    y = sums.amax(chosen, keepdim=True) if kind > 0 else sums.amin(chosen, keepdim=True)
    return y if keepdim else y.squeeze(dim)


def _norm_samples(r):
    x = normal(r, 3, 4)
    zeros = np.array([[0.0, 0.0], [3.0, 0.0]])
    return [
        S(x),
        S(x, "fro", dim=1),
        S(x, 1),
        S(x, 2, 1, True),
        S(x, 3, dim=0),
        S(x, 1.5, dim=(0, 1)),
        S(x, 0.5, dim=-1),
        S(x, 0),
        S(x, math.inf, dim=1),
        S(x, -math.inf),
        S(zeros, 2, dim=1, grad=False),
        S(zeros, 1.5, dim=1, grad=False),
        S(zeros, 0.5, dim=1, grad=False),
        S(x, dtype=np.dtype("float64")),
        S(normal(r)),
        S(normal(r, 0)),
    ]


def _p_norm_reference(x, p="fro", dim=None, keepdim=False, dtype=None):
    p = 2 if p == "fro" or p is None else p
    a = np.abs(x).astype(dtype or x.dtype)
    if math.isinf(p):
        return (np.max if p > 0 else np.min)(a, axis=dim, keepdims=keepdim)
    if p == 0:
        return np.sum(a != 0, axis=dim, keepdims=keepdim).astype(a.dtype)
    return np.sum(a**p, axis=dim, keepdims=keepdim) ** (1 / p)


def _norm_errors(r):
    return [*dim_errors(r), E(RuntimeError, "Expected a floating point", np.array([1, 2]))]


@function(
    "norm",
    samples=_norm_samples,
    errors=_norm_errors,
    formula=r"y = \left(\sum_i |x_i|^p\right)^{1/p}",
    derivative=r"\bar x_i = \bar y\,\mathrm{sign}(x_i) (|x_i| / y)^{p-1}",
    reference=_p_norm_reference,
)
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm over ``dim`` (an int, a tuple, or None for everything).

    Args:
        input: float tensor of any shape.
        p: 1, 2, inf, -inf, 0 (how many are not 0), any other number; ``"fro"`` is 2, ``"nuc"`` the sum of the singular values.
        dim: dimensions to reduce.
        keepdim: keep them with size 1.
        dtype: cast the input to this dtype first.

    Raises:
        RuntimeError: for an integer tensor.

    >>> import minigrad
    >>> minigrad.norm(minigrad.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if p == "nuc":
        return _matrix("norm", input, "nuc", tuple(range(input.array.ndim)) if dim is None else dim, keepdim, dtype)
    return _vector("norm", input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype)


@function(
    "vector_norm",
    spaces="linalg",
    samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 3, 4), 3.5, dim=1), S(normal(r, 3, 4), ord=math.inf, dim=0, keepdim=True)],
    errors=lambda r: [*_norm_errors(r), E(RuntimeError, "empty tensor", normal(r, 0), math.inf)],
    formula=r"y = \left(\sum_i |x_i|^p\right)^{1/p}",
    derivative=r"\bar x_i = \bar y\,\mathrm{sign}(x_i) (|x_i| / y)^{p-1}",
    reference=lambda x, ord=2, dim=None, keepdim=False: _p_norm_reference(x, ord, dim, keepdim),
)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The norm of vectors: the ``ord``-norm over ``dim``, or of all elements. See :func:`minigrad.norm`.

    >>> import minigrad
    >>> minigrad.linalg.vector_norm(minigrad.tensor([3.0, -4.0]), 1)
    tensor(7.)
    """
    return _vector("linalg.vector_norm", x, ord, dim, keepdim, dtype)


def _matrix_samples(r):
    x = normal(r, 2, 3, 4)
    return [
        S(x),
        *[S(x, o) for o in ("nuc", 1, -1, 2, -2, math.inf, -math.inf)],
        S(x, 1, dim=(0, 2), keepdim=True),
        S(x, math.inf, (2, 0)),
        S(x, "nuc", dim=(1, 0), keepdim=True),
    ]


def _matrix_reference(x, ord="fro", dim=(-2, -1), keepdim=False):
    return np.linalg.norm(x, ord, axis=dim, keepdims=keepdim)


@function(
    "matrix_norm",
    spaces="linalg",
    samples=_matrix_samples,
    reference=_matrix_reference,
    formula=r"y = \|X\|",
    derivative=r"\text{by its parts}",
    half=False,
    errors=lambda r: [E(RuntimeError, "not supported", normal(r, 2, 2), 3), E(RuntimeError, "2-tuple", normal(r, 2))],
)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of matrices.

    ``"fro"`` and ``"nuc"``; 1 and inf: the largest sum of a column, of a row; 2: the largest singular value; and the
    smallest for -1, -inf, -2.

    >>> import minigrad
    >>> minigrad.linalg.matrix_norm(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    return _matrix("linalg.matrix_norm", A, ord, dim, keepdim, dtype)


def _either_samples(r):
    x = normal(r, 3, 4)
    return [
        S(x),
        S(x, "fro"),
        S(x, 1),
        S(x, 1, dim=1),
        S(x, dim=0, keepdim=True),
        S(x[0], 3),
        S(normal(r, 2, 3, 4)),
        S(x, math.inf, (1, 0)),
        S(x, None, (0, 1)),
    ]


@function(
    "norm",
    spaces="linalg",
    samples=_either_samples,
    formula=r"y = \|x\|",
    derivative=r"\text{by its parts}",
    errors=lambda r: [E(RuntimeError, "must be 1-D or 2-D", normal(r, 2, 2, 2), 1)],
    reference=lambda A, ord=None, dim=None, keepdim=False: np.linalg.norm(
        A.reshape(-1) if ord is None and dim is None else A, ord, dim, keepdim
    ),
)
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector norm where ``dim`` is an int or ``A`` is 1-D, a matrix norm where there are two dimensions.

    Without ``ord``: the 2-norm of all elements over ``dim``.

    >>> import minigrad
    >>> minigrad.linalg.norm(minigrad.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if ord is None:
        return _vector("linalg.norm", A, 2, dim, keepdim, dtype)
    if dim is None:
        if A.array.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1-D or 2-D. Got {A.array.ndim}-D"
            )
        dim = tuple(range(A.array.ndim))
    if isinstance(dim, list | tuple) and len(dim) == 2:
        return _matrix("linalg.norm", A, ord, dim, keepdim, dtype)
    return _vector("linalg.norm", A, ord, dim, keepdim, dtype)


@function(
    "dist",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4)), S(normal(r, 3), normal(r, 3), 1)],
    formula=r"y = \|a - b\|_p",
    derivative=r"\bar a = -\bar b = \bar y\,\mathrm{sign}(a - b) (|a - b| / y)^{p-1}",
    errors=lambda r: [E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4))],
    reference=lambda a, b, p=2: np.linalg.norm((a - b).reshape(-1), p),
)
def dist(input, other, p=2):
    """The p-norm of the difference of two tensors.

    >>> import minigrad
    >>> minigrad.dist(minigrad.tensor([0.0, 3.0]), minigrad.tensor([4.0, 0.0]))
    tensor(5.)
    """
    return norm(input - other, p)
