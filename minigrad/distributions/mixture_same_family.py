"""Mixtures."""

import minigrad

from . import constraints
from .categorical import Categorical
from .constraints import MixtureSameFamilyConstraint
from .distribution import Distribution


class MixtureSameFamily(Distribution):
    """A component is drawn from a :class:`Categorical`, and the value from that component.

    Args:
        mixture_distribution: Categorical with K classes.
        component_distribution: a distribution whose last batch axis has length K.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> from minigrad.distributions import Categorical, MixtureSameFamily, Normal
    >>> mixture = Categorical(minigrad.ones(2))
    >>> MixtureSameFamily(mixture, Normal(minigrad.tensor([-1.0, 3.0]), 1.0)).mean
    tensor(1.)
    """

    arg_constraints: dict = {}
    has_rsample = False

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution need to be an instance of torch.distributions.Distribution")
        batch = component_distribution.batch_shape[:-1]
        for mine, theirs in zip(reversed(mixture_distribution.batch_shape), reversed(batch)):
            if mine != 1 and theirs != 1 and mine != theirs:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture_distribution.batch_shape}) is not compatible with "
                    f"`component_distribution.batch_shape`({batch})"
                )
        k_mixture, k = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if k != k_mixture:
            raise ValueError(
                f"`mixture_distribution component` ({k_mixture}) does not equal `component_distribution.batch_shape[-1]` ({k})"
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        self._num_component, self._event_ndims = k, len(component_distribution.event_shape)
        super().__init__(batch, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        new._component_distribution = self._component_distribution.expand((*batch_shape, self._num_component))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component, new._event_ndims = self._num_component, self._event_ndims
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property
    def support(self):
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self):
        return self._mixture_distribution

    @property
    def component_distribution(self):
        return self._component_distribution

    def _weights(self):
        """The components' probabilities, with as many axes at the end as an event has."""
        probs = self._mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * self._event_ndims)

    @property
    def mean(self):
        return (self._weights() * self._component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    def variance(self):
        """The mean of the variances and the variance of the means."""
        weights, axis = self._weights(), -1 - self._event_ndims
        inner = (weights * self._component_distribution.variance).sum(axis)
        difference = self._component_distribution.mean - self._pad(self.mean)
        return inner + (weights * difference.pow(2.0)).sum(axis)

    def cdf(self, x):
        return (self._component_distribution.cdf(self._pad(x)) * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x):
        if self._validate_args:
            self._validate_sample(x)
        inside = self._component_distribution.log_prob(self._pad(x))
        return minigrad.logsumexp(inside + minigrad.log_softmax(self._mixture_distribution.logits, dim=-1), dim=-1)

    def sample(self, sample_shape=()):
        with minigrad.no_grad():
            axis, events = len(sample_shape) + len(self.batch_shape), tuple(self.event_shape)
            which = self._mixture_distribution.sample(sample_shape)
            values = self._component_distribution.sample(sample_shape)
            which = which.reshape(tuple(which.shape) + (1,) * (len(events) + 1))
            which = which.expand((*tuple(values.shape)[:axis], 1, *events))
            return minigrad.gather(values, axis, which).squeeze(axis)

    def _pad(self, x):
        return x.unsqueeze(-1 - self._event_ndims)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
