"""Padding: with a constant, by reflection, by repeating the edge, and around."""

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError
from ..op import E, S, function, op, registry
from .joining import cat
from .samples import normal
from .splitting import along, part


def _inside(widths, shape):
    """The key of what lies between the padding."""
    return tuple(("slice", a, a + n, None) for (a, _), n in zip(widths, shape))


@op(
    names="",
    vjp=(lambda xp, g, widths, x_shape: xp.getitem(g, key=_inside(widths, x_shape)),),
    formula=r"y_{i + a} = x_i",
    derivative=r"\bar x_i = \bar y_{i + a}",
    onnx="Pad",
    samples=lambda r: [S(normal(r, 3), widths=((1, 2),)), S(normal(r, 2, 3), widths=((0, 1), (2, 0)), value=1.5)],
)
def pad(xp, x, *, widths, value=0):
    """``x`` with ``value`` around it; ``widths`` is one (before, after) pair per axis, none of them negative."""
    return xp.pad(x, widths=widths, value=value)


_NUMPY = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _numpy_pad(x, pad, mode="constant", value=None):
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [tuple(pad[i : i + 2]) for i in range(len(pad) - 2, -1, -2)]
    x = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, x.shape))]
    pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    return np.pad(x, pairs, constant_values=value or 0) if mode == "constant" else np.pad(x, pairs, mode=_NUMPY[mode])


def _samples(r):
    return [
        S(normal(r, 2, 3), (1, 2)),
        S(normal(r, 2, 3), (1, 0, 0, 2), value=1.5),
        S(normal(r, 4, 5), (-1, 2, 1, -2)),
        S(normal(r, 2, 0), (1, 1)),
        S(normal(r, 1, 2, 5), (2, 1), mode="reflect"),
        S(normal(r, 1, 2, 5), (2, 3), mode="replicate"),
        S(normal(r, 1, 2, 3), (3, 2), "circular"),
        S(normal(r, 1, 1, 3, 4), (1, 2, 2, 0), mode="reflect"),
        S(normal(r, 1, 1, 3, 4), (1, 0, 2, 5), mode="replicate"),
        S(normal(r, 1, 1, 3, 2), (1, 2, 0, 1), mode="circular"),
        S(normal(r, 1, 1, 2, 2, 2), (1, 0, 0, 1, 1, 1), mode="replicate"),
        S(normal(r, 1, 2, 5), (-1, 2), mode="replicate"),
    ]


def _errors(r):
    return [
        E(RuntimeError, "divisible by 2", normal(r, 3), (1,)),
        E(RuntimeError, "no more than twice", normal(r, 3), (1, 1, 1, 1)),
        E(RuntimeError, "less than the corresponding input dimension", normal(r, 1, 2, 3), (3, 0), mode="reflect"),
        E(RuntimeError, "wrap", normal(r, 1, 2, 3), (4, 0), mode="circular"),
        E(RuntimeError, "resulted in a negative", normal(r, 3), (-2, -2)),
        E(NotImplementedError, "mode", normal(r, 3), (1, 1), mode="edge"),
        E(NotImplementedError, "Only 2D, 3D, 4D, 5D padding", normal(r, 3), (1, 1), mode="reflect"),
        E(ValueError, "value", normal(r, 1, 2, 3), (1, 1), mode="reflect", value=2.0),
    ]


@function("pad", spaces="functional", samples=_samples, errors=_errors, reference=_numpy_pad,
          formula=r"y_{i + a} = x_i", derivative=r"\bar x_i = \bar y_{i + a} + \text{its copies'}")  # fmt: skip
