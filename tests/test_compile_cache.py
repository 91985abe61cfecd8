"""The folder of generated code: damage, several processes, no home, its size, and the command that shows and empties it."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

import minigrad as mg
from minigrad.__main__ import main
from minigrad.compile import cache

machine_code = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="compilation is switched off")
needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed")
TEXT = "from numba import njit\n\n\n@njit(cache=True)\ndef f(x):\n    return x * {}\n"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(pathlib.Path(mg.__file__).parent.parent)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "code"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return tmp_path / "code"


def start(code, **environment):
    merged = {k: v for k, v in {**ENVIRONMENT, **environment}.items() if v is not None}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=merged)


def output(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.strip()


STEP = """
import warnings
warnings.simplefilter("error")
import minigrad as mg
step = mg.compile.Step(lambda x: (x * 3).exp().sum())
values = [step(mg.zeros(5)).item() for _ in range(2)]
program = next(p for kept in step.programs.values() for p in kept)
print(values[1], bool(program.executable))
"""


@machine_code
@needs_numba
def test_several_processes_at_once(folder):
    there = dict(MINIGRAD_CACHE_DIR=str(folder), NUMBA_CACHE_DIR=None)
    assert {output(p) for p in [start(STEP, **there) for _ in range(3)]} == {"5.0 True"}
    assert not list(folder.rglob("*.tmp*")) and len(list(folder.glob("*.py"))) == 1


@machine_code
@needs_numba
def test_without_a_home(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    assert output(start(STEP, HOME=str(nowhere), MINIGRAD_CACHE_DIR=None, NUMBA_CACHE_DIR=str(tmp_path / "numba"))) == "5.0 True"


@machine_code
@needs_numba
@pytest.mark.parametrize("pattern", ["*.py", "__pycache__/*.nbi", "__pycache__/*.nbc"])
@pytest.mark.parametrize("damage", [b"", b"\x80\x04garbage"])
def test_damaged_files_are_made_again(folder, pattern, damage):
    source = TEXT.format(7)
    whole = load_anew(source)
    files = list(folder.glob(pattern))
    assert whole == 21 and files
    contents = [f.read_bytes() for f in files]
    for f in files:
        f.write_bytes(damage)
    assert load_anew(source) == 21
    assert [f.read_bytes() == c for f, c in zip(files, contents)] == [True] * len(files) or pattern != "*.py"
    assert all(f.read_bytes() != damage for f in files)


def load_anew(source):
    cache._modules.clear()
    return cache.load(source).f(3)


@needs_numba
def test_the_name_depends_on_the_processor(monkeypatch):
    digest = cache._digest("text")
    assert cache._digest("text") == digest != cache._digest("text2")
    name, features = cache._processor()
    assert name and "," in features
    monkeypatch.setattr(cache, "_processor", lambda: (name, features + ",more"))
    assert cache._digest("text") != digest
    monkeypatch.setattr(cache, "_processor", lambda: ("another", features))
    assert cache._digest("text") != digest


def fill(folder, sizes):
    folder.mkdir(mode=0o700)
    (folder / "__pycache__").mkdir()
    for k, size in enumerate(sizes):
        for path in (folder / f"minigrad_generated_{k}.py", folder / "__pycache__" / f"minigrad_generated_{k}.f-1.py311.nbc"):
            path.write_bytes(b"x" * (size // 2))
            os.utime(path, (1000 + k, 1000 + k))
    (folder / "notes.txt").write_text("of somebody else")


@needs_numba
def test_the_oldest_go_when_a_new_one_is_written(folder, monkeypatch):
    fill(folder, [2**19, 2**19, 2**19])
    monkeypatch.setenv("MINIGRAD_CACHE_LIMIT", "1.01")
    cache._modules.clear()
    assert cache.load(TEXT.format(11)).f(2) == 22
    left = {name for name in cache.entries(folder) if len(name) < 22}
    assert left == {"minigrad_generated_1", "minigrad_generated_2"} and (folder / "notes.txt").exists()
    monkeypatch.setenv("MINIGRAD_CACHE_LIMIT", "0")
    cache._modules.clear()
    assert cache.load(TEXT.format(12)).f(2) == 24
    assert len(cache.entries(folder)) == 1


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_limits_that_are_none(text, folder, monkeypatch, capsys):
    monkeypatch.setenv("MINIGRAD_CACHE_LIMIT", text)
    with pytest.raises(ValueError, match="MINIGRAD_CACHE_LIMIT must be a number of megabytes"):
        cache.limit()
    assert main(["cache", "info"]) == 1
    assert "MINIGRAD_CACHE_LIMIT" in capsys.readouterr().err


def test_the_command(folder, capsys, monkeypatch):
    fill(folder, [2**20, 2**20])
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out == f"{folder}: 2 compiled steps, 2.0 MB of at most 256 MB\n"
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"removed 2 compiled steps, 2.0 MB, from {folder}\n"
    assert not cache.entries(folder) and (folder / "notes.txt").exists()
    folder.chmod(0o777)
    assert main(["cache", "info"]) == 0
    assert "no cache" in capsys.readouterr().out
