"""Numbers and their parts: signs, mantissa and exponent, neighbours, common divisors, powers in double precision, sinc."""

import math

import numpy as np

from ..dtype import int16, of_numpy
from ..errors import DtypeError, UnsupportedError, only_tensors
from ..op import E, S, faces, function, op, return_type
from ..tensor import Tensor
from .arithmetic import power
from .samples import binary, binary_errors, normal, pair_errors, positive, quiet, unary


def _checked(name, kinds, input, other):
    """Two tensors, one of them of a dtype of these kinds at the least; PyTorch takes no numbers here."""
    for position, value in enumerate((input, other), 1):
        if not isinstance(value, Tensor):
            raise only_tensors(name, value, position)
    highest = max((input, other), key=lambda t: of_numpy[t.array.dtype].category)
    kind = "f" if highest.is_floating_point() else highest.array.dtype.kind
    if kind not in kinds:
        raise UnsupportedError(f'"{name}" not implemented for {highest.dtype}; convert the tensor with .to(dtype)')
    return input, other


# ------------------------------------------------------------------------------------------------------------------------ signs
@op(
    kind="elementwise",
    promote="float",
    vjp=(lambda xp, g, y, a: g * (xp.sign(a) * xp.sign(y)), lambda xp, g: xp.full_like(g, value=0.0)),
    formula=r"y = |a|\,\mathrm{sign}(b)",
    derivative=r"\bar a = \bar y\,\mathrm{sign}(a)\,\mathrm{sign}(b), \quad \bar b = 0",
    samples=lambda r: [*binary(scalar=-2.5)(r), S(np.array([1.0, -2.0, 0.0]), np.array([-0.0, 0.0, -1.0]), grad=False)],
    errors=lambda r: [*binary_errors(r), E(TypeError, "must be Tensor", 2.0, normal(r, 3))],
    reference=np.copysign,
    tensors=1,
)
def copysign(xp, a, b):
    """The magnitude of ``input`` with the sign of ``other``, of -0.0 too; integers give floats.

    >>> import minigrad
    >>> minigrad.copysign(minigrad.tensor([1.0, -2.0]), minigrad.tensor([-0.0, 3.0]))
    tensor([-1.,  2.])
    """
    return xp.copysign(a, b)


@op(
    kind="elementwise",
    formula=r"y = [x < 0 \text{ or } x = -0]",
    samples=lambda r: [*unary()(r), S(np.array([-0.0, 0.0, -np.inf])), S(np.array([-1, 2]))],
    reference=np.signbit,
    inplace=False,
)
def signbit(xp, x):
    """Whether the sign bit of each element is set: of negative numbers and -0.0.

    >>> import minigrad
    >>> minigrad.signbit(minigrad.tensor([-0.0, 0.0, -3.0]))
    tensor([ True, False,  True])
    """
    return xp.signbit(x)


# ----------------------------------------------------------------------------------------------------------- mantissa, exponent
@op(
    kind="elementwise",
    names="",
    outputs=2,
    vjp=(lambda xp, g, y1, x_dtype: g[0] / xp.exp2(xp.astype(y1, dtype=x_dtype)),),
    formula=r"x = m\,2^e, \quad \tfrac12 \le |m| < 1",
    derivative=r"\bar x = \bar m\,2^{-e}",
    samples=lambda r: [S(normal(r, 3, 4) * 10)],
    inplace=False,
)
def frexp(xp, x):
    """Mantissa and exponent."""
    return xp.frexp(x)


_MANTISSA_AND_EXPONENT = return_type("frexp", ("mantissa", "exponent"))


