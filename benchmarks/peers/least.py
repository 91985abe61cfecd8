"""The least that a process with Numba costs: it is imported, and calls one small function that its cache has."""

import numba
import numpy as np


@numba.njit(cache=True)
def total(x):
    found = 0.0
    for value in x:
        found += value
    return found


def build():
    x = np.ones(3)
    return lambda: total(x)
