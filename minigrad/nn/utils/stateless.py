"""``functional_call`` under its older name."""


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """``module(*args, **kwargs)`` with other tensors in place of its parameters and buffers.

    See :func:`minigrad.func.functional_call`.

    >>> import minigrad
    >>> layer = minigrad.nn.Linear(1, 1, bias=False)
    >>> minigrad.nn.utils.stateless.functional_call(layer, {"weight": minigrad.ones(1, 1)}, minigrad.tensor([3.0]))
    tensor([3.])
    """
    from ... import func

    return func.functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
