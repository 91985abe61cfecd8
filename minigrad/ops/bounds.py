"""Bounds: clamping, the larger and smaller of two, and putting numbers in the place of NaN and the infinities."""

import math

import numpy as np
from ml_dtypes import finfo

from ..dtype import element, of_numpy
from ..op import E, S, function, op
from ..tensor import Tensor
from .samples import binary, normal, pair_errors


def _inside(xp, x, low, high):
    """Where ``x`` lies between the bounds or on one: there the gradient passes."""
    if low is None:
        return xp.less_equal(x, high)
    if high is None:
        return xp.greater_equal(x, low)
    return xp.logical_and(xp.greater_equal(x, low), xp.less_equal(x, high))


def _clamp_dlow(xp, g, x, low, high):
    """The lower bound is the result where x is below it, and the upper bound is not below that."""
    below = xp.less(x, low) if high is None else xp.logical_and(xp.less(x, low), xp.less(low, high))
    return xp.where(below, g, 0.0)


def _clamp_dhigh(xp, g, x, low, high):
    above = xp.greater(x, high) if low is None else xp.logical_or(xp.greater(x, high), xp.less(high, low))
    return xp.where(above, g, 0.0)


@op(
    kind="elementwise",
    names="",
    promote=True,
    vjp=(lambda xp, g, x, low, high: xp.where(_inside(xp, x, low, high), g, 0.0), _clamp_dlow, _clamp_dhigh),
    formula=r"y = \min(\max(x, l), h)",
    derivative=r"\bar x = \bar y\,[l \le x \le h], \quad \bar l = \bar y\,[x < l], \quad \bar h = \bar y\,[x > h]",
    onnx="Clip",
    samples=lambda r: [S(normal(r, 3, 4), -0.5, 0.5), S(normal(r, 3), None, 0.0), S(normal(r, 2, 3), normal(r, 3), 1.0)],
    inplace=False,
)
def clamp_(xp, x, low=None, high=None):
    """``x`` held between two bounds, each a number, an array or None."""
    y = x if low is None else xp.maximum(x, low)
    return y if high is None else xp.minimum(y, high)


def _clamp_samples(r):
    x = normal(r, 3, 4)
    return [
        S(x, -0.5, 0.5),
        S(x, min=0.0),
        S(x, max=0.3),
        S(x, normal(r, 3, 1) - 1.0, normal(r, 4) + 1.0),
        S(x, min=normal(r, 4)),
        S(x, max=normal(r, 4)),
        S(x, normal(r, 4), normal(r, 4)),
        S(x, 0.5, -0.5),
        S(np.array([-1.0, 0.0, 1.0, np.nan]), -1.0, 1.0, grad=False),
        S(normal(r), -0.1, 0.1),
        S(normal(r, 0, 2), -0.1, 0.1),
    ]


def _clamp_reference(x, min=None, max=None):
    y = x if min is None else np.where(x < min, min, x)
    return y if max is None else np.where(y > max, max, y)


