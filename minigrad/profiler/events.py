"""What a profile records: one event for each call of an operation, and for each block that the program names."""

import functools
import json
import time

from .. import dispatch
from ..op import registry

_recorders = []  # the event lists of the profiles that are under way


class FunctionEvent:
    """One call: its name, its start and its duration in microseconds."""

    def __init__(self, name, start, duration, inside=0.0):
        self.name = self.key = name
        self.start, self.count = start, 1
        self.cpu_time_total, self.self_cpu_time_total = duration, duration - inside

    cpu_time = property(lambda self: self.cpu_time_total / self.count)
    cpu_time_str = property(lambda self: _time(self.cpu_time))
    cpu_time_total_str = property(lambda self: _time(self.cpu_time_total))
    self_cpu_time_total_str = property(lambda self: _time(self.self_cpu_time_total))
    cuda_time = cuda_time_total = self_cuda_time_total = property(lambda self: 0.0)
    device_time = device_time_total = self_device_time_total = property(lambda self: 0.0)
    cpu_memory_usage = self_cpu_memory_usage = cuda_memory_usage = property(lambda self: 0)

    def add(self, other):
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total

    def __repr__(self):
        return f"<{type(self).__name__} {self.name} calls={self.count} cpu_time={self.cpu_time_str}>"


class FunctionEventAvg(FunctionEvent):
    """The calls of one name together."""


class EventList(list):
    """The events of a profile, or one for each name (:meth:`key_averages`)."""

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """One event for each name, in the order in which the names first ran."""
        found = {}
        for e in self:
            if e.name not in found:
                found[e.name] = FunctionEventAvg(e.name, e.start, 0.0)
                found[e.name].count = 0
            found[e.name].add(e)
        return EventList(found.values())

    def total_average(self):
        """All events as one."""
        total = FunctionEventAvg("Total", 0.0, 0.0)
        total.count = 0
        for e in self:
            total.add(e)
        return total

    @property
    def self_cpu_time_total(self):
        return sum(e.self_cpu_time_total for e in self)

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55, max_shapes_column_width=80,
              header=None, top_level_events_only=False):  # fmt: skip
        """The events as a table.

        Args:
            sort_by: such as ``"cpu_time_total"``, ``"self_cpu_time_total"``, ``"cpu_time"`` or ``"count"``.
            row_limit: number of rows, -1 for all.
            header: a title.
        """
        events = sorted(self, key=lambda e: getattr(e, sort_by), reverse=True) if sort_by else list(self)
        total = self.self_cpu_time_total or 1.0
        titles = ("Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls")
        rows = [
            (
                e.name[:max_name_column_width], f"{e.self_cpu_time_total / total:.2%}", e.self_cpu_time_total_str,
                f"{e.cpu_time_total / total:.2%}", e.cpu_time_total_str, e.cpu_time_str, str(e.count),
            )
            for e in events[: row_limit if row_limit >= 0 else None]
        ]  # fmt: skip
        widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
        line = "  ".join("-" * w for w in widths)
        text = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in [titles, *rows]]
        head = [line, header, line] if header else [line]
        return "\n".join([*head, text[0], line, *text[1:], line, f"Self CPU time total: {_time(self.self_cpu_time_total)}", ""])

    def export_chrome_trace(self, path):
        """Write the events as a JSON file for chrome://tracing or Perfetto."""
        with open(path, "w") as file:
            events = [
                {"name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": "CPU functions", "tid": 0}
                for e in self
            ]
            json.dump({"traceEvents": events}, file)

    def __str__(self):
        return self.table()


def _time(microseconds):
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= size:
            return f"{microseconds / size:.3f}{unit}"
    return f"{microseconds:.3f}us"


# -------------------------------------------------------------------------------------------------------------- recording
class _Open:
    """A call or a block that is under way, and how long the ones inside it took."""

    def __init__(self, name):
        self.name, self.start, self.inside = name, time.perf_counter(), 0.0


_open = []


def _begin(name):
    _open.append(_Open(name))


def _end():
    this = _open.pop()
    duration = 1e6 * (time.perf_counter() - this.start)
    if _open:
        _open[-1].inside += duration
    event = FunctionEvent(this.name, 1e6 * this.start, duration, this.inside)
    for recorder in _recorders:
        recorder.append(event)


def start(events):
    """Append an event to ``events`` for every operation from here on."""
    dispatch.enter_special_mode(registry.values())
    if not _recorders:
        plain = dispatch._apply

        @functools.wraps(plain)
        def timed(op, args, params):
            _begin(f"minigrad::{op.public_name or op.name}")
            try:
                return plain(op, args, params)
            finally:
                _end()

        dispatch._apply = timed
    _recorders.append(events)


def stop(events):
    _recorders[:] = [r for r in _recorders if r is not events]
    if not _recorders:
        dispatch._apply = dispatch._apply.__wrapped__
        _open.clear()
    dispatch.leave_special_mode()


class record_function:
    """``with record_function("data"):`` or ``@record_function("data")``: a block under its own name in the profile."""

    def __init__(self, name, args=None):
        self.name = name

    def __enter__(self):
        self._on = bool(_recorders)
        if self._on:
            _begin(self.name)
        return self

    def __exit__(self, *_):
        if self._on and _open:
            _end()

    def __call__(self, function):
        @functools.wraps(function)
        def recorded(*args, **kwargs):
            with record_function(self.name):
                return function(*args, **kwargs)

        return recorded
