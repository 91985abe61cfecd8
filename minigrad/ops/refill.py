"""Filling a tensor in place with random numbers."""

import math

import numpy as np

from ..dtype import of_numpy
from ..mt19937 import in_order, narrow, placed, visiting_order
from ..op import E, S, function
from ..tensor import Tensor
from ..views import write
from .drawing import draw_exponential, draw_integers, draw_normal, draw_uniform, is_stream, memory_of, streamed
from .random import FLOAT32, FLOAT64, NO_PARITY, checked_range
from .sampling import check_values, checked_probability


def _fill(name, text, samples, errors=None):
    """Publish ``Tensor.name``, which overwrites the tensor and returns it."""
    shapes = [S(np.zeros((3, 4)), *a, grad=False) for a in samples]
    refused = [E(RuntimeError, match, np.zeros(3), *a) for match, *a in errors or ()]
    return function(
        name,
        spaces="Tensor",
        formula=text,
        derivative=r"\bar x = 0",
        parity=NO_PARITY,
        samples=lambda r: shapes,
        errors=lambda r: refused,
    )


def _from_stream(t, generator, draw):
    """Overwrite ``t`` by ``draw(twister, count)``, a row of numbers in the order of the memory of ``t``."""
    array = memory_of(t)
    shape, order, dtype = array.shape, visiting_order(array), array.dtype
    return write(t, streamed(generator, t.device, lambda s: placed(narrow(draw(s, math.prod(shape)), dtype), shape, order)))


def _place(t):
    """Shape, precision of the draw, and device for the numbers that will fill ``t``."""
    return tuple(t.array.shape), FLOAT64 if t.array.dtype == FLOAT64 else FLOAT32, t.device


def _float_dtype(name, t):
    if not t.is_floating_point():
        raise NotImplementedError(
            f'"{name}" not implemented for {t.dtype}: it draws from a continuous probability distribution, and dtype must be a '
            f"floating point; use random_() for integers"
        )
    return t.array.dtype


@_fill("uniform_", r"x \sim U[a, b)", [(), (-2.0, 3.0)], [("less than or equal to", 1.0, 0.0)])
def uniform_(self, a=0, b=1, *, generator=None, **interval):
    """Fill the tensor with uniform random numbers in [a, b) (``from`` and ``to`` in PyTorch); returns the tensor.

    >>> import minigrad
    >>> x = minigrad.zeros(3).uniform_(2, 2)
    >>> x
    tensor([2., 2., 2.])
    """
    a, b = interval.get("from", a), interval.get("to", b)
    if a > b:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range with from less than or equal to to, but found from={a} > to={b}"
        )
    dtype = _float_dtype("uniform_", self)
    if is_stream(generator):
        return _from_stream(self, generator, lambda s, n: s.uniform(n, dtype, float(a), float(b)))
    return write(self, draw_uniform(self.array.shape, dtype, self.device, generator) * (b - a) + a)


@_fill("normal_", r"x \sim N(\mu, \sigma^2)", [(), (-2.0, 3.0)], [("std >= 0.0", 0.0, -1.0)])
def normal_(self, mean=0, std=1, *, generator=None):
    """Fill the tensor with normal random numbers; returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(2).normal_(3, 0)
    tensor([3., 3.])
    """
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    dtype = _float_dtype("normal_", self)
    if is_stream(generator):
        one_row = in_order(memory_of(self))
        return _from_stream(self, generator, lambda s, n: s.normal(n, dtype, float(mean), float(std), one_row))
    return write(self, draw_normal(self.array.shape, dtype, self.device, generator) * std + mean)


_LIMITS = {
    "bool": 2,
    "uint8": 2**8,
    "int8": 2**7,
    "int16": 2**15,
    "int32": 2**31,
    "int64": 2**63 - 1,
    "float16": 2**11 + 1,
    "bfloat16": 2**8 + 1,
    "float32": 2**24 + 1,
    "float64": 2**53 + 1,
}
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}  # whole numbers up to 2**digits are exact


@_fill(
    "random_",
    r"x \sim U\{a, \dots, b - 1\}",
    [(), (5,), (-2, 3), (2, None)],
    [("'from' to be less than 'to'", 3, 3)],
)
def random_(self, *limits, generator=None, **interval):
    """Fill the tensor with random whole numbers: ``random_()`` over all that the dtype holds exactly, ``random_(to)`` from 0,
    ``random_(from, to)``, and ``random_(from, None)`` up to the largest. ``to`` itself is left out. Returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(3).random_(7, 8)
    tensor([7., 7., 7.])
    """
    if len(limits) > 2 or not interval.keys() <= {"from", "to"}:
        raise TypeError(f"random_() takes (to) or (from, to), got {limits} and {sorted(interval)}")
    low, high = limits if len(limits) == 2 else (interval.get("from", 0), limits[0] if limits else interval.get("to"))
    dtype, stream = self.array.dtype, is_stream(generator)
    largest = 2**63 if stream and dtype == np.int64 else _LIMITS[self.dtype.name]
    if stream and high is None and not limits and not interval:
        return _from_stream(self, generator, lambda s, n: s.below(n, largest, dtype.itemsize == 8))
    low, high = _exact_limits(*checked_range(low, largest if high is None else high, dtype), dtype)
    if stream:
        return _from_stream(self, generator, lambda s, n: s.integers(n, low, high))
    return write(self, draw_integers(low, high, tuple(self.array.shape), self.device, generator).to(self.dtype))


