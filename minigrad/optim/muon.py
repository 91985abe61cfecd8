"""Muon: steps along the nearest orthogonal matrix to the momentum."""

import math

from ..dtype import bfloat16
from ..op import S, op, registry
from .rule import RuleOptimizer, check_at_least, check_one_element, number, zeros

ROUNDED = bfloat16.dtype  # the iteration only has to come near: it runs in half precision, as published


def _samples(r):
    tall, wide = ([r.standard_normal(shape) for _ in range(3)] for shape in ((5, 3), (3, 4)))
    settings = dict(lr=0.1, step=0.02, weight_decay=0.0, momentum=0.9, nesterov=True, coefficients=(3.4445, -4.775, 2.0315),
                    eps=1e-7, steps=2)  # fmt: skip
    return [
        S(*tall, **settings),
        S(*wide, **{**settings, "nesterov": False, "weight_decay": 0.3}),
        S(*wide, **{**settings, "coefficients": (2.0, -1.5, 0.5), "eps": 9.0}),
    ]


def _reference(p, g, buf, *, lr, step, weight_decay, momentum, nesterov, coefficients, eps, steps):
    import ml_dtypes
    import numpy as np

    def near(x):
        return np.asarray(x).astype(ml_dtypes.bfloat16).astype(np.float32)

    buf = momentum * buf + (1 - momentum) * g
    x = near((1 - momentum) * g + momentum * buf if nesterov else buf)
    x = x.T if x.shape[0] > x.shape[1] else x
    x = near(x / max(near(np.sqrt((x * x).sum())), eps))
    for _ in range(steps):
        square = near(x @ x.T)
        x = near(coefficients[0] * x + near(coefficients[1] * square + coefficients[2] * square @ square) @ x)
    x = x.T if p.shape[0] > p.shape[1] else x
    return p - lr * weight_decay * p - step * x, buf


@op(
    kind="update",
    names="",
    outputs=2,
    formula=r"B \leftarrow \mu B + (1 - \mu) G, \quad "
    r"\theta \leftarrow (1 - \gamma \lambda) \theta - \gamma' \operatorname{orth}(B)",
    samples=_samples,
    reference=_reference,
)
def muon(xp, p, g, buf, *, lr, step, weight_decay, momentum, nesterov, coefficients, eps, steps):
    """One step of Muon: the parameter, and the mean of its gradients."""
    buf = buf + (g - buf) * (1 - momentum)
    direction = g + (buf - g) * momentum if nesterov else buf
    return p * (1 - lr * weight_decay) - _orthogonal(xp, direction, coefficients, eps, steps, p.dtype) * step, buf


def _orthogonal(xp, x, coefficients, eps, steps, dtype):
    """Nearly the orthogonal factor of ``x``, by a fifth-order Newton-Schulz iteration in bfloat16."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]

    def near(x):
        return xp.astype(xp.astype(x, dtype=ROUNDED), dtype="float32")

    x = near(xp.matrix_transpose(x) if tall else x)
    x = near(x / xp.maximum(near(xp.sqrt(xp.sum(x * x, axis=None, keepdims=False))), eps))
    for _ in range(steps):
        square = near(xp.matmul(x, xp.matrix_transpose(x)))
        x = near(x * a + xp.matmul(near(square * b + xp.matmul(square, square) * c), x))
    return xp.astype(xp.matrix_transpose(x) if tall else x, dtype=dtype)


class Muon(RuleOptimizer):
    r"""Momentum whose every direction gets the same size: the step is the momentum's orthogonal factor.

    .. math:: B_t = \mu B_{t-1} + (1 - \mu) g_t, \quad
        \theta_t = (1 - \gamma \lambda) \theta_{t-1} - \gamma'\, \operatorname{orth}((1 - \mu) g_t + \mu B_t)

    For matrices in hidden layers; train embeddings, biases and the last layer with another optimizer. Jordan et al., "Muon: an
    optimizer for hidden layers in neural networks" (2024); Liu et al., "Muon is scalable for LLM training",
    arXiv:2502.16982 (2025), for ``"match_rms_adamw"``.

    Args:
        params: matrices, named or in groups.
        lr: learning rate :math:`\gamma`.
        weight_decay: :math:`\lambda`, decay of the weights themselves.
        momentum: :math:`\mu`.
        nesterov: look ahead.
        ns_coefficients: the polynomial of the Newton-Schulz iteration.
        eps: the smallest norm that is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: ``"original"`` (None): :math:`\gamma' = \gamma \sqrt{\max(1, A / B)}` for an (A, B) matrix;
            ``"match_rms_adamw"``: :math:`\gamma' = 0.2 \gamma \sqrt{\max(A, B)}`, the size of AdamW's steps.

    Raises:
        ValueError: for a setting out of its range, or a parameter that is no matrix.

    >>> import minigrad
    >>> w = minigrad.eye(2).requires_grad_()
    >>> optimizer = minigrad.optim.Muon([w], lr=0.5, weight_decay=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> bool((w.diagonal() < 1).all())
    True
    """

    rule = registry["muon"]
    elementwise = False

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
                 ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None):  # fmt: skip
        check_one_element(lr)
        check_at_least(0.0, "Learning rate", number(lr))
        check_at_least(0.0, "momentum", momentum)
        check_at_least(0.0, "weight decay", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, dict(
            lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_coefficients=ns_coefficients, eps=eps,
            ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn,
        ))  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.shape}")

    def start(self, p, group):
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        return {"momentum_buffer": zeros(p)}

    def arguments(self, p, group, state):
        if group["ns_steps"] >= 100:
            raise ValueError(f"Number of steps must be less than 100 for computational efficiency, got {group['ns_steps']}")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        lr, (a, b) = number(group["lr"]), p.shape
        matched = group["adjust_lr_fn"] == "match_rms_adamw"
        settings = {k: group[k] for k in ("weight_decay", "momentum", "nesterov", "eps")}
        settings.update(
            lr=lr,
            step=lr * (0.2 * math.sqrt(max(a, b)) if matched else math.sqrt(max(1, a / b))),
            coefficients=tuple(group["ns_coefficients"]),
            steps=group["ns_steps"],
        )
        return (state["momentum_buffer"],), settings
