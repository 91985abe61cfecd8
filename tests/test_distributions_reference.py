"""Every distribution against SciPy's, or against its own definition: densities, moments, draws, gradients and divergences."""

import functools
import itertools
import math

import numpy as np
import pytest
from scipy import stats

import minigrad
from minigrad import distributions as D
from minigrad.distributions import constraints, divergence
from minigrad.tensor import Tensor

A, B = np.array([[0.7], [1.6]]), np.array([2.5, 0.8, 4.0])  # positive, of two shapes that broadcast to (2, 3)
X, P = np.array([-0.6, 0.3, 1.4]), np.array([[0.2, 0.55, 0.7], [0.9, 0.05, 0.4]])
W = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
L = np.array([[1.2, 0.0, 0.0], [0.4, 0.7, 0.0], [-0.3, 0.5, 0.9]])
F, DIAG = np.array([[1.0, 0.2], [-0.5, 0.3], [0.4, 0.9]]), np.array([0.5, 1.0, 0.7])
HEAT = np.array(0.7)


def logit(p):
    return np.log(p) - np.log1p(-p)


CONTINUOUS = [
    ("Normal", dict(loc=X, scale=A), stats.norm(X, A)), ("Normal", dict(loc=0.5, scale=2.0), stats.norm(0.5, 2.0)),
    ("Uniform", dict(low=X, high=X + A), stats.uniform(X, A)), ("Exponential", dict(rate=B), stats.expon(scale=1 / B)),
    ("Laplace", dict(loc=X, scale=A), stats.laplace(X, A)), ("Cauchy", dict(loc=X, scale=A), stats.cauchy(X, A)),
    ("Gamma", dict(concentration=A, rate=B), stats.gamma(A, scale=1 / B)), ("Chi2", dict(df=B), stats.chi2(B)),
    ("Beta", dict(concentration1=A, concentration0=B), stats.beta(A, B)),
    ("StudentT", dict(df=B + 2.0, loc=X, scale=A), stats.t(B + 2.0, X, A)),
    ("StudentT", dict(df=np.array([1.0, 1.5, 9.0])), stats.t(np.array([1.0, 1.5, 9.0]))),
    ("FisherSnedecor", dict(df1=A * 4, df2=B + 5), stats.f(A * 4, B + 5)),
    ("InverseGamma", dict(concentration=B + 2, rate=A), stats.invgamma(B + 2, scale=A)),
    ("LogNormal", dict(loc=X, scale=A * 0.4), stats.lognorm(A * 0.4, scale=np.exp(X))),
    ("HalfNormal", dict(scale=B), stats.halfnorm(scale=B)), ("HalfCauchy", dict(scale=B), stats.halfcauchy(scale=B)),
    ("Gumbel", dict(loc=X, scale=A), stats.gumbel_r(X, A)),
    ("Weibull", dict(scale=A, concentration=B), stats.weibull_min(B, scale=A)),
    ("Pareto", dict(scale=A, alpha=B + 2), stats.pareto(B + 2, scale=A)),
    ("VonMises", dict(loc=X, concentration=A), stats.vonmises(A, X)),
    ("ContinuousBernoulli", dict(probs=np.array([0.2, 0.500001, 0.9])), None), ("ContinuousBernoulli", dict(logits=X), None),
    ("Kumaraswamy", dict(concentration1=A, concentration0=B), None),
    ("RelaxedBernoulli", dict(temperature=HEAT, probs=P), None), ("RelaxedBernoulli", dict(temperature=HEAT, logits=X), None),
]  # fmt: skip
DISCRETE = [
    ("Bernoulli", dict(probs=P), stats.bernoulli(P)), ("Bernoulli", dict(logits=logit(P)), stats.bernoulli(P)),
    ("Binomial", dict(total_count=5, probs=P), stats.binom(5, P)), ("Geometric", dict(probs=P), stats.geom(P, loc=-1)),
    ("Binomial", dict(total_count=5, logits=logit(P)), stats.binom(5, P)),
    ("Geometric", dict(logits=logit(P)), stats.geom(P, loc=-1)), ("Poisson", dict(rate=B), stats.poisson(B)),
    ("NegativeBinomial", dict(total_count=B, probs=P), stats.nbinom(B, 1 - P)),
    ("NegativeBinomial", dict(total_count=3.0, logits=logit(P)), stats.nbinom(3.0, 1 - P)),
    ("Categorical", dict(probs=W * 2), None), ("Categorical", dict(logits=np.log(W)), None),
]  # fmt: skip
VECTORS = [
    ("Dirichlet", dict(concentration=np.stack([B, B + 1])), None), ("OneHotCategorical", dict(probs=W), None),
    ("OneHotCategorical", dict(logits=np.log(W)), None), ("OneHotCategoricalStraightThrough", dict(probs=W), None),
    ("Multinomial", dict(total_count=4, probs=W), None), ("Multinomial", dict(total_count=4, logits=np.log(W)), None),
    ("MultivariateNormal", dict(loc=X, covariance_matrix=L @ L.T), None),
    ("MultivariateNormal", dict(loc=np.stack([X, X + 1]), scale_tril=L), None),
    ("MultivariateNormal", dict(loc=X, precision_matrix=np.linalg.inv(L @ L.T)), None),
    ("LowRankMultivariateNormal", dict(loc=np.stack([X, X - 1]), cov_factor=F, cov_diag=DIAG), None),
    ("RelaxedOneHotCategorical", dict(temperature=HEAT, probs=W), None), ("LogisticNormal", dict(loc=X, scale=B), None),
    ("RelaxedOneHotCategorical", dict(temperature=HEAT, logits=np.log(W)), None),
]  # fmt: skip
ALL = CONTINUOUS + DISCRETE + VECTORS
UNDEFINED = {"Cauchy", "HalfCauchy"}  # no mean


