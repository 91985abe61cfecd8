"""What ``functorch`` offered before ``torch.func``: a module as a function of tuples of its parameters and buffers."""

import copy

from .functional import functional_call, stack_module_state


class FunctionalModule:
    """``f(parameters, *args)``: the module with these parameters, in the order of ``module.parameters()``."""

    def __init__(self, module, buffers):
        self.stateless_model = copy.deepcopy(module).requires_grad_(False)
        self.param_names = [n for n, _ in module.named_parameters()]
        self.buffer_names = [n for n, _ in module.named_buffers()] if buffers else []
        self._buffers_too = buffers

    def __call__(self, params, *args, **kwargs):
        state = dict(zip(self.param_names, params))
        if self._buffers_too:
            state.update(zip(self.buffer_names, args[0]))
            args = args[1:]
        return functional_call(self.stateless_model, state, args, kwargs)


def _copies(tensors, frozen):
    return tuple([t.detach().clone().requires_grad_(t.requires_grad and not frozen) for t in tensors])


def make_functional(model, disable_autograd_tracking=False):
    """``(f, parameters)`` with ``f(parameters, *args) == model(*args)``.

    >>> import minigrad
    >>> f, params = minigrad.func.make_functional(minigrad.nn.Linear(2, 1))
    >>> f(params, minigrad.ones(3, 2)).shape
    minigrad.Size([3, 1])
    """
    return FunctionalModule(model, False), _copies(model.parameters(), disable_autograd_tracking)


def make_functional_with_buffers(model, disable_autograd_tracking=False):
    """``(f, parameters, buffers)`` with ``f(parameters, buffers, *args) == model(*args)``.

    >>> import minigrad
    >>> f, params, buffers = minigrad.func.make_functional_with_buffers(minigrad.nn.Linear(2, 1))
    >>> f(params, buffers, minigrad.ones(3, 2)).shape
    minigrad.Size([3, 1])
    """
    params = _copies(model.parameters(), disable_autograd_tracking)
    return FunctionalModule(model, True), params, tuple([b.detach().clone() for b in model.buffers()])


def combine_state_for_ensemble(models):
    """``(f, parameters, buffers)`` of several equal modules, the tensors stacked for ``vmap``.

    >>> import minigrad
    >>> f, params, buffers = minigrad.func.combine_state_for_ensemble([minigrad.nn.Linear(2, 1) for _ in range(3)])
    >>> minigrad.vmap(f, in_dims=(0, 0, None))(params, buffers, minigrad.ones(4, 2)).shape
    minigrad.Size([3, 4, 1])
    """
    models = list(models)
    params, buffers = stack_module_state(models)
    return FunctionalModule(models[0], True), tuple(params.values()), tuple(buffers.values())
