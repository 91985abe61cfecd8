"""Every example in a docstring, in the README and in the docs is run."""

import ast
import contextlib
import doctest
import importlib
import importlib.util
import io
import pathlib
import re

import pytest
from checks import unique_faces

import minigrad

ROOT = pathlib.Path(__file__).parent.parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NEED_NUMBA = ("compile.md", *(f"minigrad.compile.{name}" for name in ("step", "executable", "half", "tasks")))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _modules():
    root = pathlib.Path(minigrad.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = ".".join(("minigrad", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        if name != "minigrad.__main__" and not name.startswith(("minigrad.kernels.c", "minigrad.backends.cupy")):
            yield name


def _run(examples):
    out = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    with contextlib.redirect_stdout(io.StringIO()):
        runner.run(examples, out=out.write, clear_globs=False)  # the next block of a page goes on from here
    assert not runner.failures, out.getvalue()


def _skip_without_numba(name):
    if name in NEED_NUMBA and importlib.util.find_spec("numba") is None:
        pytest.skip("Numba is not installed")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "generated"))
    minigrad.manual_seed(0)


@pytest.mark.parametrize("face", [f for f in unique_faces() if ">>>" in f.doc], ids=lambda f: f.qualified)
def test_function_docstrings(face):
    examples = doctest.DocTestParser().get_doctest(face.doc, {}, face.qualified, None, 0)
    _run(examples)


@pytest.mark.parametrize("name", list(_modules()))
def test_module_docstrings(name):
    _skip_without_numba(name)
    module = importlib.import_module(name)
    for examples in doctest.DocTestFinder(exclude_empty=True).find(module, name, globs={}):
        if examples.examples:
            _run(examples)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages(page):
    """The Python blocks of a page run one after the other; a block with prompts is compared with what it prints."""
    if page.name == "CONTRIBUTING.md":
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            ast.parse(block)  # shows the shape of an operation: defining it here would register it
        return
    _skip_without_numba(page.name)
    space = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)):
        if ">>>" in block:
            examples = doctest.DocTestParser().get_doctest(block, space, f"{page.name}[{number}]", None, 0)
            _run(examples)
            space.update(examples.globs)
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block, f"{page.name}[{number}]", "exec"), space)


def test_reference_pages_are_made(tmp_path, monkeypatch):
    import runpy

    made = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    made["main"].__globals__["OUT"] = tmp_path / "reference"
    with contextlib.redirect_stdout(io.StringIO()):
        made["main"]()
    text = (tmp_path / "reference" / "mul.md").read_text()
    assert r"y = a\,b" in text and r"\bar a = \bar y\,b" in text and "Kept for the backward pass" in text
