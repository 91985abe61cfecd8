"""Student's t-distribution."""

import math

import minigrad

from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all


class StudentT(Distribution):
    r"""Student's t-distribution: a standard normal number over the root of an independent :math:`\chi^2_\nu / \nu`.

    Args:
        df: degrees of freedom :math:`\nu`.
        loc: location.
        scale: scale.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.StudentT(4.0).variance
    tensor(2.)
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _expanded = {"df": 0, "loc": 0, "scale": 0}

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    def _fill(self, new, batch_shape):
        new._chi2 = self._chi2.expand(batch_shape)

    @property
    def mean(self):
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        v = self.scale.pow(2) * self.df / (self.df - 2)
        return minigrad.where(self.df > 2, v, math.inf).masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape=()):
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        z = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (x * minigrad.rsqrt(z / self.df))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y, df = (value - self.loc) / self.scale, self.df
        norm = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi) + minigrad.lgamma(0.5 * df)
        return -0.5 * (df + 1.0) * minigrad.log1p(y**2.0 / df) - (norm - minigrad.lgamma(0.5 * (df + 1.0)))

    def entropy(self):
        df = self.df
        log_beta = minigrad.lgamma(0.5 * df) + math.lgamma(0.5) - minigrad.lgamma(0.5 * (df + 1))
        return (
            self.scale.log()
            + 0.5 * (df + 1) * (minigrad.digamma(0.5 * (df + 1)) - minigrad.digamma(0.5 * df))
            + 0.5 * df.log()
            + log_beta
        )
