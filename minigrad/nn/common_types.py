"""``torch.nn.common_types``: type hints for sizes."""

from ..tensor import Tensor

_scalar_or_tuple_1_t = _size_1_t = int | tuple[int]
_scalar_or_tuple_2_t = _size_2_t = int | tuple[int, int]
_scalar_or_tuple_3_t = _size_3_t = int | tuple[int, int, int]
_scalar_or_tuple_4_t = _size_4_t = int | tuple[int, int, int, int]
_scalar_or_tuple_any_t = _size_any_t = int | tuple[int, ...]
_ratio_2_t, _ratio_3_t, _ratio_any_t = float | tuple[float, float], float | tuple[float, float, float], float | tuple[float, ...]
_tensor_list_t = Tensor | list[Tensor]
