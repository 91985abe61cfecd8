"""The absolute value of a Cauchy variable."""

import math

import minigrad

from .cauchy import Cauchy
from .halved import Halved


class HalfCauchy(Halved):
    """The absolute value of a Cauchy variable around 0.

    Args:
        scale: the scale of that variable.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.HalfCauchy(1.0).mean
    tensor(inf)
    """

    family = Cauchy

    @property
    def mean(self):
        return minigrad.full(self._extended_shape(), math.inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self):
        return self.base_dist.variance

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value = minigrad.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        log_prob = math.log(2 / math.pi) - self.scale.log() - (value / self.scale).pow(2).log1p()
        return minigrad.where(value >= 0, log_prob, -math.inf)
