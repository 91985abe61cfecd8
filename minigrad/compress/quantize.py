"""``quantize``: a model with int8 weights in place of float ones."""

import copy

from .. import nn, state
from ..nn.parameter import is_lazy
from .layers import QuantizedConv2d, QuantizedEmbedding, QuantizedLinear

# By exact class: a subclass may use its weight in another way. (Attention reads the weights of its output projection, which
# is a subclass of Linear, and keeps them float.)
VERSIONS = {nn.Linear: QuantizedLinear, nn.Conv2d: QuantizedConv2d, nn.Embedding: QuantizedEmbedding}


def quantize(model, *, activations="dynamic", inplace=False):
    r"""A copy of ``model`` with int8 weights: about a quarter of the memory and of the file, for inference.

    Every Linear, Conv2d and Embedding becomes a :class:`~minigrad.compress.QuantizedLinear`, ``QuantizedConv2d`` or
    ``QuantizedEmbedding``. A weight w is kept as an integer q from -127 to 127 and one float step s for each output channel
    (each row of an Embedding), the smallest step that holds the channel's largest weight:

    .. math:: s_o = \max_k |w_{ok}| / 127, \quad q_{ok} = \mathrm{round}(w_{ok} / s_o), \quad w_{ok} \approx s_o q_{ok}

    so that no weight moves by more than :math:`s_o / 2`. Everything else stays as it is: other layers, subclasses of the three
    (they may use their weights in another way), layers without a single weight, and the parameters of attention and of
    recurrent layers. A layer used in several places stays one layer, and tied weights stay tied. Forward hooks are kept.

    Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018;
    Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018 (section 3: one step per channel).

    Args:
        model: a trained Module. It is left untouched unless ``inplace``.
        activations: "dynamic": inputs of Linear and Conv2d are rounded to int8 as they come, with one step for each row (each
            image), and products are summed as integers. "float": inputs stay float, which is a little more accurate.
        inplace: replace the layers in ``model`` itself. A model that is a single layer cannot be: use what is returned.

    Returns:
        the quantized model, in eval mode. Its int8 layers have no parameters: they cannot be trained.

    Raises:
        ValueError: where there is nothing to quantize, a weight is NaN or infinite, or a lazy layer has no shape yet.

    To load it again, quantize a new model in the same way and load the state dict, or use :func:`load_quantized`.

    >>> import minigrad
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> small = minigrad.quantize(model)
    >>> small
    Sequential(
      (0): QuantizedLinear(in_features=64, out_features=32, bias=True, activations='dynamic')
      (1): ReLU()
      (2): QuantizedLinear(in_features=32, out_features=10, bias=True, activations='dynamic')
    )
    >>> x = minigrad.randn(5, 64)
    >>> bool((small(x) - model(x)).abs().max() < 0.05)
    True
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"quantize(model): model must be a Module, got {type(model).__name__}")
    made = _quantized_layers(model, activations)
    if id(model) in made:
        return made[id(model)]
    if inplace:
        for module in list(model.modules()):
            for name, child in module._modules.items():
                module._modules[name] = made.get(id(child), child)
    else:
        model = copy.deepcopy(model, made)  # wherever the copy meets a float layer, it finds the int8 one
    return model.eval()


def _quantized_layers(model, activations):
    """id of every float layer that has an int8 version -> that version."""
    made, first_with = {}, {}
    for name, layer in model.named_modules():
        if any(is_lazy(p) for p in layer.parameters(recurse=False)):
            raise ValueError(
                f"quantize: {name or 'the model'} ({type(layer).__name__}) has no weights yet; call the model once first"
            )
        if type(layer) not in VERSIONS or not layer.weight.numel():
            continue
        try:
            new = made[id(layer)] = VERSIONS[type(layer)].from_float(layer, activations)
        except ValueError as error:
            raise ValueError(f"{error} (layer {name or type(layer).__name__!r})") from None
        tied = first_with.setdefault(id(layer.weight), new)
        if tied.weight.equal(new.weight):
            new.weight, new.scale = tied.weight, tied.scale
        new._forward_hooks.update(layer._forward_hooks)
        new._forward_pre_hooks.update(layer._forward_pre_hooks)
    if not made and not any(type(m) in VERSIONS.values() for m in model.modules()):
        raise ValueError("quantize: nothing to do, the model has no Linear, Conv2d or Embedding layer")
    return made


def load_quantized(path, build, *, activations="dynamic"):
    """A quantized model from the file of its state dict; float weights are neither needed nor read.

    Args:
        path: the file that ``minigrad.save(quantized.state_dict(), path)`` wrote.
        build: a function that makes the float model, with any weights: they are thrown away.
        activations: as of :func:`quantize`; the file is the same for both.

    >>> import minigrad, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "small.safetensors")
    >>> build = lambda: minigrad.nn.Sequential(minigrad.nn.Linear(4, 2))
    >>> small = minigrad.quantize(build())
    >>> minigrad.save(small.state_dict(), path)
    >>> again = minigrad.compress.load_quantized(path, build)
    >>> x = minigrad.randn(3, 4)
    >>> again(x).equal(small(x))
    True
    """
    model = quantize(build(), activations=activations, inplace=True)
    model.load_state_dict(state.load(path))
    return model
