"""Does memory grow? 100,000 training steps, and the resident size of the process along the way.

python benchmarks/memory.py [steps]
"""

import sys

import minigrad
from minigrad import nn


def resident():
    """Mebibytes of this process that are in memory now (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def main(steps=100_000):
    minigrad.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 1))
    optimizer = minigrad.optim.Adam(model.parameters(), lr=1e-3)
    x, y = minigrad.randn(32, 10), minigrad.randn(32, 1)
    sizes = []
    for step in range(steps + 1):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 10) == 0:
            sizes.append(resident())
            print(f"step {step:7,}   {sizes[-1]:7.1f} MiB", flush=True)
    print(f"grown by {sizes[-1] - sizes[1]:.1f} MiB between step {steps // 10:,} and step {steps:,}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
