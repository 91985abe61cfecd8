"""Functions of one element: signs, roots, choices, combinations; and casting."""

import numpy as np

from .. import backends
from ..dtype import category, common_dtype, get_default_dtype, of_numpy
from ..errors import DtypeError, describe, only_tensors
from ..op import E, S, function, op
from ..tensor import Tensor, wrap
from .samples import normal, pair_errors, positive, quiet, unary


def number_like(t, value):
    """A Python number as a 0-d Tensor beside ``t``, of its dtype unless the number is of a higher kind."""
    kind = get_default_dtype().dtype if isinstance(value, float) else np.dtype(bool if isinstance(value, bool) else np.int64)
    dtype = t.array.dtype if category(t.array.dtype) >= category(kind) else kind
    return wrap(backends.of(t.array).full(t.array, shape=(), value=value, dtype=dtype))


# ------------------------------------------------------------------------------------------------------------- signs, roots
@op(
    kind="elementwise",
    names="abs absolute",
    no_bool="all",
    vjp=(lambda xp, g, x: g * xp.sign(x),),
    formula=r"y = |x|",
    derivative=r"\bar x = \bar y\,\mathrm{sign}(x)",
    onnx="Abs",
    samples=lambda r: [*unary()(r), S(np.array([-1.0, 0.0, 2.0]), grad=False)],
    reference=np.abs,
)
def abs_(xp, x):
    """The absolute value of each element; its gradient at 0 is 0.

    >>> import minigrad
    >>> minigrad.abs(minigrad.tensor([-1, 2]))
    tensor([1, 2])
    """
    return xp.abs(x)


