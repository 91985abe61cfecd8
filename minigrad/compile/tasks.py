"""The tasks of a large step: what they are called with, one after the other or some rows each on several threads."""

import numpy as np

from ..kernels.cpu import addresses, threads


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
    columns = (
        np.array([place for place, _, _ in tasks], np.int64),
        np.array([row.ctypes.data for row in rows], np.int64),
        np.array([shared[0] if shared else 0 for _, _, shared in tasks], np.int64),
    )
    kept = rows, columns, table, numbers  # their memory is known to the machine code alone
    given = (*[c.ctypes.data for c in columns], len(tasks), table.ctypes.data, numbers.ctypes.data)
    return lambda *_, kept=kept: addresses.in_turn(*given)


def side_by_side(task, table, numbers):
    """A function that runs one task, whose rows the threads share."""
    place, row, (count, work) = task
    row = _row(row)
    places, kept = (place, table.ctypes.data, numbers.ctypes.data, row.ctypes.data), (row, table, numbers)
    return lambda *_, kept=kept: threads.split(lambda lo, hi: addresses.some_rows(*places, lo, hi), count, work)


def is_worth_sharing(rows):
    """Whether several threads are faster at a task with so many rows and so much work."""
    return rows is not None and rows[0] > 1 and rows[1] >= 2 * threads.SMALLEST and threads.get_num_threads() > 1
