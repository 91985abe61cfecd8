"""Distributions: draws, densities, gradients and what is refused. ``test_distributions_parity.py`` compares with PyTorch."""

import numpy as np
import pytest
from checks import check_dtype, check_layout, check_reference, samples_of, unique_faces

import minigrad
from minigrad import distributions as D
from minigrad.distributions import Categorical, constraints, reparameterized


def test_probabilities_and_logits_agree():
    p = minigrad.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], dtype=minigrad.float64)
    a, b = Categorical(probs=p * 3), Categorical(logits=p.log() + 5)
    for d in (a, b):
        np.testing.assert_allclose(d.probs.numpy(), p.numpy(), atol=1e-12)
        np.testing.assert_allclose(d.entropy().numpy(), -(p * p.log()).sum(-1).numpy(), atol=1e-12)
        assert d.batch_shape == (2,) and d.event_shape == () and d.param_shape == (2, 3) and d.mode.tolist() == [2, 0]
    value = minigrad.tensor([[0, 1], [2, 2], [1, 0]])
    np.testing.assert_allclose(a.log_prob(value).exp().numpy(), [[0.1, 0.25], [0.7, 0.25], [0.2, 0.5]], atol=1e-12)


def test_samples():
    minigrad.manual_seed(0)
    d = Categorical(probs=minigrad.tensor([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]))
    drawn = d.sample((4000,))
    assert drawn.shape == (4000, 2) and drawn.dtype is minigrad.int64 and (drawn[:, 0] == 1).all()
    shares = [(drawn[:, 1] == k).float().mean().item() for k in range(3)]
    np.testing.assert_allclose(shares, [0.2, 0.3, 0.5], atol=0.04)
    assert d.sample().shape == (2,) and d.sample((0,)).shape == (0, 2)
    assert Categorical(probs=minigrad.tensor([1.0, 3.0])).sample().shape == ()


def test_policy_gradient():
    logits = minigrad.zeros(3, requires_grad=True)
    (-Categorical(logits=logits).log_prob(minigrad.tensor(1)) * 2.0).backward()
    np.testing.assert_allclose(logits.grad.numpy(), [2 / 3, -4 / 3, 2 / 3], atol=1e-6)


def test_errors():
    for arguments in ({}, {"probs": minigrad.ones(2), "logits": minigrad.ones(2)}):
        with pytest.raises(ValueError, match="but not both"):
            Categorical(**arguments)
    with pytest.raises(ValueError, match="one-dimensional"):
        Categorical(probs=minigrad.tensor(1.0))
    with pytest.raises(ValueError, match=r"Expected parameter probs .* to satisfy the constraint Simplex\(\)"):
        Categorical(probs=minigrad.tensor([0.5, -0.5]))
    with pytest.raises(ValueError, match="Value is not broadcastable with batch_shape"):
        Categorical(probs=minigrad.ones(4, 2)).log_prob(minigrad.zeros(3, dtype=minigrad.int64))
    with pytest.raises(NotImplementedError, match="discrete"):
        Categorical(probs=minigrad.ones(2)).rsample()


# --------------------------------------------------------------------------------------------- gradients through draws
SLOPES = [f for f in unique_faces() if f.op is not None and f.op.body.__module__ == reparameterized.__name__]


@pytest.mark.parametrize("face", SLOPES, ids=lambda f: f.name)
def test_rules_from_their_samples(face, device):
    """As tests/test_ops.py does for what is loaded with minigrad itself; draws are checked by their moments below."""
    assert face.doc.strip() and len(SLOPES) == 4
    for s in samples_of(face):
        assert check_reference(face, s, device)
        check_layout(face, s, device)
        check_dtype(face, s, "float32", device)


