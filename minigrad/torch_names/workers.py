"""Processes that are started afresh (``spawn``, ``forkserver``) import the program again, and so need the hook before that."""

import multiprocessing.spawn as spawn
import sys
from pathlib import Path

_ROOT = str(Path(__file__).parent.parent.parent)


class _Hook:
    """An object that installs the hook in the process that unpickles it."""

    def __init__(self, engine):
        self.engine = engine

    def __reduce__(self):
        # The new process has no program's sys.path yet, so minigrad is found by its place.
        path = [*sys.path, _ROOT]
        text = f"import sys; sys.path[:] = {path!r}; import minigrad; minigrad.as_torch({self.engine!r}); sys.path.pop()"
        return exec, (text,)


def patch(engine):
    """Add the hook to what multiprocessing tells a new process first. Returns what to hand to :func:`restore`."""
    original = spawn.get_preparation_data

    def get_preparation_data(name):
        return {"minigrad": _Hook(engine), **original(name)}

    spawn.get_preparation_data = get_preparation_data
    return original


def restore(original):
    spawn.get_preparation_data = original
