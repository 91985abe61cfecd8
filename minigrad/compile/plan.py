"""Which memory each value has: that of a tensor, a result of its own, or a place in one arena that values share in turns.

An arena place is free again after the last task that reads it. A loop may write over a value that it alone reads, element by
element. A new parameter goes straight into the old one's memory where nothing needs the old one any more.
"""

import math
from dataclasses import dataclass

from .fuse import Loop, identity, is_reduction, iterated, number_reads

ALIGNMENT = 64


@dataclass(frozen=True)
class Storage:
    """``where``: "table" (the address stands there), "arena" (``number`` bytes into it), "argument" or "result"."""

    where: str
    number: int
    dtype: object


class Plan:
    """``storage``: value -> Storage; ``table``: what each address of the table belongs to; ``late``: state copied at the end."""

    def __init__(self):
        self.storage, self.table, self.arena_size, self.late = {}, [("arena", None)], 0, []
        self._places = {}  # entry of the table -> its place

    def address_of(self, what, key, dtype):
        entry = (what, key)
        if entry not in self._places:
            self._places[entry] = len(self.table)
            self.table.append(entry)
        return Storage("table", self._places[entry], dtype)


def plan(schedule, targets, argument_of, by_numpy):
    """A :class:`Plan`.

    ``argument_of``: inputs that are arguments of the step -> their position. ``targets``: output -> ("result", number),
    ("state", its input), ("gradient", number) or ("number", number). ``by_numpy(call)``: whether its results come as arrays
    of their own, whose addresses the table gets anew in every call.
    """
    made, readers = Plan(), schedule.readers()
    order = {task: k for k, task in enumerate(schedule.tasks)}
    last = {value: max(order[t] for t in tasks) for value, tasks in readers.items()}  # the task after which it may be gone
    for n in schedule.graph.inputs:
        if n in argument_of:
            made.storage[n] = Storage("argument", argument_of[n], n.dtype)
        elif not n.number:
            made.storage[n] = made.address_of("input", n, n.dtype)
    for n in schedule.graph.nodes:
        if n.op == "constant":
            made.storage[n] = made.address_of("constant", n, n.dtype)
    at_end = {v for o, where in targets.items() if where[0] == "number" for v in number_reads(o)}  # numbers are read last
    last.update(dict.fromkeys(at_end, len(schedule.tasks)))
    free, picks = Places(), {}
    for n in schedule.graph.nodes:
        if n.op == "pick":
            picks.setdefault(n.inputs[0], []).append(n)
    for k, task in enumerate(schedule.tasks):
        for n in _computed(task, schedule, picks):
            value = n
            where = targets.get(value)
            if (
                where is not None
                and where[0] == "state"
                and (where[1] in at_end or not _may_overwrite(schedule, task, k, n, where[1], readers, order))
            ):
                made.late.append(value)
                where, last[value] = None, len(schedule.tasks)
            if where is None and not isinstance(task, Loop) and by_numpy(task.node):
                made.storage[value] = made.address_of("made", value, n.dtype)
            elif where is None:
                made.storage[value] = _in_place(made, schedule, task, k, n, last, free) or free.take(value)
            elif where[0] == "state":
                made.storage[value] = made.storage[where[1]]
            elif where[0] == "result":
                made.storage[value] = Storage("result", where[1], n.dtype)
            else:
                made.storage[value] = made.address_of(where[0], where[1], n.dtype)
        for value in [v for v in free.taken if last.get(v, k) <= k]:
            free.release(value)
    made.arena_size = free.size
    return made


def _computed(task, schedule, picks):
    """The values that a task gives memory to. ``picks``: call with several outputs -> what picks them."""
    if isinstance(task, Loop):
        return [m for m in task.members if m not in schedule.local]
    if task.node.dtype is not None:
        return [task.node]
    return picks.get(task.node, [])


def _may_overwrite(schedule, task, k, n, state, readers, order):
    """Whether task ``k`` may write ``n`` over ``state``: nobody reads that later, and the task only where it writes."""
    if any(order[t] > k for t in readers.get(state, ())):
        return False
    if not isinstance(task, Loop):
        return all(t is not task for t in readers.get(state, ()))
    return n.dtype == state.dtype and not is_reduction(n) and _reads_in_place(schedule, task, state)


def _reads_in_place(schedule, task, value):
    return all(
        place == identity(iterated(m)) and math.prod(value.shape) == math.prod(iterated(m))
        for m in task.members for v, place in schedule.reads[m] if v is value
    )  # fmt: skip


def _in_place(made, schedule, task, k, n, last, free):
    """The memory of a value that dies in this loop, where the loop may write ``n`` over it."""
    if not isinstance(task, Loop) or is_reduction(n):
        return None
    for value, place in schedule.reads[n]:
        storage = made.storage.get(value)
        fits = storage is not None and storage.where == "arena" and storage.dtype == n.dtype and last.get(value) == k
        if fits and value in free.taken and place == identity(iterated(n)) and math.prod(value.shape) == math.prod(n.shape):
            if _reads_in_place(schedule, task, value) and value not in task.members:
                free.hand_over(value, n)
                return storage
    return None


class Places:
    """First fit among the gaps of the arena."""

    def __init__(self):
        self.size, self.taken = 0, {}  # value -> (start, end)

    def take(self, value):
        size = -(-max(math.prod(value.shape) * value.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT
        start = 0
        for begin, end in sorted(self.taken.values()):
            if begin - start >= size:
                break
            start = max(start, end)
        self.taken[value] = (start, start + size)
        self.size = max(self.size, start + size)
        return Storage("arena", start, value.dtype)

    def release(self, value):
        del self.taken[value]

    def hand_over(self, old, new):
        self.taken[new] = self.taken.pop(old)
