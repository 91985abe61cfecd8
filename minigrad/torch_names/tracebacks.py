"""Tracebacks of a program that runs on minigrad: its own lines, and not ours."""

import os
import sys
from pathlib import Path

from ..tensor import Tensor
from . import facade

_OURS = (str(Path(__file__).parent.parent) + os.sep, "<minigrad", "<frozen runpy", "<frozen importlib")


def install(full=False):
    """Show uncaught exceptions without minigrad's frames; ``full`` shows all."""
    shown = sys.excepthook

    def hook(kind, error, tb):
        notice(error)
        if not full:
            tb = shorten(error)
        shown(kind, error, tb)

    sys.excepthook = hook


def notice(error):
    """A Tensor method that is missing is known only from its AttributeError."""
    if isinstance(error, AttributeError) and isinstance(getattr(error, "obj", None), Tensor):
        facade.MISSING.setdefault(f"torch.Tensor.{error.name}")
        error.add_note(facade.no_such_name("torch.Tensor", error.name))


def shorten(error):
    """Take our frames out of the traceback of ``error`` and of those before it; returns its traceback."""
    seen, first, previous = set(), error, error
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if error.__traceback__ is not None:
            begins_here = _is_ours(error.__traceback__)
            kept = _kept(error.__traceback__)
            error.__traceback__ = kept
            if error is not first and begins_here:
                previous.__cause__, previous.__suppress_context__ = None, True  # how an array library said it
                break
        previous = error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return first.__traceback__


def _is_ours(tb):
    return tb.tb_frame.f_code.co_filename.startswith(_OURS)


def _kept(tb):
    """The linked frames of a traceback that are not ours. NumPy's below ours are ours to answer for."""
    frames, inside = [], False
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        inside = (inside and "site-packages" in name) or name.startswith(_OURS)
        if not inside:
            frames.append(tb)
        tb = tb.tb_next
    for frame, following in zip(frames, [*frames[1:], None]):
        frame.tb_next = following
    return frames[0] if frames else None
