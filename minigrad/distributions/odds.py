"""What the distributions of a probability share: it is given as ``probs`` or as its log-odds ``logits``."""

from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


class Odds:
    """One of ``probs`` and ``logits`` is given, and the other follows from it when it is first asked for."""

    def _take(self, probs, logits, *others):
        """Keep the one that is given. Returns it and the ``others``, all broadcast together.

        Raises:
            ValueError: unless just one of the two is given.
        """
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        *others, given = broadcast_all(*others, probs if logits is None else logits)
        setattr(self, "probs" if logits is None else "logits", given)
        return given, *others

    def _new(self, *args, **kwargs):
        return self.probs.new(*args, **kwargs)

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self):
        """The shape of ``probs``."""
        return self.probs.size()
