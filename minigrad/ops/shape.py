"""Shapes: views of the same memory wherever that is possible, and joining and splitting."""

import math

import numpy as np

from ..dispatch import apply
from ..errors import ShapeError, dim_error
from ..op import E, S, function, op, registry
from ..tensor import Tensor
from .samples import normal


def whole(shape):
    """Sizes given as ``f(2, 3)``, ``f((2, 3))`` or ``f([2, 3])`` as a tuple of ints."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = shape[0]
    return tuple(int(n) for n in shape)


def positive_dim(name, dim, ndim):
    """``dim`` counted from the front; IndexError where there is no such dimension."""
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise dim_error(name, dim, ndim)
    return dim % max(ndim, 1)


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
    onnx="Transpose",
    samples=lambda r: [S(normal(r, 3, 4)), S(normal(r, 2, 3, 4))],
)
def matrix_transpose(xp, x):
    """A view with the last two dimensions exchanged."""
    return xp.matrix_transpose(x)


def sum_to(xp, g, shape):
    """The adjoint of broadcasting from ``shape``: sums over the axes that were added or stretched."""
    extra = len(g.shape) - len(shape)
    axes = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1))
    return xp.reshape(xp.sum(g, axis=axes, keepdims=True), shape=tuple(shape)) if axes else g


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, x_shape: sum_to(xp, g, x_shape),),
    onnx="Expand",
    samples=lambda r: [S(normal(r, 3, 1), (2, 3, 4)), S(normal(r), (2, 3)), S(normal(r, 3), (3,))],
)
def broadcast_to(xp, x, *, shape):
    """The tensor stretched along new dimensions and those of size 1."""
    return xp.broadcast_to(x, shape=shape)


# ---------------------------------------------------------------------------------------------- PyTorch's functions of them
@function("reshape", spaces="torch", samples=lambda r: [S(normal(r, 3, 4), (2, 6)), S(normal(r, 3, 4), (-1, 2))],
          errors=lambda r: [E(RuntimeError, "is invalid for input of size 12", normal(r, 3, 4), (5, 2))],
          reference=np.reshape, formula="y = x", derivative=r"\bar x = \bar y")  # fmt: skip
def _reshape(input, shape):
    """The elements of ``input`` in another shape, a view where the memory allows it. One size may be -1.

    Raises:
        RuntimeError: where the number of elements differs.

    >>> import minigrad
    >>> minigrad.reshape(minigrad.arange(6), (2, 3))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return input.reshape(shape)


def resolve_shape(name, shape, size):
    """``shape`` with -1 worked out; RuntimeError where it does not hold ``size`` elements."""
    shape = whole(shape)
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and size % known == 0:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(shape) != size or any(n < 0 for n in shape):
        raise ShapeError(f"{name}: shape '{list(shape)}' is invalid for input of size {size}")
    return shape


def _reshape_method(self, *shape):
    """The elements in another shape: ``x.reshape(2, -1)`` or ``x.reshape((2, -1))``. See :func:`minigrad.reshape`."""
    return apply(registry["reshape"], (self,), {"shape": resolve_shape("reshape", shape, self.array.size)})


def _view(self, *shape):
    """A view of the same memory in another shape. RuntimeError where the memory is not laid out for it: use reshape.

    >>> import minigrad
    >>> x = minigrad.zeros(2, 3)
    >>> x.view(3, 2)[0, 0] = 1.0
    >>> x[0, 0]
    tensor(1.)
    """
    if len(shape) == 1 and not isinstance(shape[0], int | tuple | list):
        return _view_dtype(self, shape[0])
    out = apply(registry["reshape"], (self,), {"shape": resolve_shape("view", shape, self.array.size)})
    if out._base is None and self.array.size:
        raise ShapeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead, which copies where it must"
        )
    return out


def _view_dtype(self, dtype):
    from ..dtype import array_dtype
    from ..tensor import wrap

    return wrap(self.array.view(array_dtype(dtype)))


@function("permute", spaces="torch", samples=lambda r: [S(normal(r, 2, 3, 4), (2, 0, 1)), S(normal(r, 2, 3), (-1, 0))],
          errors=lambda r: [E(RuntimeError, "is not equal to the length", normal(r, 2, 3), (0, 1, 2)), E(IndexError, "out of range", normal(r, 2, 3), (0, 2)),
                            E(RuntimeError, "duplicate dims", normal(r, 2, 3), (0, 0))],
          reference=np.transpose, formula="y = x", derivative=r"\bar x = \bar y")  # fmt: skip