@op(
    kind="elementwise",
    names="sign sgn",
    formula=r"y = \mathrm{sign}(x)",
    derivative=r"\bar x = 0",
    onnx="Sign",
    vjp=(lambda xp, g: xp.full_like(g, value=0.0),),
    samples=lambda r: [*unary()(r), S(np.array([-1.0, 0.0, np.inf, np.nan]), grad=False)],
    reference=lambda x: np.where(np.isnan(x), 0.0, np.sign(x)),
)
def sign(xp, x):
    """-1, 0 or 1 by the sign of each element, 0 for NaN; the gradient is 0.

    >>> import minigrad
    >>> minigrad.sign(minigrad.tensor([-3.0, 0.0, 5.0]))
    tensor([-1.,  0.,  1.])
    """
    return xp.sign(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y: g / (y * 2.0),),
    formula=r"y = \sqrt{x}",
    derivative=r"\bar x = \bar y / 2y",
    onnx="Sqrt",
    samples=lambda r: [S(positive(r, 3, 4)), S(positive(r)), S(positive(r, 0)), S(np.array([-1.0, 0.0]), grad=False)],
    reference=quiet(np.sqrt),
)
def sqrt(xp, x):
    """The square root of each element, NaN below 0.

    >>> import minigrad
    >>> minigrad.sqrt(minigrad.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return xp.sqrt(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y: g * (y * y * y) * -0.5,),
    formula=r"y = 1 / \sqrt{x}",
    derivative=r"\bar x = -\bar y\,y^3 / 2",
    samples=lambda r: [S(positive(r, 3, 4)), S(positive(r)), S(positive(r, 0)), S(np.array([-1.0, 0.0]), grad=False)],
    reference=quiet(lambda x: np.sqrt(1 / x)),
)
def rsqrt(xp, x):
    """One over the square root of each element: infinite at 0, NaN below.

    >>> import minigrad
    >>> minigrad.rsqrt(minigrad.tensor([4.0, 0.25]))
    tensor([0.5000, 2.0000])
    """
    return 1.0 / xp.sqrt(x)


@op(
    kind="elementwise",
    vjp=(lambda xp, g, x: g * (x * 2.0),),
    formula=r"y = x^2",
    derivative=r"\bar x = 2 \bar y\,x",
    samples=unary(),
    reference=lambda x: x * x,
)
def square(xp, x):
    """The square of each element.

    >>> import minigrad
    >>> minigrad.square(minigrad.tensor([-3, 2]))
    tensor([9, 4])
    """
    return xp.square(x)


@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y: -g * (y * y),),
    formula=r"y = 1 / x",
    derivative=r"\bar x = -\bar y\,y^2",
    onnx="Reciprocal",
    samples=lambda r: [
        S(positive(r, 3, 4)),
        S(positive(r)),
        S(positive(r, 0)),
        S(-positive(r, 3)),
        S(np.array([0.0]), grad=False),
    ],
    reference=quiet(lambda x: 1 / x),
)
def reciprocal(xp, x):
    """One over each element; integers give floats.

    >>> import minigrad
    >>> minigrad.reciprocal(minigrad.tensor([2, 4]))
    tensor([0.5000, 0.2500])
    """
    return xp.reciprocal(x)


@function(
    "positive",
    samples=unary(),
    formula="y = x",
    derivative=r"\bar x = \bar y",
    reference=np.positive,
    errors=lambda r: [E(RuntimeError, "on a bool tensor is not supported", np.array([True]))],
)
def positive_(input):
    """``+input``: the tensor itself. RuntimeError for a bool tensor.

    >>> import minigrad
    >>> minigrad.positive(minigrad.tensor([1, -2]))
    tensor([ 1, -2])
    """
    if input.array.dtype == bool:
        raise DtypeError("The `+` operator, on a bool tensor is not supported; convert it with .int()")
    return input


# ------------------------------------------------------------------------------------------------------------------ casting
@op(
    kind="cast",
    names="",
    vjp=(lambda xp, g, x_dtype: xp.astype(g, dtype=x_dtype),),
    formula=r"y = x",
    derivative=r"\bar x = \bar y",
    onnx="Cast",
    samples=lambda r: [S(normal(r, 3, 4), dtype=np.dtype("float64")), S(normal(r, 3), dtype=np.dtype("float32"), grad=False)],
)
def astype(xp, x, *, dtype):
    """``x`` in another dtype (a NumPy dtype)."""
    return xp.astype(x, dtype=dtype)


@op(kind="other", names="", samples=lambda r: [S(normal(r, 3), value=2.0)])
def full_like(xp, x, *, value):
    """A new array like ``x``, filled with ``value``."""
    return xp.full_like(x, value=value)


# ------------------------------------------------------------------------------------------------------------------- choices
@op(
    kind="elementwise",
    promote=(1, 2),
    names="",
    vjp=(None, lambda xp, g, c: xp.where(c, g, 0.0), lambda xp, g, c: xp.where(c, 0.0, g)),
    formula=r"y = a \text{ if } c \text{ else } b",
    derivative=r"\bar a = \bar y\,[c], \quad \bar b = \bar y\,[\neg c]",
    onnx="Where",
    samples=lambda r: [
        S(r.random((3, 4)) > 0.5, normal(r, 3, 4), normal(r, 4)),
        S(r.random((3, 4)) > 0.5, normal(r, 3, 4), 0.0),
        S(r.random((3, 1)) > 0.5, 1.5, normal(r, 4)),
    ],
    reference=np.where,
    inplace=False,
)
def where(xp, c, a, b):
    """``a`` where the condition holds, else ``b``."""
    return xp.where(c, a, b)


def _where_samples(r):
    c = r.random((3, 4)) > 0.5
    return [
        S(c, normal(r, 3, 4), normal(r, 4)),
        S(c, normal(r, 3, 4), 0.0),
        S(c, 1.5, normal(r, 2, 1, 4)),
        S(c, 1.0, 0.0),
        S(c, 1, 0),
        S(np.array(True), normal(r, 3), normal(r, 3)),
    ]


@function(
    "where",
    spaces="torch",
    samples=_where_samples,
    formula=r"y = a \text{ if } c \text{ else } b",
    derivative=r"\bar a = \bar y\,[c], \quad \bar b = \bar y\,[\neg c]",
    reference=np.where,
    errors=lambda r: [
        E(RuntimeError, "expected condition to be a boolean tensor", normal(r, 3), normal(r, 3), 0.0),
        E(RuntimeError, "must match the size", np.array([True, False]), normal(r, 3), 0.0),
    ],
)
def _where(condition, input=None, other=None):
    """Elements of ``input`` where ``condition`` holds, of ``other`` elsewhere.

    With the condition alone: ``condition.nonzero(as_tuple=True)``.

    Args:
        condition: bool tensor.
        input, other: tensors or numbers; the three broadcast together.

    Raises:
        RuntimeError: for a condition that is not bool, or shapes that do not broadcast.

    >>> import minigrad
    >>> x = minigrad.tensor([-1.0, 2.0])
    >>> minigrad.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if isinstance(condition, Tensor) and condition.array.dtype != bool:
        if condition.array.dtype != np.uint8:
            raise DtypeError(
                f"where expected condition to be a boolean tensor, but got {describe(condition)}; compare it, as in x != 0"
            )
        condition = condition != 0
    if not isinstance(input, Tensor) and not isinstance(other, Tensor) and isinstance(condition, Tensor):
        input = number_like(condition, input)
    return where(condition, input, other)


