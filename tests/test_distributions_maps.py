"""Sets and the maps between them: what each set holds, inverses, Jacobian determinants, and what is made of the maps."""

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

import minigrad
from minigrad import distributions as D
from minigrad.distributions import constraints, utils

DOUBLE = dict(dtype=minigrad.float64)


def tensor(values):
    return minigrad.tensor(np.asarray(values, dtype=np.float64))


def draw():
    """A generator that gives every test the same numbers."""
    return np.random.default_rng(0)


def near(found, expected, rtol=1e-7, atol=1e-8):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=atol)


# ------------------------------------------------------------------------------------------------------------------ sets
EYE, LOWER, NAN = np.eye(2), np.array([[1.0, 0.0], [0.6, 0.8]]), float("nan")
SETS = [  # the set, one value in it and some out of it, is_discrete, event_dim, repr
    (constraints.real, 1.0, [NAN], False, 0, "Real()"),
    (constraints.boolean, 1.0, [0.5, 2.0, NAN], True, 0, "Boolean()"),
    (constraints.positive, 1.0, [0.0, -1.0, NAN], False, 0, "GreaterThan(lower_bound=0.0)"),
    (constraints.nonnegative, 0.0, [-1.0, NAN], False, 0, "GreaterThanEq(lower_bound=0.0)"),
    (constraints.unit_interval, 1.0, [-0.1, 1.1], False, 0, "Interval(lower_bound=0.0, upper_bound=1.0)"),
    (constraints.less_than(2.0), 1.9, [2.0], False, 0, "LessThan(upper_bound=2.0)"),
    (constraints.half_open_interval(1, 2), 1.0, [2.0, 0.9], False, 0, "HalfOpenInterval(lower_bound=1, upper_bound=2)"),
    (constraints.integer_interval(1, 3), 3.0, [2.5, 4.0, 0.0], True, 0, "IntegerInterval(lower_bound=1, upper_bound=3)"),
    (constraints.nonnegative_integer, 0.0, [-1.0, 0.5], True, 0, "IntegerGreaterThan(lower_bound=0)"),
    (constraints.positive_integer, 1.0, [0.0, 1.5], True, 0, "IntegerGreaterThan(lower_bound=1)"),
    (constraints.one_hot, [0.0, 1.0], [[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]], True, 1, "OneHot()"),
    (constraints.simplex, [0.4, 0.6], [[0.4, 0.5], [1.2, -0.2]], False, 1, "Simplex()"),
    (constraints.real_vector, [0.0, 1.0], [[0.0, NAN]], False, 1, "IndependentConstraint(Real(), 1)"),
    (constraints.multinomial(3), [1.0, 2.0], [[2.0, 2.0], [-1.0, 2.0]], True, 1, "Multinomial()"),
    (constraints.lower_triangular, LOWER - EYE, [LOWER.T], False, 2, "LowerTriangular()"),
    (constraints.lower_cholesky, LOWER, [LOWER.T, LOWER - EYE], False, 2, "LowerCholesky()"),
    (constraints.corr_cholesky, LOWER, [2 * EYE, LOWER.T], False, 2, "CorrCholesky()"),
    (constraints.square, EYE, [np.ones((2, 3))], False, 2, "Square()"),
    (constraints.symmetric, EYE * 3, [LOWER, np.ones((2, 3))], False, 2, "Symmetric()"),
    (constraints.positive_semidefinite, np.ones((2, 2)), [-EYE, LOWER], False, 2, "PositiveSemidefinite()"),
    (constraints.positive_definite, EYE + 1, [np.ones((2, 2)) - EYE, LOWER], False, 2, "PositiveDefinite()"),
    (constraints.cat([constraints.positive, constraints.real], 0, [1, 2]), [1.0, -1, 0], [[-1, NAN, NAN]], False, 0, "Cat()"),
    (constraints.stack([constraints.positive, constraints.boolean], 0), [2.0, 1.0], [[-1.0, 0.5]], True, 1, "Stack()"),
    (constraints.stack([constraints.real, constraints.real], -1), [2.0, 1.0], [[NAN, NAN]], False, 0, "Stack()"),
    (constraints.MixtureSameFamilyConstraint(constraints.positive), 1.0, [-1.0], False, 0,
     "MixtureSameFamilyConstraint(GreaterThan(lower_bound=0.0))"),
]  # fmt: skip


