"""Rprop: only the sign of a gradient counts."""

from ..op import S, op, registry
from .rule import RuleOptimizer, advance, check_hints, check_lr, counter, number, zeros


def _samples(r):
    p = r.standard_normal((3, 4))
    g = r.standard_normal((3, 4))
    before = g * r.choice([-1.0, 0.0, 1.0], (3, 4))
    size = r.random((3, 4)) + 0.1
    settings = dict(shrink=0.5, grow=1.2, smallest=0.2, largest=0.9, maximize=False)
    return [S(p, g, before, size, **settings), S(p, g, before, size, **{**settings, "maximize": True})]


def _reference(p, g, before, size, *, shrink, grow, smallest, largest, maximize):
    p, g, before, size = p.copy(), -g if maximize else g.copy(), before.copy(), size.copy()
    for i in range(p.size):
        product = g.flat[i] * before.flat[i]
        factor = grow if product > 0 else shrink if product < 0 else 1
        size.flat[i] = min(max(size.flat[i] * factor, smallest), largest)
        before.flat[i] = 0 if product < 0 else g.flat[i]
        p.flat[i] += -size.flat[i] if before.flat[i] > 0 else size.flat[i] if before.flat[i] < 0 else 0
    return p, before, size


@op(
    kind="update",
    names="",
    outputs=3,
    formula=r"\theta \leftarrow \theta - \operatorname{sign}(g)\,\eta",
    samples=_samples,
    reference=_reference,
)
def rprop(xp, p, g, before, size, *, shrink, grow, smallest, largest, maximize):
    """One step of Rprop: the parameter, its gradient for the next step to compare with, and its step size."""
    if maximize:
        g = -g
    product = g * before
    turned = xp.less(product, 0)
    size = xp.where(xp.greater(product, 0), size * grow, xp.where(turned, size * shrink, size))
    size = xp.minimum(xp.maximum(size, smallest), largest)
    g = xp.where(turned, 0.0, g)
    return p - xp.sign(g) * size, g, size


class Rprop(RuleOptimizer):
    r"""Resilient backpropagation: each parameter has a step size that grows while its gradient keeps its sign.

    .. math:: \eta_t = \begin{cases} \min(\eta_{t-1}\,\eta^+, \eta_{max}) & g_{t-1} g_t > 0 \\
        \max(\eta_{t-1}\,\eta^-, \eta_{min}) & g_{t-1} g_t < 0 \\ \eta_{t-1} & \text{else} \end{cases}, \quad
        \theta_t = \theta_{t-1} - \eta_t \operatorname{sign}(g_t)

    Where the sign changed, the parameter waits for one step. For full batches. Riedmiller and Braun, "A direct adaptive
    method for faster backpropagation learning", ICNN 1993.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: the first step size.
        etas: :math:`(\eta^-, \eta^+)`.
        step_sizes: the smallest and the largest step size.
        maximize: climb in place of descending.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = minigrad.optim.Rprop([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.7500, -1.7500], requires_grad=True)
    """

    rule = registry["rprop"]

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None, maximize=False,
                 differentiable=False):  # fmt: skip
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        check_hints(foreach, differentiable=differentiable)
        super().__init__(params, dict(
            lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize, differentiable=differentiable,
            capturable=capturable,
        ))  # fmt: skip

    def start(self, p, group):
        lr = number(group["lr"])
        return {"step": counter(), "prev": zeros(p), "step_size": zeros(p, complex(lr, lr) if p.is_complex() else lr)}

    def arguments(self, p, group, state):
        advance(state)
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        settings = {"shrink": shrink, "grow": grow, "smallest": smallest, "largest": largest, "maximize": group["maximize"]}
        return (state["prev"], state["step_size"]), settings
