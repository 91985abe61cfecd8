"""Activation functions, element by element. Those of one formula in several pieces take their gradient 0 where PyTorch does."""

import inspect

import numpy as np

from ..errors import ShapeError, UnsupportedError
from ..graph import serial
from ..op import E, S, faces, function, op
from ..views import write
from .samples import normal, unary


def activation(names=None, spaces="functional", *, numbers=False, **about):
    """``@op`` for a function of one array, whose public form takes PyTorch's ``inplace`` too.

    ``numbers``: whether integers are welcome; otherwise they are an error, as in PyTorch.
    """
    published = {k: about[k] for k in ("samples", "errors", "reference", "formula", "derivative", "parity") if k in about}

    def decorate(body):
        name = (names or body.__name__).split()[0]
        call = op(
            kind="elementwise",
            names="",
            promote=numbers or "float",
            **{**about, "samples": _inner_samples(about["samples"], body), "errors": None},
        )(body)
        statics = list(inspect.signature(body).parameters.values())[2:]
        order = [p.name for p in statics] + ["inplace"]

        def public(input, *args, **kwargs):
            if args:
                kwargs.update(zip(order, args, strict=False))
            inplace = kwargs.pop("inplace", False)
            if not numbers and not input.is_floating_point():
                raise UnsupportedError(f'"{name}" not implemented for {input.dtype}: convert the tensor with .float() first')
            since = serial()
            out = call(input, **kwargs)
            return write(input, out, since) if inplace else out

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
    return [E(NotImplementedError, "not implemented for", np.array([1, 2]))]


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


@function(
    "relu",
    spaces="functional",
    formula=r"y = \max(x, 0)",
    derivative=r"\bar x = \bar y\,[x > 0]",
    samples=lambda r: [*_pieces()(r), S(normal(r, 3), inplace=False)],
    reference=lambda x, inplace=False: np.where(x < 0, 0.0, x),
)
def _relu(input, inplace=False):
    """The larger of each element and 0; with ``inplace`` written into ``input``. See :func:`minigrad.relu`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.relu(minigrad.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    since = serial()
    return write(input, relu(input), since) if inplace else relu(input)


@activation(
    vjp=(
        lambda xp, g, x, min_val, max_val: xp.where(
            xp.logical_or(xp.less_equal(x, min_val), xp.greater_equal(x, max_val)), 0.0, g
        ),
    ),
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
    if x.dtype.kind in "iu":  # integers stay integers, and their bounds lose their fractions
        min_val, max_val = int(min_val), int(max_val)
    return xp.minimum(xp.maximum(x, min_val), max_val)


@function(
    "relu6",
    spaces="functional",
    formula=r"y = \min(\max(x, 0), 6)",
    derivative=r"\bar x = \bar y\,[0 < x < 6]",
    samples=lambda r: [*_pieces(6.0, low=-3.0, high=9.0)(r), S(normal(r, 3), inplace=False)],
    reference=lambda x, inplace=False: np.clip(x, 0.0, 6.0),
)
def relu6(input, inplace=False):
    """Each element kept in [0, 6].

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.relu6(minigrad.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0, 6, inplace)  # whole bounds: integers stay integers


