"""Hooks of all modules at once, for tools that watch a whole program."""

from .hooks import add_hook, everywhere, with_options

_registrations = {"parameter": {}, "buffer": {}, "module": {}}


def registered(kind, module, name, value):
    """What the registration hooks make of a parameter, buffer or submodule that is about to be registered."""
    for hook in _registrations[kind].values():
        changed = hook(module, name, value)
        if changed is not None:
            value = changed
    return value


def register_module_parameter_registration_hook(hook):
    """Call ``hook(module, name, parameter)`` whenever one is registered; what it returns, if anything, takes its place."""
    return add_hook(_registrations["parameter"], hook)


def register_module_buffer_registration_hook(hook):
    """Call ``hook(module, name, buffer)`` whenever one is registered; what it returns, if anything, takes its place."""
    return add_hook(_registrations["buffer"], hook)


def register_module_module_registration_hook(hook):
    """Call ``hook(module, name, submodule)`` whenever one is registered; what it returns, if anything, takes its place."""
    return add_hook(_registrations["module"], hook)


def register_module_forward_pre_hook(hook):
    """Call ``hook(module, args)`` before every module's forward; what it returns, if anything, replaces the arguments."""
    return add_hook(everywhere, ("forward_pre", with_options(hook)))


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Call ``hook(module, args, output)`` after every module's forward; what it returns, if anything, replaces the output.

    >>> import minigrad
    >>> from minigrad import nn
    >>> names = []
    >>> handle = nn.modules.module.register_module_forward_hook(lambda m, args, output: names.append(type(m).__name__))
    >>> y = nn.Sequential(nn.Linear(1, 1), nn.ReLU())(minigrad.zeros(1, 1))
    >>> handle.remove()
    >>> names
    ['Linear', 'ReLU', 'Sequential']
    """
    return add_hook(everywhere, ("forward", with_options(hook, with_kwargs, always_call)))


def register_module_full_backward_pre_hook(hook):
    """Call ``hook(module, grad_output)`` when the gradients of any module's outputs are known; it may return new ones."""
    return add_hook(everywhere, ("backward_pre", hook))


def register_module_full_backward_hook(hook):
    """Call ``hook(module, grad_input, grad_output)`` when the gradients of any module's inputs are known."""
    return add_hook(everywhere, ("backward", hook))


def register_module_backward_hook(hook):
    """The older :func:`register_module_full_backward_hook`."""
    return add_hook(everywhere, ("backward", hook))
