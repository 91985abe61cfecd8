"""How each elementwise word is written in a generated loop: one expression of the elements of its operands.

An operand comes in the dtype in which NumPy computes, so constants stand in that dtype and nothing is widened. No flag lets
the machine assume that there are no NaN or infinities. Values of 16 bits are float32 numbers in a loop, rounded where they
are computed (:mod:`minigrad.kernels.cpu.sixteen`).
"""

import functools
import importlib.util
import math

import numpy as np

from ..dtype import bfloat16, float16
from .ir import Instruction, uniform

# By the kind of the operands: real numbers and integers, floats only, truth values.
ARITHMETIC = dict(add="{} + {}", subtract="{} - {}", multiply="{} * {}", negative="-{}", abs="abs({})", square="{0} * {0}",
                  maximum="{0} if {0} > {1} else {1}", minimum="{0} if {0} < {1} else {1}", sign="sign({})",
                  relu="zero if {0} <= 0 else {0}")  # fmt: skip
FLOATS = dict(
    divide="{} / {}", power="{} ** {}", reciprocal="1 / {}", exp2="2 ** {}",
    sqrt="np.sqrt({})", sinh="math.sinh({})", cosh="math.cosh({})", asin="math.asin({})",
    acos="math.acos({})", atan="math.atan({})", asinh="math.asinh({})", acosh="math.acosh({})", atanh="math.atanh({})",
    atan2="math.atan2({}, {})", floor="np.floor({})", ceil="np.ceil({})", trunc="np.trunc({})", round="np.rint({})",
    maximum="largest({}, {})", minimum="smallest({}, {})", fmax="fmax({}, {})", fmin="fmin({}, {})",
    copysign="math.copysign({}, {})", hypot="math.hypot({}, {})", fmod="np.fmod({}, {})",
    erfc="math.erfc({})", lgamma="math.lgamma({})",
)  # fmt: skip
BY_FUNCTION = frozenset("exp expm1 log log1p log2 log10 tanh erf sin cos tan".split())  # polynomials of kernels/cpu
COMPARISONS = dict(greater="{} > {}", greater_equal="{} >= {}", less="{} < {}", less_equal="{} <= {}", equal="{} == {}",
                   not_equal="{} != {}", isnan="{0} != {0}", isinf="abs({}) == inf", isfinite="abs({}) < inf",
                   signbit="math.copysign(1, {}) < 0")  # fmt: skip
TRUTH = dict(logical_and="{} and {}", logical_or="{} or {}", logical_not="not {}", logical_xor="{} != {}")
BITS = dict(bitwise_and="{} and {}", bitwise_or="{} or {}", bitwise_xor="{} != {}", bitwise_invert="not {}")  # of truth values
WHOLE_BITS = dict(bitwise_and="{} & {}", bitwise_or="{} | {}", bitwise_xor="{} ^ {}", bitwise_invert="~{}")  # of integers
SHIFTS = dict(bitwise_left_shift="{} << {}", bitwise_right_shift="{} >> {}")  # by a number
DIVISIONS = dict(floor_divide="{} // {}", remainder="{} % {}", fmod="rest({}, {})")  # of integers by a number above 0
CONSTANTS = dict(zeros_like=0, ones_like=1, one=1)
SAME_VALUE = frozenset("astype copy contiguous alias keep".split())  # keep: a value that is to have memory

OF_INTEGERS = {**WHOLE_BITS, **SHIFTS, **DIVISIONS}

WHOLE = frozenset("sigmoid silu gelu gelu_tanh silu_dx gelu_dx gelu_tanh_dx".split())  # one function in a loop
ANGLES, FAR = frozenset(["sin", "cos", "tan"]), 3e9
SLOPES = {"silu_dx": "silu_slope", "gelu_dx": "gelu_slope", "gelu_tanh_dx": "gelu_tanh_slope"}

