"""The geometric distribution."""

import minigrad
from minigrad.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from .distribution import Distribution
from .odds import Odds
from .utils import broadcast_all


class Geometric(Odds, Distribution):
    r"""The number of failures before the first success: :math:`P(k) = (1 - p)^k p`.

    Args:
        probs: probability of success, in (0, 1].
        logits: its log-odds. Give one of the two.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Geometric(minigrad.tensor(0.25)).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer
    _expanded = {"probs": 0, "logits": 0}

    def __init__(self, probs=None, logits=None, validate_args=None):
        given, *_ = self._take(probs, logits)
        super().__init__(given.size(), validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError(
                f"Expected parameter probs (Tensor of shape {tuple(self.probs.shape)}) of distribution {self!r} to be positive "
                f"but found invalid values:\n{self.probs[self.probs <= 0]}"
            )

    @property
    def mean(self):
        return 1.0 / self.probs - 1.0

    @property
    def mode(self):
        return minigrad.zeros_like(self.probs)

    @property
    def variance(self):
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape=()):
        tiny = minigrad.finfo(self.probs.dtype).tiny
        with minigrad.no_grad():
            u = self.probs.new_empty(self._extended_shape(sample_shape)).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = probs.masked_fill((probs == 1) & (value == 0), 0.0)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self):
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
