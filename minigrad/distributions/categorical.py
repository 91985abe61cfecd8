"""A choice among K numbered classes."""

import minigrad

from ..tensor import Size
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, logits_to_probs, probs_to_logits


class Categorical(Distribution):
    r"""The class ``i`` of ``0 .. K-1`` with probability :math:`p_i`.

    Args:
        probs: (..., K), not negative; they are divided by their sum.
        logits: (..., K), unnormalised log-probabilities. Give one of the two.
        validate_args: see :class:`Distribution`.

    Raises:
        ValueError: for both or neither, for a 0-d parameter, or for a negative probability or a sum of 0.

    Reinforcement learning draws actions from it and follows the gradient of ``log_prob`` (Williams, "Simple statistical
    gradient-following algorithms for connectionist reinforcement learning", Machine Learning 8, 1992).

    >>> import minigrad
    >>> from minigrad.distributions import Categorical
    >>> d = Categorical(probs=minigrad.tensor([1.0, 1.0, 2.0]))
    >>> d.probs, d.log_prob(minigrad.tensor(2)).exp()
    (tensor([0.2500, 0.2500, 0.5000]), tensor(0.5000))
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _expanded = {"probs": 1, "logits": 1}
    _copied = ("_num_events",)

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = probs if logits is None else logits
        if given.dim() < 1:
            raise ValueError(f"`{'probs' if logits is None else 'logits'}` parameter must be at least one-dimensional.")
        if logits is None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.size()[-1]
        super().__init__(given.size()[:-1], validate_args=validate_args)

    def _new(self, *args, **kwargs):
        return self.probs.new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits)

    @property
    def param_shape(self):
        """The shape of ``probs``."""
        return self.probs.size()

    @property
    def mean(self):
        return minigrad.full(self._extended_shape(), minigrad.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mode(self):
        """The likeliest class."""
        return self.probs.argmax(dim=-1)

    @property
    def variance(self):
        return minigrad.full(self._extended_shape(), minigrad.nan, dtype=self.probs.dtype, device=self.probs.device)

    def sample(self, sample_shape=()):
        """Class numbers, int64, of shape ``sample_shape + batch_shape``."""
        shape, count = self._extended_shape(sample_shape), Size(sample_shape).numel()
        with minigrad.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            if count == 0 or rows.shape[0] == 0:
                return minigrad.empty(shape, dtype=minigrad.int64, device=rows.device)
            return minigrad.multinomial(rows, count, True).T.reshape(shape)

    def log_prob(self, value):
        """:math:`\\ln p_{value}`; ``value`` broadcasts with the batch shape."""
        if self._validate_args:
            self._validate_sample(value)
        value, logits = minigrad.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        """:math:`-\\sum_i p_i \\ln p_i`, in nats."""
        return -(self.probs * self.logits.clamp(min=minigrad.finfo(self.logits.dtype).min)).sum(-1)

    def enumerate_support(self, expand=True):
        return self._enumerated(minigrad.arange(self._num_events, dtype=minigrad.long, device=self.probs.device), expand)
