"""Batch normalization in evaluation is a linear map: it can be put into the weights of the layer before it."""

import copy

from ... import ones_like, zeros_like
from ..parameter import Parameter


def _scale(bn_rv, bn_eps, bn_w):
    inverse = (bn_rv + bn_eps).rsqrt()
    return inverse if bn_w is None else bn_w * inverse


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """The weight and bias of one convolution for a convolution and a batch norm after it.

    Args:
        conv_w, conv_b: of the convolution, the bias may be None.
        bn_rm, bn_rv, bn_eps: running mean and variance, and what is added to the variance.
        bn_w, bn_b: of the batch norm, or None.
        transpose: whether the convolution is transposed, with the output channels in dimension 1.

    >>> import minigrad
    >>> w, one = minigrad.ones(1, 1, 1), minigrad.ones(1)
    >>> minigrad.nn.utils.fuse_conv_bn_weights(w, None, one, 4 * one, 0.0, one, one)[1]
    Parameter containing:
    tensor([0.5000])
    """
    conv_b = zeros_like(bn_rm) if conv_b is None else conv_b
    bn_b = zeros_like(bn_rm) if bn_b is None else bn_b
    scale = _scale(bn_rv, bn_eps, ones_like(bn_rm) if bn_w is None else bn_w)
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    weight, bias = (conv_w * scale.reshape(shape)).to(conv_w.dtype), ((conv_b - bn_rm) * scale + bn_b).to(conv_b.dtype)
    return Parameter(weight.detach(), conv_w.requires_grad), Parameter(bias.detach(), conv_b.requires_grad)


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A copy of a convolution that does a batch norm's work too; both must be in ``eval()``.

    >>> import minigrad
    >>> from minigrad import nn
    >>> conv, bn = nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval()
    >>> x = minigrad.randn(1, 1, 5, 5)
    >>> bool((nn.utils.fuse_conv_bn_eval(conv, bn)(x) - bn(conv(x))).abs().max() < 1e-5)
    True
    """
    fused = _copy(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """The weight and bias of one linear layer for a linear layer and a batch norm after it."""
    linear_b = zeros_like(bn_rm) if linear_b is None else linear_b
    scale = _scale(bn_rv, bn_eps, bn_w)
    weight, bias = linear_w * scale.unsqueeze(-1), (linear_b - bn_rm) * scale + bn_b
    weight, bias = weight.to(linear_w.dtype), bias.to(linear_b.dtype)
    return Parameter(weight.detach(), linear_w.requires_grad), Parameter(bias.detach(), linear_b.requires_grad)


def fuse_linear_bn_eval(linear, bn):
    """A copy of a linear layer that does a batch norm's work too; both must be in ``eval()``."""
    fused = _copy(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def _copy(layer, bn):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("Fusion needs the running statistics of the batch norm")
    return copy.deepcopy(layer)
