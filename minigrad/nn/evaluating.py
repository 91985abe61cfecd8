"""A model as it is used, and then as it was."""

import contextlib


@contextlib.contextmanager
def evaluating(model):
    """Inside the block every module of ``model`` is in eval mode; at the end each gets its own mode back.

    >>> import minigrad
    >>> from minigrad.nn.evaluating import evaluating
    >>> model = minigrad.nn.Dropout(0.5)
    >>> with evaluating(model):
    ...     model(minigrad.ones(3))
    tensor([1., 1., 1.])
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, mode in modes:
            module.training = mode
