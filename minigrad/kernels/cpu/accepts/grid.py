"""Images read at given places, both ways."""

from . import are_images, kernel

ELEMENTS = 2**7
LARGEST = 2**31  # pixels of a channel: places are counted in 32 bits


def _grid_sample(x, grid, *, mode, padding_mode, align_corners):
    chosen = are_images(x, grid) and mode != "bicubic" and x.size > 0 and x.shape[2] * x.shape[3] < LARGEST
    return chosen and grid.size // 2 * x.shape[1] >= ELEMENTS


KERNELS = {"grid_sample": kernel("grid:grid_sample", _grid_sample, backward="grid:grid_sample_backward")}
