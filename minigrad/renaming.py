"""Second names of arguments: NumPy's ``axis`` and ``keepdims``, and what PyTorch's parser calls an argument besides its name.

Looked at only after a call has failed for a keyword that the function does not have, so the names cost nothing.
"""

# As in PyTorch: https://docs.pytorch.org/docs/stable/torch.html takes NumPy's names where its own are dim, keepdim, input, other.
NUMPY = {"axis": "dim", "keepdims": "keepdim", "x2": "other", "self": "input"}
FIRST = ("input", "x", "a", "x1", "self")  # any of these may stand for the first argument
# Where a function has names of its own.
OWN = {
    "cholesky_solve": {"input2": "L"},
    "copy_": {"other": "src"},
    "alpha_dropout": {"train": "training"},
    "dropout": {"train": "training"},
    "dsplit": {"sections": "indices_or_sections", "indices": "indices_or_sections"},
    "feature_alpha_dropout": {"train": "training"},
    "feature_dropout": {"train": "training"},
    "hsplit": {"sections": "indices_or_sections", "indices": "indices_or_sections"},
    "lstsq": {"b": "B"},
    "orgqr": {"input2": "tau"},
    "ormqr": {"input2": "tau", "input3": "other"},
    "resize_as_": {"the_template": "other"},
    "result_type": {"tensor": "tensor1", "other": "tensor2"},
    "tensor_split": {
        "sections": "indices_or_sections", "indices": "indices_or_sections",
        "tensor_indices_or_sections": "indices_or_sections",
    },
    "isin": {"element": "elements", "test_element": "test_elements"},
    "split_with_sizes_copy": {"split_sizes": "split_size_or_sections"},
    "unsafe_split": {"split_size": "split_size_or_sections"},
    "tensorsolve": {"other": "B"},
    "vsplit": {"sections": "indices_or_sections", "indices": "indices_or_sections"},
}  # fmt: skip


def parameters(f):
    """The names of the arguments of ``f``, its first one first."""
    while hasattr(f, "__wrapped__"):
        f = f.__wrapped__
    code = getattr(f, "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def renamed(f, args, kwargs):
    """``kwargs`` under the names of ``f``; None if nothing in them has a second name, so that its own error stands."""
    known = parameters(f)
    unknown = [k for k in kwargs if k not in known]
    if not unknown or not known:
        return None
    own, found = OWN.get(f.__name__, {}), dict(kwargs)
    for name in unknown:
        target = own.get(name) or NUMPY.get(name, name)
        if target not in known and name in FIRST and not args:
            target = known[0]
        if target not in known or target in found:
            return None
        found[target] = found.pop(name)
    return found


def forgiving(f):
    """``f``, which takes its arguments under their second names, too."""

    def call(*args, **kwargs):
        try:
            return f(*args, **kwargs)
        except TypeError:
            again = renamed(f, args, kwargs) if kwargs else None
            if again is None:
                raise
        return f(*args, **again)

    return call
