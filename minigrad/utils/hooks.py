"""``torch.utils.hooks``: what registering a hook returns."""

from ..tensor import Handle as RemovableHandle  # noqa: F401
