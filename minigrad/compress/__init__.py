"""Smaller models: int8 weights for inference."""

from .layers import QuantizedConv2d as QuantizedConv2d
from .layers import QuantizedEmbedding as QuantizedEmbedding
from .layers import QuantizedLinear as QuantizedLinear
from .quantize import load_quantized as load_quantized
from .quantize import quantize as quantize
from .reporting import Report as Report
from .reporting import report as report
