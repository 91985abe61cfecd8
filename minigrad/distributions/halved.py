"""What the absolute values of symmetric variables around 0 share."""

import math

import minigrad

from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform


class Halved(TransformedDistribution):
    """The absolute value of a variable of ``family(0, scale)``: twice its density above 0, none below."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    family = None  # the class of that variable

    def __init__(self, scale, validate_args=None):
        super().__init__(self.family(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    @property
    def scale(self):
        return self.base_dist.scale

    @property
    def mode(self):
        return minigrad.zeros_like(self.scale)

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob):
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self):
        return self.base_dist.entropy() - math.log(2)
