"""A run as text: one line for each operation and size, and the sizes at which one way overtakes another."""

import math

SAME = 0.05  # times within so much of each other count as equal
PAIRS = (("text", "kernel"), ("kernel", "compiled"), ("kernel", "cupy"))


def duration(seconds):
    """Three digits and a unit.

    >>> from minigrad.bench.tables import duration
    >>> duration(0.00001234), duration(2.5)
    ('12.3 us', '2.50 s')
    """
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds * 1e9)} ns"


def digits(number):
    """Three digits, and no more than there are.

    >>> from minigrad.bench.tables import digits
    >>> digits(1.234), digits(123.4), digits(1234.5)
    ('1.23', '123', '1234')
    """
    if number <= 0 or not math.isfinite(number):
        return "0" if number == 0 else str(number)
    return f"{number:.{max(0, 2 - math.floor(math.log10(number)))}f}"


def dimensions(shape):
    return "x".join(map(str, shape))


def ways_of(data):
    """The ways that were measured, in order."""
    return list(dict.fromkeys(way for row in data["rows"] for way in row["ways"]))


def head(ways):
    columns = "".join(f"{way:>17}" for way in ways)
    return f"{'operation':<17}{'size':<8}{'shape':<16}{columns}   fastest: GB/s  GFLOP/s"


def line(row, ways):
    """An operation at one size: of each way the time and its share of the roofline; of the fastest the rates."""
    cells, timed = "", [c for c in row["ways"].values() if "seconds" in c]
    for way in ways:
        cell = row["ways"].get(way, {})
        text = f"{duration(cell['seconds'])} {cell['share']:>5.0%}" if "seconds" in cell else "failed" if "error" in cell else ""
        cells += f"{text:>17}"
    rates = ""
    if timed:
        best = min(timed, key=lambda cell: cell["seconds"])
        rates = f"{digits(best['GB/s']):>16}{digits(best['GFLOP/s']):>9}"
    return f"{row['operation']:<17}{row['size']:<8}{dimensions(row['shape']):<16}{cells}{rates}".rstrip()


def describe(data):
    """The machine, what was measured and its limits, in a few lines."""
    found, settings = data["machine"], data["settings"]
    versions = ", ".join(f"{name} {found[name]}" for name in ("python", "minigrad", "numpy", "numba") if name in found)
    threads = "one thread" if settings["threads"] == 1 else f"{settings['threads']} threads"
    what = "forward and backward" if settings["backward"] else "forward"
    lines = [f"{found['cpu']}, {found['cores']} cores; {versions}; {found['date']}", f"{what}, float32, {threads}, medians"]
    return lines + [roofline_line(limits) for limits in data["rooflines"].values()]


def roofline_line(limits):
    size, rate = max(limits["copies"], key=lambda pair: pair[1])
    inside = f"; {digits(rate)} at {_bytes(size)}" if rate > 1.05 * limits["copy"] else ""
    copy = f"copy of {_bytes(limits['copies'][-1][0])} {digits(limits['copy'])} GB/s{inside}"
    return f"limits of the {limits['device']}: {copy}; float32 product {digits(limits['matmul'])} GFLOP/s"


def _bytes(size):
    unit, shift = max((u for u in (("B", 0), ("KiB", 10), ("MiB", 20)) if size >> u[1]), key=lambda u: u[1])
    return f"{size >> shift} {unit}"


def failures(data):
    """What was not run or went wrong, a line each."""
    lines = [f"{way}: not run. {why}" for way, why in data["not_run"].items()]
    for row in data["rows"]:
        for way, cell in row["ways"].items():
            if "error" in cell:
                lines.append(f"{row['operation']} {row['size']}, {way}: {cell['error']}")
    return lines


def table(data):
    """The whole run as text.

    >>> import minigrad
    >>> data = minigrad.bench.run(["sum_all"], ["tiny"], ["text"], quick=True, seconds=0.001)
    >>> [line.split()[:3] for line in minigrad.bench.table(data).splitlines() if line.startswith("sum_all")]
    [['sum_all', 'tiny', '16x16']]
    """
    ways = ways_of(data)
    parts = [*describe(data), "", head(ways), *[line(row, ways) for row in data["rows"]], "", *closing(data)]
    return "\n".join(parts).rstrip()


def closing(data):
    """What follows the table."""
    lines = [sentence(found) for found in crossovers(data)]
    parts = ["Where one overtakes another, in elements that go in:", *lines, ""] if lines else []
    return parts + failures(data)


def crossovers(data):
    """From which size on one way is faster than another: [{"operation", "slower", "faster", "from", "measured"}, ...].

    "from" is the number of elements, drawn between the two sizes where the order changes as if both times were straight
    lines on a logarithmic scale; 0 where the faster one leads at every size, None where it does not lead at the largest.
    Times within five per cent of each other lead nobody. Operations that have only one size are left out.
    """
    found = []
    for name in dict.fromkeys(row["operation"] for row in data["rows"]):
        rows = sorted((row for row in data["rows"] if row["operation"] == name), key=lambda row: row["elements"])
        for slower, faster in PAIRS:
            points = [(r["elements"], _ratio(r, slower, faster)) for r in rows if _ratio(r, slower, faster)]
            if len(points) > 1:
                measured = [points[0][0], points[-1][0]]
                found.append({"operation": name, "slower": slower, "faster": faster, "from": start(points), "measured": measured})
    return found


def _ratio(row, slower, faster):
    """Time of the faster by time of the slower, None where one is missing."""
    a, b = (row["ways"].get(way, {}).get("seconds") for way in (slower, faster))
    return b / a if a and b else None


def start(points):
    """The elements from which the ratio of (elements, ratio) stays below 1.

    >>> from minigrad.bench.tables import start
    >>> start([(10, 2.0), (1000, 0.5)]), start([(10, 0.5), (1000, 0.5)]), start([(10, 0.5), (1000, 1.01)])
    (100, 0, None)
    """
    ahead = len(points)
    while ahead and points[ahead - 1][1] < 1 - SAME:
        ahead -= 1
    if ahead == len(points):
        return None
    if ahead == 0:
        return 0
    (n0, r0), (n1, r1) = points[ahead - 1 : ahead + 1]
    if r0 <= 1:  # equal at the smaller size: it leads somewhere between the two
        r0 = 1.0
    part = math.log(r0) / math.log(r0 / r1)
    return round(n0 * (n1 / n0) ** part)


def sentence(found):
    """A crossover in words."""
    who = f"  {found['operation']:<17}{found['faster']:>8} over {found['slower']:<7}"
    low, high = found["measured"]
    if found["from"] is None:
        return f"{who} not up to {high:,}"
    return f"{who} " + (f"from {low:,} on, the smallest measured" if found["from"] == 0 else f"from about {found['from']:,}")
