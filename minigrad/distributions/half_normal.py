"""The absolute value of a normal variable."""

import math

import minigrad

from .halved import Halved
from .normal import Normal


class HalfNormal(Halved):
    """The absolute value of a normal variable around 0.

    Args:
        scale: the scale of that variable.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.HalfNormal(1.0).mean
    tensor(0.7979)
    """

    family = Normal

    @property
    def mean(self):
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self):
        return self.scale.pow(2) * (1 - 2 / math.pi)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        log_prob = self.base_dist.log_prob(value) + math.log(2)
        return minigrad.where(value >= 0, log_prob, -math.inf)
