"""``torch.nn.modules``: the layers, and the base classes that programs test for, under the paths that PyTorch keeps them at."""

import importlib
import itertools
import sys
import types
from collections.abc import Iterable

from .. import *  # noqa: F403
from ..module import Module as Module

# PyTorch's file -> where its names lie here; every layer is found at each of them.
_HOMES = {
    "activation": "activation attention softmax", "adaptive": "adaptive", "batchnorm": "normalization synchronized",
    "channelshuffle": "shape", "container": "containers", "conv": "convolution", "distance": "margin_loss",
    "dropout": "dropout", "flatten": "shape", "fold": "shape", "instancenorm": "normalization", "lazy": "lazy",
    "linear": "linear", "loss": "loss margin_loss", "module": "module", "normalization": "normalization",
    "padding": "padding", "pixelshuffle": "shape", "pooling": "pooling", "rnn": "rnn", "sparse": "embedding",
    "transformer": "transformer", "upsampling": "shape", "utils": "",
}  # fmt: skip
# PyTorch's names of base classes whose names here are others.
_BASES = {
    "_Loss": "loss.Loss", "_WeightedLoss": "loss.WeightedLoss", "_ConvNd": "convolution._Conv",
    "_ConvTransposeNd": "convolution._Transposed", "_BatchNorm": "normalization._BatchNorm", "_NormBase":
    "normalization._RunningNorm", "_InstanceNorm": "normalization._InstanceNorm", "_DropoutNd": "dropout._Dropout",
    "_MaxPoolNd": "pooling._MaxPool", "_AvgPoolNd": "pooling._AvgPool", "_LPPoolNd": "pooling._LPPool", "_MaxUnpoolNd":
    "pooling._MaxUnpool", "_AdaptiveAvgPoolNd": "pooling._AdaptiveAvgPool", "_AdaptiveMaxPoolNd": "pooling._AdaptiveMaxPool",
    "_ConstantPadNd": "padding._ConstantPad", "LazyModuleMixin": "lazy.LazyModule",
}  # fmt: skip


class _Path(types.ModuleType):
    """One of PyTorch's files, such as ``torch.nn.modules.batchnorm``."""

    def __getattr__(self, name):
        short = self.__name__.rpartition(".")[2]
        if name in _BASES:
            home, _, real = _BASES[name].partition(".")
            return getattr(_file(home), real)
        if not name.startswith("__"):
            homes = [_file(home) for home in _HOMES[short].split()] or [_tuples]
            for home in [*homes, sys.modules["minigrad.nn"]]:
                if hasattr(home, name):
                    return getattr(home, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self):
        homes = [_file(home) for home in _HOMES[self.__name__.rpartition(".")[2]].split()] or [_tuples]
        return sorted({n for home in homes for n in vars(home)})


def _file(name):
    return importlib.import_module(f"minigrad.nn.{name}")


# ------------------------------------------------------------------------------------------------ torch.nn.modules.utils
def _ntuple(n, name="parse"):
    """The function that repeats a number ``n`` times and takes an iterable as it is."""

    def parse(x):
        return tuple(x) if isinstance(x, Iterable) else tuple(itertools.repeat(x, n))

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n, f"_{w}") for n, w in enumerate(["single", "pair", "triple", "quadruple"], 1))


def _reverse_repeat_tuple(t, n):
    """(a, b) and 2 give (b, b, a, a): padding for ``F.pad``."""
    return tuple(x for x in reversed(t) for _ in range(n))


_tuples = types.SimpleNamespace(
    _ntuple=_ntuple, _single=_single, _pair=_pair, _triple=_triple, _quadruple=_quadruple,
    _reverse_repeat_tuple=_reverse_repeat_tuple,
)  # fmt: skip

for _name in _HOMES:
    _made = sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _Path(f"{__name__}.{_name}")
    _made.__doc__ = f"``torch.nn.modules.{_name}``."
