"""The binomial distribution."""

import minigrad

from . import constraints
from .distribution import Distribution
from .odds import Odds


def _positive_part(x):
    """max(x, 0), with half of the derivative at 0: so the two halves of a logit's derivative add up."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(Odds, Distribution):
    """The number of successes in ``total_count`` trials.

    Args:
        total_count: number of trials.
        probs: probability of success.
        logits: its log-odds. Give one of the two.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Binomial(4, minigrad.tensor(0.25)).mean
    tensor(1.)
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    _expanded = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        given, total_count = self._take(probs, logits, total_count)
        self.total_count = total_count.type_as(given)
        super().__init__(given.size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with minigrad.no_grad():
            return minigrad.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        # n ln(1 + e^l) = n (max(l, 0) + ln(1 + e^-|l|))
        norm = n * _positive_part(logits) + n * minigrad.log1p(minigrad.exp(-minigrad.abs(logits))) - minigrad.lgamma(n + 1)
        return value * logits - minigrad.lgamma(value + 1) - minigrad.lgamma(n - value + 1) - norm

    def entropy(self):
        n = int(self.total_count.max())
        if not bool((self.total_count.min() == n).all()):
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(minigrad.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        n = int(self.total_count.max())
        if not bool((self.total_count.min() == n).all()):
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        return self._enumerated(minigrad.arange(1 + n, dtype=self.probs.dtype, device=self.probs.device), expand)
