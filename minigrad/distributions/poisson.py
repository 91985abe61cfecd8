"""The Poisson distribution."""

import minigrad

from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all


class Poisson(ExponentialFamily):
    r"""The Poisson distribution: :math:`P(k) = \lambda^k e^{-\lambda} / k!`.

    Args:
        rate: :math:`\lambda`.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Poisson(minigrad.tensor(1.0)).log_prob(minigrad.tensor(0.0))
    tensor(-1.)
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _expanded = {"rate": 0}

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.rate

    @property
    def mode(self):
        return self.rate.floor()

    @property
    def variance(self):
        return self.rate

    def sample(self, sample_shape=()):
        with minigrad.no_grad():
            return minigrad.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self):
        return (minigrad.log(self.rate),)

    def _log_normalizer(self, x):
        return minigrad.exp(x)
