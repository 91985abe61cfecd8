"""Modules as functions of their parameters."""

from ..errors import describe
from ..tensor import Tensor

__all__ = ["functional_call", "stack_module_state"]


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """``module(*args, **kwargs)`` with other tensors in place of its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: {name: tensor} by the names of ``named_parameters``, or a tuple of such dicts.
        args: a tuple of inputs, or the only one.
        tie_weights: parameters that are one in the module stay one: a tensor for one name is used for all.
        strict: RuntimeError where a name is missing or unexpected.

    >>> import minigrad
    >>> layer = minigrad.nn.Linear(2, 1)
    >>> given = {"weight": minigrad.ones(1, 2), "bias": minigrad.zeros(1)}
    >>> minigrad.func.functional_call(layer, given, minigrad.tensor([1.0, 2.0]))
    tensor([3.])
    """
    given = _merged(parameter_and_buffer_dicts)
    own = dict(module.named_parameters(remove_duplicate=False))
    own.update(module.named_buffers(remove_duplicate=False))
    if strict and given.keys() != own.keys():
        missing, extra = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
        texts = [f"Unexpected key(s): {', '.join(extra)}."] if extra else []
        texts += [f"Missing key(s): {', '.join(missing)}."] if missing else []
        raise RuntimeError(" ".join(texts))
    if tie_weights:
        given = _tied(given, own)
    places = [(name, *_place(module, name)) for name in given if name in own]
    old = [(table, key, table[key]) for _, table, key in places]
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    try:
        for name, table, key in places:
            table[key] = given[name]
        return module(*args, **(kwargs or {}))
    finally:
        for name, table, key in places:  # a buffer that the module has replaced is given back to the caller
            if isinstance(parameter_and_buffer_dicts, dict) and name in parameter_and_buffer_dicts:
                if table[key] is not given[name] and isinstance(table[key], Tensor):
                    parameter_and_buffer_dicts[name] = table[key]
        for table, key, value in old:
            table[key] = value


def _merged(dicts):
    if isinstance(dicts, dict):
        return dict(dicts)
    if not isinstance(dicts, tuple | list) or not all(isinstance(d, dict) for d in dicts):
        raise ValueError(f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {describe(dicts)}")
    merged = {}
    for d in dicts:
        for name, value in d.items():
            if name in merged:
                raise ValueError(f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous")
            merged[name] = value
    return merged


def _tied(given, own):
    """What is given for one name of a shared tensor, given for all of them."""
    names = {}
    for name, t in own.items():
        names.setdefault(id(t), []).append(name)
    tied = dict(given)
    for group in names.values():
        values = {id(given[n]): given[n] for n in group if n in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {group}, which are tied. Consider using tie_weights=False"
            )
        for value in values.values():
            tied.update(dict.fromkeys(group, value))
    return tied


def _place(module, name):
    """The dict of a submodule in which a parameter or buffer stands, and its key there."""
    *path, key = name.split(".")
    for part in path:
        module = module._modules[part]
    return next(table for table in (module._parameters, module._buffers) if key in table), key


def stack_module_state(models):
    """``(parameters, buffers)`` of several equal modules, each stacked along a new first dimension: for an ensemble in ``vmap``.

    The stacked parameters are new leaves that require a gradient where those of the modules do.

    >>> import minigrad
    >>> params, buffers = minigrad.func.stack_module_state([minigrad.nn.Linear(2, 1) for _ in range(3)])
    >>> params["weight"].shape
    minigrad.Size([3, 1, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    from ..op import faces

    stack = faces["stack"].call
    params = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    stacked = {}
    for name in params[0]:
        flags = {p[name].requires_grad for p in params}
        if len(flags) > 1:
            raise RuntimeError(f"Expected {name} to have consistent requires_grad state across the models, but it differs.")
        stacked[name] = stack([p[name].detach() for p in params]).requires_grad_(flags.pop())
    return stacked, {name: stack([b[name] for b in buffers]) for name in buffers[0]}
