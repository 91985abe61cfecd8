"""Normalization of each channel by the strength of its neighbours."""

from . import functional as F
from .module import Module
from .shared import shown


class LocalResponseNorm(Module):
    r"""Divides each channel by the strength of its neighbours.

    .. math:: y_c = x_c\, \Big(k + \frac{\alpha}{n} \sum_{|c' - c| \le n / 2} x_{c'}^2\Big)^{-\beta}

    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS 2012.

    Args:
        size: the number n of channels that are summed.
        alpha, beta, k: as in the formula.

    Shape:
        (N, C, \*) -> the same.

    >>> import minigrad
    >>> minigrad.nn.LocalResponseNorm(2)(minigrad.zeros(32, 5, 24, 24)).shape
    minigrad.Size([32, 5, 24, 24])
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, {shown(self, 'alpha', 'beta', 'k')}"


class CrossMapLRN2d(Module):
    r"""Divides each channel of an image by the strength of its neighbours, (size - 1) / 2 on either side.

    .. math:: y_c = x_c\, \Big(k + \frac{\alpha}{n} \sum_{|c' - c| \le (n - 1) / 2} x_{c'}^2\Big)^{-\beta}

    Args:
        size: the number n of channels that are summed.
        alpha, beta, k: as in the formula.

    Shape:
        (N, C, H, W) -> the same.

    >>> import minigrad
    >>> minigrad.nn.CrossMapLRN2d(3)(minigrad.zeros(2, 5, 4, 4)).shape
    minigrad.Size([2, 5, 4, 4])
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input):
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        reach, channels = (self.size - 1) // 2, input.shape[1]
        squares = F.pad(input * input, (0, 0, 0, 0, reach, reach))
        total = sum(squares[:, i : i + channels] for i in range(2 * reach + 1))
        return input * (total * (self.alpha / self.size) + self.k) ** -self.beta

    def extra_repr(self):
        return f"{self.size}, {shown(self, 'alpha', 'beta', 'k')}"
