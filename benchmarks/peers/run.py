"""The seventeen workloads in PyTorch, JAX and minigrad, eager and compiled, side by side.

    python -m benchmarks.peers.run [workload ...] [--variants torch,jax,minigrad] [--threads 1|2] [--rounds N] [--json FILE]

Every variant of a workload has a process of its own, pinned to as many cores as it may have threads; the processes take
turns. Before anything is timed, the losses of the first ten steps must be PyTorch's to 1e-3. Then, in every round, each
variant runs about 0.2 seconds of steps; the ratio is the median over the rounds of the ratio to PyTorch's eager step within
the round, below 1 is faster. One thread: CPU time. Two threads: wall time, which only an idle machine gives.

``--start`` also measures two more processes of each: cold, with empty caches, and warm, with what the first one left there,
and beside them a warm process that does nothing but import Numba and call one function.
``matmuls`` is the time of the matrix products alone, for the two workloads that are little else.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from .. import common
from . import data, matmuls

VARIANTS = ("torch", "torch.compile", "jax", "minigrad", "minigrad-compiled", "matmuls")
ROOT = pathlib.Path(__file__).parents[2]
TOLERANCE = 1e-3
SECONDS = 0.2  # of steps, in each round
PATIENCE = 900  # wall seconds that an answer may take: torch.compile takes minutes on a busy machine
CACHES = dict(NUMBA_CACHE_DIR="numba", MINIGRAD_CACHE_DIR="minigrad", TORCHINDUCTOR_CACHE_DIR="inductor")
CACHES |= dict(TRITON_CACHE_DIR="triton", JAX_COMPILATION_CACHE_DIR="jax")


class Failed(Exception):
    """A worker that could not do what it was asked."""


class Worker:
    """A process that runs one variant of one workload."""

    def __init__(self, workload, variant, threads, start=False, caches=None):
        order = {"workload": workload, "variant": variant, "threads": threads, "start": start}
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.worker", json.dumps(order)],
            **dict(cwd=ROOT, env=self._environment(threads, caches), text=True),
            **dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors),
        )

    def _environment(self, threads, caches):
        env = common.environment(threads) | {"TORCHINDUCTOR_COMPILE_THREADS": "1", "JAX_PLATFORMS": "cpu"}
        if threads == 1:
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        if caches:
            env |= {name: os.path.join(caches, folder) for name, folder in CACHES.items()}
            env["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        return env

    def ask(self, order=None):
        """The answer to an order; None waits for what the worker says by itself."""
        with contextlib.suppress(BrokenPipeError):
            if order is not None:
                print(json.dumps(order), file=self.process.stdin, flush=True)
        line = self._line()
        answer = json.loads(line) if line else {"error": self._last_error()}
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def _line(self):
        """A line of the worker's, or Failed when it takes too long."""
        import select

        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise Failed(f"no answer in {PATIENCE} seconds")
        return self.process.stdout.readline()

    def _last_error(self):
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return f"ended with code {self.process.returncode}" + (f": {lines[-1][:300]}" if lines else "")

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def variants_of(workload, variants):
    return [v for v in variants if v != "matmuls" or workload in matmuls.SIZES]


def difference(ours, theirs):
    """The largest difference of any step's results, relative to the largest of that step's numbers."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if len(a) != len(b):
            return float("inf")
        scale = max(map(abs, b)) or 1.0
        worst = max(worst, *(abs(x - y) / scale if x == x and y == y else float("inf") for x, y in zip(a, b)))
    return worst


def seconds_of_a_step(worker, steps):
    return worker.ask({"steps": steps})["seconds"] / steps


def checked(workers, rows):
    """The variants whose losses are PyTorch's; why the others drop out stands in their rows."""
    kept, reference = [], None
    for variant, worker in workers.items():
        try:
            if variant != "matmuls":
                found = worker.ask({"losses": True})["losses"]
                reference = reference or found
                rows[variant]["difference"] = worst = difference(found, reference)
                if worst > TOLERANCE:
                    raise Failed(f"losses differ from PyTorch's by {worst:.1e}")
            rows[variant]["steps"] = calibrate(worker)
            kept.append(variant)
        except Failed as failure:
            rows[variant]["error"] = str(failure)
            if variant == "torch":
                raise
    return kept


