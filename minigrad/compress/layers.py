"""Layers with int8 weights: what :func:`minigrad.quantize` puts in place of Linear, Conv2d and Embedding.

Each keeps ``weight`` (int8), ``scale`` (float32, one step for each output channel or table row) and ``bias`` (float32) as
buffers, so that they are in ``state_dict()`` and in the file, and no optimizer sees them. The float weight was about
``weight * scale``. The products are operations of their own, see ``minigrad/ops/quantized.py``.
"""

from .. import float32, int8, nn, zeros
from ..errors import DtypeError, GradError, ShapeError, describe
from ..graph import no_grad, recording
from ..nn import functional as F
from ..nn.shared import ntuple
from ..ops.quantized import conv2d_dynamic, linear_dynamic, linear_w8, quantize_rows
from ..ops.sliding import batched, out_sizes, unbatched
from ..tensor import Tensor

ACTIVATIONS = ("dynamic", "float")


class Quantized(nn.Module):
    """What the three layers share.

    ``activations``: "dynamic" quantizes each input to int8 as it comes, and multiplies and adds integers; "float" keeps
    inputs as they are ("weights only").
    """

    def __init__(self, activations):
        super().__init__()
        if activations not in ACTIVATIONS:
            raise ValueError(f"activations must be 'dynamic' (int8) or 'float' (weights only), got {activations!r}")
        self.activations = activations
        self.training = False

    def _make_buffers(self, weight_shape, bias, device):
        self.register_buffer("weight", zeros(weight_shape, dtype=int8, device=device))
        self.register_buffer("scale", zeros(weight_shape[0], dtype=float32, device=device))
        self.register_buffer("bias", zeros(weight_shape[0], dtype=float32, device=device) if bias else None)

    def _take(self, weight, bias=None):
        """Quantize float weights (O, ...) into the buffers, one step for each of the O rows. Returns self."""
        with no_grad():
            weight = weight.detach().to(float32)
            if not weight.isfinite().all():
                raise ValueError(
                    f"quantize: a weight of shape {tuple(weight.shape)} has NaN or infinite values; int8 cannot hold them"
                )
            q, step = quantize_rows(weight.reshape(len(weight), -1))
            self.weight, self.scale = q.reshape(weight.shape), step.reshape(-1)
            if bias is not None:
                self.bias = bias.detach().to(float32).clone()
        return self

    def dequantized(self):
        """The float weight that the layer computes with: ``weight * scale``."""
        return self.weight.to(self.scale.dtype) * self.scale.reshape(-1, *[1] * (self.weight.ndim - 1))

    def _check_mode(self):
        if self.training and recording():
            raise GradError(
                f"{self._get_name()} is in training mode, but int8 weights cannot be trained. Train the float model and quantize "
                f"it afterwards; to run this one, call model.eval() or compute under minigrad.no_grad()"
            )

    def _check_float(self, input):
        if not isinstance(input, Tensor) or not input.is_floating_point():
            raise DtypeError(
                f"{self._get_name()}: expected a floating point Tensor, got {describe(input)}; convert it with "
                f"{'.float()' if isinstance(input, Tensor) else 'minigrad.tensor()'}"
            )

    def _load_one(self, name, key, old, new, local_metadata, error_msgs):
        if name == "weight" and isinstance(new, Tensor) and new.dtype is not int8:
            error_msgs.append(
                f"{key} is {new.dtype} in state_dict, but {self._get_name()} holds int8: load float weights into the float model "
                f"and quantize that."
            )
        else:
            super()._load_one(name, key, old, new, local_metadata, error_msgs)


class QuantizedLinear(Quantized):
    r"""A :class:`~minigrad.nn.Linear` with int8 weights: :math:`y_n = s_n \sum_k q_{nk}\, x_k + b_n`.

    Made by :func:`minigrad.quantize`; made directly it is all zeros, ready for ``load_state_dict``.

    Args:
        in_features, out_features, bias: as of Linear.
        activations: "dynamic" (x is rounded to int8, one step for each row) or "float".

    Shape:
        (\*, in_features) -> (\*, out_features); ``weight`` int8 (out_features, in_features), ``scale`` (out_features,).

    >>> import minigrad
    >>> layer = minigrad.nn.Linear(2, 1)
    >>> with minigrad.no_grad():
    ...     layer.weight.copy_(minigrad.tensor([[1.27, -0.5]])), layer.bias.fill_(0.25)
    (...
    >>> small = minigrad.quantize(layer)
    >>> small
    QuantizedLinear(in_features=2, out_features=1, bias=True, activations='dynamic')
    >>> small.weight, small(minigrad.tensor([1.0, 1.0]))
    (tensor([[127, -50]], dtype=minigrad.int8), tensor([1.0200]))
    """

    def __init__(self, in_features, out_features, bias=True, activations="dynamic", device=None):
        super().__init__(activations)
        self.in_features, self.out_features = in_features, out_features
        self._make_buffers((out_features, in_features), bias, device)

    @classmethod
    def from_float(cls, layer, activations="dynamic"):
        """The int8 version of a Linear."""
        new = cls(layer.in_features, layer.out_features, layer.bias is not None, activations, layer.weight.device)
        return new._take(layer.weight, layer.bias)

    def forward(self, input):
        self._check_mode()
        self._check_float(input)
        x, lead = input, input.array.shape[:-1]
        if len(lead) != 1:
            if input.array.shape[-1:] != (self.in_features,):
                raise ShapeError(
                    f"{self._get_name()}: the input's last size must be in_features={self.in_features}, "
                    f"got shape {tuple(input.shape)}"
                )
            x = input.reshape(-1, self.in_features)
        if self.activations == "dynamic":
            y = linear_dynamic(x, self.weight, self.scale, self.bias)
        else:
            y = linear_w8(x, self.weight, self.scale)
            y = y if self.bias is None else y + self.bias
        return _as(y if x is input else y.reshape(*lead, self.out_features), input)

    def extra_repr(self):
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}, "
            f"activations={self.activations!r}"
        )


