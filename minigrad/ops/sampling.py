"""Drawing from distributions: Bernoulli, multinomial and normal with given parameters."""

import math

import numpy as np

from ..dispatch import apply
from ..errors import describe
from ..mt19937 import placed, visiting_order
from ..op import E, S, function, op, registry
from ..output import put
from ..tensor import Tensor
from ..views import write
from .drawing import draw_normal, draw_uniform, is_stream, key_tensor, memory_of, streamed, words_for
from .random import FLOAT32, FLOAT64, NO_PARITY, randn, reference_uniform
from .samples import normal as normal_array
from .samples import positive
from .searching import searchsorted


def _wide(dtype):
    return FLOAT64 if dtype == FLOAT64 else FLOAT32


# ------------------------------------------------------------------------------------------------------------ Bernoulli
@op(
    kind="random",
    names="",
    vjp=(lambda xp, g: xp.full_like(g, value=0.0), None),
    samples=lambda r: [
        S(r.random((3, 4)), np.array([5, 9]), grad=False),
        S(np.array([0.0, 1.0]), np.array([5, 9]), grad=False),
        S(r.random(()), np.array([5, 9]), grad=False),
    ],
    reference=lambda p, key: (reference_uniform(key, shape=p.shape) < p) * 1.0,
    derivative=r"\bar p = 0",
)
def random_bernoulli(xp, p, key):
    """1 with probability ``p``, else 0, for each element of ``p``."""
    u = xp.random_uniform(key, shape=tuple(p.shape), dtype=_wide(p.dtype))
    return xp.astype(xp.less(u, p), dtype=p.dtype)


@op(
    kind="random",
    names="",
    vjp=(lambda xp, g: xp.full_like(g, value=0.0), None),
    samples=lambda r: [S(r.random((3, 4)), r.random((3, 4)), grad=False), S(np.array([0.0, 1.0]), np.zeros(2), grad=False)],
    reference=lambda p, u: (u < p) * 1.0,
    derivative=r"\bar p = 0",
)
def random_below(xp, p, u):
    """1 where ``u`` is less than ``p``, else 0."""
    return xp.astype(xp.less(u, p), dtype=p.dtype)


