"""Rounding, and division with a remainder. Integers stay what they are; the gradient of a rounded number is 0."""

import numpy as np

from ..errors import UnsupportedError, describe
from ..op import E, S, function, op
from ..quick import operator, reflected
from ..tensor import Tensor
from .arithmetic import divide, highest_kind
from .samples import binary, binary_errors, normal, positive, quiet


def _no_gradient(xp, g):
    return xp.full_like(g, value=0.0)


def _uneven(r, *shape):
    """Numbers in (-4, 4) that are well away from whole numbers and from halves."""
    return np.asarray(r.integers(-4, 4, shape) + r.choice([0.2, 0.3, 0.7, 0.8], shape))


def _steps(r):
    return [
        S(_uneven(r, 3, 4)),
        S(_uneven(r)),
        S(_uneven(r, 2, 0)),
        S(np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, np.inf, np.nan]), grad=False),
        S(np.array([3, -4])),
    ]


def _rounding(names, formula, onnx, reference):
    return op(
        kind="elementwise",
        names=names,
        vjp=(_no_gradient,),
        formula=formula,
        derivative=r"\bar x = 0",
        onnx=onnx,
        samples=_steps,
        reference=reference,
    )


@_rounding("floor", r"y = \lfloor x \rfloor", "Floor", np.floor)
def floor(xp, x):
    """The largest whole number that is not above each element.

    >>> import minigrad
    >>> minigrad.floor(minigrad.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return xp.floor(x)


@_rounding("ceil", r"y = \lceil x \rceil", "Ceil", np.ceil)
def ceil(xp, x):
    """The smallest whole number that is not below each element.

    >>> import minigrad
    >>> minigrad.ceil(minigrad.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return xp.ceil(x)


@_rounding("trunc fix", r"y = \mathrm{sign}(x) \lfloor |x| \rfloor", None, np.trunc)
def trunc(xp, x):
    """Each element without its fractional part.

    >>> import minigrad
    >>> minigrad.trunc(minigrad.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return xp.trunc(x)


@_rounding("", r"y = \lfloor x \rceil", "Round", np.round)
def round_(xp, x):
    """The nearest whole number, the even one of two that are equally near."""
    return xp.round(x)


@function(
    "round",
    spaces="torch Tensor special",
    inplace=True,
    formula=r"y = 10^{-d} \lfloor 10^d x \rceil",
    derivative=r"\bar x = 0",
    samples=lambda r: [*_steps(r), S(_uneven(r, 3, 4) / 10, decimals=1), S(_uneven(r, 3, 4) * 10, decimals=-1)],
    errors=lambda r: [E(RuntimeError, "decimals", np.array([1, 2]), decimals=1)],
    reference=lambda x, decimals=0: np.round(x, decimals),
)
def _round(input, *, decimals=0):
    """The nearest whole number, the even one of two that are equally near; or the nearest with ``decimals`` decimals.

    Args:
        input: tensor of any real dtype and shape.
        decimals: how many digits to keep after the point; negative ones round to tens, hundreds ...

    Raises:
        RuntimeError: for an integer tensor with ``decimals`` other than 0.

    >>> import minigrad
    >>> minigrad.round(minigrad.tensor([0.5, 1.5, -2.7]))
    tensor([ 0.,  2., -3.])
    >>> minigrad.round(minigrad.tensor([1.2345]), decimals=2)
    tensor([1.2300])
    """
    if decimals == 0:
        return round_(input)
    if not input.is_floating_point():
        raise RuntimeError(
            f"round: an integer tensor has no decimals, got decimals={decimals} for {describe(input)}; convert it with .float()"
        )
    scale = 10.0 ** abs(decimals)
    return round_(input * scale) / scale if decimals > 0 else round_(input / scale) * scale


@function(
    "frac",
    samples=lambda r: [S(_uneven(r, 3, 4)), S(_uneven(r)), S(np.array([-2.5, 2.0]), grad=False)],
    inplace=True,
    errors=lambda r: [E(RuntimeError, "frac", np.array([1, 2]))],
    formula=r"y = x - \mathrm{trunc}(x)",
    derivative=r"\bar x = \bar y",
    reference=lambda x: x - np.trunc(x),
)
def frac(input):
    """The fractional part of each element, with its sign. RuntimeError for an integer tensor.

    >>> import minigrad
    >>> minigrad.frac(minigrad.tensor([-1.5, 2.25]))
    tensor([-0.5000,  0.2500])
    """
    if not input.is_floating_point():
        raise UnsupportedError(
            f"frac: not implemented for integers, which have no fractional part: got {describe(input)}; convert it with .float()"
        )
    return input - trunc(input)


# --------------------------------------------------------------------------------------------------- division with a remainder
def _divisions(r):
    """Quotients away from whole numbers, where the derivative jumps."""
    return [
        S(normal(r, 3, 4) * 3, positive(r, 4)),
        S(normal(r, 2, 1, 3), -positive(r, 2, 1)),
        S(normal(r, 3, 4) * 3, 0.7),
        S(3.3, positive(r, 4), grad=False),
        S(np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])),
        S(np.array([7.0, -7.0, np.inf, np.nan, 1.0]), np.array([2.0, 2.0, 2.0, 2.0, np.inf]), grad=False),
        S(normal(r, 0, 2), 2.0),
    ]


@op(
    kind="elementwise",
    names="floor_divide",
    formula=r"y = \lfloor a / b \rfloor",
    samples=_divisions,
    no_bool="all",
    errors=binary_errors,
    reference=quiet(np.floor_divide),
)
def floor_divide(xp, a, b):
    """The quotient rounded down, as Python's ``//``. Without gradient.

    Args:
        input, other: tensors that broadcast, or a tensor and a number.

    Raises:
        RuntimeError: for integers divided by 0.

    >>> import minigrad
    >>> minigrad.floor_divide(minigrad.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return xp.floor_divide(a, b)


@op(
    kind="elementwise",
    names="remainder",
    vjp=(lambda xp, g: g, lambda xp, g, a, b: -g * xp.floor_divide(a, b)),
    formula=r"y = a - b \lfloor a / b \rfloor",
    derivative=r"\bar a = \bar y, \quad \bar b = -\bar y \lfloor a / b \rfloor",
    onnx="Mod",
    samples=_divisions,
    no_bool="all",
    errors=binary_errors,
    reference=quiet(np.remainder),
)
def remainder(xp, a, b):
    """What division leaves over, with the sign of ``other``, as Python's ``%``.

    Raises:
        RuntimeError: for integers divided by 0.

    >>> import minigrad
    >>> minigrad.remainder(minigrad.tensor([7, -7]), 3)
    tensor([1, 2])
    """
    return xp.remainder(a, b)


@op(
    kind="elementwise",
    vjp=(lambda xp, g: g, lambda xp, g, a, b: -g * xp.trunc(a / b)),
    formula=r"y = a - b\,\mathrm{trunc}(a / b)",
    derivative=r"\bar a = \bar y, \quad \bar b = -\bar y\,\mathrm{trunc}(a / b)",
    onnx="Mod",
    samples=lambda r: [s for s in _divisions(r) if not isinstance(s.args[0], float)],
    no_bool="all",
    errors=lambda r: [*binary_errors(r), E(TypeError, "must be Tensor", 2, normal(r, 3))],
    tensors=1,
    reference=quiet(np.fmod),
)
def fmod(xp, a, b):
    """What division leaves over, with the sign of ``input``, as C's ``fmod``.

    Raises:
        RuntimeError: for integers divided by 0.

    >>> import minigrad
    >>> minigrad.fmod(minigrad.tensor([7, -7]), 3)
    tensor([ 1, -1])
    """
    return xp.fmod(a, b)


@op(
    kind="elementwise",
    names="",
    vjp=(_no_gradient, _no_gradient),
    no_bool="all",
    formula=r"y = \lfloor a / b \rfloor \text{ or } \mathrm{trunc}(a / b)",
    derivative=r"\bar a = \bar b = 0",
    samples=lambda r: [
        S(normal(r, 3, 4), positive(r, 4), rounding="floor"),
        S(normal(r, 3, 4), positive(r, 4), rounding="trunc"),
        S(np.array([-7.0, 7.0, -1.0]), np.array([2.0, 2.0, 4.0]), rounding="trunc", grad=False),
        S(np.array([7, -7]), np.array([2, 2]), rounding="whole"),
    ],
    reference=lambda a, b, rounding: (np.floor if rounding == "floor" else np.trunc)(a / b),
)
def quotient(xp, a, b, *, rounding):
    """The quotient rounded: "floor", "trunc" towards zero, or "whole", which is trunc for integers of any size."""
    if rounding == "floor":
        return xp.floor_divide(a, b)
    if rounding == "trunc":
        return xp.trunc(xp.divide(a, b))
    return xp.floor_divide(xp.subtract(a, xp.fmod(a, b)), b)


@function(
    "div divide true_divide",
    samples=lambda r: [
        *binary(draw_b=positive)(r),
        S(normal(r, 3, 4), positive(r, 4), rounding_mode="floor", grad=False),
        S(normal(r, 3, 4), positive(r, 4), rounding_mode="trunc", grad=False),
        S(np.array([7, -7, 2**62 + 1]), 2, rounding_mode="trunc"),
        S(np.array([7, -7]), 2.5, rounding_mode="trunc"),
    ],
    errors=lambda r: [E(RuntimeError, "rounding_mode", normal(r, 3), 2.0, rounding_mode="up"), *binary_errors(r)],
    formula=r"y = a / b",
    derivative=r"\bar a = \bar y / b, \quad \bar b = -\bar y\,y / b",
    reference=lambda a, b, rounding_mode=None: (
        a / b
        if rounding_mode is None
        else (
            a // b
            if rounding_mode == "floor"
            else np.trunc(a / b)
            if np.result_type(a, b).kind == "f"
            else (a - np.fmod(a, b)) // b
        )
    ),
    inplace=True,
)
def _div(input, other, *, rounding_mode=None):
    """``input / other``, element by element; two integer tensors give floats.

    Args:
        input, other: tensors that broadcast, or a tensor and a number.
        rounding_mode: None, ``"trunc"`` (towards zero) or ``"floor"``; with either, integers stay integers.

    >>> import minigrad
    >>> minigrad.div(minigrad.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return divide(input, other)
    if rounding_mode == "trunc" and highest_kind(input, other) < 2:
        return quotient(input, other, rounding="whole")
    if rounding_mode in ("floor", "trunc"):
        return quotient(input, other, rounding=rounding_mode)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}")


def _round_method(self, ndigits=None):
    return _round(self, decimals=ndigits or 0)


def _divmod(self, other):
    return floor_divide(self, other), remainder(self, other)


Tensor.__mod__, Tensor.__rmod__ = operator(remainder), reflected(remainder)
Tensor.__floordiv__, Tensor.__rfloordiv__ = operator(floor_divide), reflected(floor_divide)
Tensor.__imod__, Tensor.__ifloordiv__ = operator(Tensor.remainder_), operator(Tensor.floor_divide_)
Tensor.__round__, Tensor.__divmod__ = _round_method, _divmod
Tensor.__itruediv__ = operator(Tensor.div_)
