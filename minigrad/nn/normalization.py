"""Normalization: shift and scale to mean 0 and variance 1 over a part of the dimensions, then by learnt numbers."""

import warnings

from .. import ones, tensor, zeros
from ..graph import no_grad, tracer
from . import functional as F
from . import init
from .lazy import LazyModule
from .module import Module
from .parameter import UninitializedBuffer, UninitializedParameter
from .shared import new_parameter, ntuple, shown


class _Affine(Module):
    """A layer that ends with ``* weight + bias``, which start as 1 and 0, or with neither."""

    def _register_affine(self, shape, affine, bias, device, dtype):
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, new_parameter(*shape, device=device, dtype=dtype) if wanted else None)

    def reset_parameters(self):
        """Set ``weight`` to 1 and ``bias`` to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _RunningNorm(_Affine):
    """What batch and instance normalization share: running means and variances; ``ndims``: the numbers of dimensions taken."""

    ndims = ()
    _version = 2

    def __init__(self, num_features, eps, momentum, affine, track_running_stats, device, dtype, bias):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._register(bias, device, dtype)
        self.reset_parameters()

    def _register(self, bias, device, dtype):
        n, tracked = self.num_features, self.track_running_stats
        self._register_affine((n,), self.affine, bias, device, dtype)
        self.register_buffer("running_mean", zeros(n, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(n, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, device=device) if tracked else None)

    def reset_running_stats(self):
        """Forget the statistics of the batches so far."""
        if self.track_running_stats:
            with no_grad():
                self.running_mean.zero_()
                self.running_var.fill_(1.0)
                self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Forget the statistics, and set ``weight`` to 1 and ``bias`` to 0."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input):
        if input.ndim not in self.ndims:
            wanted = " or ".join(f"{n}D" for n in self.ndims)
            raise ValueError(f"expected {wanted} input (got {input.ndim}D input)")

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        """Files older than PyTorch 0.4.1, version 1 of this state, have no ``num_batches_tracked``."""
        key = prefix + "num_batches_tracked"
        if (local_metadata.get("version") or 1) < 2 and self.track_running_stats and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self):
        return (
            f"{self.num_features}, {shown(self, 'eps', 'momentum', 'affine')}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


def count_of(batches):
    """A count in a tensor as a number, which a traced step reads anew at each call."""
    trace = tracer.get()
    return float(batches) if trace is None else trace.as_number(batches)


class _BatchNorm(_RunningNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *,
                 bias=True):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input):
        self._check_input_dim(input)
        training, tracked = self.training, self.track_running_stats
        momentum = self.momentum
        if training and tracked and self.num_batches_tracked is not None:
            with no_grad():
                self.num_batches_tracked.add_(1)
            if momentum is None:  # the mean over all batches so far
                momentum = 1.0 / count_of(self.num_batches_tracked)
        updated = tracked or not training
        mean, var = (self.running_mean, self.running_var) if updated else (None, None)
        by_batch = training or (mean is None and var is None)
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, 0.0 if momentum is None else momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalizes each channel over the batch and the length; the formula and arguments are those of :class:`BatchNorm2d`.

    Args:
        num_features, eps, momentum, affine, track_running_stats, bias: as of :class:`BatchNorm2d`.

    Shape:
        (N, C) or (N, C, L) -> the same; C is ``num_features``.

    >>> import minigrad
    >>> y = minigrad.nn.BatchNorm1d(2)(minigrad.tensor([[1.0, 10.0], [3.0, 10.0]]))
    >>> y.detach().round(decimals=2)
    tensor([[-1.,  0.],
            [ 1.,  0.]])
    """

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    r"""Normalizes each channel over the batch and the image.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\, \gamma + \beta

    While training, the mean and variance are those of the batch, and running means of both are kept; in ``eval()`` the
    running ones are used. The variance of the batch divides by n, the running one by n - 1.

    Ioffe and Szegedy, "Batch normalization: accelerating deep network training", ICML 2015.

    Args:
        num_features: the number C of channels.
        eps: added to the variance.
        momentum: running = (1 - momentum) running + momentum new; None: the mean over all batches.
        affine: whether there are ``weight`` and ``bias``.
        track_running_stats: whether running statistics are kept; if not, the batch's are used in ``eval()`` too.
        bias: with ``affine``, whether there is a ``bias``.

    Shape:
        (N, C, H, W) -> the same; ``weight``, ``bias``, ``running_mean``, ``running_var`` (C,), ``num_batches_tracked`` ().

    >>> import minigrad
    >>> layer = minigrad.nn.BatchNorm2d(3)
    >>> y = layer(minigrad.arange(48.0).reshape(1, 3, 4, 4))
    >>> y.mean((0, 2, 3)).abs().max().item() < 1e-6, layer.num_batches_tracked
    (True, tensor(1))
    """

    ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalizes each channel over the batch and the volume; the formula and arguments are those of :class:`BatchNorm2d`.

    Args:
        num_features, eps, momentum, affine, track_running_stats, bias: as of :class:`BatchNorm2d`.

    Shape:
        (N, C, D, H, W) -> the same; C is ``num_features``.

    >>> import minigrad
    >>> minigrad.nn.BatchNorm3d(2)(minigrad.zeros(1, 2, 3, 3, 3)).shape
    minigrad.Size([1, 2, 3, 3, 3])
    """

    ndims = (5,)


class _InstanceNorm(_RunningNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None, dtype=None, *,
                 bias=True):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input):
        self._check_input_dim(input)
        single = input.ndim == self.ndims[0]  # without the batch dimension
        channels = 0 if single else 1
        if input.shape[channels] != self.num_features:
            found = f"size at dim={channels}"
            if self.affine:
                raise ValueError(
                    f"expected input's {found} to match num_features ({self.num_features}), but got: {input.shape[channels]}."
                )
            warnings.warn(
                f"input's {found} does not match num_features. You can silence this warning by not passing in num_features, "
                "which is not used because affine=False",
                stacklevel=3,
            )
        output = F.instance_norm(
            input.unsqueeze(0) if single else input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, 0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return output.squeeze(0) if single else output


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sample over its length; the formula and arguments are those of :class:`InstanceNorm2d`.

    Args:
        num_features, eps, momentum, affine, track_running_stats, bias: as of :class:`InstanceNorm2d`.

    Shape:
        (N, C, L) or (C, L) -> the same.

    >>> import minigrad
    >>> minigrad.nn.InstanceNorm1d(1)(minigrad.tensor([[[1.0, 3.0]]])).round(decimals=2)
    tensor([[[-1.,  1.]]])
    """

    ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    r"""Normalizes each channel of each image over itself: :math:`y = (x - \mu) / \sqrt{\sigma^2 + \epsilon}\, \gamma + \beta`.

    Ulyanov et al., "Instance normalization: the missing ingredient for fast stylization", arXiv:1607.08022.

    Args:
        num_features: the number C of channels.
        eps: added to the variance.
        momentum: as of :class:`BatchNorm2d`.
        affine: whether there are ``weight`` and ``bias``; here the default is no.
        track_running_stats: whether running statistics are kept and used in ``eval()``; here the default is no.
        bias: with ``affine``, whether there is a ``bias``.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same.

    >>> import minigrad
    >>> y = minigrad.nn.InstanceNorm2d(3)(minigrad.arange(96.0).reshape(2, 3, 4, 4))
    >>> y.mean((2, 3)).abs().max().item() < 1e-6
    True
    """

    ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalizes each channel of each volume over that volume; the formula and arguments are those of :class:`InstanceNorm2d`.

    Args:
        num_features, eps, momentum, affine, track_running_stats, bias: as of :class:`InstanceNorm2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same.

    >>> import minigrad
    >>> minigrad.nn.InstanceNorm3d(2)(minigrad.zeros(1, 2, 3, 3, 3)).shape
    minigrad.Size([1, 2, 3, 3, 3])
    """

    ndims = (4, 5)


class _LazyNorm(LazyModule):
    """A normalization that takes ``num_features`` from dimension 1 of its first input."""

    def __init__(self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True):
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _register(self, bias, device, dtype):
        where = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", self.affine), ("bias", self.affine and bias)):
            self.register_parameter(name, UninitializedParameter(**where) if wanted else None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, UninitializedBuffer(**where) if self.track_running_stats else None)
        self.register_buffer("num_batches_tracked", tensor(0, device=device) if self.track_running_stats else None)

    def initialize_parameters(self, input):
        self.num_features = input.shape[1]
        for t in (self.weight, self.bias, self.running_mean, self.running_var):
            if t is not None:
                t.materialize((self.num_features,))


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A :class:`BatchNorm1d` that takes ``num_features`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyBatchNorm1d()(minigrad.zeros(2, 3)).shape
    minigrad.Size([2, 3])
    """

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A :class:`BatchNorm2d` that takes ``num_features`` from its first input.

    >>> import minigrad
    >>> layer = minigrad.nn.LazyBatchNorm2d()
    >>> layer(minigrad.zeros(2, 3, 4, 4)).shape, layer.num_features
    (minigrad.Size([2, 3, 4, 4]), 3)
    """

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A :class:`BatchNorm3d` that takes ``num_features`` from its first input.

    >>> import minigrad
    >>> minigrad.nn.LazyBatchNorm3d()(minigrad.zeros(2, 3, 2, 2, 2)).shape
    minigrad.Size([2, 3, 2, 2, 2])
    """

    becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An :class:`InstanceNorm1d` that takes ``num_features`` from its first input, which must have a batch dimension.

    >>> import minigrad
    >>> minigrad.nn.LazyInstanceNorm1d()(minigrad.zeros(2, 3, 4)).shape
    minigrad.Size([2, 3, 4])
    """

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An :class:`InstanceNorm2d` that takes ``num_features`` from its first input, which must have a batch dimension.

    >>> import minigrad
    >>> minigrad.nn.LazyInstanceNorm2d()(minigrad.zeros(2, 3, 4, 4)).shape
    minigrad.Size([2, 3, 4, 4])
    """

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An :class:`InstanceNorm3d` that takes ``num_features`` from its first input, which must have a batch dimension.

    >>> import minigrad
    >>> minigrad.nn.LazyInstanceNorm3d()(minigrad.zeros(2, 3, 2, 2, 2)).shape
    minigrad.Size([2, 3, 2, 2, 2])
    """

    becomes = InstanceNorm3d


