"""``python -m minigrad``: the command line."""

import argparse
import sys


def parser():
    p = argparse.ArgumentParser(prog="minigrad", description="A deep-learning library to read in an afternoon. Start with: python -m minigrad demo")
    commands = p.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="train a network on handwritten digits and see every step (under a minute)",
        description="Train a small convolutional network on 1,797 real handwritten digits, look at one step of backpropagation, "
        "save and load the network, quantize it to int8, and write a picture of its predictions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--epochs", type=_positive, default=15, metavar="N", help="passes over the training images")
    demo.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="images per step")
    demo.add_argument("--lr", type=float, default=2e-3, metavar="X", help="Adam's step size at the start; it falls to 0 along a cosine")
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same numbers")
    demo.add_argument("--device", default="cpu", metavar="D", help="cpu or cuda")
    demo.add_argument("--out", default="minigrad-demo", metavar="DIR", help="folder for the files that are written")
    demo.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    commands.add_parser("info", help="versions, devices, and which optional packages are there")
    return p


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def info():
    """What a report of a problem should contain."""
    import importlib.metadata
    import platform

    import minigrad

    print(f"minigrad {minigrad.__version__}, Python {platform.python_version()}, {platform.platform()}, {platform.machine()}")
    for name in ("numpy", "numba", "scipy", "ml-dtypes", "safetensors", "tqdm", "tbb", "matplotlib", "cupy-cuda12x", "cupy-cuda13x"):
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
        if arguments.command == "info":
            info()
        else:
            from .demo import run

            run(arguments)
    except KeyboardInterrupt:
        print("\nstopped; what was written so far is complete", file=sys.stderr)
        return 130
    except (OSError, RuntimeError) as error:
        print(f"minigrad {arguments.command}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