def _where_method(self, condition, other):
    """``self`` where ``condition`` holds, else ``other``. See :func:`minigrad.where`.

    >>> import minigrad
    >>> x = minigrad.tensor([-1, 2])
    >>> x.where(x > 0, 0)
    tensor([0, 2])
    """
    return _where(condition, self, other)


def _heaviside_pairs(r):
    return [
        S(normal(r, 3, 4), normal(r, 4), grad=False),
        S(np.array([-2.0, 0.0, 3.0, 0.0]), np.array([0.5, 0.25, 0.5, 2.0]), grad=False),
        S(np.array([-2, 0, 3]), np.array(7)),
    ]


@op(
    kind="elementwise",
    names="",
    formula=r"y = [a > 0] + b\,[a = 0]",
    samples=_heaviside_pairs,
    inplace=False,
)
def heaviside(xp, a, b):
    """The step function, with ``b`` at 0."""
    return xp.where(xp.equal(a, 0), b, xp.astype(xp.greater(a, 0), dtype=a.dtype))


@function(
    "heaviside",
    samples=lambda r: [*_heaviside_pairs(r), S(np.array([0.0, 1.0]), values=np.array(0.5), grad=False)],
    errors=pair_errors,
    formula=r"y = [a > 0] + b\,[a = 0]",
    reference=lambda input, values: np.heaviside(input, values),
    inplace=True,
)
def _heaviside(input, values):
    """0 where ``input`` is negative, 1 where it is positive, ``values`` where it is 0. Without gradient.

    >>> import minigrad
    >>> minigrad.heaviside(minigrad.tensor([-1.5, 0.0, 2.0]), minigrad.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    for position, value in enumerate((input, values), 1):
        if not isinstance(value, Tensor):
            raise only_tensors("heaviside", value, position)
    if input.array.dtype != values.array.dtype:
        raise DtypeError(f"heaviside is not yet implemented for tensors with different dtypes: {input.dtype} and {values.dtype}")
    return heaviside(input, values)


# -------------------------------------------------------------------------------------------------------------- combinations
def _lerp_samples(r):
    return [
        S(normal(r, 3, 4), normal(r, 4), 0.3),
        S(normal(r, 3, 4), normal(r, 4), 0.8),
        S(normal(r, 3, 4), normal(r, 3, 4), r.random((3, 1))),
        S(normal(r, 3), normal(r, 3), 1.0),
        S(np.array([6e4]), np.array([1e-4]), 1.0, grad=False),  # either end is exact
        S(np.array([1e-4]), np.array([6e4]), 0.0, grad=False),
        S(np.array([6e4, 1e-4]), np.array([1e-4, 6e4]), np.array([1.0, 0.0]), grad=False),
    ]


@op(
    kind="elementwise",
    vjp=(
        lambda xp, g, weight: g * (1.0 - weight),
        lambda xp, g, weight: g * weight,
        lambda xp, g, x, end: g * (end - x),
    ),
    formula=r"y = x + w\,(e - x)",
    derivative=r"\bar x = \bar y\,(1 - w), \quad \bar e = \bar y\,w, \quad \bar w = \bar y\,(e - x)",
    names="",
    samples=_lerp_samples,
)
def lerp(xp, x, end, weight):
    """The point between ``x`` and ``end`` at ``weight``, by the way from the nearer end, which is met exactly."""
    step = end - x
    near_end = xp.greater_equal(xp.abs(weight), 0.5) if hasattr(weight, "dtype") else abs(weight) >= 0.5
    if near_end is True:
        return end - step * (1.0 - weight)
    if near_end is False:
        return x + step * weight
    return xp.where(near_end, end - step * (1.0 - weight), x + step * weight)


@function(
    "lerp",
    formula=r"y = x + w\,(e - x)",
    derivative=r"\bar x = \bar y\,(1 - w), \quad \bar e = \bar y\,w, \quad \bar w = \bar y\,(e - x)",
    samples=_lerp_samples,
    errors=lambda r: [
        E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4), 0.5),
        E(TypeError, "must be Tensor", normal(r, 3), 2.0, 0.5),
        E(NotImplementedError, "not implemented for", np.array([1, 2]), np.array([3, 4]), 0.5),
        E(RuntimeError, "expected dtype", normal(r, 2), np.array([3, 4]), 0.5),
    ],
    reference=lambda x, end, weight: (1 - weight) * x + weight * end,
    inplace=True,
)
def _lerp(input, end, weight):
    """The point between ``input`` and ``end`` at ``weight``: 0 gives ``input``, 1 gives exactly ``end``.

    Args:
        input, end: float tensors of one dtype that broadcast.
        weight: a number, or a tensor of the same dtype.

    Raises:
        RuntimeError: where the dtypes differ.

    >>> import minigrad
    >>> minigrad.lerp(minigrad.tensor([0.0, 10.0]), minigrad.tensor([4.0, 20.0]), 0.25)
    tensor([ 1.0000, 12.5000])
    """
    if not isinstance(end, Tensor):
        raise only_tensors("lerp", end, 2)
    for name, t in (("end", end), ("weight", weight)):
        if isinstance(t, Tensor) and t.array.dtype != input.array.dtype and (name == "end" or t.array.ndim):
            raise DtypeError(f"lerp: expected dtype {input.dtype} for `{name}` but got dtype {t.dtype}")
    if category(input.array.dtype) < 2:
        raise NotImplementedError(f'"lerp" not implemented for {input.dtype}; convert the tensors with .float()')
    return lerp(input, end, weight)


def _value_and_factors(name, args, value):
    """``(value, a, b)`` of addcmul and addcdiv: ``f(x, a, b, value=v)`` or, in the old form, ``f(x, v, a, b)``."""
    if len(args) == 3:
        value, *args = args
    for position, a in enumerate(args, 2):
        if not isinstance(a, Tensor):
            raise only_tensors(name, a, position)
    if len(args) != 2:
        raise TypeError(f"{name}() takes input, tensor1, tensor2 and value=, got {len(args) + 1} positional arguments")
    return value, *args


def _in_single(run, *tensors):
    """``run(*tensors)`` in the dtype that they promote to; half precision is computed in float32 and rounded once."""
    dtype = of_numpy[common_dtype([t.array.dtype for t in tensors if t.ndim], [t.array.dtype for t in tensors if not t.ndim], ())]
    if dtype.itemsize != 2 or not dtype.is_floating_point:
        return run(*[t.to(dtype) for t in tensors])
    return run(*[t.float() for t in tensors]).to(dtype)


_three = lambda r: [
    S(normal(r, 3, 4), normal(r, 4), positive(r, 3, 1)),
    S(normal(r, 3, 4), normal(r, 3, 4), positive(r, 3, 4), value=-0.5),
]


@function(
    "addcmul",
    samples=_three,
    inplace=True,
    formula=r"y = x + v\,a\,b",
    derivative=r"\bar x = \bar y, \quad \bar a = v\,\bar y\,b, \quad \bar b = v\,\bar y\,a",
    errors=lambda r: [E(TypeError, "takes input, tensor1, tensor2", normal(r, 3), normal(r, 3))],
    reference=lambda x, a, b, value=1: x + value * a * b,
)
def addcmul(input, *tensors, value=1, tensor1=None, tensor2=None):
    """``input + value * tensor1 * tensor2``, element by element.

    The old form ``addcmul(input, value, tensor1, tensor2)`` works too.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0])
    >>> minigrad.addcmul(x, x, x, value=0.5)
    tensor([1.5000, 4.0000])
    """
    named = tuple(t for t in (tensor1, tensor2) if t is not None)
    value, a, b = _value_and_factors("addcmul", tensors + named, value)
    if category(input.array.dtype) < 2 and category(a.array.dtype) < 2 and category(b.array.dtype) < 2:
        value = int(value)  # as in PyTorch, it takes the dtype of the result
    return _in_single(lambda x, a, b: x + a * b * value if value != 1 else x + a * b, input, a, b)


@function(
    "addcdiv",
    samples=_three,
    inplace=True,
    formula=r"y = x + v\,a / b",
    derivative=r"\bar x = \bar y, \quad \bar a = v\,\bar y / b, \quad \bar b = -v\,\bar y\,a / b^2",
    errors=lambda r: [E(RuntimeError, "Integer division", np.array([1]), np.array([1]), np.array([1]))],
    reference=lambda x, a, b, value=1: x + value * a / b,
)
def addcdiv(input, *tensors, value=1, tensor1=None, tensor2=None):
    """``input + value * tensor1 / tensor2``, element by element.

    The old form ``addcdiv(input, value, tensor1, tensor2)`` works too.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0])
    >>> minigrad.addcdiv(x, x, x, value=0.5)
    tensor([1.5000, 2.5000])
    """
    named = tuple(t for t in (tensor1, tensor2) if t is not None)
    value, a, b = _value_and_factors("addcdiv", tensors + named, value)
    if of_numpy[a.array.dtype].category < 2 and of_numpy[b.array.dtype].category < 2:
        raise RuntimeError(
            "addcdiv: Integer division with addcdiv is no longer supported; convert tensor1 or tensor2 with .float()"
        )
    return _in_single(lambda x, a, b: x + (a * value if value != 1 else a) / b, input, a, b)


Tensor.where = _where_method
Tensor.__abs__, Tensor.__pos__ = abs_, positive_
