"""Views with free sizes and steps, and new tensors whose memory is laid out by hand."""

import math

import numpy as np

from .. import backends, quick
from ..dispatch import apply
from ..dtype import array_dtype, get_default_dtype
from ..errors import ShapeError, TraceError
from ..graph import owner_of, tracer
from ..op import E, S, function, op, registry
from ..tensor import wrap
from .axes import become
from .creation import finish, make
from .filled import sizes
from .samples import normal
from .shape import whole

_ROWS = ((2, 3), (3, 1), 0)  # a 2x3 matrix in order: shape, steps, offset
_CORNER = ((2, 2), (3, 2), 0)  # its first and last column
_HANKEL = ((2, 2), (1, 1), 1)  # overlapping


def _shared(xp, g, source):
    """A gradient divided by how many elements of ``source`` look at the same place."""
    ones = xp.full(g, shape=source[0], value=1)
    return g / xp.restride(ones, source=source, target=source)


def _strided_dx(xp, g, source, target):
    back = xp.restride(g, source=target, target=source)
    return _shared(xp, back, source) if _overlap(source) else back


def _overlap(geometry):
    """Whether some step of 0 makes several elements one."""
    shape, steps, _ = geometry
    return any(n > 1 and step == 0 for n, step in zip(shape, steps))


@op(
    kind="view",
    names="",
    vjp=(_strided_dx,),
    put=("strided_put", lambda params, shape: params),
    formula=r"y_{i j} = m_{o + i s_0 + j s_1}",
    derivative=r"\bar m_{o + i s_0 + j s_1} \mathrel{+}= \bar y_{i j}",
    samples=lambda r: [S(normal(r, 2, 3), source=_ROWS, target=t) for t in (_CORNER, _HANKEL, ((6,), (1,), 0))],
)
def strided(xp, x, *, source, target):
    """A view of the memory behind ``x``, which lies there as ``source`` says, by the geometry ``target``."""
    return xp.strided(x, source=source, target=target)


@op(
    names="",
    vjp=(lambda xp, g, source, target: xp.restride(g, source=target, target=source),),
    samples=lambda r: [
        S(normal(r, 2, 2), source=_HANKEL, target=_ROWS),
        S(normal(r, 2, 3), source=_ROWS, target=_CORNER),
    ],
)
def restride(xp, v, *, source, target):
    """Values that lie at ``source`` added into memory of zeros, which is then read at ``target``. The adjoint of strided."""
    return xp.restride(v, source=source, target=target)


@op(
    names="",
    vjp=(
        lambda xp, g, v_shape, source, target: xp.strided_put(g, xp.full(g, shape=tuple(v_shape)), source=source, target=target),
        lambda xp, g, source, target: xp.restride(g, source=source, target=target),
    ),
    samples=lambda r: [S(normal(r, 2, 3), normal(r, 2, 2), source=_ROWS, target=_CORNER)],
)
def strided_put(xp, x, v, *, source, target):
    """A copy of ``x``, which lies in memory as ``source`` says, with ``v`` written where ``target`` looks."""
    return xp.strided_put(x, v, source=source, target=target)


_strided_view = quick.view(registry["strided"])


