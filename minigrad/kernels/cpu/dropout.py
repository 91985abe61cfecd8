"""Dropout in one pass: the random bits are drawn, compared and forgotten a few hundred at a time."""

import math

import numpy as np

from .jit import jit
from .philox import LANES, LOW, ROUNDS, WEYL_0, WEYL_1, WORD, count_blocks, one_round, unsigned
from .threads import split


def dropout(x, key, *, p):
    """x * (bits >= floor(p * 2**32)) / (1 - p), with the bits of ``philox(key, count=x.size)``."""
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    seed, offset = unsigned(key)
    limit, scale, flat, result = np.uint64(math.floor(p * 2.0**32)), x.dtype.type(1.0 / (1.0 - p)), x.reshape(-1), y.reshape(-1)

    def some(lo, hi):  # lo, hi count blocks of four
        drop(seed, offset + np.uint64(lo), limit, scale, flat[4 * lo : 4 * hi], result[4 * lo : 4 * hi])

    split(some, count=-(-x.size // 4), work=8 * x.size)
    return y


@jit
def drop(seed, offset, limit, scale, x, y):
    """x, y (n,); the first number of x takes the first word of the block that ``offset`` counts."""
    state, factors = np.empty((4, LANES), np.uint32), np.empty(4 * LANES, x.dtype)
    kept, dropped = scale, x.dtype.type(0)
    for first in range(0, x.size, 4 * LANES):
        count_blocks(offset + np.uint64(first // 4), state)
        k0, k1 = seed & LOW, seed >> WORD
        for _ in range(ROUNDS):
            one_round(state, k0, k1)
            k0, k1 = (k0 + WEYL_0) & LOW, (k1 + WEYL_1) & LOW
        for word in range(4):
            bits, of_word = state[word], factors[word::4]
            for b in range(LANES):
                of_word[b] = kept if bits[b] >= limit else dropped
        part, result = x[first : first + 4 * LANES], y[first : first + 4 * LANES]
        for i in range(part.size):
            result[i] = part[i] * factors[i]
