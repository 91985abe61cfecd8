"""The F-distribution."""

import minigrad

from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all, kept_above


class FisherSnedecor(Distribution):
    """The F-distribution: the ratio of two independent chi-squared variables, each over its degrees of freedom.

    Args:
        df1, df2: degrees of freedom above and below.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.FisherSnedecor(1.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _expanded = {"df1": 0, "df2": 0}

    def __init__(self, df1, df2, validate_args=None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1, self._gamma2 = Gamma(self.df1 * 0.5, self.df1), Gamma(self.df2 * 0.5, self.df2)
        super().__init__(self.df1.size(), validate_args=validate_args)

    def _fill(self, new, batch_shape):
        new._gamma1, new._gamma2 = self._gamma1.expand(batch_shape), self._gamma2.expand(batch_shape)

    @property
    def mean(self):
        df2 = self.df2.masked_fill(self.df2 <= 2, minigrad.nan)
        return df2 / (df2 - 2)

    @property
    def mode(self):
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return mode.masked_fill(self.df1 <= 2, minigrad.nan)

    @property
    def variance(self):
        df2 = self.df2.masked_fill(self.df2 <= 4, minigrad.nan)
        return 2 * df2.pow(2) * (self.df1 + df2 - 2) / (self.df1 * (df2 - 2).pow(2) * (df2 - 4))

    def rsample(self, sample_shape=()):
        shape, tiny = self._extended_shape(sample_shape), minigrad.finfo(self.df1.dtype).tiny
        above = self._gamma1.rsample(sample_shape).view(shape)
        below = self._gamma2.rsample(sample_shape).view(shape)
        return kept_above(above / kept_above(below, tiny), tiny)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        half1, half2, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = (half1 + half2).lgamma() - half1.lgamma() - half2.lgamma()
        return norm + half1 * ratio.log() + (half1 - 1) * minigrad.log(value) - (half1 + half2) * minigrad.log1p(ratio * value)
