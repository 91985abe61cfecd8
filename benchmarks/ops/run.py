"""Hot operations beside PyTorch: eager forward, and forward + backward, on one thread.

    python -m benchmarks.ops.run [row ...] [--rounds N] [--seconds S] [--json FILE]     (PyTorch must be installed)

A row name may be the beginning of one: ``conv`` runs all convolutions. Both libraries run in one process on one pinned core
and take turns; times are CPU times, the ratio is the median over the rounds of the ratio within a round (below 1 minigrad
is faster). Results and gradients are compared before anything is timed. The share is of the limit measured at the start:
a copy of 128 MiB for GB/s, the best square matrix product for GFLOP/s. Arrays that stay in the cache can exceed the first.
"""

import argparse
import contextlib
import json
import statistics
import sys

from .. import common

TOLERANCE = 2e-3  # of the largest number of a result: PyTorch's own kernels differ from one another by as much


def limits():
    """GB/s of a copy (read + write) of 128 MiB, and GFLOP/s of a matrix product, each the best of a few."""
    import numpy as np

    source = np.ones(2**25, np.float32)
    target = np.empty_like(source)
    copy = min(common.cpu_seconds(lambda: np.copyto(target, source), 2) for _ in range(7))
    return {"GB/s": 2 * source.nbytes / copy / 1e9, "GFLOP/s": max(_products(n) for n in (256, 512, 1024))}


def _products(n):
    """GFLOP/s of square matrix products of this size."""
    import numpy as np

    a, out = np.ones((n, n), np.float32), np.empty((n, n), np.float32)
    times = max(1, 2**28 // n**3)
    return 2 * n**3 / 1e9 / min(common.cpu_seconds(lambda: np.matmul(a, a, out=out), times) for _ in range(5))


def runs(row, lib, seed=0):
    """{"nograd": f, "record": f, "fb": f}: what is timed of a row in one library."""
    import numpy as np

    call, inputs = row.make(lib, np.random.default_rng(seed))
    if row.step:
        return {"fb": call}
    g = lib.ones(tuple(call().shape))

    def nograd():
        with lib.no_grad():
            return call()

    def both():
        for t in inputs:
            t.grad = None
        call().backward(g)
        return inputs

    return {"nograd": nograd, "fb": both} | ({"record": call} if row.small else {})


def check(row, libraries):
    """The libraries agree on the result and on every gradient, or the reason why they do not."""
    import numpy as np

    found = []
    for lib in libraries:
        call, inputs = row.make(lib, np.random.default_rng(0))
        y = call()
        if row.step:
            found.append([t.detach().numpy() for t in inputs])
            continue
        y.backward(lib.tensor(np.random.default_rng(1).standard_normal(tuple(y.shape)).astype(np.float32)))
        found.append([y.detach().numpy(), *(t.grad.numpy() for t in inputs if t.grad is not None)])
    ours, theirs = found
    if len(ours) != len(theirs):
        return f"{len(ours)} results instead of {len(theirs)}"
    worst = max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-9)) for a, b in zip(ours, theirs))
    return None if worst <= TOLERANCE else f"results differ by {worst:.1e}"


def measure(row, minigrad, torch, rounds, seconds, limit):
    """One row: {"nograd": {...}, "fb": {...}} or {"error": why}."""
    try:
        problem = check(row, (minigrad, torch))
        ours, theirs = runs(row, minigrad), runs(row, torch)
    except Exception as error:  # a row that fails is reported, the others still run
        return {"error": f"{type(error).__name__}: {error}"}
    if problem:
        return {"error": problem}
    result = {}
    for mode in ours:
        times = common.interleaved({"minigrad": ours[mode], "torch": theirs[mode]}, rounds, seconds)
        result[mode] = cell = {name: statistics.median(t) * 1e6 for name, t in times.items()}
        cell["ratio"] = common.median_ratio(times["minigrad"], times["torch"])
        work = row.work[mode == "fb"]
        if work:
            cell["rate"] = {name: work / (cell[name] * 1e3) for name in times}
            cell["share"] = cell["rate"]["minigrad"] / limit[row.unit]
    return result


