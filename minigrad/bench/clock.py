"""Times that can be compared: versions take turns, and each has one number per round."""

import contextlib
import gc
import statistics
import time

FINEST = 1e-5  # seconds: a clock that ticks more slowly is not used
LONGEST = 1.5  # seconds that the rounds of one version may take before there are fewer of them


def choose(threads, device="cpu"):
    """The clock: CPU time of this process where one thread works, which other programs disturb less; else the wall's."""
    fine = time.get_clock_info("process_time").resolution <= FINEST
    return time.process_time if threads == 1 and device == "cpu" and fine else time.perf_counter


def seconds_of(call, times, clock, finish):
    """Seconds of one call, over so many; ``finish()`` waits for a GPU to be done."""
    finish()
    start = clock()
    for _ in range(times):
        call()
    finish()
    return (clock() - start) / times


def nothing():
    """What there is to wait for on the CPU."""


def repeats(call, seconds, clock, finish):
    """How often ``call`` runs in so many seconds. The calls that find it out also warm it up."""
    call()
    times, taken = 1, seconds_of(call, 1, clock, finish)
    while times * taken < seconds / 8 and times < 2**20:
        times = min(16 * times, max(2 * times, int(seconds / 8 / max(taken, 1e-9))))
        taken = seconds_of(call, times, clock, finish)
    return max(1, round(seconds / max(taken, 1e-9))), taken


def interleaved(versions, rounds, seconds, clock, finish=nothing):
    """Seconds of a call in each round: {name: [...]}, from {name: (context, call)}; the versions take turns.

    ``context()`` is entered around the calls of a round and not measured.
    """
    counts, slowest = {}, 0.0
    for name, (context, call) in versions.items():
        with context():
            counts[name], taken = repeats(call, seconds, clock, finish)
        slowest = max(slowest, taken)
    rounds = max(min(rounds, 3), min(rounds, int(LONGEST / max(slowest, 1e-9))))
    times = {name: [] for name in versions}
    with _no_collection():
        for _ in range(rounds):
            for name, (context, call) in versions.items():
                with context():
                    times[name].append(seconds_of(call, counts[name], clock, finish))
    return times


@contextlib.contextmanager
def _no_collection():
    """Garbage is collected before and not while something is timed."""
    gc.collect()
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def summary(times):
    """The median of a list of seconds, and the quartiles around it.

    >>> from minigrad.bench.clock import summary
    >>> summary([3.0, 1.0, 2.0])
    {'seconds': 2.0, 'low': 1.5, 'high': 2.5, 'rounds': [3.0, 1.0, 2.0]}
    """
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {"seconds": middle, "low": low, "high": high, "rounds": list(times)}
