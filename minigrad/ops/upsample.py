"""Images in another size: interpolation along one axis after the other, and the shuffling of channels into pixels.

Along one axis, interpolation is linear: an output element is the weighted sum of a few input elements, its taps. ``resample``
gathers them, ``resample_dx`` is its adjoint, and each is the other's rule. Every mode is a list of taps.
"""

import math
import warnings

import numpy as np

from ..errors import ShapeError
from ..op import E, S, function, op
from .samples import normal
from .sliding import FULL, along, shares


# ----------------------------------------------------------------------------------------------------------------------- the taps
def _taps(xp, like, mode, n_in, n_out, scale, align_corners):
    """(indices, weights) of each tap, both (n_out,); a weight None is 1. ``scale``: input steps per output step."""
    i = xp.arange(like, n=n_out, dtype=_precision(like))
    if mode in ("nearest", "nearest-exact"):
        position = xp.floor((i + 0.5 if mode == "nearest-exact" else i) * scale)
        return [(_index(xp, position, n_in), None)]
    if mode == "area":
        return _area_taps(xp, like, n_in, n_out)
    if mode.startswith("antialias"):
        return _antialias_taps(xp, i, 4 if mode.endswith("cubic") else 2, n_in, scale)
    position = i * scale if align_corners else (i + 0.5) * scale - 0.5
    if mode == "cubic":
        base = xp.floor(position)
        return [(_index(xp, base + k, n_in), _cubic(xp, position - base - k, -0.75)) for k in (-1, 0, 1, 2)]
    position = xp.maximum(position, 0.0)
    base = xp.floor(position)
    return [(_index(xp, base, n_in), 1.0 - (position - base)), (_index(xp, base + 1, n_in), position - base)]


def _precision(like):
    return "float64" if like.dtype == "float64" else "float32"


def _index(xp, position, n):
    """Positions as indices, those outside moved to the border."""
    return xp.astype(xp.minimum(xp.maximum(position, 0), n - 1), dtype="int64")


def _area_taps(xp, like, n_in, n_out):
    """The means of windows that share the input out evenly: those of adaptive pooling."""
    start, end, longest = shares(xp, like, n_in, n_out)
    weight = 1.0 / xp.astype(end - start, dtype=_precision(like))
    return [(xp.minimum(start + k, end - 1), xp.where(start + k < end, weight, 0.0)) for k in range(longest)]


def _antialias_taps(xp, i, width, n_in, scale):
    """A filter of ``width`` input pixels, stretched where the image shrinks, so that every input pixel counts.

    As in Pillow's resize.
    """
    stretch = max(scale, 1.0)
    reach = width / 2 * stretch
    center = (i + 0.5) * scale
    first = xp.maximum(xp.floor(center - reach + 0.5), 0.0)
    end = xp.minimum(xp.floor(center + reach + 0.5), float(n_in))
    taps = []
    for k in range(math.ceil(2 * reach)):
        distance = (first + k - center + 0.5) / stretch
        weight = _cubic(xp, distance, -0.5) if width == 4 else xp.maximum(1.0 - xp.abs(distance), 0.0)
        taps.append((_index(xp, first + k, n_in), xp.where(first + k < end, weight, 0.0)))
    total = sum(weight for _, weight in taps)
    return [(index, weight / total) for index, weight in taps]


def _cubic(xp, x, a):
    """The cubic convolution kernel: Keys, "Cubic convolution interpolation for digital image processing", 1981."""
    x = xp.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return xp.where(x <= 1, near, xp.where(x < 2, far, 0.0))


