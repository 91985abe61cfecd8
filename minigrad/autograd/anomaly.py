"""Finding the line behind a NaN: with ``detect_anomaly`` every recorded call remembers where it was made."""

import traceback
from pathlib import Path

from .. import dispatch
from ..op import registry

_HERE = str(Path(__file__).parent.parent)


class _Settings:
    """What a recorded call keeps: whether to look for NaN, and the text of the user's lines."""

    def __init__(self, check_nan, text=""):
        self.check_nan, self.text = check_nan, text

    def where(self):
        frames = [f for f in traceback.extract_stack() if not f.filename.startswith((_HERE, "<minigrad"))]
        return _Settings(self.check_nan, "".join(traceback.format_list(frames[-3:])))


class detect_anomaly:
    """Inside, an error or a NaN in a backward pass names the forward line that it belongs to. Slow: for debugging.

    Args:
        check_nan: raise where a gradient is NaN.

    >>> import minigrad
    >>> x = minigrad.zeros(1, requires_grad=True)
    >>> try:
    ...     with minigrad.autograd.detect_anomaly():
    ...         (x.sqrt() * 0).sum().backward()
    ... except RuntimeError as error:
    ...     print("nan" in str(error))
    True
    """

    def __init__(self, check_nan=True):
        self.check_nan = check_nan
        self._tokens = []

    def __enter__(self):
        dispatch.enter_special_mode(registry.values())
        self._tokens.append(dispatch.anomaly.set(_Settings(self.check_nan)))

    def __exit__(self, *_):
        dispatch.anomaly.reset(self._tokens.pop())
        dispatch.leave_special_mode()


class set_detect_anomaly(detect_anomaly):
    """Switch anomaly detection on or off at once; used with ``with``, the old state comes back at the end."""

    def __init__(self, mode, check_nan=True):
        super().__init__(check_nan)
        self.mode = bool(mode)
        if self.mode:
            super().__enter__()
        else:
            self._outer = dispatch.anomaly.get()
            dispatch.anomaly.set(None)

    def __enter__(self):
        pass

    def __exit__(self, *exception):
        if self.mode:
            super().__exit__(*exception)
        else:
            dispatch.anomaly.set(self._outer)


def is_anomaly_check_nan_enabled():
    """Whether :class:`detect_anomaly` looks for NaN; True where it is off."""
    settings = dispatch.anomaly.get()
    return settings is None or settings.check_nan


def is_anomaly_enabled():
    """Whether this thread is inside :class:`detect_anomaly`."""
    return dispatch.anomaly.get() is not None
