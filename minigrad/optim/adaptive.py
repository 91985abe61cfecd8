"""Adagrad, Adadelta and RMSprop: each parameter's step is divided by the size of its own past gradients."""

from ..op import S, op, registry
from ..tensor import Tensor
from .rule import RuleOptimizer, advance, check, check_hints, check_lr, counter, number, setting, zeros


def _arrays(r):
    """p, g of both signs; two positive states."""
    return *(r.standard_normal((3, 4)) for _ in range(2)), *(r.random((3, 4)) + 0.5 for _ in range(2))


# --------------------------------------------------------------------------------------------------------------- Adagrad
def _adagrad_samples(r):
    p, g, total, _ = _arrays(r)
    settings = dict(lr=0.1, eps=1e-3, weight_decay=0.0, maximize=False)
    return [S(p, g, total, **settings), S(p, g, total, **{**settings, "eps": 0.2, "weight_decay": 0.3, "maximize": True})]


def _adagrad_reference(p, g, total, *, lr, eps, weight_decay, maximize):
    gradient = (-1 if maximize else 1) * g + weight_decay * p
    total = total + gradient**2
    return p - lr * gradient / (total**0.5 + eps), total


@op(
    kind="update",
    names="",
    outputs=2,
    formula=r"s \leftarrow s + g^2, \quad \theta \leftarrow \theta - \gamma \frac{g}{\sqrt s + \epsilon}",
    samples=_adagrad_samples,
    reference=_adagrad_reference,
)
def adagrad(xp, p, g, total, *, lr, eps, weight_decay, maximize):
    """One step of Adagrad: the parameter, and the sum of its squared gradients."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    total = total + g * g
    return p - g / (xp.sqrt(total) + eps) * lr, total


class Adagrad(RuleOptimizer):
    r"""Steps divided by the root of the sum of all squared gradients: rare features keep a large step.

    .. math:: s_t = s_{t-1} + g_t^2, \quad
        \theta_t = \theta_{t-1} - \frac{\gamma}{1 + (t - 1) \eta} \frac{g_t}{\sqrt{s_t} + \epsilon}

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12 (2011).

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        lr_decay: :math:`\eta`.
        weight_decay: L2 penalty.
        initial_accumulator_value: the sum to start from.
        eps: :math:`\epsilon`.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.Adagrad([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.7500, 1.7500], requires_grad=True)
    """

    rule = registry["adagrad"]

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *,
                 maximize=False, differentiable=False, fused=None):  # fmt: skip
        check_lr(lr)
        check(0.0 <= lr_decay, "lr_decay value", lr_decay)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check(0.0 <= initial_accumulator_value, "initial_accumulator_value value", initial_accumulator_value)
        check(0.0 <= eps, "epsilon value", eps)
        check_hints(foreach, fused, differentiable)
        super().__init__(params, dict(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value,
            foreach=foreach, maximize=maximize, differentiable=differentiable, fused=fused,
        ))  # fmt: skip
        for group in self.param_groups:  # PyTorch has this state before the first step
            for p in group["params"]:
                self.state[p] = self.start(p, group)

    def share_memory(self):
        """Nothing to do: accepted as in PyTorch."""

    def start(self, p, group):
        value = group["initial_accumulator_value"]
        return {"step": counter(), "sum": zeros(p, complex(value, value) if p.is_complex() else value)}

    def arguments(self, p, group, state):
        lr = number(group["lr"]) / (1 + (advance(state) - 1) * group["lr_decay"])
        return (state["sum"],), {
            "lr": lr,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
        }


# -------------------------------------------------------------------------------------------------------------- Adadelta
def _adadelta_samples(r):
    settings = dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.0, maximize=False)
    return [S(*_arrays(r), **settings), S(*_arrays(r), **{**settings, "eps": 0.2, "weight_decay": 0.3, "maximize": True})]


def _adadelta_reference(p, g, square, moved, *, lr, rho, eps, weight_decay, maximize):
    gradient = (-1 if maximize else 1) * g + weight_decay * p
    square = rho * square + (1 - rho) * gradient**2
    delta = gradient * ((moved + eps) / (square + eps)) ** 0.5
    return p - lr * delta, square, rho * moved + (1 - rho) * delta**2


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"s \leftarrow \rho s + (1 - \rho) g^2, \quad \delta = \sqrt{\frac{d + \epsilon}{s + \epsilon}}\, g, \quad "
    r"d \leftarrow \rho d + (1 - \rho) \delta^2, \quad \theta \leftarrow \theta - \gamma \delta",
    samples=_adadelta_samples,
    reference=_adadelta_reference,
)
def adadelta(xp, p, g, square, moved, *, lr, rho, eps, weight_decay, maximize):
    """One step of Adadelta: the parameter, the mean square of its gradients, and that of its moves."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    square = square * rho + g * g * (1 - rho)
    delta = xp.sqrt(moved + eps) / xp.sqrt(square + eps) * g
    moved = moved * rho + delta * delta * (1 - rho)
    return p - delta * lr, square, moved