# -------------------------------------------------------------------------------------------------- for the tests: a matrix
def _weights(m, size, mode, scale, align_corners):
    """The weights of every output over ``m`` input elements, (size, m), written from the definitions."""
    matrix = np.zeros((size, m))
    for i, row in enumerate(matrix):
        x = i * scale if align_corners else (i + 0.5) * scale - 0.5
        if mode.startswith("nearest"):
            row[min(int((i + 0.5 * (mode != "nearest")) * scale), m - 1)] = 1
        elif mode == "area":
            row[i * m // size : -(-(i + 1) * m // size)] = 1
        elif mode == "linear":
            row += np.maximum(0, 1 - np.abs(np.arange(m) - np.clip(x, 0, m - 1)))
        elif mode == "cubic":
            for j in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                row[min(max(j, 0), m - 1)] += _cubic_weight(abs(x - j), -0.75)
        else:
            distances = np.abs(np.arange(m) - x) / max(scale, 1)
            row += np.maximum(0, 1 - distances) if mode == "antialias linear" else [_cubic_weight(d, -0.5) for d in distances]
    return matrix / matrix.sum(1, keepdims=True)


def _cubic_weight(d, a):
    if d > 1:
        return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0
    return (a + 2) * d**3 - (a + 3) * d**2 + 1


# -------------------------------------------------------------------------------------------------- interpolation and its adjoint
_MODES = (
    dict(axis=2, size=5, mode="nearest", scale=0.6, align_corners=False),
    dict(axis=1, size=5, mode="nearest-exact", scale=0.4, align_corners=False),
    dict(axis=2, size=5, mode="linear", scale=0.6, align_corners=False),
    dict(axis=2, size=5, mode="linear", scale=0.5, align_corners=True),
    dict(axis=2, size=2, mode="cubic", scale=1.5, align_corners=False),
    dict(axis=2, size=6, mode="cubic", scale=0.4, align_corners=True),
    dict(axis=2, size=2, mode="area", scale=1.5, align_corners=False),
    dict(axis=2, size=2, mode="antialias linear", scale=1.5, align_corners=False),
    dict(axis=2, size=4, mode="antialias cubic", scale=0.75, align_corners=False),
)


@op(
    names="",
    vjp=(
        lambda xp, g, x_shape, axis, mode, scale, align_corners: xp.resample_dx(
            g, axis=axis, size=x_shape[axis], mode=mode, scale=scale, align_corners=align_corners
        ),
    ),
    formula=r"y_i = \sum_t w_{i,t}\, x_{k_{i,t}}",
    derivative=r"\bar x_j = \sum_{i,t:\, k_{i,t} = j} w_{i,t}\, \bar y_i",
    onnx="Resize",
    samples=lambda r: [S(normal(r, 1, 2, 3), **kwargs) for kwargs in _MODES],
    reference=lambda x, axis, **how: np.moveaxis(np.moveaxis(x, axis, -1) @ _weights(x.shape[axis], **how).T, -1, axis),
)
def resample(xp, x, *, axis, size, mode, scale, align_corners):
    """``x`` interpolated to ``size`` along ``axis``."""
    y = None
    for index, weight in _taps(xp, x, mode, x.shape[axis], size, scale, align_corners):
        part = xp.getitem(x, index, key=(FULL,) * axis + ("?",))
        if weight is None:
            return part
        weight = along(xp, weight, axis, x.ndim)
        part = part * weight
        if mode == "area":  # a window of fewer pixels: 0 * inf must not count
            part = xp.where(weight > 0, part, 0.0)
        y = part if y is None else y + part
    return xp.astype(y, dtype=x.dtype)


@op(
    names="",
    vjp=(
        lambda xp, g, v_shape, axis, mode, scale, align_corners: xp.resample(
            g, axis=axis, size=v_shape[axis], mode=mode, scale=scale, align_corners=align_corners
        ),
    ),
    formula=r"y_j = \sum_{i,t:\, k_{i,t} = j} w_{i,t}\, v_i",
    derivative=r"\bar v_i = \sum_t w_{i,t}\, \bar y_{k_{i,t}}",
    samples=lambda r: [
        S(normal(r, 2, 5 if kwargs["axis"] == 1 else 1, kwargs["size"]), **{**kwargs, "size": 3}) for kwargs in _MODES
    ],
)
def resample_dx(xp, v, *, axis, size, mode, scale, align_corners):
    """Values added back, with their weights, to an input of ``size`` along ``axis``: one product with the matrix of weights."""
    n = v.shape[axis]
    columns = xp.arange(v, n=size)
    matrix = 0.0  # (n, size)
    for index, weight in _taps(xp, v, mode, size, n, scale, align_corners):
        weight = 1.0 if weight is None else xp.reshape(weight, shape=(n, 1))
        matrix = matrix + xp.where(xp.equal(xp.reshape(index, shape=(n, 1)), columns), weight, 0.0)
    matrix = xp.astype(matrix, dtype=v.dtype)
    return xp.swapaxes(xp.matmul(xp.swapaxes(v, axis, -1), matrix), axis, -1)


# ---------------------------------------------------------------------------------------------------- PyTorch's functions of them
_SPATIAL = {"linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)}  # other modes take 1, 2 or 3 dimensions
_SMOOTH = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def _interpolate_reference(
    x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False
):
    n = x.ndim - 2
    factors = scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * n
    out = size if isinstance(size, tuple) else (size,) * n if size else [int(m * f) for m, f in zip(x.shape[2:], factors)]
    kind = "antialias " * antialias + _SMOOTH.get(mode, mode)
    for axis, (m, o, f) in enumerate(zip(x.shape[2:], out, factors), start=2):
        whole = size or recompute_scale_factor or (m == o and (antialias or mode != "bicubic"))
        scale = (m - 1) / max(o - 1, 1) if align_corners else m / o if whole else 1 / f
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ _weights(m, o, kind, scale, align_corners).T, -1, axis)
    return x


def _interpolate_samples(r):
    image = normal(r, 1, 2, 3, 4)
    return [
        S(normal(r, 1, 2, 4), 6),
        S(image, scale_factor=2),
        S(image, (2, 7), mode="nearest-exact"),
        S(image, scale_factor=(1.6, 1.2), mode="nearest"),
        S(image, scale_factor=(1.2, 1.2), mode="bilinear"),
        S(normal(r, 2, 1, 4), 7, mode="linear"),
        S(normal(r, 2, 1, 4), 1, mode="linear", align_corners=True),
        S(image, (5, 3), mode="bilinear"),
        S(image, (5, 4), mode="bilinear", align_corners=True),
        S(image, scale_factor=(1.7, 0.6), mode="bilinear"),
        S(image, scale_factor=(1.7, 0.6), mode="bilinear", recompute_scale_factor=True),
        S(image, (5, 3), mode="bicubic"),
        S(image, 5, mode="bicubic", align_corners=True),
        S(image, (2, 6), mode="bilinear", antialias=True),
        S(image, (2, 3), mode="bicubic", antialias=True),
        S(image, scale_factor=(0.7, 0.6), mode="bicubic", antialias=True, align_corners=False),
        S(image, (2, 3), mode="area"),
        S(normal(r, 1, 1, 2, 3, 2), (3, 2, 4), mode="trilinear"),
        S(normal(r, 0, 1, 3), 2),
    ]


@function(
    "interpolate",
    spaces="functional",
    samples=_interpolate_samples,
    errors=lambda r: [
        E(ValueError, "either size or scale_factor should be defined", normal(r, 1, 1, 4)),
        E(ValueError, "only one of size or scale_factor", normal(r, 1, 1, 4), 2, 2),
        E(ValueError, "same number of spatial dimensions.*output size", normal(r, 1, 1, 4), (2, 2)),
        E(ValueError, "same number of spatial dimensions.*scale_factor", normal(r, 1, 1, 4), scale_factor=(2, 2)),
        E(ValueError, "align_corners option can only be set", normal(r, 1, 1, 4), 2, align_corners=True),
        E(ValueError, "not meaningful with an explicit size", normal(r, 1, 1, 4), 2, recompute_scale_factor=True),
        E(ValueError, "Anti-alias option is restricted", normal(r, 1, 1, 4), 2, mode="linear", antialias=True),
        E(NotImplementedError, "Got 4D input, but linear mode needs 3D input", normal(r, 1, 1, 4, 4), 2, mode="linear"),
        E(NotImplementedError, "Only 3D, 4D and 5D input Tensors supported .got 2D.", normal(r, 4, 4), 2),
        E(NotImplementedError, "got cubic", normal(r, 1, 1, 4), 2, mode="cubic"),
        E(NotImplementedError, "not implemented for .*int64", np.ones((1, 1, 4), np.int64), 2),
        E(RuntimeError, "sizes should be greater than 0", normal(r, 1, 1, 4), scale_factor=0.1),
        E(RuntimeError, "sizes should be greater than 0", normal(r, 1, 1, 0), 3),
        E(RuntimeError, "Non-empty 3D data tensor expected", normal(r, 1, 0, 4), 3),
    ],
    formula=r"y_i = \sum_t w_{i,t}\, x_{k_{i,t}}",
    derivative=r"\bar x_j = \sum_{i,t:\, k_{i,t} = j} w_{i,t}\, \bar y_i",
    reference=_interpolate_reference,
)
def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False
):
    """The input in another spatial size.

    Args:
        input: float tensor (N, C, L), (N, C, H, W) or (N, C, D, H, W); ``nearest`` takes uint8 too.
        size: of the output, an int or one for each spatial dimension; or
        scale_factor: the ratio of output to input, one number or one for each spatial dimension.
        mode: ``nearest``, ``nearest-exact`` (rounds as Pillow does), ``area`` (means), ``linear``, ``bilinear``, ``bicubic``
            or ``trilinear``.
        align_corners: whether the centres of the corner pixels stay in place, rather than the corners of the image.
        recompute_scale_factor: use the ratio of the sizes in place of the scale factor given.
        antialias: stretch the filter of ``bilinear`` or ``bicubic`` where the image shrinks.

    Returns:
        (N, C, *size), with sizes floor(size * scale_factor).

    Raises:
        ValueError: where not exactly one of size and scale_factor is given, or an option does not go with the mode.
        NotImplementedError: for a mode that does not go with the number of dimensions, or an integer dtype.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.interpolate(minigrad.tensor([[[0.0, 1.0]]]), size=4, mode="linear", align_corners=True)
    tensor([[[0.0000, 0.3333, 0.6667, 1.0000]]])
    """
    ndim = input.array.ndim
    sizes, out, factors = _sizes(input, size, scale_factor, recompute_scale_factor)
    if mode not in _SMOOTH and align_corners is not None:
        raise ValueError(
            f"align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear; "
            f"not with {mode!r}"
        )
    if antialias and (mode not in ("bilinear", "bicubic") or ndim != 4):
        raise ValueError(
            f"Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input, "
            f"got mode {mode!r} and {ndim}-D"
        )
    _check_mode(mode, ndim)
    if not input.is_floating_point() and not (mode.startswith("nearest") and input.array.dtype == np.uint8):
        raise NotImplementedError(
            f"interpolate(mode={mode!r}) is not implemented for {input.dtype} tensors; convert with input.float()"
        )
    if min(sizes) < 1 or min(out) < 1:
        raise ShapeError(f"Input and output sizes should be greater than 0, but got input {list(sizes)} output {list(out)}")
    if not input.array.shape[1]:
        raise ShapeError(f"Non-empty {ndim}D data tensor expected but got a tensor with sizes {list(input.array.shape)}")
    kind = ("antialias " if antialias else "") + _SMOOTH.get(mode, mode)
    y = input
    for axis, (m, o, f) in enumerate(zip(sizes, out, factors), start=2):
        if mode == "nearest" and len(sizes) == 2 and o in (m, 2 * m):
            f = None  # as PyTorch does, for images alone
        if m == o and (f is None or kind == "linear" or antialias):
            continue
        if align_corners:
            scale = (m - 1) / (o - 1) if o > 1 else 0.0
        else:
            scale = m / o if f is None else 1.0 / f
        y = resample(y, axis=axis, size=o, mode=kind, scale=scale, align_corners=bool(align_corners))
    return input.clone() if y is input else y