@pytest.mark.parametrize("a, b", [(0.4, 0.7), (2.0, 5.0), (40.0, 60.0), (300.0, 2.0)])
def test_gradients_of_moments(a, b):
    """The mean over draws of a gradient through them is the gradient of the mean."""
    minigrad.manual_seed(0)
    p = minigrad.tensor(a, dtype=minigrad.float64, requires_grad=True)
    q = minigrad.tensor(b, dtype=minigrad.float64, requires_grad=True)
    for d in (D.Gamma(p, q), D.Beta(p, q)):
        found = minigrad.autograd.grad(d.rsample((6000,)).mean(), [p, q])
        exact = minigrad.autograd.grad(d.mean, [p, q])
        for x, y in zip(found, exact):
            np.testing.assert_allclose(x.item(), y.item(), rtol=0.1)


def test_no_second_order_through_a_gamma_draw():
    a = minigrad.ones(3, requires_grad=True)
    (g,) = minigrad.autograd.grad(D.Gamma(a, 1.0).rsample().sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="_standard_gamma_grad"):
        g.sum().backward()


def test_policy_of_soft_actor_critic():
    """A squashed Gaussian: draws with gradients and their exact log-density (Haarnoja et al., 2018)."""
    mean, log_std = minigrad.zeros(4, 2, requires_grad=True), minigrad.zeros(4, 2, requires_grad=True)
    base = D.Normal(mean, log_std.exp())
    policy = D.Independent(D.TransformedDistribution(base, [D.TanhTransform(cache_size=1)]), 1)
    action = policy.rsample()
    log_prob = policy.log_prob(action)
    assert log_prob.shape == (4,) and action.abs().max() <= 1
    x = minigrad.atanh(action)
    expected = (base.log_prob(x) - minigrad.log(1 - action.square())).sum(-1)
    np.testing.assert_allclose(log_prob.detach().numpy(), expected.detach().numpy(), rtol=1e-3, atol=1e-4)
    log_prob.mean().backward()
    assert mean.grad.shape == (4, 2) and log_std.grad.abs().sum() > 0


# -------------------------------------------------------------------------------------------------- what all of them share
def test_validation():
    with pytest.raises(ValueError, match=r"Expected parameter scale .* GreaterThan\(lower_bound=0.0\)"):
        D.Normal(0.0, -1.0)
    D.Normal(0.0, -1.0, validate_args=False)
    d = D.Uniform(0.0, 1.0)
    with pytest.raises(ValueError, match=r"within the support \(Interval"):
        d.log_prob(minigrad.tensor(2.0))
    with pytest.raises(ValueError, match="must be a Tensor"):
        d.log_prob(0.5)
    with pytest.raises(ValueError, match="right-most size of value must match event_shape"):
        D.Dirichlet(minigrad.ones(3)).log_prob(minigrad.ones(2))
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_a_distribution_of_the_users_own():
    class Triangle(D.Distribution):
        arg_constraints = {"width": constraints.positive}
        support = constraints.positive
        has_rsample = True

        def __init__(self, width, validate_args=None):
            self.width = width
            super().__init__(width.shape, validate_args=validate_args)

        def rsample(self, sample_shape=()):
            u = minigrad.rand(self._extended_shape(sample_shape))
            return self.width * u.sqrt()

        def log_prob(self, value):
            self._validate_sample(value)
            return minigrad.log(2 * value / self.width**2)

    width = minigrad.tensor([1.0, 4.0], requires_grad=True)
    d = Triangle(width)
    assert repr(d) == "Triangle(width: minigrad.Size([2]))" and d.sample((3,)).shape == (3, 2)
    assert not d.sample().requires_grad and d.rsample().requires_grad
    with pytest.raises(NotImplementedError, match="No KL"):
        D.kl_divergence(d, d)

    @D.register_kl(Triangle, Triangle)
    def kl(p, q):
        return p.width - q.width

    assert D.kl_divergence(d, d).tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="Distribution subclass"):
        D.register_kl(int, Triangle)
    with pytest.warns(FutureWarning, match="sample_n"):
        assert d.sample_n(5).shape == (5, 2)


def test_a_leaf_stays_a_leaf():
    loc = minigrad.zeros(3, requires_grad=True)
    assert D.Normal(loc, minigrad.ones(3)).loc is loc


