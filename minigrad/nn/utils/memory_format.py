"""How PyTorch lays the weights of convolutions out. Here there is one layout, and these change nothing."""


def convert_conv2d_weight_memory_format(module, memory_format):
    """Accepted as in PyTorch; returns ``module`` as it is.

    >>> import minigrad
    >>> conv = minigrad.nn.Conv2d(1, 1, 1)
    >>> minigrad.nn.utils.convert_conv2d_weight_memory_format(conv, minigrad.channels_last) is conv
    True
    """
    return module


def convert_conv3d_weight_memory_format(module, memory_format):
    """Accepted as in PyTorch; returns ``module`` as it is."""
    return module
