"""The Laplace distribution."""

import minigrad

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all


class Laplace(Distribution):
    r"""The Laplace distribution: :math:`p(x) = \frac{1}{2 b} e^{-|x - \mu| / b}`.

    Args:
        loc: mean :math:`\mu`.
        scale: :math:`b`.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Laplace(0.0, 1.0).variance
    tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _expanded = {"loc": 0, "scale": 0}

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        return 2 * self.scale.pow(2)

    @property
    def stddev(self):
        return 2**0.5 * self.scale

    def rsample(self, sample_shape=()):
        shape, eps = self._extended_shape(sample_shape), minigrad.finfo(self.loc.dtype).eps
        u = self.loc.detach().new_empty(shape).uniform_(eps - 1, 1)
        return self.loc - self.scale * u.sign() * minigrad.log1p(-u.abs())

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return -minigrad.log(2 * self.scale) - minigrad.abs(value - self.loc) / self.scale

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = value - self.loc
        return 0.5 - 0.5 * distance.sign() * minigrad.expm1(-distance.abs() / self.scale)

    def icdf(self, value):
        term = value - 0.5
        return self.loc - self.scale * term.sign() * minigrad.log1p(-2 * term.abs())

    def entropy(self):
        return 1 + minigrad.log(2 * self.scale)
