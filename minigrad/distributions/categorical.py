"""A choice among K numbered classes."""

import minigrad

from ..errors import ShapeError
from .distribution import Distribution


class Categorical(Distribution):
    r"""The class ``i`` of ``0 .. K-1`` with probability :math:`p_i`.

    Args:
        probs: (..., K), not negative; they are divided by their sum.
        logits: (..., K), unnormalised log-probabilities. Give one of the two.

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

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = probs if logits is None else logits
        if given.dim() < 1:
            raise ValueError(f"`{'probs' if logits is None else 'logits'}` parameter must be at least one-dimensional.")
        if logits is None:
            if validate_args is not False and not bool(((probs >= 0).all() & (probs.sum(-1) > 0).all()).item()):
                raise ValueError(f"Categorical: probs must not be negative and must have a positive sum, got {probs}")
            self.probs = probs / probs.sum(-1, keepdim=True)
            tiny = 1.1920928955078125e-07 if probs.dtype is not minigrad.float64 else 2.220446049250313e-16
            self.logits = self.probs.clamp(tiny, 1 - tiny).log()  # PyTorch's clamp: log(0) would make -inf * 0 in the entropy
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
            self.probs = self.logits.softmax(-1)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1])

    @property
    def param_shape(self):
        return self.probs.shape

    @property
    def mode(self):
        """The likeliest class."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape=()):
        """Class numbers, int64, of shape ``sample_shape + batch_shape``."""
        shape = (*sample_shape, *self.batch_shape)
        with minigrad.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            count = 1
            for n in sample_shape:
                count *= n
            if count == 0 or rows.shape[0] == 0:
                return minigrad.empty(shape, dtype=minigrad.int64, device=rows.device)
            return minigrad.multinomial(rows, count, True).T.reshape(shape)

    def log_prob(self, value):
        """:math:`\\ln p_{value}`; ``value`` broadcasts with the batch shape."""
        try:
            shape = minigrad.broadcast_tensors(value, self.logits[..., 0])[0].shape
        except RuntimeError:
            raise ShapeError(
                f"Categorical.log_prob: a value of shape {tuple(value.shape)} does not broadcast with the batch shape "
                f"{tuple(self.batch_shape)}"
            ) from None
        index = value.long().expand(shape).unsqueeze(-1)
        return self.logits.expand(*shape, self._num_events).gather(-1, index).squeeze(-1)

    def entropy(self):
        """:math:`-\\sum_i p_i \\ln p_i`, in nats."""
        return -(self.probs * self.logits.clamp(min=-3.4028234663852886e38)).sum(-1)

    def __repr__(self):
        return f"Categorical(probs: {tuple(self.probs.shape)})"
