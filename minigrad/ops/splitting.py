"""Parts of a tensor as views: pieces along a dimension, single slices, diagonals, sliding windows."""

import itertools

import numpy as np

from .. import quick
from ..errors import DimError, InplaceError, ShapeError, UnsupportedError, describe
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .indexing import part
from .joining import FULL, atleast_1d
from .samples import normal
from .shape import positive_dim, positive_dims

PARTS = {"formula": r"y = x[k]", "derivative": r"\bar x[k] = \bar y"}


def along(dim, start, stop):
    """The key of a slice along one dimension."""
    return (FULL,) * dim + (("slice", start, stop, None),)


@function("narrow",
          samples=lambda r: [S(normal(r, 3, 4), 1, 1, 2), S(normal(r, 3, 4), 0, -2, 2),
                             S(normal(r, 3), dim=-1, start=0, length=0)],
          errors=lambda r: [E(RuntimeError, "exceeds dimension size", normal(r, 3), 0, 2, 2),
                            E(IndexError, "out of range", normal(r, 3), 1, 0, 1),
                            E(RuntimeError, "non-negative", normal(r, 3), 0, 0, -1),
                            E(IndexError, "start out of range", normal(r, 3), 0, 4, 0)],
          reference=lambda x, dim, start, length: np.take(x, np.arange(length) + start % x.shape[dim], axis=dim),
          **PARTS)  # fmt: skip
def narrow(input, dim, start, length):
    """A view of ``length`` elements along ``dim``, beginning at ``start``.

    >>> import minigrad
    >>> minigrad.narrow(minigrad.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    d = positive_dim("narrow", dim, input.array.ndim)
    if isinstance(start, Tensor) and (start.array.ndim or start.array.dtype.kind == "b"):
        raise ShapeError(f"narrow: start must be an 0-dim integral Tensor, got {describe(start)}")
    size, start = input.array.shape[d], start.__index__()
    if length < 0:
        raise ShapeError(f"narrow(): length must be non-negative, got {length}")
    if not -size <= start <= size:
        raise DimError(f"narrow: start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start += size if start < 0 else 0
    if start + length > size:
        raise ShapeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({size})")
    return part(input, along(d, start, start + length))


@function("select", samples=lambda r: [S(normal(r, 3, 4), 1, 2), S(normal(r, 3, 4), dim=-2, index=-1), S(normal(r, 3), 0, 0)],
          errors=lambda r: [E(IndexError, "out of range for tensor of size", normal(r, 3), 0, 3),
                            E(IndexError, "cannot be applied to a 0-dim", normal(r), 0, 0)],
          reference=lambda x, dim, index: np.take(x, index, axis=dim), **PARTS)  # fmt: skip
def select(input, dim, index):
    """A view of one slice along ``dim``, without that dimension.

    >>> import minigrad
    >>> minigrad.select(minigrad.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    shape, index = input.array.shape, index.__index__()
    if not shape:
        raise DimError("select() cannot be applied to a 0-dim tensor.")
    d = positive_dim("select", dim, len(shape))
    if not -shape[d] <= index < shape[d]:
        raise DimError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {d}")
    return part(input, (FULL,) * d + (index,))


@function("unbind", samples=lambda r: [S(normal(r, 3, 2)), S(normal(r, 3, 2), 1), S(normal(r, 2, 3), dim=-1)],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 3), 1), E(IndexError, "0-dim", normal(r))],
          reference=lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)), **PARTS)  # fmt: skip
