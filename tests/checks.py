"""What every public function is checked for, from its own samples. ``test_ops.py`` and the mutation script run these."""

import contextlib
import zlib

import numpy as np

import minigrad
import minigrad.compress  # its operations, and the optimizers', are checked too
import minigrad.optim
from minigrad import backends
from minigrad import op as op_module
from minigrad.op import Failure
from minigrad.ops.samples import Raw
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck

# How far an output in a lower precision may be from the float64 one, relative to the largest magnitude involved.
TOLERANCE = {"float64": 1e-9, "float32": 2e-5, "float16": 3e-2, "bfloat16": 1.5e-1}


ORDERED = {
    "view_as_complex",
    "view_as_complex_copy",
    "as_strided_copy",
    "as_strided",
    "as_strided_",
    "strided",
    "resize_",
    "resize_as_",
}  # functions that look at how memory is laid out

ran = set()  # (function, sample, dtype) that the checks have run on the array library under test


def unique_faces():
    """Every public function and inner operation once, by its main name."""
    found = {}
    for face in op_module.faces.values():
        found.setdefault(id(face), face)
    return sorted(found.values(), key=lambda f: f.qualified or f.name)


def samples_of(face):
    return list(face.samples(_rng(face))) if face.samples else []


def errors_of(face):
    return list(face.errors(_rng(face))) if face.errors else []


def _rng(face):
    return np.random.default_rng(zlib.crc32(face.qualified.encode()))


def convert(value, dtype="float64", device="cpu", grad=False):
    """A sample's argument: NumPy arrays become Tensors (floats in ``dtype``), lists and tuples are walked."""
    if isinstance(value, Raw):
        return value.array
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            t = minigrad.tensor(value).to(getattr(minigrad, dtype))
            t = t.to(device) if device != "cpu" else t
            return t.requires_grad_() if grad else t
        t = minigrad.tensor(value)
        return t.to(device) if device != "cpu" else t
    if isinstance(value, list | tuple) and any(isinstance(v, np.ndarray | list | tuple) for v in value):
        return type(value)(convert(v, dtype, device, grad) for v in value)
    if isinstance(value, minigrad.device):
        return minigrad.device(device)
    return value


def call(face, sample, **how):
    """Run a sample from a fixed random state; returns the output and the converted arguments."""
    args = [convert(a, **how) for a in sample.args]
    kwargs = {k: convert(v, **how) for k, v in sample.kwargs.items()}
    seed()
    return face.call(*args, **kwargs), (args, kwargs)


def seed():
    getattr(minigrad, "manual_seed", int)(0)


