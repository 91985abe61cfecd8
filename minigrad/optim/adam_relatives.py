"""Adamax, NAdam and RAdam: Adam with another norm, with Nesterov's momentum, and with a rectified first phase."""

from ..op import S, op, registry
from .rule import (
    RuleOptimizer,
    advance,
    at_least,
    check,
    check_betas,
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

COMMON = dict(lr=0.1, beta1=0.9, beta2=0.95, eps=1e-3, weight_decay=0.0, maximize=False)


def _arrays(r):
    p, g, m = (r.standard_normal((3, 4)) for _ in range(3))
    return p, g, m, r.random((3, 4)) + 0.1


# ---------------------------------------------------------------------------------------------------------------- Adamax
def _adamax_samples(r):
    arrays, settings = _arrays(r), {**COMMON, "bias1": 0.19}
    return [S(*arrays, **settings), S(*arrays, **{**settings, "weight_decay": 0.3, "maximize": True, "eps": 0.5})]


def _adamax_reference(p, g, m, u, *, lr, beta1, beta2, eps, weight_decay, maximize, bias1):
    gradient = (-1 if maximize else 1) * g + weight_decay * p
    m, a, b = beta1 * m + (1 - beta1) * gradient, beta2 * u, abs(gradient) + eps
    u = (a + b + abs(a - b)) / 2
    return p - lr / bias1 * m / u, m, u


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad u \leftarrow \max(\beta_2 u, |g| + \epsilon), \quad "
    r"\theta \leftarrow \theta - \frac{\gamma}{b_1} \frac{m}{u}",
    samples=_adamax_samples,
    reference=_adamax_reference,
)
def adamax(xp, p, g, m, u, *, lr, beta1, beta2, eps, weight_decay, maximize, bias1):
    """One step of Adamax: the parameter, the mean of its gradients, and their decaying maximum."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    m = m + (g - m) * (1 - beta1)
    u = xp.maximum(u * beta2, xp.abs(g) + eps)
    return p - m / u * (lr / bias1), m, u


class Adamax(RuleOptimizer):
    r"""Adam with the infinity norm in place of the mean square.

    .. math:: m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad u_t = \max(\beta_2 u_{t-1}, |g_t| + \epsilon), \quad
        \theta_t = \theta_{t-1} - \frac{\gamma}{1 - \beta_1^t} \frac{m_t}{u_t}

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        betas: :math:`(\beta_1, \beta_2)`.
        eps: added to the gradient's size.
        weight_decay: L2 penalty.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.Adamax([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.7500, 1.7500], requires_grad=True)
    """

    rule, _anew = registry["adamax"], ("betas",)

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
                 differentiable=False, capturable=False):  # fmt: skip
        _check_all(lr, betas, eps, weight_decay, foreach, differentiable)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
            differentiable=differentiable, capturable=capturable,
        ))  # fmt: skip

    def start(self, p, group):
        return {"step": counter(), "exp_avg": zeros(p), "exp_inf": zeros(p)}

    def arguments(self, p, group, state):
        settings = _common(group)
        settings["bias1"] = 1 - settings["beta1"] ** advance(state)
        return (state["exp_avg"], state["exp_inf"]), settings


# ----------------------------------------------------------------------------------------------------------------- NAdam
def _nadam_samples(r):
    arrays, settings = _arrays(r), {**COMMON, "decoupled": False, "bias2": 0.3, "now": 0.2, "ahead": 0.4}
    return [
        S(*arrays, **settings),
        S(*arrays, **{**settings, "weight_decay": 0.3, "maximize": True}),
        S(*arrays, **{**settings, "weight_decay": 0.3, "decoupled": True}),
    ]


def _nadam_reference(p, g, m, v, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias2, now, ahead):
    gradient = (-1 if maximize else 1) * g + (0 if decoupled else weight_decay) * p
    m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
    shrunk = p - (lr * weight_decay * p if decoupled else 0)
    return shrunk - lr * (now * gradient + ahead * m) / ((v / bias2) ** 0.5 + eps), m, v


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"\theta \leftarrow \theta - \gamma \frac{a g + b m}{\sqrt{v / b_2} + \epsilon}",
    samples=_nadam_samples,
    reference=_nadam_reference,
)
def nadam(xp, p, g, m, v, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias2, now, ahead):
    """One step of NAdam; ``now`` and ``ahead`` weigh the gradient and the mean of the gradients."""
    if maximize:
        g = -g
    if decoupled:
        p = p * (1 - lr * weight_decay)
    elif weight_decay != 0:
        g = g + p * weight_decay
    m = m + (g - m) * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    size = xp.sqrt(v / bias2) + eps
    return p - g / size * (lr * now) - m / size * (lr * ahead), m, v


class NAdam(RuleOptimizer):
    r"""Adam with Nesterov's momentum.

    .. math:: \mu_t = \beta_1 \left(1 - \tfrac12\, 0.96^{t \psi}\right), \quad
        \hat m_t = \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} + \frac{(1 - \mu_t) g_t}{1 - \prod_{i=1}^t \mu_i}, \quad
        \theta_t = \theta_{t-1} - \gamma \frac{\hat m_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        betas: :math:`(\beta_1, \beta_2)`.
        eps: keeps the denominator away from zero.
        weight_decay: L2 penalty, or with ``decoupled_weight_decay`` a decay of the weights themselves.
        momentum_decay: :math:`\psi`.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.NAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> bool((w < minigrad.tensor([1.0, 2.0])).all())
    True
    """

    rule, _anew = registry["nadam"], ("betas",)

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False):  # fmt: skip
        _check_all(lr, betas, eps, weight_decay, foreach, differentiable)
        check(0.0 <= momentum_decay, "momentum_decay value", momentum_decay)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable,
        ))  # fmt: skip

    def start(self, p, group):
        return {"step": counter(), "mu_product": counter(1.0), "exp_avg": zeros(p), "exp_avg_sq": zeros(p)}

    def arguments(self, p, group, state):
        t, settings, decay = advance(state), _common(group), group["momentum_decay"]
        mu = settings["beta1"] * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = settings["beta1"] * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay))
        product = renewed(state, "mu_product", lambda so_far: so_far * mu)
        settings["decoupled"] = group["decoupled_weight_decay"]
        settings["bias2"] = 1 - settings["beta2"] ** t
        settings["now"] = (1.0 - mu) / (1.0 - product)
        settings["ahead"] = mu_next / (1.0 - product * mu_next)
        return (state["exp_avg"], state["exp_avg_sq"]), settings


# ----------------------------------------------------------------------------------------------------------------- RAdam
def _radam_samples(r):
    arrays, settings = _arrays(r), {**COMMON, "decoupled": False, "bias1": 0.19, "rectify": 0.6, "trusted": True}
    return [
        S(*arrays, **settings),
        S(*arrays, **{**settings, "weight_decay": 0.3, "maximize": True, "trusted": False}),
        S(*arrays, **{**settings, "weight_decay": 0.3, "decoupled": True}),
    ]


def _radam_reference(p, g, m, v, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, rectify, trusted):
    gradient = (-1 if maximize else 1) * g + (0 if decoupled else weight_decay) * p
    m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
    factor = rectify / (v**0.5 + eps) if trusted else 1
    return p - (lr * weight_decay * p if decoupled else 0) - lr * m / bias1 * factor, m, v


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"\theta \leftarrow \theta - \gamma \frac{m}{b_1} \frac{r}{\sqrt v + \epsilon}",
    samples=_radam_samples,
    reference=_radam_reference,
)
def radam(xp, p, g, m, v, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, rectify, trusted):
    """One step of RAdam; ``trusted`` is false in the first phase, in which the mean square says too little."""
    if maximize:
        g = -g
    if decoupled:
        p = p * (1 - lr * weight_decay)
    elif weight_decay != 0:
        g = g + p * weight_decay
    m = m + (g - m) * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    step = lr / bias1
    return p - chosen(xp, trusted, m, lambda: m / (xp.sqrt(v) + eps) * (step * rectify), lambda: m * step), m, v


class RAdam(RuleOptimizer):
    r"""Adam whose step size is rectified for the few gradients seen at the beginning, which replaces a warm-up.

    .. math:: \rho_\infty = \frac{2}{1 - \beta_2} - 1, \quad \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \quad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}}, \quad
        \theta_t = \theta_{t-1} - \gamma \frac{m_t}{1 - \beta_1^t} \frac{r_t \sqrt{1 - \beta_2^t}}{\sqrt{v_t} + \epsilon}

    While :math:`\rho_t \le 5` the last factor is 1. Liu et al., "On the variance of the adaptive learning rate and beyond",
    ICLR 2020.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        betas: :math:`(\beta_1, \beta_2)`.
        eps: keeps the denominator away from zero.
        weight_decay: L2 penalty, or with ``decoupled_weight_decay`` a decay of the weights themselves.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000, 1.0000], requires_grad=True)
    """

    rule = registry["radam"]

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):  # fmt: skip
        _check_all(lr, betas, eps, weight_decay, foreach, differentiable)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach,
            capturable=capturable, decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable,
        ))  # fmt: skip

    def start(self, p, group):
        return {"step": counter(), "exp_avg": zeros(p), "exp_avg_sq": zeros(p)}

    def arguments(self, p, group, state):
        t, settings = advance(state), _common(group)
        beta2 = settings["beta2"]
        bias2 = 1 - beta2**t
        end = 2 / (1 - beta2) - 1
        rho = end - 2 * t * beta2**t / bias2
        settings["trusted"], settings["rectify"] = False, 1.0
        if end > 5.0:  # rho stays below it
            known = at_least(5.0, rho)
            settings["trusted"] = is_above(5.0, rho)
            settings["rectify"] = ((known - 4) * (known - 2) * end / ((end - 4) * (end - 2) * known) * bias2) ** 0.5
        settings["decoupled"] = group["decoupled_weight_decay"]
        settings["bias1"] = 1 - settings["beta1"] ** t
        return (state["exp_avg"], state["exp_avg_sq"]), settings


def _check_all(lr, betas, eps, weight_decay, foreach, differentiable):
    check_lr(lr)
    check(0.0 <= eps, "epsilon value", eps)
    check_betas(betas)
    check(0.0 <= weight_decay, "weight_decay value", weight_decay)
    check_hints(foreach, differentiable=differentiable)


def _common(group):
    """The settings that all three rules share."""
    beta1, beta2 = map(number, group["betas"])
    return {
        "lr": setting(group, "lr"),
        "beta1": beta1,
        "beta2": beta2,
        "eps": group["eps"],
        "weight_decay": group["weight_decay"],
        "maximize": group["maximize"],
    }
