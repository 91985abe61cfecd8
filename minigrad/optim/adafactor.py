"""Adafactor: the mean square of a matrix's gradients is kept as one row and one column."""

import numpy as np

from ..op import S, op, registry
from .rule import RuleOptimizer, advance, at_most, check_at_least, check_one_element, counter, number, zeros


def _samples(r):
    p, g = r.standard_normal((2, 3, 4)), r.standard_normal((2, 3, 4))
    rows, columns, variance = r.random((2, 3, 1)) + 0.1, r.random((2, 1, 4)) + 0.1, r.random((2, 3, 4)) + 0.1
    settings = dict(lr=0.1, new=0.3, relative=0.05, eps1=1e-3, eps2=1e-3, d=1.0, weight_decay=0.0, maximize=False)
    return [
        S(p, g, rows=rows, columns=columns, **settings),
        S(p, g, rows=rows, columns=columns, **{**settings, "d": 9.0, "eps1": 0.6, "weight_decay": 0.3, "maximize": True}),
        S(p, g, variance=variance, **{**settings, "eps2": 3.0, "weight_decay": 0.3}),
        S(p, g, variance=variance, **{**settings, "eps1": 0.5, "maximize": True}),
    ]


def _reference(p, g, rows=None, columns=None, variance=None, *, lr, new, relative, eps1, eps2, d, weight_decay, maximize):
    g = -g if maximize else g
    size = max(eps2, np.sqrt(np.mean(p**2)))
    if variance is None:
        rows = (1 - new) * rows + new * np.mean(g**2, -1, keepdims=True)
        columns = (1 - new) * columns + new * np.mean(g**2, -2, keepdims=True)
        estimate = rows * columns / np.maximum(rows.mean(-2, keepdims=True), eps1)
        states = rows, columns
    else:
        estimate = variance = (1 - new) * variance + new * g**2
        states = (variance,)
    u = g / np.maximum(np.sqrt(estimate), eps1)
    u = u / max(1.0, np.sqrt(np.mean(u**2)) / d)
    return p * (1 - lr * weight_decay) - size * relative * u, *states


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"\hat V = \frac{r c}{\max(\operatorname{mean} r, \epsilon_1)}, \quad u = \frac{g}{\max(\sqrt{\hat V}, \epsilon_1)}, "
    r"\quad \theta \leftarrow \theta - \alpha \frac{u}{\max(1, \operatorname{rms}(u) / d)}",
    samples=_samples,
    reference=_reference,
)
def adafactor(xp, p, g, rows=None, columns=None, variance=None, *, lr, new, relative, eps1, eps2, d, weight_decay, maximize):
    """One step of Adafactor: the parameter, and the means of its squared gradients along rows and columns, or all of them.

    ``new`` is the weight of this gradient in the means, ``relative`` the step size relative to the size of the parameter.
    """
    if maximize:
        g = -g
    step = xp.maximum(_rms(xp, p), eps2) * relative
    if weight_decay != 0:
        p = p * (1 - lr * weight_decay)
    if variance is None:
        rows = rows + (xp.mean(g * g, axis=-1, keepdims=True) - rows) * new
        columns = columns + (xp.mean(g * g, axis=-2, keepdims=True) - columns) * new
        estimate = rows * columns / xp.maximum(xp.mean(rows, axis=-2, keepdims=True), eps1)
    else:
        estimate = variance = variance + (g * g - variance) * new
    u = g / xp.sqrt(xp.maximum(estimate, eps1 * eps1))
    p = p - u * (step / xp.maximum(_rms(xp, u) / d, 1.0))
    return (p, rows, columns) if variance is None else (p, variance)


def _rms(xp, x):
    """The root of the mean square over all elements."""
    return xp.sqrt(xp.mean(x * x, axis=None, keepdims=False))


class Adafactor(RuleOptimizer):
    r"""Adaptive steps in little memory: of a matrix's squared gradients only the means of rows and columns are kept.

    .. math:: \hat V_t = \frac{r_t c_t}{\max(\operatorname{mean} r_t, \epsilon_1)}, \quad
        u_t = \frac{g_t}{\max(\sqrt{\hat V_t}, \epsilon_1)}, \quad
        \theta_t = \theta_{t-1} - \frac{\max(\epsilon_2, \operatorname{rms}(\theta_{t-1})) \min(\gamma, 1 / \sqrt t)}
        {\max(1, \operatorname{rms}(u_t) / d)} u_t

    Here r and c are running means with weight :math:`t^\tau` for the newest gradient. Shazeer and Stern, "Adafactor: adaptive
    learning rates with sublinear memory cost", ICML 2018. Vectors keep all their squares.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: :math:`\gamma`, the largest relative step; weight decay is multiplied by it.
        beta2_decay: :math:`\tau`, not positive.
        eps: :math:`(\epsilon_1, \epsilon_2)`; for None the machine epsilon of the parameter's dtype.
        d: clipping threshold, at least 1.
        weight_decay: decay of the weights themselves.
        maximize: climb in place of descending.

    Raises:
        ValueError: for a setting out of its range.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.Adafactor([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> bool((w < minigrad.tensor([1.0, 2.0])).all())
    True
    """

    rule = registry["adafactor"]
    elementwise = False

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None,
                 maximize=False):  # fmt: skip
        check_one_element(lr)
        check_at_least(0.0, "Learning rate", number(lr))
        if beta2_decay > 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        check_at_least(0.0, "epsilon1", 0.0 if eps[0] is None else eps[0])
        check_at_least(0.0, "epsilon2", eps[1])
        check_at_least(1.0, "Clipping threshold d", d)
        check_at_least(0.0, "weight_decay", weight_decay)
        super().__init__(params, dict(
            lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
        ))  # fmt: skip

    def start(self, p, group):
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if p.ndim < 2:
            return {"step": counter(), "variance": zeros(p)}
        rows, columns = (*p.shape[:-1], 1), (*p.shape[:-2], 1, p.shape[-1])
        return {"step": counter(), "row_var": p.detach().new_zeros(rows), "col_var": p.detach().new_zeros(columns)}

    def arguments(self, p, group, state):
        t, lr, (eps1, eps2) = advance(state), number(group["lr"]), group["eps"]
        if eps1 is None:
            eps1 = 2.0**-7 if p.element_size() == 2 and p.array.dtype.kind != "f" else float(np.finfo(p.array.dtype).eps)
        settings = {k: group[k] for k in ("d", "weight_decay", "maximize")}
        settings.update(lr=lr, new=t ** group["beta2_decay"], relative=at_most(lr, 1 / t**0.5), eps1=eps1, eps2=eps2)
        return (state.get("row_var"), state.get("col_var"), state.get("variance")), settings
