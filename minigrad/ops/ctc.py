"""Connectionist temporal classification: the loss of a sequence of scores against a shorter sequence of labels.

Between any two labels, and at both ends, a blank may stand: labels (L) become states (S = 2 L + 1). A path goes through the
states one step of time at a time, staying, moving on, or leaving out a blank between two different labels. The probability of
the labels is the sum over all paths, found by one sweep in time (alpha); a sweep back (beta) gives the gradient.

Graves et al., "Connectionist temporal classification", ICML 2006, section 4. Shapes: T steps, N sequences, C classes.
"""

import math

import numpy as np

from ..dispatch import apply
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, op, registry
from ..tensor import Tensor, wrap
from .loss import mode, reduced
from .samples import normal

NEVER = -1e30  # the logarithm of no probability: finite, so that differences of two of them are 0 and not NaN
_HOPELESS = -1e29  # sums with NEVER in them lie below


def _cost(xp, like, allowed):
    """0 where something is allowed, else NEVER, in the dtype of ``like``."""
    return (1.0 - xp.astype(allowed, dtype=like.dtype)) * NEVER


def _emitted(xp, log_p, states):
    """What each state adds at each step: (T, N, C), (N, S) -> (T, N, S)."""
    wide = xp.broadcast_to(states, shape=(log_p.shape[0], *states.shape))
    return xp.maximum(xp.take_along_axis(log_p, wide, axis=2), NEVER), wide


def _shifted(xp, a, by):
    """``a`` (N, S) moved ``by`` states on (or back), with NEVER where nothing came from."""
    n, size = a.shape
    count = min(abs(by), size)
    nothing = xp.full(a, shape=(n, count), value=NEVER)
    if by > 0:
        return xp.concat(nothing, xp.getitem(a, key=(("slice", None, None, None), ("slice", None, size - count, None))), axis=1)
    return xp.concat(xp.getitem(a, key=(("slice", None, None, None), ("slice", count, None, None))), nothing, axis=1)


def _step(xp, a, jump, direction):
    """The logarithm of the sum over the ways into (1) or out of (-1) each state; ``jump``: the cost of leaving out a blank."""
    if direction > 0:
        far = _shifted(xp, a, 2) + jump
    else:
        far = _shifted(xp, a + jump, -2)
    return xp.logaddexp(xp.logaddexp(a, _shifted(xp, a, direction)), xp.maximum(far, NEVER))


def _alphas(xp, emitted, jump, first):
    """(T, N, S): the paths up to each step and state. ``first`` (N, S): the states to begin in."""
    a = _cost(xp, emitted, first) + xp.getitem(emitted, key=(0,))
    jump = _cost(xp, emitted, jump)
    found = [a]
    for t in range(1, emitted.shape[0]):
        a = _step(xp, a, jump, 1) + xp.getitem(emitted, key=(t,))
        found.append(a)
    return xp.stack(*found, axis=0)


def _betas(xp, emitted, jump, final, last):
    """(T, N, S): the paths from after each step. ``final`` (N, S): the states to end in; ``last`` (N, 1): the last step."""
    steps = emitted.shape[0]
    jump, final = _cost(xp, emitted, jump), _cost(xp, emitted, final)
    b, found = final, []
    for t in reversed(range(steps)):
        if t + 1 < steps:
            further = _step(xp, b + xp.getitem(emitted, key=(t + 1,)), jump, -1)
            b = xp.where(xp.equal(last, t), final, further)
        found.append(b)
    return xp.stack(*reversed(found), axis=0)


def _ends(xp, alphas, final, last):
    """The logarithm of the probability of each sequence (N,)."""
    _, n, size = alphas.shape
    where = xp.broadcast_to(xp.reshape(last, shape=(1, n, 1)), shape=(1, n, size))
    at_end = xp.reshape(xp.take_along_axis(alphas, where, axis=0), shape=(n, size)) + _cost(xp, alphas, final)
    top = xp.max(at_end, axis=1, keepdims=True)
    return xp.reshape(xp.log(xp.sum(xp.exp(at_end - top), axis=1, keepdims=True)) + top, shape=(n,))


