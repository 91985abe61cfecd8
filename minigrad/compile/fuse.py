"""Which calls run together as one loop nest, and which results need memory at all.

A *root* is a value with memory of its own: a result, a reduction, what a matrix product or a kernel reads, and what several
loops read unless it is cheap to compute again. All other elementwise calls and views dissolve in the expressions of the roots
that read them. Roots over equally many elements that read each other at the same place share a loop, and a value that only its
own loop reads needs no memory after all.
"""

import math

from . import access
from .expressions import CHEAP, is_elementwise
from .ir import Instruction

REDUCTIONS = frozenset("sum prod max min any all".split())
DEEPEST = 100  # calls that are written as one expression: the passes go down into it by recursion
MOST_POINTERS = 20  # of one loop: more are slow to compile
IN_ROWS = frozenset("alias copy contiguous reshape".split())  # views that leave every element in its place in memory


# -------------------------------------------------------------------------------------------------------------------- kinds
def is_plain(i):
    return i.__class__ is Instruction and not i.number and i.dtype is not None


def is_reduction(n):
    if n.op not in REDUCTIONS or n.number or n.keywords or not is_plain(n.inputs[0]) or 0 in n.inputs[0].shape:
        return False
    x = n.inputs[0].dtype
    if n.op in ("any", "all"):
        return n.dtype.char == x.char == "?"
    if n.dtype.kind == "f":
        return x == n.dtype and x.itemsize > 2
    return n.dtype.char == "l" and x.char in "l?"


def reduced_axes(n):
    """The axes of its input that a reduction runs over."""
    axis, ndim = n.params.get("axis"), len(n.inputs[0].shape)
    if axis is None or not ndim:
        return set(range(ndim))
    return {a % ndim for a in (axis if isinstance(axis, tuple | list) else (axis,))}


def kind(n):
    """``"input"``, ``"number"``, ``"view"``, ``"map"``, ``"reduce"``, ``"pick"``, or ``"call"`` for all that is no loop."""
    if n.op == "input" or n.op == "constant":
        return "input"
    if n.number:
        return "number"
    if n.op == "pick":
        return "pick"
    if is_reduction(n):
        return "reduce"
    if n.dtype is not None and access.is_view(n) and is_plain(n.inputs[0]):
        return "view"
    return "map" if is_elementwise(n) else "call"


def iterated(root):
    """The shape that a root's loop runs over."""
    return root.inputs[0].shape if is_reduction(root) else root.shape


def in_rows(n):
    """The value whose memory, laid out in rows, is that of ``n`` too."""
    while n.op in IN_ROWS and access.is_view(n):
        n = n.inputs[0]
    return n


def looked_into(n):
    """The value that a view looks into and the address of its element there; None where that is not affine."""
    index, extents = access.own_index(n.shape), n.shape
    while access.is_view(n):
        x = n.inputs[0]
        if n.op == "reshape" and not access.is_view(in_rows(x)):
            return in_rows(x), access.address(index, n.shape)
        index = access.through(n, index, extents)
        if index is None:
            return None
        n = x
    return n, access.address(index, n.shape)


# -------------------------------------------------------------------------------------------------------------------- tasks
class Loop:
    """One loop nest. ``members``: the roots that it computes, all over the same number of elements."""

    def __init__(self):
        self.members, self.reads = [], set()

    def __repr__(self):
        return f"Loop({', '.join(m.op for m in self.members)})"


class Call:
    """One call that is no loop: a matrix product, a kernel, or a word that stays with NumPy."""

    def __init__(self, node):
        self.node = node

    def __repr__(self):
        return f"Call({self.node.op})"


