"""What the benchmarks share: one thread, the machine's name, medians of interleaved rounds, and the sections of RESULTS.md."""

import os
import pathlib
import platform
import statistics
import sys
import time

RESULTS = pathlib.Path(__file__).parent / "RESULTS.md"
THREADS = "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS NUMBA_NUM_THREADS MINIGRAD_NUM_THREADS".split()
SLOWER_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # where they are set, they choose a slower BLAS
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"  # every process would compile this project's Python anew, and no installed library's


def environment(threads):
    """The environment of a process that may use this many threads."""
    kept = {name: value for name, value in os.environ.items() if name not in (*SLOWER_BLAS, NO_BYTECODE)}
    return kept | dict.fromkeys(THREADS, str(threads))


def run_again_on_one_thread(module):
    """Start this program anew, once, with the environment of one thread, and pin it to one core."""
    wanted = environment(1)
    if dict(os.environ) != wanted:
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], wanted)
    pin(1)


def pin(threads):
    """Keep this process on as many cores as it has threads, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def repeats(function, seconds):
    """How often ``function`` runs in this many CPU seconds, from a few calls that also warm it up."""
    for _ in range(3):
        function()
    start, calls = time.process_time(), 0
    while calls < 2 or (time.process_time() - start < seconds / 4 and calls < 20):
        function()
        calls += 1
    return max(1, round(seconds * calls / max(time.process_time() - start, 1e-9)))


def cpu_seconds(function, times):
    """CPU seconds of one call, over this many."""
    start = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - start) / times


def interleaved(functions, rounds, seconds):
    """Seconds of a call of each named function: {name: one number a round}, the functions taking turns."""
    counts = {name: repeats(function, seconds) for name, function in functions.items()}
    times = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            times[name].append(cpu_seconds(function, counts[name]))
    return times


def median_ratio(times, base):
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(times, base))


def geometric_mean(numbers):
    return statistics.geometric_mean(numbers) if numbers else None


def machine():
    """The computer and the versions that a figure was taken with."""
    import importlib.metadata

    found = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            found["cpu"] = line.split(":")[1].strip()
            break
    for package in ("numpy", "numba", "torch", "jax"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def _lines(path):
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []


def describe(found):
    versions = ", ".join(f"{name} {found[name]}" for name in ("python", "numpy", "numba", "torch", "jax") if found.get(name))
    return f"{found.get('cpu', found['machine'])}, {found['cores']} cores; {versions}"


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def write_section(name, title, text, path=RESULTS):
    """Put ``text`` between the markers of section ``name`` in RESULTS.md; a new section goes to the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    old = path.read_text()
    body = f"{begin}\n## {title}\n\n{text.strip()}\n{end}"
    if begin in old:
        before, rest = old.split(begin, 1)
        path.write_text(before + body + rest.split(end, 1)[1])
    else:
        path.write_text(old.rstrip() + "\n\n" + body + "\n")
