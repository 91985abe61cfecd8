"""Variances, standard deviations and means."""

import math

import numpy as np

from ..errors import describe
from ..op import E, S, function, op
from .reduction import count, mean, mean_of, spread
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
