"""``torchvision.utils``: many pictures in one."""

import math

import numpy as np

from ..errors import describe
from ..ops.joining import cat
from ..tensor import Tensor
from .transforms.functional import to_pil_image


def make_grid(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0):
    """Pictures (N, C, H, W) side by side in one (3, H', W'), ``nrow`` in a row, ``padding`` pixels between them.

    Args:
        tensor: a tensor (N, C, H, W), (C, H, W) or (H, W), or a list of (C, H, W).
        normalize: bring the numbers to 0 ... 1, from ``value_range`` or from their smallest and largest.
        scale_each: normalize each picture for itself.
    """
    if isinstance(tensor, list):
        from ..ops.joining import stack

        tensor = stack(tensor, dim=0)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"make_grid: tensor or list of tensors expected, got {describe(tensor)}")
    x = tensor.detach()
    x = x.reshape((1,) * (4 - x.ndim) + tuple(x.shape)) if x.ndim < 4 else x
    x = cat((x, x, x), 1) if x.shape[1] == 1 else x
    if normalize:
        x = _scaled(x.clone(), value_range, scale_each)
    if x.shape[0] == 1:
        return x.squeeze(0)
    columns = min(nrow, x.shape[0])
    rows = math.ceil(x.shape[0] / columns)
    h, w = x.shape[2] + padding, x.shape[3] + padding
    grid = x.new_full((x.shape[1], h * rows + padding, w * columns + padding), pad_value)
    for k in range(x.shape[0]):
        i, j = divmod(k, columns)
        grid[:, i * h + padding : (i + 1) * h, j * w + padding : (j + 1) * w] = x[k]
    return grid


def _scaled(x, value_range, each):
    for part in x if each else [x]:
        low, high = (part.min().item(), part.max().item()) if value_range is None else value_range
        part.clamp_(low, high).sub_(low).div_(max(high - low, 1e-5))
    return x


def save_image(tensor, fp, format=None, **kwargs):
    """:func:`make_grid` of the pictures, written as a file that Pillow knows (``.png``, ``.jpg`` ...)."""
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add(0.5).clamp(0, 255).cpu().numpy().astype(np.uint8)
    to_pil_image(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(fp, format=format)
