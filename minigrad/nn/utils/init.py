"""Layers without first values."""

import inspect

from ..module import Module


def skip_init(module_cls, *args, **kwargs):
    """A layer whose parameters have undefined values: for values that come from a file.

    Args:
        module_cls: the class of the layer; it must take ``device``.
        args, kwargs: of its constructor.

    >>> import minigrad
    >>> minigrad.nn.utils.skip_init(minigrad.nn.Linear, 5, 1).weight.shape
    minigrad.Size([1, 5])
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    return module_cls(*args, **kwargs)
