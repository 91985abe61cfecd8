"""Stochastic gradient descent: plain, with momentum, and averaged."""

from ..op import S, op, registry
from ..tensor import Tensor
from .rule import (
    RuleOptimizer,
    advance,
    at_least,
    check,
    check_hints,
    check_lr,
    chosen,
    counter,
    is_above,
    number,
    renewed,
    setting,
    zeros,
)


def _sgd_samples(r):
    p, g, buf = (r.standard_normal((3, 4)) for _ in range(3))
    plain = dict(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False, first=False)
    heavy = {**plain, "momentum": 0.9}
    return [
        S(p, g, **plain),
        S(p, g, **{**plain, "weight_decay": 0.3, "maximize": True}),
        S(p, g, buf=buf, **{**heavy, "dampening": 0.4}),
        S(p, g, buf=buf, **{**heavy, "weight_decay": 0.3, "nesterov": True}),
        S(p, g, buf=buf, **{**heavy, "dampening": 0.4, "first": True}),
        S(p, g, buf=buf, **{**heavy, "nesterov": True, "maximize": True, "first": True}),
    ]


def _sgd_reference(p, g, buf=None, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    direction = (-1 if maximize else 1) * g + weight_decay * p
    if buf is None:
        return (p - lr * direction,)
    buf = direction if first else momentum * buf + (1 - dampening) * direction
    return p - lr * (direction + momentum * buf if nesterov else buf), buf


@op(
    kind="update",
    names="",
    outputs=2,
    formula=r"v \leftarrow \mu v + (1 - \tau) g, \quad \theta \leftarrow \theta - \gamma v",
    samples=_sgd_samples,
    reference=_sgd_reference,
)
def sgd(xp, p, g, buf=None, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """One step of gradient descent; with a buffer, of momentum. ``first``: the buffer starts as the gradient."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    if buf is None:
        return (p - g * lr,)
    buf = g if first else buf * momentum + g * (1 - dampening)
    if nesterov:
        return p - (g + buf * momentum) * lr, buf
    return p - buf * lr, buf


class SGD(RuleOptimizer):
    r"""Stochastic gradient descent, optionally with momentum.

    .. math:: v_t = \mu v_{t-1} + (1 - \tau) (g_t + \lambda \theta_{t-1}), \quad \theta_t = \theta_{t-1} - \gamma v_t

    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        momentum: :math:`\mu`; 0 for plain descent.
        dampening: :math:`\tau`, from the second step on.
        weight_decay: :math:`\lambda`, an L2 penalty.
        nesterov: look ahead: step along :math:`g_t + \mu v_t`.
        maximize: climb in place of descending.

    Raises:
        ValueError: for a setting out of its range, or Nesterov without momentum or with dampening.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000, 1.0000], requires_grad=True)
    """

    rule, _anew = registry["sgd"], ("momentum",)

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None,
                 differentiable=False, fused=None):  # fmt: skip
        check_lr(lr)
        check(momentum >= 0.0, "momentum value", momentum)
        check(number(weight_decay) >= 0.0, "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_hints(foreach, fused, differentiable)
        super().__init__(params, dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
            foreach=foreach, differentiable=differentiable, fused=fused,
        ))  # fmt: skip

    def start(self, p, group):
        return {"momentum_buffer": None} if group["momentum"] != 0 else {}

    def arguments(self, p, group, state):
        momentum = group["momentum"]
        heavy = isinstance(momentum, Tensor) or momentum != 0  # a Tensor: read anew at each call, and not 0
        buf = state.get("momentum_buffer") if heavy else None
        first = heavy and buf is None
        if first:
            buf = state["momentum_buffer"] = zeros(p)
        return (buf,), {
            "lr": setting(group, "lr"),
            "momentum": momentum,
            "dampening": group["dampening"],
            "weight_decay": setting(group, "weight_decay"),
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
            "first": first,
        }


def _asgd_samples(r):
    p, g, mean = (r.standard_normal((3, 4)) for _ in range(3))
    settings = dict(lambd=0.2, eta=0.1, mu=1.0, averaging=False, weight_decay=0.0, maximize=False)
    later = {**settings, "mu": 0.25, "averaging": True, "weight_decay": 0.3, "maximize": True}
    return [S(p, g, mean, **settings), S(p, g, mean, **later)]


def _asgd_reference(p, g, mean, *, lambd, eta, mu, averaging, weight_decay, maximize):
    p = p - eta * (lambd * p + (-1 if maximize else 1) * g + weight_decay * p)
    return p, mu * p + (1 - mu) * mean


@op(
    kind="update",
    names="",
    outputs=2,
    formula=r"\theta \leftarrow (1 - \lambda \eta) \theta - \eta g, \quad "
    r"\bar\theta \leftarrow \bar\theta + \mu (\theta - \bar\theta)",
    samples=_asgd_samples,
    reference=_asgd_reference,
)
def asgd(xp, p, g, mean, *, lambd, eta, mu, averaging, weight_decay, maximize):
    """One step of averaged gradient descent: the parameter, and once ``averaging`` has begun the mean of its values."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    p = p * (1 - lambd * eta) - g * eta
    return p, chosen(xp, averaging, p, lambda: mean + (p - mean) * mu, lambda: p)


class ASGD(RuleOptimizer):
    r"""Averaged stochastic gradient descent. The average is ``optimizer.state[p]["ax"]``.

    .. math:: \theta_t = (1 - \lambda \eta_t) \theta_{t-1} - \eta_t g_t, \quad
        \eta_{t+1} = \frac{\gamma}{(1 + \lambda \gamma t)^\alpha}, \quad
        \bar\theta_t = \bar\theta_{t-1} + \mu_t (\theta_t - \bar\theta_{t-1})

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30 (1992).

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        lambd: decay term :math:`\lambda`.
        alpha: power :math:`\alpha` of the decay of the step size.
        t0: the step at which averaging starts.
        weight_decay: L2 penalty.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.ASGD([w], lr=0.25, lambd=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000, 1.0000], requires_grad=True)
    """

    rule = registry["asgd"]

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
                 differentiable=False, capturable=False):  # fmt: skip
        check_lr(lr)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check_hints(foreach, differentiable=differentiable)
        super().__init__(params, dict(
            lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
            differentiable=differentiable, capturable=capturable,
        ))  # fmt: skip

    def start(self, p, group):
        return {"step": counter(), "eta": counter(number(group["lr"])), "mu": counter(1.0), "ax": zeros(p)}

    def arguments(self, p, group, state):
        t, lr, lambd = advance(state), number(group["lr"]), group["lambd"]
        eta, mu = number(state["eta"]), number(state["mu"])
        _renew(state, "eta", lr / (1 + lambd * lr * t) ** group["alpha"])
        _renew(state, "mu", 1 / at_least(1.0, t - group["t0"]))
        settings = {"lambd": lambd, "eta": eta, "mu": mu, "averaging": is_above(0.0, 1.0 - mu)}
        settings.update(weight_decay=group["weight_decay"], maximize=group["maximize"])
        return (state["ax"],), settings


def _renew(state, key, value):
    """Write a number into the state, rounded to the dtype of counters, also where it was loaded in another."""
    renewed(state, key, lambda _: value if isinstance(value, Tensor) else float(counter(value).array))
