"""One run: the limits of the machine, then every operation in every way, at every size."""

import contextlib
import difflib
import functools
import importlib.metadata
import os
import pathlib
import platform
import time

import numpy as np

import minigrad

from ..errors import MinigradError
from . import clock, limits
from .rows import OPERATIONS, QUICK, SIZES, Draw

WAYS = {
    "text": "NumPy text: what stands in minigrad/ops, every step a call of NumPy",
    "kernel": "eager: Numba kernels where one accepts the call, else the text",
    "compiled": "minigrad.compile: the whole function as one program",
    "cupy": "eager on the GPU, with CuPy",
}
TOLERANCE = 2e-3  # of the largest number of a result
FORMAT, VERSION = "minigrad-bench", 1


def run(ops=None, sizes=None, ways=None, *, backward=False, threads=1, quick=False, seconds=0.02, rounds=7, start=None, say=None):
    """Measure, and give the numbers back as a dictionary that :func:`save`, :func:`table` and :func:`page` take.

    Args:
        ops: names of operations; None for all.
        sizes: some of "tiny", "small", "medium" and "large"; None for all.
        ways: some of "text", "kernel", "compiled" and "cupy"; None for all.
        backward: forward and backward together instead of the forward alone. Optimizers make their step in both cases.
        threads: that the CPU may use.
        quick: ten operations at two sizes with few rounds, where ``ops`` and ``sizes`` do not say otherwise.
        seconds, rounds: how long each version runs in a round, and how many rounds there are. The versions take turns.
        start, say: called with the data before the first row is measured, and with each row after it is.

    Raises:
        ValueError: for a name that does not exist; the nearest is suggested.

    >>> import minigrad
    >>> data = minigrad.bench.run(["sum_all"], ["tiny"], ["text", "kernel"], quick=True, seconds=0.001)
    >>> [row["operation"] for row in data["rows"]], list(data["rows"][0]["ways"])
    (['sum_all'], ['text', 'kernel'])
    """
    names = chosen("operation", ops, OPERATIONS, QUICK if quick else None)
    sizes = chosen("size", sizes, SIZES, ("small", "medium") if quick else None)
    ways = chosen("way", ways, WAYS)
    if quick:
        seconds, rounds = min(seconds, 0.005), min(rounds, 5)
    missing = minigrad.cuda.why_not() if "cupy" in ways else None
    data = {
        "format": FORMAT,
        "version": VERSION,
        "machine": machine(),
        "settings": {"threads": threads, "backward": backward, "quick": quick, "seconds": seconds, "rounds": rounds},
        "not_run": {"cupy": missing} if missing else {},
        "rooflines": {"cpu": limits.roofline("cpu", threads, quick)},
        "rows": [],
    }
    if "cupy" in ways and not missing:
        data["rooflines"]["cuda"] = limits.roofline("cuda", 1, quick)
    if start:
        start(data)
    with limits.with_threads(threads):
        for name in names:
            for size in sizes:
                row = measure(OPERATIONS[name], size, [w for w in ways if w not in data["not_run"]], data)
                data["rows"].append(row)
                if say:
                    say(row)
    return data


def chosen(kind, wanted, known, default=None):
    """The names that are ``wanted``, in the order of the ``known`` ones; a ValueError where one is unknown."""
    if wanted is None:
        wanted = known if default is None else default
    if not wanted:
        raise ValueError(f"no {kind} is named; there are {', '.join(known)}")
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"there is no {kind} {name!r}; {hint}")
    return [name for name in known if name in wanted]


