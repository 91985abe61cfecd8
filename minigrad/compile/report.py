"""What became of a function: which calls share a loop, which are matrix products, which stay outside, and why."""

import math

from . import choose, matmul
from .expressions import in_loops, is_elementwise
from .fuse import Loop, iterated


def report(executable):
    """The tasks of a step in the order in which they run, as text."""
    schedule, plan = executable.schedule, executable.plan
    lines, loops, fused, products, kernels, outside = [], 0, 0, 0, 0, 0
    for task in schedule.tasks:
        if isinstance(task, Loop):
            shape = iterated(task.members[0])
            calls = _inside(task, schedule)
            loops, fused = loops + 1, fused + len(calls)
            lines.append(f"loop {list(shape)}: {', '.join(calls)}")
            continue
        n = task.node
        if matmul.is_product(n):
            products += 1
            shapes = " @ ".join(str(list(i.shape)) for i in n.inputs[:2])
            behind = "" if n.op == "matmul" else " with bias and ReLU" if n.params["relu"] else " with bias"
            lines.append(f"product {shapes}{behind}: {2 * matmul.multiplications(n) / 1e6:.3g} MFLOP")
        elif not choose.stays_with_numpy(n):
            kernels += 1
            lines.append(f"kernel {n.op}")
        else:
            outside += 1
            lines.append(f"from Python {n.op}: {why_not(n)}")
    local = len(schedule.local)
    head = [
        f"{_counted(loops, 'loop')} of {_counted(fused, 'call')}, {_counted(products, 'matrix product')}, "
        f"{_counted(kernels, 'kernel')} inside, {_counted(outside, 'call')} from Python",
        f"{plan.arena_size / 2**20:.2f} MiB for values in between; {_counted(local, 'value')} need{'s' * (local == 1)} no memory",
    ]
    return "\n".join([*head, *lines])


def _counted(n, what):
    return f"{n} {what}{'' if n == 1 else 's'}"


def _inside(task, schedule):
    """The names of the calls that a loop makes, views apart."""
    found, seen = [], set()

    def visit(n, top=False):
        if n in seen or (not top and (n in schedule.roots or schedule.kinds[n] not in ("map", "view"))):
            return
        seen.add(n)
        for i in n.arguments:
            visit(i)
        if schedule.kinds[n] in ("map", "reduce"):
            found.append(n.op)

    for m in task.members:
        visit(m, top=True)
    return found or ["copy"]


def why_not(n):
    """Why a call is no loop of the step."""
    from .kernels import is_called

    if is_called(n):
        return "a kernel with threads of its own"
    kinds = {str(i.dtype) for i in n.arguments if i.dtype is not None and i.dtype not in in_loops()}
    if kinds:
        return f"{', '.join(sorted(kinds))} is computed by NumPy"
    if n.dtype is None:
        return "it has several results"
    if n.op == "matmul" and math.prod(n.shape) == 0:
        return "it is empty"
    return "no loop is written for it" if not is_elementwise(n) else "its operands are no plain arrays"
