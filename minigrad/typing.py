"""Type hints for programs: ``minigrad.types`` under another name."""

from .types import Device as Device
from .types import FileLike as FileLike
from .types import Number as Number
from .types import Tensors as Tensors
