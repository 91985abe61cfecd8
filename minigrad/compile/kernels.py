"""Which operations the compiled step hands to a kernel of minigrad, and how it calls it."""

import re

_SCALARS = {}


def scalar_functions():
    """word -> the names of the float32 and float64 functions that a loop calls for it."""
    if not _SCALARS:
        from ..kernels.cpu import elementwise

        _SCALARS.update({"exp": ("exp32", "math.exp")} if hasattr(elementwise, "exp32") else {})
    return _SCALARS


def named_in(code):
    """(module, name) of each kernel function that stands in a text."""
    found = set()
    for names in scalar_functions().values():
        for name in names:
            if "." not in name and re.search(rf"\b{name}\(", code):
                found.add(("elementwise", name))
    if re.search(r"\bgemm\(", code):
        found.add(("blas", "gemm"))
    return found


def takes(n):
    """Whether a composed operation stays whole, for a kernel."""
    return False


def fits(n):
    """Whether a kernel takes this call."""
    return False


def emit(n, emitter):
    raise NotImplementedError(n)
