"""L-BFGS: a quasi-Newton method for full batches, with a line search."""

from collections import namedtuple

import numpy as np

from .. import backends
from ..graph import enable_grad, no_grad, writes
from ..tensor import Tensor, wrap
from .optimizer import Optimizer
from .rule import check_lr, number

MEMORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")
Point = namedtuple("Point", "t loss gradient slope")  # a place on the search line; slope is the derivative along it


class LBFGS(Optimizer):
    r"""Limited-memory BFGS: steps along :math:`-H g`, where the inverse Hessian H is estimated from the last gradients.

    Its ``step`` takes a closure that clears the gradients, computes the loss, calls ``backward()`` and returns the loss; it
    is called several times. All parameters must be in one group. Nocedal and Wright, "Numerical optimization", 2nd ed.
    (2006), algorithm 7.4, and algorithms 3.5 and 3.6 for the line search.

    Args:
        params: parameters; the estimate takes ``history_size + 1`` times their memory.
        lr: step length without line search, and the first trial with it.
        max_iter: most iterations in one step.
        max_eval: most calls of the closure in one step, 1.25 * max_iter if None.
        tolerance_grad: stop where no gradient is larger.
        tolerance_change: stop where the loss or the parameters change by less.
        history_size: how many pairs of steps and gradient changes are kept.
        line_search_fn: None, or ``"strong_wolfe"``.

    >>> import minigrad
    >>> w = minigrad.tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = minigrad.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> first_loss = optimizer.step(closure)
    >>> bool(closure() < 1e-8)
    True
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9, history_size=100,
                 line_search_fn=None):  # fmt: skip
        check_lr(lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported, or None; got line_search_fn={line_search_fn!r}")
        super().__init__(params, dict(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval, tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn,
        ))  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @no_grad()
    def step(self, closure):
        """Iterate until a tolerance or a limit is reached, and return the loss from before the first iteration."""
        group = self.param_groups[0]
        closure = enable_grad()(closure)
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss
        memory = {key: state.get(key) for key in MEMORY}
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, memory, gradient, group["history_size"])
            before, memory["prev_flat_grad"] = loss, wrap(gradient.copy())
            lr = number(group["lr"]) if isinstance(group["lr"], Tensor) else group["lr"]
            t = min(1.0, 1.0 / _size(gradient)) * lr if state["n_iter"] == 1 else lr
            slope = _dot(gradient, direction)
            memory.update(d=wrap(direction), t=_kept(t), prev_loss=before)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"] is not None:
                best, used = self._search(
                    closure, Point(0.0, loss, gradient, slope), t, direction, group["max_eval"] - evaluations
                )
                t, loss, gradient = best.t, best.loss, best.gradient
                memory["t"] = _kept(t)
                self._move(t, direction)
            else:
                self._move(t, direction)
                if iteration != group["max_iter"]:  # at the end nothing would use it
                    loss, gradient, used = float(closure()), self._gradient(), 1
            evaluations += used
            state["func_evals"] += used
            if (
                evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(direction * t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        state.update(memory)
        return first_loss

    def _search(self, closure, start, t, direction, most):
        """The point that the line search finds along ``direction``, and the number of times that it called the closure."""
        here = self._values()

        def evaluate(t):
            self._move(t, direction)
            value, g = float(closure()), self._gradient()
            self._restore(here)
            return Point(t, value, g, _dot(g, direction))

        return strong_wolfe(evaluate, start, t, _largest(direction), most=most)

    def _direction(self, state, memory, gradient, history_size):
        """-H g by the two-loop recursion over the remembered steps and gradient changes."""
        if state["n_iter"] == 1:
            memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        changes, steps, ro = memory["old_dirs"], memory["old_stps"], memory["ro"]
        y = gradient - memory["prev_flat_grad"].array
        s = memory["d"].array * _scalar(memory["t"])
        curvature = _dot(y, s)
        if curvature > 1e-10:
            if len(changes) == history_size:
                del changes[0], steps[0], ro[0]
            changes.append(wrap(y))
            steps.append(wrap(s))
            ro.append(_kept(1.0 / curvature))
            memory["H_diag"] = _kept(curvature / _dot(y, y))
        alphas = state.setdefault("al", [None] * history_size)
        q = -gradient
        for i in reversed(range(len(changes))):
            alpha = _dot(steps[i].array, q) * _scalar(ro[i])
            alphas[i] = _kept(alpha)
            q = _plus(q, -alpha, changes[i].array)
        q = q * _scalar(memory["H_diag"])
        for y, s, r, alpha in zip(changes, steps, ro, alphas):
            q = _plus(q, _scalar(alpha) - _dot(y.array, q) * _scalar(r), s.array)
        return q

    # ------------------------------------------------------------------------------------ all parameters as one vector
    def _gradient(self):
        flat = []
        for p in self.param_groups[0]["params"]:
            xp = backends.of(p.array)
            g = xp.zeros_like(p.array) if p.grad is None else p.grad.array
            flat.append(_real(g).reshape(-1))
        return xp.concat(*flat)

    def _values(self):
        return [p.array.copy() for p in self.param_groups[0]["params"]]

    def _restore(self, values):
        for p, value in zip(self.param_groups[0]["params"], values):
            p.array[...] = value
            writes.stamp(p.array)

    def _move(self, t, direction):
        start = 0
        for p in self.param_groups[0]["params"]:
            real = _real(p.array)
            real = _plus(real, t, direction[start : start + real.size].reshape(real.shape))
            start += real.size
            p.array[...] = real.view(p.array.dtype).reshape(p.array.shape)
            writes.stamp(p.array)


def _real(a):
    """A complex array as real numbers, two for each."""
    return backends.of(a).np.ascontiguousarray(a).view(a.real.dtype) if a.dtype.kind == "c" else a


# The numbers of the method are of the parameters' dtype, as in PyTorch: in float32 they are rounded at every step.
def _number_like(a, value):
    return a.dtype.type(float(value))


def _dot(a, b):
    return _number_like(a, backends.of(a).matmul(a, b))


def _largest(a):
    return _number_like(a, abs(a).max())


def _size(a):
    return _number_like(a, abs(a).sum())


def _plus(a, factor, b):
    """``a + factor * b``, rounded once in float32, as a fused multiply-add is."""
    if a.dtype != np.float32:
        return a + b * factor
    return (a.astype(np.float64) + b.astype(np.float64) * float(factor)).astype(np.float32)


def _kept(value):
    """A number as it stands in the state: a 0-d tensor if it was computed, else the Python number that the user gave."""
    return wrap(np.asarray(value)) if isinstance(value, np.generic) else value


def _scalar(value):
    return value.array.dtype.type(float(value)) if isinstance(value, Tensor) else value


# ----------------------------------------------------------------------------------------------------------- line search
def strong_wolfe(evaluate, start, t, size, c1=1e-4, c2=0.9, tolerance=1e-9, most=25):
    """A step length that decreases the loss enough and flattens it enough (the strong Wolfe conditions).

    ``evaluate(t)`` gives the :class:`Point` at step length t, ``start`` is that at 0, ``size`` the largest component of the
    direction. First outwards until a minimum is bracketed, then inwards. Returns a point and the number of evaluations.
    """

    def too_high(p):
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat(p):
        return abs(p.slope) <= -c2 * start.slope

    previous, new, tries = start, evaluate(t), 0
    while tries < most:
        if too_high(new) or (tries > 1 and new.loss >= previous.loss):
            break
        if flat(new):
            return new, tries + 1
        if new.slope >= 0:
            break
        t = cubic_minimum(previous, new, new.t + 0.01 * (new.t - previous.t), new.t * 10)
        previous, new = new, evaluate(t)
        tries += 1
    else:
        previous = start
    low, high = (previous, new) if previous.loss <= new.loss else (new, previous)
    stalled = False
    while tries < most and abs(high.t - low.t) * size >= tolerance:
        left, right = sorted((low.t, high.t))
        t, stalled = _inside(cubic_minimum(low, high, left, right), left, right, stalled)
        new = evaluate(t)
        tries += 1
        if too_high(new) or new.loss >= low.loss:
            low, high = (low, new) if low.loss <= new.loss else (new, low)
        elif flat(new):
            return new, tries + 1
        else:
            low, high = new, low if new.slope * (high.t - low.t) >= 0 else high
    return low, tries + 1


def _inside(t, left, right, stalled):
    """Keep a trial step from creeping along one end of the bracket: the second time, it is moved 0.1 of the way inside."""
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not (stalled or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def cubic_minimum(a, b, low, high):
    """The minimum, within [low, high], of the cubic through two points with their slopes."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = square**0.5
    bottom = b.slope - a.slope + 2 * d2
    if bottom == 0:
        return (low + high) / 2
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bottom), low), high)
