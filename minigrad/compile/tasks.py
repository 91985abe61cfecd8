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


def in_turn(tasks, table, numbers, first):
    """A function that runs ``tasks``, of (address, row, rows that can be shared, checks so far), one after the other.

    ``first``: the first of the numbers that are checked. A task that has checks ends the run where one of them failed.
    """
    places, rows, shared, checks = zip(*tasks)
    rows, many = [_row(row) for row in rows], len(tasks)
    block = np.zeros(4 * many + sum(map(len, rows)), np.int64)  # in the order of reading: other programs have cooled it down
    block[4 * many :] = np.concatenate(rows)
    columns = block[: 4 * many].reshape(4, many)
    columns[0], columns[2], columns[3] = places, [count[0] if count else 0 for count in shared], checks
    columns[1] = block.ctypes.data + block.itemsize * np.cumsum([4 * many, *map(len, rows[:-1])])
    given = (*[column.ctypes.data for column in columns], many, table.ctypes.data, numbers.ctypes.data, first)
    return lambda *_, kept=(block, table, numbers): addresses.in_turn(*given)  # machine code alone knows of their memory


def side_by_side(task, table, numbers):
    """A function that runs one task, whose rows the threads share."""
    place, row, (count, work) = task
    row = _row(row)
    places, kept = (place, table.ctypes.data, numbers.ctypes.data, row.ctypes.data), (row, table, numbers)
    return lambda *_, kept=kept: threads.split(lambda lo, hi: addresses.some_rows(*places, lo, hi), count, work)


def is_worth_sharing(rows):
    """Whether several threads are faster at a task with so many rows and so much work."""
    return rows is not None and rows[0] > 1 and rows[1] >= 2 * threads.SMALLEST and threads.get_num_threads() > 1
