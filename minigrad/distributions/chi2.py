"""The chi-squared distribution."""

from . import constraints
from .gamma import Gamma
from .utils import broadcast_all


class Chi2(Gamma):
    """The sum of ``df`` squares of standard normal numbers: ``Gamma(df / 2, 1 / 2)``.

    Args:
        df: degrees of freedom.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.Chi2(minigrad.tensor(3.0)).variance
    tensor(6.)
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        (df,) = broadcast_all(df)
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self):
        """Degrees of freedom."""
        return self.concentration * 2
