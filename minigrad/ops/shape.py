"""Shapes: other views of the same memory wherever that is possible, and stretching. The order of dimensions is in axes.py."""

import math

import numpy as np

from .. import quick
from ..dispatch import make_view
from ..errors import ShapeError, dim_error
from ..graph import Node, owner_of, recording, serial, tracer
from ..op import E, S, function, op, registry
from ..tensor import Size, Tensor, new
from .creation import view_dtype
from .samples import normal


def whole(shape):
    """Sizes given as ``f(2, 3)``, ``f((2, 3))`` or ``f([2, 3])`` as a tuple of ints."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = shape[0]
    return tuple([n if n.__class__ is int else n.__index__() for n in shape])


def positive_dim(name, dim, ndim):
    """``dim`` counted from the front; IndexError where there is no such dimension."""
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise dim_error(name, dim, ndim)
    return dim % max(ndim, 1)


def positive_dims(name, dims, ndim):
    """Several dimensions (an int counts as one) counted from the front; RuntimeError where one comes twice."""
    found = tuple(positive_dim(name, d, ndim) for d in (dims if isinstance(dims, tuple | list) else (dims,)))
    if len(set(found)) != len(found):
        raise ShapeError(
            f"{name}: dim {next(d for d in found if found.count(d) > 1)} appears multiple times in the list of dims {dims}"
        )
    return found


def inverse(axes):
    """The permutation that undoes ``axes``."""
    return tuple(axes.index(i) for i in range(len(axes)))


def _shape_of_base(params, shape):
    return {"shape": shape}


# ----------------------------------------------------------------------------------------------------------- view operations
@op(kind="view", names="", vjp=(None,), put=("reshape", _shape_of_base), samples=lambda r: [S(normal(r, 3, 4))])
def alias(xp, x):
    """The same memory without history."""
    return xp.alias(x)


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, x_shape: xp.reshape(g, shape=tuple(x_shape)),),
    put=("reshape", _shape_of_base),
    formula="y = x",
    derivative=r"\bar x = \bar y",
    onnx="Reshape",
    samples=lambda r: [S(normal(r, 3, 4), (2, 6)), S(normal(r, 3, 4), (12,)), S(normal(r, 1), ()), S(normal(r, 0, 3), (3, 0))],
)
def reshape(xp, x, *, shape):
    """The elements in another shape: a view where the memory allows it."""
    return xp.reshape(x, shape=shape)


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, axes: xp.permute_dims(g, axes=inverse(axes)),),
    put=("permute_dims", lambda params, shape: {"axes": inverse(params["axes"])}),
    formula="y = x",
    derivative=r"\bar x = \bar y",
    onnx="Transpose",
    samples=lambda r: [S(normal(r, 2, 3, 4), (2, 0, 1)), S(normal(r, 2, 3), (0, 1)), S(normal(r), ())],
)
def permute_dims(xp, x, *, axes):
    """A view with the dimensions in another order."""
    return xp.permute_dims(x, axes=axes)


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g: xp.matrix_transpose(g),),
    put=("matrix_transpose", lambda params, shape: {}),
    formula=r"y = x^\top",
    derivative=r"\bar x = \bar y^\top",
    onnx="Transpose",
    samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 2, 3, 4))],
)
def matrix_transpose(xp, x):
    """A view with the last two dimensions exchanged."""
    return xp.matrix_transpose(x)


def sum_to(xp, g, shape):
    """The adjoint of broadcasting from ``shape``: sums over the axes that were added or stretched."""
    extra = len(g.shape) - len(shape)
    axes = tuple([i for i, n in enumerate(g.shape) if i < extra or n != shape[i - extra]])
    return xp.reshape(xp.sum(g, axis=axes, keepdims=True), shape=tuple(shape)) if axes else g


_STRETCH = {
    "vjp": (lambda xp, g, x_shape: sum_to(xp, g, x_shape),),
    "put": ("reshape", _shape_of_base),  # a write is refused where anything was stretched
    "derivative": r"\bar x = \textstyle\sum_{\text{copies}} \bar y",
    "onnx": "Expand",
    "samples": lambda r: [S(normal(r, 3, 1), (2, 3, 4)), S(normal(r), (2, 3)), S(normal(r, 3), (3,))],
}


@op(kind="view", names="", **_STRETCH)
def broadcast_to(xp, x, *, shape):
    """The tensor stretched along new dimensions and those of size 1; for rules, which do not care whether it is a view."""
    return xp.broadcast_to(x, shape=shape)


@op(kind="view", names="", **_STRETCH)
def expand(xp, x, *, shape):
    """The tensor stretched along new dimensions and those of size 1, as a view."""
    return xp.expand(x, shape=shape)


_reshape_view, _expand_view = quick.view(registry["reshape"]), quick.view(registry["expand"])
SAME = {"formula": "y = x", "derivative": r"\bar x = \bar y"}


def reshaped(t, shape):
    """``t`` in a shape that is known to fit."""
    return _reshape_view(t, {"shape": shape})


def own_memory(t, source=None):
    """``t``, or a copy where it is a view, or in the memory of ``source``: what PyTorch computes anew has memory of its own."""
    shared = t._base is not None or (source is not None and tracer.get() is None and owner_of(t.array) is owner_of(source.array))
    return t.clone() if shared else t


# -------------------------------------------------------------------------------------------------------- reshape and its kin
def resolve_shape(name, shape, size):
    """``shape`` with -1 worked out; RuntimeError where it does not hold ``size`` elements."""
    shape = whole(shape)
    known = math.prod(shape)
    if known == size and (not shape or min(shape) >= 0):
        return shape
    if shape.count(-1) == 1 and known and size % known == 0:
        resolved = tuple([size // -known if n == -1 else n for n in shape])
        if min(resolved) >= 0:
            return resolved
    if shape.count(-1) > 1:
        raise ShapeError(f"{name}: only one dimension can be inferred, got shape {list(shape)}")
    if -1 in shape and 0 in shape and not size:
        raise ShapeError(
            f"{name}: cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
            "can be any value"
        )
    raise ShapeError(f"{name}: shape '{list(shape)}' is invalid for input of size {size}")


@function("reshape", spaces="torch",
          samples=lambda r: [S(normal(r, 3, 4), (2, 6)), S(normal(r, 3, 4), (-1, 2)),
                             S(normal(r, 0, 3), (3, -1)), S(normal(r), (1,))],
          errors=lambda r: [E(RuntimeError, "is invalid for input of size 12", normal(r, 3, 4), (5, 2)),
                            E(RuntimeError, "only one dimension can be inferred", normal(r, 4), (-1, -1)),
                            E(RuntimeError, "can be any value", normal(r, 0, 3), (-1, 0)),
                            E(RuntimeError, "is invalid", normal(r, 4), (-2, -2))],
          reference=np.reshape, **SAME)  # fmt: skip
def _reshape(input, shape):
    """The elements of ``input`` in another shape, a view where the memory allows it. One size may be -1.

    Args:
        input: tensor of any dtype and shape.
        shape: sizes whose product is the number of elements; -1 stands for what is left.

    Raises:
        RuntimeError: where the number of elements differs.

    >>> import minigrad
    >>> minigrad.reshape(minigrad.arange(6), (2, 3))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _reshape_method(input, shape)


