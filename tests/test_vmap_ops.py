"""Every operation under vmap, from the samples of its registry: the same as sample by sample, gradients included."""

import numpy as np
import pytest

import minigrad
from minigrad import func
from minigrad.op import faces
from minigrad.tensor import Tensor

# Functions that look at values, so that no batch of them can run; what PyTorch refuses under vmap, too.
LOOKS_AT_VALUES = frozenset(
    """ctc_loss embedding_bag grouped_mm max_unpool1d max_unpool2d max_unpool3d as_strided as_strided_copy as_strided_scatter
    resize_as_ repeat_interleave scatter_reduce index_reduce segment_reduce bincount histc histogram histogramdd cov corrcoef
    isin lu lu_factor ldl_factor ldl_factor_ex solve_ex inv_ex cholesky_ex type""".split()
)
RANDOM = frozenset(
    """rrelu rrelu_ gumbel_softmax rand_like randn_like randint_like dropout dropout1d dropout2d dropout3d bernoulli multinomial
    normal poisson binomial svd_lowrank pca_lowrank alpha_dropout feature_alpha_dropout feature_dropout native_dropout
    _standard_gamma _sample_dirichlet uniform_ normal_ random_ bernoulli_ exponential_ log_normal_ geometric_ cauchy_""".split()
)
CALLS = {f.call: n for n, f in faces.items() if f.samples and f.spaces and f.name not in LOOKS_AT_VALUES | RANDOM}
NAMES = sorted(CALLS.values())


def replaced(value, function):
    """A call's arguments with ``function`` of every array."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, list | tuple):
        return type(value)(replaced(v, function) for v in value)
    return value


def arrays_of(sample):
    found = []
    replaced([*sample.args, *sample.kwargs.values()], lambda a: found.append(a) or a)
    return found


def caller(face, sample, which):
    """The call as a function of the tensors whose number is in ``which``; the others are constants."""

    def call(*tensors):
        given, numbers = iter(tensors), iter(range(1000))

        def fill(a):
            return next(given) if next(numbers) in which else minigrad.tensor(a)

        args = [replaced(v, fill) for v in sample.args]
        kwargs = {k: replaced(v, fill) for k, v in sample.kwargs.items()}
        if isinstance(kwargs.get("dtype"), str):
            kwargs["dtype"] = getattr(minigrad, kwargs["dtype"])
        if face.name.endswith("_"):
            args[0] = args[0] * 1.0
        out = face.call(*args, **kwargs)
        return tuple(out) if isinstance(out, tuple | list) else (out,)

    return call


def each(call, batch):
    """Sample by sample, stacked."""
    rows = [call(*[x[i] for x in batch]) for i in range(3)]
    if not all(isinstance(t, Tensor) for row in rows for t in row):
        return None
    return [minigrad.stack(list(parts)) for parts in zip(*rows)]


def gradients(outputs, inputs):
    used = [o for o in outputs if o.requires_grad and o.is_floating_point()]
    if not used:
        return []
    total = sum((o * (o.detach() * 0 + 0.7)).sum() for o in used)
    return minigrad.autograd.grad(total, inputs, materialize_grads=True)


@pytest.mark.parametrize("name", NAMES)
def test_same_as_sample_by_sample(name):
    face = faces[name]
    if face.op is not None and face.op.kind == "random":
        pytest.skip("draws random numbers")
    for sample in face.samples(np.random.default_rng(0))[:2]:
        arrays = arrays_of(sample)
        floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
        for which in {tuple(floats[:1]), tuple(floats)} - {()}:
            check(face, sample, set(which), [arrays[i] for i in which])


def check(face, sample, which, arrays):
    batch = [minigrad.tensor(np.stack([a, a * 0.9, a * 0.8])).requires_grad_() for a in arrays]
    call = caller(face, sample, which)
    try:
        expected = each(call, batch)
    except (RuntimeError, ValueError, TypeError, IndexError):
        return  # this sample cannot be scaled: a probability, a sorted table ...
    if expected is None:
        return
    got = func.vmap(call, randomness="same")(*batch)
    for e, g in zip(expected, got, strict=True):
        minigrad.testing.assert_close(g, e, rtol=1e-6, atol=1e-8, equal_nan=True)
    try:
        wanted = gradients(expected, batch)
    except RuntimeError as error:
        assert "not implemented" in str(error)  # the operation has no gradient for this input
        return
    for e, g in zip(wanted, gradients(got, batch), strict=True):
        minigrad.testing.assert_close(g, e, rtol=1e-5, atol=1e-7, equal_nan=True)
