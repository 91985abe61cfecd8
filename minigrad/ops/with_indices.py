"""Max pooling together with where the maxima stand, under the names that PyTorch has for it."""

from ..op import S, function
from . import adaptive, fractional, pooling
from .samples import normal
from .sliding import adaptive_max_loops, max_pool_loops


def _both(reference):
    return lambda *args, **kwargs: reference(*args, **{**kwargs, "return_indices": True})


@function(
    "max_pool1d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 6)[:1]), 2), S(normal(r, 2, *(5, 4, 6)[:1]), 2, 1, 1, 1, True)],
    reference=_both(max_pool_loops(1)),
)
def max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """(values, indices) of :func:`max_pool1d` of a tensor (N, C, L); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_pool1d_with_indices(minigrad.ones(1, 2), 2)[1].flatten()
    tensor([0])
    """
    return pooling.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@function(
    "max_pool2d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 6)[:2]), 2), S(normal(r, 2, *(5, 4, 6)[:2]), 2, 1, 1, 1, True)],
    reference=_both(max_pool_loops(2)),
)
def max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """(values, indices) of :func:`max_pool2d` of a tensor (N, C, H, W); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_pool2d_with_indices(minigrad.ones(1, 2, 2), 2)[1].flatten()
    tensor([0])
    """
    return pooling._max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@function(
    "max_pool3d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 6)[:3]), 2), S(normal(r, 2, *(5, 4, 6)[:3]), 2, 1, 1, 1, True)],
    reference=_both(max_pool_loops(3)),
)
def max_pool3d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """(values, indices) of :func:`max_pool3d` of a tensor (N, C, D, H, W); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.max_pool3d_with_indices(minigrad.ones(1, 2, 2, 2), 2)[1].flatten()
    tensor([0])
    """
    return pooling.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@function(
    "adaptive_max_pool1d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 3)[:1]), 2), S(normal(r, 2, *(5, 4, 3)[:1]), (3, 2, 2)[:1])],
    reference=_both(adaptive_max_loops(1)),
)
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """(values, indices) of :func:`adaptive_max_pool1d` of a tensor (N, C, L); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_max_pool1d_with_indices(minigrad.ones(1, 2), 1)[1].flatten()
    tensor([0])
    """
    return adaptive.adaptive_max_pool1d(input, output_size, True)


@function(
    "adaptive_max_pool2d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 3)[:2]), 2), S(normal(r, 2, *(5, 4, 3)[:2]), (3, 2, 2)[:2])],
    reference=_both(adaptive_max_loops(2)),
)
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """(values, indices) of :func:`adaptive_max_pool2d` of a tensor (N, C, H, W); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_max_pool2d_with_indices(minigrad.ones(1, 2, 2), 1)[1].flatten()
    tensor([0])
    """
    return adaptive._adaptive_max_pool2d(input, output_size, True)


@function(
    "adaptive_max_pool3d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 3)[:3]), 2), S(normal(r, 2, *(5, 4, 3)[:3]), (3, 2, 2)[:3])],
    reference=_both(adaptive_max_loops(3)),
)
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """(values, indices) of :func:`adaptive_max_pool3d` of a tensor (N, C, D, H, W); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.adaptive_max_pool3d_with_indices(minigrad.ones(1, 2, 2, 2), 1)[1].flatten()
    tensor([0])
    """
    return adaptive.adaptive_max_pool3d(input, output_size, True)


@function(
    "fractional_max_pool2d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, *(5, 4, 3)[:2]), 2, 2, _random_samples=r.random((1, 2, 2)))],
    reference=_both(fractional._loops(2)),
)
def fractional_max_pool2d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """(values, indices) of :func:`fractional_max_pool2d` of a tensor (N, C, H, W); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.fractional_max_pool2d_with_indices(minigrad.ones(1, 2, 2), 2, 1)[1].flatten()
    tensor([0])
    """
    return fractional.fractional_max_pool2d(input, kernel_size, output_size, output_ratio, True, _random_samples)


@function(
    "fractional_max_pool3d_with_indices",
    spaces="functional",
    samples=lambda r: [S(normal(r, 1, 2, 5, 4, 4), 2, 2, _random_samples=r.random((1, 2, 3)))],
    reference=_both(fractional._loops(3)),
)
def fractional_max_pool3d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """(values, indices) of :func:`fractional_max_pool3d` of a tensor (N, C, D, H, W); ``return_indices`` changes nothing.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> F.fractional_max_pool3d_with_indices(minigrad.ones(1, 2, 2, 2), 1, 1)[1].flatten()
    tensor([7])
    """
    return fractional.fractional_max_pool3d(input, kernel_size, output_size, output_ratio, True, _random_samples)
