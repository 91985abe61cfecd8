"""Distributions against PyTorch: densities, moments, entropies, draws of the same seed, gradients and divergences."""

import numpy as np
import pytest

import minigrad
from minigrad import distributions as D
from minigrad.tensor import Tensor, wrap

pytestmark = pytest.mark.parity

r = np.random.default_rng(0)
REAL, OTHER, POSITIVE, SHARE = r.standard_normal(3), r.standard_normal(3), r.random(3) + 0.5, r.random(3) * 0.8 + 0.1
LOGITS, WEIGHTS = r.standard_normal((2, 4)), r.random((2, 4)) + 0.5
FACTOR = np.tril(r.standard_normal((3, 3)), -1) + np.diag(POSITIVE)
HEAT = np.array(0.7)
CASES = [
    ("Normal", dict(loc=REAL, scale=POSITIVE)), ("Uniform", dict(low=REAL - 3, high=REAL + POSITIVE)),
    ("Exponential", dict(rate=POSITIVE)), ("Laplace", dict(loc=REAL, scale=POSITIVE)), ("Cauchy", dict(loc=REAL, scale=POSITIVE)),
    ("Gamma", dict(concentration=POSITIVE * 3, rate=POSITIVE)), ("Chi2", dict(df=POSITIVE * 4)),
    ("Dirichlet", dict(concentration=WEIGHTS * 2)), ("Beta", dict(concentration1=POSITIVE * 2, concentration0=SHARE * 3)),
    ("StudentT", dict(df=POSITIVE * 5, loc=REAL, scale=POSITIVE)), ("FisherSnedecor", dict(df1=POSITIVE * 5, df2=POSITIVE * 9)),
    ("InverseGamma", dict(concentration=POSITIVE * 3, rate=POSITIVE)), ("Bernoulli", dict(probs=SHARE)),
    ("Bernoulli", dict(logits=REAL)), ("Geometric", dict(probs=SHARE)), ("Geometric", dict(logits=REAL)),
    ("Categorical", dict(probs=WEIGHTS)), ("Categorical", dict(logits=LOGITS)), ("OneHotCategorical", dict(probs=WEIGHTS)),
    ("OneHotCategoricalStraightThrough", dict(logits=LOGITS)), ("Binomial", dict(total_count=5, probs=SHARE)),
    ("Binomial", dict(total_count=5, logits=REAL)), ("NegativeBinomial", dict(total_count=POSITIVE * 3, probs=SHARE)),
    ("NegativeBinomial", dict(total_count=3.0, logits=REAL)), ("Poisson", dict(rate=POSITIVE * 3)),
    ("Multinomial", dict(total_count=6, probs=WEIGHTS)), ("Multinomial", dict(total_count=6, logits=LOGITS)),
    ("MultivariateNormal", dict(loc=REAL, covariance_matrix=FACTOR @ FACTOR.T)),
    ("MultivariateNormal", dict(loc=REAL, precision_matrix=FACTOR @ FACTOR.T)),
    ("MultivariateNormal", dict(loc=np.stack([REAL, OTHER]), scale_tril=FACTOR)),
    ("LowRankMultivariateNormal", dict(loc=REAL, cov_factor=FACTOR[:, :2], cov_diag=POSITIVE)),
    ("LogNormal", dict(loc=REAL, scale=POSITIVE)), ("HalfNormal", dict(scale=POSITIVE)), ("HalfCauchy", dict(scale=POSITIVE)),
    ("Gumbel", dict(loc=REAL, scale=POSITIVE)), ("Weibull", dict(scale=POSITIVE, concentration=POSITIVE * 2)),
    ("Pareto", dict(scale=POSITIVE, alpha=POSITIVE * 3)), ("Kumaraswamy", dict(concentration1=SHARE, concentration0=POSITIVE)),
    ("RelaxedBernoulli", dict(temperature=HEAT, probs=SHARE)), ("RelaxedBernoulli", dict(temperature=HEAT, logits=REAL)),
    ("RelaxedOneHotCategorical", dict(temperature=HEAT, probs=WEIGHTS)),
    ("RelaxedOneHotCategorical", dict(temperature=HEAT, logits=LOGITS)), ("LogisticNormal", dict(loc=REAL, scale=POSITIVE)),
    ("ContinuousBernoulli", dict(probs=SHARE)), ("ContinuousBernoulli", dict(logits=REAL)),
]  # fmt: skip
cases = pytest.mark.parametrize("name, given", CASES, ids=lambda v: v if isinstance(v, str) else "-".join(v))


@pytest.fixture
def torch():
    import torch

    return torch


