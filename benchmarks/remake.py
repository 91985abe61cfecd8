"""All figures of the peers and of the hot operations anew: ``python -m benchmarks.remake`` (an hour or more, on an idle machine).

Runs the workloads on one thread, with starts and memory, then on two, then the hot operations, and writes the sections of
RESULTS.md and the plot. The numbers are kept in a folder (``--folder``), so that a part can be measured again by itself.
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def commands(folder, rounds):
    """What is run, in order."""
    one, two, ops = (str(folder / name) for name in ("peers-1.json", "peers-2.json", "ops.json"))
    some = ["--rounds", str(rounds)]
    return [
        ["benchmarks.peers.run", "--threads", "1", "--start", *some, "--json", one],
        ["benchmarks.peers.run", "--threads", "2", *some, "--json", two],
        ["benchmarks.peers.report", one, two],
        ["benchmarks.ops.run", *some, "--json", ops, "--write"],
    ]


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remake", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "benchmarks" / "measured", help="where the JSON files go")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands(folder, options.rounds):
        print("python -m", *command, flush=True)
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
