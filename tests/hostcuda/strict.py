"""Checks source code against the real CuPy without running it: does each xp.name(arguments) exist, and take these?

    python -m hostcuda.strict minigrad/backends/cupy.py        # from the folder tests/

`import cupy` works without a GPU, so CuPy's own functions are the reference, not a list made by hand. This covers
branches no test reaches, in a second. It knows nothing of values: the names `roots` are taken to be the namespace
wherever they stand.
"""

import ast
import functools
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOTS = ("xp", "cp", "cupy", "cupyx")

# What cupy.ufunc.__call__ accepts; it raises on NumPy's where=, order=, subok=, signature=.
UFUNC_KEYWORDS = frozenset(("out", "dtype", "casting"))


class Finding(NamedTuple):
    """One call or name that CuPy would refuse."""

    filename: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}: {self.message}"


def lint(source: str, filename: str = "<source>", roots: Iterable[str] = ROOTS) -> list[Finding]:
    """All uses of the namespaces in `roots` that the real CuPy does not have or would not accept.

    Every root stands for `cupy`, except "cupyx" for itself. Calls with *args or **kwargs are only checked for the
    name and the keywords that are spelt out.
    """
    roots = frozenset(roots)
    tree = ast.parse(source, filename)
    findings = []
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node, name in _dotted_names(tree, roots):
        message = _check_call(name, calls[id(node)]) if id(node) in calls else _check_name(name)
        if message:
            findings.append(Finding(filename, node.lineno, message))
    return sorted(findings)


def _dotted_names(tree: ast.AST, roots: frozenset[str]) -> Iterator[tuple[ast.Attribute, str]]:
    """The longest attribute chains that start at a root: (node, "cupy.linalg.norm")."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner or not isinstance(node.ctx, ast.Load):
            continue
        parts, base = [], node
        while isinstance(base, ast.Attribute):
            parts.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name) and base.id in roots:
            root = "cupyx" if base.id == "cupyx" else "cupy"
            yield node, ".".join([root, *reversed(parts)])


@functools.cache
def resolve(name: str) -> Any:
    """The object with this dotted name; AttributeError if there is none."""
    parts = name.split(".")
    found = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        try:
            found = getattr(found, part)
        except AttributeError:
            if not inspect.ismodule(found):
                raise
            try:
                found = importlib.import_module(".".join(parts[:i]))  # a submodule nobody has imported yet
            except ImportError:
                raise AttributeError(f"{'.'.join(parts[:i])} does not exist") from None
    return found


def _check_name(name: str) -> str | None:
    try:
        resolve(name)
    except AttributeError as error:
        return f"{name}: not in this CuPy ({error})"
    except ImportError:
        return None  # it exists, and its library is missing here: nothing can be said
    return None


def _check_call(name: str, call: ast.Call) -> str | None:
    missing = _check_name(name)
    if missing:
        return missing
    starred = any(isinstance(argument, ast.Starred) for argument in call.args) or any(k.arg is None for k in call.keywords)
    keywords = [keyword.arg for keyword in call.keywords if keyword.arg]
    try:
        function = resolve(name)
    except ImportError:
        return None
    if _is_ufunc(function):
        return _check_ufunc(name, function, None if starred else len(call.args), keywords)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # a few builtins and classes have none
    try:
        if starred:
            signature.bind_partial(**dict.fromkeys(keywords))
        else:
            signature.bind(*[None] * len(call.args), **dict.fromkeys(keywords))
    except TypeError as error:
        return f"{name}{signature}: {error}"
    return None


def _is_ufunc(function: Any) -> bool:
    return isinstance(function, importlib.import_module("cupy").ufunc)


def _check_ufunc(name: str, function: Any, positional: int | None, keywords: list[str]) -> str | None:
    unknown = sorted(set(keywords) - UFUNC_KEYWORDS)
    if unknown:
        return f"{name} is a ufunc and takes only out, dtype and casting in CuPy, not {', '.join(unknown)}"
    most = function.nin + function.nout
    if positional is not None and not function.nin <= positional <= most:
        return f"{name} takes {function.nin} to {most} positional arguments, {positional} were given"
    return None


def main(paths: list[str]) -> int:
    """Lint files; the exit status is 1 if anything was found."""
    findings = [finding for path in paths for finding in lint(Path(path).read_text(), path)]
    for finding in findings:
        print(finding)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
