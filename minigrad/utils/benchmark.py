"""``torch.utils.benchmark``: timing a statement."""

import statistics
import timeit
from dataclasses import dataclass, field


@dataclass
class Measurement:
    """Times of one statement, in seconds for one run of it."""

    number_per_run: int
    raw_times: list
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    stmt: str = ""
    num_threads: int = 1
    metadata: dict = field(default_factory=dict)

    @property
    def times(self):
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self):
        return statistics.fmean(self.times)

    @property
    def median(self):
        return statistics.median(self.times)

    @property
    def iqr(self):
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    def __repr__(self):
        scale, unit = next(((s, u) for s, u in ((1, "s"), (1e-3, "ms"), (1e-6, "us")) if self.median >= s), (1e-9, "ns"))
        title = self.label or self.stmt
        count = "1 measurement" if len(self.raw_times) == 1 else f"{len(self.raw_times)} measurements"
        return (
            f"<{__name__}.Measurement object>\n{title}\n  {self.median / scale:.2f} {unit}\n  {count}, "
            f"{self.number_per_run} runs, {self.num_threads} thread{'' if self.num_threads == 1 else 's'}"
        )


class Timer:
    """Times a statement, as Python's ``timeit`` does.

    Args:
        stmt, setup: Python text. global_setup: text that runs before it once.
        timer: clock. globals: names that the text may use.
        label, sub_label, description, env: titles for printing.
        num_threads: kept for PyTorch's signature.

    >>> from minigrad.utils.benchmark import Timer
    >>> Timer("x + 1", globals={"x": 1}).timeit(10).number_per_run
    10
    """

    def __init__(self, stmt="pass", setup="pass", global_setup="", timer=timeit.default_timer, globals=None, label=None,
                 sub_label=None, description=None, env=None, num_threads=1, language="python"):  # fmt: skip
        if str(language).lower().rpartition(".")[2] not in ("python", "py"):
            raise ValueError(f"Timer: only Python is timed here, not {language}")
        names = dict(globals or {})
        exec(global_setup, names)
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._titles = dict(label=label, sub_label=sub_label, description=description, stmt=str(stmt), num_threads=num_threads)

    def _measurement(self, number, times):
        return Measurement(number, times, **self._titles)

    def timeit(self, number=1_000_000):
        """Run the statement ``number`` times, after a short warm-up."""
        self._timer.timeit(max(number // 100, 2))
        return self._measurement(number, [self._timer.timeit(number)])

    def repeat(self, repeat=-1, number=-1):
        number = 1 if number < 0 else number
        return self._measurement(number, self._timer.repeat(5 if repeat < 0 else repeat, number))

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """Blocks of equally many runs, until ``min_run_time`` seconds have passed."""
        number, times = 1, []
        while (taken := self._timer.timeit(number)) < min_run_time / 1000:
            number *= 10
        while sum(times) < min_run_time:
            taken = self._timer.timeit(number)
            times.append(taken)
            if callback is not None:
                callback(number, taken)
        return self._measurement(number, times)

    def adaptive_autorange(self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None):
        """As :meth:`blocked_autorange`, until the times agree to ``threshold`` or ``max_run_time`` is over."""
        spent, found = 0.0, self.blocked_autorange(callback, min_run_time)
        while len(found.times) < 3 or found.iqr > threshold * found.median:
            found.raw_times.append(self._timer.timeit(found.number_per_run))
            spent += found.raw_times[-1]
            if spent > max_run_time:
                break
        return found


class Compare:
    """Prints measurements beneath each other."""

    def __init__(self, results):
        self._results = list(results)

    def extend_results(self, results):
        self._results += results

    def trim_significant_figures(self):
        pass

    def colorize(self, rowwise=False):
        pass

    def __str__(self):
        rows = [(r.label or "", r.sub_label or r.stmt, r.description or "", f"{r.median * 1e6:.1f} us") for r in self._results]
        return "\n".join("  ".join(cell.ljust(24) for cell in row).rstrip() for row in rows)

    def print(self):
        print(self)
