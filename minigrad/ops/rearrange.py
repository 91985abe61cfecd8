"""The same elements in other places: reversed, rolled, rotated; and triangles of matrices."""

import numpy as np

from ..dispatch import apply
from ..errors import DimError, ShapeError
from ..op import E, S, function, op, registry
from .samples import normal
from .shape import positive_dim, positive_dims


@op(
    names="",
    vjp=(lambda xp, g, axis: xp.flip(g, axis=axis),),
    formula=r"y_i = x_{n - 1 - i}",
    derivative=r"\bar x_i = \bar y_{n - 1 - i}",
    samples=lambda r: [S(normal(r, 3, 4), axis=(0,)), S(normal(r, 2, 3, 2), axis=(0, 2)), S(normal(r, 3), axis=())],
)
def flip(xp, x, *, axis):
    """``x`` with the elements along the axes in reverse order."""
    return xp.flip(x, axis=axis)


def _numpy_flip(x, *dims):
    dims = dims[0] if len(dims) == 1 else dims
    return np.flip(x, dims)


@function("flip",
          samples=lambda r: [S(normal(r, 3, 4), (0,)), S(normal(r, 2, 3, 2), (0, -1)), S(normal(r, 3), (0,)),
                             S(normal(r, 0, 2), (0,))],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 3), (1,)),
                            E(RuntimeError, "multiple times", normal(r, 3, 2), (0, -2))],
          formula=r"y_i = x_{n - 1 - i}", derivative=r"\bar x_i = \bar y_{n - 1 - i}", reference=_numpy_flip)  # fmt: skip
def _flip(input, *places, dims=None):
    """A copy with the elements along ``dims`` in reverse order: ``x.flip(0)``, ``x.flip(0, 1)`` or ``x.flip((0, 1))``.

    >>> import minigrad
    >>> minigrad.flip(minigrad.arange(3), (0,))
    tensor([2, 1, 0])
    """
    dims = dims if dims is not None else places[0] if len(places) == 1 else places
    return apply(registry["flip"], (input,), {"axis": positive_dims("flip", dims, input.array.ndim) if input.array.ndim else ()})


def _flip_one(name, dim, least):
    def call(input):
        if input.array.ndim < least:
            raise ShapeError(f"{name}: Input must be >= {least}-d, got shape {tuple(input.array.shape)}")
        return _flip(input, dim)

    call.__name__ = name
    call.__doc__ = f"""A copy with dimension {dim} in reverse order.

    >>> import minigrad
    >>> minigrad.{name}(minigrad.tensor([[1, 2], [3, 4]])).tolist()
    {[[2, 1], [4, 3]] if dim else [[3, 4], [1, 2]]}
    """
    function(name, samples=lambda r: [S(normal(r, 2, 3))], errors=lambda r: [E(RuntimeError, "Input must be >=", normal(r))],
             reference=getattr(np, name))(call)  # fmt: skip


_flip_one("fliplr", 1, 2)
_flip_one("flipud", 0, 1)


@op(
    names="",
    vjp=(lambda xp, g, shifts, axis: xp.roll(g, shifts=tuple(-s for s in shifts), axis=axis),),
    formula=r"y_{(i + s) \bmod n} = x_i",
    derivative=r"\bar x_i = \bar y_{(i + s) \bmod n}",
    samples=lambda r: [S(normal(r, 4), shifts=(1,), axis=(0,)), S(normal(r, 3, 4), shifts=(1, -2), axis=(0, 1))],
)
def roll(xp, x, *, shifts, axis):
    """``x`` with its elements moved along the axes; what leaves at one end comes back at the other."""
    return xp.roll(x, shifts=shifts, axis=axis)


@function("roll",
          samples=lambda r: [S(normal(r, 5), 2), S(normal(r, 3, 4), 3), S(normal(r, 3, 4), 1, 0),
                             S(normal(r, 3, 4), shifts=(1, -2), dims=(0, -1)), S(normal(r, 0), 1)],
          errors=lambda r: [E(RuntimeError, "must align", normal(r, 3, 4), (1, 2), (0,)),
                            E(IndexError, "out of range", normal(r, 3), 1, 1)],
          formula=r"y_{(i + s) \bmod n} = x_i", derivative=r"\bar x_i = \bar y_{(i + s) \bmod n}",
          reference=lambda x, shifts, dims=None: np.roll(x, shifts, dims))  # fmt: skip
