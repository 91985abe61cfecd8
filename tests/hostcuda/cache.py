"""The cache folder: what g++ made, under the digest of everything it was made from.

A file gets its final name by a rename, which is atomic. So several processes may share the folder: at worst two of
them build the same file, and each sees it whole or not at all.
"""

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path


def folder() -> Path:
    """The folder, from the environment variable HOSTCUDA_CACHE, else ~/.cache/hostcuda."""
    chosen = os.environ.get("HOSTCUDA_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "hostcuda"


def digest(*parts: object) -> str:
    """A name for the result of `parts` (texts, bytes, tuples of texts): equal parts, equal name."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def publish(path: Path, produce: Callable[[Path], None]) -> Path:
    """Return `path`; if it is not there yet, let `produce(temporary)` write it and rename it into place."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
        try:
            produce(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def publish_text(path: Path, text: str) -> Path:
    """`publish` for a text file."""
    return publish(path, lambda temporary: temporary.write_text(text))
