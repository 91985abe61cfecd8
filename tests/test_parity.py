"""PyTorch 2.13 as a second opinion: values, dtypes, gradients of two orders, and errors, on every function's own samples.

    pytest -m parity        fails where PyTorch is not installed; without -m parity these tests are skipped

``parity=`` on an operation or on a sample gives the reason where there is nothing in PyTorch to compare with, or how to
compare: ``"up to sign"`` (columns of singular vectors and eigenvectors), ``"values only: reason"``.
"""

import warnings

import numpy as np
import pytest
from checks import call, close, convert, errors_of, is_random, samples_of, tensors_in, unique_faces

import minigrad
from minigrad.dtype import DType
from minigrad.op import SPACES

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")]
UP_TO_SIGN, VALUES_ONLY = "up to sign", "values only: "
# What PyTorch says where it has no derivative to compare with.
UNDIFFERENTIABLE = (
    "is not implemented",
    "is not differentiable",
    "does not require grad and does not have a grad_fn",
    "In-place leakyReLu backward calculation is triggered with a negative slope",
)


def is_compared(some):
    """A function, or a sample."""
    return some.parity is True or some.parity == UP_TO_SIGN or str(some.parity).startswith(VALUES_ONLY)


FACES = [f for f in unique_faces() if is_compared(f) and f.names and not isinstance(f.call, type)]
named = pytest.mark.parametrize("face", FACES, ids=lambda f: f.qualified)


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    return torch


@pytest.fixture
def count(record_property):
    """``count(what)``: one more comparison for the line that ``-m parity`` ends with."""
    return lambda what, by=1: record_property("parity", (what, by))


def theirs(torch, face):
    """PyTorch's functions of the same name, in every place where ours stands; the main one first."""
    found = []
    for space in face.spaces:
        at = torch
        for part in (SPACES[space] + face.name).split("."):
            at = getattr(at, part, None)
        if at is not None:
            found.append(at)
    return found


def to_torch(torch, value, dtype="float64", grad=False):
    if isinstance(value, np.ndarray):
        t = torch.from_numpy(np.ascontiguousarray(value).copy()).reshape(value.shape)
        if value.dtype.kind == "f":
            t = t.to(getattr(torch, dtype))
            return t.requires_grad_() if grad else t
        return t
    if isinstance(value, DType | np.dtype):
        return getattr(torch, value.name)
    if isinstance(value, minigrad.device):
        return torch.device("cpu")
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(to_torch(torch, v, dtype, grad) for v in value)
    return value


def run_theirs(torch, face, sample, dtype="float64", grad=False):
    """Its output and its converted arguments. A signature that one place lacks (``torch.max_pool2d``) another may have."""
    found = theirs(torch, face)
    for f in found:
        args = [to_torch(torch, a, dtype, grad) for a in sample.args]
        kwargs = {k: to_torch(torch, v, dtype, grad) for k, v in sample.kwargs.items()}
        given = in_front(face, args) if grad else args
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations, notes about defaults
                return f(*given, **kwargs), (args, kwargs)
        except TypeError:
            if f is found[-1]:
                raise


def in_front(face, args):
    """For a function that writes into its first argument, a copy of it: a leaf cannot be written to."""
    return [args[0].clone(), *args[1:]] if face.name.endswith("_") else args


