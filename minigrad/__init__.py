"""minigrad: a deep-learning library to read in an afternoon and to keep using afterwards.

PyTorch's names and meanings, one block of text per operation, arrays from NumPy on the CPU and CuPy on the GPU, hot loops
in Numba. This file is the public list and nothing else: what operations there are, is written in ``minigrad/ops``.
"""

import importlib as _importlib
import warnings as _warnings

from . import autograd as autograd
from . import ops as ops
from .device import device as device
from .dtype import DType as dtype
from .dtype import bfloat16 as bfloat16
from .dtype import bool_ as bool
from .dtype import complex64 as cfloat
from .dtype import complex64 as complex64
from .dtype import complex128 as cdouble
from .dtype import complex128 as complex128
from .dtype import float16 as float16
from .dtype import float16 as half
from .dtype import float32 as float
from .dtype import float32 as float32
from .dtype import float64 as double
from .dtype import float64 as float64
from .dtype import get_default_dtype as get_default_dtype
from .dtype import int8 as int8
from .dtype import int16 as int16
from .dtype import int16 as short
from .dtype import int32 as int
from .dtype import int32 as int32
from .dtype import int64 as int64
from .dtype import int64 as long
from .dtype import set_default_dtype as set_default_dtype
from .dtype import uint8 as uint8
from .graph import enable_grad as enable_grad
from .graph import inference_mode as inference_mode
from .graph import is_grad_enabled as is_grad_enabled
from .graph import is_inference_mode_enabled as is_inference_mode_enabled
from .graph import no_grad as no_grad
from .graph import set_grad_enabled as set_grad_enabled
from .op import members as _members
from .tensor import Size as Size
from .tensor import Tensor as Tensor

__version__ = "0.1.0"

e, pi, inf, nan = 2.718281828459045, 3.141592653589793, 1e999, 1e999 - 1e999

# Every function that an operation block or @function publishes for `torch`.
globals().update(_members("torch"))

# Like PyTorch, minigrad computes log(0) or inf - inf without a word. NumPy's state is left alone: only the warnings that
# arise in our own lines are silenced.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minigrad\.")

# Loaded on first use, so that `import minigrad` costs little more than `import numpy`.
_MODULES = frozenset(
    """_C __config__ accelerator amp bench compile compiler compress cpu cuda data distributed distributions func hub jit kernels
    linalg mps multiprocessing nn onnx optim overrides profiler random return_types sparse special state storage teach testing
    torch_names types typing utils version xpu""".split()
)
_FUNCTIONS = {
    **dict.fromkeys(
        ["manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state", "Generator", "default_generator"], "random"
    ),
    **dict.fromkeys(["save", "load"], "state"),
    **dict.fromkeys(["vmap"], "func"),
    **dict.fromkeys(["is_anomaly_enabled", "is_anomaly_check_nan_enabled"], "autograd.anomaly"),
    **dict.fromkeys(["quantize"], "compress"),
    **dict.fromkeys(["sparse_coo_tensor", "spmm"], "sparse"),
    **dict.fromkeys(["finfo", "iinfo"], "limits"),
    **dict.fromkeys(["set_printoptions"], "printing"),
    **dict.fromkeys(["as_torch"], "torch_names"),
    **dict.fromkeys("cond while_loop sym_float sym_int sym_ite sym_max sym_min sym_not sym_sum".split(), "control"),
    **dict.fromkeys(["fork", "wait", "ScriptFunction"], "jit"),
    **dict.fromkeys(["autocast", "GradScaler"], "amp"),
    **dict.fromkeys(["Event", "Stream"], "cuda.streams"),
    **dict.fromkeys(["is_storage", "Storage", "UntypedStorage", "TypedStorage"], "storage"),
    **dict.fromkeys(
        """are_deterministic_algorithms_enabled clear_autocast_cache compiled_with_cxx11_abi contiguous_format channels_last
        channels_last_3d get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype get_default_device
        get_deterministic_debug_mode get_device_module get_float32_matmul_precision get_num_interop_threads get_num_threads
        init_num_threads is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled
        is_deterministic_algorithms_warn_only_enabled is_warn_always_enabled layout memory_format preserve_format qscheme
        set_autocast_dtype set_default_device set_default_tensor_type set_deterministic_debug_mode
        set_float32_matmul_precision set_flush_denormal set_num_interop_threads set_num_threads set_warn_always sparse_coo
        sparse_csr strided typename use_deterministic_algorithms""".split(),
        "settings",
    ),
    **dict.fromkeys(["AcceleratorError", "OutOfMemoryError"], "cuda.errors"),
}


def __getattr__(name):
    if name in _MODULES:
        return _importlib.import_module(f".{name}", __name__)
    if name in _FUNCTIONS:
        value = getattr(_importlib.import_module(f".{_FUNCTIONS[name]}", __name__), name)
        globals()[name] = value
        return value
    if name.startswith("_foreach_"):
        return getattr(_importlib.import_module(".foreach", __name__), name)
    import difflib

    from .torch_names.table import INSTEAD

    near = difflib.get_close_matches(name, [*globals(), *_MODULES, *_FUNCTIONS], n=1, cutoff=0.7)
    hint = f"; {INSTEAD[f'torch.{name}']}" if f"torch.{name}" in INSTEAD else f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}{hint}")


def __dir__():
    return sorted({*globals(), *_MODULES, *_FUNCTIONS})