def table(cases):
    ids = [f"{name}-{'-'.join(given)}-{i}" for i, (name, given, _) in enumerate(cases)]
    return pytest.mark.parametrize("name, given, reference", cases, ids=ids)


def build(name, given, grad=False):
    """The distribution and its float parameters; arrays become float64 tensors."""
    kw = {k: minigrad.tensor(v, requires_grad=grad) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    return getattr(D, name)(**kw), [v for v in kw.values() if isinstance(v, Tensor)]


def near(found, expected, rtol=1e-7, atol=1e-9):
    np.testing.assert_allclose(np.asarray(found.detach().numpy()), expected, rtol=rtol, atol=atol)


def dtype_of(given):
    return minigrad.float64 if any(isinstance(v, np.ndarray) for v in given.values()) else minigrad.float32


def or_nothing(call):
    """What the call gives, or None where the distribution does not define it."""
    try:
        return call()
    except NotImplementedError:
        return None


# ------------------------------------------------------------------------------------------------------------ densities
@table([c for c in CONTINUOUS + DISCRETE if c[2] is not None])
def test_scipy(name, given, reference):
    d, _ = build(name, given)
    loose = {} if dtype_of(given) is minigrad.float64 else {"rtol": 1e-5, "atol": 1e-6}
    discrete = hasattr(reference.dist, "pmf")
    shares = np.full((3, *d.batch_shape), 0.1) + np.arange(3).reshape((3, *(1,) * len(d.batch_shape))) * 0.35
    x = reference.ppf(shares)
    value, u = (minigrad.tensor(v, dtype=dtype_of(given)) for v in (x, shares))
    near(d.log_prob(value), reference.logpmf(x) if discrete else reference.logpdf(x), **loose)
    if (cdf := or_nothing(lambda: d.cdf(value))) is not None:
        near(cdf, shares, **loose)
    if (inverse := or_nothing(lambda: d.icdf(u))) is not None:
        near(inverse, x, rtol=1e-6, atol=1e-6)
    if (entropy := or_nothing(d.entropy)) is not None:
        near(entropy, np.broadcast_to(reference.entropy(), d.batch_shape), rtol=1e-5, atol=1e-6)
        near(d.perplexity(), np.exp(entropy.numpy()), rtol=1e-6)
    if name in UNDEFINED:
        assert not d.mean.isfinite().any() and not d.variance.isfinite().any()
    elif name != "VonMises":  # its moments are those of the circle, below
        mean, variance = (np.broadcast_to(m, d.batch_shape) for m in (reference.mean(), reference.var()))
        if name == "StudentT":  # SciPy's mean is infinite where the variance is not defined
            mean = np.where(
                np.broadcast_to(given["df"], d.batch_shape) > 1, np.broadcast_to(d.loc.numpy(), d.batch_shape), np.nan
            )
            variance = np.where(np.broadcast_to(given["df"], d.batch_shape) <= 1, np.nan, variance)
        near(d.mean, mean, **loose)
        near(d.variance, variance, **loose)
        near(d.stddev, np.sqrt(variance), **loose)


def test_circular_moments():
    d = D.VonMises(minigrad.tensor(X), minigrad.tensor(2.0, dtype=minigrad.float64))
    x = minigrad.linspace(-math.pi, math.pi, 20001, dtype=minigrad.float64)[:-1, None]
    weights = d.log_prob(x).exp() * (2 * math.pi / 20000)
    near(weights.sum(0), np.ones(3))
    near((weights * minigrad.cos(x - d.mean)).sum(0), 1 - d.variance.numpy())
    minigrad.manual_seed(0)
    turn = d.sample((20000,)) - d.mean
    near(minigrad.cos(turn).mean(0), 1 - d.variance.numpy(), atol=0.02)
    near(minigrad.sin(turn).mean(0), np.zeros(3), atol=0.02)


@table([c for c in CONTINUOUS if c[2] is None])
def test_integrals_on_the_unit_interval(name, given, reference):
    """Where SciPy has no such family: the density is the slope of the cdf, and moments are integrals."""
    d, _ = build(name, given)
    x = (minigrad.arange(200000, dtype=minigrad.float64) + 0.5).view((-1, *(1,) * len(d.batch_shape))) / 200000
    density = d.log_prob(x).exp() / 200000
    loose = {"RelaxedBernoulli": 3e-2, "Kumaraswamy": 5e-3}.get(name, 1e-6)
    near(density.sum(0), np.ones(d.batch_shape), rtol=loose)
    if name == "RelaxedBernoulli":
        return
    mean = (density * x).sum(0)
    near(d.mean, mean.numpy(), rtol=loose)
    near(d.stddev.square(), d.variance.detach().numpy())
    near(d.variance, ((x - mean).square() * density).sum(0).numpy(), rtol=5 * loose, atol=1e-6)
    near(d.entropy(), -(density * d.log_prob(x)).sum(0).numpy(), rtol=loose, atol=10 * loose)
    near(d.cdf(x[60000:60001])[0], (density[:60000].sum(0) + density[60000] / 2).numpy(), rtol=loose, atol=loose)
    near(d.cdf(d.icdf(x[30000:30001].expand(1, *d.batch_shape))), np.full((1, *d.batch_shape), x[30000].item()), rtol=1e-6)


def test_vectors_have_scipy_densities():
    for kw in (dict(covariance_matrix=L @ L.T), dict(scale_tril=L), dict(precision_matrix=np.linalg.inv(L @ L.T))):
        d, _ = build("MultivariateNormal", dict(loc=X, **kw))
        theirs, value = stats.multivariate_normal(X, L @ L.T), np.array([[0.2, -0.1, 0.5], [1.0, 2.0, -1.0]])
        near(d.log_prob(minigrad.tensor(value)), theirs.logpdf(value))
        near(d.entropy(), theirs.entropy())
        for attribute, expected in dict(scale_tril=L, covariance_matrix=L @ L.T, precision_matrix=np.linalg.inv(L @ L.T)).items():
            near(getattr(d, attribute), expected, rtol=1e-6, atol=1e-7)
        near(d.variance, np.diag(L @ L.T))
        near(d.expand((4,)).log_prob(minigrad.tensor(value[:1])), np.full(4, theirs.logpdf(value[0])))
        assert d.mode is d.loc and d.expand((4,)).entropy().shape == (4,)
    low, covariance = D.LowRankMultivariateNormal(*map(minigrad.tensor, (X, F, DIAG))), F @ F.T + np.diag(DIAG)
    theirs = stats.multivariate_normal(X, covariance)
    near(low.log_prob(minigrad.tensor(value)), theirs.logpdf(value))
    near(low.entropy(), theirs.entropy())
    near(low.covariance_matrix, covariance)
    near(low.precision_matrix, np.linalg.inv(covariance))
    near(low.scale_tril, np.linalg.cholesky(covariance))
    near(low.variance, np.diag(covariance))
    assert low.expand((2,)).log_prob(minigrad.tensor(value)).shape == (2,) and low.expand((2,)).entropy().shape == (2,)
    assert low.mean is low.mode
    dirichlet, alpha = D.Dirichlet(minigrad.tensor(B)), stats.dirichlet(B)
    near(dirichlet.log_prob(minigrad.tensor(W)), alpha.logpdf(W.T))
    near(dirichlet.entropy(), alpha.entropy())
    near(dirichlet.mean, alpha.mean())
    near(dirichlet.variance, alpha.var())
    many, theirs = D.Multinomial(4, minigrad.tensor(W[0])), stats.multinomial(4, W[0])
    counts = np.array([c for c in itertools.product(range(5), repeat=3) if sum(c) == 4], dtype=np.float64)
    near(many.log_prob(minigrad.tensor(counts)), theirs.logpmf(counts))
    near(many.entropy(), theirs.entropy())
    near(many.mean, 4 * W[0])
    near(many.variance, 4 * W[0] * (1 - W[0]))


@pytest.mark.parametrize("k", [2, 3])
def test_relaxed_draws_integrate_to_one(k):
    """Over the simplex, by draws of a uniform Dirichlet distribution."""
    minigrad.manual_seed(0)
    uniform = D.Dirichlet(minigrad.ones(k, dtype=minigrad.float64))
    x = uniform.sample((40000,))
    d = D.RelaxedOneHotCategorical(minigrad.tensor(1.0, dtype=minigrad.float64), probs=minigrad.tensor(W[0][:k] + 0.3))
    assert (d.log_prob(x) - uniform.log_prob(x)).exp().mean().item() == pytest.approx(1.0, rel=0.03)
    normal = D.LogisticNormal(minigrad.zeros(k - 1, dtype=minigrad.float64), minigrad.ones(k - 1, dtype=minigrad.float64))
    assert (normal.log_prob(x) - uniform.log_prob(x)).exp().mean().item() == pytest.approx(1.0, rel=0.03)


def test_modes():
    """Of the values near it, the mode is the likeliest."""
    for name, given, _ in CONTINUOUS + DISCRETE:
        d, _ = build(name, given)
        mode = or_nothing(lambda d=d: d.mode)
        if mode is None or name == "Uniform" or mode.isnan().any() or (~d.support.check(mode)).any():
            continue
        top = d.log_prob(mode)
        for step in (1, -1) if d.support.is_discrete else (1e-2, -1e-2):
            other = minigrad.where(d.support.check(mode + step), mode + step, mode)
            assert (d.log_prob(other) <= top + 1e-9).all(), name
    near(D.Dirichlet(minigrad.tensor([2.0, 3.0, 2.0])).mode, [0.25, 0.5, 0.25], rtol=1e-6)
    assert constraints.one_hot.check(
        D.Dirichlet(minigrad.tensor([0.5, 0.9, 0.3])).mode
    )  # a corner: the density is infinite there
    near(D.OneHotCategorical(minigrad.tensor(W)).mode, [[0, 0, 1], [1, 0, 0]])
    assert D.Uniform(0.0, 1.0).mode.isnan()
    assert D.LogisticNormal(0.0, 1.0).sample().shape == (2,)


# ---------------------------------------------------------------------------------------------------------------- draws
@table(ALL)
def test_draws(name, given, reference):
    minigrad.manual_seed(0)
    d, parameters = build(name, given, grad=True)
    whole = (*d.batch_shape, *d.event_shape)
    for shape in ((), (2, 5)) if d.event_shape else ((), (2, 5), (0,)):
        x = d.sample(shape)
        assert x.shape == (*shape, *whole) and not x.requires_grad
        assert x.dtype is (minigrad.int64 if name == "Categorical" else dtype_of(given))
        assert d.support.check(x).all() and d.log_prob(x).shape == (*shape, *d.batch_shape)
    wide = d.expand((3, 2, *d.batch_shape))
    assert wide.batch_shape == (3, 2, *d.batch_shape) and wide.sample((4,)).shape == (4, 3, 2, *whole)
    x = d.sample()
    near(wide.log_prob(x), np.broadcast_to(d.log_prob(x).detach().numpy(), wide.batch_shape))
    assert repr(d).startswith(name + "(") and type(wide) is type(d)
    if d.has_rsample and parameters:
        slopes = minigrad.autograd.grad(d.rsample((6,)).pow(3).sum(), parameters, retain_graph=True)
        assert all(g.isfinite().all() and (g != 0).any() for g in slopes)
    elif not d.has_rsample:
        with pytest.raises(NotImplementedError):
            d.rsample()
    if parameters:
        d.log_prob(x).sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in parameters)
    if hasattr(type(d), "param_shape"):
        assert d.param_shape == d.probs.shape == d.logits.shape
    if hasattr(type(d), "_new"):
        assert d._new(2, 3).shape == (2, 3) and d._new(2, 3).dtype is minigrad.float64