def tensors_in(value):
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for v in value:
            yield from tensors_in(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from tensors_in(v)


def host(t):
    array = backends.of(t.array).host(t.array)
    return array.astype(np.float64) if t.dtype.is_floating_point else array


def close(actual, expected, tolerance, what):
    """Equal within ``tolerance`` of the largest finite magnitude; NaN and infinities in the same places."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    if expected.dtype.kind in "fc":
        finite = np.abs(expected[np.isfinite(expected)])
        scale = max(1.0, float(finite.max()) if finite.size else 1.0)
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)
    else:
        np.testing.assert_array_equal(actual, expected, err_msg=what)


def is_random(face):
    return (face.op is not None and face.op.kind == "random") or "generator" in (getattr(face.call, "__kwdefaults__", None) or {})


# ------------------------------------------------------------------------------------------------------------- the checks
def check_reference(face, sample, device="cpu"):
    """The float64 output against the independent reference."""
    if face.reference is None:
        return False
    out, _ = call(face, sample, device=device)
    ran.add((face.qualified, repr(sample), "float64"))
    expected = face.reference(*sample.args, **sample.kwargs)
    outs = list(tensors_in(out)) if not isinstance(out, Tensor) else [out]
    wanted = list(expected) if isinstance(expected, tuple | list) else [expected]
    if not outs:
        assert out == expected, f"{face.qualified}({sample}): {out!r}, expected {expected!r}"
        return True
    assert len(outs) == len(wanted), f"{face.qualified}({sample}): {len(outs)} outputs, the reference has {len(wanted)}"
    for o, w in zip(outs, wanted):
        w = np.asarray(w)
        close(
            host(o), w.astype(np.float64) if o.dtype.is_floating_point else w, TOLERANCE["float64"], f"{face.qualified}({sample})"
        )
    return True


def changes_dtype(face):
    """Whether it is the function's purpose to give another dtype than its inputs have."""
    return face.name == "float_power" or (face.op is not None and face.op.kind == "cast")


def check_dtype(face, sample, dtype, device="cpu"):
    """The output in a lower precision against the float64 output; floats keep their precision."""
    out, (args, kwargs) = call(face, sample, dtype=dtype, device=device)
    ran.add((face.qualified, repr(sample), dtype))
    exact, _ = call(face, sample, dtype="float64")
    inputs = [t for t in tensors_in([args, kwargs]) if t.is_floating_point()]
    for o, e in zip(tensors_in(out), tensors_in(exact), strict=True):
        if inputs and e.dtype is minigrad.float64 and "dtype" not in kwargs and not changes_dtype(face):
            assert o.dtype.name == dtype, f"{face.qualified}({sample}): a {dtype} input gave {o.dtype}"
        if o.is_floating_point() and not (is_random(face) and dtype != "float64"):
            close(host(o), host(e), TOLERANCE[dtype], f"{face.qualified}({sample}) in {dtype}")
        else:
            assert o.shape == e.shape


def _closed_over(face, sample, device="cpu"):
    """The call as a function of its float tensors, and those tensors."""
    args = [convert(a, device=device, grad=True) for a in sample.args]
    kwargs = {k: convert(v, device=device, grad=True) for k, v in sample.kwargs.items()}
    wanted = [t for t in tensors_in([args, kwargs]) if t.requires_grad]

    def replace(value, table):
        if isinstance(value, Tensor):
            return table.get(id(value), value)
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            return type(value)(replace(v, table) for v in value)
        return value

    def function(*moved):
        table = {id(t): m for t, m in zip(wanted, moved)}
        seed()
        return face.call(*[replace(a, table) for a in args], **{k: replace(v, table) for k, v in kwargs.items()})

    return function, tuple(wanted)


def check_gradient(face, sample, device="cpu", second=True):
    """First and second derivatives against central differences."""
    function, inputs = _closed_over(face, sample, device)
    if not sample.grad or not inputs or not sum(t.numel() for t in inputs):
        return False
    out = function(*inputs)
    if not any(o.requires_grad for o in tensors_in(out)):
        assert face.op is None or not face.op.differentiable, f"{face.qualified}({sample}): the output has no history"
        return False
    gradcheck(function, inputs)
    if second and sample.grad != "first":
        gradgradcheck(function, inputs)
    return True


def check_gradient_dtype(face, sample, device="cpu"):
    """float32 gradients stay float32, and every way to run the rules (raw, recorded) agrees."""
    if not sample.grad:
        return False
    out, (args, kwargs) = call(face, sample, dtype="float32", device=device, grad=True)
    inputs = [t for t in tensors_in([args, kwargs]) if t.requires_grad]
    outs = [o for o in tensors_in(out) if o.requires_grad and o.is_leaf is False]
    if not inputs or not outs:
        return False
    upstream = [minigrad.ones(*o.shape, dtype=o.dtype, device=device) for o in outs]
    raw = minigrad.autograd.grad(outs, inputs, upstream, retain_graph=True, allow_unused=True)
    recorded = minigrad.autograd.grad(outs, inputs, upstream, create_graph=True, allow_unused=True)
    for t, a, b in zip(inputs, raw, recorded):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype is t.dtype and b.dtype is t.dtype, (
                f"{face.qualified}({sample}): gradient {a.dtype}, recorded {b.dtype}"
            )
            assert a.shape == t.shape and b.shape == t.shape
            close(host(a), host(b), 1e-4, f"{face.qualified}({sample}): raw and recorded gradient")
    return True


def check_layout(face, sample, device="cpu"):
    """Transposed and strided memory gives the same output; inputs are not changed."""
    if face.name in ORDERED:
        return
    before = [host(t) for t in tensors_in([convert(v, device=device) for v in (*sample.args, *sample.kwargs.values())])]
    expected, (args, kwargs) = call(face, sample, device=device)

    def strided(value):
        if isinstance(value, Tensor) and value.dim() >= 1:
            wide = minigrad.cat([value.reshape(*value.shape, 1)] * 2, -1)
            return wide[..., 0]
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            return type(value)(strided(v) for v in value)
        return value

    fresh, named = ([convert(a, device=device) for a in values] for values in (sample.args, sample.kwargs.values()))
    seed()
    out = face.call(*[strided(a) for a in fresh], **{k: strided(v) for k, v in zip(kwargs, named)})
    for o, e in zip(tensors_in(out), tensors_in(expected), strict=True):
        if o.is_floating_point():
            close(host(o), host(e), 1e-9, f"{face.qualified}({sample}) on strided memory")
        else:
            assert (host(o) == host(e)).all()
    for t, b in zip(tensors_in([args, kwargs]), before, strict=True):
        if not face.name.endswith("_"):
            np.testing.assert_array_equal(host(t), b, err_msg=f"{face.qualified}({sample}) changed its input")


def check_error(face, failure: Failure, device="cpu"):
    import pytest

    if failure.by_value and device != "cpu":
        return
    with pytest.raises(failure.error, match=failure.match):
        call(face, failure, device=device)


def check_face(face, device="cpu"):
    """Everything, as the mutation script wants it: raises on the first difference."""
    for s in samples_of(face):
        check_reference(face, s, device)
        check_dtype(face, s, "float32", device)
        check_gradient(face, s, device)
        check_gradient_dtype(face, s, device)
        check_layout(face, s, device)
    with contextlib.suppress(ImportError):
        for e in errors_of(face):
            check_error(face, e, device)
