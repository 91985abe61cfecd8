"""Threads for compiled kernels: the rows of an array shared among a few Python threads, which run without the GIL.

Compiled kernels are serial functions that write into the arrays they are given, so half of the rows is a call on half of
the arrays. :func:`split` makes such calls side by side:

    y = np.empty_like(x)
    split(lambda lo, hi: _softmax(x[lo:hi], y[lo:hi]), count=len(x), work=4 * x.size)

and :func:`split_sums` does it for kernels that add rows up, in pieces that do not depend on the number of threads:

    (total,) = split_sums(lambda lo, hi, total: _column_sums(x[lo:hi], total), len(x), x.size, x[0])

``work`` is the size of the whole call in elements of a simple loop, a fifth of a nanosecond each: 1 for every element that
is added or multiplied, 2 for one exponential, 4 in a softmax, 1 for ten multiply-adds of a matrix product. Below
``SMALLEST`` of it for each thread the calling thread does everything. The functions that are given must call compiled
kernels and not NumPy's ``@``, whose BLAS has threads of its own. Whoever calls while the threads are taken, from inside
such a function or from another Python thread, gets its work done in its own thread.

:func:`together` runs one function on several threads that wait for each other at a :func:`barrier`: the compiled step.

The threads start when they are first needed, and again in a forked child. Between calls they wait for the next one
with open eyes for about a millisecond, because to wake a sleeping thread takes longer than many kernels, and then
sleep. Without compilation (NUMBA_DISABLE_JIT=1) nothing would run side by side, and there are no threads.
"""

import atexit
import os
import platform
import threading

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from minigrad.threads import get_num_threads

from .jit import jit
from .machine import data_of

SMALLEST = 2**18  # work that a thread should have
PIECES = 16  # of a sum over rows at most, however many threads there are
ALIGNED = 64  # elements: long ranges are cut at multiples, so that only the last piece ends in part of a vector
START, DONE, NOWHERE = 0, 8, 16  # places in a worker's state, on cache lines of their own
WATCH = 2000  # looks at the state before a worker goes to sleep
GIL_DELAY = 60  # pauses until the caller has let go of the GIL, and so has each worker before this one
PATIENCE = 100  # looks before a waiting thread offers its core to others