@table([c for c in ALL if c[0] not in UNDEFINED | {"VonMises", "RelaxedBernoulli", "RelaxedOneHotCategorical", "LogisticNormal"}])
def test_moments_of_draws(name, given, reference):
    minigrad.manual_seed(1)
    d, _ = build(name, given)
    x = d.sample((20000,)).double()
    if name == "Categorical":
        with minigrad.no_grad():
            near(minigrad.nn.functional.one_hot(x.long(), 3).double().mean(0), W, atol=0.02)
            assert d.mean.isnan().all() and d.variance.isnan().all()
        return
    mean, variance = d.mean.double(), d.variance.double()
    fine = mean.isfinite() & variance.isfinite()
    error = (x.mean(0) - mean)[fine].abs() / (variance[fine] / 20000).sqrt()
    assert (error < 4.5).all()
    if name not in ("FisherSnedecor", "InverseGamma", "Pareto", "StudentT", "LogNormal"):  # their fourth moment is too large
        near(x.var(0)[fine], variance[fine].numpy(), rtol=0.15)


@table([c for c in DISCRETE + VECTORS if getattr(D, c[0]).has_enumerate_support])
def test_enumeration(name, given, reference):
    d, _ = build(name, given)
    values, short = d.enumerate_support(), d.enumerate_support(expand=False)
    assert values.shape[1:] == (*d.batch_shape, *d.event_shape) and short.shape[0] == values.shape[0]
    near(d.log_prob(values).exp().sum(0), np.ones(d.batch_shape))
    near(-(d.log_prob(values).exp() * d.log_prob(values)).sum(0), d.entropy().numpy())
    assert (short.expand_as(values) == values).all()


