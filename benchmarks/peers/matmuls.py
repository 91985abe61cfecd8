"""The matrix products of a training step alone, by NumPy into memory that is there: the least that a step can cost."""

import itertools

import numpy as np

from . import data

SIZES = {"mnist_mlp": (784, 128, 10), "keras_mlp": (784, 256, 128, 10)}


def build(name, rng):
    """``step()``: x w', g' x and g w of every layer, but for the first layer's gradient of x, which nothing wants."""
    sizes, n = SIZES[name], data.BATCH[name]
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    inputs = [[draw(n, size) for _ in range(4)] for size in sizes]  # (B, i), four batches
    weights = [draw(o, i) for i, o in itertools.pairwise(sizes)]
    products = []
    for at, w in enumerate(weights):
        o, i = w.shape
        y, dw, dx = np.empty((n, o), np.float32), np.empty((o, i), np.float32), np.empty((n, i), np.float32)
        products.append((inputs[at], inputs[at + 1], w, y, dw, dx if at else None))
    turns = itertools.cycle(range(4))

    def step():
        turn = next(turns)
        for x, _, w, y, _, _ in products:
            np.matmul(x[turn], w.T, out=y)
        for x, g, w, _, dw, dx in reversed(products):
            np.matmul(g[turn].T, x[turn], out=dw)
            if dx is not None:
                np.matmul(g[turn], w, out=dx)
        return y

    return step
