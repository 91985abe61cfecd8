"""Adam and AdamW."""

from ..op import S, op, registry
from .rule import (
    RuleOptimizer,
    advance,
    check,
    check_betas,
    check_hints,
    check_lr,
    check_tensor_settings,
    counter,
    number,
    setting,
    zeros,
)


def _samples(r):
    p, g, m = (r.standard_normal((3, 4)) for _ in range(3))
    v, high = r.random((3, 4)) + 0.1, r.random((3, 4)) + 0.1
    settings = dict(
        lr=0.1, beta1=0.9, beta2=0.95, eps=1e-3, weight_decay=0.0, decoupled=False, maximize=False, bias1=0.19, bias2=0.3
    )
    return [
        S(p, g, m, v, **settings),
        S(p, g, m, v, vmax=high, **{**settings, "maximize": True}),
        S(p, g, m, v, **{**settings, "weight_decay": 0.3}),
        S(p, g, m, v, vmax=high, **{**settings, "weight_decay": 0.3, "decoupled": True}),
    ]


def _reference(p, g, m, v, vmax=None, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
    gradient = (-1 if maximize else 1) * g + (0 if decoupled else weight_decay) * p
    m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
    largest = v if vmax is None else abs(v - vmax) / 2 + (v + vmax) / 2
    p = p - lr * (m / bias1) / ((largest / bias2) ** 0.5 + eps) - (lr * weight_decay * p if decoupled else 0)
    return (p, m, v) if vmax is None else (p, m, v, largest)


@op(
    kind="update",
    names="",
    outputs=4,
    formula=r"m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad "
    r"\theta \leftarrow \theta - \gamma \frac{m / b_1}{\sqrt{v / b_2} + \epsilon}",
    samples=_samples,
    reference=_reference,
)
def adam(xp, p, g, m, v, vmax=None, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
    """One step of Adam: the parameter, the mean of its gradients, the mean of their squares and, for AMSGrad, its maximum.

    ``bias1`` and ``bias2`` are :math:`1 - \\beta^t`: both means start at zero and are too small by these factors.
    """
    if maximize:
        g = -g
    if decoupled:
        p = p * (1 - lr * weight_decay)
    elif weight_decay != 0:
        g = g + p * weight_decay
    m = m + (g - m) * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    largest = v if vmax is None else xp.maximum(vmax, v)
    p = p - m / (xp.sqrt(largest) / bias2**0.5 + eps) * (lr / bias1)
    return (p, m, v) if vmax is None else (p, m, v, largest)


class Adam(RuleOptimizer):
    r"""Adam: every parameter moves by about the learning rate, along a running mean of its gradients.

    .. math:: m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \quad
        \theta_t = \theta_{t-1} - \gamma \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015; Reddi et al., "On the convergence of Adam and
    beyond", ICLR 2018, for ``amsgrad``.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        betas: :math:`(\beta_1, \beta_2)`.
        eps: :math:`\epsilon`, which keeps the denominator away from zero.
        weight_decay: an L2 penalty, added to the gradient. :class:`AdamW` decays the weights themselves.
        amsgrad: divide by the largest :math:`v` so far.
        maximize: climb in place of descending.
        decoupled_weight_decay: decay as :class:`AdamW`.

    Raises:
        ValueError: for a setting out of its range.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.Adam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.7500, 1.7500], requires_grad=True)
    """

    rule, _anew = registry["adam"], ("betas",)

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay: float = 0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False):  # fmt: skip
        check_lr(lr)
        check(0.0 <= eps, "epsilon value", eps)
        check_betas(betas)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check_tensor_settings(lr, betas, foreach, capturable)
        check_hints(foreach, fused, differentiable)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
            foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        ))  # fmt: skip

    def start(self, p, group):
        state = {"step": counter(), "exp_avg": zeros(p), "exp_avg_sq": zeros(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros(p)
        return state

    def arguments(self, p, group, state):
        t = advance(state)
        beta1, beta2 = group["betas"]
        if beta1.__class__ is not float or beta2.__class__ is not float:
            beta1, beta2 = number(beta1), number(beta2)
        largest = state["max_exp_avg_sq"] if group["amsgrad"] else None
        return (state["exp_avg"], state["exp_avg_sq"], largest), {
            "lr": setting(group, "lr"),
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "decoupled": group["decoupled_weight_decay"],
            "maximize": group["maximize"],
            "bias1": 1 - beta1**t,
            "bias2": 1 - beta2**t,
        }


class AdamW(Adam):
    r"""Adam whose weight decay shrinks the weights themselves and stays out of the running means.

    .. math:: \theta_t = (1 - \gamma \lambda) \theta_{t-1}
        - \gamma \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019. The arguments are those of :class:`Adam`.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.AdamW([w], lr=0.25, weight_decay=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.7500, 1.7500], requires_grad=True)
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False,
                 foreach=None, capturable=False, differentiable=False, fused=None):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused, decoupled_weight_decay=True)  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
