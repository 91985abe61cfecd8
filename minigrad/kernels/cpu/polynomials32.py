"""Functions of one float32 number, as polynomials that LLVM turns into vector code inside a loop.

``math.exp`` in a Numba loop is one library call an element. Everything here is selects and multiply-adds instead, without
branches. NaN runs through every select, because a comparison with NaN is false; zeros keep their sign where the function
is odd; infinities and denormals come out right.

Errors against float64, in units of the last place (ulp, at most 1.2e-7 relative), largest seen over the whole range:
exp, log, log1p, sin, cos 1.5; expm1, log2, log10, softplus, logsigmoid, pow 2; tanh, sigmoid, erf 3; silu, tan 4; gelu 10,
also in its left tail, where 0.5 * x * (1 + erf) has no digits left; gelu_tanh 12 for abs(x) < 3 and up to 200 in its left
tail, where exp magnifies the rounding of its argument; the slopes 5e-7 absolute. silu and sigmoid lose digits where they
are denormal. sin, cos and tan: for abs(x) up to the LARGEST_ANGLE of ``polynomials64``, NaN beyond.

At -inf gelu and gelu_tanh are -0, their limit, where the product with zero would be NaN; slopes have their limits, too.

Reduction and polynomials follow W. J. Cody and W. Waite, "Software manual for the elementary functions", 1980, with
coefficients fitted to the least relative error (Remez).
"""

import numpy as np

from .bits import bits, number
from .jit import jit
from .polynomials64 import exp64, log64, reduce_angle

f32, i32 = np.float32, np.int32

ZERO, HALF, ONE, TWO, THREE = f32(0), f32(0.5), f32(1), f32(2), f32(3)
INFINITY, NAN = f32(np.inf), f32(np.nan)
TINY = f32(1e-10)  # odd functions are their argument below
SIGN_BIT, MAGNITUDE = i32(-(2**31)), i32(2**31 - 1)

EXP_LARGEST, EXP_SMALLEST = f32(89), f32(-104)  # infinity and zero already
LOG2_E = f32(1.44269504)
LN2_HIGH, LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # n * LN2_HIGH is exact for every n that occurs
ROUND = f32(12582912)  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits
ROUND_BITS, EXPONENT_BIAS, MANTISSA = i32(0x4B400000), i32(127), i32(23)
# of (exp(r) - 1 - r) / r**2
E0, E1, E2, E3, E4, E5 = map(f32, (0.5, 0.166666669, 4.16662697e-2, 8.33326541e-3, 1.39460867e-3, 1.99178326e-4))
EXPM1_LARGEST, EXPM1_SMALLEST = f32(89), f32(-18)
TANH_LARGEST = f32(9.25)  # 1 beyond

ROOT_HALF_BITS = i32(0x3F3504F3)  # of sqrt(1 / 2)
SMALLEST_NORMAL, SCALE, SCALE_EXPONENT = f32(2**-126), f32(2**23), i32(23)
LOG10_E, LOG10_2_HIGH, LOG10_2_LOW = f32(0.4342944819), f32(0.30078125), f32(2.4874566e-4)
# of (log(1 + f) - f + f**2 / 2) / f**3
L0, L1, L2, L3, L4 = map(f32, (0.33333313465, -0.25000008941, 0.20002119243, -0.16667999327, 0.14219543338))
L5, L6, L7, L8 = map(f32, (-0.12405537069, 0.11888181418, -0.11675925553, 0.06746899337))