@function(
    "frexp",
    formula=r"x = m\,2^e, \quad \tfrac12 \le |m| < 1",
    derivative=r"\bar x = \bar m\,2^{-e}",
    samples=lambda r: [*unary(-20, 20)(r), S(np.array([0.0, 1.0, -8.0]), grad=False)],
    errors=lambda r: [E(RuntimeError, "only supports floating-point", np.array([1, 2]))],
    reference=np.frexp,
)
def _frexp(input):
    """Each element as ``mantissa * 2 ** exponent`` with the magnitude of the mantissa in [0.5, 1).

    Args:
        input: float tensor.

    Returns:
        A named tuple ``(mantissa, exponent)``; the exponent is int32.

    >>> import minigrad
    >>> minigrad.frexp(minigrad.tensor([1.0, -6.0]))
    minigrad.return_types.frexp(
    mantissa=tensor([ 0.5000, -0.7500]),
    exponent=tensor([1, 3], dtype=minigrad.int32))
    """
    if not input.is_floating_point():
        raise UnsupportedError(f"frexp() only supports floating-point dtypes, got {input.dtype}; convert it with .float()")
    return _MANTISSA_AND_EXPONENT(*frexp(input))


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(lambda xp, g, b: g * xp.exp2(b), lambda xp, g, y: g * y * math.log(2.0)),
    formula=r"y = a\,2^b",
    derivative=r"\bar a = \bar y\,2^b, \quad \bar b = \bar y\,y \ln 2",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4))],
)
def ldexp(xp, a, b):
    """``a * 2 ** b``."""
    return a * xp.exp2(b)


@function(
    "ldexp",
    inplace=True,
    formula=r"y = a\,2^b",
    derivative=r"\bar a = \bar y\,2^b, \quad \bar b = \bar y\,y \ln 2",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 4)),
        S(normal(r, 3), np.array([1, 2, 0])),
        S(normal(r, 2), np.array([-1, -2]), parity="in the gradient, PyTorch rounds 2 ** -1 of integers to 0"),
        S(normal(r, 0, 2), np.array([1, 2])),
    ],
    errors=pair_errors,
    reference=lambda a, b: a * 2.0**b,
)
def _ldexp(input, other):
    """``input * 2 ** other``; integers give floats.

    >>> import minigrad
    >>> minigrad.ldexp(minigrad.tensor([1.0, 3.0]), minigrad.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """
    input, other = _checked("ldexp", "biuf", input, other)
    if other.array.dtype == bool and input.is_floating_point():
        raise UnsupportedError('"ldexp" not implemented for a bool exponent; convert it with .int()')
    return ldexp(input, other)


@op(
    kind="elementwise",
    names="",
    vjp=(lambda xp, g, a, b: xp.where(xp.not_equal(a, b), g, 0.0), lambda xp, g: xp.full_like(g, value=0.0)),
    formula=r"y = a \text{ moved by one representable number towards } b",
    derivative=r"\bar a = \bar y, \quad \bar b = 0",
    samples=lambda r: [S(normal(r, 3, 4), normal(r, 4))],
    half=False,
)
def nextafter(xp, a, b):
    """The neighbour of ``a`` in the direction of ``b``."""
    return xp.nextafter(a, b)


@function(
    "nextafter",
    inplace=True,
    formula=r"y = a \text{ moved by one representable number towards } b",
    derivative=r"\bar a = \bar y, \quad \bar b = 0",
    samples=lambda r: [
        *[s for s in binary()(r) if not isinstance(s.args[1], float)],
        S(np.array([1.0, 0.0, 2.0, np.nan]), np.array([1.0, -1.0, np.inf, 0.0]), grad=False),
    ],
    errors=lambda r: [E(RuntimeError, "not implemented for", np.array([1]), np.array([2])), *pair_errors(r)],
    reference=np.nextafter,
    half=False,
)
def _nextafter(input, other):
    """The next number that the dtype can represent after ``input`` in the direction of ``other``.

    >>> import minigrad
    >>> minigrad.nextafter(minigrad.tensor([1.0]), minigrad.tensor([2.0])) - 1
    tensor([1.1921e-07])
    """
    a, b = _checked("nextafter", "f", input, other)
    dtype = faces["result_type"].call(a, b)
    a, b = a.to(dtype), b.to(dtype)
    if a.array.dtype.itemsize > 2 or b.array.dtype.itemsize > 2:
        return nextafter(a, b)
    return _next_half(a, b)