@pytest.mark.parametrize("which, inside, outside, is_discrete, event_dim, shown", SETS, ids=[str(s[-1]) for s in SETS])
def test_sets(which, inside, outside, is_discrete, event_dim, shown):
    assert which.check(tensor(inside)).all()
    assert not any(which.check(tensor(value)).any() for value in outside)
    assert (which.is_discrete, which.event_dim, repr(which)) == (is_discrete, event_dim, shown)
    if event_dim <= np.ndim(inside) and not isinstance(which, constraints.cat | constraints.stack):
        batch = minigrad.stack([tensor(inside), tensor(inside)])
        assert which.check(batch).shape == batch.shape[: batch.dim() - event_dim]


def test_dependent_sets():
    free = constraints.dependent
    known = free(is_discrete=True, event_dim=1)
    assert known.is_discrete and known.event_dim == 1 and known().event_dim == 1 and constraints.is_dependent(known)
    for name in ("is_discrete", "event_dim"):
        with pytest.raises(NotImplementedError, match="determined statically"):
            getattr(free, name)
    with pytest.raises(ValueError, match="dependent constraint"):
        free.check(tensor(1.0))
    with pytest.raises(NotImplementedError, match="must define check"):
        constraints.Constraint().check(tensor(1.0))
    with pytest.raises(ValueError, match=r"Expected value.dim\(\) >= 1"):
        constraints.real_vector.check(tensor(1.0))
    with pytest.raises(IndexError, match="out of range"):
        constraints.MixtureSameFamilyConstraint(constraints.real_vector).check(tensor(1.0))
    with pytest.raises(AssertionError, match="must be a Constraint"):
        constraints.MixtureSameFamilyConstraint(1)


INDEPENDENT = constraints.independent(constraints.positive, 1)
ONTO = [constraints.real, constraints.less_than(2), constraints.nonnegative, constraints.greater_than_eq(2.0),
        constraints.interval(-2, 1), INDEPENDENT,
        constraints.half_open_interval(0, 4), constraints.positive_semidefinite, constraints.unit_interval, constraints.simplex,
        constraints.cat([constraints.positive, constraints.real], -1, [1, 2]),
        constraints.stack([constraints.positive, constraints.real, constraints.unit_interval], -1)]  # fmt: skip


@pytest.mark.parametrize("which", ONTO, ids=repr)
@pytest.mark.parametrize("registry", [D.biject_to, D.transform_to], ids=["biject_to", "transform_to"])
def test_maps_onto_sets(which, registry):
    x = tensor(draw().standard_normal((3, 3)))
    t = registry(which)
    y = t(x)
    assert which.check(y).all() and t.codomain.event_dim == which.event_dim
    if not isinstance(which, type(constraints.simplex)) or registry is D.biject_to:
        near(t.inv(y), (x.tril() if which.event_dim == 2 else x).numpy())
    near(t(t.inv(y)), y.numpy())


def test_registration():
    class Even(constraints.Constraint):
        pass

    with pytest.raises(NotImplementedError, match="Cannot transform Even"):
        D.biject_to(Even())
    D.biject_to.register(Even, lambda c: D.ExpTransform())
    assert D.biject_to(Even()) == D.ExpTransform()
    assert D.transform_to(constraints.corr_cholesky) == D.CorrCholeskyTransform()
    with pytest.raises(TypeError, match="Constraint subclass or instance"):
        D.biject_to.register(int, lambda c: None)


