"""Two runs side by side, and which differences are more than noise."""

import math

from .tables import duration

LEAST = 0.05  # of a difference that is worth a word, however steady the times are


def compare(before, after):
    """What became slower or faster between two runs.

    A time is the median of its rounds. A row counts as changed where the medians differ by more than five per cent and the
    ranges between the quartiles do not touch: where the rounds of one run scatter as widely as the runs differ, nothing is
    claimed. Rows that only one of the runs has are counted and left out.

    Args:
        before, after: what :func:`run` or :func:`load` returned.

    Returns:
        {"rows": [{"operation", "size", "mode", "way", "before", "after", "ratio", "verdict"}], "mean": {way: geometric mean
        of the ratios}, "only": {"before": n, "after": n}, "warnings": [...]}; a verdict is "slower", "faster" or "same".

    >>> import minigrad
    >>> data = minigrad.bench.run(["sum_all"], ["tiny"], ["text"], quick=True, seconds=0.001)
    >>> minigrad.bench.compare(data, data)["rows"][0]["verdict"]
    'same'
    """
    old, new = cells(before), cells(after)
    rows = []
    for key in old:
        if key in new:
            a, b = old[key], new[key]
            row = dict(zip(("operation", "size", "mode", "way"), key))
            rows.append(
                row
                | {"before": a["seconds"], "after": b["seconds"], "ratio": b["seconds"] / a["seconds"], "verdict": verdict(a, b)}
            )
    ways = dict.fromkeys(row["way"] for row in rows)
    mean = {way: _mean([row["ratio"] for row in rows if row["way"] == way]) for way in ways}
    only = {"before": len(old.keys() - new.keys()), "after": len(new.keys() - old.keys())}
    return {"rows": rows, "mean": mean, "only": only, "warnings": warnings(before, after)}


def cells(data):
    """{(operation, size, mode, way): cell} of what was timed."""
    return {
        (row["operation"], row["size"], row["mode"], way): cell
        for row in data["rows"]
        for way, cell in row["ways"].items()
        if "seconds" in cell
    }


def verdict(a, b):
    """
    >>> from minigrad.bench.comparing import verdict
    >>> a = {"seconds": 1.0, "low": 0.9, "high": 1.1}
    >>> verdict(a, {"seconds": 2.0, "low": 1.8, "high": 2.1}), verdict(a, {"seconds": 2.0, "low": 1.0, "high": 3.0})
    ('slower', 'same')
    """
    if b["seconds"] > a["seconds"] * (1 + LEAST) and b["low"] > a["high"]:
        return "slower"
    if a["seconds"] > b["seconds"] * (1 + LEAST) and a["low"] > b["high"]:
        return "faster"
    return "same"


def _mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def warnings(before, after):
    """Why the two runs may not be comparable."""
    found = []
    for kind, key in (("machine", "cpu"), ("machine", "cores"), ("machine", "gpu"), ("settings", "threads")):
        a, b = before[kind].get(key), after[kind].get(key)
        if a != b:
            found.append(f"{key} differs: {a} and {b}")
    for device in before["rooflines"].keys() & after["rooflines"].keys():
        for key, unit in (("copy", "GB/s"), ("matmul", "GFLOP/s")):
            a, b = before["rooflines"][device][key], after["rooflines"][device][key]
            if not 0.9 < b / a < 1.1:
                found.append(f"the machine itself was not equally fast: {key} {a:.3g} and {b:.3g} {unit}")
    return found


def report(found, every=False):
    """The comparison as text: what changed, the slowest first, or ``every`` row."""
    lines = [f"careful: {text}" for text in found["warnings"]]
    shown = sorted((r for r in found["rows"] if every or r["verdict"] != "same"), key=lambda r: -r["ratio"])
    if shown:
        lines += ["", f"{'operation':<17}{'size':<8}{'way':<10}{'before':>10}{'after':>10}{'ratio':>8}"]
        lines += [_line(row) for row in shown]
    counts = [sum(r["verdict"] == v for r in found["rows"]) for v in ("slower", "faster", "same")]
    lines += ["", "{} slower, {} faster, {} the same within noise".format(*counts)]
    lines += [f"{way}: geometric mean of the ratios {mean:.3f}" for way, mean in found["mean"].items()]
    for which, count in found["only"].items():
        if count:
            lines.append(f"{count} times that only the run {which} has were left out")
    return "\n".join(lines).strip()


def _line(row):
    name = row["operation"] + (" *" if row["mode"] == "both" else "")
    times = f"{duration(row['before']):>10}{duration(row['after']):>10}{row['ratio']:>8.2f}"
    return f"{name:<17}{row['size']:<8}{row['way']:<10}{times}  {row['verdict']}"
