"""The continuous Bernoulli distribution."""

import math

import minigrad
from minigrad.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from .exp_family import ExponentialFamily
from .odds import Odds
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs


class ContinuousBernoulli(Odds, ExponentialFamily):
    r"""A distribution on [0, 1]: :math:`p(x) = C(\lambda) \lambda^x (1 - \lambda)^{1 - x}`.

    Near :math:`\lambda = \tfrac12` the normaliser and the moments are taken from their Taylor series. Loaiza-Ganem and
    Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders", NeurIPS 2019.

    Args:
        probs: :math:`\lambda` in (0, 1).
        logits: its log-odds. Give one of the two.
        lims: where the Taylor series are used.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.ContinuousBernoulli(minigrad.tensor(0.5)).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _expanded = {"probs": 0, "logits": 0}
    _copied = ("_lims",)

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        given, *_ = self._take(probs, logits)
        if probs is not None:
            if validate_args is not False and not bool(constraints.unit_interval.check(self.probs).all()):
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(given.size(), validate_args=validate_args)

    @lazy_property
    def probs(self):
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _far(self):
        """Where the closed forms are used, and probabilities with others kept out of 0 / 0."""
        far = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return far, minigrad.where(far, self.probs, self._lims[0])

    def _log_norm(self):
        far, p = self._far()
        exact = minigrad.log(minigrad.abs(minigrad.log1p(-p) - minigrad.log(p))) - minigrad.log((1 - 2 * p).abs())
        x = (self.probs - 0.5).pow(2)
        return minigrad.where(far, exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self):
        far, p = self._far()
        x = self.probs - 0.5
        exact = p / (2.0 * p - 1.0) + 1.0 / (minigrad.log1p(-p) - minigrad.log(p))
        return minigrad.where(far, exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def stddev(self):
        return minigrad.sqrt(self.variance)

    @property
    def variance(self):
        far, p = self._far()
        x = (self.probs - 0.5).pow(2)
        exact = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / (minigrad.log1p(-p) - minigrad.log(p)).pow(2)
        return minigrad.where(far, exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(minigrad.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._log_norm()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        far, p = self._far()
        exact = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = minigrad.where(far, exact, value)
        return minigrad.where(value <= 0.0, 0.0, minigrad.where(value >= 1.0, 1.0, inside))

    def icdf(self, value):
        far, p = self._far()
        exact = (minigrad.log1p(-p + value * (2.0 * p - 1.0)) - minigrad.log1p(-p)) / (minigrad.log(p) - minigrad.log1p(-p))
        return minigrad.where(far, exact, value)

    def _cross(self, mean):
        """The mean of ``-log_prob(x)`` for any x in [0, 1] of this mean."""
        return -mean * self.logits - minigrad.log1p(-self.probs) - self._log_norm()

    def entropy(self):
        return self._cross(self.mean)

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        far = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = minigrad.where(far, x, self._lims[0] - 0.5)
        exact = minigrad.log(minigrad.abs(minigrad.expm1(cut))) - minigrad.log(minigrad.abs(cut))
        return minigrad.where(far, exact, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
