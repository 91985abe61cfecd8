"""The state dict of a Module: its parameters and persistent buffers by their dotted names, out and in."""

import functools
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from typing import NamedTuple

from ..graph import no_grad
from ..tensor import Tensor
from .hooks import add_hook
from .parameter import Parameter, is_lazy

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What ``load_state_dict`` returns: the keys that only one side has."""

    __slots__ = ()

    def __repr__(self):
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"


class _StateHook(NamedTuple):
    """A hook of ``state_dict()``."""

    function: object
    may_replace: bool


class State:
    """The part of Module that saves and loads. ``Module`` alone inherits from it."""

    # ------------------------------------------------------------------------------------------------------------- out
    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """Parameters and persistent buffers of this module and all its submodules, by dotted name.

        The tensors share memory with the module; they are detached unless ``keep_vars``.

        >>> from minigrad import nn
        >>> {name: tuple(t.shape) for name, t in nn.Sequential(nn.Linear(2, 3)).state_dict().items()}
        {'0.weight': (3, 2), '0.bias': (3,)}
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args))
            destination = given["destination"] if destination is None else destination
            prefix, keep_vars = prefix or given.get("prefix", ""), keep_vars or given.get("keep_vars", False)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            changed = hook.function(self, destination, prefix, local_metadata)
            if hook.may_replace:
                destination = destination if changed is None else changed
            elif changed is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Put this module's own state, without its submodules', into ``destination``."""
        for name, tensor in self._local_state().items():
            destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _local_state(self):
        """This module's own parameters, then its persistent buffers."""
        state = {k: v for k, v in self._parameters.items() if v is not None}
        state.update((k, v) for k, v in self._buffers.items() if v is not None and k not in self._non_persistent_buffers_set)
        return state

    def get_extra_state(self):
        """What else belongs into the state dict. A class that overrides it must override :meth:`set_extra_state` too."""
        raise RuntimeError(f"{type(self).__name__} defines set_extra_state but no get_extra_state; define both")

    def set_extra_state(self, state):
        """Take back what :meth:`get_extra_state` gave."""
        raise RuntimeError(f"{type(self).__name__} defines get_extra_state but no set_extra_state; define both")

    # -------------------------------------------------------------------------------------------------------------- in
    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy the tensors of ``state_dict`` into the parameters and buffers of the same names.

        Args:
            state_dict: a mapping from dotted names to Tensors.
            strict: whether missing and unexpected keys are an error.
            assign: put the given tensors in place of the module's, rather than copy their values.

        Returns:
            The named tuple (missing_keys, unexpected_keys).

        Raises:
            RuntimeError: it lists every missing, unexpected and mis-shaped key.

        >>> from minigrad import nn
        >>> nn.Linear(2, 3).load_state_dict(nn.Linear(2, 3).state_dict())
        <All keys matched successfully>
        >>> nn.Linear(2, 3).load_state_dict({"wight": None}, strict=False)
        _IncompatibleKeys(missing_keys=['weight', 'bias'], unexpected_keys=['wight'])
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        copied = OrderedDict(state_dict)
        self._load(copied, "", getattr(state_dict, "_metadata", {}), assign, missing, unexpected, errors)
        if strict:
            listed = [
                f"{kind} key(s) in state_dict: " + ", ".join(f'"{k}"' for k in keys) + ". "
                for kind, keys in (("Missing", missing), ("Unexpected", unexpected))
                if keys
            ]
            errors = listed + errors
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return _IncompatibleKeys(missing, unexpected)

    def _load(self, state_dict, prefix, metadata, assign, missing, unexpected, errors):
        local_metadata = dict(metadata.get(prefix[:-1], {}))
        if assign:
            local_metadata["assign_to_params_buffers"] = True
        self._load_from_state_dict(state_dict, prefix, local_metadata, True, missing, unexpected, errors)
        for name, child in self._modules.items():
            if child is not None:
                inner = f"{prefix}{name}."
                mine = {k: v for k, v in state_dict.items() if k.startswith(inner)}
                child._load(mine, inner, metadata, assign, missing, unexpected, errors)
        keys = _IncompatibleKeys(missing, unexpected)
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, "
                    "if incompatible_keys need to be modified, it should be done inplace."
                )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        """Load this module's own state, without its submodules'. Subclasses override it to read older files.

        ``state_dict`` may be changed; what goes wrong is appended to the three lists.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        state = self._local_state()
        for name, old in state.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(name, key, old, state_dict[key], local_metadata, error_msgs)
            elif strict:
                missing_keys.append(key)
        extra = prefix + EXTRA_STATE
        if type(self).set_extra_state is not State.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    first, dot, _ = key[len(prefix) :].partition(".")
                    if first not in (self._modules if dot else state):
                        unexpected_keys.append(key)

    def _load_one(self, name, key, old, new, local_metadata, error_msgs):
        if not isinstance(new, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected minigrad.Tensor or Tensor-like object from checkpoint '
                f"but received {type(new)}"
            )
            return
        if is_lazy(old):
            if is_lazy(new):
                return
            old.materialize(new.shape)
        if old.ndim == 0 and tuple(new.shape) == (1,):
            new = new[0]
        if new.shape != old.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, "
                f"the shape in current model is {old.shape}."
            )
            return
        try:
            with no_grad():
                if local_metadata.get("assign_to_params_buffers"):
                    setattr(self, name, _as_kind(new, old))
                else:
                    old.copy_(new)
        except Exception as error:
            error_msgs.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are {old.shape} and whose dimensions '
                f"in the checkpoint are {new.shape}, an exception occurred : {error.args}."
            )

    # ----------------------------------------------------------------------------------------------------------- hooks
    def register_state_dict_pre_hook(self, hook):
        """Call ``hook(module, prefix, keep_vars)`` before the module's state is collected."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """Call ``hook(module, state_dict, prefix, local_metadata)`` afterwards; it may change the dict in place."""
        return add_hook(self._state_dict_hooks, _StateHook(hook, False))

    def _register_state_dict_hook(self, hook):
        """The older :meth:`register_state_dict_post_hook`: what the hook returns, if anything, replaces the dict."""
        return add_hook(self._state_dict_hooks, _StateHook(hook, True))

    def register_load_state_dict_pre_hook(self, hook):
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``
        before the module's state is loaded; it may change the dict and the lists in place."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        """The older :meth:`register_load_state_dict_pre_hook`: the hook gets the module only ``with_module``."""
        return add_hook(self._load_state_dict_pre_hooks, functools.partial(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook):
        """Call ``hook(module, incompatible_keys)`` afterwards; it may change the two lists in place."""
        return add_hook(self._load_state_dict_post_hooks, hook)


def _as_kind(new, old):
    """``new`` as what ``old`` is: a Parameter that requires a gradient where the old one does, or a plain tensor."""
    if not isinstance(old, Parameter):
        return new
    if not isinstance(new, Parameter):
        return Parameter(new, requires_grad=old.requires_grad)
    return new.requires_grad_(old.requires_grad)
