"""Functions of one float64 number: the algorithms of ``polynomials32`` with longer polynomials.

Errors against extended precision, in units of the last place (ulp, at most 2.3e-16 relative), largest seen: exp, log, log1p,
sin, cos 1.5; log2, log10 2; expm1, tanh, sigmoid, softplus, logsigmoid 3; silu, erf, tan 4; gelu 12, also in its left tail;
gelu_tanh 12 for abs(x) < 3 and up to 1500 in its left tail; the slopes 2e-15 absolute. sin, cos and tan: for abs(x) up to
LARGEST_ANGLE, NaN beyond.

log, sin and cos take the polynomials of FDLIBM (Sun Microsystems, 1993).
"""

import numpy as np

from .bits import bits, number
from .jit import jit

f64, i64 = np.float64, np.int64

TINY = 1e-200  # odd functions are their argument below
SIGN_BIT, MAGNITUDE = i64(-(2**63)), i64(2**63 - 1)

EXP_LARGEST, EXP_SMALLEST = 710.0, -746.0  # infinity and zero already
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # n * LN2_HIGH is exact
ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
ROUND_BITS, EXPONENT_BIAS, MANTISSA = i64(0x4338000000000000), i64(1023), i64(52)
# of (exp(r) - 1 - r) / r**2
E0, E1, E2, E3 = 0.5, 0.16666666666666685, 0.04166666666658595, 0.008333333333315271
E4, E5, E6 = 0.0013888888930115675, 0.00019841269902185686, 2.4801506078746637e-05
E7, E8, E9 = 2.755722833683225e-06, 2.7625930301465507e-07, 2.5114434468331824e-08
EXPM1_SMALLEST = -40.0
TANH_LARGEST = 20.0  # 1 beyond

ROOT_HALF_BITS = i64(0x3FE6A09E667F3BCD)  # of sqrt(1 / 2)
SMALLEST_NORMAL, SCALE, SCALE_EXPONENT = 2.0**-1022, 2.0**52, 52.0
LOG10_E, LOG10_2_HIGH, LOG10_2_LOW = 0.4342944819032518, 3.01029995663611771306e-01, 3.69423907715893078616e-13
L1, L2, L3, L4 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01
L5, L6, L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01

SQRT_2 = 1.4142135623730951
HIGH_BITS = i64(-(2**27))  # the 26 leading bits of a significand: its square is exact
TAIL_END = 38.6  # the normal distribution's tail is zero beyond
TAIL_SCALE, TAIL_CENTER = 0.3, 0.5
ROOT_2_PI = 0.3989422804014327  # 1 / sqrt(2 * pi)
# of P(X > t) * exp(t * t / 2) / u in u - TAIL_CENTER, where u = 1 / (1 + TAIL_SCALE * t)
T0, T1, T2, T3 = 0.2219706138344328, 0.32915896817232526, 0.34619854967382746, 0.22208292378989586
T4, T5, T6, T7 = 0.029074172732297694, -0.07756468954985561, -0.036841121401694356, 0.03630552603044855
T8, T9, T10, T11 = 0.023075834975772192, -0.025470154549469905, -0.011392966583493973, 0.02197814559777305
T12, T13, T14, T15 = 0.0010074692069349245, -0.018436786151895125, 0.008439058584220106, 0.011657912447790492
T16, T17, T18, T19 = -0.014821347998578274, -0.0016219276251454853, 0.014414509944895574, -0.006799913034591506
T20, T21, T22 = -0.006457570477837256, 0.006385873070005058, -0.0009296704577807831
# of erf(x) / x in x * x
R0, R1, R2, R3 = 1.1283791670955126, -0.3761263890318375, 0.11283791670954857, -0.026866170645072893
R4, R5, R6, R7 = 0.005223977624780849, -0.0008548326978741218, 0.00012055331036867641, -1.4925593506254136e-05
R8, R9, R10 = 1.646097280914595e-06, -1.6350025163666317e-07, 1.4657879601536979e-08
R11, R12 = -1.1365665583128013e-09, 5.945261941183837e-11
GELU_ROOT, GELU_CUBE = 0.7978845608028654, 0.044715  # sqrt(2 / pi)
SILU_END = 1000.0  # the slope is 0 or 1 beyond
GELU_END = 30.0

