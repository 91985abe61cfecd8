"""Optimizer updates in one pass over the memory, in the order of operations of torch.optim's single-tensor code.

Arrays are flat (n,) inside the loops; every number is of the parameter's dtype. Tests of a setting inside a loop are
the same for all elements: LLVM takes them out of the loop or turns them into selects.
"""

import numpy as np

from .jit import jit
from .threads import split


def adam(p, g, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
    """Adam, or AdamW where ``decoupled``; AMSGrad where ``vmax`` is an array. Writes into p, m, v and vmax."""
    number = p.dtype.type
    keep, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    settings = map(number, (keep, decay, 1 - beta1, beta2, 1 - beta2, lr / bias1, bias2**0.5, eps))
    loop, arrays = (_adam, (p, g, m, v)) if vmax is None else (_amsgrad, (p, g, m, v, vmax))
    _update(loop, arrays, maximize, *settings)


def sgd(p, g, buf, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """Writes into p and, where there is momentum, into buf (which becomes the gradient itself where ``first``)."""
    number = p.dtype.type
    if momentum == 0:
        _update(_sgd, (p, g), number(lr), number(weight_decay), maximize)
        return
    kept, added = (0.0, 1.0) if first else (momentum, 1 - dampening)
    settings = (lr, momentum, kept, added, weight_decay)
    _update(_sgd_momentum, (p, g, buf), nesterov, maximize, first, *map(number, settings))


def adagrad(p, g, total, *, lr, eps, weight_decay, maximize):
    """Writes into p and total."""
    _update(_adagrad, (p, g, total), maximize, *map(p.dtype.type, (lr, eps, weight_decay)))


def rmsprop(p, g, square, buf, mean, *, lr, alpha, eps, weight_decay, momentum, maximize):
    """RMSprop that is not centered (``mean`` is None). Writes into p, square and, where there is momentum, into buf."""
    settings = map(p.dtype.type, (lr, alpha, 1 - alpha, eps, weight_decay))
    if buf is None:
        _update(_rmsprop, (p, g, square), maximize, *settings)
    else:
        _update(_rmsprop_momentum, (p, g, square, buf), p.dtype.type(momentum), maximize, *settings)


def _update(loop, arrays, *settings):
    """Run a loop over flat arrays; all but the gradient, the second, are written in place and so contiguous."""
    p, g, *state = (a.reshape(-1) for a in arrays)
    arrays = p, np.ascontiguousarray(g), *state
    split(lambda lo, hi: loop(*(a[lo:hi] for a in arrays), *settings), count=p.size, work=4 * p.size)


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


@jit
def _adagrad(p, g, total, maximize, lr, eps, decay):
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        squares = total[i] + gradient * gradient
        total[i] = squares
        p[i] -= gradient / (np.sqrt(squares) + eps) * lr


@jit
def _rmsprop(p, g, square, maximize, lr, alpha, weight, eps, decay):
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        squares = square[i] * alpha + gradient * gradient * weight
        square[i] = squares
        p[i] -= gradient / (np.sqrt(squares) + eps) * lr


@jit
def _rmsprop_momentum(p, g, square, buf, momentum, maximize, lr, alpha, weight, eps, decay):
    for i in range(p.size):
        gradient = _effective(g[i], p[i], maximize, decay)
        squares = square[i] * alpha + gradient * gradient * weight
        move = buf[i] * momentum + gradient / (np.sqrt(squares) + eps)
        square[i] = squares
        buf[i] = move
        p[i] -= move * lr
