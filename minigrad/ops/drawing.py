"""The way from a generator to a Tensor of random numbers.

A generator of engine philox gives a key, of which the numbers are made by an operation. One of engine mt19937 gives the numbers
themselves, one after the other; a traced function draws either anew at each call.
"""

import math

import numpy as np

from .. import backends
from ..device import CPU
from ..dispatch import apply
from ..errors import TraceError
from ..graph import levels, tracer
from ..mt19937 import narrow, placed
from ..op import registry
from ..random import default_generator
from ..tensor import wrap

FLOAT64 = np.dtype("float64")


def words_for(dtype):
    """How many random words one number of ``dtype`` takes."""
    return 2 if dtype == FLOAT64 else 1


def key_tensor(generator, words, device=CPU):
    """The key of the next ``words`` random words of ``generator`` (None: the default one), on ``device``."""
    generator = generator or default_generator
    return _anew(lambda: generator.key(words), device, "random key", generator)


def streamed(generator, device, draw):
    """A Tensor of the array that ``draw(twister)`` makes of the stream of a generator with engine mt19937."""
    generator = generator or default_generator
    return _anew(lambda: generator.draw(draw), device, "random numbers", generator)


def _anew(draw, device, name, generator):
    """The array ``draw()`` as a Tensor on ``device``. A traced function draws it anew at each call."""

    def read():
        array = draw()
        return array if device.type == "cpu" else backends.on(device.type).upload(array, device.index)

    trace = tracer.get()
    if trace is not None:
        return trace.read(read, name, generator)
    inside = levels.get()
    return inside[-1].draw(inside, lambda: wrap(read())) if inside else wrap(read())


def is_stream(generator):
    """Whether a generator (None: the default one) has the engine mt19937, whose numbers follow one another."""
    return (generator or default_generator).engine == "mt19937"


def memory_of(t):
    """The array of ``t``, whose strides say in which order its elements lie; that of this run where a trace is on."""
    return getattr(t.array, "value", t.array)


def draw_uniform(shape, dtype, device=CPU, generator=None, order=None):
    """A Tensor of uniform numbers in [0, 1). ``order``: see :func:`minigrad.mt19937.visiting_order`."""
    if is_stream(generator):
        return streamed(generator, device, lambda t: placed(t.uniform(math.prod(shape), dtype), shape, order))
    key = key_tensor(generator, math.prod(shape) * words_for(dtype), device)
    return apply(registry["random_uniform"], (key,), {"shape": tuple(shape), "dtype": dtype})


def draw_normal(shape, dtype, device=CPU, generator=None, order=None):
    """A Tensor of standard normal numbers."""
    if is_stream(generator):
        n = math.prod(shape)
        return streamed(generator, device, lambda t: placed(t.normal(n, dtype, in_order=order is None), shape, order))
    count = -(-math.prod(shape) // 2) * 2 * words_for(dtype)
    return apply(registry["random_normal"], (key_tensor(generator, count, device),), {"shape": tuple(shape), "dtype": dtype})


def draw_exponential(shape, dtype, device=CPU, generator=None):
    """A Tensor of exponential numbers of rate 1."""
    if is_stream(generator):
        return streamed(generator, device, lambda t: t.exponential(math.prod(shape), dtype).reshape(shape))
    return -(1 - draw_uniform(shape, dtype, device, generator)).log()


def draw_slopes(input, low, high):
    """A Tensor of slopes in [low, high) for ``input``. Engine mt19937 draws only for elements that are not positive."""
    shape, dtype = tuple(input.array.shape), input.array.dtype
    if not is_stream(None):
        return draw_uniform(shape, dtype, input.device) * (high - low) + low
    if tracer.get() is not None:
        raise no_trace("rrelu")
    chosen = backends.of(input.array).host(input.array) <= 0

    def draw(twister):
        slopes = np.ones(shape, dtype)
        slopes[chosen] = narrow(twister.uniform(int(chosen.sum()), FLOAT64, low, high), dtype)
        return slopes

    return streamed(None, input.device, draw)


def no_trace(name):
    return TraceError(
        f"{name}: how many numbers of engine mt19937 it takes depends on the values of a tensor, which a trace cannot follow; "
        f"draw outside of the traced function, or use manual_seed(seed, engine='philox')"
    )


def draw_integers(low, high, shape, device=CPU, generator=None, order=None):
    """An int64 Tensor of numbers in [low, high)."""
    low, high, n = int(low), int(high), math.prod(shape)
    if is_stream(generator):
        return streamed(generator, device, lambda t: placed(t.integers(n, low, high), shape, order))
    key = key_tensor(generator, 2 * n, device)
    return apply(registry["random_integers"], (key,), {"low": low, "high": high, "shape": tuple(shape)})
