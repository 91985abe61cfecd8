"""The tasks of a large step, compiled functions of one signature, and the compiled loop that calls them in turn.

A task is called with addresses alone: of the table, of the run-time numbers, and of the task's row of places and sizes, then
the first and the last of the rows that it computes. The loop finds it by its address, so that Python is asked once for many
tasks, and no task needs the wrapper through which Python calls a compiled function, a third of what a small one costs to
compile.
"""

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..kernels.cpu import threads
from ..kernels.cpu.jit import jit

SIGNATURE = (types.int64,) * 5


@intrinsic
def _call(context, address, table, numbers, row, lo, hi):
    def generate(context, builder, signature, arguments):
        function = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 5)
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@jit
def _in_turn(functions, rows, counts, table, numbers):
    for k in range(functions.size):
        _call(functions[k], table, numbers, rows[k], 0, counts[k])


@jit
def _some_rows(function, table, numbers, row, lo, hi):
    _call(function, table, numbers, row, lo, hi)


def compiled(function):
    """The address of a task's machine code, compiled now or loaded."""
    function.compile(SIGNATURE)
    found = function.overloads[SIGNATURE]
    return found.library.get_pointer_to_function(found.fndesc.llvm_cfunc_wrapper_name)


def _row(numbers):
    """The numbers of a task in memory, integers and floats side by side."""
    row = np.array([0 if k.__class__ is float else k for k in numbers], np.int64)
    for i, k in enumerate(numbers):
        if k.__class__ is float:
            row.view(np.float64)[i] = k
    return row


def in_turn(tasks, table, numbers):
    """A function that runs ``tasks``, of (address, row, rows that can be shared), one after the other."""
    rows = [_row(row) for _, row, _ in tasks]
    functions = np.array([address for address, _, _ in tasks], np.int64)
    places = np.array([row.ctypes.data for row in rows], np.int64)
    counts = np.array([shared[0] if shared else 0 for _, _, shared in tasks], np.int64)
    at_table, at_numbers, kept = table.ctypes.data, numbers.ctypes.data, (rows, table, numbers)
    return lambda *_, kept=kept: _in_turn(functions, places, counts, at_table, at_numbers)


def side_by_side(task, table, numbers):
    """A function that runs one task, whose rows the threads share."""
    address, row, (count, work) = task
    row = _row(row)
    places, kept = (address, table.ctypes.data, numbers.ctypes.data, row.ctypes.data), (row, table, numbers)
    return lambda *_, kept=kept: threads.split(lambda lo, hi: _some_rows(*places, lo, hi), count, work)


def is_worth_sharing(rows):
    """Whether several threads are faster at a task with so many rows and so much work."""
    return rows is not None and rows[0] > 1 and rows[1] >= 2 * threads.SMALLEST and threads.get_num_threads() > 1
