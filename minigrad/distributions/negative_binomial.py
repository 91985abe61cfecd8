"""The negative binomial distribution."""

import minigrad
from minigrad.nn.functional import logsigmoid

from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .odds import Odds
from .utils import lazy_property


class NegativeBinomial(Odds, Distribution):
    """The number of successes before ``total_count`` failures.

    Args:
        total_count: number of failures, not negative, any real number.
        probs: probability of success, in [0, 1).
        logits: its log-odds. Give one of the two.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.NegativeBinomial(3, minigrad.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _expanded = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        given, total_count = self._take(probs, logits, total_count)
        self.total_count = total_count.type_as(given)
        super().__init__(given.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.total_count * minigrad.exp(self.logits)

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self):
        return self.mean / minigrad.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self):
        return Gamma(concentration=self.total_count, rate=minigrad.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape=()):
        with minigrad.no_grad():
            return minigrad.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        unnormalized = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        norm = -minigrad.lgamma(n + value) + minigrad.lgamma(1.0 + value) + minigrad.lgamma(n)
        return unnormalized - norm.masked_fill(n + value == 0.0, 0.0)
