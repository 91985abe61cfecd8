"""``weight_norm`` and ``spectral_norm`` under the parameter names of older files: ``weight_g``, ``weight_orig`` and so on.

New models take those of ``nn.utils.parametrizations``.
"""

from ...graph import no_grad
from ..parameter import Parameter, is_lazy
from .parametrizations import _SpectralNorm, _WeightNorm, norm_except_dim


class _Recomputed:
    """A forward pre-hook that computes a weight anew before each call."""

    kind = ""

    def __init__(self, name, computation):
        self.name, self.computation = name, computation

    def __call__(self, module, args):
        setattr(module, self.name, self.compute(module))


def _apply(hook, module):
    for other in module._forward_pre_hooks.values():
        if type(other) is type(hook) and other.name == hook.name:
            raise RuntimeError(f"Cannot register two {hook.kind} hooks on the same parameter {hook.name}")
    weight = getattr(module, hook.name)
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{type(hook).__name__[1:]}` can't have uninitialized parameters. "
            "Make sure to run the dummy forward before applying it"
        )
    del module._parameters[hook.name]
    hook.split(module, weight)
    setattr(module, hook.name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def _remove(kind, module, name):
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            with no_grad():
                weight = Parameter(hook.compute(module))
            for part in hook.parts:
                delattr(module, name + part)
            delattr(module, name)
            setattr(module, name, weight)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"{kind.kind} of '{name}' not found in {module}")


class _WeightNormHook(_Recomputed):
    kind, parts = "weight_norm", ("_g", "_v")

    def split(self, module, weight):
        with no_grad():
            length = norm_except_dim(weight.detach(), self.computation.dim)
        module.register_parameter(self.name + "_g", Parameter(length))
        module.register_parameter(self.name + "_v", Parameter(weight.detach()))

    def compute(self, module):
        return self.computation(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"))


class _OlderSpectralNorm(_SpectralNorm):
    first_steps = 0  # u and v are random until the first call

    def _power_method(self, matrix, n):
        with no_grad():
            for _ in range(n):  # the other vector first
                self._step(self._v, matrix.T, self._u)
                self._step(self._u, matrix, self._v)


class _SpectralNormHook(_Recomputed):
    kind, parts = "spectral_norm", ("_orig", "_u", "_v")

    def split(self, module, weight):
        module.register_parameter(self.name + "_orig", weight)
        for part, buffer in zip(("_u", "_v"), (self.computation._u, self.computation._v)):
            module.register_buffer(self.name + part, buffer)

    def compute(self, module):
        norm = self.computation.train(module.training)
        norm._u, norm._v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        return norm(getattr(module, self.name + "_orig"))


def weight_norm(module, name="weight", dim=0):
    """:func:`minigrad.nn.utils.parametrizations.weight_norm` with parameters named ``weight_g`` and ``weight_v``.

    >>> from minigrad import nn
    >>> list(nn.utils.weight_norm(nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    return _apply(_WeightNormHook(name, _WeightNorm(dim)), module)


def remove_weight_norm(module, name="weight"):
    """Undo :func:`weight_norm`: the weight is one parameter again.

    >>> from minigrad import nn
    >>> list(nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(2, 3))).state_dict())
    ['bias', 'weight']
    """
    return _remove(_WeightNormHook, module, name)


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """:func:`minigrad.nn.utils.parametrizations.spectral_norm` with ``weight_orig``, ``weight_u`` and ``weight_v``.

    >>> from minigrad import nn
    >>> list(nn.utils.spectral_norm(nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    if module._parameters.get(name) is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    computation = _OlderSpectralNorm(getattr(module, name).detach(), n_power_iterations, dim, eps)
    return _apply(_SpectralNormHook(name, computation), module)


def remove_spectral_norm(module, name="weight"):
    """Undo :func:`spectral_norm`: the weight is one parameter again, with its present value.

    >>> from minigrad import nn
    >>> list(nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 3))).state_dict())
    ['bias', 'weight']
    """
    return _remove(_SpectralNormHook, module, name)
