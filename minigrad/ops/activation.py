"""Activation functions, element by element. Those of one formula in several pieces take their gradient 0 where PyTorch does."""

import inspect
import math

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from ..views import write
from .samples import normal, unary

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def activation(names=None, spaces="functional", *, numbers=False, **about):
    """``@op`` for a function of one array, whose public form takes PyTorch's ``inplace`` too.

    ``numbers``: whether integers are welcome; otherwise they are an error, as in PyTorch.
    """
    published = {k: about[k] for k in ("samples", "errors", "reference", "formula", "derivative", "parity") if k in about}

    def decorate(body):
        name = (names or body.__name__).split()[0]
        call = op(kind="elementwise", names="", promote=numbers or "float", **{**about, "samples": _inner_samples(about["samples"], body), "errors": None})(body)
        statics = list(inspect.signature(body).parameters.values())[2:]
        order = [p.name for p in statics] + ["inplace"]

        def public(input, *args, **kwargs):
            if args:
                kwargs.update(zip(order, args, strict=False))
            inplace = kwargs.pop("inplace", False)
            if not numbers and not input.is_floating_point():
                raise RuntimeError(f'"{name}" not implemented for {input.dtype}: convert the tensor with .float() first')
            out = call(input, **kwargs)
            return write(input, out) if inplace else out

        public.__name__ = public.__qualname__ = name
        public.__doc__ = body.__doc__
        positional = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in statics]
        public.__signature__ = inspect.Signature(
            [
                inspect.Parameter("input", inspect.Parameter.POSITIONAL_OR_KEYWORD),
                *positional,
                inspect.Parameter("inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False),
            ]
        )
        function(names or body.__name__, spaces=spaces, **published)(public)
        return public

    return decorate


def _inner_samples(samples, body):
    """The samples without ``inplace``, and with the static parameters by name."""
    names = [p.name for p in list(inspect.signature(body).parameters.values())[2:]]

    def inner(r):
        found = []
        for s in samples(r):
            given = {**dict(zip(names, s.args[1:], strict=False)), **{k: v for k, v in s.kwargs.items() if k != "inplace"}}
            found.append(S(s.args[0], grad=s.grad, **given))
        return found

    return inner


def _pieces(*kinks, low=-3.0, high=3.0):
    """Samples of a function in pieces: ordinary points, and the points between the pieces, infinities and NaN."""

    def samples(r):
        special = np.array([*kinks, 0.0, np.inf, -np.inf, np.nan])
        return [*unary(low, high)(r), S(special, grad=False)]

    return samples


def _refuses_integers(r):
    return [E(RuntimeError, "not implemented for", np.array([1, 2]))]


# ---------------------------------------------------------------------------------------------------------------- of pieces
@op(
    kind="elementwise",
    vjp=(lambda xp, g, y: xp.where(y, g, 0.0),),
    formula=r"y = \max(x, 0)",
    derivative=r"\bar x = \bar y\,[x > 0]",
    onnx="Relu",
    samples=_pieces(),
    reference=lambda x: np.where(x < 0, 0.0, x),
)
def relu(xp, x):
    """The larger of each element and 0. The gradient at 0 is 0; NaN stays NaN and lets the gradient through.

    Args:
        input: tensor of any shape and dtype but bool.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> import minigrad
    >>> minigrad.relu(minigrad.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return xp.relu(x)


@function("relu", spaces="functional", formula=r"y = \max(x, 0)", derivative=r"\bar x = \bar y\,[x > 0]",
          samples=lambda r: [*_pieces()(r), S(normal(r, 3), inplace=False)], reference=lambda x, inplace=False: np.where(x < 0, 0.0, x))  # fmt: skip
def _relu(input, inplace=False):
    """The larger of each element and 0; with ``inplace`` written into ``input``. See :func:`minigrad.relu`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.relu(minigrad.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return write(input, relu(input)) if inplace else relu(input)


@activation(
    vjp=(lambda xp, g, x, min_val, max_val: xp.where(xp.logical_or(xp.less_equal(x, min_val), xp.greater_equal(x, max_val)), 0.0, g),),
    formula=r"y = \min(\max(x, a), b)",
    derivative=r"\bar x = \bar y\,[a < x < b]",
    onnx="Clip",
    samples=lambda r: [*_pieces(-1.0, 1.0)(r), S(normal(r, 5), -0.5, 0.25), S(normal(r, 5), min_val=-2.0, max_val=0.1)],
    errors=lambda r: [E(ValueError, "min_val cannot be greater than max_val", normal(r, 3), 1.0, -1.0)],
    reference=lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
    numbers=True,
)
def hardtanh(xp, x, *, min_val=-1.0, max_val=1.0):
    """Each element kept in [min_val, max_val]; the gradient is 0 at the bounds and beyond.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.hardtanh(minigrad.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return xp.minimum(xp.maximum(x, min_val), max_val)


@function("relu6", spaces="functional", formula=r"y = \min(\max(x, 0), 6)", derivative=r"\bar x = \bar y\,[0 < x < 6]",
          samples=lambda r: [*_pieces(6.0, low=-3.0, high=9.0)(r), S(normal(r, 3), inplace=False)],
          reference=lambda x, inplace=False: np.clip(x, 0.0, 6.0))  # fmt: skip
def relu6(input, inplace=False):
    """Each element kept in [0, 6].

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.relu6(minigrad.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


@activation(
    vjp=(lambda xp, g, x, negative_slope: xp.where(xp.greater(x, 0), g, g * negative_slope),),
    formula=r"y = x \text{ for } x > 0, \text{ else } a x",
    derivative=r"\bar x = \bar y \text{ for } x > 0, \text{ else } a \bar y",
    onnx="LeakyRelu",
    samples=lambda r: [*_pieces()(r), S(normal(r, 5), 0.2), S(normal(r, 5), negative_slope=-0.5), S(normal(r, 5), 1.5, inplace=False)],
    errors=_refuses_integers,
    reference=lambda x, negative_slope=0.01, inplace=False: np.where(x > 0, x, x * negative_slope),
)
def leaky_relu(xp, x, *, negative_slope=0.01):
    """Positive elements as they are, the others times ``negative_slope``.

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.leaky_relu(minigrad.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5000,  2.0000])
    """
    return xp.where(xp.greater(x, 0), x, x * negative_slope)


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(
        lambda xp, g, x, weight: xp.where(xp.greater(x, 0), g, g * weight),
        lambda xp, g, x: xp.where(xp.greater(x, 0), 0.0, g * x),
    ),
    onnx="PRelu",
    samples=lambda r: [S(normal(r, 2, 3, 4), normal(r, 3, 1)), S(normal(r, 5), normal(r, 1))],
    reference=lambda x, weight: np.where(x > 0, x, x * weight),
)
def leaky(xp, x, weight):
    """Positive elements as they are, the others times ``weight``, which broadcasts."""
    return xp.where(xp.greater(x, 0), x, x * weight)


def _prelu_reference(x, weight):
    w = weight.reshape(-1, *(1,) * (x.ndim - 2)) if weight.size > 1 and x.ndim > 1 else weight.reshape((1,) * max(x.ndim, 0))
    return np.where(x > 0, x, x * w)


@function("prelu", spaces="torch Tensor functional", formula=r"y = x \text{ for } x > 0, \text{ else } w_c x",
          derivative=r"\bar x = \bar y \text{ or } w_c \bar y, \quad \bar w_c = \sum_{x \le 0} x \bar y",
          samples=lambda r: [S(normal(r, 2, 3, 4), normal(r, 3)), S(normal(r, 2, 3), normal(r, 1)), S(normal(r, 4), normal(r, 1)), S(normal(r, 2, 3), normal(r))],
          errors=lambda r: [E(RuntimeError, "Mismatch of parameter numbers and input channel size", normal(r, 2, 3, 4), normal(r, 4)),
                            E(RuntimeError, "Expected `weight` to be a scalar or 1D", normal(r, 2, 3), normal(r, 3, 1))],
          reference=_prelu_reference)  # fmt: skip
def prelu(input, weight):
    """Leaky relu whose slope is learned: one for all channels, or one for each.

    Args:
        input: (N, C, ...) or any shape.
        weight: (1,) or (C,), the slopes.

    Raises:
        RuntimeError: where the number of slopes is neither 1 nor C.

    He et al., "Delving deep into rectifiers", ICCV 2015.

    >>> import minigrad
    >>> minigrad.prelu(minigrad.tensor([[-1.0, -1.0]]), minigrad.tensor([0.25, 0.5]))
    tensor([[-0.2500, -0.5000]])
    """
    if weight.array.ndim > 1:
        raise ShapeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.array.ndim}")
    ndim, slopes = input.array.ndim, weight.numel()
    channels = input.array.shape[1] if ndim > 1 else 1
    if slopes not in (1, channels):
        raise ShapeError(
            f"prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = {slopes} and channel size = {channels}"
        )
    shape = (slopes, *(1,) * (ndim - 2)) if slopes > 1 else (1,) * ndim
    return leaky(input, weight.reshape(shape))


@function("rrelu", spaces="torch functional", formula=r"y = x \text{ for } x \ge 0, \text{ else } a x, \quad a \sim U[l, u)",
          samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 5), 0.1, 0.6), S(normal(r, 5), 0.25, 0.25, training=True), S(normal(r, 3, 4), training=True)],
          errors=lambda r: [E(RuntimeError, "Lower bound should be less than or equal to the upper bound", normal(r, 3), 0.5, 0.1)],
          parity="PyTorch's generator has other bits")  # fmt: skip
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """Leaky relu with a random slope for each negative element in training, and their mean otherwise.

    Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.rrelu(minigrad.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: Lower bound should be less than or equal to the upper bound, got {lower} and {upper}")
    if training:
        from .random import draw_uniform

        slopes = draw_uniform(input.array.shape, input.array.dtype, input.device) * (upper - lower) + lower
        out = leaky(input, slopes)
    else:
        out = leaky_relu(input, (lower + upper) / 2)
    return write(input, out) if inplace else out


@activation(
    spaces="torch functional",
    vjp=(lambda xp, g, x, threshold: xp.where(xp.less_equal(x, threshold), 0.0, g),),
    formula=r"y = x \text{ for } x > t, \text{ else } v",
    derivative=r"\bar x = \bar y\,[x > t]",
    samples=lambda r: [S(normal(r, 3, 4), 0.1, 20.0), S(normal(r, 3), threshold=-0.5, value=1.5), S(np.array([0.5, np.nan]), 0.5, 2.0, grad=False)],
    reference=lambda x, threshold, value: np.where(x <= threshold, value, x),
    numbers=True,
)
def threshold(xp, x, *, threshold, value):
    """Elements above ``threshold`` as they are, ``value`` in place of the others.

    >>> import minigrad
    >>> minigrad.threshold(minigrad.tensor([0.5, 2.0]), 1.0, 9.0)
    tensor([9., 2.])
    """
    return xp.where(xp.less_equal(x, threshold), value, x)


@activation(
    spaces="torch Tensor functional",
    vjp=(lambda xp, g, y, x, lambd: xp.where(xp.logical_and(xp.greater_equal(x, -lambd), xp.less_equal(x, lambd)), 0.0, g),),
    formula=r"y = x \text{ for } |x| > \lambda, \text{ else } 0",
    derivative=r"\bar x = \bar y\,[|x| > \lambda]",
    onnx="Shrink",
    samples=lambda r: [*_pieces(0.5, -0.5)(r), S(normal(r, 5), 1.0), S(normal(r, 5), lambd=0.1)],
    errors=_refuses_integers,
    reference=lambda x, lambd=0.5: np.where(np.abs(x) <= lambd, 0.0, x),
)
def hardshrink(xp, x, *, lambd=0.5):
    """Elements farther from 0 than ``lambd`` as they are, 0 in place of the others.

    >>> import minigrad
    >>> minigrad.hardshrink(minigrad.tensor([-1.0, 0.2, 1.0]))
    tensor([-1.,  0.,  1.])
    """
    return xp.where(xp.logical_and(xp.greater_equal(x, -lambd), xp.less_equal(x, lambd)), 0.0, x)


def _softshrink_reference(x, lambd=0.5):
    return np.where(np.isnan(x), x, np.sign(x) * np.maximum(np.abs(x) - lambd, 0.0))


@activation(
    vjp=(lambda xp, g, x, lambd: xp.where(xp.logical_and(xp.greater_equal(x, -lambd), xp.less_equal(x, lambd)), 0.0, g),),
    formula=r"y = \mathrm{sign}(x) \max(|x| - \lambda, 0)",
    derivative=r"\bar x = \bar y\,[|x| > \lambda]",
    onnx="Shrink",
    samples=lambda r: [*_pieces(0.5, -0.5)(r), S(normal(r, 5), 1.0), S(normal(r, 5), lambd=0.1)],
    errors=lambda r: [E(RuntimeError, "lambda must be greater or equal to 0, but found to be -1", normal(r, 3), -1.0), *_refuses_integers(r)],
    reference=_softshrink_reference,
)
def softshrink(xp, x, *, lambd=0.5):
    """Each element moved towards 0 by ``lambd``, and not beyond.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.softshrink(minigrad.tensor([-1.0, 0.2, 1.0]))
    tensor([-0.5000,  0.0000,  0.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}")
    return x - xp.maximum(xp.minimum(x, lambd), -lambd)


@activation(
    vjp=(lambda xp, g, x: xp.where(xp.logical_and(xp.greater(x, -3.0), xp.less(x, 3.0)), g / 6.0, 0.0),),
    formula=r"y = \min(\max(x + 3, 0), 6) / 6",
    derivative=r"\bar x = \bar y\,[|x| < 3] / 6",
    onnx="HardSigmoid",
    samples=_pieces(-3.0, 3.0, low=-5.0, high=5.0),
    errors=_refuses_integers,
    reference=lambda x: np.clip(x / 6 + 0.5, 0, 1),
)
def hardsigmoid(xp, x):
    """A straight-line approximation of the sigmoid: 0 below -3, 1 above 3.

    Howard et al., "Searching for MobileNetV3", ICCV 2019.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.hardsigmoid(minigrad.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0) / 6.0


@activation(
    vjp=(lambda xp, g, x: xp.where(xp.less(x, 3.0), xp.where(xp.less_equal(x, -3.0), 0.0, g * (x / 3.0 + 0.5)), g),),
    formula=r"y = x \min(\max(x + 3, 0), 6) / 6",
    derivative=r"\bar x = \bar y\,(x / 3 + 1 / 2) \text{ for } |x| < 3, \text{ else } \bar y\,[x > 0]",
    onnx="HardSwish",
    samples=lambda r: [*unary(-5.0, 5.0)(r), S(np.array([-3.0, 3.0, 0.0, np.nan]), grad=False)],
    errors=_refuses_integers,
    reference=lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
)
def hardswish(xp, x):
    """``x * hardsigmoid(x)``.

    Howard et al., "Searching for MobileNetV3", ICCV 2019.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.hardswish(minigrad.tensor([-4.0, 0.0, 4.0]))
    tensor([-0.,  0.,  4.])
    """
    return x * xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0) / 6.0


# ------------------------------------------------------------------------------------------------------------------- exponential
def _exp_of_negative(xp, x):
    """exp(x) where x < 0, and 1 elsewhere: it never overflows."""
    return xp.exp(xp.where(xp.greater(x, 0), 0.0, x))


@activation(
    vjp=(lambda xp, g, x, alpha: xp.where(xp.less_equal(x, 0), g * (alpha * _exp_of_negative(xp, x)), g),),
    formula=r"y = x \text{ for } x > 0, \text{ else } \alpha (e^x - 1)",
    derivative=r"\bar x = \bar y \text{ for } x > 0, \text{ else } \bar y\,\alpha e^x",
    onnx="Elu",
    samples=lambda r: [*_pieces()(r), S(normal(r, 5), 2.0), S(normal(r, 5), alpha=0.5, inplace=False)],
    errors=_refuses_integers,
    reference=lambda x, alpha=1.0, inplace=False: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
)
def elu(xp, x, *, alpha=1.0):
    """Positive elements as they are, ``alpha * (exp(x) - 1)`` for the others.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units", ICLR 2016.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.elu(minigrad.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return xp.where(xp.greater(x, 0), x, alpha * xp.expm1(xp.minimum(x, 0)))


@activation(
    spaces="torch functional",
    vjp=(lambda xp, g, x: xp.where(xp.less_equal(x, 0), g * (SELU_SCALE * SELU_ALPHA * _exp_of_negative(xp, x)), g * SELU_SCALE),),
    formula=r"y = s x \text{ for } x > 0, \text{ else } s \alpha (e^x - 1)",
    derivative=r"\bar x = s \bar y \text{ for } x > 0, \text{ else } s \alpha e^x \bar y",
    onnx="Selu",
    samples=_pieces(),
    errors=_refuses_integers,
    reference=lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
)
def selu(xp, x):
    """A scaled elu that keeps mean 0 and variance 1 from layer to layer.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    >>> import minigrad
    >>> minigrad.selu(minigrad.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return xp.where(xp.greater(x, 0), SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * xp.expm1(xp.minimum(x, 0)))


@activation(
    spaces="torch functional",
    vjp=(lambda xp, g, x, alpha: xp.where(xp.less_equal(x, 0), g * xp.exp(xp.where(xp.greater(x, 0), 0.0, x) / alpha), g),),
    formula=r"y = x \text{ for } x > 0, \text{ else } \alpha (e^{x / \alpha} - 1)",
    derivative=r"\bar x = \bar y \text{ for } x > 0, \text{ else } \bar y\,e^{x / \alpha}",
    onnx="Celu",
    samples=lambda r: [*_pieces()(r), S(normal(r, 5), 2.0), S(normal(r, 5), alpha=0.5)],
    errors=lambda r: [*_refuses_integers(r), E(RuntimeError, "alpha cannot be 0", normal(r, 3), alpha=0.0)],
    reference=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
)
def celu(xp, x, *, alpha=1.0):
    """Like elu, with a continuous derivative for every ``alpha``.

    Barron, "Continuously differentiable exponential linear units", 2017.

    >>> import minigrad
    >>> minigrad.celu(minigrad.tensor([-1.0, 2.0]), alpha=2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return xp.where(xp.greater(x, 0), x, alpha * xp.expm1(xp.minimum(x, 0) / alpha))


@activation(
    vjp=(lambda xp, g, x, beta, threshold: xp.where(xp.greater(x * beta, threshold), g, g * xp.sigmoid(x * beta)),),
    formula=r"y = \frac{1}{\beta} \ln(1 + e^{\beta x})",
    derivative=r"\bar x = \bar y\,\sigma(\beta x)",
    onnx="Softplus",
    samples=lambda r: [*unary(-4.0, 4.0)(r), S(normal(r, 5), 2.0), S(normal(r, 5), beta=3.0, threshold=0.5), S(np.array([100.0, -100.0, np.nan]), grad=False)],
    errors=_refuses_integers,
    reference=lambda x, beta=1.0, threshold=20.0: np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta),
)
def softplus(xp, x, *, beta=1.0, threshold=20.0):
    """A smooth relu; the identity where ``beta * x > threshold``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.softplus(minigrad.tensor([-1.0, 0.0, 30.0]))
    tensor([ 0.3133,  0.6931, 30.0000])
    """
    b = x * beta
    return xp.where(xp.greater(b, threshold), x, (xp.maximum(b, 0.0) + xp.log1p(xp.exp(-xp.abs(b)))) / beta)


@activation(
    vjp=(lambda xp, g, x: g * xp.sigmoid(-x),),
    formula=r"y = \ln \sigma(x)",
    derivative=r"\bar x = \bar y\,\sigma(-x)",
    samples=lambda r: [*unary(-4.0, 4.0)(r), S(np.array([100.0, -100.0, np.nan]), grad=False)],
    errors=_refuses_integers,
    reference=lambda x: -np.logaddexp(0, -x),
)
def logsigmoid(xp, x):
    """The logarithm of the sigmoid, exact for very negative elements.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.logsigmoid(minigrad.tensor([-100.0, 0.0]))
    tensor([-100.0000,   -0.6931])
    """
    return xp.minimum(x, 0.0) - xp.log1p(xp.exp(-xp.abs(x)))


# ------------------------------------------------------------------------------------------------------------------------ smooth
def _normal_cdf(x):
    return 0.5 * np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2.0))


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(
        lambda xp, g, x: g * (0.5 * (1.0 + xp.erf(x * math.sqrt(0.5))) + x * (xp.exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi)))),
    ),
    formula=r"y = x \Phi(x) = \frac{x}{2} \left(1 + \mathrm{erf}(x / \sqrt 2)\right)",
    derivative=r"\bar x = \bar y\,(\Phi(x) + x \varphi(x))",
    onnx="Gelu",
    samples=unary(-4.0, 4.0),
    reference=lambda x: x * _normal_cdf(x),
)
def gelu(xp, x):
    """x times the probability that a standard normal number is below x."""
    return 0.5 * x * (1.0 + xp.erf(x * math.sqrt(0.5)))


