"""Every name that a count over public PyTorch programs found is here, under minigrad's name and under torch's."""

import importlib
import pathlib

import pytest

import minigrad

NAMES = (pathlib.Path(__file__).parent / "data" / "names_of_programs.txt").read_text().split("\n")
# In the list, "autograd." stands for its submodules as well.
UNDER_AUTOGRAD = ("autograd", "autograd.graph", "autograd.functional", "autograd.function", "autograd.profiler")


def path_of(name):
    """The module path and the rest, from ``torch``."""
    name = name.removesuffix(" (set)")
    first, _, rest = name.partition(".")
    if first == "torch":
        return rest
    return f"nn.functional.{rest}" if first == "F" else name


def found(home, path):
    for part in path.split("."):
        home = getattr(home, part)
    return home


def resolve(home, path):
    first, _, rest = path.partition(".")
    if first != "autograd":
        return found(home, path)
    for place in UNDER_AUTOGRAD:
        try:
            return found(home, f"{place}.{rest}")
        except AttributeError:
            continue
    raise AttributeError(f"no {rest} in any of {', '.join(UNDER_AUTOGRAD)}")


@pytest.mark.parametrize("name", [n for n in NAMES if n])
def test_name(name):
    if name.startswith("import "):
        importlib.import_module(name.removeprefix("import ").replace("torch", "minigrad", 1))
    else:
        resolve(minigrad, path_of(name))


def test_names_as_torch():
    wrong = []
    with minigrad.as_torch():
        import torch

        for name in filter(None, NAMES):
            try:
                if name.startswith("import "):
                    assert importlib.import_module(name.removeprefix("import ")).__name__ == name.removeprefix("import ")
                else:
                    resolve(torch, path_of(name))
            except (AttributeError, ImportError) as error:
                wrong.append(f"{name}: {error}")
    assert not wrong, wrong
