"""Moving pixels: between channels and space, and sampling an image at given places."""

import itertools
import warnings

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import DtypeError, ShapeError
from ..op import E, S, function, registry
from ..tensor import wrap
from .filled import evenly
from .grid import sample_loops, sample_samples
from .samples import normal
from .shape import own_memory


# ------------------------------------------------------------------------------------------------------- channels into pixels
def _at_least_3(name, input):
    if input.array.ndim < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.array.ndim} dimension(s)"
        )
    return tuple(input.array.shape[:-3]), *input.array.shape[-3:]


def _positive(name, what, value):
    if value < 1:
        raise ShapeError(f"{name} expects a positive {what}, but got {value}")


def _shuffled_loops(x, r):
    *_, channels, height, width = x.shape
    y = np.zeros((*x.shape[:-3], channels // (r * r), height * r, width * r))
    for c, i, j in itertools.product(range(channels // (r * r)), range(height * r), range(width * r)):
        y[..., c, i, j] = x[..., c * r * r + i % r * r + j % r, i // r, j // r]
    return y


def _unshuffled_loops(x, r):
    *_, channels, height, width = x.shape
    y = np.zeros((*x.shape[:-3], channels * r * r, height // r, width // r))
    for c, i, j in itertools.product(range(channels), range(height), range(width)):
        y[..., c * r * r + i % r * r + j % r, i // r, j // r] = x[..., c, i, j]
    return y


@function(
    "pixel_shuffle",
    spaces="torch functional",
    samples=lambda r: [
        S(normal(r, 2, 8, 2, 1), 2),
        S(normal(r, 9, 1, 2), 3),
        S(normal(r, 1, 2, 4, 1, 2), 2),
        S(normal(r, 3, 2, 2), 1),
    ],
    errors=lambda r: [
        E(
            RuntimeError,
            r"divisible by the square of upscale_factor, but input.size\(-3\)=5 is not divisible by 4",
            normal(r, 5, 2, 2),
            2,
        ),
        E(RuntimeError, "at least 3 dimensions", normal(r, 2, 2), 2),
        E(RuntimeError, "positive upscale_factor", normal(r, 4, 2, 2), 0),
    ],
    formula=r"y_{c,\,h r + i,\,w r + j} = x_{c r^2 + i r + j,\,h,\,w}",
    derivative=r"\bar x_{c r^2 + i r + j,\,h,\,w} = \bar y_{c,\,h r + i,\,w r + j}",
    reference=_shuffled_loops,
)
def pixel_shuffle(input, upscale_factor):
    """r*r channels become a square of r x r pixels: an image r times as large.

    Args:
        input: (..., C * r * r, H, W).
        upscale_factor: r.

    Returns:
        (..., C, H * r, W * r).

    Raises:
        RuntimeError: where r*r does not divide the channels.

    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel CNN", CVPR 2016.

    >>> import minigrad
    >>> minigrad.pixel_shuffle(minigrad.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = upscale_factor
    lead, channels, height, width = _at_least_3("pixel_shuffle", input)
    _positive("pixel_shuffle", "upscale_factor", r)
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(lead)
    x = input.reshape(*lead, channels // (r * r), r, r, height, width)
    x = x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)  # (..., C, H, r, W, r)
    return own_memory(x.reshape(*lead, channels // (r * r), height * r, width * r))


@function(
    "pixel_unshuffle",
    spaces="torch functional",
    samples=lambda r: [S(normal(r, 2, 2, 4, 2), 2), S(normal(r, 1, 3, 6), 3), S(normal(r, 1, 2, 1, 2, 4), 2)],
    errors=lambda r: [
        E(RuntimeError, r"height to be divisible by downscale_factor, but input.size\(-2\)=3", normal(r, 1, 3, 4), 2),
        E(RuntimeError, r"width to be divisible by downscale_factor, but input.size\(-1\)=3", normal(r, 1, 4, 3), 2),
        E(RuntimeError, "at least 3 dimensions", normal(r, 2, 2), 2),
        E(RuntimeError, "positive downscale_factor", normal(r, 4, 2, 2), -1),
    ],
    formula=r"y_{c r^2 + i r + j,\,h,\,w} = x_{c,\,h r + i,\,w r + j}",
    derivative=r"\bar x_{c,\,h r + i,\,w r + j} = \bar y_{c r^2 + i r + j,\,h,\,w}",
    reference=_unshuffled_loops,
)
def pixel_unshuffle(input, downscale_factor):
    """Squares of r x r pixels become r*r channels: the inverse of :func:`pixel_shuffle`.

    Args:
        input: (..., C, H * r, W * r).
        downscale_factor: r.

    Returns:
        (..., C * r * r, H, W).

    Raises:
        RuntimeError: where r does not divide height and width.

    >>> import minigrad
    >>> minigrad.pixel_unshuffle(minigrad.arange(4.0).reshape(1, 2, 2), 2).reshape(4)
    tensor([0., 1., 2., 3.])
    """
    r = downscale_factor
    lead, channels, height, width = _at_least_3("pixel_unshuffle", input)
    _positive("pixel_unshuffle", "downscale_factor", r)
    for what, dim, m in (("height", -2, height), ("width", -1, width)):
        if m % r:
            raise ShapeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, "
                f"but input.size({dim})={m} is not divisible by {r}"
            )
    n = len(lead)
    x = input.reshape(*lead, channels, height // r, r, width // r, r)
    x = x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)  # (..., C, r, r, H, W)
    return own_memory(x.reshape(*lead, channels * r * r, height // r, width // r))


@function(
    "channel_shuffle native_channel_shuffle",
    spaces="torch functional",
    samples=lambda r: [S(normal(r, 2, 6, 2), 3), S(normal(r, 1, 4, 2, 2), 2)],
    errors=lambda r: [
        E(RuntimeError, "divisible by groups. Got 4 channels and 3 groups", normal(r, 1, 4, 2), 3),
        E(RuntimeError, "input with > 2 dims", normal(r, 1, 4), 2),
        E(RuntimeError, "must be positive", normal(r, 1, 4, 2), 0),
    ],
    formula=r"y_{j g + i} = x_{i c/g + j}",
    derivative=r"\bar x_{i c/g + j} = \bar y_{j g + i}",
    reference=lambda x, groups: x[:, np.arange(x.shape[1]).reshape(groups, -1).T.reshape(-1)],
)
def channel_shuffle(input, groups):
    """The channels dealt out anew: the first of every group, then the second of every group, and so on.

    Args:
        input: (N, C, ...) with at least one more dimension.
        groups: how many groups the channels are in.

    Raises:
        RuntimeError: where ``groups`` does not divide C.

    Zhang et al., "ShuffleNet", CVPR 2018.

    >>> import minigrad
    >>> minigrad.channel_shuffle(minigrad.arange(4.0).reshape(1, 4, 1), 2).reshape(4)
    tensor([0., 2., 1., 3.])
    """
    shape = tuple(input.array.shape)
    if len(shape) < 3:
        raise ShapeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
    if groups < 1:
        raise ShapeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, channels, *rest = shape
    if channels % groups:
        raise ShapeError(f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups.")
    return own_memory(input.reshape(n, groups, channels // groups, *rest).transpose(1, 2).reshape(*shape))


# ------------------------------------------------------------------------------------------------ sampling at given places
def _affine_reference(theta, size, align_corners=None):
    axes = [(2 * np.arange(m) + 1) / m - 1 if not align_corners else 2 * np.arange(m) / max(m - 1, 1) - (m > 1) for m in size[2:]]
    *axes, ones = [*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(size[2:])]
    return np.moveaxis(np.tensordot(theta, np.stack([*axes, ones]), 1), 1, -1)


def _centres(m, d, align_corners):
    """Where ``m`` pixels lie from -1 to 1, rounded as in PyTorch: the identity map reads at the kinks of the interpolation."""
    places = np.zeros(1, d) if m == 1 else evenly("affine_grid", -1, 1, m, d).astype(d)
    return places if align_corners else (places * d.type(m - 1) / d.type(m)).astype(d)


def _default_corners(align_corners):
    """False where nothing was said, with PyTorch's warning."""
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.",
            stacklevel=3,
        )
        return False
    return align_corners


@function(
    "affine_grid",
    spaces="functional",
    samples=lambda r: [
        S(normal(r, 2, 2, 3), (2, 1, 2, 3), False),
        S(normal(r, 1, 2, 3), (1, 1, 3, 1), align_corners=True),
        S(normal(r, 1, 3, 4), [1, 1, 2, 2, 1], align_corners=False),
    ],
    errors=lambda r: [
        E(ValueError, "shape Nx2x3", normal(r, 1, 2, 2), (1, 1, 4, 4)),
        E(ValueError, "shape Nx3x4", normal(r, 1, 2, 3), (1, 1, 4, 4, 4)),
        E(ValueError, "floating point type", np.ones((1, 2, 3), np.int64), (1, 1, 4, 4)),
        E(NotImplementedError, "only supports 4D and 5D sizes", normal(r, 1, 2, 3), (1, 1, 4)),
        E(ValueError, "Expected non-zero, positive output size", normal(r, 1, 2, 3), (1, 1, 0, 4)),
        E(RuntimeError, "batch", normal(r, 1, 2, 3), (2, 1, 4, 4)),
    ],
    formula=r"y_{n,i} = \theta_n\,(x_i, 1)^\top",
    derivative=r"\bar\theta_n = \sum_i \bar y_{n,i}\,(x_i, 1)",
    reference=_affine_reference,
)
def affine_grid(theta, size, align_corners=None):
    """The places that :func:`grid_sample` reads for an affine map of the image.

    Args:
        theta: float tensor (N, 2, 3), or (N, 3, 4) for volumes: the map from output places to input places.
        size: (N, C, H, W) or (N, C, D, H, W) of the output.
        align_corners: whether -1 and 1 are the centres of the border pixels, or their outer edges (False, the default).

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3): x, y (and z) from -1 to 1.

    Raises:
        ValueError: where theta does not go with the size.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.affine_grid(minigrad.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    size = tuple(int(m) for m in size)
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}."
        )
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if theta.array.shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {list(theta.array.shape)}."
        )
    if min(size) < 1:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.array.shape[0] != size[0]:
        raise ShapeError(f"affine_grid: theta has a batch of {theta.array.shape[0]}, size {size} asks for {size[0]}")
    align_corners = _default_corners(align_corners)
    axes = [_centres(m, theta.array.dtype, align_corners) for m in size[2:]]
    base = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(size[2:], theta.array.dtype)], -1)  # (H, W, 3): x, y, 1
    base = wrap(backends.of(theta.array).upload(base.reshape(-1, n + 1)))
    return (base @ theta.transpose(1, 2)).reshape(size[0], *size[2:], n)


def _check_grid(input, grid, mode, padding_mode):
    name = "grid_sampler()"
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    x, g = tuple(input.array.shape), tuple(grid.array.shape)
    if input.array.dtype != grid.array.dtype or not input.is_floating_point():
        raise DtypeError(
            f"{name}: expected input and grid to have the same floating point type, got {input.dtype} and {grid.dtype}"
        )
    if len(x) not in (4, 5) or len(g) != len(x):
        raise ShapeError(
            f"{name}: expected 4D or 5D input and grid with same number of dimensions, but got sizes {list(x)} and {list(g)}"
        )
    if mode == "bicubic" and len(x) == 5:
        raise ShapeError(f"{name}: bicubic interpolation only supports 4D input, got sizes {list(x)}")
    if g[0] != x[0]:
        raise ShapeError(
            f"{name}: expected grid and input to have same batch size, but got input with sizes {list(x)} "
            f"and grid with sizes {list(g)}"
        )
    if g[-1] != len(x) - 2:
        raise ShapeError(f"{name}: expected grid to have size {len(x) - 2} in last dimension, but got grid with sizes {list(g)}")
    if not all(x[2:]):
        raise ShapeError(f"{name}: expected input to have non-empty spatial dimensions, but input has sizes {list(x)}")


@function(
    "grid_sample",
    spaces="functional",
    samples=sample_samples,
    errors=lambda r: [
        E(ValueError, "expected mode to be", normal(r, 1, 1, 2, 2), normal(r, 1, 2, 2, 2), mode="linear"),
        E(ValueError, "expected padding_mode to be", normal(r, 1, 1, 2, 2), normal(r, 1, 2, 2, 2), padding_mode="wrap"),
        E(RuntimeError, "same floating point type", normal(r, 1, 1, 2, 2), np.ones((1, 2, 2, 2), np.int64)),
        E(RuntimeError, "same number of dimensions", normal(r, 1, 1, 2), normal(r, 1, 2, 2, 2)),
        E(RuntimeError, "only supports 4D", normal(r, 1, 1, 2, 2, 2), normal(r, 1, 2, 2, 2, 3), "bicubic"),
        E(RuntimeError, "same batch size", normal(r, 1, 1, 2, 2), normal(r, 2, 2, 2, 2)),
        E(RuntimeError, "size 2 in last dimension", normal(r, 1, 1, 2, 2), normal(r, 1, 2, 2, 3)),
        E(RuntimeError, "non-empty spatial dimensions", normal(r, 1, 1, 0, 2), normal(r, 1, 2, 2, 2)),
    ],
    formula=r"y_{n,c,i} = \sum_t w_t(p_{n,i})\, x_{n,c,k_t(p_{n,i})}",
    derivative=r"\bar x_{n,c,k} = \sum_{i,t:\, k_t = k} w_t\, \bar y_{n,c,i}, \quad "
    r"\bar p_{n,i} = \sum_{c,t} \bar y_{n,c,i}\, x_{n,c,k_t}\, \nabla w_t",
    reference=sample_loops,
)
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The image read at given places, between its pixels.

    Args:
        input: float tensor (N, C, H, W) or (N, C, D, H, W).
        grid: (N, OH, OW, 2) or (N, OD, OH, OW, 3): x, y (and z), where -1 and 1 are the borders of the image.
        mode: ``"bilinear"``, ``"nearest"`` or, for images, ``"bicubic"``.
        padding_mode: what lies outside: ``"zeros"``, ``"border"`` (the nearest pixel) or ``"reflection"``.
        align_corners: whether -1 and 1 are the centres of the border pixels, or their outer edges (False, the default).

    Returns:
        (N, C, OH, OW) or (N, C, OD, OH, OW).

    Raises:
        RuntimeError: where input and grid do not go together.
        ValueError: for an unknown mode.

    Jaderberg et al., "Spatial transformer networks", NeurIPS 2015.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> image = minigrad.tensor([[[[0.0, 10.0]]]])
    >>> F.grid_sample(image, minigrad.tensor([[[[0.0, 0.0], [0.25, 0.0]]]]), align_corners=False)
    tensor([[[[5.0000, 7.5000]]]])
    """
    _check_grid(input, grid, mode, padding_mode)
    align_corners = _default_corners(align_corners)
    settings = {"mode": mode, "padding_mode": padding_mode, "align_corners": bool(align_corners)}
    return apply(registry["grid_sample"], (input, grid), settings)
