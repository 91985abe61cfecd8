"""``python -m minigrad``: the command line."""

import argparse
import math
import os
import signal
import sys

STOPPED = "\nstopped; the files that were written are complete\n"


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

    def option(name, help, **how):
        demo.add_argument(name, help=f"{help} (default: %(default)s)", **how)

    option("--epochs", "passes over the training images", type=_count, default=15, metavar="N")
    option("--batch-size", "images in one step", type=_count, default=32, metavar="N")
    option("--lr", "Adam's step size at first; it falls to 0 along a cosine", type=_rate, default=0.002, metavar="X")
    option("--seed", "the same seed gives the same numbers", type=_seed, default=0, metavar="N")
    option("--device", "cpu or cuda", default="cpu", metavar="D")
    option("--out", "folder that is written to", default="minigrad-demo", metavar="DIR")
    demo.add_argument("--json", action="store_true", help="print one JSON object and nothing else, for scripts")
    commands.add_parser("info", help="versions, devices, and which optional packages are there")
    cache = commands.add_parser(
        "cache",
        help="show or empty the folder of compiled steps",
        description="Compiled steps are kept on disk, in MINIGRAD_CACHE_DIR or ~/.cache/minigrad, for the next process. "
        "Above MINIGRAD_CACHE_LIMIT megabytes (256) the oldest go.",
    )
    cache.add_argument("what", choices=("info", "clear"), help="info: where it is and what it holds; clear: empty it")
    _add_run(commands)
    _add_bench(commands)
    return p


def _add_run(commands):
    run = commands.add_parser(
        "run",
        help="run a PyTorch program, unchanged, on minigrad",
        usage="python -m minigrad run [--report] [--engine E] [--full-traceback] (FILE | -m MODULE) [ARGUMENT ...]",
        description="Run a PyTorch program as Python would: `import torch` gives it minigrad, and nothing of it is changed.",
    )
    run.add_argument("--report", action="store_true", help="say at the end which names of PyTorch it touched, on stderr")
    run.add_argument(
        "--engine", choices=("mt19937", "philox"), default="mt19937",
        help="random numbers: PyTorch's on the CPU, or minigrad's own (default: %(default)s)",
    )  # fmt: skip
    run.add_argument("--full-traceback", action="store_true", help="show minigrad's own lines in tracebacks, too")
    run.add_argument("-m", "--module", action="store_true", help="the program is a module, as in python -m")
    run.add_argument("program", help="the file or the module, with its own arguments behind it")


def _add_bench(commands):
    from .bench.command import add_options

    bench = commands.add_parser(
        "bench",
        help="measure this machine's limits and how much of them the operations reach",
        description="Measure this machine's roofline, then every hot operation as NumPy text, as Numba kernel, compiled, "
        "and with CuPy where there is a GPU.",
    )
    add_options(bench)


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
        "numpy", "numba", "scipy", "ml-dtypes", "safetensors", "tqdm", "tbb", "matplotlib", "cupy-cuda12x", "cupy-cuda13x",
    ):  # fmt: skip
        try:
            print(f"{name:14} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name:14} not installed")
    print(f"{'cuda':14} {minigrad.cuda.why_not() or minigrad.cuda.get_device_name()}")


def cache(what):
    """Show or empty the folder of generated code."""
    from .compile import cache
    from .errors import FileError

    try:
        most = cache.limit() / 2**20
    except ValueError as error:
        raise FileError(str(error)) from None
    folder = cache.directory()
    if folder is None:
        print("no cache: the folder cannot be written, or others could write to it (MINIGRAD_CACHE_DIR chooses another)")
        return
    found = cache.entries(folder)
    size = sum(n for _, n, _ in found.values()) / 2**20
    if what == "clear":
        cache.trim(folder, -1)
        print(f"removed {len(found)} compiled steps, {size:.1f} MB, from {folder}")
    else:
        print(f"{folder}: {len(found)} compiled steps, {size:.1f} MB of at most {most:.0f} MB")


def main(argv=None):
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["run"]:
        from .torch_names.launch import command

        return command(argv[1:], parser())  # what the program raises is its own matter
    arguments = parser().parse_args(argv)
    if arguments.command is None:
        parser().print_help()
        return 0
    from .errors import DeviceError, FileError

    try:
        if arguments.command == "info":
            info()
        elif arguments.command == "cache":
            cache(arguments.what)
        elif arguments.command == "bench":
            from .bench.command import command

            command(arguments)
        else:
            from .demo import run

            run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(STOPPED, end="", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, DeviceError, FileError) as error:
        print(f"minigrad {arguments.command}: {error}", file=sys.stderr)
        return 1
    return 0


def program():
    """``main`` in a process of its own."""
    _with_one_blas_thread()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and sys.argv[1:2] != ["run"]:
        signal.signal(signal.SIGINT, _stop)
    sys.exit(main())


def _with_one_blas_thread():
    """Start again with one thread for matrix products, unless the environment says how many.

    The demo's matrices are small: more threads gain nothing, wait for each other on a busy computer, and make the last digits
    depend on the number of cores. The libraries read their settings when they load, which is before this line.
    """
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    if os.name == "posix" and "demo" in sys.argv[1:2] and not any(n in os.environ for n in names):
        os.environ.update(dict.fromkeys(names, "1"))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _stop(*_):
    """Ctrl-C. At once, since an exception that is raised while a kernel compiles can get lost in the compiler's callbacks."""
    os.write(2, STOPPED.encode())
    os._exit(130)


if __name__ == "__main__":
    program()
