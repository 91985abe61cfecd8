"""The denominator: PyTorch's public names that have a docstring, less the listed and reasoned exclusions."""

import fnmatch
import functools
import inspect
from pathlib import Path

SPACES = {
    "torch": "", "Tensor": "Tensor.", "functional": "nn.functional.", "linalg": "linalg.", "special": "special.", "nn": "nn.",
    "optim": "optim.", "lr_scheduler": "optim.lr_scheduler.",
}  # fmt: skip
OPERATORS = ("torch", "Tensor", "functional", "linalg", "special")


def attribute(root, path):
    """``root.a.b.c``; AttributeError where a part is missing."""
    return functools.reduce(getattr, path.split("."), root)


@functools.cache
def exclusions():
    """Pattern -> reason, from ``exclusions.tsv``."""
    lines = Path(__file__).with_name("exclusions.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def excluded(qualified):
    """The reason why a name is not counted, or None. Patterns are ``Tensor.to_sparse*``, or ``*.name`` for every place."""
    return next((reason for pattern, reason in exclusions().items() if fnmatch.fnmatchcase(qualified, pattern)), None)


def documented(torch, space):
    """The public names of a namespace that have a docstring of their own: functions and classes, and a Tensor's attributes."""
    place = attribute(torch, SPACES[space].rstrip(".")) if SPACES[space] else torch
    for name in sorted(dir(place)):
        value = getattr(place, name, None)
        if name.startswith("_") or inspect.ismodule(value) or not getattr(value, "__doc__", None):
            continue
        if space != "Tensor" and not callable(value):
            continue
        if getattr(value, "__module__", None) in ("typing", "builtins", "enum", "abc", "functools", "collections"):
            if space != "Tensor" and inspect.isclass(value):
                continue
        yield SPACES[space] + name


def denominator(torch):
    """space -> the qualified names that count."""
    return {space: [n for n in documented(torch, space) if excluded(key(space, n)) is None] for space in SPACES}


def key(space, qualified):
    """How ``exclusions.tsv`` writes a name: ``torch.add``, ``Tensor.add``, ``nn.Linear``."""
    return qualified if SPACES[space] else f"torch.{qualified}"
