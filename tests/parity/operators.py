"""One name of the operators' namespaces, tried in both libraries."""

import inspect
import warnings

import numpy as np
import torch

import minigrad
from minigrad.graph import owner_of

from . import samples
from .convert import Difference, dtype_name, fresh, leaves, ours, rebound, same, tensors
from .names import attribute

ASPECTS = ("present", "values", "dtypes", "memory", "gradients", "second order", "errors")
OTHER_DTYPES = (torch.int64, torch.bool, torch.bfloat16)
NO_VALUES = ("empty", "data_ptr", "resize_", "seed", "storage")


def examine(qualified):
    """Aspect -> None where it is right, else a text; an aspect that does not apply is left out. And the number of samples."""
    try:
        attribute(minigrad, qualified)
    except AttributeError:
        return {"present": "there is no such name"}, 0
    result, tried = {"present": None}, 0
    for dtype in (torch.float64, torch.float32, *OTHER_DTYPES):
        tried += values(qualified, dtype, result)
    first_and_second(qualified, result)
    errors(qualified, result)
    return result, tried


def functions(qualified, call):
    """Theirs and ours. What is no function (a property) is read."""
    if call.function is not None and not qualified.startswith("Tensor."):
        return call.function

    def of(library):
        value = attribute(library, qualified)
        if not callable(value) or isinstance(value, property):
            return lambda x: getattr(x, qualified.split(".")[-1])
        return value

    return of(torch), of(minigrad)


def run(f, args, kwargs, qualified):
    """A call from the same seed, from copies of the inputs where it writes into them."""
    torch.manual_seed(0)
    minigrad.manual_seed(0, engine="mt19937")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


def values(qualified, dtype, result):
    """Compares outputs; returns how many samples PyTorch accepted."""
    tried = 0
    for call in samples.of(qualified, dtype):
        f, g = functions(qualified, call)
        try:
            theirs = fresh((call.args, call.kwargs))
            expected = run(f, *theirs, qualified)
            given = ours((call.args, call.kwargs))
        except Exception:
            continue  # a sample that PyTorch, or this comparison, does not take
        tried += 1
        where = f"{dtype_name(dtype)} ({call})"
        try:
            found = run(g, *given, qualified)
            compare(found, expected, where, call, no_values(qualified))
            same_memory(found, given, expected, theirs, where)
        except Difference as difference:
            result.setdefault(difference.what, str(difference))
        except Exception as error:
            result.setdefault("values", f"{where}: {type(error).__name__}: {str(error)[:200]}")
    if tried:
        result.setdefault("values", None)
        result.setdefault("dtypes", None)
        result.setdefault("memory", None)
    return tried


def same_memory(found, given, expected, theirs, where):
    """A view is a view, and what is computed anew shares no memory with what it was computed from."""
    for mine, wanted in zip(tensors(found), tensors(expected)):
        sharing = [
            {i for i, x in enumerate(tensors(inputs)) if x.numel() and out.numel() and owner(x) == owner(out)}
            for out, inputs in ((mine, given), (wanted, theirs))
        ]
        if sharing[0] != sharing[1]:
            raise Difference("memory", f"{where}: shares memory with inputs {sharing[0]}, PyTorch with {sharing[1]}")


def owner(t):
    """What identifies the memory behind a tensor."""
    return t.untyped_storage().data_ptr() if isinstance(t, torch.Tensor) else id(owner_of(t.array))


def no_values(qualified):
    return any(word in qualified.split(".")[-1] for word in NO_VALUES)


def compare(found, expected, where, call, shapes_only):
    if call.process is not None:
        try:
            found, expected = (rebound(call.process) or call.process)(found), call.process(expected)
        except Exception:
            pass  # it is meant for outputs with gradients only
    mine, theirs = list(leaves(found)), list(leaves(expected))
    if len(mine) != len(theirs):
        raise Difference("values", f"{where}: {len(mine)} outputs, PyTorch {len(theirs)}")
    for a, b in zip(mine, theirs):
        if not shapes_only:
            same(a, b, where)
        elif isinstance(b, torch.Tensor) and (tuple(a.shape) != tuple(b.shape) or a.dtype.name != dtype_name(b.dtype)):
            raise Difference("values", f"{where}: {tuple(a.shape)} {a.dtype}, PyTorch {tuple(b.shape)} {b.dtype}")


def first_and_second(qualified, result):
    for call in samples.of(qualified, torch.float64, grad=True):
        try:
            gradients(qualified, call, result)
        except Difference as difference:
            result[difference.what] = result.get(difference.what) or str(difference)


