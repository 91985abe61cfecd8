"""``profile``: record what runs inside a ``with`` block, all of it or the steps that a schedule picks."""

import enum
import os
import socket
import time

from . import events


class ProfilerActivity(enum.Enum):
    """What is recorded; operations on the CPU whatever is asked for."""

    CPU, XPU, MTIA, CUDA, HPU, PrivateUse1 = range(6)


class ProfilerAction(enum.Enum):
    """What a schedule says of a step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """A function from a step's number to a :class:`ProfilerAction`: ``wait`` steps of rest, ``warmup`` steps, ``active``
    recorded ones, and again, ``repeat`` times (0: for ever), after ``skip_first`` steps."""
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError("Invalid profiler schedule arguments")

    def action(step):
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        length = wait + warmup + active
        if repeat and step >= repeat * length:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """An ``on_trace_ready`` that writes each trace as a file into ``dir_name``."""

    def handle(prof):
        os.makedirs(dir_name, exist_ok=True)
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{name}.{time.time_ns()}.pt.trace.json"))

    return handle


class profile:
    """Records the operations that run inside.

    Args:
        activities: kept for PyTorch's signature, as are the settings not named here.
        schedule: which steps are recorded; the program calls ``step()`` at the end of each.
        on_trace_ready: called with the profile when a recording ends.

    >>> import minigrad
    >>> with minigrad.profiler.profile() as prof:
    ...     y = minigrad.ones(3) + 1
    >>> [(e.key, e.count) for e in prof.key_averages()]
    [('minigrad::add', 1)]
    """

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False, profile_memory=False,
                 with_stack=False, with_flops=False, with_modules=False, experimental_config=None, execution_trace_observer=None,
                 acc_events=False, use_cuda=None, custom_trace_id_callback=None):  # fmt: skip
        self._schedule, self._ready = schedule, on_trace_ready
        self.step_num, self._events, self._recording = 0, events.EventList(), False

    def _action(self):
        return ProfilerAction.RECORD if self._schedule is None else self._schedule(self.step_num)

    def start(self):
        if self._action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self._begin()

    def _begin(self):
        if not self._recording:
            self._events, self._recording = events.EventList(), True
            events.start(self._events)

    def _finish(self):
        if self._recording:
            self._recording = False
            events.stop(self._events)
            if self._ready is not None:
                self._ready(self)

    def stop(self):
        self._finish()

    def step(self):
        """The end of a step of the program."""
        done = self._action()
        self.step_num += 1
        if done is ProfilerAction.RECORD_AND_SAVE:
            self._finish()
        if self._action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self._begin()
        else:
            self._finish()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def events(self):
        """The events, an :class:`EventList`."""
        return self._events

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """One event for each operation."""
        return self._events.key_averages()

    def export_chrome_trace(self, path):
        self._events.export_chrome_trace(path)


def supported_activities():
    return {ProfilerActivity.CPU}


def kineto_available():
    return False