class Adadelta(RuleOptimizer):
    r"""Steps whose size is a running mean of the steps before: no learning rate has to be found.

    .. math:: s_t = \rho s_{t-1} + (1 - \rho) g_t^2, \quad
        \delta_t = \sqrt{\frac{d_{t-1} + \epsilon}{s_t + \epsilon}}\, g_t, \quad
        d_t = \rho d_{t-1} + (1 - \rho) \delta_t^2, \quad \theta_t = \theta_{t-1} - \gamma \delta_t

    Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701 (2012).

    Args:
        params: parameters, named parameters or parameter groups.
        lr: factor :math:`\gamma`.
        rho: decay :math:`\rho` of the running means.
        eps: :math:`\epsilon`.
        weight_decay: L2 penalty.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.Adadelta([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> bool((w < minigrad.tensor([1.0, 2.0])).all())
    True
    """

    rule = registry["adadelta"]

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
                 differentiable=False):  # fmt: skip
        check_lr(lr)
        check(0.0 <= rho <= 1.0, "rho value", rho)
        check(0.0 <= eps, "epsilon value", eps)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check_hints(foreach, differentiable=differentiable)
        super().__init__(params, dict(
            lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable, foreach=foreach,
            differentiable=differentiable,
        ))  # fmt: skip

    def start(self, p, group):
        return {"step": counter(), "square_avg": zeros(p), "acc_delta": zeros(p)}

    def arguments(self, p, group, state):
        advance(state)
        settings = {k: group[k] for k in ("rho", "eps", "weight_decay", "maximize")}
        settings["lr"] = setting(group, "lr")
        return (state["square_avg"], state["acc_delta"]), settings


# --------------------------------------------------------------------------------------------------------------- RMSprop
def _rmsprop_samples(r):
    p, g, square, buf = _arrays(r)
    square, mean = square + 1.0, 0.3 * r.standard_normal((3, 4))
    settings = dict(lr=0.1, alpha=0.8, eps=1e-3, weight_decay=0.0, momentum=0.0, maximize=False)
    return [
        S(p, g, square, **settings),
        S(p, g, square, buf=buf, **{**settings, "eps": 0.2, "weight_decay": 0.3, "momentum": 0.9, "maximize": True}),
        S(p, g, square, mean=mean, **settings),
        S(p, g, square, buf=buf, mean=mean, **{**settings, "momentum": 0.9}),
    ]


def _rmsprop_reference(p, g, square, buf=None, mean=None, *, lr, alpha, eps, weight_decay, momentum, maximize):
    gradient = (-1 if maximize else 1) * g + weight_decay * p
    square = alpha * square + (1 - alpha) * gradient**2
    states = [square]
    variance = square
    if mean is not None:
        mean = alpha * mean + (1 - alpha) * gradient
        variance = square - mean**2
    move = gradient / (variance**0.5 + eps)
    if buf is not None:
        move = momentum * buf + move
        states.append(move)
    return p - lr * move, *states, *([] if mean is None else [mean])


@op(
    kind="update",
    names="",
    outputs=4,
    formula=r"s \leftarrow \alpha s + (1 - \alpha) g^2, \quad \theta \leftarrow \theta - \gamma \frac{g}{\sqrt s + \epsilon}",
    samples=_rmsprop_samples,
    reference=_rmsprop_reference,
)
def rmsprop(xp, p, g, square, buf=None, mean=None, *, lr, alpha, eps, weight_decay, momentum, maximize):
    """One step of RMSprop: the parameter, the mean square of its gradients, and where given momentum and mean gradient."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    square = square * alpha + g * g * (1 - alpha)
    if mean is None:
        move = g / (xp.sqrt(square) + eps)
    else:
        mean = mean + (g - mean) * (1 - alpha)
        move = g / (xp.sqrt(square - mean * mean) + eps)
    if buf is not None:
        buf = move = buf * momentum + move
    return p - move * lr, *[state for state in (square, buf, mean) if state is not None]


class RMSprop(RuleOptimizer):
    r"""Steps divided by a running root mean square of the gradients.

    .. math:: s_t = \alpha s_{t-1} + (1 - \alpha) g_t^2, \quad b_t = \mu b_{t-1} + \frac{g_t}{\sqrt{s_t} + \epsilon}, \quad
        \theta_t = \theta_{t-1} - \gamma b_t

    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning" (2012); Graves, "Generating sequences with
    recurrent neural networks", arXiv:1308.0850 (2013), for ``centered``.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate :math:`\gamma`.
        alpha: decay :math:`\alpha` of the mean square.
        eps: :math:`\epsilon`.
        weight_decay: L2 penalty.
        momentum: :math:`\mu`.
        centered: divide by the standard deviation: the square of the mean gradient is subtracted.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.RMSprop([w], lr=0.025)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.7500, 1.7500], requires_grad=True)
    """

    rule, _anew = registry["rmsprop"], ("momentum",)

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False,
                 foreach=None, maximize=False, differentiable=False):  # fmt: skip
        check_lr(lr)
        check(0.0 <= eps, "epsilon value", eps)
        check(0.0 <= momentum, "momentum value", momentum)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check(0.0 <= alpha, "alpha value", alpha)
        check_hints(foreach, differentiable=differentiable)
        super().__init__(params, dict(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay, capturable=capturable,
            foreach=foreach, maximize=maximize, differentiable=differentiable,
        ))  # fmt: skip

    def start(self, p, group):
        state = {"step": counter(), "square_avg": zeros(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros(p)
        if group["centered"]:
            state["grad_avg"] = zeros(p)
        return state

    def arguments(self, p, group, state):
        advance(state)
        settings = {k: group[k] for k in ("alpha", "eps", "weight_decay", "momentum", "maximize")}
        settings["lr"] = setting(group, "lr")
        heavy = isinstance(group["momentum"], Tensor) or group["momentum"] > 0  # a Tensor: read anew at each call, and not 0
        buf = state["momentum_buffer"] if heavy else None
        return (state["square_avg"], buf, state["grad_avg"] if group["centered"] else None), settings
