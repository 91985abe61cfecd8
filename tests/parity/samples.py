"""Calls to try a name with: the registry's samples, PyTorch's own sample database, and the plainest calls there are."""

import functools
import itertools
import random
import types
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import minigrad
from minigrad.op import faces

from .convert import dtype_name, mapped, rebound
from .more_samples import MORE

LIMIT = 24  # samples of one source
UNWANTED = ("sparse", "masked.", "fft.", "signal.", "ops.", "_")


@dataclass
class Call:
    """Arguments as PyTorch's values; ``function`` and ``process`` where the database wraps the name's own function."""

    args: tuple
    kwargs: dict = field(default_factory=dict)
    function: Any = None  # (theirs, ours)
    process: Any = None  # what makes an output comparable: the absolute value of eigenvectors ...

    def __repr__(self):
        def show(v):
            if isinstance(v, torch.Tensor):
                return f"{dtype_name(v.dtype)}{list(v.shape)}"
            if isinstance(v, list | tuple):
                return "[" + ", ".join(map(show, v)) + "]"
            return repr(v)

        return ", ".join([*map(show, self.args), *(f"{k}={show(v)}" for k, v in self.kwargs.items())])


@functools.cache
def database():
    """Qualified name -> entries of PyTorch's operator database (which needs the package expecttest)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    found = {}
    for entry in op_db:
        if entry.name.startswith(UNWANTED):
            continue
        method, written = entry.method_variant, entry.inplace_variant
        names = [entry.name, *(a.name for a in entry.aliases)]
        for name in names:
            found.setdefault(name, []).append(entry)
        for name in {getattr(f, "__name__", "") for f in (method, written)} | {n for n in names if "." not in n}:
            if name and hasattr(torch.Tensor, name):
                found.setdefault(f"Tensor.{name}", []).append(entry)
    return found


def of(qualified, dtype=torch.float64, grad=False):
    """Calls of the name with inputs of one dtype."""
    calls = [*registered(qualified, dtype, grad), *from_database(qualified, dtype, grad), *more(qualified, dtype, grad)]
    if qualified.endswith("_") and len(calls) < 5:  # written in place: as the function that it is the in-place form of
        calls += of(qualified[:-1], dtype, grad)
    if not calls:
        return list(plain(qualified, dtype, grad))
    return calls if len(calls) >= 5 else [*calls, *turned(calls)]


def turned(calls):
    """The same calls with the memory of every matrix in the other order."""
    for call in calls:

        def leaf(v):
            if isinstance(v, torch.Tensor) and v.ndim > 1 and v.layout == torch.strided:
                return v.detach().mT.contiguous().mT.requires_grad_(v.requires_grad)
            return v

        args, kwargs = mapped((call.args, call.kwargs), leaf)
        yield Call(args, kwargs, call.function, call.process)


def registered(qualified, dtype, grad):
    face = faces.get(qualified)
    if face is None or face.samples is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = [s for s in face.samples(np.random.default_rng(0)) if not isinstance(s.parity, str)][:LIMIT]
    process = without_signs if face.parity == "up to sign" else None
    for s in samples:
        args, kwargs = theirs((tuple(s.args), dict(s.kwargs)), dtype, grad)
        yield Call(args, kwargs, process=process)


def without_signs(out):
    """The columns of eigenvectors and singular vectors have any sign."""
    return mapped(out, lambda v: v.abs() if isinstance(v, torch.Tensor | minigrad.Tensor) else v)


def theirs(value, dtype, grad=False):
    """A sample's NumPy arrays as PyTorch's tensors: floats of the dtype that is tried."""

    def leaf(v):
        if isinstance(v, np.ndarray):
            t = torch.from_numpy(np.ascontiguousarray(v).copy()).reshape(v.shape)
            return t.to(dtype).requires_grad_(grad and dtype.is_floating_point) if v.dtype.kind == "f" else t
        if isinstance(v, minigrad.Size):
            return torch.Size(v)
        if type(v).__module__.startswith("minigrad.dtype"):
            return getattr(torch, v.name)
        return torch.device(str(v)) if isinstance(v, minigrad.device) else v

    return mapped(value, leaf)


def from_database(qualified, dtype, grad):
    entries = database().get(qualified, [])
    for entry in entries:
        if dtype not in entry.supported_dtypes("cpu"):
            continue
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        drawn = list(itertools.islice(entry.sample_inputs("cpu", dtype, requires_grad=grad and entry.supports_autograd), 300))
        step = max(1.0, len(drawn) * len(entries) / LIMIT)
        for i in range(int(len(drawn) / step)):
            s = drawn[int(i * step)]
            if qualified.endswith("_") and s.broadcasts_input:
                continue
            yield Call((s.input, *s.args), dict(s.kwargs), wrapped(entry), s.output_process_fn_grad)


def wrapped(entry):
    """The pair of functions to call where the database does not call the name itself."""
    f = entry.op
    if isinstance(f, types.FunctionType) and "testing" in (f.__module__ or ""):
        return f, rebound(f)
    return None


def more(qualified, dtype, grad):
    try:
        made = MORE.get(qualified, lambda t: [])(lambda *shape: draw(shape, dtype, grad))
    except (NotImplementedError, RuntimeError):  # a sample that this dtype cannot have
        return
    for args, kwargs in made:
        yield Call(tuple(args), kwargs)


def draw(shape, dtype, grad=False):
    values = np.random.default_rng(len(shape)).standard_normal(shape)
    return torch.tensor(values if dtype.is_floating_point else np.round(values * 3)).to(dtype).requires_grad_(
        grad and dtype.is_floating_point
    )  # fmt: skip


def plain(qualified, dtype, grad):
    """A tensor of five shapes and nothing else, for what has no other sample: ``x.size()``, ``x.numel()``, ``x.T``."""
    for shape in ((), (3,), (2, 3), (1, 1), (3, 3)):
        yield Call((draw(shape, dtype, grad),))
