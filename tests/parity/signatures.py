"""PyTorch's signatures against ours: read where Python can read them, and tried by calls where they are compiled."""

import importlib
import inspect
import re
from inspect import Parameter

import torch

import minigrad

from . import samples
from .convert import Difference, fresh, leaves, ours, rebound, same
from .names import OPERATORS, attribute, denominator
from .operators import run

MODULES = (
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize", "nn.utils.parametrizations",
    "nn.utils.prune", "optim", "optim.lr_scheduler", "optim.swa_utils", "distributions", "distributions.transforms",
    "utils.data", "utils.checkpoint", "func", "autograd", "autograd.functional", "random", "testing",
)  # fmt: skip
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
# NumPy's names of arguments, which PyTorch's parser knows for every compiled function.
NUMPY = {"dim": "axis", "keepdim": "keepdims"}


def public(library, path):
    """name -> public class or function of a module."""
    module = importlib.import_module(f"{library}.{path}")
    names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    return {n: getattr(module, n, None) for n in names}


def readable():
    """(qualified name, theirs, ours) of all classes, functions and methods that are written in Python in both libraries."""
    for path in MODULES:
        mine = importlib.import_module(f"minigrad.{path}")
        for name, theirs in public("torch", path).items():
            here = getattr(mine, name, None)
            if here is None or inspect.ismodule(theirs) or not callable(theirs):
                continue
            if not (getattr(theirs, "__module__", "") or "").startswith("torch"):
                continue
            yield f"{path}.{name}", theirs, here
            for method, f in vars(theirs).items() if inspect.isclass(theirs) else ():
                own = getattr(here, method, None)
                if not method.startswith("_") and inspect.isfunction(f) and inspect.isfunction(own):
                    yield f"{path}.{name}.{method}", f, own


def differences(theirs, mine):
    """What PyTorch's signature takes and ours does not, as texts."""
    try:
        wanted, found = inspect.signature(theirs).parameters.values(), inspect.signature(mine).parameters.values()
    except (TypeError, ValueError):
        return []
    places = [p.name for p in found if p.kind in POSITIONAL]
    by_name, kinds = {p.name: p for p in found}, {p.kind for p in found}
    texts = []
    for i, p in enumerate(p for p in wanted if p.kind in POSITIONAL):
        if not p.name.startswith("_") and Parameter.VAR_POSITIONAL not in kinds and places[i : i + 1] != [p.name]:
            texts.append(f"argument {i} is {p.name}")
    for p in wanted:
        if p.kind in OPEN or p.name.startswith("_"):
            continue
        if p.name not in by_name:
            texts.extend([f"keyword {p.name}"] if Parameter.VAR_KEYWORD not in kinds else [])
        elif p.default is not Parameter.empty and not same_default(p.default, by_name[p.name].default):
            texts.append(f"default {p.name}={plain(p.default)}, not {plain(by_name[p.name].default)}")
    return texts


def same_default(theirs, mine):
    return plain(theirs) == plain(mine) or (isinstance(theirs, int | float | str | tuple) and theirs == mine)


def plain(default):
    """A default value as a text that both libraries share."""
    return re.sub(r" at 0x\w+", "", str(default)).replace("torch.", "").replace("minigrad.", "")


# ----------------------------------------------------------------------------------------------------- what only a call tells
def schemas(qualified):
    """The forms of a compiled function: lists of (name, keyword only, has a default, the default)."""
    space, _, name = qualified.rpartition(".")
    prefix = {"linalg": "linalg_", "special": "special_"}.get(space, "")
    for schema in torch._C._jit_get_schemas_for_operator(f"aten::{prefix}{name}"):
        arguments = [
            ("input" if a.name == "self" and space != "Tensor" else a.name, a.kwarg_only, a.has_default_value(), a)
            for a in schema.arguments
        ]
        if arguments and arguments[0][0] == "a" and str(arguments[0][3].type) != "Tensor":
            continue  # the form for Python numbers, of PyTorch's compiler
        if not any(a.name == "out" or a.is_out or "Dimname" in str(a.type) for *_, a in arguments):
            yield [(n, k, d, a.default_value if d else None) for n, k, d, a in arguments if "Generator" not in str(a.type)]


def forms(qualified, call):
    """The same call in other words: all by keyword, all by position, each default written out, NumPy's names."""
    for schema in schemas(qualified):
        places = [n for n, keyword_only, *_ in schema if not keyword_only]
        if len(call.args) > len(places) or not set(call.kwargs) <= {n for n, *_ in schema}:
            continue
        bound = {**dict(zip(places, call.args)), **call.kwargs}
        if any(n not in bound and not has_default for n, _, has_default, _ in schema):
            continue
        lead = (bound.pop("self"),) if "self" in bound else ()
        yield "keywords", lead, bound
        rest = [(n, default) for n, keyword_only, _, default in schema if not keyword_only and n != "self"]
        keywords = {n: v for n, v in bound.items() if n not in dict(rest)}
        yield "positions", (*lead, *(bound.get(n, default) for n, default in rest)), keywords
        for n, _, has_default, default in schema:
            if n not in bound and has_default:
                yield f"{n}={default}", lead, {**bound, n: default}
        for n in NUMPY.keys() & bound.keys():
            yield NUMPY[n], lead, {(NUMPY[n] if k == n else k): v for k, v in bound.items()}


def compiled():
    """The names of compiled functions that both libraries have."""
    counted = denominator(torch)
    for qualified in (n for space in OPERATORS for n in counted[space]):
        try:
            theirs, _ = attribute(torch, qualified), attribute(minigrad, qualified)
        except AttributeError:
            continue
        if callable(theirs) and not inspect.isfunction(theirs) and not inspect.isclass(theirs):
            yield qualified


def refused(qualified, most=4):
    """(form, text) of the forms of a call that PyTorch takes and we do not, or with another result."""
    calls = [c for c in samples.of(qualified, torch.float64) if c.function is None]
    found, tried = {}, set()
    for call in calls[:: max(1, len(calls) // most)]:
        for form, args, kwargs in forms(qualified, call):
            kind = (form, tuple(kwargs), tuple(type(a) for a in args))
            if kind in tried:
                continue
            tried.add(kind)
            process = call.process or (lambda out: out)
            try:
                given, mine = fresh((args, kwargs)), ours((args, kwargs))
                expected = process(run(attribute(torch, qualified), *given, qualified))
            except Exception:
                continue  # no form of PyTorch's
            try:
                result = (rebound(process) or process)(run(attribute(minigrad, qualified), *mine, qualified))
                for a, b in zip(leaves(result), leaves(expected), strict=True):
                    if not qualified.split(".")[-1].startswith(("empty", "new_empty", "resize", "data_ptr")):
                        same(a, b, form)
            except (Difference, Exception) as error:
                found[form] = f"{type(error).__name__}: {str(error)[:100]}"
    return found
