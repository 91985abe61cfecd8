"""Functions of Python that others stand for while a run is followed: ``print`` is refused, ``getattr`` is listened to."""

import builtins
import contextlib
import dataclasses
import functools
import sys
import time

from ..graph import tracer
from .arrays import refuse
from .reads import USER, kind_of

_REFUSED = ((builtins, "print"), (builtins, "input"), *[(time, n) for n in ("time", "perf_counter", "monotonic", "process_time")])
_HEARD = ((builtins, "getattr"), (builtins, "hasattr"))
_LISTING = ((builtins, "vars"), (builtins, "dir"))


@contextlib.contextmanager
def replaced():
    """In a ``with``: traced runs, of which there is one at a time, are refused some functions and tell their Watch of others."""
    own = [(make, place, name, getattr(place, name)) for make, places in _MAKERS.items() for place, name in places]
    for make, place, name, function in own:
        setattr(place, name, make(function))
    try:
        yield
    finally:
        for _, place, name, function in own:
            setattr(place, name, function)


def _refused(function):
    """``function``, refused to users' functions in a traced run: a replay would leave it out, or keep what it returned."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if tracer.get() is not None and kind_of(sys._getframe(1).f_code.co_filename) == USER:
            raise refuse(f"{function.__name__}() was called", "call it outside; a value that changes comes in as a tensor")
        return function(*args, **kwargs)

    return call


def _heard(function):
    """``getattr`` or ``hasattr``. The Watch hears of what users' functions ask for, since they may have computed the name,
    and of the fields that :mod:`dataclasses` asks for.
    """
    kinds = {dataclasses.__file__: None}  # file -> whether its functions are users'

    @functools.wraps(function)
    def call(owner, name, *default):
        code = sys._getframe(1).f_code
        file = code.co_filename
        if file not in kinds:
            kinds[file] = kind_of(file) == USER
        if kinds[file] is not False and isinstance(name, str):
            _tell(owner, str.__str__(name), code if kinds[file] else None)
        return function(owner, name, *default)

    return call


def _listing(function):
    """``vars`` or ``dir``, of which the Watch hears as of every name there is."""

    @functools.wraps(function)
    def call(*owner):
        frame = sys._getframe(1)
        if not owner:  # of the function that asks
            return sorted(frame.f_locals) if function is _dir else frame.f_locals
        if kind_of(frame.f_code.co_filename) == USER:
            _tell(owner[0], None, frame.f_code)
        return function(*owner)

    return call


def _tell(owner, name, code):
    trace = tracer.get()
    if trace is not None and trace.watch is not None:
        trace.watch.asked(owner, name, code)


_dir = dir
_MAKERS = {_refused: _REFUSED, _heard: _HEARD, _listing: _LISTING}