def _roll(input, shifts, dims=None):
    """The elements moved by ``shifts`` along ``dims``; what leaves at one end comes back at the other.

    Without ``dims`` the tensor is rolled as if it were flat.

    >>> import minigrad
    >>> minigrad.roll(minigrad.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    shifts = tuple(shifts) if isinstance(shifts, tuple | list) else (shifts,)
    if dims is None or dims == () or dims == []:
        if len(shifts) != 1:
            raise ShapeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims: 0")
        flat = apply(registry["roll"], (input.reshape(-1),), {"shifts": shifts, "axis": (0,)})
        return flat.reshape(input.array.shape)
    dims = tuple(dims) if isinstance(dims, tuple | list) else (dims,)
    if not input.array.ndim:
        raise DimError(f"roll: Dimension specified as {dims[0]} but tensor has no dimensions")
    if len(dims) != len(shifts):
        raise ShapeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims: {len(dims)}")
    axis = tuple([positive_dim("roll", d, input.array.ndim) for d in dims])
    return apply(registry["roll"], (input,), {"shifts": shifts, "axis": axis}) if input.array.ndim else input.clone()


@function("rot90",
          samples=lambda r: [S(normal(r, 2, 3)), S(normal(r, 2, 3), 2), S(normal(r, 2, 3, 2), k=3, dims=(1, 2)),
                             S(normal(r, 2, 3), 4), S(normal(r, 2, 3), -1, (1, 0))],
          errors=lambda r: [E(RuntimeError, "total rotation dims == 2", normal(r, 2, 3), 1, (0,)),
                            E(RuntimeError, "different", normal(r, 2, 3), 1, (0, -2)),
                            E(IndexError, "out of range", normal(r, 2, 3), 1, (0, 2))],
          reference=lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims))  # fmt: skip
def rot90(input, k=1, dims=(0, 1)):
    """The tensor turned by 90 degrees ``k`` times in the plane of two dimensions, from the first towards the second.

    >>> import minigrad
    >>> minigrad.rot90(minigrad.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise ShapeError(f"rot90: expected total rotation dims == 2, but got dims = {len(dims)}")
    a, b = (positive_dim("rot90", d, input.array.ndim) for d in dims)
    if a == b:
        raise ShapeError(f"rot90: expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return _flip(input, a, b)
    return _flip(input, b if turns == 1 else a).transpose(a, b).contiguous()


# ------------------------------------------------------------------------------------------------------------------- triangles
def _triangle(name, other):
    numpy_function = getattr(np, name)
    return {
        "samples": lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3, 4), 1), S(normal(r, 3, 2), diagonal=-1)],
        "errors": lambda r: [E(RuntimeError, "at least 2 dimensions", normal(r, 3))],
        "reference": lambda x, diagonal=0: numpy_function(x, diagonal),
        "formula": rf"y_{{ij}} = x_{{ij}}\,[j {other} i + k]",
        "derivative": rf"\bar x_{{ij}} = \bar y_{{ij}}\,[j {other} i + k]",
        "inplace": True,
    }


@op(
    names="",
    vjp=(lambda xp, g, k: xp.tril(g, k=k),),
    onnx="Trilu",
    samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3, 4), k=1), S(normal(r, 3, 2), k=-1)],
)
def tril(xp, x, *, k=0):
    """Matrices with zeros above diagonal ``k``."""
    return xp.tril(x, k=k)


@op(
    names="",
    vjp=(lambda xp, g, k: xp.triu(g, k=k),),
    onnx="Trilu",
    samples=lambda r: [S(normal(r, 3, 3)), S(normal(r, 2, 3, 4), k=1), S(normal(r, 3, 2), k=-1)],
)
def triu(xp, x, *, k=0):
    """Matrices with zeros below diagonal ``k``."""
    return xp.triu(x, k=k)


def _check_matrix(name, input):
    if input.array.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions, got shape {tuple(input.array.shape)}")


@function("tril", **_triangle("tril", r"\le"))
def _tril(input, diagonal=0):
    """The lower triangle of matrices, zeros above ``diagonal``: 0 is the main one, 1 that above it, -1 that below.

    >>> import minigrad
    >>> minigrad.tril(minigrad.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    _check_matrix("tril", input)
    return apply(registry["tril"], (input,), {"k": diagonal})


@function("triu", **_triangle("triu", r"\ge"))
def _triu(input, diagonal=0):
    """The upper triangle of matrices, zeros below ``diagonal``: 0 is the main one, 1 that above it, -1 that below.

    >>> import minigrad
    >>> minigrad.triu(minigrad.ones(2, 3), 1)
    tensor([[0., 1., 1.],
            [0., 0., 1.]])
    """
    _check_matrix("triu", input)
    return apply(registry["triu"], (input,), {"k": diagonal})
