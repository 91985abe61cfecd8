"""What the files of autograd cases share: their inputs, and how two libraries are compared."""

import importlib
import re

import numpy as np


def case_table():
    """A dict for the cases of a file, and the decorator that fills it."""
    cases = {}

    def case(f):
        cases[f.__name__] = f
        return f

    return cases, case


def library(name):
    """minigrad or PyTorch, with the modules loaded that the cases name."""
    lib = importlib.import_module(name)
    for module in (
        "func",
        "autograd.functional",
        "autograd.forward_ad",
        "autograd.graph",
        "autograd.function",
        "utils.checkpoint",
    ):
        importlib.import_module(f"{name}.{module}")
    return lib


def leaf(torch, *values, rg=True):
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=rg)


def wave(torch, *shape, s=0):
    """Numbers that look random and are the same everywhere."""
    n = int(np.prod(shape))
    return (torch.arange(n, dtype=torch.float64) * 0.37 + s).sin().reshape(shape)


def net(torch, seed=0):
    m = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(wave(torch, *p.shape, s=i + seed))
    return m


def squaring(torch):
    """A Function that squares, and saves what it squared."""

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    return A


def plain(value):
    """A result as nested lists of numbers."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "detach"):
        return ["tensor", list(value.shape), value.detach().tolist()]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value).replace("minigrad.", "torch.")


def outcome(case, torch):
    """("value", plain numbers) or ("error", the exception)."""
    torch.set_grad_enabled(True)
    try:
        return "value", plain(case(torch))
    except Exception as error:
        return "error", error


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return isinstance(b, float | int) and (abs(a - b) <= 1e-6 * max(1.0, abs(a)) or a == b or (a != a and b != b))
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def words(error):
    return set(re.findall(r"[a-z_]{3,}", str(error).lower()))


def compare(case, torch, minigrad):
    """AssertionError unless both libraries do the same."""
    kind, expected = outcome(case, torch)
    ours, got = outcome(case, minigrad)
    assert kind == ours, f"PyTorch: {expected!r}, here: {got!r}"
    if kind == "value":
        assert same(expected, got), f"PyTorch: {expected}, here: {got}"
        return
    assert not isinstance(expected, NameError | AttributeError | ImportError), f"the case is wrong: {expected!r}"
    assert isinstance(got, type(expected)) or type(expected).__name__ in [c.__name__ for c in type(got).__mro__], repr(got)
    common = len(words(expected) & words(got)) / len(words(expected))
    assert common > 0.15, f"PyTorch says {expected}, here: {got}"
