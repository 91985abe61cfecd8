"""One layer class, tried in both libraries: the cases of ``nn_cases.py`` and of PyTorch's own module database.

repr, state dict, outputs, buffers, and gradients of two orders of inputs and parameters; in training and in evaluation.
"""

import inspect
import warnings

import numpy as np
import torch
from nn_cases import CASES, Makes

import minigrad

from .convert import Difference, leaves, ours, same, tensors
from .operators import pairs

ASPECTS = ("present", "values", "gradients", "second order", "repr", "state")
RANDOM_IN_TRAINING = ("Dropout", "RReLU", "FractionalMaxPool", "Transformer")


def examine(name):
    """Aspect -> None where it is right, else a text; and the number of cases. ``name`` is ``nn.Linear``."""
    cls = name.removeprefix("nn.")
    if not hasattr(minigrad.nn, cls):
        return {"present": "there is no such layer"}, 0
    result, tried = {"present": None}, 0
    for make in (*texts(cls), *database(cls)):
        tried += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compare(*make(), result)
        except Difference as difference:
            result[difference.what] = result.get(difference.what) or str(difference)
        except Exception as error:
            result["values"] = result.get("values") or f"{type(error).__name__}: {str(error)[:200]}"
    return result, tried


class Pair:
    """A layer in both libraries with its inputs; ``label`` says which case it is."""

    def __init__(self, label, layers, inputs, kwargs=({}, {})):
        self.label, (self.theirs, self.ours), self.inputs, self.kwargs = label, layers, inputs, kwargs


def texts(cls):
    """The cases of our own table that start with this class."""
    for case in CASES:
        if case[0].partition("(")[0] == cls:
            yield lambda case=case: from_text(case)


def from_text(case):
    options = case[2].split() if len(case) > 2 else []
    made, inputs = [], []
    for library in (torch, minigrad):
        makes = Makes(library, constant="keep" in options)
        made.append(makes.layer(case[0]).to(library.float64))
        inputs.append(None if case[1] is None else makes.arguments(case[1]))
    random = "eval" in options
    return Pair(case[0], made, None if case[1] is None else inputs), [False] if random else [True, False]


def database(cls):
    """The inputs that PyTorch's module database has for this class."""
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        if info.module_cls is getattr(torch.nn, cls, None):
            for training in (True, False):
                torch.manual_seed(0)
                try:
                    found = info.module_inputs_func(
                        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
                    )
                except Exception:
                    continue
                for one in found:
                    yield lambda one=one, training=training: from_database(cls, one, training)


def from_database(cls, one, training):
    made, given = one.constructor_input, one.forward_input
    theirs = getattr(torch.nn, cls)
    options = {"dtype": torch.float64} if "dtype" in inspect.signature(theirs).parameters else {}
    torch.manual_seed(0)
    args = [translated(a) for a in made.args]
    kwargs = {k: translated(v) for k, v in {**options, **made.kwargs}.items()}
    layers = theirs(*made.args, **{**options, **made.kwargs}).double(), getattr(minigrad.nn, cls)(*args, **kwargs).double()
    inputs = None if given is None else (given.args, ours(given.args, grad=True))
    keywords = ({}, {}) if given is None else (given.kwargs, ours(given.kwargs, grad=True))
    modes = [] if training and cls.startswith(RANDOM_IN_TRAINING) else [training]
    return Pair(f"{cls}({made.args}, {made.kwargs})", layers, inputs, keywords), modes


def translated(value):
    """A constructor's argument: layers and functions are those of the same name here."""
    if isinstance(value, torch.nn.Module):
        return same_layer(value)
    if callable(value) and hasattr(minigrad.nn.functional, getattr(value, "__name__", "")):
        return getattr(minigrad.nn.functional, value.__name__)
    return ours(value)


