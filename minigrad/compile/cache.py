"""Generated code on disk, so that a second process starts with what the first has compiled.

Each text is a real module file, named by a hash of the text and of the versions that compile it: Numba finds its cache by
the file, and two kernels that differ only in a constant never share an entry. A file is written once, by renaming, into a
private folder: ``MINIGRAD_CACHE_DIR`` or ``~/.cache/minigrad``. Compiled code is loaded from there, so a folder that others
could write to is not used; then, or where nothing can be written, every process compiles for itself.
"""

import hashlib
import importlib.util
import linecache
import os
import platform
import stat
import sys
import tempfile
import types
from pathlib import Path

_modules = {}  # hash -> module


def load(source):
    """The module of a text. Its functions are marked ``cache=True``, which is taken back where there is no folder."""
    name = f"minigrad_generated_{_digest(source)}"
    if name not in _modules:
        folder = directory()
        _modules[name] = _in_memory(name, source) if folder is None else _from_file(name, source, folder)
    return _modules[name]


def directory():
    """The private cache folder, made if need be; None where there is none to be had."""
    chosen = os.environ.get("MINIGRAD_CACHE_DIR")
    try:
        folder = Path(chosen) if chosen else Path.home() / ".cache" / "minigrad"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder) and os.access(folder, os.W_OK) else None
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


def _is_private(folder):
    status = folder.stat()
    if not hasattr(os, "getuid"):  # Windows: a folder of the user's is the user's
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(source):
    import numba
    import numpy

    from .. import __version__

    versions = (__version__, numba.__version__, numpy.__version__, platform.python_version(), platform.machine())
    return hashlib.sha256("\n".join([*versions, source]).encode()).hexdigest()[:32]


def _from_file(name, source, folder):
    path = folder / f"{name}.py"
    try:
        if not path.exists() or path.read_text() != source:  # an existing file is kept: Numba goes by its time
            _write(path, source)
    except OSError:
        return _in_memory(name, source)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba unpickles by module name
    spec.loader.exec_module(module)
    return module


def _write(path, source):
    """All or nothing: another process never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(source)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _in_memory(name, source):
    module = types.ModuleType(name)
    text, file = source.replace("cache=True", "cache=False"), f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), vars(module))
    return module
