"""Ready parametrizations: a weight as length times direction, and a weight divided by its largest singular value."""

from ...errors import dim_error
from ...graph import no_grad
from .. import functional as F
from ..module import Module
from .orthogonal import orthogonal as orthogonal
from .parametrize import register_parametrization


def norm_except_dim(v, dim):
    """The norm over all dimensions but ``dim``, which all keep their place; over all of them where ``dim`` is -1."""
    if dim == -1:
        return v.norm()
    return (v * v).sum([d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True).sqrt()


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight):
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    r"""Write a weight as :math:`w = g\, v / \|v\|`: its length g and its direction v are trained apart. Returns the module.

    Salimans and Kingma, "Weight normalization", NeurIPS 2016.

    Args:
        module: the layer.
        name: of its weight.
        dim: the dimension along which each slice has a length of its own; None: one length for all.

    >>> from minigrad import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    >>> {name: tuple(p.shape) for name, p in layer.named_parameters()}
    {'bias': (40,), 'parametrizations.weight.original0': (40, 1), 'parametrizations.weight.original1': (40, 20)}
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def from_older_names(module, state_dict, prefix, *_):
        for i, suffix in enumerate(("_g", "_v")):
            if prefix + name + suffix in state_dict:
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(prefix + name + suffix)

    module.register_load_state_dict_pre_hook(from_older_names)
    return module


class _SpectralNorm(Module):
    """Divides a weight by u . W v, where u and v approach its first singular vectors by the power method."""

    first_steps = 15

    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise dim_error("spectral_norm", dim, weight.ndim)
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = self._matrix(weight)
                for name, size in zip(("_u", "_v"), matrix.shape):
                    self.register_buffer(name, F.normalize(matrix.new_empty(size).normal_(), dim=0, eps=eps))
                self._power_method(matrix, self.first_steps)

    def _matrix(self, weight):
        return weight.movedim(self.dim, 0).flatten(1)

    def _power_method(self, matrix, n):
        with no_grad():
            for _ in range(n):
                self._step(self._u, matrix, self._v)
                self._step(self._v, matrix.T, self._u)

    def _step(self, result, matrix, vector):
        result.copy_(F.normalize(matrix @ vector, dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next call writes into the buffers; backward needs what they were
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    r"""Divide a weight by its largest singular value: :math:`w / \sigma(w)`. Returns the module.

    Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018.

    Args:
        module: the layer.
        name: of its weight.
        n_power_iterations: steps of the power method in each call while training.
        eps: keeps quotients finite.
        dim: the dimension of the outputs; None: 1 for transposed convolutions, else 0.

    >>> import numpy
    >>> from minigrad import nn
    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(20, 40))
    >>> bool(abs(numpy.linalg.norm(layer.weight.detach().numpy(), 2) - 1) < 0.1)
    True
    """
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    weight = getattr(module, name, None)
    if weight is None:
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return register_parametrization(module, name, _SpectralNorm(weight.detach(), n_power_iterations, dim, eps))