def same_layer(layer):
    """A layer that is an argument of another, made again here."""
    name = type(layer).__name__
    if name.startswith("Transformer"):
        attention = layer.self_attn
        activation = layer.activation
        return getattr(minigrad.nn, name)(
            attention.embed_dim, attention.num_heads, layer.linear1.out_features, layer.dropout.p,
            getattr(minigrad.nn.functional, getattr(activation, "__name__", "relu")), layer.norm1.eps, attention.batch_first,
            layer.norm_first, dtype=minigrad.float64,
        )  # fmt: skip
    if name == "LayerNorm":
        return minigrad.nn.LayerNorm(layer.normalized_shape, layer.eps, dtype=minigrad.float64)
    return getattr(minigrad.nn, name)()


def compare(pair, modes, result):
    theirs, mine = pair.theirs, pair.ours
    if "Lazy" in type(theirs).__name__ and pair.inputs is not None:
        with torch.no_grad(), minigrad.no_grad():
            theirs(*pair.inputs[0], **pair.kwargs[0])
            mine(*pair.inputs[1], **pair.kwargs[1])
    result.setdefault("repr", None)
    if repr(mine).replace("minigrad.", "torch.") != repr(theirs):
        raise Difference("repr", f"{mine!r}, PyTorch {theirs!r}")
    result.setdefault("state", None)
    state = {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    if list(state.items()) != [(k, tuple(v.shape)) for k, v in mine.state_dict().items()]:
        raise Difference("state", f"{pair.label}: {list(mine.state_dict())}, PyTorch {list(state)}")
    mine.load_state_dict({k: ours(v) for k, v in theirs.state_dict().items()})
    result.setdefault("values", None)
    for training in modes if pair.inputs is not None else []:
        theirs.train(training)
        mine.train(training)
        called(pair, f"{'training' if training else 'evaluation'} {pair.label}", result)


def called(pair, where, result):
    outputs = [list(leaves(layer(*i, **k))) for layer, i, k in zip((pair.theirs, pair.ours), pair.inputs, pair.kwargs)]
    if len(outputs[0]) != len(outputs[1]):
        raise Difference("values", f"{where}: {len(outputs[1])} outputs, PyTorch {len(outputs[0])}")
    for a, b in zip(outputs[1], outputs[0]):
        same(a, b, where)
    for (name, b), a in zip(pair.theirs.named_buffers(), pair.ours.buffers()):
        same(a, b, f"{where}: buffer {name}")
    held = [
        [*(p for p in layer.parameters() if p.requires_grad), *(t for t in tensors([i, k]) if t.requires_grad)]
        for layer, i, k in zip((pair.theirs, pair.ours), pair.inputs, pair.kwargs)
    ]
    wanted = [i for i, t in enumerate(outputs[0]) if isinstance(t, torch.Tensor) and t.requires_grad]
    if not wanted or not held[0]:
        return
    result.setdefault("gradients", None)
    losses = [weighted(library, [out[i] for i in wanted]) for library, out in zip((torch, minigrad), outputs)]
    grads = [
        library.autograd.grad(loss, held_there, create_graph=True, allow_unused=True)
        for library, loss, held_there in zip((torch, minigrad), losses, held)
    ]
    pairs(grads[1], grads[0], where, "gradients", 1e-6)
    second = again(torch, grads[0], held[0])
    if second is None:
        return
    result.setdefault("second order", None)
    pairs(again(minigrad, grads[1], held[1]) or [None] * len(second), second, where, "second order", 1e-5)


def weighted(library, outputs):
    """A sum with fixed random weights; None among the outputs, which has no gradient, is passed over."""
    weights = [np.random.default_rng(i).standard_normal(() if t is None else tuple(t.shape)) for i, t in enumerate(outputs)]
    return sum((t * library.tensor(w).to(t.dtype)).sum() for t, w in zip(outputs, weights) if t is not None)


def again(library, grads, held):
    moving = [g * g if g is not None and g.requires_grad else None for g in grads]
    if not any(g is not None for g in moving):
        return None
    try:
        return library.autograd.grad(weighted(library, moving), held, allow_unused=True)
    except RuntimeError:
        if library is torch:
            return None  # PyTorch has no second derivative here
        raise