# ----------------------------------------------------------------------------------------------------------- sharing out
def split(function, count, work):
    """Call ``function(lo, hi)`` for contiguous pieces of range(count), one for each thread."""
    most = min(work // SMALLEST, count)
    team = _take(most) if most > 1 else None
    if team is None:
        return function(0, count)
    step = -(-count // (len(team) + 1))
    if step >= ALIGNED * ALIGNED:
        step = -(-step // ALIGNED) * ALIGNED
    _run(function, team, [(lo, min(lo + step, count)) for lo in range(0, count, step)])


def split_sums(function, count, work, *likes):
    """Call ``function(lo, hi, *totals)`` for pieces of range(count), which count and work determine; the sums of the totals.

    Each piece has totals of its own, zeros at first, of the shapes and dtypes of the arrays ``likes``.
    """
    bounds = pieces(count, min(PIECES, max(1, work // SMALLEST)))
    totals = [np.zeros((len(bounds) - 1, *like.shape), like.dtype) for like in likes]

    def some(first, last):
        for k in range(first, last):
            function(bounds[k], bounds[k + 1], *(total[k] for total in totals))

    split(some, len(bounds) - 1, work)
    return [total[0] if len(total) == 1 else total.sum(0) for total in totals]


def pieces(count, most):
    """The bounds of at most ``most`` pieces of range(count), whatever the number of threads.

    >>> pieces(5, 2)
    [0, 3, 5]
    """
    return [*range(0, count, max(1, -(-count // most))), count]


def together(function, n_threads=None):
    """Call ``function(thread, threads)`` on ``n_threads`` threads at the same time, ``thread`` from 0 to threads - 1.

    ``threads`` is 1 where others are using the threads, and nowhere more than asked for (default: the number set).
    A function with barriers must not raise before its last one: the others would wait for ever.
    """
    team = _take(n_threads or get_num_threads())
    if team is None:
        return function(0, 1)
    threads = len(team) + 1
    _run(function, team, [(thread, threads) for thread in range(threads)])


# -------------------------------------------------------------------------------------------------------------- the threads
class _Worker:
    """A thread and the calls it is given, one after the other."""

    def __init__(self, number):
        self.state = np.zeros(24, np.int64)
        self.delay = number * GIL_DELAY
        self.started = 0
        self.call = self.error = None
        self.asleep, self.bell = False, threading.Lock()
        self.bell.acquire()
        self.thread = threading.Thread(target=self._live, name=f"minigrad-{number}", daemon=True)
        self.thread.start()

    def start(self, call):
        """Begin with ``call``, a function and its arguments; None ends the thread."""
        self.finish()  # an interrupted caller may not have waited
        self.call = call
        self.started += 1
        self.state[START] = self.started
        if self.asleep and self.bell.locked():
            self.bell.release()

    def finish(self):
        """Wait for the end of the call. The error it raised or None."""
        if self.state[DONE] != self.started:
            _wait(self.state, NOWHERE, 0, DONE, self.started, -1, 0)
        error, self.error = self.error, None
        return error

    def _live(self):
        ticket = 0
        while True:
            while not _wait(self.state, DONE, ticket, START, ticket + 1, WATCH, self.delay):
                self.asleep = True
                if self.state[START] == ticket:  # looked at after asleep is set: the caller does it the other way round
                    self.bell.acquire()
                self.asleep = False
            ticket += 1
            if self.call is None:
                return
            try:
                function, arguments = self.call
                function(*arguments)
            except BaseException as error:
                self.error = error
            self.call = function = arguments = None  # they hold arrays


_workers: list[_Worker] = []
_turn = threading.Lock()  # held by the one caller that uses the workers


def _take(most):
    """Workers for up to ``most`` threads, the caller being one; None where it has to work alone."""
    threads = min(most, get_num_threads())
    if threads < 2 or numba.config.DISABLE_JIT or not _turn.acquire(blocking=False):
        return None
    try:
        while len(_workers) < threads - 1:
            _workers.append(_Worker(len(_workers) + 1))
    except RuntimeError:  # the system gives no more threads
        pass
    except BaseException:
        _turn.release()
        raise
    if not _workers:
        _turn.release()
    return _workers[: threads - 1] or None


def _run(function, team, calls):
    """Run the first of ``calls`` here and the others in the team, which is free afterwards."""
    team = team[: len(calls) - 1]
    try:
        for worker, arguments in zip(team, calls[1:], strict=True):
            worker.start((function, arguments))
        try:
            function(*calls[0])
        finally:
            errors = [worker.finish() for worker in team]
    finally:
        _turn.release()
    for error in errors:
        if error is not None:
            raise error


def _forget():
    """In a forked child: the threads stayed with the parent."""
    global _turn
    _turn = threading.Lock()
    _workers.clear()


def _stop():
    """At the end: a thread must not be inside compiled code when the interpreter goes."""
    if _turn.acquire(timeout=5):  # and never released: later calls work alone
        for worker in _workers:
            worker.start(None)
            worker.thread.join(timeout=5)


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


# ------------------------------------------------------------------------------------------------------- in compiled code
def _address(context, builder, kind, place, index):
    """Of element ``index`` of an array or of the memory behind a pointer."""
    data = data_of(context, builder, kind, place) if isinstance(kind, types.Array) else place
    return builder.gep(data, [index])


@intrinsic
def _load(typing, place, index):
    """place[index], read anew each time."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(address, ordering="acquire", align=8)

    return types.int64(place, types.int64), generate


@intrinsic
def _store(typing, place, index, value):
    """place[index] = value, seen by the other threads after everything that was written before."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], address, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(place, types.int64, types.int64), generate


@intrinsic
def _add(typing, place, index, value):
    """place[index] += value at one stroke. The value before."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        return builder.atomic_rmw("add", address, arguments[2], "acq_rel")

    return types.int64(place, types.int64, types.int64), generate


@intrinsic
def _pause(typing):
    """Tell the core that this is a waiting loop."""

    def generate(context, builder, signature, arguments):
        if platform.machine().lower() in ("x86_64", "amd64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _yield(typing):
    """Let another thread have this core."""

    def generate(context, builder, signature, arguments):
        name = "SwitchToThread" if os.name == "nt" else "sched_yield"
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), generate


@jit
def _wait(state, target, value, watched, wanted, looks, delay):
    """Write ``value`` to state[target], then wait until state[watched] is ``wanted``; False after so many ``looks`` (-1: never).

    A thread that finds the GIL taken goes to sleep. So the value is written here, where the GIL is not held, and a worker
    that was called lets ``delay`` pauses pass, in which the caller comes to its own piece and drops the GIL.
    """
    _store(state, target, value)
    n = 0
    while _load(state, watched) != wanted:
        if n == looks:
            return False
        n += 1
        if n > PATIENCE:
            _yield()
        else:
            _pause()
    for _ in range(delay):
        _pause()
    return True


@jit
def barrier(state, n_threads):
    """Wait until all of ``n_threads`` threads are here. ``state``: int64 (16,) or a pointer to it, zeros at first.

    The last one to come sets the count back and turns the generation, which is what the others watch: the count is
    right again before anyone can come to the next barrier.
    """
    if n_threads > 1:
        generation = _load(state, 8)
        if _add(state, 0, 1) == n_threads - 1:
            _store(state, 0, 0)
            _store(state, 8, generation + 1)
        else:
            n = 0
            while _load(state, 8) == generation:
                n += 1
                if n > PATIENCE:
                    _yield()
                else:
                    _pause()