def _next_half(a, b):
    """By the bits of float16 and bfloat16, which grow with the magnitude, as whole numbers from -32768 to 32767."""
    bits = a.detach().contiguous().view(int16).int()
    place = bits.where(bits >= 0, -32768 - bits)  # -0 and 0 are one place; neighbours are one apart
    place = place + (b > a).int() - (b < a).int()
    moved = place.where(place >= 0, -32768 - place).to(int16).view(a.dtype)
    moved = moved.where(a != b, b.to(a.dtype))
    return moved.where(~(a.isnan() | b.isnan()), a + b)


# ------------------------------------------------------------------------------------------------------------- common divisors
def _integers(r):
    a, b = r.integers(-20, 20, (3, 4)), r.integers(1, 20, 4)
    return [S(a, b), S(a, a[:, :1]), S(np.array([0, 0, 5]), np.array([0, 7, 0])), S(a[:0], b)]


def _divisor(name, formula, reference):
    return function(
        name,
        inplace=True,
        formula=formula,
        samples=_integers,
        errors=lambda r: [
            E(RuntimeError, "not implemented for", normal(r, 3), normal(r, 3)),
            E(RuntimeError, "not implemented for", np.array([True]), np.array([True])),
            E(TypeError, "must be Tensor", np.array([1, 2]), 2),
            E(RuntimeError, "must match the size", np.array([1, 2]), np.array([1, 2, 3])),
        ],
        reference=reference,
    )


@op(kind="elementwise", names="", formula=r"y = \gcd(a, b)", samples=_integers)
def gcd(xp, a, b):
    """The greatest common divisor."""
    return xp.gcd(a, b)


@op(kind="elementwise", names="", formula=r"y = \mathrm{lcm}(a, b)", samples=_integers)
def lcm(xp, a, b):
    """The least common multiple."""
    return xp.lcm(a, b)


@_divisor("gcd", r"y = \gcd(a, b)", np.gcd)
def _gcd(input, other):
    """The greatest common divisor of two integers, not negative; 0 for two zeros.

    >>> import minigrad
    >>> minigrad.gcd(minigrad.tensor([12, -9]), minigrad.tensor([18, 6]))
    tensor([6, 3])
    """
    return gcd(*_checked("gcd", "iu", input, other))


@_divisor("lcm", r"y = \mathrm{lcm}(a, b)", np.lcm)
def _lcm(input, other):
    """The least common multiple of two integers, not negative; 0 where either is 0.

    >>> import minigrad
    >>> minigrad.lcm(minigrad.tensor([4, -9]), minigrad.tensor([6, 6]))
    tensor([12, 18])
    """
    return lcm(*_checked("lcm", "iu", input, other))


# ---------------------------------------------------------------------------------------------------------------------- powers
def _float_power_in_place(self, exponent):
    """In-place version of :func:`minigrad.float_power`, for float64 tensors only."""
    if self.array.dtype != np.float64:
        raise DtypeError(f"the base given to float_power_ has dtype {self.dtype}, but the result requires dtype Double (float64)")
    return self.pow_(exponent.double() if isinstance(exponent, Tensor) else float(exponent))