LARGEST_ANGLE = 3e9
TWO_OVER_PI = 0.6366197723675814
# pi / 2 in parts of 22 bits, whose products with quadrants up to 2**31 are exact, and the rest
ANGLE_1, ANGLE_2, ANGLE_3, ANGLE_4 = 1.570796012878418, 3.139164164167596e-07, 6.223371969669989e-14, 2.0222662487959506e-21
S1, S2, S3 = -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04
S4, S5, S6 = 2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10
C1, C2, C3 = 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05
C4, C5, C6 = -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11


# ------------------------------------------------------------------------------------------------------ exponentials
@jit(inline=True)
def exp_of_sum(x, rest):
    """exp(x + rest), where rest is small and would be lost in x + rest."""
    x = EXP_LARGEST if x > EXP_LARGEST else x
    x = EXP_SMALLEST if x < EXP_SMALLEST else x
    rounded = x * LOG2_E + ROUND
    n = rounded - ROUND
    r = ((x - n * LN2_HIGH) - n * LN2_LOW) + rest  # |r| <= ln(2) / 2
    y = _expm1_near_zero(r) + 1.0
    # times 2**n in two steps: the first never overflows, and the second rounds a denormal once
    exponent = bits(f64(rounded)) - ROUND_BITS
    half = exponent >> i64(1)
    return y * _power_of_two(half) * _power_of_two(exponent - half)


@jit(inline=True)
def _expm1_near_zero(r):
    p = ((((E9 * r + E8) * r + E7) * r + E6) * r + E5) * r + E4
    p = (((p * r + E3) * r + E2) * r + E1) * r + E0
    return p * (r * r) + r


@jit(inline=True)
def _power_of_two(n):
    return number(i64((n + EXPONENT_BIAS) << MANTISSA))


@jit(inline=True)
def exp64(x):
    return exp_of_sum(x, 0.0)


@jit(inline=True)
def expm164(x):
    y = EXP_LARGEST if x > EXP_LARGEST else x
    y = EXPM1_SMALLEST if y < EXPM1_SMALLEST else y
    rounded = y * LOG2_E + ROUND
    n = rounded - ROUND
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    half = _power_of_two(bits(f64(rounded)) - ROUND_BITS - i64(1))  # 2**n / 2, which does not overflow
    y = 2.0 * (half * _expm1_near_zero(r) + (half - 0.5))
    return x if abs(x) < TINY else y


@jit(inline=True)
def tanh64(x):
    """e / (e + 2) with e = exp(2x) - 1, which keeps its digits near zero; e is finite here, so one scale will do."""
    t = abs(x)
    t = TANH_LARGEST if t > TANH_LARGEST else t
    t = t + t
    rounded = t * LOG2_E + ROUND
    n = rounded - ROUND
    r = (t - n * LN2_HIGH) - n * LN2_LOW
    scale = _power_of_two(bits(f64(rounded)) - ROUND_BITS)
    e = scale * _expm1_near_zero(r) + (scale - 1.0)
    return with_sign(e / (e + 2.0), x)


@jit(inline=True)
def with_sign(y, x):
    """The magnitude of y with the sign of x."""
    return number(i64((bits(f64(y)) & MAGNITUDE) | (bits(f64(x)) & SIGN_BIT)))


@jit(inline=True)
def sigmoid64(x):
    e = exp64(-abs(x))  # never overflows, and keeps the left tail's relative accuracy
    return (1.0 if x > 0.0 else e) / (1.0 + e)


@jit(inline=True)
def silu64(x):
    return x * sigmoid64(x)


@jit(inline=True)
def silu_slope64(x):
    """s + x * s * (1 - s) with s = sigmoid(x)"""
    y = SILU_END if x > SILU_END else x
    y = -SILU_END if y < -SILU_END else y
    e = exp64(-abs(y))
    part = 1.0 / (1.0 + e)
    s = part if y > 0.0 else e * part  # s * (1 - s) = e * part**2
    return s + y * (e * part * part)


@jit(inline=True)
def softplus64(x):
    """log(1 + exp(x))"""
    return (x if x > 0.0 else 0.0) + _log1p_of_exp(-abs(x))


@jit(inline=True)
def logsigmoid64(x):
    return (x if x < 0.0 else 0.0) - _log1p_of_exp(-abs(x))


