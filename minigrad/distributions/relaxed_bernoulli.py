"""The relaxed Bernoulli distribution."""

import minigrad

from . import constraints
from .distribution import Distribution
from .odds import Odds
from .transformed_distribution import TransformedDistribution
from .transforms import SigmoidTransform
from .utils import broadcast_all, clamp_probs


class LogitRelaxedBernoulli(Odds, Distribution):
    """The log-odds of a :class:`RelaxedBernoulli` variable.

    Args:
        temperature: a positive number; near 0 draws are near 0 or 1.
        probs: probability of 1.
        logits: its log-odds. Give one of the two.
        validate_args: see :class:`Distribution`.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True
    _expanded = {"probs": 0, "logits": 0}
    _copied = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        given, *_ = self._take(probs, logits)
        super().__init__(given.size(), validate_args=validate_args)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        uniforms = clamp_probs(minigrad.rand(shape, dtype=probs.dtype, device=probs.device))
        return (uniforms.log() - (-uniforms).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        difference = logits - value.mul(self.temperature)
        return self.temperature.log() + difference - 2 * difference.exp().log1p()


class RelaxedBernoulli(TransformedDistribution):
    """A smooth version of the Bernoulli distribution, on (0, 1), whose draws have gradients.

    Maddison, Mnih and Teh, "The concrete distribution", ICLR 2017; Jang, Gu and Poole, "Categorical reparameterization with
    Gumbel-softmax", ICLR 2017.

    Args:
        temperature: a positive tensor; near 0 draws are near 0 or 1.
        probs: probability of 1.
        logits: its log-odds. Give one of the two.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> d = minigrad.distributions.RelaxedBernoulli(minigrad.tensor(0.5), probs=minigrad.tensor([0.1, 0.9]))
    >>> d.rsample().shape
    minigrad.Size([2])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(), validate_args=validate_args)

    @property
    def temperature(self):
        return self.base_dist.temperature

    @property
    def logits(self):
        return self.base_dist.logits

    @property
    def probs(self):
        return self.base_dist.probs
