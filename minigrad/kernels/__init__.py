"""Faster bodies for operations, registered by the operation's name for one backend.

An operation is right without any of this: its text in ``minigrad/ops`` runs on every backend. A kernel is the same
function written for speed, and the tests hold it to that text. Which of the two runs depends on the operation, the dtypes,
the shapes and the settings alone, never on time or on what is cached, so a cold and a warm run give the same numbers.

Nothing here imports Numba: ``accepts`` looks at shapes and dtypes only, and the module that holds the compiled
functions is imported when a call is first accepted.
"""

import contextlib
import contextvars
import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

_enabled = contextvars.ContextVar("kernels_enabled", default=os.environ.get("MINIGRAD_KERNELS", "1") != "0")


@dataclass
class Kernel:
    """One faster body.

    ``forward`` and ``backward`` are written ``"module:function"``, a module of the backend's kernel package.

    * Without ``backward``: ``forward(*arrays, **params)`` returns what the operation's text returns.
    * With ``backward``: ``forward(*arrays, **params) -> (outputs, residual)`` and
      ``backward(g, saved, residual, needed, **params) -> one gradient or None per input``, where ``saved`` maps the names
      that the operation's rules read to arrays and ``needed`` says which inputs want a gradient.
    * ``in_place`` (optimizer updates): ``forward`` writes into its arrays and returns None.
    """

    package: str
    forward: str
    accepts: Callable[..., bool]
    backward: str | None = None
    in_place: bool = False
    _loaded: dict = field(default_factory=dict)

    def takes(self, /, *arrays, **params):
        """Whether this kernel runs the call: it accepts it, and Numba is there and works."""
        if not self.accepts(*arrays, **params):
            return False
        if self.forward in self._loaded:
            return True
        if "broken" not in self._loaded:
            try:
                self.load(self.forward)
            except Exception as error:  # not installed whole, or refusing its settings: whatever it is, the texts are right
                self._loaded["broken"] = True
                warnings.warn(
                    f"minigrad runs without its compiled kernels, slower: {self.package}.{self.forward} does not import "
                    f"({error}); "
                    f"reinstall numba, or set MINIGRAD_KERNELS=0 to silence this",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return "broken" not in self._loaded

    def load(self, which):
        """The compiled function behind ``"module:function"``, imported on first use."""
        function = self._loaded.get(which)
        if function is None:
            module, name = which.split(":")
            function = self._loaded[which] = getattr(importlib.import_module(f"{self.package}.{module}"), name)
        return function

    def run(self, /, *arrays, **params):
        """Outputs and residual (None where the kernel has no backward of its own)."""
        result = (self._loaded.get(self.forward) or self.load(self.forward))(*arrays, **params)
        return result if self.backward else (result, None)

    def gradients(self, g, saved, residual, needed, params):
        return self.load(self.backward)(g, saved, residual, needed, **params)


TABLES: dict[str, dict[str, Kernel]] = {}


def table(backend):
    """The kernels of a backend by operation name: empty where they are switched off or Numba is not installed."""
    if backend not in TABLES:
        if backend == "numpy" and importlib.util.find_spec("numba") is not None:
            TABLES[backend] = importlib.import_module(f"{__name__}.cpu").KERNELS
        else:
            TABLES[backend] = {}
    return TABLES[backend] if _enabled.get() else {}


enabled = _enabled.get


@contextlib.contextmanager
def use_kernels(flag):
    """Run the reference texts (False) or let kernels take over (True) inside the block.

    >>> import minigrad
    >>> with minigrad.kernels.use_kernels(False):
    ...     y = minigrad.ones(3).sum()
    """
    token = _enabled.set(bool(flag))
    try:
        yield
    finally:
        _enabled.reset(token)