def _paths_rule(xp, g, log_p, states, jump, first, final, last):
    emitted, wide = _emitted(xp, log_p, states)
    alphas, betas = _alphas(xp, emitted, jump, first), _betas(xp, emitted, jump, final, last)
    steps, n, _ = log_p.shape
    total = xp.reshape(_ends(xp, alphas, final, last), shape=(1, n, 1))
    inside = xp.less_equal(xp.reshape(xp.arange(log_p, n=steps), shape=(steps, 1, 1)), xp.reshape(last, shape=(1, n, 1)))
    share = xp.where(inside, xp.exp(xp.minimum(alphas + betas - total, 0.0)), 0.0)  # of the paths through each state
    return xp.scatter_along_axis(-share * xp.reshape(g, shape=(1, n, 1)), wide, axis=2, shape=tuple(log_p.shape))


def _paths_reference(log_p, states, jump, first, final, last):
    """Every path, one by one."""
    n = log_p.shape[1]
    out = np.zeros(n)
    for i in range(n):
        total, stack = 0.0, [(0, s, log_p[0, i, states[i, s]]) for s in range(states.shape[1]) if first[i, s]]
        while stack:
            t, s, sofar = stack.pop()
            if t == last[i, 0]:
                total += math.exp(sofar) if final[i, s] else 0.0
                continue
            further = [s, s + 1] + [s + 2] * bool(s + 2 < states.shape[1] and jump[i, s + 2])
            stack += [(t + 1, k, sofar + log_p[t + 1, i, states[i, k]]) for k in further if k < states.shape[1]]
        out[i] = -math.log(total)
    return out


def _path_sample(r, steps, classes, targets, lengths):
    log_p = normal(r, steps, len(targets), classes)
    states, jump, first, final = _states(targets, [len(t) for t in targets], 0)
    return S(log_p, states, jump, first, final, np.asarray(lengths).reshape(-1, 1) - 1)


@op(
    names="",
    vjp=(_paths_rule, None, None, None, None, None),
    formula=r"y = -\ln \sum_{\pi} \prod_t p_{t \pi_t}",
    derivative=r"\bar x_{tc} = -\bar y \sum_{s:\, l_s = c} e^{\alpha_{ts} + \beta_{ts} + y}",
    samples=lambda r: [
        _path_sample(r, 4, 3, [[1, 2]], [4]),
        _path_sample(r, 5, 3, [[1, 1], [2, 1]], [5, 3]),
        _path_sample(r, 3, 2, [[]], [2]),
    ],
    reference=_paths_reference,
    half=False,
)
def ctc_paths(xp, log_p, states, jump, first, final, last):
    """Minus the logarithm of the probability of all paths (N,), for log-probabilities (T, N, C).

    ``states`` (N, S) are the classes of the states, ``jump``, ``first`` and ``final`` (N, S) are bool: where the blank before a
    state may be left out, where a path may begin and where it may end; ``last`` (N, 1) is the last step of each sequence.
    """
    emitted, _ = _emitted(xp, log_p, states)
    return -_ends(xp, _alphas(xp, emitted, jump, first), final, last)


# ------------------------------------------------------------------------------------------------------------ from the labels
def _states(targets, lengths, blank):
    """(states, jump, first, final), each (N, S), of rows of labels: host arrays."""
    n, size = len(targets), 2 * max(lengths, default=0) + 1
    states = np.full((n, size), blank, np.int64)
    jump, first, final = (np.zeros((n, size), bool) for _ in range(3))
    for i, (row, length) in enumerate(zip(targets, lengths)):
        labels = np.asarray(row[:length])
        states[i, 1 : 2 * length : 2] = labels
        if length:
            jump[i, 3 : 2 * length : 2] = labels[1:] != labels[:-1]
        first[i, : min(2, 2 * length + 1)] = True
        final[i, max(0, 2 * length - 1) : 2 * length + 1] = True
    return states, jump, first, final