def _reshape_method(self, *shape, **named):
    """The elements in another shape: ``x.reshape(2, -1)`` or ``x.reshape((2, -1))``. See :func:`minigrad.reshape`."""
    a = self.array
    if named:
        shape = (named["shape"],)
    if _raw_reshape(a.__class__) is not None:
        try:
            return _quickly(self, a, a.reshape(*shape))
        except (ValueError, TypeError):
            pass  # the slow way says what is wrong
    return _reshape_view(self, {"shape": resolve_shape("reshape", shape, a.size)})


_reshape_op = registry["reshape"]
_raw_reshape = _reshape_op.table.get  # what is there was put there by `apply`: nothing while a trace runs


def _quickly(t, a, array):
    """``array``, the array ``a`` of ``t`` in another shape, as a Tensor: a view where the memory is the same."""
    out = new(Tensor)
    out.array = array
    node = t.node
    params = {"shape": array.shape}
    if node is not None and recording():
        out.node = Node(_reshape_op, (node,), (a.shape,), params, serial(), array.shape)
    else:
        out.node = None
    base = array.base
    if base is not None and (base is a or base is a.base or owner_of(array) is owner_of(a)):
        make_view(out, t, _reshape_op, params)
    return out


def _view(self, *shape, **named):
    """A view of the same memory in another shape, or of the same bytes as another dtype.

    Raises:
        RuntimeError: where the memory is not laid out for the shape (use reshape), or the bytes for the dtype.

    >>> import minigrad
    >>> x = minigrad.zeros(2, 3)
    >>> x.view(3, 2)[0, 0] = 1.0
    >>> x[0, 0]
    tensor(1.)
    """
    shape = shape or tuple(named.values())
    if len(shape) == 1 and not isinstance(shape[0], int | tuple | list | np.integer | Tensor):
        return view_dtype(self, shape[0])
    self._as_laid_out()
    out = _reshape_method(self, *shape)
    if out._base is None and self.array.size:
        raise ShapeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead, which copies where it must"
        )
    return out


