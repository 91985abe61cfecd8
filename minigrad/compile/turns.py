"""Threads that repeat compiled steps do so side by side; a trace runs alone, since it takes tensors' arrays away for a while."""

import os
import threading
import time

_alone = threading.RLock()
_repeating = set()  # the threads that look at guards, or repeat a program
_tracing = []  # the thread that traces, once for each time that it asked to be alone


def begin():
    """This thread is about to repeat a program: wait for the trace of another one."""
    me = threading.get_ident()
    _repeating.add(me)  # before the look at who traces, as alone() does it the other way round: one of both sees the other
    while _tracing and _tracing[0] != me:
        _repeating.discard(me)
        with _alone:
            pass
        _repeating.add(me)


def end():
    _repeating.discard(threading.get_ident())


class alone:
    """``with alone():`` no other thread traces or repeats a program."""

    def __enter__(self):
        me = threading.get_ident()
        _repeating.discard(me)
        _alone.acquire()
        _tracing.append(me)
        try:
            while _repeating:
                time.sleep(1e-5)
        except BaseException:  # an interruption: the others must not wait for this thread
            self.__exit__()
            raise

    def __exit__(self, *_):
        _tracing.pop()
        _alone.release()


def _after_fork():
    """The child has one thread, and none of what the others were doing."""
    global _alone
    _alone = threading.RLock()
    _repeating.clear()
    _tracing.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