def _geometries(name, input, size, stride, storage_offset):
    if tracer.get() is not None:
        raise TraceError(f"{name}: a traced tensor has no memory whose layout is known; use slices, unfold or reshape")
    size, stride = whole((tuple(size),)), whole((tuple(stride),))
    if len(size) != len(stride):
        raise ShapeError(f"{name}: mismatch in length of strides and shape, got size {list(size)} and stride {list(stride)}")
    if any(s < 0 for s in stride):
        raise ShapeError(f"{name}: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if any(n < 0 for n in size):
        raise ShapeError(f"{name}: Negative size is not allowed, got {list(size)}")
    here = input.storage_offset()
    offset = here if storage_offset is None else int(storage_offset)
    if offset < 0:
        raise ShapeError(f"Tensor: invalid storage offset {offset}")
    return {"source": (tuple(input.array.shape), input.stride(), here), "target": (size, stride, offset)}


_VIEWS = {
    "errors": lambda r: [
        E(RuntimeError, "out of bounds for storage", normal(r, 3), (2, 3), (3, 1)),
        E(RuntimeError, "mismatch in length", normal(r, 3), (2, 3), (3,)),
        E(RuntimeError, "Negative strides", normal(r, 3), (2,), (-1,)),
        E(RuntimeError, "storage offset", normal(r, 3), (2,), (1,), -1),
    ],
    "samples": lambda r: [
        S(normal(r, 3, 3), (2, 2), (1, 2)),
        S(normal(r, 3, 3), (2, 2), (1, 2), 1),
        S(normal(r, 9), (4, 3), (2, 1), storage_offset=0),
        S(normal(r, 4), (), ()),
    ],
    "formula": r"y_{i j} = m_{o + i s_0 + j s_1}",
}


def _numpy_strided(x, size, stride, storage_offset=0):
    places = storage_offset + sum(np.indices(size)[d] * s for d, s in enumerate(stride))
    return x.reshape(-1)[places]


@function("as_strided", **_VIEWS, reference=_numpy_strided)
def as_strided(input, size, stride, storage_offset=None):
    """A view of the memory behind ``input`` with any shape and steps, counted in elements.

    Args:
        input: tensor of any dtype.
        size: the shape.
        stride: how far apart neighbours lie along each dimension; they may overlap.
        storage_offset: where in the memory the first element lies; without it where ``input`` begins.

    Raises:
        RuntimeError: where the view would reach out of the memory.

    >>> import minigrad
    >>> minigrad.as_strided(minigrad.arange(5), (3, 3), (1, 1))
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    return _strided_view(input, _geometries("as_strided", input, size, stride, storage_offset))


@function("as_strided_", samples=lambda r: [S(np.arange(6), (2, 2), (3, 1))], reference=_numpy_strided)
def as_strided_(input, size, stride, storage_offset=None):
    """In-place version of :func:`minigrad.as_strided`: the tensor becomes the view, and is returned.

    >>> import minigrad
    >>> minigrad.arange(4).as_strided_((2, 2), (2, 1))
    tensor([[0, 1],
            [2, 3]])
    """
    return become(input, lambda old: as_strided(old, size, stride, storage_offset))


def _numpy_strided_scatter(x, src, size, stride, storage_offset=0):
    out = x.copy()
    out.reshape(-1)[storage_offset + sum(np.indices(size)[d] * s for d, s in enumerate(stride))] = src
    return out


_REPLACED = "values only: PyTorch hands the input the gradient of the elements that were replaced"


@function("as_strided_scatter", reference=_numpy_strided_scatter, formula=_VIEWS["formula"],
          samples=lambda r: [S(normal(r, 3, 3), normal(r, 2, 2), (2, 2), (1, 2), parity=_REPLACED),
                             S(normal(r, 4), normal(r, 2), (2,), (2,), 1, parity=_REPLACED)],
          errors=lambda r: [E(RuntimeError, "expected src to have a size equal to", normal(r, 4), normal(r, 3), (2,), (2,))],
          )  # fmt: skip
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of ``input`` with ``src`` written where :func:`minigrad.as_strided` would look.

    >>> import minigrad
    >>> minigrad.as_strided_scatter(minigrad.zeros(4), minigrad.ones(2), (2,), (2,), 1)
    tensor([0., 1., 0., 1.])
    """
    x = input.contiguous()
    part = as_strided(x.detach(), size, stride, storage_offset)  # raises where it would look outside
    if part.array.shape != src.array.shape:
        raise ShapeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.array.shape)}, slice size = "
            f"{list(part.array.shape)}"
        )
    geometries = _geometries("as_strided_scatter", x, size, stride, storage_offset)
    return apply(registry["strided_put"], (x, src.to(x.dtype)), geometries)


# ------------------------------------------------------------------------------------------------ new memory, laid out by hand
def _laid_out(shape, steps, dtype, device, requires_grad):
    reach = 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, steps))
    flat = make("empty", (reach,), dtype=array_dtype(dtype or get_default_dtype()), device=device, requires_grad=False)
    return finish(as_strided(flat, shape, steps).array, requires_grad)


_UNDEFINED = "its values are whatever lay in memory"


@function("empty_strided", spaces="torch", samples=lambda r: [S((0, 3), (1, 2)), S((2, 0), (1, 2), dtype=np.dtype("int64"))],
          errors=lambda r: [E(RuntimeError, "mismatch in length", (2, 3), (1,))], parity=_UNDEFINED)  # fmt: skip
