"""The numbers of PyTorch's CPU generator: a Mersenne Twister, and how draws are made from its 32-bit words.

A seeded program gives the same numbers here as in PyTorch: the same words in the same order, and the same formulas on them.
Where only integers and exact steps are involved the results are equal bit for bit; logarithms and cosines may differ in the
last place.

Every method gives one row of numbers in the order in which the words are used; :func:`placed` lays it into a shape.

Matsumoto and Nishimura, "Mersenne twister: a 623-dimensionally equidistributed uniform pseudo-random number generator", ACM
TOMACS 8 (1998). Box and Muller (1958) for normal numbers, Marsaglia and Tsang (2000) for gamma, Hoermann (1993) for Poisson
and binomial numbers.
"""

import math

import numpy as np

FLOAT32, FLOAT64, INT64, UINT64 = map(np.dtype, ("float32", "float64", "int64", "uint64"))
STATE = np.dtype(  # the bytes of a state are PyTorch's, so that states can be exchanged
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", 624),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("has_normal", "<i4"),
        ("float_normal", "<f4"),
        ("has_float_normal", "<i8"),
    ]
)
MANY = 3000  # words from which on NumPy's typed draw is faster than its raw one
WIDE_RANGE = 2**28  # ranges from here on take 64 bits a number
THIRD = float(np.float32(1.0) / np.float32(3.0))  # PyTorch rounds it to float32
BLOCK = 16  # normal numbers that are made together


