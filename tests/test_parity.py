"""PyTorch 2.13 as a second opinion: values, dtypes, gradients of two orders, and errors, on every function's own samples.

    pytest -m parity        fails where PyTorch is not installed; without -m parity these tests are skipped

``parity=`` on an operation gives the reason where there is nothing in PyTorch to compare with.
"""

import numpy as np
import pytest
from checks import call, close, errors_of, is_random, samples_of, tensors_in, unique_faces

import minigrad
from minigrad.dtype import DType

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")]
FACES = [f for f in unique_faces() if f.parity is True and f.names and not isinstance(f.call, type)]
named = pytest.mark.parametrize("face", FACES, ids=lambda f: f.qualified)


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    return torch


def theirs(torch, face):
    """PyTorch's function of the same name, or None."""
    found = torch
    for part in face.qualified.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    return found


def to_torch(torch, value, dtype="float64", grad=False):
    if isinstance(value, np.ndarray):
        t = torch.from_numpy(np.ascontiguousarray(value).copy()).reshape(value.shape)
        if value.dtype.kind == "f":
            t = t.to(getattr(torch, dtype))
            return t.requires_grad_() if grad else t
        return t
    if isinstance(value, DType):
        return getattr(torch, value.name)
    if isinstance(value, np.dtype):
        return getattr(torch, value.name)
    if isinstance(value, minigrad.device):
        return torch.device("cpu")
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(to_torch(torch, v, dtype, grad) for v in value)
    return value


def run_theirs(torch, face, sample, dtype="float64", grad=False):
    f = theirs(torch, face)
    args = [to_torch(torch, a, dtype, grad) for a in sample.args]
    kwargs = {k: to_torch(torch, v, dtype, grad) for k, v in sample.kwargs.items()}
    return f(*args, **kwargs), (args, kwargs)


def flat(torch, value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for v in value:
            yield from flat(torch, v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from flat(torch, v)


def test_the_names_exist(torch):
    missing = [f.qualified for f in FACES if theirs(torch, f) is None]
    assert not missing, missing


@named
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values(face, dtype, torch):
    if is_random(face) or theirs(torch, face) is None:
        return
    for s in samples_of(face):
        expected, _ = run_theirs(torch, face, s, dtype)
        out, _ = call(face, s, dtype=dtype)
        ours, wanted = list(tensors_in(out)), list(flat(torch, expected))
        assert len(ours) == len(wanted), f"{face.qualified}({s}): {len(ours)} outputs, PyTorch has {len(wanted)}"
        if not wanted:
            assert out == expected, f"{face.qualified}({s}): {out!r}, PyTorch says {expected!r}"
        for a, b in zip(ours, wanted):
            assert a.dtype.name == str(b.dtype).removeprefix("torch."), f"{face.qualified}({s}): {a.dtype}, PyTorch {b.dtype}"
            close(a.detach().numpy(), b.detach().resolve_conj().numpy(), 1e-9 if dtype == "float64" else 3e-5, f"{face.qualified}({s})")


@named
def test_gradients(face, torch):
    """First order, and second order through a weighted sum of the squared first."""
    if is_random(face) or theirs(torch, face) is None:
        return
    for s in samples_of(face):
        if not s.grad:
            continue
        try:
            expected, given = run_theirs(torch, face, s, grad=True)
        except RuntimeError as error:
            if "is not differentiable with respect to argument" in str(error):
                continue  # class weights, running statistics: ours is compared with differences alone
            raise
        out, (args, kwargs) = call(face, s, grad=True)
        outs, wants = [], []
        for a, b in zip(tensors_in(out), flat(torch, expected)):
            assert a.requires_grad == b.requires_grad, f"{face.qualified}({s}): requires_grad {a.requires_grad}, PyTorch {b.requires_grad}"
            if b.requires_grad and not b.is_leaf:
                outs.append(a)
                wants.append(b)
        inputs, leaves = [t for t in tensors_in([args, kwargs]) if t.requires_grad], [t for t in flat(torch, given) if t.requires_grad]
        if not outs or not inputs:
            continue
        weights = [np.random.default_rng(i).standard_normal(b.shape) for i, b in enumerate(wants)]
        first = minigrad.autograd.grad(outs, inputs, [minigrad.tensor(w) for w in weights], create_graph=True, allow_unused=True)
        second = torch.autograd.grad(wants, leaves, [torch.from_numpy(np.asarray(w)) for w in weights], create_graph=True, allow_unused=True)
        _compare(face, s, first, second, "gradient")
        ours = [g for g in first if g is not None and g.requires_grad]
        others = [g for g in second if g is not None and g.requires_grad]
        if not ours or not others:
            continue
        a = minigrad.autograd.grad(sum((g * g).sum() for g in ours), inputs, allow_unused=True)
        try:
            b = torch.autograd.grad(sum((g * g).sum() for g in others), leaves, allow_unused=True)
        except RuntimeError as error:
            if "is not implemented" in str(error):
                continue  # PyTorch has no second derivative
            raise
        _compare(face, s, a, b, "second-order gradient")


def _compare(face, s, ours, theirs, what):
    for a, b in zip(ours, theirs):
        x = 0.0 if a is None else a.detach().numpy()
        y = 0.0 if b is None else b.numpy(force=True)
        x, y = np.broadcast_arrays(x, y)
        close(x, y, 1e-7, f"{what} of {face.qualified}({s})")


@named
def test_errors(face, torch):
    """Where we raise, PyTorch raises."""
    if theirs(torch, face) is None:
        return
    for e in errors_of(face):
        with pytest.raises(Exception):  # noqa: B017  the types are compared by each function's own error samples
            run_theirs(torch, face, e)


BINARY = ["add", "sub", "mul", "div", "pow", "maximum", "remainder", "floor_divide", "eq", "lt", "where"]
DTYPES = ["bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("name", BINARY)
def test_promotion(name, torch):
    """Every pair of dtypes, with axes and without, and Python numbers."""
    for a in DTYPES:
        others = [("tensor", b, shape) for b in DTYPES for shape in ((2,), ())] + [("number", v, None) for v in (True, 2, 2.5)]
        for kind, b, shape in others:
            results = []
            for lib in (minigrad, torch):
                x = lib.ones(2, dtype=getattr(lib, a))
                y = lib.ones(shape, dtype=getattr(lib, b)) if kind == "tensor" else b
                f = (lambda x, y, lib=lib: lib.where(lib.tensor([True, False]), x, y)) if name == "where" else getattr(lib, name)
                try:
                    results.append(str(f(x, y).dtype).split(".")[1])
                except Exception:
                    results.append("error")
            assert results[0] == results[1], f"{name}({a}, {kind} {b} {shape}): {results[0]}, PyTorch {results[1]}"
