"""Recording and differentiation, under the names of ``torch.autograd``.

The engine stands below the operations; what users write with it (:class:`Function`, :func:`detect_anomaly`) above them.
"""

from ..graph import enable_grad as enable_grad
from ..graph import inference_mode as inference_mode
from ..graph import no_grad as no_grad
from ..graph import set_grad_enabled as set_grad_enabled
from .engine import backward as backward
from .engine import grad as grad

# Where the names are that need the operations: loaded on first use.
_HOMES = {
    **dict.fromkeys(["Function", "FunctionCtx", "Context", "once_differentiable", "function"], "function"),
    **dict.fromkeys(
        ["anomaly", "detect_anomaly", "set_detect_anomaly", "is_anomaly_enabled", "is_anomaly_check_nan_enabled"], "anomaly"
    ),
    **dict.fromkeys(["graph", "saved_tensors_hooks", "save_on_cpu"], "graph"),
    **dict.fromkeys(["Variable", "variable"], "variable"),
    **{name: name for name in ("forward_ad", "functional", "grad_mode", "profiler")},
}


def __getattr__(name):
    """``Function``, ``detect_anomaly`` and kin: loaded on first use, since they need the operations."""
    import importlib

    if name in _HOMES:
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        value = module if name == _HOMES[name] else getattr(module, name)
        globals()[name] = value
        return value
    if name in ("gradcheck", "gradgradcheck"):
        from .. import testing

        return getattr(testing, name)
    raise AttributeError(f"module 'minigrad.autograd' has no attribute {name!r}")
