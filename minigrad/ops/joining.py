"""Joining tensors: along an existing dimension, along a new one, in blocks; and copies side by side."""

import functools

import numpy as np

from ..dispatch import apply, cast
from ..dtype import common_dtype, promote_types
from ..errors import ShapeError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .samples import normal
from .shape import own_memory, positive_dim, reshaped, whole

FULL = ("slice", None, None, None)


def _piece(xp, g, i, xs_shapes, axis):
    """The part of ``g`` that belongs to input ``i`` of a concatenation."""
    axis %= len(g.shape)
    start = sum(shape[axis] for shape in xs_shapes[:i])
    return xp.getitem(g, key=(FULL,) * axis + (("slice", start, start + xs_shapes[i][axis], None),))


@op(
    names="",
    promote=True,
    vjp=(_piece,),
    formula=r"y = [x_1; x_2; \dots]",
    derivative=r"\bar x_i = \text{its part of } \bar y",
    onnx="Concat",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 2, 4), axis=0),
        S(normal(r, 3, 1), normal(r, 3, 0), normal(r, 3, 2), axis=-1),
        S(normal(r, 2), axis=0),
    ],
)
def concat(xp, *xs, axis=0):
    """Tensors joined along an existing dimension."""
    return xp.concat(*xs, axis=axis)


@op(
    names="",
    promote=True,
    vjp=(lambda xp, g, i, axis: xp.getitem(g, key=(FULL,) * (axis % len(g.shape)) + (i,)),),
    formula=r"y_i = x_i",
    derivative=r"\bar x_i = \bar y_i",
    onnx="ConcatFromSequence",
    samples=lambda r: [
        S(normal(r, 3, 4), normal(r, 3, 4), axis=0),
        S(normal(r, 3), normal(r, 3), normal(r, 3), axis=-1),
        S(normal(r), axis=0),
    ],
)
def stack(xp, *xs, axis=0):
    """Tensors of one shape joined along a new dimension."""
    return xp.stack(*xs, axis=axis)


def _tensors(name, tensors):
    """The arguments as a list of Tensors; errors for an empty list and for other things in it."""
    if isinstance(tensors, Tensor) or not hasattr(tensors, "__iter__"):
        raise TypeError(f"{name}(): argument 'tensors' must be tuple of Tensors, not {describe(tensors)}")
    tensors = list(tensors)
    if not tensors:
        raise ShapeError(f"{name}: expected a non-empty list of Tensors")
    for position, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected Tensor as element {position} in argument 0, but got {describe(t)}")
    return tensors


def _differing(first, shape, dim):
    """The first size that differs."""
    expected, got = next((m, n) for i, (m, n) in enumerate(zip(first, shape)) if m != n and i != dim)
    return f"Expected size {expected} but got size {got}"


@function("cat concat concatenate", spaces="torch",
          samples=lambda r: [S([normal(r, 3, 4), normal(r, 2, 4)]), S([normal(r, 3, 1), normal(r, 3, 2)], dim=-1),
                             S([normal(r, 0), normal(r, 2, 3)]),
                             S([normal(r, 2, 1), normal(r, 2, 1)], axis=1)],
          errors=lambda r: [E(RuntimeError, "Sizes of tensors must match", [normal(r, 3, 4), normal(r, 2, 3)]),
                            E(RuntimeError, "non-empty list", []),
                            E(IndexError, "out of range", [normal(r, 3)], dim=1),
                            E(TypeError, "expected Tensor as element 1", [normal(r, 3), 1.0]),
                            E(RuntimeError, "same number of dimensions", [normal(r, 3), normal(r, 3, 1)]),
                            E(RuntimeError, "zero-dimensional", [normal(r), normal(r)])],
          formula=r"y = [x_1; x_2; \dots]", derivative=r"\bar x_i = \text{its part of } \bar y",
          reference=lambda xs, dim=0, axis=None: np.concatenate([x for x in xs if x.shape != (0,)],
              axis=axis or dim))  # fmt: skip
