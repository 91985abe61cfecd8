"""GradScaler: losses times a large factor, so that float16 gradients do not become zero."""

import warnings
from collections import defaultdict

import numpy as np

from .. import backends
from ..tensor import Tensor, wrap

READY, UNSCALED, STEPPED = range(3)


class GradScaler:
    """Scales a loss, takes the scale out of the gradients again, and skips steps whose gradients are not finite.

    After a step that was skipped the scale becomes smaller by ``backoff_factor``, after ``growth_interval`` good steps in a
    row larger by ``growth_factor``.

    Args:
        device: ``"cuda"`` or ``"cpu"``; without a GPU a scaler for ``"cuda"`` disables itself with a warning.
        enabled: False makes every method do nothing, and ``step`` is the optimizer's.

    >>> import minigrad
    >>> w = minigrad.ones(1, requires_grad=True)
    >>> optimizer = minigrad.optim.SGD([w], lr=0.5)
    >>> scaler = minigrad.amp.GradScaler("cpu")
    >>> scaler.scale((w * 2).sum()).backward()
    >>> w.grad
    tensor([131072.])
    >>> scaler.step(optimizer); scaler.update()
    >>> w
    tensor([0.], requires_grad=True)
    """

    def __init__(
        self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True
    ):
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda" and backends.cuda_missing():
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._now = float(init_scale)
        self._growth_factor, self._backoff_factor, self._growth_interval = growth_factor, backoff_factor, growth_interval
        self._good_steps = 0
        self._optimizers = defaultdict(_fresh)

    def scale(self, outputs):
        """A loss, or a list or tuple of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * _scalar(self._now, np.float32)
        if isinstance(outputs, str) or not hasattr(outputs, "__iter__"):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled

    def unscale_(self, optimizer):
        """Divide the gradients of this optimizer's parameters by the scale, for instance to clip them."""
        if not self._enabled:
            return
        state = self._optimizers[id(optimizer)]
        if state["stage"] == UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] == STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf"] = self._unscale(optimizer, allow_half=False)
        state["stage"] = UNSCALED

    def _unscale(self, optimizer, allow_half):
        """Whether a gradient is not finite: None where there is no gradient at all."""
        found, inverse = None, np.float32(1.0 / self._now)
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.dtype.name == "float16" and not allow_half:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                finite = bool(p.grad.isfinite().all())
                found = bool(found) or not finite
                p.grad.detach().mul_(_scalar(inverse, np.float32))
        return found

    def step(self, optimizer, *args, **kwargs):
        """``optimizer.step(...)`` with the scale taken out, unless a gradient is not finite. Returns what it returns."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._optimizers[id(optimizer)]
        if state["stage"] == STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] == READY:
            self.unscale_(optimizer)
        if state["found_inf"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if state["found_inf"] else optimizer.step(*args, **kwargs)
        state["stage"] = STEPPED
        return result

    def update(self, new_scale=None):
        """Adapt the scale to what this iteration's steps met; call it once, after all of them."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._now = float(new_scale)
        else:
            met = [s["found_inf"] for s in self._optimizers.values() if s["found_inf"] is not None]
            if not met:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(any(met))
        self._optimizers = defaultdict(_fresh)

    def _adapt(self, found_inf):
        if found_inf:
            self._now, self._good_steps = self._now * self._backoff_factor, 0
            return
        self._good_steps += 1
        if self._good_steps == self._growth_interval:
            grown = float(np.float32(self._now) * np.float32(self._growth_factor))
            self._now, self._good_steps = grown if np.isfinite(grown) else self._now, 0

    # ----------------------------------------------------------------------------------------------------------- settings
    def get_scale(self):
        """The scale, 1.0 when disabled."""
        return self._now if self._enabled else 1.0

    def is_enabled(self):
        return self._enabled

    def get_growth_factor(self):
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        self._growth_interval = new_interval

    def state_dict(self):
        """Scale, factors and the count of good steps; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._now,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._good_steps,
        }

    def load_state_dict(self, state_dict):
        """Continue from a :meth:`state_dict`."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._now = float(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._good_steps = state_dict["growth_interval"], state_dict["_growth_tracker"]


def _fresh():
    return {"stage": READY, "found_inf": None}


def _scalar(value, dtype):
    return wrap(np.array(value, dtype))