@function(
    "bernoulli",
    formula=r"y \sim \mathrm{Bernoulli}(x)",
    derivative=r"\bar x = 0",
    parity=NO_PARITY,
    samples=lambda r: [
        S(r.random((3, 4)), grad=False),
        S(np.zeros((2, 3)), 0.5, grad=False),
        S(np.array([0.0, 1.0]), grad=False),
    ],
    errors=lambda r: [
        E(RuntimeError, "p_in >= 0 && p_in <= 1", np.array([0.5, 1.5]), by_value=True),
        E(RuntimeError, "p_in >= 0", np.zeros(2), -0.1),
        E(RuntimeError, "not implemented for", np.array([0, 1])),
    ],
)
def bernoulli(input, p=None, *, generator=None, out=None):
    """0 or 1 for each element of ``input``: 1 with the probability that the element gives, or with probability ``p``.

    Args:
        input: probabilities of any shape, a float dtype.
        p: one probability for all elements; then only the shape and dtype of ``input`` count.
        generator: a :class:`minigrad.Generator`.

    Raises:
        RuntimeError: for probabilities outside [0, 1], or an ``input`` that is not a float tensor.

    >>> import minigrad
    >>> minigrad.bernoulli(minigrad.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if p is not None:
        checked_probability("bernoulli_", p)
        if is_stream(generator):
            t = _stream_bernoulli(input, p, generator)
            return t if out is None else write(out, t)
        input = apply(registry["full_like"], (input.detach(),), {"value": p})
    if not input.is_floating_point():
        raise RuntimeError(f'"bernoulli" not implemented for {input.dtype}: probabilities are floats; convert with .float()')
    check_values(
        input, lambda a: (a >= 0) & (a <= 1), "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true: probabilities lie in [0, 1]"
    )
    wide = _wide(input.array.dtype)
    if is_stream(generator):
        u = draw_uniform(tuple(input.array.shape), wide, input.device, generator)
        t = apply(registry["random_below"], (input, u), {})
    else:
        key = key_tensor(generator, input.numel() * words_for(wide))
        t = apply(registry["random_bernoulli"], (input, key), {})
    return t if out is None else write(out, t)


def _stream_bernoulli(input, p, generator):
    shape, dtype = tuple(input.array.shape), input.array.dtype
    return streamed(generator, input.device, lambda t: t.bernoulli(input.numel(), p).reshape(shape).astype(dtype))


def checked_probability(name, p):
    if not 0 <= p <= 1:
        raise RuntimeError(
            f"{name} expects p to be in [0, 1]: Expected p_in >= 0 && p_in <= 1 to be true, but got p={p}; a probability "
            f"lies in [0, 1]"
        )


def check_values(t, valid, message):
    """RuntimeError where values are not ``valid``; those on a GPU or under a trace are not looked at: that would wait."""
    a = t.array
    if a.__class__ is np.ndarray and not valid(a).all():
        raise RuntimeError(f"{message}; got {describe(t)} with values from {a.min()} to {a.max()}")


# ---------------------------------------------------------------------------------------------------------- multinomial
def _reference_multinomial(p, key, *, num_samples, replacement):
    rows = np.atleast_2d(p)
    if replacement:
        u = reference_uniform(key, shape=(len(rows), num_samples))
        picks = [np.searchsorted(np.cumsum(q) / q.sum(), v, side="right") for q, v in zip(rows, u)]
    else:
        waits = -np.log1p(-reference_uniform(key, shape=rows.shape))
        picks = [np.argsort(-(q / w), kind="stable")[:num_samples] for q, w in zip(rows, waits)]
    return np.array(picks).reshape(*p.shape[:-1], num_samples)


def _weights(r):
    key = np.array([3, 1])
    return [
        S(r.random(6), key, num_samples=4, replacement=False),
        S(r.random((2, 5)), key, num_samples=2, replacement=False),
        S(np.array([[0.0, 2.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]), key, num_samples=7, replacement=True),
        S(r.random(6), key, num_samples=9, replacement=True),
    ]


@op(kind="random", names="", samples=_weights, reference=_reference_multinomial)
def random_multinomial(xp, p, key, *, num_samples, replacement):
    """``num_samples`` indices for each row of weights.

    With replacement: where a uniform number falls in the running sums. Without: the order in which exponential clocks with
    rates ``p`` ring (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
    """
    n = p.shape[-1]
    rows = xp.astype(xp.reshape(p, shape=(-1, n)), dtype=FLOAT64)  # (rows, n)
    if replacement:
        count = math.prod(p.shape[:-1])
        u = xp.random_uniform(key, shape=(count, num_samples), dtype=FLOAT64)
        sums = xp.cumsum(rows, axis=1)
        first = xp.reshape(xp.arange(p, n=count), shape=(count, 1))  # row i takes the interval (i, i + 1] of one line
        line = xp.reshape(
            sums / xp.getitem(sums, key=(("slice", None, None, None), ("slice", n - 1, n, None))) + first, shape=(-1,)
        )
        picks = (
            xp.reshape(xp.searchsorted(line, xp.reshape(u + first, shape=(-1,)), side="right"), shape=(count, num_samples))
            - first * n
        )
    else:
        wait = -xp.log(1.0 - xp.random_uniform(key, shape=tuple(rows.shape), dtype=FLOAT64))
        order = xp.argsort(-(rows / xp.maximum(wait, 2.0**-60)), axis=1)
        picks = xp.getitem(order, key=(("slice", None, None, None), ("slice", 0, num_samples, None)))
    return xp.reshape(picks, shape=(*p.shape[:-1], num_samples))


@function(
    "multinomial",
    formula=r"P(y = i) = x_i / \sum_j x_j",
    parity=NO_PARITY,
    samples=lambda r: [
        S(r.random(6), 4),
        S(r.random((2, 5)), 2),
        S(r.random((2, 3)), 7, replacement=True),
        S(np.array([0.0, 1.0]), 1),
    ],
    errors=lambda r: [
        E(RuntimeError, "cannot sample n_sample > prob_dist.size", r.random(3), 4),
        E(RuntimeError, "cannot sample n_sample <= 0", r.random(3), 0),
        E(RuntimeError, "must be 1 or 2 dim", r.random((2, 2, 2)), 1),
        E(RuntimeError, "`inf`, `nan` or element < 0", np.array([0.5, -0.5]), 1, by_value=True),
        E(RuntimeError, "sum of probabilities <= 0", np.zeros(3), 1, by_value=True),
        E(RuntimeError, "not enough non-negative category", np.array([1.0, 0.0]), 2, by_value=True),
    ],
)
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Indices drawn with probabilities proportional to ``input``.

    Args:
        input: weights (n,) or (rows, n), floats that are not negative; they need not add up to 1.
        num_samples: how many to draw from each row.
        replacement: whether an index may be drawn again.
        generator: a :class:`minigrad.Generator`.

    Returns:
        int64 tensor (num_samples,) or (rows, num_samples).

    Raises:
        RuntimeError: for weights that are no probabilities, or more samples than there are without replacement.

    >>> import minigrad
    >>> minigrad.multinomial(minigrad.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    shape, num_samples = tuple(input.array.shape), num_samples.__index__()
    if not input.is_floating_point():
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {input.dtype}; convert with .float()"
        )
    if len(shape) not in (1, 2):
        raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, got shape {shape}")
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: cannot sample n_sample <= 0 samples, got num_samples={num_samples}")
    if not replacement and num_samples > shape[-1]:
        raise RuntimeError(
            f"multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} of "
            f"{shape[-1]}; "
            f"pass replacement=True to draw an index more than once"
        )
    check_values(
        input, lambda a: (a >= 0) & (a < np.inf), "multinomial: probability tensor contains either `inf`, `nan` or element < 0"
    )
    check_values(input, lambda a: a.sum(-1) > 0, "multinomial: invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement:
        enough = (
            "multinomial: invalid multinomial distribution (with replacement=False, not enough non-negative category to sample)"
        )
        check_values(input, lambda a: (a > 0).sum(-1) >= num_samples, enough)
    if is_stream(generator):
        t = _stream_multinomial(input.detach(), int(num_samples), replacement, generator)
        return t if out is None else put(out, t, "multinomial")
    count = 2 * (math.prod(shape[:-1]) * num_samples if replacement else math.prod(shape))
    key = key_tensor(generator, count, input.device)
    t = apply(
        registry["random_multinomial"], (input.detach(), key), {"num_samples": int(num_samples), "replacement": bool(replacement)}
    )
    return t if out is None else put(out, t, "multinomial")


def _stream_multinomial(p, num_samples, replacement, generator):
    """As PyTorch draws: one sample, or samples without replacement, by exponential clocks; others by the running sums."""
    shape, dtype = tuple(p.array.shape), p.array.dtype
    if replacement and num_samples > 1:
        u = draw_uniform((*shape[:-1], num_samples), FLOAT64, p.device, generator)
        sums = (p if dtype == FLOAT64 else p.float()).cumsum(-1)
        return searchsorted((sums / sums[..., -1:]).double(), u).clamp(max=shape[-1] - 1)
    order = visiting_order(memory_of(p))
    clocks = streamed(generator, p.device, lambda t: placed(t.exponential(math.prod(shape), dtype), shape, order))
    rates = p / clocks
    return rates.argmax(-1, keepdim=True) if num_samples == 1 else rates.topk(num_samples).indices


# -------------------------------------------------------------------------------------------------------------- normal
@op(
    kind="random",
    names="",
    vjp=(lambda xp, g: xp.full_like(g, value=0.0), lambda xp, g: xp.full_like(g, value=0.0), None),
    samples=lambda r: [S(normal_array(r, 3), positive(r, 3), normal_array(r, 3), grad=False)],
    reference=lambda mean, std, noise: noise * std + mean,
    derivative=r"\bar\mu = \bar\sigma = 0",
)
def random_located(xp, mean, std, noise):
    """``noise`` with the given means and standard deviations, which get no gradient."""
    return noise * std + mean


@function(
    "normal",
    spaces="torch",
    formula=r"y \sim N(\mu, \sigma^2)",
    parity=NO_PARITY,
    samples=lambda r: [
        S(normal_array(r, 3, 4), positive(r, 4), grad=False),
        S(normal_array(r, 3), grad=False),
        S(0.5, positive(r, 3), grad=False),
        S(normal_array(r, 3), 2.0, grad=False),
        S(1.0, 2.0, (2, 3)),
        S(1.0, 2.0, size=(2,), dtype="float64"),
    ],
    errors=lambda r: [
        E(RuntimeError, "normal expects std >= 0.0", 0.0, -1.0, (2,)),
        E(RuntimeError, "elements of std >= 0.0", np.zeros(2), -positive(r, 2), by_value=True),
        E(TypeError, "size", 0.0, 1.0),
    ],
)
def normal(
    mean=0.0,
    std=1.0,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Normal random numbers with given means and standard deviations.

    Args:
        mean, std: tensors that broadcast, or numbers.
        size: the shape where both are numbers.
        generator, dtype, device, requires_grad: as for :func:`rand`.

    Raises:
        RuntimeError: for a negative standard deviation.

    >>> import minigrad
    >>> minigrad.normal(minigrad.tensor([1.0, 2.0]), 0.0)
    tensor([1., 2.])
    """
    if size is not None:  # then both are numbers, or 0-d tensors that stand for them
        mean, std = (t.item() if isinstance(t, Tensor) else t for t in (mean, std))
    if isinstance(std, Tensor):
        check_values(std, lambda a: a >= 0, "normal: expects all elements of std >= 0.0")
    elif std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    given = [t for t in (mean, std) if isinstance(t, Tensor)]
    if not given:
        if size is None:
            raise TypeError("normal() needs size=(...) where mean and std are both numbers")
        t = randn(tuple(size), generator=generator, dtype=dtype, device=device) * std + mean
        t = t if out is None else write(out, t)
        return t.requires_grad_() if requires_grad else t
    shape, first = np.broadcast_shapes(*[tuple(t.array.shape) for t in given]), given[0]
    noise = draw_normal(shape, first.array.dtype, first.device, generator)
    t = _located(mean, std, noise)
    return t if out is None else write(out, t)


def _located(mean, std, noise):
    if any(isinstance(t, Tensor) and t.requires_grad for t in (mean, std)):
        mean, std = (
            t.to(noise.dtype).expand(noise.shape)
            if isinstance(t, Tensor)
            else apply(registry["full_like"], (noise,), {"value": t})
            for t in (mean, std)
        )
        return apply(registry["random_located"], (mean, std, noise), {})
    return (noise * std + mean).to(noise.dtype)
