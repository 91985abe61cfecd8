"""``torch.backends.mkldnn``: oneDNN is not used."""

import contextlib

enabled, deterministic, allow_tf32, fp32_precision = False, False, True, "none"


def is_available():
    return False


def set_flags(_enabled=None, _deterministic=None, _allow_tf32=None):
    """Set the flags that are given; returns those before."""
    here = globals()
    before = (enabled, deterministic, allow_tf32)
    for name, value in (("enabled", _enabled), ("deterministic", _deterministic), ("allow_tf32", _allow_tf32)):
        if value is not None:
            here[name] = value
    return before


@contextlib.contextmanager
def flags(enabled=False, deterministic=False, allow_tf32=True):
    before = set_flags(enabled, deterministic, allow_tf32)
    try:
        yield
    finally:
        set_flags(*before)