def calibrate(worker, seconds=SECONDS):
    """How many steps a round has; the calls warm the worker up."""
    worker.ask({"steps": 3})
    steps = 1
    while (took := worker.ask({"steps": steps})["seconds"]) < seconds / 4:
        steps *= 2
    return max(1, round(steps * seconds / took))


def timed(workload, variants, threads, rounds):
    """{variant: {"ms", "ratio"} or {"error"}} of a workload; PyTorch comes first, since it is what all are compared with."""
    rows = {variant: {} for variant in variants}
    workers = {}
    try:
        for variant in variants:
            workers[variant] = Worker(workload, variant, threads)
        times = {variant: [] for variant in checked(workers, rows)}
        for _ in range(rounds):
            for variant in list(times):
                try:
                    times[variant].append(seconds_of_a_step(workers[variant], rows[variant]["steps"]))
                except Failed as failure:
                    rows[variant]["error"] = str(failure)
                    del times[variant]
                    if variant == "torch":
                        raise
                if threads > 1:
                    time.sleep(0.02)  # threads that still spin must not disturb the next
    finally:
        for worker in workers.values():
            worker.close()
    for variant, some in times.items():
        rows[variant] |= {"ms": statistics.median(some) * 1e3, "ratio": common.median_ratio(some, times["torch"])}
        rows[variant]["all"] = some
    return rows


def starts(workload, variant, threads):
    """{"cold": ..., "warm": ..., "peak": ...}: CPU seconds of two processes, from nothing and from the first one's caches."""
    with tempfile.TemporaryDirectory() as caches:
        found = []
        for _ in range(2):
            worker = Worker(workload, variant, threads, start=True, caches=caches)
            try:
                found.append(worker.ask())
            finally:
                worker.close()
    cold, warm = found
    more = {f"{name}_{key}": found[key] for name, found in (("cold", cold), ("warm", warm)) for key in ("first", "steps")}
    return {"cold": cold["settled"], "warm": warm["settled"], "peak": warm["peak"]} | more


def measure(workload, options):
    """Everything about a workload, and a line on the screen for every variant."""
    variants = variants_of(workload, options.variants)
    try:
        rows = timed(workload, variants, options.threads, options.rounds)
    except Failed as failure:
        rows = {"torch": {"error": str(failure)}}
    for variant, row in rows.items():
        if options.start and variant != "matmuls" and "error" not in row:
            try:
                row |= starts(workload, variant, options.threads)
            except Failed as failure:
                row["start_error"] = str(failure)
        print(f"{workload:17} {variant:18} {said(row)}", flush=True)
    return rows


def said(row):
    if "error" in row:
        return row["error"]
    text = f"{row['ms']:10.4f} ms   ratio {row['ratio']:.2f}"
    if "cold" in row:
        text += f"   cold {row['cold']:.2f} s, warm {row['warm']:.2f} s, peak {row['peak']:.0f} MiB"
    return text + (f"   start failed: {row['start_error']}" if "start_error" in row else "")


def arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.run", description="Workloads beside the peers.")
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"default: all of {', '.join(data.NAMES)}")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="default: %(default)s; torch always runs")
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--start", action="store_true", help="also measure cold and warm starts and memory")
    parser.add_argument("--json", help="write the numbers to this file, after every workload")
    options = parser.parse_args(argv)
    asked = options.variants.split(",")
    for given, known in ((asked, VARIANTS), (options.workloads, data.NAMES)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    options.variants = ["torch", *(v for v in asked if v != "torch")]
    return options


def main(argv=None):
    from . import report

    options = arguments(argv)
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    found = {"machine": common.machine(), "load": load, "threads": options.threads, "rounds": options.rounds, "rows": {}}
    if options.threads > 1 and load and load > 0.5:
        print(f"The load average is {load}: wall times of threads that wait for one another mean nothing on a busy machine.")
    if options.start:
        found["numba"] = starts(None, "numba", options.threads)
        print(
            f"a process with Numba and one function: warm {found['numba']['warm']:.2f} s, peak {found['numba']['peak']:.0f} MiB"
        )
    for workload in options.workloads or data.NAMES:
        found["rows"][workload] = measure(workload, options)
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    print("\n" + report.text([found]))
    return found


if __name__ == "__main__":
    main()
