"""The multinomial distribution."""

import minigrad

from ..tensor import Size
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all


class Multinomial(Distribution):
    """How often each of K classes was drawn in ``total_count`` draws.

    Args:
        total_count: number of draws, an int.
        probs: (..., K), not negative.
        logits: (..., K). Give one of the two.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Multinomial(8, minigrad.tensor([1.0, 3.0])).mean
    tensor([2., 6.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _copied = ("total_count",)

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def _fill(self, new, batch_shape):
        new._categorical = self._categorical.expand(batch_shape)
        new._binomial = self._binomial

    def _new(self, *args, **kwargs):
        return self._categorical._new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    @property
    def logits(self):
        return self._categorical.logits

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def param_shape(self):
        """The shape of ``probs``."""
        return self._categorical.param_shape

    def sample(self, sample_shape=()):
        drawn = self._categorical.sample(Size((self.total_count,)) + Size(sample_shape))
        drawn = drawn.permute(*range(1, drawn.dim()), 0)  # (sample, batch, draws)
        counts = drawn.new_zeros(self._extended_shape(sample_shape))
        return counts.scatter_add_(-1, drawn, minigrad.ones_like(drawn)).type_as(self.probs)

    def entropy(self):
        n, own = minigrad.tensor(self.total_count), self._categorical.entropy()
        support = self._binomial.enumerate_support(expand=False)[1:]
        weights = minigrad.exp(self._binomial.log_prob(support))
        return n * own - minigrad.lgamma(n + 1) + (weights * minigrad.lgamma(support + 1)).sum((0, -1))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -minigrad.inf), 0)
        return minigrad.lgamma(value.sum(-1) + 1) - minigrad.lgamma(value + 1).sum(-1) + (logits * value).sum(-1)