def _exact_limits(low, high, dtype):
    """Limits whose rounding to a float dtype leaves no number outside of them."""
    if dtype.kind in "iub":
        return low, high
    digits = _DIGITS[of_numpy[dtype].name]

    def rounded(number):
        return int(narrow(np.array(float(number)), dtype))

    def step(number):  # between neighbouring floats of this size
        return 2 ** max(0, abs(number).bit_length() - digits)

    if rounded(low + 1) < low:
        low = rounded(low + 1) + step(low + 1)
    if rounded(high - 1) >= high:
        high = rounded(high - 1) - step(high - 1)
    return low, high


@_fill("bernoulli_", r"x \sim \mathrm{Bernoulli}(p)", [(), (0.3,)], [("p_in >= 0", 1.5)])
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill the tensor with 0 and 1: 1 with probability ``p``, a number or a tensor that broadcasts. Returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(2).bernoulli_(1.0)
    tensor([1., 1.])
    """
    shape, wide, device = _place(self)
    if not isinstance(p, Tensor):
        checked_probability("bernoulli_", p)
        if is_stream(generator):
            return _from_stream(self, generator, lambda s, n: s.bernoulli(n, float(p)))
        return write(self, (draw_uniform(shape, wide, device, generator) < p).to(self.dtype))
    p = p.detach()
    check_values(p, lambda a: (a >= 0) & (a <= 1), "bernoulli_: Expected p_in >= 0 && p_in <= 1 to be true")
    order = None
    if is_stream(generator):
        wide, order = FLOAT64 if p.array.dtype == FLOAT64 else FLOAT32, visiting_order(memory_of(self))
    return write(self, (draw_uniform(shape, wide, device, generator, order) < p).to(self.dtype))


@_fill("exponential_", r"x \sim \lambda e^{-\lambda x}", [(), (2.0,)], [("lambda > 0.0", -1.0)])
def exponential_(self, lambd=1, *, generator=None):
    """Fill the tensor with exponential random numbers of rate ``lambd``; none is zero. Returns the tensor.

    >>> import minigrad
    >>> bool((minigrad.zeros(3).exponential_() > 0).all())
    True
    """
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    dtype = _float_dtype("exponential_", self)
    if is_stream(generator):
        return _from_stream(self, generator, lambda s, n: s.exponential(n, dtype, float(lambd)))
    drawn = draw_exponential(self.array.shape, dtype, self.device, generator)
    return write(self, drawn.clamp(min=2.0**-25) / lambd)


@_fill("log_normal_", r"\ln x \sim N(\mu, \sigma^2)", [(), (0.5, 0.25)], [("std > 0.0", 0.0, -1.0)])
def log_normal_(self, mean=1, std=2, *, generator=None):
    """Fill the tensor with numbers whose logarithms are normal; returns the tensor.

    >>> import minigrad
    >>> bool((minigrad.zeros(3).log_normal_() > 0).all())
    True
    """
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    dtype = _float_dtype("log_normal_", self)
    if is_stream(generator):
        return _from_stream(self, generator, lambda s, n: s.log_normal(n, dtype, float(mean), float(std)))
    return write(self, (draw_normal(self.array.shape, dtype, self.device, generator) * std + mean).exp())


@_fill("geometric_", r"P(x = k) = (1 - p)^{k - 1} p", [(0.3,), (0.9,)], [("p to be in", 1.5)])
def geometric_(self, p, *, generator=None):
    """Fill the tensor with the number of trials up to the first success of probability ``p``; returns the tensor.

    >>> import minigrad
    >>> bool((minigrad.zeros(3).geometric_(0.5) >= 1).all())
    True
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    if is_stream(generator):
        return _from_stream(self, generator, lambda s, n: s.geometric(n, FLOAT64, float(p)))
    trials = ((1 - draw_uniform(*_place(self), generator)).log() / math.log1p(-p)).floor() + 1
    return write(self, trials.to(self.dtype))


@_fill("cauchy_", r"x \sim \frac{1}{\pi} \frac{\sigma}{(x - m)^2 + \sigma^2}", [(), (1.0, 0.5)], [("sigma > 0.0", 0.0, -1.0)])
def cauchy_(self, median=0, sigma=1, *, generator=None):
    """Fill the tensor with Cauchy random numbers; returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(2, 3).cauchy_().shape
    minigrad.Size([2, 3])
    """
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    dtype = _float_dtype("cauchy_", self)
    if is_stream(generator):
        return _from_stream(self, generator, lambda s, n: s.cauchy(n, dtype, float(median), float(sigma)))
    u = draw_uniform(*_place(self), generator)
    return write(self, ((u - 0.5) * math.pi).tan().to(self.dtype) * sigma + median)
