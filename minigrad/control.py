"""Choices and loops that PyTorch's compiler needs as functions, and its symbolic numbers' arithmetic: plain Python here."""

import builtins
import math

from .tensor import Tensor


def cond(pred, true_fn, false_fn, operands=()):
    """``true_fn(*operands)`` if ``pred``, else ``false_fn(*operands)``.

    >>> import minigrad
    >>> minigrad.cond(True, lambda x: x + 1, lambda x: x - 1, (minigrad.tensor(1.0),))
    tensor(2.)
    """
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got a tensor of shape {tuple(pred.shape)}.")
    if not isinstance(pred, bool | Tensor):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, tuple | list):
        raise RuntimeError(f"Expect operands to be a tuple of possibly nested dict/list/tuple, but got {operands}.")
    return (true_fn if pred else false_fn)(*operands)


def while_loop(cond_fn, body_fn, carried_inputs):
    """``carried = body_fn(*carried)`` as long as ``cond_fn(*carried)``; the last of them, a tuple.

    >>> import minigrad
    >>> minigrad.while_loop(lambda n: n < 3, lambda n: (n + 1,), (minigrad.tensor(0),))
    (tensor(3),)
    """
    carried = tuple(carried_inputs)
    while cond_fn(*carried):
        after = body_fn(*carried)
        carried = tuple(after) if isinstance(after, tuple | list) else (after,)
        if len(carried) != len(carried_inputs):
            raise RuntimeError(f"while_loop: body_fn returned {len(carried)} values for {len(carried_inputs)} carried inputs")
    return carried


def sym_int(a):
    """The whole number of ``a`` without its fraction."""
    return math.trunc(a)


def sym_float(a):
    """``a`` as a float."""
    return builtins.float(a)


def sym_not(a):
    """``not a``."""
    return not a


def sym_ite(b, t, f):
    """``t if b else f``."""
    if type(t) is not type(f):
        raise AssertionError(f"type of t ({type(t)}) must match type of f ({type(f)})")
    return t if b else f


def sym_max(a, b):
    """The larger number; a float where one of them is."""
    return builtins.float(max(a, b)) if isinstance(a, builtins.float) or isinstance(b, builtins.float) else max(a, b)


def sym_min(a, b):
    """The smaller number; a float where one of them is."""
    return builtins.float(min(a, b)) if isinstance(a, builtins.float) or isinstance(b, builtins.float) else min(a, b)


def sym_sum(args):
    """The sum of several numbers."""
    return sum(args)