def unbind(input, dim=0):
    """A tuple of all slices along ``dim``, as views without that dimension.

    >>> import minigrad
    >>> minigrad.unbind(minigrad.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    if not input.array.ndim:
        raise DimError("unbind: dimension specified as 0 but tensor has no dimensions (a 0-dim tensor)")
    d = positive_dim("unbind", dim, input.array.ndim)
    return one_of_many("Unbind", tuple([part(input, (FULL,) * d + (i,)) for i in range(input.array.shape[d])]))


def one_of_many(name, views):
    """The views of one call, marked where they have a history: a write into one of them is refused."""
    if views and views[0].node is not None:
        for v in views:
            v._many = name
    return views


def _pieces(input, d, bounds):
    return tuple([part(input, along(d, a, b)) for a, b in itertools.pairwise(bounds)])


def _numpy_split(x, size, dim=0):
    cuts = np.arange(size, max(x.shape[dim], 1), size) if isinstance(size, int) else np.cumsum(size)[:-1]
    return tuple(np.split(x, cuts, axis=dim))


@function("split",
          samples=lambda r: [S(normal(r, 5, 2), 2), S(normal(r, 2, 5), [1, 4], dim=1), S(normal(r, 2, 5), 5, -1),
                             S(normal(r, 3), (0, 3)), S(normal(r, 0, 2), 2)],
          errors=lambda r: [E(RuntimeError, "sum exactly to 5", normal(r, 5), [1, 1]),
                            E(IndexError, "out of range", normal(r, 5), 2, 1),
                            E(RuntimeError, "negative|greater than 0", normal(r, 5), -1),
                            E(RuntimeError, "greater than 0|is 0", normal(r, 5), 0)],
          reference=_numpy_split, **PARTS)  # fmt: skip
def split(tensor, split_size_or_sections=None, dim=0, *, split_size=None):
    """A tuple of views: pieces of one size along ``dim`` (the last may be smaller), or pieces of the sizes in a list.

    Raises:
        RuntimeError: where the sizes do not add up to the size of the dimension.

    >>> import minigrad
    >>> minigrad.split(minigrad.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if not tensor.array.ndim:
        raise ShapeError("split expects at least a 1-dimensional tensor")
    if (split_size_or_sections is None) == (split_size is None):
        raise TypeError("split() needs the size of the pieces, or a list of sizes: split(tensor, split_size_or_sections, dim=0)")
    d = positive_dim("split", dim, tensor.array.ndim)
    n, sizes = tensor.array.shape[d], split_size if split_size_or_sections is None else split_size_or_sections
    if isinstance(sizes, tuple | list):
        if sum(sizes) != n or any(k < 0 for k in sizes):
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), "
                f"but got split_sizes={list(sizes)}; they must not be negative"
            )
        bounds = [0]
        for k in sizes:
            bounds.append(bounds[-1] + k)
        return one_of_many("SplitWithSizes", _pieces(tensor, d, bounds))
    if sizes < 0 or (sizes == 0 and n):
        raise ShapeError(f"split expects split_size to be greater than 0, but got split_size of {sizes} (dimension size {n})")
    return one_of_many("Split", _pieces(tensor, d, [*range(0, n, sizes), n] if n else [0, 0]))