def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """An uninitialised tensor with the given steps between neighbours, counted in elements.

    >>> import minigrad
    >>> minigrad.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    size, stride = sizes("empty_strided", (size,)), tuple(stride)
    if len(size) != len(stride):
        raise ShapeError(f"empty_strided: mismatch in length of strides and shape, got {list(size)} and {list(stride)}")
    return _laid_out(size, stride, dtype, device, requires_grad)


@function("new_empty_strided", spaces="Tensor", samples=lambda r: [S(normal(r, 2), (0, 3), (1, 2))], parity=_UNDEFINED)
def new_empty_strided(self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """An uninitialised tensor with this tensor's dtype and device and the given steps. See :func:`minigrad.empty_strided`.

    >>> import minigrad
    >>> minigrad.ones(2).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    return empty_strided(size, stride, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


@function("empty_permuted", spaces="torch", samples=lambda r: [S((0, 3), (1, 0)), S((2, 0), (0, 1), dtype=np.dtype("int64"))],
          errors=lambda r: [E(RuntimeError, "same length", (2, 3), (0,)), E(RuntimeError, "Duplicate|twice", (0, 3), (0, 0))],
          parity=_UNDEFINED)  # fmt: skip
def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """An uninitialised tensor whose dimensions lie in memory in the order ``physical_layout``, the outermost first.

    >>> import minigrad
    >>> minigrad.empty_permuted((2, 3, 4), (0, 2, 1)).stride()
    (12, 1, 3)
    """
    size, order = sizes("empty_permuted", (size,)), tuple(physical_layout)
    if len(size) != len(order):
        raise ShapeError(
            f"empty_permuted: Number of dimensions in size ({len(size)}) and physical_layout must have the same length, got "
            f"{len(order)}"
        )
    if sorted(order) != list(range(len(size))):
        raise ShapeError(f"empty_permuted: Duplicate dim or dim out of range in physical_layout {order}")
    steps = [0] * len(size)
    for place, d in enumerate(order):
        steps[d] = math.prod(max(size[later], 1) for later in order[place + 1 :])
    return _laid_out(size, tuple(steps), dtype, device, requires_grad)


@function("dim_order", spaces="Tensor", samples=lambda r: [S(normal(r, 2, 3, 4))], reference=lambda x: (0, 1, 2))
def dim_order(self, ambiguity_check=False):
    """The order in which the dimensions lie in memory, the outermost first.

    >>> import minigrad
    >>> minigrad.empty_permuted((2, 3, 4), (0, 2, 1)).dim_order()
    (0, 2, 1)
    """
    steps = self.stride()
    return tuple(sorted(range(len(steps)), key=lambda d: -steps[d]))


def resized(t, size):
    """``t`` with ``size`` in place: the same memory where it suffices, else larger memory that begins with the old elements."""
    shape = whole((tuple(size),))
    if tuple(t.array.shape) == shape:
        return t
    steps = tuple(math.prod(max(n, 1) for n in shape[i + 1 :]) for i in range(len(shape)))
    try:
        fresh = as_strided(wrap(t.array), shape, steps)
    except RuntimeError:
        memory = owner_of(t.array)
        here = t.storage_offset()
        old = as_strided(wrap(t.array), (memory.nbytes // t.array.itemsize - here,), (1,)).array
        grown = backends.of(t.array).full(t.array, shape=(math.prod(shape),))
        grown[: old.size] = old
        fresh = wrap(grown.reshape(shape))
    t.array = fresh.array
    if t.node is not None:
        t.requires_grad_(False).requires_grad_()
    return t


@function("resize_", spaces="Tensor", samples=lambda r: [S(np.arange(6), (2, 2)), S(np.arange(6), (3,))],
          reference=lambda x, size: x[: math.prod(size)].reshape(size))  # fmt: skip
def _resize_(self, *sizes, size=None, memory_format=None):
    """Give the tensor another shape, in place: fewer elements look into the same memory, more need new memory.

    What is new in it is not initialised.

    >>> import minigrad
    >>> minigrad.arange(6).resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad; write to x.detach() or use x.reshape(...)")
    return resized(self, whole(sizes if size is None else (size,)))


@function("resize_as_", samples=lambda r: [S(np.arange(6), np.zeros((2, 2)))],
          reference=lambda x, other: x[:4].reshape(2, 2))  # fmt: skip
def _resize_as_(self, other, memory_format=None):
    """Give the tensor the shape of ``other``, in place. See :meth:`resize_`.

    >>> import minigrad
    >>> minigrad.arange(6).resize_as_(minigrad.zeros(2)).shape
    minigrad.Size([2])
    """
    return _resize_(self, *other.array.shape)
