"""Views as copies, and copies with a part replaced: what programs without writes in place use for views."""

import itertools

import numpy as np

from ..errors import ShapeError
from ..op import E, S, faces, function
from . import axes, complex, shape, splitting, strided
from .indexing import FULL, _static_slice, part
from .samples import normal
from .shape import positive_dim

# Name of the copying function -> the view it copies, and where the tests of that view are.
_VIEWS = {
    "as_strided": (strided.as_strided, "as_strided"),
    "detach": (lambda input: input, None),
    "alias": (lambda input: input, None),
    "diagonal": (splitting._diagonal, "diagonal"),
    "expand": (shape._expand, "Tensor.expand"),
    "narrow": (splitting.narrow, None),
    "permute": (axes.permute, "permute"),
    "select": (splitting.select, "select"),
    "split": (splitting.split, None),
    "split_with_sizes": (splitting.split, None),
    "squeeze": (shape.squeeze, "squeeze"),
    "t": (axes.t, "t"),
    "transpose": (axes.transpose, "transpose"),
    "unbind": (splitting.unbind, "unbind"),
    "unfold": (splitting._unfold, "Tensor.unfold"),
    "unsqueeze": (shape.unsqueeze, "unsqueeze"),
    "view": (lambda input, size=None, dtype=None: input.view(size if dtype is None else dtype), None),
    "view_as_complex": (complex._view_as_complex, None),
    "view_as_real": (complex._view_as_real, "view_as_real"),
}
_OWN_TESTS = {
    "detach": ([()], lambda x: x),
    "alias": ([()], lambda x: x),
    "narrow": ([(1, 1, 2), (0, 1, 2)], lambda x, dim, start, length: np.take(x, np.arange(length) + start % x.shape[dim], dim)),
    "split": ([(2,), (3, 1)], lambda x, size, dim=0: tuple(np.split(x, range(size, x.shape[dim], size), axis=dim))),
    "view": ([((4, 3),)], lambda x, shape: x.reshape(shape)),
    "split_with_sizes": ([((1, 2),)], lambda x, sizes: tuple(np.split(x, np.cumsum(sizes)[:-1]))),
    "view_as_complex": (None, lambda x: x[..., 0] + 1j * x[..., 1]),
}


def _copied(out):
    return tuple([t.clone() for t in out]) if isinstance(out, tuple) else out.clone()


def _samples(name):
    given, _ = _OWN_TESTS[name]
    if given is None:
        return lambda r: [S(normal(r, 3, 2), parity="values only: PyTorch differentiates it for contiguous gradients alone")]
    return lambda r: [S(normal(r, 3, 4), *args) for args in given]


def _copying(name):
    view, tested = _VIEWS[name]
    known = faces.get(tested)

    def call(*args, **kwargs):
        return _copied(view(*args, **kwargs))

    call.__name__, call.__wrapped__ = f"{name}_copy", view
    call.__doc__ = f"""A copy of what ``{name}`` gives a view of; it takes the same arguments.

    >>> import minigrad
    >>> callable(minigrad.{name}_copy)
    True
    """
    function(
        call.__name__,
        spaces="torch Tensor" if name == "narrow" else "torch",
        samples=known.samples if known else _samples(name),
        errors=known.errors if known else None,
        reference=known.reference if known else _OWN_TESTS[name][1],
        half="complex" not in name,
    )(call)


for _name in _VIEWS:
    _copying(_name)


# ---------------------------------------------------------------------------------------------------- a part of a copy replaced
def _slice(input, dim=0, start=None, end=None, step=1):
    """A view of every ``step``-th slice along ``dim`` from ``start`` up to ``end``."""
    if step <= 0:
        raise RuntimeError(f"slice step must be positive, got {step}")
    return part(input, (FULL,) * positive_dim("slice", dim, input.array.ndim) + (_static_slice(slice(start, end, step)),))


def _numpy_slice(x, dim=0, start=None, end=None, step=1):
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


_SLICES = [((), {}), ((1, 1, 3), {}), ((), {"dim": -1, "start": -3, "step": 2})]


@function("slice_copy", spaces="torch", samples=lambda r: [S(normal(r, 3, 4), *a, **k) for a, k in _SLICES],
          errors=lambda r: [E(RuntimeError, "step must be positive", normal(r, 3), step=0),
                            E(IndexError, "out of range", normal(r, 3), 1)], reference=_numpy_slice)  # fmt: skip
def slice_copy(input, dim=0, start=None, end=None, step=1):
    """A copy of every ``step``-th slice along ``dim`` from ``start`` up to ``end``.

    >>> import minigrad
    >>> minigrad.slice_copy(minigrad.arange(5), 0, 1, 4, 2)
    tensor([1, 3])
    """
    return _slice(input, dim, start, end, step).clone()


def _scattered(input, src, view):
    """A copy of ``input`` with ``src`` in the place that ``view`` looks at."""
    out = input.clone()
    place = view(out)
    if place.array.shape != src.array.shape:
        raise ShapeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.array.shape)}, slice size = "
            f"{list(place.array.shape)}"
        )
    place.copy_(src)
    return out