def _numpy_chunk(x, chunks, dim=0):
    return _numpy_split(x, -(-x.shape[dim] // chunks), dim)


@function("chunk", samples=lambda r: [S(normal(r, 5, 2), 2), S(normal(r, 2, 6), 3, dim=1), S(normal(r, 5), 4)],
          errors=lambda r: [E(RuntimeError, "greater than 0", normal(r, 5), 0),
                            E(IndexError, "out of range", normal(r, 5), 2, 1)],
          reference=_numpy_chunk, **PARTS)  # fmt: skip
def chunk(input, chunks, dim=0):
    """A tuple of at most ``chunks`` views of (nearly) equal size along ``dim``.

    >>> import minigrad
    >>> minigrad.chunk(minigrad.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if not input.array.ndim:
        raise ShapeError("chunk expects at least a 1-dimensional tensor")
    if chunks < 1:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = positive_dim("chunk", dim, input.array.ndim)
    n = input.array.shape[d]
    return split(input, -(-n // chunks), d) if n else _pieces(input, d, [0] * (chunks + 1))


@function("tensor_split",
          samples=lambda r: [S(normal(r, 7), 3), S(normal(r, 5, 2), (1, 3)), S(normal(r, 2, 4), (1, 6), dim=1),
                             S(normal(r, 2, 5), 2, dim=-1)],
          errors=lambda r: [E(RuntimeError, "must be larger than 0", normal(r, 3), 0),
                            E(IndexError, "out of range", normal(r, 5), 2, 1)],
          reference=lambda x, indices_or_sections, dim=0: tuple(np.array_split(x, indices_or_sections, axis=dim)),
          **PARTS)  # fmt: skip
def tensor_split(input, indices_or_sections, dim=0):
    """A tuple of views: that many pieces of nearly equal size, or the pieces between the given indices.

    >>> import minigrad
    >>> minigrad.tensor_split(minigrad.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    d = positive_dim("tensor_split", dim, input.array.ndim)
    n, cuts = input.array.shape[d], indices_or_sections
    if isinstance(cuts, Tensor):
        cuts = cuts.tolist()
    if isinstance(cuts, int):
        if cuts <= 0:
            raise ShapeError(f"tensor_split: number of sections must be larger than 0, got {cuts}")
        small, larger = divmod(n, cuts)
        bounds = [i * small + min(i, larger) for i in range(cuts + 1)]
        return _pieces(input, d, bounds)
    bounds = [0, *cuts, n]
    return tuple([part(input, along(d, a, b)) for a, b in itertools.pairwise(bounds)])


def _split_along(name, dim, least):
    def call(input, indices_or_sections):
        if input.array.ndim < least:
            raise ShapeError(
                f"{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got {input.array.ndim}"
            )
        d = 0 if name == "hsplit" and input.array.ndim == 1 else dim
        sections = indices_or_sections
        if isinstance(sections, int) and (sections < 1 or input.array.shape[d] % sections):
            raise ShapeError(
                f"{name}: attempted to split along dimension {d}, but its size {input.array.shape[d]} is not divisible by "
                f"{sections}"
            )
        return tensor_split(input, sections, d)

    call.__name__ = name
    call.__doc__ = f"""The pieces of :func:`minigrad.tensor_split` along dimension {dim}; a number of pieces must divide its size.

    >>> import minigrad
    >>> len(minigrad.{name}(minigrad.zeros(4, 4, 4), 2))
    2
    """
    numpy_function = getattr(np, name)
    function(name, samples=lambda r: [S(normal(r, 4, 2, 2), 2), S(normal(r, 2, 4, 3), (1,))],
             errors=lambda r: [E(RuntimeError, "not divisible", normal(r, 5, 5, 5), 2),
                               E(RuntimeError, "at least", normal(r), 1)],
             reference=lambda x, s: tuple(numpy_function(x, s)), **PARTS)(call)  # fmt: skip


for _name, _dim, _least in (("hsplit", 1, 1), ("vsplit", 0, 2), ("dsplit", 2, 3)):
    _split_along(_name, _dim, _least)


# ------------------------------------------------------------------------------------------------------------------- diagonals
@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, x_shape, offset: xp.diagonal_put(xp.full(g, shape=tuple(x_shape)), g, offset=offset),),
    put=("diagonal_put", lambda params, shape: {"offset": params["offset"]}),
    formula=r"y_i = x_{i, i + k}",
    derivative=r"\bar x_{i, i + k} = \bar y_i",
    samples=lambda r: [
        S(normal(r, 3, 3)),
        S(normal(r, 2, 3, 4), offset=1),
        S(normal(r, 3, 2), offset=-1),
        S(normal(r, 2, 2), offset=2),
    ],
)
def diagonal(xp, x, *, offset=0):
    """A view of the diagonals of the last two axes."""
    return xp.diagonal(x, offset=offset)


@op(
    names="",
    vjp=(
        lambda xp, g, v_shape, offset: xp.diagonal_put(g, xp.full(g, shape=tuple(v_shape)), offset=offset),
        lambda xp, g, offset: xp.diagonal(g, offset=offset),
    ),
    formula=r"y = x, \quad y_{i, i + k} = v_i",
    derivative=r"\bar v_i = \bar y_{i, i + k}",
    samples=lambda r: [
        S(normal(r, 3, 3), normal(r, 3)),
        S(normal(r, 2, 3, 4), normal(r, 2, 3), offset=1),
        S(normal(r, 3, 2), normal(r, 2), offset=-1),
    ],
)
def diagonal_put(xp, x, v, *, offset=0):
    """A copy of ``x`` with ``v`` written along the diagonals of its last two axes."""
    return xp.diagonal_put(x, v, offset=offset)


_diagonal_view = quick.view(registry["diagonal"])


def _last_two(input, dim1, dim2):
    """The tensor with dimensions ``dim1`` and ``dim2`` moved to the end."""
    ndim = input.array.ndim
    if (dim1, dim2) in ((-2, -1), (ndim - 2, ndim - 1)):
        return input
    return input.movedim((dim1, dim2), (-2, -1))


def _check_plane(name, ndim, dim1, dim2):
    if ndim < 2:
        raise ShapeError(f"{name}: needs at least 2 dimensions, got {ndim}")
    a, b = positive_dim(name, dim1, ndim), positive_dim(name, dim2, ndim)
    if a == b:
        raise ShapeError(f"{name}: diagonal dimensions cannot be identical {dim1}, {dim2}")


@function("diagonal",
          samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3, 4), 1, 1, 2),
                             S(normal(r, 2, 3, 4), offset=-1, dim1=-1, dim2=0)],
          errors=lambda r: [E(RuntimeError, "cannot be identical", normal(r, 3, 3), 0, 1, 1),
                            E(IndexError, "out of range", normal(r, 3, 3), 0, 0, 2)],
          reference=lambda x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
          formula=r"y_i = x_{i, i + k}", derivative=r"\bar x_{i, i + k} = \bar y_i")  # fmt: skip