def gradients(qualified, call, result):
    f, g = functions(qualified, call)
    given = fresh((call.args, call.kwargs))
    writes = qualified.endswith("_")
    try:
        args = (given[0][0].clone(), *given[0][1:]) if writes else given[0]
        out = processed(call, run(f, args, given[1], qualified), mine=False)
        wanted = [t for t in tensors(out) if t.requires_grad and not t.is_complex()]
        inputs = [t for t in tensors(given) if t.requires_grad and t.is_leaf]
        weights = [np.asarray(np.random.default_rng(i).standard_normal(t.shape)) for i, t in enumerate(wanted)]
        theirs = torch.autograd.grad(
            wanted, inputs, [torch.tensor(w).to(t.dtype) for w, t in zip(weights, wanted)], create_graph=True, allow_unused=True
        )
        held = ours((call.args, call.kwargs), grad=True)
    except Exception:
        return  # nothing to differentiate
    where = f"({call})"
    leaves_here = [t for t in tensors(held) if t.requires_grad]
    try:
        args = (held[0][0].clone(), *held[0][1:]) if writes else held[0]
        found = processed(call, run(g, args, held[1], qualified), mine=True)
        paired = [a for a, b in zip(tensors(found), tensors(out)) if b.requires_grad and not b.is_complex()]
        mine = minigrad.autograd.grad(
            paired,
            leaves_here,
            [minigrad.tensor(w).to(t.dtype) for w, t in zip(weights, paired)],
            create_graph=True,
            allow_unused=True,
        )
    except Exception as error:
        raise Difference("gradients", f"{where}: {type(error).__name__}: {str(error)[:200]}") from None
    result.setdefault("gradients", None)
    pairs(mine, theirs, where, "gradients", 1e-6)
    second = squared(torch, theirs, inputs)
    if second is None:
        return
    result.setdefault("second order", None)
    try:
        own = squared(minigrad, mine, leaves_here) or [None] * len(leaves_here)
    except Exception as error:
        raise Difference("second order", f"{where}: {type(error).__name__}: {str(error)[:200]}") from None
    pairs(own, second, where, "second order", 1e-5)


def processed(call, out, mine):
    if call.process is None:
        return out
    return ((rebound(call.process) or call.process) if mine else call.process)(out)


def squared(library, grads, inputs):
    """The gradients of the sum of the squares of gradients; None where there is no second order."""
    moving = [g for g in grads if g is not None and g.requires_grad]
    if not moving:
        return None
    total = sum((g * g).sum() for g in moving)
    if library is minigrad:
        return library.autograd.grad(total, inputs, allow_unused=True)
    try:
        return library.autograd.grad(total, inputs, allow_unused=True)
    except RuntimeError:
        return None  # PyTorch has no second derivative here


def pairs(mine, theirs, where, what, tolerance):
    """No gradient is a gradient of zeros.

    PyTorch's second derivative is NaN at some points where the formula that it differentiates again divides 0 by 0 (the norm
    of zeros, ``pow(0, x)``, ``sinc(0)``, a logit beyond ``eps``), although the function has one or its limit exists. There is
    no number there to compare with: those elements are left out of the second order.
    """
    for a, b in zip(mine, theirs, strict=True):
        if a is None and b is None:
            continue
        if b is None:
            b = torch.zeros(tuple(a.shape), dtype=getattr(torch, a.dtype.name))
        if a is None:
            a = minigrad.zeros(tuple(b.shape), dtype=getattr(minigrad, dtype_name(b.dtype)))
        if what == "second order" and bool(b.isnan().any()):
            known = ~b.detach().isnan()
            b, a = b.detach()[known], a.detach()[ours(known)]
        same(a, b, where, what, tolerance)


def errors(qualified, result):
    """Where PyTorch's database says that a call raises, ours raises."""
    for entry in samples.database().get(qualified, []):
        if entry.error_inputs_func is None:
            continue
        torch.manual_seed(0)
        for wrong in entry.error_inputs("cpu"):
            s = wrong.sample_input
            call = samples.Call((s.input, *s.args), s.kwargs, samples.wrapped(entry))
            f, g = functions(qualified, call)
            if raises(f, call.args, call.kwargs) is None:
                continue
            try:
                given = ours((call.args, call.kwargs))
            except Exception:
                continue
            result.setdefault("errors", None)
            if raises(g, *given) is None:
                result["errors"] = f"({call}): no error; PyTorch: {raises(f, call.args, call.kwargs)}"


def raises(f, args, kwargs):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    return None


def keywords(qualified):
    """The parameters that our function has, for the table's own report."""
    try:
        return list(inspect.signature(attribute(minigrad, qualified)).parameters)
    except (TypeError, ValueError):
        return []
