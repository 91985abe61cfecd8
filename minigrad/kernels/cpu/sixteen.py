"""Numbers of 16 bits in compiled code: stored as they are, computed with as float32.

A float16 or bfloat16 element is loaded as a uint16. ``half_value`` and ``brain_value`` give its value, which float32 holds
exactly; ``half_rounded`` and ``brain_rounded`` round a float32 to the nearest value that 16 bits can hold, ties to even; and
``half_bits`` and ``brain_bits`` give the bits of a value. All of these work only inside compiled code.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def _half_value(builder, bits):
    return builder.fpext(builder.bitcast(bits, ir.HalfType()), ir.FloatType())


def _half_bits(builder, value):
    return builder.bitcast(builder.fptrunc(value, ir.HalfType()), ir.IntType(16))


def _brain_value(builder, bits):
    wide = builder.zext(bits, ir.IntType(32))
    return builder.bitcast(builder.shl(wide, wide.type(16)), ir.FloatType())


def _brain_bits(builder, value):
    """To nearest, ties to even: half of the last place less one, and one more where that place is odd, is added and cut off."""
    bits = builder.bitcast(value, ir.IntType(32))
    word = bits.type
    high = builder.lshr(bits, word(16))
    odd = builder.and_(high, word(1))
    rounded = builder.lshr(builder.add(bits, builder.add(odd, word(0x7FFF))), word(16))
    nan = builder.or_(high, word(0x40))  # a quiet one, of the same sign
    return builder.trunc(builder.select(builder.fcmp_unordered("uno", value, value), nan, rounded), ir.IntType(16))


def _conversion(convert, of, to):
    @intrinsic
    def function(context, x):
        return to(of), lambda context, builder, signature, arguments: convert(builder, arguments[0])

    return function


def _rounding(value, bits):
    return lambda builder, x: value(builder, bits(builder, x))


half_value = _conversion(_half_value, types.uint16, types.float32)
half_bits = _conversion(_half_bits, types.float32, types.uint16)
half_rounded = _conversion(_rounding(_half_value, _half_bits), types.float32, types.float32)
brain_value = _conversion(_brain_value, types.uint16, types.float32)
brain_bits = _conversion(_brain_bits, types.float32, types.uint16)
brain_rounded = _conversion(_rounding(_brain_value, _brain_bits), types.float32, types.float32)
