"""Reading and writing parts of a tensor. Each reader comes with its adjoint, so gradients of any order need nothing more."""

import numpy as np

from .. import backends
from ..dispatch import apply
from ..errors import describe
from ..graph import tracer
from ..op import S, op, registry
from ..tensor import Tensor, wrap
from ..views import write
from .samples import normal

FULL = ("slice", None, None, None)


def split_key(t, key):
    """Python's index as a static key (see ``backends.words.index_key``) and its index arrays as Tensors."""
    template, arrays = [], []
    for k in key if key.__class__ is tuple else (key,):
        if isinstance(k, slice):
            template.append(("slice", *(None if v is None else v.__index__() for v in (k.start, k.stop, k.step))))
        elif k is None or k is ...:
            template.append(k)
        elif isinstance(k, bool | np.bool_):
            template.append("?")
            arrays.append(_like(t, np.asarray(bool(k))))
        elif isinstance(k, int | np.integer):
            template.append(int(k))
        elif isinstance(k, Tensor):
            if k.array.dtype.kind not in "bui":
                raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {describe(k)}; convert with .long()")
            if k.array.dtype == np.uint8:
                k = k != 0  # PyTorch: a byte tensor is a mask
            template.append("?")
            arrays.append(k)
        elif isinstance(k, list | tuple | range | np.ndarray):
            index = np.asarray([int(v) if isinstance(v, Tensor) else v for v in k] if not isinstance(k, np.ndarray) else k)
            template.append("?")
            arrays.append(_like(t, index.astype(np.int64) if index.size == 0 else index))
        else:
            raise IndexError(f"a tensor cannot be indexed with {describe(k)}; use ints, slices, None, ..., or int or bool tensors")
    return tuple(template), tuple(arrays)


def _like(t, array):
    return wrap(backends.of(t.array).upload(array) if t.array.__class__ is not np.ndarray else array)


def _keys(r):
    return [
        S(normal(r, 4, 5), key=(("slice", 1, None, 2), 3)),
        S(normal(r, 4, 5), key=(None, ..., 0)),
        S(normal(r, 4, 5), np.array([0, 2, 2, 0]), key=("?",)),
        S(normal(r, 4, 5), np.array([1, 1]), np.array([0, 0]), key=("?", "?")),
        S(normal(r, 4, 5, 2), np.array([[1], [-1]]), key=(FULL, "?", 1)),
        S(normal(r, 4, 5), r.random((4, 5)) > 0.5, key=("?",)),
    ]


def _put_parameters(params, shape):
    return {"key": params["key"]}


@op(
    kind="view",
    names="",
    vjp=(lambda xp, g, x_shape, key: xp.ungetitem(g, key=key, shape=tuple(x_shape)),),
    put=("slice_put", _put_parameters),
    formula=r"y = x[k]",
    derivative=r"\bar x[k] = \bar y",
    onnx="Slice",
    samples=lambda r: _keys(r)[:2],
)
def slice_(xp, x, *, key):
    """``x[key]`` for a key of ints, slices, None and ``...``: a view."""
    return xp.getitem(x, key=key)


@op(
    names="",
    vjp=(
        lambda xp, g, key: xp.slice_put(g, xp.full(g, shape=(), value=0.0), key=key),
        lambda xp, g, v_shape, key: xp.getitem(g, key=key),
    ),
    samples=lambda r: [S(normal(r, 4, 5), normal(r, 2), key=(("slice", 1, None, 2), 3))],
)
def slice_put(xp, x, v, *, key):
    """A copy of ``x`` with ``v`` written at a key of ints and slices."""
    return xp.index_put(x, v, key=key)


@op(
    names="",
    vjp=(lambda xp, g, indices, x_shape, key: xp.ungetitem(g, *indices, key=key, shape=tuple(x_shape)), None),
    formula=r"y = x[i]",
    derivative=r"\bar x[i] \mathrel{+}= \bar y",
    onnx="GatherND",
    samples=_keys,
)
def getitem(xp, x, *indices, key):
    """``x[key]`` with index arrays; a new tensor."""
    return xp.getitem(x, *indices, key=key)