ROOT, CUBE = math.sqrt(2.0 / math.pi), 0.044715


def _gelu_tanh_rule(xp, g, x):
    t = xp.tanh(ROOT * (x + CUBE * x * x * x))
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * (ROOT * (1.0 + 3.0 * CUBE * x * x)))


@op(
    kind="elementwise",
    names="",
    promote="float",
    vjp=(_gelu_tanh_rule,),
    formula=r"y = \frac{x}{2} (1 + t), \quad t = \tanh(\sqrt{2 / \pi}\,(x + 0.044715 x^3))",
    derivative=r"\bar x = \bar y\,\left(\frac{1 + t}{2} + \frac{x}{2} (1 - t^2) \sqrt{2 / \pi}\,(1 + 3 \cdot 0.044715 x^2)\right)",
    onnx="Gelu",
    samples=unary(-4.0, 4.0),
    reference=lambda x: x / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
)
def gelu_tanh(xp, x):
    """The approximation of gelu by tanh."""
    return 0.5 * x * (1.0 + xp.tanh(ROOT * (x + CUBE * x * x * x)))


@function("gelu", spaces="functional", formula=r"y = x \Phi(x)", derivative=r"\bar x = \bar y\,(\Phi(x) + x \varphi(x))",
          samples=lambda r: [*unary(-4.0, 4.0)(r), S(normal(r, 5), approximate="none"), S(normal(r, 5), approximate="tanh")],
          errors=lambda r: [E(RuntimeError, "approximate argument must be either none or tanh", normal(r, 3), approximate="sigmoid"), *_refuses_integers(r)],
          reference=lambda x, approximate="none": x * _normal_cdf(x) if approximate == "none" else 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))  # fmt: skip