def pair(torch, name, given):
    """(ours, its parameters), (PyTorch's, its parameters)."""
    theirs = {k: torch.tensor(v, requires_grad=True) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    ours = {k: wrap(v.copy()).requires_grad_() if isinstance(v, np.ndarray) else v for k, v in given.items()}
    return [
        (getattr(module, name)(**kw), [v for v in kw.values() if hasattr(v, "grad")])
        for module, kw in ((D, ours), (torch.distributions, theirs))
    ]


def outcome(call):
    try:
        return call()
    except Exception as error:
        return error


def same(ours, theirs, tolerance=1e-9):
    """Equal results, or errors of the same kind."""
    a, b = outcome(ours), outcome(theirs)
    if isinstance(b, Exception):
        assert isinstance(a, type(b)), (a, b)
    elif hasattr(b, "detach"):
        assert isinstance(a, Tensor) and tuple(a.shape) == tuple(b.shape) and str(a.dtype)[9:] == str(b.dtype)[6:], (a, b)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)
    else:
        assert repr(a).replace("minigrad.", "torch.") == repr(b)


@cases
def test_values(torch, name, given):
    (ours, _), (theirs, _) = pair(torch, name, given)
    torch.manual_seed(0)
    x, u = theirs.sample((4,)), torch.rand((4, *theirs.batch_shape, *theirs.event_shape), dtype=torch.float64) * 0.9 + 0.05
    mine, mine_u = wrap(x.numpy().copy()), wrap(u.numpy().copy())
    ours.sample()  # it computes what PyTorch's has computed: the other form of the parameters
    same(lambda: ours, lambda: theirs)
    for attribute in ("batch_shape", "event_shape", "mean", "mode", "variance", "stddev", "has_rsample", "has_enumerate_support"):
        same(lambda a=attribute: getattr(ours, a), lambda a=attribute: getattr(theirs, a))
    same(ours.entropy, theirs.entropy)
    same(ours.enumerate_support, theirs.enumerate_support)
    same(lambda: ours.log_prob(mine), lambda: theirs.log_prob(x))
    same(lambda: ours.cdf(mine), lambda: theirs.cdf(x))
    same(lambda: ours.icdf(mine_u), lambda: theirs.icdf(u), 1e-6)
    wide = (5, *theirs.batch_shape)
    same(lambda: ours.expand(wide).log_prob(mine[:1]), lambda: theirs.expand(wide).log_prob(x[:1]))
    same(lambda: ours.expand(wide), lambda: theirs.expand(wide))
    bad = torch.full_like(x, float("nan")) if x.is_floating_point() else x - 100
    same(lambda: ours.log_prob(wrap(bad.numpy())), lambda: theirs.log_prob(bad))


@cases
@pytest.mark.parametrize("shape", [(), (3,), (2, 9)], ids=str)
def test_draws_of_the_same_seed(torch, name, given, shape):
    (ours, _), (theirs, _) = pair(torch, name, given)
    state = minigrad.default_generator.get_state()
    try:
        for method in ("sample", "rsample"):
            minigrad.manual_seed(5, engine="mt19937")
            torch.manual_seed(5)
            same(lambda m=method: getattr(ours, m)(shape), lambda m=method: getattr(theirs, m)(shape), 1e-6)
    finally:
        minigrad.manual_seed(0, engine="philox")
        minigrad.default_generator.set_state(state)


@cases
@pytest.mark.parametrize("what", ["log_prob", "entropy"])
def test_gradients(torch, name, given, what):
    (ours, mine), (theirs, their) = pair(torch, name, given)
    torch.manual_seed(0)
    x = theirs.sample((4,))

    def derivatives(library, d, parameters, value):
        out = d.log_prob(value) if what == "log_prob" else d.entropy()
        first = library.autograd.grad(out.square().sum(), parameters, create_graph=True, allow_unused=True)
        kept = [g for g in first if g is not None and g.requires_grad]
        return [
            *first,
            *(library.autograd.grad(sum(g.square().sum() for g in kept), parameters, allow_unused=True) if kept else []),
        ]

    a = outcome(lambda: derivatives(minigrad, ours, mine, wrap(x.numpy().copy())))
    b = outcome(lambda: derivatives(torch, theirs, their, x))
    if isinstance(b, Exception):
        assert isinstance(a, Exception)
        return
    for p, q in zip(a, b, strict=True):
        if p is None or q is None:
            assert all(float(abs(v).max()) < 1e-12 for v in (p, q) if v is not None)
        else:
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-8)


def test_divergences(torch):
    import torch.distributions.kl as kl

    ready, compared = {}, 0
    for name, given in CASES:
        ready.setdefault(name, pair(torch, name, given))
    for p, q in kl._KL_REGISTRY:
        if p.__name__ in ready and q.__name__ in ready:
            compared += 1
            divergence_equals(ready[p.__name__], ready[q.__name__], kl.kl_divergence)
    assert compared > 60


def divergence_equals(p, q, their_divergence):
    ((our_p, _), (their_p, _)), ((our_q, _), (their_q, _)) = p, q
    same(lambda: D.kl_divergence(our_p, our_q), lambda: their_divergence(their_p, their_q))
