"""What all distributions share: shapes, and the words that a subclass fills in."""

from ..graph import no_grad
from ..tensor import Size


class Distribution:
    """A distribution over tensors.

    A sample has shape ``sample_shape + batch_shape + event_shape``: independent draws, then the parameters' own batch, then
    the shape of one draw.
    """

    has_rsample = False

    def __init__(self, batch_shape=(), event_shape=()):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)

    @property
    def batch_shape(self):
        return self._batch_shape

    @property
    def event_shape(self):
        return self._event_shape

    def sample(self, sample_shape=()):
        """Draws, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        """Draws through which gradients flow to the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample: its draws are discrete; use sample() and log_prob()")

    def log_prob(self, value):
        """The logarithm of the density, or probability, at ``value``."""
        raise NotImplementedError(f"{type(self).__name__}.log_prob is not defined")

    def entropy(self):
        """The mean of ``-log_prob`` over draws, in nats."""
        raise NotImplementedError(f"{type(self).__name__}.entropy is not defined")