@function(
    "float_power",
    formula=r"y = a^b",
    derivative=r"\bar a = \bar y\,b\,a^{b-1}, \quad \bar b = \bar y\,y \ln a",
    samples=lambda r: [
        S(positive(r, 3, 4), normal(r, 4)),
        S(positive(r, 3), 2),
        S(2.0, normal(r, 3)),
        S(np.array([1, 2]), 2),
        S(normal(r, 0, 3), 2.5),
    ],
    errors=lambda r: [
        E(TypeError, "must be Tensor", 2.0, 3.0),
        E(RuntimeError, "must match the size", normal(r, 3), normal(r, 4)),
    ],
    reference=lambda a, b: np.float_power(a, b),
    half=False,
    parity=True,
)
def float_power(input, exponent):
    """``input`` to the power ``exponent``, computed in float64 whatever their dtypes are. Either may be a number.

    >>> import minigrad
    >>> minigrad.float_power(minigrad.tensor([1, 2, 3]), -1)
    tensor([1.0000, 0.5000, 0.3333], dtype=minigrad.float64)
    """
    return power(*[v.double() if isinstance(v, Tensor) else float(v) for v in (input, exponent)])


Tensor.float_power_ = _float_power_in_place


def _logaddexp2(xp, a, b):
    apart = xp.where(xp.equal(a, b), 0.0, xp.abs(a - b))  # two equal infinities are not apart
    return xp.maximum(a, b) + xp.log1p(xp.exp2(-apart)) * (1.0 / math.log(2.0))


@op(
    kind="elementwise",
    promote="float",
    vjp=(
        lambda xp, g, a, b: g * xp.sigmoid((a - b) * math.log(2.0)),
        lambda xp, g, a, b: g * xp.sigmoid((b - a) * math.log(2.0)),
    ),
    formula=r"y = \log_2(2^a + 2^b)",
    derivative=r"\bar a = \bar y\,\sigma((a - b) \ln 2), \quad \bar b = \bar y\,\sigma((b - a) \ln 2)",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 4)),
        S(normal(r, 3), normal(r)),
        S(normal(r, 3) * 100, normal(r, 2, 1) * 100),
        S(np.array([np.inf, -np.inf, np.nan]), np.array([np.inf, -np.inf, 0.0]), grad=False),
    ],
    errors=lambda r: [*pair_errors(r), E(RuntimeError, "not implemented for", np.array([1]), np.array([2]))],
    no_bool="integers",
    reference=quiet(np.logaddexp2),
    tensors=2,
    inplace=False,
)
def logaddexp2(xp, a, b):
    """``log2(2 ** input + 2 ** other)`` without overflow.

    >>> import minigrad
    >>> minigrad.logaddexp2(minigrad.tensor([0.0, 1000.0]), minigrad.tensor([0.0, 1000.0]))
    tensor([1.0000e+00, 1.0010e+03])
    """
    return _logaddexp2(xp, a, b)


# ------------------------------------------------------------------------------------------------------------------------ sinc
def _sinc_slope(xp, x):
    """d/dx sin(pi x) / (pi x); near 0, where its terms cancel, the start of its series."""
    near = xp.less(xp.abs(x), 0.02)
    z = xp.where(near, 1.0, x) * math.pi
    s = x * x * math.pi**2
    close = x * ((s / 10 - s * s / 280) - 1.0) * (math.pi**2 / 3)
    return xp.where(near, close, (xp.cos(z) * z - xp.sin(z)) / (z * z) * math.pi)


@op(
    kind="elementwise",
    spaces="torch Tensor special",
    promote="float",
    vjp=(lambda xp, g, x: g * _sinc_slope(xp, x),),
    formula=r"y = \frac{\sin \pi x}{\pi x}",
    derivative=r"\bar x = \bar y\,\frac{\pi x \cos \pi x - \sin \pi x}{\pi x^2}",
    samples=lambda r: [
        *unary()(r),
        S(np.array([0.018, -0.01])),
        S(np.array([0.0, 2e-4, 1.0, np.nan]), grad=False),
    ],
    reference=np.sinc,
)
def sinc(xp, x):
    """``sin(pi * x) / (pi * x)``, and 1 at 0.

    >>> import minigrad
    >>> minigrad.sinc(minigrad.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    zero = xp.equal(x, 0)
    z = xp.where(zero, 1.0, x) * math.pi
    return xp.where(zero, 1.0, xp.sin(z) / z)