@jit(inline=True)
def _log1p_of_exp(x):
    """For x <= 0: no case of log1p but the main one occurs."""
    return _log1p_of_positive(exp64(x))


# -------------------------------------------------------------------------------------------------------- logarithms
@jit(inline=True)
def _log1p_near_zero(f):
    """(high, low) whose difference is log(1 + f)."""
    s = f / (2.0 + f)
    z = s * s
    p = ((((((L7 * z + L6) * z + L5) * z + L4) * z + L3) * z + L2) * z + L1) * z
    half = 0.5 * f * f
    return f, half - s * (half + p)


@jit(inline=True)
def _split(x):
    """(k, f) with x = 2**k * (1 + f) and 1 + f between sqrt(1/2) and sqrt(2); k is an integer; x normal and positive."""
    n = bits(f64(x))
    k = (n - ROOT_HALF_BITS) >> MANTISSA
    return k, number(i64(n - (k << MANTISSA))) - 1.0


@jit(inline=True)
def _number(k):
    """A small integer as float64, by adding it to the low bits of a number: not every processor has an instruction."""
    return number(i64(k + ROUND_BITS)) - ROUND


@jit(inline=True)
def _split_any(x):
    """_split with k as a number, for any x; (0, 0) where x is not positive."""
    y = x if x > 0.0 else 1.0
    small = y < SMALLEST_NORMAL
    k, f = _split(y * SCALE if small else y)
    return _number(k) - (SCALE_EXPONENT if small else 0.0), f


@jit(inline=True)
def _at_the_edges(y, x):
    """The logarithm y of x, and what stands for it at zero, below it, at infinity and NaN."""
    y = y if x < np.inf else x
    y = y if x != 0.0 else -np.inf
    return np.nan if x < 0.0 else y


@jit(inline=True)
def log64(x):
    k, f = _split_any(x)
    high, low = _log1p_near_zero(f)
    return _at_the_edges(k * LN2_HIGH - ((low - k * LN2_LOW) - high), x)


@jit(inline=True)
def log264(x):
    k, f = _split_any(x)
    high, low = _log1p_near_zero(f)
    return _at_the_edges(k + (high - low) * LOG2_E, x)


@jit(inline=True)
def log1064(x):
    k, f = _split_any(x)
    high, low = _log1p_near_zero(f)
    return _at_the_edges(k * LOG10_2_HIGH + ((high - low) * LOG10_E + k * LOG10_2_LOW), x)


@jit(inline=True)
def log1p64(x):
    y = _log1p_of_positive(x if x > -1.0 else 0.0)
    y = y if x < np.inf else x
    y = y if x != -1.0 else -np.inf
    y = np.nan if x < -1.0 else y
    return x if abs(x) < TINY else y


@jit(inline=True)
def _log1p_of_positive(x):
    """log(1 + x) for finite x > -1: what 1 + x rounds away is added to f."""
    u = 1.0 + x
    lost = 1.0 - (u - x) if x > 1.0 else x - (u - 1.0)
    k, f = _split(u)
    high, low = _log1p_near_zero(f + lost * _power_of_two(-k if k < 1000 else -1000))  # of a large x nothing is lost
    k = _number(k)
    return k * LN2_HIGH - ((low - k * LN2_LOW) - high)


@jit(inline=True)
def pow64(x, y):
    """The C library's: as exact a product y * log(x) as float64 needs is no shorter."""
    return x**y


# ------------------------------------------------------------------------------------------- the normal distribution
@jit(inline=True)
def _normal_tail(t):
    """(P(X > t), exp(-t*t/2)) of the normal distribution for 0 <= t <= TAIL_END."""
    high = number(i64(bits(f64(t)) & HIGH_BITS))
    density = exp_of_sum(-0.5 * (high * high), -0.5 * ((t - high) * (t + high)))  # exp(-t*t/2) without rounding t*t
    u = 1.0 / (1.0 + TAIL_SCALE * t)
    v = u - TAIL_CENTER
    p = ((((T22 * v + T21) * v + T20) * v + T19) * v + T18) * v + T17
    p = (((((p * v + T16) * v + T15) * v + T14) * v + T13) * v + T12) * v + T11
    p = (((((p * v + T10) * v + T9) * v + T8) * v + T7) * v + T6) * v + T5
    p = ((((p * v + T4) * v + T3) * v + T2) * v + T1) * v + T0
    return p * u * density, density


