"""Pruning: a weight times a mask of zeros and ones, where the weight and what the mask lets through are kept apart.

A pruned parameter ``weight`` becomes a parameter ``weight_orig`` and a buffer ``weight_mask``; before every call of the module
``weight = weight_orig * weight_mask``. Han et al., "Learning both weights and connections for efficient neural networks", NeurIPS
2015; Li et al., "Pruning filters for efficient ConvNets", ICLR 2017 (whole channels).

>>> import minigrad
>>> from minigrad import nn
>>> from minigrad.nn.utils import prune
>>> layer = prune.l1_unstructured(nn.Linear(3, 2), "weight", amount=2)
>>> int((layer.weight == 0).sum()), list(layer.state_dict())
(2, ['bias', 'weight_orig', 'weight_mask'])
"""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable

from ... import ones_like, rand, rand_like, topk, zeros_like
from .convert_parameters import parameters_to_vector


class BasePruningMethod(ABC):
    """A way to choose what is pruned. A subclass sets ``PRUNING_TYPE`` and defines ``compute_mask``.

    ``PRUNING_TYPE`` says what a further pruning of the same parameter sees: "unstructured": the entries that are left;
    "structured": the channels that are left; "global": everything.
    """

    _tensor_name: str

    def __call__(self, module, inputs):
        """Before each call of the module: multiply anew."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The mask of importance scores ``t``: ``default_mask`` with further zeros."""

    def apply_mask(self, module):
        """The parameter times its mask."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, name + "_orig")
        return getattr(module, name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune parameter ``name`` of ``module``. Returns the method, or the container of all methods that prune it."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        key, old = _pruning_of(module, name)
        if old is not None:
            method = _joined(old, method)
        original = getattr(module, name + "_orig") if old is not None else getattr(module, name)
        if importance_scores is not None and importance_scores.shape != original.shape:
            raise AssertionError(f"importance_scores should have the same shape as parameter {name} of {module}")
        scores = getattr(module, name) if importance_scores is None else importance_scores  # what earlier masks have left
        mask = ones_like(original.detach()) if old is None else getattr(module, name + "_mask").detach().clone()
        mask = method.compute_mask(scores, default_mask=mask)
        if old is None:
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        else:
            del module._forward_pre_hooks[key]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """``t`` times the mask that this method computes for it."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError("importance_scores should have the same shape as tensor t")
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module):
        """Make the pruned values the parameter's own. The mask is forgotten, and so nothing holds the zeros any more."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        values = self.apply_mask(module)
        original = module._parameters[name + "_orig"]
        original.data = values.detach()
        if hasattr(module, name):
            delattr(module, name)
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several methods that prune one parameter, one after another: each sees what those before it have left."""

    def __init__(self, *args):
        self._pruning_methods = ()
        methods = args[0] if len(args) == 1 and isinstance(args[0], Iterable) else args
        if len(args) == 1 and not isinstance(args[0], Iterable):
            self._tensor_name = args[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        """Add a method, which must prune the same parameter."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer {self}. "
                f"Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t, default_mask):
        """The mask that the last method computes from what is left."""
        method = self._pruning_methods[-1]
        mask = default_mask.detach().clone()
        left = self._left(method, t, mask)
        mask[left] = method.compute_mask(t[left], default_mask=mask[left]).to(dtype=mask.dtype)
        return mask

    @staticmethod
    def _left(method, t, mask):
        """The index of what ``method`` sees."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        if method.PRUNING_TYPE == "global":
            return (slice(None),) * t.ndim
        if method.PRUNING_TYPE != "structured":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        if not hasattr(method, "dim"):
            raise AttributeError("Pruning methods of PRUNING_TYPE 'structured' need to have the attribute `dim` defined.")
        dim = method.dim % t.ndim
        others = [d for d in range(t.ndim) if d != dim]
        kept = (mask.sum(others) if others else mask) != 0
        return tuple(kept if d == dim else slice(None) for d in range(t.ndim))


def _pruning_of(module, name):
    """(key, method) of the hook that prunes a parameter."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


def _joined(old, method):
    container = old if isinstance(old, PruningContainer) else PruningContainer(old)
    if container is not old:
        container._pruning_methods = (old,)
    container.add_pruning_method(method)
    return container


# ------------------------------------------------------------------------------------------------------------------- amounts
def _check_amount(amount):
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if (whole and amount < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")


def _number(amount, size):
    """How many of ``size`` things are pruned: an int says it, a float is a share."""
    if not isinstance(amount, numbers.Integral):
        return round(amount * size)
    if amount > size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
    return int(amount)


class _ByAmount(BasePruningMethod):
    def __init__(self, amount):
        _check_amount(amount)
        self.amount = amount

    def _scores(self, t):
        """What is pruned first is smallest here."""
        raise NotImplementedError(f"{type(self).__name__} must say how entries are ranked")


# ------------------------------------------------------------------------------------------------------------------- methods
class Identity(BasePruningMethod):
    """Prunes nothing, but makes the parameter a masked one."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


class _Unstructured(_ByAmount):
    PRUNING_TYPE = "unstructured"
    largest = False

    def compute_mask(self, t, default_mask):
        count = _number(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            chosen = topk(self._scores(t.detach()).reshape(-1), k=count, largest=self.largest).indices
            mask = mask.reshape(-1).index_fill(0, chosen, 0).reshape(mask.shape)
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes entries at random: ``amount`` of them, a number or a share."""

    largest = True

    def _scores(self, t):
        return rand_like(t)


class L1Unstructured(_Unstructured):
    """Prunes the entries of smallest absolute value: ``amount`` of them, a number or a share."""

    def _scores(self, t):
        return t.abs()


class _Structured(_ByAmount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        super().__init__(amount)
        self.dim = dim

    def _check(self, t):
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.ndim} dims"
            )
        if not -t.ndim <= self.dim < t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")

    def compute_mask(self, t, default_mask):
        self._check(t)
        size = t.shape[self.dim]
        count = _number(self.amount, size)
        if not count:
            return default_mask
        scores = self._scores(t.detach())
        kept = topk(scores, k=size - count, largest=True).indices
        channels = zeros_like(scores, dtype=default_mask.dtype).index_fill(0, kept, 1)
        shape = [1] * t.ndim
        shape[self.dim] = size
        return default_mask * channels.reshape(shape)


class RandomStructured(_Structured):
    """Prunes whole channels along ``dim`` at random."""

    def _scores(self, t):
        return rand(t.shape[self.dim], device=t.device)


class LnStructured(_Structured):
    """Prunes the channels along ``dim`` of smallest n-norm."""

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t):
        return t.norm(p=self.n, dim=[d for d in range(t.ndim) if d != self.dim % t.ndim])


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(f"mask of shape {tuple(self.mask.shape)} for a parameter of shape {tuple(default_mask.shape)}")
        return default_mask * self.mask.to(dtype=default_mask.dtype)


# ----------------------------------------------------------------------------------------------------------------- functions
def identity(module, name):
    """Make a parameter a masked one, with a mask of ones. Returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """Prune entries at random: ``amount`` of them, an int for a number and a float for a share. Returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """Prune the entries of smallest absolute value, or of smallest ``importance_scores``. Returns the module."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """Prune whole channels along ``dim`` at random. Returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """Prune the channels along ``dim`` of smallest n-norm. Returns the module.

    >>> import minigrad
    >>> layer = minigrad.nn.utils.prune.ln_structured(minigrad.nn.Linear(4, 4), "weight", amount=0.5, n=2, dim=0)
    >>> int((layer.weight == 0).all(1).sum())
    2
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prune several parameters as if they were one.

    Args:
        parameters: (module, name) pairs.
        pruning_method: a class whose ``PRUNING_TYPE`` is "unstructured".
        importance_scores: {(module, name): scores}, in place of the values.
        kwargs: of the method, for instance ``amount=0.2``.

    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    >>> pairs = [(layer, "weight") for layer in net]
    >>> nn.utils.prune.global_unstructured(pairs, nn.utils.prune.L1Unstructured, amount=8)
    >>> int(sum((layer.weight == 0).sum() for layer in net))
    8
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    parameters = list(parameters)
    importance_scores = {} if importance_scores is None else importance_scores
    if not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    values = [getattr(module, name) for module, name in parameters]
    scores = parameters_to_vector([importance_scores.get(pair, v) for pair, v in zip(parameters, values)])
    masks = parameters_to_vector(
        [getattr(module, name + "_mask", ones_like(v.detach())) for (module, name), v in zip(parameters, values)]
    )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. '
            f"Found method {pruning_method} of type {method.PRUNING_TYPE}"
        )
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "temp"
    container.add_pruning_method(method)
    found, start = container.compute_mask(scores, masks), 0
    for (module, name), v in zip(parameters, values):
        custom_from_mask(module, name, found[start : start + v.numel()].view_as(v))
        start += v.numel()


def custom_from_mask(module, name, mask):
    """Prune where ``mask``, of the parameter's shape, is 0. Returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module, name):
    """Make pruning permanent: the parameter gets its name back and the masked values. Returns the module."""
    key, method = _pruning_of(module, name)
    if method is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module):
    """Whether some parameter of ``module``, or of a module in it, is pruned.

    >>> from minigrad import nn
    >>> nn.utils.prune.is_pruned(nn.Linear(1, 1)), nn.utils.prune.is_pruned(nn.utils.prune.identity(nn.Linear(1, 1), "bias"))
    (False, True)
    """
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in m._forward_pre_hooks.values())
