"""What an int8 layer costs beside the same layer in float32, on one thread.

    python benchmarks/quantize.py        (about half a minute)

Both run in interleaved rounds on one pinned core; times are CPU times, the ratio is the median over the rounds of the ratio
within a round. Below 1 the int8 layer is faster. "int8 activations" is ``quantize(model)``, "weights only" is
``quantize(model, activations="float")``.
"""

import sys

from overhead import ROUNDS, compare  # first of all: it sets the number of threads

import numpy as np  # isort: skip

import minigrad
from minigrad import nn


def linear(size, batch):
    return nn.Linear(size, size), minigrad.randn(batch, size)


def convolution(channels, batch):
    return nn.Conv2d(channels, channels, 3, padding=1), minigrad.randn(batch, channels, 16, 16)


def embedding(rows, batch):
    return nn.Embedding(rows, 128), minigrad.randint(0, rows, (batch, 64))


CASES = {
    **{f"Linear 1024x1024, batch {b}": lambda b=b: linear(1024, b) for b in (1, 8, 32)},
    **{f"Conv2d 32-32 3x3 on 16x16, batch {b}": lambda b=b: convolution(32, b) for b in (1, 32)},
    "Embedding 10000x128, 8x64 indices": lambda: embedding(10_000, 8),
}


def main():
    print(f"NumPy {np.__version__}, one thread, {ROUNDS} interleaved rounds, medians\n")
    print("| layer | float32 us | int8 activations us | ratio | weights only us | ratio |\n|---|---|---|---|---|---|")
    for name, make in CASES.items():
        minigrad.manual_seed(0)
        layer, x = make()
        row = []
        for activations in ("dynamic", "float"):
            small = minigrad.quantize(layer, activations=activations)
            with minigrad.no_grad():
                ours, float32, ratio = compare(lambda small=small, x=x: small(x), lambda layer=layer, x=x: layer(x))
            row += [ours, ratio]
        print(f"| {name} | {float32:.0f} | {row[0]:.0f} | {row[1]:.2f} | {row[2]:.0f} | {row[3]:.2f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
