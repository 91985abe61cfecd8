"""How tensors are printed: as in PyTorch, character by character, with ``minigrad`` for ``torch``."""

import contextlib
import math
from dataclasses import asdict, dataclass

import numpy as np

from . import backends, house
from .dtype import bool_ as bool_dtype
from .dtype import complex_of, get_default_dtype, int64


@dataclass
class Options:
    """What :func:`set_printoptions` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
options = Options()


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Say how tensors are printed.

    Args:
        precision: digits after the point (4).
        threshold: tensors with more elements are shortened (1000).
        edgeitems: how many elements a shortened tensor shows at each end of a dimension (3).
        linewidth: characters in a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``: all of the above at once.
        sci_mode: True or False for scientific notation always or never, None for where it is needed.

    >>> import minigrad
    >>> minigrad.set_printoptions(precision=2)
    >>> minigrad.tensor([1.2345])
    tensor([1.23])
    >>> minigrad.set_printoptions(profile="default")
    >>> minigrad.tensor([1.2345])
    tensor([1.2345])
    """
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"set_printoptions: profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in {**PROFILES.get(profile, {}), **{k: v for k, v in given.items() if v is not None}}.items():
        setattr(options, name, value)
    options.sci_mode = sci_mode


def get_printoptions():
    """How tensors are printed now, as a dict for :func:`set_printoptions`.

    >>> from minigrad.printing import get_printoptions
    >>> get_printoptions()["precision"]
    4
    """
    return asdict(options)


@contextlib.contextmanager
def printoptions(**changes):
    """:func:`set_printoptions` for the time of a ``with`` block.

    >>> import minigrad
    >>> from minigrad.printing import printoptions
    >>> with printoptions(precision=1):
    ...     print(minigrad.tensor([1.2345]))
    tensor([1.2])
    """
    before = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Column:
    """One format, and one width, for all elements that are shown."""

    def __init__(self, array):
        self.pattern, self.point = "{}", ""
        if array.dtype.kind in "bui":
            self.width = max([1, *(len(str(v)) for v in array.reshape(-1).tolist())])
            return
        self.pattern, self.point, self.width = "{:.0f}", ".", 1
        flat = array.reshape(-1).astype(np.float64)
        values = flat[np.isfinite(flat) & (flat != 0)]
        if not values.size:
            return
        whole = bool((values == np.ceil(values)).all())
        size = np.abs(values)
        low, high = float(size.min()), float(size.max())
        scientific = (high / low > 1000 or high > 1e8 or low < 1e-4) if options.sci_mode is None else options.sci_mode
        if scientific:
            self.pattern, self.point = f"{{:.{options.precision}e}}", ""
        elif not whole:
            self.pattern, self.point = f"{{:.{options.precision}f}}", ""
        self.width = max(len(self.pattern.format(v)) for v in values.tolist()) + len(self.point)

    def format(self, value):
        text = self.pattern.format(value)
        if self.point and math.isfinite(value):
            text += self.point
        return text.rjust(self.width)


class _ComplexColumn:
    def __init__(self, array):
        self.real, self.imaginary = _Column(array.real), _Column(array.imag)
        self.width = self.real.width + self.imaginary.width + 1

    def format(self, value):
        imaginary = (self.imaginary.format(value.imag) + "j").lstrip()
        return self.real.format(value.real) + ("" if imaginary[0] in "+-" else "+") + imaginary


def _shown(array):
    """The elements that a shortened tensor shows: the corners."""
    edge = options.edgeitems
    for axis, n in enumerate(array.shape):
        if n > 2 * edge:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis=axis)
    return array


def _vector(array, indent, short, column):
    per_line = max(1, (options.linewidth - indent) // (column.width + 2))
    edge = options.edgeitems
    if short and not edge:
        cells = ["..."]
    elif short and len(array) > 2 * edge:
        ends = [[column.format(v) for v in part.tolist()] for part in (array[:edge], array[-edge:])]
        cells = [*ends[0], " ...", *ends[1]]
    else:
        cells = [column.format(v) for v in array.tolist()]
    lines = [", ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _block(array, indent, short, column):
    """The nested brackets, with ``indent`` characters to the left of them."""
    if array.ndim == 0:
        return column.format(array.item())
    if array.ndim == 1:
        return _vector(array, indent, short, column)
    edge, n = options.edgeitems, len(array)
    shortened = short and n > 2 * edge
    picked = [*range(edge), *range(n - edge, n)] if shortened else range(n)
    parts = [_block(array[i], indent + 1, short, column) for i in picked]
    if shortened:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def array_text(array, indent):
    """The elements of a NumPy array in brackets."""
    if array.size == 0:
        return "[]"
    short = array.size > options.threshold
    shown = _shown(array) if short else array
    column = _ComplexColumn(shown) if array.dtype.kind == "c" else _Column(shown)
    return _block(array, indent, short, column)


def _suffixes(t, array):
    """What stands behind the elements: only what is not taken for granted."""
    default = get_default_dtype()
    found = []
    if t.device.type != "cpu":
        found.append(f"device='{t.device}'")
    if array.size == 0:
        if array.ndim != 1:
            found.append(f"size={tuple(array.shape)}")
        if t.dtype is not default:
            found.append(f"dtype={t.dtype}")
    else:
        if not options.edgeitems:
            found.append(f"size={tuple(array.shape)}")
        if t.dtype not in (default, complex_of(default.dtype), int64, bool_dtype):
            found.append(f"dtype={t.dtype}")
    if t.grad_fn is not None:
        found.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        found.append("requires_grad=True")
    return found


def _joined(text, suffixes, indent):
    """The suffixes behind the text, each on a new line where the line would grow too long."""
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"


def tensor_text(t):
    """``repr`` of a tensor."""
    kind = type(t).__name__
    prefix = "tensor(" if kind in ("Tensor", "Parameter", "Buffer") else f"{kind}("
    array = backends.of(t.array).host(t.array)
    return _joined(prefix + array_text(array, len(prefix)), _suffixes(t, array), len(prefix))


def tuple_text(name, fields):
    """``repr`` of the named tuple that an operation with several outputs returns."""
    return f"{house.name}.return_types.{name}(\n" + ",\n".join(f"{k}={v!r}" for k, v in fields.items()) + ")"
