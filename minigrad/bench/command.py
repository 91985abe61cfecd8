"""``python -m minigrad bench``: its options and what it prints."""

import argparse
import os
import pathlib

from ..errors import FileError
from .comparing import compare, report
from .files import load, save
from .page import page
from .rows import OPERATIONS, SIZES
from .running import WAYS, chosen, run
from .tables import closing, describe, head, line


def add_options(bench):
    """Fill the parser of the command."""
    bench.usage = "python -m minigrad bench [options]\n       python -m minigrad bench compare BEFORE AFTER [--all]"
    bench.add_argument(
        "--ops", type=_names("operation", OPERATIONS), metavar="A,B", help="operations (default: all; `--list` names them)"
    )
    bench.add_argument("--sizes", type=_names("size", SIZES), metavar="A,B", help=f"some of {', '.join(SIZES)} (default: all)")
    bench.add_argument("--ways", type=_names("way", WAYS), metavar="A,B", help=f"some of {', '.join(WAYS)} (default: all)")
    bench.add_argument("--backward", action="store_true", help="forward and backward together, in place of the forward alone")
    bench.add_argument("--threads", type=_threads, default=1, metavar="N", help="threads of the CPU (default: %(default)s)")
    bench.add_argument("--quick", action="store_true", help="ten operations at two sizes, in less than 20 seconds")
    bench.add_argument("--json", metavar="FILE", help="write the numbers to this file")
    bench.add_argument("--html", metavar="FILE", help="write a page with plots to this file")
    bench.add_argument("--list", action="store_true", help="name the operations and stop")
    compared = bench.add_subparsers(dest="what", title="two runs", metavar="compare", prog="python -m minigrad bench").add_parser(
        "compare",
        help="two files of --json side by side",
        description="Which operations became slower or faster between two runs.",
    )
    compared.add_argument("before", metavar="BEFORE", help="the JSON file of the earlier run")
    compared.add_argument("after", metavar="AFTER", help="the JSON file of the later run")
    compared.add_argument("--all", action="store_true", help="show the rows that did not change, too")


def _names(kind, known):
    """Reads names with commas between them."""

    def read(text):
        try:
            return chosen(kind, [name.strip() for name in text.split(",") if name.strip()], known)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _threads(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def command(arguments):
    """Run the command. OSError or FileError for files that cannot be read or written."""
    if arguments.what == "compare":
        print(report(compare(load(arguments.before), load(arguments.after)), arguments.all))
    elif arguments.list:
        for operation in OPERATIONS.values():
            print(f"{operation.name:<18}{operation.about}")
    else:
        _measure(arguments)


def _measure(arguments):
    for path in (arguments.json, arguments.html):
        if path:
            _writable(path)
    table = _Table(arguments)
    data = run(
        arguments.ops, arguments.sizes, arguments.ways, backward=arguments.backward, threads=arguments.threads,
        quick=arguments.quick, say=table, start=table.start,
    )  # fmt: skip
    print("\n".join(["", *closing(data)]).rstrip())
    if arguments.json:
        save(data, arguments.json)
    if arguments.html:
        pathlib.Path(arguments.html).write_text(page(data), encoding="utf-8")
    for path in (arguments.json, arguments.html):
        if path:
            print(f"wrote {path}")


class _Table:
    """Prints the rows of a run one after the other, as they are measured."""

    def __init__(self, arguments):
        self.ways = [w for w in WAYS if arguments.ways is None or w in arguments.ways]

    def start(self, data):
        self.ways = [w for w in self.ways if w not in data["not_run"]]
        print("\n".join([*describe(data), "", head(self.ways)]), flush=True)

    def __call__(self, row):
        print(line(row, self.ways), flush=True)


def _writable(path):
    """FileError, before minutes of work, where a file cannot be written."""
    there = os.path.exists(path)
    try:
        with open(path, "a"):
            pass
    except OSError as error:
        raise FileError(f"cannot write to {path}: {error.strerror}") from None
    if not there:
        os.remove(path)
