"""``python -m minigrad run``: a PyTorch program, unchanged, on minigrad."""

import atexit
import builtins
import importlib.machinery
import importlib.util
import io
import os
import sys
import types

from . import as_torch, report, tracebacks

_ended = []  # the module that was __main__ before: its globals live on


def command(arguments, parser):
    """Run what the command line names, as ``__main__``. What the program raises passes through."""
    options, as_module, program = split(arguments)
    chosen = parser.parse_args(["run", *options, *(["-m"] if as_module else []), *(program[:1])])
    as_torch(chosen.engine)
    tracebacks.install(chosen.full_traceback)
    if chosen.report:
        report.watch()
        owner = os.getpid()
        atexit.register(lambda: os.getpid() == owner and report.show())  # registered first, so it runs last
    (run_module if as_module else run_file)(program[0], program[1:])
    return 0


def split(arguments):
    """Our options, whether a module is meant, and the program with its own arguments."""
    i = 0
    while i < len(arguments):
        a = arguments[i]
        if a in ("-m", "--module"):
            return arguments[:i], True, arguments[i + 1 :]
        if a == "--":
            return arguments[:i], False, arguments[i + 1 :]
        if not a.startswith("-") or a == "-":
            break
        i += 2 if a == "--engine" else 1
    return arguments[:i], False, arguments[i:]


def run_file(path, arguments):
    """As ``python path arguments``."""
    where = path
    if os.path.isdir(path):
        where = os.path.join(path, "__main__.py")
    try:
        with io.open_code(os.path.abspath(where)) as file:
            source = file.read()
    except OSError as error:
        raise SystemExit(_cannot_open(where, error)) from None
    file = os.path.abspath(where)
    module = _main(file)
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", file)
    sys.argv = [path, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = path if os.path.isdir(path) else os.path.dirname(os.path.realpath(path))
    exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)


def run_module(name, arguments):
    """As ``python -m name arguments``."""
    sys.argv = ["-m", *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name += ".__main__"
        spec = importlib.util.find_spec(name)
    code = spec.loader.get_code(name) if spec is not None and hasattr(spec.loader, "get_code") else None
    if code is None:
        raise SystemExit(f"minigrad run: no module named {name}")
    module = _main(spec.origin)
    module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, spec.parent
    sys.argv[0] = spec.origin
    exec(code, module.__dict__)


def _main(file):
    """A new module ``__main__``, in place of ours."""
    module = types.ModuleType("__main__")
    module.__file__, module.__builtins__, module.__cached__ = file, builtins, None
    _ended.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    return module


def _cannot_open(path, error):
    print(f"minigrad run: can't open file {path!r}: {error.strerror}", file=sys.stderr)
    return 2
