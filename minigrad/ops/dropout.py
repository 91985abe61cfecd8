"""Dropout in its forms. A mask is not stored: it is a function of a key, and is computed again in the backward pass.

With engine mt19937, whose numbers come only once, the mask is drawn before and kept.

Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).
"""

import math
import warnings

import numpy as np

from ..dispatch import apply
from ..mt19937 import placed, visiting_order
from ..op import E, S, function, op, registry
from ..views import write
from .drawing import draw_uniform, is_stream, key_tensor, memory_of, streamed
from .random import FLOAT32, FLOAT64, NO_PARITY, reference_bits
from .samples import normal

ALPHA = 1.7580993408473766  # minus the lower limit of selu, scale * alpha


def _reference_dropout(x, key, *, p):
    keep = reference_bits(key, x.size).reshape(x.shape) >= np.floor(p * 2.0**32)
    return np.where(keep, x / (1 - p), 0.0)


@op(
    kind="random",
    names="",
    vjp=(lambda xp, g, key, p: xp.dropout(g, key, p=p), None),
    samples=lambda r: [
        S(normal(r, 3, 4), np.array([5, 9]), p=0.5),
        S(normal(r, 7), np.array([-1, 0]), p=0.1),
        S(normal(r), np.array([2, 0]), p=0.2),
        S(normal(r, 2, 0), np.array([1, 1]), p=0.5),
    ],
    reference=_reference_dropout,
    formula=r"y_i = x_i m_i / (1 - p), \quad P(m_i = 1) = 1 - p",
    derivative=r"\bar x_i = \bar y_i m_i / (1 - p)",
    onnx="Dropout",
)
def dropout(xp, x, key, *, p):
    """``x`` with each element dropped with probability ``p`` in [0, 1) and the others scaled by 1 / (1 - p)."""
    keep = xp.greater_equal(xp.philox(key, count=math.prod(x.shape)), math.floor(p * 2.0**32))
    mask = xp.astype(xp.reshape(keep, shape=tuple(x.shape)), dtype=x.dtype)
    return x * mask * xp.full(x, shape=(), value=1.0 / (1.0 - p))


def _forms(*shapes):
    """Samples of a dropout of the given shapes: both modes, and probabilities 0 and 1."""

    def samples(r):
        x = [normal(r, *shape) for shape in shapes]
        return [*map(S, x), S(x[0], p=0.2), S(x[0], 0.5, False), S(x[0], 0.0), S(x[0], 1.0), S(x[0], p=0.3, inplace=False)]

    return samples


def _errors(r):
    wrong = "dropout probability has to be between 0 and 1, but got"
    return [E(ValueError, wrong, normal(r, 3, 4), 1.5), E(ValueError, wrong, normal(r, 3, 4), -0.1)]


def _checked(p):
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return float(p)