def cat(tensors, dim=0, *, axis=None):
    """Tensors joined along an existing dimension; their other sizes must agree. Mixed dtypes are promoted.

    Args:
        tensors: a list or tuple of tensors; empty 1-D tensors are passed over.
        dim: the dimension (also as ``axis``).
        out: a tensor to write into.

    Raises:
        RuntimeError: where the other sizes differ, or the list is empty.
        IndexError: for a dimension that the tensors do not have.

    >>> import minigrad
    >>> minigrad.cat([minigrad.tensor([1, 2]), minigrad.tensor([3])])
    tensor([1, 2, 3])
    """
    dim = dim if axis is None else axis
    tensors = _tensors("cat", tensors)
    shapes = [t.array.shape for t in tensors]
    if (0,) in shapes:  # PyTorch passes over empty 1-D tensors, whatever the others are
        dtype = functools.reduce(promote_types, [t.array.dtype for t in tensors])  # their dtypes count
        tensors = [cast(t, dtype) if t.array.dtype != dtype else t for t in tensors]
        tensors = [t for t in tensors if t.array.shape != (0,)] or tensors[:1]
        shapes = [t.array.shape for t in tensors]
    first = shapes[0]
    if () in shapes:
        raise ShapeError(f"cat: zero-dimensional tensor (at position {shapes.index(())}) cannot be concatenated; use stack")
    d = positive_dim("cat", dim, len(first))
    for i, s in enumerate(shapes):
        if s == first:
            continue
        if len(s) != len(first):
            raise ShapeError(
                f"cat: Tensors must have same number of dimensions: got {len(first)} and {len(s)} (shapes {first} and {s})"
            )
        if s[:d] + s[d + 1 :] != first[:d] + first[d + 1 :]:
            raise ShapeError(
                f"cat: Sizes of tensors must match except in dimension {d}. {_differing(first, s, d)} for tensor number "
                f"{i} in the list: shape {s} beside {first}"
            )
    return apply(registry["concat"], tuple(tensors), {"axis": d})


@function("stack", spaces="torch",
          samples=lambda r: [S([normal(r, 3, 4), normal(r, 3, 4)]),
                             S([normal(r, 3), normal(r, 3)], dim=-1), S([normal(r), normal(r)], axis=0)],
          errors=lambda r: [E(RuntimeError, "equal size", [normal(r, 3), normal(r, 2)]), E(RuntimeError, "non-empty", []),
                            E(IndexError, "out of range", [normal(r, 3)], dim=2)],
          formula=r"y_i = x_i", derivative=r"\bar x_i = \bar y_i",
          reference=lambda xs, dim=0, axis=None: np.stack(xs, axis=axis or dim))  # fmt: skip