class LayerNorm(_Affine):
    r"""Normalizes each sample over its last dimensions: :math:`y = (x - \mu) / \sqrt{\sigma^2 + \epsilon} \odot \gamma + \beta`.

    Ba et al., "Layer normalization", arXiv:1607.06450.

    Args:
        normalized_shape: the last dimensions of the input, over which the mean and variance are taken; a number for one.
        eps: added to the variance.
        elementwise_affine: whether there are ``weight`` and ``bias``, both of ``normalized_shape``.
        bias: with ``elementwise_affine``, whether there is a ``bias``.

    Shape:
        (\*, normalized_shape) -> the same.

    >>> import minigrad
    >>> y = minigrad.nn.LayerNorm(4)(minigrad.tensor([[1.0, 2.0, 3.0, 4.0]]))
    >>> abs(y.mean().item()) < 1e-6
    True
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = ntuple(normalized_shape, 1)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._register_affine(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, {shown(self, 'eps', 'elementwise_affine')}, bias={self.bias is not None}"


class RMSNorm(_Affine):
    r"""Divides each sample by its root mean square: :math:`y = x / \sqrt{\frac{1}{n} \sum_i x_i^2 + \epsilon} \odot \gamma`.

    Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Args:
        normalized_shape: the last dimensions of the input, over which the mean is taken; a number for one.
        eps: added to the mean square; None: the smallest step of the dtype.
        elementwise_affine: whether there is a ``weight`` of ``normalized_shape``.

    Shape:
        (\*, normalized_shape) -> the same.

    >>> import minigrad
    >>> minigrad.nn.RMSNorm(2, elementwise_affine=False)(minigrad.tensor([[3.0, 3.0]]))
    tensor([[1., 1.]])
    """

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = ntuple(normalized_shape, 1)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = new_parameter(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self):
        """Set ``weight`` to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input):
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, {shown(self, 'eps', 'elementwise_affine')}"


class GroupNorm(_Affine):
    r"""Normalizes each group of channels of each sample: :math:`y = (x - \mu) / \sqrt{\sigma^2 + \epsilon}\, \gamma + \beta`.

    One group is a layer norm over all channels, as many groups as channels an instance norm.

    Wu and He, "Group normalization", ECCV 2018.

    Args:
        num_groups: number of groups; it divides ``num_channels``.
        num_channels: the number C of channels.
        eps: added to the variance.
        affine: whether there are ``weight`` and ``bias``, both (C,).
        bias: with ``affine``, whether there is a ``bias``.

    Shape:
        (N, C, \*) -> the same.

    >>> import minigrad
    >>> minigrad.nn.GroupNorm(3, 6)(minigrad.zeros(20, 6, 10, 10)).shape
    minigrad.Size([20, 6, 10, 10])
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._register_affine((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, {shown(self, 'eps', 'affine')}, bias={self.bias is not None}"