# ------------------------------------------------------------------------------------------------------------------ maps
UNIFORM = D.Uniform(tensor(-1.0), tensor(3.0))
MAPS = [
    D.ExpTransform(), D.SigmoidTransform(), D.SoftplusTransform(), D.TanhTransform(), D.PowerTransform(tensor(1.5)),
    D.AffineTransform(1.0, -2.0), D.AffineTransform(tensor([1.0, 2.0, 3.0]), tensor([2.0, -1.0, 0.5]), event_dim=1),
    D.AffineTransform(0.0, 3.0, event_dim=1), D.ExpTransform().inv, D.PowerTransform(tensor(-2.0)).inv, D.identity_transform,
    D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0, event_dim=1), D.PowerTransform(2.0)]),
    D.ComposeTransform([D.AffineTransform(0.1, 0.5), D.StickBreakingTransform()]),
    D.IndependentTransform(D.ExpTransform(), 1), D.StickBreakingTransform(), D.CorrCholeskyTransform(),
    D.ReshapeTransform((3,), (1, 3)), D.CumulativeDistributionTransform(D.Normal(tensor(0.0), tensor(2.0))),
    D.CatTransform([D.ExpTransform(), D.TanhTransform()], dim=-1, lengths=[1, 2]),
    D.CatTransform([D.ExpTransform(), D.identity_transform, D.SigmoidTransform()], dim=0),
    D.CatTransform([D.IndependentTransform(D.ExpTransform(), 1), D.TanhTransform()], dim=-1, lengths=[2, 1]),
    D.StackTransform([D.ExpTransform(), D.TanhTransform(), D.AffineTransform(0.0, 2.0)], dim=-1),
]  # fmt: skip


def in_a_column(t, x, y):
    """y where it has as many free numbers as x: of a simplex all but the last, of a correlation factor what is below 1."""
    if t.codomain.event_dim == 2 and isinstance(t, D.CorrCholeskyTransform):
        return utils.tril_matrix_to_vec(y, diag=-1)
    return y.reshape(-1)[: x.numel()]


@pytest.mark.parametrize("t", MAPS, ids=lambda t: type(t).__name__)
def test_determinants(t):
    """The logarithm of the determinant of autograd's Jacobian, and the inverse map."""
    x = tensor(draw().random(3) + 0.2)
    y = t(x)
    near(t.inv(y), x.numpy())
    jacobian = minigrad.autograd.functional.jacobian(lambda v: in_a_column(t, x, t(v)), x)
    found, expected = t.log_abs_det_jacobian(x, y), np.linalg.slogdet(jacobian.numpy())[1]
    near(found.sum(), expected)
    near(t.inv.log_abs_det_jacobian(y, x), -found.numpy())
    assert tuple(t.forward_shape(x.shape)) == tuple(y.shape) and tuple(t.inverse_shape(y.shape)) == tuple(x.shape)
    assert tuple(t.inv.forward_shape(y.shape)) == tuple(x.shape) and tuple(t.inv.inverse_shape(x.shape)) == tuple(y.shape)
    assert t.bijective and t.inv.bijective and t.inv.inv is t and (t == t) and (t.inv == t.inv) and type(t).__name__ in repr(t)
    if not isinstance(t, D.CatTransform) or t.event_dim == 0:  # sets of unlike event axes are not checked together
        assert t.domain.check(x).all() and t.codomain.check(y).all()
        assert t.inv.domain.check(y).all() and t.inv.codomain.check(x).all()
    assert len({t, t}) == len({t.inv, t.inv}) == 1


@pytest.mark.parametrize("t", MAPS, ids=lambda t: type(t).__name__)
def test_signs(t):
    """Of the maps of single numbers: whether they rise."""
    try:
        sign = t.sign
    except NotImplementedError:
        assert t.domain.event_dim or isinstance(t, D.CatTransform | D.StackTransform)
        return
    x = tensor(draw().random(3) + 0.2)
    risen = minigrad.sign(t(x + 0.01) - t(x))
    near(risen, np.broadcast_to(np.asarray(sign), 3))