@function("view_as", spaces="Tensor", samples=lambda r: [S(normal(r, 3, 4), normal(r, 2, 6))],
          errors=lambda r: [E(RuntimeError, "is invalid", normal(r, 3), normal(r, 2))],
          reference=lambda x, other: x.reshape(other.shape), **SAME)  # fmt: skip
def _view_as(self, other):
    """A view in the shape of ``other``.

    >>> import minigrad
    >>> minigrad.arange(4).view_as(minigrad.zeros(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return _view(self, other.array.shape)


@function("reshape_as", spaces="Tensor", samples=lambda r: [S(normal(r, 3, 4), normal(r, 2, 6))],
          errors=lambda r: [E(RuntimeError, "is invalid", normal(r, 3), normal(r, 2))],
          reference=lambda x, other: x.reshape(other.shape), **SAME)  # fmt: skip
def _reshape_as(self, other):
    """The elements in the shape of ``other``.

    >>> import minigrad
    >>> minigrad.arange(4).reshape_as(minigrad.zeros(2, 2)).shape
    minigrad.Size([2, 2])
    """
    return _reshape_method(self, other.array.shape)


def _flat(x, start_dim=0, end_dim=-1):
    s, a, b = x.shape or (1,), start_dim % max(x.ndim, 1), end_dim % max(x.ndim, 1)
    return x.reshape(*s[:a], -1, *s[b + 1 :]) if x.size else x.reshape(*s[:a], math.prod(s[a : b + 1]), *s[b + 1 :])


@function("flatten",
          samples=lambda r: [S(normal(r, 2, 3, 4)), S(normal(r, 2, 3, 4), 1),
                             S(normal(r, 2, 3, 4, 1), start_dim=1, end_dim=2), S(normal(r)),
                             S(normal(r, 0, 3, 2), 1)],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 2), 2),
                            E(RuntimeError, "start_dim cannot come after", normal(r, 2, 3), 1, 0)],
          reference=_flat, **SAME)  # fmt: skip
def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions from ``start_dim`` to ``end_dim`` made one; a view where the memory allows it.

    Raises:
        IndexError: for a dimension that the tensor does not have.
        RuntimeError: where ``start_dim`` comes after ``end_dim``.

    >>> import minigrad
    >>> minigrad.zeros(2, 3, 4).flatten(1).shape
    minigrad.Size([2, 12])
    """
    shape = input.array.shape
    a, b = positive_dim("flatten", start_dim, len(shape)), positive_dim("flatten", end_dim, len(shape))
    if a > b:
        raise ShapeError(f"flatten() has invalid args: start_dim cannot come after end_dim, got {start_dim} and {end_dim}")
    if a == b and shape:
        return input
    return _reshape_view(input, {"shape": (*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :])})