def _stack(tensors, dim=0, *, axis=None):
    """Tensors of one shape joined along a new dimension.

    Args:
        tensors: a list or tuple of tensors.
        dim: the place of the new dimension (also as ``axis``).
        out: a tensor to write into.

    Raises:
        RuntimeError: where the shapes differ, or the list is empty.

    >>> import minigrad
    >>> minigrad.stack([minigrad.tensor([1, 2]), minigrad.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = _tensors("stack", tensors)
    first = tensors[0].array.shape
    for i, t in enumerate(tensors):
        if t.array.shape != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(t.array.shape)} at "
                f"entry {i}"
            )
    d = positive_dim("stack", dim if axis is None else axis, len(first) + 1)
    return apply(registry["stack"], tuple(tensors), {"axis": d})


# ---------------------------------------------------------------------------------------------------- joined as NumPy names it
def _at_least(t, ndim):
    shape = t.array.shape
    if len(shape) >= ndim:
        return t
    if ndim == 3 and len(shape) == 2:
        return reshaped(t, (*shape, 1))
    return reshaped(t, ((1,) * (ndim - len(shape)) + shape) if ndim < 3 or not shape else (1, *shape, 1))


def _at_least_function(ndim):
    def call(*tensors):
        tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
        made = tuple([_at_least(t, ndim) for t in tensors])
        return made[0] if len(made) == 1 else made

    call.__name__ = f"atleast_{ndim}d"
    call.__doc__ = f"""A view of each tensor with at least {ndim} dimension{"s" * (ndim > 1)}.

    >>> import minigrad
    >>> minigrad.atleast_{ndim}d(minigrad.tensor(5)).shape
    minigrad.Size({[1] * ndim})
    """
    numpy_function = getattr(np, call.__name__)
    function(call.__name__, spaces="torch", samples=lambda r: [S(normal(r)), S(normal(r, 2)), S(normal(r, 2, 3)),
        S(normal(r, 2, 3, 4)), S(normal(r), normal(r, 2))],
             reference=lambda *xs: numpy_function(*xs))(call)  # fmt: skip
    return call


atleast_1d, atleast_2d, atleast_3d = map(_at_least_function, (1, 2, 3))


@function("hstack", spaces="torch", samples=lambda r: [S([normal(r, 2), normal(r, 3)]), S([normal(r, 2, 1), normal(r, 2, 2)])],
          errors=lambda r: [E(RuntimeError, "must match", [normal(r, 2, 1), normal(r, 3, 2)])], reference=np.hstack)  # fmt: skip
def hstack(tensors):
    """Tensors joined side by side: along dimension 1, or 0 where they are 1-D.

    >>> import minigrad
    >>> minigrad.hstack([minigrad.tensor([1, 2]), minigrad.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = [_at_least(t, 1) for t in _tensors("hstack", tensors)]
    return cat(tensors, 0 if tensors[0].array.ndim == 1 else 1)


@function("vstack row_stack", spaces="torch",
          samples=lambda r: [S([normal(r, 2), normal(r, 2)]),
                             S([normal(r, 1, 2), normal(r, 3, 2)])],
          errors=lambda r: [E(RuntimeError, "must match", [normal(r, 2), normal(r, 3)])], reference=np.vstack)  # fmt: skip
def vstack(tensors):
    """Tensors joined one below the other: along dimension 0, 1-D tensors as rows.

    >>> import minigrad
    >>> minigrad.vstack([minigrad.tensor([1, 2]), minigrad.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([_at_least(t, 2) for t in _tensors("vstack", tensors)], 0)


@function(
    "dstack",
    spaces="torch",
    samples=lambda r: [S([normal(r, 2), normal(r, 2)]), S([normal(r, 2, 3), normal(r, 2, 3)])],
    reference=np.dstack,
)
def dstack(tensors):
    """Tensors joined in depth: along dimension 2.

    >>> import minigrad
    >>> minigrad.dstack([minigrad.tensor([1, 2]), minigrad.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat([_at_least(t, 3) for t in _tensors("dstack", tensors)], 2)


@function(
    "column_stack",
    spaces="torch",
    samples=lambda r: [S([normal(r, 2), normal(r, 2, 3)]), S([normal(r, 2), normal(r, 2)])],
    reference=np.column_stack,
)
def column_stack(tensors):
    """Tensors joined along dimension 1, 1-D tensors as columns.

    >>> import minigrad
    >>> minigrad.column_stack([minigrad.tensor([1, 2]), minigrad.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat([reshaped(t, (t.array.size, 1)) if t.array.ndim < 2 else t for t in _tensors("column_stack", tensors)], 1)


def _blocks(*xs):
    xs = [np.atleast_2d(x) for x in xs]
    out = np.zeros((sum(x.shape[0] for x in xs), sum(x.shape[1] for x in xs)))
    row = column = 0
    for x in xs:
        out[row : row + x.shape[0], column : column + x.shape[1]] = x
        row, column = row + x.shape[0], column + x.shape[1]
    return out


@function("block_diag", spaces="torch", samples=lambda r: [S(normal(r, 2, 3), normal(r, 2), normal(r))],
          errors=lambda r: [E(RuntimeError, "less than or equal to 2|at most 2", normal(r, 2, 3, 4))],
          reference=_blocks)  # fmt: skip
def block_diag(*tensors):
    """A matrix with the given matrices along its diagonal, zeros elsewhere; a vector counts as one row.

    >>> import minigrad
    >>> minigrad.block_diag(minigrad.tensor([[1, 2]]), minigrad.tensor([[3]]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    for i, t in enumerate(tensors):
        if t.array.ndim > 2:
            raise ShapeError(
                f"block_diag: Input tensors must have at most 2 dimensions. Input {i} has {t.array.ndim} (shape {t.array.shape})"
            )
    dtypes = [[t.array.dtype for t in tensors if bool(t.ndim) is axes] for axes in (True, False)]
    parts = [_at_least(t.to(common_dtype(*dtypes, ())), 2) for t in tensors]
    rows, start, width = [], 0, sum(p.array.shape[1] for p in parts)
    for p in parts:
        n, m = p.array.shape
        rows.append(cat([p.new_zeros(n, start), p, p.new_zeros(n, width - start - m)], 1))
        start += m
    return cat(rows, 0)


# ------------------------------------------------------------------------------------------------------------ copies side by side
def _tiled(t, repeats):
    shape = (1,) * (len(repeats) - t.array.ndim) + t.array.shape
    spread = t.reshape([n for s in shape for n in (1, s)]).expand([n for r, s in zip(repeats, shape) for n in (r, s)])
    return own_memory(spread.reshape([r * s for r, s in zip(repeats, shape)]))


@function("repeat", spaces="Tensor",
          samples=lambda r: [S(normal(r, 2, 3), 2, 1), S(normal(r, 3), (2, 2)), S(normal(r), 3),
                             S(normal(r, 2), 0)],
          errors=lambda r: [E(RuntimeError, "can not be smaller than number of dimensions", normal(r, 2, 3), 2),
                            E(RuntimeError, "negative", normal(r, 2), -1)],
          formula=r"y_{i + k n} = x_i", derivative=r"\bar x_i = \sum_k \bar y_{i + k n}",
          reference=lambda x, *repeats: np.tile(x, repeats[0] if isinstance(repeats[0], tuple) else repeats))  # fmt: skip
def repeat(self, *times, repeats=None):
    """Copies of the tensor side by side, ``repeats`` of them along each dimension; further dimensions come in front.

    Raises:
        RuntimeError: for fewer numbers than dimensions, or a negative one.

    >>> import minigrad
    >>> minigrad.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    repeats = whole(times if repeats is None else (repeats,))
    if len(repeats) < self.array.ndim:
        raise ShapeError(
            f"repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"{repeats} for shape {self.array.shape}"
        )
    if any(n < 0 for n in repeats):
        raise ShapeError(f"repeat: Trying to create tensor with negative dimension: repeats {repeats}")
    return _tiled(self, repeats)


@function("tile", samples=lambda r: [S(normal(r, 2, 3), (2, 1)), S(normal(r, 2, 3), (2,)), S(normal(r, 3), (2, 2))],
          formula=r"y_{i + k n} = x_i", derivative=r"\bar x_i = \sum_k \bar y_{i + k n}", reference=np.tile)  # fmt: skip
def tile(input, *repeats, dims=None):
    """Copies of the tensor side by side as NumPy's ``tile``: fewer numbers than dimensions count from the last.

    >>> import minigrad
    >>> minigrad.tile(minigrad.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    dims = whole(repeats if dims is None else (dims,))
    return _tiled(input, (1,) * (input.array.ndim - len(dims)) + dims)


@function("repeat_interleave",
          samples=lambda r: [S(normal(r, 2, 3), 2), S(normal(r, 2, 3), 2, dim=1),
                             S(normal(r, 3), np.array([0, 2, 1])),
                             S(normal(r, 2, 3), np.array([1, 2]), dim=0),
                             S(normal(r, 2, 3), repeats=np.array([2]), dim=-1, output_size=6)],
          errors=lambda r: [E(RuntimeError, "must have the same size", normal(r, 3), np.array([1, 2])),
                            E(IndexError, "out of range", normal(r, 3), 2, dim=1),
                            E(RuntimeError, "negative", normal(r, 3), -1)],
          formula=r"y_{i r + k} = x_i", derivative=r"\bar x_i = \sum_k \bar y_{i r + k}",
          reference=lambda x, repeats, dim=None, output_size=None: np.repeat(x, repeats, axis=dim))  # fmt: skip
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element repeated in place, as often as ``repeats`` says: one number, or one per element along ``dim``.

    Args:
        input: a tensor; flattened where ``dim`` is None.
        repeats: an int, or a 1-D integer tensor; without it ``input`` says how often each of 0, 1 ... is repeated.
        dim: the dimension along which to repeat.
        output_size: the resulting size along ``dim``, where it is known.

    >>> import minigrad
    >>> minigrad.repeat_interleave(minigrad.tensor([1, 2]), minigrad.tensor([1, 2]))
    tensor([1, 2, 2])
    """
    if repeats is None:  # one argument: how often each of 0, 1 ... is repeated
        input, repeats = input.new_tensor(np.arange(input.array.shape[0]), dtype=input.dtype), input
    if dim is None:
        input, dim = input.reshape(-1), 0
    shape = input.array.shape
    d = positive_dim("repeat_interleave", dim, len(shape))
    if isinstance(repeats, Tensor):
        counts = repeats.numpy(force=True).reshape(-1)
        if counts.size not in (1, shape[d]):
            raise ShapeError(
                f"repeat_interleave: repeats must have the same size as input along dim {d}: {counts.size} for shape {shape}"
            )
        if counts.size != 1:
            if (counts < 0).any():
                raise ShapeError("repeat_interleave: repeats can not be negative")
            return input.index_select(d, input.new_tensor(np.repeat(np.arange(shape[d]), counts), dtype="int64"))
        repeats = counts.item()
    if repeats < 0:
        raise ShapeError("repeat_interleave: repeats can not be negative")
    spread = input.reshape(*shape[: d + 1], 1, *shape[d + 1 :]).expand(*shape[: d + 1], repeats, *shape[d + 1 :])
    return own_memory(spread.reshape(*shape[:d], shape[d] * repeats, *shape[d + 1 :]))
