"""Optimizer updates in one pass over the memory, in the order of operations of torch.optim's single-tensor code.

Arrays are flat (n,) inside the loops; every number is of the parameter's dtype. Tests of a setting inside a loop are the
same for all elements: LLVM takes them out of the loop or turns them into selects.
"""

import numpy as np

from .jit import jit


def adam(p, g, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
    """Adam, or AdamW where ``decoupled``; AMSGrad where ``vmax`` is an array. Writes into p, m, v and vmax."""
    number = p.dtype.type
    keep, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    settings = (keep, decay, 1 - beta1, beta2, 1 - beta2, lr / bias1, bias2**0.5, eps)
    arrays = [a.reshape(-1) for a in (p, np.ascontiguousarray(g), m, v, v if vmax is None else vmax)]
    _adam(*arrays, vmax is not None, maximize, *map(number, settings))


def sgd(p, g, buf, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """Stochastic gradient descent. Writes into p and, where there is momentum, into buf (set to the gradient if ``first``)."""
    number = p.dtype.type
    p, g = p.reshape(-1), np.ascontiguousarray(g).reshape(-1)
    if momentum == 0:
        _sgd(p, g, number(lr), number(weight_decay), maximize)
        return
    kept, added = (0.0, 1.0) if first else (momentum, 1 - dampening)
    settings = (lr, momentum, kept, added, weight_decay)
    _sgd_momentum(p, g, buf.reshape(-1), nesterov, maximize, first, *map(number, settings))


@jit
def _adam(p, g, m, v, vmax, amsgrad, maximize, keep, decay, weight1, beta2, weight2, step, root_bias2, eps):
    for i in range(p.size):
        gradient = -g[i] if maximize else g[i]
        gradient = gradient + decay * p[i] if decay != 0 else gradient
        first = m[i] + weight1 * (gradient - m[i])
        second = v[i] * beta2 + weight2 * (gradient * gradient)
        m[i] = first
        v[i] = second
        if amsgrad:
            second = vmax[i] if vmax[i] > second else second  # NaN in either goes on
            vmax[i] = second
        p[i] = p[i] * keep - step * (first / (np.sqrt(second) / root_bias2 + eps))


@jit
def _sgd(p, g, lr, decay, maximize):
    for i in range(p.size):
        gradient = -g[i] if maximize else g[i]
        gradient = gradient + decay * p[i] if decay != 0 else gradient
        p[i] -= lr * gradient


@jit
def _sgd_momentum(p, g, buf, nesterov, maximize, first, lr, momentum, kept, added, decay):
    for i in range(p.size):
        gradient = -g[i] if maximize else g[i]
        gradient = gradient + decay * p[i] if decay != 0 else gradient
        velocity = gradient if first else kept * buf[i] + added * gradient
        buf[i] = velocity
        p[i] -= lr * (gradient + momentum * velocity if nesterov else velocity)
