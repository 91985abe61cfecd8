"""Generated code on disk, so that a second process starts with what the first has compiled.

Each text is a real module file, named by a hash of the text and of the versions that compile it: Numba finds its cache by
the file, and two kernels that differ only in a constant never share an entry. A file is written once, by renaming, into a
private folder: ``MINIGRAD_CACHE_DIR`` or ``~/.cache/minigrad``. Compiled code is loaded from there, so a folder that others
could write to is not used; then, or where nothing can be written, every process compiles for itself. Above
``MINIGRAD_CACHE_LIMIT`` megabytes (256) the oldest entries go when a new one is written. ``python -m minigrad cache`` shows and
empties it. What cannot be read, because it is damaged, is compiled again and replaced.
"""

import functools
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
    from ..kernels.cpu.jit import SOURCES

    versions = (__version__, numba.__version__, numpy.__version__, platform.python_version(), platform.machine(), *_processor())
    return hashlib.sha256("\n".join([*versions, repr(SOURCES), source]).encode()).hexdigest()[:32]


@functools.cache
def _processor():
    """What machine code is made for: the name of the processor, and what it can do."""
    from llvmlite import binding

    features = dict(binding.get_host_cpu_features())
    return binding.get_host_cpu_name(), ",".join(sorted(name for name, there in features.items() if there))


def _from_file(name, source, folder):
    from ..kernels.cpu.loading import load_directly

    path = folder / f"{name}.py"
    try:
        if not _is_whole(path, source):
            _write(path, source)
            trim(folder, limit(), name)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # Numba unpickles by module name
        spec.loader.exec_module(module)
    except (OSError, RuntimeError):  # RuntimeError: Numba finds no place for its files
        return _in_memory(name, source)
    for function in vars(module).values():
        if getattr(function, "__module__", None) == name and hasattr(getattr(function, "_cache", None), "_cache_file"):
            _forgive(function._cache._cache_file)
            load_directly(function)
    return module


def _is_whole(path, source):
    """Whether the file holds the text. Then it is kept as it is, because Numba goes by its time."""
    try:
        return path.read_bytes() == source.encode()
    except FileNotFoundError:
        return False


def _forgive(file):
    """A damaged file of Numba's counts as one that is not there, and one that cannot be written is not kept."""
    index, data, save = file._load_index, file._load_data, file.save

    def load_index():
        try:
            return index()
        except Exception:  # whatever unpickling garbage comes to
            return {}

    def load_data(name):
        try:
            return data(name)
        except Exception as error:
            raise OSError(f"damaged: {error}") from None  # for Numba the same as a missing file

    def save_or_not(key, value):
        try:
            save(key, value)
        except OSError:
            pass

    file._load_index, file._load_data, file.save = load_index, load_data, save_or_not


def _write(path, source):
    """All or nothing: another process never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(source.encode())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


# ----------------------------------------------------------------------------------------------------------------- its size
def limit():
    """How many bytes the folder may hold."""
    text = os.environ.get("MINIGRAD_CACHE_LIMIT", "256")
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise ValueError(f"MINIGRAD_CACHE_LIMIT must be a number of megabytes, 0 or more, not {text!r}")
    return int(size * 2**20)


def entries(folder):
    """name -> (time of the last write, bytes, files) of each module with what Numba has made of it."""
    found = {}
    for path in [*folder.glob("minigrad_generated_*"), *folder.glob("__pycache__/minigrad_generated_*")]:
        try:
            status = path.stat()
        except OSError:  # another process has removed it
            continue
        latest, size, files = found.get(path.name.split(".")[0], (0, 0, []))
        found[path.name.split(".")[0]] = max(latest, status.st_mtime), size + status.st_size, [*files, path]
    return found


def trim(folder, size, keep=None):
    """Remove the oldest entries, but not ``keep``, until ``size`` bytes are not exceeded. Returns how many went."""
    found, removed = entries(folder), 0
    total = sum(n for _, n, _ in found.values())
    for name, (_, n, files) in sorted(found.items(), key=lambda item: item[1][0]):
        if total <= size:
            break
        if name != keep:
            for path in files:
                path.unlink(missing_ok=True)
            total, removed = total - n, removed + 1
    return removed


def _in_memory(name, source):
    module = types.ModuleType(name)
    text, file = source.replace("cache=True", "cache=False"), f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), vars(module))
    return module
