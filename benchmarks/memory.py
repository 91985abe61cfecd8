"""Does memory grow, and how much does a training step need?

python -m benchmarks.memory grow [steps]         100,000 small steps, and the resident size of the process along the way
python -m benchmarks.memory peak [workload ...]  peak of a training process beside PyTorch's, each in a process of its own

The second prints, for minigrad, minigrad without its allocator (MINIGRAD_ALLOCATOR=0) and PyTorch: the resident size after
the libraries are loaded, the peak over twenty steps, what the steps added, and page faults and CPU time of one step.
"""

import json
import resource
import subprocess
import sys
import time

from benchmarks import common

WORKLOADS = "mnist_mlp vae cnn resnet_block lstm_char gpt_char".split()
ROWS = {"minigrad": ("minigrad", {}), "no allocator": ("minigrad", {"MINIGRAD_ALLOCATOR": "0"}), "torch": ("torch", {})}
STEPS = 20


def mebibytes(field):
    """VmRSS (now) or VmHWM (the highest so far) of this process (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


def grow(steps=100_000):
    import minigrad
    from minigrad import nn

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
            sizes.append(mebibytes("VmRSS"))
            print(f"step {step:7,}   {sizes[-1]:7.1f} MiB", flush=True)
    print(f"grown by {sizes[-1] - sizes[1]:.1f} MiB between step {steps // 10:,} and step {steps:,}")


def peak(names):
    print(f"{'':14}{'':14}loaded MiB   peak MiB   steps added   faults/step   CPU ms/step")
    for name in names or WORKLOADS:
        for row, (library, environment) in ROWS.items():
            common.pin(1)
            command = [sys.executable, "-m", "benchmarks.memory", "measure", library, name]
            done = subprocess.run(command, env=common.environment(1) | environment, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{name:14}{row:14}{found['loaded']:10.0f}{found['peak']:11.0f}{found['peak'] - found['loaded']:14.0f}"
                f"{found['faults']:14.0f}{found['seconds'] * 1e3:14.2f}",
                flush=True,
            )


def measure(library, name):
    """One library and workload, in this process; the libraries' own lazy parts are loaded before the count begins."""
    import importlib

    import numpy as np

    lib = importlib.import_module(library)
    x = lib.ones(512, 512, requires_grad=True)
    (x @ x).exp().softmax(1).sum().backward()
    lib.nn.functional.conv2d(lib.ones(1, 4, 8, 8), lib.ones(4, 4, 3, 3))
    del x
    from benchmarks.peers import workloads

    step = workloads.build(name, lib, np.random.default_rng(0))
    loaded = mebibytes("VmRSS")
    for _ in range(3):
        step()
    faults, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
    for _ in range(STEPS):
        step()
    seconds = (time.process_time() - seconds) / STEPS
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / STEPS
    print(json.dumps({"loaded": loaded, "peak": mebibytes("VmHWM"), "faults": faults, "seconds": seconds}))


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["grow"]
    {"grow": lambda: grow(*map(int, rest)), "peak": lambda: peak(rest), "measure": lambda: measure(*rest)}[what]()