def _diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of the diagonals over dimensions ``dim1`` and ``dim2``, which become the last dimension.

    >>> import minigrad
    >>> minigrad.diagonal(minigrad.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    _check_plane("diagonal", input.array.ndim, dim1, dim2)
    return _diagonal_view(_last_two(input, dim1, dim2), {"offset": offset})


@function("diagonal", spaces="linalg", samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3, 4), offset=1)],
          reference=lambda A, offset=0: np.diagonal(A, offset, -2, -1), formula=r"y_i = x_{i, i + k}",
          derivative=r"\bar x_{i, i + k} = \bar y_i")  # fmt: skip
def _linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """A view of the diagonals of matrices.

    >>> import minigrad
    >>> minigrad.diagonal(minigrad.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return _diagonal(A, offset, dim1, dim2)


def _numpy_embed(x, offset=0, dim1=-2, dim2=-1):
    n = x.shape[-1] + abs(offset)
    out = np.zeros((*x.shape[:-1], n, n))
    i = np.arange(x.shape[-1])
    out[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


@function("diag_embed", samples=lambda r: [S(normal(r, 3)), S(normal(r, 2, 3), 1), S(normal(r, 2, 3), offset=-1, dim1=0, dim2=2)],
          errors=lambda r: [E(RuntimeError, "cannot be identical", normal(r, 3), 0, 1, 1)], reference=_numpy_embed,
          formula=r"y_{i, i + k} = x_i", derivative=r"\bar x_i = \bar y_{i, i + k}")  # fmt: skip
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices over the new dimensions ``dim1`` and ``dim2`` with the last dimension of ``input`` on a diagonal, zeros elsewhere.

    >>> import minigrad
    >>> minigrad.diag_embed(minigrad.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    shape = input.array.shape
    _check_plane("diag_embed", len(shape) + 1, dim1, dim2)
    n = shape[-1] + abs(offset)
    out = diagonal_put(input.new_zeros(*shape[:-1], n, n), input, offset=offset)
    a, b = positive_dims("diag_embed", (dim1, dim2), len(shape) + 1)
    return out if (a, b) == (len(shape) - 1, len(shape)) else out.movedim((-2, -1), (a, b))


@function("diag", samples=lambda r: [S(normal(r, 3)), S(normal(r, 3, 4)), S(normal(r, 3), -1), S(normal(r, 3, 3), diagonal=1)],
          errors=lambda r: [E(RuntimeError, "Supports 1D or 2D", normal(r, 2, 2, 2))],
          reference=lambda x, diagonal=0: np.diag(x, diagonal))  # fmt: skip
def diag(input, diagonal=0):
    """Of a vector, the matrix with it on a diagonal; of a matrix, a copy of that diagonal.

    >>> import minigrad
    >>> minigrad.diag(minigrad.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.array.ndim not in (1, 2):
        raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input.array.ndim}D")
    return diag_embed(input, diagonal) if input.array.ndim == 1 else _diagonal(input, diagonal).clone()


