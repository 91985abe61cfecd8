"""Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).

A block of four numbers is a function of a counter and a key alone, so every backend draws the same bits in any order.
"""

import numpy as np

from .jit import jit
from .threads import split

ROUNDS = 10
LANES = 256  # blocks that go through a round together: the loop over them is the one that LLVM vectorises
MULTIPLIER_0, MULTIPLIER_2 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # added to the key from round to round
LOW, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox_bits(key, *, count):
    """``count`` words uint32; key = [seed, offset] int64. Block b of four words has the counter offset + b."""
    seed, offset = unsigned(key)
    words = np.empty((-(-count // 4), 4), np.uint32)
    split(lambda lo, hi: blocks(seed, offset + np.uint64(lo), words[lo:hi]), count=len(words), work=6 * count)
    return words.reshape(-1)[:count]


def unsigned(key):
    """(seed, offset) of a key of two int64, as uint64."""
    return tuple([np.uint64(int(number) & 0xFFFFFFFFFFFFFFFF) for number in key])


@jit
def blocks(seed, offset, words):
    """words (B, 4)"""
    state = np.empty((4, LANES), np.uint32)
    for first in range(0, words.shape[0], LANES):
        count_blocks(offset + np.uint64(first), state)
        k0, k1 = seed & LOW, seed >> WORD
        for _ in range(ROUNDS):
            one_round(state, k0, k1)
            k0, k1 = (k0 + WEYL_0) & LOW, (k1 + WEYL_1) & LOW
        target = words[first : first + LANES]
        for b in range(target.shape[0]):
            for word in range(4):
                target[b, word] = state[word, b]


@jit
def count_blocks(offset, state):
    low, high = state[0], state[1]
    for b in range(LANES):
        counter = np.uint64(offset + np.uint64(b))
        low[b] = counter & LOW
        high[b] = counter >> WORD
    state[2:] = 0


@jit
def one_round(state, k0, k1):
    c0, c1, c2, c3 = state[0], state[1], state[2], state[3]
    for b in range(LANES):
        p0, p2 = MULTIPLIER_0 * np.uint64(c0[b]), MULTIPLIER_2 * np.uint64(c2[b])
        c0[b], c2[b] = ((p2 >> WORD) ^ np.uint64(c1[b]) ^ k0) & LOW, ((p0 >> WORD) ^ np.uint64(c3[b]) ^ k1) & LOW
        c1[b], c3[b] = p2 & LOW, p0 & LOW
