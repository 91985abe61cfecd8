"""Random numbers: the bits, what is made of them, and new tensors filled with them.

Every operation takes a key [seed, offset] from a generator and is a pure function of it, so a run can be repeated, a dropout
mask computed again instead of kept, and a trace replayed with a new offset.
"""

import math

import numpy as np

from ..device import CPU
from ..device import device as Device
from ..dispatch import apply
from ..dtype import array_dtype, bfloat16, get_default_dtype
from ..mt19937 import visiting_order
from ..op import E, S, function, op, registry
from .drawing import draw_integers, draw_normal, draw_uniform, is_stream, key_tensor, memory_of, streamed
from .shape import whole

UINT64, INT64, FLOAT32, FLOAT64 = map(np.dtype, ("uint64", "int64", "float32", "float64"))
DIGITS = {np.dtype("float16"): 11, bfloat16.dtype: 8, FLOAT32: 24}  # bits of a significand
LOW = 0xFFFFFFFF  # the low half of 64 bits
NO_PARITY = "PyTorch's generator has other bits"


# ------------------------------------------------------------------------------------------------- an independent reference
def reference_bits(key, count):
    """Philox 4x32-10 in Python's integers, block by block."""
    seed, offset = (int(k) % 2**64 for k in key)
    words = []
    for block in range(-(-count // 4)):
        counter = (offset + block) % 2**64
        c, k = [counter & LOW, counter >> 32, 0, 0], [seed & LOW, seed >> 32]
        for _ in range(10):
            a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(b >> 32) ^ c[1] ^ k[0], b & LOW, (a >> 32) ^ c[3] ^ k[1], a & LOW]
            k = [(k[0] + 0x9E3779B9) & LOW, (k[1] + 0xBB67AE85) & LOW]
        words += c
    return np.array(words[:count], np.uint32)


def reference_uniform(key, *, shape, dtype=FLOAT64):
    n = math.prod(shape)
    if dtype == FLOAT64:
        bits = reference_bits(key, 2 * n).astype(np.uint64)
        return (((bits[:n] >> 5) * 2**26 + (bits[n:] >> 6)) / 2**53).reshape(shape)
    drop = 32 - DIGITS[dtype]
    return ((reference_bits(key, n) >> drop) / 2 ** DIGITS[dtype]).reshape(shape)


def _reference_normal(key, *, shape, dtype=FLOAT64):
    n = math.prod(shape)
    u, v = reference_uniform(key, shape=(2, -(-n // 2)), dtype=dtype)
    r = np.sqrt(-2 * np.log1p(-u))
    return np.concatenate([r * np.cos(2 * np.pi * v), r * np.sin(2 * np.pi * v)])[:n].reshape(shape)


def _reference_integers(key, *, low, high, shape):
    n = math.prod(shape)
    bits = [int(b) for b in reference_bits(key, 2 * n)]
    wide = [b if high - low <= 2**32 else b * 2**32 + c for b, c in zip(bits[:n], bits[n:])]
    return np.array([low + b % (high - low) for b in wide], np.int64).reshape(shape)


def _keys(*_, **params):
    return lambda r: [S(np.array([seed, offset]), **params) for seed, offset in ((0, 0), (12345, 2**40 + 3), (-7, 2**32 - 1))]


# --------------------------------------------------------------------------------------------------- what is made of a key
@op(
    kind="random",
    names="",
    samples=lambda r: [*_keys(count=10)(r), S(np.array([1, 0]), count=0), S(np.array([1, 0]), count=4)],
    reference=lambda key, count: reference_bits(key, count),
)
def philox(xp, key, *, count):
    """``count`` uint32 numbers of Philox 4x32-10 for ``key``, an int64 array [seed, offset]; the same on every backend.

    Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. Block i has counter offset + i.
    """
    key = xp.astype(xp.asarray(key), dtype=UINT64)
    seed = xp.getitem(key, key=(0,))
    blocks = xp.arange(key, n=-(-count // 4), dtype=UINT64) + xp.getitem(key, key=(1,))
    c0, c1, c2, c3 = blocks & LOW, blocks >> 32, 0 * blocks, 0 * blocks
    k0, k1 = seed & LOW, seed >> 32
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    words = xp.concat(*[xp.reshape(c, shape=(-1, 1)) for c in (c0, c1, c2, c3)], axis=1)
    return _first(xp, xp.astype(words, dtype=np.dtype("uint32")), count)


def _first(xp, x, n):
    """The first ``n`` elements of ``x`` in one row."""
    return xp.getitem(xp.reshape(x, shape=(-1,)), key=(("slice", 0, n, None),))


def _halves(xp, key, n):
    """2n words as two uint64 arrays of n."""
    bits = xp.astype(xp.reshape(xp.philox(key, count=2 * n), shape=(2, n)), dtype=UINT64)
    return xp.getitem(bits, key=(0,)), xp.getitem(bits, key=(1,))


@op(
    kind="random",
    names="",
    samples=lambda r: [
        s for d in (FLOAT64, FLOAT32, np.dtype("float16"), bfloat16.dtype) for s in _keys(shape=(2, 3), dtype=d)(r)
    ],
    reference=reference_uniform,
)
def random_uniform(xp, key, *, shape, dtype):
    """Uniform numbers in [0, 1): 53 random bits for float64, 24 for float32, and so on."""
    n = math.prod(shape)
    if dtype == FLOAT64:
        high, low = _halves(xp, key, n)
        u = xp.astype((high >> 5) * 2**26 + (low >> 6), dtype=FLOAT64) * 2.0**-53
    else:
        digits = DIGITS[dtype]
        u = xp.astype(xp.astype(xp.philox(key, count=n) >> (32 - digits), dtype=FLOAT32) * 2.0**-digits, dtype=dtype)
    return xp.reshape(u, shape=shape)


@op(
    kind="random",
    names="",
    samples=lambda r: [
        *_keys(shape=(2, 3), dtype=FLOAT64)(r),
        *_keys(shape=(3,), dtype=FLOAT64)(r),
        *_keys(shape=(), dtype=FLOAT64)(r),
    ],
    reference=_reference_normal,
)
def random_normal(xp, key, *, shape, dtype):
    """Standard normal numbers by the method of Box and Muller (1958), two from two uniform ones."""
    n = math.prod(shape)
    wide = FLOAT64 if dtype == FLOAT64 else FLOAT32
    uniform = xp.random_uniform(key, shape=(2, -(-n // 2)), dtype=wide)
    radius = xp.sqrt(-2.0 * xp.log(1.0 - xp.getitem(uniform, key=(0,))))  # 1 - u is in (0, 1]
    angle = 2.0 * math.pi * xp.getitem(uniform, key=(1,))
    both = xp.concat(radius * xp.cos(angle), radius * xp.sin(angle), axis=0)
    return xp.reshape(xp.astype(_first(xp, both, n), dtype=dtype), shape=shape)


@op(
    kind="random",
    names="",
    samples=lambda r: [
        *_keys(low=-3, high=4, shape=(2, 3))(r),
        *_keys(low=-5, high=2**40, shape=(4,))(r),
        *_keys(low=-(2**63), high=2**63 - 1, shape=(4,))(r),
    ],
    reference=_reference_integers,
)
def random_integers(xp, key, *, low, high, shape):
    """int64 numbers in [low, high): random bits modulo the span, 32 of them where the span is at most 2**32, else 64."""
    n = math.prod(shape)
    span = high - low
    bits, more = _halves(xp, key, n)
    bits = bits % span if span <= 2**32 else (bits * 2**32 + more) % span
    return xp.reshape(xp.astype(bits, dtype=INT64) + low, shape=shape)


@op(
    kind="random",
    names="",
    samples=_keys(n=7),
    reference=lambda key, n: np.argsort(
        (lambda b: b[:n] * 2.0**32 + b[n:])(reference_bits(key, 2 * n).astype(np.float64)), kind="stable"
    ),
)
def random_permutation(xp, key, *, n):
    """0 to n - 1 in random order: that of n random 64-bit numbers."""
    high, low = _halves(xp, key, n)
    return xp.argsort(high * 2**32 + low, axis=0)


# ------------------------------------------------------------------------------------------------------- public arguments
def _place(device):
    return CPU if device is None else Device(device)


def _drawn(name, draw, shape, dtype, device, generator, order=None):
    """What ``draw`` gives in a float dtype; a complex number has its two parts, and of a normal one they share the variance."""
    d = array_dtype(get_default_dtype() if dtype is None else dtype)
    if d.kind == "c":
        pairs = draw((*shape, 2), np.dtype(f"float{d.itemsize * 4}"), device, generator)
        return apply(registry["view_as_complex"], (pairs * math.sqrt(0.5) if draw is draw_normal else pairs,), {})
    if d != FLOAT64 and d not in DIGITS:
        raise NotImplementedError(f'"{name}" not implemented for {d}: random floats need a float dtype; use randint for integers')
    return draw(shape, d, device, generator, order)


def _finish(t, requires_grad, out):
    if out is not None:
        from ..views import write

        t = write(out, t)
    return t.requires_grad_() if requires_grad else t


# ----------------------------------------------------------------------------------------------------------------- new tensors
def _shapes(r):
    return [S(3, 4), S((2, 3)), S([2], dtype="float64"), S(), S(0, 3)]


@function(
    "rand",
    spaces="torch",
    formula=r"y \sim U[0, 1)",
    samples=_shapes,
    parity=NO_PARITY,
    errors=lambda r: [E(RuntimeError, "not implemented for int64", 2, dtype="int64"), E(RuntimeError, "negative dimension", -1)],
)
def rand(
    *shape, size=None, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Uniform random numbers in [0, 1): ``rand(2, 3)`` or ``rand((2, 3))``.

    Args:
        shape: the shape, which may also be given as ``size``.
        generator: a :class:`minigrad.Generator`; the default one where it is left out.
        dtype: a float dtype, the default float dtype where it is left out.
        device, requires_grad: as for every new tensor.

    Raises:
        RuntimeError: for a dtype that is no float, or a negative size.

    >>> import minigrad
    >>> x = minigrad.rand(2, 3)
    >>> bool(((x >= 0) & (x < 1)).all())
    True
    """
    t = _drawn("rand", draw_uniform, _sizes("rand", shape if size is None else (size,)), dtype, _place(device), generator)
    return _finish(t, requires_grad, out)


@function(
    "randn",
    spaces="torch",
    formula=r"y \sim N(0, 1)",
    samples=_shapes,
    parity=NO_PARITY,
    errors=lambda r: [E(RuntimeError, "not implemented for int64", 2, dtype="int64")],
)
def randn(
    *shape, size=None, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Standard normal random numbers: ``randn(2, 3)`` or ``randn((2, 3))``. Arguments as for :func:`rand`.

    >>> import minigrad
    >>> minigrad.randn(2, 3).shape
    minigrad.Size([2, 3])
    """
    t = _drawn("randn", draw_normal, _sizes("randn", shape if size is None else (size,)), dtype, _place(device), generator)
    return _finish(t, requires_grad, out)


def _sizes(name, size):
    shape = whole(size)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    return shape


@function(
    "randint",
    spaces="torch",
    formula=r"y \sim U\{low, \dots, high - 1\}",
    parity=NO_PARITY,
    samples=lambda r: [
        S(10, (3, 4)),
        S(-3, 3, (2,)),
        S(0, 2, (5,), dtype="float32"),
        S(low=2, high=3, size=(2,)),
        S(5, size=(0,)),
    ],
    errors=lambda r: [E(RuntimeError, "random_ expects 'from' to be less than 'to'", 3, 3, (2,)), E(TypeError, "size", 3)],
)
def randint(
    *args,
    low=0,
    high=None,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Random whole numbers from ``low`` (0 where it is left out) up to ``high - 1``: ``randint(low, high, size)``.

    Args:
        low, high: the first number, and the first beyond the last.
        size: the shape, a tuple.
        generator, device, requires_grad: as for :func:`rand`.
        dtype: int64 where it is left out.

    Raises:
        RuntimeError: unless low < high.

    >>> import minigrad
    >>> x = minigrad.randint(1, 7, (100,))
    >>> int(x.min()) >= 1 and int(x.max()) <= 6
    True
    """
    args = list(args)
    if args and size is None and isinstance(args[-1], tuple | list):
        size = args.pop()
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (0, args[0]) if high is None else (args[0], high)
    if size is None or high is None:
        raise TypeError("randint() needs high and size: randint(high, size) or randint(low, high, size), size a tuple")
    return _finish(_integers(low, high, _sizes("randint", (size,)), dtype, _place(device), generator), requires_grad, out)


def _integers(low, high, shape, dtype, device, generator, order=None):
    low, high = checked_range(low, high, INT64 if dtype is None else array_dtype(dtype))
    t = draw_integers(low, high, shape, device, generator, order)
    return t if dtype is None else t.to(dtype)


def checked_range(low, high, dtype):
    """[low, high) as integers that ``dtype`` can hold."""
    low, high = int(low), int(high)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.kind in "iub":
        least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        for name, number in (("from", low), ("to - 1", high - 1)):
            if not least <= number <= most:
                raise RuntimeError(f"{name} is out of bounds for {dtype}: {number} is not in [{least}, {most}]")
    return low, high


@function(
    "randperm",
    spaces="torch",
    formula=r"y = \text{a permutation of } 0 \dots n - 1",
    parity=NO_PARITY,
    samples=lambda r: [S(10), S(0), S(5, dtype="int32")],
    errors=lambda r: [E(RuntimeError, "n must be non-negative", -1)],
)
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """The whole numbers 0 to ``n - 1`` in random order.

    Raises:
        RuntimeError: for a negative ``n``.

    >>> import minigrad
    >>> minigrad.randperm(4).sort().values
    tensor([0, 1, 2, 3])
    """
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    if is_stream(generator):
        t = streamed(generator, _place(device), lambda t: t.permutation(int(n)))
    else:
        t = apply(registry["random_permutation"], (key_tensor(generator, 2 * n, _place(device)),), {"n": int(n)})
    return _finish(t if dtype is None else t.to(dtype), requires_grad, out)


def _like(input, dtype, device):
    return input.dtype if dtype is None else dtype, input.device if device is None else device


def _drawn_like(name, draw, input, generator, dtype, device, requires_grad):
    dtype, device = _like(input, dtype, device)
    shape, order = tuple(input.array.shape), visiting_order(memory_of(input))
    t = _drawn(name, draw, shape, dtype, _place(device), generator, order)
    if order is not None and t.array.flags.c_contiguous:  # numbers of a counter fill the rows; PyTorch's, what is like the input
        axes = (*(a for a in range(len(shape)) if a not in order), *order)
        t = apply(registry["reordered"], (t,), {"order": axes})
    return _finish(t, requires_grad, None)


@function(
    "rand_like",
    spaces="torch",
    formula=r"y \sim U[0, 1)",
    parity=NO_PARITY,
    samples=lambda r: [S(np.zeros((2, 3))), S(np.zeros(2), dtype="float32")],
)
def rand_like(
    input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None
):
    """Uniform random numbers in [0, 1) with the shape, dtype and device of ``input``.

    >>> import minigrad
    >>> minigrad.rand_like(minigrad.zeros(2, 3)).shape
    minigrad.Size([2, 3])
    """
    return _drawn_like("rand_like", draw_uniform, input, generator, dtype, device, requires_grad)


@function(
    "randn_like",
    spaces="torch",
    formula=r"y \sim N(0, 1)",
    parity=NO_PARITY,
    samples=lambda r: [S(np.zeros((2, 3))), S(np.zeros(3), dtype="float32")],
)
def randn_like(
    input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None
):
    """Standard normal random numbers with the shape, dtype and device of ``input``.

    >>> import minigrad
    >>> minigrad.randn_like(minigrad.zeros(2, 3)).dtype
    minigrad.float32
    """
    return _drawn_like("randn_like", draw_normal, input, generator, dtype, device, requires_grad)


@function(
    "randint_like",
    spaces="torch",
    formula=r"y \sim U\{low, \dots, high - 1\}",
    parity=NO_PARITY,
    samples=lambda r: [S(np.zeros((2, 3)), 5), S(np.zeros((2, 3)), -3, 3, dtype="int64")],
)
def randint_like(
    input, low=0, high=None, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
    memory_format=None,
):  # fmt: skip
    """Random whole numbers in [low, high), or [0, low) where ``high`` is left out, like ``input``.

    >>> import minigrad
    >>> minigrad.randint_like(minigrad.zeros(3), 1, 2)
    tensor([1., 1., 1.])
    """
    low, high = (0, low) if high is None else (low, high)
    dtype, device = _like(input, dtype, device)
    order = visiting_order(memory_of(input))
    t = _integers(low, high, tuple(input.array.shape), dtype, _place(device), generator, order)
    return _finish(t, requires_grad, None)
