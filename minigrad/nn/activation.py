"""Activations: each class is a function from ``nn.functional`` that remembers its arguments.

``class ELU(Activation, function=F.elu)`` is all it takes: the constructor's arguments and their defaults, the attributes,
``forward`` and the repr come from the function's signature.
"""

import inspect
import warnings

from . import functional as F
from . import init
from .module import Module
from .shared import new_parameter

_NOT_KEPT = {"training", "dtype", "out", "_stacklevel"}  # arguments of a function that its module does not take


class Activation(Module):
    """An element-by-element function as a module; see above. ``show`` says how ``extra_repr`` prints the arguments.

    >>> from minigrad import nn
    >>> nn.ELU(alpha=0.5), nn.ELU(alpha=0.5).alpha, isinstance(nn.ELU(), nn.Module)
    (ELU(alpha=0.5), 0.5, True)
    """

    function = None
    show = "names"  # or "values", or "nothing"

    def __init_subclass__(cls, function=None, show="names", drop=()):
        """``drop``: arguments of the function that PyTorch's module does not take."""
        super().__init_subclass__()
        if function is None:
            return
        names = list(inspect.signature(function).parameters.values())[1:]
        kept = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in names if p.name not in _NOT_KEPT and p.name not in drop]
        cls.function, cls.show = staticmethod(function), show
        cls.arguments = inspect.Signature(kept)
        if "__init__" not in cls.__dict__:
            cls.__signature__ = cls.arguments
        cls.forward = _forward(function, [p.name for p in kept] + [p.name for p in names if p.name == "training"])

    def __init__(self, *args, **kwargs):
        super().__init__()
        try:
            bound = self.arguments.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}{self.arguments}: {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            setattr(self, name, value)

    def extra_repr(self):
        if self.show == "nothing":
            return ""
        values = {name: getattr(self, name) for name in self.arguments.parameters}
        last = ["inplace=True"] if values.pop("inplace", False) else []
        return ", ".join([f"{v}" if self.show == "values" else f"{k}={v!r}" for k, v in values.items()] + last)


def _forward(function, names):
    """``forward`` with no more work than the arguments ask for."""
    others = [n for n in names if n != "inplace"]
    if others:

        def forward(self, input):
            arguments = {n: getattr(self, n) for n in names}
            return function(input, **arguments)
    elif names:

        def forward(self, input):
            return function(input, inplace=True) if self.inplace else function(input)
    else:

        def forward(self, input):
            return function(input)

    return forward


class Threshold(Activation, function=F.threshold):
    r""":math:`y = x` where x > threshold, else ``value``.

    Args:
        threshold: up to here (included) the input is replaced.
        value: what replaces it.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Threshold(0.1, 20.0)(minigrad.tensor([0.0, 1.0]))
    tensor([20.,  1.])
    """


class ReLU(Activation, function=F.relu):
    r""":math:`y = \max(0, x)`.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.ReLU()(minigrad.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """


class RReLU(Activation, function=F.rrelu):
    r""":math:`y = x` where x >= 0, else a x, with a drawn from U(lower, upper) while training, their mean in ``eval()``.

    Xu et al., "Empirical evaluation of rectified activations in convolutional network", arXiv:1505.00853.

    Args:
        lower, upper: the limits of a.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.RReLU(0.1, 0.3).eval()(minigrad.tensor([-1.0, 2.0]))
    tensor([-0.2000,  2.0000])
    """


class Hardtanh(Activation, function=F.hardtanh):
    r""":math:`y = \min(\max(x, min\_val), max\_val)`.

    Args:
        min_val, max_val: the limits.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Hardtanh(-2, 2)(minigrad.tensor([-3.0, 1.0]))
    tensor([-2.,  1.])
    """

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        for old, new, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                warnings.warn(f"keyword argument `{old}` is deprecated and rename to `{new}`", FutureWarning, stacklevel=2)
        min_val = min_val if min_value is None else min_value
        max_val = max_val if max_value is None else max_value
        super().__init__(min_val, max_val, inplace)
        if max_val <= min_val:
            raise AssertionError(f"max_val ({max_val}) must be greater than min_val ({min_val})")


class ReLU6(Hardtanh):
    r""":math:`y = \min(\max(0, x), 6)`.

    Howard et al., "MobileNets", arXiv:1704.04861.

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.ReLU6()(minigrad.tensor([-1.0, 8.0]))
    tensor([0., 6.])
    """

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class Sigmoid(Activation, function=F.sigmoid):
    r""":math:`y = 1 / (1 + e^{-x})`.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Sigmoid()(minigrad.tensor([0.0]))
    tensor([0.5000])
    """


class Hardsigmoid(Activation, function=F.hardsigmoid, show="nothing"):
    r""":math:`y = \min(\max(x + 3, 0), 6) / 6`: a sigmoid of straight lines.

    Courbariaux et al., "BinaryConnect", NeurIPS 2015.

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Hardsigmoid()(minigrad.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """


class Tanh(Activation, function=F.tanh):
    r""":math:`y = \tanh x`.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Tanh()(minigrad.tensor([0.0]))
    tensor([0.])
    """


class SiLU(Activation, function=F.silu):
    r""":math:`y = x\,\sigma(x)`, also called swish.

    Elfwing et al., "Sigmoid-weighted linear units for neural network function approximation", Neural Networks 107 (2018).

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.SiLU()(minigrad.tensor([0.0]))
    tensor([0.])
    """


class Mish(Activation, function=F.mish):
    r""":math:`y = x \tanh(\mathrm{softplus}(x))`.

    Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Mish()(minigrad.tensor([0.0]))
    tensor([0.])
    """


class Hardswish(Activation, function=F.hardswish, show="nothing"):
    r""":math:`y = x \min(\max(x + 3, 0), 6) / 6`.

    Howard et al., "Searching for MobileNetV3", ICCV 2019.

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Hardswish()(minigrad.tensor([-4.0, 4.0]))
    tensor([-0.,  4.])
    """


class ELU(Activation, function=F.elu):
    r""":math:`y = x` where x > 0, else :math:`\alpha (e^x - 1)`.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units", ICLR 2016.

    Args:
        alpha: minus the limit for very negative inputs.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.ELU()(minigrad.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """


class CELU(Activation, function=F.celu):
    r""":math:`y = \max(0, x) + \min(0, \alpha (e^{x / \alpha} - 1))`.

    Barron, "Continuously differentiable exponential linear units", arXiv:1704.07483.

    Args:
        alpha: minus the limit for very negative inputs.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.CELU()(minigrad.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """


class SELU(Activation, function=F.selu):
    r""":math:`y = 1.0507\,(\max(0, x) + \min(0, 1.6733 (e^x - 1)))`: it draws layers towards mean 0 and variance 1.

    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    Args:
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.SELU()(minigrad.tensor([1.0]))
    tensor([1.0507])
    """


class GLU(Activation, function=F.glu):
    r""":math:`y = a\,\sigma(b)`, where a and b are the two halves of the input.

    Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.

    Args:
        dim: the dimension that is halved.

    Shape:
        (\*, 2n, \*) -> (\*, n, \*).

    >>> import minigrad
    >>> minigrad.nn.GLU()(minigrad.tensor([4.0, 0.0]))
    tensor([2.])
    """


class GELU(Activation, function=F.gelu):
    r""":math:`y = x\,\Phi(x)`, with the normal distribution function :math:`\Phi`.

    Hendrycks and Gimpel, "Gaussian error linear units", arXiv:1606.08415.

    Args:
        approximate: "none", or "tanh" for :math:`\frac{x}{2}(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715 x^3)))`.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.GELU()(minigrad.tensor([1.0]))
    tensor([0.8413])
    """


class Hardshrink(Activation, function=F.hardshrink, show="values", drop=["inplace"]):
    r""":math:`y = x` where \|x\| > lambd, else 0.

    Args:
        lambd: the limit.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Hardshrink()(minigrad.tensor([0.3, 1.0]))
    tensor([0., 1.])
    """


class LeakyReLU(Activation, function=F.leaky_relu):
    r""":math:`y = \max(0, x) + negative\_slope \cdot \min(0, x)`.

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Args:
        negative_slope: the slope below 0.
        inplace: write the result into the input.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.LeakyReLU(0.1)(minigrad.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """


class LogSigmoid(Activation, function=F.logsigmoid, drop=["inplace"]):
    r""":math:`y = -\ln(1 + e^{-x})`.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.LogSigmoid()(minigrad.tensor([0.0]))
    tensor([-0.6931])
    """


class Softplus(Activation, function=F.softplus, drop=["inplace"]):
    r""":math:`y = \ln(1 + e^{\beta x}) / \beta`: a smooth ReLU.

    Args:
        beta: how sharp the bend is.
        threshold: where beta x is larger, y = x.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Softplus()(minigrad.tensor([0.0]))
    tensor([0.6931])
    """


class Softshrink(Activation, function=F.softshrink, show="values", drop=["inplace"]):
    r""":math:`y = \mathrm{sign}(x) \max(|x| - lambd, 0)`.

    Args:
        lambd: by how much values are drawn towards 0.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Softshrink()(minigrad.tensor([0.3, 1.0]))
    tensor([0.0000, 0.5000])
    """


class Softsign(Activation, function=F.softsign):
    r""":math:`y = x / (1 + |x|)`.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Softsign()(minigrad.tensor([1.0]))
    tensor([0.5000])
    """


class Tanhshrink(Activation, function=F.tanhshrink):
    r""":math:`y = x - \tanh x`.

    Shape:
        (\*) -> (\*).

    >>> import minigrad
    >>> minigrad.nn.Tanhshrink()(minigrad.tensor([0.0]))
    tensor([0.])
    """


class PReLU(Module):
    r""":math:`y = \max(0, x) + a \min(0, x)`, where a is learnt.

    He et al., "Delving deep into rectifiers", ICCV 2015.

    Args:
        num_parameters: 1, or the number of channels: one a for each.
        init: first value of a.

    Shape:
        (N, C, \*) -> the same; ``weight`` (num_parameters,).

    >>> import minigrad
    >>> minigrad.nn.PReLU()(minigrad.tensor([-1.0, 2.0])).detach()
    tensor([-0.2500,  2.0000])
    """

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = new_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self):
        """Set every a to its first value."""
        init.constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"
