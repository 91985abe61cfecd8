"""``torch.types``: names for type hints."""

import builtins
import os
from collections.abc import Sequence
from typing import IO

from .device import device
from .dtype import DType
from .storage import UntypedStorage as Storage  # noqa: F401
from .tensor import Size, Tensor

Number = builtins.int | builtins.float | builtins.bool
Device = device | str | builtins.int | None
FileLike = str | os.PathLike | IO
Tensors = Tensor | Sequence[Tensor]
TensorOrTensors = Tensors
_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_dtype, _device, _size = DType, device, Size | list[builtins.int] | tuple[builtins.int, ...]
_TensorOrTensors = Tensors
