"""Tables and a plot from the numbers of ``run.py``.

    python -m benchmarks.peers.report results.json ...

rewrites the section of benchmarks/RESULTS.md and draws benchmarks/peers/peers.svg. Of several files with the same number of
threads, what a later one measured replaces what an earlier one did.
"""

import argparse
import json
import pathlib

from .. import common
from . import data

ORDER = ("torch", "torch.compile", "jax", "minigrad", "minigrad-compiled", "matmuls")
PLOT = pathlib.Path(__file__).parent / "peers.svg"
COLORS = {"torch.compile": "#c9a227", "jax": "#7a8b99", "minigrad": "#7fb3d5", "minigrad-compiled": "#1b4f8a"}


def merged(files):
    """{threads: one run} of the runs in these files."""
    runs = {}
    for found in files:
        run = runs.setdefault(found["threads"], found | {"rows": {}})
        run |= {key: found.get(key) for key in ("machine", "rounds", "load")}
        for workload, rows in found["rows"].items():
            run["rows"][workload] = run["rows"].get(workload, {}) | rows
    return dict(sorted(runs.items()))


def names(run):
    """Workloads and variants that were run, in their order."""
    workloads = [name for name in data.NAMES if name in run["rows"]]
    return workloads, [v for v in ORDER if any(v in run["rows"][w] for w in workloads)]


def ratios(run, variant):
    """{workload: ratio to PyTorch} where the variant ran."""
    return {w: rows[variant]["ratio"] for w, rows in run["rows"].items() if "ratio" in rows.get(variant, {})}


def mean(run, variant):
    """The geometric mean and how many workloads it is of."""
    found = list(ratios(run, variant).values())
    return f"{common.geometric_mean(found):.2f} ({len(found)})" if found else ""


def steps_table(run):
    workloads, variants = names(run)
    others = [v for v in variants if v != "torch"]
    rows, notes, alone = [], [], []
    for w in workloads:
        cells = run["rows"][w]
        fastest = min((c["ratio"] for v, c in cells.items() if "ratio" in c and v != "matmuls"), default=None)
        line = [w, f"{cells['torch']['ms']:.3g}" if "ms" in cells.get("torch", {}) else "failed"]
        for v in others:
            cell = cells.get(v, {})
            if "error" in cell:
                notes.append(f"{w}, {v}: {cell['error']}")
            number = f"{cell['ratio']:.2f}" if "ratio" in cell else "failed" if "error" in cell else ""
            line.append(f"**{number}**" if number and cell.get("ratio") == fastest else number)
        rows.append(line)
        if "all" in cells.get("matmuls", {}) and "all" in cells.get("minigrad-compiled", {}):
            over = common.median_ratio(cells["minigrad-compiled"]["all"], cells["matmuls"]["all"])
            alone.append(f"{w}: the compiled step takes {over:.2f} times its matrix products alone.")
    rows.append(["geometric mean (of)", "1", *(mean(run, v) if v != "matmuls" else "" for v in others)])
    return "\n\n".join([common.table(["workload", "torch ms", *others], rows), *alone, *(f"Failed: {note}" for note in notes)])


def start_table(run):
    """CPU seconds cold / warm and peak memory, or nothing where no run measured them."""
    workloads, variants = names(run)
    variants = [v for v in variants if any("cold" in run["rows"][w].get(v, {}) for w in workloads)]
    if not variants:
        return ""

    def cell(w, v):
        found = run["rows"][w].get(v, {})
        return f"{found['cold']:.2f} / {found['warm']:.2f} s, {found['peak']:.0f} MiB" if "cold" in found else ""

    rows = [[w, *(cell(w, v) for v in variants)] for w in workloads]
    note = (
        "Import, build and the steps until they cost what they always do (two or more: compilers may wait for a later call): CPU "
        "seconds with empty caches / in a second process, and the peak resident size of the second. Every library keeps its "
        "caches in the same fresh folder."
    )
    return f"{note}\n\n{common.table(['workload', *variants], rows)}"


def text(files):
    """The Markdown of some runs."""
    parts = []
    for threads, run in merged(files).items():
        how = "one thread, CPU time on a pinned core" if threads == 1 else f"{threads} threads, wall time"
        load = "" if run["load"] is None else f" Load average at the start: {run['load']}."
        parts.append(
            f"{common.describe(run['machine'])}. {how[0].upper()}{how[1:]}; {run['rounds']} interleaved rounds, medians of the "
            f"ratio to PyTorch's eager step within a round: below 1 is faster. The fastest of a row is bold.{load}"
        )
        parts += [steps_table(run), start_table(run)]
    return "\n\n".join(part for part in parts if part)


def draw(files, path=PLOT):
    """Ratios to PyTorch as dots, one line a workload, on a logarithmic axis."""
    import matplotlib
    from matplotlib.figure import Figure

    runs = merged(files)
    figure = Figure(figsize=(6.4 * len(runs), 5.2), layout="constrained")
    axes = figure.subplots(1, len(runs), squeeze=False)
    for axis, (threads, run) in zip(axes[0], runs.items()):
        workloads, variants = names(run)
        places = {w: -i for i, w in enumerate(workloads)}
        for v in variants:
            if v in COLORS:
                found = ratios(run, v)
                axis.plot(list(found.values()), [places[w] for w in found], "o", color=COLORS[v], label=v, markersize=6)
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.set_yticks(list(places.values()), list(places))
        axis.grid(axis="y", linewidth=0.4)
        axis.set_xlabel("step time, PyTorch eager = 1")
        axis.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
        axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.12), ncol=2, frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "peers", "svg.fonttype": "none"}):  # the same numbers give the same, small file
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.report", description=__doc__.split("\n", 1)[0])
    parser.add_argument("files", nargs="+", help="what run.py --json wrote")
    files = [json.loads(pathlib.Path(name).read_text()) for name in parser.parse_args(argv).files]
    plot = "![Step times beside the peers](peers/peers.svg)"
    common.write_section("peers", "Workloads beside the peers", f"{text(files)}\n\n{plot}")
    draw(files)


if __name__ == "__main__":
    main()
