"""``torch.linalg``: what the operations publish for it."""

from . import ops as _ops  # noqa: F401  registers them
from .errors import LinAlgError as LinAlgError
from .op import members as _members

globals().update(_members("linalg"))
