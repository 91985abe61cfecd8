"""The text of a whole step as a Numba module: its loops, each a function, and ``step``, which calls them in order.

The text is meant to be read: every value has the number that it has in the printed graph, ``%12`` there is ``v12`` here.
"""

import math
import re
from dataclasses import dataclass

from . import assembly, kernels, literals, matmul
from .expressions import DTYPES, HELPERS, SIXTEEN
from .fuse import Loop, in_rows, iterated
from .loops import Nest

MACHINE = ("apart", "unknown", "plus", "times", "largest", "smallest")
NUMBERS = dict(
    add="{} + {}", subtract="{} - {}", multiply="{} * {}", divide="{} / {}", power="{} ** {}", negative="-{}",
    sqrt="math.sqrt({})", exp="math.exp({})", log="np.log({})", maximum="max({}, {})", minimum="min({}, {})",
    abs="abs({})", reciprocal="1.0 / {}", square="{0} * {0}", cos="math.cos({})", sin="math.sin({})", floor="math.floor({})",
)  # fmt: skip
LARGE = 2**25  # multiplications of a step, from which on Python calls its tasks: one function of them all compiles for long
OPTIONS = 'cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, no_cfunc_wrapper=True'
BY_ADDRESS = f"no_cpython_wrapper=True, {OPTIONS}"
INSIDE = f"pipeline_class=Inside, {BY_ADDRESS}"
OPENING = ["table, numbers, task = i8_at(table_at), f8_at(numbers_at), i8_at(task_at)"]
MANY = 6  # arrays that a call is given or returns
REAL = re.compile(r"\breal\((.*?)\)")  # stands for a number of a task's row that is no integer


def is_written(n):
    """Whether a run-time number can be computed inside the step."""
    return n.op in NUMBERS or n.op in ("number", "input")


class Module:
    """The functions of a generated module; the same text is one function, whatever it is called for."""

    def __init__(self):
        self.functions, self.needs, self.kernels = {}, set(), {}

    def called(self, kernel, kinds, returns):
        """The name of a kernel that is called by name, for arguments of these kinds."""
        return self.kernels.setdefault((kernel, kinds, returns), f"{kernel}_{len(self.kernels)}")

    def function(self, parameters, body):
        """The name of the function with these parameters and lines, made if it is not there yet."""
        key = (tuple(parameters), tuple(body))
        if key not in self.functions:
            self.functions[key] = f"loop_{len(self.functions)}"
        return self.functions[key]

    def text(self, entries):
        code = [self._loop(name, parameters, body) for (parameters, body), name in self.functions.items()] + entries
        return "\n\n".join([self._head("\n".join(code)), *code])

    def _loop(self, name, parameters, body):
        lines = "\n".join(["    apart()", *("    " + line for line in body)])
        return f"@njit({INSIDE})\ndef {name}({', '.join(parameters)}):\n{lines}\n"

    def _head(self, code):
        """Imports, helpers, and the short names of the types that the code uses."""
        types = dict(f4="np.float32", f8="np.float64", i4="np.int32", i8="np.int64", u4="np.uint32", u8="np.uint64",
                     u1="np.uint8", b1="np.bool_", nan="np.nan", inf="np.inf")  # fmt: skip
        lines = ["import math", "", "import numpy as np", "from numba import njit", ""]
        called = set(re.findall(r"\b(\w+)\(", code))
        machine = [w for w in (*MACHINE, *(f"{d}_at" for d in "f4 f8 i8 i4 u4 u8 u1 u2".split())) if w in called]
        lines += [f"from minigrad.kernels.cpu.machine import {', '.join(machine)}"] if machine else []
        sixteen = [w for w in sorted(called) if re.fullmatch("(half|brain)_(value|bits|rounded)", w)]
        lines += [f"from minigrad.kernels.cpu.sixteen import {', '.join(sixteen)}"] if sixteen else []
        needs = self.needs | kernels.modules_of(code)
        if self.functions:
            needs.add(("minigrad.kernels.cpu.inside", "Inside"))
        if "gemm" in called:
            needs.add(("minigrad.kernels.cpu.blas", "gemm"))
        if "product" in called:
            needs |= {("minigrad.kernels.cpu.gemm", "product"), ("minigrad.kernels.cpu.tiles", "pointer")}
        for module, name in sorted(needs):
            lines.append(f"from {module} import {name}")
        if self.kernels:
            lines.append("from minigrad.kernels.cpu.symbols import called\n")
        for (kernel, kinds, returns), name in self.kernels.items():
            lines.append(f'{name} = called({kernel}, "{kinds}", "{returns}")')
        words = set(re.findall(r"\w+", code))
        used = {k: v for k, v in types.items() if k in words}
        lines.append(f"\n{', '.join(used)} = {', '.join(used.values())}" if used else "")
        for name, text in HELPERS.items():
            if f"{name}(" in code:
                lines.append(f'\n@njit(inline="always")\n{text}\n')
        return "\n".join(lines) + "\n"


