"""What programs ask of PyTorch's compiled part: names of its classes for ``except`` and ``isinstance``."""

from .errors import LinAlgError as _LinAlgError  # noqa: F401
from .random import Generator as Generator
from .tensor import Size as Size
from .tensor import Tensor as TensorBase  # noqa: F401