def _sizes(input, size, scale_factor, recompute):
    """(input sizes, output sizes, scale factors or Nones)."""
    sizes = tuple(input.array.shape[2:])
    n = len(sizes)
    if size is not None and scale_factor is not None:
        raise ValueError(f"only one of size or scale_factor should be defined, got {size} and {scale_factor}")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given = size if scale_factor is None else scale_factor
    given = tuple(given) if isinstance(given, tuple | list) else (given,) * n
    if len(given) != n:
        what = "output size of" if scale_factor is None else "scale_factor of shape"
        raise ValueError(
            f"Input and {what.split()[0]} must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(sizes)} and {what} {given}. Please provide input tensor in (N, C, d1, d2, ...,dK) format"
        )
    if scale_factor is None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes, tuple(int(o) for o in given), (None,) * n
    out = tuple(math.floor(m * f) for m, f in zip(sizes, given))
    return sizes, out, (None,) * n if recompute else given


def _check_mode(mode, ndim):
    known = mode in _SMOOTH or mode in ("nearest", "nearest-exact", "area")
    if known and ndim in (3, 4, 5):
        wanted = _SPATIAL.get(mode, (ndim - 2,))
        if ndim - 2 not in wanted:
            raise NotImplementedError(
                f"Got {ndim}D input, but {mode} mode needs {wanted[0] + 2}D input (batch, channels, and {wanted[0]} more)"
            )
        return
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
    )


