"""Softmax and its relatives: scores along a dimension turned into probabilities."""

import warnings

import numpy as np

from ..dispatch import apply
from ..dtype import float64
from ..errors import UnsupportedError
from ..op import E, S, function, op, registry
from .samples import normal
from .shape import positive_dim


def _softmax_reference(x, dim=-1, dtype=None):
    e = np.exp(x - np.max(x, axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)


def _log_softmax_reference(x, dim=-1, dtype=None):
    s = x - np.max(x, axis=dim, keepdims=True, initial=-np.inf)
    return s - np.log(np.exp(s).sum(axis=dim, keepdims=True))


def _axes(r):
    return [
        S(normal(r, 3, 4), axis=-1),
        S(normal(r, 2, 3, 4), axis=1),
        S(normal(r), axis=0),
        S(normal(r, 2, 0), axis=1),
        S(normal(r, 0, 2), axis=1),
    ]


@op(
    names="",
    vjp=(lambda xp, g, y, axis: xp.softmax_dx(g, y, axis=axis),),
    formula=r"y_i = e^{x_i} / \sum_j e^{x_j}",
    derivative=r"\bar x_i = y_i \left(\bar y_i - \sum_j \bar y_j y_j\right)",
    onnx="Softmax",
    samples=_axes,
    reference=lambda x, axis: _softmax_reference(x, axis),
)
def softmax(xp, x, *, axis):
    """exp(x) along one axis, divided by its sum; the maximum is taken off first, so that nothing overflows."""
    if 0 in x.shape:
        return xp.exp(x)
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return xp.contiguous(e / xp.sum(e, axis=axis, keepdims=True))


@op(
    names="",
    vjp=(lambda xp, g, y, axis: xp.log_softmax_dx(g, y, axis=axis),),
    formula=r"y_i = x_i - \ln \sum_j e^{x_j}",
    derivative=r"\bar x_i = \bar y_i - e^{y_i} \sum_j \bar y_j",
    onnx="LogSoftmax",
    samples=_axes,
    reference=lambda x, axis: _log_softmax_reference(x, axis),
)
def log_softmax(xp, x, *, axis):
    """The logarithm of softmax along one axis, without ever taking the logarithm of a rounded 0."""
    if 0 in x.shape:
        return xp.exp(x)
    s = x - xp.max(x, axis=axis, keepdims=True)
    return xp.contiguous(s - xp.log(xp.sum(xp.exp(s), axis=axis, keepdims=True)))


def _pairs(r):
    return [S(normal(r, 3, 4), normal(r, 3, 4), axis=-1), S(normal(r, 2, 3, 2), normal(r, 2, 3, 2), axis=1)]


@op(
    names="",
    vjp=(
        lambda xp, g, y, axis: xp.softmax_dx(g, y, axis=axis),
        lambda xp, g, gy, y, axis: (
            g * (gy - xp.sum(gy * y, axis=axis, keepdims=True)) - gy * xp.sum(g * y, axis=axis, keepdims=True)
        ),
    ),
    formula=r"z_i = y_i \left(v_i - \sum_j v_j y_j\right)",
    derivative=r"\bar v = \mathrm{dx}(\bar z, y), \quad "
    r"\bar y_i = \bar z_i \left(v_i - \sum_j v_j y_j\right) - v_i \sum_j \bar z_j y_j",
    samples=_pairs,
    reference=lambda v, y, axis: y * (v - (v * y).sum(axis, keepdims=True)),
)
def softmax_dx(xp, gy, y, *, axis):
    """The gradient of softmax's input from that of its output ``y``."""
    return y * (gy - xp.sum(gy * y, axis=axis, keepdims=True))


@op(
    names="",
    vjp=(
        lambda xp, g, y, axis: g - xp.sum(g * xp.exp(y), axis=axis, keepdims=True),
        lambda xp, g, gy, y, axis: -g * xp.exp(y) * xp.sum(gy, axis=axis, keepdims=True),
    ),
    formula=r"z_i = v_i - e^{y_i} \sum_j v_j",
    derivative=r"\bar v_i = \bar z_i - \sum_j \bar z_j e^{y_j}, \quad \bar y_i = -\bar z_i e^{y_i} \sum_j v_j",
    samples=_pairs,
    reference=lambda v, y, axis: v - np.exp(y) * v.sum(axis, keepdims=True),
)
def log_softmax_dx(xp, gy, y, *, axis):
    """The gradient of log_softmax's input from that of its output ``y``."""
    return gy - xp.exp(y) * xp.sum(gy, axis=axis, keepdims=True)


def _dim_samples(r):
    return [
        S(normal(r, 3, 4), 1),
        S(normal(r, 3, 4), dim=0),
        S(normal(r, 2, 3, 2), dim=-2),
        S(normal(r), 0),
        S(normal(r, 3, 4), -1, dtype=float64),
        S(1e3 * normal(r, 2, 3), 1),
        S(normal(r, 2, 0), 1),
    ]


def _dim_errors(r):
    return [E(IndexError, "out of range", normal(r, 3, 4), 2), E(NotImplementedError, "not implemented for", np.array([1, 2]), 0)]


def _along(name, input, dim, dtype):
    """Run the operation ``name`` along ``dim``, after the cast to ``dtype``."""
    if dtype is not None:
        input = input.to(dtype)
    if not input.is_floating_point():
        raise UnsupportedError(
            f'"{name}" not implemented for {input.dtype}: pass dtype=minigrad.float32 or convert the tensor with .float()'
        )
    return apply(registry[name], (input,), {"axis": positive_dim(name, dim, input.array.ndim)})


@function(
    "softmax",
    samples=_dim_samples,
    errors=_dim_errors,
    formula=r"y_i = e^{x_i} / \sum_j e^{x_j}",
    derivative=r"\bar x_i = y_i \left(\bar y_i - \sum_j \bar y_j y_j\right)",
    reference=_softmax_reference,
)
def _softmax(input, dim, dtype=None):
    """Probabilities from scores: exp(input) divided by its sum along ``dim``.

    Args:
        input: float tensor of any shape.
        dim: the dimension whose elements add up to 1.
        dtype: cast the input to this dtype first.

    Raises:
        IndexError: for a dimension that the tensor does not have.

    For a loss use :func:`minigrad.nn.functional.cross_entropy` on the scores themselves: it is more exact.

    >>> import minigrad
    >>> minigrad.softmax(minigrad.tensor([0.0, 0.0, 1000.0]), dim=0)
    tensor([0., 0., 1.])
    """
    return _along("softmax", input, dim, dtype)


@function(
    "log_softmax",
    samples=_dim_samples,
    errors=_dim_errors,
    formula=r"y_i = x_i - \ln \sum_j e^{x_j}",
    derivative=r"\bar x_i = \bar y_i - e^{y_i} \sum_j \bar y_j",
    reference=_log_softmax_reference,
)
def _log_softmax(input, dim, dtype=None):
    """The logarithm of :func:`softmax`, exact where a probability is tiny. Arguments as there.

    >>> import minigrad
    >>> minigrad.log_softmax(minigrad.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    return _along("log_softmax", input, dim, dtype)


def implicit_dim(name, input, dim, stacklevel=3):
    """PyTorch's choice where ``dim`` is left out: 0 for 0, 1 or 3 dimensions, else 1; with a warning."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated: pass dim=-1 (or the dimension you mean)",
        stacklevel=stacklevel + 1,
    )
    return 0 if input.array.ndim in (0, 1, 3) else 1


