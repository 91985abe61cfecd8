"""Exponential families."""

import minigrad

from .distribution import Distribution


class ExponentialFamily(Distribution):
    r"""Distributions of the form :math:`p(x) = h(x) \exp(\theta \cdot t(x) - F(\theta))`.

    The entropy is taken from the derivative of the log-normaliser F. Nielsen and Nock, "Entropies and cross-entropies of
    exponential families", ICIP 2010.
    """

    @property
    def _mean_carrier_measure(self):
        """The mean of ln h(x)."""
        raise NotImplementedError(f"{type(self).__name__} does not define the mean of its carrier measure")

    @property
    def _natural_params(self):
        raise NotImplementedError(f"{type(self).__name__} does not define natural parameters")

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError(f"{type(self).__name__} does not define a log normalizer")

    def entropy(self):
        """The mean of ``-log_prob`` over draws, in nats."""
        params = [p.detach().requires_grad_() for p in self._natural_params]
        log_normalizer = self._log_normalizer(*params)
        slopes = minigrad.autograd.grad(log_normalizer.sum(), params, create_graph=True)
        result = -self._mean_carrier_measure + log_normalizer
        for param, slope in zip(params, slopes):
            result = result - (param * slope).reshape((*self._batch_shape, -1)).sum(-1)
        return result
