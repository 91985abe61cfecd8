"""Compiled functions that are called by their addresses: the tasks of a large step.

A task is called with addresses alone: of the table, of the run-time numbers, and of the task's row of places and sizes, then
the first and the last of the rows that it computes. A compiled loop finds it by its address, so that Python is asked once for
many tasks. It is called in Numba's own way, so no task needs a wrapper through which Python or C calls a compiled function,
two thirds of what a small one costs to compile.
"""

from numba.core import types
from numba.extending import intrinsic

from .jit import jit
from .machine import f8_at, i8_at

SIGNATURE = (types.int64,) * 5


@intrinsic
def _call(context, address, table, numbers, row, lo, hi):
    def generate(context, builder, signature, arguments):
        kind = context.call_conv.get_function_type(types.none, SIGNATURE)
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        status, _ = context.call_conv.call_function(builder, function, types.none, SIGNATURE, arguments[1:])
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@jit
def in_turn(functions, rows, counts, checks, many, table, numbers, first):
    """Run ``many`` functions one after the other, each with its row, for all ``counts`` of its rows. All are addresses.

    A function may have checked something: the numbers from ``first`` on, ``checks`` of them so far, are below zero where all
    was well. The first one that is not ends the run, so that nothing is computed from what is wrong.
    """
    functions, rows, counts, checks, found = i8_at(functions), i8_at(rows), i8_at(counts), i8_at(checks), f8_at(numbers)
    for k in range(many):
        _call(functions[k], table, numbers, rows[k], 0, counts[k])
        for c in range(checks[k]):
            if found[first + c] >= 0:
                return


@jit
def some_rows(function, table, numbers, row, lo, hi):
    """Run one function for the rows from lo to hi."""
    _call(function, table, numbers, row, lo, hi)


def address(function):
    """The address of a task's machine code, compiled now or loaded."""
    function.compile(SIGNATURE)
    found = function.overloads[SIGNATURE]
    return found.library.get_pointer_to_function(found.fndesc.llvm_func_name)