class Schedule:
    """``tasks`` in the order in which they run; ``kinds``: of every value; ``local``: roots that need no memory.

    ``reads``: root or call -> the values with memory that it reads, for a loop's root as (value, Affine address).
    """

    def __init__(self, graph, kinds, roots):
        self.graph, self.kinds, self.roots = graph, kinds, roots
        self.tasks, self.task_of, self.reads, self.numbers, self.local = [], {}, {}, {}, set()
        self.touched = {}  # value -> numbers of the loops that compute or read it

    def readers(self):
        """value with memory -> the tasks that read it."""
        found = {}
        for task in self.tasks:
            nodes = task.members if isinstance(task, Loop) else [task.node]
            for n in nodes:
                for value in self.values_read(n):
                    found.setdefault(value, []).append(task)
        return found

    def values_read(self, n):
        direct = [r[0] if r.__class__ is tuple else r for r in self.reads[n]]
        return [*direct, *(v for number in self.numbers[n] for v in number_reads(number))]

    def __str__(self):
        return "\n".join(f"{k}: {task}" for k, task in enumerate(self.tasks))


def fuse(graph, operands):
    """A :class:`Schedule`. ``operands(call)`` gives the values that a call reads from memory, laid out in rows or as matrices."""
    kinds = {n: kind(n) for n in [*graph.inputs, *graph.nodes]}
    schedule = Schedule(graph, kinds, _roots(graph, kinds, operands))
    for n in graph.nodes:
        if n in schedule.roots or kinds[n] == "call":
            _place(schedule, n, operands)
    _find_local(schedule)
    return schedule


# -------------------------------------------------------------------------------------------------------------------- roots
def _roots(graph, kinds, operands):
    """Which maps, views and reductions have memory: decided from the results backwards."""
    roots, consumers = set(), {}
    for n in graph.nodes:
        for i in n.arguments:
            consumers.setdefault(i, []).append(n)

    def need(n):
        n = in_rows(n)
        if kinds[n] in ("map", "view"):
            roots.add(n)

    roots.update(o for o in graph.outputs if kinds[o] in ("map", "view"))
    roots.update(n for n in graph.nodes if n.op == "keep")
    owners, viewing = {}, _viewing(graph, kinds)
    for n in reversed(graph.nodes):
        what = kinds[n]
        if what == "call":
            for i in operands(n):
                need(i)
        elif what == "number":
            for i in n.arguments:
                if not i.number:
                    need(i)
        elif what == "reduce":
            roots.add(n)
        elif what in ("map", "view") and n not in roots:
            mine = set()
            for c in consumers.get(n, ()):
                mine |= {c} if c in roots or kinds[c] in ("call", "reduce") else owners.get(c, set())
            larger = [c for c in consumers.get(n, ()) if kinds[c] in ("map", "view") and math.prod(c.shape) > math.prod(n.shape)]
            if what == "map" and (len(mine) > 1 or larger) and not _is_cheap(n, kinds):
                roots.add(n)
            owners[n] = mine
        if n in roots and n in viewing:
            _make_readable(n, roots, kinds, need)
    depth = {}
    for n in graph.nodes:
        if kinds[n] in ("map", "view") and n not in roots:
            depth[n] = 1 + max((depth.get(i, 0) for i in n.arguments), default=0)
            if depth[n] > DEEPEST and kinds[n] == "map":
                roots.add(n)
                del depth[n]
                if n in viewing:
                    _make_readable(n, roots, kinds, need)
    return roots


def _viewing(graph, kinds):
    """The nodes that read through a view: those that are one, and those whose operands in the same loop do."""
    found = set()
    for n in graph.nodes:
        if access.is_view(n) or any(i in found and kinds[i] in ("map", "view") for i in n.arguments):
            found.add(n)
    return found


def _is_cheap(n, kinds, depth=3):
    """Whether computing it again costs no more than reading it."""
    if n.op not in CHEAP or depth == 0:
        return False
    return all(kinds[i] not in ("map", "view") or _is_cheap(i, kinds, depth - 1) for i in n.arguments if i.op != "constant")


def _make_readable(root, roots, kinds, need):
    """Give memory to what a root reads through a view whose index is not affine."""
    while True:
        try:
            read_through(root, lambda n: kinds[n] not in ("map", "view") or (n in roots and n is not root))
            return
        except NotAffine as found:
            need(found.args[0])


class NotAffine(Exception):
    pass