def _functional(name, doc, reference, call, formula, derivative):
    def public(input, dim=None, _stacklevel=3, dtype=None):
        return call(input, implicit_dim(name, input, dim, _stacklevel - 1), dtype)

    public.__name__ = public.__qualname__ = name
    public.__doc__ = doc
    samples = lambda r: [S(normal(r, 3, 4), 1), S(normal(r, 2, 3, 2), dim=-2), S(normal(r, 3, 4), dim=0, dtype=float64)]
    function(
        name,
        spaces="functional",
        samples=samples,
        errors=_dim_errors,
        formula=formula,
        derivative=derivative,
        reference=reference,
    )(public)
    return public


_functional(
    "softmax",
    """Probabilities from scores: exp(input) divided by its sum along ``dim``. See :func:`minigrad.softmax`.

    Without ``dim`` it is 0 for 0, 1 or 3 dimensions and else 1, with a warning, as in PyTorch.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.softmax(minigrad.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """,
    _softmax_reference,
    _softmax,
    r"y_i = e^{x_i} / \sum_j e^{x_j}",
    r"\bar x_i = y_i (\bar y_i - \sum_j \bar y_j y_j)",
)
_functional(
    "log_softmax",
    """The logarithm of softmax along ``dim``. See :func:`minigrad.log_softmax`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.log_softmax(minigrad.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """,
    _log_softmax_reference,
    _log_softmax,
    r"y_i = x_i - \ln \sum_j e^{x_j}",
    r"\bar x_i = \bar y_i - e^{y_i} \sum_j \bar y_j",
)
_functional(
    "softmin",
    """Probabilities that are larger for smaller elements: ``softmax(-input, dim)``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.softmin(minigrad.tensor([0.0, 1000.0]), dim=0)
    tensor([1., 0.])
    """,
    lambda x, dim=-1, dtype=None: _softmax_reference(-x, dim),
    lambda x, dim, dtype: _softmax(-x, dim, dtype),
    r"y_i = e^{-x_i} / \sum_j e^{-x_j}",
    r"\bar x_i = -y_i (\bar y_i - \sum_j \bar y_j y_j)",
)


@function(
    "gumbel_softmax",
    spaces="functional",
    formula=r"y = \mathrm{softmax}((x + n) / \tau), \quad n = -\ln(-\ln u)",
    samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 3, 4), tau=0.5, dim=0), S(normal(r, 3, 4), hard=True, grad=False)],
    parity="PyTorch's generator has other bits",
)
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A random choice with the probabilities ``softmax(logits)`` through which gradients flow.

    Args:
        logits: scores, any shape.
        tau: temperature; the smaller, the closer to a choice of one.
        hard: return the choice itself (one 1 and zeros), with the gradient of the soft one.
        dim: the dimension to choose along.

    Jang et al., "Categorical reparameterization with Gumbel-softmax", ICLR 2017.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.gumbel_softmax(minigrad.tensor([0.0, 1000.0]), hard=True)
    tensor([0., 1.])
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    from .drawing import draw_exponential

    wait = draw_exponential(logits.array.shape, logits.array.dtype, logits.device)  # in [0, inf)
    soft = _softmax((logits - wait.clamp(min=2.0**-60).log()) / tau, dim)
    if not hard:
        return soft
    chosen = (soft.detach() == soft.detach().amax(dim, keepdim=True)).to(soft.dtype)
    return chosen - soft.detach() + soft