def _numpy_scatter(view):
    def reference(x, src, *args, **kwargs):
        out = x.copy()
        view(out, *args, **kwargs)[...] = src
        return out

    return reference


_REPLACES = {
    "formula": r"y = x, \quad y[k] = s",
    "derivative": r"\bar s = \bar y[k], \quad \bar x = \bar y \text{ but } \bar x[k] = 0",
}


@function("slice_scatter",
          samples=lambda r: [S(normal(r, 3, 4), normal(r, 1, 4), end=1), S(normal(r, 3, 4), normal(r, 3, 2), 1, 1, 4, 2)],
          errors=lambda r: [E(RuntimeError, "expected src to have a size", normal(r, 3), normal(r, 1))],
          reference=_numpy_scatter(_numpy_slice), **_REPLACES)  # fmt: skip
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of ``input`` with ``src`` in place of the slices ``start:end:step`` along ``dim``.

    >>> import minigrad
    >>> minigrad.slice_scatter(minigrad.zeros(4), minigrad.ones(2), start=1, end=3)
    tensor([0., 1., 1., 0.])
    """
    return _scattered(input, src, lambda out: _slice(out, dim, start, end, step))


@function("select_scatter",
          samples=lambda r: [S(normal(r, 3, 4), normal(r, 4), 0, 1), S(normal(r, 3, 4), normal(r, 3), dim=1, index=-1)],
          errors=lambda r: [E(RuntimeError, "expected src to have a size", normal(r, 3, 4), normal(r, 3), 0, 1)],
          reference=_numpy_scatter(lambda x, dim, index: np.moveaxis(x, dim, 0)[index]), **_REPLACES)  # fmt: skip
def select_scatter(input, src, dim, index):
    """A copy of ``input`` with ``src`` in place of slice ``index`` along ``dim``.

    >>> import minigrad
    >>> minigrad.select_scatter(minigrad.zeros(2, 2), minigrad.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    return _scattered(input, src, lambda out: splitting.select(out, dim, index))


@function("diagonal_scatter",
          samples=lambda r: [S(normal(r, 3, 3), normal(r, 3)), S(normal(r, 2, 3, 4), normal(r, 2, 3), 1, 1, 2)],
          errors=lambda r: [E(RuntimeError, "expected src to have a size", normal(r, 3, 3), normal(r, 2))],
          reference=lambda x, src, offset=0, dim1=0, dim2=1: _put_diagonal(x, src, offset, dim1, dim2), **_REPLACES)  # fmt: skip
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of ``input`` with ``src`` on a diagonal over dimensions ``dim1`` and ``dim2``.

    >>> import minigrad
    >>> minigrad.diagonal_scatter(minigrad.zeros(2, 2), minigrad.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _scattered(input, src, lambda out: splitting._diagonal(out, offset, dim1, dim2))


def _put_diagonal(x, src, offset, dim1, dim2):
    out = np.moveaxis(x.copy(), (dim1, dim2), (-2, -1))
    for i in range(src.shape[-1]):
        out[..., i + max(-offset, 0), i + max(offset, 0)] = src[..., i]
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


# ------------------------------------------------------------------------------------------ PyTorch's splits without view checks
def _writable(views):
    for v in views:
        v._many = None
    return views


def _unsafe(name, call):
    known = faces[name]
    counts = {"chunk": (2, 3), "split": (2, 5)}[name]

    def unsafe(*args, **kwargs):
        return _writable(call(*args, **kwargs))

    unsafe.__name__, unsafe.__wrapped__ = f"unsafe_{name}", call
    unsafe.__doc__ = f"""Like :func:`minigrad.{name}`; its pieces may be written in place although they came together.

    >>> import minigrad
    >>> len(minigrad.unsafe_{name}(minigrad.arange(4), 2))
    2
    """
    function(unsafe.__name__, samples=lambda r: [S(normal(r, 5, 2), n) for n in counts], reference=known.reference)(unsafe)


for _name, _call in (("chunk", splitting.chunk), ("split", splitting.split)):
    _unsafe(_name, _call)


def _numpy_pieces(x, sizes, dim=0):
    return tuple(np.split(x, list(itertools.accumulate(sizes))[:-1], axis=dim))


def _sizes_only(name):
    def call(tensor, split_sizes, dim=0):
        views = splitting.split(tensor, tuple(split_sizes), dim)
        return _writable(views) if name.startswith("unsafe") else views

    call.__doc__ = f"""A tuple of views: pieces of the sizes in a list along ``dim``.

    >>> import minigrad
    >>> minigrad.{name}(minigrad.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    function(name, samples=lambda r: [S(normal(r, 3, 2), (1, 2)), S(normal(r, 2, 3), [0, 3], dim=1)],
             errors=lambda r: [E(RuntimeError, "sum exactly", normal(r, 3), (1, 1))],
             reference=_numpy_pieces)(call)  # fmt: skip


for _name in ("split_with_sizes", "unsafe_split_with_sizes"):
    _sizes_only(_name)