@function(
    "diagflat", samples=lambda r: [S(normal(r, 2, 2)), S(normal(r, 3), 1)], reference=lambda x, offset=0: np.diagflat(x, offset)
)
def diagflat(input, offset=0):
    """The matrix with all elements of ``input`` on a diagonal.

    >>> import minigrad
    >>> minigrad.diagflat(minigrad.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(atleast_1d(input).reshape(-1), offset)


@function("trace", samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3))],
          errors=lambda r: [E(RuntimeError, "expected a matrix", normal(r, 3))],
          reference=np.trace, formula=r"y = \sum_i x_{ii}", derivative=r"\bar x_{ii} = \bar y")  # fmt: skip
def trace(input):
    """The sum of the diagonal of a matrix.

    >>> import minigrad
    >>> minigrad.trace(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if input.array.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    if input.array.dtype == bool:
        raise UnsupportedError('"trace" not implemented for bool; convert with .long()')
    return _diagonal(input).sum()


# ------------------------------------------------------------------------------------------------------------- sliding windows
def _window_key(params):
    if params["step"] < params["size"]:
        raise InplaceError(
            f"a write into the overlapping windows of unfold(size={params['size']}, step={params['step']}) has no single "
            f"meaning; .clone() them first"
        )
    return params


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, x_shape, axis, size, step: xp.unsliding(g, axis=axis, size=size, step=step, n=x_shape[axis]),),
    put=("sliding_put", lambda params, shape: _window_key(params)),
    formula=r"y_{i, j} = x_{i s + j}",
    derivative=r"\bar x_{i s + j} \mathrel{+}= \bar y_{i, j}",
    samples=lambda r: [S(normal(r, 5), axis=0, size=3, step=1), S(normal(r, 2, 6, 2), axis=1, size=2, step=3)],
)
def sliding(xp, x, *, axis, size, step):
    """A view of all windows of ``size`` along one axis, ``step`` apart; the window is the last axis."""
    return xp.sliding(x, axis=axis, size=size, step=step)


@op(
    names="",
    vjp=(lambda xp, g, axis, size, step: xp.sliding(g, axis=axis, size=size, step=step),),
    samples=lambda r: [S(normal(r, 3, 3), axis=0, size=3, step=1, n=5), S(normal(r, 2, 2, 2, 2), axis=1, size=2, step=3, n=6)],
)
def unsliding(xp, g, *, axis, size, step, n):
    """The windows of ``sliding`` added back to an axis of length ``n``. Its adjoint."""
    return xp.unsliding(g, axis=axis, size=size, step=step, n=n)


def _sliding_put_dx(xp, g, v_shape, axis, size, step):
    return xp.sliding_put(g, xp.full(g, shape=tuple(v_shape)), axis=axis, size=size, step=step)


@op(
    names="",
    vjp=(
        _sliding_put_dx,
        lambda xp, g, axis, size, step: xp.sliding(g, axis=axis, size=size, step=step),
    ),
    samples=lambda r: [S(normal(r, 2, 6, 2), normal(r, 2, 2, 2, 2), axis=1, size=2, step=3)],
)
def sliding_put(xp, x, v, *, axis, size, step):
    """A copy of ``x`` with ``v`` written into its windows, which do not overlap."""
    return xp.sliding_put(x, v, axis=axis, size=size, step=step)


def _numpy_unfold(x, dimension, size, step):
    d = dimension % x.ndim
    return np.lib.stride_tricks.sliding_window_view(x, size, d)[(slice(None),) * d + (slice(None, None, step),)]


_sliding_view = quick.view(registry["sliding"])


@function("unfold", spaces="Tensor",
          samples=lambda r: [S(normal(r, 5), 0, 3, 1), S(normal(r, 2, 7), -1, 2, 3),
                             S(normal(r, 6, 2), dimension=0, size=2, step=2)],
          errors=lambda r: [E(RuntimeError, "maximum size for tensor", normal(r, 3), 0, 4, 1),
                            E(RuntimeError, "must be > 0", normal(r, 3), 0, 2, 0),
                            E(IndexError, "out of range", normal(r, 3), 1, 2, 1)],
          formula=r"y_{i, j} = x_{i s + j}", derivative=r"\bar x_{i s + j} \mathrel{+}= \bar y_{i, j}",
          reference=_numpy_unfold)  # fmt: skip
def _unfold(self, dimension, size, step):
    """A view of all windows of ``size`` along ``dimension``, ``step`` apart; the window is a new last dimension.

    >>> import minigrad
    >>> minigrad.arange(5).unfold(0, 3, 1)
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    d = positive_dim("unfold", dimension, self.array.ndim)
    if step <= 0:
        raise ShapeError(f"unfold: step is {step} but must be > 0")
    n = self.array.shape[d] if self.array.ndim else 1
    if not 0 <= size <= n:
        raise ShapeError(f"unfold: maximum size for tensor at dimension {d} is {n} but size is {size}")
    if not self.array.ndim:
        return part(self.reshape(1), along(0, 0, size))
    return _sliding_view(self, {"axis": d, "size": size, "step": step})
