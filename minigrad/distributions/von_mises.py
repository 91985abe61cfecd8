"""The von Mises distribution."""

import math

import minigrad

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property


class VonMises(Distribution):
    r"""The normal distribution's relative on a circle: :math:`p(x) = \frac{e^{\kappa \cos(x - \mu)}}{2 \pi I_0(\kappa)}`.

    Best and Fisher, "Efficient simulation of the von Mises distribution", Applied Statistics 28 (1979).

    Args:
        loc: an angle :math:`\mu`.
        concentration: :math:`\kappa`.
        validate_args: see :class:`Distribution`.

    >>> import minigrad
    >>> minigrad.distributions.VonMises(minigrad.tensor(1.0), minigrad.tensor(4.0)).mean
    tensor(1.)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    _expanded = {"loc": 0, "concentration": 0}

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        kappa = self.concentration
        log_norm = math.log(2 * math.pi) + minigrad.special.i0e(kappa).log() + kappa
        return kappa * minigrad.cos(value - self.loc) - log_norm

    @lazy_property
    def _proposal_r(self):
        kappa = self.concentration.double()
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        return minigrad.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape=()):
        """Draws by rejection from a wrapped Cauchy distribution, computed in float64."""
        shape = self._extended_shape(sample_shape)
        with minigrad.no_grad():
            loc, kappa, r = (t.double().expand(shape) for t in (self.loc, self.concentration, self._proposal_r))
            x = minigrad.zeros(shape, dtype=minigrad.float64, device=loc.device)
            done = minigrad.zeros(shape, dtype=minigrad.bool, device=loc.device)
            while not bool(done.all()):
                u1, u2, u3 = minigrad.rand((3, *shape), dtype=minigrad.float64, device=loc.device).unbind()
                z = minigrad.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                x = minigrad.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self):
        """The circular mean."""
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        """The circular variance."""
        return 1 - minigrad.special.i1e(self.concentration) / minigrad.special.i0e(self.concentration)
