"""The generated stubs say what the registry says."""

import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(__file__).parent.parent / "tools"


def test_stubs_are_fresh():
    done = subprocess.run([sys.executable, TOOLS / "stubs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