@jit(inline=True)
def erf64(x):
    s = x * x
    near = (((((R12 * s + R11) * s + R10) * s + R9) * s + R8) * s + R7) * s + R6
    near = x * ((((((near * s + R5) * s + R4) * s + R3) * s + R2) * s + R1) * s + R0)
    t = abs(x) * SQRT_2
    t = TAIL_END if t > TAIL_END else t
    far = 1.0 - 2.0 * _normal_tail(t)[0]
    far = -far if x < 0.0 else far
    return near if s < 1.0 else far


@jit(inline=True)
def gelu64(x):
    """x * Phi(x) with the exact Phi."""
    t = abs(x)
    t = TAIL_END if t > TAIL_END else t
    return with_sign((x if x > 0.0 else x * 0.0) - t * _normal_tail(t)[0], x)  # of -inf NaN, as -inf * 0


@jit(inline=True)
def gelu_slope64(x):
    """Phi(x) + x * phi(x)"""
    t = abs(x)
    t = TAIL_END if t > TAIL_END else t
    tail, density = _normal_tail(t)
    y = t * (density * ROOT_2_PI) - tail  # the slopes at x and -x add up to 1
    return 1.0 + y if x > 0.0 else -y


@jit(inline=True)
def gelu_tanh64(x):
    """x * (1 + tanh(u)) / 2 = x * sigmoid(2u) with u = sqrt(2 / pi) * (x + 0.044715 x**3)."""
    y = GELU_END if x > GELU_END else x
    y = -GELU_END if y < -GELU_END else y
    return x * sigmoid64(2.0 * GELU_ROOT * (y + GELU_CUBE * (y * y * y))) if x > -GELU_END or x != x else x * 0.0


@jit(inline=True)
def gelu_tanh_slope64(x):
    y = GELU_END if x > GELU_END else x
    y = -GELU_END if y < -GELU_END else y
    e = exp64(-abs(2.0 * GELU_ROOT * (y + GELU_CUBE * (y * y * y))))
    part = 1.0 / (1.0 + e)
    s = part if y > 0.0 else e * part  # sigmoid(2u); s * (1 - s) = e * part**2
    return s + y * (e * part * part) * (2.0 * GELU_ROOT * (1.0 + 3.0 * GELU_CUBE * (y * y)))


# ------------------------------------------------------------------------------------------------------------- angles
@jit(inline=True)
def reduce_angle(x):
    """(r, rest, quadrant) with x = r + rest + quadrant * pi / 2 and |r| <= pi / 4; rest is less than r's last place."""
    x = x if abs(x) <= LARGEST_ANGLE else np.nan
    rounded = x * TWO_OVER_PI + ROUND
    n = rounded - ROUND
    first = (x - n * ANGLE_1) - n * ANGLE_2
    second = n * ANGLE_3
    near = first - second
    far = ((first - near) - second) - n * ANGLE_4
    r = near + far
    return r, (near - r) + far, bits(f64(rounded))


@jit(inline=True)
def _sine_and_cosine(x):
    r, rest, quadrant = reduce_angle(x)
    s = r * r
    p = ((((S6 * s + S5) * s + S4) * s + S3) * s + S2) * (s * r)
    sine = r - ((s * (0.5 * rest - p) - rest) - S1 * (s * r))
    p = (((((C6 * s + C5) * s + C4) * s + C3) * s + C2) * s + C1) * (s * s)
    half = 0.5 * s
    one = 1.0 - half
    return sine, one + (((1.0 - one) - half) + (p - r * rest)), quadrant


@jit(inline=True)
def sin64(x):
    sine, cosine, quadrant = _sine_and_cosine(x)
    y = cosine if quadrant & i64(1) else sine
    y = -y if quadrant & i64(2) else y
    return x if abs(x) < TINY else y


@jit(inline=True)
def cos64(x):
    sine, cosine, quadrant = _sine_and_cosine(x)
    y = sine if quadrant & i64(1) else cosine
    return -y if (quadrant + i64(1)) & i64(2) else y


@jit(inline=True)
def tan64(x):
    sine, cosine, quadrant = _sine_and_cosine(x)
    y = -cosine / sine if quadrant & i64(1) else sine / cosine
    return x if abs(x) < TINY else y
