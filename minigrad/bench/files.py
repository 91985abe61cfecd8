"""Runs as JSON files."""

import json
import pathlib

from ..errors import FileError
from .running import FORMAT, VERSION


def save(data, path):
    """Write a run as JSON."""
    pathlib.Path(path).write_text(json.dumps(data, indent=1) + "\n")


def load(path):
    """A run that :func:`save` wrote.

    Raises:
        FileError: where the file is not one, or is damaged; the message says where.
        OSError: where it cannot be read.
    """
    try:
        data = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise FileError(f"{path} is not a text file; bench reads what `bench --json` wrote") from None
    except json.JSONDecodeError as error:
        raise FileError(
            f"{path} is not whole: {error.msg} in line {error.lineno}, column {error.colno}; "
            f"measure again with `bench --json {path}`"
        ) from None
    problem = _problem(data)
    if problem:
        raise FileError(f"{path} {problem}; bench reads what `bench --json` wrote")
    return data


def _problem(data):
    """What keeps a JSON value from being a run, or None."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return "holds no run of bench"
    if data.get("version") != VERSION:
        return f"is of version {data.get('version')!r}, and this minigrad reads version {VERSION}"
    for key, kind in (("machine", dict), ("settings", dict), ("rooflines", dict), ("not_run", dict), ("rows", list)):
        if not isinstance(data.get(key), kind):
            return f"is damaged: {key!r} is {'missing' if key not in data else 'of another type'}"
    missing = [k for k in ("threads", "backward") if k not in data["settings"]] + [
        k for k in ("cpu", "cores", "date") if k not in data["machine"]
    ]
    if missing:
        return f"is damaged: {missing[0]!r} is missing"
    for device, limits in data["rooflines"].items():
        if not _are_limits(limits):
            return f"is damaged: the limits of the {device} are not whole"
    for number, row in enumerate(data["rows"], 1):
        if not _is_row(row):
            return f"is damaged: row {number} is not whole"
    return None


def _are_limits(limits):
    if not isinstance(limits, dict) or not all(_positive(limits.get(key)) for key in ("copy", "matmul")):
        return False
    copies = limits.get("copies")
    pairs = isinstance(copies, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in copies)
    return bool(copies) and pairs and all(_positive(n) for pair in copies for n in pair) and isinstance(limits.get("device"), str)


def _is_row(row):
    kinds = {
        "operation": str,
        "size": str,
        "mode": str,
        "shape": list,
        "elements": int,
        "bytes": int,
        "flops": int,
        "touched": int,
        "ways": dict,
    }
    if not isinstance(row, dict) or not all(isinstance(row.get(key), kind) for key, kind in kinds.items()):
        return False
    return all(isinstance(cell, dict) and _is_cell(cell) for cell in row["ways"].values())


def _is_cell(cell):
    if "error" in cell:
        return isinstance(cell["error"], str)
    rates = isinstance(cell.get("GB/s"), int | float) and isinstance(cell.get("GFLOP/s"), int | float)
    return rates and all(_positive(cell.get(key)) for key in ("seconds", "low", "high", "share"))


def _positive(value):
    return isinstance(value, int | float) and value > 0
