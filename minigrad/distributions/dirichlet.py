"""The Dirichlet distribution."""

import minigrad

from . import constraints
from .exp_family import ExponentialFamily
from .reparameterized import sample_dirichlet


class Dirichlet(ExponentialFamily):
    r"""The Dirichlet distribution over probability vectors: :math:`p(x) \propto \prod_i x_i^{\alpha_i - 1}`.

    Args:
        concentration: :math:`\alpha`, (..., K).
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Dirichlet(minigrad.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _expanded = {"concentration": 1}

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape=()):
        return sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        alpha = self.concentration
        return minigrad.xlogy(alpha - 1.0, value).sum(-1) + minigrad.lgamma(alpha.sum(-1)) - minigrad.lgamma(alpha).sum(-1)

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self):
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        corner = (self.concentration < 1).all(dim=-1)
        corners = minigrad.nn.functional.one_hot(mode.argmax(dim=-1), above.shape[-1]).to(mode)
        return minigrad.where(corner.unsqueeze(-1), corners, mode)

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self):
        alpha, k = self.concentration, self.concentration.size(-1)
        total = alpha.sum(-1)
        return (
            minigrad.lgamma(alpha).sum(-1)
            - minigrad.lgamma(total)
            - (k - total) * minigrad.digamma(total)
            - ((alpha - 1.0) * minigrad.digamma(alpha)).sum(-1)
        )

    @property
    def _natural_params(self):
        return (self.concentration,)

    def _log_normalizer(self, x):
        return x.lgamma().sum(-1) - minigrad.lgamma(x.sum(-1))