def _older_name(name):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


@function(
    "upsample",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 1, 1, 2, 3), scale_factor=2),
        S(normal(r, 1, 1, 2, 3), (3, 3), mode="bilinear", align_corners=True),
    ],
    reference=_interpolate_reference,
)
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The older name of :func:`interpolate`.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.upsample(minigrad.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    _older_name("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@function(
    "upsample_nearest",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 1, 2, 3), scale_factor=2), S(normal(r, 1, 1, 2, 3), (3, 3))],
    reference=_interpolate_reference,
)
def upsample_nearest(input, size=None, scale_factor=None):
    """The older name of :func:`interpolate` with ``mode="nearest"``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.upsample_nearest(minigrad.tensor([[[1.0, 2.0]]]), size=3)
    tensor([[[1., 1., 2.]]])
    """
    _older_name("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


@function(
    "upsample_bilinear",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 1, 2, 3), scale_factor=2), S(normal(r, 1, 1, 2, 3), (3, 3))],
    reference=lambda x, size=None, scale_factor=None: _interpolate_reference(x, size, scale_factor, "bilinear", True),
)
def upsample_bilinear(input, size=None, scale_factor=None):
    """The older name of :func:`interpolate` with ``mode="bilinear", align_corners=True``.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.upsample_bilinear(minigrad.tensor([[[[0.0, 2.0]]]]), size=(1, 3))
    tensor([[[[0., 1., 2.]]]])
    """
    _older_name("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
