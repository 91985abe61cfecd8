"""Optimizer updates in one pass over the memory, in the order of operations of torch.optim's single-tensor code.

Arrays are flat (n,) inside the loops; every number is of the parameter's dtype. Tests of a setting inside a loop are
the same for all elements: LLVM takes them out of the loop or turns them into selects.
"""

import numpy as np

from .jit import jit


def adam(p, g, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
    """Adam, or AdamW where ``decoupled``; AMSGrad where ``vmax`` is an array. Writes into p, m, v and vmax."""
    number = p.dtype.type
    keep, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    settings = map(number, (keep, decay, 1 - beta1, beta2, 1 - beta2, lr / bias1, bias2**0.5, eps))
    p, g, m, v = p.reshape(-1), np.ascontiguousarray(g).reshape(-1), m.reshape(-1), v.reshape(-1)
    if vmax is None:
        _adam(p, g, m, v, maximize, *settings)
    else:
        _amsgrad(p, g, m, v, vmax.reshape(-1), maximize, *settings)


def sgd(p, g, buf, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """Writes into p and, where there is momentum, into buf (which becomes the gradient itself where ``first``)."""
    number = p.dtype.type
    p, g = p.reshape(-1), np.ascontiguousarray(g).reshape(-1)
    if momentum == 0:
        _sgd(p, g, number(lr), number(weight_decay), maximize)
        return
    kept, added = (0.0, 1.0) if first else (momentum, 1 - dampening)
    settings = (lr, momentum, kept, added, weight_decay)
    _sgd_momentum(p, g, buf.reshape(-1), nesterov, maximize, first, *map(number, settings))


@jit
def _adam(p, g, m, v, maximize, keep, decay, weight1, beta2, weight2, step, root_bias2, eps):
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        first = m[i] + weight1 * (gradient - m[i])
        second = v[i] * beta2 + weight2 * (gradient * gradient)
        m[i] = first
        v[i] = second
        p[i] = p[i] * keep - step * (first / (np.sqrt(second) / root_bias2 + eps))


@jit
def _amsgrad(p, g, m, v, vmax, maximize, keep, decay, weight1, beta2, weight2, step, root_bias2, eps):
    """A loop of its own: a store that only AMSGrad makes would keep the other from being vectorised."""
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        first = m[i] + weight1 * (gradient - m[i])
        second = v[i] * beta2 + weight2 * (gradient * gradient)
        largest = second if second > vmax[i] or second != second else vmax[i]  # NaN in either stays
        m[i] = first
        v[i] = second
        vmax[i] = largest
        p[i] = p[i] * keep - step * (first / (np.sqrt(largest) / root_bias2 + eps))


@jit(inline=True)
def _effective(gradient, value, maximize, decay):
    """The gradient that the rule sees: its sign, and weight decay in the form of Adam and SGD."""
    gradient = -gradient if maximize else gradient
    return gradient + decay * value if decay != 0 else gradient


@jit
def _sgd(p, g, lr, decay, maximize):
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        p[i] -= lr * gradient


@jit
def _sgd_momentum(p, g, buf, nesterov, maximize, first, lr, momentum, kept, added, decay):
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        velocity = gradient if first else kept * buf[i] + added * gradient
        buf[i] = velocity
        p[i] -= lr * (gradient + momentum * velocity if nesterov else velocity)
