"""The stubs tell an editor what is there: pyright finds nothing in a good program and every mistake in a wrong one."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent / "typing"
# Beside the running Python first: a virtual environment need not be activated.
PYRIGHT = shutil.which("pyright", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))


def errors(name):
    done = subprocess.run(
        [PYRIGHT, "--outputjson", "--pythonpath", sys.executable, str(HERE / name)], capture_output=True, text=True
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {d["range"]["start"]["line"] + 1: d["message"] for d in found if d["severity"] == "error"}


@pytest.mark.skipif(PYRIGHT is None, reason="pyright is in the extra dev")
def test_good_program_and_wrong_lines():
    assert errors("good.py") == {}
    source = (HERE / "wrong.py").read_text().splitlines()
    first = source.index("x = minigrad.ones(2, 3)") + 2
    assert set(errors("wrong.py")) == set(range(first, len(source) + 1))