BOOL = np.dtype(bool)
_NAMES = dict(float32="f4", float64="f8", int64="i8", int32="i4", uint32="u4", uint64="u8", bool="b1", uint8="u1")
DTYPES = {np.dtype(d): name for d, name in _NAMES.items()}
BRAIN, HALF = bfloat16.dtype, float16.dtype
SIXTEEN = {HALF: "half", BRAIN: "brain"}  # how the names of their functions begin
_TYPES = {**DTYPES, HALF: "f4", BRAIN: "f4"}  # of a value in a loop
HELPERS = {
    "fmax": "def fmax(a, b):  # NaN loses\n    return a if a >= b or b != b else b",
    "fmin": "def fmin(a, b):  # NaN loses\n    return a if a <= b or b != b else b",
    "rest": "def rest(a, b):  # with the sign of a\n    return a % b - (b if a % b != 0 and a < 0 else 0)",
    "sign": "def sign(a):\n    return (1 if a > 0 else 0) - (1 if a < 0 else 0)",
}
_LIGHT = "add subtract multiply negative abs where relu".split()
CHEAP = frozenset([*CONSTANTS, *COMPARISONS, *SAME_VALUE - {"keep"}, *TRUTH, *BITS, *_LIGHT])


@functools.cache
def in_loops():
    """The dtypes of the values that loops compute."""
    if importlib.util.find_spec("numba") is None:
        return frozenset(DTYPES)
    from ..kernels.cpu.accepts.casts import has_half

    return frozenset([*DTYPES, BRAIN, *([HALF] if has_half() else [])])


def is_elementwise(n):
    """Whether a call can stand in a loop: every output element needs the input elements of its own place alone."""
    if n.number or n.dtype not in in_loops() or n.keywords or any(i.dtype not in in_loops() for i in n.arguments):
        return False
    if n.dtype in SIXTEEN and any(i.dtype == np.float64 and not i.number for i in n.arguments):
        return False  # it would be rounded twice
    kind = _kind(n.dtype)
    if n.op in CONSTANTS or n.op in ("full", "full_like", "astype", "where") or n.op in COMPARISONS or n.op in TRUTH:
        return True
    if n.op in BITS and n.dtype == BOOL:
        return all(i.dtype == BOOL for i in n.arguments)
    if kind in "iu" and n.op in OF_INTEGERS:
        return _is_of_integers(n)
    if n.op in WHOLE:
        return kind == "f" and not n.params
    if n.op in ARITHMETIC and n.op not in ("maximum", "minimum"):
        return kind in "fi" or (kind == "u" and n.op in ("add", "multiply"))
    if n.op in ("copy", "contiguous", "keep"):
        return True
    if n.op in ("maximum", "minimum") and kind in "iu":
        return True
    if n.op == "power" and n.inputs[1].__class__ is int and n.inputs[1] in (2, 3) and kind in "fi":
        return True
    return (n.op in FLOATS or n.op in BY_FUNCTION) and kind == "f"


def _kind(dtype):
    return "f" if dtype in SIXTEEN else dtype.kind


def _is_of_integers(n):
    """Whether bits are combined of integers of the result's dtype, and shifts and divisors are numbers that give no surprise."""
    if not all(i.dtype == n.dtype and not i.number for i in n.arguments):
        return False
    if n.op in BITS:
        return True
    x, by = n.inputs
    limit = 8 * n.dtype.itemsize if n.op in SHIFTS else np.iinfo(n.dtype).max + 1
    return x.__class__ is Instruction and by.__class__ is int and (0 if n.op in SHIFTS else 1) <= by < limit


def expression(n, name, functions):
    """One call as an expression. ``name(i)`` is the element of operand ``i``; ``functions``: word -> (of f4, of f8) by name."""
    text = _expression(n, name, functions)
    return f"{SIXTEEN[n.dtype]}_rounded({text})" if n.dtype in SIXTEEN and not _is_exact(n) else text


def _is_exact(n):
    """Whether what a call gives can be no other number than its operands hold."""
    same = all(i.dtype in (n.dtype, BOOL) for i in n.arguments) and n.inputs[0].__class__ is Instruction
    return same and (n.op in ("where", "negative", "abs", "relu") or n.op in SAME_VALUE)