def test_only_equal_counts_are_enumerated():
    d = D.Binomial(minigrad.tensor([2.0, 3.0]), minigrad.tensor([0.5, 0.5]))
    for call in (d.entropy, d.enumerate_support):
        with pytest.raises(NotImplementedError, match="Inhomogeneous total count"):
            call()
    with pytest.raises(NotImplementedError, match="inhomogeneous"):
        D.Multinomial(minigrad.tensor([2, 3]), minigrad.ones(2))


# --------------------------------------------------------------------------------------------------- what is refused
@table(ALL)
def test_validation(name, given, reference):
    d, _ = build(name, given)
    bad = minigrad.full((*d.batch_shape, *d.event_shape), float("nan"), dtype=minigrad.float64)
    if name != "Multinomial":
        with pytest.raises(ValueError, match="within the support"):
            d.log_prob(bad - 0.5)
    for key, value in given.items():
        if isinstance(value, np.ndarray) and key not in ("total_count", "temperature"):
            with pytest.raises(ValueError, match=f"{key}|invalid values"):
                build(name, {**given, key: np.full_like(value, np.nan)})


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "Geometric", "ContinuousBernoulli", "NegativeBinomial",
                                  "RelaxedBernoulli"])  # fmt: skip
def test_probs_or_logits(name):
    first = {"NegativeBinomial": dict(total_count=2.0), "RelaxedBernoulli": dict(temperature=minigrad.ones(()))}.get(name, {})
    for kw in ({}, dict(probs=minigrad.ones(2), logits=minigrad.ones(2))):
        with pytest.raises(ValueError, match="but not both"):
            getattr(D, name)(**first, **kw)
    with pytest.raises(ValueError, match="invalid values"):
        getattr(D, name)(**first, probs=minigrad.tensor([0.5, 1.5]))
    a, b = (getattr(D, name)(**first, **{k: minigrad.tensor(v)}) for k, v in (("probs", P), ("logits", logit(P))))
    near(a.logits, b.logits.numpy())
    near(b.probs, P)
    assert a.expand((4, 2, 3)).probs.shape == (4, 2, 3)