@pytest.mark.parametrize("t", MAPS, ids=lambda t: type(t).__name__)
def test_caches(t):
    cached, x = t.with_cache(), tensor(draw().random(3) + 0.2)
    assert cached.with_cache() is cached or isinstance(t, D.ComposeTransform) or type(t).__name__ == "_InverseTransform"
    y = cached(x)
    near(y, t(x).numpy())
    if t is not D.identity_transform:
        assert cached.inv(y) is x and cached(x) is y
    back = cached.inv(tensor(y.numpy()))
    near(back, x.numpy())
    near(copy.deepcopy(t)(x), y.numpy())


def test_maps_without_a_determinant():
    x = tensor(draw().standard_normal((2, 2)))
    for t, back in ((D.LowerCholeskyTransform(), x.tril()), (D.PositiveDefiniteTransform(), x.tril())):
        assert t.codomain.check(t(x)).all() and t.domain.check(x).all() and t == type(t)() and not t.bijective
        near(t.inv(t(x)), back.numpy())
    assert hash(D.AbsTransform()) and D.AbsTransform() == D.AbsTransform() and D.AbsTransform() != D.ExpTransform()
    near(D.AbsTransform()(x), np.abs(x.numpy()))
    near(D.AbsTransform().inv(x.abs()), np.abs(x.numpy()))
    softmax = D.SoftmaxTransform()
    near(softmax(x), np.exp(x.numpy()) / np.exp(x.numpy()).sum(-1, keepdims=True))
    near(softmax(softmax.inv(softmax(x))), softmax(x).numpy())
    assert softmax.forward_shape((2, 3)) == softmax.inverse_shape((2, 3)) == (2, 3)
    for call in (
        lambda: softmax.log_abs_det_jacobian(x, x),
        lambda: softmax.sign,
        lambda: D.Transform()(x),
        lambda: D.Transform().inv(x),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_equality_and_pickles():
    two, three = D.AffineTransform(0.0, 2.0), D.AffineTransform(tensor([0.0]), tensor([3.0]))
    assert two == D.AffineTransform(0.0, 2.0) and two != three and three == D.AffineTransform(tensor([0.0]), tensor([3.0]))
    assert D.PowerTransform(2.0) == D.PowerTransform(2.0) and D.PowerTransform(2.0) != D.PowerTransform(3.0)
    assert D.ExpTransform().inv == D.ExpTransform().inv and D.ExpTransform().inv != D.ExpTransform()
    chain = D.ComposeTransform([D.ExpTransform(), two])
    assert chain == D.ComposeTransform([D.ExpTransform(), two]) and chain != two and chain.inv is chain.inv
    assert D.ReshapeTransform((2,), (1, 2)) != D.ReshapeTransform((2,), (1, 2))
    two.inv(tensor(1.0))
    again = pickle.loads(pickle.dumps(two))
    assert again == two and again.inv(tensor(4.0)) == 2.0
    assert pickle.loads(pickle.dumps(two.inv))(tensor(4.0)) == 2.0


def test_maps_refuse():
    x = tensor(1.0)
    reshape, sticks, corr = D.ReshapeTransform((2, 3), (6,)), D.StickBreakingTransform(), D.CorrCholeskyTransform()

    class Settings(D.Transform):
        def __init__(self, setting):
            super().__init__()

    for error, phrase, call in (
        (ValueError, "cache_size must be 0 or 1", lambda: D.ExpTransform(cache_size=2)),
        (ValueError, "different numbers of elements", lambda: D.ReshapeTransform((2,), (3,))),
        (ValueError, "Too few dimensions", lambda: reshape.forward_shape((3,))),
        (ValueError, "Shape mismatch", lambda: reshape.forward_shape((3, 2))),
        (ValueError, "Too few dimensions", lambda: D.IndependentTransform(D.ExpTransform(), 1)(x)),
        (ValueError, "Too few dimensions", lambda: D.IndependentTransform(D.ExpTransform(), 1).inv(x)),
        (ValueError, "Too few dimensions", lambda: D.SoftmaxTransform().forward_shape(())),
        (ValueError, "Too few dimensions", lambda: sticks.forward_shape(())),
        (ValueError, "flattened lower-diagonal", lambda: corr.forward_shape((4,))),
        (ValueError, "not square", lambda: corr.inverse_shape((2, 3))),
        (ValueError, "domain.event_dim or", lambda: corr.event_dim),
        (NotImplementedError, "with_cache", lambda: Settings(1).with_cache()),
        (ValueError, "outside", lambda: utils.tril_matrix_to_vec(minigrad.eye(2), diag=2)),
        (ValueError, "lower triangular part", lambda: utils.vec_to_tril_matrix(minigrad.ones(4))),
    ):  # fmt: skip
        with pytest.raises(error, match=phrase):
            call()


def test_cat_and_stack_know_their_sets():
    cat, stack = MAPS[-4], D.StackTransform([D.ExpTransform(), D.TanhTransform()], dim=0)
    assert cat.length == 3 and cat.event_dim == 0 and repr(cat.domain) == "Cat()" and repr(stack.codomain) == "Stack()"
    assert cat.domain.check(tensor([1.0, 2.0, 3.0])).all() and stack.domain.check(tensor([1.0, 2.0])).all()
    assert cat.codomain.check(tensor([1.0, 0.5, 0.5])).all() and not stack.codomain.check(tensor([-1.0, 2.0])).any()
    first = D.CumulativeDistributionTransform(UNIFORM)
    assert first.domain.check(tensor(2.0)) and first(tensor(1.0)) == 0.5


# ---------------------------------------------------------------------------------------------- transformed distributions
def test_transformed_densities():
    x = np.array([0.3, 1.7, 4.0])
    normal = D.Normal(tensor(0.5), tensor(0.8))
    log_normal = D.TransformedDistribution(normal, D.ExpTransform())
    theirs = stats.lognorm(0.8, scale=np.exp(0.5))
    near(log_normal.log_prob(tensor(x)), theirs.logpdf(x))
    near(log_normal.cdf(tensor(x)), theirs.cdf(x))
    near(log_normal.icdf(tensor([0.1, 0.5, 0.9])), theirs.ppf([0.1, 0.5, 0.9]))
    falling = D.TransformedDistribution(normal, [D.AffineTransform(1.0, -2.0)])
    theirs = stats.norm(0.0, 1.6)
    near(falling.log_prob(tensor(x)), theirs.logpdf(x))
    near(falling.cdf(tensor(x)), theirs.cdf(x))
    near(falling.icdf(tensor([0.1, 0.5, 0.9])), theirs.ppf([0.1, 0.5, 0.9]), atol=1e-6)


def test_transformed_shapes():
    base = D.Normal(minigrad.zeros(2, 3, **DOUBLE), minigrad.ones(2, 3, **DOUBLE))
    d = D.TransformedDistribution(base, [D.AffineTransform(0.0, 2.0), D.StickBreakingTransform()])
    x = d.sample((5,))
    assert d.batch_shape == (2,) and d.event_shape == (4,) and x.shape == (5, 2, 4) and d.log_prob(x).shape == (5, 2)
    assert d.has_rsample and isinstance(d.base_dist, D.Independent) and d.support.check(x).all()
    wide = d.expand((7, 2))
    assert wide.sample().shape == (7, 2, 4) and repr(d) == "TransformedDistribution()"
    pair = D.TransformedDistribution(D.MultivariateNormal(minigrad.zeros(2), minigrad.eye(2)), D.ExpTransform())
    assert pair.support.event_dim == 1 and pair.log_prob(pair.sample((3,))).shape == (3,)
    plain = D.TransformedDistribution(base, [])
    assert plain.support is base.support and (plain.log_prob(x[..., :3]) == base.log_prob(x[..., :3])).all()
    spread = D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(minigrad.zeros(3), 1.0))
    assert spread.batch_shape == (3,) and spread.rsample().shape == (3,)
    for transforms, phrase in (
        (3, "Transform or list"),
        ([3], "list of Transforms"),
        (D.ReshapeTransform((1, 2, 3), (6,)), "at least 3"),
    ):
        with pytest.raises(ValueError, match=phrase):
            D.TransformedDistribution(base, transforms)
    with pytest.raises(NotImplementedError, match="same transforms"):
        D.kl_divergence(D.TransformedDistribution(base, D.ExpTransform()), D.TransformedDistribution(base, D.TanhTransform()))


