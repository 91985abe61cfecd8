"""The logistic normal distribution."""

from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import StickBreakingTransform


class LogisticNormal(TransformedDistribution):
    """Normal vectors carried onto the simplex by stick breaking.

    Args:
        loc, scale: of the normal vectors, (..., K - 1).
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.LogisticNormal(minigrad.zeros(2), minigrad.ones(2)).sample().sum().round(decimals=4)
    tensor(1.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self):
        return self.base_dist.base_dist.loc

    @property
    def scale(self):
        return self.base_dist.base_dist.scale