def _expression(n, name, functions):
    kind = _kind(n.dtype)
    if n.op in CONSTANTS or n.op in ("full", "full_like"):
        return literal(CONSTANTS[n.op] if n.op in CONSTANTS else n.params.get("value", 0), n.dtype)
    if n.op == "where":
        condition = operand(n.inputs[0], BOOL, name)
        return "{1} if {0} else {2}".format(condition, *(operand(i, n.dtype, name) for i in n.inputs[1:]))
    if n.op in SAME_VALUE:
        return operand(n.inputs[0], n.dtype, name)
    if n.op == "power":
        return _power(n, name, functions)
    if n.op in SLOPES:
        g, x = (operand(i, n.dtype, name) for i in n.inputs)
        return f"{g} * {functions[SLOPES[n.op]][n.dtype == np.float64]}({x})"
    if n.op in TRUTH or (n.op in BITS and n.dtype == BOOL):
        template, dtype = {**TRUTH, **BITS}[n.op], BOOL
    elif kind in "iu" and n.op in OF_INTEGERS:
        template, dtype = OF_INTEGERS[n.op], n.dtype
    elif n.op in COMPARISONS:
        template, dtype = COMPARISONS[n.op], _compared_as(n)
    elif kind == "f" and n.op in functions:
        template, dtype = functions[n.op][n.dtype == np.float64] + "({})", n.dtype
        if n.op in ANGLES:  # the polynomials know angles up to a few billion
            template = f"{template.format('{0}')} if abs({{0}}) < {literal(FAR, dtype)} else math.{n.op}({{0}})"
    elif kind == "f" and n.op in FLOATS:
        template, dtype = FLOATS[n.op], n.dtype
    else:
        template, dtype = ARITHMETIC[n.op], n.dtype
    if n.op == "relu":  # NaN stays: it is not below 0, and of -0.0 comes 0.0
        template = template.replace("zero", literal(0, dtype))
    text = template.format(*(operand(i, dtype, name) for i in n.inputs))
    # Numba widens small integers, and floats beside a literal integer: back to what NumPy has.
    narrow = n.op in ("reciprocal", "sign", "exp2") or n.dtype.kind == "u" or n.dtype == np.int32
    return f"{_TYPES[n.dtype]}({text})" if narrow else text


def uniform_literal(n):
    """A constant of one value as a literal; None of anything else."""
    value = uniform(n)
    return None if value is None or n.dtype not in DTYPES else literal(value, n.dtype)


def _power(n, name, functions):
    base, exponent = n.inputs
    x = operand(base, n.dtype, name)
    if exponent.__class__ in (int, float):
        if exponent in (1, 2, 3):
            return " * ".join([x] * int(exponent))
        if exponent in (0.5, -0.5):
            return f"np.sqrt({x})" if exponent > 0 else f"{_TYPES[n.dtype]}(1) / np.sqrt({x})"
    y = operand(exponent, n.dtype, name)
    return f"{functions['pow'][n.dtype == np.float64]}({x}, {y})" if _kind(n.dtype) == "f" else f"{x} ** {y}"


def _compared_as(n):
    """The dtype that both operands of a comparison come in."""
    kinds = {i.dtype for i in n.arguments if not i.number}
    if kinds == {HALF} or (kinds == {BRAIN} and not any(map(_is_float, n.inputs))):  # ml_dtypes has float32 beside a float
        return kinds.pop()
    dtype = np.result_type(*map(_promotes_as, n.inputs))
    return np.dtype(np.int64) if dtype.kind in "iu" and dtype != np.uint64 else dtype


def _is_float(i):
    return i.number if i.__class__ is Instruction else i.__class__ is float


def _promotes_as(i):
    return i if i.__class__ is not Instruction else 0.0 if i.number else np.float32 if i.dtype in SIXTEEN else i.dtype


def operand(i, dtype, name):
    """An operand in ``dtype``."""
    if i.__class__ is not Instruction:
        return literal(i, dtype)
    if i.dtype == dtype and not i.number:
        return name(i)
    if dtype in SIXTEEN and i.number:
        return f"{SIXTEEN[dtype]}_rounded(f4({name(i)}))"
    return f"({name(i)} != 0)" if dtype == BOOL else f"{_TYPES[dtype]}({name(i)})"


def literal(value, dtype):
    """A Python number as a constant of ``dtype``."""
    if dtype == BOOL:
        return repr(bool(value))
    if _kind(dtype) == "f":
        value = float(dtype.type(value)) if dtype in SIXTEEN else float(value)
        text = "nan" if math.isnan(value) else "inf" if value == math.inf else "-inf" if value == -math.inf else repr(value)
    else:
        text = repr(int(value))
    return f"{_TYPES[dtype]}({text})"
