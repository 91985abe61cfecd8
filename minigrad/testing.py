"""Checking gradients: what the library's own tests use, public because students need it too.

A derivative is checked by random projection: for a random direction v, the analytic directional derivative
``<grad f, v>`` must equal the central difference ``(f(x + hv) - f(x - hv)) / 2h``. One direction tests every entry of the
Jacobian at once, with probability one. Griewank and Walther, "Evaluating Derivatives", 2nd ed. (SIAM 2008), section 3.
"""

import numpy as np

from . import autograd
from .errors import describe
from .tensor import Tensor, wrap

__all__ = ["assert_close", "gradcheck", "gradgradcheck"]


def gradcheck(func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3, *, directions=2, seed=0, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False, check_batched_forward_grad=False,
              check_forward_ad=False, check_backward_ad=True, fast_mode=False, masked=None):  # fmt: skip
    """Compare the gradients of ``func(*inputs)`` with central differences along random directions.

    Args:
        func: takes the inputs and returns a Tensor or a tuple of Tensors.
        inputs: a Tensor or a tuple; those that require a gradient are checked, and should be float64.
        eps: step of the difference.
        atol, rtol: allowed absolute and relative difference.
        directions: how many random directions are tried.
        check_forward_ad: check what is pushed forward, too.
        nondet_tol, check_undefined_grad, check_grad_dtypes, check_batched_grad, check_batched_forward_grad, check_backward_ad,
            fast_mode, masked: accepted as in PyTorch; random directions are its fast mode, and dtypes are always checked.

    Returns:
        True; False (or GradcheckError, an AssertionError, with ``raise_exception``) where they differ.

    >>> import minigrad
    >>> x = minigrad.tensor([0.5, 2.0], dtype=minigrad.float64, requires_grad=True)
    >>> minigrad.testing.gradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects all tensor inputs to be checked to have requires_grad=True; none has")
    rng = np.random.default_rng(seed)
    outputs = _float_outputs(func(*inputs))
    # An infinite output (a masked score) has no difference quotient: it gets weight 0.
    weights = [rng.standard_normal(o.shape) * np.isfinite(_host(o)) for o in outputs]
    used = [(o, w) for o, w in zip(outputs, weights) if o.requires_grad]
    if not used:
        return _fail(raise_exception, "none of the outputs requires a gradient, although an input does")
    grads = autograd.grad([o for o, _ in used], wanted, [_like(o, w) for o, w in used], allow_unused=True, materialize_grads=True)
    for g, t in zip(grads, wanted):
        if g.shape != t.shape or g.dtype is not t.dtype:
            return _fail(raise_exception, f"the gradient of {describe(t)} is {describe(g)}")
    for _ in range(directions):
        steps = [_direction(rng, t) for t in wanted]
        analytic = sum(float((_host(g).conj() * v).real.sum()) for g, v in zip(grads, steps))
        plus = _projected(func, inputs, wanted, steps, eps, weights)
        minus = _projected(func, inputs, wanted, steps, -eps, weights)
        numeric = (plus - minus) / (2 * eps)
        if not abs(analytic - numeric) <= atol + rtol * abs(numeric):
            return _fail(
                raise_exception,
                f"Jacobian mismatch: along a random direction the gradient gives {analytic:.10g}, central differences give "
                f"{numeric:.10g} "
                f"(difference {abs(analytic - numeric):.3g}, allowed {atol + rtol * abs(numeric):.3g}); "
                f"inputs {', '.join(map(describe, inputs))}",
            )
    if check_forward_ad:
        return _forward_check(func, inputs, wanted, rng, eps, atol, rtol, raise_exception)
    return True


def _forward_check(function, inputs, wanted, rng, eps, atol, rtol, raise_exception):
    """The derivative pushed forward along a random direction against the central difference."""
    from .autograd.forward import push

    outputs = _float_outputs(function(*inputs))
    steps = [_direction(rng, t) for t in wanted]
    pushed = push(outputs, {t.node: _like(t, v) for t, v in zip(wanted, steps)})
    for o, tangent in zip(outputs, pushed):
        weight = [rng.standard_normal(o.shape) if p is o else np.zeros(p.shape) for p in outputs]
        analytic = 0.0 if tangent is None else float(sum((_host(tangent) * w).sum() for w, p in zip(weight, outputs) if p is o))
        plus, minus = (_projected(function, inputs, wanted, steps, h, weight) for h in (eps, -eps))
        numeric = (plus - minus) / (2 * eps)
        if not abs(analytic - numeric) <= atol + rtol * abs(numeric):
            return _fail(raise_exception, f"Jacobian mismatch in forward mode: {analytic:.10g}, numerically {numeric:.10g}")
    return True


def gradgradcheck(func, inputs, grad_outputs=None, eps=1e-6, atol=1e-5, rtol=1e-3, *, directions=2, seed=0,
                  raise_exception=True, gen_non_contig_grad_outputs=False, nondet_tol=0.0, check_undefined_grad=True,
                  check_grad_dtypes=False, check_batched_grad=False, check_fwd_over_rev=False, check_rev_over_rev=True,
                  fast_mode=False, masked=False):  # fmt: skip
    """Compare second derivatives with central differences of the first: :func:`gradcheck` of the gradient.

    ``grad_outputs``: the upstream gradients, random where left out. The other arguments are as for :func:`gradcheck`.

    >>> import minigrad
    >>> x = minigrad.tensor([0.5, 2.0], dtype=minigrad.float64, requires_grad=True)
    >>> minigrad.testing.gradgradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    rng = np.random.default_rng(seed + 1)
    outputs = [o for o in _float_outputs(func(*inputs)) if o.requires_grad]
    if grad_outputs is not None:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else grad_outputs
        upstream = [g.detach().requires_grad_() for g in given]
    else:
        upstream = [_like(o, rng.standard_normal(o.shape)).requires_grad_() for o in outputs]
    count = len(inputs)

    def first_order(*arguments):
        x, gs = arguments[:count], arguments[count:]
        wanted = [t for t in x if isinstance(t, Tensor) and t.requires_grad]
        results = [o for o in _float_outputs(func(*x)) if o.requires_grad]
        grads = autograd.grad(results, wanted, gs, create_graph=True, allow_unused=True, materialize_grads=True)
        return tuple(g for g in grads if g.requires_grad)

    if not first_order(*inputs, *upstream):
        return True  # the gradient is a constant
    return gradcheck(
        first_order, (*inputs, *upstream), eps, atol, rtol, directions=directions, seed=seed, raise_exception=raise_exception
    )


