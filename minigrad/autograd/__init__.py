"""Recording and differentiation, under the names of ``torch.autograd``.

The engine stands below the operations; what users write with it (:class:`Function`, :func:`detect_anomaly`) above them.
"""

from ..graph import enable_grad as enable_grad
from ..graph import inference_mode as inference_mode
from ..graph import no_grad as no_grad
from ..graph import set_grad_enabled as set_grad_enabled
from .engine import backward as backward
from .engine import grad as grad


def __getattr__(name):
    """``Function``, ``detect_anomaly`` and kin: loaded on first use, since they need the operations."""
    import importlib

    homes = {
        "Function": "function", "once_differentiable": "function", "function": "function", "Context": "function",
        "detect_anomaly": "anomaly", "set_detect_anomaly": "anomaly", "is_anomaly_enabled": "anomaly",
    }  # fmt: skip
    if name in homes:
        module = importlib.import_module(f"{__name__}.{homes[name]}")
        value = module if name == homes[name] else getattr(module, name)
        globals()[name] = value
        return value
    if name == "Variable":
        from ..tensor import Tensor

        return Tensor
    if name in ("gradcheck", "gradgradcheck"):
        from .. import testing

        return getattr(testing, name)
    raise AttributeError(f"module 'minigrad.autograd' has no attribute {name!r}")
