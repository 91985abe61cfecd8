"""From naive Python to the machine's limit, one step at a time: what each step does better, and what it gains.

    python -m benchmarks.ladder softmax|matmul [--threads N] [--steps A,B] [--plain]

A step is a function with a docstring that says why it is faster than the one before. All are checked against the first, the
one that nobody doubts, on a small problem with awkward sizes, and on some rows of the problem that is timed. Times are
medians, of CPU time where one thread works and else of the clock on the wall. The share is of what the machine allows: the
time of a copy of as many bytes, or of as many operations in a matrix product, whichever is longer.

Read ``softmax.py`` first, then ``matmul.py``: the first is limited by memory, the second by arithmetic. ``cuda.py`` has the
same on a GPU.
"""

import argparse
import functools
import inspect
import os
import statistics
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import minigrad
from minigrad.bench import clock, roofline
from minigrad.bench.limits import least_seconds
from minigrad.bench.tables import digits, duration

SLOW = 0.05  # seconds: a step that takes longer is run a few times only


@dataclass
class Step:
    """``run(*inputs)`` gives the result. ``rows``: it is so slow that only so many rows are timed, and the time is scaled.
    ``device``: where its inputs lie. ``threads``: it uses all that it may."""

    name: str
    run: Callable
    rows: int | None = None
    device: str = "cpu"
    threads: bool = False

    @property
    def story(self):
        return inspect.cleandoc(self.run.__doc__)


@dataclass
class Ladder:
    """A problem and the steps to its solution."""

    name: str
    title: str
    steps: list
    small: Callable  # rng -> inputs with awkward sizes
    large: Callable  # rng -> inputs that are timed
    work: Callable  # (*inputs) -> (bytes, operations)
    tolerance: float

    def step(self, name, **settings):
        """Decorator: the next step."""

        def add(function):
            self.steps.append(Step(name, function, **settings))
            return function

        return add


def part_of(inputs, rows):
    """The first rows of the first input, and the others whole: they give the first rows of the result."""
    first, *others = inputs
    return (first if rows is None else first[:rows], *others)


def on(device, inputs):
    """The inputs where a step wants them: NumPy arrays, or CuPy's."""
    if device == "cpu":
        return inputs
    import cupy

    return tuple(map(cupy.asarray, inputs))


def to_numpy(result):
    return result.get() if hasattr(result, "get") else np.asarray(result, np.float32)


def why_not(step):
    """Why a step cannot run here, or None."""
    return minigrad.cuda.why_not() if step.device == "cuda" else None


def check(ladder, step, inputs=None, expected=None):
    """The largest difference from the first step, on the small problem or on the one given; ValueError where it is too large."""
    if inputs is None:
        inputs = ladder.small(np.random.default_rng(0))
        expected = to_numpy(ladder.steps[0].run(*inputs))
    found = to_numpy(step.run(*on(step.device, inputs)))[: len(expected)]
    scale = max(float(np.abs(expected).max()), 1e-30)
    worst = float(np.abs(found - expected).max()) / scale if found.shape == expected.shape else np.inf
    if not worst <= ladder.tolerance:
        raise ValueError(f"{ladder.name}, step {step.name!r}: wrong result, {worst:.1e} of the largest number")
    return worst


def seconds_of(step, inputs, threads, rounds=5):
    """The median time of a step on the large problem."""
    count = len(inputs[0])
    given = on(step.device, part_of(inputs, step.rows))
    finish = minigrad.cuda.synchronize if step.device == "cuda" else clock.nothing
    watch = clock.choose(threads if step.threads else 1, step.device)
    once = functools.partial(clock.seconds_of, lambda: step.run(*given), clock=watch, finish=finish)
    taken = min(once(times=1) for _ in range(3))  # which also warms it up
    times = [once(times=max(1, int(SLOW / taken))) for _ in range(rounds if taken < 4 * SLOW else 2)]
    return statistics.median(times) * count / len(given[0])


def climb(ladder, threads, names=None, say=print, plain=False, large=None):
    """Check and time the steps, and tell of each; the list of (name, seconds or None)."""
    inputs = ladder.large(np.random.default_rng(1)) if large is None else large
    moved, flops = ladder.work(*inputs)
    limits = {"cpu": roofline("cpu", 1, quick=True), "threads": roofline("cpu", threads, quick=True)}
    first = ladder.steps[0]
    expected = to_numpy(first.run(*part_of(inputs, first.rows)))
    say(f"{ladder.title}\n")
    for label, limit in (("one thread", limits["cpu"]), (f"{threads} threads", limits["threads"]))[: min(threads, 2)]:
        say(f"limits with {label}: copy {digits(limit['copy'])} GB/s, matrix product {digits(limit['matmul'])} GFLOP/s")
    say(f"to do: {moved / 2**20:.1f} MiB to move, {flops / 1e9:.3g} billion operations\n")
    found, before, start = [], None, None
    for number, step in enumerate(ladder.steps, 1):
        if names and step.name not in names:
            continue
        reason = why_not(step)
        if reason:
            told = any(seconds is None for _, seconds in found)
            say(f"{number}. {step.name}: not run here{'' if told else f': {reason}'}")
            found.append((step.name, None))
        else:
            check(ladder, step)
            check(ladder, step, inputs, expected)
            seconds = seconds_of(step, inputs, threads)
            limit = roofline("cuda") if step.device == "cuda" else limits["threads" if step.threads else "cpu"]
            share = least_seconds(limit, moved, flops, moved) / seconds
            gain = f", {digits(start / seconds)} times the first" if start else ""
            gain += f", {digits(before / seconds)} times the one before" if before else ""
            rates = f"{digits(moved / seconds / 1e9)} GB/s, {digits(flops / seconds / 1e9)} GFLOP/s, {share:.0%} of the roofline"
            say(f"{number}. {step.name}: {duration(seconds)}{gain}\n   {rates}")
            found.append((step.name, seconds))
            start, before = start or seconds, seconds
        if not plain:
            say(textwrap.indent(step.story, "   ") + "\n")
    return found


def main(argv=None):
    """The command line."""
    from .matmul import MATMUL
    from .softmax import SOFTMAX

    ladders = {ladder.name: ladder for ladder in (SOFTMAX, MATMUL)}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description="From naive Python to the machine's limit.")
    parser.add_argument("ladder", choices=ladders)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "--threads", type=int, default=cores, metavar="N", help="of the steps that use several (default: %(default)s)"
    )
    parser.add_argument("--steps", metavar="A,B", help="only the steps of these names, as they are printed")
    parser.add_argument("--plain", action="store_true", help="numbers without the explanations")
    options = parser.parse_args(argv)
    ladder = ladders[options.ladder]
    names = [name.strip() for name in options.steps.split(",")] if options.steps else None
    known = [step.name for step in ladder.steps]
    for name in names or []:
        if name not in known:
            parser.error(f"there is no step {name!r}; there are {', '.join(known)}")
    before = minigrad.get_num_threads()
    minigrad.set_num_threads(max(1, options.threads))
    try:
        climb(ladder, max(1, options.threads), names, plain=options.plain)
    finally:
        minigrad.set_num_threads(before)
    return 0