SQRT_2 = f32(1.41421356)
HIGH_BITS = i32(-4096)  # the 12 leading bits of a significand: its square is exact
TAIL_END = f32(14.5)  # the normal distribution's tail is zero beyond
TAIL_SCALE = f32(0.375)
ROOT_2_PI = f32(0.39894228)  # 1 / sqrt(2 * pi)
T0, T1, T2, T3, T4 = map(f32, (0.1495928019, 0.1498898417, 0.1252296716, 0.1083811745, -0.0570043623))
T5, T6, T7, T8, T9 = map(f32, (0.2172445655, -0.4261465669, 0.3465183973, -0.1347474903, 0.0210419577))
R0, R1, R2, R3 = map(f32, (1.12837917, -0.376126258, 0.112835851, -2.68538119e-2))  # of erf(x) / x in x * x
R4, R5, R6 = map(f32, (5.18832755e-3, -8.01019245e-4, 7.85385746e-5))
GELU_ROOT, GELU_CUBE = f32(0.7978845608), f32(0.044715)  # sqrt(2 / pi)
SILU_END = f32(200)  # the slope is 0 or 1 beyond
GELU_END = f32(30)

S0, S1, S2 = map(f32, (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4))
C0, C1, C2 = map(f32, (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5))


# ------------------------------------------------------------------------------------------------------ exponentials
@jit(inline=True)
def exp_of_sum(x, rest):
    """exp(x + rest), where rest is small and would be lost in x + rest."""
    x = EXP_LARGEST if x > EXP_LARGEST else x
    x = EXP_SMALLEST if x < EXP_SMALLEST else x
    rounded = x * LOG2_E + ROUND
    n = rounded - ROUND
    r = ((x - n * LN2_HIGH) - n * LN2_LOW) + rest  # |r| <= ln(2) / 2
    y = _expm1_near_zero(r) + ONE
    # times 2**n in two steps: the first never overflows, and the second rounds a denormal once
    exponent = i32(bits(f32(rounded)) - ROUND_BITS)
    half = i32(exponent >> i32(1))
    return y * _power_of_two(half) * _power_of_two(i32(exponent - half))