def test_shapes_that_do_not_fit():
    v, m = minigrad.zeros(2), minigrad.eye(2)
    for call, phrase in (
        (lambda: D.Geometric(minigrad.tensor([0.0])), "to be positive"),
        (lambda: D.Dirichlet(minigrad.tensor(1.0)), "one-dimensional"),
        (lambda: D.MultivariateNormal(minigrad.tensor(1.0), m), "loc must be at least one-dimensional"),
        (lambda: D.MultivariateNormal(v), "Exactly one"), (lambda: D.MultivariateNormal(v, m, m), "Exactly one"),
        (lambda: D.MultivariateNormal(v, scale_tril=v), "scale_tril must be at least two-dimensional"),
        (lambda: D.LowRankMultivariateNormal(minigrad.tensor(1.0), m, v), "loc must be"),
        (lambda: D.LowRankMultivariateNormal(v, v, v), "cov_factor must be at least"),
        (lambda: D.LowRankMultivariateNormal(v, minigrad.ones(3, 1), v), "matrices with shape 2 x m"),
        (lambda: D.LowRankMultivariateNormal(v, m, minigrad.ones(3)), "vectors with shape"),
        (lambda: D.Independent(D.Normal(v, 1.0), 2), "reinterpreted_batch_ndims <="),
        (lambda: D.Normal("a", 1.0), "instances of Number"),
        (lambda: D.Distribution.set_default_validate_args(None), "True or False"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=phrase):
            call()


def test_what_a_subclass_leaves_out():
    class Bare(D.ExponentialFamily):
        pass

    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        d = Bare()
    with pytest.warns(UserWarning, match="does not define `support`"):
        d._validate_sample(minigrad.tensor(1.0))
    value = minigrad.tensor(1.0)
    for call in (lambda: d.mean, lambda: d.mode, lambda: d.variance, lambda: d.support, lambda: d.arg_constraints, d.sample,
                 d.enumerate_support, lambda: d.log_prob(value), lambda: d.cdf(value), lambda: d.icdf(value), d.entropy,
                 lambda: d._mean_carrier_measure, lambda: d._log_normalizer(value),
                 super(D.ExponentialFamily, d).entropy):  # fmt: skip
        with pytest.raises(NotImplementedError):
            call()

    class Custom(D.Normal):
        def __init__(self):
            super().__init__(0.0, 1.0)

    with pytest.raises(NotImplementedError, match=r"custom \.expand"):
        Custom()._get_checked_instance(D.Normal)


# ---------------------------------------------------------------------------------------------------------- composition
def test_mixtures():
    minigrad.manual_seed(0)
    weights, x = minigrad.tensor(W[0]), minigrad.linspace(-9, 9, 3001, dtype=minigrad.float64)
    d = D.MixtureSameFamily(D.Categorical(weights), D.Normal(minigrad.tensor(X), minigrad.tensor(DIAG)))
    density = sum(w * stats.norm(m, s).pdf(x.numpy()) for w, m, s in zip(W[0], X, DIAG))
    near(d.log_prob(x).exp(), density)
    near(d.cdf(x), sum(w * stats.norm(m, s).cdf(x.numpy()) for w, m, s in zip(W[0], X, DIAG)))
    near(d.mean, (density * x.numpy()).sum() * 0.006, rtol=1e-6)
    near(d.variance, (density * (x - d.mean).square().numpy()).sum() * 0.006, rtol=1e-6)
    drawn = d.sample((20000,))
    assert drawn.mean().item() == pytest.approx(d.mean.item(), abs=0.03) and drawn.shape == (20000,)
    assert d.expand((2,)).sample((3,)).shape == (3, 2) and "Categorical" in repr(d) and "Normal" in repr(d)
    vectors = D.MixtureSameFamily(D.Categorical(weights), D.Independent(D.Normal(minigrad.zeros(3, 2), 1.0), 1))
    assert vectors.sample((4,)).shape == (4, 2) and vectors.mean.shape == (2,) and vectors.variance.shape == (2,)
    assert vectors.support.event_dim == 1 and not vectors.support.is_discrete and "MixtureSame" in repr(vectors.support)
    assert vectors.mixture_distribution.probs.shape == (3,) and vectors.log_prob(minigrad.zeros(4, 2)).shape == (4,)
    normal, three = D.Normal(minigrad.zeros(2, 3), 1.0), D.Categorical(minigrad.ones(3))
    for call, phrase in ((lambda: D.MixtureSameFamily(normal, normal), "Mixture distribution needs"),
                         (lambda: D.MixtureSameFamily(three, 1), "Component distribution need"),
                         (lambda: D.MixtureSameFamily(D.Categorical(minigrad.ones(4, 3)), normal), "not compatible"),
                         (lambda: D.MixtureSameFamily(D.Categorical(minigrad.ones(4)), normal), "does not equal")):  # fmt: skip
        with pytest.raises(ValueError, match=phrase):
            call()


# ---------------------------------------------------------------------------------------------------------- divergences
def member(kind, which):
    """One distribution of a class, the first or the second of a pair."""
    t = functools.partial(minigrad.tensor, dtype=minigrad.float64)
    s, first = 1.0 + 0.3 * which, which == 0
    given = {
        "Beta": (2.0 * s, 3.0), "Cauchy": (0.2 * which, s), "Exponential": (0.8 * s,), "Gamma": (2.0 * s, 1.5),
        "Gumbel": (0.3 * which, s), "HalfNormal": (s,), "Laplace": (0.2 * which, s), "Normal": (0.4 * which, s),
        "Poisson": (1.5 * s,), "Pareto": (0.6 - 0.1 * which, 4.0 * s),
        "Uniform": (0.6, 0.9) if first else (0.0, 1.0), "Bernoulli": (0.3 * s,), "Geometric": (0.4 * s,),
        "ContinuousBernoulli": (0.3 * s,),
    }.get(kind.__name__)  # fmt: skip
    if given is not None:
        return kind(*map(t, given))
    shares = minigrad.tensor(W[which])
    return {
        "Binomial": lambda: D.Binomial(4, t(0.3 * s)), "Categorical": lambda: D.Categorical(shares),
        "OneHotCategorical": lambda: D.OneHotCategorical(shares), "Dirichlet": lambda: D.Dirichlet(shares * 9),
        "MultivariateNormal": lambda: D.MultivariateNormal(minigrad.tensor(X) * s, scale_tril=minigrad.tensor(L) * s),
        "LowRankMultivariateNormal": lambda: D.LowRankMultivariateNormal(*map(minigrad.tensor, (X * s, F, DIAG * s))),
        "Independent": lambda: D.Independent(D.Normal(minigrad.tensor(X) * s, s), 1),
        "TransformedDistribution": lambda: D.LogNormal(t(0.3 * which), t(s)),
    }[kind.__name__]()  # fmt: skip


PAIRS = sorted(
    ((p, q) for p, q in divergence._KL_REGISTRY if p.__module__.startswith("minigrad") and p is not D.ExponentialFamily),
    key=lambda pair: (pair[0].__name__, pair[1].__name__),
)


@pytest.mark.parametrize("kinds", PAIRS, ids=lambda kinds: "-".join(k.__name__ for k in kinds))
def test_divergences(kinds):
    """The mean over draws of the difference of the log-densities, or infinity where q cannot have what p has."""
    minigrad.manual_seed(2)
    p, q = member(kinds[0], 0), member(kinds[1], 1)
    found = D.kl_divergence(p, q)
    assert found.shape == p.batch_shape
    x = p.sample((40000,))
    if found.isinf():
        assert not q.support.check(x).all()
        return
    difference = p.log_prob(x) - q.log_prob(x)
    error = 4.5 * difference.std().item() / 200 + 1e-6
    assert found.item() == pytest.approx(difference.mean().item(), abs=error)


def test_divergence_of_exponential_families():
    """The Bregman divergence, asked for by itself, is the one in closed form."""
    bregman = divergence._KL_REGISTRY[D.ExponentialFamily, D.ExponentialFamily]
    for kind in (D.Beta, D.Dirichlet, D.Exponential, D.Gamma, D.Normal, D.Poisson, D.Bernoulli, D.ContinuousBernoulli):
        p, q = member(kind, 0), member(kind, 1)
        near(bregman(p, q), D.kl_divergence(p, q).numpy(), rtol=1e-6)
    for kind in (D.Exponential, D.Bernoulli, D.ContinuousBernoulli):
        p = member(kind, 0)
        near(D.ExponentialFamily.entropy(p), p.entropy().numpy(), rtol=1e-6)
    with pytest.raises(NotImplementedError, match="different exponential families"):
        D.kl_divergence(D.Poisson(1.0), D.Dirichlet(minigrad.ones(2)))


def test_divergences_that_are_infinite_or_unknown():
    zero, half = minigrad.tensor(0.0), minigrad.tensor(0.5)
    for p, q in (
        (D.Bernoulli(half), D.Bernoulli(zero)), (D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)),
        (D.Pareto(1.0, 1.0), D.Pareto(2.0, 1.0)), (D.Binomial(3, half), D.Binomial(2, half)),
        (D.Pareto(1.0, 2.0), D.Normal(0.0, 1.0)), (D.Pareto(1.0, 1.0), D.Exponential(1.0)),
        (D.Pareto(1.0, 1.0), D.Gamma(1.0, 1.0)), (D.Uniform(-1.0, 1.0), D.Exponential(1.0)),
        (D.Uniform(0.0, 1.0), D.Pareto(0.5, 1.0)), (D.Categorical(half.expand(2)), D.Categorical(minigrad.tensor([1.0, 0.0]))),
    ):  # fmt: skip
        assert D.kl_divergence(p, q) == math.inf
    near(D.kl_divergence(D.Bernoulli(zero), D.Bernoulli(half)), math.log(2), rtol=1e-6)
    normal, plane = D.Normal(minigrad.zeros(2, 2), 1.0), D.MultivariateNormal(minigrad.zeros(2), minigrad.eye(2))
    for error, p, q in (
        (NotImplementedError, D.Binomial(2, half), D.Binomial(3, half)),
        (NotImplementedError, D.LogNormal(0.0, 1.0), D.HalfCauchy(1.0)),
        (NotImplementedError, D.Independent(normal, 1), D.Independent(normal, 2)),
        (ValueError, plane, D.MultivariateNormal(minigrad.zeros(3), minigrad.eye(3))),
    ):  # fmt: skip
        with pytest.raises(error):
            D.kl_divergence(p, q)
