"""Drawing from distributions by methods of rejection, which take as many random numbers as they need: Poisson, binomial, gamma.

They run on the host. With engine philox, NumPy's methods run on a Philox stream that the key starts; with engine mt19937 the
numbers are PyTorch's.
"""

import numpy as np

from .. import backends, mt19937
from ..dispatch import apply
from ..graph import tracer
from ..op import E, S, function, op, registry
from ..random import default_generator
from ..tensor import wrap
from .drawing import is_stream, no_trace
from .random import FLOAT32, FLOAT64, NO_PARITY
from .samples import positive


@op(
    kind="random",
    names="",
    vjp=(lambda xp, g: xp.full_like(g, value=0.0), None),
    samples=lambda r: [S(r.random((2, 3)), np.arange(6.0).reshape(2, 3), grad=False)],
    reference=lambda x, drawn: drawn,
    derivative=r"\bar x = 0",
)
def random_given(xp, x, drawn):
    """``drawn``, which depends on ``x`` without a gradient."""
    return xp.copy(drawn)


def _draw(name, own, method, tensors, generator):
    """A Tensor drawn element by element: by ``own`` from the stream, or by NumPy's method of that name."""
    if tracer.get() is not None:
        raise no_trace(name)
    generator, dtype = generator or default_generator, tensors[0].array.dtype
    arrays = [np.asarray(backends.of(t.array).host(t.array), FLOAT64) for t in tensors]
    arrays = list(np.broadcast_arrays(*arrays))
    if is_stream(generator):
        values = generator.draw(lambda t: t.each(own, *arrays))
    else:
        bits = np.random.Philox(key=generator.key(4).view(np.uint64))  # a stream of this call's own
        if method == "binomial":
            arrays[0] = arrays[0].astype(np.int64)
        values = getattr(np.random.Generator(bits), method)(*arrays)
    return wrap(mt19937.narrow(np.asarray(values, FLOAT64), dtype)).to(tensors[0].device)


def _given(x, drawn):
    return apply(registry["random_given"], (x, drawn), {}) if x.requires_grad else drawn


def _positive(r):
    return [S(positive(r, 3, 4), grad=False), S(positive(r, 5) * 30.0, grad=False), S(np.zeros(2), grad=False)]


@function(
    "poisson",
    spaces="torch",
    formula=r"P(y = k) = x^k e^{-x} / k!",
    derivative=r"\bar x = 0",
    parity=NO_PARITY,
    samples=_positive,
    errors=lambda r: [
        E(RuntimeError, "invalid Poisson rate, expected rate to be non-negative", -positive(r, 2), by_value=True),
        E(NotImplementedError, "not implemented for", np.array([1, 2])),
    ],
)
def poisson(input, generator=None):
    """A Poisson number for each rate.

    Args:
        input: rates, floats of any shape that are not negative.
        generator: a :class:`minigrad.Generator`.

    Returns:
        float tensor of the shape and dtype of ``input``.

    Raises:
        RuntimeError: for a negative rate, or rates that are no floats.

    Hoermann, "The transformed rejection method for generating Poisson random variables" (1993).

    >>> import minigrad
    >>> minigrad.poisson(minigrad.zeros(2))
    tensor([0., 0.])
    """
    if not input.is_floating_point():
        raise NotImplementedError(f'"poisson_cpu" not implemented for {input.dtype}: rates are floats; convert with .float()')
    if tracer.get() is None and bool((input.detach() < 0).any()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return _given(input, _draw("poisson", mt19937.poisson, "poisson", [input], generator))


@function(
    "binomial",
    spaces="torch",
    formula=r"P(y = k) = \binom{n}{k} p^k (1 - p)^{n - k}",
    derivative=r"\bar n = \bar p = 0",
    parity=NO_PARITY,
    samples=lambda r: [
        S(np.array([5.0, 20.0, 100.0]), np.array([0.3, 0.5, 0.9]), grad=False),
        S(np.full((2, 1), 9.0), r.random(3), grad=False),
    ],
    errors=lambda r: [E(ValueError, "only supports floating-point dtypes", np.array([3]), r.random(1))],
)
def binomial(count, prob, generator=None):
    """How many of ``count`` trials succeed, each with probability ``prob``.

    Args:
        count: whole numbers as floats; ``prob``: probabilities. Shapes broadcast.
        generator: a :class:`minigrad.Generator`.

    Returns:
        float tensor of the dtype of ``count``.

    Raises:
        ValueError: for a ``count`` or ``prob`` that is no float tensor.

    Hoermann, "The generation of binomial random variates" (1993).

    >>> import minigrad
    >>> minigrad.binomial(minigrad.tensor([3.0, 4.0]), minigrad.tensor([0.0, 1.0]))
    tensor([0., 4.])
    """
    for name, t in (("count", count), ("prob", prob)):
        if not t.is_floating_point():
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {t.dtype}; convert with .float()")
    prob = prob.detach().clamp(0.0, 1.0)
    trials = count.detach().clamp(min=0.0)
    drawn = _draw("binomial", mt19937.binomial, "binomial", [trials, prob], generator)
    return _given(count.expand(drawn.shape), drawn)


@function(
    "_standard_gamma",
    spaces="torch",
    formula=r"p(y) = y^{x - 1} e^{-y} / \Gamma(x)",
    parity=NO_PARITY,
    samples=_positive,
    half=False,
    errors=lambda r: [E(NotImplementedError, "not implemented for", np.array([1, 2]))],
)
def standard_gamma(input, generator=None):
    """A gamma number with scale 1 for each shape parameter, without a gradient.

    Args:
        input: shape parameters, floats.
        generator: a :class:`minigrad.Generator`.

    Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).

    >>> import minigrad
    >>> bool((minigrad._standard_gamma(minigrad.ones(3)) > 0).all())
    True
    """
    dtype = input.array.dtype
    if dtype not in (FLOAT32, FLOAT64):
        raise NotImplementedError(f'"gamma_cpu" not implemented for {input.dtype}; convert with .float()')
    drawn = _draw("_standard_gamma", mt19937.gamma, "standard_gamma", [input.detach()], generator)
    return drawn.clamp(min=float(np.finfo(dtype).tiny))


@function(
    "_sample_dirichlet",
    spaces="torch",
    formula=r"y_i = g_i / \sum_j g_j, \quad g_i \sim \Gamma(x_i)",
    parity=NO_PARITY,
    samples=lambda r: [S(positive(r, 3, 4), grad=False)],
)
def sample_dirichlet(input, generator=None):
    """Dirichlet numbers: gamma numbers with the given shape parameters over their sum along the last dimension.

    >>> import minigrad
    >>> minigrad._sample_dirichlet(minigrad.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    wide = _draw("_sample_dirichlet", mt19937.gamma, "standard_gamma", [input.detach().double()], generator)
    return (wide / wide.sum(-1, keepdim=True)).to(input.dtype)