def rate(row, cell):
    if not cell or "rate" not in cell:
        return ""
    return f"{cell['rate']['minigrad']:.3g} / {cell['rate']['torch']:.3g}"


def line(row, found):
    """One line of the table."""
    if "error" in found:
        return [row.name, found["error"], *[""] * 8]
    out = [row.name]
    for mode in ("nograd", "fb"):
        cell = found.get(mode)
        if not cell:
            out += [""] * 4
            continue
        share = f"{cell['share']:.0%}" if "share" in cell else ""
        out += [f"{cell['minigrad']:.4g} / {cell['torch']:.4g}", rate(row, cell), share, f"**{cell['ratio']:.2f}**"]
    return [*out, row.unit or ""]


def report(data):
    """The Markdown of a run."""
    from .rows import ROWS

    rows = [row for row in ROWS if row.name in data["rows"]]
    lines = [line(row, data["rows"][row.name]) for row in rows]
    head = ["operation", "forward us, minigrad / torch", "rate", "share", "ratio"]
    head += ["forward + backward us", "rate", "share", "ratio", "unit"]
    means = ", ".join(f"{label} {value:.2f}" for label, value in geometric_means(data).items())
    recording = [
        [row.name, *(f"{data['rows'][row.name]['record'][k]:.3g}" for k in ("minigrad", "torch", "ratio"))]
        for row in rows
        if "record" in data["rows"][row.name]
    ]
    text = [
        f"{common.describe(data['machine'])}. One thread on a pinned core, CPU time, {data['rounds']} interleaved rounds, "
        f"medians; below 1 minigrad is faster. `python -m benchmarks.ops.run`",
        f"Limits measured in the same run: copy {data['limits']['GB/s']:.1f} GB/s, matrix product "
        f"{data['limits']['GFLOP/s']:.0f} GFLOP/s. Geometric means of the ratio: {means}.",
        common.table(head, lines),
    ]
    if recording:
        text.append(common.table(["8x8, recording forward", "minigrad us", "torch us", "ratio"], recording))
    return "\n\n".join(text)


def geometric_means(data):
    """Over the rows that ran: forward, forward + backward, and both together."""
    ratios = {"forward": [], "forward + backward": []}
    for found in data["rows"].values():
        for label, mode in (("forward", "nograd"), ("forward + backward", "fb")):
            if mode in found:
                ratios[label].append(found[mode]["ratio"])
    ratios["both"] = [r for some in list(ratios.values()) for r in some]
    return {label: common.geometric_mean(some) for label, some in ratios.items() if some}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ops.run", description="Hot operations beside PyTorch.")
    parser.add_argument("rows", nargs="*", help="names of rows, or how they begin (default: all)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.04, help="CPU seconds of each library in each round")
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--write", action="store_true", help="write the section of RESULTS.md")
    options = parser.parse_args(argv)

    import torch

    import minigrad

    from .rows import ROWS

    torch.set_num_threads(1)
    limit = limits()
    data = {"machine": common.machine(), "rounds": options.rounds, "limits": limit, "rows": {}}
    wanted = [row for row in ROWS if not options.rows or row.name.startswith(tuple(options.rows))]
    for row in wanted:
        found = data["rows"][row.name] = measure(row, minigrad, torch, options.rounds, options.seconds, limit)
        print(" | ".join(line(row, found)), flush=True)
    print("\n" + report(data))
    if options.json:
        with contextlib.closing(open(options.json, "w")) as file:
            json.dump(data, file, indent=1)
    if options.write:
        common.write_section("ops", "Hot operations beside PyTorch", report(data))
    return data


if __name__ == "__main__":
    common.run_again_on_one_thread("benchmarks.ops.run")
    main(sys.argv[1:])