def _lengths(name, value, n, longest):
    if isinstance(value, Tensor):
        if value.array.dtype.kind not in "iu":
            raise DtypeError(f"ctc_loss: {name} must be integral, got {value.dtype}; convert with .long()")
        value = value.reshape(-1).tolist()
    value = [int(v) for v in value]
    if len(value) != n:
        raise ShapeError(f"ctc_loss: {name} must be of size batch_size: expected {n} lengths, got {len(value)}")
    if any(v < 0 or v > longest for v in value):
        wrong = next(v for v in value if v < 0 or v > longest)
        raise ShapeError(f"ctc_loss: Expected {name} to have value at most {longest} and not negative, but got value {wrong}")
    return value


def _rows_of(targets, lengths):
    """The labels of each sequence, from (N, L) or all of them one after another."""
    array = np.asarray(targets.detach().cpu().array)
    if array.ndim == 2:
        return list(array)
    if array.ndim != 1:
        raise ShapeError(f"ctc_loss: targets must be (N, L) or one after another in 1-D, got shape {tuple(array.shape)}")
    if sum(lengths) != len(array):
        raise ShapeError(f"ctc_loss: target_lengths add up to {sum(lengths)}, but there are {len(array)} targets")
    return np.split(array, np.cumsum(lengths)[:-1])