def measure(operation, size, ways, data):
    """One row. A way that fails or gives other numbers than the first has an "error" in place of its time."""
    settings, shape = data["settings"], operation.shapes[size]
    step = operation.build(Draw(), *operation.shapes["tiny"]).wanted is None
    backward = settings["backward"] and not step
    work = operation.work(*shape)
    if backward:
        work = [round(amount * times) for amount, times in zip(work, operation.both)]
    mode = "step" if step else "both" if backward else "forward"
    row = {"operation": operation.name, "size": size, "shape": list(shape), "mode": mode, "elements": 0}
    row |= {"bytes": work[0], "flops": work[1], "touched": round(work[0] * operation.footprint), "ways": {}}
    calls, expected = {}, None
    for way in ways:
        try:
            call, result, elements = version(operation, shape, way, backward)
            found = result()
            row["elements"] = elements
            expected = found if expected is None else expected
            problem = differs(found, expected)
        except (MinigradError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
            problem = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        if problem:
            row["ways"][way] = {"error": problem}
        else:
            calls[way] = call
    for way, times in _times(calls, settings).items():
        limit = data["rooflines"]["cuda" if way == "cupy" else "cpu"]
        row["ways"][way] = rates(clock.summary(times), row, limit)
    row["ways"] = {way: row["ways"][way] for way in ways}
    return row


def rates(cell, row, limit):
    """A cell with its rates and its share of the roofline."""
    seconds = cell["seconds"]
    share = limits.least_seconds(limit, row["bytes"], row["flops"], row["touched"]) / seconds
    return cell | {"GB/s": row["bytes"] / seconds / 1e9, "GFLOP/s": row["flops"] / seconds / 1e9, "share": share}


def _times(calls, settings):
    """{way: seconds of each round}: the versions for the CPU take turns; the GPU has a clock of its own."""
    found = {}
    for device in ("cpu", "cuda"):
        some = {way: call for way, call in calls.items() if (way == "cupy") == (device == "cuda")}
        if some:
            watch = clock.choose(settings["threads"], device)
            _, finish = limits.library(device)
            found |= clock.interleaved(some, settings["rounds"], settings["seconds"], watch, finish)
    return found


def version(operation, shape, way, backward):
    """((context, call), a function that gives the result as NumPy arrays, the number of elements that go in)."""
    draw = Draw("cuda" if way == "cupy" else "cpu")
    case = operation.build(draw, *shape)
    function, arguments = case.function, case.arguments
    if backward:
        function, arguments = with_gradients(case, draw)
    if way == "compiled":
        function = minigrad.compile(function)
    context = functools.partial(_context, way, backward or case.wanted is None)
    call = functools.partial(function, *arguments)
    elements = sum(t.numel() for t in (case.written or case.arguments))

    def result():
        """Compiled functions are traced at the first call, and are machine code from the second or third on."""
        with context():
            for _ in range(3):
                found = call()
        found = case.written if case.written else found
        found = found if isinstance(found, tuple | list) else [found]
        return [t.detach().cpu().numpy().copy() for t in found]

    return (context, call), result, elements


def with_gradients(case, draw):
    """The function of the forward and the backward pass, and its arguments: the gradient of the result, drawn, comes last."""
    for t in case.wanted:
        t.requires_grad_()
    with minigrad.no_grad():
        g = draw.normal(*case.function(*case.arguments).shape)
    function, places = case.function, [i for i, t in enumerate(case.arguments) if any(t is w for w in case.wanted)]
    others = case.wanted[len(places) :]  # parameters, which the function reads from outside

    def both(*arguments):
        *given, g = arguments
        y = function(*given)
        return (y, *minigrad.autograd.grad(y, [given[i] for i in places] + others, g))

    return both, [*case.arguments, g]


@contextlib.contextmanager
def _context(way, recording):
    with minigrad.kernels.use_kernels(way != "text"), minigrad.set_grad_enabled(recording):
        yield


def differs(found, expected):
    """What is wrong with a result, or None. Versions add in other orders, so the last digits differ."""
    if [a.shape for a in found] != [b.shape for b in expected]:
        return f"gives shapes {[a.shape for a in found]} in place of {[b.shape for b in expected]}"
    scales = [max(float(np.abs(b).max(initial=0)), 1e-9) for b in expected]
    worst = max(float(np.abs(a - b).max(initial=0)) / scale for a, b, scale in zip(found, expected, scales))
    return None if worst <= TOLERANCE else f"gives other numbers: they differ by {worst:.1e} of the largest"


def machine():
    """The computer and the versions that a figure belongs to.

    >>> from minigrad.bench.running import machine
    >>> sorted(machine())[:3]
    ['cores', 'cpu', 'date']
    """
    found = {"cpu": _cpu(), "machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count()}
    found |= {"python": platform.python_version(), "minigrad": minigrad.__version__, "date": time.strftime("%Y-%m-%d %H:%M")}
    for package in ("numpy", "numba", "scipy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    if minigrad.cuda.is_available():
        found["gpu"] = minigrad.cuda.get_device_name()
    return found


def _cpu():
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
