"""The gamma distribution."""

import minigrad

from . import constraints
from .exp_family import ExponentialFamily
from .reparameterized import standard_gamma
from .utils import broadcast_all, kept_above


class Gamma(ExponentialFamily):
    r"""The gamma distribution: :math:`p(x) = \frac{\beta^\alpha}{\Gamma(\alpha)} x^{\alpha - 1} e^{-\beta x}`.

    Args:
        concentration: :math:`\alpha`.
        rate: :math:`\beta`.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Gamma(3.0, 2.0).mean
    tensor(1.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    _expanded = {"concentration": 0, "rate": 0}

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.concentration / self.rate

    @property
    def mode(self):
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self):
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        value = standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        return kept_above(value, minigrad.finfo(value.dtype).tiny)  # in the support, not on its edge

    def log_prob(self, value):
        value = minigrad.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        if self._validate_args:
            self._validate_sample(value)
        return (
            minigrad.xlogy(self.concentration, self.rate)
            + minigrad.xlogy(self.concentration - 1, value)
            - self.rate * value
            - minigrad.lgamma(self.concentration)
        )

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return minigrad.special.gammainc(self.concentration, self.rate * value)

    def entropy(self):
        alpha = self.concentration
        return alpha - minigrad.log(self.rate) + minigrad.lgamma(alpha) + (1.0 - alpha) * minigrad.digamma(alpha)

    @property
    def _natural_params(self):
        return (self.concentration - 1, -self.rate)

    def _log_normalizer(self, x, y):
        return minigrad.lgamma(x + 1) + (x + 1) * minigrad.log(-y.reciprocal())
