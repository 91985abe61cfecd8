"""``minigrad.data`` under PyTorch's path ``torch.utils.data``."""

from ..data import *  # noqa: F403
from ..data import __dict__ as _names

__all__ = [name for name in _names if name[0].isupper() or name.startswith(("default_", "random_", "get_worker"))]
