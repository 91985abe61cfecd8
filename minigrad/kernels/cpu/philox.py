"""Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).

A block of four numbers is a function of a counter and a key alone, so every backend draws the same bits in any order.
"""

import numpy as np

from .jit import jit

ROUNDS = 10
MULTIPLIER_0, MULTIPLIER_2 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # added to the key from round to round
LOW, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox_bits(key, *, count):
    """``count`` words uint32; key = [seed, offset] int64. Block b of four words has the counter offset + b."""
    seed, offset = (int(number) & 0xFFFFFFFFFFFFFFFF for number in key)
    words = np.empty((-(-count // 4), 4), np.uint32)
    _blocks(np.uint64(seed), np.uint64(offset), words)
    return words.reshape(-1)[:count]


@jit
def _blocks(seed, offset, words):
    for b in range(words.shape[0]):
        counter = np.uint64(offset + np.uint64(b))
        c0, c1, c2, c3 = counter & LOW, counter >> WORD, np.uint64(0), np.uint64(0)
        k0, k1 = seed & LOW, seed >> WORD
        for _ in range(ROUNDS):  # of constant length: unrolled, so that the loop over blocks is vectorised
            p0, p2 = MULTIPLIER_0 * c0, MULTIPLIER_2 * c2
            c0, c1, c2, c3 = (p2 >> WORD) ^ c1 ^ k0, p2 & LOW, (p0 >> WORD) ^ c3 ^ k1, p0 & LOW
            k0, k1 = (k0 + WEYL_0) & LOW, (k1 + WEYL_1) & LOW
        words[b, 0], words[b, 1], words[b, 2], words[b, 3] = c0, c1, c2, c3