def test_independent():
    base = D.Bernoulli(tensor(draw().random((2, 3))))
    d, same = D.Independent(base, 1), D.Independent(base, 0)
    x = d.sample((4,))
    assert d.batch_shape == (2,) and d.event_shape == (3,) and not d.has_rsample and not d.has_enumerate_support
    near(d.log_prob(x), base.log_prob(x).sum(-1).numpy())
    near(d.entropy(), base.entropy().sum(-1).numpy())
    assert (d.mean == base.mean).all() and (d.variance == base.variance).all() and (d.mode == base.mode).all()
    assert d.support.event_dim == 1 and d.support.check(x).shape == (4, 2) and same.support is base.support
    assert same.has_enumerate_support and same.enumerate_support().shape == (2, 2, 3)
    assert d.expand((5, 2)).sample().shape == (5, 2, 3) and repr(d) == f"Independent({base}, 1)"
    with pytest.raises(NotImplementedError, match="cartesian product"):
        d.enumerate_support()


def test_relaxed_bases():
    """What is mapped: the density of the logarithm or of the log-odds."""
    t = tensor(0.7)
    relaxed = D.RelaxedOneHotCategorical(t, logits=tensor([0.1, 0.5, -1.0]))
    x = relaxed.sample((4,))
    base = relaxed.base_dist
    near(relaxed.log_prob(x), (base.log_prob(x.log()) - x.log().sum(-1)).numpy())
    assert base.param_shape == (3,) and base._new(2).dtype is minigrad.float64 and relaxed.temperature is base.temperature is t
    bits = D.RelaxedBernoulli(t, probs=tensor([0.2, 0.7]))
    odds = tensor([0.3, -1.0])
    slope = odds.sigmoid() * (1 - odds.sigmoid())
    near(bits.log_prob(odds.sigmoid()), (bits.base_dist.log_prob(odds) - slope.log()).numpy())
    assert bits.base_dist.param_shape == (2,) and bits.base_dist._new(2).dtype is minigrad.float64 and bits.temperature is t
    assert bits.expand((3, 2)).sample().shape == (3, 2) and relaxed.expand((5,)).rsample().shape == (5, 3)


