"""``torch.linalg``: what the operations publish for it."""

from . import ops as _ops  # noqa: F401  registers them
from .op import members as _members

globals().update(_members("linalg"))