class Twister:
    """The generator: its 624 words, and the second of a pair of normal numbers where one is left over."""

    def __init__(self, seed):
        self._bits = np.random.MT19937()
        self._typed = np.random.Generator(self._bits)
        self.seed(seed)

    def seed(self, number):
        """Start over; the words depend on the low 32 bits of ``number``."""
        self.initial_seed, self._spare = number, None
        self._bits._legacy_seeding(number & 0xFFFFFFFF)

    def state(self):
        """The state as 5056 bytes, uint8."""
        inner = self._bits.state["state"]
        s = np.zeros((), STATE)
        s["seed"], s["seeded"], s["words"] = self.initial_seed, 1, inner["key"]
        s["left"], s["next"] = 625 - inner["pos"], inner["pos"]
        if self._spare is not None:
            s["normal_y"], s["has_normal"] = self._spare, 1
        return np.frombuffer(s.tobytes(), np.uint8).copy()

    def restore(self, array):
        """Continue from a state of :meth:`state`, or one of PyTorch's."""
        s = np.frombuffer(array.tobytes(), STATE)[0]
        position = 624 if s["left"] == 1 else int(s["next"])
        self._bits.state = {
            "bit_generator": "MT19937",
            "state": {"key": s["words"].astype(np.uint32), "pos": position},
        }
        self.initial_seed = int(s["seed"])
        self._spare = float(s["normal_y"]) if s["has_normal"] else None

    # ----------------------------------------------------------------------------------------------------------- words
    def words(self, n):
        """``n`` words of 32 bits, uint32 or uint64."""
        if n < MANY:
            return self._bits.random_raw(n)
        return self._typed.integers(0, 2**32, size=n, dtype=np.uint32)

    def wide(self, n):
        """``n`` numbers of 64 bits, uint64: of two words the first is the high half."""
        if n < MANY:
            pairs = self._bits.random_raw(2 * n)
            return pairs[::2] << np.uint64(32) | pairs[1::2]
        return self._typed.integers(0, 2**64, size=n, dtype=np.uint64)

    def doubles(self, n):
        """float64 in [0, 1): the low 53 of 64 bits."""
        x = (self.wide(n) & np.uint64(2**53 - 1)).astype(FLOAT64)
        x *= 2.0**-53
        return x

    def singles(self, n):
        """float32 in [0, 1): the low 24 of 32 bits."""
        x = (self.words(n) & np.uint32(2**24 - 1)).astype(FLOAT32)
        x *= np.float32(2.0**-24)
        return x

    # ----------------------------------------------------------------------------------------------------------- floats
    def uniform(self, n, dtype, low=0.0, high=1.0):
        """Numbers in [low, high); the scaling is rounded once."""
        if dtype == FLOAT64:
            return _scaled(self.doubles(n), low, high - low)
        u = self.singles(n)
        if (low, high) != (0.0, 1.0):
            low, high = np.float32(low), np.float32(high)
            wide = u * np.float64(high - low)  # exact
            wide += np.float64(low)
            u = wide.astype(FLOAT32)
        if dtype.itemsize == 2:
            u = u.astype(dtype)
            u[u == dtype.type(high)] = low  # what rounding has lifted to the upper limit
        return u

    def normal(self, n, dtype, mean=0.0, std=1.0, in_order=True):
        """Normal numbers: fewer than 16, or those for memory that is not in order, one by one; else in blocks of 16."""
        if n < BLOCK or not in_order:
            return narrow(self.normals(n) * std + mean, dtype)
        whole, exact = n - n % BLOCK, dtype in (FLOAT32, FLOAT64)
        uniform = self.doubles if dtype == FLOAT64 else self.singles
        out = np.empty(n, FLOAT64 if dtype == FLOAT64 else FLOAT32)
        out[:whole] = _blocks(uniform(n if exact else whole)[:whole], mean, std)
        if whole < n:  # the last 16 are drawn again, whatever was there
            out[-BLOCK:] = _blocks(uniform(BLOCK), mean, std)
        return out.astype(dtype, copy=False)

    def normals(self, n):
        """Standard normal numbers one by one, float64: each pair of uniform numbers gives two, and one may wait."""
        out = np.empty(n)
        first = int(n > 0 and self._spare is not None)
        if first:
            out[0], self._spare = self._spare, None
        left = n - first
        u = self.doubles(left + left % 2).reshape(-1, 2)
        radius, angle = np.sqrt(-2.0 * np.log1p(-u[:, 1])), 2.0 * math.pi * u[:, 0]
        pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
        out[first:] = pairs[:left]
        if left % 2:
            self._spare = float(pairs[-1])
        return out

    def exponential(self, n, dtype, rate=1.0):
        return narrow(-1.0 / rate * np.log1p(-self.doubles(n)), dtype)

    def log_normal(self, n, dtype, mean, std):
        return narrow(np.exp(self.normals(n) * std + mean), dtype)

    def cauchy(self, n, dtype, median, sigma):
        return narrow(median + sigma * np.tan(math.pi * (self.doubles(n) - 0.5)), dtype)

    def geometric(self, n, dtype, p):
        return narrow(np.ceil(np.log(self.doubles(n)) / math.log1p(-p)), dtype)

    # --------------------------------------------------------------------------------------------------- whole numbers
    def bernoulli(self, n, p):
        """Truth values with probability ``p``: a number, or one for each as floats, whose precision is that of the draw."""
        if np.ndim(p) == 0:  # u < p for u = k / 2**53 is k < p * 2**53
            bits = self.wide(n)
            bits &= np.uint64(2**53 - 1)
            return bits < np.uint64(math.ceil(p * 2.0**53))
        return (self.doubles(n) if p.dtype == FLOAT64 else self.singles(n)) < p

    def integers(self, n, low, high):
        """int64 in [low, high)."""
        span = high - low
        if span == 2**64:
            return self.wide(n).view(INT64)
        bits = self.words(n).astype(UINT64, copy=False) if span < WIDE_RANGE else self.wide(n)
        return (bits % np.uint64(span) + np.uint64(low % 2**64)).view(INT64)

    def below(self, n, count, is_wide):
        """int64 in [0, count) as ``random_()`` without limits draws them: of 64 bits for wide dtypes only."""
        return ((self.wide(n) if is_wide else self.words(n).astype(UINT64, copy=False)) % np.uint64(count)).view(INT64)

    def permutation(self, n):
        """0 to n - 1 shuffled by Fisher and Yates's method, from the front."""
        order = list(range(n))
        if n > 1:
            ahead = self.words(n - 1) % np.arange(n, 1, -1, dtype=UINT64)
            for i, j in enumerate((ahead + np.arange(n - 1, dtype=UINT64)).tolist()):
                order[i], order[j] = order[j], order[i]
        return np.array(order, INT64)

    # -------------------------------------------------------------------- numbers whose count of words is random itself
    def each(self, draw, *parameters):
        """``draw(uniform, normal, *values)`` for each element of arrays of one shape, in order; float64 of that shape."""
        words, normal = self._bits.random_raw, self._next_normal

        def uniform():
            high, low = words(2).tolist()
            return ((high << 32 | low) & (2**53 - 1)) * 2.0**-53

        rows = zip(*[p.reshape(-1).astype(FLOAT64).tolist() for p in parameters])
        return np.array([draw(uniform, normal, *row) for row in rows], FLOAT64).reshape(parameters[0].shape)

    def _next_normal(self):
        return float(self.normals(1)[0])


def _scaled(u, low, width):
    """u * width + low rounded once, as one fused step does: Dekker's product and Knuth's sum keep what rounding drops."""
    if (low, width) == (0.0, 1.0):
        return u
    product, factor = u * width, 2.0**27 + 1.0
    a, b = u * factor - (u * factor - u), width * factor - (width * factor - width)
    lost = (u - a) * (width - b) - (((product - a * b) - (u - a) * b) - a * (width - b))
    total = product + low
    back = total - product
    return total + (((product - (total - back)) + (low - back)) + lost)


