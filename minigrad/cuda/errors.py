"""The errors that PyTorch's accelerators raise."""


class AcceleratorError(RuntimeError):
    """Something failed on an accelerator."""


class OutOfMemoryError(RuntimeError):
    """An accelerator has no memory left. minigrad lets CuPy's own error through; programs that wait for this one import it."""
