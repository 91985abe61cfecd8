"""minigrad: a deep-learning library to read in an afternoon and to keep using afterwards."""

from . import autograd as autograd
from . import ops as ops
from . import random as random
from .dtype import bfloat16, complex64, float16, float32, float64, get_default_dtype, int8, int16, int32, int64, set_default_dtype, uint8
from .dtype import bool_ as bool
from .device import device
from .graph import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .op import members
from .random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .tensor import Size, Tensor

globals().update(members("torch"))