@function(
    "clamp clip",
    samples=_clamp_samples,
    reference=_clamp_reference,
    inplace=True,
    errors=lambda r: [
        E(RuntimeError, "At least one of 'min' or 'max' must not be None", normal(r, 3)),
        E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4)),
        E(TypeError, "two numbers or two tensors", normal(r, 3), normal(r, 3), 1.0),
    ],
    formula=r"y = \min(\max(x, l), h)",
    derivative=r"\bar x = \bar y\,[l \le x \le h], \quad \bar l = \bar y\,[x < l], \quad \bar h = \bar y\,[x > h]",
)
def clamp(input, min=None, max=None):
    """Each element held between ``min`` and ``max``; where ``min > max`` the result is ``max``. NaN stays NaN.

    Args:
        input: tensor of any real dtype and shape.
        min, max: a number, a tensor that broadcasts with ``input``, or None for no bound on that side.

    Returns:
        A tensor of the broadcast shape. The gradient is 1 inside and on the bounds, 0 outside.

    Raises:
        RuntimeError: where both bounds are None.

    >>> import minigrad
    >>> minigrad.clamp(minigrad.tensor([-2.0, 0.5, 3.0]), min=-1.0, max=1.0)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if min is not None and max is not None and isinstance(min, Tensor) != isinstance(max, Tensor):
        min, max = (b.item() if isinstance(b, Tensor) and not b.ndim and b.node is None else b for b in (min, max))
    if min is not None and max is not None and isinstance(min, Tensor) != isinstance(max, Tensor):
        raise TypeError("clamp() received an invalid combination of arguments: min and max are two numbers or two tensors")
    if input.array.dtype.kind in "iu" and float not in (
        type(min),
        type(max),
    ):  # a bound that its dtype cannot hold is an error, but for negative ones beside uint8
        min, max = (element(input.array.dtype, b) if b.__class__ is int else b for b in (min, max))
    return clamp_(input, min, max)


@function(
    "clamp_min",
    samples=lambda r: [S(normal(r, 3, 4), 0.1), S(normal(r, 3, 4), normal(r, 4))],
    inplace=True,
    reference=np.maximum,
    formula=r"y = \max(x, l)",
    derivative=r"\bar x = \bar y\,[x \ge l]",
)
def clamp_min(input, min):
    """Each element, but at least ``min``, a number or a tensor. See :func:`minigrad.clamp`.

    >>> import minigrad
    >>> minigrad.clamp_min(minigrad.tensor([-1, 2]), 0)
    tensor([0, 2])
    """
    return clamp_(input, min, None)


@function(
    "clamp_max",
    samples=lambda r: [S(normal(r, 3, 4), 0.1), S(normal(r, 3, 4), normal(r, 4))],
    inplace=True,
    reference=np.minimum,
    formula=r"y = \min(x, h)",
    derivative=r"\bar x = \bar y\,[x \le h]",
)
def clamp_max(input, max):
    """Each element, but at most ``max``, a number or a tensor. See :func:`minigrad.clamp`.

    >>> import minigrad
    >>> minigrad.clamp_max(minigrad.tensor([-1, 2]), 0)
    tensor([-1,  0])
    """
    return clamp_(input, None, max)


def _halves_at_ties(beaten):
    """The rule of maximum and minimum: all of the gradient to the winner, half to each of a tie."""

    def rule(xp, g, a, b):
        return xp.where(xp.equal(a, b), g * 0.5, xp.where(beaten(xp, a, b), 0.0, g))

    return rule


def _pairs_with_ties(r):
    tie = np.array([1.0, 2.0, 2.0, np.nan]), np.array([1.0, 3.0, np.nan, 1.0])
    pairs = [s for s in binary()(r) if not isinstance(s.args[1], float)]
    return [*pairs, S(*tie, grad=False)]


def _pairs_and_a_tie(r):
    return [*_pairs_with_ties(r), S(np.array([1.0, 2.0]), np.array([1.0, 2.0]), grad="first")]


@op(
    kind="elementwise",
    vjp=(_halves_at_ties(lambda xp, a, b: xp.less(a, b)), _halves_at_ties(lambda xp, a, b: xp.less(b, a))),
    formula=r"y = \max(a, b)",
    derivative=r"\bar a = \bar y\,([a > b] + \tfrac12 [a = b]), \quad \bar b = \bar y\,([b > a] + \tfrac12 [a = b])",
    onnx="Max",
    samples=_pairs_and_a_tie,
    errors=pair_errors,
    tensors=2,
    reference=np.maximum,
    inplace=False,
)
def maximum(xp, a, b):
    """The larger of two elements, NaN where either is NaN. Equal elements share the gradient half and half.

    >>> import minigrad
    >>> minigrad.maximum(minigrad.tensor([1, 5]), minigrad.tensor([4, 2]))
    tensor([4, 5])
    """
    return xp.maximum(a, b)


@op(
    kind="elementwise",
    vjp=(_halves_at_ties(lambda xp, a, b: xp.greater(a, b)), _halves_at_ties(lambda xp, a, b: xp.greater(b, a))),
    formula=r"y = \min(a, b)",
    derivative=r"\bar a = \bar y\,([a < b] + \tfrac12 [a = b]), \quad \bar b = \bar y\,([b < a] + \tfrac12 [a = b])",
    onnx="Min",
    samples=_pairs_and_a_tie,
    errors=pair_errors,
    tensors=2,
    reference=np.minimum,
    inplace=False,
)
def minimum(xp, a, b):
    """The smaller of two elements, NaN where either is NaN. Equal elements share the gradient half and half.

    >>> import minigrad
    >>> minigrad.minimum(minigrad.tensor([1, 5]), minigrad.tensor([4, 2]))
    tensor([1, 2])
    """
    return xp.minimum(a, b)


def _first_wins(wins):
    """Where the first argument is the result of fmax or fmin: it wins ties, and always against NaN."""
    return lambda xp, a, b: xp.logical_or(wins(xp, a, b), xp.isnan(b))


_fmax_first = _first_wins(lambda xp, a, b: xp.greater_equal(a, b))
_fmin_first = _first_wins(lambda xp, a, b: xp.less_equal(a, b))


@op(
    kind="elementwise",
    vjp=(
        lambda xp, g, a, b: xp.where(_fmax_first(xp, a, b), g, 0.0),
        lambda xp, g, a, b: xp.where(_fmax_first(xp, a, b), 0.0, g),
    ),
    formula=r"y = \max(a, b)",
    derivative=r"\bar a = \bar y\,[a \ge b], \quad \bar b = \bar y\,[a < b]",
    samples=_pairs_with_ties,
    errors=pair_errors,
    tensors=2,
    reference=np.fmax,
    inplace=False,
)
def fmax(xp, a, b):
    """The larger of two elements; a number wins over NaN.

    >>> import minigrad
    >>> minigrad.fmax(minigrad.tensor([1.0, float("nan")]), minigrad.tensor([4.0, 2.0]))
    tensor([4., 2.])
    """
    return xp.fmax(a, b)


@op(
    kind="elementwise",
    vjp=(
        lambda xp, g, a, b: xp.where(_fmin_first(xp, a, b), g, 0.0),
        lambda xp, g, a, b: xp.where(_fmin_first(xp, a, b), 0.0, g),
    ),
    formula=r"y = \min(a, b)",
    derivative=r"\bar a = \bar y\,[a \le b], \quad \bar b = \bar y\,[a > b]",
    samples=_pairs_with_ties,
    errors=pair_errors,
    tensors=2,
    reference=np.fmin,
    inplace=False,
)
def fmin(xp, a, b):
    """The smaller of two elements; a number wins over NaN.

    >>> import minigrad
    >>> minigrad.fmin(minigrad.tensor([1.0, float("nan")]), minigrad.tensor([4.0, 2.0]))
    tensor([1., 2.])
    """
    return xp.fmin(a, b)


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g, x: xp.where(xp.isfinite(x), g, 0.0),),
    formula=r"y = x \text{ where finite}",
    derivative=r"\bar x = \bar y\,[|x| < \infty]",
    samples=lambda r: [S(normal(r, 3, 4), nan=0.0, posinf=1.0, neginf=-1.0)],
    inplace=False,
)
def replace_nonfinite(xp, x, *, nan, posinf, neginf):
    """``x`` with NaN and the infinities replaced by three numbers."""
    y = xp.where(xp.isnan(x), nan, x)
    return xp.where(xp.equal(x, math.inf), posinf, xp.where(xp.equal(x, -math.inf), neginf, y))


@function(
    "nan_to_num",
    inplace=True,
    formula=r"y = x \text{ where finite}",
    derivative=r"\bar x = \bar y\,[|x| < \infty]",
    samples=lambda r: [
        S(np.array([1.0, np.nan, -2.0]), grad=False),
        S(np.array([1.0, np.nan, np.inf, -np.inf]), 3.0, 2.0, -2.0, grad=False),
        S(normal(r, 3, 4)),
        S(np.array([1, 2])),
    ],
    reference=lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
)
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """NaN becomes ``nan`` (0), infinities ``posinf`` and ``neginf`` (the largest and smallest number of the dtype).

    >>> import minigrad
    >>> minigrad.nan_to_num(minigrad.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    if of_numpy[input.array.dtype].category < 2:
        return input.clone()
    largest = float(finfo(input.array.dtype).max)
    return replace_nonfinite(
        input,
        nan=0.0 if nan is None else nan,
        posinf=largest if posinf is None else posinf,
        neginf=-largest if neginf is None else neginf,
    )
