"""The one error of the package."""


class HostCudaError(RuntimeError):
    """hostcuda cannot be set up or used: the message says what failed, what was seen and what to do."""
