"""Divergences between two families: what q says about p on average, less the entropy of p.

Where p has values that q cannot have, the divergence is infinite.
"""

import math

import minigrad

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .divergence import register_kl
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

INF = float("inf")


def _infinite(p, q):
    mean = p.mean
    return minigrad.full(p.batch_shape, INF, dtype=mean.dtype, device=mean.device)


for _p, _qs in {
    Poisson: (Bernoulli, Binomial),
    Beta: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    ContinuousBernoulli: (Pareto,),
}.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


# ------------------------------------------------------------------------------ what q says on average, from moments of p
def _normal_cross(q, mean, variance):
    """The mean of -ln q(x) for a normal q."""
    return 0.5 * math.log(2 * math.pi) + q.scale.log() + (variance + (mean - q.loc).pow(2)) / (2 * q.scale.pow(2))


def _gamma_cross(q, mean, mean_log):
    return -q.concentration * q.rate.log() + minigrad.lgamma(q.concentration) - (q.concentration - 1) * mean_log + q.rate * mean


def _gumbel_cross(q, mean, mean_exp):
    """``mean_exp`` is the mean of exp(-x / scale)."""
    return q.scale.log() + (mean - q.loc) / q.scale + minigrad.exp(q.loc / q.scale) * mean_exp


@register_kl(Bernoulli, Poisson)
def _(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
def _(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Beta, Gamma)
def _(p, q):
    mean_log = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _gamma_cross(q, p.mean, mean_log)


@register_kl(Beta, Normal)
@register_kl(Gamma, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
@register_kl(ContinuousBernoulli, Normal)
def _(p, q):
    return -p.entropy() + _normal_cross(q, p.mean, p.variance)


@register_kl(Pareto, Normal)
def _(p, q):
    return minigrad.where(p.alpha <= 2, INF, -p.entropy() + _normal_cross(q, p.mean, p.variance))


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _(p, q):
    result = -p.entropy() + (q.high - q.low).log()
    return minigrad.where((q.low > 0) | (q.high < 1), INF, result)


@register_kl(Exponential, Gamma)
def _(p, q):
    return -p.entropy() + _gamma_cross(q, p.mean, -p.rate.log() - euler_constant)


@register_kl(Exponential, Gumbel)
def _(p, q):
    return -p.entropy() + _gumbel_cross(q, p.mean, p.rate * q.scale / (p.rate * q.scale + 1))


@register_kl(Gamma, Exponential)
def _(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Gamma, Gumbel)
def _(p, q):
    return -p.entropy() + _gumbel_cross(q, p.mean, (1 + (p.rate * q.scale).reciprocal()).pow(-p.concentration))


@register_kl(Normal, Gumbel)
def _(p, q):
    mean_exp = minigrad.exp(-p.loc / q.scale + (p.scale / q.scale).pow(2) * 0.5)
    return -p.entropy() + _gumbel_cross(q, p.mean, mean_exp)


@register_kl(Normal, Laplace)
def _(p, q):
    d = p.loc - q.loc
    r = d / p.scale
    distance = math.sqrt(2 / math.pi) * p.scale * minigrad.exp(-0.5 * r.pow(2)) + d * minigrad.erf(math.sqrt(0.5) * r)
    return -p.entropy() + minigrad.log(2 * q.scale) + distance / q.scale


@register_kl(Pareto, Exponential)
def _(p, q):
    return minigrad.where(p.alpha <= 1, INF, -p.entropy() - q.rate.log() + q.rate * p.mean)


@register_kl(Pareto, Gamma)
def _(p, q):
    mean_log = p.scale.log() + p.alpha.reciprocal()
    return minigrad.where(p.alpha <= 1, INF, -p.entropy() + _gamma_cross(q, p.mean, mean_log))


def _mean_log(low, high):
    """The mean of ln x between two positive numbers."""
    return (minigrad.xlogy(high, high) - minigrad.xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Beta)
def _(p, q):
    a, b = q.concentration1, q.concentration0
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    cross = norm - (a - 1) * _mean_log(p.low, p.high) - (b - 1) * _mean_log(1 - p.high, 1 - p.low)
    return minigrad.where((p.high > 1) | (p.low < 0), INF, -p.entropy() + cross)


@register_kl(Uniform, Exponential)
def _(p, q):
    return minigrad.where(p.low < 0, INF, -p.entropy() - q.rate.log() + q.rate * p.mean)


@register_kl(Uniform, Gamma)
def _(p, q):
    return minigrad.where(p.low < 0, INF, -p.entropy() + _gamma_cross(q, p.mean, _mean_log(p.low, p.high)))


@register_kl(Uniform, Gumbel)
def _(p, q):
    mean_exp = q.scale * (minigrad.exp(-p.low / q.scale) - minigrad.exp(-p.high / q.scale)) / (p.high - p.low)
    return -p.entropy() + _gumbel_cross(q, p.mean, mean_exp)


@register_kl(Uniform, Pareto)
def _(p, q):
    cross = -q.alpha.log() - q.alpha * q.scale.log() + (q.alpha + 1) * _mean_log(p.low, p.high)
    return minigrad.where(p.low < q.scale, INF, -p.entropy() + cross)


@register_kl(Beta, ContinuousBernoulli)
@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _(p, q):
    return -p.entropy() + q._cross(p.mean)


@register_kl(Uniform, ContinuousBernoulli)
def _(p, q):
    return minigrad.where((p.high > 1) | (p.low < 0), INF, -p.entropy() + q._cross(p.mean))