@function(
    "dropout",
    spaces="torch functional",
    samples=_forms((3, 4), (5,), ()),
    errors=_errors,
    parity=NO_PARITY,
    formula=r"y_i = x_i m_i / (1 - p), \quad P(m_i = 1) = 1 - p",
    derivative=r"\bar x_i = \bar y_i m_i / (1 - p)",
)
def _dropout(input, p=0.5, training=True, inplace=False):
    """Drop each element with probability ``p`` and scale the others by 1 / (1 - p), so that the expected value stays.

    Args:
        input: float tensor of any shape.
        p: the probability, 0 to 1.
        training: False returns the input as it is.
        inplace: write the result into ``input``.

    Raises:
        ValueError: for a probability outside [0, 1].

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.dropout(minigrad.ones(3), p=1.0)
    tensor([0., 0., 0.])
    >>> F.dropout(minigrad.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    p = _checked(p)
    if not training or p == 0.0:
        return input
    if p == 1.0:
        out = input * 0.0
    elif is_stream(None):
        out = input if input.array.size == 0 else input * _noise(input, 1.0 - p)
    else:
        out = apply(registry["dropout"], (input, key_tensor(None, input.array.size)), {"p": p})
    return write(input, out) if inplace else out


def _noise(input, kept):
    """1 / kept with probability ``kept``, else 0, from the stream of engine mt19937: a mask that is not drawn again."""
    array = memory_of(input)
    shape, order, dtype = array.shape, visiting_order(array), array.dtype
    number = np.float64 if dtype == FLOAT64 else np.float32
    scale = number(1.0) / number(kept)

    def draw(twister):
        mask = placed(twister.bernoulli(math.prod(shape), kept), shape, order)
        return (mask * scale).astype(dtype, copy=False)

    return streamed(None, input.device, draw)


def _by_channel(name, input, p, training, inplace, ndims, without_batch):
    """Dropout of whole channels: one draw for each (sample, channel), or for each channel of a sample without a batch."""
    p = _checked(p)
    ndim = input.array.ndim
    if ndim not in ndims:
        message = (
            f"{name}: Expected {' or '.join(f'{n}D' for n in ndims)} input, but received a {ndim}D input of shape "
            f"{tuple(input.shape)}"
        )
        if ndim < 2 or name == "dropout1d":
            raise RuntimeError(message)
        warnings.warn(
            f"{message}; its first two dimensions count as sample and channel: use dropout() for features", stacklevel=3
        )
    if not training or p == 0.0:
        return input
    lead = 1 if ndim == without_batch else 2
    shape = (*input.array.shape[:lead], *(1,) * (ndim - lead))
    out = input * _dropout(_ones(input, shape), p)
    return write(input, out) if inplace else out


def _ones(like, shape):
    return apply(registry["full"], (like.detach(),), {"shape": shape, "value": 1.0})


def _channel_dropout(name, shapes, ndims, without_batch, example):
    def dropout(input, p=0.5, training=True, inplace=False):
        return _by_channel(name, input, p, training, inplace, ndims, without_batch)

    dropout.__name__ = dropout.__qualname__ = name
    dropout.__doc__ = f"""Drop whole channels with probability ``p`` and scale the others by 1 / (1 - p).

    Args:
        input: {example}; the same without the batch dimension.
        p, training, inplace: as for :func:`dropout`.

    Raises:
        ValueError: for a probability outside [0, 1].
        RuntimeError: for an input with too few dimensions. With another number than these PyTorch warns, and so do we.

    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.{name}(minigrad.ones({", ".join(["2"] * ndims[-1])}), training=False).shape
    minigrad.Size({[2] * ndims[-1]})
    """
    return function(
        name,
        spaces="functional",
        samples=_forms(*shapes),
        parity=NO_PARITY,
        errors=lambda r: [*_errors_of(shapes[0])(r), E(RuntimeError, "input, but received a 1D", normal(r, 3))],
        formula=r"y_{nc} = x_{nc} m_{nc} / (1 - p)",
        derivative=r"\bar x_{nc} = \bar y_{nc} m_{nc} / (1 - p)",
    )(dropout)


def _errors_of(shape):
    return lambda r: [E(ValueError, "dropout probability has to be between 0 and 1", normal(r, *shape), 1.5)]


dropout1d = _channel_dropout("dropout1d", [(2, 3, 2), (3, 4)], (2, 3), 2, "(N, C, L)")
dropout2d = _channel_dropout("dropout2d", [(2, 3, 2, 2), (3, 2, 2)], (3, 4), None, "(N, C, H, W)")
dropout3d = _channel_dropout("dropout3d", [(2, 3, 2, 2, 1), (3, 2, 2, 2)], (4, 5), 4, "(N, C, D, H, W)")


def _alpha_dropout(input, p, shape, order=None):
    """Dropped elements become the lower limit of selu; then the mean and variance of before are restored."""
    if p == 1.0:
        return input * 0.0
    if is_stream(None):
        keep = draw_uniform(shape, FLOAT64, input.device, None, order) < 1.0 - p
    else:
        keep = draw_uniform(shape, FLOAT32, input.device) >= p
    keep = keep.to(input.dtype)
    scale = 1.0 / math.sqrt((ALPHA * ALPHA * p + 1.0) * (1.0 - p))
    return input * (keep * scale) + ((keep - 1.0) * (ALPHA * scale) + ALPHA * scale * p)


@function(
    "alpha_dropout",
    spaces="torch functional",
    samples=_forms((3, 4), (5,)),
    errors=_errors,
    parity=NO_PARITY,
    formula=r"y = a\,(x m - \alpha' (1 - m)) + b",
    derivative=r"\bar x = a\,m\,\bar y",
)
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean 0 and variance 1, for networks with selu activations. Arguments as for :func:`dropout`.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.alpha_dropout(minigrad.ones(2))
    tensor([1., 1.])
    """
    p = _checked(p)
    if not training or p == 0.0:
        return input
    out = _alpha_dropout(input, p, tuple(input.array.shape), visiting_order(memory_of(input)))
    return write(input, out) if inplace else out


def _at_once(call):
    """PyTorch's functions under ``torch`` write into the input under a name of their own."""

    def written(input, p, train):
        return call(input, p, train, inplace=True)

    written.__doc__ = f"""In-place version of :func:`{call.__name__}`: the result is written into ``input``, which is returned.

    >>> import minigrad
    >>> minigrad.{call.__name__}_(minigrad.ones(2, 2), 0.5, False)
    tensor([[1., 1.],
            [1., 1.]])
    """
    samples = lambda r: [S(normal(r, 3, 4), 0.0, True), S(normal(r, 3, 4), 0.5, False)]
    function(call.__name__ + "_", spaces="torch", samples=samples, reference=lambda x, p, train: x, parity=NO_PARITY)(written)


@function("feature_dropout", spaces="torch", parity=NO_PARITY, samples=_forms((2, 3, 2), (3, 4)), errors=_errors,
          formula=r"y_{nc} = x_{nc} m_{nc} / (1 - p)", derivative=r"\bar x_{nc} = \bar y_{nc} m_{nc} / (1 - p)")  # fmt: skip
def feature_dropout(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels: one draw for each (sample, channel) of an input with at least two dimensions.

    >>> import minigrad
    >>> minigrad.feature_dropout(minigrad.ones(2, 2), 0.0, True)
    tensor([[1., 1.],
            [1., 1.]])
    """
    if input.array.ndim < 2 and training and p:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _by_channel("feature_dropout", input, p, training, inplace, range(2, 65), None)


@function(
    "feature_alpha_dropout",
    spaces="torch functional",
    samples=_forms((2, 3, 2), (3, 4)),
    errors=_errors,
    parity=NO_PARITY,
    formula=r"y_{nc} = a\,(x_{nc} m_{nc} - \alpha' (1 - m_{nc})) + b",
    derivative=r"\bar x_{nc} = a\,m_{nc}\,\bar y_{nc}",
)
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """:func:`alpha_dropout` of whole channels: one draw for each (sample, channel).

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.feature_alpha_dropout(minigrad.ones(2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    p = _checked(p)
    if not training or p == 0.0:
        return input
    shape = input.array.shape
    out = _alpha_dropout(input, p, (*shape[:2], *(1,) * (len(shape) - 2)))
    return write(input, out) if inplace else out


for _call in (_dropout, alpha_dropout, feature_dropout, feature_alpha_dropout):
    _at_once(_call)