@dataclass
class Shared:
    """A call of the function ``name`` with a task's ``row`` of numbers; ``rows``: (count, work) where threads can share it."""

    name: str
    row: tuple
    rows: tuple | None


def _work(schedule):
    """About how many multiplications a step makes, in its products and kernels."""
    total = 0
    for task in schedule.tasks:
        if isinstance(task, Loop):
            total += max(math.prod(iterated(m)) for m in task.members)
        elif matmul.is_product(task.node):
            total += matmul.multiplications(task.node)
        else:
            total += 64 * sum(math.prod(i.shape) for i in task.node.arguments if i.shape)
    return total


class Emitter:
    """The lines of ``step``. ``segments``: texts of functions, or calls that stay with NumPy, in order."""

    def __init__(self, schedule, plan, targets, arguments, results, apart=None, growing=False):
        self.schedule, self.plan, self.targets = schedule, plan, targets
        self.arguments, self.results = arguments, results
        self.growing = growing  # the text should fit other shapes too
        self.apart = growing or _work(schedule) >= LARGE if apart is None else apart  # each task a function of its own
        self.entries = {}  # their texts -> names: tasks that differ in places of memory alone share one
        self.functions_of_steps = []  # the texts of functions of several tasks
        self.rows = None  # (count, work) of a task whose rows can be shared among threads
        self.module, self.segments, self.lines, self.defined = Module(), [], [], set()
        self.place = {n: k for k, n in enumerate([*schedule.graph.inputs, *schedule.graph.nodes])}
        self.functions, self.needs = kernels.scalar_functions(), self.module.needs
        self.checks, self.check_count = [], 0  # of the current function, and of all

    def emit(self):
        """(the module's text, its segments: (name of a function, Shared, or the call that NumPy makes; what it reports))."""
        self.nests = self._nests()
        for task in self.schedule.tasks:
            if isinstance(task, Loop):
                self._loop(task)
            else:
                self._call(task)
            if self.apart:
                self._share()
        for n, where in self.targets.items():
            if where[0] == "number":
                self.lines.append(f"numbers[{where[1]}] = {self._number(n)}")
        (self._share if self.apart else self._close)()
        self._write_addresses()
        parameters = "table_at, numbers_at, task_at, lo, hi"
        tasks = [f"@njit({BY_ADDRESS})\ndef {name}({parameters}):\n{body}\n" for body, name in self.entries.items()]
        return self.module.text([*tasks, *self.functions_of_steps]), self.segments

    def _write_addresses(self):
        """A function that puts the addresses of many arguments and results into the table, faster than Python asks for them."""
        names = {"argument": self.arguments, "result": self.results}
        places = [(k, names[what][i]) for k, (what, i) in enumerate(self.plan.table) if what in names]
        self.writes_addresses = len(places) >= MANY
        if self.writes_addresses:
            body = "\n".join(f"    table[{k}] = {name}.ctypes.data" for k, name in places)
            parameters = ", ".join(["table", *self.arguments, *self.results])
            self.functions_of_steps.append(f"@njit({OPTIONS})\ndef addresses({parameters}):\n{body}\n")

    def _close(self):
        """End the current function of the step."""
        if self.lines:
            name = f"step_{len(self.functions_of_steps)}"
            parameters = ["table", "numbers", *self.arguments, *self.results]
            body = "\n".join("    " + line for line in self.lines)
            self.functions_of_steps.append(f"@njit({OPTIONS})\ndef {name}({', '.join(parameters)}):\n{body}\n")
            self.segments.append((name, self.checks))
        self.lines, self.defined, self.checks = [], set(), []

    def _share(self):
        """End the current task: a function that every task of the same text calls, each with its row of places and sizes."""
        if self.lines:
            row, names = [], {}

            def place(number):
                row.append(number)
                return f"task[{len(row) - 1}]"

            def renamed(found):
                return names.setdefault(found.group(), f"{found.group(1)}{len(names)}")

            lines = [re.sub(r"\b([vc])\d+\b", renamed, line) for line in self.lines if not line.startswith("#")]
            lines = [self._lifted(line, place) for line in lines]
            lines = [REAL.sub(lambda m: place(float(m.group(1))).replace("task", "f8_at(task_at)"), line) for line in lines]
            body = "\n".join("    " + line for line in [*OPENING, *lines])
            name = self.entries.setdefault(body, f"step_{len(self.entries)}")
            self.segments.append((Shared(name, tuple(row), self.rows), self.checks))
        self.lines, self.defined, self.rows, self.checks = [], set(), None, []

    def _lifted(self, line, place):
        """The line with the places and sizes that differ from task to task taken from the task's row."""
        if re.match(r"c\d+ = |if ", line):  # the arithmetic of a run-time number, or a comparison of one
            line = re.sub(r"(?<=\[)\d+(?=\])", lambda m: place(int(m.group())), line)
            return literals.FLOAT.sub(r"real(\g<0>)", line) if self.growing else line
        return literals.lifted(line, place)

    # ---------------------------------------------------------------------------------------------------------------- tasks
    def _nests(self):
        """Each loop with its parameters, its lines, and the integers that the function is given for it."""
        nests, loops = [], []
        for task in self.schedule.tasks:
            if isinstance(task, Loop):
                nest = Nest(task, self.schedule, self.plan.storage, self.functions, self.apart)
                body = nest.text()
                first = ["lo", "hi"] if self.apart and nest.is_shared else ["n"] if nest.is_flat else []
                nests.append((task, nest))
                loops.append(([*first, *nest.names.values()], body))
        loops = literals.unify(loops, self.growing) if self.apart else [(*loop, []) for loop in loops]
        return {task: (nest, *loop) for (task, nest), loop in zip(nests, loops)}

    def _loop(self, task):
        nest, parameters, body, numbers = self.nests[task]
        arguments = [self.pointer(n) if what == "pointer" else self._number(n) for what, n in nest.parameters]
        if parameters[:2] == ["lo", "hi"]:
            arguments = ["lo", "hi", *arguments]
            self.rows = nest.extents[0], math.prod(nest.extents) * nest.cost
        elif nest.is_flat:
            arguments = [str(nest.extents[0]), *arguments]
        self._comment(task.members)
        self.lines.append(self._of(parameters, body, arguments, numbers))

    def loop(self, parameters, body, arguments):
        """The call of a loop that is not made of calls of the graph."""
        ((parameters, body, numbers),) = literals.unify([(parameters, body)], self.growing)
        return self._of(parameters, body, arguments, numbers)

    def _of(self, parameters, body, arguments, numbers):
        numbers = [f"real({k!r})" if k.__class__ is float else str(k) for k in numbers]
        return f"{self.module.function(parameters, body)}({', '.join([*arguments, *numbers])})"

    def _call(self, task):
        n = task.node
        if matmul.is_product(n):
            self._comment([n])
            lines, rows = matmul.emit(n, self.pointer, self.schedule, self.apart)
            self.lines += lines
            self.rows = rows
        elif n.op == "assemble":
            self._comment([n])
            self.lines += assembly.emit(n, self)
        elif kernels.takes(n):
            self._comment([n])
            self.lines += kernels.emit(n, self)
        else:
            (self._share if self.apart else self._close)()
            self.segments.append((n, []))

    def has_memory(self, n):
        return n in self.plan.storage

    def check(self, error, n):
        """The number that a checked kernel reports in: -1, or the place that ``error`` tells of."""
        slot = self.plan.checks_from + self.check_count
        self.checks.append((slot, error, n))
        self.check_count += 1
        return slot

    def _comment(self, nodes):
        self.lines.append("# " + ", ".join(f"%{self.place[n]} {n.op}" for n in nodes))

    # ------------------------------------------------------------------------------------------------------------- operands
    def pointer(self, n):
        """The typed pointer to a value's memory, as a local of the step."""
        storage = self.plan.storage[n]
        name = f"v{self.place[n]}"
        if n not in self.defined:
            self.defined.add(n)
            at = f"{'u1' if n.dtype == bool else 'u2' if n.dtype in SIXTEEN else DTYPES[n.dtype]}_at"
            if self.apart and storage.where != "table":
                storage = self.plan.address_of(storage.where, storage.number, storage.dtype)
            if storage.where == "table":
                self.lines.append(f"{name} = {at}(table[{storage.number}])")
            elif storage.where == "arena":
                self.lines.append(f"{name} = {at}(table[0] + {storage.number})")
            else:
                names = self.arguments if storage.where == "argument" else self.results
                self.lines.append(f"{name} = {at}({names[storage.number]})")
        return name

    def _number(self, n):
        """A run-time number as a local of the step, in double precision."""
        if n.__class__ in (bool, int, float):
            return repr(float(n))
        name = f"c{self.place[n]}"
        if n not in self.defined:
            self.defined.add(n)
            if n.op == "input":
                text = f"numbers[{self.plan.numbers[n]}]"
            elif n.op == "number":
                text = f"f8({self.pointer(in_rows(n.inputs[0]))}[0])"
            else:
                text = NUMBERS[n.op].format(*[self._number(i) for i in n.inputs])
            self.lines.append(f"{name} = {text}")
        return name