def test_transforms_invert():
    x = minigrad.tensor(np.random.default_rng(0).standard_normal((2, 3)))
    for t in (D.ExpTransform(), D.SigmoidTransform(), D.TanhTransform(), D.SoftplusTransform(), D.AffineTransform(1.0, -2.0),
              D.StickBreakingTransform(), D.CorrCholeskyTransform(), D.ReshapeTransform((3,), (1, 3))):  # fmt: skip
        y = t(x)
        np.testing.assert_allclose(t.inv(y).numpy(), x.numpy(), atol=1e-9)
        assert t.inv.inv is t and t.codomain.check(y).all() and tuple(t.forward_shape(x.shape)) == tuple(y.shape)
    cached = D.TanhTransform(cache_size=1)
    assert cached.inv(cached(x)) is x
    both = D.ComposeTransform([D.ExpTransform(), D.PowerTransform(2.0)])
    np.testing.assert_allclose(both.log_abs_det_jacobian(x, both(x)).numpy(), (2 * x + np.log(2)).numpy())
    stacked = D.StackTransform([D.ExpTransform(), D.identity_transform], dim=0)
    np.testing.assert_allclose(stacked(x).numpy(), np.stack([np.exp(x.numpy()[0]), x.numpy()[1]]))
    joined = D.CatTransform([D.ExpTransform(), D.identity_transform], dim=1, lengths=[1, 2])
    np.testing.assert_allclose(joined(x).numpy()[:, 0], np.exp(x.numpy()[:, 0]))


@pytest.mark.parametrize("constraint", [
    constraints.positive, constraints.unit_interval, constraints.simplex, constraints.less_than(2.0),
    constraints.interval(-1.0, 3.0),
    constraints.real_vector, constraints.lower_cholesky, constraints.positive_definite, constraints.greater_than(1.0),
], ids=repr)  # fmt: skip
def test_maps_onto_constraints(constraint):
    x = minigrad.tensor(np.random.default_rng(0).standard_normal((3, 3)))
    for registry in (D.transform_to, D.biject_to):
        assert constraint.check(registry(constraint)(x)).all()


def test_divergence_of_another_family_is_the_mean_of_the_difference():
    """By a Riemann sum over the values of p."""
    x = minigrad.linspace(1e-4, 60.0, 200001, dtype=minigrad.float64)
    step = (x[1] - x[0]).item()
    p = D.Gamma(minigrad.tensor(3.0, dtype=minigrad.float64), 1.0)
    for q in (D.Exponential(0.7), D.Normal(1.0, 2.0), D.Gumbel(0.5, 1.5), D.Gamma(2.0, 2.0)):
        density = p.log_prob(x)
        mean = (density.exp() * (density - q.log_prob(x))).sum().item() * step
        assert D.kl_divergence(p, q).item() == pytest.approx(mean, rel=1e-4)


def test_truncated_normal_of_a_reinforcement_learner():
    """A subclass of Normal as DrQ-v2 has it (Yarats et al., 2021): draws are clamped, gradients are not."""
    from minigrad.distributions.utils import _standard_normal

    class TruncatedNormal(D.Normal):
        def __init__(self, loc, scale, low=-1.0, high=1.0, eps=1e-6):
            super().__init__(loc, scale, validate_args=False)
            self.low, self.high, self.eps = low, high, eps

        def sample(self, clip=None, sample_shape=()):
            shape = self._extended_shape(sample_shape)
            eps = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device) * self.scale
            x = self.loc + (eps if clip is None else eps.clamp(-clip, clip))
            clamped = x.clamp(self.low + self.eps, self.high - self.eps)
            return x - x.detach() + clamped.detach()

    loc = minigrad.full((3,), 5.0, requires_grad=True)
    action = TruncatedNormal(loc, minigrad.full((3,), 0.2)).sample(clip=0.3)
    assert action.max() < 1
    action.sum().backward()
    assert loc.grad.tolist() == [1.0, 1.0, 1.0]