def read_through(root, has_memory, index=None, extents=None):
    """The values with memory that the expression of ``root`` reads: [(value, Affine address)], and the numbers in it.

    ``index``: of the root's element (of a reduction: of its input's), by default that of a loop nest over its shape.
    """
    shape = iterated(root)
    index = access.own_index(shape) if index is None else index
    extents = shape if extents is None else extents
    reads, numbers, seen = {}, {}, set()

    def visit(n, index):
        if (n, index) in seen:
            return
        seen.add((n, index))
        if n.number:
            numbers[n] = None
        elif has_memory(n):
            reads[n, access.address(index, n.shape)] = None
        elif access.is_view(n):
            visit_input(n, index)
        else:
            for i in n.arguments:
                visit(i, index if i.number else access.broadcast(index, i.shape))

    def visit_input(n, index):
        x = n.inputs[0]
        if n.op == "reshape" and has_memory(in_rows(x)):
            reads[in_rows(x), access.address(index, n.shape)] = None
            return
        inner = access.through(n, index, extents)
        if inner is None:
            raise NotAffine(x)
        visit(x, inner)

    if is_reduction(root):
        visit(root.inputs[0], index)
    elif access.is_view(root):
        visit_input(root, index)
    else:
        for i in root.arguments:
            visit(i, index if i.number else access.broadcast(index, i.shape))
    return list(reads), list(numbers)


def number_reads(n):
    """The values with memory that a run-time number is computed from."""
    found = []
    for i in n.arguments:
        found += number_reads(i) if i.number else [in_rows(i)]
    return found


# ----------------------------------------------------------------------------------------------------------------- grouping
def _place(schedule, n, operands):
    """Put a root into the last loop that may take it, or a loop of its own; a call is a task of its own."""
    if schedule.kinds[n] == "call":
        schedule.reads[n] = [in_rows(i) for i in operands(n)]
        schedule.numbers[n] = [i for i in n.arguments if i.number]
        _append(schedule, Call(n), n)
        return
    reads, numbers = read_through(n, lambda x: x is not n and _has_memory(schedule, x))
    schedule.reads[n], schedule.numbers[n] = reads, numbers
    values = {value for value, _ in reads}
    same = identity(iterated(n))
    first = max((schedule.task_of.get(_source(v), -1) + 1 for k in numbers for v in number_reads(k)), default=0)
    for value, place in reads:
        task = schedule.task_of.get(_source(value), -1)
        beside = task >= 0 and value in schedule.roots and schedule.kinds[value] != "reduce" and place == same
        first = max(first, task if beside and math.prod(value.shape) == math.prod(iterated(n)) else task + 1)
    for k in sorted({k for v in values for k in schedule.touched.get(v, ()) if k >= first}, reverse=True):
        if _joins(schedule.tasks[k], n, values):
            _join(schedule, k, n, values)
            return
    _append(schedule, Loop(), n)
    _join(schedule, len(schedule.tasks) - 1, n, values)


def _has_memory(schedule, n):
    return n in schedule.roots or schedule.kinds[n] not in ("map", "view")


def _source(value):
    return value.inputs[0] if value.op == "pick" else value


def identity(shape):
    """The address of a loop's own element."""
    return access.address(access.own_index(shape), shape)


def _joins(task, n, values):
    """Whether a loop may take the root ``n``, which reads ``values``, some of which it computes or reads too."""
    shapes = [iterated(m) for m in task.members]
    if math.prod(shapes[0]) != math.prod(iterated(n)) or len(task.reads | values) + len(task.members) > MOST_POINTERS:
        return False
    return access.refine([*shapes, iterated(n)]) is not None


def _append(schedule, task, n):
    schedule.task_of[n] = len(schedule.tasks)
    schedule.tasks.append(task)


def _join(schedule, k, n, values):
    task = schedule.tasks[k]
    task.members.append(n)
    task.reads |= values
    for value in (n, *values):
        schedule.touched.setdefault(value, set()).add(k)
    schedule.task_of[n] = k


def _find_local(schedule):
    """Roots that no other task reads, and that are no results, live in registers."""
    kept = set(schedule.graph.outputs)
    readers = schedule.readers()
    for task in schedule.tasks:
        if isinstance(task, Loop):
            for m in task.members:
                if schedule.kinds[m] != "reduce" and m not in kept and all(t is task for t in readers.get(m, ())):
                    schedule.local.add(m)
