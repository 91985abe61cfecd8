"""What must hold after each pass, for tests and for whoever changes a pass: none of it runs when a step is compiled."""

import math

from ..errors import TraceError
from . import ir, kernels
from .fuse import Loop, identity, is_reduction, iterated, number_reads

MADE_HERE = frozenset(("assemble", "add_rows", "keep", "convolution", "affine"))  # calls that passes put in


def verify(what):
    """Raise TraceError where a graph, or anything that a :class:`Step` has compiled, is not well formed; returns ``what``.

    >>> import minigrad
    >>> step = minigrad.compile.Step(lambda x: x.exp().sum())
    >>> y = [step(minigrad.ones(3)) for _ in range(2)]
    >>> minigrad.compile.verify(step) is step
    True
    """
    if isinstance(what, ir.Graph):
        return ir.verify(what)
    for program in [p for kept in what.programs.values() for p in kept]:
        ir.verify(program.graph)
        made = program.passes()
        if made:
            for graph in made.stages.values():
                ir.verify(graph, MADE_HERE | kernels.TABLE.keys())
            verify_schedule(made.schedule)
            verify_targets(made.graph, made.targets)
            verify_plan(made.schedule, made.plan, made.targets)
    return what


def _check(holds, what):
    if not holds:
        raise TraceError(f"the schedule is broken: {what}")


# ----------------------------------------------------------------------------------------------------------- after fusing
def verify_schedule(schedule):
    """Each value that a task reads is computed by an earlier one, or in the same loop, before and at the same place."""
    for k, task in enumerate(schedule.tasks):
        nodes = task.members if isinstance(task, Loop) else [task.node]
        for position, n in enumerate(nodes):
            for number in schedule.numbers[n]:
                for value in number_reads(number):
                    _check(_computed_in(schedule, value) < k, f"task {k} reads a number before {value!r} is computed")
            for read in schedule.reads[n]:
                value, place = read if read.__class__ is tuple else (read, None)
                at = _computed_in(schedule, value)
                _check(at <= k, f"task {k} reads {value!r}, which task {at} computes later")
                if at == k:
                    beside = isinstance(task, Loop) and value in nodes[:position] and not is_reduction(value)
                    _check(beside and place == identity(iterated(n)), f"task {k} reads {value!r} while it computes it")
                _check(at == k or value not in schedule.local, f"task {k} reads {value!r}, which has no memory")


def _computed_in(schedule, value):
    """The number of the task that computes a value; -1 of inputs."""
    return schedule.task_of.get(value.inputs[0] if value.op == "pick" else value, -1)


def verify_targets(graph, targets):
    """Each output goes to one place, and to no place goes more than one output."""
    places = [where for o in graph.outputs if (where := targets.get(o)) is not None]
    _check(len(places) == len(graph.outputs) == len(targets), "an output has no target, or something else has one")
    _check(len(set(places)) == len(places), "two outputs have one target")


# ------------------------------------------------------------------------------------------------------- after planning
def verify_plan(schedule, plan, targets):
    """No memory is written while what it holds is still to be read, but element by element in the loop that reads it last."""
    end, readers = len(schedule.tasks), schedule.readers()
    order = {task: k for k, task in enumerate(schedule.tasks)}
    spans = []  # (value, first and last task in which its memory is its own, the memory)
    for value, storage in plan.storage.items():
        last = max([order[t] for t in readers.get(value, ())], default=-1)
        kept = targets.get(value, ("",))[0] != "" or any(value in number_reads(o) for o, t in targets.items() if t[0] == "number")
        spans.append((value, _computed_in(schedule, value), end if kept else last, storage))
    for task in schedule.tasks:
        for n in task.members if isinstance(task, Loop) else [task.node]:
            for value in schedule.values_read(n):
                _check(value in plan.storage or value in schedule.local, f"{value!r} is read but has no memory")
    for i, (old, _, last, storage) in enumerate(spans):
        for j, (new, made, _, other) in enumerate(spans):
            if i != j and _meet(old, storage, new, other) and spans[i][1] <= made <= last:
                in_place = made == last and _walks_beside(schedule, schedule.tasks[made], old, new) and storage == other
                _check(in_place and (made > spans[i][1]), f"task {made} writes {new!r} over {old!r}, which is read later")


def _meet(a, where, b, there):
    """Whether two values have memory in common."""
    if where.where != there.where:
        return False
    if where.where != "arena":
        return where.number == there.number
    return where.number < there.number + _size(b) and there.number < where.number + _size(a)


def _size(n):
    return math.prod(n.shape) * n.dtype.itemsize


def _walks_beside(schedule, task, old, new):
    """Whether a loop reads ``old`` only where it writes ``new`` at that moment."""
    if not isinstance(task, Loop) or is_reduction(new):
        return False
    reads = [(m, place) for m in task.members for value, place in schedule.reads[m] if value is old]
    return all(place == identity(iterated(m)) and math.prod(old.shape) == math.prod(iterated(m)) for m, place in reads)
