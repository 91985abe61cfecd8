"""The names that real programs use most (189 of them, from a count over public programs) are all here."""

import importlib
import pathlib

import pytest

import minigrad

NAMES = (pathlib.Path(__file__).parent / "data" / "names_in_use.txt").read_text().split("\n")
HOMES = {"torch": minigrad, "F": minigrad.nn.functional}


@pytest.mark.parametrize("name", [n for n in NAMES if n])
def test_name(name):
    if name.startswith("import "):
        importlib.import_module(name.removeprefix("import ").replace("torch", "minigrad", 1))
        return
    first, *rest = name.removesuffix(" (set)").split(".")
    found = HOMES[first] if first in HOMES else getattr(minigrad, first)
    for part in rest:
        found = getattr(found, part)


def test_accelerator(device):
    accelerator = minigrad.accelerator.current_accelerator()
    assert (accelerator is None) == (device == "cpu") and minigrad.accelerator.is_available() == (device == "cuda")
    assert (minigrad.accelerator.device_count() > 0) == (device == "cuda")
    minigrad.accelerator.synchronize()
