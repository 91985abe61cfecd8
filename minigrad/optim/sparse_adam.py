"""SparseAdam: Adam for embeddings, in which only the rows that have a gradient move."""

from ..op import S, op, registry
from .rule import RuleOptimizer, check, check_betas, check_one_element, number, zeros


def _samples(r):
    p, g, m = (r.standard_normal((4, 3)) for _ in range(3))
    g[1] = g[3] = 0.0
    g[0, 2] = 0.0
    settings = dict(beta1=0.9, beta2=0.95, eps=1e-3, step=0.1, maximize=False)
    return [
        S(p, g, m, r.random((4, 3)) + 0.1, **settings),
        S(p, g, m, r.random((4, 3)) + 0.1, **{**settings, "eps": 0.2, "maximize": True}),
        S(p[:, 0], g[:, 0], m[:, 0], r.random(4) + 0.1, **settings),
    ]


def _reference(p, g, m, v, *, beta1, beta2, eps, step, maximize):
    p, m, v = p.copy(), m.copy(), v.copy()
    for i in range(len(p)):
        if (g[i] != 0).any():
            gradient = -g[i] if maximize else g[i]
            m[i] = beta1 * m[i] + (1 - beta1) * gradient
            v[i] = beta2 * v[i] + (1 - beta2) * gradient**2
            p[i] = p[i] - step * m[i] / (v[i] ** 0.5 + eps)
    return p, m, v


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"\theta_i \leftarrow \theta_i - \gamma \frac{m_i}{\sqrt{v_i} + \epsilon} "
    r"\text{ for the rows } i \text{ with } g_i \neq 0",
    samples=_samples,
    reference=_reference,
)
def sparse_adam(xp, p, g, m, v, *, beta1, beta2, eps, step, maximize):
    """One step of Adam on the rows of ``g`` that are not zero; nothing else changes, not even the means."""
    axes = tuple(range(1, len(g.shape)))
    here = xp.not_equal(xp.sum(xp.abs(g), axis=axes, keepdims=True) if axes else g, 0)  # (rows, 1, ...)
    if maximize:
        g = -g
    m = xp.where(here, m + (g - m) * (1 - beta1), m)
    v = xp.where(here, v + (g * g - v) * (1 - beta2), v)
    return xp.where(here, p - m / (xp.sqrt(v) + eps) * step, p), m, v


class SparseAdam(RuleOptimizer):
    r"""Adam that leaves the rows alone whose gradient is zero: for embeddings of which a batch uses few rows.

    The rule is that of :class:`Adam` with one step count for all rows. Gradients are dense here: a row takes part where one of
    its elements is not zero.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: learning rate.
        betas: :math:`(\beta_1, \beta_2)`.
        eps: keeps the denominator away from zero.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> table = minigrad.ones(3, 2).requires_grad_()
    >>> optimizer = minigrad.optim.SparseAdam([table], lr=0.5)
    >>> minigrad.nn.functional.embedding(minigrad.tensor([1]), table).sum().backward()
    >>> optimizer.step()
    >>> table[:, 0].detach()
    tensor([1.0000, 0.5000, 1.0000])
    """

    rule = registry["sparse_adam"]
    elementwise = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        check_one_element(lr)
        check(0.0 < number(lr), "learning rate", lr)
        check(0.0 < eps, "epsilon value", eps)
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        for group in self.param_groups:
            if any(p.is_complex() for p in group["params"]):
                raise ValueError("SparseAdam does not support complex parameters")

    def start(self, p, group):
        return {"step": 0, "exp_avg": zeros(p), "exp_avg_sq": zeros(p)}

    def arguments(self, p, group, state):
        state["step"] += 1
        t, (beta1, beta2) = state["step"], map(number, group["betas"])
        return (state["exp_avg"], state["exp_avg_sq"]), {
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "step": number(group["lr"]) * (1 - beta2**t) ** 0.5 / (1 - beta1**t),
            "maximize": group["maximize"],
        }
