"""Streams and events. Without a GPU everything has happened when a call returns, so waiting takes no time.

``Event`` measures: the seconds of the clock between two ``record()`` calls, with the GPU waited for.
"""

import contextlib
import time

from ..device import device as Device


def _finish():
    from . import is_available, synchronize

    if is_available():
        synchronize()


class Stream:
    """A queue of work. All work is done in one queue, in order."""

    def __init__(self, device=None, priority=0, **_):
        self.device = Device("cuda" if device is None else device)
        self.stream_id, self.cuda_stream, self.priority = 0, 0, priority

    def synchronize(self):
        _finish()

    def query(self):
        """Whether all work is done."""
        _finish()
        return True

    def wait_stream(self, stream):
        pass

    def wait_event(self, event):
        pass

    def record_event(self, event=None):
        event = event or Event()
        event.record(self)
        return event

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Event:
    """A point in time in a stream."""

    def __init__(self, device=None, enable_timing=False, blocking=False, interprocess=False):
        self.enable_timing = enable_timing
        self._time = None

    def record(self, stream=None):
        _finish()
        self._time = time.perf_counter()

    def synchronize(self):
        _finish()

    def wait(self, stream=None):
        pass

    def query(self):
        return True

    def elapsed_time(self, end_event):
        """Milliseconds from this event to ``end_event``."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return 1000 * (end_event._time - self._time)


def current_stream(device=None):
    return Stream(device)


default_stream = current_stream


@contextlib.contextmanager
def stream(stream):
    """Work inside goes to ``stream``: to the one queue that there is."""
    yield


StreamContext = stream


def set_stream(stream):
    pass


def is_current_stream_capturing():
    return False
