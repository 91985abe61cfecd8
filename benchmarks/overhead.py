"""What an eager operation and a small eager training step cost beside PyTorch, on one thread.

    python benchmarks/overhead.py [ops] [steps] [import]        (PyTorch 2.13 must be installed; about two minutes)

Both libraries run in interleaved rounds on one pinned core; times are CPU times, the ratio is the median over the rounds
of the ratio within a round. Below 1 minigrad is faster. Losses are compared before anything is timed.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # where they are set, they choose a slower BLAS
    if os.environ.pop(name, None):
        os.execv(sys.executable, [sys.executable, *sys.argv])
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402

ROUNDS = 15


def compare(ours, theirs, seconds=0.04, rounds=ROUNDS):
    """(our us, their us, median ratio) of two functions, in interleaved rounds."""
    counts, times = [], ([], [])
    for f in (ours, theirs):
        for _ in range(3):
            f()
        start = time.process_time()
        for _ in range(5):
            f()
        counts.append(max(1, round(seconds / max((time.process_time() - start) / 5, 1e-6))))
    for _ in range(rounds):
        for f, n, record in zip((ours, theirs), counts, times):
            start = time.process_time()
            for _ in range(n):
                f()
            record.append((time.process_time() - start) / n * 1e6)
    ratio = statistics.median(a / b for a, b in zip(*times))
    return statistics.median(times[0]), statistics.median(times[1]), ratio


def geometric_mean(ratios):
    return float(np.exp(np.mean(np.log(ratios))))


def table(title, rows):
    print(f"\n| {title} | minigrad us | PyTorch us | ratio |\n|---|---|---|---|")
    for name, (a, b, r) in rows:
        print(f"| {name} | {a:.2f} | {b:.2f} | {r:.2f} |")
    if len(rows) > 1:
        print(f"| **geometric mean** | | | **{geometric_mean([r for _, (_, _, r) in rows]):.2f}** |")
    sys.stdout.flush()


OPS = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "matmul": lambda x, y: x @ y,
    "relu": lambda x, y: x.relu(),
    "sum": lambda x, y: x.sum(),
}


def operations(minigrad, torch):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((8, 8)).astype(np.float32) for _ in range(2))
    forward, both = [], []
    for name, f in OPS.items():
        runs = []
        for lib in (minigrad, torch):
            x, y = lib.tensor(a, requires_grad=True), lib.tensor(b, requires_grad=True)
            g = lib.ones(()) if name == "sum" else lib.ones((8, 8))

            def record(f=f, x=x, y=y):
                return f(x, y)

            def forward_backward(f=f, x=x, y=y, g=g):
                x.grad = y.grad = None
                f(x, y).backward(g)

            runs.append((record, forward_backward))
        forward.append((name, compare(runs[0][0], runs[1][0])))
        both.append((name, compare(runs[0][1], runs[1][1])))
    table("8x8, recording forward", forward)
    table("8x8, forward + backward", both)


def steps(minigrad, torch):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    from benchmarks.peers import workloads

    rows = []
    for name in ("tiny_mlp", "mnist_mlp", "cnn"):
        ours, theirs = (workloads.build(name, lib, np.random.default_rng(0)) for lib in (minigrad, torch))
        for i in range(10):
            a, b = ours().item(), theirs().item()
            assert abs(a - b) <= 1e-3 * abs(b), f"{name}: the losses of step {i} differ: {a} and {b}"
        rows.append((name, compare(ours, theirs, seconds=0.2)))
    table("eager training step", rows)


def imports():
    """CPU milliseconds of `import minigrad` over `import numpy`: medians of interleaved processes."""
    code = "import time; t = time.process_time(); import {}; print((time.process_time() - t) * 1e3)"
    times = {"numpy": [], "minigrad": []}
    for _ in range(15):
        for name, record in times.items():
            record.append(float(subprocess.check_output([sys.executable, "-c", code.format(name)])))
    numpy_ms, ours = (statistics.median(times[n]) for n in ("numpy", "minigrad"))
    print(f"\nimport numpy {numpy_ms:.0f} ms, import minigrad {ours:.0f} ms: {ours - numpy_ms:.0f} ms over NumPy (CPU time)")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["ops", "steps", "import"]
    if "import" in wanted:
        imports()
    if "ops" in wanted or "steps" in wanted:
        import torch

        import minigrad

        torch.set_num_threads(1)
        print(f"PyTorch {torch.__version__}, NumPy {np.__version__}, one thread, {ROUNDS} interleaved rounds, medians")
    if "ops" in wanted:
        operations(minigrad, torch)
    if "steps" in wanted:
        steps(minigrad, torch)