def _pad(input, pad, mode="constant", value=None):
    """The tensor with something around it.

    Args:
        input: tensor of any shape; for the modes other than constant (N, C, ...) or (C, ...) with one to three dimensions to pad.
        pad: widths (before, after) from the last dimension backwards; negative ones cut off.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        value: the constant, 0 without it.

    Raises:
        RuntimeError: for an odd number of widths, too many of them, or widths too large for the mode.

    >>> import minigrad
    >>> minigrad.nn.functional.pad(minigrad.tensor([1.0, 2.0]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    shape, pad = input.array.shape, tuple(pad)
    if len(pad) % 2:
        raise ShapeError(f"pad: Padding length must be divisible by 2, got {len(pad)} widths {pad}")
    if len(pad) > 2 * len(shape):
        raise ShapeError(
            f"pad: Padding length should be no more than twice the number of dimensions of the input: {len(pad)} widths for "
            f"{len(shape)} dimensions"
        )
    pairs = [(0, 0)] * (len(shape) - len(pad) // 2) + [pad[i : i + 2] for i in range(len(pad) - 2, -1, -2)]
    for d, ((a, b), n) in enumerate(zip(pairs, shape)):
        if n + a + b < 0 or -a > n or -b > n:
            raise ShapeError(
                f"pad: The input size {n}, plus negative padding {a} and {b}, resulted in a negative output size at dimension {d}"
            )
    if mode == "constant":
        return _constant(input, pairs, 0 if value is None else value)
    if mode not in _NUMPY:
        raise NotImplementedError(f"pad: unrecognised padding mode {mode!r}; use constant, reflect, replicate or circular")
    if value is not None and value != 0:
        raise ShapeError(f'pad: padding mode "{mode}" doesn\'t take in value argument, got {value}')
    if not len(pad) // 2 + 1 <= len(shape) <= len(pad) // 2 + 2:
        raise NotImplementedError(
            f"pad: Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: {len(pad)} widths need an "
            f"input of "
            f"{len(pad) // 2 + 1} or {len(pad) // 2 + 2} dimensions, got shape {tuple(shape)}"
        )
    out = input
    for d, (a, b) in enumerate(pairs):
        out = _SIDES[mode](out, d, a, b) if a or b else out
    return input.clone() if out is input else out


def _constant(input, pairs, value):
    if any(n < 0 for pair in pairs for n in pair):
        input = part(input, tuple(("slice", max(-a, 0), n - max(-b, 0), None) for (a, b), n in zip(pairs, input.array.shape)))
        pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    return apply(registry["pad"], (input,), {"widths": tuple((int(a), int(b)) for a, b in pairs), "value": value})


def _cut(input, d, a, b):
    """What negative widths leave, and the widths that are left."""
    if a < 0 or b < 0:
        input = part(input, along(d, max(-a, 0), input.array.shape[d] - max(-b, 0)))
    return input, max(a, 0), max(b, 0)


def _reflect(input, d, a, b):
    n = input.array.shape[d]
    if a >= n or b >= n:
        raise ShapeError(
            f"pad: Padding size should be less than the corresponding input dimension, but got: padding ({a}, {b}) at dimension "
            f"{d} of input {list(input.shape)}"
        )
    input, a, b = _cut(input, d, a, b)
    n = input.array.shape[d]
    pieces = [input]
    if a:
        pieces.insert(0, part(input, along(d, 1, a + 1)).flip(d))
    if b:
        pieces.append(part(input, along(d, n - 1 - b, n - 1)).flip(d))
    return cat(pieces, d)


def _replicate(input, d, a, b):
    shape = list(input.array.shape)
    first, last = part(input, along(d, 0, 1)), part(input, along(d, shape[d] - 1, shape[d]))
    input, a, b = _cut(input, d, a, b)
    pieces = [input]
    if a:
        pieces.insert(0, first.expand(*shape[:d], a, *shape[d + 1 :]))
    if b:
        pieces.append(last.expand(*shape[:d], b, *shape[d + 1 :]))
    return cat(pieces, d)


def _circular(input, d, a, b):
    n = input.array.shape[d]
    if a > n or b > n:
        raise ShapeError(
            f"pad: Padding value causes wrapping around more than once: padding ({a}, {b}) at dimension {d} of size {n}"
        )
    pieces = [part(input, along(d, max(-a, 0), n - max(-b, 0)))]
    if a > 0:
        pieces.insert(0, part(input, along(d, n - a - max(-b, 0), n - max(-b, 0))))
    if b > 0:
        pieces.append(part(input, along(d, max(-a, 0), max(-a, 0) + b)))
    return cat(pieces, d)


_SIDES = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}
