"""``torch.backends.cudnn``: CuPy convolves by matrix products, so cuDNN is never used."""

import contextlib

enabled, benchmark, deterministic, allow_tf32 = True, False, False, True
benchmark_limit, fp32_precision = 10, "none"


def version():
    """The version of cuDNN: None, there is none."""
    return None


def is_available():
    return False


def is_acceptable(tensor):
    """Whether cuDNN could take this tensor."""
    return False


@contextlib.contextmanager
def flags(enabled=False, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True, fp32_precision="none"):
    """Set the flags inside a ``with`` block."""
    new, here = dict(locals()), globals()
    before = {name: here[name] for name in new}
    here.update(new)
    try:
        yield
    finally:
        here.update(before)