@function("ravel", samples=lambda r: [S(normal(r, 2, 3)), S(normal(r))], reference=np.ravel, **SAME)
def ravel(input):
    """All elements in one dimension, one after the other in memory: a copy where they do not lie so.

    >>> import minigrad
    >>> minigrad.ravel(minigrad.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return _reshape_view(input.contiguous(), {"shape": (input.array.size,)})


@function("unflatten", samples=lambda r: [S(normal(r, 3, 8), 1, (2, -1)), S(normal(r, 6, 2), -2, (2, 3))],
          errors=lambda r: [E(RuntimeError, "is invalid for input of size|don't multiply up", normal(r, 3, 8), 1, (3, 2)),
                            E(IndexError, "out of range", normal(r, 3), 1, (3,))],
          reference=lambda x, dim, sizes: x.reshape(x.shape[: dim % x.ndim] + tuple(sizes) + x.shape[dim % x.ndim + 1 :]),
          **SAME)  # fmt: skip
def unflatten(input, dim, sizes):
    """One dimension made several; one of the ``sizes`` may be -1.

    >>> import minigrad
    >>> minigrad.zeros(3, 8).unflatten(1, (2, -1)).shape
    minigrad.Size([3, 2, 4])
    """
    shape = input.array.shape
    d = positive_dim("unflatten", dim, len(shape))
    try:
        parts = resolve_shape("unflatten", sizes, shape[d])
    except ShapeError:
        raise ShapeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) in the input tensor"
        ) from None
    return _reshape_view(input, {"shape": shape[:d] + parts + shape[d + 1 :]})


@function("squeeze",
          samples=lambda r: [S(normal(r, 1, 3, 1)), S(normal(r, 1, 3, 1), 0), S(normal(r, 1, 3, 1), dim=1),
                             S(normal(r, 1, 3, 1), (0, -1)), S(normal(r))],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 1, 3), 2),
                            E(RuntimeError, "multiple times", normal(r, 1, 3), (0, -2))],
          reference=lambda x, dim=None: np.squeeze(x) if dim is None else x.reshape(
              [n for i, n in enumerate(x.shape) if n != 1 or i not in [d % x.ndim for d in np.atleast_1d(dim)]]),
              **SAME)  # fmt: skip
def squeeze(input, dim=None, *, axis=None):
    """A view without the dimensions of size 1: all of them, or those in ``dim`` (an int or a tuple).

    >>> import minigrad
    >>> minigrad.squeeze(minigrad.zeros(1, 3, 1)).shape
    minigrad.Size([3])
    """
    shape, dim = input.array.shape, axis if dim is None else dim
    dims = range(len(shape)) if dim is None else positive_dims("squeeze", dim, len(shape))
    return _reshape_view(input, {"shape": tuple([n for i, n in enumerate(shape) if n != 1 or i not in dims])})


@function("unsqueeze",
          samples=lambda r: [S(normal(r, 3, 4), 1), S(normal(r, 3, 4), -1), S(normal(r), 0),
                             S(normal(r, 3, 4), dim=-3)],
          errors=lambda r: [E(IndexError, r"range of \[-3, 2\]", normal(r, 3, 4), 3)],
          reference=lambda x, dim: np.expand_dims(x, dim), **SAME)  # fmt: skip
def unsqueeze(input, dim=None, *, axis=None):
    """A view with a new dimension of size 1 at place ``dim``.

    >>> import minigrad
    >>> minigrad.unsqueeze(minigrad.zeros(3), 1).shape
    minigrad.Size([3, 1])
    """
    shape = input.array.shape
    if dim is None:
        if axis is None:
            raise TypeError("unsqueeze() missing 1 required positional argument: 'dim'")
        dim = axis
    if not -len(shape) - 1 <= dim <= len(shape):
        raise dim_error("unsqueeze", dim, len(shape) + 1)
    d = dim % (len(shape) + 1)
    return _reshape_view(input, {"shape": (*shape[:d], 1, *shape[d:])})


# ---------------------------------------------------------------------------------------------------------------- stretching
def _target(name, shape, sizes):
    """The full target of expand, -1 replaced; RuntimeError where the tensor does not stretch to it."""
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise ShapeError(
            f"{name}: the number of sizes provided ({len(sizes)}) must be greater or equal to the number of dimensions "
            f"in the tensor ({len(shape)}), got sizes {list(sizes)} for shape {list(shape)}"
        )
    target = tuple([n if n != -1 or i < lead else shape[i - lead] for i, n in enumerate(sizes)])
    for i, n in enumerate(target):
        if n < 0:
            raise ShapeError(
                f"{name}: the expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
            )
        if i >= lead and n != shape[i - lead] != 1:
            raise ShapeError(
                f"{name}: The expanded size of the tensor ({n}) must match the existing size ({shape[i - lead]}) at "
                f"non-singleton "
                f"dimension {i}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )
    return target


_STRETCHES = {
    "samples": lambda r: [S(normal(r, 3, 1), (3, 4)), S(normal(r, 3), (2, 3)), S(normal(r), (2, 2)), S(normal(r, 1, 2), (0, 2))],
    "errors": lambda r: [
        E(RuntimeError, "must match the existing size", normal(r, 3), (4,)),
        E(RuntimeError, "number of sizes provided", normal(r, 2, 3), (3,)),
    ],
    "formula": r"y_{i j} = x_j",
    "derivative": r"\bar x_j = \sum_i \bar y_{i j}",
}


@function("expand", spaces="Tensor", reference=lambda x, shape: np.broadcast_to(x, shape), **_STRETCHES)
def _expand(self, *sizes, size=None, implicit=False):
    """A view stretched along dimensions of size 1, and along new ones in front; -1 keeps a size. It cannot be written.

    Raises:
        RuntimeError: where a size other than 1 would change.

    >>> import minigrad
    >>> minigrad.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return _expand_view(self, {"shape": _target("expand", self.array.shape, whole(sizes if size is None else (size,)))})


