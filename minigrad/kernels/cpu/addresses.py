"""Compiled functions that are called by their addresses: the tasks of a large step.

A task is called with addresses alone: of the table, of the run-time numbers, and of the task's row of places and sizes, then
the first and the last of the rows that it computes. A compiled loop finds it by its address, so that Python is asked once for
many tasks, and no task needs the wrapper through which Python calls a compiled function, a third of what a small one costs to
compile.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .jit import jit
from .machine import i8_at

SIGNATURE = (types.int64,) * 5


@intrinsic
def _call(context, address, table, numbers, row, lo, hi):
    def generate(context, builder, signature, arguments):
        function = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 5)
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@jit
def in_turn(functions, rows, counts, many, table, numbers):
    """Run ``many`` functions one after the other, each with its row, for all ``counts`` of its rows. All are addresses."""
    functions, rows, counts = i8_at(functions), i8_at(rows), i8_at(counts)
    for k in range(many):
        _call(functions[k], table, numbers, rows[k], 0, counts[k])


@jit
def some_rows(function, table, numbers, row, lo, hi):
    """Run one function for the rows from lo to hi."""
    _call(function, table, numbers, row, lo, hi)


def address(function):
    """The address of a task's machine code, compiled now or loaded."""
    function.compile(SIGNATURE)
    found = function.overloads[SIGNATURE]
    return found.library.get_pointer_to_function(found.fndesc.llvm_cfunc_wrapper_name)