def test_utilities():
    m = tensor(draw().standard_normal((2, 3, 3)))
    for diag in (0, -1):
        row = utils.tril_matrix_to_vec(m, diag)
        near(utils.vec_to_tril_matrix(row, diag), m.tril(diag).numpy())
    a, b = utils.broadcast_all(tensor([1.0, 2.0]), 3)
    assert b.tolist() == [3.0, 3.0] and b.dtype is minigrad.float64 and a.tolist() == [1.0, 2.0]
    assert isinstance(D.Bernoulli.logits, utils.lazy_property)


def test_limits_of_parameters():
    assert constraints.is_dependent(constraints.dependent) and not constraints.is_dependent(constraints.real)
    near(D.Multinomial(2, minigrad.tensor([1.0, 0.0])).log_prob(minigrad.tensor([2.0, 0.0])), 0.0, atol=1e-6)
    near(D.Geometric(minigrad.tensor(1.0)).log_prob(minigrad.tensor(0.0)), 0.0)
    near(D.NegativeBinomial(minigrad.tensor(0.0), minigrad.tensor(0.5)).log_prob(minigrad.tensor(0.0)), 0.0)
    near(D.ContinuousBernoulli(minigrad.tensor(0.3)).cdf(minigrad.tensor([0.0, 1.0])), [0, 1])
    near(D.HalfCauchy(1.0, validate_args=False).log_prob(minigrad.tensor(-1.0)), -minigrad.inf)
    near(D.HalfNormal(1.0, validate_args=False).log_prob(minigrad.tensor(-1.0)), -minigrad.inf)