@activation(
    vjp=(lambda xp, g, x, negative_slope: xp.where(xp.greater(x, 0), g, g * negative_slope),),
    formula=r"y = x \text{ for } x > 0, \text{ else } a x",
    derivative=r"\bar x = \bar y \text{ for } x > 0, \text{ else } a \bar y",
    onnx="LeakyRelu",
    samples=lambda r: [
        *_pieces()(r),
        S(normal(r, 5), 0.2),
        S(normal(r, 5), negative_slope=-0.5),
        S(normal(r, 5), 1.5, inplace=False),
    ],
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
    if 0.0 < negative_slope <= 1.0:
        return xp.maximum(x, x * negative_slope)  # the same, of infinities and NaN, too
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


@function(
    "prelu",
    spaces="torch Tensor functional",
    formula=r"y = x \text{ for } x > 0, \text{ else } w_c x",
    derivative=r"\bar x = \bar y \text{ or } w_c \bar y, \quad \bar w_c = \sum_{x \le 0} x \bar y",
    samples=lambda r: [
        S(normal(r, 2, 3, 4), normal(r, 3)),
        S(normal(r, 2, 3), normal(r, 1)),
        S(normal(r, 4), normal(r, 1)),
        S(normal(r, 2, 3), normal(r)),
    ],
    errors=lambda r: [
        E(RuntimeError, "Mismatch of parameter numbers and input channel size", normal(r, 2, 3, 4), normal(r, 4)),
        E(RuntimeError, "Expected `weight` to be a scalar or 1D", normal(r, 2, 3), normal(r, 3, 1)),
    ],
    reference=_prelu_reference,
)
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
    if not ndim and slopes != 1:
        raise ShapeError(f"prelu: Not allow zero-dim input tensor. It has one channel, but there are {slopes} weights")
    channels = input.array.shape[1] if ndim > 1 else 1
    if slopes not in (1, channels):
        raise ShapeError(
            f"prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = {slopes} and channel "
            f"size = {channels}"
        )
    shape = (slopes, *(1,) * (ndim - 2)) if slopes > 1 else (1,) * ndim
    return leaky(input, weight.reshape(shape))


@function(
    "rrelu",
    spaces="torch functional",
    formula=r"y = x \text{ for } x \ge 0, \text{ else } a x, \quad a \sim U[l, u)",
    samples=lambda r: [
        S(normal(r, 3, 4)),
        S(normal(r, 5), 0.1, 0.6),
        S(normal(r, 5), 0.25, 0.25, training=True),
        S(normal(r, 3, 4), training=True),
    ],
    errors=lambda r: [E(RuntimeError, "Lower bound should be less than or equal to the upper bound", normal(r, 3), 0.5, 0.1)],
    parity="PyTorch's generator has other bits",
)
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
    since = serial()
    if training:
        from .drawing import draw_slopes

        out = leaky(input, draw_slopes(input, lower, upper))
    else:
        out = leaky_relu(input, (lower + upper) / 2)
    return write(input, out, since) if inplace else out


@activation(
    spaces="torch functional",
    vjp=(lambda xp, g, x, threshold: xp.where(xp.less_equal(x, threshold), 0.0, g),),
    formula=r"y = x \text{ for } x > t, \text{ else } v",
    derivative=r"\bar x = \bar y\,[x > t]",
    samples=lambda r: [
        S(normal(r, 3, 4), 0.1, 20.0),
        S(normal(r, 3), threshold=-0.5, value=1.5),
        S(np.array([0.5, np.nan]), 0.5, 2.0, grad=False),
    ],
    reference=lambda x, threshold, value: np.where(x <= threshold, value, x),
    numbers=True,
)
def threshold(xp, x, *, threshold, value):
    """Elements above ``threshold`` as they are, ``value`` in place of the others.

    >>> import minigrad
    >>> minigrad.threshold(minigrad.tensor([0.5, 2.0]), 1.0, 9.0)
    tensor([9., 2.])
    """
    if x.dtype.kind in "iu":  # integers stay integers, and the numbers lose their fractions
        threshold, value = int(threshold), int(value)
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
    errors=lambda r: [
        E(RuntimeError, "lambda must be in range .* but found -1", normal(r, 3), -1.0),
        *_refuses_integers(r),
    ],
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
        raise RuntimeError(f"lambda must be in range [0, inf) for input dtype {x.dtype}, but found {lambd}")
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
    tensor([-0., 0., 4.])
    """
    return x * xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0) / 6.0


# ------------------------------------------------------------------------------------------------------------------ in place
def _publish_in_place(name, spaces, example):
    """``F.name_``: the result is written into the input."""
    face = faces[f"nn.functional.{name}"]

    def call(input, *args, **kwargs):
        since = serial()
        return write(input, face.call(input, *args, **kwargs), since)

    call.__name__ = call.__qualname__ = name + "_"
    call.__doc__ = f"""In-place version of :func:`{name}`: the result is written into ``input``, which is returned.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> x = minigrad.tensor([-1.0, 2.0])
    >>> F.{name}_(x{example[0]}); x
    tensor({example[1]})
    tensor({example[1]})
    """

    def samples(r):
        return [S(*s.args, grad=False, **{k: v for k, v in s.kwargs.items() if k != "inplace"}) for s in face.samples(r)]

    function(
        name + "_",
        spaces=spaces,
        samples=samples,
        formula=face.formula,
        derivative=face.derivative,
        reference=face.reference,
        parity=face.parity,
    )(call)


_publish_in_place("relu", "functional", ("", "[0., 2.]"))
_publish_in_place("hardtanh", "functional", (", 0.0, 1.0", "[0., 1.]"))
_publish_in_place("leaky_relu", "functional", (", 0.5", "[-0.5000,  2.0000]"))
_publish_in_place("threshold", "torch functional", (", 0.0, 9.0", "[9., 2.]"))
_publish_in_place("rrelu", "torch functional", (", 0.5, 0.5", "[-0.5000,  2.0000]"))