def permute(input, dims):
    """A view with the dimensions in the order ``dims``.

    >>> import minigrad
    >>> minigrad.permute(minigrad.zeros(2, 3, 4), (2, 0, 1)).shape
    minigrad.Size([4, 2, 3])
    """
    ndim = input.array.ndim
    if len(dims) != ndim:
        raise ShapeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering "
            f"of dimensions i.e. input.dim() = {ndim} is not equal to the length of dims {tuple(dims)}"
        )
    axes = tuple(positive_dim("permute", d, ndim) for d in dims)
    if len(set(axes)) != ndim:
        raise ShapeError(f"permute(): duplicate dims are not allowed, got {tuple(dims)}")
    return apply(registry["permute_dims"], (input,), {"axes": axes})


@function("transpose swapaxes swapdims", samples=lambda r: [S(normal(r, 2, 3, 4), 0, 2), S(normal(r, 2, 3), -1, 0)],
          errors=lambda r: [E(IndexError, "out of range", normal(r, 2, 3), 0, 2)], reference=np.swapaxes,
          formula="y = x", derivative=r"\bar x = \bar y")  # fmt: skip
def transpose(input, dim0, dim1):
    """A view with dimensions ``dim0`` and ``dim1`` exchanged.

    >>> import minigrad
    >>> minigrad.transpose(minigrad.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    ndim = input.array.ndim
    a, b = positive_dim("transpose", dim0, ndim), positive_dim("transpose", dim1, ndim)
    axes = list(range(ndim))
    if ndim:
        axes[a], axes[b] = axes[b], axes[a]
    return apply(registry["permute_dims"], (input,), {"axes": tuple(axes)})


def _detach(self):
    """The same memory without history: nothing computed from it sends a gradient back.

    >>> import minigrad
    >>> minigrad.ones(2, requires_grad=True).detach().requires_grad
    False
    """
    return apply(registry["alias"], (self,), {})


def _size_arguments(call):
    """Let the dimensions of a method come as separate arguments or as one tuple."""

    def method(self, *dims):
        return call(self, dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims)

    method.__name__, method.__doc__ = call.__name__, call.__doc__
    return method


def _matrix_t(self):
    if self.array.ndim == 2:
        return apply(registry["matrix_transpose"], (self,), {})
    return permute(self, tuple(range(self.array.ndim))[::-1])


Tensor.reshape, Tensor.view, Tensor.detach = _reshape_method, _view, _detach
Tensor.permute = _size_arguments(permute)
Tensor.T = property(_matrix_t)
Tensor.mT = property(lambda self: apply(registry["matrix_transpose"], (self,), {}))


# ------------------------------------------------------------------------------------------------------------------- joining
def _piece(xp, g, i, xs_shapes, axis):
    """The part of ``g`` that belongs to input ``i`` of a concatenation."""
    axis %= len(g.shape)
    start = sum(shape[axis] for shape in xs_shapes[:i])
    return xp.getitem(g, key=(("slice", None, None, None),) * axis + (("slice", start, start + xs_shapes[i][axis], None),))


@op(
    names="",
    promote=True,
    vjp=(_piece,),
    formula=r"y = [x_1; x_2; \dots]",
    derivative=r"\bar x_i = \text{its part of } \bar y",
    onnx="Concat",
)
def concat(xp, *xs, axis=0):
    """Tensors joined along an existing dimension."""
    return xp.concat(*xs, axis=axis)


@function("cat concat concatenate", spaces="torch",
          samples=lambda r: [S([normal(r, 3, 4), normal(r, 2, 4)]), S([normal(r, 3, 1), normal(r, 3, 2)], dim=-1), S([normal(r, 0), normal(r, 2, 3)])],
          errors=lambda r: [E(RuntimeError, "Sizes of tensors must match", [normal(r, 3, 4), normal(r, 2, 3)]), E(RuntimeError, "non-empty list", []),
                            E(IndexError, "out of range", [normal(r, 3)], dim=1)],
          formula=r"y = [x_1; x_2; \dots]", derivative=r"\bar x_i = \text{its part of } \bar y",
          reference=lambda xs, dim=0: np.concatenate([x for x in xs if x.shape != (0,)], axis=dim))  # fmt: skip
def cat(tensors, dim=0, *, axis=None):
    """Tensors joined along an existing dimension; their other sizes must agree.

    >>> import minigrad
    >>> minigrad.cat([minigrad.tensor([1, 2]), minigrad.tensor([3])])
    tensor([1, 2, 3])
    """
    dim = dim if axis is None else axis
    if not tensors:
        raise RuntimeError("cat: expected a non-empty list of Tensors")
    tensors = [t for t in tensors if t.array.shape != (0,)] or tensors[:1]  # PyTorch passes over empty 1-D tensors
    shapes = [t.array.shape for t in tensors]
    d = positive_dim("cat", dim, len(shapes[0]))
    if any(len(s) != len(shapes[0]) or s[:d] + s[d + 1 :] != shapes[0][:d] + shapes[0][d + 1 :] for s in shapes):
        raise ShapeError(f"cat: Sizes of tensors must match except in dimension {d}, got shapes {', '.join(map(str, shapes))}")
    return apply(registry["concat"], tuple(tensors), {"axis": d})