def _ctc_reference(log_p, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    if log_p.ndim == 2:
        log_p, targets = log_p[:, None], targets.reshape(1, -1)
        if reduction == "none":
            return _ctc_reference(log_p, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)[0]
    lengths = [int(k) for k in np.reshape(target_lengths, -1)]
    inputs = [int(k) for k in np.reshape(input_lengths, -1)]
    rows = list(targets) if targets.ndim == 2 else np.split(targets, np.cumsum(lengths)[:-1])
    out = []
    for i, (row, k, steps) in enumerate(zip(rows, lengths, inputs)):
        total = 0.0
        for path in np.ndindex(*(log_p.shape[2],) * steps):
            merged = [c for j, c in enumerate(path) if (j == 0 or path[j - 1] != c) and c != blank]
            if merged == list(row[:k]):
                total += math.exp(sum(log_p[t, i, c] for t, c in enumerate(path)))
        out.append(-math.log(total) if total else 0.0 if zero_infinity else math.inf)
    out = np.array(out)
    return {"none": out, "sum": out.sum(), "mean": (out / np.maximum(lengths, 1)).mean()}[reduction]


def _samples(r):
    def log_p(*shape):
        x = normal(r, *shape)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    # The gradient holds for scores that add up to 1; differences do not keep them so.
    return [
        S(log_p(4, 2, 3), np.array([[1, 2], [2, 2]]), np.array([4, 3]), np.array([2, 1]), grad=False),
        S(log_p(4, 2, 3), np.array([1, 2, 1]), np.array([4, 3]), np.array([2, 1]), 0, "sum", grad=False),
        S(log_p(3, 2, 3), np.array([[0, 1], [1, 1]]), (3, 3), (2, 2), blank=2, reduction="none", grad=False),
        S(log_p(2, 2, 3), np.array([[1, 1], [1, 2]]), (2, 2), (2, 2), zero_infinity=True, grad=False),
        S(log_p(4, 3), np.array([1, 2]), np.array(4), np.array(2), grad=False),
        S(log_p(4, 3), np.array([1, 2]), (4,), (2,), reduction="none", grad=False),
        S(log_p(3, 1, 3), np.zeros((1, 2), np.int64), (3,), (0,), reduction="none", grad=False),
    ]


@function(
    "ctc_loss",
    spaces="functional",
    formula=r"y = -\ln \sum_{\pi \in \mathcal{B}^{-1}(l)} \prod_t e^{x_{t \pi_t}}",
    derivative=r"\bar x_{tc} = \bar y\,(e^{x_{tc}} - P(\pi_t = c \mid l))",
    samples=_samples,
    errors=lambda r: [
        E(RuntimeError, "must be integral", normal(r, 3, 1, 2), np.array([[1]]), np.array([3.0]), np.array([1])),
        E(RuntimeError, "batch_size", normal(r, 3, 1, 2), np.array([[1]]), (3, 3), (1,)),
        E(RuntimeError, "at most 3", normal(r, 3, 1, 2), np.array([[1]]), (4,), (1,)),
        E(RuntimeError, "blank must be in label range", normal(r, 3, 1, 2), np.array([[1]]), (3,), (1,), 2),
        E(RuntimeError, "add up to", normal(r, 3, 1, 2), np.array([1, 1]), (3,), (1,)),
        E(ValueError, "is not a valid value for reduction", normal(r, 3, 1, 2), np.array([[1]]), (3,), (1,), reduction="all"),
    ],
    reference=_ctc_reference,
    half=False,
)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """The loss of sequences of log-probabilities against shorter sequences of labels, over all ways to align the two.

    The gradient is that of scores which a log_softmax made: what a step's classes receive adds up to 0.

    Args:
        log_probs: (T, N, C), or (T, C) for one sequence: the result of ``log_softmax(-1)``.
        targets: labels (N, L), or those of all sequences one after another in 1-D; int64 or int32, none of them ``blank``.
        input_lengths: how many steps of each sequence count: (N,), a tuple, or one number for one sequence.
        target_lengths: how many labels each sequence has.
        blank: the class that stands for no label.
        reduction: "mean" (of the losses over the numbers of their labels), "sum" or "none".
        zero_infinity: losses of targets that no alignment reaches are 0, with no gradient.

    Raises:
        RuntimeError: for lengths that do not fit.

    Graves et al., "Connectionist temporal classification", ICML 2006.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> log_p = minigrad.full((2, 1, 2), 0.5).log()
    >>> F.ctc_loss(log_p, minigrad.tensor([[1]]), (2,), (1,))  # three of the four paths spell the label
    tensor(0.2877)
    """
    reduction = mode(reduction)
    if log_probs.array.ndim not in (2, 3):
        raise ShapeError(f"ctc_loss: log_probs must be (T, N, C) or (T, C), got shape {tuple(log_probs.array.shape)}")
    single = log_probs.array.ndim == 2
    if single:
        log_probs, targets = log_probs.unsqueeze(1), targets.reshape(1, -1)
    steps, n, classes = log_probs.array.shape
    if not 0 <= blank < classes:
        raise ShapeError(f"ctc_loss: blank must be in label range, 0 to {classes - 1}, got {blank}")
    if targets.array.dtype.kind not in "iu":
        raise DtypeError(f"ctc_loss: targets must be integral, got {targets.dtype}; convert with .long()")
    longest = targets.array.shape[1] if targets.array.ndim == 2 else targets.array.shape[0]
    inputs = _lengths("input_lengths", _listed(input_lengths), n, steps)
    lengths = _lengths("target_lengths", _listed(target_lengths), n, longest)
    losses = _losses(log_probs, _rows_of(targets, lengths), inputs, lengths, blank)
    impossible = losses.detach() > -_HOPELESS
    losses = apply(registry["where"], (impossible, 0.0 if zero_infinity else math.inf, losses), {})
    if reduction == "mean":
        labels = _like(log_probs, np.maximum(lengths, 1))
        return (losses / labels).mean()
    return reduced(losses[0] if single else losses, reduction)


def _listed(lengths):
    return (lengths,) if isinstance(lengths, int) else lengths


def _like(t, array):
    """A host array as a tensor of the device and dtype of ``t``; integers stay integers."""
    made = wrap(np.asarray(array))
    return made.to(device=t.device, dtype=t.dtype)


def _losses(log_probs, rows, inputs, lengths, blank):
    """One loss a sequence, large where nothing leads to its labels."""
    states, jump, first, final = _states(rows, lengths, blank)
    last = np.maximum(np.array(inputs, np.int64), 1).reshape(-1, 1) - 1
    empty = np.array(inputs) == 0
    fixed = [wrap(a).to(log_probs.device) for a in (states, jump, first, final, last)]
    losses = apply(registry["ctc_paths"], (log_probs, *fixed), {})
    steps = np.arange(log_probs.array.shape[0]).reshape(-1, 1, 1) < np.array(inputs).reshape(1, -1, 1)
    total = (log_probs.exp() * _like(log_probs, steps)).sum((0, 2))
    losses = losses + (total - total.detach())  # no value: the gradient of the logarithm of each step's sum, which is 0
    if empty.any():
        without = np.where(np.array(lengths) == 0, 0.0, math.inf)
        losses = apply(registry["where"], (wrap(empty).to(log_probs.device), _like(log_probs, without), losses), {})
    return losses