@op(
    names="",
    vjp=(lambda xp, g, indices, key: xp.getitem(g, *indices, key=key), None),
    samples=lambda r: [S(normal(r, 4, 5), np.array([0, 2, 2, 0]), key=("?",), shape=(3, 5)), S(normal(r, 2), key=(("slice", 1, None, 2), 3), shape=(4, 5))],
)
def ungetitem(xp, v, *indices, key, shape):
    """zeros(shape) with ``v`` added at ``key``; repeated indices add up. The adjoint of getitem."""
    return xp.ungetitem(v, *indices, key=key, shape=shape)


@op(
    names="",
    vjp=(
        lambda xp, g, indices, key: xp.index_put(g, xp.full(g, shape=(), value=0.0), *indices, key=key),
        lambda xp, g, indices, v_shape, key: sum_to_shape(xp, xp.getitem(g, *indices, key=key), v_shape),
        None,
    ),
    samples=lambda r: [
        S(normal(r, 4, 5), normal(r, 5), np.array([3, 1]), key=("?",)),
        S(normal(r, 4, 5), normal(r, 2, 5), np.array([3, 1]), key=("?",)),
        S(normal(r, 4, 5), normal(r), r.random((4, 5)) > 0.5, key=("?",)),
    ],
)
def index_put(xp, x, v, *indices, key):
    """A copy of ``x`` with ``v`` written at ``key``."""
    return xp.index_put(x, v, *indices, key=key)


def sum_to_shape(xp, g, shape):
    from .shape import sum_to

    return sum_to(xp, g, shape)


@op(
    names="",
    vjp=(lambda xp, g, indices, x_shape, axis: xp.scatter_along_axis(g, indices, axis=axis, shape=tuple(x_shape)), None),
    formula=r"y_i = x_{k_i}",
    derivative=r"\bar x_{k_i} \mathrel{+}= \bar y_i",
    onnx="GatherElements",
    samples=lambda r: [S(normal(r, 3, 4), np.array([[1, 1], [0, 3], [2, 2]]), axis=1), S(normal(r, 3, 4), np.array([[1, 1]]), axis=0)],
)
def take_along_axis(xp, x, indices, *, axis):
    """``x`` read at ``indices`` along one axis; the other axes of ``indices`` may be shorter than those of ``x``."""
    return xp.take_along_axis(x, indices, axis=axis)


@op(
    names="",
    vjp=(lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis), None),
    samples=lambda r: [S(normal(r, 3, 2), np.array([[1, 1], [0, 3], [2, 2]]), axis=1, shape=(3, 4))],
)
def scatter_along_axis(xp, v, indices, *, axis, shape):
    """zeros(shape) with ``v`` added where take_along_axis would read. Its adjoint."""
    return xp.scatter_along_axis(v, indices, axis=axis, shape=shape)


# ------------------------------------------------------------------------------------------------------------ x[key] and x[key] = v
def _getitem(self, key):
    """``x[key]``: a view for ints, slices, None and ``...``; a copy for int and bool tensors, lists and arrays."""
    template, arrays = split_key(self, key)
    if not arrays:
        return apply(registry["slice"], (self,), {"key": template})
    if tracer.get() is not None and any(a.array.dtype == bool for a in arrays):
        tracer.get().refuse_mask()
    return apply(registry["getitem"], (self, *arrays), {"key": template})


def _setitem(self, key, value):
    """``x[key] = value``, recorded as the pure operation it stands for."""
    if isinstance(value, Tensor) and value._base is not None and value._base[0] is self and value._base[1].name == "slice":
        template, arrays = split_key(self, key)
        if not arrays and value._base[2]["key"] == template:
            return  # x[k] += v: the view has been written already
    if isinstance(value, list | tuple | np.ndarray | np.generic):
        value = _like(self, np.asarray(value, self.array.dtype))
    template, arrays = split_key(self, key)
    if not arrays:
        write(apply(registry["slice"], (self,), {"key": template}), value)
        return
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(value))
    if value.array.dtype != self.array.dtype:
        value = value.to(self.dtype)
    if value.device != self.device:
        value = value.to(self.device)
    write(self, apply(registry["index_put"], (self, value, *arrays), {"key": template}))


Tensor.__getitem__, Tensor.__setitem__ = _getitem, _setitem
