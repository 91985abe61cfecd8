"""The coverage of PyTorch's public names, counted over all of them and printed as one table.

    python -m parity.report docs/coverage.md      (from the folder tests)

remakes the table of the documentation.
"""

import collections
import concurrent.futures
import multiprocessing
import os
import sys
import warnings
from pathlib import Path

PYTORCH = "2.13"


def examine(job):
    """(aspect -> None or a text, samples tried) of one job in a process of its own."""
    kind, what = job
    import torch

    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "operators":
            from . import operators

            result, tried = operators.examine(what)
            return ({**result, "five samples": None} if tried >= 5 else {**result, "five samples": f"{tried} samples"}), tried
        if kind == "layers":
            from . import layers

            return layers.examine(what)
        from . import optimizers

        table = list(optimizers.configurations()) if kind == "optimizers" else optimizers.SCHEDULES
        check = optimizers.examine_optimizer if kind == "optimizers" else optimizers.examine_schedule
        return {"numbers": check(*table[what])}, 1


def jobs():
    import torch

    from . import names, optimizers

    counted = names.denominator(torch)
    yield from (("operators", n) for space in names.OPERATORS for n in counted[space])
    yield from (("layers", n) for n in counted["nn"])
    yield from (("optimizers", i) for i, _ in enumerate(optimizers.configurations()))
    yield from (("schedules", i) for i, _ in enumerate(optimizers.SCHEDULES))


def collect(workers=None):
    """Every job, over some processes: {(kind, aspect): [right, total]} and the failures [(kind, name, aspect, text)]."""
    todo = list(jobs())
    context = multiprocessing.get_context("spawn")
    counts, failures = collections.defaultdict(lambda: [0, 0]), []
    with concurrent.futures.ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        for (kind, name), (result, _) in zip(todo, pool.map(examine, todo, chunksize=8)):
            for aspect in aspects(kind):
                if aspect in result or result.get("present"):
                    wrong = result.get(aspect, "missing") if result.get("present") is None else "missing"
                    counts[kind, aspect][1] += 1
                    counts[kind, aspect][0] += wrong is None
                    if wrong is not None and (wrong != "missing" or aspect == "present"):
                        failures.append((kind, label(kind, name), aspect, wrong))
    return counts, failures


def aspects(kind):
    """What is counted. A name that is missing counts as wrong in everything that every name has."""
    return {
        "operators": ("present", "values", "dtypes", "memory", "gradients", "second order", "errors", "five samples"),
        "layers": ("present", "values", "gradients", "second order", "repr", "state"),
    }.get(kind, ("numbers",))


def label(kind, name):
    from . import optimizers

    if kind == "optimizers":
        return "{} {}".format(*list(optimizers.configurations())[name])
    return optimizers.SCHEDULES[name][0] if kind == "schedules" else name


def table(counts):
    """The counts as Markdown."""
    lines = ["| | counted | right | share |", "|---|---|---|---|"]
    for (kind, aspect), (right, total) in counts.items():
        lines.append(f"| {kind}: {aspect} | {total} | {right} | {right / total:.1%} |")
    return "\n".join(lines)


def main(path):
    counts, failures = collect()
    failing = "\n".join(f"- `{name}`: {aspect}" for _, name, aspect, _ in failures)
    Path(path).write_text(
        f"# Coverage of PyTorch {PYTORCH}\n\nMade by `tests/parity/report.py` from both libraries' names and samples.\n\n"
        f"{table(counts)}\n\n## What is not right yet\n\n{failing}\n"
    )
    print(table(counts))
    for failure in failures:
        print(*failure, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
