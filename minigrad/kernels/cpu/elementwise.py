"""Elementwise functions of large float32 arrays, as polynomials that LLVM turns into vector code.

``math.exp`` in a Numba loop is one library call an element. Everything here is selects and multiply-adds instead; NaN
runs through every select, because a comparison with NaN is false, and infinities and denormals come out right.

Relative errors, measured over the whole range: exp 1e-7, sigmoid and erf 2e-7, gelu 4e-7 for x > -1 and 8e-7 in its
left tail (where 0.5 * x * (1 + erf) has no digits left).
tanh is missing on purpose: NumPy's own is vectorised and twice as fast as the best loop here.
"""

import numpy as np

from .jit import jit

f32 = np.float32

EXP_LARGEST, EXP_SMALLEST = f32(89), f32(-104)  # infinity and zero already
LOG2_E = f32(1.44269504)
LN2_HIGH, LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # n * LN2_HIGH is exact for every n that occurs
ROUND = f32(12582912)  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits
ROUND_BITS, EXPONENT_BIAS, MANTISSA = np.int32(0x4B400000), np.int32(127), np.int32(23)
# fitted to the least relative error: of (exp(r) - 1 - r) / r**2, of the tail below, and of erf near zero
E0, E1, E2, E3, E4, E5 = map(f32, (0.5, 0.166666669, 4.16662697e-2, 8.33326541e-3, 1.39460867e-3, 1.99178326e-4))

HALF, ONE, TWO, ZERO = f32(0.5), f32(1), f32(2), f32(0)
SQRT_2 = f32(1.41421356)
HIGH_BITS = np.int32(-4096)  # the 12 leading bits of a significand: its square is exact
TAIL_END = f32(14.5)  # the normal distribution's tail is zero beyond
TAIL_SCALE = f32(0.375)
T0, T1, T2, T3, T4 = map(f32, (0.1495928019, 0.1498898417, 0.1252296716, 0.1083811745, -0.0570043623))
T5, T6, T7, T8, T9 = map(f32, (0.2172445655, -0.4261465669, 0.3465183973, -0.1347474903, 0.0210419577))
R0, R1, R2, R3 = map(f32, (1.12837917, -0.376126258, 0.112835851, -2.68538119e-2))  # of erf(x) / x in x * x
R4, R5, R6 = map(f32, (5.18832755e-3, -8.01019245e-4, 7.85385746e-5))


def exp(x):
    return _map(_exp_loop, x)


def sigmoid(x):
    return _map(_sigmoid_loop, x)


def erf(x):
    return _map(_erf_loop, x)


def gelu(x):
    """x * Phi(x) with the exact Phi, not the tanh approximation."""
    return _map(_gelu_loop, x)


def _map(loop, x):
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    loop(x.reshape(-1), y.reshape(-1))
    return y


@jit(inline=True)
def exp_of_sum(x, rest):
    """exp(x + rest), where rest is small and would be lost in x + rest."""
    x = EXP_LARGEST if x > EXP_LARGEST else x
    x = EXP_SMALLEST if x < EXP_SMALLEST else x
    rounded = x * LOG2_E + ROUND
    n = rounded - ROUND
    r = ((x - n * LN2_HIGH) - n * LN2_LOW) + rest  # |r| <= ln(2) / 2
    p = ((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + E0
    y = p * (r * r) + r + ONE
    # times 2**n in two steps: the first never overflows, and the second rounds a denormal once
    exponent = np.int32(f32(rounded).view(np.int32) - ROUND_BITS)
    half = np.int32(exponent >> np.int32(1))
    return y * _power_of_two(half) * _power_of_two(np.int32(exponent - half))


@jit(inline=True)
def exp32(x):
    return exp_of_sum(x, ZERO)


@jit(inline=True)
def _power_of_two(n):
    return np.int32((n + EXPONENT_BIAS) << MANTISSA).view(f32)


@jit(inline=True)
def _normal_tail(t):
    """P(X > t) of the normal distribution for 0 <= t <= TAIL_END, to a relative error of 4e-7."""
    high = np.int32(f32(t).view(np.int32) & HIGH_BITS).view(f32)
    density = exp_of_sum(-HALF * (high * high), -HALF * ((t - high) * (t + high)))  # exp(-t*t/2) without rounding t*t
    u = ONE / (ONE + TAIL_SCALE * t)
    p = ((((T9 * u + T8) * u + T7) * u + T6) * u + T5) * u + T4
    p = (((p * u + T3) * u + T2) * u + T1) * u + T0
    return p * u * density


@jit(inline=True)
def _gelu(x):
    t = abs(x)
    t = TAIL_END if t > TAIL_END else t
    return (x if x > ZERO else ZERO) - t * _normal_tail(t)


@jit(inline=True)
def _erf(x):
    s = x * x
    near = x * ((((((R6 * s + R5) * s + R4) * s + R3) * s + R2) * s + R1) * s + R0)
    t = abs(x) * SQRT_2
    t = TAIL_END if t > TAIL_END else t
    far = ONE - TWO * _normal_tail(t)
    far = -far if x < ZERO else far
    return near if s < ONE else far


@jit(inline=True)
def _sigmoid(x):
    e = exp32(-abs(x))  # never overflows, and keeps the left tail's relative accuracy
    return (ONE if x > ZERO else e) / (ONE + e)


@jit
def _exp_loop(x, y):
    for i in range(x.size):
        y[i] = exp32(x[i])


@jit
def _sigmoid_loop(x, y):
    for i in range(x.size):
        y[i] = _sigmoid(x[i])


@jit
def _erf_loop(x, y):
    for i in range(x.size):
        y[i] = _erf(x[i])


@jit
def _gelu_loop(x, y):
    for i in range(x.size):
        y[i] = _gelu(x[i])
