"""One variant of one workload in a process of its own, driven over pipes by ``run.py``.

``python -m benchmarks.peers.worker '{"workload": ..., "variant": ..., "threads": 1, "start": false}'`` answers one line of JSON
for every line that it reads. With ``start`` it does nothing but start: import, build, steps until
they have settled, and a few more for the memory.
"""

import itertools
import json
import os
import resource
import sys
import time

STEPS = 10  # whose losses are compared


class Variant:
    """How a library builds a workload and how one waits for its results."""

    def __init__(self, name, threads):
        self.name = name
        getattr(self, "_import_" + name.split(".")[0].split("-")[0])(threads)

    def _import_torch(self, threads):
        import torch

        torch.set_num_threads(threads)
        self.lib = torch
        self.settings = dict(part=torch.compile) if self.name == "torch.compile" else {}

    def _import_minigrad(self, threads):
        import minigrad

        minigrad.set_num_threads(threads)
        self.lib = minigrad
        self.settings = dict(whole=minigrad.compile) if self.name == "minigrad-compiled" else {}

    def _import_jax(self, threads):
        import jax

        self.lib = jax

    def _import_matmuls(self, threads):
        self.lib = None

    def _import_numba(self, threads):
        from . import least

        self.lib = least

    def build(self, workload, dropout):
        import numpy as np

        rng = np.random.default_rng(0)
        if self.name == "matmuls":
            from . import matmuls

            return matmuls.build(workload, rng)
        if self.name == "numba":
            return self.lib.build()
        if self.name == "jax":
            from . import jax_workloads

            return jax_workloads.build(workload, rng, dropout=dropout)
        from . import workloads

        return workloads.build(workload, self.lib, rng, dropout=dropout, **self.settings)

    def wait(self, result):
        if self.name == "jax":
            self.lib.block_until_ready(result)

    def numbers(self, result):
        """A result as a list of floats."""
        import numpy as np

        parts = result if isinstance(result, tuple) else (result,)
        return [float(v) for p in parts for v in np.asarray(p.detach() if hasattr(p, "detach") else p).ravel()]


def cpu():
    """CPU seconds of this process and of those that it started and that ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in (own, others))


def peak():
    """MiB of the largest resident size of this program (Linux: since it was started, without its parent's)."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def settled(seconds):
    """How many steps it takes until they cost what they always cost, at least two; ``seconds`` is the clock after each.

    Compilers may wait for a second or third call, or compile again, so the first step alone does not tell.
    """
    costs = [b - a for a, b in itertools.pairwise(seconds)]
    usual = min(costs)
    slow = [i for i, cost in enumerate(costs, 2) if cost > max(3 * usual, usual + 0.02)]
    return max([2, *slow])


def start(variant, workload, steps=20):
    """What starting costs: CPU seconds until one step is done and until steps have settled, and the largest size after more."""
    step = variant.build(workload, dropout=0.5)
    seconds = []
    for _ in range(6):
        variant.numbers(step())
        seconds.append(cpu())
    begin = time.monotonic()
    for _ in range(steps):
        variant.wait(step())
        if time.monotonic() - begin > 5:
            break
    return {"first": seconds[0], "settled": seconds[settled(seconds) - 1], "steps": settled(seconds), "peak": peak()}


def losses(variant, workload):
    """The results of the first steps, without dropout, which draws other numbers in every library."""
    step = variant.build(workload, dropout=0.0)
    return [variant.numbers(step()) for _ in range(STEPS)]


def serve(variant, workload, clock, answer):
    """Answer {"losses": true} and {"steps": k} until the input ends."""
    step = None
    for line in sys.stdin:
        order = json.loads(line)
        if "losses" in order:
            answer({"losses": losses(variant, workload)})
            continue
        step = step or variant.build(workload, dropout=0.5)
        begin = clock()
        for _ in range(order["steps"]):
            result = step()
        variant.wait(result)
        answer({"seconds": clock() - begin})


def main():
    order = json.loads(sys.argv[1])
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    sys.stdout = sys.stderr

    def answer(message):
        print(json.dumps(message), file=channel, flush=True)

    threads = order["threads"]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    try:
        variant = Variant(order["variant"], threads)
        if order["start"]:
            answer(start(variant, order["workload"]))
        else:
            serve(variant, order["workload"], time.process_time if threads == 1 else time.perf_counter, answer)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        answer({"error": f"{type(error).__name__}: {lines[0]}"[:300]})
        raise


if __name__ == "__main__":
    main()