def _gelu(input, approximate="none"):
    """x times the probability that a standard normal number is below x.

    Args:
        input: float tensor of any shape.
        approximate: "none", or "tanh" for the approximation that GPT-2 used.

    Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.gelu(minigrad.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    _require_float("gelu", input)
    if approximate == "none":
        return gelu(input)
    if approximate == "tanh":
        return gelu_tanh(input)
    raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")


def _require_float(name, input):
    if not input.is_floating_point():
        raise RuntimeError(f'"{name}" not implemented for {input.dtype}: convert the tensor with .float() first')


def _silu_rule(xp, g, x):
    s = xp.sigmoid(x)
    return g * (s * (1.0 + x * (1.0 - s)))


@activation(
    vjp=(_silu_rule,),
    formula=r"y = x\,\sigma(x)",
    derivative=r"\bar x = \bar y\,\sigma(x) (1 + x (1 - \sigma(x)))",
    samples=lambda r: [*unary(-4.0, 4.0)(r), S(normal(r, 3), inplace=False)],
    errors=_refuses_integers,
    reference=lambda x, inplace=False: x / (1 + np.exp(-x)),
)
def silu(xp, x):
    """``x * sigmoid(x)``, also called swish.

    Elfwing et al., "Sigmoid-weighted linear units for neural network function approximation", 2017.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.silu(minigrad.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.0000,  0.7311])
    """
    return x * xp.sigmoid(x)


def _mish_rule(xp, g, x):
    t = xp.tanh(xp.softplus(x, beta=1.0, threshold=20.0))
    return g * (t + x * xp.sigmoid(x) * (1.0 - t * t))


@activation(
    vjp=(_mish_rule,),
    formula=r"y = x \tanh(\ln(1 + e^x))",
    derivative=r"\bar x = \bar y\,(t + x \sigma(x) (1 - t^2)), \quad t = \tanh(\ln(1 + e^x))",
    onnx="Mish",
    samples=unary(-4.0, 4.0),
    errors=_refuses_integers,
    reference=lambda x: x * np.tanh(np.log1p(np.exp(x))),
)
def mish(xp, x):
    """``x * tanh(softplus(x))``.

    Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.mish(minigrad.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    return x * xp.tanh(xp.softplus(x, beta=1.0, threshold=20.0))


@function("softsign", spaces="functional", formula=r"y = x / (1 + |x|)", derivative=r"\bar x = \bar y / (1 + |x|)^2",
          samples=unary(), reference=lambda x: x / (1 + np.abs(x)))  # fmt: skip
def softsign(input):
    """``x / (1 + |x|)``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.softsign(minigrad.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.5000,  0.0000,  0.5000])
    """
    return input / (input.abs() + 1)


@function("tanhshrink", spaces="functional", formula=r"y = x - \tanh x", derivative=r"\bar x = \bar y \tanh^2 x",
          samples=unary(), reference=lambda x: x - np.tanh(x))  # fmt: skip
def tanhshrink(input):
    """``x - tanh(x)``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.tanhshrink(minigrad.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return input - input.tanh()


def _glu_reference(x, dim=-1):
    a, b = np.split(x, 2, axis=dim)
    return a / (1 + np.exp(-b))


@function("glu", spaces="functional", formula=r"y = a\,\sigma(b), \quad x = [a; b]",
          derivative=r"\bar a = \bar y\,\sigma(b), \quad \bar b = \bar y\,a\,\sigma(b) (1 - \sigma(b))",
          samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 4, 3), 0), S(normal(r, 2, 4, 3), dim=-2)],
          errors=lambda r: [E(RuntimeError, "Halving dimension must be even, but dimension 1 is size 3", normal(r, 2, 3)), E(IndexError, "out of range", normal(r, 4), 1),
                            E(RuntimeError, "glu does not support 0-dimensional tensors", normal(r))],
          reference=_glu_reference)  # fmt: skip
def glu(input, dim=-1):
    """The first half of ``input`` along ``dim`` times the sigmoid of the second.

    Raises:
        RuntimeError: where the size along ``dim`` is odd.

    Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.glu(minigrad.tensor([1.0, 2.0, 0.0, 0.0]))
    tensor([0.5000, 1.0000])
    """
    from .shape import positive_dim

    shape = input.array.shape
    if not shape:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    d = positive_dim("glu", dim, len(shape))
    if shape[d] % 2:
        raise ShapeError(f"glu: Halving dimension must be even, but dimension {d} is size {shape[d]}")
    lead, half = (slice(None),) * d, shape[d] // 2
    return input[(*lead, slice(0, half))] * input[(*lead, slice(half, None))].sigmoid()