def flat(torch, value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for v in value:
            yield from flat(torch, v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from flat(torch, v)


def array(t):
    """A PyTorch tensor as NumPy array; bfloat16, which NumPy lacks, as float32."""
    return (t.float() if str(t.dtype) == "torch.bfloat16" else t).numpy(force=True)


def signs(ours, wanted):
    """+1 or -1 per column (or else per row) of ``wanted``, so that it lies as ``ours`` does; 1.0 where neither helps."""
    if wanted.dtype.kind == "f" and wanted.ndim >= 2 and ours.shape == wanted.shape:
        for axis in (-2, -1):
            sign = np.where((ours * wanted).sum(axis, keepdims=True) < 0, -1.0, 1.0)
            if np.allclose(ours, sign * wanted, 1e-3, 1e-3):
                return sign
    return 1.0


def test_the_names_exist(torch, count):
    missing = [f.qualified for f in FACES if not theirs(torch, f)]
    assert not missing, missing
    count("names", len(FACES))


@named
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values(face, dtype, torch, count):
    if is_random(face):
        return
    for s in samples_of(face):
        if not is_compared(s):
            count("samples set aside")
            continue
        expected, _ = run_theirs(torch, face, s, dtype)
        out, _ = call(face, s, dtype=dtype)
        ours, wanted = list(tensors_in(out)), list(flat(torch, expected))
        what = f"{face.qualified}({s})"
        assert len(ours) == len(wanted), f"{what}: {len(ours)} outputs, PyTorch has {len(wanted)}"
        if not wanted:
            assert plain(out) == plain(expected), f"{what}: {out!r}, PyTorch says {expected!r}"
        for a, b in zip(ours, wanted):
            assert a.dtype.name == str(b.dtype).removeprefix("torch."), f"{what}: {a.dtype}, PyTorch {b.dtype}"
            x, y = a.detach().to("float32" if a.dtype is minigrad.bfloat16 else a.dtype).numpy(), array(b)
            y = y * signs(x, y).astype(y.dtype) if face.parity == UP_TO_SIGN and y.ndim > 1 else y
            close(x, y, 1e-9 if dtype == "float64" else 3e-5, what)
            count("values")
        count("samples", dtype == "float64")


def plain(value):
    """A dtype by its name, whichever library's it is."""
    name = str(value)
    return name.split(".", 1)[1] if name.startswith(("minigrad.", "torch.")) else value


@named
def test_gradients(face, torch, count):
    """First order, and second order through a weighted sum of the squared first.

    At kinks and ties (``grad=False``) there is a convention instead of a derivative: the first order is compared there too.
    """
    if is_random(face):
        return
    for s in samples_of(face):
        if face.parity not in (True, UP_TO_SIGN) or s.parity is not True:
            continue
        try:
            compare_gradients(face, s, torch, count)
        except RuntimeError as error:
            if not any(text in str(error) for text in UNDIFFERENTIABLE) or "torch/" not in where(error):
                raise
            count("without a derivative in PyTorch")


def where(error):
    """The file that raised."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    return last.tb_frame.f_code.co_filename


def compare_gradients(face, s, torch, count):
    expected, given = run_theirs(torch, face, s, grad=True)
    args = [convert(a, grad=True) for a in s.args]
    kwargs = {k: convert(v, grad=True) for k, v in s.kwargs.items()}
    out = face.call(*in_front(face, args), **kwargs)
    inputs, leaves = ([t for t in every if t.requires_grad] for every in (tensors_in([args, kwargs]), flat(torch, given)))
    pairs = [(a, b) for a, b in zip(tensors_in(out), flat(torch, expected)) if b.requires_grad and not b.is_leaf]
    if not pairs or not inputs:
        assert not any(a.requires_grad and not a.is_leaf for a in tensors_in(out)), (
            f"{face.qualified}({s}): PyTorch has no history"
        )
        return
    wants, upstream, weights = [b for _, b in pairs], [], []
    for i, (a, b) in enumerate(pairs):
        w = np.asarray(np.random.default_rng(i).standard_normal(b.shape))
        turned = w * signs(a.detach().numpy(), array(b)) if face.parity == UP_TO_SIGN else w
        upstream.append(minigrad.tensor(w).to(a.dtype))
        weights.append(torch.from_numpy(np.asarray(turned)).to(b.dtype))
    theirs = torch.autograd.grad(wants, leaves, weights, create_graph=True, allow_unused=True)
    for a, b in pairs:
        assert a.requires_grad, f"{face.qualified}({s}): no history, PyTorch has {b.grad_fn}"
    ours = minigrad.autograd.grad([a for a, _ in pairs], inputs, upstream, create_graph=True, allow_unused=True)
    _compare(face, s, ours, theirs, "gradient")
    count("gradients", len(theirs))
    if s.grad is not True:
        return
    b = squared(torch, theirs, leaves)
    a = squared(minigrad, ours, inputs)
    _compare(face, s, a, b, "second-order gradient")
    count("second orders", sum(g is not None for g in b))


def squared(lib, gradients, leaves):
    """The gradient of the sum of squares of the gradients."""
    moving = [g for g in gradients if g is not None and g.requires_grad]
    if not moving:
        return [None] * len(leaves)
    return lib.autograd.grad(sum((g * g).sum() for g in moving), leaves, allow_unused=True)


def _compare(face, s, ours, theirs, what):
    """No gradient is a gradient of zeros."""
    for a, b in zip(ours, theirs, strict=True):
        x = np.zeros(()) if a is None else a.detach().numpy()
        y = np.zeros(()) if b is None else array(b)
        if a is None or b is None:
            x, y = np.broadcast_arrays(x, y)
        close(x, y, 1e-7, f"{what} of {face.qualified}({s})")


@named
def test_errors(face, torch, count):
    """Where we raise, PyTorch raises."""
    for e in errors_of(face):
        if e.parity is not True:
            count("errors of ours only")
            continue
        with pytest.raises(Exception):  # noqa: B017  the types are compared by each function's own error samples
            run_theirs(torch, face, e)
        count("errors")


BINARY = ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "remainder", "fmod", "floor_divide", "eq", "lt", "ge", "where",
          "atan2", "xlogy", "logical_and", "bitwise_and", "bitwise_left_shift"]  # fmt: skip
NO_NUMBERS = ["maximum", "minimum", "atan2", "logical_and"]  # PyTorch takes tensors alone; ours numbers, too
DTYPES = ["bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("name", BINARY)
def test_promotion(name, torch, count):
    """Every pair of dtypes, with axes and without, and Python numbers."""
    for a in DTYPES:
        others = [("tensor", b, shape) for b in DTYPES for shape in ((2,), ())]
        others += [("number", v, None) for v in (True, 2, 2.5) if name not in NO_NUMBERS]
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
            count("promotions")
