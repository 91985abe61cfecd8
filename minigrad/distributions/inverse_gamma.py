"""The inverse gamma distribution."""

import minigrad

from . import constraints
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform


class InverseGamma(TransformedDistribution):
    """The reciprocal of a gamma variable.

    Args:
        concentration, rate: those of the gamma variable.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.InverseGamma(minigrad.tensor(3.0), minigrad.tensor(4.0)).mean
    tensor(2.)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args=validate_args)

    @property
    def concentration(self):
        return self.base_dist.concentration

    @property
    def rate(self):
        return self.base_dist.rate

    @property
    def mean(self):
        return minigrad.where(self.concentration > 1, self.rate / (self.concentration - 1), minigrad.inf)

    @property
    def mode(self):
        return self.rate / (self.concentration + 1)

    @property
    def variance(self):
        alpha = self.concentration
        return minigrad.where(alpha > 2, self.rate.square() / ((alpha - 1).square() * (alpha - 2)), minigrad.inf)

    def entropy(self):
        alpha = self.concentration
        return alpha + self.rate.log() + alpha.lgamma() - (1 + alpha) * alpha.digamma()
