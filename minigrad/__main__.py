"""``python -m minigrad``: the command line."""

import argparse
import math
import os
import sys


def parser():
    p = argparse.ArgumentParser(
        prog="python -m minigrad",
        description="A deep-learning library to read in an afternoon. Start with: python -m minigrad demo",
    )
    commands = p.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    demo = commands.add_parser(
        "demo",
        help="train a network on handwritten digits and see every step (under a minute)",
        description="Train a small convolutional network on 1,797 real handwritten digits, look at one step of backpropagation, "
        "save and load the network, quantize it to int8, and write a picture of its predictions.",
    )
    demo.add_argument("--epochs", type=_count, default=15, metavar="N", help="passes over the training images (default: 15)")
    demo.add_argument("--batch-size", type=_count, default=32, metavar="N", help="images in one step (default: 32)")
    demo.add_argument(
        "--lr", type=_rate, default=2e-3, metavar="X", help="Adam's step size, which falls to 0 along a cosine (default: 0.002)"
    )
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="the same seed gives the same numbers (default: 0)")
    demo.add_argument("--device", default="cpu", metavar="D", help="cpu or cuda (default: cpu)")
    demo.add_argument(
        "--out", default="minigrad-demo", metavar="DIR", help="folder for the files that are written (default: minigrad-demo)"
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object and nothing else, for scripts")
    commands.add_parser("info", help="versions, devices, and which optional packages are there")
    return p


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _seed(text):
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _rate(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def info():
    """What a report of a problem should contain."""
    import importlib.metadata
    import platform

    import minigrad

    print(f"minigrad {minigrad.__version__}, Python {platform.python_version()}, {platform.platform()}, {platform.machine()}")
    for name in (
        "numpy",
        "numba",
        "scipy",
        "ml-dtypes",
        "safetensors",
        "tqdm",
        "tbb",
        "matplotlib",
        "cupy-cuda12x",
        "cupy-cuda13x",
    ):
        try:
            print(f"{name:14} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name:14} not installed")
    print(f"{'cuda':14} {minigrad.cuda.why_not() or minigrad.cuda.get_device_name()}")


def main(argv=None):
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    if arguments.command is None:
        parser().print_help()
        return 0
    try:
        _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nstopped; what was written so far is complete", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _run(arguments):
    from .errors import DeviceError, FileError

    try:
        if arguments.command == "info":
            info()
        else:
            from .demo import run

            run(arguments)
    except BrokenPipeError:
        raise
    except (OSError, DeviceError, FileError) as error:
        sys.exit(f"minigrad {arguments.command}: {error}")


if __name__ == "__main__":
    sys.exit(main())