@function("broadcast_to", reference=lambda x, shape: np.broadcast_to(x, shape), **_STRETCHES)
def _broadcast_to(input, size):
    """A view of the tensor stretched to a shape, as ``input.expand(size)``.

    >>> import minigrad
    >>> minigrad.broadcast_to(minigrad.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return _expand_view(input, {"shape": _target("expand", input.array.shape, whole((size,)))})


@function("expand_as", spaces="Tensor", samples=lambda r: [S(normal(r, 3, 1), normal(r, 2, 3, 4))],
          errors=lambda r: [E(RuntimeError, "must match the existing size", normal(r, 3), normal(r, 4))],
          reference=lambda x, other: np.broadcast_to(x, other.shape), formula=r"y_{i j} = x_j",
          derivative=r"\bar x_j = \sum_i \bar y_{i j}")  # fmt: skip
def _expand_as(self, other):
    """A view stretched to the shape of ``other``.

    >>> import minigrad
    >>> minigrad.tensor([5]).expand_as(minigrad.zeros(3))
    tensor([5, 5, 5])
    """
    return _expand(self, other.array.shape)


@function("broadcast_tensors", spaces="torch", samples=lambda r: [S(normal(r, 3, 1), normal(r, 4))],
          errors=lambda r: [E(RuntimeError, "must match", normal(r, 3), normal(r, 4))],
          reference=np.broadcast_arrays)  # fmt: skip
def broadcast_tensors(*tensors):
    """Views of the tensors, all stretched to their common shape.

    >>> import minigrad
    >>> a, b = minigrad.broadcast_tensors(minigrad.zeros(3, 1), minigrad.zeros(4))
    >>> a.shape, b.shape
    (minigrad.Size([3, 4]), minigrad.Size([3, 4]))
    """
    tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    shape = broadcast_shapes(*[t.array.shape for t in tensors])
    return tuple([_expand(t, shape) for t in tensors])


@function("broadcast_shapes", spaces="torch", samples=lambda r: [S((3, 1), (4,)), S((2,), 1)],
          errors=lambda r: [E(RuntimeError, "must match", (3,), (4,))],
          reference=lambda *shapes: np.broadcast_shapes(*shapes))  # fmt: skip
def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to.

    >>> import minigrad
    >>> minigrad.broadcast_shapes((3, 1), (4,))
    minigrad.Size([3, 4])
    """
    try:
        return Size(np.broadcast_shapes(*shapes))
    except ValueError:
        raise ShapeError(
            f"broadcast: the size of one tensor must match the others at each non-singleton dimension, got shapes {shapes}"
        ) from None


Tensor.reshape, Tensor.view = _reshape_method, _view
