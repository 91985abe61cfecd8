"""Drawing from distributions: Bernoulli, multinomial and normal with given parameters, and filling tensors in place."""

import math

import numpy as np

from ..dispatch import apply
from ..errors import describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from ..views import write
from .random import (
    FLOAT32,
    FLOAT64,
    NO_PARITY,
    draw_integers,
    draw_normal,
    draw_uniform,
    key_tensor,
    randn,
    reference_uniform,
    words_for,
)
from .samples import normal as normal_array
from .samples import positive


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
        _probability("bernoulli", p)
        input = apply(registry["full_like"], (input.detach(),), {"value": p})
    if not input.is_floating_point():
        raise RuntimeError(f'"bernoulli" not implemented for {input.dtype}: probabilities are floats; convert with .float()')
    _check(
        input, lambda a: (a >= 0) & (a <= 1), "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true: probabilities lie in [0, 1]"
    )
    count = input.numel() * words_for(_wide(input.array.dtype))
    t = apply(registry["random_bernoulli"], (input, key_tensor(generator, count)), {})
    return t if out is None else write(out, t)


def _probability(name, p):
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name}: Expected p_in >= 0 && p_in <= 1 to be true, got p={p}; a probability lies in [0, 1]")


def _check(t, valid, message):
    """RuntimeError where values are not ``valid``. Values on a GPU or under a trace are not looked at: that would wait "
    "for them."""
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
    shape = tuple(input.array.shape)
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
    _check(
        input, lambda a: (a >= 0) & (a < np.inf), "multinomial: probability tensor contains either `inf`, `nan` or element < 0"
    )
    _check(input, lambda a: a.sum(-1) > 0, "multinomial: invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement:
        enough = (
            "multinomial: invalid multinomial distribution (with replacement=False, not enough non-negative category to sample)"
        )
        _check(input, lambda a: (a > 0).sum(-1) >= num_samples, enough)
    count = 2 * (math.prod(shape[:-1]) * num_samples if replacement else math.prod(shape))
    key = key_tensor(generator, count, input.device)
    t = apply(
        registry["random_multinomial"], (input.detach(), key), {"num_samples": int(num_samples), "replacement": bool(replacement)}
    )
    return t if out is None else write(out, t)


# -------------------------------------------------------------------------------------------------------------- normal
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
    if isinstance(std, Tensor):
        _check(std, lambda a: a >= 0, "normal: expects all elements of std >= 0.0")
    elif std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    given = [t.detach() for t in (mean, std) if isinstance(t, Tensor)]
    if not given:
        if size is None:
            raise TypeError("normal() needs size=(...) where mean and std are both numbers")
        t = randn(tuple(size), generator=generator, dtype=dtype, device=device) * std + mean
        t = t if out is None else write(out, t)
        return t.requires_grad_() if requires_grad else t
    like = given[0] if len(given) == 1 else given[0] + given[1]
    noise = draw_normal(like.array.shape, like.array.dtype, like.device, generator)
    mean, std = (t.detach() if isinstance(t, Tensor) else t for t in (mean, std))
    t = noise * std + mean
    return t if out is None else write(out, t)


# ------------------------------------------------------------------------------------------------------- filling in place
def _uniform(t, generator):
    return draw_uniform(t.array.shape, _filled_dtype("uniform_", t), t.device, generator)


def _normal(t, generator):
    return draw_normal(t.array.shape, _filled_dtype("normal_", t), t.device, generator)


def _filled_dtype(name, t):
    if not t.is_floating_point():
        raise RuntimeError(f'"{name}" not implemented for {t.dtype}: it fills with floats; use random_() for integers')
    return t.array.dtype


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
    return write(self, _uniform(self, generator) * (b - a) + a)


@_fill("normal_", r"x \sim N(\mu, \sigma^2)", [(), (-2.0, 3.0)], [("std >= 0.0", 0.0, -1.0)])
def normal_(self, mean=0, std=1, *, generator=None):
    """Fill the tensor with normal random numbers; returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(2).normal_(3, 0)
    tensor([3., 3.])
    """
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    return write(self, _normal(self, generator) * std + mean)


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


@_fill("random_", r"x \sim U\{a, \dots, b - 1\}", [(), (5,), (-2, 3)], [("'from' to be less than 'to'", 3, 3)])
def random_(self, a=None, b=None, *, generator=None, **interval):
    """Fill the tensor with random whole numbers: ``random_()`` over all that the dtype holds exactly, ``random_(to)`` from 0,
    ``random_(from, to)``. ``to`` itself is left out. Returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(3).random_(7, 8)
    tensor([7., 7., 7.])
    """
    a, b = interval.get("from", a), interval.get("to", b)
    low, high = (0, _LIMITS[self.dtype.name] if a is None else a) if b is None else (a or 0, b)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    t = draw_integers(low, high, tuple(self.array.shape), self.device, generator)
    return write(self, t.to(self.dtype))


@_fill("bernoulli_", r"x \sim \mathrm{Bernoulli}(p)", [(), (0.3,)], [("p_in >= 0", 1.5)])
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill the tensor with 0 and 1: 1 with probability ``p``, a number or a tensor that broadcasts. Returns the tensor.

    >>> import minigrad
    >>> minigrad.zeros(2).bernoulli_(1.0)
    tensor([1., 1.])
    """
    if not isinstance(p, Tensor):
        _probability("bernoulli_", p)
    wide = _wide(self.array.dtype)
    u = draw_uniform(self.array.shape, wide, self.device, generator)
    return write(self, (u < (p.detach() if isinstance(p, Tensor) else p)).to(self.dtype))


def _exponential(t, generator):
    """-log of a uniform number in (0, 1], and never zero."""
    u = _uniform(t, generator)
    return (-(1 - u).log()).clamp(min=2.0**-25)


@_fill("exponential_", r"x \sim \lambda e^{-\lambda x}", [(), (2.0,)], [("lambda > 0.0", -1.0)])
def exponential_(self, lambd=1, *, generator=None):
    """Fill the tensor with exponential random numbers of rate ``lambd``; none is zero. Returns the tensor.

    >>> import minigrad
    >>> bool((minigrad.zeros(3).exponential_() > 0).all())
    True
    """
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return write(self, _exponential(self, generator) / lambd)


@_fill("log_normal_", r"\ln x \sim N(\mu, \sigma^2)", [(), (0.5, 0.25)], [("std > 0.0", 0.0, -1.0)])
def log_normal_(self, mean=1, std=2, *, generator=None):
    """Fill the tensor with numbers whose logarithms are normal; returns the tensor.

    >>> import minigrad
    >>> bool((minigrad.zeros(3).log_normal_() > 0).all())
    True
    """
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return write(self, (_normal(self, generator) * std + mean).exp())


@_fill("geometric_", r"P(x = k) = (1 - p)^{k - 1} p", [(0.3,), (0.9,)], [("p to be in", 1.5)])
def geometric_(self, p, *, generator=None):
    """Fill the tensor with the number of trials up to the first success of probability ``p``; returns the tensor.

    >>> import minigrad
    >>> bool((minigrad.zeros(3).geometric_(0.5) >= 1).all())
    True
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    u = draw_uniform(self.array.shape, _wide(self.array.dtype), self.device, generator)
    trials = ((1 - u).log() / math.log1p(-p)).floor() + 1
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
    u = draw_uniform(self.array.shape, _wide(_filled_dtype("cauchy_", self)), self.device, generator)
    return write(self, ((u - 0.5) * math.pi).tan().to(self.dtype) * sigma + median)
