"""A run as one HTML page with plots, which needs no other file."""

import html

from .svg import COLOURS, Plot
from .tables import crossovers, describe, digits, dimensions, duration, failures, sentence, ways_of

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1320px; padding: 0 1em; color: #222; }
svg { font: 11px system-ui, sans-serif; fill: #222; } table { border-collapse: collapse; font-size: 13px; }
td, th { padding: 2px 9px; text-align: right; border-bottom: 1px solid #eee; }
td:nth-child(-n+4), th:nth-child(-n+4) { text-align: left; }
.best { font-weight: bold; } .plots { display: flex; flex-wrap: wrap; gap: 8px; }
"""
ROOF = """How many operations a version makes in a second, by how many it makes for each byte it must move. The dashed line
is the most that this machine allows: on its slope memory is the limit, on its level part arithmetic. Points above it work in a
cache, or do with fewer operations than are counted. Of each operation the largest size is shown. Rest the pointer on a
point to see what it is."""
TIMES = "Time of a call by the elements that go in. The dashed line is the least time that the limits allow."


def page(data):
    """The page as text.

    >>> import minigrad
    >>> data = minigrad.bench.run(["sum_all"], ["tiny"], ["text"], quick=True, seconds=0.001)
    >>> minigrad.bench.page(data).startswith("<!doctype html>")
    True
    """
    about = "".join(f"<p>{html.escape(text)}</p>" for text in describe(data))
    problems = "".join(f"<p>{html.escape(text)}</p>" for text in failures(data))
    crossed = "\n".join(html.escape(sentence(found)) for found in crossovers(data))
    body = [
        f"<h1>minigrad bench</h1>{about}{problems}",
        f"<h2>Against the roofline</h2><p>{ROOF}</p><div class=plots>{''.join(map(str, rooflines(data)))}</div>",
        f"<h2>By size</h2><p>{TIMES}</p><div class=plots>{''.join(map(str, by_size(data)))}</div>",
        f"<h2>Where one overtakes another, in elements that go in</h2><pre>{crossed}</pre>" if crossed else "",
        f"<h2>All numbers</h2>{_table(data)}",
    ]
    start = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>minigrad bench</title><style>{STYLE}</style>'
    return start + "\n".join(body) + "</html>\n"


def rooflines(data):
    """One plot for each device."""
    return [plot for device in data["rooflines"] if (plot := _roofline(data, device))]


def _roofline(data, device):
    limits = data["rooflines"][device]
    ways = [way for way in ways_of(data) if (way == "cupy") == (device == "cuda")]
    largest = {row["operation"]: row for row in sorted(data["rows"], key=lambda row: row["elements"]) if row["flops"]}
    cells = [(way, row, row["ways"].get(way, {})) for way in ways for row in largest.values()]
    points = [(way, row, cell) for way, row, cell in cells if "seconds" in cell]
    if not points:
        return None
    ridge = limits["matmul"] / limits["copy"]  # operations a byte at which the two limits meet
    xs = [row["flops"] / row["bytes"] for _, row, _ in points] + [ridge]
    low, high = min(xs), 4 * max(xs)
    least = min(cell["GFLOP/s"] for *_, cell in points)
    top = max(limits["matmul"], *(cell["GFLOP/s"] for *_, cell in points))
    plot = Plot(f"roofline of the {device}", "operations a byte", "GFLOP/s", (low, high), (min(least, low * limits["copy"]), top))
    roof = [(low, low * limits["copy"]), (ridge, limits["matmul"]), (high, limits["matmul"])]
    plot.line(roof, "#444", dashed=True, dots=False)
    for way, row, cell in points:
        label = f"{row['operation']} {dimensions(row['shape'])} {way}: {duration(cell['seconds'])}, {cell['share']:.0%}"
        plot.dot((row["flops"] / row["bytes"], cell["GFLOP/s"]), COLOURS[way], label)
    plot.legend(ways)
    return plot


def by_size(data):
    """One plot for each operation that has more than one size."""
    plots = []
    for name in dict.fromkeys(row["operation"] for row in data["rows"]):
        rows = sorted((row for row in data["rows"] if row["operation"] == name), key=lambda row: row["elements"])
        lines = {
            way: [(r["elements"], r["ways"][way]) for r in rows if "seconds" in r["ways"].get(way, {})] for way in ways_of(data)
        }
        lines = {way: points for way, points in lines.items() if len(points) > 1}
        if lines:
            plots.append(_times(name, lines))
    return plots


def _times(name, lines):
    times = {way: [(n, cell["seconds"] * 1e6) for n, cell in points] for way, points in lines.items()}
    cpu = next((points for way, points in lines.items() if way != "cupy"), [])
    least = [(n, cell["seconds"] * cell["share"] * 1e6) for n, cell in cpu]
    every = [p for points in times.values() for p in points] + least
    xs, ys = zip(*every)
    plot = Plot(name, "elements", "microseconds", (min(xs), max(xs)), (min(ys), max(ys)))
    if least:
        plot.line(least, "#444", dashed=True, dots=False)
    for way, points in times.items():
        plot.line(points, COLOURS[way])
    plot.legend(times)
    return plot


def _table(data):
    head = "".join(
        f"<th>{name}" for name in ("operation", "size", "shape", "way", "time", "quartiles", "GB/s", "GFLOP/s", "share")
    )
    rows = []
    for row in data["rows"]:
        best = min((c["seconds"] for c in row["ways"].values() if "seconds" in c), default=0)
        for way, cell in row["ways"].items():
            rows.append(_row(row, way, cell, best))
    return f"<table><tr>{head}{''.join(rows)}</table>"


def _row(row, way, cell, best):
    front = "".join(f"<td>{html.escape(text)}" for text in (row["operation"], row["size"], dimensions(row["shape"]), way))
    if "error" in cell:
        return f"<tr>{front}<td colspan=5>{html.escape(cell['error'])}"
    numbers = [duration(cell["seconds"]), f"{duration(cell['low'])} to {duration(cell['high'])}"]
    numbers += [digits(cell["GB/s"]), digits(cell["GFLOP/s"]), f"{cell['share']:.0%}"]
    mark = " class=best" if cell["seconds"] == best else ""
    return f"<tr{mark}>{front}{''.join(f'<td>{n}' for n in numbers)}"