@jit(inline=True)
def _expm1_near_zero(r):
    p = ((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + E0
    return p * (r * r) + r


@jit(inline=True)
def _power_of_two(n):
    return number(i32((n + EXPONENT_BIAS) << MANTISSA))


@jit(inline=True)
def exp32(x):
    return exp_of_sum(x, ZERO)


@jit(inline=True)
def expm132(x):
    y = EXPM1_LARGEST if x > EXPM1_LARGEST else x
    y = EXPM1_SMALLEST if y < EXPM1_SMALLEST else y
    rounded = y * LOG2_E + ROUND
    n = rounded - ROUND
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    half = _power_of_two(i32(bits(f32(rounded)) - ROUND_BITS - i32(1)))  # 2**n / 2, which does not overflow
    y = TWO * (half * _expm1_near_zero(r) + (half - HALF))
    return x if abs(x) < TINY else y


@jit(inline=True)
def tanh32(x):
    """e / (e + 2) with e = exp(2x) - 1, which keeps its digits near zero; e is finite here, so one scale will do."""
    t = abs(x)
    t = TANH_LARGEST if t > TANH_LARGEST else t
    t = t + t
    rounded = t * LOG2_E + ROUND
    n = rounded - ROUND
    r = (t - n * LN2_HIGH) - n * LN2_LOW
    scale = _power_of_two(i32(bits(f32(rounded)) - ROUND_BITS))
    e = scale * _expm1_near_zero(r) + (scale - ONE)
    return with_sign(e / (e + TWO), x)


@jit(inline=True)
def with_sign(y, x):
    """The magnitude of y with the sign of x."""
    return number(i32((bits(f32(y)) & MAGNITUDE) | (bits(f32(x)) & SIGN_BIT)))


@jit(inline=True)
def sigmoid32(x):
    e = exp32(-abs(x))  # never overflows, and keeps the left tail's relative accuracy
    return (ONE if x > ZERO else e) / (ONE + e)


@jit(inline=True)
def silu32(x):
    return x * sigmoid32(x)


@jit(inline=True)
def silu_slope32(x):
    """s + x * s * (1 - s) with s = sigmoid(x)"""
    y = SILU_END if x > SILU_END else x
    y = -SILU_END if y < -SILU_END else y
    e = exp32(-abs(y))
    part = ONE / (ONE + e)
    s = part if y > ZERO else e * part  # s * (1 - s) = e * part**2
    return s + y * (e * part * part)


@jit(inline=True)
def softplus32(x):
    """log(1 + exp(x))"""
    return (x if x > ZERO else ZERO) + _log1p_of_exp(-abs(x))


@jit(inline=True)
def logsigmoid32(x):
    return (x if x < ZERO else ZERO) - _log1p_of_exp(-abs(x))


@jit(inline=True)
def _log1p_of_exp(x):
    """For x <= 0: no case of log1p but the main one occurs."""
    return _log1p_of_positive(exp32(x))


# -------------------------------------------------------------------------------------------------------- logarithms
@jit(inline=True)
def _log1p_near_zero(f):
    s = f * f
    p = (((((((L8 * f + L7) * f + L6) * f + L5) * f + L4) * f + L3) * f + L2) * f + L1) * f + L0
    return f - (HALF * s - s * f * p)


@jit(inline=True)
def _split(x):
    """(k, f) with x = 2**k * (1 + f) and 1 + f between sqrt(1/2) and sqrt(2); k is an integer; x normal and positive."""
    n = bits(f32(x))
    k = i32((n - ROOT_HALF_BITS) >> MANTISSA)
    return k, number(i32(n - i32(k << MANTISSA))) - ONE


@jit(inline=True)
def _split_any(x):
    """_split with k as a number, for any x; (0, 0) where x is not positive."""
    y = x if x > ZERO else ONE
    small = y < SMALLEST_NORMAL
    k, f = _split(y * SCALE if small else y)
    return f32(i32(k - SCALE_EXPONENT) if small else k), f


@jit(inline=True)
def _at_the_edges(y, x):
    """The logarithm y of x, and what stands for it at zero, below it, at infinity and NaN."""
    y = y if x < INFINITY else x
    y = y if x != ZERO else -INFINITY
    return NAN if x < ZERO else y


@jit(inline=True)
def log32(x):
    k, f = _split_any(x)
    return _at_the_edges(k * LN2_HIGH + (_log1p_near_zero(f) + k * LN2_LOW), x)


@jit(inline=True)
def log232(x):
    k, f = _split_any(x)
    return _at_the_edges(k + _log1p_near_zero(f) * LOG2_E, x)


@jit(inline=True)
def log1032(x):
    k, f = _split_any(x)
    return _at_the_edges(k * LOG10_2_HIGH + (_log1p_near_zero(f) * LOG10_E + k * LOG10_2_LOW), x)


@jit(inline=True)
def log1p32(x):
    y = _log1p_of_positive(x if x > -ONE else ZERO)
    y = y if x < INFINITY else x
    y = y if x != -ONE else -INFINITY
    y = NAN if x < -ONE else y
    return x if abs(x) < TINY else y


@jit(inline=True)
def _log1p_of_positive(x):
    """log(1 + x) for finite x > -1: what 1 + x rounds away is added to f."""
    u = ONE + x
    lost = ONE - (u - x) if x > ONE else x - (u - ONE)
    k, f = _split(u)
    f = f + lost * _power_of_two(i32(-k) if k < 100 else i32(-100))  # of a large x nothing is lost
    k = f32(k)
    return k * LN2_HIGH + (_log1p_near_zero(f) + k * LN2_LOW)


@jit(inline=True)
def pow32(x, y):
    """x**y with C's rules for zeros, ones, infinities and NaN; in float64, since y * log(x) magnifies errors 88 times."""
    a, b = np.float64(abs(x)), np.float64(y)
    z = exp64(b * log64(a))
    integer = np.floor(b) == b
    odd = integer and np.floor(b * 0.5) * 2.0 != b
    z = with_sign(f32(z), x) if odd else f32(z)
    z = NAN if x < ZERO and not integer and x > -INFINITY else z
    one = x == ONE or y == ZERO or (a == 1.0 and abs(b) == np.inf)
    return ONE if one else z


# ------------------------------------------------------------------------------------------- the normal distribution
@jit(inline=True)
def _normal_tail(t):
    """(P(X > t), exp(-t*t/2)) of the normal distribution for 0 <= t <= TAIL_END, to a relative error of 4e-7."""
    high = number(i32(bits(f32(t)) & HIGH_BITS))
    density = exp_of_sum(-HALF * (high * high), -HALF * ((t - high) * (t + high)))  # exp(-t*t/2) without rounding t*t
    u = ONE / (ONE + TAIL_SCALE * t)
    p = ((((T9 * u + T8) * u + T7) * u + T6) * u + T5) * u + T4
    p = (((p * u + T3) * u + T2) * u + T1) * u + T0
    return p * u * density, density


@jit(inline=True)
def erf32(x):
    s = x * x
    near = x * ((((((R6 * s + R5) * s + R4) * s + R3) * s + R2) * s + R1) * s + R0)
    t = abs(x) * SQRT_2
    t = TAIL_END if t > TAIL_END else t
    far = ONE - TWO * _normal_tail(t)[0]
    far = -far if x < ZERO else far
    return near if s < ONE else far


@jit(inline=True)
def gelu32(x):
    """x * Phi(x) with the exact Phi."""
    t = abs(x)
    t = TAIL_END if t > TAIL_END else t
    return with_sign((x if x > ZERO else x * ZERO) - t * _normal_tail(t)[0], x)  # of -inf NaN, as -inf * 0


@jit(inline=True)
def gelu_slope32(x):
    """Phi(x) + x * phi(x)"""
    t = abs(x)
    t = TAIL_END if t > TAIL_END else t
    tail, density = _normal_tail(t)
    y = t * (density * ROOT_2_PI) - tail  # of -x and +x: the slopes at x and -x add up to 1
    return ONE + y if x > ZERO else -y


@jit(inline=True)
def gelu_tanh32(x):
    """x * (1 + tanh(u)) / 2 = x * sigmoid(2u) with u = sqrt(2 / pi) * (x + 0.044715 x**3)."""
    y = GELU_END if x > GELU_END else x
    y = -GELU_END if y < -GELU_END else y
    return x * sigmoid32(TWO * GELU_ROOT * (y + GELU_CUBE * (y * y * y))) if x > -GELU_END or x != x else x * ZERO


@jit(inline=True)
def gelu_tanh_slope32(x):
    y = GELU_END if x > GELU_END else x
    y = -GELU_END if y < -GELU_END else y
    e = exp32(-abs(TWO * GELU_ROOT * (y + GELU_CUBE * (y * y * y))))
    part = ONE / (ONE + e)
    s = part if y > ZERO else e * part  # sigmoid(2u); s * (1 - s) = e * part**2
    return s + y * (e * part * part) * (TWO * GELU_ROOT * (ONE + THREE * GELU_CUBE * (y * y)))


# ------------------------------------------------------------------------------------------------------------- angles
@jit(inline=True)
def _sine_and_cosine(x):
    """(sin(r), cos(r), quadrant) with x = r + quadrant * pi / 2; the reduction is float64's, whose digits suffice."""
    r, _, quadrant = reduce_angle(np.float64(x))
    r = f32(r)
    s = r * r
    sine = ((S2 * s + S1) * s + S0) * (s * r) + r
    cosine = ((C2 * s + C1) * s + C0) * (s * s) - HALF * s + ONE
    return sine, cosine, i32(quadrant)


@jit(inline=True)
def sin32(x):
    sine, cosine, quadrant = _sine_and_cosine(x)
    y = cosine if quadrant & i32(1) else sine
    y = -y if quadrant & i32(2) else y
    return x if abs(x) < TINY else y


@jit(inline=True)
def cos32(x):
    sine, cosine, quadrant = _sine_and_cosine(x)
    y = sine if quadrant & i32(1) else cosine
    return -y if (quadrant + i32(1)) & i32(2) else y


@jit(inline=True)
def tan32(x):
    sine, cosine, quadrant = _sine_and_cosine(x)
    y = -cosine / sine if quadrant & i32(1) else sine / cosine
    return x if abs(x) < TINY else y
