"""autocast: products in bfloat16, losses in float32, everything else in the precision that it is given."""

import functools
import warnings

from .. import backends, dispatch
from ..casting import Casts
from ..dtype import as_dtype, bfloat16, float16
from ..op import registry
from ..tensor import Tensor

_defaults = {"cpu": bfloat16, "cuda": float16}
_SUPPORTED = ("cpu", "cuda", "hpu", "maia", "mps", "mtia", "privateuseone", "xla", "xpu")


class autocast:
    """Inside, matrix products and convolutions run in ``dtype`` and losses in float32, as PyTorch's lists say.

    A context manager and a decorator. float64 tensors keep their precision. Every operation takes the general way inside:
    on a CPU without bfloat16 arithmetic, which is what NumPy has, this saves memory, not time.

    Args:
        device_type: ``"cpu"`` or ``"cuda"``; without a GPU, ``"cuda"`` gives a warning and does nothing.
        dtype: bfloat16 or float16; by default bfloat16 on the CPU and float16 on a GPU.
        enabled: False switches an outer autocast off inside.
        cache_enabled: kept for PyTorch's signature: a weight is cast where it is used.

    >>> import minigrad
    >>> a = minigrad.ones(2, 2)
    >>> with minigrad.autocast("cpu", dtype=minigrad.bfloat16):
    ...     product, total = a @ a, a.sum()
    >>> product.dtype, total.dtype
    (minigrad.bfloat16, minigrad.float32)
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        device_type = device_type.partition(":")[0]
        if device_type not in _SUPPORTED:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = default_dtype(device_type) if dtype is None else as_dtype(dtype)
        self._enabled = bool(enabled) and self._possible()
        self._tokens = []

    def _possible(self):
        if self.device != "cpu" and (self.device != "cuda" or backends.cuda_missing()):
            warnings.warn(
                f"User provided device_type of '{self.device}', but {self.device.upper()} is not available. Disabling",
                stacklevel=3,
            )
            return False
        if self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In {self.device.upper()} autocast, but the target dtype {self.fast_dtype} is not supported. Disabling "
                f"autocast. It supports {bfloat16} and {float16}.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self):
        casts = Casts(dispatch.autocast.get() or {})
        casts.pop(self.device, None)
        if self._enabled:
            casts[self.device] = self.fast_dtype.dtype
            dispatch.enter_special_mode(registry.values())
        self._tokens.append(dispatch.autocast.set(casts or None))
        return self

    def __exit__(self, *_):
        dispatch.autocast.reset(self._tokens.pop())
        if self._enabled:
            dispatch.leave_special_mode()
        return False

    def __call__(self, function):
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return inside


def current(device_type):
    """The dtype that autocast casts to on that device in this thread, None where it is off."""
    casts = dispatch.autocast.get()
    return None if casts is None else casts.get(device_type)


def default_dtype(device_type):
    return _defaults.get(device_type, float16)


def set_default_dtype(device_type, dtype):
    _defaults[device_type] = as_dtype(dtype)


def is_autocast_available(device_type):
    """Whether autocast knows this type of device."""
    return device_type in _SUPPORTED


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """Decorator for ``forward`` of an autograd Function: under autocast its float tensors come as ``cast_inputs``, and
    nothing is cast inside; without ``cast_inputs`` it runs as its surroundings do.

    The state is remembered for :func:`custom_bwd`.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx, *args, **kwargs):
        dtype = current(device_type)
        ctx._fwd_used_autocast = dtype is not None and cast_inputs is None
        ctx._dtype = default_dtype(device_type) if dtype is None else as_dtype(dtype)
        if dtype is None or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return forward


def custom_bwd(bwd=None, *, device_type):
    """Decorator for ``backward`` of an autograd Function: it runs under autocast exactly if ``forward`` did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx, *args, **kwargs):
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return backward


def _cast(value, dtype):
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() and value.dtype.name != "float64" else value
    if isinstance(value, dict):
        return {k: _cast(v, dtype) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cast(v, dtype) for v in value)
    return value
