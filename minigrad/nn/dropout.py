"""Dropout: while training, a part of the input is zeroed at random and the rest is scaled up."""

from . import functional as F
from .module import Module
from .shared import shown


class _Dropout(Module):
    function = None

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input):
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return shown(self, "p", "inplace")


class Dropout(_Dropout):
    r"""While training, zeroes each element with probability ``p`` and divides the others by 1 - p; in ``eval()`` the identity.

    .. math:: y = \frac{m}{1 - p} \odot x, \qquad m \sim \mathrm{Bernoulli}(1 - p)

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).

    Args:
        p: probability of zero.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> layer = minigrad.nn.Dropout(0.2)
    >>> sorted(set(layer(minigrad.ones(1000)).tolist())), layer.eval()(minigrad.ones(2))
    ([0.0, 1.25], tensor([1., 1.]))
    """

    function = F.dropout


class Dropout1d(_Dropout):
    """As :class:`Dropout`, but whole channels are zeroed: each (L,) of (N, C, L).

    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.

    Args:
        p: probability of zero.
        inplace: write the result into the input.

    Shape:
        (N, C, L) or (C, L) -> the same.

    >>> import minigrad
    >>> minigrad.nn.Dropout1d(1.0)(minigrad.ones(1, 2, 3)).sum()
    tensor(0.)
    """

    function = F.dropout1d


class Dropout2d(_Dropout):
    """As :class:`Dropout`, but whole channels are zeroed: each (H, W) of (N, C, H, W).

    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.

    Args:
        p: probability of zero.
        inplace: write the result into the input.

    Shape:
        (N, C, H, W) -> the same.

    >>> import minigrad
    >>> y = minigrad.nn.Dropout2d(0.5)(minigrad.ones(8, 4, 3, 3))
    >>> set(y.sum((2, 3)).flatten().tolist()) <= {0.0, 18.0}
    True
    """

    function = F.dropout2d


class Dropout3d(_Dropout):
    """As :class:`Dropout`, but whole channels are zeroed: each (D, H, W) of (N, C, D, H, W).

    Args:
        p: probability of zero.
        inplace: write the result into the input.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same.

    >>> import minigrad
    >>> minigrad.nn.Dropout3d(1.0)(minigrad.ones(1, 2, 2, 2, 2)).sum()
    tensor(0.)
    """

    function = F.dropout3d


class _AlphaDropout(_Dropout):
    def forward(self, input):
        return type(self).function(input, self.p, self.training)


class AlphaDropout(_AlphaDropout):
    """Dropout that keeps mean 0 and variance 1: for networks of :class:`SELU`. Dropped elements get SELU's lower limit.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    Args:
        p: probability of being dropped.
        inplace: accepted as in PyTorch; it changes nothing.

    Shape:
        (*) -> (*).

    >>> import minigrad
    >>> minigrad.nn.AlphaDropout(0.2).eval()(minigrad.ones(2))
    tensor([1., 1.])
    """

    function = F.alpha_dropout


class FeatureAlphaDropout(_AlphaDropout):
    """As :class:`AlphaDropout`, but whole channels are dropped.

    Args:
        p: probability of being dropped.
        inplace: accepted as in PyTorch; it changes nothing.

    Shape:
        (N, C, *) -> (N, C, *).

    >>> import minigrad
    >>> minigrad.nn.FeatureAlphaDropout(0.2).eval()(minigrad.ones(1, 1, 2))
    tensor([[[1., 1.]]])
    """

    function = F.feature_alpha_dropout