class GradcheckError(RuntimeError, AssertionError):
    """A gradient that does not agree with central differences."""


def _fail(raise_exception, message):
    if raise_exception:
        raise GradcheckError(f"gradcheck: {message}")
    return False


def _float_outputs(out):
    from .ops.complex import view_as_real

    out = out if isinstance(out, tuple | list) else (out,)
    tensors = [o for o in out if isinstance(o, Tensor)]
    return [view_as_real(o) if o.is_complex() else o for o in tensors if o.is_floating_point() or o.is_complex()]


def _host(t):
    from . import backends

    return backends.of(t.array).host(t.array)


def _direction(rng, t):
    step = rng.standard_normal(t.shape)
    return step + 1j * rng.standard_normal(t.shape) if t.is_complex() else step


def _like(t, values):
    from . import backends

    return wrap(backends.of(t.array).upload(np.asarray(values, t.array.dtype)))


def _projected(function, inputs, wanted, steps, scale, weights):
    """The weighted sum of the outputs with every wanted input moved by ``scale`` times its step."""
    moved = {id(t): wrap(_like(t, _host(t) + scale * v).array).requires_grad_() for t, v in zip(wanted, steps)}
    outputs = _float_outputs(function(*[moved.get(id(t), t) for t in inputs]))
    with np.errstate(all="ignore"):  # an infinite output is a difference to report, not a warning
        return sum(float(np.where(w == 0, 0.0, _host(o) * w).sum()) for o, w in zip(outputs, weights))


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True,
                 check_dtype=True, check_layout=True, check_stride=False, msg=None):  # fmt: skip
    """Raise AssertionError unless two tensors agree in shape, dtype and, within tolerance, values.

    ``check_device``, ``check_dtype`` and ``check_stride`` say what else must agree. ``msg``: what to say instead, or a function
    of the message.

    The tolerances default by dtype as in PyTorch: float64 1e-7, float32 1.3e-6 and 1e-5, float16 1e-3, bfloat16 1.6e-2.

    >>> import minigrad
    >>> minigrad.testing.assert_close(minigrad.tensor([1.0]), minigrad.tensor([1.0 + 1e-7]))
    """
    if isinstance(actual, list | tuple):
        checks = {"check_device": check_device, "check_dtype": check_dtype, "check_stride": check_stride}
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, rtol=rtol, atol=atol, equal_nan=equal_nan, msg=msg, **checks)
        return
    if not isinstance(actual, Tensor):
        np.testing.assert_allclose(actual, expected, rtol=rtol or 1e-7, atol=atol or 1e-7, equal_nan=equal_nan)
        return
    differs = actual.shape != expected.shape or (check_dtype and actual.dtype is not expected.dtype)
    differs = differs or (check_device and actual.device != expected.device)
    if differs or (check_stride and actual.stride() != expected.stride()):
        text = f"the tensors differ in kind: {describe(actual)} and {describe(expected)}"
        raise AssertionError(msg(text) if callable(msg) else msg or text)
    defaults = {"float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5)}
    r, a = defaults.get(actual.dtype.name, (0.0, 0.0))
    wide = [_host(t.detach()).astype(np.complex128 if t.is_complex() else np.float64) for t in (actual, expected)]
    np.testing.assert_allclose(
        *wide,
        rtol=r if rtol is None else rtol,
        atol=a if atol is None else atol,
        equal_nan=equal_nan,
        err_msg="" if msg is None or callable(msg) else msg,
    )