class QuantizedConv2d(Quantized):
    """A :class:`~minigrad.nn.Conv2d` with int8 filters.

    Made by :func:`minigrad.quantize`; made directly it is all zeros, ready for ``load_state_dict``.

    Args:
        in_channels ... padding_mode: as of Conv2d.
        activations: "dynamic" (the input is rounded to int8, one step for each sample; products of its windows are sums of
            integers) or "float" (the filters are unpacked for each call).

    Shape:
        as of Conv2d; ``weight`` int8 (out_channels, in_channels / groups, KH, KW), ``scale`` (out_channels,).

    >>> import minigrad
    >>> minigrad.quantize(minigrad.nn.Conv2d(1, 8, 3, padding=1))
    QuantizedConv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), activations='dynamic')
    """

    ndim, transposed, output_padding = 2, False, (0, 0)  # what the methods that are borrowed from Conv2d read
    _check_options, _widths, _options = nn.Conv2d._check, nn.Conv2d._widths, nn.Conv2d.extra_repr

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", activations="dynamic", device=None):  # fmt: skip
        super().__init__(activations)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = ntuple(kernel_size, 2), ntuple(stride, 2), ntuple(dilation, 2)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, 2)
        self.groups, self.padding_mode = groups, padding_mode
        self._check_options()
        self._make_buffers((out_channels, in_channels // groups, *self.kernel_size), bias, device)

    @classmethod
    def from_float(cls, layer, activations="dynamic"):
        """The int8 version of a Conv2d."""
        new = cls(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups,
            layer.bias is not None, layer.padding_mode, activations, layer.weight.device,
        )  # fmt: skip
        return new._take(layer.weight, layer.bias)

    def forward(self, input):
        self._check_mode()
        self._check_float(input)
        x, was_batched = batched("conv2d", input, 2)
        widths = self._widths()
        if any(widths):
            x = F.pad(x, widths, "constant" if self.padding_mode == "zeros" else self.padding_mode)
        if self.activations == "dynamic":
            self._check_image(input, x)
            how = {"stride": self.stride, "dilation": self.dilation, "groups": self.groups}
            y = conv2d_dynamic(x, self.weight, self.scale, self.bias, **how)
        else:
            bias = None if self.bias is None else _as(self.bias, x)
            y = F.conv2d(x, _as(self.dequantized(), x), bias, self.stride, 0, self.dilation, self.groups)
        return _as(unbatched(y, was_batched), input)

    def _check_image(self, input, padded):
        if padded.shape[1] != self.in_channels:
            raise ShapeError(
                f"{self._get_name()}: expected input{list(input.shape)} to have {self.in_channels} channels, but got "
                f"{padded.shape[1]} channels instead"
            )
        if min(out_sizes(padded.shape[2:], self.kernel_size, self.stride, (0, 0), self.dilation)) < 1:
            raise ShapeError(
                f"{self._get_name()}: Kernel size can't be greater than actual input size: kernel {self.kernel_size} with "
                f"dilation {self.dilation} on a padded input of {tuple(padded.shape[2:])}; use more padding or larger images"
            )

    def extra_repr(self):
        return f"{self._options()}, activations={self.activations!r}"


class QuantizedEmbedding(Quantized):
    r"""An :class:`~minigrad.nn.Embedding` with int8 rows, one step for each: :math:`y_{\dots,:} = s_{x_{\dots}} q_{x_{\dots},:}`.

    Made by :func:`minigrad.quantize`; made directly it is all zeros, ready for ``load_state_dict``. A table with ``max_norm``
    is scaled down to it once, when it is quantized.

    Args:
        num_embeddings, embedding_dim, padding_idx: as of Embedding.

    Shape:
        (\*) of int64 or int32 -> (\*, embedding_dim); ``weight`` int8 (num_embeddings, embedding_dim), ``scale``
        (num_embeddings,).

    >>> import minigrad
    >>> table = minigrad.quantize(minigrad.nn.Embedding(10, 4))
    >>> table, table(minigrad.tensor([[1, 2]])).shape
    (QuantizedEmbedding(10, 4), minigrad.Size([1, 2, 4]))
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, activations="dynamic", device=None):
        super().__init__(activations)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self._make_buffers((num_embeddings, embedding_dim), False, device)

    @classmethod
    def from_float(cls, layer, activations="dynamic"):
        """The int8 version of an Embedding."""
        new = cls(layer.num_embeddings, layer.embedding_dim, layer.padding_idx, activations, layer.weight.device)
        weight = layer.weight.detach()
        if layer.max_norm is not None:
            lengths = weight.norm(layer.norm_type, 1, keepdim=True)
            weight = weight * (layer.max_norm / (lengths + 1e-7)).clamp(max=1.0)
        return new._take(weight)

    def forward(self, input):
        self._check_mode()
        return F.embedding(input, self.weight).to(self.scale.dtype) * F.embedding(input, self.scale.reshape(-1, 1))

    def extra_repr(self):
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        return ", ".join(parts if self.padding_idx is None else [*parts, f"padding_idx={self.padding_idx}"])


def _as(y, x):
    """``y`` in the dtype of ``x``: half precision in, half precision out."""
    return y if y.array.dtype is x.array.dtype else y.to(x.dtype)