def _blocks(u, mean, std):
    """Box and Muller's method on blocks of 16: the first eight numbers of a block are radii, the others angles."""
    u = u.reshape(-1, 2, BLOCK // 2)
    number = u.dtype.type
    radius, angle = np.sqrt(number(-2.0) * np.log(number(1.0) - u[:, 0])), number(2.0 * math.pi) * u[:, 1]
    z = np.empty_like(u)
    np.multiply(radius, np.cos(angle), out=z[:, 0])
    np.multiply(radius, np.sin(angle), out=z[:, 1])
    if (mean, std) != (0.0, 1.0):
        z *= number(std)
        z += number(mean)
    return z.reshape(-1)


def narrow(x, dtype):
    """float64 or int64 in another dtype; half precision by way of float32, as PyTorch rounds."""
    return (x.astype(FLOAT32) if dtype.itemsize == 2 and dtype.kind not in "iu" else x).astype(dtype, copy=False)


# ------------------------------------------------------------------------------------------------- where the numbers go
def visiting_order(array):
    """The axes of ``array`` from the outermost in memory to the innermost, the order of filling; None if as they stand."""
    shape, strides = array.shape, array.strides
    if any(s < 0 for s in strides):  # a flipped view, of which PyTorch makes a copy
        return None
    inner = [a for a in reversed(range(len(shape))) if shape[a] != 1]  # innermost first, sorted by insertion
    for i in range(1, len(inner)):
        here = i
        for j in reversed(range(i)):
            before, after = inner[j], inner[here]
            if not strides[before] or not strides[after]:
                continue  # a broadcast axis stays where it stands
            if (strides[before], shape[before]) <= (strides[after], shape[after]):
                break
            inner[j], inner[here], here = after, before, j
    order = inner[::-1]
    return None if order == sorted(order) else tuple(order)


def in_order(array):
    """Whether the memory of ``array`` is one row in the order of its axes."""
    return bool(array.flags.c_contiguous)


def placed(row, shape, order=None):
    """A row of numbers as an array of ``shape`` whose axes were visited in ``order``."""
    if order is None:
        return row.reshape(shape)
    rest = tuple(a for a in range(len(shape)) if a not in order)  # axes of one element
    axes = rest + order
    return row.reshape([shape[a] for a in axes]).transpose(np.argsort(axes))


# ------------------------------------------------------------------------------------------------- methods of rejection
def poisson(uniform, normal, rate):
    """A Poisson number: a product of uniform numbers for small rates (Knuth), transformed rejection for large (Hoermann)."""
    if rate == 0.0:
        return 0
    if rate < 10.0:
        limit, product, k = math.exp(-rate), uniform(), 0
        while product > limit:
            product *= uniform()
            k += 1
        return k
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha, limit = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= limit:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return k


def gamma(uniform, normal, alpha):
    """A gamma number of shape ``alpha`` and scale 1."""
    scale = 1.0
    if alpha < 1.0:
        if alpha == 0.0:
            return 0.0
        scale = (1.0 - uniform()) ** (1.0 / alpha)
        alpha += 1.0
    d = alpha - THIRD
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        y = 0.0
        while y <= 0.0:
            x = normal()
            y = 1.0 + c * x
        v, u = y * y * y, 1.0 - uniform()
        if u < 1.0 - 0.0331 * x**4 or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return scale * d * v


def binomial(uniform, normal, count, p):
    """How many of ``count`` trials succeed, each with probability ``p``."""
    if count <= 0.0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return count
    q = min(p, 1.0 - p)
    k = (_many_trials if count * q >= 10.0 else _few_trials)(uniform, count, q)
    return k if p <= 0.5 else count - k


def _few_trials(uniform, count, p):
    """By geometric waits from one success to the next."""
    successes, trials, log_q = -1, 0.0, math.log1p(-p)
    while trials <= count:
        trials += math.ceil(math.log(uniform()) / log_q)
        successes += 1
    return successes


def _many_trials(uniform, n, p):
    """Transformed rejection: Hoermann, "The generation of binomial random variates" (1993), algorithm BTRS."""
    spread, odds = math.sqrt(n * p * (1.0 - p)), p / (1.0 - p)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    limit, alpha, mode = 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread, math.floor((n + 1) * p)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + n * p + 0.5)
        if us >= 0.07 and v <= limit:
            return k
        if k < 0 or k > n:
            continue
        bound = (mode + 0.5) * math.log((mode + 1) / (odds * (n - mode + 1))) + (n + 1) * math.log((n - mode + 1) / (n - k + 1))
        bound += (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1)) + _tail(mode) + _tail(n - mode) - _tail(k) - _tail(n - k)
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _tail(k):
    """What Stirling's formula for ln k! leaves out."""
    return math.lgamma(k + 1.0) - ((k + 0.5) * math.log(k + 1.0) - (k + 1.0) + 0.5 * math.log(2.0 * math.pi))
